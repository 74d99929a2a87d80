//! `chaos`: real daemons on a real disk and a real network, hit at every place where it could hurt. What was called
//! durable must be there afterwards.

mod limits;
mod subject;
mod syscalls;
mod whole;

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;

#[derive(Debug, Args)]
#[command(
    after_help = "What needs a tool or a right that is not here is skipped, with a line that says so: sigkill, eio, enospc need \
    strace; disk-full may mount; packet-loss may make a network of its own; clocks needs faketime.\n\n\
    Each point of the first five is one daemon in a directory of its own: it is hit at one call or limit while a client \
    writes and waits, ended, and started again unharmed. It must start; what was acknowledged must be there, whole; and \
    nothing that nobody wrote.\n\n\
    Exit codes: 0 nothing was lost, 1 something was, or a daemon did not start again."
)]
pub(crate) struct ChaosArgs {
    /// What to do; without it, all
    #[arg(value_enum, value_name = "ATTACK")]
    attacks: Vec<Attack>,
    /// How many edits the client makes in each life
    #[arg(long, default_value_t = 25)]
    edits: u64,
    /// Hit only every so many-th call
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,
    /// How long the attacks on whole clusters last, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    seconds: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Nothing but the result
    #[arg(long)]
    quiet: bool,
}

/// One kind of harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Attack {
    /// The process is killed at the n-th write, sync, rename or change of length
    Sigkill,
    /// The n-th of these fails: an error of the disk
    Eio,
    /// The n-th of these fails: no space left
    Enospc,
    /// A write ends in the middle, at every size of the file
    ShortWrite,
    /// The daemon's file system is full
    DiskFull,
    /// A cluster: kills, pauses, links that are cut, silent, slow
    Cluster,
    /// A cluster on a network that drops one packet in twenty
    PacketLoss,
    /// A cluster whose clocks are years apart
    Clocks,
}

/// What an attack came to.
#[derive(Debug, Default, Serialize)]
struct Tally {
    /// Why it was not done.
    skipped: Option<String>,
    points: usize,
    /// At how many of them the harm was noticed: the daemon ended, or said that its store had failed.
    hit: usize,
    /// Edits that were called durable and looked for afterwards.
    durable: u64,
    /// What was lost, or did not start.
    failures: Vec<String>,
}

impl Tally {
    fn skipped(why: impl Into<String>) -> Self {
        Tally { skipped: Some(why.into()), ..Tally::default() }
    }

    /// Takes in what one point came to.
    fn add(&mut self, name: &str, lived: anyhow::Result<subject::Lived>) {
        self.points += 1;
        match lived {
            Ok(lived) => {
                self.hit += usize::from(lived.hit);
                self.durable += lived.durable;
            }
            Err(error) => self.failures.push(format!("{name}: {error:#}")),
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    attack: Attack,
    seconds: f64,
    #[serde(flatten)]
    tally: Tally,
}

pub(crate) async fn run(args: ChaosArgs) -> anyhow::Result<u8> {
    tokio::select! {
        result = perform(args) => result,
        _ = crate::cli::stopped() => bail!("interrupted"),
    }
}

async fn perform(args: ChaosArgs) -> anyhow::Result<u8> {
    let attacks = if args.attacks.is_empty() { Attack::value_variants() } else { &args.attacks };
    let mut rows = Vec::new();
    for &attack in attacks {
        let started = Instant::now();
        let tally = match attack {
            Attack::Sigkill => syscalls::sweep(&args, "signal=KILL", subject::Harm::Ends).await?,
            Attack::Eio => syscalls::sweep(&args, "error=EIO", subject::Harm::Fails).await?,
            Attack::Enospc => syscalls::sweep(&args, "error=ENOSPC", subject::Harm::Fails).await?,
            Attack::ShortWrite => limits::short_writes(&args).await?,
            Attack::DiskFull => limits::disk_full(&args).await?,
            Attack::Cluster => whole::cluster(&args).await?,
            Attack::PacketLoss => whole::packet_loss(&args).await?,
            Attack::Clocks => whole::clocks(&args).await?,
        };
        let row = Row { attack, seconds: started.elapsed().as_secs_f64(), tally };
        if !args.json {
            say(&row);
        }
        rows.push(row);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    let good = rows.iter().all(|row| row.tally.failures.is_empty());
    Ok(if good { crate::cli::DONE } else { crate::cli::FAILED })
}

fn say(row: &Row) {
    let name = row.attack.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let Tally { skipped, points, hit, durable, failures } = &row.tally;
    if let Some(why) = skipped {
        println!("{name:12} skipped: {why}");
        return;
    }
    println!(
        "{name:12} {points:>5} points, {hit:>5} hit, {durable:>7} edits called durable, {} failures, {:.1} s",
        failures.len(),
        row.seconds
    );
    failures.iter().take(20).for_each(|failure| println!("    {failure}"));
}

fn progress(args: &ChaosArgs, what: &str) {
    if !args.quiet {
        eprintln!("{what}");
    }
}

/// Whether a program is here.
async fn has(program: &str, argument: &str) -> bool {
    let mut command = tokio::process::Command::new(program);
    command.arg(argument).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let done = tokio::time::timeout(Duration::from_secs(10), command.status()).await;
    matches!(done, Ok(Ok(status)) if status.success())
}
