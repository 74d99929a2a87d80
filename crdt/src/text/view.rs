//! Reading text that is kept in pieces under a [`Tree`], and through an edit that it lacks.

use std::ops::Range;

use super::count::{Count, Unit, byte_of_char, byte_within};
use super::tree::Tree;

/// Text in pieces, whose numbers and lengths a tree has.
pub(super) trait Pieces {
    fn tree(&self) -> &Tree;

    /// A piece and its length in characters.
    fn piece(&self, number: usize) -> (&str, usize);

    /// How much there is.
    fn total(&self) -> &Count {
        self.tree().total()
    }

    /// The text between two positions, in pieces.
    fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = &str> {
        let (first, mut before) = self.tree().find(Unit::Chars, range.start + 1);
        self.tree().from((!range.is_empty()).then_some(first)).map_while(move |number| {
            let (piece, chars) = self.piece(number);
            let from = range.start.saturating_sub(before).min(chars);
            let to = range.end.checked_sub(before).filter(|to| *to > 0)?.min(chars);
            before += chars;
            Some(&piece[byte_in(piece, chars, from)..byte_in(piece, chars, to)])
        })
    }

    /// How long the first `chars` characters are.
    fn count_to(&self, chars: usize) -> Count {
        let (number, before) = self.tree().find(Unit::Chars, chars);
        let (piece, of) = self.piece(number);
        let byte = byte_in(piece, of, chars.saturating_sub(before));
        self.tree().before(number).plus(Count::of(&piece[..byte]))
    }

    /// How many whole characters are in the first `n` of a unit. For lines: up to and with the `n`-th line feed.
    fn chars_in(&self, unit: Unit, n: usize) -> usize {
        let (number, before) = self.tree().find(unit, n);
        let (piece, _) = self.piece(number);
        let byte = byte_within(piece, unit, n.saturating_sub(before));
        self.tree().chars_before(number) + Count::of(&piece[..byte]).chars()
    }
}

/// Where the character at `pos` starts in a text of `chars` characters, in bytes.
pub(super) fn byte_in(text: &str, chars: usize, pos: usize) -> usize {
    if text.len() == chars { pos.min(chars) } else { byte_of_char(text, pos) }
}

/// Text as it is to be seen: from `at` on, `removed` characters are not, and `added` are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View<'a> {
    pub(super) at: usize,
    pub(super) removed: usize,
    pub(super) added: &'a str,
    /// The length of `added` in characters.
    pub(super) len: usize,
}

impl<'a> View<'a> {
    /// The position below of a position behind `added`.
    pub(super) fn behind(&self, pos: usize) -> usize {
        pos.max(self.at + self.len) - self.len + self.removed
    }

    /// The text between two positions, in pieces.
    pub(super) fn pieces(self, below: &'a impl Pieces, range: Range<usize>) -> impl Iterator<Item = &'a str> {
        let before = range.start.min(self.at)..range.end.min(self.at);
        let inside = |pos: usize| pos.saturating_sub(self.at).min(self.len);
        let byte = |pos: usize| byte_in(self.added, self.len, inside(pos));
        let added = self.added.get(byte(range.start)..byte(range.end)).unwrap_or_default();
        let behind = self.behind(range.start)..self.behind(range.end);
        below.pieces(before).chain([added]).chain(below.pieces(behind))
    }

    /// How long the first `pos` characters are.
    pub(super) fn measure(&self, below: &impl Pieces, pos: usize, unit: Unit) -> usize {
        let to = |chars: usize| below.count_to(chars).get(unit);
        if pos <= self.at {
            return to(pos);
        }
        if pos - self.at < self.len {
            let byte = byte_in(self.added, self.len, pos - self.at);
            return to(self.at) + Count::of(&self.added[..byte]).get(unit);
        }
        let gone = to(self.at + self.removed) - to(self.at);
        to(self.behind(pos)) - gone + Count::of(self.added).get(unit)
    }

    /// How many whole characters the first `n` of a unit hold.
    pub(super) fn find(&self, below: &impl Pieces, unit: Unit, n: usize) -> usize {
        let to = |chars: usize| below.count_to(chars).get(unit);
        let (start, added) = (to(self.at), Count::of(self.added));
        if n <= start {
            return below.chars_in(unit, n);
        }
        if n - start <= added.get(unit) {
            let byte = byte_within(self.added, unit, n - start);
            return self.at + Count::of(&self.added[..byte]).chars();
        }
        let gone = to(self.at + self.removed) - start;
        let found = below.chars_in(unit, n - added.get(unit) + gone);
        found + self.len - self.removed
    }
}
