//! Bytes in a file, compressed where that makes them fewer.
//!
//! What repeats is deflated. Of what does not repeat (pictures in base 64, random letters) deflate only gains that some bytes
//! never occur, slowly: long ones are [`letters`] then, a few bits for each byte.

use std::borrow::Cow;

use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress,
    create_comp_flags_from_zip_params,
};
use zune_inflate::{DeflateDecoder, DeflateOptions};

use crate::codec::{DecodeError, Reader, Writer};

mod letters;

/// Deflate makes no more than this of one byte: a claim of more is a lie.
const MAX_RATIO: usize = 1032;
/// What is shorter is not worth the try: making the compressor's tables costs more than all else of a small document.
const MIN_LEN: usize = 512;
/// What is longer is compressed and read quickly: up to a fifth longer, in a fraction of the time.
const LARGE: usize = 1 << 20;

/// Bytes as a file has them: whole, deflated, or as [`letters`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    len: usize,
    bytes: Vec<u8>,
}

impl Packed {
    /// As short as can be, if it is not [`LARGE`]. The same bytes always give the same.
    pub(crate) fn new(bytes: Vec<u8>) -> Packed {
        let len = bytes.len();
        if len < MIN_LEN {
            return Packed { len, bytes };
        }
        let matched = deflate(&bytes, CompressionStrategy::Default);
        // Where little repeats, to name what repeats by chance costs more than the bytes themselves.
        let coded = entropy(&bytes);
        if matched.as_ref().is_some_and(|matched| matched.len() <= coded) {
            return Packed { len, bytes: matched.unwrap_or(bytes) };
        }
        if len >= LARGE
            && let Some(letters) = letters::pack(&bytes, coded + coded / 5)
        {
            return Packed { len, bytes: letters };
        }
        let coded = deflate(&bytes, CompressionStrategy::HuffmanOnly);
        let shortest = [matched, coded].into_iter().flatten().min_by_key(Vec::len);
        Packed { len, bytes: shortest.unwrap_or(bytes) }
    }

    /// For what is read at once: deflates where that makes it half as long, else letters where these save a quarter, else
    /// whole, which is best for what is [`LARGE`].
    pub(crate) fn quick(bytes: Vec<u8>) -> Packed {
        let len = bytes.len();
        let packed = Packed::new(bytes.clone());
        if packed.bytes.len() <= len / 2 {
            return packed;
        }
        let letters = if len < LARGE { letters::pack(&bytes, len / 4 * 3) } else { None };
        Packed { len, bytes: letters.unwrap_or(bytes) }
    }

    /// The length, the length here, the bytes.
    pub(crate) fn encode(&self, w: &mut Writer) {
        w.u64(self.len as u64);
        w.bytes(&self.bytes);
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Packed, DecodeError> {
        let (len, bytes) = read_parts(r)?;
        Ok(Packed { len, bytes: bytes.to_vec() })
    }

    /// As [`decode`](Self::decode) and then [`unpack`](Self::unpack), without a copy of what is whole.
    pub(crate) fn read<'a>(r: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, DecodeError> {
        let (len, bytes) = read_parts(r)?;
        if bytes.len() == len { Ok(bytes.into()) } else { unpack(bytes, len).map(Cow::Owned) }
    }

    /// The bytes that went in.
    pub(crate) fn unpack(&self) -> Result<Vec<u8>, DecodeError> {
        if self.bytes.len() == self.len { Ok(self.bytes.clone()) } else { unpack(&self.bytes, self.len) }
    }

    /// The text that went in.
    pub(crate) fn unpack_text(&self) -> Result<String, DecodeError> {
        String::from_utf8(self.unpack()?)
            .map_err(|_| DecodeError::Invalid { at: 0, what: "text is not UTF-8" })
    }
}

/// Deflated, if that is shorter.
fn deflate(bytes: &[u8], strategy: CompressionStrategy) -> Option<Vec<u8>> {
    let level = if bytes.len() < LARGE { 6 } else { 1 };
    let flags = create_comp_flags_from_zip_params(level, DataFormat::Raw.to_window_bits(), strategy as i32);
    // There is room for no more than the bytes themselves, so it ends only when that is no longer.
    let mut out = vec![0; bytes.len()];
    let mut compressor = Box::new(CompressorOxide::new(flags));
    let (status, _, used) = compress(&mut compressor, bytes, &mut out, TDEFLFlush::Finish);
    out.truncate(used);
    (status == TDEFLStatus::Done && used < bytes.len()).then_some(out)
}

/// To how many bytes codes make them, each byte a code by how frequent it is: about, but everywhere the same.
fn entropy(bytes: &[u8]) -> usize {
    let mut counts = [0_u64; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    // In 256ths of a bit, straight between the powers of two.
    let log2 = |n: u64| u64::from(n.ilog2()) * 256 + ((n << 8) >> n.ilog2()) - 256;
    let seen = counts.into_iter().filter(|count| *count > 0);
    let bits: u64 = seen.map(|count| count * (log2(bytes.len() as u64) - log2(count))).sum();
    (bits / 256 / 8) as usize
}

/// The length and the bytes; no length that they cannot have.
fn read_parts<'a>(r: &mut Reader<'a>) -> Result<(usize, &'a [u8]), DecodeError> {
    let len = r.u64()?;
    let bytes = r.bytes()?;
    let most = bytes.len().saturating_mul(MAX_RATIO) as u64;
    if len < bytes.len() as u64 || len > most {
        return Err(r.limit("bytes from so few"));
    }
    Ok((len as usize, bytes))
}

/// What is not whole; `bytes` are not many more than `len`.
fn unpack(bytes: &[u8], len: usize) -> Result<Vec<u8>, DecodeError> {
    if letters::are_these(bytes) { letters::unpack(bytes, len) } else { inflate(bytes, len) }
}

fn inflate(bytes: &[u8], len: usize) -> Result<Vec<u8>, DecodeError> {
    let options = DeflateOptions::default().set_size_hint(len).set_limit(len);
    match DeflateDecoder::new_with_options(bytes, options).decode_deflate() {
        Ok(out) if out.len() == len => Ok(out),
        _ => Err(DecodeError::Invalid { at: 0, what: "compressed bytes that are damaged" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out(bytes: Vec<u8>, n in 0usize..9) {
            let bytes = bytes.repeat(n);
            let mut w = Writer::new();
            Packed::new(bytes.clone()).encode(&mut w);
            let file = w.into_body();
            prop_assert!(file.len() <= bytes.len() + 20);
            let packed = Packed::decode(&mut Reader::new(&file, &[])).unwrap();
            prop_assert_eq!(packed.unpack(), Ok(bytes));
        }
    }

    #[test]
    fn what_repeats_nowhere_is_packed_to_its_entropy() {
        let mut random = 7_u32;
        let mut letter = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"etaoinshrdlucmfw"[(random >> 28) as usize]
        };
        let letters: Vec<u8> = (0..20_000).map(|_| letter()).collect();
        assert_eq!(entropy(&letters) / 100, 99); // four bits each, nearly
        let packed = Packed::new(letters.clone());
        assert!(packed.bytes.len() < 10_200, "{}", packed.bytes.len());
        assert_eq!(packed.unpack(), Ok(letters));
    }

    #[test]
    fn what_is_long_or_read_at_once_and_repeats_nowhere_is_letters() {
        let mut random = 7_u32;
        let mut spelt = |len| -> Vec<u8> {
            let next = |_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b'0' + (random >> 27) as u8
            };
            (0..len).map(next).collect()
        };
        let (short, long) = (spelt(20_000), spelt(LARGE));
        let repeats = short[..2_000].repeat(600);
        for (packed, is_letters, bytes) in [
            (Packed::new(short.clone()), false, &short),
            (Packed::quick(short.clone()), true, &short),
            (Packed::new(long.clone()), true, &long),
            (Packed::new(repeats.clone()), false, &repeats),
        ] {
            assert_eq!(letters::are_these(&packed.bytes), is_letters);
            let least = bytes.len() * 5 / 8;
            assert!(packed.bytes.len() < least + least / 50, "{} for {least}", packed.bytes.len());
            assert_eq!(packed.unpack().as_ref(), Ok(bytes));
            let damaged = Packed { len: packed.len, bytes: packed.bytes[..packed.bytes.len() - 1].to_vec() };
            assert!(damaged.unpack().is_err());
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut w = Writer::new();
        w.u64(1 << 40);
        w.bytes(&[0; 100]);
        assert!(Packed::decode(&mut Reader::new(&w.into_body(), &[])).is_err());
    }
}
