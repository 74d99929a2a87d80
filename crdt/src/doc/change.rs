//! What changed, for whoever shows the document: [`Change`] with its [`Patch`]es and [`Conflict`]s.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use smol_str::SmolStr;

use crate::hlc::Hlc;
use crate::id::ReplicaId;
use crate::text::TextPatch;

use super::{Scalar, TreePatch, Value};

/// One visible change of a document. Paths are JSON pointers (RFC 6901), as [`Doc::get`](super::Doc::get)
/// takes them; patches apply one after the other.
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
    /// Elements of a list went and others came in their place. An element that moved goes and comes.
    List {
        /// Where the list is.
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
    /// The value at a path changed. Comes too when a concurrent write there lost, with the value that stayed.
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
}

/// Who made a change.
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
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Change {
    /// Who made it.
    pub origin: Origin,
    /// What changed, in order.
    pub patches: Vec<Patch>,
    /// The places where concurrent writes met in this change, and who won.
    pub conflicts: Vec<Conflict>,
}

/// Concurrent writes of one register, or concurrent marks of the same characters: who won, and why.
///
/// The later stamp wins; of equal stamps that of the greater replica id. The losers are kept until the
/// next write, so an app can show them. Of a mark that took its key away the value is null.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Conflict {
    /// Where the register or the marked text is, as a JSON pointer.
    pub path: String,
    /// Which characters of the text, and which of their attributes; `None` for a register.
    pub mark: Option<MarkedRange>,
    /// The value that is shown.
    pub winner: Candidate,
    /// The others, latest first.
    pub losers: Vec<Candidate>,
}

impl Conflict {
    /// Whether the stamps were equal, so that the replica ids decided.
    pub fn is_tie(&self) -> bool {
        self.losers.first().is_some_and(|loser| loser.stamp == self.winner.stamp)
    }
}

/// For people, as `/title: "x" of … at 5 beats "y" of … at 4 (later)`.
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(MarkedRange { key, range }) = &self.mark {
            write!(f, ", {key} of {}..{}", range.start, range.end)?;
        }
        write!(f, ": {} beats ", self.winner)?;
        for (i, loser) in self.losers.iter().enumerate() {
            write!(f, "{}{loser}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.is_tie() { " (same time, greater replica id)" } else { " (later)" })
    }
}

/// An attribute of some characters.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MarkedRange {
    /// The attribute.
    pub key: String,
    /// Which characters.
    pub range: Range<usize>,
}

/// One of several concurrent values.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The value.
    pub value: Scalar,
    /// Who wrote it.
    pub author: ReplicaId,
    /// When, by the author's clock.
    pub stamp: Hlc,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} at {} ms", self.value, self.author.short(), self.stamp.millis())
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
#[must_use = "a subscription ends when this is dropped"]
pub struct Subscription {
    _listener: Arc<Mutex<Listener>>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
