//! The outgoing half of a [`Node`]: turns marks into frames at the moment a socket can take them.

use std::sync::Arc;

use crate::delta::Delta;
use crate::id::{ReplicaId, Span};
use crate::sync::frame::{Frame, Hello, SKETCHES};
use crate::sync::held::{Held, Live};
use crate::sync::link::{Bulk, Fault, Link};
use crate::sync::node::{Node, effective_interest};
use crate::sync::reconcile::Message;
use crate::sync::{
    BATCH_BYTES, DocId, Document, FRAGMENT_BYTES, Kind, LinkId, MAX_MESSAGE, MAX_TRANSFER,
    MAX_VERSION_ENTRIES, Millis, PROTOCOL, STEP_BYTES, STEP_EVENTS,
};
use crate::version::VersionVector;

/// More replicas than this in one difference, and it goes in the stand-alone form.
const MAX_INDEXED: usize = 1024;

impl<D: Document> Live<D> {
    /// The difference of exactly these spans to one at `known`.
    fn delta(&mut self, known: &VersionVector, spans: &[Span]) -> Arc<Delta> {
        let behind = self.doc.is_behind(known);
        if let Some(delta) = self.cache.get(spans).filter(|_| !behind) {
            return delta;
        }
        let mut until = known.clone();
        spans.iter().for_each(|span| {
            until.advance(span.replica, span.to);
        });
        let delta = Arc::new(self.doc.delta_between(known, &until));
        self.cache.put(delta.clone());
        delta
    }
}

impl<D: Document> Node<D> {
    /// The next message for this link, if it is owed anything; at most [`MAX_MESSAGE`] bytes.
    ///
    /// Content is computed here, as the difference to what the peer has by now: a link that is not
    /// polled for long is then owed one merged difference for each document, however many edits there were.
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
    /// for n in 0..100 {
    ///     a.edit(0, &note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", n)))?;
    /// }
    /// meet(&mut a, &mut b);
    /// assert_eq!(a.traffic(Role::Daemon).deltas_out, 1); // one difference, not a hundred
    /// # let _ = put;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_transmit(&mut self, now: Millis, link: LinkId) -> Option<Vec<u8>> {
        match self.fill(now, link) {
            Ok(message) if message.is_empty() => {
                self.links.get_mut(&link)?.ready = false;
                None
            }
            Ok(message) => {
                let link = self.links.get_mut(&link)?;
                link.traffic.bytes_out += message.len() as u64;
                link.ready = link.has_work();
                Some(message)
            }
            Err(reason) => {
                self.close(now, link, reason);
                None
            }
        }
    }

    /// Whether there is something to send on a link now.
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
    /// assert!(!a.owes(link));
    /// put(&mut a, &note)?;
    /// assert!(a.owes(link));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn owes(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| link.has_work())
    }

    fn fill(&mut self, now: Millis, id: LinkId) -> Result<Vec<u8>, Fault> {
        let mut message = Vec::new();
        while let Some(link) = self.links.get_mut(&id) {
            while let Some(frame) = link.staged.front() {
                if !message.is_empty() && message.len() + frame.len() > MAX_MESSAGE {
                    return Ok(message);
                }
                message.extend_from_slice(frame);
                link.staged.pop_front();
            }
            if message.len() >= BATCH_BYTES || !self.stage_next(now, id)? {
                break;
            }
        }
        Ok(message)
    }

    /// Stages the next thing in order of priority. `false` when nothing is owed.
    fn stage_next(&mut self, now: Millis, id: LinkId) -> Result<bool, Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(false) };
        if !link.hello_sent {
            link.hello_sent = true;
            self.stage_hello(id);
        } else if link.peer.is_none() {
            return Ok(false);
        } else if std::mem::take(&mut link.tell_interest) {
            link.stage(&Frame::Interest(effective_interest(&self.config)));
        } else if std::mem::take(&mut link.tell_digest) {
            let digest = self.digest_for(id);
            self.stage(id, &Frame::Digest(digest));
        } else if let Some(replica) = link.prune.pop_first() {
            let ix = link.replica_ix(replica)?;
            link.stage(&Frame::Prune(ix));
        } else if let Some((doc, replicas)) = link.want.pop_first() {
            self.stage_want(id, &doc, &replicas)?;
        } else if let Some(doc) = link.have.pop_first() {
            self.stage_have(id, &doc)?;
        } else if let Some(replica) = link.graft.pop_first() {
            let ix = link.replica_ix(replica)?;
            link.stage(&Frame::Graft(ix));
        } else if let Some(prefix) = link.describe.pop_first() {
            let message = self.index.describe(prefix);
            self.stage(id, &Frame::Reconcile(message));
        } else if let Some((prefix, hashes)) = link.lacks.pop_first() {
            link.stage(&Frame::Reconcile(Message::Lacks { prefix, hashes }));
        } else if let Some((from, count)) = link.meeting.send.take() {
            self.stage_cells(id, from, count);
        } else if let Some((from, count)) = link.meeting.ask.take() {
            link.stage(&Frame::More { from: from as u64, count: count as u64 });
        } else if let Some(doc) = link.ack.pop_first() {
            self.stage_ack(id, &doc)?;
        } else if let Some(question) = link.questions.pop_first() {
            self.stage_question(id, question)?;
        } else if let Some(answer) = link.answers.pop_first() {
            self.stage_answer(id, answer)?;
        } else if let Some(key) = link.presence.pop_first() {
            if link.presence.is_empty() {
                link.presence_at = now.saturating_add(self.config.presence_interval);
            }
            self.stage_presence(id, key)?;
        } else if link.owes_fragment() {
            self.stage_fragment(id)?;
        } else if let Some(doc) = link.owed.next() {
            if !link.large.contains(&doc) {
                self.stage_delta(now, id, &doc)?;
            }
        } else if link.can_warm() {
            self.warm(id);
        } else if link.bulk.is_some() {
            self.stage_fragment(id)?;
        } else if let Some(doc) = link.large.pop_first() {
            self.stage_delta(now, id, &doc)?;
        } else if std::mem::take(&mut link.meeting.tell) {
            self.stage_fed(id);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub(crate) fn stage(&mut self, id: LinkId, frame: &Frame) {
        if let Some(link) = self.links.get_mut(&id) {
            link.stage(frame);
        }
    }

    fn stage_hello(&mut self, id: LinkId) {
        let hello = Hello {
            oldest: PROTOCOL,
            newest: PROTOCOL,
            id: self.config.id,
            name: self.config.name.chars().take(256).collect(),
            address: self.config.address.chars().take(256).collect(),
            role: self.config.role,
            interest: effective_interest(&self.config),
            required: 0,
            optional: if self.sketch.is_some() { SKETCHES } else { 0 },
        };
        self.stage(id, &Frame::Hello(hello));
    }

    /// The kind of a document that is held here or that the peer has named on this link.
    fn kind_on(&self, link: &Link, doc: &DocId) -> Option<Kind> {
        self.docs.get(doc).map(|held| held.kind()).or_else(|| link.kind_of(doc))
    }

    fn stage_want(&mut self, id: LinkId, doc: &DocId, replicas: &[ReplicaId]) -> Result<(), Fault> {
        let Some(kind) = self.links.get(&id).and_then(|link| self.kind_on(link, doc)) else { return Ok(()) };
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let empty = VersionVector::new();
        let version = self.docs.get(doc).map_or(&empty, |held| held.version());
        let entry = |replica: &ReplicaId| Ok((link.replica_ix(*replica)?, version.get(*replica)));
        let entries =
            replicas.iter().take(MAX_VERSION_ENTRIES).map(entry).collect::<Result<Vec<_>, Fault>>()?;
        let frame = Frame::Want { doc: link.doc_ix(doc, kind)?, version: entries };
        link.stage(&frame);
        Ok(())
    }

    fn stage_have(&mut self, id: LinkId, doc: &DocId) -> Result<(), Fault> {
        let Some(kind) = self.links.get(&id).and_then(|link| self.kind_on(link, doc)) else { return Ok(()) };
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let version = self.docs.get(doc).map(|held| held.version().clone()).unwrap_or_default();
        let peered = link.docs.entry(doc.clone()).or_default();
        let news = match &peered.announced {
            None => version.clone(),
            Some(announced) => {
                let told = announced.clone().merged(&peered.known);
                version.since(&told).map(|span| (span.replica, span.to)).collect()
            }
        };
        if peered.announced.is_some() && news.is_empty() {
            return Ok(());
        }
        peered.announced = Some(version);
        peered.told = true;
        let frame = Frame::Have { doc: link.doc_ix(doc, kind)?, version: link.version_ix(&news)? };
        link.stage(&frame);
        Ok(())
    }

    fn stage_ack(&mut self, id: LinkId, doc: &DocId) -> Result<(), Fault> {
        let (Some(link), Some(held)) = (self.links.get_mut(&id), self.docs.get(doc)) else { return Ok(()) };
        let peered = link.docs.entry(doc.clone()).or_default();
        let news: VersionVector =
            held.durable().since(&peered.acked).map(|span| (span.replica, span.to)).collect();
        if news.is_empty() {
            return Ok(());
        }
        peered.acked.merge(&news);
        let frame = Frame::Ack { doc: link.doc_ix(doc, held.kind())?, version: link.version_ix(&news)? };
        link.stage(&frame);
        Ok(())
    }

    fn stage_presence(&mut self, id: LinkId, key: (DocId, crate::ReplicaId)) -> Result<(), Fault> {
        let (Some(link), Some(shown)) = (self.links.get_mut(&id), self.presences.get(&key)) else {
            return Ok(());
        };
        let kind = self.docs.get(&key.0).map(|held| held.kind()).or_else(|| link.kind_of(&key.0));
        let doc = link.doc_ix(&key.0, kind.unwrap_or(Kind::DOC))?;
        let replica = link.replica_ix(key.1)?;
        link.stage(&Frame::Presence { doc, replica, clock: shown.clock, value: shown.value.clone() });
        Ok(())
    }

    /// Sends the peer what it lacks of a document, but for what it pruned.
    fn stage_delta(&mut self, now: Millis, id: LinkId, doc: &DocId) -> Result<(), Fault> {
        let have_after = self.jitter(self.config.have_interval);
        let (Some(link), Some(held)) = (self.links.get_mut(&id), self.docs.get_mut(doc)) else {
            return Ok(());
        };
        let mut peered = std::mem::take(&mut **link.docs.entry(doc.clone()).or_default());
        let result = push(link, held, &mut peered, doc, now.saturating_add(have_after));
        link.docs.entry(doc.clone()).and_modify(|kept| **kept = peered);
        result
    }

    /// Asks for documents that are owed to this link and not in memory: a few at a time, as it can take them.
    fn warm(&mut self, id: LinkId) {
        while let Some(link) = self.links.get_mut(&id).filter(|link| link.can_warm()) {
            let Some(doc) = link.cold.pop_first() else { return };
            let here = self.ensure(&doc);
            let coming = !here && self.docs.get_mut(&doc).is_some_and(|held| held.wait(id));
            let Some(link) = self.links.get_mut(&id) else { return };
            if here {
                link.owed.lacks(&doc);
            } else if coming {
                link.warming.insert(doc);
            }
        }
    }

    fn stage_fragment(&mut self, id: LinkId) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let Some(mut bulk) = link.bulk.take() else { return Ok(()) };
        let Some(kind) = self.docs.get(&bulk.doc).map(|held| held.kind()) else { return Ok(()) };
        let doc = link.doc_ix(&bulk.doc, kind)?;
        let end = bulk.bytes.len().min(bulk.at + FRAGMENT_BYTES);
        let bytes = bulk.bytes.get(bulk.at..end).unwrap_or_default().to_vec();
        let (total, offset) = (bulk.bytes.len() as u64, bulk.at as u64);
        link.stage(&Frame::Fragment { doc, total, offset, bytes });
        bulk.at = end;
        if end < bulk.bytes.len() {
            link.bulk = Some(bulk);
        }
        Ok(())
    }
}

/// Leaves of these spans, all that the peer lacks, what makes one step. Gives whether more will be left.
fn shorten<D: Document>(
    live: &mut Live<D>,
    peered: &mut crate::sync::link::Peered,
    spans: &mut Vec<Span>,
) -> bool {
    let lacking = events(spans);
    if peered.step == 0 {
        peered.step = STEP_EVENTS;
    }
    while events(spans) > peered.step || live.delta(&peered.known, spans).body.len() > STEP_BYTES {
        let step = peered.step.min(events(spans).div_ceil(2));
        let until = live.doc.step(&peered.known, step);
        let fewer: Vec<Span> = until.since(&peered.known).collect();
        if fewer.is_empty() || events(&fewer) >= events(spans) {
            break; // it cannot be divided
        }
        peered.step = step.max(1);
        *spans = fewer;
    }
    events(spans) < lacking
}

fn events(spans: &[Span]) -> u64 {
    spans.iter().fold(0, |sum: u64, span| sum.saturating_add(span.len()))
}

/// Stages the difference between a document and what the peer knows of it.
fn push<D: Document>(
    link: &mut Link,
    held: &mut Held<D>,
    peered: &mut crate::sync::link::Peered,
    doc: &DocId,
    have_at: Millis,
) -> Result<(), Fault> {
    if !link.peer_interest.includes(doc) {
        return Ok(());
    }
    if !peered.heard {
        if !peered.told {
            link.have.insert(doc.clone());
        }
        return Ok(());
    }
    if link.bulk.as_ref().is_some_and(|bulk| bulk.doc == *doc) {
        link.large.insert(doc.clone());
        return Ok(());
    }
    let mut spans: Vec<Span> = held.version().since(&peered.known).collect();
    let lacking = spans.len();
    spans.retain(|span| !link.pruned_by_peer.contains(&span.replica));
    if spans.len() < lacking {
        link.withheld.insert(doc.clone());
        link.lazy.insert(doc.clone());
        link.have_at.get_or_insert(have_at);
    } else {
        link.withheld.remove(doc);
    }
    if spans.is_empty() {
        return Ok(());
    }
    let kind = held.kind();
    let Some(live) = held.work() else {
        link.cold.insert(doc.clone());
        return Ok(());
    };
    if spans.len() == lacking && shorten(live, peered, &mut spans) {
        link.owed.lacks(doc);
    }
    let delta = live.delta(&peered.known, &spans);
    let small = delta.body.len() <= FRAGMENT_BYTES && spans.len() + delta.others.len() <= MAX_INDEXED;
    if small {
        let ix = link.doc_ix(doc, kind)?;
        let frame = link.delta_ix(ix, &delta)?;
        link.stage(&frame);
    } else if link.bulk.is_some() {
        link.owed.remove(doc);
        link.large.insert(doc.clone());
        return Ok(());
    } else {
        let bytes = delta.to_bytes();
        if bytes.len() > MAX_TRANSFER {
            return Err(format!("a difference of {doc} is over the largest that may be sent"));
        }
        link.bulk = Some(Bulk { doc: doc.clone(), since: peered.known.clone(), bytes, at: 0 });
    }
    // To one that is behind what the document has forgotten it is all of it, pruned authors too.
    delta.spans.iter().for_each(|span| {
        peered.known.advance(span.replica, span.to);
    });
    Ok(())
}
