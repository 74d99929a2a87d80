//! A list whose elements are moved and edited at once: `cargo run -p crdt --example 07_list`

use crdt::{Doc, ReplicaId, Replicated};

fn main() -> Result<(), crdt::ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    alice.transact(0, |tx| {
        let mut todo = tx.list("todo");
        ["milk", "bread", "tea"].iter().for_each(|what| todo.push_map().put("what", *what));
    });
    bob.apply(&alice.delta_since(bob.version()))?;

    // Both move tea, to different places; Bob ticks it off too.
    alice.transact(1_000, |tx| tx.list("todo").move_to(2, 0));
    bob.transact(2_000, |tx| {
        let mut todo = tx.list("todo");
        if let Some(mut tea) = todo.map(2) {
            tea.flag("done").enable();
        }
        todo.move_to(2, 1);
    });
    bob.record_patches();
    alice.apply(&bob.delta_since(alice.version()))?;
    bob.apply(&alice.delta_since(bob.version()))?;
    println!("{}", alice.value());
    assert_eq!(alice.value(), bob.value());
    let expected = r#"{"todo":[{"what":"milk"},{"done":true,"what":"tea"},{"what":"bread"}]}"#;
    assert_eq!(alice.value().to_string(), expected, "it stands once, where the later move put it");
    Ok(())
}
