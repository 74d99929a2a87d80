//! Reading a document: as plain data, by path, by JSON pointer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::id::Dot;
use crate::log::Log;
use crate::text::Text;

use super::change::Conflict;
use super::list::List;
use super::marks::{self, Index, Marks, News, Placed};
use super::node::{Node, Places};
use super::path::{Key, Name, Path, Shape, point, segments};
use super::{Doc, Scalar, Value};

/// The node at a path.
pub(super) fn node<'a>(tree: &'a Places, path: &[Key]) -> Option<&'a Node> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(tree.get(first)?, |node, key| node.places()?.get(key))
}

/// The marks of the text at a path.
pub(super) fn marks_at<'a>(tree: &'a Places, text: &Path) -> Option<&'a Marks> {
    node(tree, text.beside(Shape::Marks).keys())?.marks()
}

/// The elements of a list in order, from what they hold and from their order.
pub(super) fn elements(list: Option<&List>, order: Option<&Text>) -> Vec<Dot> {
    match (list, order) {
        (Some(list), Some(order)) => list.elements(order).collect(),
        (None, Some(order)) => order.dots().collect(),
        (_, None) => Vec::new(),
    }
}

/// The entries of a log in order, by the events that wrote them.
pub(super) fn entries(log: &Log<Scalar>) -> Vec<Dot> {
    log.stamped().map(|(_, dot, _)| dot).collect()
}

impl Doc {
    /// The whole document as plain data. A text is shown as a string; where places of several types share
    /// one name, the first of text, list, map, set, counter, flag, several values, register, tree, greatest, least,
    /// flag and set in which removing wins, log is shown. A tree is shown as its rows ([`TreeView`](super::TreeView)).
    /// Containers in which nothing is visible are not shown, except as elements of a list.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.text("note").insert(0, "hi");
    ///     tx.map("form").put("name", "Ada");
    /// });
    /// assert_eq!(doc.value().to_string(), r#"{"form":{"name":"Ada"},"note":"hi"}"#);
    /// ```
    pub fn value(&self) -> Value {
        Value::Map(self.entries(&Path::default(), Some(&self.tree)))
    }

    /// The value at a JSON pointer (RFC 6901), such as `/form/name`; the empty pointer is the whole.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.list("todo").push_map().put("what/when", "milk"));
    /// assert_eq!(doc.get("/todo/0/what~1when"), Some("milk".into())); // `~1` is a slash in a key
    /// assert_eq!(doc.get("/todo/1"), None);
    /// ```
    pub fn get(&self, pointer: &str) -> Option<Value> {
        match self.resolve(pointer)? {
            Found::Whole => Some(self.value()),
            Found::At(path) => self.value_of(&path).or_else(|| match path.parent()? {
                (list, Key { name: Name::Item(element), .. }) => {
                    Some(self.element_value(&Path::from(list), *element))
                }
                _ => None,
            }),
            Found::Below(value) => Some(value),
        }
    }

    /// The text at a JSON pointer; a root's name will do. `None` when nothing was ever written there.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("page").text("body").insert(0, "hello"));
    /// assert_eq!(doc.text("/page/body").unwrap().len(), 5);
    /// ```
    pub fn text(&self, pointer: &str) -> Option<&Text> {
        self.texts.get(&self.text_at(pointer)?).filter(|text| text.is_written())
    }

    /// The log at a JSON pointer; a root's name will do. `None` when nothing stands there, or something else is shown.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(5, |tx| tx.map("room").log("chat").append("hello"));
    /// let (at, event, entry) = doc.log("/room/chat").unwrap().stamped().next().unwrap();
    /// assert_eq!((at.millis(), event.replica, entry), (5, doc.author(), &"hello".into()));
    /// ```
    pub fn log(&self, pointer: &str) -> Option<&Log<Scalar>> {
        let path = match pointer.starts_with('/') {
            true => match self.resolve(pointer)? {
                Found::At(path) => path,
                _ => return None,
            },
            false => Path::from(self.shown(&Path::default(), &Name::from(pointer))?),
        };
        self.node(path.keys())?.log()
    }

    /// The path of a text at a JSON pointer, or at a root by its name alone.
    pub(super) fn text_at(&self, pointer: &str) -> Option<Path> {
        if pointer.starts_with('/') {
            return self.text_path(pointer);
        }
        Some(Path::from(Key::new(pointer, Shape::Text)))
    }

    /// The path of a tree at a JSON pointer.
    pub(super) fn tree_path(&self, pointer: &str) -> Option<Path> {
        match self.resolve(pointer)? {
            Found::At(path) if path.is_tree() => Some(path),
            _ => None,
        }
    }

    /// The path of a text that may be empty.
    pub(super) fn text_path(&self, pointer: &str) -> Option<Path> {
        let (above, name) = pointer.rsplit_once('/')?;
        let above = match self.resolve(above)? {
            Found::Whole => Path::default(),
            Found::At(path) => path,
            Found::Below(_) => return None,
        };
        let name = self.name_below(&above, &segments(&format!("/{name}"))?.next()?)?;
        Some(above.child(Key { name, shape: Shape::Text }))
    }

    /// The marks of the text at a path, in the order of the text.
    pub(super) fn marks_of(&self, path: &Path) -> Option<&Index> {
        let text = self.texts.get(path)?;
        Some(self.marks.get(path)?.get_or_init(|| Index::new(marks_at(&self.tree, path), text)))
    }

    /// The places where concurrent edits met and no later one has settled it; what is told is said at [`Conflict`]. Costs
    /// the document, without its texts, the removal log, and for each removed node of a tree the event graph.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(1_000, |tx| tx.put("title", "Launch"));
    /// bob.transact(2_000, |tx| tx.put("title", "Ship it"));
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// let conflicts = alice.conflicts();
    /// assert_eq!((conflicts[0].path.as_str(), &conflicts[0].winner.value), ("/title", &"Ship it".into()));
    /// assert_eq!(conflicts[0].losers[0].value, "Launch".into());
    /// alice.transact(3_000, |tx| tx.put("title", "Ship the launch")); // settles it
    /// assert!(alice.conflicts().is_empty());
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut found = Vec::new();
        let mut open = vec![(Path::default(), &self.tree)];
        while let Some((path, places)) = open.pop() {
            for (key, node) in places.iter() {
                let path = path.child(key.clone());
                found.extend(self.move_conflicts(&path, node, None));
                found.extend(self.lost_conflicts(&path, node));
                if let Some(places) = node.places() {
                    open.push((path, places));
                } else {
                    found.extend(self.leaf_conflicts(&path, node, None));
                }
            }
        }
        for path in self.marks.keys() {
            let len = self.texts.get(path).map_or(0, Text::len);
            found.extend(self.mark_conflicts(path, 0..len).into_iter().map(|(conflict, _)| conflict));
        }
        found.extend(self.removal_conflicts(&self.ended_by_several()).0);
        super::conflicts::by_path(&mut found);
        found
    }

    /// The conflicts of marks in a range of the text at a path, each with the events that made the marks.
    fn mark_conflicts(&self, path: &Path, range: Range<usize>) -> Vec<(Conflict, BTreeSet<Dot>)> {
        let found = self.texts.get(path).zip(self.marks_of(path)).zip(self.pointer(path));
        found.map_or_else(Vec::new, |(text, pointer)| marks::conflicts(&pointer, text, &self.graph, range))
    }

    /// The conflicts that new marks of the text at a path have with others.
    pub(super) fn new_mark_conflicts(&self, path: &Path, news: &News) -> Vec<Conflict> {
        let Some(text) = self.texts.get(path) else { return Vec::new() };
        let placed: Vec<Placed<'_>> = news.added.iter().filter_map(|made| Placed::new(made, text)).collect();
        let from = placed.iter().map(|placed| placed.start.pos).min().unwrap_or_default();
        let to = placed.iter().map(|placed| placed.end.pos).max().unwrap_or_default();
        let is_new = |dots: &BTreeSet<Dot>| placed.iter().any(|placed| dots.contains(&placed.dot));
        let found = self.mark_conflicts(path, from..to).into_iter();
        found.filter(|(_, dots)| is_new(dots)).map(|(conflict, _)| conflict).collect()
    }

    /// The places right below a place, or of the root.
    pub(super) fn places(&self, path: &Path) -> Option<&Places> {
        if path.depth() == 0 { Some(&self.tree) } else { self.node(path.keys())?.places() }
    }

    pub(super) fn node(&self, path: &[Key]) -> Option<&Node> {
        node(&self.tree, path)
    }

    fn list(&self, path: &Path) -> Option<&List> {
        match self.node(path.keys())? {
            Node::List(list) => Some(list),
            _ => None,
        }
    }

    /// The elements of the list at a path, in order.
    pub(super) fn elements(&self, path: &Path) -> Vec<Dot> {
        elements(self.list(path), self.texts.get(path))
    }

    /// The path of the list at a JSON pointer, and its length.
    pub(super) fn list_path(&self, pointer: &str) -> Option<(Path, usize)> {
        let Found::At(path) = self.resolve(pointer)? else { return None };
        self.texts.get(&path).filter(|_| path.is_list())?;
        let len = self.list_len(&path);
        Some((path, len))
    }

    /// How many elements the list at a path has.
    pub(super) fn list_len(&self, path: &Path) -> usize {
        let Some(order) = self.texts.get(path) else { return 0 };
        self.list(path).map_or(order.len(), |list| list.len(order))
    }

    /// How many elements of a list stand before an element, and whether it is there itself.
    pub(super) fn place_of(&self, path: &Path, element: Dot) -> Option<(usize, bool)> {
        let order = self.texts.get(path)?;
        match self.list(path) {
            Some(list) => list.place(order, element),
            None => order.place_of(element),
        }
    }

    /// The element at an index of the list at a path.
    pub(super) fn element(&self, path: &Path, index: usize) -> Option<Dot> {
        let order = self.texts.get(path)?;
        match self.list(path) {
            Some(list) => list.element(order.dot_at(list.position(order, index))?),
            None => order.dot_at(index),
        }
    }

    fn index(&self, path: &Path, element: Dot) -> Option<usize> {
        self.place_of(path, element).filter(|(_, here)| *here).map(|(index, _)| index)
    }

    /// The placeholder that stands left of another in the order of a list.
    pub(super) fn left_of(&self, list: &Path, slot: Dot) -> Option<Dot> {
        let order = self.texts.get(list)?;
        order.dot_at(order.place_of(slot)?.0.checked_sub(1)?)
    }

    /// The paths of the texts and lists at a place and below it.
    pub(super) fn texts_below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let from = self.texts.paths_from(path);
        from.take_while(|text| text.keys().starts_with(path.keys()))
    }

    /// The keys of what stands right below a place, texts and lists of which only the order is here too.
    pub(super) fn keys_below(&self, path: &Path, places: Option<&Places>) -> Vec<Key> {
        let mut keys: Vec<Key> =
            places.into_iter().flat_map(|places| places.iter().map(|(key, _)| key.clone())).collect();
        let depth = path.depth();
        for key in self.texts_below(path).filter_map(|text| text.keys().get(depth)) {
            if keys.last() != Some(key) {
                keys.push(key.clone());
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The visible entries of a map.
    fn entries(&self, path: &Path, places: Option<&Places>) -> BTreeMap<String, Value> {
        let mut entries = BTreeMap::new();
        for key in self.keys_below(path, places) {
            let Name::Str(name) = &key.name else { continue };
            if !entries.contains_key(name.as_str())
                && let Some(value) = self.visible(&path.child(key.clone()), places.and_then(|p| p.get(&key)))
            {
                entries.insert(name.to_string(), value);
            }
        }
        entries
    }

    /// The value of a place, whose node is given; `None` when nothing is visible there.
    fn visible(&self, path: &Path, node: Option<&Node>) -> Option<Value> {
        let (_, key) = path.parent()?;
        match key.shape {
            Shape::Text => {
                self.texts.get(path).filter(|text| !text.is_empty()).map(|text| text.to_string().into())
            }
            Shape::List => {
                let elements = self.elements(path);
                let values = elements.iter().map(|element| self.element_value(path, *element));
                (!elements.is_empty()).then(|| Value::List(values.collect()))
            }
            Shape::Map => {
                let entries = self.entries(path, node.and_then(Node::places));
                (!entries.is_empty()).then_some(Value::Map(entries))
            }
            Shape::Tree => self.rows(path, node?),
            _ => node?.leaf(),
        }
    }

    pub(super) fn is_visible(&self, path: &Path) -> bool {
        let Some((_, key)) = path.parent() else { return true };
        let node = self.node(path.keys());
        match key.shape {
            Shape::Text => self.texts.get(path).is_some_and(|text| !text.is_empty()),
            Shape::List => !self.elements(path).is_empty(),
            Shape::Map => {
                let below = self.keys_below(path, node.and_then(Node::places));
                below.into_iter().any(|key| self.is_visible(&path.child(key)))
            }
            Shape::Tree => matches!(node, Some(Node::Tree(tree)) if !tree.is_empty()),
            Shape::Present | Shape::Marks => false,
            _ => node.is_some_and(Node::shows),
        }
    }

    pub(super) fn value_of(&self, path: &Path) -> Option<Value> {
        self.visible(path, self.node(path.keys()))
    }

    /// What an element of a list holds; an empty container, where nothing is visible in it.
    pub(super) fn element_value(&self, list: &Path, element: Dot) -> Value {
        let name = Name::Item(element);
        let shown = Key::all_named(&name).find_map(|key| self.value_of(&list.child(key)));
        shown.unwrap_or_else(|| match self.container_kind(list, element) {
            Some(Shape::Text) => "".into(),
            Some(Shape::List) => Value::List(Vec::new()),
            Some(Shape::Map) => Value::Map(BTreeMap::new()),
            _ => Scalar::Null.into(),
        })
    }

    /// Which container an element of a list was made to hold.
    pub(super) fn container_kind(&self, list: &Path, element: Dot) -> Option<Shape> {
        match self.node(list.child(Key::item(element, Shape::Present)).keys())? {
            Node::Present(kind) => Shape::container(*kind.get()?),
            _ => None,
        }
    }

    /// Which place a JSON pointer means; with what it means below a plain value.
    fn resolve(&self, pointer: &str) -> Option<Found> {
        let mut path = Path::default();
        let mut rest = segments(pointer)?;
        while let Some(segment) = rest.next() {
            if path.is_tree() {
                // A row: what it holds is below `data`.
                let node = self.row(&path, &segment)?;
                match rest.next() {
                    Some(part) if part == "data" => path.push(Key::item(node, Shape::Map)),
                    part => {
                        let row = self.row_value(&path, node)?;
                        return row.pointer_by(part.into_iter().chain(rest)).cloned().map(Found::Below);
                    }
                }
                continue;
            }
            let name = self.name_below(&path, &segment)?;
            let key = self.shown(&path, &name)?;
            path.push(key.clone());
            if !key.shape.nests() {
                let value = rest.next().map(|key| (key, self.value_of(&path)));
                let Some((key, value)) = value else { break };
                return value?.pointer_by(std::iter::once(key).chain(rest)).cloned().map(Found::Below);
            }
        }
        Some(if path.depth() == 0 { Found::Whole } else { Found::At(path) })
    }

    /// The name that a segment of a JSON pointer means at a place.
    fn name_below(&self, path: &Path, segment: &str) -> Option<Name> {
        match path.parent() {
            Some((_, key)) if key.shape == Shape::List => {
                self.element(path, segment.parse().ok()?).map(Name::Item)
            }
            _ => Some(Name::from(segment)),
        }
    }

    /// The key of the place that is shown under a name: the first in which something is visible.
    pub(super) fn shown(&self, path: &Path, name: &Name) -> Option<Key> {
        let visible = |key: &Key| self.is_visible(&path.child(key.clone()));
        let mut keys = Key::all_named(name).filter(|key| key.shape != Shape::Present);
        match name {
            Name::Str(_) => keys.find(visible),
            // An empty container in a list is there, too.
            Name::Item(element) => {
                keys.find(visible).or_else(|| Some(Key::item(*element, self.container_kind(path, *element)?)))
            }
        }
    }

    /// Whether nowhere on a path a place of another type and the same name is shown instead.
    pub(super) fn is_in_view(&self, path: &Path) -> bool {
        let mut above = Path::default();
        path.keys().iter().all(|key| {
            let mut in_front = Key::all_named(&key.name).take_while(|other| other.shape < key.shape);
            let hidden = in_front.any(|other| self.is_visible(&above.child(other)));
            above.push(key.clone());
            !hidden
        })
    }

    /// A path as a JSON pointer; `None` when an element on the way is not in its list.
    pub(super) fn pointer(&self, path: &Path) -> Option<String> {
        let mut pointer = String::new();
        let mut above = Path::default();
        for key in path.keys() {
            match &key.name {
                Name::Str(name) => point(&mut pointer, name),
                Name::Item(node) if above.is_tree() => {
                    point(&mut pointer, &self.row_of(&above, *node)?.to_string());
                    point(&mut pointer, "data");
                }
                Name::Item(element) => point(&mut pointer, &self.index(&above, *element)?.to_string()),
            }
            above.push(key.clone());
        }
        Some(pointer)
    }
}

/// What a JSON pointer led to.
enum Found {
    Whole,
    At(Path),
    /// Within a plain value.
    Below(Value),
}
