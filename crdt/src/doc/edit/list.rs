//! [`ListMut`]: a list under edit.

use super::{MapMut, Place, TextMut};
use crate::doc::Scalar;
use crate::doc::list::List;
use crate::doc::node::Node;
use crate::doc::path::{Key, Name, Shape};
use crate::doc::undo::{Holds, Inverse};
use crate::id::Dot;
use crate::text::Text;

/// Where in its order an element of a list goes.
#[derive(Clone, Copy, Debug)]
pub(in crate::doc) enum Spot {
    /// Before the placeholder at this position.
    At(usize),
    /// Where a placeholder stood, with the one that stood left of it.
    Again { slot: Dot, left: Option<Dot> },
}

/// A list under edit. Its elements are plain values, texts, maps and lists; each can be moved.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | insert at a place | insert at that place | both, those of one in one piece |
/// | move an element | move it elsewhere | it stands once, where the later stamp put it |
/// | remove an element | edit it, or below it | it is removed |
/// | remove an element | move it | it is removed, unless B also wrote into it |
/// | move an element | edit it, or below it | both |
///
/// `O(log n)` for each edit, and what concurrent moves of one element left behind. Source: the order is that of a
/// [text](super::TextMut); moves are those of Kleppmann, "Moving elements in list CRDTs", 2020.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(1_000, |tx| {
///     let mut todo = tx.list("todo");
///     todo.push("milk");
///     todo.push_map().put("what", "bread");
///     todo.push("tea");
/// });
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(2_000, |tx| tx.list("todo").move_to(2, 0)); // tea first
/// bob.transact(2_000, |tx| tx.list("todo").map(1).unwrap().put("done", true));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.value().to_string(), r#"{"todo":["tea","milk",{"done":true,"what":"bread"}]}"#);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct ListMut<'a>(pub(in crate::doc) Place<'a>);

impl ListMut<'_> {
    /// How many elements there are.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut days = tx.list("days");
    ///     days.push("Monday");
    ///     assert!(days.len() == 1 && !days.is_empty());
    /// });
    /// ```
    pub fn len(&self) -> usize {
        self.view(|list, order| list.len(order))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts a plain value before the element at `index`; past the end means at the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut days = tx.list("days");
    ///     days.insert(0, "Tuesday");
    ///     days.insert(0, "Monday");
    /// });
    /// assert_eq!(doc.get("/days").unwrap().to_string(), r#"["Monday","Tuesday"]"#);
    /// ```
    pub fn insert(&mut self, index: usize, value: impl Into<Scalar>) {
        self.insert_at(Spot::At(self.position(index)), Holds::Plain(value.into()));
    }

    /// Appends a plain value.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| ["Monday", "Tuesday"].into_iter().for_each(|day| tx.list("days").push(day)));
    /// assert_eq!(doc.get("/days/1"), Some("Tuesday".into()));
    /// ```
    pub fn push(&mut self, value: impl Into<Scalar>) {
        self.insert(usize::MAX, value);
    }

    /// Inserts an empty map before the element at `index`; past the end means at the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.list("todo").insert_map(0).put("what", "milk"));
    /// assert_eq!(doc.get("/todo/0/what"), Some("milk".into()));
    /// ```
    pub fn insert_map(&mut self, index: usize) -> MapMut<'_> {
        let element = self.insert_container(index, Shape::Map);
        MapMut(self.item(element, Shape::Map))
    }

    /// Appends an empty map.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut todo = tx.list("todo");
    ///     let mut item = todo.push_map();
    ///     item.put("what", "milk");
    ///     item.flag("done").enable();
    /// });
    /// assert_eq!(doc.get("/todo").unwrap().to_string(), r#"[{"done":true,"what":"milk"}]"#);
    /// ```
    pub fn push_map(&mut self) -> MapMut<'_> {
        self.insert_map(usize::MAX)
    }

    /// Inserts an empty text before the element at `index`; past the end means at the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.list("blocks").insert_text(0).insert(0, "A heading"));
    /// assert_eq!(doc.text("/blocks/0").unwrap().len(), 9);
    /// ```
    pub fn insert_text(&mut self, index: usize) -> TextMut<'_> {
        let element = self.insert_container(index, Shape::Text);
        self.item(element, Shape::Text).into_text()
    }

    /// Appends an empty text.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.list("blocks").push_text().insert(0, "A heading");
    ///     tx.list("blocks").push_text(); // an empty line is an element, too
    /// });
    /// assert_eq!(doc.get("/blocks").unwrap().to_string(), r#"["A heading",""]"#);
    /// ```
    pub fn push_text(&mut self) -> TextMut<'_> {
        self.insert_text(usize::MAX)
    }

    /// Inserts an empty list before the element at `index`; past the end means at the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.list("rows").insert_list(0).push(1));
    /// assert_eq!(doc.get("/rows/0/0"), Some(1.into()));
    /// ```
    pub fn insert_list(&mut self, index: usize) -> ListMut<'_> {
        let element = self.insert_container(index, Shape::List);
        ListMut(self.item(element, Shape::List))
    }

    /// Appends an empty list.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut rows = tx.list("rows");
    ///     (0..2).for_each(|n| rows.push_list().push(n));
    /// });
    /// assert_eq!(doc.get("/rows").unwrap().to_string(), "[[0],[1]]");
    /// ```
    pub fn push_list(&mut self) -> ListMut<'_> {
        self.insert_list(usize::MAX)
    }

    /// Writes a plain value in place of that of the element at `index`; whether there is such an element.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.list("days").push("Mnday");
    ///     assert!(tx.list("days").put(0, "Monday")); // the element stays: it can be moved meanwhile
    ///     assert!(!tx.list("days").put(7, "nowhere"));
    /// });
    /// assert_eq!(doc.get("/days/0"), Some("Monday".into()));
    /// ```
    pub fn put(&mut self, index: usize, value: impl Into<Scalar>) -> bool {
        let element = self.element(index);
        if let Some(element) = element {
            self.item(element, Shape::Register).put(value.into());
        }
        element.is_some()
    }

    /// The map that the element at `index` holds; `None` when there is no such element.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.list("todo").push_map().put("what", "milk");
    ///     tx.list("todo").map(0).unwrap().flag("done").enable();
    /// });
    /// assert_eq!(doc.get("/todo/0/done"), Some(true.into()));
    /// ```
    pub fn map(&mut self, index: usize) -> Option<MapMut<'_>> {
        let element = self.element(index)?;
        Some(MapMut(self.item(element, Shape::Map)))
    }

    /// The text that the element at `index` holds; `None` when there is no such element.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.list("blocks").push_text().insert(0, "hello");
    ///     tx.list("blocks").text(0).unwrap().insert(5, "!");
    /// });
    /// assert_eq!(doc.get("/blocks/0"), Some("hello!".into()));
    /// ```
    pub fn text(&mut self, index: usize) -> Option<TextMut<'_>> {
        let element = self.element(index)?;
        Some(self.item(element, Shape::Text).into_text())
    }

    /// The list that the element at `index` holds; `None` when there is no such element.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.list("rows").push_list();
    ///     tx.list("rows").list(0).unwrap().push(1);
    /// });
    /// assert_eq!(doc.get("/rows/0/0"), Some(1.into()));
    /// ```
    pub fn list(&mut self, index: usize) -> Option<ListMut<'_>> {
        let element = self.element(index)?;
        Some(ListMut(self.item(element, Shape::List)))
    }

    /// Takes the element at `index` out, with all below it; whether there was one.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.list("days").push("Monday");
    ///     assert!(tx.list("days").remove(0) && !tx.list("days").remove(0));
    /// });
    /// assert_eq!(doc.get("/days"), None);
    /// ```
    pub fn remove(&mut self, index: usize) -> bool {
        let element = self.element(index);
        if let Some(element) = element {
            self.remove_element(element);
        }
        element.is_some()
    }

    /// Moves the element at `from` so that it stands at `to` afterwards; whether there was one. Past the end
    /// means to the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| ["a", "b", "c"].into_iter().for_each(|item| tx.list("l").push(item)));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// alice.transact(1, |tx| tx.list("l").move_to(0, 2));
    /// bob.transact(2, |tx| tx.list("l").move_to(0, 1)); // the same element: it stands once
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.get("/l").unwrap().to_string(), r#"["b","a","c"]"#);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn move_to(&mut self, from: usize, to: usize) -> bool {
        let Some(element) = self.element(from) else { return false };
        // Counted without the element itself, which still stands where it was.
        let before = if to < from { to } else { to.saturating_add(1) };
        let pos = self.position(before);
        if from != to {
            self.move_element(element, Spot::At(pos));
        }
        true
    }

    fn view<R>(&self, read: impl FnOnce(&List, &Text) -> R) -> R {
        let (nothing, no_text) = (List::default(), Text::default());
        let list = match self.0.node() {
            Some(Node::List(list)) => list,
            _ => &nothing,
        };
        read(list, self.0.doc.texts.get(&self.0.path).unwrap_or(&no_text))
    }

    fn position(&self, index: usize) -> usize {
        self.view(|list, order| list.position(order, index))
    }

    pub(in crate::doc) fn element(&self, index: usize) -> Option<Dot> {
        self.view(|list, order| list.element(order.dot_at(list.position(order, index))?))
    }

    fn item(&mut self, element: Dot, shape: Shape) -> Place<'_> {
        self.0.child(Key::item(element, shape))
    }

    fn order(&mut self) -> TextMut<'_> {
        self.0.here().into_text()
    }

    /// Puts an element in at a position of the order. Its first event writes what it holds, the second its
    /// placeholder: no difference, wherever it is cut, shows an element that holds nothing.
    pub(in crate::doc) fn insert_at(&mut self, spot: Spot, holds: Holds) -> Dot {
        let element = self.0.doc.next_event(2);
        match holds {
            Holds::Plain(value) => self.item(element, Shape::Register).put_unrecorded(value),
            Holds::Container(kind) => self.item(element, Shape::Present).mutate(|node, cx| {
                if let Node::Present(present) = node {
                    present.set(kind as u64, cx);
                }
            }),
        }
        self.0.touch_list();
        let at = self.order().put_placeholder(spot);
        debug_assert_eq!(at, element, "the element is named by the event that places it");
        self.0.undoable(|place| Some(Inverse::RemoveElement { list: place.path.clone(), element }));
        element
    }

    pub(in crate::doc) fn insert_container(&mut self, index: usize, kind: Shape) -> Dot {
        self.insert_at(Spot::At(self.position(index)), Holds::Container(kind))
    }

    /// Whether an element is in the list.
    pub(in crate::doc) fn has(&self, element: Dot) -> bool {
        self.view(|list, order| list.place(order, element).is_some_and(|(_, here)| here))
    }

    pub(in crate::doc) fn remove_element(&mut self, element: Dot) {
        self.0.touch_list();
        self.0.undoable(|place| Inverse::restore_element(place.doc, &place.path, element));
        for slot in self.view(|list, _| list.all_slots(element)) {
            self.delete_placeholder(slot);
        }
        for key in Key::all_named(&Name::Item(element)).filter(|key| key.shape.nests() || key.is_text()) {
            let below = self.0.path.child(key);
            self.0.clear_texts(&below);
        }
        self.0.here().mutate(|node, cx| {
            if let Node::List(list) = node {
                list.clear_element(element, cx);
            }
        });
    }

    pub(in crate::doc) fn move_element(&mut self, element: Dot, spot: Spot) {
        self.0.touch_list();
        let (old, slots) = self.view(|list, _| (list.slot(element), list.all_slots(element)));
        self.0.undoable(|place| {
            let (list, slot) = (place.path.clone(), old);
            Some(Inverse::MoveBack { left: place.doc.left_of(&list, slot), list, element, slot })
        });
        let slot = self.order().put_placeholder(spot);
        slots.into_iter().for_each(|old| self.delete_placeholder(old));
        self.0.here().mutate(|node, cx| {
            if let Node::List(list) = node {
                list.set_slot(element, slot, cx);
            }
        });
    }

    fn delete_placeholder(&mut self, slot: Dot) {
        let mut order = self.order();
        if let Some((pos, true)) = order.text.place_of(slot) {
            order.delete_unrecorded(pos..pos + 1);
        }
    }
}
