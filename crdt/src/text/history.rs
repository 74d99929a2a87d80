//! The log of a text in the fewest bytes, for files: columns of operations as positions.
//!
//! The operations are written in one order of all events of the document, in which each comes after those it
//! builds on. While they are written they are carried out again; so where an insertion stands between two
//! characters that are neighbours then, its position stands for their names, and a deletion's position for
//! the name of its first character. What is inserted is not here at all: the file has the visible text, and
//! what was deleted is written in the order of the text, which is the order in which reading finds it.

use std::ops::Range;

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{Dot, ReplicaId, Span};

use super::chunk::Id;
use super::core::Core;
use super::count::{Count, byte_of_char};
use super::log::What;
use super::op::Op;
use super::sequence::Stretch;
use super::view::Pieces;

const DELETE: u8 = 1;
/// A deletion from the end to the front.
const BACK: u8 = 2;
/// Events of something else come before this operation; how many follows.
const GAP: u8 = 4;
/// The characters are named, not shown by position.
const NAMED: u8 = 8;
const NO_LEFT: u8 = 16;
const NO_RIGHT: u8 = 32;

/// The operations, column by column.
#[derive(Debug, Default)]
struct Columns {
    flags: Vec<u8>,
    gaps: Writer,
    lens: Writer,
    places: Writer,
    names: Writer,
}

/// Where in the one order of all events a reader or writer stands.
struct Events<'a> {
    order: &'a [Span],
    /// How many events of the first span are behind.
    done: u64,
}

impl Events<'_> {
    /// Moves on; the event that follows, and how many after it are in the same span.
    fn skip(&mut self, mut events: u64) -> Option<(Dot, u64)> {
        loop {
            let span = self.order.first()?;
            let left = span.len() - self.done;
            if events < left {
                self.done += events;
                return Some((Dot::new(span.replica, span.after + 1 + self.done), left - events));
            }
            events -= left;
            (self.order, self.done) = (&self.order[1..], 0);
        }
    }
}

/// The operations of a text, and what was deleted of it.
pub(super) fn encode(core: &Core, order: &[Span], replicas: &[ReplicaId]) -> (Vec<u8>, String) {
    let mut writer = Encoder { columns: Columns::new(replicas), replay: Core::default(), at: 0 };
    let mut gap = 0;
    for span in order {
        let mut end = span.after;
        for (at, op) in core.ops(*span) {
            writer.op(at, op, gap + at.seq - end - 1);
            (gap, end) = (0, at.seq + op.len() - 1);
        }
        gap += span.to - end;
    }
    let deleted = core.sequence.stretches().filter(|stretch| stretch.deleted);
    let deleted = deleted.map(|stretch| core.log.inserted(stretch.first, stretch.len)).collect();
    (writer.columns.finish(), deleted)
}

impl Columns {
    fn new(replicas: &[ReplicaId]) -> Columns {
        Columns { names: Writer::with_table(replicas.iter().copied()).in_brief(), ..Columns::default() }
    }

    fn finish(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(&self.flags);
        for column in [self.gaps, self.lens, self.places, self.names] {
            w.bytes(&column.into_body());
        }
        w.into_body()
    }
}

struct Encoder {
    columns: Columns,
    replay: Core,
    /// Where the last operation left off.
    at: usize,
}

impl Encoder {
    fn op(&mut self, at: Dot, op: Op<'_>, gap: u64) {
        let place = self.place(&op);
        let (kind, end) = match op {
            Op::Insert { len, .. } => (0, place.map(|place| (place, place + len as usize))),
            Op::Delete { back: false, .. } => (DELETE, place.map(|place| (place, place))),
            Op::Delete { back: true, len, .. } => {
                (DELETE | BACK, place.map(|place| (place + len as usize, place)))
            }
        };
        let mut flags = kind | if gap > 0 { GAP } else { 0 };
        if gap > 0 {
            self.columns.gaps.u64(gap);
        }
        self.columns.lens.u64(op.len() - 1);
        match end {
            Some((start, end)) => {
                self.columns.places.i64(start as i64 - self.at as i64);
                self.at = end;
            }
            None => flags |= self.names(&op),
        }
        self.columns.flags.push(flags);
        self.replay.apply(at, op, None);
    }

    /// The position that says all about an operation's characters, if one does.
    fn place(&mut self, op: &Op<'_>) -> Option<usize> {
        let sequence = &self.replay.sequence;
        match *op {
            Op::Insert { left, right, .. } => {
                let place = match left {
                    Some(left) => {
                        let place = sequence.find(self.replay.roster.id(left)?)?;
                        sequence.stretch(place).filter(|stretch| !stretch.deleted)?;
                        sequence.after(place)
                    }
                    None => sequence.behind(None),
                };
                let next = sequence.id(sequence.settle(place)).map(|id| self.replay.dot(id));
                (next == right).then(|| sequence.position(place))
            }
            Op::Delete { .. } => {
                let span = op.targets()?;
                let first = self.replay.roster.id(Dot::new(span.replica, span.after + 1))?;
                let place = sequence.find(first)?;
                sequence.stretch(place).filter(|stretch| !stretch.deleted)?;
                Some(sequence.position(place))
            }
        }
    }

    fn names(&mut self, op: &Op<'_>) -> u8 {
        match op {
            Op::Insert { left, right, .. } => {
                left.iter().chain(right).for_each(|dot| self.columns.names.dot(*dot));
                NAMED | if left.is_none() { NO_LEFT } else { 0 } | if right.is_none() { NO_RIGHT } else { 0 }
            }
            Op::Delete { target, .. } => {
                self.columns.names.dot(*target);
                NAMED
            }
        }
    }
}

/// Reads what [`encode`] wrote: carries the operations out again, and then puts in what they inserted. Names are in
/// the brief form but in old files.
pub(super) fn decode(
    bytes: &[u8],
    names_in_brief: bool,
    visible: &str,
    deleted: &str,
    order: &[Span],
    replicas: &[ReplicaId],
) -> Result<Core, DecodeError> {
    let mut r = Reader::new(bytes, replicas);
    let flags = r.bytes()?;
    let [gaps, lens, places, names] = [r.bytes()?, r.bytes()?, r.bytes()?, r.bytes()?];
    r.end()?;
    let [gaps, lens, places, names] = [gaps, lens, places, names].map(|bytes| Reader::new(bytes, replicas));
    let names = if names_in_brief { names.in_brief() } else { names };
    let chars = Count::of(visible).chars() + Count::of(deleted).chars();
    let mut decoder = Decoder {
        core: Core::default(),
        events: Events { order, done: 0 },
        gaps,
        lens,
        places,
        names,
        at: 0,
        blanks: "\0".repeat(chars),
        used: 0,
    };
    flags.iter().try_for_each(|flags| decoder.op(*flags))?;
    [decoder.gaps, decoder.lens, decoder.places, decoder.names].iter().try_for_each(Reader::end)?;
    let mut core = decoder.core;
    if decoder.used != chars || core.sequence.total().chars() != Count::of(visible).chars() {
        return Err(r.invalid("a text that its history does not make"));
    }
    let deleted = deleted_pieces(&core, deleted);
    core.fill(visible, deleted);
    Ok(core)
}

struct Decoder<'a> {
    core: Core,
    events: Events<'a>,
    gaps: Reader<'a>,
    lens: Reader<'a>,
    places: Reader<'a>,
    names: Reader<'a>,
    at: usize,
    /// Stands for what is inserted until all is in its order.
    blanks: String,
    used: usize,
}

impl Decoder<'_> {
    fn op(&mut self, flags: u8) -> Result<(), DecodeError> {
        let gap = if flags & GAP != 0 { self.gaps.u64()? } else { 0 };
        let len = self.lens.u64()?.saturating_add(1);
        let at = self.events.skip(gap).filter(|(_, most)| len <= *most);
        let (at, _) = at.ok_or_else(|| self.lens.invalid("an operation past its events"))?;
        self.events.done += len;
        let id = self.core.id(at);
        match flags & !GAP {
            0 => self.insert_at(id, len),
            DELETE => self.delete_at(id, len, false),
            kind if kind == DELETE | BACK => self.delete_at(id, len, true),
            kind => self.named(at, len, kind),
        }
    }

    /// A position, from where the last operation left off.
    fn place(&mut self) -> Result<usize, DecodeError> {
        let place = i64::try_from(self.at).ok().zip(self.places.i64().ok());
        let place = place.and_then(|(at, by)| usize::try_from(at.checked_add(by)?).ok());
        place.ok_or_else(|| self.places.invalid("a position outside the text"))
    }

    /// Takes blanks for an insertion; where they are.
    fn take(&mut self, len: u64) -> Result<Range<usize>, DecodeError> {
        let from = self.used;
        let to = usize::try_from(len).ok().and_then(|len| from.checked_add(len));
        let to = to.filter(|to| *to <= self.blanks.len());
        self.used = to.ok_or_else(|| self.lens.invalid("an insertion of more than there is"))?;
        Ok(from..self.used)
    }

    fn insert_at(&mut self, at: Id, len: u64) -> Result<(), DecodeError> {
        let pos = self.place()?;
        if pos > self.core.sequence.total().chars() {
            return Err(self.places.invalid("a position outside the text"));
        }
        let blanks = self.take(len)?;
        self.at = pos + blanks.len();
        let (place, left, right) = self.core.sequence.gap(pos);
        self.core.sequence.insert(place, at, left == Some(at.before()), &self.blanks[blanks]);
        self.core.log.push(at, len, What::Insert { left, right }, "");
        Ok(())
    }

    fn delete_at(&mut self, at: Id, len: u64, back: bool) -> Result<(), DecodeError> {
        let pos = self.place()?;
        let pos =
            if back { usize::try_from(len).ok().and_then(|len| pos.checked_sub(len)) } else { Some(pos) };
        let found = pos.and_then(|pos| Some((pos, self.core.sequence.visible(pos)?)));
        let found = found.and_then(|(pos, place)| Some((pos, place, self.core.sequence.id(place)?)));
        let (pos, place, first) = found.ok_or_else(|| self.places.invalid("a position outside the text"))?;
        let run = self.core.sequence.stretch(place).map_or(0, |run| run.len - place.spot.offset);
        if len <= run as u64 {
            self.core.sequence.hide(place, len as usize);
        } else {
            self.check_targets(first, len)?;
            self.core.sequence.delete(first, len, |_, _, _| ());
        }
        let target = if back { first.plus(len - 1) } else { first };
        self.core.log.push(at, len, What::Delete { target, back: back && len > 1 }, "");
        self.at = pos;
        Ok(())
    }

    fn check_targets(&self, first: Id, len: u64) -> Result<(), DecodeError> {
        let here = self.core.contains_all(first, len);
        if here { Ok(()) } else { Err(self.lens.invalid("a deletion of what never was")) }
    }

    fn named(&mut self, at: Dot, len: u64, kind: u8) -> Result<(), DecodeError> {
        let op = match kind & !(BACK | NO_LEFT | NO_RIGHT) {
            NAMED => {
                let left = if kind & NO_LEFT == 0 { Some(self.names.dot()?) } else { None };
                let right = if kind & NO_RIGHT == 0 { Some(self.names.dot()?) } else { None };
                let blanks = self.take(len)?;
                let text = &self.blanks[blanks];
                Op::Insert { left, right, text, len }
            }
            named if named == DELETE | NAMED => {
                Op::Delete { target: self.names.dot()?, len, back: kind & BACK != 0 }
            }
            _ => return Err(self.names.invalid("unknown kind of operation")),
        };
        let done = self.core.replay(at, op);
        done.ok_or_else(|| self.names.invalid("an edit next to a character that never was"))
    }
}

/// What was deleted, which is in the order of the text, by its characters.
fn deleted_pieces<'a>(core: &Core, mut deleted: &'a str) -> Vec<(Id, &'a str)> {
    let runs = core.sequence.stretches().filter(|stretch| stretch.deleted);
    let cut = |stretch: Stretch| {
        let (piece, rest) = deleted.split_at(byte_of_char(deleted, stretch.len));
        deleted = rest;
        (stretch.first, piece)
    };
    runs.map(cut).collect()
}
