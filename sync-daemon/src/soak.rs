//! `soak`: real daemons under load and faults for as long as you like. At the end everything that was called durable
//! must be everywhere, all must agree, and memory must not have grown.
//!
//! Writers keep nothing on disk and are themselves ended and begun anew all the time: what they were told is durable
//! only the daemons have.

mod faults;
mod ledger;
mod load;
mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;

use crate::cluster::Cluster;
use crate::cluster::topology::Topology;
use faults::Faults;
use ledger::Shared;
use report::{Report, Samples};

/// How often faults begin and end.
const TICK: Duration = Duration::from_millis(100);
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_secs(2);
/// How long all may take to agree once the faults have ended.
const SETTLE_WITHIN: Duration = Duration::from_secs(120);

/// How clocks may be wrong, as `faketime` says it.
const CLOCKS: [&str; 5] = ["+0s", "+10y", "-10y", "+1h", "-3d"];

#[derive(Debug, Args)]
#[command(
    after_help = "Faults: SIGKILL and restart; SIGSTOP and SIGCONT; links that are cut, silent in both directions or in one, \
    and slow. Exit codes: 0 nothing is missing, 1 something is, or memory grew, 3 not converged."
)]
pub(crate) struct SoakArgs {
    /// How long, as 30s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", default_value = "1m", value_parser = duration)]
    time: Duration,
    /// How many daemons
    #[arg(long, default_value_t = 5)]
    nodes: usize,
    /// line, ring, star, tree, mesh, or random:K
    #[arg(long, default_value = "ring")]
    topology: String,
    /// How many documents
    #[arg(long, default_value_t = 20)]
    docs: usize,
    /// How many edits in a second, of all writers together
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// How many faults begin in a minute; 0 for none
    #[arg(long, default_value_t = 40.0)]
    faults: f64,
    /// Let the daemons' clocks be years apart; needs faketime
    #[arg(long)]
    clocks: bool,
    /// For faults and edits drawn by chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Draw memory over time
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Keep the daemons' data and logs in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Nothing but the result
    #[arg(long)]
    quiet: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write 30s, 10m or 2h");
    let unit = match text.chars().last() {
        Some('s') => 1.0,
        Some('m') => 60.0,
        Some('h') => 3_600.0,
        _ => return Err(wrong()),
    };
    let n: f64 = text.get(..text.len() - 1).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    Duration::try_from_secs_f64(n * unit).map_err(|_| wrong())
}

pub(crate) async fn run(args: SoakArgs) -> anyhow::Result<u8> {
    tokio::select! {
        result = perform(args) => result,
        // Dropping the work ends the daemons and removes their data.
        _ = crate::cli::stopped() => bail!("interrupted"),
    }
}

async fn perform(args: SoakArgs) -> anyhow::Result<u8> {
    let topology: Topology = args.topology.parse()?;
    let mut rng = fastrand::Rng::with_seed(args.seed);
    let edges = topology.edges(args.nodes, &mut rng)?;
    let temporary = tempfile::Builder::new().prefix("sync-daemon-soak-").tempdir()?;
    let dir = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let clocks: &[&str] = if args.clocks { &CLOCKS } else { &[] };
    let mut cluster = Cluster::start_at(args.nodes, &edges, &dir, clocks).await?;
    let started = Instant::now();
    let ledger = Shared::default();
    let addresses: Vec<String> =
        cluster.members.iter().map(|member| format!("ws://{}", member.address)).collect();
    let load =
        load::start(&addresses, args.docs, args.rate / args.nodes as f64, args.seed, args.clocks, &ledger);
    let (mut faults, mut samples) = (Faults::new(args.faults, args.seed), Samples::default());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut sampled, mut told) = (started, started);
    while started.elapsed() < args.time {
        tick.tick().await;
        faults.step(&mut cluster, started.elapsed()).await?;
        if sampled.elapsed() >= SAMPLE {
            sampled = Instant::now();
            samples.take(&cluster, started.elapsed());
        }
        if !args.quiet && told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            eprintln!("{}", report::progress(started.elapsed(), &ledger, &faults, &samples));
        }
    }
    faults.end(&mut cluster).await?;
    let written = load.stop().await?;
    let settling = Instant::now();
    let converged = settle(&cluster).await;
    samples.take(&cluster, started.elapsed());
    let missing = ledger.check(&cluster).await?;
    let report = Report::new(
        &args,
        written,
        &ledger,
        &faults,
        &samples,
        converged.then(|| settling.elapsed()),
        missing,
    );
    if let Some(path) = &args.svg {
        std::fs::write(path, samples.svg(&faults))?;
    }
    report.print(args.json)?;
    Ok(report.exit_code())
}

/// Waits until all daemons have the same version of every document.
async fn settle(cluster: &Cluster) -> bool {
    let started = Instant::now();
    while started.elapsed() < SETTLE_WITHIN {
        let mut all = Vec::new();
        for i in 0..cluster.members.len() {
            let Ok(status) = cluster.status(i).await else { break };
            let mut docs: Vec<_> =
                status.docs.into_iter().map(|doc| (doc.name, doc.digest, doc.durable)).collect();
            docs.sort();
            all.push(docs);
        }
        if all.len() == cluster.members.len() && all.windows(2).all(|pair| pair[0] == pair[1]) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}
