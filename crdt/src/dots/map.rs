//! [`DotMap`]: a nested store for each key.

use alloc::borrow::Borrow;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt::Debug;

use super::index::Index;
use super::{Changes, Cx, DotStore, Gathered};
use crate::codec::{Decode, DecodeError, Encode, Reader, Twice, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::id::{Dot, Span};
use crate::sorted::few;
use crate::sorted::{FEW, SortedMap};

/// A nested store for each key, and an index from live dot to key.
///
/// The index makes a join cost what changed, and [`part`](DotStore::part) what it returns:
/// `O(changes · log n)`.
///
/// ```
/// use crdt::dots::{Cx, DotMap, DotSet};
/// use crdt::{Hlc, ReplicaId};
/// let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::ZERO);
/// let mut map: DotMap<&str, DotSet> = DotMap::default();
/// map.update("k", &mut cx, |dots, cx| dots.set((), cx));
/// assert!(map.get("k").is_some() && map.len() == 1);
/// assert_eq!(map.keys_within(cx.span().into_iter()).into_iter().collect::<Vec<_>>(), ["k"]);
/// ```
#[derive(Clone)]
pub struct DotMap<K, S> {
    entries: SortedMap<K, S>,
    index: Index<K>,
}

impl<K, S> Default for DotMap<K, S> {
    fn default() -> Self {
        DotMap { entries: SortedMap::default(), index: Index::default() }
    }
}

impl<K: Ord, S: PartialEq> PartialEq for DotMap<K, S> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Ord + Debug, S: Debug> Debug for DotMap<K, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.entries.fmt(f)
    }
}

impl<K: Ord + Clone, S: DotStore> DotMap<K, S> {
    /// The store under a key, if anything is visible there.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&S>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    /// The store under a key, to change what is none of its dots.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut S> {
        self.entries.get_mut(key)
    }

    /// Changes of all stores what is none of their dots.
    pub(crate) fn each_mut(&mut self, mut f: impl FnMut(&K, &mut S)) {
        self.entries.retain(|key, store| {
            f(key, store);
            true
        });
    }

    /// The visible entries, by key.
    ///
    /// ```
    /// # use crdt::{Hlc, ReplicaId, dots::{Cx, DotMap, DotSet, DotStore}};
    /// # let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::ZERO);
    /// let mut map: DotMap<&str, DotSet> = DotMap::default();
    /// map.update("k", &mut cx, |dots, cx| dots.set((), cx));
    /// assert!(map.iter().all(|(key, dots)| *key == "k" && !dots.is_bottom()));
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &S)> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many keys are visible.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key is visible.
    ///
    /// ```
    /// # use crdt::{Hlc, ReplicaId, dots::{Cx, DotMap, DotSet, DotStore}};
    /// # let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::ZERO);
    /// let mut map: DotMap<&str, DotSet> = DotMap::default();
    /// assert!(map.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys under which a dot in one of the spans is live.
    pub fn keys_within(&self, spans: impl Iterator<Item = Span>) -> BTreeSet<K> {
        let events: DotRanges = spans.collect();
        let live = |dot| events.contains(dot);
        few(self.find(events.iter_ranges(), live).into_iter().cloned())
    }

    /// The keys under which a dot of some events is live, sorted. The events are given in both ways.
    pub(crate) fn find(&self, spans: impl Iterator<Item = Span>, contains: impl Fn(Dot) -> bool) -> Vec<&K> {
        let mut keys: Vec<&K> = Vec::new();
        if self.index.within(spans, |key| keys.push(key)) {
            keys.sort_unstable();
            keys.dedup();
        } else {
            let any = |store: &S| {
                let mut any = false;
                store.for_each_dot(&mut |dot| any = any || contains(dot));
                any
            };
            keys.extend(self.entries.iter().filter(|(_, store)| any(store)).map(|(key, _)| key));
        }
        keys
    }

    /// Runs a mutator on the store under a key, which is empty if nothing was visible there.
    ///
    /// ```
    /// # use crdt::{Hlc, ReplicaId, dots::{Cx, DotMap, DotSet, DotStore}};
    /// # let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::ZERO);
    /// let mut map: DotMap<&str, DotSet> = DotMap::default();
    /// map.update("k", &mut cx, |dots, cx| dots.set((), cx));
    /// map.update("k", &mut cx, |dots, cx| dots.clear(cx)); // nothing is left under the key, so it goes
    /// assert!(map.is_empty());
    /// ```
    pub fn update<R>(&mut self, key: K, cx: &mut Cx, mutate: impl FnOnce(&mut S, &mut Cx) -> R) -> R {
        let before = cx.changes.len();
        let result = self.entries.change(&key, |store| mutate(store, cx), |store| !store.is_bottom());
        self.reindex(key, &cx.changes, before);
        result
    }

    /// [`update`](Self::update) where something is visible; `None` where nothing is.
    pub(crate) fn update_visible<R>(
        &mut self,
        key: K,
        cx: &mut Cx,
        mutate: impl FnOnce(&mut S, &mut Cx) -> R,
    ) -> Option<R> {
        let before = cx.changes.len();
        let mutate = |store: &mut S| mutate(store, cx);
        let result = self.entries.change_present(&key, mutate, |store| !store.is_bottom())?;
        self.reindex(key, &cx.changes, before);
        Some(result)
    }

    /// Brings the index up to the changes noted since there were `before`.
    fn reindex(&mut self, key: K, changes: &Changes, before: (usize, usize)) {
        self.index.note(key, &changes.added[before.0..], &changes.removed[before.1..]);
        self.make_index();
    }

    /// The keys that another store has not, under which a dot that it has seen is live.
    pub(crate) fn ended(&mut self, other: &Self, theirs: &CausalContext) -> Vec<K> {
        self.make_index();
        let seen = self.find(theirs.iter_ranges(), |dot| theirs.contains(dot));
        seen.into_iter().filter(|key| other.get(*key).is_none()).cloned().collect()
    }

    /// The [join](DotStore::join), where [`ended`](Self::ended) is known.
    pub(crate) fn join_ended(
        &mut self,
        ended: Vec<K>,
        ours: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        changes: &mut Changes,
    ) {
        let (nothing, one) = (S::default(), ended.len() + other.len() == 1);
        let mut added = Vec::new();
        for (key, there) in ended.iter().map(|key| (key, &nothing)).chain(other.iter()) {
            let before = changes.len();
            let join = |store: &mut S| store.join(ours, there, theirs, changes);
            self.entries.change(key, join, |store| !store.is_bottom());
            if one {
                return self.reindex(key.clone(), changes, before);
            }
            changes.removed[before.1..].iter().for_each(|dot| self.index.remove(*dot));
            added.extend(changes.added[before.0..].iter().map(|dot| (*dot, key.clone())));
        }
        self.index.extend(added);
        self.make_index();
    }

    fn make_index(&mut self) {
        if self.index.is_due() {
            self.index = index(&self.entries).unwrap_or_default();
        }
    }
}

/// The index of entries; `None` when one dot stands under two keys.
fn index<K: Ord + Clone, S: DotStore>(entries: &SortedMap<K, S>) -> Option<Index<K>> {
    let mut dots = Gathered::new();
    for (number, (_, store)) in (0..).zip(entries.iter()) {
        store.for_each_dot(&mut |dot| dots.push(dot, number));
    }
    let keys: Vec<&K> = entries.keys().collect();
    Index::of(dots, |number| keys[number as usize].clone())
}

impl<K: Ord + Clone + Debug, S: DotStore> DotStore for DotMap<K, S> {
    fn is_bottom(&self) -> bool {
        self.entries.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.entries.iter().for_each(|(_, store)| store.for_each_dot(f));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        let ended = self.ended(other, theirs);
        self.join_ended(ended, ours, other, theirs, changes);
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        let keys = self.find(wanted.iter_ranges(), |dot| wanted.contains(dot));
        let part = |key: &K| Some((key.clone(), self.entries.get(key)?.part(wanted)));
        let parts = keys.into_iter().filter_map(part).filter(|(_, part)| !part.is_bottom());
        DotMap { entries: SortedMap::from_sorted(parts.collect()), index: Index::Later }
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let (before, mut any) = (cx.changes.removed.len(), false);
        self.entries.retain(|_, store| {
            any |= store.end(cx);
            !store.is_bottom()
        });
        if self.entries.is_empty() {
            self.index = Index::default();
        } else {
            cx.changes.removed[before..].iter().for_each(|dot| self.index.remove(*dot));
        }
        any
    }
}

impl<K: Ord + Clone, S: DotStore> FromIterator<(K, S)> for DotMap<K, S> {
    fn from_iter<I: IntoIterator<Item = (K, S)>>(entries: I) -> Self {
        let visible = entries.into_iter().filter(|(_, store)| !store.is_bottom());
        let entries = visible.collect();
        DotMap { index: index(&entries).unwrap_or_default(), entries }
    }
}

impl<K: Encode + Ord, S: Encode> Encode for DotMap<K, S> {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (key, store) in self.entries.iter() {
            w.key(key);
            store.encode(w);
        }
    }
}

impl<K: Decode + Ord + Clone, S: DotStore> DotMap<K, S> {
    /// Reads a map whose keys say how their stores are read.
    pub(crate) fn decode_with(
        r: &mut Reader<'_>,
        mut decode: impl FnMut(&K, &mut Reader<'_>) -> Result<S, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let n = r.count(1)?;
        let mut entries: Vec<(K, S)> = Vec::with_capacity(n.min(16));
        for _ in 0..n {
            let key: K = r.key()?;
            if entries.last().is_some_and(|(last, _)| *last >= key) {
                return Err(r.invalid("keys must be sorted"));
            }
            let store = decode(&key, r)?;
            if store.is_bottom() {
                return Err(r.invalid("a key under which nothing is visible"));
            }
            entries.push((key, store));
        }
        let entries = SortedMap::from_sorted(entries);
        if r.twice() == Twice::Part {
            return Ok(DotMap { entries, index: Index::Later });
        }
        if r.twice() == Twice::Whole && entries.len() <= FEW {
            let mut dots = 0;
            entries.iter().for_each(|(_, store)| store.for_each_dot(&mut |_| dots += 1));
            if let Some(index) = Index::few(dots) {
                return Ok(DotMap { entries, index });
            }
        }
        let index = index(&entries).ok_or_else(|| r.invalid("one dot under two keys"))?;
        Ok(DotMap { entries, index })
    }
}

impl<K: Decode + Ord + Clone, S: Decode + DotStore> Decode for DotMap<K, S> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_with(r, |_, r| S::decode(r))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dots::DotSet;
    use crate::hlc::Hlc;
    use crate::id::ReplicaId;

    type Map = DotMap<u64, DotSet>;

    /// A map of so many keys with one dot each.
    fn of(keys: usize) -> Map {
        let mut map = Map::default();
        for key in 0..keys as u64 {
            let mut cx = Cx::new(ReplicaId::from_u128(1), key, Hlc::ZERO);
            map.update(key, &mut cx, |dots, cx| dots.set((), cx));
        }
        map
    }

    fn read(map: &Map, how: Twice) -> Map {
        let mut w = Writer::new();
        map.encode(&mut w);
        let (body, table) = w.into_parts();
        Reader::new(&body, &table).looking(how, Map::decode).unwrap()
    }

    #[test]
    fn a_map_of_many_has_an_index() {
        assert!(matches!(of(FEW).index, Index::Few(FEW)));
        let many = of(FEW + 1);
        assert!(matches!(many.index, Index::Many(_)));
        assert!(matches!(
            many.iter().map(|(key, dots)| (*key, dots.clone())).collect::<Map>().index,
            Index::Many(_)
        ));
        for (map, few) in [(of(FEW), true), (many, false)] {
            assert!(
                matches!(read(&map, Twice::Part).index, Index::Later),
                "it is joined, not looked through"
            );
            for whole in [read(&map, Twice::Each), read(&map, Twice::Whole)] {
                assert_eq!((whole == map, matches!(whole.index, Index::Few(FEW))), (true, few));
                assert_ne!(matches!(whole.index, Index::Many(_)), few);
            }
        }
    }
}
