//! Frozen bytes: what was once written is read for ever, and is still written so. To add a file for a new format
//! run with `GOLDEN=write`; files that are here never change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::path::{Path, PathBuf};

use automerge::transaction::Transactable;
use automerge::{ROOT, ReadDoc};
use crdt::automerge::AutomergeDoc;
use crdt::causal::Tagged;
use crdt::codec::{DecodeError, from_bytes, to_bytes};
use crdt::context::{CausalContext, DotRanges};
use crdt::counter::{BoundedCounter, GCounter, PnCounter};
use crdt::doc::{AnyDoc, Cursor, Expand};
use crdt::dvv::DottedVersionVector;
use crdt::flag::{DwFlag, EwFlag};
use crdt::lease::Leases;
use crdt::log::Log;
use crdt::map::{GMap, LwwMap, OrMap};
use crdt::matrix::MatrixClock;
use crdt::one_of::OneOf;
use crdt::oplog::{Append, PoLog};
use crdt::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crdt::replica::{Change, Replica};
use crdt::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crdt::sync::{Config, Input, LinkId, Node, Output, Role};
use crdt::text::Side;
use crdt::traits::OpCrdt;
use crdt::tree::{Position, Tree};
use crdt::{ApplyError, Crdt, Decode, Delta, Doc, Dot, Encode, ReplicaId, Replicated, Span, VersionVector};

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n)
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// One edit of one place, which ends what another wrote: the form that most differences have.
#[test]
fn one_edit() {
    let (mut a, mut b) = (Doc::new(id(1)), Doc::new(id(2)));
    a.transact(1_790_000_000_000, |tx| tx.map("form").put("name", "Ada"));
    b.apply(&a.delta_since(b.version())).unwrap();
    let before = b.version().clone();
    b.transact(1_790_000_000_001, |tx| tx.map("form").put("name", "Grace"));
    let delta = frozen("delta-one-edit.bin", &b.delta_since(&before).to_bytes());
    a.apply(&Delta::from_bytes(&delta).unwrap()).unwrap();
    assert_eq!(a.save(), b.save());

    let (mut a, mut b) = (Replica::<LwwMap<String, String>>::new(id(1)), Replica::new(id(2)));
    b.apply(&a.edit(1_790_000_000_000, |map, cx| map.put("name".into(), "Ada".into(), cx)));
    let change = b.edit(1_790_000_000_001, |map, cx| map.put("name".into(), "Grace".into(), cx));
    a.apply(&Change::from_bytes(&frozen("change-one-edit.bin", &change.to_bytes())).unwrap());
    assert_eq!(a.value(), b.value());
    b.forget(&b.seen().version().clone());
    let all = b.delta_since(&VersionVector::new());
    assert_eq!(Change::from_bytes(&frozen("change-forgot.bin", &all.to_bytes())).unwrap(), all);
}

/// That a file has these bytes.
fn frozen(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = file(name);
    if !path.exists() && std::env::var("GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(
        bytes, golden,
        "{name}: the format changed: it needs another number, and this file stays readable"
    );
    golden
}

/// A file in a format that is no longer written.
fn old(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What one has who had nothing and was sent a delta.
fn taken_in(delta: &[u8]) -> Doc {
    let mut doc = Doc::new(id(8));
    doc.apply(&Delta::from_bytes(delta).unwrap()).unwrap();
    doc
}

/// One of everything, by two replicas, with concurrent writes, removals and a move.
fn doc() -> Doc {
    let (mut a, mut b) = (Doc::new(id(1)), Doc::new(id(2)));
    a.transact(1_000, |tx| {
        tx.text("note").insert(0, "grüße 👋");
        tx.list("todo").push("milk");
        tx.list("todo").push_map().text("what").insert(0, "bread");
        tx.map("form").put("name", "Ada");
        tx.set("tags").insert(7);
        tx.counter("votes").add(-3);
    });
    b.apply(&a.delta_since(b.version())).unwrap();
    a.transact(2_000, |tx| {
        tx.text("note").delete(0..2);
        tx.list("todo").move_to(1, 0);
        tx.put("title", true);
        tx.map("form").remove("name");
    });
    b.transact(2_000, |tx| {
        tx.text("note").insert(8, "!");
        tx.list("todo").map(1).unwrap().put("done", 0.5);
        tx.put("title", crdt::doc::Scalar::Null);
        tx.offer("colour", vec![1u8, 2]);
        tx.flag("on").enable();
    });
    a.apply(&b.delta_since(a.version())).unwrap();
    a
}

/// A tree in a document, with a move each way and a removal.
fn doc_with_tree() -> Doc {
    let (mut a, mut b) = (Doc::new(id(1)), Doc::new(id(2)));
    let [x, y, z] = a.transact(1_000, |tx| {
        let mut tree = tx.tree("outline");
        ["x", "y", "z"].map(|title| {
            let node = tree.create(None, Position::Last);
            let mut data = tree.data(node).unwrap();
            data.put("title", title);
            data.text("body").insert(0, "grüße");
            node
        })
    });
    b.apply(&a.delta_since(b.version())).unwrap();
    a.transact(2_000, |tx| tx.tree("outline").move_to(x, Some(y), Position::First));
    b.transact(3_000, |tx| {
        tx.tree("outline").move_to(y, Some(x), Position::First);
        tx.tree("outline").remove(z);
    });
    a.apply(&b.delta_since(a.version())).unwrap();
    a
}

#[test]
fn documents_with_trees() {
    let doc = doc_with_tree();
    for saved in [frozen("doc-6-tree.bin", &doc.save()), old("doc-4-tree.bin"), old("doc-2-tree.bin")] {
        let copy = Doc::load(&saved, id(9)).unwrap();
        assert_eq!((copy.value(), copy.save()), (doc.value(), doc.save()));
        assert_eq!(copy.get("/outline/1/data/title"), Some("x".into()));
    }
    let delta = doc.delta_since(&VersionVector::new());
    for delta in [frozen("delta-tree-2.bin", &delta.to_bytes()), old("delta-tree.bin")] {
        assert_eq!(taken_in(&delta).save(), doc.save());
    }
}

/// Marks of every kind, one that ended another, and one that takes a key away.
fn doc_with_marks() -> Doc {
    let (mut a, mut b) = (Doc::new(id(1)), Doc::new(id(2)));
    a.transact(1_000, |tx| {
        let mut note = tx.text("note");
        note.insert(0, "grüße 👋, world");
        note.mark(0..5, "bold", true, Expand::After);
        note.mark(0..14, "link", "https://a.example", Expand::None);
        note.mark(0..14, "colour", 7, Expand::Both);
    });
    b.apply(&a.delta_since(b.version())).unwrap();
    a.transact(2_000, |tx| {
        tx.text("note").unmark(2..4, "bold", Expand::After);
        tx.text("note").mark(0..14, "colour", 0.5, Expand::Both);
    });
    b.transact(3_000, |tx| {
        tx.text("note").mark(3..8, "bold", "very", Expand::Before);
        tx.text("note").delete(3..5);
    });
    a.apply(&b.delta_since(a.version())).unwrap();
    a
}

#[test]
fn documents_with_marks() {
    let doc = doc_with_marks();
    let json = r#"[{"attributes":{"bold":true,"colour":0.5,"link":"https://a.example"},"insert":"gr"},{"attributes":{"colour":0.5,"link":"https://a.example"},"insert":"ü"},{"attributes":{"bold":"very","colour":0.5,"link":"https://a.example"},"insert":" 👋,"},{"attributes":{"colour":0.5,"link":"https://a.example"},"insert":" world"}]"#;
    assert_eq!(doc.to_delta("note").unwrap().to_string(), json);
    for saved in [frozen("doc-6-marks.bin", &doc.save()), old("doc-4-marks.bin"), old("doc-2-marks.bin")] {
        let copy = Doc::load(&saved, id(9)).unwrap();
        assert_eq!((copy.to_delta("note"), copy.save()), (doc.to_delta("note"), doc.save()));
    }
    let delta = doc.delta_since(&VersionVector::new());
    for delta in [frozen("delta-marks-2.bin", &delta.to_bytes()), old("delta-marks.bin")] {
        assert_eq!(taken_in(&delta).save(), doc.save());
    }
}

/// The types that came later, each written by two at once.
fn doc_with_later_types() -> Doc {
    let (mut a, mut b) = (Doc::new(id(1)), Doc::new(id(2)));
    a.transact(1_000, |tx| {
        tx.max("best").set(7);
        tx.map("form").min("least").set(-300);
        tx.dw_flag("open").enable();
        tx.dw_flag("shut").enable();
        ["grüße", "x", "y"].iter().for_each(|member| tx.rw_set("admins").insert(*member));
        tx.log("events").append("made");
    });
    b.apply(&a.delta_since(b.version())).unwrap();
    a.transact(2_000, |tx| {
        tx.max("best").set(8);
        tx.dw_flag("shut").enable();
        tx.rw_set("admins").insert("x");
        tx.log("events").append(0.5);
    });
    b.transact(1_500, |tx| {
        tx.max("best").set(9);
        tx.map("form").min("least").set(i64::MIN);
        tx.dw_flag("shut").disable();
        tx.rw_set("admins").remove("x");
        tx.rw_set("admins").remove("y");
        tx.log("events").append("by b");
    });
    a.apply(&b.delta_since(a.version())).unwrap();
    a
}

#[test]
fn documents_with_later_types() {
    let doc = doc_with_later_types();
    let json = r#"{"admins":["grüße"],"best":9,"events":["made","by b",0.5],"form":{"least":-9223372036854775808},"open":true}"#;
    assert_eq!(doc.value().to_string(), json);
    let copy = Doc::load(&frozen("doc-6-later-types.bin", &doc.save()), id(9)).unwrap();
    assert_eq!((copy.value(), copy.save()), (doc.value(), doc.save()));
    let delta = frozen("delta-later-types.bin", &doc.delta_since(&VersionVector::new()).to_bytes());
    assert_eq!(taken_in(&delta).save(), doc.save());

    // Of a type that is to come a document says so, and stays as it was.
    let name = b"\x00\x04best";
    let at = delta.windows(name.len()).position(|bytes| bytes == name).unwrap() - 1;
    assert_eq!(delta[at], 11);
    for later in [16, 0x7f] {
        let mut delta = delta.clone();
        delta[at] = later;
        let mut reader = Doc::new(id(8));
        reader.transact(0, |tx| tx.put("kept", 1));
        let before = reader.save();
        let refused = reader.apply(&Delta::from_bytes(&delta).unwrap()).unwrap_err();
        let later = DecodeError::Version { found: later.into(), known: 15 };
        assert_eq!(refused, ApplyError::Invalid(later));
        assert_eq!(reader.save(), before);
    }
}

#[test]
fn documents() {
    let doc = doc();
    let json = doc.value().to_string();
    let saved = frozen("doc-6.bin", &doc.save());
    for saved in [&saved, &old("doc-4.bin"), &old("doc-2.bin")] {
        let copy = Doc::load(saved, id(9)).unwrap();
        assert_eq!((copy.value().to_string(), copy.save()), (json.clone(), doc.save()));
    }
    assert_eq!(
        json,
        r#"{"colour":[{"$bytes":"0102"}],"note":"üße 👋!","on":true,"tags":[7],"title":null,"todo":[{"done":0.5,"what":"bread"},"milk"],"votes":-3}"#
    );
    let delta = doc.delta_since(&VersionVector::new());
    for delta in [frozen("delta-2.bin", &delta.to_bytes()), old("delta.bin")] {
        assert_eq!(taken_in(&delta).save(), saved);
    }
    let cursor = doc.cursor("/note", 2, Side::After).unwrap();
    let cursor = Cursor::from_bytes(&frozen("cursor.bin", &cursor.to_bytes())).unwrap();
    assert_eq!(doc.position(&cursor), Some(("/note".into(), 2)));
}

/// Two programs read one update as two documents (y-crdt issue 632). Here one program has three readers, of operations, of
/// whole documents and of files: all that was ever frozen is the same document by each of them.
#[test]
fn every_frozen_document_reads_the_same_in_every_way() {
    let (mut count, nothing) = (0, VersionVector::new());
    for entry in std::fs::read_dir(file("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let doc = match name.split('-').next() {
            Some("doc" | "doc.bin") => Doc::load(&old(&name), id(9)).unwrap(),
            Some("pieces") => Doc::load_pieces(&old(&name), id(9)).unwrap().doc,
            Some("delta" | "delta.bin") if !name.contains("automerge") && !name.contains("one-edit") => {
                taken_in(&old(&name))
            }
            _ => continue,
        };
        let shown = |doc: &Doc| format!("{doc:#} {:?} {:?}", doc.conflicts(), doc.to_delta("note"));
        let mut by_file = Doc::load(&doc.save(), id(8)).unwrap();
        let mut by_delta = taken_in(&doc.delta_since(&nothing).to_bytes());
        // In pieces, each to who has those before.
        let mut by_steps = Doc::new(id(7));
        while by_steps.version() != doc.version() {
            let until = doc.step(by_steps.version(), 3);
            by_steps.apply(&doc.delta_between(by_steps.version(), &until)).unwrap();
        }
        for copy in [&mut by_file, &mut by_delta, &mut by_steps] {
            assert_eq!((shown(copy), copy.save()), (shown(&doc), doc.save()), "{name}");
            // And it goes on alike.
            copy.set_author(id(6));
            copy.transact(9_000, |tx| {
                tx.text("note").insert(0, "more");
                tx.put("title", "more");
            });
        }
        assert_eq!(by_file.save(), by_delta.save(), "{name}");
        assert_eq!(by_file.save(), by_steps.save(), "{name}");
        count += 1;
    }
    assert!(count >= 30, "{count}");
}

/// Three who typed at one place at once, one of them from the end to the front, and one who deleted what was there: no
/// position says where that stands, so characters are named.
#[test]
fn texts_typed_at_one_place() {
    let mut base = Doc::new(id(9));
    base.transact(0, |tx| tx.text("note").insert(0, "[]"));
    let mut whole = base.clone();
    for (n, word) in ["grüße", "👋👋👋", "world"].iter().enumerate() {
        let mut doc = base.clone();
        doc.set_author(id(n as u128 + 1));
        for (i, c) in word.chars().enumerate() {
            let at = if n == 1 { 1 } else { 1 + i };
            doc.transact(0, |tx| tx.text("note").insert(at, &c.to_string()));
        }
        whole.apply(&doc.delta_since(whole.version())).unwrap();
    }
    base.set_author(id(4));
    base.transact(0, |tx| tx.text("note").delete(0..2));
    whole.apply(&base.delta_since(whole.version())).unwrap();
    for saved in [frozen("doc-6-place.bin", &whole.save()), old("doc-4-place.bin")] {
        let copy = Doc::load(&saved, id(9)).unwrap();
        assert_eq!(copy.text("note").unwrap().to_string(), "grüße👋👋👋world");
        let nothing = VersionVector::new();
        assert_eq!((copy.save(), copy.delta_since(&nothing)), (whole.save(), whole.delta_since(&nothing)));
    }
}

/// One that has forgotten its first half, and one that has forgotten all, in files and as deltas.
#[test]
fn documents_that_have_forgotten() {
    let mut doc = doc();
    let mut late = Doc::new(id(5));
    late.apply(&doc.delta_since(late.version())).unwrap();
    let cut = doc.version().clone();
    doc.transact(3_000, |tx| {
        tx.text("note").insert(2, "ß?");
        tx.text("note").delete(0..3);
        tx.put("title", "new");
        tx.list("todo").move_to(0, 1);
    });
    let all = doc.save_shallow();
    let value = doc.value();
    doc.forget(&cut);
    for saved in [frozen("doc-7.bin", &doc.save()), old("doc-5.bin"), old("doc-3.bin")] {
        let (copy, mut late) = (Doc::load(&saved, id(9)).unwrap(), late.clone());
        assert_eq!((copy.value(), copy.forgotten()), (value.clone(), &cut));
        late.apply(&copy.delta_since(late.version())).unwrap();
        assert_eq!(late.value(), value);
    }
    for saved in [frozen("doc-7-all.bin", &all), old("doc-5-all.bin"), old("doc-3-all.bin")] {
        let copy = Doc::load(&saved, id(9)).unwrap();
        assert_eq!((copy.value(), copy.forgotten()), (value.clone(), doc.version()));
    }
    let delta = doc.delta_since(&VersionVector::new());
    let olds = [old("delta-whole-forgot-2.bin"), old("delta-whole-forgot.bin")];
    for delta in [frozen("delta-whole-forgot-3.bin", &delta.to_bytes())].into_iter().chain(olds) {
        assert_eq!(taken_in(&delta).save(), doc.save());
    }
}

#[test]
fn files_of_pieces() {
    let mut doc = doc();
    let mut file = doc.save_since(&VersionVector::new());
    let first = doc.version().clone();
    doc.transact(3_000, |tx| tx.text("note").insert(3, "x"));
    file.extend(doc.save_since(&first));
    for file in [frozen("pieces-1-2.bin", &file), old("pieces-1.bin")] {
        let loaded = Doc::load_pieces(&file, id(9)).unwrap();
        assert_eq!((loaded.pieces, loaded.torn), (2, 0));
        assert_eq!(loaded.doc.save(), doc.save());
    }
}

#[test]
fn whole_documents_as_deltas() {
    let mut doc = doc();
    doc.transact(3_000, |tx| tx.text("note").insert(3, &"grüße ".repeat(50)));
    let delta = doc.delta_since(&VersionVector::new());
    // The second was deflated by a library that another crate chose.
    let written = frozen("delta-whole-4.bin", &delta.to_bytes());
    let old = ["delta-whole-3.bin", "delta-whole-2.bin", "delta-whole.bin"].map(old);
    for delta in std::iter::once(written).chain(old) {
        assert_eq!(taken_in(&delta).save(), doc.save());
    }
}

/// What repeats nowhere is a few bits for each byte.
#[test]
fn texts_of_few_letters() {
    let mut doc = Doc::new(id(1));
    let mut random = 7_u32;
    let letters = (0..600).map(|_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'A' + (random >> 27) as u8)
    });
    doc.transact(1_000, |tx| tx.text("note").insert(0, &letters.collect::<String>()));
    let delta = frozen("delta-whole-letters.bin", &doc.delta_since(&VersionVector::new()).to_bytes());
    assert!((400..500).contains(&delta.len()), "{}", delta.len());
    assert_eq!(taken_in(&delta).save(), doc.save());
}

#[derive(Crdt, Clone, Default, PartialEq, Debug)]
struct All {
    g_counter: GCounter,
    pn_counter: PnCounter,
    bounded: BoundedCounter,
    ew: EwFlag,
    dw: DwFlag,
    log: Log<String>,
    g_map: GMap<u64, GCounter>,
    lww_map: LwwMap<u64, i64>,
    or_map: OrMap<String, OrMap<u8, AwSet<u8>>>,
    lww: LwwRegister<String>,
    mv: MvRegister<bool>,
    max: MaxRegister<u64>,
    min: MinRegister<u64>,
    aw_set: AwSet<String>,
    rw_set: RwSet<u32>,
    g_set: GSet<u8>,
    two_phase: TwoPhaseSet<u8>,
    lww_set: LwwSet<u8>,
    tree: Tree<LwwRegister<String>>,
}

fn fill(all: &mut All, n: u8, cx: &mut crdt::dots::Cx) {
    all.g_counter.add(n.into(), cx);
    all.pn_counter.add(-i64::from(n), cx);
    all.bounded.add(5, cx);
    let _ = all.bounded.take(1, cx);
    let _ = all.bounded.transfer(2, id(7), cx);
    all.ew.enable(cx);
    all.dw.enable(cx);
    all.dw.disable(cx);
    all.log.append(format!("entry {n}"), cx);
    all.g_map.update(3, cx, |count, cx| count.add(1, cx));
    all.lww_map.put(1, i64::from(n), cx);
    all.lww_map.put(2, 0, cx);
    all.lww_map.remove(&2, cx);
    all.or_map.update("k".into(), cx, |map, cx| map.update(n, cx, |set, cx| set.insert(n, cx)));
    all.lww.set(format!("by {n}"), cx);
    all.mv.set(n > 1, cx);
    all.max.set(n.into(), cx);
    all.min.set(n.into(), cx);
    all.aw_set.insert(format!("m{n}"), cx);
    all.rw_set.insert(9, cx);
    all.rw_set.remove(&9, cx);
    all.g_set.insert(n, cx);
    all.two_phase.insert(n, cx);
    all.two_phase.remove(&n, cx);
    all.lww_set.insert(n, cx);
    let top = all.tree.create(None, Position::Last, cx);
    let below = all.tree.create(Some(top), Position::First, cx);
    all.tree.update(below, cx, |name, cx| name.set("leaf".into(), cx));
    all.tree.move_to(below, None, Position::First, cx);
}

#[test]
fn types() {
    let (mut a, mut b) = (Replica::<All>::new(id(1)), Replica::<All>::new(id(2)));
    let change = a.edit(1_000, |all, cx| fill(all, 1, cx));
    b.apply(&from_bytes::<Change<All>>(&frozen("change.bin", &to_bytes(&change))).unwrap());
    for bytes in [frozen("change-3.bin", &change.to_bytes()), old("change-2.bin")] {
        assert_eq!(Change::from_bytes(&bytes).unwrap(), change);
    }
    b.edit(2_000, |all, cx| fill(all, 2, cx));
    a.edit(2_000, |all, cx| fill(all, 3, cx));
    a.apply(&b.delta_since(a.seen().version()));
    for saved in [frozen("replica-2.bin", &a.save()), old("replica-1.bin")] {
        let copy = Replica::<All>::open(&saved, id(3)).unwrap();
        assert_eq!(copy.value(), a.value());
        assert_eq!(copy.save(), a.save());
    }
}

#[test]
fn clocks() {
    let version: VersionVector = [(id(1), 5), (id(2), 300)].into_iter().collect();
    assert_eq!(from_bytes::<VersionVector>(&frozen("version.bin", &to_bytes(&version))).unwrap(), version);
    let mut clock = MatrixClock::new([id(1), id(2)]);
    clock.saw(id(2), &version);
    assert_eq!(from_bytes::<MatrixClock>(&frozen("matrix.bin", &to_bytes(&clock))).unwrap(), clock);
    let mut value = DottedVersionVector::new();
    value.write(id(1), &VersionVector::new(), "x".to_string());
    value.write(id(1), &VersionVector::new(), "y".to_string());
    let bytes = frozen("dvv.bin", &to_bytes(&value));
    assert_eq!(from_bytes::<DottedVersionVector<String>>(&bytes).unwrap(), value);
}

#[test]
fn leases() {
    let mut table = Leases::new(id(1), [id(2), id(3)], 86_400_000);
    table.invite(id(4)).unwrap();
    assert!(table.retire(id(3)));
    table.report(&[(id(1), 5), (id(3), 300)].into_iter().collect());
    table.tick(0);
    table.tick(1_000);
    assert_eq!(
        to_bytes(&from_bytes::<Leases>(&frozen("leases.bin", &to_bytes(&table))).unwrap()),
        to_bytes(&table)
    );
}

#[derive(Crdt, Clone, PartialEq, Debug)]
enum Shape {
    Nothing,
    Circle { radius: LwwRegister<u64>, labels: AwSet<String> },
    Group(PnCounter, OneOf<Inner>),
}

#[derive(Crdt, Clone, PartialEq, Debug)]
enum Inner {
    Count(PnCounter),
}

#[derive(Encode, Decode, Clone, PartialEq, Debug)]
enum Plain {
    Nothing,
    Pair(u64, String),
    Named { on: bool },
}

#[derive(Encode, Decode, Clone, PartialEq, Debug)]
struct Plains(Plain, Plain, Plain);

/// Two chose at once; what the variant holds that is not shown stays.
#[test]
fn enums() {
    let (mut a, mut b) = (Replica::<OneOf<Shape>>::new(id(1)), Replica::<OneOf<Shape>>::new(id(2)));
    b.apply(&a.edit(1_000, |shape, cx| {
        let (radius, labels) = Shape::circle(shape, cx);
        radius.set(7, cx);
        labels.insert("round".into(), cx);
    }));
    a.update(2_000, Shape::nothing);
    b.update(2_000, |shape, cx| {
        let (count, inner) = Shape::group(shape, cx);
        count.add(-2, cx);
        Inner::count(inner, cx).add(1, cx);
    });
    a.apply(&b.delta_since(a.seen().version()));
    let copy = Replica::<OneOf<Shape>>::open(&frozen("replica-2-one-of.bin", &a.save()), id(3)).unwrap();
    assert_eq!((copy.value(), copy.save()), (a.value(), a.save()));
    assert!(matches!(copy.value().get(), Some(Shape::Group(count, _)) if count.value() == -2));
    assert_eq!(copy.value().choices().count(), 2);

    let all = Plains(Plain::Nothing, Plain::Pair(300, "grüße".into()), Plain::Named { on: true });
    assert_eq!(from_bytes::<Plains>(&frozen("enums.bin", &to_bytes(&all))).unwrap(), all);
}

#[test]
fn operations() {
    let mut log = PoLog::new(id(2), 10);
    let mut other = PoLog::new(id(1), 10);
    for n in 0..3 {
        log.effect(&other.apply(1_000 + n, Append(format!("entry {n}")))).unwrap();
    }
    let op = log.apply(2_000, Append("grüße".to_string()));
    let tagged = Tagged { dot: op.dot, past: op.past, stamp: op.stamp, op: op.op.0 };
    let read: Tagged<String> = from_bytes(&frozen("tagged.bin", &to_bytes(&tagged))).unwrap();
    assert_eq!(read, tagged);
    assert_eq!((read.past.get(id(1)), read.dot.seq), (3, 1));
}

#[test]
fn contexts() {
    let mut context = CausalContext::new();
    [1, 2, 3, 7, 8, 10].into_iter().for_each(|seq| context.insert(Dot::new(id(1), seq)));
    context.insert(Dot::new(id(2), 300));
    assert_eq!(from_bytes::<CausalContext>(&frozen("context.bin", &to_bytes(&context))).unwrap(), context);
    let ranges: DotRanges = [(1, 2, 5), (1, 9, 10), (2, 0, 1)]
        .into_iter()
        .map(|(replica, after, to)| Span { replica: id(replica), after, to })
        .collect();
    assert_eq!(from_bytes::<DotRanges>(&frozen("ranges.bin", &to_bytes(&ranges))).unwrap(), ranges);
}

/// A delta that an automerge of before wrote is taken, and another reads its changes.
#[test]
fn automerge_documents() {
    let mut doc = AutomergeDoc::new(id(1));
    doc.edit(|doc| doc.put(ROOT, "title", "grüße")).unwrap();
    doc.edit(|doc| doc.put(ROOT, "votes", 3)).unwrap();
    let delta = doc.delta_since(&VersionVector::new());
    let frozen = Delta::from_bytes(&frozen("delta-automerge.bin", &delta.to_bytes())).unwrap();
    let mut copy = AutomergeDoc::new(id(2));
    copy.apply(&frozen).unwrap();
    assert_eq!(copy.version(), doc.version());
    assert_eq!(copy.automerge().get(ROOT, "votes").unwrap().unwrap().0.as_i64(), Some(3));
}

/// Frames of every kind, put together by hand from the table in `sync/frame.rs`.
#[test]
fn frames_of_every_kind() {
    let all = String::from_utf8(old("frames-1.txt")).unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for line in all.lines() {
        let (hex, name) = line.split_once(' ').unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(crdt::testkit::frames(&bytes), std::slice::from_ref(&bytes), "{name}");
        kinds.insert(bytes[0]);
        // Cut short it is no frame.
        assert!(crdt::testkit::frames(&bytes[..bytes.len() - 1]).is_empty(), "{name}");
    }
    assert_eq!(kinds.len(), 17, "{kinds:?}");
    // One of a kind that is to come is skipped.
    assert_eq!(crdt::testkit::frames(&[99, 2, 1, 2, 10, 1, 3]), [[10, 1, 3]]);
}

/// The first message on a link is one frame, the greeting; one that was frozen is answered by what follows a greeting.
#[test]
fn greetings() {
    let node = |n: u128| Node::<AnyDoc>::new(Config::new(id(n), "grüße", Role::Daemon), 1);
    let link = LinkId(1);
    let (mut a, mut b) = (node(1), node(2));
    a.handle(0, Input::LinkUp { link, dialed: true });
    b.handle(0, Input::LinkUp { link, dialed: false });
    let hello = frozen("greeting-1.bin", &a.poll_transmit(0, link).unwrap());
    assert_eq!(crdt::testkit::frames(&hello), std::slice::from_ref(&hello));
    b.handle(0, Input::Frame { link, bytes: hello });
    let outputs: Vec<_> = std::iter::from_fn(|| b.poll_output()).collect();
    assert!(outputs.iter().any(|output| matches!(output, Output::Hello { .. })), "{outputs:?}");
    assert!(!outputs.iter().any(|output| matches!(output, Output::Close { .. })), "{outputs:?}");
}
