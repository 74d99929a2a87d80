//! Deltas are bytes; what is damaged is refused: `cargo run -p crdt --example 11_over_the_wire`

use crdt::{ApplyError, Delta, Doc, ReplicaId, Replicated};

fn main() -> Result<(), ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    alice.transact(0, |tx| tx.text("note").insert(0, "hello"));

    // Bob says what he has; Alice answers with what he lacks.
    let question = crdt::codec::to_bytes(bob.version());
    let known = crdt::codec::from_bytes(&question)?;
    let answer: Vec<u8> = alice.delta_since(&known).to_bytes();
    println!("asked in {} bytes, answered in {}", question.len(), answer.len());

    let mut damaged = answer.clone();
    damaged.truncate(answer.len() - 1);
    if let Err(error) = Delta::from_bytes(&damaged) {
        println!("damaged: {error}");
    }

    bob.apply(&Delta::from_bytes(&answer)?)?;
    assert!(bob.apply(&Delta::from_bytes(&answer)?)?.novel.is_empty(), "twice is once");
    assert_eq!(alice.value(), bob.value());

    // One more character costs a few bytes.
    let before = alice.version().clone();
    alice.transact(0, |tx| tx.text("note").insert(5, "!"));
    println!("one character: {} bytes of content", alice.delta_since(&before).body.len());

    // A file is checked as a whole.
    let copy = Doc::load(&alice.save(), ReplicaId::from_u128(3))?;
    assert_eq!(copy.value(), alice.value());
    Ok(())
}
