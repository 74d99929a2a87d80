//! The conflict feed: whoever merges in whichever order is told the same, and the winner is what is shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::BTreeSet;
use std::sync::mpsc;

use crdt::doc::{Conflict, Rule, Scalar, Tx, Value};
use crdt::tree::{NodeId, Position};
use crdt::{Doc, ReplicaId, Replicated};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

/// What a document tells while it takes in what another has.
fn merge(to: &mut Doc, from: &Doc) -> Vec<Conflict> {
    let (sender, heard) = mpsc::channel();
    let subscription = to.subscribe(move |change| sender.send(change.conflicts.clone()).unwrap());
    to.apply(&from.delta_since(to.version())).unwrap();
    drop(subscription);
    heard.try_iter().flatten().collect()
}

/// Merges what two made concurrently of one document in every order: both ways, and into a third that has neither.
/// All are told the same, and keep it.
fn met(a: &Doc, b: &Doc, before: &Doc) -> Vec<Conflict> {
    let (mut ab, mut ba, mut both) = (a.clone(), b.clone(), before.clone());
    let told = merge(&mut ab, b);
    assert_eq!(merge(&mut ba, a), told);
    both.set_author(id(7));
    merge(&mut both, a);
    assert_eq!(merge(&mut both, b), told, "one after the other");
    let mut fourth = before.clone();
    fourth.set_author(id(8));
    assert_eq!(merge(&mut fourth, &ab), told, "both in one delta");
    for doc in [&ab, &ba, &both, &fourth, &Doc::load(&ab.save(), id(9)).unwrap()] {
        assert_eq!(doc.conflicts(), told);
        assert_eq!(doc.value(), ab.value());
    }
    told
}

/// Two documents that begin with the same.
fn two(begin: impl FnOnce(&mut Tx<'_>)) -> (Doc, Doc, Doc) {
    let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
    a.transact(1_000, begin);
    b.apply(&a.delta_since(b.version())).unwrap();
    let before = b.clone();
    (a, b, before)
}

fn said(conflicts: &[Conflict]) -> Vec<String> {
    conflicts.iter().map(ToString::to_string).collect()
}

fn name(node: NodeId) -> Scalar {
    Scalar::from(format!("{}-{}", node.replica, node.seq))
}

#[test]
fn two_moves_of_one_node() {
    let mut nodes = Vec::new();
    let (mut a, mut b, before) = two(|tx| {
        let mut tree = tx.tree("t");
        nodes.extend((0..3).map(|_| tree.create(None, Position::Last)));
    });
    let [x, y, z] = nodes[..] else { panic!() };
    a.transact(3_000, |tx| tx.tree("t").move_to(x, Some(y), Position::Last));
    b.transact(2_000, |tx| tx.tree("t").move_to(x, Some(z), Position::Last));
    let told = met(&a, &b, &before);
    let [conflict] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((conflict.rule, conflict.item, conflict.path.as_str()), (Rule::Later, Some(x), "/t"));
    assert_eq!((&conflict.winner.value, conflict.winner.author), (&name(y), id(0)));
    assert_eq!((&conflict.losers[0].value, conflict.losers[0].author), (&name(z), id(1)));
    a.apply(&b.delta_since(a.version())).unwrap();
    a.transact(4_000, |tx| tx.tree("t").move_to(x, None, Position::Last));
    assert!(a.conflicts().is_empty(), "the next move settles it");
    // Moved by one, removed by another.
    let before = a.clone();
    b.apply(&a.delta_since(b.version())).unwrap();
    a.transact(5_000, |tx| tx.tree("t").move_to(x, Some(z), Position::Last));
    b.transact(5_000, |tx| tx.tree("t").remove(x));
    let told = met(&a, &b, &before);
    assert!(told[0].is_tie() && told[0].winner.value == Scalar::Null && told[0].winner.author == id(1));
}

#[test]
fn a_move_that_would_close_a_circle() {
    let mut nodes = Vec::new();
    let (mut a, mut b, before) = two(|tx| {
        let mut tree = tx.tree("t");
        nodes.extend((0..2).map(|_| tree.create(None, Position::Last)));
    });
    let [x, y] = nodes[..] else { panic!() };
    a.transact(2_000, |tx| tx.tree("t").move_to(x, Some(y), Position::Last));
    b.transact(3_000, |tx| tx.tree("t").move_to(y, Some(x), Position::Last));
    let told = met(&a, &b, &before);
    let [conflict] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((conflict.rule, conflict.item), (Rule::Circle, Some(y)));
    assert_eq!((&conflict.winner.value, conflict.winner.author), (&"top".into(), id(0)));
    assert_eq!((&conflict.losers[0].value, conflict.losers[0].author), (&name(x), id(1)));
    assert!(conflict.to_string().ends_with("(it would close a circle)"), "{conflict}");
}

#[test]
fn two_moves_of_one_element() {
    let (mut a, mut b, before) = two(|tx| (0..4).for_each(|n| tx.list("l").push(n)));
    a.transact(2_000, |tx| tx.list("l").move_to(0, 4));
    b.transact(3_000, |tx| tx.list("l").move_to(0, 2));
    let told = met(&a, &b, &before);
    let [conflict] = told.as_slice() else { panic!("{told:?}") };
    a.apply(&b.delta_since(a.version())).unwrap();
    let at = conflict.winner.value.to_string();
    assert_eq!(a.get(&format!("/l/{at}")), Some(0.into()), "{:?}", a.value());
    assert_eq!(
        (conflict.rule, conflict.winner.author, conflict.losers[0].author),
        (Rule::Later, id(1), id(0))
    );
    assert!(conflict.item.is_some() && conflict.path == "/l");
    a.transact(4_000, |tx| tx.list("l").move_to(0, 4));
    b.apply(&a.delta_since(b.version())).unwrap();
    assert!(b.conflicts().is_empty() || b.conflicts() == a.conflicts());
}

#[test]
fn an_edit_stays_beside_a_removal() {
    let (mut a, mut b, before) = two(|tx| {
        tx.flag("done").enable();
        tx.set("tags").insert("x");
        tx.set("tags").insert("y");
        tx.put("title", "old");
        tx.map("form").put("name", "Ada");
        tx.counter("votes").add(1);
    });
    a.transact(2_000, |tx| {
        tx.flag("done").enable();
        tx.set("tags").insert("x");
        tx.put("title", "new");
        tx.map("form").put("name", "Eve");
        tx.counter("votes").add(1);
    });
    b.transact(3_000, |tx| {
        tx.flag("done").disable();
        tx.set("tags").remove("x");
        tx.set("tags").remove("y"); // nobody adds it
        tx.remove("title");
        tx.remove("form");
        tx.remove("votes");
    });
    let told = met(&a, &b, &before);
    assert!(told.iter().all(|conflict| conflict.rule == Rule::EditStays && conflict.winner.author == id(0)));
    assert_eq!(
        said(&told),
        [
            "/done: true of 00000001 beats false of 00000002 (an edit stays)",
            r#"/form/name: "Eve" of 00000001 beats null of 00000002 (an edit stays)"#,
            r#"/tags: "x" of 00000001 beats null of 00000002 (an edit stays)"#,
            r#"/title: "new" of 00000001 beats null of 00000002 (an edit stays)"#,
            "/votes: 2 of 00000001 beats null of 00000002 (an edit stays)",
        ]
    );
    a.apply(&b.delta_since(a.version())).unwrap();
    b.apply(&a.delta_since(b.version())).unwrap();
    b.transact(4_000, |tx| {
        tx.flag("done").disable();
        tx.remove("form");
        tx.set("tags").insert("x");
        tx.put("title", "settled");
    });
    a.transact(4_000, |tx| tx.counter("votes").add(1)); // whose total it was
    merge(&mut b, &a);
    assert_eq!(said(&merge(&mut a, &b)), [""; 0], "each is settled by the next edit");
    assert_eq!((said(&a.conflicts()), said(&b.conflicts())), (vec![], vec![]));
}

/// A card was removed while somebody wrote on it: the writing went with it, and nobody was told.
#[test]
fn what_is_written_in_a_node_that_another_removes() {
    let mut nodes = Vec::new();
    let (mut a, mut b, before) = two(|tx| {
        let mut tree = tx.tree("t");
        let card = tree.create(None, Position::Last);
        let below = tree.create(Some(card), Position::Last);
        nodes.extend([card, below, tree.create(None, Position::Last)]);
        tree.data(card).unwrap().put("title", "old");
        tree.data(below).unwrap().text("note").insert(0, "note");
    });
    let [card, below, other] = nodes[..] else { panic!() };
    let mut new = None;
    a.transact(2_000, |tx| {
        let mut tree = tx.tree("t");
        tree.data(card).unwrap().put("title", "new");
        tree.data(below).unwrap().counter("votes").add(1);
        tree.data(below).unwrap().counter("votes").add(2);
        tree.data(other).unwrap().put("title", "stays");
        new = Some(tree.create(Some(below), Position::Last));
        tree.data(below).unwrap().text("note").insert(4, "s");
    });
    b.transact(1_000, |tx| {
        tx.tree("t").data(card).unwrap().put("title", "seen"); // by who removes it
        tx.tree("t").remove(card)
    });
    let told = met(&a, &b, &before);
    let mine: Vec<&Conflict> = told.iter().filter(|conflict| conflict.rule == Rule::RemovalWins).collect();
    let [conflict] = mine[..] else { panic!("{told:?}") };
    assert_eq!((conflict.item, conflict.path.as_str()), (Some(card), "/t"));
    assert_eq!((&conflict.winner.value, conflict.winner.author), (&Scalar::Null, id(1)));
    let values: Vec<&Scalar> = conflict.losers.iter().map(|loser| &loser.value).collect();
    assert_eq!(values, [&"notes".into(), &name(new.unwrap()), &3.into(), &"new".into()]);
    assert!(conflict.losers.iter().all(|loser| loser.author == id(0)));
    assert!(conflict.to_string().contains("removed: null of 00000002 beats"), "{conflict}");

    // Brought back by either it is settled; removed again by one who has seen all, too.
    a.apply(&b.delta_since(a.version())).unwrap();
    b.apply(&a.delta_since(b.version())).unwrap();
    let [mut back, mut gone] = [a.clone(), b.clone()];
    back.transact(4_000, |tx| tx.tree("t").move_to(card, None, Position::Last));
    let [title] = &back.conflicts()[..] else { panic!("{:?}", back.conflicts()) };
    assert_eq!(title.rule, Rule::Later, "both wrote the title, which is shown again");
    gone.transact(4_000, |tx| tx.tree("t").purge());
    assert_eq!(said(&gone.conflicts()), [""; 0]);
    back.transact(5_000, |tx| tx.tree("t").remove(card));
    assert_eq!(said(&merge(&mut b, &back)), [""; 0]);
    assert_eq!(said(&b.conflicts()), [""; 0]);
}

/// Where removing wins, who lost is told, until the next of the same: also of a removal, though nothing is seen to change.
#[test]
fn a_removal_wins_where_it_is_to() {
    let (mut a, mut b, before) = two(|tx| {
        tx.dw_flag("open").enable();
        ["x", "y", "z"].iter().for_each(|member| tx.rw_set("admins").insert(*member));
    });
    a.transact(2_000, |tx| {
        tx.dw_flag("open").enable();
        tx.rw_set("admins").insert("x");
        tx.rw_set("admins").insert("y");
    });
    b.transact(3_000, |tx| {
        tx.dw_flag("open").disable();
        tx.rw_set("admins").remove("x");
        tx.rw_set("admins").remove("y");
        tx.rw_set("admins").remove("z"); // nobody adds it
    });
    let told = met(&a, &b, &before);
    assert_eq!(
        said(&told),
        [
            r#"/admins: null of 00000002 beats "x" of 00000001 (a removal wins)"#,
            r#"/admins: null of 00000002 beats "y" of 00000001 (a removal wins)"#,
            "/open: false of 00000002 beats true of 00000001 (a removal wins)",
        ]
    );
    a.apply(&b.delta_since(a.version())).unwrap();
    assert_eq!((a.get("/open"), a.get("/admins")), (None, None));
    a.transact(4_000, |tx| {
        tx.dw_flag("open").disable();
        tx.rw_set("admins").remove("x");
        tx.rw_set("admins").insert("y");
        tx.rw_set("admins").insert("z");
    });
    assert_eq!(said(&merge(&mut b, &a)), [""; 0], "each is settled by the next edit");
    assert_eq!((said(&a.conflicts()), said(&b.conflicts())), (vec![], vec![]));
    assert_eq!(b.get("/admins").unwrap().to_string(), r#"["y","z"]"#);
}

/// A greater number, a raised flag and a member beside a removal of all that was there.
#[test]
fn what_stays_beside_a_removed_key() {
    let (mut a, mut b, before) = two(|tx| {
        tx.max("best").set(1);
        tx.dw_flag("open").enable();
        tx.rw_set("admins").insert("x");
        tx.log("events").append("old");
    });
    a.transact(2_000, |tx| {
        tx.max("best").set(7);
        tx.dw_flag("open").enable();
        tx.rw_set("admins").insert("x");
        tx.log("events").append("new"); // ends nothing: it meets nothing
    });
    b.transact(3_000, |tx| ["best", "open", "admins", "events"].iter().for_each(|key| tx.remove(key)));
    let told = met(&a, &b, &before);
    assert_eq!(
        said(&told),
        [
            r#"/admins: "x" of 00000001 beats null of 00000002 (an edit stays)"#,
            "/best: 7 of 00000001 beats null of 00000002 (an edit stays)",
            "/open: true of 00000001 beats false of 00000002 (an edit stays)",
        ]
    );
    a.apply(&b.delta_since(a.version())).unwrap();
    assert_eq!(a.value().to_string(), r#"{"admins":["x"],"best":7,"events":["new"],"open":true}"#);
}

/// One after the other is no conflict, however often.
#[test]
fn edits_that_have_seen_each_other_do_not_meet() {
    let (mut a, mut b, _) = two(|tx| tx.flag("done").enable());
    for round in 0..20u64 {
        let (from, to) = if round % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        from.transact(2_000 + round, |tx| {
            tx.put("title", round as i64);
            tx.put("title", round as i64 + 1);
            if round % 3 == 0 {
                tx.flag("done").disable()
            } else {
                tx.flag("done").enable()
            }
            if round % 5 == 0 { tx.remove("form") } else { tx.map("form").put("name", round as i64) }
        });
        assert_eq!(said(&merge(to, from)), [""; 0]);
        assert_eq!(said(&to.conflicts()), [""; 0]);
    }
}

#[test]
fn a_change_names_its_authors() {
    let (mut a, mut b, mut c) = two(|tx| tx.put("x", 1));
    c.set_author(id(2));
    b.transact(2_000, |tx| tx.put("y", 1));
    c.transact(2_000, |tx| tx.put("z", 1));
    c.apply(&b.delta_since(c.version())).unwrap();
    let (sender, heard) = mpsc::channel();
    let _subscription = a.subscribe(move |change| sender.send(change.authors.clone()).unwrap());
    a.apply(&b.delta_since(a.version())).unwrap();
    a.apply(&c.delta_since(a.version())).unwrap();
    c.transact(3_000, |tx| tx.put("z", 2));
    b.apply(&c.delta_since(b.version())).unwrap();
    b.transact(3_000, |tx| tx.put("y", 2));
    a.apply(&b.delta_since(a.version())).unwrap();
    a.transact(4_000, |tx| tx.put("x", 2));
    assert_eq!(
        heard.try_iter().collect::<Vec<_>>(),
        [vec![id(1)], vec![id(2)], vec![id(1), id(2)], vec![id(0)]]
    );
}

fn edit(tx: &mut Tx<'_>, what: u8, a: u8, b: u8) {
    let name = |prefix: &str| format!("{prefix}{}", a % 2);
    match what % 10 {
        0 => tx.put(&name("title"), i64::from(b)),
        1 => tx.remove(&name(["title", "done", "tags", "form", "votes"][usize::from(b % 5)])),
        2 if b.is_multiple_of(2) => tx.flag(&name("done")).enable(),
        2 => tx.flag(&name("done")).disable(),
        3 if b.is_multiple_of(2) => tx.set(&name("tags")).insert(i64::from(b % 3)),
        3 => tx.set(&name("tags")).remove(i64::from(b % 3)),
        4 => tx.map(&name("form")).put("x", i64::from(b)),
        5 => tx.counter(&name("votes")).add(i64::from(b)),
        6 => {
            let mut list = tx.list("list");
            let len = list.len();
            if len < 3 || b.is_multiple_of(8) {
                list.insert(usize::from(b) % (len + 1), i64::from(b));
            } else {
                list.move_to(usize::from(a) % len, usize::from(b) % (len + 1));
            }
        }
        7 => match b % 8 {
            0 | 1 => tx.dw_flag(&name("open")).enable(),
            2 => tx.dw_flag(&name("open")).disable(),
            3 | 4 => tx.rw_set(&name("admins")).insert(i64::from(b / 8 % 3)),
            5 => tx.rw_set(&name("admins")).remove(i64::from(b / 8 % 3)),
            6 => tx.max(&name("best")).set(i64::from(b)),
            _ => tx.remove(&name(["open", "admins", "best"][usize::from(b / 8 % 3)])),
        },
        _ => edit_tree(tx, what, a, b),
    }
}

fn edit_tree(tx: &mut Tx<'_>, what: u8, a: u8, b: u8) {
    let mut tree = tx.tree("tree");
    let mut nodes = tree.children(None);
    let mut seen = 0;
    while let Some(node) = nodes.get(seen).copied() {
        nodes.extend(tree.children(Some(node)));
        seen += 1;
    }
    let pick = |n: u8| nodes.get(usize::from(n) % nodes.len().max(1)).copied();
    match (pick(a), pick(b)) {
        (Some(node), parent) if nodes.len() > 4 && what.is_multiple_of(2) => {
            tree.move_to(node, parent.filter(|_| b < 240), Position::Last);
        }
        (Some(node), _) if nodes.len() > 4 && b > 230 => drop(tree.remove(node)),
        (Some(node), _) if b > 130 && b.is_multiple_of(3) => {
            let mut map = tree.data(node).unwrap();
            if b.is_multiple_of(2) { map.put("title", i64::from(b)) } else { map.text("note").insert(0, "x") }
        }
        (_, parent) => drop(tree.create(parent.filter(|_| b.is_multiple_of(2)), Position::Last)),
    }
}

/// That a conflict's winner is what the document shows.
fn check(doc: &Doc, conflict: &Conflict, all: &[Conflict]) {
    let value = &conflict.winner.value;
    if let Some(item) = conflict.item.filter(|_| conflict.path == "/tree") {
        let tree = doc.tree("tree");
        let parent = tree.as_ref().and_then(|tree| tree.parent(item));
        let gave_way = |other: &Conflict| other.rule == Rule::Circle && other.item == Some(item);
        if conflict.rule == Rule::Circle || !all.iter().any(gave_way) {
            match value {
                Scalar::Null => assert!(parent.is_none() && tree.is_none_or(|tree| !tree.contains(item))),
                Scalar::Str(top) if top.as_str() == "top" => assert_eq!(parent, None, "{conflict}"),
                id => assert_eq!(parent.map(name).as_ref(), Some(id), "{conflict}"),
            }
        }
        return;
    }
    let shown = doc.get(&conflict.path);
    if conflict.rule == Rule::RemovalWins {
        let added = &conflict.losers[0].value;
        let has = |all: &Value| all.as_list().is_some_and(|all| all.contains(&Value::Scalar(added.clone())));
        assert!(shown != Some(true.into()) && !shown.is_some_and(|shown| has(&shown)), "{conflict}");
        return;
    }
    match (conflict.item, &shown) {
        (Some(_), Some(Value::List(list))) => {
            let index: usize = value.to_string().parse().unwrap();
            assert!(index < list.len());
        }
        (None, Some(Value::List(members))) => assert!(members.contains(&Value::Scalar(value.clone()))),
        (None, Some(Value::Scalar(shown))) => assert_eq!(shown, value, "{conflict}"),
        other => panic!("{conflict}: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_winner_is_what_is_shown(steps in prop::collection::vec((0..3usize, 0..3usize, 0..16u8, any::<u8>(), any::<u8>()), 0..60)) {
        let mut docs: Vec<Doc> = (0..3).map(|n| Doc::new(id(n))).collect();
        let mut heard: Vec<BTreeSet<String>> = vec![BTreeSet::new(); 3];
        let ends = [(0, 1), (0, 2), (1, 0), (2, 0)].map(|(to, from)| (to, from, 15, 0, 0));
        for (time, (to, from, what, a, b)) in steps.into_iter().chain(ends).chain(ends).enumerate() {
            if what < 12 {
                docs[to].transact(time as u64 / 3, |tx| edit(tx, what, a, b));
            } else if to != from {
                let from = docs[from].clone();
                let told = merge(&mut docs[to], &from);
                let all = docs[to].conflicts();
                told.iter().for_each(|conflict| assert!(all.contains(conflict), "{conflict} is not in {all:?}"));
                heard[to].extend(said(&told));
            }
            let all = docs[to].conflicts();
            all.iter().for_each(|conflict| check(&docs[to], conflict, &all));
        }
        let all = docs[0].conflicts();
        for doc in &docs {
            prop_assert_eq!(said(&doc.conflicts()), said(&all));
        }
        for (n, conflict) in (0..3).flat_map(|n| all.iter().map(move |conflict| (n, conflict))) {
            // Who stands at which index is told when it moves, and is in the pointer of what a node holds; a sum is told when
            // it meets; and what a circle comes to may change with others'.
            let moves = ["/list", "/votes", "/tree/"].iter().any(|path| conflict.path.starts_with(path));
            if conflict.rule != Rule::Circle && !moves {
                prop_assert!(heard[n].contains(&conflict.to_string()), "{n} was not told {conflict}");
            }
        }
    }
}
