//! A daemon is killed with SIGKILL at random moments under load, again and again. What it called durable is
//! there when it comes back; what it did not is there whole or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod common;

use common::{Process, client, free_address, note};
use sync_daemon::{Event, Peer, http};
use tokio::sync::watch;

const KILLS: usize = 100;

/// How many pairs may be on their way: a load that leaves the disk something to do between two edits.
const ON_THEIR_WAY: u64 = 16;

/// Writes pairs, one transaction each, until it is stopped; says how many there are.
async fn write_pairs(peer: Peer, kill: usize, mut acked: watch::Receiver<u64>, written: watch::Sender<u64>) {
    for n in 1.. {
        // A pair is two events. Nobody acknowledges any more: it was stopped.
        if acked.wait_for(|acked| acked / 2 + ON_THEIR_WAY >= n).await.is_err() {
            return;
        }
        let pair = move |doc: &mut crdt::Doc, now| {
            doc.transact(now, |tx| {
                tx.map("left").put(&format!("{kill}-{n}"), true);
                tx.map("right").put(&format!("{kill}-{n}"), true);
            });
        };
        peer.edit(&note(), pair).await.unwrap();
        written.send_replace(n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_durable_survives_a_hundred_kills() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut durable: Vec<String> = Vec::new();
    for kill in 0..=KILLS {
        let mut process = Process::start(dir.path(), address);
        process.ready().await;

        // Before anyone could send it again: what the disk alone gave back.
        let path = format!("/v1/doc/{}", http::encode_percent(note().as_str()));
        let (_, body) = http::get(&address.to_string(), &path, common::PATIENCE).await.unwrap();
        let doc: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let nothing = serde_json::Map::new();
        let [left, right] = ["left", "right"].map(|side| doc[side].as_object().unwrap_or(&nothing));
        let lost: Vec<&String> = durable.iter().filter(|key| !left.contains_key(*key)).collect();
        assert!(lost.is_empty(), "SEED={seed}, kill {kill}: durable and gone: {lost:?}");
        assert!(left.keys().eq(right.keys()), "SEED={seed}, kill {kill}: half of a transaction");

        let peer = Peer::start(client(&[format!("ws://{address}")])).await.unwrap();
        let ((heard, acked), (count, mut written)) = (watch::channel(0), watch::channel(0));
        let (mut events, own) = (peer.events(), peer.id());
        let listener = tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                if let Event::Acked { version, .. } = event {
                    heard.send_modify(|most| *most = version.get(own).max(*most));
                }
            }
        });
        let writer = tokio::spawn(write_pairs(peer.clone(), kill, acked.clone(), count));
        // Whatever the disk is doing then.
        let enough = rng.u64(0..400);
        let there = written.wait_for(|written| *written >= enough);
        tokio::time::timeout(common::PATIENCE, there).await.unwrap().unwrap();
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        listener.abort();
        writer.await.unwrap();
        peer.shutdown().await;
        // A pair is two events.
        let pairs = *acked.borrow() / 2;
        durable.extend((1..=pairs).map(|n| format!("{kill}-{n}")));
    }
    println!("{KILLS} kills, {} transactions durable, none lost", durable.len());
    assert!(durable.len() > KILLS, "hardly anything became durable: {}", durable.len());
}
