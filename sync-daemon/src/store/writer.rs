//! The writing thread: takes what has come meanwhile, and makes it durable with one fsync.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc as threads};
use std::time::Duration;

use crdt::VersionVector;
use crdt::sync::DocId;
use redb::Database;
use tokio::sync::mpsc;

use super::log::{Halves, Log};
use super::mover::{Begun, Job, Mover};
use super::{Error, Listed, Record, Shared, Task, guarded};

/// The most records in one commit.
const COMMIT_RECORDS: usize = 2048;
/// The most bytes in one commit.
const COMMIT_BYTES: usize = 8 << 20;
/// The most records in half of the log: what is put into the tables at once.
const LOG_RECORDS: usize = 4096;
/// Two commits begin at least this long apart, so that under load each takes what came meanwhile. A record that
/// comes when nothing was committed for as long does not wait.
const COMMIT_EVERY: Duration = Duration::from_millis(5);

/// The writing thread.
pub(super) struct Writer {
    /// The half of the log that is written now, and what is in it.
    half: Log,
    logged: Vec<Record>,
    /// The other half, unless it is being put into the tables.
    other: Option<Log>,
    emptied: threads::Receiver<Log>,
    jobs: threads::Sender<Job>,
    quarantined: BTreeSet<DocId>,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// Makes a store ready, of whichever format, and lists what it holds.
    pub(super) fn open(
        db: Database,
        halves: Halves,
        log_bytes: u64,
        shared: Arc<Shared>,
    ) -> Result<(Self, Mover, Vec<Listed>), Error> {
        let begun = Mover::open(db, halves, log_bytes, Arc::clone(&shared))?;
        let Begun { mover, halves: [half, other], jobs, emptied, docs, quarantined } = begun;
        let writer =
            Writer { half, logged: Vec::new(), other: Some(other), emptied, jobs, quarantined, shared };
        Ok((writer, mover, docs))
    }

    #[cfg(feature = "simulation")]
    pub(super) async fn run_simulated(mut self, mut queue: mpsc::Receiver<Task>) {
        while let Some(first) = queue.recv().await {
            tokio::time::sleep(COMMIT_EVERY + Duration::from_millis(fastrand::u64(0..60))).await;
            let tasks = gather(first, &mut queue);
            let records = || tasks.iter().filter_map(Task::record);
            while self.must_wait(records) && self.shared.failure().is_none() {
                tokio::time::sleep(super::LOOK_EVERY).await;
            }
            self.write(tasks);
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
            self.write(gather(first, &mut queue));
        }
        self.end();
    }

    /// Has what is in the log put into the tables, so that the next start need not.
    fn end(self) {
        if !self.logged.is_empty() && self.shared.failure().is_none() {
            let _ = self.jobs.send(Job::Move(self.half, self.logged));
        }
    }

    /// Carries out what has come.
    fn write(&mut self, tasks: Vec<Task>) {
        if self.shared.failure().is_none()
            && let Err(error) = guarded(|| self.carry_out(tasks))
        {
            tracing::error!(%error, "the store has failed; nothing more becomes durable here");
            self.shared.fail(error.to_string());
        }
    }

    fn carry_out(&mut self, tasks: Vec<Task>) -> Result<(), Error> {
        let (mut batch, mut permits) = (Vec::new(), Vec::new());
        for task in tasks {
            let job = match task {
                Task::Keep(record, permit) => {
                    batch.push(record);
                    permits.push(permit);
                    continue;
                }
                Task::Replace(joined) => Job::Replace(joined),
                Task::Quarantine(doc, why) => {
                    self.quarantined.insert(doc.clone());
                    Job::Quarantine(doc, why)
                }
            };
            // Whoever does it has failed when it is not there: that is noted already.
            let _ = self.jobs.send(job);
        }
        if batch.is_empty() { Ok(()) } else { self.commit(batch) }
    }

    /// Keeps records in the log; in the other half of it when this one is full.
    pub(super) fn commit(&mut self, mut batch: Vec<Record>) -> Result<(), Error> {
        batch.retain(|record| !self.quarantined.contains(&record.doc));
        let mut durable: BTreeMap<DocId, VersionVector> = BTreeMap::new();
        for record in &batch {
            let version = durable.entry(record.doc.clone()).or_default();
            record.delta.spans.iter().for_each(|span| {
                version.advance(span.replica, span.to);
            });
        }
        if !self.has_room(|| batch.iter()) {
            self.switch()?;
            self.half.stage(batch.iter());
        }
        self.half.commit()?;
        self.shared.note_logged(&batch);
        self.logged.append(&mut batch);
        self.shared.note_durable(durable);
        Ok(())
    }

    /// Makes records ready to be written. Whether they have room in the half of the log that is written now.
    fn has_room<'a, I: Iterator<Item = &'a Record>>(&mut self, records: impl Fn() -> I) -> bool {
        let few = self.logged.is_empty() || self.logged.len() + records().count() <= LOG_RECORDS;
        self.half.stage(records()) && few
    }

    /// Whether records have to wait until the other half of the log is in the tables.
    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn must_wait<'a, I: Iterator<Item = &'a Record>>(&mut self, records: impl Fn() -> I) -> bool {
        self.other = self.other.take().or_else(|| self.emptied.try_recv().ok());
        self.other.is_none() && !self.has_room(records)
    }

    /// Goes on in the other half of the log, and has this one put into the tables. Waits for those of the other.
    fn switch(&mut self) -> Result<(), Error> {
        let other = match self.other.take() {
            Some(other) => other,
            None => self.emptied.recv().map_err(|_| "the tables cannot be written")?,
        };
        let full = std::mem::replace(&mut self.half, other);
        self.shared.begin_moving();
        let _ = self.jobs.send(Job::Move(full, std::mem::take(&mut self.logged)));
        Ok(())
    }
}

/// The first task and those that wait behind it, as many as go in one commit.
fn gather(first: Task, queue: &mut mpsc::Receiver<Task>) -> Vec<Task> {
    let size = |task: &Task| task.record().map_or(0, |record| record.delta.body.len());
    let mut bytes = size(&first);
    let mut tasks = vec![first];
    while tasks.len() < COMMIT_RECORDS && bytes < COMMIT_BYTES {
        let Ok(task) = queue.try_recv() else { break };
        bytes += size(&task);
        tasks.push(task);
    }
    tasks
}
