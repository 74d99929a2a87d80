//! One mistake switched on: who notices.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

/// Who notices a mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caught {
    Kit,
    Tests,
    Not,
}

/// A command of cargo on the copy, with what a build of the library's tests has on: overflow and assertions are seen.
pub(crate) fn cargo(scratch: &Path, args: &[&str]) -> Result<Output, String> {
    let (command, args) = args.split_first().ok_or("no command")?;
    Command::new("cargo")
        .args([*command, "--release"])
        .args(args)
        .current_dir(scratch)
        .env("CARGO_TARGET_DIR", scratch.join("target"))
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("RUSTFLAGS", "--cap-lints=allow")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))
}

/// The programs that a command of cargo builds.
fn programs(scratch: &Path, args: &[&str]) -> Result<Vec<String>, String> {
    let output = cargo(scratch, &[args, &["--message-format=json"]].concat())?;
    if !output.status.success() {
        return Err(format!("cargo {} fails", args.join(" ")));
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|message| message["executable"].as_str().map(str::to_owned)).collect())
}

/// The tests of the library that a mistake is put before, those first that take the least time.
const TESTS: [&str; 16] = [
    "answers",
    "clocks",
    "removals",
    "ops",
    "golden",
    "laws",
    "derive",
    "doc",
    "undo",
    "scopes",
    "text",
    "tree",
    "forget",
    "lease",
    "sync",
    "sync_docs",
];

/// Programs to run for each mistake, and how many seconds of the processor each may take.
pub(crate) struct Tests {
    scratch: PathBuf,
    kit: Option<(Vec<String>, u64)>,
    tests: Vec<(Vec<String>, u64)>,
}

impl Tests {
    /// With no schedules the kit is left out.
    pub(crate) fn build(scratch: &Path, schedules: u64) -> Result<Tests, String> {
        let kit = match schedules {
            0 => None,
            _ => {
                let kit = programs(scratch, &["build", "-p", "crdt-kit", "--bin", "crdt-fuzz"])?;
                let kit = kit.first().ok_or("crdt-fuzz was not built")?;
                let schedules = schedules.to_string();
                Some([kit, "fuzz", "--schedules", &schedules, "--quiet"].map(str::to_owned).to_vec())
            }
        };
        let mut args = vec!["test", "-p", "crdt", "--no-run", "--lib"];
        args.extend(TESTS.iter().flat_map(|test| ["--test", test]));
        let of_others = ["testkit::", "sync::", "doc::", "text::", "graph::"];
        let skipped: Vec<String> =
            of_others.iter().flat_map(|name| ["--skip", name]).map(str::to_owned).collect();
        let mut tests = programs(scratch, &args)?;
        let place = |program: &String| {
            let name = program.rsplit('/').next().unwrap_or_default();
            TESTS.iter().position(|test| name.rsplit_once('-').is_some_and(|(name, _)| name == *test))
        };
        tests.sort_by_key(place); // the unit tests, which are none of them, first
        let tests = tests.into_iter().map(|program| [vec![program], skipped.clone()].concat());
        // Without a mistake nobody notices anything; with one, ten times the time is for ever.
        let peace = |args: Vec<String>| {
            let started = Instant::now();
            match noticed(scratch, &args, None, 600) {
                true => Err(format!("it fails without a mistake: {}", args.join(" "))),
                false => Ok((args, started.elapsed().as_secs() * 10 + 5)),
            }
        };
        let tests = tests.map(peace).collect::<Result<Vec<_>, _>>()?;
        Ok(Tests { scratch: scratch.to_owned(), kit: kit.map(peace).transpose()?, tests })
    }

    /// Tries each of them, on all processors.
    pub(crate) fn try_all(&self, mutants: &[usize]) -> Result<Vec<Caught>, String> {
        let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(vec![Caught::Not; mutants.len()]));
        let started = Instant::now();
        let one = || loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = mutants.get(at) else { return };
            let caught = self.try_one(*mutant);
            if let Ok(mut outcomes) = outcomes.lock() {
                outcomes[at] = caught;
            }
            if at % 50 == 49 {
                eprintln!("{} of {} in {:.0?}", at + 1, mutants.len(), started.elapsed());
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(one))));
        outcomes.into_inner().map_err(|_| "a trial ended badly".to_owned())
    }

    fn try_one(&self, mutant: usize) -> Caught {
        let on = |(args, limit): &(Vec<String>, u64)| noticed(&self.scratch, args, Some(mutant), *limit);
        if self.kit.as_ref().is_some_and(on) {
            Caught::Kit
        } else if self.tests.iter().any(on) {
            Caught::Tests
        } else {
            Caught::Not
        }
    }
}

/// Whether a program fails, or goes on for ever, with a mistake on.
fn noticed(scratch: &Path, args: &[String], mutant: Option<usize>, limit: u64) -> bool {
    let mut command = Command::new("sh");
    // A mistake may take all memory, or all time: of the processor, so that a busy machine changes nothing.
    command.args(["-c", &format!("ulimit -v 4194304; ulimit -t {limit}; exec \"$0\" \"$@\"")]).args(args);
    command.current_dir(scratch.join("crdt")).env("RUST_TEST_THREADS", "1").env("PROPTEST_CASES", "64");
    // What one mistake brought up must not be played to the next.
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(mutant) = mutant {
        command.env("MUTANT", mutant.to_string());
    }
    !command.status().is_ok_and(|status| status.success())
}
