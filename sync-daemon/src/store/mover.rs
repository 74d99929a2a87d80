//! The thread that writes the tables: what is in the full half of the log, joined deltas, what cannot be read.
//!
//! Commits go on in the other half meanwhile. Each half is either written by the writing thread, or empty and with it, or
//! here: it is handed back only when all that is in it is safe in the tables.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc as threads};

use crdt::sync::DocId;
use redb::Database;

use super::log::{Halves, Log};
use super::table::{self, Generations, Row};
use super::{Error, Listed, Record, Shared, compact, guarded};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    /// Put all that is in a half of the log into the tables.
    Move(Log, Vec<Record>),
    /// Put one delta in the place of many.
    Replace(compact::Joined),
    /// Note that a document cannot be read, and why.
    Quarantine(DocId, String),
}

/// The thread that writes the tables.
#[derive(Debug)]
pub(super) struct Mover {
    pub(super) db: Arc<Database>,
    shared: Arc<Shared>,
    pub(super) jobs: threads::Receiver<Job>,
    /// Halves of the log of which all is in the tables.
    emptied: threads::Sender<Log>,
    /// Of the halves of the log, the older first, as the tables have them.
    generations: Generations,
    /// The number that the next new document gets.
    next_number: u64,
    to_compact: threads::Sender<(DocId, Row)>,
    /// Taken by the compactor.
    pub(super) compacts: Option<threads::Receiver<(DocId, Row)>>,
    /// Documents whose deltas are being joined.
    compacting: BTreeSet<DocId>,
}

/// What a store begins with.
pub(super) struct Begun {
    pub(super) mover: Mover,
    /// Both halves of the log, empty, in the order in which they are to be written.
    pub(super) halves: [Log; 2],
    pub(super) jobs: threads::Sender<Job>,
    pub(super) emptied: threads::Receiver<Log>,
    pub(super) docs: Vec<Listed>,
    pub(super) quarantined: BTreeSet<DocId>,
}

impl Mover {
    /// Makes a store ready, of whichever format, and lists what it holds.
    pub(super) fn open(
        db: Database,
        halves: Halves,
        log_bytes: u64,
        shared: Arc<Shared>,
    ) -> Result<Begun, Error> {
        table::prepare(&db)?;
        let [first, second] = halves;
        let [mut first, mut second] = [Log::open(first, log_bytes)?, Log::open(second, log_bytes)?];
        let mut logged = Vec::new();
        for generation in table::generations(&db)? {
            for half in [&first, &second] {
                logged.append(&mut half.records(generation)?);
            }
        }
        // Of other generations even if nothing was there: behind a record that the power tore others may be whole, and
        // would count again behind new ones.
        let generations = [fastrand::u64(..), fastrand::u64(..)];
        table::put(&db, logged.iter(), generations, &mut table::next_number(&db)?)?;
        first.restart(generations[0])?;
        second.restart(generations[1])?;
        let found = table::list(&db)?;
        let mut quarantined = BTreeSet::new();
        for (name, why) in found.quarantined {
            quarantined.extend(name.parse::<DocId>());
            shared.quarantine(name, why);
        }
        let (to_compact, compacts) = threads::channel();
        let (jobs, to_do) = threads::channel();
        let (empty, emptied) = threads::channel();
        let mover = Mover {
            db: Arc::new(db),
            shared,
            jobs: to_do,
            emptied: empty,
            generations,
            next_number: found.next_number,
            to_compact,
            compacts: Some(compacts),
            compacting: BTreeSet::new(),
        };
        Ok(Begun { mover, halves: [first, second], jobs, emptied, docs: found.docs, quarantined })
    }

    /// Runs until the writing thread has ended, or the disk fails: then that thread gets no half back, and fails too.
    #[cfg(not(feature = "simulation"))]
    pub(super) fn run(mut self) {
        while let Ok(job) = self.jobs.recv() {
            if !self.step(job) {
                return;
            }
        }
    }

    #[cfg(feature = "simulation")]
    pub(super) async fn run_simulated(mut self) {
        loop {
            match self.jobs.try_recv() {
                Ok(job) => {
                    tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(0..100))).await;
                    if !self.step(job) {
                        return;
                    }
                }
                Err(threads::TryRecvError::Empty) => tokio::time::sleep(super::LOOK_EVERY).await,
                Err(threads::TryRecvError::Disconnected) => return,
            }
        }
    }

    /// Does something, and says whether more can be done.
    fn step(&mut self, job: Job) -> bool {
        if self.shared.failure().is_none()
            && let Err(error) = guarded(|| self.carry_out(job))
        {
            tracing::error!(%error, "the store has failed; nothing more becomes durable here");
            self.shared.fail(error.to_string());
        }
        self.shared.failure().is_none()
    }

    pub(super) fn carry_out(&mut self, job: Job) -> Result<(), Error> {
        match job {
            Job::Move(half, records) => self.put(half, &records),
            Job::Replace(joined) => self.replace(joined),
            Job::Quarantine(doc, why) => table::quarantine(&self.db, doc.as_str(), &why),
        }
    }

    /// Puts all that is in a half of the log into the tables, and gives it back.
    fn put(&mut self, mut half: Log, records: &[Record]) -> Result<(), Error> {
        let [_, next] = self.generations;
        let generations = [next, fastrand::u64(..)];
        let rows = table::put(&self.db, records.iter(), generations, &mut self.next_number)?;
        self.generations = generations;
        self.shared.end_moving();
        half.restart(generations[1])?;
        // It has ended when this was the last.
        let _ = self.emptied.send(half);
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
