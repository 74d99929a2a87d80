//! Causal delivery: [`CausalBuffer`] hands operations on in an order in which each comes after all that its
//! author had seen, and each once.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::hlc::Hlc;
use crate::id::{Dot, Span};
use crate::version::VersionVector;

/// An operation with its event, what its author had seen before it, and when it was made: what *tagged causal
/// broadcast* carries.
///
/// ```
/// use crdt::oplog::{Add, PoLog};
/// use crdt::{Dot, ReplicaId};
/// let a = ReplicaId::from_u128(1);
/// let mut n = PoLog::new(a, 10);
/// n.apply(0, Add(1));
/// let second = n.apply(0, Add(2));
/// assert_eq!((second.dot, second.past.get(a)), (Dot::new(a, 2), 1));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tagged<O> {
    /// The event.
    pub dot: Dot,
    /// What the author had seen; of the author itself exactly the events before this one.
    pub past: VersionVector,
    /// When it was made, by the author's clock.
    pub stamp: Hlc,
    /// What was done.
    pub op: O,
}

/// Why an operation was not taken. The buffer is as it was.
///
/// ```
/// use crdt::causal::{CausalBuffer, ReceiveError, Tagged};
/// use crdt::{Dot, Hlc, ReplicaId};
/// let a = ReplicaId::from_u128(1);
/// let op = |seq| Tagged { dot: Dot::new(a, seq), past: [(a, seq - 1)].into_iter().collect(), stamp: Hlc::ZERO, op: () };
/// let mut buffer = CausalBuffer::new(1);
/// assert!(buffer.receive(op(3))?.is_empty()); // waits for the first and the second
/// assert_eq!(buffer.receive(op(4)), Err(ReceiveError::Full(1)));
/// # Ok::<(), ReceiveError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Too many operations wait already for others that have not come: ask for what is
    /// [missing](CausalBuffer::missing), then send this again.
    Full(usize),
    /// The past of the operation does not end with the event before it: its author broke the protocol.
    Invalid,
}

messages! { ReceiveError {
    Self::Full(waiting) => "{waiting} operations wait already for others that have not come; this one was not taken",
    Self::Invalid => "an operation whose past is not its author's; it was not taken",
} }

/// Operations that came early, in bounded space.
///
/// `O(log n)` for each operation and for each time that it waits, plus the replicas in its past. Source: Birman,
/// Schiper, Stephenson, "Lightweight causal and atomic group multicast", 1991.
///
/// ```
/// use crdt::causal::{CausalBuffer, Tagged};
/// use crdt::{Dot, Hlc, ReplicaId, VersionVector};
/// let a = ReplicaId::from_u128(1);
/// let op = |seq| Tagged {
///     dot: Dot::new(a, seq),
///     past: [(a, seq - 1)].into_iter().filter(|past| past.1 > 0).collect(),
///     stamp: Hlc::ZERO,
///     op: seq,
/// };
/// let mut buffer = CausalBuffer::new(100);
/// assert!(buffer.receive(op(2))?.is_empty()); // early: it waits
/// assert_eq!(buffer.missing()[0].to, 1); // what to ask for
/// let delivered: Vec<u64> = buffer.receive(op(1))?.into_iter().map(|tagged| tagged.op).collect();
/// assert_eq!(delivered, [1, 2]);
/// assert!(buffer.receive(op(1))?.is_empty()); // twice is once
/// # Ok::<(), crdt::causal::ReceiveError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct CausalBuffer<O> {
    seen: VersionVector,
    waiting: BTreeMap<Dot, Tagged<O>>,
    /// Which operations wait for an event.
    blocked: BTreeMap<Dot, Vec<Dot>>,
    limit: usize,
}

impl<O> CausalBuffer<O> {
    /// A buffer in which at most `limit` operations wait.
    pub fn new(limit: usize) -> Self {
        CausalBuffer { seen: VersionVector::new(), waiting: BTreeMap::new(), blocked: BTreeMap::new(), limit }
    }

    /// Which operations have been delivered.
    ///
    /// ```
    /// # use crdt::causal::{CausalBuffer, Tagged};
    /// # use crdt::{Dot, Hlc, ReplicaId};
    /// # let a = ReplicaId::from_u128(1);
    /// # let op = |seq| Tagged { dot: Dot::new(a, seq), past: [(a, seq - 1)].into_iter().filter(|p| p.1 > 0).collect(), stamp: Hlc::ZERO, op: seq };
    /// let mut buffer = CausalBuffer::new(10);
    /// buffer.receive(op(1))?;
    /// buffer.receive(op(3))?; // waits
    /// assert_eq!(buffer.seen().get(a), 1);
    /// # Ok::<(), crdt::causal::ReceiveError>(())
    /// ```
    pub fn seen(&self) -> &VersionVector {
        &self.seen
    }

    /// How many operations wait.
    ///
    /// ```
    /// # use crdt::causal::{CausalBuffer, Tagged};
    /// # use crdt::{Dot, Hlc, ReplicaId};
    /// # let a = ReplicaId::from_u128(1);
    /// # let op = |seq| Tagged { dot: Dot::new(a, seq), past: [(a, seq - 1)].into_iter().filter(|p| p.1 > 0).collect(), stamp: Hlc::ZERO, op: seq };
    /// let mut buffer = CausalBuffer::new(10);
    /// buffer.receive(op(3))?;
    /// assert_eq!(buffer.waiting(), 1);
    /// # Ok::<(), crdt::causal::ReceiveError>(())
    /// ```
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes an operation, in whatever order; returns those that can be delivered now, in causal order.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    ///
    /// ```
    /// # use crdt::causal::{CausalBuffer, Tagged};
    /// # use crdt::{Dot, Hlc, ReplicaId};
    /// # let a = ReplicaId::from_u128(1);
    /// # let op = |seq| Tagged { dot: Dot::new(a, seq), past: [(a, seq - 1)].into_iter().filter(|p| p.1 > 0).collect(), stamp: Hlc::ZERO, op: seq };
    /// let mut buffer = CausalBuffer::new(10);
    /// assert_eq!(buffer.receive(op(2))?.len(), 0); // its cause has not come
    /// assert_eq!(buffer.receive(op(1))?.len(), 2); // now both can be delivered
    /// # Ok::<(), crdt::causal::ReceiveError>(())
    /// ```
    pub fn receive(&mut self, op: Tagged<O>) -> Result<Vec<Tagged<O>>, ReceiveError> {
        if op.dot.seq == 0 || op.past.get(op.dot.replica) != op.dot.seq - 1 {
            return Err(ReceiveError::Invalid);
        }
        if self.seen.contains(op.dot) || self.waiting.contains_key(&op.dot) {
            return Ok(Vec::new());
        }
        if self.blocker(&op).is_some() && self.waiting.len() >= self.limit {
            return Err(ReceiveError::Full(self.waiting.len()));
        }
        let (mut ready, mut delivered) = (vec![op], Vec::new());
        while let Some(op) = ready.pop() {
            if let Some(blocker) = self.blocker(&op) {
                self.blocked.entry(blocker).or_default().push(op.dot);
                self.waiting.insert(op.dot, op);
                continue;
            }
            self.seen.advance(op.dot.replica, op.dot.seq);
            let woken = self.blocked.remove(&op.dot).unwrap_or_default();
            ready.extend(woken.iter().filter_map(|dot| self.waiting.remove(dot)));
            delivered.push(op);
        }
        Ok(delivered)
    }

    /// The events that operations wait for and that have not come, as runs.
    pub fn missing(&self) -> Vec<Span> {
        let mut wanted = VersionVector::new();
        self.waiting.values().for_each(|op| wanted.merge(&op.past));
        let here = |replica| self.waiting.keys().filter(move |dot| dot.replica == replica).map(|dot| dot.seq);
        let mut missing = Vec::new();
        for mut span in wanted.since(&self.seen) {
            for seq in here(span.replica).filter(|seq| *seq <= span.to).collect::<Vec<_>>() {
                if span.after + 1 < seq {
                    missing.push(Span { to: seq - 1, ..span });
                }
                span.after = seq;
            }
            if span.after < span.to {
                missing.push(span);
            }
        }
        missing
    }

    /// An event that must be delivered before this operation.
    fn blocker(&self, op: &Tagged<O>) -> Option<Dot> {
        op.past.since(&self.seen).next().map(|span| Dot::new(span.replica, span.to))
    }
}

impl<O: Encode> Encode for Tagged<O> {
    fn encode(&self, w: &mut Writer) {
        w.dot(self.dot);
        self.past.encode(w);
        self.stamp.encode(w);
        self.op.encode(w);
    }
}

impl<O: Decode> Decode for Tagged<O> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (dot, past) = (r.dot()?, VersionVector::decode(r)?);
        if past.get(dot.replica) != dot.seq - 1 {
            return Err(r.invalid("an operation whose past is not its author's"));
        }
        Ok(Tagged { dot, past, stamp: Hlc::decode(r)?, op: O::decode(r)? })
    }
}
