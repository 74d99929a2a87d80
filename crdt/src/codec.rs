//! The canonical codec: one value, one byte string; hostile bytes get an error, never a panic.
//!
//! Numbers are LEB128 in their shortest form. Counts are checked against the bytes that remain before
//! anything is allocated. Replica ids are written once, in a table outside the body, and named in the
//! body by their index, in the order of first use; so is checked on reading. See [`Writer`] and [`Reader`].
//! What a method of one wrote is read by the method of that name: a file has dots and times in a shorter form.

mod brief;
mod primitives;
mod reader;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::id::{Dot, ReplicaId};

use brief::Last;
pub use reader::Reader;
pub(crate) use reader::Twice;

/// Why bytes were refused. Nothing was changed by the attempt to read them.
///
/// ```
/// use crdt::codec::{DecodeError, from_bytes};
/// assert_eq!(from_bytes::<u64>(&[]), Err(DecodeError::UnexpectedEnd { at: 0 }));
/// assert!(matches!(from_bytes::<u64>(&[0x80, 0x00]), Err(DecodeError::UnexpectedEnd { .. } | DecodeError::Invalid { .. })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    UnexpectedEnd {
        /// Where the reader stood.
        at: usize,
    },
    /// A value that no writer of this format produces.
    Invalid {
        /// Where the reader stood.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A count or a size over a named limit.
    Limit {
        /// Where the reader stood.
        at: usize,
        /// Which limit.
        what: &'static str,
    },
    /// Bytes are left over after the value.
    Trailing {
        /// How many.
        left: usize,
    },
    /// The stored checksum is not that of the bytes.
    Checksum,
    /// A format, or a type of what stands in a document, of a later version than this program knows.
    Version {
        /// The version in the bytes.
        found: u64,
        /// The newest this program reads.
        known: u64,
    },
}

messages! { DecodeError {
    Self::UnexpectedEnd { at } => "ends early at byte {at}; nothing was taken",
    Self::Invalid { at, what } => "invalid at byte {at}: {what}; nothing was taken",
    Self::Limit { at, what } => "over a limit at byte {at}: {what}; nothing was taken",
    Self::Trailing { left } => "{left} bytes are left over; nothing was taken",
    Self::Checksum => "checksum does not match: the bytes were damaged; nothing was taken",
    Self::Version { found, known } => "format or type {found} is newer than {known}, the newest this program reads; nothing was taken",
} }

/// A value with a canonical byte form.
///
/// ```
/// use crdt::codec::{Decode, Encode, Reader, Writer};
/// let mut w = Writer::new();
/// ("tea", 300u64).encode(&mut w);
/// let bytes = w.into_body();
/// let mut r = Reader::new(&bytes, &[]);
/// assert_eq!(<(String, u64)>::decode(&mut r).unwrap(), ("tea".to_string(), 300));
/// r.end().unwrap();
/// ```
pub trait Encode {
    /// Appends the value. Equal values append equal bytes.
    fn encode(&self, w: &mut Writer);
}

/// A value that can be read back from its canonical byte form.
///
/// ```
/// use crdt::codec::{Decode, DecodeError, Encode, Reader, Writer, from_bytes, to_bytes};
/// #[derive(PartialEq, Debug)]
/// struct Percent(u64);
/// impl Encode for Percent {
///     fn encode(&self, w: &mut Writer) {
///         w.u64(self.0);
///     }
/// }
/// impl Decode for Percent {
///     fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
///         let n = r.u64()?;
///         if n > 100 { Err(r.invalid("more than all")) } else { Ok(Percent(n)) }
///     }
/// }
/// assert_eq!(from_bytes(&to_bytes(&Percent(7))), Ok(Percent(7)));
/// assert!(from_bytes::<Percent>(&to_bytes(&101u64)).is_err());
/// ```
pub trait Decode: Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// Any byte string that [`Encode`] would not have produced is refused.
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Appends values to a body and collects the replica ids they name.
///
/// ```
/// use crdt::codec::Writer;
/// use crdt::{Dot, ReplicaId};
/// let mut w = Writer::new();
/// w.str("tea");
/// w.u64(300);
/// w.i64(-1);
/// w.bytes(&[1, 2]);
/// w.dot(Dot::new(ReplicaId::from_u128(9), 4));
/// let (body, table) = w.into_parts();
/// assert_eq!((body.len(), table), (12, vec![ReplicaId::from_u128(9)])); // an id in the table, its index in the body
/// ```
#[derive(Debug, Default)]
pub struct Writer {
    body: Vec<u8>,
    table: Vec<ReplicaId>,
    /// Where in the table those are that come after its sorted beginning.
    index: BTreeMap<ReplicaId, usize>,
    /// Where in the table the id is that was named last.
    last: usize,
    brief: Option<Box<Last>>,
}

impl Writer {
    /// An empty body and an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty body with room for some bytes, and an empty table.
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::with_capacity(1 << 10); // no growing up to a kilobyte
    /// w.raw(&[7; 1 << 10]);
    /// assert_eq!(w.len(), 1 << 10);
    /// ```
    pub fn with_capacity(bytes: usize) -> Self {
        Writer { body: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// An empty body whose table already holds `table`, in that order.
    ///
    /// ```
    /// # use crdt::{ReplicaId, codec::Writer};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut w = Writer::with_table([a, b]); // both sides know these two
    /// w.replica(b);
    /// assert_eq!(w.into_parts(), (vec![1], vec![a, b]));
    /// ```
    pub fn with_table(table: impl IntoIterator<Item = ReplicaId>) -> Self {
        let mut w = Self::with_capacity(48);
        for id in table {
            w.intern(id);
        }
        w
    }

    #[inline]
    fn intern(&mut self, id: ReplicaId) -> u64 {
        // Ids mostly come in order, again and again: then each is the one before or the next.
        if self.table.get(self.last) != Some(&id) {
            let next = self.last + 1;
            self.last = if self.table.get(next) == Some(&id) { next } else { self.search(id) };
        }
        self.last as u64
    }

    fn search(&mut self, id: ReplicaId) -> usize {
        // In a version each is the next.
        if self.index.is_empty() && self.table.last().is_none_or(|last| *last < id) {
            self.table.push(id);
            return self.table.len() - 1;
        }
        // The beginning of the table that is sorted is searched by halves, what follows by a map.
        let sorted = self.table.len() - self.index.len();
        match self.table[..sorted].binary_search(&id) {
            Ok(i) => i,
            Err(_) => {
                let table = &mut self.table;
                *self.index.entry(id).or_insert_with(|| {
                    table.push(id);
                    table.len() - 1
                })
            }
        }
    }

    /// Appends a replica id as its index in the table.
    ///
    /// ```
    /// # use crdt::{ReplicaId, codec::Writer};
    /// let mut w = Writer::new();
    /// w.replica(ReplicaId::from_u128(9)); // the first that is named: 0
    /// w.replica(ReplicaId::from_u128(9));
    /// assert_eq!(w.into_parts(), (vec![0, 0], vec![ReplicaId::from_u128(9)]));
    /// ```
    pub fn replica(&mut self, id: ReplicaId) {
        let i = self.intern(id);
        self.u64(i);
    }

    /// Appends a dot.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, codec::Writer};
    /// let mut w = Writer::new();
    /// w.dot(Dot::new(ReplicaId::from_u128(9), 300));
    /// assert_eq!(w.into_body(), [0, 0xac, 2]); // the index of the replica, the number
    /// ```
    pub fn dot(&mut self, dot: Dot) {
        if self.is_brief() {
            return self.brief_dot(dot);
        }
        self.replica(dot.replica);
        self.u64(dot.seq);
    }

    /// Appends one byte.
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::new();
    /// w.u8(200);
    /// assert_eq!(w.into_body(), [200]);
    /// ```
    pub fn u8(&mut self, n: u8) {
        self.body.push(n);
    }

    /// Appends a number in 1 to 10 bytes.
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::new();
    /// w.u64(5);
    /// w.u64(300);
    /// assert_eq!(w.into_body(), [5, 0xac, 2]); // seven bits a byte, the lowest first
    /// ```
    #[inline]
    pub fn u64(&mut self, mut n: u64) {
        if n < 0x80 {
            return self.body.push(n as u8); // most are
        }
        while n >= 0x80 {
            self.body.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.body.push(n as u8);
    }

    /// Appends a signed number; small magnitudes are short (zigzag).
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::new();
    /// w.i64(-1);
    /// w.i64(1);
    /// assert_eq!(w.into_body(), [1, 2]);
    /// ```
    pub fn i64(&mut self, n: i64) {
        self.u64(((n << 1) ^ (n >> 63)) as u64);
    }

    /// Appends bytes with their length.
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::new();
    /// w.bytes(&[7, 7]);
    /// assert_eq!(w.into_body(), [2, 7, 7]);
    /// ```
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        if !bytes.is_empty() {
            self.body.extend_from_slice(bytes);
        }
    }

    /// Appends bytes without their length.
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::new();
    /// w.raw(&[7, 7]); // the reader must know how many
    /// assert_eq!(w.into_body(), [7, 7]);
    /// ```
    pub fn raw(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }

    /// Appends a string with its length in bytes.
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::new();
    /// w.str("é");
    /// assert_eq!(w.into_body(), [2, 0xc3, 0xa9]);
    /// ```
    pub fn str(&mut self, s: &str) {
        self.bytes(s.as_bytes());
    }

    /// How many bytes the body has.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether the body is empty.
    ///
    /// ```
    /// # use crdt::codec::Writer;
    /// let mut w = Writer::new();
    /// assert!(w.is_empty());
    /// w.u8(0);
    /// assert!(!w.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The body alone, for values that name no replica.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The body and the table it refers to.
    pub fn into_parts(self) -> (Vec<u8>, Vec<ReplicaId>) {
        (self.body, self.table)
    }
}

/// A value as bytes that stand alone: the replicas it names in full, then the value.
///
/// ```
/// use crdt::codec::{from_bytes, to_bytes};
/// use crdt::{Dot, ReplicaId};
/// let dot = Dot::new(ReplicaId::from_u128(7), 1);
/// assert_eq!(from_bytes::<Dot>(&to_bytes(&dot))?, dot);
/// # Ok::<(), crdt::codec::DecodeError>(())
/// ```
pub fn to_bytes<T: Encode>(value: &T) -> Vec<u8> {
    let mut w = Writer::new();
    value.encode(&mut w);
    stand_alone(w, |whole, replicas| whole.u64(replicas))
}

/// As [`to_bytes`], in the brief form, behind a head.
pub(crate) fn to_brief_bytes<T: Encode>(value: &T, head: &[u8]) -> Vec<u8> {
    let mut w = Writer::new().in_brief();
    value.encode(&mut w);
    stand_alone(w, |whole, replicas| {
        whole.raw(head);
        whole.u64(replicas);
    })
}

/// The replicas that were named in full, then what was written, behind a head that says how many they are.
pub(crate) fn stand_alone(w: Writer, head: impl FnOnce(&mut Writer, u64)) -> Vec<u8> {
    let (body, table) = w.into_parts();
    let mut whole = Writer::with_capacity(body.len() + 16 * table.len() + 19);
    head(&mut whole, table.len() as u64);
    table.iter().for_each(|id| whole.raw(id.as_bytes()));
    whole.raw(&body);
    whole.into_body()
}

/// Reads what [`to_bytes`] wrote.
///
/// # Errors
/// For every byte string that [`to_bytes`] would not write for the value that it stands for.
///
/// ```
/// use crdt::codec::{from_bytes, to_bytes};
/// let value = ("tea".to_string(), 300u64);
/// assert_eq!(from_bytes(&to_bytes(&value)), Ok(value));
/// assert!(from_bytes::<u64>(&[1, 2]).is_err()); // a byte is left over
/// ```
pub fn from_bytes<T: Decode + Encode>(bytes: &[u8]) -> Result<T, DecodeError> {
    read_alone(bytes, |r| r, T::decode)
}

/// Reads what [`to_brief_bytes`] wrote.
pub(crate) fn from_brief_bytes<T: Decode + Encode>(bytes: &[u8]) -> Result<T, DecodeError> {
    read_alone(bytes, |r| r.in_brief(), T::decode)
}

fn read_alone<T>(
    bytes: &[u8],
    form: impl FnOnce(Reader<'_>) -> Reader<'_>,
    decode: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut r = Reader::new(bytes, &[]);
    let replicas = r.u64()?;
    read_body(r, replicas, form, decode)
}

/// Reads what [`stand_alone`] wrote, behind the head.
pub(crate) fn read_body<T>(
    mut r: Reader<'_>,
    replicas: u64,
    form: impl FnOnce(Reader<'_>) -> Reader<'_>,
    decode: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let n = r.fitting(replicas, 16)?;
    let mut table: Vec<ReplicaId> = Vec::with_capacity(n);
    for _ in 0..n {
        let mut id = [0; 16];
        id.copy_from_slice(r.raw(16)?);
        table.push(ReplicaId::from_bytes(id));
    }
    if !table.is_sorted_by(|a, b| a < b) {
        let mut sorted = table.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(r.invalid("a replica that is named twice"));
        }
    }
    let mut body = form(Reader::new(r.raw(r.remaining())?, &table));
    let value = decode(&mut body)?;
    body.end()?;
    if body.named != table.len() {
        return Err(r.invalid("replicas that are not used, or not in order"));
    }
    Ok(value)
}

/// Puts a header in front of a payload and a checksum behind it, as every file of this crate has them: four bytes that say
/// what it is, the format, the payload, CRC-32 in four bytes, least first.
///
/// ```
/// use crdt::{Doc, ReplicaId};
/// let file = Doc::new(ReplicaId::from_u128(1)).save();
/// let (format, content) = (file[4], &file[5..file.len() - 4]);
/// assert_eq!(crdt::codec::seal(b"CRDT", format, content), file);
/// ```
#[cfg(feature = "std")]
pub fn seal(magic: &[u8; 4], format: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 9);
    bytes.extend(magic);
    bytes.push(format);
    bytes.extend(payload);
    with_checksum(bytes)
}

/// A value in the brief form, as [`seal`] makes a file of a payload.
pub(crate) fn seal_brief<T: Encode>(magic: [u8; 4], format: u8, value: &T) -> Vec<u8> {
    let [a, b, c, d] = magic;
    with_checksum(to_brief_bytes(value, &[a, b, c, d, format]))
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The format, one of those known, and the payload of what [`seal`] made.
pub(crate) fn unseal<'a>(
    magic: &[u8; 4],
    formats: RangeInclusive<u8>,
    bytes: &'a [u8],
) -> Result<(u8, &'a [u8]), DecodeError> {
    let (content, sum) =
        bytes.split_last_chunk::<4>().ok_or(DecodeError::UnexpectedEnd { at: bytes.len() })?;
    let mut r = Reader::new(content, &[]);
    if r.raw(magic.len())? != magic {
        return Err(DecodeError::Invalid { at: 0, what: "not a file of this kind" });
    }
    let format = r.u8()?;
    if !formats.contains(&format) {
        return Err(DecodeError::Version { found: format.into(), known: (*formats.end()).into() });
    }
    if crc32fast::hash(content) != u32::from_le_bytes(*sum) {
        return Err(DecodeError::Checksum);
    }
    Ok((format, r.raw(r.remaining())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_longer_form_is_refused() {
        assert!(Reader::new(&[0x80, 0x00], &[]).u64().is_err());
        assert!(Reader::new(&[0xff; 10], &[]).u64().is_err());
        assert_eq!(Reader::new(&[0], &[]).u64(), Ok(0));
    }

    #[test]
    fn a_count_is_bounded_by_what_remains() {
        let mut w = Writer::new();
        w.u64(u64::MAX);
        let body = w.into_body();
        assert!(matches!(Reader::new(&body, &[]).bytes(), Err(DecodeError::Limit { .. })));
    }

    #[test]
    fn replicas_are_named_in_their_turn() {
        let [a, b] = [1, 2].map(ReplicaId::from_u128);
        let with = |table: [ReplicaId; 2], first: u8, second: u8| {
            let mut bytes = vec![2];
            table.iter().for_each(|id| bytes.extend(id.as_bytes()));
            bytes.extend([first, 1, second, 1]);
            from_bytes::<(Dot, Dot)>(&bytes)
        };
        assert_eq!(with([b, a], 0, 1), Ok((Dot::new(b, 1), Dot::new(a, 1))));
        assert!(with([b, a], 1, 0).is_err());
        assert!(with([b, a], 0, 0).is_err());
        assert!(with([a, a], 0, 1).is_err());
    }

    proptest! {
        #[test]
        fn replicas_are_numbered_by_first_use(ids: Vec<u8>) {
            let mut w = Writer::new();
            let mut first: Vec<u8> = Vec::new();
            for n in &ids {
                if !first.contains(n) {
                    first.push(*n);
                }
                w.replica(ReplicaId::from_u128((*n).into()));
            }
            let (body, table) = w.into_parts();
            prop_assert_eq!(&table, &first.iter().map(|n| ReplicaId::from_u128((*n).into())).collect::<Vec<_>>());
            let mut r = Reader::new(&body, &table);
            for n in ids {
                prop_assert_eq!(r.replica(), Ok(ReplicaId::from_u128(n.into())));
            }
        }

        #[test]
        fn numbers_round_trip(n: u64, i: i64) {
            let mut w = Writer::new();
            w.u64(n);
            w.i64(i);
            let body = w.into_body();
            let mut r = Reader::new(&body, &[]);
            prop_assert_eq!(r.u64(), Ok(n));
            prop_assert_eq!(r.i64(), Ok(i));
            prop_assert_eq!(r.end(), Ok(()));
        }
    }
}
