//! Deltas on disk: one file, one writing thread, group commits.
//!
//! ```text
//! store.redb   table meta    "format" -> 1
//!              table docs    name -> (number, kind)
//!              table deltas  (document number, n) -> delta
//! ```
//!
//! The thread takes all records that have come while it was committing and writes them in one transaction;
//! only after its fsync are they called durable. A document of many deltas is rewritten as one in the same
//! way, after the new one has been read back. The first error of the disk is final: the store keeps nothing
//! more and acknowledges nothing more, and says so; the peer goes on in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Document, Kind};
use crdt::{Delta, ReplicaId, Replicated, VersionVector};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::StartError;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const DOCS: TableDefinition<'_, &str, (u64, u8)> = TableDefinition::new("docs");
const DELTAS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("deltas");
const FORMAT: u64 = 1;

/// How many records may wait for the disk before whoever brings more has to wait.
const QUEUE: usize = 4096;
/// How many bytes of records may wait.
const QUEUE_BYTES: usize = 64 << 20;
/// The most records in one commit.
const COMMIT_RECORDS: usize = 2048;
/// The most bytes in one commit.
const COMMIT_BYTES: usize = 8 << 20;
/// A document with at least this many deltas is rewritten, once they outweigh what was rewritten before.
const REWRITE_AFTER: u64 = 512;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// One delta of one document, to be kept.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) doc: DocId,
    pub(crate) kind: Kind,
    pub(crate) delta: Arc<Delta>,
}

/// What the thread tells: what is safe, and whether it has failed.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    durable: BTreeMap<DocId, VersionVector>,
    failed: Option<String>,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has become durable since the last call.
    pub(crate) fn take_durable(&self) -> BTreeMap<DocId, VersionVector> {
        std::mem::take(&mut self.state().durable)
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }
}

/// A store and what it held when it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) docs: Vec<(DocId, AnyDoc)>,
    pub(crate) quarantined: Vec<String>,
}

/// The way to the writing thread.
#[derive(Debug)]
pub(crate) struct Store {
    records: mpsc::Sender<(Record, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    pub(crate) shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Store {
    /// Opens or makes the store in a directory; documents will write as `author`.
    pub(crate) fn open(dir: &Path, author: ReplicaId) -> Result<Opened, StartError> {
        let in_dir = |source| StartError::DataDir { path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(in_dir)?;
        let path = dir.join("store.redb");
        if !path.exists() {
            create(dir, &path)
                .map_err(|error| StartError::Store { path: path.clone(), reason: error.to_string() })?;
        }
        let db = guarded(|| Ok(Database::open(&path)?));
        let db = db.map_err(|error| match error.downcast_ref::<DatabaseError>() {
            Some(DatabaseError::DatabaseAlreadyOpen) => StartError::InUse { path: path.clone() },
            _ => StartError::Store { path: path.clone(), reason: error.to_string() },
        })?;
        Self::start(db, path, author)
    }

    /// Opens a store on any backend: for faults at every write.
    #[cfg(test)]
    pub(crate) fn on_backend(
        backend: impl redb::StorageBackend,
        author: ReplicaId,
    ) -> Result<Opened, StartError> {
        let path = PathBuf::from("backend");
        let db = Database::builder().create_with_backend(backend);
        let db = db.map_err(|e| StartError::Store { path: path.clone(), reason: e.to_string() })?;
        Self::start(db, path, author)
    }

    fn start(db: Database, path: PathBuf, author: ReplicaId) -> Result<Opened, StartError> {
        let failed = |error: Error| StartError::Store { path: path.clone(), reason: error.to_string() };
        let loaded = guarded(|| prepare(&db).and_then(|()| load(&db, author)));
        let Loaded { docs, files, next_number, quarantined } = loaded.map_err(failed)?;
        let (records, queue) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let writer = Writer { db, files, next_number, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(queue));
        let thread = thread.map_err(|error| failed(error.into()))?;
        let room = Arc::new(Semaphore::new(QUEUE_BYTES));
        Ok(Opened { store: Store { records, room, shared, thread: Some(thread) }, docs, quarantined })
    }

    /// Hands a record over. Waits only when the disk is thousands of records or 64 MiB behind.
    pub(crate) async fn keep(&self, record: Record) {
        let bytes = record.delta.body.len().clamp(1, QUEUE_BYTES) as u32;
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(bytes).await else { return };
        // The thread ends only when this sender does.
        let _ = self.records.send((record, room)).await;
    }

    /// Waits until all records are committed, and ends the thread.
    pub(crate) async fn close(mut self) {
        let thread = self.thread.take();
        drop(self.records);
        let _ = tokio::task::spawn_blocking(move || thread.map(std::thread::JoinHandle::join)).await;
    }
}

/// Makes an empty store under another name first: a power cut in the middle leaves no half-made file that would be
/// refused ever after.
fn create(dir: &Path, path: &Path) -> Result<(), Error> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    guarded(|| prepare(&Database::create(&new)?))?;
    std::fs::rename(&new, path)?;
    // The file is there after a power cut only if the directory that names it was synced.
    Ok(std::fs::File::open(dir)?.sync_all()?)
}

/// Does something with the database, whose code panics on some damaged files, and makes an error of a panic.
/// What it worked on is not to be used after one: the store has failed then.
fn guarded<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err("the file is damaged; restore a backup, or move it away and sync from peers".into())
    })
}

fn prepare(db: &Database) -> Result<(), Error> {
    let tx = db.begin_write()?;
    {
        let mut meta = tx.open_table(META)?;
        let found = meta.get("format")?.map(|format| format.value());
        match found {
            Some(format) if format > FORMAT => {
                return Err(format!(
                    "its format {format} is newer than {FORMAT}, the newest this program reads"
                )
                .into());
            }
            Some(_) => {}
            None => drop(meta.insert("format", FORMAT)?),
        }
        tx.open_table(DOCS)?;
        tx.open_table(DELTAS)?;
    }
    tx.commit()?;
    Ok(())
}

/// Where a document stands in the tables.
#[derive(Debug)]
struct File {
    number: u64,
    kind: Kind,
    /// The number of the next delta.
    next: u64,
    /// How many deltas it has, and their bytes without the first.
    deltas: u64,
    tail_bytes: usize,
    first_bytes: usize,
}

#[derive(Default)]
struct Loaded {
    docs: Vec<(DocId, AnyDoc)>,
    files: BTreeMap<DocId, File>,
    next_number: u64,
    quarantined: Vec<String>,
}

/// Reads all documents. One that cannot be read is left out, kept and reported.
fn load(db: &Database, author: ReplicaId) -> Result<Loaded, Error> {
    let tx = db.begin_read()?;
    let (names, deltas) = (tx.open_table(DOCS)?, tx.open_table(DELTAS)?);
    let mut loaded = Loaded::default();
    for entry in names.iter()? {
        let (name, value) = entry?;
        let (number, kind) = value.value();
        loaded.next_number = loaded.next_number.max(number + 1);
        let name = name.value().to_owned();
        let mut file = File { number, kind: Kind(kind), next: 0, deltas: 0, tail_bytes: 0, first_bytes: 0 };
        match (name.parse::<DocId>(), read(&deltas, &mut file, author)) {
            (Ok(id), Ok(doc)) => {
                loaded.docs.push((id.clone(), doc));
                loaded.files.insert(id, file);
            }
            (Err(error), _) => loaded.quarantined.push(format!("{name:?}: {error}")),
            (_, Err(error)) => loaded.quarantined.push(format!("{name}: {error}")),
        }
    }
    Ok(loaded)
}

/// Reads one document from its deltas.
fn read(
    deltas: &impl ReadableTable<(u64, u64), &'static [u8]>,
    file: &mut File,
    author: ReplicaId,
) -> Result<AnyDoc, Error> {
    let mut doc = AnyDoc::create(file.kind, author).ok_or("of a kind that this program does not know")?;
    (file.deltas, file.tail_bytes) = (0, 0);
    for entry in deltas.range((file.number, 0)..=(file.number, u64::MAX))? {
        let (key, bytes) = entry?;
        let size = bytes.value().len();
        doc.apply(&Delta::from_bytes(bytes.value())?)?;
        if file.deltas == 0 {
            file.first_bytes = size;
        } else {
            file.tail_bytes += size;
        }
        file.deltas += 1;
        file.next = key.value().1 + 1;
    }
    Ok(doc)
}

/// The writing thread.
struct Writer {
    db: Database,
    files: BTreeMap<DocId, File>,
    /// The number that the next new document gets.
    next_number: u64,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<(Record, OwnedSemaphorePermit)>) {
        let mut batch = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.0.delta.body.len();
            batch.push(first);
            while batch.len() < COMMIT_RECORDS && bytes < COMMIT_BYTES {
                let Ok(record) = queue.try_recv() else { break };
                bytes += record.0.delta.body.len();
                batch.push(record);
            }
            if self.shared.failure().is_none() {
                let result = guarded(|| self.commit(&batch).and_then(|()| self.rewrite_long(&batch)));
                if let Err(error) = result {
                    tracing::error!(%error, "the store has failed; nothing more becomes durable here");
                    self.shared.state().failed = Some(error.to_string());
                    self.shared.changed.notify_one();
                }
            }
            batch.clear();
        }
    }

    fn commit(&mut self, batch: &[(Record, OwnedSemaphorePermit)]) -> Result<(), Error> {
        let tx = self.db.begin_write()?;
        let mut durable: BTreeMap<DocId, VersionVector> = BTreeMap::new();
        {
            let (mut names, mut deltas) = (tx.open_table(DOCS)?, tx.open_table(DELTAS)?);
            for (record, _) in batch {
                let file = file(&mut self.files, &mut self.next_number, &mut names, record)?;
                let Some(file) = file else { continue };
                let bytes = record.delta.to_bytes();
                deltas.insert((file.number, file.next), &bytes[..])?;
                file.next += 1;
                if file.deltas == 0 {
                    file.first_bytes = bytes.len();
                } else {
                    file.tail_bytes += bytes.len();
                }
                file.deltas += 1;
                let version = durable.entry(record.doc.clone()).or_default();
                for span in &record.delta.spans {
                    version.advance(span.replica, span.to);
                }
            }
        }
        tx.commit()?;
        let mut state = self.shared.state();
        for (doc, version) in durable {
            state.durable.entry(doc).or_default().merge(&version);
        }
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Rewrites those of the batch's documents that have many deltas as one delta each.
    fn rewrite_long(&mut self, batch: &[(Record, OwnedSemaphorePermit)]) -> Result<(), Error> {
        for (record, _) in batch {
            let Some(file) = self.files.get_mut(&record.doc) else { continue };
            if file.deltas > REWRITE_AFTER && file.tail_bytes > file.first_bytes {
                rewrite(&self.db, &record.doc, file)?;
            }
        }
        Ok(())
    }
}

/// Puts one delta in place of all of a document's, after reading it back. One that does not read back as it
/// was stays as it is: that is a fault of the program, not of the disk.
fn rewrite(db: &Database, id: &DocId, file: &mut File) -> Result<(), Error> {
    let tx = db.begin_write()?;
    {
        let mut deltas = tx.open_table(DELTAS)?;
        let doc = read(&deltas, file, ReplicaId::MIN)?;
        let bytes = doc.delta_since(&VersionVector::new()).to_bytes();
        let mut copy = AnyDoc::create(file.kind, ReplicaId::MIN).ok_or("of an unknown kind")?;
        copy.apply(&Delta::from_bytes(&bytes)?)?;
        if copy.version() != doc.version() {
            tracing::error!(%id, "what was rewritten does not read back as it was; the document stays in parts");
            file.first_bytes = usize::MAX;
            return Ok(());
        }
        deltas.retain_in((file.number, 0)..=(file.number, u64::MAX), |_, _| false)?;
        deltas.insert((file.number, file.next), &bytes[..])?;
        (file.first_bytes, file.tail_bytes, file.deltas) = (bytes.len(), 0, 1);
        file.next += 1;
    }
    tx.commit()?;
    Ok(())
}

/// The place of a record's document, made if it is new; `None` for a document in quarantine.
fn file<'a>(
    files: &'a mut BTreeMap<DocId, File>,
    next_number: &mut u64,
    names: &mut redb::Table<'_, &'static str, (u64, u8)>,
    record: &Record,
) -> Result<Option<&'a mut File>, Error> {
    if !files.contains_key(&record.doc) {
        if names.get(record.doc.as_str())?.is_some() {
            return Ok(None);
        }
        let number = *next_number;
        *next_number += 1;
        names.insert(record.doc.as_str(), (number, record.kind.0))?;
        let file = File { number, kind: record.kind, next: 0, deltas: 0, tail_bytes: 0, first_bytes: 0 };
        files.insert(record.doc.clone(), file);
    }
    Ok(files.get_mut(&record.doc))
}

#[cfg(test)]
mod crash;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::*;

    /// A disk on which every write fails once it is told to.
    #[derive(Debug)]
    struct Failing {
        inner: InMemoryBackend,
        writes_left: Arc<AtomicU64>,
    }

    impl Failing {
        fn gate(&self) -> std::io::Result<()> {
            let left = self.writes_left.load(Ordering::SeqCst);
            if left == 0 {
                return Err(std::io::Error::other("the disk is full"));
            }
            self.writes_left.fetch_sub(u64::from(left != u64::MAX), Ordering::SeqCst);
            Ok(())
        }
    }

    impl StorageBackend for Failing {
        fn len(&self) -> std::io::Result<u64> {
            self.inner.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
            self.inner.read(offset, out)
        }

        fn set_len(&self, len: u64) -> std::io::Result<()> {
            self.gate()?;
            self.inner.set_len(len)
        }

        fn sync_data(&self) -> std::io::Result<()> {
            self.gate()?;
            self.inner.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
            self.gate()?;
            self.inner.write(offset, data)
        }
    }

    fn id(n: u128) -> ReplicaId {
        ReplicaId::from_u128(n)
    }

    async fn committed(store: &Store) {
        store.shared.changed.notified().await;
    }

    fn record(doc: &mut crdt::Doc, n: i64) -> Record {
        let before = doc.version().clone();
        doc.transact(0, |tx| tx.put("n", n));
        let delta = Arc::new(doc.delta_since(&before));
        Record { doc: "d".parse().unwrap(), kind: Kind::DOC, delta }
    }

    #[tokio::test]
    async fn what_is_called_durable_is_there_after_opening_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut doc = crdt::Doc::new(id(1));
        let opened = Store::open(dir.path(), id(2)).unwrap();
        // Enough to be rewritten as one on the way.
        for n in 0..2_000 {
            opened.store.keep(record(&mut doc, n)).await;
        }
        let error = Store::open(dir.path(), id(3)).unwrap_err();
        assert!(matches!(error, StartError::InUse { .. }), "{error}");
        opened.store.close().await;
        let again = Store::open(dir.path(), id(3)).unwrap();
        let (_, read) = again.docs.first().unwrap();
        assert_eq!(read.version(), doc.version());
        assert_eq!(read.as_doc().unwrap().value(), doc.value());
        again.store.close().await;
    }

    /// A power cut while the store was made left a half-made file: the next start makes it anew.
    #[tokio::test]
    async fn a_store_that_was_half_made_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("store.new"), b"half").unwrap();
        Store::open(dir.path(), id(2)).unwrap().store.close().await;
        assert!(!dir.path().join("store.new").exists());
        std::fs::write(dir.path().join("store.redb"), b"not a store").unwrap();
        let error = Store::open(dir.path(), id(2)).unwrap_err();
        assert!(matches!(error, StartError::Store { .. }), "{error}");
    }

    /// After the first failed write nothing more is acknowledged, and what was is there.
    #[tokio::test]
    async fn the_first_error_of_the_disk_is_final() {
        for writes in 0..60 {
            let left = Arc::new(AtomicU64::new(u64::MAX));
            let disk = Failing { inner: InMemoryBackend::new(), writes_left: Arc::clone(&left) };
            let opened = Store::on_backend(disk, id(2)).unwrap();
            let mut doc = crdt::Doc::new(id(1));
            opened.store.keep(record(&mut doc, 0)).await;
            committed(&opened.store).await;
            assert_eq!(opened.store.shared.take_durable().len(), 1);
            left.store(writes, Ordering::SeqCst);
            let mut acknowledged = 0;
            while opened.store.shared.failure().is_none() {
                opened.store.keep(record(&mut doc, 1)).await;
                committed(&opened.store).await;
                acknowledged += opened.store.shared.take_durable().len();
            }
            opened.store.keep(record(&mut doc, 2)).await;
            let shared = Arc::clone(&opened.store.shared);
            opened.store.close().await;
            assert!(shared.take_durable().is_empty(), "nothing is acknowledged after a failure");
            assert!(shared.failure().unwrap().contains("disk is full"));
            assert!(acknowledged as u64 <= writes);
        }
    }

    /// A record that cannot be read takes its document out of service, and no other.
    #[tokio::test]
    async fn a_damaged_record_quarantines_its_document_alone() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Store::open(dir.path(), id(2)).unwrap();
        let (mut a, mut b) = (crdt::Doc::new(id(1)), crdt::Doc::new(id(1)));
        opened.store.keep(record(&mut a, 1)).await;
        opened.store.keep(Record { doc: "other".parse().unwrap(), ..record(&mut b, 1) }).await;
        opened.store.close().await;
        let db = Database::create(dir.path().join("store.redb")).unwrap();
        let tx = db.begin_write().unwrap();
        tx.open_table(DELTAS).unwrap().insert((0, 0), &b"rubbish"[..]).unwrap();
        tx.commit().unwrap();
        drop(db);
        let again = Store::open(dir.path(), id(3)).unwrap();
        assert_eq!(again.docs.len(), 1);
        assert_eq!(again.docs.first().unwrap().0.as_str(), "other");
        assert!(again.quarantined.first().unwrap().starts_with("d:"), "{:?}", again.quarantined);
        // What comes for it is not kept, nor acknowledged, and harms nobody.
        again.store.keep(record(&mut a, 2)).await;
        let shared = Arc::clone(&again.store.shared);
        again.store.close().await;
        assert!(shared.take_durable().is_empty() && shared.failure().is_none());
    }

    /// A writer that types faster than the disk turns must not cost a record for each key, and what is there
    /// afterwards is the same; documents do not mix.
    #[tokio::test]
    async fn a_burst_is_one_record_for_each_document() {
        let dir = tempfile::tempdir().unwrap();
        let config = crate::PeerConfig { data_dir: Some(dir.path().into()), ..crate::PeerConfig::new("n1") };
        let peer = crate::Peer::start(config).await.unwrap();
        let burst = |driver: &mut crate::driver::Driver, now| {
            for n in 0..200 {
                for name in ["a", "b"] {
                    let edit = |doc: &mut AnyDoc| {
                        let doc = doc.as_doc_mut().unwrap();
                        doc.transact(0, |tx| tx.text("t").insert(n, name));
                    };
                    driver.node.edit(now, &name.parse().unwrap(), Kind::DOC, edit).unwrap();
                }
            }
        };
        peer.with(burst).await.unwrap();
        peer.shutdown().await;
        let db = Database::create(dir.path().join("store.redb")).unwrap();
        let records = db.begin_read().unwrap().open_table(DELTAS).unwrap().iter().unwrap().count();
        assert_eq!(records, 2);
        let loaded = load(&db, id(9)).unwrap();
        for ((_, doc), name) in loaded.docs.iter().zip(["a", "b"]) {
            assert_eq!(doc.as_doc().unwrap().text("t").unwrap().to_string(), name.repeat(200));
        }
    }
}
