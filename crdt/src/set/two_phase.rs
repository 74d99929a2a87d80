//! [`TwoPhaseSet`].

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotSet, DotStore, wraps_store};
use crate::id::Dot;

/// A set whose members, once removed, never come back.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert `x` | insert `x` | `x` is in |
/// | insert `x` | remove `x` | `x` is out, for good |
///
/// What was removed is remembered for ever: for names that are used once, such as orders, tickets, tokens.
/// `O(log n)` for each operation. Source: Shapiro and others, 2011.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::TwoPhaseSet;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<TwoPhaseSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(0, |set, cx| set.insert("ticket 7", cx)));
/// let used = a.edit(0, |set, cx| set.remove(&"ticket 7", cx));
/// b.apply(&used);
/// b.edit(0, |set, cx| set.insert("ticket 7", cx));
/// assert!(!b.value().contains(&"ticket 7"));
/// ```
#[doc(alias = "2P-Set")]
#[derive(Clone, PartialEq, Debug)]
pub struct TwoPhaseSet<E: Ord + Clone + Debug>(pub(crate) (DotMap<E, DotSet>, DotMap<E, DotSet>));

impl<E: Ord + Clone + Debug> Default for TwoPhaseSet<E> {
    fn default() -> Self {
        TwoPhaseSet(Default::default())
    }
}

impl<E: Ord + Clone + Debug> TwoPhaseSet<E> {
    /// Puts a member in, unless it is or ever was. Returns whether it came in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::TwoPhaseSet, replica::Replica};
    /// let mut a: Replica<TwoPhaseSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea"));
    /// ```
    pub fn insert(&mut self, member: E, cx: &mut Cx) -> bool {
        let (inserted, removed) = &mut self.0;
        let new = inserted.get(&member).is_none() && removed.get(&member).is_none();
        if new {
            inserted.update(member, cx, |dots, cx| dots.set((), cx));
        }
        new
    }

    /// Takes a member out for good; returns whether it was in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::TwoPhaseSet, replica::Replica};
    /// let mut a: Replica<TwoPhaseSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.update(0, |set, cx| set.remove(&"tea", cx)));
    /// assert!(!a.value().contains(&"tea"));
    /// ```
    pub fn remove(&mut self, member: &E, cx: &mut Cx) -> bool {
        let was_in = self.contains(member);
        if was_in {
            let (inserted, removed) = &mut self.0;
            // That it was inserted need not be remembered beside that it was removed.
            inserted.update(member.clone(), cx, |dots, cx| dots.end(cx));
            removed.update(member.clone(), cx, |dots, cx| dots.set((), cx));
        }
        was_in
    }

    /// Whether a member is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::TwoPhaseSet, replica::Replica};
    /// let mut a: Replica<TwoPhaseSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea") && !a.value().contains(&"milk"));
    /// ```
    pub fn contains(&self, member: &E) -> bool {
        self.0.0.get(member).is_some() && !self.was_removed(member)
    }

    /// Whether a member was removed.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::TwoPhaseSet, replica::Replica};
    /// let mut a: Replica<TwoPhaseSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(!a.value().was_removed(&"tea"));
    /// a.update(0, |set, cx| set.remove(&"tea", cx));
    /// assert!(a.value().was_removed(&"tea"));
    /// ```
    pub fn was_removed(&self, member: &E) -> bool {
        self.0.1.get(member).is_some()
    }

    /// How many members are in. `O(n)`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::TwoPhaseSet, replica::Replica};
    /// let mut a: Replica<TwoPhaseSet<&str>> = Replica::new(ReplicaId::from_u128(1));
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
    /// # use crdt::{ReplicaId, set::TwoPhaseSet, replica::Replica};
    /// let mut a: Replica<TwoPhaseSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// a.update(0, |set, cx| set.insert("milk", cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"milk", &"tea"]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.0.0.iter().map(|(member, _)| member).filter(|member| !self.was_removed(member))
    }
}

wraps_store!([E: Ord + Clone + Debug] TwoPhaseSet<E>, [E: Ord + Clone + Debug + Encode], [E: Ord + Clone + Debug + Decode]);
