//! The laws of every type, under random and exhaustive schedules, in all three forms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::fmt::Debug;

use crdt::codec::{Decode, Encode, Reader, Writer};
use crdt::counter::{BoundedCounter, GCounter, PnCounter};
use crdt::dots::{Cx, DotStore};
use crdt::flag::{DwFlag, EwFlag};
use crdt::log::Log;
use crdt::map::{GMap, LwwMap, OrMap};
use crdt::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crdt::replica::{Change, Replica};
use crdt::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crdt::testkit::{Edited, Pick};
use crdt::traits::StateCrdt;
use crdt::tree::Tree;
use crdt::{ReplicaId, VersionVector};
use proptest::prelude::*;

/// What a schedule does: a replica edits, or takes another's whole state, difference, or one operation.
#[derive(Clone, Debug)]
struct Step {
    to: usize,
    from: usize,
    what: u8,
    arg: [u8; 5],
}

fn steps(replicas: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..replicas, 0..replicas, 0..6u8, any::<[u8; 5]>());
    prop::collection::vec(step.prop_map(|(to, from, what, arg)| Step { to, from, what, arg }), 0..40)
}

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

fn bytes<T: Encode>(value: &T) -> (Vec<u8>, Vec<ReplicaId>) {
    let mut w = Writer::new();
    value.encode(&mut w);
    w.into_parts()
}

fn whole<T: DotStore>(replica: &Replica<T>) -> Change<T> {
    replica.delta_since(&VersionVector::new())
}

/// Runs a schedule; every exchange is checked against the others' forms.
fn run<T: Edited>(replicas: usize, steps: &[Step]) -> (Vec<Replica<T>>, Vec<Change<T>>) {
    let mut all: Vec<Replica<T>> = (0..replicas).map(|n| Replica::new(id(n))).collect();
    let mut ops: Vec<Change<T>> = Vec::new();
    for (time, step) in steps.iter().enumerate() {
        let now = if step.arg[4].is_multiple_of(5) { 0 } else { time as u64 };
        match step.what {
            0..=2 => ops.push(all[step.to].edit(now, |value, cx| value.edit(&mut Pick::new(&step.arg), cx))),
            3 if step.from != step.to => {
                let from = all[step.from].clone();
                all[step.to].merge(&from);
            }
            4 if step.from != step.to => {
                let delta = all[step.from].delta_since(all[step.to].seen().version());
                let mut by_state = all[step.to].clone();
                by_state.merge(&all[step.from]);
                all[step.to].apply(&delta);
                assert_eq!(all[step.to], by_state, "a difference does what the whole state does");
            }
            5 if !ops.is_empty() => all[step.to].apply(&ops[usize::from(step.arg[0]) % ops.len()].clone()),
            _ => {}
        }
    }
    (all, ops)
}

fn merged<T: DotStore>(a: &Replica<T>, b: &Replica<T>) -> Replica<T> {
    let mut both = a.clone();
    both.merge(b);
    both
}

fn same<T: DotStore + Encode>(a: &Replica<T>, b: &Replica<T>) {
    assert_eq!(a.value(), b.value());
    assert_eq!(a.seen(), b.seen());
    assert_eq!(bytes(&whole(a)), bytes(&whole(b)), "equal states are equal bytes");
}

fn check<T: Edited>(steps: &[Step], order: &[usize]) {
    let (all, ops) = run::<T>(3, steps);
    let [a, b, c] = &all[..] else { unreachable!() };
    same(&merged(a, b), &merged(b, a));
    same(&merged(&merged(a, b), c), &merged(a, &merged(b, c)));
    same(&merged(a, a), a);
    assert!(merged(a, b).seen() >= a.seen(), "joining takes nothing back");

    let everything = merged(&merged(a, b), c);
    assert!(everything.delta_since(everything.seen().version()).events().is_empty());
    for stale in &all {
        let mut stale = stale.clone();
        let delta = everything.delta_since(stale.seen().version());
        let (body, table) = bytes(&delta);
        let mut r = Reader::new(&body, &table);
        let decoded = Change::<T>::decode(&mut r).unwrap();
        r.end().unwrap();
        assert_eq!(decoded, delta, "bytes give back what was written");
        assert_eq!(Change::from_bytes(&delta.to_bytes()).as_ref(), Ok(&delta));
        stale.apply(&decoded);
        same(&stale, &everything);
    }

    // Operations alone, in any order, some twice, come to the same as states.
    let mut by_op: Replica<T> = Replica::new(id(9));
    let mut joined = Change::<T>::default();
    for i in order.iter().chain(&(0..ops.len()).collect::<Vec<_>>()) {
        if let Some(op) = ops.get(*i) {
            assert_eq!(Change::from_bytes(&op.to_bytes()).as_ref(), Ok(op));
            by_op.apply(op);
            joined.join(op);
        }
    }
    assert_eq!(by_op.value(), everything.value());
    assert_eq!(by_op.seen(), everything.seen());
    let mut by_joined: Replica<T> = Replica::new(id(9));
    by_joined.apply(&joined);
    assert_eq!(by_joined.value(), everything.value());
}

type Deep = OrMap<u8, OrMap<u8, OrMap<u8, AwSet<u8>>>>;

macro_rules! laws {
    ($($name:ident: $type:ty),* $(,)?) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
            $(#[test]
            fn $name(steps in steps(3), order in prop::collection::vec(0..40usize, 0..40)) {
                check::<$type>(&steps, &order);
            })*
        }
    };
}

laws! {
    g_counter: GCounter,
    pn_counter: PnCounter,
    ew_flag: EwFlag,
    aw_set: AwSet<u8>,
    mv_register: MvRegister<u8>,
    lww_register: LwwRegister<u8>,
    g_set: GSet<u8>,
    two_phase_set: TwoPhaseSet<u8>,
    rw_set: RwSet<u8>,
    lww_set: LwwSet<u8>,
    dw_flag: DwFlag,
    max_register: MaxRegister<u8>,
    min_register: MinRegister<u8>,
    log: Log<u8>,
    lww_map: LwwMap<u8, u8>,
    g_map: GMap<u8, PnCounter>,
    bounded_counter: BoundedCounter<-3>,
    tree: Tree<LwwRegister<u8>>,
    map_of_trees: OrMap<u8, Tree<LwwRegister<u8>>>,
    pair: (AwSet<u8>, PnCounter),
    map_of_pairs: OrMap<u8, (AwSet<u8>, PnCounter)>,
    map_of_bounded_counters: OrMap<u8, BoundedCounter<-3>>,
    map_of_flags_two_deep: OrMap<u8, OrMap<u8, DwFlag>>,
    map_of_logs_two_deep: OrMap<u8, OrMap<u8, Log<u8>>>,
    map_of_sets: OrMap<u8, AwSet<u8>>,
    map_of_counters: OrMap<u8, PnCounter>,
    map_of_registers: OrMap<u8, LwwRegister<u8>>,
    maps_three_deep: Deep,
}

type Nested<T> = OrMap<u8, OrMap<u8, OrMap<u8, T>>>;

/// Three maps deep, of every type that nests: keys are removed on each level while others edit below.
macro_rules! nested {
    ($($name:ident: $type:ty),* $(,)?) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
            $(#[test]
            fn $name(steps in steps(3), order in prop::collection::vec(0..40usize, 0..40)) {
                check::<Nested<$type>>(&steps, &order);
                forgetting_changes_nothing::<Nested<$type>>(&steps);
            })*
        }
    };
}

nested! {
    deep_g_counter: GCounter,
    deep_pn_counter: PnCounter,
    deep_bounded_counter: BoundedCounter<-3>,
    deep_ew_flag: EwFlag,
    deep_dw_flag: DwFlag,
    deep_max_register: MaxRegister<u8>,
    deep_min_register: MinRegister<u8>,
    deep_lww_register: LwwRegister<u8>,
    deep_mv_register: MvRegister<u8>,
    deep_g_set: GSet<u8>,
    deep_rw_set: RwSet<u8>,
    deep_lww_set: LwwSet<u8>,
    deep_two_phase_set: TwoPhaseSet<u8>,
    deep_log: Log<u8>,
    deep_lww_map: LwwMap<u8, u8>,
    deep_g_map: GMap<u8, PnCounter>,
    deep_pair: (RwSet<u8>, Log<u8>),
    deep_tree: Tree<LwwRegister<u8>>,
}

/// What stands under three keys of a map, all of whose values say what nothing is: so that removing any of them is seen.
#[test]
fn removing_above_empties_all_that_can_be_emptied() {
    fn shows<T: Edited>(edit: impl Fn(&mut T, &mut Cx)) -> (bool, bool, bool) {
        let (mut a, mut b) = (Replica::<Nested<T>>::new(id(0)), Replica::<Nested<T>>::new(id(1)));
        let put = |a: &mut Replica<Nested<T>>| {
            a.edit(0, |map, cx| {
                map.update(1, cx, |map, cx| {
                    map.update(2, cx, |map, cx| map.update(3, cx, |v, cx| edit(v, cx)))
                })
            })
        };
        b.apply(&put(&mut a));
        let is_in = |replica: &Replica<Nested<T>>| replica.value().get(&1).is_some();
        let first = is_in(&b);
        let removed = a.edit(0, |map, cx| map.remove(&1, cx));
        let mut late = b.clone();
        b.apply(&removed);
        // Written by one who has not seen the removal: that stays.
        late.edit(0, |map, cx| {
            map.update(1, cx, |map, cx| {
                map.update(2, cx, |map, cx| {
                    map.update(3, cx, |v, cx| {
                        v.clear(cx);
                        edit(v, cx);
                    })
                })
            })
        });
        let gone = !is_in(&b);
        late.apply(&removed);
        (first, gone, is_in(&late))
    }
    let all = (true, true, true);
    assert_eq!(shows::<GCounter>(|v, cx| v.add(1, cx)), all);
    assert_eq!(shows::<DwFlag>(|v, cx| v.enable(cx)), all);
    assert_eq!(shows::<MaxRegister<u8>>(|v, cx| v.set(1, cx)), all);
    assert_eq!(shows::<MinRegister<u8>>(|v, cx| v.set(1, cx)), all);
    assert_eq!(shows::<GSet<u8>>(|v, cx| assert!(v.insert(1, cx))), all);
    assert_eq!(shows::<RwSet<u8>>(|v, cx| v.insert(1, cx)), all);
    assert_eq!(shows::<LwwSet<u8>>(|v, cx| v.insert(1, cx)), all);
    assert_eq!(shows::<TwoPhaseSet<u8>>(|v, cx| assert!(v.insert(1, cx))), all);
    assert_eq!(shows::<Log<u8>>(|v, cx| v.append(1, cx)), all);
    assert_eq!(shows::<LwwMap<u8, u8>>(|v, cx| v.put(1, 1, cx)), all);
    assert_eq!(shows::<GMap<u8, PnCounter>>(|v, cx| v.update(1, cx, |n, cx| n.add(1, cx))), all);
    // Rights are never taken away: a removal leaves them, and the key with them.
    assert_eq!(shows::<BoundedCounter<-3>>(|v, cx| v.add(1, cx)), (true, false, true));
}

/// The same schedule in two worlds, one of which forgets removals, even some that the third replica has not
/// heard of: both come to the same, and nothing that was removed comes back.
fn forgetting_changes_nothing<T: Edited>(steps: &[Step]) {
    let mut worlds: [Vec<Replica<T>>; 2] = [(); 2].map(|()| (0..3).map(|n| Replica::new(id(n))).collect());
    let everyone = steps.iter().cloned().map(Some).chain(std::iter::repeat_n(None, 9)).enumerate();
    for (time, step) in everyone {
        for (forgets, all) in worlds.iter_mut().enumerate() {
            match &step {
                Some(step) if step.what < 3 => {
                    drop(
                        all[step.to].edit(time as u64, |value, cx| value.edit(&mut Pick::new(&step.arg), cx)),
                    );
                }
                Some(step) if step.what == 3 => {
                    let both = all[0].seen().version().meet(all[1].seen().version());
                    if forgets == 1 {
                        all[step.to % 2].forget(&both);
                    }
                }
                // At the end all meet all.
                step => {
                    let (to, from) = step.as_ref().map_or((time % 3, time / 3 % 3), |s| (s.to, s.from));
                    let delta = all[from].delta_since(all[to].seen().version());
                    let (body, table) = bytes(&delta);
                    all[to].apply(&Change::decode(&mut Reader::new(&body, &table)).unwrap());
                }
            }
        }
    }
    for n in 0..3 {
        for _ in 0..2 {
            for all in &mut worlds {
                for from in 0..3 {
                    let delta = all[from].delta_since(all[n].seen().version());
                    all[n].apply(&delta);
                }
            }
        }
    }
    let [keeping, forgetting] = &worlds;
    for (kept, forgot) in keeping.iter().zip(forgetting) {
        assert_eq!(kept.value(), forgot.value());
        let saved = forgot.save();
        assert_eq!(Replica::<T>::open(&saved, id(9)).unwrap().save(), saved);
    }
}

proptest! {
    #[test]
    fn forgetting_changes_nothing_of_a_set(steps in steps(3)) {
        forgetting_changes_nothing::<AwSet<u8>>(&steps);
    }

    #[test]
    fn forgetting_changes_nothing_three_deep(steps in steps(3)) {
        forgetting_changes_nothing::<Deep>(&steps);
    }

    /// Escrow: on every replica at every step, and for everything together, the bound holds, and nobody has
    /// rights to more than is there.
    #[test]
    fn a_bounded_counter_never_falls_below_its_bound(steps in steps(3)) {
        type Stock = BoundedCounter<-3>;
        let mut all: Vec<Replica<Stock>> = (0..3).map(|n| Replica::new(id(n))).collect();
        for step in &steps {
            match step.what {
                0..=3 => drop(all[step.to].edit(0, |stock, cx| stock.edit(&mut Pick::new(&[step.arg[0] % 15]), cx))),
                _ if step.from == step.to => {}
                _ => {
                    let delta = all[step.from].delta_since(all[step.to].seen().version());
                    all[step.to].apply(&delta);
                }
            }
            let everything = merged(&merged(&all[0], &all[1]), &all[2]);
            for replica in all.iter().chain([&everything]) {
                let accounts = |n: usize| i128::from(replica.value().rights(id(n)));
                let value = i128::from(replica.value().value());
                prop_assert!(value >= -3);
                if replica.seen() == everything.seen() {
                    prop_assert_eq!((0..4).map(accounts).sum::<i128>(), value + 3);
                }
            }
        }
    }
}

/// An obviously right set: every event that ever was, with what it had seen. A member is in if some
/// insertion of it was seen by no removal of it.
#[derive(Clone, Default, Debug)]
struct HistorySet {
    events: Vec<(u8, bool, usize, VersionVector)>,
}

impl HistorySet {
    fn members(&self, seen: &VersionVector) -> Vec<u8> {
        let known = |author: usize, at: &VersionVector| seen.get(id(author)) >= at.get(id(author));
        let is_in = |member: u8| {
            self.events.iter().any(|(m, insert, author, at)| {
                let dot = (id(*author), at.get(id(*author)));
                *m == member
                    && *insert
                    && known(*author, at)
                    && !self.events.iter().any(|(m2, insert2, author2, at2)| {
                        *m2 == member && !insert2 && known(*author2, at2) && at2.get(dot.0) >= dot.1
                    })
            })
        };
        (0..3).filter(|m| is_in(*m)).collect()
    }
}

/// Every schedule of `k` steps on `n` replicas, each step an insert or a removal of one of two members, or
/// a merge from one other replica, against the history model.
fn exhaust(n: usize, k: usize) -> usize {
    fn step(all: &[Replica<AwSet<u8>>], history: &HistorySet, left: usize, count: &mut usize) {
        for replica in all {
            let model = history.members(replica.seen().version());
            assert_eq!(replica.value().iter().copied().collect::<Vec<_>>(), model);
        }
        *count += 1;
        if left == 0 {
            return;
        }
        for to in 0..all.len() {
            for (member, insert) in [(0u8, true), (1, true), (0, false), (1, false)] {
                let (mut all, mut history) = (all.to_vec(), history.clone());
                let change = all[to].edit(0, |set, cx| {
                    if insert {
                        set.insert(member, cx);
                    } else {
                        set.remove(&member, cx);
                    }
                });
                if !change.events().is_empty() {
                    history.events.push((member, insert, to, all[to].seen().version().clone()));
                    step(&all, &history, left - 1, count);
                }
            }
            for from in (0..all.len()).filter(|from| *from != to) {
                let mut all = all.to_vec();
                let other = all[from].clone();
                all[to].merge(&other);
                step(&all, history, left - 1, count);
            }
        }
    }
    let all: Vec<_> = (0..n).map(|i| Replica::new(id(i))).collect();
    let mut count = 0;
    step(&all, &HistorySet::default(), k, &mut count);
    count
}

#[test]
fn small_scope_is_exhausted() {
    let (two, three) = (exhaust(2, 5), exhaust(3, 4));
    println!("{two} schedules on 2 replicas, {three} on 3");
    assert!(two > 10_000 && three > 10_000, "{two} and {three}");
}

type Set = Replica<AwSet<&'static str>>;

fn insert(replica: &mut Set, member: &'static str) {
    replica.edit(0, |set, cx| set.insert(member, cx));
}

fn remove(replica: &mut Set, member: &'static str) {
    replica.edit(0, |set, cx| set.remove(&member, cx));
}

/// In another library a removed element came back: an optimisation of merge took "not older" for "newer"
/// (riak_dt issue 78).
#[test]
fn a_removed_member_does_not_come_back() {
    let mut a = Set::new(id(0));
    let mut b = Set::new(id(1));
    insert(&mut a, "foo");
    insert(&mut a, "bar");
    insert(&mut b, "baz");
    let c = merged(&a, &b);
    remove(&mut a, "bar");
    let all = merged(&a, &c);
    assert_eq!(all.value().iter().copied().collect::<Vec<_>>(), ["baz", "foo"]);
}

/// In another library a member removed on both sides stayed, because presence on both sides was taken for
/// agreement (riak_dt issue 82).
#[test]
fn a_member_removed_on_both_sides_goes() {
    let mut a = Set::new(id(0));
    let mut b = Set::new(id(1));
    insert(&mut a, "x");
    insert(&mut b, "x");
    let c = a.clone();
    remove(&mut a, "x");
    let a_after = a.clone();
    a.merge(&b);
    remove(&mut b, "x");
    let all = merged(&merged(&b, &a_after), &c);
    assert!(all.value().is_empty());
    let _ = a;
}

/// In another library a nested removal took away what it had not seen, because the entry's clock was
/// changed before it was compared (rust-crdt issue 35).
#[test]
fn a_nested_removal_takes_only_what_it_saw() {
    type Nested = OrMap<u8, OrMap<u8, MvRegister<u8>>>;
    let put = |key: u8, inner: u8, n: u8| {
        move |map: &mut Nested, cx: &mut Cx| {
            map.update(key, cx, |map, cx| map.update(inner, cx, |reg, cx| reg.set(n, cx)))
        }
    };
    let mut a: Replica<Nested> = Replica::new(id(0));
    let mut b: Replica<Nested> = Replica::new(id(1));
    a.edit(0, put(1, 1, 10));
    b.merge(&a);
    b.edit(0, put(1, 2, 20));
    a.edit(0, |map, cx| map.remove(&1, cx));
    a.merge(&b);
    let inner = a.value().get(&1).unwrap();
    assert_eq!(inner.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [2]);
}

/// Writing one place again and again must not grow what removals keep.
#[test]
fn overwriting_keeps_one_removal_entry() {
    let mut a: Replica<MvRegister<u64>> = Replica::new(id(0));
    (0..1_000).for_each(|n| drop(a.edit(0, |r, cx| r.set(n, cx))));
    assert_eq!(a.removals().len(), 1);
}

/// A change whose value was written by an event that it does not carry made one dot live under two keys.
#[test]
fn a_change_carries_the_events_of_its_values() {
    let mut a: Replica<AwSet<u8>> = Replica::new(id(0));
    a.edit(0, |set, cx| set.insert(1, cx));
    let honest = a.edit(0, |set, cx| set.insert(2, cx));
    let (mut body, table) = bytes(&honest);
    assert!(Change::<AwSet<u8>>::decode(&mut Reader::new(&body, &table)).is_ok());
    // The value's dot is the last two bytes: another event of the same replica.
    *body.last_mut().unwrap() = 1;
    assert!(Change::<AwSet<u8>>::decode(&mut Reader::new(&body, &table)).is_err());
}

proptest! {
    #[test]
    fn mutated_bytes_are_refused_or_canonical(
        steps in steps(3),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let (all, _) = run::<Deep>(3, &steps);
        let (mut body, table) = bytes(&whole(&all[0]));
        let at = at.index(body.len());
        body[at] ^= flip;
        let mut r = Reader::new(&body, &table);
        if let Ok(change) = Change::<Deep>::decode(&mut r) {
            let read = r.position();
            let mut w = Writer::with_table(table.iter().copied());
            change.encode(&mut w);
            prop_assert_eq!(&w.into_body()[..], &body[..read]);
        }
    }

    #[test]
    fn mutated_changes_are_refused_or_canonical(
        steps in steps(3),
        op in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let (_, ops) = run::<Deep>(3, &steps);
        prop_assume!(!ops.is_empty());
        let mut bytes = op.get(&ops).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(change) = Change::<Deep>::from_bytes(&bytes) {
            // One in the form of before is written in that of now.
            let again = change.to_bytes();
            prop_assert!(again == bytes || bytes[0] == 2 && Change::from_bytes(&again).as_ref() == Ok(&change));
        }
    }
}
