//! The event graph: which events there are, and what each had seen.
//!
//! An event has seen the one before it of its replica and, where its author had meanwhile received others,
//! those named with it. Most events name none, so the graph is small: one entry for each time that an
//! author wrote after receiving something.

mod draw;
mod horizon;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::codec::{DecodeError, Reader, Writer};
use crate::context::DotRanges;
use crate::id::{Dot, ReplicaId, Span};
use crate::pack::Packed;
use crate::sorted::SortedMap;
use crate::version::VersionVector;

pub(crate) use horizon::Horizon;
use horizon::Sightings;

/// Events of a document that build on others than the one before them, with those they build on.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Parents(SortedMap<Dot, Named>);

/// Mostly one: what an author has received is mostly one line of edits.
type Named = SmallVec<[Dot; 1]>;

/// All events of a document as a file has them: what each had seen is taken in when first asked for.
#[derive(Debug)]
pub(crate) struct Order {
    /// All events that are not forgotten, by replica; an empty span for one that has none.
    all: Vec<Span>,
    stored: Packed,
    parents: OnceLock<Parents>,
    order: OnceLock<Vec<Span>>,
}

impl Order {
    /// The order of these events; `stored` has [`Parents`].
    pub(crate) fn new(all: Vec<Span>, stored: Packed) -> Order {
        Order { all, stored, parents: OnceLock::new(), order: OnceLock::new() }
    }

    /// All events in an order in which each comes after those it builds on: the one that depends on nothing
    /// but the events, in which a file has operations.
    pub(crate) fn of(all: &[Span], parents: &Parents) -> Vec<Span> {
        // A document's own events fit together.
        EventGraph::new().order(all, parents).unwrap_or_default()
    }

    pub(crate) fn replicas(&self) -> Vec<ReplicaId> {
        self.all.iter().map(|span| span.replica).collect()
    }

    /// Whether events before these are forgotten.
    pub(crate) fn is_cut(&self) -> bool {
        self.all.iter().any(|span| span.after > 0)
    }

    /// The events, by replica.
    pub(crate) fn events(&self) -> &[Span] {
        &self.all
    }

    /// What the events build on. Nothing, where a forger made the file.
    fn parents(&self) -> &Parents {
        self.parents.get_or_init(|| self.decode().unwrap_or_default())
    }

    fn decode(&self) -> Result<Parents, DecodeError> {
        let (bytes, replicas) = (self.stored.unpack()?, self.replicas());
        let mut r = Reader::new(&bytes, &replicas);
        if self.is_cut() {
            // The heads of what is forgotten, which were read before.
            for _ in 0..r.count(2)? {
                r.dot()?;
            }
        }
        let parents = Parents::decode(&self.all, &mut r)?;
        r.end()?;
        Ok(parents)
    }

    /// The events in [the order](Self::of) that files have.
    pub(crate) fn spans(&self) -> &[Span] {
        self.order.get_or_init(|| Self::of(&self.all, self.parents()))
    }
}

/// Which events a document has, and what each had seen.
///
/// ```
/// use crdt::{Doc, ReplicaId, Replicated, Dot};
/// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
/// let (mut alice, mut bob) = (Doc::new(a), Doc::new(b));
/// alice.transact(0, |tx| tx.put("x", 1));
/// bob.apply(&alice.delta_since(bob.version()))?;
/// bob.transact(0, |tx| tx.put("x", 2));
/// assert_eq!(bob.graph().parents(Dot::new(b, 1)), [Dot::new(a, 1)]);
/// assert_eq!(bob.graph().heads(), [Dot::new(b, 1)]);
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, Default, Debug)]
pub struct EventGraph {
    version: VersionVector,
    /// The events that no other builds on; sorted.
    heads: Vec<Dot>,
    /// Nothing while they are stored.
    parents: Parents,
    /// As they were read from a file; until there are more.
    stored: Option<Arc<Order>>,
    horizon: Horizon,
    /// Which events have seen how much of what is forgotten; `None` until that is asked.
    sightings: Option<Sightings>,
}

impl PartialEq for EventGraph {
    fn eq(&self, other: &Self) -> bool {
        let state = |graph: &Self| (graph.version.clone(), graph.heads.clone(), graph.horizon.clone());
        state(self) == state(other) && self.named() == other.named()
    }
}

impl Eq for EventGraph {}

/// Why events do not fit a graph; the graph is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GraphError {
    /// They build on events that are not here.
    Missing,
    /// They build on each other in a circle.
    Circle,
    /// Their author had not seen all that is forgotten here.
    Late,
}

messages! { GraphError {
    Self::Missing => "events that these build on are not here",
    Self::Circle => "events that build on each other in a circle",
    Self::Late => "events that were written without having seen all that is forgotten here",
} }

impl EventGraph {
    /// No events.
    pub const fn new() -> Self {
        EventGraph {
            version: VersionVector::new(),
            heads: Vec::new(),
            parents: Parents(SortedMap::Few(Vec::new())),
            stored: None,
            horizon: Horizon::new(VersionVector::new(), Vec::new()),
            sightings: None,
        }
    }

    /// The graph that a file has.
    pub(crate) fn restored(
        version: VersionVector,
        heads: Vec<Dot>,
        stored: Arc<Order>,
        horizon: Horizon,
    ) -> Self {
        EventGraph { version, heads, stored: Some(stored), horizon, ..EventGraph::new() }
    }

    /// Which events are forgotten: what they built on is not known any more.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// # use crdt::Replicated;
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// assert!(doc.graph().forgotten().is_empty());
    /// let seen_by_all = doc.version().clone();
    /// doc.forget(&seen_by_all);
    /// assert_eq!(doc.graph().forgotten(), &seen_by_all);
    /// ```
    pub fn forgotten(&self) -> &VersionVector {
        self.horizon.cut()
    }

    pub(crate) fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// The events that are not forgotten, by replica; an empty span for a replica that has none.
    pub(crate) fn remembered(&self) -> Vec<Span> {
        let span = |(replica, to)| Span { replica, after: self.horizon.cut().get(replica), to };
        self.version.iter().map(span).collect()
    }

    /// Forgets what the events of a version built on; as far as they are here, and with every event those that it
    /// builds on. Returns which are forgotten now. Costs the events that are not forgotten.
    pub(crate) fn forget(&mut self, version: &VersionVector) -> VersionVector {
        self.own_parents();
        let cut = self.closed(version.meet(&self.version)).merged(self.horizon.cut());
        self.horizon = self.horizon.moved(cut.clone(), &self.parents);
        self.parents.0.retain(|event, _| !cut.contains(*event));
        self.sightings = None;
        cut
    }

    /// The events of a version without those that build on others than these.
    fn closed(&self, mut version: VersionVector) -> VersionVector {
        loop {
            let here = |dot: &Dot| version.contains(*dot) || self.horizon.cut().contains(*dot);
            let open =
                self.parents.0.iter().find(|(event, parents)| here(event) && !parents.iter().all(here));
            let Some(event) = open.map(|(event, _)| *event) else { return version };
            let lower =
                |(replica, seq)| (replica, if replica == event.replica { event.seq - 1 } else { seq });
            version = version.iter().map(lower).filter(|(_, seq)| *seq > 0).collect();
        }
    }

    /// Which heads of what is forgotten the events here have seen.
    fn sightings(&self) -> Sightings {
        let (spans, parents) = (self.remembered(), self.named());
        let spans: Vec<Span> = spans.into_iter().filter(|span| span.after < span.to).collect();
        let behind = EventGraph { version: self.horizon.cut().clone(), ..EventGraph::new() };
        let ordered = behind.order(&spans, parents).unwrap_or_default();
        self.horizon.sight(&ordered, parents, &Sightings::new(), false).unwrap_or_default()
    }

    /// That events which [`order`](Self::order) has let through were written by those who had seen all that is
    /// forgotten here. What is new about that is for [`extend`](Self::extend).
    pub(crate) fn admit(&mut self, ordered: &[Span], parents: &Parents) -> Result<Sightings, GraphError> {
        if self.horizon.is_none() {
            return Ok(Sightings::new());
        }
        if self.sightings.is_none() {
            self.sightings = Some(self.sightings());
        }
        let known = self.sightings.get_or_insert_default();
        let ordered: Vec<Span> = ordered.iter().copied().filter(|span| span.after < span.to).collect();
        self.horizon.sight(&ordered, parents, known, true).ok_or(GraphError::Late)
    }

    fn named(&self) -> &Parents {
        self.stored.as_ref().map_or(&self.parents, |stored| stored.parents())
    }

    /// What events build on, to be changed.
    fn own_parents(&mut self) -> &mut SortedMap<Dot, Named> {
        if let Some(stored) = self.stored.take() {
            self.parents = stored.parents().clone();
        }
        &mut self.parents.0
    }

    /// Which events there are.
    pub fn version(&self) -> &VersionVector {
        &self.version
    }

    /// The events that no other builds on: what a new event here would have seen.
    pub fn heads(&self) -> &[Dot] {
        &self.heads
    }

    /// What an event builds on besides the event before it of the same replica.
    pub fn parents(&self, event: Dot) -> &[Dot] {
        self.named().0.get(&event).map_or(&[], SmallVec::as_slice)
    }

    /// Whether the author of an event had seen another one; of what is forgotten, whether he has by now, as
    /// everybody. Costs at most the times that authors wrote after receiving something.
    pub(crate) fn saw(&self, event: Dot, other: Dot) -> bool {
        if self.horizon.cut().contains(other) {
            return event != other;
        }
        let (mut reached, mut open) = (VersionVector::new(), vec![event]);
        while let Some(at) = open.pop() {
            if at.replica == other.replica && at.seq >= other.seq {
                return event != other;
            }
            let before = reached.get(at.replica);
            if before < at.seq {
                reached.advance(at.replica, at.seq);
                let named = self.named().0.range(Dot::new(at.replica, before + 1)..=at);
                open.extend(named.flat_map(|(_, parents)| parents));
            }
        }
        false
    }

    /// The events here that the author of an event had not seen; `None` of one that is forgotten.
    pub(crate) fn unseen_by(&self, event: Dot) -> Option<Vec<Span>> {
        if self.horizon.cut().contains(event) {
            return None;
        }
        let (mut seen, mut open) = (self.horizon.cut().clone(), vec![event]);
        while let Some(at) = open.pop() {
            let before = seen.get(at.replica);
            if before < at.seq {
                seen.advance(at.replica, at.seq);
                let named = self.named().0.range(Dot::new(at.replica, before + 1)..=at);
                open.extend(named.flat_map(|(_, parents)| parents));
            }
        }
        Some(self.version.since(&seen).collect())
    }

    /// The first of these events, up to the last whose author had not seen another: from the next on he had.
    pub(crate) fn unaware(&self, span: Span, of: Dot) -> Span {
        let (mut unaware, mut aware) = (span.after, span.to + 1);
        while unaware + 1 < aware {
            let middle = unaware + (aware - unaware) / 2;
            let saw = self.saw(Dot::new(span.replica, middle), of);
            *(if saw { &mut aware } else { &mut unaware }) = middle;
        }
        Span { to: unaware, ..span }
    }

    /// Adds `count` new events of `author`, which has seen everything here. Returns the first's number.
    pub(crate) fn append(&mut self, author: ReplicaId, count: u64) -> u64 {
        let last = self.version.take(author, count);
        if let Some(sightings) = &mut self.sightings {
            self.horizon.sight_all(Dot::new(author, last + 1), sightings);
        }
        match self.heads.as_mut_slice() {
            // Most events follow one of the same author, with nothing received between.
            [head] if head.replica == author => head.seq = last + count,
            heads => {
                let others: Named = heads.iter().filter(|head| head.replica != author).copied().collect();
                if !others.is_empty() {
                    self.own_parents().insert(Dot::new(author, last + 1), others);
                }
                self.heads = vec![Dot::new(author, last + count)];
            }
        }
        last + 1
    }

    /// The events of `spans` in an order in which each comes after those it builds on, as runs; without
    /// those that are here already.
    pub(crate) fn order(&self, spans: &[Span], parents: &Parents) -> Result<Vec<Span>, GraphError> {
        if let ([span], true) = (spans, parents.0.is_empty()) {
            let seen = self.version.get(span.replica);
            let novel = Span { after: seen.max(span.after), ..*span };
            return if span.after <= seen { Ok(vec![novel]) } else { Err(GraphError::Missing) };
        }
        Sorting::new(self, spans, parents)?.run()
    }

    /// The version of one at `since` after the next events, in an order in which each comes after those it builds
    /// on: `events` of them, or more, so that these `with` are among them. All there is when `since` is no version that
    /// can take them. `O(what it lacks)`.
    pub(crate) fn step(&self, since: &VersionVector, mut events: u64, with: &BTreeSet<Dot>) -> VersionVector {
        let spans: Vec<Span> = self.version.since(since).collect();
        let there = EventGraph { version: since.clone(), ..EventGraph::new() };
        let Ok(order) = there.order(&spans, &self.parents_in(&spans)) else { return self.version.clone() };
        let with_in = |span: &Span| {
            let (first, last) = (Dot::new(span.replica, span.after + 1), Dot::new(span.replica, span.to));
            with.range(first..=last).next_back().map(|dot| dot.seq - span.after)
        };
        let last_with = order.iter().rposition(|span| with_in(span).is_some());
        let mut version = since.meet(&self.version);
        for (i, span) in order.iter().enumerate() {
            let wanted = match last_with {
                Some(last) if i < last => span.len(),
                Some(last) if i == last => with_in(span).unwrap_or(0),
                _ => 0,
            };
            let taken = span.len().min(events.max(wanted));
            version.advance(span.replica, span.after + taken);
            events = events.saturating_sub(taken);
            if events == 0 && last_with.is_none_or(|last| i >= last) {
                break;
            }
        }
        version
    }

    /// Adds events that [`order`](Self::order) and [`admit`](Self::admit) have let through.
    pub(crate) fn extend(&mut self, ordered: &[Span], parents: &Parents, seen: Sightings) {
        self.sightings.iter_mut().for_each(|sightings| sightings.extend(seen.clone()));
        if let [span] = ordered {
            self.replace_heads(span, parents.0.get(&Dot::new(span.replica, span.after + 1)));
        } else {
            self.replace_many_heads(ordered, parents);
        }
        let new = parents.0.iter().filter(|(event, _)| !self.version.contains(**event));
        let mut new = new.map(|(event, named)| (*event, named.clone())).peekable();
        if new.peek().is_some() {
            let new: SmallVec<[(Dot, Named); 1]> = new.collect();
            self.own_parents().extend_sorted(new);
        }
        if let [span] = ordered {
            self.version.advance(span.replica, span.to);
        } else {
            self.version.merge(&ordered.iter().map(|span| (span.replica, span.to)).collect());
        }
    }

    /// [`replace_heads`](Self::replace_heads) for many at once: an event builds on none after it in their order, so the
    /// heads are those that were and the last of each, without what any builds on.
    fn replace_many_heads(&mut self, ordered: &[Span], parents: &Parents) {
        let first = |span: &Span| Dot::new(span.replica, span.after + 1);
        let named = ordered.iter().filter_map(|span| parents.0.get(&first(span))).flatten().copied();
        let before =
            ordered.iter().filter(|span| span.after > 0).map(|span| Dot::new(span.replica, span.after));
        let mut gone: Vec<Dot> = named.chain(before).collect();
        gone.dedup(); // many may have begun where one left off
        gone.sort_unstable();
        self.heads.extend(ordered.iter().map(|span| Dot::new(span.replica, span.to)));
        self.heads.retain(|head| gone.binary_search(head).is_err());
        self.heads.sort(); // two runs: merged in one pass
    }

    /// Puts the last event of a span in place of what its first builds on. There is one head for each replica at
    /// most, so they stay sorted where only a number grows.
    fn replace_heads(&mut self, span: &Span, named: Option<&Named>) {
        let before = Dot::new(span.replica, span.after);
        if let (Ok(head), None) = (self.heads.binary_search(&before), named) {
            self.heads[head].seq = span.to;
            return;
        }
        let before = (span.after > 0).then_some(&before);
        for gone in named.into_iter().flatten().chain(before) {
            if let Ok(head) = self.heads.binary_search(gone) {
                self.heads.remove(head);
            }
        }
        let last = Dot::new(span.replica, span.to);
        let at = self.heads.partition_point(|head| *head < last);
        self.heads.insert(at, last);
    }

    /// What the events of `spans` build on.
    pub(crate) fn parents_in(&self, spans: &[Span]) -> Parents {
        let some = spans.iter().filter(|span| span.after < span.to);
        let in_span = |span: &Span| {
            let first = Dot::new(span.replica, span.after.saturating_add(1));
            self.named().0.range(first..=Dot::new(span.replica, span.to)).map(|(dot, p)| (*dot, p.clone()))
        };
        Parents(some.flat_map(in_span).collect())
    }
}

/// The work of [`EventGraph::order`]: runs each span as far as what it builds on is there, and takes it up
/// again when that has come. `O(spans + parents)`, and a search for each parent.
struct Sorting<'a> {
    graph: &'a EventGraph,
    spans: &'a [Span],
    /// The events that name others, by replica and number.
    named: SmallVec<[(Dot, &'a Named); 2]>,
    /// For each span the last event that is here or in `out`, and the first of `named` behind it.
    next: SmallVec<[(u64, usize); 2]>,
    /// Spans that wait for an event.
    waiting: BTreeMap<Dot, Vec<usize>>,
    out: Vec<Span>,
}

impl<'a> Sorting<'a> {
    /// The spans are sorted.
    fn new(graph: &'a EventGraph, spans: &'a [Span], parents: &'a Parents) -> Result<Self, GraphError> {
        let named: SmallVec<_> = parents.0.iter().map(|(event, named)| (*event, named)).collect();
        let (mut next, mut at) = (SmallVec::with_capacity(spans.len()), 0);
        for span in spans {
            let seen = graph.version.get(span.replica);
            if span.after > seen {
                return Err(GraphError::Missing);
            }
            let last = Dot::new(span.replica, seen.max(span.after));
            at += named[at..].iter().take_while(|(event, _): &&(Dot, _)| *event <= last).count();
            next.push((last.seq, at));
        }
        Ok(Sorting {
            graph,
            spans,
            named,
            next,
            waiting: BTreeMap::new(),
            out: Vec::with_capacity(spans.len()),
        })
    }

    fn run(mut self) -> Result<Vec<Span>, GraphError> {
        let mut ready: SmallVec<[usize; 2]> = (0..self.spans.len()).rev().collect();
        while let Some(i) = ready.pop() {
            let before = self.next[i].0;
            self.advance(i)?;
            let replica = self.spans[i].replica;
            if self.next[i].0 > before && !self.waiting.is_empty() {
                let done = Dot::new(replica, before + 1)..=Dot::new(replica, self.next[i].0);
                let woken: Vec<Dot> = self.waiting.range(done).map(|(dot, _)| *dot).collect();
                ready.extend(woken.iter().filter_map(|dot| self.waiting.remove(dot)).flatten());
            }
        }
        let all_done = self.spans.iter().zip(&self.next).all(|(span, next)| next.0 >= span.to);
        if all_done { Ok(self.out) } else { Err(GraphError::Circle) }
    }

    /// Moves one span on until it is done or waits.
    fn advance(&mut self, i: usize) -> Result<(), GraphError> {
        let span = self.spans[i];
        while self.next[i].0 < span.to {
            let (after, mut at) = self.next[i];
            if let Some((event, parents)) = self.named.get(at)
                && *event == Dot::new(span.replica, after + 1)
            {
                for parent in *parents {
                    if !self.has(*parent)? {
                        self.waiting.entry(*parent).or_default().push(i);
                        return Ok(());
                    }
                }
                at += 1;
            }
            let next = self.named.get(at).filter(|(event, _)| *event <= Dot::new(span.replica, span.to));
            let to = next.map_or(span.to, |(event, _)| event.seq - 1);
            self.out.push(Span { replica: span.replica, after, to });
            self.next[i] = (to, at);
        }
        Ok(())
    }

    /// Whether an event is here or ordered already; an error if it is not even to come.
    fn has(&self, dot: Dot) -> Result<bool, GraphError> {
        if self.graph.version.contains(dot) {
            return Ok(true);
        }
        match self.spans.binary_search_by_key(&dot.replica, |span| span.replica) {
            Ok(i) if dot.seq <= self.spans[i].to => Ok(dot.seq <= self.next[i].0),
            _ => Err(GraphError::Missing),
        }
    }
}

impl Parents {
    /// The version after those of the ordered runs of events, from `here` on, that hold none that stays `out` and build on
    /// none.
    pub(crate) fn without(&self, here: &VersionVector, ordered: &[Span], out: &DotRanges) -> VersionVector {
        let mut until = here.clone();
        for run in ordered {
            let named = self.0.get(&Dot::new(run.replica, run.after + 1));
            let builds_on_all = named.is_none_or(|named| named.iter().all(|dot| until.contains(*dot)));
            let holds_one = out.intersects(&core::iter::once(*run).collect());
            if until.get(run.replica) == run.after && builds_on_all && !holds_one {
                until.advance(run.replica, run.to);
            }
        }
        until
    }

    /// For each span: how many events name others, then for each the distance from the one before, how
    /// many it names, and those.
    pub(crate) fn encode(&self, spans: &[Span], w: &mut Writer) {
        for span in spans {
            let first = Dot::new(span.replica, span.after + 1);
            let last = Dot::new(span.replica, span.to);
            let named: Vec<_> = if first <= last { self.0.range(first..=last).collect() } else { vec![] };
            w.u64(named.len() as u64);
            let mut at = span.after;
            for (event, parents) in named {
                w.u64(event.seq - at);
                at = event.seq;
                w.u64(parents.len() as u64);
                parents.iter().for_each(|parent| w.dot(*parent));
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote for the same spans.
    pub(crate) fn decode(spans: &[Span], r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut all = Vec::new();
        for span in spans {
            let mut at = span.after;
            for _ in 0..r.count(4)? {
                let step = r.u64()?;
                let event = at.checked_add(step).filter(|event| step > 0 && *event <= span.to);
                at = event.ok_or_else(|| r.invalid("an event outside its span"))?;
                all.push((Dot::new(span.replica, at), decode_parents(span.replica, r)?));
            }
        }
        Ok(Parents(SortedMap::from_sorted(all)))
    }
}

fn decode_parents(of: ReplicaId, r: &mut Reader<'_>) -> Result<Named, DecodeError> {
    let n = r.count(2)?;
    let mut parents = Named::with_capacity(n);
    for _ in 0..n {
        let parent = r.dot()?;
        let sorted = parents.last().is_none_or(|last| last.replica < parent.replica);
        if !sorted || parent.replica == of {
            return Err(r.invalid("parents are sorted, one for each other replica"));
        }
        parents.push(parent);
    }
    if parents.is_empty() { Err(r.invalid("an event that names no parents")) } else { Ok(parents) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Doc, Replicated};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// A cache of what every sixteenth event had seen left events out where histories had met, and whatever asked
        /// it was told nonsense (automerge 3df5fb6).
        #[test]
        fn who_saw_whom_is_as_a_walk_says(steps in prop::collection::vec((0..4usize, 0..4usize), 0..60)) {
            let mut docs: Vec<Doc> = (1..=4).map(|n| Doc::new(ReplicaId::from_u128(n))).collect();
            let meet = |docs: &mut Vec<Doc>, to: usize, from: usize| {
                let lacks = docs[from].delta_since(docs[to].version());
                docs[to].apply(&lacks).map(|_| ())
            };
            for (to, from) in steps {
                match to == from {
                    true => docs[to].transact(0, |tx| tx.counter("n").add(1)),
                    false => meet(&mut docs, to, from)?,
                }
            }
            for from in 1..4 {
                meet(&mut docs, 0, from)?;
            }
            let graph = docs[0].graph();
            let events = graph.version().iter().flat_map(|(id, last)| (1..=last).map(move |seq| Dot::new(id, seq)));
            let all: Vec<Dot> = events.collect();
            for event in &all {
                let (mut past, mut open) = (BTreeSet::new(), vec![*event]);
                while let Some(at) = open.pop() {
                    let before = (at.seq > 1).then(|| Dot::new(at.replica, at.seq - 1));
                    let causes = graph.parents(at).iter().copied().chain(before);
                    open.extend(causes.filter(|cause| past.insert(*cause)));
                }
                for other in all.iter().filter(|other| *other != event) {
                    prop_assert_eq!(graph.saw(*event, *other), past.contains(other), "{} saw {}", event, other);
                }
            }
        }
    }
}
