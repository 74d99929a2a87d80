//! `run`: from flags, environment and file to a running daemon, and its end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use crdt::sync::Fleet;
use serde::Deserialize;
use sync_daemon::{Peer, PeerConfig};

use super::stopped;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sync-daemon run\n  \
    sync-daemon run --name n2 --listen 127.0.0.1:7421 --data-dir n2 --peer ws://127.0.0.1:7420\n\n\
    A configuration file has the same names:\n  \
    name = \"n2\"\n  \
    listen = \"127.0.0.1:7421\"\n  \
    data-dir = \"n2\"\n  \
    peers = [\"ws://127.0.0.1:7420\"]\n  \
    origins = [\"https://notes.example\"]\n\n\
    Flags go before the environment, that before the file, that before the defaults.")]
pub(crate) struct RunArgs {
    /// A name for people [default: the machine's]
    #[arg(long, env = "SYNC_NAME")]
    name: Option<String>,
    /// Where to take connections [default: 127.0.0.1:7420]
    #[arg(long, value_name = "ADDRESS", env = "SYNC_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where to keep documents [default: sync-daemon in the user's data directory]
    #[arg(long, value_name = "DIR", env = "SYNC_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// How much memory documents may take, in MiB, before those that are not in use stay on disk [default: 256]
    #[arg(long, value_name = "MIB", env = "SYNC_CACHE_MB")]
    cache_mb: Option<usize>,
    /// How many seconds ahead of this machine's clock others may stamp what they write; what is further ahead is held back
    /// until the clock has come there [default: 60]
    #[arg(long, value_name = "SECONDS", env = "SYNC_MAX_DRIFT_S")]
    max_drift_s: Option<u64>,
    /// A peer to keep a link to, as ws://host:port; may be given again
    #[arg(long = "peer", value_name = "URL", env = "SYNC_PEERS", value_delimiter = ',')]
    peers: Vec<String>,
    /// What the daemons of a fleet share: they find what differs by sketch, at an eighth of the bytes. It proves
    /// nothing and lets nobody in; better in the environment or the file than here
    #[arg(long, value_name = "SECRET", env = "SYNC_FLEET_SECRET", hide_env_values = true)]
    fleet_secret: Option<String>,
    /// A web page that may connect, by its origin; may be given again
    #[arg(long = "origin", value_name = "ORIGIN", env = "SYNC_ORIGINS", value_delimiter = ',')]
    origins: Vec<String>,
    /// A name by which it may be asked over HTTP, besides its addresses; may be given again
    #[arg(long = "host", value_name = "NAME", env = "SYNC_HOSTS", value_delimiter = ',')]
    hosts: Vec<String>,
    /// A configuration file
    #[arg(long, value_name = "FILE", env = "SYNC_CONFIG")]
    config: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Listen where other machines reach it, although whoever reaches it may read and write everything
    #[arg(long)]
    insecure: bool,
    /// Print what it would run with, and end
    #[arg(long)]
    print_config: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: Option<String>,
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    cache_mb: Option<usize>,
    max_drift_s: Option<u64>,
    #[serde(default)]
    peers: Vec<String>,
    #[serde(default)]
    origins: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
    fleet_secret: Option<String>,
    insecure: Option<bool>,
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("in the configuration file {}", path.display()))
}

fn default_data_dir() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    Ok(base
        .context("there is no home directory: say where to keep documents with --data-dir")?
        .join("sync-daemon"))
}

fn default_name() -> String {
    let name = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "daemon".into())
}

fn either(flags: Vec<String>, file: Vec<String>) -> Vec<String> {
    if flags.is_empty() { file } else { flags }
}

fn effective(args: &RunArgs) -> anyhow::Result<PeerConfig> {
    let file = args.config.as_deref().map(read).transpose()?.unwrap_or_default();
    let data_dir = args.data_dir.clone().or(file.data_dir).map_or_else(default_data_dir, Ok)?;
    let usual = PeerConfig::new(&args.name.clone().or(file.name).unwrap_or_else(default_name));
    let cache = args.cache_mb.or(file.cache_mb).map(|mib| mib.saturating_mul(1 << 20));
    Ok(PeerConfig {
        cache_bytes: cache.unwrap_or(usual.cache_bytes),
        max_drift: args.max_drift_s.or(file.max_drift_s).map_or(usual.max_drift, Duration::from_secs),
        listen: Some(args.listen.or(file.listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7420)))),
        insecure: args.insecure || file.insecure.unwrap_or(false),
        peers: either(args.peers.clone(), file.peers),
        origins: either(args.origins.clone(), file.origins),
        hosts: either(args.hosts.clone(), file.hosts),
        fleet: args.fleet_secret.as_ref().or(file.fleet_secret.as_ref()).map(|secret| Fleet::of(secret)),
        data_dir: Some(data_dir),
        ..usual
    })
}

pub(crate) async fn run(args: RunArgs) -> anyhow::Result<u8> {
    let config = effective(&args)?;
    let data_dir = config.data_dir.clone().unwrap_or_default();
    if args.print_config {
        let listen = config.listen.map(|listen| listen.to_string()).unwrap_or_default();
        println!("name = {:?}\nlisten = {listen:?}\ndata-dir = {data_dir:?}", config.name);
        println!("cache-mb = {}", config.cache_bytes >> 20);
        println!("max-drift-s = {}", config.max_drift.as_secs());
        println!(
            "peers = {:?}\norigins = {:?}\ninsecure = {}",
            config.peers, config.origins, config.insecure
        );
        return Ok(super::DONE);
    }
    log_as(args.log_format);
    let name = config.name.clone();
    let peer = Peer::start(config).await?;
    let address = peer.local_addr().context("it listens nowhere")?;
    println!("sync-daemon {} is {name:?}, ready at ws://{address}", env!("CARGO_PKG_VERSION"));
    println!("  documents   {}", data_dir.display());
    println!("  try         sync-daemon put --to {address} notes/a title=hello");
    println!("              sync-daemon status --to {address}");
    println!("  look        http://{address}/");
    println!("  no authentication: whoever reaches this address can read and write everything");
    stopped().await?;
    tracing::info!("stopping");
    tokio::spawn(async {
        if stopped().await.is_ok() {
            std::process::exit(130);
        }
    });
    peer.shutdown().await;
    Ok(super::DONE)
}

fn log_as(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SYNC_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
