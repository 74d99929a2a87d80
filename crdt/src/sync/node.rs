//! [`Node`]: documents and links, and who is owed what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::codec::{Encode, Writer};
use crate::delta::{Applied, ApplyError, Delta};
use crate::id::{ReplicaId, Span};
use crate::sync::awaited::Awaited;
use crate::sync::feed::Feed;
use crate::sync::held::Held;
use crate::sync::link::{Link, Want};
use crate::sync::links::Links;
use crate::sync::names::Names;
use crate::sync::presence::Presences;
use crate::sync::question::Questions;
use crate::sync::reconcile::{Index, Item};
use crate::sync::sketch::Sketch;
use crate::sync::{
    Config, DocId, Document, GRAFTS, Input, Interest, Kind, LAST_RESORT, LinkId, MAX_DOCS, MAX_INTERESTS,
    MAX_LOOKS, MAX_TREES, Millis, Output, Role, Traffic,
};
use crate::version::VersionVector;

/// Where an author's events come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent {
    pub(crate) link: LinkId,
    /// When the last of them came.
    pub(crate) at: Millis,
}

/// One peer of the graph, without I/O: documents, links, and who is owed what.
///
/// Drive it with [`handle`](Self::handle) and the editing methods. Call [`poll_transmit`](Self::poll_transmit)
/// for a link that is [`Output::Ready`] whenever its socket can take a message, until it gives `None`. After each
/// of them drain [`poll_output`](Self::poll_output) until it gives `None`.
/// Call `handle` with [`Input::Wake`] when [`next_deadline`](Self::next_deadline) has come.
///
/// ```
/// use crdt::doc::AnyDoc;
/// use crdt::sync::{Config, DocId, Input, Kind, LinkId, Node, Role};
/// use crdt::{ReplicaId, Replicated};
///
/// let node = |n| Node::new(Config::new(ReplicaId::from_u128(n), "a peer", Role::Daemon), n as u64);
/// let (mut a, mut b): (Node<AnyDoc>, Node<AnyDoc>) = (node(1), node(2));
/// let note: DocId = "notes/a".parse()?;
/// a.edit(0, &note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("title", "hello")))?;
///
/// // A connection, as a shell tells of it; then each message of one goes to the other.
/// let link = LinkId(1);
/// a.handle(0, Input::LinkUp { link, dialed: true });
/// b.handle(0, Input::LinkUp { link, dialed: false });
/// let carry = |from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>| {
///     let message = from.poll_transmit(0, link);
///     message.map(|bytes| to.handle(0, Input::Frame { link, bytes })).is_some()
/// };
/// while carry(&mut a, &mut b) | carry(&mut b, &mut a) {}
///
/// let doc = b.doc(&note).and_then(AnyDoc::as_doc).unwrap();
/// assert_eq!(doc.get("/title"), Some("hello".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Node<D> {
    pub(crate) config: Config,
    pub(crate) rng: u64,
    pub(crate) docs: BTreeMap<DocId, Held<D>>,
    /// The same by name, when a peer wants a prefix.
    pub(crate) by_name: Names,
    pub(crate) links: Links,
    /// Links on which content of a document came that no Ack has covered yet.
    pub(crate) unacked: Awaited,
    /// Links on which the peer has told its version of a document, and `Output::Synced` is still to be given.
    pub(crate) unsynced: Awaited,
    pub(crate) outputs: VecDeque<Output>,
    /// Whether something has happened after which links may be ready that nobody was told of.
    pub(crate) stirred: bool,
    /// For each author, the link that brings its events first.
    pub(crate) parents: BTreeMap<ReplicaId, Parent>,
    /// Authors whose events were late, and the link that was asked for them.
    pub(crate) asked: BTreeMap<ReplicaId, LinkId>,
    /// How long announced content may take now before it is asked for.
    pub(crate) patience: Millis,
    /// How often an author was pruned: orders the links by when they brought its events.
    pub(crate) prunes: u64,
    pub(crate) presences: Presences,
    pub(crate) questions: Questions,
    /// Of all documents together.
    pub(crate) pending_bytes: usize,
    pub(crate) past: [Traffic; 2],
    /// All documents that hold anything, to find which differ from a peer's.
    pub(crate) index: Index,
    /// What an item of it stands for.
    pub(crate) names: BTreeMap<Item, DocId>,
    /// Documents in memory, in the order in which they are looked at for parking.
    pub(crate) ring: VecDeque<DocId>,
    /// About how many bytes they take.
    pub(crate) memory: usize,
    /// Documents that the disk did not give back: here they are only taken from others.
    pub(crate) lost: BTreeSet<DocId>,
    /// The same documents for peers of the fleet.
    pub(crate) sketch: Option<Sketch>,
    /// The same documents in the order in which they changed.
    pub(crate) feed: Feed,
    /// For each peer, in its incarnation: up to which of its changes all are here.
    pub(crate) cursors: BTreeMap<ReplicaId, u64>,
    #[cfg(feature = "testkit")]
    pub(crate) planted: Option<crate::sync::checking::Planted>,
}

/// A document could not be opened; nothing changed.
///
/// ```
/// use crdt::doc::AnyDoc;
/// use crdt::sync::{Config, Kind, Node, OpenError, Role};
/// # use crdt::ReplicaId;
/// let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
/// assert!(matches!(node.open(&"notes/a".parse()?, Kind(99)), Err(OpenError::UnknownKind(Kind(99)))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// This program lacks the kind.
    UnknownKind(Kind),
    /// The document exists with another kind.
    OtherKind(Kind),
    /// Too many documents.
    TooMany,
    /// It is not in memory: see [`Node::ensure`].
    Parked,
    /// The disk did not give it back, so that nobody knows which events this peer wrote in it.
    Lost,
}

messages! { OpenError {
    Self::UnknownKind(kind) => "this program does not know documents of kind {kind:?}",
    Self::OtherKind(kind) => "the document exists and is of kind {kind:?}",
    Self::TooMany => "the node holds as many documents as it may",
    Self::Parked => "the document is not in memory",
    Self::Lost => "the document cannot be read from the disk, so nothing can be written in it here",
} }

/// What a peer of this configuration wants: a daemon wants everything.
pub(crate) fn effective_interest(config: &Config) -> Interest {
    match config.role {
        Role::Daemon => Interest::everything(),
        Role::Client => config.interest.clone(),
    }
}

impl<D: Document> Node<D> {
    /// A peer without documents and links. `seed` only spreads its timers; equal seeds and inputs give
    /// equal outputs.
    pub fn new(config: Config, seed: u64) -> Self {
        Node {
            patience: config.want_delay,
            sketch: config.fleet.map(Sketch::new),
            feed: Feed::default(),
            cursors: BTreeMap::new(),
            config,
            rng: seed,
            docs: BTreeMap::new(),
            by_name: Names::default(),
            links: Links::default(),
            unacked: Awaited::default(),
            unsynced: Awaited::default(),
            outputs: VecDeque::new(),
            stirred: false,
            parents: BTreeMap::new(),
            asked: BTreeMap::new(),
            prunes: 0,
            presences: Presences::default(),
            questions: Questions::default(),
            pending_bytes: 0,
            past: [Traffic::default(); 2],
            index: Index::default(),
            names: BTreeMap::new(),
            ring: VecDeque::new(),
            memory: 0,
            lost: BTreeSet::new(),
            #[cfg(feature = "testkit")]
            planted: None,
        }
    }

    /// Puts a document in, in place of what it was.
    pub(crate) fn hold(&mut self, id: DocId, held: Held<D>) -> Option<Held<D>> {
        self.unlist(&id);
        let lives = held.doc().is_some();
        self.memory += held.memory();
        let old = self.docs.insert(id.clone(), held);
        if old.is_none() {
            self.by_name.insert(&id);
        }
        let lived = old.as_ref().is_some_and(|old| old.doc().is_some());
        self.memory -= old.as_ref().map_or(0, Held::memory);
        self.list(&id);
        if lives && !lived {
            self.ring.push_back(id);
        }
        old
    }

    /// Parks documents that were not used for longest, while those in memory take more than they may. One
    /// is passed by the first time when it was used since the last look.
    pub(crate) fn park_idle(&mut self) {
        for _ in 0..MAX_LOOKS.min(self.ring.len()) {
            if self.memory <= self.config.cache_bytes {
                return;
            }
            let Some(id) = self.ring.pop_front() else { return };
            let Some(held) = self.docs.get_mut(&id) else { continue };
            match held.idle() {
                Some(version) if version.is_empty() => drop(self.let_go(&id)),
                Some(version) => {
                    let kind = held.kind();
                    self.memory -= held.memory();
                    *held = Held::parked(kind, version);
                }
                None => self.ring.push_back(id),
            }
        }
    }

    /// Forgets a document that was made for what a peer sent of it, when that did not come to anything.
    pub(crate) fn drop_nothing(&mut self, id: &DocId) {
        if self.docs.get(id).is_some_and(Held::is_nothing) {
            self.let_go(id);
            if self.ring.back() == Some(id) {
                self.ring.pop_back();
            }
        }
    }

    /// Forgets a document.
    pub(crate) fn let_go(&mut self, id: &DocId) -> Option<Held<D>> {
        self.unlist(id);
        self.by_name.remove(id);
        let held = self.docs.remove(id)?;
        self.memory -= held.memory();
        Some(held)
    }

    /// The item of a document that holds anything.
    fn item(&self, id: &DocId) -> Option<Item> {
        let held = self.docs.get(id).filter(|held| !held.version().is_empty())?;
        Some(Item::new(id, held.kind(), held.hash))
    }

    pub(crate) fn unlist(&mut self, id: &DocId) {
        if let Some(item) = self.item(id) {
            self.index.remove(item);
            self.drop_item(item);
        }
    }

    fn list(&mut self, id: &DocId) {
        if let Some(item) = self.item(id) {
            self.index.set(item);
            if self.names.insert(item, id.clone()).is_none()
                && let Some(sketch) = &mut self.sketch
            {
                sketch.add(item);
            }
        }
    }

    fn drop_item(&mut self, item: Item) {
        if self.names.remove(&item).is_some()
            && let Some(sketch) = &mut self.sketch
        {
            sketch.remove(item);
        }
    }

    /// Whether both sides of a link want everything, so that all documents are reconciled at once.
    pub(crate) fn shares_all(&self, link: &Link) -> bool {
        let all = |interest: &Interest| interest.prefixes.iter().any(String::is_empty);
        all(&effective_interest(&self.config)) && all(&link.peer_interest)
    }

    /// A document in memory, for what does not change its events, such as taking its patches. To write, see
    /// [`edit`](Self::edit): what is written here would not be stored nor sent.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// node.open(&note, Kind::DOC)?;
    /// node.doc_mut(&note).unwrap().as_doc_mut().unwrap().record_patches();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn doc_mut(&mut self, id: &DocId) -> Option<&mut D> {
        Some(&mut self.docs.get_mut(id)?.work()?.doc)
    }

    /// Opens a document, and creates it when it is absent.
    ///
    /// # Errors
    /// See [`OpenError`].
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// assert!(node.open(&note, Kind::DOC)?.version().is_empty());
    /// assert!(node.open(&note, Kind(9)).is_err()); // it is of another kind
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(&mut self, id: &DocId, kind: Kind) -> Result<&D, OpenError> {
        self.want(id, kind)?;
        self.stirred = true;
        self.doc(id).ok_or(OpenError::Parked)
    }

    /// A document that is wanted here: it stays, though it may be empty, and peers are told of it.
    fn want(&mut self, id: &DocId, kind: Kind) -> Result<&mut Held<D>, OpenError> {
        if !self.docs.contains_key(id) {
            self.held(id, kind)?;
            let wanted = |_, link: &Link| link.peer_interest.includes(id);
            self.links.those(wanted).for_each(|(_, link)| link.owed.lacks(id));
        }
        let held = self.held(id, kind)?;
        if let Some(live) = held.live() {
            live.wanted = true;
        }
        Ok(held)
    }

    /// A document, made if it is not here.
    pub(crate) fn held(&mut self, id: &DocId, kind: Kind) -> Result<&mut Held<D>, OpenError> {
        if !self.docs.contains_key(id) {
            if self.docs.len() >= MAX_DOCS {
                return Err(OpenError::TooMany);
            }
            // The nil id never writes.
            let author = if self.lost.contains(id) { ReplicaId::MIN } else { self.config.id };
            let doc = D::create(kind, author).ok_or(OpenError::UnknownKind(kind))?;
            self.hold(id.clone(), Held::new(doc, 0));
        }
        let held = self.docs.get_mut(id).ok_or(OpenError::TooMany)?;
        let found = held.kind();
        if found == kind { Ok(held) } else { Err(OpenError::OtherKind(found)) }
    }

    /// Changes a document, creating it when it is absent; the new events are stored and sent.
    ///
    /// # Errors
    /// See [`OpenError`]; `f` was not called then.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// node.edit(1_000, &note, Kind::DOC, |doc| {
    ///     doc.as_doc_mut().unwrap().transact(1_000, |tx| tx.put("title", "hello"))
    /// })?;
    /// assert!(matches!(node.poll_output(), Some(Output::Store { .. }))); // keep this
    /// assert!(matches!(node.poll_output(), Some(Output::Changed { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit<R>(
        &mut self,
        now: Millis,
        id: &DocId,
        kind: Kind,
        f: impl FnOnce(&mut D) -> R,
    ) -> Result<R, OpenError> {
        if self.lost.contains(id) {
            return Err(OpenError::Lost);
        }
        let live = self.want(id, kind)?.work().ok_or(OpenError::Parked)?;
        let before = live.doc.version().clone();
        let result = f(&mut live.doc);
        let novel: Vec<Span> = live.doc.version().since(&before).collect();
        if !novel.is_empty() {
            let delta = Arc::new(live.doc.delta_since(&before));
            self.changed(now, id, delta, novel, None);
        }
        self.park_idle();
        self.stirred = true;
        Ok(result)
    }

    /// Takes a delta from outside any link: an import, or an app that made it itself.
    ///
    /// # Errors
    /// See [`ApplyError`]; the document is unchanged then. One that cannot be opened is `Refused`.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// let mut imported = Doc::new(ReplicaId::from_u128(9));
    /// imported.transact(0, |tx| tx.put("x", 1));
    /// let delta = imported.delta_since(&VersionVector::new());
    /// node.apply(0, &note, Kind::DOC, &delta)?;
    /// assert_eq!(node.version(&note), Some(imported.version()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(
        &mut self,
        now: Millis,
        id: &DocId,
        kind: Kind,
        delta: &Delta,
    ) -> Result<Applied, ApplyError> {
        let held = self.want(id, kind).map_err(|_| ApplyError::Refused("the document cannot be opened"))?;
        if held.doc().is_none() {
            return Err(ApplyError::Refused("the document is not in memory"));
        }
        let applied = self.take_delta(now, id, delta, None);
        self.stirred = true;
        applied
    }

    /// Applies a delta and tells whoever must know. When the document is parked it is asked for, and as any other
    /// ground of a delta it is missing until then.
    pub(crate) fn take_delta(
        &mut self,
        now: Millis,
        id: &DocId,
        delta: &Delta,
        from: Option<LinkId>,
    ) -> Result<Applied, ApplyError> {
        let Some(held) = self.docs.get_mut(id) else { return Ok(Applied::default()) };
        let known = delta.is_known_to(held.version());
        let applied = match held.work() {
            Some(live) => live.doc.apply(delta)?,
            None if known => Applied::default(),
            None => {
                self.ensure(id);
                return Err(ApplyError::Missing);
            }
        };
        if let Some(link) = from {
            self.note_source(now, link, &delta.spans, &applied);
        }
        let held = self.docs.get_mut(id).filter(|_| !applied.novel.is_empty());
        let Some(live) = held.and_then(Held::work) else { return Ok(applied) };
        let delta = if applied.novel == delta.spans { delta.clone() } else { live.delta_of(&applied.novel) };
        let novel = applied.novel.clone();
        self.changed(now, id, Arc::new(delta), novel, from);
        Ok(applied)
    }

    /// Follows a document that these events were added to.
    fn relist(&mut self, id: &DocId, novel: &[Span]) {
        let Some(held) = self.docs.get_mut(id) else { return };
        let old = Item::new(id, held.kind(), held.hash);
        novel.iter().for_each(|span| held.hash.advance(span));
        self.drop_item(old);
        self.list(id);
        self.feed.note(id);
    }

    /// New events are in: store, tell, mark every link that may want them, try what waited for them.
    fn changed(
        &mut self,
        now: Millis,
        id: &DocId,
        delta: Arc<Delta>,
        novel: Vec<Span>,
        from: Option<LinkId>,
    ) {
        self.relist(id, &novel);
        let Some(held) = self.docs.get_mut(id) else { return };
        let (kind, before) = (held.kind(), held.memory());
        let Some(live) = held.work() else { return };
        live.cache.put(delta.clone());
        live.grow(delta.body.len());
        let waiting = std::mem::take(&mut live.pending);
        self.pending_bytes -= waiting.bytes;
        self.memory = (self.memory - before).saturating_add(held.memory());
        self.outputs.push_back(Output::Store { doc: id.clone(), kind, delta });
        let look_after = self.config.have_interval.saturating_mul(4);
        let wants = |of, link: &Link| Some(of) != from && link.peer_interest.includes(id);
        let news = |of, link: &Link| link.meeting.look_at.is_none() || wants(of, link);
        for (link_id, link) in self.links.those(news) {
            link.meeting.look_at.get_or_insert(now.saturating_add(look_after));
            if !wants(link_id, link) {
                continue;
            }
            // A new document is marked already; so it is for all edits of a burst but the first.
            if link.expect(id, held.version(), &novel) {
                self.unsynced.insert(id, link_id);
            }
            link.owed.changed(id);
        }
        self.outputs.push_back(Output::Changed { doc: id.clone(), novel, from });
        for (link, delta) in waiting.deltas {
            self.retry(now, id, link, delta);
        }
        self.note_progress(id);
        self.answer_about(id);
    }

    /// Adds to what this peer wants to receive, and tells its links.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// let config = Config { interest: Interest::default(), ..Config::new(ReplicaId::from_u128(2), "app", Role::Client) };
    /// let mut app: Node<AnyDoc> = Node::new(config, 2);
    /// app.subscribe(Interest::one(note.clone()));
    /// assert!(app.config().interest.includes(&note));
    /// # let _ = node.next_deadline();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&mut self, interest: Interest) {
        let mine = &mut self.config.interest;
        for prefix in interest.prefixes {
            if !mine.prefixes.contains(&prefix) && mine.prefixes.len() + mine.names.len() < MAX_INTERESTS {
                mine.prefixes.push(prefix);
            }
        }
        for name in interest.names {
            if !mine.names.contains(&name) && mine.prefixes.len() + mine.names.len() < MAX_INTERESTS {
                mine.names.push(name);
            }
        }
        let held = self.within(&self.config.interest);
        for (_, link) in self.links.iter_mut() {
            link.tell_interest = true;
            link.was_equal = false; // of what both wanted then
            for id in &held {
                if link.docs.get(id).is_none_or(|peered| !peered.told) {
                    link.have.insert(id.clone());
                }
            }
        }
        self.stirred = true;
    }

    /// Takes what happened at `now`. Drain [`poll_output`](Self::poll_output) afterwards.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// let link = LinkId(1);
    /// node.handle(0, Input::LinkUp { link, dialed: true });
    /// assert!(node.poll_transmit(0, link).is_some()); // its greeting
    /// node.handle(0, Input::Frame { link, bytes: b"GET / HTTP/1.1".to_vec() });
    /// let outputs = std::iter::from_fn(|| node.poll_output());
    /// assert!(outputs.into_iter().any(|output| matches!(output, Output::Close { .. }))); // no peer of ours
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::LinkUp { link, dialed: _ } => {
                self.links.insert(link);
            }
            Input::LinkDown { link } => self.link_down(now, link),
            Input::Frame { link, bytes } => self.take_message(now, link, &bytes),
            Input::Durable { doc, version } => self.take_durable(&doc, &version),
            Input::Wake => self.wake(now),
        }
        self.park_idle();
        self.stirred = true;
    }

    fn take_durable(&mut self, id: &DocId, version: &VersionVector) {
        let Some(held) = self.docs.get_mut(id) else { return };
        if let Some(live) = held.live() {
            live.durable.merge(version);
        }
        for of in self.unacked.of(id) {
            let Some(link) = self.links.get_mut(&of) else { continue };
            link.ack.insert(id.clone());
            if link.docs.get(id).is_none_or(|peered| held.durable().covers(&peered.theirs)) {
                self.unacked.remove(id, of);
            }
        }
        self.answer_about(id);
    }

    /// The next thing for the shell to do or to know.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// node.handle(0, Input::LinkUp { link: LinkId(1), dialed: true });
    /// while let Some(output) = node.poll_output() {
    ///     assert!(matches!(output, Output::Ready { link: LinkId(1) }));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_output(&mut self) -> Option<Output> {
        // Once for all that happened since, and not once for each.
        if self.outputs.is_empty() && std::mem::take(&mut self.stirred) {
            self.links.look(&mut self.outputs);
        }
        self.outputs.pop_front()
    }

    /// Gives up a link because of what came or would have to go over it.
    pub(crate) fn close(&mut self, now: Millis, id: LinkId, reason: String) {
        self.outputs.push_back(Output::Close { link: id, reason });
        self.link_down(now, id);
        self.stirred = true;
    }

    fn link_down(&mut self, now: Millis, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        self.unacked.forget(id, link.docs.keys());
        self.unsynced.forget(id, link.docs.keys());
        self.end_questions_of(now, id);
        let Some(peer) = link.peer else { return };
        self.past[slot(peer.role)] += link.traffic;
        let orphans: Vec<ReplicaId> =
            self.parents.iter().filter(|(_, parent)| parent.link == id).map(|(r, _)| *r).collect();
        for replica in orphans {
            self.parents.remove(&replica);
            self.graft_next(now, replica);
        }
        if peer.role == Role::Client {
            self.end_presence_of(now, peer.id);
        }
    }

    /// Grafts the links that would have brought an author's events next; those that have them from here
    /// only when there are no others.
    fn graft_next(&mut self, now: Millis, replica: ReplicaId) {
        let ranked =
            self.links.iter().filter_map(|(id, link)| Some((*link.pruned_by_us.get(&replica)?, *id)));
        let mut next: Vec<(u64, LinkId)> = ranked.collect();
        next.sort_unstable();
        if next.first().is_some_and(|(rank, _)| *rank < LAST_RESORT) {
            next.retain(|(rank, _)| *rank < LAST_RESORT);
            next.truncate(GRAFTS);
        }
        // What the first of them has announced is asked for at once: to who grafts it, it sends what is newer.
        if let Some(link) = next.first().and_then(|(_, id)| self.links.get_mut(id)) {
            link.wants.values_mut().for_each(|want| want.at = want.at.min(now));
        }
        for (_, id) in next {
            let Some(link) = self.links.get_mut(&id) else { continue };
            link.pruned_by_us.remove(&replica);
            if !link.prune.remove(&replica) {
                link.graft.insert(replica);
                // It then sends what it withheld: it is to know first what has come here the other way.
                link.have.append(&mut link.lazy);
            }
        }
    }

    fn wake(&mut self, now: Millis) {
        for id in self.links.due(now) {
            let next_digest = now.saturating_add(self.jitter(self.config.anti_entropy_interval));
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.have_at.is_some_and(|at| at <= now) {
                link.have_at = None;
                let lazy = std::mem::take(&mut link.lazy);
                link.have.extend(lazy);
            }
            if link.presence_at <= now {
                link.presence.append(&mut link.presence_later);
            }
            if link.digest_at.is_some_and(|at| at <= now) {
                link.digest_at = Some(next_digest);
                link.tell_digest = true;
            }
            self.fire_wants(now, id);
            self.look_how_far(now, id);
        }
        self.renew_questions(now);
        for doc in self.presences.due(now) {
            self.renew_presence(now, &doc);
        }
        for (doc, from) in self.presences.expire(now) {
            self.outputs.push_back(Output::Presence { doc, from, value: None });
        }
    }

    /// Asks for what was announced on this link and has not come in time.
    fn fire_wants(&mut self, now: Millis, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let due: Vec<DocId> =
            link.wants.iter().filter(|(_, w)| w.at <= now).map(|(doc, _)| doc.clone()).collect();
        for doc in due {
            let again = now.saturating_add(self.patience.max(1));
            for (_, link) in self.links.those(|other, link| other != id && link.wants.contains_key(&doc)) {
                let Some(want) = link.wants.get_mut(&doc) else { continue };
                want.at = want.at.max(again); // one source at a time
            }
            self.fire_want(now, id, &doc);
        }
    }

    fn fire_want(&mut self, now: Millis, id: LinkId, doc: &DocId) {
        let empty = VersionVector::new();
        let held = self.docs.get(doc);
        let version = held.map_or(&empty, Held::version);
        let Some(link) = self.links.get_mut(&id) else { return };
        let (Some(peered), Some(want)) = (link.docs.get(doc), link.wants.remove(doc)) else { return };
        let mut missing: Vec<Span> = peered.theirs.since(version).collect();
        if missing.is_empty() {
            return;
        }
        // Of whom something came just now, that which is missing is on its way: it is only late.
        let flows = |replica| {
            self.parents.get(&replica).is_some_and(|parent| now < parent.at.saturating_add(self.patience))
        };
        missing.retain(|span| !flows(span.replica));
        let stuck = missing.iter().any(|span| version.get(span.replica) < want.claim.get(span.replica));
        let claim = peered.theirs.clone();
        let tries = if stuck { want.tries.saturating_add(1).min(6) } else { 0 };
        let delay = self.patience.max(1).saturating_mul(1 << tries);
        link.wants.insert(doc.clone(), Want { at: now.saturating_add(delay), tries, claim });
        if !stuck {
            return;
        }
        // What came may be waiting for the document.
        if link.is_receiving(doc) || held.is_some_and(Held::is_loading) {
            return;
        }
        link.want.insert(doc.clone(), missing.iter().map(|span| span.replica).collect());
        for span in missing {
            link.pruned_by_us.remove(&span.replica);
            link.prune.remove(&span.replica);
            link.graft.remove(&span.replica);
            self.parents.insert(span.replica, Parent { link: id, at: now });
            if self.asked.len() < MAX_TREES {
                self.asked.insert(span.replica, id);
            }
        }
    }

    /// A span of time around `interval`, so that peers do not act in step.
    pub(crate) fn jitter(&mut self, interval: Millis) -> Millis {
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (interval - interval / 4).saturating_add(z % (interval / 2 + 1)).max(1)
    }

    /// A hash over names and versions of all mutual documents that hold anything.
    pub(crate) fn digest(&self, id: LinkId) -> [u8; 16] {
        let mut digest = [0; 16];
        let Some(link) = self.links.get(&id) else { return digest };
        if self.shares_all(link) {
            digest[..8].copy_from_slice(&self.index.fingerprint().to_be_bytes());
            return digest;
        }
        let mut hashes = [0xcbf2_9ce4_8422_2325u64, 0x6c62_272e_07bb_0142];
        for id in self.mutual(link) {
            let Some(held) = self.docs.get(&id).filter(|held| !held.version().is_empty()) else {
                continue;
            };
            let mut w = Writer::new();
            w.str(id.as_str());
            w.u8(held.kind().0);
            held.version().encode(&mut w);
            held.version().iter().for_each(|(replica, _)| w.raw(replica.as_bytes()));
            for byte in w.into_body() {
                hashes[0] = (hashes[0] ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
                hashes[1] = (hashes[1].rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        }
        let [low, high] = hashes.map(u64::to_be_bytes);
        digest[..8].copy_from_slice(&low);
        digest[8..].copy_from_slice(&high);
        digest
    }
}

pub(crate) fn slot(role: Role) -> usize {
    usize::from(role == Role::Client)
}
