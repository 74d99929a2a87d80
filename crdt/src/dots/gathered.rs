//! [`Gathered`]: many dots brought into order.

use alloc::vec::Vec;

#[cfg(feature = "std")]
use crate::context::DotRanges;
#[cfg(feature = "std")]
use crate::id::Span;
use crate::id::{Dot, ReplicaId};

/// Dots with a note each, gathered in any order and then sorted.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    dots: Vec<(Dot, T)>,
    /// Whether each so far came after the one before it.
    in_order: bool,
}

impl<T: Copy> Gathered<T> {
    pub(crate) const fn new() -> Self {
        Gathered { dots: Vec::new(), in_order: true }
    }

    pub(crate) fn push(&mut self, dot: Dot, note: T) {
        if self.dots.capacity() == 0 {
            self.dots.reserve(16); // as many as a small document has
        }
        self.in_order = self.in_order && self.dots.last().is_none_or(|(last, _)| *last < dot);
        self.dots.push((dot, note));
    }

    /// All of them, by dot; `None` when one dot was gathered twice.
    pub(crate) fn sorted(self) -> Option<Vec<(Dot, T)>> {
        if self.in_order {
            return Some(self.dots);
        }
        let mut replicas: Vec<(ReplicaId, Vec<(Dot, T)>)> = Vec::new();
        let mut last = 0;
        for (dot, note) in self.dots {
            if replicas.get(last).is_none_or(|entry| entry.0 != dot.replica) {
                last = replicas.binary_search_by_key(&dot.replica, |entry| entry.0).unwrap_or_else(|i| {
                    replicas.insert(i, (dot.replica, Vec::new()));
                    i
                });
            }
            replicas[last].1.push((dot, note));
        }
        let mut sorted = Vec::new();
        for (_, dots) in replicas {
            by_number(dots, &mut sorted)?;
        }
        Some(sorted)
    }
}

/// The place of a number that no dot has.
const NONE: u32 = u32::MAX;

/// Whether so many dots, the last so far behind the first, get a place for each number between: a document's events are
/// nearly all live.
fn are_dense(distance: u64, dots: usize) -> bool {
    distance < 4 * dots as u64 && dots < NONE as usize
}

/// Appends dots of one replica by their numbers; `None` when one is there twice.
fn by_number<T: Copy>(mut dots: Vec<(Dot, T)>, sorted: &mut Vec<(Dot, T)>) -> Option<()> {
    let numbers = || dots.iter().map(|(dot, _)| dot.seq);
    let (first, last) = (numbers().min()?, numbers().max()?);
    if are_dense(last - first, dots.len()) {
        let mut places = alloc::vec![NONE; (last - first) as usize + 1];
        for (i, (dot, _)) in (0..).zip(&dots) {
            let place = &mut places[(dot.seq - first) as usize];
            if *place != NONE {
                return None;
            }
            *place = i;
        }
        sorted.reserve(dots.len());
        sorted.extend(places.into_iter().filter(|i| *i != NONE).map(|i| dots[i as usize]));
        return Some(());
    }
    dots.sort_unstable_by_key(|entry| entry.0);
    if dots.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return None;
    }
    sorted.append(&mut dots);
    Some(())
}

#[cfg(feature = "std")]
impl Gathered<()> {
    /// The set of them; `None` when one dot was gathered twice.
    pub(crate) fn into_ranges(self) -> Option<DotRanges> {
        let mut set = DotRanges::new();
        for run in self.sorted()?.chunk_by(|(a, ()), (b, ())| a.replica == b.replica && a.seq + 1 == b.seq) {
            let (first, last) = (run[0].0, run[run.len() - 1].0);
            set.insert_span(Span {
                replica: first.replica,
                after: first.seq.saturating_sub(1),
                to: last.seq,
            });
        }
        Some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    #[test]
    fn what_comes_in_order_is_not_sorted() {
        let dot = |replica, seq| Dot::new(ReplicaId::from_u128(replica), seq);
        let gathered = |dots: &[Dot]| {
            let mut gathered = Gathered::new();
            dots.iter().for_each(|dot| gathered.push(*dot, ()));
            gathered
        };
        let one = gathered(&[dot(1, 2)]);
        assert!(one.in_order && one.dots.capacity() == 16);
        assert!(gathered(&[dot(1, 2), dot(1, 3), dot(2, 1)]).in_order);
        assert!(!gathered(&[dot(1, 3), dot(1, 2), dot(1, 4)]).in_order);
        assert!(!gathered(&[dot(1, 3), dot(1, 3)]).in_order);
    }

    #[test]
    fn places_are_made_for_dots_that_stand_close() {
        assert!(are_dense(11, 3) && !are_dense(12, 3) && !are_dense(13, 3));
        assert!(
            are_dense(0, NONE as usize - 1)
                && !are_dense(0, NONE as usize)
                && !are_dense(0, NONE as usize + 1)
        );
    }

    #[cfg(feature = "std")]
    #[test]
    fn runs_of_dots_are_one_range_each() {
        let mut gathered = Gathered::new();
        let dots = [(2, 9), (1, 4), (1, 2), (1, 3), (1, 7), (2, 10)].map(|(replica, seq)| {
            let dot = Dot::new(ReplicaId::from_u128(replica), seq);
            gathered.push(dot, ());
            dot
        });
        assert_eq!(gathered.into_ranges(), Some(dots.into_iter().collect()));
    }

    proptest! {
        #[test]
        fn all_come_in_order(dots in prop::collection::vec((0u128..3, prop_oneof![1u64..60, 1..Dot::MAX_SEQ]), 0..40)) {
            let dots = || dots.iter().map(|(replica, seq)| Dot::new(ReplicaId::from_u128(*replica), *seq));
            let mut gathered = Gathered::new();
            (0u32..).zip(dots()).for_each(|(i, dot)| gathered.push(dot, i));
            let once: BTreeMap<Dot, u32> = dots().zip(0..).collect();
            let wanted = (once.len() == dots().count()).then(|| once.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(gathered.sorted(), wanted);
        }
    }
}
