//! A file that grows piece by piece: torn or damaged anywhere, it gives what was whole, and says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::codec::DecodeError;
use crdt::{ApplyError, Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n)
}

/// A file, where each piece ends, and the document as it was then.
fn written(edits: &[u8]) -> (Vec<u8>, Vec<(usize, Doc)>) {
    let mut doc = Doc::new(id(1));
    let (mut file, mut then, mut saved) = (Vec::new(), vec![(0, doc.clone())], VersionVector::new());
    for edit in edits {
        doc.transact(u64::from(*edit), |tx| match edit % 4 {
            0 => tx.text("note").insert(0, &"some text ".repeat(usize::from(*edit))),
            1 => tx.text("note").delete(0..usize::from(*edit)),
            2 => tx.map("m").put("k", i64::from(*edit)),
            _ => tx.list("l").push(i64::from(*edit)),
        });
        if edit % 5 == 4 {
            doc.forget(&saved.clone());
        }
        file.extend(doc.save_since(&saved));
        saved = doc.version().clone();
        then.push((file.len(), doc.clone()));
    }
    (file, then)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn wherever_it_is_torn_what_is_whole_is_read(edits in prop::collection::vec(any::<u8>(), 1..9), at: prop::sample::Index) {
        let (file, then) = written(&edits);
        prop_assert!(Doc::new(id(1)).save_since(&VersionVector::new()).is_empty());
        let cut = at.index(file.len() + 1);
        let loaded = Doc::load_pieces(&file[..cut], id(2)).unwrap();
        let (len, doc) = then.iter().rev().find(|(len, _)| *len <= cut).unwrap();
        prop_assert_eq!((loaded.len, loaded.torn), (*len, cut - len));
        prop_assert_eq!(loaded.doc.version(), doc.version());
        prop_assert_eq!(loaded.doc.value(), doc.value());
        prop_assert_eq!(loaded.doc.author(), id(2));
        // Written anew it is one piece, and goes on.
        let mut again = loaded.doc.save_since(&VersionVector::new());
        let mut doc = loaded.doc.clone();
        let saved = doc.version().clone();
        doc.transact(9, |tx| tx.text("note").insert(0, "and on"));
        again.extend(doc.save_since(&saved));
        let again = Doc::load_pieces(&again, id(3)).unwrap();
        prop_assert_eq!((again.doc.value(), again.torn), (doc.value(), 0));
        prop_assert!(again.pieces <= 2);
    }

    #[test]
    fn a_damaged_byte_costs_no_piece_before_it(edits in prop::collection::vec(any::<u8>(), 1..9), at: prop::sample::Index, to: u8) {
        let (mut file, then) = written(&edits);
        prop_assume!(!file.is_empty());
        let at = at.index(file.len());
        prop_assume!(file[at] != to);
        file[at] = to;
        let (len, before) = then.iter().rev().find(|(len, _)| *len <= at).unwrap();
        match Doc::load_pieces(&file, id(2)) {
            Ok(loaded) => {
                prop_assert_eq!((loaded.len, loaded.torn), (*len, file.len() - len));
                prop_assert_eq!(loaded.doc.value(), before.value());
            }
            Err(ApplyError::Invalid(DecodeError::Version { .. })) => {}
            Err(error) => prop_assert!(*len == 0, "{error}"),
        }
    }
}

#[test]
fn what_is_something_else_is_refused() {
    let doc = written(&[0, 1]).1.pop().unwrap().1;
    for bytes in [&doc.save()[..], b"hello, this is text", b"CRDP\x02 of a newer format, and long enough"] {
        assert!(matches!(Doc::load_pieces(bytes, id(2)), Err(ApplyError::Invalid(_))), "{bytes:?}");
    }
    assert!(Doc::load_pieces(&[], id(2)).unwrap().doc.version().is_empty());
}
