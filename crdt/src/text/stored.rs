//! A text as a file has it: readable at once, its history taken in when it is first asked for.

use std::sync::{Arc, OnceLock};

use crate::codec::DecodeError;
use crate::graph::Order;
use crate::pack::Packed;

use super::core::Core;
use super::{forgotten, history};

/// A text whose history waits.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) visible: String,
    /// The operations and what they deleted; of a document that has forgotten, the places of all characters and
    /// the operations.
    pub(super) history: [Packed; 2],
    /// Whether the operations name characters in the brief form, and places are those of runs.
    pub(super) short: bool,
    pub(super) order: Arc<Order>,
    pub(super) core: OnceLock<Core>,
}

impl Stored {
    /// The text with its history. The file was read whole, so it is as it was written; of one that is not what
    /// any writer wrote, the history is empty, and so is the text.
    pub(super) fn core(&self) -> &Core {
        self.core.get_or_init(|| self.decode().unwrap_or_default())
    }

    pub(super) fn into_core(mut self) -> Core {
        self.core();
        self.core.take().unwrap_or_default()
    }

    fn decode(&self) -> Result<Core, DecodeError> {
        if self.order.is_cut() {
            let [places, ops] = [self.history[0].unpack()?, self.history[1].unpack()?];
            let replicas = self.order.replicas();
            return forgotten::decode(
                &places,
                self.short,
                &ops,
                &self.visible,
                self.order.events(),
                &replicas,
            );
        }
        let (ops, deleted) = (self.history[0].unpack()?, self.history[1].unpack_text()?);
        let (order, replicas) = (self.order.spans(), self.order.replicas());
        history::decode(&ops, self.short, &self.visible, &deleted, order, &replicas)
    }
}
