//! Documents under the kit: [`edit_doc`] edits everything that one can hold.

use super::id;
use crate::Doc;
use crate::doc::{Expand, ListMut, MapMut, Scalar, TextMut, TreeMut, Tx, Value};
use crate::testkit::model::{Codec, Deltas, Model, Pick};
use crate::tree::Position;

impl Model for Doc {
    type Command = [u8; 4];
    type View = String;

    fn new(me: u8) -> Self {
        Doc::new(id(me))
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 4] {
        [(); 4].map(|()| pick.byte())
    }

    /// One transaction; some make two edits.
    fn edit(&mut self, now: u64, [kind, a, b, c]: &[u8; 4]) {
        self.transact(now, |tx| {
            edit_doc(tx, *kind, *a, *b, *c);
            if *kind >= 192 {
                edit_doc(tx, *c, *b, *a, *kind);
            }
        });
    }

    /// By the whole document, as it goes to one who has nothing.
    fn merge(&mut self, other: &Self) {
        self.apply_delta(&other.whole());
    }

    fn view(&self) -> String {
        let rich = |pointer: &str| self.to_delta(pointer).map(|delta| delta.to_string());
        let marks = ["k", "l", "m"].map(rich);
        let elements = match self.get("/v") {
            Some(Value::List(all)) => all.len(),
            _ => 0,
        };
        let of_list: Vec<_> = (0..elements).filter_map(|at| rich(&format!("/v/{at}"))).collect();
        format!("{:?} {marks:?} {of_list:?} {:?}", self.value(), self.conflicts())
    }

    fn reborn(&mut self, me: u8) {
        if let Ok(again) = Doc::load(&self.save(), id(me)) {
            *self = again;
        }
    }
}

by_deltas!(Doc);

impl Codec for Doc {
    fn to_bytes(&self) -> Vec<u8> {
        self.save()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Doc::load(bytes, id(me)).map_err(|error| error.to_string())
    }
}

/// Makes the edit of a document that these bytes mean: every byte string is one, and everything that a document can
/// hold is edited by some.
///
/// ```
/// use crdt::testkit::edit_doc;
/// use crdt::{Doc, ReplicaId};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| edit_doc(tx, 0, 0, 0, 3));
/// assert_eq!(doc.value().to_string(), r#"{"k":"word"}"#);
/// ```
pub fn edit_doc(tx: &mut Tx<'_>, kind: u8, a: u8, b: u8, c: u8) {
    let key = ["k", "l", "m"].get(usize::from(a % 3)).copied().unwrap_or_default();
    match kind % 40 {
        3 if b >= 128 => mark(&mut tx.text(key), b, c),
        0..=3 => edit_text(&mut tx.text(key), 0, b, c),
        4 | 5 => edit_text(&mut tx.text(key), 1, b, c),
        6 => tx.map("m").map(key).put("x", i64::from(b)),
        7 => tx.map("m").remove(key),
        8 => tx.counter(key).add(i64::from(b) - 128),
        9 => tx.set(key).insert(i64::from(b % 4)),
        10 => tx.set(key).remove(i64::from(b % 4)),
        11 => tx.offer(key, i64::from(b)),
        kind @ 12..=15 => edit_tree(&mut tx.tree("t"), kind, b, c),
        16 => tx.put(key, i64::from(b)),
        17 => tx.flag(key).enable(),
        18 => tx.flag(key).disable(),
        19 => tx.remove(key),
        20 => edit_map(tx.map("m"), a, b, c),
        21 => edit_map(tx.map("m").map("n"), a, b, c),
        22 => mark(&mut tx.text(key), b, c),
        23 if a.is_multiple_of(8) => {
            tx.remove(["t", "v", "m"].get(usize::from(b % 3)).copied().unwrap_or_default())
        }
        32 => tx.max(key).set(i64::from(b % 8)),
        33 => tx.min(key).set(i64::from(b % 8)),
        34 => tx.dw_flag(key).enable(),
        35 => tx.dw_flag(key).disable(),
        36 => tx.rw_set(key).insert(i64::from(b % 4)),
        37 => tx.rw_set(key).remove(i64::from(b % 4)),
        38 => tx.log(key).append(i64::from(b)),
        _ => edit_list(tx.list("v"), kind, a, b, c),
    }
}

/// Types into a text, or deletes.
fn edit_text(text: &mut TextMut<'_>, kind: u8, b: u8, c: u8) {
    let pos = usize::from(b) % (text.len() + 1);
    match kind % 2 {
        0 => text.insert(pos, ["a", "é", "👋", "word"].get(usize::from(c % 4)).copied().unwrap_or_default()),
        _ => text.delete(pos..pos + usize::from(c % 5)),
    }
}

/// Marks a range of a text, or takes a mark away.
fn mark(text: &mut TextMut<'_>, b: u8, c: u8) {
    let from = usize::from(b) % (text.len() + 1);
    let range = from..from + usize::from(c % 7);
    let expand = [Expand::None, Expand::Before, Expand::After, Expand::Both];
    let key = ["x", "y"].get(usize::from(b / 2 % 2)).copied().unwrap_or_default();
    let value = Some(i64::from(c / 7 % 3)).filter(|value| *value > 0);
    let expand = expand.get(usize::from(b / 4 % 4)).copied().unwrap_or_default();
    text.mark(range, key, value.map_or(Scalar::Null, Scalar::from), expand);
}

/// Edits what a map holds, of every type.
fn edit_map(mut map: MapMut<'_>, a: u8, b: u8, c: u8) {
    match a % 19 {
        0 => map.put("p", i64::from(b)),
        1 => map.offer("p", i64::from(b)),
        2 => map.counter("p").add(i64::from(b) - 128),
        3 => map.set("s").insert(i64::from(b % 4)),
        4 => map.set("s").remove(i64::from(b % 4)),
        5 => map.flag("f").enable(),
        6 => map.flag("f").disable(),
        7 if b >= 128 => mark(&mut map.text("p"), b, c),
        7 => edit_text(&mut map.text("p"), c / 64, b, c),
        8 => edit_list(map.list("l"), a, a, b, c),
        9 => edit_tree(&mut map.tree("t"), c, b, c),
        10 => map.remove(["p", "s", "f", "l", "t", "x"].get(usize::from(b % 6)).copied().unwrap_or_default()),
        12 => map.max("x").set(i64::from(b % 8)),
        13 => map.min("x").set(i64::from(b % 8)),
        14 => map.dw_flag("x").enable(),
        15 => map.dw_flag("x").disable(),
        16 => map.rw_set("s").insert(i64::from(b % 4)),
        17 => map.rw_set("s").remove(i64::from(b % 4)),
        18 => map.log("x").append(i64::from(b)),
        _ => map.map("n").put("x", i64::from(b)),
    }
}

/// Inserts into a list, moves, overwrites, edits, removes what it holds.
fn edit_list(mut list: ListMut<'_>, kind: u8, a: u8, b: u8, c: u8) {
    let (at, to) = (usize::from(b) % (list.len() + 1), usize::from(c));
    match kind % 8 {
        0 => list.insert(at, i64::from(c)),
        1 if a.is_multiple_of(4) => edit_list(list.insert_list(at), 0, a, b, c),
        1 if a.is_multiple_of(2) => list.insert_text(at).insert(0, "word"),
        1 => list.insert_map(at).put("x", i64::from(c)),
        2 | 3 => drop(list.move_to(at, to % list.len().max(1))),
        4 => drop(list.put(at, i64::from(c))),
        5 => drop(list.remove(at)),
        _ => {
            if let Some(mut text) = list.text(at) {
                if a < 128 { mark(&mut text, c, a) } else { edit_text(&mut text, a, c, a) }
            } else if let Some(mut inner) = list.list(at) {
                inner.insert(0, i64::from(c));
            } else if let Some(mut map) = list.map(at) {
                if c.is_multiple_of(3) { map.remove("x") } else { map.counter("x").add(i64::from(c)) }
            }
        }
    }
}

/// Makes, moves, fills, takes away nodes of a tree.
fn edit_tree(tree: &mut TreeMut<'_>, kind: u8, b: u8, c: u8) {
    let mut nodes = tree.children(None);
    nodes.extend(nodes.clone().into_iter().flat_map(|node| tree.children(Some(node))));
    let pick = |n: u8| nodes.get(usize::from(n) % (nodes.len() + 1)).copied();
    let position = if c.is_multiple_of(2) { Position::First } else { Position::At(usize::from(c % 5)) };
    match (kind % 4, pick(b)) {
        (0, parent) => drop(Some(tree.create(parent, position))),
        (1, Some(node)) => drop(Some(tree.move_to(node, pick(c), position))),
        (2, Some(node)) if c.is_multiple_of(3) => drop(Some(tree.remove(node))),
        (3, None) => tree.purge(),
        (_, Some(node)) => {
            if let Some(mut data) = tree.data(node) {
                data.put("n", i64::from(c));
                data.text("t").insert(0, "x");
            }
        }
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::mpsc;

    use super::*;
    use crate::ReplicaId;
    use crate::doc::{Patch, TreePatch};
    use crate::text::TextPatch;

    /// So is each type of which a patch does not say which it is: alone at its name it comes into view, and goes.
    #[test]
    fn each_type_of_value_comes_and_goes() {
        for (add, take) in
            [(8, 19), (9, 10), (11, 19), (17, 18), (32, 19), (33, 19), (34, 35), (36, 37), (38, 19)]
        {
            let mut doc = Doc::new(ReplicaId::from_u128(1));
            doc.transact(0, |tx| edit_doc(tx, add, 0, 5, 0));
            assert!(doc.get("/k").is_some(), "{add}");
            doc.transact(1, |tx| edit_doc(tx, take, 0, 5, 0));
            assert_eq!(doc.get("/k"), None, "{add}");
        }
    }

    /// All that `Tx` offers is edited, on the way in and on the way out: a law that says "documents" speaks of all of it.
    #[test]
    fn everything_that_a_document_holds_is_edited() {
        let (sender, changes) = mpsc::channel();
        for a in 0..24u8 {
            let mut doc = Doc::new(ReplicaId::from_u128(1));
            let sender = sender.clone();
            let _listens = doc
                .subscribe(move |change| change.patches.iter().for_each(|p| sender.send(told(p)).unwrap()));
            for n in 0..=255u8 {
                Model::edit(
                    &mut doc,
                    0,
                    &[n.wrapping_mul(a * 2 + 1), n.wrapping_add(a), n.wrapping_mul(37), n.wrapping_mul(91)],
                );
            }
        }
        let seen: BTreeSet<&str> = changes.try_iter().collect();
        let all = [
            "elements come",
            "elements go",
            "marks come",
            "marks go",
            "nodes come",
            "nodes go",
            "nodes move",
            "text comes",
            "text goes",
            "a flag",
            "a number",
            "several values or members",
            "a value goes",
        ];
        assert_eq!(seen, all.into_iter().collect());
    }

    fn told(patch: &Patch) -> &'static str {
        match patch {
            Patch::Text { patch: TextPatch::Insert { .. }, .. } => "text comes",
            Patch::Text { .. } => "text goes",
            Patch::Mark { value: Some(_), .. } => "marks come",
            Patch::Mark { .. } => "marks go",
            Patch::List { inserted, .. } if inserted.is_empty() => "elements go",
            Patch::List { .. } => "elements come",
            Patch::Tree { patch: TreePatch::Create { .. }, .. } => "nodes come",
            Patch::Tree { patch: TreePatch::Move { .. }, .. } => "nodes move",
            Patch::Tree { .. } => "nodes go",
            Patch::Value { value: Some(Value::List(_)), .. } => "several values or members",
            Patch::Value { value: Some(Value::Scalar(Scalar::Bool(_))), .. } => "a flag",
            Patch::Value { value: Some(_), .. } => "a number",
            Patch::Value { value: None, .. } => "a value goes",
        }
    }
}
