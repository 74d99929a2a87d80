//! [`MatrixClock`]: what each replica is known to have seen, and so what all have.

use std::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::ReplicaId;
use crate::version::VersionVector;

/// For each member what it is known to have seen. What all have seen is *causally stable*: nothing that
/// arrives from now on is concurrent with it, so what was kept for that can go.
///
/// Only members count: one that is not named here is not waited for, and one that never reports holds
/// everything back until it is [removed](Self::remove). Source: Wuu, Bernstein, "Efficient solutions to the
/// replicated log and dictionary problems", 1984.
///
/// ```
/// use crdt::matrix::MatrixClock;
/// use crdt::{ReplicaId, VersionVector};
/// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
/// let mut clock = MatrixClock::new([a, b]);
/// clock.saw(a, &[(a, 5), (b, 2)].into_iter().collect());
/// assert!(clock.stable().is_empty()); // nothing is known of b
/// clock.saw(b, &[(a, 3), (b, 4)].into_iter().collect());
/// assert_eq!(clock.stable(), [(a, 3), (b, 2)].into_iter().collect::<VersionVector>());
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct MatrixClock {
    rows: BTreeMap<ReplicaId, VersionVector>,
}

impl MatrixClock {
    /// A clock of these members, none of which is known to have seen anything.
    pub fn new(members: impl IntoIterator<Item = ReplicaId>) -> Self {
        MatrixClock { rows: members.into_iter().map(|member| (member, VersionVector::new())).collect() }
    }

    /// Adds a member; nothing more becomes stable until it has reported.
    pub fn add(&mut self, member: ReplicaId) {
        self.rows.entry(member).or_default();
    }

    /// Takes a member out: it is no longer waited for. If it returns it may have missed what was dropped.
    pub fn remove(&mut self, member: ReplicaId) -> bool {
        self.rows.remove(&member).is_some()
    }

    /// Notes that a member has seen at least `version`; whether it is a member.
    pub fn saw(&mut self, member: ReplicaId, version: &VersionVector) -> bool {
        let row = self.rows.get_mut(&member);
        row.map(|row| row.merge(version)).is_some()
    }

    /// What a member is known to have seen; `None` when it is none.
    pub fn row(&self, member: ReplicaId) -> Option<&VersionVector> {
        self.rows.get(&member)
    }

    /// The members.
    pub fn members(&self) -> impl ExactSizeIterator<Item = ReplicaId> + '_ {
        self.rows.keys().copied()
    }

    /// What all members have seen: the meet of the rows. `O(members · replicas)`.
    pub fn stable(&self) -> VersionVector {
        let mut rows = self.rows.values();
        let Some(first) = rows.next() else { return VersionVector::new() };
        rows.fold(first.clone(), |stable, row| stable.meet(row))
    }

    /// Takes in what another knows of the members that both have.
    pub fn merge(&mut self, other: &MatrixClock) {
        for (member, version) in &other.rows {
            self.saw(*member, version);
        }
    }
}

impl Encode for MatrixClock {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.rows.len() as u64);
        for (member, version) in &self.rows {
            w.replica(*member);
            version.encode(w);
        }
    }
}

impl Decode for MatrixClock {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut clock = MatrixClock::default();
        for _ in 0..r.count(2)? {
            let member = r.replica()?;
            if clock.rows.last_key_value().is_some_and(|(last, _)| *last >= member) {
                return Err(r.invalid("members must be sorted"));
            }
            clock.rows.insert(member, VersionVector::decode(r)?);
        }
        Ok(clock)
    }
}
