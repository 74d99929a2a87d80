//! Sets of numbers, of several sizes.

use anyhow::ensure;

use super::{Replica, at_rest, one_change};
use crate::measure::{ns, report, timed, us};
use crate::random::id;

/// A set in which adding wins over a concurrent removing.
pub(super) trait SetPeer: Replica {
    fn add(&mut self, member: u64);
    fn remove(&mut self, member: u64);
    fn len(&self) -> usize;
}

const FEW: usize = 500;

/// All rows of a set of `N` members.
pub(super) fn measure<P: SetPeer, const N: usize>(first_pass: bool) -> anyhow::Result<()> {
    let mut full = P::new(1);
    (0..N).for_each(|i| full.add(id(i)));
    at_rest(&mut full, first_pass, P::len);
    one_change(&mut full, |set, i| set.add(id(2 * N + i)));

    let ((), took) = timed(|| (N..N + FEW).for_each(|i| full.add(id(i))));
    report("add", "", ns(took) / FEW as f64);
    ensure!(full.len() == N + FEW, "{} members after adding, not {}", full.len(), N + FEW);
    let ((), took) = timed(|| (N..N + FEW).for_each(|i| full.remove(id(i))));
    report("remove", "", ns(took) / FEW as f64);
    ensure!(full.len() == N, "{} members after removing, not {N}", full.len());
    merge::<P>(N)
}

/// Two replicas that have half in common, and a quarter each that the other lacks.
fn merge<P: SetPeer>(n: usize) -> anyhow::Result<()> {
    let mut base = P::new(1);
    (0..n / 2).for_each(|i| base.add(id(i)));
    let saved = base.save();
    let (mut a, mut b) = (P::load(&saved, 2), P::load(&saved, 3));
    (n / 2..n * 3 / 4).for_each(|i| a.add(id(i)));
    (n * 3 / 4..n).for_each(|i| b.add(id(i)));
    let ((), took) = timed(|| a.merge(&mut b));
    report("merge", "", us(took));
    ensure!(a.len() == n, "{} members after the merge, not {n}", a.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{crdts, ours, plain};

    #[test]
    fn every_set_holds_what_was_put_in() {
        super::measure::<ours::Set, 200>(true).unwrap();
        super::measure::<crdts::Set, 200>(true).unwrap();
        super::measure::<plain::Set, 200>(true).unwrap();
    }
}
