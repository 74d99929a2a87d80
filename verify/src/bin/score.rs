//! The track record: how much was tried, and how much of it failed. One command, one table.

#[path = "../given.rs"]
mod given;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crdt::testkit::sim::{self, Plan, Topology};
use crdt_kit::subjects;
use given::given;

const HELP: &str = "\
Plays everything that can be played by chance or exhaustively, each for a while, and says what came of it.

Usage: score [OPTIONS] [ROW...]

  ROW             histories, exhaustive, networks, power-cuts, model, clusters   [all]
  --each TIME     seconds for each row, and for each type in the first two       [10]
  --most N        no more than so many of each                                   [10000000]
  --type NAME     of the first two rows these types only, as `crdt-fuzz list` names them; again for more   [all]
  --seed S        where to begin                                                 [1]
  --out DIR       score.md and score.json go here                                [.]
  --help          this

histories    schedules of edits, exchanges and faults on each type of the library, against every law of the kit
exhaustive   every schedule of a small scope: 3 replicas, edits and commands
networks     networks of sync nodes in virtual time, with faults; all must agree at the end
power-cuts   the store on a disk that loses power in the middle of a write, opened again
model        states of small networks explored by the model checker (gossip-model)
clusters     whole daemons in simulated time, with faults (daemon-sim)

Exit code: 0 nothing failed, 1 something did, 2 wrong usage.
";

struct Options {
    rows: Vec<String>,
    each: Duration,
    most: u64,
    seed: u64,
    types: Vec<String>,
    out: PathBuf,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options {
        rows: Vec::new(),
        each: Duration::from_secs(10),
        most: 10_000_000,
        seed: 1,
        types: Vec::new(),
        out: PathBuf::from("."),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--each" => options.each = Duration::from_secs(number(value()?)?),
            "--most" => options.most = number(value()?)?,
            "--seed" => options.seed = number(value()?)?,
            "--type" => {
                let name = value()?;
                if !subjects().iter().any(|subject| subject.name() == name) {
                    return Err(format!("{name} is no type; `crdt-fuzz list` has them"));
                }
                options.types.push(name);
            }
            "--out" => options.out = value()?.into(),
            row if ROWS.iter().any(|(name, _)| *name == row) => options.rows.push(arg),
            _ => return Err(format!("{arg} is unknown; see --help")),
        }
    }
    Ok(Some(options))
}

type Run = fn(&Options) -> Vec<Row>;

const ROWS: [(&str, Run); 6] = [
    ("histories", histories),
    ("exhaustive", exhaustive),
    ("networks", networks),
    ("power-cuts", power_cuts),
    ("model", model),
    ("clusters", clusters),
];

/// A line of the table.
struct Row {
    what: String,
    of: String,
    count: u64,
    took: Duration,
    failures: Vec<String>,
}

fn main() -> ExitCode {
    let options = match given(options(), HELP) {
        Ok(options) => options,
        Err(end) => return end,
    };
    let mut rows: Vec<Row> = Vec::new();
    for (name, run) in ROWS {
        if options.rows.is_empty() || options.rows.iter().any(|row| row == name) {
            eprintln!("{name} …");
            let new = run(&options);
            // Types have said so themselves, each when it was done.
            if new.len() == 1 {
                eprint!("{}", line(&new[0]));
            }
            rows.extend(new);
        }
    }
    let (table, json) = (table(&rows), json(&rows));
    print!("{table}");
    let written = std::fs::create_dir_all(&options.out)
        .and_then(|()| std::fs::write(options.out.join("score.md"), table))
        .and_then(|()| std::fs::write(options.out.join("score.json"), json));
    if let Err(error) = written {
        eprintln!("error: cannot write to {}: {error}", options.out.display());
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(rows.iter().any(|row| !row.failures.is_empty())))
}

fn line(row: &Row) -> String {
    let seconds = row.took.as_secs_f64();
    let rate = row.count as f64 / seconds.max(1e-9);
    format!(
        "| {} | {} | {} | {seconds:.1} | {rate:.0} | {} |\n",
        row.what,
        row.of,
        row.count,
        row.failures.len()
    )
}

fn table(rows: &[Row]) -> String {
    let mut out =
        String::from("| what | of | tried | seconds | each second | failed |\n|---|---|---|---|---|---|\n");
    out.extend(rows.iter().map(line));
    for failure in rows.iter().flat_map(|row| &row.failures) {
        let _ = writeln!(out, "\n```text\n{failure}\n```");
    }
    out
}

fn json(rows: &[Row]) -> String {
    let row = |row: &Row| {
        format!(
            "  {{\"what\":\"{}\",\"of\":\"{}\",\"tried\":{},\"seconds\":{:.1},\"failed\":{}}}",
            row.what,
            row.of,
            row.count,
            row.took.as_secs_f64(),
            row.failures.len()
        )
    };
    format!("[\n{}\n]\n", rows.iter().map(row).collect::<Vec<_>>().join(",\n"))
}

/// Does numbered work on all processors until the time or the numbers are over; the failures, in order of number.
fn spread(
    most: u64,
    time: Duration,
    work: impl Fn(u64) -> Result<(), String> + Sync,
) -> (u64, Duration, Vec<String>) {
    let (next, stop, failures) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
    let started = Instant::now();
    let done = AtomicU64::new(0);
    let one = || {
        while !stop.load(Ordering::Relaxed) && started.elapsed() < time {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= most {
                return;
            }
            done.fetch_add(1, Ordering::Relaxed);
            let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(n)));
            let said = said.unwrap_or_else(|panic| {
                Err(panic.downcast::<String>().map_or_else(|_| "it panicked".to_owned(), |said| *said))
            });
            if let Err(failure) = said {
                stop.store(true, Ordering::Relaxed);
                failures.lock().unwrap().push((n, failure));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(one))));
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    (done.into_inner(), started.elapsed(), failures.into_iter().map(|(_, failure)| failure).collect())
}

/// For each of our own types, or those that are asked for, a row; the types are spread over the processors.
fn by_type(options: &Options, work: impl Fn(usize) -> Row + Sync) -> Vec<Row> {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let count = subjects().len();
    let one = || loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= count {
            return;
        }
        let subject = &subjects()[n];
        let asked = options.types.is_empty() || options.types.iter().any(|name| name == subject.name());
        if asked && !subject.is_wrong() {
            let row = work(n);
            eprint!("{}", line(&row));
            rows.lock().unwrap().push((n, row));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(one))));
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(n, _)| *n);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn histories(options: &Options) -> Vec<Row> {
    by_type(options, |n| {
        let subject = &subjects()[n];
        let started = Instant::now();
        let report = subject.run_while(options.seed, &mut |report| {
            report.schedules < options.most
                && (report.schedules % 64 != 0 || started.elapsed() < options.each)
        });
        Row {
            what: "histories".to_owned(),
            of: subject.name().to_owned(),
            count: report.schedules,
            took: started.elapsed(),
            failures: report.failure.iter().map(|story| format!("{}: {story}", subject.name())).collect(),
        }
    })
}

fn exhaustive(options: &Options) -> Vec<Row> {
    by_type(options, |n| {
        let subject = &subjects()[n];
        let started = Instant::now();
        let (mut count, mut failures, mut whole) = (0, Vec::new(), Vec::new());
        // One scope after the other, each larger.
        for scope in [[2, 2, 4], [2, 3, 2], [3, 1, 4], [3, 2, 1], [2, 3, 4], [3, 2, 2]] {
            let more =
                &mut |n: u64| n % 256 != 0 || started.elapsed() < options.each && count + n < options.most;
            let done = subject.exhaustive_while(scope, more);
            count += done.schedules;
            failures.extend(done.failure.iter().map(|story| format!("{}: {story}", subject.name())));
            if !failures.is_empty() || started.elapsed() >= options.each || count >= options.most {
                break;
            }
            whole.push(format!("{}×{} of {}", scope[0], scope[1], scope[2]));
        }
        Row {
            what: format!("exhaustive: {}", whole.join(", ")),
            of: subject.name().to_owned(),
            count,
            took: started.elapsed(),
            failures,
        }
    })
}

fn networks(options: &Options) -> Vec<Row> {
    let (count, took, failures) = spread(options.most, options.each, |n| {
        let seed = options.seed.wrapping_add(n);
        let plan = Plan {
            nodes: 2 + (seed % 9) as usize,
            topology: Topology::ALL[(seed / 9) as usize % Topology::ALL.len()],
            writers: 3,
            // Most meet only faults, which is where things go wrong; the others have quiet stages before.
            edits: if seed.is_multiple_of(16) { 2 } else { 0 },
            docs: 1 + (seed % 2) as usize,
            faults: 8,
            seed,
            ..Plan::default()
        };
        sim::run(&plan, |_| ()).map(|_| ()).map_err(|broken| format!("{plan:?}: {broken}"))
    });
    vec![Row { what: "networks".to_owned(), of: "sync nodes, sans I/O".to_owned(), count, took, failures }]
}

fn power_cuts(options: &Options) -> Vec<Row> {
    const AT_ONCE: u64 = 100;
    let (count, took, failures) = spread(options.most / AT_ONCE, options.each, |n| {
        sync_daemon::simulation::power_cuts(options.seed.wrapping_add(n), AT_ONCE);
        Ok(())
    });
    let of = "the store, opened again after each".to_owned();
    vec![Row { what: "power-cuts".to_owned(), of, count: count * AT_ONCE, took, failures }]
}

/// Another program of this package.
fn other(name: &str, args: &[&str]) -> Result<(String, bool), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name(name);
    let output = Command::new(&path).args(args).output();
    let output = output.map_err(|error| format!("{}: {error}; build all of this package", path.display()))?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok((said, output.status.success()))
}

/// The sum of a number that every line of JSON has.
fn sum(said: &str, key: &str) -> u64 {
    let key = format!("\"{key}\":");
    let numbers = said.split(&key).skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    numbers.filter_map(|n| n?.parse::<u64>().ok()).sum()
}

fn child(what: &str, of: &str, program: &str, args: &[&str], key: &str) -> Vec<Row> {
    let started = Instant::now();
    let (count, failures) = match other(program, args) {
        Ok((said, true)) => (sum(&said, key), Vec::new()),
        Ok((said, false)) => (sum(&said, key), vec![said]),
        Err(error) => (0, vec![error]),
    };
    vec![Row { what: what.to_owned(), of: of.to_owned(), count, took: started.elapsed(), failures }]
}

fn model(options: &Options) -> Vec<Row> {
    let time = options.each.as_secs().to_string();
    let of = "states of sync nodes on all connected graphs of up to 4";
    child("model", of, "gossip-model", &["--json", "--for", &time], "states")
}

fn clusters(options: &Options) -> Vec<Row> {
    let (time, seed, most) =
        (options.each.as_secs().to_string(), options.seed.to_string(), options.most.to_string());
    let args = ["--json", "--for", &time, "--seed", &seed, "--seeds", &most];
    child("clusters", "daemons in simulated time", "daemon-sim", &args, "clusters")
}
