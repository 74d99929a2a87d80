//! Replicas that forget at different cuts, and one that never does, stay one document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::doc::{Rescued, RescuedEdit, UndoManager, UndoOptions};
use crdt::matrix::MatrixClock;
use crdt::text::Side;
use crdt::tree::Position;
use crdt::{ApplyError, Delta, Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

/// Texts, deep and flat; lists, trees, maps, sets, counters, registers, flags.
fn edit(doc: &mut Doc, now: u64, kind: u8, a: u8, b: u8) {
    let [a, b] = [usize::from(a), usize::from(b)];
    doc.transact(now, |tx| match kind % 20 {
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
        15 if a % 2 == 0 => tx.offer("offer", b as i64),
        16 if a % 2 == 0 => tx.max("best").set(b as i64),
        16 => tx.log("events").append(b as i64),
        17 if a % 2 == 0 => tx.dw_flag("open").enable(),
        17 => tx.dw_flag("open").disable(),
        18 if a % 2 == 0 => tx.rw_set("admins").insert(b as i64 % 4),
        18 => tx.rw_set("admins").remove(b as i64 % 4),
        19 => tx.remove(["best", "events", "open", "admins"][b % 4]),
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
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

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

/// All text that one shows and another has not heard of.
fn unheard(late: &Doc, others: &Doc) -> Vec<char> {
    let note = late.text("note").map(|text| text.to_string().chars().zip(text.dots()).collect::<Vec<_>>());
    let new = note.into_iter().flatten().filter(|(_, dot)| !others.version().contains(*dot));
    new.map(|(c, _)| c).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// One is away for so long that it is not waited for. It is refused and refuses, both without harm; all that it
    /// typed is in the rescue; nothing that others deleted comes back; in the end all agree.
    #[test]
    fn who_was_away_is_rescued(
        before in prop::collection::vec(any::<[u8; 3]>(), 0..20),
        away in prop::collection::vec(any::<[u8; 3]>(), 0..12),
        meanwhile in prop::collection::vec((0..2usize, any::<[u8; 3]>()), 1..20),
        approve: u8,
    ) {
        let [mut a, mut b, mut late] = [0, 1, 2].map(|n| Doc::new(id(n)));
        let mut now = 0;
        let mut step = |doc: &mut Doc, [kind, x, y]: [u8; 3]| {
            now += 1;
            edit(doc, now, kind, x, y);
        };
        for (n, what) in before.into_iter().enumerate() {
            step(if n % 2 == 0 { &mut a } else { &mut late }, what);
            send(&a, &mut late).unwrap();
            send(&late, &mut a).unwrap();
        }
        away.into_iter().for_each(|what| step(&mut late, what));
        for (who, what) in meanwhile {
            step([&mut a, &mut b][who], what);
            send(&a, &mut b).unwrap();
            send(&b, &mut a).unwrap();
        }
        a.forget(&b.version().clone());
        let (saved, mine) = (a.save(), late.save());
        let unheard = unheard(&late, &a);
        if late.version().covers(a.forgotten()) || a.version().covers(late.version()) {
            prop_assert!(send(&a, &mut late).is_ok());
            return Ok(());
        }
        prop_assert_eq!(send(&late, &mut a), Err(ApplyError::Late));
        prop_assert_eq!(send(&a, &mut late), Err(ApplyError::Behind));
        prop_assert_eq!((a.save(), late.save()), (saved, mine));

        let mut fresh = Doc::new(id(5));
        send(&a, &mut fresh).unwrap();
        let rescue = late.rescue(fresh);
        let typed = |edit: &RescuedEdit| match (edit.path(), edit.what()) {
            ("/note", Rescued::Inserted(text)) => text.clone(),
            _ => String::new(),
        };
        let typed: String = rescue.edits().iter().rev().map(typed).collect();
        prop_assert_eq!(typed.chars().collect::<Vec<_>>(), unheard.clone());
        prop_assert!(rescue.edits().iter().all(|edit| !edit.to_string().is_empty()));

        // Without approval nothing happens.
        let (none, left) = rescue.clone().apply(99, |_| false);
        prop_assert_eq!((none.value(), left.len()), (a.value(), rescue.edits().len()));
        // Some, and all.
        let (some, left) = rescue.clone().apply(99, |edit| edit.to_string().len() % 2 == usize::from(approve % 2));
        prop_assert!(left.len() <= rescue.edits().len());
        let (all, left) = rescue.apply(99, |_| true);
        prop_assert!(left.iter().all(|edit| !edit.has_place()));
        // Of the characters, only new ones have come.
        let shown = |doc: &Doc| doc.text("note").map(|text| text.dots().collect::<Vec<_>>()).unwrap_or_default();
        let old = shown(&a);
        prop_assert!(shown(&all).iter().all(|dot| dot.replica == id(5) || old.contains(dot)));
        prop_assert_eq!(shown(&all).iter().filter(|dot| dot.replica == id(5)).count(), unheard.len());
        for mut rescued in [some, all] {
            let (mut a, mut b) = (a.clone(), b.clone());
            send(&rescued, &mut a).unwrap();
            send(&rescued, &mut b).unwrap();
            prop_assert_eq!(a.value(), rescued.value());
            prop_assert_eq!(b.value(), rescued.value());
            edit(&mut a, 100, 0, 1, 1);
            send(&a, &mut rescued).unwrap();
            prop_assert_eq!(a.value(), rescued.value());
        }
    }
}

/// Everything that a document holds is rescued as what it was.
#[test]
fn each_kind_of_edit_is_rescued() {
    let [mut a, mut late] = [0, 1].map(|n| Doc::new(id(n)));
    let nodes = a.transact(1, |tx| {
        tx.text("note").insert(0, "one two three");
        tx.put("title", "draft");
        tx.put("gone", 1);
        tx.counter("votes").add(5);
        tx.set("tags").insert("old");
        tx.flag("on").enable();
        tx.max("best").set(5);
        tx.min("least").set(5);
        tx.dw_flag("open").enable();
        ["old", "gone", "kept"].iter().for_each(|member| tx.rw_set("admins").insert(*member));
        tx.log("events").append("first");
        tx.log("away").append("first");
        ["a", "b", "c"].iter().for_each(|item| tx.list("todo").push(*item));
        tx.list("todo").push_map().text("what").insert(0, "deep");
        let mut tree = tx.tree("tree");
        ["x", "y", "z"].map(|name| {
            let node = tree.create(None, Position::Last);
            tree.data(node).unwrap().put("name", name);
            node
        })
    });
    send(&a, &mut late).unwrap();
    late.transact(2, |tx| {
        tx.text("note").replace(4..7, "2");
        tx.put("title", "final");
        tx.remove("gone");
        tx.counter("votes").add(-2);
        tx.set("tags").remove("old");
        tx.set("tags").insert("new");
        tx.max("best").set(7);
        tx.min("least").set(3);
        tx.dw_flag("open").disable();
        tx.rw_set("admins").remove("old");
        tx.rw_set("admins").insert("new");
        tx.log("events").append("second");
        tx.remove("away");
        tx.list("todo").move_to(2, 0); // c a b deep
        tx.list("todo").remove(1); // c b deep
        tx.list("todo").insert(1, "d"); // c d b deep
        tx.list("todo").map(3).unwrap().text("what").insert(4, "er");
        let mut tree = tx.tree("tree");
        tree.move_to(nodes[2], Some(nodes[0]), Position::First);
        tree.remove(nodes[1]);
        let new = tree.create(Some(nodes[2]), Position::First);
        tree.data(new).unwrap().put("name", "new");
    });
    a.transact(3, |tx| tx.text("other").insert(0, "meanwhile"));
    a.forget(&a.version().clone());
    let mut fresh = Doc::new(id(2));
    send(&a, &mut fresh).unwrap();
    let rescue = late.rescue(fresh);
    let said: Vec<String> = rescue.edits().iter().map(ToString::to_string).collect();
    for what in [
        "/note: insert \"2\"",
        "/note: delete \"two\"",
        "/title: put \"final\" for \"draft\"",
        "/gone: remove 1",
        "/votes: count -2",
        "/tags: add \"new\"",
        "/tags: take out \"old\"",
        "/best: put 7 for 5",
        "/least: put 3 for 5",
        "/open: lower",
        "/admins: take out \"old\"",
        "/admins: add \"new\"",
        "/events: append \"second\"",
        "/away: remove [\"first\"]",
        "/todo: move \"c\"",
        "/todo: drop \"a\"",
        "/todo: make \"d\"",
    ] {
        assert!(said.iter().any(|said| said == what), "{what}: {said:?}");
    }
    let (doc, left) = rescue.apply(4, |_| true);
    assert!(left.is_empty(), "{left:?}");
    let mut now = doc.fork(id(3));
    now.transact(5, |tx| tx.remove("other"));
    for path in [
        "/note",
        "/title",
        "/gone",
        "/votes",
        "/tags",
        "/on",
        "/best",
        "/least",
        "/open",
        "/admins",
        "/events",
        "/away",
        "/todo",
        "/tree/0/data",
        "/tree/1/data",
        "/tree/2/data",
    ] {
        let read = |value: &Doc| value.get(path);
        assert_eq!(read(&now), read(&late), "{path}");
    }
}

/// What was removed and written anew is so afterwards: the old is not mixed in.
#[test]
fn what_began_anew_is_rescued_so() {
    let [mut a, mut late] = [0, 1].map(|n| Doc::new(id(n)));
    a.transact(1, |tx| {
        tx.max("best").set(7);
        tx.min("least").set(1);
        tx.log("events").append("old");
        tx.rw_set("admins").insert("old");
    });
    send(&a, &mut late).unwrap();
    late.transact(2, |tx| {
        ["best", "least", "events", "admins"].iter().for_each(|key| tx.remove(key));
        tx.max("best").set(3);
        tx.min("least").set(5);
        tx.log("events").append("new");
        tx.rw_set("admins").insert("new");
    });
    a.transact(3, |tx| tx.text("other").insert(0, "meanwhile"));
    a.forget(&a.version().clone());
    let mut fresh = Doc::new(id(2));
    send(&a, &mut fresh).unwrap();
    let rescue = late.rescue(fresh);
    let said: Vec<String> = rescue.edits().iter().map(ToString::to_string).collect();
    let all = [
        "/admins: add \"new\"",
        "/best: remove 7",
        "/best: put 3",
        "/events: remove [\"old\"]",
        "/events: append \"new\"",
        "/least: remove 1",
        "/least: put 5",
        "/admins: take out \"old\"",
    ];
    assert_eq!(said, all);
    let (doc, left) = rescue.apply(4, |_| true);
    assert!(left.is_empty());
    assert_eq!(
        doc.to_string(),
        r#"{"admins":["new"],"best":3,"events":["new"],"least":5,"other":"meanwhile"}"#
    );
}

/// What was typed where others have deleted the place is shown, and not made anew.
#[test]
fn an_edit_without_a_place_is_kept_for_review() {
    let [mut a, mut late] = [0, 1].map(|n| Doc::new(id(n)));
    a.transact(1, |tx| tx.list("todo").push_map().text("what").insert(0, "milk"));
    send(&a, &mut late).unwrap();
    late.transact(2, |tx| tx.list("todo").map(0).unwrap().text("what").insert(4, " and bread"));
    a.transact(3, |tx| tx.list("todo").remove(0));
    a.forget(&a.version().clone());
    let mut fresh = Doc::new(id(2));
    send(&a, &mut fresh).unwrap();
    let rescue = late.rescue(fresh);
    assert_eq!(rescue.edits()[0].what(), &Rescued::Inserted(" and bread".into()));
    assert_eq!(rescue.edits()[0].to_string(), "/todo/0/what: insert \" and bread\" (its place is gone)");
    let (doc, left) = rescue.apply(4, |_| true);
    assert_eq!((doc.value(), left.len()), (a.value(), 1));
}

/// Cursors beside forgotten characters, and undo of what is forgotten, find their places.
#[test]
fn cursors_and_undo_outlive_what_is_forgotten() {
    let [mut a, mut b] = [0, 1].map(|n| Doc::new(id(n)));
    let mut undo = UndoManager::new(&mut a, UndoOptions::default());
    a.transact(1_000, |tx| tx.text("note").insert(0, "one two three"));
    undo.stop_capturing(&mut a);
    let cursor = a.cursor("/note", 5, Side::Before).unwrap(); // before the w
    a.transact(2_000, |tx| tx.text("note").delete(3..8));
    send(&a, &mut b).unwrap();
    a.forget(&b.version().clone());
    assert_eq!(a.position(&cursor), Some(("/note".into(), 3)));
    b.transact(3_000, |tx| tx.text("note").insert(0, "> "));
    send(&b, &mut a).unwrap();
    assert_eq!(a.position(&cursor), Some(("/note".into(), 5)));
    assert!(undo.undo(&mut a, 4_000));
    assert_eq!(a.text("note").unwrap().to_string(), "> one two three");
    send(&a, &mut b).unwrap();
    assert_eq!(b.value(), a.value());
    assert_eq!(a.text("note").unwrap().at(b.version()), None);
    let copy = Doc::load(&a.save(), id(5)).unwrap();
    assert_eq!(copy.position(&cursor), a.position(&cursor));
}

/// A part of a version that lacks what some of it builds on is not forgotten.
#[test]
fn only_what_stands_alone_is_forgotten() {
    let [mut a, mut b] = [0, 1].map(|n| Doc::new(id(n)));
    a.transact(1, |tx| tx.put("x", 1));
    send(&a, &mut b).unwrap();
    b.transact(2, |tx| tx.put("x", 2));
    b.forget(&[(id(1), 1)].into_iter().collect());
    assert!(b.forgotten().is_empty());
    b.forget(&[(id(0), 9), (id(7), 9)].into_iter().collect());
    assert_eq!(b.forgotten(), a.version());
}

/// Those who write between two forgotten characters at once come into one order, whether they have forgotten or not, and
/// it is the order that they would have without: at every place of a text that was written in every way.
#[test]
fn between_forgotten_neighbours_all_come_into_one_order() {
    let text = |doc: &Doc| doc.text("t").unwrap().to_string();
    let insert = |doc: &mut Doc, at: usize, what: &str| {
        doc.transact(0, |tx| tx.text("t").insert(at, what));
    };
    let mut start: Vec<Doc> = (0..3).map(|n| Doc::new(id(n))).collect();
    // Written at once at one place, in front of something, one after another, and beside what goes.
    insert(&mut start[0], 0, "mn");
    let first = start[0].clone();
    start[1..].iter_mut().for_each(|doc| send(&first, doc).unwrap());
    for (n, what) in ["abc", "d", "ef"].iter().enumerate() {
        insert(&mut start[n], 1, what);
        insert(&mut start[n], 0, &what.to_uppercase());
    }
    start[2].transact(0, |tx| tx.text("t").delete(1..2));
    for (from, to) in [(0, 1), (1, 2), (2, 1), (1, 0), (2, 0), (0, 2)] {
        let from = start[from].clone();
        send(&from, &mut start[to]).unwrap();
    }
    let length = text(&start[0]).chars().count();
    for (who, at) in (0..3).flat_map(|who| (0..=length).map(move |at| (who, at))) {
        let play = |forget: &[usize]| {
            let mut docs = start.clone();
            for n in forget {
                let all = docs[*n].version().clone();
                docs[*n].forget(&all);
            }
            // One writes twice, so that the second stands beside the first, and one backwards.
            insert(&mut docs[who], at, "1");
            insert(&mut docs[who], at + 1, "2");
            insert(&mut docs[(who + 1) % 3], at, "4");
            insert(&mut docs[(who + 1) % 3], at, "3");
            insert(&mut docs[(who + 2) % 3], at, "5");
            for (from, to) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
                let from = docs[from].clone();
                send(&from, &mut docs[to]).unwrap();
            }
            let all: Vec<String> = docs.iter().map(text).collect();
            assert!(all.iter().all(|other| *other == all[0]), "{all:?}, {who} at {at}, {forget:?} forgot");
            all[0].clone()
        };
        let never = play(&[]);
        [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]].iter().for_each(|f| assert_eq!(play(f), never));
    }
}
