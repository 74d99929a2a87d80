//! Documents: named roots of every type, edited in transactions, replicated by difference.
//!
//! A [`Doc`] is one [`EventGraph`] and what its events made: a tree of causal types (maps, sets,
//! counters, flags, registers, logs) and texts. Every edit takes events of the document's author, so one
//! version vector names exactly what a replica has, and a delta is the events another lacks.
//!
//! | root | made by | two at once |
//! |---|---|---|
//! | text | [`Tx::text`] | both insertions stay, never interleaved |
//! | marks on a text | [`TextMut::mark`] | both stay; of one key where they overlap the later stamp |
//! | list | [`Tx::list`] | both insertions stay; an element moved twice stands once |
//! | tree | [`Tx::tree`] | a node moved twice stands once; never a cycle |
//! | map | [`Tx::map`] | both keys stay; a nested edit survives a concurrent removal |
//! | set | [`Tx::set`] | adding beats a concurrent removing |
//! | counter | [`Tx::counter`] | sums |
//! | flag | [`Tx::flag`] | enabling beats a concurrent disabling |
//! | register | [`Tx::put`] | the later stamp wins |
//! | several values | [`Tx::offer`] | all are kept until the next write |
//! | greatest, least number | [`Tx::max`], [`Tx::min`] | the greatest, the least |
//! | flag that goes down for sure | [`Tx::dw_flag`] | disabling beats a concurrent enabling |
//! | set from which one goes for sure | [`Tx::rw_set`] | removing beats a concurrent adding |
//! | log | [`Tx::log`] | both entries, in the order of their times |
//!
//! There is no bounded counter: the rights of a [`BoundedCounter`](crate::counter::BoundedCounter) belong to a replica id,
//! and who edits documents mostly takes a new one at each start of a program, so the rights of the one before would be lost
//! to all. Nor can it be removed, as all else in a document can. Keep one in a [`Replica`](crate::replica::Replica) whose id
//! lasts.
//!
//! Places have names; [`schema`] declares them as a struct, which the compiler checks.

mod any;
mod change;
mod conflicts;
mod cursor;
mod early;
mod edit;
mod file;
mod forget;
mod history;
mod list;
mod lost;
mod marks;
mod node;
mod path;
mod pieces;
mod pretty;
mod record;
mod refs;
mod rescue;
pub mod schema;
mod spans;
mod texts;
mod tree;
mod undo;
mod value;
mod view;
mod whole;
mod wire;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::codec::Reader;
use crate::context::{CausalContext, DotRanges};
use crate::delta::{Applied, ApplyError, Delta, Replicated};
use crate::dots::{Changes, DotStore, RemovalLog};
use crate::graph::{EventGraph, GraphError};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
use crate::sorted::few;
use crate::text::{Op, Ops, Text};
use crate::version::VersionVector;

pub use any::AnyDoc;
pub use change::{Candidate, Change, Conflict, MarkedRange, Origin, Patch, Rule, Subscription};
pub use cursor::Cursor;
pub use edit::{
    CounterMut, ExtremeMut, FlagMut, ListMut, LogMut, MapMut, RichTextError, SetMut, TextMut, Tx,
};
pub use history::HistoryError;
pub use marks::Expand;
pub use pieces::Loaded;
pub use refs::{Ref, Segment};
pub use rescue::{Rescue, Rescued, RescuedEdit};
pub use spans::{Attributes, Spans, TextSpan};
pub use tree::{TreeMut, TreePatch, TreeView};
pub use undo::{UndoManager, UndoOptions};
pub use value::{Scalar, Value};

use change::Subscribers;
use history::History;
use marks::{Indexes, Marks, News};
use node::{Node, Places};
use path::{Key, Path, Shape};
use record::Record;
use texts::Texts;
use undo::{Inverse, UndoableEdit};
use wire::{Body, Tree};

const NEVER_WAS: ApplyError = ApplyError::Refused("an edit next to a character that never was");

/// A document.
///
/// ```
/// use crdt::{Doc, ReplicaId, Replicated};
///
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(1_000, |tx| {
///     tx.text("note").insert(0, "buy milk");
///     tx.map("form").put("name", "Alice");
/// });
/// bob.apply(&alice.delta_since(bob.version()))?;
/// bob.transact(1_001, |tx| tx.text("note").insert(8, "!"));
/// alice.apply(&bob.delta_since(alice.version()))?;
///
/// assert_eq!(alice.value().to_string(), r#"{"form":{"name":"Alice"},"note":"buy milk!"}"#);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Doc {
    author: ReplicaId,
    graph: EventGraph,
    tree: Places,
    removals: RemovalLog,
    /// The texts, and the orders of the lists.
    texts: Texts,
    /// Which texts have marks, and those in the order of the text. Follows from the tree and the texts.
    marks: Indexes,
    patches: Option<Vec<Patch>>,
    subscribers: Subscribers,
    /// All dots that concurrent events may have ended, while somebody is told what meets.
    met: Option<DotRanges>,
    /// What the open transaction or merge did so far, when someone wants to know.
    record: Option<Box<Record>>,
    /// What an undo manager has not taken in yet, when there is one.
    undo_log: Option<Vec<UndoableEdit>>,
    history: Option<Box<History>>,
}

impl Doc {
    /// An empty document that writes as `author`. No other replica may write as `author`, ever.
    pub fn new(author: ReplicaId) -> Self {
        Doc {
            author,
            graph: EventGraph::new(),
            tree: Places::default(),
            removals: RemovalLog::default(),
            texts: Texts::default(),
            marks: Indexes::new(),
            patches: None,
            subscribers: Subscribers::default(),
            met: None,
            record: None,
            undo_log: None,
            history: None,
        }
    }

    /// Who writes here.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// # use crdt::Replicated;
    /// assert_eq!(doc.version().get(doc.author()), 1);
    /// ```
    pub fn author(&self) -> ReplicaId {
        self.author
    }

    /// Whether it holds what its events do not tell: listeners, patches, steps to undo, its history.
    fn is_watched(&self) -> bool {
        let kept = self.patches.is_some() || self.undo_log.is_some() || self.history.is_some();
        kept || !self.subscribers.is_empty()
    }

    /// Its events, and what each had seen.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "hi"));
    /// assert_eq!(doc.graph().heads()[0].seq, 2); // the last event; two characters are two
    /// ```
    pub fn graph(&self) -> &EventGraph {
        &self.graph
    }

    /// Edits the document. `now_ms` is the wall clock, in milliseconds since 1970; it decides only
    /// between concurrent writes to one register, and where among concurrent ones an entry of a log stands.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(1_000, |tx| {
    ///     tx.counter("votes").add(2);
    ///     tx.map("places").map("office").put("city", "Lund");
    /// });
    /// assert_eq!(doc.get("/places/office/city"), Some("Lund".into()));
    /// ```
    pub fn transact<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        self.transact_as("", now_ms, edit)
    }

    /// Edits the document under a name, which subscribers see as [`Origin::Local`] and by which an
    /// [`UndoManager`] can choose what it tracks.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, doc::Origin};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// let (sender, changes) = std::sync::mpsc::channel();
    /// let subscription = doc.subscribe(move |change| sender.send(change.clone()).unwrap());
    /// doc.transact_as("import", 1_000, |tx| tx.put("title", "hello"));
    /// drop(subscription);
    /// doc.transact(2_000, |tx| tx.put("title", "nobody hears of this"));
    /// let all: Vec<_> = changes.iter().collect();
    /// assert_eq!((all.len(), &all[0].origin), (1, &Origin::Local("import".into())));
    /// assert_eq!(all[0].patches[0].path(), "/title");
    /// ```
    pub fn transact_as<R>(&mut self, origin: &str, now_ms: u64, edit: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        let (watched, undo) = (!self.subscribers.is_empty(), self.undo_log.is_some());
        self.record = (watched || undo).then(|| Box::new(Record::new(watched, undo)));
        let result = self.run(now_ms, edit);
        if let Some(mut record) = self.record.take() {
            let inverses = record.take_inverses();
            if let Some(log) = self.undo_log.as_mut().filter(|_| !inverses.is_empty()) {
                log.push(UndoableEdit { origin: origin.to_owned(), now_ms, inverses });
            }
            self.notify(Origin::Local(origin.into()), &record);
        }
        result
    }

    /// Runs what an undo manager takes back; returns what takes that back in turn.
    fn transact_undo(&mut self, now_ms: u64, origin: Origin, edit: impl FnOnce(&mut Tx<'_>)) -> Vec<Inverse> {
        self.record = Some(Box::new(Record::new(!self.subscribers.is_empty(), true)));
        self.run(now_ms, edit);
        let mut record = self.record.take().unwrap_or_default();
        self.notify(origin, &record);
        record.take_inverses()
    }

    fn run<R>(&mut self, now_ms: u64, edit: impl FnOnce(&mut Tx<'_>) -> R) -> R {
        let before = self.history.is_some().then(|| self.version().clone());
        let result = edit(&mut Tx::new(self, Hlc::new(now_ms, 0)));
        if let Some(before) = before.filter(|before| before != self.version()) {
            let delta = self.delta_since(&before);
            self.history.iter_mut().for_each(|history| history.add(&delta));
        }
        result
    }

    /// Calls `listener` after every transaction and every merge that changed something visible, for as long
    /// as the [`Subscription`] is kept. A copy of the document has no subscribers.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// let (sender, changes) = std::sync::mpsc::channel();
    /// let subscription = doc.subscribe(move |change| sender.send(change.patches.len()).unwrap());
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// doc.transact(1, |tx| tx.put("x", 1)); // the same again: nothing to see
    /// assert_eq!(changes.try_iter().collect::<Vec<_>>(), [1]);
    /// drop(subscription); // ends it
    /// ```
    pub fn subscribe(&mut self, listener: impl FnMut(&Change) + Send + 'static) -> Subscription {
        self.subscribers.add(Box::new(listener))
    }

    fn notify(&mut self, origin: Origin, record: &Record) {
        if self.subscribers.is_empty() && (self.patches.is_none() || origin != Origin::Remote) {
            return;
        }
        let patches = record.patches(self);
        let touched = record.touched().filter_map(|path| Some((path, self.node(path.keys())?)));
        let conflicts = touched.flat_map(|(path, node)| self.leaf_conflicts(path, node, Some(&record.news)));
        let moved =
            record.moved.iter().filter_map(|(path, moved)| Some((path, self.node(path.keys())?, moved)));
        let of_moves = moved.flat_map(|(path, node, moved)| self.move_conflicts(path, node, Some(moved)));
        let of_marks = record.new_marks().flat_map(|(path, news)| self.new_mark_conflicts(path, news));
        let twice = self.met_by(record);
        let (of_removals, unsettled) = self.removal_conflicts(&twice);
        let of_nodes = self.new_lost_conflicts(record);
        let conflicts = conflicts.chain(of_moves).chain(of_marks).chain(of_removals).chain(of_nodes);
        let mut conflicts: Vec<Conflict> = conflicts.collect();
        conflicts::by_path(&mut conflicts);
        let mut authors: Vec<ReplicaId> = match origin {
            Origin::Remote => record.news.iter_ranges().map(|span| span.replica).collect(),
            _ => vec![self.author],
        };
        authors.dedup();
        let change = Change { origin, authors, patches, conflicts };
        if let Some(met) = self.met.as_mut().filter(|_| !twice.is_empty()) {
            *met = conflicts::without(met, &twice).united(unsettled);
        }
        if !change.patches.is_empty() || !change.conflicts.is_empty() {
            self.subscribers.notify(&change);
        }
        if let Some(patches) = self.patches.as_mut().filter(|_| change.origin == Origin::Remote) {
            patches.extend(change.patches);
        }
    }

    /// The `n`-th of the events that the next edits here will take.
    fn next_event(&self, n: u64) -> Dot {
        Dot::new(self.author, self.version().get(self.author) + n)
    }

    /// Starts keeping [`Patch`]es of what [`apply`](Replicated::apply) changes, for
    /// [`take_patches`](Self::take_patches).
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// bob.record_patches();
    /// alice.transact(0, |tx| tx.put("x", 1));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// bob.transact(1, |tx| tx.put("y", 2)); // one's own edits are not among them
    /// assert_eq!(bob.take_patches().len(), 1);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn record_patches(&mut self) {
        self.patches.get_or_insert_default();
    }

    /// The patches since the last call, in order. Empty unless [`record_patches`](Self::record_patches)
    /// was called.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated, doc::Patch};
    /// let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// bob.record_patches();
    /// alice.transact(1_000, |tx| tx.map("form").put("name", "Alice"));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// let path = "/form/name".to_string();
    /// assert_eq!(bob.take_patches(), [Patch::Value { path, value: Some("Alice".into()) }]);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn take_patches(&mut self) -> Vec<Patch> {
        self.patches.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Makes another replica the author of what is written from now on; see [`Doc::new`].
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let [mine, yours] = [1, 2].map(ReplicaId::from_u128);
    /// let mut template = Doc::new(mine);
    /// template.transact(0, |tx| tx.put("title", "Untitled"));
    /// let mut copy = template.clone();
    /// copy.set_author(yours); // before the copy writes
    /// copy.transact(1, |tx| tx.put("title", "Plan"));
    /// template.apply(&copy.delta_since(template.version()))?;
    /// assert_eq!(template.get("/title"), Some("Plan".into()));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn set_author(&mut self, author: ReplicaId) {
        self.author = author;
    }

    /// How deep maps may nest.
    pub const MAX_DEPTH: usize = Reader::MAX_DEPTH;

    /// That these events can be anybody's but ours.
    fn admit_spans(&self, spans: &[Span]) -> Result<(), ApplyError> {
        if spans.iter().any(|span| span.after >= span.to || span.to > Dot::MAX_SEQ) {
            return Err(ApplyError::Refused("events beyond the last number, or none"));
        }
        if spans.iter().any(|span| span.replica == ReplicaId::MIN) {
            return Err(ApplyError::Refused("events of the nil id, which never writes"));
        }
        if spans.iter().any(|span| span.replica == self.author && span.to > self.version().get(self.author)) {
            return Err(ApplyError::Refused("events of this very replica that it never wrote"));
        }
        Ok(())
    }

    /// The events between two versions, as what they did. `until` is not beyond what is here.
    fn plain_delta(&self, since: &VersionVector, until: &VersionVector) -> Delta {
        let spans: Vec<Span> = until.since(since).collect();
        let tree = self.tree_between(&spans, until, since);
        let texts: Vec<_> = self.texts.iter().filter(|(_, text)| text.touches(&spans)).collect();
        let parents = self.graph.parents_in(&spans);
        wire::encode(spans, &parents, &tree, &texts)
    }

    /// That a decoded delta fits this document, so that taking it in cannot fail.
    fn admit(
        &self,
        delta: &Delta,
        ordered: &[Span],
        body: &Body<'_>,
        marks: &[(Path, &Marks)],
    ) -> Result<(), ApplyError> {
        if !body.is_text_only() {
            self.admit_tree(delta, body, marks)?;
        }
        // Of what is here already an operation says no more what it was: its rest is looked at by itself.
        let is_new = |span: &Span| self.version().get(span.replica) <= span.after;
        for (path, ops) in &body.texts {
            // A single operation, as of a keystroke, is looked at when it is done.
            if body.is_one_op() && self.texts.contains(path) {
                break;
            }
            let text = self.texts.get(path);
            if delta.spans.iter().all(is_new) && names_what_is_known(ops, text) {
                continue;
            }
            let mut come = DotRanges::new();
            in_order(ordered, ops).try_for_each(|(at, op)| {
                let is_known = op.names(|span| Text::here_or_coming(text, span, &come));
                op.inserted(at).into_iter().for_each(|span| come.insert_span(span));
                is_known.then_some(()).ok_or(NEVER_WAS)
            })?;
        }
        Ok(())
    }

    fn admit_tree(&self, delta: &Delta, body: &Body<'_>, marks: &[(Path, &Marks)]) -> Result<(), ApplyError> {
        let coming = |dot: &Dot| delta.spans.iter().any(|s| s.replica == dot.replica && dot.seq <= s.to);
        let here = |dot: &Dot| self.version().contains(*dot) || coming(dot);
        // What an element holds is written just before the element is placed; the two are taken together.
        let anchors = || marks.iter().flat_map(|(path, marks)| marks.anchors().map(move |dot| (path, dot)));
        if !body.tree.needed.iter().all(here)
            || !body.tree.placeholders().iter().all(here)
            || !anchors().all(|(_, dot)| here(&dot))
        {
            return Err(ApplyError::Missing);
        }
        let coming = body.inserted();
        let come =
            |path: &Path| coming.binary_search_by(|(at, _)| (*at).cmp(path)).ok().map(|i| &coming[i].1);
        if !anchors().all(|(path, dot)| Text::has(self.texts.get(path), dot, come(path))) {
            return Err(ApplyError::Refused("a mark beside a character that never was"));
        }
        let known = delta.spans.iter().fold(self.version().clone(), |mut version, span| {
            version.advance(span.replica, span.to);
            version
        });
        if !body.tree.removals.removed().within(&known) {
            return Err(ApplyError::Refused("removal of what was never written"));
        }
        if !body.accounts_for(&delta.spans, self.removals.removed()) {
            return Err(ApplyError::Refused("events that did nothing"));
        }
        Ok(())
    }

    /// Notes the lists whose order a delta will change.
    fn note_lists(&mut self, texts: &[(Path, Ops<'_>)]) {
        let Some(record) = &mut self.record else { return };
        for (path, _) in texts.iter().filter(|(path, _)| path.is_list()) {
            record.list(path, &self.tree, &self.texts);
        }
    }

    /// What events did to the tree, for one who has seen `since`.
    fn tree_between(&self, spans: &[Span], until: &VersionVector, since: &VersionVector) -> Tree {
        if self.tree.is_bottom() && self.removals.is_empty() {
            return Tree::default();
        }
        let wanted: DotRanges = spans.iter().copied().collect();
        Tree {
            needed: self.needed(&wanted, until, since),
            removals: self.removals.part(&wanted),
            fragment: self.tree.part(&wanted),
        }
    }

    /// The events after both versions that ended something of the wanted ones, whose effect is not to be shown without.
    fn needed(&self, wanted: &DotRanges, until: &VersionVector, since: &VersionVector) -> Vec<Dot> {
        if until == self.version() {
            return Vec::new(); // as for nearly every difference
        }
        let later: DotRanges = self.version().since(&until.clone().merged(since)).collect();
        let ends_wanted = |(by, ended): (Dot, &DotRanges)| ended.intersects(wanted).then_some(by);
        self.removals.part(&later).iter().filter_map(ends_wanted).collect()
    }

    /// Joins what a delta did to the tree. Which marks of which texts came and went by that.
    fn join_tree(&mut self, spans: &[Span], tree: &Tree, has_marks: bool) -> BTreeMap<Path, News> {
        let mut theirs: CausalContext = spans.iter().copied().collect();
        tree.removals.removed().iter_ranges().for_each(|span| theirs.insert_span(span));
        let ended: DotRanges = theirs.iter_ranges().collect();
        let ours = CausalContext::from(self.graph.version().clone());
        let (mut news, mut record) = (BTreeMap::new(), self.record.take());
        if record.is_some() || !self.marks.is_empty() || has_marks {
            self.each_change(&tree.fragment, &ended, |path, key, here, there| {
                if key.shape == Shape::Marks {
                    let [here, there] = [here, there].map(|node| node.and_then(Node::marks));
                    let found = Marks::news(here, &ours, there, &ended);
                    news.insert(path.beside(Shape::Text), found);
                }
                if let Some(record) = &mut record {
                    self.note_change(path, key, record);
                    if key.shape.nests() {
                        record.moves(path, here, there);
                    }
                }
            });
            if let Some(record) = &mut record {
                let known = self.met.take().unwrap_or_else(|| self.ended_by_several());
                record.twice = self.removals.ended_twice(&known, &tree.removals);
                self.met = Some(known);
            }
        }
        if record.is_none() {
            self.met = None;
        }
        self.record = record;
        self.tree.join(&ours, &tree.fragment, &theirs, &mut Changes::default());
        self.removals.merge_after(&tree.removals, self.graph.forgotten());
        news
    }

    /// Notes which texts have marks, in a document that was read.
    fn find_marks(&mut self) {
        let marked = self.texts.paths().filter(|path| view::marks_at(&self.tree, path).is_some());
        self.marks = few(marked.map(|path| (path.clone(), OnceLock::new())));
    }

    /// Brings the marks in the order of their texts up to what a join did to marks and texts.
    fn settle_marks(&mut self, news: BTreeMap<Path, News>) {
        for (path, news) in news {
            let (Some(text), false) = (self.texts.get(&path), news.is_empty()) else { continue };
            match view::marks_at(&self.tree, &path) {
                None => drop(self.marks.remove(&path)),
                Some(_) => {
                    self.marks.entry(path.clone()).or_default().get_mut().into_iter().for_each(|index| {
                        news.added.iter().for_each(|made| index.insert(made.clone(), text));
                        news.removed.iter().for_each(|made| index.remove(made, text));
                    })
                }
            }
            self.record.iter_mut().for_each(|record| record.marks(&path, news.clone()));
        }
    }

    /// Calls `f` with the places that a join will touch, where something new stands, or something ended stood,
    /// and with what stands there on both sides.
    fn each_change(
        &self,
        fragment: &Places,
        ended: &DotRanges,
        mut f: impl FnMut(&Path, &Key, Option<&Node>, Option<&Node>),
    ) {
        let nothing = Places::default();
        let mut open = vec![(Path::default(), Some(&self.tree), Some(fragment))];
        while let Some((path, here, there)) = open.pop() {
            let (here, there) = (here.unwrap_or(&nothing), there.unwrap_or(&nothing));
            let mut keys = here.keys_within(ended);
            keys.extend(there.iter().map(|(key, _)| key.clone()));
            for key in keys {
                let below = path.child(key.clone());
                let nodes = [here, there].map(|places| places.get(&key));
                f(&below, &key, nodes[0], nodes[1]);
                if key.shape.nests() {
                    let [here, there] = nodes.map(|node| node.and_then(Node::places));
                    open.push((below, here, there));
                }
            }
        }
    }

    /// Notes that a join will touch a place.
    fn note_change(&self, path: &Path, key: &Key, record: &mut Record) {
        if key.shape == Shape::List {
            record.list(path, &self.tree, &self.texts);
        }
        record.tree(path, &self.tree);
        if key.shape == Shape::Log {
            record.log(path, &self.tree);
        }
        if !key.shape.nests() {
            record.touch(path, record.before(path, &self.tree));
        }
    }

    /// Takes text operations in, in an order in which each comes after those it builds on. Only a delta of one
    /// operation can fail here, and then nothing has changed.
    fn join_texts(&mut self, ordered: &[Span], texts: &[(Path, Ops<'_>)]) -> Result<(), ApplyError> {
        for (path, ops) in texts {
            let (_, text) = self.texts.edit(path);
            let mut record = self.record.as_mut().filter(|_| !path.is_list());
            let (mut patches, mut inserted) = (Vec::new(), Vec::new());
            let is_marked = record.is_some() && self.marks.contains_key(path);
            in_order(ordered, ops).try_for_each(|(at, part)| {
                let wanted = record.is_some().then_some(&mut patches);
                if is_marked {
                    inserted.extend(part.inserted(at));
                }
                text.apply(at, part, wanted).ok_or(NEVER_WAS)
            })?;
            if let Some(record) = &mut record {
                patches.into_iter().for_each(|patch| record.text(path, patch));
                record.inserted(path, inserted);
            }
        }
        Ok(())
    }
}

/// Whether each operation names only what is here, and what its author has written before: so it mostly is, and then
/// nothing depends on their order.
fn names_what_is_known(ops: &[(Dot, Op<'_>)], text: Option<&Text>) -> bool {
    let (own, nobodys) = (OnceCell::new(), DotRanges::new());
    let named_last = Cell::new(None);
    (0..).zip(ops).all(|(i, (at, op)): (usize, _)| {
        let before = i.checked_sub(1).and_then(|before| ops.get(before));
        let just_written = before.filter(|(before, _)| before.replica == at.replica);
        let just_written = just_written.and_then(|(at, op)| op.inserted(*at));
        op.names(|span| {
            // Who types backwards names the same neighbours, and what he has typed last, all the time.
            if just_written.is_some_and(|written| written.includes(&span)) || named_last.get() == Some(span) {
                return true;
            }
            if span.replica == at.replica {
                let own = own.get_or_init(|| Body::characters(ops));
                return span.to < at.seq && Text::here_or_coming(text, span, own);
            }
            let is_here = Text::here_or_coming(text, span, &nobodys);
            named_last.set(is_here.then_some(span));
            is_here
        })
    })
}

/// The operations of a text in the order in which they are done. Only what is in each span: an operation joined to one
/// before it may build on more.
fn in_order<'a>(ordered: &[Span], ops: &[(Dot, Op<'a>)]) -> impl Iterator<Item = (Dot, Op<'a>)> {
    let mut next = 0;
    ordered.iter().flat_map(move |span| {
        let before =
            |(at, op): &(Dot, Op<'_>)| (at.replica, at.seq + op.len() - 1) <= (span.replica, span.after);
        // Mostly it goes on where the span before it ended.
        let goes_on =
            |from: usize| ops[..from].last().is_none_or(before) && !ops.get(from).is_some_and(before);
        let from = if goes_on(next) { next } else { ops.partition_point(before) };
        let within = |at: &Dot| at.replica == span.replica && at.seq <= span.to;
        let count = ops[from..].iter().take_while(|(at, _)| within(at)).count();
        next = from + count;
        ops[from..next].iter().map(|(at, op)| {
            let skip = (span.after + 1).saturating_sub(at.seq);
            (Dot::new(at.replica, at.seq + skip), op.part(*at, skip, span.to + 1 - at.seq - skip))
        })
    })
}

impl Replicated for Doc {
    fn version(&self) -> &VersionVector {
        self.graph.version()
    }

    fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta {
        let until = match std::ptr::eq(until, self.version()) {
            true => Cow::Borrowed(until),
            false => Cow::Owned(until.meet(self.version())),
        };
        if self.goes_whole(since, &until) { self.whole() } else { self.plain_delta(since, &until) }
    }

    fn is_behind(&self, since: &VersionVector) -> bool {
        !since.covers(self.forgotten())
    }

    fn step(&self, since: &VersionVector, events: u64) -> VersionVector {
        // Who is behind what is forgotten here has no way but the whole.
        if self.is_behind(since) {
            return self.version().clone();
        }
        let mut with = BTreeSet::new();
        loop {
            let until = self.graph.step(since, events, &with);
            let spans: Vec<Span> = until.since(since).collect();
            // A step that waited for a later one would wait for ever; so would what an element holds without the element,
            // which is placed by the event after it.
            let tree = self.tree_between(&spans, &until, since);
            let is_later = |dot: &Dot| !until.contains(*dot) && !since.contains(*dot);
            let mut needed =
                tree.needed.iter().copied().chain(tree.placeholders()).filter(is_later).peekable();
            if needed.peek().is_none() {
                return until;
            }
            with.extend(needed);
        }
    }

    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
        self.apply_until(delta, u64::MAX)
    }

    fn part_until(&self, delta: &Delta, latest_ms: u64) -> Option<Delta> {
        self.part_in_time(delta, latest_ms)
    }

    fn apply_until(&mut self, delta: &Delta, latest_ms: u64) -> Result<Applied, ApplyError> {
        if whole::is_whole(delta) {
            self.admit_spans(&delta.spans)?;
            return self.apply_whole(delta, latest_ms);
        }
        if delta.is_known_to(self.version()) {
            return Ok(Applied::default());
        }
        self.admit_spans(&delta.spans)?;
        let table: SmallVec<[ReplicaId; 4]> = delta.replicas().collect();
        let body = wire::decode(delta, &table)?;
        let ordered = self.graph.order(&delta.spans, &body.parents).map_err(|error| match error {
            GraphError::Missing => ApplyError::Missing,
            GraphError::Circle => ApplyError::Refused("events that build on each other in a circle"),
            GraphError::Late => ApplyError::Late,
        })?;
        let seen = self.graph.admit(&ordered, &body.parents).map_err(|_| ApplyError::Late)?;
        let marks = if body.is_text_only() { Vec::new() } else { body.tree.marks() };
        self.admit(delta, &ordered, &body, &marks)?;
        self.admit_stamps(delta, &body.tree.fragment, latest_ms)?;
        let watched = self.patches.is_some() || !self.subscribers.is_empty();
        self.record = watched.then(|| Box::new(Record::new(true, false)));
        // Where a list stood is noted before either of its halves changes.
        self.note_lists(&body.texts);
        let news = match body.is_text_only() {
            true => BTreeMap::new(),
            false => self.join_tree(&delta.spans, &body.tree, !marks.is_empty()),
        };
        if let Err(refused) = self.join_texts(&ordered, &body.texts) {
            self.record = None;
            return Err(refused);
        }
        if !news.is_empty() {
            self.settle_marks(news);
        }
        let novel = |span: &Span| {
            let after = self.version().get(span.replica).max(span.after);
            (after < span.to).then_some(Span { after, ..*span })
        };
        let news: DotRanges = match watched {
            true => delta.spans.iter().filter_map(novel).collect(),
            false => DotRanges::new(),
        };
        let novel = match (delta.spans.as_slice(), ordered.as_slice()) {
            ([_], [_]) => None,
            (spans, _) => Some(spans.iter().filter_map(novel).collect()),
        };
        self.graph.extend(&ordered, &body.parents, seen);
        self.history.iter_mut().for_each(|history| history.add(delta));
        if let Some(mut record) = self.record.take() {
            record.news = news;
            self.notify(Origin::Remote, &record);
        }
        Ok(Applied { novel: novel.unwrap_or(ordered) })
    }
}
