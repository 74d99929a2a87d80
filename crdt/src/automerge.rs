//! Automerge documents, replicated as every other.
//!
//! [`AutomergeDoc`] holds a document of the `automerge` crate, never hidden, and the changes it is made of.
//! A change is one event: its actor is the replica, its number the event's. Bytes from elsewhere are looked
//! at strictly before automerge gets them, and every call with them is guarded: should automerge panic, the
//! document is rebuilt from its changes, as it was.

mod preparse;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, AutoCommit, Change, ChangeHash, LoadOptions, TextEncoding};
use uuid::Uuid;

use crate::codec::{DecodeError, Reader, Writer};
use crate::delta::{Applied, ApplyError, Delta, Replicated};
use crate::id::{Dot, ReplicaId, Span};
use crate::version::VersionVector;

/// Where actor ids that have not 16 bytes are mapped from (UUID version 5).
const ACTORS: Uuid = Uuid::from_u128(0x6f0c_5f3e_1d1b_4d52_9a57_30c7_0b1e_64a1);
const FORMAT: u8 = 1;

/// A document of the `automerge` crate.
///
/// Text positions count characters (Unicode scalar values), whatever features the `automerge` crate was
/// built with.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | put a key | put that key | one wins, the same everywhere; `get_all` has both |
/// | increment a counter | increment it | the sum |
/// | insert in a list or text | insert at that place | both |
/// | delete a key or an element | put it | B's value |
/// | delete an object | edit within it | it is gone |
///
/// What it costs is what automerge costs; a difference costs its changes. Source: the `automerge` crate, whose rules these
/// are; Kleppmann, Beresford, "A conflict-free replicated JSON datatype", 2017.
///
/// ```
/// use automerge::transaction::Transactable;
/// use automerge::{ReadDoc, ROOT};
/// use crdt::automerge::AutomergeDoc;
/// use crdt::{ReplicaId, Replicated};
///
/// let mut a = AutomergeDoc::new(ReplicaId::from_u128(1));
/// let mut b = AutomergeDoc::new(ReplicaId::from_u128(2));
/// a.edit(|doc| doc.put(ROOT, "title", "hello")).unwrap();
/// b.apply(&a.delta_since(b.version()))?;
/// let title = b.automerge().get(ROOT, "title").unwrap().unwrap().0;
/// assert_eq!(title.to_str(), Some("hello"));
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone)]
pub struct AutomergeDoc {
    doc: AutoCommit,
    author: ReplicaId,
    version: VersionVector,
    /// All changes, each after those it builds on.
    changes: Vec<Entry>,
    /// Where in `changes` the changes of each replica are, by number.
    by_replica: BTreeMap<ReplicaId, Vec<usize>>,
    by_hash: BTreeMap<ChangeHash, usize>,
}

#[derive(Clone)]
struct Entry {
    dot: Dot,
    bytes: Vec<u8>,
}

impl fmt::Debug for AutomergeDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutomergeDoc").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The replica that an actor is.
fn replica(actor: &ActorId) -> ReplicaId {
    match <[u8; 16]>::try_from(actor.to_bytes()) {
        Ok(bytes) => ReplicaId::from_bytes(bytes),
        Err(_) => Uuid::new_v5(&ACTORS, actor.to_bytes()).into(),
    }
}

fn dot(change: &Change) -> Dot {
    Dot::new(replica(change.actor_id()), change.seq())
}

/// Runs automerge on what came from elsewhere; a panic is an error.
fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, ApplyError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ApplyError::Engine(error)),
        Err(_) => Err(ApplyError::Engine("it panicked".to_owned())),
    }
}

impl AutomergeDoc {
    /// An empty document that writes as `author`. No other replica may write as `author`, ever.
    pub fn new(author: ReplicaId) -> Self {
        AutomergeDoc {
            doc: empty(author),
            author,
            version: VersionVector::new(),
            changes: Vec::new(),
            by_replica: BTreeMap::new(),
            by_hash: BTreeMap::new(),
        }
    }

    /// Reads a document that automerge saved; writes from now on as `author`.
    ///
    /// # Errors
    /// [`ApplyError::Invalid`] for bytes that are not automerge's or too big for what they are;
    /// [`ApplyError::Engine`] for those that automerge cannot read.
    ///
    /// ```
    /// # use automerge::{ReadDoc, ROOT, transaction::Transactable};
    /// # use crdt::automerge::AutomergeDoc;
    /// # use crdt::{ReplicaId, Replicated};
    /// # let id = ReplicaId::from_u128;
    /// let mut doc = AutomergeDoc::new(id(1));
    /// doc.edit(|doc| doc.put(ROOT, "title", "hello")).unwrap();
    /// let mut copy = AutomergeDoc::load(&doc.save()?, id(2))?; // two that write, so two ids
    /// copy.edit(|doc| doc.put(ROOT, "title", "hello again")).unwrap();
    /// doc.apply(&copy.delta_since(doc.version()))?;
    /// assert_eq!(doc.automerge().get(ROOT, "title").unwrap().unwrap().0.to_str(), Some("hello again"));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn load(bytes: &[u8], author: ReplicaId) -> Result<Self, ApplyError> {
        preparse::file(bytes)?;
        let changes = guarded(|| {
            let options = LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint);
            let mut doc = AutoCommit::load_with_options(bytes, options).map_err(|error| error.to_string())?;
            Ok(doc.get_changes(&[]))
        })?;
        let mut loaded = Self::new(author);
        loaded.take_in(changes)?;
        Ok(loaded)
    }

    /// Makes another replica the author of what is written from now on; see [`AutomergeDoc::new`].
    ///
    /// ```
    /// # use automerge::{ReadDoc, ROOT, transaction::Transactable};
    /// # use crdt::automerge::AutomergeDoc;
    /// # use crdt::{ReplicaId, Replicated};
    /// # let id = ReplicaId::from_u128;
    /// let mut doc = AutomergeDoc::new(id(1));
    /// doc.set_author(id(2));
    /// doc.edit(|doc| doc.put(ROOT, "title", "hello")).unwrap();
    /// assert_eq!((doc.version().get(id(1)), doc.version().get(id(2))), (0, 1));
    /// ```
    pub fn set_author(&mut self, author: ReplicaId) {
        self.author = author;
        self.doc.set_actor(ActorId::from(author.as_bytes()));
    }

    /// The document in automerge's own form, after making sure that it reads back as it is.
    ///
    /// # Errors
    /// [`ApplyError::Engine`] when what automerge writes does not read back: keep the changes then.
    ///
    /// ```
    /// # use automerge::{ReadDoc, ROOT, transaction::Transactable};
    /// # use crdt::automerge::AutomergeDoc;
    /// # use crdt::{ReplicaId, Replicated};
    /// # let id = ReplicaId::from_u128;
    /// let mut doc = AutomergeDoc::new(id(1));
    /// doc.edit(|doc| doc.put(ROOT, "title", "hello")).unwrap();
    /// let file = automerge::AutoCommit::load(&doc.save()?).unwrap(); // any automerge reads it
    /// assert!(file.get(ROOT, "title").unwrap().is_some());
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn save(&mut self) -> Result<Vec<u8>, ApplyError> {
        guarded(|| {
            let (bytes, heads) = (self.doc.save(), self.doc.get_heads());
            let mut copy = AutoCommit::load(&bytes).map_err(|error| error.to_string())?;
            if copy.get_heads() == heads {
                Ok(bytes)
            } else {
                Err("what was saved reads back as another".to_owned())
            }
        })
    }

    /// The document, to read it.
    pub fn automerge(&self) -> &AutoCommit {
        &self.doc
    }

    /// Edits the document; what `edit` leaves open is committed.
    ///
    /// ```
    /// # use automerge::{ReadDoc, ROOT, transaction::Transactable};
    /// # use crdt::automerge::AutomergeDoc;
    /// # use crdt::{ReplicaId, Replicated};
    /// # let id = ReplicaId::from_u128;
    /// let mut doc = AutomergeDoc::new(id(1));
    /// doc.edit(|doc| doc.put(ROOT, "title", "hello")).unwrap();
    /// assert_eq!(doc.version().total(), 1); // one change, one event
    /// ```
    pub fn edit<R>(&mut self, edit: impl FnOnce(&mut AutoCommit) -> R) -> R {
        let heads = self.doc.get_heads();
        let result = edit(&mut self.doc);
        self.doc.commit();
        for change in self.doc.get_changes(&heads) {
            self.note(&change);
        }
        result
    }

    fn note(&mut self, change: &Change) {
        let dot = dot(change);
        if !self.version.contains(dot) {
            let at = self.changes.len();
            self.changes.push(Entry { dot, bytes: change.raw_bytes().to_vec() });
            self.by_replica.entry(dot.replica).or_default().push(at);
            self.by_hash.insert(change.hash(), at);
            self.version.advance(dot.replica, dot.seq);
        }
    }

    /// Gives changes to automerge; should it fail on them, the document is made anew from those before.
    fn take_in(&mut self, changes: Vec<Change>) -> Result<(), ApplyError> {
        let doc = &mut self.doc;
        let heads: Vec<ChangeHash> = changes.iter().map(Change::hash).collect();
        let given = changes.clone();
        let result = guarded(|| {
            doc.apply_changes(given).map_err(|error| error.to_string())?;
            let taken = heads.iter().all(|hash| doc.get_change_by_hash(hash).is_some());
            if taken { Ok(()) } else { Err("it did not take all changes".to_owned()) }
        });
        match result {
            Ok(()) => changes.iter().for_each(|change| self.note(change)),
            Err(_) => self.doc = self.rebuilt()?,
        }
        result
    }

    fn rebuilt(&self) -> Result<AutoCommit, ApplyError> {
        guarded(|| {
            let mut doc = empty(self.author);
            for entry in &self.changes {
                let change = Change::from_bytes(entry.bytes.clone()).map_err(|error| error.to_string())?;
                doc.apply_changes([change]).map_err(|error| error.to_string())?;
            }
            Ok(doc)
        })
    }

    /// The changes of a delta that are new here, in an order in which each builds on those before it.
    fn admit(&self, delta: &Delta) -> Result<Vec<Change>, ApplyError> {
        let parts = decode(delta)?;
        parts.iter().try_for_each(|bytes| preparse::change(bytes))?;
        let changes = guarded(|| {
            let change =
                |bytes: &&[u8]| Change::from_bytes(bytes.to_vec()).map_err(|error| error.to_string());
            parts.iter().map(change).collect::<Result<Vec<_>, _>>()
        })
        .map_err(|_| DecodeError::Invalid { at: 0, what: "not an automerge change" })?;
        let claimed: u64 = delta.events();
        if claimed != changes.len() as u64 {
            return Err(ApplyError::Refused("changes that are not those of the delta's events"));
        }
        let mut next: BTreeMap<ReplicaId, u64> =
            delta.spans.iter().map(|s| (s.replica, s.after + 1)).collect();
        let mut hashes: std::collections::BTreeSet<ChangeHash> = std::collections::BTreeSet::new();
        let mut new = Vec::new();
        for change in changes {
            let dot = dot(&change);
            match next.get_mut(&dot.replica) {
                Some(seq) if *seq == dot.seq => *seq += 1,
                _ => return Err(ApplyError::Refused("changes that are not those of the delta's events")),
            }
            if self.version.contains(dot) {
                let here = self.by_hash.get(&change.hash()).and_then(|at| self.changes.get(*at));
                if here.is_none_or(|entry| entry.dot != dot) {
                    return Err(ApplyError::Refused("two changes with one name: a copied replica"));
                }
            } else {
                if dot.seq > self.version.get(dot.replica) + 1
                    && !new.iter().any(|n: &Change| crate::automerge::dot(n).replica == dot.replica)
                {
                    return Err(ApplyError::Missing);
                }
                let known = |hash: &ChangeHash| self.by_hash.contains_key(hash) || hashes.contains(hash);
                if !change.deps().iter().all(known) {
                    return Err(ApplyError::Missing);
                }
                hashes.insert(change.hash());
                new.push(change);
            }
        }
        Ok(new)
    }
}

fn empty(author: ReplicaId) -> AutoCommit {
    AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(author.as_bytes()))
}

fn decode(delta: &Delta) -> Result<Vec<&[u8]>, DecodeError> {
    let mut r = Reader::new(&delta.body, &[]);
    match r.u8()? {
        FORMAT => {}
        found => return Err(DecodeError::Version { found: found.into(), known: FORMAT.into() }),
    }
    let parts = (0..r.count(1)?).map(|_| r.bytes()).collect::<Result<Vec<_>, _>>()?;
    r.end()?;
    Ok(parts)
}

impl Replicated for AutomergeDoc {
    fn version(&self) -> &VersionVector {
        &self.version
    }

    fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta {
        let until = until.meet(&self.version);
        let spans: Vec<Span> = until.since(since).collect();
        let mut wanted: Vec<usize> = Vec::new();
        for span in &spans {
            let own = self.by_replica.get(&span.replica).map_or(&[][..], Vec::as_slice);
            wanted.extend(own.iter().skip(span.after as usize).take(span.len() as usize));
        }
        wanted.sort_unstable();
        let mut w = Writer::new();
        w.u8(FORMAT);
        w.u64(wanted.len() as u64);
        wanted.iter().filter_map(|at| self.changes.get(*at)).for_each(|entry| w.bytes(&entry.bytes));
        Delta { spans, others: Vec::new(), body: w.into_body() }
    }

    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
        if delta.is_known_to(&self.version) {
            return Ok(Applied::default());
        }
        let new = self.admit(delta)?;
        let before = self.version.clone();
        self.take_in(new)?;
        Ok(Applied { novel: self.version.since(&before).collect() })
    }
}
