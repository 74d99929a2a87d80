//! Whole daemons in simulated time: the real driver, WebSocket, HTTP and store, on simulated networks, disks and clocks.

#[path = "../given.rs"]
mod given;
#[path = "../sim/ledger.rs"]
mod ledger;
#[path = "../sim/node.rs"]
mod node;
#[path = "../sim/scenario.rs"]
mod scenario;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use given::given;
use scenario::Outcome;
use serde_json::{Value, json};

const HELP: &str = "\
Runs clusters of real daemons in simulated time, under faults, and looks whether anything acknowledged was lost.

Usage: daemon-sim [OPTIONS]

  --seeds N       so many clusters                                     [100]
  --seed S        the first seed   [1]
  --for TIME      no new cluster after so many seconds
  --twice         run each seed twice; both must be the same to the last message
  --story         print what happens in each
  --json          the result as JSON
  --help          this

A cluster is 3 to 5 daemons in a random connected graph. Each writes to three documents for 20 simulated seconds and waits
until its edits are called durable. Meanwhile links are partitioned, let through in one direction only, or held; programs
are killed; machines lose power in the middle of a write, with any part of what was not synced kept, or torn between
sectors; disks fail; clocks show anything. Then all faults end. What was called durable must be on every daemon, nothing
that nobody wrote may be there, every store must open, and all must agree within a bound.
Each cluster is a process of its own, so that a seed is the same run each time: the order in which tokio drops the tasks of a
program that is killed follows from a count of all tasks of the process.
Exit code: 0 so it is, 1 not (the seed is printed), 2 wrong usage.
";

/// What a process is called with that is to run one seed.
const ONE: &str = "--one";

struct Options {
    seeds: u64,
    seed: u64,
    time: Option<Duration>,
    twice: bool,
    story: bool,
    json: bool,
    one: bool,
}

fn options() -> Result<Option<Options>, String> {
    let mut options =
        Options { seeds: 100, seed: 1, time: None, twice: false, story: false, json: false, one: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().ok_or_else(|| format!("{arg} wants a number"))?;
            value.parse::<u64>().map_err(|_| format!("{arg} wants a number, not {value}"))
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--twice" => options.twice = true,
            "--story" => options.story = true,
            "--json" => options.json = true,
            ONE => options.one = true,
            "--seeds" => options.seeds = number()?,
            "--seed" => options.seed = number()?,
            "--for" => options.time = Some(Duration::from_secs(number()?)),
            _ => return Err(format!("{arg} is unknown; see --help")),
        }
    }
    Ok(Some(options))
}

#[derive(Default)]
struct Sum {
    runs: u64,
    edits: u64,
    durable: u64,
    faults: BTreeMap<String, u64>,
    settled: Vec<Duration>,
    failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.runs += 1;
        self.edits += outcome.edits;
        self.durable += outcome.durable;
        outcome.faults.into_iter().for_each(|(name, n)| *self.faults.entry(name).or_default() += n);
        match outcome.settled {
            Ok(within) => self.settled.push(within),
            Err(reason) => self.failed.push((seed, reason)),
        }
    }
}

/// Runs one cluster in a process of its own.
fn run(seed: u64, story: bool) -> Result<Outcome, String> {
    let mut one = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    one.args(["--seed", &seed.to_string(), ONE]).args(story.then_some("--story"));
    let said = one.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?.stdout;
    let said = String::from_utf8_lossy(&said);
    let (told, outcome) = said.trim_end().rsplit_once('\n').unwrap_or(("", &said));
    if story {
        println!("{told}");
    }
    parse(outcome).ok_or_else(|| format!("the cluster ended without a result: {said}"))
}

fn line(outcome: &Outcome) -> Value {
    json!({
        "edits": outcome.edits,
        "durable": outcome.durable,
        "faults": outcome.faults,
        "settled_ms": outcome.settled.as_ref().ok().map(Duration::as_millis),
        "failed": outcome.settled.as_ref().err(),
        "fingerprint": outcome.fingerprint,
    })
}

fn parse(line: &str) -> Option<Outcome> {
    let told: Value = serde_json::from_str(line).ok()?;
    let faults = told["faults"].as_object()?.iter().map(|(name, n)| Some((name.clone(), n.as_u64()?)));
    Some(Outcome {
        edits: told["edits"].as_u64()?,
        durable: told["durable"].as_u64()?,
        faults: faults.collect::<Option<_>>()?,
        settled: match told["failed"].as_str() {
            Some(failed) => Err(failed.to_owned()),
            None => Ok(Duration::from_millis(told["settled_ms"].as_u64()?)),
        },
        fingerprint: told["fingerprint"].as_u64()?,
    })
}

fn main() -> ExitCode {
    let options = match given(options(), HELP) {
        Ok(options) => options,
        Err(end) => return end,
    };
    if options.one {
        println!("{}", line(&scenario::run(options.seed, options.story)));
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    let work = || loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= options.seeds || options.time.is_some_and(|most| started.elapsed() > most) {
            return;
        }
        let seed = options.seed.wrapping_add(n);
        let mut outcome = run(seed, options.story).unwrap_or_else(Outcome::failed);
        if options.twice && run(seed, false).is_ok_and(|again| again.fingerprint != outcome.fingerprint) {
            outcome.settled = Err("a second run of the same seed was another".to_owned());
        }
        if let Err(reason) = &outcome.settled {
            eprintln!("seed {seed}: {reason}\nagain: daemon-sim --seed {seed} --seeds 1 --story");
        }
        sum.lock().unwrap().add(seed, outcome);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let sum = sum.into_inner().unwrap();
    report(&sum, started.elapsed(), options.json);
    ExitCode::from(u8::from(!sum.failed.is_empty()))
}

fn report(sum: &Sum, took: Duration, json: bool) {
    let mut settled = sum.settled.clone();
    settled.sort();
    let at = |share: f64| {
        settled.get((settled.len() as f64 * share) as usize).or(settled.last()).copied().unwrap_or_default()
    };
    let (p50, p99, most) = (at(0.5).as_secs_f64(), at(0.99).as_secs_f64(), at(1.0).as_secs_f64());
    let rate = sum.runs as f64 / took.as_secs_f64();
    if json {
        let faults: Vec<String> = sum.faults.iter().map(|(name, n)| format!("\"{name}\":{n}")).collect();
        println!(
            "{{\"clusters\":{},\"failed\":{},\"edits\":{},\"durable\":{},\"faults\":{{{}}},\"agree_within_s\":\
             {{\"p50\":{p50:.2},\"p99\":{p99:.2},\"most\":{most:.2}}},\"seconds\":{:.1},\"clusters_per_s\":{rate:.1}}}",
            sum.runs,
            sum.failed.len(),
            sum.edits,
            sum.durable,
            faults.join(","),
            took.as_secs_f64()
        );
        return;
    }
    let faults: Vec<String> = sum.faults.iter().map(|(name, n)| format!("{n} {name}")).collect();
    println!("{} clusters, {rate:.1}/s: {} edits, {} called durable", sum.runs, sum.edits, sum.durable);
    println!("faults: {}", faults.join(", "));
    println!(
        "all agree after the faults end, simulated: p50 {p50:.1} s, p99 {p99:.1} s, at most {most:.1} s"
    );
    println!("failed: {}", sum.failed.len());
}
