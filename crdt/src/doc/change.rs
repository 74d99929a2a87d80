//! What changed, for whoever shows the document: [`Change`] with its [`Patch`]es and [`Conflict`]s.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use smol_str::SmolStr;

use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::text::TextPatch;

use super::{Scalar, TreePatch, Value};

/// One visible change of a document. Paths are JSON pointers (RFC 6901), as [`Doc::get`](super::Doc::get)
/// takes them; patches apply one after the other, and lead from what was shown to what is shown.
///
/// ```
/// use crdt::doc::Patch;
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// bob.record_patches();
/// alice.transact(0, |tx| {
///     tx.text("note").insert(0, "hel");
///     tx.text("note").insert(3, "lo");
///     tx.list("days").push("Monday");
/// });
/// bob.apply(&alice.delta_since(bob.version()))?;
/// let mut screen = String::new();
/// for patch in bob.take_patches() {
///     match patch {
///         Patch::Text { path, patch } => screen += &format!("{path} {patch:?}; "),
///         Patch::List { path, inserted, .. } => screen += &format!("{path} {}; ", inserted[0]),
///         other => unreachable!("{other:?}"),
///     }
/// }
/// // One merge, one patch for what came in one piece.
/// assert_eq!(screen, r#"/days "Monday"; /note Insert { pos: 0, text: "hello" }; "#);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Patch {
    /// A text changed. Positions are those of the text at the time of this patch.
    Text {
        /// Where the text is.
        path: String,
        /// What was inserted or deleted.
        patch: TextPatch,
    },
    /// Characters of a text got an attribute, another value of one, or lost it. Text comes without attributes;
    /// those that it has by where it was inserted follow it as patches like this.
    Mark {
        /// Where the text is.
        path: String,
        /// Which characters.
        range: Range<usize>,
        /// The attribute.
        key: String,
        /// The value they have now; `None` when they have none any more.
        value: Option<Scalar>,
    },
    /// Elements of a list, or entries of a log, went and others came in their place. An element that moved goes and comes.
    List {
        /// Where the list or log is.
        path: String,
        /// The index of the first element that went, and of the first that came.
        index: usize,
        /// How many went.
        removed: usize,
        /// What came.
        inserted: Vec<Value>,
    },
    /// A node of a tree came, moved or went.
    Tree {
        /// Where the tree is.
        path: String,
        /// What happened to which node.
        patch: TreePatch,
    },
    /// The value at a path changed. A write that loses to a concurrent one changes none: it is among
    /// [`Change::conflicts`].
    Value {
        /// Where it is.
        path: String,
        /// The value now there; `None` when there is none any more.
        value: Option<Value>,
    },
}

impl Patch {
    /// Where it changes something.
    pub fn path(&self) -> &str {
        match self {
            Patch::Text { path, .. }
            | Patch::Mark { path, .. }
            | Patch::List { path, .. }
            | Patch::Tree { path, .. }
            | Patch::Value { path, .. } => path,
        }
    }

    /// Whether it may have changed what stands at a JSON pointer: it is told of that place, of one below it, or of one above.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// let (sender, patches) = std::sync::mpsc::channel();
    /// let _subscription = doc.subscribe(move |change| sender.send(change.patches[0].clone()).unwrap());
    /// doc.transact(0, |tx| tx.map("form").put("name", "Ada"));
    /// let patch = patches.recv().unwrap();
    /// assert!(patch.touches("/form/name") && patch.touches("/form") && patch.touches(""));
    /// assert!(!patch.touches("/form/n"));
    /// ```
    pub fn touches(&self, pointer: &str) -> bool {
        let [short, long] =
            if self.path().len() < pointer.len() { [self.path(), pointer] } else { [pointer, self.path()] };
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Who made a change.
///
/// ```
/// use crdt::doc::Origin;
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// let (sender, origins) = std::sync::mpsc::channel();
/// let _subscription = alice.subscribe(move |change| sender.send(change.origin.clone()).unwrap());
/// alice.transact_as("import", 0, |tx| tx.put("a", 1));
/// bob.transact(0, |tx| tx.put("b", 2));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(origins.try_iter().collect::<Vec<_>>(), [Origin::Local("import".into()), Origin::Remote]);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// A transaction here, with the name it was given; [`Doc::transact`](super::Doc::transact) gives an
    /// empty one.
    Local(SmolStr),
    /// A delta of other replicas.
    Remote,
    /// [`UndoManager::undo`](super::UndoManager::undo) or `redo`.
    Undo,
}

/// One transaction or one merge, as subscribers see it.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// let (sender, changes) = std::sync::mpsc::channel();
/// let _subscription = alice.subscribe(move |change| sender.send(change.clone()).unwrap());
/// bob.transact(1_000, |tx| tx.map("form").put("name", "Ada"));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// let change = changes.try_recv().unwrap();
/// assert_eq!(change.patches[0].path(), "/form/name");
/// assert!(change.conflicts.is_empty() && change.authors == [bob.author()]);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Change {
    /// How it was made.
    pub origin: Origin,
    /// The replicas whose events it brought, by id; for a transaction or an undo the document's own.
    pub authors: Vec<ReplicaId>,
    /// What changed, in order.
    pub patches: Vec<Patch>,
    /// The places where concurrent edits met in this change, and who won. Costs what changed; where something was removed
    /// while another edited it, the removal log besides, and so once after a subscription began.
    pub conflicts: Vec<Conflict>,
}

/// Concurrent edits that met: who won, and why.
///
/// | what met | the values told | who won |
/// |---|---|---|
/// | writes of one register | what was written | [the later](Rule::Later) |
/// | marks of the same characters | the value of the mark; null for one that takes its key away | the later |
/// | moves of one element of a list | the index at which it stands, or would stand | the later |
/// | moves of one node of a tree | the [id](super::TreeView) of the node above, `"top"`, or null for a removal | the later |
/// | a removal of a node and what was written in it, or put below it | null; what was written, the text as it stands, the id of what was put there | [the removal](Rule::RemovalWins), until the node is moved back |
/// | moves of nodes below each other | where the node stands, and where it would have stood | [the earlier](Rule::Circle) |
/// | enabling and disabling of a flag that was enabled | true, false | [enabling](Rule::EditStays) |
/// | a write and a removal of what was under a key | what was written; null | the write |
/// | adding a member that is there and removing it | the member; null | adding |
/// | adding to a counter and removing it | the sum; null | adding |
/// | enabling and disabling of a [`dw_flag`](super::Tx::dw_flag) | true, false | [disabling](Rule::RemovalWins) |
/// | adding a member of an [`rw_set`](super::Tx::rw_set) and taking it out | the member; null | taking out |
///
/// Sets of a greatest or least number never meet: the greatest and the least is what was asked for. Nor do entries of a log.
///
/// The losers are kept until the next write of the same (by the same author, of a counter), so an app can show them, and whoever merges in whichever order tells
/// the same. An edit that stays beside a removal is told where both have replaced one value: what was put into a map under
/// a new key, while another removed the map, met nothing: of the removal there are the names of the events that it ended, and
/// of those no place, so who comes to it later, from a file or another order, could not be told the same. A node of a tree
/// stays in the trash, with its removal: there both are told. After [`Doc::forget`](super::Doc::forget) no removal of what is
/// forgotten is told.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(1_000, |tx| tx.put("title", "Launch"));
/// bob.transact(2_000, |tx| tx.put("title", "Ship it"));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// let conflict = &alice.conflicts()[0];
/// assert!(!conflict.is_tie());
/// let said = r#"/title: "Ship it" of 00000002 at 2000 ms beats "Launch" of 00000001 at 1000 ms (later)"#;
/// assert_eq!(conflict.to_string(), said);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Conflict {
    /// Where the value, the marked text, the list or the tree is, as a JSON pointer.
    pub path: String,
    /// Which characters of the text, and which of their attributes; `None` for all but marks.
    pub mark: Option<MarkedRange>,
    /// Which element of the list, or node of the tree, was moved or removed; `None` for all but those.
    pub item: Option<Dot>,
    /// By what rule the winner won.
    pub rule: Rule,
    /// The value that is shown.
    pub winner: Candidate,
    /// The others, latest first.
    pub losers: Vec<Candidate>,
}

/// By what rule one of several concurrent edits wins.
///
/// ```
/// use crdt::doc::Rule;
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.flag("done").enable());
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(1, |tx| tx.flag("done").enable()); // once more
/// bob.transact(2, |tx| tx.flag("done").disable());
/// alice.apply(&bob.delta_since(alice.version()))?;
/// let conflict = &alice.conflicts()[0];
/// assert_eq!((conflict.rule, conflict.winner.author), (Rule::EditStays, alice.author()));
/// assert_eq!(conflict.to_string(), "/done: true of 00000001 beats false of 00000002 (an edit stays)");
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// The later stamp wins; of equal stamps that of the greater replica id.
    Later,
    /// Of moves that would make a cycle the last gives way. The loser is that move, [`item`](Conflict::item) its node; the
    /// winner says where the node stands, and who made the move that stays.
    Circle,
    /// What is written stays when what was there before is removed concurrently.
    EditStays,
    /// In a type in which that is so, what is removed stays away though it is added concurrently. So does a node of a tree
    /// in which something was written.
    RemovalWins,
}

impl Conflict {
    /// Whether the stamps were equal, so that the replica ids decided.
    pub fn is_tie(&self) -> bool {
        self.rule == Rule::Later && self.losers.first().is_some_and(|loser| loser.stamp == self.winner.stamp)
    }
}

/// For people, as `/title: "x" of … at 5 beats "y" of … at 4 (later)`.
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(MarkedRange { key, range }) = &self.mark {
            write!(f, ", {key} of {}..{}", range.start, range.end)?;
        }
        if let Some(item) = self.item {
            let what = if self.rule == Rule::RemovalWins { "removed" } else { "moved" };
            write!(f, ", {item:?} {what}")?;
        }
        write!(f, ": {} beats ", self.winner)?;
        for (i, loser) in self.losers.iter().enumerate() {
            write!(f, "{}{loser}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(match self.rule {
            Rule::Later if self.is_tie() => " (same time, greater replica id)",
            Rule::Later => " (later)",
            Rule::Circle => " (it would close a circle)",
            Rule::EditStays => " (an edit stays)",
            Rule::RemovalWins => " (a removal wins)",
        })
    }
}

/// An attribute of some characters.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// use crdt::doc::Expand;
/// alice.transact(0, |tx| tx.text("note").insert(0, "hello"));
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(1, |tx| tx.text("note").mark(0..3, "colour", "red", Expand::After));
/// bob.transact(2, |tx| tx.text("note").mark(1..5, "colour", "blue", Expand::After));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// let mark = alice.conflicts()[0].mark.clone().unwrap();
/// assert_eq!((mark.key.as_str(), mark.range), ("colour", 1..3));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MarkedRange {
    /// The attribute.
    pub key: String,
    /// Which characters.
    pub range: Range<usize>,
}

/// One of several concurrent values.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(1_000, |tx| tx.put("title", "Launch"));
/// bob.transact(2_000, |tx| tx.put("title", "Ship it"));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// let loser = &alice.conflicts()[0].losers[0];
/// assert_eq!((loser.author, loser.stamp.map(|stamp| stamp.millis())), (alice.author(), Some(1_000)));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The value.
    pub value: Scalar,
    /// Who wrote it.
    pub author: ReplicaId,
    /// When, by the author's clock; `None` where no time decides.
    pub stamp: Option<Hlc>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.value, self.author.short())?;
        self.stamp.map_or(Ok(()), |stamp| write!(f, " at {} ms", stamp.millis()))
    }
}

type Listener = Box<dyn FnMut(&Change) + Send>;

/// Who wants to hear of changes. A copy of a document starts with none.
#[derive(Default)]
pub(super) struct Subscribers {
    all: Vec<Weak<Mutex<Listener>>>,
}

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        self.all.iter().all(|listener| listener.strong_count() == 0)
    }

    pub(super) fn add(&mut self, listener: Listener) -> Subscription {
        let listener = Arc::new(Mutex::new(listener));
        self.all.retain(|listener| listener.strong_count() > 0);
        self.all.push(Arc::downgrade(&listener));
        Subscription { _listener: listener }
    }

    pub(super) fn notify(&self, change: &Change) {
        for listener in self.all.iter().filter_map(Weak::upgrade) {
            (listener.lock().unwrap_or_else(PoisonError::into_inner))(change);
        }
    }
}

impl Clone for Subscribers {
    fn clone(&self) -> Self {
        Subscribers::default()
    }
}

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} subscribers", self.all.len())
    }
}

/// Keeps a subscription going; dropping it ends it. See [`Doc::subscribe`](super::Doc::subscribe).
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// let heard = Arc::new(AtomicU32::new(0));
/// let count = heard.clone();
/// let subscription = doc.subscribe(move |_| drop(count.fetch_add(1, Ordering::Relaxed)));
/// doc.transact(0, |tx| tx.put("a", 1));
/// drop(subscription);
/// doc.transact(0, |tx| tx.put("a", 2));
/// assert_eq!(heard.load(Ordering::Relaxed), 1);
/// ```
#[must_use = "a subscription ends when this is dropped"]
pub struct Subscription {
    _listener: Arc<Mutex<Listener>>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
