//! Documents are spread over lanes: cores work beside each other, and a busy document holds up its own lane only.
//!
//! A lane is a whole [`Node`](crdt::sync::Node) in a task of its own, with documents, links, trees and timers. Lanes share
//! the sockets, the disk and the replica id; what they lock, they lock for a moment: a socket to write into, the list of what
//! is durable. Which lane a document is in follows from its name, everywhere in the same way, so the lane of one peer talks
//! to that lane of another and to no other. A message on a WebSocket is frames of one lane, and in its last byte the lane's
//! number.
//!
//! The side that dialed begins to talk in a lane once it has something to say there: who wants one document opens that
//! lane, and lane 0, which says who is there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crdt::sync::{DocId, Interest, Lane, LinkId};
use tokio::sync::mpsc;

use crate::driver::Command;

/// How many lanes there are. All peers of a network must agree on it: it is part of the protocol.
pub(crate) const LANES: usize = 8;

/// The lane of a document: the number that the last byte of a message about it has.
///
/// Only a program that speaks the protocol itself needs it; a [`Peer`](crate::Peer) does all this alone. It is
/// [`Lane::of`] eight.
///
/// ```
/// let lane = sync_daemon::lane(&"notes/shopping".parse()?);
/// assert!(lane < 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn lane(doc: &DocId) -> u8 {
    Lane::of(doc, LANES as u8)
}

/// What of an interest concerns a lane.
pub(crate) fn part(interest: &Interest, number: usize) -> Interest {
    let names = interest.names.iter().filter(|name| usize::from(lane(name)) == number);
    Interest { prefixes: interest.prefixes.clone(), names: names.cloned().collect() }
}

/// The ways to all lanes of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Lanes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    senders: Vec<mpsc::Sender<Command>>,
    next_link: AtomicU64,
}

/// The ways to lanes that may be gone.
#[derive(Clone, Debug)]
pub(crate) struct WeakLanes(Weak<Inner>);

impl Lanes {
    pub(crate) fn new(senders: Vec<mpsc::Sender<Command>>) -> Self {
        Lanes(Arc::new(Inner { senders, next_link: AtomicU64::new(1) }))
    }

    pub(crate) fn of(&self, doc: &DocId) -> Option<&mpsc::Sender<Command>> {
        self.get(usize::from(lane(doc)))
    }

    pub(crate) fn get(&self, number: usize) -> Option<&mpsc::Sender<Command>> {
        self.0.senders.get(number)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &mpsc::Sender<Command>> {
        self.0.senders.iter()
    }

    /// A name for a new connection, the same in all lanes.
    pub(crate) fn new_link(&self) -> LinkId {
        LinkId(self.0.next_link.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.all().all(mpsc::Sender::is_closed)
    }

    pub(crate) fn downgrade(&self) -> WeakLanes {
        WeakLanes(Arc::downgrade(&self.0))
    }
}

impl WeakLanes {
    pub(crate) fn upgrade(&self) -> Option<Lanes> {
        self.0.upgrade().map(Lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another program must come to the same numbers.
    #[test]
    fn the_lane_of_a_name_stays_and_all_lanes_are_used() {
        let of = |name: &str| lane(&name.parse().unwrap());
        assert_eq!(["a", "doc", "notes/shopping", "ü"].map(of), [0, 5, 2, 5]);
        let mut used = [0; LANES];
        (0..800).for_each(|n| used[usize::from(of(&format!("notes/{n}")))] += 1);
        assert!(used.iter().all(|n| (70..130).contains(n)), "{used:?}");
    }

    #[test]
    fn names_go_to_their_lane_and_prefixes_to_all() {
        let names: Vec<DocId> = ["a", "b", "c"].map(|name| name.parse().unwrap()).to_vec();
        let interest = Interest { prefixes: vec!["notes/".into()], names: names.clone() };
        let parts: Vec<Interest> = (0..LANES).map(|number| part(&interest, number)).collect();
        assert!(parts.iter().all(|part| part.prefixes == ["notes/"]));
        let mut all: Vec<DocId> = parts.into_iter().flat_map(|part| part.names).collect();
        all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        assert_eq!(all, names);
    }
}
