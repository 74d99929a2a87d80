//! [`Lists`]: many entries in the order of their keys, in lists of some dozens.

use alloc::vec::Vec;
use core::borrow::Borrow;

/// Many entries in the order of their keys: a list of lists, none of them empty.
///
/// A search looks at where the lists begin, which stands by itself so that it stays in the caches, and then into the keys of
/// one of them, which stand apart from what is below them; a list that is full is cut into halves. How long they may get
/// grows with the root of how many entries there are, so that an insertion moves few entries and few lists.
///
/// It is made of a sorted list without a look at the keys, has little room to spare, and is read in one go, none of
/// which is so of a B-tree.
#[derive(Clone)]
pub(crate) struct Lists<K, V> {
    lists: Vec<List<K, V>>,
    /// For each list but the first a key that is greater than all in the list before it, and than none in it.
    bounds: Vec<K>,
    len: usize,
}

/// One list: keys, and as many values.
#[derive(Clone, Debug)]
pub(super) struct List<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

/// How many more entries a list gets room for at once.
const ROOM: usize = 8;

/// For how many more there is room in lists that are made of many: what is loaded is mostly changed here and there.
const SPARE: usize = 2;

/// How long a list may always get.
const LONG: usize = 64;

/// How long a list may get among `len` entries.
fn most(len: usize) -> usize {
    (len.isqrt() / 8).next_power_of_two().max(LONG)
}

impl<K: Ord + Clone, V> Lists<K, V> {
    /// From entries that are sorted by key, none twice.
    pub(super) fn from_sorted(entries: Vec<(K, V)>) -> Self {
        let len = entries.len();
        let size = most(len) - ROOM; // so that the next insertions cut nothing
        let mut lists = Vec::with_capacity(len.div_ceil(size));
        let mut rest = entries.into_iter();
        while rest.len() > 0 {
            let mut list = List::with_room(size.min(rest.len()) + SPARE);
            rest.by_ref().take(size).for_each(|(key, value)| {
                list.keys.push(key);
                list.values.push(value);
            });
            lists.push(list);
        }
        Lists { bounds: bounds(&lists), lists, len }
    }

    #[cfg(feature = "std")]
    pub(super) fn into_entries(self) -> Vec<(K, V)> {
        self.lists.into_iter().flat_map(|list| list.keys.into_iter().zip(list.values)).collect()
    }

    pub(super) fn value(&self, list: usize, at: usize) -> &V {
        &self.lists[list].values[at]
    }

    pub(super) fn value_mut(&mut self, list: usize, at: usize) -> &mut V {
        &mut self.lists[list].values[at]
    }

    #[cfg(feature = "std")]
    pub(super) fn entry(&self, list: usize, at: usize) -> Option<(&K, &V)> {
        let list = self.lists.get(list)?;
        list.keys.get(at).zip(list.values.get(at))
    }

    #[cfg(feature = "std")]
    pub(super) fn entry_mut(&mut self, list: usize, at: usize) -> (&K, &mut V) {
        let list = &mut self.lists[list];
        (&list.keys[at], &mut list.values[at])
    }

    /// In which list a key is, or would be, and where there.
    pub(super) fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let is_up_to = |bound: &K| bound.borrow() <= key;
        // What comes is mostly the last.
        let list = match self.bounds.last() {
            Some(last) if is_up_to(last) => self.bounds.len(),
            _ => self.bounds.partition_point(is_up_to),
        };
        let keys = self.lists.get(list).map_or(&[][..], |list| &list.keys);
        match keys.last() {
            Some(last) if last.borrow() < key => (list, Err(keys.len())),
            _ => (list, keys.binary_search_by(|at| at.borrow().cmp(key))),
        }
    }

    /// Puts an entry in where [`find`](Self::find) says.
    pub(super) fn insert_at(&mut self, list: usize, at: usize, key: K, value: V) {
        self.len += 1;
        let count = self.lists.len();
        let Some(into) = self.lists.get_mut(list) else {
            self.lists.push(List::of(key, value));
            return;
        };
        if into.len() < LONG || into.len() < most(self.len) {
            into.insert(at, key, value);
        } else if at == into.len() && list + 1 == count {
            // What comes in order fills the lists.
            self.bounds.push(key.clone());
            self.lists.push(List::of(key, value));
        } else {
            let half = into.len() / 2;
            let mut rest = into.split_off(half);
            match at.checked_sub(half) {
                Some(at) => rest.insert(at, key, value),
                None => into.insert(at, key, value),
            }
            self.bounds.insert(list, rest.keys[0].clone());
            self.lists.insert(list + 1, rest);
        }
    }

    pub(super) fn remove_at(&mut self, list: usize, at: usize) -> V {
        let len = |lists: &Self, list| lists.lists.get(list).map_or(0, List::len);
        let from = &mut self.lists[list];
        self.len -= 1;
        from.keys.remove(at);
        let value = from.values.remove(at);
        if from.len() == 0 {
            self.lists.remove(list);
            if !self.bounds.is_empty() {
                self.bounds.remove(list.saturating_sub(1));
            }
        } else if from.len() <= LONG / 4 && len(self, list) + len(self, list + 1) <= LONG / 2 {
            // Two that have become short are one.
            if list + 1 < self.lists.len() {
                let rest = self.lists.remove(list + 1);
                self.bounds.remove(list);
                self.lists[list].append(rest);
            }
        }
        value
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let mut stay = Vec::new();
        self.lists.retain_mut(|list| {
            list.retain(&mut keep, &mut stay);
            list.len() > 0
        });
        self.bounds = bounds(&self.lists);
        self.len = self.lists.iter().map(List::len).sum();
    }

    pub(super) fn last_mut(&mut self) -> Option<(&K, &mut V)> {
        let last = self.lists.last_mut()?;
        Some((last.keys.last()?, last.values.last_mut()?))
    }

    /// The entries from the last up to a key on.
    pub(super) fn onward(&self, key: &K) -> Entries<'_, K, V> {
        let (list, from) = match self.find(key) {
            (list, Ok(at)) => (list, at),
            (0, Err(at)) => (0, at.saturating_sub(1)),
            (list, Err(0)) => (list - 1, self.lists[list - 1].len() - 1),
            (list, Err(at)) => (list, at - 1),
        };
        let front = self.lists.get(list).map_or_else(none, |at| at.part(from, at.len()));
        Entries { front, middle: self.lists.get(list + 1..).unwrap_or(&[]).iter(), back: none() }
    }

    /// The entries from one key to another.
    pub(super) fn range(&self, start: &K, end: &K) -> Entries<'_, K, V> {
        let (first, Ok(from) | Err(from)) = self.find(start);
        let (last, to) = self.find(end);
        let to = to.map_or_else(|at| at, |at| at + 1);
        let part =
            |list, from, to| self.lists.get(list).map_or_else(none, |list: &List<K, V>| list.part(from, to));
        if first >= last {
            return Entries { front: part(first, from, to), ..Entries::default() };
        }
        Entries {
            front: part(first, from, self.lists[first].len()),
            middle: self.lists.get(first + 1..last).unwrap_or(&[]).iter(),
            back: part(last, 0, to),
        }
    }
}

/// Where all lists but the first begin.
fn bounds<K: Clone, V>(lists: &[List<K, V>]) -> Vec<K> {
    lists.iter().skip(1).filter_map(|list| list.keys.first().cloned()).collect()
}

impl<K, V> Lists<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn entries(&self) -> Entries<'_, K, V> {
        Entries { middle: self.lists.iter(), ..Entries::default() }
    }
}

impl<K, V> List<K, V> {
    fn with_room(room: usize) -> Self {
        List { keys: Vec::with_capacity(room), values: Vec::with_capacity(room) }
    }

    fn of(key: K, value: V) -> Self {
        List { keys: alloc::vec![key], values: alloc::vec![value] }
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn insert(&mut self, at: usize, key: K, value: V) {
        if self.keys.len() == self.keys.capacity() {
            self.keys.reserve_exact(ROOM);
        }
        if self.values.len() == self.values.capacity() {
            self.values.reserve_exact(ROOM);
        }
        self.keys.insert(at, key);
        self.values.insert(at, value);
    }

    fn split_off(&mut self, at: usize) -> Self {
        List { keys: self.keys.split_off(at), values: self.values.split_off(at) }
    }

    fn append(&mut self, rest: Self) {
        self.keys.extend(rest.keys);
        self.values.extend(rest.values);
    }

    /// Keeps what `keep` says; `stay` is room for that.
    fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool, stay: &mut Vec<bool>) {
        stay.clear();
        stay.extend(self.keys.iter().zip(&mut self.values).map(|(key, value)| keep(key, value)));
        if stay.contains(&false) {
            let mut each = stay.iter();
            self.keys.retain(|_| each.next() == Some(&true));
            let mut each = stay.iter();
            self.values.retain(|_| each.next() == Some(&true));
        }
    }

    fn pairs(&self) -> Pairs<'_, K, V> {
        self.keys.iter().zip(&self.values)
    }

    fn part(&self, from: usize, to: usize) -> Pairs<'_, K, V> {
        let (keys, values) = (self.keys.get(from..to), self.values.get(from..to));
        keys.unwrap_or(&[]).iter().zip(values.unwrap_or(&[]))
    }
}

type Pairs<'a, K, V> = core::iter::Zip<core::slice::Iter<'a, K>, core::slice::Iter<'a, V>>;

fn none<'a, K, V>() -> Pairs<'a, K, V> {
    [].iter().zip(&[])
}

/// Some of the entries of [`Lists`], by key: the end of one list, whole lists, the beginning of another.
#[derive(Debug)]
pub(super) struct Entries<'a, K, V> {
    front: Pairs<'a, K, V>,
    middle: core::slice::Iter<'a, List<K, V>>,
    back: Pairs<'a, K, V>,
}

impl<K, V> Default for Entries<'_, K, V> {
    fn default() -> Self {
        Entries { front: none(), middle: [].iter(), back: none() }
    }
}

impl<'a, K, V> Iterator for Entries<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.front.next() {
                return Some(entry);
            }
            match self.middle.next() {
                Some(list) => self.front = list.pairs(),
                None => return self.back.next(),
            }
        }
    }
}

impl<K, V> DoubleEndedIterator for Entries<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.back.next_back() {
                return Some(entry);
            }
            match self.middle.next_back() {
                Some(list) => self.back = list.pairs(),
                None => return self.front.next_back(),
            }
        }
    }
}
