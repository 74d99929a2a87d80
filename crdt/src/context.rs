//! Sets of events when they do not come in order: [`DotRanges`] and [`CausalContext`].

mod ranges;

use core::cmp::Ordering;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::{Dot, ReplicaId, Span};
use crate::sorted::Walk;
use crate::version::{VersionVector, causal_order};

pub use ranges::DotRanges;

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
            self.beyond.settle(span.replica, &mut self.version);
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
        self.beyond.settle_all(&mut self.version);
    }

    /// What both have seen (the intersection). `O(ranges · log ranges)`.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let one: CausalContext = [Span { replica: a, after: 0, to: 4 }].into_iter().collect();
    /// let two: CausalContext = [Dot::new(a, 3), Dot::new(a, 9)].into_iter().map(Span::from).collect();
    /// assert!(one.meet(&two).iter_ranges().eq([Span::from(Dot::new(a, 3))]));
    /// ```
    pub fn meet(&self, other: &CausalContext) -> CausalContext {
        self.iter_ranges().flat_map(|span| other.parts(span)).collect()
    }

    /// What has been seen here and not by one at `other` (the difference), as runs. `O(ranges · log ranges)`.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let here: CausalContext = [Span { replica: a, after: 0, to: 4 }].into_iter().collect();
    /// let there: CausalContext = [Span { replica: a, after: 1, to: 2 }].into_iter().collect();
    /// let lacks = [Span { replica: a, after: 0, to: 1 }, Span { replica: a, after: 2, to: 4 }];
    /// assert!(here.since(&there).eq(lacks));
    /// ```
    pub fn since<'a>(&'a self, other: &'a CausalContext) -> impl Iterator<Item = Span> + 'a {
        self.iter_ranges().flat_map(|span| {
            // Between the parts that are there, and behind the last of them.
            let end = Span { after: span.to, ..span };
            let mut after = span.after;
            other.parts(span).chain([end]).filter_map(move |part| {
                let gap = Span { after, to: part.after, ..span };
                after = part.to;
                (gap.after < gap.to).then_some(gap)
            })
        })
    }

    /// Whether this has seen all that another has. Also `>=`.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, Span, context::CausalContext};
    /// let a = ReplicaId::from_u128(1);
    /// let one: CausalContext = [Span { replica: a, after: 0, to: 4 }].into_iter().collect();
    /// let two: CausalContext = [Dot::new(a, 3)].into_iter().map(Span::from).collect();
    /// assert!(one.covers(&two) && !two.covers(&one));
    /// ```
    pub fn covers(&self, other: &CausalContext) -> bool {
        other.since(self).next().is_none()
    }

    /// The parts of a run that have been seen, in order.
    fn parts(&self, span: Span) -> impl Iterator<Item = Span> + '_ {
        let first = Span { to: span.to.min(self.version.get(span.replica)), ..span };
        (first.after < first.to).then_some(first).into_iter().chain(self.beyond.parts(span))
    }

    /// Everything that has been seen, as runs.
    pub fn iter_ranges(&self) -> impl Iterator<Item = Span> + '_ {
        let base = self.version.iter().map(|(replica, to)| Span { replica, after: 0, to });
        base.chain(self.beyond.iter_ranges())
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

impl PartialOrd for CausalContext {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        causal_order(self.covers(other), other.covers(self))
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
