//! A document with types, checked by the compiler: `cargo run -p crdt --features derive --example 18_typed_document`

use crdt::doc::schema::{Counter, Flag, List, Map, Plain, Register, Schema, Text};
use crdt::doc::{UndoManager, UndoOptions};
use crdt::{ApplyError, Doc, ReplicaId, Replicated};

#[derive(Schema)]
struct Board {
    notes: Text,
    cards: List<Card>,
    people: Map<Person>,
}

#[derive(Schema)]
struct Card {
    what: Register<String>,
    state: Register<State>,
    votes: Counter,
    parts: List<Card>, // to any depth
}

#[derive(Schema)]
struct Person {
    #[crdt(name = "full name")] // in the document
    name: Register<String>,
    away: Flag,
}

#[derive(Plain, PartialEq, Debug)]
enum State {
    Open,
    Done,
}

fn show(card: &CardRef<'_>, depth: usize) {
    let (what, votes) = (card.what().get().unwrap_or_default(), card.votes().get());
    println!("{:depth$}{what}: {:?}, {votes} votes, at {}", "", card.state().get(), card.pointer());
    card.parts().iter().for_each(|part| show(&part, depth + 2));
}

fn main() -> Result<(), ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    alice.transact(1_000, |tx| {
        let mut board = tx.edit_as::<Board>();
        board.notes().insert(0, "Bring a tent.");
        board.people().entry("ada").name().set("Ada Lovelace");
        let mut cards = board.cards();
        let mut trip = cards.push();
        trip.what().set("trip");
        trip.parts().push().what().set("tickets");
    });
    bob.apply(&alice.delta_since(bob.version()))?;

    // Apart, and undone: all that documents can.
    let mut undo = UndoManager::new(&mut alice, UndoOptions::default());
    alice.transact(2_000, |tx| tx.edit_as::<Board>().cards().insert(0).state().set(State::Open));
    bob.transact(2_000, |tx| {
        let mut board = tx.edit_as::<Board>();
        board.people().entry("ada").away().enable();
        if let Some(mut card) = board.cards().at(0) {
            card.state().set(State::Done);
            card.votes().add(2);
        }
    });
    undo.undo(&mut alice, 3_000);
    alice.apply(&bob.delta_since(alice.version()))?;

    let board = alice.read_as::<Board>();
    println!("{} With {:?}", board.notes(), board.people().keys().collect::<Vec<_>>());
    board.cards().iter().for_each(|card| show(&card, 0));
    assert!(board.people().get("ada").is_some_and(|ada| ada.away().get()));
    assert_eq!(board.cards().at(0).and_then(|card| card.state().get()), Some(State::Done));
    assert_eq!(alice.get("/people/ada/full name"), Some("Ada Lovelace".into()));
    Ok(())
}
