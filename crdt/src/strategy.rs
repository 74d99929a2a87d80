//! With feature `proptest`: strategies for property tests, of what this crate has and of types of your own.
//!
//! ```
//! use crdt::set::AwSet;
//! use crdt::strategy;
//! use crdt::traits::StateCrdt;
//! use proptest::prelude::*;
//!
//! // Three replicas of a set that have edited and met, anyhow. In place of the set: any type of yours.
//! let edits = (any::<bool>(), 0..4u8);
//! let replicas = strategy::replicas(3, edits, |set: &mut AwSet<u8>, (insert, member), cx| {
//!     if insert { set.insert(member, cx) } else { drop(Some(set.remove(&member, cx))) }
//! });
//! proptest!(|(all in replicas)| {
//!     let (mut ab, mut ba) = (all[0].clone(), all[1].clone());
//!     ab.merge(&all[1]);
//!     ba.merge(&all[0]);
//!     prop_assert_eq!(ab.value(), ba.value());
//! });
//! ```
//!
//! `any::<T>()` works for [`ReplicaId`], [`Dot`], [`Hlc`], [`VersionVector`], [`DotRanges`], [`CausalContext`], [`MatrixClock`],
//! [`Scalar`], [`Value`] and [`Schedule`]. Ids are few, so that what is drawn twice meets.

use std::fmt::Debug;

use proptest::arbitrary::Arbitrary;
use proptest::collection::{btree_map, vec};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

use crate::context::{CausalContext, DotRanges};
use crate::delta::{Delta, Replicated};
use crate::doc::{Doc, Scalar, Value};
use crate::dots::{Cx, DotStore};
use crate::dvv::DottedVersionVector;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
use crate::matrix::MatrixClock;
use crate::replica::{Change, Replica};
use crate::testkit::{Model, Schedule};
use crate::version::VersionVector;

/// One of four ids.
///
/// ```
/// use proptest::prelude::*;
/// proptest!(|(a in crdt::strategy::replica_ids())| prop_assert!(a != crdt::ReplicaId::MIN));
/// ```
pub fn replica_ids() -> impl Strategy<Value = ReplicaId> + Clone {
    (1..=4u128).prop_map(ReplicaId::from_u128)
}

/// Versions of up to four replicas with up to 20 events each: often equal, before, after or concurrent.
///
/// ```
/// use proptest::prelude::*;
/// let versions = crdt::strategy::version_vectors;
/// proptest!(|(a in versions(), b in versions())| {
///     prop_assert_eq!(a.clone().merged(&b), b.clone().merged(&a));
/// });
/// ```
pub fn version_vectors() -> impl Strategy<Value = VersionVector> + Clone {
    vec((replica_ids(), 1..=20u64), 0..5).prop_map(|entries| {
        let mut version = VersionVector::new();
        entries.into_iter().for_each(|(replica, seq)| {
            version.advance(replica, seq);
        });
        version
    })
}

/// Up to eight runs of events of up to four replicas: sets with holes.
///
/// ```
/// use proptest::prelude::*;
/// let ranges = crdt::strategy::dot_ranges;
/// proptest!(|(a in ranges(), b in ranges())| {
///     prop_assert_eq!(a.meet(&b).is_empty(), !a.intersects(&b));
/// });
/// ```
pub fn dot_ranges() -> impl Strategy<Value = DotRanges> + Clone {
    let run = (replica_ids(), 0..20u64, 1..=5u64);
    vec(run.prop_map(|(replica, after, len)| Span { replica, after, to: after + len }), 0..9)
        .prop_map(|runs| runs.into_iter().collect())
}

/// What one may have seen that takes events in any order: a version, and what is beyond it.
///
/// ```
/// use proptest::prelude::*;
/// let contexts = crdt::strategy::causal_contexts;
/// proptest!(|(a in contexts(), b in contexts())| {
///     let mut both = a.clone();
///     both.merge(&b);
///     prop_assert!(both.covers(&a) && both.covers(&b));
/// });
/// ```
pub fn causal_contexts() -> impl Strategy<Value = CausalContext> + Clone {
    (version_vectors(), dot_ranges()).prop_map(|(version, beyond)| {
        let mut seen = CausalContext::from(version);
        beyond.iter_ranges().for_each(|span| seen.insert_span(span));
        seen
    })
}

/// Matrix clocks of up to four members, some of which have not reported.
///
/// ```
/// use proptest::prelude::*;
/// proptest!(|(clock in crdt::strategy::matrix_clocks())| {
///     let all = clock.seen_by_all();
///     prop_assert!(clock.members().all(|member| clock.row(member).unwrap().covers(&all)));
/// });
/// ```
pub fn matrix_clocks() -> impl Strategy<Value = MatrixClock> + Clone {
    vec((replica_ids(), proptest::option::weighted(0.8, version_vectors())), 0..6).prop_map(|rows| {
        let mut clock = MatrixClock::default();
        for (member, row) in rows {
            clock.add(member);
            if let Some(row) = row {
                clock.saw(member, &row);
            }
        }
        clock
    })
}

/// One value as `count` servers have it, who took writes and met: none, one, or several siblings.
///
/// ```
/// use proptest::prelude::*;
/// proptest!(|(all in crdt::strategy::dotted_version_vectors(2, 0..9u8))| {
///     let (mut ab, mut ba) = (all[0].clone(), all[1].clone());
///     ab.merge(&all[1]);
///     ba.merge(&all[0]);
///     prop_assert_eq!(ab, ba);
/// });
/// ```
pub fn dotted_version_vectors<T: Clone + Debug>(
    count: usize,
    values: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<DottedVersionVector<T>>> {
    let step = (0..count.max(1), 0..count.max(1), 0..4u8, values);
    vec(step, 0..16).prop_map(move |steps| {
        let mut all = vec![DottedVersionVector::new(); count];
        let mut read = VersionVector::new();
        for (at, from, what, value) in steps {
            let (Some(other), Some(here)) = (all.get(from).cloned(), all.get_mut(at)) else { break };
            match what {
                0 => here.write(ReplicaId::from_u128(at as u128 + 1), &read, value),
                1 => here.merge(&other),
                2 => here.discard(&read),
                // Whoever writes next has read this.
                _ => read = here.context().clone(),
            }
        }
        all
    })
}

/// Plain values of every kind, odd numbers and odd characters among them.
///
/// ```
/// use crdt::codec::{from_bytes, to_bytes};
/// use proptest::prelude::*;
/// proptest!(|(a in crdt::strategy::scalars())| {
///     prop_assert_eq!(from_bytes::<crdt::doc::Scalar>(&to_bytes(&a)).unwrap(), a);
/// });
/// ```
pub fn scalars() -> impl Strategy<Value = Scalar> + Clone {
    prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::from),
        any::<i64>().prop_map(Scalar::from),
        proptest::num::f64::ANY.prop_map(Scalar::from),
        any::<String>().prop_map(Scalar::from),
        vec(any::<u8>(), 0..8).prop_map(Scalar::from),
    ]
}

/// Plain data, up to four levels deep.
///
/// ```
/// use proptest::prelude::*;
/// proptest!(|(a in crdt::strategy::values())| prop_assert_eq!(a.pointer(""), Some(&a)));
/// ```
pub fn values() -> impl Strategy<Value = Value> + Clone {
    scalars().prop_map(Value::Scalar).prop_recursive(4, 32, 4, |below| {
        prop_oneof![
            vec(below.clone(), 0..4).prop_map(Value::List),
            btree_map(any::<String>(), below, 0..4).prop_map(Value::Map),
        ]
    })
}

/// Schedules of up to 40 steps, for [`Kit::check_schedule`](crate::testkit::Kit::check_schedule). A failure is made small by the kit itself.
///
/// ```
/// use crdt::{replica::Replica, set::AwSet, strategy, testkit::Kit};
/// use proptest::prelude::*;
/// let kit = Kit::<Replica<AwSet<u8>>>::new().deltas().ops();
/// proptest!(ProptestConfig::with_cases(16), |(schedule in strategy::schedules())| {
///     prop_assert!(kit.check_schedule(schedule).is_ok());
/// });
/// ```
pub fn schedules() -> impl Strategy<Value = Schedule> + Clone {
    vec(any::<u8>(), 8..=8 * 41).prop_map(|bytes| Schedule::from_bytes(&bytes))
}

/// `count` replicas of any type that have edited and met, anyhow: of `edits` is drawn what a user does, which
/// `apply` does.
///
/// ```
/// use crdt::counter::PnCounter;
/// use proptest::prelude::*;
/// let counters = crdt::strategy::replicas(2, -3..=3i64, |n: &mut PnCounter, by, cx| n.add(by, cx));
/// proptest!(ProptestConfig::with_cases(16), |(mut all in counters)| {
///     let lacks = all[1].delta_since(all[0].seen().version());
///     all[0].apply(&lacks);
///     prop_assert!(all[0].seen() >= all[1].seen());
/// });
/// ```
pub fn replicas<T: DotStore, E: Debug>(
    count: usize,
    edits: impl Strategy<Value = E>,
    apply: impl Fn(&mut T, E, &mut Cx),
) -> impl Strategy<Value = Vec<Replica<T>>> {
    let step = (0..count.max(1), 0..count.max(1), proptest::option::weighted(0.6, edits), 0..1_000u64);
    vec(step, 0..32).prop_map(move |steps| {
        let id = |n: usize| ReplicaId::from_u128(n as u128 + 1);
        let mut all: Vec<Replica<T>> = (0..count).map(|n| Replica::new(id(n))).collect();
        for (to, from, edit, now) in steps {
            let lacks = match (all.get(from), all.get(to)) {
                (Some(from), Some(to)) => from.delta_since(to.seen().version()),
                _ => break,
            };
            match edit {
                Some(edit) => all[to].update(now, |value, cx| apply(value, edit, cx)),
                None => all[to].apply(&lacks),
            }
        }
        all
    })
}

/// Differences between three replicas of any type, drawn as [`replicas`] are: of one that has nothing, and of each that lacks what
/// another has. They can be taken in any order.
///
/// ```
/// use crdt::counter::PnCounter;
/// use crdt::replica::Replica;
/// use proptest::prelude::*;
/// let changes = crdt::strategy::changes(-3..=3i64, |n: &mut PnCounter, by, cx| n.add(by, cx));
/// proptest!(ProptestConfig::with_cases(16), |(all in changes.prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())))| {
///     let [mut one, mut two] = [1, 2].map(|n| Replica::<PnCounter>::new(crdt::ReplicaId::from_u128(90 + n)));
///     all.0.iter().for_each(|change| one.apply(change));
///     all.1.iter().for_each(|change| two.apply(change));
///     prop_assert_eq!(one.value(), two.value());
/// });
/// ```
pub fn changes<T: DotStore, E: Debug>(
    edits: impl Strategy<Value = E>,
    apply: impl Fn(&mut T, E, &mut Cx),
) -> impl Strategy<Value = Vec<Change<T>>> {
    replicas(3, edits, apply).prop_map(|all| {
        let pairs = all.iter().flat_map(|a| all.iter().map(move |b| (a, b)));
        let lacks = pairs.map(|(a, b)| a.delta_since(b.seen().version()));
        let whole = all.iter().map(|a| a.delta_since(&VersionVector::new()));
        lacks.chain(whole).filter(|change| !change.events().is_empty()).collect()
    })
}

/// Deltas of one document, some of few events and some of many, in an order in which each can be taken.
///
/// ```
/// use crdt::{Delta, Doc, ReplicaId, Replicated};
/// use proptest::prelude::*;
/// proptest!(ProptestConfig::with_cases(16), |(all in crdt::strategy::deltas())| {
///     let mut doc = Doc::new(ReplicaId::from_u128(90));
///     for delta in &all {
///         prop_assert_eq!(&Delta::from_bytes(&delta.to_bytes()).unwrap(), delta);
///         prop_assert_eq!(doc.apply(delta)?.novel, delta.spans.clone());
///     }
/// });
/// ```
pub fn deltas() -> impl Strategy<Value = Vec<Delta>> {
    (docs(3), prop_oneof![3 => 1..6u64, 1 => 6..100u64]).prop_map(|(docs, events)| {
        let (mut known, mut all) = (VersionVector::new(), Vec::new());
        for doc in &docs {
            while !known.covers(doc.version()) {
                let delta = doc.delta_between(&known, &doc.step(&known, events));
                if delta.is_empty() {
                    break;
                }
                for span in &delta.spans {
                    known.advance(span.replica, span.to);
                }
                all.push(delta);
            }
        }
        all
    })
}

/// `count` replicas of one document that have edited and met, anyhow.
///
/// ```
/// use crdt::Replicated;
/// use proptest::prelude::*;
/// proptest!(ProptestConfig::with_cases(16), |(mut docs in crdt::strategy::docs(2))| {
///     let (a, b) = (docs[0].clone(), docs[1].clone());
///     docs[0].apply(&b.delta_since(a.version()))?;
///     docs[1].apply(&a.delta_since(b.version()))?;
///     prop_assert_eq!(docs[0].value(), docs[1].value());
/// });
/// ```
pub fn docs(count: usize) -> impl Strategy<Value = Vec<Doc>> {
    let step = (0..count.max(1), 0..count.max(1), proptest::option::weighted(0.6, any::<[u8; 4]>()));
    vec(step, 0..32).prop_map(move |steps| {
        let mut all: Vec<Doc> = (0..count).map(|n| Model::new(n as u8)).collect();
        for (now, (to, from, edit)) in steps.into_iter().enumerate() {
            match (edit, all.get(from).cloned(), all.get_mut(to)) {
                (Some(edit), _, Some(to)) => Model::edit(to, now as u64, &edit),
                (None, Some(from), Some(to)) => Model::merge(to, &from),
                _ => {}
            }
        }
        all
    })
}

/// Makes `any::<T>()` the strategy.
macro_rules! any {
    ($($type:ty: $strategy:expr;)*) => {
        $(impl Arbitrary for $type {
            type Parameters = ();
            type Strategy = BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                $strategy.boxed()
            }
        })*
    };
}

any! {
    ReplicaId: replica_ids();
    Dot: (replica_ids(), 1..=20u64).prop_map(|(replica, seq)| Dot::new(replica, seq));
    Hlc: (0..1_000u64, 0..4u16).prop_map(|(millis, counter)| Hlc::new(millis, counter));
    VersionVector: version_vectors();
    DotRanges: dot_ranges();
    CausalContext: causal_contexts();
    MatrixClock: matrix_clocks();
    Scalar: scalars();
    Value: values();
    Schedule: schedules();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::AwSet;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    /// How many of 200 that are drawn are so.
    fn count<T: Debug>(of: impl Strategy<Value = T>, so: impl Fn(&T) -> bool) -> usize {
        let mut runner = TestRunner::deterministic();
        (0..200).filter(|_| of.new_tree(&mut runner).is_ok_and(|tree| so(&tree.current()))).count()
    }

    /// What is drawn holds what laws break on: holes, siblings, members that are silent, parts of a whole.
    #[test]
    fn what_is_drawn_is_not_plain() {
        assert!(
            count(causal_contexts(), |seen| !seen.beyond().is_empty() && !seen.version().is_empty()) > 50
        );
        assert!(count(dot_ranges(), |ranges| ranges.iter_ranges().count() > 2) > 50);
        let silent =
            |clock: &MatrixClock| clock.members().any(|m| clock.row(m).is_some_and(VersionVector::is_empty));
        assert!((20..180).contains(&count(matrix_clocks(), silent)));
        let values = || dotted_version_vectors(2, 0..9u8);
        assert!(count(values(), |all| all[0].values().count() > 1) > 20);
        assert!(count(values(), |all| all[0].causal_cmp(&all[1]).is_none()) > 20);
        let insert = |set: &mut AwSet<u8>, member, cx: &mut Cx| set.insert(member, cx);
        assert!(count(changes(0..4u8, insert), |all| all.len() > 3) > 100);
        assert!(count(deltas(), |all| all.len() > 2) > 80);
    }
}
