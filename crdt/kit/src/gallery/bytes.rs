//! Forms in bytes that lose something.

use std::collections::BTreeSet;

use super::wrong;
use crdt::testkit::{Codec, Kit, Model, Subject};

/// Members and removed members.
type TwoSets = (BTreeSet<u8>, BTreeSet<u8>);

wrong! {
    /// What is written is what is seen: the tombstones stay behind.
    WritesViewOnly(TwoSets) -> BTreeSet<u8>;
    command(_, pick) -> (u8, bool) { (pick.below(3) as u8, pick.below(3) == 2) }
    edit(s, _, _, (member, remove)) { if *remove { s.1.insert(*member) } else { s.0.insert(*member) }; }
    merge(s, o) { s.0.extend(&o.0); s.1.extend(&o.1) }
    view(s) { &s.0 - &s.1 }
}

impl Codec for WritesViewOnly {
    const CANONICAL: bool = false;

    fn to_bytes(&self) -> Vec<u8> {
        self.view().into_iter().collect()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Ok(WritesViewOnly { me, s: (bytes.iter().copied().collect(), BTreeSet::new()) })
    }
}

wrong! {
    /// Members are written in the order in which they came.
    OrderOfArrival(Vec<u8>) -> BTreeSet<u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, _, _, member) { if !s.contains(member) { s.push(*member) } }
    merge(s, o) { for member in o { if !s.contains(member) { s.push(*member) } } }
    view(s) { s.iter().copied().collect() }
}

impl Codec for OrderOfArrival {
    fn to_bytes(&self) -> Vec<u8> {
        self.s.clone()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Ok(OrderOfArrival { me, s: bytes.to_vec() })
    }
}

wrong! {
    /// The reader believes the length that is written.
    BelievesLength(BTreeSet<u8>) -> BTreeSet<u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, _, _, member) { s.insert(*member); }
    merge(s, o) { s.extend(o) }
    view(s) { s.clone() }
}

impl Codec for BelievesLength {
    fn to_bytes(&self) -> Vec<u8> {
        std::iter::once(self.s.len() as u8).chain(self.s.iter().copied()).collect()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        let (len, rest) = bytes.split_first().ok_or("no bytes")?;
        Ok(BelievesLength { me, s: rest[..usize::from(*len)].iter().copied().collect() })
    }
}

wrong! {
    /// Numbers are cut to what usually is enough.
    CutNumbers(BTreeSet<u16>) -> BTreeSet<u16>;
    command(_, pick) -> u16 { u16::from(pick.byte()) * 3 }
    edit(s, _, _, n) { s.insert(*n); }
    merge(s, o) { s.extend(o) }
    view(s) { s.clone() }
}

impl Codec for CutNumbers {
    fn to_bytes(&self) -> Vec<u8> {
        self.s.iter().map(|n| *n as u8).collect()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Ok(CutNumbers { me, s: bytes.iter().map(|n| u16::from(*n)).collect() })
    }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong(
            "writes-view-only",
            "what is written lacks the tombstones",
            Kit::<WritesViewOnly>::new().codec(),
        ),
        Subject::wrong(
            "order-of-arrival",
            "equal states have different bytes",
            Kit::<OrderOfArrival>::new().codec(),
        ),
        Subject::wrong(
            "believes-length",
            "the reader believes a length",
            Kit::<BelievesLength>::new().codec(),
        ),
        Subject::wrong("cut-numbers", "large numbers are cut when written", Kit::<CutNumbers>::new().codec()),
    ]
}
