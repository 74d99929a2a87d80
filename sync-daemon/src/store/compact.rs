//! Compaction: the deltas of a document joined into one, beside the thread that writes.
//!
//! What is joined is read back and compared before anything is replaced. The thread that writes the tables then does
//! one short transaction for each document; deltas that came meanwhile stay behind the new one.

use std::sync::{Arc, mpsc as threads};

use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Document};
use crdt::{Delta, ReplicaId, Replicated, VersionVector};
use redb::Database;
use tokio::sync::mpsc;

use super::mover::Mover;
use super::table::{self, Row};
use super::{Error, Task, guarded};

/// One delta in the place of a document's up to number `last`.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) doc: DocId,
    pub(super) last: u64,
    /// `None` when they could not be joined and stay as they are.
    pub(super) bytes: Option<Vec<u8>>,
}

/// The thread that joins.
pub(super) struct Compactor {
    db: Arc<Database>,
    queue: threads::Receiver<(DocId, Row)>,
    tasks: mpsc::WeakSender<Task>,
}

impl Compactor {
    pub(super) fn new(mover: &mut Mover, tasks: mpsc::WeakSender<Task>) -> Self {
        let queue = mover.compacts.take().unwrap_or_else(|| threads::channel().1);
        Compactor { db: Arc::clone(&mover.db), queue, tasks }
    }

    /// Runs until the thread that writes the tables has ended.
    #[cfg(not(feature = "simulation"))]
    pub(super) fn run(self) {
        while let Ok((doc, row)) = self.queue.recv() {
            // A store that is being closed has no need of it.
            let Some(tasks) = self.tasks.upgrade() else { continue };
            let _ = tasks.blocking_send(Task::Replace(self.joined(doc, &row)));
        }
    }

    #[cfg(feature = "simulation")]
    pub(super) async fn run_simulated(self) {
        loop {
            match self.queue.try_recv() {
                Ok((doc, row)) => {
                    let Some(tasks) = self.tasks.upgrade() else { continue };
                    let joined = self.joined(doc, &row);
                    let _ = tasks.send(Task::Replace(joined)).await;
                }
                Err(threads::TryRecvError::Empty) => tokio::time::sleep(super::LOOK_EVERY).await,
                Err(threads::TryRecvError::Disconnected) => return,
            }
        }
    }

    fn joined(&self, doc: DocId, row: &Row) -> Joined {
        guarded(|| join(&self.db, doc.clone(), row)).unwrap_or_else(|error| {
            tracing::error!(%doc, %error, "cannot be compacted; it stays in parts");
            Joined { doc, last: 0, bytes: None }
        })
    }
}

/// Joins the deltas of a document. One that does not read back as it was is an error: that is a fault of the
/// program, not of the disk.
pub(super) fn join(db: &Database, doc: DocId, row: &Row) -> Result<Joined, Error> {
    let parts = table::parts(db, row)?;
    let bytes = parts.doc.delta_since(&VersionVector::new()).to_bytes();
    let mut copy = AnyDoc::create(row.kind, ReplicaId::MIN).ok_or("of an unknown kind")?;
    copy.apply(&Delta::from_bytes(&bytes)?)?;
    if copy.version() != parts.doc.version() {
        return Err("what was joined does not read back as it was".into());
    }
    Ok(Joined { doc, last: parts.last, bytes: Some(bytes) })
}
