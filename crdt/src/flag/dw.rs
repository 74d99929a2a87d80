//! [`DwFlag`].

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotSet, DotStore, wraps_store};
use crate::id::Dot;

/// A flag for which disabling wins over a concurrent enabling. It starts disabled.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | enable | enable | enabled |
/// | enable | disable | disabled |
/// | disable | disable | disabled |
/// | clear | enable | enabled: a clear ends lowerings too |
///
/// Disabling leaves one dot behind, until the next enabling. `O(concurrent writers)`. Source: Baquero,
/// Almeida, Shoker, "Pure operation-based replicated data types", 2017.
///
/// ```
/// use crdt::flag::DwFlag;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let mut a: Replica<DwFlag> = Replica::new(ReplicaId::from_u128(1));
/// let mut b = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(0, |flag, cx| flag.enable(cx)));
/// let off = a.edit(0, |flag, cx| flag.disable(cx));
/// let on = b.edit(0, |flag, cx| flag.enable(cx));
/// a.apply(&on);
/// b.apply(&off);
/// assert!(!a.value().is_enabled() && !b.value().is_enabled());
/// ```
#[derive(Clone, Default, PartialEq, Debug)]
pub struct DwFlag(pub(crate) (DotSet, DotSet));

impl DwFlag {
    /// Raises the flag, over all lowerings that were seen.
    ///
    /// ```
    /// # use crdt::{ReplicaId, flag::DwFlag, replica::Replica};
    /// let mut a: Replica<DwFlag> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |flag, cx| flag.enable(cx));
    /// assert!(a.value().is_enabled());
    /// ```
    pub fn enable(&mut self, cx: &mut Cx) {
        let (raised, lowered) = &mut self.0;
        lowered.end(cx);
        raised.set((), cx);
    }

    /// Lowers the flag; no event if nobody raised it since it was lowered. Where it is down since a concurrent lowering won,
    /// this ends the raisings that lost.
    ///
    /// ```
    /// # use crdt::{ReplicaId, flag::DwFlag, replica::Replica};
    /// let mut a: Replica<DwFlag> = Replica::new(ReplicaId::from_u128(1));
    /// a.update(0, |flag, cx| flag.enable(cx));
    /// a.update(0, |flag, cx| flag.disable(cx));
    /// assert!(!a.value().is_enabled());
    /// ```
    pub fn disable(&mut self, cx: &mut Cx) {
        let (raised, lowered) = &mut self.0;
        if !raised.is_bottom() {
            raised.end(cx);
            lowered.set((), cx);
        }
    }

    /// Whether the flag is raised.
    ///
    /// ```
    /// # use crdt::{ReplicaId, flag::DwFlag, replica::Replica};
    /// let mut a: Replica<DwFlag> = Replica::new(ReplicaId::from_u128(1));
    /// assert!(!a.value().is_enabled()); // as it starts
    /// ```
    pub fn is_enabled(&self) -> bool {
        let (raised, lowered) = &self.0;
        !raised.is_bottom() && lowered.is_bottom()
    }
}

wraps_store!([] DwFlag, [], []);
