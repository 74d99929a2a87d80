//! automerge 0.12: a document with one text.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc};

use super::{Editor, Saved, TextPeer, agent_id, full};
use crate::workload::Patch;

pub(super) struct Automerge {
    doc: AutoCommit,
    text: ObjId,
}

fn actor(agent: usize) -> ActorId {
    let (high, low) = (agent_id(agent), agent_id(agent + (1 << 32)));
    ActorId::from([high.to_be_bytes(), low.to_be_bytes()].concat())
}

fn with_agent(doc: AutoCommit, agent: usize) -> Automerge {
    let (_, text) = doc.get(ROOT, "t").expect("a document").expect("the text that all begin with");
    Automerge { doc: doc.with_actor(actor(agent)), text }
}

impl Editor for Automerge {
    fn new(agent: usize) -> Self {
        // The change that makes the text is the same everywhere, so that there is only one.
        let mut doc = AutoCommit::new().with_actor(ActorId::from([0]));
        doc.put_object(ROOT, "t", ObjType::Text).expect("a text");
        doc.commit_with(CommitOptions::default().with_time(0));
        with_agent(doc, agent)
    }

    fn edit(&mut self, patches: &[Patch]) {
        for (pos, deleted, inserted) in patches {
            self.doc.splice_text(&self.text, *pos, *deleted as isize, inserted).expect("a range");
        }
    }

    fn commit(&mut self) {
        self.doc.commit();
    }

    fn text(&self) -> String {
        self.doc.text(&self.text).expect("a text")
    }
}

impl TextPeer for Automerge {
    fn edit_message(&mut self, patches: &[Patch]) -> Vec<u8> {
        self.edit(patches);
        self.doc.commit();
        self.doc.get_last_local_change().map(|change| change.raw_bytes().to_vec()).unwrap_or_default()
    }

    fn apply(&mut self, message: &[u8]) {
        let change = Change::from_bytes(message.to_vec()).expect("a change");
        self.doc.apply_changes([change]).expect("a change that fits");
    }

    fn apply_all(&mut self, messages: &[&Vec<u8>]) {
        let changes = messages.iter().map(|message| Change::from_bytes(message.to_vec()).expect("a change"));
        self.doc.apply_changes(changes).expect("changes that fit");
    }

    fn difference(&mut self, other: &mut Self) -> Option<Vec<u8>> {
        let heads = other.doc.get_heads();
        Some(self.doc.save_after(&heads))
    }

    fn blobs(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("save", self.doc.save())]
    }

    fn apply_blob(&mut self, _format: &'static str, blob: &[u8]) {
        self.doc.load_incremental(blob).expect("a document");
    }

    fn saves(&mut self) -> Vec<Saved> {
        vec![full("save", self.doc.save()), full("save-nocompress", self.doc.save_nocompress())]
    }

    fn load(_format: &'static str, bytes: &[u8], agent: usize) -> Self {
        with_agent(AutoCommit::load(bytes).expect("a document"), agent)
    }
}
