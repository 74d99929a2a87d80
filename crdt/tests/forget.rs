//! Replicas that forget at different cuts, and one that never does, stay one document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::matrix::MatrixClock;
use crdt::tree::Position;
use crdt::{ApplyError, Delta, Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

/// Texts, deep and flat; lists, trees, maps, sets, counters, registers, flags.
fn edit(doc: &mut Doc, now: u64, kind: u8, a: u8, b: u8) {
    let [a, b] = [usize::from(a), usize::from(b)];
    doc.transact(now, |tx| match kind % 16 {
        0..=3 => {
            let mut text = tx.text("note");
            let at = a % (text.len() + 1);
            text.insert(at, ["x", "yz", "grüße", "👋 "][b % 4]);
        }
        4 | 5 => {
            let mut text = tx.text("note");
            let at = a % (text.len() + 1);
            text.delete(at..at + b % 6);
        }
        6 => tx.map("m").map("n").text("deep").insert(0, "deep"),
        7 => tx.map("m").map("n").text("deep").delete(a % 4..a % 4 + 2),
        8 => tx.map("m").map(["n", "o"][a % 2]).put("k", b as i64),
        9 => tx.map("m").remove(["n", "o"][a % 2]),
        10 => tx.list("todo").insert(a % 5, b as i64),
        11 => match a % 3 {
            0 => drop(tx.list("todo").remove(b % 5)),
            1 => drop(tx.list("todo").move_to(a % 5, b % 5)),
            _ => tx.list("todo").push_map().text("what").insert(0, "item"),
        },
        12 => tx.counter("votes").add(b as i64 - 3),
        13 if a % 2 == 0 => tx.set("tags").remove(b as i64 % 4),
        13 => tx.set("tags").insert(b as i64 % 4),
        14 => {
            let mut tree = tx.tree("tree");
            let nodes = tree.children(None);
            match (nodes.get(a % (nodes.len() + 1)).copied(), b % 4) {
                (Some(node), 0) => drop(tree.remove(node)),
                (Some(node), 1) => drop(tree.move_to(node, nodes.first().copied(), Position::Last)),
                (node, _) => {
                    let node = tree.create(node, Position::At(b % 3));
                    tree.data(node).unwrap().text("t").insert(0, "node");
                }
            }
        }
        _ if a % 2 == 0 => tx.offer("offer", b as i64),
        _ => tx.put("title", b as i64),
    });
}

fn send(from: &Doc, to: &mut Doc) -> Result<(), ApplyError> {
    let delta = from.delta_since(to.version());
    let delta = Delta::from_bytes(&delta.to_bytes()).unwrap();
    to.apply(&delta).map(drop)
}

/// What each replica had seen when it wrote each of its events.
#[derive(Default)]
struct Past(Vec<Vec<VersionVector>>);

impl Past {
    fn note(&mut self, docs: &[Doc]) {
        self.0.resize(docs.len(), Vec::new());
        for (n, doc) in docs.iter().enumerate() {
            self.0[n].resize(doc.version().get(id(n)) as usize, doc.version().clone());
        }
    }

    /// What is stable for a replica, by what the others surely had seen when they wrote what it has of them last, or
    /// by what they have seen when it has all of theirs.
    fn stable(&self, docs: &[Doc], at: usize) -> VersionVector {
        let mut seen = MatrixClock::new((0..docs.len()).map(id));
        for (n, doc) in docs.iter().enumerate() {
            let known = docs[at].version().get(id(n)) as usize;
            let row = if known == self.0[n].len() {
                Some(doc.version())
            } else {
                known.checked_sub(1).map(|i| &self.0[n][i])
            };
            row.iter().for_each(|row| assert!(seen.saw(id(n), row)));
        }
        seen.seen_by_all()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Of four replicas the last never forgets; the others do, each when it may, and are saved and loaded between.
    /// A reader comes by now and then.
    #[test]
    fn all_converge(steps in prop::collection::vec((0..4usize, 0..4usize, any::<[u8; 4]>()), 1..80)) {
        let mut docs: Vec<Doc> = (0..4).map(|n| Doc::new(id(n))).collect();
        let (mut reader, mut past) = (Doc::new(id(9)), Past::default());
        for (now, (to, from, [what, kind, a, b])) in steps.into_iter().enumerate() {
            past.note(&docs);
            match what % 8 {
                0..=2 => edit(&mut docs[to], now as u64, kind, a, b),
                3..=5 => {
                    let source = docs[from].clone();
                    send(&source, &mut docs[to]).unwrap();
                }
                6 if to < 3 => {
                    let cut = past.stable(&docs, to);
                    let shown = docs[to].value();
                    docs[to].forget(&cut);
                    prop_assert_eq!(docs[to].value(), shown);
                    prop_assert!(docs[to].forgotten().covers(&cut));
                    if a % 2 == 0 {
                        let saved = docs[to].save();
                        let copy = Doc::load(&saved, id(to)).unwrap();
                        prop_assert_eq!(copy.value(), docs[to].value());
                        prop_assert_eq!(copy.save(), saved);
                        docs[to] = copy;
                    }
                }
                _ => {
                    // It has nothing that others lack, so it takes a newer state whole if it must.
                    send(&docs[to], &mut reader).unwrap();
                    prop_assert!(reader.version().covers(docs[to].version()));
                }
            }
        }
        for n in 0..3 {
            let source = docs[n].clone();
            send(&source, &mut docs[3]).unwrap();
        }
        let whole = docs[3].clone();
        prop_assert!(whole.forgotten().is_empty());
        send(&whole, &mut reader).unwrap();
        prop_assert_eq!(reader.value(), whole.value());
        for doc in &mut docs {
            send(&whole, doc).unwrap();
            prop_assert_eq!(doc.version(), whole.version());
            prop_assert_eq!(doc.value(), whole.value());
        }
        // Equal versions and equal cuts are equal bytes, whenever each forgot.
        for doc in docs.iter().chain([&reader]) {
            let mut other = whole.fork(id(8));
            other.forget(doc.forgotten());
            prop_assert_eq!(other.forgotten(), doc.forgotten());
            prop_assert_eq!(other.save(), doc.save());
            prop_assert_eq!(doc.save_shallow(), whole.save_shallow());
        }
        // Who comes new takes the document of any, and goes on.
        for doc in &docs {
            let mut new = Doc::new(id(7));
            send(doc, &mut new).unwrap();
            prop_assert_eq!(new.value(), whole.value());
            prop_assert_eq!(new.save(), doc.save());
            edit(&mut new, 99, 0, 1, 1);
            let mut doc = doc.clone();
            send(&new, &mut doc).unwrap();
            prop_assert_eq!(new.value(), doc.value());
        }
    }
}
