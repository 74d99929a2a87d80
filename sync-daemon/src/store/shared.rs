//! What the threads of a store tell: what is safe, by lane; whether the store has failed; what cannot be read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crdt::sync::{DocId, Kind};
use crdt::{Delta, VersionVector};
use tokio::sync::Notify;

use super::Record;
use crate::lanes::{LANES, lane};

/// What the threads tell: what is safe, whether the store has failed, what cannot be read, how far
/// compaction is.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: [Notify; LANES],
}

type Logged = BTreeMap<DocId, (Kind, Vec<Arc<Delta>>)>;

#[derive(Debug, Default)]
pub(super) struct State {
    /// By lane.
    durable: [BTreeMap<DocId, VersionVector>; LANES],
    failed: Option<String>,
    /// Deltas that are in the log and not in the tables yet, in their order: those of the half that is being put into the
    /// tables, and those of the half in which it goes on.
    moving: Logged,
    logged: Logged,
    quarantined: BTreeMap<String, String>,
    pub(super) compaction: Compaction,
}

/// How far compaction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Compaction {
    /// Documents whose deltas are to be joined.
    pub waiting: usize,
    /// Documents whose deltas were joined since the start.
    pub done: u64,
    /// The bytes of the deltas that were joined.
    pub bytes_before: u64,
    /// What they took afterwards.
    pub bytes_after: u64,
}

impl Shared {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are on the disk.
    pub(super) fn note_durable(&self, durable: BTreeMap<DocId, VersionVector>) {
        let mut touched = [false; LANES];
        let mut state = self.state();
        // The first error is final, also when it came from another thread meanwhile.
        if state.failed.is_some() {
            return;
        }
        for (doc, version) in durable {
            let lane = usize::from(lane(&doc));
            if let (Some(durable), Some(touched)) = (state.durable.get_mut(lane), touched.get_mut(lane)) {
                durable.entry(doc).or_default().merge(&version);
                *touched = true;
            }
        }
        drop(state);
        let touched = self.changed.iter().zip(touched).filter(|(_, touched)| *touched);
        touched.for_each(|(changed, _)| changed.notify_one());
    }

    /// What of a lane has become durable since the last call.
    pub(crate) fn take_durable(&self, lane: usize) -> BTreeMap<DocId, VersionVector> {
        self.state().durable.get_mut(lane).map(std::mem::take).unwrap_or_default()
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn take_all_durable(&self) -> BTreeMap<DocId, VersionVector> {
        (0..LANES).flat_map(|lane| self.take_durable(lane)).collect()
    }

    /// Waits until something of a lane has become durable, or the store has failed.
    pub(crate) async fn changed(&self, lane: usize) {
        if let Some(changed) = self.changed.get(lane) {
            changed.notified().await;
        }
    }

    /// The disk failed, for good.
    pub(super) fn fail(&self, reason: String) {
        self.state().failed.get_or_insert(reason);
        self.changed.iter().for_each(Notify::notify_one);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// These are in the log, and not in the tables yet.
    pub(super) fn note_logged(&self, records: &[Record]) {
        let mut state = self.state();
        for Record { doc, kind, delta } in records {
            state.logged.entry(doc.clone()).or_insert((*kind, Vec::new())).1.push(Arc::clone(delta));
        }
    }

    /// What of a document is in the log, and may not be in the tables.
    pub(super) fn logged(&self, doc: &DocId) -> Option<(Kind, Vec<Arc<Delta>>)> {
        let state = self.state();
        let mut halves = [&state.moving, &state.logged].into_iter().filter_map(|half| half.get(doc));
        let (kind, mut deltas) = halves.next()?.clone();
        deltas.extend(halves.flat_map(|(_, deltas)| deltas).cloned());
        Some((kind, deltas))
    }

    /// The half of the log that was written until now is put into the tables, and the other one goes on.
    pub(super) fn begin_moving(&self) {
        let mut state = self.state();
        state.moving = std::mem::take(&mut state.logged);
    }

    /// What was to be put into the tables is there.
    pub(super) fn end_moving(&self) {
        let moved = std::mem::take(&mut self.state().moving);
        drop(moved); // thousands of deltas, and nobody waits for the lock
    }

    /// Documents that cannot be read, and why.
    pub(crate) fn quarantined(&self) -> Vec<String> {
        self.state().quarantined.iter().map(|(name, why)| format!("{name}: {why}")).collect()
    }

    pub(crate) fn compaction(&self) -> Compaction {
        self.state().compaction
    }

    pub(super) fn quarantine(&self, name: String, why: String) {
        tracing::error!(name, why, "a document cannot be read");
        self.state().quarantined.insert(name, why);
    }
}
