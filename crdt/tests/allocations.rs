//! Typing asks for no memory: a keystroke goes where there is room, and room is made for many at a time.
#![allow(clippy::unwrap_used)] // a test may

use std::alloc::System;

use crdt::{Doc, ReplicaId, Replicated};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEYSTROKES: usize = 10_000;

/// In how many of the keystrokes something was allocated or grew.
fn allocating(mut keystroke: impl FnMut(usize)) -> usize {
    let allocates = |n: &usize| {
        let region = Region::new(ALLOCATOR);
        keystroke(*n);
        let change = region.change();
        change.allocations + change.reallocations > 0
    };
    (0..KEYSTROKES).filter(allocates).count()
}

fn typing(doc: &mut Doc, pos: usize) -> usize {
    allocating(|n| doc.transact(n as u64, |tx| tx.text("note").insert(pos + n, "a")))
}

fn deleting_back(doc: &mut Doc, end: usize) -> usize {
    allocating(|n| doc.transact(n as u64, |tx| tx.text("note").delete(end - n - 1..end - n)))
}

// One test: the allocator counts what all threads ask for.
#[test]
fn one_keystroke_in_a_hundred_allocates_at_most() {
    let most = KEYSTROKES / 100;
    let mut alone = Doc::new(ReplicaId::from_u128(1));
    alone.transact(0, |tx| tx.text("note").insert(0, &"hello, world. ".repeat(1000)));

    // Who wrote it all, and one who has what another wrote.
    let mut shared = Doc::new(ReplicaId::from_u128(2));
    shared.apply(&alone.delta_since(shared.version())).unwrap();
    for (who, doc) in [("who wrote it all", &mut alone), ("who has it from another", &mut shared)] {
        for (what, count) in [
            ("at the end", typing(doc, 14_000)),
            ("in the middle", typing(doc, 7_000)),
            ("away again", deleting_back(doc, 17_000)),
        ] {
            assert!(count <= most, "typed {what} by {who}: {count} of {KEYSTROKES} keystrokes allocate");
        }
    }
    assert_eq!(alone.text("note").unwrap().len(), 24_000);
}
