//! Plain data: [`Scalar`], what a register or set holds, and [`Value`], a document as data.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::path::segments;

/// A plain value.
///
/// Totally ordered and comparable, floats included (by [`f64::total_cmp`], every NaN being one value),
/// so that it can stand in a set and break a tie the same way on every replica.
///
/// ```
/// use crdt::doc::Scalar;
/// assert_eq!(Scalar::from("tea").to_string(), "\"tea\"");
/// assert_eq!(Scalar::Float(f64::NAN), Scalar::Float(-f64::NAN));
/// ```
#[derive(Clone, Debug, Default)]
pub enum Scalar {
    /// Nothing.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// Text that is replaced as a whole. For text that people edit together use a text root.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Scalar {
    const fn tag(&self) -> u8 {
        match self {
            Scalar::Null => 0,
            Scalar::Bool(_) => 1,
            Scalar::Int(_) => 2,
            Scalar::Float(_) => 3,
            Scalar::Str(_) => 4,
            Scalar::Bytes(_) => 5,
        }
    }
}

/// The one NaN that stands for all.
fn canonical(f: f64) -> f64 {
    if f.is_nan() { f64::NAN.copysign(1.0) } else { f }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
            (Scalar::Int(a), Scalar::Int(b)) => a.cmp(b),
            (Scalar::Float(a), Scalar::Float(b)) => canonical(*a).total_cmp(&canonical(*b)),
            (Scalar::Str(a), Scalar::Str(b)) => a.cmp(b),
            (Scalar::Bytes(a), Scalar::Bytes(b)) => a.cmp(b),
            _ => self.tag().cmp(&other.tag()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar {}

impl From<&str> for Scalar {
    fn from(s: &str) -> Self {
        Scalar::Str(s.to_owned())
    }
}

impl From<String> for Scalar {
    fn from(s: String) -> Self {
        Scalar::Str(s)
    }
}

impl From<i64> for Scalar {
    fn from(n: i64) -> Self {
        Scalar::Int(n)
    }
}

impl From<bool> for Scalar {
    fn from(b: bool) -> Self {
        Scalar::Bool(b)
    }
}

impl From<f64> for Scalar {
    fn from(f: f64) -> Self {
        Scalar::Float(f)
    }
}

impl From<Vec<u8>> for Scalar {
    fn from(bytes: Vec<u8>) -> Self {
        Scalar::Bytes(bytes)
    }
}

impl Encode for Scalar {
    fn encode(&self, w: &mut Writer) {
        w.u8(self.tag());
        match self {
            Scalar::Null => {}
            Scalar::Bool(b) => b.encode(w),
            Scalar::Int(n) => w.i64(*n),
            Scalar::Float(f) => w.raw(&canonical(*f).to_le_bytes()),
            Scalar::Str(s) => w.str(s),
            Scalar::Bytes(b) => w.bytes(b),
        }
    }
}

impl Decode for Scalar {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.u8()? {
            0 => Scalar::Null,
            1 => Scalar::Bool(bool::decode(r)?),
            2 => Scalar::Int(r.i64()?),
            3 => {
                let mut bits = [0; 8];
                bits.copy_from_slice(r.raw(8)?);
                let f = f64::from_le_bytes(bits);
                if f.to_bits() != canonical(f).to_bits() {
                    return Err(r.invalid("a NaN other than the canonical one"));
                }
                Scalar::Float(f)
            }
            4 => Scalar::Str(String::decode(r)?),
            5 => Scalar::Bytes(Vec::decode(r)?),
            _ => return Err(r.invalid("unknown kind of plain value")),
        })
    }
}

/// As JSON. Bytes become `{"$bytes":"<hexadecimal>"}`; numbers that JSON lacks become `null`.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(b) => b.fmt(f),
            Scalar::Int(n) => n.fmt(f),
            Scalar::Float(x) if x.is_finite() => write!(f, "{x:?}"),
            Scalar::Float(_) => f.write_str("null"),
            Scalar::Str(s) => json_string(f, s),
            Scalar::Bytes(bytes) => {
                f.write_str("{\"$bytes\":\"")?;
                bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
                f.write_str("\"}")
            }
        }
    }
}

fn json_string(f: &mut fmt::Formatter<'_>, s: &str) -> fmt::Result {
    use fmt::Write as _;
    f.write_char('"')?;
    for c in s.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c < ' ' => write!(f, "\\u{:04x}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// A document, or a part of one, as plain data. [`Display`](fmt::Display) writes JSON.
///
/// ```
/// use crdt::doc::Value;
/// let list = Value::List(vec![Value::from(1i64), Value::from("a")]);
/// assert_eq!(list.to_string(), r#"[1,"a"]"#);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A plain value.
    Scalar(Scalar),
    /// The elements of a list, the members of a set, the entries of a log, or the concurrent values of a register, in their order.
    List(Vec<Value>),
    /// The entries of a map.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// The part at a JSON pointer (RFC 6901): `/form/name`; the empty pointer is the whole.
    ///
    /// ```
    /// use crdt::doc::Value;
    /// let list = Value::List(vec![Value::from("a"), Value::from("b")]);
    /// assert_eq!(list.pointer("/1"), Some(&Value::from("b")));
    /// assert_eq!(list.pointer("/2"), None);
    /// ```
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.pointer_by(segments(pointer)?)
    }

    /// The truth value that it is, if it is one. So for the others:
    ///
    /// ```
    /// use crdt::doc::Value;
    /// assert_eq!(Value::from(true).as_bool(), Some(true));
    /// assert_eq!(Value::from(3).as_i64(), Some(3));
    /// assert_eq!(Value::from(3).as_f64(), Some(3.0)); // a whole number is a number
    /// assert_eq!(Value::from("tea").as_str(), Some("tea"));
    /// assert_eq!(Value::from(vec![1, 2]).as_bytes(), Some(&[1, 2][..]));
    /// assert_eq!(Value::List(vec!["tea".into()]).as_list().map(<[_]>::len), Some(1));
    /// assert_eq!(Value::from("tea").as_map(), None);
    /// ```
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Scalar(Scalar::Bool(b)) = self { Some(*b) } else { None }
    }

    /// The whole number that it is, if it is one; see [`as_bool`](Self::as_bool).
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Scalar(Scalar::Int(n)) = self { Some(*n) } else { None }
    }

    /// The number that it is, if it is one; a whole one beyond 2^53 is rounded. See [`as_bool`](Self::as_bool).
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Scalar(Scalar::Float(x)) => Some(*x),
            value => value.as_i64().map(|n| n as f64),
        }
    }

    /// The string that it is, if it is one; see [`as_bool`](Self::as_bool).
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Scalar(Scalar::Str(s)) = self { Some(s) } else { None }
    }

    /// The bytes that it is, if it is bytes; see [`as_bool`](Self::as_bool).
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Value::Scalar(Scalar::Bytes(bytes)) = self { Some(bytes) } else { None }
    }

    /// The list that it is, if it is one; see [`as_bool`](Self::as_bool).
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// The map that it is, if it is one; see [`as_bool`](Self::as_bool).
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        if let Value::Map(map) = self { Some(map) } else { None }
    }

    /// The part below these keys.
    pub(super) fn pointer_by(&self, mut keys: impl Iterator<Item = String>) -> Option<&Value> {
        keys.try_fold(self, |value, key| match value {
            Value::Map(map) => map.get(&key),
            Value::List(list) => list.get(key.parse::<usize>().ok()?),
            Value::Scalar(_) => None,
        })
    }
}

impl<S: Into<Scalar>> From<S> for Value {
    fn from(scalar: S) -> Self {
        Value::Scalar(scalar.into())
    }
}

/// Reads plain data as a Rust type; one that it is not comes back as it was.
macro_rules! read {
    ($($type:ty: $read:expr;)*) => {
        $(impl TryFrom<Value> for $type {
            type Error = Value;

            fn try_from(value: Value) -> Result<Self, Value> {
                let read: fn(&Value) -> Option<$type> = $read;
                read(&value).ok_or(value)
            }
        })*
    };
}

read! {
    bool: Value::as_bool;
    i64: Value::as_i64;
    f64: Value::as_f64;
    String: |value| value.as_str().map(str::to_owned);
    Vec<u8>: |value| value.as_bytes().map(<[u8]>::to_vec);
    Vec<Value>: |value| value.as_list().map(<[Value]>::to_vec);
    BTreeMap<String, Value>: |value| value.as_map().cloned();
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Scalar(scalar) => scalar.fmt(f),
            Value::List(list) => {
                f.write_str("[")?;
                for (i, value) in list.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (i, (key, value)) in map.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    json_string(f, key)?;
                    f.write_str(":")?;
                    value.fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes() {
        assert_eq!(Scalar::from("a\"\\\n\u{1}é").to_string(), "\"a\\\"\\\\\\n\\u0001é\"");
        assert_eq!(Scalar::Float(2.0).to_string(), "2.0");
        assert_eq!(Scalar::Bytes(vec![1, 255]).to_string(), r#"{"$bytes":"01ff"}"#);
    }

    #[test]
    fn a_pointer_unescapes() {
        let map = Value::Map([("a/b~".to_string(), Value::from(1i64))].into());
        assert_eq!(map.pointer("/a~1b~0"), Some(&Value::from(1i64)));
        assert_eq!(map.pointer(""), Some(&map));
        assert_eq!(map.pointer("a"), None);
    }
}
