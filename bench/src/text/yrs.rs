//! yrs 0.28: a document with one text, with or without the content that was deleted.

use yrs::updates::decoder::Decode;
use yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact, Update,
};

use super::{Editor, Saved, TextPeer, agent_id, full, trimmed};
use crate::workload::Patch;

/// `HISTORY`: whether deleted content is kept, as the others keep it.
pub(super) struct Yrs<const HISTORY: bool> {
    doc: Doc,
    text: TextRef,
}

fn insert(text: &TextRef, txn: &mut yrs::TransactionMut<'_>, patches: &[Patch]) {
    for (pos, deleted, inserted) in patches {
        if *deleted > 0 {
            text.remove_range(txn, *pos as u32, *deleted as u32);
        }
        if !inserted.is_empty() {
            text.insert(txn, *pos as u32, inserted);
        }
    }
}

impl<const HISTORY: bool> Editor for Yrs<HISTORY> {
    fn new(agent: usize) -> Self {
        let doc = Doc::with_options(Options {
            offset_kind: OffsetKind::Bytes,
            skip_gc: HISTORY,
            ..Options::with_client_id(ClientID::new(agent_id(agent) >> 11))
        });
        let text = doc.get_or_insert_text("t");
        Yrs { doc, text }
    }

    fn edit(&mut self, patches: &[Patch]) {
        insert(&self.text, &mut self.doc.transact_mut(), patches);
    }

    fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}

impl<const HISTORY: bool> TextPeer for Yrs<HISTORY> {
    fn edit_message(&mut self, patches: &[Patch]) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        insert(&self.text, &mut txn, patches);
        txn.encode_update_v1()
    }

    fn apply(&mut self, message: &[u8]) {
        let update = Update::decode_v1(message).expect("an update");
        self.doc.transact_mut().apply_update(update).expect("an update that fits");
    }

    fn difference(&mut self, other: &mut Self) -> Option<Vec<u8>> {
        let known = other.doc.transact().state_vector();
        Some(self.doc.transact().encode_state_as_update_v1(&known))
    }

    fn blobs(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        let (txn, nothing) = (self.doc.transact(), StateVector::default());
        vec![("v1", txn.encode_state_as_update_v1(&nothing)), ("v2", txn.encode_state_as_update_v2(&nothing))]
    }

    fn apply_blob(&mut self, format: &'static str, blob: &[u8]) {
        if format != "v2" {
            return self.apply(blob);
        }
        let update = Update::decode_v2(blob).expect("an update");
        self.doc.transact_mut().apply_update(update).expect("an update that fits");
    }

    fn saves(&mut self) -> Vec<Saved> {
        let form = if HISTORY { full } else { trimmed };
        self.blobs().into_iter().map(|(format, bytes)| form(format, bytes)).collect()
    }

    fn load(format: &'static str, bytes: &[u8], agent: usize) -> Self {
        let mut doc = Self::new(agent);
        doc.apply_blob(format, bytes);
        doc
    }
}
