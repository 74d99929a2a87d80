//! [`Plain`]: what registers and sets hold, as Rust types.

use crate::doc::Scalar;

/// A Rust type that is one plain value: `bool`, numbers up to `i64`, `f64`, `String`, `Vec<u8>`, [`Scalar`] for any of them,
/// and yours: an enum without fields derives it, others implement it. Equal values must be written the same.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::Scalar;
/// use crdt::doc::schema::{Map, Plain, Register};
/// #[derive(PartialEq, Debug)]
/// struct Celsius(f64);
///
/// impl Plain for Celsius {
///     fn into_scalar(self) -> Scalar {
///         self.0.into()
///     }
///     fn from_scalar(scalar: &Scalar) -> Option<Self> {
///         f64::from_scalar(scalar).map(Celsius)
///     }
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Map<Register<Celsius>>>().entry("oven").set(Celsius(180.0)));
/// assert_eq!(doc.get("/oven"), Some(180.0.into()));
/// assert_eq!(doc.read_as::<Map<Register<Celsius>>>().get("oven").unwrap().get(), Some(Celsius(180.0)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plain value of a document",
    label = "not a plain value",
    note = "`bool`, integers up to `i64`, `f64`, `String`, `Vec<u8>` are, and enums without fields that derive `Plain`"
)]
pub trait Plain: Sized {
    /// As it is written.
    fn into_scalar(self) -> Scalar;

    /// Read back; `None` for what is no such value.
    fn from_scalar(scalar: &Scalar) -> Option<Self>;
}

impl Plain for Scalar {
    fn into_scalar(self) -> Scalar {
        self
    }

    fn from_scalar(scalar: &Scalar) -> Option<Self> {
        Some(scalar.clone())
    }
}

macro_rules! plain {
    ($($type:ty: $($read:pat => $value:expr),+;)*) => {
        $(impl Plain for $type {
            fn into_scalar(self) -> Scalar {
                self.into()
            }

            fn from_scalar(scalar: &Scalar) -> Option<Self> {
                match scalar {
                    $($read => Some($value),)+
                    _ => None,
                }
            }
        })*
    };
}

plain! {
    bool: Scalar::Bool(b) => *b;
    i64: Scalar::Int(n) => *n;
    // A whole number is a number, as `Value::as_f64` has it.
    f64: Scalar::Float(x) => *x, Scalar::Int(n) => *n as f64;
    String: Scalar::Str(s) => s.clone();
    Vec<u8>: Scalar::Bytes(bytes) => bytes.clone();
}

macro_rules! smaller {
    ($($type:ty)*) => {
        $(impl Plain for $type {
            fn into_scalar(self) -> Scalar {
                Scalar::Int(self.into())
            }

            fn from_scalar(scalar: &Scalar) -> Option<Self> {
                i64::from_scalar(scalar)?.try_into().ok()
            }
        })*
    };
}

smaller!(i8 i16 i32 u8 u16 u32);
