//! [`GCounter`].

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore, wraps_store};
use crate::id::{Dot, ReplicaId};

use super::{Total, Totals};

/// A counter that only grows.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | add 2 | add 3 | 5 more |
/// | add 2 | clear | all that A ever added |
///
/// A replica's total is one value: a clear that has not seen its latest part does not take it away.
/// `O(log replicas)` to add, `O(1)` to read. Totals stop at 2^64 - 1. Source: Shapiro and others, "A comprehensive
/// study of convergent and commutative replicated data types", 2011; that a clear takes what it saw: Baquero, Almeida,
/// Lerche, "The problem with embedded CRDT counters and a solution", 2016.
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
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::GCounter, replica::Replica};
    /// let mut a: Replica<GCounter> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |n, cx| n.add(2, cx));
    /// assert_eq!(a.value().value(), 2);
    /// ```
    pub fn add(&mut self, n: u64, cx: &mut Cx) {
        if n > 0 {
            self.0.update(cx, |total| *total = total.saturating_add(n));
        }
    }

    /// The sum over all replicas.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::GCounter, replica::Replica};
    /// let mut a: Replica<GCounter> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |n, cx| n.add(2, cx));
    /// assert_eq!(a.value().value(), 2);
    /// ```
    pub fn value(&self) -> u64 {
        u64::try_from(self.0.sum).unwrap_or(u64::MAX)
    }

    /// What each replica added, by replica.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::GCounter, replica::Replica};
    /// let mut a: Replica<GCounter> = Replica::new(ReplicaId::from_u128(1));
    /// a.edit(0, |n, cx| n.add(2, cx));
    /// assert_eq!(a.value().by_replica().collect::<Vec<_>>(), [(ReplicaId::from_u128(1), 2)]);
    /// ```
    pub fn by_replica(&self) -> impl Iterator<Item = (ReplicaId, u64)> {
        self.0.by_replica().map(|(replica, net)| (replica, u64::try_from(net).unwrap_or(u64::MAX)))
    }
}

impl Total for u64 {
    fn net(&self) -> i128 {
        i128::from(*self)
    }
}

wraps_store!([] GCounter, [], []);
