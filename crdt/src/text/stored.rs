//! A text as a file has it: readable at once, its history taken in when it is first asked for.

use std::sync::{Arc, OnceLock};

use crate::codec::DecodeError;
use crate::graph::Order;
use crate::pack::Packed;

use super::blocks::Blocks;
use super::core::Core;
use super::tree::Tree;
use super::view::Pieces;
use super::{forgotten, history};

/// A text whose history waits.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) visible: String,
    /// The operations and what they deleted; of a document that has forgotten, the places of all characters and
    /// the operations.
    history: [Packed; 2],
    /// Whether the operations name characters in the brief form, and places are those of runs.
    short: bool,
    order: Arc<Order>,
    core: OnceLock<Box<Core>>,
    /// What finds places in it, once someone asks for one.
    blocks: OnceLock<Box<Blocks>>,
}

impl Pieces for Stored {
    fn tree(&self) -> &Tree {
        self.blocks().tree()
    }

    fn piece(&self, number: usize) -> (&str, usize) {
        self.blocks().block(&self.visible, number)
    }
}

impl Stored {
    pub(super) fn new(visible: String, history: [Packed; 2], short: bool, order: Arc<Order>) -> Stored {
        Stored { visible, history, short, order, core: OnceLock::new(), blocks: OnceLock::new() }
    }

    fn blocks(&self) -> &Blocks {
        self.blocks.get_or_init(|| Box::new(Blocks::of(&self.visible)))
    }

    /// The text with its history. The file was read whole, so it is as it was written; of one that is not what
    /// any writer wrote, the history is empty, and so is the text.
    pub(super) fn core(&self) -> &Core {
        self.core.get_or_init(|| Box::new(self.decode().unwrap_or_default()))
    }

    pub(super) fn into_core(mut self) -> Core {
        self.core();
        self.core.take().map_or_else(Core::default, |core| *core)
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
