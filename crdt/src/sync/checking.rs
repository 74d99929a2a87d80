//! What a model checker needs of a [`Node`]: to forget what decides nothing, and to be made wrong on purpose, so
//! that the checker can be checked.

use crate::sync::held::Held;
use crate::sync::link::{DeltaCache, Fault};
use crate::sync::{DocId, Document, Kind, LAST_RESORT, LinkId, Millis, Node, Traffic};
use crate::version::VersionVector;

/// A deadline further away than this never comes, for a checker.
const NEVER: Millis = 1 << 30;

/// A mistake that an early draft of the protocol made; feature `testkit`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// A Want is answered with what is here now, and what comes later is neither sent nor announced.
    ClosedWant,
    /// A link that brings what is known is pruned even if nothing else feeds this node, and what is withheld
    /// from a peer is not announced to it.
    PrunedSource,
}

impl<D: Document> Node<D> {
    /// Makes the node wrong.
    pub fn plant(&mut self, mistake: Planted) {
        self.planted = Some(mistake);
    }

    /// Sets the node's clock from `now` to zero and forgets what decides nothing: counters, random numbers, kept
    /// differences. Two nodes that will do the same then look the same in `Debug`. Presences are left as they are.
    pub fn normalize(&mut self, now: Millis) {
        (self.rng, self.past) = (0, Default::default());
        self.docs.values_mut().filter_map(Held::live).for_each(|live| live.cache = DeltaCache::default());
        let earlier = |at: &mut Millis| *at = at.saturating_sub(now);
        self.parents.values_mut().for_each(|parent| earlier(&mut parent.at));
        let ranks = self.links.values().flat_map(|link| link.pruned_by_us.values().copied());
        let ranks: std::collections::BTreeSet<u64> = ranks.filter(|rank| *rank < LAST_RESORT).collect();
        for rank in self.links.iter_mut().flat_map(|(_, link)| link.pruned_by_us.values_mut()) {
            if let Some(place) = ranks.iter().position(|other| other == rank) {
                *rank = place as u64;
            }
        }
        self.prunes = ranks.len() as u64;
        for (_, link) in self.links.iter_mut() {
            link.traffic = Traffic::default();
            link.digest_at = link.digest_at.filter(|at| *at < NEVER);
            link.have_at.iter_mut().chain(&mut link.digest_at).for_each(earlier);
            link.wants.values_mut().for_each(|want| earlier(&mut want.at));
            link.meeting.look_at.iter_mut().for_each(earlier);
            earlier(&mut link.presence_at);
            link.small_bytes = 0;
            link.owed.forget_bytes();
            if self.planted == Some(Planted::PrunedSource) {
                (link.have_at, link.lazy) = Default::default();
            }
        }
    }

    /// Answers a Want as [`Planted::ClosedWant`] says.
    pub(crate) fn answer_closed(
        &mut self,
        id: LinkId,
        doc: &DocId,
        kind: Kind,
        wanted: &VersionVector,
    ) -> Result<(), Fault> {
        let (Some(link), Some(held)) = (self.links.get_mut(&id), self.docs.get(doc).and_then(Held::doc))
        else {
            return Ok(());
        };
        let delta = held.delta_since(wanted);
        if !delta.is_empty() {
            let ix = link.doc_ix(doc, kind)?;
            let frame = link.delta_ix(ix, &delta)?;
            link.stage(&frame);
        }
        let peered = link.docs.entry(doc.clone()).or_default();
        for span in &delta.spans {
            peered.known.advance(span.replica, u64::MAX);
        }
        Ok(())
    }
}
