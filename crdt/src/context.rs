//! Sets of events when they do not come in order: [`DotRanges`] and [`CausalContext`].

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

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
    /// For each replica, `(after, to)` pairs: the events `after + 1 ..= to`. No list is empty.
    ranges: BTreeMap<ReplicaId, Vec<(u64, u64)>>,
}

impl DotRanges {
    /// The empty set.
    pub const fn new() -> Self {
        DotRanges { ranges: BTreeMap::new() }
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many dots are in the set.
    pub fn len(&self) -> u64 {
        self.iter_ranges().fold(0, |n, span| n.saturating_add(span.len()))
    }

    /// How many runs the set has.
    #[cfg(feature = "std")]
    pub(crate) fn runs(&self) -> usize {
        self.ranges.values().map(Vec::len).sum()
    }

    /// Whether a dot is in the set. `O(log ranges)`.
    pub fn contains(&self, dot: Dot) -> bool {
        self.run_from(dot).is_some()
    }

    /// The last number of the run that a dot is in; `None` when it is not in the set.
    pub(crate) fn run_from(&self, dot: Dot) -> Option<u64> {
        let ranges = self.ranges.get(&dot.replica)?;
        let run = ranges.get(ranges.partition_point(|r| r.1 < dot.seq))?;
        (run.0 < dot.seq).then_some(run.1)
    }

    /// Puts a dot in.
    pub fn insert(&mut self, dot: Dot) {
        if dot.seq > 0 {
            self.insert_span(Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq });
        }
    }

    /// Puts a run of dots in. `O(log ranges)`, and the ranges it touches become one.
    pub fn insert_span(&mut self, span: Span) {
        if span.after >= span.to {
            return;
        }
        let ranges = self.ranges.entry(span.replica).or_default();
        let first = ranges.partition_point(|r| r.1 < span.after);
        let last = ranges.partition_point(|r| r.0 <= span.to);
        let (mut after, mut to) = (span.after, span.to);
        if let Some(touched) = ranges.get(first..last).filter(|t| !t.is_empty()) {
            after = after.min(touched[0].0);
            to = to.max(touched[touched.len() - 1].1);
        }
        ranges.splice(first..last, [(after, to)]);
    }

    /// Puts all dots of another set in.
    pub fn extend(&mut self, other: &DotRanges) {
        other.iter_ranges().for_each(|span| self.insert_span(span));
    }

    /// Puts those dots of another set in that lie in `span`.
    #[cfg(feature = "std")]
    pub(crate) fn extend_within(&mut self, other: &DotRanges, span: Span) {
        let Some(ranges) = other.ranges.get(&span.replica) else { return };
        let from = ranges.partition_point(|r| r.1 <= span.after);
        for &(after, to) in ranges.iter().skip(from).take_while(|r| r.0 < span.to) {
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
    pub fn within(&self, version: &VersionVector) -> bool {
        self.iter_ranges().all(|span| version.get(span.replica) >= span.to)
    }

    /// Whether every dot of a run is in the set.
    pub fn contains_span(&self, span: Span) -> bool {
        span.after >= span.to
            || self.run_from(Dot::new(span.replica, span.after + 1)).is_some_and(|end| end >= span.to)
    }

    /// Whether the sets share a dot. `O(ranges · log ranges)`.
    pub fn intersects(&self, other: &DotRanges) -> bool {
        self.iter_ranges().any(|span| other.overlaps(span))
    }

    /// Whether any dot of a run is in the set. `O(log ranges)`.
    pub(crate) fn overlaps(&self, span: Span) -> bool {
        let Some(ranges) = self.ranges.get(&span.replica) else { return false };
        ranges.get(ranges.partition_point(|r| r.1 <= span.after)).is_some_and(|r| r.0 < span.to)
    }
}

impl FromIterator<Span> for DotRanges {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut set = DotRanges::new();
        spans.into_iter().for_each(|span| set.insert_span(span));
        set
    }
}

impl fmt::Debug for DotRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.iter_ranges().map(|s| format!("{:?}:{}..={}", s.replica, s.after + 1, s.to));
        f.debug_set().entries(ranges).finish()
    }
}

/// For each replica in order: how many runs, then for each the gap before it and its length less one.
impl Encode for DotRanges {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.ranges.len() as u64);
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
        let mut last = None;
        for _ in 0..r.count(4)? {
            let replica = r.replica()?;
            if last.replace(replica).is_some_and(|last| last >= replica) {
                return Err(r.invalid("dot ranges must be sorted by replica"));
            }
            set.ranges.insert(replica, decode_ranges(r)?);
        }
        Ok(set)
    }
}

fn decode_ranges(r: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, DecodeError> {
    let n = r.count(2)?;
    let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(n);
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
    pub fn beyond(&self) -> &DotRanges {
        &self.beyond
    }

    /// Whether an event has been seen.
    pub fn contains(&self, dot: Dot) -> bool {
        self.version.contains(dot) || self.beyond.contains(dot)
    }

    /// Adds an event.
    pub fn insert(&mut self, dot: Dot) {
        if dot.seq > 0 {
            self.insert_span(Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq });
        }
    }

    /// Adds a run of events.
    pub fn insert_span(&mut self, span: Span) {
        self.beyond.insert_span(span);
        self.compact(span.replica);
    }

    /// Adds all that another context has seen (the join).
    pub fn merge(&mut self, other: &CausalContext) {
        self.version.merge(&other.version);
        self.beyond.extend(&other.beyond);
        let replicas: Vec<ReplicaId> = self.beyond.ranges.keys().copied().collect();
        replicas.into_iter().for_each(|replica| self.compact(replica));
    }

    /// Everything that has been seen, as runs.
    pub fn iter_ranges(&self) -> impl Iterator<Item = Span> + '_ {
        let base = self.version.iter().map(|(replica, to)| Span { replica, after: 0, to });
        base.chain(self.beyond.iter_ranges())
    }

    /// Moves what has no gap before it any more from `beyond` into `version`.
    fn compact(&mut self, replica: ReplicaId) {
        let Some(ranges) = self.beyond.ranges.get_mut(&replica) else { return };
        let seen = self.version.get(replica);
        let done = ranges.partition_point(|r| r.0 <= seen);
        if let Some(last) = done.checked_sub(1).and_then(|i| ranges.get(i)) {
            // Ranges do not touch, so only the last of those that start in `version` can reach past it.
            self.version.advance(replica, last.1);
            ranges.drain(..done);
        }
        if ranges.is_empty() {
            self.beyond.ranges.remove(&replica);
        }
    }

    fn covers(&self, other: &CausalContext) -> bool {
        other.iter_ranges().all(|span| {
            let seen = self.version.get(span.replica);
            let in_beyond = || {
                let ranges = self.beyond.ranges.get(&span.replica);
                ranges.is_some_and(|r| r.iter().any(|r| r.0 <= span.after && span.to <= r.1))
            };
            seen >= span.to || in_beyond()
        })
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
