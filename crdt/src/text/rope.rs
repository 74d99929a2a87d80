//! Plain text: pieces of it, found by a [`Tree`]. An edit costs `O(log n)` and moves one piece at most.

use super::chunk::small;
use super::count::{Count, Unit, boundary};
use super::tree::{Tree, push};
use super::view::{Pieces, byte_in};

/// The longest piece, in bytes.
const MAX_PIECE: usize = small(2048, 24);

#[derive(Clone, Debug, Default)]
struct Piece {
    text: String,
    /// Its length in characters.
    chars: usize,
}

impl Piece {
    /// Where the character at `pos` starts, in bytes.
    fn byte(&self, pos: usize) -> usize {
        byte_in(&self.text, self.chars, pos)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Rope {
    /// By number; their order is the tree's.
    pieces: Vec<Piece>,
    tree: Tree,
}

impl Default for Rope {
    fn default() -> Self {
        Rope { pieces: vec![Piece::default()], tree: Tree::default() }
    }
}

impl Pieces for Rope {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn piece(&self, number: usize) -> (&str, usize) {
        let piece = &self.pieces[number];
        (&piece.text, piece.chars)
    }
}

impl Rope {
    /// Puts text in before the character at `pos`.
    pub(super) fn insert(&mut self, pos: usize, mut text: &str) {
        let (mut piece, before) = self.tree.find(Unit::Chars, pos);
        let mut byte = self.pieces[piece].byte(pos - before);
        while !text.is_empty() {
            let (block, rest) = text.split_at(boundary(text, MAX_PIECE));
            while self.pieces[piece].text.len() + block.len() > MAX_PIECE {
                (piece, byte) = self.make_room(piece, byte, block.len());
            }
            let count = Count::of(block);
            self.pieces[piece].text.insert_str(byte, block);
            self.pieces[piece].chars += count.chars();
            self.tree.add(piece, count);
            byte += block.len();
            text = rest;
        }
    }

    /// Cuts a piece in two, so that there is more room at a place in it for so many bytes; where that place is
    /// now.
    fn make_room(&mut self, piece: usize, byte: usize, wanted: usize) -> (usize, usize) {
        let text = &self.pieces[piece].text;
        // Typing at an end, forwards or backwards, leaves full pieces behind it.
        let at_end = byte == 0 || byte == text.len();
        let cut = if at_end || wanted > MAX_PIECE / 2 { byte } else { boundary(text, text.len() / 2) };
        let rest = match cut {
            0 => std::mem::take(&mut self.pieces[piece].text),
            cut => self.pieces[piece].text.split_off(cut),
        };
        let count = Count::of(&rest);
        let new = self.tree.split(piece, count);
        self.pieces[piece].chars -= count.chars();
        push(&mut self.pieces, Piece { text: rest, chars: count.chars() });
        let stays = byte < cut || byte == 0 || byte == cut && !at_end;
        if stays { (piece, byte) } else { (new, byte - cut) }
    }

    /// Takes characters out, and appends them to `taken`.
    pub(super) fn remove(&mut self, pos: usize, mut chars: usize, taken: &mut String) {
        while chars > 0 {
            let (at, before) = self.tree.find(Unit::Chars, pos + 1);
            let piece = &mut self.pieces[at];
            let start = pos - before;
            let n = chars.min(piece.chars.saturating_sub(start));
            if n == 0 {
                break; // There are no more.
            }
            let bytes = piece.byte(start)..piece.byte(start + n);
            let gone = &piece.text[bytes.clone()];
            let count = Count::of(gone);
            taken.push_str(gone);
            piece.text.replace_range(bytes, "");
            piece.chars -= n;
            if piece.chars == 0 {
                piece.text = String::new();
            }
            self.tree.remove(at, count);
            chars -= n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::count::byte_of_char;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn does_what_a_string_does(
            edits in prop::collection::vec((any::<u16>(), 0usize..60, "[aé\n👋]{0,70}"), 1..60),
        ) {
            let (mut rope, mut plain) = (Rope::default(), String::new());
            for (pos, gone, text) in edits {
                let chars = plain.chars().count();
                let pos = usize::from(pos) % (chars + 1);
                let end = (pos + gone).min(chars);
                let bytes = byte_of_char(&plain, pos)..byte_of_char(&plain, end);
                let mut taken = String::new();
                rope.remove(pos, end - pos, &mut taken);
                rope.insert(pos, &text);
                prop_assert_eq!(&taken, &plain[bytes.clone()]);
                plain.replace_range(bytes, &text);
                prop_assert_eq!(rope.total(), &Count::of(&plain));
                prop_assert_eq!(rope.pieces(0..usize::MAX - 1).collect::<String>(), plain.clone());
                prop_assert_eq!(rope.count_to(pos), Count::of(&plain[..byte_of_char(&plain, pos)]));
            }
        }
    }
}
