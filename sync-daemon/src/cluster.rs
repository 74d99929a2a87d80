//! Real daemons in child processes, joined through proxies: what the demo and the soak are made of.

mod proxy;
pub(crate) mod topology;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sync_daemon::{Status, TrafficStatus, http};
use tokio::process::{Child, Command};

use proxy::Proxy;
pub(crate) use proxy::Weather;

const START_WITHIN: Duration = Duration::from_secs(60);

/// A daemon in a process of its own.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    dir: PathBuf,
    peers: Vec<String>,
    /// By how much its clock is wrong.
    clock: Option<&'static str>,
    child: Option<Child>,
    /// What its earlier lives sent and received, as far as was heard before they ended.
    past: TrafficStatus,
}

/// A link between two daemons.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) a: usize,
    pub(crate) b: usize,
    proxy: Proxy,
}

impl Edge {
    pub(crate) fn is_up(&self) -> bool {
        self.proxy.weather() != Weather::Cut
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.proxy.set(weather);
    }
}

/// All daemons and links. Dropped, it ends the daemons.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    pub(crate) edges: Vec<Edge>,
    /// The library that makes a daemon's clock wrong.
    faketime: Option<String>,
}

impl Cluster {
    pub(crate) async fn start(n: usize, edges: &[(usize, usize)], dir: &Path) -> anyhow::Result<Cluster> {
        Self::start_at(n, edges, dir, &[]).await
    }

    /// Like [`start`](Self::start), with clocks that are wrong by these, in turn; needs `faketime`.
    pub(crate) async fn start_at(
        n: usize,
        edges: &[(usize, usize)],
        dir: &Path,
        clocks: &[&'static str],
    ) -> anyhow::Result<Cluster> {
        let addresses = free_addresses(n)?;
        let faketime = if clocks.is_empty() { None } else { Some(faketime().await?) };
        let mut cluster = Cluster { members: Vec::new(), edges: Vec::new(), faketime };
        for (i, address) in addresses.iter().enumerate() {
            let name = format!("n{}", i + 1);
            let dir = dir.join(&name);
            cluster.members.push(Member {
                name,
                address: *address,
                dir,
                peers: Vec::new(),
                clock: clocks.iter().cycle().nth(i).copied(),
                child: None,
                past: TrafficStatus::default(),
            });
        }
        for &(a, b) in edges {
            let proxy = Proxy::start(addresses[b]).await.context("cannot make a link")?;
            cluster.members[a].peers.push(format!("ws://{}", proxy.address()));
            cluster.edges.push(Edge { a, b, proxy });
        }
        for i in 0..n {
            cluster.spawn(i)?;
        }
        for i in 0..n {
            cluster.wait_ready(i).await?;
        }
        Ok(cluster)
    }

    fn spawn(&mut self, i: usize) -> anyhow::Result<()> {
        let member = &mut self.members[i];
        std::fs::create_dir_all(&member.dir)?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(member.dir.join("log"))?;
        let exe = std::env::current_exe()?;
        let mut command = Command::new(exe);
        if let (Some(wrong), Some(library)) = (member.clock, &self.faketime) {
            // Only the time of day is wrong: a machine's clock does not change how long a second is.
            command.envs([
                ("FAKETIME", wrong),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                ("LD_PRELOAD", library),
                // What they stamp is to come through, as among those who know no bound.
                ("SYNC_MAX_DRIFT_S", "18446744073709551615"),
            ]);
        }
        command.args(["run", "--name", &member.name, "--listen", &member.address.to_string(), "--data-dir"]);
        command.arg(&member.dir);
        for peer in &member.peers {
            command.args(["--peer", peer]);
        }
        for name in ["SYNC_NAME", "SYNC_LISTEN", "SYNC_DATA_DIR", "SYNC_PEERS", "SYNC_ORIGINS", "SYNC_CONFIG"]
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        member.child = Some(command.spawn().context("cannot start a daemon")?);
        Ok(())
    }

    async fn wait_ready(&mut self, i: usize) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let member = &mut self.members[i];
            let host = member.address.to_string();
            if http::get(&host, "/readyz", Duration::from_secs(2))
                .await
                .is_ok_and(|(status, _)| status.is_success())
            {
                return Ok(());
            }
            let ended = member.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || started.elapsed() > START_WITHIN {
                let log = std::fs::read_to_string(member.dir.join("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                bail!(
                    "{} did not start: {}",
                    member.name,
                    last.into_iter().rev().collect::<Vec<_>>().join(" | ")
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn is_alive(&self, i: usize) -> bool {
        self.members.get(i).is_some_and(|member| member.child.is_some())
    }

    pub(crate) fn set_link(&self, a: usize, b: usize, up: bool) -> anyhow::Result<()> {
        let edge = self.edges.iter().find(|e| (e.a, e.b) == (a, b) || (e.a, e.b) == (b, a));
        let edge = edge.with_context(|| format!("there is no link between n{} and n{}", a + 1, b + 1))?;
        edge.set(if up { Weather::Fine } else { Weather::Cut });
        Ok(())
    }

    pub(crate) fn heal_all(&self) {
        self.edges.iter().for_each(|edge| edge.set(Weather::Fine));
    }

    /// SIGKILL: no chance to write anything more.
    pub(crate) async fn kill(&mut self, i: usize) -> anyhow::Result<()> {
        if let Ok(status) = self.status(i).await {
            self.members[i].past = sum(self.members[i].past, status.daemon_traffic);
        }
        match self.members[i].child.take() {
            Some(mut child) => Ok(child.kill().await?),
            None => bail!("n{} is not running", i + 1),
        }
    }

    /// Stops a process where it is, or lets it go on: to its peers it is silent, its sockets stay open.
    pub(crate) async fn pause(&self, i: usize, paused: bool) -> anyhow::Result<()> {
        let Some(pid) = self.pid(i) else { bail!("n{} is not running", i + 1) };
        let signal = if paused { "-STOP" } else { "-CONT" };
        let done = Command::new("kill").args([signal, &pid.to_string()]).status().await?;
        anyhow::ensure!(done.success(), "cannot send {signal} to n{}", i + 1);
        Ok(())
    }

    pub(crate) fn pid(&self, i: usize) -> Option<u32> {
        self.members.get(i)?.child.as_ref()?.id()
    }

    pub(crate) async fn restart(&mut self, i: usize) -> anyhow::Result<()> {
        if self.is_alive(i) {
            bail!("n{} is running", i + 1);
        }
        self.spawn(i)?;
        self.wait_ready(i).await
    }

    pub(crate) async fn status(&self, i: usize) -> anyhow::Result<Status> {
        let host = self.members[i].address.to_string();
        let (_, body) = http::get(&host, "/v1/status", Duration::from_secs(10)).await?;
        Ok(serde_json::from_str(&body)?)
    }

    /// What went over the links between daemons, in both directions, in all lives of all of them.
    pub(crate) async fn traffic(&self) -> anyhow::Result<TrafficStatus> {
        let mut all = TrafficStatus::default();
        for i in 0..self.members.len() {
            all = sum(all, self.members[i].past);
            if self.is_alive(i) {
                all = sum(all, self.status(i).await?.daemon_traffic);
            }
        }
        Ok(all)
    }

    /// A document of a node as JSON, read from the daemon itself.
    pub(crate) async fn document(&self, i: usize, doc: &str) -> anyhow::Result<serde_json::Value> {
        let host = self.members[i].address.to_string();
        let path = format!("/v1/doc/{}", http::encode_percent(doc));
        let (status, body) = http::get(&host, &path, Duration::from_secs(60)).await?;
        if !status.is_success() {
            bail!("n{} has no {doc}", i + 1);
        }
        Ok(serde_json::from_str(&body)?)
    }
}

fn sum(a: TrafficStatus, b: TrafficStatus) -> TrafficStatus {
    TrafficStatus {
        deltas_out: a.deltas_out + b.deltas_out,
        deltas_in: a.deltas_in + b.deltas_in,
        events_in: a.events_in + b.events_in,
        duplicates_in: a.duplicates_in + b.duplicates_in,
        control_out: a.control_out + b.control_out,
        control_in: a.control_in + b.control_in,
        bytes_out: a.bytes_out + b.bytes_out,
        bytes_in: a.bytes_in + b.bytes_in,
    }
}

/// Addresses that nobody uses now; a daemon keeps its own over restarts, so it cannot take just any.
/// Where the library is. The program of that name would stand between us and the daemon, and take our signals.
async fn faketime() -> anyhow::Result<String> {
    let output = Command::new("faketime").args(["-f", "+0s", "printenv", "LD_PRELOAD"]).output().await;
    let output = output.context("cannot make clocks wrong: is faketime installed?")?;
    let library = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    anyhow::ensure!(
        !library.is_empty(),
        "cannot make clocks wrong: faketime does not say where its library is"
    );
    Ok(library)
}

fn free_addresses(n: usize) -> anyhow::Result<Vec<SocketAddr>> {
    let held: Vec<std::net::TcpListener> =
        (0..n).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    Ok(held.iter().map(std::net::TcpListener::local_addr).collect::<Result<_, _>>()?)
}
