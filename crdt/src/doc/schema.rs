//! Documents as types: a struct is declared once, and a document is read and edited through it, checked by the
//! compiler. It is a way to name places of a [`Doc`], nothing more: what is written is what the same edits by name
//! write, byte for byte. So it is undone, kept, looked at in the past, told of and synced like any document.
//!
//! ```
//! use crdt::doc::schema::{Counter, Flag, List, Map, Plain, Register, Schema, Set, Text, Tree, Values};
//! use crdt::{Doc, ReplicaId};
//!
//! #[derive(Schema)]
//! struct Board {
//!     title: Register<String>, // the later write wins
//!     notes: Text,             // edited together, with marks
//!     tags: Set<String>,
//!     votes: Counter,
//!     colour: Values<Colour>,  // concurrent writes all stay
//!     cards: List<Card>,       // elements that move
//!     people: Map<Person>,     // by key
//!     owner: Person,           // a struct within is a map
//!     outline: Tree<Section>,  // nodes that move
//! }
//!
//! #[derive(Schema)]
//! struct Card {
//!     what: Register<String>,
//!     done: Flag,
//!     parts: List<Card>, // to any depth
//! }
//!
//! #[derive(Schema)]
//! struct Person {
//!     born: Register<i64>,
//! }
//!
//! #[derive(Schema)]
//! struct Section {
//!     title: Text,
//! }
//!
//! #[derive(Plain, PartialEq, Debug)]
//! enum Colour {
//!     Red,
//!     Blue,
//! }
//!
//! let mut doc = Doc::new(ReplicaId::from_u128(1));
//! doc.transact(1_000, |tx| {
//!     let mut board = tx.edit_as::<Board>();
//!     board.title().set("Launch");
//!     board.notes().insert(0, "hi");
//!     board.votes().add(2);
//!     board.colour().offer(Colour::Blue);
//!     board.cards().push().what().set("milk");
//!     board.people().entry("ada").born().set(1815);
//! });
//! let board = doc.read_as::<Board>();
//! assert_eq!(board.title().get().as_deref(), Some("Launch"));
//! assert_eq!(board.votes().get(), 2);
//! assert_eq!(board.colour().iter().collect::<Vec<_>>(), [Colour::Blue]);
//! let card = board.cards().at(0).unwrap();
//! assert!(card.what().get().as_deref() == Some("milk") && !card.done().get());
//! assert_eq!(card.what().pointer(), "/cards/0/what"); // as patches and conflicts have it
//! assert_eq!(board.people().keys().collect::<Vec<_>>(), ["ada"]);
//! assert_eq!(board.owner().born().get(), None);
//! ```
//!
//! | field | holds | read | edited |
//! |---|---|---|---|
//! | [`Register<T>`] | a plain value; the later write wins | `get` | `set` |
//! | [`Values<T>`] | plain values: all concurrent writes | `iter` | `offer` |
//! | [`Set<T>`], [`RwSet<T>`] | plain values | `iter`, `contains` | `insert`, `remove` |
//! | [`Counter`] | a sum | `get` | `add` |
//! | [`Flag`], [`DwFlag`] | a truth value | `get` | `enable`, `disable` |
//! | [`Max`], [`Min`] | the greatest, the least number | `get` | `set` |
//! | [`Log<T>`] | plain values by their times | `iter`, `stamped` | `append` |
//! | [`Text`] | characters, and marks on them | `get` | [`TextMut`](super::TextMut) |
//! | [`List<T>`] | structs, texts, maps, lists, registers | `at`, `iter` | `push`, `insert`, `at`, `remove`, `move_to` |
//! | [`Map<T>`] | any field, by key | `get`, `keys`, `iter` | `entry`, `get`, `remove` |
//! | [`Tree<T>`] | structs or maps | `get`, `walk`, `view` | `create`, `get`, `move_to`, `remove` |
//! | a struct | its fields | their names | their names |
//!
//! What happens when two edit at once is what [`Doc`] says of each type. All can be cleared ([`FieldMut::clear`]), read in
//! the open transaction ([`FieldMut::read`]), and say where they stand ([`FieldRef::pointer`]). What a reader does not
//! find reads as nothing: `None`, zero, lowered, empty. Values are [`trait@Plain`]: numbers, strings, your enums.
//!
//! # To hear of one field
//!
//! Patches name places by JSON pointer, and a field has one:
//!
//! ```
//! use crdt::doc::schema::{List, Register, Schema};
//! # use crdt::{Doc, ReplicaId};
//! #[derive(Schema)]
//! struct Board {
//!     title: Register<String>,
//!     days: List<Register<String>>,
//! }
//! let mut doc = Doc::new(ReplicaId::from_u128(1));
//! let days = doc.read_as::<Board>().days().pointer();
//! let (sender, heard) = std::sync::mpsc::channel();
//! let _subscription = doc.subscribe(move |change| {
//!     if change.patches.iter().any(|patch| patch.touches(&days)) {
//!         sender.send("days").unwrap();
//!     }
//! });
//! doc.transact(0, |tx| tx.edit_as::<Board>().title().set("A week"));
//! doc.transact(1, |tx| tx.edit_as::<Board>().days().push("Monday"));
//! doc.transact(2, |tx| tx.edit_as::<Board>().days().at(0).unwrap().set("monday"));
//! assert_eq!(heard.try_iter().count(), 2);
//! ```
//!
//! # When two versions of a struct meet
//!
//! Older and newer versions of an app edit one document. Nothing is checked and nothing converted when they meet; each
//! sees the places that it names.
//!
//! - **A new field** reads as nothing until somebody writes it. A version that does not know a field leaves it as it is,
//!   in a copy, a save, an undo, too. So does one that no longer has it.
//! - **Another name in Rust** is free: `#[crdt(name = "title")]` keeps the name in the document. Another name in the
//!   document is another place: read the old field where the new one is empty.
//! - **The type of a field is part of its place.** `title: Register<String>` and `title: Text` are two places of one name,
//!   none of which is lost; each version reads and writes its own. [`Doc::value`], patches and conflicts show one of
//!   the two (`Doc::value` says which), and tell nothing of the other: give what gets another type another name. Of
//!   the types in brackets only the kind counts: `List<Card>` and `List<Text>` are one list, whose elements are two places
//!   each.
//! - **A plain value of another type** is in the same place: a `Register<i64>` in which a string was written reads as
//!   `None`, the next write replaces it. So does an enum read a name that only newer versions know; sets and values leave
//!   out such members.
//! - **A field in a struct becomes a field of a struct within** (`owner: Register<String>` to `owner: Person`) by the same
//!   rule: another type, so another place.
//!
//! # Costs
//!
//! To step to a field is free of the document: it copies the path. To read one costs the way down, `O(log n)` at each level,
//! not what stands beside it.
//!
//! A document nests at most [`Doc::MAX_DEPTH`] levels. What stands too deep for all its fields is read, but not given to be
//! edited: `at` and `get` are `None`. To make something deeper (`push`, `entry`) is a mistake of the program and panics, as it
//! does by name; where users decide how deep it goes, look at [`FieldRef::depth`] first.

use std::fmt;
use std::marker::PhantomData;

use super::edit::{Place, Tx};
use super::node::Node;
use super::path::{Key, Name, Path, Shape};
use super::{Doc, Scalar, Value};

/// A field that is read by [`FieldRef`] and edited by [`FieldMut`].
macro_rules! field {
    ([$($generics:tt)*] $type:ty: $shape:ident) => {
        impl<$($generics)*> Field for $type {
            type Ref<'a> = FieldRef<'a, Self>;
            type Mut<'a> = FieldMut<'a, Self>;
            const KIND: Kind = Kind(Shape::$shape);

            fn read(at: FieldRef<'_, Self>) -> FieldRef<'_, Self> {
                at
            }

            fn edit(at: FieldMut<'_, Self>) -> FieldMut<'_, Self> {
                at
            }
        }
    };
}

mod leaf;
mod nested;
mod plain;

#[cfg(feature = "derive")]
#[doc = include_str!("schema/plain.md")]
pub use crdt_derive::Plain;
#[cfg(feature = "derive")]
#[doc = include_str!("schema/derive.md")]
pub use crdt_derive::Schema;
pub use leaf::{Counter, DwFlag, Flag, Log, Max, Min, Register, RwSet, Set, Text, Values};
pub use nested::{List, Map, Tree};
pub use plain::Plain;

/// What a place in a document can be declared as: the types of this module, and structs that derive `Schema`.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Counter, Field, FieldMut, List, Map, Schema};
/// // What is passed on has a type that says what it is.
/// fn count(votes: &mut FieldMut<'_, Counter>) {
///     votes.add(1);
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| count(&mut tx.edit_as::<Map<Counter>>().entry("ada")));
/// assert_eq!(doc.get("/ada"), Some(1.into()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no field of a document",
    label = "not a field",
    note = "fields are `Register<T>`, `Values<T>`, `Set<T>`, `RwSet<T>` and `Log<T>` of plain values, `Counter`, `Flag`, `DwFlag`, `Max`, `Min`, `Text`, `List<T>`, \
            `Map<T>`, `Tree<T>`, and structs that derive `Schema`"
)]
pub trait Field: Sized {
    /// What reads it.
    type Ref<'a>;
    /// What edits it, in a transaction.
    type Mut<'a>;
    #[doc(hidden)]
    const KIND: Kind;
    /// How many levels below it its fields are, each of which has a name in the program.
    #[doc(hidden)]
    const LEVELS: usize = 0;
    #[doc(hidden)]
    fn read(at: FieldRef<'_, Self>) -> Self::Ref<'_>;
    #[doc(hidden)]
    fn edit(at: FieldMut<'_, Self>) -> Self::Mut<'_>;
}

/// What an element of a [`List`] can hold: a [`Container`], or a plain value in a [`Register`].
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{List, Map, Register};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Map<List<Register<i64>>>>().entry("sizes").push(7));
/// assert_eq!(doc.get("/sizes/0"), Some(7.into()));
/// ```
#[diagnostic::on_unimplemented(
    message = "an element of a list cannot be `{Self}`",
    label = "not an element",
    note = "elements are structs, `Text`, `List<T>`, `Map<T>`, and plain values in a `Register<T>`"
)]
pub trait Element: Field {}

/// An [`Element`] that is made empty and then filled: a struct, a [`Text`], a [`List`], a [`Map`].
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{List, Map, Text};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Map<List<Text>>>().entry("blocks").push().insert(0, "A heading"));
/// assert_eq!(doc.get("/blocks/0"), Some("A heading".into()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not made empty and then filled",
    note = "structs, `Text`, `List<T>` and `Map<T>` are"
)]
pub trait Container: Element {}

/// What a whole document can be, and a node of a [`Tree`]: a struct that derives it, or a [`Map`].
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Register, Schema, Text};
/// #[derive(Schema)]
/// struct Page {
///     title: Register<String>,
///     body: Text,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Page>().body().insert(0, "hello"));
/// assert_eq!(doc.text("body").unwrap().to_string(), "hello");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a struct that derives `Schema` nor a `Map`",
    label = "not a map by name or key"
)]
pub trait Schema: Container {}

/// Which kind of place a field is.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Kind(Shape);

impl Kind {
    pub const MAP: Kind = Kind(Shape::Map);
}

/// The greatest of some numbers.
#[doc(hidden)]
pub const fn most(numbers: &[usize]) -> usize {
    match numbers {
        [] => 0,
        [first, rest @ ..] => {
            let most = most(rest);
            if *first > most { *first } else { most }
        }
    }
}

/// Reads a field. Each type of field has methods of its own here; a struct's reader dereferences to this.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Counter, Map};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Map<Counter>>().entry("a/b").add(2));
/// let votes = doc.read_as::<Map<Counter>>().get("a/b").unwrap();
/// assert_eq!((votes.get(), votes.pointer().as_str()), (2, "/a~1b"));
/// ```
pub struct FieldRef<'a, F> {
    doc: &'a Doc,
    path: Path,
    field: PhantomData<fn() -> F>,
}

impl<'a, F> FieldRef<'a, F> {
    fn new(doc: &'a Doc, path: Path) -> Self {
        FieldRef { doc, path, field: PhantomData }
    }

    fn node(&self) -> Option<&'a Node> {
        self.doc.node(self.path.keys())
    }

    fn child<T: Field>(&self, key: Key) -> T::Ref<'a> {
        T::read(FieldRef::new(self.doc, self.path.child(key)))
    }

    /// Where it stands, as a JSON pointer: as [`Doc::get`], patches and conflicts have it. Where something of another type
    /// has the same name and is shown instead, they mean that.
    pub fn pointer(&self) -> String {
        // A reader of an element or node is given only of one that is there, and the document cannot change meanwhile.
        self.doc.pointer(&self.path).unwrap_or_default()
    }

    /// How many levels down it stands: a root 1, an element of a list there 2. [`Doc::MAX_DEPTH`] is the most.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{List, Schema};
    /// #[derive(Schema)]
    /// struct Part {
    ///     parts: List<Part>,
    /// }
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut whole = tx.edit_as::<Part>();
    ///     let mut parts = whole.parts();
    ///     if parts.read().depth() + 2 <= Doc::MAX_DEPTH {
    ///         parts.push(); // there is room for one, and for its parts
    ///     }
    ///     assert_eq!(parts.read().at(0).unwrap().depth(), 2);
    /// });
    /// ```
    pub fn depth(&self) -> usize {
        self.path.depth()
    }

    /// All that is there as plain data, what the type does not know too; `None` where nothing is visible.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.put("title", "Launch"));
    /// doc.transact(1, |tx| tx.edit_as::<Map<Counter>>().entry("votes").add(2));
    /// let all = doc.read_as::<Map<Counter>>().value();
    /// assert_eq!(all.unwrap().to_string(), r#"{"title":"Launch","votes":2}"#);
    /// ```
    pub fn value(&self) -> Option<Value> {
        match self.path.depth() {
            0 => Some(self.doc.value()),
            _ => self.doc.value_of(&self.path),
        }
    }
}

impl<'a, F: Schema> FieldRef<'a, F> {
    /// A place below by its name in the document, declared or not. What the derive calls.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Register, Schema, Text};
    /// #[derive(Schema)]
    /// struct Page {
    ///     body: Text,
    /// }
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.put("draft of an older version", true));
    /// let page = doc.read_as::<Page>();
    /// assert_eq!(page.field::<Register<bool>>("draft of an older version").get(), Some(true));
    /// ```
    pub fn field<T: Field>(&self, name: &str) -> T::Ref<'a> {
        self.child::<T>(Key::new(name, T::KIND.0))
    }
}

impl<F> Clone for FieldRef<'_, F> {
    fn clone(&self) -> Self {
        FieldRef::new(self.doc, self.path.clone())
    }
}

/// The pointer alone: the document would be long.
impl<F> fmt::Debug for FieldRef<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FieldRef").field(&self.pointer()).finish()
    }
}

/// Edits a field, in a transaction. Each type of field has methods of its own here; a struct's editor dereferences to
/// this.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{FieldMut, Flag, Map, Set};
/// fn tag(tags: &mut FieldMut<'_, Set<String>>) {
///     tags.insert("new");
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tag(&mut tx.edit_as::<Map<Set<String>>>().entry("tags")));
/// assert_eq!(doc.get("/tags").unwrap().to_string(), r#"["new"]"#);
/// ```
pub struct FieldMut<'a, F> {
    place: Place<'a>,
    field: PhantomData<fn() -> F>,
}

impl<'a, F> FieldMut<'a, F> {
    fn new(place: Place<'a>) -> Self {
        FieldMut { place, field: PhantomData }
    }

    fn child<T: Field>(&mut self, key: Key) -> T::Mut<'_> {
        T::edit(FieldMut::new(self.place.child(key)))
    }

    /// What stands below, unless that is too deep for its fields to be edited.
    fn found<T: Field>(&mut self, key: Key) -> Option<T::Mut<'_>> {
        let deepest = self.place.path().depth() + 1 + T::LEVELS;
        (deepest <= Doc::MAX_DEPTH).then(|| self.child::<T>(key))
    }

    /// Takes away all that is visible there, what the type does not know too. Concurrent edits of it stay. An element of a
    /// list stays, and holds nothing.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// use crdt::doc::schema::{Map, Register};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// type People = Map<Map<Register<i64>>>;
    /// alice.transact(0, |tx| tx.edit_as::<People>().entry("ada").entry("born").set(1815));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// alice.transact(1, |tx| tx.edit_as::<People>().entry("ada").clear());
    /// bob.transact(1, |tx| tx.edit_as::<People>().entry("ada").entry("died").set(1852)); // at the same time
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.value().to_string(), r#"{"ada":{"died":1852}}"#);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn clear(&mut self) {
        match self.place.path().parent() {
            // An element without any value would be gone when it is moved.
            Some((_, Key { name: Name::Item(_), shape: Shape::Register })) => self.place.put(Scalar::Null),
            Some(_) => self.place.clear(),
            None => {
                let doc = self.place.doc();
                for key in doc.keys_below(&Path::default(), doc.places(&Path::default())) {
                    self.place.child(key).clear();
                }
            }
        }
    }
}

impl<F: Field> FieldMut<'_, F> {
    /// Reads it as it stands in the open transaction.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut sizes = tx.edit_as::<Map<Register<i64>>>();
    ///     sizes.entry("a").set(7);
    ///     let larger = sizes.read().get("a").unwrap().get().unwrap() + 1;
    ///     sizes.entry("a").set(larger);
    /// });
    /// assert_eq!(doc.get("/a"), Some(8.into()));
    /// ```
    pub fn read(&self) -> F::Ref<'_> {
        F::read(FieldRef::new(self.place.doc(), self.place.path().clone()))
    }
}

impl<F: Schema> FieldMut<'_, F> {
    /// A place below by its name in the document, declared or not. What the derive calls.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Register, Schema, Text};
    /// #[derive(Schema)]
    /// struct Page {
    ///     body: Text,
    /// }
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Page>().field::<Register<i64>>("pages").set(3));
    /// assert_eq!(doc.get("/pages"), Some(3.into()));
    /// ```
    pub fn field<T: Field>(&mut self, name: &str) -> T::Mut<'_> {
        self.child::<T>(Key::new(name, T::KIND.0))
    }
}

impl<F> fmt::Debug for FieldMut<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = self.place.doc().pointer(self.place.path()).unwrap_or_default();
        f.debug_tuple("FieldMut").field(&pointer).finish()
    }
}

impl Doc {
    /// The whole document, read as a struct of yours; see [`schema`](self).
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Register, Schema};
    /// #[derive(Schema)]
    /// struct Form {
    ///     name: Register<String>,
    /// }
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// assert_eq!(doc.read_as::<Form>().name().get(), None);
    /// doc.transact(0, |tx| tx.put("name", "Ada"));
    /// assert_eq!(doc.read_as::<Form>().name().get(), Some("Ada".into()));
    /// ```
    pub fn read_as<T: Schema>(&self) -> T::Ref<'_> {
        T::read(FieldRef::new(self, Path::default()))
    }
}

impl Tx<'_> {
    /// The whole document, edited as a struct of yours; see [`schema`](super::schema).
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Register, Schema};
    /// #[derive(Schema)]
    /// struct Form {
    ///     name: Register<String>,
    ///     born: Register<i64>,
    /// }
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut form = tx.edit_as::<Form>();
    ///     form.name().set("Ada");
    ///     form.born().set(1815);
    /// });
    /// assert_eq!(doc.value().to_string(), r#"{"born":1815,"name":"Ada"}"#);
    /// ```
    pub fn edit_as<T: Schema>(&mut self) -> T::Mut<'_> {
        T::edit(FieldMut::new(self.place(&Path::default())))
    }
}
