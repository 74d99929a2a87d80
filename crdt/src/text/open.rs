//! The edit that is going on: what is typed or deleted in one place, before it moves any characters.
//!
//! People type and delete in runs, a few of them from the end to the front. The open run is in the log with every keystroke,
//! but put among the characters only when the next edit is elsewhere. Until then reading looks at the characters through it.

use std::ops::Range;

use crate::id::Dot;

use super::TextPatch;
use super::chunk::{Id, small};
use super::core::Core;
use super::log::{Log, What};
use super::op::Op;
use super::sequence::Place;
use super::view::{Pieces, View};

/// An edit that the sequence lacks. `pos` is where in the sequence its place is; found out when it matters.
#[derive(Clone, Debug, Default)]
pub(super) enum Open {
    #[default]
    None,
    /// Characters that stand at `place`; those from `first` on, of which the first was written between `left` and
    /// `right`.
    Insert {
        pos: Option<usize>,
        place: Place,
        first: Id,
        len: usize,
        left: Option<Id>,
        right: Option<Id>,
        typed: Typed,
    },
    /// The `len` characters from `place` on are deleted: those from `first` on, which are in one run.
    Delete { pos: Option<usize>, place: Place, first: Id, len: usize, run: Range<u64> },
}

/// How the characters of an open insertion follow each other.
#[derive(Clone, Debug)]
pub(super) enum Typed {
    /// Each stands behind the one before; their text is the end of their log, from this byte on.
    Forwards(usize),
    /// Each stands before the one before, and was written between that and `left`; this is their text.
    Backwards(String),
}

/// How many characters are open at most that are typed backwards: each moves their text.
const MAX_BACK: usize = small(256, 6);

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

    /// The sequence as it is to be seen.
    pub(super) fn view<'a>(&'a self, core: &'a Core) -> View<'a> {
        let at = self.pos(core);
        match *self {
            Open::None => View::default(),
            Open::Insert { first, len, ref typed, .. } => {
                View { at, removed: 0, added: typed.text(&core.log, first), len }
            }
            Open::Delete { len, .. } => View { at, removed: len, added: "", len: 0 },
        }
    }

    fn pos(&self, core: &Core) -> usize {
        match self {
            Open::None => 0,
            Open::Insert { pos, place, .. } | Open::Delete { pos, place, .. } => {
                pos.unwrap_or_else(|| core.sequence.position(*place))
            }
        }
    }

    /// The character so far into an open insertion.
    fn character(&self, inside: usize) -> Id {
        match self {
            Open::Insert { first, typed: Typed::Forwards(_), .. } => first.plus(inside as u64),
            Open::Insert { first, len, .. } => first.plus((len - 1 - inside) as u64),
            _ => Id::new(0, 0),
        }
    }

    /// How far into an open insertion a character is.
    fn inside(&self, id: Id) -> Option<usize> {
        let Open::Insert { first, len, typed, .. } = self else { return None };
        let n = id.seq.wrapping_sub(first.seq);
        (id.replica == first.replica && n < *len as u64).then(|| match typed {
            Typed::Forwards(_) => n as usize,
            Typed::Backwards(_) => len - 1 - n as usize,
        })
    }

    // ---- reading ----

    /// The visible characters in order.
    pub(super) fn ids<'a>(&'a self, core: &'a Core) -> impl Iterator<Item = Id> + use<'a> {
        let view = self.view(core);
        let shown = || {
            let visible = core.sequence.stretches().filter(|stretch| !stretch.deleted);
            visible.flat_map(|run| (0..run.len as u64).map(move |n| run.first.plus(n)))
        };
        let added = (0..view.len).map(|n| self.character(n));
        shown().take(view.at).chain(added).chain(shown().skip(view.at + view.removed))
    }

    pub(super) fn id_at(&self, core: &Core, pos: usize) -> Option<Id> {
        let view = self.view(core);
        match pos.checked_sub(view.at) {
            Some(inside) if inside < view.len => Some(self.character(inside)),
            Some(_) => core.sequence.id(core.sequence.visible(view.behind(pos))?),
            None => core.sequence.id(core.sequence.visible(pos)?),
        }
    }

    /// Where a character stands or, once deleted, stood; and whether it is visible.
    pub(super) fn place_of(&self, core: &Core, id: Id) -> Option<(usize, bool)> {
        let view = self.view(core);
        if let Some(inside) = self.inside(id) {
            return Some((view.at + inside, true));
        }
        let place = core.sequence.find(id)?;
        let visible = !core.sequence.stretch(place)?.deleted;
        let pos = core.sequence.position(place);
        match pos.checked_sub(view.at) {
            None => Some((pos, visible)),
            // What is deleted has no place of its own: it may stand before an open insertion all the same.
            Some(0) if self.stands_behind(core, place) => Some((pos, visible)),
            Some(inside) if inside < view.removed => Some((view.at, false)),
            Some(_) => Some((pos + view.len - view.removed, visible)),
        }
    }

    /// Whether an open insertion stands behind a character.
    fn stands_behind(&self, core: &Core, of: Place) -> bool {
        matches!(self, Open::Insert { place, .. } if core.sequence.place_order(of, *place).is_lt())
    }

    /// Whether nothing stands between a character and the next visible one. Only for those of one replica.
    pub(super) fn adjoin(&self, core: &Core, left: Id, right: Id) -> bool {
        left.plus(1) == right
            && match (self.inside(left), self.inside(right)) {
                (None, None) => {
                    let behind = core.sequence.behind(Some(left));
                    core.sequence.id(core.sequence.settle(behind)) == Some(right)
                }
                (Some(left), Some(right)) => left < right,
                _ => false,
            }
    }

    // ---- editing ----

    /// Inserts by one replica: goes on with the open run, or opens another.
    pub(super) fn insert(&mut self, core: &mut Core, at: Dot, pos: usize, text: &str, chars: usize) {
        let replica = core.roster.intern(at.replica);
        if let Open::Insert { pos: Some(start), first, len, left, typed, .. } = self
            && Id::new(replica, at.seq) == first.plus(*len as u64)
        {
            if *start + *len == pos && typed.is_forwards() {
                core.log.extend(replica, chars as u64, text);
                *len += chars;
                return;
            }
            if *start == pos && chars == 1 && typed.put_before(&core.log, *first, *len, text) {
                let at = first.plus(*len as u64);
                core.log.push(at, 1, What::Insert { left: *left, right: Some(at.before()) }, text);
                *len += 1;
                return;
            }
        }
        self.settle(core);
        let first = Id::new(replica, at.seq);
        // A forged file may have promised more text than its history made.
        let pos = pos.min(core.sequence.total().chars());
        let (place, left, right) = core.sequence.gap(pos);
        let typed = Typed::Forwards(core.log.text(replica).len());
        core.log.push(first, chars as u64, What::Insert { left, right }, text);
        *self = Open::Insert { pos: Some(pos), place, first, len: chars, left, right, typed };
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
                *self = Open::Delete { pos: Some(pos), place, first, len: n, run };
            }
            _ => core.delete(at, pos, n, |_, _| ()),
        }
    }

    fn delete_more(&mut self, core: &mut Core, at: Id, pos: usize, n: usize) -> bool {
        let Open::Delete { pos: Some(start), place, first, len, run } = self else { return false };
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

    // ---- what others did ----

    /// Takes another replica's operation: goes on with the open edit, or opens another. `None`, and the text is
    /// as it was, if it names characters that are not here.
    pub(super) fn take(
        &mut self,
        core: &mut Core,
        at: Dot,
        op: Op<'_>,
        mut patches: Option<&mut Vec<TextPatch>>,
    ) -> Option<()> {
        if let Some(from) = self.take_more(core, at, &op) {
            if let Some(patches) = patches {
                patches.push(patch(&op, self.pos(core) + from));
            }
            return Some(());
        }
        self.settle(core);
        *self = match op {
            Op::Insert { left, right, text, len } => {
                let (first, place, [left, right]) = core.place(at, left, right)?;
                let typed = Typed::Forwards(core.log.text(first.replica).len());
                core.log.push(first, len, What::Insert { left, right }, text);
                Open::Insert { pos: None, place, first, len: len as usize, left, right, typed }
            }
            Op::Delete { target, len, back } => {
                let first = core.targets(&op)?;
                let place = core.sequence.find(first)?;
                let run = core.sequence.stretch(place)?;
                if run.deleted || (place.spot.offset as u64 + len) > run.len as u64 {
                    return core.apply(at, op, patches);
                }
                let (at, target) = (core.id(at), core.id(target));
                core.log.push(at, len, What::Delete { target, back }, "");
                let run = run.first.seq..run.first.seq + run.len as u64;
                Open::Delete { pos: None, place, first, len: len as usize, run }
            }
        };
        if let Some(patches) = &mut patches {
            patches.push(patch(&op, self.pos(core)));
        }
        Some(())
    }

    /// Goes on with the open edit, if the operation does; how far behind its place the operation then is.
    fn take_more(&mut self, core: &mut Core, at: Dot, op: &Op<'_>) -> Option<usize> {
        match (self, op) {
            (
                Open::Insert { first, len, left, right, typed, .. },
                Op::Insert { left: its_left, right: its_right, text, len: more },
            ) => {
                let (next, last) = (first.plus(*len as u64), first.plus(*len as u64 - 1));
                let is = |id: Option<Id>, dot: &Option<Dot>| id.map(|id| core.dot(id)) == *dot;
                if core.dot(next) != at {
                    return None;
                }
                if is(Some(last), its_left) && is(*right, its_right) && typed.is_forwards() {
                    core.log.extend(first.replica, *more, text);
                    *len += *more as usize;
                    return Some(*len - *more as usize);
                }
                // A left child of one that nobody else can have named yet: nothing comes between them.
                let is_before = *more == 1 && is(Some(last), its_right) && is(*left, its_left);
                if !(is_before && typed.put_before(&core.log, *first, *len, text)) {
                    return None;
                }
                core.log.push(next, 1, What::Insert { left: *left, right: Some(last) }, text);
                *len += 1;
                Some(0)
            }
            (Open::Delete { pos, place, first, len, run }, Op::Delete { target, len: more, back }) => {
                let (span, n) = (op.targets()?, *more as usize);
                let ours = core.dot(*first);
                if span.replica != ours.replica {
                    return None;
                }
                if span.to + 1 == ours.seq && run.start <= span.after + 1 {
                    *first = Id { seq: span.after + 1, ..*first };
                    place.spot.offset -= n;
                    pos.iter_mut().for_each(|pos| *pos -= n);
                } else if !(span.after + 1 == ours.seq + *len as u64 && span.to < run.end) {
                    return None;
                }
                *len += n;
                let target = Id { seq: target.seq, ..*first };
                let at = core.id(at);
                core.log.push(at, *more, What::Delete { target, back: *back }, "");
                Some(0)
            }
            _ => None,
        }
    }

    /// Puts the open edit among the characters.
    pub(super) fn settle(&mut self, core: &mut Core) {
        match std::mem::take(self) {
            Open::None => {}
            Open::Insert { place, first, left, typed, .. } => {
                let chained = left == Some(first.before());
                match &typed {
                    Typed::Forwards(_) => {
                        core.sequence.insert(place, first, chained, typed.text(&core.log, first));
                    }
                    Typed::Backwards(text) => core.sequence.insert_backwards(place, first, chained, text),
                }
            }
            Open::Delete { place, len, .. } => core.sequence.hide(place, len),
        }
    }
}

impl Typed {
    fn is_forwards(&self) -> bool {
        matches!(self, Typed::Forwards(_))
    }

    /// The text as it stands, of an insertion from `first` on.
    fn text<'a>(&'a self, log: &'a Log, first: Id) -> &'a str {
        match self {
            Typed::Forwards(from) => log.text(first.replica).get(*from..).unwrap_or_default(),
            Typed::Backwards(text) => text,
        }
    }

    /// Puts a character before the `len` that there are, from `first` on; whether that goes on with them.
    fn put_before(&mut self, log: &Log, first: Id, len: usize, text: &str) -> bool {
        match self {
            Typed::Forwards(_) if len == 1 => {
                *self = Typed::Backwards([text, self.text(log, first)].concat());
                true
            }
            Typed::Backwards(typed) if len < MAX_BACK => {
                typed.insert_str(0, text);
                true
            }
            _ => false,
        }
    }
}

/// What an operation at a position does to the text.
fn patch(op: &Op<'_>, pos: usize) -> TextPatch {
    match op {
        Op::Insert { text, .. } => TextPatch::Insert { pos, text: (*text).to_owned() },
        Op::Delete { len, .. } => TextPatch::Delete { pos, len: *len as usize },
    }
}
