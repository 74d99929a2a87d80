//! [`OrderKey`]: where a node stands among its siblings.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// A place in a dense order: between any two there is room. Siblings with equal keys, made concurrently at one
/// place, stand in the order of their ids.
///
/// A whole number and a fraction. Appending and prepending step the number, so keys stay at one to three bytes;
/// inserting again and again at one place in between costs one bit each time. Source: fractional indexing as in
/// Figma, with an unbounded integer part as in D. Greenspan, "Implementing fractional indexing", 2020.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct OrderKey {
    whole: i64,
    /// Base 256, the most significant digit first; it does not end with a 0.
    fraction: Box<[u8]>,
}

impl OrderKey {
    /// A key after `low` and before `high`; `None` when there is no room, which is only where they are equal.
    pub(super) fn between(low: Option<&OrderKey>, high: Option<&OrderKey>) -> Option<OrderKey> {
        let whole = |whole| Some(OrderKey { whole, fraction: Box::default() });
        match (low, high) {
            (None, None) => whole(0),
            (Some(low), None) => match low.whole.checked_add(1) {
                Some(next) => whole(next),
                None => Some(OrderKey { whole: low.whole, fraction: fraction(&low.fraction, None) }),
            },
            (None, Some(high)) => match high.whole.checked_sub(1) {
                Some(next) => whole(next),
                None if high.fraction.is_empty() => None,
                None => Some(OrderKey { whole: high.whole, fraction: fraction(&[], Some(&high.fraction)) }),
            },
            (Some(low), Some(high)) if low < high => {
                let next = low.whole.checked_add(1).filter(|next| *next < high.whole);
                match next {
                    Some(next) => whole(next),
                    None => {
                        let bound = (low.whole == high.whole).then_some(&*high.fraction);
                        Some(OrderKey { whole: low.whole, fraction: fraction(&low.fraction, bound) })
                    }
                }
            }
            _ => None,
        }
    }
}

/// A fraction above `low` and below `high`, which is greater; `None` stands for one.
fn fraction(low: &[u8], mut high: Option<&[u8]>) -> Box<[u8]> {
    let mut digits = Vec::new();
    for i in 0.. {
        let a = u16::from(low.get(i).copied().unwrap_or(0));
        let b = high.map_or(256, |high| high.get(i).map_or(256, |digit| u16::from(*digit)));
        if b > a + 1 {
            digits.push(((a + b) / 2) as u8);
            break;
        }
        digits.push(a as u8);
        if b > a {
            // Whatever follows stays below `high`.
            high = None;
        }
    }
    digits.into()
}

impl Encode for OrderKey {
    fn encode(&self, w: &mut Writer) {
        w.i64(self.whole);
        w.bytes(&self.fraction);
    }
}

impl Decode for OrderKey {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (whole, fraction) = (r.i64()?, r.bytes()?);
        if fraction.last() == Some(&0) {
            return Err(r.invalid("a fraction not in its shortest form"));
        }
        Ok(OrderKey { whole, fraction: fraction.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn between_any_two_there_is_room(places in prop::collection::vec(any::<prop::sample::Index>(), 0..300)) {
            let mut keys: Vec<OrderKey> = Vec::new();
            for place in places {
                let at = place.index(keys.len() + 1);
                let low = at.checked_sub(1).and_then(|i| keys.get(i));
                let key = OrderKey::between(low, keys.get(at)).unwrap();
                keys.insert(at, key);
                prop_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }

    #[test]
    fn keys_grow_slowly() {
        let size = |key: &OrderKey| crate::codec::to_bytes(key).len() - 1;
        let mut last = None;
        for _ in 0..10_000 {
            last = OrderKey::between(last.as_ref(), None);
        }
        assert!(size(last.as_ref().unwrap()) <= 4);
        let (low, mut high) = (OrderKey::default(), OrderKey { whole: 1, fraction: Box::default() });
        for _ in 0..800 {
            high = OrderKey::between(Some(&low), Some(&high)).unwrap();
        }
        assert!(size(&high) <= 800 / 8 + 8);
    }

    #[test]
    fn the_ends_hold() {
        let last = OrderKey { whole: i64::MAX, fraction: [255].into() };
        assert!(OrderKey::between(Some(&last), None).unwrap() > last);
        let first = OrderKey { whole: i64::MIN, fraction: [1].into() };
        assert!(OrderKey::between(None, Some(&first)).unwrap() < first);
        assert_eq!(OrderKey::between(Some(&last), Some(&last)), None);
    }
}
