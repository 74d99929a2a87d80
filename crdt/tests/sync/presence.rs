//! Presence: who is where, on links and across them.

use crdt::sync::{Interest, Role};

use super::mesh;
use super::net::{Net, id};

#[test]
fn presence_reaches_all_is_renewed_and_ends_with_the_link() {
    let mut net = Net::daemons(3, &mesh(3));
    let c = net.add(Role::Client, Interest::everything());
    let wire = net.connect(c, 0, 10);
    let doc = "doc".parse().unwrap();
    net.edit(c, "doc", b"x");
    net.run(500);
    let now = net.now;
    net.peers[c].node.set_presence(now, &doc, Some(b"here".to_vec()));
    net.drain(c);
    net.run(500);
    assert_eq!(net.peers[2].node.presence(&doc), [(id(c, 0), b"here".to_vec())]);
    net.run(60_000);
    assert_eq!(net.peers[2].node.presence(&doc).len(), 1);
    net.cut(wire);
    net.run(500);
    assert_eq!(net.peers[2].node.presence(&doc), []);
    net.heal(wire);
    net.run(500);
    assert_eq!(net.peers[2].node.presence(&doc).len(), 1);
}

/// One moves in a room of N: one frame up, one down to each other; nothing comes back to who moved.
#[test]
fn a_move_in_a_room_costs_one_frame_for_each_who_sees_it() {
    for n in [20, 100] {
        let mut net = Net::daemons(1, &[]);
        let doc = "doc".parse().unwrap();
        net.edit(0, "doc", b"x");
        let clients: Vec<usize> = (0..n).map(|_| net.add(Role::Client, Interest::everything())).collect();
        for c in &clients {
            net.connect(*c, 0, 5);
        }
        net.run(1_000);
        show(&mut net, clients[0], b"hello");
        net.run(100);
        let frames = |net: &Net| {
            net.peers
                .iter()
                .map(|p| {
                    let sent = [Role::Daemon, Role::Client].map(|role| p.node.traffic(role).control_out);
                    sent[0] + sent[1]
                })
                .sum::<u64>()
        };
        let before = frames(&net);
        for step in 0..10 {
            show(&mut net, clients[0], &[step]);
            net.run(100);
            assert_eq!(net.peers[clients[n - 1]].node.presence(&doc), [(id(clients[0], 0), vec![step])]);
        }
        assert_eq!(frames(&net) - before, 10 * n as u64);
        // Faster than anybody looks: what is sent is bounded by time, and the last is what all see.
        let before = frames(&net);
        for step in 0..200 {
            show(&mut net, clients[0], &[step]);
            net.run(1);
        }
        net.run(100);
        assert_eq!(net.peers[clients[n - 1]].node.presence(&doc), [(id(clients[0], 0), vec![199])]);
        assert!(frames(&net) - before <= 9 * n as u64, "{}", frames(&net) - before);
    }
}

/// Presence takes the trees of its owner: across a mesh a move costs one frame for each daemon.
#[test]
fn presence_crosses_a_mesh_along_a_tree() {
    let mut net = Net::daemons(6, &mesh(6));
    let c = net.add(Role::Client, Interest::everything());
    net.connect(c, 0, 5);
    net.edit(0, "doc", b"x");
    net.run(1_000);
    for step in 0..3 {
        show(&mut net, c, &[step]);
        net.run(300);
    }
    let before = net.controls();
    for step in 0..10 {
        show(&mut net, c, &[100 + step]);
        net.run(100);
        for p in 0..6 {
            assert_eq!(net.peers[p].node.presence(&"doc".parse().unwrap()), [(id(c, 0), vec![100 + step])]);
        }
    }
    assert_eq!(net.controls() - before, 10 * (5 + 1)); // to each daemon, and from the client to the first
    // Half of the links say nothing any more: renewals go over all, so that it does not end.
    (0..5).for_each(|w| net.silence(w, 0));
    net.connect(0, 3, 5);
    net.run(60_000);
    assert_eq!(net.peers[5].node.presence(&"doc".parse().unwrap()).len(), 1);
}

fn show(net: &mut Net, p: usize, value: &[u8]) {
    let now = net.now;
    net.peers[p].node.set_presence(now, &"doc".parse().unwrap(), Some(value.to_vec()));
    net.drain(p);
}
