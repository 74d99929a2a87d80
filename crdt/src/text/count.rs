//! How long a piece of text is, in each of the units that people count text in.

/// A unit of length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// Characters: Unicode scalar values.
    Chars,
    /// Bytes of UTF-8.
    Utf8,
    /// Code units of UTF-16.
    Utf16,
    /// Line feeds.
    Lines,
}

/// How many units there are.
pub(super) const UNITS: usize = 4;

/// A length in every unit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Count(pub(super) [usize; UNITS]);

impl Count {
    /// The length of a text. `O(n)`.
    pub(super) fn of(text: &str) -> Count {
        let (mut chars, mut pairs, mut lines) = (0, 0, 0);
        // So few bytes that each sum fits in one: the compiler then counts many at a time.
        for block in text.as_bytes().chunks(192) {
            let mut sums = [0_u8; 3];
            for byte in block {
                // Not in the middle of a character; the start of one that is a pair in UTF-16; a line feed.
                sums[0] += u8::from(*byte as i8 >= -0x40);
                sums[1] += u8::from(*byte >= 0xf0);
                sums[2] += u8::from(*byte == b'\n');
            }
            let [first, pair, line] = sums.map(usize::from);
            (chars, pairs, lines) = (chars + first, pairs + pair, lines + line);
        }
        Count([chars, text.len(), chars + pairs, lines])
    }

    /// So many characters of which nothing else is counted.
    pub(super) fn of_chars(chars: usize) -> Count {
        Count([chars, 0, 0, 0])
    }

    pub(super) fn get(&self, unit: Unit) -> usize {
        self.0[unit as usize]
    }

    pub(super) fn chars(&self) -> usize {
        self.get(Unit::Chars)
    }

    pub(super) fn plus(mut self, other: Count) -> Count {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
        self
    }

    pub(super) fn minus(mut self, other: Count) -> Count {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a -= b);
        self
    }
}

/// The byte at which the character after `chars` characters starts; the end when there are fewer.
pub(super) fn byte_of_char(text: &str, chars: usize) -> usize {
    // What is ASCII up to there needs no look at each character.
    match text.as_bytes().get(..chars) {
        Some(start) if start.is_ascii() => chars,
        _ => text.char_indices().nth(chars).map_or(text.len(), |(byte, _)| byte),
    }
}

/// The last place between characters that is no further than `byte`.
pub(super) fn boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|byte| text.is_char_boundary(*byte)).unwrap_or_default()
}

/// The longest start of `text` that has at most `most` of a unit, as bytes. For lines: just behind the
/// `most`-th line feed.
pub(super) fn byte_within(text: &str, unit: Unit, most: usize) -> usize {
    let mut seen = 0;
    for (byte, c) in text.char_indices() {
        if unit == Unit::Lines && seen == most {
            return byte;
        }
        seen += match unit {
            Unit::Chars => 1,
            Unit::Utf8 => c.len_utf8(),
            Unit::Utf16 => c.len_utf16(),
            Unit::Lines => usize::from(c == '\n'),
        };
        if seen > most {
            return byte;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_what_is_there(text in "[a\né€👋]{0,80}|[a\né€👋]{150,700}") {
            let pairs = text.chars().map(char::len_utf16).sum();
            let count = [text.chars().count(), text.len(), pairs, text.matches('\n').count()];
            prop_assert_eq!(Count::of(&text), Count(count));
        }
    }
}
