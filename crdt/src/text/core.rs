//! A text's characters and its log under one roster of replicas.

use std::cmp::Ordering;

use crate::codec::Writer;
use crate::context::DotRanges;
use crate::id::{Dot, Span};

use super::TextPatch;
use super::ancestors::Ancestors;
use super::chunk::Id;
use super::count::byte_of_char;
use super::forgotten::Forgotten;
use super::log::{Entry, Log, What};
use super::op::{self, Op};
use super::roster::Roster;
use super::sequence::{Place, Sequence};

#[derive(Clone, Debug, Default)]
pub(super) struct Core {
    pub(super) roster: Roster,
    pub(super) sequence: Sequence,
    pub(super) log: Log,
    pub(super) forgotten: Forgotten,
    pub(super) ancestors: Ancestors,
    /// How much was looked at to find places.
    #[cfg(test)]
    pub(super) steps: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Core {
    /// Counts something that was looked at to find a place, for tests of how much that is.
    pub(super) fn count_step(&self) {
        #[cfg(test)]
        self.steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn dot(&self, id: Id) -> Dot {
        self.roster.dot(id)
    }

    pub(super) fn id(&mut self, dot: Dot) -> Id {
        Id::new(self.roster.intern(dot.replica), dot.seq)
    }

    /// Inserts right after a character, visible or not; returns the position.
    pub(super) fn insert_after(&mut self, at: Dot, left: Dot, text: &str) -> usize {
        let (at, left) = (self.id(at), self.id(left));
        let place = self.sequence.behind(Some(left));
        let right = self.sequence.id(self.sequence.settle(place));
        let pos = self.sequence.position(place);
        self.sequence.insert(place, at, left == at.before(), text);
        self.log.push(at, text.chars().count() as u64, What::Insert { left: Some(left), right }, text);
        pos
    }

    /// Deletes the `len` visible characters from `pos` on; the events are those from `at` on. Calls `gone` with
    /// the first and the number of characters of each run.
    pub(super) fn delete(&mut self, mut at: Id, pos: usize, mut len: usize, mut gone: impl FnMut(Id, usize)) {
        while len > 0 {
            let Some(place) = self.sequence.visible(pos) else { break };
            let (Some(target), Some(run)) = (self.sequence.id(place), self.sequence.stretch(place)) else {
                break;
            };
            let n = len.min(run.len - place.spot.offset);
            self.sequence.hide(place, n);
            self.log.push(at, n as u64, What::Delete { target, back: false }, "");
            gone(target, n);
            at = at.plus(n as u64);
            len -= n;
        }
    }

    /// Puts text in where there are blanks: all that is visible, and what is deleted by its characters.
    pub(super) fn fill(&mut self, visible: &str, deleted: Vec<(Id, &str)>) {
        let (mut pieces, mut rest) = (deleted, visible);
        for stretch in self.sequence.stretches().filter(|stretch| !stretch.deleted) {
            let (piece, after) = rest.split_at(byte_of_char(rest, stretch.len));
            rest = after;
            pieces.push((stretch.first, piece));
        }
        pieces.sort_unstable_by_key(|(first, _)| (first.replica, first.seq));
        self.log.fill(&pieces);
        self.sequence.fill(visible);
    }

    /// Whether every one of these characters is here.
    pub(super) fn contains_all(&self, first: Id, len: u64) -> bool {
        let Dot { replica, seq } = self.dot(first);
        let to = seq.checked_add(len - 1);
        to.is_some_and(|to| self.here_or_coming(Span { replica, after: seq - 1, to }, &DotRanges::new()))
    }

    /// Whether every one of these characters is here or in `coming`. Costs operations, not characters.
    pub(super) fn here_or_coming(&self, span: Span, coming: &DotRanges) -> bool {
        let replica = self.roster.get(span.replica);
        let mut seq = span.after + 1;
        while seq <= span.to {
            let id = replica.map(|replica| Id::new(replica, seq));
            let here = id.and_then(|id| self.log.inserted_until(id).or_else(|| self.forgotten_until(id)));
            let end = here.or_else(|| coming.run_from(Dot::new(span.replica, seq)));
            let Some(next) = end.and_then(|end| end.checked_add(1)) else { return end.is_some() };
            seq = next;
        }
        true
    }

    /// Whether every character that `op` names is here or in `coming`.
    pub(super) fn accepts(&self, op: &Op<'_>, coming: &DotRanges) -> bool {
        op.names(|span| self.here_or_coming(span, coming))
    }

    /// Takes another replica's operation; `None`, and nothing changed, if it names characters that are not here.
    pub(super) fn apply(&mut self, at: Dot, op: Op<'_>, patches: Option<&mut Vec<TextPatch>>) -> Option<()> {
        let text = if let Op::Insert { text, .. } = op { text } else { "" };
        self.join(at, op, text, patches)
    }

    /// [`apply`](Self::apply) of an operation whose text comes later; blanks stand for it.
    pub(super) fn replay(&mut self, at: Dot, op: Op<'_>) -> Option<()> {
        self.join(at, op, "", None)
    }

    fn join(
        &mut self,
        at: Dot,
        op: Op<'_>,
        logged: &str,
        mut patches: Option<&mut Vec<TextPatch>>,
    ) -> Option<()> {
        let what = match op {
            Op::Insert { left, right, text, .. } => {
                let (first, place, [left, right]) = self.place(at, left, right)?;
                if let Some(patches) = patches {
                    let pos = self.sequence.position(place);
                    patches.push(TextPatch::Insert { pos, text: text.to_owned() });
                }
                self.sequence.insert(place, first, left == Some(first.before()), text);
                What::Insert { left, right }
            }
            Op::Delete { target, len, back } => {
                let first = self.targets(&op)?;
                self.sequence.delete(first, len, |sequence, place, len| {
                    if let Some(patches) = &mut patches {
                        patches.push(TextPatch::Delete { pos: sequence.position(place), len });
                    }
                });
                What::Delete { target: self.id(target), back }
            }
        };
        let at = self.id(at);
        self.log.push(at, op.len(), what, logged);
        Some(())
    }

    /// The first character of an insertion, where it goes, and its neighbours; `None` if one is not here.
    pub(super) fn place(
        &mut self,
        at: Dot,
        left: Option<Dot>,
        right: Option<Dot>,
    ) -> Option<(Id, Place, [Option<Id>; 2])> {
        // Mostly an author writes behind what he wrote himself.
        let author = self.roster.get(at.replica);
        let known = |dot: Option<Dot>| match dot {
            Some(dot) if dot.replica == at.replica => Some(Some(Id::new(author?, dot.seq))),
            Some(dot) => self.roster.id(dot).map(Some),
            None => Some(None),
        };
        let (left, right) = (known(left)?, known(right)?);
        let here = match left {
            Some(left) => self.sequence.after(self.sequence.find(left)?),
            None => self.sequence.behind(None),
        };
        let name = |core: &mut Self| author.map_or_else(|| core.id(at), |author| Id::new(author, at.seq));
        if self.sequence.id(self.sequence.settle(here)) == right {
            return Some((name(self), here, [left, right]));
        }
        if let Some(right) = right {
            self.sequence.find(right)?;
        }
        // No honest author sees its right neighbour left of its left one.
        let sane = right.filter(|right| {
            left.is_none_or(|left| self.sequence.order(left, *right).is_some_and(Ordering::is_lt))
        });
        let first = name(self);
        Some((first, self.destination(here, first, left, sane), [left, right]))
    }

    /// The first character that a deletion names; `None` if one of them is not here.
    pub(super) fn targets(&self, op: &Op<'_>) -> Option<Id> {
        let span = op.targets()?;
        let first = self.roster.id(Dot::new(span.replica, span.after + 1))?;
        let here = match span.len() {
            1 => self.sequence.find(first).is_some(),
            _ => self.here_or_coming(span, &DotRanges::new()),
        };
        here.then_some(first)
    }

    pub(super) fn touches(&self, span: Span) -> bool {
        self.roster.get(span.replica).is_some_and(|replica| self.log.touches(replica, span.after, span.to))
    }

    /// The operations among these events, by number; cut to the span.
    pub(super) fn ops(&self, span: Span) -> impl Iterator<Item = (Dot, Op<'_>)> + Clone {
        let entries = self.log.entries(self.roster.get(span.replica), span.after, span.to);
        entries.map(move |(entry, text)| {
            let skip = (span.after + 1).saturating_sub(entry.first);
            let take = (span.to + 1 - entry.first).min(entry.len) - skip;
            let op = self.op(&entry, text).part(Dot::new(span.replica, entry.first), skip, take);
            (Dot::new(span.replica, entry.first + skip), op)
        })
    }

    /// Writes the operations among these events, by replica and number.
    pub(super) fn encode(&self, spans: &[Span], w: &mut Writer) {
        for span in spans {
            w.u64(self.ops(*span).count() as u64);
            let mut end = span.after;
            for (at, op) in self.ops(*span) {
                w.u64(at.seq - end - 1);
                op::encode(at, &op, w);
                end = at.seq + op.len() - 1;
            }
        }
    }

    /// An operation as it travels.
    fn op<'a>(&self, entry: &Entry, text: &'a str) -> Op<'a> {
        let dot = |id: Option<Id>| id.map(|id| self.dot(id));
        match entry.what {
            What::Insert { left, right } => {
                Op::Insert { left: dot(left), right: dot(right), text, len: entry.len }
            }
            What::Delete { target, back } => Op::Delete { target: self.dot(target), len: entry.len, back },
        }
    }
}
