//! [`LwwSet`].

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotStore, wraps_store};
use crate::id::Dot;
use crate::register::LwwRegister;

/// A set in which for each member the latest insertion or removal wins, by the clock.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert `x` at 5 | remove `x` at 7 | `x` is out |
/// | insert `x` at 7 | remove `x` at 5 | `x` is in |
/// | insert `x` at 5 | remove `x` at 5 | as the one of the greater replica id says |
///
/// A removal is remembered until the next insertion. `O(log n)` for each operation. Source: Shapiro and others,
/// 2011.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::LwwSet;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<LwwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(1_000, |set, cx| set.insert("tea", cx)));
/// let removed = a.edit(3_000, |set, cx| set.remove(&"tea", cx));
/// let inserted = b.edit(2_000, |set, cx| set.insert("tea", cx));
/// a.apply(&inserted);
/// b.apply(&removed);
/// assert!(!a.value().contains(&"tea") && !b.value().contains(&"tea"));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct LwwSet<E: Ord + Clone + Debug>(pub(crate) DotMap<E, LwwRegister<bool>>);

impl<E: Ord + Clone + Debug> Default for LwwSet<E> {
    fn default() -> Self {
        LwwSet(Default::default())
    }
}

impl<E: Ord + Clone + Debug> LwwSet<E> {
    /// Puts a member in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::LwwSet, replica::Replica};
    /// let mut a: Replica<LwwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea"));
    /// ```
    pub fn insert(&mut self, member: E, cx: &mut Cx) {
        self.0.update(member, cx, |is_in, cx| is_in.set(true, cx));
    }

    /// Takes a member out; returns whether it was in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::LwwSet, replica::Replica};
    /// let mut a: Replica<LwwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.update(0, |set, cx| set.remove(&"tea", cx)));
    /// assert!(!a.value().contains(&"tea"));
    /// ```
    pub fn remove(&mut self, member: &E, cx: &mut Cx) -> bool {
        let was_in = self.contains(member);
        if was_in {
            self.0.update(member.clone(), cx, |is_in, cx| is_in.set(false, cx));
        }
        was_in
    }

    /// Whether a member is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::LwwSet, replica::Replica};
    /// let mut a: Replica<LwwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea") && !a.value().contains(&"milk"));
    /// ```
    pub fn contains(&self, member: &E) -> bool {
        self.0.get(member).and_then(LwwRegister::get) == Some(&true)
    }

    /// How many members are in. `O(n)`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::LwwSet, replica::Replica};
    /// let mut a: Replica<LwwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |it, cx| it.insert("tea", cx));
    /// assert!(a.value().len() == 1 && !a.value().is_empty());
    /// ```
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The members, in order.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::LwwSet, replica::Replica};
    /// let mut a: Replica<LwwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// a.update(0, |set, cx| set.insert("milk", cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"milk", &"tea"]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &E> {
        self.0.iter().filter(|(_, is_in)| is_in.get() == Some(&true)).map(|(member, _)| member)
    }
}

wraps_store!([E: Ord + Clone + Debug] LwwSet<E>, [E: Ord + Clone + Debug + Encode], [E: Ord + Clone + Debug + Decode]);
