//! Deltas that bring too little, or too often.

use std::collections::{BTreeMap, BTreeSet};

use super::wrong;
use crdt::testkit::{Deltas, Kit, Subject};

type Entries = BTreeMap<(u8, u64), (u8, bool)>;

fn version(entries: &Entries) -> BTreeMap<u8, u64> {
    entries.keys().copied().collect()
}

fn members(entries: &Entries) -> Vec<u8> {
    entries.values().filter(|(_, removed)| !removed).map(|(member, _)| *member).collect()
}

fn join(s: &mut Entries, o: &Entries) {
    for (dot, (member, removed)) in o {
        s.entry(*dot).or_insert((*member, false)).1 |= removed;
    }
}

fn edit(s: &mut Entries, me: u8, member: Option<u8>) {
    match member {
        Some(member) => {
            let next = s.keys().filter(|dot| dot.0 == me).count() as u64 + 1;
            s.insert((me, next), (member, false));
        }
        None => s.values_mut().for_each(|entry| entry.1 = true),
    }
}

wrong! {
    /// A delta has what was added since, and not what was removed since.
    ForgetsRemovals(Entries) -> Vec<u8>;
    command(_, pick) -> Option<u8> { Some(pick.byte()).filter(|n| n % 3 != 2) }
    edit(s, me, _, member) { edit(s, me, *member) }
    merge(s, o) { join(s, o) }
    view(s) { members(s) }
}

impl Deltas for ForgetsRemovals {
    type Version = BTreeMap<u8, u64>;
    type Delta = Entries;

    fn version(&self) -> BTreeMap<u8, u64> {
        version(&self.s)
    }

    fn delta_since(&self, since: &BTreeMap<u8, u64>) -> Entries {
        let new = |dot: &(u8, u64)| since.get(&dot.0).is_none_or(|seen| dot.1 > *seen);
        self.s.iter().filter(|(dot, _)| new(dot)).map(|(dot, entry)| (*dot, *entry)).collect()
    }

    fn apply_delta(&mut self, delta: &Entries) {
        join(&mut self.s, delta);
    }
}

wrong! {
    /// A delta has what its sender wrote, not what it heard from others.
    OwnEventsOnly(Entries) -> Vec<u8>;
    command(_, pick) -> Option<u8> { Some(pick.byte()) }
    edit(s, me, _, member) { edit(s, me, *member) }
    merge(s, o) { join(s, o) }
    view(s) { members(s) }
}

impl Deltas for OwnEventsOnly {
    type Version = ();
    type Delta = Entries;

    fn version(&self) {}

    fn delta_since(&self, (): &()) -> Entries {
        self.s.iter().filter(|(dot, _)| dot.0 == self.me).map(|(dot, entry)| (*dot, *entry)).collect()
    }

    fn apply_delta(&mut self, delta: &Entries) {
        join(&mut self.s, delta);
    }
}

wrong! {
    /// A delta says how much more: taken twice, it counts twice.
    Increments(BTreeMap<u8, u64>) -> u64;
    command(_, pick) -> u64 { 1 + pick.below(3) as u64 }
    edit(s, me, _, n) { *s.entry(me).or_default() += n }
    merge(s, o) { for (slot, n) in o { let mine = s.entry(*slot).or_default(); *mine = (*mine).max(*n) } }
    view(s) { s.values().sum() }
}

impl Deltas for Increments {
    type Version = BTreeMap<u8, u64>;
    type Delta = BTreeMap<u8, u64>;

    fn version(&self) -> BTreeMap<u8, u64> {
        self.s.clone()
    }

    fn delta_since(&self, since: &BTreeMap<u8, u64>) -> BTreeMap<u8, u64> {
        let more = |slot: &u8, n: &u64| n.saturating_sub(since.get(slot).copied().unwrap_or(0));
        self.s.iter().map(|(slot, n)| (*slot, more(slot, n))).collect()
    }

    fn apply_delta(&mut self, delta: &BTreeMap<u8, u64>) {
        for (slot, more) in delta {
            *self.s.entry(*slot).or_default() += more;
        }
    }
}

/// Members, what was seen of each replica, and the members' dots.
type Seen = (BTreeMap<(u8, u64), u8>, BTreeMap<u8, u64>);

wrong! {
    /// What is at most a counter counts as seen, though a delta that skips some has come.
    SkipsGaps(Seen) -> BTreeSet<u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, me, _, member) {
        let next = s.1.entry(me).or_default();
        *next += 1;
        s.0.insert((me, *next), *member);
    }
    merge(s, o) {
        {
            for (dot, member) in &o.0 { if s.1.get(&dot.0).is_none_or(|seen| dot.1 > *seen) { s.0.insert(*dot, *member); } }
            for (replica, n) in &o.1 { let mine = s.1.entry(*replica).or_default(); *mine = (*mine).max(*n) }
        }
    }
    view(s) { s.0.values().copied().collect() }
}

impl Deltas for SkipsGaps {
    type Version = ();
    type Delta = Seen;

    fn version(&self) {}

    /// The last member of each replica: enough, if no delta is ever lost.
    fn delta_since(&self, (): &()) -> Seen {
        let last = self.s.0.iter().filter(|(dot, _)| self.s.1.get(&dot.0) == Some(&dot.1));
        (last.map(|(dot, member)| (*dot, *member)).collect(), self.s.1.clone())
    }

    fn apply_delta(&mut self, delta: &Seen) {
        let other = SkipsGaps { me: self.me, s: delta.clone() };
        crdt::testkit::Model::merge(self, &other);
    }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong(
            "forgets-removals",
            "deltas bring what was added, not what was removed",
            Kit::<ForgetsRemovals>::new().deltas(),
        ),
        Subject::wrong(
            "own-events-only",
            "deltas bring only what their sender wrote",
            Kit::<OwnEventsOnly>::new().deltas(),
        ),
        Subject::wrong(
            "increments",
            "a delta that comes twice counts twice",
            Kit::<Increments>::new().deltas(),
        ),
        Subject::wrong(
            "skips-gaps",
            "a version says seen where a delta was lost",
            Kit::<SkipsGaps>::new().deltas(),
        ),
    ]
}
