//! A server under load: a process of its own, and what it costs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// How long a server may take to start.
const START_WITHIN: Duration = Duration::from_secs(60);

/// What can be put under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The daemon, durable.
    Daemon,
    /// A relay that sends one message for each edit.
    WsBroadcast,
    /// A relay that packs edits into messages.
    WsFramed,
    /// Redis, publishing and subscribing, nothing kept.
    Redis,
    /// The server of y-websocket.
    YWebsocket,
    /// Hocuspocus with a file for each document.
    Hocuspocus,
    /// The Node server of automerge-repo with its store of files.
    AutomergeRepo,
    /// The same protocol in Rust, with its store of files.
    Samod,
}

/// What clients of a server speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of the daemon.
    Native,
    /// Edits as they are, to a relay.
    Raw,
    /// Commands of Redis.
    Redis,
    /// Messages of y-protocols, with the name of a document before each if a connection has many.
    Yjs { named: bool },
    /// Sync messages of automerge in those of automerge-repo.
    Automerge,
}

impl Kind {
    /// As it is called in the report.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Daemon => "sync-daemon (durable)",
            Kind::WsBroadcast => "ws-broadcast (limit)",
            Kind::WsFramed => "ws-framed (limit)",
            Kind::Redis => "Redis pub/sub (limit)",
            Kind::YWebsocket => "y-websocket (memory)",
            Kind::Hocuspocus => "Hocuspocus (debounced)",
            Kind::AutomergeRepo => "automerge-repo (debounced)",
            Kind::Samod => "samod (no fsync)",
        }
    }

    pub fn protocol(self) -> Protocol {
        match self {
            Kind::Daemon => Protocol::Native,
            Kind::WsBroadcast | Kind::WsFramed => Protocol::Raw,
            Kind::Redis => Protocol::Redis,
            Kind::YWebsocket => Protocol::Yjs { named: false },
            Kind::Hocuspocus => Protocol::Yjs { named: true },
            Kind::AutomergeRepo | Kind::Samod => Protocol::Automerge,
        }
    }

    /// The script in `peers/` that is this server, if it is one of those.
    fn script(self) -> Option<&'static str> {
        match self {
            Kind::YWebsocket => Some("y-websocket.mjs"),
            Kind::Hocuspocus => Some("hocuspocus.mjs"),
            Kind::AutomergeRepo => Some("automerge-repo.mjs"),
            Kind::Daemon | Kind::WsBroadcast | Kind::WsFramed | Kind::Redis | Kind::Samod => None,
        }
    }

    /// Whether one connection to it has many documents.
    pub fn has_names(self) -> bool {
        self != Kind::YWebsocket
    }

    /// Whether documents are on a disk, sooner or later.
    pub fn keeps(self) -> bool {
        matches!(self, Kind::Daemon | Kind::Hocuspocus | Kind::AutomergeRepo | Kind::Samod)
    }

    /// With how many documents it can be set up here: y-websocket needs two connections for each, and automerge-repo and
    /// samod are behind with a thousand.
    pub fn most_docs(self) -> u64 {
        match self {
            Kind::YWebsocket | Kind::AutomergeRepo | Kind::Samod => 1_000,
            _ => u64::MAX,
        }
    }

    /// By what the number of edits flat out is divided, so that slow servers end within the time that there is.
    pub fn flat_share(self) -> u64 {
        match self {
            Kind::AutomergeRepo | Kind::Samod => 300,
            Kind::YWebsocket => 20,
            Kind::Hocuspocus => 60,
            _ => 1,
        }
    }

    /// Why it cannot be run, and what to do about it.
    pub fn missing(self, programs: &Programs) -> Option<String> {
        let folder = programs.peers.display();
        match self.script() {
            Some(_) if !programs.peers.join("node_modules").is_dir() => Some(format!(
                "{} is left out: with Node, `(cd {folder} && npm install --omit=optional --ignore-scripts)` installs it",
                self.name()
            )),
            None if self == Kind::Redis
                && Command::new("redis-server").arg("--version").output().is_err() =>
            {
                Some(format!("{} is left out: there is no redis-server", self.name()))
            }
            _ => None,
        }
    }
}

/// Where the servers are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The daemon's program.
    pub daemon: PathBuf,
    /// The folder with the scripts of other servers.
    pub peers: PathBuf,
}

/// A server process, killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    child: Child,
}

/// An address that nobody uses now.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    /// Starts a server and waits until it takes connections.
    pub async fn start(
        kind: Kind,
        programs: &Programs,
        dir: &Path,
        address: SocketAddr,
        peers: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let mut command = match (kind, kind.script()) {
            (_, Some(script)) => {
                let mut command = Command::new("node");
                command.arg(programs.peers.join(script)).arg("--data-dir").arg(dir);
                command
            }
            (Kind::Daemon, _) => {
                let mut command = Command::new(&programs.daemon);
                command.args(["run", "--data-dir"]).arg(dir).env("SYNC_LOG", "error");
                for peer in peers {
                    command.arg("--peer").arg(format!("ws://{peer}"));
                }
                command
            }
            (Kind::Samod, _) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("samod").arg("--data-dir").arg(dir);
                command
            }
            (Kind::Redis, _) => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
                // Its clients come from many loopback addresses.
                command
                    .args(["--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir"])
                    .arg(dir);
                command
            }
            (relay, _) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("relay");
                if relay == Kind::WsFramed {
                    command.arg("--framed");
                }
                command
            }
        };
        if kind != Kind::Redis {
            command.args(["--listen", &address.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot start {kind:?}"))?;
        let mut server = Server { kind, address, child };
        let started = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            anyhow::ensure!(started.elapsed() < START_WITHIN, "{kind:?} does not start");
            anyhow::ensure!(server.child.try_wait()?.is_none(), "{kind:?} ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(server)
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(PathBuf::from(format!("/proc/{}/{file}", self.child.id())))?)
    }

    /// Processor time it has taken so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        cpu_of(&self.child.id().to_string())
    }

    /// A line of `/proc/PID/status` that is in KiB.
    fn memory(&self, name: &str) -> anyhow::Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        Ok(line.trim_start_matches(':').split_whitespace().next().context("no number")?.parse()?)
    }

    /// The most memory it ever had, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.memory("VmHWM").or_else(|_| self.rss_kib()).unwrap_or(0)
    }

    /// The memory it has, in KiB.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS")
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time that the threads of a process have taken, in seconds: exact, where `stat` counts ticks of 10 ms.
fn cpu_of(process: &str) -> anyhow::Result<f64> {
    let mut ms = 0.0;
    for thread in std::fs::read_dir(PathBuf::from(format!("/proc/{process}/task")))? {
        // A thread may end meanwhile.
        let Ok(sched) = std::fs::read_to_string(thread?.path().join("sched")) else { continue };
        let line = sched.lines().find(|line| line.starts_with("se.sum_exec_runtime"));
        let number = line.and_then(|line| line.rsplit(':').next()).context("no time in sched")?;
        ms += number.trim().parse::<f64>()?;
    }
    Ok(ms / 1e3)
}

/// That of this program: all clients together.
pub fn own_cpu() -> anyhow::Result<f64> {
    cpu_of("self")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
