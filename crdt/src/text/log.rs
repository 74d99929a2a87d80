//! What each replica did to one text, in its order: what is sent to those who lack it.

use smallvec::SmallVec;

use super::chunk::Id;
use super::count::byte_of_char;

/// What an operation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// Its characters stand, from left to right, between these two, as the author saw it.
    Insert { left: Option<Id>, right: Option<Id> },
    /// Deletes characters of one replica: `target` and those numbered after it or, `back`, before it.
    Delete { target: Id, back: bool },
}

/// One operation; it takes as many events as it has characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) first: u64,
    pub(super) len: u64,
    /// Where the text that it inserted starts in its lane.
    text: usize,
    pub(super) what: What,
}

impl Entry {
    pub(super) fn last(&self) -> u64 {
        self.first + self.len - 1
    }

    /// What is left of it behind an event of it, but for its text.
    fn after(self, replica: u32, to: u64) -> Entry {
        let skip = to + 1 - self.first;
        let len = self.len - skip;
        let what = match self.what {
            What::Insert { right, .. } => What::Insert { left: Some(Id::new(replica, to)), right },
            What::Delete { target, back } => {
                let seq = if back { target.seq - skip } else { target.seq + skip };
                What::Delete { target: Id { seq, ..target }, back: back && len > 1 }
            }
        };
        Entry { first: to + 1, len, what, ..self }
    }

    /// One entry that stands for this one and the one that follows it, if there is one.
    fn joined(mut self, replica: u32, first: u64, len: u64, what: What) -> Option<Entry> {
        if self.last() + 1 != first {
            return None;
        }
        match (&mut self.what, what) {
            (What::Insert { right, .. }, What::Insert { left, right: next_right }) => {
                let goes_on = left == Some(Id::new(replica, first - 1)) && *right == next_right;
                goes_on.then_some(())?;
            }
            (What::Delete { target, back }, What::Delete { target: next, back: next_back }) => {
                let can =
                    |backwards| (self.len == 1 || *back == backwards) && (len == 1 || next_back == backwards);
                let forward = next.seq == target.seq + self.len && can(false);
                let backward = next.seq + self.len == target.seq && can(true);
                (target.replica == next.replica && (forward || backward)).then_some(())?;
                *back = backward;
            }
            _ => return None,
        }
        self.len += len;
        Some(self)
    }
}

/// No character, in place of one's number.
const NONE: u64 = 0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Insert,
    Delete,
    Back,
}

/// An entry in fewer bytes, without its first event: characters are numbered from 1.
#[derive(Clone, Copy, Debug)]
struct Packed {
    len: u64,
    text: usize,
    seqs: [u64; 2],
    replicas: [u32; 2],
    kind: Kind,
}

impl Packed {
    fn new(entry: &Entry) -> Packed {
        let (kind, ids) = match entry.what {
            What::Insert { left, right } => (Kind::Insert, [left, right]),
            What::Delete { target, back } => {
                (if back { Kind::Back } else { Kind::Delete }, [Some(target), None])
            }
        };
        let (seqs, replicas) =
            (ids.map(|id| id.map_or(NONE, |id| id.seq)), ids.map(|id| id.map_or(0, |id| id.replica)));
        Packed { len: entry.len, text: entry.text, seqs, replicas, kind }
    }

    fn entry(&self, first: u64) -> Entry {
        let id = |i: usize| Id::new(self.replicas[i], self.seqs[i]);
        let some = |i: usize| (self.seqs[i] != NONE).then(|| id(i));
        let what = match self.kind {
            Kind::Insert => What::Insert { left: some(0), right: some(1) },
            kind => What::Delete { target: id(0), back: kind == Kind::Back },
        };
        Entry { first, len: self.len, text: self.text, what }
    }
}

/// What one replica did.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// The first event of each entry: what searches look at.
    firsts: SmallVec<[u64; 2]>,
    entries: Vec<Packed>,
    /// All that it ever inserted.
    text: String,
}

impl Lane {
    /// The place of the entry that holds an event, or of the next one.
    fn at(&self, seq: u64) -> usize {
        // Mostly it is the last.
        let next = match self.firsts.last() {
            Some(last) if *last <= seq => self.firsts.len(),
            _ => self.firsts.partition_point(|first| *first <= seq),
        };
        match next.checked_sub(1).and_then(|last| self.entry(last)) {
            Some(entry) if entry.last() >= seq => next - 1,
            _ => next,
        }
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        self.entries.get(at).zip(self.firsts.get(at)).map(|(entry, first)| entry.entry(*first))
    }

    /// The entry that holds an event.
    fn of(&self, seq: u64) -> Option<Entry> {
        self.entry(self.at(seq)).filter(|entry| entry.first <= seq)
    }

    fn text_of(&self, at: usize) -> &str {
        let from = self.entries.get(at).map_or(self.text.len(), |entry| entry.text);
        let to = self.entries.get(at + 1).map_or(self.text.len(), |entry| entry.text);
        self.text.get(from..to).unwrap_or_default()
    }
}

/// The operations on one text, by replica and number; operations that follow each other are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    lanes: Vec<Lane>,
}

impl Log {
    fn lane(&mut self, replica: u32) -> &mut Lane {
        let replica = replica as usize;
        if replica >= self.lanes.len() {
            self.lanes.resize_with(replica + 1, Lane::default);
        }
        &mut self.lanes[replica]
    }

    /// Appends an operation; a replica's operations come in the order of their numbers.
    pub(super) fn push(&mut self, at: Id, len: u64, what: What, text: &str) {
        let lane = self.lane(at.replica);
        let last = lane.entries.len().checked_sub(1).and_then(|last| lane.entry(last));
        let joined = last.and_then(|last| last.joined(at.replica, at.seq, len, what));
        if let (Some(joined), Some(packed)) = (joined, lane.entries.last_mut()) {
            *packed = Packed::new(&joined);
        } else {
            lane.firsts.push(at.seq);
            if lane.entries.is_empty() {
                lane.entries.reserve_exact(1); // many write one run only
            }
            lane.entries.push(Packed::new(&Entry { first: at.seq, len, text: lane.text.len(), what }));
        }
        lane.text.push_str(text);
    }

    /// Whether there are at most so many operations.
    pub(super) fn is_of(&self, most: usize) -> bool {
        let lens = self.lanes.iter().map(|lane| lane.entries.len());
        lens.scan(0, |sum, len| {
            *sum += len;
            Some(*sum)
        })
        .all(|sum| sum <= most)
    }

    /// Makes the last insertion of a replica longer.
    pub(super) fn extend(&mut self, replica: u32, len: u64, text: &str) {
        if let Some(lane) = self.lanes.get_mut(replica as usize) {
            if let Some(last) = lane.entries.last_mut() {
                last.len += len;
            }
            lane.text.push_str(text);
        }
    }

    /// Drops the operations of a replica up to an event.
    pub(super) fn forget(&mut self, replica: u32, to: u64) {
        let Some(lane) = self.lanes.get_mut(replica as usize) else { return };
        let at = lane.at(to + 1);
        let mut text = lane.entries.get(at).map_or(lane.text.len(), |entry| entry.text);
        let rest = lane.entry(at).filter(|entry| entry.first <= to).map(|entry| {
            let skip = (to + 1 - entry.first) as usize;
            let inserted = matches!(entry.what, What::Insert { .. });
            text += if inserted { byte_of_char(lane.text_of(at), skip) } else { 0 };
            Entry { text, ..entry.after(replica, to) }
        });
        if let (Some(rest), Some(packed), Some(first)) =
            (rest, lane.entries.get_mut(at), lane.firsts.get_mut(at))
        {
            (*packed, *first) = (Packed::new(&rest), rest.first);
        }
        lane.firsts.drain(..at);
        lane.entries.drain(..at);
        lane.entries.iter_mut().for_each(|entry| entry.text -= text);
        lane.text.drain(..text);
        lane.firsts.shrink_to_fit();
        lane.entries.shrink_to_fit();
        lane.text.shrink_to_fit();
    }

    /// All that a replica ever inserted, and that is not forgotten.
    pub(super) fn text(&self, replica: u32) -> &str {
        self.lanes.get(replica as usize).map_or("", |lane| lane.text.as_str())
    }

    /// The text of characters of one replica.
    pub(super) fn inserted(&self, first: Id, len: usize) -> String {
        let to = first.seq + len as u64 - 1;
        let mut out = String::new();
        for (entry, text) in self.entries(Some(first.replica), first.seq - 1, to) {
            let skip = first.seq.saturating_sub(entry.first);
            let rest = &text[byte_of_char(text, skip as usize)..];
            let take = (to + 1 - entry.first).min(entry.len) - skip;
            out.push_str(&rest[..byte_of_char(rest, take as usize)]);
        }
        out
    }

    /// Puts in the text of all insertions; the pieces are sorted by replica and number, and leave nothing out.
    pub(super) fn fill(&mut self, pieces: &[(Id, &str)]) {
        let mut pieces = pieces.iter().map(|(_, piece)| *piece);
        let mut rest = "";
        for lane in &mut self.lanes {
            lane.text.clear();
            for entry in &mut lane.entries {
                entry.text = lane.text.len();
                let mut left = if entry.kind == Kind::Insert { entry.len as usize } else { 0 };
                while left > 0 {
                    if rest.is_empty() {
                        let Some(next) = pieces.next() else { break };
                        rest = next;
                    }
                    let (head, tail) = rest.split_at(byte_of_char(rest, left));
                    left -= head.chars().count();
                    lane.text.push_str(head);
                    rest = tail;
                }
            }
        }
    }

    /// The neighbours of a character as its author saw them.
    pub(super) fn origins(&self, id: Id) -> (Option<Id>, Option<Id>) {
        match self.lanes.get(id.replica as usize).and_then(|lane| lane.of(id.seq)) {
            Some(Entry { first, what: What::Insert { left, right }, .. }) if first == id.seq => (left, right),
            Some(Entry { what: What::Insert { right, .. }, .. }) => (Some(id.before()), right),
            _ => (None, None),
        }
    }

    /// The insertion that a character is of: its place among the operations of its author, and its first character.
    pub(super) fn insertion(&self, id: Id) -> Option<(usize, Id)> {
        let lane = self.lanes.get(id.replica as usize)?;
        let at = lane.at(id.seq);
        let entry = lane.entry(at).filter(|entry| entry.first <= id.seq)?;
        matches!(entry.what, What::Insert { .. }).then_some((at, Id { seq: entry.first, ..id }))
    }

    /// The last number of the insertion that an event is of; `None` when it is of none.
    pub(super) fn inserted_until(&self, id: Id) -> Option<u64> {
        let entry = self.lanes.get(id.replica as usize)?.of(id.seq)?;
        matches!(entry.what, What::Insert { .. }).then(|| entry.last())
    }

    pub(super) fn touches(&self, replica: u32, after: u64, to: u64) -> bool {
        self.lanes
            .get(replica as usize)
            .is_some_and(|lane| lane.firsts.get(lane.at(after + 1)).is_some_and(|first| *first <= to))
    }

    /// The operations of a replica that have events after `after` and up to `to`, whole, each with its text.
    pub(super) fn entries(
        &self,
        replica: Option<u32>,
        after: u64,
        to: u64,
    ) -> impl Iterator<Item = (Entry, &str)> + Clone {
        let lane = replica.and_then(|replica| self.lanes.get(replica as usize));
        let all = lane.map_or(0..0, |lane| lane.at(after + 1)..lane.entries.len());
        all.map_while(move |i| {
            let lane = lane?;
            let entry = lane.entry(i).filter(|entry| entry.first <= to)?;
            Some((entry, lane.text_of(i)))
        })
    }
}
