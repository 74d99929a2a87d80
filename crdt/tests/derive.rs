//! Derived structs obey the laws like any type, however they are made and nested.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::codec::{Decode as _, Reader, from_bytes, to_bytes};
use crdt::counter::PnCounter;
use crdt::dots::{Cx, DotStore};
use crdt::flag::EwFlag;
use crdt::map::OrMap;
use crdt::one_of::OneOf;
use crdt::register::{LwwRegister, MvRegister};
use crdt::replica::{Change, Replica};
use crdt::set::AwSet;
use crdt::testkit::{Edited, Kit, Pick};
use crdt::traits::StateCrdt;
use crdt::{Crdt, Decode, Encode, ReplicaId};
use proptest::prelude::*;

#[derive(Crdt, Clone, Default, PartialEq, Debug)]
struct Card<T: Clone + PartialEq + std::fmt::Debug> {
    title: LwwRegister<T>,
    labels: AwSet<u8>,
    checks: OrMap<u8, Pair<EwFlag>>,
}

#[derive(Crdt, Clone, Default, PartialEq, Debug)]
struct Pair<F>(F, PnCounter)
where
    F: DotStore;

#[derive(Crdt, Clone, Default, PartialEq, Debug)]
struct Board {
    cards: OrMap<u8, Card<Kind>>,
    notes: MvRegister<String>,
}

#[derive(Encode, Decode, Clone, Default, PartialEq, Debug)]
enum Kind {
    #[default]
    Plain,
    Numbered(u64),
    Named {
        name: String,
        big: bool,
    },
}

#[derive(Encode, Decode, Clone, PartialEq, Debug)]
struct Point<T>(T, T);

fn edit(replica: &mut Replica<Board>, now: u64, n: u8) -> Change<Board> {
    replica.edit(now, |board, cx| match n % 7 {
        0 => board.cards.update(n / 7 % 3, cx, |card, cx| card.title.set(Kind::Numbered(n.into()), cx)),
        1 => board.cards.update(n / 7 % 3, cx, |card, cx| card.labels.insert(n % 4, cx)),
        2 => board.cards.update(n / 7 % 3, cx, |card, cx| {
            card.checks.update(0, cx, |pair, cx| {
                pair.0.enable(cx);
                pair.1.add(1, cx);
            });
        }),
        3 => drop(Some(board.cards.remove(&(n / 7 % 3), cx))),
        4 => board.notes.set(n.to_string(), cx),
        5 => board.clear(cx),
        _ => board.cards.update(n / 7 % 3, cx, |card, cx| {
            card.title.set(Kind::Named { name: "x".into(), big: true }, cx);
            card.title.set(Kind::Plain, cx);
        }),
    })
}

proptest! {
    #[test]
    fn a_derived_struct_obeys_the_laws(edits in prop::collection::vec((0..2usize, any::<u8>(), any::<bool>()), 0..30)) {
        let mut both = [1, 2].map(|n| Replica::<Board>::new(ReplicaId::from_u128(n)));
        let mut by_op = Replica::<Board>::new(ReplicaId::from_u128(3));
        for (time, (at, n, meet)) in edits.into_iter().enumerate() {
            let change = edit(&mut both[at], time as u64, n);
            let change: Change<Board> = from_bytes(&to_bytes(&change)).unwrap();
            by_op.apply(&change);
            if meet {
                let delta = both[at].delta_since(both[1 - at].seen().version());
                both[1 - at].apply(&delta);
            }
        }
        let [mut a, b] = both;
        let mut c = b.clone();
        c.merge(&a);
        a.merge(&b);
        prop_assert_eq!(a.value(), c.value());
        prop_assert_eq!(a.value(), by_op.value());
        let copy = Replica::<Board>::open(&a.save(), ReplicaId::from_u128(1)).unwrap();
        prop_assert_eq!(copy.value(), a.value());
    }
}

#[test]
fn plain_values_are_read_back_and_nothing_else_is() {
    for kind in [Kind::Plain, Kind::Numbered(7), Kind::Named { name: "é".into(), big: false }] {
        assert_eq!(from_bytes::<Kind>(&to_bytes(&kind)).unwrap(), kind);
    }
    assert_eq!(from_bytes::<Point<u64>>(&to_bytes(&Point(1u64, 2))).unwrap(), Point(1, 2));
    let error = Kind::decode(&mut Reader::new(&[9], &[])).unwrap_err();
    assert!(error.to_string().contains("unknown variant of Kind"), "{error}");
}

/// An enum whose variants hold CRDTs, one of them an enum again.
#[derive(Crdt, Clone, PartialEq, Debug)]
#[crdt(display)]
enum Shape<T: Clone + PartialEq + std::fmt::Debug> {
    Nothing,
    Circle { radius: LwwRegister<T>, labels: AwSet<u8> },
    Group(OneOf<Inner>),
    Type(PnCounter, EwFlag),
}

#[derive(Crdt, Clone, PartialEq, Debug)]
#[crdt(display)]
enum Inner {
    Count(PnCounter),
    Labels(AwSet<u8>),
}

/// Variants within a map, so that they are removed, too.
#[derive(Crdt, Clone, Default, PartialEq, Debug)]
struct Drawing(OrMap<u8, OneOf<Shape<u8>>>, OneOf<Shape<u8>>);

fn draw(shape: &mut OneOf<Shape<u8>>, n: u8, cx: &mut Cx) {
    match n % 9 {
        0 => Shape::nothing(shape, cx),
        1 | 2 => Shape::circle(shape, cx).0.set(n, cx),
        3 => Shape::circle(shape, cx).1.insert(n % 3, cx),
        4 => {
            Shape::circle(shape, cx).1.remove(&(n % 3), cx);
        }
        5 => Inner::count(Shape::group(shape, cx), cx).add(1, cx),
        6 => Inner::labels(Shape::group(shape, cx), cx).insert(n % 3, cx),
        7 => Shape::r#type(shape, cx).0.add(-1, cx),
        _ => shape.clear(cx),
    }
}

impl Edited for Drawing {
    type Shown = Self;

    fn shown(&self) -> Self {
        self.clone()
    }

    fn edit(&mut self, pick: &mut Pick<'_>, cx: &mut Cx) {
        match (pick.byte(), pick.byte()) {
            (15, _) => self.clear(cx),
            (what, n) if what % 4 == 0 => draw(&mut self.1, n, cx),
            (what, n) if what % 4 == 1 => {
                self.0.remove(&(n % 2), cx);
            }
            (what, n) => self.0.update(what / 4 % 2, cx, |shape, cx| draw(shape, n, cx)),
        }
    }
}

/// All laws, all forms, and the bytes, on thousands of schedules.
#[test]
fn an_enum_obeys_the_laws() {
    let kit = Kit::<Replica<Drawing>>::new().deltas().ops().codec().rollback();
    if let Some(story) = kit.run(1, 3_000).failure {
        panic!("{story}");
    }
}

#[test]
fn the_variant_that_was_chosen_last_is_shown_and_the_others_stay() {
    let [mut a, mut b] = [1, 2].map(|n| Replica::<OneOf<Shape<u8>>>::new(ReplicaId::from_u128(n)));
    a.update(1, |shape, cx| Shape::circle(shape, cx).0.set(5, cx));
    let group = b.edit(2, |shape, cx| Inner::count(Shape::group(shape, cx), cx).add(3, cx));
    a.apply(&group);
    assert_eq!(a.to_string(), "Group(Count(3))");
    assert_eq!(a.value().choices().map(|(_, number)| number).collect::<Vec<_>>(), [2, 1]);
    // A removal that had seen only the winner brings the other back, in whatever order it comes.
    let cleared = b.edit(3, |shape, cx| shape.clear(cx));
    a.apply(&cleared);
    assert!(matches!(a.value().get(), Some(Shape::Circle { radius, .. }) if radius.get() == Some(&5)));
    assert_eq!(a.to_string(), "Circle { radius: 5, labels: {} }");
    // To choose what is shown takes no event.
    let before = a.seen().clone();
    a.update(4, |shape, cx| {
        let _ = Shape::circle(shape, cx);
    });
    assert_eq!(a.seen(), &before);
}

/// As serde shows enums, with what the variant holds as its types are shown.
#[test]
fn a_variant_is_shown_as_serde_shows_it() {
    #[derive(Crdt, serde::Serialize, Clone, PartialEq, Debug)]
    enum Payment {
        Cash,
        Card { number: LwwRegister<String>, tries: PnCounter },
    }
    let mut payment: Replica<OneOf<Payment>> = Replica::new(ReplicaId::from_u128(1));
    let shown = |payment: &Replica<OneOf<Payment>>| serde_json::to_string(payment).unwrap();
    assert_eq!(shown(&payment), "null");
    payment.update(0, |payment, cx| {
        let (number, tries) = Payment::card(payment, cx);
        number.set("4000".into(), cx);
        tries.add(2, cx);
    });
    assert_eq!(shown(&payment), r#"{"Card":{"number":"4000","tries":2}}"#);
    payment.update(0, Payment::cash);
    assert_eq!(shown(&payment), r#""Cash""#);
}

#[test]
fn bytes_of_variants_that_are_not_canonical_are_refused() {
    let read = |bytes: &[u8]| OneOf::<Inner>::decode(&mut Reader::new(bytes, &[]));
    let empty = to_bytes(&OneOf::<Inner>::default());
    assert_eq!(from_bytes::<OneOf<Inner>>(&empty).unwrap(), OneOf::default());
    assert!(read(&empty[1..]).is_ok());
    // A variant that holds nothing, and one that there is not.
    let with = |variant: &[u8]| [&empty[1..empty.len() - 1], &[1], variant].concat();
    for variant in [&[0, 0, 0][..], &[1, 0], &[9, 0]] {
        assert!(read(&with(variant)).is_err(), "{variant:?}");
    }
}
