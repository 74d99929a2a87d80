//! [`Replica`]: one value of a causal type, with an identity; and [`Change`], its deltas.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;

use crate::codec::{
    Decode, DecodeError, Encode, Reader, Twice, Writer, from_brief_bytes, from_bytes, read_body, seal_brief,
    stand_alone, unseal,
};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore, Entries, Gathered, RemovalLog};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
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
    /// Removals up to here may have been forgotten.
    forgotten: VersionVector,
}

/// Some events of a [`Replica`], as a small state: an operation when of one edit, a delta when of several,
/// the whole when of all.
///
/// ```
/// use crdt::codec::{from_bytes, to_bytes};
/// use crdt::replica::{Change, Replica};
/// use crdt::{ReplicaId, set::GSet};
/// let mut a: Replica<GSet<String>> = Replica::new(ReplicaId::from_u128(1));
/// let mut both = a.edit(0, |set, cx| set.insert("tea".into(), cx)); // an operation
/// both.join(&a.edit(0, |set, cx| set.insert("milk".into(), cx))); // a delta of two
/// let mut b: Replica<GSet<String>> = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&from_bytes::<Change<_>>(&to_bytes(&both))?);
/// assert_eq!(b.value(), a.value());
/// # Ok::<(), crdt::codec::DecodeError>(())
/// ```
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Change<T> {
    events: DotRanges,
    clock: Hlc,
    removals: RemovalLog,
    /// Not empty when what is missing in `removals` up to here follows from what `fragment` does not show.
    forgotten: VersionVector,
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
            forgotten: VersionVector::new(),
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
    ///
    /// ```
    /// # use crdt::{ReplicaId, replica::Replica, set::AwSet};
    /// let [mut a, mut b] = [1, 2].map(|n| Replica::<AwSet<&str>>::new(ReplicaId::from_u128(n)));
    /// let change = a.edit(0, |set, cx| set.insert("tea", cx));
    /// b.apply(&change);
    /// assert_eq!(a.value(), b.value());
    /// ```
    pub fn edit<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut T, &mut Cx) -> R) -> Change<T> {
        self.edit_with(now_ms, edit).0
    }

    /// Edits the value; returns what others must take, and what the edit returned, an error for example.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::BoundedCounter, replica::Replica};
    /// let mut stock: Replica<BoundedCounter> = Replica::new(ReplicaId::from_u128(1));
    /// let (_, sold) = stock.edit_with(0, |stock, cx| stock.take(1, cx));
    /// assert!(sold.is_err()); // nothing was there
    /// ```
    pub fn edit_with<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut T, &mut Cx) -> R) -> (Change<T>, R) {
        let (result, span) = self.write(now_ms, edit);
        let mut change = Change { clock: self.clock, ..Change::default() };
        if let Some(span) = span {
            change.events.insert_span(span);
            change.removals = self.removals.part(&change.events);
            change.fragment = self.value.part(&change.events);
        }
        (change, result)
    }

    /// Edits the value; returns what the edit returned. Several times as fast as [`edit`](Self::edit): for when
    /// nobody is sent this edit by itself. [`delta_since`](Self::delta_since) has it as any other.
    ///
    /// ```
    /// use crdt::replica::Replica;
    /// use crdt::set::AwSet;
    /// use crdt::ReplicaId;
    /// let mut a: Replica<AwSet<u64>> = Replica::new(ReplicaId::from_u128(1));
    /// let mut b: Replica<AwSet<u64>> = Replica::new(ReplicaId::from_u128(2));
    /// (0..100).for_each(|n| a.update(0, |set, cx| set.insert(n, cx)));
    /// b.apply(&a.delta_since(b.seen().version())); // one change for all of them
    /// assert_eq!(b.value().len(), 100);
    /// ```
    pub fn update<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut T, &mut Cx) -> R) -> R {
        self.write(now_ms, edit).0
    }

    /// Edits the value; returns what the edit returned, and its events.
    fn write<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut T, &mut Cx) -> R) -> (R, Option<Span>) {
        let last = self.seen.version().get(self.author);
        let mut cx = Cx::new(self.author, last, self.clock.tick(now_ms));
        let result = edit(&mut self.value, &mut cx);
        let span = cx.span();
        if let Some(span) = span {
            self.seen.insert_span(span);
            self.removals.record_after(Dot::new(self.author, span.to), cx.removed(), &self.forgotten);
        }
        (result, span)
    }

    /// Joins a change. Changes may be lost, come twice, or in any order.
    ///
    /// Take changes only from those you trust: since they may come in any order, one that claims events
    /// which were never written, this replica's own among them, cannot be told from one that came early.
    /// A [`Doc`](crate::Doc) takes events in their order and checks more.
    ///
    /// ```
    /// # use crdt::{ReplicaId, replica::Replica, set::AwSet};
    /// let [mut a, mut b] = [1, 2].map(|n| Replica::<AwSet<&str>>::new(ReplicaId::from_u128(n)));
    /// let [tea, milk] = ["tea", "milk"].map(|item| a.edit(0, |set, cx| set.insert(item, cx)));
    /// [&milk, &tea, &milk].into_iter().for_each(|change| b.apply(change)); // any order, any number of times
    /// assert_eq!(a.value(), b.value());
    /// ```
    pub fn apply(&mut self, change: &Change<T>) {
        let mut theirs: CausalContext = change.events.iter_ranges().collect();
        change.removals.removed().iter_ranges().for_each(|span| theirs.insert_span(span));
        self.join(&change.fragment, &theirs, &change.removals, change.clock);
        self.forgotten.merge(&change.forgotten);
    }

    /// What one that has seen `since` lacks: the values it has not seen, and the removals. Costs what changed.
    ///
    /// For one that is behind what was [forgotten](Self::forget) it is everything that is visible here: from
    /// what is not shown the other learns what was removed. What it wrote itself stays.
    pub fn delta_since(&self, since: &VersionVector) -> Change<T> {
        let whole = !since.covers(&self.forgotten);
        let nothing = VersionVector::new();
        let since = if whole { &nothing } else { since };
        let beyond = self.seen.beyond().iter_ranges().filter_map(|span| {
            let after = span.after.max(since.get(span.replica));
            (after < span.to).then_some(Span { after, ..span })
        });
        let events: DotRanges = self.seen.version().since(since).chain(beyond).collect();
        let (removals, fragment) = (self.removals.part(&events), self.value.part(&events));
        let forgotten = if whole { self.forgotten.clone() } else { VersionVector::new() };
        Change { events, clock: self.clock, removals, forgotten, fragment }
    }

    /// Drops what is kept to tell others of removals that all of them have seen: see
    /// [`MatrixClock::seen_by_all`](crate::matrix::MatrixClock::seen_by_all) and
    /// [`Leases::stable`](crate::lease::Leases::stable). One that was not counted, and comes back from before, is sent
    /// everything.
    ///
    /// ```
    /// use crdt::replica::Replica;
    /// use crdt::set::AwSet;
    /// use crdt::{ReplicaId, VersionVector};
    /// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// let mut late: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(2));
    /// late.apply(&a.edit(0, |set, cx| set.insert("tea", cx)));
    /// late.edit(0, |set, cx| set.insert("milk", cx)); // not sent yet
    /// a.edit(0, |set, cx| set.remove(&"tea", cx));
    /// a.forget(&a.seen().version().clone()); // late was not counted
    /// assert!(a.removals().is_empty());
    ///
    /// late.apply(&a.delta_since(late.seen().version()));
    /// assert_eq!(late.value().iter().collect::<Vec<_>>(), [&"milk"]);
    /// ```
    pub fn forget(&mut self, seen_by_all: &VersionVector) {
        let stable = seen_by_all.meet(self.seen.version());
        if self.removals.forget(&stable) {
            self.forgotten.merge(&stable);
        }
    }

    /// The replica as bytes for a file: a header, the state, a checksum.
    ///
    /// ```
    /// use crdt::counter::PnCounter;
    /// use crdt::replica::Replica;
    /// use crdt::ReplicaId;
    /// let mut n: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(1));
    /// n.edit(0, |n, cx| n.add(5, cx));
    /// let copy: Replica<PnCounter> = Replica::open(&n.save(), ReplicaId::from_u128(2))?;
    /// assert_eq!(copy.value().value(), 5);
    /// # Ok::<(), crdt::codec::DecodeError>(())
    /// ```
    pub fn save(&self) -> Vec<u8>
    where
        T: Encode,
    {
        seal_brief(*MAGIC, BRIEF, &State(self))
    }

    /// Reads what [`save`](Self::save) wrote; writes from now on as `author`, which must be new unless this is
    /// the only copy.
    ///
    /// # Errors
    /// For bytes that are damaged, of something else, or of a newer format.
    pub fn open(bytes: &[u8], author: ReplicaId) -> Result<Self, DecodeError>
    where
        T: Encode + Decode,
    {
        let (format, content) = unseal(MAGIC, PLAIN..=BRIEF, bytes)?;
        let read = if format == PLAIN { from_bytes } else { from_brief_bytes };
        let Stored(replica) = read(content)?;
        Ok(Replica { author, ..replica })
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
    ///
    /// ```
    /// # use crdt::{ReplicaId, replica::Replica, set::AwSet};
    /// let [mut a, mut b] = [1, 2].map(|n| Replica::<AwSet<&str>>::new(ReplicaId::from_u128(n)));
    /// let mut both = a.edit(0, |set, cx| set.insert("tea", cx));
    /// both.join(&a.edit(0, |set, cx| set.insert("milk", cx)));
    /// b.apply(&both);
    /// assert_eq!(b.value().len(), 2);
    /// ```
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
        self.forgotten.merge(&other.forgotten);
        self.clock.observe(other.clock);
    }

    /// The events it carries.
    ///
    /// ```
    /// # use crdt::{ReplicaId, replica::Replica, set::AwSet};
    /// let [mut a, mut b] = [1, 2].map(|n| Replica::<AwSet<&str>>::new(ReplicaId::from_u128(n)));
    /// let change = a.edit(0, |set, cx| set.insert("tea", cx));
    /// assert_eq!(change.events().len(), 1);
    /// # b.apply(&change);
    /// ```
    pub fn events(&self) -> &DotRanges {
        &self.events
    }

    /// The change as bytes that stand alone, in the brief form: about 65 for one entry of a map that another
    /// wrote before, of which 32 are the two replicas' ids.
    ///
    /// ```
    /// use crdt::replica::{Change, Replica};
    /// use crdt::set::AwSet;
    /// use crdt::ReplicaId;
    /// let mut a: Replica<AwSet<u64>> = Replica::new(ReplicaId::from_u128(1));
    /// let mut b: Replica<AwSet<u64>> = Replica::new(ReplicaId::from_u128(2));
    /// let bytes = a.edit(0, |set, cx| set.insert(7, cx)).to_bytes();
    /// b.apply(&Change::from_bytes(&bytes)?);
    /// assert!(b.value().contains(&7));
    /// # Ok::<(), crdt::codec::DecodeError>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8>
    where
        T: Encode,
    {
        let entries = self.removals.shortest(self.last());
        let mut w = Writer::new().in_short(core::iter::empty());
        self.events.encode(&mut w);
        self.clock.encode(&mut w);
        self.removals.encode_as(entries, &mut w);
        if !self.forgotten.is_empty() {
            self.forgotten.encode(&mut w);
        }
        self.fragment.encode(&mut w);
        let flags = u64::from(!self.forgotten.is_empty()) | u64::from(entries.number()) << 1;
        stand_alone(w, |whole, replicas| whole.u64(replicas << 5 | flags << 2 | SHORT))
    }

    /// Its last event, where it is of one run.
    fn last(&self) -> Option<Dot> {
        let mut spans = self.events.iter_ranges();
        let span = spans.next()?;
        spans.next().is_none().then_some(Dot::new(span.replica, span.to))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// For every other byte string, and for those of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError>
    where
        T: Encode + Decode,
    {
        let mut r = Reader::new(bytes, &[]);
        match r.u64()? {
            found if found == u64::from(BRIEF) => from_brief_bytes(&bytes[1..]),
            head if head & 3 == SHORT => {
                let flags = head >> 2 & 7;
                read_body(r, head >> 5, |r| r.in_short(core::iter::empty()), |r| Self::decode_short(flags, r))
            }
            found if found > SHORT => Err(DecodeError::Version { found, known: SHORT }),
            _ => Err(r.invalid("no format of changes")),
        }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote behind its head.
    fn decode_short(flags: u64, r: &mut Reader<'_>) -> Result<Self, DecodeError>
    where
        T: Decode,
    {
        let mut change =
            Change { events: DotRanges::decode(r)?, clock: Hlc::decode(r)?, ..Change::default() };
        let last = change.last();
        let entries = Entries::numbered((flags >> 1) as u8, last);
        let entries = entries.ok_or_else(|| r.invalid("unknown form of removals"))?;
        change.removals = RemovalLog::decode_as(entries, last, r)?;
        if flags & 1 == 1 {
            change.forgotten = VersionVector::decode(r)?;
            if change.forgotten.is_empty() {
                return Err(r.invalid("nothing is said to be forgotten"));
            }
        }
        change.fragment = r.looking(Twice::Part, T::decode)?;
        change.checked(r)
    }

    /// That every effect is of an event of its own.
    fn checked(self, r: &Reader<'_>) -> Result<Self, DecodeError> {
        let own = |dot| self.events.contains(dot);
        check_effects(&self.fragment, &self.removals, own).map_err(|what| r.invalid(what))?;
        Ok(self)
    }
}

impl<T: DotStore> StateCrdt for Replica<T> {
    /// Costs what the other has seen and this one has not; everything, where that was forgotten.
    fn merge(&mut self, other: &Self) {
        let seen = self.seen.version();
        // A difference of many replicas that wrote little each costs more than it saves.
        let spans = other.seen.version().since(seen).count() as u64;
        let pays = spans * 16 < other.seen.version().total();
        if pays && seen.covers(&other.forgotten) {
            self.apply(&other.delta_since(seen));
        } else {
            self.join(&other.value, &other.seen, &other.removals, other.clock);
        }
        self.forgotten.merge(&other.forgotten);
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
    type Error = core::convert::Infallible;

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
        self.clock.encode(w);
        self.removals.encode(w);
        self.forgotten.encode(w);
        self.fragment.encode(w);
    }
}

impl<T: Decode + DotStore> Decode for Change<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let change = Change {
            events: DotRanges::decode(r)?,
            clock: Hlc::decode(r)?,
            removals: RemovalLog::decode(r)?,
            forgotten: VersionVector::decode(r)?,
            fragment: r.looking(Twice::Part, T::decode)?,
        };
        change.checked(r)
    }
}

/// That every value and every removal is of an event of its own, one of those given.
fn check_effects<T: DotStore>(
    value: &T,
    removals: &RemovalLog,
    mut own: impl FnMut(Dot) -> bool,
) -> Result<(), &'static str> {
    let mut dots = Gathered::new();
    value.for_each_dot(&mut |dot| dots.push(dot, ()));
    let dots = dots.sorted();
    let own_values = dots.is_some_and(|dots| dots.iter().all(|(dot, ())| own(*dot)));
    if own_values && removals.iter().all(|(by, _)| own(by)) {
        Ok(())
    } else {
        Err("an effect of an event that is not among these, or two of one event")
    }
}

const MAGIC: &[u8; 4] = b"CRDR";
/// The first format, which is still read.
const PLAIN: u8 = 1;
/// The same in the brief form.
const BRIEF: u8 = 2;
/// A change with short times: what the two lowest bits of its head say.
const SHORT: u64 = 3;

/// A replica without its author, as it is written.
struct State<'a, T>(&'a Replica<T>);

/// A replica as it was read; its author is not known.
struct Stored<T>(Replica<T>);

impl<T: Encode> Encode for State<'_, T> {
    fn encode(&self, w: &mut Writer) {
        self.0.seen.encode(w);
        self.0.clock.encode(w);
        self.0.removals.encode(w);
        self.0.forgotten.encode(w);
        self.0.value.encode(w);
    }
}

impl<T: Encode> Encode for Stored<T> {
    fn encode(&self, w: &mut Writer) {
        State(&self.0).encode(w);
    }
}

impl<T: Decode + DotStore> Decode for Stored<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let replica = Replica {
            author: ReplicaId::MIN,
            seen: CausalContext::decode(r)?,
            clock: Hlc::decode(r)?,
            removals: RemovalLog::decode(r)?,
            forgotten: VersionVector::decode(r)?,
            value: r.looking(Twice::Whole, T::decode)?,
        };
        let mut seen = replica.seen.in_order();
        let own = |dot| seen.contains(dot);
        check_effects(&replica.value, &replica.removals, own).map_err(|what| r.invalid(what))?;
        Ok(Stored(replica))
    }
}
