//! [`GSet`].

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotSet, DotStore, wraps_store};
use crate::id::Dot;

/// A set that only grows.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert `x` | insert `y` | `x` and `y` are in |
///
/// Nothing takes a member out, except that a map that holds the set drops what it has seen with its key.
/// `O(log n)` for each operation. Source: Shapiro and others, 2011.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::GSet;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<GSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<GSet<&str>> = Replica::new(ReplicaId::from_u128(2));
/// let tea = a.edit(0, |set, cx| set.insert("tea", cx));
/// b.edit(0, |set, cx| set.insert("milk", cx));
/// b.apply(&tea);
/// assert_eq!(b.value().iter().collect::<Vec<_>>(), [&"milk", &"tea"]);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct GSet<E: Ord + Clone + Debug>(pub(crate) DotMap<E, DotSet>);

impl<E: Ord + Clone + Debug> Default for GSet<E> {
    fn default() -> Self {
        GSet(Default::default())
    }
}

impl<E: Ord + Clone + Debug> GSet<E> {
    /// Puts a member in; no event if it is in. Returns whether it was not.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::GSet, replica::Replica};
    /// let mut a: Replica<GSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// assert!(a.update(0, |set, cx| set.insert("tea", cx)));
    /// assert!(!a.update(0, |set, cx| set.insert("tea", cx))); // it is in: no event
    /// ```
    pub fn insert(&mut self, member: E, cx: &mut Cx) -> bool {
        let new = !self.contains(&member);
        if new {
            self.0.update(member, cx, |dots, cx| dots.set((), cx));
        }
        new
    }

    /// Whether a member is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::GSet, replica::Replica};
    /// let mut a: Replica<GSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea") && !a.value().contains(&"milk"));
    /// ```
    pub fn contains(&self, member: &E) -> bool {
        self.0.get(member).is_some()
    }

    /// How many members are in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::GSet, replica::Replica};
    /// let mut a: Replica<GSet<&str>> = Replica::new(ReplicaId::from_u128(1));
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
    /// # use crdt::{ReplicaId, set::GSet, replica::Replica};
    /// let mut a: Replica<GSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// a.update(0, |set, cx| set.insert("milk", cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"milk", &"tea"]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &E> + ExactSizeIterator {
        self.0.iter().map(|(member, _)| member)
    }
}

wraps_store!([E: Ord + Clone + Debug] GSet<E>, [E: Ord + Clone + Debug + Encode], [E: Ord + Clone + Debug + Decode]);
