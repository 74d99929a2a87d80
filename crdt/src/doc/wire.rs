//! The body of a document's delta: which events, what they did to the tree, what they typed.
//!
//! ```text
//! body  = flags (bit 0: tree, bit 1: texts)  parents  [tree]  [texts]
//! tree  = needed: count dot*   removals   fragment: places     (in the short form, if so much is there: bits 4 to 7)
//! texts = count { path  operations }*
//! ```
//!
//! `needed` names events outside the delta that ended what some event inside it had written: without them
//! the receiver would see a state that never was, so it waits for them.

use smallvec::SmallVec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Twice, Writer};
use crate::context::DotRanges;
use crate::delta::Delta;
use crate::dots::{DotStore, Entries, Gathered, RemovalLog};
use crate::graph::Parents;
use crate::id::{Dot, ReplicaId, Span};
use crate::text::{Op, Ops, Text};

use super::marks::Marks;
use super::node::{Node, Places, decode_places};
use super::path::{Path, Shape};

const TREE: u8 = 1;
const TEXTS: u8 = 2;
/// The body is a whole document, as a file has it.
pub(super) const WHOLE: u8 = 4;
/// It has forgotten.
pub(super) const SHALLOW: u8 = 8;
/// Its state, or of events the tree, is in the brief form; that of events with short times.
pub(super) const BRIEF: u8 = 16;
/// The names in the histories of its texts are, and places of characters are those of runs.
pub(super) const SHORT: u8 = 32;
/// In which form the removals of such a tree are.
const ENTRIES: u8 = 32 | 64;
/// Events are needed for such a tree.
const NEEDED: u8 = 128;

/// A decoded body; valid in itself, not yet against any document.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    pub(super) parents: Parents,
    pub(super) tree: Tree,
    /// For each text, by path, its operations.
    pub(super) texts: Texts<'a>,
    /// The events that are seen to have done something; `None` when all are the operations of one text.
    done: Option<DotRanges>,
}

/// Texts by path, each with its operations.
type Texts<'a> = SmallVec<[(Path, Ops<'a>); 1]>;

/// What events did to the tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) needed: Vec<Dot>,
    pub(super) removals: RemovalLog,
    pub(super) fragment: Places,
}

impl Tree {
    /// The events that placed the elements of lists whose contents are here, and that made the nodes of trees.
    pub(super) fn placeholders(&self) -> Vec<Dot> {
        let (mut found, mut open) = (Vec::new(), vec![&self.fragment]);
        while let Some(places) = open.pop() {
            for (_, node) in places.iter() {
                open.extend(node.places());
                if let Node::List(list) = node {
                    found.extend(list.placeholders());
                }
                if let Node::Tree(tree) = node {
                    found.extend(tree.named());
                }
            }
        }
        found
    }

    /// The marks of texts, by the paths of those.
    pub(super) fn marks(&self) -> Vec<(Path, &Marks)> {
        let (mut found, mut open) = (Vec::new(), vec![(Path::default(), &self.fragment)]);
        while let Some((path, places)) = open.pop() {
            for (key, node) in places.iter() {
                if let Some(marks) = node.marks() {
                    found.push((path.child(key.clone()).beside(Shape::Text), marks));
                }
                open.extend(node.places().map(|places| (path.child(key.clone()), places)));
            }
        }
        found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.needed.is_empty() && self.removals.is_empty() && self.fragment.is_bottom()
    }

    /// The events that it names as its own; an error if one is not of these, or has two effects.
    fn effects(&self, spans: &[Span]) -> Result<DotRanges, &'static str> {
        let claimed: DotRanges = spans.iter().copied().collect();
        let (mut dots, mut outside) = (Gathered::new(), false);
        self.fragment.for_each_dot(&mut |dot| {
            outside |= !claimed.contains(dot);
            dots.push(dot, ());
        });
        let done = dots.into_ranges().filter(|_| !outside);
        let mut done =
            done.ok_or("a value written by an event outside the delta, or by the event of another")?;
        for (by, _) in self.removals.iter() {
            if !claimed.contains(by) {
                return Err("a removal by an event outside the delta");
            }
            done.insert(by);
        }
        Ok(done)
    }

    /// What the flags say of it in the short form.
    fn flags(&self, spans: &[Span]) -> u8 {
        let needed = if self.needed.is_empty() { 0 } else { NEEDED };
        let entries = self.removals.shortest(last(spans)).number();
        TREE | BRIEF | needed | entries << ENTRIES.trailing_zeros()
    }

    /// In the short form.
    fn encode(&self, spans: &[Span], w: Writer) -> Writer {
        let mut w = w.in_short(firsts(spans));
        if !self.needed.is_empty() {
            encode_needed(&self.needed, &mut w);
        }
        self.removals.encode_as(self.removals.shortest(last(spans)), &mut w);
        self.fragment.encode(&mut w);
        w.in_plain()
    }

    /// In the short form, of which the flags say what there is.
    fn decode(flags: u8, spans: &[Span], r: &mut Reader<'_>) -> Result<Tree, DecodeError> {
        let needed = if flags & NEEDED == 0 { Vec::new() } else { decode_needed(r)? };
        let number = (flags & ENTRIES) >> ENTRIES.trailing_zeros();
        let entries = Entries::numbered(number, last(spans));
        let entries = entries.ok_or_else(|| r.invalid("unknown form of removals"))?;
        let removals = RemovalLog::decode_as(entries, last(spans), r)?;
        let tree = Tree { needed, removals, fragment: decode_places(None, r)? };
        match tree.is_empty() || tree.needed.is_empty() != (flags & NEEDED == 0) {
            true => Err(r.invalid("an empty part of a delta")),
            false => Ok(tree),
        }
    }
}

/// The first event of each span.
fn firsts(spans: &[Span]) -> impl Iterator<Item = u64> {
    spans.iter().map(|span| span.after.saturating_add(1))
}

/// The last event of the only span.
fn last(spans: &[Span]) -> Option<Dot> {
    let [span] = spans else { return None };
    Some(Dot::new(span.replica, span.to))
}

fn encode_needed(needed: &[Dot], w: &mut Writer) {
    w.u64(needed.len() as u64);
    needed.iter().for_each(|dot| w.dot(*dot));
}

pub(super) fn encode_tree(needed: &[Dot], removals: &RemovalLog, fragment: &Places, w: &mut Writer) {
    encode_needed(needed, w);
    removals.encode(w);
    fragment.encode(w);
}

/// Puts a delta together.
pub(super) fn encode(spans: Vec<Span>, parents: &Parents, tree: &Tree, texts: &[(&Path, &Text)]) -> Delta {
    let mut w = Delta::writer(&spans);
    let flags =
        if tree.is_empty() { 0 } else { tree.flags(&spans) } | if texts.is_empty() { 0 } else { TEXTS };
    w.u8(flags);
    parents.encode(&spans, &mut w);
    if flags & TREE != 0 {
        w = tree.encode(&spans, w);
    }
    if flags & TEXTS != 0 {
        w.u64(texts.len() as u64);
        for (path, text) in texts {
            path.encode(&mut w);
            text.encode(&spans, &mut w);
        }
    }
    Delta::from_writer(spans, w)
}

/// Takes a delta apart; refuses one whose content is not that of its events. `table` is the delta's.
pub(super) fn decode<'a>(delta: &'a Delta, table: &'a [ReplicaId]) -> Result<Body<'a>, DecodeError> {
    let mut r = Reader::new(&delta.body, table);
    let flags = r.u8()?;
    let known = if flags & TREE != 0 && flags & BRIEF != 0 { BRIEF | ENTRIES | NEEDED } else { 0 };
    if flags & !(TREE | TEXTS | known) != 0 {
        return Err(r.invalid("unknown part of a delta"));
    }
    let parents = Parents::decode(&delta.spans, &mut r)?;
    let tree = match flags & (TREE | BRIEF) {
        0 => Tree::default(),
        TREE => r.looking(Twice::Part, decode_tree)?,
        _ => {
            r = r.in_short(firsts(&delta.spans));
            let tree = r.looking(Twice::Part, |r| Tree::decode(flags, &delta.spans, r))?;
            r = r.in_plain();
            tree
        }
    };
    let texts = if flags & TEXTS != 0 { decode_texts(&delta.spans, &mut r)? } else { Texts::new() };
    r.end()?;
    let mut body = Body { parents, tree, texts, done: None };
    if !body.is_one_text(&delta.spans) {
        body.done = Some(body.effects(&delta.spans).map_err(|what| r.invalid(what))?);
    }
    Ok(body)
}

fn decode_needed(r: &mut Reader<'_>) -> Result<Vec<Dot>, DecodeError> {
    let needed = (0..r.count(2)?).map(|_| r.dot()).collect::<Result<Vec<_>, _>>()?;
    match needed.windows(2).any(|w| matches!(w, [a, b] if a >= b)) {
        true => Err(r.invalid("needed events must be sorted")),
        false => Ok(needed),
    }
}

pub(super) fn decode_tree(r: &mut Reader<'_>) -> Result<Tree, DecodeError> {
    let needed = decode_needed(r)?;
    let tree = Tree { needed, removals: RemovalLog::decode(r)?, fragment: decode_places(None, r)? };
    if tree.is_empty() { Err(r.invalid("an empty part of a delta")) } else { Ok(tree) }
}

fn decode_texts<'a>(spans: &[Span], r: &mut Reader<'a>) -> Result<Texts<'a>, DecodeError> {
    let mut texts = Texts::new();
    for _ in 0..r.count(3)? {
        let path = Path::decode(r)?;
        if texts.last().is_some_and(|(last, _)| *last >= path) {
            return Err(r.invalid("texts must be sorted"));
        }
        let ops = Text::decode(spans, r)?;
        if ops.is_empty() {
            return Err(r.invalid("a text without operations"));
        }
        texts.push((path, ops));
    }
    if texts.is_empty() { Err(r.invalid("an empty part of a delta")) } else { Ok(texts) }
}

impl Body<'_> {
    /// Whether every event is an operation on the same text; so most deltas are, and need no more checks of
    /// what did what.
    pub(super) fn is_text_only(&self) -> bool {
        self.done.is_none()
    }

    /// Whether it is one operation on one text and nothing else: a keystroke.
    pub(super) fn is_one_op(&self) -> bool {
        self.is_text_only() && self.texts.iter().map(|(_, ops)| ops.len()).sum::<usize>() == 1
    }

    fn is_one_text(&self, spans: &[Span]) -> bool {
        // Operations on one text lie within the spans, and share no event.
        let [(_, ops)] = self.texts.as_slice() else { return false };
        let events = |sum: u64, n: u64| sum.saturating_add(n);
        self.tree.is_empty()
            && ops.iter().map(|(_, op)| op.len()).fold(0, events)
                == spans.iter().map(Span::len).fold(0, events)
    }

    /// Whether every event of the spans did something, seen here or ended since by an event of `ended`.
    /// So nobody claims another's events by mistake. A forger can still say that they were written and ended:
    /// an honest replica that wrote one place again and again says just that. Only binding writers to their
    /// links, or signatures, stops a member that lies.
    pub(super) fn accounts_for(&self, spans: &[Span], ended: &DotRanges) -> bool {
        let Some(all) = &self.done else { return true };
        spans.iter().all(|span| {
            all.contains_span(*span) || {
                let mut done = DotRanges::new();
                done.extend_within(all, *span);
                done.extend_within(ended, *span);
                done.contains_span(*span)
            }
        })
    }

    /// That a tree is the work of these events, each with one effect.
    pub(super) fn check_tree(tree: &Tree, spans: &[Span]) -> Result<(), &'static str> {
        tree.effects(spans).map(drop)
    }

    /// The events that the content names as its own; an error if one is not the delta's or has two effects.
    fn effects(&self, spans: &[Span]) -> Result<DotRanges, &'static str> {
        let mut done = self.tree.effects(spans)?;
        for (at, op) in self.texts.iter().flat_map(|(_, ops)| ops) {
            let events = op.events(*at);
            if done.intersects(&std::iter::once(events).collect()) {
                return Err("one event with two effects");
            }
            done.insert_span(events);
        }
        done.extend(self.tree.removals.removed());
        Ok(done)
    }

    /// The characters that the delta's insertions bring, for what names them.
    pub(super) fn characters(ops: &[(Dot, Op<'_>)]) -> DotRanges {
        if ops.len() == 1 {
            return DotRanges::new();
        }
        inserts(ops)
    }

    /// The characters that come, by text, in order of path, for marks that name them.
    pub(super) fn inserted(&self) -> Vec<(&Path, DotRanges)> {
        self.texts.iter().map(|(path, ops)| (path, inserts(ops))).collect()
    }
}

/// The characters that operations insert.
fn inserts(ops: &[(Dot, Op<'_>)]) -> DotRanges {
    ops.iter().filter_map(|(at, op)| op.inserted(*at)).collect()
}
