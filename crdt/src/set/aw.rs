//! [`AwSet`].

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotSet, DotStore, wraps_store};
use crate::id::Dot;

/// A set in which adding wins over a concurrent removing. Removed members leave nothing behind in it.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert `x` | insert `x` | `x` is in |
/// | insert `x` | remove `x` | `x` is in |
/// | remove `x` | remove `x` | `x` is out |
///
/// `O(log n)` for each operation. Source: Bieniusa and others, "An optimized conflict-free replicated set",
/// 2012.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::AwSet;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(0, |set, cx| set.insert("tea", cx)));
/// let removed = a.edit(0, |set, cx| set.remove(&"tea", cx));
/// let added = b.edit(0, |set, cx| set.insert("tea", cx));
/// a.apply(&added);
/// b.apply(&removed);
/// assert!(a.value().contains(&"tea") && b.value().contains(&"tea"));
/// ```
#[doc(alias = "OR-Set")]
#[doc(alias = "ORSWOT")]
#[derive(Clone, PartialEq, Debug)]
pub struct AwSet<E: Ord + Clone + Debug>(pub(crate) DotMap<E, DotSet>);

impl<E: Ord + Clone + Debug> Default for AwSet<E> {
    fn default() -> Self {
        AwSet(DotMap::default())
    }
}

impl<E: Ord + Clone + Debug> AwSet<E> {
    /// Puts a member in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::AwSet, replica::Replica};
    /// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea"));
    /// ```
    pub fn insert(&mut self, member: E, cx: &mut Cx) {
        self.0.update(member, cx, |dots, cx| dots.set((), cx));
    }

    /// Takes a member out; returns whether it was in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::AwSet, replica::Replica};
    /// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.update(0, |set, cx| set.remove(&"tea", cx)));
    /// assert!(!a.value().contains(&"tea"));
    /// ```
    pub fn remove(&mut self, member: &E, cx: &mut Cx) -> bool {
        self.0.update_visible(member.clone(), cx, |dots, cx| dots.clear(cx)).is_some()
    }

    /// Whether a member is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::AwSet, replica::Replica};
    /// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea") && !a.value().contains(&"milk"));
    /// ```
    pub fn contains(&self, member: &E) -> bool {
        self.0.get(member).is_some()
    }

    /// The insertions that keep a member in: its concurrent writers. None when it is out.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, replica::Replica, set::AwSet};
    /// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.edit(0, |set, cx| set.insert("tea", cx));
    /// let writers: Vec<_> = a.value().writers(&"tea").collect();
    /// assert_eq!(writers, [Dot::new(ReplicaId::from_u128(1), 1)]);
    /// ```
    pub fn writers(&self, member: &E) -> impl Iterator<Item = Dot> {
        self.0.get(member).into_iter().flat_map(|dots| dots.iter().map(|(dot, _)| dot))
    }

    /// The member that an event added.
    #[cfg(feature = "std")]
    pub(crate) fn member_of(&self, event: Dot) -> Option<&E> {
        let found = self.0.find(core::iter::once(event.into()), |dot| dot == event);
        found.into_iter().next()
    }

    /// How many members are in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::AwSet, replica::Replica};
    /// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// assert!(a.value().is_empty());
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert_eq!(a.value().len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members, in order.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::AwSet, replica::Replica};
    /// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// a.update(0, |set, cx| set.insert("milk", cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"milk", &"tea"]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &E> + ExactSizeIterator {
        self.0.iter().map(|(member, _)| member)
    }
}

wraps_store!([E: Ord + Clone + Debug] AwSet<E>, [E: Ord + Clone + Debug + Encode], [E: Ord + Clone + Debug + Decode]);
