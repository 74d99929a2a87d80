//! Compares this library with others on the same work in one run.

mod alloc;
mod goals;
mod instructions;
mod measure;
mod plot;
mod random;
mod report;
mod rows;
mod run;
mod session;
mod text;
mod types;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const ABOUT: &str = "Compares this library with its peers on the same work, in one run.

Every peer runs each piece of work in a process of its own, several times, in turn with the others. What is
measured is processor time of that process, so other load on the machine disturbs little. Every peer must end
in the right text; one that does not is named, not timed. Live memory is counted by the allocator, exactly.

Writes tables (text.md, types.md), all figures (text.csv, types.csv) and plots (*.svg).";

const EXAMPLES: &str = "Examples:
  crdt-bench text --traces ../traces             all text rows, on the traces there and on generated histories
  crdt-bench text --only yrs --only crdt         two peers
  crdt-bench text --only rustcode --runs 1       one trace, quickly
  crdt-bench text --only rustcode --only crdt --instructions --out /tmp/results
  crdt-bench all --traces ../traces --out /tmp/results

Traces are files in the format of the public editing-traces, plain or gzip, sequential or concurrent; without
--traces the one that comes with sync-daemon is used.";

#[derive(Parser)]
#[command(about = "Compares this library with its peers", long_about = ABOUT, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Text: editing, messages, merging, loading, size, memory
    Text(Options),
    /// Sets, maps, counters, small documents, trees
    Types(Options),
    /// Everything
    All(Options),
    /// One peer on one piece of work; for the program itself
    #[command(hide = true)]
    Cell(Cell),
}

#[derive(clap::Args, Clone, Debug)]
struct Options {
    /// A folder with editing traces (*.json, *.json.gz)
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    out: PathBuf,
    /// Only peers or work whose name contains this; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How often each is measured; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// No further run of a peer on a piece of work that has taken so many seconds already
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    budget: u64,
    /// A peer that takes longer than this for one run is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    limit: u64,
    /// Count instructions instead of time, into text-instructions.md and .csv; needs valgrind, and takes fifty times as long
    #[arg(long)]
    instructions: bool,
}

#[derive(clap::Args, Debug)]
struct Cell {
    family: String,
    peer: String,
    work: String,
    #[arg(long)]
    first: bool,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Text(options) => run::all(&["text"], &options),
        Command::Types(options) => run::all(&["types"], &options),
        Command::All(options) => run::all(&["text", "types"], &options),
        Command::Cell(cell) => run::cell(&cell.family, &cell.peer, &cell.work, cell.first),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
