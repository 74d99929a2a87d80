//! What was edited in a node of a tree while another removed that node: it is in the trash with the node, and whoever wrote
//! it is to hear of that. Unlike what stood under a removed key, the node and its removal are there to be asked.

use std::collections::BTreeSet;

use crate::context::DotRanges;
use crate::dots::DotStore;
use crate::id::{Dot, ReplicaId, Span};
use crate::tree::{NodeId, Parent};

use super::change::{Candidate, Conflict, Rule};
use super::conflicts::Moved;
use super::node::Node;
use super::path::Path;
use super::record::Record;
use super::tree::{Outline, id_of};
use super::{Doc, Scalar};

impl Doc {
    /// The edits that are in the trash of the tree at a place with a node that somebody removed who had not seen them.
    pub(super) fn lost_conflicts(&self, path: &Path, node: &Node) -> Vec<Conflict> {
        let Node::Tree(tree) = node else { return Vec::new() };
        tree.trash().filter_map(|node| Some(self.lost_with(path, tree, node)?.0)).collect()
    }

    /// Those of all trees that are new by what a merge did.
    pub(super) fn new_lost_conflicts(&self, record: &Record) -> Vec<Conflict> {
        let mut found = Vec::new();
        for path in record.trees_with_news() {
            let Some(Node::Tree(tree)) = self.node(path.keys()) else { continue };
            if tree.trash().next().is_none() {
                continue;
            }
            // What is below a removed node changed, or the way there.
            let moved = moved_in(record, &path, tree);
            let part = tree.part(&record.news);
            let written = part.items().iter().filter_map(|(key, _)| key.item_name());
            let typed = record.texts().filter_map(|text| node_below(&path, text));
            let changed = moved.iter().copied().chain(written).chain(typed);
            let removed: BTreeSet<NodeId> = changed.filter_map(|node| removed_with(tree, node)).collect();
            for node in removed {
                let Some((conflict, events)) = self.lost_with(&path, tree, node) else { continue };
                let is_new = |dot: &Dot| record.news.contains(*dot);
                let way_is_new = || moved.iter().any(|moved| removed_with(tree, *moved) == Some(node));
                if events.iter().any(is_new) || way_is_new() {
                    found.push(conflict);
                }
            }
        }
        found
    }

    /// What the removal of a node took with it and had not seen, and its events.
    fn lost_with(&self, path: &Path, tree: &Outline, node: NodeId) -> Option<(Conflict, Vec<Dot>)> {
        let removal = tree.moves(node)?.into_iter().next().filter(|(_, _, to)| *to == Parent::Trash)?.0;
        let all = self.graph.unseen_by(removal)?;
        let unseen: Vec<Span> = all.into_iter().map(|span| self.graph.unaware(span, removal)).collect();
        let unseen: Vec<Span> = unseen.into_iter().filter(|span| span.to > span.after).collect();
        let events: DotRanges = unseen.iter().copied().collect();
        let part = tree.part(&events);
        let mut lost: Vec<(Dot, Scalar)> = Vec::new();
        for (key, written) in part.items().iter() {
            if key.item_name().and_then(|below| removed_with(tree, below)) == Some(node) {
                written.for_each_dot(&mut |dot| lost.extend(self.written_by(dot).map(|value| (dot, value))));
            }
        }
        for below in part.placed().filter(|below| *below != node && removed_with(tree, *below) == Some(node))
        {
            let put = tree.moves(below).and_then(|moves| moves.into_iter().next());
            let counts = put.filter(|(dot, _, _)| events.contains(*dot));
            lost.extend(counts.map(|(dot, _, _)| (dot, Scalar::from(id_of(below)))));
        }
        for (at, text) in self.texts.iter().filter(|(at, _)| !at.is_list()) {
            if node_below(path, at).and_then(|below| removed_with(tree, below)) == Some(node) {
                let typed = unseen.iter().filter(|span| text.touches(&[**span]));
                lost.extend(
                    typed.map(|span| (Dot::new(span.replica, span.to), Scalar::from(text.to_string()))),
                );
            }
        }
        lost.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        // A number to which one author added twice is one number.
        let mut told: BTreeSet<(ReplicaId, String)> = BTreeSet::new();
        lost.retain(|(dot, value)| told.insert((dot.replica, value.to_string())));
        let of = |value: Scalar, dot: Dot| Candidate { value, author: dot.replica, stamp: None };
        let events: Vec<Dot> = lost.iter().map(|(dot, _)| *dot).chain([removal]).collect();
        let losers: Vec<Candidate> = lost.into_iter().map(|(dot, value)| of(value, dot)).collect();
        let path = self.pointer(path).filter(|_| !losers.is_empty())?;
        let winner = of(Scalar::Null, removal);
        let conflict =
            Conflict { path, mark: None, item: Some(node), rule: Rule::RemovalWins, winner, losers };
        Some((conflict, events))
    }
}

/// The nodes that a merge put elsewhere, or that stand elsewhere since others were.
fn moved_in(record: &Record, path: &Path, tree: &Outline) -> BTreeSet<NodeId> {
    let Some(Moved { placed, gave_way }) = record.moved.get(path) else { return BTreeSet::new() };
    let now: BTreeSet<NodeId> = tree.gave_way().collect();
    placed.iter().chain(now.symmetric_difference(gave_way)).copied().collect()
}

/// The removed node that a node is, or stands below.
fn removed_with(tree: &Outline, node: NodeId) -> Option<NodeId> {
    let top = tree.way_up(node).last()?;
    (tree.parent_of(top)? == Parent::Trash).then_some(top)
}

/// The node of the tree at a path that a path leads into.
fn node_below(tree: &Path, path: &Path) -> Option<NodeId> {
    path.keys().strip_prefix(tree.keys())?.first()?.item_name()
}

/// The trees that hold a place.
pub(super) fn trees_above(path: &Path) -> impl Iterator<Item = Path> + '_ {
    let prefixes = (1..path.keys().len()).map(|len| Path::from(&path.keys()[..len]));
    prefixes.filter(Path::is_tree)
}
