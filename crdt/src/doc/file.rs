//! A document in a file: what it shows first, so that reading it does not take its history in.
//!
//! ```text
//! file    = "CRDT" format  version: count { replica id, last event, [last forgotten event] }*  content  checksum
//! content = state  graph  history*
//! state   = heads: count dot*   flag [tree]   texts: count { path  visible text: string }*
//! graph   = what events build on
//! history = for each text its operations, and the text that they deleted
//! ```
//!
//! `state`, `graph` and both parts of `history` are each packed (`pack.rs`) where that makes them shorter. Replica ids
//! are named by their index in `version`. A document that has forgotten is of a format of its own: its graph begins
//! with the heads of what is forgotten, and the history of a text is the places of its characters, and operations.

use std::sync::Arc;

use crate::codec::{Decode, DecodeError, Encode, Reader, Twice, Writer, seal, unseal};
use crate::delta::{ApplyError, Replicated};
use crate::dots::DotStore;
use crate::graph::{EventGraph, Horizon, Order};
use crate::id::{Dot, ReplicaId, Span};
use crate::pack::Packed;
use crate::text::Text;
use crate::version::VersionVector;

use super::Doc;
use super::path::Path;
use super::wire::{Body, Tree, decode_tree, encode_tree};

const MAGIC: &[u8; 4] = b"CRDT";
/// The formats in which the state is not in the brief form; they are still read.
const PLAIN: u8 = 2;
const PLAIN_SHALLOW: u8 = 3;
/// The format in which the names in histories are not; it is still read.
const PLAIN_NAMES: u8 = 4;
/// Of a document that has forgotten, with the places of its texts in pieces; it is still read.
const PIECES: u8 = 5;
const FORMAT: u8 = 6;
/// Of a document that has forgotten.
const SHALLOW: u8 = 7;
/// So much, without its history, is better read at once than small, unless packing halves it.
const LONG: usize = 32 * 1024;

/// How a document is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// It has forgotten.
    pub(super) shallow: bool,
    /// Its state is in the brief form of values.
    pub(super) brief: bool,
    /// The names in histories of texts are, too, and places of characters are those of runs.
    pub(super) short: bool,
}

impl Doc {
    /// The document with all its history, as far as it is not [forgotten](Self::forget), as bytes. Equal
    /// documents that have forgotten the same give equal bytes.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.put("title", "hello"));
    /// let copy = Doc::load(&doc.save(), ReplicaId::from_u128(2))?;
    /// assert_eq!(copy.value(), doc.value());
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn save(&self) -> Vec<u8> {
        let events = self.graph.remembered();
        let shallow = !self.forgotten().is_empty();
        let mut w = Writer::new();
        w.u64(events.len() as u64);
        for span in &events {
            w.raw(span.replica.as_bytes());
            w.u64(span.to);
            if shallow {
                w.u64(span.after);
            }
        }
        let pack = |state: Vec<u8>| {
            if shallow && state.len() >= LONG { Packed::quick(state) } else { Packed::new(state) }
        };
        self.write(&events, &mut w, pack);
        seal(MAGIC, if shallow { SHALLOW } else { FORMAT }, &w.into_body())
    }

    /// What the document shows, without its history, as bytes: that, compressed, and where each character of its texts stands,
    /// deleted ones too, beside which others may still write: all together twice to three times the compressed text. What
    /// [loads](Self::load) from them has [forgotten](Self::forget) all up to this version: it goes on with
    /// those who have seen all that, and no others.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "a draft of a draft"));
    /// doc.transact(0, |tx| tx.text("note").replace(0..18, "final"));
    /// let mut reader = Doc::load(&doc.save_shallow(), ReplicaId::from_u128(2))?;
    /// doc.transact(0, |tx| tx.text("note").insert(5, "!"));
    /// reader.apply(&doc.delta_since(reader.version()))?;
    /// assert_eq!(reader.text("note").unwrap().to_string(), "final!");
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn save_shallow(&self) -> Vec<u8> {
        let mut copy = self.fork(self.author);
        copy.forget(self.version());
        copy.save()
    }

    /// What stands behind the version; `pack` packs what is shown.
    pub(super) fn write(&self, events: &[Span], w: &mut Writer, pack: impl Fn(Vec<u8>) -> Packed) {
        let replicas: Vec<ReplicaId> = events.iter().map(|span| span.replica).collect();
        pack(self.state(&replicas)).encode(w);
        let shallow = !self.forgotten().is_empty();
        let parents = self.graph.parents_in(events);
        let mut graph = Writer::with_table(replicas.iter().copied());
        if shallow {
            graph.u64(self.graph.horizon().heads().len() as u64);
            self.graph.horizon().heads().iter().for_each(|head| graph.dot(*head));
        }
        parents.encode(events, &mut graph);
        Packed::new(graph.into_body()).encode(w);
        let order = if shallow { Vec::new() } else { Order::of(events, &parents) };
        for (_, text) in self.written_texts() {
            let history =
                if shallow { text.shallow(events, &replicas) } else { text.history(&order, &replicas) };
            history.iter().for_each(|part| part.encode(w));
        }
    }

    fn written_texts(&self) -> impl Iterator<Item = (&Path, &Text)> {
        self.texts.iter().filter(|(_, text)| text.is_written())
    }

    /// What the document shows, and all of the tree.
    fn state(&self, replicas: &[ReplicaId]) -> Vec<u8> {
        let mut w = Writer::with_table(replicas.iter().copied()).in_brief();
        w.u64(self.graph.heads().len() as u64);
        self.graph.heads().iter().for_each(|head| w.dot(*head));
        let is_empty = self.removals.is_empty() && self.tree.is_bottom();
        w.u8(u8::from(!is_empty));
        if !is_empty {
            encode_tree(&[], &self.removals, &self.tree, &mut w);
        }
        w.u64(self.written_texts().count() as u64);
        for (path, text) in self.written_texts() {
            path.encode(&mut w);
            w.u64(text.len_utf8() as u64);
            text.chunks().for_each(|chunk| w.raw(chunk.as_bytes()));
        }
        w.into_body()
    }

    /// Reads what [`save`](Self::save) wrote; writes from now on as `author`, which must be new unless this
    /// is the only copy. Costs what the document shows; the history is taken in when it is first needed.
    ///
    /// # Errors
    /// [`ApplyError::Invalid`] for bytes that are damaged, of something else, or of a newer format.
    pub fn load(bytes: &[u8], author: ReplicaId) -> Result<Doc, ApplyError> {
        let mut doc = Doc::new(author);
        let (format, content) = unseal(MAGIC, PLAIN..=SHALLOW, bytes)?;
        let form = Form {
            shallow: matches!(format, PLAIN_SHALLOW | PIECES | SHALLOW),
            brief: format >= PLAIN_NAMES,
            short: format >= FORMAT,
        };
        let mut r = Reader::new(content, &[]);
        let events = read_version(&mut r, form.shallow)?;
        doc.read(events, &mut r, form)?;
        Ok(doc)
    }

    /// Reads what [`write`](Self::write) wrote into an empty document.
    pub(super) fn read(
        &mut self,
        events: Vec<Span>,
        r: &mut Reader<'_>,
        form: Form,
    ) -> Result<(), ApplyError> {
        let version: VersionVector = events.iter().map(|span| (span.replica, span.to)).collect();
        let all: Vec<Span> = events.iter().map(|span| Span { after: 0, ..*span }).collect();
        let state = Packed::read(r)?;
        let graph = Packed::decode(r)?;
        let replicas: Vec<ReplicaId> = events.iter().map(|span| span.replica).collect();
        let horizon = if form.shallow {
            read_horizon(&events, &graph.unpack()?, &replicas)?
        } else {
            Horizon::default()
        };
        let order = Arc::new(Order::new(events, graph));
        let s = Reader::new(&state, &replicas);
        let mut s = if form.brief { s.in_brief() } else { s };
        let heads = (0..s.count(2)?).map(|_| s.dot()).collect::<Result<Vec<_>, _>>()?;
        if heads.windows(2).any(|w| matches!(w, [a, b] if a >= b)) {
            return Err(s.invalid("heads must be sorted").into());
        }
        let tree = match s.u8()? {
            0 => Tree::default(),
            1 => s.looking(Twice::Whole, decode_tree)?,
            _ => return Err(s.invalid("unknown part of a document").into()),
        };
        for _ in 0..s.count(2)? {
            let (path, visible) = (Path::decode(&mut s)?, s.str()?);
            if self.texts.last_path().is_some_and(|last| *last >= path) {
                return Err(s.invalid("texts must be sorted").into());
            }
            let history = [Packed::decode(r)?, Packed::decode(r)?];
            let text = Text::stored(visible.to_owned(), history, form.short, Arc::clone(&order));
            self.texts.insert(path, text);
        }
        s.end()?;
        r.end()?;
        self.check(&version, horizon.cut(), &heads, &all, &tree)?;
        (self.tree, self.removals) = (tree.fragment, tree.removals);
        self.find_marks();
        self.graph = EventGraph::restored(version, heads, order, horizon);
        Ok(())
    }

    /// That nothing in a file is of events that the file does not have.
    fn check(
        &self,
        version: &VersionVector,
        cut: &VersionVector,
        heads: &[Dot],
        all: &[Span],
        tree: &Tree,
    ) -> Result<(), ApplyError> {
        if !heads.iter().all(|head| version.get(head.replica) == head.seq) {
            return Err(ApplyError::Refused("a last event that is not the last"));
        }
        if !tree.needed.is_empty() || !tree.removals.removed().within(version) {
            return Err(ApplyError::Refused("removal of what was never written"));
        }
        if tree.removals.iter().any(|(by, _)| cut.contains(by)) {
            return Err(ApplyError::Refused("a removal that is forgotten"));
        }
        Body::check_tree(tree, all).map_err(ApplyError::Refused)
    }
}

/// For each replica its id and its last event; of a document that has forgotten, from where on.
fn read_version(r: &mut Reader<'_>, shallow: bool) -> Result<Vec<Span>, DecodeError> {
    let n = r.count(17)?;
    let mut all: Vec<Span> = Vec::with_capacity(n);
    for _ in 0..n {
        let replica = crate::delta::read_id(r)?;
        let to = r.u64()?;
        let mut span = crate::delta::span(r, all.last(), replica, 0, to)?;
        if replica == ReplicaId::MIN {
            return Err(r.invalid("events of the nil id, which never writes"));
        }
        if shallow {
            span.after = read_forgotten(r, &span)?;
        }
        all.push(span);
    }
    check_forgotten(&all, r, shallow)?;
    Ok(all)
}

/// The last forgotten event of a replica.
pub(super) fn read_forgotten(r: &mut Reader<'_>, span: &Span) -> Result<u64, DecodeError> {
    let after = r.u64()?;
    if after > span.to { Err(r.invalid("more events forgotten than there are")) } else { Ok(after) }
}

/// That a document says it has forgotten if it has.
pub(super) fn check_forgotten(events: &[Span], r: &Reader<'_>, shallow: bool) -> Result<(), DecodeError> {
    let forgets = events.iter().any(|span| span.after > 0);
    if forgets == shallow {
        Ok(())
    } else {
        Err(r.invalid("a document that forgets nothing, in the form of one that does"))
    }
}

/// What is forgotten, and its heads.
fn read_horizon(events: &[Span], graph: &[u8], replicas: &[ReplicaId]) -> Result<Horizon, DecodeError> {
    let cut: VersionVector =
        events.iter().filter(|span| span.after > 0).map(|span| (span.replica, span.after)).collect();
    let mut r = Reader::new(graph, replicas);
    let heads = (0..r.count(2)?).map(|_| r.dot()).collect::<Result<Vec<_>, _>>()?;
    let sorted = heads.windows(2).all(|w| matches!(w, [a, b] if a < b));
    if heads.is_empty() || !sorted || heads.iter().any(|head| cut.get(head.replica) != head.seq) {
        return Err(r.invalid("heads of what is forgotten"));
    }
    Ok(Horizon::new(cut, heads))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u128) -> ReplicaId {
        ReplicaId::from_u128(n)
    }

    /// Two replicas that wrote and deleted at once.
    fn doc() -> Doc {
        let (mut a, mut b) = (Doc::new(id(1)), Doc::new(id(2)));
        a.transact(0, |tx| tx.text("note").insert(0, "hello, wörld\n"));
        b.apply(&a.delta_since(b.version())).unwrap();
        a.transact(1, |tx| tx.text("note").replace(0..4, "J"));
        b.transact(1, |tx| tx.text("note").delete(2..6));
        b.transact(2, |tx| tx.map("form").put("x", 1));
        b.transact(3, |tx| tx.text("note").insert(2, "👋"));
        a.apply(&b.delta_since(a.version())).unwrap();
        a
    }

    fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    #[test]
    fn a_newer_format_is_named() {
        let error = Doc::load(&with_checksum(b"CRDT\x09what comes".to_vec()), id(3)).unwrap_err();
        assert_eq!(error, ApplyError::Invalid(DecodeError::Version { found: 9, known: 7 }));
    }

    #[test]
    fn a_loaded_document_goes_on() {
        let (mut doc, mut peer) = (doc(), doc());
        let mut copy = Doc::load(&doc.save(), id(3)).unwrap();
        assert_eq!(copy.graph(), doc.graph());
        copy.transact(4, |tx| tx.text("note").insert(3, "?"));
        doc.apply(&copy.delta_since(doc.version())).unwrap();
        peer.apply(&Doc::load(&copy.save(), id(4)).unwrap().delta_since(peer.version())).unwrap();
        assert_eq!((copy.value(), copy.save()), (doc.value(), doc.save()));
        assert_eq!(peer.save(), doc.save());
    }

    /// What is loaded from forged bytes, or taken in, can be read, edited, saved and sent.
    fn harmless(mut doc: Doc) -> Result<(), TestCaseError> {
        let _ = (doc.value(), doc.delta_since(&VersionVector::new()), doc.save_shallow());
        doc.transact(9, |tx| tx.text("note").insert(1, "x"));
        let mut late = Doc::new(id(5));
        late.transact(9, |tx| tx.text("note").insert(0, "late"));
        let _ = (late.apply(&doc.delta_since(late.version())), doc.apply(&late.delta_since(doc.version())));
        let saved = doc.save();
        prop_assert_eq!(Doc::load(&saved, id(4)).unwrap().save(), saved);
        Ok(())
    }

    /// A document that has forgotten some, and goes on.
    fn shallow() -> Doc {
        let mut doc = doc();
        doc.forget(&doc.version().clone());
        doc.transact(7, |tx| tx.text("note").replace(1..3, "and on"));
        doc
    }

    proptest! {
        #[test]
        fn forged_bytes_of_who_forgot_are_refused_or_harmless(at: prop::sample::Index, byte: u8) {
            let mut bytes = shallow().save();
            bytes.truncate(bytes.len() - 4);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(doc) = Doc::load(&with_checksum(bytes), id(3)) {
                harmless(doc)?;
            }
        }

        #[test]
        fn forged_whole_documents_are_refused_or_harmless(shallowly: bool, at: prop::sample::Index, byte: u8) {
            let whole = if shallowly { shallow().whole() } else { doc().whole() };
            let mut bytes = whole.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let Ok(delta) = crate::Delta::from_bytes(&bytes) else { return Ok(()) };
            let mut here = Doc::new(id(6));
            here.transact(0, |tx| tx.text("note").insert(0, "here"));
            for mut doc in [Doc::new(id(3)), here] {
                let before = doc.save();
                match doc.apply(&delta) {
                    Ok(_) => harmless(doc)?,
                    Err(_) => prop_assert_eq!(doc.save(), before),
                }
            }
        }

        /// A forger makes the checksum right: what loads can be read, edited and saved, whatever is in it.
        #[test]
        fn forged_bytes_are_refused_or_harmless(at: prop::sample::Index, byte: u8) {
            let mut bytes = doc().save();
            bytes.truncate(bytes.len() - 4);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(doc) = Doc::load(&with_checksum(bytes), id(3)) {
                harmless(doc)?;
            }
        }
    }
}
