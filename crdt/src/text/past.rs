//! What a text was, and what events did to it.

use std::cmp::Ordering;

use crate::id::{Dot, Span};
use crate::version::VersionVector;

use super::chunk::Id;
use super::core::Core;
use super::{Op, Text};

/// What some events did to a text; see [`Text::changes`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TextChange {
    /// They inserted characters: themselves, for a character is named by the event that inserted it.
    Insert {
        /// The characters.
        chars: Span,
        /// What they are.
        text: String,
    },
    /// They deleted characters.
    Delete {
        /// The characters.
        chars: Span,
        /// What they were.
        text: String,
    },
}

impl Text {
    /// The text as it was when exactly the events of `version` had been seen. Costs the history.
    ///
    /// ```
    /// use crdt::{Doc, ReplicaId, Replicated};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "draft"));
    /// let then = doc.version().clone();
    /// doc.transact(0, |tx| tx.text("note").replace(0..5, "final"));
    /// assert_eq!(doc.text("note").unwrap().at(&then), "draft");
    /// ```
    pub fn at(&self, version: &VersionVector) -> String {
        let core = self.settled();
        let gone = gone(&core, version);
        let mut out = String::new();
        for stretch in core.sequence.stretches() {
            let Dot { replica, seq } = core.dot(stretch.first);
            let end = (seq + stretch.len as u64).min(version.get(replica).saturating_add(1));
            let mut id = stretch.first;
            let from = gone.partition_point(|(first, end)| (first.replica, *end) <= (id.replica, id.seq));
            for (hidden, next) in
                gone.iter().skip(from).take_while(|(hidden, _)| hidden.replica == id.replica)
            {
                push(&core, id, hidden.seq.min(end), &mut out);
                id.seq = id.seq.max(*next);
                if id.seq >= end {
                    break;
                }
            }
            push(&core, id, end, &mut out);
        }
        out
    }

    /// What a run of events did to this text, in their order: what an undo takes back.
    ///
    /// ```
    /// use crdt::text::TextChange;
    /// use crdt::{Doc, ReplicaId, Span};
    /// let author = ReplicaId::from_u128(1);
    /// let mut doc = Doc::new(author);
    /// doc.transact(0, |tx| tx.text("note").insert(0, "abc")); // events 1, 2, 3
    /// doc.transact(0, |tx| tx.text("note").delete(1..2)); // event 4
    /// let changes = doc.text("note").unwrap().changes(Span { replica: author, after: 3, to: 4 });
    /// let chars = Span { replica: author, after: 1, to: 2 };
    /// assert_eq!(changes, [TextChange::Delete { chars, text: "b".into() }]);
    /// ```
    pub fn changes(&self, events: Span) -> Vec<TextChange> {
        let core = self.core();
        let change = |(at, op): (Dot, Op<'_>)| match op {
            Op::Insert { text, .. } => {
                Some(TextChange::Insert { chars: op.events(at), text: text.to_owned() })
            }
            Op::Delete { len, .. } => {
                let chars = op.targets()?;
                let first = core.roster.id(Dot::new(chars.replica, chars.after + 1))?;
                Some(TextChange::Delete { chars, text: core.log.inserted(first, len as usize) })
            }
        };
        core.ops(events).filter_map(change).collect()
    }

    /// Sorts deleted characters by where they stood.
    pub(crate) fn sort(&self, chars: &mut [(Dot, char)]) {
        let core = self.core();
        let order = |a: Dot, b: Dot| core.sequence.order(core.roster.id(a)?, core.roster.id(b)?);
        chars.sort_by(|(a, _), (b, _)| order(*a, *b).unwrap_or(Ordering::Equal));
    }
}

/// Appends the characters from `id` up to number `end`.
fn push(core: &Core, id: Id, end: u64, out: &mut String) {
    if id.seq < end {
        out.push_str(&core.log.inserted(id, (end - id.seq) as usize));
    }
}

/// The characters that events of a version deleted, as sorted runs that do not overlap: first and end.
fn gone(core: &Core, version: &VersionVector) -> Vec<(Id, u64)> {
    let seen = version.iter().map(|(replica, to)| Span { replica, after: 0, to });
    let targets = seen.flat_map(|span| core.ops(span)).filter_map(|(_, op)| op.targets());
    let ids = targets.filter_map(|span| {
        let first = core.roster.id(Dot::new(span.replica, span.after + 1))?;
        Some((first, span.to + 1))
    });
    let mut all: Vec<(Id, u64)> = ids.collect();
    all.sort_unstable_by_key(|(first, _)| (first.replica, first.seq));
    all.dedup_by(|next, last| {
        let joined = last.0.replica == next.0.replica && next.0.seq <= last.1;
        if joined {
            last.1 = last.1.max(next.1);
        }
        joined
    });
    all
}
