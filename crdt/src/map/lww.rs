//! [`LwwMap`].

use alloc::borrow::{Borrow, ToOwned};
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotStore, wraps_store};
use crate::id::Dot;
use crate::register::LwwRegister;

/// A map from keys to plain values in which for each key the latest write or removal wins, by the clock.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | put `k` = 1 at 5 | put `k` = 2 at 7 | `k` = 2 |
/// | put `k` = 1 at 5 | remove `k` at 7 | `k` is out |
/// | put `k` = 1 at 7 | remove `k` at 5 | `k` = 1 |
///
/// For a map in which a write always beats a concurrent removal take an
/// [`OrMap`](super::OrMap) of [`LwwRegister`]s. A removal is remembered until the next write. `O(log n)`. Source:
/// Shapiro and others, 2011.
///
/// ```
/// use crdt::map::LwwMap;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<LwwMap<String, u64>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(1_000, |map, cx| map.put("size".into(), 1, cx)));
/// let removed = a.edit(3_000, |map, cx| map.remove("size", cx));
/// let put = b.edit(2_000, |map, cx| map.put("size".into(), 2, cx));
/// a.apply(&put);
/// b.apply(&removed);
/// assert_eq!((a.value().get("size"), b.value().get("size")), (None, None));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct LwwMap<K: Ord + Clone + Debug, T: Clone + PartialEq + Debug>(
    pub(crate) DotMap<K, LwwRegister<Option<T>>>,
);

impl<K: Ord + Clone + Debug, T: Clone + PartialEq + Debug> Default for LwwMap<K, T> {
    fn default() -> Self {
        LwwMap(DotMap::default())
    }
}

impl<K: Ord + Clone + Debug, T: Clone + PartialEq + Debug> LwwMap<K, T> {
    /// Writes the value under a key.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::LwwMap, replica::Replica};
    /// let mut a: Replica<LwwMap<String, u8>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.put("k".into(), 1, cx));
    /// assert_eq!(a.value().get("k"), Some(&1));
    /// ```
    pub fn put(&mut self, key: K, value: T, cx: &mut Cx) {
        self.0.update(key, cx, |register, cx| register.set(Some(value), cx));
    }

    /// Takes a key out; returns whether it was in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::LwwMap, replica::Replica};
    /// let mut a: Replica<LwwMap<String, u8>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.put("k".into(), 1, cx));
    /// assert!(a.update(0, |map, cx| map.remove("k", cx)));
    /// assert_eq!(a.value().get("k"), None);
    /// ```
    pub fn remove<Q: Ord + ?Sized + ToOwned<Owned = K>>(&mut self, key: &Q, cx: &mut Cx) -> bool
    where
        K: Borrow<Q>,
    {
        let was_in = self.get(key).is_some();
        if was_in {
            self.0.update(key.to_owned(), cx, |register, cx| register.set(None, cx));
        }
        was_in
    }

    /// The value under a key, if the key is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::LwwMap, replica::Replica};
    /// let mut a: Replica<LwwMap<String, u8>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.put("k".into(), 1, cx));
    /// assert_eq!((a.value().get("k"), a.value().get("l")), (Some(&1), None));
    /// ```
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)?.get()?.as_ref()
    }

    /// How many keys are in. `O(n)`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::LwwMap, replica::Replica};
    /// let mut a: Replica<LwwMap<&str, u8>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |it, cx| it.put("size", 1, cx));
    /// assert!(a.value().len() == 1 && !a.value().is_empty());
    /// ```
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The entries, by key.
    ///
    /// ```
    /// # use crdt::{ReplicaId, map::LwwMap, replica::Replica};
    /// let mut a: Replica<LwwMap<String, u8>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |map, cx| map.put("k".into(), 1, cx));
    /// assert_eq!(a.value().iter().map(|(key, n)| (key.as_str(), *n)).collect::<Vec<_>>(), [("k", 1)]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &T)> {
        self.0.iter().filter_map(|(key, register)| Some((key, register.get()?.as_ref()?)))
    }
}

wraps_store!(
    [K: Ord + Clone + Debug, T: Clone + PartialEq + Debug] LwwMap<K, T>,
    [K: Ord + Clone + Debug + Encode, T: Clone + PartialEq + Debug + Encode],
    [K: Ord + Clone + Debug + Decode, T: Clone + PartialEq + Debug + Decode]
);
