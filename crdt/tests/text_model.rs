//! Text against a slow, obviously right model of FugueMax, under random concurrent editing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::testkit::{FugueMax, FugueOp};
use crdt::text::{Cursor, Side};
use crdt::{Doc, Dot, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

/// The text that these operations make; they come in an order in which each builds on those before it.
fn model<'a>(ops: impl Iterator<Item = &'a (Dot, FugueOp)>) -> FugueMax {
    let mut model = FugueMax::new();
    ops.for_each(|(dot, op)| assert!(model.apply(*dot, op)));
    model
}

/// Where a cursor stands, by the model.
fn position(model: &FugueMax, cursor: &Cursor) -> Option<usize> {
    let all = model.all();
    let shown = |all: &[(Dot, bool)]| all.iter().filter(|(_, shown)| *shown).count();
    let Some(anchor) = cursor.anchor() else {
        return Some(if cursor.side() == Side::Before { shown(&all) } else { 0 });
    };
    let at = all.iter().position(|(dot, _)| *dot == anchor)?;
    Some(shown(&all[..at]) + usize::from(cursor.side() == Side::After && all[at].1))
}

#[derive(Clone, Debug)]
struct Step {
    site: usize,
    from: usize,
    what: u8,
    pos: u8,
    arg: u8,
}

fn step() -> impl Strategy<Value = Step> {
    (0..3usize, 0..3usize, 0..8u8, any::<u8>(), any::<u8>()).prop_map(|(site, from, what, pos, arg)| Step {
        site,
        from,
        what,
        pos,
        arg,
    })
}

/// What one does, and where: deletes, goes on, stays to type backwards, goes back to where all began, or anywhere.
fn edits() -> impl Strategy<Value = Vec<(u8, prop::sample::Index)>> {
    prop::collection::vec((0..14u8, any::<prop::sample::Index>()), 1..16)
}

const WORDS: [&str; 4] = ["a", "b\nc", "👋é", "defg"];

/// The operations that a version has seen, in an order in which they may be applied.
fn seen<'a>(
    log: &'a [(Dot, FugueOp)],
    version: &'a VersionVector,
) -> impl Iterator<Item = &'a (Dot, FugueOp)> {
    log.iter().filter(|(dot, _)| version.contains(*dot))
}

fn text(doc: &Doc) -> String {
    doc.text("t").map(ToString::to_string).unwrap_or_default()
}

/// The examples of the paper: what each of several writers types at one place, forwards or from the end to the
/// front, stays in one piece.
#[test]
fn runs_do_not_interleave_whichever_way_they_are_typed() {
    let words = ["milk", "eggs", "bread"];
    for backwards in 0..8u32 {
        let mut base = Doc::new(ReplicaId::from_u128(9));
        base.transact(0, |tx| tx.text("t").insert(0, "[]"));
        let mut whole = base.clone();
        for (n, word) in words.iter().enumerate() {
            let mut doc = base.clone();
            doc.set_author(ReplicaId::from_u128(n as u128 + 1));
            let from_the_end = backwards >> n & 1 == 1;
            for i in 0..word.len() {
                let (pos, i) = if from_the_end { (1, word.len() - 1 - i) } else { (1 + i, i) };
                doc.transact(0, |tx| tx.text("t").insert(pos, &word[i..i + 1]));
            }
            whole.apply(&doc.delta_since(whole.version())).unwrap();
        }
        let shown = text(&whole);
        assert_eq!(shown.len(), 2 + words.concat().len());
        assert!(words.iter().all(|word| shown.contains(word)), "{shown}");
    }
}

/// Deletions that follow each other are one operation in the log, though what the second deletes was written
/// by one who had seen the first.
#[test]
fn a_deletion_joined_to_one_that_its_target_had_seen_is_not_lost() {
    let (mut a, mut b) = (Doc::new(ReplicaId::from_u128(1)), Doc::new(ReplicaId::from_u128(2)));
    for letter in ["x", "y", "z"] {
        b.transact(0, |tx| tx.text("t").insert(0, letter));
        a.apply(&b.delta_since(a.version())).unwrap();
        a.transact(0, |tx| tx.text("t").delete(0..1));
        b.apply(&a.delta_since(b.version())).unwrap();
    }
    let mut late = Doc::new(ReplicaId::from_u128(3));
    late.apply(&a.delta_since(late.version())).unwrap();
    assert_eq!((text(&a), text(&late)), (String::new(), String::new()));
}

/// A text as it was saved: before anybody asks for its history, and after.
fn reads_the_same_from_a_file(doc: &Doc) {
    let saved = doc.save();
    let copy = Doc::load(&saved, doc.author()).unwrap();
    let (Some(text), Some(stored)) = (doc.text("t"), copy.text("t")) else {
        assert!(doc.text("t").is_none() && copy.text("t").is_none());
        return;
    };
    for pos in 0..text.len() + 2 {
        assert_eq!(stored.slice(1..pos), text.slice(1..pos));
        assert_eq!(stored.char_to_utf8(pos), text.char_to_utf8(pos));
        assert_eq!(stored.char_to_utf16(pos), text.char_to_utf16(pos));
        assert_eq!(stored.utf8_to_char(pos), text.utf8_to_char(pos));
        assert_eq!(stored.utf16_to_char(pos), text.utf16_to_char(pos));
        let plain: String = text.to_string().chars().take(pos).collect();
        assert_eq!(text.char_to_utf8(pos), plain.len());
        assert_eq!(text.char_to_utf16(pos), plain.encode_utf16().count());
    }
    assert!(stored.dots().eq(text.dots()));
    assert_eq!(copy.save(), saved);
    let nothing = VersionVector::new();
    assert_eq!(copy.delta_since(&nothing), doc.delta_since(&nothing));
}

proptest! {
    #[test]
    fn every_replica_shows_what_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        let mut docs: Vec<Doc> = (0..3).map(|n| Doc::new(ReplicaId::from_u128(n + 1))).collect();
        let mut log: Vec<(Dot, FugueOp)> = Vec::new();
        let (mut cursors, mut versions) = (Vec::new(), Vec::new());
        for step in steps {
            let Step { site, from, what, pos, arg } = step;
            if let Some(text) = docs[site].text("t") {
                let side = if arg.is_multiple_of(2) { Side::Before } else { Side::After };
                cursors.push(text.cursor(usize::from(pos) * (text.len() + 1) / 256, side));
            }
            let (before, version) = (text(&docs[site]), docs[site].version().clone());
            if what < 6 {
                let doc = &mut docs[site];
                let len = doc.text("t").map_or(0, |text| text.len());
                let pos = usize::from(pos) * (len + 1) / 256;
                let (author, mut seq) = (doc.author(), doc.version().get(doc.author()));
                if what < 4 {
                    let word = WORDS[usize::from(arg) % WORDS.len()];
                    let mut model = model(seen(&log, doc.version()));
                    for (i, c) in word.chars().enumerate() {
                        let op = model.insert(pos + i, c);
                        seq += 1;
                        model.apply(Dot::new(author, seq), &op);
                        log.push((Dot::new(author, seq), op));
                    }
                    doc.transact(0, |tx| tx.text("t").insert(pos, word));
                } else {
                    let range = pos..(pos + usize::from(arg % 4)).min(len);
                    let model = model(seen(&log, doc.version()));
                    for pos in range.clone() {
                        seq += 1;
                        log.push((Dot::new(author, seq), model.delete(pos).unwrap()));
                    }
                    doc.transact(0, |tx| tx.text("t").delete(range));
                }
            } else if site != from {
                let delta = docs[from].delta_since(docs[site].version());
                docs[site].apply(&delta).unwrap();
            }
            versions.push((version, before));
            let model = model(seen(&log, docs[site].version()));
            prop_assert_eq!(text(&docs[site]), model.text());
            for cursor in docs[site].text("t").map_or(&[][..], |_| &cursors) {
                let shown = docs[site].text("t").and_then(|text| text.position(cursor));
                prop_assert_eq!(shown, position(&model, cursor));
            }
            if let Some(text) = docs[site].text("t") {
                let all = model.all();
                let dots: Vec<Dot> = all.iter().filter(|(_, shown)| *shown).map(|(dot, _)| *dot).collect();
                prop_assert!(text.dots().eq(dots.iter().copied()));
                for (pos, dot) in dots.iter().enumerate() {
                    prop_assert_eq!((text.dot_at(pos), text.position_of(*dot)), (Some(*dot), Some(pos)));
                }
                prop_assert_eq!(text.dot_at(dots.len()), None);
                let gone = all.iter().find(|(_, shown)| !shown);
                prop_assert_eq!(gone.and_then(|(dot, _)| text.position_of(*dot)), None);
            }
        }
        let mut whole = Doc::new(ReplicaId::from_u128(9));
        for doc in &docs {
            let delta = doc.delta_since(whole.version());
            whole.apply(&delta).unwrap();
        }
        prop_assert_eq!(text(&whole), model(log.iter()).text());
        for (version, then) in versions {
            prop_assert_eq!(whole.text("t").and_then(|text| text.at(&version)).unwrap_or_default(), then);
        }
        reads_the_same_from_a_file(&whole);
        docs.iter().for_each(reads_the_same_from_a_file);
    }

    /// Many at one place, some of whom have seen some others, as their edits come one by one: what finds a place among
    /// them remembers some, and must not change where the others go.
    #[test]
    fn a_crowd_at_one_place_stands_as_the_model_says(
        writers in prop::collection::btree_map(1..u128::MAX, (0..4u8, any::<bool>()), 2..40),
        bracket_first: bool,
        order: u64,
    ) {
        let mut base = Doc::new(ReplicaId::from_u128(u128::MAX));
        let mut log: Vec<(Dot, FugueOp)> = Vec::new();
        let brackets = if bracket_first { [(0, '['), (1, ']')] } else { [(0, ']'), (0, '[')] };
        for (seq, (pos, c)) in (1..).zip(brackets) {
            base.transact(0, |tx| tx.text("t").insert(pos, &c.to_string()));
            log.push((Dot::new(ReplicaId::from_u128(u128::MAX), seq), model(log.iter()).insert(pos, c)));
        }
        let mut met = base.clone();
        let mut deltas = Vec::new();
        for (id, (kind, meets)) in writers {
            let mut doc = if meets { met.clone() } else { base.clone() };
            doc.set_author(ReplicaId::from_u128(id));
            let before = doc.version().clone();
            let mut seen = model(seen(&log, &before));
            for n in 0..u64::from(kind.clamp(1, 3)) {
                let pos = if kind == 3 { 1 } else { 1 + n as usize };
                doc.transact(0, |tx| tx.text("t").insert(pos, "x"));
                let (dot, op) = (Dot::new(doc.author(), n + 1), seen.insert(pos, 'x'));
                seen.apply(dot, &op);
                log.push((dot, op));
            }
            deltas.push(doc.delta_since(&before));
            if kind == 0 {
                met = doc;
            }
        }
        // Each comes as soon as what it builds on is there, in an order of chance.
        let mut whole = base;
        let mut order = order | 1;
        while !deltas.is_empty() {
            order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let next = (order >> 33) as usize % deltas.len();
            if whole.apply(&deltas[next]).is_ok() {
                deltas.swap_remove(next);
            }
        }
        let model = model(log.iter());
        let shown: Vec<Dot> = model.all().into_iter().map(|(dot, _)| dot).collect();
        prop_assert!(whole.text("t").unwrap().dots().eq(shown));
    }
    /// Trees of every shape: large ones that hang on one character, and chains, of one author or of several, forwards,
    /// backwards or by turns; beside them those who have seen only some of it. Each edit comes by itself, in any order in which
    /// it can come, also once the place where all began is forgotten.
    #[test]
    fn whatever_hangs_together_stands_as_the_model_says(
        writers in prop::collection::vec(
            (prop::array::uniform2(any::<prop::sample::Index>()), any::<bool>(), edits()),
            2..12,
        ),
        names in Just((1..=12).collect::<Vec<u128>>()).prop_shuffle(),
        bracket_first: bool,
        forgets: Option<prop::sample::Index>,
        order: u64,
        last_first: bool,
    ) {
        let mut base = Doc::new(ReplicaId::from_u128(u128::MAX));
        let mut log: Vec<(Dot, FugueOp)> = Vec::new();
        let brackets = if bracket_first { [(0, '['), (1, ']')] } else { [(0, ']'), (0, '[')] };
        for (seq, (pos, c)) in (1..).zip(brackets) {
            base.transact(0, |tx| tx.text("t").insert(pos, &c.to_string()));
            log.push((Dot::new(ReplicaId::from_u128(u128::MAX), seq), model(log.iter()).insert(pos, c)));
        }
        let (mut states, mut deltas) = (vec![base.clone()], Vec::new());
        for (name, (begins, merges, edits)) in names.into_iter().zip(writers) {
            let mut doc = begins[0].get(&states).clone();
            doc.set_author(ReplicaId::from_u128(name));
            if merges {
                let other = begins[1].get(&states);
                doc.apply(&other.delta_since(doc.version())).unwrap();
            }
            let mut here = model(seen(&log, doc.version()));
            let mut at = 1;
            for (what, pos) in edits {
                let (before, len) = (doc.version().clone(), here.text().chars().count());
                let op = match what {
                    0 => here.delete(pos.index(len + 1)).map(|op| (op, pos.index(len + 1), true)),
                    _ => {
                        at = match what {
                            1..=4 => (at + 1).min(len),
                            5..=8 => at.min(len),
                            9..=11 => 1.min(len),
                            _ => pos.index(len + 1),
                        };
                        Some((here.insert(at, 'x'), at, false))
                    }
                };
                let Some((op, at, deletes)) = op else { continue };
                doc.transact(0, |tx| match deletes {
                    true => tx.text("t").delete(at..at + 1),
                    false => tx.text("t").insert(at, "x"),
                });
                let dot = Dot::new(doc.author(), doc.version().get(doc.author()));
                here.apply(dot, &op);
                log.push((dot, op));
                deltas.push(doc.delta_since(&before));
                states.push(doc.clone());
            }
        }
        let (mut whole, began) = (base.clone(), base.version().clone());
        let forgets = forgets.map(|at| at.index(deltas.len() + 1));
        let mut order = order | 1;
        while !deltas.is_empty() {
            if forgets == Some(deltas.len()) {
                whole.forget(&began);
            }
            order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let from = if last_first { deltas.len() - 1 } else { (order >> 33) as usize % deltas.len() };
            let can = (0..=from).rev().chain(from + 1..deltas.len()).find(|n| whole.apply(&deltas[*n]).is_ok());
            deltas.remove(can.unwrap());
        }
        let model = model(log.iter());
        let shown = model.all().into_iter().filter_map(|(dot, shown)| shown.then_some(dot));
        prop_assert!(whole.text("t").unwrap().dots().eq(shown));
        if forgets.is_none() {
            reads_the_same_from_a_file(&whole);
        }
    }
}
