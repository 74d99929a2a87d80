//! Two replicas edit the same document offline and meet: `cargo run -p crdt --example two_replicas`

use crdt::doc::Patch;
use crdt::{Doc, ReplicaId, Replicated};

fn main() -> Result<(), crdt::ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    alice.transact(1_000, |tx| {
        tx.text("note").insert(0, "We meet on Monday.");
        tx.set("guests").insert("Alice");
    });
    bob.apply(&alice.delta_since(bob.version()))?;

    // Both are offline now, and both edit.
    alice.transact(2_000, |tx| tx.text("note").replace(11..17, "Tuesday"));
    bob.transact(2_000, |tx| {
        tx.text("note").insert(18, " Bring cake!");
        tx.set("guests").insert("Bob");
    });

    // They meet. Each sends what the other lacks; Bob's screen is told what changed.
    bob.record_patches();
    let (for_alice, for_bob) = (bob.delta_since(alice.version()), alice.delta_since(bob.version()));
    alice.apply(&for_alice)?;
    bob.apply(&for_bob)?;
    for patch in bob.take_patches() {
        if let Patch::Text { path, patch } = patch {
            println!("bob's screen, {path}: {patch:?}");
        }
    }

    println!("{}", alice.value());
    assert_eq!(alice.value(), bob.value());
    assert_eq!(
        alice.text("note").map(ToString::to_string).as_deref(),
        Some("We meet on Tuesday. Bring cake!")
    );
    Ok(())
}
