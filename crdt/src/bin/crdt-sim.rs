//! `crdt-sim`: simulates whole networks of nodes and says what they cost, or which promise was broken.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crdt::sync::reconcile::{Index, Item, VersionHash, rehearse};
use crdt::sync::{DocId, Kind};
use crdt::testkit::sim::{Plan, Report, Stage, Topology, run};

const HELP: &str = "\
Simulates networks of sync nodes in virtual time: edits, latency, load, cuts, crashes, restarts from backups.

Usage: crdt-sim [OPTIONS]
       crdt-sim reconcile [N...]   what it costs two repositories of N documents to find which differ
                                                                               [1000 10000 100000 1000000]

  --topology LIST   of line, ring, star, tree, mesh, random, scale-free; or all   [ring,tree,random,scale-free]
  --nodes N         nodes                                                         [1000]
  --writers N       how many of them write                                        [10]
  --edits N         edits that are followed, before and after the kill            [20]
  --every MS        virtual time between edits                                    [1000]
  --docs N          documents                                                     [1]
  --kill PERCENT    nodes that are killed                                         [10]
  --faults N        cuts, crashes, partitions, restarts from backups              [20]
  --seed N          decides all else; the same seed is the same run               [1]
  --runs N          so many seeds from this one on                                [1]
  --csv FILE        the table as CSV
  --svg FILE        a plot: frames for each edit over the least possible
  --quiet           no progress on standard error
  --help            this

Frames/least is how many content frames an edit cost over the least possible (one for each other node). Stretch is
the mean time of arrival over that of the shortest path. Settle is the virtual time until all agreed, after the last
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
    if let Some((first, sizes)) = args.split_first()
        && first == "reconcile"
    {
        return reconcile(sizes);
    }
    match options(&args) {
        Ok(options) => simulate(&options),
        Err(wrong) => {
            eprintln!("crdt-sim: {wrong}; see crdt-sim --help");
            ExitCode::from(2)
        }
    }
}

/// Prints the cost for each size and number of changed documents.
fn reconcile(sizes: &[String]) -> ExitCode {
    let sizes: Result<Vec<usize>, String> = sizes.iter().map(|n| number("a size", n, 1)).collect();
    let sizes = match sizes {
        Ok(sizes) if sizes.is_empty() => vec![1_000, 10_000, 100_000, 1_000_000],
        Ok(sizes) => sizes,
        Err(wrong) => {
            eprintln!("crdt-sim: {wrong}; see crdt-sim --help");
            return ExitCode::from(2);
        }
    };
    println!(
        "{:>9} {:>8} {:>10} {:>12} {:>11} {:>9}",
        "documents", "changed", "bytes", "round trips", "plain list", "minimum"
    );
    for n in sizes {
        let index = |changed: usize| {
            let mut index = Index::default();
            (0..n).filter_map(|i| item(i, i * changed % n.max(1) < changed)).for_each(|i| index.set(i));
            index
        };
        let before = index(0);
        for changed in [0, 1, 10, 100, 1_000].into_iter().filter(|k| *k <= n) {
            let cost = rehearse(&before, &index(changed)).2;
            let (n, k) = (n as f64, changed as f64);
            // To say which k of n: log2 of the binomial coefficient, by Stirling.
            let least =
                if changed == 0 { 0.0 } else { k * ((n / k).log2() + std::f64::consts::LOG2_E) / 8.0 };
            println!(
                "{n:>9} {changed:>8} {:>10} {:>12.1} {:>11} {least:>9.0}",
                cost.bytes,
                cost.turns as f64 / 2.0,
                n * 16.0
            );
        }
    }
    ExitCode::SUCCESS
}

/// A document of a made-up repository, in its first version or its second.
fn item(n: usize, changed: bool) -> Option<Item> {
    let doc: DocId = format!("folder/document-{n}").parse().ok()?;
    let version = [(crdt::ReplicaId::from_u128(7), 1 + u64::from(changed))].into_iter().collect();
    Some(Item::new(&doc, Kind::DOC, VersionHash::of(&version)))
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

fn simulate(options: &Options) -> ExitCode {
    println!("{}", heading());
    let mut rows = Vec::new();
    for topology in &options.topologies {
        for seed in options.plan.seed..options.plan.seed.saturating_add(options.runs) {
            let plan = Plan { topology: *topology, seed, ..options.plan.clone() };
            let report = run(&plan, |stage| progress(options, &plan, stage));
            match report {
                Ok(report) => {
                    println!("{}", line(&plan, &report));
                    rows.push(Row { plan, report });
                }
                Err(broken) => {
                    eprintln!("\nBROKEN {} of {} seed {seed}: {broken}", topology.name(), plan.nodes);
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    for (file, text) in [(&options.csv, csv(&rows)), (&options.svg, svg(&rows))] {
        if let Some(file) = file
            && let Err(error) = std::fs::write(file, text)
        {
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
    let stage = "frames/least  control  bytes/edit   hops    mean     p99  stretch";
    format!(
        "{:<11} {:>6} {:>6} {:>5}  quiet: {stage}  after the kill: {stage}  settle ms   lost",
        "topology", "nodes", "links", "seed"
    )
}

fn line(plan: &Plan, report: &Report) -> String {
    format!(
        "{:<11} {:>6} {:>6} {:>5}         {}                  {}  {:>9}  {:>2}/{}",
        plan.topology.name(),
        plan.nodes,
        report.links,
        plan.seed,
        columns(&report.quiet),
        columns(&report.killed),
        report.settled_ms,
        report.lost,
        report.edits,
    )
}

fn columns(stage: &Stage) -> String {
    format!(
        "{:>12.4} {:>8.1} {:>11.0} {:>6.1} {:>7.1} {:>7.1} {:>8.3}",
        ratio(stage),
        stage.control_per_edit,
        stage.bytes_per_edit,
        stage.hops,
        stage.mean_ms,
        stage.p99_ms,
        stage.stretch
    )
}

fn ratio(stage: &Stage) -> f64 {
    if stage.least_frames > 0.0 { stage.frames_per_edit / stage.least_frames } else { 1.0 }
}

fn csv(rows: &[Row]) -> String {
    let mut out = String::from(
        "topology,nodes,links,seed,stage,frames_per_edit,least_frames,control_per_edit,bytes_per_edit,delivered,hops,mean_ms,p99_ms,stretch,settled_ms,lost,edits\n",
    );
    for Row { plan, report } in rows {
        for (name, s) in [("quiet", &report.quiet), ("killed", &report.killed)] {
            let _ = writeln!(
                out,
                "{},{},{},{},{name},{},{},{},{},{},{},{},{},{},{},{},{}",
                plan.topology.name(),
                plan.nodes,
                report.links,
                plan.seed,
                s.frames_per_edit,
                s.least_frames,
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

/// Two bars for each run: frames over the least possible, before and after the kill.
fn svg(rows: &[Row]) -> String {
    let top = rows.iter().map(|r| ratio(&r.report.quiet).max(ratio(&r.report.killed))).fold(1.2, f64::max);
    let (height, step) = (260.0, 90);
    let mut out = String::new();
    let width = 60 + step * rows.len().max(3);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"340\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"16\">content frames per edit / least possible: quiet (blue), after the kill (orange)</text>"
    );
    for (i, Row { plan, report }) in rows.iter().enumerate() {
        let x = 40 + step * i;
        for (at, colour, stage) in [(0, "#3b6fb6", &report.quiet), (30, "#d9822b", &report.killed)] {
            let h = ratio(stage) / top * height;
            let (x, y) = (x + at, 300.0 - h);
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y:.1}\" width=\"26\" height=\"{h:.1}\" fill=\"{colour}\"/>\n\
                 <text x=\"{x}\" y=\"{:.1}\">{:.2}</text>",
                y - 3.0,
                ratio(stage)
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"315\">{}</text><text x=\"{x}\" y=\"329\">{}</text>",
            plan.topology.name(),
            plan.nodes
        );
    }
    out.push_str("</svg>\n");
    out
}
