//! [`Cursor`]: a place in a text or list that stays where it is while others edit around it.

use std::fmt;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer, from_bytes, to_bytes};
use crate::id::Dot;

use super::path::Path;
use super::{Doc, Value};

/// On which side of the cursor stands what it holds on to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Side {
    /// It holds on to what stands left of it: what is inserted right there comes after it.
    Left,
    /// It holds on to what stands right of it: what is inserted right there comes before it.
    #[default]
    Right,
}

/// A place between two characters of a text or two elements of a list, named by what stands beside it, so
/// that it means the same on every replica and after every edit. When that is deleted the cursor stays
/// where it was; of an element that was moved before, where that was made. Small: send it as presence, or
/// keep it.
///
/// ```
/// use crdt::doc::{Cursor, Side};
/// use crdt::{Doc, ReplicaId, Replicated};
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.text("note").insert(0, "hello world"));
/// bob.apply(&alice.delta_since(bob.version()))?;
///
/// let cursor = alice.cursor("/note", 6, Side::Right).unwrap(); // before "world"
/// let cursor = Cursor::from_bytes(&cursor.to_bytes())?;
/// bob.transact(0, |tx| tx.text("note").insert(0, "oh, "));
/// assert_eq!(bob.position(&cursor), Some(("/note".to_string(), 10)));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    path: Path,
    /// The character or element; `None` for the start or the end.
    anchor: Option<Dot>,
    side: Side,
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
        w.u8(u8::from(self.side == Side::Right));
        self.anchor.encode(w);
    }
}

impl Decode for Cursor {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let path = Path::decode(r)?;
        let side = if bool::decode(r)? { Side::Right } else { Side::Left };
        Ok(Cursor { path, side, anchor: Decode::decode(r)? })
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({:?} of {:?})", self.side, self.anchor)
    }
}

impl Doc {
    /// A cursor before the `index`-th character of the text, or element of the list, at a JSON pointer. At the
    /// start it may hold on to nothing on its left, at the end to nothing on its right: it then stays at the
    /// start or the end. `None` when there is no text or list. `O(log n)`.
    pub fn cursor(&self, pointer: &str, index: usize, side: Side) -> Option<Cursor> {
        let beside = match side {
            Side::Left => index.checked_sub(1),
            Side::Right => Some(index),
        };
        if let Some(path) = self.text_path(pointer).filter(|path| self.texts.contains_key(path)) {
            let text = self.texts.get(&path)?;
            let anchor = beside.and_then(|pos| text.dot_at(pos));
            return (index <= text.len()).then_some(Cursor { path, anchor, side });
        }
        let (path, len) = self.list_path(pointer)?;
        let anchor = beside.and_then(|index| self.element(&path, index));
        (index <= len).then_some(Cursor { path, anchor, side })
    }

    /// Where a cursor stands now: the JSON pointer of its text or list, and the index. `None` when that is not
    /// here, or the cursor comes from a replica that has seen more. `O(log n)`.
    pub fn position(&self, cursor: &Cursor) -> Option<(String, usize)> {
        let order = self.texts.get(&cursor.path)?;
        let pointer = self.pointer(&cursor.path)?;
        let len = || match self.value_of(&cursor.path) {
            Some(Value::List(list)) => list.len(),
            _ => order.len(),
        };
        let Some(anchor) = cursor.anchor else {
            return Some((pointer, if cursor.side == Side::Left { 0 } else { len() }));
        };
        let (before, visible) = match cursor.path.is_list() {
            true => self.place_of(&cursor.path, anchor)?,
            false => order.place_of(anchor)?,
        };
        Some((pointer, before + usize::from(visible && cursor.side == Side::Left)))
    }
}
