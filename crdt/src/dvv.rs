//! [`DottedVersionVector`]: one value with its concurrent siblings, for stores whose clients come and go.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::Debug;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::{Dot, ReplicaId};
use crate::version::{VersionVector, causal_order};

/// One value of a key-value store: its siblings, each with its dot, and what the store has seen of it.
///
/// A client reads the values and the context, and writes with that context: the write replaces exactly what
/// the client had read. The server that takes the write names it, so clients need no ids and vectors grow
/// with servers only. A plain version vector per value cannot tell two writes apart that came through one
/// server with the same context (*sibling explosion*, or loss); the dot can.
///
/// | write | written concurrently | the value |
/// |---|---|---|
/// | `x`, having read nothing | `y`, having read nothing | siblings `x` and `y` |
/// | `z`, having read `x` and `y` | – | `z` |
/// | `z`, having read `x` | `y` | siblings `y` and `z` |
///
/// What people get wrong:
/// - *The context is that of the read.* A client that writes with the server's newest context, not with what it had
///   read, silently replaces what it never saw; one that writes with none makes a sibling of each of its own writes.
/// - *The server names the write, not the client.* With an id for each client vectors grow for ever.
/// - *Merging siblings is the app's*: two carts are joined, two prices are not. Until someone writes, all are kept.
/// - *A removal is a write that has a context, too*: [`discard`](Self::discard) leaves what came meanwhile.
/// - *Neither values nor contexts say which is newer*: `x` written twice is two events, and a removal is none, so that one who removed
///   has the context of one who did not. Ask [`causal_cmp`](Self::causal_cmp). More siblings are not newer: a write replaces many.
/// - *Two servers' values may be concurrent though neither has siblings*: of `x` here and `y` there, written apart, `causal_cmp` is
///   `None`; only [`merge`](Self::merge) shows that they are siblings.
///
/// `O(siblings + servers)`. Source: Preguiça and others, "Dotted version vectors", 2010; Almeida and others,
/// "Scalable and accurate causality tracking for eventually consistent stores", 2014.
///
/// ```
/// use crdt::dvv::DottedVersionVector;
/// use crdt::{ReplicaId, VersionVector};
/// let server = ReplicaId::from_u128(1);
/// let mut cart = DottedVersionVector::new();
/// let nothing = VersionVector::new();
/// cart.write(server, &nothing, "milk"); // two clients that have read nothing
/// cart.write(server, &nothing, "bread");
/// assert_eq!(cart.values().count(), 2);
/// let read = cart.context().clone();
/// cart.write(server, &read, "milk and bread");
/// assert_eq!(cart.values().collect::<Vec<_>>(), [&"milk and bread"]);
/// ```
#[doc(alias = "DVV")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DottedVersionVector<T> {
    seen: VersionVector,
    /// Sorted by dot.
    siblings: Vec<(Dot, T)>,
}

impl<T> Default for DottedVersionVector<T> {
    fn default() -> Self {
        DottedVersionVector { seen: VersionVector::new(), siblings: Vec::new() }
    }
}

impl<T: Clone> DottedVersionVector<T> {
    /// No value.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values: none, one, or all that are concurrent.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.siblings.iter().map(|(_, value)| value)
    }

    /// What a client that reads now has seen; it gives this back with its write.
    pub fn context(&self) -> &VersionVector {
        &self.seen
    }

    /// Takes a client's write, at `server`: it replaces what `context` has seen.
    ///
    /// ```
    /// use crdt::dvv::DottedVersionVector;
    /// use crdt::{ReplicaId, VersionVector};
    /// let [s, t] = [1, 2].map(ReplicaId::from_u128);
    /// let mut value = DottedVersionVector::new();
    /// value.write(s, &VersionVector::new(), "x");
    /// let read = value.context().clone();
    /// value.write(s, &VersionVector::new(), "y"); // by one who had read nothing
    /// value.write(s, &read, "z"); // by one who had read x
    /// assert_eq!(value.values().collect::<Vec<_>>(), [&"y", &"z"]);
    /// ```
    pub fn write(&mut self, server: ReplicaId, context: &VersionVector, value: T) {
        self.discard(context);
        let dot = Dot::new(server, self.seen.get(server) + 1);
        self.seen.advance(server, dot.seq);
        self.siblings.push((dot, value));
        self.siblings.sort_unstable_by_key(|(dot, _)| *dot);
    }

    /// Takes a client's removal: what `context` has seen goes.
    ///
    /// ```
    /// use crdt::dvv::DottedVersionVector;
    /// use crdt::{ReplicaId, VersionVector};
    /// let [s, t] = [1, 2].map(ReplicaId::from_u128);
    /// let mut value = DottedVersionVector::new();
    /// value.write(s, &VersionVector::new(), "x");
    /// let read = value.context().clone();
    /// value.write(t, &read, "y");
    /// value.discard(&read); // of what is here, "y" was not read
    /// assert_eq!(value.values().collect::<Vec<_>>(), [&"y"]);
    /// ```
    pub fn discard(&mut self, context: &VersionVector) {
        self.siblings.retain(|(dot, _)| !context.contains(*dot));
        // A context may come from another server: what it has seen has been written.
        self.seen.merge(context);
    }

    /// How this stands to what another server has of the same value: `Less` when the other knows all that is known here and more,
    /// `None` when each knows something the other does not. `O(siblings + servers)`.
    ///
    /// ```
    /// use core::cmp::Ordering;
    /// use crdt::dvv::DottedVersionVector;
    /// use crdt::{ReplicaId, VersionVector};
    /// let [s, t] = [1, 2].map(ReplicaId::from_u128);
    /// let mut here = DottedVersionVector::new();
    /// here.write(s, &VersionVector::new(), "x");
    /// let mut there = here.clone();
    /// assert_eq!(here.causal_cmp(&there), Some(Ordering::Equal));
    /// there.write(t, &there.context().clone(), "x"); // the same again, and yet later
    /// assert_eq!(here.causal_cmp(&there), Some(Ordering::Less));
    /// here.write(s, &here.context().clone(), "z");
    /// assert_eq!(here.causal_cmp(&there), None); // one value each, and they are siblings
    /// ```
    pub fn causal_cmp(&self, other: &Self) -> Option<Ordering> {
        causal_order(self.covers(other), other.covers(self))
    }

    /// Whether all that another server knows of the value is known here, removals too, so that merging it changes nothing.
    ///
    /// ```
    /// use crdt::dvv::DottedVersionVector;
    /// use crdt::{ReplicaId, VersionVector};
    /// let s = ReplicaId::from_u128(1);
    /// let mut here = DottedVersionVector::new();
    /// here.write(s, &VersionVector::new(), "x");
    /// let mut there = here.clone();
    /// there.discard(&here.context().clone());
    /// assert_eq!(here.context(), there.context()); // a removal is no event
    /// assert!(there.covers(&here) && !here.covers(&there));
    /// ```
    pub fn covers(&self, other: &Self) -> bool {
        let has = |dot: Dot| other.siblings.binary_search_by_key(&dot, |s| s.0).is_ok();
        self.seen.covers(&other.seen)
            && self.siblings.iter().all(|(dot, _)| has(*dot) || !other.seen.contains(*dot))
    }

    /// Takes in what another server has: siblings that both have, and those that one has not seen.
    ///
    /// ```
    /// use crdt::dvv::DottedVersionVector;
    /// use crdt::{ReplicaId, VersionVector};
    /// let [s, t] = [1, 2].map(ReplicaId::from_u128);
    /// let (mut here, mut there) = (DottedVersionVector::new(), DottedVersionVector::new());
    /// here.write(s, &VersionVector::new(), "x");
    /// there.merge(&here);
    /// there.write(t, &here.context().clone(), "y"); // replaces x
    /// here.write(s, &VersionVector::new(), "z"); // meanwhile
    /// here.merge(&there);
    /// assert_eq!(here.values().collect::<Vec<_>>(), [&"z", &"y"]);
    /// ```
    pub fn merge(&mut self, other: &Self) {
        let has = |siblings: &[(Dot, T)], dot: Dot| siblings.binary_search_by_key(&dot, |s| s.0).is_ok();
        self.siblings.retain(|(dot, _)| has(&other.siblings, *dot) || !other.seen.contains(*dot));
        let new = other.siblings.iter().filter(|(dot, _)| !self.seen.contains(*dot)).cloned();
        self.siblings.extend(new.collect::<Vec<_>>());
        self.siblings.sort_unstable_by_key(|(dot, _)| *dot);
        self.seen.merge(&other.seen);
    }
}

impl<T: Encode> Encode for DottedVersionVector<T> {
    fn encode(&self, w: &mut Writer) {
        self.seen.encode(w);
        w.u64(self.siblings.len() as u64);
        for (dot, value) in &self.siblings {
            w.dot(*dot);
            value.encode(w);
        }
    }
}

impl<T: Decode> Decode for DottedVersionVector<T> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let seen = VersionVector::decode(r)?;
        let n = r.count(2)?;
        let mut siblings: Vec<(Dot, T)> = Vec::with_capacity(n.min(16));
        for _ in 0..n {
            let dot = r.dot()?;
            if !seen.contains(dot) || siblings.last().is_some_and(|last| last.0 >= dot) {
                return Err(r.invalid("siblings must be sorted, and seen"));
            }
            siblings.push((dot, T::decode(r)?));
        }
        Ok(DottedVersionVector { seen, siblings })
    }
}
