//! Counters: [`GCounter`], [`PnCounter`], [`BoundedCounter`].

mod bounded;
mod grow;
mod pos_neg;

use alloc::vec::Vec;
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::id::{Dot, ReplicaId, Span};

pub use bounded::{BoundedCounter, NotEnoughRights};
pub use grow::GCounter;
pub use pos_neg::PnCounter;

/// For each replica its last event here and its running total. What all counters are made of.
#[derive(Clone, Default, Debug)]
struct Totals<N> {
    /// Sorted by replica, one entry for each.
    entries: Vec<(Dot, N)>,
    /// What the totals come to, so that reading costs nothing.
    sum: i128,
}

/// What one replica counted.
trait Total: Clone + Default + PartialEq + Debug {
    /// What it adds to the sum. Within 65 bits, so no sum of totals runs over.
    fn net(&self) -> i128;
}

impl<N: PartialEq> PartialEq for Totals<N> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<N: Total> Totals<N> {
    fn new(entries: Vec<(Dot, N)>) -> Self {
        let sum = entries.iter().map(|(_, total)| total.net()).sum();
        Totals { entries, sum }
    }

    fn find(&self, replica: ReplicaId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&replica, |entry| entry.0.replica)
    }

    fn by_replica(&self) -> impl Iterator<Item = (ReplicaId, i128)> {
        self.entries.iter().map(|(dot, total)| (dot.replica, total.net()))
    }

    fn update(&mut self, cx: &mut Cx, f: impl FnOnce(&mut N)) {
        match self.find(cx.author()) {
            Ok(i) => {
                let (dot, total) = &mut self.entries[i];
                cx.remove(*dot);
                *dot = cx.add();
                self.sum -= total.net();
                f(total);
                self.sum += total.net();
            }
            Err(i) => {
                let mut total = N::default();
                f(&mut total);
                self.sum += total.net();
                self.entries.insert(i, (cx.add(), total));
            }
        }
    }

    /// The entries whose dots are in one of the spans, which are sorted. Costs the spans and what is returned.
    fn within(&self, spans: impl Iterator<Item = Span>) -> impl Iterator<Item = &(Dot, N)> {
        spans.filter_map(|span| {
            let entry = self.entries.get(self.find(span.replica).ok()?)?;
            (span.after < entry.0.seq && entry.0.seq <= span.to).then_some(entry)
        })
    }
}

impl<N: Total> DotStore for Totals<N> {
    fn is_bottom(&self) -> bool {
        self.entries.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.entries.iter().for_each(|entry| f(entry.0));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        // An entry of the same replica that is at least as late stands for the one here.
        let gone = |dot: Dot| theirs.contains(dot) && other.find(dot.replica).is_err();
        let any_gone = self.within(theirs.iter_ranges()).any(|(dot, _)| gone(*dot));
        if any_gone {
            let sum = &mut self.sum;
            self.entries.retain(|(dot, total)| {
                let gone = gone(*dot);
                if gone {
                    changes.remove(*dot);
                    *sum -= total.net();
                }
                !gone
            });
        }
        let mut new = Vec::new();
        for (dot, total) in &other.entries {
            match self.find(dot.replica) {
                Ok(i) if self.entries[i].0.seq < dot.seq => {
                    changes.remove(self.entries[i].0);
                    self.sum -= self.entries[i].1.net();
                    self.entries[i] = (*dot, total.clone());
                }
                Err(_) if !ours.contains(*dot) => new.push((*dot, total.clone())),
                _ => continue,
            }
            changes.add(*dot);
            self.sum += total.net();
        }
        if !new.is_empty() {
            self.entries.append(&mut new);
            self.entries.sort_by_key(|entry| entry.0.replica); // two sorted lists
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        Totals::new(self.within(wanted.iter_ranges()).cloned().collect())
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let any = !self.entries.is_empty();
        self.entries.drain(..).for_each(|(dot, _)| cx.remove(dot));
        self.sum = 0;
        any
    }
}

impl<N: Encode> Encode for Totals<N> {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (dot, total) in &self.entries {
            w.dot(*dot);
            total.encode(w);
        }
    }
}

impl<N: Total + Decode> Decode for Totals<N> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count(3)?;
        let mut entries: Vec<(Dot, N)> = Vec::with_capacity(n);
        for _ in 0..n {
            let dot = r.dot()?;
            if entries.last().is_some_and(|last| last.0.replica >= dot.replica) {
                return Err(r.invalid("totals must be sorted by replica"));
            }
            entries.push((dot, N::decode(r)?));
        }
        Ok(Totals::new(entries))
    }
}
