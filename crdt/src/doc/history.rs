//! The past of a document: [`Doc::at`], [`Doc::diff`], for documents that keep it.
//!
//! What a register held before its last write is nowhere in the document itself, so a document keeps its
//! past only when asked to: the deltas by which it came to be, as they were made or taken in.

use crate::delta::{Delta, Replicated};
use crate::id::ReplicaId;
use crate::version::VersionVector;

use super::{Doc, Patch};

/// How a document came to be, from when it started to keep that.
#[derive(Clone, Debug)]
pub(super) struct History {
    start: Doc,
    deltas: Vec<Delta>,
}

impl History {
    pub(super) fn add(&mut self, delta: &Delta) {
        self.deltas.push(delta.clone());
    }

    /// Brings a document of the past forward to `version`.
    fn forward(&self, doc: &mut Doc, version: &VersionVector) -> Result<(), HistoryError> {
        for delta in &self.deltas {
            let some = delta.spans.iter().any(|span| version.get(span.replica) > span.after);
            if delta.is_known_to(doc.version()) || !some {
                continue;
            }
            if !delta.is_known_to(version) {
                return Err(HistoryError::TooCoarse);
            }
            doc.apply(delta).map_err(|_| HistoryError::NeverWas)?;
        }
        if doc.version() == version { Ok(()) } else { Err(HistoryError::NeverWas) }
    }
}

/// Why a past version cannot be shown. The document is as it was.
///
/// ```
/// use crdt::doc::HistoryError;
/// # use crdt::{Doc, ReplicaId, Replicated};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.put("title", "draft"));
/// let then = doc.version().clone();
/// doc.transact(0, |tx| tx.put("title", "final"));
/// assert!(matches!(doc.at(&then), Err(HistoryError::NotKept))); // nobody asked for `keep_history`
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HistoryError {
    /// The document does not keep its history, or not from so early on: see [`Doc::keep_history`].
    NotKept,
    /// The version lies within a delta that came as one.
    TooCoarse,
    /// The document never was at this version.
    NeverWas,
    /// The versions are not one before the other.
    NotBefore,
}

messages! { HistoryError {
    Self::NotKept => "this document did not keep its history then, and is unchanged",
    Self::TooCoarse => "the version lies within changes that came as one; the document is unchanged",
    Self::NeverWas => "this document never was at this version, and is unchanged",
    Self::NotBefore => "the first version is not before the second; the document is unchanged",
} }

impl Doc {
    /// Keeps from now on what [`at`](Self::at) and [`diff`](Self::diff) need: a copy of the document as it is,
    /// and every delta. It is as fine as the changes come: each transaction here, each delta from others.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.keep_history();
    /// doc.transact(1_000, |tx| tx.put("title", "draft"));
    /// let first = doc.version().clone();
    /// doc.transact(2_000, |tx| tx.put("title", "final"));
    /// assert_eq!(doc.at(&first)?.get("/title"), Some("draft".into()));
    /// assert_eq!(doc.diff(&first, doc.version())?.len(), 1);
    /// # Ok::<(), crdt::doc::HistoryError>(())
    /// ```
    pub fn keep_history(&mut self) {
        if self.history.is_none() {
            self.history = Some(Box::new(History { start: self.plain_copy(), deltas: Vec::new() }));
        }
    }

    /// The document as it was at a version, to read; to go on from there, [`fork`](Self::fork) it. Costs the
    /// changes up to then.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn at(&self, version: &VersionVector) -> Result<Doc, HistoryError> {
        let history = self.history.as_deref().ok_or(HistoryError::NotKept)?;
        if !version.covers(history.start.version()) {
            return Err(HistoryError::NotKept);
        }
        // The past is rebuilt by a replica that never wrote, so that no delta seems to be its own.
        let mut doc = history.start.fork(ReplicaId::MIN);
        history.forward(&mut doc, version)?;
        Ok(doc)
    }

    /// What changed from one version to a later one, as patches.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn diff(&self, from: &VersionVector, to: &VersionVector) -> Result<Vec<Patch>, HistoryError> {
        if !to.covers(from) {
            return Err(HistoryError::NotBefore);
        }
        let history = self.history.as_deref().ok_or(HistoryError::NotKept)?;
        let mut doc = self.at(from)?;
        doc.record_patches();
        history.forward(&mut doc, to)?;
        Ok(doc.take_patches())
    }

    /// A copy that writes as `author`, which must be new: it goes its own way, and can be merged again.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "shared"));
    /// let mut draft = doc.fork(ReplicaId::from_u128(2));
    /// draft.transact(0, |tx| tx.text("note").insert(6, ", and more"));
    /// doc.apply(&draft.delta_since(doc.version()))?;
    /// assert_eq!(doc.value(), draft.value());
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    #[must_use]
    pub fn fork(&self, author: ReplicaId) -> Doc {
        Doc { author, ..self.plain_copy() }
    }

    /// The document without who watches it and what it keeps of its past.
    fn plain_copy(&self) -> Doc {
        Doc {
            graph: self.graph.clone(),
            tree: self.tree.clone(),
            removals: self.removals.clone(),
            texts: self.texts.clone(),
            marks: self.marks.clone(),
            ..Doc::new(self.author)
        }
    }
}
