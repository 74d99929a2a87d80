//! [`MinRegister`].

use core::fmt::Debug;

use super::extreme::extreme;
use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotFun, DotStore, wraps_store};
use crate::id::Dot;

extreme! {
    /// A register that keeps the least value ever written: a first-seen time, a lowest offer.
    ///
    /// | A | B, concurrently | both |
    /// |---|---|---|
    /// | set 3 | set 5 | 3 |
    /// | set 3 | clear | 3 |
    ///
    /// `O(concurrent writers)`. A clear takes away the values it has seen. Source: the min semilattice of
    /// Shapiro and others, 2011.
    ///
    /// ```
    /// use crdt::register::MinRegister;
    /// use crdt::replica::Replica;
    /// use crdt::ReplicaId;
    ///
    /// let mut a: Replica<MinRegister<u64>> = Replica::new(ReplicaId::from_u128(1));
    /// let mut b: Replica<MinRegister<u64>> = Replica::new(ReplicaId::from_u128(2));
    /// let three = a.edit(0, |best, cx| best.set(3, cx));
    /// let five = b.edit(0, |best, cx| best.set(5, cx));
    /// a.apply(&five);
    /// b.apply(&three);
    /// assert_eq!((a.value().get(), b.value().get()), (Some(&3), Some(&3)));
    /// ```
    MinRegister, <, min
}
