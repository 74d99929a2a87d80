//! [`Index`]: under which key each live dot stands.

use alloc::vec::Vec;

use smallvec::SmallVec;

use super::Gathered;
use crate::id::{Dot, ReplicaId, Span};
use crate::sorted::{FEW, SortedMap};

/// Under which key each live dot stands.
///
/// Dots that follow each other under one key are one entry, so what was written in one go below one key of an outer
/// map costs that map nothing.
#[derive(Clone)]
pub(super) enum Index<K> {
    /// Not made: of a part, which is joined to another and not looked through.
    Later,
    /// How many dots there are, while there are few: looking through the entries is as fast then.
    Few(usize),
    /// For each replica, sorted, the first of each run, its last, and the key.
    Many(Vec<(ReplicaId, Runs<K>)>),
}

type Runs<K> = SortedMap<u64, (u64, K)>;

impl<K> Default for Index<K> {
    fn default() -> Self {
        Index::Few(0)
    }
}

impl<K: Ord + Clone> Index<K> {
    /// The index of these dots, each with the number of its key; `None` when one dot stands under two.
    pub(super) fn of(dots: Gathered<u32>, key: impl Fn(u32) -> K) -> Option<Self> {
        let dots = dots.sorted()?;
        if dots.len() <= FEW {
            return Some(Index::Few(dots.len()));
        }
        let follows = |a: &(Dot, u32), b: &(Dot, u32)| a.1 == b.1 && a.0.seq + 1 == b.0.seq;
        let run = |run: &[(Dot, u32)]| (run[0].0.seq, (run[run.len() - 1].0.seq, key(run[0].1)));
        let runs = |dots: &[(Dot, u32)]| Runs::from_sorted(dots.chunk_by(follows).map(run).collect());
        let replicas = dots.chunk_by(|a, b| a.0.replica == b.0.replica);
        Some(Index::Many(replicas.map(|dots| (dots[0].0.replica, runs(dots))).collect()))
    }

    /// The index of so many dots, if they are few.
    pub(super) fn few(dots: usize) -> Option<Self> {
        (dots <= FEW).then_some(Index::Few(dots))
    }

    /// Whether it is to be made now that the map changes: the dots have become too many to do without.
    pub(super) fn is_due(&self) -> bool {
        matches!(self, Index::Few(dots) if *dots > FEW) || matches!(self, Index::Later)
    }

    /// Notes that dots came and went under one key.
    pub(super) fn note(&mut self, key: K, added: &[Dot], removed: &[Dot]) {
        match self {
            Index::Later => {}
            Index::Few(dots) => *dots = (*dots + added.len()).saturating_sub(removed.len()),
            Index::Many(all) => {
                match added {
                    [] => {}
                    [dot] => insert(all, dot.replica, dot.seq, dot.seq, key),
                    dots => {
                        let mut dots: SmallVec<[Dot; 4]> = dots.into();
                        dots.sort_unstable();
                        for run in dots.chunk_by(|a, b| a.replica == b.replica && a.seq + 1 == b.seq) {
                            insert(all, run[0].replica, run[0].seq, run[run.len() - 1].seq, key.clone());
                        }
                    }
                }
                removed.iter().for_each(|dot| remove(all, *dot));
            }
        }
    }

    /// Notes dots that came, in any order, with their keys. Costs less than one by one.
    pub(super) fn extend(&mut self, mut added: Vec<(Dot, K)>) {
        match self {
            Index::Later => {}
            Index::Few(dots) => *dots += added.len(),
            Index::Many(all) => {
                added.sort_unstable_by_key(|entry| entry.0);
                for (dot, key) in added {
                    insert(all, dot.replica, dot.seq, dot.seq, key);
                }
            }
        }
    }

    /// Forgets that a dot is live.
    pub(super) fn remove(&mut self, dot: Dot) {
        match self {
            Index::Later => {}
            Index::Few(dots) => *dots = dots.saturating_sub(1),
            Index::Many(all) => remove(all, dot),
        }
    }

    /// Calls `f` with the keys of the dots in these spans, some more than once; returns false while there is no
    /// index. Costs the spans and what it finds.
    pub(super) fn within<'a>(&'a self, spans: impl Iterator<Item = Span>, mut f: impl FnMut(&'a K)) -> bool {
        let Index::Many(all) = self else { return false };
        for span in spans.filter(|span| span.after < span.to) {
            let Ok(i) = all.binary_search_by_key(&span.replica, |entry| entry.0) else { continue };
            let first = span.after + 1;
            let runs = all[i].1.onward(&first).take_while(|(first, _)| **first <= span.to);
            runs.filter(|(_, (last, _))| *last > span.after).for_each(|(_, (_, key))| f(key));
        }
        true
    }
}

fn insert<K: Ord + Clone>(
    all: &mut Vec<(ReplicaId, Runs<K>)>,
    replica: ReplicaId,
    mut first: u64,
    mut last: u64,
    key: K,
) {
    let i = match all.binary_search_by_key(&replica, |entry| entry.0) {
        Ok(i) => i,
        Err(i) => {
            all.insert(i, (replica, Runs::default()));
            i
        }
    };
    let runs = &mut all[i].1;
    // Most dots are later than all before them.
    let (mut touches, mut is_last) = (false, true);
    if let Some((start, (end, before))) = runs.last_mut() {
        is_last = *start < first;
        touches = *end + 1 == first && *before == key;
        if touches {
            *end = last;
            return;
        }
    }
    if !is_last {
        if let Some((start, (end, before))) = runs.range(0..=first).next_back() {
            touches = *end + 1 == first && *before == key;
            first = if touches { *start } else { first };
        }
        if let Some((end, after)) = runs.get(&(last + 1))
            && *after == key
        {
            let start = last + 1;
            last = *end;
            runs.remove(&start);
        }
    }
    if !touches {
        runs.insert(first, (last, key));
    } else if let Some(run) = runs.get_mut(&first) {
        run.0 = last;
    }
}

fn remove<K: Ord + Clone>(all: &mut Vec<(ReplicaId, Runs<K>)>, dot: Dot) {
    let Ok(i) = all.binary_search_by_key(&dot.replica, |entry| entry.0) else { return };
    let runs = &mut all[i].1;
    let rest = match runs.remove(&dot.seq) {
        Some((last, key)) => (dot.seq < last).then_some((last, key)),
        None => {
            let Some((&first, _)) = runs.range(0..=dot.seq).next_back() else { return };
            let Some((last, key)) = runs.get_mut(&first).filter(|run| run.0 >= dot.seq) else { return };
            let rest = (dot.seq < *last).then(|| (*last, key.clone()));
            *last = dot.seq - 1;
            rest
        }
    };
    rest.into_iter().for_each(|run| drop(runs.insert(dot.seq + 1, run)));
    if runs.is_empty() {
        all.remove(i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::vec;
    use proptest::prelude::*;

    fn dot(seq: u64) -> Dot {
        Dot::new(ReplicaId::from_u128(1), seq)
    }

    /// How many dots are counted; `None` if it is no count.
    fn count(index: &Index<u8>) -> Option<usize> {
        let Index::Few(dots) = index else { return None };
        Some(*dots)
    }

    #[test]
    fn few_dots_are_counted_and_more_are_due() {
        let mut index = Index::default();
        index.note(1, &[dot(1), dot(2), dot(3)], &[]);
        index.note(1, &[dot(4), dot(5)], &[dot(1)]);
        assert_eq!(count(&index), Some(4));
        index.remove(dot(2));
        assert_eq!(count(&index), Some(3));
        index.extend(vec![(dot(6), 1), (dot(7), 2)]);
        assert_eq!(count(&index), Some(5));
        index.extend((8..8 + FEW as u64 - 5).map(|seq| (dot(seq), 1)).collect());
        assert_eq!((count(&index), index.is_due()), (Some(FEW), false));
        index.note(1, &[dot(99)], &[]);
        assert!(index.is_due());
        assert!(Index::<u8>::Later.is_due() && !Index::<u8>::Many(Vec::new()).is_due());
        assert_eq!(Index::<u8>::few(FEW).as_ref().and_then(count), Some(FEW));
        assert!(Index::<u8>::few(FEW + 1).is_none());
    }

    #[test]
    fn dots_of_two_replicas_are_no_run() {
        let mut index = Index::Many(Vec::new());
        let other = Dot::new(ReplicaId::from_u128(2), 6);
        index.note(1, &[dot(5), other], &[]);
        for (dot, wanted) in [(dot(5), 1), (dot(6), 0), (other, 1)] {
            let span = Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq };
            let mut found = 0;
            index.within(core::iter::once(span), |_| found += 1);
            assert_eq!(found, wanted, "{dot:?}");
        }
    }

    #[test]
    fn an_index_is_made_of_more_than_few() {
        let of = |dots: u64| {
            let mut gathered = Gathered::new();
            (1..=dots).for_each(|seq| gathered.push(dot(seq), 0));
            Index::of(gathered, |_| 0u8).unwrap()
        };
        assert_eq!(count(&of(FEW as u64)), Some(FEW));
        let Index::Many(all) = of(FEW as u64 + 1) else { panic!("no index") };
        assert_eq!(all[0].1.len(), 1, "dots that follow each other under one key are one entry");
    }

    proptest! {
        #[test]
        fn it_finds_what_is_live(steps in prop::collection::vec((0u128..3, 1u64..40, 0u8..3), 0..300)) {
            let (mut index, mut model) = (Index::Many(Vec::new()), BTreeMap::new());
            for (replica, seq, key) in steps {
                let dot = Dot::new(ReplicaId::from_u128(replica), seq);
                if let Some(key) = model.remove(&dot) {
                    index.note(key, &[], &[dot]);
                } else {
                    let dots: Vec<Dot> = (seq..seq + 1 + u64::from(key))
                        .map(|seq| Dot::new(dot.replica, seq))
                        .filter(|dot| !model.contains_key(dot))
                        .collect();
                    index.note(key, &dots, &[]);
                    model.extend(dots.into_iter().map(|dot| (dot, key)));
                }
                let span = Span { replica: dot.replica, after: seq / 2, to: seq };
                let mut found = BTreeSet::new();
                index.within(core::iter::once(span), |key| found.extend([*key]));
                let within = |dot: &Dot| dot.replica == span.replica && span.after < dot.seq && dot.seq <= span.to;
                let wanted: BTreeSet<u8> =
                    model.iter().filter(|(dot, _)| within(dot)).map(|(_, key)| *key).collect();
                prop_assert_eq!(found, wanted);
            }
            let mut dots = Gathered::new();
            model.iter().for_each(|(dot, key)| dots.push(*dot, u32::from(*key)));
            if let (Some(Index::Many(built)), Index::Many(kept)) = (Index::of(dots, |key| key as u8), index) {
                let runs = |all: &[(ReplicaId, Runs<u8>)]| all.iter().map(|(_, runs)| runs.len()).sum::<usize>();
                prop_assert_eq!(runs(&built), runs(&kept));
            }
        }
    }
}
