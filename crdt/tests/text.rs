//! What text promises: units, forms of one text, the cost of a keystroke, no interleaving.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::text::Text;
use crdt::{Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n)
}

fn note(doc: &Doc) -> String {
    doc.text("t").map(ToString::to_string).unwrap_or_default()
}

/// One edit: where, how much goes, what comes.
type Edit = (u16, u8, String);

/// Edits as people make them: here and there, but mostly on from the last.
fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = prop_oneof![any::<u16>(), Just(0), Just(1), Just(2), Just(u16::MAX)];
    let gone = prop_oneof![Just(0), Just(0), Just(1), 0..9u8];
    prop::collection::vec((place, gone, "[aé\n👋]{0,3}|[a-z]{20,40}"), 1..60)
}

/// Makes an edit; places 0, 1 and 2 go on where the last one left off, after it, at it, before it.
fn edit(doc: &mut Doc, plain: &mut Vec<char>, last: &mut usize, (place, gone, text): &Edit) {
    let len = plain.len();
    let pos = match place {
        0 | 1 => *last,
        2 => last.saturating_sub(usize::from(*gone).max(1)),
        place => usize::from(*place) * (len + 1) / 65_536,
    };
    let (pos, end) = (pos.min(len), (pos + usize::from(*gone)).min(len));
    doc.transact(0, |tx| tx.text("t").replace(pos..end.max(pos), text));
    plain.splice(pos..end.max(pos), text.chars());
    *last = if *place == 1 { pos } else { pos + text.chars().count() };
}

fn is_as(text: &Text, plain: &[char]) {
    let whole: String = plain.iter().collect();
    assert_eq!((text.to_string(), text.len()), (whole.clone(), plain.len()));
    assert_eq!(text.chunks().collect::<String>(), whole);
    let (mut utf8, mut utf16, mut line) = (0, 0, 0);
    for (pos, c) in plain.iter().chain([&' ']).enumerate() {
        assert_eq!(
            [text.char_to_utf8(pos), text.char_to_utf16(pos), text.char_to_line(pos)],
            [utf8, utf16, line]
        );
        assert_eq!((text.utf8_to_char(utf8), text.utf16_to_char(utf16)), (pos, pos));
        let slice: String = plain[pos / 2..pos].iter().collect();
        assert_eq!(text.slice(pos / 2..pos), slice);
        utf8 += c.len_utf8();
        utf16 += c.len_utf16();
        line += usize::from(*c == '\n');
        if *c == '\n' {
            assert_eq!(text.line_to_char(line), pos + 1);
        }
    }
    assert_eq!(text.len_lines(), line + 1);
    let past =
        [text.char_to_utf8(plain.len() + 7), text.utf16_to_char(utf16 + 7), text.line_to_char(line + 1)];
    assert_eq!(past, [whole.len(), plain.len(), plain.len()]);
    assert_eq!(text.slice(plain.len() / 2..usize::MAX), plain[plain.len() / 2..].iter().collect::<String>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A text of which nobody has asked which character is which is that text all the same: in every unit, and in
    /// each byte that is sent or saved.
    #[test]
    fn names_that_are_given_late_are_the_same_names(edits in edits(), asks in any::<u64>()) {
        let [mut late, mut soon, mut always] = [(); 3].map(|()| Doc::new(id(1)));
        let (mut plain, mut last) = (Vec::new(), 0);
        for (i, step) in edits.iter().enumerate() {
            for doc in [&mut soon, &mut always] {
                edit(doc, &mut plain.clone(), &mut last.clone(), step);
            }
            edit(&mut late, &mut plain, &mut last, step);
            // Another edit between takes events of the same author.
            if i % 7 == 3 {
                for doc in [&mut late, &mut soon, &mut always] {
                    doc.transact(0, |tx| tx.put("x", i as i64));
                }
            }
            let _ = always.delta_since(&VersionVector::new());
            if asks >> (i % 64) & 15 == 15 {
                let _ = soon.text("t").map(|text| text.dots().count());
            }
        }
        let nothing = VersionVector::new();
        let loaded = Doc::load(&late.save(), id(1)).unwrap();
        for doc in [&late, &soon, &always, &loaded] {
            if let Some(text) = doc.text("t") {
                is_as(text, &plain);
            }
        }
        prop_assert_eq!(late.delta_since(&nothing), always.delta_since(&nothing));
        prop_assert_eq!(soon.delta_since(&nothing), always.delta_since(&nothing));
        prop_assert_eq!(late.save(), always.save());
        prop_assert_eq!(loaded.delta_since(&nothing), late.delta_since(&nothing));
    }
}

/// Runs typed here and there with corrections: each keystroke alone, as a link would send it.
#[test]
fn a_keystroke_of_steady_typing_is_16_bytes_at_most() {
    let (mut doc, mut told, mut len, mut bytes, mut count) = (Doc::new(id(1)), VersionVector::new(), 0, 0, 0);
    let mut random = 1_u64;
    while count < 20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (place, run, wrong) =
            ((random >> 33) as usize % (len + 1), (random >> 20) as usize % 60, (random >> 10) as usize % 8);
        let typed = (0..run).map(|i| (place + i, true));
        let keys: Vec<_> = typed.chain((0..wrong.min(run)).map(|i| (place + run - 1 - i, false))).collect();
        for (i, (pos, types)) in keys.into_iter().enumerate() {
            doc.transact(0, |tx| match types {
                true => tx.text("t").insert(pos, "x"),
                false => tx.text("t").delete(pos..pos + 1),
            });
            let delta = doc.delta_since(&told);
            told = doc.version().clone();
            // Only the first of a run names what stands before it.
            let most = if i == 0 { 20 } else { 16 };
            assert!(delta.body.len() <= most, "{} bytes", delta.body.len());
            (bytes, count, len) = (bytes + delta.body.len(), count + 1, doc.text("t").unwrap().len());
        }
    }
    assert!(bytes <= 14 * count, "{bytes} bytes for {count} keystrokes");
}

/// Everybody writes at once, having seen the same; the text that all end in.
fn at_once(base: &str, writers: &[&dyn Fn(&mut Doc)]) -> String {
    let mut start = Doc::new(id(99));
    start.transact(0, |tx| tx.text("t").insert(0, base));
    let docs: Vec<Doc> = (1..)
        .zip(writers)
        .map(|(n, write)| {
            let mut doc = start.clone();
            doc.set_author(id(n));
            write(&mut doc);
            doc
        })
        .collect();
    let mut merged = docs.clone();
    for doc in &mut merged {
        docs.iter().for_each(|other| drop(doc.apply(&other.delta_since(doc.version())).unwrap()));
    }
    assert!(merged.iter().all(|doc| note(doc) == note(&merged[0])));
    note(&merged[0])
}

fn forwards(pos: usize, word: &'static str) -> impl Fn(&mut Doc) {
    move |doc| {
        for (i, c) in word.char_indices() {
            doc.transact(0, |tx| tx.text("t").insert(pos + i, &c.to_string()));
        }
    }
}

fn backwards(pos: usize, word: &'static str) -> impl Fn(&mut Doc) {
    move |doc| {
        for c in word.chars().rev() {
            doc.transact(0, |tx| tx.text("t").insert(pos, &c.to_string()));
        }
    }
}

/// "The Art of the Fugue", section 2: two people complete "Hello!" in the same place.
#[test]
fn forward_interleaving() {
    let text = at_once("Hello!", &[&forwards(5, " Alice"), &forwards(5, " Charlie")]);
    assert_eq!(text, "Hello Alice Charlie!");
}

/// The same, each character typed before the one typed last.
#[test]
fn backward_interleaving() {
    let text = at_once("Hello!", &[&backwards(5, " Alice"), &backwards(5, " Charlie")]);
    assert_eq!(text, "Hello Alice Charlie!");
}

/// One types forwards, one backwards, one comes back to put a word before their own.
#[test]
fn interleaving_of_runs_typed_in_pieces() {
    let in_pieces = |doc: &mut Doc| {
        forwards(5, " Bob")(doc);
        forwards(5, " dear")(doc);
    };
    let text = at_once("Hello!", &[&forwards(5, " Alice"), &in_pieces, &backwards(5, " Charlie")]);
    for run in [" Alice", " dear Bob", " Charlie"] {
        assert!(text.contains(run), "{text}");
    }
    assert_eq!(text.len(), "Hello Alice dear Bob Charlie!".len());
}

/// What hangs on the same left neighbour and was written before different right ones stands in the reverse order of these,
/// each as near to its own as can be, whoever wrote it: that is what FugueMax adds to Fugue, which goes by authors alone
/// ("The Art of the Fugue", on maximal non-interleaving). Here "(", "a" and "b" were written at once, and three who had seen
/// none, the last or both of the letters write behind the bracket.
#[test]
fn interleaving_with_different_right_neighbours() {
    let [bracket, a, b] = [(90, "("), (91, "a"), (92, "b")].map(|(author, word)| {
        let mut doc = Doc::new(id(author));
        doc.transact(0, |tx| tx.text("t").insert(0, word));
        doc
    });
    let all = |docs: &[&Doc], author| {
        let mut all = Doc::new(id(author));
        docs.iter().for_each(|doc| drop(all.apply(&doc.delta_since(all.version())).unwrap()));
        all
    };
    for authors in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        let seen: [(&[&Doc], &str); 3] =
            [(&[&bracket], "end"), (&[&bracket, &b], "toB"), (&[&bracket, &a, &b], "toA")];
        let mut docs = Vec::new();
        for (author, (seen, word)) in authors.into_iter().zip(seen) {
            let mut doc = all(seen, author);
            word.char_indices()
                .for_each(|(i, c)| doc.transact(0, |tx| tx.text("t").insert(1 + i, &c.to_string())));
            docs.push(doc);
        }
        let [end, to_b, to_a] = &docs[..] else { panic!("three wrote") };
        for order in [[end, to_b, to_a], [to_a, to_b, end], [to_b, end, to_a]] {
            assert_eq!(note(&all(&order, 99)), "(endtoBtoAab", "by authors {authors:?}");
        }
    }
}

/// Two letters typed one after the other are one insertion, and what was put between them later has the first as its left
/// neighbour too; so it was taken for what hangs on the first, and another's letter came to stand before it.
#[test]
fn a_letter_beside_two_between_which_another_was_put() {
    let mut alice = Doc::new(id(1));
    alice.transact(0, |tx| tx.text("t").insert(0, "a"));
    let mut bob = alice.clone();
    bob.set_author(id(2));
    alice.transact(0, |tx| tx.text("t").insert(1, "c"));
    alice.transact(0, |tx| tx.text("t").insert(1, "b"));
    bob.transact(0, |tx| tx.text("t").insert(1, "x"));
    let from_bob = bob.delta_since(alice.version());
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    alice.apply(&from_bob).unwrap();
    assert_eq!((note(&alice), note(&bob)), ("abcx".into(), "abcx".into()));
}

/// Whoever types backwards, and hears of another's letter between two of his own, writes the second between other neighbours
/// than the first, also for those to whom his two come one after the other.
#[test]
fn a_letter_typed_backwards_after_another_came_between() {
    let (mut bob, mut alice, mut carol) = (Doc::new(id(1)), Doc::new(id(2)), Doc::new(id(3)));
    alice.transact(0, |tx| tx.text("t").insert(0, "L"));
    let base = alice.delta_since(&VersionVector::new());
    bob.apply(&base).unwrap();
    carol.apply(&base).unwrap();
    let type_in = |doc: &mut Doc, pos: usize, letter: &str| {
        let before = doc.version().clone();
        doc.transact(0, |tx| tx.text("t").insert(pos, letter));
        doc.delta_since(&before)
    };
    let r = type_in(&mut alice, 1, "r");
    let x = type_in(&mut bob, 1, "x");
    alice.apply(&x).unwrap();
    assert_eq!(note(&alice), "Lxr");
    let c = type_in(&mut alice, 2, "c");
    [x, r, c].iter().for_each(|delta| drop(carol.apply(delta).unwrap()));
    assert_eq!((note(&alice), note(&carol)), ("Lxcr".into(), "Lxcr".into()));
    assert!(alice.save() == carol.save(), "the same neighbours");
}

/// A paste went out compressed, as a whole document, at fifty times the cost of a copy.
#[test]
fn what_was_pasted_is_sent_as_it_is() {
    let (mut alice, mut bob) = (Doc::new(id(1)), Doc::new(id(2)));
    let long = "pasted text\n".repeat(10_000);
    alice.transact(0, |tx| tx.text("t").insert(0, &long));
    let pasted = alice.delta_since(bob.version());
    assert!(pasted.to_bytes().len() > long.len(), "not packed");
    bob.apply(&pasted).unwrap();
    assert_eq!(note(&bob), long);

    for pos in (0..1_000).step_by(10) {
        alice.transact(0, |tx| tx.text("t").insert(pos, "typed"));
    }
    let whole = alice.delta_since(&VersionVector::new());
    assert!(whole.to_bytes().len() < long.len() / 2, "of many operations, so as a whole document, packed");
    let mut carol = Doc::new(id(3));
    carol.apply(&whole).unwrap();
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    assert_eq!((note(&carol), note(&bob)), (note(&alice), note(&alice)));
}

/// The text that was edited last is found without a search: edits must go where they are meant to all the same.
#[test]
fn texts_in_turn() {
    let (mut alice, mut bob) = (Doc::new(id(1)), Doc::new(id(2)));
    for i in 0..12 {
        alice.transact(0, |tx| {
            tx.text(["b", "a", "c"][i % 3]).insert(usize::MAX, &i.to_string());
            tx.map("b").text("a").insert(0, "-");
            tx.list("a").push("x");
        });
        bob.apply(&alice.delta_since(bob.version())).unwrap();
    }
    let all = |doc: &Doc| ["/a", "/b", "/c"].map(|place| doc.get(place).map(|value| value.to_string()));
    assert_eq!(alice.text("b").unwrap().to_string(), "0369");
    assert_eq!(alice.text("a").unwrap().to_string(), "14710");
    assert_eq!(alice.text("c").unwrap().to_string(), "25811");
    assert_eq!((all(&bob), bob.value()), (all(&alice), alice.value()));
}
