//! Whole networks of [`Node`](crate::sync::Node)s in virtual time: latency, load, cuts, crashes, restarts
//! from old backups. What is promised is checked, and what it costs is measured.
//!
//! A run has stages. *Quiet*: edits one after the other, on a network without faults. *Killed*: some nodes
//! are gone for good, and their neighbours go on. *Faults*: links break, nodes crash and come back, some
//! from an older backup, wires take everything and deliver nothing, while edits go on. *Churn*: one link
//! after the other breaks, once a second, and comes back. *Settled*: all faults have ended. Everything follows from the
//! seed of the [`Plan`]: the same plan gives the same [`Report`].
//!
//! Checked: nobody shows content that nobody wrote; what a disk held for certain is never lost; and when
//! faults have ended, all that are connected come to the same state within a bound.
//!
//! ```
//! use crdt::testkit::sim::{Plan, Topology, run};
//! let report = run(&Plan { nodes: 12, topology: Topology::Random, ..Plan::default() }, |_| ())?;
//! assert_eq!(report.quiet.frames_per_edit, 11.0); // the least possible: one for each other node
//! # Ok::<(), crdt::testkit::sim::Violation>(())
//! ```

mod graph;
mod ledger;
mod net;

use std::collections::BTreeSet;

use crate::sync::{DocId, Traffic};
use crate::{Replicated, VersionVector};
use graph::distances;
pub use graph::{BadTopology, Topology};
use net::{Crash, Hardware, Micros, Net, Spread};

/// How long everyone has to agree once all faults have ended, in virtual milliseconds.
pub const SETTLE_MS: u64 = 120_000;

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many nodes; at least 2.
    pub nodes: usize,
    /// How they are linked.
    pub topology: Topology,
    /// How many of them write.
    pub writers: usize,
    /// How many edits are followed in each stage; with none there are faults and what follows, and nothing before.
    pub edits: usize,
    /// The time between two of them, in milliseconds.
    pub every_ms: u64,
    /// How many are made at once.
    pub at_once: usize,
    /// How many documents they are in.
    pub docs: usize,
    /// How many of a hundred nodes are killed.
    pub kill_percent: usize,
    /// For how many seconds a link fails every second, each for three.
    pub churn_s: u64,
    /// How many faults happen in the stage of faults.
    pub faults: usize,
    /// The least and the greatest latency of a link, in milliseconds.
    pub latency_ms: (u64, u64),
    /// How many processors all nodes share; 0 when each has its own.
    pub processors: usize,
    /// How long a processor works on one message, in microseconds.
    pub service_us: u64,
    /// Decides all else.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            nodes: 20,
            topology: Topology::Random,
            writers: 10,
            edits: 20,
            every_ms: 1_000,
            at_once: 1,
            docs: 1,
            kill_percent: 10,
            churn_s: 10,
            faults: 20,
            latency_ms: (1, 30),
            processors: 0,
            service_us: 20,
            seed: 1,
        }
    }
}

/// What a stage cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// Edits that were followed.
    pub edits: usize,
    /// Content frames for each edit.
    pub frames_per_edit: f64,
    /// The least that could be: for each edit, the nodes that its writer is connected to.
    pub least_frames: f64,
    /// How often each event came to a node, on average: 1 when none came again.
    pub copies: f64,
    /// All other frames for each edit.
    pub control_per_edit: f64,
    /// Bytes for each edit.
    pub bytes_per_edit: f64,
    /// How often an edit came where it was to come, of how often it should.
    pub delivered: f64,
    /// The mean number of links that an edit went over.
    pub hops: f64,
    /// The mean time from writer to another node, in milliseconds.
    pub mean_ms: f64,
    /// The time within which 99 of 100 came.
    pub p99_ms: f64,
    /// The mean of each time over that of the shortest path.
    pub stretch: f64,
}

/// What came out of a run in which every promise was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Links of the graph.
    pub links: usize,
    /// Without faults.
    pub quiet: Stage,
    /// While links fail.
    pub churn: Stage,
    /// After some nodes were killed.
    pub killed: Stage,
    /// The virtual time that it took all to agree after the last fault, in milliseconds.
    pub settled_ms: u64,
    /// Edits in all.
    pub edits: u64,
    /// How many of them nobody who lives has: they were lost with the only nodes that had them.
    pub lost: u64,
    /// Inputs that all nodes handled.
    pub inputs: u64,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A node refused what an honest node sent.
    Fault(String),
    /// Someone has events that nobody wrote.
    Invented(usize),
    /// Something that a disk had for certain is gone.
    Lost(usize),
    /// Two connected nodes differ though they had time to agree.
    Apart(usize, usize),
}

messages! { Violation {
    Self::Fault(what) => "{what}",
    Self::Invented(node) => "node {node} shows events that nobody wrote",
    Self::Lost(node) => "node {node} lacks what a disk held",
    Self::Apart(a, b) => "nodes {a} and {b} do not agree {SETTLE_MS} ms after the last fault",
} }

/// Runs a plan; `progress` is told the name of each stage as it begins.
///
/// # Errors
/// The first promise that was broken.
pub fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<Report, Violation> {
    let mut rng = Rng::new(plan.seed);
    let nodes = plan.nodes.max(2);
    let edges = plan.topology.edges(nodes, plan.seed);
    let mut run = Run {
        net: Net::new(nodes, &edges, plan.hardware(), &mut rng),
        rng,
        docs: (0..plan.docs.max(1)).filter_map(|i| format!("doc-{i}").parse().ok()).collect(),
        writers: Vec::new(),
        plan,
    };
    progress("connect");
    (0..edges.len()).for_each(|w| run.net.heal(w));
    run.pass(2_000)?;
    run.choose_writers();
    let (mut quiet, mut churn, mut killed) = Default::default();
    if plan.edits > 0 {
        progress("warm up");
        run.warm_up()?;
        progress("quiet");
        quiet = run.stage()?;
        progress("churn");
        churn = run.churn()?;
        progress("killed");
        for p in run.rng.sample(nodes, nodes * plan.kill_percent.min(100) / 100) {
            run.net.stop(p);
        }
        run.choose_writers();
        run.pass(2_000)?;
        run.warm_up()?;
        killed = run.stage()?;
    }
    progress("faults");
    run.faults()?;
    progress("settle");
    let settled_ms = run.settle()?;
    run.check()?;
    let edits: u64 = run.net.truth.values().map(VersionVector::total).sum();
    Ok(Report {
        links: edges.len(),
        quiet,
        churn,
        killed,
        settled_ms,
        edits,
        lost: edits.saturating_sub(run.kept()),
        inputs: run.net.handled,
    })
}

impl Plan {
    fn hardware(&self) -> Hardware {
        let (least, most) = self.latency_ms;
        Hardware {
            latency: (least * 1_000, most * 1_000),
            processors: self.processors,
            service: self.service_us,
        }
    }
}

struct Run<'a> {
    net: Net,
    rng: Rng,
    docs: Vec<DocId>,
    writers: Vec<usize>,
    plan: &'a Plan,
}

impl Run<'_> {
    fn pass(&mut self, ms: u64) -> Result<(), Violation> {
        self.net.run_until(self.net.now + ms * 1_000)
    }

    fn living(&self) -> Vec<usize> {
        (0..self.net.peers.len()).filter(|p| self.net.peers[*p].alive).collect()
    }

    fn choose_writers(&mut self) {
        let living = self.living();
        let chosen = self.rng.sample(living.len(), self.plan.writers.clamp(1, living.len().max(1)));
        self.writers = chosen.into_iter().filter_map(|i| living.get(i).copied()).collect();
    }

    fn edit(&mut self, writer: usize, follow: bool) {
        let doc = self.rng.below(self.docs.len());
        if self.net.peers[writer].alive
            && let Some(doc) = self.docs.get(doc).cloned()
        {
            self.net.edit(writer, &doc, follow);
        }
    }

    /// Each writes in turn until its tree has grown; then lets all come in.
    fn warm_up(&mut self) -> Result<(), Violation> {
        for _ in 0..3 {
            for writer in self.writers.clone() {
                self.edit(writer, false);
                self.pass(self.plan.every_ms.clamp(50, 1_000))?;
            }
        }
        self.quiesce()
    }

    /// Lets time pass until all is delivered, by a bound.
    fn quiesce(&mut self) -> Result<(), Violation> {
        for _ in 0..SETTLE_MS / 1_000 {
            if self.apart().is_none() {
                break;
            }
            self.pass(1_000)?;
        }
        Ok(())
    }

    fn stage(&mut self) -> Result<Stage, Violation> {
        let before = self.net.traffic();
        for i in 0..self.plan.edits {
            self.edit_in_turn(i);
            if (i + 1) % self.plan.at_once.max(1) == 0 {
                self.pass(self.plan.every_ms)?;
            }
        }
        self.quiesce()?;
        let after = self.net.traffic();
        let spreads = self.net.forget_spreads();
        Ok(self.measure(&self.net.neighbours(), &spreads, before, after))
    }

    fn edit_in_turn(&mut self, turn: usize) {
        if let Some(writer) = self.writers.get(turn % self.writers.len().max(1)).copied() {
            self.edit(writer, true);
        }
    }

    /// Every second a link fails, for three seconds, while edits go on. Then all is delivered.
    fn churn(&mut self) -> Result<Stage, Violation> {
        let (links, before) = (self.net.neighbours(), self.net.traffic());
        let mut down = Vec::new();
        let (mut turn, end) = (0, self.net.now + self.plan.churn_s * 1_000_000);
        while self.net.now < end {
            let wire = self.rng.below(self.net.wires.len());
            self.net.cut(wire);
            down.push(wire);
            if down.len() > 3 {
                self.net.heal(down.remove(0));
            }
            let second = self.net.now + 1_000_000;
            while self.net.now < second {
                self.edit_in_turn(turn);
                turn += 1;
                self.pass(self.plan.every_ms.clamp(1, 1_000))?;
            }
        }
        down.into_iter().for_each(|wire| self.net.heal(wire));
        self.quiesce()?;
        let after = self.net.traffic();
        let spreads = self.net.forget_spreads();
        Ok(self.measure(&links, &spreads, before, after))
    }

    fn measure(
        &self,
        links: &[Vec<(usize, Micros)>],
        spreads: &[Spread],
        before: Traffic,
        after: Traffic,
    ) -> Stage {
        let (mut times, mut hops, mut stretch, mut wanted) = (Vec::new(), 0.0, 0.0, 0usize);
        for spread in spreads {
            let best = distances(links, spread.origin);
            for (reached, best) in spread.reached.iter().zip(best) {
                let Some(best) = best.filter(|best| *best > 0) else { continue };
                wanted += 1;
                let Some((at, h)) = reached else { continue };
                times.push(at - spread.at);
                hops += f64::from(*h);
                stretch += (at - spread.at) as f64 / best as f64;
            }
        }
        times.sort_unstable();
        let edits = spreads.len().max(1) as f64;
        let came = times.len().max(1) as f64;
        let p99 = times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default();
        let new = (after.events_in - before.events_in).max(1) as f64;
        Stage {
            edits: spreads.len(),
            copies: 1.0 + (after.events_again - before.events_again) as f64 / new,
            frames_per_edit: (after.deltas_out - before.deltas_out) as f64 / edits,
            least_frames: wanted as f64 / edits,
            control_per_edit: (after.control_out - before.control_out) as f64 / edits,
            bytes_per_edit: (after.bytes_out - before.bytes_out) as f64 / edits,
            delivered: if wanted == 0 { 1.0 } else { times.len() as f64 / wanted as f64 },
            hops: hops / came,
            mean_ms: times.iter().sum::<Micros>() as f64 / came / 1_000.0,
            p99_ms: p99 as f64 / 1_000.0,
            stretch: stretch / came,
        }
    }

    /// Breaks things at random while edits go on; then all that was not killed comes back.
    fn faults(&mut self) -> Result<(), Violation> {
        let living = self.living();
        let mut down = BTreeSet::new();
        for _ in 0..self.plan.faults {
            for _ in 0..3 {
                let writer = self.rng.below(living.len());
                living.get(writer).into_iter().for_each(|p| self.edit(*p, false));
            }
            let p = living.get(self.rng.below(living.len())).copied().unwrap_or_default();
            self.fault(p, &mut down);
            let ms = self.rng.below(400) as u64;
            self.pass(ms)?;
        }
        for (p, how) in std::mem::take(&mut down) {
            self.net.start(p, if how { Crash::Rollback } else { Crash::Honest });
        }
        for w in 0..self.net.wires.len() {
            self.net.unsilence(w);
            self.net.heal(w);
        }
        Ok(())
    }

    fn fault(&mut self, p: usize, down: &mut BTreeSet<(usize, bool)>) {
        let wire = self.rng.below(self.net.wires.len());
        match self.rng.below(10) {
            0 | 1 => self.net.cut(wire),
            2 => self.net.heal(wire),
            3 if self.net.peers[p].alive => self.net.back_up(p),
            4 | 5 if self.net.peers[p].alive => {
                let rollback = self.rng.below(3) == 0;
                self.net.stop(p);
                down.insert((p, rollback));
            }
            6 => self.partition(),
            7 => self.net.silence(wire, self.rng.below(2)),
            8 => (0..2).for_each(|end| self.net.silence(wire, end)),
            _ => {
                if let Some((p, rollback)) = down.pop_first() {
                    self.net.start(p, if rollback { Crash::Rollback } else { Crash::Honest });
                }
            }
        }
    }

    /// Cuts every link between two halves.
    fn partition(&mut self) {
        let salt = self.rng.next();
        let side = |p: usize| mix(salt ^ p as u64) & 1;
        for w in 0..self.net.wires.len() {
            let [a, b] = self.net.wires[w].ends;
            if side(a) != side(b) {
                self.net.cut(w);
            }
        }
    }

    /// Waits until all agree; gives how long it took.
    fn settle(&mut self) -> Result<u64, Violation> {
        let start = self.net.now;
        while let Some((a, b)) = self.apart() {
            if self.net.now - start > SETTLE_MS * 1_000 {
                return Err(Violation::Apart(a, b));
            }
            self.pass(10)?;
        }
        Ok((self.net.now - start) / 1_000)
    }

    fn version(&self, p: usize, doc: &DocId) -> VersionVector {
        self.net.peers[p].node.doc(doc).map(|d| d.version().clone()).unwrap_or_default()
    }

    /// Two linked nodes that differ.
    fn apart(&self) -> Option<(usize, usize)> {
        let ends = self.net.wires.iter().filter(|wire| wire.up).map(|wire| wire.ends);
        let differ = |[a, b]: &[usize; 2]| {
            let node = |p: usize| &self.net.peers[p].node;
            self.docs.iter().any(|doc| {
                let version = |p: usize| node(p).doc(doc).map(Replicated::version).filter(|v| !v.is_empty());
                version(*a) != version(*b)
            })
        };
        ends.into_iter().find(differ).map(|[a, b]| (a, b))
    }

    /// That nothing was invented, and that what a disk holds is held by all that it is connected to.
    fn check(&self) -> Result<(), Violation> {
        let nothing = VersionVector::new();
        for p in self.living() {
            for doc in &self.docs {
                let version = self.version(p, doc);
                if !self.net.truth.get(doc).unwrap_or(&nothing).covers(&version) {
                    return Err(Violation::Invented(p));
                }
                if !version.covers(self.net.peers[p].disk.get(doc).unwrap_or(&nothing)) {
                    return Err(Violation::Lost(p));
                }
            }
        }
        Ok(())
    }

    /// How many events any living node has.
    fn kept(&self) -> u64 {
        let all = |doc| {
            self.living()
                .into_iter()
                .map(|p| self.version(p, doc))
                .fold(VersionVector::new(), |all, v| all.merged(&v))
        };
        self.docs.iter().map(|doc| all(doc).total()).sum()
    }
}

/// A small generator of numbers (SplitMix64, Steele, Lea and Flood 2014): one seed, one run.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `n`; 0 when there is none.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % (n.max(1) as u64)) as usize
    }

    /// `k` different numbers below `n`, or as many as there are.
    pub(crate) fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in 0..k.min(n) {
            let j = i + self.below(n - i);
            all.swap(i, j);
        }
        all.truncate(k);
        all
    }
}

/// Spreads the bits of a number.
pub(crate) fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_replays_exactly() {
        let plan = Plan { nodes: 9, edits: 5, ..Plan::default() };
        assert_eq!(run(&plan, |_| ()), run(&plan, |_| ()));
    }

    #[test]
    fn every_topology_keeps_every_promise_at_the_least_cost() {
        for topology in Topology::ALL {
            let report = run(&Plan { topology, docs: 2, ..Plan::default() }, |_| ()).unwrap();
            assert_eq!(report.quiet.frames_per_edit, 19.0, "{topology:?}");
            assert_eq!(report.quiet.delivered, 1.0);
            assert!(report.quiet.stretch < 1.3, "{topology:?}: {}", report.quiet.stretch);
        }
    }

    /// Everybody writes, twenty edits a second, while every second a link fails.
    #[test]
    fn churn_costs_little_and_loses_nothing() {
        for topology in [Topology::Ring, Topology::Mesh, Topology::Grid, Topology::Regular4] {
            let plan = Plan { topology, nodes: 16, writers: 16, every_ms: 50, faults: 5, ..Plan::default() };
            let report = run(&plan, |_| ()).unwrap();
            assert_eq!(report.churn.delivered, 1.0, "{topology:?}");
            let frames = report.churn.frames_per_edit / report.churn.least_frames;
            assert!(frames <= 1.15 && report.churn.copies <= 1.2, "{topology:?}: {:?}", report.churn);
        }
    }
}
