//! Deltas on disk: a file of tables and a log, group commits. `sync-daemon/docs/store.md` has every table.
//!
//! One thread takes all records that have come while it was committing and writes them behind each other into the log;
//! only after its fsync are they called durable. When half of the log is full it goes on in the other, and a second thread
//! puts the full one into the tables, where nobody waits for it. A third joins the deltas of documents that have many, and
//! hands each result over for one short transaction of the second; others read documents. The first error of the disk is
//! final: the store keeps nothing more and acknowledges nothing more, and says so; the peer goes on in memory.
//!
//! Opening reads names and versions alone. What a document holds is read when it is needed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc as threads};
#[cfg(not(feature = "simulation"))]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "simulation")]
use std::time::Duration;

use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Kind};
use crdt::{Delta, ReplicaId, Replicated, VersionVector};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::StartError;
use log::{Halves, LOG_BYTES};
use table::Row;
use writer::Writer;

mod compact;
mod log;
mod mover;
mod shared;
mod table;
mod writer;

pub use shared::Compaction;
pub(crate) use shared::Shared;

/// The files of the log, one for each half, beside that of the tables.
const LOG_FILES: [&str; 2] = ["store.log", "store.log2"];
/// How many records may wait for the disk before whoever brings more has to wait.
const QUEUE: usize = 4096;
/// How many bytes of records may wait.
const QUEUE_BYTES: usize = 64 << 20;
/// How many bytes of the file's pages are kept in memory.
const PAGES: usize = 64 << 20;
/// How often simulated threads look whether there is something to do.
#[cfg(feature = "simulation")]
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many documents are read at once.
#[cfg(not(feature = "simulation"))]
const READERS: usize = 2;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// One delta of one document, to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) doc: DocId,
    pub(crate) kind: Kind,
    pub(crate) delta: Arc<Delta>,
}

/// What the writing thread is asked.
#[derive(Debug)]
enum Task {
    Keep(Record, OwnedSemaphorePermit),
    /// Put one delta in the place of many.
    Replace(compact::Joined),
    /// A document cannot be read: keep it as it is, and nothing more of it.
    Quarantine(DocId, String),
}

impl Task {
    /// What is to be kept, if anything is.
    fn record(&self) -> Option<&Record> {
        match self {
            Task::Keep(record, _) => Some(record),
            Task::Replace(_) | Task::Quarantine(..) => None,
        }
    }
}

/// A document of the store, by all that is read when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) doc: DocId,
    pub(crate) kind: Kind,
    pub(crate) version: VersionVector,
}

/// A document that was read, and what its deltas take, in bytes. `None` when it cannot be read.
pub(crate) type Read = Option<(Box<AnyDoc>, usize)>;

/// A store and what it held when it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) threads: Threads,
    pub(crate) docs: Vec<Listed>,
}

#[cfg(not(feature = "simulation"))]
type Running = std::thread::JoinHandle<()>;
/// In a simulation all that runs is a task.
#[cfg(feature = "simulation")]
type Running = tokio::task::JoinHandle<()>;

/// The way to the threads.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    tasks: mpsc::Sender<Task>,
    room: Arc<Semaphore>,
    pub(crate) shared: Arc<Shared>,
    requests: threads::Sender<Request>,
}

/// The threads. They end when nobody has a way to them any more and all that they were given is done.
#[derive(Debug)]
pub(crate) struct Threads(Vec<Running>);

/// A document that is to be read, and who is told.
type Request = (DocId, oneshot::Sender<Read>);

impl Store {
    /// Opens a store without holding up the caller's thread.
    pub(crate) async fn open_apart(dir: PathBuf, author: ReplicaId) -> Result<Opened, StartError> {
        // A simulated machine has one thread.
        if cfg!(feature = "simulation") {
            return Self::open(&dir, author);
        }
        let opened = tokio::task::spawn_blocking(move || Self::open(&dir, author)).await;
        opened.map_err(|error| StartError::Store { path: "store".into(), reason: error.to_string() })?
    }

    /// Opens or makes the store in a directory; documents will write as `author`.
    pub(crate) fn open(dir: &Path, author: ReplicaId) -> Result<Opened, StartError> {
        #[cfg(feature = "simulation")]
        if cfg!(not(test)) {
            let disk = crate::simulation::disk(dir, crash::empty);
            return Self::on_backend(disk.clone(), disk.halves(), author);
        }
        let in_dir = |source| StartError::DataDir { path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(in_dir)?;
        let path = dir.join("store.redb");
        let failed = |error: Error| StartError::Store { path: path.clone(), reason: error.to_string() };
        let is_new = !path.exists();
        if is_new {
            create(dir, &path).map_err(failed)?;
        }
        let db = guarded(|| Ok(Database::builder().set_cache_size(PAGES).open(&path)?));
        let db = db.map_err(|error| match error.downcast_ref::<DatabaseError>() {
            Some(DatabaseError::DatabaseAlreadyOpen) => StartError::InUse { path: path.clone() },
            _ => failed(error),
        })?;
        let known = if is_new { 0 } else { guarded(|| table::halves(&db)).map_err(failed)? };
        let open = |n: usize, name| open_half(&dir.join(name), n < known).map_err(failed);
        let halves = [open(0, LOG_FILES[0])?, open(1, LOG_FILES[1])?];
        Self::start(db, halves, path, author)
    }

    /// Opens a store on any backend: for faults at every write.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn on_backend(
        backend: impl StorageBackend,
        halves: Halves,
        author: ReplicaId,
    ) -> Result<Opened, StartError> {
        let path = PathBuf::from("backend");
        let db = guarded(|| Ok(Database::builder().create_with_backend(backend)?));
        let db = db.map_err(|e| StartError::Store { path: path.clone(), reason: e.to_string() })?;
        Self::start(db, halves, path, author)
    }

    fn start(db: Database, halves: Halves, path: PathBuf, author: ReplicaId) -> Result<Opened, StartError> {
        let failed = |error: Error| StartError::Store { path: path.clone(), reason: error.to_string() };
        let shared = Arc::new(Shared::default());
        let (writer, mut mover, docs) =
            guarded(|| Writer::open(db, halves, LOG_BYTES, Arc::clone(&shared))).map_err(failed)?;
        let reader = Reader { db: Arc::clone(&mover.db), shared: Arc::clone(&shared), author };
        let (tasks, queue) = mpsc::channel(QUEUE);
        let (requests, to_read) = threads::channel::<Request>();
        let compactor = compact::Compactor::new(&mut mover, tasks.downgrade());
        #[cfg(not(feature = "simulation"))]
        let threads = {
            let to_read = Arc::new(Mutex::new(to_read));
            let mut jobs: Vec<Box<dyn FnOnce() + Send>> =
                vec![Box::new(|| compactor.run()), Box::new(|| mover.run()), Box::new(|| writer.run(queue))];
            for _ in 0..READERS {
                let (reader, to_read, tasks) = (reader.clone(), Arc::clone(&to_read), tasks.downgrade());
                jobs.push(Box::new(move || reader.run(&to_read, &tasks)));
            }
            let spawn =
                |job: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name("store".into()).spawn(job);
            let threads = jobs.into_iter().map(spawn).collect::<Result<_, _>>();
            threads.map_err(|error| failed(error.into()))?
        };
        #[cfg(feature = "simulation")]
        let threads = vec![
            tokio::spawn(compactor.run_simulated()),
            tokio::spawn(mover.run_simulated()),
            tokio::spawn(writer.run_simulated(queue)),
            tokio::spawn(reader.run_simulated(to_read, tasks.downgrade())),
        ];
        let room = Arc::new(Semaphore::new(QUEUE_BYTES));
        Ok(Opened { store: Store { tasks, room, shared, requests }, threads: Threads(threads), docs })
    }

    /// Hands a record over. Waits only when the disk is thousands of records or 64 MiB behind.
    pub(crate) async fn keep(&self, record: Record) {
        let bytes = record.delta.body.len().clamp(1, QUEUE_BYTES) as u32;
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(bytes).await else { return };
        // The thread ends only when this sender does.
        let _ = self.tasks.send(Task::Keep(record, room)).await;
    }

    /// Has a document read by another thread.
    pub(crate) fn read(&self, doc: DocId) -> oneshot::Receiver<Read> {
        let (tell, told) = oneshot::channel();
        // The threads end only when this sender does.
        let _ = self.requests.send((doc, tell));
        told
    }
}

#[cfg(test)]
impl Opened {
    /// Waits until all records are committed, and ends the threads.
    async fn close(self) {
        drop(self.store);
        self.threads.ended().await;
    }
}

impl Threads {
    /// Waits until all records are committed and the threads have ended: nobody may have a [`Store`] by then.
    pub(crate) async fn ended(self) {
        let Threads(threads) = self;
        #[cfg(not(feature = "simulation"))]
        {
            let join = move || threads.into_iter().map(Running::join).filter(Result::is_err).count();
            let _ = tokio::task::spawn_blocking(join).await;
        }
        #[cfg(feature = "simulation")]
        for task in threads {
            let _ = task.await;
        }
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
    guarded(|| table::prepare(&Database::create(&new)?))?;
    std::fs::rename(&new, path)?;
    // The file is there after a power cut only if the directory that names it was synced.
    Ok(std::fs::File::open(dir)?.sync_all()?)
}

/// Opens half of the log, or makes it. One that is too short is one in the making.
fn open_half(path: &Path, was_there: bool) -> Result<Box<dyn StorageBackend>, Error> {
    let is_new = !path.exists();
    if is_new && was_there {
        let path = path.display();
        tracing::warn!("{path} is not there: if it was, what was called durable last is gone");
    }
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if let (true, Some(dir)) = (is_new, path.parent()) {
        // What is written into it is there after a power cut only if the directory that names it was synced.
        std::fs::File::open(dir)?.sync_all()?;
    }
    Ok(Box::new(FileBackend::new(file)?))
}

/// Does something with the database, whose code panics on some damaged files, and makes an error of a panic.
/// What it worked on is not to be used after one: the store has failed then.
fn guarded<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err("the file is damaged; restore a backup, or move it away and sync from peers".into())
    })
}

/// Reads documents.
#[derive(Clone, Debug)]
struct Reader {
    db: Arc<Database>,
    shared: Arc<Shared>,
    author: ReplicaId,
}

impl Reader {
    #[cfg(not(feature = "simulation"))]
    fn run(&self, requests: &Mutex<threads::Receiver<Request>>, tasks: &mpsc::WeakSender<Task>) {
        loop {
            let next = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((doc, tell)) = next else { return };
            let (read, task) = self.answer(doc);
            if let (Some(task), Some(tasks)) = (task, tasks.upgrade()) {
                let _ = tasks.blocking_send(task);
            }
            let _ = tell.send(read);
        }
    }

    #[cfg(feature = "simulation")]
    async fn run_simulated(self, requests: threads::Receiver<Request>, tasks: mpsc::WeakSender<Task>) {
        loop {
            match requests.try_recv() {
                Ok((doc, tell)) => {
                    let (read, task) = self.answer(doc);
                    if let (Some(task), Some(tasks)) = (task, tasks.upgrade()) {
                        let _ = tasks.send(task).await;
                    }
                    let _ = tell.send(read);
                }
                Err(threads::TryRecvError::Empty) => tokio::time::sleep(LOOK_EVERY).await,
                Err(threads::TryRecvError::Disconnected) => return,
            }
        }
    }

    /// What is read of a document, and what the writer must know when it cannot be.
    fn answer(&self, doc: DocId) -> (Read, Option<Task>) {
        match guarded(|| self.read(&doc)) {
            Ok(read) => (Some(read), None),
            Err(error) => {
                self.shared.quarantine(doc.to_string(), error.to_string());
                (None, Some(Task::Quarantine(doc, error.to_string())))
            }
        }
    }

    fn read(&self, doc: &DocId) -> Result<(Box<AnyDoc>, usize), Error> {
        // First what is in the log: if it is put into the tables meanwhile it is met twice, and nothing is missed.
        let logged = self.shared.logged(doc);
        let row = match (table::row(&self.db, doc.as_str())?, &logged) {
            (Some(row), _) => row,
            (None, Some((kind, _))) => Row::new(u64::MAX, *kind),
            (None, None) => return Err("it is not in the index".into()),
        };
        // As nobody: a document takes no events of its own author that it did not write.
        let mut parts = table::parts(&self.db, &row)?;
        for delta in logged.into_iter().flat_map(|(_, deltas)| deltas) {
            parts.doc.apply(&delta)?;
            parts.bytes += delta.body.len();
        }
        parts.doc.set_author(self.author);
        Ok((Box::new(parts.doc), parts.bytes))
    }
}

#[cfg(any(test, feature = "simulation"))]
pub(crate) mod crash;
#[cfg(any(test, feature = "simulation"))]
#[allow(dead_code)] // Tests of the store need more of it than simulations of daemons.
pub(crate) mod disk;
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod forged;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use redb::backends::InMemoryBackend;
    use redb::{ReadableDatabase, ReadableTable};

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

    async fn read(store: &Store, doc: &str) -> Read {
        store.read(doc.parse().unwrap()).await.unwrap()
    }

    async fn committed(store: &Store) {
        store.shared.changed(usize::from(crate::lane(&"d".parse().unwrap()))).await;
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
        opened.close().await;
        let again = Store::open(dir.path(), id(3)).unwrap();
        assert_eq!(again.docs.first().unwrap().version, *doc.version());
        let (read, _) = read(&again.store, "d").await.unwrap();
        assert_eq!(read.version(), doc.version());
        assert_eq!(read.as_doc().unwrap().value(), doc.value());
        again.close().await;
    }

    /// Compaction runs beside the writing: what comes meanwhile stays, and it says how far it is.
    #[tokio::test]
    async fn deltas_are_joined_while_more_come() {
        let dir = tempfile::tempdir().unwrap();
        let mut doc = crdt::Doc::new(id(1));
        let opened = Store::open(dir.path(), id(2)).unwrap();
        let mut written = 0;
        while opened.store.shared.compaction().done < 2 {
            for _ in 0..100 {
                opened.store.keep(record(&mut doc, written)).await;
                written += 1;
            }
            committed(&opened.store).await;
        }
        let compaction = opened.store.shared.compaction();
        assert!(compaction.bytes_before > 4 * compaction.bytes_after, "{compaction:?}");
        opened.close().await;
        let db = Database::open(dir.path().join("store.redb")).unwrap();
        let row = table::row(&db, "d").unwrap().unwrap();
        let deltas = db.begin_read().unwrap().open_table(table::DELTAS).unwrap().iter().unwrap().count();
        assert_eq!(row.deltas, deltas as u64);
        // Each time more than 512 became one; how many came since depends on how busy the machine is.
        assert!(row.deltas + 2 * 512 <= written as u64, "{row:?}");
        assert_eq!(row.next, written as u64);
        let parts = table::parts(&db, &row).unwrap();
        assert_eq!(parts.doc.as_doc().unwrap().value(), doc.value());
    }

    /// A store as the first version wrote it: names and numbers, and no index.
    fn in_format_1(dir: &Path, docs: &[(&str, Vec<Arc<Delta>>)]) {
        let db = Database::create(dir.join("store.redb")).unwrap();
        let tx = db.begin_write().unwrap();
        tx.open_table(table::META).unwrap().insert("format", 1).unwrap();
        for (number, (name, deltas)) in (0..).zip(docs) {
            tx.open_table(table::DOCS_1).unwrap().insert(name, (number, 0)).unwrap();
            for (n, delta) in (3..).zip(deltas) {
                tx.open_table(table::DELTAS).unwrap().insert((number, n), &delta.to_bytes()[..]).unwrap();
            }
        }
        tx.commit().unwrap();
    }

    #[tokio::test]
    async fn a_store_of_the_first_format_opens() {
        let dir = tempfile::tempdir().unwrap();
        let (mut a, mut b) = (crdt::Doc::new(id(1)), crdt::Doc::new(id(1)));
        let deltas = |doc: &mut crdt::Doc| (0..5).map(|n| record(doc, n).delta).collect::<Vec<_>>();
        let many: Vec<String> = (0..5_000).map(|n| format!("n{n}")).collect();
        let mut docs = vec![("a", deltas(&mut a)), ("b", deltas(&mut b))];
        docs.extend(many.iter().map(|name| (name.as_str(), vec![])));
        in_format_1(dir.path(), &docs);
        for _ in 0..2 {
            let opened = Store::open(dir.path(), id(2)).unwrap();
            assert_eq!(opened.docs.len(), 5_002);
            let found = opened.docs.iter().find(|listed| listed.doc.as_str() == "b").unwrap();
            assert_eq!((found.kind, &found.version), (Kind::DOC, b.version()));
            let (doc, _) = read(&opened.store, "b").await.unwrap();
            assert_eq!(doc.as_doc().unwrap().value(), b.value());
            opened.store.keep(Record { doc: "b".parse().unwrap(), ..record(&mut b, 7) }).await;
            opened.close().await;
        }
        let db = Database::open(dir.path().join("store.redb")).unwrap();
        assert!(!table::names(&db).contains(&"docs".to_owned()));
        assert_eq!(table::row(&db, "b").unwrap().unwrap().deltas, 7);
    }

    /// Turns a store into one of an older format, in which `meta` had fewer rows and the log fewer halves.
    fn in_format(dir: &Path, format: u64, rows: &[&str], halves: &[&str]) {
        halves.iter().for_each(|half| std::fs::remove_file(dir.join(half)).unwrap());
        let db = Database::open(dir.join("store.redb")).unwrap();
        let tx = db.begin_write().unwrap();
        tx.open_table(table::META).unwrap().insert("format", format).unwrap();
        for row in rows {
            tx.open_table(table::META).unwrap().remove(row).unwrap();
        }
        tx.commit().unwrap();
    }

    fn format(db: &Database) -> u64 {
        let meta = db.begin_read().unwrap().open_table(table::META).unwrap();
        meta.get("format").unwrap().unwrap().value()
    }

    /// What only the log was new in.
    #[tokio::test]
    async fn a_store_of_the_second_format_opens() {
        let dir = tempfile::tempdir().unwrap();
        let mut doc = crdt::Doc::new(id(1));
        let opened = Store::open(dir.path(), id(2)).unwrap();
        opened.store.keep(record(&mut doc, 1)).await;
        opened.close().await;
        in_format(dir.path(), 2, &["log", "next"], &LOG_FILES);
        for n in 2..4 {
            let opened = Store::open(dir.path(), id(2)).unwrap();
            opened.store.keep(record(&mut doc, n)).await;
            opened.close().await;
        }
        let db = Database::open(dir.path().join("store.redb")).unwrap();
        assert_eq!(format(&db), 4);
        assert_eq!(table::row(&db, "d").unwrap().unwrap().deltas, 3);
    }

    /// Its log had one half; what was in that when the program ended is there.
    #[tokio::test]
    async fn a_store_of_the_third_format_opens() {
        let dir = tempfile::tempdir().unwrap();
        let mut doc = crdt::Doc::new(id(1));
        let opened = Store::open(dir.path(), id(2)).unwrap();
        opened.store.keep(record(&mut doc, 1)).await;
        let name: DocId = "d".parse().unwrap();
        while opened.store.shared.logged(&name).is_none() {
            committed(&opened.store).await;
        }
        // As if killed.
        let copy = tempfile::tempdir().unwrap();
        for file in ["store.redb", "store.log", "store.log2"] {
            std::fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
        }
        opened.close().await;
        in_format(copy.path(), 3, &["next"], &["store.log2"]);
        for n in 2..4 {
            let opened = Store::open(copy.path(), id(2)).unwrap();
            assert_eq!(opened.docs.first().unwrap().version, *doc.version());
            opened.store.keep(record(&mut doc, n)).await;
            opened.close().await;
        }
        let db = Database::open(copy.path().join("store.redb")).unwrap();
        assert_eq!((format(&db), table::row(&db, "d").unwrap().unwrap().deltas), (4, 3));
    }

    /// What is larger than the log has room for is kept all the same, and the file is then as long as it is to be.
    #[tokio::test]
    async fn what_is_larger_than_the_log_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut doc = crdt::Doc::new(id(1));
        let mut large = |n: usize| {
            let before = doc.version().clone();
            // Nothing that would be packed.
            let text: String = std::iter::repeat_with(fastrand::alphanumeric).take(n).collect();
            doc.transact(0, |tx| tx.text("t").insert(0, &text));
            let delta = Arc::new(doc.delta_since(&before));
            (Record { doc: "d".parse().unwrap(), kind: Kind::DOC, delta }, doc.version().clone())
        };
        let opened = Store::open(dir.path(), id(2)).unwrap();
        let mut last = VersionVector::new();
        for bytes in [10, 3 << 20, 10, 3 << 20, 3 << 20, 10] {
            let (record, version) = large(bytes);
            opened.store.keep(record).await;
            committed(&opened.store).await;
            last = version;
        }
        opened.close().await;
        for half in LOG_FILES {
            assert_eq!(std::fs::metadata(dir.path().join(half)).unwrap().len(), LOG_BYTES);
        }
        let again = Store::open(dir.path(), id(3)).unwrap();
        assert_eq!(*read(&again.store, "d").await.unwrap().0.version(), last);
        again.close().await;
    }

    /// What is in the log alone is read as if it were in the tables, also when the log is put into them meanwhile and
    /// when the program ended without doing so.
    #[tokio::test]
    async fn what_is_in_the_log_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut doc = crdt::Doc::new(id(1));
        for round in 1..4 {
            let opened = Store::open(dir.path(), id(2)).unwrap();
            for n in 0..50 {
                opened.store.keep(record(&mut doc, n)).await;
            }
            let name: DocId = "d".parse().unwrap();
            while opened.store.shared.logged(&name).is_none_or(|(_, deltas)| deltas.len() < 50) {
                committed(&opened.store).await;
            }
            let (read, _) = read(&opened.store, "d").await.unwrap();
            assert_eq!((read.version(), round * 50), (doc.version(), doc.version().total()));
            // As if killed: nothing is put into the tables.
            let copy = tempfile::tempdir().unwrap();
            for file in ["store.redb", "store.log", "store.log2"] {
                std::fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
            }
            let again = Store::open(copy.path(), id(3)).unwrap();
            assert_eq!(again.docs.first().unwrap().version, *doc.version());
            again.close().await;
            opened.close().await;
        }
    }

    /// A power cut while the store was made left a half-made file: the next start makes it anew.
    #[tokio::test]
    async fn a_store_that_was_half_made_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("store.new"), b"half").unwrap();
        Store::open(dir.path(), id(2)).unwrap().close().await;
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
            let half = || Failing { inner: InMemoryBackend::new(), writes_left: Arc::clone(&left) };
            let opened = Store::on_backend(disk, [Box::new(half()), Box::new(half())], id(2)).unwrap();
            let mut doc = crdt::Doc::new(id(1));
            opened.store.keep(record(&mut doc, 0)).await;
            committed(&opened.store).await;
            assert_eq!(opened.store.shared.take_all_durable().len(), 1);
            left.store(writes, Ordering::SeqCst);
            let mut acknowledged = 0;
            while opened.store.shared.failure().is_none() {
                opened.store.keep(record(&mut doc, 1)).await;
                committed(&opened.store).await;
                acknowledged += opened.store.shared.take_all_durable().len();
            }
            opened.store.keep(record(&mut doc, 2)).await;
            let shared = Arc::clone(&opened.store.shared);
            opened.close().await;
            assert!(shared.take_all_durable().is_empty(), "nothing is acknowledged after a failure");
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
        opened.close().await;
        let db = Database::create(dir.path().join("store.redb")).unwrap();
        let tx = db.begin_write().unwrap();
        tx.open_table(table::DELTAS).unwrap().insert((0, 0), &b"rubbish"[..]).unwrap();
        tx.commit().unwrap();
        drop(db);
        let again = Store::open(dir.path(), id(3)).unwrap();
        assert_eq!(again.docs.len(), 2);
        assert!(read(&again.store, "d").await.is_none());
        assert!(read(&again.store, "other").await.is_some());
        again.close().await;
        // From then on it is known from the start.
        let again = Store::open(dir.path(), id(3)).unwrap();
        assert_eq!(again.docs.len(), 1);
        assert_eq!(again.docs.first().unwrap().doc.as_str(), "other");
        let quarantined = again.store.shared.quarantined();
        assert!(quarantined.first().unwrap().starts_with("d:"), "{quarantined:?}");
        // What comes for it is not kept, nor acknowledged, and harms nobody.
        again.store.keep(record(&mut a, 2)).await;
        let shared = Arc::clone(&again.store.shared);
        again.close().await;
        assert!(shared.take_all_durable().is_empty() && shared.failure().is_none());
    }

    /// A writer that types faster than the disk turns must not cost a record for each key, and what is there
    /// afterwards is the same; documents do not mix.
    #[tokio::test]
    async fn a_burst_is_one_record_for_each_document() {
        let dir = tempfile::tempdir().unwrap();
        let config = crate::PeerConfig { data_dir: Some(dir.path().into()), ..crate::PeerConfig::new("n1") };
        let peer = crate::Peer::start(config).await.unwrap();
        let names = ["a", "b"];
        for name in names {
            let id: DocId = name.parse().unwrap();
            let of = id.clone();
            let burst = move |driver: &mut crate::driver::Driver, now| {
                for n in 0..200 {
                    let edit = |doc: &mut AnyDoc| {
                        let doc = doc.as_doc_mut().unwrap();
                        doc.transact(0, |tx| tx.text("t").insert(n, name));
                    };
                    driver.node.edit(now, &id, Kind::DOC, edit).unwrap();
                }
            };
            peer.with(&of, burst).await.unwrap();
        }
        peer.shutdown().await;
        let db = Database::create(dir.path().join("store.redb")).unwrap();
        let records = db.begin_read().unwrap().open_table(table::DELTAS).unwrap().iter().unwrap().count();
        assert_eq!(records, 2);
        for name in names {
            let row = table::row(&db, name).unwrap().unwrap();
            let doc = table::parts(&db, &row).unwrap().doc;
            assert_eq!(doc.as_doc().unwrap().text("t").unwrap().to_string(), name.repeat(200));
        }
    }
}
