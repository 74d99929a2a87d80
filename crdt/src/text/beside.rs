//! Deleted characters among the visible ones: for marks, which hold on to characters for ever.

use std::cmp::Ordering;

use crate::context::DotRanges;
use crate::id::Dot;

use super::Text;
use super::open::Open;

impl Text {
    /// Which of two characters stands first, deleted or not; `None` when one is no character of this text.
    /// `O(log n)`.
    pub(crate) fn order(&self, a: Dot, b: Dot) -> Option<Ordering> {
        // What is deleted stands before the visible character at its position.
        let by_position = self.place_of(a)?.cmp(&self.place_of(b)?);
        if by_position.is_ne() {
            return Some(by_position);
        }
        let core = self.core();
        core.sequence.order(core.roster.id(a)?, core.roster.id(b)?).or(Some(Ordering::Equal))
    }

    /// Whether a character is in a text, or in `coming`.
    pub(crate) fn has(text: Option<&Text>, dot: Dot, coming: Option<&DotRanges>) -> bool {
        text.is_some_and(|text| text.place_of(dot).is_some())
            || coming.is_some_and(|coming| coming.contains(dot))
    }

    /// Whether deleted characters stand between the visible one before `pos` and the one at it. `O(log n)`.
    pub(crate) fn hides_before(&self, pos: usize) -> bool {
        let core = self.core();
        let sequence = &core.sequence;
        let deleted = |place| sequence.stretch(sequence.settle(place)).is_some_and(|run| run.deleted);
        let behind = |pos| sequence.settle(sequence.gap(pos).0);
        let start = self.open().view(core).at;
        match *self.open() {
            Open::Insert { len, .. } if pos > start + len => deleted(behind(pos - len)),
            Open::Insert { len, place, .. } if pos == start + len => deleted(place),
            Open::Insert { .. } if pos > start => false,
            // It may stand behind deleted characters itself.
            Open::Insert { place, .. } if pos == start => {
                sequence.place_order(behind(pos), sequence.settle(place)).is_lt()
            }
            Open::Delete { .. } if pos == start => true,
            Open::Delete { len, .. } if pos > start => deleted(behind(pos + len)),
            _ => deleted(behind(pos)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Doc, Dot, ReplicaId, Replicated, VersionVector};
    use proptest::prelude::*;

    fn id(n: u128) -> ReplicaId {
        ReplicaId::from_u128(n)
    }

    proptest! {
        /// The order is total, agrees with what is visible, and is the same on every replica; what is hidden
        /// before a position is what stands in order between its neighbours.
        #[test]
        fn deleted_characters_keep_their_order(
            edits in prop::collection::vec((0..2usize, 0..4u8, any::<u8>(), 1..4usize), 1..40),
        ) {
            let mut docs = [Doc::new(id(1)), Doc::new(id(2))];
            for (who, what, at, len) in edits {
                if what == 3 {
                    let lacks = docs[1 - who].delta_since(docs[who].version());
                    docs[who].apply(&lacks).unwrap();
                    continue;
                }
                docs[who].transact(0, |tx| {
                    let mut text = tx.text("t");
                    let pos = usize::from(at) % (text.len() + 1);
                    if what == 0 { text.delete(pos..pos + len) } else { text.insert(pos, &"abc"[..len]) }
                });
            }
            let lacks = docs[1].delta_since(docs[0].version());
            docs[0].apply(&lacks).unwrap();
            // Nothing is open in a document that took all as one delta.
            let mut settled = Doc::new(id(3));
            settled.apply(&docs[0].delta_since(&VersionVector::new())).unwrap();
            let (Some(text), Some(other)) = (docs[0].text("t"), settled.text("t")) else { return Ok(()) };
            let nothing = VersionVector::new();
            let events = docs[0].version().since(&nothing);
            let dots = events.flat_map(|s| (s.after + 1..=s.to).map(move |seq| Dot::new(s.replica, seq)));
            let mut all: Vec<Dot> = dots.filter(|dot| text.place_of(*dot).is_some()).collect();
            all.sort_by(|a, b| text.order(*a, *b).unwrap());
            for (i, a) in all.iter().enumerate() {
                for (j, b) in all.iter().enumerate() {
                    prop_assert_eq!(text.order(*a, *b), Some(i.cmp(&j)));
                    prop_assert_eq!(other.order(*a, *b), Some(i.cmp(&j)));
                }
            }
            let shown = |dot: &Dot| text.position_of(*dot).is_some();
            prop_assert!(text.dots().eq(all.iter().copied().filter(shown)));
            for pos in 0..=text.len() {
                let next = text.dot_at(pos).map_or(all.len(), |next| all.iter().position(|d| *d == next).unwrap());
                prop_assert_eq!(text.hides_before(pos), next > 0 && !shown(&all[next - 1]), "{}", pos);
            }
        }
    }
}
