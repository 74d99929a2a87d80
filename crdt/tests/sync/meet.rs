//! What two pay that meet, or meet again: for what differs, found by a cursor, in cells, or by ranges.

use crdt::sync::{Fleet, Interest, Role};

use super::net::Net;

/// What two large repositories pay for when they meet again is what differs, not what there is.
#[test]
fn a_link_that_comes_back_costs_what_differs() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    for doc in 0..300 {
        net.edit(0, &format!("doc-{doc}"), b"x");
    }
    net.run(2_000);
    net.cut(0);
    net.edit(0, "doc-7", b"y");
    net.edit(1, "doc-8", b"z");
    net.edit(1, "new", b"z");
    let (deltas, controls) = (net.deltas(), net.controls());
    net.heal(0);
    net.run(2_000);
    net.assert_converged(&["doc-7", "doc-8", "new"]);
    assert_eq!(net.deltas() - deltas, 3);
    assert!(net.controls() - controls < 40, "{}", net.controls() - controls);
}

/// Two that had the same know what the other has of a document that is new to both: nothing. So its first edit takes one way, and
/// not a round of questions before it.
#[test]
fn the_first_edit_of_a_new_document_goes_at_once() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    net.run(1_000);
    net.edit(0, "new", b"x");
    net.run(6); // a link takes 5
    assert_eq!(net.version(1, "new"), net.version(0, "new"));
}

/// Two that met before tell each other what changed since, and nothing of the rest.
#[test]
fn a_cursor_names_only_what_changed() {
    let mut net = Net::daemons(2, &[(0, 1)]);
    for doc in 0..2_000 {
        net.edit(0, &format!("doc-{doc}"), b"x");
    }
    net.run(60_000);
    net.edit(0, "doc-1", b"y");
    net.run(10_000);
    net.cut(0);
    for doc in 0..5 {
        net.edit(0, &format!("doc-{doc}"), b"y");
        net.edit(1, &format!("doc-{}", doc + 100), b"z");
    }
    let (bytes, deltas) = (net.bytes(), net.deltas());
    net.heal(0);
    net.run(40); // two round trips: to meet, and to send what was named
    net.assert_converged(&["doc-0", "doc-4", "doc-100", "doc-104"]);
    assert_eq!(net.deltas() - deltas, 10);
    assert!(net.bytes() - bytes < 1_000, "{}", net.bytes() - bytes);
}

/// Daemons of a fleet find what differs from cells, as many as the difference needs.
#[test]
fn a_fleet_meets_by_sketch() {
    for (changed, most) in [(1usize, 3_500), (40, 12_000)] {
        let mut net = Net::new();
        net.fleet = Some(Fleet::of("secret"));
        for _ in 0..2 {
            net.add(Role::Daemon, Interest::everything());
        }
        let wire = net.connect(0, 1, 5);
        let name = |doc: usize| format!("doc-{doc}");
        for doc in 0..3_000 {
            net.edit(0, &name(doc), b"x");
        }
        net.run(60_000);
        net.cut(wire);
        for doc in 0..changed {
            net.edit(doc % 2, &name(doc * 50), b"y");
        }
        net.edit(1, "new", b"z");
        net.crash(0, 0); // what it knew of the other's changes is gone
        let bytes = net.bytes();
        net.heal(wire);
        net.run(60);
        net.assert_converged(&["new", "doc-0", "doc-50"]);
        net.run(100);
        assert_eq!(net.peers[0].node.fingerprint(), net.peers[1].node.fingerprint());
        assert!(net.bytes() - bytes < most, "{changed}: {}", net.bytes() - bytes);
    }
}

/// In cells these two are one document. The side that reads the cells holds one of them and tells of it; that there is
/// another, it cannot see. So what is left is looked for by ranges the next time.
#[test]
fn what_cells_cannot_tell_apart_is_found_the_next_time() {
    let (one, other) = ("doc-17542", "doc-1441449");
    for holder in 0..2 {
        let mut net = Net::new();
        net.fleet = Some(Fleet::of("secret"));
        (0..2).for_each(|_| {
            net.add(Role::Daemon, Interest::everything());
        });
        let wire = net.connect(0, 1, 5);
        net.edit(0, one, b"x");
        net.run(1_000);
        net.cut(wire);
        net.edit(holder, one, b"y");
        net.edit(holder, other, b"z");
        net.crash(0, 0); // what it knew of the other's changes is gone
        net.heal(wire);
        net.run(2_000);
        net.assert_converged(&[one]);
        net.run(120_000); // as often as they compare
        net.assert_converged(&[one, other]);
    }
}

/// Where only one side is of the fleet, or they are of two, ranges find what differs.
#[test]
fn strangers_meet_by_ranges() {
    for other in [None, Some(Fleet::of("another"))] {
        let mut net = Net::new();
        net.fleet = Some(Fleet::of("secret"));
        net.add(Role::Daemon, Interest::everything());
        net.fleet = other;
        net.add(Role::Daemon, Interest::everything());
        for doc in 0..500 {
            net.edit(doc % 2, &format!("doc-{doc}"), b"x");
        }
        net.connect(0, 1, 5);
        net.run(5_000);
        assert_eq!(net.peers[0].node.fingerprint(), net.peers[1].node.fingerprint());
    }
}
