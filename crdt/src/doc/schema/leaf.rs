//! Fields that hold plain values, and texts.

use std::fmt;
use std::marker::PhantomData;

use super::{Container, Element, Field, FieldMut, FieldRef, Kind, Plain};
use crate::doc::TextMut;
use crate::doc::node::Node;
use crate::doc::path::Shape;
use crate::hlc::Hlc;
use crate::id::Dot;
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

/// A truth value; disabling beats a concurrent enabling.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// use crdt::doc::schema::{DwFlag, Schema};
/// #[derive(Schema)]
/// struct Door {
///     open: DwFlag,
/// }
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.edit_as::<Door>().open().enable());
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(1, |tx| tx.edit_as::<Door>().open().enable());
/// bob.transact(1, |tx| tx.edit_as::<Door>().open().disable()); // at the same time
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert!(!alice.read_as::<Door>().open().get());
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct DwFlag(());

/// A set of plain values; removing beats a concurrent adding.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{RwSet, Schema};
/// #[derive(Schema)]
/// struct Room {
///     members: RwSet<String>,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Room>().members().insert("ada"));
/// let members = doc.read_as::<Room>().members();
/// assert!(members.contains("ada") && members.iter().eq(["ada"]));
/// ```
#[derive(Debug)]
pub struct RwSet<T>(PhantomData<fn() -> T>);

/// The greatest number that was ever set; what that means is said at [`ExtremeMut`](crate::doc::ExtremeMut).
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Max, Min, Schema};
/// #[derive(Schema)]
/// struct Game {
///     best: Max,
///     worst: Min,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// for points in [3, 7, 5] {
///     doc.transact(0, |tx| {
///         tx.edit_as::<Game>().best().set(points);
///         tx.edit_as::<Game>().worst().set(points);
///     });
/// }
/// let game = doc.read_as::<Game>();
/// assert_eq!((game.best().get(), game.worst().get()), (Some(7), Some(3)));
/// ```
#[derive(Debug)]
pub struct Max(());

/// The least number that was ever set; see [`Max`].
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Min, Schema};
/// #[derive(Schema)]
/// struct Race {
///     record: Min,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.edit_as::<Race>().record().set(958));
/// assert_eq!(doc.read_as::<Race>().record().get(), Some(958));
/// ```
#[derive(Debug)]
pub struct Min(());

/// Entries to which all append, in the order of their times; see [`LogMut`](crate::doc::LogMut).
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// use crdt::doc::schema::{Log, Schema};
/// #[derive(Schema)]
/// struct Room {
///     chat: Log<String>,
/// }
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(5, |tx| tx.edit_as::<Room>().chat().append("hello"));
/// let chat = doc.read_as::<Room>().chat();
/// assert_eq!(chat.iter().collect::<Vec<_>>(), ["hello"]);
/// let (at, event, entry) = chat.stamped().next().unwrap();
/// assert_eq!((at.millis(), event.replica, entry.as_str()), (5, doc.author(), "hello"));
/// ```
#[derive(Debug)]
pub struct Log<T>(PhantomData<fn() -> T>);

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
field!([] DwFlag: DwFlag);
field!([T: Plain] RwSet<T>: RwSet);
field!([] Max: Max);
field!([] Min: Min);
field!([T: Plain] Log<T>: Log);

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

impl FieldRef<'_, DwFlag> {
    /// Whether it is raised.
    pub fn get(&self) -> bool {
        matches!(self.node(), Some(Node::DwFlag(flag)) if flag.is_enabled())
    }
}

impl FieldMut<'_, DwFlag> {
    /// Raises the flag.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{DwFlag, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<DwFlag>>().entry("open").enable());
    /// assert_eq!(doc.get("/open"), Some(true.into()));
    /// ```
    pub fn enable(&mut self) {
        self.place.flag(true);
    }

    /// Lowers the flag, a concurrent raising too.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{DwFlag, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<DwFlag>>().entry("open").enable());
    /// doc.transact(1, |tx| tx.edit_as::<Map<DwFlag>>().entry("open").disable());
    /// assert!(!doc.read_as::<Map<DwFlag>>().get("open").is_some_and(|open| open.get()));
    /// ```
    pub fn disable(&mut self) {
        self.place.flag(false);
    }
}

impl<'a, T: Plain> FieldRef<'a, RwSet<T>> {
    /// The members, in their order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let members = match self.node() {
            Some(Node::RwSet(set)) => Some(set.iter()),
            _ => None,
        };
        members.into_iter().flatten().filter_map(T::from_scalar)
    }

    /// Whether a member is in.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, RwSet};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<RwSet<String>>>().entry("in").insert("ada"));
    /// assert!(doc.read_as::<Map<RwSet<String>>>().get("in").unwrap().contains("ada"));
    /// ```
    pub fn contains(&self, member: impl Into<T>) -> bool {
        matches!(self.node(), Some(Node::RwSet(set)) if set.contains(&member.into().into_scalar()))
    }
}

impl<T: Plain> FieldMut<'_, RwSet<T>> {
    /// Puts a member in.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, RwSet};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<RwSet<i64>>>().entry("sizes").insert(7));
    /// assert_eq!(doc.get("/sizes").unwrap().to_string(), "[7]");
    /// ```
    pub fn insert(&mut self, member: impl Into<T>) {
        self.place.member(member.into().into_scalar(), true);
    }

    /// Takes a member out, a concurrent insertion of it too.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, RwSet};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.edit_as::<Map<RwSet<i64>>>().entry("sizes").insert(7);
    ///     tx.edit_as::<Map<RwSet<i64>>>().entry("sizes").remove(7);
    /// });
    /// assert!(!doc.read_as::<Map<RwSet<i64>>>().get("sizes").is_some_and(|sizes| sizes.contains(7)));
    /// ```
    pub fn remove(&mut self, member: impl Into<T>) {
        self.place.member(member.into().into_scalar(), false);
    }
}

impl FieldRef<'_, Max> {
    /// The number; `None` where none was set.
    pub fn get(&self) -> Option<i64> {
        match self.node()? {
            Node::Max(register) => register.get().copied(),
            _ => None,
        }
    }
}

impl FieldRef<'_, Min> {
    /// The number; `None` where none was set.
    pub fn get(&self) -> Option<i64> {
        match self.node()? {
            Node::Min(register) => register.get().copied(),
            _ => None,
        }
    }
}

impl FieldMut<'_, Max> {
    /// Sets a number, unless a greater one is here.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Max};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| [7, 3].into_iter().for_each(|n| tx.edit_as::<Map<Max>>().entry("best").set(n)));
    /// assert_eq!(doc.get("/best"), Some(7.into()));
    /// ```
    pub fn set(&mut self, n: i64) {
        self.place.put_unrecorded(n.into());
    }
}

impl FieldMut<'_, Min> {
    /// Sets a number, unless a lesser one is here.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Map, Min};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| [3, 7].into_iter().for_each(|n| tx.edit_as::<Map<Min>>().entry("best").set(n)));
    /// assert_eq!(doc.get("/best"), Some(3.into()));
    /// ```
    pub fn set(&mut self, n: i64) {
        self.place.put_unrecorded(n.into());
    }
}

impl<'a, T: Plain> FieldRef<'a, Log<T>> {
    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        self.stamped().map(|(_, _, entry)| entry)
    }

    /// The entries, each with its time and the event that wrote it.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Log, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(5, |tx| tx.edit_as::<Map<Log<i64>>>().entry("sizes").append(7));
    /// let sizes = doc.read_as::<Map<Log<i64>>>().get("sizes").unwrap();
    /// assert!(sizes.stamped().all(|(at, _, size)| (at.millis(), size) == (5, 7)));
    /// ```
    pub fn stamped(&self) -> impl Iterator<Item = (Hlc, Dot, T)> + use<'a, T> {
        let entries = self.node().and_then(Node::log).map(|log| log.stamped());
        entries.into_iter().flatten().filter_map(|(at, by, entry)| Some((at, by, T::from_scalar(entry)?)))
    }
}

impl<T: Plain> FieldMut<'_, Log<T>> {
    /// Appends an entry, after all that are here.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// use crdt::doc::schema::{Log, Map};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.edit_as::<Map<Log<String>>>().entry("chat").append("hello"));
    /// assert_eq!(doc.get("/chat").unwrap().to_string(), r#"["hello"]"#);
    /// ```
    pub fn append(&mut self, entry: impl Into<T>) {
        self.place.append(entry.into().into_scalar());
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
