//! The op-based types against their state-based twins: the same schedule, the same value, on every replica
//! after every step; and causal delivery whatever comes when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::BTreeSet;
use std::fmt::Debug;

use crdt::causal::{CausalBuffer, ReceiveError, Tagged};
use crdt::counter::PnCounter;
use crdt::dots::{Cx, DotStore};
use crdt::flag::{DwFlag, EwFlag};
use crdt::log::Log;
use crdt::matrix::MatrixClock;
use crdt::oplog::{Add, Append, AwSetOp, DwFlagOp, EwFlagOp, LwwWrite, MvWrite, PoLog, PureOp, RwSetOp};
use crdt::register::{LwwRegister, MvRegister};
use crdt::replica::{Change, Replica};
use crdt::set::{AwSet, RwSet};
use crdt::traits::OpCrdt;
use crdt::{Dot, Hlc, ReplicaId, VersionVector};
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
impl Shown for Option<u8> {}
impl Shown for BTreeSet<u8> {}
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
