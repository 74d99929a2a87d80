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

use ::arbitrary::{Arbitrary, Result, Unstructured};

use crate::doc::{Scalar, Value};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::testkit::Schedule;
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
