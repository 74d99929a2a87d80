//! Operations that count on a better network than there is.

use std::collections::{BTreeMap, BTreeSet};

use super::wrong;
use crdt::testkit::{Kit, Ops, Subject};

wrong! {
    /// Operations add, and some come twice.
    CountsTwice(BTreeMap<u8, u64>) -> u64;
    command(_, pick) -> u64 { 1 + pick.below(3) as u64 }
    edit(s, me, _, n) { *s.entry(me).or_default() += n }
    merge(s, o) { for (slot, n) in o { let mine = s.entry(*slot).or_default(); *mine = (*mine).max(*n) } }
    view(s) { s.values().sum() }
}

impl Ops for CountsTwice {
    type Op = (u8, u64);

    fn prepare(&mut self, _now: u64, n: &u64) -> (u8, u64) {
        *self.s.entry(self.me).or_default() += n;
        (self.me, *n)
    }

    fn effect(&mut self, (slot, n): &(u8, u64)) {
        *self.s.entry(*slot).or_default() += n;
    }
}

/// Entries by stamp.
type Stamped = BTreeMap<u64, u64>;

wrong! {
    /// What has the same time as something known is taken for the same.
    SameTimeSameOp(Stamped) -> u64;
    command(_, pick) -> u64 { 1 + pick.below(3) as u64 }
    edit(s, _, now, n) { s.entry(now).or_insert(*n); }
    merge(s, o) { for (at, n) in o { s.entry(*at).or_insert(*n); } }
    view(s) { s.values().sum() }
}

/// What each replica added, in order; and the last number of each.
type Numbered = (BTreeSet<(u8, u64, u8)>, BTreeMap<u8, u64>);

wrong! {
    /// What is not newer than the newest is dropped: operations that overtake others are the only ones taken.
    DropsOvertaken(Numbered) -> Vec<u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, me, _, value) { let next = s.1.entry(me).or_default(); *next += 1; s.0.insert((me, *next, *value)); }
    merge(s, o) {
        { s.0.extend(&o.0); for (replica, n) in &o.1 { let mine = s.1.entry(*replica).or_default(); *mine = (*mine).max(*n) } }
    }
    view(s) { s.0.iter().map(|(_, _, value)| *value).collect() }
}

impl Ops for DropsOvertaken {
    type Op = (u8, u64, u8);
    const CAUSAL: bool = false;

    fn prepare(&mut self, now: u64, value: &u8) -> (u8, u64, u8) {
        crdt::testkit::Model::edit(self, now, value);
        (self.me, self.s.1.get(&self.me).copied().unwrap_or(0), *value)
    }

    fn effect(&mut self, op: &(u8, u64, u8)) {
        let last = self.s.1.entry(op.0).or_default();
        if op.1 > *last {
            *last = op.1;
            self.s.0.insert(*op);
        }
    }
}

wrong! {
    /// A removal that comes before its insertion removes nothing.
    NeedsCausalOrder((BTreeSet<u8>, BTreeSet<u8>)) -> BTreeSet<u8>;
    command(_, pick) -> (u8, bool) { (pick.below(3) as u8, pick.below(3) == 2) }
    edit(s, _, _, (member, remove)) { if *remove { if s.0.contains(member) { s.1.insert(*member); } } else { s.0.insert(*member); } }
    merge(s, o) { s.0.extend(&o.0); s.1.extend(&o.1) }
    view(s) { &s.0 - &s.1 }
}

impl Ops for NeedsCausalOrder {
    type Op = (u8, bool);
    const CAUSAL: bool = false;

    fn prepare(&mut self, now: u64, command: &(u8, bool)) -> (u8, bool) {
        crdt::testkit::Model::edit(self, now, command);
        *command
    }

    fn effect(&mut self, op: &(u8, bool)) {
        crdt::testkit::Model::edit(self, 0, op);
    }
}

wrong! {
    /// An operation says where, as an index: two at once mean different places.
    ByIndex(Vec<u8>) -> Vec<u8>;
    command(s, pick) -> (u8, u8) { (pick.below(s.len() + 1) as u8, pick.byte()) }
    edit(s, _, _, (at, value)) { s.insert(usize::from(*at).min(s.len()), *value) }
    merge(s, o) { if o.len() > s.len() || o.len() == s.len() && *o > *s { *s = o.clone() } }
    view(s) { s.clone() }
}

impl Ops for ByIndex {
    type Op = (u8, u8);
    const ONCE: bool = true;

    fn prepare(&mut self, now: u64, command: &(u8, u8)) -> (u8, u8) {
        crdt::testkit::Model::edit(self, now, command);
        *command
    }

    fn effect(&mut self, op: &(u8, u8)) {
        crdt::testkit::Model::edit(self, 0, op);
    }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong(
            "counts-twice",
            "an operation that comes twice counts twice",
            Kit::<CountsTwice>::new().ops(),
        ),
        Subject::wrong(
            "same-time-same-op",
            "operations are told apart by their time",
            Kit::<SameTimeSameOp>::new(),
        ),
        Subject::wrong(
            "drops-overtaken",
            "an operation that was overtaken is dropped",
            Kit::<DropsOvertaken>::new().ops(),
        ),
        Subject::wrong(
            "needs-causal-order",
            "a removal may come before its insertion",
            Kit::<NeedsCausalOrder>::new().ops(),
        ),
        Subject::wrong("by-index", "an operation names a place by index", Kit::<ByIndex>::new().ops()),
    ]
}
