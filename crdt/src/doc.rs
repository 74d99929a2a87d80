//! Documents: named roots of every type, edited in transactions, replicated by difference.
//!
//! A [`Doc`] is one [`EventGraph`] and what its events made: a tree of causal types (maps, sets,
//! counters, flags, registers) and texts. Every edit takes events of the document's author, so one
//! version vector names exactly what a replica has, and a delta is the events another lacks.
//!
//! | root | made by | two at once |
//! |---|---|---|
//! | text | [`Tx::text`] | both insertions stay, never interleaved |
//! | map | [`Tx::map`] | both keys stay; a nested edit survives a concurrent removal |
//! | set | [`Tx::set`] | adding beats a concurrent removing |
//! | counter | [`Tx::counter`] | sums |
//! | flag | [`Tx::flag`] | enabling beats a concurrent disabling |
//! | register | [`Tx::put`] | the later stamp wins |
//! | several values | [`Tx::offer`] | all are kept until the next write |

mod any;
mod edit;
mod file;
mod node;
mod patch;
mod value;
mod wire;

use std::collections::BTreeMap;

use crate::codec::Reader;
use crate::context::{CausalContext, DotRanges};
use crate::delta::{Applied, ApplyError, Delta, Replicated};
use crate::dots::{Changes, DotStore, RemovalLog};
use crate::graph::{EventGraph, GraphError};
use crate::id::{Dot, ReplicaId, Span};
use crate::text::{Ops, Text, TextPatch};
use crate::version::VersionVector;

pub use any::AnyDoc;
pub use edit::{CounterMut, FlagMut, MapMut, SetMut, TextMut, Tx};
pub use patch::Patch;
pub use value::{Scalar, Value};

use node::{Key, Node, Places};
use wire::{Body, Tree};

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
    texts: BTreeMap<String, Text>,
    patches: Option<Vec<Patch>>,
}

impl Doc {
    /// An empty document that writes as `author`. No other replica may write as `author`, ever.
    pub fn new(author: ReplicaId) -> Self {
        Doc {
            author,
            graph: EventGraph::new(),
            tree: Places::default(),
            removals: RemovalLog::default(),
            texts: BTreeMap::new(),
            patches: None,
        }
    }

    /// Who writes here.
    pub fn author(&self) -> ReplicaId {
        self.author
    }

    /// Its events, and what each had seen.
    pub fn graph(&self) -> &EventGraph {
        &self.graph
    }

    /// Edits the document. `now_ms` is the wall clock, in milliseconds since 1970; it decides only
    /// between concurrent writes to one register.
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
        edit(&mut Tx::new(self, now_ms))
    }

    /// The text at a root; `None` when nothing was ever written there.
    pub fn text(&self, root: &str) -> Option<&Text> {
        self.texts.get(root).filter(|text| text.is_written())
    }

    /// The whole document as plain data. A text is shown as a string; where roots of several types
    /// share one name, text is shown first, then map, set, counter, flag, several values, register.
    pub fn value(&self) -> Value {
        let mut roots = node::values(&self.tree);
        for (name, text) in self.texts.iter().filter(|(_, text)| text.is_written()) {
            roots.insert(name.clone(), text.to_string().into());
        }
        Value::Map(roots)
    }

    /// The value at a JSON pointer (RFC 6901), such as `/form/name`; the empty pointer is the whole.
    pub fn get(&self, pointer: &str) -> Option<Value> {
        let mut keys = value::segments(pointer)?;
        let Some(root) = keys.next() else { return Some(self.value()) };
        let whole = match self.text(&root) {
            Some(text) => text.to_string().into(),
            None => Key::all_named(&root).find_map(|key| self.tree.get(&key)?.value())?,
        };
        let rest = pointer.get(1..)?.find('/').and_then(|slash| pointer.get(slash + 1..));
        whole.pointer(rest.unwrap_or("")).cloned()
    }

    /// Starts keeping [`Patch`]es of what [`apply`](Replicated::apply) changes, for
    /// [`take_patches`](Self::take_patches).
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
    /// let path = vec!["form".to_string(), "name".to_string()];
    /// assert_eq!(bob.take_patches(), [Patch::Value { path, value: Some("Alice".into()) }]);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn take_patches(&mut self) -> Vec<Patch> {
        self.patches.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Makes another replica the author of what is written from now on; see [`Doc::new`].
    pub fn set_author(&mut self, author: ReplicaId) {
        self.author = author;
    }

    /// How deep maps may nest.
    pub const MAX_DEPTH: usize = Reader::MAX_DEPTH;

    /// That a decoded delta fits this document, so that taking it in cannot fail.
    fn admit(&self, delta: &Delta, body: &Body<'_>) -> Result<(), ApplyError> {
        if delta.spans.iter().any(|s| s.replica == ReplicaId::MIN) {
            return Err(ApplyError::Refused("events of the nil id, which never writes"));
        }
        if delta.spans.iter().any(|s| s.replica == self.author && s.to > self.version().get(s.replica)) {
            return Err(ApplyError::Refused("events of this very replica that it never wrote"));
        }
        if !body.is_text_only() {
            self.admit_tree(delta, body)?;
        }
        for (root, ops) in &body.texts {
            let (text, characters) = (self.texts.get(*root), Body::characters(ops));
            if !ops.iter().all(|(_, op)| Text::accepts(text, op, &characters)) {
                return Err(ApplyError::Refused("an edit next to a character that never was"));
            }
        }
        Ok(())
    }

    fn admit_tree(&self, delta: &Delta, body: &Body<'_>) -> Result<(), ApplyError> {
        let coming = |dot: &Dot| delta.spans.iter().any(|s| s.replica == dot.replica && dot.seq <= s.to);
        let here = |dot: &Dot| self.version().contains(*dot) || coming(dot);
        if !body.tree.needed.iter().all(here) {
            return Err(ApplyError::Missing);
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

    /// What events did to the tree, for one who has seen `since`.
    fn tree_between(&self, spans: &[Span], until: &VersionVector, since: &VersionVector) -> Tree {
        if self.tree.is_bottom() && self.removals.is_empty() {
            return Tree::default();
        }
        let wanted: DotRanges = spans.iter().copied().collect();
        let later: DotRanges = self.version().since(&until.clone().merged(since)).collect();
        let ends_wanted = |(by, ended): (Dot, &DotRanges)| ended.intersects(&wanted).then_some(by);
        Tree {
            needed: self.removals.part(&later).iter().filter_map(ends_wanted).collect(),
            removals: self.removals.part(&wanted),
            fragment: self.tree.part(&wanted),
        }
    }

    /// Joins what a delta did to the tree.
    fn join_tree(&mut self, spans: &[Span], tree: &Tree) {
        let mut theirs: CausalContext = spans.iter().copied().collect();
        tree.removals.removed().iter_ranges().for_each(|span| theirs.insert_span(span));
        let ended: DotRanges = theirs.iter_ranges().collect();
        let mut paths = Vec::new();
        if self.patches.is_some() {
            changed_paths(&self.tree, &tree.fragment, &ended, &mut Vec::new(), &mut paths);
        }
        let ours = CausalContext::from(self.graph.version().clone());
        self.tree.join(&ours, &tree.fragment, &theirs, &mut Changes::default());
        self.removals.merge(&tree.removals);
        let values = paths.into_iter().map(|path| Patch::Value {
            value: node_at(&self.tree, &path).and_then(Node::value),
            path: path.into_iter().map(|key| key.name).collect(),
        });
        if let Some(patches) = &mut self.patches {
            patches.extend(values);
        }
    }

    /// Takes text operations in, in an order in which each comes after those it builds on.
    fn join_texts(&mut self, ordered: &[Span], texts: &[(&str, Ops<'_>)]) {
        let wanted = self.patches.is_some();
        for (root, ops) in texts {
            if !self.texts.contains_key(*root) {
                self.texts.insert((*root).to_owned(), Text::default());
            }
            let Some(text) = self.texts.get_mut(*root) else { continue };
            let mut patches = Vec::new();
            for span in ordered {
                let from = ops.partition_point(|(at, op)| {
                    (at.replica, at.seq + op.len() - 1) <= (span.replica, span.after)
                });
                let within = |at: &Dot| at.replica == span.replica && at.seq <= span.to;
                for (at, op) in ops.iter().skip(from).take_while(|(at, _)| within(at)) {
                    // Only what is in the span: an operation joined to one before it may build on more.
                    let skip = (span.after + 1).saturating_sub(at.seq);
                    let part = op.part(*at, skip, span.to + 1 - at.seq - skip);
                    text.apply(Dot::new(at.replica, at.seq + skip), part, wanted.then_some(&mut patches));
                }
            }
            self.note_text(root, patches);
        }
    }

    fn note_text(&mut self, root: &str, text: Vec<TextPatch>) {
        if let Some(patches) = &mut self.patches {
            patches.extend(text.into_iter().map(|patch| Patch::Text { root: root.to_owned(), patch }));
        }
    }
}

/// The places that a join will touch: where something new stands, or something ended stood.
fn changed_paths(
    tree: &Places,
    fragment: &Places,
    ended: &DotRanges,
    path: &mut Vec<Key>,
    paths: &mut Vec<Vec<Key>>,
) {
    let nothing = Places::default();
    let mut keys = tree.keys_within(ended);
    keys.extend(fragment.iter().map(|(key, _)| key.clone()));
    for key in keys {
        let here = match tree.get(&key) {
            Some(Node::Map(inner)) => inner,
            _ => &nothing,
        };
        let there = match fragment.get(&key) {
            Some(Node::Map(inner)) => inner,
            _ => &nothing,
        };
        let is_map = key.is_map();
        path.push(key);
        if is_map {
            changed_paths(here, there, ended, path, paths);
        } else {
            paths.push(path.clone());
        }
        path.pop();
    }
}

fn node_at<'a>(tree: &'a Places, path: &[Key]) -> Option<&'a Node> {
    let (key, rest) = path.split_first()?;
    match tree.get(key)? {
        Node::Map(inner) if !rest.is_empty() => node_at(inner, rest),
        node => rest.is_empty().then_some(node),
    }
}

impl Replicated for Doc {
    fn version(&self) -> &VersionVector {
        self.graph.version()
    }

    fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta {
        let until = until.meet(self.version());
        let spans: Vec<Span> = until.since(since).collect();
        let tree = self.tree_between(&spans, &until, since);
        let texts: Vec<_> = self.texts.iter().filter(|(_, text)| text.touches(&spans)).collect();
        let parents = self.graph.parents_in(&spans);
        wire::encode(spans, &parents, &tree, &texts)
    }

    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
        if delta.is_known_to(self.version()) {
            return Ok(Applied::default());
        }
        if delta.spans.iter().any(|span| span.after >= span.to || span.to > Dot::MAX_SEQ) {
            return Err(ApplyError::Refused("events beyond the last number, or none"));
        }
        let table = delta.table();
        let body = wire::decode(delta, &table)?;
        let ordered = self.graph.order(&delta.spans, &body.parents).map_err(|error| match error {
            GraphError::Missing => ApplyError::Missing,
            GraphError::Circle => ApplyError::Refused("events that build on each other in a circle"),
        })?;
        self.admit(delta, &body)?;
        if !body.is_text_only() {
            self.join_tree(&delta.spans, &body.tree);
        }
        self.join_texts(&ordered, &body.texts);
        let novel = |span: &Span| {
            let after = self.version().get(span.replica).max(span.after);
            (after < span.to).then_some(Span { after, ..*span })
        };
        let novel = delta.spans.iter().filter_map(novel).collect();
        self.graph.extend(&ordered, &body.parents);
        Ok(Applied { novel })
    }
}
