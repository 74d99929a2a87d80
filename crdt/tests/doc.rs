//! Documents converge whatever was edited, delivered, left out and repeated; bytes are canonical.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::doc::{ListMut, Patch, Tx, Value};
use crdt::text::TextPatch;
use crdt::{ApplyError, Delta, Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

const CHARS: [&str; 6] = ["a", "bc", "é", "👋x", "\n", "defghij"];

fn edit(tx: &mut Tx<'_>, kind: u8, a: u8, b: u8) {
    let key = ["k", "l"][usize::from(a % 2)];
    match kind {
        0..=3 => {
            let mut text = tx.text("note");
            let pos = usize::from(a) * (text.len() + 1) / 256;
            text.insert(pos, CHARS[usize::from(b) % CHARS.len()]);
        }
        4 => {
            // Holding backspace: deletions that go to the front, one transaction or several.
            let mut text = tx.text("note");
            let pos = usize::from(a) * (text.len() + 1) / 256;
            for i in 1..=usize::from(b % 5).min(pos) {
                text.delete(pos - i..pos - i + 1);
            }
        }
        5 => {
            let mut text = tx.text("note");
            let pos = usize::from(a) * (text.len() + 1) / 256;
            text.delete(pos..pos + usize::from(b % 4) + 1);
        }
        6 => tx.put("title", i64::from(b)),
        7 => tx.map("form").map(key).put("x", i64::from(b)),
        8 => tx.map("form").remove(key),
        9 => tx.counter("votes").add(i64::from(b) - 100),
        10 if b.is_multiple_of(2) => tx.set("tags").insert(i64::from(a % 3)),
        10 => tx.set("tags").remove(i64::from(a % 3)),
        11 if b.is_multiple_of(2) => tx.map("form").flag(key).enable(),
        11 => tx.map("form").flag(key).disable(),
        12 => tx.offer("choice", i64::from(b)),
        13 => tx.map("form").map(key).map("deep").counter("n").add(1),
        14 => tx.remove(["title", "form", "tags", "note", "choice", "todo"][usize::from(b) % 6]),
        15 => {
            let (mut form, key) = (tx.map("form"), key);
            let mut inner = form.map(key);
            let mut text = inner.text("body");
            let pos = usize::from(a) * (text.len() + 1) / 256;
            text.replace(pos..pos + usize::from(b % 3), CHARS[usize::from(b) % CHARS.len()]);
        }
        16..=21 => edit_list(&mut tx.list("todo"), kind, a, b),
        22 => {
            let mut list = tx.list("todo");
            if let Some(mut inner) = list.list(usize::from(a) % 4) {
                edit_list(&mut inner, 16 + b % 6, a.rotate_left(3), b);
            }
        }
        23 => match b % 8 {
            0 => tx.max("best").set(i64::from(a % 8)),
            1 => tx.map("form").min(key).set(i64::from(a % 8)),
            2 => tx.dw_flag("open").enable(),
            3 => tx.dw_flag("open").disable(),
            4 => tx.map("form").rw_set(key).insert(i64::from(a / 2 % 3)),
            5 => tx.map("form").rw_set(key).remove(i64::from(a / 2 % 3)),
            6 => tx.log("todo").append(i64::from(a)),
            _ => tx.remove(["best", "open"][usize::from(a % 2)]),
        },
        _ => tx.text("other").insert(0, "z"),
    }
}

fn edit_list(list: &mut ListMut<'_>, kind: u8, a: u8, b: u8) {
    let at = |n: u8| usize::from(n) * (list.len() + 1) / 256;
    let (i, j) = (at(a), at(b));
    match kind {
        16 => list.insert(i, i64::from(b)),
        17 => drop(list.remove(i)),
        18 | 19 => drop(list.move_to(i, j)),
        20 if a.is_multiple_of(4) => list.insert_text(i).insert(0, CHARS[usize::from(b) % CHARS.len()]),
        20 if a % 4 == 1 => list.insert_map(i).put("x", i64::from(b)),
        20 if a % 4 == 2 => drop(list.insert_list(i)),
        20 => drop(list.put(i, i64::from(b))),
        _ => {
            if let Some(mut text) = list.text(i) {
                text.insert(usize::from(b % 8), "t");
            } else if let Some(mut map) = list.map(j) {
                map.put("y", i64::from(a));
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    to: usize,
    from: usize,
    what: u8,
    kind: u8,
    a: u8,
    b: u8,
}

fn steps(replicas: usize, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..replicas, 0..replicas, 0..10u8, 0..25u8, any::<u8>(), any::<u8>());
    let step = step.prop_map(|(to, from, what, kind, a, b)| Step { to, from, what, kind, a, b });
    prop::collection::vec(step, 0..most)
}

/// Applies the patches of one merge to what was shown of text `note` and list `todo`. Inside an element only
/// that something changed is looked at: the element is read again.
fn replay(note: &mut Vec<char>, todo: &mut Vec<Value>, patches: &[Patch], doc: &Doc) {
    for patch in patches {
        match patch {
            Patch::Text { path, patch } if path == "/note" => match patch {
                TextPatch::Insert { pos, text } => drop(note.splice(pos..pos, text.chars())),
                TextPatch::Delete { pos, len } => drop(note.drain(*pos..pos + len)),
            },
            Patch::List { path, index, removed, inserted } if path == "/todo" => {
                drop(todo.splice(*index..index + removed, inserted.iter().cloned()));
            }
            // The list came or went in front of the log of the same name.
            Patch::Value { path, value } if path == "/todo" => {
                *todo = value.as_ref().and_then(Value::as_list).unwrap_or_default().to_vec();
            }
            patch => {
                if let Some(inner) = patch.path().strip_prefix("/todo/") {
                    let index: usize = inner.split('/').next().unwrap().parse().unwrap();
                    todo[index] = doc.get(&format!("/todo/{index}")).unwrap();
                }
            }
        }
    }
}

fn todo(doc: &Doc) -> Vec<Value> {
    match doc.get("/todo") {
        Some(Value::List(list)) => list,
        _ => Vec::new(),
    }
}

fn note(doc: &Doc) -> String {
    doc.text("note").map(ToString::to_string).unwrap_or_default()
}

/// Edits and exchanges; some differences leave a replica's events out, and may then be refused for now.
fn run(replicas: usize, steps: &[Step]) -> Vec<Doc> {
    let mut docs: Vec<Doc> = (0..replicas).map(|n| Doc::new(id(n))).collect();
    docs.iter_mut().for_each(Doc::record_patches);
    for (time, step) in steps.iter().enumerate() {
        match step.what {
            0..=5 => docs[step.to].transact(time as u64, |tx| edit(tx, step.kind, step.a, step.b)),
            _ if step.from == step.to => {}
            6 => {
                let delta = docs[step.from].delta_since(docs[step.to].version());
                take(&mut docs[step.to], &delta).unwrap();
            }
            // A part of what one has: differences may be cut anywhere.
            7 => {
                let known = docs[step.to].version().clone();
                let cut = |(r, seq): (ReplicaId, u64)| {
                    (r, known.get(r).max(seq.saturating_sub(u64::from(step.b % 4))))
                };
                let until = docs[step.from].version().iter().map(cut).collect();
                let delta = docs[step.from].delta_between(&known, &until);
                let result = take(&mut docs[step.to], &delta);
                assert!(matches!(result, Ok(()) | Err(ApplyError::Missing)), "{result:?}");
            }
            8 => {
                let without = id(usize::from(step.a) % replicas);
                let known = docs[step.to].version().clone();
                let until = docs[step.from].version().iter().filter(|(r, _)| *r != without);
                let until = until.chain([(without, known.get(without))]).collect();
                let delta = docs[step.from].delta_between(&known, &until);
                let result = take(&mut docs[step.to], &delta);
                assert!(matches!(result, Ok(()) | Err(ApplyError::Missing)), "{result:?}");
            }
            _ => {
                let delta = docs[step.from].delta_since(&VersionVector::new());
                take(&mut docs[step.to], &delta).unwrap();
            }
        }
    }
    docs
}

/// Applies a delta as bytes, checking the patches against the text.
fn take(doc: &mut Doc, delta: &Delta) -> Result<(), ApplyError> {
    let delta = Delta::from_bytes(&delta.to_bytes())?;
    let (mut shown, mut shown_list): (Vec<char>, _) = (note(doc).chars().collect(), todo(doc));
    let before = doc.save();
    let result = doc.apply(&delta);
    replay(&mut shown, &mut shown_list, &doc.take_patches(), doc);
    assert_eq!(shown.into_iter().collect::<String>(), note(doc), "patches show what happened");
    assert_eq!(shown_list, todo(doc), "patches show what happened");
    match result {
        Ok(applied) => {
            assert_eq!(applied.novel.is_empty(), before == doc.save());
            assert!(delta.is_known_to(doc.version()));
            Ok(())
        }
        Err(error) => {
            assert_eq!(before, doc.save(), "an error changes nothing");
            Err(error)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn replicas_converge(steps in steps(4, 60)) {
        let mut docs = run(4, &steps);
        for i in 1..docs.len() {
            let delta = docs[i].delta_since(docs[0].version());
            take(&mut docs[0], &delta).unwrap();
        }
        for i in 1..docs.len() {
            let delta = docs[0].delta_since(docs[i].version());
            take(&mut docs[i], &delta).unwrap();
            prop_assert_eq!(docs[i].value(), docs[0].value());
            prop_assert_eq!(docs[i].version(), docs[0].version());
            prop_assert_eq!(docs[i].graph(), docs[0].graph());
            prop_assert_eq!(docs[i].save(), docs[0].save(), "equal states are equal bytes");
        }
        let copy = Doc::load(&docs[0].save(), id(9)).unwrap();
        prop_assert_eq!(copy.save(), docs[0].save());
        prop_assert_eq!(copy.value(), docs[0].value());
    }

    #[test]
    fn equal_versions_are_equal_states(steps in steps(3, 60)) {
        let docs = run(3, &steps);
        for (a, b) in docs.iter().flat_map(|a| docs.iter().map(move |b| (a, b))) {
            if a.version() == b.version() {
                prop_assert_eq!(a.save(), b.save());
            }
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_harmless(
        steps in steps(3, 40),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let docs = run(3, &steps);
        let mut delta = docs[0].delta_since(docs[1].version());
        prop_assume!(!delta.body.is_empty());
        let at = at.index(delta.body.len());
        delta.body[at] = byte;
        let mut victim = docs[1].clone();
        let before = victim.save();
        let said = victim.apply(&delta);
        if said.is_err() {
            prop_assert_eq!(victim.save(), before, "{:?} {:?}", said, delta);
        } else {
            let saved = victim.save();
            prop_assert_eq!(Doc::load(&saved, id(9)).unwrap().save(), saved);
        }
        let mut saved = docs[0].save();
        let at = at % saved.len();
        if saved[at] != byte {
            saved[at] = byte;
            prop_assert!(Doc::load(&saved, id(9)).is_err());
        }
    }
}

fn sync(a: &mut Doc, b: &mut Doc) {
    b.apply(&a.delta_since(b.version())).unwrap();
    a.apply(&b.delta_since(a.version())).unwrap();
}

/// What two people type at one place at once must not be mixed, whichever way each of them types.
#[test]
fn concurrent_runs_do_not_interleave() {
    for (forward_a, forward_b) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
        a.transact(0, |tx| tx.text("note").insert(0, "[]"));
        sync(&mut a, &mut b);
        let type_in = |doc: &mut Doc, forward: bool, word: &str| {
            for (i, c) in word.chars().enumerate() {
                let pos = if forward { 1 + i } else { 1 };
                doc.transact(0, |tx| tx.text("note").insert(pos, &c.to_string()));
            }
        };
        type_in(&mut a, forward_a, "aaaaa");
        type_in(&mut b, forward_b, "bbbbb");
        sync(&mut a, &mut b);
        let text = note(&a);
        assert!(text == "[aaaaabbbbb]" || text == "[bbbbbaaaaa]", "{text}");
        assert_eq!(note(&b), text);
    }
}

/// A claim up to the last number that fits made the next honest delta, and the next edit, run over.
#[test]
fn no_event_has_a_number_that_could_run_over() {
    let claim = |to: u64| {
        let span = crdt::Span { replica: id(0), after: 0, to };
        let mut w = Delta::writer(&[span]);
        [1, 0, 0, 1].iter().for_each(|n| w.u8(*n)); // a tree, no parents, nothing needed, one removal:
        w.dot(crdt::Dot::new(id(0), to));
        let ended: crdt::context::DotRanges = [crdt::Span { to: to - 1, ..span }].into_iter().collect();
        crdt::codec::Encode::encode(&ended, &mut w);
        w.u64(0);
        Delta::from_writer(vec![span], w)
    };
    for to in [u64::MAX, crdt::Dot::MAX_SEQ + 1] {
        assert!(Delta::from_bytes(&claim(to).to_bytes()).is_err());
        let mut doc = Doc::new(id(1));
        assert!(doc.apply(&claim(to)).is_err());
        assert!(doc.version().is_empty());
    }
    // At the last number that is let in, all still counts.
    let last = claim(crdt::Dot::MAX_SEQ);
    let (mut a, mut b) = (Doc::new(id(1)), Doc::new(id(2)));
    a.apply(&last).unwrap();
    b.apply(&last).unwrap();
    b.transact(0, |tx| tx.put("x", 1));
    a.apply(&b.delta_since(&VersionVector::new())).unwrap();
    assert_eq!(a.value(), b.value());
}

/// A delta must not claim events of which it shows no trace.
#[test]
fn a_delta_cannot_claim_events_that_did_nothing() {
    let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
    a.transact(0, |tx| tx.put("x", 1));
    let mut delta = a.delta_since(b.version());
    delta.spans[0].to = 1_000_000;
    assert!(matches!(b.apply(&delta), Err(ApplyError::Refused(_))));
    let mut own = a.delta_since(&VersionVector::new());
    own.spans[0].replica = id(1);
    assert!(matches!(b.apply(&own), Err(ApplyError::Refused(_))), "nobody writes as this replica");
}

/// Deletions of one author that follow each other are kept as one; what they delete may have come from
/// another author in between. Whoever gets all at once must not delete before the character is there.
#[test]
fn a_deletion_waits_for_the_character_it_deletes() {
    let [mut b, mut a, mut late] = [0, 1, 2].map(|n| Doc::new(id(n)));
    a.transact(0, |tx| tx.text("note").insert(0, "x"));
    b.apply(&a.delta_since(b.version())).unwrap();
    late.apply(&a.delta_since(late.version())).unwrap();
    a.transact(0, |tx| tx.text("note").insert(1, "y"));
    b.transact(0, |tx| tx.text("note").delete(0..1));
    b.apply(&a.delta_since(b.version())).unwrap();
    b.transact(0, |tx| tx.text("note").delete(0..1));
    assert_eq!(note(&b), "");
    late.apply(&b.delta_since(late.version())).unwrap();
    assert_eq!(note(&late), "");
}

#[test]
fn one_typed_character_costs_few_bytes() {
    let mut doc = Doc::new(id(0));
    doc.transact(0, |tx| tx.text("note").insert(0, "hello"));
    let before = doc.version().clone();
    doc.transact(0, |tx| tx.text("note").insert(5, "!"));
    let delta = doc.delta_since(&before);
    assert!(delta.body.len() <= 16, "{} bytes: {delta:?}", delta.body.len());
}

/// Events that are here, told once more as other operations, with news behind them.
#[test]
fn a_delta_that_is_refused_leaves_no_trace() {
    let mut a = Doc::new(id(1));
    a.transact(0, |tx| {
        tx.text("body").insert(0, "from a");
        tx.map("m").put("from a", 1);
    });
    let told = a.delta_since(&VersionVector::new());
    let mut moved = told.clone();
    (moved.spans[0].after, moved.spans[0].to) = (2, 9);
    for watched in [false, true] {
        let mut b = Doc::new(id(8));
        b.transact(0, |tx| tx.text("body").insert(0, "kept"));
        assert_eq!(b.apply(&moved), Err(ApplyError::Missing));
        b.apply(&told).unwrap();
        let _guard = watched.then(|| b.subscribe(|_| panic!("nothing happened")));
        let before = (b.save(), b.value());
        assert!(matches!(b.apply(&moved), Err(ApplyError::Refused(_))));
        assert_eq!((b.save(), b.value()), before);
    }
}
