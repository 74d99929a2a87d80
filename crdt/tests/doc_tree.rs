//! Trees in documents: moves, what nodes hold, patches, undo, history.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::BTreeMap;

use crdt::doc::{Patch, TreePatch, UndoManager, UndoOptions};
use crdt::tree::{NodeId, Position};
use crdt::{ApplyError, Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn doc(n: u128) -> Doc {
    Doc::new(ReplicaId::from_u128(n))
}

fn send(from: &Doc, to: &mut Doc) {
    let delta = crdt::Delta::from_bytes(&from.delta_since(to.version()).to_bytes()).unwrap();
    to.apply(&delta).unwrap();
}

/// Titles by depth: `a`, ` b` below it.
fn outline(doc: &Doc) -> Vec<String> {
    let Some(tree) = doc.tree("outline") else { return Vec::new() };
    let title = |node| tree.data(node).pointer("/title").map(|title| title.to_string()).unwrap_or_default();
    tree.walk()
        .map(|(depth, node)| format!("{}{}", " ".repeat(depth), title(node).replace('"', "")))
        .collect()
}

fn add(doc: &mut Doc, now: u64, title: &str, parent: Option<NodeId>) -> NodeId {
    doc.transact(now, |tx| {
        let mut tree = tx.tree("outline");
        let node = tree.create(parent, Position::Last);
        tree.data(node).unwrap().put("title", title);
        node
    })
}

#[test]
fn nodes_hold_maps_and_texts_and_are_read_by_pointer() {
    let mut a = doc(1);
    let work = add(&mut a, 1, "work", None);
    let mail = add(&mut a, 2, "mail", Some(work));
    a.transact(3, |tx| {
        let mut tree = tx.tree("outline");
        tree.data(mail).unwrap().text("body").insert(0, "dear");
        tree.data(mail).unwrap().list("tags").push("urgent");
        tx.map("more").tree("inner").create(None, Position::Last);
    });
    assert_eq!(outline(&a), ["work", " mail"]);
    assert_eq!(a.get("/outline/1/data/body"), Some("dear".into()));
    assert_eq!(a.get("/outline/1/data/tags/0"), Some("urgent".into()));
    assert_eq!(a.get("/outline/1/depth"), Some(1.into()));
    assert_eq!(a.text("/outline/1/data/body").unwrap().len(), 4);
    assert_eq!(a.get("/outline/2"), None);
    assert_eq!(a.get("/outline/0").unwrap().pointer("/data/title"), Some(&"work".into()));
    assert!(a.tree("/more/inner").is_some() && a.tree("/more").is_none());
    let mut b = Doc::load(&a.save(), ReplicaId::from_u128(2)).unwrap();
    assert_eq!((b.value(), b.save()), (a.value(), a.save()));
    // A text keeps its place in a node that moves.
    b.transact(4, |tx| tx.tree("outline").move_to(mail, None, Position::First));
    a.transact(4, |tx| tx.tree("outline").data(mail).unwrap().text("body").insert(4, " all"));
    send(&b, &mut a);
    send(&a, &mut b);
    assert_eq!(a.get("/outline/0/data/body"), Some("dear all".into()));
    assert_eq!(a.save(), b.save());
}

#[test]
fn removing_and_moving_back_brings_all_back() {
    let mut a = doc(1);
    let work = add(&mut a, 1, "work", None);
    let mail = add(&mut a, 2, "mail", Some(work));
    a.transact(3, |tx| tx.tree("outline").remove(work));
    assert!(outline(&a).is_empty() && a.get("/outline").is_none());
    a.transact(4, |tx| tx.tree("outline").move_to(work, None, Position::First));
    assert_eq!(outline(&a), ["work", " mail"]);
    a.transact(5, |tx| tx.tree("outline").remove(work));
    a.transact(6, |tx| tx.tree("outline").purge());
    assert!(!a.transact(7, |tx| tx.tree("outline").move_to(mail, None, Position::First)));
    let mut b = doc(2);
    send(&a, &mut b);
    assert_eq!(a.save(), b.save());
}

#[test]
fn undo_brings_nodes_back_where_they_stood() {
    let mut a = doc(1);
    let mut undo = UndoManager::new(&mut a, UndoOptions::default());
    let work = add(&mut a, 1_000, "work", None);
    let mail = add(&mut a, 2_000, "mail", Some(work));
    let play = add(&mut a, 3_000, "play", None);
    let mut states = Vec::new();
    for step in 0..4 {
        states.push(outline(&a));
        a.transact(4_000 + step * 1_000, |tx| match step {
            0 => assert!(tx.tree("outline").move_to(play, Some(work), Position::First)),
            1 => assert!(tx.tree("outline").remove(work)),
            2 => assert!(tx.tree("outline").move_to(mail, None, Position::Last)),
            _ => tx.remove("outline"),
        });
    }
    assert!(outline(&a).is_empty());
    for before in states.iter().rev() {
        assert!(undo.undo(&mut a, 9_000));
        assert_eq!(&outline(&a), before);
    }
    for before in states.iter().skip(1) {
        assert!(undo.redo(&mut a, 9_500));
        assert_eq!(&outline(&a), before);
    }
    assert!(undo.redo(&mut a, 9_500) && outline(&a).is_empty());
    for _ in 0..7 {
        assert!(undo.undo(&mut a, 9_900));
    }
    assert!(outline(&a).is_empty() && !undo.undo(&mut a, 9_900));
    let mut b = doc(2);
    send(&a, &mut b);
    assert_eq!(a.save(), b.save());
}

#[test]
fn the_past_of_a_tree_can_be_seen() {
    let mut a = doc(1);
    a.keep_history();
    let work = add(&mut a, 1, "work", None);
    let then = a.version().clone();
    let play = add(&mut a, 2, "play", None);
    a.transact(3, |tx| tx.tree("outline").move_to(work, Some(play), Position::First));
    assert_eq!(outline(&a.at(&then).unwrap()), ["work"]);
    let patches = a.diff(&then, a.version()).unwrap();
    let moved = |patch: &Patch| matches!(patch, Patch::Tree { patch: TreePatch::Move { node, .. }, .. } if *node == work);
    assert!(patches.iter().any(moved), "{patches:?}");
}

/// A delta of one author that fills a node which another made: it waits for the node.
#[test]
fn what_a_node_holds_waits_for_the_node() {
    let (mut a, mut b, mut c) = (doc(1), doc(2), doc(3));
    let node = add(&mut a, 1, "work", None);
    send(&a, &mut b);
    b.transact(2, |tx| tx.tree("outline").data(node).unwrap().put("done", true));
    let own: VersionVector = [(b.author(), b.version().get(b.author()))].into_iter().collect();
    let only_b = b.delta_between(&VersionVector::new(), &own);
    assert_eq!(c.apply(&only_b), Err(ApplyError::Missing));
    assert!(c.version().is_empty());
    send(&a, &mut c);
    c.apply(&only_b).unwrap();
    assert_eq!(c.value(), b.value());
}

/// A tree as someone shows it who only hears of patches.
#[derive(Default, Debug, PartialEq)]
struct Shown {
    children: BTreeMap<Option<NodeId>, Vec<NodeId>>,
}

impl Shown {
    fn parent_of(&self, node: NodeId) -> Option<Option<NodeId>> {
        self.children.iter().find(|(_, below)| below.contains(&node)).map(|(parent, _)| *parent)
    }

    fn apply(&mut self, patch: &TreePatch) {
        let (node, to) = match patch {
            TreePatch::Create { node, parent, index, .. } => {
                assert_eq!(self.parent_of(*node), None, "it was not there");
                (*node, Some((*parent, *index)))
            }
            TreePatch::Move { node, parent, index } => (*node, Some((*parent, *index))),
            TreePatch::Remove { node } => {
                let mut gone = vec![*node];
                while let Some(node) = gone.pop() {
                    gone.extend(self.children.remove(&Some(node)).into_iter().flatten());
                }
                (*node, None)
            }
            other => panic!("{other:?}"),
        };
        if let Some(parent) = self.parent_of(node) {
            self.children.get_mut(&parent).unwrap().retain(|other| *other != node);
        } else {
            assert!(matches!(patch, TreePatch::Create { .. }), "{patch:?} of what is not there");
        }
        if let Some((parent, index)) = to {
            assert!(parent.is_none_or(|parent| self.parent_of(parent).is_some()), "its parent is there");
            self.children.entry(parent).or_default().insert(index, node);
        }
    }

    fn walk(&self) -> Vec<(usize, NodeId)> {
        let mut out = Vec::new();
        let mut open: Vec<(usize, NodeId)> = Vec::new();
        let below = |parent: Option<NodeId>, depth, open: &mut Vec<(usize, NodeId)>| {
            open.extend(self.children.get(&parent).into_iter().flatten().rev().map(|node| (depth, *node)));
        };
        below(None, 0, &mut open);
        while let Some((depth, node)) = open.pop() {
            out.push((depth, node));
            below(Some(node), depth + 1, &mut open);
        }
        out
    }
}

fn edit(doc: &mut Doc, now: u64, kind: u8, x: u8, y: u8) {
    let nodes: Vec<NodeId> =
        doc.tree("outline").map(|t| t.walk().map(|(_, n)| n).collect()).unwrap_or_default();
    let pick = |n: u8| nodes.get(usize::from(n) % (nodes.len() + 1)).copied();
    doc.transact(now, |tx| {
        let mut tree = tx.tree("outline");
        match (kind % 8, pick(x)) {
            (0..=2, parent) => drop(tree.create(parent, Position::At(usize::from(y % 4)))),
            (3 | 4, Some(node)) => drop(tree.move_to(node, pick(y), Position::At(usize::from(y % 3)))),
            (5, Some(node)) => drop(tree.remove(node)),
            (6, Some(node)) => tree.data(node).unwrap().put("n", i64::from(y)),
            (7, Some(node)) => tree.data(node).unwrap().text("t").insert(0, "x"),
            (_, None) if y == 0 => tx.remove("outline"),
            (_, None) if y < 20 => tree.purge(),
            _ => {}
        }
    });
}

proptest! {
    /// Three replicas; one is watched through patches alone. All end the same, and what is shown is what is.
    #[test]
    fn trees_converge_and_patches_tell_all(
        steps in prop::collection::vec((0..3usize, 0..3usize, any::<[u8; 4]>()), 0..40),
    ) {
        let mut docs = [doc(1), doc(2), doc(3)];
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = heard.clone();
        let _watch = docs[0].subscribe(move |change| sink.lock().unwrap().extend(change.patches.clone()));
        let mut shown = Shown::default();
        for (now, (to, from, [what, x, y, kind])) in steps.into_iter().enumerate() {
            if what % 3 == 0 && to != from {
                let source = docs[from].clone();
                send(&source, &mut docs[to]);
            } else {
                edit(&mut docs[to], now as u64 / 3, kind, x, y);
            }
            for patch in heard.lock().unwrap().drain(..) {
                if let Patch::Tree { patch, .. } = patch {
                    shown.apply(&patch);
                }
            }
            let there: Vec<_> = docs[0].tree("outline").map(|tree| tree.walk().collect()).unwrap_or_default();
            prop_assert_eq!(shown.walk(), there);
        }
        for (to, from) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
            let source = docs[from].clone();
            send(&source, &mut docs[to]);
        }
        for other in &docs[1..] {
            prop_assert_eq!(docs[0].save(), other.save());
            prop_assert_eq!(docs[0].value(), other.value());
        }
        let again = Doc::load(&docs[0].save(), ReplicaId::from_u128(9)).unwrap();
        prop_assert_eq!(again.save(), docs[0].save());
    }

    /// Undo of everything leaves nothing, redo of everything leaves what was there.
    #[test]
    fn undo_and_redo_of_everything(steps in prop::collection::vec(any::<[u8; 3]>(), 1..12)) {
        let mut a = doc(1);
        let mut undo = UndoManager::new(&mut a, UndoOptions::default());
        for (i, [kind, x, y]) in steps.iter().enumerate() {
            // Purging cannot be undone.
            edit(&mut a, i as u64 * 10_000, *kind, *x, (*y).max(20));
        }
        let shape = |doc: &Doc| doc.tree("outline").map(|t| t.walk().map(|(depth, node)| (depth, t.data(node))).collect::<Vec<_>>());
        let (end, rows) = (shape(&a).unwrap_or_default(), undo.undo_steps(&mut a));
        while undo.undo(&mut a, 1_000_000) {}
        prop_assert_eq!(shape(&a).unwrap_or_default().len(), 0);
        while undo.redo(&mut a, 2_000_000) {}
        prop_assert_eq!(undo.undo_steps(&mut a), rows);
        prop_assert_eq!(shape(&a).unwrap_or_default(), end);
    }
}
