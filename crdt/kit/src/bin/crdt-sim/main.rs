//! `crdt-sim`: simulates whole networks of nodes and says what they cost, or which promise was broken.

mod bars;
mod gossip;
mod reconcile;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use bars::Group;
use crdt::testkit::sim::{Plan, Report, Stage, Topology, run};

const HELP: &str = "\
Simulates networks of sync nodes in virtual time: edits, latency, load, cuts, crashes, restarts from backups.

Usage: crdt-sim [OPTIONS]
       crdt-sim reconcile [FOLDER] [N...]   what it costs two repositories of N documents to find which differ;
                                   into reconcile.md, .csv, .svg of the folder [1000 10000 100000 1000000]
       crdt-sim gossip [FOLDER]    what an edit costs on many graphs, beside others; writes gossip.md, .csv, .svg

  --topology LIST   of line, ring, star, tree, mesh, grid, random, regular-4, regular-6, scale-free; or all
                                                                                  [ring,tree,random,scale-free]
  --nodes N         nodes                                                         [1000]
  --writers N       how many of them write                                        [10]
  --edits N         edits that are followed, before and after the kill            [20]
  --every MS        virtual time between edits                                    [1000]
  --at-once N       so many edits each time                                       [1]
  --docs N          documents                                                     [1]
  --kill PERCENT    nodes that are killed                                         [10]
  --churn S         for how many seconds a link fails every second                [10]
  --faults N        cuts, crashes, partitions, silent links, old backups          [20]
  --latency A-B     the least and the greatest latency of a link, ms              [1-30]
  --processors N    processors that all nodes share; 0 for one each               [0]
  --service US      how long one works on a message                               [20]
  --seed N          decides all else; the same seed is the same run               [1]
  --runs N          so many seeds from this one on                                [1]
  --csv FILE        the table as CSV
  --svg FILE        a plot: frames for each edit over the least possible
  --quiet           no progress on standard error
  --help            this

Frames/least is how many content frames an edit cost over the least possible (one for each other node); copies, how
often each event came to a node: 1 when none came twice. Stretch is the mean time of arrival over that of the shortest
path. Settle is the virtual time until all agreed, after the last
fault. Exit code: 0 all promises kept, 1 one was broken (its seed is printed), 2 wrong usage or a file that could not
be written.
";

struct Options {
    plan: Plan,
    topologies: Vec<Topology>,
    runs: u64,
    csv: Option<String>,
    svg: Option<String>,
    quiet: bool,
}

/// A run that kept its promises.
struct Row {
    plan: Plan,
    report: Report,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|a| a == "--help" || a == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if let Some((first, rest)) = args.split_first()
        && ["reconcile", "gossip"].contains(&first.as_str())
    {
        // Before minutes of work, whose result would have nowhere to go.
        let is_size = |argument: &str| first == "reconcile" && argument.parse::<usize>().is_ok();
        if let Some(wrong) = rest.iter().find(|a| !is_size(a) && !std::path::Path::new(a).is_dir()) {
            eprintln!("crdt-sim: {wrong} is no folder; see crdt-sim --help");
            return ExitCode::from(2);
        }
        return match first.as_str() {
            "reconcile" => reconcile::table(rest),
            _ => gossip::table(rest.first().map_or("bench/results", String::as_str)),
        };
    }
    match options(&args) {
        Ok(options) => simulate(&options),
        Err(wrong) => {
            eprintln!("crdt-sim: {wrong}; see crdt-sim --help");
            ExitCode::from(2)
        }
    }
}

fn options(args: &[String]) -> Result<Options, String> {
    let plan = Plan { nodes: 1_000, ..Plan::default() };
    let topologies = vec![Topology::Ring, Topology::Tree, Topology::Random, Topology::ScaleFree];
    let mut options = Options { plan, topologies, runs: 1, csv: None, svg: None, quiet: false };
    let mut args = args.iter();
    while let Some(name) = args.next() {
        if name == "--quiet" {
            options.quiet = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{name} is unknown, or wants a value"))?;
        let plan = &mut options.plan;
        match name.as_str() {
            "--topology" if value == "all" => options.topologies = Topology::ALL.to_vec(),
            "--topology" => options.topologies = list(value)?,
            "--nodes" => plan.nodes = number(name, value, 2)?,
            "--writers" => plan.writers = number(name, value, 1)?,
            "--edits" => plan.edits = number(name, value, 1)?,
            "--every" => plan.every_ms = number(name, value, 0)? as u64,
            "--at-once" => plan.at_once = number(name, value, 1)?,
            "--churn" => plan.churn_s = number(name, value, 0)? as u64,
            "--latency" => plan.latency_ms = range(name, value)?,
            "--processors" => plan.processors = number(name, value, 0)?,
            "--service" => plan.service_us = number(name, value, 0)? as u64,
            "--docs" => plan.docs = number(name, value, 1)?,
            "--kill" => plan.kill_percent = number(name, value, 0)?,
            "--faults" => plan.faults = number(name, value, 0)?,
            "--seed" => plan.seed = number(name, value, 0)? as u64,
            "--runs" => options.runs = number(name, value, 1)? as u64,
            "--csv" => options.csv = Some(value.clone()),
            "--svg" => options.svg = Some(value.clone()),
            _ => return Err(format!("{name} is unknown")),
        }
    }
    Ok(options)
}

fn list(value: &str) -> Result<Vec<Topology>, String> {
    value.split(',').map(|name| name.parse().map_err(|e| format!("{name}: {e}"))).collect()
}

fn number(name: &str, value: &str, least: usize) -> Result<usize, String> {
    let n: usize = value.parse().map_err(|_| format!("{name} wants a number, not {value}"))?;
    if n < least { Err(format!("{name} is at least {least}")) } else { Ok(n) }
}

fn range(name: &str, value: &str) -> Result<(u64, u64), String> {
    let (least, most) = value.split_once('-').ok_or_else(|| format!("{name} wants two numbers, as 1-30"))?;
    Ok((number(name, least, 0)? as u64, number(name, most, 0)? as u64))
}

fn simulate(options: &Options) -> ExitCode {
    println!("{}", heading());
    let mut rows = Vec::new();
    for topology in &options.topologies {
        for seed in options.plan.seed..options.plan.seed.saturating_add(options.runs) {
            let plan = Plan { topology: *topology, seed, ..options.plan.clone() };
            let report = run(&plan, |stage| progress(options, &plan, stage));
            match report {
                Ok(report) => {
                    println!("{}", lines(&plan, &report));
                    rows.push(Row { plan, report });
                }
                Err(broken) => {
                    eprintln!("\nBROKEN {} of {} seed {seed}: {broken}", topology.name(), plan.nodes);
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    let files = [(&options.csv, csv(&rows)), (&options.svg, svg(&rows))];
    let files = files.into_iter().filter_map(|(file, text)| file.clone().map(|file| (file, text)));
    write_files(files)
}

/// Writes files; the exit code says whether all could be.
fn write_files(files: impl IntoIterator<Item = (String, String)>) -> ExitCode {
    for (file, text) in files {
        if let Err(error) = std::fs::write(&file, text) {
            eprintln!("crdt-sim: {file}: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn progress(options: &Options, plan: &Plan, stage: &str) {
    if !options.quiet {
        let mut out = std::io::stderr();
        // Where progress cannot be shown it is not needed.
        let _ = write!(
            out,
            "\r{} of {}, seed {}: {stage}          \r",
            plan.topology.name(),
            plan.nodes,
            plan.seed
        );
        let _ = out.flush();
    }
}

fn heading() -> String {
    format!(
        "{:<11} {:>6} {:>6} {:>5}  {:<6} {:>12} {:>7} {:>8} {:>11} {:>6} {:>7} {:>7} {:>8} {:>9}  {:>9}  lost",
        "topology",
        "nodes",
        "links",
        "seed",
        "stage",
        "frames/least",
        "copies",
        "control",
        "bytes/edit",
        "hops",
        "mean",
        "p99",
        "stretch",
        "delivered",
        "settle ms"
    )
}

/// A line for each stage.
fn lines(plan: &Plan, report: &Report) -> String {
    let mut out = String::new();
    for (name, stage) in stages(report) {
        let end = if name == "killed" {
            format!("  {:>9}  {}/{}", report.settled_ms, report.lost, report.edits)
        } else {
            "\n".to_owned()
        };
        let _ = write!(
            out,
            "{:<11} {:>6} {:>6} {:>5}  {name:<6} {:>12.4} {:>7.4} {:>8.1} {:>11.0} {:>6.1} {:>7.1} {:>7.1} {:>8.3} {:>9.4}{end}",
            plan.topology.name(),
            plan.nodes,
            report.links,
            plan.seed,
            ratio(stage),
            stage.copies,
            stage.control_per_edit,
            stage.bytes_per_edit,
            stage.hops,
            stage.mean_ms,
            stage.p99_ms,
            stage.stretch,
            stage.delivered,
        );
    }
    out
}

/// The stages in which edits are followed; those that were left out have none.
fn stages(report: &Report) -> impl Iterator<Item = (&'static str, &Stage)> {
    let all = [("quiet", &report.quiet), ("churn", &report.churn), ("killed", &report.killed)];
    all.into_iter().filter(|(name, stage)| *name != "churn" || stage.edits > 0)
}

fn ratio(stage: &Stage) -> f64 {
    if stage.least_frames > 0.0 { stage.frames_per_edit / stage.least_frames } else { 1.0 }
}

fn csv(rows: &[Row]) -> String {
    let mut out = String::from(
        "topology,nodes,links,seed,stage,frames_per_edit,least_frames,copies,control_per_edit,bytes_per_edit,delivered,hops,mean_ms,p99_ms,stretch,settled_ms,lost,edits\n",
    );
    for Row { plan, report } in rows {
        for (name, s) in stages(report) {
            let _ = writeln!(
                out,
                "{},{},{},{},{name},{},{},{},{},{},{},{},{},{},{},{},{},{}",
                plan.topology.name(),
                plan.nodes,
                report.links,
                plan.seed,
                s.frames_per_edit,
                s.least_frames,
                s.copies,
                s.control_per_edit,
                s.bytes_per_edit,
                s.delivered,
                s.hops,
                s.mean_ms,
                s.p99_ms,
                s.stretch,
                report.settled_ms,
                report.lost,
                report.edits
            );
        }
    }
    out
}

/// Bars for each run: frames over the least possible, in each stage.
fn svg(rows: &[Row]) -> String {
    let groups = rows.iter().map(|Row { plan, report }| Group {
        names: [plan.topology.name().to_owned(), plan.nodes.to_string()],
        bars: [&report.quiet, &report.churn, &report.killed]
            .map(|s| (s.edits > 0).then(|| ratio(s)))
            .to_vec(),
    });
    bars::svg(
        "content frames per edit / least possible",
        &["quiet", "links fail", "after the kill"],
        &groups.collect::<Vec<_>>(),
    )
}
