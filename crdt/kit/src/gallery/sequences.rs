//! Lists and texts.

use std::collections::{BTreeMap, BTreeSet};

use super::wrong;
use crdt::testkit::{Kit, Pick, Subject};

/// Inserts a letter at a place, or removes one.
#[derive(Clone, Copy, Debug)]
enum Do {
    Insert(u8, char),
    Remove(u8),
}

fn choose(len: usize, pick: &mut Pick<'_>) -> Do {
    let at = pick.below(len + 1) as u8;
    match pick.below(4) {
        3 if len > 0 => Do::Remove(at % len as u8),
        _ => Do::Insert(at, char::from(b'a' + pick.below(26) as u8)),
    }
}

type Id = (u64, u8);

/// A character after another, and whether it is removed.
#[derive(Clone, Debug)]
struct Item {
    id: Id,
    after: Option<Id>,
    letter: char,
    gone: bool,
}

fn place(items: &[Item], id: Option<Id>) -> usize {
    id.and_then(|id| items.iter().position(|item| item.id == id)).map_or(0, |at| at + 1)
}

fn insert(items: &mut Vec<Item>, me: u8, at: u8, letter: char) {
    let live: Vec<usize> = (0..items.len()).filter(|i| !items[*i].gone).collect();
    let after = usize::from(at).checked_sub(1).and_then(|at| live.get(at)).map(|i| items[*i].id);
    let id = (items.iter().map(|item| item.id.0 + 1).max().unwrap_or(0), me);
    let to = place(items, after);
    items.insert(to, Item { id, after, letter, gone: false });
}

fn live(items: &[Item]) -> usize {
    items.iter().filter(|item| !item.gone).count()
}

fn show(items: &[Item]) -> String {
    items.iter().filter(|item| !item.gone).map(|item| item.letter).collect()
}

fn bury(items: &mut [Item], at: u8) {
    let live = items.iter_mut().filter(|item| !item.gone);
    if let Some(item) = live.into_iter().nth(usize::from(at)) {
        item.gone = true;
    }
}

wrong! {
    /// Each letter after another one; of two after the same, the one that comes later stands first.
    NoSiblingOrder(Vec<Item>) -> String;
    command(s, pick) -> Do { choose(live(s), pick) }
    edit(s, me, _, what) { match what { Do::Insert(at, letter) => insert(s, me, *at, *letter), Do::Remove(at) => bury(s, *at) } }
    merge(s, o) {
        for theirs in o {
            match s.iter_mut().find(|mine| mine.id == theirs.id) {
                Some(mine) => mine.gone |= theirs.gone,
                None => { let at = place(s, theirs.after); s.insert(at, theirs.clone()) }
            }
        }
    }
    view(s) { show(s) }
}

wrong! {
    /// A removed letter is taken out at once, and its id with it: what stands after it has no place, and it comes
    /// back with the next merge.
    TakenOut((Vec<Item>, BTreeSet<Id>)) -> String;
    command(s, pick) -> Do { choose(s.0.len(), pick) }
    edit(s, me, _, what) {
        match what {
            Do::Insert(at, letter) => insert(&mut s.0, me, *at, *letter),
            Do::Remove(at) => { let item = s.0.remove(usize::from(*at)); s.1.insert(item.id); }
        }
    }
    merge(s, o) {
        {
            s.1.extend(&o.1);
            for theirs in &o.0 {
                if !s.0.iter().any(|mine| mine.id == theirs.id) {
                    let mut at = place(&s.0, theirs.after);
                    while s.0.get(at).is_some_and(|item| item.after == theirs.after && item.id > theirs.id) { at += 1 }
                    s.0.insert(at, theirs.clone());
                }
            }
            let gone = s.1.clone();
            s.0.retain(|item| !gone.contains(&item.id));
        }
    }
    view(s) { show(&s.0) }
}

wrong! {
    /// The place is a number between those of the neighbours; two who choose the same number write one letter.
    SamePlace(BTreeMap<u64, char>) -> String;
    command(s, pick) -> Do { choose(s.len(), pick) }
    edit(s, _, _, what) {
        if let Do::Insert(at, letter) = what {
            let keys: Vec<u64> = s.keys().copied().collect();
            let at = usize::from(*at).min(keys.len());
            let low = at.checked_sub(1).map_or(0, |at| keys[at]);
            let high = keys.get(at).copied().unwrap_or(u64::MAX);
            s.insert(low + (high - low) / 2, *letter);
        }
    }
    merge(s, o) { for (place, letter) in o { s.entry(*place).or_insert(*letter); } }
    view(s) { s.values().collect() }
}

wrong! {
    /// The same with the author behind the number: letters stay, but two words typed at one place are mixed.
    Interleaves(BTreeMap<(u64, u8), (char, Id)>) -> String;
    command(_, pick) -> u8 { pick.below(2) as u8 }
    edit(s, me, _, at) {
        // A word of two letters, at the start or at the end.
        let word = (s.len() as u64, me);
        let mut low = if *at == 0 { 0 } else { s.keys().last().map_or(0, |key| key.0) };
        let high = if *at == 0 { s.keys().next().map_or(u64::MAX, |key| key.0) } else { u64::MAX };
        for letter in ['(', ')'] {
            let place = low + (high - low) / 2;
            s.insert((place, me), (letter, word));
            low = place;
        }
    }
    merge(s, o) { s.extend(o.iter().map(|(place, letter)| (*place, *letter))) }
    view(s) { s.values().map(|(letter, _)| *letter).collect() }
    invariant(s) {
        let words: Vec<Id> = s.values().map(|(_, word)| *word).collect();
        if words.chunks(2).all(|two| two.first() == two.last()) { Ok(()) } else { Err("two words are mixed".into()) }
    }
}

wrong! {
    /// A move is a removal and an insertion: who moves at the same time as another has two of it.
    MoveCopies((BTreeMap<Id, u8>, BTreeSet<Id>)) -> Vec<u8>;
    command(_, pick) -> u8 { pick.below(2) as u8 }
    edit(s, me, _, thing) {
        let next = (s.0.len() as u64, me);
        let old: Vec<Id> = s.0.iter().filter(|(id, t)| *t == thing && !s.1.contains(id)).map(|(id, _)| *id).collect();
        // The first time it comes from outside: everyone knows that `(0, 200)` is its place.
        s.1.extend(if old.is_empty() { vec![(0, 200 + thing)] } else { old });
        s.0.insert(next, *thing);
    }
    merge(s, o) { s.0.extend(&o.0); s.1.extend(&o.1) }
    view(s) { s.0.iter().filter(|(id, _)| !s.1.contains(id)).map(|(_, thing)| *thing).collect() }
    invariant(s) {
        let mut things: Vec<u8> = s.0.iter().filter(|(id, _)| !s.1.contains(id)).map(|(_, thing)| *thing).collect();
        things.sort_unstable();
        if things.windows(2).all(|two| two[0] != two[1]) { Ok(()) } else { Err(format!("one thing stands twice: {things:?}")) }
    }
}

pub(super) fn all() -> Vec<Subject> {
    vec![
        Subject::wrong(
            "no-sibling-order",
            "letters after the same letter stand as they come",
            Kit::<NoSiblingOrder>::new(),
        ),
        Subject::wrong(
            "taken-out",
            "a removed letter is gone, and with it the place of those after it",
            Kit::<TakenOut>::new(),
        ),
        Subject::wrong("same-place", "two letters get one fractional place", Kit::<SamePlace>::new()),
        Subject::wrong("interleaves", "two words typed at one place are mixed", Kit::<Interleaves>::new()),
        Subject::wrong("move-copies", "a move is a removal and an insertion", Kit::<MoveCopies>::new()),
    ]
}
