//! Collaborative text.
//!
//! [`Text`] orders characters as FugueMax does (Weidner, Kleppmann, "The Art of the Fugue", 2023), which is
//! maximally non-interleaving: what two people type at one place at once stays in two pieces. Every
//! character inserted and every character deleted is one event of the document that holds the text.
//!
//! | part | what |
//! |---|---|
//! | `sequence` | all characters in their order, deleted ones too: `chunk`s of runs, a `tree` of counts over them, an `index` from event to chunk |
//! | `order` | where concurrent insertions go; `crowds`: among very many, by halves; `ancestors`: on what each of those hangs |
//! | `log` | what each replica did, for those who lack it; `op`: one operation as it travels |
//! | `beside` | deleted characters among the visible ones |
//! | `open` | what is being typed: in the log at once, among the characters when the next edit is elsewhere |
//! | `draft` | a text of which nobody has asked which character is which: a `rope` and the `steps` that made it |
//! | `view` | reading text in pieces, through an edit that it lacks |
//! | `history`, `stored` | the log in a file, and a text that has not taken its history in; `blocks`: places in that |
//! | `forgotten` | what is kept of characters whose insertion everybody has |

mod ancestors;
mod beside;
mod blocks;
mod chunk;
mod core;
mod count;
mod crowds;
mod cursor;
mod draft;
mod forgotten;
mod history;
mod index;
mod log;
mod op;
mod open;
mod order;
mod past;
mod rope;
mod roster;
mod runs;
mod sequence;
mod steps;
mod stored;
mod tree;
mod view;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use crate::codec::{DecodeError, Reader, Writer};
use crate::context::DotRanges;
use crate::graph::Order;
use crate::id::{Dot, ReplicaId, Span};
use crate::pack::Packed;
use crate::version::VersionVector;

use self::core::Core;
use count::Unit;
pub use cursor::{Cursor, Side};
use draft::Draft;
pub(crate) use op::{Op, Ops};
use open::Open;
use stored::Stored;
use view::Pieces;

/// A change of a text, in characters (Unicode scalar values) of the text as it was just before it.
///
/// ```
/// use crdt::text::TextPatch;
///
/// /// What an editor does with each.
/// fn play(screen: &mut Vec<char>, patch: &TextPatch) {
///     match patch {
///         TextPatch::Insert { pos, text } => drop(screen.splice(*pos..*pos, text.chars())),
///         TextPatch::Delete { pos, len } => drop(screen.drain(*pos..pos + len)),
///     }
/// }
///
/// let mut screen: Vec<char> = "helo".chars().collect();
/// play(&mut screen, &TextPatch::Delete { pos: 3, len: 1 });
/// play(&mut screen, &TextPatch::Insert { pos: 3, text: "lo".into() });
/// assert_eq!(screen.iter().collect::<String>(), "hello");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TextPatch {
    /// Characters appeared.
    Insert {
        /// Before which character.
        pos: usize,
        /// The characters.
        text: String,
    },
    /// Characters went.
    Delete {
        /// The first of them.
        pos: usize,
        /// How many.
        len: usize,
    },
}

impl TextPatch {
    /// Whether `next` can be said in one with this.
    pub(crate) fn goes_on(&self, next: &TextPatch) -> bool {
        match (self, next) {
            (TextPatch::Insert { pos, text }, TextPatch::Insert { pos: next, .. }) => {
                text.len() < 4096 && *next == pos + text.chars().count()
            }
            (TextPatch::Delete { pos, .. }, TextPatch::Delete { pos: next, len }) => {
                next == pos || next + len == *pos
            }
            _ => false,
        }
    }

    /// Says `next`, which [`goes_on`](Self::goes_on), in one with this.
    pub(crate) fn extend(&mut self, next: TextPatch) {
        match (self, next) {
            (TextPatch::Insert { text, .. }, TextPatch::Insert { text: more, .. }) => text.push_str(&more),
            (TextPatch::Delete { pos, len }, TextPatch::Delete { pos: next, len: more }) => {
                *pos = next.min(*pos);
                *len += more;
            }
            _ => {}
        }
    }
}

/// One text of a [`Doc`](crate::Doc), to be read. Positions count characters (Unicode scalar values).
///
/// What two edits at once come to is said where they are made, at [`TextMut`](crate::doc::TextMut). `O(log n)` to find a
/// place.
///
/// ```
/// use crdt::{Doc, ReplicaId};
/// let mut doc = Doc::new(ReplicaId::from_u128(1));
/// doc.transact(0, |tx| tx.text("note").insert(0, "grüße 👋"));
/// let note = doc.text("note").unwrap();
/// assert_eq!((note.len(), note.len_utf8(), note.len_utf16()), (7, 12, 8));
/// assert_eq!(note.slice(6..7), "👋");
/// ```
#[derive(Clone, Default)]
pub struct Text {
    /// Once characters have names: when others have written, or somebody has asked which is which and written on. What
    /// is only read or only drafted, as most texts are, has no room for it.
    named: Option<Box<Named>>,
    /// As it was read from a file; until an edit, or for ever.
    stored: Option<Box<Stored>>,
    /// As one author wrote it; until someone asks which character is which, or for ever.
    draft: Option<Box<Draft>>,
}

/// Characters under their names, and the edit going on.
#[derive(Clone, Default)]
struct Named {
    core: Core,
    open: Open,
}

impl Named {
    /// How many characters there are.
    fn len(&self) -> usize {
        self.open.shown(self.core.sequence.total().chars())
    }
}

/// What a text has of which nothing was written.
static NOTHING: LazyLock<Named> = LazyLock::new(Named::default);

impl Text {
    /// A text that is read from a file, its history when it is first needed.
    pub(crate) fn stored(visible: String, history: [Packed; 2], short: bool, order: Arc<Order>) -> Text {
        Text { stored: Some(Box::new(Stored::new(visible, history, short, order))), ..Text::default() }
    }

    /// Whether anything was ever written here.
    pub(crate) fn is_written(&self) -> bool {
        self.stored.is_some() || self.draft.is_some() || self.runs() > 0
    }

    fn named(&self) -> &Named {
        self.named.as_ref().map_or(&*NOTHING, |named| named)
    }

    fn core(&self) -> &Core {
        match (&self.stored, &self.draft) {
            (Some(stored), _) => stored.core(),
            (_, Some(draft)) => draft.core(),
            _ => &self.named().core,
        }
    }

    fn open(&self) -> &Open {
        &self.named().open
    }

    /// The characters and the log, with the open edit in its place.
    fn settled(&self) -> Cow<'_, Core> {
        let mut core = Cow::Borrowed(self.core());
        if !self.open().is_none() {
            self.open().clone().settle(core.to_mut());
        }
        core
    }

    /// The draft that `author` writes; a new one, if nothing was written yet.
    fn draft_of(&mut self, author: ReplicaId) -> Option<&mut Draft> {
        if self.draft.is_none() && self.stored.is_none() && self.named.is_none() {
            self.draft = Some(Box::new(Draft::new(author)));
        }
        self.draft.as_deref_mut().filter(|draft| draft.is_of(author))
    }

    fn edit(&mut self) -> (&mut Core, &mut Open) {
        let Text { named, stored, draft } = self;
        let named = named.get_or_insert_with(|| {
            let stored = stored.take().map(|stored| stored.into_core());
            let core = stored.or_else(|| draft.take().map(|draft| draft.into_core()));
            Box::new(Named { core: core.unwrap_or_default(), open: Open::None })
        });
        (&mut named.core, &mut named.open)
    }

    /// The whole text, when it is as it was read.
    fn whole(&self) -> Option<&str> {
        self.stored.as_ref().map(|stored| stored.visible.as_str())
    }

    /// How many characters there are.
    pub fn len(&self) -> usize {
        match (&self.stored, &self.draft) {
            (Some(stored), _) => stored.total().chars(),
            (_, Some(draft)) => draft.len(),
            _ => self.named.as_ref().map_or(0, |named| named.len()),
        }
    }

    /// Whether there are none.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "grüße\n👋"));
    /// let note = doc.text("note").unwrap();
    /// assert!(!note.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.whole().map_or_else(|| self.len() == 0, str::is_empty)
    }

    /// How many bytes the text has in UTF-8.
    pub fn len_utf8(&self) -> usize {
        self.char_to_utf8(self.len())
    }

    /// How many code units the text has in UTF-16.
    pub fn len_utf16(&self) -> usize {
        self.char_to_utf16(self.len())
    }

    /// How many lines the text has: one more than it has line feeds.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "grüße\n👋"));
    /// let note = doc.text("note").unwrap();
    /// assert_eq!((note.len_lines(), note.line_to_char(1)), (2, 6));
    /// ```
    pub fn len_lines(&self) -> usize {
        self.char_to_line(self.len()) + 1
    }

    /// The byte of UTF-8 at which the character at `pos` starts; the length past the end. `O(log n)`.
    ///
    /// ```
    /// use crdt::{Doc, ReplicaId};
    /// let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "über\n👋!"));
    /// let note = doc.text("note").unwrap();
    /// assert_eq!((note.char_to_utf8(6), note.char_to_utf16(6), note.char_to_line(6)), (10, 7, 1));
    /// assert_eq!((note.utf8_to_char(10), note.utf16_to_char(7), note.line_to_char(1)), (6, 6, 5));
    /// ```
    pub fn char_to_utf8(&self, pos: usize) -> usize {
        self.measure(pos, Unit::Utf8)
    }

    /// The code unit of UTF-16 at which the character at `pos` starts; the length past the end. `O(log n)`.
    pub fn char_to_utf16(&self, pos: usize) -> usize {
        self.measure(pos, Unit::Utf16)
    }

    /// The line, from 0, that the character at `pos` is in. `O(log n)`.
    pub fn char_to_line(&self, pos: usize) -> usize {
        self.measure(pos, Unit::Lines)
    }

    /// The character that the byte at `byte` is in; the length past the end. `O(log n)`.
    pub fn utf8_to_char(&self, byte: usize) -> usize {
        self.find(Unit::Utf8, byte)
    }

    /// The character that the UTF-16 code unit at `unit` is in; the length past the end. `O(log n)`.
    pub fn utf16_to_char(&self, unit: usize) -> usize {
        self.find(Unit::Utf16, unit)
    }

    /// The first character of a line, counted from 0; the length past the last line. `O(log n)`.
    pub fn line_to_char(&self, line: usize) -> usize {
        self.find(Unit::Lines, line)
    }

    fn measure(&self, pos: usize, unit: Unit) -> usize {
        let within = pos.min(self.len());
        match (&self.stored, &self.draft) {
            (Some(stored), _) => stored.count_to(within).get(unit),
            (_, Some(draft)) => draft.view().measure(draft.rope(), within, unit),
            _ => self.open().view(self.core()).measure(&self.core().sequence, within, unit),
        }
    }

    fn find(&self, unit: Unit, n: usize) -> usize {
        match (&self.stored, &self.draft) {
            (Some(stored), _) => stored.chars_in(unit, n),
            (_, Some(draft)) => draft.view().find(draft.rope(), unit, n),
            _ => self.open().view(self.core()).find(&self.core().sequence, unit, n),
        }
    }

    /// The text in pieces, without copying.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "grüße\n👋"));
    /// let note = doc.text("note").unwrap();
    /// assert_eq!(note.chunks().map(str::len).sum::<usize>(), note.len_utf8());
    /// ```
    pub fn chunks(&self) -> impl Iterator<Item = &str> {
        // As it was read it is one piece, and nothing needs to be found.
        let end = if self.stored.is_some() { 0 } else { self.len() };
        self.whole().into_iter().chain(self.chunks_in(0..end)).filter(|piece| !piece.is_empty())
    }

    /// The characters in a range, as far as they exist, in pieces, without copying.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "grüße\n👋"));
    /// let note = doc.text("note").unwrap();
    /// assert_eq!(note.chunks_in(3..5).collect::<String>(), "ße");
    /// ```
    pub fn chunks_in(&self, range: Range<usize>) -> impl Iterator<Item = &str> {
        let Range { start, end } = range;
        let cut = move |len: usize| start.min(end.min(len))..end.min(len);
        let stored = self.stored.iter().filter(move |_| start < end);
        let stored = stored.flat_map(move |stored| stored.pieces(cut(stored.total().chars())));
        let draft = self.draft.iter().flat_map(move |d| d.view().pieces(d.rope(), cut(d.len())));
        let named = self.named.iter().flat_map(move |named| {
            let Named { core, open } = &**named;
            open.view(core).pieces(&core.sequence, cut(named.len()))
        });
        stored.chain(draft).chain(named).filter(|piece| !piece.is_empty())
    }

    /// The characters in a range, as far as they exist.
    pub fn slice(&self, range: Range<usize>) -> String {
        self.chunks_in(range).collect()
    }

    /// The event that inserted each visible character, in their order: what names a character for ever.
    ///
    /// ```
    /// use crdt::{Doc, Dot, ReplicaId};
    /// let alice = ReplicaId::from_u128(1);
    /// let mut doc = Doc::new(alice);
    /// doc.transact(0, |tx| tx.text("note").insert(0, "ac"));
    /// doc.transact(0, |tx| tx.text("note").insert(1, "b"));
    /// let note = doc.text("note").unwrap();
    /// assert!(note.dots().eq([Dot::new(alice, 1), Dot::new(alice, 3), Dot::new(alice, 2)]));
    /// assert_eq!(note.dot_at(1), Some(Dot::new(alice, 3)));
    /// assert_eq!(note.position_of(Dot::new(alice, 2)), Some(2));
    /// ```
    pub fn dots(&self) -> impl Iterator<Item = Dot> + '_ {
        let core = self.core();
        self.open().ids(core).map(|id| core.dot(id))
    }

    /// The event that inserted the character at `pos`; `None` past the end. `O(log n)`.
    pub fn dot_at(&self, pos: usize) -> Option<Dot> {
        let core = self.core();
        self.open().id_at(core, pos).map(|id| core.dot(id))
    }

    /// Where the character that an event inserted stands; `None` when it was deleted, or is no character of
    /// this text. `O(log n)`.
    pub fn position_of(&self, dot: Dot) -> Option<usize> {
        self.place_of(dot).and_then(|(pos, visible)| visible.then_some(pos))
    }

    /// Where a character stands or, once deleted, stood; and whether it is visible.
    pub(crate) fn place_of(&self, dot: Dot) -> Option<(usize, bool)> {
        let core = self.core();
        self.open().place_of(core, core.roster.id(dot)?)
    }

    /// The visible characters of a range as runs between which nothing stands, not even deleted characters.
    pub(crate) fn stretches(&self, range: Range<usize>) -> Vec<Span> {
        let core = self.core();
        let mut runs: Vec<Span> = Vec::new();
        let mut last = None;
        for id in range.map_while(|pos| self.open().id_at(core, pos)) {
            let dot = core.dot(id);
            match runs.last_mut().filter(|_| last.is_some_and(|last| self.open().adjoin(core, last, id))) {
                Some(run) => run.to = dot.seq,
                None => runs.push(Span { replica: dot.replica, after: dot.seq - 1, to: dot.seq }),
            }
            last = Some(id);
        }
        runs
    }

    /// How many runs the text and what was deleted of it are kept in: a measure of its memory.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId};
    /// # let mut doc = Doc::new(ReplicaId::from_u128(1));
    /// doc.transact(0, |tx| tx.text("note").insert(0, "grüße\n👋"));
    /// let note = doc.text("note").unwrap();
    /// assert_eq!(note.runs(), 1); // typed in one go
    /// ```
    pub fn runs(&self) -> usize {
        self.core().sequence.runs() + usize::from(!self.open().is_none())
    }

    /// Inserts by `author` before the character at `pos`; its characters are the events from `first` on.
    pub(crate) fn insert(&mut self, author: ReplicaId, first: u64, pos: usize, text: &str, len: usize) {
        if let Some(draft) = self.draft_of(author) {
            return draft.insert(first, pos, text, len);
        }
        let (core, open) = self.edit();
        open.insert(core, Dot::new(author, first), pos, text, len);
    }

    /// As [`insert`](Self::insert), right after a character that is here, visible or not. Returns the position.
    pub(crate) fn insert_after(&mut self, author: ReplicaId, first: u64, left: Dot, text: &str) -> usize {
        let (core, open) = self.edit();
        open.settle(core);
        core.insert_after(Dot::new(author, first), left, text)
    }

    /// Deletes by `author` the `len` characters from `pos` on; the events are those from `first` on.
    pub(crate) fn delete(&mut self, author: ReplicaId, first: u64, pos: usize, len: usize) {
        if let Some(draft) = self.draft_of(author) {
            return draft.delete(first, pos, len);
        }
        let (core, open) = self.edit();
        open.delete(core, Dot::new(author, first), pos, len);
    }

    /// Whether every one of these characters is in the text or in `coming`.
    pub(crate) fn here_or_coming(text: Option<&Text>, span: Span, coming: &DotRanges) -> bool {
        match text {
            Some(text) => text.core().here_or_coming(span, coming),
            None => coming.contains_span(span),
        }
    }

    /// Takes another replica's operation; `None`, and the text is as it was, if it names characters that are not
    /// here, which [`here_or_coming`](Self::here_or_coming) says before many are done.
    pub(crate) fn apply(&mut self, at: Dot, op: Op<'_>, patches: Option<&mut Vec<TextPatch>>) -> Option<()> {
        let (core, open) = self.edit();
        open.take(core, at, op, patches)
    }

    /// Whether it is known to be the work of at most so many operations.
    pub(crate) fn is_of_operations(&self, most: usize) -> bool {
        match (&self.stored, &self.draft) {
            (Some(_), _) => false,
            (_, Some(draft)) => draft.is_of_steps(most),
            _ => self.core().log.is_of(most),
        }
    }

    /// Whether this text has operations among these events.
    pub(crate) fn touches(&self, spans: &[Span]) -> bool {
        spans.iter().any(|span| self.core().touches(*span))
    }

    /// The characters that these events deleted.
    pub(crate) fn deleted_by(&self, spans: &[Span]) -> Vec<Span> {
        let ops = spans.iter().flat_map(|span| self.core().ops(*span));
        ops.filter_map(|(_, op)| op.targets()).collect()
    }

    /// Writes the operations among these events, by replica and number.
    pub(crate) fn encode(&self, spans: &[Span], w: &mut Writer) {
        self.core().encode(spans, w);
    }

    /// All operations and what they deleted, for a file; `order` is [`Order::of`] all events of the document,
    /// and `replicas` those who wrote them.
    pub(crate) fn history(&self, order: &[Span], replicas: &[ReplicaId]) -> [Packed; 2] {
        let (ops, deleted) = history::encode(&self.settled(), order, replicas);
        [ops, deleted.into_bytes()].map(Packed::new)
    }

    /// Forgets the operations of these events, which include all that was forgotten before.
    pub(crate) fn forget(&mut self, cut: &VersionVector) {
        let (core, open) = self.edit();
        open.settle(core);
        core.forget(cut);
    }

    /// The places of all characters and the operations of `spans`, for a file; the rest must be forgotten.
    pub(crate) fn shallow(&self, spans: &[Span], replicas: &[ReplicaId]) -> [Packed; 2] {
        forgotten::encode(&self.settled(), spans, replicas).map(Packed::new)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(crate) fn decode<'a>(spans: &[Span], r: &mut Reader<'a>) -> Result<Ops<'a>, DecodeError> {
        op::decode(spans, r)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.to_string()).finish()
    }
}
