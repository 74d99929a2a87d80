//! Marks against a slow, obviously right model, and patches against what they are to lead to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use crate::doc::{Change, Expand, Patch, Scalar, TextMut, UndoManager, UndoOptions};
use crate::text::TextPatch;
use crate::{Doc, Dot, Hlc, ReplicaId, Replicated, VersionVector};

const KEYS: [&str; 3] = ["bold", "colour", "link"];
const EXPAND: [Expand; 3] = [Expand::After, Expand::Both, Expand::None];

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

/// Where a mark starts or ends: at a character's left or right, or at an end of the text.
#[derive(Clone, Copy, Debug)]
enum End {
    Start,
    Left(Dot),
    Right(Dot),
    Last,
}

/// A mark as it was made, whatever became of it.
#[derive(Clone, Debug)]
struct Made {
    dot: Dot,
    key: usize,
    value: Option<u8>,
    start: End,
    end: End,
    stamp: Hlc,
}

#[derive(Clone, Debug)]
struct Step {
    site: usize,
    what: u8,
    from: u8,
    len: u8,
    arg: u8,
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3usize, 0..12u8, any::<u8>(), 0..6u8, any::<u8>());
    prop::collection::vec(
        step.prop_map(|(site, what, from, len, arg)| Step { site, what, from, len, arg }),
        1..most,
    )
}

/// What a step marks: key, value and where the key grows.
fn marks(step: &Step) -> (usize, Option<u8>) {
    (usize::from(step.arg % 3), (step.arg / 3 % 3).checked_sub(1))
}

fn range(text: &TextMut<'_>, step: &Step) -> std::ops::Range<usize> {
    let from = usize::from(step.from) % (text.len() + 1);
    from..(from + usize::from(step.len)).min(text.len())
}

fn edit(text: &mut TextMut<'_>, step: &Step) {
    let range = range(text, step);
    match step.what {
        0..=3 => text.insert(range.start, ["x", "yz", "é👋", "word"][usize::from(step.arg % 4)]),
        4 | 5 => text.delete(range),
        _ => {
            let (key, value) = marks(step);
            let value = value.map_or(Scalar::Null, |value| i64::from(value).into());
            text.mark(range, KEYS[key], value, EXPAND[key]);
        }
    }
}

/// The mark that a step will make, by what the paper says of its ends.
fn made(doc: &Doc, now: u64, step: &Step, all: &[Made]) -> Option<Made> {
    let dots: Vec<Dot> = doc.text("t").map(|text| text.dots().collect()).unwrap_or_default();
    let from = usize::from(step.from) % (dots.len() + 1);
    let to = (from + usize::from(step.len)).min(dots.len());
    let (key, value) = marks(step);
    let (mut left, mut right) = match EXPAND[key] {
        Expand::None => (false, false),
        Expand::Before => (true, false),
        Expand::After => (false, true),
        Expand::Both => (true, true),
    };
    if value.is_none() && left == right {
        (left, right) = (!left, !right);
    }
    let start = match (left, from) {
        (true, 0) => End::Start,
        (true, from) => End::Right(dots[from - 1]),
        (false, from) => End::Left(*dots.get(from)?),
    };
    let end = match (right, dots.get(to)) {
        (true, None) => End::Last,
        (true, Some(next)) => End::Left(*next),
        (false, _) => End::Right(*dots.get(to.checked_sub(1)?)?),
    };
    let seen = all.iter().filter(|mark| doc.version().contains(mark.dot)).map(|mark| mark.stamp).max();
    let mut stamp = Hlc::new(now, 0);
    if let Some(seen) = seen.filter(|seen| *seen >= stamp) {
        stamp.observe(seen);
        stamp.tick(0);
    }
    let dot = Dot::new(doc.author(), doc.version().get(doc.author()) + 1);
    (from < to).then_some(Made { dot, key, value, start, end, stamp })
}

type Attributes = BTreeMap<&'static str, i64>;

/// The attributes of each visible character, by looking at every mark ever made for every character.
fn model(doc: &Doc, all: &[Made]) -> Vec<Attributes> {
    let Some(text) = doc.text("t") else { return Vec::new() };
    let nothing = VersionVector::new();
    let events = doc.version().since(&nothing);
    let dots = events.flat_map(|span| (span.after + 1..=span.to).map(move |seq| Dot::new(span.replica, seq)));
    let mut order: Vec<Dot> = dots.filter(|dot| text.place_of(*dot).is_some()).collect();
    order.sort_by(|a, b| text.order(*a, *b).unwrap());
    let at = |dot: Dot| order.iter().position(|other| *other == dot).unwrap();
    let place = |end: End| match end {
        End::Start => 0,
        End::Left(dot) => at(dot),
        End::Right(dot) => at(dot) + 1,
        End::Last => order.len(),
    };
    let seen: Vec<&Made> = all.iter().filter(|mark| doc.version().contains(mark.dot)).collect();
    let attributes = |i: usize| {
        let winner = |key: usize| {
            let over = |mark: &&&Made| mark.key == key && place(mark.start) <= i && i < place(mark.end);
            seen.iter().filter(over).max_by_key(|mark| (mark.stamp, mark.dot))
        };
        let shown = (0..KEYS.len()).filter_map(|key| Some((KEYS[key], i64::from(winner(key)?.value?))));
        shown.collect()
    };
    let visible = (0..order.len()).filter(|i| text.position_of(order[*i]).is_some());
    visible.map(attributes).collect()
}

/// The same as the document says.
fn shown(doc: &Doc) -> Vec<Attributes> {
    let key = |key: &str| KEYS.iter().copied().find(|k| *k == key).unwrap();
    let value = |value: &Scalar| if let Scalar::Int(n) = value { *n } else { panic!("{value}") };
    let mut out: Vec<Attributes> = Vec::new();
    let mut last = None;
    for span in doc.spans("t").into_iter().flatten() {
        let attributes: Attributes = span.attributes().iter().map(|(k, v)| (key(k), value(v))).collect();
        assert_eq!((span.range().start, span.to_string().chars().count()), (out.len(), span.range().len()));
        assert!(
            !span.range().is_empty() && last.as_ref() != Some(&attributes),
            "spans are as long as they go"
        );
        out.extend(span.range().map(|_| attributes.clone()));
        last = Some(attributes);
    }
    let one = |pos| {
        doc.attributes("t", pos).unwrap().iter().map(|(k, v)| (key(k), value(v))).collect::<Attributes>()
    };
    assert!((0..out.len()).map(one).eq(out.iter().cloned()), "one by one as in spans");
    out
}

/// A text that is kept up by patches alone.
#[derive(Clone, Default)]
struct Mirror(Vec<(char, BTreeMap<String, Scalar>)>);

impl Mirror {
    fn patch(&mut self, patch: &Patch) {
        match patch {
            Patch::Text { patch: TextPatch::Insert { pos, text }, .. } => {
                self.0.splice(*pos..*pos, text.chars().map(|c| (c, BTreeMap::new())));
            }
            Patch::Text { patch: TextPatch::Delete { pos, len }, .. } => drop(self.0.drain(*pos..pos + len)),
            Patch::Mark { range, key, value, .. } => {
                for (_, attributes) in &mut self.0[range.clone()] {
                    let before = match value {
                        Some(value) => attributes.insert(key.clone(), value.clone()),
                        None => attributes.remove(key),
                    };
                    assert_ne!(&before, value, "a patch changes something");
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn of(doc: &Doc) -> Mirror {
        let mut all = Mirror::default();
        for span in doc.spans("t").into_iter().flatten() {
            let own = |(k, v): (&str, &Scalar)| (k.to_owned(), v.clone());
            let attributes: BTreeMap<String, Scalar> = span.attributes().iter().map(own).collect();
            all.0.extend(span.to_string().chars().map(|c| (c, attributes.clone())));
        }
        all
    }
}

proptest! {
    /// Whatever is typed, deleted and marked by whom, and in whatever order it arrives: every character has
    /// what the model says, in one document that grew, in one that took all at once, and in one from a file.
    #[test]
    fn every_character_has_what_the_model_says(steps in steps(40)) {
        let mut docs = [0, 1, 2].map(|n| Doc::new(id(n)));
        let mut all: Vec<Made> = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let now = [i, i / 2, 7][step.site] as u64;
            if step.what >= 10 {
                let lacks = docs[(step.site + 1) % 3].delta_since(docs[step.site].version());
                docs[step.site].apply(&lacks).unwrap();
            } else {
                let doc = &mut docs[step.site];
                let made = if step.what >= 6 { made(doc, now, step, &all) } else { None };
                let before = doc.version().clone();
                doc.transact(now, |tx| edit(&mut tx.text("t"), step));
                all.extend(made.filter(|_| doc.version() != &before));
            }
            let doc = &docs[step.site];
            prop_assert_eq!(shown(doc), model(doc, &all));
        }
        let mut whole = Doc::new(id(9));
        for doc in &docs {
            whole.apply(&doc.delta_since(whole.version())).unwrap();
        }
        prop_assert_eq!(shown(&whole), model(&whole, &all));
        let copy = Doc::load(&whole.save(), id(10)).unwrap();
        prop_assert_eq!(shown(&copy), shown(&whole));
        for mut doc in docs {
            doc.apply(&whole.delta_since(doc.version())).unwrap();
            prop_assert_eq!(doc.save(), whole.save());
            prop_assert_eq!(shown(&doc), shown(&whole));
        }
    }

    /// Patches alone keep a copy up to date through edits, merges, undo and redo; and what is typed has what
    /// was said before that it would have.
    #[test]
    fn patches_say_all(steps in steps(30)) {
        let mut docs = [0, 1, 2].map(|n| Doc::new(id(n)));
        let changes: Arc<Mutex<Vec<Change>>> = Arc::default();
        let heard = Arc::clone(&changes);
        let subscription = docs[0].subscribe(move |change| heard.lock().unwrap().push(change.clone()));
        let mut undo = UndoManager::new(&mut docs[0], UndoOptions::default());
        let mut mirror = Mirror::default();
        for (i, step) in steps.iter().enumerate() {
            let (now, doc) = (i as u64 * 300, step.site);
            match (step.what, step.arg % 3) {
                (10, _) | (11, 0) => {
                    let lacks = docs[(doc + 1) % 3].delta_since(docs[doc].version());
                    docs[doc].apply(&lacks).unwrap();
                }
                (11, 1) => drop(undo.undo(&mut docs[0], now)),
                (11, _) => drop(undo.redo(&mut docs[0], now)),
                (0..=3, _) => {
                    let len = docs[doc].text("t").map_or(0, |text| text.len());
                    let pos = usize::from(step.from) % (len + 1);
                    let told = docs[doc].attributes_for_insert("t", pos).map(|a| a.to_value());
                    docs[doc].transact(now, |tx| edit(&mut tx.text("t"), step));
                    let has = docs[doc].attributes("t", pos).map(|a| a.to_value());
                    prop_assert!(told.is_none() || has == told);
                }
                _ => docs[doc].transact(now, |tx| edit(&mut tx.text("t"), step)),
            }
            for change in changes.lock().unwrap().drain(..) {
                change.patches.iter().for_each(|patch| mirror.patch(patch));
            }
            prop_assert_eq!(&mirror.0, &Mirror::of(&docs[0]).0);
        }
        drop(subscription);
    }

    /// Undoing all, step by step, shows what was there after each step, and redoing shows it again.
    #[test]
    fn undo_brings_attributes_back(steps in steps(20)) {
        let mut doc = Doc::new(id(0));
        let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
        let mut states = vec![Mirror::of(&doc).0];
        for (i, step) in steps.iter().enumerate() {
            let before = undo.undo_steps(&mut doc);
            doc.transact(i as u64 * 1_000, |tx| {
                let step = Step { what: step.what % 10, ..step.clone() };
                if step.arg == 77 { tx.remove("t") } else { edit(&mut tx.text("t"), &step) }
            });
            if undo.undo_steps(&mut doc) > before {
                states.push(Mirror::of(&doc).0);
            }
        }
        for round in 0..2u64 {
            for state in states.iter().rev().skip(1) {
                prop_assert!(undo.undo(&mut doc, 100_000 + round));
                prop_assert_eq!(&Mirror::of(&doc).0, state);
            }
            for state in states.iter().skip(1) {
                prop_assert!(undo.redo(&mut doc, 100_000 + round));
                prop_assert_eq!(&Mirror::of(&doc).0, state);
            }
        }
    }
}
