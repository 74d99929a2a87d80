//! Commands: what each takes, and which part of the program does it.

mod daemon;
mod edit;
mod inspect;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Done.
pub(crate) const DONE: u8 = 0;
/// It failed; the error says why.
pub(crate) const FAILED: u8 = 1;
/// Peers do not agree.
pub(crate) const NOT_CONVERGED: u8 = 3;
/// The daemon cannot be reached.
pub(crate) const UNREACHABLE: u8 = 4;

/// Carries edits of documents among peers in any topology, and keeps them.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Start with:\n  \
        sync-daemon demo                                  see five daemons at work\n  \
        sync-daemon run                                   run one here, on 127.0.0.1:7420\n  \
        sync-daemon put notes/a title=hello               write to it\n  \
        sync-daemon get notes/a                           read it\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not converged, 4 unreachable."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See daemons at work: a graph of real processes, real edits, real faults
    Demo(crate::demo::DemoArgs),
    /// Load daemons and let things go wrong for a long time; nothing durable may be missing at the end
    Soak(crate::soak::SoakArgs),
    /// Hit daemons at every call to the disk, fill their disks, drop their packets, shift their clocks
    Chaos(crate::chaos::ChaosArgs),
    /// Make an editing trace for the demo from revisions of a file
    #[command(hide = true)]
    MakeTrace(crate::demo::MakeArgs),
    /// Run a daemon
    Run(daemon::RunArgs),
    /// Say what a daemon has, or whether all that it is linked to agree
    Status(inspect::StatusArgs),
    /// List a daemon's documents
    Docs(inspect::DocsArgs),
    /// Print a document, or a part of it, as JSON
    Get(inspect::GetArgs),
    /// Print what changes in a document, as it happens
    Watch(edit::WatchArgs),
    /// Write values
    Put(edit::PutArgs),
    /// Remove values
    Rm(edit::RmArgs),
    /// Edit a text, with options or in $EDITOR
    Edit(edit::EditArgs),
}

/// Which daemon to talk to.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct To {
    /// The daemon, as host:port
    #[arg(long = "to", value_name = "ADDRESS", default_value = "127.0.0.1:7420", env = "SYNC_TO")]
    address: String,
    /// How long to wait for it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    timeout: f64,
}

impl To {
    /// `host:port`, whichever way the address was given.
    fn host(&self) -> &str {
        host(&self.address)
    }

    fn url(&self) -> String {
        format!("ws://{}", self.host())
    }

    fn within(&self) -> std::time::Duration {
        std::time::Duration::try_from_secs_f64(self.timeout).unwrap_or(std::time::Duration::from_secs(10))
    }
}

fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

/// The daemon cannot be reached: a failure with an exit code of its own.
#[derive(Debug)]
struct Unreachable(String);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreachable {}

/// Runs a command; its exit code.
pub(crate) async fn run(args: Args) -> u8 {
    let result = match args.command {
        Command::Demo(args) => crate::demo::run(args).await,
        Command::Soak(args) => crate::soak::run(args).await,
        Command::Chaos(args) => crate::chaos::run(args).await,
        Command::MakeTrace(args) => crate::demo::make(&args),
        Command::Run(args) => daemon::run(args).await,
        Command::Status(args) => inspect::status(args).await,
        Command::Docs(args) => inspect::docs(args).await,
        Command::Get(args) => inspect::get(args).await,
        Command::Watch(args) => edit::watch(args).await,
        Command::Put(args) => edit::put(args).await,
        Command::Rm(args) => edit::rm(args).await,
        Command::Edit(args) => edit::edit(args).await,
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<Unreachable>() { UNREACHABLE } else { FAILED }
        }
    }
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
pub(crate) async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
