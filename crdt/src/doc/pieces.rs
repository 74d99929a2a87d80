//! A document in a file that grows: piece after piece, each what is new since the one before.
//!
//! ```text
//! file  = piece*
//! piece = "CRDP" format  length u64  delta  checksum of all before it in the piece (4 bytes, little endian)
//! ```

use crate::codec::{DecodeError, Reader, Writer, seal, unseal};
use crate::delta::{ApplyError, Delta, Replicated};
use crate::id::ReplicaId;
use crate::version::VersionVector;

use super::Doc;

const MAGIC: &[u8; 4] = b"CRDP";
const FORMAT: u8 = 1;
/// Magic and format.
const HEAD: usize = 5;
const CHECKSUM: usize = 4;

/// What [`Doc::load_pieces`] found.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// use crdt::VersionVector;
/// doc.transact(0, |tx| tx.put("title", "hello"));
/// let mut file = doc.save_since(&VersionVector::new());
/// let whole = file.len();
/// file.extend([1, 2, 3]); // a write that was cut short
/// let loaded = Doc::load_pieces(&file, ReplicaId::from_u128(2))?;
/// assert_eq!((loaded.pieces, loaded.len, loaded.torn), (1, whole, 3));
/// assert_eq!(loaded.doc.value(), doc.value());
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The document, with all whole pieces.
    pub doc: Doc,
    /// How many whole pieces there are.
    pub pieces: usize,
    /// How many bytes they have: cut the file to this length before appending to it.
    pub len: usize,
    /// How many bytes follow them that are no whole piece: the write of one that was cut short, or damage.
    pub torn: usize,
}

impl Doc {
    /// What is new since a version, as a piece to append to a file; empty when nothing is. Since nothing, it is the
    /// first piece of a file. Costs what is new.
    ///
    /// A file of pieces is small to write again and again, and slow to read when there are many: then write it
    /// anew, one piece, beside the old one, and put it in its place.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "hello"));
    /// let mut file = doc.save_since(&VersionVector::new());
    /// let mut saved = doc.version().clone();
    ///
    /// doc.transact(0, |tx| tx.text("note").insert(5, "!"));
    /// file.extend(doc.save_since(&saved)); // and fsync
    /// saved = doc.version().clone();
    /// file.extend(&doc.save_since(&VersionVector::new())[..9]); // the power fails while this is written
    ///
    /// let loaded = Doc::load_pieces(&file, ReplicaId::from_u128(2))?;
    /// assert_eq!((loaded.doc.version(), loaded.pieces, loaded.torn), (&saved, 2, 9));
    /// file.truncate(loaded.len);
    /// if loaded.pieces > 1_000 {
    ///     file = loaded.doc.save_since(&VersionVector::new()); // one piece again
    /// }
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn save_since(&self, since: &VersionVector) -> Vec<u8> {
        let delta = self.delta_since(since);
        if delta.is_empty() {
            return Vec::new();
        }
        let mut w = Writer::new();
        w.bytes(&delta.to_bytes());
        seal(MAGIC, FORMAT, &w.into_body())
    }

    /// Reads pieces as [`save_since`](Self::save_since) wrote them, one after the other; writes from now on as
    /// `author`, which must be new unless this is the only copy. What is torn at the end is left out and told, never
    /// fatal: also a first piece that was not written to its end, which leaves an empty document.
    ///
    /// # Errors
    /// [`ApplyError::Invalid`] when the first piece is whole and damaged, when the bytes are of something else or of a
    /// newer format; what [`apply`](Replicated::apply) says of pieces that do not belong together.
    pub fn load_pieces(bytes: &[u8], author: ReplicaId) -> Result<Loaded, ApplyError> {
        let mut loaded = Loaded { doc: Doc::new(ReplicaId::MIN), pieces: 0, len: 0, torn: 0 };
        while let Some(rest) = bytes.get(loaded.len..).filter(|rest| !rest.is_empty()) {
            match read_piece(rest) {
                Ok(Some((delta, len))) => {
                    loaded.doc.apply(&delta)?;
                    loaded.pieces += 1;
                    loaded.len += len;
                }
                Ok(None) => break,
                Err(error @ DecodeError::Version { .. }) => return Err(error.into()),
                Err(error) if loaded.pieces == 0 => return Err(error.into()),
                Err(_) => break,
            }
        }
        loaded.torn = bytes.len() - loaded.len;
        loaded.doc.set_author(author);
        Ok(loaded)
    }
}

/// The first piece and its length; `None` when it ends early.
fn read_piece(bytes: &[u8]) -> Result<Option<(Delta, usize)>, DecodeError> {
    let mut r = Reader::new(bytes, &[]);
    let head = MAGIC.iter().zip(bytes);
    if head.clone().any(|(a, b)| a != b) {
        return Err(r.invalid("not a piece of a document"));
    }
    let Ok(&[.., format]) = r.raw(HEAD) else { return Ok(None) };
    if format != FORMAT {
        return Err(DecodeError::Version { found: format.into(), known: FORMAT.into() });
    }
    let len = match r.u64() {
        Ok(len) => len,
        Err(DecodeError::UnexpectedEnd { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let end = usize::try_from(len).ok().and_then(|len| r.position().checked_add(len)?.checked_add(CHECKSUM));
    let Some(piece) = end.and_then(|end| bytes.get(..end)) else { return Ok(None) };
    let (_, content) = unseal(MAGIC, FORMAT..=FORMAT, piece)?;
    let mut r = Reader::new(content, &[]);
    let delta = Delta::from_bytes(r.bytes()?)?;
    r.end()?;
    Ok(Some((delta, piece.len())))
}
