//! A text's characters and its log under one roster of replicas.

use crate::codec::Writer;
use crate::context::DotRanges;
use crate::id::{Dot, Span};

use super::TextPatch;
use super::chunk::Id;
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
}

impl Core {
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

    /// Deletes the `len` visible characters from `pos` on; the events are those from `at` on.
    pub(super) fn delete(&mut self, mut at: Id, pos: usize, mut len: usize) {
        while len > 0 {
            let Some(place) = self.sequence.visible(pos) else { break };
            let (Some(target), Some(run)) = (self.sequence.id(place), self.sequence.stretch(place)) else {
                break;
            };
            let n = len.min(run.len - place.spot.offset);
            self.sequence.hide(place, n);
            self.log.push(at, n as u64, What::Delete { target, back: false }, "");
            at = at.plus(n as u64);
            len -= n;
        }
    }

    /// Whether every one of these characters is here.
    pub(super) fn contains_all(&self, first: Id, len: u64) -> bool {
        let Dot { replica, seq } = self.dot(first);
        let to = seq.checked_add(len - 1);
        to.is_some_and(|to| self.here_or_coming(Span { replica, after: seq - 1, to }, &DotRanges::new()))
    }

    /// Whether every one of these characters is here or in `coming`. Costs operations, not characters.
    fn here_or_coming(&self, span: Span, coming: &DotRanges) -> bool {
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

    /// Takes another replica's operation, which [`accepts`](Self::accepts) has let through.
    pub(super) fn apply(&mut self, at: Dot, op: Op<'_>, patches: Option<&mut Vec<TextPatch>>) {
        let text = if let Op::Insert { text, .. } = op { text } else { "" };
        self.join(at, op, text, patches);
    }

    /// [`apply`](Self::apply) of an operation whose text comes later; blanks stand for it.
    pub(super) fn replay(&mut self, at: Dot, op: Op<'_>) {
        self.join(at, op, "", None);
    }

    fn join(&mut self, at: Dot, op: Op<'_>, logged: &str, mut patches: Option<&mut Vec<TextPatch>>) {
        let at = self.id(at);
        let what = match op {
            Op::Insert { left, right, text, .. } => {
                let (left, right) = (left.map(|dot| self.id(dot)), right.map(|dot| self.id(dot)));
                let place = self.place(at, left, right);
                if let Some(patches) = patches {
                    let pos = self.sequence.position(place);
                    patches.push(TextPatch::Insert { pos, text: text.to_owned() });
                }
                self.sequence.insert(place, at, left == Some(at.before()), text);
                What::Insert { left, right }
            }
            Op::Delete { target, len, back } => {
                let target = self.id(target);
                let first = if back { Id::new(target.replica, target.seq + 1 - len) } else { target };
                self.sequence.delete(first, len, |sequence, place, len| {
                    if let Some(patches) = &mut patches {
                        patches.push(TextPatch::Delete { pos: sequence.position(place), len });
                    }
                });
                What::Delete { target, back }
            }
        };
        self.log.push(at, op.len(), what, logged);
    }

    /// Where an insertion goes. No honest author sees its right neighbour left of its left one.
    fn place(&self, at: Id, left: Option<Id>, right: Option<Id>) -> Place {
        let here = self.sequence.behind(left);
        if self.sequence.id(self.sequence.settle(here)) == right {
            return here;
        }
        let right = right.filter(|right| {
            left.is_none_or(|left| self.sequence.order(left, *right).is_some_and(std::cmp::Ordering::is_lt))
        });
        self.destination(here, at, left, right)
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
