//! A server under load: a process of its own, and what it costs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// How long a server may take to start.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Clock ticks of `/proc/PID/stat` in a second, on every Linux of today.
const TICKS: f64 = 100.0;

/// What can be put under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The daemon, durable.
    Daemon,
    /// A relay that sends one message for each edit.
    WsBroadcast,
    /// A relay that packs edits into messages.
    WsFramed,
}

impl Kind {
    /// As it is called in the report.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Daemon => "sync-daemon (durable)",
            Kind::WsBroadcast => "ws-broadcast (limit)",
            Kind::WsFramed => "ws-framed (limit)",
        }
    }
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
        daemon: &Path,
        dir: &Path,
        address: SocketAddr,
        peers: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let mut command = match kind {
            Kind::Daemon => {
                let mut command = Command::new(daemon);
                command.args(["run", "--data-dir"]).arg(dir).env("SYNC_LOG", "error");
                for peer in peers {
                    command.arg("--peer").arg(format!("ws://{peer}"));
                }
                command
            }
            relay => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("relay");
                if relay == Kind::WsFramed {
                    command.arg("--framed");
                }
                command
            }
        };
        command.args(["--listen", &address.to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
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

    /// Processor time it has taken so far, in seconds, in steps of 10 ms.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        // After the name, which may hold anything: state is field 3, times are fields 14 and 15.
        let fields: Vec<&str> =
            stat.rsplit_once(')').context("no name in stat")?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|ticks| ticks.parse::<f64>().ok());
        Ok((ticks(14).context("no utime")? + ticks(15).context("no stime")?) / TICKS)
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

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
