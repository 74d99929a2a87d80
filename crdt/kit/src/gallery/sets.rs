//! Sets where removed members come back, or added ones go.

use std::collections::{BTreeMap, BTreeSet};

use super::wrong;
use crdt::testkit::{History, Kit, Pick, Spec, Subject};

/// Adds, or removes, one of three members.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Do {
    Add(u8),
    Remove(u8),
}

fn choose(pick: &mut Pick<'_>) -> Do {
    let member = pick.below(3) as u8;
    if pick.below(3) == 2 { Do::Remove(member) } else { Do::Add(member) }
}

/// A member is in if some insertion of it was seen by no removal of it.
fn add_wins(history: &History<'_, Do>) -> BTreeSet<u8> {
    let removed =
        |member, add| history.events().any(|event| event.command == Do::Remove(member) && event.saw(add));
    let added = history.events().filter_map(|event| match event.command {
        Do::Add(member) if !removed(member, event) => Some(member),
        _ => None,
    });
    added.collect()
}

wrong! {
    /// A removal is only a lack: a merge with anyone who has the member brings it back.
    NoTombstone(BTreeSet<u8>) -> BTreeSet<u8>;
    command(_, pick) -> Do { choose(pick) }
    edit(s, _, _, what) { match what { Do::Add(m) => s.insert(*m), Do::Remove(m) => s.remove(m) }; }
    merge(s, o) { s.extend(o) }
    view(s) { s.clone() }
}

wrong! {
    /// Adding again wipes the tombstone, which the next merge brings back.
    WipedTombstone((BTreeSet<u8>, BTreeSet<u8>)) -> BTreeSet<u8>;
    command(_, pick) -> Do { choose(pick) }
    edit(s, _, _, what) {
        match what {
            Do::Add(m) => { s.1.remove(m); s.0.insert(*m) }
            Do::Remove(m) => s.1.insert(*m),
        };
    }
    merge(s, o) { s.0.extend(&o.0); s.1.extend(&o.1) }
    view(s) { &s.0 - &s.1 }
}

/// Tags of insertions, and those that were removed.
type Tagged = (BTreeSet<(u8, u64)>, BTreeSet<(u8, u64)>);

fn untagged(s: &Tagged) -> BTreeSet<u8> {
    (&s.0 - &s.1).iter().map(|(member, _)| *member).collect()
}

wrong! {
    /// Tags are counted by each replica and do not say whose they are.
    TagsWithoutOwner(Tagged) -> BTreeSet<u8>;
    command(_, pick) -> Do { choose(pick) }
    edit(s, _, _, what) {
        match what {
            Do::Add(m) => { s.0.insert((*m, s.0.len() as u64)); }
            Do::Remove(m) => { let seen: Vec<_> = s.0.iter().filter(|tag| tag.0 == *m).copied().collect(); s.1.extend(seen) }
        }
    }
    merge(s, o) { s.0.extend(&o.0); s.1.extend(&o.1) }
    view(s) { untagged(s) }
}

impl Spec for TagsWithoutOwner {
    fn spec(history: &History<'_, Do>) -> BTreeSet<u8> {
        add_wins(history)
    }
}

/// Live members with the dot that added them, and what was seen of each replica.
#[derive(Clone, Default, Debug)]
struct Dotted {
    live: BTreeMap<u8, (u8, u64)>,
    seen: BTreeMap<u8, u64>,
}

impl Dotted {
    fn edit(&mut self, me: u8, what: Do) {
        let next = self.seen.entry(me).or_default();
        *next += 1;
        match what {
            Do::Add(m) => self.live.insert(m, (me, *next)),
            Do::Remove(m) => self.live.remove(&m),
        };
    }

    /// What stays of mine: what the other has too, or has not `seen`.
    fn keep(&mut self, other: &Dotted, seen: impl Fn(&Dotted, (u8, u64)) -> bool) {
        let theirs = other.live.clone();
        let mut new: BTreeMap<u8, (u8, u64)> = BTreeMap::new();
        for (m, dot) in self.live.iter().filter(|(m, dot)| theirs.get(m) == Some(dot) || !seen(other, **dot))
        {
            new.insert(*m, *dot);
        }
        for (m, dot) in theirs.iter().filter(|(m, dot)| self.live.get(m) == Some(dot) || !seen(self, **dot)) {
            let kept = new.entry(*m).or_insert(*dot);
            *kept = (*kept).max(*dot);
        }
        self.live = new;
    }

    fn see(&mut self, other: &Dotted) {
        for (replica, n) in &other.seen {
            let mine = self.seen.entry(*replica).or_default();
            *mine = (*mine).max(*n);
        }
    }
}

wrong! {
    /// A merge forgets to merge the contexts: what was seen is not known to be seen.
    ContextNotMerged(Dotted) -> Vec<u8>;
    command(_, pick) -> Do { choose(pick) }
    edit(s, me, _, what) { s.edit(me, *what) }
    merge(s, o) { s.keep(o, |of, dot| of.seen.get(&dot.0).is_some_and(|n| *n >= dot.1)) }
    view(s) { s.live.keys().copied().collect() }
}

wrong! {
    /// Whether a dot was seen is asked of the highest counter, not of its own replica's.
    HighestCounter(Dotted) -> Vec<u8>;
    command(_, pick) -> Do { choose(pick) }
    edit(s, me, _, what) { s.edit(me, *what) }
    merge(s, o) { s.keep(o, |of, dot| of.seen.values().any(|n| *n >= dot.1)); s.see(o) }
    view(s) { s.live.keys().copied().collect() }
}

wrong! {
    /// Last write of a member wins; of two at one time adding wins in a merge, and the later one at home.
    BiasOnlyInMerge(BTreeMap<u8, (u64, bool)>) -> Vec<u8>;
    command(_, pick) -> Do { choose(pick) }
    edit(s, _, now, what) { match what { Do::Add(m) => s.insert(*m, (now, true)), Do::Remove(m) => s.insert(*m, (now, false)) }; }
    merge(s, o) { for (m, write) in o { let mine = s.entry(*m).or_insert(*write); *mine = (*mine).max(*write) } }
    view(s) { s.iter().filter(|(_, (_, is_in))| *is_in).map(|(m, _)| *m).collect() }
}

wrong! {
    /// Members are told apart by a short hash.
    ShortHash(BTreeMap<u8, u8>) -> Vec<u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, _, _, m) { s.entry(*m % 7).or_insert(*m); }
    merge(s, o) { for (hash, m) in o { s.entry(*hash).or_insert(*m); } }
    view(s) { s.values().copied().collect() }
}

wrong! {
    /// Tombstones are dropped after ten milliseconds: someone may still have the member.
    TombstonesExpire((BTreeSet<u8>, BTreeMap<u8, u64>)) -> BTreeSet<u8>;
    command(_, pick) -> Do { choose(pick) }
    edit(s, _, now, what) {
        match what {
            Do::Add(m) => { s.0.insert(*m); }
            Do::Remove(m) => { s.0.remove(m); s.1.insert(*m, now); s.1.retain(|_, at| *at + 10 > now) }
        }
    }
    merge(s, o) { s.0.extend(&o.0); s.1.extend(&o.1); let gone = s.1.clone(); s.0.retain(|m| !gone.contains_key(m)) }
    view(s) { s.0.clone() }
}

wrong! {
    /// `clear` starts from nothing, and so remembers nothing.
    ClearForgets((BTreeSet<u8>, BTreeSet<u8>)) -> BTreeSet<u8>;
    command(_, pick) -> Option<Do> { Some(choose(pick)).filter(|_| !pick.flip()) }
    edit(s, _, _, what) {
        match what {
            Some(Do::Add(m)) => { s.0.insert(*m); }
            Some(Do::Remove(m)) => { s.1.insert(*m); }
            None => *s = Default::default(),
        }
    }
    merge(s, o) { s.0.extend(&o.0); s.1.extend(&o.1) }
    view(s) { &s.0 - &s.1 }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong("no-tombstone", "a removal leaves no trace", Kit::<NoTombstone>::new()),
        Subject::wrong("wiped-tombstone", "adding again wipes the tombstone", Kit::<WipedTombstone>::new()),
        Subject::wrong(
            "tags-without-owner",
            "two replicas make the same tag",
            Kit::<TagsWithoutOwner>::new().spec(),
        ),
        Subject::wrong(
            "context-not-merged",
            "a merge forgets the causal context",
            Kit::<ContextNotMerged>::new(),
        ),
        Subject::wrong(
            "highest-counter",
            "a dot is compared with another replica's counter",
            Kit::<HighestCounter>::new(),
        ),
        Subject::wrong(
            "bias-in-merge-only",
            "ties go one way at home, another in a merge",
            Kit::<BiasOnlyInMerge>::new(),
        ),
        Subject::wrong("short-hash", "members are told apart by a short hash", Kit::<ShortHash>::new()),
        Subject::wrong(
            "tombstones-expire",
            "tombstones are dropped after a time",
            Kit::<TombstonesExpire>::new(),
        ),
        Subject::wrong("clear-forgets", "clear drops what was known", Kit::<ClearForgets>::new()),
    ]
}
