//! `put`, `rm`, `edit` and `watch`: a client that comes, does one thing, and goes.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use crdt::doc::{MapMut, Patch, Scalar, TreePatch, Value};
use crdt::sync::{DocId, Interest, Kind, Role};
use crdt::text::TextPatch;
use crdt::{Doc, Replicated};
use serde_json::json;
use sync_daemon::{Event, Outcome, Peer, PeerConfig, WriteConcern};

use super::{DONE, To, Unreachable};

#[derive(Debug, Args)]
#[command(after_help = "A value is a number, true, false, null, or else text; \"quotes\" make it text.\n\n\
    Examples:\n  sync-daemon put notes/a title=hello\n  sync-daemon put notes/a form/name=Ada form/age=36\n  \
    sync-daemon put --disks 3 notes/a title=hello")]
pub(crate) struct PutArgs {
    /// The document; made if it is not there
    doc: String,
    /// What to write: name=value, or map/name=value
    #[arg(required = true, value_name = "NAME=VALUE")]
    values: Vec<String>,
    #[command(flatten)]
    how: Written,
}

/// Where to write, and when it counts as written.
#[derive(Clone, Debug, Args)]
struct Written {
    #[command(flatten)]
    to: To,
    /// End when it is durable on the disks of so many daemons, wherever they are in the network
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    disks: u32,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// The document
    doc: String,
    /// What to remove: name, or map/name
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    how: Written,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Without options the text opens in $EDITOR, and what was changed there is written.\n\n\
    Examples:\n  sync-daemon edit notes/a body --append 'one more line'\n  sync-daemon edit notes/a body --insert 0 'Title: '"
)]
pub(crate) struct EditArgs {
    /// The document; made if it is not there
    doc: String,
    /// The text in it
    root: String,
    /// Insert TEXT before the character at POS
    #[arg(long, num_args = 2, allow_hyphen_values = true, value_names = ["POS", "TEXT"], conflicts_with_all = ["delete", "append"])]
    insert: Option<Vec<String>>,
    /// Delete LEN characters from POS on
    #[arg(long, num_args = 2, value_names = ["POS", "LEN"], conflicts_with = "append")]
    delete: Option<Vec<usize>>,
    /// Append TEXT
    #[arg(long, allow_hyphen_values = true, value_name = "TEXT")]
    append: Option<String>,
    #[command(flatten)]
    how: Written,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The document
    doc: String,
    /// End after this many changes
    #[arg(long)]
    count: Option<u64>,
    /// End after this many seconds
    #[arg(long, value_name = "SECONDS")]
    r#for: Option<f64>,
    /// One JSON object for each change
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    to: To,
}

/// A client that has a document as the daemon has it.
struct Session {
    peer: Peer,
    doc: DocId,
    how: Written,
}

impl Session {
    async fn open(doc: &str, how: Written) -> anyhow::Result<Session> {
        let to = &how.to;
        let doc: DocId = doc.parse()?;
        let config = PeerConfig {
            role: Role::Client,
            interest: Interest::one(doc.clone()),
            peers: vec![to.url()],
            dial_backoff_max: Duration::from_millis(500),
            ..PeerConfig::new("command line")
        };
        let peer = Peer::start(config).await?;
        peer.open(&doc, Kind::DOC).await?;
        let synced = tokio::time::timeout(to.within(), peer.wait_synced(&doc)).await;
        synced.map_err(|_| Unreachable(format!("cannot reach the daemon at {}", to.host())))??;
        Ok(Session { peer, doc, how })
    }

    /// Writes, and waits until it is safe on the disks of so many daemons.
    async fn write<R: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut Doc, u64) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        let before = self.peer.version(&self.doc).await?;
        let written = self.peer.edit(&self.doc, edit).await?;
        if written.version == before {
            println!("nothing to change in {}", self.doc);
            return Ok(written.value);
        }
        let disks = self.how.disks;
        let concern = if disks == 1 { WriteConcern::Local } else { WriteConcern::N(disks as usize) };
        let within = self.how.to.within();
        match self.peer.wait_for(&self.doc, &written.token(), concern, within).await? {
            Outcome::Pending { by } if by.is_empty() => {
                bail!("the daemon has not said that it is saved; it may or may not have been received")
            }
            Outcome::Pending { by } => bail!(
                "saved in {}, but durable on {} of {disks} disks so far; it goes on to replicate",
                self.doc,
                by.len()
            ),
            Outcome::Acked { by } if by.len() > 1 => {
                println!("saved in {}, durable at {} daemons", self.doc, by.len());
            }
            Outcome::Acked { .. } => println!("saved in {}, durable at {}", self.doc, self.how.to.host()),
        }
        self.peer.shutdown().await;
        Ok(written.value)
    }
}

fn scalar(text: &str) -> Scalar {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Null) => Scalar::Null,
        Ok(serde_json::Value::Bool(b)) => Scalar::Bool(b),
        Ok(serde_json::Value::Number(n)) => match n.as_i64() {
            Some(n) => Scalar::Int(n),
            None => n.as_f64().map_or_else(|| text.into(), Scalar::Float),
        },
        Ok(serde_json::Value::String(s)) => s.into(),
        _ => text.into(),
    }
}

/// Edits what a name such as `title` or `form/name` means, given the map it is in and its key there.
fn at(map: &mut MapMut<'_>, name: &str, edit: &mut dyn FnMut(&mut MapMut<'_>, &str)) {
    match name.split_once('/') {
        Some((first, rest)) => at(&mut map.map(first), rest, edit),
        None => edit(map, name),
    }
}

pub(crate) async fn put(args: PutArgs) -> anyhow::Result<u8> {
    let pair = |value: &String| match value.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), scalar(value))),
        _ => Err(anyhow::anyhow!("{value:?} is not of the form name=value")),
    };
    let values = args.values.iter().map(pair).collect::<anyhow::Result<Vec<_>>>()?;
    let session = Session::open(&args.doc, args.how).await?;
    let write = move |doc: &mut Doc, now| {
        doc.transact(now, |tx| {
            for (name, value) in values {
                at(tx.root(), &name, &mut |map, key| map.put(key, value.clone()));
            }
        });
    };
    session.write(write).await?;
    Ok(DONE)
}

pub(crate) async fn rm(args: RmArgs) -> anyhow::Result<u8> {
    let session = Session::open(&args.doc, args.how).await?;
    let names = args.names;
    let write = move |doc: &mut Doc, now| {
        doc.transact(now, |tx| {
            for name in &names {
                at(tx.root(), name, &mut |map, key| map.remove(key));
            }
        });
    };
    session.write(write).await?;
    Ok(DONE)
}

pub(crate) async fn edit(args: EditArgs) -> anyhow::Result<u8> {
    let session = Session::open(&args.doc, args.how).await?;
    let root = args.root;
    if let Some(text) = args.append {
        session
            .write(move |doc, now| {
                doc.transact(now, |tx| {
                    let mut body = tx.text(&root);
                    let end = body.len();
                    body.insert(end, &text);
                });
            })
            .await?;
    } else if let Some([pos, text]) = args.insert.as_deref() {
        let (pos, text) = (pos.parse::<usize>().context("POS is a number of characters")?, text.clone());
        session.write(move |doc, now| doc.transact(now, |tx| tx.text(&root).insert(pos, &text))).await?;
    } else if let Some([pos, len]) = args.delete.as_deref() {
        let range = *pos..pos.saturating_add(*len);
        session.write(move |doc, now| doc.transact(now, |tx| tx.text(&root).delete(range))).await?;
    } else {
        return in_editor(session, root).await;
    }
    Ok(DONE)
}

/// Opens the text in the user's editor, and writes what was changed, as an edit of what was there: what
/// others wrote meanwhile stays.
async fn in_editor(session: Session, root: String) -> anyhow::Result<u8> {
    let text = |root: String| move |doc: &Doc| doc.text(&root).map(ToString::to_string).unwrap_or_default();
    // The base is kept as a replica of its own, so that the edit is against what was shown.
    let shown = session
        .peer
        .read(&session.doc, |doc| doc.save())
        .await?
        .context("the document is of another kind")?;
    let mut copy = Doc::load(&shown, uuid::Uuid::now_v7().into())?;
    let before = text(root.clone())(&copy);
    let file = tempfile::Builder::new().prefix("sync-daemon-").suffix(".txt").tempfile()?;
    std::fs::write(file.path(), &before)?;
    let editor =
        std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR")).unwrap_or_else(|_| "vi".to_owned());
    let run = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .status();
    let status = run.await.with_context(|| format!("cannot run the editor {editor}"))?;
    if !status.success() {
        bail!("the editor ended with {status}; nothing was written");
    }
    let after = std::fs::read_to_string(file.path())?;
    let (from, old, new) = difference(&before, &after);
    if old == 0 && new.is_empty() {
        println!("nothing was changed");
        return Ok(DONE);
    }
    let version = copy.version().clone();
    copy.transact(sync_daemon::wall_clock_ms(), |tx| tx.text(&root).replace(from..from + old, &new));
    let delta = copy.delta_since(&version);
    session.write(move |doc, _| doc.apply(&delta)).await??;
    Ok(DONE)
}

/// The one stretch in which two texts differ: where, how many characters of the first, and what is there in
/// the second.
fn difference(before: &str, after: &str) -> (usize, usize, String) {
    let (a, b): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let back = back.min(a.len() - front).min(b.len() - front);
    (front, a.len() - front - back, b.iter().take(b.len() - back).skip(front).collect())
}

fn as_line(patch: &Patch) -> String {
    match patch {
        Patch::Text { path, patch: TextPatch::Insert { pos, text } } => {
            format!("{path}: at {pos} inserted {text:?}")
        }
        Patch::Text { path, patch: TextPatch::Delete { pos, len } } => {
            format!("{path}: at {pos} deleted {len}")
        }
        Patch::Mark { path, range, key, value: Some(value) } => format!("{path}: {range:?} {key} = {value}"),
        Patch::Mark { path, range, key, value: None } => format!("{path}: {range:?} {key} removed"),
        Patch::List { path, index, removed, inserted } => {
            let inserted = Value::List(inserted.clone());
            format!("{path}: at {index} removed {removed}, inserted {inserted}")
        }
        Patch::Tree { path, patch } => match patch {
            TreePatch::Create { node, parent, index, data } => {
                format!("{path}: {node} came {}: {data}", stands(*parent, *index))
            }
            TreePatch::Move { node, parent, index } => {
                format!("{path}: {node} moved {}", stands(*parent, *index))
            }
            TreePatch::Remove { node } => format!("{path}: {node} went"),
            _ => format!("{path}: changed"),
        },
        Patch::Value { path, value: Some(value) } => format!("{path} = {value}"),
        Patch::Value { path, value: None } => format!("{path} removed"),
        _ => "changed".to_owned(),
    }
}

fn stands(parent: Option<crdt::Dot>, index: usize) -> String {
    parent.map_or(format!("to the top at {index}"), |parent| format!("below {parent} at {index}"))
}

fn as_json(patch: &Patch) -> String {
    let plain = |value: &Value| serde_json::from_str::<serde_json::Value>(&value.to_string()).ok();
    let json = match patch {
        Patch::Text { path, patch: TextPatch::Insert { pos, text } } => {
            json!({"text": path, "pos": pos, "insert": text})
        }
        Patch::Text { path, patch: TextPatch::Delete { pos, len } } => {
            json!({"text": path, "pos": pos, "delete": len})
        }
        Patch::Mark { path, range, key, value } => {
            let value = value.clone().map_or_else(|| json!(null), |value| json!(plain(&value.into())));
            json!({"text": path, "pos": range.start, "len": range.len(), "mark": key, "value": value})
        }
        Patch::List { path, index, removed, inserted } => {
            let inserted: Vec<_> = inserted.iter().filter_map(plain).collect();
            json!({"list": path, "index": index, "removed": removed, "inserted": inserted})
        }
        Patch::Tree { path, patch } => {
            let id = |dot: &crdt::Dot| dot.to_string();
            match patch {
                TreePatch::Create { node, parent, index, data } => {
                    let parent = parent.as_ref().map(id);
                    json!({"tree": path, "create": id(node), "parent": parent, "index": index, "data": plain(data)})
                }
                TreePatch::Move { node, parent, index } => {
                    json!({"tree": path, "move": id(node), "parent": parent.as_ref().map(id), "index": index})
                }
                TreePatch::Remove { node } => json!({"tree": path, "remove": id(node)}),
                _ => json!({"tree": path}),
            }
        }
        Patch::Value { path, value: Some(value) } => json!({"path": path, "value": plain(value)}),
        Patch::Value { path, value: None } => json!({"path": path, "removed": true}),
        _ => json!({}),
    };
    json.to_string()
}

pub(crate) async fn watch(args: WatchArgs) -> anyhow::Result<u8> {
    let session = Session::open(&args.doc, Written { to: args.to, disks: 1 }).await?;
    let mut events = session.peer.events();
    session.peer.patches(&session.doc).await?;
    let until = args.r#for.and_then(|secs| Duration::try_from_secs_f64(secs).ok());
    let end = tokio::time::sleep(until.unwrap_or(Duration::from_secs(u32::MAX.into())));
    tokio::pin!(end);
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut end => break,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Ok(Event::Changed { doc, .. }) if doc == session.doc => {
                for patch in session.peer.patches(&session.doc).await? {
                    println!("{}", if args.json { as_json(&patch) } else { as_line(&patch) });
                    seen += 1;
                }
            }
            Ok(Event::Disconnected { .. }) => eprintln!("the daemon is gone; waiting for it"),
            Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(_) => break,
        }
    }
    session.peer.shutdown().await;
    Ok(DONE)
}
