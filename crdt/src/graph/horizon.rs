//! Where the memory of an [`EventGraph`](super::EventGraph) begins.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Dot, Span};
use crate::version::VersionVector;

use super::Parents;

/// The version up to which events are forgotten, and what tells whether an event has seen all of it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Horizon {
    cut: VersionVector,
    /// The forgotten events that no other of them builds on; sorted. Who has seen these has seen all.
    heads: Vec<Dot>,
}

/// From which event on a replica's events have seen which of the heads: an entry where they have seen more.
pub(super) type Sightings = BTreeMap<Dot, Vec<Dot>>;

impl Horizon {
    pub(crate) const fn new(cut: VersionVector, heads: Vec<Dot>) -> Horizon {
        Horizon { cut, heads }
    }

    pub(crate) fn cut(&self) -> &VersionVector {
        &self.cut
    }

    pub(crate) fn heads(&self) -> &[Dot] {
        &self.heads
    }

    pub(super) fn is_none(&self) -> bool {
        self.cut.is_empty()
    }

    /// The horizon further on; `parents` are of the events behind this one.
    pub(super) fn moved(&self, cut: VersionVector, parents: &Parents) -> Horizon {
        let named = parents.0.iter().filter(|(event, _)| cut.contains(**event)).flat_map(|(_, named)| named);
        let named: BTreeSet<Dot> = named.copied().collect();
        let last = cut.iter().map(|(replica, seq)| Dot::new(replica, seq));
        let is_head = |dot: &Dot| {
            let new = self.cut.get(dot.replica) < dot.seq;
            (new || self.heads.binary_search(dot).is_ok()) && !named.contains(dot)
        };
        let heads = last.filter(is_head).collect();
        Horizon { cut, heads }
    }

    /// Which heads an event has seen.
    fn seen<'a>(&'a self, event: Dot, all: &[&'a Sightings]) -> &'a [Dot] {
        let first = Dot::new(event.replica, self.cut.get(event.replica) + 1);
        if first <= event {
            let entries = all.iter().filter_map(|seen| seen.range(first..=event).next_back());
            if let Some((_, seen)) = entries.max_by_key(|(dot, _)| **dot) {
                return seen;
            }
        }
        let last = Dot::new(event.replica, event.seq.min(first.seq - 1));
        self.heads.binary_search(&last).map_or(&[], |at| &self.heads[at..=at])
    }

    /// Notes that an event has seen all heads, if those before it had not.
    pub(super) fn sight_all(&self, event: Dot, known: &mut Sightings) {
        if self.seen(event, &[known]).len() < self.heads.len() {
            known.insert(event, self.heads.clone());
        }
    }

    /// What more these events have seen of the heads, each after those it builds on. `None` when one that is to
    /// have seen all has not.
    pub(super) fn sight(
        &self,
        ordered: &[Span],
        parents: &Parents,
        known: &Sightings,
        all: bool,
    ) -> Option<Sightings> {
        let mut fresh = Sightings::new();
        for span in ordered {
            let first = Dot::new(span.replica, span.after + 1);
            let before = self.seen(Dot::new(span.replica, span.after), &[known, &fresh]);
            if before.len() == self.heads.len() {
                continue;
            }
            let named = parents.0.get(&first).into_iter().flatten();
            let others = named.flat_map(|parent| self.seen(*parent, &[known, &fresh]));
            let seen: BTreeSet<Dot> = before.iter().chain(others).copied().collect();
            if all && seen.len() < self.heads.len() {
                return None;
            }
            if seen.len() > before.len() {
                fresh.insert(first, seen.into_iter().collect());
            }
        }
        Some(fresh)
    }
}
