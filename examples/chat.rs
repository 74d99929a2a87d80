//! A chat that goes on in airplane mode. Two terminals, and a daemon that may come and go:
//!
//! ```sh
//! cargo run -p sync-daemon --example chat -- ada
//! cargo run -p sync-daemon --example chat -- bob      # in another terminal
//! cargo run -p sync-daemon -- run --data-dir server   # in a third; stop it with Ctrl-C, write on, start it again
//! ```
//!
//! Each line that you type is a message. Without the daemon it waits in `./ada`, also over a restart, and goes when the daemon
//! is back; you are told who has it.

use std::collections::BTreeSet;
use std::time::Duration;

use crdt::doc::Value;
use crdt::sync::{DocId, Interest, Kind, Role};
use crdt::{Doc, ReplicaId};
use sync_daemon::{Event, Peer, PeerConfig, Phase, Token};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::MissedTickBehavior;

/// How long somebody may take to get a message before we no longer look whether they did.
const SEEN_WITHIN: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1)
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(name) = std::env::args().nth(1).filter(|name| !name.starts_with('-')) else {
        eprintln!("usage: chat NAME   (what is written is kept in a directory of that name)");
        std::process::exit(2)
    };
    let room: DocId = "chat".parse()?;
    let peer = Peer::start(PeerConfig {
        role: Role::Client,
        interest: Interest::one(room.clone()),
        peers: vec![std::env::var("SYNC_TO").unwrap_or("ws://127.0.0.1:7420".into())],
        data_dir: Some(name.as_str().into()),
        dial_backoff_max: Duration::from_secs(2),
        ..PeerConfig::new(&name)
    })
    .await?;
    let mut events = peer.events();
    peer.open(&room, Kind::DOC).await?;
    peer.set_presence(&room, Some(name.clone().into_bytes())).await?;

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut shown, mut stands, mut last) = (BTreeSet::new(), String::new(), None);
    show(&peer, &room, &mut shown).await?;
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(text) if text.trim().is_empty() => {}
                Some(text) => {
                    let token = say(&peer, &room, &name, text).await?;
                    show(&peer, &room, &mut shown).await?;
                    last = Some(token.clone());
                    for (id, who) in peer.presence(&room).await?.into_iter().filter(|(id, _)| *id != peer.id()) {
                        tokio::spawn(tell_when_seen(peer.clone(), room.clone(), token.clone(), id, who));
                    }
                }
                None => break,
            },
            event = events.recv() => match event {
                Ok(Event::Changed { from: Some(_), .. }) => show(&peer, &room, &mut shown).await?,
                Ok(Event::Presence { from, value: Some(who), .. }) if from != peer.id() => {
                    println!("    · {} is here", String::from_utf8_lossy(&who));
                    if let Some(token) = last.clone() {
                        tokio::spawn(tell_when_seen(peer.clone(), room.clone(), token, from, who));
                    }
                }
                _ => {}
            },
            _ = ticks.tick() => {
                let now = where_it_stands(&peer).await?;
                if now != stands {
                    println!("    · {now}");
                    stands = now;
                }
            }
        }
    }
    peer.shutdown().await;
    Ok(())
}

/// Adds a message; gives what another must have to have seen it.
async fn say(peer: &Peer, room: &DocId, name: &str, text: String) -> Result<Token, sync_daemon::PeerError> {
    let (from, id) = (name.to_owned(), uuid::Uuid::now_v7().to_string());
    let write = move |doc: &mut Doc, now| {
        doc.transact(now, |tx| {
            let mut messages = tx.list("messages");
            let mut message = messages.push_map();
            message.put("id", id);
            message.put("from", from);
            message.put("text", text);
        });
    };
    Ok(peer.edit(room, write).await?.token())
}

/// Prints the messages that were not printed yet. What two wrote at once both see in one order once they meet.
async fn show(peer: &Peer, room: &DocId, shown: &mut BTreeSet<String>) -> Result<(), sync_daemon::PeerError> {
    let messages = peer.read(room, |doc| doc.get("/messages")).await?.flatten();
    let Some(Value::List(messages)) = messages else { return Ok(()) };
    for message in messages {
        let Value::Map(message) = message else { continue };
        let field = |name: &str| message.get(name).map(|v| v.to_string().trim_matches('"').to_owned());
        if let (Some(id), Some(from), Some(text)) = (field("id"), field("from"), field("text"))
            && shown.insert(id)
        {
            println!("{from}: {text}");
        }
    }
    Ok(())
}

async fn tell_when_seen(peer: Peer, room: DocId, token: Token, id: ReplicaId, who: Vec<u8>) {
    if let Ok(true) = peer.wait_seen(&room, &token, id, SEEN_WITHIN).await {
        println!("    ✓ {} has it", String::from_utf8_lossy(&who));
    }
}

async fn where_it_stands(peer: &Peer) -> Result<String, sync_daemon::PeerError> {
    let progress = peer.progress().await?;
    let waiting = match progress.unsynced {
        0 => String::new(),
        n => format!(", {n} changes wait"),
    };
    Ok(match progress.phase {
        Phase::Offline => format!("offline{waiting}"),
        Phase::Connecting => format!("connecting{waiting}"),
        Phase::Syncing => format!("syncing{waiting}"),
        _ => "online".to_owned(),
    })
}
