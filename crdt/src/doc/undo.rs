//! Undo: [`Inverse`], what takes one edit back, and [`UndoManager`], which keeps them on stacks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::hlc::Hlc;
use crate::id::{Dot, Span};
use crate::text::{Cursor, Text};

use super::change::Origin;
use super::edit::{ListMut, Place, Spot, Tx};
use super::marks::{Index, Mark, Marks, Rank};
use super::node::Node;
use super::path::{Key, Name, Path, Shape};
use super::tree::{Spot as NodeSpot, TreeMut};
use super::{Doc, Scalar, view};

/// What takes back one edit. It says what to do in terms of events, not of positions, so that it means the
/// same whatever others did meanwhile.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Inverse {
    /// Deletes characters, as far as they are still there.
    Delete { path: Path, first: Dot, len: u64 },
    /// Inserts again what was deleted, where it stood; it counts as the same characters from then on.
    Insert { path: Path, first: Dot, left: Option<Dot>, text: String },
    /// Marks a text, by keys, with values, between anchors as they were called when `at` was the next event.
    Marks { path: Path, at: Dot, marks: Vec<(SmolStr, Scalar, Cursor, Cursor)> },
    /// Writes a register, or clears it.
    Put { path: Path, value: Option<Scalar> },
    /// Writes a register of several values, or clears it.
    Offer { path: Path, value: Option<Scalar> },
    /// Adds to a counter.
    Add { path: Path, n: i64 },
    /// Puts a member in a set, or takes it out.
    Member { path: Path, member: Scalar, put_in: bool },
    /// Raises or lowers a flag.
    Flag { path: Path, enable: bool },
    /// Appends to a log what had this time.
    Append { path: Path, stamp: Hlc, entry: Scalar },
    /// Takes an element out of a list.
    RemoveElement { list: Path, element: Dot },
    /// Puts an element again where it stood; it counts as the same from then on. What stood below it follows.
    RestoreElement { list: Path, element: Dot, slot: Dot, left: Option<Dot>, holds: Holds },
    /// Moves an element to where it stood before.
    MoveBack { list: Path, element: Dot, slot: Dot, left: Option<Dot> },
    /// Puts a node of a tree where it stood, or in the trash.
    Stand { tree: Path, node: Dot, at: Option<NodeSpot> },
    /// Makes a node anew where it stood; it counts as the same from then on. What it held follows.
    RestoreNode { tree: Path, node: Dot, at: NodeSpot },
    /// Several, in order.
    All(Vec<Inverse>),
}

/// The positions within a range at which marks start or end, sorted.
fn ends_within(text: &Text, index: Option<&Index>, range: Range<usize>) -> Vec<usize> {
    let (from, to) = (Rank::before(range.start), Rank::behind(range.end));
    let marks = index.into_iter().flat_map(|index| index.between(from, to, text));
    let ends = marks.flat_map(|placed| [placed.start.pos, placed.end.pos]);
    let mut ends: Vec<usize> =
        ends.filter(|pos| range.start < *pos && *pos < range.end).map(|pos| pos - range.start).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Cuts runs of characters after so many characters in all.
fn cut(runs: Vec<Span>, at: Vec<usize>) -> Vec<Span> {
    let (mut out, mut done, mut at) = (Vec::with_capacity(runs.len()), 0, at.into_iter().peekable());
    for mut run in runs {
        while let Some(cut) = at.next_if(|cut| (*cut as u64) < done + run.len()) {
            let middle = run.after + (cut as u64 - done);
            if middle > run.after {
                out.push(Span { to: middle, ..run });
            }
            (done, run.after) = (cut as u64, middle);
        }
        done += run.len();
        out.push(run);
    }
    out
}

/// What an element of a list holds from its first event on.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Holds {
    Plain(Scalar),
    Container(Shape),
}

impl Inverse {
    /// What brings the characters of a range back after they will have been deleted.
    /// Cut where marks start and end, so that each piece comes back where they cover it as they did.
    pub(super) fn reinsert(
        text: &Text,
        index: Option<&Index>,
        path: &Path,
        range: Range<usize>,
    ) -> impl Iterator<Item = Inverse> + use<> {
        let whole = text.slice(range.clone());
        let mut chars = whole.chars();
        let mut left = range.start.checked_sub(1).and_then(|pos| text.dot_at(pos));
        let spans = cut(text.stretches(range.clone()), ends_within(text, index, range));
        let pieces = spans.into_iter().map(|span| {
            let first = Dot::new(span.replica, span.after + 1);
            let before = left.replace(Dot::new(span.replica, span.to));
            let text = chars.by_ref().take(span.len() as usize).collect();
            Inverse::Insert { path: path.clone(), first, left: before, text }
        });
        pieces.collect::<Vec<_>>().into_iter()
    }

    /// What brings back all that is visible at a place and below it; `None` when nothing is.
    pub(super) fn restore(doc: &Doc, path: &Path) -> Option<Inverse> {
        let mut all = Vec::new();
        restore_into(doc, path, &mut all);
        (!all.is_empty()).then_some(Inverse::All(all))
    }

    /// Says after which placeholder the element stands that is restored first.
    pub(super) fn stand_after(&mut self, placeholder: Option<Dot>) {
        match self {
            Inverse::All(all) => all.iter_mut().take(1).for_each(|first| first.stand_after(placeholder)),
            Inverse::RestoreElement { left, .. } => *left = placeholder,
            _ => {}
        }
    }

    /// What brings back an element of a list with all that it holds.
    pub(super) fn restore_element(doc: &Doc, list: &Path, element: Dot) -> Option<Inverse> {
        let mut all = Vec::new();
        restore_element_into(doc, list, element, &mut all);
        Some(Inverse::All(all))
    }
}

fn restore_into(doc: &Doc, path: &Path, all: &mut Vec<Inverse>) {
    let Some((_, key)) = path.parent() else { return };
    match (key.shape, doc.node(path.keys())) {
        (Shape::Text, _) => {
            if let Some(text) = doc.texts.get(path) {
                all.extend(Inverse::reinsert(text, doc.marks_of(path), path, 0..text.len()));
            }
            all.extend(view::marks_at(&doc.tree, path).map(|marks| mark_again(doc, path, marks)));
        }
        (Shape::List, _) => {
            let elements = doc.elements(path);
            elements.into_iter().for_each(|element| restore_element_into(doc, path, element, all));
        }
        (Shape::Map, node) => {
            for key in doc.keys_below(path, node.and_then(Node::places)) {
                restore_into(doc, &path.child(key), all);
            }
        }
        (Shape::Tree, Some(Node::Tree(tree))) => {
            // What is in the trash too: an earlier step may bring it back.
            for node in tree.all() {
                let at = tree.spot(node);
                all.push(Inverse::RestoreNode { tree: path.clone(), node, at });
                restore_into(doc, &path.child(Key::item(node, Shape::Map)), all);
            }
            let removed = tree.trash().map(|node| Inverse::Stand { tree: path.clone(), node, at: None });
            all.extend(removed);
        }
        (_, Some(node)) => restore_leaf(node, path, all),
        (_, None) => {}
    }
}

/// What brings the marks of a text back, in an order in which the same win.
fn mark_again(doc: &Doc, path: &Path, marks: &Marks) -> Inverse {
    let mut marks: Vec<_> = marks.iter().collect();
    marks.sort_unstable_by_key(|(dot, mark)| (mark.stamp, *dot));
    let again = |(_, mark): (Dot, &Arc<Mark>)| (mark.key.clone(), mark.value.clone(), mark.start, mark.end);
    let marks = marks.into_iter().map(again).collect();
    Inverse::Marks { path: path.clone(), at: doc.next_event(1), marks }
}

fn restore_leaf(node: &Node, path: &Path, all: &mut Vec<Inverse>) {
    let path = || path.clone();
    match node {
        Node::Set(set) => all.extend(set.iter().map(|member| Inverse::Member {
            path: path(),
            member: member.clone(),
            put_in: true,
        })),
        Node::RwSet(set) => all.extend(set.iter().map(|member| Inverse::Member {
            path: path(),
            member: member.clone(),
            put_in: true,
        })),
        Node::Counter(counter) => all.push(Inverse::Add { path: path(), n: counter.value() }),
        Node::Flag(flag) => all.push(Inverse::Flag { path: path(), enable: flag.is_enabled() }),
        Node::Values(register) => {
            all.extend(
                register.iter().next().map(|v| Inverse::Offer { path: path(), value: Some(v.clone()) }),
            );
        }
        Node::Register(register) => {
            all.extend(register.get().map(|v| Inverse::Put { path: path(), value: Some(v.clone()) }));
        }
        Node::DwFlag(flag) if flag.is_enabled() => all.push(Inverse::Flag { path: path(), enable: true }),
        Node::Max(register) => {
            all.extend(register.get().map(|n| Inverse::Put { path: path(), value: Some((*n).into()) }));
        }
        Node::Min(register) => {
            all.extend(register.get().map(|n| Inverse::Put { path: path(), value: Some((*n).into()) }));
        }
        Node::Log(log) => all.extend(log.stamped().map(|(stamp, _, entry)| Inverse::Append {
            path: path(),
            stamp,
            entry: entry.clone(),
        })),
        Node::Empty
        | Node::List(_)
        | Node::Map(_)
        | Node::Present(_)
        | Node::Tree(_)
        | Node::Marks(_)
        | Node::DwFlag(_) => {}
    }
}

fn restore_element_into(doc: &Doc, list: &Path, element: Dot, all: &mut Vec<Inverse>) {
    let name = Name::Item(element);
    let slot = match doc.node(list.keys()) {
        Some(Node::List(list)) => list.slot(element),
        _ => element,
    };
    let (left, holds) = (doc.left_of(list, slot), held(doc, list, element));
    let plain = matches!(holds, Holds::Plain(_));
    all.push(Inverse::RestoreElement { list: list.clone(), element, slot, left, holds });
    for key in Key::all_named(&name).filter(|key| !plain || key.shape != Shape::Register) {
        restore_into(doc, &list.child(key), all);
    }
}

fn held(doc: &Doc, list: &Path, element: Dot) -> Holds {
    if let Some(kind) = doc.container_kind(list, element) {
        return Holds::Container(kind);
    }
    match doc.node(list.child(Key::item(element, Shape::Register)).keys()) {
        Some(Node::Register(register)) => Holds::Plain(register.get().cloned().unwrap_or_default()),
        _ => Holds::Plain(Scalar::Null),
    }
}

/// How an [`UndoManager`] groups and chooses what it takes back.
///
/// ```
/// # use crdt::{Doc, ReplicaId};
/// # let mut doc = Doc::new(ReplicaId::from_u128(1));
/// use crdt::doc::{UndoManager, UndoOptions};
/// let mut options = UndoOptions::default();
/// options.capture_timeout_ms = 500; // typing without a pause is one step
/// options.tracked_origins = Some(vec!["keyboard".into()]);
/// let mut undo = UndoManager::new(&mut doc, options);
/// doc.transact_as("keyboard", 1_000, |tx| tx.text("note").insert(0, "a"));
/// doc.transact_as("keyboard", 1_200, |tx| tx.text("note").insert(1, "b"));
/// doc.transact_as("import", 1_300, |tx| tx.put("title", "stays"));
/// assert!(undo.undo(&mut doc, 2_000)); // both letters, nothing of the import
/// assert_eq!(doc.value().to_string(), r#"{"title":"stays"}"#);
/// assert!(!undo.undo(&mut doc, 2_000));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UndoOptions {
    /// Transactions that follow each other within this many milliseconds are one step. 500 by default.
    pub capture_timeout_ms: u64,
    /// Which local origins are tracked; all when this is `None`, as it is by default.
    pub tracked_origins: Option<Vec<String>>,
    /// How many steps are kept. 1,000 by default.
    pub max_steps: usize,
}

impl Default for UndoOptions {
    fn default() -> Self {
        UndoOptions { capture_timeout_ms: 500, tracked_origins: None, max_steps: 1_000 }
    }
}

/// Takes back and does again what was edited here, never what others did.
///
/// Undoing writes new events: others see it as an edit like any. Text that was deleted comes back where it
/// stood; a register gets back the value it had before the edit that is undone, even if others have
/// written it since (Stewen, Kleppmann, "Undo and redo support for replicated registers", 2024); a counter
/// is moved back by what was added. Of a register with several values one comes back. A greatest or least number that was
/// set and an entry of a log stay: there is nothing to undo. In a flag or set in which removing wins, what others have
/// removed too stays so.
///
/// A document has one manager; it records from [`new`](Self::new) on.
///
/// ```
/// use crdt::doc::{UndoManager, UndoOptions};
/// use crdt::{Doc, ReplicaId, Replicated};
///
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// let mut undo = UndoManager::new(&mut alice, UndoOptions::default());
///
/// alice.transact(1_000, |tx| tx.text("note").insert(0, "hello"));
/// alice.transact(9_000, |tx| tx.text("note").delete(0..5));
/// bob.apply(&alice.delta_since(bob.version()))?;
/// bob.transact(9_500, |tx| tx.text("note").insert(0, "[bob was here] "));
/// alice.apply(&bob.delta_since(alice.version()))?;
///
/// assert!(undo.undo(&mut alice, 10_000)); // the deletion
/// assert!(alice.text("note").unwrap().to_string().contains("hello"));
/// assert!(undo.undo(&mut alice, 10_000)); // the insertion
/// assert_eq!(alice.text("note").unwrap().to_string(), "[bob was here] ");
/// assert!(undo.redo(&mut alice, 10_000));
/// assert!(alice.text("note").unwrap().to_string().contains("hello"));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct UndoManager {
    options: UndoOptions,
    done: Vec<Step>,
    undone: Vec<Step>,
    /// The next transaction starts a new step, however soon it comes.
    stopped: bool,
    renamed: Renamed,
}

/// What one undo takes back.
#[derive(Clone, Debug)]
struct Step {
    inverses: Vec<Inverse>,
    last_ms: u64,
}

impl UndoManager {
    /// A manager for a document; what is edited from now on can be undone.
    pub fn new(doc: &mut Doc, options: UndoOptions) -> Self {
        doc.undo_log = Some(Vec::new());
        UndoManager {
            options,
            done: Vec::new(),
            undone: Vec::new(),
            stopped: false,
            renamed: Renamed::default(),
        }
    }

    /// Takes the last step back; whether there was one. `now_ms` is the wall clock, as for
    /// [`Doc::transact`].
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// use crdt::doc::{UndoManager, UndoOptions};
    /// let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    /// doc.transact(0, |tx| tx.text("note").insert(0, "mine"));
    /// bob.transact(0, |tx| tx.text("note").insert(0, "bob's"));
    /// doc.apply(&bob.delta_since(doc.version()))?;
    /// assert!(undo.undo(&mut doc, 1_000));
    /// assert_eq!(doc.text("note").unwrap().to_string(), "bob's"); // only what was done here
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn undo(&mut self, doc: &mut Doc, now_ms: u64) -> bool {
        self.collect(doc);
        let Some(step) = self.done.pop() else { return false };
        let redo = self.run(doc, now_ms, step);
        self.undone.push(redo);
        self.stopped = true;
        true
    }

    /// Does the last step that was undone again; whether there was one. A new edit forgets them.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::doc::{UndoManager, UndoOptions};
    /// let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// undo.undo(&mut doc, 1_000);
    /// assert!(undo.redo(&mut doc, 2_000) && !undo.redo(&mut doc, 3_000));
    /// assert_eq!(doc.get("/x"), Some(1.into()));
    /// ```
    pub fn redo(&mut self, doc: &mut Doc, now_ms: u64) -> bool {
        self.collect(doc);
        let Some(step) = self.undone.pop() else { return false };
        let undo = self.run(doc, now_ms, step);
        self.done.push(undo);
        self.stopped = true;
        true
    }

    /// How many steps can be undone.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::doc::{UndoManager, UndoOptions};
    /// let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// doc.transact(100, |tx| tx.put("x", 2)); // within 500 ms: the same step
    /// doc.transact(1_000, |tx| tx.put("x", 3));
    /// assert_eq!(undo.undo_steps(&mut doc), 2);
    /// ```
    pub fn undo_steps(&mut self, doc: &mut Doc) -> usize {
        self.collect(doc);
        self.done.len()
    }

    /// How many steps can be redone.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::doc::{UndoManager, UndoOptions};
    /// let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// undo.undo(&mut doc, 1_000);
    /// assert_eq!((undo.undo_steps(&mut doc), undo.redo_steps(&mut doc)), (0, 1));
    /// ```
    pub fn redo_steps(&mut self, doc: &mut Doc) -> usize {
        self.collect(doc);
        self.undone.len()
    }

    /// Makes the next transaction a step of its own, however soon it comes.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::doc::{UndoManager, UndoOptions};
    /// let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// undo.stop_capturing(&mut doc); // the user clicked elsewhere, say
    /// doc.transact(100, |tx| tx.put("x", 2));
    /// assert_eq!(undo.undo_steps(&mut doc), 2);
    /// ```
    pub fn stop_capturing(&mut self, doc: &mut Doc) {
        self.collect(doc);
        self.stopped = true;
    }

    /// Forgets all steps.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// use crdt::doc::{UndoManager, UndoOptions};
    /// let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// undo.clear(&mut doc); // after loading, say
    /// assert!(!undo.undo(&mut doc, 1_000));
    /// ```
    pub fn clear(&mut self, doc: &mut Doc) {
        self.collect(doc);
        self.done.clear();
        self.undone.clear();
    }

    /// Takes in what was edited since the last call.
    fn collect(&mut self, doc: &mut Doc) {
        for edit in doc.undo_log.as_mut().map(std::mem::take).unwrap_or_default() {
            let tracked = self.options.tracked_origins.as_ref();
            if tracked.is_some_and(|names| !names.contains(&edit.origin)) {
                continue;
            }
            self.undone.clear();
            let soon = |last: &&mut Step| {
                edit.now_ms.saturating_sub(last.last_ms) <= self.options.capture_timeout_ms
            };
            match self.done.last_mut().filter(soon).filter(|_| !self.stopped) {
                Some(last) => {
                    last.inverses.extend(edit.inverses);
                    last.last_ms = edit.now_ms;
                }
                None => self.done.push(Step { inverses: edit.inverses, last_ms: edit.now_ms }),
            }
            self.stopped = false;
        }
        let surplus = self.done.len().saturating_sub(self.options.max_steps);
        self.done.drain(..surplus);
    }

    /// Runs a step's inverses, the last first; returns what takes that back.
    fn run(&mut self, doc: &mut Doc, now_ms: u64, step: Step) -> Step {
        let renamed = &mut self.renamed;
        let inverses = doc.transact_undo(now_ms, Origin::Undo, |tx| {
            step.inverses.into_iter().rev().for_each(|inverse| run(tx, inverse, renamed));
        });
        Step { inverses, last_ms: now_ms }
    }
}

/// A transaction as an [`UndoManager`] will take it in.
#[derive(Clone, Debug)]
pub(super) struct UndoableEdit {
    pub(super) origin: String,
    pub(super) now_ms: u64,
    pub(super) inverses: Vec<Inverse>,
}

/// What came back under which names.
#[derive(Clone, Debug, Default)]
pub(super) struct Renamed {
    /// Characters, and the placeholders of elements.
    characters: Names,
    elements: Names,
    /// Whether edits are made anew, not taken back: then they hold against what others removed, too.
    anew: bool,
}

impl Renamed {
    /// For edits that are made anew.
    pub(super) fn anew() -> Self {
        Renamed { anew: true, ..Renamed::default() }
    }

    fn path(&self, path: &Path) -> Path {
        let mut now = Path::default();
        for key in path.keys() {
            let name = match &key.name {
                Name::Item(element) => Name::Item(self.elements.now(*element)),
                name => name.clone(),
            };
            now.push(Key { name, shape: key.shape });
        }
        now
    }

    fn character(&self, dot: Dot) -> Dot {
        self.characters.now(dot)
    }

    /// An anchor by the name that its character got from an event on: one that had another by then was a deleted
    /// one beside it.
    fn anchor(&self, anchor: Cursor, since: Dot) -> Cursor {
        Cursor::new(anchor.anchor().map(|dot| self.characters.now_since(dot, Some(since))), anchor.side())
    }

    fn spot(&self, spot: NodeSpot) -> NodeSpot {
        let now = |node: Dot| self.elements.now(node);
        NodeSpot { parent: spot.parent.map(now), left: spot.left.map(now) }
    }
}

/// New names of events.
#[derive(Clone, Debug, Default)]
struct Names {
    /// From the first of a run: its length and the first of the run it became.
    runs: BTreeMap<Dot, (u64, Dot)>,
}

impl Names {
    fn note(&mut self, old: Dot, len: u64, new: Dot) {
        self.runs.insert(old, (len, new));
    }

    /// What is called what now.
    fn now(&self, dot: Dot) -> Dot {
        self.now_since(dot, None)
    }

    /// What is called what now, by the names that came with an event or later ones of its author.
    fn now_since(&self, mut dot: Dot, since: Option<Dot>) -> Dot {
        let is_old = |new: Dot| since.is_some_and(|at| new.replica == at.replica && new.seq < at.seq);
        // Each step leads to a later event, so this ends.
        while let Some((first, (len, new))) = self.runs.range(..=dot).next_back()
            && first.replica == dot.replica
            && dot.seq - first.seq < *len
            && !is_old(Dot::new(new.replica, new.seq + (dot.seq - first.seq)))
        {
            dot = Dot::new(new.replica, new.seq + (dot.seq - first.seq));
        }
        dot
    }
}

pub(super) fn run(tx: &mut Tx<'_>, inverse: Inverse, renamed: &mut Renamed) {
    match inverse {
        Inverse::All(all) => all.into_iter().for_each(|inverse| run(tx, inverse, renamed)),
        Inverse::Delete { path, first, len } => delete(tx, &renamed.path(&path), first, len, renamed),
        Inverse::Insert { path, first, left, text } => {
            insert(tx, &renamed.path(&path), (first, left), &text, renamed);
        }
        Inverse::Marks { path, at, marks } => with_place(tx, &path, renamed, |place| {
            let mut text = place.into_text();
            for (key, value, start, end) in marks {
                text.put_mark(key, value, renamed.anchor(start, at), renamed.anchor(end, at));
            }
        }),
        Inverse::Put { path, value } => with_place(tx, &path, renamed, |mut place| match value {
            Some(value) => place.put(value),
            None => place.clear_leaf(),
        }),
        Inverse::Offer { path, value } => with_place(tx, &path, renamed, |mut place| match value {
            Some(value) => place.offer(value),
            None => place.clear_leaf(),
        }),
        Inverse::Add { path, n } => with_place(tx, &path, renamed, |mut place| place.add(n)),
        Inverse::Member { path, member, put_in } => with_place(tx, &path, renamed, |mut place| {
            if !put_in || renamed.anew || !place.is_held_back(Some(&member)) {
                place.member(member, put_in);
            }
        }),
        Inverse::Flag { path, enable } => with_place(tx, &path, renamed, |mut place| {
            if !enable || renamed.anew || !place.is_held_back(None) {
                place.flag(enable);
            }
        }),
        Inverse::Append { path, stamp, entry } => {
            with_place(tx, &path, renamed, |mut place| place.append_at(stamp, entry));
        }
        Inverse::RemoveElement { list, element } => {
            let element = renamed.elements.now(element);
            with_list(tx, &list, renamed, |mut list| {
                if list.has(element) {
                    list.remove_element(element);
                }
            });
        }
        Inverse::Stand { tree, node, at } => {
            let (node, at) = (renamed.elements.now(node), at.map(|at| renamed.spot(at)));
            with_place(tx, &tree, renamed, |place| TreeMut(place).stand(node, at));
        }
        Inverse::RestoreNode { tree, node, at } => {
            let (at, mut new) = (renamed.spot(at), None);
            with_place(tx, &tree, renamed, |place| new = Some(TreeMut(place).create_at(at)));
            if let Some(new) = new {
                renamed.elements.note(node, 1, new);
            }
        }
        Inverse::RestoreElement { list, element, slot, left, holds } => {
            let (slot, left) = (renamed.character(slot), left.map(|left| renamed.character(left)));
            let mut new = None;
            with_list(tx, &list, renamed, |mut list| {
                new = Some(list.insert_at(Spot::Again { slot, left }, holds));
            });
            if let Some(new) = new {
                renamed.elements.note(element, 1, new);
                renamed.characters.note(slot, 1, new);
            }
        }
        Inverse::MoveBack { list, element, slot, left } => {
            let (element, slot) = (renamed.elements.now(element), renamed.character(slot));
            let left = left.map(|left| renamed.character(left));
            with_list(tx, &list, renamed, |mut list| {
                if list.has(element) {
                    list.move_element(element, Spot::Again { slot, left });
                }
            });
        }
    }
}

/// Edits the place at a path, unless an element on the way is gone.
fn with_place(tx: &mut Tx<'_>, path: &Path, renamed: &Renamed, edit: impl FnOnce(Place<'_>)) {
    let path = renamed.path(path);
    let place = tx.place(&path);
    if place.doc().pointer(&path).is_some() {
        edit(place);
    }
}

fn with_list(tx: &mut Tx<'_>, path: &Path, renamed: &Renamed, edit: impl FnOnce(ListMut<'_>)) {
    with_place(tx, path, renamed, |place| edit(ListMut(place)));
}

/// Deletes characters as far as they are there, adjoining ones at once.
fn delete(tx: &mut Tx<'_>, path: &Path, first: Dot, len: u64, renamed: &Renamed) {
    let mut text = tx.place(path).into_text();
    let span = Span { replica: first.replica, after: first.seq - 1, to: first.seq + len - 1 };
    let dots = (span.after + 1..=span.to).map(|seq| renamed.character(Dot::new(span.replica, seq)));
    let visible = dots.filter_map(|dot| text.text().place_of(dot)).filter(|(_, visible)| *visible);
    let mut at: Vec<usize> = visible.map(|(pos, _)| pos).collect();
    at.sort_unstable();
    while let Some(last) = at.pop() {
        let mut from = last;
        while at.last().is_some_and(|before| before + 1 == from) {
            from -= 1;
            at.pop();
        }
        text.delete(from..last + 1);
    }
}

/// Inserts a deleted text where it stood.
fn insert(
    tx: &mut Tx<'_>,
    path: &Path,
    (first, left): (Dot, Option<Dot>),
    text: &str,
    renamed: &mut Renamed,
) {
    let place = tx.place(path);
    if place.doc().pointer(path).is_none() {
        return;
    }
    let new = place.doc().next_event(1);
    place.into_text().insert_again(renamed.character(first), left.map(|left| renamed.character(left)), text);
    renamed.characters.note(first, text.chars().count() as u64, new);
}
