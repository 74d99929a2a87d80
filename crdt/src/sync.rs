//! The sync protocol, without I/O: bytes and time come in, bytes and facts go out.
//!
//! **A link is owed a difference, never a queue of messages.** For each link and document a [`Node`] keeps
//! `known`, what the peer surely has: what it said, what it sent, what it was sent on this connection. A
//! change marks the document on every interested link; when a link's socket can take more,
//! [[`Node::poll_transmit`]] takes a marked document, sends `delta_since(known)` and moves `known` on. Live
//! edits, catch-up, first sync, relaying and retry after loss are that one path, and a slow peer costs one
//! mark for each document.
//!
//! **On link-up**, and now and then, both sides send a digest of all documents within both sides' interest.
//! Equal digests end it. Else each sends the version of each document, and each then owes the other what
//! that one lacks.
//!
//! **Trees.** On a graph with circles the same events would come over several links. A link that brings what
//! is known already is sent a *prune* for the author of those events; that author's events are then only
//! announced on it, now and then. What was announced and does not come otherwise is *wanted*: the peer sends
//! everything from there on, and the link counts as a tree link again. When a link to a parent is lost, the
//! pruned links are *grafted* at once. So content travels N - 1 links for N nodes, and any loss heals.
//!
//! **Trust.** A peer can send any bytes: each message is decoded whole, with limits, before it is acted on;
//! what breaks the protocol closes that link and changes nothing else.

mod frame;
mod link;
mod node;
mod presence;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::delta::{Delta, Replicated};
use crate::id::{ReplicaId, Span};
use crate::version::VersionVector;

pub use node::{Node, OpenError};

/// Milliseconds since any fixed moment; only differences count.
pub type Millis = u64;

/// Names a document: 1 to 128 bytes of UTF-8 without control characters, such as `notes/shopping`.
///
/// ```
/// use crdt::sync::DocId;
/// let id: DocId = "notes/shopping".parse().unwrap();
/// assert_eq!(id.as_str(), "notes/shopping");
/// assert!("".parse::<DocId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId(Arc<str>);

impl DocId {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A document name that is empty, over 128 bytes, or holds a control character.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a document name has 1 to 128 bytes and no control characters")]
pub struct BadDocId;

impl FromStr for DocId {
    type Err = BadDocId;

    fn from_str(s: &str) -> Result<Self, BadDocId> {
        let good = !s.is_empty() && s.len() <= Self::MAX_BYTES && !s.chars().any(char::is_control);
        if good { Ok(DocId(s.into())) } else { Err(BadDocId) }
    }
}

impl Borrow<str> for DocId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Which mathematics a document has; the number that stands for it on the wire and the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind(pub u8);

impl Kind {
    /// A [`Doc`](crate::Doc) of this crate.
    pub const DOC: Kind = Kind(0);
    /// An automerge document.
    pub const AUTOMERGE: Kind = Kind(1);
}

/// A document that a [`Node`] can host.
pub trait Document: Replicated + Sized {
    /// An empty document of `kind` that writes as `author`; `None` for a kind this program lacks.
    fn create(kind: Kind, author: ReplicaId) -> Option<Self>;

    /// Its kind.
    fn kind(&self) -> Kind;
}

/// A link to a peer; the shell numbers its connections and uses no number twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// What a peer is to the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Relays what it receives; replicates everything its neighbours have.
    Daemon,
    /// A leaf: receives what it is interested in and relays nothing.
    Client,
}

/// Which documents a peer wants to receive.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// Documents whose names start with one of these; the empty prefix means all.
    pub prefixes: Vec<String>,
    /// Documents with exactly these names.
    pub names: Vec<DocId>,
}

/// What a [`Node`] is and how often it does things.
#[derive(Clone, Debug)]
pub struct Config {
    /// This peer, in this incarnation; also the author of edits made through the node.
    pub id: ReplicaId,
    /// A name for people.
    pub name: String,
    /// Where others can reach it, as they would dial it; empty when nowhere.
    pub address: String,
    /// What it is to the graph.
    pub role: Role,
    /// What it wants to receive.
    pub interest: Interest,
    /// How long a change may wait before it is announced on links that are not sent content, ms.
    pub have_interval: Millis,
    /// How long announced content may take to come before it is asked for, ms.
    pub want_delay: Millis,
    /// How often versions of everything are compared with each peer, ms.
    pub anti_entropy_interval: Millis,
    /// How long presence lives when it is not renewed, ms.
    pub presence_ttl: Millis,
}

/// What happens to a [`Node`].
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection to a peer is open; `dialed` when this side opened it.
    LinkUp {
        /// Its number, new.
        link: LinkId,
        /// Whether this side opened it.
        dialed: bool,
    },
    /// The connection is gone; what was in flight may be lost.
    LinkDown {
        /// Its number.
        link: LinkId,
    },
    /// One message came, whole, as [`Node::poll_transmit`] of the peer gave it.
    Frame {
        /// Where from.
        link: LinkId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The store holds the document's events up to this version and has fsynced them.
    Durable {
        /// The document.
        doc: DocId,
        /// What is safe.
        version: VersionVector,
    },
    /// The deadline has come (or any other moment: it never harms).
    Wake,
}

/// What a [`Node`] wants its shell to do or to know.
#[derive(Clone, Debug)]
pub enum Output {
    /// The link has something to send: call [`Node::poll_transmit`] when its socket can take it.
    Ready {
        /// The link.
        link: LinkId,
    },
    /// Keep this; answer with [`Input::Durable`] once it is safe.
    Store {
        /// The document.
        doc: DocId,
        /// Its kind.
        kind: Kind,
        /// New events.
        delta: Arc<Delta>,
    },
    /// The document has new events.
    Changed {
        /// The document.
        doc: DocId,
        /// Which.
        novel: Vec<Span>,
        /// Where from; `None` for an edit made here.
        from: Option<LinkId>,
    },
    /// The peer said who it is.
    Hello {
        /// The link.
        link: LinkId,
        /// The peer.
        peer: PeerInfo,
    },
    /// For the first time on this link, everything the peer said to have of this document is here.
    Synced {
        /// The link.
        link: LinkId,
        /// The document.
        doc: DocId,
    },
    /// The peer says that these events are safe on its disk.
    Acked {
        /// The link.
        link: LinkId,
        /// The document.
        doc: DocId,
        /// What is safe there.
        version: VersionVector,
    },
    /// Someone's presence in a document: a cursor, a name. `None` when it ended.
    Presence {
        /// The document.
        doc: DocId,
        /// Whose.
        from: ReplicaId,
        /// What the app put in.
        value: Option<Vec<u8>>,
    },
    /// End the connection; the node has forgotten the link.
    Close {
        /// The link.
        link: LinkId,
        /// Why, for the close frame and the log.
        reason: String,
    },
}

/// What a peer said of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerInfo {
    /// Which peer, in which incarnation.
    pub id: ReplicaId,
    /// Its name for people.
    pub name: String,
    /// Where it can be reached; empty when nowhere.
    pub address: String,
    /// What it is to the graph.
    pub role: Role,
}

/// What went over one link or, summed, over all links of a node that ever were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Content frames (deltas) sent.
    pub deltas_out: u64,
    /// Content frames received.
    pub deltas_in: u64,
    /// Events in them that were new here.
    pub events_in: u64,
    /// Content frames received in which every event was known already.
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

impl Traffic {
    /// Adds what went over another link.
    pub fn add(&mut self, other: &Traffic) {
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

impl Interest {
    /// Everything.
    pub fn all() -> Self {
        Interest { prefixes: vec![String::new()], names: Vec::new() }
    }

    /// One document.
    pub fn one(doc: DocId) -> Self {
        Interest { prefixes: Vec::new(), names: vec![doc] }
    }

    /// Whether it includes a document.
    pub fn includes(&self, doc: &DocId) -> bool {
        self.names.contains(doc)
            || self.prefixes.iter().any(|prefix| doc.as_str().starts_with(prefix.as_str()))
    }

    /// The most prefixes and names together.
    pub const MAX: usize = 10_000;
}

impl Config {
    /// A peer with these and the usual intervals, interested in everything.
    pub fn new(id: ReplicaId, name: &str, role: Role) -> Self {
        Config {
            id,
            name: name.to_owned(),
            address: String::new(),
            role,
            interest: Interest::all(),
            have_interval: 500,
            want_delay: 200,
            anti_entropy_interval: 30_000,
            presence_ttl: 30_000,
        }
    }
}
