//! diamond-types 1.0: an operation log and a checked-out text.

use diamond_types::list::ListCRDT;
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH, EncodeOptions};

use super::{Editor, Saved, TextPeer, agent_id, full};
use crate::workload::Patch;

pub(super) struct Diamond {
    list: ListCRDT,
    agent: u32,
}

fn with_agent(mut list: ListCRDT, agent: usize) -> Diamond {
    // A name as long as a short random id.
    let agent = list.get_or_create_agent_id(&format!("{:012x}", agent_id(agent) >> 16));
    Diamond { list, agent }
}

impl Editor for Diamond {
    fn new(agent: usize) -> Self {
        with_agent(ListCRDT::new(), agent)
    }

    fn edit(&mut self, patches: &[Patch]) {
        for (pos, deleted, inserted) in patches {
            if *deleted > 0 {
                self.list.delete_without_content(self.agent, *pos..pos + deleted);
            }
            if !inserted.is_empty() {
                self.list.insert(self.agent, *pos, inserted);
            }
        }
    }

    fn text(&self) -> String {
        self.list.branch.content().to_string()
    }
}

impl TextPeer for Diamond {
    fn edit_message(&mut self, patches: &[Patch]) -> Vec<u8> {
        let before = self.list.oplog.local_version();
        self.edit(patches);
        self.list.oplog.encode_from(ENCODE_PATCH, &before)
    }

    fn apply(&mut self, message: &[u8]) {
        self.list.merge_data_and_ff(message).expect("a patch");
    }

    fn apply_all(&mut self, messages: &[&Vec<u8>]) {
        for message in messages {
            self.list.oplog.decode_and_add(message).expect("a patch");
        }
        let tip = self.list.oplog.local_version();
        self.list.branch.merge(&self.list.oplog, &tip);
    }

    fn difference(&mut self, other: &mut Self) -> Option<Vec<u8>> {
        let known: Vec<_> = other
            .list
            .oplog
            .remote_version()
            .into_iter()
            .filter_map(|id| self.list.oplog.try_remote_to_local_time(&id).ok())
            .collect();
        // The other's last own operation is known here too: all was merged here.
        Some(self.list.oplog.encode_from(ENCODE_PATCH, &known))
    }

    fn blobs(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("full", self.list.oplog.encode(ENCODE_FULL))]
    }

    fn saves(&mut self) -> Vec<Saved> {
        let plain = EncodeOptions { compress_content: false, ..ENCODE_FULL };
        vec![
            full("full", self.list.oplog.encode(ENCODE_FULL)),
            full("full-nocompress", self.list.oplog.encode(plain)),
        ]
    }

    fn load(_format: &'static str, bytes: &[u8], agent: usize) -> Self {
        with_agent(ListCRDT::load_from(bytes).expect("an oplog"), agent)
    }
}
