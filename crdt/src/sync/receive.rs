//! The incoming half of a [`Node`]: one match, one arm for each frame.

use crate::codec::{DecodeError, Reader};
use crate::delta::{Applied, ApplyError, Delta};
use crate::id::{ReplicaId, Span};
use crate::sync::frame::{Entry, Frame, Hello, SKETCHES};
use crate::sync::link::{Fault, Want};
use crate::sync::node::{Node, Parent, effective_interest};
use crate::sync::presence::Shown;
use crate::sync::{
    DocId, Document, EACH_PENDING, FOLLOWS, Interest, Kind, LAST_RESORT, LinkId, MAX_ALL_PENDING_BYTES,
    MAX_ALL_TRANSFERS, MAX_MESSAGE, MAX_PATIENCE, MAX_PENDING, MAX_PENDING_BYTES, MAX_TRANSFER, MAX_TREES,
    MAX_VERSION_ENTRIES, Millis, Output, PROTOCOL, PeerInfo, Role,
};
use crate::version::VersionVector;

impl<D: Document> Node<D> {
    /// Takes a whole message. A fault closes the link; what came before it in the message stays.
    pub(crate) fn take_message(&mut self, now: Millis, id: LinkId, bytes: &[u8]) {
        if let Err(reason) = self.take_frames(now, id, bytes) {
            self.close(now, id, reason);
        }
    }

    fn take_frames(&mut self, now: Millis, id: LinkId, bytes: &[u8]) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.traffic.bytes_in += bytes.len() as u64;
        if bytes.len() > MAX_MESSAGE {
            return Err("a message over the largest size".into());
        }
        let mut r = Reader::new(bytes, &[]);
        while r.remaining() > 0 {
            let frame = Frame::read(&mut r).map_err(|e| e.to_string())?;
            let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
            match frame {
                Some(frame) => {
                    let content = frame.is_content()
                        && !matches!(&frame, Frame::Fragment { offset, .. } if *offset > 0);
                    link.traffic.deltas_in += u64::from(content);
                    link.traffic.control_in += u64::from(!frame.is_content());
                    self.take_frame(now, id, frame)?;
                }
                None => link.traffic.control_in += 1,
            }
        }
        Ok(())
    }

    fn take_frame(&mut self, now: Millis, id: LinkId, frame: Frame) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if link.peer.is_some() == matches!(frame, Frame::Hello(_)) {
            return Err("a connection starts with one hello".into());
        }
        match frame {
            Frame::Hello(hello) => self.take_hello(now, id, hello),
            Frame::Interest(interest) => {
                self.take_interest(now, id, interest);
                Ok(())
            }
            Frame::DefineDoc { name, .. } if self.config.lane.is_some_and(|lane| !lane.includes(&name)) => {
                Err("named a document of another lane".into())
            }
            Frame::DefineDoc { kind, name } => link.define_doc(name, kind),
            Frame::DefineReplica(replica) => link.define_replica(replica),
            Frame::Digest(digest) => {
                self.take_digest(id, &digest);
                Ok(())
            }
            Frame::Reconcile(message) => {
                self.take_reconcile(id, &message);
                Ok(())
            }
            Frame::Cells { from, cells } => self.take_cells(id, from, &cells),
            Frame::More { from, count } => {
                self.take_more(id, from, count);
                Ok(())
            }
            Frame::Fed(moment) => {
                self.take_fed(id, moment);
                Ok(())
            }
            Frame::Have { doc, version } => self.take_have(now, id, doc, &version),
            Frame::Want { doc, version } => self.take_want(id, doc, &version),
            Frame::Delta { doc, spans, others, body } => {
                let delta = link.delta_at(&spans, &others, body)?;
                self.take_content(now, id, doc, delta)
            }
            Frame::Fragment { doc, total, offset, bytes } => {
                link.doc_at(doc)?;
                let whole = link.reassemble(doc, total, offset, bytes)?;
                self.bound_transfers(now);
                whole.map_or(Ok(()), |delta| self.take_content(now, id, doc, delta))
            }
            Frame::Ack { doc, version } => self.take_ack(id, doc, &version),
            Frame::Question(asked) => self.take_question(now, id, &asked),
            Frame::Answer { asker, number, by } => self.take_answer(id, asker, number, by),
            Frame::Prune(replica) => {
                let replica = link.replica_at(replica)?;
                if link.pruned_by_peer.len() < MAX_TREES {
                    link.pruned_by_peer.insert(replica);
                }
                // It has another source now, and may be one.
                if let Some(rank @ &mut LAST_RESORT) = link.pruned_by_us.get_mut(&replica) {
                    self.prunes += 1;
                    *rank = self.prunes;
                }
                Ok(())
            }
            Frame::Graft(replica) => {
                let replica = link.replica_at(replica)?;
                // What it now has from here it can give to nobody here: no source but the last.
                link.pruned_by_us.entry(replica).and_modify(|rank| *rank = LAST_RESORT);
                if link.pruned_by_peer.remove(&replica) {
                    // What it was told of came to it another way, or it asks for that.
                    for doc in &link.withheld {
                        let Some(peered) = link.docs.get_mut(doc) else { continue };
                        let told = peered.announced.as_ref().map_or(0, |announced| announced.get(replica));
                        if told > 0 {
                            peered.known.advance(replica, told);
                        }
                    }
                    link.withheld.iter().for_each(|doc| link.owed.changed(doc));
                }
                Ok(())
            }
            Frame::Presence { doc, replica, clock, value } => {
                self.take_presence(now, id, doc, replica, clock, value)
            }
        }
    }

    /// Gives up the link with the largest transfer when all together are too large.
    fn bound_transfers(&mut self, now: Millis) {
        let sizes =
            self.links.iter().filter_map(|(id, link)| Some((link.reassembly.as_ref()?.bytes.len(), id)));
        let sizes: Vec<(usize, LinkId)> = sizes.collect();
        let lanes = self.config.lane.map_or(1, |lane| usize::from(lane.of.max(1)));
        let most = (MAX_ALL_TRANSFERS / lanes).max(MAX_TRANSFER);
        if sizes.iter().map(|(size, _)| size).sum::<usize>() > most
            && let Some((_, largest)) = sizes.into_iter().max()
        {
            self.close(now, largest, "is sending the largest of too many large differences".into());
        }
    }

    fn take_hello(&mut self, now: Millis, id: LinkId, hello: Hello) -> Result<(), Fault> {
        if hello.oldest > PROTOCOL || hello.newest < PROTOCOL {
            return Err(format!("speaks protocol {} to {}, not {PROTOCOL}", hello.oldest, hello.newest));
        }
        if hello.required != 0 {
            return Err("requires features that this program lacks".into());
        }
        if hello.id == self.config.id {
            return Err("is connected to itself".into());
        }
        if hello.name.chars().chain(hello.address.chars()).any(char::is_control) {
            return Err("has control characters in its name or address".into());
        }
        let digest_at = now.saturating_add(self.jitter(self.config.anti_entropy_interval));
        let peer = PeerInfo { id: hello.id, name: hello.name, address: hello.address, role: hello.role };
        let mine = effective_interest(&self.config);
        for doc in self.presences.own() {
            self.renew_presence(now, &doc);
        }
        let theirs = if hello.role == Role::Daemon { Interest::everything() } else { hello.interest };
        self.links.set_interest(id, theirs.clone());
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.peer = Some(peer.clone());
        link.meeting.sketches = hello.optional & SKETCHES != 0;
        link.tell_digest = true;
        link.digest_at = Some(digest_at);
        self.outputs.push_back(Output::Hello { link: id, peer });
        self.keep_names(&theirs);
        // Of what only the peer wants no digest will tell.
        if mine != Interest::everything() {
            let only_theirs = self.within(&theirs).into_iter().filter(|doc| !mine.includes(doc));
            let only_theirs: Vec<DocId> = only_theirs.collect();
            if let Some(link) = self.links.get_mut(&id) {
                link.have.extend(only_theirs);
            }
        }
        self.tell_presences(now, id, &theirs);
        self.ask_again_on(id);
        Ok(())
    }

    /// Marks all presences within an interest for a link.
    fn tell_presences(&mut self, now: Millis, id: LinkId, interest: &Interest) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let client = self.config.role == Role::Client;
        let own = self.config.id;
        let keys = self.presences.iter().map(|(key, _)| key);
        let wanted = keys.filter(|k| interest.includes(&k.0) && (!client || k.1 == own));
        wanted.for_each(|key| link.show(now, key.clone()));
    }

    fn take_interest(&mut self, now: Millis, id: LinkId, interest: Interest) {
        self.keep_names(&interest);
        let wanted = self.within(&interest);
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.peer.as_ref().is_some_and(|peer| peer.role == Role::Daemon) {
            return;
        }
        link.was_equal = false; // of what both wanted then
        let before = self.links.set_interest(id, interest.clone());
        let Some(link) = self.links.get_mut(&id) else { return };
        for doc in wanted.into_iter().filter(|doc| !before.includes(doc)) {
            link.owed.lacks(&doc);
            link.have.insert(doc);
        }
        self.tell_presences(now, id, &interest);
    }

    /// The peer has told its version of a document: content and acks may flow.
    pub(crate) fn note_heard(&mut self, id: LinkId, doc: &DocId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let client = link.peer.as_ref().is_some_and(|peer| peer.role == Role::Client);
        let peered = link.docs.entry(doc.clone()).or_default();
        if !std::mem::replace(&mut peered.heard, true) && client {
            link.ack.insert(doc.clone());
        }
        self.check_synced(id, doc);
    }

    fn check_synced(&mut self, id: LinkId, doc: &DocId) {
        let Some(peered) = self.links.get_mut(&id).and_then(|link| link.docs.get_mut(doc)) else { return };
        if !peered.heard || peered.synced {
            return;
        }
        let empty = VersionVector::new();
        let version = self.docs.get(doc).map_or(&empty, |held| held.version());
        peered.synced = version.covers(&peered.theirs);
        if peered.synced {
            self.unsynced.remove(doc, id);
            self.outputs.push_back(Output::Synced { link: id, doc: doc.clone() });
        } else {
            self.unsynced.insert(doc, id);
        }
    }

    /// After a document changed: is some link's claim now met?
    pub(crate) fn note_progress(&mut self, doc: &DocId) {
        self.unsynced.of(doc).into_iter().for_each(|id| self.check_synced(id, doc));
    }

    /// Whether content of this document is taken: it is held here, or this peer wants it.
    pub(crate) fn accepts(&self, doc: &DocId, kind: Kind) -> bool {
        match self.docs.get(doc) {
            Some(held) => held.kind() == kind,
            None => effective_interest(&self.config).includes(doc),
        }
    }

    fn take_have(&mut self, now: Millis, id: LinkId, ix: u64, entries: &[Entry]) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let (doc, kind) = link.doc_at(ix)?;
        let claim = link.version_at(entries)?;
        if !self.accepts(&doc, kind) {
            return Ok(());
        }
        self.take_claim(now, id, &doc, kind, &claim)?;
        self.note_heard(id, &doc);
        Ok(())
    }

    fn take_claim(
        &mut self,
        now: Millis,
        id: LinkId,
        doc: &DocId,
        kind: Kind,
        claim: &VersionVector,
    ) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let empty = VersionVector::new();
        let version = self.docs.get(doc).map_or(&empty, |held| held.version());
        link.note_kind(doc, kind);
        let peered = link.docs.entry(doc.clone()).or_default();
        let before = peered.theirs.len();
        peered.claims(claim);
        let more = peered.theirs.len() - before;
        if peered.theirs.len() > MAX_VERSION_ENTRIES {
            return Err("claims more writers than a document may have".into());
        }
        if !peered.told {
            peered.announced = None;
            link.have.insert(doc.clone());
        }
        let lacking = version.since(&peered.known).fold(0, |sum: u64, span| sum.saturating_add(span.len()));
        if lacking > 0 {
            // Who has all but the last of a document follows it now.
            let follows = lacking <= FOLLOWS && !peered.known.is_empty();
            if follows { link.owed.changed(doc) } else { link.owed.lacks(doc) }
        }
        if !version.covers(&peered.theirs) && !peered.refused {
            let at = now.saturating_add(self.patience);
            let claim = || Want { at, tries: 0, claim: peered.theirs.clone() };
            link.wants.entry(doc.clone()).or_insert_with(claim);
        }
        link.count_claims(more)
    }

    fn take_want(&mut self, id: LinkId, ix: u64, entries: &[Entry]) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let (doc, kind) = link.doc_at(ix)?;
        let named = entries.iter().map(|(ix, seq)| Ok((link.replica_at(*ix)?, *seq)));
        let mut wanted: Vec<(ReplicaId, u64)> = named.collect::<Result<_, Fault>>()?;
        #[cfg(feature = "testkit")]
        if self.planted == Some(super::checking::Planted::ClosedWant) {
            return self.answer_closed(id, &doc, kind, &wanted.into_iter().collect());
        }
        let Some(held) = self.docs.get(&doc).filter(|held| held.kind() == kind) else { return Ok(()) };
        wanted.retain(|(replica, _)| held.version().get(*replica) > 0);
        link.owed.changed(&doc);
        let bulk = link.bulk.as_ref().filter(|bulk| bulk.doc == doc);
        let on_its_way =
            |(replica, seq): &(ReplicaId, u64)| bulk.is_some_and(|b| b.since.get(*replica) <= *seq);
        let lost: Vec<(ReplicaId, u64)> = wanted.iter().filter(|entry| !on_its_way(entry)).copied().collect();
        let peered = link.docs.entry(doc.clone()).or_default();
        for (replica, seq) in wanted {
            link.pruned_by_peer.remove(&replica);
            link.pruned_by_us.entry(replica).and_modify(|rank| *rank = LAST_RESORT);
            peered.theirs.advance(replica, seq);
        }
        for (replica, seq) in lost {
            peered.known.lower(replica, seq);
            peered.known.advance(replica, seq);
        }
        self.note_heard(id, &doc);
        Ok(())
    }

    fn take_ack(&mut self, id: LinkId, ix: u64, entries: &[Entry]) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let (doc, kind) = link.doc_at(ix)?;
        let safe = link.version_at(entries)?;
        // It may come before the document does.
        if !self.accepts(&doc, kind) {
            return Ok(());
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let peered = link.docs.entry(doc.clone()).or_default();
        let before = peered.durable.len();
        peered.durable.merge(&safe);
        if peered.durable.len() > MAX_VERSION_ENTRIES {
            return Err("acknowledges more writers than a document may have".into());
        }
        let (version, more) = (peered.durable.clone(), peered.durable.len() - before);
        link.count_claims(more)?;
        self.outputs.push_back(Output::Acked { link: id, doc, version });
        Ok(())
    }

    fn take_presence(
        &mut self,
        now: Millis,
        id: LinkId,
        doc: u64,
        replica: u64,
        clock: u64,
        value: Option<Vec<u8>>,
    ) -> Result<(), Fault> {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let (doc, _) = link.doc_at(doc)?;
        let replica = link.replica_at(replica)?;
        let stranger = link.peer.as_ref().is_some_and(|p| p.role == Role::Client && p.id != replica);
        let wanted = self.docs.contains_key(&doc) || effective_interest(&self.config).includes(&doc);
        if stranger || replica == self.config.id || !wanted {
            return Ok(());
        }
        let shown = Shown::new(now, clock, value, self.config.presence_ttl);
        self.show(now, (doc, replica), shown, Some(id));
        Ok(())
    }

    /// Takes a delta from a link: content of a document that is wanted here.
    fn take_content(&mut self, now: Millis, id: LinkId, ix: u64, delta: Delta) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let (doc, kind) = link.doc_at(ix)?;
        if delta.is_empty() {
            return Err("a delta of nothing".into());
        }
        if !self.accepts(&doc, kind) || self.held(&doc, kind).is_err() {
            return Ok(());
        }
        let taken = self.take_delta_of(now, id, &doc, delta);
        self.drop_nothing(&doc);
        taken
    }

    fn take_delta_of(&mut self, now: Millis, id: LinkId, doc: &DocId, delta: Delta) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let empty = VersionVector::new();
        let version = self.docs.get(doc).map_or(&empty, |held| held.version());
        if link.expect(doc, version, &[]) {
            self.unsynced.insert(doc, id);
        }
        let peered = link.docs.entry(doc.clone()).or_default();
        if peered.refused {
            return Ok(());
        }
        if !peered.heard && !peered.told {
            link.have.insert(doc.clone());
        }
        let before = peered.theirs.len();
        peered.sent(&delta.spans);
        let more = peered.theirs.len() - before;
        link.count_claims(more)?;
        self.unacked.insert(doc, id);
        self.absorb(now, id, doc, delta)?;
        self.settle(now, id, doc);
        Ok(())
    }

    /// Applies a delta of a link, or keeps it until what it builds on has come.
    fn absorb(&mut self, now: Millis, id: LinkId, doc: &DocId, delta: Delta) -> Result<(), Fault> {
        match self.take_delta(now, doc, &delta, Some(id)) {
            Ok(_) => Ok(()),
            Err(ApplyError::Missing) => {
                // With what is held back comes what builds on it.
                if !delta.spans.iter().all(|span| self.early.holds_of(doc, span.replica)) {
                    self.keep_pending(id, doc, delta);
                }
                Ok(())
            }
            Err(ApplyError::Early(stamps)) => {
                self.hold_back(now, id, doc, &delta, &stamps);
                Ok(())
            }
            // What a later program wrote is refused, as one document: nothing is wrong with the link.
            Err(ApplyError::Invalid(error)) if !matches!(error, DecodeError::Version { .. }) => {
                Err(format!("{doc}: not a delta of this document: {error}"))
            }
            Err(error) => {
                match error {
                    ApplyError::Behind => self.keep_ahead(doc, delta),
                    ApplyError::Late => self.send_whole(id, doc),
                    _ => {}
                }
                self.refuse(id, doc, &error);
                Ok(())
            }
        }
    }

    /// Owes a peer the whole document, once: it is to learn that it is behind, and needs it for a rescue.
    fn send_whole(&mut self, id: LinkId, doc: &DocId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let peered = link.docs.entry(doc.clone()).or_default();
        if !peered.refused {
            peered.known = VersionVector::new();
            link.owed.lacks(doc);
        }
    }

    /// Keeps what a rescue needs.
    fn keep_ahead(&mut self, doc: &DocId, delta: Delta) {
        let Some(held) = self.docs.get_mut(doc) else { return };
        self.pending_bytes -= held.ahead_bytes();
        held.set_ahead(
            Some(delta).filter(|delta| self.pending_bytes + delta.size() <= MAX_ALL_PENDING_BYTES),
        );
        self.pending_bytes += held.ahead_bytes();
    }

    /// Takes no more of a document from a link: one bad document must not cost the others their link.
    fn refuse(&mut self, id: LinkId, doc: &DocId, error: &ApplyError) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.wants.remove(doc);
        let peered = link.docs.entry(doc.clone()).or_default();
        if !std::mem::replace(&mut peered.refused, true) {
            link.refused += 1;
            let reason = error.to_string();
            self.outputs.push_back(Output::Refused { link: id, doc: doc.clone(), reason });
        }
    }

    fn keep_pending(&mut self, id: LinkId, doc: &DocId, delta: Delta) {
        let Some(held) = self.docs.get_mut(doc) else { return };
        // What waits for the disk will surely be used, so that one large delta may.
        let first = held.is_loading();
        let Some(pending) = held.pending() else { return };
        let size = delta.size() + EACH_PENDING;
        let small = pending.bytes + size <= MAX_PENDING_BYTES || first && pending.deltas.is_empty();
        let fits = small && self.pending_bytes + size <= MAX_ALL_PENDING_BYTES;
        if fits && pending.deltas.len() < MAX_PENDING {
            self.pending_bytes += size;
            pending.bytes += size;
            pending.deltas.push((id, delta));
        }
    }

    /// Tries a delta again that waited. Its link may be gone; its content is as good as ever.
    pub(crate) fn retry(&mut self, now: Millis, doc: &DocId, id: LinkId, delta: Delta) {
        match self.absorb(now, id, doc, delta) {
            Ok(()) => self.settle(now, id, doc),
            Err(reason) if self.links.contains_key(&id) => self.close(now, id, reason),
            Err(_) => {}
        }
    }

    /// After content came: what is still missing is asked for later, what is safe is acknowledged.
    pub(crate) fn settle(&mut self, now: Millis, id: LinkId, doc: &DocId) {
        let (Some(link), Some(held)) = (self.links.get_mut(&id), self.docs.get(doc)) else { return };
        let version = held.version();
        let Some(peered) = link.docs.get_mut(doc) else { return };
        if version.covers(&peered.theirs) || peered.refused {
            link.wants.remove(doc);
        } else {
            // A time that is set stays: one author's events that keep coming must not put off another's.
            let at = now.saturating_add(self.patience);
            let claim = || Want { at, tries: 0, claim: peered.theirs.clone() };
            link.wants.entry(doc.clone()).or_insert_with(claim);
        }
        if held.durable().covers(version) {
            // What came may still wait for the document, or for what it builds on.
            if held.durable().covers(&peered.theirs) {
                self.unacked.remove(doc, id);
            }
            link.ack.insert(doc.clone());
        }
    }

    /// Learns from a delta where its authors' events come from first, and prunes the slower links.
    pub(crate) fn note_source(&mut self, now: Millis, id: LinkId, spans: &[Span], applied: &Applied) {
        let mut novel = applied.novel.iter().map(|span| span.replica).peekable();
        let Some(link) = self.links.get_mut(&id) else { return };
        let events = |spans: &[Span]| spans.iter().fold(0, |n: u64, span| n.saturating_add(span.len()));
        let new = events(&applied.novel);
        let traffic = &mut link.traffic;
        traffic.events_in = traffic.events_in.saturating_add(new);
        traffic.events_again = traffic.events_again.saturating_add(events(spans) - new);
        traffic.duplicates_in += u64::from(applied.novel.is_empty());
        for span in spans {
            while novel.next_if(|replica| *replica < span.replica).is_some() {}
            if novel.peek() == Some(&span.replica) {
                self.note_first(now, id, span.replica);
            } else {
                self.note_duplicate(id, span.replica);
            }
        }
    }

    /// The link brought an event of this author before any other did.
    pub(crate) fn note_first(&mut self, now: Millis, id: LinkId, replica: ReplicaId) {
        let pruned = self.links.get(&id).is_some_and(|link| link.pruned_by_us.contains_key(&replica));
        let full = self.parents.len() >= MAX_TREES;
        if let Some(asked) = self.asked.remove(&replica) {
            self.learn_patience(asked != id);
        }
        if !pruned && (!full || self.parents.contains_key(&replica)) {
            self.parents.insert(replica, Parent { link: id, at: now });
        } else if let Some(parent) = self.parents.get_mut(&replica) {
            parent.at = now;
        }
    }

    /// The link brought only what was known: prune it, unless it would be the only source.
    pub(crate) fn note_duplicate(&mut self, id: LinkId, replica: ReplicaId) {
        let fed = replica == self.config.id
            || self.parents.get(&replica).is_some_and(|parent| {
                let source = self.links.get(&parent.link).filter(|_| parent.link != id);
                source.is_some_and(|link| !link.pruned_by_us.contains_key(&replica))
            });
        #[cfg(feature = "testkit")]
        let fed = fed || self.planted == Some(super::checking::Planted::PrunedSource);
        let Some(link) = self.links.get_mut(&id) else { return };
        let daemon = link.peer.as_ref().is_some_and(|peer| peer.role == Role::Daemon);
        let known = link.pruned_by_us.contains_key(&replica);
        if fed && daemon && !known && link.pruned_by_us.len() < MAX_TREES {
            self.prunes += 1;
            link.pruned_by_us.insert(replica, self.prunes);
            link.graft.remove(&replica);
            link.prune.insert(replica);
        }
    }

    /// Events that had been asked for came: from the link that was asked, or from where they come always,
    /// and there was no need to ask. Then all that are asked have more time, up to a bound.
    fn learn_patience(&mut self, needless: bool) {
        let least = self.config.want_delay;
        self.patience = if needless {
            self.patience.saturating_mul(2).min(least.saturating_mul(MAX_PATIENCE))
        } else {
            (self.patience - self.patience / 16).max(least)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::AnyDoc;
    use crate::sync::{Config, Input, MAX_CLAIMED};

    /// What a peer says to have safe is kept as what it says to have, and counts as that: it was bounded for each document
    /// alone, which is a hundred gigabytes for one connection.
    #[test]
    fn acks_are_bounded_as_claims_are() {
        const WRITERS: u64 = 1 << 15;
        let (link, id) = (LinkId(1), ReplicaId::from_u128);
        let mut node: Node<AnyDoc> = Node::new(Config::new(id(1), "n1", Role::Daemon), 1);
        node.handle(0, Input::LinkUp { link, dialed: false });
        let hello = Hello {
            oldest: PROTOCOL,
            newest: PROTOCOL,
            id: id(2),
            name: String::new(),
            address: String::new(),
            role: Role::Daemon,
            interest: Interest::everything(),
            required: 0,
            optional: 0,
        };
        let mut say = |frame: &Frame| {
            node.handle(0, Input::Frame { link, bytes: frame.to_bytes() });
            node.links.contains_key(&link)
        };
        assert!(say(&Frame::Hello(hello)));
        assert!((0..WRITERS).all(|n| say(&Frame::DefineReplica(id(u128::from(n) + 3)))));
        let version: Vec<Entry> = (0..WRITERS).map(|ix| (ix, 1)).collect();
        let taken = (0..100).take_while(|doc| {
            let name = format!("d{doc}").parse().unwrap();
            say(&Frame::DefineDoc { kind: Kind::DOC, name })
                && say(&Frame::Ack { doc: *doc, version: version.clone() })
        });
        assert_eq!(taken.count() as u64, MAX_CLAIMED as u64 / WRITERS);
    }
}
