//! A text's characters and its log under one roster of replicas.

use crate::codec::Writer;
use crate::context::DotRanges;
use crate::id::{Dot, Span};

use super::TextPatch;
use super::chunk::Id;
use super::log::{Entry, Log, What};
use super::op::{self, Op};
use super::roster::Roster;
use super::sequence::{Place, Sequence};

#[derive(Clone, Debug, Default)]
pub(super) struct Core {
    pub(super) roster: Roster,
    pub(super) sequence: Sequence,
    pub(super) log: Log,
}

impl Core {
    pub(super) fn dot(&self, id: Id) -> Dot {
        self.roster.dot(id)
    }

    pub(super) fn id(&mut self, dot: Dot) -> Id {
        Id::new(self.roster.intern(dot.replica), dot.seq)
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

    /// Whether every one of these characters is here or in `coming`. Costs operations, not characters.
    fn contains_all(&self, span: Span, coming: &DotRanges) -> bool {
        let replica = self.roster.get(span.replica);
        let mut seq = span.after + 1;
        while seq <= span.to {
            let here = replica.and_then(|replica| self.log.inserted_until(Id::new(replica, seq)));
            let end = here.or_else(|| coming.run_from(Dot::new(span.replica, seq)));
            let Some(next) = end.and_then(|end| end.checked_add(1)) else { return end.is_some() };
            seq = next;
        }
        true
    }

    /// Whether every character that `op` names is here or in `coming`.
    pub(super) fn accepts(&self, op: &Op<'_>, coming: &DotRanges) -> bool {
        let known = |dot: Dot| {
            dot.seq > 0
                && self.contains_all(Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq }, coming)
        };
        match op {
            Op::Insert { left, right, .. } => left.is_none_or(known) && right.is_none_or(known),
            Op::Delete { .. } => op.targets().is_some_and(|span| self.contains_all(span, coming)),
        }
    }

    /// Takes another replica's operation, which [`accepts`](Self::accepts) has let through.
    pub(super) fn apply(&mut self, at: Dot, op: Op<'_>, patches: Option<&mut Vec<TextPatch>>) {
        let at = self.id(at);
        match op {
            Op::Insert { left, right, text, len } => {
                let (left, right) = (left.map(|dot| self.id(dot)), right.map(|dot| self.id(dot)));
                let place = self.place(at, left, right);
                if let Some(patches) = patches {
                    let pos = self.sequence.position(place);
                    patches.push(TextPatch::Insert { pos, text: text.to_owned() });
                }
                self.sequence.insert(place, at, left == Some(at.before()), text);
                self.log.push(at, len, What::Insert { left, right }, text);
            }
            Op::Delete { target, len, back } => {
                let what = What::Delete { target: self.id(target), back };
                if let Some(span) = op.targets() {
                    let first = self.id(Dot::new(span.replica, span.after + 1));
                    let mut patches = patches;
                    self.sequence.delete(first, span.len(), |sequence, place, len| {
                        if let Some(patches) = &mut patches {
                            patches.push(TextPatch::Delete { pos: sequence.position(place), len });
                        }
                    });
                }
                self.log.push(at, len, what, "");
            }
        }
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

    /// Writes the operations among these events, by replica and number; cut to the spans.
    pub(super) fn encode(&self, spans: &[Span], w: &mut Writer) {
        for span in spans {
            let replica = self.roster.get(span.replica);
            let entries = self.log.entries(replica, span.after, span.to);
            w.u64(entries.clone().count() as u64);
            let mut end = span.after;
            for (entry, text) in entries {
                let skip = (span.after + 1).saturating_sub(entry.first);
                let take = (span.to + 1 - entry.first).min(entry.len) - skip;
                let (whole, at) = (Dot::new(span.replica, entry.first), entry.first + skip);
                w.u64(at - end - 1);
                let op = self.op(&entry, text).part(whole, skip, take);
                op::encode(Dot::new(span.replica, at), &op, w);
                end = at + take - 1;
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
