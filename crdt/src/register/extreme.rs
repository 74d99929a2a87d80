//! [`MaxRegister`] and [`MinRegister`].

use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotFun, DotStore, wraps_store};
use crate::id::Dot;

macro_rules! extreme {
    ($(#[$doc:meta])* $name:ident, $better:tt, $pick:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $name<T: Ord + Clone + Debug>(pub(crate) DotFun<T>);

        impl<T: Ord + Clone + Debug> Default for $name<T> {
            fn default() -> Self {
                $name(DotFun::default())
            }
        }

        impl<T: Ord + Clone + Debug> $name<T> {
            /// Writes a value; no event if one that is as good is here.
            pub fn set(&mut self, value: T, cx: &mut Cx) {
                if self.get().is_none_or(|best| value $better *best) {
                    self.0.set(value, cx);
                }
            }

            /// The value; `None` when none was written.
            pub fn get(&self) -> Option<&T> {
                self.0.iter().map(|(_, value)| value).$pick()
            }
        }

        wraps_store!(
            [T: Ord + Clone + Debug] $name<T>,
            [T: Ord + Clone + Debug + Encode],
            [T: Ord + Clone + Debug + Decode]
        );
    };
}

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
