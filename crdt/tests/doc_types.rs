//! What each type of a document that holds plain values does when two write at once, when its key is removed, when it is
//! undone; by a file, and in the past.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::doc::{Tx, UndoManager, UndoOptions};
use crdt::{Doc, ReplicaId, Replicated};

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n + 1)
}

/// Two with the same beginning.
fn two(begin: impl FnOnce(&mut Tx<'_>)) -> [Doc; 2] {
    let [mut a, mut b] = [0, 1].map(|n| Doc::new(id(n)));
    a.transact(1_000, begin);
    b.apply(&a.delta_since(b.version())).unwrap();
    [a, b]
}

/// What both show when each has heard the other, as JSON; the same after a file.
fn met(a: &mut Doc, b: &mut Doc) -> String {
    a.apply(&b.delta_since(a.version())).unwrap();
    b.apply(&a.delta_since(b.version())).unwrap();
    assert_eq!(a.save(), b.save());
    for doc in [&*a, &*b] {
        let copy = Doc::load(&doc.save(), id(9)).unwrap();
        assert_eq!((copy.value(), copy.save(), copy.conflicts()), (doc.value(), doc.save(), doc.conflicts()));
    }
    a.to_string()
}

/// What is shown when both edit the same beginning at once.
fn at_once(begin: fn(&mut Tx<'_>), first: fn(&mut Tx<'_>), second: fn(&mut Tx<'_>)) -> String {
    let show = |edits: [fn(&mut Tx<'_>); 2]| {
        let [mut a, mut b] = two(begin);
        a.transact(2_000, edits[0]);
        b.transact(2_000, edits[1]);
        met(&mut a, &mut b)
    };
    let shown = show([first, second]);
    assert_eq!(show([second, first]), shown, "whoever is first");
    shown
}

#[test]
fn the_greatest_and_the_least_of_all_that_was_set() {
    let both = |n: i64| move |tx: &mut Tx<'_>| ["max", "min"].iter().for_each(|key| set(tx, key, n));
    fn set(tx: &mut Tx<'_>, key: &str, n: i64) {
        if key == "max" { tx.max(key).set(n) } else { tx.map("m").min(key).set(n) }
    }
    let [mut a, mut b] = two(both(5));
    a.transact(2_000, both(7));
    b.transact(3_000, both(3));
    assert_eq!(met(&mut a, &mut b), r#"{"m":{"min":3},"max":7}"#);
    assert!(a.conflicts().is_empty());
    let seen = a.version().clone();
    a.transact(4_000, both(5)); // as good ones are here
    assert_eq!(a.version(), &seen);
    assert_eq!(at_once(|tx| tx.max("m").set(5), |tx| tx.max("m").set(7), |tx| tx.remove("m")), r#"{"m":7}"#);
    assert_eq!(at_once(|tx| tx.max("m").set(5), |tx| tx.max("m").set(4), |tx| tx.remove("m")), "{}");
}

#[test]
fn a_flag_goes_down_for_sure() {
    let up = |tx: &mut Tx<'_>| tx.dw_flag("f").enable();
    let down = |tx: &mut Tx<'_>| tx.dw_flag("f").disable();
    assert_eq!(at_once(|_| (), up, up), r#"{"f":true}"#);
    assert_eq!(at_once(up, up, down), "{}");
    assert_eq!(at_once(up, down, down), "{}");
    assert_eq!(at_once(up, up, |tx| tx.remove("f")), r#"{"f":true}"#);
    // Who removes the key ends the lowering that was seen, too.
    let lowered = |tx: &mut Tx<'_>| {
        tx.dw_flag("f").enable();
        tx.dw_flag("f").disable();
    };
    assert_eq!(at_once(lowered, up, |tx| tx.remove("f")), r#"{"f":true}"#);
}

#[test]
fn a_member_goes_for_sure() {
    let add = |tx: &mut Tx<'_>| tx.rw_set("s").insert("x");
    let take = |tx: &mut Tx<'_>| tx.rw_set("s").remove("x");
    assert_eq!(at_once(|_| (), add, add), r#"{"s":["x"]}"#);
    assert_eq!(at_once(add, add, take), "{}");
    assert_eq!(at_once(add, take, take), "{}");
    assert_eq!(at_once(add, add, |tx| tx.remove("s")), r#"{"s":["x"]}"#);
    assert_eq!(at_once(add, take, |tx| tx.rw_set("s").insert("y")), r#"{"s":["y"]}"#);
    // Once seen to be out, it can come back.
    let [mut a, mut b] = two(add);
    a.transact(2_000, take);
    b.transact(2_000, add);
    assert_eq!(met(&mut a, &mut b), "{}");
    b.transact(3_000, add);
    assert_eq!(met(&mut a, &mut b), r#"{"s":["x"]}"#);
}

#[test]
fn entries_stand_in_the_order_of_their_times() {
    let append = |entry: &'static str| move |tx: &mut Tx<'_>| tx.log("l").append(entry);
    let [mut a, mut b] = two(append("first"));
    a.transact(3_000, append("a at 3"));
    b.transact(2_000, append("b at 2"));
    a.transact(5_000, append("a at 5"));
    b.transact(4_000, append("b at 4"));
    let all = r#"{"l":["first","b at 2","a at 3","b at 4","a at 5"]}"#;
    assert_eq!(met(&mut a, &mut b), all);
    b.transact(0, append("after all that was seen"));
    assert!(met(&mut a, &mut b).ends_with(r#""after all that was seen"]}"#));
    let log = b.log("l").unwrap();
    let times: Vec<_> = log.stamped().map(|(at, dot, _)| (at.millis(), dot.replica)).collect();
    let [a, b] = [0, 1].map(id);
    assert_eq!(times, [(1_000, a), (2_000, b), (3_000, a), (4_000, b), (5_000, a), (5_000, b)]);
    let cleared = at_once(|tx| tx.log("l").append(1), |tx| tx.log("l").append(2), |tx| tx.remove("l"));
    assert_eq!(cleared, r#"{"l":[2]}"#);
}

/// One name with every type: the first that shows something is shown, and each is there when those before it are gone.
#[test]
fn types_at_one_name_are_shown_in_order() {
    let mut all: Vec<Doc> = (0..6).map(|n| Doc::new(id(n))).collect();
    let edits: [fn(&mut Tx<'_>); 6] = [
        |tx| tx.put("x", "register"),
        |tx| tx.max("x").set(1),
        |tx| tx.min("x").set(2),
        |tx| tx.dw_flag("x").enable(),
        |tx| tx.rw_set("x").insert("set"),
        |tx| tx.log("x").append("log"),
    ];
    all.iter_mut().zip(edits).for_each(|(doc, edit)| doc.transact(0, edit));
    let shown: Vec<String> = all.iter().map(|doc| doc.get("/x").unwrap().to_string()).collect();
    for n in 0..all.len() {
        let mut doc = Doc::new(id(9));
        all[n..].iter().for_each(|other| drop(doc.apply(&other.delta_since(doc.version())).unwrap()));
        assert_eq!(doc.get("/x").unwrap().to_string(), shown[n]);
        assert_eq!(doc.log("x").is_some(), n == 5, "only what is shown is read");
        doc.transact(1, |tx| tx.remove("x"));
        assert_eq!(doc.to_string(), "{}");
    }
}

fn everything(tx: &mut Tx<'_>) {
    tx.max("best").set(7);
    tx.min("least").set(-7);
    tx.dw_flag("open").enable();
    tx.rw_set("admins").insert("ada");
    tx.log("events").append("x");
    tx.map("room").log("chat").append("y");
}

/// What was set and appended stays; all else goes and comes. A removal of the keys is undone, too.
#[test]
fn undo() {
    let mut doc = Doc::new(id(0));
    let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    doc.transact(1_000, everything);
    let full = doc.to_string();
    assert!(undo.undo(&mut doc, 2_000));
    let stays = r#"{"best":7,"events":["x"],"least":-7,"room":{"chat":["y"]}}"#;
    assert_eq!(doc.to_string(), stays);
    assert!(undo.redo(&mut doc, 3_000));
    assert_eq!(doc.to_string(), full);
    doc.transact(4_000, |tx| {
        tx.max("best").set(8);
        tx.log("events").append("z");
    });
    assert_eq!(undo.undo_steps(&mut doc), 1, "there is nothing to undo");

    let full = doc.to_string();
    let stamps =
        |doc: &Doc| doc.log("events").unwrap().stamped().map(|(at, ..)| at.millis()).collect::<Vec<_>>();
    doc.transact(9_000, |tx| {
        ["best", "least", "open", "admins", "events", "room"].iter().for_each(|key| tx.remove(key))
    });
    for now in [10_000, 20_000] {
        assert_eq!(doc.to_string(), "{}");
        assert!(undo.undo(&mut doc, now));
        assert_eq!((doc.to_string(), stamps(&doc)), (full.clone(), vec![1_000, 4_000]));
        assert!(undo.redo(&mut doc, now));
    }
}

/// Who undoes that he took out or lowered does not undo that another did, too.
#[test]
fn an_undo_leaves_what_another_removed_too() {
    let [mut a, mut b] = two(|tx| {
        tx.dw_flag("open").enable();
        ["x", "y"].iter().for_each(|member| tx.rw_set("admins").insert(*member));
    });
    let mut undo = UndoManager::new(&mut a, UndoOptions::default());
    a.transact(2_000, |tx| {
        tx.dw_flag("open").disable();
        ["x", "y"].iter().for_each(|member| tx.rw_set("admins").remove(*member));
    });
    b.transact(2_000, |tx| {
        tx.dw_flag("open").disable();
        tx.rw_set("admins").remove("x");
    });
    assert_eq!(met(&mut a, &mut b), "{}");
    assert!(undo.undo(&mut a, 3_000));
    assert_eq!(met(&mut a, &mut b), r#"{"admins":["y"]}"#);
}

#[test]
fn the_past_and_the_way_from_there() {
    let mut doc = Doc::new(id(0));
    doc.keep_history();
    doc.transact(1_000, everything);
    let then = (doc.version().clone(), doc.to_string());
    doc.transact(2_000, |tx| {
        tx.max("best").set(8);
        tx.min("least").set(0); // not less: nothing to tell
        tx.dw_flag("open").disable();
        tx.rw_set("admins").remove("ada");
        tx.log("events").append("later");
    });
    assert_eq!(doc.at(&then.0).unwrap().to_string(), then.1);
    let told: Vec<String> =
        doc.diff(&then.0, doc.version()).unwrap().iter().map(|p| p.path().to_owned()).collect();
    assert_eq!(told, ["/events", "/admins", "/best", "/open"]);
}

/// What costs bytes: an entry of a long log and a member of a large set go as themselves.
#[test]
fn one_edit_of_much_costs_little() {
    let [mut a, mut b] = two(|tx| {
        (0..1_000).for_each(|n| tx.log("events").append(n));
        (0..1_000).for_each(|n| tx.rw_set("admins").insert(n));
    });
    for edit in
        [|tx: &mut Tx<'_>| tx.log("events").append(1), |tx: &mut Tx<'_>| tx.rw_set("admins").remove(500)]
    {
        a.transact(2_000, edit);
        let delta = a.delta_since(b.version());
        assert!(delta.to_bytes().len() < 70, "{}", delta.to_bytes().len());
        b.apply(&delta).unwrap();
    }
    assert_eq!(a.save(), b.save());
}
