//! What a text was.

use crate::id::{Dot, Span};
use crate::version::VersionVector;

use super::Text;
use super::chunk::Id;
use super::core::Core;

impl Text {
    /// The text as it was when exactly the events of `version` had been seen; `None` in a document that has
    /// [forgotten](crate::Doc::forget). Costs the history.
    ///
    /// ```
    /// use crdt::{Doc, ReplicaId, Replicated};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "draft"));
    /// let then = doc.version().clone();
    /// doc.transact(0, |tx| tx.text("note").replace(0..5, "final"));
    /// assert_eq!(doc.text("note").unwrap().at(&then).unwrap(), "draft");
    /// ```
    pub fn at(&self, version: &VersionVector) -> Option<String> {
        let core = self.settled();
        if !core.forgotten.is_empty() {
            return None;
        }
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
        Some(out)
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
