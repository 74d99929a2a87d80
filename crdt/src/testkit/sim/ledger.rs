//! The document of a simulation: events whose content follows from their names, so that invented content
//! is seen, and each of which builds on another, so that order matters.

use std::collections::BTreeMap;

use super::mix;
use crate::codec::Reader;
use crate::sync::{Document, Kind};
use crate::{Applied, ApplyError, Delta, Dot, ReplicaId, Replicated, Span, VersionVector};

/// Its kind; not one of a real document.
pub(super) const LEDGER: Kind = Kind(200);

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    author: ReplicaId,
    version: VersionVector,
    /// For each replica, what each of its events builds on.
    events: BTreeMap<ReplicaId, Vec<Option<Dot>>>,
    newest: Option<Dot>,
}

/// The only content that an event can have.
fn content(dot: Dot) -> [u8; 4] {
    let [a, b, c, d, ..] =
        mix(u128::from_be_bytes(*dot.replica.as_bytes()) as u64 ^ mix(dot.seq)).to_be_bytes();
    [a, b, c, d]
}

impl Ledger {
    /// Writes an event that builds on the newest that was seen.
    pub(super) fn write(&mut self) -> Dot {
        let dot = Dot::new(self.author, self.version.get(self.author) + 1);
        self.push(dot, self.newest);
        dot
    }

    fn push(&mut self, dot: Dot, after: Option<Dot>) {
        self.events.entry(dot.replica).or_default().push(after);
        self.version.advance(dot.replica, dot.seq);
        self.newest = Some(dot);
    }

    /// What a restart from a disk that holds `version` gives, written by `author` from now on.
    pub(super) fn restored(&self, author: ReplicaId, version: &VersionVector) -> Self {
        let mut events = self.events.clone();
        for (replica, list) in &mut events {
            list.truncate(usize::try_from(version.get(*replica)).unwrap_or(usize::MAX));
        }
        events.retain(|_, list| !list.is_empty());
        let newest = version.iter().last().map(|(replica, seq)| Dot::new(replica, seq));
        Ledger { author, version: version.meet(&self.version), events, newest }
    }

    fn after(&self, dot: Dot) -> Option<Dot> {
        let at = usize::try_from(dot.seq).ok()?.checked_sub(1)?;
        self.events.get(&dot.replica)?.get(at).copied().flatten()
    }
}

impl Document for Ledger {
    fn create(kind: Kind, author: ReplicaId) -> Option<Self> {
        let empty = Ledger { author, version: VersionVector::new(), events: BTreeMap::new(), newest: None };
        (kind == LEDGER).then_some(empty)
    }

    fn kind(&self) -> Kind {
        LEDGER
    }
}

impl Replicated for Ledger {
    fn version(&self) -> &VersionVector {
        &self.version
    }

    fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta {
        let until = until.meet(&self.version);
        let spans: Vec<Span> = until.since(since).collect();
        let mut w = Delta::writer(&spans);
        for span in &spans {
            for dot in (span.after + 1..=span.to).map(|seq| Dot::new(span.replica, seq)) {
                let after = self.after(dot);
                w.u8(u8::from(after.is_some()));
                after.iter().for_each(|dot| w.dot(*dot));
                w.raw(&content(dot));
            }
        }
        Delta::from_writer(spans, w)
    }

    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError> {
        let mut coming = self.version.clone();
        for span in &delta.spans {
            if self.version.get(span.replica) < span.after {
                return Err(ApplyError::Missing);
            }
            coming.advance(span.replica, span.to);
        }
        let table = delta.table();
        let mut r = Reader::new(&delta.body, &table);
        let mut events = Vec::new();
        for span in &delta.spans {
            for dot in (span.after + 1..=span.to).map(|seq| Dot::new(span.replica, seq)) {
                let after = if r.u8()? == 1 { Some(r.dot()?) } else { None };
                if r.raw(4)? != content(dot) {
                    return Err(ApplyError::Refused("content that nobody wrote"));
                }
                if after.is_some_and(|dot| !coming.contains(dot)) {
                    return Err(ApplyError::Missing);
                }
                events.push((dot, after));
            }
        }
        r.end()?;
        let novel = coming.since(&self.version).collect();
        for (dot, after) in events {
            if !self.version.contains(dot) {
                self.push(dot, after);
            }
        }
        Ok(Applied { novel })
    }
}
