//! The log: what was written last, one record behind the other, until it is put into the tables.
//!
//! A transaction of the tables writes a dozen pages all over their file; a commit here is one write and one fsync of what
//! is there already. The log has two halves, files of a fixed size. When one is full the other goes on, while all that is in
//! the full one goes into the tables in one transaction; then it begins anew. Each time it is of another generation, a number
//! by chance that the tables hold: records of any other are what was there before, or what somebody wrote into a document,
//! and count as nothing. A record is whole or it is the end.

use std::io;

use crdt::Delta;
use crdt::sync::{DocId, Kind};
use redb::StorageBackend;

use super::{Error, Record};

/// The size of a half.
pub(super) const LOG_BYTES: u64 = 1 << 20;
/// What is before the content of a record: generation, length, check sum.
const HEAD: usize = 16;

/// Both files of a log.
pub(super) type Halves = [Box<dyn StorageBackend>; 2];

/// Half of a log, open for writing.
#[derive(Debug)]
pub(super) struct Log {
    disk: Box<dyn StorageBackend>,
    /// Where the next record goes, and how long the file is.
    at: u64,
    len: u64,
    /// How long the file is to be.
    size: u64,
    /// Of the records that are written now.
    generation: u64,
    /// What is written next; kept for its room.
    buffer: Vec<u8>,
}

impl Log {
    /// Opens a half and makes it as large as it is to be.
    pub(super) fn open(disk: Box<dyn StorageBackend>, size: u64) -> io::Result<Self> {
        let mut len = disk.len()?;
        if len < size {
            // Zeros are written, so that later writes are into what is there.
            disk.set_len(size)?;
            disk.write(len, &vec![0; (size - len) as usize])?;
            disk.sync_data()?;
            len = size;
        }
        Ok(Log { disk, at: 0, len, size, generation: 0, buffer: Vec::new() })
    }

    /// What is in it of a generation.
    pub(super) fn records(&self, generation: u64) -> Result<Vec<Record>, Error> {
        let mut bytes = vec![0; self.len as usize];
        self.disk.read(0, &mut bytes)?;
        read(&bytes, generation)
    }

    /// All that is in it is in the tables: it begins anew.
    pub(super) fn restart(&mut self, generation: u64) -> io::Result<()> {
        (self.at, self.generation) = (0, generation);
        if self.len > self.size {
            self.disk.set_len(self.size)?;
            self.len = self.size;
        }
        Ok(())
    }

    /// Makes records ready to be written. Whether there is room for them; where nothing is yet, there is for any.
    pub(super) fn stage<'a>(&mut self, records: impl Iterator<Item = &'a Record>) -> bool {
        self.buffer.clear();
        for record in records {
            write(&mut self.buffer, self.generation, record);
        }
        self.at == 0 || self.at + self.buffer.len() as u64 <= self.size
    }

    /// Writes what is ready, and returns once it is safe.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        let after = self.at + self.buffer.len() as u64;
        if after > self.len {
            self.disk.set_len(after)?;
            self.len = after;
        }
        self.disk.write(self.at, &self.buffer)?;
        self.disk.sync_data()?;
        self.at = after;
        Ok(())
    }
}

/// A head, then the name with its length in a byte, the kind, the delta.
fn write(out: &mut Vec<u8>, generation: u64, record: &Record) {
    let name = record.doc.as_str().as_bytes();
    seal(out, generation, |out| {
        out.push(name.len() as u8);
        out.extend(name);
        out.push(record.kind.0);
        out.extend(record.delta.to_bytes());
    });
}

/// Generation, length and check sum, 8, 4 and 4 bytes, little-endian, then the content. The sum is a CRC-32 over all but
/// itself.
pub(super) fn seal(out: &mut Vec<u8>, generation: u64, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; HEAD]);
    content(out);
    let written = out.get_mut(start..).unwrap_or_default();
    if let Some((head, content)) = written.split_at_mut_checked(HEAD) {
        let known = generation.to_le_bytes().into_iter().chain((content.len() as u32).to_le_bytes());
        head.iter_mut().zip(known).for_each(|(to, from)| *to = from);
        let sum = sum(head, content);
        head.iter_mut().skip(HEAD - 4).zip(sum.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
}

fn sum(head: &[u8], content: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head.get(..HEAD - 4).unwrap_or_default());
    sum.update(content);
    sum.finalize()
}

/// The records of a generation from the start on, up to the first that is none.
fn read(mut bytes: &[u8], generation: u64) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let number =
            |at: usize| head.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes);
        let (Some(len), Some(expected)) = (number(8), number(12)) else { break };
        let of = head.first_chunk().copied().map(u64::from_le_bytes);
        let Some((content, rest)) = rest.split_at_checked(len as usize) else { break };
        if of != Some(generation) || sum(head, content) != expected {
            break;
        }
        // It is as it was written: if it makes no sense, that is a fault of the program.
        records.push(record(content).ok_or("a record of the log is not one")??);
        bytes = rest;
    }
    Ok(records)
}

fn record(content: &[u8]) -> Option<Result<Record, Error>> {
    let (len, rest) = content.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*len))?;
    let (kind, delta) = rest.split_first()?;
    let doc = std::str::from_utf8(name).ok()?.parse::<DocId>().ok()?;
    let delta = Delta::from_bytes(delta);
    Some(delta.map(|delta| Record { doc, kind: Kind(*kind), delta: delta.into() }).map_err(Error::from))
}
