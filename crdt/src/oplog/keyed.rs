//! Operations on what stands under a key: [`LwwSetOp`], [`LwwMapOp`], [`MapOp`].

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt::Debug;

use super::PureOp;

/// Edits a set in which for each member the later stamp wins.
///
/// ```
/// use crdt::oplog::{LwwSetOp, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// let removed = a.apply(7, LwwSetOp::Remove("x"));
/// b.apply(5, LwwSetOp::Insert("x"));
/// b.effect(&removed)?;
/// assert!(b.value().is_empty());
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LwwSetOp<E> {
    /// Puts a member in.
    Insert(E),
    /// Takes a member out.
    Remove(E),
}

impl<E> LwwSetOp<E> {
    fn member(&self) -> (&E, bool) {
        match self {
            LwwSetOp::Insert(member) => (member, true),
            LwwSetOp::Remove(member) => (member, false),
        }
    }
}

impl<E: Ord + Clone + Debug> PureOp for LwwSetOp<E> {
    type Value = BTreeSet<E>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        self.member().0 == newer.member().0
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> BTreeSet<E>
    where
        E: 'a,
    {
        let last: BTreeMap<&E, bool> = ops.map(LwwSetOp::member).collect();
        last.into_iter().filter(|(_, is_in)| *is_in).map(|(member, _)| member.clone()).collect()
    }
}

/// Edits a map in which for each key the later stamp wins.
///
/// ```
/// use crdt::oplog::{LwwMapOp, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// let later = a.apply(7, LwwMapOp::Put("k", 1));
/// b.apply(5, LwwMapOp::Put("k", 2));
/// b.effect(&later)?;
/// assert_eq!(b.value().get("k"), Some(&1));
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LwwMapOp<K, T> {
    /// Writes the value under a key.
    Put(K, T),
    /// Takes a key out.
    Remove(K),
}

impl<K, T> LwwMapOp<K, T> {
    fn entry(&self) -> (&K, Option<&T>) {
        match self {
            LwwMapOp::Put(key, value) => (key, Some(value)),
            LwwMapOp::Remove(key) => (key, None),
        }
    }
}

impl<K: Ord + Clone + Debug, T: Clone + PartialEq + Debug> PureOp for LwwMapOp<K, T> {
    type Value = BTreeMap<K, T>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        self.entry().0 == newer.entry().0
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> BTreeMap<K, T>
    where
        K: 'a,
        T: 'a,
    {
        let last: BTreeMap<&K, Option<&T>> = ops.map(LwwMapOp::entry).collect();
        last.into_iter().filter_map(|(key, value)| Some((key.clone(), value?.clone()))).collect()
    }
}

/// Edits a map whose values have operations of their own.
///
/// ```
/// use crdt::oplog::{AwSetOp, MapOp, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.effect(&a.apply(0, MapOp::Update("tags", AwSetOp::Insert("x"))))?;
/// let removed = a.apply(0, MapOp::Remove("tags"));
/// b.apply(0, MapOp::Update("tags", AwSetOp::Insert("y"))); // concurrently
/// b.effect(&removed)?;
/// assert_eq!(b.value()["tags"], ["y"].into()); // what the removal had not seen stays
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MapOp<K, O> {
    /// Does something with the value under a key.
    Update(K, O),
    /// Takes a key out, with all that was done under it and seen.
    Remove(K),
}

impl<K: Ord + Clone + Debug, O: PureOp> PureOp for MapOp<K, O> {
    type Value = BTreeMap<K, O::Value>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (MapOp::Update(old, op), MapOp::Update(new, newer)) => old == new && op.is_overridden_by(newer),
            (MapOp::Update(old, _), MapOp::Remove(new)) => old == new,
            (MapOp::Remove(_), _) => true,
        }
    }

    fn is_done_at_once(&self) -> bool {
        match self {
            MapOp::Update(_, op) => op.is_done_at_once(),
            MapOp::Remove(_) => true,
        }
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> BTreeMap<K, O::Value>
    where
        K: 'a,
        O: 'a,
    {
        let mut by_key: BTreeMap<&K, Vec<&O>> = BTreeMap::new();
        for op in ops {
            if let MapOp::Update(key, op) = op {
                by_key.entry(key).or_default().push(op);
            }
        }
        by_key.into_iter().map(|(key, ops)| (key.clone(), O::eval(ops.into_iter()))).collect()
    }
}
