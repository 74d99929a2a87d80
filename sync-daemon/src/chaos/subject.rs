//! One daemon, one client that writes to it, and what must be there after a harm.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use crdt::sync::{DocId, Interest, Role};
use serde_json::Value;
use sync_daemon::{Outcome, Peer, PeerConfig, WriteConcern, http};
use tokio::process::{Child, Command};

/// How long a daemon that is not harmed may take to start.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long an edit may take to become durable before the client asks whether the store has failed.
const DURABLE_WITHIN: Duration = Duration::from_secs(10);
/// How soon a daemon whose disk failed must say so.
const FAILURE_WITHIN: Duration = Duration::from_secs(1);

const DOC: &str = "chaos/a";

/// What a harm does to a daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Harm {
    /// It ends.
    Ends,
    /// It cannot write: it ends at its start, or goes on and says that nothing becomes durable.
    Fails,
}

/// What a life under harm came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lived {
    /// Whether the harm was noticed.
    pub(super) hit: bool,
    pub(super) durable: u64,
}

/// How a daemon is started: what stands before its own command line.
#[derive(Clone, Debug, Default)]
pub(super) struct Wrapper(pub(super) Vec<String>);

/// A directory in which daemons live, one after the other.
#[derive(Debug)]
pub(super) struct Subject {
    dir: PathBuf,
    address: SocketAddr,
    /// Bytes that an edit brings along.
    padding: usize,
    written: u64,
    durable: BTreeSet<u64>,
}

impl Subject {
    pub(super) fn new(dir: &Path) -> anyhow::Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Subject { dir: dir.to_owned(), address, padding: 0, written: 0, durable: BTreeSet::new() })
    }

    /// Lets each edit bring so many bytes along.
    pub(super) fn padded(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    /// A daemon that is harmed while a client writes to it; then one that is not, and what it must have.
    pub(super) async fn live(&mut self, wrapper: &Wrapper, edits: u64, harm: Harm) -> anyhow::Result<Lived> {
        let lived = self.suffer(wrapper, edits, harm).await?;
        self.check().await?;
        Ok(lived)
    }

    /// A daemon that is harmed while a client writes to it, and is then ended.
    pub(super) async fn suffer(
        &mut self,
        wrapper: &Wrapper,
        edits: u64,
        harm: Harm,
    ) -> anyhow::Result<Lived> {
        let mut child = self.start(wrapper)?;
        let hit = self.write(&mut child, edits, harm).await;
        kill(&mut child).await;
        Ok(Lived { hit: hit?, durable: self.durable.len() as u64 })
    }

    fn start(&self, wrapper: &Wrapper) -> anyhow::Result<Child> {
        let exe = std::env::current_exe()?.display().to_string();
        let mut words = wrapper.0.iter().cloned().chain([exe]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args([
            "run",
            "--name",
            "subject",
            "--listen",
            &self.address.to_string(),
            "--data-dir",
        ]);
        command.arg(self.dir.join("data")).env("SYNC_LOG", "error");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        // What it starts ends with it.
        command.process_group(0);
        command.spawn().context("cannot start a daemon")
    }

    /// Writes until all is durable, or the harm shows. Whether it did.
    async fn write(&mut self, child: &mut Child, edits: u64, harm: Harm) -> anyhow::Result<bool> {
        if !self.ready(child).await? {
            return Ok(true);
        }
        let config = PeerConfig {
            role: Role::Client,
            interest: Interest::one(DOC.parse()?),
            peers: vec![format!("ws://{}", self.address)],
            dial_backoff_max: Duration::from_millis(50),
            ..PeerConfig::new("client")
        };
        let peer = Peer::start(config).await?;
        let mut hit = false;
        for _ in 0..edits {
            hit = tokio::select! {
                _ = child.wait() => true,
                hit = self.edit(&peer, harm) => hit?,
            };
            if hit {
                break;
            }
        }
        peer.shutdown().await;
        Ok(hit)
    }

    async fn edit(&mut self, peer: &Peer, harm: Harm) -> anyhow::Result<bool> {
        let doc: DocId = DOC.parse()?;
        self.written += 1;
        let (n, padding) = (self.written, "x".repeat(self.padding));
        let pair = move |doc: &mut crdt::Doc, now| {
            doc.transact(now, |tx| {
                if !padding.is_empty() {
                    tx.map("padding").put(&n.to_string(), padding.as_str());
                }
                tx.map("left").put(&n.to_string(), true);
                tx.map("right").put(&n.to_string(), true);
            });
        };
        let token = peer.edit(&doc, pair).await?.token();
        let asked = Instant::now();
        loop {
            let outcome =
                peer.wait_for(&doc, &token, WriteConcern::Local, Duration::from_millis(200)).await?;
            if matches!(outcome, Outcome::Acked { .. }) {
                self.durable.insert(n);
                return Ok(false);
            }
            if harm == Harm::Fails && self.says_it_failed().await {
                ensure!(
                    asked.elapsed() < FAILURE_WITHIN + Duration::from_secs(2),
                    "it took {:?} to say that its store has failed",
                    asked.elapsed()
                );
                return Ok(true);
            }
            if asked.elapsed() > DURABLE_WITHIN {
                if harm == Harm::Ends {
                    return Ok(true);
                }
                bail!("an edit is neither durable nor refused after {DURABLE_WITHIN:?}");
            }
        }
    }

    async fn says_it_failed(&self) -> bool {
        let answer = http::get(&self.address.to_string(), "/readyz", FAILURE_WITHIN).await;
        answer.is_ok_and(|(status, _)| status.as_u16() == 503)
    }

    /// Waits until it takes connections; `false` if it ends instead.
    async fn ready(&self, child: &mut Child) -> anyhow::Result<bool> {
        let started = Instant::now();
        while started.elapsed() < START_WITHIN {
            if http::get(&self.address.to_string(), "/healthz", Duration::from_secs(2)).await.is_ok() {
                return Ok(true);
            }
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("it does not take connections within {START_WITHIN:?}")
    }

    /// What an unharmed daemon finds in the directory.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        self.wait_until_gone().await?;
        let mut child = self.start(&Wrapper::default())?;
        let found = self.read(&mut child).await;
        kill(&mut child).await;
        let doc = found?;
        let keys = |side: &str| -> BTreeSet<u64> {
            let entries = doc[side].as_object().into_iter().flatten();
            entries.filter_map(|(key, _)| key.parse().ok()).collect()
        };
        let (left, right) = (keys("left"), keys("right"));
        let lost: Vec<&u64> = self.durable.difference(&left).collect();
        ensure!(lost.is_empty(), "LOST: {lost:?} were called durable, of {}", self.durable.len());
        ensure!(left == right, "half of a transaction is there");
        ensure!(left.last().is_none_or(|last| *last <= self.written), "something is there that nobody wrote");
        Ok(())
    }

    /// Waits until the address is free: what was killed is gone then, with all its locks.
    async fn wait_until_gone(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while let Err(error) = std::net::TcpListener::bind(self.address) {
            ensure!(started.elapsed() < START_WITHIN, "what was killed still listens: {error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn read(&self, child: &mut Child) -> anyhow::Result<Value> {
        ensure!(self.ready(child).await?, "it does not start again");
        let host = self.address.to_string();
        let (status, ready) = http::get(&host, "/readyz", START_WITHIN).await?;
        ensure!(
            status.is_success() && !ready.contains("quarantine"),
            "it starts again, but: {}",
            ready.trim()
        );
        let path = format!("/v1/doc/{}", http::encode_percent(DOC));
        let (status, body) = http::get(&host, &path, START_WITHIN).await?;
        Ok(if status.is_success() { serde_json::from_str(&body)? } else { Value::Null })
    }
}

/// Ends a daemon and what stands before it.
async fn kill(child: &mut Child) {
    if let Some(pid) = child.id() {
        let group = format!("-{pid}");
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().await;
    }
    let _ = child.kill().await;
}
