//! The sync protocol, driven by a simulated network of real nodes.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "sync/meet.rs"]
mod meet;
#[path = "sync/net.rs"]
mod net;
#[path = "sync/presence.rs"]
mod presence;
#[path = "sync/question.rs"]
mod question;
#[path = "sync/toy.rs"]
mod toy;

use crdt::sync::{Config, DocId, Fleet, Input, Interest, Kind, Lane, LinkId, Node, OpenError, Output, Role};
use net::{Net, config, id};
use proptest::prelude::*;
use toy::Toy;

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

/// Every node writes; the content frames that `rounds` spaced edits of each cost, after a warm-up.
fn steady_frames(mut net: Net, n: usize, rounds: usize) -> u64 {
    net.run(1_000);
    let round = |net: &mut Net| {
        for p in 0..n {
            net.edit(p, "doc", b"x");
            net.run(300); // less than an announcement and a Want would take
            net.assert_converged(&["doc"]);
            net.run(100);
        }
    };
    (0..4).for_each(|_| round(&mut net));
    let before = net.deltas();
    (0..rounds).for_each(|_| round(&mut net));
    net.assert_converged(&["doc"]);
    net.deltas() - before
}

#[test]
fn one_content_frame_for_each_other_node() {
    let random = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 0), (0, 4), (1, 6), (2, 5)];
    let graphs = [
        ("ring", 5, ring(5)),
        ("star", 5, star(5)),
        ("mesh", 5, mesh(5)),
        ("tree", 15, tree(15)),
        ("random", 8, random.to_vec()),
        ("ring", 6, ring(6)),
    ];
    for (name, n, edges) in graphs {
        let edits = 5 * n as u64;
        let least = edits * (n as u64 - 1);
        assert_eq!(steady_frames(Net::daemons(n, &edges), n, 5), least, "{name} of {n}");
        let parking = Net::parking_daemons(n, &edges);
        assert_eq!(steady_frames(parking, n, 5), least, "{name} of {n}, documents on disk");
    }
}

#[test]
fn a_quiet_network_says_next_to_nothing() {
    let mut net = Net::daemons(5, &mesh(5));
    net.run(1_000);
    for _ in 0..3 {
        (0..5).for_each(|p| net.edit(p, "doc", b"x"));
        net.run(5_000);
    }
    let (deltas, controls) = (net.deltas(), net.controls());
    let waits = net.peers.iter().filter_map(|peer| peer.node.next_deadline());
    assert!(waits.min() > Some(net.now + 5_000), "some timer goes round though nothing happens");
    net.run(120_000);
    assert_eq!(net.deltas(), deltas);
    let digests = 20 * 6; // for each link end, one in 22 to 38 seconds
    assert!(net.controls() - controls <= digests, "{}", net.controls() - controls);
}

#[test]
fn a_slow_link_is_owed_one_difference() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "doc", b"x");
    net.run(1_000);
    let before = net.deltas();
    net.stalled = true;
    for _ in 0..10_000 {
        net.edit(0, "doc", b"y");
    }
    net.stalled = false;
    net.run(1_000);
    net.assert_converged(&["doc"]);
    assert_eq!(net.deltas() - before, 1);
}

/// Who comes for everything gets everything of a node that has hardly a document in memory, and in between
/// the memory stays small.
#[test]
fn documents_on_disk_are_brought_a_few_at_a_time() {
    let mut net = Net::parking_daemons(0, &[]);
    net.add(Role::Daemon, Interest::everything());
    let docs: Vec<String> = (0..500).map(|doc| format!("doc-{doc:03}")).collect();
    docs.iter().for_each(|doc| net.edit(0, doc, b"x"));
    net.crash(0, 0);
    assert_eq!(net.peers[0].node.memory(), (0, 0));
    net.cache = usize::MAX;
    let reader = net.add(Role::Daemon, Interest::everything());
    net.connect(0, reader, 5);
    let mut most = 0;
    for _ in 0..2_000 {
        net.run(1);
        most = most.max(net.peers[0].node.memory().0);
    }
    net.assert_converged(&docs.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(most <= 40, "{most} documents in memory at once");
    // An edit of a document that both have on disk or in memory goes as any other.
    net.edit(reader, "doc-007", b"y");
    net.run(200);
    assert_eq!(net.version(0, "doc-007").total(), 2);
    net.run(2_000);
    net.edit(0, "doc-007", b"z");
    net.run(200);
    assert_eq!(net.version(reader, "doc-007").total(), 3);
}

/// What a damaged disk does not give comes back from a peer.
#[test]
fn a_document_that_cannot_be_read_is_taken_from_others() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "doc", b"x");
    net.edit(0, "other", b"x");
    net.run(1_000);
    net.cut(0);
    net.cache = 1;
    net.crash(0, 0);
    let doc = "doc".parse().unwrap();
    assert!(!net.peers[0].node.ensure(&doc));
    let now = net.now;
    net.peers[0].node.loaded(now, &doc, None);
    assert_eq!(net.peers[0].node.version(&doc), None);
    // Whoever wrote in it anew could name a second event as one that is lost.
    let written = net.peers[0].node.edit(now, &doc, Kind(7), |toy| toy.write(b"y"));
    assert_eq!(written, Err(OpenError::Lost));
    net.heal(0);
    net.run(2_000);
    net.assert_converged(&["doc", "other"]);
    assert_eq!(net.version(0, "doc").total(), 1);
}

/// When the link breaks by which an author's events came, another is grafted, and its peer sent again what it had
/// withheld, though it had come here: what was not announced yet, and what the peer had been the first to announce. Of
/// the events that came twice to the nodes of a graph in which a link failed every second, an eighth were such.
#[test]
fn a_graft_brings_nothing_that_is_here() {
    for (edits, pause) in [(10, 10), (1, 1_000), (2, 1_000), (3, 1_000), (4, 1_000), (5, 1_000)] {
        let mut net = Net::daemons(3, &mesh(3));
        net.run(1_000);
        for _ in 0..4 {
            net.edit(0, "doc", b"x");
            net.run(2_000);
        }
        for _ in 0..edits {
            net.edit(0, "doc", b"y");
            net.run(pause);
        }
        net.run(20);
        net.assert_converged(&["doc"]);
        let before = net.deltas();
        net.cut(0); // between the first and the second
        net.run(1_000);
        assert_eq!(net.deltas(), before, "{edits} edits");
        net.edit(0, "doc", b"z");
        net.run(1_000);
        net.assert_converged(&["doc"]);
        assert_eq!(net.deltas(), before + 2, "{edits} edits");
    }
}

/// One reply was lost, and two asked each other for ever (automerge-repo issue 206), or a change was never sent again
/// (automerge-classic issue 305). Each message of whole conversations is lost, one in each run; from then on the link gives
/// nothing in that direction, until it breaks and is made anew.
#[test]
fn any_one_message_can_be_lost() {
    let fill = |mut net: Net, documents: usize| {
        (0..documents).for_each(|doc| net.edit(doc % 2, &format!("doc-{doc}"), b"x"));
        net
    };
    let fleet = || {
        let mut net = Net::new();
        net.fleet = Some(Fleet::of("secret"));
        net.add(Role::Daemon, Interest::everything());
        net.add(Role::Daemon, Interest::everything());
        net
    };
    every_message_lost("two", || fill(Net::daemons(2, &[]), 4));
    every_message_lost("three in a line", || fill(Net::daemons(3, &[(1, 2)]), 4));
    every_message_lost("documents on disk", || fill(Net::parking_daemons(2, &[]), 4));
    every_message_lost("what differs by ranges", || fill(Net::daemons(2, &[]), 200));
    every_message_lost("what differs by cells", || fill(fleet(), 200));
}

/// They meet, edit, part, edit, and meet again: with each message lost in its turn.
fn every_message_lost(name: &str, start: impl Fn() -> Net) {
    let mut lost = 0;
    for n in 0.. {
        let mut net = start();
        net.lose_after = Some(n);
        let wire = net.connect(0, 1, 5);
        net.run(300);
        let edit = |net: &mut Net, doc: &str| (0..2).for_each(|p| net.edit(p, doc, b"y"));
        edit(&mut net, "doc-0");
        net.run(700);
        net.cut(wire);
        edit(&mut net, "doc-1");
        net.heal(wire);
        net.run(300);
        edit(&mut net, "new");
        net.run(1_000);
        let Some(on) = net.lost_on else { break };
        lost += 1;
        net.cut(on);
        net.heal(on);
        net.run(5_000);
        let same = |p: usize| net.peers[p].node.fingerprint() == net.peers[0].node.fingerprint();
        assert!((0..net.peers.len()).all(same), "{name}: message {n} lost, and they differ");
        net.assert_converged(&["doc-0", "doc-1", "doc-2", "doc-3", "new"]);
        let (deltas, controls) = (net.deltas(), net.controls());
        net.run(60_000);
        assert_eq!(net.deltas(), deltas, "{name}: message {n} lost, and they do not come to rest");
        let digests = 2 * net.wires() as u64 * 3; // for each link end, one in 22 to 38 seconds
        assert!(net.controls() - controls <= digests, "{name}: message {n}: {}", net.controls() - controls);
    }
    assert!(lost > 12, "{name}: {lost} messages");
}

/// One document that a peer may not take must cost no other its link, and must not be sent for ever.
#[test]
fn a_refused_document_stands_alone() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "bad", toy::REFUSED);
    net.edit(0, "of a later program", toy::LATER);
    net.edit(0, "good", b"x");
    net.run(5_000);
    net.assert_converged(&["good"]);
    assert!(["bad", "of a later program"].iter().all(|doc| net.version(1, doc).is_empty()));
    net.edit(1, "good", b"y");
    net.run(1_000);
    net.assert_converged(&["good"]);
    let before = net.deltas();
    net.run(120_000);
    assert_eq!(net.deltas(), before, "it is not sent again on this link");
}

/// A keystroke does not wait for a first sync of many small documents: it is in the next message.
#[test]
fn an_edit_passes_a_first_sync_of_many_documents() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "live", b"x");
    net.run(1_000);
    net.cut(0);
    (0..2_000).for_each(|n| net.edit(0, &format!("old {n}"), &[7; 1_000]));
    net.heal(0);
    // Until the first of them are on their way.
    while net.peers[1].node.versions().count() < 20 {
        net.run(1);
        net.one_message_at_once = true;
    }
    assert!(net.peers[1].node.versions().count() < 1_000);
    net.edit(0, "live", b"y");
    let mut messages = 0;
    while net.version(1, "live") != net.version(0, "live") {
        messages += 1;
        net.run(1);
    }
    // Two ways to ask what the other has of it, and one to send it.
    assert!(messages <= 3 * 5 + 3, "{messages} messages");
    net.one_message_at_once = false;
    net.run(5_000);
    assert_eq!(net.peers[1].node.versions().count(), 2_001);
}

/// Names cost a hostile peer nothing: of documents of which nothing was taken nothing is kept, and nobody else is told of them.
#[test]
fn documents_that_come_to_nothing_leave_nothing() {
    let mut net = Net::daemons(3, &[(0, 1), (1, 2)]);
    net.run(1_000);
    let quiet = net.peers[2].node.traffic(Role::Daemon).control_in;
    (0..100).for_each(|n| net.edit(0, &format!("bad {n}"), toy::REFUSED));
    net.run(5_000);
    assert_eq!(net.peers[1].node.versions().count(), 0);
    assert_eq!(net.peers[2].node.traffic(Role::Daemon).control_in, quiet);
    net.edit(0, "good", b"x");
    net.run(1_000);
    net.assert_converged(&["good"]);
}

/// However an interest says it, by name, by the beginning, or both twice: what is within it comes, nothing else, and then it is quiet.
#[test]
fn an_interest_is_met_by_names_and_beginnings() {
    let mut net = Net::daemons(1, &[]);
    ["a/1", "a/2", "a", "b/1", "c"].iter().for_each(|name| net.edit(0, name, b"x"));
    let interest = Interest {
        prefixes: vec!["a/".into(), "a".into(), "d".into()],
        names: ["a/2", "c", "none"].iter().map(|name| name.parse().unwrap()).collect(),
    };
    let app = net.add(Role::Client, interest);
    net.connect(0, app, 5);
    net.run(1_000);
    ["a/3", "b/2", "d"].iter().for_each(|name| net.edit(0, name, b"x"));
    net.run(1_000);
    let mut names: Vec<&str> = net.peers[app].node.versions().map(|(doc, _, _)| doc.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "a/1", "a/2", "a/3", "c", "d"]);
    let said = net.peers[0].node.traffic(Role::Client).control_out;
    net.run(100_000);
    // A digest of each side now and then, which are equal.
    assert!(net.peers[0].node.traffic(Role::Client).control_out - said <= 5);
}

/// What an app has opened stays though it is empty and memory is short, so that it is asked for.
#[test]
fn an_empty_document_that_is_wanted_stays() {
    let mut net = Net::parking_daemons(2, &[]);
    let wanted: DocId = "wanted".parse().unwrap();
    net.peers[0].node.open(&wanted, Kind(7)).unwrap();
    (0..10).for_each(|n| net.edit(0, &format!("{n}"), b"x"));
    net.run(1_000);
    assert!(net.peers[0].node.doc(&wanted).is_some());
    assert_eq!(net.peers[0].node.docs().count(), 1, "the others are parked");
}

/// Another node of the same peer has it; in two of them its events could come apart.
#[test]
fn a_document_of_another_lane_is_refused() {
    let (ours, theirs): (DocId, DocId) = ("a".parse().unwrap(), "doc".parse().unwrap());
    let lane = Lane { number: Lane::of(&ours, 8), of: 8 };
    assert!(lane.includes(&ours) && !lane.includes(&theirs));
    let mut peer: Node<Toy> = Node::new(config(id(1, 0), Role::Daemon, Interest::everything()), 1);
    let ends = |closed: bool, names: &[&DocId], peer: &mut Node<Toy>| {
        let everything = config(id(0, 0), Role::Daemon, Interest::everything());
        let mut node: Node<Toy> = Node::new(Config { lane: Some(lane), ..everything }, 1);
        names.iter().for_each(|name| peer.edit(0, name, Kind(7), |toy| toy.write(b"x")).unwrap());
        for node in [&mut node, &mut *peer] {
            node.handle(0, Input::LinkUp { link: LinkId(1), dialed: true });
        }
        for _ in 0..9 {
            while let Some(bytes) = peer.poll_transmit(0, LinkId(1)) {
                node.handle(0, Input::Frame { link: LinkId(1), bytes });
            }
            while let Some(bytes) = node.poll_transmit(0, LinkId(1)) {
                peer.handle(0, Input::Frame { link: LinkId(1), bytes });
            }
        }
        let outputs: Vec<Output> = std::iter::from_fn(|| node.poll_output()).collect();
        let said = |output: &Output| matches!(output, Output::Close { reason, .. } if reason.contains("another lane"));
        assert_eq!(outputs.iter().any(said), closed);
        assert!(node.doc(&theirs).is_none());
        node
    };
    let node = ends(false, &[&ours], &mut peer);
    assert!(node.doc(&ours).is_some());
    peer.handle(0, Input::LinkDown { link: LinkId(1) });
    ends(true, &[&theirs], &mut peer);
}

#[test]
fn a_typed_character_is_small() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "doc", b"x");
    net.run(1_000);
    net.edit(0, "doc", b"x");
    let link = net.link(0, 0);
    let bytes = net.peers[0].node.poll_transmit(net.now, link).unwrap();
    assert_eq!(bytes.len(), 13); // 5 of them are the event in the document's own form
}

#[test]
fn the_only_source_is_never_pruned_and_a_cut_is_repaired() {
    // Regression: one writer on a ring; cut and heal every link in turn while it writes.
    let mut net = Net::daemons(6, &ring(6));
    net.run(500);
    for step in 0..60 {
        net.edit(0, "doc", b"x");
        net.run(37);
        match step % 10 {
            3 => net.cut((step / 10) % 6),
            8 => net.heal((step / 10) % 6),
            _ => {}
        }
    }
    net.run(3_000);
    net.assert_converged(&["doc"]);
    assert_eq!(net.version(3, "doc").total(), 60);
    net.edit(0, "doc", b"x");
    net.run(300);
    net.assert_converged(&["doc"]);
}

#[test]
fn when_the_fastest_link_breaks_a_pruned_one_is_grafted_at_once() {
    let mut net = Net::daemons(3, &mesh(3));
    for _ in 0..5 {
        net.edit(0, "doc", b"x");
        net.run(300);
    }
    net.cut(0);
    net.run(100);
    net.edit(0, "doc", b"x");
    net.run(100);
    net.assert_converged(&["doc"]);
}

#[test]
fn events_after_a_want_keep_coming() {
    // Regression: a Want is open-ended. Mesh of 3, the tree's edge is cut, later events still flow.
    let mut net = Net::daemons(3, &mesh(3));
    for _ in 0..5 {
        net.edit(0, "doc", b"x");
        net.run(300);
    }
    net.cut(0);
    for n in 6..20 {
        net.edit(0, "doc", b"x");
        net.run(1_000);
        assert_eq!(net.version(1, "doc").total(), n);
    }
}

/// A link that takes everything and delivers nothing, in one direction or both, is not known to be dead.
#[test]
fn silent_links_delay_and_lose_nothing() {
    for silent in [vec![0], vec![1], vec![0, 1]] {
        let mut net = Net::daemons(4, &mesh(4));
        for p in 0..4 {
            net.edit(p, "doc", b"x");
            net.run(500);
        }
        silent.iter().for_each(|end| net.silence(0, *end));
        for p in 0..4 {
            net.edit(p, "doc", b"y");
            net.run(1_000); // an announcement and a Want
            net.assert_converged(&["doc"]);
        }
        for p in 0..4 {
            net.edit(p, "doc", b"z");
            net.run(100);
            net.assert_converged(&["doc"]);
        }
    }
}

#[test]
fn a_flapping_link_costs_little_and_loses_nothing() {
    let mut net = Net::daemons(5, &ring(5));
    for p in 0..5 {
        net.edit(p, "doc", b"x");
        net.run(500);
    }
    let before = net.deltas();
    for round in 0..100 {
        net.edit(round % 5, "doc", b"y");
        net.run(60);
        if round % 2 == 0 {
            net.cut(2)
        } else {
            net.heal(2)
        }
        net.run(60);
    }
    net.run(2_000);
    net.assert_converged(&["doc"]);
    assert_eq!(net.version(0, "doc").total(), 105);
    let frames = net.deltas() - before;
    assert!(frames <= 100 * 4 * 13 / 10, "{frames}");
}

/// Regression: a Want grafts the authors that it names on both sides. When the sender grafted others too,
/// whom the receiver had pruned and went on counting as pruned, their events came twice for ever.
#[test]
fn a_want_leaves_other_trees_alone() {
    let mut net = Net::daemons(4, &mesh(4));
    for p in [0, 1, 2, 3, 0, 1, 2, 3] {
        net.edit(p, "doc", b"x");
        net.run(500);
    }
    // 1 has to ask for an event of 0, while 3 goes on writing.
    net.silence(0, 0);
    net.edit(0, "doc", b"y");
    for _ in 0..20 {
        net.edit(3, "doc", b"z");
        net.run(50);
    }
    // The last of them may have to be asked for, too.
    net.run(500);
    net.assert_converged(&["doc"]);
    net.cut(0);
    net.run(2_000);
    let before = net.deltas();
    for _ in 0..20 {
        net.edit(3, "doc", b"z");
        net.run(300);
    }
    net.assert_converged(&["doc"]);
    assert_eq!(net.deltas() - before, 60);
}

/// Every document has its turn, whatever its name and however often another changes.
#[test]
fn no_document_keeps_the_link_from_others() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    for doc in ["a", "b", "c"] {
        net.edit(0, doc, b"x");
    }
    net.run(1_000);
    net.stalled = true;
    let link = net.link(0, 0);
    for doc in ["a", "b", "c"] {
        net.edit(0, doc, &[1; 20_000]);
    }
    let mut sent = 0;
    while let Some(bytes) = net.peers[0].node.poll_transmit(net.now, link) {
        let to = net.link(0, 1);
        net.give(1, Input::Frame { link: to, bytes });
        sent += 1;
        assert!(sent <= 10, "only one document goes");
        if net.version(1, "c").total() == 2 {
            return;
        }
        net.edit(0, "a", &[1; 20_000]);
    }
    panic!("c was never sent");
}

/// Small edits go first, but bulk is not starved by them.
#[test]
fn bulk_has_its_share_of_a_busy_link() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "small", b"x");
    net.edit(0, "large", b"x");
    net.run(1_000);
    net.stalled = true;
    net.edit(0, "large", &vec![7; 1 << 20]);
    let (link, to) = (net.link(0, 0), net.link(0, 1));
    let mut messages = 0;
    while net.version(1, "large").total() == 1 {
        net.edit(0, "small", &[1; 20_000]);
        let bytes = net.peers[0].node.poll_transmit(net.now, link).unwrap();
        net.give(1, Input::Frame { link: to, bytes });
        messages += 1;
        assert!(messages < 200, "bulk is starved");
        assert!(net.version(1, "small").total() * 2 > messages, "small edits wait");
    }
}

#[test]
fn large_differences_let_small_ones_pass() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "small", b"x");
    net.edit(0, "large", b"x");
    net.run(1_000);
    net.edit(0, "large", &vec![7; 3 << 20]);
    let link = net.link(0, 0);
    let first = net.peers[0].node.poll_transmit(net.now, link).unwrap();
    assert!(first.len() < 70_000);
    net.edit(0, "small", b"y");
    let second = net.peers[0].node.poll_transmit(net.now, link).unwrap();
    let link = net.link(0, 1);
    net.give(1, Input::Frame { link, bytes: first });
    net.give(1, Input::Frame { link, bytes: second });
    assert_eq!(net.version(1, "small").total(), 2);
    assert_eq!(net.version(1, "large").total(), 1);
    net.run(5_000);
    net.assert_converged(&["small", "large"]);
}

#[test]
fn a_client_gets_what_it_subscribes_to_and_its_edits_are_acknowledged() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.edit(0, "notes/a", b"x");
    net.edit(0, "todo", b"x");
    let notes = Interest { prefixes: vec!["notes/".into()], names: vec![] };
    let c = net.add(Role::Client, notes);
    net.connect(c, 1, 10);
    net.run(1_000);
    assert_eq!(net.version(c, "notes/a").total(), 1);
    assert_eq!(net.version(c, "todo").total(), 0);
    net.edit(c, "notes/a", b"y");
    net.run(1_000);
    assert_eq!(net.version(0, "notes/a").total(), 2);
    let safe = net.peers[c].outputs.iter().rev().find_map(|o| match o {
        Output::Acked { version, .. } => Some(version.clone()),
        _ => None,
    });
    assert_eq!(safe.unwrap().get(id(c, 0)), 1);
    let synced = |o: &&Output| matches!(o, Output::Synced { doc, .. } if doc.as_str() == "notes/a");
    assert_eq!(net.peers[c].outputs.iter().filter(synced).count(), 1);
    net.peers[c].node.subscribe(Interest { prefixes: vec![], names: vec!["todo".parse().unwrap()] });
    net.drain(c);
    net.run(1_000);
    assert_eq!(net.version(c, "todo").total(), 1);
}

/// Says hello to a node as a daemon would, and gives what follows.
fn hostile(frames: &[Vec<u8>]) -> Node<Toy> {
    let mut node: Node<Toy> = Node::new(config(id(0, 0), Role::Daemon, Interest::everything()), 1);
    node.edit(0, &"doc".parse().unwrap(), Kind(7), |toy| toy.write(b"x")).unwrap();
    let mut peer: Node<Toy> = Node::new(config(id(1, 0), Role::Daemon, Interest::everything()), 1);
    peer.handle(0, Input::LinkUp { link: LinkId(1), dialed: true });
    let hello = peer.poll_transmit(0, LinkId(1)).unwrap();
    node.handle(0, Input::LinkUp { link: LinkId(1), dialed: false });
    node.handle(0, Input::Frame { link: LinkId(1), bytes: hello });
    for (i, bytes) in frames.iter().enumerate() {
        node.handle(i as u64 * 100, Input::Frame { link: LinkId(1), bytes: bytes.clone() });
        node.handle(i as u64 * 100, Input::Wake);
        while node.poll_transmit(i as u64 * 100, LinkId(1)).is_some() {}
    }
    while node.poll_output().is_some() {}
    node
}

/// A frame that is at least framed well.
fn framed() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        prop::collection::vec(0u8..4, 0..12),
        prop::collection::vec(any::<u8>(), 0..40),
        Just(b"\x07\x03doc".to_vec()),
        Just(vec![7; 16]),
    ];
    (0u8..17, body).prop_map(|(kind, body)| [vec![kind, body.len() as u8], body].concat())
}

#[derive(Clone, Debug)]
enum Step {
    Edit(usize, u8),
    Cut(usize),
    Heal(usize),
    Crash(usize, usize),
    Run(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<usize>(), 0u8..3).prop_map(|(p, doc)| Step::Edit(p, doc)),
        1 => any::<usize>().prop_map(Step::Cut),
        1 => any::<usize>().prop_map(Step::Heal),
        1 => (any::<usize>(), 0usize..4).prop_map(|(p, lost)| Step::Crash(p, lost)),
        4 => (1u64..400).prop_map(Step::Run),
    ]
}

const DOCS: [&str; 3] = ["a", "b", "c"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_all_converge(
        n in 2usize..8,
        park in any::<bool>(),
        parents in prop::collection::vec(any::<usize>(), 8),
        extra in prop::collection::vec((any::<usize>(), any::<usize>()), 0..6),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut edges: Vec<(usize, usize)> = (1..n).map(|i| (parents[i] % i, i)).collect();
        edges.extend(extra.iter().map(|(a, b)| (a % n, b % n)).filter(|(a, b)| a != b));
        let make = if park { Net::parking_daemons } else { Net::daemons };
        let mut net = make(n, &edges);
        let mut edits = [0u64; 3];
        let mut lossy = false;
        for step in steps {
            match step {
                Step::Edit(p, doc) => {
                    edits[usize::from(doc)] += 1;
                    net.edit(p % n, DOCS[usize::from(doc)], b"x");
                }
                Step::Cut(w) => net.cut(w % edges.len()),
                Step::Heal(w) => net.heal(w % edges.len()),
                Step::Crash(p, lost) => {
                    lossy |= lost > 0;
                    net.crash(p % n, lost);
                }
                Step::Run(ms) => net.run(ms),
            }
        }
        (0..net.wires()).for_each(|w| net.heal(w));
        net.run(20_000);
        net.assert_converged(&DOCS);
        for (doc, edits) in DOCS.iter().zip(edits) {
            let total = net.version(0, doc).total();
            prop_assert!(total == edits || lossy && total < edits);
        }
        let before = net.deltas();
        net.run(60_000);
        prop_assert_eq!(net.deltas(), before);
    }

    #[test]
    fn no_bytes_harm_a_node(frames in prop::collection::vec(framed(), 0..40)) {
        let node = hostile(&frames);
        let doc = node.doc(&"doc".parse().unwrap()).unwrap();
        prop_assert!(!doc.events.is_empty());
    }

    #[test]
    fn a_damaged_conversation_harms_no_node(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        which in 0usize..12,
    ) {
        let mut nodes: Vec<Node<Toy>> = (0..2)
            .map(|i| Node::new(config(id(i, 0), Role::Daemon, Interest::everything()), 1))
            .collect();
        for node in &mut nodes {
            node.edit(0, &"doc".parse().unwrap(), Kind(7), |toy| toy.write(b"x")).unwrap();
            node.handle(0, Input::LinkUp { link: LinkId(1), dialed: true });
        }
        let mut sent = 0;
        for now in 0..12u64 {
            for from in 0..2 {
                while let Some(mut bytes) = nodes[from].poll_transmit(now * 100, LinkId(1)) {
                    if sent == which {
                        for (at, value) in &hits {
                            let at = at.index(bytes.len());
                            bytes[at] = *value;
                        }
                    }
                    sent += 1;
                    nodes[1 - from].handle(now * 100, Input::Frame { link: LinkId(1), bytes });
                }
                nodes[from].handle(now * 100, Input::Wake);
            }
        }
        for node in &nodes {
            prop_assert!(node.doc(&"doc".parse().unwrap()).is_some());
        }
    }
}
