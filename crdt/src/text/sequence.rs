//! The order of a text's characters: runs of them, deleted ones too, in chunks with counts.
//!
//! A run is characters of one replica with consecutive numbers that stand side by side. Chunks hold a few
//! dozen runs and the visible text of them. A Fenwick tree over the chunks' visible lengths finds a
//! position; for each replica an index from number to chunk finds a character. So local edits, remote
//! edits and deletions cost `O(log n)` plus a scan within one chunk, whatever was concurrent.

use std::collections::BTreeMap;

use crate::context::DotRanges;
use crate::id::{Dot, ReplicaId, Span};

/// A chunk with more runs than this is cut in two.
const MAX_RUNS: usize = 64;
/// A chunk with more bytes of visible text than this, and more than one run, is cut in two.
const MAX_BYTES: usize = 4096;
/// A longer insertion becomes several runs, so that no edit moves much text.
const MAX_RUN_CHARS: usize = 1024;

/// A character: its replica, as an index into [`Sequence::replicas`], and its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Id {
    replica: u32,
    seq: u64,
}

/// Characters of one replica, side by side in number and in place.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: Id,
    len: u32,
    deleted: bool,
    /// What the first character stood right of when it was written; each other one: the one before it.
    left: Option<Id>,
    /// What all of them stood left of when they were written.
    right: Option<Id>,
}

impl Run {
    fn end(&self) -> u64 {
        self.first.seq + u64::from(self.len)
    }

    fn contains(&self, id: Id) -> bool {
        self.first.replica == id.replica && self.first.seq <= id.seq && id.seq < self.end()
    }

    fn last(&self) -> Id {
        Id { replica: self.first.replica, seq: self.end() - 1 }
    }

    fn visible(&self) -> usize {
        if self.deleted { 0 } else { self.len as usize }
    }

    /// Cuts the run; what comes from `at` characters on is returned.
    fn cut(&mut self, at: u32) -> Run {
        let first = Id { replica: self.first.replica, seq: self.first.seq + u64::from(at) };
        let before = Id { seq: first.seq - 1, ..first };
        let rest = Run { first, len: self.len - at, left: Some(before), ..*self };
        self.len = at;
        rest
    }
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    /// Names the chunk for as long as it lives; its place changes.
    name: u32,
    runs: Vec<Run>,
    /// The visible text of the runs.
    text: String,
    /// Its length in characters.
    chars: usize,
}

impl Chunk {
    /// Where the character at `pos` starts, in bytes.
    fn byte(&self, pos: usize) -> usize {
        if self.text.len() == self.chars {
            return pos.min(self.chars);
        }
        self.text.char_indices().nth(pos).map_or(self.text.len(), |(byte, _)| byte)
    }

    fn visible_before(&self, run: usize) -> usize {
        self.runs.iter().take(run).map(Run::visible).sum()
    }
}

/// A place between runs: chunk and run by index. `run` may be one past the chunk's last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    chunk: usize,
    run: usize,
}

/// All characters of a text in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    chunks: Vec<Chunk>,
    /// Fenwick tree over the visible lengths of `chunks`.
    tree: Vec<usize>,
    /// Where in `chunks` the chunk of each name is.
    places: Vec<u32>,
    replicas: Vec<ReplicaId>,
    by_replica: BTreeMap<ReplicaId, u32>,
    /// For each replica: first number of a run, and the name of the chunk that holds it.
    index: Vec<BTreeMap<u64, u32>>,
}

impl Sequence {
    pub(super) fn len(&self) -> usize {
        self.prefix(self.chunks.len())
    }

    pub(super) fn runs(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.runs.len()).sum()
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &str> {
        self.chunks.iter().map(|chunk| chunk.text.as_str())
    }

    /// Whether every one of these characters is here or in `coming`. Costs runs, not characters.
    pub(super) fn contains_all(&self, span: Span, coming: &DotRanges) -> bool {
        let replica = self.by_replica.get(&span.replica);
        let mut seq = span.after + 1;
        while seq <= span.to {
            let here = replica.and_then(|replica| self.find(Id { replica: *replica, seq }));
            let end = match here.and_then(|place| self.run(place)) {
                Some(run) => Some(run.end() - 1),
                None => coming.run_from(Dot::new(span.replica, seq)),
            };
            let Some(next) = end.and_then(|end| end.checked_add(1)) else { return end.is_some() };
            seq = next;
        }
        true
    }

    // ---- counts of visible characters ----

    /// How many visible characters stand in the chunks before `chunk`.
    fn prefix(&self, chunk: usize) -> usize {
        let (mut i, mut sum) = (chunk, 0);
        while i > 0 {
            sum += self.tree[i - 1];
            i &= i - 1;
        }
        sum
    }

    fn count(&mut self, chunk: usize, added: usize, removed: usize) {
        self.chunks[chunk].chars = self.chunks[chunk].chars + added - removed;
        let mut i = chunk + 1;
        while i <= self.tree.len() {
            self.tree[i - 1] = self.tree[i - 1] + added - removed;
            i += i & i.wrapping_neg();
        }
    }

    /// Counts anew after chunks have moved: `O(chunks)`, once for every few dozen new runs.
    fn recount(&mut self) {
        self.tree.clear();
        self.tree.extend(self.chunks.iter().map(|chunk| chunk.chars));
        for i in 1..=self.tree.len() {
            let parent = i + (i & i.wrapping_neg());
            if parent <= self.tree.len() {
                self.tree[parent - 1] += self.tree[i - 1];
            }
        }
        for (place, chunk) in self.chunks.iter().enumerate() {
            self.places[chunk.name as usize] = place as u32;
        }
    }

    /// The chunk that holds the visible character before `pos`, and how many visible ones stand before it.
    fn chunk_at(&self, pos: usize) -> (usize, usize) {
        let (mut chunk, mut before) = (0, 0);
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            let next = chunk + step;
            if next <= self.tree.len() && before + self.tree[next - 1] < pos {
                chunk = next;
                before += self.tree[next - 1];
            }
            step /= 2;
        }
        (chunk.min(self.chunks.len().saturating_sub(1)), before)
    }

    // ---- characters ----

    fn intern(&mut self, id: ReplicaId) -> u32 {
        let next = self.replicas.len() as u32;
        let replica = *self.by_replica.entry(id).or_insert(next);
        if replica == next {
            self.replicas.push(id);
            self.index.push(BTreeMap::new());
        }
        replica
    }

    fn id(&mut self, dot: Dot) -> Id {
        Id { replica: self.intern(dot.replica), seq: dot.seq }
    }

    fn dot(&self, id: Id) -> Dot {
        Dot::new(self.replicas[id.replica as usize], id.seq)
    }

    /// The run that holds a character.
    fn find(&self, id: Id) -> Option<Place> {
        let (_, name) = self.index.get(id.replica as usize)?.range(..=id.seq).next_back()?;
        let chunk = self.places[*name as usize] as usize;
        let run = self.chunks[chunk].runs.iter().position(|run| run.contains(id))?;
        Some(Place { chunk, run })
    }

    fn run(&self, place: Place) -> Option<&Run> {
        self.chunks.get(place.chunk)?.runs.get(place.run)
    }

    /// The same place, or the start of the next chunk when it is at the end of one.
    fn settle(&self, mut place: Place) -> Place {
        while place.chunk + 1 < self.chunks.len() && place.run >= self.chunks[place.chunk].runs.len() {
            place = Place { chunk: place.chunk + 1, run: 0 };
        }
        place
    }

    fn after(&self, place: Place) -> Place {
        self.settle(Place { run: place.run + 1, ..place })
    }

    /// Where a character stands among all, for comparison.
    fn order(&self, id: Id) -> Option<(Place, u64)> {
        Some((self.find(id)?, id.seq))
    }

    /// Cuts runs so that one ends before the character `id`; returns the place of the run it starts.
    fn cut_before(&mut self, id: Id) -> Option<Place> {
        let place = self.find(id)?;
        let run = &mut self.chunks[place.chunk].runs[place.run];
        if run.first == id {
            return Some(place);
        }
        let rest = run.cut((id.seq - run.first.seq) as u32);
        let name = self.chunks[place.chunk].name;
        self.index[id.replica as usize].insert(id.seq, name);
        self.chunks[place.chunk].runs.insert(place.run + 1, rest);
        Some(Place { run: place.run + 1, ..place })
    }

    /// Cuts runs so that one ends with the character `id`; returns the place after it.
    fn cut_after(&mut self, id: Id) -> Option<Place> {
        let place = self.find(id)?;
        if self.chunks[place.chunk].runs[place.run].last() == id {
            return Some(self.after(place));
        }
        self.cut_before(Id { seq: id.seq + 1, ..id })
    }

    // ---- changes ----

    /// Puts a run with its text at a place. Joins it to the run before when it goes on there.
    /// Returns the position of its first character.
    fn put(&mut self, mut place: Place, run: Run, text: &str) -> usize {
        if self.chunks.is_empty() {
            self.places.push(0);
            self.chunks.push(Chunk::default());
            self.recount();
        }
        if place.run == 0 && place.chunk > 0 {
            // The end of a chunk and the start of the next are one place: typing goes on in the first.
            let chunk = place.chunk - 1;
            place = Place { chunk, run: self.chunks[chunk].runs.len() };
        }
        let chunk = &mut self.chunks[place.chunk];
        let pos = chunk.visible_before(place.run);
        let byte = chunk.byte(pos);
        chunk.text.insert_str(byte, text);
        let before = place.run.checked_sub(1).and_then(|i| chunk.runs.get_mut(i));
        match before.filter(|before| goes_on(before, &run)) {
            Some(before) => before.len += run.len,
            None => {
                chunk.runs.insert(place.run, run);
                let name = chunk.name;
                self.index[run.first.replica as usize].insert(run.first.seq, name);
            }
        }
        self.count(place.chunk, run.len as usize, 0);
        let pos = self.prefix(place.chunk) + pos;
        self.cut_chunk(place.chunk);
        pos
    }

    /// Cuts a chunk that has grown too big in two.
    fn cut_chunk(&mut self, at: usize) {
        let chunk = &mut self.chunks[at];
        let big = chunk.runs.len() > MAX_RUNS || chunk.text.len() > MAX_BYTES && chunk.runs.len() > 1;
        if !big {
            return;
        }
        let half = chunk.runs.len() / 2;
        let chars = chunk.visible_before(half);
        let byte = chunk.byte(chars);
        let name = self.places.len() as u32;
        let rest = Chunk {
            name,
            runs: chunk.runs.split_off(half),
            text: chunk.text.split_off(byte),
            chars: chunk.chars - chars,
        };
        chunk.chars = chars;
        for run in &rest.runs {
            self.index[run.first.replica as usize].insert(run.first.seq, name);
        }
        self.places.push(0);
        self.chunks.insert(at + 1, rest);
        self.recount();
    }

    /// Puts a text in as runs of bounded length, each going on from the one before.
    fn put_all(&mut self, place: Place, first: Id, left: Option<Id>, right: Option<Id>, text: &str) -> usize {
        let (mut place, mut next, mut left, mut rest) = (place, first, left, text);
        let mut start = None;
        while !rest.is_empty() {
            let (byte, len) = prefix_chars(rest, MAX_RUN_CHARS);
            let (piece, after) = rest.split_at(byte);
            let run = Run { first: next, len: len as u32, deleted: false, left, right };
            let pos = self.put(place, run, piece);
            start.get_or_insert(pos);
            rest = after;
            left = Some(run.last());
            next.seq += len as u64;
            if !rest.is_empty() {
                place = self.find(run.last()).map_or(place, |place| self.after(place));
            }
        }
        start.unwrap_or_default()
    }

    /// Inserts a local text before the visible character at `pos`. Returns its neighbours.
    pub(super) fn insert_at(&mut self, pos: usize, at: Dot, text: &str) -> (Option<Dot>, Option<Dot>) {
        let first = self.id(at);
        let left = self.visible(pos);
        let place = match left {
            Some((place, id)) if self.chunks[place.chunk].runs[place.run].last() == id => self.after(place),
            Some((_, id)) => self.cut_after(id).unwrap_or(Place { chunk: 0, run: 0 }),
            None => Place { chunk: 0, run: 0 },
        };
        let left = left.map(|(_, id)| id);
        let right = self.run(self.settle(place)).map(|run| run.first);
        self.put_all(place, first, left, right, text);
        (left.map(|id| self.dot(id)), right.map(|id| self.dot(id)))
    }

    /// The visible character before `pos` and the run that holds it; `None` at the start.
    fn visible(&self, pos: usize) -> Option<(Place, Id)> {
        if pos == 0 || self.chunks.is_empty() {
            return None;
        }
        let (chunk, mut before) = self.chunk_at(pos);
        for (i, run) in self.chunks[chunk].runs.iter().enumerate() {
            let visible = run.visible();
            if before + visible >= pos {
                let id = Id { seq: run.first.seq + (pos - before - 1) as u64, ..run.first };
                return Some((Place { chunk, run: i }, id));
            }
            before += visible;
        }
        None
    }

    /// The visible characters in order, as runs of numbers.
    pub(super) fn visible_runs(&self) -> impl Iterator<Item = Span> + '_ {
        let runs = self.chunks.iter().flat_map(|chunk| &chunk.runs).filter(|run| !run.deleted);
        runs.map(|run| Span {
            replica: self.replicas[run.first.replica as usize],
            after: run.first.seq - 1,
            to: run.end() - 1,
        })
    }

    /// The visible character at `pos`.
    pub(super) fn dot_at(&self, pos: usize) -> Option<Dot> {
        let (_, id) = (pos < self.len()).then(|| self.visible(pos + 1))??;
        Some(self.dot(id))
    }

    /// Where a visible character stands; `None` for one that is deleted or never was.
    pub(super) fn position_of(&self, dot: Dot) -> Option<usize> {
        let place = self.find(Id { replica: *self.by_replica.get(&dot.replica)?, seq: dot.seq })?;
        let chunk = &self.chunks[place.chunk];
        let run = chunk.runs.get(place.run).filter(|run| !run.deleted)?;
        Some(self.prefix(place.chunk) + chunk.visible_before(place.run) + (dot.seq - run.first.seq) as usize)
    }

    /// Inserts another replica's text between its neighbours, among what was concurrently inserted there.
    /// Returns the position of its first character; `None` if it is here already.
    pub(super) fn integrate(
        &mut self,
        at: Dot,
        left: Option<Dot>,
        right: Option<Dot>,
        text: &str,
    ) -> Option<usize> {
        let first = self.id(at);
        if self.find(first).is_some() {
            return None;
        }
        let left = left.map(|dot| self.id(dot));
        let mut right = right.map(|dot| self.id(dot));
        // No honest author sees its right neighbour left of its left one.
        if right.and_then(|id| self.order(id)) <= left.and_then(|id| self.order(id)) {
            right = None;
        }
        let place = self.destination(first, left, right);
        Some(self.put_all(place, first, left, right, text))
    }

    /// Where a run goes among those that were inserted between the same neighbours concurrently.
    /// The rule is FugueMax's, in the form of a scan from the left neighbour to the right one.
    fn destination(&mut self, first: Id, left: Option<Id>, right: Option<Id>) -> Place {
        let start = left.and_then(|id| self.cut_after(id)).unwrap_or(Place { chunk: 0, run: 0 });
        let mut here = self.settle(start);
        // The common case: nothing was inserted there concurrently.
        if self.run(here).map(|run| run.first) == right {
            return here;
        }
        if let Some(id) = right {
            self.cut_before(id);
            here = left.and_then(|id| self.find(id)).map_or(Place { chunk: 0, run: 0 }, |p| self.after(p));
            here = self.settle(here);
        }
        let my_left = left.and_then(|id| self.order(id));
        let my_right = right.and_then(|id| self.order(id));
        let (mut destination, mut maybe) = (here, false);
        while let Some(other) = self.run(here).copied() {
            if Some(other.first) == right {
                break;
            }
            let its_left = other.left.and_then(|id| self.order(id));
            if its_left < my_left {
                break;
            }
            if its_left == my_left {
                let its_right = other.right.and_then(|id| self.order(id));
                if its_right == my_right {
                    if self.dot(first).replica < self.dot(other.first).replica {
                        break;
                    }
                    maybe = false;
                } else {
                    // `None` is the end of the text here: right of every character.
                    maybe = match (its_right, my_right) {
                        (Some(its), Some(my)) => its < my,
                        (its, _) => its.is_some(),
                    };
                }
            }
            here = self.after(here);
            if !maybe {
                destination = here;
            }
        }
        destination
    }

    /// Deletes the `len` visible characters from `pos` on. Returns them, as runs of numbers.
    pub(super) fn delete_at(&mut self, pos: usize, len: usize) -> Vec<Span> {
        let mut deleted: Vec<Span> = Vec::new();
        let mut left = len;
        while left > 0 {
            let Some((place, id)) = self.visible(pos + 1) else { break };
            let run = self.chunks[place.chunk].runs[place.run];
            let take = (run.end() - id.seq).min(left as u64);
            let replica = self.dot(id).replica;
            let span = Span { replica, after: id.seq - 1, to: id.seq + take - 1 };
            self.delete(span, |_, _| ());
            left -= take as usize;
            match deleted.last_mut().filter(|last| last.replica == replica && last.to == span.after) {
                Some(last) => last.to = span.to,
                None => deleted.push(span),
            }
        }
        deleted
    }

    /// Deletes these characters; calls `patch` with position and length of each visible stretch.
    pub(super) fn delete(&mut self, span: Span, mut patch: impl FnMut(usize, usize)) {
        let replica = self.intern(span.replica);
        let mut seq = span.after + 1;
        while seq <= span.to {
            let Some(place) = self.find(Id { replica, seq }) else { break };
            let run = self.chunks[place.chunk].runs[place.run];
            let end = run.end().min(span.to + 1);
            if !run.deleted {
                self.hide(Id { replica, seq }, end, &mut patch);
            }
            seq = end;
        }
    }

    /// Hides the characters from `id` up to number `end`, which lie in one visible run.
    fn hide(&mut self, id: Id, end: u64, patch: &mut impl FnMut(usize, usize)) {
        let Some(place) = self.cut_before(id) else { return };
        if self.chunks[place.chunk].runs[place.run].end() > end {
            self.cut_before(Id { seq: end, ..id });
        }
        let len = (end - id.seq) as usize;
        let chunk = &mut self.chunks[place.chunk];
        let pos = chunk.visible_before(place.run);
        let (from, to) = (chunk.byte(pos), chunk.byte(pos + len));
        chunk.text.replace_range(from..to, "");
        chunk.runs[place.run].deleted = true;
        self.count(place.chunk, 0, len);
        patch(self.prefix(place.chunk) + pos, len);
        self.join_deleted(place);
        self.cut_chunk(place.chunk);
    }

    /// Joins a deleted run to a deleted one before it that it goes on from.
    fn join_deleted(&mut self, place: Place) {
        let chunk = &mut self.chunks[place.chunk];
        for right in [place.run + 1, place.run] {
            let Some(left) = right.checked_sub(1) else { continue };
            if let (Some(a), Some(b)) = (chunk.runs.get(left).copied(), chunk.runs.get(right).copied())
                && goes_on(&a, &b)
            {
                chunk.runs[left].len += b.len;
                chunk.runs.remove(right);
                self.index[b.first.replica as usize].remove(&b.first.seq);
            }
        }
    }
}

/// Whether `next`, standing right after `run`, is one run with it.
fn goes_on(run: &Run, next: &Run) -> bool {
    next.first.replica == run.first.replica
        && next.first.seq == run.end()
        && next.left == Some(run.last())
        && next.right == run.right
        && next.deleted == run.deleted
        && (run.deleted || (run.len + next.len) as usize <= MAX_RUN_CHARS)
}

/// The bytes and characters of the first `most` characters.
fn prefix_chars(text: &str, most: usize) -> (usize, usize) {
    match text.char_indices().nth(most) {
        Some((byte, _)) => (byte, most),
        None => (text.len(), text.chars().count()),
    }
}
