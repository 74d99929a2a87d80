//! What the types answer when they are asked, held against plain values of the standard library: every method that only
//! reads, what edits say they did, and counters of so many replicas that they are joined in other ways than small ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::{BTreeMap, BTreeSet};

use crdt::codec::{Decode, Encode, Writer, from_bytes, to_bytes};
use crdt::context::DotRanges;
use crdt::counter::{BoundedCounter, GCounter, NotEnoughRights, PnCounter};
use crdt::dots::{Changes, Cx, DotMap, DotSet, DotStore, RemovalLog};
use crdt::log::Log;
use crdt::map::{GMap, LwwMap, OrMap};
use crdt::register::{LwwRegister, MaxRegister, MvRegister};
use crdt::replica::Replica;
use crdt::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crdt::traits::StateCrdt;
use crdt::{Dot, Hlc, ReplicaId, Span, VersionVector};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

fn dot(n: usize, seq: u64) -> Dot {
    Dot::new(id(n), seq)
}

fn same<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(&from_bytes::<T>(&to_bytes(value)).unwrap(), value);
}

/// Plays edits of a set of numbers on one replica and on a plain set; after each, every question has one answer.
macro_rules! set_answers {
    ($set:expr, $plain:expr, $steps:expr, |$s:ident, $p:ident, $insert:ident, $n:ident, $cx:ident| $edit:expr) => {
        for (now, (insert, n)) in (1..).zip($steps.iter().copied()) {
            let plain = &mut $plain;
            $set.update(now, |$s, $cx| {
                let ($p, $insert, $n) = (&mut *plain, insert, n);
                $edit
            });
            let (set, plain) = ($set.value(), &*plain);
            prop_assert_eq!((set.len(), set.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert!(set.iter().eq(plain.iter()));
            prop_assert!((0..8).all(|n| set.contains(&n) == plain.contains(&n)));
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sets_answer_as_sets(steps in prop::collection::vec((any::<bool>(), 0u8..8), 0..40)) {
        let (mut set, mut plain) = (Replica::<AwSet<u8>>::new(id(0)), BTreeSet::new());
        set_answers!(set, plain, steps, |s, p, insert, n, cx| match insert {
            true => { s.insert(n, cx); p.insert(n); assert_eq!(s.writers(&n).count(), 1) }
            false => assert_eq!((s.remove(&n, cx), s.writers(&n).count()), (p.remove(&n), 0)),
        });
        let (mut set, mut plain) = (Replica::<LwwSet<u8>>::new(id(0)), BTreeSet::new());
        set_answers!(set, plain, steps, |s, p, insert, n, cx| match insert {
            true => { s.insert(n, cx); p.insert(n); }
            false => assert_eq!(s.remove(&n, cx), p.remove(&n)),
        });
        let (mut set, mut plain) = (Replica::<RwSet<u8>>::new(id(0)), BTreeSet::new());
        set_answers!(set, plain, steps, |s, p, insert, n, cx| match insert {
            true => { s.insert(n, cx); p.insert(n); }
            false => assert_eq!(s.remove(&n, cx), p.remove(&n)),
        });
        let (mut set, mut plain) = (Replica::<GSet<u8>>::new(id(0)), BTreeSet::new());
        set_answers!(set, plain, steps, |s, p, insert, n, cx| {
            assert_eq!(s.insert(n, cx), p.insert(n), "{}", insert);
        });
        let (mut set, mut plain) = (Replica::<TwoPhaseSet<u8>>::new(id(0)), BTreeSet::new());
        let mut out = BTreeSet::new();
        set_answers!(set, plain, steps, |s, p, insert, n, cx| match insert {
            true => {
                let new = !out.contains(&n) && p.insert(n);
                assert_eq!(s.insert(n, cx), new);
            }
            false => {
                let was_in = p.remove(&n);
                out.extend(was_in.then_some(n));
                assert_eq!((s.remove(&n, cx), s.was_removed(&n)), (was_in, out.contains(&n)));
            }
        });
    }

    #[test]
    fn maps_answer_as_maps(steps in prop::collection::vec((0u8..3, 0u8..8, any::<u16>()), 0..40)) {
        let mut or: Replica<OrMap<u8, LwwRegister<u16>>> = Replica::new(id(0));
        let mut lww: Replica<LwwMap<u8, u16>> = Replica::new(id(0));
        let mut grow: Replica<GMap<u8, MaxRegister<u16>>> = Replica::new(id(0));
        let (mut plain, mut most): (BTreeMap<u8, u16>, BTreeMap<u8, u16>) = Default::default();
        for (now, (what, key, value)) in (1..).zip(steps) {
            if what == 0 {
                let was = plain.remove(&key).is_some();
                prop_assert_eq!(or.update(now, |map, cx| map.remove(&key, cx)), was);
                prop_assert_eq!(lww.update(now, |map, cx| map.remove(&key, cx)), was);
            } else {
                plain.insert(key, value);
                or.update(now, |map, cx| map.update(key, cx, |register, cx| register.set(value, cx)));
                lww.update(now, |map, cx| map.put(key, value, cx));
                let greatest = most.entry(key).or_default();
                *greatest = value.max(*greatest);
                grow.update(now, |map, cx| map.update(key, cx, |register, cx| register.set(value, cx)));
            }
            let (or, lww, grow) = (or.value(), lww.value(), grow.value());
            prop_assert_eq!((or.len(), or.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert_eq!((lww.len(), lww.is_empty()), (plain.len(), plain.is_empty()));
            prop_assert_eq!((grow.len(), grow.is_empty()), (most.len(), most.is_empty()));
            prop_assert!(or.iter().map(|(key, value)| (key, value.get().unwrap())).eq(&plain));
            prop_assert!(lww.iter().eq(&plain));
            prop_assert!(grow.iter().map(|(key, value)| (key, value.get().unwrap())).eq(&most));
            for key in 0..8 {
                prop_assert_eq!(or.get(&key).and_then(|value| value.get()), plain.get(&key));
                prop_assert_eq!(lww.get(&key), plain.get(&key));
                prop_assert_eq!(grow.get(&key).and_then(|value| value.get()), most.get(&key));
            }
        }
    }

    /// Counters of many replicas: differences of a few, merges of whole states, and what a file says are one.
    #[test]
    fn counters_of_many_count(steps in prop::collection::vec((0usize..24, 0usize..24, -9i64..9, 0u8..8), 1..80)) {
        type Both = OrMap<u8, PnCounter>;
        let mut replicas: Vec<Replica<Both>> = (0..24).map(|n| Replica::new(id(n))).collect();
        let mut plain: BTreeMap<(usize, u8), i64> = BTreeMap::new();
        // All have added something, so that a counter is large and what one lacks is small.
        for (n, replica) in replicas.iter_mut().enumerate() {
            for key in 0..2 {
                replica.update(0, |map, cx| map.update(key, cx, |count, cx| count.add(n as i64 + 1, cx)));
                plain.insert((n, key), n as i64 + 1);
            }
        }
        let gather = |replicas: &mut Vec<Replica<Both>>| {
            let (first, rest) = replicas.split_first_mut().unwrap();
            rest.iter().for_each(|other| first.merge(other));
            rest.iter_mut().for_each(|other| other.apply(&first.delta_since(other.seen().version())));
        };
        gather(&mut replicas);
        for (a, b, n, what) in steps {
            match what {
                0..5 => {
                    let key = what % 2;
                    replicas[a].update(0, |map, cx| map.update(key, cx, |count, cx| count.add(n, cx)));
                    *plain.entry((a, key)).or_default() += n;
                }
                5 if a != b => {
                    let change = replicas[b].delta_since(replicas[a].seen().version());
                    replicas[a].apply(&change);
                }
                6 if a != b => {
                    let other = replicas[b].clone();
                    replicas[a].merge(&other);
                }
                _ => {
                    // A key that only this replica touches comes and goes.
                    replicas[a].update(0, |map, cx| map.update(9, cx, |count, cx| count.add(n, cx)));
                    replicas[a].update(0, |map, cx| map.remove(&9, cx));
                }
            }
            // What was kept up to date is what is counted anew when it is read from a file.
            let read: Replica<Both> = Replica::open(&replicas[a].save(), id(a)).unwrap();
            for (key, count) in replicas[a].value().iter() {
                prop_assert_eq!(read.value().get(key).unwrap().value(), count.value());
                prop_assert_eq!(count.by_replica().map(|(_, n)| n).sum::<i64>(), count.value());
            }
        }
        gather(&mut replicas);
        for key in 0..2 {
            let all: Vec<(ReplicaId, i64)> = (0..24).map(|n| (id(n), plain[&(n, key)])).collect();
            for replica in &replicas {
                let count = replica.value().get(&key).unwrap();
                prop_assert!(count.by_replica().eq(all.iter().copied()));
                prop_assert_eq!(count.value(), all.iter().map(|(_, n)| n).sum::<i64>());
            }
        }
    }

    /// One counter under a key that many write and some remove, late or early: its total is that of its parts.
    #[test]
    fn removed_counters_keep_their_total(steps in prop::collection::vec((0usize..12, 0usize..12, 0u8..8), 1..80)) {
        let mut replicas: Vec<Replica<OrMap<u8, GCounter>>> = (0..12).map(|n| Replica::new(id(n))).collect();
        for (a, b, what) in steps {
            match what {
                0..3 => replicas[a].update(0, |map, cx| map.update(0, cx, |count, cx| count.add(1, cx))),
                3 => {
                    replicas[a].update(0, |map, cx| map.remove(&0, cx));
                }
                4 => (0..12).filter(|n| *n != a).for_each(|n| {
                    let other = replicas[n].clone();
                    replicas[a].merge(&other);
                }),
                _ if a != b => {
                    let change = replicas[b].delta_since(replicas[a].seen().version());
                    replicas[a].apply(&change);
                }
                _ => {}
            }
            let count = |replica: &Replica<OrMap<u8, GCounter>>| {
                replica.value().get(&0).map(|count| (count.value(), count.by_replica().map(|(_, n)| n).sum::<u64>()))
            };
            let (kept, by_replica) = count(&replicas[a]).unwrap_or_default();
            prop_assert_eq!(kept, by_replica);
            let read: Replica<OrMap<u8, GCounter>> = Replica::open(&replicas[a].save(), id(a)).unwrap();
            prop_assert_eq!(count(&read), count(&replicas[a]));
        }
    }

    /// Maps of so many entries that an index says which event wrote which: one that was kept up to date through all that came
    /// leads where one leads that is made of a file.
    #[test]
    fn large_maps_know_who_wrote_what(
        steps in prop::collection::vec((0usize..3, 0usize..3, 0u8..5, 0u8..90, 1u8..40), 1..40),
    ) {
        type Large = OrMap<u8, AwSet<u8>>;
        let mut replicas: Vec<Replica<Large>> = (0..3).map(|n| Replica::new(id(n))).collect();
        for (a, b, what, from, count) in steps {
            let keys = from..from + count;
            match what {
                0 | 1 => replicas[a].update(0, |map, cx| {
                    keys.for_each(|key| map.update(key, cx, |set, cx| set.insert(what, cx)));
                }),
                2 => replicas[a].update(0, |map, cx| {
                    for key in keys {
                        map.remove(&key, cx);
                    }
                }),
                _ if a != b => {
                    let mut read: Replica<Large> = Replica::open(&replicas[a].save(), id(a)).unwrap();
                    let change = replicas[b].delta_since(replicas[a].seen().version());
                    read.apply(&change);
                    if what == 3 {
                        replicas[a].apply(&change);
                    } else {
                        let other = replicas[b].clone();
                        replicas[a].merge(&other);
                    }
                    prop_assert_eq!(read.value(), replicas[a].value());
                    prop_assert_eq!(read.save(), replicas[a].save());
                }
                _ => {}
            }
            // What a difference has is what changed, from an index that was kept or one that is new.
            let read: Replica<Large> = Replica::open(&replicas[a].save(), id(a)).unwrap();
            for other in &replicas {
                let since = other.seen().version();
                prop_assert_eq!(read.delta_since(since).to_bytes(), replicas[a].delta_since(since).to_bytes());
            }
        }
    }

    #[test]
    fn rights_are_what_was_added_less_what_was_taken_and_sent(
        steps in prop::collection::vec((0u8..3, 0u64..6, 0usize..3, 0usize..3), 0..40),
    ) {
        type Stock = BoundedCounter<-3>;
        let mut replicas: Vec<Replica<Stock>> = (0..3).map(|n| Replica::new(id(n))).collect();
        let (mut rights, mut net) = ([0u64; 3], [0i64; 3]);
        for (what, n, a, b) in steps {
            let have = rights[a];
            let answer = |done: Result<(), NotEnoughRights>| done.map_err(|error| (error.have, error.want));
            let wanted = if n > have { Err((have, n)) } else { Ok(()) };
            let before = replicas[a].seen().clone();
            match what {
                0 => {
                    replicas[a].update(0, |stock, cx| stock.add(n, cx));
                    (rights[a], net[a]) = (have + n, net[a] + n as i64);
                }
                1 => {
                    let taken = replicas[a].update(0, |stock, cx| stock.take(n, cx));
                    prop_assert_eq!(answer(taken), wanted);
                    if n <= have {
                        (rights[a], net[a]) = (have - n, net[a] - n as i64);
                    }
                }
                _ => {
                    let sent = replicas[a].update(0, |stock, cx| stock.transfer(n, id(b), cx));
                    prop_assert_eq!(answer(sent), wanted);
                    if n <= have && a != b {
                        rights[a] -= n;
                        rights[b] += n;
                    }
                }
            }
            // Nothing is no edit.
            let edited = *replicas[a].seen() != before;
            prop_assert_eq!(edited, n > 0 && (what == 0 || n <= have && !(what == 2 && a == b)));
            // Everybody hears of it.
            for other in (0..3).filter(|other| *other != a) {
                let change = replicas[a].delta_since(replicas[other].seen().version());
                replicas[other].apply(&change);
            }
            for replica in &replicas {
                let stock = replica.value();
                prop_assert_eq!([0, 1, 2].map(|n| stock.rights(id(n))), rights);
                prop_assert_eq!(stock.value(), net.iter().sum::<i64>() - 3);
                prop_assert!(stock.by_replica().all(|(who, n)| (0..3).any(|at| who == id(at) && n == net[at])));
                let moved = net.iter().filter(|n| **n != 0).count();
                prop_assert!(stock.by_replica().filter(|(_, n)| *n != 0).count() == moved);
                same(stock);
            }
        }
    }

    #[test]
    fn logs_answer_as_lists(entries in prop::collection::vec((0u64..9, any::<u8>()), 0..20)) {
        let mut log: Replica<Log<u8>> = Replica::new(id(0));
        let mut plain = Vec::new();
        for (now, entry) in entries {
            // Also when the clock goes back.
            log.update(now, |log, cx| log.append(entry, cx));
            plain.push(entry);
            let log = log.value();
            prop_assert_eq!((log.len(), log.is_empty(), log.is_bottom()), (plain.len(), false, false));
            prop_assert!(log.iter().eq(&plain));
            prop_assert!(log.stamped().map(|(_, dot, _)| dot.seq).eq(1..=plain.len() as u64));
            let stamps: Vec<Hlc> = log.stamped().map(|(stamp, _, _)| stamp).collect();
            prop_assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn a_removal_log_answers_as_a_map(steps in prop::collection::vec((1u64..12, 0u64..4, any::<bool>()), 0..20)) {
        let (mut log, mut plain, mut last) = (RemovalLog::default(), BTreeMap::new(), 20);
        for (first, more, forget) in steps {
            if forget {
                let stable: VersionVector = [(id(0), last)].into_iter().collect();
                let before = plain.len();
                plain.retain(|by: &Dot, _| !stable.contains(*by));
                prop_assert_eq!(log.forget(&stable), plain.len() < before);
                last += 1; // so that the next entry stays for a while
            } else {
                last += 2;
                let ended: Vec<Dot> = (first..=first + more).map(|seq| dot(1, seq)).collect();
                log.record(dot(0, last), ended.iter().copied().collect());
                plain.insert(dot(0, last), ended);
            }
            // One entry may stand for others that it includes; none is invented.
            prop_assert_eq!(log.is_empty(), plain.is_empty());
            prop_assert!(log.len() <= plain.len() && log.iter().count() == log.len());
            prop_assert!(log.iter().all(|(by, _)| plain.contains_key(&by)));
            prop_assert!(plain.values().flatten().all(|dot| log.removed().contains(*dot)));
        }
    }
}

#[test]
fn nothing_is_no_event() {
    assert!(Replica::<GSet<u8>>::new(id(0)).value().is_empty());
    let (mut up, mut both): (Replica<GCounter>, Replica<PnCounter>) =
        (Replica::new(id(0)), Replica::new(id(0)));
    up.update(0, |count, cx| count.add(0, cx));
    both.update(0, |count, cx| count.add(0, cx));
    assert!(up.seen().version().is_empty() && both.seen().version().is_empty());
    let mut stock: Replica<BoundedCounter> = Replica::new(id(0));
    stock.update(0, |stock, cx| stock.add(1, cx));
    assert!(!stock.value().is_bottom());
}

#[test]
fn what_a_register_gave_up_can_be_asked_for() {
    let (mut a, mut b): (Replica<LwwRegister<&str>>, Replica<LwwRegister<&str>>) =
        (Replica::new(id(0)), Replica::new(id(1)));
    assert_eq!((a.value().stamp(), a.value().losers().count()), (None, 0));
    a.update(9, |register, cx| register.set("old", cx));
    b.update(10, |register, cx| register.set("late", cx));
    a.merge(&b);
    assert_eq!((a.value().get(), a.value().stamp().unwrap().millis()), (Some(&"late"), 10));
    assert!(a.value().losers().eq([(dot(0, 1), &"old")]));
    let all: Vec<(Dot, u64, &&str)> =
        a.value().candidates().map(|(dot, stamp, value)| (dot, stamp.millis(), value)).collect();
    assert_eq!(all, [(dot(1, 1), 10, &"late"), (dot(0, 1), 9, &"old")]);
    // Written again at the very time of what it replaces, it comes after that.
    a.update(10, |register, cx| register.set("again", cx));
    assert!(a.value().stamp() > b.value().stamp());

    let (mut a, mut b): (Replica<MvRegister<u8>>, Replica<MvRegister<u8>>) =
        (Replica::new(id(0)), Replica::new(id(1)));
    a.update(0, |register, cx| register.set(7, cx));
    b.update(0, |register, cx| register.set(8, cx));
    a.merge(&b);
    assert!(a.value().iter().eq(&[7, 8]));
    assert!(a.value().candidates().eq([(dot(0, 1), &7), (dot(1, 1), &8)]));
}

#[test]
fn stores_are_equal_when_they_hold_the_same() {
    let mut replica: Replica<OrMap<u8, AwSet<u8>>> = Replica::new(id(0));
    let nothing = replica.clone();
    replica.update(0, |map, cx| map.update(1, cx, |set, cx| set.insert(2, cx)));
    assert_ne!(replica.value(), nothing.value());
    assert!(format!("{:?}", replica.value()).contains('2'));
    let mut counter: Replica<PnCounter> = Replica::new(id(0));
    counter.update(0, |count, cx| count.add(1, cx));
    let one = counter.value().clone();
    counter.update(0, |count, cx| count.add(1, cx));
    assert_ne!(&one, counter.value());
    let mut log = RemovalLog::default();
    log.record(dot(0, 2), [dot(1, 1)].into_iter().collect());
    assert_ne!(log, RemovalLog::default());

    let mut empty: DotMap<u8, DotSet> = [(1, DotSet::default())].into_iter().collect();
    assert!(
        empty.is_empty()
            && empty.keys_within([Span { replica: id(0), after: 0, to: 1 }].into_iter()).is_empty()
    );
    let mut cx = Cx::new(id(0), 0, Hlc::ZERO);
    (0..50).for_each(|key| empty.update(key, &mut cx, |dots, cx| dots.set((), cx)));
    assert_eq!((empty.len(), empty.is_empty()), (50, false));
    let found = empty.keys_within([Span { replica: id(0), after: 9, to: 12 }].into_iter());
    assert!(found.into_iter().eq([9, 10, 11]));
    let again: DotMap<u8, DotSet> = empty.iter().map(|(key, dots)| (*key, dots.clone())).collect();
    assert_eq!(again, empty);
}

#[test]
fn an_end_says_whether_there_was_anything() {
    let mut pair: Replica<(PnCounter, GSet<u8>)> = Replica::new(id(0));
    assert!(!pair.update(0, |pair, cx| pair.end(cx)));
    pair.update(0, |pair, cx| pair.0.add(1, cx));
    assert!(pair.update(0, |pair, cx| pair.end(cx)));
    assert!(!pair.update(0, |pair, cx| pair.end(cx)));
    let mut nothing: Replica<()> = Replica::new(id(0));
    assert!(nothing.value().is_bottom() && !nothing.update(0, |nothing, cx| nothing.end(cx)));
    // What was added may have been taken elsewhere: it stays.
    let mut stock: Replica<BoundedCounter> = Replica::new(id(0));
    stock.update(0, |stock, cx| stock.add(1, cx));
    assert!(!stock.update(0, |stock, cx| stock.end(cx)));
}

#[test]
fn a_value_written_by_a_slow_clock_wins_over_what_it_replaces() {
    let mut register = LwwRegister::default();
    for (seq, now) in [(0, 1_000), (1, 500), (2, 500)] {
        register.set(seq, &mut Cx::new(id(0), seq, Hlc::new(now, 0)));
    }
    assert_eq!((register.get(), register.stamp()), (Some(&2), Some(Hlc::new(1_000, 2))));
    register.set(3, &mut Cx::new(id(0), 3, Hlc::new(2_000, 0)));
    assert_eq!((register.get(), register.stamp()), (Some(&3), Some(Hlc::new(2_000, 0))));
}

#[test]
fn what_a_join_changes_is_noted() {
    let mut changes = Changes::default();
    changes.add(dot(0, 7));
    changes.remove(dot(0, 6));
    assert_eq!(format!("{changes:?}"), "Changes { added: [00000001:7], removed: [00000001:6] }");
}

#[test]
fn a_late_change_brings_nothing_back_to_a_counter_of_many() {
    let mut all: Replica<PnCounter> = Replica::new(id(99));
    let mut first = None;
    for n in 0..20 {
        let mut one: Replica<PnCounter> = Replica::new(id(n));
        let change = one.edit(0, |count, cx| count.add(1, cx));
        all.apply(&change);
        all.apply(&one.edit(0, |count, cx| count.add(1, cx)));
        first.get_or_insert(change);
    }
    let before = (all.value().clone(), to_bytes(all.value()));
    all.apply(&first.unwrap());
    assert_eq!((all.value().clone(), to_bytes(all.value())), before);
    assert_eq!(all.value().value(), 40);
}

/// Bytes of a type written by hand.
struct Raw<F: Fn(&mut Writer)>(F);

impl<F: Fn(&mut Writer)> Encode for Raw<F> {
    fn encode(&self, w: &mut Writer) {
        (self.0)(w);
    }
}

#[test]
fn what_is_written_otherwise_than_by_its_type_is_refused() {
    let set = |seqs: &[u64]| seqs.iter().map(|seq| dot(0, *seq)).collect::<DotRanges>();
    let removal = |replaces: DotRanges, removed: DotRanges| {
        let raw = Raw(|w| {
            w.u64(1);
            w.dot(dot(0, 9));
            w.u64(0);
            replaces.encode(w);
            removed.encode(w);
        });
        from_bytes::<RemovalLog>(&to_bytes(&raw))
    };
    assert!(removal(set(&[1]), set(&[1, 3])).is_ok());
    assert!(removal(set(&[1]), set(&[1])).is_err()); // has a shorter form
    assert!(removal(set(&[]), set(&[])).is_err());
    assert!(removal(set(&[2]), set(&[1, 3])).is_err());

    let account = |sent: &[(usize, u64)]| {
        let raw = Raw(|w| {
            w.u64(1);
            w.dot(dot(0, 1));
            w.u64(9);
            w.u64(0);
            w.u64(sent.len() as u64);
            for (to, n) in sent {
                w.replica(id(*to));
                w.u64(*n);
            }
        });
        from_bytes::<BoundedCounter>(&to_bytes(&raw)).is_ok()
    };
    assert!(account(&[]) && account(&[(1, 2), (2, 1)]));
    assert!(!account(&[(1, 0)]) && !account(&[(2, 1), (1, 2)]) && !account(&[(1, 2), (1, 2)]));
}
