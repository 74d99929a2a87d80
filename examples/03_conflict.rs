//! Two write one field at once; the app sees both: `cargo run -p crdt --example 03_conflict`

use crdt::{Doc, ReplicaId, Replicated};

fn main() -> Result<(), crdt::ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    alice.transact(1_000, |tx| tx.put("title", "Launch"));
    bob.transact(2_000, |tx| tx.put("title", "Ship it"));

    // The conflict feed: which writes met, who won, and why.
    let _subscription = alice.subscribe(|change| {
        change.conflicts.iter().for_each(|conflict| println!("conflict at {conflict}"));
    });
    alice.apply(&bob.delta_since(alice.version()))?;
    assert_eq!(alice.get("/title"), Some("Ship it".into()));
    assert_eq!(alice.conflicts().len(), 1, "it stays until someone writes again");

    alice.transact(3_000, |tx| tx.put("title", "Ship the launch"));
    assert!(alice.conflicts().is_empty());
    println!("settled: {}", alice.value());
    Ok(())
}
