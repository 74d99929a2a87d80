//! [`Replica`]: one value of a causal type, with an identity; and [`Change`], its deltas.

use std::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore, RemovalLog};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::traits::{DeltaCrdt, OpCrdt, StateCrdt};
use crate::version::VersionVector;

/// A replica of one value: any [`DotStore`], nested as deep as you like.
///
/// ```
/// use crdt::counter::PnCounter;
/// use crdt::map::OrMap;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// type Votes = OrMap<String, PnCounter>;
/// let mut a: Replica<Votes> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<Votes> = Replica::new(ReplicaId::from_u128(2));
/// let from_a = a.edit(1_000, |votes, cx| votes.update("tea".into(), cx, |n, cx| n.add(2, cx)));
/// let from_b = b.edit(1_000, |votes, cx| votes.update("tea".into(), cx, |n, cx| n.add(-1, cx)));
/// a.apply(&from_b);
/// b.apply(&from_a);
/// assert_eq!(a.value().get("tea").unwrap().value(), 1);
/// assert_eq!(a.value(), b.value());
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Replica<T> {
    author: ReplicaId,
    clock: Hlc,
    seen: CausalContext,
    value: T,
    removals: RemovalLog,
}

/// Some events of a [`Replica`], as a small state: an operation when of one edit, a delta when of several,
/// the whole when of all.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Change<T> {
    events: DotRanges,
    clock: Hlc,
    removals: RemovalLog,
    fragment: T,
}

impl<T: DotStore> Replica<T> {
    /// An empty replica that writes as `author`. No other replica may write as `author`, ever.
    pub fn new(author: ReplicaId) -> Self {
        Replica {
            author,
            clock: Hlc::ZERO,
            seen: CausalContext::new(),
            value: T::default(),
            removals: RemovalLog::default(),
        }
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Which events have been seen.
    pub fn seen(&self) -> &CausalContext {
        &self.seen
    }

    /// What the removals keep for those who have not heard of them.
    pub fn removals(&self) -> &RemovalLog {
        &self.removals
    }

    /// Edits the value; returns what others must take.
    pub fn edit<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut T, &mut Cx) -> R) -> Change<T> {
        self.edit_with(now_ms, edit).0
    }

    /// Edits the value; returns what others must take, and what the edit returned, an error for example.
    pub fn edit_with<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut T, &mut Cx) -> R) -> (Change<T>, R) {
        let last = self.seen.version().get(self.author);
        let mut cx = Cx::new(self.author, last, self.clock.tick(now_ms));
        let result = edit(&mut self.value, &mut cx);
        let mut change = Change { clock: self.clock, ..Change::default() };
        if let Some(span) = cx.span() {
            self.seen.insert_span(span);
            change.events.insert_span(span);
            self.removals.record(Dot::new(self.author, span.to), cx.removed());
            change.removals = self.removals.part(&change.events);
            change.fragment = self.value.part(&change.events);
        }
        (change, result)
    }

    /// Joins a change. Changes may be lost, come twice, or in any order.
    ///
    /// Take changes only from those you trust: since they may come in any order, one that claims events
    /// which were never written, this replica's own among them, cannot be told from one that came early.
    /// A [`Doc`](crate::Doc) takes events in their order and checks more.
    pub fn apply(&mut self, change: &Change<T>) {
        let mut theirs: CausalContext = change.events.iter_ranges().collect();
        change.removals.removed().iter_ranges().for_each(|span| theirs.insert_span(span));
        self.join(&change.fragment, &theirs, &change.removals, change.clock);
    }

    /// What one that has seen `since` lacks: the values it has not seen, and the removals.
    pub fn delta_since(&self, since: &VersionVector) -> Change<T> {
        let lacks = self.seen.iter_ranges().filter_map(|mut span| {
            span.after = span.after.max(since.get(span.replica));
            (span.after < span.to).then_some(span)
        });
        let events: DotRanges = lacks.collect();
        let (removals, fragment) = (self.removals.part(&events), self.value.part(&events));
        Change { events, clock: self.clock, removals, fragment }
    }

    fn join(&mut self, fragment: &T, theirs: &CausalContext, removals: &RemovalLog, clock: Hlc) {
        self.value.join(&self.seen, fragment, theirs, &mut Changes::default());
        self.seen.merge(theirs);
        self.removals.merge(removals);
        self.clock.observe(clock);
    }
}

impl<T: DotStore> Change<T> {
    /// Joins another change, so that one carries what two did.
    pub fn join(&mut self, other: &Change<T>) {
        let context = |change: &Change<T>| {
            let mut seen: CausalContext = change.events.iter_ranges().collect();
            change.removals.removed().iter_ranges().for_each(|span| seen.insert_span(span));
            seen
        };
        let (ours, theirs) = (context(self), context(other));
        self.fragment.join(&ours, &other.fragment, &theirs, &mut Changes::default());
        self.events.extend(&other.events);
        self.removals.merge(&other.removals);
        self.clock.observe(other.clock);
    }

    /// The events it carries.
    pub fn events(&self) -> &DotRanges {
        &self.events
    }
}

impl<T: DotStore> StateCrdt for Replica<T> {
    fn merge(&mut self, other: &Self) {
        self.join(&other.value, &other.seen, &other.removals, other.clock);
    }
}

impl<T: DotStore> DeltaCrdt for Replica<T> {
    type Delta = Change<T>;

    fn delta_since(&self, since: &VersionVector) -> Change<T> {
        Replica::delta_since(self, since)
    }

    fn apply_delta(&mut self, delta: &Change<T>) {
        self.apply(delta);
    }
}

/// `prepare` works on a copy of the replica; [`Replica::edit`] is both steps at once, without one.
impl<T: DotStore> OpCrdt for Replica<T> {
    type Command = Box<dyn FnOnce(&mut T, &mut Cx)>;
    type Op = Change<T>;
    type Error = std::convert::Infallible;

    fn prepare(&self, now_ms: u64, command: Self::Command) -> Change<T> {
        self.clone().edit(now_ms, command)
    }

    fn effect(&mut self, op: &Change<T>) -> Result<(), Self::Error> {
        self.apply(op);
        Ok(())
    }
}

impl<T: Encode> Encode for Change<T> {
    fn encode(&self, w: &mut Writer) {
        self.events.encode(w);
        w.u64(self.clock.to_bits());
        self.removals.encode(w);
        self.fragment.encode(w);
    }
}

impl<T: Decode + DotStore> Decode for Change<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let change = Change {
            events: DotRanges::decode(r)?,
            clock: Hlc::from_bits(r.u64()?),
            removals: RemovalLog::decode(r)?,
            fragment: T::decode(r)?,
        };
        let (mut dots, mut live, mut own) = (DotRanges::new(), 0, true);
        change.fragment.for_each_dot(&mut |dot| {
            live += 1;
            own &= change.events.contains(dot);
            dots.insert(dot);
        });
        if !own || dots.len() != live || !change.removals.iter().all(|(by, _)| change.events.contains(by)) {
            return Err(r.invalid("an effect of an event that is not the change's, or two of one event"));
        }
        Ok(change)
    }
}
