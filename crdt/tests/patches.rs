//! Patches say what changed, all of it, and nothing else: whoever applies them to what was shown shows what is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::BTreeMap;
use std::sync::mpsc;

use crdt::doc::{Change, ListMut, MapMut, Patch, Tx, UndoManager, UndoOptions, Value};
use crdt::text::TextPatch;
use crdt::{Doc, ReplicaId, Replicated};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

fn edit(tx: &mut Tx<'_>, kind: u8, a: u8, b: u8) {
    match kind % 6 {
        0 => edit_list(&mut tx.list("todo"), a, b),
        1 => {
            let all = ["page-k", "page-l", "votes", "note", "days", "log", "x", "open"];
            tx.map("form").remove(all[usize::from(b % 8)]);
        }
        2 => tx.remove(["form", "todo", "title"][usize::from(b % 3)]),
        3 => tx.put(["title", "form", "todo"][usize::from(a % 3)], i64::from(b % 4)),
        4 => edit_map(&mut tx.map("form").map(["page-k", "page-l"][usize::from(a % 2)]), a / 2, b),
        _ => edit_map(&mut tx.map("form"), a, b),
    }
}

fn edit_map(map: &mut MapMut<'_>, a: u8, b: u8) {
    match a % 12 {
        8 => map.log(["log", "days", "x"][usize::from(b % 3)]).append(i64::from(b)),
        9 => map.max(["log", "x"][usize::from(b % 2)]).set(100 + i64::from(b / 2 % 8)),
        10 if b.is_multiple_of(2) => {
            map.rw_set(["log", "days"][usize::from(a / 16 % 2)]).insert(1000 + i64::from(b % 3))
        }
        10 => map.rw_set("log").remove(1000 + i64::from(b % 3)),
        11 if b.is_multiple_of(2) => map.dw_flag("open").enable(),
        11 => map.dw_flag("open").disable(),
        0 | 1 => {
            let mut text = map.text("note");
            let pos = usize::from(b) % (text.len() + 1);
            text.replace(pos..pos + usize::from(b % 3), ["", "a", "bcd", "é"][usize::from(b / 64)]);
        }
        2 => map.put(["x", "page-k", "days"][usize::from(b / 64 % 3)], i64::from(b % 4)),
        3 => map.offer("choice", i64::from(b % 4)),
        4 => map.counter("votes").add(i64::from(b % 3) - 1),
        5 if b.is_multiple_of(2) => map.set("tags").insert(i64::from(b % 3)),
        5 => map.set("tags").remove(i64::from(b % 3)),
        6 if b.is_multiple_of(2) => map.flag("done").enable(),
        6 => map.flag("done").disable(),
        _ => edit_list(&mut map.list("days"), a.rotate_left(3), b),
    }
}

fn edit_list(list: &mut ListMut<'_>, a: u8, b: u8) {
    let at = usize::from(b) % (list.len() + 1);
    match a % 8 {
        0 => list.insert(at, i64::from(b % 4)),
        1 => list.insert_map(at).put("x", i64::from(b % 4)),
        2 => list.insert_text(at).insert(0, "abc"),
        3 => {
            list.remove(at);
        }
        4 => {
            list.move_to(at, usize::from(a) % (list.len() + 1));
        }
        5 => drop(list.map(at).map(|mut map| map.put("x", i64::from(a % 4)))),
        6 => drop(list.text(at).map(|mut text| text.insert(1, "x"))),
        _ => {
            list.put(at, i64::from(a % 4));
        }
    }
}

/// The place that a pointer means in what is shown, made where it is not, or where a plain value was.
fn place<'a>(value: &'a mut Value, pointer: &str) -> &'a mut Value {
    let nothing = || Value::Map(BTreeMap::new());
    pointer.split('/').skip(1).fold(value, |value, key| {
        if let Value::Scalar(_) = value {
            *value = nothing();
        }
        match value {
            Value::List(list) => &mut list[key.parse::<usize>().unwrap()],
            Value::Map(map) => map.entry(key.to_owned()).or_insert_with(nothing),
            Value::Scalar(_) => unreachable!(),
        }
    })
}

fn apply(shown: &mut Value, patch: &Patch) {
    let at = place(shown, patch.path());
    match patch {
        Patch::Text { patch, .. } => {
            let mut chars: Vec<char> = at.as_str().unwrap_or_default().chars().collect();
            match patch {
                TextPatch::Insert { pos, text } => drop(chars.splice(pos..pos, text.chars())),
                TextPatch::Delete { pos, len } => drop(chars.drain(*pos..pos + len)),
            }
            *at = Value::from(chars.into_iter().collect::<String>());
        }
        Patch::List { index, removed, inserted, .. } => {
            let mut list = at.as_list().unwrap_or_default().to_vec();
            list.splice(*index..index + removed, inserted.iter().cloned());
            *at = Value::List(list);
        }
        Patch::Value { value, .. } => *at = value.clone().unwrap_or(Value::Map(BTreeMap::new())),
        other => panic!("{other:?}"),
    }
}

/// Without what is empty, as documents are shown; elements of lists stay.
fn tidy(value: &Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Map(map) => map.is_empty(),
        Value::List(list) => list.is_empty(),
        value => value.as_str() == Some(""),
    };
    match value {
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), tidy(value)));
            Value::Map(entries.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::List(list) => Value::List(list.iter().map(tidy).collect()),
        value => value.clone(),
    }
}

/// One who shows a document by its changes alone.
struct Screen {
    shown: Value,
    changes: mpsc::Receiver<Change>,
}

impl Screen {
    fn check(&mut self, doc: &Doc) {
        for change in self.changes.try_iter() {
            let before = tidy(&self.shown);
            for patch in &change.patches {
                apply(&mut self.shown, patch);
                // Within a list an index may have meant another element before, and a text that came and went
                // covered a value.
                if let Patch::Value { path, value } = patch
                    && !change.patches.iter().any(|patch| matches!(patch, Patch::Text { .. }))
                    && !path.contains("/todo/")
                    && !path.contains("/days/")
                {
                    assert_ne!(
                        before.pointer(path),
                        value.as_ref().map(tidy).as_ref(),
                        "{patch:?} changes nothing"
                    );
                }
            }
        }
        assert_eq!(tidy(&self.shown), tidy(&doc.value()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn patches_lead_from_what_was_shown_to_what_is(
        steps in prop::collection::vec((0..3usize, 0..3usize, any::<[u8; 3]>(), 0..8u8), 0..60),
    ) {
        let mut docs: Vec<Doc> = (0..3).map(|n| Doc::new(id(n))).collect();
        let mut undo = UndoManager::new(&mut docs[0], UndoOptions::default());
        let (mut screens, mut subscriptions) = (Vec::new(), Vec::new());
        for doc in &mut docs {
            let (sender, changes) = mpsc::channel();
            subscriptions.push(doc.subscribe(move |change| sender.send(change.clone()).unwrap()));
            screens.push(Screen { shown: doc.value(), changes });
        }
        for (now, (to, from, [kind, a, b], what)) in steps.into_iter().enumerate() {
            match what {
                0..=4 => docs[to].transact(now as u64 / 2, |tx| edit(tx, kind, a, b)),
                5 => drop(undo.undo(&mut docs[0], now as u64)),
                _ => {
                    let delta = docs[from].delta_since(docs[to].version());
                    docs[to].apply(&delta).unwrap();
                }
            }
            docs.iter().zip(&mut screens).for_each(|(doc, screen)| screen.check(doc));
        }
    }
}

/// A write that lost, one of what is there, and an addition to a set of what is in it: nothing that anybody sees
/// changes. The write that lost is told as a conflict.
#[test]
fn what_changes_nothing_sends_no_patch() {
    let mut a = Doc::new(id(0));
    let mut b = Doc::new(id(1));
    a.transact(5, |tx| {
        tx.put("title", "later");
        tx.set("tags").insert("x");
    });
    b.transact(4, |tx| {
        tx.put("title", "earlier");
        tx.set("tags").insert("x");
    });
    let (sender, changes) = mpsc::channel();
    let _subscription = a.subscribe(move |change: &Change| sender.send(change.clone()).unwrap());
    a.record_patches();
    a.apply(&b.delta_since(a.version())).unwrap();
    let change = changes.try_recv().unwrap();
    assert!(change.patches.is_empty() && a.take_patches().is_empty());
    assert_eq!(change.conflicts[0].losers[0].value, "earlier".into());

    a.transact(6, |tx| tx.put("title", "later")); // the same again
    assert!(changes.try_recv().is_err());
    a.transact(7, |tx| tx.put("title", "new"));
    assert_eq!(changes.try_recv().unwrap().patches.len(), 1);
}

/// Who shows a log hears of the entry that came, wherever it stands, not of all.
#[test]
fn an_entry_of_a_log_is_told_by_itself() {
    let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
    a.transact(5, |tx| (0..3).for_each(|n| tx.log("events").append(n)));
    b.transact(4, |tx| tx.log("events").append("earlier"));
    let (sender, changes) = mpsc::channel();
    let _subscription = a.subscribe(move |change: &Change| sender.send(change.patches.clone()).unwrap());
    a.apply(&b.delta_since(a.version())).unwrap();
    a.transact(6, |tx| tx.log("events").append("last"));
    a.transact(7, |tx| tx.remove("events"));
    let told = |index, removed, inserted: &[&str]| {
        let inserted = inserted.iter().map(|entry| Value::from(*entry)).collect();
        vec![Patch::List { path: "/events".into(), index, removed, inserted }]
    };
    let all: Vec<_> = changes.try_iter().collect();
    assert_eq!(all, [told(0, 0, &["earlier"]), told(4, 0, &["last"]), told(0, 5, &[])]);
}
