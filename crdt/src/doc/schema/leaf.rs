//! Fields that hold plain values, and texts.

use std::fmt;
use std::marker::PhantomData;

use super::{Container, Element, Field, FieldMut, FieldRef, Kind, Plain};
use crate::doc::TextMut;
use crate::doc::node::Node;
use crate::doc::path::Shape;
use crate::text;

/// A plain value; of concurrent writes the one with the later stamp wins, and [`Doc::conflicts`](crate::Doc::conflicts)
/// tells of the others.
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
/// doc.transact(0, |tx| tx.edit_as::<Form>().name().set("Ada"));
/// let form = doc.read_as::<Form>();
/// assert_eq!((form.name().get().as_deref(), form.born().get()), (Some("Ada"), None));
/// ```
#[derive(Debug)]
pub struct Register<T>(PhantomData<fn() -> T>);

/// A plain value of which all concurrent writes are kept until the next.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// use crdt::doc::schema::{Schema, Values};
/// #[derive(Schema)]
/// struct Form {
///     colour: Values<String>,
/// }
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.edit_as::<Form>().colour().offer("red"));
/// bob.transact(0, |tx| tx.edit_as::<Form>().colour().offer("blue"));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.read_as::<Form>().colour().iter().collect::<Vec<_>>(), ["red", "blue"]);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct Values<T>(PhantomData<fn() -> T>);

/// A set of plain values; adding beats a concurrent removing.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Schema, Set};
/// #[derive(Schema)]
/// struct Page {
///     tags: Set<String>,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| ["b", "a"].into_iter().for_each(|tag| tx.edit_as::<Page>().tags().insert(tag)));
/// assert_eq!(doc.read_as::<Page>().tags().iter().collect::<Vec<_>>(), ["a", "b"]);
/// ```
#[derive(Debug)]
pub struct Set<T>(PhantomData<fn() -> T>);

/// A sum to which all add.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Counter, Schema};
/// #[derive(Schema)]
/// struct Poll {
///     votes: Counter,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Poll>().votes().add(3));
/// assert_eq!(doc.read_as::<Poll>().votes().get(), 3);
/// ```
#[derive(Debug)]
pub struct Counter(());

/// A truth value; enabling beats a concurrent disabling.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Flag, Schema};
/// #[derive(Schema)]
/// struct Task {
///     done: Flag,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Task>().done().enable());
/// assert!(doc.read_as::<Task>().done().get());
/// ```
#[derive(Debug)]
pub struct Flag(());

/// A text that people edit together, with marks on it. It is edited by [`TextMut`], read as a
/// [`text::Text`](crate::text::Text); [`Doc::spans`](crate::Doc::spans) reads the marks at its
/// [`pointer`](FieldRef::pointer).
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Schema, Text};
/// #[derive(Schema)]
/// struct Page {
///     body: Text,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Page>().body().insert(0, "hello"));
/// let body = doc.read_as::<Page>().body();
/// assert_eq!((body.to_string().as_str(), body.len()), ("hello", 5));
/// ```
#[derive(Debug)]
pub struct Text(());

field!([T: Plain] Register<T>: Register);
field!([T: Plain] Values<T>: Values);
field!([T: Plain] Set<T>: Set);
field!([] Counter: Counter);
field!([] Flag: Flag);

impl<T: Plain> Element for Register<T> {}

impl<T: Plain> FieldRef<'_, Register<T>> {
    /// The value; `None` where none was written, or one that is no `T`.
    pub fn get(&self) -> Option<T> {
        match self.node()? {
            Node::Register(register) => T::from_scalar(register.get()?),
            _ => None,
        }
    }
}

impl<T: Plain> FieldMut<'_, Register<T>> {
    /// Writes the value.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Register};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Register<String>>>().entry("name").set("Ada"));
    /// assert_eq!(doc.get("/name"), Some("Ada".into()));
    /// ```
    pub fn set(&mut self, value: impl Into<T>) {
        self.place.put(value.into().into_scalar());
    }
}

impl<'a, T: Plain> FieldRef<'a, Values<T>> {
    /// The values, in an order that is the same everywhere.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let values = match self.node() {
            Some(Node::Values(values)) => Some(values.iter()),
            _ => None,
        };
        values.into_iter().flatten().filter_map(T::from_scalar)
    }
}

impl<T: Plain> FieldMut<'_, Values<T>> {
    /// Writes a value in place of all that are here; what is written concurrently stays beside it.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Values};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Values<String>>>().entry("colour").offer("red"));
    /// assert_eq!(doc.get("/colour").unwrap().to_string(), r#"["red"]"#);
    /// ```
    pub fn offer(&mut self, value: impl Into<T>) {
        self.place.offer(value.into().into_scalar());
    }
}

impl<'a, T: Plain> FieldRef<'a, Set<T>> {
    /// The members, in their order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let members = match self.node() {
            Some(Node::Set(set)) => Some(set.iter()),
            _ => None,
        };
        members.into_iter().flatten().filter_map(T::from_scalar)
    }

    /// Whether a member is in.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Set};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Set<String>>>().entry("tags").insert("new"));
    /// let tags = doc.read_as::<Map<Set<String>>>().get("tags").unwrap();
    /// assert!(tags.contains("new") && !tags.contains("old"));
    /// ```
    pub fn contains(&self, member: impl Into<T>) -> bool {
        matches!(self.node(), Some(Node::Set(set)) if set.contains(&member.into().into_scalar()))
    }
}

impl<T: Plain> FieldMut<'_, Set<T>> {
    /// Puts a member in.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Set};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Set<i64>>>().entry("sizes").insert(7));
    /// assert_eq!(doc.get("/sizes").unwrap().to_string(), "[7]");
    /// ```
    pub fn insert(&mut self, member: impl Into<T>) {
        self.place.member(member.into().into_scalar(), true);
    }

    /// Takes a member out, as far as it is here; a concurrent insertion of it stays.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Set};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.edit_as::<Map<Set<i64>>>().entry("sizes").insert(7);
    ///     tx.edit_as::<Map<Set<i64>>>().entry("sizes").remove(7);
    /// });
    /// assert_eq!(doc.get("/sizes"), None);
    /// ```
    pub fn remove(&mut self, member: impl Into<T>) {
        self.place.member(member.into().into_scalar(), false);
    }
}

impl FieldRef<'_, Counter> {
    /// The sum; 0 where nothing was added.
    pub fn get(&self) -> i64 {
        match self.node() {
            Some(Node::Counter(counter)) => counter.value(),
            _ => 0,
        }
    }
}

impl FieldMut<'_, Counter> {
    /// Adds `n`, which may be negative.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Counter, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Counter>>().entry("votes").add(-2));
    /// assert_eq!(doc.get("/votes"), Some((-2).into()));
    /// ```
    pub fn add(&mut self, n: i64) {
        self.place.add(n);
    }
}

impl FieldRef<'_, Flag> {
    /// Whether it is raised.
    pub fn get(&self) -> bool {
        matches!(self.node(), Some(Node::Flag(flag)) if flag.is_enabled())
    }
}

impl FieldMut<'_, Flag> {
    /// Raises the flag.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Flag, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Flag>>().entry("done").enable());
    /// assert_eq!(doc.get("/done"), Some(true.into()));
    /// ```
    pub fn enable(&mut self) {
        self.place.flag(true);
    }

    /// Lowers the flag, as far as it was seen raised; a concurrent raising stays.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Flag, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.edit_as::<Map<Flag>>().entry("done").enable();
    ///     tx.edit_as::<Map<Flag>>().entry("done").disable();
    /// });
    /// assert_eq!(doc.get("/done"), None);
    /// ```
    pub fn disable(&mut self) {
        self.place.flag(false);
    }
}

impl Field for Text {
    type Ref<'a> = FieldRef<'a, Self>;
    type Mut<'a> = TextMut<'a>;
    const KIND: Kind = Kind(Shape::Text);

    fn read(at: FieldRef<'_, Self>) -> FieldRef<'_, Self> {
        at
    }

    fn edit(at: FieldMut<'_, Self>) -> TextMut<'_> {
        at.place.into_text()
    }
}

impl Element for Text {}
impl Container for Text {}

impl<'a> FieldRef<'a, Text> {
    /// The text; `None` where nothing was ever written.
    pub fn get(&self) -> Option<&'a text::Text> {
        self.doc.texts.get(&self.path).filter(|text| text.is_written())
    }

    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.get().map_or(0, text::Text::len)
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Schema, Text};
    /// #[derive(Schema)]
    /// struct Page {
    ///     body: Text,
    /// }
    /// let doc = Doc::new(ReplicaId::from_u128(1));
    /// let body = doc.read_as::<Page>().body();
    /// assert!(body.is_empty() && body.get().is_none());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The characters, without marks.
impl fmt::Display for FieldRef<'_, Text> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().map_or(Ok(()), |text| text.fmt(f))
    }
}
