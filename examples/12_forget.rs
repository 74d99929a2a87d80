//! When all have seen a removal it is forgotten; one who was away still catches up:
//! `cargo run -p crdt --example 12_forget`

use crdt::ReplicaId;
use crdt::matrix::MatrixClock;
use crdt::replica::Replica;
use crdt::set::AwSet;

fn main() {
    let ids = [1, 2, 3].map(ReplicaId::from_u128);
    let [mut a, mut b, mut away] = ids.map(Replica::<AwSet<u32>>::new);
    let added = a.edit(0, |set, cx| (0..1_000).for_each(|n| set.insert(n, cx)));
    b.apply(&added);
    away.apply(&added);
    away.edit(0, |set, cx| set.insert(7_777, cx)); // written while away
    for n in 0..900 {
        b.apply(&a.edit(0, |set, cx| set.remove(&n, cx)));
    }

    // The members tell each other what they have seen. The one who is away is not waited for.
    let mut clock = MatrixClock::new([ids[0], ids[1]]);
    clock.saw(ids[0], a.seen().version());
    clock.saw(ids[1], b.seen().version());
    println!("kept for those who have not heard: {} removals", a.removals().len());
    a.forget(&clock.seen_by_all());
    println!("after forgetting: {}", a.removals().len());

    // It gets everything, once; what was removed does not come back, what it wrote is not lost.
    away.apply(&a.delta_since(away.seen().version()));
    a.apply(&away.delta_since(a.seen().version()));
    println!("the one who was away has {} members, as the others", away.value().len());
    assert_eq!(a.value(), away.value());
    assert!(a.value().contains(&7_777) && a.value().len() == 101 && a.removals().is_empty());
}
