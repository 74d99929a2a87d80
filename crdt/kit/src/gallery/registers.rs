//! Registers that lose writes.

use super::wrong;
use crdt::testkit::{History, Kit, Spec, Subject};

wrong! {
    /// The later write wins; of two at one time, whichever comes last.
    NoTieBreak((u8, u64)) -> u8;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, _, now, value) { *s = (*value, now.max(s.1 + 1)) }
    merge(s, o) { if o.1 >= s.1 { *s = *o } }
    view(s) { s.0 }
}

wrong! {
    /// What comes last is taken, whatever it is.
    LastArrival(u8) -> u8;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, _, _, value) { *s = *value }
    merge(s, o) { *s = *o }
    view(s) { *s }
}

wrong! {
    /// Stamps are the wall clock and nothing else: a write may lose against one it has seen.
    WallClock(Option<(u64, u8, u8)>) -> Option<u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, me, now, value) { *s = (*s).max(Some((now, me, *value))) }
    merge(s, o) { *s = (*s).max(*o) }
    view(s) { s.map(|(_, _, value)| value) }
}

impl Spec for WallClock {
    fn spec(history: &History<'_, u8>) -> Option<u8> {
        history.latest().max_by_key(|event| (event.now, event.replica)).map(|event| event.command)
    }
}

wrong! {
    /// Two siblings of a multi-value register: the one with more writes behind it is kept, as if it had seen the
    /// other.
    CountsInsteadOfCauses((u64, u8, Vec<u8>)) -> Vec<u8>;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, me, _, value) { *s = (s.0 + 1, me, vec![*value]) }
    merge(s, o) { if (o.0, o.1) > (s.0, s.1) { *s = o.clone() } }
    view(s) { s.2.clone() }
}

impl Spec for CountsInsteadOfCauses {
    fn spec(history: &History<'_, u8>) -> Vec<u8> {
        let mut values: Vec<u8> = history.latest().map(|event| event.command).collect();
        values.sort_unstable();
        values
    }
}

wrong! {
    /// A hybrid clock that believes every time it hears: one clock that is ahead takes all with it.
    NoDriftBound((u64, u64)) -> ();
    command(_, pick) -> () { pick.byte(); }
    edit(s, _, now, _) { *s = (now.max(s.0 + 1), now) }
    merge(s, o) { s.0 = s.0.max(o.0) }
    view(_s) { }
    invariant(s) {
        if s.1 > 0 && s.0 > s.1 + 5_000 { Err(format!("the clock is {} ms ahead of the wall", s.0 - s.1)) } else { Ok(()) }
    }
}

wrong! {
    /// The greatest value, with a reset that forgets it.
    MaxWithReset(u8) -> u8;
    command(_, pick) -> Option<u8> { Some(pick.byte()).filter(|n| n % 3 != 0) }
    edit(s, _, _, value) { *s = value.map_or(0, |value| value.max(*s)) }
    merge(s, o) { *s = *o.max(s) }
    view(s) { *s }
}

wrong! {
    /// Two values meet in their mean.
    Average(f64) -> i64;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, _, _, value) { *s = f64::from(*value) }
    merge(s, o) { *s = (*s + *o) / 2.0 }
    view(s) { (*s * 1000.0) as i64 }
}

wrong! {
    /// The tie is broken by who asks: one's own write wins.
    MineWins((u8, u64)) -> u8;
    command(_, pick) -> u8 { pick.byte() }
    edit(s, _, now, value) { *s = (*value, now.max(s.1 + 1)) }
    merge(s, o) { if o.1 > s.1 { *s = *o } }
    view(s) { s.0 }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong(
            "no-tie-break",
            "of two writes at one time the one that comes last wins",
            Kit::<NoTieBreak>::new(),
        ),
        Subject::wrong("mine-wins", "of two writes at one time one's own wins", Kit::<MineWins>::new()),
        Subject::wrong("last-arrival", "what comes last is taken", Kit::<LastArrival>::new()),
        Subject::wrong("wall-clock", "stamps are the wall clock alone", Kit::<WallClock>::new().spec()),
        Subject::wrong(
            "counts-not-causes",
            "more writes mean later",
            Kit::<CountsInsteadOfCauses>::new().spec(),
        ),
        Subject::wrong("no-drift-bound", "a hybrid clock believes any time", Kit::<NoDriftBound>::new()),
        Subject::wrong("max-with-reset", "a maximum that can be reset", Kit::<MaxWithReset>::new()),
        Subject::wrong("average", "values meet in their mean", Kit::<Average>::new()),
    ]
}
