//! Bodies of the fuzz targets: each takes any bytes, and panics only if a promise is broken.
//!
//! libFuzzer calls them from `fuzz/`, `cargo test` replays its corpora through them, and so may you:
//!
//! ```
//! crdt_kit::targets::delta(b"any bytes");
//! crdt_kit::targets::merge(&[1, 2, 3, 4, 5, 6, 7, 8]);
//! ```

use crdt::codec::{Decode, Encode, Reader, Writer};
use crdt::context::CausalContext;
use crdt::counter::{BoundedCounter, PnCounter};
use crdt::doc::AnyDoc;
use crdt::dots::DotStore;
use crdt::dvv::DottedVersionVector;
use crdt::flag::EwFlag;
use crdt::lease::Leases;
use crdt::log::Log;
use crdt::map::OrMap;
use crdt::matrix::MatrixClock;
use crdt::register::{LwwRegister, MvRegister};
use crdt::replica::{Change, Replica};
use crdt::set::{AwSet, RwSet};
use crdt::sync::{Config, Input, Kind, LinkId, Node, Role};
use crdt::testkit::sim::{self, Plan, Topology};
use crdt::testkit::{Subject, edit_doc as edit, frames};
use crdt::tree::Tree;
use crdt::{ApplyError, Delta, Doc, ReplicaId, Replicated, VersionVector};

pub use crate::formats::{files, forget, leases, meet};

/// A target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("delta", delta),
    ("saved", saved),
    ("merge", merge),
    ("node", node),
    ("types", types),
    ("decode", decode),
    ("network", network),
    ("files", files),
    ("forget", forget),
    ("leases", leases),
    ("meet", meet),
    #[cfg(feature = "automerge")]
    ("automerge", automerge),
];

fn id(n: u8) -> ReplicaId {
    ReplicaId::from_u128(u128::from(n) + 1)
}

/// A delta from anywhere: it is refused and nothing changes, or taken, and the document is sound.
pub fn delta(bytes: &[u8]) {
    let Ok(delta) = Delta::from_bytes(bytes) else { return };
    assert_eq!(Delta::from_bytes(&delta.to_bytes()).as_ref(), Ok(&delta));
    let mut doc = Doc::new(id(200));
    doc.transact(0, |tx| tx.text("t").insert(0, "kept"));
    let before = doc.save();
    match doc.apply(&delta) {
        Ok(_) => sound(&doc),
        Err(_) => assert_eq!(doc.save(), before, "an error changes nothing"),
    }
}

/// A saved document from anywhere, and a file of pieces, with their checksums made right.
pub fn saved(bytes: &[u8]) {
    let piece = |bytes: &[u8]| {
        let mut w = Writer::new();
        w.bytes(bytes);
        crdt::codec::seal(b"CRDP", 1, &w.into_body())
    };
    for bytes in [bytes.to_vec(), piece(bytes)] {
        if let Ok(loaded) = Doc::load_pieces(&bytes, id(201)) {
            assert_eq!(loaded.len + loaded.torn, bytes.len());
            sound(&loaded.doc);
        }
    }
    let _ = Doc::load(bytes, id(201));
    let mut bytes = bytes.to_vec();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    if let Ok(doc) = Doc::load(&bytes, id(201)) {
        sound(&doc);
    }
}

fn sound(doc: &Doc) {
    let saved = doc.save();
    let copy = Doc::load(&saved, id(202));
    assert!(copy.is_ok(), "what is saved can be read: {copy:?}");
    assert_eq!(copy.map(|copy| copy.save()).ok(), Some(saved));
}

/// A schedule, eight bytes for each step: three replicas edit and exchange differences; then all have the
/// same, in the same bytes.
pub fn merge(bytes: &[u8]) {
    let mut docs: Vec<Doc> = (0..3).map(|n| Doc::new(id(n))).collect();
    for (time, step) in bytes.chunks_exact(8).take(256).enumerate() {
        let &[what, to, from, kind, a, b, c, _] = step else { continue };
        let (to, from) = (usize::from(to % 3), usize::from(from % 3));
        let Some(source) = docs.get(from).cloned() else { continue };
        let Some(doc) = docs.get_mut(to) else { continue };
        match what % 8 {
            0..=4 => doc.transact(time as u64, |tx| edit(tx, kind, a, b, c)),
            5 => {
                let lacks = source.delta_since(doc.version());
                take(doc, &lacks);
            }
            6 => take(doc, &source.delta_since(&VersionVector::new())),
            _ => {
                let until = source.version().iter().map(|(r, seq)| (r, seq.saturating_sub(u64::from(a % 4))));
                let part = source.delta_between(doc.version(), &until.collect());
                take(doc, &part);
            }
        }
    }
    let mut whole = Doc::new(id(100));
    for doc in &docs {
        let lacks = doc.delta_since(whole.version());
        take(&mut whole, &lacks);
    }
    for doc in &mut docs {
        let lacks = whole.delta_since(doc.version());
        take(doc, &lacks);
        assert_eq!(doc.version(), whole.version());
        assert_eq!(doc.save(), whole.save());
    }
    sound(&whole);
}

fn take(doc: &mut Doc, delta: &Delta) {
    let delta = Delta::from_bytes(&delta.to_bytes());
    assert!(delta.is_ok(), "what is written can be read: {delta:?}");
    if let Ok(delta) = delta {
        let result = doc.apply(&delta);
        assert!(matches!(result, Ok(_) | Err(ApplyError::Missing)), "an honest delta is taken: {result:?}");
    }
}

/// A hostile peer: messages cut from the bytes, each with its length in front. The node lives and keeps what
/// it had.
pub fn node(bytes: &[u8]) {
    let mut node: Node<AnyDoc> = Node::new(Config::new(id(50), "victim", Role::Daemon), 1);
    let Ok(doc) = "d".parse() else { return };
    let kept = node.edit(0, &doc, Kind::DOC, |doc| {
        doc.as_doc_mut().map(|doc| doc.transact(0, |tx| tx.text("t").insert(0, "kept")))
    });
    assert!(kept.is_ok());
    let (mut rest, mut link) = (bytes, LinkId(1));
    node.handle(0, Input::LinkUp { link, dialed: false });
    // An honest greeting, so that the bytes get past the first gate.
    let mut peer: Node<AnyDoc> = Node::new(Config::new(id(51), "peer", Role::Daemon), 1);
    peer.handle(0, Input::LinkUp { link, dialed: true });
    let hello = peer.poll_transmit(0, link).unwrap_or_default();
    node.handle(0, Input::Frame { link, bytes: hello.clone() });
    while let Some((len, after)) = rest.split_first() {
        let (message, after) = after.split_at(usize::from(*len).min(after.len()));
        node.handle(0, Input::Frame { link, bytes: message.to_vec() });
        while node.poll_transmit(0, link).is_some() {}
        while let Some(output) = node.poll_output() {
            if matches!(output, crdt::sync::Output::Close { .. }) {
                link = LinkId(link.0 + 1);
                node.handle(0, Input::LinkUp { link, dialed: false });
                node.handle(0, Input::Frame { link, bytes: hello.clone() });
            }
        }
        rest = after;
    }
    let text = node.doc(&doc).and_then(AnyDoc::as_doc).and_then(|doc| doc.text("t")).map(ToString::to_string);
    assert!(text.is_some_and(|text| text.contains("kept") || !bytes.is_empty()));
}

/// A schedule for one of this crate's types: the first byte says which, the rest are the steps of the kit.
///
/// # Panics
/// When a law does not hold, with the story of it.
#[allow(clippy::panic)] // It is how a target fails.
pub fn types(bytes: &[u8]) {
    thread_local! {
        static OWN: Vec<Subject> = crate::subjects().into_iter().filter(|subject| !subject.is_wrong()).collect();
    }
    let Some((which, schedule)) = bytes.split_first() else { return };
    OWN.with(|own| {
        let Some(subject) = own.get(usize::from(*which) % own.len().max(1)) else { return };
        if let Err(story) = subject.check(schedule) {
            panic!("{}: {story}", subject.name());
        }
    });
}

/// The kit on a type with a planted mistake: a fuzzer that does not stop here is broken.
///
/// # Panics
/// When the schedule shows the mistake: two writes at one time.
#[allow(clippy::panic)] // It is how a target fails.
pub fn canary(bytes: &[u8]) {
    thread_local! {
        static WRONG: Vec<Subject> = crate::gallery::all();
    }
    WRONG.with(|wrong| {
        let planted = wrong.iter().find(|subject| subject.name() == "no-tie-break");
        if let Some(Err(story)) = planted.map(|subject| subject.check(bytes)) {
            panic!("{story}");
        }
    });
}

/// Every reader of the wire and the disk: what it takes, it writes again, and that reads as the same.
pub fn decode(bytes: &[u8]) {
    type Deep = OrMap<u8, OrMap<u8, (AwSet<String>, LwwRegister<String>)>>;
    replica::<PnCounter>(bytes);
    replica::<BoundedCounter<-3>>(bytes);
    replica::<AwSet<String>>(bytes);
    replica::<RwSet<u64>>(bytes);
    replica::<MvRegister<Option<i64>>>(bytes);
    replica::<EwFlag>(bytes);
    replica::<Log<Vec<u8>>>(bytes);
    replica::<Deep>(bytes);
    replica::<Tree<LwwRegister<String>>>(bytes);
    value::<VersionVector>(bytes);
    value::<CausalContext>(bytes);
    value::<DottedVersionVector<u64>>(bytes);
    value::<MatrixClock>(bytes);
    value::<Leases>(bytes);
    let _ = frames(bytes);
}

/// A saved replica and a change, from anywhere; the checksum of the first is made right.
fn replica<T: DotStore + Encode + Decode>(bytes: &[u8]) {
    value::<Change<T>>(bytes);
    // In the form of before, and in that of now.
    for bytes in [&[&[2], bytes].concat(), bytes] {
        if let Ok(change) = Change::<T>::from_bytes(bytes) {
            let again = change.to_bytes();
            assert!(again == bytes || bytes.starts_with(&[2]), "one change, one byte string");
            assert_eq!(Change::from_bytes(&again).as_ref(), Ok(&change), "what is written can be read");
        }
    }
    let _ = Replica::<T>::open(bytes, id(1));
    for format in [1, 2] {
        let sealed = crdt::codec::seal(b"CRDR", format, bytes);
        if let Ok(replica) = Replica::<T>::open(&sealed, id(1)) {
            let saved = replica.save();
            assert!(format == 1 || saved == sealed, "one replica, one byte string");
            let again = Replica::<T>::open(&saved, id(1));
            assert_eq!(again.as_ref().map(Replica::value), Ok(replica.value()), "what is saved can be read");
        }
    }
}

/// A value from anywhere, with a few replicas to name.
fn value<V: Encode + Decode + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let table: Vec<ReplicaId> = (0..4).map(id).collect();
    let mut r = Reader::new(bytes, &table);
    let Ok(value) = V::decode(&mut r) else { return };
    let mut w = Writer::new();
    value.encode(&mut w);
    let (body, table) = w.into_parts();
    let again = V::decode(&mut Reader::new(&body, &table));
    assert_eq!(again.as_ref(), Ok(&value), "what is written can be read");
}

/// A network of nodes with faults: all promises are kept.
pub fn network(bytes: &[u8]) {
    let &[nodes, topology, writers, docs, faults, ..] = bytes else { return };
    let nodes = 2 + usize::from(nodes % 7);
    let plan = Plan {
        nodes,
        topology: Topology::ALL[usize::from(topology) % Topology::ALL.len()],
        writers: 1 + usize::from(writers) % nodes,
        docs: 1 + usize::from(docs % 3),
        edits: 3,
        faults: usize::from(faults % 16),
        seed: crc32fast::hash(bytes).into(),
        ..Plan::default()
    };
    let result = sim::run(&plan, |_| ());
    assert!(result.is_ok(), "{plan:?}: {result:?}");
}

/// Automerge's bytes from anywhere, as a file and as a delta.
#[cfg(feature = "automerge")]
pub fn automerge(bytes: &[u8]) {
    use crdt::automerge::AutomergeDoc;
    if let Ok(mut doc) = AutomergeDoc::load(bytes, id(1)) {
        let _ = doc.save();
    }
    if let Ok(delta) = Delta::from_bytes(bytes) {
        let mut doc = AutomergeDoc::new(id(1));
        if doc.apply(&delta).is_err() {
            assert!(doc.version().is_empty(), "an error changes nothing");
        }
    }
}
