//! [`Gathered`]: many dots brought into order.

use alloc::vec::Vec;

#[cfg(feature = "std")]
use crate::context::DotRanges;
use crate::id::Dot;
#[cfg(feature = "std")]
use crate::id::Span;

/// Dots with a note each, gathered in any order and then sorted.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    dots: Vec<(Dot, T)>,
    /// Whether each so far came after the one before it.
    in_order: bool,
}

impl<T> Gathered<T> {
    pub(crate) const fn new() -> Self {
        Gathered { dots: Vec::new(), in_order: true }
    }

    pub(crate) fn push(&mut self, dot: Dot, note: T) {
        self.in_order = self.in_order && self.dots.last().is_none_or(|(last, _)| *last < dot);
        self.dots.push((dot, note));
    }

    /// All of them, by dot; `None` when one dot was gathered twice.
    pub(crate) fn sorted(mut self) -> Option<Vec<(Dot, T)>> {
        if !self.in_order {
            self.dots.sort_unstable_by_key(|entry| entry.0);
            if self.dots.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return None;
            }
        }
        Some(self.dots)
    }
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
