//! Peers over real sockets: they converge, come back, and take no harm from those who speak nonsense.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod common;

use common::{client, daemon, free_address, has, note, put, url, within};
use crdt::Replicated;
use crdt::sync::DocId;
use sync_daemon::{Peer, PeerConfig, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn an_edit_reaches_the_end_of_a_chain_of_five() {
    let mut chain = vec![Peer::start(daemon("n1", &[])).await.unwrap()];
    for n in 2..=5 {
        let before = url(chain.last().unwrap());
        chain.push(Peer::start(daemon(&format!("n{n}"), &[before])).await.unwrap());
    }
    let from_first = put(&chain[0], "x", 1).await;
    let from_last = put(&chain[4], "y", 2).await;
    for peer in &chain {
        has(peer, &from_first).await;
        has(peer, &from_last).await;
    }
    let status = chain[2].status().await.unwrap();
    assert_eq!(status.links.len(), 2);
    assert_eq!(status.store, "memory");
}

/// A document is in hand while another is edited, sent, stored and acknowledged: it waits for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_busy_document_does_not_hold_up_others() {
    let dir = tempfile::tempdir().unwrap();
    let config = PeerConfig { data_dir: Some(dir.path().into()), ..daemon("n1", &[]) };
    let daemon = Peer::start(config).await.unwrap();
    let app = Peer::start(client(&[url(&daemon)])).await.unwrap();
    let busy: DocId = (0..).map(|n| format!("busy/{n}").parse().unwrap()).find(elsewhere).unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let work = {
        let (daemon, busy) = (daemon.clone(), busy.clone());
        tokio::spawn(async move { daemon.edit(&busy, move |_, _| held.recv()).await })
    };
    let version = put(&app, "x", 1).await;
    has(&daemon, &version).await;
    within("durability", app.wait_durable(&note(), &version)).await.unwrap();
    let host = daemon.local_addr().unwrap().to_string();
    let (ready, _) = sync_daemon::http::get(&host, "/readyz", common::PATIENCE).await.unwrap();
    assert!(ready.is_success() && !work.is_finished());
    release.send(()).unwrap();
    work.await.unwrap().unwrap().value.unwrap();
    daemon.shutdown().await;
}

/// Whether a document is in another lane than the note.
fn elsewhere(doc: &DocId) -> bool {
    sync_daemon::lane(doc) != sync_daemon::lane(&note())
}

#[tokio::test]
async fn an_app_edits_offline_and_meets_another_through_a_daemon() {
    let address = free_address();
    let (a, b) = (
        Peer::start(client(&[format!("ws://{address}")])).await.unwrap(),
        Peer::start(client(&[format!("ws://{address}")])).await.unwrap(),
    );
    let from_a = put(&a, "a", 1).await;
    let from_b = put(&b, "b", 2).await;
    let dir = tempfile::tempdir().unwrap();
    let config = PeerConfig { listen: Some(address), data_dir: Some(dir.path().into()), ..daemon("n1", &[]) };
    let daemon = Peer::start(config.clone()).await.unwrap();
    has(&a, &from_b).await;
    has(&b, &from_a).await;
    within("durability", a.wait_durable(&note(), &from_a)).await.unwrap();
    daemon.shutdown().await;

    // It comes back with everything, and as another replica.
    let again = Peer::start(config).await.unwrap();
    assert_ne!(again.id(), daemon.id());
    has(&again, &from_a).await;
    let later = put(&a, "c", 3).await;
    has(&b, &later).await;
    again.shutdown().await;
}

#[tokio::test]
async fn presence_crosses_a_daemon_and_ends_with_its_link() {
    let daemon = Peer::start(daemon("n1", &[])).await.unwrap();
    let (a, b) = (
        Peer::start(client(&[url(&daemon)])).await.unwrap(),
        Peer::start(client(&[url(&daemon)])).await.unwrap(),
    );
    let version = put(&a, "x", 1).await;
    has(&b, &version).await;
    let mut events = b.events();
    a.set_presence(&note(), Some(b"here".to_vec())).await.unwrap();
    let mut next = async || loop {
        if let Ok(sync_daemon::Event::Presence { value, .. }) = events.recv().await {
            return value;
        }
    };
    assert_eq!(within("presence", next()).await, Some(b"here".to_vec()));
    a.shutdown().await;
    assert_eq!(within("its end", next()).await, None);
}

async fn talk(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(common::PATIENCE, stream.read_to_end(&mut answer)).await;
    answer
}

fn upgrade(more: &str) -> Vec<u8> {
    format!(
        "GET /sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
    .into_bytes()
}

/// A client's frame, masked with zeros.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn nonsense_is_refused_and_the_others_go_on() {
    let daemon = Peer::start(daemon("n1", &[])).await.unwrap();
    let address = daemon.local_addr().unwrap();
    let (a, b) = (
        Peer::start(client(&[url(&daemon)])).await.unwrap(),
        Peer::start(client(&[url(&daemon)])).await.unwrap(),
    );

    // Connections that say nothing, held open while the rest goes on.
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    for bytes in
        [&b"\x00\xff\x00garbage\r\n\r\n"[..], b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
    {
        talk(address, bytes).await;
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:7420", "http://localhost"] {
        let answer = talk(address, &upgrade(&format!("Origin: {origin}\r\nConnection: close\r\n"))).await;
        assert!(answer.starts_with(b"HTTP/1.1 403"), "{}", String::from_utf8_lossy(&answer));
    }
    // The last byte of a message is its lane.
    for (message, reason) in [
        (masked(2, b"rubbish"), "no lane"),
        (masked(2, b""), "no lane"),
        (masked(1, b"abc"), "a text message"),
        (masked(2, b"rubbish\x03"), "byte"),
        (masked(2, &[0; 120]), "byte"),
        (masked(2, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 7]), "byte"),
    ] {
        let mut bytes = upgrade("");
        bytes.extend(message);
        let answer = talk(address, &bytes).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 101") && answer.contains(reason), "{reason}: {answer}");
    }
    // A frame that claims to be longer than any message may be.
    let mut bytes = upgrade("");
    bytes.extend([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    talk(address, &bytes).await;

    let version = put(&a, "x", 1).await;
    has(&b, &version).await;
    drop(silent);
}

/// A page whose name was made to point to this machine sends no origin when it asks its own name.
#[tokio::test]
async fn documents_are_not_read_under_a_strangers_name() {
    let daemon = Peer::start(PeerConfig { hosts: vec!["hall".into()], ..daemon("n1", &[]) }).await.unwrap();
    let address = daemon.local_addr().unwrap();
    put(&daemon, "x", 1).await;
    for (host, code) in [
        ("evil.example:7420", 403),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.1:7420", 200),
        ("[::1]:7420", 200),
        ("localhost", 200),
        ("hall:80", 200),
    ] {
        let ask = format!("GET /v1/doc/notes/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = talk(address, ask.as_bytes()).await;
        assert!(
            answer.starts_with(format!("HTTP/1.1 {code}").as_bytes()),
            "{host}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

/// What monitoring reads is what went on, every family says what it is, and strangers do not get it.
#[tokio::test]
async fn monitoring_sees_what_went_on() {
    let daemon = Peer::start(daemon("n1", &[])).await.unwrap();
    let address = daemon.local_addr().unwrap();
    put(&daemon, "x", 1).await;
    let ask = async |path: &str, host: &str| {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        String::from_utf8(talk(address, ask.as_bytes()).await).unwrap()
    };
    let metrics = ask("/metrics", "localhost").await;
    for line in
        ["sync_daemon_documents 1", "sync_daemon_store_failed 0", "sync_daemon_links{role=\"daemon\"} 0"]
    {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let samples =
        metrics.lines().skip_while(|line| !line.is_empty()).filter(|line| line.starts_with("sync_"));
    for sample in samples {
        let name = sample.split([' ', '{']).next().unwrap();
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name}");
    }
    assert!(ask("/metrics", "evil.example").await.starts_with("HTTP/1.1 403"));
    let page = ask("/", "localhost").await;
    assert!(
        page.contains("content-security-policy") && page.contains("<title>sync-daemon</title>"),
        "{page}"
    );
}

#[tokio::test]
async fn connections_are_counted() {
    let config = PeerConfig { max_connections: 3, ..daemon("n1", &[]) };
    let daemon = Peer::start(config).await.unwrap();
    let address = daemon.local_addr().unwrap();
    let ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let held: Vec<TcpStream> = {
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        held
    };
    assert!(talk(address, ask).await.is_empty(), "the fourth is not let in");
    drop(held);
    let freed = async {
        while !talk(address, ask).await.starts_with(b"HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    };
    within("room for another", freed).await;
}

/// Clients that all come back at once are let in a few at a time, and all get in.
#[tokio::test]
async fn a_storm_of_returns_is_let_in_a_few_at_a_time() {
    let daemon = Peer::start(PeerConfig { max_arriving: 2, ..daemon("n1", &[]) }).await.unwrap();
    let mut apps = Vec::new();
    for n in 0..100 {
        let app = Peer::start(client(&[])).await.unwrap();
        put(&app, &format!("offline-{n}"), n).await;
        // What an app has that was there before the daemon.
        let deltas = app.read(&note(), |doc| doc.delta_since(&crdt::VersionVector::new())).await.unwrap();
        let again = Peer::start(client(&[url(&daemon)])).await.unwrap();
        again.apply(&note(), crdt::sync::Kind::DOC, deltas.unwrap()).await.unwrap();
        apps.push(again);
    }
    let all = async {
        while daemon.version(&note()).await.unwrap().len() < 100 {
            tokio::task::yield_now().await;
        }
    };
    within("everything from everyone", all).await;
    let version = daemon.version(&note()).await.unwrap();
    for app in &apps {
        has(app, &version).await;
    }
}

#[tokio::test]
async fn who_cannot_arrive_now_is_told_when_to_come_again() {
    let config = PeerConfig { max_arriving: 1, max_waiting: 1, ..daemon("n1", &[]) };
    let daemon = Peer::start(config).await.unwrap();
    let address = daemon.local_addr().unwrap();
    // Of ten that arrive at once one is let in and one waits, and none of them says who it is.
    let ask = |address| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&upgrade("")).await.unwrap();
        let mut answer = vec![0; 1024];
        let read = within("an answer", stream.read(&mut answer)).await.unwrap();
        answer.truncate(read);
        (stream, String::from_utf8_lossy(&answer).to_ascii_lowercase())
    };
    let all: Vec<_> = (0..10).map(|_| tokio::spawn(ask(address))).collect();
    let (mut told, mut open) = (0, Vec::new());
    for answer in all {
        let (stream, answer) = answer.await.unwrap();
        open.push(stream);
        let come_again = answer.starts_with("http/1.1 503") && answer.contains("retry-after: ");
        assert!(come_again || answer.starts_with("http/1.1 101"), "{answer}");
        told += usize::from(come_again);
    }
    assert!((1..10).contains(&told), "{told} were told to come again");
    let app = Peer::start(client(&[url(&daemon)])).await.unwrap();
    let version = put(&app, "x", 1).await;
    has(&daemon, &version).await;
}

#[tokio::test]
async fn a_start_that_cannot_be_right_is_refused() {
    let exposed = PeerConfig { listen: Some("0.0.0.0:0".parse().unwrap()), ..PeerConfig::new("n1") };
    assert!(matches!(Peer::start(exposed).await, Err(StartError::Exposed { .. })));
    let taken = Peer::start(daemon("n1", &[])).await.unwrap();
    let twice = PeerConfig { listen: taken.local_addr(), ..PeerConfig::new("n2") };
    assert!(matches!(Peer::start(twice).await, Err(StartError::Listen { .. })));
    for address in ["http://x:1", "ws://x", "ws://:1", "x"] {
        let wrong = PeerConfig { peers: vec![address.into()], ..PeerConfig::new("n1") };
        assert!(matches!(Peer::start(wrong).await, Err(StartError::Address { .. })), "{address}");
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.redb"), b"this is no store").unwrap();
    let foreign = PeerConfig { data_dir: Some(dir.path().into()), ..PeerConfig::new("n1") };
    assert!(matches!(Peer::start(foreign).await, Err(StartError::Store { .. })));
    assert_eq!(std::fs::read(dir.path().join("store.redb")).unwrap(), b"this is no store");
}

/// An app was away for so long that the daemon has forgotten what it lacks: it is told so, keeps what it edited, and
/// goes on with it as a new peer.
#[tokio::test]
async fn who_was_away_too_long_goes_on_with_its_edits() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Peer::start(daemon("n1", &[])).await.unwrap();
    let type_at_end = |text: &'static str| {
        move |doc: &mut crdt::Doc, now| {
            doc.transact(now, |tx| {
                let mut note = tx.text("text");
                note.insert(note.len(), text);
            });
        }
    };
    let first = daemon.edit(&note(), type_at_end("start, ")).await.unwrap().version;
    let online = PeerConfig { data_dir: Some(dir.path().into()), ..client(&[url(&daemon)]) };
    let app = Peer::start(online.clone()).await.unwrap();
    has(&app, &first).await;
    within("shutting down", app.shutdown()).await;

    let offline = Peer::start(PeerConfig { peers: vec![], ..online.clone() }).await.unwrap();
    offline.edit(&note(), type_at_end("typed offline, ")).await.unwrap();
    within("shutting down", offline.shutdown()).await;
    let forget = |doc: &mut crdt::Doc, now| {
        doc.transact(now, |tx| tx.text("text").insert(0, "meanwhile, "));
        doc.forget(&doc.version().clone());
    };
    daemon.edit(&note(), forget).await.unwrap();

    let late = Peer::start(PeerConfig { peers: vec![], ..online.clone() }).await.unwrap();
    assert!(late.rescue(&note()).await.unwrap().is_none());
    within("shutting down", late.shutdown()).await;
    let late = Peer::start(online.clone()).await.unwrap();
    let mut events = late.events();
    let rescue = within("being told", async {
        loop {
            if let Some(rescue) = late.rescue(&note()).await.unwrap() {
                return rescue;
            }
            events.recv().await.unwrap();
        }
    });
    let rescue = rescue.await;
    let edits: Vec<String> = rescue.edits().iter().map(ToString::to_string).collect();
    assert_eq!(edits, [r#"/text: insert "typed offline, ""#]);
    let (doc, left) = rescue.apply(1, |_| true);
    assert!(left.is_empty());
    let kept = late.read(&note(), |doc| doc.text("text").unwrap().to_string()).await.unwrap();
    assert_eq!(kept.as_deref(), Some("start, typed offline, "), "nothing changed where it was");
    within("shutting down", late.shutdown()).await;

    let fresh = tempfile::tempdir().unwrap();
    let new = PeerConfig { data_dir: Some(fresh.path().into()), ..online };
    let new = Peer::start(new).await.unwrap();
    let all = doc.delta_since(&crdt::VersionVector::new());
    new.apply(&note(), crdt::sync::Kind::DOC, all).await.unwrap();
    has(&daemon, doc.version()).await;
    let shown = daemon.read(&note(), |doc| doc.text("text").unwrap().to_string()).await.unwrap();
    assert_eq!(shown.as_deref(), Some("meanwhile, start, typed offline, "));
}

/// A clock an hour ahead won over all that others wrote for an hour, on every peer.
#[tokio::test]
async fn what_is_stamped_too_far_ahead_is_held_back_and_told() {
    let fast = Peer::start(daemon("fast", &[])).await.unwrap();
    let right = Peer::start(daemon("right", &[url(&fast)])).await.unwrap();
    let mut events = right.events();
    let early = |doc: &mut crdt::Doc, now: u64| doc.transact(now + 3_600_000, |tx| tx.put("x", 1));
    fast.edit(&note(), early).await.unwrap();
    let mut next = async || loop {
        if let Ok(sync_daemon::Event::Early { doc, author, ahead, .. }) = events.recv().await {
            return (doc, author, ahead);
        }
    };
    let (doc, author, ahead) = within("word of it", next()).await;
    assert_eq!((doc, author), (note(), fast.id()));
    assert!((3_500..=3_600).contains(&ahead.as_secs()), "{ahead:?}");
    assert_eq!(right.status().await.unwrap().early.len(), 1);
    assert!(sync_daemon::PeerConfig::new("any").max_drift.as_secs() == 60);

    // All else goes on, both ways, in this document and others.
    let version = put(&right, "x", 2).await;
    has(&fast, &version).await;
    let other: DocId = "notes/other".parse().unwrap();
    let written = fast.edit(&other, |doc, now| doc.transact(now, |tx| tx.put("x", 3))).await.unwrap();
    within("the other document", right.wait_covers(&other, &written.version)).await.unwrap();
    let shown = right.read(&note(), |doc| doc.get("/x")).await.unwrap().flatten();
    assert_eq!(shown, Some(2.into()));
}

#[tokio::test]
async fn what_was_held_back_is_taken_when_its_time_has_come() {
    let fast = Peer::start(daemon("fast", &[])).await.unwrap();
    let config = PeerConfig { max_drift: std::time::Duration::ZERO, ..daemon("strict", &[url(&fast)]) };
    let strict = Peer::start(config).await.unwrap();
    let mut events = strict.events();
    let soon = |doc: &mut crdt::Doc, now: u64| doc.transact(now + 1_000, |tx| tx.put("x", 1));
    let written = fast.edit(&note(), soon).await.unwrap();
    let mut next = async || while !matches!(events.recv().await, Ok(sync_daemon::Event::Early { .. })) {};
    within("word of it", next()).await;
    has(&strict, &written.version).await;
    assert!(strict.status().await.unwrap().early.is_empty());
}
