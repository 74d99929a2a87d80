//! Text against a slow, obviously right model of FugueMax, under random concurrent editing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::text::{Cursor, Side};
use crdt::{Doc, Dot, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

/// A character in the tree of FugueMax (Weidner and Kleppmann, "The Art of the Fugue", section 4).
#[derive(Clone, Debug)]
struct Node {
    dot: Dot,
    value: char,
    deleted: bool,
    right: Option<Dot>,
    children: [Vec<usize>; 2],
}

#[derive(Clone, Debug)]
enum Op {
    Insert { value: char, parent: Option<Dot>, side: usize, right: Option<Dot> },
    Delete { target: Dot },
}

/// The tree as a list of nodes; node 0 is the root.
struct Model {
    nodes: Vec<Node>,
}

impl Model {
    /// The tree that these operations make; they come in an order in which each builds on those before it.
    fn of<'a>(ops: impl Iterator<Item = &'a (Dot, Op)>) -> Model {
        let dot = Dot::new(ReplicaId::MIN, 0);
        let root = Node { dot, value: ' ', deleted: true, right: None, children: Default::default() };
        let mut model = Model { nodes: vec![root] };
        ops.for_each(|(dot, op)| model.apply(*dot, op));
        model
    }

    fn at(&self, dot: Dot) -> usize {
        self.nodes.iter().position(|n| n.dot == dot).unwrap()
    }

    fn walk(&self, node: usize, out: &mut Vec<usize>) {
        self.nodes[node].children[0].iter().for_each(|c| self.walk(*c, out));
        out.push(node);
        self.nodes[node].children[1].iter().for_each(|c| self.walk(*c, out));
    }

    /// All nodes in the order of the text, the root and deleted ones too.
    fn order(&self) -> Vec<usize> {
        let mut out = Vec::new();
        self.walk(0, &mut out);
        out
    }

    fn visible(&self) -> Vec<usize> {
        self.order().into_iter().filter(|n| !self.nodes[*n].deleted).collect()
    }

    fn text(&self) -> String {
        self.visible().into_iter().map(|n| self.nodes[n].value).collect()
    }

    fn position(&self, cursor: &Cursor) -> Option<usize> {
        let visible = |n: &usize| !self.nodes[*n].deleted;
        let Some(anchor) = cursor.anchor() else {
            return Some(if cursor.side() == Side::Before { self.visible().len() } else { 0 });
        };
        let order = self.order();
        let at = order.iter().position(|n| self.nodes[*n].dot == anchor)?;
        let after = usize::from(cursor.side() == Side::After && visible(&order[at]));
        Some(order[..at].iter().filter(|n| visible(n)).count() + after)
    }

    /// The operation of typing `value` at `pos`.
    fn insert(&self, pos: usize, value: char) -> Op {
        let left = if pos == 0 { 0 } else { self.visible()[pos - 1] };
        let order = self.order();
        let next = match left {
            // What stands before everything is the root, though its left children come before it.
            0 => order.iter().copied().find(|n| *n != 0),
            _ => order.iter().skip_while(|n| **n != left).nth(1).copied().filter(|n| *n != 0),
        };
        let id = |n: usize| (n != 0).then(|| self.nodes[n].dot);
        let right = next.and_then(id);
        let (parent, side) = match self.nodes[left].children[1].is_empty() {
            true => (id(left), 1),
            false => (right, 0),
        };
        Op::Insert { value, parent, side, right }
    }

    fn apply(&mut self, dot: Dot, op: &Op) {
        match op {
            Op::Delete { target } => {
                let n = self.at(*target);
                self.nodes[n].deleted = true;
            }
            Op::Insert { value, parent, side, right } => {
                let order = self.order();
                let place = |dot: Option<Dot>| {
                    dot.map_or(usize::MAX, |d| order.iter().position(|n| self.nodes[*n].dot == d).unwrap())
                };
                // Right children are in the reverse order of their right origins: that is what "Max" adds.
                let key = |n: &Node| (if *side == 1 { usize::MAX - place(n.right) } else { 0 }, n.dot);
                let parent = parent.map_or(0, |d| self.at(d));
                let children = Default::default();
                let node = Node { dot, value: *value, deleted: false, right: *right, children };
                let siblings = &self.nodes[parent].children[*side];
                let at = siblings.iter().take_while(|s| key(&self.nodes[**s]) < key(&node)).count();
                let new = self.nodes.len();
                self.nodes.push(node);
                self.nodes[parent].children[*side].insert(at, new);
            }
        }
    }
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

const WORDS: [&str; 4] = ["a", "b\nc", "👋é", "defg"];

/// The operations that a version has seen, in an order in which they may be applied.
fn seen<'a>(log: &'a [(Dot, Op)], version: &'a VersionVector) -> impl Iterator<Item = &'a (Dot, Op)> {
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
        let mut log: Vec<(Dot, Op)> = Vec::new();
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
                    for (i, c) in word.chars().enumerate() {
                        let op = Model::of(seen(&log, &doc.version().clone().merged(&[(author, seq)].into_iter().collect()))).insert(pos + i, c);
                        seq += 1;
                        log.push((Dot::new(author, seq), op));
                    }
                    doc.transact(0, |tx| tx.text("t").insert(pos, word));
                } else {
                    let range = pos..(pos + usize::from(arg % 4)).min(len);
                    let model = Model::of(seen(&log, doc.version()));
                    for n in model.visible().get(range.clone()).unwrap_or_default() {
                        seq += 1;
                        log.push((Dot::new(author, seq), Op::Delete { target: model.nodes[*n].dot }));
                    }
                    doc.transact(0, |tx| tx.text("t").delete(range));
                }
            } else if site != from {
                let delta = docs[from].delta_since(docs[site].version());
                docs[site].apply(&delta).unwrap();
            }
            versions.push((version, before));
            let model = Model::of(seen(&log, docs[site].version()));
            prop_assert_eq!(text(&docs[site]), model.text());
            for cursor in docs[site].text("t").map_or(&[][..], |_| &cursors) {
                let shown = docs[site].text("t").and_then(|text| text.position(cursor));
                prop_assert_eq!(shown, model.position(cursor));
            }
            if let Some(text) = docs[site].text("t") {
                let dots: Vec<Dot> = model.visible().into_iter().map(|n| model.nodes[n].dot).collect();
                prop_assert!(text.dots().eq(dots.iter().copied()));
                for (pos, dot) in dots.iter().enumerate() {
                    prop_assert_eq!((text.dot_at(pos), text.position_of(*dot)), (Some(*dot), Some(pos)));
                }
                prop_assert_eq!(text.dot_at(dots.len()), None);
                let gone = model.nodes.iter().find(|n| n.deleted).map(|n| n.dot);
                prop_assert_eq!(gone.and_then(|dot| text.position_of(dot)), None);
            }
        }
        let mut whole = Doc::new(ReplicaId::from_u128(9));
        for doc in &docs {
            let delta = doc.delta_since(whole.version());
            whole.apply(&delta).unwrap();
        }
        prop_assert_eq!(text(&whole), Model::of(log.iter()).text());
        for (version, then) in versions {
            prop_assert_eq!(whole.text("t").and_then(|text| text.at(&version)).unwrap_or_default(), then);
        }
        reads_the_same_from_a_file(&whole);
        docs.iter().for_each(reads_the_same_from_a_file);
    }
}
