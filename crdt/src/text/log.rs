//! What each replica did to one text, in its order: what is sent to those who lack it.

use std::collections::BTreeMap;

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{Dot, ReplicaId, Span};

/// An operation of one replica; it takes as many events as it has characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// The characters stand, from left to right, between these two, as the author saw it.
    Insert { left: Option<Dot>, right: Option<Dot>, text: String },
    /// Deletes `len` characters of one replica: `target` and those numbered after it or, `back`, before it.
    Delete { target: Dot, len: u64, back: bool },
}

impl Op {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Op::Insert { text, .. } => text.chars().count() as u64,
            Op::Delete { len, .. } => *len,
        }
    }

    /// The events that the operation takes, the first being `at`.
    pub(crate) fn events(&self, at: Dot) -> Span {
        Span { replica: at.replica, after: at.seq - 1, to: at.seq + self.len() - 1 }
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

    /// The part of the operation from its `skip`-th event on, at most `take` events of it.
    pub(crate) fn part(&self, at: Dot, skip: u64, take: u64) -> Op {
        match self {
            Op::Insert { left, right, text } => {
                let before = Dot::new(at.replica, (at.seq + skip).saturating_sub(1));
                let left = if skip == 0 { *left } else { Some(before) };
                let text = text.chars().skip(skip as usize).take(take as usize).collect();
                Op::Insert { left, right: *right, text }
            }
            Op::Delete { target, len, back } => {
                let seq = if *back { target.seq - skip } else { target.seq + skip };
                let len = take.min(len - skip);
                // One deletion has no direction: so it has one form.
                Op::Delete { target: Dot::new(target.replica, seq), len, back: *back && len > 1 }
            }
        }
    }

    /// Whether one operation can stand for this one, of `count` events from `at` on, and `next` after it.
    fn continues(&self, at: Dot, count: u64, next: &Op) -> Option<Direction> {
        match (self, next) {
            (Op::Insert { right, .. }, Op::Insert { left, right: next_right, .. }) => {
                let last = Dot::new(at.replica, at.seq + count - 1);
                (*left == Some(last) && right == next_right).then_some(Direction::Forward)
            }
            (Op::Delete { target, len, back }, Op::Delete { target: next, len: more, back: next_back }) => {
                let can = |backwards: bool| {
                    (*len == 1 || *back == backwards) && (*more == 1 || *next_back == backwards)
                };
                if target.replica != next.replica {
                    None
                } else if next.seq == target.seq + len && can(false) {
                    Some(Direction::Forward)
                } else if next.seq + len == target.seq && can(true) {
                    Some(Direction::Backward)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// Joins an operation that [`continues`](Self::continues) this one.
    fn extend(&mut self, direction: Direction, next: Op) {
        match (self, next) {
            (Op::Insert { text, .. }, Op::Insert { text: more, .. }) => text.push_str(&more),
            (Op::Delete { len, back, .. }, Op::Delete { len: more, .. }) => {
                *len += more;
                *back = matches!(direction, Direction::Backward);
            }
            _ => {}
        }
    }
}

/// Which way an operation goes on.
#[derive(Clone, Copy, Debug)]
enum Direction {
    Forward,
    Backward,
}

/// One logged operation with how many events it has, so that text is not counted again.
#[derive(Clone, Debug)]
struct Entry {
    first: u64,
    count: u64,
    op: Op,
}

/// The operations on one text, by replica and number; operations that follow each other are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    replicas: BTreeMap<ReplicaId, Vec<Entry>>,
}

impl Log {
    /// Appends an operation; a replica's operations come in the order of their numbers.
    pub(super) fn push(&mut self, at: Dot, op: Op) {
        let entries = self.replicas.entry(at.replica).or_default();
        let count = op.len();
        if let Some(last) = entries.last_mut().filter(|last| last.first + last.count == at.seq)
            && let Some(way) = last.op.continues(Dot::new(at.replica, last.first), last.count, &op)
        {
            last.op.extend(way, op);
            last.count += count;
            return;
        }
        entries.push(Entry { first: at.seq, count, op });
    }

    pub(super) fn touches(&self, span: Span) -> bool {
        self.entries(span).next().is_some()
    }

    /// The operations that share events with a span.
    fn entries(&self, span: Span) -> impl Iterator<Item = &Entry> {
        let entries = self.replicas.get(&span.replica).map_or(&[][..], Vec::as_slice);
        let from = entries.partition_point(|e| e.first + e.count - 1 <= span.after);
        entries.iter().skip(from).take_while(move |e| e.first <= span.to)
    }

    /// For each span: how many operations, then each, as
    /// `gap since the last operation's end, kind, fields`; cut to the span.
    pub(super) fn encode(&self, spans: &[Span], w: &mut Writer) {
        for span in spans {
            w.u64(self.entries(*span).count() as u64);
            let mut end = span.after;
            for entry in self.entries(*span) {
                let skip = (span.after + 1).saturating_sub(entry.first);
                let take = (span.to + 1 - entry.first).min(entry.count) - skip;
                let first = Dot::new(span.replica, entry.first + skip);
                w.u64(first.seq - end - 1);
                if skip == 0 && take == entry.count {
                    encode_op(first, &entry.op, w);
                } else {
                    encode_op(first, &entry.op.part(Dot::new(span.replica, entry.first), skip, take), w);
                }
                end = first.seq + take - 1;
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

fn encode_op(at: Dot, op: &Op, w: &mut Writer) {
    match op {
        Op::Insert { left, right, text } => {
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

fn decode_op(at: Dot, r: &mut Reader<'_>) -> Result<Op, DecodeError> {
    let kind = r.u8()?;
    if kind & DELETE != 0 {
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
        return op.targets().map(|_| op).ok_or_else(|| r.invalid("a deletion past the last event"));
    }
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
    let text = r.str()?.to_owned();
    if text.is_empty() {
        Err(r.invalid("an insertion of nothing"))
    } else {
        Ok(Op::Insert { left, right, text })
    }
}

/// Reads what [`Log::encode`] wrote for the same spans.
pub(super) fn decode(spans: &[Span], r: &mut Reader<'_>) -> Result<Vec<(Dot, Op)>, DecodeError> {
    let mut ops: Vec<(Dot, Op)> = Vec::new();
    for span in spans {
        let mut end = span.after;
        for _ in 0..r.count(4)? {
            let gap = r.u64()?;
            let first = end.checked_add(gap).and_then(|n| n.checked_add(1)).filter(|first| *first <= span.to);
            let at = Dot::new(span.replica, first.ok_or_else(|| r.invalid("operation outside its span"))?);
            let op = decode_op(at, r)?;
            let count = op.len();
            end = at
                .seq
                .checked_add(count - 1)
                .filter(|end| *end <= span.to)
                .ok_or_else(|| r.invalid("operation reaches past its span"))?;
            ops.push((at, op));
        }
    }
    Ok(ops)
}
