//! A counter that a thousand replicas have counted in.

use anyhow::ensure;

use super::{Replica, at_rest, one_change};
use crate::measure::{batched, ns, report, timed, us};

/// A counter that goes up and down.
pub(super) trait CounterPeer: Replica {
    fn add(&mut self, n: i64);
    fn value(&self) -> i64;
}

const REPLICAS: usize = 1_000;

/// All rows.
pub(super) fn measure<P: CounterPeer>(first_pass: bool) -> anyhow::Result<()> {
    let mut full = P::new(1);
    full.add(1);
    let saved = full.save();
    (10..10 + REPLICAS).for_each(|agent| {
        let mut one = P::load(&saved, agent);
        one.add(2);
        full.merge(&mut one);
    });
    let sum = 1 + 2 * REPLICAS as i64;
    ensure!(full.value() == sum, "{} counted, not {sum}", full.value());
    report("read", "", ns(batched(|| std::hint::black_box(&full).value())));
    at_rest(&mut full, first_pass, P::value);
    one_change(&mut full, |counter, _| counter.add(3));
    report("add", "", ns(batched(|| full.add(1))));
    merge::<P>()
}

/// Two replicas that have each heard of five hundred others.
fn merge<P: CounterPeer>() -> anyhow::Result<()> {
    let mut base = P::new(1);
    base.add(1);
    let saved = base.save();
    let heard = |agents: std::ops::Range<usize>| {
        let mut half = P::load(&saved, agents.start);
        for agent in agents {
            let mut one = P::load(&saved, agent + REPLICAS);
            one.add(2);
            half.merge(&mut one);
        }
        half
    };
    let (mut a, mut b) = (heard(10..10 + REPLICAS / 2), heard(10 + REPLICAS / 2..10 + REPLICAS));
    let ((), took) = timed(|| a.merge(&mut b));
    report("merge", "", us(took));
    let sum = 1 + 2 * REPLICAS as i64;
    ensure!(a.value() == sum, "{} after the merge, not {sum}", a.value());
    Ok(())
}
