//! An enum whose variants hold CRDTs: `cargo run -p crdt --features derive --example 17_one_of`

use crdt::counter::PnCounter;
use crdt::map::OrMap;
use crdt::one_of::OneOf;
use crdt::register::LwwRegister;
use crdt::replica::Replica;
use crdt::{Crdt, ReplicaId};

/// A block of a page is a heading, a poll, or a line across.
#[derive(Crdt, Clone, PartialEq, Debug)]
#[crdt(display)]
enum Block {
    Heading { text: LwwRegister<String>, level: LwwRegister<u64> },
    Poll(PnCounter),
    Line,
}

fn main() {
    type Page = OrMap<u64, OneOf<Block>>;
    let mut alice: Replica<Page> = Replica::new(ReplicaId::from_u128(1));
    let mut bob: Replica<Page> = Replica::new(ReplicaId::from_u128(2));

    // Each variant has a function of its name: it chooses the variant and gives what that holds.
    let made = alice.edit(1_000, |page, cx| {
        page.update(1, cx, |block, cx| {
            let (text, level) = Block::heading(block, cx);
            text.set("Where do we go?".into(), cx);
            level.set(2, cx);
        });
        page.update(2, cx, Block::line);
    });
    bob.apply(&made);

    // Offline: Bob makes a poll of the heading and votes, Alice corrects its text.
    let poll = bob.edit(2_000, |page, cx| page.update(1, cx, |block, cx| Block::poll(block, cx).add(1, cx)));
    let text = alice.edit(2_500, |page, cx| {
        page.update(1, cx, |block, cx| Block::heading(block, cx).0.set("Where do we eat?".into(), cx));
    });
    alice.apply(&poll);
    bob.apply(&text);
    assert_eq!(alice.value(), bob.value());
    println!("{bob}"); // a poll; the heading is kept

    alice.update(3_000, |page, cx| {
        page.update(1, cx, |block, cx| {
            let _ = Block::heading(block, cx);
        });
    });
    println!("{alice:#}"); // the heading again, with the corrected text
    assert!(alice.to_string().contains("eat"));
}
