//! Sets, maps, counters, small documents, trees: what every peer must be able to do, and the rows.

mod automerge;
mod counter;
mod crdts;
mod loro;
mod map;
mod ours;
mod plain;
mod set;
mod small;
mod tree;
mod yrs;

use crate::alloc::counted;
use crate::measure::{batched, ms, report, sampled, timed, us};
use crate::rows::{Peer, Rank};

/// One replica of something.
trait Replica: Sized {
    /// An empty one that writes as `agent`.
    fn new(agent: usize) -> Self;
    /// Takes in all that another of the same process has; may take it away there.
    fn merge(&mut self, other: &mut Self);
    /// What `other` lacks, as bytes.
    fn difference(&mut self, other: &mut Self) -> Vec<u8>;
    /// Takes what [`difference`](Self::difference) made.
    fn apply(&mut self, bytes: &[u8]);
    /// The whole, as it is stored.
    fn save(&mut self) -> Vec<u8>;
    /// Reads what [`save`](Self::save) wrote, to write as `agent`.
    fn load(bytes: &[u8], agent: usize) -> Self;
}

type Measure = fn(bool) -> anyhow::Result<()>;

/// One peer in one piece of work.
pub(crate) struct Entry {
    pub(crate) work: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) measure: Measure,
}

const DOC: &str = "crdt Doc (ours)";
const REPLICA: &str = "crdt Replica (ours)";
const CRDTS: &str = "crdts";
const AUTOMERGE: &str = "automerge";
const YRS: &str = "yrs";
const LORO: &str = "loro";
const PLAIN: &str = "plain BTree";

/// Everyone who is measured.
pub(crate) const PEERS: [Peer; 7] = [
    Peer { name: DOC, rank: Rank::Ours },
    Peer { name: REPLICA, rank: Rank::Ours },
    Peer { name: CRDTS, rank: Rank::Rival },
    Peer { name: AUTOMERGE, rank: Rank::Rival },
    Peer { name: YRS, rank: Rank::Rival },
    Peer { name: LORO, rank: Rank::Rival },
    Peer { name: PLAIN, rank: Rank::Limit },
];

const fn entry(work: &'static str, peer: &'static str, measure: Measure) -> Entry {
    Entry { work, peer, measure }
}

/// Who does what.
pub(crate) const ENTRIES: &[Entry] = &[
    entry("set-1k", REPLICA, set::measure::<ours::Set, 1_000>),
    entry("set-1k", CRDTS, set::measure::<crdts::Set, 1_000>),
    entry("set-1k", PLAIN, set::measure::<plain::Set, 1_000>),
    entry("set-10k", REPLICA, set::measure::<ours::Set, 10_000>),
    entry("set-10k", CRDTS, set::measure::<crdts::Set, 10_000>),
    entry("set-10k", PLAIN, set::measure::<plain::Set, 10_000>),
    entry("set-100k", REPLICA, set::measure::<ours::Set, 100_000>),
    entry("set-100k", CRDTS, set::measure::<crdts::Set, 100_000>),
    entry("set-100k", PLAIN, set::measure::<plain::Set, 100_000>),
    entry("map-100k", DOC, map::measure::<ours::Document>),
    entry("map-100k", REPLICA, map::measure::<ours::Map>),
    entry("map-100k", CRDTS, map::measure::<crdts::Map>),
    entry("map-100k", AUTOMERGE, map::measure::<automerge::Map>),
    entry("map-100k", YRS, map::measure::<yrs::Map>),
    entry("map-100k", LORO, map::measure::<loro::Map>),
    entry("map-100k", PLAIN, map::measure::<plain::Map>),
    entry("counter-1k", REPLICA, counter::measure::<ours::Counter>),
    entry("counter-1k", CRDTS, counter::measure::<crdts::Counter>),
    entry("counter-1k", AUTOMERGE, counter::measure::<automerge::Counter>),
    entry("counter-1k", LORO, counter::measure::<loro::Counter>),
    entry("documents-10k", DOC, small::measure::<ours::Document>),
    entry("documents-10k", CRDTS, small::measure::<crdts::Map>),
    entry("documents-10k", AUTOMERGE, small::measure::<automerge::Map>),
    entry("documents-10k", YRS, small::measure::<yrs::Map>),
    entry("documents-10k", LORO, small::measure::<loro::Map>),
    entry("documents-10k", PLAIN, small::measure::<plain::Map>),
    entry("tree-1k", DOC, tree::measure::<ours::Outline, 1_000>),
    entry("tree-1k", REPLICA, tree::measure::<ours::Tree, 1_000>),
    entry("tree-1k", LORO, tree::measure::<loro::Tree, 1_000>),
    entry("tree-10k", DOC, tree::measure::<ours::Outline, 10_000>),
    entry("tree-10k", REPLICA, tree::measure::<ours::Tree, 10_000>),
    entry("tree-10k", LORO, tree::measure::<loro::Tree, 10_000>),
    entry("tree-100k", DOC, tree::measure::<ours::Outline, 100_000>),
    entry("tree-100k", REPLICA, tree::measure::<ours::Tree, 100_000>),
    entry("tree-100k", LORO, tree::measure::<loro::Tree, 100_000>),
];

/// How much one change costs a replica of which `full` is the state: its difference, in bytes and time, and
/// taking it in. `change` makes the i-th change.
fn one_change<P: Replica>(full: &mut P, mut change: impl FnMut(&mut P, usize)) {
    let saved = full.save();
    let (mut writer, mut shadow, mut reader) = (P::load(&saved, 2), P::load(&saved, 3), P::load(&saved, 4));
    change(&mut writer, 0);
    let first = writer.difference(&mut shadow);
    report("difference-bytes", "", first.len() as f64);
    report("difference", "", us(batched(|| writer.difference(&mut shadow))));

    // A peer that ships everything needs no crowd to be timed, and would fill the memory.
    let count = if first.len() > 100_000 { 4 } else { 64 };
    let mut differences = vec![first];
    for i in 1..count {
        shadow.apply(&differences[i - 1]);
        change(&mut writer, i);
        differences.push(writer.difference(&mut shadow));
    }
    let ((), took) = timed(|| differences.iter().for_each(|difference| reader.apply(difference)));
    report("apply-one", "", us(took) / count as f64);
}

/// How much the whole costs at rest. `read` reads something, so that nothing of the loading is put off.
fn at_rest<P: Replica, R>(full: &mut P, first_pass: bool, read: impl Fn(&P) -> R) {
    let saved = full.save();
    let load = || {
        let loaded = P::load(&saved, 5);
        read(&loaded);
        loaded
    };
    report("save", "", ms(sampled(|| full.save())));
    report("load", "", ms(sampled(load)));
    if first_pass {
        report("size", "", saved.len() as f64);
        let (_kept, live, _) = counted(load);
        report("memory", "", live);
    }
}
