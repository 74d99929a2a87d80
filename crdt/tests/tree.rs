//! Trees: no cycle, no copy, the same shape whether kept up to date or made anew, the same on all replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::BTreeSet;

use crdt::codec::{from_bytes, to_bytes};
use crdt::register::LwwRegister;
use crdt::replica::Replica;
use crdt::tree::{NodeId, Position, Tree};
use crdt::{ReplicaId, VersionVector};
use proptest::prelude::*;

type T = Tree<LwwRegister<u8>>;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

fn nodes(tree: &T) -> Vec<NodeId> {
    tree.walk().map(|(_, node)| node).collect()
}

fn edit(replica: &mut Replica<T>, now: u64, kind: u8, a: u8, b: u8) {
    let all = nodes(replica.value());
    let pick = |n: u8| (!all.is_empty()).then(|| all[usize::from(n) % all.len()]);
    let position = match b % 4 {
        0 => Position::First,
        1 => Position::Last,
        2 => Position::At(usize::from(b / 4 % 5)),
        _ => pick(b / 4).map_or(Position::Last, Position::After),
    };
    replica.edit(now, |tree, cx| match kind {
        0 | 1 => {
            tree.create(pick(a).filter(|_| !a.is_multiple_of(3)), position, cx);
        }
        2..=5 => {
            if let Some(node) = pick(a) {
                tree.move_to(node, pick(b).filter(|_| !b.is_multiple_of(5)), position, cx);
            }
        }
        6 => {
            if let Some(node) = pick(a) {
                tree.remove(node, cx);
            }
        }
        7 => {
            let trashed = tree.trash().next();
            if let Some(node) = trashed {
                tree.move_to(node, None, position, cx);
            }
        }
        8 => tree.purge(cx),
        _ => {
            if let Some(node) = pick(a) {
                tree.update(node, cx, |value, cx| value.set(b, cx));
            }
        }
    });
}

/// What is shown, in full.
fn shown(tree: &T) -> Vec<(usize, NodeId, Option<u8>)> {
    tree.walk().map(|(depth, node)| (depth, node, tree.get(node).unwrap().get().copied())).collect()
}

fn check(tree: &T) {
    let all = nodes(tree);
    let different: BTreeSet<NodeId> = all.iter().copied().collect();
    assert_eq!(all.len(), different.len(), "no node is shown twice");
    for node in &all {
        assert!(tree.contains(*node));
        assert!(tree.ancestors(*node).count() <= all.len(), "no cycle");
        let siblings = tree.children(tree.parent(*node)).filter(|n| n == node).count();
        assert_eq!(siblings, 1, "a node is a child of its parent");
    }
    let anew: T = from_bytes(&to_bytes(tree)).unwrap();
    assert_eq!(shown(&anew), shown(tree), "kept up to date, or made anew");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn trees_converge(steps in prop::collection::vec((0..3usize, 0..3usize, 0..14u8, any::<u8>(), any::<u8>()), 0..60)) {
        let mut all: Vec<Replica<T>> = (0..3).map(|n| Replica::new(id(n))).collect();
        for (time, (to, from, what, a, b)) in steps.into_iter().enumerate() {
            match what {
                0..=10 => edit(&mut all[to], time as u64 / 3, what, a, b),
                _ => {
                    let delta = all[from].delta_since(all[to].seen().version());
                    all[to].apply(&delta);
                }
            }
            check(all[to].value());
        }
        for _ in 0..2 {
            for (to, from) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
                let delta = all[from].delta_since(all[to].seen().version());
                all[to].apply(&delta);
                check(all[to].value());
            }
        }
        prop_assert_eq!(shown(all[0].value()), shown(all[1].value()));
        prop_assert_eq!(shown(all[0].value()), shown(all[2].value()));
        prop_assert_eq!(all[0].value(), all[2].value());
    }

    /// In one replica a tree is what a plain vector of children is.
    #[test]
    fn positions_are_what_they_say(inserts in prop::collection::vec((any::<u8>(), any::<u8>()), 0..60)) {
        let mut replica: Replica<T> = Replica::new(id(0));
        let mut plain: Vec<NodeId> = Vec::new();
        for (a, b) in inserts {
            let at = usize::from(a) % (plain.len() + 1);
            if b.is_multiple_of(3) && !plain.is_empty() {
                let from = usize::from(b) % plain.len();
                let node = plain.remove(from);
                let at = at.min(plain.len());
                replica.edit(0, |tree, cx| tree.move_to(node, None, Position::At(at), cx));
                plain.insert(at, node);
            } else {
                let (_, node) = replica.edit_with(0, |tree, cx| tree.create(None, Position::At(at), cx));
                plain.insert(at, node);
            }
            prop_assert_eq!(replica.value().children(None).collect::<Vec<_>>(), plain.clone());
        }
    }
}

fn sync(a: &mut Replica<T>, b: &mut Replica<T>) {
    a.apply(&b.delta_since(a.seen().version()));
    b.apply(&a.delta_since(b.seen().version()));
}

/// Two siblings with one key, since they were made concurrently: what goes between them does.
#[test]
fn there_is_room_between_concurrent_siblings() {
    let (mut a, mut b): (Replica<T>, Replica<T>) = (Replica::new(id(0)), Replica::new(id(1)));
    let (_, x) = a.edit_with(0, |tree, cx| tree.create(None, Position::Last, cx));
    let (_, y) = b.edit_with(0, |tree, cx| tree.create(None, Position::Last, cx));
    sync(&mut a, &mut b);
    let order: Vec<NodeId> = a.value().children(None).collect();
    assert_eq!(order, [x, y]);
    let (_, z) = a.edit_with(0, |tree, cx| tree.create(None, Position::After(x), cx));
    sync(&mut a, &mut b);
    assert_eq!(b.value().children(None).collect::<Vec<_>>(), [x, z, y]);
}

/// The cases of Kleppmann and others, section 2: one node moved to two places; two nodes moved below each other.
#[test]
fn the_cases_of_the_paper() {
    let (mut a, mut b): (Replica<T>, Replica<T>) = (Replica::new(id(0)), Replica::new(id(1)));
    let (_, n) = a.edit_with(0, |tree, cx| [(); 3].map(|()| tree.create(None, Position::Last, cx)));
    let [x, y, z] = n;
    sync(&mut a, &mut b);
    a.edit(10, |tree, cx| tree.move_to(x, Some(y), Position::Last, cx));
    b.edit(20, |tree, cx| tree.move_to(x, Some(z), Position::Last, cx));
    sync(&mut a, &mut b);
    assert_eq!(a.value().parent(x), Some(z), "one place, that of the later move");
    a.edit(30, |tree, cx| tree.move_to(y, Some(z), Position::Last, cx));
    b.edit(40, |tree, cx| tree.move_to(z, Some(y), Position::Last, cx));
    sync(&mut a, &mut b);
    assert_eq!((a.value().parent(y), a.value().parent(z)), (Some(z), None), "the later is as if it was not");
    // A later move out of the cycle lets the one that gave way stand.
    a.edit(50, |tree, cx| tree.move_to(y, None, Position::Last, cx));
    sync(&mut a, &mut b);
    assert_eq!((b.value().parent(y), b.value().parent(z)), (None, Some(y)));
}

#[test]
fn a_move_below_oneself_is_refused() {
    let mut a: Replica<T> = Replica::new(id(0));
    let (_, x) = a.edit_with(0, |tree, cx| tree.create(None, Position::Last, cx));
    let (_, y) = a.edit_with(0, |tree, cx| tree.create(Some(x), Position::Last, cx));
    let (change, moved) = a.edit_with(0, |tree, cx| tree.move_to(x, Some(y), Position::Last, cx));
    assert!(!moved && change.events().is_empty());
    assert!(a.delta_since(&VersionVector::new()).events().len() == 2);
}

/// As deep as it may be: nothing recurses.
#[test]
fn a_very_deep_tree_does_not_overflow() {
    let mut a: Replica<T> = Replica::new(id(0));
    let mut b: Replica<T> = Replica::new(id(1));
    a.edit(0, |tree, cx| {
        let mut last = None;
        for _ in 0..3_000 {
            last = Some(tree.create(last, Position::Last, cx));
        }
    });
    sync(&mut a, &mut b);
    assert_eq!(b.value().walk().map(|(depth, _)| depth).max(), Some(2_999));
}
