//! Bodies of the fuzz targets for files and documents that have forgotten, and for how two daemons of a fleet find what
//! differs. As in `targets.rs` each takes any bytes.

use crdt::codec::{Decode, Encode, Reader, Writer, from_bytes, seal, to_bytes};
use crdt::doc::AnyDoc;
use crdt::lease::Leases;
use crdt::matrix::MatrixClock;
use crdt::sync::{Config, DocId, Fleet, Input, Kind, LinkId, Node, Role};
use crdt::testkit::edit_doc as edit;
use crdt::{Delta, Doc, ReplicaId, Replicated, VersionVector};

fn id(n: u8) -> ReplicaId {
    ReplicaId::from_u128(u128::from(n) + 1)
}

/// The content of a document's file, of a format that the first byte says, with a right header and checksum. What loads
/// can be read, edited, sent, forgotten and saved in every way.
pub fn files(bytes: &[u8]) {
    let Some((format, content)) = bytes.split_first() else { return };
    let Ok(mut doc) = Doc::load(&seal(b"CRDT", format % 7, content), id(201)) else { return };
    let nothing = VersionVector::new();
    let whole = Delta::from_bytes(&doc.delta_since(&nothing).to_bytes());
    assert!(whole.is_ok(), "what is written can be read: {whole:?}");
    let mut reader = Doc::new(id(203));
    // The history of a forged file is found to be forged when it is read.
    if whole.is_ok_and(|whole| reader.apply(&whole).is_ok()) && doc.forgotten().is_empty() {
        assert_eq!(reader.version(), doc.version());
    }
    let before = doc.version().clone();
    let kinds = (0..16).chain(32..40);
    doc.transact(u64::from(*format), |tx| kinds.for_each(|kind| edit(tx, kind, *format, kind, kind)));
    assert!(doc.version().covers(&before));
    can_be_written(&doc);
    doc.forget(&before);
    can_be_written(&doc);
}

/// Every form of a file can be made and read, whatever the document: what is forged in its history is left out or refused
/// when it is found, by each form at another time.
fn can_be_written(doc: &Doc) {
    let _ = Doc::load_pieces(&doc.save_since(&VersionVector::new()), id(202));
    for saved in [doc.save(), doc.save_shallow()] {
        let _ = Doc::load(&saved, id(202)).map(|copy| copy.save());
    }
}

/// Every form of a file gives the document back.
fn can_be_kept(doc: &Doc) {
    let value = doc.value();
    let mut pieces = doc.save_since(&VersionVector::new());
    pieces.extend(doc.save_since(doc.version()));
    let whole = pieces.len();
    let loaded = Doc::load_pieces(&pieces, id(202));
    assert_eq!(loaded.map(|loaded| (loaded.len, loaded.doc.value())), Ok((whole, value.clone())));
    for saved in [doc.save(), doc.save_shallow()] {
        let copy = Doc::load(&saved, id(202));
        assert_eq!(
            copy.as_ref().map(|copy| (copy.version(), copy.value())),
            Ok((doc.version(), value.clone()))
        );
        assert_eq!(copy.map(|copy| copy.save()), Ok(saved), "one state, one byte string");
    }
}

/// A schedule, eight bytes for each step: three replicas edit, mark text, exchange differences, forget what all have, and
/// are saved and loaded in every form; then all show the same.
pub fn forget(bytes: &[u8]) {
    let mut docs: Vec<Doc> = (0..3).map(|n| Doc::new(id(n))).collect();
    for (time, step) in bytes.chunks_exact(8).take(192).enumerate() {
        let &[what, to, from, kind, a, b, c, _] = step else { continue };
        let cut = stable(&docs, to % 3);
        let Some(source) = docs.get(usize::from(from % 3)).cloned() else { continue };
        let Some(doc) = docs.get_mut(usize::from(to % 3)) else { continue };
        match what % 8 {
            0..=2 => doc.transact(time as u64, |tx| edit(tx, kind, a, b, c)),
            3 => doc.transact(time as u64, |tx| edit(tx, 3, a, b | 128, c)),
            4 | 5 => catch_up(doc, &source),
            6 => {
                let shown = doc.value();
                doc.forget(&cut);
                assert_eq!(doc.value(), shown, "forgetting shows nothing else");
            }
            _ => {
                can_be_kept(doc);
                let copy = Doc::load(&doc.save(), id(to % 3));
                assert!(copy.is_ok(), "what is saved can be read: {copy:?}");
                copy.into_iter().for_each(|copy| *doc = copy);
            }
        }
    }
    for _ in 0..2 {
        for (to, from) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
            let Some(source) = docs.get(from).cloned() else { continue };
            docs.get_mut(to).into_iter().for_each(|doc| catch_up(doc, &source));
        }
    }
    let all = stable(&docs, 0);
    docs.iter_mut().for_each(|doc| doc.forget(&all));
    let [first, rest @ ..] = &docs[..] else { return };
    for doc in rest {
        assert_eq!((doc.value(), doc.version()), (first.value(), first.version()));
        assert_eq!(doc.save(), first.save(), "who has forgotten the same is the same bytes");
    }
}

/// What is causally stable for one of the replicas, if all told each other now what they have.
fn stable(docs: &[Doc], at: u8) -> VersionVector {
    let mut seen = MatrixClock::new((0..3).map(id));
    for (n, doc) in (0..).zip(docs) {
        seen.saw(id(n), doc.version());
    }
    docs.get(usize::from(at)).map(|doc| seen.stable(doc.version())).unwrap_or_default()
}

fn catch_up(doc: &mut Doc, source: &Doc) {
    let delta = Delta::from_bytes(&source.delta_since(doc.version()).to_bytes());
    let taken = delta.map(|delta| doc.apply(&delta).map(drop));
    assert_eq!(taken, Ok(Ok(())), "an honest delta is taken");
}

/// Tables of leases from anywhere are merged, and what comes of it can be saved.
pub fn leases(bytes: &[u8]) {
    let mut table = Leases::new(id(0), (0..3).map(id), 1_000);
    let ids: Vec<ReplicaId> = (0..4).map(id).collect();
    let mut r = Reader::new(bytes, &ids);
    while let Ok(theirs) = Leases::decode(&mut r) {
        let mut w = Writer::new();
        theirs.encode(&mut w);
        let (body, names) = w.into_parts();
        assert_eq!(Leases::decode(&mut Reader::new(&body, &names)), Ok(theirs.clone()));
        let before = table.clone();
        if table.merge(&theirs).is_ok() {
            let once = table.clone();
            assert!(table.merge(&theirs).is_err() || table == once, "taking it again changes nothing");
            assert!(table.merge(&before).is_err() || table == once, "nor does taking what was known");
        }
        table.report(&VersionVector::new());
        table.tick(theirs.silences().map(|(_, silent)| silent).max().unwrap_or_default());
        assert!(table.stable(&VersionVector::new()).is_empty());
        let again = from_bytes::<Leases>(&to_bytes(&table)).map(|again| to_bytes(&again));
        assert_eq!(again, Ok(to_bytes(&table)));
    }
}

/// Two daemons of a fleet with many documents meet, by cells of a sketch and digests; one message is damaged on the way if
/// the bytes say so. Neither loses anything; and if all comes as it was sent, both have all.
pub fn meet(bytes: &[u8]) {
    let &[damaged, at, mask, shared, ref names @ ..] = bytes else { return };
    let mut nodes = [0, 1].map(|n| {
        let fleet = Some(Fleet::of("secret"));
        let node = Config { fleet, ..Config::new(id(n), "node", Role::Daemon) };
        Node::<AnyDoc>::new(node, u64::from(n))
    });
    let name = |n: usize| format!("d/{n}").parse::<DocId>();
    let mut write = |who: usize, n: usize| {
        let (Some(node), Ok(doc)) = (nodes.get_mut(who), name(n)) else { return };
        let put = |doc: &mut AnyDoc| doc.as_doc_mut().map(|doc| doc.transact(0, |tx| tx.put("x", n as i64)));
        assert!(node.edit(0, &doc, Kind::DOC, put).is_ok());
    };
    for (n, who) in names.iter().take(200).enumerate() {
        write(usize::from(who % 2), n);
    }
    (0..usize::from(shared)).for_each(|n| write(n % 2, 1_000 + n));
    let held = nodes.each_ref().map(Node::written);
    let link = LinkId(1);
    let (mut sent, mut open) = (0, true);
    let [a, b] = &mut nodes;
    a.handle(0, Input::LinkUp { link, dialed: true });
    b.handle(0, Input::LinkUp { link, dialed: false });
    for now in (0..4_000u64).step_by(20) {
        for ahead in [true, false] {
            let (from, to) = if ahead { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
            from.handle(now, Input::Wake);
            while let Some(mut bytes) = from.poll_transmit(now, link).filter(|_| open) {
                sent += 1;
                if sent == usize::from(damaged)
                    && mask != 0
                    && let Some(index) = usize::from(at).checked_rem(bytes.len())
                {
                    bytes.get_mut(index).into_iter().for_each(|byte| *byte ^= mask);
                }
                to.handle(now, Input::Frame { link, bytes });
            }
            while let Some(output) = from.poll_output() {
                open &= !matches!(output, crdt::sync::Output::Close { .. });
            }
        }
    }
    assert!(a.written() >= held[0] && b.written() >= held[1], "nothing is lost");
    if mask == 0 || damaged == 0 {
        assert!(
            open && a.fingerprint() == b.fingerprint(),
            "{held:?} became {} and {}",
            a.written(),
            b.written()
        );
    }
}
