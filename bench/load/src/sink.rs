//! A document that only counts: what a subscriber needs to know when an edit has come.

use crdt::sync::{Document, Kind};
use crdt::{Applied, ApplyError, Delta, ReplicaId, Replicated, Span, VersionVector};

/// Knows which events have come, and nothing of what is in them.
#[derive(Debug, Default)]
pub struct Sink(VersionVector);

impl Replicated for Sink {
    fn version(&self) -> &VersionVector {
        &self.0
    }

    fn delta_between(&self, _: &VersionVector, _: &VersionVector) -> Delta {
        Delta::default()
    }

    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
        let mut novel = Vec::new();
        for span in &delta.spans {
            let after = self.0.get(span.replica).max(span.after);
            if self.0.get(span.replica) < span.after {
                return Err(ApplyError::Missing);
            }
            if self.0.advance(span.replica, span.to) {
                novel.push(Span { after, ..*span });
            }
        }
        Ok(Applied { novel })
    }
}

impl Document for Sink {
    fn create(_: Kind, _: ReplicaId) -> Option<Self> {
        Some(Sink::default())
    }

    fn kind(&self) -> Kind {
        Kind::DOC
    }
}
