//! [`AnyDoc`]: a document of either kind, as a sync node hosts it.

#[cfg(feature = "automerge")]
use crate::automerge::AutomergeDoc;
use crate::delta::{Applied, ApplyError, Delta, Replicated};
use crate::id::ReplicaId;
use crate::sync::{Document, Kind};
use crate::version::VersionVector;

use super::Doc;

/// A document of any kind that this crate knows.
///
/// ```
/// use crdt::doc::AnyDoc;
/// use crdt::sync::{Document, Kind};
/// use crdt::ReplicaId;
/// let doc = AnyDoc::create(Kind::DOC, ReplicaId::from_u128(1)).unwrap();
/// assert!(doc.as_doc().is_some());
/// ```
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // few documents are of another kind
pub enum AnyDoc {
    /// A document of this crate.
    Doc(Doc),
    /// An automerge document.
    #[cfg(feature = "automerge")]
    Automerge(Box<AutomergeDoc>),
}

impl AnyDoc {
    /// The document, if it is one of this crate.
    pub fn as_doc(&self) -> Option<&Doc> {
        match self {
            AnyDoc::Doc(doc) => Some(doc),
            #[cfg(feature = "automerge")]
            AnyDoc::Automerge(_) => None,
        }
    }

    /// The document, to change it, if it is one of this crate.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Document, Kind};
    /// # use crdt::ReplicaId;
    /// let mut any = AnyDoc::create(Kind::DOC, ReplicaId::from_u128(1)).unwrap();
    /// any.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1));
    /// assert_eq!(any.as_doc().unwrap().get("/x"), Some(1.into()));
    /// ```
    pub fn as_doc_mut(&mut self) -> Option<&mut Doc> {
        match self {
            AnyDoc::Doc(doc) => Some(doc),
            #[cfg(feature = "automerge")]
            AnyDoc::Automerge(_) => None,
        }
    }

    /// The document, if it is an automerge document.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Document, Kind};
    /// # use crdt::ReplicaId;
    /// let any = AnyDoc::create(Kind::AUTOMERGE, ReplicaId::from_u128(1)).unwrap();
    /// assert!(any.as_automerge().is_some() && any.as_doc().is_none());
    /// ```
    #[cfg(feature = "automerge")]
    pub fn as_automerge(&self) -> Option<&AutomergeDoc> {
        match self {
            AnyDoc::Automerge(doc) => Some(doc),
            AnyDoc::Doc(_) => None,
        }
    }

    /// The document, to change it, if it is an automerge document.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Document, Kind};
    /// # use crdt::ReplicaId;
    /// # use automerge::{ROOT, transaction::Transactable};
    /// let mut any = AnyDoc::create(Kind::AUTOMERGE, ReplicaId::from_u128(1)).unwrap();
    /// any.as_automerge_mut().unwrap().edit(|doc| doc.put(ROOT, "x", 1)).unwrap();
    /// ```
    #[cfg(feature = "automerge")]
    pub fn as_automerge_mut(&mut self) -> Option<&mut AutomergeDoc> {
        match self {
            AnyDoc::Automerge(doc) => Some(doc),
            AnyDoc::Doc(_) => None,
        }
    }

    /// Makes another replica the author of what is written from now on; no other replica may write as it, ever.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Document, Kind};
    /// # use crdt::ReplicaId;
    /// # use crdt::Replicated;
    /// let mut any = AnyDoc::create(Kind::DOC, ReplicaId::from_u128(1)).unwrap();
    /// any.set_author(ReplicaId::from_u128(2));
    /// any.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1));
    /// assert_eq!(any.version().get(ReplicaId::from_u128(2)), 1);
    /// ```
    pub fn set_author(&mut self, author: ReplicaId) {
        match self {
            AnyDoc::Doc(doc) => doc.set_author(author),
            #[cfg(feature = "automerge")]
            AnyDoc::Automerge(doc) => doc.set_author(author),
        }
    }

    fn inner(&self) -> &dyn Replicated {
        match self {
            AnyDoc::Doc(doc) => doc,
            #[cfg(feature = "automerge")]
            AnyDoc::Automerge(doc) => &**doc,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Replicated {
        match self {
            AnyDoc::Doc(doc) => doc,
            #[cfg(feature = "automerge")]
            AnyDoc::Automerge(doc) => &mut **doc,
        }
    }
}

impl Replicated for AnyDoc {
    fn version(&self) -> &VersionVector {
        self.inner().version()
    }

    fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta {
        self.inner().delta_between(since, until)
    }

    fn is_behind(&self, since: &VersionVector) -> bool {
        self.inner().is_behind(since)
    }

    fn step(&self, since: &VersionVector, events: u64) -> VersionVector {
        self.inner().step(since, events)
    }

    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
        self.inner_mut().apply(delta)
    }

    fn apply_until(&mut self, delta: &Delta, latest_ms: u64) -> Result<Applied, ApplyError> {
        self.inner_mut().apply_until(delta, latest_ms)
    }

    fn part_until(&self, delta: &Delta, latest_ms: u64) -> Option<Delta> {
        self.inner().part_until(delta, latest_ms)
    }
}

impl Document for AnyDoc {
    fn create(kind: Kind, author: ReplicaId) -> Option<Self> {
        match kind {
            Kind::DOC => Some(AnyDoc::Doc(Doc::new(author))),
            #[cfg(feature = "automerge")]
            Kind::AUTOMERGE => Some(AnyDoc::Automerge(Box::new(AutomergeDoc::new(author)))),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            AnyDoc::Doc(_) => Kind::DOC,
            #[cfg(feature = "automerge")]
            AnyDoc::Automerge(_) => Kind::AUTOMERGE,
        }
    }

    fn is_watched(&self) -> bool {
        self.as_doc().is_some_and(Doc::is_watched)
    }
}
