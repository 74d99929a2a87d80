//! The sync protocol, without I/O: bytes and time come in, bytes and facts go out.
//!
//! A link is owed a *difference*, never a queue. For every link and document a [`Node`] knows what the
//! peer surely has. When a document changes, every link whose peer wants it gets a mark; when the link's
//! socket can take a message, the node computes what the peer lacks by then and counts it as known. A
//! slow peer costs one mark for each document, whatever the number of edits, and what a peer sent never
//! goes back to it. Relaying is nothing else: what one link brought, the other links are now owed.
//!
//! When a link comes up both sides say who they are and compare one hash over the versions of all
//! documents that both want. If it differs they look for the documents that differ: those that changed since
//! they last met, when both know that; else by a [`sketch`], within a fleet; else by ranges (see [`reconcile`]).
//! They tell each other their versions of those (Have), and each sends what the other lacks. The same
//! comparison is repeated now and then. Differences that are large go in
//! steps, each a version on the way, and these in fragments, one document at a time. Documents with small
//! differences take turns and go first, those that have just changed before those that are behind, but leave a third of a busy
//! link to what waits. A link that
//! breaks costs the step that was on its way, nothing else.
//!
//! In a graph with cycles events arrive over several links. For each author a node keeps the link that
//! brings its events first and prunes the others: there, changes are only announced now and then. So
//! each author's events travel along a tree of fastest paths (reverse path forwarding, Dalal and Metcalfe
//! 1978). When the fastest link breaks, those that were next are grafted at once. Announced events that do
//! not come in time are asked for: their authors are grafted, and a Want says from which version on.
//!
//! A delta that builds on events which have not come waits in a small buffer; a delta that is not valid
//! closes the link. Received content is acknowledged when the shell says it is safe on the disk. Who else has it, behind the
//! neighbours, is asked when somebody wants to know ([`Node::ask`]). Presence
//! (cursors, names) travels the same trees, is never stored, and only its latest value counts: each link is
//! sent the latest of all that changed, a few times a second at most.
//!
//! Not all documents need be in memory. One that the shell has on its disk can be *parked*: the node knows its
//! name, kind and version, which is all that comparing takes. When its content is needed the node asks for it
//! ([`Output::Load`]) and goes on with others; when memory is short it parks what was not used for longest.
//!
//! The frames are listed in the source of `sync/frame.rs`, byte for byte.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;
use std::sync::Arc;

use crate::delta::{Delta, Replicated};
use crate::id::{ReplicaId, Span};
use crate::version::VersionVector;

mod awaited;
#[cfg(feature = "testkit")]
mod checking;
mod facts;
mod feed;
pub(crate) mod frame;
mod held;
mod link;
mod links;
mod meet;
mod names;
mod node;
mod parking;
mod presence;
mod question;
mod receive;
pub mod reconcile;
pub mod sketch;
mod transmit;
mod turns;

#[cfg(feature = "testkit")]
pub use checking::Planted;
pub use node::{Node, OpenError};
pub use question::Whom;
pub use sketch::Fleet;

/// The version of the protocol that this program speaks.
pub const PROTOCOL: u64 = 1;
/// The largest message, in bytes; a shell should set its socket's limit to it.
pub const MAX_MESSAGE: usize = 1 << 20;
/// The most documents that a node creates.
pub const MAX_DOCS: usize = 1 << 20;
/// The most prefixes and names in the interest of one peer.
pub const MAX_INTERESTS: usize = 1024;
/// The largest presence of one replica in one document, in bytes.
pub const MAX_PRESENCE_BYTES: usize = 4096;
/// The most writers of a document that the protocol can name.
pub const MAX_VERSION_ENTRIES: usize = 65_536;
/// The largest difference of one document that can be sent at once, in bytes. What is larger goes in steps,
/// so this bounds a single edit.
pub const MAX_TRANSFER: usize = 64 << 20;

/// From this size on a message takes no more frames.
const BATCH_BYTES: usize = 16 * 1024;
/// A difference over this size is cut into fragments of it.
const FRAGMENT_BYTES: usize = 64 * 1024;
/// How many bytes of small differences go ahead of a fragment that waits: bulk gets a third of a busy link.
const SMALL_AHEAD: usize = 2 * FRAGMENT_BYTES;
/// Who lacks no more events of a document than this goes before who lacks more.
const FOLLOWS: u64 = 32;
/// A difference over this size goes in steps, where the document can be divided.
const STEP_BYTES: usize = 1 << 20;
/// The most events of a step.
const STEP_EVENTS: u64 = 1 << 20;
/// The most bytes of transfers coming in, on all links together; the largest gives way.
const MAX_ALL_TRANSFERS: usize = 256 << 20;
/// The most documents that one side may name on one connection.
const MAX_DOC_DEFS: usize = 65_536;
/// The most replicas that one side may name on one connection.
const MAX_REPLICA_DEFS: usize = 262_144;
/// The most authors for which trees are kept; the events of others are flooded.
const MAX_TREES: usize = 65_536;
/// How many links are grafted for an author when the one that brought its events breaks: one may have
/// lost the same source.
const GRAFTS: usize = 2;
/// The rank of a link that gets an author's events from here.
const LAST_RESORT: u64 = u64::MAX;
/// How many times `want_delay` announced content may take at most before it is asked for.
const MAX_PATIENCE: u64 = 16;
/// The most deltas of one document that wait for what they build on.
const MAX_PENDING: usize = 256;
/// The most bytes of them.
const MAX_PENDING_BYTES: usize = 1 << 20;
/// What each of them counts for besides its own bytes: with it may wait a document of which there is nothing yet.
const EACH_PENDING: usize = 1 << 10;
/// The most bytes of them in all documents together.
const MAX_ALL_PENDING_BYTES: usize = 64 << 20;
/// The most version entries that one peer may claim in all documents together.
const MAX_CLAIMED: usize = 1 << 21;
/// The most ranges of documents that wait to be described on one link.
const MAX_RANGES: usize = 65_536;
/// The most documents that are brought from the disk for one link at once.
const MAX_WARMING: usize = 16;
/// How many documents in memory are looked at for parking after one input.
const MAX_LOOKS: usize = 16;
/// The most documents of which it is known when they changed.
const MAX_FEED: usize = 65_536;
/// The most peers of which it is known up to which of their changes all are here.
const MAX_CURSORS: usize = 4096;
/// How many questions one link may have open, in entries of the versions that they are about.
const MAX_QUESTIONED: usize = 65_536;
/// The most answers that wait for a link, and that are counted for a question.
const MAX_ANSWERS: usize = 65_536;
/// The most presences that are kept.
const MAX_PRESENCES: usize = 16_384;

/// Milliseconds since any fixed moment; only differences count.
///
/// ```
/// use crdt::sync::Millis;
/// let start = std::time::Instant::now();
/// let now = || start.elapsed().as_millis() as Millis; // a clock that is never set
/// assert!(now() <= now());
/// ```
pub type Millis = u64;

/// Names a document: 1 to 128 bytes of UTF-8 without control characters, such as `notes/shopping`.
///
/// Names are in the order of a hash, the same everywhere: to compare two is to compare two numbers, where one would
/// else read both from somewhere in memory. To show them in order, sort by [`as_str`](Self::as_str).
///
/// ```
/// use crdt::sync::DocId;
/// let id: DocId = "notes/shopping".parse().unwrap();
/// assert_eq!(id.as_str(), "notes/shopping");
/// assert!("".parse::<DocId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId {
    /// FNV-1a over the bytes of the name.
    hash: u64,
    name: Arc<str>,
}

impl DocId {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// A document name that is empty, over 128 bytes, or holds a control character.
///
/// ```
/// use crdt::sync::{BadDocId, DocId};
/// assert_eq!("a\nb".parse::<DocId>(), Err(BadDocId));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDocId;

messages! { BadDocId {
    BadDocId => "a document name has 1 to 128 bytes and no control characters",
} }

impl FromStr for DocId {
    type Err = BadDocId;

    fn from_str(s: &str) -> Result<Self, BadDocId> {
        let good = !s.is_empty() && s.len() <= Self::MAX_BYTES && !s.chars().any(char::is_control);
        let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = s.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        if good { Ok(DocId { hash, name: s.into() }) } else { Err(BadDocId) }
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.name, f)
    }
}

/// Which mathematics a document has; the number that stands for it on the wire and the disk.
///
/// ```
/// use crdt::doc::AnyDoc;
/// use crdt::sync::{Document, Kind};
/// # use crdt::ReplicaId;
/// assert_eq!(AnyDoc::create(Kind::DOC, ReplicaId::from_u128(1)).map(|doc| doc.kind()), Some(Kind::DOC));
/// assert!(AnyDoc::create(Kind(99), ReplicaId::from_u128(1)).is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind(pub u8);

impl Kind {
    /// A `Doc` of this crate.
    pub const DOC: Kind = Kind(0);
    /// An automerge document.
    pub const AUTOMERGE: Kind = Kind(1);
}

/// A document that a `Node` can host.
///
/// ```
/// use crdt::sync::{Document, Kind};
/// use crdt::{Applied, ApplyError, Delta, Doc, ReplicaId, Replicated, VersionVector};
///
/// /// Documents of one kind only.
/// struct Note(Doc);
///
/// impl Replicated for Note {
///     fn version(&self) -> &VersionVector {
///         self.0.version()
///     }
///     fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta {
///         self.0.delta_between(since, until)
///     }
///     fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
///         self.0.apply(delta)
///     }
/// }
///
/// impl Document for Note {
///     fn create(kind: Kind, author: ReplicaId) -> Option<Self> {
///         (kind == Kind::DOC).then(|| Note(Doc::new(author)))
///     }
///     fn kind(&self) -> Kind {
///         Kind::DOC
///     }
/// }
///
/// assert!(Note::create(Kind::AUTOMERGE, ReplicaId::from_u128(1)).is_none());
/// ```
pub trait Document: Replicated + Sized {
    /// An empty document of `kind` that writes as `author`; `None` for a kind this program lacks.
    fn create(kind: Kind, author: ReplicaId) -> Option<Self>;

    /// Its kind.
    fn kind(&self) -> Kind;

    /// Whether it holds what its events do not tell, such as subscriptions: then it stays in memory.
    fn is_watched(&self) -> bool {
        false
    }
}

/// A link to a peer; the shell numbers its connections and uses no number twice.
///
/// ```
/// use crdt::sync::LinkId;
/// let mut last = 0;
/// let mut connected = || {
///     last += 1;
///     LinkId(last)
/// };
/// assert_ne!(connected(), connected());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// What a peer is to the graph.
///
/// ```
/// use crdt::sync::{Config, Role};
/// # use crdt::ReplicaId;
/// let app = Config::new(ReplicaId::from_u128(1), "phone", Role::Client);
/// assert_ne!(app.role, Role::Daemon);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Relays what it receives; replicates everything its neighbours have.
    Daemon,
    /// A leaf: receives what it is interested in and relays nothing.
    Client,
}

/// Which documents a peer wants to receive.
///
/// ```
/// use crdt::sync::Interest;
/// let mine = Interest { prefixes: vec!["mine/".into()], names: vec!["shared/menu".parse()?] };
/// assert!(mine.includes(&"mine/todo".parse()?) && mine.includes(&"shared/menu".parse()?));
/// assert!(!mine.includes(&"shared/other".parse()?));
/// # Ok::<(), crdt::sync::BadDocId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// Documents whose names start with one of these; the empty prefix means all.
    pub prefixes: Vec<String>,
    /// Documents with exactly these names.
    pub names: Vec<DocId>,
}

impl Interest {
    /// One document.
    ///
    /// ```
    /// # use crdt::sync::Interest;
    /// let interest = Interest::one("notes/a".parse()?);
    /// assert!(interest.includes(&"notes/a".parse()?) && !interest.includes(&"notes/b".parse()?));
    /// # Ok::<(), crdt::sync::BadDocId>(())
    /// ```
    pub fn one(doc: DocId) -> Self {
        Interest { prefixes: Vec::new(), names: vec![doc] }
    }

    /// All documents.
    ///
    /// ```
    /// # use crdt::sync::Interest;
    /// assert!(Interest::everything().includes(&"notes/a".parse()?));
    /// # Ok::<(), crdt::sync::BadDocId>(())
    /// ```
    pub fn everything() -> Self {
        Interest { prefixes: vec![String::new()], names: vec![] }
    }

    /// Whether a document is wanted.
    ///
    /// ```
    /// use crdt::sync::Interest;
    /// let notes = Interest { prefixes: vec!["notes/".into()], names: vec![] };
    /// assert!(notes.includes(&"notes/a".parse().unwrap()));
    /// assert!(!notes.includes(&"todo".parse().unwrap()));
    /// ```
    pub fn includes(&self, doc: &DocId) -> bool {
        self.prefixes.iter().any(|p| doc.as_str().starts_with(p.as_str())) || self.names.contains(doc)
    }
}

/// What a `Node` is and how often it does things.
///
/// ```
/// use crdt::sync::{Config, Interest, Role};
/// # use crdt::ReplicaId;
/// let mut config = Config::new(ReplicaId::from_u128(1), "phone", Role::Client);
/// config.interest = Interest::one("notes/a".parse()?);
/// config.cache_bytes = 16 << 20;
/// # Ok::<(), crdt::sync::BadDocId>(())
/// ```
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
    /// The daemons with which it reconciles by sketch, which is cheaper by far. Without, by ranges.
    pub fleet: Option<Fleet>,
    /// How long a change may wait before it is announced on links that are not sent content, ms.
    pub have_interval: Millis,
    /// How long announced content may take at least to come before it is asked for, ms. Where asking turns
    /// out to be needless, because all is slow, it may take longer.
    pub want_delay: Millis,
    /// How often versions of everything are compared with each peer, ms.
    pub anti_entropy_interval: Millis,
    /// How long presence lives when it is not renewed, ms.
    pub presence_ttl: Millis,
    /// About how many bytes documents may take in memory before those that were not used for longest are
    /// parked: known by name and version, and loaded when they are needed again.
    pub cache_bytes: usize,
    /// How often presence is sent over one link at most, ms: of what changes faster only the last is sent.
    pub presence_interval: Millis,
    /// Which documents it has, where they are spread over several nodes; others are refused.
    pub lane: Option<Lane>,
}

/// A share of all documents, by a hash of their names that is the same everywhere: nodes that have one lane each, and the
/// same sockets, run beside each other without a lock.
///
/// ```
/// use crdt::sync::{DocId, Lane};
/// let doc: DocId = "notes/shopping".parse()?;
/// let lane = Lane { number: Lane::of(&doc, 8), of: 8 };
/// assert!(lane.includes(&doc));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lane {
    /// Which one, from 0.
    pub number: u8,
    /// How many there are.
    pub of: u8,
}

impl Lane {
    /// The lane of a document, of so many: FNV-1a over the bytes of its name, both halves of the hash together, modulo
    /// their number. 0 when there are none.
    pub fn of(doc: &DocId, lanes: u8) -> u8 {
        (doc.hash ^ (doc.hash >> 32)).checked_rem(u64::from(lanes)).unwrap_or(0) as u8
    }

    /// Whether a document is in this lane.
    pub fn includes(self, doc: &DocId) -> bool {
        Self::of(doc, self.of) == self.number
    }
}

/// What happens to a `Node`.
///
/// ```
/// use crdt::doc::AnyDoc;
/// use crdt::sync::{Config, Input, LinkId, Node, Role};
/// # use crdt::ReplicaId;
/// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
/// let link = LinkId(7);
/// node.handle(0, Input::LinkUp { link, dialed: true });
/// node.handle(20, Input::LinkDown { link });
/// node.handle(1_000, Input::Wake);
/// assert_eq!(node.links().count(), 0);
/// ```
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

/// What a `Node` wants its shell to do or to know.
///
/// ```
/// use crdt::doc::AnyDoc;
/// use crdt::sync::{Config, Kind, Node, Output, Role};
/// # use crdt::ReplicaId;
/// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
/// node.edit(0, &"a".parse()?, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))?;
/// let mut disk = Vec::new();
/// while let Some(output) = node.poll_output() {
///     match output {
///         Output::Store { doc, delta, .. } => disk.push((doc, delta.to_bytes())),
///         Output::Changed { from, .. } => assert!(from.is_none()), // made here
///         _ => {}
///     }
/// }
/// assert_eq!(disk.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub enum Output {
    /// The link has something to send: call [`Node::poll_transmit`] when its socket can take it.
    Ready {
        /// The link.
        link: LinkId,
    },
    /// A parked document is needed: answer with [`Node::loaded`].
    Load {
        /// The document.
        doc: DocId,
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
    /// A peer answers a question of [`Node::ask`] with yes.
    Answered {
        /// The number of the question.
        question: u64,
        /// The document that it is about.
        doc: DocId,
        /// Who has what was asked for.
        by: ReplicaId,
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
    /// The document refused what the peer sent of it, though it was well formed: someone's replica was
    /// copied, or lies. Nothing more of this document is taken from this link; all else goes on.
    Refused {
        /// The link.
        link: LinkId,
        /// The document.
        doc: DocId,
        /// Why.
        reason: String,
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
///
/// ```
/// use crdt::sync::{PeerInfo, Role};
/// # use crdt::ReplicaId;
/// # let peer = PeerInfo { id: ReplicaId::from_u128(7), name: "phone".into(), address: String::new(), role: Role::Client };
/// assert_eq!(format!("{} ({})", peer.name, peer.id.short()), "phone (00000007)");
/// ```
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
///
/// ```
/// use crdt::sync::Traffic;
/// let mut sum = Traffic { bytes_out: 20, ..Traffic::default() };
/// sum += Traffic { bytes_out: 22, ..Traffic::default() };
/// assert_eq!(sum.bytes_out, 42);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Content frames (deltas) sent.
    pub deltas_out: u64,
    /// Content frames received.
    pub deltas_in: u64,
    /// Events in them that were new here.
    pub events_in: u64,
    /// Events in them that were known already.
    pub events_again: u64,
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

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.deltas_out += other.deltas_out;
        self.deltas_in += other.deltas_in;
        self.events_in = self.events_in.saturating_add(other.events_in);
        self.events_again = self.events_again.saturating_add(other.events_again);
        self.duplicates_in += other.duplicates_in;
        self.control_out += other.control_out;
        self.control_in += other.control_in;
        self.bytes_out += other.bytes_out;
        self.bytes_in += other.bytes_in;
    }
}

impl Config {
    /// A peer that is interested in everything, with the usual intervals.
    ///
    /// ```
    /// use crdt::sync::{Config, Role};
    /// use crdt::ReplicaId;
    /// let config = Config::new(ReplicaId::from_u128(1), "kitchen", Role::Daemon);
    /// assert_eq!(config.have_interval, 500);
    /// ```
    pub fn new(id: ReplicaId, name: &str, role: Role) -> Self {
        Config {
            id,
            name: name.to_owned(),
            address: String::new(),
            role,
            interest: Interest::everything(),
            fleet: None,
            have_interval: 500,
            want_delay: 200,
            anti_entropy_interval: 30_000,
            presence_ttl: 30_000,
            cache_bytes: usize::MAX,
            presence_interval: 30,
            lane: None,
        }
    }
}
