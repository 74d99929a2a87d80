//! The theory: what makes a type converge, in three forms that are one.
//!
//! Shapiro and others, "Conflict-free replicated data types", 2011; Almeida, Shoker, Baquero, "Delta state
//! replicated data types", 2018; Baquero, Almeida, Shoker, "Pure operation-based replicated data types", 2017.
//!
//! There are two families. In the dot stores every event carries its dot and a small state. An operation is
//! one such; a delta is the join of several; a state is the join of all. So
//! [`Replica`](crate::replica::Replica) gives all three forms of any [`DotStore`](crate::dots::DotStore) from
//! one join. In the pure op-based types of [`oplog`](crate::oplog) an operation is what the user did, delivered
//! once and in causal order.
//!
//! ```
//! use crdt::replica::Replica;
//! use crdt::set::AwSet;
//! use crdt::traits::{DeltaCrdt, OpCrdt, StateCrdt};
//! use crdt::ReplicaId;
//!
//! let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
//! let op = a.edit(1_000, |set, cx| set.insert("tea", cx)); // the edit is its operation
//!
//! let [mut by_op, mut by_delta, mut by_state] = [2, 3, 4].map(|n| Replica::new(ReplicaId::from_u128(n)));
//! by_op.effect(&op).unwrap(); // never an error: operations of dot stores may come in any order
//! by_delta.apply_delta(&a.delta_since(by_delta.seen().version()));
//! by_state.merge(&a);
//! assert!(by_op.value() == a.value() && by_delta.value() == a.value() && by_state.value() == a.value());
//! ```

use crate::version::VersionVector;

/// A state-based CRDT: a join-semilattice.
///
/// Laws, for all states of one document: `merge` is commutative, associative and idempotent, and never
/// takes back what was seen.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::AwSet;
/// use crdt::ReplicaId;
/// use crdt::traits::StateCrdt;
/// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(2));
/// a.edit(0, |set, cx| set.insert("tea", cx));
/// b.edit(0, |set, cx| set.insert("milk", cx));
/// let (mut ab, mut ba) = (a.clone(), b.clone());
/// ab.merge(&b);
/// ba.merge(&a);
/// ba.merge(&a); // twice is once
/// assert_eq!(ab.value(), ba.value());
/// ```
pub trait StateCrdt {
    /// The least state that includes both.
    fn merge(&mut self, other: &Self);
}

/// A delta-state CRDT.
///
/// Law: `x.apply_delta(&y.delta_since(&x's version))` does what `x.merge(&y)` does. Deltas may be lost, come
/// twice, or in any order.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::AwSet;
/// use crdt::ReplicaId;
/// use crdt::traits::DeltaCrdt;
/// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(2));
/// a.edit(0, |set, cx| set.insert("tea", cx));
/// let delta = DeltaCrdt::delta_since(&a, b.seen().version());
/// b.apply_delta(&delta);
/// assert_eq!(a.value(), b.value());
/// ```
pub trait DeltaCrdt: StateCrdt {
    /// A small state.
    type Delta;

    /// What one that has seen `since` lacks.
    fn delta_since(&self, since: &VersionVector) -> Self::Delta;

    /// Joins a delta.
    fn apply_delta(&mut self, delta: &Self::Delta);
}

/// An operation-based CRDT.
///
/// Law: replicas that have taken the same operations are equal. Operations may come twice.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::AwSet;
/// use crdt::ReplicaId;
/// use crdt::traits::OpCrdt;
/// let mut a: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<AwSet<&str>> = Replica::new(ReplicaId::from_u128(2));
/// let op = a.prepare(0, Box::new(|set, cx| set.insert("tea", cx)));
/// assert!(a.value().is_empty()); // nothing has happened yet
/// a.effect(&op).unwrap();
/// b.effect(&op).unwrap();
/// assert!(a.value().contains(&"tea") && a.value() == b.value());
/// ```
pub trait OpCrdt {
    /// What a user wants done.
    type Command;
    /// An operation, as it travels.
    type Op;
    /// Why an operation was not taken; the replica is as it was.
    type Error;

    /// Makes the operation for a command, from the state here; changes nothing.
    fn prepare(&self, now_ms: u64, command: Self::Command) -> Self::Op;

    /// Takes an operation, one's own or another's.
    ///
    /// # Errors
    /// When the operation cannot be taken now, or ever.
    fn effect(&mut self, op: &Self::Op) -> Result<(), Self::Error>;
}
