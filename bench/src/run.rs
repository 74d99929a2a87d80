//! Runs every peer on every piece of work, each in a process of its own, in turn.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::instructions::Counter;
use crate::measure::{Line, Sample};
use crate::report::{self, Cell, Family, Measured};
use crate::rows::{self, Peer};
use crate::workload::{GENERATED, Workload};
use crate::{Options, text, types};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sync-daemon/traces/own.json.gz");

/// Measures some families and writes the report.
pub(crate) fn all(families: &[&str], options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make the folder {}", options.out.display()))?;
    let mut found_any = false;
    for family in families {
        let family = measure(family, options)?;
        if !family.cells.is_empty() {
            found_any = true;
            report::write(&family, &options.out)?;
        }
    }
    ensure!(found_any, "--only {} leaves nothing to do", options.only.join(" --only "));
    println!("results are in {}", options.out.display());
    Ok(())
}

fn peers(family: &str) -> anyhow::Result<(Vec<Peer>, &'static [rows::Row])> {
    match family {
        "text" => Ok((text::PEERS.iter().map(|(peer, _)| *peer).collect(), rows::TEXT)),
        "types" => Ok((types::PEERS.to_vec(), rows::TYPES)),
        _ => bail!("no family {family}"),
    }
}

/// What is to be done in a family: a name, or the path of a trace.
fn works(family: &str, options: &Options) -> anyhow::Result<Vec<String>> {
    if family == "types" {
        let mut works: Vec<String> = types::ENTRIES.iter().map(|entry| entry.work.to_owned()).collect();
        works.dedup();
        return Ok(works);
    }
    let mut works = match &options.traces {
        Some(folder) => traces(folder)?,
        None => vec![SHIPPED.to_owned()],
    };
    works.extend(GENERATED.iter().map(|(name, _)| (*name).to_owned()));
    Ok(works)
}

fn takes_part(family: &str, peer: &Peer, work: &str) -> bool {
    family != "types" || types::ENTRIES.iter().any(|e| e.work == work && e.peer == peer.name)
}

fn traces(folder: &Path) -> anyhow::Result<Vec<String>> {
    let files = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths: Vec<PathBuf> = files.map(|file| file.map(|file| file.path())).collect::<Result<_, _>>()?;
    let named = paths.iter().filter_map(|path| path.to_str());
    let mut found: Vec<String> =
        named.filter(|p| p.ends_with(".json") || p.ends_with(".json.gz")).map(str::to_owned).collect();
    found.sort();
    ensure!(!found.is_empty(), "no traces (*.json, *.json.gz) in {}", folder.display());
    Ok(found)
}

/// The name of a piece of work as it is shown.
fn short(work: &str) -> &str {
    let file = work.rsplit('/').next().unwrap_or(work);
    file.split('.').next().unwrap_or(file)
}

fn measure(family: &str, options: &Options) -> anyhow::Result<Family> {
    let (peers, rows) = peers(family)?;
    let works = works(family, options)?;
    let (peer_only, work_only): (Vec<&String>, Vec<&String>) =
        options.only.iter().partition(|only| peers.iter().any(|peer| peer.name.contains(only.as_str())));
    let wanted =
        |only: &[&String], name: &str| only.is_empty() || only.iter().any(|o| name.contains(o.as_str()));
    let peers: Vec<Peer> = peers.into_iter().filter(|peer| wanted(&peer_only, peer.name)).collect();
    let works: Vec<String> = works.into_iter().filter(|work| wanted(&work_only, short(work))).collect();

    let mut cells = Vec::new();
    for (i, work) in works.iter().enumerate() {
        println!("{family} {}/{}: {}", i + 1, works.len(), short(work));
        let taking_part = peers.iter().filter(|peer| takes_part(family, peer, work));
        let mut measured: Vec<Cell> = taking_part.map(|peer| Cell::new(short(work), *peer)).collect();
        let mut spent = vec![Duration::ZERO; peers.len()];
        let counter = options.instructions.then(Counter::new).transpose()?;
        // Instructions are the same each time.
        for pass in 0..if options.instructions { 1 } else { options.runs } {
            for (cell, spent) in measured.iter_mut().zip(&mut spent) {
                if cell.failed.is_none() && (pass == 0 || *spent < Duration::from_secs(options.budget)) {
                    progress(&format!("  run {} of {}: {} …", pass + 1, options.runs, cell.peer.name));
                    *spent += one_pass(family, work, cell, pass == 0, counter.as_ref(), options)?;
                }
            }
        }
        progress("");
        for cell in &measured {
            if let Some(failure) = &cell.failed {
                println!("  {}: {failure}", cell.peer.name);
            }
        }
        cells.extend(measured);
    }
    let (measured, rows) = match options.instructions {
        false => (Measured::Time, rows.to_vec()),
        true => (Measured::Instructions, rows.iter().filter_map(|row| row.in_instructions()).collect()),
    };
    Ok(Family { name: family.to_owned(), measured, rows, peers, cells })
}

/// A line that the next one overwrites, on a terminal.
fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
        let _ = std::io::stderr().flush(); // only for the eye
    }
}

/// Runs a peer once, in a process of its own, and takes what it says.
fn one_pass(
    family: &str,
    work: &str,
    cell: &mut Cell,
    first: bool,
    counter: Option<&Counter>,
    options: &Options,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let program = std::env::current_exe()?;
    let mut command = match counter {
        Some(counter) => counter.command(&program),
        None => Command::new(program),
    };
    command.args(["cell", family, cell.peer.name, work]).stdout(Stdio::piped()).stderr(Stdio::piped());
    if first && counter.is_none() {
        command.arg("--first");
    }
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut err) = err {
            let _ = err.read_to_string(&mut text); // only for the message
        }
        text
    });
    let child = Arc::new(Mutex::new(child));
    let stopped = watch(&child, Duration::from_secs(options.limit));
    for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()) {
        match serde_json::from_str(&line?) {
            Ok(Line::Sample(sample)) => match counter {
                Some(counter) => counter.count(sample)?.into_iter().for_each(|sample| cell.add(sample)),
                None => cell.add(sample),
            },
            Ok(Line::Failed(why)) => cell.failed = Some(why),
            Err(_) => {} // something that a peer printed
        }
    }
    let status = wait(&child)?;
    let complaints = complaints.join().unwrap_or_default();
    if *stopped.lock().map_err(|_| anyhow::anyhow!("the watch failed"))? {
        cell.failed = Some(format!("stopped after {} s", options.limit));
    } else if !status.success() && cell.failed.is_none() {
        let said: Vec<&str> = complaints.lines().filter(|line| !line.trim().is_empty()).take(2).collect();
        cell.failed = Some(format!("{status}: {}", said.join(" ")));
    }
    Ok(began.elapsed())
}

fn wait(child: &Mutex<Child>) -> anyhow::Result<std::process::ExitStatus> {
    loop {
        if let Ok(mut child) = child.lock()
            && let Some(status) = child.try_wait()?
        {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills the child when the limit is over; says whether it had to.
fn watch(child: &Arc<Mutex<Child>>, limit: Duration) -> Arc<Mutex<bool>> {
    let stopped = Arc::new(Mutex::new(false));
    let (child, flag, began) = (Arc::clone(child), Arc::clone(&stopped), Instant::now());
    std::thread::spawn(move || {
        while let Ok(mut child) = child.lock() {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            if began.elapsed() > limit {
                if let (Ok(mut flag), Ok(())) = (flag.lock(), child.kill()) {
                    *flag = true;
                }
                return;
            }
            drop(child);
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    stopped
}

/// The other side: measures one peer on one piece of work and prints what it finds.
pub(crate) fn cell(family: &str, peer: &str, work: &str, first: bool) -> anyhow::Result<()> {
    let measured = match family {
        "text" => {
            let workload = match GENERATED.iter().find(|(name, _)| *name == work) {
                Some((_, make)) => make(),
                None => Workload::read(Path::new(work))?,
            };
            let found = text::PEERS.iter().find(|(p, _)| p.name == peer);
            found.with_context(|| format!("no peer {peer}"))?.1(&workload, first)
        }
        _ => {
            let found = types::ENTRIES.iter().find(|entry| entry.work == work && entry.peer == peer);
            (found.with_context(|| format!("{peer} has no part in {work}"))?.measure)(first)
        }
    };
    if let Err(error) = measured {
        Line::Failed(format!("{error:#}")).write();
    }
    Ok(())
}

impl Cell {
    fn add(&mut self, sample: Sample) {
        let key = (sample.row, sample.format);
        let values = self.values.entry(key).or_default();
        values.values.push(sample.value);
        values.scaled |= sample.scaled;
    }
}
