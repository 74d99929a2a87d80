//! Two replicas count while apart: `cargo run -p crdt --example 01_counter`

use crdt::ReplicaId;
use crdt::counter::PnCounter;
use crdt::replica::Replica;

fn main() {
    // A replica is a place that writes. An app draws a random id for each.
    let mut phone: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(1));
    let mut laptop: Replica<PnCounter> = Replica::new(ReplicaId::from_u128(2));

    // Every edit gives back what the others must be told. The number is the wall clock, in milliseconds.
    let from_phone = phone.edit(1_000, |likes, cx| likes.add(3, cx));
    let from_laptop = laptop.edit(1_000, |likes, cx| likes.add(-1, cx));
    println!("apart:    phone {}, laptop {}", phone.value().value(), laptop.value().value());

    // They may come late, twice, or in any order.
    laptop.apply(&from_phone);
    laptop.apply(&from_phone);
    phone.apply(&from_laptop);
    println!("together: phone {}, laptop {}", phone.value().value(), laptop.value().value());
    assert_eq!((phone.value().value(), laptop.value().value()), (2, 2));
}
