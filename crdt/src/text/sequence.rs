//! All characters of a text in their order, deleted ones too.
//!
//! Chunks hold runs of characters and the visible text of them; a [`Tree`] over the chunks finds a
//! position, an [`Index`] for each replica finds a character. So local edits, remote edits and deletions
//! cost `O(log n)` plus a scan within one chunk, whatever was concurrent.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::chunk::{Chunk, Id, MAX_BYTES, MAX_RUN, Run, Spot};
use super::count::{Count, Unit, boundary, byte_of_char};
use super::index::Index;
use super::tree::{Tree, push};
use super::view::Pieces;

/// A place between characters or of the character behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) chunk: usize,
    pub(super) spot: Spot,
}

const START: Place = Place { chunk: 0, spot: Spot { run: 0, offset: 0, before: 0 } };

/// A stretch of visible or of deleted characters of one replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) first: Id,
    pub(super) len: usize,
    pub(super) deleted: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// By number; their order is the tree's.
    chunks: Vec<Chunk>,
    tree: Tree,
    /// By replica.
    index: Vec<Index>,
}

impl Default for Sequence {
    fn default() -> Self {
        Sequence { chunks: vec![Chunk::default()], tree: Tree::default(), index: Vec::new() }
    }
}

impl Pieces for Sequence {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn piece(&self, number: usize) -> (&str, usize) {
        let chunk = &self.chunks[number];
        (&chunk.text, chunk.chars)
    }
}

impl Sequence {
    pub(super) fn runs(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.runs.len()).sum()
    }

    /// Everything in order, deleted characters too.
    pub(super) fn stretches(&self) -> impl Iterator<Item = Stretch> + '_ {
        let runs = self.tree.from(Some(0)).flat_map(|chunk| &self.chunks[chunk].runs);
        runs.map(|run| Stretch { first: run.first(), len: run.len(), deleted: run.deleted() })
    }

    // ---- characters ----

    /// Where a character is.
    pub(super) fn find(&self, id: Id) -> Option<Place> {
        let chunk = self.index.get(id.replica as usize)?.get(id.seq)?;
        Some(Place { chunk, spot: self.chunks[chunk].find(id)? })
    }

    /// The visible character at `pos`.
    pub(super) fn visible(&self, pos: usize) -> Option<Place> {
        let (chunk, before) = self.tree.find(Unit::Chars, pos.checked_add(1)?);
        Some(Place { chunk, spot: self.chunks[chunk].visible(pos.checked_sub(before)?)? })
    }

    fn run(&self, place: Place) -> Option<&Run> {
        self.chunks[place.chunk].runs.get(place.spot.run)
    }

    /// The character at a place.
    pub(super) fn id(&self, place: Place) -> Option<Id> {
        self.run(place).map(|run| run.first().plus(place.spot.offset as u64))
    }

    /// The run that a place is in.
    pub(super) fn stretch(&self, place: Place) -> Option<Stretch> {
        self.run(place).map(|run| Stretch { first: run.first(), len: run.len(), deleted: run.deleted() })
    }

    /// How many visible characters stand before a place.
    pub(super) fn position(&self, place: Place) -> usize {
        self.tree.chars_before(place.chunk) + self.chunks[place.chunk].position(place.spot)
    }

    /// The place right behind a character.
    pub(super) fn after(&self, place: Place) -> Place {
        Place { spot: self.chunks[place.chunk].after(place.spot), ..place }
    }

    /// The character behind a place: the same place, or the start of the next chunk.
    pub(super) fn settle(&self, mut place: Place) -> Place {
        while place.spot.run >= self.chunks[place.chunk].runs.len() {
            let Some(next) = self.tree.next(place.chunk) else { break };
            place = Place { chunk: next, ..START };
        }
        place
    }

    /// The place right behind a character, or the start.
    pub(super) fn behind(&self, left: Option<Id>) -> Place {
        left.and_then(|id| self.find(id)).map_or(START, |place| self.after(place))
    }

    /// The place before the visible character at `pos` and behind the one before that, with the neighbours:
    /// the visible character on the left and whatever is on the right.
    pub(super) fn gap(&self, pos: usize) -> (Place, Option<Id>, Option<Id>) {
        let left = pos.checked_sub(1).and_then(|pos| self.visible(pos));
        let place = left.map_or(START, |left| self.after(left));
        (place, left.and_then(|left| self.id(left)), self.id(self.settle(place)))
    }

    /// Which of two characters stands first; `None` for one that is not here.
    pub(super) fn order(&self, a: Id, b: Id) -> Option<Ordering> {
        if a == b {
            return Some(Ordering::Equal);
        }
        Some(self.place_order(self.find(a)?, self.find(b)?))
    }

    /// Which of two places comes first.
    pub(super) fn place_order(&self, a: Place, b: Place) -> Ordering {
        let within = (a.spot.run, a.spot.offset).cmp(&(b.spot.run, b.spot.offset));
        self.tree.order(a.chunk, b.chunk).then(within)
    }

    /// The run that ends at a place, from behind `left` on if that is in it: its place and its first
    /// character. `None` at the start and right behind `left`.
    pub(super) fn previous(&self, mut place: Place, left: Option<Id>) -> Option<(Place, Id)> {
        while place.spot.run == 0 && place.spot.offset == 0 {
            let chunk = self.tree.previous(place.chunk)?;
            let runs = self.chunks[chunk].runs.len();
            place = Place { chunk, spot: Spot { run: runs, offset: 0, before: self.chunks[chunk].chars } };
        }
        let Spot { run, offset, before } = place.spot;
        let (spot, last) = match offset.checked_sub(1) {
            Some(last) => (Spot { offset: 0, ..place.spot }, last),
            None => {
                let previous = self.chunks[place.chunk].runs.get(run - 1)?;
                let before = before - previous.visible();
                (Spot { run: run - 1, offset: 0, before }, previous.len() - 1)
            }
        };
        let start = Place { spot, ..place };
        let first = self.id(start)?;
        match left.and_then(|left| self.run(start)?.offset(left)) {
            Some(at) if at == last => None,
            Some(at) if at < last => {
                Some((Place { spot: Spot { offset: at + 1, ..spot }, ..place }, first.plus(at as u64 + 1)))
            }
            _ => Some((start, first)),
        }
    }

    /// The place behind the rest of a run, or before `right` if that is in it.
    pub(super) fn behind_run(&self, here: Place, right: Option<Id>) -> Place {
        let Some(run) = self.run(here) else { return here };
        let Spot { run: at, offset, before } = here.spot;
        let spot = match right.and_then(|right| run.offset(right)).filter(|right| *right > offset) {
            Some(offset) => Spot { offset, ..here.spot },
            None => Spot { run: at + 1, offset: 0, before: before + run.visible() },
        };
        Place { spot, ..here }
    }

    /// The place of the first run, from a place on and before another, of whose first character `before` is not so: it is of
    /// all before that run, and of none behind it.
    pub(super) fn partition(
        &self,
        from: Place,
        to: Option<Place>,
        mut before: impl FnMut(Id) -> bool,
    ) -> Place {
        let from = self.settle(from);
        let mut is_before = |place: Place| {
            let place = self.settle(place);
            let Some(id) = self.id(place) else { return false };
            self.place_order(place, from).is_lt()
                || to.is_none_or(|to| self.place_order(place, to).is_lt()) && before(id)
        };
        if !is_before(from) {
            return from;
        }
        let chunk = self.tree.last_where(|chunk| is_before(Place { chunk, ..START }));
        let runs = &self.chunks[chunk].runs;
        let known = if chunk == from.chunk { from.spot.run } else { 0 };
        let (mut low, mut high) = (runs.len().min(known + 1), runs.len());
        while low < high {
            let run = low.midpoint(high);
            if is_before(Place { chunk, spot: Spot { run, offset: 0, before: 0 } }) {
                low = run + 1;
            } else {
                high = run;
            }
        }
        let before = runs.iter().take(low).map(Run::visible).sum();
        Place { chunk, spot: Spot { run: low, offset: 0, before } }
    }

    // ---- changes ----

    /// Makes room for replicas up to this one.
    fn index(&mut self, replica: u32) -> &mut Index {
        let replica = replica as usize;
        if replica >= self.index.len() {
            self.index.resize_with(replica + 1, Index::default);
        }
        &mut self.index[replica]
    }

    /// Puts characters in at a place. `chained` says that the first was written right of the one numbered
    /// before it.
    pub(super) fn insert(&mut self, place: Place, first: Id, chained: bool, text: &str) {
        if text.len() > MAX_RUN {
            return self.insert_long(place, first, chained, text);
        }
        let count = Count::of(text);
        let Some(last) = (count.chars() as u64).checked_sub(1).map(|n| first.plus(n)) else { return };
        self.chunks[place.chunk].insert(place.spot, Run::new(first, count.chars(), chained), text);
        self.index(first.replica).set(first.seq, last.seq, place.chunk);
        self.tree.add(place.chunk, count);
        self.cut(place.chunk);
    }

    /// Puts characters in at a place of which each was written before the one numbered before it.
    pub(super) fn insert_backwards(&mut self, place: Place, first: Id, chained: bool, text: &str) {
        let count = Count::of(text);
        let Some(last) = (count.chars() as u64).checked_sub(1).map(|n| first.plus(n)) else { return };
        self.chunks[place.chunk].insert_backwards(place.spot, first, count.chars(), chained, text);
        self.index(first.replica).set(first.seq, last.seq, place.chunk);
        self.tree.add(place.chunk, count);
        self.cut(place.chunk);
    }

    /// Puts a long text in: in chunks of its own.
    fn insert_long(&mut self, place: Place, mut first: Id, mut chained: bool, mut text: &str) {
        let mut chunk = place.chunk;
        self.cut_at(place);
        while !text.is_empty() {
            let end = boundary(text, MAX_BYTES);
            let (block, rest) = text.split_at(end);
            let count = Count::of(block);
            let end = first.plus(count.chars() as u64);
            self.tree.add(chunk, count);
            chunk = self.tree.split(chunk, count);
            push(&mut self.chunks, Chunk::of(Run::new(first, count.chars(), chained), block));
            self.index(first.replica).set(first.seq, end.seq - 1, chunk);
            (first, chained, text) = (end, true, rest);
        }
    }

    /// Puts deleted characters in at a place, of which nothing else is known.
    pub(super) fn insert_deleted(&mut self, place: Place, first: Id, chained: bool, len: usize) {
        self.chunks[place.chunk].insert(place.spot, Run::new(first, len, chained).hidden(), "");
        self.index(first.replica).set(first.seq, first.plus(len as u64 - 1).seq, place.chunk);
        self.cut(place.chunk);
    }

    /// Puts the visible text in where there are blanks of one byte for each of its characters.
    pub(super) fn fill(&mut self, mut visible: &str) {
        let order: Vec<usize> = self.tree.from(Some(0)).collect();
        for chunk in order {
            let (text, rest) = visible.split_at(byte_of_char(visible, self.chunks[chunk].chars));
            self.tree.remove(chunk, Count::of(&self.chunks[chunk].text));
            self.tree.add(chunk, Count::of(text));
            self.chunks[chunk].text = text.to_owned();
            visible = rest;
        }
    }

    /// Deletes `len` characters from a place on, which lie in one visible run.
    pub(super) fn hide(&mut self, place: Place, len: usize) {
        let count = self.chunks[place.chunk].hide(place.spot, len);
        self.tree.remove(place.chunk, count);
        self.cut(place.chunk);
    }

    /// Deletes characters of one replica; calls `before` with place and length of each visible stretch.
    pub(super) fn delete(&mut self, first: Id, len: u64, mut before: impl FnMut(&Self, Place, usize)) {
        let (mut id, end) = (first, first.seq + len);
        while id.seq < end {
            let Some(place) = self.find(id) else { break };
            let Some(run) = self.run(place).copied() else { break };
            let len = (run.end().min(end) - id.seq) as usize;
            if !run.deleted() {
                before(self, place, len);
                self.hide(place, len);
            }
            id = id.plus(len as u64);
        }
    }

    /// Cuts a chunk that has grown too big in two, and those if they still are.
    fn cut(&mut self, chunk: usize) {
        if self.chunks[chunk].is_big() {
            let rest = self.chunks[chunk].split();
            let new = self.put_behind(chunk, rest);
            self.cut(chunk);
            self.cut(new);
        }
    }

    /// Cuts a chunk in two at a place; what is behind it goes to a chunk of its own.
    fn cut_at(&mut self, place: Place) {
        if place.spot.run < self.chunks[place.chunk].runs.len() {
            let rest = self.chunks[place.chunk].split_at(place.spot);
            self.put_behind(place.chunk, rest);
        }
    }

    /// Makes a chunk of what was cut off another; its number.
    fn put_behind(&mut self, chunk: usize, rest: Chunk) -> usize {
        let new = self.tree.split(chunk, Count::of(&rest.text));
        // Runs that are neighbours in number move as one, whatever was put between them.
        let runs = rest.runs.iter().map(|run| (run.first().replica, run.first().seq, run.end()));
        let mut moved: SmallVec<[(u32, u64, u64); 32]> = runs.collect();
        moved.sort_unstable();
        for runs in moved.chunk_by(|a, b| a.0 == b.0 && a.2 == b.1) {
            let ((replica, first, _), (_, _, end)) = (runs[0], runs[runs.len() - 1]);
            self.index(replica).set(first, end - 1, new);
        }
        push(&mut self.chunks, rest);
        new
    }
}
