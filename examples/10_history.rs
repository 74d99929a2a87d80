//! Look at the past, and draw it: `cargo run -p crdt --example 10_history`

use crdt::{Doc, ReplicaId, Replicated};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    alice.keep_history();
    alice.transact(1_000, |tx| tx.put("title", "draft"));
    let first = alice.version().clone();
    let mut bob = alice.fork(ReplicaId::from_u128(2));
    bob.transact(2_000, |tx| tx.put("title", "Bob's"));
    alice.transact(2_000, |tx| tx.text("body").insert(0, "It begins."));
    alice.apply(&bob.delta_since(alice.version()))?;

    println!("then: {}", alice.at(&first)?.value());
    println!("now:  {}", alice.value());
    for patch in alice.diff(&first, alice.version())? {
        println!("since: {patch:?}");
    }
    // For a Markdown page, or https://mermaid.live
    println!("{}", alice.graph().to_mermaid());
    assert_eq!(alice.at(&first)?.get("/title"), Some("draft".into()));
    Ok(())
}
