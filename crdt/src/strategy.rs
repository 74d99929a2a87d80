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
//! `any::<T>()` works for [`ReplicaId`], [`Dot`], [`Hlc`], [`VersionVector`], [`Scalar`], [`Value`] and
//! [`Schedule`]. Ids are few, so that what is drawn twice meets.

use std::fmt::Debug;

use proptest::arbitrary::Arbitrary;
use proptest::collection::{btree_map, vec};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

use crate::doc::{Doc, Scalar, Value};
use crate::dots::{Cx, DotStore};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::replica::Replica;
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
    Scalar: scalars();
    Value: values();
    Schedule: schedules();
}
