//! Presence: small facts that are never stored, of which only the latest counts, and that end by themselves.

use std::collections::BTreeMap;

use crate::id::ReplicaId;
use crate::sync::link::Link;
use crate::sync::node::Node;
use crate::sync::{DocId, Document, LinkId, MAX_PRESENCE_BYTES, MAX_PRESENCES, Millis, Output, Role};

/// What someone shows in a document.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Raised by the owner with every renewal.
    pub(crate) clock: u64,
    /// `None` once it has ended; kept until it expires so that older news cannot revive it.
    pub(crate) value: Option<Vec<u8>>,
    expires: Millis,
    /// When it last went over all links.
    flooded: Option<Millis>,
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
        let shown = Shown { flooded: old.flooded, ..shown };
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

    /// Whether it has not gone over all links for so long; then it is taken to go now.
    pub(crate) fn flood_due(&mut self, now: Millis, key: &Key, every: Millis) -> bool {
        let Some(shown) = self.shown.get_mut(key) else { return true };
        // Its end goes everywhere: nothing renews it.
        let due = shown.value.is_none() || shown.flooded.is_none_or(|at| now >= at.saturating_add(every));
        if due {
            shown.flooded = Some(now);
        }
        due
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
        Shown { clock, value, expires: now.saturating_add(ttl.max(1)), flooded: None }
    }
}

impl<D: Document> Node<D> {
    /// Sets this peer's presence in a document; `None` ends it. Over 4 KiB it is not taken.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Interest, Kind, LinkId, Node, Output, Role};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// a.open(&note, Kind::DOC)?;
    /// a.set_presence(0, &note, Some(b"line 3".to_vec()));
    /// meet(&mut a, &mut b);
    /// assert_eq!(b.presence(&note), [(a.config().id, b"line 3".to_vec())]);
    /// a.set_presence(1, &note, None);
    /// # let _ = put;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_presence(&mut self, now: Millis, doc: &DocId, value: Option<Vec<u8>>) {
        if value.as_ref().is_some_and(|v| v.len() > MAX_PRESENCE_BYTES) {
            return;
        }
        let key = (doc.clone(), self.config.id);
        if self.presences.set_own(now, key.clone(), value, self.config.presence_ttl) != News::Stale {
            self.spread_presence(now, &key, None);
        }
        self.stirred = true;
    }

    /// Everyone's presence in a document, in order of replica.
    pub fn presence(&self, doc: &DocId) -> Vec<(ReplicaId, Vec<u8>)> {
        let here = self.presences.iter().filter(|(key, _)| key.0 == *doc);
        here.filter_map(|(key, shown)| shown.value.clone().map(|v| (key.1, v))).collect()
    }

    /// Marks a presence on the links that may want it and have not pruned its owner; now and then on all,
    /// as nobody would miss what a tree has lost.
    fn spread_presence(&mut self, now: Millis, key: &Key, from: Option<LinkId>) {
        if self.config.role == Role::Client && key.1 != self.config.id {
            return;
        }
        let everywhere = self.presences.flood_due(now, key, self.config.presence_ttl / 3);
        let wanted = |id, link: &Link| {
            let fed = !everywhere && link.pruned_by_peer.contains(&key.1);
            Some(id) != from && !fed && link.peer.is_some() && link.peer_interest.includes(&key.0)
        };
        self.links.those(wanted).for_each(|(_, link)| link.show(now, key.clone()));
    }

    pub(crate) fn end_presence_of(&mut self, now: Millis, replica: ReplicaId) {
        let theirs = self.presences.iter().filter(|(key, s)| key.1 == replica && s.value.is_some());
        let ends: Vec<(Key, u64)> = theirs.map(|(key, s)| (key.clone(), s.clock)).collect();
        for (key, clock) in ends {
            let end = Shown::new(now, clock.saturating_add(1), None, self.config.presence_ttl);
            self.show(now, key, end, None);
        }
    }

    /// Takes news of a presence and passes it on.
    pub(crate) fn show(&mut self, now: Millis, key: Key, shown: Shown, from: Option<LinkId>) {
        let value = shown.value.clone();
        match self.presences.take(key.clone(), shown) {
            News::Stale => {
                from.into_iter().for_each(|link| self.note_duplicate(link, key.1));
                return;
            }
            News::Renewed => {}
            News::Changed => {
                let (doc, from) = key.clone();
                self.outputs.push_back(Output::Presence { doc, from, value });
            }
        }
        from.into_iter().for_each(|link| self.note_first(now, link, key.1));
        self.spread_presence(now, &key, from);
    }

    pub(crate) fn renew_presence(&mut self, now: Millis, doc: &DocId) {
        let key = (doc.clone(), self.config.id);
        let value = self.presences.get(&key).and_then(|shown| shown.value.clone());
        self.presences.set_own(now, key.clone(), value, self.config.presence_ttl);
        self.spread_presence(now, &key, None);
    }
}
