//! [`VersionVector`]: which events have been seen, when each replica's events are seen in order.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::{Dot, ReplicaId, Span};
use crate::sorted::{Walk, are_few};

/// For each replica, the number of its last event that has been seen; all before it have been too.
///
/// Ordered by causality through [`PartialOrd`]: `a < b` when `b` has seen all that `a` has and more,
/// `None` when each has seen something the other lacks. `O(replicas)` for comparison and merge.
///
/// What people get wrong:
/// - *`!(a <= b)` is not `a > b`.* They may be concurrent: match on `partial_cmp`, or ask [`covers`](Self::covers).
/// - *A vector cannot have gaps.* Who takes events in any order needs a
///   [`CausalContext`](crate::context::CausalContext): to raise an entry over a hole says that what is in it was seen.
/// - *An id is used by one writer, once.* A copied file or a restored backup that goes on under its old id makes two
///   events of one name, and vectors that compare wrong for ever. Take a new id.
/// - *Events are counted, not time.* A greater sum, or a longer vector, does not mean later.
/// - *The [`meet`](Self::meet) is what both have seen*; it need not be a version that ever was.
///
/// ```
/// use crdt::{Dot, ReplicaId, VersionVector};
/// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
/// let one: VersionVector = [(a, 3)].into_iter().collect();
/// let two: VersionVector = [(a, 2), (b, 1)].into_iter().collect();
/// assert_eq!(one.partial_cmp(&two), None); // concurrent
/// let both = one.clone().merged(&two);
/// assert!(one < both && two < both);
/// assert!(both.contains(Dot::new(a, 3)));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct VersionVector {
    /// Sorted by replica; no entry is 0.
    entries: Vec<(ReplicaId, u64)>,
}

impl VersionVector {
    /// Nothing has been seen.
    pub const fn new() -> Self {
        VersionVector { entries: Vec::new() }
    }

    /// The last event seen of `replica`; 0 for none. `O(log replicas)`.
    ///
    /// ```
    /// use crdt::{Dot, ReplicaId, VersionVector};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let version: VersionVector = [(a, 3), (b, 1)].into_iter().collect();
    /// assert_eq!((version.get(a), version.get(ReplicaId::from_u128(9))), (3, 0));
    /// ```
    pub fn get(&self, replica: ReplicaId) -> u64 {
        match self.entries.binary_search_by_key(&replica, |e| e.0) {
            Ok(i) => self.entries[i].1,
            Err(_) => 0,
        }
    }

    /// Whether the event has been seen.
    ///
    /// ```
    /// use crdt::{Dot, ReplicaId, VersionVector};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let version: VersionVector = [(a, 3), (b, 1)].into_iter().collect();
    /// assert!(version.contains(Dot::new(a, 3)) && !version.contains(Dot::new(b, 2)));
    /// ```
    pub fn contains(&self, dot: Dot) -> bool {
        dot.seq <= self.get(dot.replica)
    }

    /// The entries, to be asked for one after the other.
    pub(crate) fn walk(&self) -> Walk<'_, ReplicaId, u64> {
        Walk::new(&self.entries)
    }

    /// Whether nothing has been seen.
    ///
    /// ```
    /// # use crdt::{ReplicaId, VersionVector};
    /// let mut version = VersionVector::new();
    /// assert!(version.is_empty());
    /// version.advance(ReplicaId::from_u128(1), 1);
    /// assert!(!version.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many replicas have been heard of.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many events have been seen in all.
    ///
    /// ```
    /// # use crdt::{ReplicaId, VersionVector};
    /// let version: VersionVector = [(ReplicaId::from_u128(1), 3), (ReplicaId::from_u128(2), 4)].into_iter().collect();
    /// assert_eq!((version.total(), version.len()), (7, 2));
    /// ```
    pub fn total(&self) -> u64 {
        self.entries.iter().fold(0, |n, e| n.saturating_add(e.1))
    }

    /// Replicas with their last seen event, in order of replica.
    ///
    /// ```
    /// # use crdt::{ReplicaId, VersionVector};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let version: VersionVector = [(b, 4), (a, 3)].into_iter().collect();
    /// assert_eq!(version.iter().collect::<Vec<_>>(), [(a, 3), (b, 4)]);
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ReplicaId, u64)> + '_ {
        self.entries.iter().copied()
    }

    /// Raises the entry of `replica` to at least `seq`. Returns whether that changed anything.
    ///
    /// ```
    /// use crdt::{ReplicaId, VersionVector};
    /// let a = ReplicaId::from_u128(1);
    /// let mut version = VersionVector::new();
    /// assert!(version.advance(a, 3) && !version.advance(a, 2)); // never back
    /// assert_eq!(version.get(a), 3);
    /// ```
    pub fn advance(&mut self, replica: ReplicaId, seq: u64) -> bool {
        if seq == 0 {
            return false;
        }
        if self.entries.last().is_none_or(|last| last.0 < replica) {
            self.insert(self.entries.len(), (replica, seq)); // as when they come in order
            return true;
        }
        match self.entries.binary_search_by_key(&replica, |e| e.0) {
            Ok(i) if self.entries[i].1 >= seq => false,
            Ok(i) => {
                self.entries[i].1 = seq;
                true
            }
            Err(i) => {
                self.insert(i, (replica, seq));
                true
            }
        }
    }

    fn insert(&mut self, at: usize, entry: (ReplicaId, u64)) {
        self.entries.reserve_exact(usize::from(self.entries.is_empty())); // there may be very many of one author
        self.entries.insert(at, entry);
    }

    /// Adds the next `n` events of a replica, which are not 0; the number of the one before them.
    #[cfg(feature = "std")]
    pub(crate) fn take(&mut self, replica: ReplicaId, n: u64) -> u64 {
        match self.entries.binary_search_by_key(&replica, |e| e.0) {
            Ok(i) => {
                self.entries[i].1 += n;
                self.entries[i].1 - n
            }
            Err(i) => {
                self.insert(i, (replica, n));
                0
            }
        }
    }

    /// Adds a run of events that leaves no gap after those seen; whether it left none.
    pub(crate) fn follow(&mut self, span: Span) -> bool {
        match self.entries.binary_search_by_key(&span.replica, |e| e.0) {
            Ok(i) if span.after <= self.entries[i].1 => {
                self.entries[i].1 = self.entries[i].1.max(span.to);
                true
            }
            Err(i) if span.after == 0 && span.to > 0 => {
                self.insert(i, (span.replica, span.to));
                true
            }
            _ => false,
        }
    }

    /// Lowers the entry of `replica` to at most `seq`.
    #[cfg(feature = "std")]
    pub(crate) fn lower(&mut self, replica: ReplicaId, seq: u64) {
        if let Ok(i) = self.entries.binary_search_by_key(&replica, |e| e.0) {
            if seq == 0 {
                self.entries.remove(i);
            } else {
                self.entries[i].1 = self.entries[i].1.min(seq);
            }
        }
    }

    /// Raises every entry to at least that of `other` (the join).
    ///
    /// ```
    /// use crdt::{ReplicaId, VersionVector};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let one: VersionVector = [(a, 3)].into_iter().collect();
    /// let two: VersionVector = [(a, 2), (b, 1)].into_iter().collect();
    /// let mut both = one.clone();
    /// both.merge(&two);
    /// assert_eq!((both.get(a), both.get(b)), (3, 1));
    /// ```
    pub fn merge(&mut self, other: &VersionVector) {
        if self.entries.is_empty() {
            self.entries.clone_from(&other.entries);
            return;
        }
        if are_few(other.len(), self.len()) {
            for (replica, seq) in other.iter() {
                self.advance(replica, seq);
            }
            return;
        }
        let mut theirs = other.iter().peekable();
        let mut all = Vec::with_capacity(self.len().max(other.len()));
        for (replica, seq) in self.entries.drain(..) {
            while let Some(new) = theirs.next_if(|new| new.0 < replica) {
                all.push(new);
            }
            let there = theirs.next_if(|entry| entry.0 == replica).map_or(0, |entry| entry.1);
            all.push((replica, seq.max(there)));
        }
        all.extend(theirs);
        self.entries = all;
    }

    /// [`merge`](Self::merge), by value.
    #[must_use]
    pub fn merged(mut self, other: &VersionVector) -> Self {
        self.merge(other);
        self
    }

    /// What both have seen (the meet).
    ///
    /// ```
    /// use crdt::{ReplicaId, VersionVector};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let one: VersionVector = [(a, 3)].into_iter().collect();
    /// let two: VersionVector = [(a, 2), (b, 1)].into_iter().collect();
    /// assert_eq!(one.meet(&two), [(a, 2)].into_iter().collect());
    /// ```
    #[must_use]
    pub fn meet(&self, other: &VersionVector) -> Self {
        self.iter().map(|(r, seq)| (r, seq.min(other.get(r)))).collect()
    }

    /// Whether all that `other` has seen has been seen here.
    ///
    /// ```
    /// use crdt::{ReplicaId, VersionVector};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let one: VersionVector = [(a, 3)].into_iter().collect();
    /// let two: VersionVector = [(a, 2), (b, 1)].into_iter().collect();
    /// assert!(!one.covers(&two) && !two.covers(&one)); // concurrent
    /// assert!(one.covers(&one.meet(&two)));
    /// ```
    pub fn covers(&self, other: &VersionVector) -> bool {
        let mut here = self.walk();
        other.iter().all(|(r, seq)| here.get(&r).is_some_and(|seen| *seen >= seq))
    }

    /// The events seen here that `other` lacks, in order of replica.
    ///
    /// ```
    /// use crdt::{ReplicaId, VersionVector};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let one: VersionVector = [(a, 3)].into_iter().collect();
    /// let two: VersionVector = [(a, 2), (b, 1)].into_iter().collect();
    /// let lacks: Vec<_> = one.since(&two).collect();
    /// assert_eq!((lacks.len(), lacks[0].replica, lacks[0].after, lacks[0].to), (1, a, 2, 3));
    /// ```
    pub fn since<'a>(&'a self, other: &'a VersionVector) -> impl Iterator<Item = Span> + 'a {
        // Both are sorted, so one walk finds them all.
        let mut rest = other.entries.iter().peekable();
        self.iter().filter_map(move |(replica, to)| {
            while rest.next_if(|entry| entry.0 < replica).is_some() {}
            let after = rest.peek().filter(|entry| entry.0 == replica).map_or(0, |entry| entry.1);
            (after < to).then_some(Span { replica, after, to })
        })
    }
}

impl FromIterator<(ReplicaId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(iter: I) -> Self {
        let mut v = VersionVector::new();
        for (replica, seq) in iter {
            v.advance(replica, seq);
        }
        v
    }
}

/// How two stand that each know something, given whether the first has all of the second, and the second all of the first.
pub(crate) fn causal_order(covers: bool, is_covered: bool) -> Option<Ordering> {
    match (covers, is_covered) {
        (true, true) => Some(Ordering::Equal),
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        (false, false) => None,
    }
}

impl PartialOrd for VersionVector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        causal_order(self.covers(other), other.covers(self))
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Encode for VersionVector {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (replica, seq) in self.iter() {
            w.replica(replica);
            w.u64(seq);
        }
    }
}

impl Decode for VersionVector {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count(2)?;
        let mut entries: Vec<(ReplicaId, u64)> = Vec::with_capacity(n);
        for _ in 0..n {
            let replica = r.replica()?;
            let seq = r.u64()?;
            if seq > Dot::MAX_SEQ {
                return Err(r.limit("the number of an event"));
            }
            if seq == 0 || entries.last().is_some_and(|last| last.0 >= replica) {
                return Err(r.invalid("version vector entries must be sorted and not zero"));
            }
            entries.push((replica, seq));
        }
        Ok(VersionVector { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ReplicaId = ReplicaId::from_u128(1);
    const B: ReplicaId = ReplicaId::from_u128(2);

    #[test]
    fn order_is_causality() {
        let empty = VersionVector::new();
        let a1: VersionVector = [(A, 1)].into_iter().collect();
        let b1: VersionVector = [(B, 1)].into_iter().collect();
        assert!(empty < a1);
        assert_eq!(a1.partial_cmp(&b1), None);
        assert_eq!(a1.clone().merged(&b1).meet(&a1), a1);
        assert_eq!(a1.meet(&b1), empty);
    }

    #[test]
    fn since_names_what_the_other_lacks() {
        let mine: VersionVector = [(A, 5), (B, 2)].into_iter().collect();
        let theirs: VersionVector = [(A, 3), (B, 9)].into_iter().collect();
        let lacks: Vec<Span> = mine.since(&theirs).collect();
        assert_eq!(lacks, [Span { replica: A, after: 3, to: 5 }]);
    }

    #[test]
    fn a_run_follows_where_it_leaves_no_gap() {
        let mut v = VersionVector::new();
        let span = |after, to| Span { replica: A, after, to };
        assert!(!v.follow(span(1, 2)) && !v.follow(span(0, 0)));
        assert!(v.follow(span(0, 2)) && v.follow(span(2, 5)) && v.follow(span(3, 4)));
        assert!(!v.follow(span(6, 7)));
        assert_eq!(v.get(A), 5);
    }

    #[cfg(feature = "std")]
    #[test]
    fn an_entry_can_be_lowered() {
        let mut v: VersionVector = [(A, 5), (B, 2)].into_iter().collect();
        v.lower(A, 7);
        assert_eq!(v.get(A), 5);
        v.lower(A, 3);
        assert_eq!(v.get(A), 3);
        v.lower(A, 0);
        assert_eq!(v, [(B, 2)].into_iter().collect());
    }

    #[test]
    fn zero_is_absence() {
        let mut v = VersionVector::new();
        assert!(!v.advance(A, 0));
        assert!(v.is_empty());
    }
}
