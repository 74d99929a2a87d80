//! Ropes: text without replication, the limit of what local editing can cost.

use jumprope::JumpRopeBuf;
use ropey::Rope;

use super::Editor;
use crate::workload::Patch;

/// jumprope, with its buffer for the run that is being typed.
pub(super) struct Jump(JumpRopeBuf);

impl Editor for Jump {
    fn new(_agent: usize) -> Self {
        Jump(JumpRopeBuf::new())
    }

    fn edit(&mut self, patches: &[Patch]) {
        for (pos, deleted, inserted) in patches {
            if *deleted > 0 {
                self.0.remove(*pos..pos + deleted);
            }
            if !inserted.is_empty() {
                self.0.insert(*pos, inserted);
            }
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// ropey.
pub(super) struct Ropey(Rope);

impl Editor for Ropey {
    fn new(_agent: usize) -> Self {
        Ropey(Rope::new())
    }

    fn edit(&mut self, patches: &[Patch]) {
        for (pos, deleted, inserted) in patches {
            if *deleted > 0 {
                self.0.remove(*pos..pos + deleted);
            }
            if !inserted.is_empty() {
                self.0.insert(*pos, inserted);
            }
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}
