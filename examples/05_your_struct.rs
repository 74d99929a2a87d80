//! A struct of CRDTs is a CRDT: `cargo run -p crdt --features derive --example 05_your_struct`

use crdt::counter::PnCounter;
use crdt::register::LwwRegister;
use crdt::replica::Replica;
use crdt::set::AwSet;
use crdt::{Crdt, Decode, Encode, ReplicaId};

#[derive(Crdt, Clone, Default, PartialEq, Debug)]
struct Recipe {
    name: LwwRegister<String>,
    ingredients: AwSet<String>,
    stars: PnCounter,
    course: LwwRegister<Course>,
}

#[derive(Encode, Decode, Clone, PartialEq, Debug)]
enum Course {
    Soup,
    Main { minutes: u64 },
}

fn main() -> Result<(), crdt::codec::DecodeError> {
    let mut a: Replica<Recipe> = Replica::new(ReplicaId::from_u128(1));
    let mut b: Replica<Recipe> = Replica::new(ReplicaId::from_u128(2));
    let from_a = a.edit(1_000, |recipe, cx| {
        recipe.name.set("Borscht".into(), cx);
        recipe.course.set(Course::Soup, cx);
        recipe.ingredients.insert("beetroot".into(), cx);
    });
    let from_b = b.edit(2_000, |recipe, cx| {
        recipe.course.set(Course::Main { minutes: 90 }, cx);
        recipe.ingredients.insert("dill".into(), cx);
        recipe.stars.add(5, cx);
    });
    a.apply(&from_b);
    b.apply(&from_a);
    assert_eq!(a.value(), b.value());
    println!("{:?} as {:?}", a.value().name.get(), a.value().course.get());
    println!("with {:?}", a.value().ingredients.iter().collect::<Vec<_>>());

    // It is saved and opened like any type here.
    let copy: Replica<Recipe> = Replica::open(&a.save(), ReplicaId::from_u128(3))?;
    assert_eq!(copy.value(), a.value());
    Ok(())
}
