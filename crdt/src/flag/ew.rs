//! [`EwFlag`].

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotSet, DotStore, wraps_store};
use crate::id::Dot;

/// A flag for which enabling wins over a concurrent disabling. It starts disabled.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | enable | enable | enabled |
/// | enable | disable | enabled |
/// | disable | disable | disabled |
///
/// `O(concurrent writers)`. Source: Baquero, Almeida, Shoker, "Pure operation-based replicated data types", 2017.
///
/// ```
/// use crdt::flag::EwFlag;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<EwFlag> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(0, |flag, cx| flag.enable(cx)));
/// let off = a.edit(0, |flag, cx| flag.disable(cx));
/// let on = b.edit(0, |flag, cx| flag.enable(cx));
/// a.apply(&on);
/// b.apply(&off);
/// assert!(a.value().is_enabled() && b.value().is_enabled());
/// ```
#[derive(Clone, Default, PartialEq, Debug)]
pub struct EwFlag(DotSet);

impl EwFlag {
    /// Raises the flag.
    ///
    /// ```
    /// # use crdt::{ReplicaId, flag::EwFlag, replica::Replica};
    /// let mut a: Replica<EwFlag> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |flag, cx| flag.enable(cx));
    /// assert!(a.value().is_enabled());
    /// ```
    pub fn enable(&mut self, cx: &mut Cx) {
        self.0.set((), cx);
    }

    /// Lowers the flag; no event if it is not raised.
    ///
    /// ```
    /// # use crdt::{ReplicaId, flag::EwFlag, replica::Replica};
    /// let mut a: Replica<EwFlag> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |flag, cx| flag.enable(cx));
    /// a.update(0, |flag, cx| flag.disable(cx));
    /// assert!(!a.value().is_enabled());
    /// ```
    pub fn disable(&mut self, cx: &mut Cx) {
        self.0.clear(cx);
    }

    /// Whether the flag is raised.
    ///
    /// ```
    /// # use crdt::{ReplicaId, flag::EwFlag, replica::Replica};
    /// let mut a: Replica<EwFlag> = Replica::new(ReplicaId::from_u128(1));
    /// assert!(!a.value().is_enabled()); // as it starts
    /// ```
    pub fn is_enabled(&self) -> bool {
        !self.0.is_bottom()
    }
}

wraps_store!([] EwFlag, [], []);
