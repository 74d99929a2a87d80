//! The event loop: nodes, wires and disks in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::ledger::{LEDGER, Ledger};
use super::{Rng, Violation};
use crate::sync::{Config, DocId, Input, LinkId, Node, Output, Role, Traffic};
use crate::{Dot, ReplicaId, Replicated, VersionVector};

/// Microseconds of virtual time.
pub(super) type Micros = u64;

/// How long a disk takes to make safe what it was given.
const FSYNC: Micros = 4_000;
/// How many messages of one direction of a link may be on their way: as many as sockets hold.
const WINDOW: usize = 8;
/// How long a byte occupies a link: 100 Mbit/s.
const NANOS_PER_BYTE: u64 = 80;
const GENERATIONS: u64 = 1 << 32;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node: Node<Ledger>,
    pub(super) alive: bool,
    pub(super) wires: Vec<usize>,
    /// What the disk holds for certain.
    pub(super) disk: BTreeMap<DocId, VersionVector>,
    /// A copy of the disk from some time ago.
    backup: BTreeMap<DocId, VersionVector>,
    life: u64,
    wake_at: Option<Micros>,
    syncing: bool,
    past: Traffic,
}

/// A processor: it works on one message at a time, for whichever of its nodes.
#[derive(Debug, Default)]
struct Processor {
    inbox: VecDeque<Arrived>,
    busy_until: Micros,
}

/// A message that waits for the processor of its node.
#[derive(Debug)]
struct Arrived {
    wire: usize,
    end: usize,
    generation: u64,
    bytes: Vec<u8>,
}

/// What a network is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hardware {
    /// The least and the greatest latency of a link.
    pub(super) latency: (Micros, Micros),
    /// How many processors all nodes share; 0 when each has its own.
    pub(super) processors: usize,
    /// How long a processor works on one message.
    pub(super) service: Micros,
}

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) ends: [usize; 2],
    pub(super) latency: Micros,
    pub(super) up: bool,
    generation: u64,
    /// For each direction: when the socket can take the next message, and whether that is scheduled.
    free_at: [Micros; 2],
    sending: [bool; 2],
    /// For each direction: how many messages are on their way.
    flying: [usize; 2],
    /// For each direction: whether it takes everything and delivers nothing.
    silent: [bool; 2],
    held: [Vec<Vec<u8>>; 2],
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Send { wire: usize, end: usize, generation: u64 },
    Arrive { wire: usize, end: usize, generation: u64, bytes: Vec<u8> },
    Take { processor: usize },
    Wake { peer: usize, life: u64 },
    Fsync { peer: usize, life: u64 },
}

/// How an edit has spread.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) origin: usize,
    pub(super) at: Micros,
    /// For each node: when it came, and over how many links.
    pub(super) reached: Vec<Option<(Micros, u32)>>,
}

/// How a node goes down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Crash {
    /// What was not yet safe is gone.
    Honest,
    /// The disk had lied: it comes back as it was at the last backup.
    Rollback,
}

#[derive(Debug)]
pub(super) struct Net {
    pub(super) now: Micros,
    pub(super) peers: Vec<Peer>,
    pub(super) wires: Vec<Wire>,
    hardware: Hardware,
    processors: Vec<Processor>,
    pub(super) spreads: Vec<Spread>,
    tracked: BTreeMap<Dot, usize>,
    /// Everything that was ever written.
    pub(super) truth: BTreeMap<DocId, VersionVector>,
    pub(super) handled: u64,
    queue: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    ticket: u64,
    faults: Vec<String>,
}

fn id(peer: usize, life: u64) -> ReplicaId {
    ReplicaId::from_u128(((peer as u128 + 1) << 64) | u128::from(life))
}

fn new_node(peer: usize, life: u64) -> Node<Ledger> {
    let config = Config { have_interval: 250, ..Config::new(id(peer, life), "", Role::Daemon) };
    Node::new(config, peer as u64 ^ (life << 32))
}

impl Net {
    /// Nodes with these links, all down.
    pub(super) fn new(n: usize, edges: &[(usize, usize)], hardware: Hardware, rng: &mut Rng) -> Self {
        let mut peers: Vec<Peer> = (0..n)
            .map(|i| Peer {
                node: new_node(i, 0),
                alive: true,
                wires: vec![],
                disk: BTreeMap::new(),
                backup: BTreeMap::new(),
                life: 0,
                wake_at: None,
                syncing: false,
                past: Traffic::default(),
            })
            .collect();
        let mut wires = Vec::with_capacity(edges.len());
        for (a, b) in edges {
            for end in [*a, *b] {
                peers[end].wires.push(wires.len());
            }
            let (least, most) = hardware.latency;
            let latency = least + rng.below(most.saturating_sub(least) as usize) as Micros;
            let wire = Wire {
                ends: [*a, *b],
                latency,
                up: false,
                generation: 0,
                free_at: [0; 2],
                sending: [false; 2],
                flying: [0; 2],
                silent: [false; 2],
                held: Default::default(),
            };
            wires.push(wire);
        }
        Net {
            now: 0,
            peers,
            wires,
            processors: (0..if hardware.processors == 0 { n } else { hardware.processors })
                .map(|_| Processor::default())
                .collect(),
            hardware,
            spreads: vec![],
            tracked: BTreeMap::new(),
            truth: BTreeMap::new(),
            handled: 0,
            queue: BinaryHeap::new(),
            ticket: 0,
            faults: vec![],
        }
    }

    fn at(&mut self, when: Micros, event: Event) {
        self.ticket += 1;
        self.queue.push(Reverse((when, self.ticket, event)));
    }

    fn link(&self, w: usize) -> LinkId {
        LinkId(w as u64 * GENERATIONS + self.wires[w].generation)
    }

    /// Connects the ends of a wire, when both live.
    pub(super) fn heal(&mut self, w: usize) {
        let ends = self.wires[w].ends;
        if self.wires[w].up || ends.iter().any(|p| !self.peers[*p].alive) {
            return;
        }
        let wire = &mut self.wires[w];
        wire.up = true;
        wire.generation += 1;
        wire.free_at = [self.now; 2];
        wire.sending = [false; 2];
        wire.flying = [0; 2];
        let link = self.link(w);
        for (end, peer) in ends.into_iter().enumerate() {
            self.give(peer, Input::LinkUp { link, dialed: end == 0 });
        }
    }

    /// Breaks a wire; what is in flight is lost.
    pub(super) fn cut(&mut self, w: usize) {
        if !std::mem::take(&mut self.wires[w].up) {
            return;
        }
        let link = self.link(w);
        self.wires[w].generation += 1;
        self.wires[w].silent = [false; 2];
        self.wires[w].held = Default::default();
        for peer in self.wires[w].ends {
            self.give(peer, Input::LinkDown { link });
        }
    }

    /// From now on one direction of a wire takes what it is given and delivers nothing, and nobody is told.
    pub(super) fn silence(&mut self, w: usize, end: usize) {
        self.wires[w].silent[end] = self.wires[w].up;
    }

    /// Delivers what a silent wire has held, and what comes from now on.
    pub(super) fn unsilence(&mut self, w: usize) {
        self.wires[w].silent = [false; 2];
        let generation = self.wires[w].generation;
        for (end, held) in std::mem::take(&mut self.wires[w].held).into_iter().enumerate() {
            for bytes in held {
                self.at(self.now, Event::Arrive { wire: w, end: 1 - end, generation, bytes });
            }
        }
    }

    /// Takes a node down, with its links.
    pub(super) fn stop(&mut self, p: usize) {
        for w in self.peers[p].wires.clone() {
            self.cut(w);
        }
        self.peers[p].alive = false;
    }

    /// Starts a node that is down from its disk, under a new name, with its links.
    pub(super) fn start(&mut self, p: usize, how: Crash) {
        let peer = &mut self.peers[p];
        peer.past += peer.node.traffic(Role::Daemon);
        peer.life += 1;
        peer.alive = true;
        peer.syncing = false;
        peer.wake_at = None;
        if how == Crash::Rollback {
            peer.disk = peer.backup.clone();
        }
        let old = std::mem::replace(&mut peer.node, new_node(p, peer.life));
        for (name, version) in &peer.disk {
            if let Some(doc) = old.doc(name) {
                peer.node.load(name.clone(), doc.restored(id(p, peer.life), version));
            }
        }
        for w in self.peers[p].wires.clone() {
            self.heal(w);
        }
    }

    /// Copies the disk of a node, to come back to.
    pub(super) fn back_up(&mut self, p: usize) {
        self.peers[p].backup = self.peers[p].disk.clone();
    }

    /// Writes one event and follows it when asked to.
    pub(super) fn edit(&mut self, p: usize, doc: &DocId, follow: bool) {
        let now = self.now / 1_000;
        let Ok(dot) = self.peers[p].node.edit(now, doc, LEDGER, Ledger::write) else { return };
        self.truth.entry(doc.clone()).or_default().advance(dot.replica, dot.seq);
        if follow {
            let mut reached = vec![None; self.peers.len()];
            reached[p] = Some((self.now, 0));
            self.tracked.insert(dot, self.spreads.len());
            self.spreads.push(Spread { origin: p, at: self.now, reached });
        }
        self.drain(p);
    }

    /// Follows no edit any more.
    pub(super) fn forget_spreads(&mut self) -> Vec<Spread> {
        self.tracked.clear();
        std::mem::take(&mut self.spreads)
    }

    fn give(&mut self, p: usize, input: Input) {
        if self.peers[p].alive {
            self.handled += 1;
            self.peers[p].node.handle(self.now / 1_000, input);
            self.drain(p);
        }
    }

    /// Carries out what a node wants.
    fn drain(&mut self, p: usize) {
        while let Some(output) = self.peers[p].node.poll_output() {
            match output {
                Output::Ready { link } => self.schedule_send(p, (link.0 / GENERATIONS) as usize),
                Output::Store { .. } => self.schedule_fsync(p),
                Output::Changed { novel, from: Some(link), .. } if !self.tracked.is_empty() => {
                    let wire = (link.0 / GENERATIONS) as usize;
                    for span in novel {
                        for seq in span.after + 1..=span.to {
                            self.note_reached(p, wire, Dot::new(span.replica, seq));
                        }
                    }
                }
                Output::Close { reason, .. } => self.faults.push(format!("node {p} closes a link: {reason}")),
                Output::Refused { reason, .. } => self.faults.push(format!("node {p} refuses: {reason}")),
                _ => {}
            }
        }
        self.schedule_wake(p);
    }

    fn note_reached(&mut self, p: usize, wire: usize, dot: Dot) {
        let Some(spread) = self.tracked.get(&dot).and_then(|i| self.spreads.get_mut(*i)) else { return };
        let [a, b] = self.wires[wire].ends;
        let hops = spread.reached[if a == p { b } else { a }].map_or(0, |(_, hops)| hops + 1);
        spread.reached[p].get_or_insert((self.now, hops));
    }

    fn schedule_wake(&mut self, p: usize) {
        let peer = &mut self.peers[p];
        let Some(at) = peer.node.next_deadline().map(|at| at.saturating_mul(1_000).max(self.now)) else {
            return;
        };
        if peer.wake_at.is_none_or(|set| at < set) {
            peer.wake_at = Some(at);
            let life = peer.life;
            self.at(at, Event::Wake { peer: p, life });
        }
    }

    fn schedule_fsync(&mut self, p: usize) {
        let peer = &mut self.peers[p];
        if !std::mem::replace(&mut peer.syncing, true) {
            let life = peer.life;
            self.at(self.now + FSYNC, Event::Fsync { peer: p, life });
        }
    }

    fn schedule_send(&mut self, p: usize, w: usize) {
        let end = usize::from(self.wires[w].ends[0] != p);
        let wire = &mut self.wires[w];
        if wire.up && !std::mem::replace(&mut wire.sending[end], true) {
            let generation = wire.generation;
            let when = wire.free_at[end].max(self.now);
            self.at(when, Event::Send { wire: w, end, generation });
        }
    }

    fn send(&mut self, w: usize, end: usize) {
        let (link, p) = (self.link(w), self.wires[w].ends[end]);
        self.wires[w].sending[end] = false;
        if self.wires[w].flying[end] >= WINDOW {
            return;
        }
        if let Some(bytes) = self.peers[p].node.poll_transmit(self.now / 1_000, link) {
            let wire = &mut self.wires[w];
            let sent = self.now + bytes.len() as u64 * NANOS_PER_BYTE / 1_000;
            let (generation, arrives) = (wire.generation, sent + wire.latency);
            wire.free_at[end] = sent + 1;
            wire.flying[end] += 1;
            self.at(arrives, Event::Arrive { wire: w, end: 1 - end, generation, bytes });
            self.schedule_send(p, w);
        }
        self.drain(p);
    }

    /// Lets time pass until nothing happens before `end`.
    pub(super) fn run_until(&mut self, end: Micros) -> Result<(), Violation> {
        while let Some(Reverse((at, ..))) = self.queue.peek() {
            if *at > end {
                break;
            }
            let Some(Reverse((at, _, event))) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.happen(event);
            if let Some(fault) = self.faults.pop() {
                return Err(Violation::Fault(fault));
            }
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Send { wire, end, generation } => {
                if self.wires[wire].up && self.wires[wire].generation == generation {
                    self.send(wire, end);
                }
            }
            Event::Arrive { wire, end, generation, bytes } => {
                let to = &mut self.wires[wire];
                if to.generation == generation && to.silent[1 - end] {
                    to.held[1 - end].push(bytes);
                    return;
                }
                let p = to.ends[end] % self.processors.len();
                let processor = &mut self.processors[p];
                processor.inbox.push_back(Arrived { wire, end, generation, bytes });
                if processor.inbox.len() == 1 {
                    let at = processor.busy_until.max(self.now);
                    self.at(at, Event::Take { processor: p });
                }
            }
            Event::Take { processor } => self.take(processor),
            Event::Wake { peer, life } => {
                if self.peers[peer].life == life && self.peers[peer].wake_at.is_some_and(|at| at <= self.now)
                {
                    self.peers[peer].wake_at = None;
                    self.give(peer, Input::Wake);
                }
            }
            Event::Fsync { peer, life } => {
                if self.peers[peer].life == life && self.peers[peer].alive {
                    self.fsync(peer);
                }
            }
        }
    }

    /// Has a processor work on the message that waits longest.
    fn take(&mut self, p: usize) {
        let done = self.now + self.hardware.service;
        let processor = &mut self.processors[p];
        processor.busy_until = done;
        let Some(Arrived { wire, end, generation, bytes }) = processor.inbox.pop_front() else { return };
        if !processor.inbox.is_empty() {
            self.at(done, Event::Take { processor: p });
        }
        if self.wires[wire].generation == generation {
            let (link, ends) = (self.link(wire), self.wires[wire].ends);
            self.wires[wire].flying[1 - end] -= 1;
            self.schedule_send(ends[1 - end], wire);
            self.give(ends[end], Input::Frame { link, bytes });
        }
    }

    fn fsync(&mut self, p: usize) {
        let peer = &mut self.peers[p];
        peer.syncing = false;
        let safe: Vec<(DocId, VersionVector)> =
            peer.node.docs().map(|(id, doc)| (id.clone(), doc.version().clone())).collect();
        for (doc, version) in safe {
            if self.peers[p].disk.get(&doc) != Some(&version) {
                self.peers[p].disk.insert(doc.clone(), version.clone());
                self.give(p, Input::Durable { doc, version });
            }
        }
    }

    /// What all nodes have sent and received together.
    pub(super) fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        for peer in &self.peers {
            sum += peer.past;
            sum += peer.node.traffic(Role::Daemon);
        }
        sum
    }

    /// For each living node, its living neighbours and how far they are.
    pub(super) fn neighbours(&self) -> Vec<Vec<(usize, Micros)>> {
        let mut links = vec![vec![]; self.peers.len()];
        for wire in self.wires.iter().filter(|wire| wire.up) {
            let [a, b] = wire.ends;
            links[a].push((b, wire.latency));
            links[b].push((a, wire.latency));
        }
        links
    }
}
