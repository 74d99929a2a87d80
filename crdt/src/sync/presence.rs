//! Presence: small facts that are never stored, of which only the latest counts, and that end by themselves.

use std::collections::BTreeMap;

use crate::id::ReplicaId;
use crate::sync::{DocId, MAX_PRESENCES, Millis};

/// What someone shows in a document.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Raised by the owner with every renewal.
    pub(crate) clock: u64,
    /// `None` once it has ended; kept until it expires so that older news cannot revive it.
    pub(crate) value: Option<Vec<u8>>,
    expires: Millis,
}

pub(crate) type Key = (DocId, ReplicaId);

/// Everyone's presence in every document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presences {
    shown: BTreeMap<Key, Shown>,
    renew_at: BTreeMap<DocId, Millis>,
}

/// What news did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Older than or the same as what is known.
    Stale,
    /// A renewal: to be passed on, the value is the same.
    Renewed,
    /// The value changed.
    Changed,
}

impl Presences {
    pub(crate) fn get(&self, key: &Key) -> Option<&Shown> {
        self.shown.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Shown)> {
        self.shown.iter()
    }

    /// Takes news; of two with the same clock a value wins over an end.
    pub(crate) fn take(&mut self, key: Key, shown: Shown) -> News {
        let Some(old) = self.shown.get(&key) else {
            if shown.value.is_none() || self.shown.len() >= MAX_PRESENCES {
                return News::Stale;
            }
            self.shown.insert(key, shown);
            return News::Changed;
        };
        if (old.clock, old.value.is_some()) >= (shown.clock, shown.value.is_some()) {
            return News::Stale;
        }
        let news = if old.value == shown.value { News::Renewed } else { News::Changed };
        self.shown.insert(key, shown);
        news
    }

    /// Sets our own, to be renewed every third of its life.
    pub(crate) fn set_own(&mut self, now: Millis, key: Key, value: Option<Vec<u8>>, ttl: Millis) -> News {
        match value {
            Some(_) => self.renew_at.insert(key.0.clone(), now.saturating_add(ttl / 3)),
            None => self.renew_at.remove(&key.0),
        };
        let clock = self.shown.get(&key).map_or(1, |old| old.clock.saturating_add(2));
        self.take(key, Shown::new(now, clock, value, ttl))
    }

    /// Our own presences that are due for renewal.
    pub(crate) fn due(&self, now: Millis) -> Vec<DocId> {
        self.renew_at.iter().filter(|(_, at)| **at <= now).map(|(doc, _)| doc.clone()).collect()
    }

    /// Documents in which we show ourselves.
    pub(crate) fn own(&self) -> Vec<DocId> {
        self.renew_at.keys().cloned().collect()
    }

    /// Drops what expired; gives those that still had a value.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<Key> {
        let mut ended = Vec::new();
        self.shown.retain(|key, shown| {
            let lives = shown.expires > now;
            if !lives && shown.value.is_some() {
                ended.push(key.clone());
            }
            lives
        });
        ended
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let expiry = self.shown.values().map(|s| s.expires).min();
        expiry.into_iter().chain(self.renew_at.values().min().copied()).min()
    }
}

impl Shown {
    pub(crate) fn new(now: Millis, clock: u64, value: Option<Vec<u8>>, ttl: Millis) -> Self {
        Shown { clock, value, expires: now.saturating_add(ttl.max(1)) }
    }
}
