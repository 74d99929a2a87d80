//! What two nodes do when they meet: find the documents in which they differ, and name those to each other.
//!
//! In this order: equal fingerprints, and there is nothing to do. A cursor on both sides, that is a moment up
//! to which each has all of the other: what changed since is named. Estimates on both sides, which daemons of
//! one fleet send: a sketch of as many cells as the difference needs. Else ranges, and where a sketch left something.

use std::collections::BTreeSet;

use crate::sync::frame::{Digest, Frame};
use crate::sync::link::Fault;
use crate::sync::node::Node;
use crate::sync::reconcile::{Message, Prefix};
use crate::sync::sketch::{CELLS, Cell, Estimate, FEWEST, Sketch, cells_for, decode, more_cells};
use crate::sync::{DocId, Document, LinkId, MAX_CURSORS, MAX_RANGES, Millis};

/// What is found out about a link's peer while the two meet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meeting {
    /// Up to which of our own changes the peer surely has all; `None` when that is not known.
    pub(crate) fed: Option<u64>,
    /// What of that it was told.
    told: u64,
    /// Whether it is to be told.
    pub(crate) tell: bool,
    /// Whether the peer takes part in sketches.
    pub(crate) sketches: bool,
    /// The cursor of the last digest sent.
    sent: u64,
    /// Whether the last difference was looked for by a sketch.
    sketched: bool,
    /// How many digests came.
    digests: u64,
    /// Cells of the peer, while it sends some.
    cells: Vec<Cell>,
    /// Cells to be sent: from where, how many.
    pub(crate) send: Option<(usize, usize)>,
    /// Cells to be asked for.
    pub(crate) ask: Option<(usize, usize)>,
}

impl<D: Document> Node<D> {
    /// What to tell a peer of all documents that both want.
    pub(crate) fn digest_for(&mut self, id: LinkId) -> Digest {
        let hash = self.digest(id);
        let Some(link) = self.links.get_mut(&id) else { return Digest { hash, cursor: 0, estimate: None } };
        let peer = link.peer.as_ref().map(|peer| peer.id);
        let cursor = peer.and_then(|peer| self.cursors.get(&peer)).copied().unwrap_or(0);
        // The side that begins sends the cells, so the other tells it how many.
        let told = link.meeting.sketches && peer.is_some_and(|peer| peer < self.config.id);
        let estimate = self.sketch.as_ref().filter(|_| told).map(Sketch::estimate);
        link.meeting.sent = cursor;
        Digest { hash, cursor, estimate }
    }

    pub(crate) fn take_digest(&mut self, id: LinkId, digest: &Digest) {
        let equal = self.digest(id) == digest.hash;
        let last = self.feed.last();
        let all = self.links.get(&id).is_some_and(|link| self.shares_all(link));
        let Some(link) = self.links.get_mut(&id) else { return };
        link.meeting.digests += 1;
        link.was_equal |= equal;
        if all {
            if equal {
                link.meeting.sketched = false;
                link.meeting.fed = Some(last);
                link.meeting.tell = last > link.meeting.told;
            } else {
                self.find_differences(id, digest);
            }
            return;
        }
        let docs = self.links.get(&id).map(|link| self.mutual(link)).unwrap_or_default();
        for doc in docs {
            let (Some(link), Some(held)) = (self.links.get_mut(&id), self.docs.get(&doc)) else { continue };
            let peered = link.docs.entry(doc.clone()).or_default();
            if !equal {
                peered.announced = None;
                link.have.insert(doc);
                continue;
            }
            peered.claims(held.version());
            peered.announced.get_or_insert_default().merge(held.version());
            self.note_heard(id, &doc);
        }
    }

    /// The fingerprints differ: finds out where, by the cheapest way that both sides can go.
    fn find_differences(&mut self, id: LinkId, digest: &Digest) {
        let Some(link) = self.links.get(&id) else { return };
        // One side begins; were it both, each would say everything twice.
        let begins = link.peer.as_ref().is_some_and(|peer| self.config.id < peer.id);
        let cursors = link.meeting.digests == 1 && digest.cursor > 0 && link.meeting.sent > 0;
        let changed = self.feed.since(digest.cursor).filter(|_| cursors);
        if let Some(changed) = changed.map(|docs| docs.map(|(_, doc)| doc.clone()).collect::<Vec<_>>()) {
            changed.iter().for_each(|doc| self.name(id, doc));
            if let Some(link) = self.links.get_mut(&id) {
                link.meeting.fed = Some(digest.cursor);
            }
            return;
        }
        let cells = self.cells_needed(digest.estimate.as_ref());
        let opening = self.index.opening();
        let Some(link) = self.links.get_mut(&id) else { return };
        let again = std::mem::take(&mut link.meeting.sketched);
        link.meeting.cells.clear();
        match cells.filter(|_| begins && !again) {
            Some(cells) => {
                link.meeting.sketched = true;
                link.meeting.send = Some((0, cells));
            }
            None if begins => link.describe.extend(opening),
            None => {}
        }
    }

    /// How many cells the difference needs; `None` when the two have no sketches or it is too large for them.
    fn cells_needed(&self, theirs: Option<&Estimate>) -> Option<usize> {
        let cells = cells_for(self.sketch.as_ref()?.estimate().differing(theirs?));
        (cells <= CELLS).then_some(cells)
    }

    /// Names a document to the peer, with its version.
    fn name(&mut self, id: LinkId, doc: &DocId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.docs.entry(doc.clone()).or_default().announced = None;
        link.have.insert(doc.clone());
    }

    /// Answers what the peer tells of a range in which the two differ.
    pub(crate) fn take_reconcile(&mut self, id: LinkId, message: &Message) {
        let Some(link) = self.links.get_mut(&id).filter(|l| l.describe.len() < MAX_RANGES) else { return };
        let named = match message {
            Message::Parts { prefix, parts } => {
                link.describe.extend(self.index.differing(*prefix, parts));
                return;
            }
            Message::Items { prefix, hashes } => {
                let (ours, theirs) = self.index.compare(*prefix, hashes);
                if !theirs.is_empty() && link.lacks.len() < MAX_RANGES {
                    link.lacks.insert(*prefix, theirs);
                }
                ours
            }
            Message::Lacks { prefix, hashes } => {
                let asked: BTreeSet<u64> = hashes.iter().copied().collect();
                let mut items = self.index.items(*prefix);
                items.retain(|item| asked.contains(&item.hash()));
                items
            }
        };
        let named: Vec<DocId> = named.iter().filter_map(|item| self.names.get(item)).cloned().collect();
        named.iter().for_each(|doc| self.name(id, doc));
    }

    /// Reads which documents differ from the peer's cells, or asks for more of them.
    pub(crate) fn take_cells(&mut self, id: LinkId, from: u64, cells: &[Cell]) -> Result<(), Fault> {
        let (Some(sketch), Some(link)) = (&self.sketch, self.links.get_mut(&id)) else { return Ok(()) };
        let meeting = &mut link.meeting;
        if from == 0 {
            meeting.cells.clear();
        } else if from != meeting.cells.len() as u64 {
            return Ok(()); // they come late: another way was taken meanwhile
        }
        let all = meeting.cells.len() + cells.len();
        if all > CELLS || all < CELLS && cells.len() < (meeting.cells.len() / 4).max(FEWEST) {
            return Err("cells that were not asked for".into());
        }
        meeting.cells.extend_from_slice(cells);
        let ours = sketch.cells().get(..all).unwrap_or_default();
        match decode(sketch.fleet(), ours, &meeting.cells) {
            Some(ranges) => {
                meeting.cells.clear();
                self.name_or_describe(id, &ranges);
            }
            None if all < CELLS => meeting.ask = Some((all, more_cells(all))),
            None => {
                meeting.cells.clear();
                link.describe.extend(self.index.opening());
            }
        }
        Ok(())
    }

    /// Names the document of each of these ranges; one without a document or with several is described.
    fn name_or_describe(&mut self, id: LinkId, ranges: &[Prefix]) {
        for range in ranges {
            match self.index.items(*range)[..] {
                [item] => {
                    if let Some(doc) = self.names.get(&item).cloned() {
                        self.name(id, &doc);
                    }
                }
                _ => {
                    if let Some(link) = self.links.get_mut(&id) {
                        link.describe.insert(*range);
                    }
                }
            }
        }
    }

    pub(crate) fn take_more(&mut self, id: LinkId, from: u64, count: u64) {
        let Some(link) = self.links.get_mut(&id).filter(|_| self.sketch.is_some()) else { return };
        let from = usize::try_from(from).unwrap_or(CELLS).min(CELLS);
        let count = usize::try_from(count).unwrap_or(CELLS).min(CELLS - from);
        if count > 0 {
            link.meeting.send = Some((from, count));
        }
    }

    pub(crate) fn stage_cells(&mut self, id: LinkId, from: usize, count: usize) {
        let cells = self.sketch.as_ref().and_then(|sketch| sketch.cells().get(from..from + count));
        let cells = cells.unwrap_or_default().to_vec();
        self.stage(id, &Frame::Cells { from: from as u64, cells });
    }

    /// The peer has all of its own changes up to here sent: it need not tell of them when we meet again.
    pub(crate) fn take_fed(&mut self, id: LinkId, moment: u64) {
        let Some(link) = self.links.get(&id) else { return };
        let Some(peer) = &link.peer else { return };
        let all_taken =
            link.wants.is_empty() && link.refused == 0 && self.pending_bytes == 0 && self.early.is_empty();
        if all_taken && moment > 0 {
            if self.cursors.len() >= MAX_CURSORS && !self.cursors.contains_key(&peer.id) {
                self.cursors.pop_first();
            }
            let cursor = self.cursors.entry(peer.id).or_default();
            *cursor = moment.max(*cursor);
        }
    }

    /// Looks now and then how far the peers were fed.
    pub(crate) fn look_how_far(&mut self, now: Millis) {
        if self.feed.look_at.is_none_or(|at| at > now) {
            return;
        }
        let fed = self.links.iter().filter(|(_, link)| link.meeting.fed.is_some()).map(|(id, _)| id);
        let fed: Vec<LinkId> = fed.collect();
        let behind = fed.into_iter().filter(|id| !self.feed_further(*id)).count();
        let again = now.saturating_add(self.config.have_interval.saturating_mul(4));
        self.feed.look_at = (behind > 0).then_some(again);
    }

    /// Notes how far a peer was fed: past each change that it has or was told of. What it was told of and
    /// lacks it wants, and while it wants something it takes no cursor. Whether that is all changes.
    fn feed_further(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return true };
        let Some(mut fed) = link.meeting.fed else { return true };
        let Some(changed) = self.feed.since(fed) else { return true };
        let mut all = true;
        for (place, doc) in changed {
            let version = self.docs.get(doc).map(|held| held.version());
            let bulk = link.bulk.as_ref().is_some_and(|bulk| bulk.doc == *doc);
            let told = link.docs.get(doc).zip(version).is_some_and(|(p, version)| p.was_told(version));
            if bulk || !told {
                all = false;
                break;
            }
            fed = place;
        }
        link.meeting.fed = Some(fed);
        link.meeting.tell = fed > link.meeting.told;
        all
    }

    pub(crate) fn stage_fed(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.meeting.told = link.meeting.fed.unwrap_or_default();
        let frame = Frame::Fed(link.meeting.told);
        link.stage(&frame);
    }
}
