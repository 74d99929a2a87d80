//! The brief form: a value says how it differs from the one before it. For files, where many follow each other; with
//! short times for what travels, where there are few.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Decode, DecodeError, Encode, Reader, Writer};
use crate::hlc::Hlc;
use crate::id::Dot;

/// What was written or read last.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    /// The replica of the last dot, by its index in the table.
    replica: usize,
    /// For each replica of the table the number of its event that was named last; at first 1.
    seqs: Vec<u64>,
    stamp: u64,
    #[cfg(feature = "std")]
    key: Vec<u8>,
    /// Whether what is written or read now is a key.
    in_key: bool,
    /// Whether times are short.
    short: bool,
}

/// The most that a key may have in common with the one before it, so that few bytes do not become many.
#[cfg(feature = "std")]
const MAX_SHARED: usize = 255;
/// What the head of an only value has room for.
const MAX_STEP: u64 = 1 << 62;
/// The part of a time that is its counter.
const COUNTER: u64 = 0xffff;
/// Where short times begin, the first of 2024: a time takes six bytes until 2058, and seven from 1970 on.
const DAWN: Hlc = Hlc::new(1_704_067_200_000, 0);

impl Last {
    /// That of what travels: times are short, and each of the first replicas of the table begins with an event.
    fn short(seqs: impl Iterator<Item = u64>) -> Box<Self> {
        Box::new(Last { short: true, stamp: DAWN.to_bits(), seqs: seqs.collect(), ..Last::default() })
    }

    /// The counter of a short time that is not said: in the millisecond of the last time that one's, else 0.
    fn counter(&self, millis: u64) -> u64 {
        if Hlc::from_bits(self.stamp).millis() == millis { self.stamp & COUNTER } else { 0 }
    }

    #[inline]
    fn seq(&mut self, replica: usize) -> &mut u64 {
        match self.seqs.len() {
            n if n == replica => self.seqs.push(1), // most are named one after the other
            n if n < replica => self.seqs.resize(replica + 1, 1),
            _ => {}
        }
        &mut self.seqs[replica]
    }

    /// Takes a dot in; whether it is of the same replica as the last, and the step from that replica's last event.
    #[inline]
    fn step(&mut self, replica: usize, seq: u64) -> (bool, i64) {
        let last = self.seq(replica);
        let step = seq.wrapping_sub(*last) as i64;
        *last = seq;
        (core::mem::replace(&mut self.replica, replica) == replica, step)
    }
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// How what is written and what is read change from one form to another.
macro_rules! forms {
    ($($type:ty),*) => {$(impl $type {
        /// The rest is in the brief form.
        pub(crate) fn in_brief(mut self) -> Self {
            self.brief = Some(Box::default());
            self
        }

        /// The same with short times; the replicas of the table begin with these events, others with 1.
        pub(crate) fn in_short(mut self, first: impl Iterator<Item = u64>) -> Self {
            self.brief = Some(Last::short(first));
            self
        }

        /// The rest is in the form of the beginning again.
        #[cfg(feature = "std")]
        pub(crate) fn in_plain(mut self) -> Self {
            self.brief = None;
            self
        }

        pub(crate) fn is_brief(&self) -> bool {
            self.brief.is_some()
        }
    })*};
}

forms! { Writer, Reader<'_> }

impl Writer {
    pub(super) fn brief_dot(&mut self, dot: Dot) {
        let replica = self.intern(dot.replica);
        let Some(last) = &mut self.brief else { return };
        let (same, step) = last.step(replica as usize, dot.seq);
        if same {
            self.u64(zigzag(step) << 1);
        } else {
            self.u64(replica << 1 | 1);
            self.i64(step);
        }
    }

    /// The number of values that follow, each with its dot.
    pub(crate) fn values(&mut self, count: usize) {
        let shift = u32::from(self.is_brief());
        self.u64((count as u64) << shift);
    }

    /// That one value follows, and its dot.
    pub(crate) fn only(&mut self, dot: Dot) {
        if !self.is_brief() {
            self.u64(1);
            return self.dot(dot);
        }
        let replica = self.intern(dot.replica);
        let Some(last) = &mut self.brief else { return };
        let (same, step) = last.step(replica as usize, dot.seq);
        if same && zigzag(step) < MAX_STEP {
            self.u64(zigzag(step) << 2 | 1);
        } else {
            self.u64(replica << 2 | 3);
            self.i64(step);
        }
    }

    /// A time.
    pub(crate) fn stamp(&mut self, bits: u64) {
        match &mut self.brief {
            None => self.u64(bits),
            Some(last) if last.short => {
                let millis = |bits| Hlc::from_bits(bits).millis();
                let step = millis(bits).wrapping_sub(millis(last.stamp)) as i64;
                let (counter, unsaid) = (bits & COUNTER, last.counter(millis(bits)));
                last.stamp = bits;
                self.u64(zigzag(step) << 1 | u64::from(counter != unsaid));
                if counter != unsaid {
                    self.u64(counter);
                }
            }
            Some(last) => {
                let step = bits.wrapping_sub(core::mem::replace(&mut last.stamp, bits));
                self.i64(step as i64);
            }
        }
    }

    /// A key of a map, which comes after the one before it.
    pub(crate) fn key<K: Encode>(&mut self, key: &K) {
        self.brief.iter_mut().for_each(|last| last.in_key = true);
        key.encode(self);
        self.brief.iter_mut().for_each(|last| last.in_key = false);
    }

    /// A string; within a key only what it does not share with the last. What is written so must be read by
    /// [`Reader::string`]: for the keys of documents, whose two ends are here.
    #[cfg(feature = "std")]
    pub(crate) fn string(&mut self, s: &str) {
        let Some(last) = self.brief.as_mut().filter(|last| last.in_key) else { return self.str(s) };
        let both = last.key.iter().zip(s.as_bytes()).take(MAX_SHARED);
        let shared = both.take_while(|(a, b)| a == b).count();
        last.key.clear();
        last.key.extend_from_slice(s.as_bytes());
        self.u64(shared as u64);
        self.bytes(&s.as_bytes()[shared..]);
    }
}

impl Reader<'_> {
    pub(super) fn brief_dot(&mut self) -> Result<Dot, DecodeError> {
        let head = self.u64()?;
        if head & 1 == 0 {
            return self.dot_after(None, unzigzag(head >> 1)).map(|(dot, _)| dot);
        }
        let step = self.i64()?;
        let (dot, same) = self.dot_after(Some(head >> 1), step)?;
        if same { Err(self.invalid("a dot not in its shortest form")) } else { Ok(dot) }
    }

    /// The dot at a step from the last of its replica, which is that of the last dot for `None`; whether it is that.
    fn dot_after(&mut self, replica: Option<u64>, step: i64) -> Result<(Dot, bool), DecodeError> {
        let before = self.brief.as_ref().map_or(0, |last| last.replica);
        let id = self.replica_at(replica.unwrap_or(before as u64))?;
        let at = replica.map_or(before, |at| at as usize);
        let seq = self.brief.as_mut().and_then(|last| last.seq(at).checked_add_signed(step));
        let seq = seq.filter(|seq| (1..=Dot::MAX_SEQ).contains(seq));
        let seq = seq.ok_or_else(|| self.invalid("events count from 1 to the last number"))?;
        self.brief.iter_mut().for_each(|last| {
            last.step(at, seq);
        });
        Ok((Dot::new(id, seq), at == before))
    }

    /// What [`Writer::values`] or [`Writer::only`] wrote: how many there are, and the dot of an only one.
    pub(crate) fn values(&mut self) -> Result<(usize, Option<Dot>), DecodeError> {
        if !self.is_brief() {
            let n = self.count(2)?;
            return Ok((n, if n == 1 { Some(self.dot()?) } else { None }));
        }
        let head = self.u64()?;
        let dot = match head & 3 {
            1 => self.dot_after(None, unzigzag(head >> 2))?.0,
            3 => {
                let step = self.i64()?;
                let (dot, same) = self.dot_after(Some(head >> 2), step)?;
                if same && zigzag(step) < MAX_STEP {
                    return Err(self.invalid("a dot not in its shortest form"));
                }
                dot
            }
            _ if head >> 1 > self.remaining() as u64 => {
                return Err(self.limit("more items than the bytes can hold"));
            }
            _ => return Ok(((head >> 1) as usize, None)),
        };
        Ok((1, Some(dot)))
    }

    /// A time.
    pub(crate) fn stamp(&mut self) -> Result<u64, DecodeError> {
        if !self.is_brief() {
            return self.u64();
        }
        if self.brief.as_ref().is_some_and(|last| last.short) {
            return self.short_stamp();
        }
        let step = self.i64()?;
        let Some(last) = &mut self.brief else { return Ok(0) };
        last.stamp = last.stamp.wrapping_add(step as u64);
        Ok(last.stamp)
    }

    fn short_stamp(&mut self) -> Result<u64, DecodeError> {
        let head = self.u64()?;
        let said = if head & 1 == 1 { Some(self.u64()?) } else { None };
        let at = self.position();
        let invalid = |what| DecodeError::Invalid { at, what };
        let Some(last) = &mut self.brief else { return Ok(0) };
        let millis = Hlc::from_bits(last.stamp).millis().checked_add_signed(unzigzag(head >> 1));
        let millis =
            millis.filter(|millis| *millis < 1 << 48).ok_or_else(|| invalid("a time before or after all"))?;
        let unsaid = last.counter(millis);
        let counter = said.unwrap_or(unsaid);
        if said == Some(unsaid) || counter > COUNTER {
            return Err(invalid("a time not in its shortest form"));
        }
        last.stamp = millis << 16 | counter;
        Ok(last.stamp)
    }

    /// A key of a map.
    pub(crate) fn key<K: Decode>(&mut self) -> Result<K, DecodeError> {
        self.brief.iter_mut().for_each(|last| last.in_key = true);
        let key = K::decode(self);
        self.brief.iter_mut().for_each(|last| last.in_key = false);
        key
    }

    /// What [`Writer::string`] wrote.
    #[cfg(feature = "std")]
    pub(crate) fn string<T>(&mut self, make: impl FnOnce(&str) -> T) -> Result<T, DecodeError> {
        if !self.brief.as_ref().is_some_and(|last| last.in_key) {
            return self.str().map(make);
        }
        let (shared, rest) = (self.u64()?, self.bytes()?);
        let at = self.position();
        let invalid = |what| DecodeError::Invalid { at, what };
        let Some(last) = &mut self.brief else { return Err(invalid("text is not UTF-8")) };
        if shared > last.key.len().min(MAX_SHARED) as u64 {
            return Err(invalid("a key that shares more than there is"));
        }
        let shared = shared as usize;
        if shared < MAX_SHARED && rest.first().is_some_and(|next| last.key.get(shared) == Some(next)) {
            return Err(invalid("a key that shares less than there is"));
        }
        last.key.truncate(shared);
        last.key.extend_from_slice(rest);
        core::str::from_utf8(&last.key).map(make).map_err(|_| invalid("text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ReplicaId;
    use alloc::string::String;
    use proptest::prelude::*;

    #[derive(PartialEq, Debug)]
    struct Key(String);

    impl Encode for Key {
        fn encode(&self, w: &mut Writer) {
            w.string(&self.0);
        }
    }

    impl Decode for Key {
        fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
            r.string(|s| Key(s.into()))
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Dot(u8, u64),
        Only(u8, u64),
        Values(usize),
        Stamp(u64),
        Key(String),
        Str(String),
    }

    fn step() -> impl Strategy<Value = Step> {
        let seq = || prop_oneof![1..100u64, Just(Dot::MAX_SEQ), 1..Dot::MAX_SEQ];
        prop_oneof![
            (0..3u8, seq()).prop_map(|(replica, seq)| Step::Dot(replica, seq)),
            (0..3u8, seq()).prop_map(|(replica, seq)| Step::Only(replica, seq)),
            (0..3usize).prop_map(|n| Step::Values(n * 2)),
            any::<u64>().prop_map(Step::Stamp),
            (DAWN.to_bits()..DAWN.to_bits() + (3 << 16)).prop_map(Step::Stamp),
            "[aé]{0,3}|a{300}b?".prop_map(Step::Key),
            "[aé]{0,3}".prop_map(Step::Str),
        ]
    }

    fn dot(replica: u8, seq: u64) -> Dot {
        Dot::new(ReplicaId::from_u128(replica.into()), seq)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(steps in prop::collection::vec(step(), 0..30), short: bool) {
            let w = Writer::new();
            let mut w = if short { w.in_short([1, 7].into_iter()) } else { w.in_brief() };
            for step in &steps {
                match step {
                    Step::Dot(replica, seq) => w.dot(dot(*replica, *seq)),
                    Step::Only(replica, seq) => w.only(dot(*replica, *seq)),
                    Step::Values(n) => w.values(*n),
                    Step::Stamp(stamp) => w.stamp(*stamp),
                    Step::Key(key) => w.key(&Key(key.clone())),
                    Step::Str(s) => s.encode(&mut w),
                }
            }
            w.raw(&[0; 4]); // so that counts are not too large
            let (body, table) = w.into_parts();
            let r = Reader::new(&body, &table);
            let mut r = if short { r.in_short([1, 7].into_iter()) } else { r.in_brief() };
            for step in steps {
                match step {
                    Step::Dot(replica, seq) => prop_assert_eq!(r.dot(), Ok(dot(replica, seq))),
                    Step::Only(replica, seq) => prop_assert_eq!(r.values(), Ok((1, Some(dot(replica, seq))))),
                    Step::Values(n) => prop_assert_eq!(r.values(), Ok((n, None))),
                    Step::Stamp(stamp) => prop_assert_eq!(r.stamp(), Ok(stamp)),
                    Step::Key(key) => prop_assert_eq!(r.key::<Key>(), Ok(Key(key))),
                    Step::Str(s) => prop_assert_eq!(String::decode(&mut r), Ok(s)),
                }
            }
            prop_assert_eq!(r.remaining(), 4);
        }

        #[test]
        fn one_value_has_one_form(bytes in prop::collection::vec(0..12u8, 1..20), short: bool) {
            let table = [1, 2].map(ReplicaId::from_u128);
            let (r, w) = (Reader::new(&bytes, &table), Writer::with_table(table));
            let (mut r, mut w) = match short {
                true => (r.in_short([3].into_iter()), w.in_short([3].into_iter())),
                false => (r.in_brief(), w.in_brief()),
            };
            let mut at = 0;
            while copy(&mut r, &mut w).is_ok() {
                at = r.position();
                prop_assert_eq!(w.len(), at);
            }
            prop_assert_eq!(&w.into_body()[..at], &bytes[..at]);
        }
    }

    /// Reads a value of some kind and writes it again.
    fn copy(r: &mut Reader<'_>, w: &mut Writer) -> Result<(), DecodeError> {
        match r.u8()? {
            0 => {
                let dot = r.dot()?;
                w.u8(0);
                w.dot(dot);
            }
            1 => {
                let (n, only) = r.values()?;
                w.u8(1);
                match only {
                    Some(dot) => w.only(dot),
                    None => w.values(n),
                }
            }
            2 => {
                let stamp = r.stamp()?;
                w.u8(2);
                w.stamp(stamp);
            }
            other => w.u8(other),
        }
        Ok(())
    }
}
