//! Dot stores: what every causal type is built from.
//!
//! A store holds values, each tagged with the dot of the event that wrote it. A causal context says which
//! events have been seen. An event that was seen and whose dot no value carries has been removed: that is
//! how removal needs no tombstone. One [`join`](DotStore::join) serves whole states, deltas and single
//! operations, and stores nest, because a nested store shares the context of the whole.
//!
//! Source: Almeida, Shoker, Baquero, "Delta state replicated data types", 2018.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
use crate::version::VersionVector;

/// Values tagged with the dots of the events that wrote them.
///
/// A type of your own is a struct around one of the stores here that passes these calls on, and nests in
/// an [`OrMap`](crate::map::OrMap) and replicates in a [`Replica`](crate::replica::Replica):
///
/// ```
/// use crdt::context::{CausalContext, DotRanges};
/// use crdt::dots::{Changes, Cx, DotFun, DotStore};
/// use crdt::replica::Replica;
/// use crdt::{Dot, ReplicaId};
///
/// /// Of concurrent bids the highest wins.
/// #[derive(Clone, Default, PartialEq, Debug)]
/// struct Bid(DotFun<u64>);
///
/// impl Bid {
///     fn highest(&self) -> Option<u64> {
///         self.0.iter().map(|(_, bid)| *bid).max()
///     }
/// }
///
/// impl DotStore for Bid {
///     fn is_bottom(&self) -> bool {
///         self.0.is_bottom()
///     }
///     fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
///         self.0.for_each_dot(f);
///     }
///     fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
///         self.0.join(ours, &other.0, theirs, changes);
///     }
///     fn part(&self, wanted: &DotRanges) -> Self {
///         Bid(self.0.part(wanted))
///     }
///     fn end(&mut self, cx: &mut Cx) -> bool {
///         self.0.end(cx)
///     }
/// }
///
/// let mut a: Replica<Bid> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<Bid> = Replica::new(ReplicaId::from_u128(2));
/// let five = a.edit(0, |bid, cx| bid.0.set(5, cx));
/// b.edit(0, |bid, cx| bid.0.set(7, cx));
/// b.apply(&five);
/// assert_eq!(b.value().highest(), Some(7));
/// ```
pub trait DotStore: Clone + Default + PartialEq + Debug {
    /// Whether nothing is visible, so that the store equals its default.
    fn is_bottom(&self) -> bool;

    /// Calls `f` with each live dot.
    fn for_each_dot(&self, f: &mut dyn FnMut(Dot));

    /// The causal join: keeps what both sides show, and what one side shows and the other has not seen.
    /// `ours` and `theirs` are what each side had seen before. Notes what came and went in `changes`.
    ///
    /// Costs what `other` shows and what `theirs` has seen of this store, not the size of this store.
    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes);

    /// The part whose dots are among `wanted`. Costs what it returns.
    fn part(&self, wanted: &DotRanges) -> Self;

    /// Ends everything visible, without an event: whoever calls it takes one. Returns whether there was
    /// anything. A store that cannot be emptied, as a [`BoundedCounter`](crate::counter::BoundedCounter), leaves
    /// all as it is; a map keeps its key then.
    fn end(&mut self, cx: &mut Cx) -> bool;

    /// Removes everything visible. Takes an event only if there was anything.
    fn clear(&mut self, cx: &mut Cx) {
        if self.end(cx) {
            cx.event();
        }
    }
}

/// Which dots a join or a mutator made live, and which it ended.
#[derive(Clone, Default, Debug)]
pub struct Changes {
    added: Vec<Dot>,
    removed: Vec<Dot>,
}

impl Changes {
    /// Notes that a dot became live.
    pub fn add(&mut self, dot: Dot) {
        self.added.push(dot);
    }

    /// Notes that a dot ended.
    pub fn remove(&mut self, dot: Dot) {
        self.removed.push(dot);
    }
}

/// What a mutator needs: fresh dots, a stamp, and a place to note what it ended.
///
/// Every mutator that changes anything, removal too, takes at least one fresh dot, so that versions tell
/// states apart.
///
/// ```
/// use crdt::dots::Cx;
/// use crdt::set::AwSet;
/// use crdt::{Hlc, ReplicaId};
/// let mut set = AwSet::default();
/// let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::new(1_000, 0));
/// set.insert("tea", &mut cx);
/// set.remove(&"tea", &mut cx);
/// set.remove(&"tea", &mut cx); // already gone: no event
/// assert_eq!(cx.used(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Cx {
    author: ReplicaId,
    first: u64,
    last: u64,
    stamp: Hlc,
    changes: Changes,
}

impl Cx {
    /// For edits by `author`, whose last event so far is `last`, at time `stamp`.
    pub fn new(author: ReplicaId, last: u64, stamp: Hlc) -> Self {
        Cx { author, first: last, last, stamp, changes: Changes::default() }
    }

    /// The dot that the next event will have.
    pub fn next(&self) -> Dot {
        Dot::new(self.author, self.last + 1)
    }

    /// A fresh dot for an event that writes nothing itself: a removal.
    pub fn event(&mut self) -> Dot {
        self.last += 1;
        Dot::new(self.author, self.last)
    }

    /// A fresh dot for a value that the caller now makes live.
    pub fn add(&mut self) -> Dot {
        let dot = self.event();
        self.changes.add(dot);
        dot
    }

    /// Notes that the caller ended a live dot.
    pub fn remove(&mut self, dot: Dot) {
        self.changes.remove(dot);
    }

    /// Who edits.
    pub fn author(&self) -> ReplicaId {
        self.author
    }

    /// The time of the edit.
    pub fn stamp(&self) -> Hlc {
        self.stamp
    }

    /// How many events have been taken.
    pub fn used(&self) -> u64 {
        self.last - self.first
    }

    /// The events that have been taken; `None` when none.
    pub fn span(&self) -> Option<Span> {
        (self.used() > 0).then_some(Span { replica: self.author, after: self.first, to: self.last })
    }

    /// The dots that have been ended.
    pub fn removed(&self) -> DotRanges {
        let mut set = DotRanges::new();
        self.changes.removed.iter().for_each(|dot| set.insert(*dot));
        set
    }
}

/// Whether a dot that one side shows and the other does not stays: the other must not have seen it.
fn stays(dot: Dot, other_has: bool, other_seen: &CausalContext) -> bool {
    other_has || !other_seen.contains(dot)
}

/// The entries whose dot is in one of the spans. Costs the spans and what is returned.
pub(crate) fn within<V>(
    map: &BTreeMap<Dot, V>,
    spans: impl Iterator<Item = Span>,
) -> impl Iterator<Item = (&Dot, &V)> {
    spans
        .filter(|span| span.after < span.to)
        .flat_map(|span| map.range(Dot::new(span.replica, span.after + 1)..=Dot::new(span.replica, span.to)))
}

/// A value for each live dot.
///
/// With `()` for a value it is a set of dots. `O(live dots)` for a join; there is one for each concurrent
/// write, so few.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DotFun<V> {
    /// Sorted by dot.
    values: Vec<(Dot, V)>,
}

/// A set of dots.
pub type DotSet = DotFun<()>;

impl<V> Default for DotFun<V> {
    fn default() -> Self {
        DotFun { values: Vec::new() }
    }
}

impl<V> DotFun<V> {
    /// The live dots with their values, by dot.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Dot, &V)> {
        self.values.iter().map(|(dot, value)| (*dot, value))
    }

    /// Ends all values and puts this one in their place.
    pub fn set(&mut self, value: V, cx: &mut Cx) {
        self.values.drain(..).for_each(|(dot, _)| cx.remove(dot));
        self.values.push((cx.add(), value));
    }

    fn has(&self, dot: Dot) -> bool {
        self.values.binary_search_by_key(&dot, |v| v.0).is_ok()
    }
}

impl<V: Clone + PartialEq + Debug> DotStore for DotFun<V> {
    fn is_bottom(&self) -> bool {
        self.values.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.values.iter().for_each(|v| f(v.0));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        let new = other.iter().filter(|(dot, _)| !self.has(*dot) && !ours.contains(*dot));
        let new: Vec<(Dot, V)> = new.map(|(dot, value)| (dot, value.clone())).collect();
        self.values.retain(|(dot, _)| {
            let stays = stays(*dot, other.has(*dot), theirs);
            if !stays {
                changes.remove(*dot);
            }
            stays
        });
        if !new.is_empty() {
            new.iter().for_each(|(dot, _)| changes.add(*dot));
            self.values.extend(new);
            self.values.sort_unstable_by_key(|v| v.0);
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        DotFun { values: self.values.iter().filter(|v| wanted.contains(v.0)).cloned().collect() }
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let any = !self.values.is_empty();
        self.values.drain(..).for_each(|(dot, _)| cx.remove(dot));
        any
    }
}

impl<V: Encode> Encode for DotFun<V> {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.values.len() as u64);
        for (dot, value) in &self.values {
            w.dot(*dot);
            value.encode(w);
        }
    }
}

impl<V: Decode> Decode for DotFun<V> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count(2)?;
        let mut values: Vec<(Dot, V)> = Vec::with_capacity(n.min(16));
        for _ in 0..n {
            let dot = r.dot()?;
            if values.last().is_some_and(|last| last.0 >= dot) {
                return Err(r.invalid("dots must be sorted"));
            }
            values.push((dot, V::decode(r)?));
        }
        Ok(DotFun { values })
    }
}

/// A nested store for each key, and an index from live dot to key.
///
/// The index makes a join cost what changed, and [`part`](DotStore::part) what it returns:
/// `O(changes · log n)`.
#[derive(Clone)]
pub struct DotMap<K, S> {
    entries: BTreeMap<K, S>,
    index: BTreeMap<Dot, K>,
}

impl<K, S> Default for DotMap<K, S> {
    fn default() -> Self {
        DotMap { entries: BTreeMap::new(), index: BTreeMap::new() }
    }
}

impl<K: PartialEq, S: PartialEq> PartialEq for DotMap<K, S> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Debug, S: Debug> Debug for DotMap<K, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(&self.entries).finish()
    }
}

impl<K: Ord + Clone, S: DotStore> DotMap<K, S> {
    /// The store under a key, if anything is visible there.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&S>
    where
        K: alloc::borrow::Borrow<Q>,
    {
        self.entries.get(key)
    }

    /// The visible entries, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &S)> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many keys are visible.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key is visible.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys under which a dot in one of the spans is live.
    pub fn keys_within(&self, spans: impl Iterator<Item = Span>) -> BTreeSet<K> {
        within(&self.index, spans).map(|(_, key)| key.clone()).collect()
    }

    /// Runs a mutator on the store under a key, which is empty if nothing was visible there.
    pub fn update<R>(&mut self, key: K, cx: &mut Cx, mutate: impl FnOnce(&mut S, &mut Cx) -> R) -> R {
        let (added, removed) = (cx.changes.added.len(), cx.changes.removed.len());
        let store = self.entries.entry(key.clone()).or_default();
        let result = mutate(store, cx);
        if store.is_bottom() {
            self.entries.remove(&key);
        }
        self.reindex(&key, &cx.changes, added, removed);
        result
    }

    /// Brings the index up to the changes noted since there were `added` and `removed` of them.
    fn reindex(&mut self, key: &K, changes: &Changes, added: usize, removed: usize) {
        for dot in changes.added.iter().skip(added) {
            self.index.insert(*dot, key.clone());
        }
        for dot in changes.removed.iter().skip(removed) {
            self.index.remove(dot);
        }
    }
}

impl<K: Ord + Clone + Debug, S: DotStore> DotStore for DotMap<K, S> {
    fn is_bottom(&self) -> bool {
        self.entries.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.index.keys().for_each(|dot| f(*dot));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        let mut keys = self.keys_within(theirs.iter_ranges());
        keys.extend(other.entries.keys().cloned());
        let nothing = S::default();
        for key in keys {
            let (added, removed) = (changes.added.len(), changes.removed.len());
            let store = self.entries.entry(key.clone()).or_default();
            store.join(ours, other.entries.get(&key).unwrap_or(&nothing), theirs, changes);
            if store.is_bottom() {
                self.entries.remove(&key);
            }
            self.reindex(&key, changes, added, removed);
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        let parts = self.keys_within(wanted.iter_ranges()).into_iter();
        parts
            .filter_map(|key| self.entries.get(&key).map(|store| store.part(wanted)).map(|part| (key, part)))
            .collect()
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let (before, mut any) = (cx.changes.removed.len(), false);
        self.entries.retain(|_, store| {
            any |= store.end(cx);
            !store.is_bottom()
        });
        for dot in cx.changes.removed.iter().skip(before) {
            self.index.remove(dot);
        }
        any
    }
}

impl<K: Ord + Clone, S: DotStore> FromIterator<(K, S)> for DotMap<K, S> {
    fn from_iter<I: IntoIterator<Item = (K, S)>>(entries: I) -> Self {
        let mut map = DotMap::default();
        for (key, store) in entries.into_iter().filter(|(_, store)| !store.is_bottom()) {
            store.for_each_dot(&mut |dot| drop(map.index.insert(dot, key.clone())));
            map.entries.insert(key, store);
        }
        map
    }
}

impl<K: Encode, S: Encode> Encode for DotMap<K, S> {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (key, store) in &self.entries {
            key.encode(w);
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
        let mut map = DotMap::default();
        for _ in 0..n {
            let key = K::decode(r)?;
            if map.entries.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(r.invalid("keys must be sorted"));
            }
            let store = decode(&key, r)?;
            if store.is_bottom() {
                return Err(r.invalid("a key under which nothing is visible"));
            }
            let mut twice = false;
            store.for_each_dot(&mut |dot| twice |= map.index.insert(dot, key.clone()).is_some());
            if twice {
                return Err(r.invalid("one dot under two keys"));
            }
            map.entries.insert(key, store);
        }
        Ok(map)
    }
}

impl<K: Decode + Ord + Clone, S: Decode + DotStore> Decode for DotMap<K, S> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_with(r, |_, r| S::decode(r))
    }
}

/// Two stores side by side that share one context: a struct of two fields.
impl<A: DotStore, B: DotStore> DotStore for (A, B) {
    fn is_bottom(&self) -> bool {
        self.0.is_bottom() && self.1.is_bottom()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.0.for_each_dot(f);
        self.1.for_each_dot(f);
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        self.0.join(ours, &other.0, theirs, changes);
        self.1.join(ours, &other.1, theirs, changes);
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        (self.0.part(wanted), self.1.part(wanted))
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        self.0.end(cx) | self.1.end(cx)
    }
}

/// No value: for trees of bare nodes.
impl DotStore for () {
    fn is_bottom(&self) -> bool {
        true
    }

    fn for_each_dot(&self, _f: &mut dyn FnMut(Dot)) {}

    fn join(&mut self, _: &CausalContext, _other: &Self, _: &CausalContext, _: &mut Changes) {}

    fn part(&self, _wanted: &DotRanges) {}

    fn end(&mut self, _cx: &mut Cx) -> bool {
        false
    }
}

/// Which event ended which dots: what one who missed the event must still be told.
///
/// The entry of an event includes the entries of the events it ended, which then go: writing one place
/// again and again keeps one entry. That is sound because who has not seen an event has not seen what
/// ended it either. Entries may be dropped once every replica has the event.
///
/// ```
/// use crdt::dots::RemovalLog;
/// use crdt::{Dot, ReplicaId, Span};
/// let a = ReplicaId::from_u128(1);
/// let mut log = RemovalLog::default();
/// log.record(Dot::new(a, 2), [Span { replica: a, after: 0, to: 1 }].into_iter().collect());
/// let second = [Span { replica: a, after: 1, to: 2 }].into_iter().collect();
/// assert!(log.part(&second).removed().contains(Dot::new(a, 1)));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct RemovalLog {
    entries: BTreeMap<Dot, Removal>,
    /// All dots that were ended.
    ended: DotRanges,
    /// All events whose entries are included in another: none of them has an entry.
    replaced: DotRanges,
}

/// What an event ended. Fixed by its author, so that every replica has the same. There may be many of them: runs,
/// sorted, take less room than sets.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Removal {
    /// The dots it ended, and those that the events it replaces had ended.
    removed: Box<[Span]>,
    /// The events whose entries are included in this one, all of them among the removed; `None`: just those.
    replaces: Option<Box<[Span]>>,
}

impl Removal {
    fn new(removed: &DotRanges, replaces: &DotRanges) -> Self {
        let runs = |set: &DotRanges| set.iter_ranges().collect();
        Removal { removed: runs(removed), replaces: (removed != replaces).then(|| runs(replaces)) }
    }

    fn replaces(&self) -> &[Span] {
        self.replaces.as_deref().unwrap_or(&self.removed)
    }
}

impl RemovalLog {
    /// By how many runs an entry may grow to include others: where runs do not touch, an entry that includes
    /// all before it would grow with every edit, and every difference with it.
    #[cfg(feature = "std")]
    const MAX_INCLUDED: usize = 8;

    /// Whether nothing was ended.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that a new event `by` ended these dots. Only its author may say so; others
    /// [`merge`](Self::merge) what the author noted.
    pub fn record(&mut self, by: Dot, removed: DotRanges) {
        let (all, replaces) = self.including(&removed);
        self.insert(by, Removal::new(&all, &replaces));
    }

    /// As [`record`](Self::record), with a bound on what an entry includes: an entry that would grow too large
    /// leaves those of the events it ended where they are. Only for where events come after their causes: who
    /// has an event must have been told what the events it ended had ended.
    #[cfg(feature = "std")]
    pub(crate) fn record_causal(&mut self, by: Dot, removed: DotRanges) {
        let (all, replaces) = self.including(&removed);
        let grown = all.runs() > removed.runs() + Self::MAX_INCLUDED;
        let removal =
            if grown { Removal::new(&removed, &DotRanges::new()) } else { Removal::new(&all, &replaces) };
        self.insert(by, removal);
    }

    /// What was removed with what the events among it had removed, and the events whose entries that includes.
    fn including(&self, removed: &DotRanges) -> (DotRanges, DotRanges) {
        let (mut all, mut replaces) = (removed.clone(), removed.clone());
        for (_, included) in within(&self.entries, removed.iter_ranges()) {
            included.removed.iter().for_each(|span| all.insert_span(*span));
            included.replaces().iter().for_each(|span| replaces.insert_span(*span));
        }
        (all, replaces)
    }

    /// Notes everything that another log holds.
    pub fn merge(&mut self, other: &RemovalLog) {
        for (by, removal) in &other.entries {
            self.insert(*by, removal.clone());
        }
    }

    fn insert(&mut self, by: Dot, removal: Removal) {
        if removal.removed.is_empty() || self.replaced.contains(by) {
            return;
        }
        let included: Vec<Dot> =
            within(&self.entries, removal.replaces().iter().copied()).map(|(dot, _)| *dot).collect();
        included.iter().for_each(|dot| drop(self.entries.remove(dot)));
        removal.removed.iter().for_each(|span| self.ended.insert_span(*span));
        removal.replaces().iter().for_each(|span| self.replaced.insert_span(*span));
        self.entries.insert(by, removal);
    }

    /// Drops the entries of events that `stable` has seen; whether there were any.
    pub fn forget(&mut self, stable: &VersionVector) -> bool {
        let before = self.entries.len();
        self.entries.retain(|by, _| !stable.contains(*by));
        let any = self.entries.len() < before;
        if any {
            *self = Self::from_entries(core::mem::take(&mut self.entries));
        }
        any
    }

    /// The entries of these events.
    #[must_use]
    pub fn part(&self, wanted: &DotRanges) -> RemovalLog {
        let part = within(&self.entries, wanted.iter_ranges());
        Self::from_entries(part.map(|(by, removal)| (*by, removal.clone())).collect())
    }

    fn from_entries(entries: BTreeMap<Dot, Removal>) -> Self {
        let (mut ended, mut replaced) = (DotRanges::new(), DotRanges::new());
        for removal in entries.values() {
            removal.removed.iter().for_each(|span| ended.insert_span(*span));
            removal.replaces().iter().for_each(|span| replaced.insert_span(*span));
        }
        RemovalLog { entries, ended, replaced }
    }

    /// The entries, by event: the runs of dots that it ended, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Dot, &[Span])> {
        self.entries.iter().map(|(by, removal)| (*by, &*removal.removed))
    }

    /// All dots that were ended.
    pub fn removed(&self) -> &DotRanges {
        &self.ended
    }
}

/// For each entry its event and what it removed; where that is not what it replaces, a zero and that besides. (What
/// was removed is never empty, so it never begins with a zero.)
impl Encode for RemovalLog {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (by, removal) in &self.entries {
            w.dot(*by);
            let set = |spans: &[Span]| spans.iter().copied().collect::<DotRanges>();
            if let Some(replaces) = &removal.replaces {
                w.u64(0);
                set(replaces).encode(w);
            }
            set(&removal.removed).encode(w);
        }
    }
}

impl Decode for RemovalLog {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut entries: BTreeMap<Dot, Removal> = BTreeMap::new();
        for _ in 0..r.count(3)? {
            let by = r.dot()?;
            if entries.last_key_value().is_some_and(|(last, _)| *last >= by) {
                return Err(r.invalid("removals must be sorted"));
            }
            entries.insert(by, decode_removal(r)?);
        }
        let log = Self::from_entries(entries);
        if log.entries.keys().any(|by| log.replaced.contains(*by)) {
            return Err(r.invalid("a removal that another includes"));
        }
        Ok(log)
    }
}

fn decode_removal(r: &mut Reader<'_>) -> Result<Removal, DecodeError> {
    let first = DotRanges::decode(r)?;
    if !first.is_empty() {
        return Ok(Removal::new(&first, &first));
    }
    let (replaces, removed) = (DotRanges::decode(r)?, DotRanges::decode(r)?);
    if removed.is_empty() || removed == replaces {
        return Err(r.invalid("a removal of nothing, or in the long form for no reason"));
    }
    if !replaces.iter_ranges().all(|span| removed.contains_span(span)) {
        return Err(r.invalid("a removal that replaces what it does not include"));
    }
    Ok(Removal::new(&removed, &replaces))
}

/// Implements [`DotStore`] and the codec for a type with one store inside.
macro_rules! wraps_store {
    ([$($generics:tt)*] $type:ty, [$($encode:tt)*], [$($decode:tt)*]) => {
        impl<$($generics)*> DotStore for $type {
            fn is_bottom(&self) -> bool {
                self.0.is_bottom()
            }

            fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
                self.0.for_each_dot(f);
            }

            fn join(
                &mut self,
                ours: &CausalContext,
                other: &Self,
                theirs: &CausalContext,
                changes: &mut Changes,
            ) {
                self.0.join(ours, &other.0, theirs, changes);
            }

            fn part(&self, wanted: &DotRanges) -> Self {
                Self(self.0.part(wanted))
            }

            fn end(&mut self, cx: &mut Cx) -> bool {
                self.0.end(cx)
            }
        }

        impl<$($encode)*> Encode for $type {
            fn encode(&self, w: &mut Writer) {
                self.0.encode(w);
            }
        }

        impl<$($decode)*> Decode for $type {
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self(Decode::decode(r)?))
            }
        }
    };
}
pub(crate) use wraps_store;
