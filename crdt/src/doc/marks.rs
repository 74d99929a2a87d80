//! Rich text: [`Mark`]s over ranges of a text, and [`Marks`], those of one text.
//!
//! A mark is an event of the document beside the text, at the same path. It says that the characters between
//! two anchors have an attribute, a key with a value, or no longer have it. An anchor is a side of a character,
//! deleted or not, or an end of the text; so a mark covers the same characters for ever, on every replica,
//! whatever is inserted or deleted around and among them. Of the marks of one key over a character the one with
//! the greatest stamp wins, of equal stamps that of the greater event; a mark's stamp is later than those of
//! all that its author had seen on this text.
//!
//! What lies wholly within a newer mark of its key can never win again: the newer mark ends it, and nothing is
//! kept of it. A mark that is hidden by several together is kept, and so is one over characters that are all
//! deleted: others may still be inserting among them.
//!
//! Source: Litt, Lim, Kleppmann, van Hardenberg, "Peritext: A CRDT for collaborative rich text editing", 2022.

mod conflict;
mod index;
mod patch;
mod sweep;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use smol_str::SmolStr;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore, within};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::sorted::few;
use crate::text::{Cursor, Side};

use super::Scalar;
use super::path::Path;

pub(super) use conflict::conflicts;
pub(super) use index::{Index, Placed, Rank};
pub(super) use patch::patches;
pub(super) use sweep::Sweep;

/// At which of its ends a mark grows when text is typed right there. It belongs to the key: give the same for
/// every mark of one key.
///
/// ```
/// # use crdt::{Doc, ReplicaId, doc::Expand};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| {
///     let mut note = tx.text("note");
///     note.insert(0, "bold link");
///     note.mark(0..4, "bold", true, Expand::After);
///     note.mark(5..9, "link", "https://a.example", Expand::None);
///     note.insert(9, "!"); // behind the link
///     note.insert(4, "er"); // at the end of what is bold
/// });
/// let parts: Vec<String> = doc.spans("note").unwrap().map(|span| span.to_string()).collect();
/// assert_eq!(parts, ["bolder", " ", "link", "!"]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Expand {
    /// At neither: for links, comments and other things with an extent of their own.
    None,
    /// At its start.
    Before,
    /// At its end, as people expect of bold, italic, colours.
    #[default]
    After,
    /// At both.
    Both,
}

impl Expand {
    pub(super) fn at_start(self) -> bool {
        matches!(self, Expand::Before | Expand::Both)
    }

    pub(super) fn at_end(self) -> bool {
        matches!(self, Expand::After | Expand::Both)
    }

    /// How the marks grow that take a key away: into a gap into which what is left of the key does not.
    pub(super) fn of_removal(self) -> Expand {
        match self {
            Expand::None => Expand::Both,
            Expand::Both => Expand::None,
            one_end => one_end,
        }
    }
}

/// One mark.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Mark {
    pub(super) key: SmolStr,
    /// Null where the key is taken away.
    pub(super) value: Scalar,
    pub(super) start: Cursor,
    pub(super) end: Cursor,
    pub(super) stamp: Hlc,
}

impl Mark {
    /// What it says of its key.
    pub(super) fn shown(&self) -> Option<&Scalar> {
        Some(&self.value).filter(|value| **value != Scalar::Null)
    }

    /// The characters that it holds on to.
    pub(super) fn anchors(&self) -> impl Iterator<Item = Dot> + use<> {
        [self.start.anchor(), self.end.anchor()].into_iter().flatten()
    }
}

impl Encode for Mark {
    fn encode(&self, w: &mut Writer) {
        w.str(&self.key);
        self.value.encode(w);
        self.stamp.encode(w);
        self.start.encode(w);
        self.end.encode(w);
    }
}

impl Decode for Mark {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (key, value) = (r.str()?.into(), Scalar::decode(r)?);
        let (stamp, start, end) = (Hlc::decode(r)?, Cursor::decode(r)?, Cursor::decode(r)?);
        if start == Cursor::new(None, Side::Before) || end == Cursor::new(None, Side::After) {
            return Err(r.invalid("a mark that starts at the end or ends at the start"));
        }
        Ok(Mark { key, value, start, end, stamp })
    }
}

/// A mark with the event that made it.
pub(super) type Made = (Dot, Arc<Mark>);

/// The marks of one text, but for those that a newer one has ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Marks(BTreeMap<Dot, Arc<Mark>>);

impl Marks {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Dot, &Arc<Mark>)> {
        self.0.iter().map(|(dot, mark)| (*dot, mark))
    }

    /// The characters that they hold on to.
    pub(super) fn anchors(&self) -> impl Iterator<Item = Dot> + '_ {
        self.0.values().flat_map(|mark| mark.anchors())
    }

    /// The marks as they may be kept elsewhere.
    pub(super) fn all(&self) -> impl Iterator<Item = Made> + '_ {
        self.iter().map(|(dot, mark)| (dot, Arc::clone(mark)))
    }

    /// Adds a mark and ends those that it makes useless. Its event.
    pub(super) fn add(&mut self, mark: Arc<Mark>, ended: &[Made], cx: &mut Cx) -> Dot {
        for (dot, _) in ended {
            self.0.remove(dot);
            cx.remove(*dot);
        }
        let dot = cx.add();
        self.0.insert(dot, mark);
        dot
    }

    /// What a join with `other` will bring, to one who has seen `ours`, and what it will end.
    pub(super) fn news(
        here: Option<&Marks>,
        ours: &CausalContext,
        other: Option<&Marks>,
        ended: &DotRanges,
    ) -> News {
        let nothing = Marks::default();
        let (here, other) = (here.unwrap_or(&nothing), other.unwrap_or(&nothing));
        let added = other.all().filter(|(dot, _)| !ours.contains(*dot)).collect();
        let gone = within(&here.0, ended.iter_ranges()).filter(|(dot, _)| !other.0.contains_key(dot));
        News { added, removed: gone.map(|(dot, mark)| (*dot, Arc::clone(mark))).collect() }
    }
}

/// By the paths of their texts, for each text that has marks: made when first asked for.
pub(super) type Indexes = BTreeMap<Path, OnceLock<Index>>;

/// The marks of a text that came and went.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    pub(super) added: Vec<Made>,
    pub(super) removed: Vec<Made>,
}

impl News {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// Notes later ones; what came and went again was never there.
    pub(super) fn extend(&mut self, later: News) {
        for gone in later.removed {
            match self.added.iter().rposition(|(dot, _)| *dot == gone.0) {
                Some(at) => drop(self.added.swap_remove(at)),
                None => self.removed.push(gone),
            }
        }
        self.added.extend(later.added);
    }
}

impl DotStore for Marks {
    fn is_bottom(&self) -> bool {
        self.0.is_empty()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.0.keys().for_each(|dot| f(*dot));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        let seen: DotRanges = theirs.iter_ranges().collect();
        let News { added, removed } = Marks::news(Some(self), ours, Some(other), &seen);
        for (dot, _) in removed {
            self.0.remove(&dot);
            changes.remove(dot);
        }
        for (dot, mark) in added {
            changes.add(dot);
            self.0.insert(dot, mark);
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        let part = within(&self.0, wanted.iter_ranges());
        Marks(few(part.map(|(dot, mark)| (*dot, Arc::clone(mark)))))
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let gone = std::mem::take(&mut self.0);
        gone.keys().for_each(|dot| cx.remove(*dot));
        !gone.is_empty()
    }
}

impl Encode for Marks {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.0.len() as u64);
        for (dot, mark) in &self.0 {
            w.dot(*dot);
            mark.encode(w);
        }
    }
}

impl Decode for Marks {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut marks: BTreeMap<Dot, Arc<Mark>> = BTreeMap::new();
        for _ in 0..r.count(7)? {
            let dot = r.dot()?;
            if marks.last_key_value().is_some_and(|(last, _)| *last >= dot) {
                return Err(r.invalid("marks must be sorted by event"));
            }
            marks.insert(dot, Arc::new(Mark::decode(r)?));
        }
        Ok(Marks(marks))
    }
}

#[cfg(test)]
mod tests;
