//! [`MatrixClock`]: what each replica is known to have seen, and so what all have.

use alloc::collections::BTreeMap;
use core::cmp::Ordering;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::ReplicaId;
use crate::version::{VersionVector, causal_order};

/// For each member what it is known to have seen.
///
/// Two questions follow, and mixing them up loses data: what have [all seen](Self::seen_by_all), so that nobody
/// need be told again? And what is [*causally stable*](Self::stable): nothing that arrives from now on can be
/// concurrent with it? For the second one must also have received what each member wrote before it reported.
///
/// Besides:
/// - *What a member said it saw is what counts*, not what was sent to it: the message may be lost.
/// - *A report must be of what is safe there.* Who reports what its disk then loses asks for what all others dropped.
/// - *Stability moves at the pace of the slowest.* Who is away for good has to be taken out by somebody's decision.
/// - *Of two clocks neither need be the newer.* Each may know more of one member: `!(a <= b)` is not `a > b`. Match on `partial_cmp`,
///   or ask whether one [covers](Self::covers) the other; merged, they know what either did.
/// - *A clock that knows less is no lie*, only late. What it calls stable stays so; so [`merge`](Self::merge) in any order.
/// - *Clocks of different members do not compare.* Without a member one waits for less, and calls more stable, but knows nothing of
///   that member: neither covers the other in what follows, and neither is wrong.
///
/// Ordered by what it knows: `a < b` when `b` has the same members and of each knows at least as much, of one more.
///
/// Only members count: one that is not named here is not waited for, and one that never reports holds
/// everything back until it is [removed](Self::remove); [`Leases`](crate::lease::Leases) say when that is
/// sound. Source: Wuu, Bernstein, "Efficient solutions to the replicated log and dictionary problems", 1984.
///
/// ```
/// use crdt::matrix::MatrixClock;
/// use crdt::{ReplicaId, VersionVector};
/// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
/// let mut clock = MatrixClock::new([a, b]);
/// clock.saw(a, &[(a, 5), (b, 2)].into_iter().collect());
/// assert!(clock.seen_by_all().is_empty()); // nothing is known of b
/// clock.saw(b, &[(a, 3), (b, 4)].into_iter().collect());
/// assert_eq!(clock.seen_by_all(), [(a, 3), (b, 2)].into_iter().collect::<VersionVector>());
/// // One who has only three of b's four events may yet receive one that is concurrent with all of a's.
/// assert!(clock.stable(&[(a, 5), (b, 3)].into_iter().collect()).is_empty());
/// assert_eq!(clock.stable(&[(a, 5), (b, 4)].into_iter().collect()).get(a), 3);
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
    ///
    /// ```
    /// # use crdt::{ReplicaId, matrix::MatrixClock};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut clock = MatrixClock::new([a]);
    /// clock.saw(a, &[(a, 5)].into_iter().collect());
    /// clock.add(b);
    /// assert!(clock.seen_by_all().is_empty());
    /// ```
    pub fn add(&mut self, member: ReplicaId) {
        self.rows.entry(member).or_default();
    }

    /// Takes a member out: it is no longer waited for. If it returns it may have missed what was dropped.
    ///
    /// ```
    /// use crdt::matrix::MatrixClock;
    /// use crdt::ReplicaId;
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut clock = MatrixClock::new([a, b]);
    /// clock.saw(a, &[(a, 5)].into_iter().collect());
    /// assert!(clock.seen_by_all().is_empty()); // waiting for b
    /// clock.remove(b);
    /// assert_eq!(clock.seen_by_all().get(a), 5);
    /// ```
    pub fn remove(&mut self, member: ReplicaId) -> bool {
        self.rows.remove(&member).is_some()
    }

    /// Notes that a member has seen at least `version`; whether it is a member.
    ///
    /// ```
    /// use crdt::matrix::MatrixClock;
    /// use crdt::ReplicaId;
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut clock = MatrixClock::new([a, b]);
    /// clock.saw(a, &[(a, 5)].into_iter().collect());
    /// assert!(!clock.saw(ReplicaId::from_u128(9), &Default::default())); // no member
    /// assert_eq!(clock.row(a).unwrap().get(a), 5);
    /// ```
    pub fn saw(&mut self, member: ReplicaId, version: &VersionVector) -> bool {
        let row = self.rows.get_mut(&member);
        row.map(|row| row.merge(version)).is_some()
    }

    /// What a member is known to have seen; `None` when it is none.
    pub fn row(&self, member: ReplicaId) -> Option<&VersionVector> {
        self.rows.get(&member)
    }

    /// The members.
    ///
    /// ```
    /// # use crdt::{ReplicaId, matrix::MatrixClock};
    /// let a = ReplicaId::from_u128(1);
    /// assert_eq!(MatrixClock::new([a]).members().collect::<Vec<_>>(), [a]);
    /// ```
    pub fn members(&self) -> impl ExactSizeIterator<Item = ReplicaId> + '_ {
        self.rows.keys().copied()
    }

    /// What all members have seen: the meet of the rows. `O(members · replicas)`.
    pub fn seen_by_all(&self) -> VersionVector {
        meet(self.rows.values())
    }

    /// What is causally stable for one that has received `delivered`: every member has seen it, and all that
    /// they wrote before they had is here. `O(members · replicas)`.
    pub fn stable(&self, delivered: &VersionVector) -> VersionVector {
        let all_here =
            |(member, row): (&ReplicaId, &VersionVector)| delivered.get(*member) >= row.get(*member);
        if self.rows.iter().all(all_here) { self.seen_by_all() } else { VersionVector::new() }
    }

    /// Whether it knows all that another does: it has the same members, and of each knows at least as much. Then merging the other
    /// changes nothing. `O(members · replicas)`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, matrix::MatrixClock};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let [mut one, mut two] = [(); 2].map(|()| MatrixClock::new([a, b]));
    /// one.saw(a, &[(a, 5)].into_iter().collect());
    /// assert!(one.covers(&two) && one > two);
    /// two.saw(b, &[(a, 3)].into_iter().collect());
    /// assert_eq!(one.partial_cmp(&two), None); // each knows of one member what the other does not
    /// assert!(!one.covers(&two) && !two.covers(&one));
    /// one.merge(&two);
    /// assert!(one > two);
    /// two.remove(a);
    /// assert_eq!(one.partial_cmp(&two), None); // they do not wait for the same members
    /// ```
    pub fn covers(&self, other: &MatrixClock) -> bool {
        let mut rows = self.rows.iter().zip(&other.rows);
        self.rows.len() == other.rows.len()
            && rows.all(|((member, row), (other, theirs))| member == other && row.covers(theirs))
    }

    /// Takes in what another knows of the members that both have.
    ///
    /// ```
    /// use crdt::matrix::MatrixClock;
    /// use crdt::ReplicaId;
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut clock = MatrixClock::new([a, b]);
    /// clock.saw(a, &[(a, 5)].into_iter().collect());
    /// let mut other = MatrixClock::new([a, b]);
    /// other.saw(b, &[(a, 4)].into_iter().collect());
    /// clock.merge(&other);
    /// assert_eq!(clock.seen_by_all().get(a), 4);
    /// ```
    pub fn merge(&mut self, other: &MatrixClock) {
        for (member, version) in &other.rows {
            self.saw(*member, version);
        }
    }
}

fn meet<'a>(mut rows: impl Iterator<Item = &'a VersionVector>) -> VersionVector {
    let Some(first) = rows.next() else { return VersionVector::new() };
    rows.fold(first.clone(), |stable, row| stable.meet(row))
}

impl PartialOrd for MatrixClock {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        causal_order(self.covers(other), other.covers(self))
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
