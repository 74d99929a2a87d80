//! Stores whose content somebody forged: what the log and the rows hold is refused, or read the same again.

use std::sync::Arc;

use crdt::doc::AnyDoc;
use crdt::sync::DocId;
use crdt::{Replicated, VersionVector};
use redb::{Database, StorageBackend};

use super::disk::Disk;
use super::writer::Writer;
use super::{Error, log, table};

/// Generations of the halves of the log.
const OLDER: u64 = 0;
const NEWER: u64 = 1;

type Docs = Vec<(DocId, AnyDoc)>;

/// Cuts bytes into parts, each with its length in front, in two bytes. The first part is the version in the row of a
/// document, the second its delta; the others are records of the log, with their heads made right: the first of them in its
/// older half, the rest in the other. Such a store opens or does not; if it does, a second time it holds the same.
///
/// # Panics
/// When that is not so.
pub(crate) fn opens_or_is_refused(bytes: &[u8]) {
    let mut parts = parts(bytes);
    let disk = Disk::default();
    let made = table_of(&disk, parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut halves = [Vec::new(), Vec::new()];
    let [older, newer] = &mut halves;
    parts.next().into_iter().for_each(|content| log::seal(older, OLDER, |out| out.extend(content)));
    parts.for_each(|content| log::seal(newer, NEWER, |out| out.extend(content)));
    if made.is_err() {
        return; // no version that a row can have
    }
    // Which of the files is the older one, only the generations say.
    fill_log(&disk.log(1), &halves[0]);
    fill_log(&disk.log(0), &halves[1]);
    let Ok((docs, quarantined)) = open(&disk) else { return };
    let (again, and_those) = open(&disk).unwrap_or_default();
    let seen = |docs: &Docs| -> Vec<_> {
        let whole = |doc: &AnyDoc| doc.delta_since(&VersionVector::new()).to_bytes();
        docs.iter().map(|(id, doc)| (id.clone(), doc.version().clone(), whole(doc))).collect()
    };
    assert_eq!(seen(&docs), seen(&again), "what was in the log is in the tables");
    assert_eq!(quarantined, and_those);
}

fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk::<2>()?;
        let (part, rest) = rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len()));
        bytes = rest;
        Some(part)
    })
}

/// A store with one document, unless that has no version.
fn table_of(disk: &Disk, version: &[u8], delta: &[u8]) -> Result<(), Error> {
    let db = Database::builder().create_with_backend(disk.clone())?;
    table::prepare(&db)?;
    let tx = db.begin_write()?;
    tx.open_table(table::META)?.insert(table::LOG, OLDER)?;
    tx.open_table(table::META)?.insert(table::NEXT, NEWER)?;
    if !version.is_empty() {
        tx.open_table(table::INDEX)?.insert("d", (0, 0, 1, 1, delta.len() as u64, 0, version))?;
        tx.open_table(table::DELTAS)?.insert((0, 0), delta)?;
    }
    Ok(tx.commit()?)
}

fn fill_log(log: &Disk, records: &[u8]) {
    let filled = log.set_len(records.len() as u64).and_then(|()| log.write(0, records));
    assert!(filled.is_ok(), "a disk in peace");
}

fn open(disk: &Disk) -> Result<(Docs, Vec<(String, String)>), Error> {
    let db = Database::builder().create_with_backend(disk.clone())?;
    let (_, mover, _) = Writer::open(db, disk.halves(), 0, Arc::default())?;
    table::read_all(&mover.db)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Record;
    use crdt::sync::Kind;
    use crdt::{Doc, ReplicaId};

    /// What the fuzzer begins with: a document in the tables, and two in the log.
    fn honest() -> Vec<u8> {
        let mut doc = Doc::new(ReplicaId::from_u128(7));
        doc.transact(1, |tx| tx.text("t").insert(0, "kept"));
        let delta = doc.delta_since(&VersionVector::new());
        let version = crdt::Delta { spans: delta.spans.clone(), ..crdt::Delta::default() };
        let record =
            |name: &str| [&[name.len() as u8], name.as_bytes(), &[Kind::DOC.0], &delta.to_bytes()].concat();
        let parts = [version.to_bytes(), delta.to_bytes(), record("d"), record("e")];
        parts.iter().flat_map(|part| [&(part.len() as u16).to_le_bytes(), &part[..]].concat()).collect()
    }

    #[test]
    fn an_honest_store_has_what_was_kept() {
        let bytes = honest();
        opens_or_is_refused(&bytes);
        let all: Vec<&[u8]> = parts(&bytes).collect();
        let disk = Disk::default();
        table_of(&disk, all[0], all[1]).unwrap();
        let mut records = Vec::new();
        all[2..].iter().for_each(|content| log::seal(&mut records, OLDER, |out| out.extend(*content)));
        fill_log(&disk.log(0), &records);
        let (docs, quarantined) = open(&disk).unwrap();
        let names: Vec<_> = docs.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!((names, quarantined), (vec!["d", "e"], vec![]));
        assert!(docs.iter().all(|(_, doc)| doc.as_doc().unwrap().text("t").unwrap().to_string() == "kept"));
    }

    #[test]
    fn damaged_stores_open_or_are_refused() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..200 {
            let mut bytes = honest();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            opens_or_is_refused(&bytes);
        }
    }

    /// Power that went in the middle of a write may have kept the second of two records and not the first. When new ones
    /// have come to stand before it, it must not count again: nobody was told that it is safe, and what it builds on is gone.
    #[test]
    fn what_was_torn_does_not_come_back_behind_new_records() {
        let mut doc = Doc::new(ReplicaId::from_u128(7));
        let mut record = |n: i64| {
            let before = doc.version().clone();
            doc.transact(0, |tx| tx.put("n", n));
            Record { doc: "d".parse().unwrap(), kind: Kind::DOC, delta: doc.delta_since(&before).into() }
        };
        let (disk, [first, second]) = (Disk::default(), [1, 2].map(&mut record));
        table_of(&disk, &[], &[]).unwrap();
        let content = |record: &Record| [&[1, b'd', record.kind.0], &record.delta.to_bytes()[..]].concat();
        let mut log = Vec::new();
        log::seal(&mut log, OLDER, |out| out.extend(content(&first)));
        let torn = log.len();
        log::seal(&mut log, OLDER, |out| out.extend(content(&second)));
        log[..torn].fill(0);
        fill_log(&disk.log(0), &log);

        let db = Database::builder().create_with_backend(disk.clone()).unwrap();
        let (mut writer, mover, _) = Writer::open(db, disk.halves(), 1_000, Arc::default()).unwrap();
        // Of another author, and as long as what was torn.
        let mut elsewhere = Doc::new(ReplicaId::from_u128(8));
        elsewhere.transact(0, |tx| tx.put("n", 1));
        let delta = elsewhere.delta_since(&VersionVector::new()).into();
        let new = Record { delta, ..second };
        assert_eq!(content(&new).len(), content(&first).len());
        writer.commit(vec![new]).unwrap();
        drop((writer, mover));
        let (docs, quarantined) = open(&disk).unwrap();
        assert_eq!(quarantined, []);
        assert_eq!(docs[0].1.version(), elsewhere.version());
    }

    /// What fuzzing found worth keeping.
    #[test]
    fn the_corpus_is_replayed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/store");
        let files: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
        assert!(!files.is_empty());
        for file in files {
            opens_or_is_refused(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
