//! What [`MaxRegister`](super::MaxRegister) and [`MinRegister`](super::MinRegister) have in common.

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
            ///
            /// ```
            #[doc = concat!("# use crdt::{ReplicaId, replica::Replica, register::", stringify!($name), "};")]
            #[doc = concat!("let mut a: Replica<", stringify!($name), "<u64>> = Replica::new(ReplicaId::from_u128(1));")]
            /// a.update(0, |register, cx| register.set(3, cx));
            /// a.update(0, |register, cx| register.set(3, cx)); // is there already
            /// assert_eq!(a.seen().version().total(), 1);
            /// ```
            pub fn set(&mut self, value: T, cx: &mut Cx) {
                if self.get().is_none_or(|best| value $better *best) {
                    self.0.set(value, cx);
                }
            }

            /// The value; `None` when none was written.
            ///
            /// ```
            #[doc = concat!("# use crdt::{ReplicaId, replica::Replica, register::", stringify!($name), "};")]
            #[doc = concat!("let mut a: Replica<", stringify!($name), "<u64>> = Replica::new(ReplicaId::from_u128(1));")]
            /// assert_eq!(a.value().get(), None);
            /// a.update(0, |register, cx| register.set(3, cx));
            /// assert_eq!(a.value().get(), Some(&3));
            /// ```
            pub fn get(&self) -> Option<&T> {
                self.0.iter().map(|(_, value)| value).$pick()
            }

            /// The value and those written concurrently, with the events that wrote them, by event.
            ///
            /// ```
            #[doc = concat!("# use crdt::{ReplicaId, replica::Replica, register::", stringify!($name), "};")]
            #[doc = concat!("let mut a: Replica<", stringify!($name), "<u64>> = Replica::new(ReplicaId::from_u128(1));")]
            /// a.update(0, |register, cx| register.set(3, cx));
            /// let (writer, value) = a.value().candidates().next().unwrap();
            /// assert_eq!((writer.replica, *value), (ReplicaId::from_u128(1), 3));
            /// ```
            pub fn candidates(&self) -> impl DoubleEndedIterator<Item = (Dot, &T)> {
                self.0.iter()
            }
        }

        wraps_store!(
            [T: Ord + Clone + Debug] $name<T>,
            [T: Ord + Clone + Debug + Encode],
            [T: Ord + Clone + Debug + Decode]
        );
    };
}
pub(super) use extreme;
