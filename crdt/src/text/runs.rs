//! The places of all characters in few bytes, for files without history: runs in the order of their numbers.
//!
//! Whoever writes goes on near where he last was, so a run is named by how far from the end of the run before it was put
//! in, among those so far: less than by which characters it came to stand between. They are put in again when they are read,
//! which cuts those into which others were put. Where characters are deleted is told in the order of the text.

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{ReplicaId, Span};

use super::chunk::Id;
use super::core::Core;
use super::count::{Count, Unit};
use super::forgotten::{MAX_PIECE, Piece};
use super::tree::Tree;

/// A run of characters as it was put in, before others were put into it.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: Id,
    len: u64,
    /// What [`Piece::follows`] says of the first.
    follows: bool,
}

/// Characters in their order while more are put between them.
struct Placed {
    /// By number; their order is the tree's.
    chunks: Vec<Vec<Part>>,
    tree: Tree,
}

/// A run, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Part {
    run: Run,
    /// Its first character is not the first of the run.
    is_rest: bool,
}

/// So many parts stand in a chunk at most.
const MOST: usize = 64;

impl Placed {
    fn new() -> Self {
        Placed { chunks: vec![Vec::new()], tree: Tree::default() }
    }

    fn len(&self) -> usize {
        self.tree.total().chars()
    }

    /// Puts a run in behind so many characters.
    fn insert(&mut self, at: usize, run: Run) {
        let (chunk, before) = self.tree.find(Unit::Chars, at);
        let parts = &mut self.chunks[chunk];
        let (mut slot, mut left) = (0, (at - before) as u64);
        while let Some(part) = parts.get(slot).filter(|part| part.run.len <= left) {
            left -= part.run.len;
            slot += 1;
        }
        if let Some(part) = parts.get_mut(slot).filter(|_| left > 0) {
            let rest = Run { first: part.run.first.plus(left), len: part.run.len - left, follows: false };
            part.run.len = left;
            slot += 1;
            parts.insert(slot, Part { run: rest, is_rest: true });
        }
        parts.insert(slot, Part { run, is_rest: false });
        self.tree.add(chunk, Count::of_chars(run.len as usize));
        if parts.len() > MOST {
            let rest = parts.split_off(MOST / 2);
            let moved = rest.iter().map(|part| part.run.len as usize).sum();
            self.chunks.push(rest);
            self.tree.split(chunk, Count::of_chars(moved));
        }
    }

    fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.tree.from(Some(0)).flat_map(|chunk| self.chunks[chunk].iter().copied())
    }
}

/// Whether the first character of a part that was cut off is taken to follow what stands before it: that is the one numbered
/// before it, as far as they are forgotten. `last` is the forgotten character before it.
fn rest_follows(first: Id, is_forgotten: bool, last: Option<Id>) -> bool {
    is_forgotten && last == Some(first.before())
}

/// Writes pieces, which are in the order of the text. `O(n log n)` of their number.
pub(super) fn encode(core: &Core, pieces: &[Piece], replicas: &[ReplicaId]) -> Vec<u8> {
    let number = |piece: &Piece| replicas.binary_search(&core.dot(piece.first).replica).unwrap_or_default();
    // Of each piece whether it could be the rest of a run that ends before it.
    let (mut last, mut last_forgotten): (Option<Id>, Option<Id>) = (None, None);
    let mut can_be_rest = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let (first, before) = (piece.first, Some(piece.first.before()));
        can_be_rest.push(match last == before {
            true => core.is_right_of(first, before),
            false => piece.follows == rest_follows(first, core.forgotten.has(first), last_forgotten),
        });
        let end = first.plus(piece.len - 1);
        last = Some(end);
        if core.forgotten.has(first) {
            last_forgotten = Some(Id::new(end.replica, end.seq.min(core.forgotten.to(end.replica))));
        }
    }
    let mut by_number: Vec<(usize, u64, usize)> =
        pieces.iter().zip(0..).map(|(piece, n)| (number(piece), piece.first.seq, n)).collect();
    by_number.sort_unstable();

    let [mut counts, mut heads, mut lens, mut ways] = [(); 4].map(|()| Writer::new());
    let mut there = Sums::new(pieces.len());
    let mut here = 0;
    let mut rest = by_number.into_iter().peekable();
    for replica in 0..replicas.len() {
        let (mut count, mut end) = (0_u64, 1);
        while let Some((_, _, n)) = rest.next_if(|next| next.0 == replica) {
            let first = pieces[n];
            let at = there.before(n);
            there.add(n, first.len);
            let mut len = first.len;
            // The pieces that go on where this one ends, as it was before others were put between.
            let goes_on = |there: &Sums, len: u64, more: usize| {
                pieces[more].first == first.first.plus(len)
                    && can_be_rest[more]
                    && len + pieces[more].len <= MAX_PIECE
                    && there.before(more) == at + len
            };
            while let Some((_, _, more)) = rest.next_if(|next| goes_on(&there, len, next.2)) {
                there.add(more, pieces[more].len);
                len += pieces[more].len;
            }
            heads.u64((first.first.seq - end) << 1 | u64::from(first.follows));
            lens.u64(len - 1);
            ways.i64(at as i64 - here as i64);
            (count, end, here) = (count + 1, first.first.seq + len, at + len);
        }
        counts.u64(count);
    }
    let mut shown = Writer::new();
    // In turn visible and deleted, beginning with visible.
    let mut turns: Vec<u64> = Vec::new();
    for piece in pieces {
        let deleted = turns.len().is_multiple_of(2);
        match turns.last_mut() {
            Some(len) if deleted == piece.deleted => *len += piece.len,
            None if piece.deleted => turns.extend([0, piece.len]),
            _ => turns.push(piece.len),
        }
    }
    turns.iter().for_each(|len| shown.u64(*len));
    let mut places = Writer::new();
    [counts, heads, lens, ways, shown].into_iter().for_each(|column| places.bytes(&column.into_body()));
    places.into_body()
}

/// Reads what [`encode`] wrote: the pieces in the order of the text. `spans` are the events that are not forgotten.
pub(super) fn decode(spans: &[Span], r: &mut Reader<'_>) -> Result<Vec<Piece>, DecodeError> {
    let columns = [r.bytes()?, r.bytes()?, r.bytes()?, r.bytes()?, r.bytes()?];
    r.end()?;
    let [mut counts, mut heads, mut lens, mut ways, mut shown] =
        columns.map(|column| Reader::new(column, &[]));
    let mut placed = Placed::new();
    let mut here = 0_usize;
    for (replica, span) in (0..).zip(spans) {
        let mut end = 1_u64;
        for _ in 0..counts.u64()? {
            let head = heads.u64()?;
            let len = lens.u64()?.checked_add(1).filter(|len| *len <= MAX_PIECE);
            let len = len.ok_or_else(|| lens.limit("characters in a row"))?;
            let first = end.saturating_add(head >> 1);
            end = first.saturating_add(len);
            if end > span.to + 1 {
                return Err(lens.invalid("a character that is no event"));
            }
            let follows = head & 1 == 1;
            if follows && first > span.after {
                return Err(
                    heads.invalid("of a character that is not forgotten its operation says what it follows")
                );
            }
            let way = isize::try_from(ways.i64()?).ok();
            let at = way.and_then(|way| here.checked_add_signed(way)).filter(|at| *at <= placed.len());
            let at = at.ok_or_else(|| ways.invalid("a place outside the text"))?;
            let after = usize::try_from(len).ok().and_then(|len| placed.len().checked_add(len));
            after.ok_or_else(|| lens.limit("the length of a text"))?;
            placed.insert(at, Run { first: Id::new(replica, first), len, follows });
            here = at + len as usize;
        }
    }
    let mut pieces = Vec::new();
    let (mut deleted, mut left, mut last_forgotten) = (true, 0, None);
    for part in placed.parts() {
        let forgotten = spans.get(part.run.first.replica as usize).map_or(0, |span| span.after);
        let (mut first, end) = (part.run.first, part.run.first.seq + part.run.len);
        while first.seq < end {
            while left == 0 {
                (deleted, left) = (!deleted, shown.u64()?);
            }
            let len = left.min(end - first.seq);
            let is_rest = part.is_rest || first != part.run.first;
            let follows = match is_rest {
                true => rest_follows(first, first.seq <= forgotten, last_forgotten),
                false => part.run.follows,
            };
            pieces.push(Piece { first, len, deleted, follows });
            if first.seq <= forgotten {
                last_forgotten = Some(Id::new(first.replica, (first.seq + len - 1).min(forgotten)));
            }
            (first, left) = (first.plus(len), left - len);
        }
    }
    if left > 0 {
        return Err(shown.invalid("more characters shown than there are"));
    }
    [counts, heads, lens, ways, shown].iter().try_for_each(Reader::end)?;
    Ok(pieces)
}

/// How much is before each of some places, while more comes. Source: P. Fenwick, "A new data structure for cumulative
/// frequency tables", 1994.
struct Sums(Vec<u64>);

impl Sums {
    fn new(places: usize) -> Self {
        Sums(vec![0; places + 1])
    }

    fn add(&mut self, place: usize, n: u64) {
        let mut at = place + 1;
        while let Some(sum) = self.0.get_mut(at) {
            *sum += n;
            at += at & at.wrapping_neg();
        }
    }

    fn before(&self, place: usize) -> u64 {
        let (mut at, mut sum) = (place, 0);
        while at > 0 {
            sum += self.0.get(at).copied().unwrap_or_default();
            at -= at & at.wrapping_neg();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::forgotten;
    use crate::{Doc, Replicated};
    use proptest::prelude::*;

    proptest! {
        /// Three replicas that type, delete and meet, and forget what all have: all pieces come back as they were.
        #[test]
        fn what_is_read_is_what_was_written(
            steps in prop::collection::vec((0usize..3, any::<prop::sample::Index>(), 0usize..8, 0u8..8), 1..60),
            late in prop::collection::vec((0usize..3, any::<prop::sample::Index>(), 0usize..8, 0u8..8), 0..12),
        ) {
            let mut docs = [1, 2, 3].map(|n| Doc::new(ReplicaId::from_u128(n)));
            let write = |docs: &mut [Doc; 3], steps: Vec<(usize, prop::sample::Index, usize, u8)>| {
                for (who, at, len, what) in steps {
                    let doc = &mut docs[who];
                    let chars = doc.text("t").map_or(0, |text| text.len());
                    let at = at.index(chars + 1);
                    match what {
                        0 | 1 => doc.transact(0, |tx| tx.text("t").delete(at..at + len)),
                        2 => doc.transact(0, |tx| tx.put("x", 1)),
                        3 => {
                            let delta = docs[(who + 1) % 3].delta_since(docs[who].version());
                            docs[who].apply(&delta).unwrap();
                        }
                        4 => (0..len).for_each(|_| doc.transact(0, |tx| tx.text("t").insert(at, "b"))),
                        _ => doc.transact(0, |tx| tx.text("t").insert(at, &"ö!".repeat(len))),
                    }
                }
            };
            let meet = |docs: &mut [Doc; 3]| {
                for (a, b) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
                    let delta = docs[a].delta_since(docs[b].version());
                    docs[b].apply(&delta).unwrap();
                }
            };
            write(&mut docs, steps);
            meet(&mut docs);
            let cut = docs[0].version().clone();
            docs.iter_mut().for_each(|doc| doc.forget(&cut));
            write(&mut docs, late);
            meet(&mut docs);
            for doc in &docs {
                let Some(text) = doc.text("t") else { continue };
                let core = text.settled();
                let pieces = forgotten::pieces(&core);
                let spans: Vec<Span> = doc
                    .version()
                    .iter()
                    .map(|(replica, to)| Span { replica, after: cut.get(replica), to })
                    .collect();
                let replicas: Vec<ReplicaId> = spans.iter().map(|span| span.replica).collect();
                let read = decode(&spans, &mut Reader::new(&encode(&core, &pieces, &replicas), &[])).unwrap();
                let names = |pieces: &[Piece], dot: &dyn Fn(Id) -> crate::Dot| -> Vec<_> {
                    pieces.iter().map(|piece| (dot(piece.first), piece.len, piece.deleted, piece.follows)).collect()
                };
                let dot = |id: Id| crate::Dot::new(replicas[id.replica as usize], id.seq);
                prop_assert_eq!(names(&read, &dot), names(&pieces, &|id| core.dot(id)));
            }
        }
    }
}
