//! Derived structs obey the laws like any type, however they are made and nested.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::codec::{Decode as _, Reader, from_bytes, to_bytes};
use crdt::counter::PnCounter;
use crdt::dots::DotStore;
use crdt::flag::EwFlag;
use crdt::map::OrMap;
use crdt::register::{LwwRegister, MvRegister};
use crdt::replica::{Change, Replica};
use crdt::set::AwSet;
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
