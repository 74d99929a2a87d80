//! Types nest as deep as you like: `cargo run -p crdt --example 04_nested_map`

use crdt::ReplicaId;
use crdt::counter::PnCounter;
use crdt::map::OrMap;
use crdt::replica::Replica;

/// Stock by shop and article.
type Stock = OrMap<String, OrMap<String, PnCounter>>;

fn main() {
    let mut till: Replica<Stock> = Replica::new(ReplicaId::from_u128(1));
    let mut office: Replica<Stock> = Replica::new(ReplicaId::from_u128(2));
    let add = |n| {
        move |stock: &mut Stock, cx: &mut crdt::dots::Cx| {
            stock.update("Lund".into(), cx, |shop, cx| {
                shop.update("tea".into(), cx, |count, cx| count.add(n, cx))
            });
        }
    };
    office.apply(&till.edit(1_000, add(10)));

    // The office closes the shop in its books while the till still sells.
    let closed = office.edit(2_000, |stock, cx| stock.remove("Lund", cx));
    let sold = till.edit(2_000, add(-1));
    till.apply(&closed);
    office.apply(&sold);

    // What the office saw is gone; the sale that it had not seen is not lost.
    let left = till.value().get("Lund").and_then(|shop| shop.get("tea")).map(PnCounter::value);
    println!("left in the books: {left:?}");
    assert_eq!(till.value(), office.value());
    assert_eq!(left, Some(9), "a counter's total is one value: the last sale brings it back");
}
