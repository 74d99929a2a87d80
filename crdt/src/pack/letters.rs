//! Bytes of which few kinds are frequent, each as the number of its kind, in as many bits as that takes: longer than the best
//! code where some kinds are more frequent than others, and unpacked four times as fast. What else occurs stands apart.

use crate::codec::{DecodeError, Reader, Writer};

/// The low three bits of the first byte: no deflated bytes begin so (a kind of block that there is not).
const MARK: u8 = 0b110;
/// What one that stands apart takes, at least.
const APART: usize = 2;

/// `bytes` as letters, if that takes at most so many bytes.
pub(super) fn pack(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut counts = [0_usize; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let mut kinds: Vec<u8> = (0..=255).filter(|byte| counts[usize::from(*byte)] > 0).collect();
    kinds.sort_by_key(|byte| std::cmp::Reverse(counts[usize::from(*byte)]));
    let others = |width: usize| -> usize {
        kinds.iter().skip(1 << width).map(|byte| counts[usize::from(*byte)]).sum()
    };
    let least = |width: &usize| (bytes.len() * width).div_ceil(8) + APART * others(*width);
    let width = (1..8).min_by_key(least).filter(|width| least(width) <= most)?;
    let (apart, least) = (others(width), least(&width));

    kinds.truncate(1 << width);
    kinds.sort_unstable();
    let mut codes = [None; 256];
    for (letter, code) in kinds.iter().zip(0..) {
        codes[usize::from(*letter)] = Some(code);
    }
    let mut w = Writer::with_capacity(least + 200);
    w.u8(MARK | (width as u8) << 3);
    w.bytes(&kinds);
    w.u64(apart as u64);
    let mut passed = 0;
    for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| codes[usize::from(**byte)].is_none()) {
        w.u64((at - passed) as u64);
        w.u8(*byte);
        passed = at + 1;
    }
    for eight in bytes.chunks(8) {
        let code = |at: usize, byte: &u8| codes[usize::from(*byte)].unwrap_or(0) << (at * width);
        let bits: u64 = eight.iter().enumerate().fold(0, |bits, (at, byte)| bits | code(at, byte));
        w.raw(&bits.to_le_bytes()[..(eight.len() * width).div_ceil(8)]);
    }
    Some(w.into_body()).filter(|packed| packed.len() <= most)
}

/// Whether these are letters, not deflated.
pub(super) fn are_these(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0b111 == MARK)
}

/// The `len` bytes that were packed. A code of no letter stands for the last.
pub(super) fn unpack(bytes: &[u8], len: usize) -> Result<Vec<u8>, DecodeError> {
    let mut r = Reader::new(bytes, &[]);
    let width = usize::from(r.u8()? >> 3);
    let kinds = r.bytes()?;
    let mut letters = [*kinds.last().ok_or_else(|| r.invalid("no letters"))?; 128];
    let room = letters.get_mut(..kinds.len()).ok_or_else(|| r.invalid("too many letters"))?;
    room.copy_from_slice(kinds);

    let mut apart = Vec::with_capacity(r.count(APART)?);
    let mut passed = 0;
    for _ in 0..apart.capacity() {
        let at =
            usize::try_from(r.u64()?).ok().and_then(|gap| gap.checked_add(passed)).filter(|at| *at < len);
        let at = at.ok_or_else(|| r.invalid("a byte apart behind the end"))?;
        apart.push((at, r.u8()?));
        passed = at + 1;
    }
    let codes = r.raw(r.remaining())?;
    if len.checked_mul(width).is_none_or(|bits| bits.div_ceil(8) != codes.len()) {
        return Err(r.invalid("more or fewer letters than there should be"));
    }
    // With the width known to the compiler it takes half as long.
    let mut out = match width {
        1 => spell::<1>(codes, &letters),
        2 => spell::<2>(codes, &letters),
        3 => spell::<3>(codes, &letters),
        4 => spell::<4>(codes, &letters),
        5 => spell::<5>(codes, &letters),
        6 => spell::<6>(codes, &letters),
        7 => spell::<7>(codes, &letters),
        _ => return Err(r.invalid("letters of so many bits")),
    };
    out.truncate(len);
    apart.into_iter().for_each(|(at, byte)| out[at] = byte);
    Ok(out)
}

/// The letters of codes of `WIDTH` bits, and up to seven more.
fn spell<const WIDTH: usize>(codes: &[u8], letters: &[u8; 128]) -> Vec<u8> {
    let mut out = vec![0; codes.len().div_ceil(WIDTH) * 8];
    let (eights, _) = out.as_chunks_mut::<8>();
    for (at, eight) in (0..).step_by(WIDTH).zip(eights) {
        // Eight codes are `WIDTH` bytes; what stands behind them is not looked at.
        let rest = &codes[at..];
        let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            last
        });
        let bits = u64::from_le_bytes(bytes);
        *eight =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|n| letters[(bits >> (n * WIDTH)) as usize & ((1 << WIDTH) - 1)]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out(kinds in 1_u8.., picks: Vec<u8>, others: Vec<u8>) {
            let letters = picks.iter().map(|pick| (pick % kinds).wrapping_mul(77));
            let bytes: Vec<u8> = letters.chain(others).collect();
            let packed = pack(&bytes, usize::MAX).unwrap();
            prop_assert!(are_these(&packed));
            prop_assert!(pack(&bytes, packed.len()).is_some());
            prop_assert!(pack(&bytes, packed.len() - 1).is_none());
            if bytes.is_empty() {
                return Ok(()); // which are written whole
            }
            prop_assert_eq!(unpack(&packed, bytes.len()), Ok(bytes));
        }

        #[test]
        fn any_bytes_are_refused_or_read(
            mut bytes in proptest::collection::vec(any::<u8>(), 1..99), width in 0_u8..9, len in 0_usize..300,
        ) {
            bytes[0] = MARK | width << 3;
            prop_assert!(unpack(&bytes, len).is_ok_and(|out| out.len() == len) || unpack(&bytes, len).is_err());
        }
    }

    #[test]
    fn what_is_rare_stands_apart() {
        let mut bytes: Vec<u8> = (0..8_000_u32).map(|n| b'a' + (n % 32) as u8).collect();
        bytes.extend("grüße".bytes());
        let packed = pack(&bytes, 6_000).unwrap();
        assert_eq!(packed.len(), 5 * 8_005_usize.div_ceil(8) + 32 + 1 + 1 + 1 + 4 * APART + 1);
        assert_eq!(unpack(&packed, bytes.len()), Ok(bytes));
    }
}
