//! [`Reader`].

use alloc::boxed::Box;
use core::cmp::Ordering;

use super::DecodeError;
use super::brief::Last;
use crate::id::{Dot, ReplicaId};

/// Where it is looked whether a dot stands twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Twice {
    /// Each map by itself.
    Each,
    /// Who reads, afterwards, in the whole.
    Whole,
    /// The same, and what is read is a part: it is joined to a whole, not looked through.
    Part,
}

/// Reads values from a body with the table it refers to.
///
/// ```
/// use crdt::codec::{Reader, Writer};
/// let mut w = Writer::new();
/// w.str("tea");
/// w.u64(300);
/// let body = w.into_body();
/// let mut r = Reader::new(&body, &[]);
/// assert_eq!((r.str()?, r.u64()?), ("tea", 300));
/// assert_eq!((r.position(), r.remaining()), (body.len(), 0));
/// r.end()?;
/// # Ok::<(), crdt::codec::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    table: &'a [ReplicaId],
    /// How many replicas of the table were named; `usize::MAX` once one was named before its turn.
    pub(super) named: usize,
    depth: usize,
    pub(super) brief: Option<Box<Last>>,
    twice: Twice,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, whose replica indices point into `table`.
    pub fn new(bytes: &'a [u8], table: &'a [ReplicaId]) -> Self {
        Reader { bytes, at: 0, table, named: 0, depth: 0, brief: None, twice: Twice::Each }
    }

    /// The deepest that values may nest; bounds the stack that hostile bytes can use.
    pub const MAX_DEPTH: usize = 64;

    /// Reads a value that may hold values of its own kind, one level down.
    ///
    /// # Errors
    /// Those of `read`, and [`DecodeError::Limit`] below [`Reader::MAX_DEPTH`] levels.
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// # use crdt::codec::DecodeError;
    /// /// Lists of lists: how many there are, then those.
    /// fn depth(r: &mut Reader<'_>) -> Result<usize, DecodeError> {
    ///     let mut deepest = 0;
    ///     for _ in 0..r.count(1)? {
    ///         deepest = deepest.max(r.nested(depth)?);
    ///     }
    ///     Ok(deepest + 1)
    /// }
    /// assert_eq!(depth(&mut Reader::new(&[2, 0, 1, 0], &[])), Ok(3));
    /// let bomb = [1; 1_000];
    /// assert!(matches!(depth(&mut Reader::new(&bomb, &[])), Err(DecodeError::Limit { at: 65, .. })));
    /// ```
    pub fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == Self::MAX_DEPTH {
            return Err(self.limit("levels of nesting"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// Reads something in which dots that stand twice are looked for so, and not as outside of it.
    pub(crate) fn looking<T>(
        &mut self,
        twice: Twice,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let outside = core::mem::replace(&mut self.twice, twice);
        let read = read(self);
        self.twice = outside;
        read
    }

    pub(crate) fn twice(&self) -> Twice {
        self.twice
    }

    /// How many bytes remain.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// An error that says where the reader stands.
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// let mut r = Reader::new(&[101], &[]);
    /// r.u8().unwrap();
    /// assert_eq!(r.invalid("more than all").to_string(), "invalid at byte 1: more than all; nothing was taken");
    /// ```
    pub fn invalid(&self, what: &'static str) -> DecodeError {
        DecodeError::Invalid { at: self.at, what }
    }

    /// An error for a value over a named limit.
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// let r = Reader::new(&[], &[]);
    /// assert_eq!(r.limit("names").to_string(), "over a limit at byte 0: names; nothing was taken");
    /// ```
    pub fn limit(&self, what: &'static str) -> DecodeError {
        DecodeError::Limit { at: self.at, what }
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// let mut r = Reader::new(&[7], &[]);
    /// assert_eq!(r.u8(), Ok(7));
    /// assert!(r.u8().is_err()); // nothing is left
    /// ```
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::UnexpectedEnd { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    /// The next number; a longer form than the shortest is refused.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`], [`DecodeError::Invalid`].
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// assert_eq!(Reader::new(&[0xac, 2], &[]).u64(), Ok(300));
    /// assert!(Reader::new(&[0x80, 0], &[]).u64().is_err()); // 0 is one byte
    /// ```
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        if let Some(byte) = self.bytes.get(self.at).filter(|byte| **byte < 0x80) {
            self.at += 1; // most are of one byte
            return Ok((*byte).into());
        }
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.invalid("number over 64 bits"));
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(self.invalid("number not in its shortest form"))
                } else {
                    Ok(n)
                };
            }
        }
        Err(self.invalid("number over 64 bits"))
    }

    /// The next signed number.
    ///
    /// # Errors
    /// As [`Reader::u64`].
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// assert_eq!(Reader::new(&[1], &[]).i64(), Ok(-1));
    /// ```
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        let n = self.u64()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A number of items that follow, each of at least `min_bytes` bytes: checked against what
    /// remains, so it is safe to allocate for.
    ///
    /// # Errors
    /// As [`Reader::u64`], and [`DecodeError::Limit`].
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// let mut r = Reader::new(&[2, 10, 0, 20, 0], &[]); // two items of two bytes each
    /// assert_eq!(r.count(2), Ok(2));
    /// let mut forged = Reader::new(&[0xff, 0xff, 3], &[]); // 65,535 items, and no bytes
    /// assert!(forged.count(1).is_err());
    /// ```
    pub fn count(&mut self, min_bytes: usize) -> Result<usize, DecodeError> {
        let n = self.u64()?;
        self.fitting(n, min_bytes)
    }

    /// A number of items, as [`count`](Self::count) checks it.
    pub(super) fn fitting(&self, n: u64, min_bytes: usize) -> Result<usize, DecodeError> {
        let min_bytes = if self.is_brief() { 1 } else { min_bytes.max(1) };
        match n.saturating_mul(min_bytes as u64) <= self.remaining() as u64 {
            true => Ok(n as usize),
            false => Err(self.limit("more items than the bytes can hold")),
        }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// let mut r = Reader::new(b"CRDT!", &[]);
    /// assert_eq!(r.raw(4), Ok(&b"CRDT"[..]));
    /// assert!(r.raw(2).is_err());
    /// ```
    pub fn raw(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(n).ok_or(DecodeError::UnexpectedEnd { at: self.at })?;
        let bytes = self.bytes.get(self.at..end).ok_or(DecodeError::UnexpectedEnd { at: self.at })?;
        self.at = end;
        Ok(bytes)
    }

    /// Bytes with their length in front.
    ///
    /// # Errors
    /// As [`Reader::count`].
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// assert_eq!(Reader::new(&[2, 7, 7], &[]).bytes(), Ok(&[7, 7][..]));
    /// ```
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let n = self.count(1)?;
        self.raw(n)
    }

    /// A string with its length in front.
    ///
    /// # Errors
    /// As [`Reader::count`], and [`DecodeError::Invalid`] for what is not UTF-8.
    ///
    /// ```
    /// # use crdt::codec::Reader;
    /// assert_eq!(Reader::new(&[2, 0xc3, 0xa9], &[]).str(), Ok("é"));
    /// assert!(Reader::new(&[1, 0xff], &[]).str().is_err()); // no UTF-8
    /// ```
    pub fn str(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes()?;
        core::str::from_utf8(bytes).map_err(|_| self.invalid("text is not UTF-8"))
    }

    /// A replica id, by its index in the table.
    ///
    /// # Errors
    /// As [`Reader::u64`], and [`DecodeError::Invalid`] for an index outside the table.
    ///
    /// ```
    /// # use crdt::{ReplicaId, codec::Reader};
    /// let table = [ReplicaId::from_u128(9)];
    /// assert_eq!(Reader::new(&[0], &table).replica(), Ok(table[0]));
    /// assert!(Reader::new(&[1], &table).replica().is_err()); // the table has no second
    /// ```
    pub fn replica(&mut self) -> Result<ReplicaId, DecodeError> {
        let i = self.u64()?;
        self.replica_at(i)
    }

    pub(super) fn replica_at(&mut self, i: u64) -> Result<ReplicaId, DecodeError> {
        let id = usize::try_from(i).ok().and_then(|i| self.table.get(i)).copied();
        let id = id.ok_or_else(|| self.invalid("replica outside the table"))?;
        match i.cmp(&(self.named as u64)) {
            Ordering::Less => {}
            Ordering::Equal => self.named += 1,
            Ordering::Greater => self.named = usize::MAX,
        }
        Ok(id)
    }

    /// A dot.
    ///
    /// # Errors
    /// As [`Reader::replica`], [`DecodeError::Invalid`] for event 0, and [`DecodeError::Limit`] for one
    /// beyond [`Dot::MAX_SEQ`].
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, codec::Reader};
    /// let table = [ReplicaId::from_u128(9)];
    /// assert_eq!(Reader::new(&[0, 4], &table).dot(), Ok(Dot::new(table[0], 4)));
    /// ```
    pub fn dot(&mut self) -> Result<Dot, DecodeError> {
        if self.is_brief() {
            return self.brief_dot();
        }
        let dot = Dot::new(self.replica()?, self.u64()?);
        match dot.seq {
            0 => Err(self.invalid("events count from 1")),
            seq if seq > Dot::MAX_SEQ => Err(self.limit("the number of an event")),
            _ => Ok(dot),
        }
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`].
    pub fn end(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { left }),
        }
    }
}
