//! Presence: who is in a document, and where; the latest value of each, never stored.

use std::collections::BTreeMap;

use crate::id::ReplicaId;

use super::{DocId, LinkId, Millis};

/// The most presences that a node remembers.
const MAX_ENTRIES: usize = 10_000;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Grows with each change; the greatest is the latest.
    pub(super) clock: u64,
    pub(super) value: Option<Vec<u8>>,
    /// Where it came from; `None` for one's own.
    pub(super) from: Option<LinkId>,
    pub(super) expires: Millis,
}

/// All presences that a node knows.
#[derive(Debug, Default)]
pub(super) struct Presences(BTreeMap<(DocId, ReplicaId), Entry>);

impl Presences {
    pub(super) fn get(&self, doc: &DocId, of: ReplicaId) -> Option<&Entry> {
        self.0.get(&(doc.clone(), of))
    }

    pub(super) fn of(&self, doc: &DocId) -> impl Iterator<Item = (ReplicaId, &Entry)> {
        let from = (doc.clone(), ReplicaId::MIN);
        let here = self.0.range(from..).take_while(move |((other, _), _)| other == doc);
        here.map(|((_, of), entry)| (*of, entry))
    }

    /// Takes an entry if it is later than the one here. Returns whether anybody should hear of it.
    pub(super) fn put(&mut self, doc: &DocId, of: ReplicaId, entry: Entry) -> bool {
        let key = (doc.clone(), of);
        let known = self.0.get(&key);
        if known.is_some_and(|known| known.clock >= entry.clock)
            || known.is_none() && self.0.len() >= MAX_ENTRIES
        {
            return false;
        }
        self.0.insert(key, entry);
        true
    }

    /// Ends those whose time is over, and forgets those that have long ended. Returns those that ended.
    pub(super) fn expire(&mut self, now: Millis, ttl: Millis) -> Vec<(DocId, ReplicaId)> {
        self.0.retain(|_, entry| entry.value.is_some() || entry.expires.saturating_add(ttl) > now);
        let over = self.0.iter_mut().filter(|(_, e)| e.value.is_some() && e.expires <= now);
        over.map(|(key, entry)| {
            entry.value = None;
            key.clone()
        })
        .collect()
    }

    /// Those that a link brought.
    pub(super) fn from(&self, link: LinkId) -> Vec<(DocId, ReplicaId, u64)> {
        let mine = self.0.iter().filter(|(_, e)| e.from == Some(link) && e.value.is_some());
        mine.map(|((doc, of), entry)| (doc.clone(), *of, entry.clock)).collect()
    }

    /// One's own, to be renewed.
    pub(super) fn own(&mut self, expires: Millis) -> Vec<(DocId, ReplicaId)> {
        let own = self.0.iter_mut().filter(|(_, entry)| entry.from.is_none() && entry.value.is_some());
        own.map(|(key, entry)| {
            entry.clock += 1;
            entry.expires = expires;
            key.clone()
        })
        .collect()
    }

    pub(super) fn next_expiry(&self) -> Option<Millis> {
        self.0.values().map(|entry| entry.expires).min()
    }
}
