//! What a [`Node`] knows of its documents and peers.

use crate::delta::Delta;
use crate::sync::held::Held;
use crate::sync::node::{Node, slot};
use crate::sync::{Config, DocId, Document, Kind, LinkId, Millis, PeerInfo, Role, Traffic};
use crate::version::VersionVector;

impl<D: Document> Node<D> {
    /// What it was made with; the interest grows with [`subscribe`](Self::subscribe).
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// assert_eq!((node.config().name.as_str(), node.config().role), ("n1", Role::Daemon));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many documents are in memory, and about how many bytes they take there.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// node.open(&note, Kind::DOC)?;
    /// assert_eq!(node.memory().0, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory(&self) -> (usize, usize) {
        (self.ring.len(), self.memory)
    }

    /// All documents, in order of [`DocId`], parked ones too: name, kind, version.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// node.open(&note, Kind::DOC)?;
    /// let names: Vec<&str> = node.versions().map(|(doc, _, _)| doc.as_str()).collect();
    /// assert_eq!(names, ["notes/a"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn versions(&self) -> impl Iterator<Item = (&DocId, Kind, &VersionVector)> {
        self.docs.iter().map(|(id, held)| (id, held.kind(), held.version()))
    }

    /// How many documents hold anything.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// a.open(&note, Kind::DOC)?;
    /// assert_eq!(a.written(), 0); // empty as yet
    /// put(&mut a, &note)?;
    /// assert_eq!(a.written(), 1);
    /// # let _ = (&b, meet);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn written(&self) -> usize {
        self.index.len()
    }

    /// The version of a document, parked or not.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// assert_eq!(a.version(&note).map(VersionVector::total), Some(1));
    /// # let _ = (&b, meet);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn version(&self, id: &DocId) -> Option<&VersionVector> {
        self.docs.get(id).map(Held::version)
    }

    /// What a peer sent of a document when it had [forgotten](crate::Doc::forget) what the document here lacks, and
    /// the document here has edits that the peer lacks: it was [refused](super::Output::Refused). A
    /// [rescue](crate::Doc::rescue) makes the edits anew on it; then [`replace`](Self::replace) the document. It is
    /// not there when too much waits already.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// node.open(&note, Kind::DOC)?;
    /// assert!(node.ahead(&note).is_none()); // it is not behind anybody: see `Doc::rescue`
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ahead(&self, id: &DocId) -> Option<&Delta> {
        self.docs.get(id)?.ahead()
    }

    /// A hash over all documents and their versions; a store may keep it to know later what it was.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// assert_ne!(a.fingerprint(), b.fingerprint());
    /// meet(&mut a, &mut b);
    /// assert_eq!(a.fingerprint(), b.fingerprint()); // the same documents at the same versions
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fingerprint(&self) -> u64 {
        self.index.fingerprint()
    }

    /// The document, if it is in memory.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// let doc = a.doc(&note).and_then(AnyDoc::as_doc).unwrap();
    /// assert_eq!(doc.get("/x"), Some(1.into()));
    /// # let _ = (&b, meet);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn doc(&self, id: &DocId) -> Option<&D> {
        self.docs.get(id).and_then(Held::doc)
    }

    /// The documents in memory, in order of [`DocId`].
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// assert!(a.docs().all(|(id, doc)| *id == note && doc.kind() == Kind::DOC));
    /// # let _ = (&b, meet);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn docs(&self) -> impl Iterator<Item = (&DocId, &D)> {
        self.docs.iter().filter_map(|(id, held)| Some((id, held.doc()?)))
    }

    /// Links whose handshake is done, with the peer and what went over them.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// meet(&mut a, &mut b);
    /// let (_, peer, traffic) = a.links().next().unwrap();
    /// assert!(peer.name == "n2" && traffic.bytes_out > 0);
    /// # let _ = (note, put);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &PeerInfo, &Traffic)> {
        self.links.iter().filter_map(|(id, link)| link.peer.as_ref().map(|peer| (*id, peer, &link.traffic)))
    }

    /// What went over all links, current and past, to peers of this role.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// meet(&mut a, &mut b);
    /// assert_eq!(a.traffic(Role::Daemon).deltas_out, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn traffic(&self, role: Role) -> Traffic {
        let mut sum = self.past[slot(role)];
        self.links().filter(|(_, peer, _)| peer.role == role).for_each(|(_, _, t)| sum += *t);
        sum
    }

    /// What the peer on this link is known to have of a document.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// meet(&mut a, &mut b);
    /// assert_eq!(a.peer_version(link, &note), a.version(&note)); // sent, so surely there
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer_version(&self, link: LinkId, doc: &DocId) -> Option<&VersionVector> {
        self.links.get(&link)?.docs.get(doc).map(|peered| &peered.known)
    }

    /// What the peer on this link is known to have of the documents that were spoken of on it.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// meet(&mut a, &mut b);
    /// assert!(b.peer_versions(link).all(|(doc, version)| *doc == note && version.total() == 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer_versions(&self, link: LinkId) -> impl Iterator<Item = (&DocId, &VersionVector)> {
        let docs = self.links.get(&link).into_iter().flat_map(|link| &link.docs);
        docs.map(|(doc, peered)| (doc, &peered.known))
    }

    /// What of a document the peer on this link has said to be safe on its disk.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// meet(&mut a, &mut b);
    /// assert!(a.peer_durable(link, &note).is_some_and(VersionVector::is_empty)); // it has it, in memory
    /// b.handle(0, Input::Durable { doc: note.clone(), version: b.version(&note).unwrap().clone() });
    /// meet(&mut a, &mut b);
    /// assert_eq!(a.peer_durable(link, &note), a.version(&note));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer_durable(&self, link: LinkId, doc: &DocId) -> Option<&VersionVector> {
        self.links.get(&link)?.docs.get(doc).map(|peered| &peered.durable)
    }

    /// What of a document is safe on this peer's own disk.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// put(&mut a, &note)?;
    /// a.handle(0, Input::Durable { doc: note.clone(), version: a.version(&note).unwrap().clone() });
    /// assert_eq!(a.durable(&note), a.version(&note));
    /// # let _ = (&b, meet);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn durable(&self, doc: &DocId) -> Option<&VersionVector> {
        self.docs.get(doc).map(Held::durable)
    }

    /// When to call [`handle`](Self::handle) with [`Input::Wake`](super::Input::Wake); `None` when nothing is waiting for time.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// assert_eq!(node.next_deadline(), None);
    /// node.set_presence(0, &note, Some(b"cursor".to_vec()));
    /// let at = node.next_deadline().unwrap(); // it is to be renewed
    /// node.handle(at, Input::Wake);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_deadline(&self) -> Option<Millis> {
        let links = self.links.next_deadline().into_iter();
        links.chain(self.presences.next_deadline()).chain(self.questions.next_deadline()).min()
    }
}
