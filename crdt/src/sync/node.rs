//! [`Node`]: documents and links; who is owed what; one deadline.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use thiserror::Error;

use crate::codec::Writer;
use crate::delta::{Applied, ApplyError, Delta};
use crate::id::{ReplicaId, Span};
use crate::version::VersionVector;

use super::frame::{self, FRAGMENT, Frame, MAX_MESSAGE, MAX_NUMBERED, MAX_PRESENCE, Message, PROTOCOL, kind};
use super::link::Link;
use super::presence::{Entry, Presences};
use super::{
    Config, DocId, Document, Input, Interest, Kind, LinkId, Millis, Output, PeerInfo, Role, Traffic,
};

/// A message stops taking in frames when it is longer than this.
const BATCH: usize = 32 << 10;
/// The most documents that a node holds.
const MAX_DOCS: usize = 1 << 20;
/// The most bytes of deltas of one document that may wait for what they build on.
const MAX_WAITING_BYTES: usize = 1 << 20;
/// The most deltas of one document that may wait.
const MAX_WAITING: usize = 1024;
/// The biggest delta that is taken in as fragments.
const MAX_INCOMING: usize = 256 << 20;
/// The most authors that one link may have pruned.
const MAX_PRUNED: usize = 100_000;

/// Documents and links: who is owed what.
///
/// Drive it so: after every call that changes it, take [`poll_output`](Self::poll_output) until it gives
/// `None`. For a link that is [`Output::Ready`], call [`poll_transmit`](Self::poll_transmit) whenever its
/// socket can take a message, until it gives `None`. Call [`handle`](Self::handle) with
/// [`Input::Wake`] at [`next_deadline`](Self::next_deadline). Time and messages are arguments, so the same
/// inputs give the same outputs.
///
/// ```
/// use crdt::doc::AnyDoc;
/// use crdt::sync::{Config, DocId, Input, Kind, LinkId, Node, Role};
/// use crdt::ReplicaId;
///
/// let node = |n| Node::<AnyDoc>::new(Config::new(ReplicaId::from_u128(n), "n", Role::Daemon), 1);
/// let (mut a, mut b) = (node(1), node(2));
/// let note: DocId = "note".parse().unwrap();
/// a.edit(0, &note, Kind::DOC, |doc| {
///     doc.as_doc_mut().unwrap().transact(0, |tx| tx.text("body").insert(0, "hello"))
/// })?;
///
/// let link = LinkId(1);
/// a.handle(0, Input::LinkUp { link, dialed: true });
/// b.handle(0, Input::LinkUp { link, dialed: false });
/// loop {
///     let (to_b, to_a) = (a.poll_transmit(link), b.poll_transmit(link));
///     if to_a.is_none() && to_b.is_none() {
///         break;
///     }
///     to_b.into_iter().for_each(|bytes| b.handle(0, Input::Frame { link, bytes }));
///     to_a.into_iter().for_each(|bytes| a.handle(0, Input::Frame { link, bytes }));
/// }
/// let body = b.doc(&note).unwrap().as_doc().unwrap().text("body").unwrap().to_string();
/// assert_eq!(body, "hello");
/// # Ok::<(), crdt::sync::OpenError>(())
/// ```
#[derive(Debug)]
pub struct Node<D> {
    config: Config,
    docs: BTreeMap<DocId, Hosted<D>>,
    links: BTreeMap<LinkId, Link>,
    /// For each author the link that first brought its latest events: its direction in that author's tree.
    parents: BTreeMap<ReplicaId, LinkId>,
    presences: Presences,
    /// When to ask a link for what it has of a document.
    wants: BTreeSet<(Millis, LinkId, DocId)>,
    /// Whether a link has documents whose version is to be said at the next tick.
    unannounced: bool,
    announce_at: Option<Millis>,
    compare_at: Option<Millis>,
    renew_at: Option<Millis>,
    outputs: VecDeque<Output>,
    /// What went over links that are gone.
    past: [Traffic; 2],
    seed: u64,
}

#[derive(Debug)]
struct Hosted<D> {
    doc: D,
    durable: VersionVector,
    /// Deltas that came before what they build on.
    waiting: Vec<(LinkId, Arc<Delta>)>,
    waiting_bytes: usize,
    /// The last difference that was asked for: links that know the same are owed the same.
    last: Option<(VersionVector, VersionVector, Arc<Delta>)>,
}

/// A document could not be opened; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// This program lacks the kind.
    #[error("this program does not know documents of kind {}", .0.0)]
    UnknownKind(Kind),
    /// The document exists with another kind.
    #[error("the document exists and is of kind {}", .0.0)]
    OtherKind(Kind),
    /// The node holds as many documents as it may.
    #[error("the node holds as many documents as it may")]
    TooMany,
}

/// Why a link is closed, for the peer and the log.
type Violation = String;

impl<D: Document> Node<D> {
    /// A node without documents or links. `seed` spreads its timers; give each node another.
    pub fn new(config: Config, seed: u64) -> Self {
        Node {
            config,
            docs: BTreeMap::new(),
            links: BTreeMap::new(),
            parents: BTreeMap::new(),
            presences: Presences::default(),
            wants: BTreeSet::new(),
            unannounced: false,
            announce_at: None,
            compare_at: None,
            renew_at: None,
            outputs: VecDeque::new(),
            past: [Traffic::default(); 2],
            seed,
        }
    }

    // ---- what there is ----

    /// What this node is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A document, if it is here.
    pub fn doc(&self, id: &DocId) -> Option<&D> {
        self.docs.get(id).map(|hosted| &hosted.doc)
    }

    /// All documents, by name.
    pub fn docs(&self) -> impl ExactSizeIterator<Item = (&DocId, &D)> {
        self.docs.iter().map(|(id, hosted)| (id, &hosted.doc))
    }

    /// What of a document is safe on this peer's own disk.
    pub fn durable(&self, id: &DocId) -> Option<&VersionVector> {
        self.docs.get(id).map(|hosted| &hosted.durable)
    }

    /// The links whose peers have said who they are.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &PeerInfo, &Traffic)> {
        self.links.iter().filter_map(|(id, link)| Some((*id, link.peer.as_ref()?, &link.traffic)))
    }

    /// What a peer is known to have of a document.
    pub fn peer_version(&self, link: LinkId, id: &DocId) -> Option<&VersionVector> {
        Some(&self.links.get(&link)?.docs.get(id)?.known)
    }

    /// What a peer has said is safe on its disk of a document.
    pub fn peer_durable(&self, link: LinkId, id: &DocId) -> Option<&VersionVector> {
        Some(&self.links.get(&link)?.docs.get(id)?.durable)
    }

    /// What went over all links to peers of a role, past and present.
    pub fn traffic(&self, role: Role) -> Traffic {
        let mut sum = self.past[usize::from(role == Role::Client)];
        self.links().filter(|(_, peer, _)| peer.role == role).for_each(|(_, _, t)| sum.add(t));
        sum
    }

    // ---- documents ----

    /// Puts in a document from the store, before there are links.
    pub fn load(&mut self, id: DocId, doc: D) {
        let durable = doc.version().clone();
        self.docs.insert(id, Hosted { doc, durable, waiting: Vec::new(), waiting_bytes: 0, last: None });
    }

    /// A document, made empty if it is not here.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&mut self, id: &DocId, kind: Kind) -> Result<&D, OpenError> {
        self.hosted(id, kind).map(|hosted| &hosted.doc)
    }

    fn hosted(&mut self, id: &DocId, kind: Kind) -> Result<&mut Hosted<D>, OpenError> {
        if !self.docs.contains_key(id) {
            if self.docs.len() >= MAX_DOCS {
                return Err(OpenError::TooMany);
            }
            let doc = D::create(kind, self.config.id).ok_or(OpenError::UnknownKind(kind))?;
            self.load(id.clone(), doc);
        }
        match self.docs.get_mut(id) {
            Some(hosted) if hosted.doc.kind() == kind => Ok(hosted),
            Some(hosted) => Err(OpenError::OtherKind(hosted.doc.kind())),
            None => Err(OpenError::TooMany),
        }
    }

    /// Changes a document, made empty first if it is not here; what is new is stored and sent.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn edit<R>(
        &mut self,
        now: Millis,
        id: &DocId,
        kind: Kind,
        edit: impl FnOnce(&mut D) -> R,
    ) -> Result<R, OpenError> {
        let hosted = self.hosted(id, kind)?;
        let before = hosted.doc.version().clone();
        let result = edit(&mut hosted.doc);
        let novel: Vec<Span> = hosted.doc.version().since(&before).collect();
        if !novel.is_empty() {
            let delta = hosted.difference(before, hosted.doc.version().clone());
            self.changed(id, novel, delta, None);
            self.timers(now);
        }
        Ok(result)
    }

    /// Takes a delta that came over no link.
    ///
    /// # Errors
    /// Those of the document.
    pub fn apply(
        &mut self,
        now: Millis,
        id: &DocId,
        kind: Kind,
        delta: &Delta,
    ) -> Result<Applied, ApplyError> {
        let hosted =
            self.hosted(id, kind).map_err(|_| ApplyError::Refused("the document cannot be opened"))?;
        let applied = hosted.doc.apply(delta)?;
        if !applied.novel.is_empty() {
            self.changed(id, applied.novel.clone(), Arc::new(delta.clone()), None);
            self.retry_waiting(id);
            self.timers(now);
        }
        Ok(applied)
    }

    /// Adds to what this peer wants to receive, and tells all peers.
    pub fn subscribe(&mut self, more: Interest) {
        let interest = &mut self.config.interest;
        interest.prefixes.extend(more.prefixes);
        interest.names.extend(more.names);
        interest.prefixes.sort_unstable();
        interest.prefixes.dedup();
        interest.names.sort_unstable();
        interest.names.dedup();
        for link in self.links.values_mut() {
            link.due.interest = true;
            link.due.digest = true;
        }
        self.announce_ready();
    }

    // ---- presence ----

    /// Sets this peer's presence in a document; `None` ends it. Values over 4 KiB are cut off.
    pub fn set_presence(&mut self, now: Millis, doc: &DocId, value: Option<Vec<u8>>) {
        let of = self.config.id;
        let clock = self.presences.get(doc, of).map_or(now, |entry| entry.clock.max(now)) + 1;
        let value = value.map(|mut bytes| {
            bytes.truncate(MAX_PRESENCE);
            bytes
        });
        let entry = Entry { clock, value, from: None, expires: now + self.config.presence_ttl };
        if self.presences.put(doc, of, entry) {
            self.spread_presence(doc, of, None);
        }
        self.renew_at.get_or_insert(now + self.config.presence_ttl / 3);
    }

    /// Who is present in a document.
    pub fn presence(&self, doc: &DocId) -> Vec<(ReplicaId, Vec<u8>)> {
        self.presences.of(doc).filter_map(|(of, entry)| Some((of, entry.value.clone()?))).collect()
    }

    fn spread_presence(&mut self, doc: &DocId, of: ReplicaId, except: Option<LinkId>) {
        let value = self.presences.get(doc, of).and_then(|entry| entry.value.clone());
        if of != self.config.id {
            self.outputs.push_back(Output::Presence { doc: doc.clone(), from: of, value });
        }
        for (id, link) in &mut self.links {
            if Some(*id) != except && link.wants(doc) {
                link.due.presence.insert((doc.clone(), of));
            }
        }
        self.announce_ready();
    }

    // ---- driving ----

    /// Takes one input.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::LinkUp { link, .. } => {
                self.links.insert(link, Link::new());
                self.compare_at.get_or_insert(now + self.config.anti_entropy_interval);
            }
            Input::LinkDown { link } => self.drop_link(now, link),
            Input::Frame { link, bytes } => self.message(now, link, &bytes),
            Input::Durable { doc, version } => self.durable_now(&doc, &version),
            Input::Wake => {}
        }
        self.timers(now);
        self.announce_ready();
    }

    /// The next thing for the shell to do or know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Wake`] at the latest.
    pub fn next_deadline(&self) -> Option<Millis> {
        let want = self.wants.first().map(|(at, _, _)| *at);
        let rest = [self.announce_at, self.compare_at, self.renew_at, self.presences.next_expiry()];
        rest.into_iter().chain([want]).flatten().min()
    }

    fn timers(&mut self, now: Millis) {
        if std::mem::take(&mut self.unannounced) && self.announce_at.is_none() {
            self.announce_at = Some(now + self.jittered(self.config.have_interval));
        }
        if self.announce_at.is_some_and(|at| at <= now) {
            self.announce_at = None;
            for link in self.links.values_mut() {
                let lazy = std::mem::take(&mut link.lazy);
                link.due.haves.extend(lazy);
            }
        }
        if self.compare_at.is_some_and(|at| at <= now) {
            self.compare_at = None;
            if !self.links.is_empty() {
                let interval = self.jittered(self.config.anti_entropy_interval);
                self.compare_at = Some(now + interval);
            }
            self.links.values_mut().for_each(|link| link.due.digest = true);
        }
        while let Some((at, link, doc)) = self.wants.pop_first() {
            if at > now {
                self.wants.insert((at, link, doc));
                break;
            }
            self.want(now, link, &doc);
        }
        if self.renew_at.is_some_and(|at| at <= now) {
            self.renew_at = None;
            let own = self.presences.own(now + self.config.presence_ttl);
            if !own.is_empty() {
                self.renew_at = Some(now + self.config.presence_ttl / 3);
            }
            own.into_iter().for_each(|(doc, of)| self.spread_presence(&doc, of, None));
        }
        for (doc, of) in self.presences.expire(now, self.config.presence_ttl) {
            self.outputs.push_back(Output::Presence { doc, from: of, value: None });
        }
    }

    /// A span of time between 3/4 and 5/4 of this one, so that peers do not act in step.
    fn jittered(&mut self, interval: Millis) -> Millis {
        // splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        interval - interval / 4 + (z ^ (z >> 31)) % (interval / 2 + 1)
    }

    fn announce_ready(&mut self) {
        for (id, link) in &mut self.links {
            if !link.ready && link.has_work() {
                link.ready = true;
                self.outputs.push_back(Output::Ready { link: *id });
            }
        }
    }

    // ---- links ----

    fn drop_link(&mut self, now: Millis, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        if let Some(peer) = &link.peer {
            self.past[usize::from(peer.role == Role::Client)].add(&link.traffic);
        }
        self.wants.retain(|(_, of, _)| *of != id);
        let orphans: Vec<ReplicaId> =
            self.parents.iter().filter(|(_, parent)| **parent == id).map(|(r, _)| *r).collect();
        for author in orphans {
            self.parents.remove(&author);
            for other in self.links.values_mut().filter(|other| other.pruning.contains(&author)) {
                other.pruning.remove(&author);
                other.due.prunes.remove(&author);
                other.due.grafts.insert(author);
            }
        }
        for (doc, of, clock) in self.presences.from(id) {
            // A relay may come back; who was at this end of a client's link is gone.
            if link.peer.as_ref().is_some_and(|peer| peer.role == Role::Client && peer.id == of) {
                let expires = now + self.config.presence_ttl;
                self.presences.put(&doc, of, Entry { clock: clock + 1, value: None, from: None, expires });
                self.spread_presence(&doc, of, None);
            }
        }
    }

    fn close(&mut self, now: Millis, id: LinkId, reason: Violation) {
        self.drop_link(now, id);
        self.outputs.push_back(Output::Close { link: id, reason });
    }

    fn message(&mut self, now: Millis, id: LinkId, bytes: &[u8]) {
        if let Err(reason) = self.frames(now, id, bytes) {
            self.close(now, id, reason);
        }
    }

    fn frames(&mut self, now: Millis, id: LinkId, bytes: &[u8]) -> Result<(), Violation> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.traffic.bytes_in += bytes.len() as u64;
        if bytes.len() > MAX_MESSAGE {
            return Err(format!("a message of {} bytes; the most is {MAX_MESSAGE}", bytes.len()));
        }
        for (kind, body) in frame::split(bytes).map_err(|error| format!("not a message: {error}"))? {
            let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
            let content = kind == kind::DELTA || kind == kind::FRAGMENT;
            link.traffic.control_in += u64::from(!content);
            let frame = frame::decode(kind, body, &link.their_replicas);
            let frame = frame.map_err(|error| format!("not a frame: {error}"))?;
            if link.peer.is_some() == matches!(frame, Frame::Hello { .. }) {
                return Err("the first frame, and no other, says who the peer is".into());
            }
            self.frame(now, id, frame)?;
        }
        Ok(())
    }

    fn frame(&mut self, now: Millis, id: LinkId, frame: Frame) -> Result<(), Violation> {
        match frame {
            Frame::Hello { protocol, peer, interest } => self.hello(id, protocol, peer, interest),
            Frame::Document { kind, name } => self.numbered(id, |link| link.their_docs.push((name, kind))),
            Frame::Replica(replica) => self.numbered(id, |link| link.their_replicas.push(replica)),
            Frame::Interest(interest) => {
                self.with_link(id, |link| {
                    link.interest = interest;
                    link.due.digest = true;
                });
                Ok(())
            }
            Frame::Digest { documents, sum } => {
                self.compare(id, documents, sum);
                Ok(())
            }
            Frame::Have { doc, version } => {
                let (doc, kind) = self.named(id, doc)?;
                self.have(now, id, &doc, kind, &version)
            }
            Frame::Want { doc, version } => {
                let (doc, _) = self.named(id, doc)?;
                self.wanted(id, &doc, version);
                Ok(())
            }
            Frame::Delta { doc, delta } => {
                let (doc, kind) = self.named(id, doc)?;
                self.delta(now, id, &doc, kind, Arc::new(delta))
            }
            Frame::Fragment { last, bytes } => self.fragment(now, id, last, &bytes),
            Frame::Ack { doc, version } => {
                let (doc, _) = self.named(id, doc)?;
                self.acked(id, &doc, &version);
                Ok(())
            }
            Frame::Prune(author) => {
                self.with_link(id, |link| {
                    if link.pruned.len() < MAX_PRUNED {
                        link.pruned.insert(author);
                    }
                });
                Ok(())
            }
            Frame::Graft(author) => {
                self.resume(id, |link| {
                    link.pruned.remove(&author);
                });
                Ok(())
            }
            Frame::Presence { doc, from, clock, value } => {
                let (doc, _) = self.named(id, doc)?;
                self.presence_in(now, id, &doc, from, clock, value);
                Ok(())
            }
            Frame::Unknown => Ok(()),
        }
    }

    fn with_link(&mut self, id: LinkId, f: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.get_mut(&id) {
            f(link);
        }
    }

    fn numbered(&mut self, id: LinkId, f: impl FnOnce(&mut Link)) -> Result<(), Violation> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if link.their_docs.len() >= MAX_NUMBERED || link.their_replicas.len() >= MAX_NUMBERED {
            return Err("too many documents or replicas on one link".into());
        }
        f(link);
        Ok(())
    }

    fn named(&self, id: LinkId, number: u64) -> Result<(DocId, Kind), Violation> {
        let docs = self.links.get(&id).map(|link| &link.their_docs);
        let doc = docs.and_then(|docs| docs.get(usize::try_from(number).ok()?));
        doc.cloned().ok_or_else(|| format!("document number {number} was never named"))
    }

    fn hello(
        &mut self,
        id: LinkId,
        protocol: u64,
        peer: PeerInfo,
        interest: Interest,
    ) -> Result<(), Violation> {
        if protocol != PROTOCOL {
            return Err(format!("the peer speaks protocol {protocol}, this program {PROTOCOL}"));
        }
        if peer.id == self.config.id {
            return Err("the peer is this very node".into());
        }
        self.outputs.push_back(Output::Hello { link: id, peer: peer.clone() });
        self.with_link(id, |link| {
            link.peer = Some(peer);
            link.interest = interest;
            link.due.digest = true;
        });
        Ok(())
    }

    // ---- comparing ----

    /// The documents within both sides' interest: how many have events, and a sum over their versions.
    fn digest(&self, link: &Link) -> (u64, u64) {
        let common = self.docs.iter().filter(|(id, hosted)| {
            link.interest.includes(id)
                && self.config.interest.includes(id)
                && !hosted.doc.version().is_empty()
        });
        common.fold((0, 0), |(n, sum), (id, hosted)| {
            (n + 1, sum.wrapping_add(fingerprint(id, hosted.doc.version())))
        })
    }

    fn compare(&mut self, id: LinkId, documents: u64, sum: u64) {
        let Some(link) = self.links.get(&id) else { return };
        let equal = self.digest(link) == (documents, sum);
        let shared = |doc: &&DocId| link.interest.includes(doc) && self.config.interest.includes(doc);
        let shared: Vec<DocId> = self.docs.keys().filter(shared).cloned().collect();
        if !equal {
            return self.with_link(id, |link| {
                // Whole versions, not news: whatever each thought that the other knows, now it is said.
                shared.iter().for_each(|doc| link.doc(doc).introduced = false);
                link.due.haves.extend(shared);
            });
        }
        for doc in shared {
            let Some(version) = self.docs.get(&doc).map(|hosted| hosted.doc.version().clone()) else {
                continue;
            };
            self.with_link(id, |link| {
                let peer = link.doc(&doc);
                for seen in [&mut peer.known, &mut peer.told, &mut peer.announced, &mut peer.delivered] {
                    seen.merge(&version);
                }
                peer.met = true;
            });
            self.after_told(id, &doc);
        }
    }

    /// The peer says what it has of a document.
    fn have(
        &mut self,
        now: Millis,
        id: LinkId,
        doc: &DocId,
        kind: Kind,
        version: &VersionVector,
    ) -> Result<(), Violation> {
        if !version.is_empty() && self.config.interest.includes(doc) && self.is_relevant(id, doc) {
            match self.hosted(doc, kind) {
                Ok(_) | Err(OpenError::UnknownKind(_)) => {}
                Err(error) => return Err(format!("document {doc}: {error}")),
            }
        }
        let mine = self.docs.get(doc).map(|hosted| hosted.doc.version().clone()).unwrap_or_default();
        let want_at = now + self.config.want_delay;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let peer = link.doc(doc);
        for seen in [&mut peer.known, &mut peer.told, &mut peer.delivered] {
            seen.merge(version);
        }
        peer.met = true;
        if !peer.introduced {
            link.due.haves.insert(doc.clone());
        } else if !mine.covers(version) && peer.want_at.is_none() {
            peer.want_at = Some(want_at);
            self.wants.insert((want_at, id, doc.clone()));
        }
        self.mark(id, doc);
        self.after_told(id, doc);
        Ok(())
    }

    /// Whether a link has anything to do with a document.
    fn is_relevant(&self, id: LinkId, doc: &DocId) -> bool {
        self.links.get(&id).is_some_and(|link| link.is_daemon() || link.interest.includes(doc))
    }

    /// After the peer has said what it has, or something has come: is all of it here, and is it safe?
    fn after_told(&mut self, id: LinkId, doc: &DocId) {
        let nothing = VersionVector::new();
        let version = self.docs.get(doc).map_or(&nothing, |hosted| hosted.doc.version());
        let Some(peer) = self.links.get_mut(&id).and_then(|link| link.docs.get_mut(doc)) else { return };
        if peer.met && !peer.synced && version.covers(&peer.told) {
            peer.synced = true;
            self.outputs.push_back(Output::Synced { link: id, doc: doc.clone() });
        }
        self.ack(id, doc);
    }

    // ---- content ----

    fn fragment(&mut self, now: Millis, id: LinkId, last: bool, bytes: &[u8]) -> Result<(), Violation> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.incoming.extend_from_slice(bytes);
        if link.incoming.len() > MAX_INCOMING {
            return Err(format!("a delta of more than {MAX_INCOMING} bytes"));
        }
        if !last {
            return Ok(());
        }
        let whole = std::mem::take(&mut link.incoming);
        let frame = frame::decode(kind::DELTA, &whole, &link.their_replicas);
        self.frame(now, id, frame.map_err(|error| format!("not a delta: {error}"))?)
    }

    fn delta(
        &mut self,
        now: Millis,
        id: LinkId,
        doc: &DocId,
        kind: Kind,
        delta: Arc<Delta>,
    ) -> Result<(), Violation> {
        if !self.config.interest.includes(doc) {
            return Err(format!("document {doc}: sent to one who does not want it"));
        }
        self.with_link(id, |link| {
            link.traffic.deltas_in += 1;
            let peer = link.doc(doc);
            for seen in [&mut peer.known, &mut peer.told, &mut peer.announced, &mut peer.delivered] {
                delta.spans.iter().for_each(|span| {
                    seen.advance(span.replica, span.to);
                });
            }
        });
        let hosted = self.hosted(doc, kind).map_err(|error| format!("document {doc}: {error}"))?;
        match hosted.doc.apply(&delta) {
            Ok(applied) => {
                self.note_direction(id, &delta, &applied.novel);
                if !applied.novel.is_empty() {
                    self.changed(doc, applied.novel, delta, Some(id));
                    self.retry_waiting(doc);
                }
                self.after_told(id, doc);
            }
            Err(ApplyError::Missing) => {
                let fits = hosted.waiting.len() < MAX_WAITING
                    && hosted.waiting_bytes + delta.body.len() <= MAX_WAITING_BYTES;
                if fits {
                    hosted.waiting_bytes += delta.body.len();
                    hosted.waiting.push((id, delta));
                }
                self.want_later(now, id, doc);
            }
            Err(error) => return Err(format!("document {doc}: {error}")),
        }
        Ok(())
    }

    /// Tries again the deltas that came before what they build on.
    fn retry_waiting(&mut self, doc: &DocId) {
        let mut progress = true;
        while progress {
            progress = false;
            let Some(hosted) = self.docs.get_mut(doc) else { return };
            for (from, delta) in std::mem::take(&mut hosted.waiting) {
                let Some(hosted) = self.docs.get_mut(doc) else { return };
                match hosted.doc.apply(&delta) {
                    Ok(applied) => {
                        hosted.waiting_bytes -= delta.body.len();
                        self.note_direction(from, &delta, &applied.novel);
                        if !applied.novel.is_empty() {
                            progress = true;
                            self.changed(doc, applied.novel, delta, Some(from));
                        }
                    }
                    Err(ApplyError::Missing) => hosted.waiting.push((from, delta)),
                    // It was sound in form when it came; what it builds on shows that it is not.
                    Err(_) => hosted.waiting_bytes -= delta.body.len(),
                }
            }
        }
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.after_told(link, doc));
    }

    /// Learns from a delta which link is the direction of its authors, and prunes one that brings what is
    /// known.
    fn note_direction(&mut self, id: LinkId, delta: &Delta, novel: &[Span]) {
        for span in novel {
            self.parents.insert(span.replica, id);
        }
        let between_daemons =
            self.config.role == Role::Daemon && self.links.get(&id).is_some_and(Link::is_daemon);
        let live = |parent: &LinkId| self.links.contains_key(parent);
        let other_parent = |author: ReplicaId| {
            author == self.config.id || self.parents.get(&author).is_some_and(|p| *p != id && live(p))
        };
        let known = delta
            .spans
            .iter()
            .filter(|span| between_daemons && novel.iter().all(|new| new.replica != span.replica));
        let prune: Vec<ReplicaId> = known.map(|span| span.replica).filter(|r| other_parent(*r)).collect();
        self.with_link(id, |link| {
            link.traffic.events_in += novel.iter().map(Span::len).sum::<u64>();
            link.traffic.duplicates_in += u64::from(novel.is_empty());
            novel.iter().for_each(|span| {
                link.pruning.remove(&span.replica);
            });
            for author in prune {
                if link.pruning.len() < MAX_PRUNED && link.pruning.insert(author) {
                    link.due.grafts.remove(&author);
                    link.due.prunes.insert(author);
                }
            }
        });
    }

    /// A document has new events: they are stored, told, and owed to all but the link they came from.
    fn changed(&mut self, doc: &DocId, novel: Vec<Span>, delta: Arc<Delta>, from: Option<LinkId>) {
        let Some(kind) = self.docs.get(doc).map(|hosted| hosted.doc.kind()) else { return };
        self.outputs.push_back(Output::Store { doc: doc.clone(), kind, delta });
        self.outputs.push_back(Output::Changed { doc: doc.clone(), novel, from });
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.mark(link, doc));
        self.announce_ready();
    }

    /// Marks a document on a link if its peer lacks something.
    fn mark(&mut self, id: LinkId, doc: &DocId) {
        let Some(version) = self.docs.get(doc).map(|hosted| hosted.doc.version()) else { return };
        let Some(link) = self.links.get_mut(&id).filter(|link| link.wants(doc)) else { return };
        let daemon = link.is_daemon();
        let peer = link.doc(doc);
        if !peer.known.covers(version) {
            link.due.deltas.insert(doc.clone());
        }
        if daemon && !link.doc(doc).announced.covers(version) {
            link.lazy.insert(doc.clone());
            self.unannounced = true;
        }
    }

    // ---- wanting ----

    fn want_later(&mut self, now: Millis, id: LinkId, doc: &DocId) {
        let at = now + self.config.want_delay;
        let Some(link) = self.links.get_mut(&id) else { return };
        let peer = link.doc(doc);
        if peer.want_at.is_none() {
            peer.want_at = Some(at);
            self.wants.insert((at, id, doc.clone()));
        }
    }

    /// The time to ask has come: asks if something that the peer has is still missing here.
    fn want(&mut self, now: Millis, id: LinkId, doc: &DocId) {
        let nothing = VersionVector::new();
        let version = self.docs.get(doc).map_or(&nothing, |hosted| hosted.doc.version());
        let Some(link) = self.links.get_mut(&id) else { return };
        let peer = link.doc(doc);
        peer.want_at = None;
        let missing: Vec<ReplicaId> = peer.told.since(version).map(|span| span.replica).collect();
        if missing.is_empty() {
            return;
        }
        // Ask again should this be lost: what the peer said to have is not here yet.
        let again = now + 10 * self.config.want_delay;
        peer.want_at = Some(again);
        link.due.wants.insert(doc.clone());
        for author in missing {
            link.pruning.remove(&author);
            link.due.prunes.remove(&author);
            self.parents.insert(author, id);
        }
        self.wants.insert((again, id, doc.clone()));
    }

    /// The peer asks for everything beyond what it has.
    fn wanted(&mut self, id: LinkId, doc: &DocId, version: VersionVector) {
        let beyond = |hosted: &Hosted<D>| hosted.doc.version().since(&version).map(|s| s.replica).collect();
        let authors: Vec<ReplicaId> = self.docs.get(doc).map(beyond).unwrap_or_default();
        self.with_link(id, |link| {
            authors.iter().for_each(|author| {
                link.pruned.remove(author);
            });
            link.doc(doc).known = version;
        });
        self.mark(id, doc);
    }

    /// Pushes again what a change of `pruned` allows.
    fn resume(&mut self, id: LinkId, change: impl FnOnce(&mut Link)) {
        self.with_link(id, change);
        let docs: Vec<DocId> = self.links.get(&id).into_iter().flat_map(|l| l.docs.keys().cloned()).collect();
        docs.iter().for_each(|doc| self.mark(id, doc));
    }

    // ---- durability ----

    fn durable_now(&mut self, doc: &DocId, version: &VersionVector) {
        let Some(hosted) = self.docs.get_mut(doc) else { return };
        hosted.durable.merge(version);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.ack(link, doc));
    }

    /// Marks an acknowledgement as due if the peer is waiting for one.
    fn ack(&mut self, id: LinkId, doc: &DocId) {
        let Some(hosted) = self.docs.get(doc) else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(peer) = link.docs.get(doc) else { return };
        if !peer.acked.covers(&hosted.durable.meet(&peer.delivered)) {
            link.due.acks.insert(doc.clone());
        }
    }

    fn acked(&mut self, id: LinkId, doc: &DocId, version: &VersionVector) {
        self.with_link(id, |link| {
            let peer = link.doc(doc);
            peer.durable.merge(version);
            peer.known.merge(version);
        });
        let version = version.clone();
        self.outputs.push_back(Output::Acked { link: id, doc: doc.clone(), version });
    }

    fn presence_in(
        &mut self,
        now: Millis,
        id: LinkId,
        doc: &DocId,
        of: ReplicaId,
        clock: u64,
        value: Option<Vec<u8>>,
    ) {
        if of == self.config.id || !self.config.interest.includes(doc) {
            return;
        }
        let entry = Entry { clock, value, from: Some(id), expires: now + self.config.presence_ttl };
        if self.presences.put(doc, of, entry) {
            self.spread_presence(doc, of, Some(id));
        }
    }

    // ---- sending ----

    /// The next message for a link, if anything is due to its peer.
    pub fn poll_transmit(&mut self, id: LinkId) -> Option<Vec<u8>> {
        let link = self.links.get_mut(&id)?;
        if !link.has_work() {
            link.ready = false;
            return None;
        }
        let mut numbers = std::mem::take(&mut link.numbers);
        let mut message = Message::new(&mut numbers);
        self.write(id, &mut message);
        let (control, empty) = (message.control, message.len() == 0);
        let bytes = message.into_bytes();
        let link = self.links.get_mut(&id)?;
        link.numbers = numbers;
        if empty {
            link.ready = false;
            return None;
        }
        link.traffic.control_out += control;
        link.traffic.bytes_out += bytes.len() as u64;
        Some(bytes)
    }

    /// Writes what is due, the most urgent first, until the message is long enough.
    fn write(&mut self, id: LinkId, message: &mut Message<'_>) {
        let config = &self.config;
        let Some(link) = self.links.get_mut(&id) else { return };
        if std::mem::take(&mut link.due.hello) {
            let Config { id, name, address, role, .. } = config.clone();
            message.hello(&PeerInfo { id, name, address, role }, &config.interest);
        }
        if link.peer.is_none() {
            return;
        }
        if std::mem::take(&mut link.due.interest) {
            message.interest(&config.interest);
        }
        if std::mem::take(&mut link.due.digest) {
            let Some(link) = self.links.get(&id) else { return };
            let (documents, sum) = self.digest(link);
            message.digest(documents, sum);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        for author in std::mem::take(&mut link.due.prunes) {
            message.about_replica(kind::PRUNE, author);
        }
        for author in std::mem::take(&mut link.due.grafts) {
            message.about_replica(kind::GRAFT, author);
        }
        self.write_versions(id, message);
        self.write_presence(id, message);
        self.write_deltas(id, message);
        self.write_fragment(id, message);
    }

    fn write_versions(&mut self, id: LinkId, message: &mut Message<'_>) {
        while let Some(link) = self.links.get_mut(&id).filter(|_| message.len() < BATCH) {
            let due = &mut link.due;
            let next = due.wants.pop_first().map(|doc| (kind::WANT, doc));
            let next = next.or_else(|| due.acks.pop_first().map(|doc| (kind::ACK, doc)));
            let next = next.or_else(|| due.haves.pop_first().map(|doc| (kind::HAVE, doc)));
            let Some((what, doc)) = next else { return };
            let hosted = self.docs.get(&doc);
            let doc_kind = hosted.map_or(Kind::DOC, |hosted| hosted.doc.kind());
            let doc_kind =
                link.their_docs.iter().find(|(d, _)| hosted.is_none() && *d == doc).map_or(doc_kind, |d| d.1);
            let version = hosted.map(|hosted| hosted.doc.version().clone()).unwrap_or_default();
            let peer = link.doc(&doc);
            let said = match what {
                kind::WANT => version,
                kind::ACK => {
                    let safe = hosted.map(|h| h.durable.meet(&peer.delivered)).unwrap_or_default();
                    peer.acked.merge(&safe);
                    safe
                }
                _ => {
                    let first = !std::mem::replace(&mut peer.introduced, true);
                    let news: VersionVector =
                        version.since(&peer.announced).map(|span| (span.replica, span.to)).collect();
                    peer.announced.merge(&version);
                    if !first && news.is_empty() {
                        continue;
                    }
                    if first { version } else { news }
                }
            };
            message.version(what, &doc, doc_kind, &said);
        }
    }

    fn write_presence(&mut self, id: LinkId, message: &mut Message<'_>) {
        while let Some(link) = self.links.get_mut(&id).filter(|_| message.len() < BATCH) {
            let Some((doc, of)) = link.due.presence.pop_first() else { return };
            let Some(entry) = self.presences.get(&doc, of) else { continue };
            let kind = self.docs.get(&doc).map_or(Kind::DOC, |hosted| hosted.doc.kind());
            let number = message.doc(&doc, kind);
            message.presence(number, of, entry.clock, entry.value.as_deref());
        }
    }

    fn write_deltas(&mut self, id: LinkId, message: &mut Message<'_>) {
        let mut put_back = Vec::new();
        while let Some(link) = self.links.get_mut(&id).filter(|_| message.len() < BATCH) {
            let Some(doc) = link.due.deltas.pop_first() else { break };
            let Some(hosted) = self.docs.get_mut(&doc) else { continue };
            let version = hosted.doc.version().clone();
            let pruned = std::mem::take(&mut link.pruned);
            let peer = link.doc(&doc);
            let known = peer.known.clone();
            let until: VersionVector = version
                .iter()
                .map(|(author, seq)| (author, if pruned.contains(&author) { known.get(author) } else { seq }))
                .collect();
            let delta = (!known.covers(&until)).then(|| hosted.difference(known, until.clone()));
            link.pruned = pruned;
            let Some(delta) = delta.filter(|delta| !delta.is_empty()) else { continue };
            let body = message.delta(&doc, hosted.doc.kind(), &delta);
            if body.len() > FRAGMENT && link.outgoing.is_some() {
                put_back.push(doc);
                continue;
            }
            let peer = link.doc(&doc);
            peer.known.merge(&until);
            peer.announced.merge(&until);
            link.traffic.deltas_out += 1;
            if body.len() > FRAGMENT {
                link.outgoing = Some((body.into_body(), 0));
            } else {
                message.frame(kind::DELTA, body);
            }
        }
        self.with_link(id, |link| link.due.deltas.extend(put_back));
    }

    fn write_fragment(&mut self, id: LinkId, message: &mut Message<'_>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some((bytes, at)) = link.outgoing.take() else { return };
        let end = (at + FRAGMENT).min(bytes.len());
        let last = end == bytes.len();
        message.fragment(last, bytes.get(at..end).unwrap_or_default());
        if !last {
            link.outgoing = Some((bytes, end));
        }
    }
}

impl<D: Document> Hosted<D> {
    /// The events of `until` that `since` lacks; computed once for all that ask for the same.
    fn difference(&mut self, since: VersionVector, until: VersionVector) -> Arc<Delta> {
        if let Some((a, b, delta)) = &self.last
            && *a == since
            && *b == until
        {
            return Arc::clone(delta);
        }
        let delta = Arc::new(self.doc.delta_between(&since, &until));
        self.last = Some((since, until, Arc::clone(&delta)));
        delta
    }
}

/// A number for a document at a version; sums of them tell sets of documents apart.
fn fingerprint(id: &DocId, version: &VersionVector) -> u64 {
    let mut w = Writer::new();
    w.str(id.as_str());
    for (replica, seq) in version.iter() {
        w.raw(replica.as_bytes());
        w.u64(seq);
    }
    // FNV-1a, and a last mix so that sums of similar ones do not meet.
    let hash = w.into_body().iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
