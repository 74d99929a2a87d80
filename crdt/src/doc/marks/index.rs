//! [`Index`]: the marks of a text in the order of the text, so that those over a place are found.
//!
//! Characters never change their order, so neither do anchors: edits of the text cost the index nothing. It
//! follows from the marks and the text, and is made when it is first asked for.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::hlc::Hlc;
use crate::id::Dot;
use crate::text::{Cursor, Side, Text};

use super::{Made, Mark, Marks};

/// Where an anchor is at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doc) struct Rank {
    /// How many visible characters stand before it.
    pub(in crate::doc) pos: usize,
    spot: Spot,
}

/// Where an anchor is between two visible characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spot {
    /// Right behind the one before.
    First,
    /// Beside a deleted one.
    Amid(Dot, Side),
    /// Right before the one behind.
    Last,
}

impl Rank {
    /// Where an anchor is; `None` beside what is no character of this text. `O(log n)`.
    pub(in crate::doc) fn of(anchor: &Cursor, text: &Text) -> Option<Rank> {
        let (pos, spot) = match (anchor.anchor(), anchor.side()) {
            (None, Side::After) => (0, Spot::First),
            (None, Side::Before) => (text.len(), Spot::Last),
            (Some(dot), side) => match (text.place_of(dot)?, side) {
                ((pos, true), Side::Before) => (pos, Spot::Last),
                ((pos, true), Side::After) => (pos + 1, Spot::First),
                ((pos, false), side) => (pos, Spot::Amid(dot, side)),
            },
        };
        Some(Rank { pos, spot })
    }

    /// Right before a visible character.
    pub(in crate::doc) fn before(pos: usize) -> Rank {
        Rank { pos, spot: Spot::Last }
    }

    /// Right behind the visible character before `pos`.
    pub(in crate::doc) fn behind(pos: usize) -> Rank {
        Rank { pos, spot: Spot::First }
    }

    /// Right behind a character.
    pub(in crate::doc) fn behind_character(dot: Dot, text: &Text) -> Option<Rank> {
        Rank::of(&Cursor::new(Some(dot), Side::After), text)
    }

    pub(in crate::doc) fn cmp(&self, other: &Rank, text: &Text) -> Ordering {
        let class = |spot: &Spot| match spot {
            Spot::First => 0,
            Spot::Amid(..) => 1,
            Spot::Last => 2,
        };
        let coarse = (self.pos, class(&self.spot)).cmp(&(other.pos, class(&other.spot)));
        match (self.spot, other.spot) {
            (Spot::Amid(a, side), Spot::Amid(b, other)) if coarse.is_eq() => {
                let by_character = text.order(a, b).unwrap_or(Ordering::Equal);
                by_character.then((side == Side::After).cmp(&(other == Side::After)))
            }
            _ => coarse,
        }
    }

    /// The deleted character that it is right behind, if it is behind one.
    fn behind_deleted(&self) -> Option<Dot> {
        match self.spot {
            Spot::Amid(dot, Side::After) => Some(dot),
            _ => None,
        }
    }
}

/// A mark and where it is at present.
#[derive(Clone, Copy, Debug)]
pub(in crate::doc) struct Placed<'a> {
    pub(in crate::doc) dot: Dot,
    pub(in crate::doc) mark: &'a Arc<Mark>,
    pub(in crate::doc) start: Rank,
    pub(in crate::doc) end: Rank,
}

impl<'a> Placed<'a> {
    pub(in crate::doc) fn new((dot, mark): &'a Made, text: &Text) -> Option<Placed<'a>> {
        let (start, end) = (Rank::of(&mark.start, text)?, Rank::of(&mark.end, text)?);
        Some(Placed { dot: *dot, mark, start, end })
    }

    /// Which of two marks wins where both are.
    pub(in crate::doc) fn priority(&self) -> (Hlc, Dot) {
        (self.mark.stamp, self.dot)
    }

    /// Whether it covers, now or ever, something between two anchors.
    pub(in crate::doc) fn meets(&self, from: &Rank, to: &Rank, text: &Text) -> bool {
        self.start.cmp(to, text).is_lt() && self.end.cmp(from, text).is_gt()
    }

    /// Whether it covers nothing that is not between two anchors, ever.
    pub(in crate::doc) fn is_within(&self, from: &Rank, to: &Rank, text: &Text) -> bool {
        self.start.cmp(from, text).is_ge() && self.end.cmp(to, text).is_le()
    }
}

/// Marks that start side by side.
#[derive(Clone, Debug)]
struct Block {
    /// By their starts.
    marks: Vec<Made>,
    /// The furthest of their ends.
    reach: Cursor,
}

/// A block with more marks than this is cut in two.
const MAX_BLOCK: usize = if cfg!(debug_assertions) { 4 } else { 64 };

/// The marks of a text by where they start, in blocks that know how far they reach. Finding those over a place
/// looks at each block that starts before it once, and into those that reach it: `O(m / 64 · log n)` for `m`
/// marks, and what is found.
#[derive(Clone, Debug, Default)]
pub(in crate::doc) struct Index {
    blocks: Vec<Block>,
    /// The latest stamp of a mark that was ever here.
    last: Hlc,
}

impl Index {
    pub(in crate::doc) fn new(marks: Option<&Marks>, text: &Text) -> Index {
        let all: Vec<Made> = marks.into_iter().flat_map(Marks::all).collect();
        let mut placed: Vec<Placed<'_>> = all.iter().filter_map(|made| Placed::new(made, text)).collect();
        placed.sort_by(|a, b| a.start.cmp(&b.start, text));
        let last = placed.iter().map(|placed| placed.mark.stamp).max().unwrap_or_default();
        let blocks = placed.chunks(MAX_BLOCK).filter_map(|placed| Block::of(placed, text)).collect();
        Index { blocks, last }
    }

    /// All marks, by their starts.
    pub(in crate::doc) fn iter(&self) -> impl Iterator<Item = &Made> {
        self.blocks.iter().flat_map(|block| &block.marks)
    }

    /// The latest stamp of a mark that was ever here.
    pub(in crate::doc) fn last(&self) -> Hlc {
        self.last
    }

    /// Adds a mark; one beside what is no character of this text covers nothing.
    pub(in crate::doc) fn insert(&mut self, made: Made, text: &Text) {
        let Some(new) = Placed::new(&made, text) else { return };
        self.last.observe(new.mark.stamp);
        let (start, end) = (new.start, new.end);
        let starts_before =
            |(_, mark): &Made| Rank::of(&mark.start, text).is_none_or(|rank| rank.cmp(&start, text).is_lt());
        let at = self.blocks.partition_point(|block| block.marks.first().is_some_and(starts_before));
        let Some(block) = self.blocks.get_mut(at.saturating_sub(1)) else {
            self.blocks.push(Block { reach: made.1.end, marks: vec![made] });
            return;
        };
        if Rank::of(&block.reach, text).is_none_or(|reach| reach.cmp(&end, text).is_lt()) {
            block.reach = made.1.end;
        }
        let within = block.marks.partition_point(starts_before);
        block.marks.insert(within, made);
        if block.marks.len() > MAX_BLOCK {
            let rest = block.marks.split_off(MAX_BLOCK / 2);
            let first = std::mem::take(&mut block.marks);
            let halves = [first, rest].into_iter().filter_map(|marks| {
                let placed: Vec<Placed<'_>> =
                    marks.iter().filter_map(|made| Placed::new(made, text)).collect();
                Block::of(&placed, text)
            });
            self.blocks.splice(at.saturating_sub(1)..at.max(1), halves.collect::<Vec<_>>());
        }
    }

    /// Takes a mark out. Its block may go on reaching as far as it did.
    pub(in crate::doc) fn remove(&mut self, (dot, mark): &Made, text: &Text) {
        let Some(start) = Rank::of(&mark.start, text) else { return };
        let cmp = |(_, mark): &Made| Rank::of(&mark.start, text).map(|rank| rank.cmp(&start, text));
        let before = |block: &Block| block.marks.last().and_then(cmp).is_some_and(Ordering::is_lt);
        let first = self.blocks.partition_point(before);
        for at in first..self.blocks.len() {
            let block = &mut self.blocks[at];
            if let Some(i) = block.marks.iter().position(|(other, _)| other == dot) {
                block.marks.remove(i);
                if block.marks.is_empty() {
                    self.blocks.remove(at);
                }
                return;
            }
            if block.marks.first().and_then(cmp).is_none_or(Ordering::is_gt) {
                return;
            }
        }
    }

    /// The marks that start at `to` or before, and end at `from` or behind, by their starts.
    pub(in crate::doc) fn touching<'a>(
        &'a self,
        from: Rank,
        to: Rank,
        text: &'a Text,
    ) -> impl Iterator<Item = Placed<'a>> + 'a {
        let up_to = move |(_, mark): &Made| {
            Rank::of(&mark.start, text).is_some_and(|start| start.cmp(&to, text).is_le())
        };
        let blocks = self.blocks.iter().take_while(move |block| block.marks.first().is_some_and(up_to));
        let reaching = blocks.filter(move |block| {
            Rank::of(&block.reach, text).is_some_and(|reach| reach.cmp(&from, text).is_ge())
        });
        let marks = reaching.flat_map(|block| &block.marks);
        marks
            .filter_map(move |made| Placed::new(made, text))
            .filter(move |placed| placed.start.cmp(&to, text).is_le() && placed.end.cmp(&from, text).is_ge())
    }

    /// The marks that cover something between two anchors, by their starts.
    pub(in crate::doc) fn between<'a>(
        &'a self,
        from: Rank,
        to: Rank,
        text: &'a Text,
    ) -> impl Iterator<Item = Placed<'a>> + 'a {
        self.touching(from, to, text).filter(move |placed| placed.meets(&from, &to, text))
    }

    /// Behind which deleted character an insertion at `pos` goes, if not right behind the visible one before
    /// it: behind the last at whose right a mark starts or ends, so that it is in those that grow and not in
    /// those that do not, as it would be if nothing had been deleted.
    pub(in crate::doc) fn insertion(&self, pos: usize, text: &Text) -> Option<Dot> {
        if !text.hides_before(pos) {
            return None;
        }
        let (from, to) = (Rank::behind(pos), Rank::before(pos));
        let ends = self.touching(from, to, text).flat_map(|placed| [placed.start, placed.end]);
        let amid = ends.filter(|rank| rank.pos == pos).filter_map(|rank| rank.behind_deleted());
        amid.max_by(|a, b| text.order(*a, *b).unwrap_or(Ordering::Equal))
    }
}

impl Block {
    /// A block of marks in order; `None` of none.
    fn of(placed: &[Placed<'_>], text: &Text) -> Option<Block> {
        let furthest = placed.iter().max_by(|a, b| a.end.cmp(&b.end, text))?;
        let marks = placed.iter().map(|placed| (placed.dot, Arc::clone(placed.mark))).collect();
        Some(Block { marks, reach: furthest.mark.end })
    }
}
