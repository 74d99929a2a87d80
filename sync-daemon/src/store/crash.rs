//! The store on a simulated disk that loses power ([`Disk`]): at any operation.
//!
//! `CRASHES=1000000 SEED=1 cargo test --release -p sync-daemon --lib crash -- --nocapture` plays many.

#![allow(clippy::unwrap_used, clippy::panic)] // It is a test, also where it runs as a part of a longer one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crdt::Replicated;
use crdt::sync::Document;

use super::disk::{Disk, Files};
use super::mover::Job;
use super::*;

fn named(n: usize) -> DocId {
    ["a", "b", "c"][n].parse().unwrap()
}

/// What was called durable, and what was ever written: for each document.
#[derive(Default)]
struct Ledger {
    durable: BTreeMap<DocId, VersionVector>,
    written: BTreeMap<DocId, VersionVector>,
    /// Commits while the tables were being written.
    meanwhile: u64,
}

impl Ledger {
    /// What is read after a crash has all that was durable, nothing that nobody wrote, and no half transaction.
    fn check(&self, loaded: &[(DocId, AnyDoc)], quarantined: &[(String, String)], story: &str) {
        assert!(quarantined.is_empty(), "{story}: {quarantined:?}");
        let docs: BTreeMap<_, _> = loaded.iter().map(|(id, doc)| (id.clone(), doc)).collect();
        for (id, durable) in &self.durable {
            let version = docs.get(id).map(|doc| doc.version().clone()).unwrap_or_default();
            assert!(version.covers(durable), "{story}: {id} was durable at {durable:?}, is at {version:?}");
        }
        for (id, doc) in docs {
            let written = self.written.get(&id).cloned().unwrap_or_default();
            assert!(written.covers(doc.version()), "{story}: {id} has what nobody wrote");
            let value: serde_json::Value =
                serde_json::from_str(&doc.as_doc().unwrap().value().to_string()).unwrap();
            assert_eq!(value["left"], value["right"], "{story}: half of a transaction in {id}");
        }
    }
}

/// A store that is open, and what somebody writes into it.
struct Live {
    writer: Writer,
    docs: BTreeMap<DocId, AnyDoc>,
    /// What was edited and has not been kept yet.
    held: Vec<Record>,
    ledger: Ledger,
    author: ReplicaId,
    round: u64,
    rng: fastrand::Rng,
    /// The power is off.
    over: bool,
}

impl Live {
    fn edit(&mut self, n: usize, id: DocId) {
        let author = self.author;
        let doc = self.docs.entry(id.clone()).or_insert_with(|| AnyDoc::create(Kind::DOC, author).unwrap());
        let before = doc.version().clone();
        let value = (self.round * 1_000 + n as u64) as i64;
        doc.as_doc_mut().unwrap().transact(0, |tx| {
            tx.put("left", value);
            tx.put("right", value);
        });
        self.ledger.written.entry(id.clone()).or_default().merge(doc.version());
        let delta = Arc::new(doc.delta_since(&before));
        self.held.push(Record { doc: id, kind: Kind::DOC, delta });
    }

    fn edit_some(&mut self) {
        // Seldom so many that the document is rewritten as one.
        let records = if self.rng.u8(0..96) == 0 { 600 } else { self.rng.usize(1..6) };
        let only = self.rng.usize(0..3);
        for n in 0..records {
            let id = named(if records > 100 { only } else { self.rng.usize(0..3) });
            self.edit(n, id);
        }
    }

    /// Keeps what was edited, unless it has to wait for the tables.
    fn commit(&mut self) -> Result<bool, Error> {
        if self.writer.must_wait(|| self.held.iter()) {
            return Ok(false);
        }
        self.writer.commit(std::mem::take(&mut self.held))?;
        for (id, version) in self.writer.shared.take_all_durable() {
            self.ledger.durable.entry(id).or_default().merge(&version);
        }
        Ok(true)
    }

    /// What the writing thread may do before any operation of that which writes the tables.
    fn commit_meanwhile(&mut self) {
        if self.over || self.rng.u8(0..4) != 0 {
            return;
        }
        self.edit_some();
        match self.commit() {
            Ok(kept) => self.ledger.meanwhile += u64::from(kept),
            Err(_) => self.over = true,
        }
    }
}

/// Opens the store, checks what it holds, and writes until the power goes. Whether it could be opened.
fn live(disk: &Disk, ledger: &mut Ledger, round: u64, rng: &mut fastrand::Rng, story: &str) -> bool {
    let author = ReplicaId::from_u128(u128::from(round) + 1);
    let Ok(db) = Database::builder().set_cache_size(1 << 20).create_with_backend(disk.clone()) else {
        return false;
    };
    // A half of the log is full after a few commits, or after one.
    let log_bytes = rng.u64(200..4_000);
    let Ok((writer, mut mover, _)) = Writer::open(db, disk.halves(), log_bytes, Arc::default()) else {
        return false;
    };
    let Ok((docs, quarantined)) = table::read_all(&mover.db) else { return false };
    ledger.check(&docs, &quarantined, story);
    let mut docs: BTreeMap<DocId, AnyDoc> = docs.into_iter().collect();
    docs.values_mut().for_each(|doc| doc.set_author(author));
    let (held, own) = (Vec::new(), fastrand::Rng::with_seed(rng.u64(..)));
    let ledger_so_far = std::mem::take(ledger);
    let live = Live { writer, docs, held, ledger: ledger_so_far, author, round, rng: own, over: false };
    let live = Arc::new(Mutex::new(live));
    let other = Arc::clone(&live);
    disk.between(Some(Arc::new(move || other.lock().unwrap().commit_meanwhile())));
    let mut write = || -> Result<(), Error> {
        let compacts = mover.compacts.take().unwrap();
        for _ in 0..rng.usize(1..8) {
            live.lock().unwrap().edit_some();
            while !live.lock().unwrap().commit()? {
                let job = mover.jobs.try_recv()?;
                mover.carry_out(job)?;
            }
            while rng.bool()
                && let Ok(job) = mover.jobs.try_recv()
            {
                mover.carry_out(job)?;
            }
            for (doc, row) in compacts.try_iter() {
                let joined = compact::join(&mover.db, doc, &row)?;
                mover.carry_out(Job::Replace(joined))?;
            }
        }
        Ok(())
    };
    // An error is the end of the power: it goes before anything is closed in order.
    let _ = write();
    disk.power_off();
    disk.between(None);
    *ledger = std::mem::take(&mut live.lock().unwrap().ledger);
    true
}

/// A store that was made in peace: it gets its name only then.
pub(crate) fn empty() -> Files {
    let disk = Disk::default();
    table::prepare(&Database::builder().create_with_backend(disk.clone()).unwrap()).unwrap();
    disk.bytes()
}

/// The number that the environment says, or another.
#[cfg(test)]
fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or)
}

/// What a store holds when it is opened.
#[allow(clippy::type_complexity)]
fn read_again(disk: Disk) -> Result<(Vec<(DocId, AnyDoc)>, Vec<(String, String)>), Error> {
    let db = Database::builder().create_with_backend(disk.clone())?;
    let (_, mover, _) = Writer::open(db, disk.halves(), 0, Arc::default())?;
    table::read_all(&mover.db)
}

/// As [`play`], without the last.
#[cfg(feature = "simulation")]
pub(crate) fn power_cuts(seed: u64, crashes: u64) -> (u64, u64) {
    let [opened, durable, _] = play(seed, crashes);
    (opened, durable)
}

/// Plays so many power cuts: how many of them hit a store that was open, how many events were durable, and how many
/// commits there were while the tables were being written.
fn play(seed: u64, crashes: u64) -> [u64; 3] {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut bytes, mut ledger) = (Files::default(), Ledger::default());
    let [mut opened, mut durable, mut meanwhile] = [0; 3];
    for round in 0..crashes {
        // Documents grow: begin anew now and then.
        if round % 10 == 0 {
            durable += ledger.durable.values().map(VersionVector::total).sum::<u64>();
            meanwhile += ledger.meanwhile;
            (bytes, ledger) = (empty(), Ledger::default());
        }
        let story = format!("SEED={seed}, crash {round}");
        let fuse = (rng.u8(0..8) != 0).then(|| rng.u64(0..120));
        let disk = Disk::holding(bytes).fuse(fuse);
        opened += u64::from(live(&disk, &mut ledger, round, &mut rng, &story));
        bytes = disk.cut_power(&mut rng).bytes();
        // With the power on it opens, whatever happened before.
        let read = read_again(Disk::holding(bytes.clone()));
        let (docs, quarantined) = read.unwrap_or_else(|error| panic!("{story}: cannot be opened: {error}"));
        ledger.check(&docs, &quarantined, &story);
    }
    [opened, durable, meanwhile]
}

#[test]
fn nothing_durable_is_lost_when_the_power_goes() {
    let (seed, crashes) = (number("SEED", 1), number("CRASHES", 150));
    let [opened, durable, meanwhile] = play(seed, crashes);
    println!(
        "SEED={seed}: {crashes} power cuts, {opened} while writing, {durable} events durable, none lost; \
         {meanwhile} commits while the tables were written"
    );
    assert!(opened > crashes / 4 && durable > crashes, "hardly anything was written");
    assert!(meanwhile > crashes / 10, "hardly anything was written meanwhile");
}

/// A disk that says "synced" and has not: what was acknowledged may be gone, but what can be read is whole, and the
/// rest is refused. redb panics on some such files (found by this test): `guarded` makes errors of it.
#[test]
fn a_disk_that_lies_costs_data_but_no_panic() {
    let (seed, crashes) = (number("SEED", 1), number("CRASHES", 100));
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut refused, mut read) = (0, 0);
    for round in 0..crashes {
        let fuse = Some(rng.u64(40..200));
        let disk = Disk::holding(empty()).fuse(fuse).lying();
        let mut ledger = Ledger::default();
        live(&disk, &mut ledger, round, &mut rng, "");
        let disk = disk.cut_power(&mut rng);
        match guarded(|| read_again(disk)) {
            Err(_) => refused += 1,
            Ok((docs, _)) => {
                read += 1;
                for (_, doc) in &docs {
                    assert_eq!(doc.as_doc().unwrap().version().total() % 2, 0, "half of a transaction");
                }
            }
        }
    }
    println!("SEED={seed}: {crashes} lies found out, {refused} files refused, {read} read");
}
