//! [`GMap`].

use alloc::borrow::Borrow;
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotStore, wraps_store};
use crate::id::Dot;

/// A map from keys to nested CRDTs whose keys are never removed.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | update under `k` | update under `k` | both, as the nested type says |
/// | update under `k` | update under `l` | both |
///
/// A key is in as long as anything under it is visible. `O(log n)` for each operation and level. Source: the map of
/// Almeida, Shoker, Baquero, 2018, without its removal.
///
/// ```
/// use crdt::counter::GCounter;
/// use crdt::map::GMap;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// type Stats = GMap<&'static str, GCounter>;
/// let mut a: Replica<Stats> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<Stats> = Replica::new(ReplicaId::from_u128(2));
/// let views = a.edit(0, |map, cx| map.update("views", cx, |n, cx| n.add(2, cx)));
/// b.edit(0, |map, cx| map.update("views", cx, |n, cx| n.add(3, cx)));
/// b.apply(&views);
/// assert_eq!(b.value().get("views").unwrap().value(), 5);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct GMap<K: Ord + Clone + Debug, V: DotStore>(DotMap<K, V>);

impl<K: Ord + Clone + Debug, V: DotStore> Default for GMap<K, V> {
    fn default() -> Self {
        GMap(DotMap::default())
    }
}

impl<K: Ord + Clone + Debug, V: DotStore> GMap<K, V> {
    /// Edits the value under a key; it is empty if the key was not in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::GMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<GMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.update("k", cx, |n, cx| n.add(2, cx)));
    /// assert_eq!(a.value().get("k").unwrap().value(), 2);
    /// ```
    pub fn update<R>(&mut self, key: K, cx: &mut Cx, edit: impl FnOnce(&mut V, &mut Cx) -> R) -> R {
        self.0.update(key, cx, edit)
    }

    /// The value under a key, if the key is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::GMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<GMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.update("k", cx, |n, cx| n.add(2, cx)));
    /// assert!(a.value().get("k").is_some() && a.value().get("l").is_none());
    /// ```
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The entries, by key.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::GMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<GMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.update("k", cx, |n, cx| n.add(2, cx)));
    /// assert_eq!(a.value().iter().map(|(key, n)| (*key, n.value())).collect::<Vec<_>>(), [("k", 2)]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter()
    }

    /// How many keys are in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::GMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<GMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.update("k", cx, |n, cx| n.add(2, cx)));
    /// assert!(a.value().len() == 1 && !a.value().is_empty());
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key is in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

wraps_store!(
    [K: Ord + Clone + Debug, V: DotStore] GMap<K, V>,
    [K: Ord + Clone + Debug + Encode, V: DotStore + Encode],
    [K: Ord + Clone + Debug + Decode, V: DotStore + Decode]
);
