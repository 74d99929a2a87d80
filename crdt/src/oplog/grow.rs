//! Operations of types in which nothing that was done is undone: [`Insert`], [`TwoPhaseOp`], [`MaxWrite`], [`MinWrite`].

use alloc::collections::BTreeSet;
use core::fmt::Debug;

use super::{PureOp, inserted_without_removed};

/// Puts a member into a set that only grows.
///
/// ```
/// use crdt::oplog::{Insert, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.apply(0, Insert("milk"));
/// b.effect(&a.apply(0, Insert("tea")))?;
/// assert_eq!(b.value().len(), 2);
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Insert<E>(pub E);

impl<E: Ord + Clone + Debug> PureOp for Insert<E> {
    type Value = BTreeSet<E>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        self.0 == newer.0
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> BTreeSet<E>
    where
        E: 'a,
    {
        ops.map(|op| op.0.clone()).collect()
    }
}

/// Edits a set in which what was removed never comes back.
///
/// ```
/// use crdt::oplog::{PoLog, TwoPhaseOp};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.effect(&a.apply(0, TwoPhaseOp::Insert("x")))?;
/// b.effect(&a.apply(0, TwoPhaseOp::Remove("x")))?;
/// b.apply(0, TwoPhaseOp::Insert("x")); // too late, for good
/// assert!(!b.value().contains("x"));
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TwoPhaseOp<E> {
    /// Puts a member in, unless it was ever removed.
    Insert(E),
    /// Takes a member out for good.
    Remove(E),
}

impl<E: Ord + Clone + Debug> PureOp for TwoPhaseOp<E> {
    type Value = BTreeSet<E>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (TwoPhaseOp::Insert(old), TwoPhaseOp::Insert(new) | TwoPhaseOp::Remove(new)) => old == new,
            (TwoPhaseOp::Remove(old), TwoPhaseOp::Remove(new)) => old == new,
            (TwoPhaseOp::Remove(_), TwoPhaseOp::Insert(_)) => false,
        }
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> BTreeSet<E>
    where
        E: 'a,
    {
        inserted_without_removed(ops.map(|op| match op {
            TwoPhaseOp::Insert(member) => (true, member),
            TwoPhaseOp::Remove(member) => (false, member),
        }))
    }
}

/// Writes a register that keeps the greatest value.
///
/// ```
/// use crdt::oplog::{MaxWrite, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.apply(0, MaxWrite(3));
/// b.effect(&a.apply(0, MaxWrite(5)))?;
/// assert_eq!(b.value(), Some(5));
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaxWrite<T>(pub T);

impl<T: Ord + Clone + Debug> PureOp for MaxWrite<T> {
    type Value = Option<T>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        newer.0 >= self.0
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> Option<T>
    where
        T: 'a,
    {
        ops.map(|op| &op.0).max().cloned()
    }
}

/// Writes a register that keeps the least value.
///
/// ```
/// use crdt::oplog::{MinWrite, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.apply(0, MinWrite(3));
/// b.effect(&a.apply(0, MinWrite(5)))?;
/// assert_eq!(b.value(), Some(3));
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MinWrite<T>(pub T);

impl<T: Ord + Clone + Debug> PureOp for MinWrite<T> {
    type Value = Option<T>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        newer.0 <= self.0
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> Option<T>
    where
        T: 'a,
    {
        ops.map(|op| &op.0).min().cloned()
    }
}
