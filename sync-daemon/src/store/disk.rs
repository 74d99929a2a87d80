//! A simulated disk that loses power: at any operation, with what was not synced lost, kept in any part, or torn
//! between sectors.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;

/// What the files of a store hold: the tables, the halves of the log.
pub(crate) type Files = [Vec<u8>; 3];

/// An operation that may still be lost.
#[derive(Clone, Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Len(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    /// What the program reads.
    now: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone, Debug, Default)]
struct Image {
    files: [File; 3],
    /// Operations until the power goes; none: it stays.
    fuse: Option<u64>,
    /// Syncs return before anything is safe.
    lies: bool,
    /// What happens before each operation on the tables: the work of another thread, at a moment that a seed can give.
    between: Option<Between>,
}

#[derive(Clone)]
struct Between(Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Between {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Between")
    }
}

impl Image {
    fn burn(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => return Err(io::Error::other("the power is off")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    /// What is on the disk when the power is back.
    fn after_power_cut(&self, rng: &mut fastrand::Rng) -> Files {
        self.files.each_ref().map(|file| file.after_power_cut(rng))
    }
}

impl File {
    fn after_power_cut(&self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let mut disk = self.synced.clone();
        for pending in &self.pending {
            match pending {
                Pending::Len(len) => {
                    if rng.bool() {
                        disk.resize(*len, 0);
                    }
                }
                Pending::Write(at, bytes) => write_some(&mut disk, *at, bytes, rng),
            }
        }
        disk
    }
}

/// Of a write: all, nothing, or any of its sectors.
fn write_some(disk: &mut Vec<u8>, at: usize, bytes: &[u8], rng: &mut fastrand::Rng) {
    let torn = rng.u8(0..3);
    let mut start = 0;
    while start < bytes.len() {
        let end = ((at + start) / SECTOR * SECTOR + SECTOR - at).min(bytes.len());
        if torn == 0 || torn == 1 && rng.bool() {
            disk.resize(disk.len().max(at + end), 0);
            disk[at + start..at + end].copy_from_slice(&bytes[start..end]);
        }
        start = end;
    }
}

/// A file of a disk; a clone is the same file, and both are on one disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Image>>, usize);

impl Disk {
    /// One that holds these bytes, all synced: the file of its tables.
    pub(crate) fn holding(files: Files) -> Self {
        let files = files.map(|bytes| File { now: bytes.clone(), synced: bytes, pending: Vec::new() });
        Disk(Arc::new(Mutex::new(Image { files, ..Image::default() })), 0)
    }

    /// The file of half of the log.
    pub(crate) fn log(&self, half: usize) -> Disk {
        Disk(Arc::clone(&self.0), 1 + half)
    }

    /// Both of them.
    pub(crate) fn halves(&self) -> [Box<dyn StorageBackend>; 2] {
        [Box::new(self.log(0)), Box::new(self.log(1))]
    }

    /// Does something before each operation on the tables from now on, or nothing any more.
    pub(crate) fn between(&self, work: Option<Arc<dyn Fn() + Send + Sync>>) {
        self.image().between = work.map(Between);
    }

    fn let_others_work(&self) {
        let between = (self.1 == 0).then(|| self.image().between.clone());
        if let Some(Between(work)) = between.flatten() {
            work();
        }
    }

    /// Lets the power go after so many more operations.
    pub(crate) fn fuse(self, operations: Option<u64>) -> Self {
        self.image().fuse = operations;
        self
    }

    /// A disk that says "synced" and has not.
    pub(crate) fn lying(self) -> Self {
        self.image().lies = true;
        self
    }

    /// Lets the power go now, if it is not to go soon.
    pub(crate) fn power_off(&self) {
        self.image().fuse.get_or_insert(0);
    }

    /// Ends the power and gives the disk as it is when the power is back.
    pub(crate) fn cut_power(&self, rng: &mut fastrand::Rng) -> Disk {
        self.image().fuse = Some(0);
        Disk::holding(self.image().after_power_cut(rng))
    }

    /// What a program reads from it.
    pub(crate) fn bytes(&self) -> Files {
        self.image().files.each_ref().map(|file| file.now.clone())
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.image().files[self.1].now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.image();
        let from = offset as usize;
        let bytes = image.files[self.1].now.get(from..from + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.let_others_work();
        let mut image = self.image();
        image.burn()?;
        let file = &mut image.files[self.1];
        file.now.resize(len as usize, 0);
        file.pending.push(Pending::Len(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.let_others_work();
        let mut image = self.image();
        image.burn()?;
        if !image.lies {
            let file = &mut image.files[self.1];
            for pending in std::mem::take(&mut file.pending) {
                match pending {
                    Pending::Len(len) => file.synced.resize(len, 0),
                    Pending::Write(at, bytes) => file.synced[at..at + bytes.len()].copy_from_slice(&bytes),
                }
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.let_others_work();
        let mut image = self.image();
        let (at, end) = (offset as usize, offset as usize + data.len());
        if image.files[self.1].now.len() < end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The power may go in the middle: then a part of it may still be written.
        image.files[self.1].pending.push(Pending::Write(at, data.to_vec()));
        image.burn()?;
        image.files[self.1].now[at..end].copy_from_slice(data);
        Ok(())
    }
}
