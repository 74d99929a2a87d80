//! [`Sweep`]: goes over a text from mark to mark and knows which of them win.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::doc::Scalar;
use crate::hlc::Hlc;
use crate::id::Dot;

use super::index::Placed;

/// Where in a range marks start and end, and what they say there. `O(m log m)` for `m` marks in all, and what
/// is asked of it on the way.
#[derive(Clone, Debug)]
pub(in crate::doc) struct Sweep<'a> {
    marks: Vec<Placed<'a>>,
    /// Where each mark starts or ends, in order; with the number of the mark.
    edges: Vec<(usize, usize)>,
    /// How many edges are behind.
    crossed: usize,
    at: usize,
    end: usize,
    /// For each key the marks here, those that win last.
    here: BTreeMap<&'a str, BTreeSet<(Hlc, Dot, usize)>>,
    shown: BTreeMap<&'a str, &'a Scalar>,
}

impl<'a> Sweep<'a> {
    /// Starts at the start of a range, with the marks that cover something in it.
    pub(in crate::doc) fn new(marks: impl Iterator<Item = Placed<'a>>, range: Range<usize>) -> Sweep<'a> {
        let marks: Vec<Placed<'a>> = marks.filter(|mark| mark.start.pos < mark.end.pos).collect();
        let ends = marks.iter().enumerate().flat_map(|(i, mark)| [(mark.start.pos, i), (mark.end.pos, i)]);
        let mut edges: Vec<(usize, usize)> = ends.collect();
        edges.sort_unstable();
        let mut sweep = Sweep {
            marks,
            edges,
            crossed: 0,
            at: range.start,
            end: range.end,
            here: BTreeMap::new(),
            shown: BTreeMap::new(),
        };
        sweep.cross();
        sweep
    }

    /// Where it is.
    pub(in crate::doc) fn at(&self) -> usize {
        self.at
    }

    pub(in crate::doc) fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// What the characters behind have.
    pub(in crate::doc) fn shown(&self) -> &BTreeMap<&'a str, &'a Scalar> {
        &self.shown
    }

    /// The keys that marks here are about, with the marks, the one that wins first.
    pub(in crate::doc) fn marks(
        &self,
    ) -> impl Iterator<Item = (&'a str, impl Iterator<Item = Placed<'a>> + '_)> + '_ {
        self.here.iter().map(|(key, all)| (*key, all.iter().rev().map(|(_, _, mark)| self.marks[*mark])))
    }

    /// Goes to where the next mark starts or ends; whether that changes what is shown.
    pub(in crate::doc) fn step(&mut self) -> bool {
        self.at = self.edges.get(self.crossed).map_or(self.end, |(pos, _)| (*pos).min(self.end));
        !self.is_done() && self.cross()
    }

    /// Takes in what starts and ends here; whether that changes what is shown.
    fn cross(&mut self) -> bool {
        let mut keys: BTreeSet<&'a str> = BTreeSet::new();
        while let Some((pos, i)) = self.edges.get(self.crossed).copied().filter(|(pos, _)| *pos <= self.at) {
            self.crossed += 1;
            let Placed { dot, mark, start, .. } = self.marks[i];
            let all = self.here.entry(&mark.key).or_default();
            let entry = (mark.stamp, dot, i);
            if pos == start.pos {
                all.insert(entry)
            } else {
                all.remove(&entry)
            };
            keys.insert(&mark.key);
        }
        let mut changed = false;
        for key in keys {
            let winner = self.here.get(key).and_then(|all| all.last());
            let value = winner.and_then(|(_, _, mark)| self.marks[*mark].mark.shown());
            let before = match value {
                Some(value) => self.shown.insert(key, value),
                None => self.shown.remove(key),
            };
            changed |= before != value;
            if winner.is_none() {
                self.here.remove(key);
            }
        }
        changed
    }
}

/// The parts of a range in which a key has a value, sorted; those that adjoin with one value are one.
pub(in crate::doc) fn runs<'a>(
    marks: impl Iterator<Item = Placed<'a>>,
    range: Range<usize>,
    key: &str,
) -> Vec<(Range<usize>, &'a Scalar)> {
    let mut runs: Vec<(Range<usize>, &Scalar)> = Vec::new();
    let mut sweep = Sweep::new(marks.filter(|placed| placed.mark.key == key), range);
    while !sweep.is_done() {
        let (from, value) = (sweep.at(), sweep.shown().get(key).copied());
        while !sweep.step() && !sweep.is_done() {}
        runs.extend(value.map(|value| (from..sweep.at(), value)));
    }
    runs
}
