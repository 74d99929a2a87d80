//! [`SortedMap`]: a map in the order of its keys that takes little room when it is small.

use alloc::collections::{BTreeMap, btree_map};
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::ops::RangeInclusive;

/// Up to so many entries stand in one sorted list; more in a B-tree.
///
/// A B-tree allocates room for eleven entries at once, which is most of what a small document would need.
pub(crate) const FEW: usize = 32;

/// A map in the order of its keys: a list while it has few entries, then a B-tree.
#[derive(Clone)]
pub(crate) enum SortedMap<K, V> {
    Few(Vec<(K, V)>),
    Many(BTreeMap<K, V>),
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        SortedMap::Few(Vec::new())
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// From entries that are sorted by key, none twice. `O(n)`, and no room to spare.
    pub(crate) fn from_sorted(mut entries: Vec<(K, V)>) -> Self {
        if entries.len() <= FEW {
            entries.shrink_to_fit();
            SortedMap::Few(entries)
        } else {
            SortedMap::Many(entries.into_iter().collect())
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            SortedMap::Few(list) => list.len(),
            SortedMap::Many(tree) => tree.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self {
            SortedMap::Few(list) => search(list, key).ok().map(|i| &list[i].1),
            SortedMap::Many(tree) => tree.get(key),
        }
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self {
            SortedMap::Few(list) => search(list, key).ok().map(|i| &mut list[i].1),
            SortedMap::Many(tree) => tree.get_mut(key),
        }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            SortedMap::Few(list) => match search(list, &key) {
                Ok(i) => Some(core::mem::replace(&mut list[i].1, value)),
                Err(i) => {
                    self.insert_at(i, key, value);
                    None
                }
            },
            SortedMap::Many(tree) => tree.insert(key, value),
        }
    }

    /// Puts an entry in where it belongs in the list, which becomes a tree when it is full.
    fn insert_at(&mut self, i: usize, key: K, value: V) {
        let SortedMap::Few(list) = self else { return };
        list.insert(i, (key, value));
        if list.len() > FEW {
            *self = SortedMap::Many(core::mem::take(list).into_iter().collect());
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self {
            SortedMap::Few(list) => search(list, key).ok().map(|i| list.remove(i).1),
            SortedMap::Many(tree) => tree.remove(key),
        }
    }

    /// Changes what stands under a key, or what would, with one search. It stays or goes as `keep` says.
    /// Gives the key back.
    pub(crate) fn change<R>(
        &mut self,
        key: K,
        change: impl FnOnce(&mut V) -> R,
        keep: impl FnOnce(&V) -> bool,
    ) -> (R, K)
    where
        K: Clone,
        V: Default,
    {
        match self {
            SortedMap::Few(list) => match search(list, &key) {
                Ok(i) => {
                    let result = change(&mut list[i].1);
                    if !keep(&list[i].1) {
                        list.remove(i);
                    }
                    (result, key)
                }
                Err(i) => {
                    let mut value = V::default();
                    let result = change(&mut value);
                    if keep(&value) {
                        self.insert_at(i, key.clone(), value);
                    }
                    (result, key)
                }
            },
            SortedMap::Many(tree) => match tree.entry(key) {
                btree_map::Entry::Occupied(mut entry) => {
                    let result = change(entry.get_mut());
                    let stays = keep(entry.get());
                    (result, if stays { entry.key().clone() } else { entry.remove_entry().0 })
                }
                btree_map::Entry::Vacant(entry) => {
                    let mut value = V::default();
                    let result = change(&mut value);
                    let key = entry.key().clone();
                    if keep(&value) {
                        entry.insert(value);
                    }
                    (result, key)
                }
            },
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        match self {
            SortedMap::Few(list) => list.retain_mut(|(key, value)| keep(key, value)),
            SortedMap::Many(tree) => tree.retain(keep),
        }
    }

    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        match self {
            SortedMap::Few(list) => Iter::Few(list.iter()),
            SortedMap::Many(tree) => Iter::Many(tree.iter()),
        }
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.iter().map(|(key, _)| key)
    }

    /// The entries in a range of keys, which is not empty. `O(log n)` and what it returns.
    pub(crate) fn range(&self, keys: RangeInclusive<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        match self {
            SortedMap::Few(list) => {
                let from = list.partition_point(|(key, _)| key < keys.start());
                let to = list.partition_point(|(key, _)| key <= keys.end());
                Range::Few(list[from..to.max(from)].iter())
            }
            SortedMap::Many(tree) => Range::Many(tree.range(keys)),
        }
    }

    pub(crate) fn last_mut(&mut self) -> Option<(&K, &mut V)> {
        match self {
            SortedMap::Few(list) => list.last_mut().map(|(key, value)| (&*key, value)),
            SortedMap::Many(tree) => tree.iter_mut().next_back(),
        }
    }
}

fn search<K: Borrow<Q>, V, Q: Ord + ?Sized>(list: &[(K, V)], key: &Q) -> Result<usize, usize> {
    list.binary_search_by(|entry| entry.0.borrow().cmp(key))
}

/// In any order; of two with one key the later stays.
impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = SortedMap::default();
        entries.into_iter().for_each(|(key, value)| drop(map.insert(key, value)));
        map
    }
}

impl<K: Ord, V: PartialEq> PartialEq for SortedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The entries of a [`SortedMap`], by key.
#[derive(Debug)]
pub(crate) enum Iter<'a, K, V> {
    Few(core::slice::Iter<'a, (K, V)>),
    Many(btree_map::Iter<'a, K, V>),
}

/// Some of the entries of a [`SortedMap`], by key.
enum Range<'a, K, V> {
    Few(core::slice::Iter<'a, (K, V)>),
    Many(btree_map::Range<'a, K, V>),
}

/// Iterates over the list or the tree.
macro_rules! iterates {
    ($name:ident) => {
        impl<'a, K, V> Iterator for $name<'a, K, V> {
            type Item = (&'a K, &'a V);

            fn next(&mut self) -> Option<Self::Item> {
                match self {
                    $name::Few(list) => list.next().map(|(key, value)| (key, value)),
                    $name::Many(tree) => tree.next(),
                }
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                match self {
                    $name::Few(list) => list.size_hint(),
                    $name::Many(tree) => tree.size_hint(),
                }
            }
        }

        impl<K, V> DoubleEndedIterator for $name<'_, K, V> {
            fn next_back(&mut self) -> Option<Self::Item> {
                match self {
                    $name::Few(list) => list.next_back().map(|(key, value)| (key, value)),
                    $name::Many(tree) => tree.next_back(),
                }
            }
        }
    };
}

iterates!(Iter);
iterates!(Range);

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((any::<bool>(), 0u8..60, any::<u8>()), 0..200)) {
            let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
            for (put, key, value) in steps {
                if put {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                let more = |n: &mut u8| *n = n.wrapping_add(1);
                map.change(key / 2, more, |n| *n % 3 > 0);
                more(model.entry(key / 2).or_default());
                model.retain(|_, n| *n % 3 > 0);
                map.retain(|_, n| *n % 3 > 0);
                prop_assert!(map.iter().eq(model.iter()) && map.iter().rev().eq(model.iter().rev()));
                prop_assert!(map.range(key / 2..=key).eq(model.range(key / 2..=key)));
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
            prop_assert_eq!(SortedMap::from_sorted(map.iter().map(|(k, v)| (*k, *v)).collect()), map);
        }
    }
}
