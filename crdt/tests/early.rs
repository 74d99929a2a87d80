//! Clocks that run ahead: what they stamp is held back until its time has come, and costs nobody anything else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::doc::{AnyDoc, Expand};
use crdt::sync::{Config, DocId, Input, Kind, LinkId, Millis, Node, Output, Role};
use crdt::{ApplyError, Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

const START: u64 = 1_700_000_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const TEN_YEARS: u64 = 3_652 * DAY;
/// The last millisecond that a stamp has.
const LAST: u64 = (1 << 48) - 1;

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n)
}

fn name(doc: &str) -> DocId {
    doc.parse().unwrap()
}

/// Daemons whose links deliver at once, each with a clock of its own, or none.
struct Net {
    now: Millis,
    nodes: Vec<Node<AnyDoc>>,
    /// By how much each clock is wrong; `None` without a clock.
    clocks: Vec<Option<i64>>,
    links: Vec<(usize, usize, LinkId)>,
    told: Vec<(usize, DocId, ReplicaId, Millis)>,
    refused: usize,
    messages: usize,
    bytes: usize,
}

impl Net {
    fn new(clocks: &[Option<i64>], edges: &[(usize, usize)]) -> Net {
        let node = |n| Node::new(Config::new(id(n + 1), "n", Role::Daemon), n as u64);
        let mut net = Net {
            now: 5_000,
            nodes: (0..clocks.len() as u128).map(node).collect(),
            clocks: clocks.to_vec(),
            links: Vec::new(),
            told: Vec::new(),
            refused: 0,
            messages: 0,
            bytes: 0,
        };
        net.tell_time();
        for (i, (a, b)) in edges.iter().enumerate() {
            let link = LinkId(i as u64);
            net.nodes[*a].handle(net.now, Input::LinkUp { link, dialed: true });
            net.nodes[*b].handle(net.now, Input::LinkUp { link, dialed: false });
            net.links.push((*a, *b, link));
        }
        net.run(2_000);
        net
    }

    /// What a node's clock shows; a node without one writes with the right time.
    fn wall(&self, n: usize) -> u64 {
        (START + self.now).saturating_add_signed(self.clocks[n].unwrap_or(0))
    }

    fn tell_time(&mut self) {
        for n in 0..self.nodes.len() {
            if self.clocks[n].is_some() {
                let wall = self.wall(n);
                self.nodes[n].set_clock(self.now, wall);
            }
        }
    }

    fn put(&mut self, n: usize, doc: &str, key: &str, value: i64) {
        let wall = self.wall(n);
        self.edit(n, doc, |doc| doc.transact(wall, |tx| tx.put(key, value)));
    }

    fn edit(&mut self, n: usize, doc: &str, edit: impl FnOnce(&mut Doc)) {
        self.nodes[n].edit(self.now, &name(doc), Kind::DOC, |doc| edit(doc.as_doc_mut().unwrap())).unwrap();
    }

    /// Lets so much time pass: in steps while something happens, at once where nothing is to happen.
    fn run(&mut self, millis: Millis) {
        let end = self.now.saturating_add(millis);
        loop {
            self.tell_time();
            self.nodes.iter_mut().for_each(|node| node.handle(self.now, Input::Wake));
            self.exchange();
            let next = self.nodes.iter().filter_map(Node::next_deadline).min();
            self.now = next.unwrap_or(end).clamp(self.now + 1, end.max(self.now + 1));
            if self.now >= end {
                self.now = end;
                return;
            }
        }
    }

    fn exchange(&mut self) {
        for round in 0.. {
            assert!(round < 1_000, "they never come to an end");
            let mut any = false;
            for (a, b, link) in self.links.clone() {
                for (from, to) in [(a, b), (b, a)] {
                    while let Some(bytes) = self.nodes[from].poll_transmit(self.now, link) {
                        any = true;
                        (self.messages, self.bytes) = (self.messages + 1, self.bytes + bytes.len());
                        self.nodes[to].handle(self.now, Input::Frame { link, bytes });
                    }
                }
            }
            for n in 0..self.nodes.len() {
                while let Some(output) = self.nodes[n].poll_output() {
                    match output {
                        Output::Close { reason, .. } => panic!("{n} closed a link: {reason}"),
                        Output::Refused { .. } => self.refused += 1,
                        Output::Early { doc, author, ahead, .. } => self.told.push((n, doc, author, ahead)),
                        Output::Store { doc, delta, .. } => {
                            let version = delta.spans.iter().map(|span| (span.replica, span.to)).collect();
                            self.nodes[n].handle(self.now, Input::Durable { doc, version });
                        }
                        _ => {}
                    }
                }
            }
            if !any {
                return;
            }
        }
    }

    fn get(&self, n: usize, doc: &str, pointer: &str) -> Option<i64> {
        let doc = self.nodes[n].doc(&name(doc)).and_then(AnyDoc::as_doc)?;
        doc.get(pointer)?.as_i64()
    }

    fn agree(&self, doc: &str) -> bool {
        let version = |node: &Node<AnyDoc>| node.version(&name(doc)).cloned();
        self.nodes.iter().all(|node| version(node) == version(&self.nodes[0]))
    }
}

/// One clock runs a day ahead, and was followed by all: the last honest edit lost against one made long before it.
#[test]
fn what_is_stamped_in_the_future_waits_until_its_time_and_nothing_else_does() {
    let mut net = Net::new(&[Some(DAY as i64), Some(0), Some(-3_000)], &[(0, 1), (1, 2)]);
    net.put(0, "a", "title", 1);
    net.put(0, "b", "title", 1);
    net.run(2_000);
    assert_eq!((net.get(1, "a", "/title"), net.get(2, "a", "/title")), (None, None));
    let told: Vec<_> = net.told.iter().map(|(n, doc, author, _)| (*n, doc.as_str(), *author)).collect();
    assert_eq!(told, [(1, "a", id(1)), (1, "b", id(1))]);
    assert!(net.told.iter().all(|(_, _, _, ahead)| (DAY - 1_000..=DAY).contains(ahead)));

    // Others write in the same document and in others, a clock that is three seconds late too; all agree on that.
    net.put(1, "a", "title", 2);
    net.put(2, "a", "text", 3);
    net.put(2, "c", "title", 4);
    net.run(2_000);
    for n in [1, 2] {
        assert_eq!(net.get(n, "a", "/title"), Some(2));
        assert_eq!((net.get(n, "a", "/text"), net.get(n, "c", "/title")), (Some(3), Some(4)));
    }
    // The one with the wrong clock has them all, and sees its own value as long as it wins by its stamp.
    assert_eq!((net.get(0, "a", "/text"), net.get(0, "a", "/title")), (Some(3), Some(1)));

    // Waiting costs next to nothing: no more than the comparison every half minute.
    let before = (net.messages, net.bytes);
    net.run(HOUR);
    let (messages, bytes) = (net.messages - before.0, net.bytes - before.1);
    assert!(messages < 3_000 && bytes < 150_000, "{messages} messages, {bytes} bytes");
    assert!(!net.agree("a") && net.told.len() == 2);

    net.run(DAY);
    assert!(net.agree("a") && net.agree("b") && net.agree("c"));
    assert_eq!(net.nodes[1].early().count(), 0);
    assert_eq!(net.refused, 0);
}

/// A newcomer gets the document of one who has no clock, with the event that is early in it: all but that event and what
/// builds on it.
#[test]
fn a_newcomer_gets_all_but_what_is_early_and_what_builds_on_it() {
    let mut net = Net::new(&[None, None, Some(0)], &[(0, 1)]);
    net.put(1, "a", "mine", 1);
    net.run(1_000);
    let far = START + DAY;
    net.edit(0, "a", |doc| doc.transact(far, |tx| tx.put("title", 1)));
    net.put(0, "other", "x", 5);
    net.edit(1, "a", |doc| doc.transact(START, |tx| tx.put("mine", 2)));
    net.run(1_000);
    // Written by one who has seen the early event.
    net.put(1, "a", "later", 6);
    net.run(1_000);
    assert!(net.agree_of(&[0, 1], "a"));

    let link = LinkId(100);
    net.nodes[1].handle(net.now, Input::LinkUp { link, dialed: true });
    net.nodes[2].handle(net.now, Input::LinkUp { link, dialed: false });
    net.links.push((1, 2, link));
    net.run(MINUTE);
    assert_eq!(net.get(2, "other", "/x"), Some(5));
    assert_eq!(net.get(2, "a", "/mine"), Some(2));
    assert_eq!((net.get(2, "a", "/title"), net.get(2, "a", "/later")), (None, None));
    let held: Vec<_> =
        net.nodes[2].early().map(|(doc, author, _)| (doc.as_str().to_owned(), author)).collect();
    assert_eq!(held, [("a".to_owned(), id(1)), ("a".to_owned(), id(2))]);
    // The one whose clock was wrong is told of once; who built on it has done nothing.
    assert_eq!(net.told.iter().map(|(n, _, author, _)| (*n, *author)).collect::<Vec<_>>(), [(2, id(1))]);

    net.run(DAY);
    assert!(net.agree("a"));
}

/// Who already has what is stamped in ten years, from before there was a bound, goes on with others who have it: what they
/// write over it is stamped after it.
#[test]
fn who_has_such_stamps_already_goes_on() {
    let mut stored = Doc::new(id(9));
    stored.transact(START + TEN_YEARS, |tx| tx.put("title", 1));
    let mut net = Net::new(&[Some(0), Some(0)], &[(0, 1)]);
    for node in &mut net.nodes {
        let delta = stored.delta_since(&VersionVector::new());
        node.apply(net.now, &name("a"), Kind::DOC, &delta).unwrap(); // its app's own word
    }
    for value in 2..40 {
        net.put(value as usize % 2, "a", "title", value);
        net.run(100);
    }
    assert!(net.agree("a") && net.told.is_empty());
    assert_eq!(net.get(0, "a", "/title"), Some(39));
    // A stamp that does not follow from those is held back all the same.
    net.edit(0, "a", |doc| doc.transact(START + 2 * TEN_YEARS, |tx| tx.put("title", 50)));
    net.run(1_000);
    assert_eq!((net.get(1, "a", "/title"), net.told.len()), (Some(39), 1));
}

/// A machine without a battery begins in 1970. It holds back what all others write, until its clock is set.
#[test]
fn a_clock_that_is_set_right_takes_what_was_held_back() {
    let mut net = Net::new(&[Some(0), Some(-(START as i64))], &[(0, 1)]);
    net.put(0, "a", "title", 1);
    net.put(1, "a", "body", 2);
    net.run(1_000);
    assert_eq!((net.get(0, "a", "/body"), net.get(1, "a", "/title")), (Some(2), None));
    net.clocks[1] = Some(0);
    net.run(MINUTE);
    assert!(net.agree("a"));
}

/// The bound is by the clock of who takes it: some seconds are nothing, and a bound without end is none.
#[test]
fn clocks_that_differ_by_less_than_the_bound_are_of_no_account() {
    let mut net = Net::new(&[Some(25_000), Some(-25_000), Some(0)], &[(0, 1), (1, 2), (2, 0)]);
    for n in 0..30 {
        net.put(n % 3, "a", "title", n as i64);
        net.run(50);
        assert!(net.agree("a"), "edit {n}");
    }
    assert!(net.told.is_empty());
    let config = Config { max_drift: Millis::MAX, ..Config::new(id(7), "any", Role::Daemon) };
    let mut node: Node<AnyDoc> = Node::new(config, 1);
    node.set_clock(0, START);
    assert_eq!(node.next_deadline(), None);
}

/// An edit of every type that has stamps.
fn edit(doc: &mut Doc, what: u8, now: u64) {
    doc.transact(now, |tx| match what % 8 {
        0 => tx.put("register", i64::from(what)),
        1 => tx.text("text").insert(0, "ab"),
        2 => tx.text("text").mark(0..1, "bold", true, Expand::After),
        3 => tx.log("log").append(i64::from(what)),
        4 => tx.list("list").insert(0, i64::from(what)),
        5 => {
            tx.list("list").move_to(0, 1);
        }
        6 => {
            tx.map("map").put("x", i64::from(what));
            tx.counter("votes").add(1);
        }
        _ => {
            tx.remove("register");
        }
    });
}

/// Stamps at the end of time, beyond which there is none.
#[test]
fn the_last_stamps_there_are_do_no_harm() {
    let [mut alice, mut bob] = [1, 2].map(|n| Doc::new(id(n)));
    alice.transact(u64::MAX, |tx| {
        (0..70_000).for_each(|n| tx.put("register", n)); // past the last
        tx.log("log").append(1);
    });
    for what in 0..8 {
        edit(&mut alice, what, LAST);
    }
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    bob.transact(START, |tx| tx.put("register", "seen"));
    alice.apply(&bob.delta_since(alice.version())).unwrap();
    assert_eq!(alice.get("/register"), Some("seen".into()), "who has seen a write beats it, at any time");
    for (what, now) in (0..64).zip([0, START, LAST, u64::MAX].into_iter().cycle()) {
        let (from, to) = if what % 3 == 0 { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        edit(from, what, now);
        to.apply_until(&from.delta_since(to.version()), u64::MAX).unwrap();
        assert_eq!(from.value(), to.value());
    }
    let mut carol = Doc::new(id(3));
    assert!(matches!(carol.apply_until(&alice.whole_delta(), LAST - 1), Err(ApplyError::Early(_))));
    assert!(carol.version().is_empty());
    carol.apply_until(&alice.whole_delta(), LAST).unwrap();
    assert_eq!(Doc::load(&carol.save(), id(4)).unwrap().value(), alice.value());
}

/// Of a document that has forgotten there is no part: it comes whole, when the time of its last stamp has come.
#[test]
fn a_document_that_has_forgotten_waits_whole() {
    let [mut alice, mut bob] = [1, 2].map(|n| Doc::new(id(n)));
    bob.transact(START, |tx| tx.text("text").insert(0, &"a line\n".repeat(100)));
    alice.apply(&bob.whole_delta()).unwrap();
    alice.transact(START + DAY, |tx| tx.put("title", 1));
    let all = alice.version().clone();
    alice.forget(&all);
    let mut carol = Doc::new(id(3));
    let delta = alice.whole_delta();
    let Err(ApplyError::Early(stamps)) = carol.apply_until(&delta, START) else { panic!("it was taken") };
    assert_eq!(stamps.keys().copied().collect::<Vec<_>>(), [id(1), id(2)]);
    assert!(carol.version().is_empty() && carol.part_until(&delta, START).is_none());
    carol.apply_until(&delta, START + DAY).unwrap();
    assert_eq!(carol.value(), alice.value());
}

trait Whole {
    fn whole_delta(&self) -> crdt::Delta;
}

impl Whole for Doc {
    fn whole_delta(&self) -> crdt::Delta {
        self.delta_since(&VersionVector::new())
    }
}

proptest! {
    /// Of any history some of whose clocks were wrong, a part can be taken that holds nothing early, in any number of
    /// differences; and all of it later. What was taken in between is lost to nobody.
    #[test]
    fn whatever_part_was_taken_all_of_it_comes_in_the_end(
        steps in prop::collection::vec((0..2usize, any::<u8>(), 0..6u8, any::<bool>()), 1..40),
        looks in prop::collection::vec(0..40usize, 0..4),
    ) {
        let mut docs = [1, 2].map(|n| Doc::new(id(n)));
        let mut late = Doc::new(id(3));
        for (at, (who, what, clock, meet)) in steps.into_iter().enumerate() {
            let now = match clock {
                0 => START + TEN_YEARS,
                1 => u64::MAX,
                _ => START + u64::from(clock),
            };
            edit(&mut docs[who], what, now);
            if meet {
                let delta = docs[1 - who].delta_since(docs[who].version());
                docs[who].apply(&delta).unwrap();
            }
            if looks.contains(&at) {
                take(&mut late, &docs[who])?;
            }
        }
        let delta = docs[1].delta_since(docs[0].version());
        docs[0].apply(&delta).unwrap();
        take(&mut late, &docs[0])?;
        let rest = docs[0].delta_since(late.version());
        late.apply_until(&rest, u64::MAX - 1).unwrap();
        prop_assert_eq!(late.value(), docs[0].value());
        prop_assert_eq!(late.save(), docs[0].save());
    }
}

/// Takes what is not early of a document, and looks that nothing else came.
fn take(late: &mut Doc, from: &Doc) -> Result<(), TestCaseError> {
    let delta = from.delta_since(late.version());
    let before = late.save();
    match late.apply_until(&delta, START + MINUTE) {
        Ok(_) => return Ok(()),
        Err(ApplyError::Early(stamps)) => prop_assert!(!stamps.is_empty()),
        Err(ApplyError::Missing) => {}
        Err(error) => prop_assert!(false, "{error}"),
    }
    prop_assert_eq!(late.save(), before, "a refused delta changes nothing");
    if let Some(part) = late.part_until(&delta, START + MINUTE) {
        let applied = late.apply_until(&part, START + MINUTE);
        prop_assert!(applied.as_ref().is_ok_and(|applied| !applied.novel.is_empty()), "{applied:?}");
        let again = from.delta_since(late.version());
        prop_assert!(late.part_until(&again, START + MINUTE).is_none(), "it was not all that there was");
    }
    Ok(())
}

impl Net {
    fn agree_of(&self, nodes: &[usize], doc: &str) -> bool {
        let version = |n: usize| self.nodes[n].version(&name(doc)).cloned();
        nodes.iter().all(|n| version(*n) == version(nodes[0]))
    }
}
