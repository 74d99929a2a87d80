//! Machines that are simulated, each thread its own world; feature `simulation`. Not for use by apps.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::disk::{Disk, Files};

thread_local! {
    static DISKS: RefCell<BTreeMap<PathBuf, Disk>> = const { RefCell::new(BTreeMap::new()) };
    static CLOCKS_DIFFER: Cell<u64> = const { Cell::new(0) };
}

/// Begins a new world: no disks, and randomness from a seed.
pub fn begin(seed: u64) {
    fastrand::seed(seed);
    DISKS.with_borrow_mut(BTreeMap::clear);
    CLOCKS_DIFFER.set(0);
}

/// Clocks show any time from now on to this much later, and another at every look.
pub fn let_clocks_differ(most: Duration) {
    CLOCKS_DIFFER.set(most.as_millis() as u64);
}

pub(crate) fn clock() -> u64 {
    let now = turmoil::since_epoch().unwrap_or_default().as_millis() as u64;
    now + fastrand::u64(0..=CLOCKS_DIFFER.get())
}

/// The disk that a peer with this data directory has; a new one holds what `made` gives.
pub(crate) fn disk(dir: &Path, made: fn() -> Files) -> Disk {
    let new = || Disk::holding(made());
    DISKS.with_borrow_mut(|disks| disks.entry(dir.to_owned()).or_insert_with(new).clone())
}

/// The program that uses the disk is killed: it can write no more, and the next finds all that it wrote.
pub fn kill(dir: &Path) {
    replace(dir, |disk| {
        disk.power_off();
        Disk::holding(disk.bytes())
    });
}

/// The disk fails after so many more operations, until the power goes.
pub fn fail_soon(dir: &Path, operations: u64) {
    replace(dir, |disk| disk.clone().fuse(Some(operations)));
}

/// Lets a store lose power so many times and opens it again after each: how many of them hit it while it was open,
/// and how many events were durable.
///
/// # Panics
/// When something durable is lost: with the seed that shows it.
pub fn power_cuts(seed: u64, times: u64) -> (u64, u64) {
    crate::store::crash::power_cuts(seed, times)
}

/// Makes a store of any bytes and opens it: the body of a fuzz target.
///
/// # Panics
/// When what was read is not there when it is opened again.
pub fn forged_store(bytes: &[u8]) {
    crate::store::forged::opens_or_is_refused(bytes);
}

/// The power goes: whoever uses the disk can write no more, and the next finds what was synced, any part of what
/// was written since, and sectors torn from it.
pub fn cut_power(dir: &Path) {
    let mut rng = fastrand::Rng::with_seed(fastrand::u64(..));
    replace(dir, |disk| disk.cut_power(&mut rng));
}

fn replace(dir: &Path, next: impl FnOnce(&Disk) -> Disk) {
    DISKS.with_borrow_mut(|disks| {
        if let Some(disk) = disks.get_mut(dir) {
            *disk = next(disk);
        }
    });
}
