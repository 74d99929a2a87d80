//! Documents where everything small is tried: every pair of edits, every short history of a text, and what holds at
//! each step of long ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::BTreeSet;

use crdt::codec::{from_bytes, to_bytes};
use crdt::context::{CausalContext, DotRanges};
use crdt::doc::{Expand, Tx};
use crdt::map::OrMap;
use crdt::replica::Replica;
use crdt::set::AwSet;
use crdt::tree::Position;
use crdt::{ApplyError, Doc, Dot, ReplicaId, Replicated, Span, VersionVector, strategy};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

/// All that a document shows, marks and what lost included.
fn shown(doc: &Doc) -> String {
    format!(
        "{doc:#} {:?} {}",
        doc.conflicts(),
        doc.to_delta("note").map_or(String::new(), |delta| delta.to_string())
    )
}

fn take(to: &mut Doc, from: &Doc) {
    to.apply(&from.delta_since(to.version())).unwrap();
}

type Edit = (String, Box<dyn Fn(&mut Tx<'_>)>);

/// Every kind of edit, at every place of a small document that is different for it.
fn edits() -> Vec<Edit> {
    let mut all: Vec<Edit> = Vec::new();
    let mut add = |name: String, edit: Box<dyn Fn(&mut Tx<'_>)>| all.push((name, edit));
    for at in 0..=3 {
        add(format!("text insert {at}"), Box::new(move |tx| tx.text("note").insert(at, "xy")));
        add(format!("list insert {at}"), Box::new(move |tx| tx.list("days").insert(at, 9)));
    }
    for (from, to) in [(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)] {
        add(format!("text delete {from}..{to}"), Box::new(move |tx| tx.text("note").delete(from..to)));
        let mark = move |tx: &mut Tx<'_>| tx.text("note").mark(from..to, "bold", true, Expand::After);
        add(format!("text mark {from}..{to}"), Box::new(mark));
        let unmark = move |tx: &mut Tx<'_>| tx.text("note").unmark(from..to, "bold", Expand::After);
        add(format!("text unmark {from}..{to}"), Box::new(unmark));
    }
    for at in 0..3 {
        add(
            format!("list remove {at}"),
            Box::new(move |tx| {
                tx.list("days").remove(at);
            }),
        );
        add(
            format!("list put {at}"),
            Box::new(move |tx| {
                tx.list("days").put(at, 8);
            }),
        );
        add(
            format!("list map {at}"),
            Box::new(move |tx| {
                if let Some(mut map) = tx.list("days").map(at) {
                    map.put("k", 1);
                }
            }),
        );
        for to in (0..3).filter(|to| *to != at) {
            add(
                format!("list move {at} {to}"),
                Box::new(move |tx| {
                    tx.list("days").move_to(at, to);
                }),
            );
        }
    }
    // The tree is a over b over c, and d.
    for (node, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let nodes = |tx: &mut Tx<'_>| {
            let tree = tx.tree("plan");
            let top = tree.children(None);
            let b = tree.children(Some(top[0]))[0];
            [top[0], b, tree.children(Some(b))[0], top[1]]
        };
        let remove = move |tx: &mut Tx<'_>| {
            let node = nodes(tx)[node];
            tx.tree("plan").remove(node);
        };
        add(format!("tree remove {name}"), Box::new(remove));
        let below = move |tx: &mut Tx<'_>| {
            let node = nodes(tx)[node];
            tx.tree("plan").create(Some(node), Position::First);
        };
        add(format!("tree create below {name}"), Box::new(below));
        let fill = move |tx: &mut Tx<'_>| {
            let node = nodes(tx)[node];
            tx.tree("plan").data(node).unwrap().put("name", "new");
        };
        add(format!("tree fill {name}"), Box::new(fill));
        for to in 0..=4 {
            let go = move |tx: &mut Tx<'_>| {
                let nodes = nodes(tx);
                tx.tree("plan").move_to(nodes[node], nodes.get(to).copied(), Position::First);
            };
            add(format!("tree move {name} below {to}"), Box::new(go));
        }
    }
    let names = ["note", "days", "plan", "form", "votes", "tags", "done", "title", "colour"];
    for name in names.into_iter().chain(["best", "least", "open", "admins", "events"]) {
        add(format!("remove {name}"), Box::new(move |tx| tx.remove(name)));
    }
    add("form put".into(), Box::new(|tx| tx.map("form").put("x", 2)));
    add("form text".into(), Box::new(|tx| tx.map("form").text("body").insert(0, "z")));
    add("form remove".into(), Box::new(|tx| tx.map("form").remove("body")));
    add("count".into(), Box::new(|tx| tx.counter("votes").add(2)));
    add("tag".into(), Box::new(|tx| tx.set("tags").insert("a")));
    add("untag".into(), Box::new(|tx| tx.set("tags").remove("a")));
    add("raise".into(), Box::new(|tx| tx.flag("done").enable()));
    add("lower".into(), Box::new(|tx| tx.flag("done").disable()));
    add("best".into(), Box::new(|tx| tx.max("best").set(2)));
    add("least".into(), Box::new(|tx| tx.min("least").set(0)));
    add("open".into(), Box::new(|tx| tx.dw_flag("open").enable()));
    add("close".into(), Box::new(|tx| tx.dw_flag("open").disable()));
    add("let in".into(), Box::new(|tx| tx.rw_set("admins").insert("a")));
    add("throw out".into(), Box::new(|tx| tx.rw_set("admins").remove("a")));
    add("append".into(), Box::new(|tx| tx.log("events").append("b")));
    add("put".into(), Box::new(|tx| tx.put("title", 2)));
    add("offer".into(), Box::new(|tx| tx.offer("colour", 2)));
    all
}

fn begin() -> Doc {
    let mut doc = Doc::new(id(8));
    doc.transact(0, |tx| {
        tx.text("note").insert(0, "abc");
        tx.text("note").mark(0..2, "bold", true, Expand::After);
        (0..3).for_each(|n| tx.list("days").push(n));
        let mut tree = tx.tree("plan");
        let a = tree.create(None, Position::Last);
        let b = tree.create(Some(a), Position::Last);
        tree.create(Some(b), Position::Last);
        tree.create(None, Position::Last);
        tx.map("form").put("x", 1);
        tx.map("form").text("body").insert(0, "hi");
        tx.counter("votes").add(1);
        tx.set("tags").insert("a");
        tx.flag("done").enable();
        tx.put("title", 1);
        tx.offer("colour", 1);
        tx.max("best").set(1);
        tx.min("least").set(1);
        tx.dw_flag("open").enable();
        tx.rw_set("admins").insert("a");
        tx.log("events").append("a");
    });
    doc
}

/// An insertion into a range that another removed at the same time came out differently by who merged with whom
/// (yorkie-js-sdk issue 1302). Every kind of edit beside every other, merged both ways and by a third.
#[test]
fn every_pair_of_edits_commutes() {
    let (base, edits) = (begin(), edits());
    let made = |n: usize, edit: &Edit| {
        let mut doc = Doc::load(&base.save(), id(n)).unwrap();
        doc.transact(1, |tx| edit.1(tx));
        doc
    };
    let lefts: Vec<Doc> = edits.iter().map(|edit| made(0, edit)).collect();
    let rights: Vec<Doc> = edits.iter().map(|edit| made(1, edit)).collect();
    let changed = lefts.iter().filter(|doc| doc.version() != base.version()).count();
    assert!(changed > 75, "only {changed} of {} edits do something", edits.len());
    for (left, (first, _)) in lefts.iter().zip(&edits) {
        for (right, (second, _)) in rights.iter().zip(&edits) {
            let (mut ab, mut ba, mut third) = (left.clone(), right.clone(), base.clone());
            take(&mut ab, right);
            take(&mut ba, left);
            take(&mut third, right);
            take(&mut third, left);
            let expected = shown(&ab);
            assert_eq!(shown(&ba), expected, "{first} beside {second}");
            assert_eq!(shown(&third), expected, "{first} beside {second}, at a third");
            assert_eq!(ab.save(), ba.save(), "{first} beside {second}");
        }
    }
}

/// Four operations of three people on one text came to `dcb` here and `bdc` there (y-octo issue 53). Every history of a
/// first character and `steps` more, each an insertion or deletion anywhere or a message from anybody; then everything
/// is heard in several orders.
fn every_history_of_a_text(steps: usize) -> usize {
    fn step(docs: &[Doc; 3], left: usize, letter: u8, count: &mut usize) {
        if left == 0 {
            *count += 1;
            let mut texts = BTreeSet::new();
            for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
                let mut all = Doc::new(id(9));
                order.iter().for_each(|n| take(&mut all, &docs[*n]));
                texts.insert(all.text("t").unwrap().to_string());
            }
            assert_eq!(texts.len(), 1, "{docs:#?}");
            return;
        }
        for n in 0..3 {
            let len = docs[n].text("t").map_or(0, |text| text.len());
            let mut go = |edit: &dyn Fn(&mut Doc)| {
                let mut docs = docs.clone();
                edit(&mut docs[n]);
                step(&docs, left - 1, letter + 1, count);
            };
            for at in 0..=len {
                let text = char::from(letter).to_string();
                go(&|doc| doc.transact(0, |tx| tx.text("t").insert(at, &text)));
            }
            for at in 0..len {
                go(&|doc| doc.transact(0, |tx| tx.text("t").delete(at..at + 1)));
            }
            for from in (0..3).filter(|from| *from != n && docs[*from].version() != docs[n].version()) {
                go(&|doc| take(doc, &docs[from]));
            }
        }
    }
    let mut docs = [0, 1, 2].map(|n| Doc::new(id(n)));
    docs[0].transact(0, |tx| tx.text("t").insert(0, "a"));
    let mut count = 0;
    step(&docs, steps, b'b', &mut count);
    count
}

#[test]
fn every_short_history_of_a_text_converges() {
    assert!(every_history_of_a_text(4) > 5_000);
}

fn spans() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
    prop::collection::vec((0..3usize, 0..12u64, 0..5u64), 0..14)
}

fn both(spans: &[(usize, u64, u64)]) -> (DotRanges, BTreeSet<Dot>) {
    let (mut ranges, mut model) = (DotRanges::new(), BTreeSet::new());
    for (replica, after, len) in spans {
        ranges.insert_span(Span { replica: id(*replica), after: *after, to: after + len });
        model.extend((after + 1..=after + len).map(|seq| Dot::new(id(*replica), seq)));
    }
    (ranges, model)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Sets of ranges were merged wrongly (y-crdt issue 607). Against plain sets of events.
    #[test]
    fn ranges_are_sets_of_events(a in spans(), b in spans(), asked in spans()) {
        let ((mut ranges, mut model), (others, other_model)) = (both(&a), both(&b));
        prop_assert_eq!(ranges.intersects(&others), !model.is_disjoint(&other_model));
        let mut seen: CausalContext = ranges.iter_ranges().collect();
        let also: CausalContext = others.iter_ranges().collect();
        prop_assert_eq!(seen >= also, model.is_superset(&other_model));
        let events = |spans: Vec<Span>| {
            let dots = spans.into_iter().flat_map(|s| (s.after + 1..=s.to).map(move |seq| Dot::new(s.replica, seq)));
            dots.collect::<Vec<Dot>>()
        };
        let meet: BTreeSet<Dot> = model.intersection(&other_model).copied().collect();
        prop_assert_eq!(ranges.meet(&others), meet.iter().copied().collect());
        prop_assert_eq!(seen.meet(&also), meet.iter().copied().map(Span::from).collect());
        let lacks: Vec<Dot> = events(seen.since(&also).collect());
        prop_assert_eq!(lacks.len(), model.difference(&other_model).count());
        prop_assert!(lacks.iter().all(|dot| model.contains(dot) && !other_model.contains(dot)));
        seen.merge(&also);
        ranges.extend(&others);
        model.extend(&other_model);
        prop_assert_eq!(ranges.len(), model.len() as u64);
        let listed: BTreeSet<Dot> = ranges.iter_ranges()
            .flat_map(|span| (span.after + 1..=span.to).map(move |seq| Dot::new(span.replica, seq))).collect();
        prop_assert_eq!(&listed, &model);
        for (replica, after, len) in asked {
            let span = Span { replica: id(replica), after, to: after + len };
            let inside = (after + 1..=after + len).all(|seq| model.contains(&Dot::new(id(replica), seq)));
            prop_assert_eq!(ranges.contains_span(span), inside);
            let dot = Dot::new(id(replica), after + 1);
            prop_assert_eq!(ranges.contains(dot), model.contains(&dot));
            prop_assert_eq!(seen.contains(dot), model.contains(&dot));
        }
        prop_assert_eq!(from_bytes::<DotRanges>(&to_bytes(&ranges)).unwrap(), ranges);
        prop_assert_eq!(from_bytes::<CausalContext>(&to_bytes(&seen)).unwrap(), seen);
    }

    /// Siblings of one CRDT stood on a disk, because its dot was kept on the first write (riak_kv issue 1495). After
    /// every edit what is stored reads back as what is shown, and is written again byte for byte.
    #[test]
    fn the_stored_form_is_sound_after_every_edit(edits in prop::collection::vec((0..2usize, any::<u8>(), any::<bool>()), 0..30)) {
        let mut all: [Replica<OrMap<u8, AwSet<u8>>>; 2] = [0, 1].map(|n| Replica::new(id(n)));
        let mut docs = [0, 1].map(|n| Doc::new(id(n)));
        for (n, b, meet) in edits {
            all[n].edit(0, |map, cx| match b % 3 {
                0 => drop(map.remove(&(b / 3 % 2), cx)),
                _ => map.update(b / 3 % 2, cx, |set, cx| set.insert(b % 5, cx)),
            });
            docs[n].transact(0, |tx| match b % 3 {
                0 => tx.remove(["s", "t"][usize::from(b / 3 % 2)]),
                1 => tx.set("s").insert(i64::from(b % 5)),
                _ => tx.text("t").insert(usize::from(b), "x"),
            });
            if meet {
                let lacks = all[n].delta_since(all[1 - n].seen().version());
                all[1 - n].apply(&lacks);
                let from = docs[n].clone();
                take(&mut docs[1 - n], &from);
            }
            for (replica, doc) in all.iter().zip(&docs) {
                let again: Replica<OrMap<u8, AwSet<u8>>> = Replica::open(&replica.save(), id(5)).unwrap();
                prop_assert_eq!((again.value(), again.seen()), (replica.value(), replica.seen()));
                prop_assert_eq!(again.save(), replica.save());
                let again = Doc::load(&doc.save(), id(5)).unwrap();
                prop_assert_eq!((again.value(), again.save()), (doc.value(), doc.save()));
            }
        }
    }

    /// A state without the end of a text was saved after a look at the past (Loro issue 1038). A document that lives
    /// long goes back to each of its versions; each, saved with and without history, reads back as it was.
    #[test]
    fn every_version_saved_reads_back(docs in strategy::docs(3)) {
        let mut doc = Doc::new(id(9));
        doc.keep_history();
        let mut past = vec![(doc.version().clone(), shown(&doc))];
        for from in docs.iter().chain(&docs) {
            for _ in 0..4 {
                let until = from.step(doc.version(), 5);
                doc.apply(&from.delta_between(doc.version(), &until)).unwrap();
                past.push((doc.version().clone(), shown(&doc)));
            }
        }
        for (version, then) in &past {
            let at = doc.at(version).unwrap();
            prop_assert_eq!(&shown(&at), then);
            prop_assert_eq!(&shown(&Doc::load(&at.save(), id(9)).unwrap()), then);
            let shallow = Doc::load(&at.save_shallow(), id(9)).unwrap();
            prop_assert_eq!(shallow.value(), at.value());
        }
    }

    /// One transaction had seen a write that had seen it (antidote issue 458). What a replica has holds, for every
    /// event, all that its author had seen, whatever comes from whom in which order; and events are in no circle.
    #[test]
    fn what_a_replica_has_is_closed_under_causes(docs in strategy::docs(3), cuts in prop::collection::vec((0..3usize, 0..6u64), 0..30)) {
        let mut here = Doc::new(id(9));
        for (from, cut) in cuts {
            // A difference that leaves out the latest events of some, as pruned links do.
            let cut = |(r, seq): (ReplicaId, u64)| (r, if r == id(from) { seq } else { seq.saturating_sub(cut) });
            let until: VersionVector = docs[from].version().iter().map(cut).collect();
            match here.apply(&docs[from].delta_between(here.version(), &until)) {
                Ok(_) | Err(ApplyError::Missing) => {}
                Err(error) => panic!("{error}"),
            }
            let graph = here.graph();
            let mut seen = BTreeSet::new();
            for (replica, last) in here.version().iter() {
                for seq in 1..=last {
                    let event = Dot::new(replica, seq);
                    prop_assert!(graph.parents(event).iter().all(|parent| here.version().contains(*parent)));
                    seen.insert(event);
                }
            }
            // Taking away again and again what nothing else waits for leaves nothing.
            let mut order = 0;
            while !seen.is_empty() {
                let free: Vec<Dot> = seen.iter().copied().filter(|event| {
                    let before = (event.seq > 1).then(|| Dot::new(event.replica, event.seq - 1));
                    !graph.parents(*event).iter().copied().chain(before).any(|cause| seen.contains(&cause))
                }).collect();
                prop_assert!(!free.is_empty(), "a circle");
                for event in &free {
                    seen.remove(event);
                }
                order += 1;
            }
            prop_assert!(order <= here.version().total());
        }
    }
}
