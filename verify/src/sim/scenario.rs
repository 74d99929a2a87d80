//! One cluster from beginning to end: a graph, faults, and what came of it. All of it follows from the seed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use sync_daemon::simulation;
use turmoil::{Builder, Sim};

use crate::ledger::Shared;
use crate::node::{dir, life, name};

/// A simulated tick: messages and timers are as exact as this.
const TICK: Duration = Duration::from_millis(20);
/// How long the apps write and faults begin.
const LOAD: Duration = Duration::from_secs(20);
/// How long all may take to agree once the faults are over. A connection whose messages were lost is dead without a
/// word: its ends hear of it only after they waited 45 s for one another.
const SETTLE_WITHIN: Duration = Duration::from_secs(180);

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) edits: u64,
    pub(crate) durable: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    /// How long all took to agree after the faults ended, or what is wrong.
    pub(crate) settled: Result<Duration, String>,
    /// Of all that happened.
    pub(crate) fingerprint: u64,
}

impl Outcome {
    /// Of a run that came to no end.
    pub(crate) fn failed(reason: String) -> Outcome {
        Outcome { edits: 0, durable: 0, faults: BTreeMap::new(), settled: Err(reason), fingerprint: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Partition(usize, usize),
    OneWay(usize, usize),
    Hold(usize, usize),
    /// A killed program: what it wrote is there.
    Killed(usize),
    /// A machine without power: what was not synced may be there, in any part.
    PowerCut(usize),
    /// A disk that fails soon; its machine loses power later.
    BadDisk(usize),
}

struct Cluster<'a> {
    sim: Sim<'a>,
    rng: fastrand::Rng,
    nodes: usize,
    edges: Vec<(usize, usize)>,
    /// What goes on, and until when.
    active: Vec<(Duration, Fault)>,
    faults: BTreeMap<&'static str, u64>,
    ledger: Shared,
}

pub(crate) fn run(seed: u64, story: bool) -> Outcome {
    simulation::begin(seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
    let nodes = rng.usize(3..=5);
    let edges = graph(nodes, &mut rng);
    if rng.u8(0..4) == 0 {
        simulation::let_clocks_differ(Duration::from_secs(rng.u64(1..3_600)));
    }
    let mut builder = Builder::new();
    builder
        .epoch(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .tick_duration(TICK)
        .simulation_duration(LOAD + SETTLE_WITHIN + Duration::from_secs(60))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(rng.u64(2..200)))
        .tcp_capacity(4096)
        .enable_random_order()
        .rng_seed(seed);
    let ledger = Shared::default();
    let mut sim = builder.build();
    for i in 0..nodes {
        // The one with the greater number dials.
        let peers: Vec<usize> = edges.iter().filter(|(_, b)| *b == i).map(|(a, _)| *a).collect();
        let ledger = Rc::clone(&ledger);
        sim.host(name(i), move || life(i, peers.clone(), Rc::clone(&ledger)));
    }
    let mut cluster = Cluster {
        sim,
        rng,
        nodes,
        edges,
        active: Vec::new(),
        faults: BTreeMap::new(),
        ledger: Rc::clone(&ledger),
    };
    let settled = cluster.play();
    let faults =
        std::mem::take(&mut cluster.faults).into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    // The daemons end with their world; what they would still write is of no interest.
    (0..nodes).for_each(|i| simulation::cut_power(&dir(i)));
    drop(cluster);
    let ledger = ledger.borrow();
    if story {
        ledger.story.iter().for_each(|line| println!("{line}"));
    }
    let mut hasher = DefaultHasher::new();
    (&ledger.story, &ledger.written, &ledger.durable, &settled).hash(&mut hasher);
    if story {
        println!("fingerprint of all but the documents {:016x}", hasher.finish());
    }
    ledger.shown.values().for_each(|shown| shown.bytes.hash(&mut hasher));
    if story {
        println!("fingerprint {:016x}", hasher.finish());
    }
    Outcome {
        edits: ledger.written.len() as u64,
        durable: ledger.durable.len() as u64,
        faults,
        settled,
        fingerprint: hasher.finish(),
    }
}

/// A random connected graph; each edge has the smaller node first.
fn graph(nodes: usize, rng: &mut fastrand::Rng) -> Vec<(usize, usize)> {
    let mut edges: Vec<(usize, usize)> = (1..nodes).map(|b| (rng.usize(..b), b)).collect();
    for _ in 0..rng.usize(0..=nodes) {
        let (a, b) = (rng.usize(..nodes), rng.usize(..nodes));
        if a < b && !edges.contains(&(a, b)) {
            edges.push((a, b));
        }
    }
    edges
}

impl Cluster<'_> {
    /// Load and faults, then peace. How long peace took to come.
    fn play(&mut self) -> Result<Duration, String> {
        while self.sim.elapsed() < LOAD {
            self.end_faults(self.sim.elapsed());
            if self.rng.f64() < TICK.as_secs_f64() * 1.2 {
                self.begin_fault();
            }
            self.step()?;
        }
        self.end_faults(Duration::MAX);
        let peace = self.sim.elapsed();
        self.ledger.borrow_mut().settling = true;
        self.say("the faults end");
        while self.sim.elapsed() < peace + SETTLE_WITHIN {
            self.step()?;
            if self.ledger.borrow().agree(self.nodes) {
                let took = self.sim.elapsed() - peace;
                self.say(&format!("all agree after {took:?}"));
                return self.ledger.borrow().check().map(|()| took);
            }
        }
        self.ledger.borrow().check()?;
        Err(format!("they do not agree {SETTLE_WITHIN:?} after the faults ended"))
    }

    fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| error.to_string())?;
        self.ledger.borrow().broken.clone().map_or(Ok(()), Err)
    }

    fn say(&self, what: &str) {
        let at = self.sim.elapsed().as_secs_f64();
        self.ledger.borrow_mut().story.push(format!("{at:7.2} s  {what}"));
    }

    fn is_down(&self, node: usize) -> bool {
        let down = |fault: &Fault| match fault {
            Fault::Killed(i) | Fault::PowerCut(i) | Fault::BadDisk(i) => *i == node,
            _ => false,
        };
        self.active.iter().any(|(_, fault)| down(fault))
    }

    fn is_troubled(&self, a: usize, b: usize) -> bool {
        let troubled = |fault: &Fault| match fault {
            Fault::Partition(x, y) | Fault::OneWay(x, y) | Fault::Hold(x, y) => (*x, *y) == (a, b),
            _ => false,
        };
        self.active.iter().any(|(_, fault)| troubled(fault))
    }

    fn begin_fault(&mut self) {
        let (a, b) = self.edges[self.rng.usize(..self.edges.len())];
        let node = self.rng.usize(..self.nodes);
        let (what, fault) = match self.rng.u8(0..8) {
            0 => ("partitions", Fault::Partition(a, b)),
            1 => ("one-way links", Fault::OneWay(a, b)),
            2 | 3 => ("held links", Fault::Hold(a, b)),
            4 | 5 => ("kills", Fault::Killed(node)),
            6 => ("power cuts", Fault::PowerCut(node)),
            _ => ("bad disks", Fault::BadDisk(node)),
        };
        let busy = match fault {
            Fault::Partition(..) | Fault::OneWay(..) | Fault::Hold(..) => self.is_troubled(a, b),
            _ => self.is_down(node),
        };
        if busy {
            return;
        }
        match fault {
            Fault::Partition(a, b) => self.sim.partition(name(a), name(b)),
            Fault::OneWay(a, b) => self.sim.partition_oneway(name(a), name(b)),
            Fault::Hold(a, b) => self.sim.hold(name(a), name(b)),
            Fault::Killed(i) => {
                simulation::kill(&dir(i));
                self.sim.crash(name(i));
            }
            Fault::PowerCut(i) => {
                simulation::cut_power(&dir(i));
                self.sim.crash(name(i));
            }
            Fault::BadDisk(i) => {
                simulation::fail_soon(&dir(i), self.rng.u64(..40));
                self.ledger.borrow_mut().failing.insert(i);
            }
        }
        let until = self.sim.elapsed() + Duration::from_millis(self.rng.u64(100..6_000));
        *self.faults.entry(what).or_default() += 1;
        self.say(&format!("{fault:?} until {:.2} s", until.as_secs_f64()));
        self.active.push((until, fault));
    }

    fn end_faults(&mut self, now: Duration) {
        let (over, active): (Vec<_>, Vec<_>) = self.active.drain(..).partition(|(until, _)| *until <= now);
        self.active = active;
        for (_, fault) in over {
            match fault {
                Fault::Partition(a, b) => self.sim.repair(name(a), name(b)),
                Fault::OneWay(a, b) => self.sim.repair_oneway(name(a), name(b)),
                Fault::Hold(a, b) => self.sim.release(name(a), name(b)),
                Fault::Killed(i) | Fault::PowerCut(i) => self.sim.bounce(name(i)),
                Fault::BadDisk(i) => {
                    self.ledger.borrow_mut().failing.remove(&i);
                    simulation::cut_power(&dir(i));
                    self.sim.crash(name(i));
                    self.sim.bounce(name(i));
                }
            }
            self.say(&format!("{fault:?} is over"));
        }
    }
}
