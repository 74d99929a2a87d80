//! [`MvRegister`].

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotFun, DotStore, wraps_store};
use crate::id::Dot;

/// A register that keeps all concurrent values until the next write.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | set `x` | set `y` | `x` and `y`, in the order of their writers' ids |
/// | set `x` | set `x` | `x` twice: each is of a writer of its own |
/// | set `x` | clear | `x` |
///
/// `O(concurrent writers)` for each operation. Source: DeCandia and others, "Dynamo", 2007; Shapiro and others, 2011.
///
/// ```
/// use crdt::register::MvRegister;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<MvRegister<u64>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<MvRegister<u64>> = Replica::new(ReplicaId::from_u128(2));
/// let one = a.edit(0, |r, cx| r.set(1, cx));
/// let two = b.edit(0, |r, cx| r.set(2, cx));
/// a.apply(&two);
/// b.apply(&one);
/// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&1, &2]);
/// b.edit(0, |r, cx| r.set(3, cx)); // has seen both, so replaces both
/// assert_eq!(b.value().iter().collect::<Vec<_>>(), [&3]);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct MvRegister<T: Clone + PartialEq + Debug>(DotFun<T>);

impl<T: Clone + PartialEq + Debug> Default for MvRegister<T> {
    fn default() -> Self {
        MvRegister(DotFun::default())
    }
}

impl<T: Clone + PartialEq + Debug> MvRegister<T> {
    /// Writes a value in place of all that are here.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::MvRegister, replica::Replica};
    /// let mut a: Replica<MvRegister<u64>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |r, cx| r.set(1, cx));
    /// a.update(0, |r, cx| r.set(2, cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&2]);
    /// ```
    pub fn set(&mut self, value: T, cx: &mut Cx) {
        self.0.set(value, cx);
    }

    /// The values: none, one, or all that were written concurrently.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::MvRegister, replica::Replica};
    /// let mut a: Replica<MvRegister<u64>> = Replica::new(ReplicaId::from_u128(1));
    /// assert_eq!(a.value().iter().count(), 0);
    /// a.update(0, |r, cx| r.set(1, cx));
    /// assert_eq!(a.value().iter().collect::<Vec<_>>(), [&1]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values with the events that wrote them.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::MvRegister, replica::Replica};
    /// let mut a: Replica<MvRegister<u64>> = Replica::new(ReplicaId::from_u128(1));
    /// a.edit(0, |r, cx| r.set(1, cx));
    /// let (writer, value) = a.value().candidates().next().unwrap();
    /// assert_eq!((writer.replica, *value), (ReplicaId::from_u128(1), 1));
    /// ```
    pub fn candidates(&self) -> impl Iterator<Item = (Dot, &T)> {
        self.0.iter()
    }
}

wraps_store!(
    [T: Clone + PartialEq + Debug] MvRegister<T>,
    [T: Clone + PartialEq + Debug + Encode],
    [T: Clone + PartialEq + Debug + Decode]
);
