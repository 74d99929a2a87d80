//! Automerge documents converge by difference, and no bytes break one.
#![cfg(feature = "automerge")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjType, ROOT, ReadDoc};
use crdt::automerge::AutomergeDoc;
use crdt::{ApplyError, Delta, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

fn edit(doc: &mut AutoCommit, kind: u8, a: u8) {
    let key = ["k", "l"][usize::from(a % 2)];
    match kind {
        0 => doc.put(ROOT, key, i64::from(a)).unwrap(),
        1 => drop(doc.delete(ROOT, key)),
        2 => {
            let list = match doc.get(ROOT, "list").unwrap() {
                Some((_, list)) => list,
                None => doc.put_object(ROOT, "list", ObjType::List).unwrap(),
            };
            let len = doc.length(&list);
            doc.insert(&list, usize::from(a) % (len + 1), "é👋").unwrap();
        }
        _ => {
            let text = match doc.get(ROOT, "text").unwrap() {
                Some((_, text)) => text,
                None => doc.put_object(ROOT, "text", ObjType::Text).unwrap(),
            };
            let len = doc.length(&text);
            let pos = usize::from(a) % (len + 1);
            let del = usize::from(a % 3).min(len - pos);
            doc.splice_text(&text, pos, del as isize, "a👋").unwrap();
        }
    }
}

fn heads(doc: &AutomergeDoc) -> Vec<automerge::ChangeHash> {
    let mut heads = doc.automerge().clone().get_heads();
    heads.sort();
    heads
}

fn run(steps: &[(usize, usize, u8, u8)]) -> Vec<AutomergeDoc> {
    let mut docs: Vec<AutomergeDoc> = (0..3).map(|n| AutomergeDoc::new(id(n))).collect();
    for &(to, from, kind, a) in steps {
        if kind < 4 {
            docs[to].edit(|doc| edit(doc, kind, a));
        } else if to != from {
            let since = if kind == 4 { docs[to].version().clone() } else { VersionVector::new() };
            let delta = docs[from].delta_since(&since);
            let delta = Delta::from_bytes(&delta.to_bytes()).unwrap();
            docs[to].apply(&delta).unwrap();
        }
    }
    docs
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, u8, u8)>> {
    prop::collection::vec((0..3usize, 0..3usize, 0..6u8, any::<u8>()), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn replicas_converge(steps in steps()) {
        let mut docs = run(&steps);
        for i in 1..3 {
            let delta = docs[i].delta_since(docs[0].version());
            docs[0].apply(&delta).unwrap();
        }
        for i in 1..3 {
            let delta = docs[0].delta_since(docs[i].version());
            docs[i].apply(&delta).unwrap();
            prop_assert_eq!(heads(&docs[i]), heads(&docs[0]));
            prop_assert_eq!(docs[i].version(), docs[0].version());
        }
        let saved = docs[0].save().unwrap();
        let loaded = AutomergeDoc::load(&saved, id(9)).unwrap();
        prop_assert_eq!(loaded.version(), docs[0].version());
        prop_assert_eq!(heads(&loaded), heads(&docs[0]));
        prop_assert!(loaded.delta_since(loaded.version()).is_empty());
    }

    /// Changes are damaged and their checksum mended, so that the damage gets as far as it can.
    #[test]
    fn damaged_changes_are_refused_or_taken_whole(
        steps in steps(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut docs = run(&steps);
        docs[0].edit(|doc| edit(doc, 3, 1));
        let mut delta = docs[0].delta_since(docs[1].version());
        let at = at.index(delta.body.len());
        delta.body[at] = byte;
        let before = (heads(&docs[1]), docs[1].version().clone());
        match docs[1].apply(&delta) {
            Ok(_) => prop_assert!(delta.is_known_to(docs[1].version())),
            Err(_) => prop_assert_eq!((heads(&docs[1]), docs[1].version().clone()), before),
        }
        docs[1].edit(|doc| doc.put(ROOT, "still", "alive")).unwrap();
        let saved = docs[0].save().unwrap();
        let mut damaged = saved.clone();
        let at = at % damaged.len();
        damaged[at] = byte;
        let _ = AutomergeDoc::load(&damaged, id(9));
        let _ = AutomergeDoc::load(&saved[..at], id(9));
    }
}

#[test]
fn an_actor_of_any_length_is_a_replica() {
    let mut other = AutoCommit::new().with_actor(ActorId::from(&b"short"[..]));
    other.put(ROOT, "x", 1).unwrap();
    let mut a = AutomergeDoc::load(&other.save(), id(0)).unwrap();
    let mut b = AutomergeDoc::new(id(1));
    b.apply(&a.delta_since(b.version())).unwrap();
    assert_eq!(b.version().total(), 1);
    assert_eq!(heads(&a), heads(&b));
    a.edit(|doc| doc.put(ROOT, "y", 2)).unwrap();
    assert_eq!(a.delta_since(b.version()).events(), 1);
}

#[test]
fn what_builds_on_missing_changes_waits() {
    let mut a = AutomergeDoc::new(id(0));
    a.edit(|doc| doc.put(ROOT, "x", 1)).unwrap();
    let first = a.version().clone();
    a.edit(|doc| doc.put(ROOT, "x", 2)).unwrap();
    let mut b = AutomergeDoc::new(id(1));
    assert_eq!(b.apply(&a.delta_since(&first)), Err(ApplyError::Missing));
    b.apply(&a.delta_since(&VersionVector::new())).unwrap();
    assert_eq!(b.version(), a.version());
}

/// The same actor with other content: a copied replica must not split the document silently.
#[test]
fn two_changes_with_one_name_are_refused() {
    let mut a = AutomergeDoc::new(id(0));
    let mut copy = AutomergeDoc::new(id(0));
    a.edit(|doc| doc.put(ROOT, "x", 1)).unwrap();
    copy.edit(|doc| doc.put(ROOT, "x", 2)).unwrap();
    copy.edit(|doc| doc.put(ROOT, "x", 3)).unwrap();
    assert!(matches!(a.apply(&copy.delta_since(&VersionVector::new())), Err(ApplyError::Refused(_))));
}
