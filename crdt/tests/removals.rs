//! What is overwritten again and again: differences stay small, whoever missed whatever, and all end the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::codec::{Decode, Encode};
use crdt::counter::PnCounter;
use crdt::dots::{Cx, DotStore};
use crdt::map::OrMap;
use crdt::register::LwwRegister;
use crdt::replica::{Change, Replica};
use crdt::set::AwSet;
use crdt::tree::{Position, Tree};
use crdt::{ApplyError, Doc, ReplicaId, Replicated};
use proptest::prelude::*;

fn doc(n: u128) -> Doc {
    Doc::new(ReplicaId::from_u128(n))
}

/// A slot and a counter that are written over, and a text between: so the events that were ended are no one run.
fn edit(doc: &mut Doc, now: u64, what: u8) {
    doc.transact(now, |tx| {
        tx.map("slots").put(["a", "b", "c"][usize::from(what % 3)], now as i64);
        tx.counter("votes").add(1);
        match what % 7 {
            0 => tx.text("note").insert(0, "x"),
            1 => tx.set("tags").insert(i64::from(what % 4)),
            2 => tx.set("tags").remove(i64::from(what % 4)),
            3 if what > 200 => tx.map("slots").remove("a"),
            _ => {}
        }
    });
}

/// Once the difference of one edit grew with all edits before it, to kilobytes after some thousand: the entry of a
/// removal included all before it, and these were no one run.
#[test]
fn one_edit_costs_the_same_however_many_came_before() {
    let (mut a, mut b) = (doc(1), doc(2));
    let mut sizes = Vec::new();
    for round in 0..8u64 {
        for n in 0..400 {
            let now = round * 1_000 + n;
            let [writer, other] = if n % 2 == 0 { [&mut a, &mut b] } else { [&mut b, &mut a] };
            edit(writer, now, (n * 37 % 251) as u8);
            let delta = writer.delta_since(other.version());
            other.apply(&delta).unwrap();
            if n == 399 {
                sizes.push(delta.to_bytes().len());
            }
        }
    }
    assert!(sizes.iter().all(|size| *size < 220), "{sizes:?}");
    assert_eq!(a.save(), b.save());
}

/// How many bytes one is sent who lacks one change of a value that another replica wrote; both ids are long.
fn one_change_of<T: DotStore + Encode + Decode>(
    fill: impl FnOnce(&mut T, &mut Cx),
    change: impl FnOnce(&mut T, &mut Cx) -> bool,
) -> usize {
    let replica = |n: u128| Replica::new(ReplicaId::from_u128(u128::MAX - n));
    let (mut first, mut writer, mut reader): (Replica<T>, _, _) = (replica(1), replica(2), replica(3));
    let all = first.edit(1_760_000_000_000, fill);
    writer.apply(&all);
    reader.apply(&all);
    assert!(writer.edit_with(1_760_000_001_000, change).1);
    let bytes = writer.delta_since(reader.seen().version()).to_bytes();
    reader.apply(&Change::from_bytes(&bytes).unwrap());
    assert_eq!(reader.value(), writer.value());
    bytes.len()
}

#[test]
fn one_change_among_many_is_small() {
    const MANY: u64 = 20_000;
    let set = one_change_of::<AwSet<u64>>(
        |set, cx| (0..MANY).for_each(|n| set.insert(n, cx)),
        |set, cx| set.remove(&(MANY / 2), cx),
    );
    let map = one_change_of::<OrMap<u64, LwwRegister<u64>>>(
        |map, cx| (0..MANY).for_each(|n| map.update(n, cx, |value, cx| value.set(n, cx))),
        |map, cx| {
            map.update(MANY / 2, cx, |value, cx| value.set(7, cx));
            true
        },
    );
    let counter = one_change_of::<PnCounter>(
        |n, cx| n.add(1_000, cx),
        |n, cx| {
            n.add(7, cx);
            true
        },
    );
    let tree = one_change_of::<Tree<LwwRegister<u64>>>(
        |tree, cx| {
            for _ in 0..MANY {
                tree.create(None, Position::Last, cx);
            }
        },
        |tree, cx| {
            let nodes: Vec<_> = tree.children(None).collect();
            tree.move_to(nodes[nodes.len() / 2], Some(nodes[9]), Position::Last, cx)
        },
    );
    let sizes = [set, map, counter];
    assert!(sizes.iter().all(|size| *size <= 64), "{sizes:?}");
    assert!(tree <= 70, "{tree}"); // It also says where the node stood before.
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Long chains of overwriting, exchanged whole, in part, and late.
    #[test]
    fn long_chains_converge(steps in prop::collection::vec((0..3usize, 0..3usize, any::<[u8; 3]>()), 1..24)) {
        let mut docs = [doc(1), doc(2), doc(3)];
        let mut now = 0;
        for (to, from, [what, much, cut]) in steps {
            if what % 2 == 0 || to == from {
                for n in 0..1 + much % 32 {
                    now += 1;
                    edit(&mut docs[to], now, what.wrapping_mul(31).wrapping_add(n));
                }
                continue;
            }
            let source = docs[from].clone();
            let part = |(replica, seq): (ReplicaId, u64)| (replica, seq.saturating_sub(u64::from(cut) * seq / 512));
            let until = source.version().iter().map(part).collect();
            let delta = source.delta_between(docs[to].version(), &until);
            let before = docs[to].save();
            match docs[to].apply(&delta) {
                Ok(_) => {}
                Err(ApplyError::Missing) => prop_assert_eq!(docs[to].save(), before),
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
        for (to, from) in [(0, 1), (0, 2), (1, 0), (2, 0)] {
            let delta = docs[from].delta_since(docs[to].version());
            docs[to].apply(&delta).unwrap();
        }
        for other in &docs[1..] {
            prop_assert_eq!(docs[0].value(), other.value());
            prop_assert_eq!(docs[0].save(), other.save());
        }
        // One that comes new, by one difference and by the file.
        let mut late = doc(9);
        late.apply(&docs[0].delta_since(late.version())).unwrap();
        prop_assert_eq!(late.save(), docs[0].save());
        prop_assert_eq!(Doc::load(&docs[0].save(), ReplicaId::from_u128(8)).unwrap().save(), docs[0].save());
    }
}

/// One who forgot a removal and then overwrote what came of it once told others that they could forget it too: who
/// was then told by them kept what had been removed.
#[test]
fn who_forgets_does_not_make_others_forget() {
    use crdt::register::MvRegister;
    use crdt::replica::Replica;
    let [mut a, mut b, mut late] = [1, 2, 3].map(|n| Replica::<MvRegister<u8>>::new(ReplicaId::from_u128(n)));
    let first = a.edit(0, |register, cx| register.set(1, cx));
    b.apply(&first);
    late.apply(&first);
    b.apply(&a.edit(0, |register, cx| register.set(2, cx)));
    a.forget(&b.seen().version().clone());
    b.apply(&a.edit(0, |register, cx| register.set(3, cx)));
    late.apply(&b.delta_since(late.seen().version()));
    assert_eq!(late.value().iter().collect::<Vec<_>>(), [&3]);
    assert_eq!(late.value(), b.value());
}
