//! Loro 1.17: a document with one text.

use loro::{ExportMode, LoroDoc, LoroText, VersionVector};

use super::{Editor, Saved, TextPeer, agent_id, full, trimmed};
use crate::workload::Patch;

pub(super) struct Loro {
    doc: LoroDoc,
    text: LoroText,
    told: VersionVector,
}

fn with_agent(doc: LoroDoc, agent: usize) -> Loro {
    doc.set_peer_id(agent_id(agent)).expect("an id");
    let (text, told) = (doc.get_text("t"), doc.oplog_vv());
    Loro { doc, text, told }
}

impl Editor for Loro {
    fn new(agent: usize) -> Self {
        with_agent(LoroDoc::new(), agent)
    }

    fn edit(&mut self, patches: &[Patch]) {
        for (pos, deleted, inserted) in patches {
            if *deleted > 0 {
                self.text.delete(*pos, *deleted).expect("a range");
            }
            if !inserted.is_empty() {
                self.text.insert(*pos, inserted).expect("a position");
            }
        }
    }

    fn commit(&mut self) {
        self.doc.commit();
    }

    fn text(&self) -> String {
        self.text.to_string()
    }
}

impl TextPeer for Loro {
    fn edit_message(&mut self, patches: &[Patch]) -> Vec<u8> {
        self.edit(patches);
        self.doc.commit();
        let message = self.doc.export(ExportMode::updates(&self.told)).expect("updates");
        self.told = self.doc.oplog_vv();
        message
    }

    fn apply(&mut self, message: &[u8]) {
        self.doc.import(message).expect("updates");
    }

    fn apply_all(&mut self, messages: &[&Vec<u8>]) {
        let messages: Vec<Vec<u8>> = messages.iter().map(|message| message.to_vec()).collect();
        self.doc.import_batch(&messages).expect("updates");
    }

    fn difference(&mut self, other: &mut Self) -> Option<Vec<u8>> {
        Some(self.doc.export(ExportMode::updates(&other.doc.oplog_vv())).expect("updates"))
    }

    fn blobs(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("snapshot", self.doc.export(ExportMode::Snapshot).expect("a snapshot")),
            ("updates", self.doc.export(ExportMode::all_updates()).expect("updates")),
        ]
    }

    fn saves(&mut self) -> Vec<Saved> {
        let state = self.doc.export(ExportMode::state_only(None)).expect("a state");
        let mut saves: Vec<_> = self.blobs().into_iter().map(|(format, bytes)| full(format, bytes)).collect();
        saves.push(trimmed("state-only", state));
        saves
    }

    fn load(_format: &'static str, bytes: &[u8], agent: usize) -> Self {
        let doc = LoroDoc::new();
        doc.import(bytes).expect("a document");
        with_agent(doc, agent)
    }
}
