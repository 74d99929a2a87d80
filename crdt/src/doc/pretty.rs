//! A document for people: [`Display`](fmt::Display).

use std::collections::BTreeMap;
use std::fmt::{self, Formatter};

use crate::dots::{DotSet, DotStore};
use crate::id::{Dot, ReplicaId};
use crate::register::LwwRegister;

use super::node::Node;
use super::path::{Key, Name, Path, Shape};
use super::{Doc, Scalar, Value};

/// As JSON; in the long form (`{:#}`) a line for each place, with who wrote what is there.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// let mut alice = Doc::new(ReplicaId::from_u128(0xa));
/// let mut bob = Doc::new(ReplicaId::from_u128(0xb));
/// alice.transact(1_000, |tx| {
///     tx.text("note").insert(0, "milk");
///     tx.map("form").put("title", "Launch");
/// });
/// bob.transact(2_000, |tx| {
///     tx.counter("votes").add(3);
///     tx.map("form").put("title", "Ship it");
/// });
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.to_string(), r#"{"form":{"title":"Ship it"},"note":"milk","votes":3}"#);
/// assert_eq!(format!("{alice:#}"), "\
/// form:
///   title: \"Ship it\" by 0000000b at 2000 ms, over \"Launch\" by 0000000a at 1000 ms
/// note: \"milk\" (4 by 0000000a)
/// votes: 3 (3 by 0000000b)");
/// # Ok::<(), crdt::ApplyError>(())
/// ```
impl fmt::Display for Doc {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return self.value().fmt(f);
        }
        let mut lines = Lines { doc: self, first: true };
        lines.below(f, &Path::default(), 0)
    }
}

/// Writes lines, with nothing after the last.
struct Lines<'a> {
    doc: &'a Doc,
    first: bool,
}

impl Lines<'_> {
    /// Begins a line.
    fn line(&mut self, f: &mut Formatter<'_>, depth: usize, name: &str) -> fmt::Result {
        let end = if std::mem::replace(&mut self.first, false) { "" } else { "\n" };
        write!(f, "{end}{:width$}{name}:", "", width = 2 * depth)
    }

    /// What stands below a map, or the root.
    fn below(&mut self, f: &mut Formatter<'_>, path: &Path, depth: usize) -> fmt::Result {
        let places = self.doc.places(path);
        for key in self.doc.keys_below(path, places) {
            let Name::Str(name) = &key.name else { continue };
            let place = path.child(key.clone());
            if self.doc.is_visible(&place) {
                self.line(f, depth, name)?;
                self.place(f, &place, key.shape, depth)?;
            }
        }
        Ok(())
    }

    /// What stands at a place, after its name.
    fn place(&mut self, f: &mut Formatter<'_>, path: &Path, shape: Shape, depth: usize) -> fmt::Result {
        match (shape, self.doc.node(path.keys())) {
            (Shape::Text, _) => text(f, self.doc, path),
            (Shape::Map, _) => self.below(f, path, depth + 1),
            (Shape::List, _) => {
                let mut elements = self.doc.elements(path).into_iter().enumerate();
                elements.try_for_each(|(i, element)| self.element(f, path, i, element, depth + 1))
            }
            (_, Some(Node::Tree(tree))) => {
                for (row, (level, node)) in tree.walk().enumerate() {
                    self.line(f, depth + 1 + level, &row.to_string())?;
                    write!(f, " (made by {})", node.replica.short())?;
                    self.below(f, &path.child(Key::item(node, Shape::Map)), depth + 2 + level)?;
                }
                Ok(())
            }
            (_, Some(node)) => leaf(f, node),
            (_, None) => Ok(()),
        }
    }

    fn element(
        &mut self,
        f: &mut Formatter<'_>,
        list: &Path,
        index: usize,
        element: Dot,
        depth: usize,
    ) -> fmt::Result {
        self.line(f, depth, &index.to_string())?;
        let name = Name::Item(element);
        let shown = Key::all_named(&name)
            .find(|key| key.shape != Shape::Present && self.doc.is_visible(&list.child(key.clone())));
        match shown {
            Some(key) => self.place(f, &list.child(key.clone()), key.shape, depth),
            None => write!(f, " {}", self.doc.element_value(list, element)),
        }
    }
}

/// The text, and how many of its characters are whose.
fn text(f: &mut Formatter<'_>, doc: &Doc, path: &Path) -> fmt::Result {
    let Some(text) = doc.texts.get(path) else { return Ok(()) };
    write!(f, " {}", Value::from(text.to_string()))?;
    let mut by_author: BTreeMap<ReplicaId, i64> = BTreeMap::new();
    text.dots().for_each(|dot| *by_author.entry(dot.replica).or_default() += 1);
    shares(f, by_author.into_iter())
}

/// A value that has nothing below it, with its writers.
fn leaf(f: &mut Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::Register(register) => latest(f, register),
        Node::Counter(counter) => {
            write!(f, " {}", counter.value())?;
            shares(f, counter.by_replica())
        }
        Node::Set(set) => {
            let member = |member| (member, set.writers(member).map(|dot| dot.replica).collect());
            several(f, set.iter().map(member))
        }
        Node::Values(register) => {
            several(f, register.candidates().map(|(dot, value)| (value, vec![dot.replica])))
        }
        Node::Max(register) => ranked(f, register.candidates().map(|(dot, n)| (*n, dot)), false),
        Node::Min(register) => ranked(f, register.candidates().map(|(dot, n)| (*n, dot)), true),
        Node::RwSet(set) => {
            let writers = |dots: &DotSet| dots.iter().map(|(dot, ())| dot.replica).collect();
            let members = set.0.iter().filter(|(member, _)| set.contains(member));
            several(f, members.map(|(member, (inserted, _))| (member, writers(inserted))))
        }
        Node::Log(log) => {
            for (i, (stamp, dot, entry)) in log.stamped().enumerate() {
                let next = if i > 0 { "," } else { "" };
                write!(f, "{next} {entry}{} at {} ms", By(&[dot.replica]), stamp.millis())?;
            }
            Ok(())
        }
        _ => {
            let mut writers = Vec::new();
            node.for_each_dot(&mut |dot| writers.push(dot.replica));
            node.leaf().map_or(Ok(()), |value| write!(f, " {value}{}", By(&writers)))
        }
    }
}

fn latest(f: &mut Formatter<'_>, register: &LwwRegister<Scalar>) -> fmt::Result {
    for (i, (dot, stamp, value)) in register.candidates().enumerate() {
        let over = if i > 0 { ", over" } else { "" };
        write!(f, "{over} {value}{} at {} ms", By(&[dot.replica]), stamp.millis())?;
    }
    Ok(())
}

/// The number that is shown, and those of others that it is beyond.
fn ranked(f: &mut Formatter<'_>, all: impl Iterator<Item = (i64, Dot)>, ascending: bool) -> fmt::Result {
    let mut all: Vec<(i64, Dot)> = all.collect();
    all.sort_unstable();
    if !ascending {
        all.reverse();
    }
    for (i, (n, dot)) in all.iter().enumerate() {
        write!(f, "{} {n}{}", if i > 0 { ", over" } else { "" }, By(&[dot.replica]))?;
    }
    Ok(())
}

fn several<'a>(
    f: &mut Formatter<'_>,
    all: impl Iterator<Item = (&'a Scalar, Vec<ReplicaId>)>,
) -> fmt::Result {
    for (i, (value, writers)) in all.enumerate() {
        write!(f, "{}{value}{}", if i > 0 { ", " } else { " " }, By(&writers))?;
    }
    Ok(())
}

/// How much is whose.
fn shares(f: &mut Formatter<'_>, all: impl Iterator<Item = (ReplicaId, i64)>) -> fmt::Result {
    for (i, (replica, n)) in all.enumerate() {
        write!(f, "{}{n} by {}", if i > 0 { ", " } else { " (" }, replica.short())?;
    }
    f.write_str(")")
}

struct By<'a>(&'a [ReplicaId]);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, writer) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { " and " } else { " by " }, writer.short())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Position;

    #[test]
    fn every_type_is_shown_with_its_writers() {
        let mut doc = Doc::new(ReplicaId::from_u128(1));
        doc.transact(5, |tx| {
            tx.flag("done").enable();
            tx.set("tags").insert("a");
            tx.offer("colour", "red");
            tx.max("best").set(7);
            tx.min("least").set(-7);
            tx.dw_flag("open").enable();
            tx.rw_set("admins").insert("ada");
            tx.log("events").append("x");
            tx.log("events").append("y");
            tx.list("todo").push("milk");
            tx.list("todo").push_map().text("what").insert(0, "tea");
            tx.list("todo").push_list();
            let mut tree = tx.tree("tree");
            let top = tree.create(None, Position::Last);
            let below = tree.create(Some(top), Position::Last);
            tree.data(below).unwrap().put("title", "x");
        });
        let expected = "\
admins: \"ada\" by 00000001
best: 7 by 00000001
colour: \"red\" by 00000001
done: true by 00000001
events: \"x\" by 00000001 at 5 ms, \"y\" by 00000001 at 5 ms
least: -7 by 00000001
open: true by 00000001
tags: \"a\" by 00000001
todo:
  0: \"milk\" by 00000001 at 5 ms
  1:
    what: \"tea\" (3 by 00000001)
  2: []
tree:
  0: (made by 00000001)
    1: (made by 00000001)
      title: \"x\" by 00000001 at 5 ms";
        assert_eq!(format!("{doc:#}"), expected);
        assert_eq!(format!("{:#}", Doc::new(ReplicaId::from_u128(1))), "");
    }
}
