//! One link: what its peer said, what it is known to have, and what is due to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::ReplicaId;
use crate::version::VersionVector;

use super::frame::Numbers;
use super::{DocId, Interest, Kind, Millis, PeerInfo, Role, Traffic};

/// What is known of one document at the other end of a link.
#[derive(Debug, Default)]
pub(super) struct PeerDoc {
    /// What the peer surely has: it said so, sent it, or was sent it on this connection.
    pub(super) known: VersionVector,
    /// What the peer said or showed to have.
    pub(super) told: VersionVector,
    /// What the peer can know that we have: we said so, sent it, or received it from there.
    pub(super) announced: VersionVector,
    /// What the peer sent, or said to have: it wants to hear when that is safe here.
    pub(super) delivered: VersionVector,
    /// What we have said is safe here.
    pub(super) acked: VersionVector,
    /// What the peer has said is safe there.
    pub(super) durable: VersionVector,
    /// Whether we have said our version at least once.
    pub(super) introduced: bool,
    /// Whether the peer has said its version at least once.
    pub(super) met: bool,
    /// Whether all that the peer said to have at first has come.
    pub(super) synced: bool,
    /// When to ask for what the peer has and we lack.
    pub(super) want_at: Option<Millis>,
}

/// What is due to the peer: marks, so that nothing grows with the number of edits.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) hello: bool,
    pub(super) interest: bool,
    pub(super) digest: bool,
    pub(super) grafts: BTreeSet<ReplicaId>,
    pub(super) prunes: BTreeSet<ReplicaId>,
    pub(super) haves: BTreeSet<DocId>,
    pub(super) wants: BTreeSet<DocId>,
    pub(super) acks: BTreeSet<DocId>,
    pub(super) presence: BTreeSet<(DocId, ReplicaId)>,
    /// Documents of which the peer lacks something.
    pub(super) deltas: BTreeSet<DocId>,
}

impl Due {
    fn any(&self) -> bool {
        self.hello
            || self.interest
            || self.digest
            || !(self.grafts.is_empty() && self.prunes.is_empty())
            || !(self.haves.is_empty() && self.wants.is_empty() && self.acks.is_empty())
            || !(self.presence.is_empty() && self.deltas.is_empty())
    }
}

/// A link to a peer.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) peer: Option<PeerInfo>,
    /// What the peer wants to receive.
    pub(super) interest: Interest,
    pub(super) docs: BTreeMap<DocId, PeerDoc>,
    pub(super) due: Due,
    /// Documents whose version is to be said at the next tick.
    pub(super) lazy: BTreeSet<DocId>,
    /// Authors whose events the peer does not want pushed.
    pub(super) pruned: BTreeSet<ReplicaId>,
    /// Authors whose events we asked the peer not to push.
    pub(super) pruning: BTreeSet<ReplicaId>,
    /// A big delta on its way out: what is left of it.
    pub(super) outgoing: Option<(Vec<u8>, usize)>,
    /// A big delta on its way in: what has come of it.
    pub(super) incoming: Vec<u8>,
    pub(super) numbers: Numbers,
    /// The documents that the peer has numbered.
    pub(super) their_docs: Vec<(DocId, Kind)>,
    /// The replicas that the peer has numbered.
    pub(super) their_replicas: Vec<ReplicaId>,
    /// Whether the shell has been told that there is something to send.
    pub(super) ready: bool,
    pub(super) traffic: Traffic,
}

impl Link {
    pub(super) fn new() -> Self {
        Link { due: Due { hello: true, ..Due::default() }, ..Link::default() }
    }

    pub(super) fn has_work(&self) -> bool {
        self.due.hello || self.peer.is_some() && (self.outgoing.is_some() || self.due.any())
    }

    pub(super) fn is_daemon(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.role == Role::Daemon)
    }

    pub(super) fn wants(&self, doc: &DocId) -> bool {
        self.peer.is_some() && self.interest.includes(doc)
    }

    pub(super) fn doc(&mut self, id: &DocId) -> &mut PeerDoc {
        self.docs.entry(id.clone()).or_default()
    }
}
