//! The protocol with real documents on graphs: it converges after any loss, pays N - 1 in quiet, waits for
//! nobody long, and takes no harm from bytes.
#![cfg(feature = "automerge")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::{BTreeMap, VecDeque};

use crdt::doc::AnyDoc;
use crdt::sync::{Config, DocId, Document, Input, Kind, LinkId, Millis, Node, Output, Role};
use crdt::{Delta, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

type Peer = Node<AnyDoc>;

/// A message on its way.
struct Flight {
    at: Millis,
    to: usize,
    link: LinkId,
    bytes: Vec<u8>,
}

struct Member {
    node: Peer,
    /// What its disk holds.
    stored: Vec<(DocId, Kind, Delta)>,
    /// How much of it survives a crash.
    synced: usize,
    lives: u128,
}

/// Nodes on virtual time, joined by links that deliver in order.
struct Net {
    now: Millis,
    members: Vec<Member>,
    /// For each edge its ends, its latency and, when it is up, its link number.
    edges: Vec<(usize, usize, Millis, Option<LinkId>)>,
    flights: VecDeque<Flight>,
    next_link: u64,
    acked: BTreeMap<(usize, LinkId), VersionVector>,
    closed: Vec<String>,
}

fn note() -> DocId {
    "note".parse().unwrap()
}

fn node(n: usize, lives: u128, role: Role) -> Peer {
    let id = ReplicaId::from_u128(n as u128 + 1 + (lives << 64));
    Node::new(Config::new(id, &format!("n{n}"), role), n as u64)
}

impl Net {
    fn new(n: usize, edges: &[(usize, usize)]) -> Net {
        let member = |i| Member { node: node(i, 0, Role::Daemon), stored: Vec::new(), synced: 0, lives: 0 };
        let mut net = Net {
            now: 0,
            members: (0..n).map(member).collect(),
            edges: edges
                .iter()
                .enumerate()
                .map(|(i, (a, b))| (*a, *b, 5 + (i as u64 * 7) % 11, None))
                .collect(),
            flights: VecDeque::new(),
            next_link: 1,
            acked: BTreeMap::new(),
            closed: Vec::new(),
        };
        (0..edges.len()).for_each(|edge| net.heal(edge));
        net
    }

    fn heal(&mut self, edge: usize) {
        let (a, b, _, up) = self.edges[edge];
        if up.is_none() {
            let link = LinkId(self.next_link);
            self.next_link += 1;
            self.edges[edge].3 = Some(link);
            self.members[a].node.handle(self.now, Input::LinkUp { link, dialed: true });
            self.members[b].node.handle(self.now, Input::LinkUp { link, dialed: false });
            self.settle(a);
            self.settle(b);
        }
    }

    /// Cuts an edge: what is in flight on it is lost.
    fn cut(&mut self, edge: usize) {
        let (a, b, _, up) = self.edges[edge];
        if let Some(link) = up {
            self.edges[edge].3 = None;
            self.flights.retain(|flight| flight.link != link);
            for end in [a, b] {
                self.members[end].node.handle(self.now, Input::LinkDown { link });
                self.settle(end);
            }
        }
    }

    /// A node dies and comes back with what its disk had synced.
    fn crash(&mut self, n: usize) {
        let edges: Vec<usize> =
            (0..self.edges.len()).filter(|e| self.edges[*e].0 == n || self.edges[*e].1 == n).collect();
        let up: Vec<usize> = edges.into_iter().filter(|e| self.edges[*e].3.is_some()).collect();
        let member = &mut self.members[n];
        member.stored.truncate(member.synced);
        member.lives += 1;
        member.node = node(n, member.lives, Role::Daemon);
        let mut docs: BTreeMap<DocId, AnyDoc> = BTreeMap::new();
        for (id, kind, delta) in &member.stored {
            let doc = docs
                .entry(id.clone())
                .or_insert_with(|| AnyDoc::create(*kind, member.node.config().id).unwrap());
            doc.apply(delta).unwrap();
        }
        docs.into_iter().for_each(|(id, doc)| member.node.load(id, doc));
        up.iter().for_each(|edge| self.cut(*edge));
        up.iter().for_each(|edge| self.heal(*edge));
    }

    /// The disk of a node catches up.
    fn sync_disk(&mut self, n: usize) {
        let member = &mut self.members[n];
        let mut versions: BTreeMap<DocId, VersionVector> = BTreeMap::new();
        for (id, _, delta) in &member.stored[member.synced..] {
            let version = versions.entry(id.clone()).or_default();
            delta.spans.iter().for_each(|span| {
                version.advance(span.replica, span.to);
            });
        }
        member.synced = member.stored.len();
        for (doc, version) in versions {
            member.node.handle(self.now, Input::Durable { doc, version });
        }
        self.settle(n);
    }

    fn settle(&mut self, n: usize) {
        let mut ready = Vec::new();
        while let Some(output) = self.members[n].node.poll_output() {
            match output {
                Output::Store { doc, kind, delta } => {
                    self.members[n].stored.push((doc, kind, Delta::clone(&delta)));
                }
                Output::Ready { link } => ready.push(link),
                Output::Close { reason, .. } => self.closed.push(reason),
                Output::Acked { link, version, .. } => {
                    self.acked.entry((n, link)).or_default().merge(&version);
                }
                _ => {}
            }
        }
        for link in ready {
            while let Some(bytes) = self.members[n].node.poll_transmit(self.now, link) {
                let edge = self.edges.iter().find(|edge| edge.3 == Some(link));
                let Some((a, b, latency, _)) = edge.copied() else { continue };
                let to = if a == n { b } else { a };
                let at = self.now + latency;
                self.flights.push_back(Flight { at, to, link, bytes });
            }
        }
    }

    /// Lets time pass.
    fn run(&mut self, millis: Millis) {
        let end = self.now + millis;
        loop {
            let flight = self.flights.iter().map(|flight| flight.at).min();
            let timer = self.members.iter().filter_map(|m| m.node.next_deadline()).min();
            let next = flight.into_iter().chain(timer).min().unwrap_or(end).max(self.now);
            if next > end {
                break;
            }
            self.now = next;
            if let Some(i) = self.flights.iter().position(|flight| flight.at <= next) {
                let flight = self.flights.remove(i).unwrap();
                let input = Input::Frame { link: flight.link, bytes: flight.bytes };
                self.members[flight.to].node.handle(self.now, input);
                self.settle(flight.to);
            } else if timer.is_some_and(|at| at <= next) {
                for n in 0..self.members.len() {
                    self.members[n].node.handle(self.now, Input::Wake);
                    self.settle(n);
                }
            } else {
                break;
            }
        }
        self.now = end;
    }

    fn edit(&mut self, n: usize, text: &str) {
        let now = self.now;
        let edit = |doc: &mut AnyDoc| {
            let doc = doc.as_doc_mut().unwrap();
            doc.transact(now, |tx| {
                let len = tx.text("body").len();
                tx.text("body").insert((now as usize * 7) % (len + 1), text);
                tx.map("map").put(text, now as i64);
            });
        };
        self.members[n].node.edit(now, &note(), Kind::DOC, edit).unwrap();
        self.settle(n);
    }

    fn version(&self, n: usize) -> VersionVector {
        self.members[n].node.doc(&note()).map(|doc| doc.version().clone()).unwrap_or_default()
    }

    fn value(&self, n: usize) -> String {
        let doc = self.members[n].node.doc(&note()).and_then(AnyDoc::as_doc);
        doc.map(|doc| doc.value().to_string()).unwrap_or_default()
    }

    fn converged(&self) -> bool {
        (1..self.members.len()).all(|n| self.value(n) == self.value(0) && self.version(n) == self.version(0))
    }

    /// Content frames sent so far, by all.
    fn content(&self) -> u64 {
        self.members.iter().map(|member| member.node.traffic(Role::Daemon).deltas_out).sum()
    }
}

fn ring(n: usize) -> Vec<(usize, usize)> {
    (0..n).map(|i| (i, (i + 1) % n)).collect()
}

fn mesh(n: usize) -> Vec<(usize, usize)> {
    (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect()
}

fn tree(n: usize) -> Vec<(usize, usize)> {
    (1..n).map(|i| ((i - 1) / 2, i)).collect()
}

fn star(n: usize) -> Vec<(usize, usize)> {
    (1..n).map(|i| (0, i)).collect()
}

/// A connected graph from numbers: a tree and some more edges.
fn graph(n: usize, choices: &[u8]) -> Vec<(usize, usize)> {
    let pick = |i: usize, most: usize| usize::from(choices[i % choices.len()]) % most;
    let mut edges: Vec<(usize, usize)> = (1..n).map(|i| (pick(i, i), i)).collect();
    for i in 0..n {
        let (a, b) = (pick(3 * i, n), pick(3 * i + 1, n));
        if a < b && !edges.contains(&(a, b)) {
            edges.push((a, b));
        }
    }
    edges
}

#[test]
fn in_quiet_an_edit_travels_n_minus_one_links() {
    let random = graph(12, &[7, 3, 91, 40, 17, 202, 66, 5, 129]);
    for (name, n, edges) in [
        ("ring", 5, ring(5)),
        ("star", 5, star(5)),
        ("mesh", 5, mesh(5)),
        ("tree", 15, tree(15)),
        ("random", 12, random),
    ] {
        let mut net = Net::new(n, &edges);
        net.run(1_000);
        for i in 0..3 * n {
            net.edit(i % n, "warm");
            net.run(2_000);
        }
        let before = net.content();
        for i in 0..4 * n {
            net.edit(i % n, "x");
            net.run(2_000);
        }
        assert!(net.converged(), "{name}");
        let per_edit = (net.content() - before) as f64 / (4 * n) as f64;
        println!("{name} of {n}: {per_edit} content frames for each edit, {} is the least", n - 1);
        assert_eq!(net.content() - before, (4 * n * (n - 1)) as u64, "{name}");
        assert!(net.closed.is_empty(), "{:?}", net.closed);
    }
}

#[test]
fn one_small_edit_costs_few_bytes_on_a_warm_link() {
    let mut net = Net::new(2, &[(0, 1)]);
    net.run(1_000);
    let type_one = |net: &mut Net| {
        let edit = |doc: &mut AnyDoc| {
            doc.as_doc_mut().unwrap().transact(0, |tx| {
                let end = tx.text("b").len();
                tx.text("b").insert(end, "x");
            });
        };
        net.members[0].node.edit(net.now, &note(), Kind::DOC, edit).unwrap();
        net.settle(0);
        let bytes = net.flights.iter().map(|flight| flight.bytes.len()).sum::<usize>();
        net.run(5_000);
        bytes
    };
    for _ in 0..200 {
        type_one(&mut net);
    }
    let bytes = type_one(&mut net);
    println!("{bytes} bytes for one typed character");
    assert!(bytes <= 24, "{bytes}");
}

/// Of an entry of a large map that another wrote; the ids of both are known on the link.
#[test]
fn one_changed_entry_of_a_large_map_costs_few_bytes_on_a_warm_link() {
    let mut net = Net::new(2, &[(0, 1)]);
    let key = |n: u64| format!("key-{:08x}", n.wrapping_mul(0x9e37_79b9) as u32);
    let edit = |net: &mut Net, by: usize, at: u64, keys: std::ops::Range<u64>| {
        let edit = |doc: &mut AnyDoc| {
            doc.as_doc_mut().unwrap().transact(1_790_000_000_000 + at, |tx| {
                keys.for_each(|n| tx.map("m").put(&key(n), 5_000 + at as i64));
            });
        };
        net.members[by].node.edit(net.now, &note(), Kind::DOC, edit).unwrap();
        net.settle(by);
        let bytes = net.flights.iter().map(|flight| flight.bytes.len()).sum::<usize>();
        net.run(5_000);
        bytes
    };
    edit(&mut net, 0, 0, 0..20_000); // from 16,384 to two million an event's number takes three bytes
    edit(&mut net, 1, 1, 0..1);
    let bytes: Vec<usize> = (2..18).map(|n| edit(&mut net, 1, n, n * 1_000..n * 1_000 + 1)).collect();
    println!("{bytes:?} bytes for one entry");
    assert!(bytes.iter().all(|bytes| *bytes <= 52), "{bytes:?}");
}

/// The peer's stretch of events was asked for as a closed range; what came while it was pruned, but after
/// the range's end, was neither pushed nor announced: a ring with one writer stalled for ever.
#[test]
fn nothing_is_lost_between_prune_and_graft() {
    let mut net = Net::new(5, &ring(5));
    net.run(500);
    for i in 0..60 {
        net.edit(0, "x");
        net.run(20);
        if i % 10 == 5 {
            net.cut(i / 10 % 5);
        }
        if i % 10 == 9 {
            net.heal(i / 10 % 5);
        }
    }
    net.run(10_000);
    assert!(net.converged());
}

#[derive(Clone, Debug)]
enum Event {
    Edit(usize),
    Cut(usize),
    Heal(usize),
    Crash(usize),
    Sync(usize),
    Wait(Millis),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..8usize).prop_map(Event::Edit),
        2 => (0..24usize).prop_map(Event::Cut),
        2 => (0..24usize).prop_map(Event::Heal),
        1 => (0..8usize).prop_map(Event::Crash),
        2 => (0..8usize).prop_map(Event::Sync),
        4 => (1..400u64).prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever is cut, lost and restarted: when it ends, all have the same, and all that was acknowledged.
    #[test]
    fn any_connected_graph_converges(
        n in 2..8usize,
        choices in prop::collection::vec(any::<u8>(), 9),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let edges = graph(n, &choices);
        let mut net = Net::new(n, &edges);
        for (i, event) in events.iter().enumerate() {
            match event {
                Event::Edit(who) => net.edit(who % n, &format!("{i}")),
                Event::Cut(edge) => net.cut(edge % edges.len()),
                Event::Heal(edge) => net.heal(edge % edges.len()),
                Event::Crash(who) => net.crash(who % n),
                Event::Sync(who) => net.sync_disk(who % n),
                Event::Wait(millis) => net.run(*millis),
            }
        }
        (0..edges.len()).for_each(|edge| net.heal(edge));
        net.run(60_000);
        prop_assert!(net.closed.is_empty(), "{:?}", net.closed);
        prop_assert!(net.converged(), "{:#?}", (0..n).map(|i| net.version(i)).collect::<Vec<_>>());
        for version in net.acked.values() {
            prop_assert!(net.version(0).covers(version), "what was acknowledged as durable is there");
        }
        let before = net.content();
        net.run(120_000);
        prop_assert_eq!(net.content(), before, "nothing is sent when nothing is owed");
    }

    /// A hostile peer: true messages, damaged, cut, repeated, reordered. The node lives, and its documents
    /// are those it had, or grew by what was sound.
    #[test]
    fn damaged_messages_do_no_harm(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let (mut a, mut b) = (node(0, 0, Role::Daemon), node(1, 0, Role::Daemon));
        let edit = |text: &'static str| move |doc: &mut AnyDoc| {
            doc.as_doc_mut().unwrap().transact(0, |tx| {
                tx.text("body").insert(0, text);
                tx.map("m").put(text, 1);
            });
        };
        a.edit(0, &note(), Kind::DOC, edit("from a")).unwrap();
        b.edit(0, &note(), Kind::DOC, edit("from b")).unwrap();
        let link = LinkId(1);
        a.handle(0, Input::LinkUp { link, dialed: true });
        let mut honest = node(1, 0, Role::Daemon);
        honest.handle(0, Input::LinkUp { link, dialed: true });
        b.handle(0, Input::LinkUp { link, dialed: false });
        let mut messages = Vec::new();
        for _ in 0..6 {
            while let Some(bytes) = a.poll_transmit(0, link) {
                messages.push(bytes.clone());
                b.handle(0, Input::Frame { link, bytes });
            }
            while let Some(bytes) = b.poll_transmit(0, link) {
                a.handle(0, Input::Frame { link, bytes });
            }
        }
        let mut victim = node(7, 0, Role::Daemon);
        victim.edit(0, &note(), Kind::DOC, edit("kept")).unwrap();
        let mut number = 10;
        victim.handle(0, Input::LinkUp { link: LinkId(number), dialed: false });
        for (which, at, byte) in damage {
            for (i, bytes) in messages.iter().enumerate() {
                let mut bytes = bytes.clone();
                if i == which.index(messages.len()) {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                victim.handle(0, Input::Frame { link: LinkId(number), bytes });
                while victim.poll_transmit(0, LinkId(number)).is_some() {}
            }
            victim.handle(0, Input::LinkDown { link: LinkId(number) });
            number += 1;
            victim.handle(0, Input::LinkUp { link: LinkId(number), dialed: false });
        }
        let doc = victim.doc(&note()).unwrap().as_doc().unwrap();
        prop_assert!(doc.text("body").unwrap().to_string().contains("kept"));
        let again = crdt::Doc::load(&doc.save(), ReplicaId::from_u128(99));
        prop_assert!(again.is_ok(), "{:?}", again.err());
    }
}

/// For how long the farthest node lacks something, at most: from the edit until it is everywhere. All
/// write all the time.
fn worst_lag(net: &mut Net, faults: &[(Millis, usize, bool)]) -> Millis {
    let n = net.members.len();
    let mut written: Vec<(Millis, VersionVector)> = Vec::new();
    let mut worst = 0;
    let mut all = VersionVector::new();
    for step in 0..400u64 {
        for &(at, edge, up) in faults {
            if at / 10 == step {
                if up { net.heal(edge) } else { net.cut(edge) }
            }
        }
        let who = step as usize % n;
        net.edit(who, "x");
        all.merge(&net.version(who));
        written.push((net.now, all.clone()));
        net.run(10);
        let common = (1..n).fold(net.version(0), |common, i| common.meet(&net.version(i)));
        let done = written.iter().take_while(|(_, version)| common.covers(version)).count();
        written.drain(..done);
        if let Some((at, _)) = written.first() {
            worst = worst.max(net.now - at);
        }
    }
    worst
}

/// Whenever anything came over a link, the time to ask for what was missing on it was set anew: as long as
/// one author's events kept coming, another's, whose path had been cut further up, were never asked for.
#[test]
fn a_cut_that_divides_nobody_delays_nobody_for_long() {
    let mut net = Net::new(5, &ring(5));
    net.run(2_000);
    let calm = worst_lag(&mut net, &[]);
    let cut = worst_lag(&mut net, &[(1_000, 0, false), (2_000, 0, true)]);
    println!("the farthest node waits {calm} ms in calm, {cut} ms around a cut");
    assert!(calm < 200, "{calm} ms in calm");
    assert!(cut < 1_000, "{cut} ms around a cut");
}

/// One document that two replicas cannot agree on (its author was copied, against the rules) must not cost
/// the others their link.
#[test]
fn a_copied_replica_costs_the_others_nothing() {
    let mut net = Net::new(2, &[(0, 1)]);
    let bad: DocId = "bad".parse().unwrap();
    let copied = ReplicaId::from_u128(77);
    for (n, value) in [(0, "one"), (1, "other")] {
        let mut doc = crdt::automerge::AutomergeDoc::new(copied);
        for key in 0..=n {
            use automerge::transaction::Transactable;
            doc.edit(|doc| doc.put(automerge::ROOT, key.to_string(), value)).unwrap();
        }
        let delta = doc.delta_since(&VersionVector::new());
        net.members[n].node.apply(0, &bad, Kind::AUTOMERGE, &delta).unwrap();
        net.settle(n);
    }
    net.run(5_000);
    net.edit(0, "x");
    net.edit(1, "y");
    net.run(5_000);
    assert!(net.closed.is_empty(), "{:?}", net.closed);
    assert!(net.converged());
    let before = net.content();
    net.run(120_000);
    assert!(net.content() - before < 100, "it is tried less and less often");
}

/// A daemon has forgotten what two peers lack that were away. One has nothing of its own and takes the document whole.
/// The other has, is refused, and keeps it; other documents go on; a rescue brings it back.
#[test]
fn who_was_away_too_long_catches_up_or_is_rescued() {
    let mut net = Net::new(3, &[(0, 1), (0, 2)]);
    net.edit(0, "start");
    net.run(5_000);
    assert!(net.converged());
    net.cut(0);
    net.cut(1);
    net.edit(2, "typed offline");
    net.edit(0, "meanwhile");
    let other: DocId = "other".parse().unwrap();
    let write = |doc: &mut AnyDoc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1));
    net.members[0].node.edit(net.now, &other, Kind::DOC, write).unwrap();
    let doc = net.members[0].node.doc_mut(&note()).and_then(AnyDoc::as_doc_mut).unwrap();
    doc.forget(&doc.version().clone());
    let mine = net.value(2);

    net.heal(0);
    net.heal(1);
    net.run(60_000);
    assert!(net.closed.is_empty(), "{:?}", net.closed);
    assert_eq!((net.value(1), net.version(1)), (net.value(0), net.version(0)));
    assert_eq!(net.value(2), mine);
    assert!(net.members[2].node.doc(&other).is_some_and(|doc| !doc.version().is_empty()));
    let before = net.content();
    net.run(120_000);
    assert!(net.content() - before < 20, "what is refused is not sent again and again");

    let late = net.members[2].node.doc(&note()).and_then(AnyDoc::as_doc).unwrap();
    let mut fresh = crdt::Doc::new(ReplicaId::from_u128(99));
    fresh.apply(net.members[2].node.ahead(&note()).unwrap()).unwrap();
    let (rescued, left) = late.rescue(fresh).apply(net.now, |_| true);
    assert!(left.is_empty());
    net.members[2].node.replace(net.now, &note(), AnyDoc::Doc(rescued));
    net.settle(2);
    net.cut(1);
    net.heal(1);
    net.run(60_000);
    assert!(net.converged());
    for text in ["start", "typed offline", "meanwhile"] {
        assert!(net.value(0).contains(text), "{text}: {}", net.value(0));
    }
}

/// A difference that is too large for one step goes in several, each of which can be taken as it comes: a
/// link that breaks costs the step that was on its way, not all of it.
#[test]
fn a_large_difference_goes_in_steps_and_resumes() {
    let mut authors = [7, 8].map(|id| crdt::Doc::new(ReplicaId::from_u128(id)));
    let mut random = 1u64;
    for round in 0..12 {
        for doc in &mut authors {
            let mut letters = || {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                char::from(b'a' + (random >> 60) as u8)
            };
            let text: String = (0..100_000).map(|_| letters()).collect();
            doc.transact(round, |tx| tx.text("t").insert(0, &text));
        }
        let [a, b] = &mut authors;
        let (to_b, to_a) = (a.delta_since(b.version()), b.delta_since(a.version()));
        a.apply(&to_a).unwrap();
        b.apply(&to_b).unwrap();
    }
    let all = authors[0].delta_since(&VersionVector::new());
    let mut nodes = [node(0, 0, Role::Daemon), node(1, 0, Role::Daemon)];
    nodes[0].apply(0, &note(), Kind::DOC, &all).unwrap();
    let (mut steps, mut bytes, mut now) = (vec![], 0, 0);
    'links: for link in (1..).map(LinkId) {
        nodes.iter_mut().for_each(|node| node.handle(now, Input::LinkUp { link, dialed: true }));
        for round in 0..200 {
            for from in 0..2 {
                while let Some(message) = nodes[from].poll_transmit(now, link) {
                    bytes += message.len();
                    nodes[1 - from].handle(now, Input::Frame { link, bytes: message });
                    let total = nodes[1].doc(&note()).map_or(0, |doc| doc.version().total());
                    if steps.last() != Some(&total) {
                        steps.push(total);
                    }
                    if link == LinkId(1) && steps.len() == 3 {
                        nodes.iter_mut().for_each(|node| node.handle(now, Input::LinkDown { link }));
                        continue 'links;
                    }
                }
            }
            now += round;
        }
        break;
    }
    let value = |node: &Peer| node.doc(&note()).and_then(|doc| doc.as_doc()).map(|doc| doc.value());
    assert_eq!(value(&nodes[0]), value(&nodes[1]));
    assert!(steps.len() >= 4 && steps.windows(2).all(|pair| pair[1] - pair[0] <= 1 << 20), "{steps:?}");
    assert!(bytes < 4_000_000, "{bytes}");
}

/// An element of a list is two events, what it holds and where it stands. A step that ended between them was refused as
/// incomplete, so was the next, and both were sent again for ever.
#[test]
fn a_large_difference_is_not_divided_within_an_element() {
    let mut nodes = [node(0, 0, Role::Daemon), node(1, 0, Role::Daemon)];
    let edit = |node: &mut Peer, edit: &mut dyn FnMut(&mut crdt::doc::Tx<'_>)| {
        let doc = node.edit(0, &note(), Kind::DOC, |doc| {
            doc.as_doc_mut().unwrap().transact(0, |tx| edit(tx));
        });
        doc.unwrap();
    };
    edit(&mut nodes[0], &mut |tx| tx.put("title", "list"));
    let (mut now, mut messages) = (0, 0);
    for (link, elements) in [(LinkId(1), 0), (LinkId(2), 6_001)] {
        // One event, so that the halves of all that is new end within an element.
        edit(&mut nodes[0], &mut |tx| {
            tx.put("title", elements);
            (0..elements).for_each(|n| tx.list("l").push(format!("{n} {}", "x".repeat(300))));
        });
        nodes.iter_mut().for_each(|node| node.handle(now, Input::LinkUp { link, dialed: true }));
        for round in 0..100 {
            for from in 0..2 {
                while let Some(message) = nodes[from].poll_transmit(now, link) {
                    messages += 1;
                    nodes[1 - from].handle(now, Input::Frame { link, bytes: message });
                }
            }
            now += round;
        }
        nodes.iter_mut().for_each(|node| node.handle(now, Input::LinkDown { link }));
    }
    let total = |node: &Peer| node.doc(&note()).map(|doc| doc.version().total());
    assert_eq!(
        (total(&nodes[1]), total(&nodes[0])),
        (Some(12_005), Some(12_005)),
        "after {messages} messages"
    );
}
