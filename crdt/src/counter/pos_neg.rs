//! [`PnCounter`].

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore, wraps_store};
use crate::id::{Dot, ReplicaId};

use super::{Total, Totals};

/// A counter that grows and shrinks.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | add 2 | add -3 | 1 less |
/// | add 2 | clear | all that A ever added |
///
/// As [`GCounter`](super::GCounter), with a total for what was added and one for what was taken. `O(log replicas)`
/// to add, `O(1)` to read. Source: Shapiro and others, 2011.
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
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |n, cx| n.add(-2, cx));
    /// assert_eq!(a.value().value(), -2);
    /// ```
    pub fn add(&mut self, n: i64, cx: &mut Cx) {
        if n != 0 {
            let (up, down) = (n.max(0).unsigned_abs(), n.min(0).unsigned_abs());
            self.0.update(cx, |total| *total = (total.0.saturating_add(up), total.1.saturating_add(down)));
        }
    }

    /// By how much the replicas in this part of a counter moved it beyond what another counts of them.
    #[cfg(feature = "std")]
    pub(crate) fn more_than(&self, other: &PnCounter) -> i64 {
        let more = self.0.lasts().map(|(dot, total)| {
            let before = other.0.last(dot.replica);
            total.net() - before.map_or(0, Total::net)
        });
        more.sum::<i128>().clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The sum over all replicas; stops at the ends of `i64`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |n, cx| n.add(-2, cx));
    /// assert_eq!(a.value().value(), -2);
    /// ```
    pub fn value(&self) -> i64 {
        self.0.sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// What each replica added, by replica.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(1));
    /// a.edit(0, |n, cx| n.add(-2, cx));
    /// assert_eq!(a.value().by_replica().collect::<Vec<_>>(), [(ReplicaId::from_u128(1), -2)]);
    /// ```
    pub fn by_replica(&self) -> impl Iterator<Item = (ReplicaId, i64)> {
        self.0
            .by_replica()
            .map(|(replica, net)| (replica, net.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
    }
}

impl Total for (u64, u64) {
    fn net(&self) -> i128 {
        i128::from(self.0) - i128::from(self.1)
    }
}

wraps_store!([] PnCounter, [], []);
