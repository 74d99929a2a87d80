//! Which documents differ, between daemons that trust each other, in one message whose size is that of the
//! difference.
//!
//! A [`Sketch`] holds cells. Each document's item is in some of them, chosen by a keyed hash of it: in every
//! cell at first, then ever more rarely (rateless invertible Bloom lookup table; Yang, Gilad and Alizadeh
//! 2024). A cell is the exclusive or of its items, so the items that both sides have cancel when the cells
//! of both are taken together. From a cell in which one item is left that item is read, and taken out of its
//! other cells, until all are empty. About 1.4 cells for each item that differs are enough, of however many
//! items: the first cells of a longer sketch are a shorter one.
//!
//! How many cells to send is estimated first, from sums over all items to each of which an item adds one or
//! takes one away: the mean square of the differences of two such sums is the number of items that differ
//! (Alon, Matias and Szegedy 1996). [`Estimate`] travels with the fingerprint.
//!
//! Both are kept up to date with each change of a document; nothing is scanned when a link comes up. The hash
//! is keyed (SipHash-2-4) with what only the daemons of a [`Fleet`] know, so that no writer of documents can
//! choose names that spoil the cells.

use crate::codec::{DecodeError, Reader, Writer};
use crate::sync::reconcile::Item;

/// How many cells are kept.
pub(crate) const CELLS: usize = 4096;
/// What a cell takes on the wire.
pub(crate) const CELL_BYTES: usize = 20;
/// How many sums an estimate has.
const SUMS: usize = 64;

/// What daemons share that trust each other to reconcile by sketch. It is no password and proves nothing:
/// links that ask who one is are the shell's business.
///
/// ```
/// use crdt::sync::Fleet;
/// assert_eq!(Fleet::of("our secret"), Fleet::of("our secret"));
/// assert_ne!(Fleet::of("our secret"), Fleet::of("another"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fleet([u64; 2]);

impl Fleet {
    /// The fleet whose secret this is.
    pub fn of(secret: &str) -> Self {
        Fleet([0, 1].map(|n| siphash([n, 0x6372_6474_666c_6565], secret.as_bytes())))
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fleet(secret)")
    }
}

/// SipHash-2-4 (Aumasson and Bernstein 2012).
fn siphash(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let chunks = bytes.chunks_exact(8);
    let mut last = [0; 8];
    last.iter_mut().zip(chunks.remainder()).for_each(|(to, from)| *to = *from);
    let tail = u64::from_le_bytes(last) | (bytes.len() as u64) << 56;
    let words = chunks.map(|chunk| chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    for word in words.chain([tail]) {
        v[3] ^= word;
        (0..2).for_each(|_| sip_round(&mut v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| sip_round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

/// What stands for a document in a sketch: half of the key of its item, and the item's hash.
pub(crate) type Name = (u64, u64);

/// The exclusive or of items, and of their hashes.
///
/// ```
/// use crdt::sync::Fleet;
/// use crdt::sync::sketch::{Cell, Sketch};
/// assert!(Sketch::new(Fleet::of("x")).cells().iter().all(|cell| *cell == Cell::default())); // nothing in it
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cell {
    name: Name,
    check: u32,
}

impl Cell {
    fn toggle(&mut self, other: Cell) {
        self.name.0 ^= other.name.0;
        self.name.1 ^= other.name.1;
        self.check ^= other.check;
    }

    fn is_empty(self) -> bool {
        self == Cell::default()
    }

    pub(crate) fn write(self, w: &mut Writer) {
        w.raw(&self.name.0.to_be_bytes());
        w.raw(&self.name.1.to_be_bytes());
        w.raw(&self.check.to_be_bytes());
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut word = || -> Result<u64, DecodeError> {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(r.raw(8)?);
            Ok(u64::from_be_bytes(bytes))
        };
        let name = (word()?, word()?);
        let mut check = [0; 4];
        check.copy_from_slice(r.raw(4)?);
        Ok(Cell { name, check: u32::from_be_bytes(check) })
    }
}

/// The cells that an item is in, without end.
struct Places {
    state: u64,
    at: f64,
}

impl Places {
    fn of(hash: u64) -> Self {
        Places { state: hash | 1, at: 0.0 }
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let here = self.at;
        // The chance to be in cell i is 1 / (1 + i / 2); so far is it to the next.
        self.state = self.state.wrapping_mul(0xda94_2042_e4dd_58b5);
        let uniform = (self.state as f64 + 1.0).sqrt();
        self.at += ((here + 1.5) * (4_294_967_296.0 / uniform - 1.0)).ceil().max(1.0);
        Some(here.min(1e15) as usize)
    }
}

/// An estimate of how many items differ: one for each side, taken together.
///
/// ```
/// use crdt::sync::Fleet;
/// use crdt::sync::sketch::Sketch;
/// let estimate = Sketch::new(Fleet::of("x")).estimate();
/// assert_eq!(estimate.differing(&estimate), 0.0);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Estimate(Vec<i64>);

impl Estimate {
    /// About how many items differ between two sides, within a third or so.
    pub fn differing(&self, other: &Estimate) -> f64 {
        let squares = self.0.iter().zip(&other.0).map(|(a, b)| (a.wrapping_sub(*b) as f64).powi(2));
        squares.sum::<f64>() / SUMS as f64
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.0.iter().for_each(|sum| w.u64((sum.wrapping_shl(1) ^ (sum >> 63)) as u64));
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let sum = |_| r.u64().map(|word| (word >> 1) as i64 ^ -((word & 1) as i64));
        (0..SUMS).map(sum).collect::<Result<_, _>>().map(Estimate)
    }
}

/// The cells of all documents of a repository.
///
/// ```
/// use crdt::sync::reconcile::{Item, VersionHash};
/// use crdt::sync::sketch::{Sketch, decode};
/// use crdt::sync::{Fleet, Kind};
/// let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// let (mut a, mut b) = (Sketch::new(Fleet::of("x")), Sketch::new(Fleet::of("x")));
/// (0..1_000).for_each(|n| a.add(item(n)));
/// (1..1_000).for_each(|n| b.add(item(n)));
/// let differ = a.estimate().differing(&b.estimate()); // 1 item
/// assert!(differ > 0.5 && differ < 2.0);
/// assert_eq!(decode(Fleet::of("x"), &a.cells()[..16], &b.cells()[..16]).unwrap().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Sketch {
    fleet: Fleet,
    cells: Vec<Cell>,
    sums: Vec<i64>,
}

impl Sketch {
    /// Of no documents.
    pub fn new(fleet: Fleet) -> Self {
        Sketch { fleet, cells: vec![Cell::default(); CELLS], sums: vec![0; SUMS] }
    }

    /// Puts an item in. `O(log CELLS)`.
    ///
    /// ```
    /// # use crdt::sync::reconcile::{Item, VersionHash};
    /// # use crdt::sync::sketch::Sketch;
    /// # use crdt::sync::{Fleet, Kind};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut sketch = Sketch::new(Fleet::of("secret"));
    /// let empty = sketch.clone();
    /// sketch.add(item(1));
    /// assert_ne!(sketch.cells(), empty.cells());
    /// ```
    pub fn add(&mut self, item: Item) {
        self.change(item, 1);
    }

    /// Takes an item out that is in.
    ///
    /// ```
    /// # use crdt::sync::reconcile::{Item, VersionHash};
    /// # use crdt::sync::sketch::Sketch;
    /// # use crdt::sync::{Fleet, Kind};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut sketch = Sketch::new(Fleet::of("secret"));
    /// let empty = sketch.clone();
    /// sketch.add(item(1));
    /// sketch.remove(item(1));
    /// assert_eq!(sketch.cells(), empty.cells());
    /// ```
    pub fn remove(&mut self, item: Item) {
        self.change(item, -1);
    }

    fn change(&mut self, item: Item, by: i64) {
        let hash = self.fleet.hash(item.name());
        let cell = Cell { name: item.name(), check: hash as u32 };
        for at in Places::of(hash).take_while(|at| *at < CELLS) {
            self.cells[at].toggle(cell);
        }
        let signs = self.fleet.signs(item.name());
        for (bit, sum) in self.sums.iter_mut().enumerate() {
            *sum += if signs >> bit & 1 == 1 { by } else { -by };
        }
    }

    /// Of which fleet.
    ///
    /// ```
    /// # use crdt::sync::reconcile::{Item, VersionHash};
    /// # use crdt::sync::sketch::Sketch;
    /// # use crdt::sync::{Fleet, Kind};
    /// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
    /// let mut sketch = Sketch::new(Fleet::of("secret"));
    /// assert_eq!(sketch.fleet(), Fleet::of("secret"));
    /// sketch.add(item(1));
    /// ```
    pub fn fleet(&self) -> Fleet {
        self.fleet
    }

    /// The cells, from the densest.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What tells the other side how many items differ.
    pub fn estimate(&self) -> Estimate {
        Estimate(self.sums.clone())
    }
}

impl Fleet {
    fn hash(self, name: Name) -> u64 {
        siphash(self.0, &[name.0.to_be_bytes(), name.1.to_be_bytes()].concat())
    }

    fn signs(self, name: Name) -> u64 {
        siphash([self.0[0], !self.0[1]], &[name.0.to_be_bytes(), name.1.to_be_bytes()].concat())
    }
}

/// How many cells to send at first for so many items that may differ.
pub(crate) fn cells_for(differing: f64) -> usize {
    (differing * 1.5 + 16.0).min(1e9) as usize
}

/// The items of which only one side has each, from as many cells of both; `None` when these were too few.
/// `O(cells · log)`, whatever the cells hold.
///
/// ```
/// # use crdt::sync::reconcile::{Item, VersionHash};
/// # use crdt::sync::{Fleet, Kind};
/// use crdt::sync::sketch::{Sketch, decode};
/// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// let (mut a, b) = (Sketch::new(Fleet::of("x")), Sketch::new(Fleet::of("x")));
/// (0..5).for_each(|n| a.add(item(n)));
/// assert_eq!(decode(a.fleet(), &a.cells()[..32], &b.cells()[..32]).map(|names| names.len()), Some(5));
/// assert_eq!(decode(a.fleet(), &a.cells()[..2], &b.cells()[..2]), None); // too few: ask for more
/// ```
pub fn decode(fleet: Fleet, ours: &[Cell], theirs: &[Cell]) -> Option<Vec<Name>> {
    let mut cells: Vec<Cell> = ours.to_vec();
    cells.iter_mut().zip(theirs).for_each(|(cell, other)| cell.toggle(*other));
    let count = cells.len();
    let mut names = Vec::new();
    let mut look: Vec<usize> = (0..cells.len()).rev().collect();
    while let Some(at) = look.pop() {
        let cell = cells[at];
        let hash = fleet.hash(cell.name);
        if cell.is_empty() || cell.check != hash as u32 || names.len() > count {
            continue;
        }
        names.push(cell.name);
        for at in Places::of(hash).take_while(|at| *at < count) {
            cells[at].toggle(cell);
            look.push(at);
        }
    }
    cells.iter().all(|cell| cell.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Kind;
    use crate::sync::reconcile::VersionHash;
    use crate::{ReplicaId, Span};
    use proptest::prelude::*;

    fn item(doc: usize, version: u64) -> Item {
        let mut hash = VersionHash::default();
        hash.advance(&Span { replica: ReplicaId::from_u128(1), after: 0, to: version + 1 });
        Item::new(&format!("doc-{doc}").parse().unwrap(), Kind::DOC, hash)
    }

    fn sketch(items: impl Iterator<Item = (usize, u64)>) -> Sketch {
        let mut sketch = Sketch::new(Fleet::of("secret"));
        items.for_each(|(doc, version)| sketch.add(item(doc, version)));
        sketch
    }

    #[test]
    fn the_hash_is_siphash() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(key, &bytes), 0xa129_ca61_49be_45e5); // the paper's test vector
    }

    #[test]
    fn what_differs_is_found_with_few_cells() {
        let a = sketch((0..20_000).map(|doc| (doc, 0)));
        for changed in [1usize, 2, 5, 10, 50, 100, 300] {
            let b = sketch((0..20_000).map(|doc| (doc, u64::from(doc * changed % 20_000 < changed))));
            let estimated = a.estimate().differing(&b.estimate());
            let items = 2 * changed;
            assert!(
                estimated > items as f64 * 0.5 && estimated < items as f64 * 1.8,
                "{changed}: {estimated}"
            );
            let mut n = cells_for(estimated);
            while decode(a.fleet, &a.cells()[..n], &b.cells()[..n]).is_none() {
                n += n / 2;
            }
            assert!(n < 2 * items + 40, "{n} cells for {items} items");
            let found = decode(a.fleet, &a.cells()[..n], &b.cells()[..n]).unwrap();
            assert_eq!(found.len(), items);
        }
    }

    proptest! {
        #[test]
        fn decoding_gives_exactly_the_difference_or_nothing(
            both in prop::collection::btree_set(0usize..5_000, 0..300),
            only_a in prop::collection::btree_set(5_000usize..6_000, 0..20),
            only_b in prop::collection::btree_set(6_000usize..7_000, 0..20),
            n in 1usize..200,
        ) {
            let a = sketch(both.iter().chain(&only_a).map(|doc| (*doc, 0)));
            let b = sketch(both.iter().chain(&only_b).map(|doc| (*doc, 0)));
            if let Some(mut found) = decode(a.fleet, &a.cells()[..n], &b.cells()[..n]) {
                let mut expected: Vec<Name> =
                    only_a.iter().chain(&only_b).map(|doc| item(*doc, 0).name()).collect();
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn what_goes_out_leaves_nothing(docs in prop::collection::vec(0usize..1_000, 0..50)) {
            let mut s = sketch(docs.iter().map(|doc| (*doc, 0)));
            docs.iter().for_each(|doc| s.remove(item(*doc, 0)));
            prop_assert!(s.cells().iter().all(|cell| cell.is_empty()));
            prop_assert_eq!(s.estimate(), Sketch::new(s.fleet).estimate());
        }

        #[test]
        fn no_cells_take_long(words in prop::collection::vec(any::<[u8; 20]>(), 1..300)) {
            let read = |bytes: &[u8; 20]| Cell::read(&mut Reader::new(bytes, &[])).unwrap();
            let theirs: Vec<Cell> = words.iter().map(read).collect();
            let ours = vec![Cell::default(); theirs.len()];
            decode(Fleet::of("secret"), &ours, &theirs);
        }
    }
}
