//! Dot stores: what every causal type is built from.
//!
//! A store holds values, each tagged with the dot of the event that wrote it. A causal context says which
//! events have been seen. An event that was seen and whose dot no value carries has been removed: that is
//! how removal needs no tombstone. One [`join`](DotStore::join) serves whole states, deltas and single
//! operations, and stores nest, because a nested store shares the context of the whole.
//!
//! Source: Almeida, Shoker, Baquero, "Delta state replicated data types", 2018.

mod gathered;
mod index;
mod map;
mod removal;

use alloc::collections::BTreeMap;
use core::fmt::Debug;

use smallvec::SmallVec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};

pub(crate) use gathered::Gathered;
pub use map::DotMap;
pub(crate) use removal::Entries;
pub use removal::RemovalLog;

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
///
/// ```
/// use crdt::context::CausalContext;
/// use crdt::dots::{Changes, Cx, DotSet, DotStore};
/// use crdt::{Hlc, ReplicaId};
/// let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::ZERO);
/// let mut theirs = DotSet::default();
/// theirs.set((), &mut cx);
/// let seen: CausalContext = cx.span().into_iter().collect();
/// let (mut mine, mut changes) = (DotSet::default(), Changes::default());
/// mine.join(&CausalContext::new(), &theirs, &seen, &mut changes);
/// assert_eq!(format!("{changes:?}"), "Changes { added: [00000001:1], removed: [] }");
/// ```
#[derive(Clone, Default, Debug)]
pub struct Changes {
    added: SmallVec<[Dot; 1]>,
    removed: SmallVec<[Dot; 1]>,
}

impl Changes {
    fn len(&self) -> (usize, usize) {
        (self.added.len(), self.removed.len())
    }

    /// Notes that a dot became live.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::Changes};
    /// let mut changes = Changes::default();
    /// changes.add(Dot::new(ReplicaId::from_u128(1), 7)); // in a join, for each value that was not here
    /// assert_eq!(format!("{changes:?}"), "Changes { added: [00000001:7], removed: [] }");
    /// ```
    pub fn add(&mut self, dot: Dot) {
        self.added.push(dot);
    }

    /// Notes that a dot ended.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::Changes};
    /// let mut changes = Changes::default();
    /// changes.remove(Dot::new(ReplicaId::from_u128(1), 7)); // in a join, for each value that the other saw and has no more
    /// assert_eq!(format!("{changes:?}"), "Changes { added: [], removed: [00000001:7] }");
    /// ```
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
    ///
    /// ```
    /// # use crdt::{Dot, Hlc, ReplicaId, dots::Cx};
    /// let a = ReplicaId::from_u128(1);
    /// let mut cx = Cx::new(a, 4, Hlc::new(1_000, 0));
    /// assert_eq!(cx.next(), Dot::new(a, 5));
    /// assert_eq!(cx.add(), Dot::new(a, 5));
    /// ```
    pub fn next(&self) -> Dot {
        Dot::new(self.author, self.last + 1)
    }

    /// A fresh dot for an event that writes nothing itself: a removal.
    ///
    /// ```
    /// # use crdt::{Dot, Hlc, ReplicaId, dots::Cx};
    /// let a = ReplicaId::from_u128(1);
    /// let mut cx = Cx::new(a, 4, Hlc::new(1_000, 0));
    /// cx.remove(Dot::new(a, 2)); // what ends
    /// assert_eq!(cx.event(), Dot::new(a, 5)); // the event that ends it
    /// ```
    pub fn event(&mut self) -> Dot {
        self.last += 1;
        Dot::new(self.author, self.last)
    }

    /// A fresh dot for a value that the caller now makes live.
    ///
    /// ```
    /// # use crdt::{Dot, Hlc, ReplicaId, dots::Cx};
    /// let a = ReplicaId::from_u128(1);
    /// let mut cx = Cx::new(a, 4, Hlc::new(1_000, 0));
    /// let dot = cx.add();
    /// assert_eq!((dot, cx.used()), (Dot::new(a, 5), 1));
    /// ```
    pub fn add(&mut self) -> Dot {
        let dot = self.event();
        self.changes.add(dot);
        dot
    }

    /// Notes that the caller ended a live dot.
    ///
    /// ```
    /// # use crdt::{Dot, Hlc, ReplicaId, dots::Cx};
    /// let a = ReplicaId::from_u128(1);
    /// let mut cx = Cx::new(a, 4, Hlc::new(1_000, 0));
    /// cx.remove(Dot::new(a, 2));
    /// assert!(cx.removed().contains(Dot::new(a, 2)));
    /// assert_eq!(cx.used(), 0); // who removes takes an event besides
    /// ```
    pub fn remove(&mut self, dot: Dot) {
        self.changes.remove(dot);
    }

    /// Who edits.
    ///
    /// ```
    /// # use crdt::{Dot, Hlc, ReplicaId, dots::Cx};
    /// let a = ReplicaId::from_u128(1);
    /// let mut cx = Cx::new(a, 4, Hlc::new(1_000, 0));
    /// assert_eq!(cx.author(), cx.add().replica);
    /// ```
    pub fn author(&self) -> ReplicaId {
        self.author
    }

    /// The time of the edit.
    ///
    /// ```
    /// # use crdt::{Dot, Hlc, ReplicaId, dots::Cx};
    /// let a = ReplicaId::from_u128(1);
    /// let mut cx = Cx::new(a, 4, Hlc::new(1_000, 0));
    /// assert_eq!(cx.stamp().millis(), 1_000); // what a register keeps with its value
    /// ```
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
        match self.changes.removed.as_slice() {
            [] => DotRanges::new(),
            [dot] => {
                let mut set = DotRanges::new();
                set.insert(*dot);
                set
            }
            dots => dots.iter().copied().collect(),
        }
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
///
/// ```
/// use crdt::dots::{Cx, DotFun};
/// use crdt::{Dot, Hlc, ReplicaId};
/// let a = ReplicaId::from_u128(1);
/// let mut cx = Cx::new(a, 0, Hlc::ZERO);
/// let mut values = DotFun::default();
/// values.set("x", &mut cx);
/// values.set("y", &mut cx); // in place of all that were here
/// assert_eq!(values.iter().collect::<Vec<_>>(), [(Dot::new(a, 2), &"y")]);
/// assert!(cx.removed().contains(Dot::new(a, 1)));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DotFun<V> {
    /// Sorted by dot. Nearly always one, which stands in place.
    values: SmallVec<[(Dot, V); 1]>,
}

/// A set of dots.
///
/// ```
/// use crdt::dots::{Cx, DotSet, DotStore};
/// use crdt::{Hlc, ReplicaId};
/// let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::ZERO);
/// let mut present = DotSet::default();
/// present.set((), &mut cx);
/// assert!(!present.is_bottom());
/// present.clear(&mut cx);
/// assert!(present.is_bottom());
/// ```
pub type DotSet = DotFun<()>;

impl<V> Default for DotFun<V> {
    fn default() -> Self {
        DotFun { values: SmallVec::new() }
    }
}

impl<V> DotFun<V> {
    /// The live dots with their values, by dot.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Dot, &V)> {
        self.values.iter().map(|(dot, value)| (*dot, value))
    }

    /// Ends all values and puts this one in their place.
    ///
    /// ```
    /// # use crdt::{Hlc, ReplicaId, dots::{Cx, DotFun}};
    /// # let mut cx = Cx::new(ReplicaId::from_u128(1), 0, Hlc::ZERO);
    /// let mut values = DotFun::default();
    /// values.set(1, &mut cx);
    /// values.set(2, &mut cx);
    /// assert_eq!(values.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [2]);
    /// ```
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
        let new: SmallVec<[(Dot, V); 1]> = new.map(|(dot, value)| (dot, value.clone())).collect();
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
        if let [(dot, value)] = self.values.as_slice() {
            w.only(*dot);
            return value.encode(w);
        }
        w.values(self.values.len());
        for (dot, value) in &self.values {
            w.dot(*dot);
            value.encode(w);
        }
    }
}

impl<V: Decode> Decode for DotFun<V> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (n, only) = r.values()?;
        if let Some(dot) = only {
            return Ok(DotFun { values: SmallVec::from_buf([(dot, V::decode(r)?)]) });
        }
        if n == 1 {
            return Err(r.invalid("one value in the form of several"));
        }
        let mut values: SmallVec<[(Dot, V); 1]> = SmallVec::with_capacity(n.min(16));
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
