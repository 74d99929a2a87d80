//! Counters: [`GCounter`], [`PnCounter`], [`BoundedCounter`].

mod bounded;
mod grow;
mod pos_neg;

use alloc::vec::Vec;
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::id::{Dot, ReplicaId};

pub use bounded::{BoundedCounter, NotEnoughRights};
pub use grow::GCounter;
pub use pos_neg::PnCounter;

/// For each replica its last event here and its running total. What all counters are made of.
#[derive(Clone, Default, PartialEq, Debug)]
struct Totals<N> {
    /// Sorted by replica, one entry for each.
    entries: Vec<(Dot, N)>,
}

impl<N: Clone + Default + PartialEq + Debug> Totals<N> {
    fn find(&self, replica: ReplicaId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&replica, |entry| entry.0.replica)
    }

    fn update(&mut self, cx: &mut Cx, f: impl FnOnce(N) -> N) {
        match self.find(cx.author()) {
            Ok(i) => {
                cx.remove(self.entries[i].0);
                let total = f(core::mem::take(&mut self.entries[i].1));
                self.entries[i] = (cx.add(), total);
            }
            Err(i) => self.entries.insert(i, (cx.add(), f(N::default()))),
        }
    }
}

impl<N: Clone + Default + PartialEq + Debug> DotStore for Totals<N> {
    fn is_bottom(&self) -> bool {
        self.entries.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.entries.iter().for_each(|entry| f(entry.0));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        self.entries.retain(|(dot, _)| {
            // An entry of the same replica that is at least as late stands for this one.
            let stays = other.find(dot.replica).is_ok() || !theirs.contains(*dot);
            if !stays {
                changes.remove(*dot);
            }
            stays
        });
        for (dot, total) in &other.entries {
            let (dot, total) = (*dot, total.clone());
            match self.find(dot.replica) {
                Ok(i) if self.entries[i].0.seq < dot.seq => {
                    changes.remove(self.entries[i].0);
                    changes.add(dot);
                    self.entries[i] = (dot, total);
                }
                Ok(_) => {}
                Err(i) if !ours.contains(dot) => {
                    changes.add(dot);
                    self.entries.insert(i, (dot, total));
                }
                Err(_) => {}
            }
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        Totals { entries: self.entries.iter().filter(|entry| wanted.contains(entry.0)).cloned().collect() }
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let any = !self.entries.is_empty();
        self.entries.drain(..).for_each(|(dot, _)| cx.remove(dot));
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

impl<N: Decode> Decode for Totals<N> {
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
        Ok(Totals { entries })
    }
}
