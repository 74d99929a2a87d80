//! One document as its node has it: in memory, or parked, which is to be known by name and version alone.

use crate::delta::Delta;
use crate::id::Span;
use crate::sync::link::DeltaCache;
use crate::sync::reconcile::VersionHash;
use crate::sync::{Document, Kind, LinkId};
use crate::version::VersionVector;

/// What a document takes in memory besides its events, in bytes.
const EACH: usize = 4 << 10;
/// How many bytes of memory a byte of encoded events takes, about.
const PER_BYTE: usize = 8;
/// A document that grew by so many bytes, and by as many as it had, is measured anew.
const MEASURE_AFTER: usize = 64 << 10;

/// A document and what surrounds it.
#[derive(Clone, Debug)]
pub(crate) struct Held<D> {
    kind: Kind,
    /// Follows the version.
    pub(crate) hash: VersionHash,
    body: Body<D>,
}

#[derive(Clone, Debug)]
enum Body<D> {
    Live(Box<Live<D>>),
    /// On the disk, all of it, at this version.
    Parked(VersionVector),
    /// The same, and the shell was asked for it.
    Loading(Box<Loading>),
}

/// A document in memory.
#[derive(Clone, Debug)]
pub(crate) struct Live<D> {
    pub(crate) doc: D,
    pub(crate) durable: VersionVector,
    pub(crate) cache: DeltaCache,
    pub(crate) pending: Pending,
    /// What a peer sent that is too far ahead to be merged with this.
    ahead: Option<Delta>,
    /// What its events took encoded, and what was added since.
    encoded: usize,
    added: usize,
    /// Whether it was worked on since it was last looked at for parking.
    used: bool,
    /// Whether somebody here has opened it, so that it stays while it is empty.
    pub(crate) wanted: bool,
}

/// A document on its way from the disk.
#[derive(Clone, Debug)]
struct Loading {
    version: VersionVector,
    pending: Pending,
    /// The links that are owed something of it.
    links: Vec<LinkId>,
}

/// Deltas that wait for their document, or for what they build on, with the link that brought them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    pub(crate) deltas: Vec<(LinkId, Delta)>,
    pub(crate) bytes: usize,
}

/// What waited for a document that has come from the disk.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) pending: Pending,
    pub(crate) links: Vec<LinkId>,
}

impl<D: Document> Held<D> {
    /// A document in memory, all of whose events are durable and take so many bytes encoded.
    pub(crate) fn new(doc: D, encoded: usize) -> Self {
        let live = Live {
            durable: doc.version().clone(),
            cache: DeltaCache::default(),
            pending: Pending::default(),
            ahead: None,
            encoded,
            added: 0,
            used: true,
            wanted: false,
            doc,
        };
        let hash = VersionHash::of(live.doc.version());
        Held { kind: live.doc.kind(), hash, body: Body::Live(Box::new(live)) }
    }

    /// A document on the disk.
    pub(crate) fn parked(kind: Kind, version: VersionVector) -> Self {
        Held { kind, hash: VersionHash::of(&version), body: Body::Parked(version) }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn version(&self) -> &VersionVector {
        match &self.body {
            Body::Live(live) => live.doc.version(),
            Body::Parked(version) => version,
            Body::Loading(loading) => &loading.version,
        }
    }

    /// What of it is on the disk.
    pub(crate) fn durable(&self) -> &VersionVector {
        match &self.body {
            Body::Live(live) => &live.durable,
            Body::Parked(_) | Body::Loading(_) => self.version(),
        }
    }

    pub(crate) fn doc(&self) -> Option<&D> {
        match &self.body {
            Body::Live(live) => Some(&live.doc),
            Body::Parked(_) | Body::Loading(_) => None,
        }
    }

    /// The document to work on, when it is in memory.
    pub(crate) fn work(&mut self) -> Option<&mut Live<D>> {
        let live = self.live()?;
        live.used = true;
        Some(live)
    }

    /// The document, when it is in memory; this does not count as use.
    pub(crate) fn live(&mut self) -> Option<&mut Live<D>> {
        match &mut self.body {
            Body::Live(live) => Some(live),
            Body::Parked(_) | Body::Loading(_) => None,
        }
    }

    pub(crate) fn is_loading(&self) -> bool {
        matches!(self.body, Body::Loading(_))
    }

    /// Notes that a parked document was asked for. `false` when it is not parked.
    pub(crate) fn ask(&mut self) -> bool {
        let Body::Parked(version) = &mut self.body else { return false };
        let version = std::mem::take(version);
        self.body = Body::Loading(Box::new(Loading { version, pending: Pending::default(), links: vec![] }));
        true
    }

    /// The link is to be told when the document has come. `false` when it is not on its way.
    pub(crate) fn wait(&mut self, link: LinkId) -> bool {
        let Body::Loading(loading) = &mut self.body else { return false };
        if !loading.links.contains(&link) {
            loading.links.push(link);
        }
        true
    }

    /// Where deltas wait.
    pub(crate) fn pending(&mut self) -> Option<&mut Pending> {
        match &mut self.body {
            Body::Live(live) => Some(&mut live.pending),
            Body::Loading(loading) => Some(&mut loading.pending),
            Body::Parked(_) => None,
        }
    }

    /// Whether the last of these events is in a delta that waits here.
    pub(crate) fn has_pending(&self, events: &Span) -> bool {
        let Body::Live(live) = &self.body else { return false };
        let brings = |span: &Span| span.replica == events.replica && span.to >= events.to;
        live.pending.deltas.iter().any(|(_, delta)| delta.spans.iter().any(brings))
    }

    /// What a peer sent that is too far ahead to be merged with it.
    pub(crate) fn ahead(&self) -> Option<&Delta> {
        match &self.body {
            Body::Live(live) => live.ahead.as_ref(),
            Body::Parked(_) | Body::Loading(_) => None,
        }
    }

    pub(crate) fn set_ahead(&mut self, ahead: Option<Delta>) {
        if let Some(live) = self.live() {
            live.ahead = ahead;
        }
    }

    /// How many bytes that takes.
    pub(crate) fn ahead_bytes(&self) -> usize {
        self.ahead().map_or(0, Delta::size)
    }

    /// What waited for it, when it was on its way.
    pub(crate) fn into_waiting(self) -> Waiting {
        match self.body {
            Body::Loading(loading) => Waiting { pending: loading.pending, links: loading.links },
            Body::Live(_) | Body::Parked(_) => Waiting::default(),
        }
    }

    /// About what it takes in memory; nothing when it is parked.
    pub(crate) fn memory(&self) -> usize {
        match &self.body {
            Body::Live(live) => live.memory(),
            Body::Parked(_) | Body::Loading(_) => 0,
        }
    }

    /// Whether there is nothing in it, nothing waits for it, and nobody here wants it.
    pub(crate) fn is_nothing(&self) -> bool {
        let Body::Live(live) = &self.body else { return false };
        live.doc.version().is_empty() && live.is_quiet() && !live.wanted
    }

    /// Looks whether it can be parked, or forgotten when it is empty: `None` while it is in use, has events that are
    /// not durable, or is not in memory. It counts as in use once more when it was worked on since the last look.
    pub(crate) fn idle(&mut self) -> Option<VersionVector> {
        let Body::Live(live) = &mut self.body else { return None };
        let used = std::mem::take(&mut live.used);
        let version = live.doc.version();
        let needless = !version.is_empty() || !live.wanted;
        (!used && needless && live.durable.covers(version) && live.is_quiet()).then(|| version.clone())
    }
}

impl<D: Document> Live<D> {
    /// Whether nothing waits for it or listens to it.
    fn is_quiet(&self) -> bool {
        self.pending.deltas.is_empty() && self.ahead.is_none() && !self.doc.is_watched()
    }

    fn memory(&self) -> usize {
        EACH.saturating_add((self.encoded + self.added).saturating_mul(PER_BYTE))
    }

    /// Events were added that take so many bytes encoded. Now and then it is measured what is left of all.
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.added += bytes;
        if self.added > self.encoded.max(MEASURE_AFTER) {
            self.encoded = self.doc.delta_since(&VersionVector::new()).body.len();
            self.added = 0;
        }
    }

    /// The difference that holds exactly these spans, which are the last events of their replicas.
    pub(crate) fn delta_of(&self, novel: &[Span]) -> Delta {
        let version = self.doc.version();
        let before = version.iter().map(|(replica, seq)| {
            let span = novel.iter().find(|span| span.replica == replica);
            (replica, span.map_or(seq, |span| span.after))
        });
        self.doc.delta_since(&before.collect())
    }
}
