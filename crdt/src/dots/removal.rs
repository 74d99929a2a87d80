//! [`RemovalLog`]: which event ended which dots.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::DotRanges;
use crate::id::{Dot, Span};
use crate::sorted::SortedMap;
use crate::version::VersionVector;

/// Which event ended which dots: what one who missed the event must still be told.
///
/// The entry of an event includes the entries of the events it ended, which then go: writing one place
/// again and again keeps one entry. That is sound because who has not seen an event has not seen what
/// ended it either. Entries may be dropped once every replica has the event.
///
/// ```
/// use crdt::dots::RemovalLog;
/// use crdt::{Dot, ReplicaId, Span};
/// let a = ReplicaId::from_u128(1);
/// let mut log = RemovalLog::default();
/// log.record(Dot::new(a, 2), [Span { replica: a, after: 0, to: 1 }].into_iter().collect());
/// let second = [Span { replica: a, after: 1, to: 2 }].into_iter().collect();
/// assert!(log.part(&second).removed().contains(Dot::new(a, 1)));
/// ```
#[derive(Clone, Default, Debug)]
pub struct RemovalLog {
    entries: SortedMap<Dot, Removal>,
    /// All dots that were ended.
    ended: DotRanges,
    /// All events whose entries are included in another: none of them has an entry. `None`: all that were ended.
    replaced: Option<Box<DotRanges>>,
}

/// What else it has follows from the entries.
impl PartialEq for RemovalLog {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for RemovalLog {}

/// What an event ended. Fixed by its author, so that every replica has the same.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Removal {
    /// The dots it ended, and those that the events it replaces had ended.
    removed: DotRanges,
    /// The events whose entries are included in this one, all of them among the removed; `None`: just those.
    replaces: Option<Box<DotRanges>>,
}

impl Removal {
    fn new(removed: DotRanges, replaces: DotRanges) -> Self {
        let replaces = (removed != replaces).then(|| Box::new(replaces));
        Removal { removed, replaces }
    }

    fn replaces(&self) -> &DotRanges {
        self.replaces.as_deref().unwrap_or(&self.removed)
    }

    /// The removal of these dots with what the events among them had removed, but for forgotten ones.
    fn including<'a>(
        removed: DotRanges,
        forgotten: &VersionVector,
        included: impl Iterator<Item = &'a Removal> + Clone,
    ) -> Self {
        let mut all = removed.clone();
        included.clone().for_each(|removal| all.extend(&removal.removed));
        let mut replaces = removed;
        let knows_all = replaces.iter_ranges().all(|span| span.after >= forgotten.get(span.replica));
        if knows_all && included.clone().all(|removal| removal.replaces.is_none()) {
            return Removal { removed: all, replaces: None };
        }
        if !knows_all {
            let known = |span: Span| {
                let after = span.after.max(forgotten.get(span.replica));
                (after < span.to).then_some(Span { after, ..span })
            };
            replaces = replaces.iter_ranges().filter_map(known).collect();
        }
        included.for_each(|removal| replaces.extend(removal.replaces()));
        Removal::new(all, replaces)
    }
}

impl RemovalLog {
    /// By how many runs an entry may grow to include others: where runs do not touch, an entry that includes
    /// all before it would grow with every edit, and every difference with it.
    #[cfg(feature = "std")]
    const MAX_INCLUDED: usize = 8;

    /// Whether nothing was ended.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::RemovalLog};
    /// # let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
    /// let mut log = RemovalLog::default();
    /// assert!(log.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::RemovalLog};
    /// # let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
    /// let mut log = RemovalLog::default();
    /// log.record(dot(3), [dot(1), dot(2)].into_iter().collect());
    /// assert_eq!(log.len(), 1); // one for each event that ended something
    /// ```
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that a new event `by` ended these dots. Only its author may say so; others
    /// [`merge`](Self::merge) what the author noted. For a log of which nothing is [forgotten](Self::forget).
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::RemovalLog};
    /// # let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
    /// let mut log = RemovalLog::default();
    /// log.record(dot(2), [dot(1)].into_iter().collect());
    /// assert!(log.removed().contains(dot(1)));
    /// ```
    pub fn record(&mut self, by: Dot, removed: DotRanges) {
        self.record_after(by, removed, &VersionVector::new());
    }

    /// As [`record`](Self::record), for a log that has forgotten the entries of the events of `forgotten`. The
    /// new entry does not stand for those: whoever still has them keeps them.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::RemovalLog};
    /// # let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
    /// let mut log = RemovalLog::default();
    /// # use crdt::VersionVector;
    /// let forgotten: VersionVector = [(ReplicaId::from_u128(1), 2)].into_iter().collect();
    /// log.record_after(dot(4), [dot(3)].into_iter().collect(), &forgotten);
    /// assert!(log.removed().contains(dot(3)));
    /// ```
    pub fn record_after(&mut self, by: Dot, removed: DotRanges, forgotten: &VersionVector) {
        if !removed.is_empty() {
            let included = self.take_within(&removed);
            let removal = if forgotten.is_empty() && included.iter().all(|removal| removal.replaces.is_none())
            {
                let all = included.into_iter().map(|removal| removal.removed);
                Removal { removed: all.fold(removed, DotRanges::united), replaces: None }
            } else {
                Removal::including(removed, forgotten, included.iter())
            };
            self.insert(by, removal);
        }
    }

    /// As [`record`](Self::record), with a bound on what an entry includes: an entry that would grow too large
    /// leaves those of the events it ended where they are. Only for where events come after their causes: who
    /// has an event must have been told what the events it ended had ended.
    #[cfg(feature = "std")]
    pub(crate) fn record_causal(&mut self, by: Dot, removed: DotRanges, forgotten: &VersionVector) {
        if removed.is_empty() {
            return;
        }
        let whole = {
            let included = self.within(&removed).map(|(_, removal)| removal);
            let included: SmallVec<[&Removal; 2]> = included.collect();
            match included.is_empty() && forgotten.is_empty() {
                true => Removal { removed: removed.clone(), replaces: None },
                false => Removal::including(removed.clone(), forgotten, included.iter().copied()),
            }
        };
        if whole.removed.run_count() > removed.run_count() + Self::MAX_INCLUDED {
            self.insert(by, Removal::new(removed, DotRanges::new()));
        } else {
            self.take_within(&removed);
            self.insert(by, whole);
        }
    }

    /// Those among the dots that another log says were ended which something else ended too, here or there; `known` are such
    /// dots here. Costs what the other log has.
    #[cfg(feature = "std")]
    pub(crate) fn ended_twice(&self, known: &DotRanges, other: &RemovalLog) -> DotRanges {
        let (mut twice, mut before) = (DotRanges::new(), DotRanges::new());
        for (_, removal) in other.entries.iter().filter(|(by, _)| self.entries.get(*by).is_none()) {
            let mut met = removal.removed.meet(&before);
            let mut here = removal.removed.meet(&self.ended);
            if !here.is_empty() {
                // What it stands for is no other.
                let mut included = DotRanges::new();
                self.within(removal.replaces()).for_each(|(_, other)| included.extend(&other.removed));
                let other = |span: &Span| {
                    let run: DotRanges = core::iter::once(*span).collect();
                    !included.contains_span(*span) || run.intersects(known)
                };
                here = here.iter_ranges().filter(other).collect();
                met.extend(&here);
            }
            twice.extend(&met);
            before.extend(&removal.removed);
        }
        twice
    }

    /// Notes everything that another log holds.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::RemovalLog};
    /// # let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
    /// let mut log = RemovalLog::default();
    /// let mut other = RemovalLog::default();
    /// other.record(dot(2), [dot(1)].into_iter().collect());
    /// log.merge(&other);
    /// assert_eq!(log, other);
    /// ```
    pub fn merge(&mut self, other: &RemovalLog) {
        for (by, removal) in other.entries.iter() {
            if !self.replaced().contains(*by) {
                self.take_within(removal.replaces());
                self.insert(*by, removal.clone());
            }
        }
    }

    fn replaced(&self) -> &DotRanges {
        self.replaced.as_deref().unwrap_or(&self.ended)
    }

    fn insert(&mut self, by: Dot, removal: Removal) {
        self.note(&removal);
        self.entries.insert(by, removal);
    }

    /// Notes what an entry ended and replaces.
    fn note(&mut self, removal: &Removal) {
        if removal.replaces.is_some() && self.replaced.is_none() {
            self.replaced = Some(Box::new(self.ended.clone()));
        }
        if let Some(replaced) = &mut self.replaced {
            replaced.extend(removal.replaces());
        }
        self.ended.extend(&removal.removed);
    }

    /// The entries of these events. Costs the events' runs and what is returned.
    fn within(&self, events: &DotRanges) -> impl Iterator<Item = (&Dot, &Removal)> {
        let dots = |span: Span| Dot::new(span.replica, span.after + 1)..=Dot::new(span.replica, span.to);
        events.iter_ranges().flat_map(move |span| self.entries.range(dots(span)))
    }

    /// Takes out the entries of these events.
    fn take_within(&mut self, events: &DotRanges) -> SmallVec<[Removal; 1]> {
        if let Some(dot) = events.only_dot() {
            return self.entries.remove(&dot).into_iter().collect();
        }
        let included: SmallVec<[Dot; 1]> = self.within(events).map(|(dot, _)| *dot).collect();
        included.iter().filter_map(|dot| self.entries.remove(dot)).collect()
    }

    /// Drops the entries of events that `stable` has seen; whether there were any.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::RemovalLog};
    /// # let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
    /// let mut log = RemovalLog::default();
    /// log.record(dot(2), [dot(1)].into_iter().collect());
    /// let all_have_seen = [(ReplicaId::from_u128(1), 2)].into_iter().collect();
    /// assert!(log.forget(&all_have_seen) && log.is_empty());
    /// ```
    pub fn forget(&mut self, stable: &VersionVector) -> bool {
        let before = self.entries.len();
        self.entries.retain(|by, _| !stable.contains(*by));
        let any = self.entries.len() < before;
        if any {
            *self = Self::from_entries(core::mem::take(&mut self.entries));
        }
        any
    }

    /// [Merges](Self::merge) what another log holds, but for the entries of forgotten events.
    #[cfg(feature = "std")]
    pub(crate) fn merge_after(&mut self, other: &RemovalLog, forgotten: &VersionVector) {
        if forgotten.is_empty() {
            return self.merge(other);
        }
        let mut news = other.clone();
        news.forget(forgotten);
        self.merge(&news);
    }

    /// The entries of these events.
    #[must_use]
    pub fn part(&self, wanted: &DotRanges) -> RemovalLog {
        let part = self.within(wanted).map(|(by, removal)| (*by, removal.clone()));
        Self::from_entries(SortedMap::from_sorted(part.collect()))
    }

    fn from_entries(entries: SortedMap<Dot, Removal>) -> Self {
        let mut log = RemovalLog::default();
        entries.iter().for_each(|(_, removal)| log.note(removal));
        RemovalLog { entries, ..log }
    }

    /// The entries, by event.
    ///
    /// ```
    /// # use crdt::{Dot, ReplicaId, dots::RemovalLog};
    /// # let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
    /// let mut log = RemovalLog::default();
    /// log.record(dot(2), [dot(1)].into_iter().collect());
    /// let (by, ended) = log.iter().next().unwrap();
    /// assert!(by == dot(2) && ended.contains(dot(1)));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (Dot, &DotRanges)> {
        self.entries.iter().map(|(by, removal)| (*by, &removal.removed))
    }

    /// What an event ended.
    #[cfg(feature = "std")]
    pub(crate) fn of(&self, event: Dot) -> Option<&DotRanges> {
        self.entries.get(&event).map(|removal| &removal.removed)
    }

    /// All dots that were ended.
    pub fn removed(&self) -> &DotRanges {
        &self.ended
    }
}

/// How a log is written whose events are not said, since most differences are of one edit, which ended something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entries {
    /// There are none.
    None,
    /// One, of an event that is known, which replaces just what it ended.
    Of(Dot),
    /// As they are.
    Any,
}

impl Entries {
    /// What the number of a form means.
    pub(crate) fn numbered(number: u8, last: Option<Dot>) -> Option<Entries> {
        match (number, last) {
            (0, _) => Some(Entries::None),
            (1, Some(last)) => Some(Entries::Of(last)),
            (2, _) => Some(Entries::Any),
            _ => None,
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Entries::None => 0,
            Entries::Of(_) => 1,
            Entries::Any => 2,
        }
    }
}

impl RemovalLog {
    /// In which form it is the shortest, in a difference of which this is the last event.
    pub(crate) fn shortest(&self, last: Option<Dot>) -> Entries {
        match (self.entries.len(), last.and_then(|last| Some((last, self.entries.get(&last)?)))) {
            (0, _) => Entries::None,
            (1, Some((last, Removal { replaces: None, .. }))) => Entries::Of(last),
            _ => Entries::Any,
        }
    }

    pub(crate) fn encode_as(&self, form: Entries, w: &mut Writer) {
        match form {
            Entries::None => {}
            Entries::Of(_) => self.ended.encode(w),
            Entries::Any => self.encode(w),
        }
    }

    /// Reads what [`encode_as`](Self::encode_as) wrote in the [shortest](Self::shortest) form.
    pub(crate) fn decode_as(
        form: Entries,
        last: Option<Dot>,
        r: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        let log = match form {
            Entries::None => RemovalLog::default(),
            Entries::Of(last) => {
                let removed = DotRanges::decode(r)?;
                if removed.is_empty() || removed.contains(last) {
                    return Err(r.invalid("a removal of nothing, or of itself"));
                }
                Self::from_entries(SortedMap::from_sorted(vec![(last, Removal { removed, replaces: None })]))
            }
            Entries::Any => Self::decode(r)?,
        };
        if log.shortest(last) == form {
            Ok(log)
        } else {
            Err(r.invalid("removals not in their shortest form"))
        }
    }
}

/// For each entry its event and what it removed; where that is not what it replaces, a zero and that besides. (What
/// was removed is never empty, so it never begins with a zero.)
impl Encode for RemovalLog {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.entries.len() as u64);
        for (by, removal) in self.entries.iter() {
            w.dot(*by);
            if let Some(replaces) = &removal.replaces {
                w.u64(0);
                replaces.encode(w);
            }
            removal.removed.encode(w);
        }
    }
}

impl Decode for RemovalLog {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count(3)?;
        let mut entries: Vec<(Dot, Removal)> = Vec::with_capacity(n.min(16));
        for _ in 0..n {
            let by = r.dot()?;
            if entries.last().is_some_and(|(last, _)| *last >= by) {
                return Err(r.invalid("removals must be sorted"));
            }
            entries.push((by, decode_removal(r)?));
        }
        let log = Self::from_entries(SortedMap::from_sorted(entries));
        if log.entries.keys().any(|by| log.replaced().contains(*by)) {
            return Err(r.invalid("a removal that another includes"));
        }
        Ok(log)
    }
}

fn decode_removal(r: &mut Reader<'_>) -> Result<Removal, DecodeError> {
    let first = DotRanges::decode(r)?;
    if !first.is_empty() {
        return Ok(Removal { removed: first, replaces: None });
    }
    let (replaces, removed) = (DotRanges::decode(r)?, DotRanges::decode(r)?);
    if removed.is_empty() || removed == replaces {
        return Err(r.invalid("a removal of nothing, or in the long form for no reason"));
    }
    if !replaces.iter_ranges().all(|span| removed.contains_span(span)) {
        return Err(r.invalid("a removal that replaces what it does not include"));
    }
    Ok(Removal::new(removed, replaces))
}

#[cfg(test)]
#[cfg(feature = "std")]
mod tests {
    use super::*;
    use crate::id::ReplicaId;

    /// An event that ended one which had ended so many dots that do not touch.
    fn ending(dots: u64) -> RemovalLog {
        let dot = |seq| Dot::new(ReplicaId::from_u128(1), seq);
        let mut log = RemovalLog::default();
        log.record_causal(dot(100), (1..=dots).map(|n| dot(2 * n)).collect(), &VersionVector::new());
        log.record_causal(dot(200), core::iter::once(dot(100)).collect(), &VersionVector::new());
        log
    }

    #[test]
    fn an_entry_includes_others_while_it_stays_small() {
        let most = RemovalLog::MAX_INCLUDED as u64;
        assert_eq!((ending(1).len(), ending(most).len()), (1, 1));
        assert_eq!((ending(most + 1).len(), ending(most + 2).len()), (2, 2));
    }
}
