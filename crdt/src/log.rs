//! [`Log`]: a list of entries to which everyone appends.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore, within};
use crate::hlc::Hlc;
use crate::id::Dot;

/// An append-only log: entries of all replicas in the order of their stamps, those of equal stamps in the
/// order of their events.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | append `x` at 5 | append `y` at 7 | `x`, `y` |
/// | append `x` | clear | `x`, and what was there is gone |
///
/// An entry comes after all those that its author had seen. `O(log n)` for each operation. Source: the event
/// log of Baquero, Almeida, Shoker, 2017, ordered by hybrid logical clocks.
///
/// ```
/// use crdt::log::Log;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<Log<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// let hello = a.edit(1_000, |log, cx| log.append("hello", cx));
/// b.apply(&hello);
/// let answer = b.edit(500, |log, cx| log.append("hi", cx)); // a clock that is slow does not matter
/// a.apply(&answer);
/// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"hello", &"hi"]);
/// assert_eq!(a.value(), b.value());
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Log<T> {
    entries: BTreeMap<Dot, (Hlc, T)>,
    order: BTreeSet<(Hlc, Dot)>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Log { entries: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<T> Log<T> {
    /// Appends an entry, after all that are here.
    ///
    /// ```
    /// # use crdt::{ReplicaId, log::Log, replica::Replica};
    /// let mut a: Replica<Log<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(5, |log, cx| log.append("hello", cx));
    /// a.update(4, |log, cx| log.append("again", cx)); // a clock that went back
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"hello", &"again"]);
    /// ```
    pub fn append(&mut self, entry: T, cx: &mut Cx) {
        let mut stamp = cx.stamp();
        if let Some((last, _)) = self.order.last().filter(|(last, _)| *last >= stamp) {
            stamp.observe(*last);
            stamp.tick(0);
        }
        self.put(cx.add(), stamp, entry);
    }

    /// Appends an entry where its stamp says: one that was here before, or elsewhere.
    #[cfg(feature = "std")]
    pub(crate) fn append_at(&mut self, stamp: Hlc, entry: T, cx: &mut Cx) {
        self.put(cx.add(), stamp, entry);
    }

    /// The entry that an event wrote.
    #[cfg(feature = "std")]
    pub(crate) fn get(&self, dot: Dot) -> Option<&T> {
        self.entries.get(&dot).map(|(_, entry)| entry)
    }

    /// The entries, in order.
    ///
    /// ```
    /// # use crdt::{ReplicaId, log::Log, replica::Replica};
    /// let mut a: Replica<Log<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(5, |log, cx| log.append("hello", cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"hello"]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.stamped().map(|(_, _, entry)| entry)
    }

    /// The entries with their stamps and the events that wrote them, in order.
    ///
    /// ```
    /// # use crdt::{ReplicaId, log::Log, replica::Replica};
    /// let mut a: Replica<Log<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(5, |log, cx| log.append("hello", cx));
    /// let (stamp, dot, entry) = a.value().stamped().next().unwrap();
    /// assert_eq!((stamp.millis(), dot.replica, *entry), (5, ReplicaId::from_u128(1), "hello"));
    /// ```
    pub fn stamped(&self) -> impl DoubleEndedIterator<Item = (Hlc, Dot, &T)> {
        self.order.iter().filter_map(|(stamp, dot)| Some((*stamp, *dot, &self.entries.get(dot)?.1)))
    }

    /// How many entries there are.
    ///
    /// ```
    /// # use crdt::{ReplicaId, log::Log, replica::Replica};
    /// let mut a: Replica<Log<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(5, |log, cx| log.append("hello", cx));
    /// assert!(a.value().len() == 1 && !a.value().is_empty());
    /// ```
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn put(&mut self, dot: Dot, stamp: Hlc, entry: T) {
        self.order.insert((stamp, dot));
        self.entries.insert(dot, (stamp, entry));
    }
}

impl<T: Clone + PartialEq + Debug> DotStore for Log<T> {
    fn is_bottom(&self) -> bool {
        self.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.entries.keys().for_each(|dot| f(*dot));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        let here = within(&self.entries, theirs.iter_ranges());
        let gone = here.map(|(dot, _)| *dot).filter(|dot| !other.entries.contains_key(dot));
        for dot in gone.collect::<Vec<_>>() {
            if let Some((stamp, _)) = self.entries.remove(&dot) {
                self.order.remove(&(stamp, dot));
                changes.remove(dot);
            }
        }
        for (dot, (stamp, entry)) in &other.entries {
            if !self.entries.contains_key(dot) && !ours.contains(*dot) {
                self.put(*dot, *stamp, entry.clone());
                changes.add(*dot);
            }
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        let mut part = Log::default();
        for (dot, (stamp, entry)) in within(&self.entries, wanted.iter_ranges()) {
            part.put(*dot, *stamp, entry.clone());
        }
        part
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let gone = core::mem::take(self);
        gone.entries.keys().for_each(|dot| cx.remove(*dot));
        !gone.is_empty()
    }
}

impl<T: Encode> Encode for Log<T> {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (dot, (stamp, entry)) in &self.entries {
            w.dot(*dot);
            stamp.encode(w);
            entry.encode(w);
        }
    }
}

impl<T: Decode> Decode for Log<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut log = Log::default();
        for _ in 0..r.count(3)? {
            let dot = r.dot()?;
            if log.entries.last_key_value().is_some_and(|(last, _)| *last >= dot) {
                return Err(r.invalid("entries must be sorted by event"));
            }
            let stamp = Hlc::decode(r)?;
            log.put(dot, stamp, T::decode(r)?);
        }
        Ok(log)
    }
}
