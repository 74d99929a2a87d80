//! [`Turns`]: of which documents a link is owed a difference, and which is next.
//!
//! What has just changed goes before what the peer lacks from before, so that somebody's keystroke does not wait for the
//! ten thousand documents of a first sync; but those get a third of a busy link. Within each, documents take turns.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::sync::{DocId, FRAGMENT_BYTES, SMALL_AHEAD};

/// Documents that take turns.
#[derive(Clone, Debug, Default)]
struct Round {
    docs: BTreeSet<DocId>,
    /// The last that had its turn.
    last: Option<DocId>,
    /// How many bytes of them went since it was the others' turn.
    bytes: usize,
}

impl Round {
    fn next(&mut self) -> Option<DocId> {
        let after = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let after = (after, Bound::Unbounded);
        let next = self.docs.range::<DocId, _>(after).next().or_else(|| self.docs.first()).cloned()?;
        self.docs.remove(&next);
        self.last = Some(next.clone());
        Some(next)
    }
}

/// The documents of which a link is owed a difference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    live: Round,
    backlog: Round,
    /// Whether it is the backlog's turn.
    behind: bool,
}

impl Turns {
    pub(crate) fn is_empty(&self) -> bool {
        self.live.docs.is_empty() && self.backlog.docs.is_empty()
    }

    /// The document has just changed.
    pub(crate) fn changed(&mut self, doc: &DocId) {
        // It is owed more than the change; and so it is for all changes of a burst but the first.
        if !self.backlog.docs.contains(doc) && !self.live.docs.contains(doc) {
            self.live.docs.insert(doc.clone());
        }
    }

    /// The peer lacks something of the document, maybe much.
    pub(crate) fn lacks(&mut self, doc: &DocId) {
        if !self.live.docs.contains(doc) && !self.backlog.docs.contains(doc) {
            self.backlog.docs.insert(doc.clone());
        }
    }

    pub(crate) fn remove(&mut self, doc: &DocId) {
        self.live.docs.remove(doc);
        self.backlog.docs.remove(doc);
    }

    /// The document whose turn it is.
    pub(crate) fn next(&mut self) -> Option<DocId> {
        self.behind =
            self.live.docs.is_empty() || self.live.bytes >= SMALL_AHEAD && !self.backlog.docs.is_empty();
        if self.behind { self.backlog.next() } else { self.live.next() }
    }

    /// So many bytes went of the document that had its turn last.
    pub(crate) fn sent(&mut self, bytes: usize) {
        let round = if self.behind { &mut self.backlog } else { &mut self.live };
        round.bytes += bytes;
        if self.backlog.bytes >= FRAGMENT_BYTES {
            (self.live.bytes, self.backlog.bytes) = (0, 0);
        }
    }

    /// For a model checker: forgets how much went.
    #[cfg(feature = "testkit")]
    pub(crate) fn forget_bytes(&mut self) {
        (self.live.bytes, self.backlog.bytes, self.behind) = (0, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(name: &str) -> DocId {
        name.parse().unwrap()
    }

    #[test]
    fn what_has_changed_goes_first_and_what_is_lacking_gets_a_third() {
        let (mut turns, mut bytes) = (Turns::default(), [0; 2]);
        (0..1_000).for_each(|n| turns.lacks(&doc(&format!("old {n}"))));
        for _ in 0..3_000 {
            turns.changed(&doc("new")); // all the time
            let next = turns.next().unwrap();
            let new = next == doc("new");
            bytes[usize::from(new)] += 1_000;
            turns.sent(1_000);
            if !new {
                turns.lacks(&next);
            }
        }
        assert!((1.9..2.2).contains(&(f64::from(bytes[1]) / f64::from(bytes[0]))), "{bytes:?}");
    }

    #[test]
    fn each_document_has_its_turn_and_one_that_changes_is_owed_once() {
        let mut turns = Turns::default();
        ["a", "b", "c"].iter().for_each(|name| turns.changed(&doc(name)));
        turns.lacks(&doc("b"));
        turns.lacks(&doc("d"));
        turns.changed(&doc("d"));
        let mut first: Vec<DocId> = (0..3).filter_map(|_| turns.next()).collect();
        first.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        assert_eq!(first, ["a", "b", "c"].map(doc));
        assert_eq!((turns.next(), turns.next()), (Some(doc("d")), None));
        ["a", "b"].iter().for_each(|name| turns.changed(&doc(name)));
        turns.remove(&doc("a"));
        assert_eq!((turns.next(), turns.is_empty()), (Some(doc("b")), true));
    }
}
