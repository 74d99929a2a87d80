//! With feature `arbitrary`: [`Arbitrary`] for what this crate has, so that fuzz targets and derives on your own
//! types can take it from bytes.
//!
//! ```
//! use arbitrary::{Arbitrary, Unstructured};
//! use crdt::doc::Value;
//! use crdt::testkit::Schedule;
//! use crdt::VersionVector;
//!
//! let mut bytes = Unstructured::new(b"any bytes, as a fuzzer makes them");
//! let version = VersionVector::arbitrary(&mut bytes)?;
//! let value = Value::arbitrary(&mut bytes)?;
//! let schedule = Schedule::arbitrary(&mut bytes)?; // for `Kit::check_schedule`
//! # let _ = (version, value, schedule);
//! # Ok::<(), arbitrary::Error>(())
//! ```
//!
//! Deltas are honest ones: of replicas that edited and met as the bytes say, so that a target gets past what refuses nonsense.
//!
//! ```
//! use arbitrary::{Arbitrary, Unstructured};
//! use crdt::context::CausalContext;
//! use crdt::dvv::DottedVersionVector;
//! use crdt::matrix::MatrixClock;
//! use crdt::replica::{Change, Replica};
//! use crdt::set::AwSet;
//! use crdt::{Delta, Doc, ReplicaId, Replicated};
//!
//! let mut bytes = Unstructured::new(&[7; 400]);
//! let mut doc = Doc::new(ReplicaId::from_u128(90));
//! assert!(doc.apply(&Delta::arbitrary(&mut bytes)?).is_ok());
//! let mut set = Replica::<AwSet<u8>>::new(ReplicaId::from_u128(90));
//! set.apply(&Change::arbitrary(&mut bytes)?);
//! let (seen, clock) = (CausalContext::arbitrary(&mut bytes)?, MatrixClock::arbitrary(&mut bytes)?);
//! let value = DottedVersionVector::<u8>::arbitrary(&mut bytes)?;
//! # let _ = (seen, clock, value);
//! # Ok::<(), arbitrary::Error>(())
//! ```

use ::arbitrary::{Arbitrary, Result, Unstructured};

use crate::context::{CausalContext, DotRanges};
use crate::delta::Delta;
use crate::doc::{Doc, Scalar, Value};
use crate::dvv::DottedVersionVector;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
use crate::matrix::MatrixClock;
use crate::replica::{Change, Replica};
use crate::testkit::{Deltas, Edited, Pick, Schedule};
use crate::version::VersionVector;

/// How deep values nest.
const DEPTH: usize = 4;

/// One line for each type: how it is made of bytes.
macro_rules! from_bytes {
    ($($type:ty: |$bytes:ident| $make:expr;)*) => {
        $(impl<'a> Arbitrary<'a> for $type {
            fn arbitrary($bytes: &mut Unstructured<'a>) -> Result<Self> {
                $make
            }
        })*
    };
}

from_bytes! {
    // Few, so that what is drawn twice meets.
    ReplicaId: |bytes| Ok(ReplicaId::from_u128(bytes.int_in_range(1..=4)?));
    Dot: |bytes| Ok(Dot::new(bytes.arbitrary()?, bytes.int_in_range(1..=Dot::MAX_SEQ)?));
    Hlc: |bytes| Ok(Hlc::from_bits(bytes.arbitrary()?));
    VersionVector: |bytes| {
        let mut version = VersionVector::new();
        for dot in bytes.arbitrary_iter::<Dot>()? {
            let dot = dot?;
            version.advance(dot.replica, dot.seq);
        }
        Ok(version)
    };
    DotRanges: |bytes| bytes.arbitrary_iter::<Run>()?.map(|run| Ok(run?.0)).collect();
    CausalContext: |bytes| {
        let mut seen = CausalContext::from(VersionVector::arbitrary(bytes)?);
        DotRanges::arbitrary(bytes)?.iter_ranges().for_each(|span| seen.insert_span(span));
        Ok(seen)
    };
    MatrixClock: |bytes| {
        let mut clock = MatrixClock::default();
        for row in bytes.arbitrary_iter::<(ReplicaId, VersionVector)>()? {
            let (member, row) = row?;
            clock.add(member);
            clock.saw(member, &row);
        }
        Ok(clock)
    };
    Delta: |bytes| difference::<Doc>(bytes);
    Scalar: |bytes| Ok(match bytes.int_in_range(0..=5)? {
        0 => Scalar::Null,
        1 => Scalar::Bool(bytes.arbitrary()?),
        2 => Scalar::Int(bytes.arbitrary()?),
        3 => Scalar::Float(bytes.arbitrary()?),
        4 => Scalar::Str(bytes.arbitrary()?),
        _ => Scalar::Bytes(bytes.arbitrary()?),
    });
    Value: |bytes| value(bytes, DEPTH);
    Schedule: |bytes| Ok(Schedule::from_bytes(bytes.bytes(bytes.len())?));
}

/// A run of events.
struct Run(Span);

impl<'a> Arbitrary<'a> for Run {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let Dot { replica, seq } = bytes.arbitrary()?;
        Ok(Run(Span {
            replica,
            after: seq - 1,
            to: seq.saturating_add(bytes.int_in_range(0..=20)?).min(Dot::MAX_SEQ),
        }))
    }
}

/// What one server has, after writes at two by clients that had read or had not.
impl<'a, T: Arbitrary<'a> + Clone> Arbitrary<'a> for DottedVersionVector<T> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let mut servers = [DottedVersionVector::new(), DottedVersionVector::new()];
        let mut read = VersionVector::new();
        for _ in 0..bytes.int_in_range(0..=8)? {
            let [here, there] = &mut servers;
            match bytes.int_in_range(0..=4)? {
                0 => here.write(ReplicaId::from_u128(1), &read, bytes.arbitrary()?),
                1 => there.write(ReplicaId::from_u128(2), &read, bytes.arbitrary()?),
                2 => here.merge(there),
                3 => here.discard(&read),
                _ => read = here.context().clone(),
            }
        }
        let [here, _] = servers;
        Ok(here)
    }
}

/// All that a replica has, of any type that the kit edits.
impl<'a, T: Edited> Arbitrary<'a> for Change<T> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        difference::<Replica<T>>(bytes)
    }
}

/// All that one of two replicas has that edited and met, as the bytes say: a delta for one who has nothing.
fn difference<T: Deltas>(bytes: &mut Unstructured<'_>) -> Result<T::Delta> {
    let mut both = [1, 2].map(T::new);
    for now in 0..bytes.int_in_range(0..=12)? {
        let [here, there] = &mut both;
        match bytes.int_in_range(0..=4)? {
            0 => here.apply_delta(&there.delta_since(&here.version())),
            1 => there.apply_delta(&here.delta_since(&there.version())),
            at => {
                let at = if at == 2 { there } else { here };
                let command = at.command(&mut Pick::new(&bytes.arbitrary::<[u8; 5]>()?));
                at.edit(now, &command);
            }
        }
    }
    let [here, _] = &both;
    Ok(here.delta_since(&T::new(0).version()))
}

fn value(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    if depth == 0 || bytes.ratio(1, 2)? {
        return bytes.arbitrary().map(Value::Scalar);
    }
    let len = bytes.int_in_range(0..=4)?;
    if bytes.arbitrary()? {
        (0..len).map(|_| value(bytes, depth - 1)).collect::<Result<_>>().map(Value::List)
    } else {
        (0..len)
            .map(|_| Ok((bytes.arbitrary()?, value(bytes, depth - 1)?)))
            .collect::<Result<_>>()
            .map(Value::Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::AwSet;
    use proptest::prelude::*;

    proptest! {
        /// Honest deltas are taken, whatever the bytes, and bytes that go on give something to take.
        #[test]
        fn deltas_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut from = Unstructured::new(&bytes);
            let mut doc = Doc::new(ReplicaId::from_u128(90));
            let delta = Delta::arbitrary(&mut from).unwrap();
            let novel = crate::Replicated::apply(&mut doc, &delta).unwrap().novel;
            prop_assert_eq!(novel, delta.spans);
            let change = Change::<AwSet<u8>>::arbitrary(&mut from).unwrap();
            let mut set = Replica::<AwSet<u8>>::new(ReplicaId::from_u128(90));
            set.apply(&change);
            let taken = set.delta_since(&VersionVector::new());
            prop_assert_eq!(taken.events(), change.events());
            let seen = CausalContext::arbitrary(&mut from).unwrap();
            prop_assert_eq!(crate::codec::from_bytes::<CausalContext>(&crate::codec::to_bytes(&seen)).unwrap(), seen);
            let value = DottedVersionVector::<u8>::arbitrary(&mut from).unwrap();
            prop_assert_eq!(crate::codec::from_bytes::<DottedVersionVector<u8>>(&crate::codec::to_bytes(&value)).unwrap(), value);
        }
    }

    #[test]
    fn bytes_make_deltas_that_hold_something() {
        let all: Vec<u8> = (0..4_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut held = 0;
        for bytes in all.chunks_exact(100) {
            held += u32::from(!Delta::arbitrary(&mut Unstructured::new(bytes)).unwrap().is_empty());
            let change = Change::<AwSet<u8>>::arbitrary(&mut Unstructured::new(bytes)).unwrap();
            held += u32::from(!change.events().is_empty());
        }
        assert!(held > 40, "{held} of 80");
    }
}
