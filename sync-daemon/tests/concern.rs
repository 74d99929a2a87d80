//! How safe an edit is, over real sockets: on which disks, of how many, and what an app is told meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod common;

use std::time::Duration;

use common::{PATIENCE, client, daemon, free_address, has, note, put, url, within};
use crdt::ReplicaId;
use crdt::doc::AnyDoc;
use crdt::sync::{Config, Input, LinkId, Node, Output, Role};
use futures_util::{SinkExt, StreamExt};
use sync_daemon::WriteConcern::{All, Local, Majority, Memory, N};
use sync_daemon::{Outcome, Peer, PeerConfig, Phase, Progress, Token, WriteConcern};
use tokio_tungstenite::tungstenite::Message;

async fn wait(peer: &Peer, token: &Token, concern: WriteConcern) -> Outcome {
    let outcome = peer.wait_for(&note(), token, concern, PATIENCE).await.unwrap();
    assert!(outcome.is_acked(), "{concern:?}: {outcome:?}");
    outcome
}

#[tokio::test]
async fn an_edit_is_as_safe_as_was_asked_or_pending() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let on = |n: usize, peers: &[String]| PeerConfig {
        data_dir: Some(dirs[n].path().into()),
        ..daemon(&format!("n{n}"), peers)
    };
    let (a, later) = (Peer::start(on(0, &[])).await.unwrap(), free_address());
    let b = Peer::start(on(1, &[url(&a), format!("ws://{later}")])).await.unwrap();
    let token = Token::from(put(&b, "x", 1).await);
    let Outcome::Acked { by } = wait(&b, &token, N(2)).await else { panic!("pending") };
    let mut both = vec![a.id(), b.id()];
    both.sort_unstable();
    assert_eq!(by, both);
    for concern in [Memory, Local, Majority] {
        wait(&b, &token, concern).await;
    }
    // Three disks are known, and one of them is away.
    let now = b.wait_for(&note(), &token, All, Duration::ZERO).await.unwrap();
    assert_eq!(now, Outcome::Pending { by: both });
    let c = Peer::start(PeerConfig { listen: Some(later), ..on(2, &[]) }).await.unwrap();
    wait(&b, &token, All).await;
    wait(&b, &token, N(3)).await;
    // The token is read elsewhere, as text.
    wait(&c, &token.to_string().parse().unwrap(), Memory).await;
}

#[tokio::test]
async fn an_app_knows_what_is_only_here() {
    let address = free_address();
    let app = Peer::start(client(&[format!("ws://{address}")])).await.unwrap();
    let written = put(&app, "x", 1).await;
    let alone = app.progress().await.unwrap();
    assert_eq!((alone.phase, alone.unsynced, alone.undurable), (Phase::Offline, 1, 1));

    let dir = tempfile::tempdir().unwrap();
    let config = PeerConfig { listen: Some(address), data_dir: Some(dir.path().into()), ..daemon("n1", &[]) };
    let server = Peer::start(config).await.unwrap();
    has(&server, &written).await;
    within("durability", app.wait_durable(&note(), &written)).await.unwrap();
    within("being in step", app.wait_synced(&note())).await.unwrap();
    let met = app.progress().await.unwrap();
    assert_eq!((met.phase, met.unsynced, met.undurable), (Phase::Synced, 0, 0));

    let mut events = app.events();
    server.shutdown().await;
    let gone = async { while !matches!(events.recv().await, Ok(sync_daemon::Event::Disconnected { .. })) {} };
    within("the end of the link", gone).await;
    put(&app, "y", 2).await;
    let offline = app.progress().await.unwrap();
    // What the daemon called safe before it went still is.
    assert_eq!((offline.phase, offline.unsynced, offline.undurable), (Phase::Offline, 1, 1));
}

/// Asks until an app stands where it should.
async fn stands(app: &Peer, wanted: Progress) {
    let there = async {
        while app.progress().await.unwrap() != wanted {
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{wanted:?}"), there).await;
}

/// Each phase and each number says what is so, no more: connected is not in step, and in step is not safe.
#[tokio::test]
async fn an_app_tells_connected_from_in_step_from_safe() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let app = Peer::start(client(&[])).await.unwrap();
    put(&app, "x", 1).await;
    let progress = |phase, unsynced, undurable| Progress { phase, unsynced, undurable };
    stands(&app, progress(Phase::Offline, 1, 1)).await;
    drop(app);

    // A daemon whose every word is in our hands.
    let app = Peer::start(client(&[address])).await.unwrap();
    put(&app, "x", 1).await;
    let (stream, _) = listener.accept().await.unwrap();
    let mut ws = tokio_tungstenite::accept_async(stream).await.unwrap();
    stands(&app, progress(Phase::Connecting, 1, 1)).await;

    let (link, id) = (LinkId(1), ReplicaId::from_u128(9));
    let mut daemon: Node<AnyDoc> = Node::new(Config::new(id, "by hand", Role::Daemon), 1);
    daemon.handle(0, Input::LinkUp { link, dialed: false });
    // The last byte of a message says of which lane it is.
    let lane = sync_daemon::lane(&note());
    let framed = |mut frames: Vec<u8>| {
        frames.push(lane);
        Message::Binary(frames.into())
    };
    let hello = daemon.poll_transmit(0, link).unwrap();
    ws.send(framed(hello)).await.unwrap();
    stands(&app, progress(Phase::Syncing, 1, 1)).await;

    let mut safe = None;
    for now in 0..10_000 {
        if let Ok(Some(Ok(Message::Binary(bytes)))) =
            tokio::time::timeout(Duration::from_millis(5), ws.next()).await
        {
            let (of, frames) = bytes.split_last().unwrap();
            if *of == lane {
                daemon.handle(now, Input::Frame { link, bytes: frames.to_vec() });
            }
        }
        while let Some(bytes) = daemon.poll_transmit(now, link) {
            ws.send(framed(bytes)).await.unwrap();
        }
        while let Some(output) = daemon.poll_output() {
            if let Output::Store { doc, delta, .. } = output {
                let version = delta.spans.iter().map(|span| (span.replica, span.to)).collect();
                safe = Some(Input::Durable { doc, version });
            }
        }
        if safe.is_some() && app.progress().await.unwrap() == progress(Phase::Synced, 0, 1) {
            break;
        }
    }
    // In step, and on no disk until the daemon says so.
    stands(&app, progress(Phase::Synced, 0, 1)).await;
    daemon.handle(20_000, safe.unwrap());
    while let Some(bytes) = daemon.poll_transmit(20_000, link) {
        ws.send(framed(bytes)).await.unwrap();
    }
    stands(&app, progress(Phase::Synced, 0, 0)).await;
    drop(ws);
    stands(&app, progress(Phase::Offline, 0, 0)).await;
}

/// On a line of daemons an edit is counted on disks that its writer is not linked to, and an app learns that an app at the other
/// end has it, and that one that left has not.
#[tokio::test]
async fn safety_is_counted_over_the_whole_line() {
    let dirs = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let mut line: Vec<Peer> = vec![];
    for (n, dir) in dirs.iter().enumerate() {
        let peers: Vec<String> = line.last().map(url).into_iter().collect();
        let config = PeerConfig { data_dir: Some(dir.path().into()), ..daemon(&format!("n{n}"), &peers) };
        line.push(Peer::start(config).await.unwrap());
    }
    let alice = Peer::start(client(&[url(&line[0])])).await.unwrap();
    let bob = Peer::start(client(&[url(&line[3])])).await.unwrap();
    let written = put(&alice, "x", 1).await;
    let token = Token::from(&written);
    let mut all: Vec<ReplicaId> = line.iter().map(Peer::id).collect();
    all.sort_unstable();
    assert_eq!(wait(&alice, &token, N(4)).await, Outcome::Acked { by: all.clone() });
    assert_eq!(wait(&line[3], &token, N(4)).await, Outcome::Acked { by: all });
    let none = alice.wait_for(&note(), &token, N(5), Duration::from_millis(300)).await.unwrap();
    assert!(matches!(none, Outcome::Pending { by } if by.len() == 4));
    assert!(alice.wait_seen(&note(), &token, bob.id(), PATIENCE).await.unwrap());
    assert!(alice.wait_seen(&note(), &token, alice.id(), PATIENCE).await.unwrap());

    bob.shutdown().await;
    let token = Token::from(put(&alice, "x", 2).await);
    assert!(!alice.wait_seen(&note(), &token, bob.id(), Duration::from_millis(300)).await.unwrap());
    assert!(bob.wait_seen(&note(), &token, alice.id(), PATIENCE).await.is_err());
}
