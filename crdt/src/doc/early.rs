//! Events stamped for a time that has not come: [`Doc::apply_until`](crate::Replicated::apply_until) takes none.

use std::collections::BTreeMap;

use crate::context::DotRanges;
use crate::delta::{ApplyError, Delta, Replicated};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};

use super::Doc;
use super::node::{Node, Places};

/// Who writes over what is here stamps each event one step later, so a difference may be so many steps later than all
/// that is here as it has events; not more than this, since a forger can claim any number.
const MOST_STEPS: u64 = 1 << 16;

/// How often the part of a difference that may be taken is made smaller, so that it shows no state that never was.
const MOST_ROUNDS: usize = 64;

impl Doc {
    /// That no event of a delta which is new here, and by which something in `places` was written, is stamped later than
    /// may be.
    pub(super) fn admit_stamps(
        &self,
        delta: &Delta,
        places: &Places,
        latest_ms: u64,
    ) -> Result<(), ApplyError> {
        let early = self.early(delta.events(), places, latest_ms);
        if early.is_empty() {
            return Ok(());
        }
        let mut stamps: BTreeMap<ReplicaId, Hlc> = BTreeMap::new();
        early.into_iter().for_each(|(dot, stamp)| stamps.entry(dot.replica).or_default().observe(stamp));
        Err(ApplyError::Early(stamps))
    }

    /// Events that are new here and stamped later than may be, of so many that come.
    fn early(&self, events: u64, places: &Places, latest_ms: u64) -> Vec<(Dot, Hlc)> {
        let mut early = Vec::new();
        if latest_ms < u64::MAX {
            each_stamp(places, &mut |dot, stamp| {
                if stamp.millis() > latest_ms && !self.graph.version().contains(dot) {
                    early.push((dot, stamp));
                }
            });
        }
        if !early.is_empty() {
            let mut here = Hlc::ZERO;
            each_stamp(&self.tree, &mut |_, stamp| here.observe(stamp));
            let follows = Hlc::from_bits(here.to_bits().saturating_add(events.min(MOST_STEPS)));
            early.retain(|(_, stamp)| here.millis() <= latest_ms || *stamp > follows);
        }
        early
    }

    /// All of a delta but what was written together with, or having seen, events that are early. Whole stretches of an
    /// author's events stay out, so that no transaction is taken in part.
    pub(super) fn part_in_time(&self, delta: &Delta, latest_ms: u64) -> Option<Delta> {
        if delta.events() < 2 {
            return None;
        }
        let mut all = Doc { history: None, undo_log: None, patches: None, ..self.clone() };
        all.apply(delta).ok()?;
        let here = self.version();
        if all.is_behind(here) {
            return None;
        }
        let spans: Vec<Span> = all.version().since(here).collect();
        let parents = all.graph.parents_in(&spans);
        let ordered = self.graph.order(&spans, &parents).ok()?;
        let early = self.early(delta.events(), &all.tree, latest_ms);
        let mut out: DotRanges = early.into_iter().map(|(dot, _)| Span::from(dot)).collect();
        for _ in 0..MOST_ROUNDS {
            let until = parents.without(here, &ordered, &out);
            let spans: Vec<Span> = until.since(here).collect();
            let tree = all.tree_between(&spans, &until, here);
            if spans.is_empty() || !tree.placeholders().iter().all(|dot| until.contains(*dot)) {
                return None;
            }
            if tree.needed.is_empty() {
                return Some(all.plain_delta(here, &until));
            }
            // What is gone by an event that stays out cannot be shown without it.
            let wanted: DotRanges = spans.into_iter().collect();
            for by in tree.needed {
                out.extend(&all.removals.of(by)?.meet(&wanted));
            }
        }
        None
    }
}

/// Calls `f` with each event by which something is shown, or lost, and that has a stamp.
fn each_stamp(places: &Places, f: &mut dyn FnMut(Dot, Hlc)) {
    let mut open = vec![places];
    while let Some(places) = open.pop() {
        for (_, node) in places.iter() {
            open.extend(node.places());
            match node {
                Node::Register(register) => register.each_stamp(f),
                Node::Present(register) => register.each_stamp(f),
                Node::List(list) => list.each_stamp(f),
                Node::Tree(tree) => tree.each_stamp(f),
                Node::Marks(marks) => marks.iter().for_each(|(dot, mark)| f(dot, mark.stamp)),
                Node::Log(log) => log.stamped().for_each(|(stamp, dot, _)| f(dot, stamp)),
                // Of these nothing is decided by time.
                Node::Empty
                | Node::Map(_)
                | Node::Set(_)
                | Node::Counter(_)
                | Node::Flag(_)
                | Node::Values(_)
                | Node::Max(_)
                | Node::Min(_)
                | Node::DwFlag(_)
                | Node::RwSet(_) => {}
            }
        }
    }
}
