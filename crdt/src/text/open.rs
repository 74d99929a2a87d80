//! The edit that is going on: what is typed or deleted in one place, before it moves any characters.
//!
//! People type and delete in runs. The open run is in the log with every keystroke, but put among the
//! characters only when the next edit is elsewhere. Until then reading looks at the characters through it.

use std::ops::Range;

use crate::id::Dot;

use super::chunk::Id;
use super::core::Core;
use super::count::{Count, Unit, byte_within};
use super::log::What;
use super::sequence::Place;

/// An edit that the sequence lacks.
#[derive(Clone, Debug, Default)]
pub(super) enum Open {
    #[default]
    None,
    /// Characters that stand before position `pos` of the sequence, at `place`; their text ends their log.
    Insert { pos: usize, place: Place, first: Id, len: usize, chained: bool, from_byte: usize },
    /// The `len` characters from `pos` on are deleted: those from `first` on, at `place`, which are in one run.
    Delete { pos: usize, place: Place, first: Id, len: usize, run: Range<u64> },
}

/// The sequence as it is to be seen: from `at` on, `removed` characters are not, and `added` are.
struct View<'a> {
    at: usize,
    removed: usize,
    added: &'a str,
    first: Id,
    len: usize,
}

impl View<'_> {
    /// The position in the sequence of a position behind `added`.
    fn behind(&self, pos: usize) -> usize {
        pos.max(self.at + self.len) - self.len + self.removed
    }

    fn added(&self) -> Count {
        Count::of(self.added)
    }
}

impl Open {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Open::None)
    }

    /// How many characters are seen when the sequence has so many.
    pub(super) fn shown(&self, chars: usize) -> usize {
        match self {
            Open::None => chars,
            Open::Insert { len, .. } => chars + len,
            Open::Delete { len, .. } => chars - len,
        }
    }

    fn view<'a>(&self, core: &'a Core) -> View<'a> {
        match *self {
            Open::None => View { at: 0, removed: 0, added: "", first: Id::new(0, 0), len: 0 },
            Open::Insert { pos, first, len, from_byte, .. } => {
                let added = core.log.text(first.replica).get(from_byte..).unwrap_or_default();
                View { at: pos, removed: 0, added, first, len }
            }
            Open::Delete { pos, first, len, .. } => View { at: pos, removed: len, added: "", first, len: 0 },
        }
    }

    // ---- reading ----

    pub(super) fn pieces<'a>(
        &self,
        core: &'a Core,
        range: Range<usize>,
    ) -> impl Iterator<Item = &'a str> + use<'a> {
        let view = self.view(core);
        let before = range.start.min(view.at)..range.end.min(view.at);
        let inside = |pos: usize| pos.saturating_sub(view.at).min(view.len);
        let byte = |pos: usize| byte_within(view.added, Unit::Chars, inside(pos));
        let added = view.added.get(byte(range.start)..byte(range.end)).unwrap_or_default();
        let behind = view.behind(range.start)..view.behind(range.end);
        core.sequence.pieces(before).chain([added]).chain(core.sequence.pieces(behind))
    }

    /// How long the first `pos` characters are.
    pub(super) fn measure(&self, core: &Core, pos: usize, unit: Unit) -> usize {
        let view = self.view(core);
        let to = |chars: usize| core.sequence.count_to(chars).get(unit);
        if pos <= view.at {
            return to(pos);
        }
        if pos - view.at < view.len {
            let byte = byte_within(view.added, Unit::Chars, pos - view.at);
            return to(view.at) + Count::of(&view.added[..byte]).get(unit);
        }
        let gone = to(view.at + view.removed) - to(view.at);
        to(view.behind(pos)) - gone + view.added().get(unit)
    }

    /// How many whole characters the first `n` of a unit hold.
    pub(super) fn find(&self, core: &Core, unit: Unit, n: usize) -> usize {
        let view = self.view(core);
        let to = |chars: usize| core.sequence.count_to(chars).get(unit);
        let (start, added) = (to(view.at), view.added());
        if n <= start {
            return core.sequence.chars_in(unit, n);
        }
        if n - start <= added.get(unit) {
            let byte = byte_within(view.added, unit, n - start);
            return view.at + Count::of(&view.added[..byte]).chars();
        }
        let gone = to(view.at + view.removed) - start;
        let found = core.sequence.chars_in(unit, n - added.get(unit) + gone);
        found + added.chars() - view.removed
    }

    /// The visible characters in order.
    pub(super) fn ids<'a>(&self, core: &'a Core) -> impl Iterator<Item = Id> + use<'a> {
        let view = self.view(core);
        let shown = || {
            let visible = core.sequence.stretches().filter(|stretch| !stretch.deleted);
            visible.flat_map(|run| (0..run.len as u64).map(move |n| run.first.plus(n)))
        };
        let added = (0..view.len as u64).map(move |n| view.first.plus(n));
        shown().take(view.at).chain(added).chain(shown().skip(view.at + view.removed))
    }

    pub(super) fn id_at(&self, core: &Core, pos: usize) -> Option<Id> {
        let view = self.view(core);
        match pos.checked_sub(view.at) {
            Some(inside) if inside < view.len => Some(view.first.plus(inside as u64)),
            Some(_) => core.sequence.id(core.sequence.visible(view.behind(pos))?),
            None => core.sequence.id(core.sequence.visible(pos)?),
        }
    }

    pub(super) fn position_of(&self, core: &Core, id: Id) -> Option<usize> {
        let view = self.view(core);
        let offset = id.seq.wrapping_sub(view.first.seq);
        if id.replica == view.first.replica && offset < view.len as u64 {
            return Some(view.at + offset as usize);
        }
        let place = core.sequence.find(id)?;
        core.sequence.stretch(place).filter(|stretch| !stretch.deleted)?;
        let pos = core.sequence.position(place);
        match pos.checked_sub(view.at) {
            None => Some(pos),
            Some(inside) if inside < view.removed => None,
            Some(_) => Some(pos + view.len - view.removed),
        }
    }

    /// How many visible characters stand before a character, and whether it is visible itself.
    pub(super) fn place_of(&self, core: &Core, id: Id) -> Option<(usize, bool)> {
        if let Some(pos) = self.position_of(core, id) {
            return Some((pos, true));
        }
        let place = core.sequence.find(id)?;
        let pos = core.sequence.position(place);
        let shown = match *self {
            Open::None => pos,
            Open::Insert { place: open, len, .. } if core.sequence.is_before(open, place) => pos + len,
            Open::Insert { .. } => pos,
            Open::Delete { pos: at, len, .. } => {
                if pos <= at {
                    pos
                } else {
                    pos.max(at + len) - len
                }
            }
        };
        Some((shown, false))
    }

    /// Whether nothing stands between a character and the next visible one. Only for those of one replica.
    pub(super) fn adjoin(&self, core: &Core, left: Id, right: Id) -> bool {
        let is_open = |id: Id| {
            matches!(self, Open::Insert { first, len, .. }
            if id.replica == first.replica && id.seq.wrapping_sub(first.seq) < *len as u64)
        };
        left.plus(1) == right
            && match (is_open(left), is_open(right)) {
                (false, false) => {
                    let behind = core.sequence.behind(Some(left));
                    core.sequence.id(core.sequence.settle(behind)) == Some(right)
                }
                (left, right) => left && right,
            }
    }

    // ---- editing ----

    /// Inserts by one replica: goes on with the open run, or opens another.
    pub(super) fn insert(&mut self, core: &mut Core, at: Dot, pos: usize, text: &str, chars: usize) {
        let replica = core.roster.intern(at.replica);
        if let Open::Insert { pos: start, first, len, .. } = self
            && *start + *len == pos
            && Id::new(replica, at.seq) == first.plus(*len as u64)
        {
            core.log.extend(replica, chars as u64, text);
            *len += chars;
            return;
        }
        self.settle(core);
        let first = Id::new(replica, at.seq);
        // A forged file may have promised more text than its history made.
        let pos = pos.min(core.sequence.total().chars());
        let (place, left, right) = core.sequence.gap(pos);
        let chained = left == Some(first.before());
        let from_byte = core.log.text(replica).len();
        core.log.push(first, chars as u64, What::Insert { left, right }, text);
        *self = Open::Insert { pos, place, first, len: chars, chained, from_byte };
    }

    /// Deletes by one replica: goes on with the open deletion, or opens another.
    pub(super) fn delete(&mut self, core: &mut Core, at: Dot, pos: usize, n: usize) {
        let at = Id::new(core.roster.intern(at.replica), at.seq);
        if self.delete_more(core, at, pos, n) {
            return;
        }
        self.settle(core);
        let place = core.sequence.visible(pos);
        let run = place.and_then(|place| core.sequence.stretch(place));
        match (place, run) {
            (Some(place), Some(run)) if place.spot.offset + n <= run.len => {
                let first = run.first.plus(place.spot.offset as u64);
                core.log.push(at, n as u64, What::Delete { target: first, back: false }, "");
                let run = run.first.seq..run.first.seq + run.len as u64;
                *self = Open::Delete { pos, place, first, len: n, run };
            }
            _ => core.delete(at, pos, n),
        }
    }

    fn delete_more(&mut self, core: &mut Core, at: Id, pos: usize, n: usize) -> bool {
        let Open::Delete { pos: start, place, first, len, run } = self else { return false };
        let target = if pos + n == *start && run.start + n as u64 <= first.seq {
            *start = pos;
            first.seq -= n as u64;
            place.spot.offset -= n;
            *first
        } else if pos == *start && first.seq + (*len + n) as u64 <= run.end {
            first.plus(*len as u64)
        } else {
            return false;
        };
        *len += n;
        core.log.push(at, n as u64, What::Delete { target, back: false }, "");
        true
    }

    /// Puts the open edit among the characters.
    pub(super) fn settle(&mut self, core: &mut Core) {
        match std::mem::take(self) {
            Open::None => {}
            Open::Insert { place, first, chained, from_byte, .. } => {
                let text = core.log.text(first.replica).get(from_byte..).unwrap_or_default();
                core.sequence.insert(place, first, chained, text);
            }
            Open::Delete { place, len, .. } => core.sequence.hide(place, len),
        }
    }
}
