//! Where something stands in a document: [`Path`], made of a [`Key`] for each level.

use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::Dot;

/// Declares the types with their numbers, which are on the wire: a new one comes last.
macro_rules! shapes {
    ($($(#[$doc:meta])* $shape:ident)*) => {
        /// Which type a place has. Part of its identity: two replicas that create one name with different
        /// types at once make two places, and none of their edits is lost. The order says which is shown.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub(super) enum Shape {
            $($(#[$doc])* $shape,)*
        }

        impl Shape {
            const ALL: &[Shape] = &[$(Shape::$shape),*];
        }
    };
}

shapes! {
    Text
    List
    Map
    Set
    Counter
    Flag
    Values
    Register
    /// That an element of a list holds a container, even an empty one.
    Present
    Tree
    /// The marks of the text of the same name.
    Marks
    Max
    Min
    DwFlag
    RwSet
    Log
}

impl Shape {
    /// The container with this number.
    pub(super) fn container(number: u64) -> Option<Shape> {
        [Shape::Text, Shape::List, Shape::Map].into_iter().find(|shape| *shape as u64 == number)
    }

    /// The types of what can stand in an element of a list; the rest, which have names only, cost it no search.
    fn in_elements() -> &'static [Shape] {
        Shape::ALL.split_at(Shape::Marks as usize + 1).0
    }

    /// Whether other places can stand below one of this type.
    pub(super) fn nests(self) -> bool {
        matches!(self, Shape::Map | Shape::List | Shape::Tree)
    }
}

/// The name of a place within the one above it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Name {
    /// A key of a map.
    Str(SmolStr),
    /// An element of a list or a node of a tree, by the event that created it.
    Item(Dot),
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Name::Str(name.into())
    }
}

/// The name and type of a place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    pub(super) name: Name,
    pub(super) shape: Shape,
}

impl Key {
    pub(super) fn new(name: impl Into<Name>, shape: Shape) -> Self {
        Key { name: name.into(), shape }
    }

    pub(super) fn item(element: Dot, shape: Shape) -> Self {
        Key { name: Name::Item(element), shape }
    }

    /// The keys of all places that have this name, those shown first in front.
    pub(super) fn all_named(name: &Name) -> impl Iterator<Item = Key> + '_ {
        let shapes = match name {
            Name::Str(_) => Shape::ALL,
            Name::Item(_) => Shape::in_elements(),
        };
        shapes.iter().map(move |shape| Key { name: name.clone(), shape: *shape })
    }

    /// The element or node that it names, if it names one.
    pub(super) fn item_name(&self) -> Option<Dot> {
        match self.name {
            Name::Item(item) => Some(item),
            Name::Str(_) => None,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        self.shape == Shape::Text
    }

    /// Whether it can stand below a place of this type: elements below a list, the maps of nodes below a tree,
    /// names below all else.
    pub(super) fn fits(&self, above: Option<Shape>) -> bool {
        let item = matches!(self.name, Name::Item(_));
        match above {
            Some(Shape::List) => item && Shape::in_elements().contains(&self.shape),
            Some(Shape::Tree) => item && self.shape == Shape::Map,
            _ => !item && self.shape != Shape::Present,
        }
    }
}

/// In the type's byte: the name is an element, not a string.
const ITEM: u8 = 0x80;

impl Encode for Key {
    fn encode(&self, w: &mut Writer) {
        match &self.name {
            Name::Str(name) => {
                w.u8(self.shape as u8);
                w.string(name);
            }
            Name::Item(element) => {
                w.u8(self.shape as u8 | ITEM);
                w.dot(*element);
            }
        }
    }
}

impl Decode for Key {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = r.u8()?;
        let (number, known) = (kind & !ITEM, Shape::ALL.len() as u64 - 1);
        let later = DecodeError::Version { found: number.into(), known };
        let shape = Shape::ALL.get(usize::from(number)).copied().ok_or(later)?;
        let name = if kind & ITEM == 0 { r.string(|name| name.into())? } else { Name::Item(r.dot()?) };
        Ok(Key { name, shape })
    }
}

/// The keys from the root down.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Path(SmallVec<[Key; 2]>);

impl Path {
    /// The text at a root.
    pub(super) fn root_text(name: &str) -> Path {
        Path::from(Key::new(name, Shape::Text))
    }

    /// Whether it leads to the text at a root.
    pub(super) fn is_root_text(&self, root: &str) -> bool {
        matches!(self.keys(), [Key { name: Name::Str(name), shape: Shape::Text }] if name == root)
    }

    /// The place `key` below this one.
    pub(super) fn child(&self, key: Key) -> Path {
        let mut keys = self.0.clone();
        keys.push(key);
        Path(keys)
    }

    pub(super) fn push(&mut self, key: Key) {
        self.0.push(key);
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.0
    }

    /// The place above and the key below it; `None` for the whole document.
    pub(super) fn parent(&self) -> Option<(&[Key], &Key)> {
        self.0.split_last().map(|(last, above)| (above, last))
    }

    /// The elements of lists and nodes of trees that it leads through.
    pub(super) fn items(&self) -> impl Iterator<Item = Dot> + '_ {
        self.0.iter().filter_map(Key::item_name)
    }

    /// The place of the same name and another type.
    pub(super) fn beside(&self, shape: Shape) -> Path {
        let mut path = self.clone();
        path.0.iter_mut().last().into_iter().for_each(|key| key.shape = shape);
        path
    }

    /// Whether it leads to a list.
    pub(super) fn is_list(&self) -> bool {
        self.0.last().is_some_and(|key| key.shape == Shape::List)
    }

    /// Whether it leads to a flag.
    pub(super) fn is_flag(&self) -> bool {
        self.0.last().is_some_and(|key| matches!(key.shape, Shape::Flag | Shape::DwFlag))
    }

    /// Whether it leads to a tree.
    pub(super) fn is_tree(&self) -> bool {
        self.0.last().is_some_and(|key| key.shape == Shape::Tree)
    }

    /// Whether no patch tells the value there: it is never shown by itself, or has patches of its own.
    pub(super) fn is_hidden(&self) -> bool {
        self.0.last().is_none_or(|key| {
            matches!(key.shape, Shape::Present | Shape::List | Shape::Tree | Shape::Marks | Shape::Log)
        })
    }

    /// How many levels.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }
}

impl From<Key> for Path {
    fn from(key: Key) -> Self {
        Path(core::iter::once(key).collect())
    }
}

impl From<&[Key]> for Path {
    fn from(keys: &[Key]) -> Self {
        Path(keys.into())
    }
}

/// In the head of a path: it leads to a list, not to a text; its last name is an element, not a string.
const TO_LIST: u64 = 1;
const LAST_IS_ITEM: u64 = 2;

/// The path of a text or list: a head with the number of levels above the last, the keys of those, the last
/// name. At a root it costs one byte more than its name.
impl Encode for Path {
    fn encode(&self, w: &mut Writer) {
        let Some((above, last)) = self.parent() else { return };
        let list = if last.shape == Shape::List { TO_LIST } else { 0 };
        let item = if matches!(last.name, Name::Item(_)) { LAST_IS_ITEM } else { 0 };
        w.u64((above.len() as u64) << 2 | list | item);
        above.iter().for_each(|key| key.encode(w));
        match &last.name {
            Name::Str(name) => w.str(name),
            Name::Item(element) => w.dot(*element),
        }
    }
}

impl Decode for Path {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let head = r.u64()?;
        if head >> 2 >= Reader::MAX_DEPTH as u64 {
            return Err(r.limit("depth of a place"));
        }
        let mut path = Path::default();
        for _ in 0..head >> 2 {
            path.push(Key::decode(r)?);
        }
        let name = if head & LAST_IS_ITEM == 0 { Name::Str(r.str()?.into()) } else { Name::Item(r.dot()?) };
        path.push(Key { name, shape: if head & TO_LIST == 0 { Shape::Text } else { Shape::List } });
        let mut above = None;
        for key in path.keys() {
            if above.is_some_and(|shape: Shape| !shape.nests()) || !key.fits(above) {
                return Err(r.invalid("the path of a text or list"));
            }
            above = Some(key.shape);
        }
        Ok(path)
    }
}

/// The unescaped keys of a JSON pointer (RFC 6901); `None` when it does not start with `/`.
pub(super) fn segments(pointer: &str) -> Option<impl Iterator<Item = String> + '_> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return None;
    }
    Some(pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")))
}

/// Adds a key to a JSON pointer.
pub(super) fn point(pointer: &mut String, key: &str) {
    pointer.push('/');
    for c in key.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}
