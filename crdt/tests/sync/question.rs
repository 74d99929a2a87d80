//! Who has an edit, asked over several links: lines, rings, links that break, nodes that come later, clients.

use std::collections::BTreeSet;

use crdt::sync::{Interest, Output, Role, Whom};
use proptest::prelude::*;

use super::net::{Net, id};

const DOC: &str = "doc";

/// Node `p` asks who has all that it has of the document.
fn ask(net: &mut Net, p: usize, whom: Whom) -> u64 {
    let (wanted, now) = (net.version(p, DOC), net.now);
    let number = net.peers[p].node.ask(now, &DOC.parse().unwrap(), wanted, whom, now + 200_000);
    net.drain(p);
    number
}

/// Which nodes have answered.
fn answers(net: &Net, p: usize, question: u64) -> Vec<usize> {
    let by: BTreeSet<_> = net.peers[p].node.answers(question).collect();
    (0..net.peers.len()).filter(|p| by.contains(&net.peers[*p].node.config().id)).collect()
}

fn line(n: usize) -> Vec<(usize, usize)> {
    (1..n).map(|i| (i - 1, i)).collect()
}

#[test]
fn the_disks_of_a_line_are_counted_as_far_as_asked() {
    let mut net = Net::daemons(5, &line(5));
    net.run(1_000);
    net.edit(0, DOC, b"x");
    let asked: Vec<u64> = (0..=4).map(|links| ask(&mut net, 0, Whom::Disks(links))).collect();
    net.run(400);
    for (links, question) in asked.into_iter().enumerate() {
        assert_eq!(answers(&net, 0, question), (1..=links).collect::<Vec<_>>(), "{links} links");
    }
}

#[test]
fn each_answers_once_and_nothing_goes_round_in_a_ring_with_a_chord() {
    let mut net = Net::daemons(6, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (1, 4)]);
    net.run(1_000);
    net.edit(0, DOC, b"x");
    net.run(1_000);
    let before = net.controls();
    let question = ask(&mut net, 0, Whom::Disks(9));
    net.run(400); // before it is asked again
    assert_eq!(answers(&net, 0, question), [1, 2, 3, 4, 5]);
    net.peers[0].node.withdraw(question);
    // The question over each link, at most both ways; each answer over the links to its asker, at most three.
    let frames = net.controls() - before;
    assert!(frames <= 2 * 7 + 5 * 3 + 6 * 2, "{frames}"); // and names of replicas
    let before = net.controls();
    net.run(20_000);
    assert!(net.controls() - before <= 2 * 7, "a question that was withdrawn is asked no more");
}

#[test]
fn who_is_away_answers_when_it_comes_and_has_it() {
    let mut net = Net::daemons(4, &line(4));
    net.run(1_000);
    net.cut(2);
    net.edit(0, DOC, b"x");
    let question = ask(&mut net, 0, Whom::Disks(3));
    net.run(3_000);
    assert_eq!(answers(&net, 0, question), [1, 2]);
    net.heal(2);
    net.run(400);
    assert_eq!(answers(&net, 0, question), [1, 2, 3]);
}

/// The tree of a question breaks while an answer is awaited: in a new round it comes the other way.
#[test]
fn an_answer_comes_though_the_way_of_the_question_has_broken() {
    let mut net = Net::daemons(5, &[(0, 1), (1, 2), (0, 3), (3, 4), (4, 2)]);
    net.run(1_000);
    net.silence(1, 1); // of what 2 says nothing reaches 1
    net.edit(0, DOC, b"x");
    let question = ask(&mut net, 0, Whom::Disks(4));
    net.run(450);
    assert!(!answers(&net, 0, question).contains(&2));
    net.cut(1);
    net.run(8_000);
    assert_eq!(answers(&net, 0, question), [1, 2, 3, 4]);
}

#[test]
fn what_a_relay_has_lost_is_not_called_safe() {
    let mut net = Net::daemons(3, &line(3));
    net.run(1_000);
    net.edit(0, DOC, b"x");
    net.run(1_000);
    net.cut(1);
    net.edit(0, DOC, b"y");
    net.run(1_000);
    let question = ask(&mut net, 0, Whom::Disks(2));
    net.crash(2, 1); // what it had of the first is gone too, and it cannot be reached
    net.run(9_000);
    assert_eq!(answers(&net, 0, question), [1]);
    net.heal(1);
    net.run(1_000);
    assert_eq!(answers(&net, 0, question), [1, 2]);
}

#[test]
fn an_app_learns_that_an_app_far_away_has_seen_it() {
    let mut net = Net::daemons(3, &line(3));
    let [alice, bob, carol] = [(); 3].map(|()| net.add(Role::Client, Interest::one(DOC.parse().unwrap())));
    net.connect(alice, 0, 5);
    net.connect(bob, 2, 5);
    net.connect(carol, 2, 5);
    net.run(1_000);
    net.stalled = true;
    net.edit(alice, DOC, b"hello");
    let seen = ask(&mut net, alice, Whom::Peer(id(bob, 0)));
    let safe = ask(&mut net, alice, Whom::Disks(3));
    net.run(1_000);
    assert_eq!(answers(&net, alice, seen), [0; 0]);
    net.stalled = false;
    net.run(400);
    assert_eq!(answers(&net, alice, seen), [bob]);
    assert_eq!(answers(&net, alice, safe), [0, 1, 2]);
    let asked = net.peers[carol].outputs.iter().any(|output| matches!(output, Output::Answered { .. }));
    assert!(!asked, "only who asked is told");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// On any graph, with links that come and go, who answers has it, and when all is quiet all have answered.
    #[test]
    fn answers_are_true_and_come(
        edges in proptest::collection::btree_set((0usize..6, 0usize..6), 4..12),
        steps in proptest::collection::vec((0usize..16, 0usize..6, 1u64..400), 1..30),
    ) {
        let edges: Vec<(usize, usize)> = line(6).into_iter().chain(edges.into_iter().filter(|(a, b)| a != b)).collect();
        let mut net = Net::daemons(6, &edges);
        net.run(1_000);
        let mut asked = vec![];
        for (what, p, time) in steps {
            match what {
                0..4 => net.edit(p, DOC, b"x"),
                4..8 => {
                    let version = net.version(p, DOC);
                    // Nobody answers about what is nowhere.
                    if !version.is_empty() {
                        asked.push((p, ask(&mut net, p, Whom::Disks(6)), version));
                    }
                }
                _ => {
                    let wire = what % edges.len();
                    if time % 2 == 0 { net.cut(wire) } else { net.heal(wire) }
                }
            }
            net.run(time);
            for (p, question, version) in &asked {
                for by in answers(&net, *p, *question) {
                    prop_assert!(net.version(by, DOC).covers(version));
                }
            }
        }
        (0..edges.len()).for_each(|wire| net.heal(wire));
        net.run(60_000);
        for (p, question, _) in asked {
            let others: Vec<usize> = (0..6).filter(|other| *other != p).collect();
            prop_assert_eq!(answers(&net, p, question), others);
        }
    }
}
