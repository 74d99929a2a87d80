//! The op-based types against their state-based twins: the same schedule, the same value, on every replica
//! after every step; and causal delivery whatever comes when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crdt::automerge::AutomergeDoc;
use crdt::causal::{CausalBuffer, ReceiveError, Tagged};
use crdt::counter::{GCounter, PnCounter};
use crdt::dots::{Cx, DotStore};
use crdt::flag::{DwFlag, EwFlag};
use crdt::log::Log;
use crdt::map::{GMap, LwwMap, OrMap};
use crdt::matrix::MatrixClock;
use crdt::oplog::{
    Add, Append, AwSetOp, DwFlagOp, EwFlagOp, Insert, LwwMapOp, LwwSetOp, LwwWrite, MapOp, MaxWrite,
    MinWrite, MvWrite, PoLog, PureOp, RwSetOp, TwoPhaseOp,
};
use crdt::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crdt::replica::{Change, Replica};
use crdt::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crdt::testkit::{Model, Ops};
use crdt::traits::OpCrdt;
use crdt::{Delta, Doc, Dot, Hlc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

/// A type in both forms: what a number does to each, and what each then shows.
trait Twins {
    type State: DotStore;
    type Op: PureOp;
    /// `None` when there is nothing to do.
    fn op(n: u8, state: &Self::State) -> Option<Self::Op>;
    fn edit(state: &mut Self::State, op: &Self::Op, cx: &mut Cx);
    fn shown(state: &Self::State) -> <Self::Op as PureOp>::Value;
}

macro_rules! twins {
    ($($name:ident: $state:ty, $op:ty, $value:ty, |$n:ident, $s:ident| $make:expr, |$e:ident, $o:ident, $cx:ident| $edit:expr, |$v:ident| $shown:expr);* $(;)?) => {
        $(struct $name;
        impl Twins for $name {
            type State = $state;
            type Op = $op;
            fn op($n: u8, $s: &$state) -> Option<$op> { let _ = $s; $make }
            fn edit($e: &mut $state, $o: &$op, $cx: &mut Cx) { $edit }
            fn shown($v: &$state) -> $value { $shown }
        })*
        proptest! {
            #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
            #[test]
            fn the_forms_agree(steps in prop::collection::vec((0..3usize, 0..3usize, 0..6u8, any::<u8>()), 0..40)) {
                $(agree::<$name>(&steps)?;)*
            }
        }
    };
}

twins! {
    Counter: PnCounter, Add, i64,
        |n, _s| (n % 7 != 3).then(|| Add(i64::from(n % 7) - 3)),
        |state, op, cx| state.add(op.0, cx),
        |state| state.value();
    Aw: AwSet<u8>, AwSetOp<u8>, BTreeSet<u8>,
        |n, set| Some(match n % 5 {
            0 | 1 => AwSetOp::Insert(n / 5 % 3),
            2 | 3 if set.contains(&(n / 5 % 3)) => AwSetOp::Remove(n / 5 % 3),
            4 if !set.is_empty() => AwSetOp::Clear,
            _ => return None,
        }),
        |set, op, cx| match op {
            AwSetOp::Insert(m) => set.insert(*m, cx),
            AwSetOp::Remove(m) => assert!(set.remove(m, cx)),
            AwSetOp::Clear => set.clear(cx),
        },
        |set| set.iter().copied().collect();
    Rw: RwSet<u8>, RwSetOp<u8>, BTreeSet<u8>,
        |n, set| match n % 2 {
            0 => Some(RwSetOp::Insert(n / 2 % 3)),
            _ => set.contains(&(n / 2 % 3)).then_some(RwSetOp::Remove(n / 2 % 3)),
        },
        |set, op, cx| match op {
            RwSetOp::Insert(m) => set.insert(*m, cx),
            RwSetOp::Remove(m) => assert!(set.remove(m, cx)),
        },
        |set| set.iter().copied().collect();
    Ew: EwFlag, EwFlagOp, bool,
        |n, flag| match n % 2 {
            0 => Some(EwFlagOp::Enable),
            _ => flag.is_enabled().then_some(EwFlagOp::Disable),
        },
        |flag, op, cx| if *op == EwFlagOp::Enable { flag.enable(cx) } else { flag.disable(cx) },
        |flag| flag.is_enabled();
    Dw: DwFlag, DwFlagOp, bool,
        |n, flag| match n % 2 {
            0 => Some(DwFlagOp::Enable),
            _ => flag.is_enabled().then_some(DwFlagOp::Disable),
        },
        |flag, op, cx| if *op == DwFlagOp::Enable { flag.enable(cx) } else { flag.disable(cx) },
        |flag| flag.is_enabled();
    Lww: LwwRegister<u8>, LwwWrite<u8>, Option<u8>,
        |n, _s| Some(LwwWrite(n)),
        |register, op, cx| register.set(op.0, cx),
        |register| register.get().copied();
    Mv: MvRegister<u8>, MvWrite<u8>, Vec<u8>,
        |n, _s| Some(MvWrite(n)),
        |register, op, cx| register.set(op.0, cx),
        |register| { let mut all: Vec<u8> = register.iter().copied().collect(); all.sort_unstable(); all };
    Lines: Log<u8>, Append<u8>, Vec<u8>,
        |n, _s| Some(Append(n)),
        |log, op, cx| log.append(op.0, cx),
        |log| log.iter().copied().collect();
    Growing: GSet<u8>, Insert<u8>, BTreeSet<u8>,
        |n, set| (!set.contains(&(n % 4))).then_some(Insert(n % 4)),
        |set, op, cx| assert!(set.insert(op.0, cx)),
        |set| set.iter().copied().collect();
    Grown: GCounter, Add, i64,
        |n, _s| (!n.is_multiple_of(4)).then(|| Add(i64::from(n % 4))),
        |count, op, cx| count.add(op.0 as u64, cx),
        |count| count.value() as i64;
    TwoPhase: TwoPhaseSet<u8>, TwoPhaseOp<u8>, BTreeSet<u8>,
        |n, set| match (n % 3, n / 3 % 4) {
            (0, m) => set.contains(&m).then_some(TwoPhaseOp::Remove(m)),
            (_, m) => (!set.contains(&m) && !set.was_removed(&m)).then_some(TwoPhaseOp::Insert(m)),
        },
        |set, op, cx| assert!(match op {
            TwoPhaseOp::Insert(m) => set.insert(*m, cx),
            TwoPhaseOp::Remove(m) => set.remove(m, cx),
        }),
        |set| set.iter().copied().collect();
    LwwMembers: LwwSet<u8>, LwwSetOp<u8>, BTreeSet<u8>,
        |n, set| match n % 2 {
            0 => Some(LwwSetOp::Insert(n / 2 % 3)),
            _ => set.contains(&(n / 2 % 3)).then_some(LwwSetOp::Remove(n / 2 % 3)),
        },
        |set, op, cx| match op {
            LwwSetOp::Insert(m) => set.insert(*m, cx),
            LwwSetOp::Remove(m) => assert!(set.remove(m, cx)),
        },
        |set| set.iter().copied().collect();
    LwwEntries: LwwMap<u8, u8>, LwwMapOp<u8, u8>, BTreeMap<u8, u8>,
        |n, map| match n % 3 {
            0 => map.get(&(n / 3 % 3)).map(|_| LwwMapOp::Remove(n / 3 % 3)),
            _ => Some(LwwMapOp::Put(n / 3 % 3, n)),
        },
        |map, op, cx| match op {
            LwwMapOp::Put(key, value) => map.put(*key, *value, cx),
            LwwMapOp::Remove(key) => assert!(map.remove(key, cx)),
        },
        |map| map.iter().map(|(key, value)| (*key, *value)).collect();
    Greatest: MaxRegister<u8>, MaxWrite<u8>, Option<u8>,
        |n, best| best.get().is_none_or(|best| n > *best).then_some(MaxWrite(n)),
        |best, op, cx| best.set(op.0, cx),
        |best| best.get().copied();
    Least: MinRegister<u8>, MinWrite<u8>, Option<u8>,
        |n, best| best.get().is_none_or(|best| n < *best).then_some(MinWrite(n)),
        |best, op, cx| best.set(op.0, cx),
        |best| best.get().copied();
    SetsByKey: OrMap<u8, AwSet<u8>>, MapOp<u8, AwSetOp<u8>>, BTreeMap<u8, BTreeSet<u8>>,
        |n, map| {
            let key = n / 4 % 2;
            match (n % 4, map.get(&key)) {
                (0, at) => at.map(|_| MapOp::Remove(key)),
                (1, Some(set)) => set.contains(&(n / 8 % 3)).then_some(MapOp::Update(key, AwSetOp::Remove(n / 8 % 3))),
                _ => Some(MapOp::Update(key, AwSetOp::Insert(n / 8 % 3))),
            }
        },
        |map, op, cx| match op {
            MapOp::Update(key, op) => map.update(*key, cx, |set, cx| Aw::edit(set, op, cx)),
            MapOp::Remove(key) => assert!(map.remove(key, cx)),
        },
        |map| map.iter().map(|(key, set)| (*key, Aw::shown(set))).collect();
    MapsOfWrites: OrMap<u8, OrMap<u8, MvRegister<u8>>>, MapOp<u8, MapOp<u8, MvWrite<u8>>>, BTreeMap<u8, BTreeMap<u8, Vec<u8>>>,
        |n, map| {
            let (outer, inner) = (n / 4 % 2, n / 8 % 2);
            match (n % 4, map.get(&outer)) {
                (0, at) => at.map(|_| MapOp::Remove(outer)),
                (1, Some(map)) => map.get(&inner).map(|_| MapOp::Update(outer, MapOp::Remove(inner))),
                _ => Some(MapOp::Update(outer, MapOp::Update(inner, MvWrite(n)))),
            }
        },
        |map, op, cx| match op {
            MapOp::Remove(key) => assert!(map.remove(key, cx)),
            MapOp::Update(key, MapOp::Remove(inner)) => map.update(*key, cx, |map, cx| assert!(map.remove(inner, cx))),
            MapOp::Update(key, MapOp::Update(inner, op)) => {
                map.update(*key, cx, |map, cx| map.update(*inner, cx, |register, cx| register.set(op.0, cx)));
            }
        },
        |map| map.iter().map(|(key, map)| (*key, map.iter().map(|(key, all)| (*key, Mv::shown(all))).collect())).collect();
    GrowingMap: GMap<u8, GSet<u8>>, MapOp<u8, Insert<u8>>, BTreeMap<u8, BTreeSet<u8>>,
        |n, map| {
            let (key, member) = (n % 3, n / 3 % 3);
            let is_in = map.get(&key).is_some_and(|set| set.contains(&member));
            (!is_in).then_some(MapOp::Update(key, Insert(member)))
        },
        |map, op, cx| if let MapOp::Update(key, op) = op {
            map.update(*key, cx, |set, cx| assert!(set.insert(op.0, cx)));
        },
        |map| map.iter().map(|(key, set)| (*key, Growing::shown(set))).collect();
}

type Step = (usize, usize, u8, u8);

/// What one edit sent, in both forms.
type Sent<T> = (Tagged<<T as Twins>::Op>, Change<<T as Twins>::State>);

/// Three replicas in both forms. Operations travel in any order, twice, late; the state form takes exactly what
/// the op form has delivered.
fn agree<T: Twins>(steps: &[Step]) -> Result<(), TestCaseError>
where
    <T::Op as PureOp>::Value: PartialEq + Debug + Shown,
{
    let mut states: Vec<Replica<T::State>> = (0..3).map(|n| Replica::new(id(n))).collect();
    let mut logs: Vec<PoLog<T::Op>> = (0..3).map(|n| PoLog::new(id(n), 1_000)).collect();
    let mut sent: Vec<Sent<T>> = Vec::new();
    let mut clock = MatrixClock::new((0..3).map(id));
    for (time, (at, _, what, arg)) in steps.iter().enumerate() {
        match what {
            0..=2 => {
                let Some(op) = T::op(*arg, states[*at].value()) else { continue };
                let tagged = logs[*at].apply(time as u64, op.clone());
                let change = states[*at].edit(time as u64, |state, cx| T::edit(state, &op, cx));
                sent.push((tagged, change));
            }
            3 | 4 if !sent.is_empty() => {
                let (op, _) = sent[usize::from(*arg) % sent.len()].clone();
                logs[*at].effect(&op).unwrap();
                let delivered = logs[*at].version();
                let new = sent.iter().filter(|(op, _)| delivered.contains(op.dot));
                new.for_each(|(_, change)| states[*at].apply(change));
            }
            _ => {
                clock.saw(id(*at), logs[*at].version());
                let stable = clock.stable(logs[*at].version());
                logs[*at].compact(&stable);
            }
        }
        prop_assert_eq!(states[*at].seen().version(), logs[*at].version());
        prop_assert_eq!(logs[*at].value().sorted(), T::shown(states[*at].value()).sorted());
    }
    for (log, state) in logs.iter_mut().zip(&mut states) {
        for (op, change) in &sent {
            log.effect(op).unwrap();
            state.apply(change);
        }
        prop_assert_eq!(log.buffer().waiting(), 0);
        prop_assert_eq!(log.value().sorted(), T::shown(state.value()).sorted());
    }
    prop_assert_eq!(logs[0].value(), logs[1].value());
    prop_assert_eq!(logs[0].value(), logs[2].value());
    Ok(())
}

/// Concurrent values stand in the order of events here and of stamps there.
trait Shown: Sized {
    fn sorted(self) -> Self {
        self
    }
}
impl Shown for i64 {}
impl Shown for bool {}
impl Shown for u8 {}
impl Shown for Option<u8> {}
impl Shown for BTreeSet<u8> {}
impl<V: Shown> Shown for BTreeMap<u8, V> {
    fn sorted(self) -> Self {
        self.into_iter().map(|(key, value)| (key, value.sorted())).collect()
    }
}
impl Shown for Vec<u8> {
    fn sorted(mut self) -> Self {
        self.sort_unstable();
        self
    }
}

#[test]
fn a_full_buffer_says_so_and_loses_nothing() {
    let a = id(0);
    let op = |seq: u64| Tagged {
        dot: Dot::new(a, seq),
        past: if seq > 1 { [(a, seq - 1)].into_iter().collect() } else { VersionVector::new() },
        stamp: Hlc::ZERO,
        op: seq,
    };
    let mut buffer = CausalBuffer::new(2);
    assert!(buffer.receive(op(5)).unwrap().is_empty());
    assert!(buffer.receive(op(3)).unwrap().is_empty());
    assert_eq!(buffer.receive(op(4)).unwrap_err(), ReceiveError::Full(2));
    let missing: Vec<_> = buffer.missing().iter().map(|span| (span.after, span.to)).collect();
    assert_eq!(missing, [(0, 2), (3, 4)]);
    assert_eq!(buffer.receive(op(1)).unwrap().len(), 1, "what can be delivered is, however full it is");
    assert_eq!(buffer.receive(op(2)).unwrap().len(), 2);
    assert_eq!(buffer.receive(op(4)).unwrap().len(), 2);
    assert_eq!(buffer.waiting(), 0);
    let wrong = Tagged { past: VersionVector::new(), ..op(9) };
    assert_eq!(buffer.receive(wrong).unwrap_err(), ReceiveError::Invalid);
}

/// A document of either engine: edits by bytes, and its whole state in bytes.
trait Document: Replicated + Clone {
    fn new(me: usize) -> Self;
    fn edit(&mut self, now: u64, bytes: [u8; 4]);
    /// What must be equal where the versions are.
    fn told(&self) -> Vec<u8>;
    /// Takes in all that the other is, by what it saves.
    fn take_whole(&mut self, other: &Self);
}

impl Document for Doc {
    fn new(me: usize) -> Self {
        Doc::new(id(me))
    }

    /// As the kit does: maps, lists, text, marks, trees and all else, one edit or two in one transaction.
    fn edit(&mut self, now: u64, bytes: [u8; 4]) {
        Model::edit(self, now, &bytes);
    }

    fn told(&self) -> Vec<u8> {
        self.save()
    }

    fn take_whole(&mut self, other: &Self) {
        let saved = Doc::load(&other.save(), id(99)).unwrap();
        Model::merge(self, &saved);
    }
}

impl Document for AutomergeDoc {
    fn new(me: usize) -> Self {
        AutomergeDoc::new(id(me))
    }

    fn edit(&mut self, now: u64, [kind, a, b, _]: [u8; 4]) {
        Model::edit(self, now, &[kind, a, b]);
    }

    fn told(&self) -> Vec<u8> {
        Model::view(self).into_bytes()
    }

    fn take_whole(&mut self, other: &Self) {
        Model::merge(self, other);
    }
}

/// One transaction: its delta as an operation, and the document of its author right after it.
type Transaction<D> = (Tagged<Delta>, D);

/// Three replicas in each of the three forms, on one schedule. Operations are deltas of one transaction each; they travel in
/// any order, twice, late, through a [`CausalBuffer`]. What it hands on, the state form takes as whole documents and the
/// delta form as differences.
fn documents_agree<D: Document>(steps: &[(usize, u8, [u8; 4])]) -> Result<(), TestCaseError> {
    let mut forms: [Vec<D>; 3] = [(); 3].map(|()| (0..3).map(D::new).collect());
    let mut buffers: Vec<CausalBuffer<Delta>> = (0..3).map(|_| CausalBuffer::new(1_000)).collect();
    let mut sent: Vec<Transaction<D>> = Vec::new();
    let deliver = |at: usize,
                   op: Tagged<Delta>,
                   forms: &mut [Vec<D>; 3],
                   sent: &[Transaction<D>],
                   buffers: &mut [CausalBuffer<Delta>]| {
        let delivered = buffers[at].receive(op).unwrap();
        for op in &delivered {
            let [by_op, by_delta, by_state] = forms;
            let (_, author) = sent.iter().find(|(sent, _)| sent.dot == op.dot).unwrap();
            let applied = by_op[at].apply(&Delta::from_bytes(&op.op.to_bytes()).unwrap());
            prop_assert_eq!(applied.map(|applied| applied.novel), Ok(op.op.spans.clone()));
            let difference = author.delta_since(by_delta[at].version());
            by_delta[at].apply(&difference).unwrap();
            by_state[at].take_whole(author);
        }
        Ok(delivered.len())
    };
    for (time, (at, what, bytes)) in steps.iter().enumerate() {
        match what {
            0..=3 => {
                let before = forms[0][*at].version().clone();
                forms.iter_mut().for_each(|docs| docs[*at].edit(time as u64, *bytes));
                let doc = forms[0][*at].clone();
                let op = doc.delta_since(&before);
                if op.is_empty() {
                    continue;
                }
                let past = buffers[*at].seen().clone();
                let dot = Dot::new(id(*at), past.get(id(*at)) + 1);
                let tagged = Tagged { dot, past, stamp: Hlc::ZERO, op };
                prop_assert_eq!(buffers[*at].receive(tagged.clone()).map(|all| all.len()), Ok(1));
                sent.push((tagged, doc));
            }
            _ if sent.is_empty() => continue,
            _ => {
                let (op, _) = sent[usize::from(bytes[0]) % sent.len()].clone();
                deliver(*at, op, &mut forms, &sent, &mut buffers)?;
            }
        }
        let [by_op, by_delta, by_state] = &forms;
        prop_assert_eq!(by_op[*at].version(), by_delta[*at].version());
        prop_assert_eq!(by_op[*at].version(), by_state[*at].version());
        prop_assert!(by_op[*at].told() == by_delta[*at].told(), "a difference is its operations");
        prop_assert!(by_op[*at].told() == by_state[*at].told(), "a document is its operations");
    }
    // The last that was sent comes first; at the end nothing waits.
    for at in 0..3 {
        for (op, _) in sent.iter().rev() {
            deliver(at, op.clone(), &mut forms, &sent, &mut buffers)?;
        }
        prop_assert_eq!(buffers[at].waiting(), 0);
    }
    let first = forms[0][0].told();
    prop_assert!(forms.iter().flatten().all(|doc| doc.told() == first), "nine replicas are one state");
    // All operations at once, as one difference.
    let mut joined = D::new(8);
    joined.apply(&forms[0][0].delta_since(&VersionVector::new())).unwrap();
    prop_assert!(joined.told() == first, "the joined difference is its operations");
    Ok(())
}

fn transactions(most: usize) -> impl Strategy<Value = Vec<(usize, u8, [u8; 4])>> {
    prop::collection::vec((0..3usize, 0..8u8, any::<[u8; 4]>()), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_forms_of_a_document_agree(steps in transactions(60)) {
        documents_agree::<Doc>(&steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_forms_of_an_automerge_document_agree(steps in transactions(30)) {
        documents_agree::<AutomergeDoc>(&steps)?;
    }
}

/// Without the buffer an operation that comes early is refused and changes nothing, and is taken when its turn has come.
#[test]
fn an_operation_of_a_document_that_comes_early_changes_nothing() {
    let mut a = <Doc as Document>::new(0);
    let mut ops = Vec::new();
    for n in 0..40u8 {
        ops.push(Ops::prepare(&mut a, n.into(), &[n, 0, n, 3]));
    }
    ops.retain(|op| !op.is_empty());
    let mut b = <Doc as Document>::new(1);
    let mut early = 0;
    for n in 0..ops.len() {
        let before = b.save();
        for op in &ops[n + 1..] {
            let said = b.apply(op);
            assert_eq!(said, Err(crdt::ApplyError::Missing));
            assert_eq!(b.save(), before);
            early += 1;
        }
        b.apply(&ops[n]).unwrap();
    }
    assert!(early > 200);
    assert_eq!(b.save(), a.save());
}
