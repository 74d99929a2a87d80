//! Documents that come from the disk to a [`Node`], whole or by name, and what is put in their place.

use crate::sync::held::Held;
use crate::sync::node::Node;
use crate::sync::{DocId, Document, Kind, LinkId, Millis, Output};
use crate::version::VersionVector;

impl<D: Document> Node<D> {
    /// Puts a document from the store in, before links come up; all its events count as durable.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// let mut stored = AnyDoc::create(Kind::DOC, ReplicaId::from_u128(1)).unwrap();
    /// stored.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)); // read from the disk
    /// node.load(note.clone(), stored);
    /// assert_eq!(node.durable(&note).map(VersionVector::total), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load(&mut self, id: DocId, doc: D) {
        let encoded = doc.delta_since(&VersionVector::new()).body.len();
        self.hold(id, Held::new(doc, encoded));
    }

    /// Puts a document of the store in that stays there until it is needed, before links come up. All its
    /// events count as durable.
    ///
    /// ```
    /// use crdt::doc::AnyDoc;
    /// use crdt::sync::{Config, DocId, Document, Kind, Node, Output, Role};
    /// use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    ///
    /// let mut stored = Doc::new(ReplicaId::from_u128(1));
    /// stored.transact(0, |tx| tx.put("x", 1));
    /// let (note, id): (DocId, _) = ("notes/a".parse()?, ReplicaId::from_u128(2));
    /// let mut node: Node<AnyDoc> = Node::new(Config::new(id, "n2", Role::Daemon), 1);
    /// node.park(note.clone(), Kind::DOC, stored.version().clone());
    /// assert!(node.doc(&note).is_none() && node.version(&note) == Some(stored.version()));
    ///
    /// assert!(!node.ensure(&note));
    /// assert!(matches!(node.poll_output(), Some(Output::Load { .. })));
    /// let mut doc = AnyDoc::create(Kind::DOC, id).unwrap();
    /// doc.apply(&stored.delta_since(&VersionVector::new()))?;
    /// node.loaded(0, &note, Some((doc, 100)));
    /// assert!(node.ensure(&note) && node.doc(&note).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn park(&mut self, id: DocId, kind: Kind, version: VersionVector) {
        self.hold(id, Held::parked(kind, version));
    }

    /// Whether a document can be worked on: it is in memory, or new. Else the shell is asked for it with
    /// [`Output::Load`].
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut stored = AnyDoc::create(Kind::DOC, ReplicaId::from_u128(9)).unwrap();
    /// # stored.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1));
    /// assert!(node.ensure(&note)); // new: it can be written
    /// node.park(note.clone(), Kind::DOC, stored.version().clone());
    /// assert!(!node.ensure(&note)); // on the disk
    /// assert!(matches!(node.poll_output(), Some(Output::Load { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ensure(&mut self, id: &DocId) -> bool {
        let Some(held) = self.docs.get_mut(id) else { return true };
        if held.work().is_some() {
            return true;
        }
        if held.ask() {
            self.outputs.push_back(Output::Load { doc: id.clone() });
        }
        false
    }

    /// Takes a document that the node asked for, and what its events take encoded, in bytes. `None` when it
    /// cannot be read: the node then knows nothing of it and takes it from others again, but writes nothing in
    /// it, as it might give the name of an event that it wrote before to another.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut stored = AnyDoc::create(Kind::DOC, ReplicaId::from_u128(9)).unwrap();
    /// # stored.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1));
    /// node.park(note.clone(), Kind::DOC, stored.version().clone());
    /// node.ensure(&note);
    /// let bytes = 100; // about as many as its events take
    /// node.loaded(0, &note, Some((stored, bytes)));
    /// assert!(node.doc(&note).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn loaded(&mut self, now: Millis, id: &DocId, doc: Option<(D, usize)>) {
        if !self.docs.get(id).is_some_and(Held::is_loading) {
            return;
        }
        let old = match doc {
            Some((doc, encoded)) => self.hold(id.clone(), Held::new(doc, encoded)),
            None => {
                self.lost.insert(id.clone());
                self.let_go(id)
            }
        };
        let Some(waiting) = old.map(Held::into_waiting) else { return };
        for link in waiting.links {
            let Some(link) = self.links.get_mut(&link) else { continue };
            if link.warming.remove(id) {
                link.owed.lacks(id);
            }
        }
        self.pending_bytes -= waiting.pending.bytes;
        for (link, delta) in waiting.pending.deltas {
            self.retry(now, id, link, delta);
        }
        self.park_idle();
        self.stirred = true;
    }

    /// Puts another document in the place of one, such as what comes of a rescue; the store must hold it already, and
    /// no more what it held before. Links over which the old one went are closed: dial them again.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut stored = AnyDoc::create(Kind::DOC, ReplicaId::from_u128(9)).unwrap();
    /// # stored.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1));
    /// node.open(&note, Kind::DOC)?;
    /// node.replace(0, &note, stored); // what came of a rescue
    /// assert_eq!(node.version(&note).map(VersionVector::total), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace(&mut self, now: Millis, id: &DocId, doc: D) {
        let encoded = doc.delta_since(&VersionVector::new()).body.len();
        if let Some(mut old) = self.hold(id.clone(), Held::new(doc, encoded)) {
            self.pending_bytes -= old.pending().map_or(0, |pending| pending.bytes) + old.ahead_bytes();
        }
        self.feed.note(id);
        self.links.iter_mut().for_each(|(_, link)| link.was_equal = false);
        let links: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.docs.contains_key(id)).map(|(link, _)| *link).collect();
        links.into_iter().for_each(|link| self.close(now, link, format!("{id} was replaced")));
    }
}
