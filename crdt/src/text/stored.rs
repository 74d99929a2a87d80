//! A text as a file has it: readable at once, its history taken in when it is first asked for.

use std::sync::{Arc, OnceLock};

use crate::codec::{DecodeError, Reader};
use crate::graph::{EventGraph, Parents};
use crate::id::{ReplicaId, Span};
use crate::pack::Packed;

use super::core::Core;
use super::history;

/// All events of a document in an order in which each comes after those it builds on: the one in which a
/// file has operations.
#[derive(Debug)]
pub(crate) struct Order {
    /// All events, by replica.
    all: Vec<Span>,
    graph: Packed,
    order: OnceLock<Vec<Span>>,
}

impl Order {
    /// The order of these events; `graph` has what they build on.
    pub(crate) fn new(all: Vec<Span>, graph: Packed) -> Order {
        Order { all, graph, order: OnceLock::new() }
    }

    /// The order that documents of these events are written in.
    pub(crate) fn of(all: &[Span], parents: &Parents) -> Vec<Span> {
        // A document's own events fit together.
        EventGraph::new().order(all, parents).unwrap_or_default()
    }

    pub(crate) fn replicas(all: &[Span]) -> Vec<ReplicaId> {
        all.iter().map(|span| span.replica).collect()
    }

    /// What the events build on.
    pub(crate) fn parents(&self) -> Result<Parents, DecodeError> {
        let (bytes, replicas) = (self.graph.unpack()?, Self::replicas(&self.all));
        let mut r = Reader::new(&bytes, &replicas);
        let parents = Parents::decode(&self.all, &mut r)?;
        r.end()?;
        Ok(parents)
    }

    fn spans(&self) -> &[Span] {
        self.order
            .get_or_init(|| self.parents().map(|parents| Self::of(&self.all, &parents)).unwrap_or_default())
    }
}

/// A text whose history waits.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) visible: String,
    /// The operations and what they deleted.
    pub(super) history: [Packed; 2],
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
        let (ops, deleted) = (self.history[0].unpack()?, self.history[1].unpack_text()?);
        history::decode(&ops, &self.visible, &deleted, self.order.spans(), &Order::replicas(&self.order.all))
    }
}
