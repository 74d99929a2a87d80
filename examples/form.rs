//! A form that several people fill in at once, with undo and a conflict feed. Two terminals and a daemon:
//!
//! ```sh
//! cargo run -p sync-daemon -- run --data-dir server &
//! cargo run -p sync-daemon --example form -- ada
//! cargo run -p sync-daemon --example form -- bob      # in another terminal
//! ```
//!
//! Type `name=Ada`, `undo`, `redo`, `show`, `conflicts`, `quit`. It works without the daemon too, keeps what was
//! written in the directory that it is given, and sends it when the daemon is there.

use std::time::Duration;

use crdt::Doc;
use crdt::doc::{Scalar, UndoManager, UndoOptions};
use crdt::sync::{DocId, Interest, Kind, Role};
use sync_daemon::{Event, Peer, PeerConfig};
use tokio::io::{AsyncBufReadExt, BufReader};

const HELP: &str = "NAME=VALUE writes a field; undo, redo, show, conflicts, quit";

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1)
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(directory) = std::env::args().nth(1).filter(|arg| !arg.starts_with('-')) else {
        eprintln!("usage: form DIRECTORY\n{HELP}");
        std::process::exit(2)
    };
    let form: DocId = "form".parse()?;
    let peer = Peer::start(PeerConfig {
        role: Role::Client,
        interest: Interest::one(form.clone()),
        peers: vec![std::env::var("SYNC_TO").unwrap_or("ws://127.0.0.1:7420".into())],
        data_dir: Some(directory.into()),
        ..PeerConfig::new("form")
    })
    .await?;
    peer.open(&form, Kind::DOC).await?;
    let mut events = peer.events();
    let mut undo = peer.edit(&form, |doc, _| UndoManager::new(doc, UndoOptions::default())).await?.value;
    if tokio::time::timeout(Duration::from_secs(1), peer.wait_synced(&form)).await.is_err() {
        println!("no daemon: what you write is kept here and sent later");
    }
    println!("{HELP}\n{}", peer.read(&form, show).await?.unwrap_or_default());

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut told = Vec::new();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            event = events.recv() => {
                if let Ok(Event::Changed { from, .. }) = event {
                    if from.is_some() {
                        println!("-- others wrote:\n{}", peer.read(&form, show).await?.unwrap_or_default());
                    }
                    feed(&peer, &form, &mut told).await?;
                }
                continue;
            }
        };
        match line.as_deref().map(str::trim) {
            None | Some("quit") => break,
            Some("") => {}
            Some("show") => println!("{}", peer.read(&form, show).await?.unwrap_or_default()),
            Some("conflicts") => told.iter().for_each(|conflict| println!("{conflict}")),
            Some(word @ ("undo" | "redo")) => {
                let back = word == "undo";
                let run = move |doc: &mut Doc, now| {
                    let done = if back { undo.undo(doc, now) } else { undo.redo(doc, now) };
                    (undo, done)
                };
                let (manager, done) = peer.edit(&form, run).await?.value;
                undo = manager;
                println!(
                    "{}",
                    if done {
                        peer.read(&form, show).await?.unwrap_or_default()
                    } else {
                        format!("nothing to {word}")
                    }
                );
            }
            Some(line) => match line.split_once('=') {
                Some((name, value)) => {
                    let (name, value) = (name.trim().to_owned(), Scalar::from(value.trim()));
                    peer.edit(&form, move |doc, now| doc.transact(now, |tx| tx.put(&name, value))).await?;
                }
                None => println!("{HELP}"),
            },
        }
    }
    peer.shutdown().await;
    Ok(())
}

/// Says which concurrent writes met since the last time, who won, and why.
async fn feed(peer: &Peer, form: &DocId, told: &mut Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    let read = |doc: &Doc| doc.conflicts().iter().map(ToString::to_string).collect::<Vec<_>>();
    let now = peer.read(form, read).await?.unwrap_or_default();
    now.iter().filter(|conflict| !told.contains(conflict)).for_each(|new| println!("conflict at {new}"));
    *told = now;
    Ok(())
}

/// Each field, with who wrote it last, and over whom.
fn show(doc: &Doc) -> String {
    let fields = format!("{doc:#}");
    if fields.is_empty() { "nothing is filled in".into() } else { fields }
}
