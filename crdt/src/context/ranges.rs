//! [`DotRanges`]: a set of dots as sorted runs.

use alloc::format;
use core::fmt;

use smallvec::SmallVec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::{Dot, ReplicaId, Span};
use crate::version::VersionVector;

/// A set of dots, kept for each replica as sorted ranges that neither touch nor overlap.
///
/// ```
/// use crdt::context::DotRanges;
/// use crdt::{Dot, ReplicaId};
/// let a = ReplicaId::from_u128(1);
/// let mut set = DotRanges::new();
/// set.insert(Dot::new(a, 1));
/// set.insert(Dot::new(a, 3));
/// set.insert(Dot::new(a, 2));
/// assert_eq!(set.iter_ranges().count(), 1); // 1..=3
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DotRanges {
    /// For each replica, sorted, its runs; no list is empty. Most sets are one run, which stands in place.
    ranges: SmallVec<[(ReplicaId, Runs); 1]>,
}

/// The events `after + 1 ..= to` of a replica, as `(after, to)`.
type Run = (u64, u64);

/// Sorted; they neither touch nor overlap.
type Runs = SmallVec<[Run; 1]>;

impl DotRanges {
    /// The empty set.
    pub const fn new() -> Self {
        DotRanges { ranges: SmallVec::new_const() }
    }

    /// Whether nothing is in the set.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let mut ranges = DotRanges::new();
    /// assert!(ranges.is_empty());
    /// ranges.insert(Dot::new(a, 7));
    /// assert!(!ranges.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many dots are in the set.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let ranges: DotRanges = [Span { replica: a, after: 2, to: 5 }, Span { replica: a, after: 8, to: 9 }].into_iter().collect();
    /// assert_eq!(ranges.len(), 4); // 3, 4, 5 and 9
    /// ```
    pub fn len(&self) -> u64 {
        self.iter_ranges().fold(0, |n, span| n.saturating_add(span.len()))
    }

    /// How many runs the set has.
    #[cfg(feature = "std")]
    pub(crate) fn run_count(&self) -> usize {
        self.ranges.iter().map(|(_, runs)| runs.len()).sum()
    }

    /// Whether a dot is in the set. `O(log ranges)`.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let ranges: DotRanges = [Span { replica: a, after: 2, to: 5 }].into_iter().collect();
    /// assert!(ranges.contains(Dot::new(a, 3)) && !ranges.contains(Dot::new(a, 2)));
    /// ```
    pub fn contains(&self, dot: Dot) -> bool {
        self.run_from(dot).is_some()
    }

    /// The last number of the run that a dot is in; `None` when it is not in the set.
    pub(crate) fn run_from(&self, dot: Dot) -> Option<u64> {
        let runs = self.runs(dot.replica);
        let run = runs.get(runs.partition_point(|r| r.1 < dot.seq))?;
        (run.0 < dot.seq).then_some(run.1)
    }

    /// The dot of a set that has one.
    pub(crate) fn only_dot(&self) -> Option<Dot> {
        let [(replica, runs)] = self.ranges.as_slice() else { return None };
        let [(after, to)] = runs.as_slice() else { return None };
        (after + 1 == *to).then_some(Dot::new(*replica, *to))
    }

    fn find(&self, replica: ReplicaId) -> Result<usize, usize> {
        self.ranges.binary_search_by_key(&replica, |entry| entry.0)
    }

    /// The runs of one replica.
    pub(super) fn runs(&self, replica: ReplicaId) -> &[Run] {
        self.find(replica).map_or(&[], |i| &self.ranges[i].1)
    }

    /// Puts a dot in.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let mut ranges = DotRanges::new();
    /// [1, 3, 2].into_iter().for_each(|seq| ranges.insert(Dot::new(a, seq)));
    /// assert_eq!(ranges.iter_ranges().count(), 1); // 1 to 3
    /// ```
    pub fn insert(&mut self, dot: Dot) {
        if dot.seq > 0 {
            self.insert_span(Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq });
        }
    }

    /// Puts a run of dots in. `O(log ranges)`, and the ranges it touches become one.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let mut ranges = DotRanges::new();
    /// ranges.insert_span(Span { replica: a, after: 0, to: 4 });
    /// ranges.insert_span(Span { replica: a, after: 2, to: 6 }); // overlaps
    /// assert_eq!(ranges.iter_ranges().collect::<Vec<_>>(), [Span { replica: a, after: 0, to: 6 }]);
    /// ```
    pub fn insert_span(&mut self, span: Span) {
        if span.after >= span.to {
            return;
        }
        match self.find(span.replica) {
            Ok(i) => insert_run(&mut self.ranges[i].1, span.after, span.to),
            Err(i) => {
                self.ranges.insert(i, (span.replica, SmallVec::from_buf([(span.after, span.to)])));
            }
        }
    }

    /// Puts all dots of another set in.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let mut ranges: DotRanges = [Dot::new(a, 1)].into_iter().collect();
    /// ranges.extend(&[Dot::new(a, 2), Dot::new(a, 9)].into_iter().collect());
    /// assert_eq!(ranges.len(), 3);
    /// ```
    pub fn extend(&mut self, other: &DotRanges) {
        if other.ranges.len() <= FEW {
            other.ranges.iter().for_each(|(replica, runs)| self.extend_runs(*replica, runs));
        } else {
            // Two sorted lists: sorting them is merging them.
            self.ranges.extend(other.ranges.iter().cloned());
            self.ranges.sort_by_key(|entry| entry.0);
            self.ranges.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    extend_runs(&mut kept.1, &next.1);
                }
                same
            });
        }
    }

    /// The dots of both. What `more` has is not copied.
    pub(crate) fn united(self, mut more: DotRanges) -> DotRanges {
        more.extend(&self);
        more
    }

    fn extend_runs(&mut self, replica: ReplicaId, runs: &Runs) {
        match self.find(replica) {
            Ok(i) => extend_runs(&mut self.ranges[i].1, runs),
            Err(i) => self.ranges.insert(i, (replica, runs.clone())),
        }
    }

    /// Puts those dots of another set in that lie in `span`.
    #[cfg(feature = "std")]
    pub(crate) fn extend_within(&mut self, other: &DotRanges, span: Span) {
        other.parts(span).for_each(|part| self.insert_span(part));
    }

    /// The parts of a run that are in the set, in order.
    pub(super) fn parts(&self, span: Span) -> impl Iterator<Item = Span> + '_ {
        let runs = self.runs(span.replica);
        let from = runs.partition_point(|r| r.1 <= span.after);
        let part =
            move |&(after, to): &Run| Span { after: after.max(span.after), to: to.min(span.to), ..span };
        runs.iter().skip(from).take_while(move |r| r.0 < span.to).map(part)
    }

    /// The dots that are in both sets (the intersection). `O(ranges · log ranges)`.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let of = |after, to| [Span { replica: a, after, to }].into_iter().collect::<DotRanges>();
    /// assert_eq!(of(0, 5).meet(&of(3, 9)), of(3, 5));
    /// ```
    pub fn meet(&self, other: &DotRanges) -> DotRanges {
        self.iter_ranges().flat_map(|span| other.parts(span)).collect()
    }

    /// The runs of dots, by replica and then by number.
    pub fn iter_ranges(&self) -> impl Iterator<Item = Span> + '_ {
        self.ranges.iter().flat_map(|(replica, ranges)| {
            ranges.iter().map(|&(after, to)| Span { replica: *replica, after, to })
        })
    }

    /// Whether `version` has seen every dot of the set.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let ranges: DotRanges = [Dot::new(a, 3)].into_iter().collect();
    /// assert!(ranges.within(&[(a, 3)].into_iter().collect()));
    /// assert!(!ranges.within(&[(a, 2)].into_iter().collect()));
    /// ```
    pub fn within(&self, version: &VersionVector) -> bool {
        self.iter_ranges().all(|span| version.get(span.replica) >= span.to)
    }

    /// Whether every dot of a run is in the set.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let ranges: DotRanges = [Span { replica: a, after: 0, to: 5 }].into_iter().collect();
    /// assert!(ranges.contains_span(Span { replica: a, after: 1, to: 5 }));
    /// assert!(!ranges.contains_span(Span { replica: a, after: 4, to: 6 }));
    /// ```
    pub fn contains_span(&self, span: Span) -> bool {
        span.after >= span.to
            || self.run_from(Dot::new(span.replica, span.after + 1)).is_some_and(|end| end >= span.to)
    }

    /// Whether the sets share a dot. `O(ranges · log ranges)`.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::DotRanges};
    /// let a = ReplicaId::from_u128(1);
    /// let of = |seqs: [u64; 2]| seqs.into_iter().map(|seq| Dot::new(a, seq)).collect::<DotRanges>();
    /// assert!(of([1, 2]).intersects(&of([2, 3])) && !of([1, 3]).intersects(&of([2, 4])));
    /// ```
    pub fn intersects(&self, other: &DotRanges) -> bool {
        self.iter_ranges().any(|span| other.parts(span).next().is_some())
    }

    /// Moves the runs of a replica that have no gap before them into `version`.
    pub(super) fn settle(&mut self, replica: ReplicaId, version: &mut VersionVector) {
        if let Ok(i) = self.find(replica)
            && settle(&mut self.ranges[i], version)
        {
            self.ranges.remove(i);
        }
    }

    /// [`settle`](Self::settle) for all replicas.
    pub(super) fn settle_all(&mut self, version: &mut VersionVector) {
        self.ranges.retain(|entry| !settle(entry, version));
    }
}

/// Moves the runs that have no gap before them into `version`; whether none is left.
fn settle((replica, runs): &mut (ReplicaId, Runs), version: &mut VersionVector) -> bool {
    let seen = version.get(*replica);
    let done = runs.partition_point(|r| r.0 <= seen);
    if let Some(last) = done.checked_sub(1).and_then(|i| runs.get(i)) {
        // Runs do not touch, so only the last of those that start in `version` can reach past it.
        version.advance(*replica, last.1);
        runs.drain(..done);
    }
    runs.is_empty()
}

/// Up to so many are put in one by one; more are merged in one pass.
const FEW: usize = 8;

/// Puts a run in; those that it touches become one with it.
fn insert_run(runs: &mut Runs, mut after: u64, mut to: u64) {
    let first = runs.partition_point(|r| r.1 < after);
    let last = first + runs[first..].partition_point(|r| r.0 <= to);
    if first == last {
        runs.insert(first, (after, to));
    } else {
        after = after.min(runs[first].0);
        to = to.max(runs[last - 1].1);
        runs[first] = (after, to);
        runs.drain(first + 1..last);
    }
}

fn extend_runs(runs: &mut Runs, other: &Runs) {
    if other.len() <= FEW {
        other.iter().for_each(|&(after, to)| insert_run(runs, after, to));
    } else {
        runs.extend_from_slice(other);
        runs.sort(); // two sorted lists
        runs.dedup_by(|next, kept| {
            let touch = next.0 <= kept.1;
            kept.1 = if touch { kept.1.max(next.1) } else { kept.1 };
            touch
        });
    }
}

impl FromIterator<Span> for DotRanges {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut set = DotRanges::new();
        spans.into_iter().for_each(|span| set.insert_span(span));
        set
    }
}

/// In any order, each once or more often. `O(n log n)`.
impl FromIterator<Dot> for DotRanges {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut dots: SmallVec<[Dot; 4]> = dots.into_iter().collect();
        dots.sort_unstable();
        let mut set = DotRanges::new();
        dots.into_iter().for_each(|dot| set.insert(dot));
        set
    }
}

impl fmt::Debug for DotRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.iter_ranges().map(|s| format!("{:?}:{}..={}", s.replica, s.after + 1, s.to));
        f.debug_set().entries(ranges).finish()
    }
}

/// For each replica in order: how many runs, then for each the gap before it and its length less one. In the brief
/// form one dot stands for itself.
impl Encode for DotRanges {
    fn encode(&self, w: &mut Writer) {
        if w.is_brief() {
            if let Some(dot) = self.only_dot() {
                return w.only(dot);
            }
            w.values(self.ranges.len());
        } else {
            w.u64(self.ranges.len() as u64);
        }
        for (replica, ranges) in &self.ranges {
            w.replica(*replica);
            w.u64(ranges.len() as u64);
            let mut end = 0;
            for &(after, to) in ranges {
                w.u64(after - end);
                w.u64(to - after - 1);
                end = to;
            }
        }
    }
}

impl Decode for DotRanges {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut set = DotRanges::new();
        let n = if r.is_brief() {
            match r.values()? {
                (_, Some(dot)) => return Ok(core::iter::once(dot).collect()),
                (n, None) => n,
            }
        } else {
            r.count(4)?
        };
        for _ in 0..n {
            let replica = r.replica()?;
            if set.ranges.last().is_some_and(|last| last.0 >= replica) {
                return Err(r.invalid("dot ranges must be sorted by replica"));
            }
            set.ranges.push((replica, decode_runs(r)?));
        }
        if r.is_brief() && set.only_dot().is_some() {
            return Err(r.invalid("one dot in the form of several"));
        }
        Ok(set)
    }
}

fn decode_runs(r: &mut Reader<'_>) -> Result<Runs, DecodeError> {
    let n = r.count(2)?;
    let mut ranges = Runs::with_capacity(n);
    for i in 0..n {
        let end = ranges.last().map_or(0, |last| last.1);
        let (gap, less_one) = (r.u64()?, r.u64()?);
        let after = end.checked_add(gap).filter(|_| i == 0 || gap > 0);
        let after = after.ok_or_else(|| r.invalid("dot ranges must not touch"))?;
        let to = after.checked_add(less_one).and_then(|n| n.checked_add(1)).filter(|to| *to <= Dot::MAX_SEQ);
        ranges.push((after, to.ok_or_else(|| r.invalid("dot range past the last event"))?));
    }
    if ranges.is_empty() { Err(r.invalid("a replica without dot ranges")) } else { Ok(ranges) }
}
