//! Counters.

use std::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore, wraps_store};
use crate::id::{Dot, ReplicaId};

/// For each replica its last event here and its running total. What both counters are made of.
#[derive(Clone, Default, PartialEq, Debug)]
struct Totals<N> {
    /// Sorted by replica, one entry for each.
    entries: Vec<(Dot, N)>,
}

impl<N: Copy + Default + PartialEq + Debug> Totals<N> {
    fn find(&self, replica: ReplicaId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&replica, |entry| entry.0.replica)
    }

    fn update(&mut self, cx: &mut Cx, f: impl FnOnce(N) -> N) {
        match self.find(cx.author()) {
            Ok(i) => {
                cx.remove(self.entries[i].0);
                self.entries[i] = (cx.add(), f(self.entries[i].1));
            }
            Err(i) => self.entries.insert(i, (cx.add(), f(N::default()))),
        }
    }
}

impl<N: Copy + Default + PartialEq + Debug> DotStore for Totals<N> {
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
        for &(dot, total) in &other.entries {
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
        Totals { entries: self.entries.iter().filter(|entry| wanted.contains(entry.0)).copied().collect() }
    }

    fn clear(&mut self, cx: &mut Cx) {
        if !self.entries.is_empty() {
            self.entries.drain(..).for_each(|(dot, _)| cx.remove(dot));
            cx.event();
        }
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

/// A counter that only grows.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | add 2 | add 3 | 5 more |
/// | add 2 | clear | all that A ever added |
///
/// A replica's total is one value: a clear that has not seen its latest part does not take it away.
/// `O(log replicas)` to add, `O(replicas)` to read. Totals stop at 2^64 - 1.
///
/// ```
/// use crdt::counter::GCounter;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<GCounter> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<GCounter> = Replica::new(ReplicaId::from_u128(2));
/// let two = a.edit(0, |n, cx| n.add(2, cx));
/// b.edit(0, |n, cx| n.add(3, cx));
/// b.apply(&two);
/// b.apply(&two); // twice is once
/// assert_eq!(b.value().value(), 5);
/// ```
#[derive(Clone, Default, PartialEq, Debug)]
pub struct GCounter(Totals<u64>);

impl GCounter {
    /// Adds `n`; no event if that is 0.
    pub fn add(&mut self, n: u64, cx: &mut Cx) {
        if n > 0 {
            self.0.update(cx, |total| total.saturating_add(n));
        }
    }

    /// The sum over all replicas.
    pub fn value(&self) -> u64 {
        self.0.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.1))
    }
}

wraps_store!([] GCounter, [], []);

/// A counter that grows and shrinks.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | add 2 | add -3 | 1 less |
/// | add 2 | clear | all that A ever added |
///
/// As [`GCounter`], with a total for what was added and one for what was taken.
///
/// ```
/// use crdt::counter::PnCounter;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(2));
/// let up = a.edit(0, |n, cx| n.add(2, cx));
/// b.edit(0, |n, cx| n.add(-3, cx));
/// b.apply(&up);
/// assert_eq!(b.value().value(), -1);
/// ```
#[derive(Clone, Default, PartialEq, Debug)]
pub struct PnCounter(Totals<(u64, u64)>);

impl PnCounter {
    /// Adds `n`, which may be negative; no event if it is 0.
    pub fn add(&mut self, n: i64, cx: &mut Cx) {
        if n != 0 {
            let (up, down) = (n.max(0).unsigned_abs(), n.min(0).unsigned_abs());
            self.0.update(cx, |total| (total.0.saturating_add(up), total.1.saturating_add(down)));
        }
    }

    /// The sum over all replicas; stops at the ends of `i64`.
    pub fn value(&self) -> i64 {
        let sum = |sum: i128, entry: &(Dot, (u64, u64))| {
            sum.saturating_add(i128::from(entry.1.0) - i128::from(entry.1.1))
        };
        let sum = self.0.entries.iter().fold(0, sum);
        sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

wraps_store!([] PnCounter, [], []);
