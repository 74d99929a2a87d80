//! [`RwSet`].

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotMap, DotSet, DotStore, wraps_store};
use crate::id::Dot;

/// A set in which removing wins over a concurrent adding: for access rights, where a revoking must hold.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert `x` | insert `x` | `x` is in |
/// | insert `x` | remove `x` | `x` is out |
/// | remove `x` | remove `x` | `x` is out |
/// | clear | insert `x` | `x` is in: a clear ends removals too |
///
/// A removal of a member that is in leaves one dot behind, until the member is inserted again. `O(log n)` for
/// each operation. Source: Baquero, Almeida, Shoker, "Pure operation-based replicated data types", 2017.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::RwSet;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<RwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(0, |set, cx| set.insert("mallory", cx)));
/// let revoked = a.edit(0, |set, cx| set.remove(&"mallory", cx));
/// let granted = b.edit(0, |set, cx| set.insert("mallory", cx));
/// a.apply(&granted);
/// b.apply(&revoked);
/// assert!(!a.value().contains(&"mallory") && !b.value().contains(&"mallory"));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct RwSet<E: Ord + Clone + Debug>(pub(crate) DotMap<E, (DotSet, DotSet)>);

impl<E: Ord + Clone + Debug> Default for RwSet<E> {
    fn default() -> Self {
        RwSet(Default::default())
    }
}

impl<E: Ord + Clone + Debug> RwSet<E> {
    /// Puts a member in, over all removals of it that were seen.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::RwSet, replica::Replica};
    /// let mut a: Replica<RwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea"));
    /// ```
    pub fn insert(&mut self, member: E, cx: &mut Cx) {
        self.0.update(member, cx, |(inserted, removed), cx| {
            removed.end(cx);
            inserted.set((), cx);
        });
    }

    /// Takes a member out; returns whether it was in. Where it is out since a concurrent removing won, this ends the
    /// insertions that lost.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::RwSet, replica::Replica};
    /// let mut a: Replica<RwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.update(0, |set, cx| set.remove(&"tea", cx)));
    /// assert!(!a.value().contains(&"tea"));
    /// ```
    pub fn remove(&mut self, member: &E, cx: &mut Cx) -> bool {
        let was_in = self.contains(member);
        if self.0.get(member).is_some_and(|(inserted, _)| !inserted.is_bottom()) {
            self.0.update(member.clone(), cx, |(inserted, removed), cx| {
                inserted.end(cx);
                removed.set((), cx);
            });
        }
        was_in
    }

    /// Whether a member is in.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::RwSet, replica::Replica};
    /// let mut a: Replica<RwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// assert!(a.value().contains(&"tea") && !a.value().contains(&"milk"));
    /// ```
    pub fn contains(&self, member: &E) -> bool {
        self.0.get(member).is_some_and(is_in)
    }

    /// How many members are in. `O(n)`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, set::RwSet, replica::Replica};
    /// let mut a: Replica<RwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
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
    /// # use crdt::{ReplicaId, set::RwSet, replica::Replica};
    /// let mut a: Replica<RwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |set, cx| set.insert("tea", cx));
    /// a.update(0, |set, cx| set.insert("milk", cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&"milk", &"tea"]);
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &E> {
        self.0.iter().filter(|(_, dots)| is_in(dots)).map(|(member, _)| member)
    }
}

fn is_in((inserted, removed): &(DotSet, DotSet)) -> bool {
    !inserted.is_bottom() && removed.is_bottom()
}

wraps_store!([E: Ord + Clone + Debug] RwSet<E>, [E: Ord + Clone + Debug + Encode], [E: Ord + Clone + Debug + Decode]);
