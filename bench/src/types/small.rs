//! Ten thousand documents of ten keys each.

use anyhow::ensure;

use super::map::{MapPeer, entry};
use crate::alloc::counted;
use crate::measure::{ms, report, timed};

const DOCUMENTS: usize = 10_000;
const KEYS: usize = 10;

/// All rows, for all documents together.
pub(super) fn measure<P: MapPeer>(first_pass: bool) -> anyhow::Result<()> {
    let keys: Vec<(String, u64)> = (0..KEYS).map(entry).collect();
    let make = || -> Vec<P> {
        let one = |i| {
            let mut document = P::new(i);
            document.put_all(&keys);
            document
        };
        (0..DOCUMENTS).map(one).collect()
    };
    let (mut documents, took) = timed(make);
    report("create", "", ms(took));

    let (saved, took) = timed(|| documents.iter_mut().map(P::save).collect::<Vec<_>>());
    report("save", "", ms(took));
    let load =
        || -> Vec<P> { saved.iter().enumerate().map(|(i, bytes)| P::load(bytes, DOCUMENTS + i)).collect() };
    let (loaded, took) = timed(load);
    report("load", "", ms(took));
    ensure!(loaded.iter().all(|document| document.len() == KEYS), "keys were lost in saving");
    drop(loaded);

    let edit = |document: &mut P| document.put_delta(&keys[3].0, 77);
    let (deltas, took) = timed(|| documents.iter_mut().map(edit).collect::<Vec<_>>());
    report("edit-delta", "", ms(took));
    let bytes: usize = deltas.iter().map(Vec::len).sum();
    report("difference-bytes", "", bytes as f64 / DOCUMENTS as f64);
    drop(documents);

    if first_pass {
        report("size", "", saved.iter().map(Vec::len).sum::<usize>() as f64);
        let (_loaded, live, _) = counted(load);
        report("memory", "", live);
    }
    Ok(())
}
