//! [`MapMut`], and the handles of what holds plain values.

use super::{ListMut, Place, TextMut};
use crate::doc::Scalar;
use crate::doc::path::{Key, Name, Shape};
use crate::doc::tree::TreeMut;

/// A map under edit, whose values are of any type; two at once come to what [`OrMap`](crate::map::OrMap) says, and what stands
/// under a key to what its type says.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | make a value under `k` | make one of the same type under `k` | one value, with the edits of both |
/// | make a value under `k` | make one of another type under `k` | both are kept; which is shown says [`Doc::value`](crate::Doc::value) |
/// | remove `k` | edit it, or below it | what B wrote stays, what A saw is gone |
///
/// `O(log n)` for each level.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| {
///     let mut form = tx.map("form");
///     form.put("name", "Ada");
///     form.offer("colour", "red");
///     form.counter("visits").add(1);
///     form.set("tags").insert("new");
///     form.flag("done").enable();
///     form.text("note").insert(0, "hi");
///     form.list("days").push("Monday");
///     form.map("address").put("city", "Lund");
///     form.remove("name");
/// });
/// let json = r#"{"address":{"city":"Lund"},"colour":["red"],"days":["Monday"],"done":true,"note":"hi","tags":["new"],"visits":1}"#;
/// assert_eq!(doc.get("/form").unwrap().to_string(), json);
/// ```
#[derive(Debug)]
pub struct MapMut<'a>(pub(in crate::doc) Place<'a>);

impl MapMut<'_> {
    fn key(&mut self, key: &str, shape: Shape) -> Place<'_> {
        self.0.child(Key::new(key, shape))
    }

    /// Writes a register; of concurrent writes the one with the later stamp wins.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     let mut form = tx.map("form");
    ///     form.put("name", "Ada");
    ///     form.put("born", 1815);
    /// });
    /// assert_eq!(doc.get("/form").unwrap().to_string(), r#"{"born":1815,"name":"Ada"}"#);
    /// ```
    pub fn put(&mut self, key: &str, value: impl Into<Scalar>) {
        self.key(key, Shape::Register).put(value.into());
    }

    /// Writes a register that keeps all concurrent values until the next write.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.map("form").offer("name", "Ada"));
    /// bob.transact(0, |tx| tx.map("form").offer("name", "Augusta"));
    /// alice.apply(&bob.delta_since(alice.version()))?;
    /// assert_eq!(alice.get("/form/name").unwrap().to_string(), r#"["Ada","Augusta"]"#);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn offer(&mut self, key: &str, value: impl Into<Scalar>) {
        self.key(key, Shape::Values).offer(value.into());
    }

    /// Takes away what is visible under a key, whatever its type, and all below it. Concurrent edits of it
    /// stay.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.map("form").put("name", "Ada");
    ///     tx.map("form").map("address").put("city", "London");
    ///     tx.map("form").remove("address");
    /// });
    /// assert_eq!(doc.get("/form").unwrap().to_string(), r#"{"name":"Ada"}"#);
    /// ```
    pub fn remove(&mut self, key: &str) {
        for key in Key::all_named(&Name::from(key)) {
            self.0.child(key).clear();
        }
    }

    /// The text under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("page").text("body").insert(0, "hello"));
    /// assert_eq!(doc.text("/page/body").unwrap().len(), 5);
    /// ```
    pub fn text(&mut self, key: &str) -> TextMut<'_> {
        self.key(key, Shape::Text).into_text()
    }

    /// The list under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("week").list("days").push("Monday"));
    /// assert_eq!(doc.get("/week/days/0"), Some("Monday".into()));
    /// ```
    pub fn list(&mut self, key: &str) -> ListMut<'_> {
        ListMut(self.key(key, Shape::List))
    }

    /// The tree under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::tree::Position;
    /// doc.transact(0, |tx| tx.map("book").tree("chapters").create(None, Position::Last));
    /// assert_eq!(doc.tree("/book/chapters").unwrap().walk().count(), 1);
    /// ```
    pub fn tree(&mut self, key: &str) -> TreeMut<'_> {
        TreeMut(self.key(key, Shape::Tree))
    }

    /// The map under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("people").map("ada").put("born", 1815));
    /// assert_eq!(doc.get("/people/ada/born"), Some(1815.into()));
    /// ```
    pub fn map(&mut self, key: &str) -> MapMut<'_> {
        MapMut(self.key(key, Shape::Map))
    }

    /// The counter under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("page").counter("visits").add(1));
    /// assert_eq!(doc.get("/page/visits"), Some(1.into()));
    /// ```
    pub fn counter(&mut self, key: &str) -> CounterMut<'_> {
        CounterMut(self.key(key, Shape::Counter))
    }

    /// The set under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("page").set("tags").insert("new"));
    /// assert_eq!(doc.get("/page/tags").unwrap().to_string(), r#"["new"]"#);
    /// ```
    pub fn set(&mut self, key: &str) -> SetMut<'_> {
        SetMut(self.key(key, Shape::Set))
    }

    /// The flag under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("page").flag("hidden").enable());
    /// assert_eq!(doc.get("/page/hidden"), Some(true.into()));
    /// ```
    pub fn flag(&mut self, key: &str) -> FlagMut<'_> {
        FlagMut(self.key(key, Shape::Flag))
    }
}

/// A counter under edit; two at once come to what [`PnCounter`](crate::counter::PnCounter) says.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.counter("votes").add(3));
/// bob.transact(0, |tx| tx.counter("votes").add(-1));
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.get("/votes"), Some(2.into()));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct CounterMut<'a>(Place<'a>);

impl CounterMut<'_> {
    /// Adds `n`, which may be negative.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.counter("votes").add(3);
    ///     tx.counter("votes").add(-1);
    /// });
    /// assert_eq!(doc.get("/votes"), Some(2.into()));
    /// ```
    pub fn add(&mut self, n: i64) {
        self.0.add(n);
    }
}

/// A set under edit; two at once come to what [`AwSet`](crate::set::AwSet) says.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.set("tags").insert("a"));
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(0, |tx| tx.set("tags").remove("a"));
/// bob.transact(0, |tx| tx.set("tags").insert("a")); // adding beats a concurrent removing
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.get("/tags").unwrap().to_string(), r#"["a"]"#);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct SetMut<'a>(Place<'a>);

impl SetMut<'_> {
    /// Puts a member in.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| ["b", "a", "b"].into_iter().for_each(|tag| tx.set("tags").insert(tag)));
    /// assert_eq!(doc.get("/tags").unwrap().to_string(), r#"["a","b"]"#);
    /// ```
    pub fn insert(&mut self, member: impl Into<Scalar>) {
        self.0.member(member.into(), true);
    }

    /// Takes a member out, as far as it is here; a concurrent insertion of it stays.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| {
    ///     tx.set("tags").insert("a");
    ///     tx.set("tags").remove("a");
    ///     tx.set("tags").remove("b"); // was not in: no event
    /// });
    /// assert_eq!(doc.get("/tags"), None);
    /// ```
    pub fn remove(&mut self, member: impl Into<Scalar>) {
        self.0.member(member.into(), false);
    }
}

/// A flag under edit; two at once come to what [`EwFlag`](crate::flag::EwFlag) says.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.flag("done").enable());
/// bob.apply(&alice.delta_since(bob.version()))?;
/// alice.transact(0, |tx| tx.flag("done").disable());
/// bob.transact(0, |tx| tx.flag("done").enable()); // enabling beats a concurrent disabling
/// alice.apply(&bob.delta_since(alice.version()))?;
/// assert_eq!(alice.get("/done"), Some(true.into()));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct FlagMut<'a>(Place<'a>);

impl FlagMut<'_> {
    /// Raises the flag.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.flag("done").enable());
    /// assert_eq!(doc.get("/done"), Some(true.into()));
    /// ```
    pub fn enable(&mut self) {
        self.0.flag(true);
    }

    /// Lowers the flag, as far as it was seen raised; a concurrent raising stays.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.flag("done").enable());
    /// doc.transact(1, |tx| tx.flag("done").disable());
    /// assert_eq!(doc.get("/done"), None); // a flag that is down is not shown
    /// ```
    pub fn disable(&mut self) {
        self.0.flag(false);
    }
}
