//! Two people type at one place; nothing is interleaved: `cargo run -p crdt --example 06_text`

use crdt::text::Side;
use crdt::{Doc, ReplicaId, Replicated};

fn main() -> Result<(), crdt::ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    alice.transact(0, |tx| tx.text("note").insert(0, "Dear ,"));
    bob.apply(&alice.delta_since(bob.version()))?;

    // Bob's cursor holds on to the comma.
    let cursor = bob.cursor("/note", 5, Side::Before).ok_or(crdt::ApplyError::Missing)?;
    for (doc, word) in [(&mut alice, "Grace"), (&mut bob, "Ada")] {
        for (i, c) in word.chars().enumerate() {
            doc.transact(1, |tx| tx.text("note").insert(5 + i, &c.to_string()));
        }
    }
    alice.apply(&bob.delta_since(alice.version()))?;
    bob.apply(&alice.delta_since(bob.version()))?;
    println!("{}", bob.value());
    assert_eq!(alice.value(), bob.value());
    assert_eq!(bob.get("/note"), Some("Dear GraceAda,".into()));
    assert_eq!(bob.position(&cursor), Some(("/note".into(), 13)));
    Ok(())
}
