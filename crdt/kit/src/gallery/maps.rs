//! Maps and trees.

use std::collections::BTreeMap;

use super::wrong;
use crdt::testkit::{History, Kit, Spec, Subject};

wrong! {
    /// Removing a key drops the counter below it; whoever still has it brings its old count back.
    NestedReset(BTreeMap<u8, BTreeMap<u8, u64>>) -> Vec<(u8, u64)>;
    command(_, pick) -> (u8, bool) { (pick.below(2) as u8, pick.below(3) == 2) }
    edit(s, me, _, (key, remove)) {
        if *remove { s.remove(key); } else { *s.entry(*key).or_default().entry(me).or_default() += 1 }
    }
    merge(s, o) {
        for (key, slots) in o {
            for (slot, n) in slots {
                let mine = s.entry(*key).or_default().entry(*slot).or_default();
                *mine = (*mine).max(*n);
            }
        }
    }
    view(s) { s.iter().map(|(key, slots)| (*key, slots.values().sum())).collect() }
}

wrong! {
    /// The whole map is one last-writer-wins value: keys that two people write at once are one conflict.
    WholeMap((u64, u8, BTreeMap<u8, u8>)) -> BTreeMap<u8, u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, me, now, value) {
        // Everyone writes a key of their own: nothing is to be lost.
        s.2.insert(me, *value);
        s.0 = now.max(s.0 + 1);
        s.1 = me;
    }
    merge(s, o) { if (o.0, o.1) > (s.0, s.1) { *s = o.clone() } }
    view(s) { s.2.clone() }
}

impl Spec for WholeMap {
    fn spec(history: &History<'_, u8>) -> BTreeMap<u8, u8> {
        history.events().map(|event| (event.replica, event.command)).collect()
    }
}

/// Nodes 1 to 3 below 0, each with its parent and the stamp of its last move.
type Parents = BTreeMap<u8, (u64, u8, u8)>;

fn reaches_root(parents: &Parents, node: u8) -> bool {
    let mut at = node;
    for _ in 0..8 {
        match parents.get(&at) {
            Some((_, _, parent)) if *parent != 0 => at = *parent,
            _ => return true,
        }
    }
    false
}

wrong! {
    /// Each node's parent is a last write; each move is checked at home, two at once make a circle.
    MoveCycle(Parents) -> Vec<(u8, u8)>;
    command(_, pick) -> (u8, u8) { (1 + pick.below(3) as u8, pick.below(4) as u8) }
    edit(s, me, now, (node, parent)) {
        let mut moved = s.clone();
        let stamp = s.values().map(|(at, ..)| at + 1).max().unwrap_or(0).max(now);
        moved.insert(*node, (stamp, me, *parent));
        if reaches_root(&moved, *node) { *s = moved }
    }
    merge(s, o) { for (node, write) in o { let mine = s.entry(*node).or_insert(*write); *mine = (*mine).max(*write) } }
    view(s) { s.iter().map(|(node, (_, _, parent))| (*node, *parent)).collect() }
    invariant(s) {
        match s.keys().find(|node| !reaches_root(s, **node)) {
            Some(node) => Err(format!("node {node} is below itself")),
            None => Ok(()),
        }
    }
}

wrong! {
    /// A merge that would make a circle leaves the move out: then it matters in which order moves come.
    RefusesLateMoves(Parents) -> Vec<(u8, u8)>;
    command(_, pick) -> (u8, u8) { (1 + pick.below(3) as u8, pick.below(4) as u8) }
    edit(s, me, now, (node, parent)) {
        let mut moved = s.clone();
        let stamp = s.values().map(|(at, ..)| at + 1).max().unwrap_or(0).max(now);
        moved.insert(*node, (stamp, me, *parent));
        if reaches_root(&moved, *node) { *s = moved }
    }
    merge(s, o) {
        for (node, write) in o {
            let mut moved = s.clone();
            let mine = moved.entry(*node).or_insert(*write);
            *mine = (*mine).max(*write);
            if reaches_root(&moved, *node) { *s = moved }
        }
    }
    view(s) { s.iter().map(|(node, (_, _, parent))| (*node, *parent)).collect() }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong(
            "nested-reset",
            "a removed counter comes back with its old count",
            Kit::<NestedReset>::new(),
        ),
        Subject::wrong(
            "whole-map",
            "the whole map is one value, so writes of other keys are lost",
            Kit::<WholeMap>::new().spec(),
        ),
        Subject::wrong(
            "move-cycle",
            "moves are checked at home, two at once make a circle",
            Kit::<MoveCycle>::new(),
        ),
        Subject::wrong(
            "refuses-late-moves",
            "a merge leaves out moves that make a circle",
            Kit::<RefusesLateMoves>::new(),
        ),
    ]
}
