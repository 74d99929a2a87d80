//! A map of 100,000 keys.

use anyhow::ensure;

use super::{Replica, at_rest, one_change};
use crate::measure::{ns, report, timed, us};
use crate::random::id;

/// A map from strings to numbers in which the later write wins.
pub(super) trait MapPeer: Replica {
    /// Writes an entry in a transaction of its own.
    fn put(&mut self, key: &str, value: u64);
    /// Writes entries in one transaction.
    fn put_all(&mut self, entries: &[(String, u64)]);
    /// Writes an entry and returns that edit for the others.
    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8>;
    fn get(&self, key: &str) -> Option<u64>;
    /// How many keys there are.
    fn len(&self) -> usize;
}

const N: usize = 100_000;

pub(super) fn entry(i: usize) -> (String, u64) {
    (format!("key-{:08x}", id(i) >> 32), i as u64 % 1_000)
}

fn entries(range: std::ops::Range<usize>) -> Vec<(String, u64)> {
    range.map(entry).collect()
}

/// All rows.
pub(super) fn measure<P: MapPeer>(first_pass: bool) -> anyhow::Result<()> {
    let all = entries(0..N);
    let mut distinct: Vec<&String> = all.iter().map(|(key, _)| key).collect();
    distinct.sort_unstable();
    distinct.dedup();

    let mut full = P::new(1);
    let ((), took) = timed(|| full.put_all(&all));
    report("put", "", ns(took) / N as f64);
    ensure!(full.len() == distinct.len(), "{} keys, not {}", full.len(), distinct.len());
    let mut single = P::new(1);
    let ((), took) = timed(|| all.iter().take(N / 10).for_each(|(key, value)| single.put(key, *value)));
    report("put-txn", "", ns(took) / (N / 10) as f64);

    at_rest(&mut full, first_pass, |map| map.get(&all[0].0));
    one_change(&mut full, |map, i| map.put(&entry(i).0, 5_000 + i as u64));
    merge::<P>(distinct.len())
}

/// Two replicas that have half in common, and a quarter each that the other lacks.
fn merge<P: MapPeer>(keys: usize) -> anyhow::Result<()> {
    let mut base = P::new(1);
    base.put_all(&entries(0..N / 2));
    let saved = base.save();
    let (mut a, mut b) = (P::load(&saved, 2), P::load(&saved, 3));
    a.put_all(&entries(N / 2..N * 3 / 4));
    b.put_all(&entries(N * 3 / 4..N));
    let ((), took) = timed(|| a.merge(&mut b));
    report("merge", "", us(took));
    ensure!(a.len() == keys, "{} keys after the merge, not {keys}", a.len());
    let (key, value) = entry(N - 1);
    ensure!(a.get(&key) == Some(value), "a value was lost in the merge");
    Ok(())
}
