//! Documents that nobody uses cost disk: a daemon of very many starts at once, has few in memory, and still gives
//! all of them to whoever asks. `DOCS=1000000 cargo test --release -p sync-daemon --test parked -- --nocapture`
//! tells what each costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod common;

use std::time::Instant;

use common::{PATIENCE, Process, client, free_address, within};
use crdt::sync::{DocId, Interest};
use sync_daemon::{Peer, PeerConfig, Status, http};

fn name(n: usize) -> DocId {
    format!("shelf/{n:07}").parse().unwrap()
}

async fn get(process: &Process, path: &str) -> String {
    let (status, body) = http::get(&process.address.to_string(), path, PATIENCE).await.unwrap();
    assert!(status.is_success(), "{path}: {body}");
    body
}

async fn status(process: &Process) -> Status {
    serde_json::from_str(&get(process, "/v1/status").await).unwrap()
}

/// What the process takes of memory, in KiB.
fn resident(process: &Process) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_cost_disk_until_they_are_needed() {
    let docs = std::env::var("DOCS").ok().and_then(|docs| docs.parse().ok()).unwrap_or(3_000);
    let dir = tempfile::tempdir().unwrap();
    // Little, so that writing alone makes it put documents away.
    let config =
        PeerConfig { data_dir: Some(dir.path().into()), cache_bytes: 4 << 20, ..PeerConfig::new("writer") };
    let writer = Peer::start(config).await.unwrap();
    for n in 0..docs {
        let edit = move |doc: &mut crdt::Doc, now| doc.transact(now, |tx| tx.put("n", n as i64));
        writer.edit(&name(n), edit).await.unwrap();
    }
    let durable = async { while writer.progress().await.unwrap().undurable > 0 {} };
    tokio::time::timeout(PATIENCE * 10, durable).await.unwrap();
    let stored = writer.status().await.unwrap();
    assert_eq!(stored.documents, docs);
    assert!(stored.in_memory < docs, "{} in memory", stored.in_memory);
    // One that was put away is edited again.
    let again = |doc: &mut crdt::Doc, now| doc.transact(now, |tx| tx.put("again", true));
    assert_eq!(writer.edit(&name(0), again).await.unwrap().version.total(), 2);
    writer.shutdown().await;
    assert_eq!(writer.store_failure().await.ok(), None);

    let empty = tempfile::tempdir().unwrap();
    let mut alone = Process::start(empty.path(), free_address());
    alone.ready().await;
    let began = Instant::now();
    let mut process = Process::start_with(dir.path(), free_address(), &["--cache-mb", "1"]);
    process.ready().await;
    let started = began.elapsed();
    if let (Some(with), Some(without)) = (resident(&process), resident(&alone)) {
        let each = (with.saturating_sub(without) << 10) / docs;
        println!("{docs} documents: ready in {started:?}, {with} KiB, {each} bytes each");
    }
    let at_start = status(&process).await;
    assert_eq!((at_start.documents, at_start.in_memory), (docs, 0));
    assert_eq!(at_start.fingerprint.len(), 16);

    let asked = Instant::now();
    assert_eq!(get(&process, "/v1/doc/shelf%2F0000000").await, r#"{"again":true,"n":0}"#);
    println!("a document read from disk in {:?}", asked.elapsed());
    for n in (0..docs).step_by(docs / 50) {
        let body = get(&process, &format!("/v1/doc/{}", http::encode_percent(name(n).as_str()))).await;
        assert!(body.contains(&format!("\"n\":{n}")), "{body}");
    }

    // Whoever wants all of them gets them, and the daemon has few in memory all the while.
    if docs > 60_000 {
        return; // More than one connection may name.
    }
    let all = Interest { prefixes: vec!["shelf/".into()], names: vec![] };
    let url = format!("ws://{}", process.address);
    let reader = Peer::start(PeerConfig { interest: all, ..client(&[url]) }).await.unwrap();
    let mut most = 0;
    let came = async {
        while reader.status().await.unwrap().documents < docs {
            most = most.max(status(&process).await.in_memory);
        }
    };
    within("all documents", came).await;
    assert!(most < 1_000, "{most} documents in memory");
    // And what it writes into one that is on disk there becomes durable.
    let (doc, edit) = (name(7), |doc: &mut crdt::Doc, now| doc.transact(now, |tx| tx.put("new", 1)));
    let written = reader.edit(&doc, edit).await.unwrap();
    within("durability", reader.wait_durable(&doc, &written.version)).await.unwrap();
    assert_eq!(get(&process, "/v1/doc/shelf%2F0000007").await, r#"{"n":7,"new":1}"#);
}
