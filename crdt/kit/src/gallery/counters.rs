//! Counters that miscount.

use std::collections::BTreeMap;

use super::wrong;
use crdt::testkit::{History, Kit, Spec, Subject};

type Slots = BTreeMap<u8, i64>;

fn take_max(s: &mut Slots, o: &Slots) {
    for (slot, n) in o {
        let mine = s.entry(*slot).or_insert(*n);
        *mine = (*mine).max(*n);
    }
}

/// What a counter should show.
macro_rules! counts {
    ($($name:ident),*) => {
        $(impl Spec for $name {
            fn spec(history: &History<'_, i64>) -> i64 {
                history.events().map(|event| event.command).sum()
            }
        })*
    };
}

counts!(OneSlot, ShortIds, OldNumberAfterBackup, CopiedNumber);

wrong! {
    /// All replicas count in one slot.
    OneSlot(Slots) -> i64;
    command(_, pick) -> i64 { 1 + pick.below(3) as i64 }
    edit(s, _, _, n) { *s.entry(0).or_default() += n }
    merge(s, o) { take_max(s, o) }
    view(s) { s.values().sum() }
}

wrong! {
    /// Ids are cut short: every other replica shares a slot.
    ShortIds(Slots) -> i64;
    command(_, pick) -> i64 { 1 + pick.below(3) as i64 }
    edit(s, me, _, n) { *s.entry(me % 2).or_default() += n }
    merge(s, o) { take_max(s, o) }
    view(s) { s.values().sum() }
}

wrong! {
    /// Merging adds.
    SumOnMerge(i64) -> i64;
    command(_, pick) -> i64 { 1 + pick.below(3) as i64 }
    edit(s, _, _, n) { *s += n }
    merge(s, o) { *s += o }
    view(s) { *s }
}

wrong! {
    /// A count that may fall, in slots that are joined by their maximum.
    FallingSlots(Slots) -> i64;
    command(_, pick) -> i64 { pick.below(5) as i64 - 2 }
    edit(s, me, _, n) { *s.entry(me).or_default() += n }
    merge(s, o) { take_max(s, o) }
    view(s) { s.values().sum() }
}

wrong! {
    /// Right, until it starts on an old backup and counts on under its old number.
    OldNumberAfterBackup(Slots) -> i64;
    command(_, pick) -> i64 { 1 + pick.below(3) as i64 }
    edit(s, me, _, n) { *s.entry(me).or_default() += n }
    merge(s, o) { take_max(s, o) }
    view(s) { s.values().sum() }
}

wrong! {
    /// Right, until a disk is copied and two count under one number.
    CopiedNumber(Slots) -> i64;
    command(_, pick) -> i64 { 1 + pick.below(3) as i64 }
    edit(s, me, _, n) { *s.entry(me).or_default() += n }
    merge(s, o) { take_max(s, o) }
    view(s) { s.values().sum() }
}

wrong! {
    /// A stock that each looks at before it takes from it: together they take what is not there.
    NoEscrow((Slots, Slots)) -> i64;
    command(_, pick) -> i64 { pick.below(5) as i64 - 2 }
    edit(s, me, _, n) {
        if *n > 0 {
            *s.0.entry(me).or_default() += n;
        } else if s.0.values().sum::<i64>() - s.1.values().sum::<i64>() >= -n {
            *s.1.entry(me).or_default() -= n;
        }
    }
    merge(s, o) { take_max(&mut s.0, &o.0); take_max(&mut s.1, &o.1) }
    view(s) { s.0.values().sum::<i64>() - s.1.values().sum::<i64>() }
    invariant(s) {
        let left = s.0.values().sum::<i64>() - s.1.values().sum::<i64>();
        if left < 0 { Err(format!("{left} are left")) } else { Ok(()) }
    }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong("one-slot", "all replicas count in one slot", Kit::<OneSlot>::new().spec()),
        Subject::wrong(
            "short-ids",
            "ids are cut short, so that some share a slot",
            Kit::<ShortIds>::new().spec(),
        ),
        Subject::wrong("sum-on-merge", "merging adds", Kit::<SumOnMerge>::new()),
        Subject::wrong("falling-slots", "slots fall, and are joined by maximum", Kit::<FallingSlots>::new()),
        Subject::wrong(
            "old-number",
            "after an old backup it counts on under its old number",
            Kit::<OldNumberAfterBackup>::new().rollback().spec(),
        ),
        Subject::wrong(
            "copied-number",
            "a copied disk makes two of one number",
            Kit::<CopiedNumber>::new().copies().spec(),
        ),
        Subject::wrong(
            "no-escrow",
            "each looks at the stock before taking, together they overdraw",
            Kit::<NoEscrow>::new(),
        ),
    ]
}
