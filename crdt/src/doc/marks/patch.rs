//! What a change did to the attributes of a text, as [`Patch`]es.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::doc::{Patch, Scalar};
use crate::id::{Dot, Span};
use crate::sorted::few;
use crate::text::Text;

use super::index::{Index, Placed, Rank};
use super::sweep::{Sweep, runs};
use super::{Made, News};

/// For each key the ranges where it has another value than before, with that value.
type Found<'a> = BTreeMap<&'a str, Vec<(Range<usize>, Option<&'a Scalar>)>>;

/// The patches of a text at a pointer, of which `news` came and went, and in which `inserted` was written: each
/// of these spans in one place, and what stands within it later still. What was inserted had no attributes.
///
/// Costs the marks over what was inserted, and those of each changed key over the changed marks.
pub(in crate::doc) fn patches(
    pointer: &str,
    text: &Text,
    index: &Index,
    news: &News,
    inserted: &[Span],
) -> Vec<Patch> {
    let new = inserted.iter().filter_map(|span| {
        let (from, _) = text.place_of(Dot::new(span.replica, span.after + 1))?;
        let (last, visible) = text.place_of(Dot::new(span.replica, span.to))?;
        Some(from..last + usize::from(visible))
    });
    let new = union(new.collect());
    let mut found = Found::new();
    for range in &new {
        note_all(text, index, range.clone(), &mut found);
    }
    let mut changed: BTreeMap<&str, Vec<Range<usize>>> = BTreeMap::new();
    for made in news.added.iter().chain(&news.removed) {
        if let Some(Placed { start, end, .. }) = Placed::new(made, text) {
            changed.entry(&made.1.key).or_default().push(start.pos..end.pos.max(start.pos));
        }
    }
    for (key, ranges) in changed {
        for range in without(&union(ranges), &new) {
            note_key(text, index, news, (key, range), &mut found);
        }
    }
    into_patches(pointer, found)
}

/// Notes all attributes of what is new.
fn note_all<'a>(text: &'a Text, index: &'a Index, range: Range<usize>, found: &mut Found<'a>) {
    let marks = index.between(Rank::before(range.start), Rank::behind(range.end), text);
    let mut sweep = Sweep::new(marks, range);
    while !sweep.is_done() {
        let (from, shown) = (sweep.at(), sweep.shown().clone());
        sweep.step();
        for (key, value) in shown {
            found.entry(key).or_default().push((from..sweep.at(), Some(value)));
        }
    }
}

/// Notes where in a range a key has another value than before.
fn note_key<'a>(
    text: &'a Text,
    index: &'a Index,
    news: &'a News,
    (key, range): (&'a str, Range<usize>),
    found: &mut Found<'a>,
) {
    let (from, to) = (Rank::before(range.start), Rank::behind(range.end));
    let added: BTreeSet<Dot> = news.added.iter().map(|(dot, _)| *dot).collect();
    let kept = index.between(from, to, text).filter(|placed| !added.contains(&placed.dot));
    let gone = news.removed.iter().filter_map(|made: &Made| Placed::new(made, text));
    let before = runs(kept.chain(gone), range.clone(), key);
    let now = runs(index.between(from, to, text), range.clone(), key);
    let ends = before.iter().chain(&now).flat_map(|(range, _)| [range.start, range.end]);
    let cuts: BTreeSet<usize> = few(ends.chain([range.start, range.end]));
    let cuts: Vec<usize> = cuts.into_iter().collect();
    for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
        let value = value_at(&now, *from);
        if value != value_at(&before, *from) {
            found.entry(key).or_default().push((*from..*to, value));
        }
    }
}

fn value_at<'a>(runs: &[(Range<usize>, &'a Scalar)], pos: usize) -> Option<&'a Scalar> {
    let (range, value) = runs.get(runs.partition_point(|(range, _)| range.end <= pos))?;
    (range.start <= pos).then_some(value)
}

fn into_patches(pointer: &str, found: Found<'_>) -> Vec<Patch> {
    let mut all: Vec<(Range<usize>, &str, Option<&Scalar>)> = Vec::new();
    for (key, mut ranges) in found {
        ranges.sort_unstable_by_key(|(range, _)| range.start);
        for (range, value) in ranges {
            match all.last_mut().filter(|(last, k, v)| *k == key && last.end == range.start && *v == value) {
                Some((last, ..)) => last.end = range.end,
                _ => all.push((range, key, value)),
            }
        }
    }
    all.sort_by_key(|(range, ..)| range.start);
    let patch = |(range, key, value): (Range<usize>, &str, Option<&Scalar>)| Patch::Mark {
        path: pointer.to_owned(),
        range,
        key: key.to_owned(),
        value: value.cloned(),
    };
    all.into_iter().map(patch).collect()
}

/// Ranges sorted, those that meet made one, without empty ones.
fn union(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut out: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => out.push(range),
        }
    }
    out
}

/// What of some ranges is in no hole; both are sorted and do not meet among themselves.
fn without(ranges: &[Range<usize>], holes: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    for range in ranges {
        let mut from = range.start;
        let first = holes.partition_point(|hole| hole.end <= range.start);
        for hole in holes.iter().skip(first).take_while(|hole| hole.start < range.end) {
            out.push(from..hole.start.max(from));
            from = hole.end;
        }
        out.push(from..range.end.max(from));
    }
    out.retain(|range| !range.is_empty());
    out
}
