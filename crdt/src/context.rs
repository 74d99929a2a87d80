//! Sets of events when they do not come in order: [`DotRanges`] and [`CausalContext`].

use alloc::format;
use core::cmp::Ordering;
use core::fmt;

use smallvec::SmallVec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::{Dot, ReplicaId, Span};
use crate::sorted::Walk;
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

/// Sorted `(after, to)` pairs: the events `after + 1 ..= to`.
type Runs = SmallVec<[(u64, u64); 1]>;

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
    fn runs(&self, replica: ReplicaId) -> &[(u64, u64)] {
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
        let runs = other.runs(span.replica);
        let from = runs.partition_point(|r| r.1 <= span.after);
        for &(after, to) in runs.iter().skip(from).take_while(|r| r.0 < span.to) {
            self.insert_span(Span { after: after.max(span.after), to: to.min(span.to), ..span });
        }
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
        self.iter_ranges().any(|span| {
            let runs = other.runs(span.replica);
            runs.get(runs.partition_point(|r| r.1 <= span.after)).is_some_and(|r| r.0 < span.to)
        })
    }
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

/// Which events have been seen, in any order: a [`VersionVector`] for what has no gaps before it and
/// [`DotRanges`] for the rest.
///
/// ```
/// use crdt::context::CausalContext;
/// use crdt::{Dot, ReplicaId};
/// let a = ReplicaId::from_u128(1);
/// let mut seen = CausalContext::new();
/// seen.insert(Dot::new(a, 2));
/// assert_eq!(seen.version().get(a), 0); // 1 is missing
/// seen.insert(Dot::new(a, 1));
/// assert_eq!(seen.version().get(a), 2);
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct CausalContext {
    version: VersionVector,
    beyond: DotRanges,
}

impl CausalContext {
    /// Nothing has been seen.
    pub const fn new() -> Self {
        CausalContext { version: VersionVector::new(), beyond: DotRanges::new() }
    }

    /// What has been seen without a gap.
    pub fn version(&self) -> &VersionVector {
        &self.version
    }

    /// What has been seen after a gap.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let mut seen = CausalContext::new();
    /// seen.insert(Dot::new(a, 1));
    /// seen.insert(Dot::new(a, 3)); // 2 is missing
    /// assert_eq!((seen.version().get(a), seen.beyond().len()), (1, 1));
    /// ```
    pub fn beyond(&self) -> &DotRanges {
        &self.beyond
    }

    /// Whether an event has been seen.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let seen: CausalContext = [Span { replica: a, after: 4, to: 6 }].into_iter().collect();
    /// assert!(seen.contains(Dot::new(a, 5)) && !seen.contains(Dot::new(a, 4)));
    /// ```
    pub fn contains(&self, dot: Dot) -> bool {
        self.version.contains(dot) || self.beyond.contains(dot)
    }

    /// The context, to be asked for one dot after the other.
    pub(crate) fn in_order(&self) -> InOrder<'_> {
        InOrder { version: self.version.walk(), beyond: &self.beyond }
    }

    /// Adds an event.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let mut seen = CausalContext::new();
    /// seen.insert(Dot::new(a, 2));
    /// assert_eq!(seen.version().get(a), 0); // 1 was not seen
    /// seen.insert(Dot::new(a, 1));
    /// assert_eq!(seen.version().get(a), 2);
    /// ```
    pub fn insert(&mut self, dot: Dot) {
        if dot.seq > 0 {
            self.insert_span(Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq });
        }
    }

    /// Adds a run of events.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let mut seen = CausalContext::new();
    /// seen.insert_span(Span { replica: a, after: 0, to: 10 });
    /// assert_eq!(seen.version().get(a), 10);
    /// ```
    pub fn insert_span(&mut self, span: Span) {
        let nothing_beyond = self.beyond.runs(span.replica).is_empty();
        if !(nothing_beyond && self.version.follow(span)) {
            self.beyond.insert_span(span);
            self.compact(span.replica);
        }
    }

    /// Adds all that another context has seen (the join).
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let mut seen: CausalContext = [Span { replica: a, after: 0, to: 2 }].into_iter().collect();
    /// let more: CausalContext = [Span { replica: a, after: 1, to: 5 }].into_iter().collect();
    /// seen.merge(&more);
    /// assert!(seen >= more && seen.version().get(a) == 5);
    /// ```
    pub fn merge(&mut self, other: &CausalContext) {
        self.version.merge(&other.version);
        self.beyond.extend(&other.beyond);
        let version = &mut self.version;
        self.beyond.ranges.retain(|(replica, runs)| {
            compact(version, *replica, runs);
            !runs.is_empty()
        });
    }

    /// Everything that has been seen, as runs.
    pub fn iter_ranges(&self) -> impl Iterator<Item = Span> + '_ {
        let base = self.version.iter().map(|(replica, to)| Span { replica, after: 0, to });
        base.chain(self.beyond.iter_ranges())
    }

    /// Moves what has no gap before it any more from `beyond` into `version`.
    fn compact(&mut self, replica: ReplicaId) {
        let Ok(i) = self.beyond.find(replica) else { return };
        let runs = &mut self.beyond.ranges[i].1;
        compact(&mut self.version, replica, runs);
        if runs.is_empty() {
            self.beyond.ranges.remove(i);
        }
    }

    fn covers(&self, other: &CausalContext) -> bool {
        other.iter_ranges().all(|span| {
            let seen = self.version.get(span.replica);
            let in_beyond = |r: &(u64, u64)| r.0 <= span.after && span.to <= r.1;
            seen >= span.to || self.beyond.runs(span.replica).iter().any(in_beyond)
        })
    }
}

/// A context that is asked for one dot after the other: cheap when they come in order.
#[derive(Debug)]
pub(crate) struct InOrder<'a> {
    version: Walk<'a, ReplicaId, u64>,
    beyond: &'a DotRanges,
}

impl InOrder<'_> {
    pub(crate) fn contains(&mut self, dot: Dot) -> bool {
        let before = self.version.get(&dot.replica);
        before.is_some_and(|seen| dot.seq <= *seen) || self.beyond.contains(dot)
    }
}

/// Moves the runs that have no gap before them from `runs` into `version`.
fn compact(version: &mut VersionVector, replica: ReplicaId, runs: &mut Runs) {
    let seen = version.get(replica);
    let done = runs.partition_point(|r| r.0 <= seen);
    if let Some(last) = done.checked_sub(1).and_then(|i| runs.get(i)) {
        // Runs do not touch, so only the last of those that start in `version` can reach past it.
        version.advance(replica, last.1);
        runs.drain(..done);
    }
}

impl PartialOrd for CausalContext {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.covers(other), other.covers(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

impl From<VersionVector> for CausalContext {
    fn from(version: VersionVector) -> Self {
        CausalContext { version, beyond: DotRanges::new() }
    }
}

impl FromIterator<Span> for CausalContext {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut seen = CausalContext::new();
        spans.into_iter().for_each(|span| seen.insert_span(span));
        seen
    }
}

impl Encode for CausalContext {
    fn encode(&self, w: &mut Writer) {
        self.version.encode(w);
        self.beyond.encode(w);
    }
}

impl Decode for CausalContext {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (version, beyond) = (VersionVector::decode(r)?, DotRanges::decode(r)?);
        if beyond.iter_ranges().any(|span| span.after <= version.get(span.replica)) {
            return Err(r.invalid("a dot range that belongs in the version vector"));
        }
        Ok(CausalContext { version, beyond })
    }
}
