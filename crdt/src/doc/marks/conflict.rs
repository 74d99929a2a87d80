//! Where concurrent marks of one key say different things of the same characters.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::doc::{Candidate, Conflict, MarkedRange, Rule};
use crate::graph::EventGraph;
use crate::id::{Dot, ReplicaId};
use crate::text::Text;

use super::index::{Index, Placed, Rank};
use super::sweep::Sweep;

/// How many authors' marks of one key are compared at one place; those that would win after them are left out.
const MAX_AUTHORS: usize = 16;

/// One place with the marks that met there, the one that won first.
struct Met<'a> {
    key: &'a str,
    range: Range<usize>,
    marks: Vec<Placed<'a>>,
}

/// The conflicts in a range of a text; `pointer` says where that is.
pub(in crate::doc) fn conflicts(
    pointer: &str,
    (text, index): (&Text, &Index),
    graph: &EventGraph,
    range: Range<usize>,
) -> Vec<(Conflict, BTreeSet<Dot>)> {
    let (from, to) = (Rank::before(range.start), Rank::behind(range.end));
    let mut sweep = Sweep::new(index.between(from, to, text), range);
    let mut seen = BTreeMap::new();
    let mut found: Vec<Met<'_>> = Vec::new();
    while !sweep.is_done() {
        let from = sweep.at();
        let here: Vec<(&str, Vec<Placed<'_>>)> =
            sweep.marks().map(|(key, marks)| (key, contenders(marks, graph, &mut seen))).collect();
        sweep.step();
        for (key, marks) in here.into_iter().filter(|(_, marks)| marks.len() > 1) {
            let goes_on = |met: &&mut Met<'_>| {
                met.key == key
                    && met.range.end == from
                    && met.marks.iter().map(|placed| placed.dot).eq(marks.iter().map(|placed| placed.dot))
            };
            match found.iter_mut().rev().find(goes_on) {
                Some(met) => met.range.end = sweep.at(),
                None => found.push(Met { key, range: from..sweep.at(), marks }),
            }
        }
    }
    found.into_iter().filter_map(|met| met.into_conflict(pointer)).collect()
}

/// The marks of one key that nobody who wrote another of them had seen; without those that say what the winner says.
fn contenders<'a>(
    marks: impl Iterator<Item = Placed<'a>>,
    graph: &EventGraph,
    seen: &mut BTreeMap<(Dot, Dot), bool>,
) -> Vec<Placed<'a>> {
    // Of one author's marks each has seen those before it.
    let (mut authors, mut last): (BTreeSet<ReplicaId>, Vec<Placed<'a>>) = Default::default();
    last.extend(marks.filter(|placed| authors.insert(placed.dot.replica)).take(MAX_AUTHORS));
    let mut saw = |a: Dot, b: Dot| *seen.entry((a, b)).or_insert_with(|| graph.saw(a, b));
    let Some(winner) = last.first().copied() else { return last };
    let mut out = vec![winner];
    for (i, placed) in last.iter().enumerate().skip(1) {
        // Only one that wins can have seen it: stamps grow with what was seen.
        let old = last.iter().take(i).any(|later| saw(later.dot, placed.dot));
        if !old && placed.mark.value != winner.mark.value {
            out.push(*placed);
        }
    }
    out
}

impl Met<'_> {
    fn into_conflict(self, path: &str) -> Option<(Conflict, BTreeSet<Dot>)> {
        let dots = self.marks.iter().map(|placed| placed.dot).collect();
        let mut all = self.marks.iter().map(|placed| Candidate {
            value: placed.mark.value.clone(),
            author: placed.dot.replica,
            stamp: Some(placed.mark.stamp),
        });
        let winner = all.next()?;
        let mark = Some(MarkedRange { key: self.key.to_owned(), range: self.range });
        let conflict = Conflict {
            path: path.to_owned(),
            mark,
            item: None,
            rule: Rule::Later,
            winner,
            losers: all.collect(),
        };
        Some((conflict, dots))
    }
}
