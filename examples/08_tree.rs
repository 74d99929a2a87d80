//! Folders moved into each other at once: `cargo run -p crdt --example 08_tree`

use crdt::ReplicaId;
use crdt::register::LwwRegister;
use crdt::replica::Replica;
use crdt::tree::{NodeId, Position, Tree};

type Folders = Tree<LwwRegister<String>>;

fn print(tree: &Folders) {
    for (depth, node) in tree.walk() {
        let name = tree.get(node).and_then(|name| name.get()).map_or("?", String::as_str);
        println!("{}{name}", "  ".repeat(depth + 1));
    }
}

fn main() {
    let mut a: Replica<Folders> = Replica::new(ReplicaId::from_u128(1));
    let mut b: Replica<Folders> = Replica::new(ReplicaId::from_u128(2));
    let (change, [work, home]) = a.edit_with(1_000, |tree, cx| {
        ["work", "home"].map(|name| -> NodeId {
            let node = tree.create(None, Position::Last, cx);
            tree.update(node, cx, |register, cx| register.set(name.into(), cx));
            node
        })
    });
    b.apply(&change);

    let first = a.edit(2_000, |tree, cx| tree.move_to(work, Some(home), Position::Last, cx));
    let second = b.edit(3_000, |tree, cx| tree.move_to(home, Some(work), Position::Last, cx));
    a.apply(&second);
    b.apply(&first);
    println!("each was moved into the other; the earlier move stands:");
    print(a.value());
    assert_eq!(a.value(), b.value());
    assert_eq!((a.value().parent(work), a.value().parent(home)), (Some(home), None));
}
