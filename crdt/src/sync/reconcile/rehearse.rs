//! Reconciling without a network: what it costs.

use super::{Index, Item, answer};
use crate::sync::frame::{Digest, Frame};
use crate::sync::sketch::{Estimate, Sketch, cells_for, decode, more_cells};

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
    /// Bytes of all frames, both ways.
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
    let mut cost = Cost { bytes: 2 * digest(None), turns: 1, named: 0 };
    let mut who = 1;
    let mut messages = if a.fingerprint() == b.fingerprint() {
        vec![]
    } else {
        b.opening().into_iter().map(|prefix| b.describe(prefix)).collect()
    };
    while !messages.is_empty() {
        cost.bytes += messages.iter().map(|message| size(&Frame::Reconcile(message.clone()))).sum::<usize>();
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
    let mut cost = Cost { bytes: digest(None) + digest(Some(b.estimate())), turns: 1, named: 0 };
    if a.cells() == b.cells() {
        return Some(cost); // the fingerprints are equal too
    }
    let mut cells = cells_for(a.estimate().differing(&b.estimate()));
    let mut sent = 0;
    loop {
        let (ours, theirs) = (a.cells().get(..cells)?, b.cells().get(..cells)?);
        let more = ours.get(sent..).unwrap_or_default().to_vec();
        cost.bytes += size(&Frame::Cells { from: sent as u64, cells: more });
        cost.turns += 1;
        if let Some(ranges) = decode(a.fleet(), ours, theirs) {
            cost.named = ranges.len();
            return Some(cost);
        }
        sent = cells;
        cells += more_cells(cells);
        cost.bytes += size(&Frame::More { from: sent as u64, count: (cells - sent) as u64 });
        cost.turns += 1;
    }
}

fn size(frame: &Frame) -> usize {
    frame.to_bytes().len()
}

fn digest(estimate: Option<Estimate>) -> usize {
    size(&Frame::Digest(Digest { hash: [0; 16], cursor: 0, estimate }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::reconcile::VersionHash;
    use crate::sync::{DocId, Fleet, Kind, Lane};

    /// A hundred documents of a million in eight lanes, as two daemons of a fleet compare them. With cells as they
    /// were, nearly each time some lane had too few of them: what the documents that are equal add cancels, so they are
    /// left out here.
    #[test]
    fn eight_lanes_take_one_round_trip_and_ten_kilobytes() {
        for time in 0..100 {
            let mut lanes = vec![[0; 2].map(|_| Sketch::new(Fleet::of("secret"))); 8];
            for n in 0..100 {
                let doc: DocId = format!("doc-{time}-{n}").parse().unwrap();
                let sides = lanes[usize::from(Lane::of(&doc, 8))].iter_mut();
                for (seq, side) in (1..).zip(sides) {
                    let version = [(crate::ReplicaId::from_u128(1), seq)].into_iter().collect();
                    side.add(Item::new(&doc, Kind::DOC, VersionHash::of(&version)));
                }
            }
            let costs: Vec<Cost> = lanes.iter().map(|[a, b]| rehearse_sketch(a, b).unwrap()).collect();
            assert_eq!(costs.iter().map(|cost| cost.named).sum::<usize>(), 100);
            assert!(costs.iter().all(|cost| cost.turns == 2), "{time}: {costs:?}");
            assert!(costs.iter().map(|cost| cost.bytes).sum::<usize>() <= 10_000, "{time}: {costs:?}");
        }
    }
}
