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
        let lines = text.bytes().filter(|byte| *byte == b'\n').count();
        if text.is_ascii() {
            return Count([text.len(), text.len(), text.len(), lines]);
        }
        let (mut chars, mut utf16) = (0, 0);
        for c in text.chars() {
            chars += 1;
            utf16 += c.len_utf16();
        }
        Count([chars, text.len(), utf16, lines])
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
