//! What the tests of the daemon share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test uses its part

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crdt::sync::{DocId, Interest, Role};
use sync_daemon::{Peer, PeerConfig};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn note() -> DocId {
    "notes/a".parse().unwrap()
}

pub fn daemon(name: &str, peers: &[String]) -> PeerConfig {
    PeerConfig {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        peers: peers.to_vec(),
        dial_backoff_max: Duration::from_millis(200),
        ..PeerConfig::new(name)
    }
}

pub fn client(peers: &[String]) -> PeerConfig {
    PeerConfig {
        role: Role::Client,
        interest: Interest::one(note()),
        listen: None,
        ..daemon("client", peers)
    }
}

pub fn url(peer: &Peer) -> String {
    format!("ws://{}", peer.local_addr().unwrap())
}

pub async fn put(peer: &Peer, key: &str, n: i64) -> crdt::VersionVector {
    let key = key.to_owned();
    peer.edit(&note(), move |doc, now| doc.transact(now, |tx| tx.put(&key, n))).await.unwrap().version
}

pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(value) => value,
        Err(_) => panic!("{what} takes more than {PATIENCE:?}"),
    }
}

pub async fn has(peer: &Peer, version: &crdt::VersionVector) {
    within("the events' arrival", peer.wait_covers(&note(), version)).await.unwrap();
}

/// A daemon in a process of its own, ended when it is dropped.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
}

impl Process {
    pub fn start(dir: &std::path::Path, address: SocketAddr) -> Process {
        Self::start_with(dir, address, &[])
    }

    pub fn start_with(dir: &std::path::Path, address: SocketAddr, more: &[&str]) -> Process {
        let child = Command::new(env!("CARGO_BIN_EXE_sync-daemon"))
            .args(["run", "--listen", &address.to_string(), "--data-dir"])
            .arg(dir)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Process { child, address }
    }

    pub async fn ready(&mut self) {
        let started = Instant::now();
        let host = self.address.to_string();
        while !sync_daemon::http::get(&host, "/readyz", PATIENCE)
            .await
            .is_ok_and(|(status, _)| status.is_success())
        {
            assert!(started.elapsed() < PATIENCE, "the daemon does not start");
            assert!(self.child.try_wait().unwrap().is_none(), "the daemon ended");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
