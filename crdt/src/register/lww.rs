//! [`LwwRegister`].

use alloc::vec::Vec;
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotFun, DotStore, wraps_store};
use crate::hlc::Hlc;
use crate::id::Dot;

/// A register in which of concurrent values the one with the latest stamp wins, and of equal stamps the
/// one of the greater replica id.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | set `x` at 5 | set `y` at 7 | `y` |
/// | set `x` at 5 | set `y` at 5 | that of the greater replica id |
/// | set `x` at 5 | clear, at any time | `x` |
///
/// A write always beats those it has seen, whatever the clocks said. The values that lost are kept until
/// the next write, so that a removal of the winner that had not seen them brings one back on every
/// replica alike: see [`losers`](Self::losers). `O(concurrent writers)` for each operation. Source: Johnson, Thomas,
/// "The maintenance of duplicate databases", RFC 677, 1975; with hybrid clocks and dots here.
///
/// ```
/// use crdt::register::LwwRegister;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(2));
/// let later = a.edit(2_000, |r, cx| r.set("later", cx));
/// let earlier = b.edit(1_000, |r, cx| r.set("earlier", cx));
/// a.apply(&earlier);
/// b.apply(&later);
/// assert_eq!(a.value().get(), Some(&"later"));
/// assert_eq!(b.value().get(), Some(&"later"));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct LwwRegister<T: Clone + PartialEq + Debug>(DotFun<(Hlc, T)>);

impl<T: Clone + PartialEq + Debug> Default for LwwRegister<T> {
    fn default() -> Self {
        LwwRegister(DotFun::default())
    }
}

impl<T: Clone + PartialEq + Debug> LwwRegister<T> {
    /// Writes a value. Its stamp is later than those of all values that are here.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica};
    /// let mut a: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(9, |r, cx| r.set("x", cx));
    /// a.update(5, |r, cx| r.set("y", cx)); // the clock went back, yet it has seen "x"
    /// assert_eq!(a.value().get(), Some(&"y"));
    /// ```
    pub fn set(&mut self, value: T, cx: &mut Cx) {
        let mut stamp = cx.stamp();
        if let Some(seen) = self.0.iter().map(|(_, (stamp, _))| *stamp).max().filter(|seen| *seen >= stamp) {
            stamp.observe(seen);
            stamp.tick(0);
        }
        self.0.set((stamp, value), cx);
    }

    /// The value that wins.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica};
    /// let mut a: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// assert_eq!(a.value().get(), None);
    /// a.update(0, |r, cx| r.set("x", cx));
    /// assert_eq!(a.value().get(), Some(&"x"));
    /// ```
    pub fn get(&self) -> Option<&T> {
        self.winner().map(|(_, (_, value))| value)
    }

    /// When the value that wins was written.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica};
    /// let mut a: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(7, |r, cx| r.set("x", cx));
    /// assert_eq!(a.value().stamp().unwrap().millis(), 7);
    /// ```
    pub fn stamp(&self) -> Option<Hlc> {
        self.winner().map(|(_, (stamp, _))| *stamp)
    }

    /// The concurrent values that lost, with their writers.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica};
    /// let mut a: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// let mut b: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(2));
    /// a.update(5, |r, cx| r.set("x", cx));
    /// a.apply(&b.edit(7, |r, cx| r.set("y", cx)));
    /// let (writer, value) = a.value().losers().next().unwrap();
    /// assert_eq!((writer.replica, *value), (ReplicaId::from_u128(1), "x"));
    /// ```
    pub fn losers(&self) -> impl Iterator<Item = (Dot, &T)> {
        let winner = self.winner().map(|(dot, _)| dot);
        self.0.iter().filter(move |(dot, _)| Some(*dot) != winner).map(|(dot, (_, value))| (dot, value))
    }

    /// All concurrent values with their writers and stamps, the winner first.
    ///
    /// ```
    /// # use crdt::{ReplicaId, register::LwwRegister, replica::Replica};
    /// let mut a: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(1));
    /// let mut b: Replica<LwwRegister<&str>> = Replica::new(ReplicaId::from_u128(2));
    /// a.update(5, |r, cx| r.set("x", cx));
    /// a.apply(&b.edit(7, |r, cx| r.set("y", cx)));
    /// let values: Vec<_> = a.value().candidates().map(|(_, _, value)| *value).collect();
    /// assert_eq!(values, ["y", "x"]);
    /// ```
    pub fn candidates(&self) -> impl Iterator<Item = (Dot, Hlc, &T)> {
        let mut all: Vec<_> = self.0.iter().map(|(dot, (stamp, value))| (dot, *stamp, value)).collect();
        all.sort_unstable_by_key(|(dot, stamp, _)| core::cmp::Reverse((*stamp, *dot)));
        all.into_iter()
    }

    /// Calls `f` with the event and the stamp of each value.
    #[cfg(feature = "std")]
    pub(crate) fn each_stamp(&self, f: &mut dyn FnMut(Dot, Hlc)) {
        self.0.iter().for_each(|(dot, (stamp, _))| f(dot, *stamp));
    }

    /// The value that wins, with its writer and stamp.
    pub(crate) fn latest(&self) -> Option<(Dot, Hlc, &T)> {
        self.winner().map(|(dot, (stamp, value))| (dot, *stamp, value))
    }

    fn winner(&self) -> Option<(Dot, &(Hlc, T))> {
        self.0.iter().max_by_key(|(dot, (stamp, _))| (*stamp, *dot))
    }
}

wraps_store!(
    [T: Clone + PartialEq + Debug] LwwRegister<T>,
    [T: Clone + PartialEq + Debug + Encode],
    [T: Clone + PartialEq + Debug + Decode]
);
