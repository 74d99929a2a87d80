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

    /// The flag under a key in which disabling wins over a concurrent enabling.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("page").dw_flag("public").enable());
    /// assert_eq!(doc.get("/page/public"), Some(true.into()));
    /// ```
    pub fn dw_flag(&mut self, key: &str) -> FlagMut<'_> {
        FlagMut(self.key(key, Shape::DwFlag))
    }

    /// The set under a key in which removing wins over a concurrent adding.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("page").rw_set("editors").insert("ada"));
    /// assert_eq!(doc.get("/page/editors").unwrap().to_string(), r#"["ada"]"#);
    /// ```
    pub fn rw_set(&mut self, key: &str) -> SetMut<'_> {
        SetMut(self.key(key, Shape::RwSet))
    }

    /// The greatest number ever set under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| [3, 7, 5].into_iter().for_each(|n| tx.map("game").max("best").set(n)));
    /// assert_eq!(doc.get("/game/best"), Some(7.into()));
    /// ```
    pub fn max(&mut self, key: &str) -> ExtremeMut<'_> {
        ExtremeMut(self.key(key, Shape::Max))
    }

    /// The least number ever set under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| [7, 3, 5].into_iter().for_each(|n| tx.map("game").min("fastest").set(n)));
    /// assert_eq!(doc.get("/game/fastest"), Some(3.into()));
    /// ```
    pub fn min(&mut self, key: &str) -> ExtremeMut<'_> {
        ExtremeMut(self.key(key, Shape::Min))
    }

    /// The log under a key.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.map("room").log("chat").append("hello"));
    /// assert_eq!(doc.get("/room/chat/0"), Some("hello".into()));
    /// ```
    pub fn log(&mut self, key: &str) -> LogMut<'_> {
        LogMut(self.key(key, Shape::Log))
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

/// A set under edit; two at once come to what [`AwSet`](crate::set::AwSet) says, or where it is a
/// [`rw_set`](MapMut::rw_set) what [`RwSet`](crate::set::RwSet) says.
///
/// Of an `rw_set` a member that was taken out leaves a few bytes behind, until it is put in again: they say that it was. To
/// remove the whole key ends these too, so who was put in meanwhile, by one who had not seen it, is in then: take out one
/// by one who is to stay out. An undo puts a member in again only if nobody else took it out.
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

    /// Takes a member out, as far as it is here; a concurrent insertion of it stays, but not in an
    /// [`rw_set`](MapMut::rw_set).
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

/// A flag under edit; two at once come to what [`EwFlag`](crate::flag::EwFlag) says, or where it is a
/// [`dw_flag`](MapMut::dw_flag) what [`DwFlag`](crate::flag::DwFlag) says.
///
/// A `dw_flag` that was lowered leaves a few bytes behind, until it is raised again: they say that it was. To remove its key
/// ends these too, so a concurrent raising stays then. An undo raises it only if nobody else lowered it.
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

    /// Lowers the flag, as far as it was seen raised; a concurrent raising stays, but not of a
    /// [`dw_flag`](MapMut::dw_flag).
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

/// The greatest or the least number under edit; two at once come to what [`MaxRegister`](crate::register::MaxRegister)
/// and [`MinRegister`](crate::register::MinRegister) say.
///
/// Whole numbers, as of a counter: which of a number, a string and a date is the greatest nobody would guess.
/// A set cannot be undone: the greatest that was ever set stays the greatest. To start anew remove the key; concurrent sets
/// stay. An undo of that removal brings the number back.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.max("best").set(7));
/// doc.transact(1, |tx| tx.remove("best")); // a new season
/// doc.transact(2, |tx| tx.max("best").set(3));
/// assert_eq!(doc.get("/best"), Some(3.into()));
/// ```
#[derive(Debug)]
pub struct ExtremeMut<'a>(Place<'a>);

impl ExtremeMut<'_> {
    /// Sets a number; no event if one that is as good is here.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| [3, 7, 5].into_iter().for_each(|n| tx.max("best").set(n)));
    /// assert_eq!((doc.get("/best"), doc.version().total()), (Some(7.into()), 2));
    /// ```
    pub fn set(&mut self, n: i64) {
        self.0.put_unrecorded(Scalar::Int(n));
    }
}

/// A log under edit; two at once come to what [`Log`](crate::log::Log) says: all entries stand in the order of their times,
/// each after those that its author had seen. [`Doc::log`](crate::Doc::log) reads who wrote which when.
///
/// An entry cannot be changed, moved or undone. To empty the log remove its key; entries that others append meanwhile stay.
/// An undo of that removal brings the entries back with their times, as entries of who undoes.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(3, |tx| tx.log("chat").append("first"));
/// bob.transact(2, |tx| tx.log("chat").append("before it, by the clock"));
/// bob.apply(&alice.delta_since(bob.version()))?;
/// bob.transact(1, |tx| tx.log("chat").append("an answer")); // a clock that is slow does not matter
/// assert_eq!(bob.get("/chat").unwrap().to_string(), r#"["before it, by the clock","first","an answer"]"#);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Debug)]
pub struct LogMut<'a>(Place<'a>);

impl LogMut<'_> {
    /// Appends an entry, after all that are here.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| ["a", "b"].into_iter().for_each(|entry| tx.log("events").append(entry)));
    /// assert_eq!(doc.get("/events").unwrap().to_string(), r#"["a","b"]"#);
    /// ```
    pub fn append(&mut self, entry: impl Into<Scalar>) {
        self.0.append(entry.into());
    }
}
