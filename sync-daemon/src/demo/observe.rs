//! Seeing what each node knows: a client at every daemon, and a record of when what was written and heard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crdt::sync::{DocId, Interest, Role};
use crdt::{ReplicaId, VersionVector};
use sync_daemon::{Event, Peer, PeerConfig};
use tokio::sync::broadcast::error::RecvError;

/// What was written when, and what each node knows of it.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// For each node and document what its observer has.
    pub(crate) known: Vec<BTreeMap<DocId, VersionVector>>,
    /// What writers have written in all.
    pub(crate) written: BTreeMap<DocId, VersionVector>,
    /// For each document and author, the writes that some node has not heard of.
    open: BTreeMap<(DocId, ReplicaId), Open>,
    /// How long writes took to reach nodes other than the writer's own, in microseconds.
    pub(crate) latencies: Vec<u64>,
    pub(crate) edits: u64,
}

/// Writes of one author, in order, and how far each node has heard of them.
#[derive(Debug, Default)]
struct Open {
    /// The last event of each write, when it was written, and at which node.
    writes: VecDeque<(u64, Instant, usize)>,
    /// How many writes have been taken off the front.
    gone: usize,
    /// For each node how many it has heard of, those that are gone included.
    heard: Vec<usize>,
}

pub(crate) type SharedRecord = Arc<Mutex<Record>>;

/// The record, whoever may have panicked.
pub(crate) fn lock(record: &SharedRecord) -> std::sync::MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    pub(crate) fn new(nodes: usize) -> SharedRecord {
        Arc::new(Mutex::new(Record { known: vec![BTreeMap::new(); nodes], ..Record::default() }))
    }

    /// Notes edits whose last event is `to`, about to be sent from `node`.
    pub(crate) fn wrote(&mut self, doc: &DocId, author: ReplicaId, to: u64, node: usize, edits: u64) {
        self.edits += edits;
        self.written.entry(doc.clone()).or_default().advance(author, to);
        let open = self.open.entry((doc.clone(), author)).or_default();
        open.heard.resize(self.known.len(), 0);
        open.writes.push_back((to, Instant::now(), node));
    }

    fn heard(&mut self, node: usize, doc: &DocId, version: &VersionVector) {
        let now = Instant::now();
        if let Some(known) = self.known.get_mut(node) {
            known.entry(doc.clone()).or_default().merge(version);
        }
        for (author, to) in version.iter() {
            let Some(open) = self.open.get_mut(&(doc.clone(), author)) else { continue };
            let Some(heard) = open.heard.get_mut(node) else { continue };
            while let Some((_, at, origin)) =
                open.writes.get(*heard - open.gone).filter(|write| write.0 <= to)
            {
                if *origin != node {
                    self.latencies.push(now.duration_since(*at).as_micros() as u64);
                }
                *heard += 1;
            }
            let least = open.heard.iter().min().copied().unwrap_or(0);
            open.writes.drain(..least - open.gone);
            open.gone = least;
        }
    }

    /// How many events a node knows, of all documents.
    pub(crate) fn events(&self, node: usize) -> u64 {
        self.known.get(node).map_or(0, |docs| docs.values().map(VersionVector::total).sum())
    }

    /// How many events have been written.
    pub(crate) fn total(&self) -> u64 {
        self.written.values().map(VersionVector::total).sum()
    }

    /// Whether a node has everything of `target`.
    pub(crate) fn covers(&self, node: usize, target: &BTreeMap<DocId, VersionVector>) -> bool {
        let known = self.known.get(node);
        target.iter().all(|(doc, version)| {
            known.and_then(|docs| docs.get(doc)).is_some_and(|known| known.covers(version))
        })
    }
}

/// Follows a node until it is dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    _peer: Peer,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Observer {
    pub(crate) async fn start(
        node: usize,
        address: String,
        docs: &[DocId],
        record: SharedRecord,
    ) -> anyhow::Result<Observer> {
        let config = PeerConfig {
            role: Role::Client,
            interest: Interest { prefixes: Vec::new(), names: docs.to_vec() },
            peers: vec![address],
            dial_backoff_max: Duration::from_millis(200),
            ..PeerConfig::new("observer")
        };
        let peer = Peer::start(config).await?;
        let mut events = peer.events();
        let docs = docs.to_vec();
        let reader = peer.clone();
        let task = tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(Event::Changed { doc, novel, .. }) => {
                        let version = novel.iter().map(|span| (span.replica, span.to)).collect();
                        lock(&record).heard(node, &doc, &version);
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => {
                        for doc in &docs {
                            let Ok(version) = reader.version(doc).await else { return };
                            lock(&record).heard(node, doc, &version);
                        }
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Ok(Observer { _peer: peer, task })
    }
}

/// What was known at a moment, for the curves.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) written: u64,
    pub(crate) known: Vec<u64>,
}

/// The value below which this share of the sorted values lies.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied()
}
