//! Writers: clients at different daemons that replay a trace or edit a form.

use std::time::Duration;

use anyhow::{Context, ensure};
use crdt::sync::{DocId, Interest, Kind, Role};
use crdt::{Doc, ReplicaId, Replicated, VersionVector};
use sync_daemon::{Peer, PeerConfig};
use uuid::Uuid;

use super::observe::{SharedRecord, lock};
use super::trace::Trace;

/// How many transactions go into one step of a writer.
const BATCH: usize = 64;
/// How many edits a writer may be ahead of what its daemon has called durable.
const AHEAD: usize = 4096;

/// How long a writer that is ahead waits for its daemon before it goes on.
const HOLD_AT_MOST: Duration = Duration::from_secs(2);

/// A client that writes.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    peer: Peer,
    node: usize,
    record: SharedRecord,
}

impl Writer {
    pub(crate) async fn start(
        node: usize,
        address: String,
        docs: &[DocId],
        record: SharedRecord,
    ) -> anyhow::Result<Writer> {
        let config = PeerConfig {
            role: Role::Client,
            interest: Interest { prefixes: Vec::new(), names: docs.to_vec() },
            peers: vec![address],
            dial_backoff_max: Duration::from_millis(200),
            ..PeerConfig::new(&format!("writer {}", node + 1))
        };
        Ok(Writer { peer: Peer::start(config).await?, node, record })
    }

    /// Makes some edits, one transaction each; returns the version that has them.
    pub(crate) async fn edit(
        &self,
        doc: &DocId,
        edits: u64,
        edit: impl FnOnce(&mut Doc, u64) + Send + 'static,
    ) -> anyhow::Result<VersionVector> {
        let (record, node, id) = (self.record.clone(), self.node, doc.clone());
        let write = move |doc: &mut Doc, now| {
            edit(doc, now);
            let to = doc.version().get(doc.author());
            lock(&record).wrote(&id, doc.author(), to, node, edits);
        };
        Ok(self.peer.edit(doc, write).await?.version)
    }

    /// Sends what a document of one's own wrote.
    async fn send(&self, doc: &DocId, delta: crdt::Delta, edits: u64) -> anyhow::Result<()> {
        for span in &delta.spans {
            lock(&self.record).wrote(doc, span.replica, span.to, self.node, edits);
        }
        self.peer.apply(doc, Kind::DOC, delta).await?;
        Ok(())
    }

    pub(crate) async fn wait_durable(&self, doc: &DocId, version: &VersionVector) -> anyhow::Result<()> {
        Ok(self.peer.wait_durable(doc, version).await?)
    }

    /// Waits until everything that this writer wrote is safe on its daemon's disk.
    pub(crate) async fn flush(&self, doc: &DocId) -> anyhow::Result<()> {
        let own = self.peer.id();
        let written = self.peer.version(doc).await?.get(own);
        if written > 0 {
            self.wait_durable(doc, &[(own, written)].into_iter().collect()).await?;
        }
        Ok(())
    }
}

/// Replays a trace, share by share.
pub(crate) enum Typist {
    /// One writer types all.
    One { writer: Writer, done: usize, safe: VersionVector, since_safe: usize },
    /// For each author one writer, each with a document of its own that has seen just what the author had.
    Each { authors: Vec<Author>, done: usize, versions: Vec<VersionVector>, last: Vec<VersionVector> },
}

pub(crate) struct Author {
    writer: Writer,
    doc: Doc,
}

/// The replica that author `n` writes as: in the order of the authors' numbers, for that order decides where
/// concurrent insertions at one place go, and it was so in the recording.
fn author_id(session: u128, n: usize) -> ReplicaId {
    ReplicaId::from_u128((session & !0xffff) | n as u128)
}

impl Typist {
    pub(crate) fn new(trace: &Trace, writers: &[Writer]) -> anyhow::Result<Typist> {
        let first = writers.first().context("there are no writers")?.clone();
        if !trace.is_concurrent() {
            return Ok(Typist::One { writer: first, done: 0, safe: VersionVector::new(), since_safe: 0 });
        }
        ensure!(
            trace.start_content.is_empty(),
            "a concurrent trace that starts with text cannot be replayed"
        );
        let session = Uuid::now_v7().as_u128();
        let authors = (0..trace.agents()).zip(writers.iter().cycle());
        let authors: Vec<Author> = authors
            .map(|(n, writer)| Author { writer: writer.clone(), doc: Doc::new(author_id(session, n)) })
            .collect();
        let last = vec![VersionVector::new(); authors.len()];
        Ok(Typist::Each { authors, done: 0, versions: Vec::new(), last })
    }

    /// Types until `until` transactions of the trace are done.
    pub(crate) async fn replay(&mut self, trace: &Trace, id: &DocId, until: usize) -> anyhow::Result<()> {
        match self {
            Typist::One { writer, done, safe, since_safe } => {
                if *done == 0 && !trace.start_content.is_empty() {
                    let start = trace.start_content.clone();
                    writer
                        .edit(id, 1, move |doc, now| {
                            doc.transact(now, |tx| tx.text("text").insert(0, &start))
                        })
                        .await?;
                }
                while *done < until {
                    let end = (*done + BATCH).min(until);
                    let batch: Vec<Vec<(usize, usize, String)>> = trace
                        .txns
                        .get(*done..end)
                        .unwrap_or_default()
                        .iter()
                        .map(|txn| txn.patches.clone())
                        .collect();
                    let type_in = move |doc: &mut Doc, now| {
                        batch
                            .iter()
                            .for_each(|patches| doc.transact(now, |tx| apply(&mut tx.text("text"), patches)));
                    };
                    let version = writer.edit(id, (end - *done) as u64, type_in).await?;
                    *since_safe += end - *done;
                    *done = end;
                    if *since_safe >= AHEAD {
                        // While its daemon is down a writer goes on all the same, as an app would.
                        let durable = writer.wait_durable(id, safe);
                        let _ = tokio::time::timeout(HOLD_AT_MOST, durable).await;
                        (*safe, *since_safe) = (version, 0);
                    }
                }
                Ok(())
            }
            Typist::Each { authors, done, versions, last } => {
                while *done < until {
                    *done = step(trace, id, authors, versions, last, *done, until).await?;
                }
                Ok(())
            }
        }
    }

    /// Waits until everything typed is safe on a disk.
    pub(crate) async fn flush(&self, id: &DocId) -> anyhow::Result<()> {
        match self {
            Typist::One { writer, .. } => writer.flush(id).await?,
            Typist::Each { authors, .. } => {
                for author in authors {
                    let own = author.doc.author();
                    let mine = [(own, author.doc.version().get(own))].into_iter().collect();
                    author.writer.wait_durable(id, &mine).await?;
                }
            }
        }
        Ok(())
    }
}

/// Does the transactions from `at` on that follow each other by one author; returns where the next begins.
async fn step(
    trace: &Trace,
    id: &DocId,
    authors: &mut [Author],
    versions: &mut Vec<VersionVector>,
    last: &mut [VersionVector],
    at: usize,
    until: usize,
) -> anyhow::Result<usize> {
    let agent = trace.txns.get(at).context("past the end of the trace")?.agent;
    let author = authors.get_mut(agent).context("an author without a number")?;
    let before = author.doc.version().clone();
    let mut next = at;
    while let Some(txn) = trace.txns.get(next).filter(|txn| next < until && txn.agent == agent) {
        let seen = txn.parents.iter().filter_map(|parent| versions.get(*parent));
        let seen = seen.fold(VersionVector::new(), |all, version| all.merged(version));
        let mine = last.get_mut(agent).context("an author without a number")?;
        ensure!(
            seen.covers(mine),
            "author {agent} writes without having seen what it wrote before (transaction {next})"
        );
        if !author.doc.version().covers(&seen) {
            if next > at {
                break;
            }
            // What this author had seen of the others comes over the network, and no more of it is taken.
            author.writer.peer.wait_covers(id, &seen).await?;
            let (since, until) = (author.doc.version().clone(), seen.clone());
            let news = author.writer.peer.read(id, move |doc| doc.delta_between(&since, &until)).await?;
            author.doc.apply(&news.context("the document is not here")?)?;
        }
        let now = sync_daemon::wall_clock_ms();
        author.doc.transact(now, |tx| apply(&mut tx.text("text"), &txn.patches));
        *mine = author.doc.version().clone();
        versions.push(mine.clone());
        next += 1;
        if next - at >= BATCH {
            break;
        }
    }
    let since = before.iter().filter(|(replica, _)| *replica == author.doc.author());
    let others = author.doc.version().iter().filter(|(replica, _)| *replica != author.doc.author());
    let since = since.chain(others).collect();
    let delta = author.doc.delta_since(&since);
    if !delta.is_empty() {
        author.writer.send(id, delta, (next - at) as u64).await?;
    }
    Ok(next)
}

fn apply(text: &mut crdt::doc::TextMut<'_>, patches: &[(usize, usize, String)]) {
    for (pos, deleted, inserted) in patches {
        text.replace(*pos..pos + deleted, inserted);
    }
}

/// Edits a form for as long as it runs, at a steady pace; returns what it added to the counter.
pub(crate) async fn fill_form(
    writer: Writer,
    id: DocId,
    per_second: f64,
    stop: tokio::sync::watch::Receiver<bool>,
    seed: u64,
) -> anyhow::Result<i64> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut added = 0;
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let node = writer.node;
    while !*stop.borrow() {
        tick.tick().await;
        let (kind, n, place) = (rng.u8(..7), rng.i64(-5..=9), rng.f64());
        if kind == 0 {
            added += n;
        }
        let edit = move |doc: &mut Doc, now| {
            doc.transact(now, |tx| match kind {
                0 => tx.counter("votes").add(n),
                1 => tx.set("tags").insert(n),
                2 => tx.set("tags").remove(n),
                // One text that all of them write in, anywhere.
                3 | 4 => {
                    let mut margin = tx.text("margin");
                    let pos = (place * (margin.len() + 1) as f64) as usize;
                    if n > -3 { margin.insert(pos, &format!("{n} ")) } else { margin.delete(pos..pos + 3) }
                }
                5 => tx.map("people").map(&format!("n{}", node + 1)).put("mood", n),
                _ if n > 0 => tx.map("people").flag("present").enable(),
                _ => tx.map("people").flag("present").disable(),
            });
        };
        writer.edit(&id, 1, edit).await?;
    }
    Ok(added)
}
