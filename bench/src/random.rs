//! Random numbers that are the same in every run and process.

/// SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A letter or, now and then, a space.
    pub(crate) fn letter(&mut self) -> char {
        char::from(b"eeetttaaooiinnsshhrrdlcumwfgypbvk     "[self.below(38)])
    }

    pub(crate) fn letters(&mut self, n: usize) -> String {
        (0..n).map(|_| self.letter()).collect()
    }
}

/// The id of an agent: as long and as arbitrary as ids are in use, the same in every run.
pub(crate) fn id(agent: usize) -> u64 {
    Random::new(agent as u64 + 1).next()
}
