//! The past of a document is as it was, and cursors stay with what they hold on to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::doc::{Cursor, HistoryError};
use crdt::text::Side;
use crdt::{Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n + 1)
}

fn edit(doc: &mut Doc, now: u64, kind: u8, a: u8, b: u8) {
    doc.transact(now, |tx| match kind {
        0 | 1 => tx.text("note").insert(usize::from(a), "xy"),
        2 => tx.text("note").delete(usize::from(a % 8)..usize::from(a % 8 + b % 4)),
        3 => tx.put("title", i64::from(b)),
        4 => tx.list("todo").insert(usize::from(a % 4), i64::from(b)),
        5 => drop(tx.list("todo").move_to(usize::from(a % 4), usize::from(b % 4))),
        6 => drop(tx.list("todo").remove(usize::from(a % 4))),
        7 => tx.remove(["note", "title", "todo", "best", "admins", "events"][usize::from(b % 6)]),
        8 => tx.max("best").set(i64::from(b)),
        9 => tx.rw_set("admins").insert(i64::from(b % 3)),
        10 => tx.rw_set("admins").remove(i64::from(b % 3)),
        _ => tx.log("events").append(i64::from(b)),
    });
}

fn sync(a: &mut Doc, b: &mut Doc) {
    a.apply(&b.delta_since(a.version())).unwrap();
    b.apply(&a.delta_since(b.version())).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_past_is_as_it_was(steps in prop::collection::vec((0..3u8, 0..12u8, any::<u8>(), any::<u8>()), 0..30)) {
        let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
        a.transact(0, |tx| tx.put("before", "history"));
        a.keep_history();
        let mut past = vec![(a.version().clone(), a.save())];
        for (i, (what, kind, x, y)) in steps.into_iter().enumerate() {
            match what {
                0 => edit(&mut a, i as u64, kind, x, y),
                1 => edit(&mut b, i as u64, kind, x, y),
                _ => sync(&mut a, &mut b),
            }
            past.push((a.version().clone(), a.save()));
        }
        for (version, saved) in &past {
            let then = a.at(version).unwrap();
            prop_assert_eq!(&then.save(), saved);
        }
        prop_assert!(a.diff(&past[0].0, a.version()).is_ok());
        prop_assert_eq!(a.at(&VersionVector::new()).unwrap_err(), HistoryError::NotKept);
    }

    /// A cursor stands between the same two characters as long as they are there.
    #[test]
    fn cursors_stay(edits in prop::collection::vec((any::<bool>(), any::<u8>(), any::<u8>()), 0..20), at in 1..9usize) {
        let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
        a.transact(0, |tx| tx.text("note").insert(0, "0123456789"));
        sync(&mut a, &mut b);
        let left = a.cursor("/note", at, Side::After).unwrap();
        let right = Cursor::from_bytes(&a.cursor("/note", at, Side::Before).unwrap().to_bytes()).unwrap();
        for (insert, x, y) in edits {
            b.transact(0, |tx| {
                let mut text = tx.text("note");
                let pos = usize::from(x) * (text.len() + 1) / 256;
                match insert {
                    true => text.insert(pos, "abc"),
                    false => text.delete(pos..pos + usize::from(y % 3)),
                }
            });
        }
        sync(&mut a, &mut b);
        let text = a.text("note").unwrap().to_string();
        let (before, after) = (char::from(b'0' + at as u8 - 1), char::from(b'0' + at as u8));
        let (_, l) = a.position(&left).unwrap();
        let (_, r) = a.position(&right).unwrap();
        prop_assert!(l <= r && r <= text.len());
        if let Some(pos) = text.find(before) {
            prop_assert_eq!(l, pos + 1);
        }
        if let Some(pos) = text.find(after) {
            prop_assert_eq!(r, pos);
        }
        prop_assert_eq!(b.position(&left), a.position(&left));
    }
}

#[test]
fn a_version_that_never_was_is_refused() {
    let (mut a, mut b) = (Doc::new(id(0)), Doc::new(id(1)));
    assert_eq!(a.at(a.version()).unwrap_err(), HistoryError::NotKept);
    a.keep_history();
    b.transact(0, |tx| tx.put("x", 1));
    let first = b.version().clone();
    b.transact(0, |tx| tx.put("x", 2));
    a.apply(&b.delta_since(a.version())).unwrap();
    assert_eq!(a.at(&first).unwrap_err(), HistoryError::TooCoarse);
    assert_eq!(a.at(&[(id(5), 1)].into_iter().collect()).unwrap_err(), HistoryError::NeverWas);
    assert_eq!(a.diff(a.version(), &VersionVector::new()).unwrap_err(), HistoryError::NotBefore);
}

#[test]
fn a_cursor_follows_an_element_that_moves() {
    let mut doc = Doc::new(id(0));
    doc.transact(0, |tx| ["a", "b", "c"].iter().for_each(|item| tx.list("todo").push(*item)));
    let cursor = doc.cursor("/todo", 2, Side::Before).unwrap();
    doc.transact(0, |tx| tx.list("todo").move_to(2, 0));
    assert_eq!(doc.position(&cursor), Some(("/todo".into(), 0)));
    doc.transact(0, |tx| tx.list("todo").remove(0));
    assert_eq!(doc.position(&cursor), Some(("/todo".into(), 2)), "where it was made");
    let end = doc.cursor("/todo", 2, Side::Before).unwrap();
    doc.transact(0, |tx| tx.list("todo").push("d"));
    assert_eq!(doc.position(&end), Some(("/todo".into(), 3)));
    assert!(doc.cursor("/todo", 9, Side::After).is_none() && doc.cursor("/no", 0, Side::After).is_none());
}
