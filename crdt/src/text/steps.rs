//! Edits of one author as positions, in a few bytes each.

/// What a step does at its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Inserts characters.
    Insert,
    /// Inserts characters one by one, each before the last.
    InsertBack,
    /// Deletes characters.
    Delete,
    /// Deletes characters that start there, from the end to the front.
    DeleteBack,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Insert, Kind::InsertBack, Kind::Delete, Kind::DeleteBack];
}

/// Edits that follow each other in one place; each character is one event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) pos: usize,
    pub(super) len: u64,
}

impl Step {
    /// Where the author stands after it.
    fn end(&self) -> usize {
        if self.kind == Kind::Insert { self.pos + self.len as usize } else { self.pos }
    }
}

/// In the low bits of a step's head, below its length: its kind, and whether events of something else come
/// before it.
const GAP: u64 = 4;
const BITS: u32 = 3;

/// All steps but the last are bytes: head, how many other events come before, how far from where the step
/// before it ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    bytes: Vec<u8>,
    last: Option<Step>,
    /// The first event of the last step.
    first: u64,
    /// Where the step before the last left off, and the event after it.
    before: (usize, u64),
    longest: u64,
}

impl Steps {
    /// The event after the last step's.
    pub(super) fn next(&self) -> u64 {
        self.first + self.last.map_or(0, |step| step.len)
    }

    /// The length of the longest step, in characters.
    pub(super) fn longest(&self) -> usize {
        self.longest.max(self.last.map_or(0, |step| step.len)) as usize
    }

    /// Makes the last step, an insertion, longer, if one at `pos` goes on from it.
    pub(super) fn type_more(&mut self, first: u64, pos: usize, len: u64) -> bool {
        let next = self.next();
        let Some(last) = &mut self.last else { return false };
        let goes_on = next == first && last.kind == Kind::Insert && last.end() == pos;
        last.len += if goes_on { len } else { 0 };
        goes_on
    }

    /// Makes the last step, a deletion, longer, if one at `pos` goes on from it.
    pub(super) fn delete_more(&mut self, first: u64, pos: usize, len: u64) -> bool {
        if self.next() != first {
            return false;
        }
        let Some(last) = &mut self.last else { return false };
        let back = len == 1 && pos + 1 == last.pos && (last.len == 1 || last.kind == Kind::DeleteBack);
        let goes_on = back || pos == last.pos && last.kind == Kind::Delete;
        if goes_on {
            let kind = if back { Kind::DeleteBack } else { Kind::Delete };
            *last = Step { kind, pos, len: last.len + len };
        }
        goes_on
    }

    /// Appends a step whose first event is `first`.
    pub(super) fn push(&mut self, first: u64, step: Step) {
        if let Some(last) = &mut self.last {
            let types_back = step.kind == Kind::Insert
                && (last.kind == Kind::InsertBack || last.kind == step.kind && last.len == 1);
            if types_back && step.len == 1 && step.pos == last.pos && first == self.first + last.len {
                last.kind = Kind::InsertBack;
                last.len += 1;
                return;
            }
        }
        if let Some(last) = self.last.replace(step) {
            let (place, next) = self.before;
            let gap = self.first - next;
            put(&mut self.bytes, last.len << BITS | if gap > 0 { GAP } else { 0 } | last.kind as u64);
            if gap > 0 {
                put(&mut self.bytes, gap);
            }
            let by = last.pos as i64 - place as i64;
            put(&mut self.bytes, (by << 1 ^ by >> 63) as u64);
            self.before = (last.end(), self.first + last.len);
            self.longest = self.longest.max(last.len);
        }
        self.first = first;
    }

    /// All steps, each with its first event.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Step)> + '_ {
        let mut bytes = self.bytes.as_slice();
        let (mut place, mut next) = (0_usize, 0);
        let closed = std::iter::from_fn(move || {
            let head = take(&mut bytes)?;
            let gap = if head & GAP != 0 { take(&mut bytes)? } else { 0 };
            let by = take(&mut bytes)?;
            let by = (by >> 1) as i64 ^ -((by & 1) as i64);
            let kind = Kind::ALL[(head & (GAP - 1)) as usize];
            let step = Step { kind, pos: (place as i64 + by) as usize, len: head >> BITS };
            let first = next + gap;
            (place, next) = (step.end(), first + step.len);
            Some((first, step))
        });
        closed.chain(self.last.map(|last| (self.first, last)))
    }
}

fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut n, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
}
