//! Which documents of two large repositories differ, found without naming those that do not.
//!
//! Each side keeps an [`Index`]: a trie over a hash of each document's name, in which every node knows the
//! sum over the documents below it. Two sums tell whether two ranges are equal. Where they are not, one
//! side tells the sums of the sixteen parts of the range ([`Message::Parts`]); the other answers for each part
//! that differs with its own parts of that, or, when few documents are left, with their hashes
//! ([`Message::Items`]); those that are missing or differ are then named, and the rest of the protocol
//! exchanges their versions. (Range-based set reconciliation, Meyer 2023, with ranges that are prefixes.)
//!
//! Every answer is computed from the message and what is held at that moment: nothing is kept between
//! messages, nothing can be out of step. A message has at most [`MAX_ENTRIES`] entries.
//!
//! The hashes are fast, not cryptographic: who may write documents can make two repositories look equal
//! that are not. Such a difference is found as soon as either document changes.

mod rehearse;

use crate::VersionVector;
use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{ReplicaId, Span};
use crate::sync::{DocId, Kind};

pub use rehearse::{Cost, rehearse, rehearse_sketch};

/// The most documents of a leaf.
const LEAF: usize = 16;
/// The most that are listed rather than divided.
const LISTED: usize = 32;
/// From so many documents on the first message tells of the parts of the parts: one turn less.
const LARGE: usize = 1 << 16;
/// Hashes of names have 64 bits; each step of the trie takes four.
const MAX_DEPTH: u8 = 16;
/// The most sums or hashes in one message.
pub const MAX_ENTRIES: usize = 64;

/// Spreads two words over one (folded multiplication).
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd1b5_4a32_d192_ed03);
    (product as u64) ^ ((product >> 64) as u64) ^ a.rotate_left(32)
}

/// A hash of one author's progress; those of a version are summed.
fn progress(replica: ReplicaId, seq: u64) -> u64 {
    let id = u128::from_be_bytes(*replica.as_bytes());
    fold(fold(id as u64, (id >> 64) as u64), fold(seq, 0x2545_f491_4f6c_dd1d))
}

/// A hash of a version that follows it cheaply: each new span changes one term of a sum.
///
/// ```
/// use crdt::sync::reconcile::VersionHash;
/// use crdt::{ReplicaId, Span, VersionVector};
/// let a = ReplicaId::from_u128(1);
/// let mut hash = VersionHash::of(&VersionVector::new());
/// hash.advance(&Span { replica: a, after: 0, to: 3 });
/// assert_eq!(hash, VersionHash::of(&[(a, 3)].into_iter().collect()));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct VersionHash(u64);

impl VersionHash {
    /// The hash of a version, from all its entries.
    pub fn of(version: &VersionVector) -> Self {
        VersionHash(version.iter().fold(0, |sum, (replica, seq)| sum.wrapping_add(progress(replica, seq))))
    }

    /// Follows a version to which these events were added, its author's last before being `span.after`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, Span, sync::reconcile::VersionHash};
    /// let a = ReplicaId::from_u128(1);
    /// let mut hash = VersionHash::default();
    /// hash.advance(&Span { replica: a, after: 0, to: 2 });
    /// hash.advance(&Span { replica: a, after: 2, to: 3 });
    /// assert_eq!(hash, VersionHash::of(&[(a, 3)].into_iter().collect()));
    /// ```
    pub fn advance(&mut self, span: &Span) {
        let before = if span.after == 0 { 0 } else { progress(span.replica, span.after) };
        self.0 = self.0.wrapping_sub(before).wrapping_add(progress(span.replica, span.to));
    }
}

/// One document in an index: where its name puts it, and a hash of its name, kind and version.
///
/// ```
/// use crdt::sync::Kind;
/// use crdt::sync::reconcile::{Item, VersionHash};
/// # use crdt::ReplicaId;
/// let item = |version| Item::new(&"notes/a".parse().unwrap(), Kind::DOC, VersionHash::of(&version));
/// let edited = item([(ReplicaId::from_u128(1), 1)].into_iter().collect());
/// assert_ne!(item(Default::default()).hash(), edited.hash());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Item {
    key: u128,
    value: u64,
}

impl Item {
    /// The item of a document.
    pub fn new(doc: &DocId, kind: Kind, version: VersionHash) -> Self {
        let (mut high, mut low) = (doc.as_str().len() as u64, 1);
        for chunk in doc.as_str().as_bytes().chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            let word = u64::from_be_bytes(word);
            high = fold(high, word);
            low = fold(low ^ word, 0xa076_1d64_78bd_642f);
        }
        let high = fold(high, 0xe703_7ed1_a0b4_28db);
        let key = u128::from(high) << 64 | u128::from(low);
        Item { key, value: fold(fold(high, low), fold(version.0, u64::from(kind.0))) }
    }

    /// Where it is among all: the nibbles that ranges are made of.
    pub(crate) fn place(&self) -> u64 {
        (self.key >> 64) as u64
    }

    /// What stands for it in [`Message::Items`].
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// index.set(item(1));
    /// assert_eq!(index.compare(Prefix::ROOT, &[item(1).hash()]), (vec![], vec![]));
    /// ```
    pub fn hash(&self) -> u64 {
        self.value
    }
}

/// A range of documents: those whose key begins with some nibbles.
///
/// ```
/// use crdt::sync::reconcile::{Index, Prefix};
/// assert!(Index::default().items(Prefix::ROOT).is_empty()); // the root is everything
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix {
    depth: u8,
    /// The nibbles, from the highest; zero beyond the depth.
    bits: u64,
}

impl Prefix {
    /// All documents.
    pub const ROOT: Prefix = Prefix { depth: 0, bits: 0 };

    /// The range of the documents whose places begin with so many nibbles of this one, which has no others.
    pub(crate) fn of(bits: u64, depth: u8) -> Self {
        Prefix { depth, bits }
    }

    fn shift(depth: u8) -> u32 {
        60u32.saturating_sub(4 * u32::from(depth))
    }

    /// One of its sixteen parts; itself when it has none.
    fn child(self, nibble: u8) -> Self {
        if self.depth >= MAX_DEPTH {
            return self;
        }
        Prefix { depth: self.depth + 1, bits: self.bits | u64::from(nibble & 15) << Self::shift(self.depth) }
    }

    fn write(self, w: &mut Writer) {
        w.u8(self.depth);
        let bytes = self.bits.to_be_bytes();
        w.raw(bytes.get(..usize::from(self.depth.div_ceil(2))).unwrap_or(&bytes));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let depth = r.u8()?;
        if depth > MAX_DEPTH {
            return Err(r.invalid("a range deeper than a hash"));
        }
        let mut bytes = [0; 8];
        let given = r.raw(usize::from(depth.div_ceil(2)))?;
        bytes.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
        let bits = u64::from_be_bytes(bytes);
        let beyond = if depth == MAX_DEPTH { 0 } else { u64::MAX >> (4 * u32::from(depth)) };
        if bits & beyond != 0 {
            return Err(r.invalid("a range with nibbles beyond its depth"));
        }
        Ok(Prefix { depth, bits })
    }
}

fn nibble(key: u128, depth: u8) -> u8 {
    ((key >> 64) as u64 >> Prefix::shift(depth)) as u8 & 15
}

/// The documents of a repository, so kept that the sum over any range is at hand.
///
/// Setting one costs O(log n). Two indexes with the same documents have the same fingerprint, whatever the
/// order in which they were put in.
///
/// ```
/// use crdt::sync::Kind;
/// use crdt::sync::reconcile::{Index, Item, VersionHash};
/// let (mut a, mut b) = (Index::default(), Index::default());
/// let item = |n: u8| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// (0..100).for_each(|n| a.set(item(n)));
/// (0..100).rev().for_each(|n| b.set(item(n)));
/// assert_eq!(a.fingerprint(), b.fingerprint());
/// ```
#[derive(Clone, Default, Debug)]
pub struct Index {
    root: Trie,
}

#[derive(Clone, Debug)]
enum Trie {
    Leaf(Vec<Item>),
    Branch { count: usize, sum: u128, parts: Box<[Trie; 16]> },
}

impl Default for Trie {
    fn default() -> Self {
        Trie::Leaf(Vec::new())
    }
}

/// What an item adds to a sum: 128 bits, so that sums do not meet by chance.
fn term(item: &Item) -> u128 {
    u128::from(fold(item.value, 0x8ebc_6af0_9c88_c6e3)) << 64 | u128::from(item.value)
}

impl Trie {
    fn count(&self) -> usize {
        match self {
            Trie::Leaf(items) => items.len(),
            Trie::Branch { count, .. } => *count,
        }
    }

    fn sum(&self) -> u128 {
        match self {
            Trie::Leaf(items) => items.iter().fold(0, |sum, item| sum.wrapping_add(term(item))),
            Trie::Branch { sum, .. } => *sum,
        }
    }

    /// Puts an item in; gives the one with its key that it replaces.
    fn set(&mut self, item: Item, depth: u8) -> Option<Item> {
        match self {
            Trie::Leaf(items) => match items.binary_search_by_key(&item.key, |old| old.key) {
                Ok(at) => items.get_mut(at).map(|old| std::mem::replace(old, item)),
                Err(at) => {
                    items.insert(at, item);
                    if items.len() > LEAF && depth < MAX_DEPTH {
                        *self = Self::divided(std::mem::take(items), depth);
                    }
                    None
                }
            },
            Trie::Branch { count, sum, parts } => {
                let old = parts.get_mut(usize::from(nibble(item.key, depth)))?.set(item, depth + 1);
                *count += usize::from(old.is_none());
                *sum = sum.wrapping_sub(old.as_ref().map_or(0, term)).wrapping_add(term(&item));
                old
            }
        }
    }

    /// Takes an item out; whether it was there.
    fn remove(&mut self, item: &Item, depth: u8) -> bool {
        match self {
            Trie::Leaf(items) => match items.binary_search(item) {
                Ok(at) => {
                    items.remove(at);
                    true
                }
                Err(_) => false,
            },
            Trie::Branch { count, sum, parts } => {
                let part = parts.get_mut(usize::from(nibble(item.key, depth)));
                let was = part.is_some_and(|part| part.remove(item, depth + 1));
                if was {
                    *count -= 1;
                    *sum = sum.wrapping_sub(term(item));
                }
                was
            }
        }
    }

    fn divided(items: Vec<Item>, depth: u8) -> Trie {
        let (count, sum) = (items.len(), items.iter().fold(0u128, |sum, item| sum.wrapping_add(term(item))));
        let mut parts: Box<[Trie; 16]> = Box::default();
        for item in items {
            if let Some(part) = parts.get_mut(usize::from(nibble(item.key, depth))) {
                part.set(item, depth + 1);
            }
        }
        Trie::Branch { count, sum, parts }
    }

    fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Item)) {
        match self {
            Trie::Leaf(items) => items.iter().for_each(visit),
            Trie::Branch { parts, .. } => parts.iter().for_each(|part| part.each(visit)),
        }
    }
}

/// A stretch of an index: a whole part of the trie, or those of a leaf that a prefix takes.
enum Range<'a> {
    Part(&'a Trie),
    Some(Vec<&'a Item>),
}

impl Range<'_> {
    fn count(&self) -> usize {
        match self {
            Range::Part(trie) => trie.count(),
            Range::Some(items) => items.len(),
        }
    }

    /// Sum and count in 64 bits.
    fn fingerprint(&self) -> u64 {
        let (count, sum) = match self {
            Range::Part(trie) => (trie.count(), trie.sum()),
            Range::Some(items) => {
                (items.len(), items.iter().fold(0u128, |sum, item| sum.wrapping_add(term(item))))
            }
        };
        if count == 0 { 0 } else { fold(fold(sum as u64, (sum >> 64) as u64), count as u64) }
    }
}

impl Index {
    /// How many documents are in it.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// index.set(item(1));
    /// assert!(index.len() == 1 && !index.is_empty());
    /// ```
    pub fn len(&self) -> usize {
        self.root.count()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a document in, or in place of what it was before.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// index.set(item(1));
    /// index.set(item(1));
    /// assert_eq!(index.len(), 1);
    /// ```
    pub fn set(&mut self, item: Item) {
        self.root.set(item, 0);
    }

    /// Takes a document out that is in it as this item.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// index.set(item(1));
    /// index.remove(item(1));
    /// assert_eq!(index.fingerprint(), Index::default().fingerprint());
    /// ```
    pub fn remove(&mut self, item: Item) {
        self.root.remove(&item, 0);
    }

    /// A hash over all documents and their versions.
    pub fn fingerprint(&self) -> u64 {
        Range::Part(&self.root).fingerprint()
    }

    fn range(&self, prefix: Prefix) -> Range<'_> {
        let mut trie = &self.root;
        for depth in 0..prefix.depth {
            match trie {
                Trie::Branch { parts, .. } => {
                    let Some(part) = parts.get(usize::from(nibble(u128::from(prefix.bits) << 64, depth)))
                    else {
                        break;
                    };
                    trie = part;
                }
                Trie::Leaf(items) => {
                    let inside = |item: &&Item| {
                        (depth..prefix.depth)
                            .all(|d| nibble(item.key, d) == nibble(u128::from(prefix.bits) << 64, d))
                    };
                    return Range::Some(items.iter().filter(inside).collect());
                }
            }
        }
        Range::Part(trie)
    }

    /// The documents of a range.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// index.set(item(1));
    /// assert_eq!(index.items(Prefix::ROOT), [item(1)]);
    /// ```
    pub fn items(&self, prefix: Prefix) -> Vec<Item> {
        let mut items = Vec::new();
        match self.range(prefix) {
            Range::Part(trie) => trie.each(&mut |item| items.push(*item)),
            Range::Some(some) => items.extend(some),
        }
        items
    }

    /// What there is to tell of a range in which two differ: its documents when they are few, else its parts.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// index.set(item(1));
    /// assert!(matches!(index.describe(Prefix::ROOT), Message::Items { .. })); // few: named by their hashes
    /// (0..1_000).for_each(|n| index.set(item(n)));
    /// assert!(matches!(index.describe(Prefix::ROOT), Message::Parts { .. })); // many: sums of parts
    /// ```
    pub fn describe(&self, prefix: Prefix) -> Message {
        if self.range(prefix).count() <= LISTED || prefix.depth == MAX_DEPTH {
            let hashes = self.items(prefix).iter().map(Item::hash).take(MAX_ENTRIES).collect();
            return Message::Items { prefix, hashes };
        }
        let mut parts = [0; 16];
        for (nibble, part) in (0u8..).zip(&mut parts) {
            *part = self.range(prefix.child(nibble)).fingerprint();
        }
        Message::Parts { prefix, parts }
    }

    /// The ranges to describe first when the fingerprints differ.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// assert_eq!(index.opening(), [Prefix::ROOT]); // of a small index, all at once
    /// ```
    pub fn opening(&self) -> Vec<Prefix> {
        if self.len() < LARGE {
            return vec![Prefix::ROOT];
        }
        (0u8..16).map(|nibble| Prefix::ROOT.child(nibble)).collect()
    }

    /// The parts of a range that are not as the other side says.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// let mut other = Index::default();
    /// (0..1_000).for_each(|n| index.set(item(n)));
    /// (0..999).for_each(|n| other.set(item(n)));
    /// let Message::Parts { prefix, parts } = index.describe(Prefix::ROOT) else { unreachable!() };
    /// assert_eq!(other.differing(prefix, &parts).len(), 1); // of sixteen
    /// ```
    pub fn differing(&self, prefix: Prefix, parts: &[u64; 16]) -> Vec<Prefix> {
        if prefix.depth >= MAX_DEPTH {
            return Vec::new();
        }
        let children = (0u8..).zip(parts).map(|(nibble, theirs)| (prefix.child(nibble), theirs));
        let differ = children.filter(|(child, theirs)| self.range(*child).fingerprint() != **theirs);
        differ.map(|(child, _)| child).collect()
    }

    /// Compares the documents of a range with those of the other side: which of ours it has not, and the
    /// hashes of those of its own that are not here.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// index.set(item(1));
    /// let (ours, theirs) = index.compare(Prefix::ROOT, &[item(2).hash()]);
    /// assert_eq!((ours, theirs), (vec![item(1)], vec![item(2).hash()]));
    /// ```
    pub fn compare(&self, prefix: Prefix, hashes: &[u64]) -> (Vec<Item>, Vec<u64>) {
        let mut theirs = hashes.to_vec();
        theirs.sort_unstable();
        let mut ours = self.items(prefix);
        let mut here: Vec<u64> = ours.iter().map(Item::hash).collect();
        here.sort_unstable();
        theirs.retain(|hash| here.binary_search(hash).is_err());
        let mut told = hashes.to_vec();
        told.sort_unstable();
        ours.retain(|item| told.binary_search(&item.hash()).is_err());
        (ours, theirs)
    }
}

/// What one side tells the other about a range in which they differ.
///
/// ```
/// use crdt::sync::reconcile::{Index, Message, Prefix};
/// assert!(matches!(Index::default().describe(Prefix::ROOT), Message::Items { hashes, .. } if hashes.is_empty()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The fingerprints of its sixteen parts.
    Parts {
        /// The range.
        prefix: Prefix,
        /// Each part's; 0 for one without documents.
        parts: [u64; 16],
    },
    /// The hashes of all its documents.
    Items {
        /// The range.
        prefix: Prefix,
        /// One for each document; at most [`MAX_ENTRIES`].
        hashes: Vec<u64>,
    },
    /// Documents of the other side that are not here: it is to name them.
    Lacks {
        /// The range.
        prefix: Prefix,
        /// What stood for them in [`Message::Items`].
        hashes: Vec<u64>,
    },
}

impl Message {
    /// Adds it to a frame.
    ///
    /// ```
    /// # use crdt::sync::Kind;
    /// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut index = Index::default();
    /// # use crdt::codec::{Reader, Writer};
    /// index.set(item(1));
    /// let mut w = Writer::new();
    /// index.describe(Prefix::ROOT).write(&mut w);
    /// let bytes = w.into_body();
    /// assert!(matches!(Message::read(&mut Reader::new(&bytes, &[])), Ok(Message::Items { .. })));
    /// ```
    pub fn write(&self, w: &mut Writer) {
        let (kind, prefix, hashes) = match self {
            Message::Parts { prefix, parts } => (0, prefix, &parts[..]),
            Message::Items { prefix, hashes } => (1, prefix, &hashes[..]),
            Message::Lacks { prefix, hashes } => (2, prefix, &hashes[..]),
        };
        w.u8(kind);
        prefix.write(w);
        if kind != 0 {
            w.u64(hashes.len() as u64);
        }
        hashes.iter().for_each(|hash| w.raw(&hash.to_be_bytes()));
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// For every other byte string.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = r.u8()?;
        let prefix = Prefix::read(r)?;
        match kind {
            0 => {
                let mut parts = [0; 16];
                for part in &mut parts {
                    *part = read_hash(r)?;
                }
                Ok(Message::Parts { prefix, parts })
            }
            1 => Ok(Message::Items { prefix, hashes: read_hashes(r)? }),
            2 => Ok(Message::Lacks { prefix, hashes: read_hashes(r)? }),
            _ => Err(r.invalid("a way to reconcile")),
        }
    }
}

fn read_hash(r: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(r.raw(8)?);
    Ok(u64::from_be_bytes(bytes))
}

fn read_hashes(r: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    let n = r.count(8)?;
    if n > MAX_ENTRIES {
        return Err(r.limit("hashes in a message"));
    }
    (0..n).map(|_| read_hash(r)).collect()
}

/// What to answer; documents that are to be named are added to `named`.
///
/// ```
/// # use crdt::sync::Kind;
/// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash, answer, rehearse};
/// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// let (mut a, mut b) = (Index::default(), Index::default());
/// (0..1_000).for_each(|n| a.set(item(n)));
/// (1..1_000).for_each(|n| b.set(item(n)));
///
/// let mut named = Vec::new();
/// let answers = answer(&a, &b.describe(Prefix::ROOT), &mut named);
/// assert!(matches!(answers[..], [Message::Items { .. } | Message::Parts { .. }])); // of the one part that differs
/// ```
pub fn answer(index: &Index, message: &Message, named: &mut Vec<Item>) -> Vec<Message> {
    match message {
        Message::Parts { prefix, parts } => {
            index.differing(*prefix, parts).into_iter().map(|part| index.describe(part)).collect()
        }
        Message::Items { prefix, hashes } => {
            let (ours, theirs) = index.compare(*prefix, hashes);
            named.extend(ours);
            if theirs.is_empty() { vec![] } else { vec![Message::Lacks { prefix: *prefix, hashes: theirs }] }
        }
        Message::Lacks { prefix, hashes } => {
            named.extend(index.items(*prefix).into_iter().filter(|item| hashes.contains(&item.hash())));
            vec![]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(doc: usize, version: u64) -> Item {
        Item::new(&format!("doc-{doc}").parse().unwrap(), Kind::DOC, VersionHash(version))
    }

    fn index(docs: &[(usize, u64)]) -> Index {
        let mut index = Index::default();
        docs.iter().for_each(|(doc, version)| index.set(item(*doc, *version)));
        index
    }

    proptest! {
        #[test]
        fn exactly_what_differs_is_named(
            docs in prop::collection::btree_map(0usize..4_000, 0u64..2, 0..400),
            other in prop::collection::btree_map(0usize..4_000, 0u64..3, 0..60),
        ) {
            let a: Vec<(usize, u64)> = docs.clone().into_iter().collect();
            let mut theirs = docs.clone();
            theirs.extend(other);
            let b: Vec<(usize, u64)> = theirs.into_iter().collect();
            let only = |x: &[(usize, u64)], y: &[(usize, u64)]| {
                let mut items: Vec<Item> =
                    x.iter().filter(|d| !y.contains(d)).map(|(d, v)| item(*d, *v)).collect();
                items.sort_unstable();
                items
            };
            let (of_a, of_b, _) = rehearse(&index(&a), &index(&b));
            prop_assert_eq!(of_a, only(&a, &b));
            prop_assert_eq!(of_b, only(&b, &a));
        }

        #[test]
        fn the_order_of_changes_does_not_matter(
            mut docs in prop::collection::vec((0usize..200, 0u64..9), 0..200),
        ) {
            let mut last = docs.clone();
            last.reverse();
            last.sort_by_key(|d| d.0);
            last.dedup_by_key(|d| d.0);
            let fingerprint = index(&docs).fingerprint();
            docs.sort_by_key(|d| d.0);
            prop_assert_eq!(index(&docs).fingerprint(), fingerprint);
            prop_assert_eq!(index(&last).fingerprint(), fingerprint);
        }

        #[test]
        fn any_bytes_are_a_message_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let held: Vec<(usize, u64)> = (0..300).map(|d| (d, 0)).collect();
            let mut r = Reader::new(&bytes, &[]);
            if let Ok(message) = Message::read(&mut r) {
                let mut w = Writer::new();
                message.write(&mut w);
                let read = bytes.len() - r.remaining();
                prop_assert_eq!(&w.into_body()[..], &bytes[..read]);
                let answers = answer(&index(&held), &message, &mut Vec::new());
                prop_assert!(answers.len() <= 16);
            }
        }
    }

    #[test]
    fn a_hundred_of_many_cost_little() {
        let mut docs: Vec<(usize, u64)> = (0..20_000).map(|d| (d, 0)).collect();
        let a = index(&docs);
        docs.iter_mut().step_by(200).for_each(|d| d.1 = 1);
        let (_, _, cost) = rehearse(&a, &index(&docs));
        assert_eq!(cost.named, 200);
        assert!(cost.bytes < 60_000 && cost.turns <= 8, "{cost:?}");
    }
}
