//! Adding against removing, in each kind of set: `cargo run -p crdt --example 02_set`

use crdt::ReplicaId;
use crdt::dots::{Cx, DotStore};
use crdt::replica::Replica;
use crdt::set::{AwSet, LwwSet, RwSet};

/// One removes what the other adds again at the same time; the remover's clock is ahead.
fn race<S: DotStore>(add: fn(&mut S, &mut Cx), remove: fn(&mut S, &mut Cx), is_in: fn(&S) -> bool) -> bool {
    let (mut a, mut b) = (Replica::<S>::new(ReplicaId::from_u128(1)), Replica::new(ReplicaId::from_u128(2)));
    b.apply(&a.edit(1_000, add));
    let removed = a.edit(3_000, remove);
    let added = b.edit(2_000, add);
    a.apply(&added);
    b.apply(&removed);
    assert_eq!(a.value(), b.value());
    is_in(a.value())
}

fn main() {
    let add_wins = race::<AwSet<&str>>(
        |set, cx| set.insert("tea", cx),
        |set, cx| {
            set.remove(&"tea", cx);
        },
        |set| set.contains(&"tea"),
    );
    let remove_wins = race::<RwSet<&str>>(
        |set, cx| set.insert("tea", cx),
        |set, cx| {
            set.remove(&"tea", cx);
        },
        |set| set.contains(&"tea"),
    );
    let last_wins = race::<LwwSet<&str>>(
        |set, cx| set.insert("tea", cx),
        |set, cx| {
            set.remove(&"tea", cx);
        },
        |set| set.contains(&"tea"),
    );
    println!("tea was removed and added again at once. Is it in?");
    println!("AwSet: {add_wins}, RwSet: {remove_wins}, LwwSet: {last_wins}");
    assert_eq!((add_wins, remove_wins, last_wins), (true, false, false));
}
