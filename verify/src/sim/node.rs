//! One daemon with an app in it that writes, and waits until what it wrote is called durable.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crdt::doc::Value;
use crdt::sync::{DocId, OpenError};
use crdt::{Replicated, VersionVector};
use sync_daemon::{Peer, PeerConfig, PeerError};

use crate::ledger::{DOCS, Shared, Shown};

pub(crate) const PORT: u16 = 7420;
/// How often an app shows what it has, once the faults are over.
const SHOW_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn name(i: usize) -> String {
    format!("n{i}")
}

/// Where its store is, on the simulated disk.
pub(crate) fn dir(i: usize) -> PathBuf {
    PathBuf::from(name(i))
}

/// What a host runs, in each of its lives.
pub(crate) async fn life(i: usize, peers: Vec<usize>, ledger: Shared) -> turmoil::Result {
    let config = PeerConfig {
        listen: Some(([0, 0, 0, 0], PORT).into()),
        insecure: true,
        peers: peers.iter().map(|peer| format!("ws://{}:{PORT}", name(*peer))).collect(),
        data_dir: Some(dir(i)),
        dial_backoff_max: Duration::from_secs(2),
        max_drift: Duration::MAX, // clocks show anything, and all is to be everywhere in the end
        ..PeerConfig::new(&name(i))
    };
    let peer = match Peer::start(config).await {
        Ok(peer) => peer,
        // On a disk that fails nothing starts; its machine loses power soon, and this life ends.
        Err(_) if ledger.borrow().failing.contains(&i) => std::future::pending().await,
        Err(error) => {
            ledger.borrow_mut().broken = Some(format!("{} does not start: {error}", name(i)));
            return Ok(());
        }
    };
    let quarantined = peer.status().await?.quarantined;
    if !quarantined.is_empty() {
        ledger.borrow_mut().broken = Some(format!("{} cannot read {quarantined:?}", name(i)));
    }
    while !ledger.borrow().settling {
        write(i, &peer, &ledger).await?;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..400))).await;
    }
    loop {
        let shown = show(&peer).await?;
        ledger.borrow_mut().shown.insert(i, shown);
        tokio::time::sleep(SHOW_EVERY).await;
    }
}

/// Writes once; when that is called durable is noted by a task of its own.
async fn write(i: usize, peer: &Peer, ledger: &Shared) -> turmoil::Result {
    let doc = fastrand::usize(..DOCS.len());
    let key = {
        let mut ledger = ledger.borrow_mut();
        ledger.next += 1;
        let key = ledger.next;
        ledger.written.insert((doc, key));
        key
    };
    let id: DocId = DOCS[doc].parse()?;
    let edit = move |doc: &mut crdt::Doc, now| {
        doc.transact(now, |tx| {
            tx.map("edits").put(&key.to_string(), i as i64);
            tx.counter("n").add(1);
            tx.text("t").insert(0, "x");
        });
    };
    let written = match peer.edit(&id, edit).await {
        // Its disk is bad: nothing may be written in a document that it did not give back.
        Err(PeerError::Open(OpenError::Lost)) => return Ok(()),
        written => written?,
    };
    let (peer, ledger) = (peer.clone(), ledger.clone());
    tokio::task::spawn_local(async move {
        if peer.wait_durable(&id, &written.version).await.is_ok() {
            ledger.borrow_mut().durable.insert((doc, key));
        }
    });
    Ok(())
}

async fn show(peer: &Peer) -> Result<Shown, Box<dyn std::error::Error>> {
    let mut shown = Shown::default();
    for doc in DOCS {
        let id: DocId = doc.parse()?;
        let read = peer.read(&id, |doc| {
            let keys = match doc.get("/edits") {
                Some(Value::Map(edits)) => edits.keys().filter_map(|key| key.parse().ok()).collect(),
                _ => BTreeSet::new(),
            };
            (keys, doc.delta_since(&VersionVector::new()).to_bytes())
        });
        let (keys, bytes) = read.await?.unwrap_or_default();
        shown.keys.push(keys);
        shown.bytes.push(bytes);
    }
    Ok(shown)
}
