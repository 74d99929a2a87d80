//! [`Cursor`]: a place in a text or list that stays where it is while others edit around it.

use std::fmt;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer, from_bytes, to_bytes};
use crate::text::{self, Side};

use super::Doc;
use super::path::Path;

/// A place between two characters of a text or two elements of a list, named by what stands beside it, so
/// that it means the same on every replica and after every edit. When that is deleted the cursor stays
/// where it was; of an element that was moved before, where that was made. Small: send it as presence, or
/// keep it.
///
/// ```
/// use crdt::doc::Cursor;
/// use crdt::text::Side;
/// use crdt::{Doc, ReplicaId, Replicated};
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.text("note").insert(0, "hello world"));
/// bob.apply(&alice.delta_since(bob.version()))?;
///
/// let cursor = alice.cursor("/note", 6, Side::Before).unwrap(); // before "world"
/// let cursor = Cursor::from_bytes(&cursor.to_bytes())?;
/// bob.transact(0, |tx| tx.text("note").insert(0, "oh, "));
/// assert_eq!(bob.position(&cursor), Some(("/note".to_string(), 10)));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor {
    path: Path,
    at: text::Cursor,
}

impl Cursor {
    /// The cursor as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// For every other byte string.
    pub fn from_bytes(bytes: &[u8]) -> Result<Cursor, DecodeError> {
        from_bytes(bytes)
    }
}

impl Encode for Cursor {
    fn encode(&self, w: &mut Writer) {
        self.path.encode(w);
        self.at.encode(w);
    }
}

impl Decode for Cursor {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Cursor { path: Decode::decode(r)?, at: Decode::decode(r)? })
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at.fmt(f)
    }
}

impl Doc {
    /// A cursor before the `index`-th character of the text, or element of the list, at a JSON pointer. At the
    /// start it may hold on to nothing on its left, at the end to nothing on its right: it then stays at the
    /// start or the end. `None` when there is no text or list. `O(log n)`.
    pub fn cursor(&self, pointer: &str, index: usize, side: Side) -> Option<Cursor> {
        if let Some(path) = self.text_path(pointer).filter(|path| self.texts.contains(path)) {
            let text = self.texts.get(&path)?;
            return (index <= text.len()).then(|| Cursor { at: text.cursor(index, side), path });
        }
        let (path, len) = self.list_path(pointer)?;
        let beside = match side {
            Side::After => index.checked_sub(1),
            Side::Before => Some(index),
        };
        let anchor = beside.and_then(|index| self.element(&path, index));
        (index <= len).then_some(Cursor { path, at: text::Cursor::new(anchor, side) })
    }

    /// Where a cursor stands now: the JSON pointer of its text or list, and the index. `None` when that is not
    /// here, or the cursor comes from a replica that has seen more. `O(log n)`.
    pub fn position(&self, cursor: &Cursor) -> Option<(String, usize)> {
        let order = self.texts.get(&cursor.path)?;
        let pointer = self.pointer(&cursor.path)?;
        let index = match cursor.at.anchor() {
            Some(element) if cursor.path.is_list() => {
                let (before, here) = self.place_of(&cursor.path, element)?;
                before + usize::from(here && cursor.at.side() == Side::After)
            }
            None if cursor.path.is_list() && cursor.at.side() == Side::Before => {
                self.elements(&cursor.path).len()
            }
            _ => order.position(&cursor.at)?,
        };
        Some((pointer, index))
    }
}
