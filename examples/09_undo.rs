//! Undo takes back what was done here, not what others did: `cargo run -p crdt --example 09_undo`

use crdt::doc::{UndoManager, UndoOptions};
use crdt::{Doc, ReplicaId, Replicated};

fn main() -> Result<(), crdt::ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    let mut undo = UndoManager::new(&mut alice, UndoOptions::default());

    alice.transact(0, |tx| tx.list("cards").push_map().text("title").insert(0, "Plan"));
    alice.transact(10_000, |tx| {
        tx.list("cards").remove(0);
    });
    bob.apply(&alice.delta_since(bob.version()))?;
    bob.transact(11_000, |tx| tx.put("owner", "Bob"));
    alice.apply(&bob.delta_since(alice.version()))?;
    println!("removed:      {}", alice.value());

    undo.undo(&mut alice, 12_000);
    println!("undone:       {}", alice.value());
    assert_eq!(alice.value().to_string(), r#"{"cards":[{"title":"Plan"}],"owner":"Bob"}"#);

    undo.undo(&mut alice, 13_000);
    println!("undone twice: {}", alice.value()); // the card was not made; what Bob wrote stays
    undo.redo(&mut alice, 14_000);
    println!("redone once:  {}", alice.value());
    undo.redo(&mut alice, 15_000);
    println!("redone twice: {}", alice.value());
    assert_eq!(alice.value().to_string(), r#"{"owner":"Bob"}"#);
    bob.apply(&alice.delta_since(bob.version()))?;
    assert_eq!(alice.value(), bob.value());
    Ok(())
}
