//! Counters: [`GCounter`], [`PnCounter`], [`BoundedCounter`].

mod bounded;
mod grow;
mod pos_neg;

use alloc::vec::Vec;
use core::fmt::Debug;
use core::ops::Range;

use smallvec::SmallVec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::id::{Dot, ReplicaId, Span};
use crate::sorted::{Walk, are_few};

pub use bounded::{BoundedCounter, NotEnoughRights};
pub use grow::GCounter;
pub use pos_neg::PnCounter;

/// For each replica its last event here and its running total. What all counters are made of.
///
/// Where changes came out of order an earlier event of a replica may be there too, until it is known to have ended: were
/// it left out for the later one, and that one then removed, nobody could tell whether it is to be shown.
#[derive(Clone, Default, Debug)]
struct Totals<N> {
    /// Sorted by dot.
    entries: Vec<(Dot, N)>,
    /// What the last totals come to, so that reading costs nothing.
    sum: i128,
}

/// What one replica counted.
trait Total: Clone + Default + PartialEq + Debug {
    /// What it adds to the sum. Within 65 bits, so no sum of totals runs over.
    fn net(&self) -> i128;
}

impl<N: PartialEq> PartialEq for Totals<N> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<N: Total> Totals<N> {
    fn new(entries: Vec<(Dot, N)>) -> Self {
        let mut totals = Totals { entries, sum: 0 };
        totals.sum = totals.all();
        totals
    }

    /// What the last totals come to, added up.
    fn all(&self) -> i128 {
        self.lasts().map(|(_, total)| total.net()).sum()
    }

    /// Where the entries of a replica are.
    fn place(&self, replica: ReplicaId) -> Range<usize> {
        let start = self.entries.partition_point(|entry| entry.0.replica < replica);
        let own = self.entries[start..].iter().take_while(|entry| entry.0.replica == replica);
        start..start + own.count()
    }

    /// What a replica's last entry is.
    fn last(&self, replica: ReplicaId) -> Option<&N> {
        let end = self.entries.partition_point(|entry| entry.0.replica <= replica);
        self.entries[..end].last().filter(|entry| entry.0.replica == replica).map(|entry| &entry.1)
    }

    /// The last entry of each replica.
    fn lasts(&self) -> impl Iterator<Item = &(Dot, N)> {
        self.entries.chunk_by(|a, b| a.0.replica == b.0.replica).filter_map(|own| own.last())
    }

    fn by_replica(&self) -> impl Iterator<Item = (ReplicaId, i128)> {
        self.lasts().map(|(dot, total)| (dot.replica, total.net()))
    }

    fn update(&mut self, cx: &mut Cx, f: impl FnOnce(&mut N)) {
        let place = self.place(cx.author());
        let own = &self.entries[place.clone()];
        own.iter().for_each(|entry| cx.remove(entry.0));
        let mut total = own.last().map(|entry| entry.1.clone()).unwrap_or_default();
        self.sum -= total.net();
        f(&mut total);
        self.sum += total.net();
        let entry = (cx.add(), total);
        match place.len() {
            1 => self.entries[place.start] = entry,
            _ => drop(self.entries.splice(place, [entry])),
        }
    }

    /// The join with what is no small part of this, in one pass over both.
    fn join_many(
        &mut self,
        ours: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        changes: &mut Changes,
    ) {
        let (mut ours, mut theirs) = (ours.in_order(), theirs.in_order());
        let mut all = Vec::with_capacity(self.entries.len().max(other.entries.len()));
        let mut there = other.entries.iter().peekable();
        let here = self.entries.drain(..).map(Some).chain([None]); // the end, after which come the others
        for entry in here {
            let before = |new: &&(Dot, N)| entry.as_ref().is_none_or(|entry| new.0 < entry.0);
            while let Some(new) = there.next_if(before) {
                if !ours.contains(new.0) {
                    changes.add(new.0);
                    all.push(new.clone());
                }
            }
            let Some(entry) = entry else { break };
            if there.next_if(|same| same.0 == entry.0).is_some() || !theirs.contains(entry.0) {
                all.push(entry);
            } else {
                changes.remove(entry.0);
            }
        }
        *self = Totals::new(all);
    }

    /// The entries whose dots are in one of the spans. Costs the spans and what is returned.
    fn within(&self, spans: impl Iterator<Item = Span>) -> impl Iterator<Item = &(Dot, N)> {
        let mut places = Walk::new(&self.entries);
        spans.flat_map(move |span| {
            let first = Dot::new(span.replica, span.after + 1);
            let (Ok(start) | Err(start)) = places.find(&first);
            let inside = move |dot: Dot| dot.replica == span.replica && dot.seq <= span.to;
            self.entries[start..].iter().take_while(move |entry| inside(entry.0))
        })
    }
}

impl<N: Total> DotStore for Totals<N> {
    fn is_bottom(&self) -> bool {
        self.entries.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.entries.iter().for_each(|entry| f(entry.0));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        if !are_few(other.entries.len(), self.entries.len()) {
            return self.join_many(ours, other, theirs, changes);
        }
        let (mut here, mut there) = (Walk::new(&self.entries), Walk::new(&other.entries));
        let seen = self.within(theirs.iter_ranges()).map(|entry| entry.0);
        let mut gone: SmallVec<[Dot; 4]> = seen.filter(|dot| there.find(dot).is_err()).collect();
        gone.sort_unstable();
        let is_new = |(dot, _): &&(Dot, N)| here.find(dot).is_err() && !ours.contains(*dot);
        let news: SmallVec<[&(Dot, N); 4]> = other.entries.iter().filter(is_new).collect();
        let dots = || gone.iter().copied().chain(news.iter().map(|entry| entry.0));
        let mut touched: SmallVec<[ReplicaId; 4]> = dots().map(|dot| dot.replica).collect();
        touched.sort_unstable();
        touched.dedup();
        let net = |totals: &Self| {
            touched.iter().filter_map(|replica| totals.last(*replica)).map(Total::net).sum::<i128>()
        };
        self.sum -= net(self);
        let (mut replaced, mut added) = (0, Vec::new());
        for entry in news {
            changes.add(entry.0);
            let at = self.entries.partition_point(|here| here.0 < entry.0);
            // Most often one comes in the place of the one before it.
            match at.checked_sub(1).and_then(|i| self.entries.get_mut(i)) {
                Some(before)
                    if before.0.replica == entry.0.replica && gone.binary_search(&before.0).is_ok() =>
                {
                    *before = entry.clone();
                    replaced += 1;
                }
                _ => added.push(entry.clone()),
            }
        }
        if replaced < gone.len() {
            self.entries.retain(|entry| gone.binary_search(&entry.0).is_err());
        }
        if let [entry] = added.as_slice() {
            let at = self.entries.partition_point(|here| here.0 < entry.0);
            self.entries.insert(at, entry.clone());
        } else if !added.is_empty() {
            self.entries.append(&mut added);
            self.entries.sort_by_key(|entry| entry.0); // two sorted lists
        }
        gone.iter().for_each(|dot| changes.remove(*dot));
        self.sum += net(self);
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        Totals::new(self.within(wanted.iter_ranges()).cloned().collect())
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let any = !self.entries.is_empty();
        self.entries.drain(..).for_each(|(dot, _)| cx.remove(dot));
        self.sum = 0;
        any
    }
}

impl<N: Encode> Encode for Totals<N> {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (dot, total) in &self.entries {
            w.dot(*dot);
            total.encode(w);
        }
    }
}

impl<N: Total + Decode> Decode for Totals<N> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count(3)?;
        let mut entries: Vec<(Dot, N)> = Vec::with_capacity(n);
        for _ in 0..n {
            let dot = r.dot()?;
            if entries.last().is_some_and(|last| last.0 >= dot) {
                return Err(r.invalid("totals must be sorted"));
            }
            entries.push((dot, N::decode(r)?));
        }
        Ok(Totals::new(entries))
    }
}
