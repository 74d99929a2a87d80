//! A network of real nodes as a state machine: what may happen next, and what must hold.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crdt::sync::{Config, DocId, Input, Kind, LinkId, Millis, Node, Output, Planted, Role};
use crdt::{Delta, Dot, ReplicaId, Replicated, VersionVector};
use stateright::{Model, Property};

use crate::graphs::Graph;
use crate::toy::{Event, Toy};

/// No event without those before it, none that nobody wrote, nothing called safe that is not.
pub(crate) const SAFE: &str = "safe";
/// When nothing moves any more, all that are connected agree.
pub(crate) const AGREE: &str = "quiet nodes agree";
/// From here a fair schedule leads to where nothing moves. Looked at in every eighth state: it costs as much as a hundred.
pub(crate) const RECOVER: &str = "comes to rest";

const KIND: Kind = Kind(7);
/// Steps of a fair schedule within which everything must have come to rest.
const REST_WITHIN: usize = 400;

/// How much may happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) edits: u8,
    /// How often a link breaks; it may come back at any time after.
    pub(crate) cuts: u8,
    /// How often a program is killed and started again. With it, disks sync when they like.
    pub(crate) crashes: u8,
    /// Begins with nodes that never met; else every node has written and all is known everywhere.
    pub(crate) cold: bool,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { edits, cuts, crashes, cold } = self;
        let start = if *cold { "cold" } else { "warm" };
        write!(f, "{start}, {edits} edits, {cuts} cuts, {crashes} crashes")
    }
}

/// The state machine.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    graph: Graph,
    scope: Scope,
    planted: Option<Planted>,
    doc: DocId,
}

/// One thing that happens.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Action {
    Edit(usize),
    /// The oldest message on this link arrives, towards this end of it.
    Arrive {
        link: usize,
        to: usize,
    },
    /// Time passes for this node up to what it waits for.
    Tick(usize),
    /// The node's disk has synced all that it was given.
    Sync(usize),
    Cut(usize),
    Heal(usize),
    Crash(usize),
}

#[derive(Clone, Debug)]
struct Peer {
    node: Node<Toy>,
    /// What its disk has synced, and what it has not.
    disk: Vec<Delta>,
    unsynced: Vec<Delta>,
    lives: u128,
}

/// A peer with the hash of all that it is: most actions change one.
#[derive(Clone, Debug)]
struct Hashed {
    peer: Arc<Peer>,
    hash: u64,
}

#[derive(Clone, PartialEq, Debug, Hash)]
struct Link {
    up: bool,
    /// What each end calls it.
    ids: [u64; 2],
    /// The message towards each end. A socket takes the next when this has arrived.
    flying: [Option<Arc<Vec<u8>>>; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    peers: Vec<Hashed>,
    links: Vec<Link>,
    next_link: u64,
    left: Scope,
    written: Arc<BTreeMap<Dot, Event>>,
    broken: Option<String>,
}

impl State {
    /// All that tells one state from another.
    fn identity(&self) -> impl Hash + PartialEq {
        let peers: Vec<u64> = self.peers.iter().map(|peer| peer.hash).collect();
        let left = (self.left.edits, self.left.cuts, self.left.crashes);
        (peers, self.links.clone(), left, self.broken.clone())
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.identity().hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Network {
    pub(crate) fn new(graph: Graph, scope: Scope, planted: Option<Planted>) -> Self {
        Network { graph, scope, planted, doc: "d".parse().expect("a name") }
    }

    fn fresh(&self, i: usize, lives: u128) -> Node<Toy> {
        let id = ReplicaId::from_u128(((i as u128 + 1) << 64) | lives);
        let config = Config {
            // The least intervals are never drawn by chance; the comparison of everything never comes.
            have_interval: 1,
            want_delay: 2,
            anti_entropy_interval: Millis::MAX,
            ..Config::new(id, "", Role::Daemon)
        };
        let mut node = Node::new(config, 0);
        if let Some(mistake) = self.planted {
            node.plant(mistake);
        }
        node
    }

    fn start(&self) -> State {
        let peers = (0..self.graph.nodes).map(|i| {
            let node = self.fresh(i, 0);
            Hashed::new(Peer { node, disk: Vec::new(), unsynced: Vec::new(), lives: 0 })
        });
        let down = Link { up: false, ids: [0, 0], flying: [None, None] };
        let mut state = State {
            peers: peers.collect(),
            links: vec![down; self.graph.edges.len()],
            next_link: 0,
            left: self.scope,
            written: Arc::default(),
            broken: None,
        };
        (0..self.graph.edges.len()).for_each(|link| self.connect(&mut state, link));
        if !self.scope.cold {
            for i in 0..self.graph.nodes {
                self.rest(&mut state);
                self.edit(&mut state, i);
            }
            self.rest(&mut state);
        }
        state
    }

    /// Gives a node an input, looks whether all is well, and sends what it now has to say.
    fn give(&self, state: &mut State, i: usize, now: Millis, input: Input) {
        self.change(state, i, now, |node| node.handle(now, input));
        self.after(state, i);
    }

    /// Does something with a node and carries out what it wants.
    fn change<R>(
        &self,
        state: &mut State,
        i: usize,
        now: Millis,
        work: impl FnOnce(&mut Node<Toy>) -> R,
    ) -> R {
        let mut peer = Peer::clone(&state.peers[i].peer);
        let result = work(&mut peer.node);
        while let Some(output) = peer.node.poll_output() {
            match output {
                Output::Store { delta, .. } => peer.unsynced.push(Delta::clone(&delta)),
                Output::Close { reason, .. } => {
                    state.broken = Some(format!("node {i} closes a link: {reason}"))
                }
                Output::Refused { reason, .. } => state.broken = Some(format!("node {i} refuses: {reason}")),
                _ => {}
            }
        }
        peer.node.normalize(now);
        if self.scope.crashes == 0 && !peer.unsynced.is_empty() {
            self.synced(&mut peer);
        }
        state.peers[i] = Hashed::new(peer);
        result
    }

    fn after(&self, state: &mut State, i: usize) {
        self.look(state, i);
        self.transmit(state, i);
    }

    fn synced(&self, peer: &mut Peer) {
        peer.disk.append(&mut peer.unsynced);
        let version = peer.node.doc(&self.doc).map(|doc| doc.version().clone()).unwrap_or_default();
        peer.node.handle(0, Input::Durable { doc: self.doc.clone(), version });
        while peer.node.poll_output().is_some() {}
        if self.scope.crashes == 0 {
            // What is on the disk is never read again.
            peer.disk.clear();
        }
        peer.node.normalize(0);
    }

    /// Puts what a node has to say on those of its links whose sockets are free.
    fn transmit(&self, state: &mut State, i: usize) {
        for (l, edge) in self.graph.edges.iter().enumerate() {
            let Some(end) = [edge.0, edge.1].iter().position(|node| *node == i) else { continue };
            let link = &state.links[l];
            if !link.up || link.flying[1 - end].is_some() {
                continue;
            }
            let mut peer = Peer::clone(&state.peers[i].peer);
            let message = peer.node.poll_transmit(0, LinkId(link.ids[end]));
            while peer.node.poll_output().is_some() {}
            peer.node.normalize(0);
            state.links[l].flying[1 - end] = message.map(Arc::new);
            state.peers[i] = Hashed::new(peer);
        }
    }

    fn edit(&self, state: &mut State, i: usize) {
        let wrote = self.change(state, i, 0, |node| {
            node.edit(0, &self.doc, KIND, |toy| {
                let before = toy.version().clone();
                toy.write(&[]);
                let new = toy.events.iter().find(|(dot, _)| !before.contains(**dot));
                new.map(|(dot, event)| (*dot, event.clone()))
            })
        });
        if let Ok(Some((dot, event))) = wrote {
            Arc::make_mut(&mut state.written).insert(dot, event);
        }
        self.after(state, i);
    }

    fn connect(&self, state: &mut State, l: usize) {
        let ids = [state.next_link, state.next_link + 1];
        state.next_link += 2;
        state.links[l] = Link { up: true, ids, flying: [None, None] };
        let (a, b) = self.graph.edges[l];
        for (end, i) in [a, b].into_iter().enumerate() {
            self.give(state, i, 0, Input::LinkUp { link: LinkId(ids[end]), dialed: end == 0 });
        }
    }

    fn cut(&self, state: &mut State, l: usize) {
        let ids = state.links[l].ids;
        state.links[l] = Link { up: false, ids: [0, 0], flying: [None, None] };
        let (a, b) = self.graph.edges[l];
        for (end, i) in [a, b].into_iter().enumerate() {
            self.give(state, i, 0, Input::LinkDown { link: LinkId(ids[end]) });
        }
    }

    /// Kills a program and starts it from its disk; its links come back.
    fn crash(&self, state: &mut State, i: usize) {
        let links: Vec<usize> = (0..state.links.len())
            .filter(|l| state.links[*l].up && [self.graph.edges[*l].0, self.graph.edges[*l].1].contains(&i))
            .collect();
        links.iter().for_each(|l| self.cut(state, *l));
        let mut peer = Peer::clone(&state.peers[i].peer);
        let durable = peer.node.durable(&self.doc).cloned().unwrap_or_default();
        peer.lives += 1;
        peer.unsynced.clear();
        peer.node = self.fresh(i, peer.lives);
        let toy = Toy::load(peer.node.config().id, &peer.disk);
        if !toy.version().covers(&durable) {
            state.broken = Some(format!("node {i} called durable what it lost"));
        }
        if !toy.version().is_empty() {
            peer.node.load(self.doc.clone(), toy);
        }
        state.peers[i] = Hashed::new(peer);
        links.into_iter().for_each(|l| self.connect(state, l));
    }

    /// What must hold of a node whatever happened.
    fn look(&self, state: &mut State, i: usize) {
        let peer = Arc::clone(&state.peers[i].peer);
        let Some(toy) = peer.node.doc(&self.doc) else { return };
        let version = toy.version();
        let whole =
            version.total() == toy.events.len() as u64 && toy.events.keys().all(|dot| version.contains(*dot));
        if !whole {
            state.broken = Some(format!("node {i} has gaps"));
        }
        if toy.events.iter().any(|(dot, event)| state.written.get(dot) != Some(event)) {
            state.broken = Some(format!("node {i} has what nobody wrote"));
        }
        // What a peer said to be safe is on its disk, in this life or an earlier one.
        for (l, (a, b)) in self.graph.edges.iter().enumerate() {
            let (end, other) = match i {
                i if i == *a => (0, *b),
                i if i == *b => (1, *a),
                _ => continue,
            };
            let Some(said) = peer.node.peer_durable(LinkId(state.links[l].ids[end]), &self.doc) else {
                continue;
            };
            let safe = state.peers[other].peer.node.durable(&self.doc).cloned().unwrap_or_default();
            if state.links[l].up && !safe.covers(said) {
                state.broken = Some(format!("node {i} was told that is safe at {other} which is not"));
            }
        }
    }

    /// Whether nothing moves any more.
    fn is_quiet(&self, state: &State) -> bool {
        state.links.iter().all(|link| link.flying.iter().all(Option::is_none))
            && state.peers.iter().all(|p| p.peer.node.next_deadline().is_none() && p.peer.unsynced.is_empty())
    }

    /// A fair schedule without more faults: whatever can happen happens in turn. Whether it came to rest.
    fn rest(&self, state: &mut State) -> bool {
        let mut steps = 0;
        while !self.is_quiet(state) {
            for link in 0..state.links.len() {
                for to in 0..2 {
                    steps += usize::from(self.arrive(state, link, to));
                }
            }
            for i in 0..state.peers.len() {
                steps += usize::from(self.tick(state, i)) + usize::from(self.sync(state, i));
            }
            if steps > REST_WITHIN || state.broken.is_some() {
                return false;
            }
        }
        true
    }

    fn arrive(&self, state: &mut State, l: usize, to: usize) -> bool {
        let Some(bytes) = state.links[l].flying[to].take() else { return false };
        let ends = [self.graph.edges[l].0, self.graph.edges[l].1];
        let link = LinkId(state.links[l].ids[to]);
        self.give(state, ends[to], 0, Input::Frame { link, bytes: bytes.to_vec() });
        // The sender's socket is free again.
        self.transmit(state, ends[1 - to]);
        true
    }

    fn tick(&self, state: &mut State, i: usize) -> bool {
        let Some(now) = state.peers[i].peer.node.next_deadline() else { return false };
        self.give(state, i, now, Input::Wake);
        true
    }

    fn sync(&self, state: &mut State, i: usize) -> bool {
        if state.peers[i].peer.unsynced.is_empty() {
            return false;
        }
        let mut peer = Peer::clone(&state.peers[i].peer);
        self.synced(&mut peer);
        state.peers[i] = Hashed::new(peer);
        self.transmit(state, i);
        true
    }

    /// Whether all that are connected hold the same.
    fn agree(&self, state: &State) -> bool {
        self.graph.edges.iter().zip(&state.links).filter(|(_, link)| link.up).all(|((a, b), _)| {
            let version = |i: usize| -> VersionVector {
                let doc = state.peers[i].peer.node.doc(&self.doc);
                doc.map(|doc| doc.version().clone()).unwrap_or_default()
            };
            version(*a) == version(*b)
        })
    }
}

impl Hashed {
    fn new(peer: Peer) -> Self {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        let _ = fmt::write(&mut hasher, format_args!("{peer:?}"));
        Hashed { peer: Arc::new(peer), hash: hasher.0 }
    }
}

/// Hashes what is written to it.
struct Fnv(u64);

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

impl Model for Network {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (l, link) in state.links.iter().enumerate() {
            actions.extend(
                (0..2).filter(|to| link.flying[*to].is_some()).map(|to| Action::Arrive { link: l, to }),
            );
            if !link.up {
                actions.push(Action::Heal(l));
            } else if state.left.cuts > 0 {
                actions.push(Action::Cut(l));
            }
        }
        for (i, peer) in state.peers.iter().map(|p| &p.peer).enumerate() {
            if peer.node.next_deadline().is_some() {
                actions.push(Action::Tick(i));
            }
            if !peer.unsynced.is_empty() {
                actions.push(Action::Sync(i));
            }
            if state.left.edits > 0 {
                actions.push(Action::Edit(i));
            }
            if state.left.crashes > 0 {
                actions.push(Action::Crash(i));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Arrive { link, to } => drop(self.arrive(&mut state, link, to)),
            Action::Tick(i) => drop(self.tick(&mut state, i)),
            Action::Sync(i) => drop(self.sync(&mut state, i)),
            Action::Heal(l) => self.connect(&mut state, l),
            Action::Edit(i) => {
                state.left.edits -= 1;
                self.edit(&mut state, i);
            }
            Action::Cut(l) => {
                state.left.cuts -= 1;
                self.cut(&mut state, l);
            }
            Action::Crash(i) => {
                state.left.crashes -= 1;
                self.crash(&mut state, i);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SAFE, |_, state: &State| state.broken.is_none()),
            Property::always(AGREE, |network: &Network, state: &State| {
                !network.is_quiet(state) || network.agree(state)
            }),
            Property::always(RECOVER, |network: &Network, state: &State| {
                if !state.peers.iter().fold(0, |sum: u64, peer| sum.wrapping_add(peer.hash)).is_multiple_of(8)
                {
                    return true;
                }
                let mut state = state.clone();
                network.rest(&mut state) && network.agree(&state)
            }),
        ]
    }
}
