//! Fields that hold other fields: lists, maps, trees.

use std::marker::PhantomData;

use super::{Container, Element, Field, FieldMut, FieldRef, Kind, Plain, Register, Schema};
use crate::doc::node::Node;
use crate::doc::path::{Key, Name, Shape};
use crate::doc::{Doc, ListMut, TreeMut, TreeView};
use crate::tree::{NodeId, Position};

/// A list whose elements move. Each is a struct, a text, a map, a list, or a plain value in a [`Register`].
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{List, Register, Schema};
/// #[derive(Schema)]
/// struct Board {
///     cards: List<Card>,
///     days: List<Register<String>>,
/// }
/// #[derive(Schema)]
/// struct Card {
///     what: Register<String>,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| {
///     let mut board = tx.edit_as::<Board>();
///     board.cards().push().what().set("milk");
///     board.days().push("Monday");
/// });
/// let board = doc.read_as::<Board>();
/// assert_eq!(board.cards().at(0).unwrap().what().get().as_deref(), Some("milk"));
/// assert_eq!(board.days().iter().filter_map(|day| day.get()).collect::<Vec<_>>(), ["Monday"]);
/// assert!(board.cards().len() == 1 && !board.cards().is_empty());
/// ```
#[derive(Debug)]
pub struct List<T>(PhantomData<fn() -> T>);

/// A map from strings to fields of one type. A key is there while something is visible under it.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Map, Register, Schema};
/// #[derive(Schema)]
/// struct Team {
///     people: Map<Person>,
/// }
/// #[derive(Schema)]
/// struct Person {
///     born: Register<i64>,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Team>().people().entry("ada").born().set(1815));
/// let people = doc.read_as::<Team>().people();
/// assert_eq!(people.get("ada").and_then(|person| person.born().get()), Some(1815));
/// assert!(people.get("bob").is_none());
/// ```
#[derive(Debug)]
pub struct Map<T>(PhantomData<fn() -> T>);

/// A tree whose nodes move, each with a struct or a map.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Schema, Text, Tree};
/// use crdt::tree::Position;
/// #[derive(Schema)]
/// struct Book {
///     outline: Tree<Section>,
/// }
/// #[derive(Schema)]
/// struct Section {
///     title: Text,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| {
///     let mut book = tx.edit_as::<Book>();
///     let mut outline = book.outline();
///     let one = outline.create(None, Position::Last);
///     outline.get(one).unwrap().title().insert(0, "One");
///     outline.create(Some(one), Position::Last);
/// });
/// let outline = doc.read_as::<Book>().outline();
/// let rows: Vec<_> = outline.walk().map(|(depth, _, section)| (depth, section.title().to_string())).collect();
/// assert_eq!(rows, [(0, "One".into()), (1, String::new())]);
/// ```
#[derive(Debug)]
pub struct Tree<T>(PhantomData<fn() -> T>);

field!([T: Element] List<T>: List);
field!([T: Field] Map<T>: Map);
field!([T: Schema] Tree<T>: Tree);

impl<T: Element> Element for List<T> {}
impl<T: Element> Container for List<T> {}
impl<T: Field> Element for Map<T> {}
impl<T: Field> Container for Map<T> {}
impl<T: Field> Schema for Map<T> {}

impl<'a, T: Element> FieldRef<'a, List<T>> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.doc.list_len(&self.path)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`; `None` when there is none. Of one that holds something else than a `T`, its reader finds
    /// nothing.
    pub fn at(&self, index: usize) -> Option<T::Ref<'a>> {
        let element = self.doc.element(&self.path, index)?;
        Some(self.child::<T>(Key::item(element, T::KIND.0)))
    }

    /// The elements in order. `O(n)`.
    pub fn iter(&self) -> impl Iterator<Item = T::Ref<'a>> + use<'a, T> {
        let (list, elements) = (self.clone(), self.doc.elements(&self.path));
        elements.into_iter().map(move |element| list.child::<T>(Key::item(element, T::KIND.0)))
    }
}

impl<T: Element> FieldMut<'_, List<T>> {
    fn list(&mut self) -> ListMut<'_> {
        ListMut(self.place.here())
    }

    /// The element at `index`; `None` when there is none.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<List<Register<String>>>>();
    ///     let mut days = root.entry("days");
    ///     days.push("Mnday");
    ///     days.at(0).unwrap().set("Monday");
    ///     assert!(days.at(1).is_none());
    /// });
    /// assert_eq!(doc.get("/days/0"), Some("Monday".into()));
    /// ```
    pub fn at(&mut self, index: usize) -> Option<T::Mut<'_>> {
        let element = self.place.doc().element(self.place.path(), index)?;
        self.found::<T>(Key::item(element, T::KIND.0))
    }

    /// Takes the element at `index` out, with all below it; whether there was one.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<List<Register<String>>>>();
    ///     root.entry("days").push("Monday");
    ///     assert!(root.entry("days").remove(0) && !root.entry("days").remove(0));
    /// });
    /// assert_eq!(doc.get("/days"), None);
    /// ```
    pub fn remove(&mut self, index: usize) -> bool {
        self.list().remove(index)
    }

    /// Moves the element at `from` so that it stands at `to` afterwards; whether there was one. Past the end means to
    /// the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<List<Register<i64>>>>();
    ///     (0..3).for_each(|n| root.entry("sizes").push(n));
    ///     root.entry("sizes").move_to(2, 0);
    /// });
    /// assert_eq!(doc.get("/sizes").unwrap().to_string(), "[2,0,1]");
    /// ```
    pub fn move_to(&mut self, from: usize, to: usize) -> bool {
        self.list().move_to(from, to)
    }
}

impl<T: Container> FieldMut<'_, List<T>> {
    /// Inserts an empty element before that at `index`; past the end means at the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Map, Text};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<List<Text>>>();
    ///     root.entry("blocks").insert(0).insert(0, "below");
    ///     root.entry("blocks").insert(0).insert(0, "above");
    /// });
    /// assert_eq!(doc.get("/blocks").unwrap().to_string(), r#"["above","below"]"#);
    /// ```
    pub fn insert(&mut self, index: usize) -> T::Mut<'_> {
        let element = self.list().insert_container(index, T::KIND.0);
        self.child::<T>(Key::item(element, T::KIND.0))
    }

    /// Appends an empty element.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<List<Map<Register<String>>>>>();
    ///     root.entry("cards").push().entry("what").set("milk");
    /// });
    /// assert_eq!(doc.get("/cards/0/what"), Some("milk".into()));
    /// ```
    pub fn push(&mut self) -> T::Mut<'_> {
        self.insert(usize::MAX)
    }
}

impl<T: Plain> FieldMut<'_, List<Register<T>>> {
    /// Inserts a value before the element at `index`; past the end means at the end.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<List<Register<String>>>>();
    ///     root.entry("days").insert(0, "Tuesday");
    ///     root.entry("days").insert(0, "Monday");
    /// });
    /// assert_eq!(doc.get("/days").unwrap().to_string(), r#"["Monday","Tuesday"]"#);
    /// ```
    pub fn insert(&mut self, index: usize, value: impl Into<T>) {
        self.list().insert(index, value.into().into_scalar());
    }

    /// Appends a value.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<List<Register<String>>>>().entry("days").push("Monday"));
    /// assert_eq!(doc.get("/days/0"), Some("Monday".into()));
    /// ```
    pub fn push(&mut self, value: impl Into<T>) {
        self.insert(usize::MAX, value);
    }
}

impl<'a, T: Field> FieldRef<'a, Map<T>> {
    /// What stands under a key; `None` where nothing is visible.
    pub fn get(&self, key: &str) -> Option<T::Ref<'a>> {
        let key = Key::new(key, T::KIND.0);
        self.doc.is_visible(&self.path.child(key.clone())).then(|| self.child::<T>(key))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = String> + use<'a, T> {
        let map = self.clone();
        let keys = map.doc.keys_below(&map.path, map.doc.places(&map.path)).into_iter();
        keys.filter_map(move |key| match &key.name {
            Name::Str(name) if key.shape == T::KIND.0 => {
                let name = name.to_string();
                map.doc.is_visible(&map.path.child(key)).then_some(name)
            }
            _ => None,
        })
    }

    /// The entries, in the order of the keys.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| ["b", "a"].into_iter().for_each(|key| tx.counter(key).add(2)));
    /// doc.transact(1, |tx| tx.put("c", "no counter"));
    /// let sums: Vec<_> = doc.read_as::<Map<Counter>>().iter().map(|(key, sum)| (key, sum.get())).collect();
    /// assert_eq!(sums, [("a".into(), 2), ("b".into(), 2)]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (String, T::Ref<'a>)> + use<'a, T> {
        let map = self.clone();
        self.keys().map(move |key| {
            let field = map.field::<T>(&key);
            (key, field)
        })
    }
}

impl<T: Field> FieldMut<'_, Map<T>> {
    /// What stands under a key, or will.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Map<Counter>>>().entry("votes").entry("ada").add(1));
    /// assert_eq!(doc.get("/votes/ada"), Some(1.into()));
    /// ```
    pub fn entry(&mut self, key: &str) -> T::Mut<'_> {
        self.field::<T>(key)
    }

    /// What stands under a key; `None` where nothing is visible.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut votes = tx.edit_as::<Map<Counter>>();
    ///     votes.entry("ada").add(1);
    ///     votes.get("ada").unwrap().add(1);
    ///     assert!(votes.get("bob").is_none());
    /// });
    /// assert_eq!(doc.get("/ada"), Some(2.into()));
    /// ```
    pub fn get(&mut self, key: &str) -> Option<T::Mut<'_>> {
        self.read().get(key)?;
        self.found::<T>(Key::new(key, T::KIND.0))
    }

    /// Takes away what stands under a key, and all below it. Concurrent edits of it stay; so does what has this name
    /// and another type.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut votes = tx.edit_as::<Map<Counter>>();
    ///     votes.entry("ada").add(1);
    ///     votes.remove("ada");
    ///     votes.remove("bob"); // not there: no event
    /// });
    /// assert_eq!(doc.get("/ada"), None);
    /// ```
    pub fn remove(&mut self, key: &str) {
        // Nothing stands deeper.
        if self.place.path().depth() < Doc::MAX_DEPTH {
            self.place.child(Key::new(key, T::KIND.0)).clear();
        }
    }
}

impl<'a, T: Schema> FieldRef<'a, Tree<T>> {
    /// The tree itself: what stands below what, what is in the trash; `None` where no node ever was.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map, Tree};
    /// use crdt::tree::Position;
    /// type Outlines = Map<Tree<Map<Counter>>>;
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// let a = doc.transact(0, |tx| tx.edit_as::<Outlines>().entry("book").create(None, Position::Last));
    /// let book = doc.read_as::<Outlines>().get("book").unwrap();
    /// assert_eq!(book.view().unwrap().children(None).collect::<Vec<_>>(), [a]);
    /// ```
    pub fn view(&self) -> Option<TreeView<'a>> {
        self.doc.tree_view(self.path.clone())
    }

    /// What a node holds; `None` when it is not shown.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map, Tree};
    /// use crdt::tree::Position;
    /// type Outlines = Map<Tree<Map<Counter>>>;
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// let a = doc.transact(0, |tx| tx.edit_as::<Outlines>().entry("book").create(None, Position::Last));
    /// let book = doc.read_as::<Outlines>().get("book").unwrap();
    /// assert_eq!(book.get(a).unwrap().keys().count(), 0);
    /// ```
    pub fn get(&self, node: NodeId) -> Option<T::Ref<'a>> {
        self.view().filter(|tree| tree.contains(node))?;
        Some(self.child::<T>(Key::item(node, T::KIND.0)))
    }

    /// All nodes that are shown, each before those below it, with their depths and what they hold.
    pub fn walk(&self) -> impl Iterator<Item = (usize, NodeId, T::Ref<'a>)> + use<'a, T> {
        let tree = self.clone();
        let nodes = self.view().into_iter().flat_map(|view| view.walk());
        nodes.map(move |(depth, node)| (depth, node, tree.child::<T>(Key::item(node, T::KIND.0))))
    }
}

impl<T: Schema> FieldMut<'_, Tree<T>> {
    fn tree(&mut self) -> TreeMut<'_> {
        TreeMut(self.place.here())
    }

    /// Makes a node below another, or at the top for `None`. Below a node that is not there it is not shown.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map, Tree};
    /// use crdt::tree::Position;
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<Tree<Map<Counter>>>>();
    ///     let chapter = root.entry("book").create(None, Position::Last);
    ///     root.entry("book").create(Some(chapter), Position::First);
    /// });
    /// assert_eq!(doc.get("/book/1/depth"), Some(1.into()));
    /// ```
    pub fn create(&mut self, parent: Option<NodeId>, position: Position) -> NodeId {
        self.tree().create(parent, position)
    }

    /// What a node holds; `None` when there is no such node. A removed node has it still.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map, Tree};
    /// use crdt::tree::Position;
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<Tree<Map<Counter>>>>();
    ///     let chapter = root.entry("book").create(None, Position::Last);
    ///     root.entry("book").get(chapter).unwrap().entry("pages").add(12);
    /// });
    /// assert_eq!(doc.get("/book/0/data/pages"), Some(12.into()));
    /// ```
    pub fn get(&mut self, node: NodeId) -> Option<T::Mut<'_>> {
        let known = matches!(self.place.node(), Some(Node::Tree(tree)) if tree.has(node));
        if known { self.found::<T>(Key::item(node, T::KIND.0)) } else { None }
    }

    /// Moves a node, with all below it, below another, or to the top for `None`. Whether it did: not if there is no such
    /// node or parent, or the parent stands below the node. A removed node is put back so.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map, Tree};
    /// use crdt::tree::Position;
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<Tree<Map<Counter>>>>();
    ///     let [a, b] = [(); 2].map(|()| root.entry("book").create(None, Position::Last));
    ///     assert!(root.entry("book").move_to(b, Some(a), Position::Last));
    ///     assert!(!root.entry("book").move_to(a, Some(b), Position::Last)); // it would stand below itself
    /// });
    /// ```
    pub fn move_to(&mut self, node: NodeId, parent: Option<NodeId>, position: Position) -> bool {
        self.tree().move_to(node, parent, position)
    }

    /// Takes a node away, with all below it; whether it was there. Moving it brings it back until
    /// [`purge`](TreeMut::purge).
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map, Tree};
    /// use crdt::tree::Position;
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<Tree<Map<Counter>>>>();
    ///     let chapter = root.entry("book").create(None, Position::Last);
    ///     root.entry("book").remove(chapter);
    /// });
    /// assert!(doc.read_as::<Map<Tree<Map<Counter>>>>().get("book").is_none());
    /// ```
    pub fn remove(&mut self, node: NodeId) -> bool {
        self.tree().remove(node)
    }

    /// Forgets for good what was removed; see [`TreeMut::purge`].
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map, Tree};
    /// use crdt::tree::Position;
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut root = tx.edit_as::<Map<Tree<Map<Counter>>>>();
    ///     let chapter = root.entry("book").create(None, Position::Last);
    ///     root.entry("book").remove(chapter);
    ///     root.entry("book").purge();
    ///     assert!(root.entry("book").get(chapter).is_none());
    /// });
    /// ```
    pub fn purge(&mut self) {
        self.tree().purge();
    }
}
