//! What a peer says of itself; the same as JSON and in Rust.

use std::ops::AddAssign;

use crdt::doc::AnyDoc;
use crdt::sync::{Kind, Node, Role, Traffic};
use crdt::{Replicated, VersionVector};
use serde::{Deserialize, Serialize};

use crate::store::Compaction;

/// The most documents that are listed.
pub(crate) const LISTED: usize = 10_000;

/// A peer, its links and its documents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The peer in this incarnation.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it can be reached; empty when nowhere.
    pub address: String,
    /// The version of the program.
    pub version: String,
    /// For how long it has been running, in milliseconds.
    pub uptime_ms: u64,
    /// `ok`, `memory`, or `failed: …`: a store that has failed keeps nothing any more.
    pub store: String,
    /// Documents that could not be read from the store, and why. They are kept as they are.
    pub quarantined: Vec<String>,
    /// What is held back, as its stamps are too far ahead of this machine's clock: the documents, the authors, by how much.
    #[serde(default)]
    pub early: Vec<String>,
    /// Its links.
    pub links: Vec<LinkStatus>,
    /// How many documents it has.
    #[serde(default)]
    pub documents: usize,
    /// How many of them are in memory.
    #[serde(default)]
    pub in_memory: usize,
    /// About how many bytes those take.
    #[serde(default)]
    pub memory_bytes: usize,
    /// How many they may take before some are put away.
    #[serde(default)]
    pub cache_bytes: usize,
    /// Events that are not on this peer's disk.
    #[serde(default)]
    pub undurable: u64,
    /// A hash over all documents and versions: equal where all documents are equal.
    #[serde(default)]
    pub fingerprint: String,
    #[serde(skip)]
    pub(crate) hash: u64,
    /// How far the store is with joining the deltas of documents that have many.
    #[serde(default)]
    pub compaction: Compaction,
    /// Its documents, in order of name; at most 10,000 of them.
    pub docs: Vec<DocStatus>,
    /// What went over all links to daemons since it started.
    pub daemon_traffic: TrafficStatus,
    /// What went over all links to clients since it started.
    pub client_traffic: TrafficStatus,
}

/// How far a peer is in step with others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// No connection. What is written waits here.
    Offline,
    /// A connection is open, and the peer has not yet said who it is.
    Connecting,
    /// Something is still on its way, in one direction or the other.
    Syncing,
    /// All that linked peers had is here, and all that is here was sent to one of them.
    Synced,
}

/// Where a peer stands: what an app shows beside its title.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// How far it is in step.
    pub phase: Phase,
    /// Events here that no linked peer has or was sent.
    pub unsynced: u64,
    /// Events here that are on no disk that said so: neither this peer's own nor a linked peer's.
    pub undurable: u64,
}

/// Where one lane stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Whether there is a connection.
    pub(crate) connected: bool,
    /// Whether a peer has said who it is in this lane.
    pub(crate) linked: bool,
    /// Whether all that linked peers had is here.
    pub(crate) synced: bool,
    pub(crate) unsynced: u64,
    pub(crate) undurable: u64,
}

/// Where all lanes together stand.
pub(crate) fn progress(lanes: &[Standing]) -> Progress {
    let unsynced = lanes.iter().map(|lane| lane.unsynced).sum();
    let undurable = lanes.iter().map(|lane| lane.undurable).sum();
    let connected = lanes.iter().any(|lane| lane.connected);
    let linked = lanes.iter().any(|lane| lane.linked);
    let phase = match (connected, linked) {
        (false, _) => Phase::Offline,
        (true, false) => Phase::Connecting,
        (true, true) if unsynced == 0 && lanes.iter().all(|lane| lane.synced) => Phase::Synced,
        (true, true) => Phase::Syncing,
    };
    Progress { phase, unsynced, undurable }
}

/// A link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkStatus {
    /// The peer at its other end.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it can be reached; empty when nowhere.
    pub address: String,
    /// `daemon` or `client`.
    pub role: String,
    /// Events that the peer is not yet known to have.
    pub behind: u64,
    /// What went over the link.
    pub traffic: TrafficStatus,
    /// The link itself, by which what lanes say of it is put together.
    #[serde(skip)]
    pub(crate) link: u64,
}

/// A document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocStatus {
    /// Its name.
    pub name: String,
    /// `doc` or `automerge`.
    pub kind: String,
    /// How many events it has.
    pub events: u64,
    /// How many of them are safe on this peer's disk.
    pub durable: u64,
    /// A short digest of its version: equal where the document is equal.
    pub digest: String,
}

/// What went over links.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct TrafficStatus {
    /// Content frames (deltas) sent.
    pub deltas_out: u64,
    /// Content frames received.
    pub deltas_in: u64,
    /// Events in them that were new.
    pub events_in: u64,
    /// Content frames received in which nothing was new.
    pub duplicates_in: u64,
    /// All other frames sent.
    pub control_out: u64,
    /// All other frames received.
    pub control_in: u64,
    /// Bytes of all messages sent.
    pub bytes_out: u64,
    /// Bytes of all messages received.
    pub bytes_in: u64,
}

impl AddAssign for TrafficStatus {
    fn add_assign(&mut self, other: Self) {
        self.deltas_out += other.deltas_out;
        self.deltas_in += other.deltas_in;
        self.events_in += other.events_in;
        self.duplicates_in += other.duplicates_in;
        self.control_out += other.control_out;
        self.control_in += other.control_in;
        self.bytes_out += other.bytes_out;
        self.bytes_in += other.bytes_in;
    }
}

impl Status {
    /// Puts what another lane says beside what this one says.
    pub(crate) fn add(&mut self, other: Status) {
        self.documents += other.documents;
        self.in_memory += other.in_memory;
        self.memory_bytes += other.memory_bytes;
        self.cache_bytes = self.cache_bytes.saturating_add(other.cache_bytes);
        self.undurable += other.undurable;
        self.hash = self.hash.wrapping_add(other.hash);
        self.fingerprint = format!("{:016x}", self.hash);
        for link in other.links {
            match self.links.iter_mut().find(|known| known.link == link.link) {
                Some(known) => {
                    known.behind += link.behind;
                    known.traffic += link.traffic;
                }
                None => self.links.push(link),
            }
        }
        self.links.sort_by_key(|link| link.link);
        self.early.extend(other.early);
        self.early.truncate(LISTED);
        self.docs.extend(other.docs);
        self.docs.sort_by(|a, b| a.name.cmp(&b.name));
        self.docs.truncate(LISTED);
        self.daemon_traffic += other.daemon_traffic;
        self.client_traffic += other.client_traffic;
    }
}

impl From<Traffic> for TrafficStatus {
    fn from(t: Traffic) -> Self {
        TrafficStatus {
            deltas_out: t.deltas_out,
            deltas_in: t.deltas_in,
            events_in: t.events_in,
            duplicates_in: t.duplicates_in,
            control_out: t.control_out,
            control_in: t.control_in,
            bytes_out: t.bytes_out,
            bytes_in: t.bytes_in,
        }
    }
}

/// A short digest of a version, for people and for comparing.
fn digest(version: &VersionVector) -> String {
    let bytes = version
        .iter()
        .flat_map(|(id, seq)| id.as_bytes().iter().copied().chain(seq.to_le_bytes()).collect::<Vec<u8>>());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:08x}", (hash ^ (hash >> 32)) as u32)
}

/// What the node says; the rest is the driver's to fill in.
pub(crate) fn of(node: &Node<AnyDoc>) -> Status {
    let config = node.config();
    let written = node.versions().filter(|(_, _, version)| !version.is_empty()).take(LISTED);
    let docs = written.map(|(name, kind, version)| DocStatus {
        name: name.to_string(),
        kind: if kind == Kind::DOC { "doc" } else { "automerge" }.to_owned(),
        events: version.total(),
        durable: node.durable(name).map_or(0, |durable| durable.meet(version).total()),
        digest: digest(version),
    });
    let links = node.links().map(|(link, peer, traffic)| {
        let behind = node.peer_versions(link).filter_map(|(name, known)| {
            Some(node.version(name)?.since(known).map(|span| span.len()).sum::<u64>())
        });
        LinkStatus {
            id: peer.id.to_string(),
            name: peer.name.clone(),
            address: peer.address.clone(),
            role: if peer.role == Role::Daemon { "daemon" } else { "client" }.to_owned(),
            behind: behind.sum(),
            traffic: (*traffic).into(),
            link: link.0,
        }
    });
    let (in_memory, memory_bytes) = node.memory();
    // What is not in memory is on disk.
    let undurable = node.docs().map(|(name, doc)| {
        let durable = node.durable(name).map_or(0, |durable| durable.meet(doc.version()).total());
        doc.version().total().saturating_sub(durable)
    });
    Status {
        id: config.id.to_string(),
        name: config.name.clone(),
        address: config.address.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: 0,
        store: String::new(),
        quarantined: Vec::new(),
        early: Vec::new(),
        documents: node.written(),
        in_memory,
        memory_bytes,
        cache_bytes: config.cache_bytes,
        undurable: undurable.sum(),
        fingerprint: format!("{:016x}", node.fingerprint()),
        hash: node.fingerprint(),
        compaction: Compaction::default(),
        links: links.collect(),
        docs: docs.collect(),
        daemon_traffic: node.traffic(Role::Daemon).into(),
        client_traffic: node.traffic(Role::Client).into(),
    }
}
