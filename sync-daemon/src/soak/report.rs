//! Memory over time, and the result.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::SoakArgs;
use super::faults::Faults;
use super::ledger::Shared;
use crate::cluster::Cluster;

/// Memory may grow by half and so much between the beginning of a run and its end.
const SLACK_KIB: u64 = 16 << 10;
/// Shorter runs say nothing of growth.
const LONG_ENOUGH: Duration = Duration::from_secs(300);

/// Resident memory of each daemon, in KiB.
#[derive(Debug, Default)]
pub(super) struct Samples {
    all: Vec<(Duration, Vec<Option<u64>>)>,
}

impl Samples {
    pub(super) fn take(&mut self, cluster: &Cluster, at: Duration) {
        let resident = |node| cluster.pid(node).and_then(resident_kib);
        self.all.push((at, (0..cluster.members.len()).map(resident).collect()));
    }

    fn last_max(&self) -> u64 {
        self.all.last().and_then(|(_, kib)| kib.iter().flatten().max().copied()).unwrap_or(0)
    }

    /// The most that any daemon had between two shares of the run.
    fn peak(&self, from: f64, to: f64) -> u64 {
        let n = self.all.len() as f64;
        let part = self.all.get((n * from) as usize..(n * to) as usize).unwrap_or_default();
        part.iter().flat_map(|(_, kib)| kib.iter().flatten()).max().copied().unwrap_or(0)
    }

    /// Lines of memory over time; dashes where a daemon was killed.
    pub(super) fn svg(&self, faults: &Faults) -> String {
        let (width, height, left, top) = (860.0, 300.0, 60.0, 30.0);
        let end = self.all.last().map_or(1.0, |(at, _)| at.as_secs_f64().max(1.0));
        let most = self.peak(0.0, 1.0).max(1) as f64 / 1024.0 * 1.1;
        let x = |at: Duration| left + at.as_secs_f64() / end * (width - left - 20.0);
        let y = |kib: u64| top + (1.0 - kib as f64 / 1024.0 / most) * (height - top - 40.0);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"system-ui,sans-serif\" \
             font-size=\"12\"><style>text{{fill:#5b6570}}.back{{fill:#fff}}@media(prefers-color-scheme:dark){{.back{{fill:#14171b}}\
             text{{fill:#9aa4af}}}}</style><rect class=\"back\" width=\"100%\" height=\"100%\"/>\
             <text x=\"{left}\" y=\"18\">resident memory of each daemon, MiB; dashes: SIGKILL</text>"
        );
        for at in &faults.kills {
            let _ = write!(
                out,
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{top}\" y2=\"{1}\" stroke=\"#b35900\" stroke-dasharray=\"2 5\"/>",
                x(*at),
                height - 40.0
            );
        }
        let nodes = self.all.first().map_or(0, |(_, kib)| kib.len());
        let colours = ["#0b62c4", "#6f42c1", "#1a7f37", "#c4242b", "#9a6700", "#0f7b8a"];
        for node in 0..nodes {
            let points = self
                .all
                .iter()
                .filter_map(|(at, kib)| Some(format!("{:.1},{:.1}", x(*at), y((*kib.get(node)?)?))));
            let colour = colours.get(node % colours.len()).copied().unwrap_or_default();
            let _ = write!(
                out,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
                points.collect::<Vec<_>>().join(" ")
            );
        }
        for share in [0.0, 0.5, 1.0] {
            let (mib, at) = (most * share, end * share);
            let _ = write!(
                out,
                "<text x=\"8\" y=\"{:.0}\">{mib:.0}</text><text x=\"{:.0}\" y=\"{:.0}\">{at:.0} s</text>",
                y((mib * 1024.0) as u64) + 4.0,
                x(Duration::from_secs_f64(at)) - 14.0,
                height - 20.0
            );
        }
        out + "</svg>\n"
    }
}

/// From the system's own account of a process.
fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn listed(counts: &BTreeMap<&'static str, u64>) -> String {
    let all: Vec<String> = counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// A line while it runs.
pub(super) fn progress(at: Duration, ledger: &Shared, faults: &Faults, samples: &Samples) -> String {
    let (edits, durable, lives) = ledger.counts();
    let (seconds, mib) = (at.as_secs(), samples.last_max() as f64 / 1024.0);
    format!(
        "{}:{:02}  {edits} edits, {durable} durable, {lives} lives of writers; {}; {mib:.1} MiB at most",
        seconds / 60,
        seconds % 60,
        listed(&faults.counts)
    )
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    seed: u64,
    seconds: f64,
    nodes: usize,
    topology: String,
    docs: usize,
    edits: u64,
    durable: u64,
    lives: u64,
    faults: BTreeMap<&'static str, u64>,
    settled_after_seconds: Option<f64>,
    missing: Vec<String>,
    memory_kib_first_third: u64,
    memory_kib_last_third: u64,
    memory_grew: Option<bool>,
}

impl Report {
    pub(super) fn new(
        args: &SoakArgs,
        edits: u64,
        ledger: &Shared,
        faults: &Faults,
        samples: &Samples,
        settled: Option<Duration>,
        missing: Vec<String>,
    ) -> Self {
        let (first, last) = (samples.peak(0.0, 1.0 / 3.0), samples.peak(2.0 / 3.0, 1.0));
        let (_, durable, lives) = ledger.counts();
        let long = args.time >= LONG_ENOUGH && first > 0;
        Report {
            seed: args.seed,
            seconds: args.time.as_secs_f64(),
            nodes: args.nodes,
            topology: args.topology.clone(),
            docs: args.docs,
            edits,
            durable,
            lives,
            faults: faults.counts.clone(),
            settled_after_seconds: settled.map(|time| time.as_secs_f64()),
            missing,
            memory_kib_first_third: first,
            memory_kib_last_third: last,
            memory_grew: long.then_some(last > first + first / 2 + SLACK_KIB),
        }
    }

    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        println!(
            "{} daemons ({}), {} documents, {} s, seed {}",
            self.nodes, self.topology, self.docs, self.seconds, self.seed
        );
        println!(
            "edits      {}, of them {} called durable before their writer ended; {} lives of writers",
            self.edits, self.durable, self.lives
        );
        println!("faults     {}", listed(&self.faults));
        match self.settled_after_seconds {
            Some(time) => println!("agreed     {time:.1} s after the last fault"),
            None => println!("agreed     NOT within {} s", super::SETTLE_WITHIN.as_secs()),
        }
        let mib = |kib| kib as f64 / 1024.0;
        let (first, last) = (mib(self.memory_kib_first_third), mib(self.memory_kib_last_third));
        let verdict = match self.memory_grew {
            None => "too short to tell",
            Some(true) => "GREW",
            Some(false) => "flat",
        };
        println!("memory     {first:.1} MiB at most in the first third, {last:.1} in the last: {verdict}");
        self.missing.iter().take(20).for_each(|what| println!("MISSING    {what}"));
        if self.missing.is_empty() {
            println!("missing    nothing");
        }
        Ok(())
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Report { settled_after_seconds: None, .. } => crate::cli::NOT_CONVERGED,
            Report { missing, memory_grew, .. } if !missing.is_empty() || *memory_grew == Some(true) => {
                crate::cli::FAILED
            }
            _ => crate::cli::DONE,
        }
    }
}
