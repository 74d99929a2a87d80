//! What a text keeps of the characters whose insertion it has forgotten: their places.
//!
//! Forgotten are the operations up to a version that everybody has: who typed what next to which neighbours,
//! what deleted it, and what the deleted characters were. All characters keep their places, deleted ones too:
//! one who has not forgotten may still write next to any of them (typing does beside what was just deleted,
//! undoing a deletion in its middle), and two who do so at once must be put in one order everywhere.
//!
//! Of a character's neighbours one thing is still asked: whether it was written right of what stands before
//! it. Only for what stands right before it among the forgotten: whoever writes from now on has seen all of
//! those, so what he writes between is beside one of them.

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{Dot, ReplicaId, Span};
use crate::version::VersionVector;

use super::ancestors::Ancestors;
use super::chunk::Id;
use super::core::Core;
use super::count::{Count, byte_of_char};
use super::log::What;
use super::op::{self, Op};
use super::runs;

/// Which events are forgotten, and what is kept of the characters among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Forgotten {
    /// By replica.
    lanes: Vec<Lane>,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    /// The last event that is forgotten.
    to: u64,
    /// The characters that were not written right of what stands before them among the forgotten; sorted.
    apart: Vec<u64>,
}

impl Forgotten {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.to == 0)
    }

    /// The last event of a replica that is forgotten.
    pub(super) fn to(&self, replica: u32) -> u64 {
        self.lanes.get(replica as usize).map_or(0, |lane| lane.to)
    }

    /// Whether an event is forgotten.
    pub(super) fn has(&self, id: Id) -> bool {
        id.seq <= self.to(id.replica)
    }

    /// Whether a forgotten character was written right of what stands before it.
    fn follows(&self, id: Id) -> bool {
        let lane = self.lanes.get(id.replica as usize);
        lane.is_some_and(|lane| lane.apart.binary_search(&id.seq).is_err())
    }

    fn set(&mut self, replica: u32, to: u64) {
        let replica = replica as usize;
        if replica >= self.lanes.len() {
            self.lanes.resize_with(replica + 1, Lane::default);
        }
        self.lanes[replica].to = to;
    }

    fn set_apart(&mut self, id: Id) {
        if let Some(lane) = self.lanes.get_mut(id.replica as usize) {
            lane.apart.push(id.seq);
        }
    }

    fn sort(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.apart.sort_unstable());
    }
}

impl Core {
    /// Whether a character was written right of `left`, between which nothing stood as the author of what is
    /// now put between them saw it.
    pub(super) fn is_right_of(&self, id: Id, left: Option<Id>) -> bool {
        match self.forgotten.has(id) {
            true => self.forgotten.follows(id) && left.is_none_or(|left| self.forgotten.has(left)),
            false => self.log.origins(id).0 == left,
        }
    }

    /// The last number of the forgotten characters that stand in a row from one on; `None` when it is none.
    pub(super) fn forgotten_until(&self, id: Id) -> Option<u64> {
        let place = Some(id).filter(|id| self.forgotten.has(*id)).and_then(|id| self.sequence.find(id))?;
        let run = self.sequence.stretch(place)?;
        Some((run.first.seq + run.len as u64 - 1).min(self.forgotten.to(id.replica)))
    }

    /// Forgets the operations of the events of `cut`, which includes what was forgotten before. Costs what is
    /// there and what goes.
    pub(super) fn forget(&mut self, cut: &VersionVector) {
        let mut forgotten = Forgotten::default();
        for (replica, id) in self.roster.iter() {
            forgotten.set(replica, cut.get(id));
        }
        let before = std::mem::take(&mut self.forgotten);
        // What stood last among what was, and what is to be forgotten.
        let (mut last_before, mut last) = (None, None);
        for run in self.sequence.stretches() {
            if !forgotten.has(run.first) {
                continue;
            }
            let end = |to: u64| Some(Id::new(run.first.replica, to.min(run.first.seq + run.len as u64 - 1)));
            let follows = match before.has(run.first) {
                true => last == last_before && before.follows(run.first),
                false => self.log.origins(run.first).0 == last,
            };
            if !follows {
                forgotten.set_apart(run.first);
            }
            last = end(forgotten.to(run.first.replica));
            if before.has(run.first) {
                last_before = end(before.to(run.first.replica));
            }
        }
        forgotten.sort();
        for (replica, id) in self.roster.iter() {
            self.log.forget(replica, cut.get(id));
        }
        self.forgotten = forgotten;
        self.ancestors = Ancestors::default();
    }
}

/// Characters in a row, all visible or all deleted; all but the first were written right of the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) first: Id,
    pub(super) len: u64,
    pub(super) deleted: bool,
    /// The first was written right of what stands before it; only of forgotten ones.
    pub(super) follows: bool,
}

/// The longest piece: as long as a run may be.
pub(super) const MAX_PIECE: u64 = (1 << 30) - 1;

const DELETED: u8 = 1;
const FOLLOWS: u8 = 2;
/// The replica is another than that of the piece before.
const OTHER: u8 = 4;

/// All characters in pieces as long as can be, so that equal texts have equal ones.
pub(super) fn pieces(core: &Core) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for run in core.sequence.stretches() {
        let forgotten = core.forgotten.has(run.first);
        let goes_on = |last: &&mut Piece| {
            last.first.plus(last.len) == run.first
                && last.deleted == run.deleted
                && last.len + run.len as u64 <= MAX_PIECE
                && core.is_right_of(run.first, Some(run.first.before()))
        };
        match pieces.last_mut().filter(goes_on) {
            Some(last) => last.len += run.len as u64,
            None => pieces.push(Piece {
                first: run.first,
                len: run.len as u64,
                deleted: run.deleted,
                follows: forgotten && core.forgotten.follows(run.first),
            }),
        }
    }
    pieces
}

/// Where each replica's next piece is likely to start: behind its last one.
#[derive(Debug, Default)]
struct Ends(Vec<u64>);

impl Ends {
    fn of(&mut self, replica: usize) -> &mut u64 {
        if replica >= self.0.len() {
            self.0.resize(replica + 1, 1);
        }
        &mut self.0[replica]
    }
}

/// The places of all characters, and the operations of `spans`, the events that are not forgotten.
pub(super) fn encode(core: &Core, spans: &[Span], replicas: &[ReplicaId]) -> [Vec<u8>; 2] {
    let mut ops = Writer::with_table(replicas.iter().copied());
    core.encode(&remembered(spans), &mut ops);
    [runs::encode(core, &pieces(core), replicas), ops.into_body()]
}

/// The spans that hold any event.
fn remembered(spans: &[Span]) -> Vec<Span> {
    spans.iter().copied().filter(|span| span.after < span.to).collect()
}

/// Reads what [`encode`] wrote, of an older file with the pieces themselves unless they are `in_runs`. `spans` are the events that are not forgotten, with an empty one for a replica
/// that has none.
pub(super) fn decode(
    places: &[u8],
    in_runs: bool,
    ops: &[u8],
    visible: &str,
    spans: &[Span],
    replicas: &[ReplicaId],
) -> Result<Core, DecodeError> {
    let mut core = Core::default();
    for span in spans {
        let replica = core.roster.intern(span.replica);
        core.forgotten.set(replica, span.after);
    }
    let mut r = Reader::new(ops, replicas);
    let ops = op::decode(&remembered(spans), &mut r)?;
    r.end()?;
    let inserted = take_ops(&mut core, &ops);
    let mut r = Reader::new(places, &[]);
    let pieces = if in_runs { runs::decode(spans, &mut r)? } else { decode_pieces(spans, &mut r)? };
    place(&mut core, &pieces, visible, inserted).map_err(|what| r.invalid(what))?;
    if !ops.iter().all(|(_, op)| core.accepts(op, &Default::default())) {
        return Err(r.invalid("an edit next to a character that never was"));
    }
    Ok(core)
}

/// Puts operations in the log; how many characters they inserted.
fn take_ops(core: &mut Core, ops: &[(Dot, Op<'_>)]) -> u64 {
    let mut inserted = 0;
    for (at, op) in ops {
        let at = core.id(*at);
        let (what, text) = match *op {
            Op::Insert { left, right, text, len } => {
                inserted += len;
                let [left, right] = [left, right].map(|dot| dot.map(|dot| core.id(dot)));
                (What::Insert { left, right }, text)
            }
            Op::Delete { target, back, .. } => (What::Delete { target: core.id(target), back }, ""),
        };
        core.log.push(at, op.len(), what, text);
    }
    inserted
}

/// The pieces as older files have them, in the order of the text.
fn decode_pieces(spans: &[Span], r: &mut Reader<'_>) -> Result<Vec<Piece>, DecodeError> {
    let flags = r.bytes()?;
    let [names, firsts, lens] = [r.bytes()?, r.bytes()?, r.bytes()?];
    r.end()?;
    let [mut names, mut firsts, mut lens] = [names, firsts, lens].map(|column| Reader::new(column, &[]));
    let (mut pieces, mut ends, mut last) = (Vec::with_capacity(flags.len()), Ends::default(), 0);
    for bits in flags {
        if bits & OTHER != 0 {
            last = usize::try_from(names.u64()?).unwrap_or(usize::MAX);
        }
        let span = spans.get(last).ok_or_else(|| names.invalid("a replica outside the table"))?;
        let end = ends.of(last);
        let first = i64::try_from(*end).ok().zip(firsts.i64().ok()).and_then(|(end, by)| end.checked_add(by));
        let first = first.and_then(|first| u64::try_from(first).ok()).filter(|first| *first > 0);
        let first = first.ok_or_else(|| firsts.invalid("events count from 1"))?;
        let len = lens.u64()?.checked_add(1).filter(|len| *len <= MAX_PIECE);
        let len = len.ok_or_else(|| lens.limit("characters in a row"))?;
        *end = first + len;
        if *end - 1 > span.to {
            return Err(lens.invalid("a character that is no event"));
        }
        let (deleted, follows) = (bits & DELETED != 0, bits & FOLLOWS != 0);
        pieces.push(Piece { first: Id::new(last as u32, first), len, deleted, follows });
    }
    [names, firsts, lens].iter().try_for_each(Reader::end)?;
    Ok(pieces)
}

/// Puts all characters where they stand. Those of the log are `inserted`, and must all be there.
fn place(core: &mut Core, pieces: &[Piece], visible: &str, inserted: u64) -> Result<(), &'static str> {
    let mut by_name: Vec<&Piece> = pieces.iter().collect();
    by_name.sort_unstable_by_key(|piece| (piece.first.replica, piece.first.seq));
    let overlap =
        |a: &Piece, b: &Piece| a.first.replica == b.first.replica && a.first.seq + a.len > b.first.seq;
    if by_name.windows(2).any(|pair| matches!(pair, [a, b] if overlap(a, b))) {
        return Err("a character in two places");
    }
    let shown = pieces.iter().filter(|piece| !piece.deleted).map(|piece| piece.len).sum::<u64>();
    if shown != Count::of(visible).chars() as u64 {
        return Err("a text that its characters do not make");
    }
    let (mut rest, mut remembered, mut last) = (visible, 0, None);
    for piece in pieces {
        let known = core.forgotten.to(piece.first.replica).saturating_sub(piece.first.seq - 1).min(piece.len);
        if !core.inserts(piece.first.plus(known), piece.len - known) {
            return Err("a character that nobody inserted");
        }
        remembered += piece.len - known;
        let chained = match known {
            0 => core.log.origins(piece.first).0 == Some(piece.first.before()),
            _ => piece.follows && last == Some(piece.first.before()),
        };
        if known > 0 && !piece.follows {
            core.forgotten.set_apart(piece.first);
        }
        let place = core.sequence.behind(last);
        if piece.deleted {
            core.sequence.insert_deleted(place, piece.first, chained, piece.len as usize);
        } else {
            let (text, after) = rest.split_at(byte_of_char(rest, piece.len as usize));
            core.sequence.insert(place, piece.first, chained, text);
            rest = after;
        }
        last = Some(piece.first.plus(piece.len - 1));
    }
    core.forgotten.sort();
    if remembered == inserted { Ok(()) } else { Err("characters without a place") }
}

impl Core {
    /// Whether the log inserts so many characters from one on.
    fn inserts(&self, first: Id, len: u64) -> bool {
        let mut id = first;
        while id.seq < first.seq + len {
            let Some(last) = self.log.inserted_until(id) else { return false };
            id.seq = last + 1;
        }
        true
    }
}
