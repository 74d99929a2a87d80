//! Load on sync servers: latency and rate under fan-out, many documents, cold and late clients, hops, idle
//! connections, kills. Each server is a process of its own; what it costs is read from `/proc`.

mod automerge;
mod clock;
mod link;
mod redis;
mod relay;
mod report;
mod run;
mod samod;
mod server;
mod sink;
mod storm;
mod works;
mod yjs;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use report::Row;
use server::{Kind, Programs, Protocol};
use works::Bench;

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run works and print what was measured
    Run(RunArgs),
    /// Be a relay that knows nothing of what it carries
    Relay {
        #[arg(long)]
        listen: SocketAddr,
        /// Pack all that waits for a connection into one message
        #[arg(long)]
        framed: bool,
    },
    /// Be a server of samod
    Samod {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        data_dir: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Which works: paced, flat, many, cold, offline, idle, hops, durable, storm, kill [default: all]
    works: Vec<String>,
    /// Which servers [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Kind>,
    /// The daemon's program
    #[arg(long, default_value = "../../target/release/sync-daemon")]
    daemon: PathBuf,
    /// The folder with the scripts of other servers, and what npm installed for them
    #[arg(long, default_value = "peers")]
    peers: PathBuf,
    /// Where servers keep what they keep: a real disk, if durability is to cost what it costs
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// For how many seconds paced work lasts
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many subscribers in fan-out
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 500])]
    readers: Vec<usize>,
    /// How many documents with an edit per second each
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    docs: Vec<u64>,
    /// How many clients come back at once
    #[arg(long, value_delimiter = ',', default_values_t = [2_000])]
    returning: Vec<usize>,
    /// How many edits a second until durable, over all documents
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// Over how many documents
    #[arg(long, value_delimiter = ',', default_values_t = [20, 1_000, 10_000])]
    durable_docs: Vec<u64>,
    /// How many edits flat out, over all subscribers
    #[arg(long, default_value_t = 3_000_000)]
    deliveries: u64,
    /// Write load.md, load.csv and load.svg into this folder, too; rows of works and servers that were not run now stay
    #[arg(long)]
    results: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Args::parse().command {
        Command::Run(args) => runtime.block_on(measure(args)),
        Command::Relay { listen, framed } => runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(listen).await?;
            relay::serve(listener, framed).await
        }),
        Command::Samod { listen, data_dir } => runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(listen).await?;
            samod::serve(listener, &data_dir).await
        }),
    }
}

/// What was measured so far, and the folder that it is written into.
struct Rows(Vec<Row>, Option<PathBuf>);

impl Rows {
    /// Notes a row, or that there is none; what fails for one server must not hide the others.
    fn add(&mut self, work: &str, server: Kind, result: anyhow::Result<Row>) {
        let row = result.unwrap_or_else(|error| Row {
            note: format!("FAILED: {error:#}"),
            ..Row::new(work, server.name())
        });
        eprint!("{}", report::markdown(std::slice::from_ref(&row)).lines().last().unwrap_or_default());
        eprintln!();
        self.0.push(row);
        // After each row, so that a run that is stopped loses none.
        if let Some(folder) = &self.1
            && let Err(error) = report::write(folder, &self.0)
        {
            eprintln!("the results are not written: {error:#}");
        }
    }
}

async fn measure(args: RunArgs) -> anyhow::Result<()> {
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let programs = Programs { daemon: args.daemon.clone(), peers: args.peers.clone() };
    let mut servers = args.servers.clone();
    if servers.is_empty() {
        servers = Kind::value_variants().to_vec();
    }
    servers.retain(|server| {
        let missing = server.missing(&programs);
        missing.iter().for_each(|why| eprintln!("{why}"));
        missing.is_none()
    });
    let bench = Bench { programs, scratch, paced_for: Duration::from_secs(args.seconds) };
    let wants = |work: &str| args.works.is_empty() || args.works.iter().any(|wanted| wanted == work);
    let mut rows = Rows(Vec::new(), args.results.clone());
    for &server in &servers {
        for &readers in args.readers.iter().filter(|_| wants("paced")) {
            rows.add("paced", server, bench.paced(server, readers).await);
        }
        for &readers in args.readers.iter().filter(|_| wants("flat")) {
            let edits = (args.deliveries / readers as u64).max(1);
            rows.add("flat", server, bench.flat(server, readers, edits).await);
        }
        for &docs in args.docs.iter().filter(|docs| wants("many") && **docs <= server.most_docs()) {
            rows.add("many", server, bench.many(server, docs).await);
        }
        if wants("idle") {
            rows.add("idle", server, bench.idle(server, 2_000).await);
        }
        if let Protocol::Yjs { named } = server.protocol() {
            if wants("cold") {
                rows.add("cold", server, bench.cold_yjs(server, named, 200_001).await);
            }
            if wants("offline") {
                rows.add("offline", server, bench.offline_yjs(server, named).await);
            }
            if wants("kill") && server.keeps() {
                rows.add("kill", server, bench.kill_yjs(server, 20).await);
            }
        }
        if server.protocol() == Protocol::Automerge && wants("kill") {
            rows.add("kill", server, bench.kill_automerge(server, 20).await);
        }
    }
    if servers.contains(&Kind::Daemon) {
        if wants("cold") {
            rows.add("cold", Kind::Daemon, bench.cold(1, 200_000).await);
            rows.add("cold", Kind::Daemon, bench.cold(10_000, 9).await);
        }
        if wants("offline") {
            rows.add("offline", Kind::Daemon, bench.offline().await);
        }
        if wants("hops") {
            rows.add("hops", Kind::Daemon, bench.hops(false).await);
            rows.add("hops", Kind::Daemon, bench.hops(true).await);
        }
        for &docs in args.durable_docs.iter().filter(|_| wants("durable")) {
            rows.add("durable", Kind::Daemon, bench.durable(docs, args.rate).await);
        }
        for &clients in args.returning.iter().filter(|_| wants("storm")) {
            rows.add("storm", Kind::Daemon, bench.storm(clients).await);
        }
        if wants("kill") {
            rows.add("kill", Kind::Daemon, bench.kill(20).await);
        }
    }
    println!("{}", report::markdown(&rows.0));
    Ok(())
}
