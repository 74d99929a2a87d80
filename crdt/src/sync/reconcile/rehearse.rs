//! Reconciling without a network: what it costs.

use super::{Index, Item, answer};
use crate::codec::Writer;
use crate::sync::sketch::{CELL_BYTES, Sketch, cells_for, decode};

/// What it costs two repositories to find what differs.
///
/// ```
/// # use crdt::sync::Kind;
/// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash, answer, rehearse};
/// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// let (mut a, mut b) = (Index::default(), Index::default());
/// (0..1_000).for_each(|n| a.set(item(n)));
/// (1..1_000).for_each(|n| b.set(item(n)));
///
/// let (.., cost) = rehearse(&a, &b);
/// assert!(cost.named == 1 && cost.bytes < 1_000);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cost {
    /// Bytes of all messages, both ways.
    pub bytes: usize,
    /// Times that a side had to wait for the other's answer: half of these are round trips.
    pub turns: usize,
    /// Documents that either side then names.
    pub named: usize,
}

/// Reconciles two indexes as two nodes would; what each side would name, and the cost.
///
/// ```
/// # use crdt::sync::Kind;
/// # use crdt::sync::reconcile::{Index, Item, Message, Prefix, VersionHash, answer, rehearse};
/// # let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// let (mut a, mut b) = (Index::default(), Index::default());
/// (0..1_000).for_each(|n| a.set(item(n)));
/// (1..1_000).for_each(|n| b.set(item(n)));
///
/// let (of_a, of_b, _) = rehearse(&a, &b);
/// assert_eq!((of_a, of_b), (vec![item(0)], vec![]));
/// ```
pub fn rehearse(a: &Index, b: &Index) -> (Vec<Item>, Vec<Item>, Cost) {
    let sides = [a, b];
    let mut named: [Vec<Item>; 2] = Default::default();
    let mut cost = Cost { bytes: 8, turns: 1, named: 0 };
    let mut who = 1;
    let mut messages = if a.fingerprint() == b.fingerprint() {
        vec![]
    } else {
        b.opening().into_iter().map(|prefix| b.describe(prefix)).collect()
    };
    while !messages.is_empty() {
        let mut w = Writer::new();
        messages.iter().for_each(|message| message.write(&mut w));
        cost.bytes += w.into_body().len();
        cost.turns += 1;
        who = 1 - who;
        let (index, mine) = (sides[who], &mut named[who]);
        messages = messages.iter().flat_map(|message| answer(index, message, mine)).collect();
    }
    named.iter_mut().for_each(|items| {
        items.sort_unstable();
        items.dedup();
    });
    let [a, b] = named;
    cost.named = a.len() + b.len();
    (a, b, cost)
}

/// Finds what differs as two nodes of one fleet would; `None` when they would go by ranges.
///
/// ```
/// use crdt::sync::reconcile::{Item, VersionHash, rehearse_sketch};
/// use crdt::sync::sketch::Sketch;
/// use crdt::sync::{Fleet, Kind};
/// let item = |n: u32| Item::new(&format!("doc-{n}").parse().unwrap(), Kind::DOC, VersionHash::default());
/// let (mut a, mut b) = (Sketch::new(Fleet::of("x")), Sketch::new(Fleet::of("x")));
/// (0..1_000).for_each(|n| a.add(item(n)));
/// (10..1_000).for_each(|n| b.add(item(n)));
/// let cost = rehearse_sketch(&a, &b).unwrap();
/// assert_eq!(cost.named, 10);
/// ```
pub fn rehearse_sketch(a: &Sketch, b: &Sketch) -> Option<Cost> {
    let digest = |sketch: &Sketch| {
        let mut w = Writer::new();
        sketch.estimate().write(&mut w);
        w.into_body().len() + 18
    };
    let mut cost = Cost { bytes: digest(a) + digest(b), turns: 1, named: 0 };
    if a.cells() == b.cells() {
        return Some(cost); // the fingerprints are equal too
    }
    let mut cells = cells_for(a.estimate().differing(&b.estimate()));
    let mut sent = 0;
    loop {
        let (ours, theirs) = (a.cells().get(..cells)?, b.cells().get(..cells)?);
        cost.bytes += (cells - sent) * CELL_BYTES + 4;
        cost.turns += 1;
        if let Some(names) = decode(a.fleet(), ours, theirs) {
            cost.named = names.len();
            return Some(cost);
        }
        cost.bytes += 6; // More
        cost.turns += 1;
        sent = cells;
        cells += (cells / 2).max(16);
    }
}
