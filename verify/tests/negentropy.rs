//! What two repositories find to differ, by ranges and by sketch, is what `negentropy`, another protocol for the same
//! task by other people, finds.

use std::collections::{BTreeMap, BTreeSet};

use crdt::ReplicaId;
use crdt::sync::reconcile::{Index, Item, VersionHash, rehearse, rehearse_sketch};
use crdt::sync::sketch::Sketch;
use crdt::sync::{DocId, Fleet, Kind};
use negentropy::{Id, Negentropy, NegentropyStorageVector};

/// A document at a version, as both protocols name it.
type Named = (u32, u64);

fn item((doc, version): Named) -> Item {
    let name: DocId = format!("folder/document-{doc}").parse().unwrap();
    let version = [(ReplicaId::from_u128(7), version)].into_iter().collect();
    Item::new(&name, Kind::DOC, VersionHash::of(&version))
}

/// The same where an id is 32 bytes: no protocol has to know what they mean.
fn id((doc, version): Named) -> Id {
    let mut bytes = [0; 32];
    let mut rng = fastrand::Rng::with_seed(u64::from(doc) << 32 | version);
    rng.fill(&mut bytes[..16]);
    bytes[16..20].copy_from_slice(&doc.to_be_bytes());
    bytes[20..28].copy_from_slice(&version.to_be_bytes());
    Id::from_byte_array(bytes)
}

fn named(id: &Id) -> Named {
    let bytes = id.as_bytes();
    let doc = bytes[16..20].try_into().map(u32::from_be_bytes).unwrap();
    (doc, bytes[20..28].try_into().map(u64::from_be_bytes).unwrap())
}

/// What only the first has, and what only the second has, by negentropy; and its bytes.
fn by_negentropy(a: &BTreeSet<Named>, b: &BTreeSet<Named>) -> (BTreeSet<Named>, BTreeSet<Named>, usize) {
    let [a, b] = [a, b].map(|side| {
        let mut storage = NegentropyStorageVector::new();
        side.iter().for_each(|one| storage.insert(0, id(*one)).unwrap());
        storage.seal().unwrap();
        Negentropy::owned(storage, 0).unwrap()
    });
    let (mut a, mut b) = (a, b);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut message = a.initiate().unwrap();
    let mut bytes = 0;
    loop {
        let answer = b.reconcile(&message).unwrap();
        bytes += message.len() + answer.len();
        match a.reconcile_with_ids(&answer, &mut have, &mut need).unwrap() {
            Some(next) => message = next,
            None => break,
        }
    }
    (have.iter().map(named).collect(), need.iter().map(named).collect(), bytes)
}

/// The same by ranges of this crate; and its bytes.
fn by_ranges(a: &BTreeSet<Named>, b: &BTreeSet<Named>) -> (BTreeSet<Named>, BTreeSet<Named>, usize) {
    let [index_a, index_b] = [a, b].map(|side| {
        let mut index = Index::default();
        side.iter().for_each(|one| index.set(item(*one)));
        index
    });
    let names: BTreeMap<Item, Named> = a.union(b).map(|one| (item(*one), *one)).collect();
    let (only_a, only_b, cost) = rehearse(&index_a, &index_b);
    let named = |items: Vec<Item>| items.iter().map(|item| names[item]).collect();
    (named(only_a), named(only_b), cost.bytes)
}

#[test]
fn both_find_the_same() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut differed = 0;
    for round in 0..300 {
        let documents = [0, 1, 30, 500, 3_000][round % 5];
        let changes = [0, 1, 10, 200][round % 4];
        let a: BTreeMap<u32, u64> = (0..documents).map(|doc| (doc, rng.u64(1..4))).collect();
        let mut b = a.clone();
        for _ in 0..changes {
            let doc = rng.u32(0..documents + 20);
            match rng.u8(0..3) {
                0 => {
                    b.remove(&doc);
                }
                1 => {
                    b.insert(doc, rng.u64(1..4));
                }
                _ => *b.entry(doc).or_default() += 1,
            }
        }
        let (a, b): (BTreeSet<Named>, BTreeSet<Named>) = (a.into_iter().collect(), b.into_iter().collect());
        let (have, need, _) = by_negentropy(&a, &b);
        assert_eq!((&have, &need), (&(&a - &b), &(&b - &a)), "round {round}: the oracle itself");
        let (only_a, only_b, _) = by_ranges(&a, &b);
        assert_eq!((&only_a, &only_b), (&have, &need), "round {round}, {documents} documents");
        let [sketch_a, sketch_b] = [&a, &b].map(|side| {
            let mut sketch = Sketch::new(Fleet::of("fleet"));
            side.iter().for_each(|one| sketch.add(item(*one)));
            sketch
        });
        if let Some(cost) = rehearse_sketch(&sketch_a, &sketch_b) {
            // A document that both have, each at a version of its own, is one that differs.
            let documents: BTreeSet<u32> = have.union(&need).map(|(doc, _)| *doc).collect();
            assert_eq!(cost.named, documents.len(), "round {round}, by sketch");
        }
        differed += usize::from(a != b);
    }
    assert!(differed > 150);
}

/// Not a test of who is better, but that ours is not beside the point: 100 of 100,000 changed.
#[test]
fn ranges_cost_less_than_negentropy() {
    let a: BTreeSet<Named> = (0..100_000).map(|doc| (doc, 1)).collect();
    let b: BTreeSet<Named> = (0..100_000).map(|doc| (doc, 1 + u64::from(doc % 1_000 == 0))).collect();
    let (theirs, ours) = (by_negentropy(&a, &b).2, by_ranges(&a, &b).2);
    println!("100 of 100,000 changed: negentropy {theirs} bytes, ranges {ours}");
    assert!(ours < theirs);
}
