//! An offline-first to-do board. It keeps its data in a directory, works without a network, and syncs with
//! whoever runs a daemon when there is one:
//!
//! ```sh
//! cargo run -p sync-daemon --example todo -- mine add "buy milk"      # offline: kept in ./mine
//! cargo run -p sync-daemon -- run --data-dir server &                 # later, a daemon
//! cargo run -p sync-daemon --example todo -- mine list                # sends what was kept
//! cargo run -p sync-daemon --example todo -- yours done 1             # another device
//! cargo run -p sync-daemon --example todo -- yours move 1 3
//! ```

use std::time::Duration;

use crdt::Doc;
use crdt::doc::schema::{FieldMut, Flag, List, Register, Schema};
use crdt::sync::{DocId, Interest, Kind, Role};
use sync_daemon::{Peer, PeerConfig};

/// What the document holds.
#[derive(Schema)]
struct Board {
    items: List<Item>,
}

/// Checking off is a flag: if one checks it off while another moves or renames it, both happen.
#[derive(Schema)]
struct Item {
    what: Register<String>,
    done: Flag,
}

const USAGE: &str = "usage: todo DIRECTORY (list | add TEXT | done N | undone N | drop N | move N TO)";
/// How long to look for the daemon before going on alone.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1)
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (directory, edit) = command(&args).unwrap_or_else(|usage| {
        eprintln!("{usage}");
        std::process::exit(2)
    });
    let list: DocId = "todo".parse()?;
    let peer = Peer::start(PeerConfig {
        role: Role::Client,
        interest: Interest::one(list.clone()),
        peers: vec![std::env::var("SYNC_TO").unwrap_or("ws://127.0.0.1:7420".into())],
        data_dir: Some(directory.into()),
        ..PeerConfig::new("todo")
    })
    .await?;
    peer.open(&list, Kind::DOC).await?;
    let online = tokio::time::timeout(PATIENCE, peer.wait_synced(&list)).await.is_ok();

    if let Some(edit) = edit
        && !peer.edit(&list, edit).await?.value
    {
        println!("there is no such item:");
    }
    let all = peer.version(&list).await?;
    let saved = online && tokio::time::timeout(PATIENCE, peer.wait_durable(&list, &all)).await.is_ok();

    println!("{}", peer.read(&list, show).await?.unwrap_or_default());
    println!("{}", if saved { "saved here and on the daemon" } else { "offline: kept here, sent next time" });
    peer.shutdown().await;
    Ok(())
}

/// Says whether the item was there.
type Edit = Box<dyn FnOnce(&mut Doc, u64) -> bool + Send>;

/// The directory, and what to do there.
fn command(args: &[String]) -> Result<(String, Option<Edit>), &'static str> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (directory, words) = words.split_first().filter(|(first, _)| !first.starts_with('-')).ok_or(USAGE)?;
    // People count from 1.
    let number = |word: &str| word.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).ok_or(USAGE);
    let edit = match *words {
        ["list"] | [] => return Ok((directory.to_string(), None)),
        ["add", text] => {
            let text = text.to_owned();
            items(move |items| {
                items.push().what().set(text);
                true
            })
        }
        ["done", n] => {
            let n = number(n)?;
            items(move |items| items.at(n).map(|mut item| item.done().enable()).is_some())
        }
        ["undone", n] => {
            let n = number(n)?;
            items(move |items| items.at(n).map(|mut item| item.done().disable()).is_some())
        }
        ["drop", n] => {
            let n = number(n)?;
            items(move |items| items.remove(n))
        }
        ["move", n, to] => {
            let (n, to) = (number(n)?, number(to)?);
            items(move |items| items.move_to(n, to))
        }
        _ => return Err(USAGE),
    };
    Ok((directory.to_string(), Some(edit)))
}

/// What an edit of the items is to the document.
fn items(edit: impl FnOnce(&mut FieldMut<'_, List<Item>>) -> bool + Send + 'static) -> Edit {
    Box::new(move |doc, now| doc.transact(now, |tx| edit(&mut tx.edit_as::<Board>().items())))
}

fn show(doc: &Doc) -> String {
    let items = doc.read_as::<Board>().items();
    if items.is_empty() {
        return "nothing to do".into();
    }
    let line = |(i, item): (usize, ItemRef<'_>)| {
        let what = item.what().get().unwrap_or("?".into());
        format!("{:>3} [{}] {what}", i + 1, if item.done().get() { "x" } else { " " })
    };
    items.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}
