//! The tables of the store: what they hold, how they are read, and how older ones are brought to this form.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Document, Kind};
use crdt::{Delta, ReplicaId, Replicated, Span, VersionVector};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Error, Listed, Record};

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
pub(super) const INDEX: TableDefinition<'_, &str, Value<'_>> = TableDefinition::new("index");
pub(super) const DELTAS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("deltas");
const QUARANTINE: TableDefinition<'_, &str, &str> = TableDefinition::new("quarantine");
/// What format 1 had in place of an index.
pub(super) const DOCS_1: TableDefinition<'_, &str, (u64, u8)> = TableDefinition::new("docs");
const FORMAT: u64 = 4;
/// What format 2 had not is the log alone.
const WITHOUT_LOG: u64 = 2;
/// What format 3 had not is the second half of the log.
const ONE_LOG: u64 = 3;
/// The generation of what is in the log and not in the tables: of its older half.
pub(super) const LOG: &str = "log";
/// That of the half in which it goes on.
pub(super) const NEXT: &str = "next";

/// The generations of the halves of the log, the older first.
pub(super) type Generations = [u64; 2];

/// How many documents of an older store are listed in one transaction.
const MIGRATE_AT_ONCE: usize = 4096;
/// A document with at least this many deltas is compacted, once they outweigh what was compacted before.
const COMPACT_AFTER: u64 = 512;

const UNKNOWN_KIND: &str = "of a kind that this program does not know";

/// A row of the index, as it is stored: number, kind, next, deltas, first and tail bytes, version.
type Value<'a> = (u64, u8, u64, u64, u64, u64, &'a [u8]);

/// What the index says of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Which document it is among the deltas.
    pub(super) number: u64,
    pub(super) kind: Kind,
    /// The number of the next delta.
    pub(super) next: u64,
    /// How many deltas it has, the bytes of the first, and those of the others.
    pub(super) deltas: u64,
    first_bytes: u64,
    tail_bytes: u64,
    /// What all of them together hold.
    pub(super) version: VersionVector,
}

impl Row {
    /// A document without deltas.
    pub(super) fn new(number: u64, kind: Kind) -> Self {
        let version = VersionVector::new();
        Row { number, kind, next: 0, deltas: 0, first_bytes: 0, tail_bytes: 0, version }
    }

    pub(super) fn read(value: Value<'_>) -> Result<Self, Error> {
        let (number, kind, next, deltas, first_bytes, tail_bytes, version) = value;
        let version = Delta::from_bytes(version)?;
        let version = version.spans.iter().map(|span| (span.replica, span.to)).collect();
        Ok(Row { number, kind: Kind(kind), next, deltas, first_bytes, tail_bytes, version })
    }

    /// Its version in the form of a delta without content.
    pub(super) fn version_bytes(&self) -> Vec<u8> {
        let spans = self.version.since(&VersionVector::new()).collect();
        Delta { spans, ..Delta::default() }.to_bytes()
    }

    pub(super) fn value<'a>(&self, version: &'a [u8]) -> Value<'a> {
        (self.number, self.kind.0, self.next, self.deltas, self.first_bytes, self.tail_bytes, version)
    }

    /// Counts a delta of so many bytes, which has got the number `next`.
    pub(super) fn add(&mut self, bytes: usize, spans: &[Span]) {
        if self.deltas == 0 {
            self.first_bytes = bytes as u64;
        } else {
            self.tail_bytes += bytes as u64;
        }
        self.deltas += 1;
        self.next += 1;
        spans.iter().for_each(|span| {
            self.version.advance(span.replica, span.to);
        });
    }

    /// Whether its deltas are to be joined.
    pub(super) fn is_long(&self) -> bool {
        self.deltas > COMPACT_AFTER && self.tail_bytes > self.first_bytes
    }
}

/// A document read from its deltas.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) doc: AnyDoc,
    /// What the deltas take.
    pub(super) bytes: usize,
    /// The number of the last.
    pub(super) last: u64,
}

/// What a store held when it was opened.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) docs: Vec<Listed>,
    pub(super) next_number: u64,
    pub(super) quarantined: Vec<(String, String)>,
}

/// Makes the tables of a new store, and an index of those of an older one.
pub(super) fn prepare(db: &Database) -> Result<(), Error> {
    let tx = db.begin_write()?;
    let found = {
        let mut meta = tx.open_table(META)?;
        let found = meta.get("format")?.map(|format| format.value());
        if matches!(found, None | Some(WITHOUT_LOG | ONE_LOG)) {
            meta.insert("format", FORMAT)?;
            if found != Some(ONE_LOG) {
                meta.insert(LOG, fastrand::u64(..))?;
            }
            meta.insert(NEXT, fastrand::u64(..))?;
        }
        found
    };
    match found {
        Some(format) if format > FORMAT => {
            return Err(
                format!("its format {format} is newer than {FORMAT}, the newest this program reads").into()
            );
        }
        Some(FORMAT) => return Ok(tx.abort()?),
        Some(WITHOUT_LOG | ONE_LOG) => return Ok(tx.commit()?),
        Some(_) | None => {}
    }
    tx.open_table(INDEX)?;
    tx.open_table(DELTAS)?;
    tx.open_table(QUARANTINE)?;
    tx.commit()?;
    if found.is_some() { migrate(db) } else { Ok(()) }
}

/// Lists the documents of a store of format 1, some in each transaction. Until the last it stays what it was.
fn migrate(db: &Database) -> Result<(), Error> {
    let mut after: Option<String> = None;
    loop {
        let tx = db.begin_write()?;
        let mut listed = 0;
        {
            let (docs, deltas) = (tx.open_table(DOCS_1)?, tx.open_table(DELTAS)?);
            let (mut index, mut quarantine) = (tx.open_table(INDEX)?, tx.open_table(QUARANTINE)?);
            let from = after.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let mut last = None;
            for entry in docs.range::<&str>((from, std::ops::Bound::Unbounded))?.take(MIGRATE_AT_ONCE) {
                let (name, value) = entry?;
                let (number, kind) = value.value();
                let mut row = Row::new(number, Kind(kind));
                if let Err(error) = count(&deltas, &mut row) {
                    quarantine.insert(name.value(), &*error.to_string())?;
                }
                index.insert(name.value(), row.value(&row.version_bytes()))?;
                last = Some(name.value().to_owned());
                listed += 1;
            }
            after = last.or(after);
        }
        if listed < MIGRATE_AT_ONCE {
            tx.delete_table(DOCS_1)?;
            {
                let mut meta = tx.open_table(META)?;
                meta.insert("format", FORMAT)?;
                meta.insert(LOG, fastrand::u64(..))?;
                meta.insert(NEXT, fastrand::u64(..))?;
            }
            tx.commit()?;
            return Ok(());
        }
        tx.commit()?;
    }
}

/// Counts the deltas of a document, and takes its version from their heads.
fn count(deltas: &impl ReadableTable<(u64, u64), &'static [u8]>, row: &mut Row) -> Result<(), Error> {
    for entry in deltas.range((row.number, 0)..=(row.number, u64::MAX))? {
        let (key, bytes) = entry?;
        row.next = key.value().1;
        let delta = Delta::from_bytes(bytes.value())?;
        row.add(bytes.value().len(), &delta.spans);
    }
    Ok(())
}

/// Lists what a store holds, from the index alone. What could not be read before is tried again.
pub(super) fn list(db: &Database) -> Result<Found, Error> {
    let mut found = Found::default();
    let tx = db.begin_read()?;
    let mut quarantined = std::collections::BTreeSet::new();
    for entry in tx.open_table(QUARANTINE)?.iter()? {
        let name = entry?.0.value().to_owned();
        let row = row_in(&tx, &name)?;
        let read = row.ok_or("it is not in the index".into()).and_then(|row| parts_in(&tx, &row));
        if let Err(error) = read {
            found.quarantined.push((name.clone(), error.to_string()));
            quarantined.insert(name);
        }
    }
    for entry in tx.open_table(INDEX)?.iter()? {
        let (name, value) = entry?;
        let name = name.value();
        found.next_number = found.next_number.max(value.value().0 + 1);
        if quarantined.contains(name) {
            continue;
        }
        let parsed = name.parse::<DocId>().map_err(Error::from);
        match parsed.and_then(|doc| Ok((doc, Row::read(value.value())?))) {
            Ok((_, row)) if AnyDoc::create(row.kind, ReplicaId::MIN).is_none() => {
                found.quarantined.push((name.to_owned(), UNKNOWN_KIND.to_owned()));
            }
            Ok((doc, row)) => found.docs.push(Listed { doc, kind: row.kind, version: row.version }),
            Err(error) => found.quarantined.push((name.to_owned(), error.to_string())),
        }
    }
    Ok(found)
}

/// How many halves of a log the files of a store have.
pub(super) fn halves(db: &Database) -> Result<usize, Error> {
    let tx = db.begin_read()?;
    if !tx.list_tables()?.any(|table| redb::TableHandle::name(&table) == redb::TableHandle::name(&META)) {
        return Ok(0);
    }
    let format = tx.open_table(META)?.get("format")?.map_or(0, |format| format.value());
    Ok(format.saturating_sub(WITHOUT_LOG).min(2) as usize)
}

/// The generations of what is in the log and not in the tables.
pub(super) fn generations(db: &Database) -> Result<Generations, Error> {
    let meta = db.begin_read()?.open_table(META)?;
    let of = |half| -> Result<u64, Error> {
        Ok(meta.get(half)?.ok_or("it does not say what its log is")?.value())
    };
    Ok([of(LOG)?, of(NEXT)?])
}

/// The number that the next new document gets.
pub(super) fn next_number(db: &Database) -> Result<u64, Error> {
    let mut next = 0;
    for entry in db.begin_read()?.open_table(INDEX)?.iter()? {
        next = next.max(entry?.1.value().0 + 1);
    }
    Ok(next)
}

/// Puts records into the tables, and names the generations of what counts in the log then. Gives the rows of the documents.
pub(super) fn put<'a>(
    db: &Database,
    records: impl Iterator<Item = &'a Record>,
    [older, next]: Generations,
    next_number: &mut u64,
) -> Result<BTreeMap<DocId, Row>, Error> {
    let mut rows: BTreeMap<DocId, Row> = BTreeMap::new();
    let tx = db.begin_write()?;
    {
        let (mut index, mut deltas) = (tx.open_table(INDEX)?, tx.open_table(DELTAS)?);
        for record in records {
            let row = match rows.entry(record.doc.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let found = index.get(record.doc.as_str())?;
                    let found = found.map(|row| Row::read(row.value())).transpose()?;
                    new.insert(found.unwrap_or_else(|| {
                        *next_number += 1;
                        Row::new(*next_number - 1, record.kind)
                    }))
                }
            };
            let bytes = record.delta.to_bytes();
            deltas.insert((row.number, row.next), &bytes[..])?;
            row.add(bytes.len(), &record.delta.spans);
        }
        for (doc, row) in &rows {
            index.insert(doc.as_str(), row.value(&row.version_bytes()))?;
        }
        let mut meta = tx.open_table(META)?;
        meta.insert(LOG, older)?;
        meta.insert(NEXT, next)?;
    }
    tx.commit()?;
    Ok(rows)
}

/// What the index says of a document.
pub(super) fn row(db: &Database, name: &str) -> Result<Option<Row>, Error> {
    row_in(&db.begin_read()?, name)
}

fn row_in(tx: &ReadTransaction, name: &str) -> Result<Option<Row>, Error> {
    tx.open_table(INDEX)?.get(name)?.map(|value| Row::read(value.value())).transpose()
}

/// Reads a document, with the nil id as its author.
pub(super) fn parts(db: &Database, row: &Row) -> Result<Parts, Error> {
    parts_in(&db.begin_read()?, row)
}

fn parts_in(tx: &ReadTransaction, row: &Row) -> Result<Parts, Error> {
    let mut doc = AnyDoc::create(row.kind, ReplicaId::MIN).ok_or(UNKNOWN_KIND)?;
    let (mut size, mut last) = (0, 0);
    for entry in tx.open_table(DELTAS)?.range((row.number, 0)..=(row.number, u64::MAX))? {
        let (key, bytes) = entry?;
        size += bytes.value().len();
        last = key.value().1;
        doc.apply(&Delta::from_bytes(bytes.value())?)?;
    }
    if !doc.version().covers(&row.version) {
        return Err("deltas are missing that the index tells of".into());
    }
    Ok(Parts { doc, bytes: size, last })
}

/// Puts one delta in the place of a document's up to number `last`. Gives their bytes.
pub(super) fn replace(db: &Database, doc: &DocId, last: u64, bytes: &[u8]) -> Result<usize, Error> {
    let tx = db.begin_write()?;
    let mut before = 0;
    {
        let (mut index, mut deltas) = (tx.open_table(INDEX)?, tx.open_table(DELTAS)?);
        let row = index.get(doc.as_str())?.map(|value| Row::read(value.value())).transpose()?;
        let mut row = row.ok_or("a compacted document is not in the index")?;
        let mut count = 0;
        deltas.retain_in((row.number, 0)..=(row.number, last), |_, bytes| {
            before += bytes.len();
            count += 1;
            false
        })?;
        deltas.insert((row.number, last), bytes)?;
        row.tail_bytes = (row.first_bytes + row.tail_bytes).saturating_sub(before as u64);
        row.first_bytes = bytes.len() as u64;
        row.deltas = row.deltas + 1 - count;
        index.insert(doc.as_str(), row.value(&row.version_bytes()))?;
    }
    tx.commit()?;
    Ok(before)
}

/// Notes that a document cannot be read.
pub(super) fn quarantine(db: &Database, name: &str, why: &str) -> Result<(), Error> {
    let tx = db.begin_write()?;
    tx.open_table(QUARANTINE)?.insert(name, why)?;
    Ok(tx.commit()?)
}

/// All documents that can be read, and why others cannot: for tests.
#[cfg(any(test, feature = "simulation"))]
#[allow(clippy::type_complexity)]
pub(super) fn read_all(db: &Database) -> Result<(Vec<(DocId, AnyDoc)>, Vec<(String, String)>), Error> {
    let found = list(db)?;
    let (mut docs, mut quarantined) = (Vec::new(), found.quarantined);
    for listed in found.docs {
        let row = row(db, listed.doc.as_str())?.ok_or("listed and gone")?;
        match parts(db, &row) {
            Ok(parts) => docs.push((listed.doc, parts.doc)),
            Err(error) => quarantined.push((listed.doc.to_string(), error.to_string())),
        }
    }
    Ok((docs, quarantined))
}

/// The names of the tables there are: for tests.
#[cfg(test)]
pub(super) fn names(db: &Database) -> Vec<String> {
    db.begin_read()
        .unwrap()
        .list_tables()
        .unwrap()
        .map(|table| redb::TableHandle::name(&table).to_owned())
        .collect()
}
