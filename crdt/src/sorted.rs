//! [`SortedMap`]: a map in the order of its keys that takes little room.

mod lists;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::ops::RangeInclusive;

use lists::Lists;

/// A map or set of the standard library of these, which are few: put in one by one. To collect them is to sort them first, and
/// to have that made for each type of them takes longer in building this crate than it ever saves.
pub(crate) fn few<T, M: Default + Extend<T>>(all: impl IntoIterator<Item = T>) -> M {
    let mut few = M::default();
    few.extend(all);
    few
}

/// Up to so many entries stand in one sorted list; more in several.
pub(crate) const FEW: usize = 32;

/// Whether so few come to so many that each is put in for itself; more are joined in one pass over both.
pub(crate) fn are_few(come: usize, here: usize) -> bool {
    come <= here / 8
}

/// A map in the order of its keys: a list while it has few entries, then a list of lists.
#[derive(Clone)]
pub(crate) enum SortedMap<K, V> {
    Few(Vec<(K, V)>),
    /// Apart, so that a small map is no larger for it.
    Many(Box<Lists<K, V>>),
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        SortedMap::Few(Vec::new())
    }
}

impl<K, V> SortedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            SortedMap::Few(list) => list.len(),
            SortedMap::Many(lists) => lists.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        let entries = match self {
            SortedMap::Few(list) => Entries::Few(list.iter()),
            SortedMap::Many(lists) => Entries::Many(lists.entries()),
        };
        Iter { entries, left: self.len() }
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.iter().map(|(key, _)| key)
    }
}

impl<K: Ord + Clone, V> SortedMap<K, V> {
    /// From entries that are sorted by key, none twice. `O(n)`, and little room to spare.
    pub(crate) fn from_sorted(mut entries: Vec<(K, V)>) -> Self {
        if entries.len() <= FEW {
            entries.shrink_to_fit();
            SortedMap::Few(entries)
        } else {
            SortedMap::Many(Box::new(Lists::from_sorted(entries)))
        }
    }

    /// In which list a key is, or would be, and where there.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        match self {
            SortedMap::Few(list) => (0, search(list, key)),
            SortedMap::Many(lists) => lists.find(key),
        }
    }

    fn value(&self, list: usize, at: usize) -> &V {
        match self {
            SortedMap::Few(list) => &list[at].1,
            SortedMap::Many(lists) => lists.value(list, at),
        }
    }

    fn value_mut(&mut self, list: usize, at: usize) -> &mut V {
        match self {
            SortedMap::Few(list) => &mut list[at].1,
            SortedMap::Many(lists) => lists.value_mut(list, at),
        }
    }

    #[cfg(feature = "std")]
    /// What stands at a place.
    pub(crate) fn entry_at(&self, (list, at): (usize, usize)) -> Option<(&K, &V)> {
        match self {
            SortedMap::Few(few) => few.get(at).map(|(key, value)| (key, value)),
            SortedMap::Many(lists) => lists.entry(list, at),
        }
    }

    #[cfg(feature = "std")]
    /// What stands at a place where something does.
    pub(crate) fn entry_at_mut(&mut self, (list, at): (usize, usize)) -> (&K, &mut V) {
        match self {
            SortedMap::Few(few) => {
                let (key, value) = &mut few[at];
                (key, value)
            }
            SortedMap::Many(lists) => lists.entry_mut(list, at),
        }
    }

    #[cfg(feature = "std")]
    /// The place of a key, with an empty value if there was none.
    pub(crate) fn place_or_default(&mut self, key: &K) -> (usize, usize)
    where
        V: Default,
    {
        let (list, at) = match self.find(key) {
            (list, Ok(at)) => return (list, at),
            (list, Err(at)) => (list, at),
        };
        self.insert_at(list, at, key.clone(), V::default());
        let (list, Ok(at) | Err(at)) = self.find(key); // lists may have been cut
        (list, at)
    }

    /// Puts an entry in where [`find`](Self::find) says.
    fn insert_at(&mut self, list: usize, at: usize, key: K, value: V) {
        match self {
            SortedMap::Few(few) => {
                few.reserve_exact(usize::from(few.is_empty())); // many never have more than one
                few.insert(at, (key, value));
                if few.len() > FEW {
                    *self = Self::from_sorted(core::mem::take(few));
                }
            }
            SortedMap::Many(lists) => lists.insert_at(list, at, key, value),
        }
    }

    fn remove_at(&mut self, list: usize, at: usize) -> V {
        match self {
            SortedMap::Few(list) => list.remove(at).1,
            SortedMap::Many(lists) => lists.remove_at(list, at),
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (list, at) = self.find(key);
        at.ok().map(|at| self.value(list, at))
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (list, at) = self.find(key);
        at.ok().map(|at| self.value_mut(list, at))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            (list, Ok(at)) => Some(core::mem::replace(self.value_mut(list, at), value)),
            (list, Err(at)) => {
                self.insert_at(list, at, key, value);
                None
            }
        }
    }

    #[cfg(feature = "std")]
    /// Puts in entries that are sorted by key, none twice, none of them here.
    pub(crate) fn extend_sorted(
        &mut self,
        come: impl IntoIterator<Item = (K, V), IntoIter: ExactSizeIterator>,
    ) {
        let come = come.into_iter();
        if come.len() == 1 || are_few(come.len(), self.len()) {
            come.for_each(|(key, value)| drop(self.insert(key, value)));
            return;
        }
        let mut all = core::mem::take(self).into_entries();
        all.extend(come);
        all.sort_by(|a, b| a.0.cmp(&b.0)); // two runs: merged in one pass
        *self = Self::from_sorted(all);
    }

    #[cfg(feature = "std")]
    fn into_entries(self) -> Vec<(K, V)> {
        match self {
            SortedMap::Few(list) => list,
            SortedMap::Many(lists) => lists.into_entries(),
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (list, at) = self.find(key);
        at.ok().map(|at| self.remove_at(list, at))
    }

    /// Changes what stands under a key, or what would, with one search. It stays or goes as `keep` says.
    pub(crate) fn change<R>(
        &mut self,
        key: &K,
        change: impl FnOnce(&mut V) -> R,
        keep: impl FnOnce(&V) -> bool,
    ) -> R
    where
        V: Default,
    {
        match self.find(key) {
            (list, Ok(at)) => self.change_at(list, at, change, keep),
            (list, Err(at)) => {
                let mut value = V::default();
                let result = change(&mut value);
                if keep(&value) {
                    self.insert_at(list, at, key.clone(), value);
                }
                result
            }
        }
    }

    /// [`change`](Self::change) where something stands; `None` where nothing does.
    pub(crate) fn change_present<R>(
        &mut self,
        key: &K,
        change: impl FnOnce(&mut V) -> R,
        keep: impl FnOnce(&V) -> bool,
    ) -> Option<R> {
        let (list, at) = self.find(key);
        at.ok().map(|at| self.change_at(list, at, change, keep))
    }

    fn change_at<R>(
        &mut self,
        list: usize,
        at: usize,
        change: impl FnOnce(&mut V) -> R,
        keep: impl FnOnce(&V) -> bool,
    ) -> R {
        let value = self.value_mut(list, at);
        let result = change(value);
        if !keep(value) {
            self.remove_at(list, at);
        }
        result
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        match self {
            SortedMap::Few(list) => list.retain_mut(|(key, value)| keep(key, value)),
            SortedMap::Many(lists) => lists.retain(keep),
        }
    }

    /// The entries in a range of keys, which is not empty. `O(log n)` and what it returns.
    pub(crate) fn range(&self, keys: RangeInclusive<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        match self {
            SortedMap::Few(list) => {
                let from = list.partition_point(|(key, _)| key < keys.start());
                let to = list.partition_point(|(key, _)| key <= keys.end());
                Entries::Few(list[from..to.max(from)].iter())
            }
            SortedMap::Many(lists) => Entries::Many(lists.range(keys.start(), keys.end())),
        }
    }

    /// The entries from the last up to a key on. One search, where [`range`](Self::range) takes two.
    pub(crate) fn onward(&self, key: &K) -> impl Iterator<Item = (&K, &V)> {
        match self {
            SortedMap::Few(list) => {
                let from = list.partition_point(|(at, _)| at <= key).saturating_sub(1);
                Entries::Few(list[from..].iter())
            }
            SortedMap::Many(lists) => Entries::Many(lists.onward(key)),
        }
    }

    pub(crate) fn last_mut(&mut self) -> Option<(&K, &mut V)> {
        match self {
            SortedMap::Few(list) => list.last_mut().map(|(key, value)| (&*key, value)),
            SortedMap::Many(lists) => lists.last_mut(),
        }
    }
}

/// A sorted list that is asked for one key after the other. A search costs the log of the way from the one before
/// it, so that keys which come in order are found in one pass, and a few among many by halves.
#[derive(Debug)]
pub(crate) struct Walk<'a, K, V> {
    list: &'a [(K, V)],
    at: usize,
}

impl<'a, K: Ord, V> Walk<'a, K, V> {
    pub(crate) fn new(list: &'a [(K, V)]) -> Self {
        Walk { list, at: 0 }
    }

    /// Where a key is, or where it would be.
    pub(crate) fn find(&mut self, key: &K) -> Result<usize, usize> {
        if self.list[..self.at].last().is_some_and(|last| last.0.cmp(key).is_ge()) {
            self.at = 0; // back
        }
        let mut step = 1;
        while self.list.get(self.at + step - 1).is_some_and(|entry| entry.0.cmp(key).is_lt()) {
            self.at += step;
            step *= 2;
        }
        let end = self.list.len().min(self.at + step - 1);
        self.at += self.list[self.at..end].partition_point(|entry| entry.0.cmp(key).is_lt());
        match self.list.get(self.at) {
            Some(entry) if entry.0 == *key => Ok(self.at),
            _ => Err(self.at),
        }
    }

    /// What stands under a key.
    pub(crate) fn get(&mut self, key: &K) -> Option<&'a V> {
        let list = self.list;
        self.find(key).ok().map(|i| &list[i].1)
    }
}

fn search<K: Borrow<Q>, V, Q: Ord + ?Sized>(list: &[(K, V)], key: &Q) -> Result<usize, usize> {
    list.binary_search_by(|entry| entry.0.borrow().cmp(key))
}

/// In any order; of two with one key the later stays.
impl<K: Ord + Clone, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = SortedMap::default();
        entries.into_iter().for_each(|(key, value)| drop(map.insert(key, value)));
        map
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SortedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The entries of a [`SortedMap`], by key.
#[derive(Debug)]
pub(crate) struct Iter<'a, K, V> {
    entries: Entries<'a, K, V>,
    left: usize,
}

/// Some of the entries of a [`SortedMap`], by key.
#[derive(Debug)]
enum Entries<'a, K, V> {
    Few(core::slice::Iter<'a, (K, V)>),
    Many(lists::Entries<'a, K, V>),
}

impl<'a, K, V> Iterator for Entries<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Entries::Few(entries) => entries.next().map(|(key, value)| (key, value)),
            Entries::Many(entries) => entries.next(),
        }
    }
}

impl<K, V> DoubleEndedIterator for Entries<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Entries::Few(entries) => entries.next_back().map(|(key, value)| (key, value)),
            Entries::Many(entries) => entries.next_back(),
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        self.entries.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        self.entries.next_back()
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    #[test]
    fn an_eighth_is_few() {
        assert!(are_few(0, 0) && are_few(0, 7) && are_few(1, 8) && are_few(2, 23));
        assert!(!are_few(1, 0) && !are_few(1, 7) && !are_few(2, 15) && !are_few(9, 8));
    }

    proptest! {
        #[test]
        fn it_is_a_map(
            steps in prop::collection::vec((any::<bool>(), 0u8..60, any::<u8>()), 0..200),
            asked in prop::collection::vec(0u8..60, 0..20),
            split in 1u8..30,
        ) {
            let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
            for (put, key, value) in steps {
                if put {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                let more = |n: &mut u8| *n = n.wrapping_add(1);
                map.change(&(key / 2), more, |n| *n % 3 > 0);
                more(model.entry(key / 2).or_default());
                model.retain(|_, n| *n % 3 > 0);
                map.retain(|_, n| *n % 3 > 0);
                prop_assert!(map.iter().eq(model.iter()) && map.iter().rev().eq(model.iter().rev()));
                prop_assert!(map.range(key / 2..=key).eq(model.range(key / 2..=key)));
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
            let len = map.len();
            prop_assert_eq!((map.iter().count(), map.iter().len()), (len, len));
            let list: Vec<(u8, u8)> = map.iter().map(|(k, v)| (*k, *v)).collect();
            let mut walk = Walk::new(&list);
            for key in asked {
                prop_assert_eq!(walk.find(&key), list.binary_search_by_key(&key, |entry| entry.0));
            }
            prop_assert_eq!(&SortedMap::from_sorted(list.clone()), &map);
            let (new, old): (Vec<_>, Vec<_>) = list.into_iter().partition(|(key, _)| key % split == 0);
            let mut grown = SortedMap::from_sorted(old);
            grown.extend_sorted(new);
            prop_assert!(grown == map && grown.iter().len() == map.len());
        }

        #[test]
        fn many_are_a_map(steps in prop::collection::vec((0u8..4, 0u16..2_000, 1u16..300), 0..60)) {
            let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
            for (what, from, count) in steps {
                for key in from..from + count {
                    // In order, backwards, scattered; and away again.
                    let key = match what {
                        0 => key,
                        1 => from + (from + count - key),
                        _ => key.wrapping_mul(40_503) % 2_000,
                    };
                    if what == 3 {
                        prop_assert_eq!(map.remove(&key), model.remove(&key));
                    } else {
                        prop_assert_eq!(map.insert(key, from), model.insert(key, from));
                    }
                }
                prop_assert!(map.iter().eq(model.iter()) && map.iter().rev().eq(model.iter().rev()));
                let keys = from..=from + count;
                prop_assert!(map.range(keys.clone()).eq(model.range(keys.clone())));
                let last = model.range(..=keys.start()).next_back().map_or(0, |(key, _)| *key);
                prop_assert!(map.onward(keys.start()).eq(model.range(last..)));
                prop_assert!(map.range(keys.clone()).rev().eq(model.range(keys).rev()));
                prop_assert_eq!(map.len(), model.len());
                let mut ends = map.iter();
                prop_assert_eq!((ends.next_back(), ends.next()), {
                    let mut ends = model.iter();
                    (ends.next_back(), ends.next())
                });
                map.retain(|key, _| key % 7 != from % 7);
                model.retain(|key, _| key % 7 != from % 7);
            }
            let sorted: Vec<(u16, u16)> = map.iter().map(|(k, v)| (*k, *v)).collect();
            let mut made = SortedMap::from_sorted(sorted);
            prop_assert_eq!(&made, &map);
            prop_assert_eq!(made.last_mut().map(|(key, _)| *key), model.keys().next_back().copied());
            for key in 0..2_000 {
                prop_assert_eq!(made.insert(key, 1), model.insert(key, 1));
            }
            prop_assert!(made.iter().eq(model.iter()));
        }
    }
}
