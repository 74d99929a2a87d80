//! Undoing takes back what was done here and nothing else, whatever others do meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::doc::{Origin, Tx, UndoManager, UndoOptions, Value};
use crdt::{Doc, ReplicaId, Replicated};
use proptest::prelude::*;

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n + 1)
}

fn edit(tx: &mut Tx<'_>, kind: u8, a: u8, b: u8) {
    let key = ["k", "l"][usize::from(a % 2)];
    match kind {
        0 | 1 => {
            let mut text = tx.text("note");
            let pos = usize::from(a) * (text.len() + 1) / 256;
            text.insert(pos, ["x", "hello", "é\n"][usize::from(b) % 3]);
        }
        2 | 3 => {
            let mut text = tx.text("note");
            let pos = usize::from(a) * (text.len() + 1) / 256;
            text.delete(pos..pos + usize::from(b % 5));
        }
        4 => tx.put("title", i64::from(b)),
        5 => tx.map("form").map(key).put("x", i64::from(b)),
        6 => tx.map("form").map(key).text("body").insert(0, "b"),
        7 => tx.map("form").remove(key),
        8 => tx.counter("votes").add(i64::from(b) - 100),
        9 => tx.set("tags").insert(i64::from(a % 3)),
        10 => tx.set("tags").remove(i64::from(a % 3)),
        11 => tx.flag("on").enable(),
        12 => tx.flag("on").disable(),
        13 => tx.offer("choice", i64::from(b)),
        14 => tx.list("todo").insert(usize::from(a % 5), i64::from(b)),
        15 => drop(tx.list("todo").remove(usize::from(a % 5))),
        16 => drop(tx.list("todo").move_to(usize::from(a % 5), usize::from(b % 5))),
        17 => drop(tx.list("todo").put(usize::from(a % 5), i64::from(b))),
        18 => tx.list("todo").insert_map(usize::from(a % 5)).put("x", 1),
        19 => tx.list("todo").insert_text(usize::from(a % 5)).insert(0, "t"),
        20 => {
            if let Some(mut text) = tx.list("todo").text(usize::from(a % 5)) {
                text.insert(0, "more");
            }
        }
        21 => tx.map("form").list("rows").insert(usize::from(a % 3), i64::from(b)),
        22 => {
            let all = ["title", "form", "tags", "note", "todo", "votes", "open", "admins", "best", "events"];
            tx.remove(all[usize::from(b) % all.len()]);
        }
        23 => tx.dw_flag("open").enable(),
        24 => tx.dw_flag("open").disable(),
        25 => tx.rw_set("admins").insert(i64::from(a % 3)),
        26 => tx.rw_set("admins").remove(i64::from(a % 3)),
        27 => tx.max("best").set(i64::from(b)),
        _ => tx.log("events").append(i64::from(b)),
    }
}

fn edits(most: usize) -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((0..27u8, any::<u8>(), any::<u8>()), 0..most)
}

/// A flag that was lowered shows as absent, as one never raised does, and a counter back at 0 as 0.
fn shown(doc: &Doc) -> Value {
    let Value::Map(mut map) = doc.value() else { panic!("a document is a map") };
    if map.get("votes") == Some(&0i64.into()) {
        map.remove("votes");
    }
    Value::Map(map)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Alone: each undo shows the document as before the edit, each redo as after it, again and again.
    #[test]
    fn undo_and_redo_walk_through_the_past(edits in edits(24), rounds in 1..3usize) {
        let mut doc = Doc::new(id(0));
        let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
        let mut past = vec![shown(&doc)];
        for (i, (kind, a, b)) in edits.iter().enumerate() {
            let steps = undo.undo_steps(&mut doc);
            doc.transact(i as u64 * 10_000, |tx| edit(tx, *kind, *a, *b));
            if undo.undo_steps(&mut doc) > steps {
                past.push(shown(&doc));
            }
        }
        for _ in 0..rounds {
            for before in past.iter().rev().skip(1) {
                prop_assert!(undo.undo(&mut doc, 1_000_000));
                prop_assert_eq!(&shown(&doc), before);
            }
            prop_assert!(!undo.undo(&mut doc, 1_000_000));
            for after in past.iter().skip(1) {
                prop_assert!(undo.redo(&mut doc, 2_000_000));
                prop_assert_eq!(&shown(&doc), after);
            }
            prop_assert!(!undo.redo(&mut doc, 2_000_000));
        }
    }

    /// With another who edits too: what is undone converges like any edit, and the other's text stays.
    #[test]
    fn undo_beside_others_converges(steps in prop::collection::vec((0..6u8, 0..29u8, any::<u8>(), any::<u8>()), 0..40)) {
        let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
        let mut undo = UndoManager::new(&mut a, UndoOptions::default());
        for (i, (what, kind, x, y)) in steps.into_iter().enumerate() {
            let now = i as u64 * 1_000;
            match what {
                0 | 1 => a.transact(now, |tx| edit(tx, kind, x, y)),
                2 => b.transact(now, |tx| edit(tx, kind, x, y)),
                3 => drop(undo.undo(&mut a, now)),
                4 => drop(undo.redo(&mut a, now)),
                _ => sync(&mut a, &mut b),
            }
        }
        sync(&mut a, &mut b);
        prop_assert_eq!(a.value(), b.value());
        prop_assert_eq!(a.save(), b.save());
    }
}

fn sync(a: &mut Doc, b: &mut Doc) {
    a.apply(&b.delta_since(a.version())).unwrap();
    b.apply(&a.delta_since(b.version())).unwrap();
}

#[test]
fn edits_that_follow_soon_are_one_step() {
    let mut doc = Doc::new(id(0));
    let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    for (i, c) in "hello world".chars().enumerate() {
        let now = i as u64 * 100 + if i > 5 { 5_000 } else { 0 };
        doc.transact(now, |tx| tx.text("note").insert(i, &c.to_string()));
    }
    assert_eq!(undo.undo_steps(&mut doc), 2);
    undo.undo(&mut doc, 10_000);
    assert_eq!(doc.text("note").unwrap().to_string(), "hello ");
    doc.transact(10_001, |tx| tx.text("note").insert(0, "a"));
    assert_eq!(undo.redo_steps(&mut doc), 0, "a new edit forgets what was undone");
    undo.stop_capturing(&mut doc);
    doc.transact(10_002, |tx| tx.text("note").insert(0, "b"));
    assert_eq!(undo.undo_steps(&mut doc), 3);
}

#[test]
fn only_tracked_origins_are_undone() {
    let mut doc = Doc::new(id(0));
    let mut options = UndoOptions::default();
    options.tracked_origins = Some(vec!["user".into()]);
    let mut undo = UndoManager::new(&mut doc, options);
    doc.transact_as("user", 0, |tx| tx.put("a", 1));
    doc.transact_as("import", 5_000, |tx| tx.put("b", 2));
    assert!(undo.undo(&mut doc, 9_000));
    assert!(!undo.undo(&mut doc, 9_000));
    assert_eq!(doc.value().to_string(), r#"{"b":2}"#);
}

#[test]
fn subscribers_see_undo_as_undo() {
    let mut doc = Doc::new(id(0));
    let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    doc.transact(0, |tx| tx.put("a", 1));
    let (send, changes) = std::sync::mpsc::channel();
    let subscription = doc.subscribe(move |change| send.send(change.origin.clone()).unwrap());
    undo.undo(&mut doc, 0);
    doc.transact(0, |tx| tx.put("a", 2));
    drop(subscription);
    assert_eq!(changes.iter().collect::<Vec<_>>(), [Origin::Undo, Origin::Local("".into())]);
}

/// Undoing a removal brings back a nested list with its texts, and what came before can still be undone.
#[test]
fn a_removed_tree_comes_back_whole() {
    let mut doc = Doc::new(id(0));
    let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    doc.transact(0, |tx| {
        let mut board = tx.map("board");
        let mut cards = board.list("cards");
        cards.push_map().text("title").insert(0, "first");
        cards.push_map().text("title").insert(0, "second");
        cards.move_to(1, 0);
    });
    doc.transact(10_000, |tx| tx.list("x").push(1));
    let before = doc.value();
    doc.transact(20_000, |tx| tx.remove("board"));
    assert_eq!(doc.value().to_string(), r#"{"x":[1]}"#);
    undo.undo(&mut doc, 30_000);
    assert_eq!(doc.value(), before);
    undo.undo(&mut doc, 40_000);
    undo.undo(&mut doc, 50_000);
    assert_eq!(doc.value().to_string(), "{}");
    (0..3).for_each(|_| assert!(undo.redo(&mut doc, 60_000)));
    assert_eq!(doc.value().to_string(), r#"{"x":[1]}"#);
}
