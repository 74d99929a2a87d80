//! Pure operation-based types: an operation is what the user did and nothing more, and a [`PoLog`] of those
//! that still matter is the state.
//!
//! The second way to the same semantics as the dot stores: here an operation travels once, by causal delivery,
//! and a state is read out of a log. The tests hold the two against each other on the same schedules.
//! Source: Baquero, Almeida, Shoker, "Pure operation-based replicated data types", 2017.
//!
//! | operations | state-based twin | what wins |
//! |---|---|---|
//! | [`Add`] | [`PnCounter`](crate::counter::PnCounter) | – |
//! | [`AwSetOp`] | [`AwSet`](crate::set::AwSet) | adding |
//! | [`RwSetOp`] | [`RwSet`](crate::set::RwSet) | removing |
//! | [`EwFlagOp`] | [`EwFlag`](crate::flag::EwFlag) | enabling |
//! | [`DwFlagOp`] | [`DwFlag`](crate::flag::DwFlag) | disabling |
//! | [`LwwWrite`] | [`LwwRegister`](crate::register::LwwRegister) | the later stamp |
//! | [`MvWrite`] | [`MvRegister`](crate::register::MvRegister) | all stay |
//! | [`Append`] | [`Log`](crate::log::Log) | – |
//! | [`Insert`] | [`GSet`](crate::set::GSet) | – |
//! | [`TwoPhaseOp`] | [`TwoPhaseSet`](crate::set::TwoPhaseSet) | removing, for good |
//! | [`LwwSetOp`] | [`LwwSet`](crate::set::LwwSet) | the later stamp |
//! | [`LwwMapOp`] | [`LwwMap`](crate::map::LwwMap) | the later stamp |
//! | [`MaxWrite`], [`MinWrite`] | [`MaxRegister`](crate::register::MaxRegister), [`MinRegister`](crate::register::MinRegister) | the greatest, the least |
//! | [`MapOp`] of these | [`OrMap`](crate::map::OrMap), [`GMap`](crate::map::GMap) | editing |
//!
//! The other types have no pure operations: what a transfer of a [`BoundedCounter`](crate::counter::BoundedCounter) may
//! take, and where a node of a [`Tree`](crate::tree::Tree) was before it moved, is known where the edit is made and not
//! from a log. Of every dot store the [`Change`](crate::replica::Change) of one edit is its operation; it may come in any
//! order. Of a document it is the [`Delta`](crate::Delta) of one transaction; a [`CausalBuffer`] brings them in order.

mod grow;
mod keyed;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt::Debug;

use crate::causal::{CausalBuffer, ReceiveError, Tagged};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::traits::OpCrdt;
use crate::version::VersionVector;

pub use grow::{Insert, MaxWrite, MinWrite, TwoPhaseOp};
pub use keyed::{LwwMapOp, LwwSetOp, MapOp};

/// An operation of a pure op-based type: what makes it redundant, and what a log of them means.
///
/// ```
/// use crdt::oplog::{PoLog, PureOp};
/// use crdt::ReplicaId;
///
/// /// The greatest number wins: what is less no longer matters.
/// #[derive(Clone, PartialEq, Debug)]
/// struct Bid(u64);
///
/// impl PureOp for Bid {
///     type Value = Option<u64>;
///     fn is_overridden_by(&self, newer: &Self) -> bool {
///         newer.0 >= self.0
///     }
///     fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> Option<u64> {
///         ops.map(|bid| bid.0).max()
///     }
/// }
///
/// let mut log = PoLog::new(ReplicaId::from_u128(1), 10);
/// log.apply(0, Bid(5));
/// log.apply(0, Bid(7));
/// assert_eq!((log.value(), log.len()), (Some(7), 1));
/// ```
pub trait PureOp: Clone + PartialEq + Debug {
    /// What the log shows.
    type Value;

    /// Whether this operation no longer matters once `newer` has come, whose author had seen it.
    fn is_overridden_by(&self, newer: &Self) -> bool;

    /// Whether it has done all it does when it has overridden others, so that it need not be kept.
    fn is_done_at_once(&self) -> bool {
        false
    }

    /// What the operations mean that still matter, given in the order of their stamps and events.
    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> Self::Value
    where
        Self: 'a;

    /// One operation that means the same as several that are causally stable, if there is one.
    fn compact<'a>(_stable: impl Iterator<Item = &'a Self>) -> Option<Self>
    where
        Self: 'a,
    {
        None
    }
}

/// A replica of a pure op-based type: the operations that still matter, in bounded space while others are
/// missing.
///
/// ```
/// use crdt::oplog::{AwSetOp, PoLog};
/// use crdt::traits::OpCrdt;
/// use crdt::ReplicaId;
/// let mut a: PoLog<AwSetOp<&str>> = PoLog::new(ReplicaId::from_u128(1), 1_000);
/// let mut b = PoLog::new(ReplicaId::from_u128(2), 1_000);
/// let tea = a.apply(1_000, AwSetOp::Insert("tea"));
/// b.effect(&tea)?;
/// let removed = a.apply(2_000, AwSetOp::Remove("tea"));
/// let again = b.apply(2_000, AwSetOp::Insert("tea")); // concurrently
/// a.effect(&again)?;
/// b.effect(&removed)?;
/// assert!(a.value().contains("tea") && b.value().contains("tea"));
/// assert_eq!(a.len(), 1); // only the last insertion still matters
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct PoLog<O: PureOp> {
    author: ReplicaId,
    clock: Hlc,
    buffer: CausalBuffer<O>,
    /// Those that still matter, with their stamps.
    ops: BTreeMap<Dot, (Hlc, O)>,
}

impl<O: PureOp> PoLog<O> {
    /// An empty replica that writes as `author`, and lets at most `limit` operations wait for others.
    pub fn new(author: ReplicaId, limit: usize) -> Self {
        let buffer = CausalBuffer::new(limit);
        PoLog { author, clock: Hlc::ZERO, buffer, ops: BTreeMap::new() }
    }

    /// What has been seen.
    pub fn version(&self) -> &VersionVector {
        self.buffer.seen()
    }

    /// The operations that came early: what waits for others, and for which.
    ///
    /// ```
    /// # use crdt::oplog::{Add, PoLog};
    /// # use crdt::{ReplicaId, traits::OpCrdt};
    /// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
    /// let [_, second] = [Add(1), Add(2)].map(|op| a.apply(0, op));
    /// b.effect(&second)?;
    /// assert_eq!((b.buffer().waiting(), b.buffer().missing()[0].to), (1, 1)); // ask for the first
    /// # Ok::<(), crdt::causal::ReceiveError>(())
    /// ```
    pub fn buffer(&self) -> &CausalBuffer<O> {
        &self.buffer
    }

    /// How many operations are kept.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether no operation matters any more.
    ///
    /// ```
    /// # use crdt::{ReplicaId, oplog::{AwSetOp, PoLog}};
    /// let mut set = PoLog::new(ReplicaId::from_u128(1), 10);
    /// set.apply(0, AwSetOp::Insert("tea"));
    /// set.apply(0, AwSetOp::Remove("tea"));
    /// assert!(set.is_empty()); // neither matters any more
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the operations mean. `O(n log n)`.
    pub fn value(&self) -> O::Value {
        let mut ops: Vec<_> = self.ops.iter().map(|(dot, (stamp, op))| (*stamp, *dot, op)).collect();
        ops.sort_unstable_by_key(|(stamp, dot, _)| (*stamp, *dot));
        O::eval(ops.into_iter().map(|(_, _, op)| op))
    }

    /// Does something here; returns what others must take.
    ///
    /// ```
    /// # use crdt::oplog::{Add, PoLog};
    /// # use crdt::{ReplicaId, traits::OpCrdt};
    /// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
    /// let op = a.apply(0, Add(2)); // done here; send it to all others
    /// b.effect(&op)?;
    /// assert_eq!((a.value(), b.value()), (2, 2));
    /// # Ok::<(), crdt::causal::ReceiveError>(())
    /// ```
    pub fn apply(&mut self, now_ms: u64, op: O) -> Tagged<O> {
        let tagged = self.prepare(now_ms, op);
        let delivered = self.effect(&tagged);
        debug_assert!(delivered.is_ok(), "one's own operation is never early");
        tagged
    }

    /// Makes one of the operations that are causally stable, if the type can: see
    /// [`MatrixClock::stable`](crate::matrix::MatrixClock::stable).
    ///
    /// ```
    /// # use crdt::oplog::{Add, PoLog};
    /// # use crdt::{ReplicaId, traits::OpCrdt};
    /// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
    /// (0..100).for_each(|_| drop(a.apply(0, Add(1))));
    /// let all_have_it = a.version().clone();
    /// a.compact(&all_have_it);
    /// assert_eq!((a.value(), a.len()), (100, 1));
    /// # let _ = b.apply(0, Add(0));
    /// ```
    pub fn compact(&mut self, stable: &VersionVector) {
        let done: Vec<Dot> = self.ops.keys().filter(|dot| stable.contains(**dot)).copied().collect();
        let ops = done.iter().filter_map(|dot| self.ops.get(dot)).map(|(_, op)| op);
        let (Some(one), Some(last)) = (O::compact(ops), done.last()) else { return };
        let stamp = self.ops.get(last).map_or(Hlc::ZERO, |(stamp, _)| *stamp);
        done.iter().for_each(|dot| drop(self.ops.remove(dot)));
        self.ops.insert(*last, (stamp, one));
    }

    fn deliver(&mut self, op: Tagged<O>) {
        self.clock.observe(op.stamp);
        self.ops.retain(|dot, (_, old)| !(op.past.contains(*dot) && old.is_overridden_by(&op.op)));
        if !op.op.is_done_at_once() {
            self.ops.insert(op.dot, (op.stamp, op.op));
        }
    }
}

impl<O: PureOp> OpCrdt for PoLog<O> {
    type Command = O;
    type Op = Tagged<O>;
    type Error = ReceiveError;

    fn prepare(&self, now_ms: u64, command: O) -> Tagged<O> {
        let past = self.version().clone();
        let dot = Dot::new(self.author, past.get(self.author) + 1);
        Tagged { dot, past, stamp: self.clock.clone().tick(now_ms), op: command }
    }

    fn effect(&mut self, op: &Tagged<O>) -> Result<(), ReceiveError> {
        let delivered = self.buffer.receive(op.clone())?;
        delivered.into_iter().for_each(|op| self.deliver(op));
        Ok(())
    }
}

/// Adds to a counter.
///
/// ```
/// use crdt::oplog::{Add, PoLog};
/// use crdt::ReplicaId;
/// let a = ReplicaId::from_u128(1);
/// let mut n = PoLog::new(a, 10);
/// n.apply(0, Add(2));
/// n.apply(0, Add(-5));
/// n.compact(&n.version().clone());
/// assert_eq!((n.value(), n.len()), (-3, 1)); // stable additions are one
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Add(pub i64);

impl PureOp for Add {
    type Value = i64;

    fn is_overridden_by(&self, _: &Self) -> bool {
        false
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> i64 {
        let sum = ops.fold(0i128, |sum, op| sum.saturating_add(op.0.into()));
        sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    fn compact<'a>(stable: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let mut stable = stable.peekable();
        stable.peek().is_some().then(|| Add(Add::eval(stable)))
    }
}

/// Edits an add-wins set.
///
/// ```
/// use crdt::oplog::{AwSetOp, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.effect(&a.apply(0, AwSetOp::Insert("x")))?;
/// let removed = a.apply(0, AwSetOp::Remove("x"));
/// a.effect(&b.apply(0, AwSetOp::Insert("x")))?;
/// b.effect(&removed)?;
/// assert!(a.value().contains("x") && b.value().contains("x")); // adding wins
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AwSetOp<E> {
    /// Puts a member in.
    Insert(E),
    /// Takes a member out, as far as it was seen in.
    Remove(E),
    /// Takes all members out that were seen in.
    Clear,
}

impl<E: Ord + Clone + Debug> PureOp for AwSetOp<E> {
    type Value = BTreeSet<E>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        match (self, newer) {
            (_, AwSetOp::Clear) => true,
            (AwSetOp::Insert(old), AwSetOp::Insert(new) | AwSetOp::Remove(new)) => old == new,
            _ => false,
        }
    }

    fn is_done_at_once(&self) -> bool {
        !matches!(self, AwSetOp::Insert(_))
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> BTreeSet<E>
    where
        E: 'a,
    {
        let insert = |op: &Self| match op {
            AwSetOp::Insert(member) => Some(member.clone()),
            _ => None,
        };
        ops.filter_map(insert).collect()
    }
}

/// Edits a remove-wins set.
///
/// ```
/// use crdt::oplog::{RwSetOp, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.effect(&a.apply(0, RwSetOp::Insert("x")))?;
/// let removed = a.apply(0, RwSetOp::Remove("x"));
/// a.effect(&b.apply(0, RwSetOp::Insert("x")))?;
/// b.effect(&removed)?;
/// assert!(!a.value().contains("x") && !b.value().contains("x")); // removing wins
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RwSetOp<E> {
    /// Puts a member in, over all removals that were seen.
    Insert(E),
    /// Takes a member out, over concurrent insertions too.
    Remove(E),
}

impl<E: Ord + Clone + Debug> RwSetOp<E> {
    fn member(&self) -> &E {
        match self {
            RwSetOp::Insert(member) | RwSetOp::Remove(member) => member,
        }
    }
}

/// The members that were put in, without those that were taken out; each with whether it was put in.
fn inserted_without_removed<'a, E: Ord + Clone + 'a>(
    ops: impl Iterator<Item = (bool, &'a E)>,
) -> BTreeSet<E> {
    let (mut inserted, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for (is_in, member) in ops {
        if is_in {
            inserted.insert(member)
        } else {
            removed.insert(member)
        };
    }
    inserted.difference(&removed).map(|member| (*member).clone()).collect()
}

impl<E: Ord + Clone + Debug> PureOp for RwSetOp<E> {
    type Value = BTreeSet<E>;

    fn is_overridden_by(&self, newer: &Self) -> bool {
        self.member() == newer.member()
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> BTreeSet<E>
    where
        E: 'a,
    {
        inserted_without_removed(ops.map(|op| match op {
            RwSetOp::Insert(member) => (true, member),
            RwSetOp::Remove(member) => (false, member),
        }))
    }
}

/// Raises or lowers a flag in which enabling wins.
///
/// ```
/// use crdt::oplog::{EwFlagOp, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.effect(&a.apply(0, EwFlagOp::Enable))?;
/// let off = a.apply(0, EwFlagOp::Disable);
/// a.effect(&b.apply(0, EwFlagOp::Enable))?;
/// b.effect(&off)?;
/// assert!(a.value() && b.value()); // enabling wins
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EwFlagOp {
    /// Raises it.
    Enable,
    /// Lowers it, as far as it was seen raised.
    Disable,
}

impl PureOp for EwFlagOp {
    type Value = bool;

    fn is_overridden_by(&self, _: &Self) -> bool {
        true
    }

    fn is_done_at_once(&self) -> bool {
        *self == EwFlagOp::Disable
    }

    fn eval<'a>(mut ops: impl Iterator<Item = &'a Self>) -> bool {
        ops.next().is_some()
    }
}

/// Raises or lowers a flag in which disabling wins.
///
/// ```
/// use crdt::oplog::{DwFlagOp, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.effect(&a.apply(0, DwFlagOp::Enable))?;
/// let off = a.apply(0, DwFlagOp::Disable);
/// a.effect(&b.apply(0, DwFlagOp::Enable))?;
/// b.effect(&off)?;
/// assert!(!a.value() && !b.value()); // disabling wins
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DwFlagOp {
    /// Raises it, over all lowerings that were seen.
    Enable,
    /// Lowers it, over concurrent raisings too.
    Disable,
}

impl PureOp for DwFlagOp {
    type Value = bool;

    fn is_overridden_by(&self, _: &Self) -> bool {
        true
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> bool {
        let (mut raised, mut lowered) = (false, false);
        for op in ops {
            raised |= *op == DwFlagOp::Enable;
            lowered |= *op == DwFlagOp::Disable;
        }
        raised && !lowered
    }
}

/// Writes a register in which the later stamp wins.
///
/// ```
/// use crdt::oplog::{LwwWrite, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// let later = a.apply(2_000, LwwWrite("later"));
/// a.effect(&b.apply(1_000, LwwWrite("earlier")))?;
/// b.effect(&later)?;
/// assert_eq!((a.value(), b.value()), (Some("later"), Some("later")));
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LwwWrite<T>(pub T);

impl<T: Clone + PartialEq + Debug> PureOp for LwwWrite<T> {
    type Value = Option<T>;

    fn is_overridden_by(&self, _: &Self) -> bool {
        true
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> Option<T>
    where
        T: 'a,
    {
        ops.last().map(|op| op.0.clone())
    }
}

/// Writes a register that keeps all concurrent values.
///
/// ```
/// use crdt::oplog::{MvWrite, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// let one = a.apply(0, MvWrite(1));
/// b.apply(0, MvWrite(2));
/// b.effect(&one)?;
/// assert_eq!(b.value().len(), 2); // both stay until the next write
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MvWrite<T>(pub T);

impl<T: Clone + PartialEq + Debug> PureOp for MvWrite<T> {
    type Value = Vec<T>;

    fn is_overridden_by(&self, _: &Self) -> bool {
        true
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> Vec<T>
    where
        T: 'a,
    {
        ops.map(|op| op.0.clone()).collect()
    }
}

/// Appends to a log.
///
/// ```
/// use crdt::oplog::{Append, PoLog};
/// use crdt::{ReplicaId, traits::OpCrdt};
/// let [mut a, mut b] = [1, 2].map(|n| PoLog::new(ReplicaId::from_u128(n), 10));
/// b.effect(&a.apply(1, Append("hello")))?;
/// b.apply(2, Append("hi"));
/// assert_eq!(b.value(), ["hello", "hi"]);
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Append<T>(pub T);

impl<T: Clone + PartialEq + Debug> PureOp for Append<T> {
    type Value = Vec<T>;

    fn is_overridden_by(&self, _: &Self) -> bool {
        false
    }

    fn eval<'a>(ops: impl Iterator<Item = &'a Self>) -> Vec<T>
    where
        T: 'a,
    {
        ops.map(|op| op.0.clone()).collect()
    }
}
