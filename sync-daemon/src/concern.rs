//! How safe an edit is to be, how safe it is, and a token that a later read can ask for.

use std::fmt;
use std::str::FromStr;

use crdt::{ReplicaId, VersionVector};
use thiserror::Error;

/// Where an edit must be before it counts as written. Asynchronous, semi-synchronous and synchronous
/// replication are this parameter of a write, not a mode of the system.
///
/// Only disks count, and only what they said after their fsync: this peer's own, if it has a store, and those of daemons.
/// [`N`](Self::N) counts daemons wherever they are; the others count those that this peer is linked to, as
/// nobody knows how many there are in the whole network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WriteConcern {
    /// In this peer's memory.
    Memory,
    /// On one disk: this peer's own, or for a peer without a store that of a daemon it is linked to.
    #[default]
    Local,
    /// On this many disks, of daemons that are up to so many links away.
    N(usize),
    /// On more than half of the disks that this peer is linked to and its own.
    Majority,
    /// On all disks that this peer is linked to and its own.
    All,
}

/// What came of waiting for a [`WriteConcern`].
///
/// An edit is never "failed": it is here, and goes on to whoever lacks it, also after the wait is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is as safe as was asked.
    Acked {
        /// The peers that have it on disk.
        by: Vec<ReplicaId>,
    },
    /// Not in this time; it goes on to replicate.
    Pending {
        /// The peers that have it on disk so far.
        by: Vec<ReplicaId>,
    },
}

impl Outcome {
    /// Whether it is as safe as was asked.
    ///
    /// ```
    /// use sync_daemon::Outcome;
    /// assert!(!Outcome::Pending { by: vec![] }.is_acked());
    /// ```
    pub fn is_acked(&self) -> bool {
        matches!(self, Outcome::Acked { .. })
    }
}

/// The disks on which events could be, and on which they are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Safety {
    /// Whether the events are in memory.
    pub(crate) here: bool,
    /// Of this peer and those that it is linked to, who has them on disk.
    pub(crate) by: Vec<ReplicaId>,
    /// How many disks these have.
    pub(crate) disks: usize,
    /// Who else has them on disk.
    pub(crate) beyond: Vec<ReplicaId>,
}

impl WriteConcern {
    pub(crate) fn is_met(self, safety: &Safety) -> bool {
        let safe = safety.by.len();
        safety.here
            && match self {
                WriteConcern::Memory => true,
                WriteConcern::Local => safe >= 1,
                WriteConcern::N(n) => safe + safety.beyond.len() >= n,
                WriteConcern::Majority => safe > safety.disks / 2,
                WriteConcern::All => safe >= safety.disks.max(1),
            }
    }
}

impl Safety {
    /// All who have them on disk, in order.
    pub(crate) fn everybody(self) -> Vec<ReplicaId> {
        let mut by = [self.by, self.beyond].concat();
        by.sort_unstable();
        by
    }
}

/// What a read must cover to see an edit: carry it from the peer that wrote to the peer that reads.
///
/// ```
/// use crdt::{ReplicaId, VersionVector};
/// use sync_daemon::Token;
/// let version: VersionVector = [(ReplicaId::from_u128(7), 3)].into_iter().collect();
/// let token = Token::from(version);
/// assert_eq!(token.to_string(), "00000000-0000-0000-0000-000000000007:3");
/// assert_eq!(token.to_string().parse(), Ok(token));
/// assert!("7:3".parse::<Token>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Token(VersionVector);

/// Text that is not a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a token: it has the form replica:events,replica:events; nothing was read")]
#[non_exhaustive]
pub struct BadToken;

impl Token {
    /// The version that it stands for.
    pub fn version(&self) -> &VersionVector {
        &self.0
    }
}

impl From<VersionVector> for Token {
    fn from(version: VersionVector) -> Self {
        Token(version)
    }
}

impl From<&VersionVector> for Token {
    fn from(version: &VersionVector) -> Self {
        Token(version.clone())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (replica, seq)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{replica}:{seq}")?;
        }
        Ok(())
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(s: &str) -> Result<Self, BadToken> {
        let entry = |part: &str| {
            let (replica, seq) = part.split_once(':')?;
            let seq: u64 = seq.parse().ok().filter(|seq| (1..=crdt::Dot::MAX_SEQ).contains(seq))?;
            Some((replica.parse::<ReplicaId>().ok()?, seq))
        };
        let parts = s.split(',').filter(|_| !s.is_empty());
        let entries = parts.map(entry).collect::<Option<Vec<_>>>().ok_or(BadToken)?;
        Ok(Token(entries.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safety(disks: usize, safe: u128) -> Safety {
        let by = (0..safe).map(ReplicaId::from_u128).collect();
        Safety { here: true, by, disks, beyond: vec![] }
    }

    #[test]
    fn what_lies_beyond_counts_only_where_a_number_was_asked() {
        let safety = Safety { beyond: vec![ReplicaId::from_u128(9)], ..safety(3, 1) };
        let met = [WriteConcern::N(2), WriteConcern::Majority, WriteConcern::All].map(|c| c.is_met(&safety));
        assert_eq!(met, [true, false, false]);
        assert_eq!(safety.everybody(), [0, 9].map(ReplicaId::from_u128));
    }

    #[test]
    fn each_concern_asks_for_so_many_disks() {
        use WriteConcern::{All, Local, Majority, Memory, N};
        for (concern, disks, enough) in [
            (Memory, 3, 0),
            (Local, 3, 1),
            (N(2), 3, 2),
            (Majority, 3, 2),
            (Majority, 4, 3),
            (Majority, 1, 1),
            (All, 3, 3),
            (All, 0, 1),
        ] {
            for safe in 0..=4 {
                let met = concern.is_met(&safety(disks, safe));
                assert_eq!(met, safe >= enough, "{concern:?} of {disks}, on {safe}");
            }
            assert!(!concern.is_met(&Safety { here: false, ..safety(disks, 4) }));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let id = ReplicaId::from_u128(7);
        assert_eq!("".parse(), Ok(Token::default()));
        for text in ["x", ",", &format!("{id}"), &format!("{id}:0"), &format!("{id}:-1"), &format!("{id}:1,")]
        {
            assert_eq!(text.parse::<Token>(), Err(BadToken), "{text}");
        }
        assert_eq!(format!("{id}:{}", u64::MAX).parse::<Token>(), Err(BadToken));
    }
}
