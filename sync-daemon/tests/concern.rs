//! How safe an edit is, over real sockets: on which disks, of how many, and what an app is told meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod common;

use std::time::Duration;

use common::{PATIENCE, client, daemon, free_address, has, note, put, url, within};
use sync_daemon::WriteConcern::{All, Local, Majority, Memory, N};
use sync_daemon::{Outcome, Peer, PeerConfig, Phase, Token, WriteConcern};

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
