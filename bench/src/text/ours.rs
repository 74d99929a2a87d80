//! This library: a document with one text.

use crdt::{Delta, Doc, ReplicaId, Replicated, VersionVector};

use super::{Editor, Saved, TextPeer, agent_id, full, trimmed};
use crate::workload::Patch;

const ROOT: &str = "t";

pub(super) struct Ours {
    doc: Doc,
    /// What the messages so far have told, or what has come.
    told: VersionVector,
}

fn replica(agent: usize) -> ReplicaId {
    let (high, low) = (agent_id(agent), agent_id(agent + (1 << 32)));
    ReplicaId::from_u128(u128::from(high) << 64 | u128::from(low))
}

impl Editor for Ours {
    fn new(agent: usize) -> Self {
        Ours { doc: Doc::new(replica(agent)), told: VersionVector::new() }
    }

    fn edit(&mut self, patches: &[Patch]) {
        self.doc.transact(0, |tx| {
            let mut text = tx.text(ROOT);
            for (pos, deleted, inserted) in patches {
                if *deleted > 0 {
                    text.delete(*pos..pos + deleted);
                }
                text.insert(*pos, inserted);
            }
        });
    }

    fn text(&self) -> String {
        self.doc.text(ROOT).map(ToString::to_string).unwrap_or_default()
    }
}

impl TextPeer for Ours {
    fn edit_message(&mut self, patches: &[Patch]) -> Vec<u8> {
        self.edit(patches);
        let message = self.doc.delta_since(&self.told).to_bytes();
        let author = self.doc.author();
        self.told.advance(author, self.doc.version().get(author));
        message
    }

    fn apply(&mut self, message: &[u8]) {
        let delta = Delta::from_bytes(message).expect("a delta");
        let applied = self.doc.apply(&delta).expect("a delta that fits");
        applied.novel.iter().for_each(|span| {
            self.told.advance(span.replica, span.to);
        });
    }

    fn difference(&mut self, other: &mut Self) -> Option<Vec<u8>> {
        Some(self.doc.delta_since(other.doc.version()).to_bytes())
    }

    fn blobs(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("delta", self.doc.delta_since(&VersionVector::new()).to_bytes()), ("save", self.doc.save())]
    }

    fn apply_blob(&mut self, format: &'static str, blob: &[u8]) {
        if format == "save" {
            self.doc = Doc::load(blob, self.doc.author()).expect("a saved document");
        } else {
            self.apply(blob);
        }
    }

    fn saves(&mut self) -> Vec<Saved> {
        vec![full("save", self.doc.save()), trimmed("shallow", self.doc.save_shallow())]
    }

    fn load(_format: &'static str, bytes: &[u8], agent: usize) -> Self {
        let doc = Doc::load(bytes, replica(agent)).expect("a saved document");
        let told = doc.version().clone();
        Ours { doc, told }
    }
}
