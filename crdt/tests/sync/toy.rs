//! A document simple enough to see through: each event is one byte and names an event it builds on.

use std::collections::BTreeMap;

use crdt::codec::{DecodeError, Encode, Reader};
use crdt::sync::{Document, Kind};
use crdt::{Applied, ApplyError, Delta, Dot, ReplicaId, Replicated, Span, VersionVector};

/// A value that one can write, and that no other takes.
pub(crate) const REFUSED: &[u8] = b"refused";
/// One that only later programs know.
pub(crate) const LATER: &[u8] = b"later";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    after: Option<Dot>,
    value: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Toy {
    author: ReplicaId,
    version: VersionVector,
    pub(crate) events: BTreeMap<Dot, Event>,
    newest: Option<Dot>,
}

impl Toy {
    /// Writes a value that builds on the newest event seen.
    pub(crate) fn write(&mut self, value: &[u8]) {
        let dot = Dot::new(self.author, self.version.get(self.author) + 1);
        self.events.insert(dot, Event { after: self.newest, value: value.to_vec() });
        self.version.advance(dot.replica, dot.seq);
        self.newest = Some(dot);
    }

    pub(crate) fn load(author: ReplicaId, deltas: &[Delta]) -> Self {
        let mut toy = Toy::create(Kind(7), author).unwrap();
        deltas.iter().for_each(|d| drop(toy.apply(d).unwrap()));
        toy
    }
}

impl Document for Toy {
    fn create(kind: Kind, author: ReplicaId) -> Option<Self> {
        let empty = Toy { author, version: VersionVector::new(), events: BTreeMap::new(), newest: None };
        (kind == Kind(7)).then_some(empty)
    }

    fn kind(&self) -> Kind {
        Kind(7)
    }
}

impl Replicated for Toy {
    fn version(&self) -> &VersionVector {
        &self.version
    }

    fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta {
        let until = until.meet(&self.version);
        let spans: Vec<Span> = until.since(since).collect();
        let mut w = Delta::writer(&spans);
        for span in &spans {
            for seq in span.after + 1..=span.to {
                let event = &self.events[&Dot::new(span.replica, seq)];
                w.u8(u8::from(event.after.is_some()));
                event.after.iter().for_each(|dot| w.dot(*dot));
                event.value.encode(&mut w);
            }
        }
        Delta::from_writer(spans, w)
    }

    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
        let table = delta.table();
        let mut r = Reader::new(&delta.body, &table);
        let mut coming = self.version.clone();
        for span in &delta.spans {
            if self.version.get(span.replica) < span.after {
                return Err(ApplyError::Missing);
            }
            coming.advance(span.replica, span.to);
        }
        let mut events = Vec::new();
        for span in &delta.spans {
            for seq in span.after + 1..=span.to {
                let after = if r.u8()? == 1 { Some(r.dot()?) } else { None };
                if after.is_some_and(|dot| !coming.contains(dot)) {
                    return Err(ApplyError::Missing);
                }
                events.push((Dot::new(span.replica, seq), Event { after, value: read_bytes(&mut r)? }));
            }
        }
        r.end()?;
        if events.iter().any(|(_, event)| event.value == REFUSED) {
            return Err(ApplyError::Refused("a value that this document refuses"));
        }
        if events.iter().any(|(_, event)| event.value == LATER) {
            return Err(ApplyError::Invalid(DecodeError::Version { found: 9, known: 2 }));
        }
        let novel = coming.since(&self.version).collect();
        for (dot, event) in events {
            if !self.version.contains(dot) {
                self.newest = self.newest.max(Some(dot));
                self.events.insert(dot, event);
            }
        }
        self.version = coming;
        Ok(Applied { novel })
    }
}

fn read_bytes(r: &mut Reader<'_>) -> Result<Vec<u8>, crdt::codec::DecodeError> {
    r.bytes().map(<[u8]>::to_vec)
}
