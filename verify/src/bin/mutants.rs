//! Mistakes put into the library on purpose, all of them built in at once and switched on one at a time: the mutation score of
//! the kit, in minutes where a build for each takes hours.

#[path = "../given.rs"]
mod given;
#[path = "../mutants/switches.rs"]
mod switches;
#[path = "../mutants/trial.rs"]
mod trial;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use given::given;
use switches::Mutant;
use trial::{Caught, Tests};

const HELP: &str = "\
Puts known mistakes into what merges and what keeps causality, one at a time, and looks who notices.

Usage: mutants [OPTIONS]

  --schedules N   schedules that the kit plays of each type; 0: none [3000]
  --only TEXT     only mistakes whose name has this in it
  --again FILE    only mistakes that stand in a list of an earlier table, wherever their lines are now
  --scratch DIR   where the changed copy is built                    [a new directory, removed at the end]
  --out FILE      the table goes here, as Markdown                   [standard output]
  --help          this

Which mistakes: those that `cargo mutants --list` names (`cargo install cargo-mutants`; .cargo/mutants.toml says in which files).
All are built in at once, each behind a switch, so that it is one build and not one for each. A mistake that cannot stand behind
a switch (in a const fn, a field that is left out) is listed: `cargo mutants -F NAME` tries it in a build of its own.
For each, the kit plays its schedules on every type; what the kit lets pass is put before the library's tests.
Exit code: 0 done, 1 the library fails without a mistake, 2 wrong usage.
";

struct Options {
    schedules: u64,
    only: String,
    again: Option<PathBuf>,
    scratch: Option<PathBuf>,
    out: Option<PathBuf>,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options { schedules: 3000, only: String::new(), again: None, scratch: None, out: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--schedules" => {
                options.schedules = value()?.parse().map_err(|_| "--schedules wants a number".to_owned())?;
            }
            "--only" => options.only = value()?,
            "--again" => options.again = Some(value()?.into()),
            "--scratch" => options.scratch = Some(value()?.into()),
            "--out" => options.out = Some(value()?.into()),
            _ => return Err(format!("{arg} is unknown; see --help")),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    let options = match given(options(), HELP) {
        Ok(options) => options,
        Err(end) => return end,
    };
    let scratch = options
        .scratch
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("mutants-{}", std::process::id())));
    let done = run(&options, &scratch);
    if options.scratch.is_none() {
        let _ = std::fs::remove_dir_all(&scratch);
    }
    match done {
        Ok(table) => {
            let written = match &options.out {
                Some(file) => std::fs::write(file, &table),
                None => Ok(print!("{table}")),
            };
            written.map_or_else(
                |error| {
                    eprintln!("error: {error}");
                    ExitCode::from(2)
                },
                |()| ExitCode::SUCCESS,
            )
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

/// The folder that has `crdt` and `verify`.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

fn run(options: &Options, scratch: &Path) -> Result<String, String> {
    let root = root();
    let listed = Command::new("cargo").args(["mutants", "--list", "--json"]).current_dir(&root).output();
    let listed = listed.map_err(|error| format!("cargo mutants: {error}"))?;
    if !listed.status.success() {
        return Err(format!("cargo mutants --list: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let mut mutants = Mutant::list(&listed.stdout)?;
    mutants.retain(|mutant| mutant.name.contains(&options.only));
    if let Some(file) = &options.again {
        let table = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let listed: BTreeSet<String> =
            table.lines().filter_map(|line| line.strip_prefix("- ")).map(without_line).collect();
        mutants.retain(|mutant| listed.contains(&without_line(&mutant.name)));
    }
    eprintln!("{} mistakes; copying and building …", mutants.len());
    switches::copy(&root, scratch)?;

    // Where one cannot be built behind a switch the compiler says so; it goes, and the rest is tried again.
    let mut alone = BTreeSet::new();
    loop {
        let placed = switches::place(&root, scratch, &mutants, &alone)?;
        alone.extend((0..mutants.len()).filter(|n| !placed.contains(n)));
        let refused = switches::check(scratch)?;
        if refused.is_empty() {
            break;
        }
        eprintln!("{} cannot stand behind a switch …", refused.len());
        alone.extend(refused);
    }
    let tests = Tests::build(scratch, options.schedules)?;
    let tried: Vec<usize> = (0..mutants.len()).filter(|n| !alone.contains(n)).collect();
    let outcomes = tests.try_all(&tried)?;
    let outcomes: Vec<(usize, Caught)> = tried.into_iter().zip(outcomes).collect();
    Ok(table(&mutants, &outcomes, &alone))
}

/// The name of a mistake without the line where it stands, which may have moved.
fn without_line(name: &str) -> String {
    let (place, what) = name.split_once(": ").unwrap_or((name, ""));
    let file = place.split(':').next().unwrap_or(place);
    format!("{file}: {what}")
}

fn table(mutants: &[Mutant], outcomes: &[(usize, Caught)], alone: &BTreeSet<usize>) -> String {
    let mut out =
        String::from("| file | mistakes | noticed by the kit | by the kit or a test |\n|---|---|---|---|\n");
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
    let mut row = |name: &str, of: &dyn Fn(&Mutant) -> bool| {
        let of: Vec<Caught> = outcomes.iter().filter(|(n, _)| of(&mutants[*n])).map(|(_, c)| *c).collect();
        let share =
            |count: usize| format!("{count} ({:.1} %)", 100.0 * count as f64 / of.len().max(1) as f64);
        let kit = of.iter().filter(|caught| **caught == Caught::Kit).count();
        let any = of.iter().filter(|caught| **caught != Caught::Not).count();
        let _ = writeln!(out, "| {name} | {} | {} | {} |", of.len(), share(kit), share(any));
    };
    for file in files {
        row(file, &|mutant| mutant.file == file);
    }
    row("**all**", &|_| true);
    for (title, which) in [("Noticed by tests, not by the kit", Caught::Tests), ("Not noticed", Caught::Not)]
    {
        let _ = writeln!(out, "\n{title}:\n");
        for (n, _) in outcomes.iter().filter(|(_, caught)| *caught == which) {
            let _ = writeln!(out, "- {}", mutants[*n].name);
        }
    }
    let _ = writeln!(out, "\nIn no build behind a switch:\n");
    for n in alone {
        let _ = writeln!(out, "- {}", mutants[*n].name);
    }
    out
}
