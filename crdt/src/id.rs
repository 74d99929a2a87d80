//! Who wrote: [`ReplicaId`]; what was written: [`Dot`]; a run of what was written: [`Span`].

use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use uuid::Uuid;

/// Names one writer for as long as its sequence of events is unbroken.
///
/// A replica is a place that writes *and* one incarnation of it: a store that was restored from a
/// backup, cloned, or not closed cleanly takes a new id. Ids are compared by their bytes; that order
/// breaks every tie between concurrent writes, so it is the same on every replica.
///
/// This crate draws no random numbers: the caller makes the id.
///
/// ```
/// use crdt::ReplicaId;
/// let a = ReplicaId::from_u128(1);
/// assert!(a < ReplicaId::from_u128(2));
/// assert_eq!(a.to_string().parse::<ReplicaId>().unwrap(), a);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplicaId([u8; 16]);

/// By the bytes, compared as one number: ids are compared in every search.
impl Ord for ReplicaId {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for ReplicaId {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ReplicaId {
    /// The smallest id; a bound for searches, never a writer.
    pub const MIN: ReplicaId = ReplicaId([0; 16]);

    /// Wraps 16 bytes.
    ///
    /// ```
    /// # use crdt::ReplicaId;
    /// let random = [7; 16]; // of a generator of random bytes, or a UUID
    /// assert_eq!(ReplicaId::from_bytes(random).as_bytes(), &random);
    /// ```
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        ReplicaId(bytes)
    }

    /// Wraps a number, most significant byte first; handy in tests.
    ///
    /// ```
    /// # use crdt::ReplicaId;
    /// assert_eq!(ReplicaId::from_u128(1).as_bytes()[15], 1);
    /// assert!(ReplicaId::from_u128(1) < ReplicaId::from_u128(2));
    /// ```
    pub const fn from_u128(n: u128) -> Self {
        ReplicaId(n.to_be_bytes())
    }

    /// The 16 bytes.
    ///
    /// ```
    /// # use crdt::ReplicaId;
    /// assert_eq!(ReplicaId::from_bytes([7; 16]).as_bytes(), &[7; 16]);
    /// ```
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A short form for people: the last 4 bytes in hexadecimal.
    ///
    /// ```
    /// # use crdt::ReplicaId;
    /// assert_eq!(ReplicaId::from_u128(0xbeef).short(), "0000beef");
    /// ```
    pub fn short(&self) -> String {
        let b = &self.0;
        format!("{:02x}{:02x}{:02x}{:02x}", b[12], b[13], b[14], b[15])
    }
}

impl From<Uuid> for ReplicaId {
    fn from(uuid: Uuid) -> Self {
        ReplicaId(*uuid.as_bytes())
    }
}

impl From<ReplicaId> for Uuid {
    fn from(id: ReplicaId) -> Self {
        Uuid::from_bytes(id.0)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// What is wrong with the text of a replica id; nothing was changed.
///
/// ```
/// use crdt::{BadReplicaId, ReplicaId};
/// assert_eq!("beef".parse::<ReplicaId>(), Err(BadReplicaId::Length { digits: 4 }));
/// let error = "0000000g-0000-0000-0000-000000000001".parse::<ReplicaId>().unwrap_err();
/// assert!(error.to_string().starts_with("a replica id has 'g' at byte 7"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadReplicaId {
    /// It has another number of hexadecimal digits than 32.
    Length {
        /// How many it has.
        digits: usize,
    },
    /// It holds what is neither a hexadecimal digit nor a hyphen.
    Digit {
        /// What.
        found: char,
        /// At which byte.
        at: usize,
    },
    /// Its hyphens are elsewhere than after 8, 12, 16 and 20 digits.
    Hyphens,
}

messages! { BadReplicaId {
    Self::Length { digits } => "a replica id has {digits} hexadecimal digits, not 32 as {}; nothing was changed" with EXAMPLE,
    Self::Digit { found, at } =>
        "a replica id has {found:?} at byte {at}, and only hexadecimal digits as {}; nothing was changed" with EXAMPLE,
    Self::Hyphens => "a replica id has its hyphens elsewhere than {}; nothing was changed" with EXAMPLE,
} }

/// What an id looks like.
const EXAMPLE: &str = "00000000-0000-0000-0000-00000000002a";

impl BadReplicaId {
    fn of(text: &str) -> BadReplicaId {
        match text.char_indices().find(|(_, c)| !c.is_ascii_hexdigit() && *c != '-') {
            Some((at, found)) => BadReplicaId::Digit { found, at },
            None => match text.bytes().filter(u8::is_ascii_hexdigit).count() {
                32 => BadReplicaId::Hyphens,
                digits => BadReplicaId::Length { digits },
            },
        }
    }
}

impl FromStr for ReplicaId {
    type Err = BadReplicaId;

    fn from_str(s: &str) -> Result<Self, BadReplicaId> {
        Uuid::from_str(s).map(Self::from).map_err(|_| BadReplicaId::of(s))
    }
}

/// One event: the `seq`-th thing that `replica` wrote, counting from 1 without gaps.
///
/// ```
/// use crdt::{Dot, ReplicaId};
/// let dot = Dot::new(ReplicaId::from_u128(7), 3);
/// assert_eq!(format!("{dot:?}"), "00000007:3");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dot {
    /// Who wrote it.
    pub replica: ReplicaId,
    /// Its number at that replica, from 1.
    pub seq: u64,
}

impl Dot {
    /// The greatest number that an event may have. No replica writes so many; a claim beyond it is refused
    /// wherever bytes are read, so that numbers can be counted on without running over.
    pub const MAX_SEQ: u64 = 1 << 62;

    /// The event `seq` of `replica`.
    pub const fn new(replica: ReplicaId, seq: u64) -> Self {
        Dot { replica, seq }
    }
}

/// By replica, then by number. Most that are compared are of one replica.
impl Ord for Dot {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.replica == other.replica {
            self.seq.cmp(&other.seq)
        } else {
            self.replica.cmp(&other.replica)
        }
    }
}

impl PartialOrd for Dot {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.replica, self.seq)
    }
}

/// In full: `REPLICA-SEQ`.
impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.replica, self.seq)
    }
}

/// The events `after + 1 ..= to` of one replica; never empty.
///
/// ```
/// use crdt::{ReplicaId, Span};
/// let span = Span { replica: ReplicaId::from_u128(1), after: 2, to: 5 };
/// assert_eq!(span.len(), 3);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// Who wrote the events.
    pub replica: ReplicaId,
    /// The last event before the span; 0 when the span starts at the replica's first event.
    pub after: u64,
    /// The last event in the span.
    pub to: u64,
}

/// The run of one event.
impl From<Dot> for Span {
    fn from(dot: Dot) -> Self {
        Span { replica: dot.replica, after: dot.seq.saturating_sub(1), to: dot.seq }
    }
}

impl Span {
    /// How many events the span holds.
    #[allow(clippy::len_without_is_empty)] // a span is never empty
    pub const fn len(&self) -> u64 {
        self.to.saturating_sub(self.after)
    }

    /// Whether all events of another span are in this one.
    #[cfg(feature = "std")]
    pub(crate) fn includes(&self, other: &Span) -> bool {
        self.replica == other.replica && self.after <= other.after && other.to <= self.to
    }
}
