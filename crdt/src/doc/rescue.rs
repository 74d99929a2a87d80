//! [`Rescue`]: edits that nobody has seen, of one who is too far behind to be merged, to be made anew.

use std::collections::BTreeSet;
use std::fmt;

use crate::context::DotRanges;
use crate::delta::Replicated;
use crate::dots::DotStore;
use crate::id::{Dot, Span};
use crate::text::Text;
use crate::version::VersionVector;

use super::marks::{Index, Made, Mark, Placed};
use super::node::{Node, Places};
use super::path::{Key, Path, Shape};
use super::tree::{Outline, Spot};
use super::undo::{Inverse, Renamed, run};
use super::{Doc, Origin, Scalar, Value};

/// What an edit did that is to be made anew. With what stands there now, on the document that it is for.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
/// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
/// # alice.transact(0, |tx| tx.put("title", "Launch"));
/// # late.apply(&alice.delta_since(late.version()))?;
/// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
/// alice.transact(2, |tx| tx.put("title", "Shipped"));
/// # alice.forget(&alice.version().clone());
/// # let mut fresh = Doc::new(c);
/// # fresh.apply(&alice.delta_since(fresh.version()))?;
/// let rescue = late.rescue(fresh);
///
/// use crdt::doc::Rescued;
/// let now = match rescue.edits()[0].what() {
///     Rescued::Put { now, .. } => now.clone(), // ask the user which of the two stays
///     _ => None,
/// };
/// assert_eq!(now, Some("Shipped".into()));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Rescued {
    /// Text was typed.
    Inserted(String),
    /// Text was deleted that is still there.
    Deleted(String),
    /// Text was marked.
    Marked {
        /// The characters.
        text: String,
        /// Which attribute they were given.
        key: String,
        /// Its value; `None` where it was taken away.
        value: Option<Scalar>,
    },
    /// A value was written.
    Put {
        /// The value.
        value: Value,
        /// What stands there now.
        now: Option<Value>,
    },
    /// A value that is still there was taken away.
    Removed(Value),
    /// A member was put in a set.
    Added(Value),
    /// A member that is still there was taken out of a set.
    Taken(Value),
    /// A counter was moved by this much.
    Counted(i64),
    /// A flag was raised or lowered.
    Flagged(bool),
    /// An entry was appended to a log.
    Appended(Value),
    /// An element was put in a list, or a node in a tree, with all that it holds.
    Made(Value),
    /// An element of a list or a node of a tree was moved.
    Moved(Value),
    /// An element of a list or a node of a tree was taken away that is still there.
    Dropped(Value),
}

/// One edit to be made anew; see [`Doc::rescue`].
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
/// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
/// # alice.transact(0, |tx| tx.put("title", "Launch"));
/// # late.apply(&alice.delta_since(late.version()))?;
/// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
/// alice.transact(2, |tx| tx.put("title", "Shipped"));
/// # alice.forget(&alice.version().clone());
/// # let mut fresh = Doc::new(c);
/// # fresh.apply(&alice.delta_since(fresh.version()))?;
/// let rescue = late.rescue(fresh);
///
/// let shown: Vec<String> = rescue.edits().iter().map(|edit| edit.to_string()).collect();
/// assert_eq!(shown, [r#"/title: put "Ship it" for "Shipped""#]);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct RescuedEdit {
    pointer: String,
    what: Rescued,
    has_place: bool,
    redo: Inverse,
}

impl RescuedEdit {
    /// Where: the JSON pointer of the text, list, tree or value in the document that was behind.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
    /// # alice.transact(0, |tx| tx.put("title", "Launch"));
    /// # late.apply(&alice.delta_since(late.version()))?;
    /// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
    /// alice.transact(2, |tx| tx.put("title", "Shipped"));
    /// # alice.forget(&alice.version().clone());
    /// # let mut fresh = Doc::new(c);
    /// # fresh.apply(&alice.delta_since(fresh.version()))?;
    /// let rescue = late.rescue(fresh);
    /// assert_eq!(rescue.edits()[0].path(), "/title");
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn path(&self) -> &str {
        &self.pointer
    }

    /// What it did.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
    /// # alice.transact(0, |tx| tx.put("title", "Launch"));
    /// # late.apply(&alice.delta_since(late.version()))?;
    /// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
    /// alice.transact(2, |tx| tx.put("title", "Shipped"));
    /// # alice.forget(&alice.version().clone());
    /// # let mut fresh = Doc::new(c);
    /// # fresh.apply(&alice.delta_since(fresh.version()))?;
    /// let rescue = late.rescue(fresh);
    /// use crdt::doc::Rescued;
    /// let Rescued::Put { value, now } = rescue.edits()[0].what() else { unreachable!() };
    /// assert_eq!((value, now), (&"Ship it".into(), &Some("Shipped".into())));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn what(&self) -> &Rescued {
        &self.what
    }

    /// Whether the list element or the node that it is in is still there. If not, it can be shown, but not made
    /// anew: that would bring back what others deleted.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
    /// # alice.transact(0, |tx| tx.put("title", "Launch"));
    /// # late.apply(&alice.delta_since(late.version()))?;
    /// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
    /// alice.transact(2, |tx| tx.put("title", "Shipped"));
    /// # alice.forget(&alice.version().clone());
    /// # let mut fresh = Doc::new(c);
    /// # fresh.apply(&alice.delta_since(fresh.version()))?;
    /// let rescue = late.rescue(fresh);
    /// assert!(rescue.edits()[0].has_place()); // a key of a map has always one
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn has_place(&self) -> bool {
        self.has_place
    }
}

impl fmt::Display for RescuedEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.pointer)?;
        match &self.what {
            Rescued::Inserted(text) => write!(f, "insert {text:?}"),
            Rescued::Deleted(text) => write!(f, "delete {text:?}"),
            Rescued::Marked { text, key, value: Some(value) } => write!(f, "mark {text:?} {key} {value}"),
            Rescued::Marked { text, key, value: None } => write!(f, "unmark {text:?} {key}"),
            Rescued::Put { value, now: Some(now) } => write!(f, "put {value} for {now}"),
            Rescued::Put { value, now: None } => write!(f, "put {value}"),
            Rescued::Removed(value) => write!(f, "remove {value}"),
            Rescued::Added(member) => write!(f, "add {member}"),
            Rescued::Taken(member) => write!(f, "take out {member}"),
            Rescued::Counted(n) => write!(f, "count {n:+}"),
            Rescued::Flagged(raised) => f.write_str(if *raised { "raise" } else { "lower" }),
            Rescued::Appended(entry) => write!(f, "append {entry}"),
            Rescued::Made(value) => write!(f, "make {value}"),
            Rescued::Moved(value) => write!(f, "move {value}"),
            Rescued::Dropped(value) => write!(f, "drop {value}"),
        }?;
        if self.has_place { Ok(()) } else { f.write_str(" (its place is gone)") }
    }
}

/// The document as the others have it, and the edits to be made anew on it; see [`Doc::rescue`].
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
/// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
/// # alice.transact(0, |tx| tx.put("title", "Launch"));
/// # late.apply(&alice.delta_since(late.version()))?;
/// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
/// alice.transact(2, |tx| tx.put("title", "Shipped"));
/// # alice.forget(&alice.version().clone());
/// # let mut fresh = Doc::new(c);
/// # fresh.apply(&alice.delta_since(fresh.version()))?;
/// let rescue = late.rescue(fresh);
///
/// let (doc, left) = rescue.apply(3, |_| true);
/// assert!(left.is_empty());
/// assert_eq!(doc.get("/title"), Some("Ship it".into()));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rescue {
    onto: Doc,
    edits: Vec<RescuedEdit>,
}

impl Rescue {
    /// The edits that nobody else has seen, for review.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
    /// # alice.transact(0, |tx| tx.put("title", "Launch"));
    /// # late.apply(&alice.delta_since(late.version()))?;
    /// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
    /// alice.transact(2, |tx| tx.put("title", "Shipped"));
    /// # alice.forget(&alice.version().clone());
    /// # let mut fresh = Doc::new(c);
    /// # fresh.apply(&alice.delta_since(fresh.version()))?;
    /// let rescue = late.rescue(fresh);
    /// assert_eq!(rescue.edits()[0].to_string(), r#"/title: put "Ship it" for "Shipped""#);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn edits(&self) -> &[RescuedEdit] {
        &self.edits
    }

    /// The document as the others have it.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
    /// # alice.transact(0, |tx| tx.put("title", "Launch"));
    /// # late.apply(&alice.delta_since(late.version()))?;
    /// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
    /// alice.transact(2, |tx| tx.put("title", "Shipped"));
    /// # alice.forget(&alice.version().clone());
    /// # let mut fresh = Doc::new(c);
    /// # fresh.apply(&alice.delta_since(fresh.version()))?;
    /// let rescue = late.rescue(fresh);
    /// assert_eq!(rescue.document().get("/title"), Some("Shipped".into()));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn document(&self) -> &Doc {
        &self.onto
    }

    /// Makes the edits anew that `approve` lets through and that still have a place, in one transaction of the
    /// document's author. Returns the document to go on with, and the edits that were not made.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// # let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
    /// # alice.transact(0, |tx| tx.put("title", "Launch"));
    /// # late.apply(&alice.delta_since(late.version()))?;
    /// late.transact(1, |tx| tx.put("title", "Ship it")); // offline, for months
    /// alice.transact(2, |tx| tx.put("title", "Shipped"));
    /// # alice.forget(&alice.version().clone());
    /// # let mut fresh = Doc::new(c);
    /// # fresh.apply(&alice.delta_since(fresh.version()))?;
    /// let rescue = late.rescue(fresh);
    /// let (doc, left) = rescue.apply(3, |edit| edit.path() != "/title"); // not approved
    /// assert_eq!((doc.get("/title"), left.len()), (Some("Shipped".into()), 1));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn apply(
        self,
        now_ms: u64,
        mut approve: impl FnMut(&RescuedEdit) -> bool,
    ) -> (Doc, Vec<RescuedEdit>) {
        let mut doc = self.onto;
        let (made, left): (Vec<_>, Vec<_>) =
            self.edits.into_iter().partition(|edit| edit.has_place && approve(edit));
        let mut renamed = Renamed::anew();
        doc.transact_undo(now_ms, Origin::Local("rescue".into()), |tx| {
            made.into_iter().for_each(|edit| run(tx, edit.redo, &mut renamed));
        });
        (doc, left)
    }
}

impl Doc {
    /// What was edited here and is nowhere else, as edits to be made anew on the document as the others have it.
    /// For one who was away so long that the others have [forgotten](Self::forget) what this document lacks, so
    /// that the two cannot be merged ([`ApplyError::Behind`](crate::ApplyError::Behind),
    /// [`Late`](crate::ApplyError::Late)). Nothing is lost silently: all is there to be shown and approved. And
    /// nothing that others deleted comes back: only what is new is made anew.
    ///
    /// `onto` is the others' document: one that is new, with an author that is new, and has taken in what they sent.
    /// Text goes where it was typed, between the same neighbours; values go to the same keys, in place of what
    /// was written there meanwhile. A counter that others removed counts all that was ever added here, as when
    /// merging. This document stays as it is: drop it when what comes of the rescue is saved.
    ///
    /// Costs what is shown and what was edited.
    ///
    /// ```
    /// # use crdt::{ApplyError, Doc, ReplicaId, Replicated};
    /// let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// let (mut alice, mut late) = (Doc::new(a), Doc::new(b));
    /// alice.transact(0, |tx| tx.text("note").insert(0, "one two"));
    /// late.apply(&alice.delta_since(late.version()))?;
    /// late.transact(1, |tx| tx.text("note").insert(3, " and a half")); // offline, for months
    /// alice.transact(2, |tx| tx.text("note").delete(3..7));
    /// alice.forget(&alice.version().clone()); // nobody waits for late
    ///
    /// let theirs = alice.delta_since(late.version());
    /// assert_eq!(late.apply(&theirs), Err(ApplyError::Behind));
    /// let mut fresh = Doc::new(c);
    /// fresh.apply(&theirs)?;
    /// let rescue = late.rescue(fresh);
    /// assert_eq!(rescue.edits()[0].to_string(), r#"/note: insert " and a half""#);
    /// let (late, left) = rescue.apply(3, |_| true);
    /// assert!(left.is_empty());
    ///
    /// alice.apply(&late.delta_since(alice.version()))?;
    /// assert_eq!(alice.text("note").unwrap().to_string(), "one and a half");
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn rescue(&self, onto: Doc) -> Rescue {
        let spans: Vec<Span> = self.version().since(onto.version()).collect();
        let mut finder = Finder { late: self, onto: &onto, edits: Vec::new() };
        if !spans.is_empty() {
            finder.all(&spans);
        }
        let edits = finder.edits;
        Rescue { onto, edits }
    }
}

/// Finds the edits of one document that another lacks.
struct Finder<'a> {
    late: &'a Doc,
    onto: &'a Doc,
    edits: Vec<RescuedEdit>,
}

impl Finder<'_> {
    fn all(&mut self, spans: &[Span]) {
        let unsent: DotRanges = spans.iter().copied().collect();
        let (late, onto) = (self.late, self.onto);
        let written = late.tree.part(&unsent);
        self.values(&Path::default(), &written);
        let ended = late.removals.part(&unsent);
        self.removals(&Path::default(), &onto.tree.part(ended.removed()));
        for (path, text) in late.texts.iter() {
            if self.is_made(path) {
                continue;
            }
            let gone = text.deleted_by(spans);
            if path.is_list() {
                self.elements(path, text, &gone);
            } else {
                self.deletions(path, &gone);
                self.insertions(path, text);
                self.marks(path, text, &unsent);
            }
        }
    }

    /// The marks that were made, in the order in which they win.
    fn marks(&mut self, path: &Path, text: &Text, unsent: &DotRanges) {
        let all = self.late.marks_of(path).into_iter().flat_map(Index::iter);
        let mut made: Vec<&Made> = all.filter(|(dot, _)| unsent.contains(*dot)).collect();
        made.sort_unstable_by_key(|(dot, mark)| (mark.stamp, *dot));
        for placed in made.into_iter().filter_map(|made| Placed::new(made, text)) {
            let Mark { key, value, start, end, .. } = &**placed.mark;
            let what = Rescued::Marked {
                text: text.slice(placed.start.pos..placed.end.pos),
                key: key.to_string(),
                value: placed.mark.shown().cloned(),
            };
            let marks = vec![(key.clone(), value.clone(), *start, *end)];
            self.note(path, what, Inverse::Marks { path: path.clone(), at: self.late.next_event(1), marks });
        }
    }

    fn knows(&self) -> &VersionVector {
        self.onto.version()
    }

    /// Whether a path leads through something that was made unseen: it comes with that.
    fn is_made(&self, path: &Path) -> bool {
        path.items().any(|item| !self.knows().contains(item))
    }

    fn note(&mut self, path: &Path, what: Rescued, redo: Inverse) {
        let pointer = self.late.pointer(path).or_else(|| self.onto.pointer(path)).unwrap_or_default();
        let has_place = self.onto.pointer(path).is_some();
        self.edits.push(RescuedEdit { pointer, what, has_place, redo });
    }

    /// What was written at a place and below it.
    fn values(&mut self, path: &Path, written: &Places) {
        for (key, node) in written.iter() {
            let below = path.child(key.clone());
            if self.is_made(&below) {
                continue;
            }
            if let Node::Tree(outline) = node {
                self.nodes(&below, outline);
            }
            match node.places() {
                Some(places) => self.values(&below, places),
                None => self.value(&below, node),
            }
        }
    }

    fn value(&mut self, path: &Path, written: &Node) {
        let own = || path.clone();
        let mut now = self.onto.value_of(path);
        if self.began_anew(path)
            && let Some(gone) = now.take()
        {
            self.note(path, Rescued::Removed(gone), Inverse::Put { path: own(), value: None });
        }
        match written {
            Node::Register(register) => {
                if let Some(value) = register.get().cloned() {
                    let what = Rescued::Put { value: Value::Scalar(value.clone()), now };
                    self.note(path, what, Inverse::Put { path: own(), value: Some(value) });
                }
            }
            Node::Values(register) => {
                for value in register.iter().cloned().collect::<Vec<_>>() {
                    let what = Rescued::Put { value: Value::Scalar(value.clone()), now: now.clone() };
                    self.note(path, what, Inverse::Offer { path: own(), value: Some(value) });
                }
            }
            Node::Set(set) => {
                for member in set.iter().cloned().collect::<Vec<_>>() {
                    self.member(path, member, true);
                }
            }
            Node::Counter(counter) => {
                let n = match self.onto.node(path.keys()) {
                    Some(Node::Counter(now)) => counter.more_than(now),
                    _ => counter.value(),
                };
                if n != 0 {
                    self.note(path, Rescued::Counted(n), Inverse::Add { path: own(), n });
                }
            }
            Node::Flag(flag) => {
                let enable = flag.is_enabled();
                self.note(path, Rescued::Flagged(enable), Inverse::Flag { path: own(), enable });
            }
            Node::DwFlag(_) => {
                let enabled = |doc: &Doc| matches!(doc.node(path.keys()), Some(Node::DwFlag(flag)) if flag.is_enabled());
                let enable = enabled(self.late);
                if enable || enabled(self.onto) {
                    self.note(path, Rescued::Flagged(enable), Inverse::Flag { path: own(), enable });
                }
            }
            Node::RwSet(written) => {
                let has = |doc: &Doc, member: &Scalar| matches!(doc.node(path.keys()), Some(Node::RwSet(set)) if set.contains(member));
                for (member, _) in written.0.iter() {
                    let put_in = has(self.late, member);
                    if put_in || has(self.onto, member) {
                        self.member(path, member.clone(), put_in);
                    }
                }
            }
            Node::Max(register) => self.number(path, register.get(), now, i64::gt),
            Node::Min(register) => self.number(path, register.get(), now, i64::lt),
            Node::Log(log) => {
                for (stamp, _, entry) in log.stamped() {
                    let what = Rescued::Appended(entry.clone().into());
                    self.note(path, what, Inverse::Append { path: own(), stamp, entry: entry.clone() });
                }
            }
            Node::Empty
            | Node::List(_)
            | Node::Map(_)
            | Node::Present(_)
            | Node::Tree(_)
            | Node::Marks(_) => {}
        }
    }

    /// Whether the key of a log or of a greatest or least number was removed and written again: what the others still show
    /// was seen, and is neither among the entries nor outdone.
    fn began_anew(&self, path: &Path) -> bool {
        let seen = |dot: Dot| self.late.version().contains(dot);
        match (self.late.node(path.keys()), self.onto.node(path.keys())) {
            (Some(Node::Log(here)), Some(Node::Log(still))) => {
                still.stamped().any(|(_, dot, _)| seen(dot) && here.get(dot).is_none())
            }
            (Some(Node::Max(here)), Some(Node::Max(still))) => {
                still.candidates().any(|(dot, n)| seen(dot) && here.get().is_some_and(|here| here < n))
            }
            (Some(Node::Min(here)), Some(Node::Min(still))) => {
                still.candidates().any(|(dot, n)| seen(dot) && here.get().is_some_and(|here| here > n))
            }
            _ => false,
        }
    }

    /// A greatest or least number, where it is beyond the one there now.
    fn number(&mut self, path: &Path, n: Option<&i64>, now: Option<Value>, beyond: fn(&i64, &i64) -> bool) {
        let best = now.as_ref().and_then(Value::as_i64);
        if let Some(n) = n.filter(|n| best.is_none_or(|best| beyond(n, &best))) {
            let what = Rescued::Put { value: Value::from(*n), now };
            self.note(path, what, Inverse::Put { path: path.clone(), value: Some(Scalar::Int(*n)) });
        }
    }

    fn member(&mut self, path: &Path, member: Scalar, put_in: bool) {
        let value = Value::Scalar(member.clone());
        let what = if put_in { Rescued::Added(value) } else { Rescued::Taken(value) };
        self.note(path, what, Inverse::Member { path: path.clone(), member, put_in });
    }

    /// What was taken away and is still there, at a place and below it.
    fn removals(&mut self, path: &Path, still: &Places) {
        for (key, node) in still.iter() {
            let below = path.child(key.clone());
            if matches!(key.shape, Shape::Present | Shape::Marks) {
                continue; // goes with its element or its text
            }
            match node.places() {
                Some(places) => self.removals(&below, places),
                None => self.removal(&below, node),
            }
        }
    }

    fn removal(&mut self, path: &Path, still: &Node) {
        let here = self.late.node(path.keys());
        if let Node::Set(set) = still {
            let here = |member: &Scalar| matches!(here, Some(Node::Set(set)) if set.contains(member));
            let gone: Vec<Scalar> = set.iter().filter(|member| !here(member)).cloned().collect();
            gone.into_iter().for_each(|member| self.member(path, member, false));
        } else if let (Node::RwSet(set), Some(Node::RwSet(here))) = (still, here) {
            // Who was taken out by name is told by that: these went with the key.
            let gone = set.iter().filter(|member| here.0.get(member).is_none());
            gone.for_each(|member| self.member(path, member.clone(), false));
        } else if here.is_none() && self.late.pointer(path).is_some() {
            let value = self.onto.value_of(path).unwrap_or_else(|| Scalar::Null.into());
            self.note(path, Rescued::Removed(value), Inverse::Put { path: path.clone(), value: None });
        }
    }

    fn deletions(&mut self, path: &Path, gone: &[Span]) {
        let Some(text) = self.onto.texts.get(path) else { return };
        for span in gone {
            let first = Dot::new(span.replica, span.after + 1);
            let dots = (first.seq..=span.to).map(|seq| Dot::new(span.replica, seq));
            let still: String =
                dots.filter_map(|dot| text.position_of(dot)).map(|pos| text.slice(pos..pos + 1)).collect();
            if !still.is_empty() {
                let redo = Inverse::Delete { path: path.clone(), first, len: span.len() };
                self.note(path, Rescued::Deleted(still), redo);
            }
        }
    }

    /// What was typed, the last first: what stands at one place is put in behind the same character.
    fn insertions(&mut self, path: &Path, text: &Text) {
        let (mut left, mut typed) = (None, Vec::new());
        let mut run: Option<(Dot, usize, usize)> = None;
        for (pos, dot) in text.dots().enumerate() {
            match (&mut run, self.knows().contains(dot)) {
                (Some((_, _, end)), false) => *end = pos + 1,
                (None, false) => run = Some((dot, pos, pos + 1)),
                (_, true) => {
                    typed.extend(run.take().map(|run| (run, left)));
                    left = Some(dot);
                }
            }
        }
        typed.extend(run.map(|run| (run, left)));
        for ((first, from, to), left) in typed.into_iter().rev() {
            let text = text.slice(from..to);
            let redo = Inverse::Insert { path: path.clone(), first, left, text: text.clone() };
            self.note(path, Rescued::Inserted(text), redo);
        }
    }

    /// Elements that were made, moved, taken away; those made and moved from the last on.
    fn elements(&mut self, path: &Path, order: &Text, gone: &[Span]) {
        let (late, onto) = (self.late, self.onto);
        let slot = |doc: &Doc, element| match doc.node(path.keys()) {
            Some(Node::List(list)) => list.slot(element),
            _ => element,
        };
        let elements = late.elements(path);
        let mut left = None;
        let lefts: Vec<Option<Dot>> = elements
            .iter()
            .map(|element| {
                let before = left;
                left = Some(slot(late, *element)).filter(|slot| onto.version().contains(*slot)).or(left);
                before
            })
            .collect();
        for (element, left) in elements.iter().zip(lefts).rev() {
            let (slot, list) = (slot(late, *element), path.clone());
            let value = late.element_value(path, *element);
            if !onto.version().contains(*element) {
                let Some(mut redo) = Inverse::restore_element(late, path, *element) else { continue };
                redo.stand_after(left);
                self.note(path, Rescued::Made(value), redo);
            } else if !onto.version().contains(slot) {
                let redo = Inverse::MoveBack { list, element: *element, slot, left };
                self.note(path, Rescued::Moved(value), redo);
            }
        }
        let here: BTreeSet<Dot> = elements.into_iter().collect();
        for element in onto.elements(path).into_iter().filter(|element| !here.contains(element)) {
            let slot = slot(onto, element);
            let dropped = gone
                .iter()
                .any(|span| span.replica == slot.replica && span.after < slot.seq && slot.seq <= span.to);
            if dropped && order.place_of(slot).is_some() {
                let value = onto.element_value(path, element);
                let redo = Inverse::RemoveElement { list: path.clone(), element };
                self.note(path, Rescued::Dropped(value), redo);
            }
        }
    }

    /// Nodes that were made, moved, taken away; those made at one place from the last on.
    fn nodes(&mut self, path: &Path, written: &Outline) {
        let (late, onto) = (self.late, self.onto);
        let Some(Node::Tree(tree)) = late.node(path.keys()) else { return };
        let nothing = Outline::default();
        let now = match onto.node(path.keys()) {
            Some(Node::Tree(now)) => &**now,
            _ => &nothing,
        };
        let known = |node: Dot| onto.version().contains(node);
        let placed: BTreeSet<Dot> = written.placed().collect();
        let walk: Vec<Dot> = tree.walk().map(|(_, node)| node).filter(|node| placed.contains(node)).collect();
        // Below what is made anew all is made with it, so only its top is an edit.
        let (made, moved): (Vec<Dot>, Vec<Dot>) = walk.into_iter().partition(|node| !known(*node));
        let tops = made.iter().filter(|node| tree.spot(**node).parent.is_none_or(known));
        let value = |doc: &Doc, node| doc.node_data(path, node);
        for node in tops.rev() {
            let mut spot = tree.spot(*node);
            spot.left = tree.known_before(*node, known);
            let mut redo = Vec::new();
            make_node((late, path, tree), &known, *node, spot, &mut redo);
            self.note(path, Rescued::Made(value(late, *node)), Inverse::All(redo));
        }
        for node in moved {
            let spot = tree.spot(node);
            let at = Spot { left: tree.known_before(node, known), ..spot };
            if now.shows(node) {
                let redo = Inverse::Stand { tree: path.clone(), node, at: Some(at) };
                self.note(path, Rescued::Moved(value(late, node)), redo);
            }
        }
        for node in tree.trash().filter(|node| placed.contains(node) && now.shows(*node)) {
            let redo = Inverse::Stand { tree: path.clone(), node, at: None };
            self.note(path, Rescued::Dropped(value(onto, node)), redo);
        }
    }
}

/// What makes a node with all that it holds, and what was made below it.
fn make_node(
    (late, path, tree): (&Doc, &Path, &Outline),
    known: &impl Fn(Dot) -> bool,
    node: Dot,
    at: Spot,
    redo: &mut Vec<Inverse>,
) {
    redo.push(Inverse::RestoreNode { tree: path.clone(), node, at });
    redo.extend(Inverse::restore(late, &path.child(Key::item(node, Shape::Map))));
    let mut left = None;
    // What was there before and was moved below it is moved by an edit of its own.
    for child in tree.children(node).filter(|child| !known(*child)) {
        make_node((late, path, tree), known, child, Spot { parent: Some(node), left }, redo);
        left = Some(child);
    }
}
