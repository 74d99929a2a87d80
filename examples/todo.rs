//! An offline-first to-do list. It keeps its data in a directory, works without a network, and syncs with
//! whoever runs a daemon when there is one:
//!
//! ```sh
//! cargo run -p sync-daemon --example todo -- mine add "buy milk"      # offline: kept in ./mine
//! cargo run -p sync-daemon -- run --data-dir server &                 # later, a daemon
//! cargo run -p sync-daemon --example todo -- mine list                # sends what was kept
//! cargo run -p sync-daemon --example todo -- yours done "buy milk"    # another device
//! ```

use std::time::Duration;

use crdt::Doc;
use crdt::sync::{DocId, Interest, Kind, Role};
use sync_daemon::{Peer, PeerConfig};

const USAGE: &str = "usage: todo DIRECTORY (list | add ITEM | done ITEM | drop ITEM)";
/// How long to look for the daemon before going on alone.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let list: DocId = "todo".parse()?;
    let peer = Peer::start(PeerConfig {
        role: Role::Client,
        interest: Interest::one(list.clone()),
        peers: vec![std::env::var("SYNC_TO").unwrap_or("ws://127.0.0.1:7420".into())],
        data_dir: Some(args.first().ok_or(USAGE)?.into()),
        ..PeerConfig::new("todo")
    })
    .await?;
    peer.open(&list, Kind::DOC).await?;
    let online = tokio::time::timeout(PATIENCE, peer.wait_synced(&list)).await.is_ok();

    if let Some(edit) = command(&args)? {
        peer.edit(&list, edit).await?;
    }
    let all = peer.version(&list).await?;
    let saved = online && tokio::time::timeout(PATIENCE, peer.wait_durable(&list, &all)).await.is_ok();

    println!("{}", peer.read(&list, show).await?.unwrap_or_default());
    println!("{}", if saved { "saved here and on the daemon" } else { "offline: kept here, sent next time" });
    peer.shutdown().await;
    Ok(())
}

type Edit = Box<dyn FnOnce(&mut Doc, u64) + Send>;

fn command(args: &[String]) -> Result<Option<Edit>, &'static str> {
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let item = words.get(1).map(ToString::to_string).unwrap_or_default();
    Ok(Some(match words[..] {
        ["list"] => return Ok(None),
        ["add", _] => Box::new(move |doc, now| {
            doc.transact(now, |tx| tx.map("items").map(&item).put("added", now as i64))
        }),
        // Checking off is a flag: if one checks it off while another changes it, it is checked off.
        ["done", _] => {
            Box::new(move |doc, now| doc.transact(now, |tx| tx.map("items").map(&item).flag("done").enable()))
        }
        ["drop", _] => Box::new(move |doc, now| doc.transact(now, |tx| tx.map("items").remove(&item))),
        _ => return Err(USAGE),
    }))
}

fn show(doc: &Doc) -> String {
    let Some(crdt::doc::Value::Map(items)) = doc.get("/items") else { return "nothing to do".into() };
    let line = |(name, item): (&String, &crdt::doc::Value)| {
        let done = item.pointer("/done") == Some(&true.into());
        format!("[{}] {name}", if done { "x" } else { " " })
    };
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}
