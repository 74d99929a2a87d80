//! [`MaxRegister`].

use core::fmt::Debug;

use super::extreme::extreme;
use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotFun, DotStore, wraps_store};
use crate::id::Dot;

extreme! {
    /// A register that keeps the greatest value ever written: a high score, a last-seen time.
    ///
    /// | A | B, concurrently | both |
    /// |---|---|---|
    /// | set 3 | set 5 | 5 |
    /// | set 5 | clear | 5 |
    ///
    /// `O(concurrent writers)`. A clear takes away the values it has seen. Source: the max semilattice of
    /// Shapiro and others, 2011.
    ///
    /// ```
    /// use crdt::register::MaxRegister;
    /// use crdt::replica::Replica;
    /// use crdt::ReplicaId;
    ///
    /// let mut a: Replica<MaxRegister<u64>> = Replica::new(ReplicaId::from_u128(1));
    /// let mut b: Replica<MaxRegister<u64>> = Replica::new(ReplicaId::from_u128(2));
    /// let three = a.edit(0, |best, cx| best.set(3, cx));
    /// let five = b.edit(0, |best, cx| best.set(5, cx));
    /// a.apply(&five);
    /// b.apply(&three);
    /// assert_eq!((a.value().get(), b.value().get()), (Some(&5), Some(&5)));
    /// ```
    MaxRegister, >, max
}
