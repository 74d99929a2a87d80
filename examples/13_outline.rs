//! An outline in a document: nodes that two people move at once, with undo: `cargo run -p crdt --example 13_outline`

use crdt::doc::{UndoManager, UndoOptions};
use crdt::tree::{NodeId, Position};
use crdt::{ApplyError, Doc, ReplicaId, Replicated};

fn print(doc: &Doc) {
    let Some(tree) = doc.tree("outline") else { return };
    for (depth, node) in tree.walk() {
        let title = tree.data(node).pointer("/title").map(|title| title.to_string()).unwrap_or_default();
        println!("  {}{}", "  ".repeat(depth), title.trim_matches('"'));
    }
}

fn main() -> Result<(), ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    let [trip, packing, tickets]: [NodeId; 3] = alice.transact(1_000, |tx| {
        let mut tree = tx.tree("outline");
        ["trip", "packing", "tickets"].map(|title| {
            let node = tree.create(None, Position::Last);
            if let Some(mut data) = tree.data(node) {
                data.put("title", title);
            }
            node
        })
    });
    bob.apply(&alice.delta_since(bob.version()))?;

    // Apart: Alice puts both below the trip, Bob drops the packing and writes a note into the tickets.
    let mut undo = UndoManager::new(&mut bob, UndoOptions::default());
    alice.transact(2_000, |tx| {
        let mut tree = tx.tree("outline");
        tree.move_to(packing, Some(trip), Position::Last);
        tree.move_to(tickets, Some(trip), Position::First);
    });
    bob.transact(3_000, |tx| {
        let mut tree = tx.tree("outline");
        tree.remove(packing);
        if let Some(mut data) = tree.data(tickets) {
            data.text("note").insert(0, "window seat");
        }
    });

    alice.apply(&bob.delta_since(alice.version()))?;
    bob.apply(&alice.delta_since(bob.version()))?;
    println!("together; Bob's removal was later than Alice's move:");
    print(&alice);
    assert_eq!(alice.value(), bob.value());
    assert_eq!(alice.get("/outline/1/data/note"), Some("window seat".into()));

    undo.undo(&mut bob, 4_000);
    alice.apply(&bob.delta_since(alice.version()))?;
    println!("Bob takes his edit back:");
    print(&alice);
    assert_eq!(alice.tree("outline").map(|tree| tree.children(None).count()), Some(2));
    Ok(())
}
