//! [`Lists`]: many entries in the order of their keys, in lists of some dozens.

use alloc::vec::Vec;
use core::borrow::Borrow;

use super::{Entries, search};

/// Many entries in the order of their keys: a list of lists, none of them empty.
///
/// A search looks at where the lists begin, which stands by itself so that it stays in the caches, and then into one of
/// them; a list that is full is cut into halves. How long they may get grows with the root of how many entries there are,
/// so that an insertion moves few entries and few lists.
///
/// It is made of a sorted list without a look at the keys, has little room to spare, and is read in one go, none of
/// which is so of a B-tree.
#[derive(Clone)]
pub(crate) struct Lists<K, V> {
    lists: Vec<Vec<(K, V)>>,
    /// For each list but the first a key that is greater than all in the list before it, and than none in it.
    bounds: Vec<K>,
    len: usize,
}

/// How many more entries a list gets room for at once.
const ROOM: usize = 8;

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
            lists.push(rest.by_ref().take(size).collect());
        }
        Lists { bounds: bounds(&lists), lists, len }
    }

    pub(super) fn list(&self, list: usize) -> &[(K, V)] {
        self.lists.get(list).map_or(&[], Vec::as_slice)
    }

    pub(super) fn list_mut(&mut self, list: usize) -> &mut [(K, V)] {
        self.lists.get_mut(list).map_or(&mut [], Vec::as_mut_slice)
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
        let within = self.list(list);
        match within.last() {
            Some(last) if last.0.borrow() < key => (list, Err(within.len())),
            _ => (list, search(within, key)),
        }
    }

    /// Puts an entry in where [`find`](Self::find) says.
    pub(super) fn insert_at(&mut self, list: usize, at: usize, key: K, value: V) {
        self.len += 1;
        let count = self.lists.len();
        let Some(into) = self.lists.get_mut(list) else {
            self.lists.push(alloc::vec![(key, value)]);
            return;
        };
        if into.len() < LONG || into.len() < most(self.len) {
            insert(into, at, (key, value));
        } else if at == into.len() && list + 1 == count {
            // What comes in order fills the lists.
            self.bounds.push(key.clone());
            self.lists.push(alloc::vec![(key, value)]);
        } else {
            let half = into.len() / 2;
            let mut rest = into.split_off(half);
            match at.checked_sub(half) {
                Some(at) => insert(&mut rest, at, (key, value)),
                None => insert(into, at, (key, value)),
            }
            self.bounds.insert(list, rest[0].0.clone());
            self.lists.insert(list + 1, rest);
        }
    }

    pub(super) fn remove_at(&mut self, list: usize, at: usize) -> (K, V) {
        let from = &mut self.lists[list];
        self.len -= 1;
        let entry = from.remove(at);
        if from.is_empty() {
            self.lists.remove(list);
            if !self.bounds.is_empty() {
                self.bounds.remove(list.saturating_sub(1));
            }
        } else if from.len() <= LONG / 4 && self.list(list).len() + self.list(list + 1).len() <= LONG / 2 {
            // Two that have become short are one.
            if list + 1 < self.lists.len() {
                let rest = self.lists.remove(list + 1);
                self.bounds.remove(list);
                self.lists[list].extend(rest);
            }
        }
        entry
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.lists.retain_mut(|list| {
            list.retain_mut(|(key, value)| keep(key, value));
            !list.is_empty()
        });
        self.bounds = bounds(&self.lists);
        self.len = self.lists.iter().map(Vec::len).sum();
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut (K, V)> {
        self.lists.last_mut()?.last_mut()
    }

    /// The entries from one key to another.
    pub(super) fn range(&self, start: &K, end: &K) -> Entries<'_, K, V> {
        let (first, Ok(from) | Err(from)) = self.find(start);
        let (last, to) = self.find(end);
        let to = to.map_or_else(|at| at, |at| at + 1);
        if first >= last {
            return Entries::of(self.list(first).get(from..to).unwrap_or(&[]));
        }
        Entries {
            front: self.list(first).get(from..).unwrap_or(&[]).iter(),
            middle: self.lists.get(first + 1..last).unwrap_or(&[]).iter(),
            back: self.list(last).get(..to).unwrap_or(&[]).iter(),
        }
    }
}

/// Where all lists but the first begin.
fn bounds<K: Clone, V>(lists: &[Vec<(K, V)>]) -> Vec<K> {
    lists.iter().skip(1).filter_map(|list| list.first().map(|entry| entry.0.clone())).collect()
}

impl<K, V> Lists<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn entries(&self) -> Entries<'_, K, V> {
        Entries { middle: self.lists.iter(), ..Entries::of(&[]) }
    }
}

fn insert<T>(list: &mut Vec<T>, at: usize, entry: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(ROOM);
    }
    list.insert(at, entry);
}
