//! Instruction counts, which other load on the machine does not disturb: a run under valgrind's callgrind.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::measure::{COUNTED, Line};

/// The instructions of each row and format of one peer, for the whole stretch that is timed, run once.
pub(crate) fn count(family: &str, work: &str, peer: &str) -> anyhow::Result<BTreeMap<(String, String), u64>> {
    let folder = std::env::temp_dir().join(format!("crdt-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let counted = count_in(&folder, family, work, peer);
    std::fs::remove_dir_all(&folder)?;
    counted
}

fn count_in(
    folder: &Path,
    family: &str,
    work: &str,
    peer: &str,
) -> anyhow::Result<BTreeMap<(String, String), u64>> {
    let stretch = "crdt_bench::measure::timed";
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .args([format!("--toggle-collect={stretch}"), format!("--dump-after={stretch}")])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(std::env::current_exe()?)
        .args(["cell", family, peer, work])
        .env(COUNTED, "1")
        .output()
        .context("cannot run valgrind, which counts the instructions")?;
    ensure!(output.status.success(), "{peer} failed under valgrind: {}", output.status);
    let mut counts = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(Line::Sample(sample)) = serde_json::from_str(line) else { continue };
        let (after, to) = sample.calls;
        let dumps = (after + 1..=to).map(|call| instructions(&folder.join(format!("out.{call}"))));
        let sum = dumps.sum::<anyhow::Result<u64>>()?;
        if sum > 0 {
            counts.insert((sample.row, sample.format), sum);
        }
    }
    Ok(counts)
}

/// The total of one dump.
fn instructions(dump: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(dump).with_context(|| format!("no dump {}", dump.display()))?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.context("a dump without a total")?.trim().parse()?)
}
