//! Which documents differ, between daemons that trust each other, in one message whose size is that of the
//! difference.
//!
//! A [`Sketch`] holds cells. Each document is in some of them, chosen by a keyed hash of its name: in every
//! cell at first, then ever more rarely (rateless invertible Bloom lookup table; Yang, Gilad and Alizadeh
//! 2024). A cell is three sums over its documents, modulo the prime 2^31 - 1: of a hash of each one's version, and of
//! that hash times either half of the document's key. What both sides have cancels when the cells of one are taken from
//! those of the other. Where one document is left the other sums over the first are its key, whatever its versions are: a
//! document that both have in different versions counts once. It is taken out of its other cells, until all are
//! empty. The first cells of a longer sketch are a shorter one.
//!
//! Cells become rarer at half the pace that the authors found best for many documents: it takes 1.8 cells for each that
//! differs, not 1.4, but of few documents in few cells two are hardly ever in the same ones. Of twelve, one time in
//! ten thousand, it takes 47 cells rather than 112.
//!
//! A key is the first 40 bits of the place that a name has in the [`Index`](crate::sync::reconcile::Index), and 20 bits
//! that follow from these and the fleet's secret. A cell in which several are left shows a key that fits itself with a
//! chance of 2^-22, and then the cells do not become empty; two versions cancel with a chance of 2^-31. Of two
//! documents with the same key, a chance of 2^-20 for one of a million, the one that only the other side has
//! is not asked for. So what cells left different is compared by ranges the next time.
//!
//! How many cells to send is estimated first, from sums over all documents to each of which half of them add one or
//! take one away: twice the mean square of the differences of two such sums is the number of documents that differ
//! (after Alon, Matias and Szegedy 1996). Their last eight bits are enough. [`Estimate`] travels with the fingerprint.
//!
//! Both are kept up to date with each change of a document; nothing is scanned when a link comes up. The hashes
//! are keyed (SipHash-2-4) with what only the daemons of a [`Fleet`] know, so that no writer of documents can
//! choose names that spoil the cells.

use crate::codec::{DecodeError, Reader, Writer};
use crate::sync::reconcile::{Item, Prefix};

/// How many cells are kept.
pub(crate) const CELLS: usize = 8192;
/// How many nibbles of a document's place are in its key.
const NIBBLES: u8 = 10;
/// The bits of a place that are in a key.
const PLACE: u64 = u64::MAX << (64 - 4 * NIBBLES);
/// The fewest that are sent at once.
pub(crate) const FEWEST: usize = 8;
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

/// The prime modulo which cells are sums.
const PRIME: u32 = (1 << 31) - 1;

fn plus(a: u32, b: u32) -> u32 {
    (a + b) % PRIME // both are below 2^31
}

fn minus(a: u32) -> u32 {
    if a == 0 { 0 } else { PRIME - a }
}

fn times(a: u32, b: u32) -> u32 {
    (u64::from(a) * u64::from(b) % u64::from(PRIME)) as u32
}

/// What gives 1 when it is multiplied with `a`, which is not 0: `a` to the power of the prime less two.
fn inverse(a: u32) -> u32 {
    let (mut power, mut result) = (a, 1);
    for bit in 0..31 {
        if (PRIME - 2) >> bit & 1 == 1 {
            result = times(result, power);
        }
        power = times(power, power);
    }
    result
}

/// Sums over documents.
///
/// ```
/// use crdt::sync::Fleet;
/// use crdt::sync::sketch::{Cell, Sketch};
/// assert!(Sketch::new(Fleet::of("x")).cells().iter().all(|cell| *cell == Cell::default())); // nothing in it
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cell([u32; 3]);

impl Cell {
    fn new(version: u32, key: Key) -> Self {
        Cell([version, times(version, key.0), times(version, key.1)])
    }

    fn add(&mut self, other: Cell) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, other)| *sum = plus(*sum, other));
    }

    fn negative(self) -> Self {
        Cell(self.0.map(minus))
    }

    fn is_empty(self) -> bool {
        self == Cell::default()
    }

    /// The key of the document that is left in it, if it is one.
    fn key(self) -> Option<Key> {
        let [version, high, low] = self.0;
        (version != 0).then(|| inverse(version)).map(|by| (times(high, by), times(low, by)))
    }

    pub(crate) fn write(self, w: &mut Writer) {
        self.0.iter().for_each(|sum| w.raw(&sum.to_be_bytes()));
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut cell = Cell::default();
        for sum in &mut cell.0 {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(r.raw(4)?);
            *sum = u32::from_be_bytes(bytes);
            if *sum >= PRIME {
                return Err(r.invalid("a sum of a cell over its prime"));
            }
        }
        Ok(cell)
    }
}

/// What a document is known by in cells: in each half 20 bits of its place, and 10 that show that it is one.
type Key = (u32, u32);

fn key(place: u64, hash: u64) -> Key {
    let half = |place: u64, hash: u64| ((place & 0xf_ffff) << 10 | hash & 0x3ff) as u32; // below the prime
    (half(place >> 44, hash), half(place >> 24, hash >> 10))
}

/// The place in a key.
fn place(key: Key) -> u64 {
    (u64::from(key.0 >> 10) << 44 | u64::from(key.1 >> 10) << 24) & PLACE
}

/// The cells that a document is in, without end.
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
        // The chance to be in cell i is 1 / (1 + i / 4); so far is it to the next.
        self.state = self.state.wrapping_mul(0xda94_2042_e4dd_58b5);
        let uniform = (self.state as f64 + 1.0).sqrt().sqrt();
        self.at += ((here + 2.5) * (65_536.0 / uniform - 1.0)).ceil().max(1.0);
        Some(here.min(1e15) as usize)
    }
}

/// An estimate of how many documents differ: one for each side, taken together.
///
/// ```
/// use crdt::sync::Fleet;
/// use crdt::sync::sketch::Sketch;
/// let estimate = Sketch::new(Fleet::of("x")).estimate();
/// assert_eq!(estimate.differing(&estimate), 0.0);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Estimate([u8; SUMS]);

impl Estimate {
    /// About how many documents differ between two sides, within a third or so; with many thousands, too few but
    /// many thousands.
    pub fn differing(&self, other: &Estimate) -> f64 {
        let differences = self.0.iter().zip(&other.0).map(|(a, b)| a.wrapping_sub(*b) as i8);
        differences.map(|d| f64::from(d).powi(2)).sum::<f64>() * 2.0 / SUMS as f64
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.raw(&self.0);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut sums = [0; SUMS];
        sums.copy_from_slice(r.raw(SUMS)?);
        Ok(Estimate(sums))
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
/// let differ = a.estimate().differing(&b.estimate()); // 1 document
/// assert!(differ > 0.5 && differ < 2.0);
/// assert_eq!(decode(Fleet::of("x"), &a.cells()[..16], &b.cells()[..16]).unwrap().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Sketch {
    fleet: Fleet,
    cells: Vec<Cell>,
    sums: [u8; SUMS],
}

impl Sketch {
    /// Of no documents.
    pub fn new(fleet: Fleet) -> Self {
        Sketch { fleet, cells: vec![Cell::default(); CELLS], sums: [0; SUMS] }
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

    fn change(&mut self, item: Item, by: i8) {
        let place = item.place() & PLACE;
        let (hash, version) = (self.fleet.hash([place]), self.fleet.hash([item.place(), item.hash()]));
        let cell = Cell::new((version % u64::from(PRIME)) as u32, key(place, hash));
        let cell = if by > 0 { cell } else { cell.negative() };
        for at in Places::of(hash).take_while(|at| *at < CELLS) {
            self.cells[at].add(cell);
        }
        // Half of all versions count, with a sign that all versions of a document share: one that differs makes the
        // same difference whether one side has it or both.
        for (bit, sum) in self.sums.iter_mut().enumerate() {
            let sign = if hash >> bit & 1 == 1 { by } else { -by };
            *sum = sum.wrapping_add_signed(sign * (version >> bit & 1) as i8);
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
        Estimate(self.sums)
    }
}

impl Fleet {
    fn hash<const N: usize>(self, words: [u64; N]) -> u64 {
        siphash(self.0, words.map(u64::to_be_bytes).as_flattened())
    }
}

/// How many cells to send at first for so many documents that may differ.
/// Three for each are too few for one of a hundred comparisons in which hundreds differ, and for one of ten thousand in
/// which a dozen does: the estimate may be low, and what is needed varies.
pub(crate) fn cells_for(differing: f64) -> usize {
    (differing * 3.0 + 20.0).min(1e9) as usize
}

/// How many more to ask for when so many were too few. At [`CELLS`] there are no more.
pub(crate) fn more_cells(sent: usize) -> usize {
    (sent / 2).max(FEWEST).min(CELLS.saturating_sub(sent).max(1))
}

/// The ranges in which two sides differ, each of one document but by rare chance, from as many cells of both; `None`
/// when these were too few. `O(cells · log)`, whatever the cells hold.
///
/// ```
/// # use crdt::sync::reconcile::{Item, VersionHash};
/// # use crdt::sync::{Fleet, Kind};
/// use crdt::sync::sketch::{Sketch, decode};
/// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// let (mut a, b) = (Sketch::new(Fleet::of("x")), Sketch::new(Fleet::of("x")));
/// (0..5).for_each(|n| a.add(item(n)));
/// assert_eq!(decode(a.fleet(), &a.cells()[..32], &b.cells()[..32]).map(|ranges| ranges.len()), Some(5));
/// assert_eq!(decode(a.fleet(), &a.cells()[..2], &b.cells()[..2]), None); // too few: ask for more
/// ```
pub fn decode(fleet: Fleet, ours: &[Cell], theirs: &[Cell]) -> Option<Vec<Prefix>> {
    let mut cells: Vec<Cell> = ours.to_vec();
    cells.iter_mut().zip(theirs).for_each(|(cell, other)| cell.add(other.negative()));
    let count = cells.len();
    let mut found = Vec::new();
    let mut look: Vec<usize> = (0..cells.len()).rev().collect();
    while let Some(at) = look.pop() {
        let cell = cells[at];
        let Some(shown) = cell.key().filter(|_| found.len() <= count) else { continue };
        let place = place(shown);
        let hash = fleet.hash([place]);
        if key(place, hash) != shown {
            continue;
        }
        found.push(Prefix::of(place, NIBBLES));
        for at in Places::of(hash).take_while(|at| *at < count) {
            cells[at].add(cell.negative());
            look.push(at);
        }
    }
    cells.iter().all(|cell| cell.is_empty()).then_some(found)
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

    fn range(item: Item) -> Prefix {
        Prefix::of(item.place() & PLACE, NIBBLES)
    }

    #[test]
    fn cells_are_of_a_field() {
        for a in [1, 2, 3, PRIME - 1, PRIME / 2, 0x0123_4567] {
            assert_eq!(times(a, inverse(a)), 1);
            assert_eq!(times(a, PRIME - 1), PRIME - a); // times -1
            assert_eq!(plus(a, PRIME - a), 0);
        }
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
            assert!(
                estimated > changed as f64 * 0.5 && estimated < changed as f64 * 1.8,
                "{changed}: {estimated}"
            );
            let mut n = cells_for(estimated);
            while decode(a.fleet, &a.cells()[..n], &b.cells()[..n]).is_none() {
                n += n / 2;
            }
            assert!(n < 5 * changed + 40, "{n} cells for {changed} documents");
            let found = decode(a.fleet, &a.cells()[..n], &b.cells()[..n]).unwrap();
            assert_eq!(found.len(), changed);
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
                let mut expected: Vec<Prefix> =
                    only_a.iter().chain(&only_b).map(|doc| range(item(*doc, 0))).collect();
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
        fn no_cells_take_long(sums in prop::collection::vec(prop::array::uniform3(0..PRIME), 1..300)) {
            let theirs: Vec<Cell> = sums.into_iter().map(Cell).collect();
            let ours = vec![Cell::default(); theirs.len()];
            decode(Fleet::of("secret"), &ours, &theirs);
        }
    }
}
