//! A strict look at automerge's bytes before automerge gets them.
//!
//! Its parsers trust counts that they read. Here every count is bounded by the bytes that remain or by a
//! named limit, and what is compressed is inflated through a capped reader first. What passes may still be
//! nonsense; it is no longer a bomb. The format is that of automerge's binary document format specification.

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};

use crate::codec::{DecodeError, Reader};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;

/// Rows of a column may number this many times the bytes that hold it, and [`FREE_ROWS`] besides: deleting a
/// long text takes few bytes for each thousand rows.
const ROWS_PER_BYTE: u64 = 64;
/// Rows that any column may have, however short.
const FREE_ROWS: u64 = 1 << 20;
/// Compressed bytes may grow to this many times their size, and not beyond [`MAX_INFLATED`].
const INFLATE_RATIO: u64 = 200;
/// The most that one compressed part may grow to, in bytes.
const MAX_INFLATED: u64 = 64 << 20;
/// The longest actor id, in bytes.
const MAX_ACTOR: usize = 64;

/// A column's type is in the low three bits of its specification; the fourth says that it is compressed.
const DEFLATED: u64 = 8;

/// Checks one uncompressed change, as deltas carry them.
pub(super) fn change(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut r = Reader::new(bytes, &[]);
    let (kind, body) = chunk(&mut r)?;
    r.end()?;
    match kind {
        CHANGE => change_body(body),
        _ => Err(r.invalid("not an uncompressed change")),
    }
}

/// Checks a saved document: chunks of any kind, one after the other.
pub(super) fn file(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut r = Reader::new(bytes, &[]);
    while r.remaining() > 0 {
        let (kind, body) = chunk(&mut r)?;
        match kind {
            DOCUMENT => document_body(body)?,
            CHANGE => change_body(body)?,
            COMPRESSED => change_body(&inflate(body, &r)?)?,
            _ => return Err(r.invalid("a chunk of a kind that is not read here")),
        }
    }
    Ok(())
}

/// The kind and body of the next chunk.
fn chunk<'a>(r: &mut Reader<'a>) -> Result<(u8, &'a [u8]), DecodeError> {
    if r.raw(4)? != MAGIC {
        return Err(r.invalid("not automerge's"));
    }
    r.raw(4)?; // the checksum, which automerge checks itself
    let kind = r.u8()?;
    Ok((kind, r.bytes()?))
}

fn change_body(body: &[u8]) -> Result<(), DecodeError> {
    let mut r = Reader::new(body, &[]);
    let deps = r.count(32)?;
    r.raw(deps * 32)?;
    actor(&mut r)?;
    r.u64()?; // its number
    r.u64()?; // its first operation
    signed(&mut r)?; // its time
    r.str()?; // its message
    for _ in 0..r.count(1)? {
        actor(&mut r)?;
    }
    let columns = columns(&mut r)?;
    for (spec, len) in columns {
        let data = r.raw(len)?;
        if spec & DEFLATED != 0 {
            return Err(r.invalid("a compressed column in a change"));
        }
        rows(spec, data)?;
    }
    Ok(())
}

fn document_body(body: &[u8]) -> Result<(), DecodeError> {
    let mut r = Reader::new(body, &[]);
    for _ in 0..r.count(1)? {
        actor(&mut r)?;
    }
    let heads = r.count(32)?;
    r.raw(heads * 32)?;
    let mut all = columns(&mut r)?;
    all.extend(columns(&mut r)?);
    for (spec, len) in all {
        let data = r.raw(len)?;
        if spec & DEFLATED != 0 {
            rows(spec & !DEFLATED, &inflate(data, &r)?)?;
        } else {
            rows(spec, data)?;
        }
    }
    Ok(())
}

fn actor(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    if r.bytes()?.len() > MAX_ACTOR { Err(r.limit("bytes of an actor id")) } else { Ok(()) }
}

/// Specification and length of each column; the specifications grow, their compression bit aside.
fn columns(r: &mut Reader<'_>) -> Result<Vec<(u64, usize)>, DecodeError> {
    let mut columns: Vec<(u64, usize)> = Vec::new();
    for _ in 0..r.count(2)? {
        let (spec, len) = (r.u64()?, r.u64()?);
        let grows = columns.last().is_none_or(|last| last.0 & !DEFLATED < spec & !DEFLATED);
        if !grows || spec > u64::from(u32::MAX) {
            return Err(r.invalid("columns out of order"));
        }
        let len = usize::try_from(len).ok().filter(|len| *len <= r.remaining());
        columns.push((spec, len.ok_or_else(|| r.limit("a column longer than its chunk"))?));
    }
    Ok(columns)
}

/// Walks a column's runs: how many rows it makes is bounded.
fn rows(spec: u64, data: &[u8]) -> Result<(), DecodeError> {
    let most = FREE_ROWS.saturating_add(ROWS_PER_BYTE.saturating_mul(data.len() as u64));
    let mut r = Reader::new(data, &[]);
    let mut rows = 0u64;
    while r.remaining() > 0 {
        let more = match spec & 7 {
            4 => r.u64()?,
            7 => return Ok(()),
            kind => run(kind, &mut r)?,
        };
        rows = rows.saturating_add(more);
        if rows > most {
            return Err(r.limit("rows of a column"));
        }
    }
    Ok(())
}

/// One run of a run-length encoded column: how many rows it makes.
fn run(kind: u64, r: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let value = |r: &mut Reader<'_>| match kind {
        3 => signed(r).map(drop),
        5 => r.str().map(drop),
        _ => r.u64().map(drop),
    };
    match signed(r)? {
        0 => r.u64(),
        n if n > 0 => value(r).map(|()| n.unsigned_abs()),
        n => {
            let n = n.unsigned_abs();
            if n > r.remaining() as u64 {
                return Err(r.limit("more values than the bytes can hold"));
            }
            (0..n).try_for_each(|_| value(r))?;
            Ok(n)
        }
    }
}

/// The next number in signed LEB128, which automerge uses where this crate uses zigzag.
fn signed(r: &mut Reader<'_>) -> Result<i64, DecodeError> {
    let mut n = 0i64;
    for shift in (0..70).step_by(7) {
        let byte = r.u8()?;
        if shift < 63 {
            n |= i64::from(byte & 0x7f) << shift;
        } else {
            n |= i64::from(byte & 1) << 63;
        }
        if byte & 0x80 == 0 {
            let width = shift + 7;
            return Ok(if width < 64 && byte & 0x40 != 0 { n | (-1i64 << width) } else { n });
        }
    }
    Err(r.invalid("number over 64 bits"))
}

fn inflate(data: &[u8], r: &Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let most = (data.len() as u64).saturating_mul(INFLATE_RATIO).saturating_add(1024).min(MAX_INFLATED);
    decompress_to_vec_with_limit(data, most as usize).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => r.limit("what compressed bytes grow to"),
        _ => r.invalid("compressed bytes that cannot be inflated"),
    })
}
