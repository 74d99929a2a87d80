//! [`List`]: what the elements of a list hold, and where those stand that were moved.
//!
//! The order of a list is a [`Text`] of placeholders, one for each element, so lists and texts have one
//! core. An element is named by the event of its placeholder, for ever. Moving it (Kleppmann, "Moving
//! elements in list CRDTs", 2020) puts a new placeholder where it goes, deletes the old one, and writes
//! which placeholder is its *slot* now; of concurrent moves the later stamp wins, so it never shows twice.

use std::collections::BTreeSet;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::map::OrMap;
use crate::register::LwwRegister;
use crate::text::Text;

use super::node::{Node, Places, decode_places};
use super::path::{Key, Name, Shape};

/// What stands in the order's text for each element.
pub(super) const PLACEHOLDER: &str = "-";

/// The contents of a list's elements and the slots of those that were moved.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct List {
    items: Places,
    /// For each element that was ever moved: where it stands.
    slots: OrMap<Dot, LwwRegister<Dot>>,
    /// Slots with the elements in them, of those that were moved; follows from the two above.
    elements: BTreeSet<(Dot, Dot)>,
    /// Placeholders in which an element does not stand: of moves that lost, and of elements that were
    /// removed while someone moved them. Follows from the two above.
    ghosts: BTreeSet<(Dot, Dot)>,
}

impl List {
    /// What the elements hold.
    pub(super) fn items(&self) -> &Places {
        &self.items
    }

    /// The element that stands at a placeholder, if one does.
    pub(super) fn element(&self, placeholder: Dot) -> Option<Dot> {
        match at(&self.elements, placeholder) {
            None => at(&self.ghosts, placeholder).is_none().then_some(placeholder),
            element => element,
        }
    }

    /// The placeholder at which an element stands.
    pub(super) fn slot(&self, element: Dot) -> Dot {
        self.slots.get(&element).and_then(LwwRegister::get).copied().unwrap_or(element)
    }

    /// All placeholders that an element ever stood at as far as they may be visible: its slot, and those of
    /// concurrent moves that lost.
    pub(super) fn all_slots(&self, element: Dot) -> Vec<Dot> {
        let lost = self.slots.get(&element).into_iter().flat_map(LwwRegister::losers);
        lost.map(|(_, slot)| *slot).chain([self.slot(element)]).collect()
    }

    /// Where in `order` each ghost stands that is visible there, sorted.
    fn ghosts_in(&self, order: &Text) -> Vec<usize> {
        let empty = self.ghosts.iter().map(|(slot, _)| *slot).filter(|slot| self.element(*slot).is_none());
        let visible = empty.filter_map(|slot| order.place_of(slot).filter(|(_, visible)| *visible));
        let mut at: Vec<usize> = visible.map(|(pos, _)| pos).collect();
        at.sort_unstable();
        at.dedup();
        at
    }

    /// How many elements there are.
    pub(super) fn len(&self, order: &Text) -> usize {
        order.len() - self.ghosts_in(order).len()
    }

    /// The position in `order` of the element at `index`; for an index past the end, the end.
    pub(super) fn position(&self, order: &Text, index: usize) -> usize {
        let mut pos = index.min(order.len());
        for ghost in self.ghosts_in(order) {
            pos += usize::from(ghost <= pos);
        }
        pos.min(order.len())
    }

    /// How many elements stand before an element, and whether it is there itself; `None` when it never was.
    /// `O(log n)` and the ghosts.
    pub(super) fn place(&self, order: &Text, element: Dot) -> Option<(usize, bool)> {
        let slot = self.slot(element);
        let (pos, visible) = order.place_of(slot)?;
        let here = visible && self.element(slot) == Some(element);
        Some((pos - self.ghosts_in(order).iter().filter(|ghost| **ghost < pos).count(), here))
    }

    /// The elements in order.
    pub(super) fn elements<'a>(&'a self, order: &'a Text) -> impl Iterator<Item = Dot> + 'a {
        order.dots().filter_map(|placeholder| self.element(placeholder))
    }

    /// Every event that must have placed something for this to make sense: elements and slots.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = Dot> + '_ {
        let elements = self.items.iter().filter_map(|(key, _)| match key.name {
            Name::Item(element) => Some(element),
            Name::Str(_) => None,
        });
        let moved = self.slots.iter().flat_map(|(element, register)| {
            register.candidates().map(|(_, _, slot)| *slot).chain([*element])
        });
        elements.chain(moved)
    }

    /// Edits what an element holds.
    pub(super) fn update<R>(
        &mut self,
        key: Key,
        cx: &mut Cx,
        edit: impl FnOnce(&mut Node, &mut Cx) -> R,
    ) -> R {
        let name = key.name.clone();
        let result = self.items.update(key, cx, edit);
        if let Name::Item(element) = name {
            self.unsettle(element);
            self.settle(element);
        }
        result
    }

    /// Writes where an element stands.
    pub(super) fn set_slot(&mut self, element: Dot, slot: Dot, cx: &mut Cx) {
        self.unsettle(element);
        self.slots.update(element, cx, |register, cx| register.set(slot, cx));
        self.settle(element);
    }

    /// Takes away what an element holds, and its slot, by one event.
    pub(super) fn clear_element(&mut self, element: Dot, cx: &mut Cx) {
        self.unsettle(element);
        let mut any = false;
        for key in Key::all_named(&Name::Item(element)) {
            any |= self.items.get(&key).is_some() && self.items.update(key, cx, Node::end);
        }
        any |= self.slots.get(&element).is_some() && self.slots.update(element, cx, LwwRegister::end);
        if any {
            cx.event();
        }
        self.settle(element);
    }

    /// The elements that were moved.
    pub(super) fn moved(&self) -> impl Iterator<Item = Dot> + '_ {
        self.slots.iter().map(|(element, _)| *element)
    }

    /// Where an element was moved, if it was.
    pub(super) fn moves(&self, element: Dot) -> Option<&LwwRegister<Dot>> {
        self.slots.get(&element)
    }

    /// Calls `f` with the event and the stamp of each move.
    pub(super) fn each_stamp(&self, f: &mut dyn FnMut(Dot, Hlc)) {
        self.slots.iter().for_each(|(_, register)| register.each_stamp(f));
    }

    /// How many elements are shown before a placeholder.
    pub(super) fn index_of(&self, order: &Text, slot: Dot) -> Option<usize> {
        let (pos, _) = order.place_of(slot)?;
        Some(pos - self.ghosts_in(order).iter().filter(|ghost| **ghost < pos).count())
    }

    /// Takes what follows from an element's slots out.
    fn unsettle(&mut self, element: Dot) {
        for slot in self.all_slots(element) {
            self.elements.remove(&(slot, element));
            self.ghosts.remove(&(slot, element));
        }
    }

    /// Puts what follows from an element's slots in.
    fn settle(&mut self, element: Dot) {
        let Some(register) = self.slots.get(&element) else { return };
        self.ghosts.extend(register.losers().map(|(_, slot)| (*slot, element)));
        let Some(slot) = register.get().copied() else { return };
        if self.holds_something(element) {
            self.elements.insert((slot, element));
        } else {
            self.ghosts.insert((slot, element));
        }
    }

    fn holds_something(&self, element: Dot) -> bool {
        Key::all_named(&Name::Item(element)).any(|key| self.items.get(&key).is_some())
    }

    fn settled(mut self) -> Self {
        let moved: Vec<Dot> = self.slots.iter().map(|(element, _)| *element).collect();
        moved.into_iter().for_each(|element| self.settle(element));
        self
    }
}

/// The first of the elements that a set has for a slot.
fn at(set: &BTreeSet<(Dot, Dot)>, slot: Dot) -> Option<Dot> {
    let first = (slot, Dot::new(ReplicaId::MIN, 0));
    set.range(first..).next().filter(|(found, _)| *found == slot).map(|(_, element)| *element)
}

impl DotStore for List {
    fn is_bottom(&self) -> bool {
        self.items.is_bottom() && self.slots.is_bottom()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.items.for_each_dot(f);
        self.slots.for_each_dot(f);
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        let ended: DotRanges = theirs.iter_ranges().collect();
        let mut touched = self.slots.keys_within(&ended);
        touched.extend(other.slots.iter().map(|(element, _)| *element));
        if !self.slots.is_empty() || !other.slots.is_empty() {
            let names = self.items.keys_within(&ended).into_iter();
            let names = names.chain(other.items.iter().map(|(key, _)| key.clone()));
            touched.extend(names.filter_map(|key| match key.name {
                Name::Item(element) => Some(element),
                Name::Str(_) => None,
            }));
        }
        touched.iter().for_each(|element| self.unsettle(*element));
        self.items.join(ours, &other.items, theirs, changes);
        self.slots.join(ours, &other.slots, theirs, changes);
        touched.into_iter().for_each(|element| self.settle(element));
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        let (items, slots) = (self.items.part(wanted), self.slots.part(wanted));
        List { items, slots, ..List::default() }.settled()
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        self.elements.clear();
        self.ghosts.clear();
        self.items.end(cx) | self.slots.end(cx)
    }
}

impl Encode for List {
    fn encode(&self, w: &mut Writer) {
        self.items.encode(w);
        self.slots.encode(w);
    }
}

impl Decode for List {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let items = decode_places(Some(Shape::List), r)?;
        let slots = OrMap::decode(r)?;
        Ok(List { items, slots, ..List::default() }.settled())
    }
}
