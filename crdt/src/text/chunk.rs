//! A chunk of a text: a few dozen runs, and the visible characters of them.

use super::count::Count;
use super::view::byte_in;

/// A character: its replica, as a number in the text's roster, and its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Id {
    pub(super) seq: u64,
    pub(super) replica: u32,
}

impl Id {
    pub(super) fn new(replica: u32, seq: u64) -> Id {
        Id { seq, replica }
    }

    /// The character that is `n` numbers further on.
    pub(super) fn plus(self, n: u64) -> Id {
        Id { seq: self.seq + n, ..self }
    }

    /// The character numbered before this one; of number 0, which no character has, for the first.
    pub(super) fn before(self) -> Id {
        Id { seq: self.seq.saturating_sub(1), ..self }
    }
}

/// The run is deleted.
const DELETED: u32 = 1 << 31;
/// The first character was written right of the one numbered before it, as all others are.
const CHAINED: u32 = 1 << 30;
const LEN: u32 = CHAINED - 1;

/// Longest visible run that grows from shorter ones, in characters: no edit moves much text.
pub(super) const MAX_RUN: usize = small(512, 6);
/// A chunk with more runs than this is cut in two.
const MAX_RUNS: usize = small(48, 3);
/// So is a chunk of several runs with more bytes of text than this.
pub(super) const MAX_BYTES: usize = small(1536, 24);

/// A limit, and what it is in debug builds: there the small texts of tests have many chunks.
pub(super) const fn small(limit: usize, debug: usize) -> usize {
    if cfg!(debug_assertions) { debug } else { limit }
}

/// Characters of one replica, side by side in number and in place; all but the first were written right of
/// the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The number of the first character, low half first: so a run is 16 bytes.
    seq: [u32; 2],
    replica: u32,
    /// The length, and two flags.
    bits: u32,
}

impl Run {
    pub(super) fn new(first: Id, len: usize, chained: bool) -> Run {
        let seq = [first.seq as u32, (first.seq >> 32) as u32];
        let bits = (len as u32 & LEN) | if chained { CHAINED } else { 0 };
        Run { seq, replica: first.replica, bits }
    }

    /// The first character.
    pub(super) fn first(&self) -> Id {
        Id::new(self.replica, u64::from(self.seq[0]) | u64::from(self.seq[1]) << 32)
    }

    pub(super) fn len(&self) -> usize {
        (self.bits & LEN) as usize
    }

    pub(super) fn deleted(&self) -> bool {
        self.bits & DELETED != 0
    }

    pub(super) fn chained(&self) -> bool {
        self.bits & CHAINED != 0
    }

    pub(super) fn visible(&self) -> usize {
        if self.deleted() { 0 } else { self.len() }
    }

    pub(super) fn end(&self) -> u64 {
        self.first().seq + self.len() as u64
    }

    /// How far into the run a character is.
    pub(super) fn offset(&self, id: Id) -> Option<usize> {
        let offset = id.seq.wrapping_sub(self.first().seq);
        (self.replica == id.replica && offset < self.len() as u64).then_some(offset as usize)
    }

    /// The part from `from` up to `to`.
    fn part(&self, from: usize, to: usize) -> Run {
        let chained = from > 0 || self.chained();
        let deleted = self.bits & DELETED;
        let mut part = Run::new(self.first().plus(from as u64), to - from, chained);
        part.bits |= deleted;
        part
    }

    pub(super) fn hidden(mut self) -> Run {
        self.bits |= DELETED;
        self
    }

    /// Whether `next`, standing right after this run, is one with it.
    fn goes_on(&self, next: &Run) -> bool {
        let most = if self.deleted() { LEN as usize } else { MAX_RUN };
        next.chained()
            && next.first() == Id::new(self.replica, self.end())
            && next.deleted() == self.deleted()
            && self.len() + next.len() <= most
    }
}

/// A place in a chunk: `offset` characters into a run, which has `before` visible ones before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) run: usize,
    pub(super) offset: usize,
    pub(super) before: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    pub(super) runs: Vec<Run>,
    /// The visible text of the runs.
    pub(super) text: String,
    /// Its length in characters.
    pub(super) chars: usize,
}

impl Chunk {
    /// One visible run.
    pub(super) fn of(run: Run, text: &str) -> Chunk {
        Chunk { runs: vec![run], text: text.to_owned(), chars: run.len() }
    }

    /// Where the character at `pos` starts, in bytes.
    pub(super) fn byte(&self, pos: usize) -> usize {
        byte_in(&self.text, self.chars, pos)
    }

    /// Where a character stands.
    pub(super) fn find(&self, id: Id) -> Option<Spot> {
        let mut before = 0;
        for (i, run) in self.runs.iter().enumerate() {
            if let Some(offset) = run.offset(id) {
                return Some(Spot { run: i, offset, before });
            }
            before += run.visible();
        }
        None
    }

    /// Where the `n`-th visible character stands, counting from 0.
    pub(super) fn visible(&self, n: usize) -> Option<Spot> {
        let mut before = 0;
        for (i, run) in self.runs.iter().enumerate() {
            let visible = run.visible();
            if before + visible > n {
                return Some(Spot { run: i, offset: n - before, before });
            }
            before += visible;
        }
        None
    }

    /// The place right behind the character at a spot.
    pub(super) fn after(&self, spot: Spot) -> Spot {
        match self.runs.get(spot.run) {
            Some(run) if spot.offset + 1 < run.len() => Spot { offset: spot.offset + 1, ..spot },
            Some(run) => Spot { run: spot.run + 1, offset: 0, before: spot.before + run.visible() },
            None => spot,
        }
    }

    /// How many visible characters stand before a spot.
    pub(super) fn position(&self, spot: Spot) -> usize {
        let deleted = self.runs.get(spot.run).is_some_and(Run::deleted);
        spot.before + if deleted { 0 } else { spot.offset }
    }

    /// Puts a run in at a spot, with the text that is visible of it.
    pub(super) fn insert(&mut self, spot: Spot, run: Run, text: &str) {
        self.insert_text(spot, run.visible(), text);
        if spot.offset > 0 {
            self.insert_runs(spot, [run]);
        } else if let Some(before) = spot.run.checked_sub(1).and_then(|i| self.runs.get_mut(i))
            && before.goes_on(&run)
        {
            before.bits += run.len() as u32;
        } else {
            self.runs.insert(spot.run, run);
        }
    }

    /// Puts `len` characters in at a spot, each before the one numbered before it.
    pub(super) fn insert_backwards(&mut self, spot: Spot, first: Id, len: usize, chained: bool, text: &str) {
        self.insert_text(spot, len, text);
        let run = |n: usize| Run::new(first.plus(n as u64), 1, chained && n == 0);
        self.insert_runs(spot, (0..len).rev().map(run));
    }

    fn insert_text(&mut self, spot: Spot, chars: usize, text: &str) {
        let byte = self.byte(self.position(spot));
        self.text.insert_str(byte, text);
        self.chars += chars;
    }

    fn insert_runs(&mut self, spot: Spot, runs: impl IntoIterator<Item = Run>) {
        match spot.offset {
            0 => drop(self.runs.splice(spot.run..spot.run, runs)),
            offset => {
                let cut = self.runs[spot.run];
                self.runs[spot.run] = cut.part(0, offset);
                let rest = runs.into_iter().chain([cut.part(offset, cut.len())]);
                self.runs.splice(spot.run + 1..spot.run + 1, rest);
            }
        }
    }

    /// Deletes `len` characters from a spot on, which lie in one visible run. Returns what they counted.
    pub(super) fn hide(&mut self, spot: Spot, len: usize) -> Count {
        let (from, to) = (self.byte(spot.before + spot.offset), self.byte(spot.before + spot.offset + len));
        let count = Count::of(&self.text[from..to]);
        self.text.replace_range(from..to, "");
        self.chars -= len;
        let run = self.runs[spot.run];
        let (start, end) = (spot.offset, spot.offset + len);
        let mut hidden = run.part(start, end).hidden();
        let (mut first, mut last) = (spot.run, spot.run + 1);
        let left = (start > 0).then(|| run.part(0, start));
        let right = (end < run.len()).then(|| run.part(end, run.len()));
        if left.is_none()
            && let Some(before) = first.checked_sub(1).map(|i| self.runs[i])
            && before.goes_on(&hidden)
        {
            hidden = Run { bits: before.bits + hidden.len() as u32, ..before };
            first -= 1;
        }
        if right.is_none()
            && let Some(next) = self.runs.get(last)
            && hidden.goes_on(next)
        {
            hidden.bits += next.len() as u32;
            last += 1;
        }
        self.runs.splice(first..last, left.into_iter().chain([hidden]).chain(right));
        count
    }

    pub(super) fn is_big(&self) -> bool {
        self.runs.len() > MAX_RUNS || self.text.len() > MAX_BYTES && self.runs.len() > 1
    }

    /// Cuts the chunk in two; the second half is returned.
    pub(super) fn split(&mut self) -> Chunk {
        let half = self.runs.len() / 2;
        let before = self.runs.iter().take(half).map(Run::visible).sum();
        self.split_at(Spot { run: half, offset: 0, before })
    }

    /// Cuts the chunk in two at a spot; what is behind it is returned.
    pub(super) fn split_at(&mut self, spot: Spot) -> Chunk {
        let chars = self.position(spot);
        let byte = self.byte(chars);
        let mut runs = self.runs.split_off(spot.run);
        if spot.offset > 0
            && let Some(run) = runs.first_mut()
        {
            self.runs.push(run.part(0, spot.offset));
            *run = run.part(spot.offset, run.len());
        }
        let rest = Chunk { runs, text: self.text.split_off(byte), chars: self.chars - chars };
        self.chars = chars;
        // Room to grow a little, not to keep what the other part took.
        self.runs.shrink_to(self.runs.len() * 3 / 2);
        self.text.shrink_to(byte + byte / 2);
        rest
    }
}
