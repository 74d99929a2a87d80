//! A text that one author has written and of which nobody has asked which character is which.
//!
//! It is plain text and the edits that made it, as positions: no character has a name yet. Names are given,
//! by doing the edits again, when something needs them: a difference for others, what others wrote, a cursor.
//! So what is written before anything is shared costs what it costs in a plain rope, in time and in memory.

use std::sync::OnceLock;

use crate::id::{Dot, ReplicaId};

use super::chunk::Id;
use super::core::Core;
use super::count::byte_of_char;
use super::log::What;
use super::rope::Rope;
use super::steps::{Kind, Step, Steps};
use super::view::{Pieces, View};

/// How many bytes are kept for what is typed next. What is longer is put in the rope at once.
const TYPED: usize = 1 << 10;

/// How many bytes are put in front of before they are put in the rope.
const TYPED_BACK: usize = 1 << 8;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    author: ReplicaId,
    /// The text without the open edit.
    rope: Rope,
    /// All edits, the open one too.
    steps: Steps,
    open: Open,
    /// What is being typed.
    typed: String,
    /// What deletions took, each in the order of the text.
    deleted: String,
    /// The text with names, once someone has asked for it.
    core: OnceLock<Box<Core>>,
}

/// An edit that the rope lacks: the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    None,
    /// What is typed stands before position `at` of the rope.
    Insert {
        at: usize,
        len: usize,
    },
    /// The `len` characters from `at` on are deleted.
    Delete {
        at: usize,
        len: usize,
    },
}

impl Draft {
    pub(super) fn new(author: ReplicaId) -> Draft {
        Draft {
            author,
            rope: Rope::default(),
            steps: Steps::default(),
            open: Open::None,
            typed: String::new(),
            deleted: String::new(),
            core: OnceLock::new(),
        }
    }

    /// Whether it was written in at most so many steps.
    pub(super) fn is_of_steps(&self, most: usize) -> bool {
        self.steps.iter().take(most + 1).count() <= most
    }

    /// Whether `author` can go on here: nobody else has written, and no character has a name yet.
    pub(super) fn is_of(&self, author: ReplicaId) -> bool {
        self.author == author && self.core.get().is_none()
    }

    pub(super) fn rope(&self) -> &Rope {
        &self.rope
    }

    /// The rope as it is to be seen.
    pub(super) fn view(&self) -> View<'_> {
        match self.open {
            Open::None => View::default(),
            Open::Insert { at, len } => View { at, removed: 0, added: &self.typed, len },
            Open::Delete { at, len } => View { at, removed: len, added: "", len: 0 },
        }
    }

    pub(super) fn len(&self) -> usize {
        let chars = self.rope.total().chars();
        match self.open {
            Open::None => chars,
            Open::Insert { len, .. } => chars + len,
            Open::Delete { len, .. } => chars - len,
        }
    }

    pub(super) fn insert(&mut self, first: u64, pos: usize, text: &str, chars: usize) {
        match &mut self.open {
            Open::Insert { at, len } if *at + *len == pos && text.len() <= TYPED => {
                *len += chars;
                self.typed.push_str(text);
            }
            // Typed before what was typed last: that much may be moved.
            Open::Insert { at, len } if *at == pos && self.typed.len() + text.len() <= TYPED_BACK => {
                *len += chars;
                self.typed.insert_str(0, text);
            }
            _ => {
                self.settle();
                if text.len() <= TYPED {
                    self.open = Open::Insert { at: pos, len: chars };
                    self.typed.push_str(text);
                } else {
                    // What is pasted is copied once.
                    self.rope.insert(pos, text);
                }
            }
        }
        if !self.steps.type_more(first, pos, chars as u64) {
            self.steps.push(first, Step { kind: Kind::Insert, pos, len: chars as u64 });
        }
    }

    pub(super) fn delete(&mut self, first: u64, pos: usize, chars: usize) {
        match &mut self.open {
            Open::Delete { at, len } if self.steps.delete_more(first, pos, chars as u64) => {
                (*at, *len) = (pos, *len + chars);
            }
            _ => {
                self.settle();
                self.steps.push(first, Step { kind: Kind::Delete, pos, len: chars as u64 });
                self.open = Open::Delete { at: pos, len: chars };
            }
        }
    }

    /// Does the open edit in the rope.
    fn settle(&mut self) {
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => {}
            Open::Insert { at, .. } => {
                self.rope.insert(at, &self.typed);
                self.typed.clear();
                self.typed.shrink_to(TYPED);
            }
            Open::Delete { at, len } => {
                // An eighth more at a time, not twice as much: most of what is written is never deleted.
                if self.deleted.capacity() - self.deleted.len() < len {
                    self.deleted.reserve_exact(len + self.deleted.len() / 8);
                }
                self.rope.remove(at, len, &mut self.deleted);
            }
        }
    }

    /// The text with names. Costs all edits, the first time.
    pub(super) fn core(&self) -> &Core {
        self.core.get_or_init(|| {
            let mut draft = self.clone();
            draft.settle();
            Box::new(draft.named())
        })
    }

    pub(super) fn into_core(mut self) -> Core {
        match self.core.take() {
            Some(core) => *core,
            None => {
                self.settle();
                self.named()
            }
        }
    }

    /// Does all edits again with blanks for text, and then puts the text in.
    fn named(&self) -> Core {
        let mut core = Core::default();
        let blanks = "\0".repeat(self.steps.longest());
        let mut gone: Vec<(Id, usize)> = Vec::new();
        for (first, step) in self.steps.iter() {
            let mut at = core.id(Dot::new(self.author, first));
            let len = step.len as usize;
            match step.kind {
                Kind::Insert => core.type_blanks(at, step.pos, &blanks[..len]),
                Kind::InsertBack => {
                    (0..step.len).for_each(|i| core.type_blanks(at.plus(i), step.pos, &blanks[..1]));
                }
                Kind::Delete => core.delete(at, step.pos, len, |first, len| gone.push((first, len))),
                Kind::DeleteBack => {
                    let from = gone.len();
                    let mut end = step.pos + len;
                    while end > step.pos {
                        let Some((first, n)) = core.delete_back(at, end, end - step.pos) else { break };
                        gone.push((first, n));
                        at = at.plus(n as u64);
                        end -= n;
                    }
                    // What was taken is in the order of the text.
                    gone[from..].reverse();
                }
            }
        }
        let mut rest = self.deleted.as_str();
        let deleted = gone.iter().map(|(first, len)| {
            let (piece, after) = rest.split_at(byte_of_char(rest, *len));
            rest = after;
            (*first, piece)
        });
        let deleted = deleted.collect();
        let visible: String = self.rope.pieces(0..self.rope.total().chars()).collect();
        core.fill(&visible, deleted);
        core
    }
}

impl Core {
    fn type_blanks(&mut self, at: Id, pos: usize, blanks: &str) {
        let (place, left, right) = self.sequence.gap(pos);
        self.sequence.insert(place, at, left == Some(at.before()), blanks);
        self.log.push(at, blanks.len() as u64, What::Insert { left, right }, "");
    }

    /// Deletes up to `most` characters that end before position `end`, from the end to the front, as far as one
    /// run goes: the first in the text, and how many.
    fn delete_back(&mut self, at: Id, end: usize, most: usize) -> Option<(Id, usize)> {
        let last = self.sequence.visible(end.checked_sub(1)?)?;
        let n = most.min(last.spot.offset + 1);
        let target = self.sequence.id(last)?;
        let place = self.sequence.visible(end - n)?;
        let first = self.sequence.id(place)?;
        self.sequence.hide(place, n);
        self.log.push(at, n as u64, What::Delete { target, back: n > 1 }, "");
        Some((first, n))
    }
}
