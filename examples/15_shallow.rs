//! Drop the history that all have, save without it, and bring back one who was away:
//! `cargo run -p crdt --example 15_shallow`

use crdt::matrix::MatrixClock;
use crdt::{ApplyError, Doc, ReplicaId, Replicated, VersionVector};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ids = [1, 2, 3].map(ReplicaId::from_u128);
    let [mut ada, mut bob, mut away] = ids.map(Doc::new);
    ada.transact(0, |tx| tx.text("note").insert(0, "It was a dark night."));
    bob.apply(&ada.delta_since(bob.version()))?;
    away.apply(&ada.delta_since(away.version()))?;
    away.transact(1, |tx| tx.text("note").insert(13, " and stormy")); // offline, for months

    for n in 0..2_000 {
        ada.transact(n, |tx| tx.text("note").insert(19, &format!(" draft {n}")));
        ada.transact(n, |tx| tx.text("note").delete(19..20 + format!("draft {n}").len()));
    }
    bob.apply(&ada.delta_since(bob.version()))?;

    // The members tell each other what they have seen. The one who is away is not waited for.
    let mut seen = MatrixClock::new([ids[0], ids[1]]);
    seen.saw(ids[0], ada.version());
    seen.saw(ids[1], bob.version());
    let before = ada.save().len();
    ada.forget(&seen.stable(ada.version()));
    println!("with history {before} bytes, without {}", ada.save().len());

    // Bob has not forgotten; they go on together.
    bob.transact(3_000, |tx| tx.text("note").insert(20, " The end."));
    ada.apply(&bob.delta_since(ada.version()))?;
    assert_eq!(ada.value(), bob.value());

    // Who was away cannot be merged, and is told so. Its edits are made anew, when they are approved.
    let theirs = ada.delta_since(away.version());
    assert_eq!(away.apply(&theirs), Err(ApplyError::Behind));
    let mut fresh = Doc::new(ReplicaId::from_u128(4));
    fresh.apply(&theirs)?;
    let rescue = away.rescue(fresh);
    for edit in rescue.edits() {
        println!("to be made anew: {edit}");
    }
    let (away, left) = rescue.apply(4_000, |_| true);
    assert!(left.is_empty());
    ada.apply(&away.delta_since(ada.version()))?;
    println!("{}", ada.value());

    // A file that grows by what is new.
    let mut file = ada.save_since(&VersionVector::new());
    let saved = ada.version().clone();
    ada.transact(5_000, |tx| tx.text("note").insert(0, "> "));
    file.extend(ada.save_since(&saved));
    let loaded = Doc::load_pieces(&file, ReplicaId::from_u128(5))?;
    println!("{} pieces, {} bytes", loaded.pieces, loaded.len);
    assert_eq!(loaded.doc.value(), ada.value());
    Ok(())
}
