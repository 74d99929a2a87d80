//! The command line over any list of types: `crdt-fuzz` has this crate's, yours may have your own.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::kit::{ReplayError, Report};
use super::story::Story;
use super::subject::Subject;

const HELP: &str = "\
Plays random schedules of edits, exchanges and faults on replicated types, and draws the smallest that breaks a law.

Usage: crdt-fuzz list                        the types it knows
       crdt-fuzz fuzz [NAME...] [OPTIONS]    play random schedules; without a name those not known to be wrong
       crdt-fuzz exhaust NAME [OPTIONS]      play every schedule of a small scope
       crdt-fuzz replay NAME FILE            play a replay file again; - is standard input
       crdt-fuzz draw NAME [FILE] [OPTIONS]  draw a replay file, or the schedule of a seed

  --schedules N   play so many of each type                         [10000, or no limit with --for]
  --for TIME      play each type so long: 30s, 5m, 1h
  --seed N        decides the schedules; the same seed, the same    [1]
  --replicas N    exhaust: so many replicas                         [2]
  --edits N       exhaust: so many edits of each                    [3]
  --commands N    exhaust: so many different commands               [2]
  --out DIR       picture, page, replay and test of a failure       [target/crdt-fuzz]
  --json          one line of JSON for each type on standard output
  --quiet         no progress on standard error
  --help          this

NAME is a name of `list`; `all` is all types, `gallery` those that are known to be wrong: of them it is a failure to
find nothing. Exit code: 0 as expected, 1 a law is broken (or a wrong type was not found out), 2 wrong usage or a file
that cannot be read or written.
";

/// What the arguments say.
struct Options {
    names: Vec<String>,
    schedules: Option<u64>,
    time: Option<Duration>,
    seed: u64,
    scope: [u8; 3],
    out: PathBuf,
    json: bool,
    quiet: bool,
}

/// Runs the command line over these types. A program of your own is one line:
///
/// ```no_run
/// # use crdt::replica::Replica;
/// # use crdt::set::AwSet;
/// # type Cart = Replica<AwSet<u8>>;
/// use crdt::testkit::{Kit, Subject, cli};
///
/// fn main() -> std::process::ExitCode {
///     cli(&[Subject::new("cart", "what is to be bought", Kit::<Cart>::new().deltas())])
/// }
/// ```
pub fn cli(subjects: &[Subject]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, args)) =
        args.split_first().filter(|_| !args.iter().any(|a| a == "--help" || a == "-h"))
    else {
        print!("{HELP}");
        return if args.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    };
    let result = options(args).and_then(|options| match command.as_str() {
        "list" => Ok(list(subjects, options.json)),
        "fuzz" => fuzz(subjects, &options),
        "exhaust" => exhaust(subjects, &options),
        "replay" => replay(subjects, &options),
        "draw" => draw(subjects, &options),
        other => Err(format!("there is no command {other}")),
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(wrong) => {
            eprintln!("crdt-fuzz: {wrong}; see crdt-fuzz --help");
            ExitCode::from(2)
        }
    }
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        names: Vec::new(),
        schedules: None,
        time: None,
        seed: 1,
        scope: [2, 3, 2],
        out: PathBuf::from("target/crdt-fuzz"),
        json: false,
        quiet: false,
    };
    let mut args = args.iter();
    while let Some(name) = args.next() {
        match name.as_str() {
            "--json" => options.json = true,
            "--quiet" => options.quiet = true,
            name if !name.starts_with("--") => options.names.push(name.to_owned()),
            name => {
                let value = args.next().ok_or_else(|| format!("{name} is unknown, or wants a value"))?;
                let number = || value.parse().map_err(|_| format!("{name} wants a number, not {value}"));
                let small = |most| {
                    number().and_then(|n: u64| match u8::try_from(n) {
                        Ok(n) if (1..=most).contains(&n) => Ok(n),
                        _ => Err(format!("{name} is 1 to {most}")),
                    })
                };
                match name {
                    "--schedules" => options.schedules = Some(number()?),
                    "--seed" => options.seed = number()?,
                    "--for" => options.time = Some(duration(value)?),
                    "--replicas" => options.scope[0] = small(8)?.max(2),
                    "--edits" => options.scope[1] = small(8)?,
                    "--commands" => options.scope[2] = small(255)?,
                    "--out" => options.out = value.into(),
                    _ => return Err(format!("{name} is unknown")),
                }
            }
        }
    }
    Ok(options)
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no time: write 30s, 5m or 1h");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let n: u64 = text[..split].parse().map_err(|_| wrong())?;
    let unit = match &text[split..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(n.saturating_mul(unit)))
}

fn find<'a>(subjects: &'a [Subject], name: &str) -> Result<&'a Subject, String> {
    subjects.iter().find(|subject| subject.name() == name).ok_or_else(|| {
        let near =
            subjects.iter().map(Subject::name).find(|known| known.contains(name) || name.contains(known));
        near.map_or_else(
            || format!("there is no type {name}"),
            |near| format!("there is no type {name}; {near}?"),
        )
    })
}

fn chosen<'a>(subjects: &'a [Subject], names: &[String]) -> Result<Vec<&'a Subject>, String> {
    if names.is_empty() {
        return Ok(subjects.iter().filter(|subject| !subject.is_wrong()).collect());
    }
    let mut all = Vec::new();
    for name in names {
        match name.as_str() {
            "all" => all.extend(subjects),
            "gallery" => all.extend(subjects.iter().filter(|subject| subject.is_wrong())),
            name => all.push(find(subjects, name)?),
        }
    }
    Ok(all)
}

fn list(subjects: &[Subject], json: bool) -> bool {
    let widest = subjects.iter().map(|subject| subject.name().len()).max().unwrap_or(0);
    for subject in subjects {
        let (name, about, wrong) = (subject.name(), subject.about(), subject.is_wrong());
        if json {
            println!("{{\"name\":\"{name}\",\"about\":{about:?},\"wrong\":{wrong}}}");
        } else {
            println!("{name:widest$}  {}{about}", if wrong { "WRONG: " } else { "" });
        }
    }
    true
}

/// Time, for progress and limits: the one clock of this crate.
#[allow(clippy::disallowed_methods)] // A command line shows the time; what it plays knows only virtual time.
fn now() -> Instant {
    Instant::now()
}

fn fuzz(subjects: &[Subject], options: &Options) -> Result<bool, String> {
    let all = chosen(subjects, &options.names)?;
    let limit = options.schedules.unwrap_or(if options.time.is_some() { u64::MAX } else { 10_000 });
    let mut good = true;
    for subject in all {
        let start = now();
        let mut shown = start;
        let report = subject.run_while(options.seed, &mut |report| {
            let time = if report.schedules % 64 == 0 { now() } else { shown };
            if time.duration_since(shown) > Duration::from_millis(500) {
                shown = time;
                progress(subject, report, time.duration_since(start), options);
            }
            report.schedules < limit
                && options
                    .time
                    .is_none_or(|most| report.schedules % 64 != 0 || time.duration_since(start) < most)
        });
        let took = start.elapsed();
        clear(options);
        good &= report.failure.is_some() == subject.is_wrong();
        said(subject, &report, took, options);
        if let Some(failure) = &report.failure {
            told(subject, failure, options)?;
        }
    }
    Ok(good)
}

fn progress(subject: &Subject, report: &Report, took: Duration, options: &Options) {
    if options.quiet || !std::io::stderr().is_terminal() {
        return;
    }
    let faults = report.steps().filter(|(kind, n)| *n > 0 && *kind > super::Kind::Sync).count();
    let laws: u64 = report.laws().map(|(_, n)| n).sum();
    eprint!(
        "\r\x1b[K{}: {} schedules, {:.0}/s, {laws} checks of laws, {faults} kinds of fault",
        subject.name(),
        report.schedules,
        report.schedules as f64 / took.as_secs_f64().max(1e-9)
    );
    let _ = std::io::stderr().flush();
}

fn clear(options: &Options) {
    if !options.quiet && std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

/// The line about one type.
fn said(subject: &Subject, report: &Report, took: Duration, options: &Options) {
    let name = subject.name();
    let (n, seconds) = (report.schedules, took.as_secs_f64().max(1e-9));
    let failure = report.failure.as_deref();
    let outcome = failure.map_or("ok", Story::outcome);
    if !options.json {
        let shrunk = failure.map_or_else(String::new, |failure| {
            format!(", {} steps made {}", failure.found_with(), failure.schedule().steps.len())
        });
        println!(
            "{name:24} {outcome:14} {n:>9} schedules {seconds:>8.2} s {:>9.0}/s{shrunk}",
            n as f64 / seconds
        );
        return;
    }
    let mut line =
        format!("{{\"name\":\"{name}\",\"outcome\":\"{outcome}\",\"schedules\":{n},\"seconds\":{seconds:.3}");
    let counted = |all: Vec<(&'static str, u64)>| {
        all.iter().map(|(name, n)| format!("\"{name}\":{n}")).collect::<Vec<_>>().join(",")
    };
    let steps = counted(report.steps().map(|(kind, n)| (kind.name(), n)).collect());
    let laws = counted(report.laws().map(|(law, n)| (law.name(), n)).collect());
    let _ = write!(line, ",\"steps\":{{{steps}}},\"laws\":{{{laws}}}");
    if let Some(failure) = failure {
        let (from, to) = (failure.found_with(), failure.schedule().steps.len());
        let _ = write!(line, ",\"found_with\":{from},\"shrunk_to\":{to},\"replay\":\"{}\"", failure.replay());
    }
    println!("{line}}}");
}

/// The story of a failure, and its files. Of the gallery only the files: there are many.
fn told(subject: &Subject, failure: &Story, options: &Options) -> Result<(), String> {
    if !subject.is_wrong() && !options.json {
        println!("\n{failure}");
    }
    let source = format!("Kit::<{}>::new()", subject.type_name());
    std::fs::create_dir_all(&options.out).map_err(|error| format!("{}: {error}", options.out.display()))?;
    let files = super::tester::write(failure, subject.name(), &source, &options.out);
    if !subject.is_wrong() && !options.json {
        println!("{files}");
    }
    Ok(())
}

fn exhaust(subjects: &[Subject], options: &Options) -> Result<bool, String> {
    let mut good = true;
    let [replicas, edits, commands] = options.scope;
    for subject in chosen(subjects, &options.names)? {
        let start = now();
        let done = subject.exhaustive_while(options.scope, &mut |n| {
            if n % 65_536 == 65_535 && !options.quiet && std::io::stderr().is_terminal() {
                eprint!("\r\x1b[K{}: {n} schedules", subject.name());
            }
            n % 1_024 != 0 || options.time.is_none_or(|most| start.elapsed() < most)
        });
        clear(options);
        let (seconds, n) = (start.elapsed().as_secs_f64(), done.schedules);
        let cut = options.time.is_some_and(|most| done.failure.is_none() && start.elapsed() >= most);
        let scope = if cut {
            "(time is over)".into()
        } else {
            format!("all of {replicas} replicas × {edits} edits")
        };
        let outcome = done.failure.as_deref().map_or("ok", Story::outcome);
        println!(
            "{:24} {outcome:14} {n:>9} schedules {seconds:>8.2} s, {scope}, {commands} commands",
            subject.name()
        );
        good &= done.failure.is_some() == subject.is_wrong();
        if let Some(failure) = &done.failure {
            told(subject, failure, options)?;
        }
    }
    Ok(good)
}

fn read(file: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        file => std::fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| format!("{file}: {error}")).map(|()| text)
}

fn replay(subjects: &[Subject], options: &Options) -> Result<bool, String> {
    let [name, file] = &options.names[..] else { return Err("replay wants a name and a file".into()) };
    match find(subjects, name)?.replay(&read(file)?) {
        Ok(()) => {
            println!("{name}: every law holds");
            Ok(true)
        }
        Err(ReplayError::Text(error)) => Err(format!("{file}: {error}")),
        Err(ReplayError::Failed(failure)) => {
            println!("{failure}");
            Ok(false)
        }
    }
}

fn draw(subjects: &[Subject], options: &Options) -> Result<bool, String> {
    let (name, file) = match &options.names[..] {
        [name] => (name, None),
        [name, file] => (name, Some(file)),
        _ => return Err("draw wants a name, and may have a file".into()),
    };
    let subject = find(subjects, name)?;
    let schedule = match file {
        Some(file) => super::story::parse(&read(file)?).map_err(|error| format!("{file}: {error}"))?,
        None => super::kit::example(options.seed),
    };
    let drawn = subject.draw(schedule);
    println!("{drawn}");
    let source = format!("Kit::<{}>::new()", subject.type_name());
    print!("{}", super::tester::write(&drawn, name, &source, &options.out));
    Ok(true)
}
