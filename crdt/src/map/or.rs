//! [`OrMap`].

use alloc::borrow::{Borrow, ToOwned};

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotStore, wraps_store};
use crate::id::Dot;

/// A map from keys to nested CRDTs; a key is in as long as anything under it is visible.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | update under `k` | update under `k` | both, as the nested type says |
/// | update under `k` | remove `k` | what A wrote stays, what B saw is gone |
/// | remove `k` | remove `k` | `k` is out |
///
/// Two replicas that create a value under the same key at once create the same value. [Which types nest](crate::map#what-nests),
/// and what of them a removed key takes along. `O(log n)` for each operation and level. Source: the map of Almeida, Shoker, Baquero, 2018.
///
/// ```
/// use crdt::map::OrMap;
/// use crdt::replica::Replica;
/// use crdt::set::AwSet;
/// use crdt::ReplicaId;
///
/// type Lists = OrMap<String, AwSet<String>>;
/// let mut a: Replica<Lists> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<Lists> = Replica::new(ReplicaId::from_u128(2));
/// let add = |list: &'static str, item: &'static str| {
///     move |lists: &mut Lists, cx: &mut crdt::dots::Cx| {
///         lists.update(list.into(), cx, |set, cx| set.insert(item.into(), cx))
///     }
/// };
/// b.apply(&a.edit(0, add("home", "milk")));
/// let removed = a.edit(0, |lists, cx| lists.remove("home", cx));
/// let added = b.edit(0, add("home", "bread"));
/// a.apply(&added);
/// b.apply(&removed);
/// let home: Vec<_> = a.value().get("home").unwrap().iter().collect();
/// assert_eq!(home, ["bread"]);
/// assert_eq!(a.value(), b.value());
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct OrMap<K: Ord + Clone + Debug, V: DotStore>(DotMap<K, V>);

impl<K: Ord + Clone + Debug, V: DotStore> Default for OrMap<K, V> {
    fn default() -> Self {
        OrMap(DotMap::default())
    }
}

impl<K: Ord + Clone + Debug, V: DotStore> OrMap<K, V> {
    /// Edits the value under a key; it is empty if the key was not in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::OrMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<OrMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.update("k", cx, |n, cx| n.add(2, cx)));
    /// assert_eq!(a.value().get("k").unwrap().value(), 2);
    /// ```
    pub fn update<R>(&mut self, key: K, cx: &mut Cx, edit: impl FnOnce(&mut V, &mut Cx) -> R) -> R {
        self.0.update(key, cx, edit)
    }

    /// Takes a key out, with everything under it; returns whether it went. It stays if something under it cannot
    /// be emptied, as a [`BoundedCounter`](crate::counter::BoundedCounter).
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::OrMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<OrMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.update("k", cx, |n, cx| n.add(2, cx)));
    /// assert!(a.update(0, |map, cx| map.remove(&"k", cx)));
    /// assert!(a.value().is_empty());
    /// ```
    pub fn remove<Q: Ord + ?Sized + ToOwned<Owned = K>>(&mut self, key: &Q, cx: &mut Cx) -> bool
    where
        K: Borrow<Q>,
    {
        let empty = |value: &mut V, cx: &mut Cx| {
            value.clear(cx);
            value.is_bottom()
        };
        self.0.update_visible(key.to_owned(), cx, empty) == Some(true)
    }

    /// The value under a key, if the key is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::OrMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<OrMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
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
    /// # use crdt::{ReplicaId, map::OrMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<OrMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.update("k", cx, |n, cx| n.add(2, cx)));
    /// assert_eq!(a.value().iter().map(|(key, n)| (*key, n.value())).collect::<Vec<_>>(), [("k", 2)]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter()
    }

    /// How many keys are in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::OrMap, counter::PnCounter, replica::Replica};
    /// let mut a: Replica<OrMap<&str, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
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

    /// The keys under which something written by one of these events is visible.
    #[cfg(feature = "std")]
    pub(crate) fn keys_within(&self, events: &DotRanges) -> alloc::collections::BTreeSet<K> {
        self.0.keys_within(events.iter_ranges())
    }
}

#[cfg(feature = "std")]
impl<K: Ord + Clone + Debug + Decode, V: DotStore> OrMap<K, V> {
    /// Reads a map whose keys say how their values are read.
    pub(crate) fn decode_with(
        r: &mut Reader<'_>,
        decode: impl FnMut(&K, &mut Reader<'_>) -> Result<V, DecodeError>,
    ) -> Result<Self, DecodeError> {
        DotMap::decode_with(r, decode).map(OrMap)
    }
}

wraps_store!(
    [K: Ord + Clone + Debug, V: DotStore] OrMap<K, V>,
    [K: Ord + Clone + Debug + Encode, V: DotStore + Encode],
    [K: Ord + Clone + Debug + Decode, V: DotStore + Decode]
);
