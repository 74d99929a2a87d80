//! cola 0.1: positions without text, here beside a rope that holds the text. A limit: it keeps no history
//! that could be sent, only what is needed to place the next message.

use cola::{Deletion, EncodedReplica, Insertion, Replica};
use jumprope::JumpRope;
use serde::{Deserialize, Serialize};

use super::{Editor, Saved, TextPeer, agent_id, trimmed};
use crate::workload::Patch;

pub(super) struct Cola {
    replica: Replica,
    rope: JumpRope,
}

#[derive(Serialize, Deserialize)]
enum Op {
    Insert(Insertion, String),
    Delete(Deletion),
}

impl Cola {
    fn write(&mut self, patches: &[Patch], mut each: impl FnMut(Op)) {
        for (pos, deleted, inserted) in patches {
            if *deleted > 0 {
                self.rope.remove(*pos..pos + deleted);
                each(Op::Delete(self.replica.deleted(*pos..pos + deleted)));
            }
            if !inserted.is_empty() {
                self.rope.insert(*pos, inserted);
                each(Op::Insert(self.replica.inserted(*pos, inserted.len()), inserted.clone()));
            }
        }
    }
}

impl Editor for Cola {
    fn new(agent: usize) -> Self {
        // All replicas start as forks of one and the same empty text.
        Cola { replica: Replica::new(1, 0).fork(agent_id(agent)), rope: JumpRope::new() }
    }

    fn edit(&mut self, patches: &[Patch]) {
        self.write(patches, drop);
    }

    fn text(&self) -> String {
        self.rope.to_string()
    }
}

impl TextPeer for Cola {
    fn edit_message(&mut self, patches: &[Patch]) -> Vec<u8> {
        let mut ops = Vec::new();
        self.write(patches, |op| ops.push(op));
        postcard::to_stdvec(&ops).expect("plain data")
    }

    fn apply(&mut self, message: &[u8]) {
        let ops: Vec<Op> = postcard::from_bytes(message).expect("operations");
        for op in ops {
            match op {
                Op::Insert(insertion, text) => {
                    if let Some(pos) = self.replica.integrate_insertion(&insertion) {
                        self.rope.insert(pos, &text);
                    }
                }
                Op::Delete(deletion) => {
                    for range in self.replica.integrate_deletion(&deletion).into_iter().rev() {
                        self.rope.remove(range);
                    }
                }
            }
        }
    }

    fn difference(&mut self, _other: &mut Self) -> Option<Vec<u8>> {
        None
    }

    fn blobs(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        Vec::new()
    }

    fn saves(&mut self) -> Vec<Saved> {
        let whole = (self.replica.encode(), self.rope.to_string());
        vec![trimmed("ids + text", postcard::to_stdvec(&whole).expect("plain data"))]
    }

    fn load(_format: &'static str, bytes: &[u8], agent: usize) -> Self {
        let (encoded, text): (EncodedReplica, String) = postcard::from_bytes(bytes).expect("a replica");
        let replica = Replica::decode(agent_id(agent), &encoded).expect("a replica");
        Cola { replica, rope: JumpRope::from(text.as_str()) }
    }
}
