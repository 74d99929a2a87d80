//! One operation as it travels: with dots, and its text borrowed from the bytes it came in.

use smallvec::SmallVec;

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{Dot, Span};

use super::count::byte_of_char;

/// An operation of one replica; it takes as many events as it has characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op<'a> {
    /// The `len` characters stand, from left to right, between these two, as the author saw it.
    Insert { left: Option<Dot>, right: Option<Dot>, text: &'a str, len: u64 },
    /// Deletes `len` characters of one replica: `target` and those numbered after it or, `back`, before it.
    Delete { target: Dot, len: u64, back: bool },
}

/// Operations on one text, by replica and number; a keystroke is one.
pub(crate) type Ops<'a> = SmallVec<[(Dot, Op<'a>); 1]>;

impl<'a> Op<'a> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Op::Insert { len, .. } | Op::Delete { len, .. } => *len,
        }
    }

    /// The events that the operation takes, the first being `at`.
    pub(crate) fn events(&self, at: Dot) -> Span {
        Span { replica: at.replica, after: at.seq - 1, to: at.seq + self.len() - 1 }
    }

    /// The characters that an insertion brings, the first being `at`; `None` for a deletion.
    pub(crate) fn inserted(&self, at: Dot) -> Option<Span> {
        matches!(self, Op::Insert { .. }).then(|| self.events(at))
    }

    /// The characters that a deletion names; `None` where numbers run out of range, and for an insertion.
    pub(crate) fn targets(&self) -> Option<Span> {
        let Op::Delete { target, len, back } = self else { return None };
        let (after, to) = match back {
            false => (target.seq.checked_sub(1)?, target.seq.checked_add(len.checked_sub(1)?)?),
            true => (target.seq.checked_sub(*len)?, target.seq),
        };
        Some(Span { replica: target.replica, after, to })
    }

    /// Whether all characters that the operation names are `known`.
    pub(crate) fn names(&self, known: impl Fn(Span) -> bool) -> bool {
        let one = |dot: &Dot| {
            let after = dot.seq.checked_sub(1);
            after.is_some_and(|after| known(Span { replica: dot.replica, after, to: dot.seq }))
        };
        match self {
            Op::Insert { left, right, .. } => left.iter().chain(right).all(one),
            Op::Delete { .. } => self.targets().is_some_and(known),
        }
    }

    /// The part of the operation from its `skip`-th event on, at most `take` events of it; the first event of
    /// the whole is `at`.
    pub(crate) fn part(self, at: Dot, skip: u64, take: u64) -> Op<'a> {
        let rest = take.min(self.len() - skip);
        if rest == self.len() {
            return self;
        }
        match self {
            Op::Insert { left, right, text, len } => {
                let left = if skip == 0 { left } else { Some(Dot::new(at.replica, at.seq + skip - 1)) };
                let byte = |chars: u64| match len == text.len() as u64 {
                    true => chars as usize,
                    false => byte_of_char(text, chars as usize),
                };
                let text = text.get(byte(skip)..byte(skip + rest)).unwrap_or_default();
                Op::Insert { left, right, text, len: rest }
            }
            Op::Delete { target, back, .. } => {
                let seq = if back { target.seq - skip } else { target.seq + skip };
                // One deletion has no direction: so it has one form.
                Op::Delete { target: Dot::new(target.replica, seq), len: rest, back: back && rest > 1 }
            }
        }
    }
}

const DELETE: u8 = 1;
/// An insertion right after the author's previous event; else the left neighbour follows.
const AFTER_PREVIOUS: u8 = 2;
const NO_LEFT: u8 = 4;
const NO_RIGHT: u8 = 8;
/// A deletion from the end to the front.
const BACK: u8 = 2;
/// A deletion of one character; else the length follows.
const ONE: u8 = 4;

pub(super) fn encode(at: Dot, op: &Op<'_>, w: &mut Writer) {
    match op {
        Op::Insert { left, right, text, .. } => {
            let previous = Dot::new(at.replica, at.seq.saturating_sub(1));
            let after_previous = *left == Some(previous);
            let mut kind = if after_previous { AFTER_PREVIOUS } else { 0 };
            kind |= if left.is_none() { NO_LEFT } else { 0 } | if right.is_none() { NO_RIGHT } else { 0 };
            w.u8(kind);
            left.filter(|_| !after_previous).into_iter().for_each(|left| w.dot(left));
            right.iter().for_each(|right| w.dot(*right));
            w.str(text);
        }
        Op::Delete { target, len, back } => {
            let one = *len == 1;
            w.u8(DELETE | if *back { BACK } else { 0 } | if one { ONE } else { 0 });
            w.dot(*target);
            if !one {
                w.u64(*len);
            }
        }
    }
}

fn decode_op<'a>(at: Dot, r: &mut Reader<'a>) -> Result<Op<'a>, DecodeError> {
    let kind = r.u8()?;
    if kind & DELETE == 0 { decode_insert(at, kind, r) } else { decode_delete(kind, r) }
}

fn decode_delete<'a>(kind: u8, r: &mut Reader<'a>) -> Result<Op<'a>, DecodeError> {
    if kind & !(DELETE | BACK | ONE) != 0 {
        return Err(r.invalid("unknown kind of deletion"));
    }
    let target = r.dot()?;
    let one = kind & ONE != 0;
    let (len, back) = (if one { 1 } else { r.u64()? }, kind & BACK != 0);
    if len < 2 && !one || one && back {
        return Err(r.invalid("a deletion not in its shortest form"));
    }
    let op = Op::Delete { target, len, back };
    op.targets().map(|_| op).ok_or_else(|| r.invalid("a deletion past the last event"))
}

fn decode_insert<'a>(at: Dot, kind: u8, r: &mut Reader<'a>) -> Result<Op<'a>, DecodeError> {
    if kind & !(AFTER_PREVIOUS | NO_LEFT | NO_RIGHT) != 0 || kind & (AFTER_PREVIOUS | NO_LEFT) == 6 {
        return Err(r.invalid("unknown kind of insertion"));
    }
    let previous = Dot::new(at.replica, at.seq - 1);
    let left = match kind & (AFTER_PREVIOUS | NO_LEFT) {
        AFTER_PREVIOUS => Some(previous),
        NO_LEFT => None,
        _ => Some(r.dot()?).filter(|left| *left != previous),
    };
    if left.is_none() && kind & NO_LEFT == 0 || left == Some(Dot::new(at.replica, 0)) {
        return Err(r.invalid("a left neighbour not in its shortest form"));
    }
    let right = if kind & NO_RIGHT != 0 { None } else { Some(r.dot()?) };
    let text = r.str()?;
    if text.is_empty() {
        return Err(r.invalid("an insertion of nothing"));
    }
    Ok(Op::Insert { left, right, text, len: text.chars().count() as u64 })
}

/// For each span: how many operations, then each, as `gap since the last operation's end, kind, fields`.
pub(super) fn decode<'a>(spans: &[Span], r: &mut Reader<'a>) -> Result<Ops<'a>, DecodeError> {
    let mut ops = Ops::new();
    for span in spans {
        let mut end = span.after;
        for _ in 0..r.count(4)? {
            let gap = r.u64()?;
            let first = end.checked_add(gap).and_then(|n| n.checked_add(1)).filter(|first| *first <= span.to);
            let at = Dot::new(span.replica, first.ok_or_else(|| r.invalid("operation outside its span"))?);
            let op = decode_op(at, r)?;
            end = at
                .seq
                .checked_add(op.len() - 1)
                .filter(|end| *end <= span.to)
                .ok_or_else(|| r.invalid("operation reaches past its span"))?;
            ops.push((at, op));
        }
    }
    Ok(ops)
}
