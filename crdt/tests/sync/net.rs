//! A network of real nodes in virtual time: latencies, cuts that lose what is in flight, crashes.

use std::collections::{BTreeMap, VecDeque};

use crdt::sync::{Config, DocId, Fleet, Input, Interest, Kind, LinkId, Millis, Node, Output, Role};
use crdt::{Delta, ReplicaId, Replicated, VersionVector};

use super::toy::Toy;

pub(crate) struct Peer {
    pub(crate) node: Node<Toy>,
    pub(crate) disk: BTreeMap<DocId, Vec<Delta>>,
    pub(crate) outputs: Vec<Output>,
    incarnation: u128,
    role: Role,
    interest: Interest,
}

struct Wire {
    ends: [usize; 2],
    ids: [LinkId; 2],
    latency: Millis,
    /// For each direction: whether it takes everything and delivers nothing.
    silent: [bool; 2],
    /// For each direction: when it arrives, and what.
    flying: [VecDeque<(Millis, Vec<u8>)>; 2],
    up: bool,
}

pub(crate) struct Net {
    pub(crate) now: Millis,
    pub(crate) peers: Vec<Peer>,
    wires: Vec<Wire>,
    next_link: u64,
    /// Wires that are not polled, as if the sockets were full.
    pub(crate) stalled: bool,
    /// Each node sends one message on each link for each step.
    pub(crate) one_message_at_once: bool,
    /// How many bytes of documents a node that is added now may have in memory.
    pub(crate) cache: usize,
    /// Documents on their way from disks: when they come, to whom.
    loading: VecDeque<(Millis, usize, DocId)>,
    /// Of which fleet nodes are that are added or come back from now on.
    pub(crate) fleet: Option<Fleet>,
    /// So many messages come, and the next is lost.
    pub(crate) lose_after: Option<usize>,
    /// The wire on which one was lost: since then it delivers nothing in that direction.
    pub(crate) lost_on: Option<usize>,
}

/// How long a disk takes to give a document, in milliseconds.
const LOADS_IN: Millis = 3;

pub(crate) fn id(peer: usize, incarnation: u128) -> ReplicaId {
    ReplicaId::from_u128((peer as u128 + 1) << 64 | incarnation)
}

pub(crate) fn config(id: ReplicaId, role: Role, interest: Interest) -> Config {
    Config {
        id,
        name: String::new(),
        address: String::new(),
        role,
        interest,
        fleet: None,
        have_interval: 250,
        want_delay: 150,
        anti_entropy_interval: 30_000,
        presence_ttl: 9_000,
        cache_bytes: usize::MAX,
        presence_interval: 30,
        max_drift: 60_000,
        lane: None,
    }
}

impl Net {
    pub(crate) fn new() -> Self {
        let loading = VecDeque::new();
        Net {
            now: 0,
            peers: vec![],
            wires: vec![],
            next_link: 0,
            stalled: false,
            one_message_at_once: false,
            cache: usize::MAX,
            loading,
            fleet: None,
            lose_after: None,
            lost_on: None,
        }
    }

    /// Daemons with these links, each of its own latency.
    pub(crate) fn daemons(n: usize, edges: &[(usize, usize)]) -> Self {
        Net::new().with_daemons(n, edges)
    }

    /// Daemons that have hardly a document in memory.
    pub(crate) fn parking_daemons(n: usize, edges: &[(usize, usize)]) -> Self {
        Net { cache: 1, ..Net::new() }.with_daemons(n, edges)
    }

    fn with_daemons(self, n: usize, edges: &[(usize, usize)]) -> Self {
        let mut net = self;
        for _ in 0..n {
            net.add(Role::Daemon, Interest::everything());
        }
        for (i, (a, b)) in edges.iter().enumerate() {
            net.connect(*a, *b, 5 + 7 * (i as u64 % 6));
        }
        net
    }

    pub(crate) fn add(&mut self, role: Role, interest: Interest) -> usize {
        let i = self.peers.len();
        let node = Node::new(self.config(i, 0, role, &interest), i as u64);
        self.peers.push(Peer {
            node,
            disk: BTreeMap::new(),
            outputs: vec![],
            incarnation: 0,
            role,
            interest,
        });
        i
    }

    fn config(&self, p: usize, incarnation: u128, role: Role, interest: &Interest) -> Config {
        Config {
            cache_bytes: self.cache,
            fleet: self.fleet,
            ..config(id(p, incarnation), role, interest.clone())
        }
    }

    pub(crate) fn connect(&mut self, a: usize, b: usize, latency: Millis) -> usize {
        let wire = Wire {
            ends: [a, b],
            ids: [LinkId(0), LinkId(0)],
            latency,
            silent: [false; 2],
            flying: Default::default(),
            up: false,
        };
        self.wires.push(wire);
        let w = self.wires.len() - 1;
        self.heal(w);
        w
    }

    pub(crate) fn link(&self, wire: usize, end: usize) -> LinkId {
        self.wires[wire].ids[end]
    }

    pub(crate) fn wires(&self) -> usize {
        self.wires.len()
    }

    pub(crate) fn heal(&mut self, w: usize) {
        if self.wires[w].up {
            return;
        }
        let ids = [LinkId(self.next_link), LinkId(self.next_link + 1)];
        self.next_link += 2;
        let wire = &mut self.wires[w];
        wire.up = true;
        wire.silent = [false; 2];
        wire.ids = ids;
        for (end, peer) in wire.ends.into_iter().enumerate() {
            self.give(peer, Input::LinkUp { link: ids[end], dialed: end == 0 });
        }
    }

    /// Breaks a wire; what is in flight is lost.
    pub(crate) fn cut(&mut self, w: usize) {
        let wire = &mut self.wires[w];
        if !std::mem::take(&mut wire.up) {
            return;
        }
        wire.flying = Default::default();
        let (ends, ids) = (wire.ends, wire.ids);
        for end in 0..2 {
            self.give(ends[end], Input::LinkDown { link: ids[end] });
        }
    }

    /// One direction of a wire takes everything from now on and delivers nothing, and nobody is told.
    pub(crate) fn silence(&mut self, w: usize, end: usize) {
        self.wires[w].silent[end] = true;
        self.wires[w].flying[end].clear();
    }

    /// Stops a node without warning and starts it from its disk, as a new incarnation. The last `lost`
    /// writes to each document never reached the disk.
    pub(crate) fn crash(&mut self, p: usize, lost: usize) {
        let wires: Vec<usize> =
            (0..self.wires.len()).filter(|w| self.wires[*w].up && self.wires[*w].ends.contains(&p)).collect();
        wires.iter().for_each(|w| self.cut(*w));
        self.loading.retain(|(_, to, _)| *to != p);
        let peer = &self.peers[p];
        let config = self.config(p, peer.incarnation + 1, peer.role, &peer.interest);
        let peer = &mut self.peers[p];
        peer.incarnation += 1;
        let me = id(p, peer.incarnation);
        peer.node = Node::new(config, p as u64);
        for (doc, deltas) in &mut peer.disk {
            deltas.truncate(deltas.len().saturating_sub(lost));
            let toy = Toy::load(me, deltas);
            if self.cache == usize::MAX {
                peer.node.load(doc.clone(), toy);
            } else {
                peer.node.park(doc.clone(), Kind(7), toy.version().clone());
            }
        }
        wires.into_iter().for_each(|w| self.heal(w));
    }

    pub(crate) fn edit(&mut self, p: usize, doc: &str, value: &[u8]) {
        let (now, doc) = (self.now, doc.parse().unwrap());
        if !self.peers[p].node.ensure(&doc) {
            let toy = self.stored(p, &doc);
            self.peers[p].node.loaded(now, &doc, Some((toy, 1)));
        }
        self.peers[p].node.edit(now, &doc, Kind(7), |toy| toy.write(value)).unwrap();
        self.drain(p);
    }

    /// The disk gives a node a document.
    fn load(&mut self, p: usize, doc: &DocId) {
        let toy = self.stored(p, doc);
        self.peers[p].node.loaded(self.now, doc, Some((toy, 1)));
        self.drain(p);
    }

    /// A document as the disk of a node has it.
    fn stored(&self, p: usize, doc: &DocId) -> Toy {
        let peer = &self.peers[p];
        Toy::load(id(p, peer.incarnation), peer.disk.get(doc).map(Vec::as_slice).unwrap_or_default())
    }

    pub(crate) fn give(&mut self, p: usize, input: Input) {
        self.peers[p].node.handle(self.now, input);
        self.drain(p);
    }

    /// Carries out what the node wants.
    pub(crate) fn drain(&mut self, p: usize) {
        let mut safe = Vec::new();
        while let Some(output) = self.peers[p].node.poll_output() {
            match &output {
                Output::Store { doc, delta, .. } => {
                    self.peers[p].disk.entry(doc.clone()).or_default().push((**delta).clone());
                    safe.push(doc.clone());
                }
                Output::Load { doc } => self.loading.push_back((self.now + LOADS_IN, p, doc.clone())),
                Output::Close { reason, .. } => panic!("peer {p} closes: {reason}"),
                _ => {}
            }
            if !matches!(output, Output::Ready { .. }) {
                self.peers[p].outputs.push(output);
            }
        }
        for doc in safe {
            let version = self.peers[p].node.version(&doc).unwrap().clone();
            self.give(p, Input::Durable { doc, version });
        }
    }

    fn transmit(&mut self) {
        for w in 0..self.wires.len() {
            for end in 0..2 {
                let wire = &mut self.wires[w];
                if !wire.up || self.stalled {
                    continue;
                }
                let peer = &mut self.peers[wire.ends[end]];
                while let Some(bytes) = peer.node.poll_transmit(self.now, wire.ids[end]) {
                    assert!(bytes.len() <= crdt::sync::MAX_MESSAGE);
                    if self.lose_after == Some(0) {
                        (self.lose_after, self.lost_on) = (None, Some(w));
                        wire.silent[end] = true;
                    }
                    self.lose_after.iter_mut().for_each(|more| *more -= 1);
                    if wire.silent[end] {
                        continue;
                    }
                    wire.flying[end].push_back((self.now + wire.latency, bytes));
                    if self.one_message_at_once {
                        break;
                    }
                }
                let p = wire.ends[end];
                self.drain(p);
            }
        }
    }

    fn arrive(&mut self) {
        for w in 0..self.wires.len() {
            for end in 0..2 {
                while self.wires[w].flying[end].front().is_some_and(|(at, _)| *at <= self.now) {
                    let (_, bytes) = self.wires[w].flying[end].pop_front().unwrap();
                    let (to, link) = (self.wires[w].ends[1 - end], self.wires[w].ids[1 - end]);
                    self.give(to, Input::Frame { link, bytes });
                }
            }
        }
    }

    pub(crate) fn run(&mut self, ms: Millis) {
        let end = self.now + ms;
        loop {
            self.transmit();
            let flights = self.wires.iter().flat_map(|w| &w.flying).filter_map(|f| f.front().map(|m| m.0));
            let timers = self.peers.iter().filter_map(|p| p.node.next_deadline());
            let loads = self.loading.front().map(|load| load.0);
            match flights.chain(timers).chain(loads).min() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            self.arrive();
            while self.loading.front().is_some_and(|load| load.0 <= self.now) {
                let (_, p, doc) = self.loading.pop_front().unwrap();
                self.load(p, &doc);
            }
            for p in 0..self.peers.len() {
                if self.peers[p].node.next_deadline().is_some_and(|at| at <= self.now) {
                    self.give(p, Input::Wake);
                }
            }
        }
        self.now = end;
    }

    pub(crate) fn version(&self, p: usize, doc: &str) -> VersionVector {
        self.peers[p].node.version(&doc.parse().unwrap()).cloned().unwrap_or_default()
    }

    /// Content frames sent by all daemons to daemons.
    pub(crate) fn deltas(&self) -> u64 {
        self.peers.iter().map(|p| p.node.traffic(Role::Daemon).deltas_out).sum()
    }

    /// Bytes sent by all daemons to daemons.
    pub(crate) fn bytes(&self) -> u64 {
        self.peers.iter().map(|p| p.node.traffic(Role::Daemon).bytes_out).sum()
    }

    pub(crate) fn controls(&self) -> u64 {
        self.peers.iter().map(|p| p.node.traffic(Role::Daemon).control_out).sum()
    }

    pub(crate) fn assert_converged(&self, docs: &[&str]) {
        for doc in docs {
            let id: DocId = doc.parse().unwrap();
            let events = |p: usize| match self.peers[p].node.doc(&id) {
                Some(toy) => toy.events.clone(),
                None => self.stored(p, &id).events,
            };
            for p in 0..self.peers.len() {
                assert_eq!(events(p), events(0), "{doc}");
            }
        }
    }
}
