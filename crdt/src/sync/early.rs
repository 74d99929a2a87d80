//! Events stamped for a time that has not come. One clock that runs years ahead would drag the documents of all, as what
//! is stamped last wins: such events are held back, which is to leave them with the peer that has them, and are asked
//! for when their time has come. What others wrote in the same document is asked for without them.

use std::collections::BTreeMap;

use crate::delta::Delta;
use crate::hlc::Hlc;
use crate::id::{ReplicaId, Span};
use crate::sync::link::Want;
use crate::sync::node::Node;
use crate::sync::{DocId, Document, LinkId, MAX_EARLY, Millis, Output};

/// What is held back, and the clock by which it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Early {
    /// A moment, and what the wall clock showed then.
    clock: Option<(Millis, u64)>,
    /// The latest stamp of each author in a document.
    docs: BTreeMap<DocId, BTreeMap<ReplicaId, Hlc>>,
    authors: usize,
    /// The first of all, or one before it.
    first: Option<Hlc>,
}

impl Early {
    /// The last stamp that may be now, in milliseconds since 1970; without a clock any may.
    pub(crate) fn latest(&self, now: Millis, drift: Millis) -> u64 {
        let Some((at, wall)) = self.clock else { return u64::MAX };
        wall.saturating_add(now.saturating_sub(at)).saturating_add(drift)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    /// Whether something of a document is held back.
    pub(crate) fn holds(&self, doc: &DocId) -> bool {
        self.docs.contains_key(doc)
    }

    /// Whether an author's events in a document are.
    pub(crate) fn holds_of(&self, doc: &DocId, author: ReplicaId) -> bool {
        self.docs.get(doc).is_some_and(|authors| authors.contains_key(&author))
    }

    /// Whether events of one of the authors are.
    pub(crate) fn holds_any_of(&self, doc: &DocId, spans: &[Span]) -> bool {
        self.holds(doc) && spans.iter().any(|span| self.holds_of(doc, span.replica))
    }

    /// Notes that an author's events are held back; whether that is new.
    fn note(&mut self, doc: &DocId, author: ReplicaId, stamp: Hlc) -> bool {
        let known = self.docs.get_mut(doc).and_then(|authors| authors.get_mut(&author));
        if let Some(known) = known {
            known.observe(stamp);
            return false;
        }
        if self.authors < MAX_EARLY {
            self.authors += 1;
            self.first = Some(self.first.map_or(stamp, |first| first.min(stamp)));
            self.docs.entry(doc.clone()).or_default().insert(author, stamp);
        }
        true
    }

    fn forget(&mut self, doc: &DocId) {
        self.authors -= self.docs.remove(doc).map_or(0, |authors| authors.len());
        self.find_first();
    }

    fn find_first(&mut self) {
        self.first = self.docs.values().flat_map(BTreeMap::values).min().copied();
    }

    /// The documents of which something may be taken now.
    fn due(&self, latest: u64) -> Vec<DocId> {
        let any = |authors: &BTreeMap<ReplicaId, Hlc>| authors.values().any(|stamp| stamp.millis() <= latest);
        self.docs.iter().filter(|(_, authors)| any(authors)).map(|(doc, _)| doc.clone()).collect()
    }

    /// When the first of them may be taken.
    pub(crate) fn next_deadline(&self, drift: Millis) -> Option<Millis> {
        let (at, wall) = self.clock?;
        Some(at.saturating_add(self.first?.millis().saturating_sub(drift).saturating_sub(wall)))
    }
}

impl<D: Document> Node<D> {
    /// Tells what the wall clock shows at `now`, in milliseconds since 1970; tell it now and then, as clocks are set. From
    /// the first time on, events from links that are stamped more than [`Config::max_drift`](super::Config::max_drift) later
    /// are held back ([`Output::Early`]), and taken when the clock has come there. A node that is never told takes all.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, Node, Role};
    /// # use crdt::ReplicaId;
    /// let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// let start = std::time::Instant::now();
    /// let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    /// node.set_clock(start.elapsed().as_millis() as u64, wall.as_millis() as u64);
    /// assert_eq!(node.early().count(), 0); // nothing is held back
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_clock(&mut self, now: Millis, wall_ms: u64) {
        self.early.clock = Some((now, wall_ms));
    }

    /// What is held back since its time has not come: the document, the author, and its latest stamp.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, Node, Role};
    /// # use crdt::ReplicaId;
    /// let node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// for (doc, author, stamp) in node.early() {
    ///     println!("{doc}: {} has a clock that showed {} ms", author.short(), stamp.millis());
    /// }
    /// ```
    pub fn early(&self) -> impl Iterator<Item = (&DocId, ReplicaId, Hlc)> {
        let of = |(doc, authors)| {
            let authors: &BTreeMap<ReplicaId, Hlc> = authors;
            authors.iter().map(move |(author, stamp)| (doc, *author, *stamp))
        };
        self.early.docs.iter().flat_map(of)
    }

    /// Takes what of a delta may be taken, and leaves the rest where it is until its time has come.
    pub(crate) fn hold_back(
        &mut self,
        now: Millis,
        id: LinkId,
        doc: &DocId,
        delta: &Delta,
        stamps: &BTreeMap<ReplicaId, Hlc>,
    ) {
        let latest = self.early.latest(now, self.config.max_drift);
        let part = self.docs.get(doc).and_then(|held| held.doc()?.part_until(delta, latest));
        if let Some(part) = part {
            // That it fits was seen when it was made; were it not so, it would come with the rest.
            let _ = self.take_delta(now, doc, &part, Some(id));
        }
        let wall = self.early.latest(now, 0);
        for (author, stamp) in stamps {
            if self.early.note(doc, *author, *stamp) {
                let (doc, ahead) = (doc.clone(), stamp.millis().saturating_sub(wall));
                self.outputs.push_back(Output::Early { link: id, doc, author: *author, ahead });
            }
        }
        // Others have built on it; what comes of them now goes on from what is not here.
        let last = stamps.values().max().copied().unwrap_or_default();
        for span in &delta.spans {
            if self.version(doc).is_none_or(|version| version.get(span.replica) < span.to) {
                self.early.note(doc, span.replica, last);
            }
        }
        self.settle(now, id, doc);
    }

    /// Asks again for what a peer has of a document and is not here.
    fn ask_anew(&mut self, now: Millis, id: LinkId, doc: &DocId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(peered) = link.docs.get(doc).filter(|peered| !peered.refused) else { return };
        let claim = || Want { at: now, tries: 0, claim: peered.theirs.clone() };
        link.wants.entry(doc.clone()).or_insert_with(claim);
    }

    /// Holds nothing of a document back any more: what is still too early will be found to be when it comes.
    pub(crate) fn release(&mut self, now: Millis, doc: &DocId) {
        self.early.forget(doc);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links.into_iter().for_each(|id| self.ask_anew(now, id, doc));
    }

    /// Asks for what was held back and may be taken now.
    pub(crate) fn release_due(&mut self, now: Millis) {
        let latest = self.early.latest(now, self.config.max_drift);
        if self.early.first.is_none_or(|first| first.millis() > latest) {
            return;
        }
        let due = self.early.due(latest);
        self.early.find_first();
        due.into_iter().for_each(|doc| self.release(now, &doc));
    }
}
