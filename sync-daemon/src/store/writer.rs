//! The writing thread: takes what has come meanwhile, and makes it durable with one fsync.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc as threads};
use std::time::Duration;

use crdt::VersionVector;
use crdt::sync::DocId;
use redb::{Database, StorageBackend};
use tokio::sync::mpsc;

use super::log::Log;
use super::table::{self, Row};
use super::{Error, Listed, Record, Shared, Task, compact, guarded};

/// The most records in one commit.
const COMMIT_RECORDS: usize = 2048;
/// The most bytes in one commit.
const COMMIT_BYTES: usize = 8 << 20;
/// The most records in the log: what is put into the tables at once.
const LOG_RECORDS: usize = 4096;
/// Two commits begin at least this long apart, so that under load each takes what came meanwhile. A record that
/// comes when nothing was committed for as long does not wait.
const COMMIT_EVERY: Duration = Duration::from_millis(5);

/// The writing thread.
pub(super) struct Writer {
    pub(super) db: Arc<Database>,
    log: Log,
    /// What is in the log.
    logged: Vec<Record>,
    /// The number that the next new document gets.
    next_number: u64,
    quarantined: BTreeSet<DocId>,
    pub(super) shared: Arc<Shared>,
    to_compact: threads::Sender<(DocId, Row)>,
    /// Taken by the compactor.
    pub(super) compacts: Option<threads::Receiver<(DocId, Row)>>,
    /// Documents whose deltas are being joined.
    compacting: BTreeSet<DocId>,
}

impl Writer {
    /// Makes a store ready, of whichever format, and lists what it holds.
    pub(super) fn open(
        db: Database,
        log: Box<dyn StorageBackend>,
        log_bytes: u64,
        shared: Arc<Shared>,
    ) -> Result<(Self, Vec<Listed>), Error> {
        table::prepare(&db)?;
        let (mut log, logged) = Log::open(log, log_bytes, table::generation(&db)?)?;
        // Of another generation even if nothing was there: behind a record that the power tore others may be whole, and
        // would count again behind new ones.
        let generation = fastrand::u64(..);
        table::put(&db, logged.iter(), generation, &mut table::next_number(&db)?)?;
        log.restart(generation);
        let found = table::list(&db)?;
        let mut quarantined = BTreeSet::new();
        for (name, why) in found.quarantined {
            quarantined.extend(name.parse::<DocId>());
            shared.quarantine(name, why);
        }
        let (to_compact, compacts) = threads::channel();
        let writer = Writer {
            db: Arc::new(db),
            log,
            logged: Vec::new(),
            next_number: found.next_number,
            quarantined,
            shared,
            to_compact,
            compacts: Some(compacts),
            compacting: BTreeSet::new(),
        };
        Ok((writer, found.docs))
    }

    #[cfg(feature = "simulation")]
    pub(super) async fn run_simulated(mut self, mut queue: mpsc::Receiver<Task>) {
        while let Some(first) = queue.recv().await {
            tokio::time::sleep(COMMIT_EVERY + Duration::from_millis(fastrand::u64(0..60))).await;
            self.write(first, &mut queue);
        }
        self.end();
    }

    #[cfg(not(feature = "simulation"))]
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Task>) {
        let mut began: Option<std::time::Instant> = None;
        while let Some(first) = queue.blocking_recv() {
            if let Some(rest) = began.and_then(|began| COMMIT_EVERY.checked_sub(began.elapsed())) {
                std::thread::sleep(rest);
            }
            began = Some(std::time::Instant::now());
            self.write(first, &mut queue);
        }
        self.end();
    }

    /// Puts what is in the log into the tables, so that the next start need not.
    fn end(&mut self) {
        if !self.logged.is_empty()
            && self.shared.failure().is_none()
            && let Err(error) = guarded(|| self.put(&[]))
        {
            tracing::warn!(%error, "what is in the log is put into the tables at the next start");
        }
    }

    /// Carries out a task and those that have come meanwhile.
    fn write(&mut self, first: Task, queue: &mut mpsc::Receiver<Task>) {
        let tasks = gather(first, queue);
        if self.shared.failure().is_none()
            && let Err(error) = guarded(|| self.carry_out(tasks))
        {
            tracing::error!(%error, "the store has failed; nothing more becomes durable here");
            self.shared.fail(error.to_string());
        }
    }

    fn carry_out(&mut self, tasks: Vec<Task>) -> Result<(), Error> {
        let (mut batch, mut permits, mut joined) = (Vec::new(), Vec::new(), Vec::new());
        for task in tasks {
            match task {
                Task::Keep(record, permit) => {
                    batch.push(record);
                    permits.push(permit);
                }
                Task::Replace(one) => joined.push(one),
                Task::Quarantine(doc, why) => {
                    table::quarantine(&self.db, doc.as_str(), &why)?;
                    self.quarantined.insert(doc);
                }
            }
        }
        if !batch.is_empty() {
            self.commit(batch)?;
        }
        joined.into_iter().try_for_each(|one| self.replace(one))
    }

    /// Keeps records: in the log, or all together in the tables when it is full.
    pub(super) fn commit(&mut self, mut batch: Vec<Record>) -> Result<(), Error> {
        batch.retain(|record| !self.quarantined.contains(&record.doc));
        let mut durable: BTreeMap<DocId, VersionVector> = BTreeMap::new();
        for record in &batch {
            let version = durable.entry(record.doc.clone()).or_default();
            record.delta.spans.iter().for_each(|span| {
                version.advance(span.replica, span.to);
            });
        }
        if self.logged.len() + batch.len() <= LOG_RECORDS && self.log.append(batch.iter())? {
            self.shared.note_logged(&batch);
            self.logged.append(&mut batch);
        } else {
            self.put(&batch)?;
        }
        self.shared.note_durable(durable);
        Ok(())
    }

    /// Puts all that is in the log, and these records, into the tables.
    fn put(&mut self, batch: &[Record]) -> Result<(), Error> {
        let generation = fastrand::u64(..);
        let records = self.logged.iter().chain(batch);
        let rows = table::put(&self.db, records, generation, &mut self.next_number)?;
        self.log.restart(generation);
        self.logged.clear();
        self.shared.forget_logged();
        for (doc, row) in rows {
            if row.is_long() && self.compacting.insert(doc.clone()) {
                self.shared.state().compaction.waiting += 1;
                // The compactor ends only after this thread.
                let _ = self.to_compact.send((doc, row));
            }
        }
        Ok(())
    }

    /// Puts one delta in the place of those that it was made of, in one transaction.
    pub(super) fn replace(&mut self, joined: compact::Joined) -> Result<(), Error> {
        let Some(bytes) = joined.bytes else {
            // It counts as being joined, so that it is not tried again.
            self.shared.state().compaction.waiting -= 1;
            return Ok(());
        };
        let before = table::replace(&self.db, &joined.doc, joined.last, &bytes)?;
        self.compacting.remove(&joined.doc);
        let compaction = &mut self.shared.state().compaction;
        compaction.waiting -= 1;
        compaction.done += 1;
        compaction.bytes_before += before as u64;
        compaction.bytes_after += bytes.len() as u64;
        Ok(())
    }
}

/// The first task and those that wait behind it, as many as go in one commit.
fn gather(first: Task, queue: &mut mpsc::Receiver<Task>) -> Vec<Task> {
    let size = |task: &Task| match task {
        Task::Keep(record, _) => record.delta.body.len(),
        Task::Replace(_) | Task::Quarantine(..) => 0,
    };
    let mut bytes = size(&first);
    let mut tasks = vec![first];
    while tasks.len() < COMMIT_RECORDS && bytes < COMMIT_BYTES {
        let Ok(task) = queue.try_recv() else { break };
        bytes += size(&task);
        tasks.push(task);
    }
    tasks
}
