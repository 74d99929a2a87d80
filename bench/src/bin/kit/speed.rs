//! The kit's speed against a property test of the same type that is written by hand.

use std::process::ExitCode;
use std::time::Instant;

use crdt::ReplicaId;
use crdt::replica::Replica;
use crdt::set::AwSet;
use crdt::testkit::Kit;
use crdt::traits::StateCrdt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

type Set = Replica<AwSet<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, u8),
    Remove(usize, u8),
    Merge(usize, usize),
}

/// What one writes by hand: three replicas, edits and merges; then the laws, and that all end the same.
fn by_hand(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut all: Vec<Set> = (0..3).map(|n| Replica::new(ReplicaId::from_u128(n + 1))).collect();
    for (time, step) in steps.iter().enumerate() {
        match step {
            Step::Insert(at, member) => drop(all[*at].edit(time as u64, |set, cx| set.insert(*member, cx))),
            Step::Remove(at, member) => drop(all[*at].edit(time as u64, |set, cx| set.remove(member, cx))),
            Step::Merge(to, from) => {
                let other = all[*from].clone();
                all[*to].merge(&other);
            }
        }
    }
    let join = |a: &Set, b: &Set| {
        let mut both = a.clone();
        both.merge(b);
        both
    };
    let [a, b, c] = &all[..] else { return Ok(()) };
    prop_assert_eq!(join(a, b).value().clone(), join(b, a).value().clone());
    prop_assert_eq!(join(&join(a, b), c).value().clone(), join(a, &join(b, c)).value().clone());
    prop_assert_eq!(join(a, a).value().clone(), a.value().clone());
    Ok(())
}

/// Prints schedules for each second, in turn, three times.
pub(crate) fn compare() -> ExitCode {
    let step = prop_oneof![
        (0..3usize, 0..3u8).prop_map(|(at, member)| Step::Insert(at, member)),
        (0..3usize, 0..3u8).prop_map(|(at, member)| Step::Remove(at, member)),
        (0..3usize, 0..3usize).prop_map(|(to, from)| Step::Merge(to, from)),
    ];
    let steps = prop::collection::vec(step, 2..40);
    println!("{:32} {:>12} {:>12}", "", "schedules/s", "ratio");
    for _ in 0..3 {
        let cases = 20_000;
        let start = Instant::now();
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        if let Err(error) = runner.run(&steps, |steps| by_hand(&steps)) {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
        let hand = f64::from(cases) / start.elapsed().as_secs_f64();
        println!("{:32} {hand:>12.0} {:>12.2}", "by hand, 3 laws at the end", 1.0);
        let kits = [
            ("kit, states", Kit::<Set>::new().replicas(3..=3)),
            ("kit, states, deltas, operations", Kit::<Set>::new().replicas(3..=3).deltas().ops()),
            ("kit, bytes too", Kit::<Set>::new().replicas(3..=3).deltas().ops().codec()),
        ];
        for (name, kit) in kits {
            let start = Instant::now();
            assert!(kit.run(1, u64::from(cases)).failure.is_none());
            let speed = f64::from(cases) / start.elapsed().as_secs_f64();
            println!("{name:32} {speed:>12.0} {:>12.2}", speed / hand);
        }
    }
    ExitCode::SUCCESS
}
