//! One connection: who the peer is, what it knows, and the marks that say what it is owed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::delta::Delta;
use crate::id::{ReplicaId, Span};
use crate::sync::frame::{Entry, Frame};
use crate::sync::links::Noted;
use crate::sync::meet::Meeting;
use crate::sync::presence::Key;
use crate::sync::question::Name;
use crate::sync::reconcile::Prefix;
use crate::sync::turns::Turns;
use crate::sync::{
    DocId, Interest, Kind, MAX_CLAIMED, MAX_DOC_DEFS, MAX_REPLICA_DEFS, MAX_TRANSFER, MAX_VERSION_ENTRIES,
    MAX_WARMING, Millis, PeerInfo, SMALL_AHEAD, Traffic,
};
use crate::version::VersionVector;

/// Why a link must be closed.
pub(crate) type Fault = String;

/// One document as seen over one link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peered {
    /// The kind, as the peer defined it.
    pub(crate) kind: Option<Kind>,
    /// What the peer surely has: told us, sent us, or was sent on this connection.
    pub(crate) known: VersionVector,
    /// What the peer claims to have: the part of `known` that does not rest on our own sending.
    pub(crate) theirs: VersionVector,
    /// What the last Have frames told the peer; `None` when it is to be told everything.
    pub(crate) announced: Option<VersionVector>,
    /// What the peer has safe on its disk.
    pub(crate) durable: VersionVector,
    /// What of ours we told the peer to be safe.
    pub(crate) acked: VersionVector,
    /// Whether a Have frame for it was sent, so that a Have of the peer needs no answer.
    pub(crate) told: bool,
    /// Whether the peer has told its version, so that differences can be sent.
    pub(crate) heard: bool,
    /// Whether `Output::Synced` was given.
    pub(crate) synced: bool,
    /// The most events that a step of it may have; 0 while that is not known.
    pub(crate) step: u64,
    /// Whether its document refused what the peer sent, so that no more of it is taken on this link.
    pub(crate) refused: bool,
}

impl Peered {
    pub(crate) fn claims(&mut self, version: &VersionVector) {
        self.theirs.merge(version);
        self.known.merge(version);
    }

    /// Whether the peer has each of these events or was told that they are here.
    pub(crate) fn was_told(&self, version: &VersionVector) -> bool {
        let announced = |replica| self.announced.as_ref().map_or(0, |announced| announced.get(replica));
        version.iter().all(|(replica, seq)| self.known.get(replica).max(announced(replica)) >= seq)
    }

    /// The peer said that it holds these events, by sending them.
    pub(crate) fn sent(&mut self, spans: &[Span]) {
        for span in spans {
            self.theirs.advance(span.replica, span.to);
            self.known.advance(span.replica, span.to);
        }
    }
}

/// When to ask for a document of which the peer has something that we lack.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    pub(crate) at: Millis,
    /// How often it was asked for already.
    pub(crate) tries: u32,
    /// What the peer had when the time was set: if that has come, nothing is stuck, however much is new.
    pub(crate) claim: VersionVector,
}

/// A large difference on its way out, cut into fragments.
#[derive(Clone, Debug)]
pub(crate) struct Bulk {
    pub(crate) doc: DocId,
    pub(crate) since: VersionVector,
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: usize,
}

/// A large difference on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Reassembly {
    pub(crate) doc: u64,
    pub(crate) total: usize,
    pub(crate) bytes: Vec<u8>,
}

/// What this side has defined, and what the peer has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionaries {
    own_docs: BTreeMap<DocId, u64>,
    own_replicas: BTreeMap<ReplicaId, u64>,
    docs: Vec<(DocId, Kind)>,
    replicas: Vec<ReplicaId>,
}

/// The state of one connection. Sets of marks, never queues of content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    pub(crate) peer: Option<PeerInfo>,
    pub(crate) peer_interest: Interest,
    pub(crate) traffic: Traffic,
    /// Boxed: a map has room for eleven as soon as there is one, and most links are about one document.
    pub(crate) docs: BTreeMap<DocId, Box<Peered>>,
    /// How many entries the peer's claims have in all documents together: what it has, and has safe.
    claimed: usize,
    pub(crate) dicts: Dictionaries,
    /// Encoded frames of the one thing being said; drained before anything else.
    pub(crate) staged: VecDeque<Vec<u8>>,
    pub(crate) hello_sent: bool,
    /// Whether both sides once had the same: of what has not changed since, the peer's version is known.
    pub(crate) was_equal: bool,
    /// `Output::Ready` was given and there is still something to send.
    pub(crate) ready: bool,
    pub(crate) tell_interest: bool,
    pub(crate) tell_digest: bool,
    pub(crate) prune: BTreeSet<ReplicaId>,
    pub(crate) graft: BTreeSet<ReplicaId>,
    /// Documents, and the replicas of whose events in them something is missing.
    pub(crate) want: BTreeMap<DocId, Vec<ReplicaId>>,
    pub(crate) have: BTreeSet<DocId>,
    pub(crate) ack: BTreeSet<DocId>,
    pub(crate) presence: BTreeSet<Key>,
    /// Presence that changed before `presence_at`.
    pub(crate) presence_later: BTreeSet<Key>,
    /// From when on presence may be sent again.
    pub(crate) presence_at: Millis,
    /// Documents of which something is owed.
    pub(crate) owed: Turns,
    /// How many bytes of small differences went since the last fragment.
    pub(crate) small_bytes: usize,
    /// Dirty documents whose difference is large: one at a time, after everything else.
    pub(crate) large: BTreeSet<DocId>,
    /// Documents of which something is owed and that are not in memory.
    pub(crate) cold: BTreeSet<DocId>,
    /// Those of them that the shell was asked for.
    pub(crate) warming: BTreeSet<DocId>,
    /// Documents of which content is withheld because the peer pruned its author.
    pub(crate) withheld: BTreeSet<DocId>,
    /// The part of `withheld` that is to be announced at `have_at`.
    pub(crate) lazy: BTreeSet<DocId>,
    pub(crate) have_at: Option<Millis>,
    pub(crate) digest_at: Option<Millis>,
    pub(crate) wants: BTreeMap<DocId, Want>,
    /// Replicas whose events the peer does not want from us.
    pub(crate) pruned_by_peer: BTreeSet<ReplicaId>,
    /// Replicas whose events we do not want from the peer, and how good a source it is if the one there is
    /// breaks: the lowest first.
    pub(crate) pruned_by_us: BTreeMap<ReplicaId, u64>,
    /// Of how many documents nothing is taken any more.
    pub(crate) refused: usize,
    pub(crate) meeting: Meeting,
    /// Ranges of documents in which the peer differs, to be described to it.
    pub(crate) describe: BTreeSet<Prefix>,
    /// Documents of the peer that are not here, by range: it is to name them.
    pub(crate) lacks: BTreeMap<Prefix, Vec<u64>>,
    /// Questions to be passed on.
    pub(crate) questions: BTreeSet<Name>,
    /// Answers to questions that came over this link.
    pub(crate) answers: BTreeSet<(Name, ReplicaId)>,
    pub(crate) bulk: Option<Bulk>,
    pub(crate) reassembly: Option<Reassembly>,
    pub(crate) noted: Noted,
}

impl Link {
    /// When there is something to do for it, if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        let wants = self.wants.values().map(|want| want.at).min();
        let presence = (!self.presence_later.is_empty()).then_some(self.presence_at);
        let times = [self.have_at, self.digest_at, wants, presence, self.meeting.look_at];
        times.into_iter().flatten().min()
    }

    /// Whether `poll_transmit` may have something to send.
    pub(crate) fn has_work(&self) -> bool {
        if !self.hello_sent || !self.staged.is_empty() {
            return true;
        }
        let flags = self.tell_interest || self.tell_digest || self.bulk.is_some() || self.can_warm();
        let meeting = &self.meeting;
        let cells = meeting.send.is_some() || meeting.ask.is_some() || meeting.tell;
        let ranges = !self.describe.is_empty() || !self.lacks.is_empty() || cells;
        let replicas = !self.prune.is_empty() || !self.graft.is_empty() || !self.presence.is_empty();
        let docs =
            [&self.have, &self.ack, &self.large].iter().any(|set| !set.is_empty()) || !self.owed.is_empty();
        let asked = !self.questions.is_empty() || !self.answers.is_empty();
        self.peer.is_some() && (flags || ranges || replicas || docs || asked || !self.want.is_empty())
    }

    /// Knows what the peer has of a document that changed for the first time since both sides had the same:
    /// what there was before. So the change need not wait until versions were exchanged. `false` when there was nothing to
    /// learn.
    pub(crate) fn expect(&mut self, doc: &DocId, version: &VersionVector, novel: &[Span]) -> bool {
        if !self.was_equal || self.docs.contains_key(doc) {
            return false;
        }
        let mut before = version.clone();
        novel.iter().for_each(|span| before.lower(span.replica, span.after));
        let peered = Peered {
            known: before.clone(),
            theirs: before.clone(),
            announced: Some(before),
            heard: true,
            ..Peered::default()
        };
        self.docs.insert(doc.clone(), Box::new(peered));
        true
    }

    /// Counts entries that a peer's word has added to what is kept of it.
    pub(crate) fn count_claims(&mut self, entries: usize) -> Result<(), Fault> {
        self.claimed += entries;
        if self.claimed > MAX_CLAIMED {
            return Err("claims more writers than one connection may".into());
        }
        Ok(())
    }

    /// Marks a presence to be sent, as soon as presence may be.
    pub(crate) fn show(&mut self, now: Millis, key: Key) {
        let marks = if now < self.presence_at { &mut self.presence_later } else { &mut self.presence };
        marks.insert(key);
    }

    /// Whether it is a fragment's turn before more small differences.
    pub(crate) fn owes_fragment(&self) -> bool {
        self.bulk.is_some() && self.small_bytes >= SMALL_AHEAD
    }

    /// Whether a document that is owed and not in memory is to be asked for now.
    pub(crate) fn can_warm(&self) -> bool {
        !self.cold.is_empty() && self.warming.len() < MAX_WARMING
    }

    /// Encodes a frame to be sent next.
    pub(crate) fn stage(&mut self, frame: &Frame) {
        if frame.is_content() {
            let whole = !matches!(frame, Frame::Fragment { offset, .. } if *offset > 0);
            self.traffic.deltas_out += u64::from(whole);
        } else {
            self.traffic.control_out += 1;
        }
        let bytes = frame.to_bytes();
        match frame {
            Frame::Delta { .. } => {
                self.small_bytes += bytes.len();
                self.owed.sent(bytes.len());
            }
            Frame::Fragment { .. } => self.small_bytes = 0,
            _ => {}
        }
        self.staged.push_back(bytes);
    }

    /// The index of a document in our dictionary, defined first when it is new.
    pub(crate) fn doc_ix(&mut self, doc: &DocId, kind: Kind) -> Result<u64, Fault> {
        if let Some(ix) = self.dicts.own_docs.get(doc) {
            return Ok(*ix);
        }
        let ix = self.dicts.own_docs.len();
        if ix >= MAX_DOC_DEFS {
            return Err("more documents than one connection may name".into());
        }
        self.dicts.own_docs.insert(doc.clone(), ix as u64);
        self.stage(&Frame::DefineDoc { kind, name: doc.clone() });
        Ok(ix as u64)
    }

    /// The index of a replica in our dictionary, defined first when it is new.
    pub(crate) fn replica_ix(&mut self, id: ReplicaId) -> Result<u64, Fault> {
        if let Some(ix) = self.dicts.own_replicas.get(&id) {
            return Ok(*ix);
        }
        let ix = self.dicts.own_replicas.len();
        if ix >= MAX_REPLICA_DEFS {
            return Err("more replicas than one connection may name".into());
        }
        self.dicts.own_replicas.insert(id, ix as u64);
        self.stage(&Frame::DefineReplica(id));
        Ok(ix as u64)
    }

    pub(crate) fn version_ix(&mut self, version: &VersionVector) -> Result<Vec<Entry>, Fault> {
        if version.len() > MAX_VERSION_ENTRIES {
            return Err("more writers in one document than the protocol can name".into());
        }
        version.iter().map(|(replica, seq)| Ok((self.replica_ix(replica)?, seq))).collect()
    }

    pub(crate) fn delta_ix(&mut self, doc: u64, delta: &Delta) -> Result<Frame, Fault> {
        let mut spans = Vec::with_capacity(delta.spans.len());
        for span in &delta.spans {
            spans.push((self.replica_ix(span.replica)?, span.after, span.len()));
        }
        let others = delta.others.iter().map(|id| self.replica_ix(*id)).collect::<Result<_, _>>()?;
        Ok(Frame::Delta { doc, spans, others, body: delta.body.clone() })
    }

    pub(crate) fn define_doc(&mut self, name: DocId, kind: Kind) -> Result<(), Fault> {
        if self.dicts.docs.len() >= MAX_DOC_DEFS {
            return Err("named too many documents".into());
        }
        self.dicts.docs.push((name, kind));
        Ok(())
    }

    pub(crate) fn define_replica(&mut self, id: ReplicaId) -> Result<(), Fault> {
        if self.dicts.replicas.len() >= MAX_REPLICA_DEFS {
            return Err("named too many replicas".into());
        }
        self.dicts.replicas.push(id);
        Ok(())
    }

    /// The document that the peer calls `ix`.
    pub(crate) fn doc_at(&self, ix: u64) -> Result<(DocId, Kind), Fault> {
        let entry = usize::try_from(ix).ok().and_then(|ix| self.dicts.docs.get(ix));
        entry.cloned().ok_or_else(|| "a document that was not defined".into())
    }

    /// The kind that the peer gave a document of which only its word is known.
    pub(crate) fn kind_of(&self, doc: &DocId) -> Option<Kind> {
        self.docs.get(doc).and_then(|peered| peered.kind)
    }

    pub(crate) fn note_kind(&mut self, doc: &DocId, kind: Kind) {
        self.docs.entry(doc.clone()).or_default().kind = Some(kind);
    }

    /// The replica that the peer calls `ix`.
    pub(crate) fn replica_at(&self, ix: u64) -> Result<ReplicaId, Fault> {
        let id = usize::try_from(ix).ok().and_then(|ix| self.dicts.replicas.get(ix));
        id.copied().ok_or_else(|| "a replica that was not defined".into())
    }

    pub(crate) fn version_at(&self, entries: &[Entry]) -> Result<VersionVector, Fault> {
        let mut version = Vec::with_capacity(entries.len());
        for (ix, seq) in entries {
            version.push((self.replica_at(*ix)?, *seq));
        }
        version.sort_unstable();
        Ok(version.into_iter().collect())
    }

    pub(crate) fn delta_at(
        &self,
        spans: &[(u64, u64, u64)],
        others: &[u64],
        body: Vec<u8>,
    ) -> Result<Delta, Fault> {
        let mut delta = Delta { body, ..Delta::default() };
        let r = crate::codec::Reader::new(&[], &[]);
        for (ix, after, len) in spans {
            let replica = self.replica_at(*ix)?;
            let span = crate::delta::span(&r, delta.spans.last(), replica, *after, *len);
            delta.spans.push(span.map_err(|e| e.to_string())?);
        }
        for ix in others {
            delta.others.push(self.replica_at(*ix)?);
        }
        delta.check_table(&r).map_err(|e| e.to_string())?;
        Ok(delta)
    }

    /// Takes a fragment; gives the delta when it was the last.
    pub(crate) fn reassemble(
        &mut self,
        doc: u64,
        total: u64,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<Option<Delta>, Fault> {
        let total = usize::try_from(total).ok().filter(|t| *t <= MAX_TRANSFER);
        let total = total.ok_or("a difference over the largest that may be sent")?;
        if offset == 0 && self.reassembly.is_none() {
            self.reassembly = Some(Reassembly { doc, total, bytes: Vec::new() });
        }
        let Some(whole) = &mut self.reassembly else { return Err("a fragment of nothing".into()) };
        let fits = whole.bytes.len() as u64 == offset && whole.doc == doc && whole.total == total;
        if !fits || bytes.is_empty() || bytes.len() > total - whole.bytes.len() {
            return Err("a fragment out of place".into());
        }
        whole.bytes.extend(bytes);
        if whole.bytes.len() < total {
            return Ok(None);
        }
        let bytes = self.reassembly.take().map(|whole| whole.bytes).unwrap_or_default();
        Delta::from_bytes(&bytes).map(Some).map_err(|e| e.to_string())
    }

    /// Whether a transfer of the document is coming in.
    pub(crate) fn is_receiving(&self, doc: &DocId) -> bool {
        self.reassembly.as_ref().is_some_and(|r| self.doc_at(r.doc).is_ok_and(|(id, _)| id == *doc))
    }
}

/// A few differences of one document, so that links owed the same share one computation.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeltaCache(VecDeque<Arc<Delta>>);

impl DeltaCache {
    const SIZE: usize = 4;
    const MAX_BYTES: usize = 64 * 1024;

    pub(crate) fn get(&self, spans: &[Span]) -> Option<Arc<Delta>> {
        self.0.iter().find(|delta| delta.spans == spans).cloned()
    }

    pub(crate) fn put(&mut self, delta: Arc<Delta>) {
        if delta.body.len() > Self::MAX_BYTES {
            return;
        }
        if self.0.len() >= Self::SIZE {
            self.0.pop_front();
        }
        self.0.push_back(delta);
    }
}
