//! [`Hlc`]: a hybrid logical clock in 64 bits that is also the Lamport clock.

use core::fmt;

/// A point in time that never contradicts causality: 48 bits of milliseconds since 1970 and a 16-bit
/// counter (Kulkarni and others 2014).
///
/// If event `e` was seen before `f` was written, then `stamp(e) < stamp(f)`, whatever the clocks said.
/// Stamps of different replicas may be equal: break the tie by [`ReplicaId`](crate::ReplicaId).
///
/// What people get wrong:
/// - *A stamp orders, it does not tell causes.* `stamp(e) < stamp(f)` does not mean that `e` was seen before `f`: that
///   takes a [`VersionVector`](crate::VersionVector).
/// - *[Observe](Self::observe) what comes before the next [tick](Self::tick).* Else an answer can be stamped before
///   its question.
/// - *One clock that runs years ahead drags all along*, since each observes it: everybody's later writes must beat it. So
///   hold such stamps back, with [`is_ahead_of`](Self::is_ahead_of) and a drift of a minute, until the clock has come there;
///   who refuses them for ever, or changes them, never agrees with who took them. A [`Node`](crate::sync::Node) does so that
///   is told the time; without one, [`Replicated::apply_until`](crate::Replicated::apply_until) does it for documents.
/// - *The clock is part of the state.* A process that restarts with a clock set back must load it, not begin anew.
///
/// ```
/// use crdt::Hlc;
/// let mut mine = Hlc::ZERO;
/// let first = mine.tick(1_000);
/// let seen = Hlc::new(9_000, 3); // a stamp from a replica whose clock runs ahead
/// mine.observe(seen);
/// assert!(mine.tick(1_001) > seen && seen > first);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc(u64);

impl Hlc {
    /// Before every stamp.
    pub const ZERO: Hlc = Hlc(0);

    /// The stamp of `millis` since 1970 (48 bits are kept) and a counter.
    pub const fn new(millis: u64, counter: u16) -> Self {
        Hlc((millis & 0xffff_ffff_ffff) << 16 | counter as u64)
    }

    /// From its 64 bits.
    ///
    /// ```
    /// # use crdt::Hlc;
    /// let stamp = Hlc::new(1_000, 3);
    /// assert_eq!(Hlc::from_bits(stamp.to_bits()), stamp);
    /// ```
    pub const fn from_bits(bits: u64) -> Self {
        Hlc(bits)
    }

    /// Its 64 bits; they compare as the stamps do.
    ///
    /// ```
    /// # use crdt::Hlc;
    /// assert_eq!(Hlc::new(1, 2).to_bits(), 1 << 16 | 2);
    /// assert!(Hlc::new(2, 0).to_bits() > Hlc::new(1, 9).to_bits());
    /// ```
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970.
    ///
    /// ```
    /// # use crdt::Hlc;
    /// assert_eq!(Hlc::new(1_000, 3).millis(), 1_000);
    /// ```
    pub const fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// Steps to a stamp after all seen so far, at `now_ms` or later, and returns it. When more than
    /// 65,535 events fall into one millisecond, the next millisecond is used.
    ///
    /// ```
    /// use crdt::Hlc;
    /// let mut clock = Hlc::ZERO;
    /// assert_eq!((clock.tick(5), clock.tick(5)), (Hlc::new(5, 0), Hlc::new(5, 1)));
    /// assert!(clock.tick(1) > Hlc::new(5, 1)); // the wall clock went back
    /// ```
    pub fn tick(&mut self, now_ms: u64) -> Hlc {
        self.0 = self.0.saturating_add(1).max(Hlc::new(now_ms, 0).0);
        *self
    }

    /// Remembers a stamp that was seen, so that the next [`tick`](Self::tick) comes after it.
    ///
    /// ```
    /// use crdt::Hlc;
    /// let mut clock = Hlc::ZERO;
    /// clock.observe(Hlc::new(9, 0)); // of a question that came
    /// assert!(clock.tick(1) > Hlc::new(9, 0)); // the answer is later
    /// ```
    pub fn observe(&mut self, seen: Hlc) {
        self.0 = self.0.max(seen.0);
    }

    /// Whether the stamp lies more than `drift_ms` after `now_ms`: then take its event later, when that is so no more.
    ///
    /// ```
    /// use crdt::Hlc;
    /// let now = 1_000_000;
    /// let minute = 60_000;
    /// assert!(!Hlc::new(now + 30_000, 0).is_ahead_of(now, minute)); // clocks differ
    /// assert!(Hlc::new(now + 3_600_000, 0).is_ahead_of(now, minute)); // an hour: not yet
    /// ```
    pub const fn is_ahead_of(self, now_ms: u64, drift_ms: u64) -> bool {
        self.millis() > now_ms.saturating_add(drift_ms)
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.millis(), self.0 & 0xffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_counter_spills_into_the_next_millisecond() {
        let mut clock = Hlc::new(5, u16::MAX);
        assert_eq!(clock.tick(5), Hlc::new(6, 0));
        assert_eq!(clock.tick(5), Hlc::new(6, 1));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_take_stamps_back() {
        let mut clock = Hlc::ZERO;
        let first = clock.tick(1_000);
        assert!(clock.tick(10) > first);
    }

    #[test]
    fn the_last_stamp_does_not_wrap() {
        let mut clock = Hlc::from_bits(u64::MAX);
        assert_eq!(clock.tick(0), Hlc::from_bits(u64::MAX));
    }
}
