//! Instruction counts, which other load on the machine does not disturb: a run under valgrind's callgrind.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::measure::{COUNTED, Sample};

/// Where callgrind puts a dump for each stretch that is timed, while one cell runs.
pub(crate) struct Counter {
    folder: PathBuf,
}

impl Counter {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("crdt-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Counter { folder })
    }

    /// The command that runs this program under callgrind.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let stretch = "crdt_bench::measure::timed";
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--collect-atstart=no"])
            .args([format!("--toggle-collect={stretch}"), format!("--dump-after={stretch}")])
            .arg(format!("--callgrind-out-file={}", self.folder.join("out").display()))
            .arg(program)
            .env(COUNTED, "1");
        command
    }

    /// A sample with the millions of instructions of its stretches as value; `None` where nothing was timed.
    pub(crate) fn count(&self, sample: Sample) -> anyhow::Result<Option<Sample>> {
        let (after, to) = sample.calls;
        let dumps = (after + 1..=to).map(|call| instructions(&self.folder.join(format!("out.{call}"))));
        let sum = dumps.sum::<anyhow::Result<u64>>()?;
        Ok((sum > 0).then_some(Sample { value: sum as f64 / 1e6, ..sample }))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // only room on the disk
    }
}

/// The total of one dump.
fn instructions(dump: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(dump).with_context(|| format!("no dump {}", dump.display()))?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.context("a dump without a total")?.trim().parse()?)
}
