//! The examples of Peritext (Litt, Lim, Kleppmann, van Hardenberg, "Peritext: A CRDT for collaborative rich text
//! editing", 2022), of the paper and of its authors' prototype, by name; and what else marks promise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::doc::{Expand, Patch, RichTextError, TextMut, UndoManager, UndoOptions, Value};
use crdt::text::TextPatch;
use crdt::{Delta, Doc, ReplicaId, Replicated, VersionVector};

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n)
}

/// The text with its marks: `The <bold:fox> jumped`.
fn shown(doc: &Doc) -> String {
    let mut out = String::new();
    for span in doc.spans("note").into_iter().flatten() {
        let attributes = span.attributes().iter().map(|(key, value)| match value.to_string().as_str() {
            "true" => key.to_owned(),
            value => format!("{key}={}", value.trim_matches('"')),
        });
        match attributes.collect::<Vec<_>>().join(",") {
            none if none.is_empty() => out += &span.to_string(),
            some => out += &format!("<{some}:{span}>"),
        }
    }
    out
}

fn bold(text: &mut TextMut<'_>, range: std::ops::Range<usize>) {
    text.mark(range, "bold", true, Expand::After);
}

fn unbold(text: &mut TextMut<'_>, range: std::ops::Range<usize>) {
    text.unmark(range, "bold", Expand::After);
}

fn italic(text: &mut TextMut<'_>, range: std::ops::Range<usize>) {
    text.mark(range, "italic", true, Expand::After);
}

fn link(text: &mut TextMut<'_>, range: std::ops::Range<usize>, to: &str) {
    text.mark(range, "link", to, Expand::None);
}

/// What two people have who edited one text at once, B a little later than A: on both replicas, whoever gets the
/// other's first, and after a detour over a file.
fn both(
    start: &str,
    before: fn(&mut TextMut<'_>),
    a: fn(&mut TextMut<'_>),
    b: fn(&mut TextMut<'_>),
) -> String {
    let mut alice = Doc::new(id(1));
    alice.transact(0, |tx| {
        tx.text("note").insert(0, start);
        before(&mut tx.text("note"));
    });
    let mut bob = Doc::load(&alice.save(), id(2)).unwrap();
    alice.transact(1_000, |tx| a(&mut tx.text("note")));
    bob.transact(2_000, |tx| b(&mut tx.text("note")));
    let (for_bob, for_alice) = (alice.delta_since(bob.version()), bob.delta_since(alice.version()));
    alice.apply(&for_alice).unwrap();
    bob.apply(&for_bob).unwrap();
    assert_eq!(alice.save(), bob.save());
    assert_eq!(shown(&alice), shown(&bob));
    assert_eq!(shown(&Doc::load(&alice.save(), id(3)).unwrap()), shown(&alice));
    let mut whole = Doc::new(id(4));
    let all = Delta::from_bytes(&alice.delta_since(&VersionVector::new()).to_bytes()).unwrap();
    whole.apply(&all).unwrap();
    assert_eq!(shown(&whole), shown(&alice));
    shown(&alice)
}

fn nothing(_: &mut TextMut<'_>) {}

// ---- the paper ----

#[test]
fn example_1_both_insertions_stay() {
    let got = both("The fox jumped.", nothing, |t| t.insert(4, "quick "), |t| t.insert(14, " over the dog"));
    assert_eq!(got, "The quick fox jumped over the dog.");
}

#[test]
fn example_2_what_is_inserted_in_bold_text_is_bold() {
    let got = both("The fox jumped.", nothing, |t| bold(t, 0..15), |t| t.insert(4, "brown "));
    assert_eq!(got, "<bold:The brown fox jumped.>");
}

#[test]
fn example_3_overlapping_bold_is_bold_throughout() {
    let got = both("The fox jumped.", nothing, |t| bold(t, 0..7), |t| bold(t, 4..14));
    assert_eq!(got, "<bold:The fox jumped>.");
}

#[test]
fn example_4_overlapping_bold_and_italic_are_both() {
    let got = both("The fox jumped.", nothing, |t| bold(t, 0..7), |t| italic(t, 4..14));
    assert_eq!(got, "<bold:The ><bold,italic:fox><italic: jumped>.");
}

#[test]
fn example_5_of_conflicting_colours_the_later_wins() {
    let red = |t: &mut TextMut<'_>| t.mark(0..7, "colour", "red", Expand::After);
    let green = |t: &mut TextMut<'_>| t.mark(4..14, "colour", "green", Expand::After);
    assert_eq!(both("The fox jumped.", nothing, red, green), "<colour=red:The ><colour=green:fox jumped>.");
    assert_eq!(both("The fox jumped.", nothing, green, red), "<colour=red:The fox><colour=green: jumped>.");
}

#[test]
fn example_6_bold_and_not_bold_conflict_where_they_overlap() {
    let all_bold = |t: &mut TextMut<'_>| bold(t, 0..15);
    let got = both(
        "The fox jumped.",
        all_bold,
        |t| unbold(t, 0..7),
        |t| {
            unbold(t, 4..14);
            bold(t, 4..14);
        },
    );
    assert_eq!(got, "The <bold:fox jumped.>");
    let got = both(
        "The fox jumped.",
        nothing,
        |t| bold(t, 0..15),
        |t| {
            bold(t, 4..7);
            unbold(t, 4..7);
        },
    );
    assert_eq!(got, "<bold:The >fox<bold: jumped.>");
}

#[test]
fn example_7_comments_of_two_people_overlap() {
    // Each comment is a key of its own, so that none hides another.
    let got = both(
        "The fox jumped.",
        nothing,
        |t| t.mark(0..7, "comment:1", "who?", Expand::None),
        |t| t.mark(4..14, "comment:2", "how high?", Expand::None),
    );
    assert_eq!(
        got,
        "<comment:1=who?:The ><comment:1=who?,comment:2=how high?:fox><comment:2=how high?: jumped>."
    );
}

#[test]
fn example_8_bold_grows_at_its_end_and_not_at_its_start() {
    let fox = |t: &mut TextMut<'_>| bold(t, 4..7);
    assert_eq!(
        both("The fox jumped.", fox, |t| t.insert(4, "brown "), nothing),
        "The brown <bold:fox> jumped."
    );
    assert_eq!(both("The fox jumped.", fox, |t| t.insert(7, "es"), nothing), "The <bold:foxes> jumped.");
}

#[test]
fn example_8_at_the_start_of_a_paragraph_nothing_grows() {
    let all = |t: &mut TextMut<'_>| bold(t, 0..3);
    assert_eq!(both("The fox", all, |t| t.insert(0, "> "), nothing), "> <bold:The> fox");
    let second = |t: &mut TextMut<'_>| bold(t, 4..7);
    assert_eq!(both("One\nTwo", second, |t| t.insert(4, "> "), nothing), "One\n> <bold:Two>");
}

#[test]
fn example_9_links_do_not_grow() {
    let fox = |t: &mut TextMut<'_>| link(t, 4..7, "a");
    assert_eq!(both("The fox jumped.", fox, |t| t.insert(4, "x"), nothing), "The x<link=a:fox> jumped.");
    assert_eq!(both("The fox jumped.", fox, |t| t.insert(7, "x"), nothing), "The <link=a:fox>x jumped.");
}

#[test]
fn marks_are_not_lost_where_text_is_inserted_while_they_are_made() {
    let got = both("The fox", nothing, |t| link(t, 4..7, "a"), |t| t.insert(5, "*"));
    assert_eq!(got, "The <link=a:f*ox>");
}

// ---- the prototype's cases ----

const EDITOR: &str = "The Peritext editor";

#[test]
fn a_mark_collapsed_to_nothing_marks_nothing_that_is_typed_there() {
    let before = |t: &mut TextMut<'_>| {
        bold(t, 4..12);
        t.delete(4..12);
    };
    assert_eq!(both(EDITOR, before, |t| t.insert(4, "x"), nothing), "The x editor");
}

#[test]
fn insertion_at_the_end_and_italic_to_the_end() {
    let got = both("The fox", nothing, |t| t.insert(7, " jumped"), |t| italic(t, 4..7));
    assert_eq!(got, "The <italic:fox jumped>");
}

#[test]
fn bold_and_unbold_inside_it() {
    let got = both(
        EDITOR,
        nothing,
        |t| bold(t, 0..12),
        |t| {
            bold(t, 4..12);
            unbold(t, 4..12);
        },
    );
    assert_eq!(got, "<bold:The >Peritext editor");
}

#[test]
fn of_bold_and_link_that_end_together_only_bold_grows() {
    let word = |t: &mut TextMut<'_>| {
        link(t, 4..12, "a");
        bold(t, 4..12);
    };
    assert_eq!(
        both(EDITOR, word, |t| t.insert(12, "!"), nothing),
        "The <bold,link=a:Peritext><bold:!> editor"
    );
}

#[test]
fn adjacent_bold_and_unbold_grow_from_the_left() {
    let before = |t: &mut TextMut<'_>| {
        bold(t, 0..5);
        unbold(t, 1..4);
    };
    let insert = |t: &mut TextMut<'_>| {
        t.insert(1, "F");
        t.insert(5, "G");
    };
    assert_eq!(both("ABCDE", before, insert, nothing), "<bold:AF>BCDG<bold:E>");
}

#[test]
fn a_boundary_that_was_deleted_does_not_make_a_link_grow() {
    let before = |t: &mut TextMut<'_>| {
        link(t, 1..4, "a");
        t.delete(1..2);
        t.delete(2..3);
    };
    assert_eq!(both("ABCDE", before, |t| t.insert(2, "F"), nothing), "A<link=a:C>FE");
    assert_eq!(both("ABCDE", before, |t| t.insert(1, "F"), nothing), "AF<link=a:C>E");
}

#[test]
fn insertion_at_the_boundary_while_bold_is_made() {
    let got = both(
        EDITOR,
        nothing,
        |t| bold(t, 4..12),
        |t| {
            t.insert(4, "*");
            t.insert(13, "*");
        },
    );
    assert_eq!(got, "The *<bold:Peritext*> editor");
}

#[test]
fn insertion_where_one_mark_ends_and_another_begins() {
    let marks = |t: &mut TextMut<'_>| {
        bold(t, 4..12);
        italic(t, 12..19);
    };
    assert_eq!(
        both(EDITOR, nothing, marks, |t| t.insert(12, "[1]")),
        "The <bold:Peritext[1]><italic: editor>"
    );
}

#[test]
fn insertion_between_bold_and_unbold_and_the_other_way() {
    let unbold_c = |t: &mut TextMut<'_>| {
        bold(t, 0..2);
        unbold(t, 1..2);
    };
    assert_eq!(both("AC", nothing, unbold_c, |t| t.insert(1, "B")), "<bold:AB>C");
    let unbold_a = |t: &mut TextMut<'_>| {
        bold(t, 0..2);
        unbold(t, 0..1);
    };
    assert_eq!(both("AC", nothing, unbold_a, |t| t.insert(1, "B")), "AB<bold:C>");
}

#[test]
fn marks_side_by_side_become_one_span() {
    assert_eq!(both("ABCDE", nothing, |t| bold(t, 1..2), |t| bold(t, 2..3)), "A<bold:BC>DE");
}

#[test]
fn what_is_typed_inside_boundaries_that_were_deleted_is_marked() {
    let bold_without_stars = |t: &mut TextMut<'_>| {
        bold(t, 4..14);
        t.delete(4..5);
        t.delete(12..13);
    };
    let underscores = |t: &mut TextMut<'_>| {
        t.insert(5, "_");
        t.insert(14, "_");
    };
    let got = both("The *Peritext* editor", nothing, bold_without_stars, underscores);
    assert_eq!(got, "The <bold:_Peritext_> editor");
}

#[test]
fn what_is_typed_into_a_deleted_span_is_marked() {
    let got = both(EDITOR, |t| bold(t, 4..12), |t| t.delete(4..12), |t| t.replace(5..8, "ara"));
    assert_eq!(got, "The <bold:ara> editor");
}

#[test]
fn marks_over_deleted_text_are_not_seen() {
    assert_eq!(both(EDITOR, nothing, |t| t.delete(4..13), |t| bold(t, 5..11)), "The editor");
    assert_eq!(both("ABCDE", nothing, |t| t.delete(2..3), |t| link(t, 2..3, "a")), "ABDE");
    assert_eq!(both("ABCDE", nothing, |t| t.delete(4..5), |t| link(t, 3..5, "a")), "ABC<link=a:D>");
    let deletes = |t: &mut TextMut<'_>| {
        link(t, 2..4, "a");
        t.delete(1..3);
        t.delete(2..3);
    };
    assert_eq!(both("ABCDE", nothing, deletes, |t| link(t, 3..5, "a")), "A<link=a:D>");
}

#[test]
fn of_two_links_one_wins() {
    assert_eq!(both("The fox", nothing, |t| link(t, 4..7, "a"), |t| link(t, 4..7, "b")), "The <link=b:fox>");
    assert_eq!(
        both("The fox", nothing, |t| link(t, 0..5, "a"), |t| link(t, 4..7, "b")),
        "<link=a:The ><link=b:fox>"
    );
}

// ---- what else is promised ----

#[test]
fn every_way_of_growing() {
    let expands = [Expand::None, Expand::Before, Expand::After, Expand::Both];
    let grown = expands.map(|expand| {
        let mut doc = Doc::new(id(1));
        doc.transact(0, |tx| {
            let mut note = tx.text("note");
            note.insert(0, "abc");
            note.mark(1..2, "k", true, expand);
            note.insert(2, "-");
            note.insert(1, "+");
        });
        let whole = shown(&doc);
        // What is left after a part was unmarked grows as the mark did.
        let mut doc = Doc::new(id(1));
        doc.transact(0, |tx| {
            let mut note = tx.text("note");
            note.insert(0, "abc");
            note.mark(0..3, "k", true, expand);
            note.unmark(1..2, "k", expand);
            note.insert(2, "-");
            note.insert(1, "+");
        });
        (whole, shown(&doc))
    });
    assert_eq!(grown.each_ref().map(|g| g.0.as_str()), ["a+<k:b>-c", "a<k:+b>-c", "a+<k:b->c", "a<k:+b->c"]);
    let rest = ["<k:a>+b-<k:c>", "<k:a>+b<k:-c>", "<k:a+>b-<k:c>", "<k:a+>b<k:-c>"];
    assert_eq!(grown.each_ref().map(|g| g.1.as_str()), rest);
}

#[test]
fn a_slow_clock_does_not_take_marks_back() {
    let (mut alice, mut bob) = (Doc::new(id(1)), Doc::new(id(2)));
    alice.transact(9_000, |tx| {
        tx.text("note").insert(0, "fox");
        bold(&mut tx.text("note"), 0..3);
    });
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    bob.transact(5, |tx| unbold(&mut tx.text("note"), 0..3));
    alice.apply(&bob.delta_since(alice.version())).unwrap();
    assert_eq!(shown(&alice), "fox");
}

#[test]
fn what_a_newer_mark_covers_costs_nothing() {
    let mut doc = Doc::new(id(1));
    doc.transact(0, |tx| tx.text("note").insert(0, "The quick brown fox"));
    let toggle = |doc: &mut Doc, times: u64| {
        for n in 0..times {
            doc.transact(n, |tx| {
                let mut note = tx.text("note");
                if n % 2 == 0 { bold(&mut note, 4..15) } else { unbold(&mut note, 4..15) }
            });
        }
        doc.delta_since(&VersionVector::new()).to_bytes().len()
    };
    let few = toggle(&mut doc, 10);
    let many = toggle(&mut doc, 1_000);
    assert!(many < few + 60, "{few} bytes after 10 changes, {many} after 1,010");
    // Taking away what is not there is no event.
    let before = doc.version().clone();
    doc.transact(0, |tx| unbold(&mut tx.text("note"), 0..19));
    doc.transact(0, |tx| tx.text("note").unmark(0..19, "never", Expand::After));
    doc.transact(0, |tx| bold(&mut tx.text("note"), 3..3));
    assert_eq!(doc.version(), &before);
}

#[test]
fn patches_are_in_the_coordinates_of_the_screen() {
    let (mut alice, mut bob) = (Doc::new(id(1)), Doc::new(id(2)));
    alice.transact(0, |tx| {
        tx.text("note").insert(0, "The fox jumped.");
        bold(&mut tx.text("note"), 4..7);
    });
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    bob.record_patches();
    alice.transact(1, |tx| {
        bold(&mut tx.text("note"), 4..5);
        tx.text("note").insert(7, "es");
        bold(&mut tx.text("note"), 10..16);
        italic(&mut tx.text("note"), 0..3);
    });
    bob.transact(1, |tx| tx.text("note").insert(0, "> "));
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    let path = || "/note".to_string();
    let mark =
        |range, key: &str| Patch::Mark { path: path(), range, key: key.into(), value: Some(true.into()) };
    let insert = Patch::Text { path: path(), patch: TextPatch::Insert { pos: 9, text: "es".into() } };
    let expected = [insert, mark(2..5, "italic"), mark(9..11, "bold"), mark(12..18, "bold")];
    assert_eq!(bob.take_patches(), expected);
    assert_eq!(shown(&bob), "> <italic:The> <bold:foxes> <bold:jumped>.");
}

#[test]
fn undo_and_redo() {
    let mut doc = Doc::new(id(1));
    let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    let step =
        |doc: &mut Doc, now, edit: fn(&mut TextMut<'_>)| doc.transact(now, |tx| edit(&mut tx.text("note")));
    step(&mut doc, 0, |t| t.insert(0, "The fox jumped."));
    step(&mut doc, 1_000, |t| t.mark(0..7, "colour", "red", Expand::After));
    step(&mut doc, 2_000, |t| t.mark(4..14, "colour", "green", Expand::After));
    step(&mut doc, 3_000, |t| t.delete(2..9));
    assert_eq!(shown(&doc), "<colour=red:Th><colour=green:umped>.");
    undo.undo(&mut doc, 9_000);
    let both = "<colour=red:The ><colour=green:fox jumped>.";
    assert_eq!(shown(&doc), both);
    undo.undo(&mut doc, 9_000);
    assert_eq!(shown(&doc), "<colour=red:The fox> jumped.");
    undo.redo(&mut doc, 9_000);
    assert_eq!(shown(&doc), both);
    doc.transact(10_000, |tx| tx.remove("note"));
    assert_eq!((shown(&doc), doc.value().to_string()), (String::new(), "{}".into()));
    undo.undo(&mut doc, 11_000);
    assert_eq!(shown(&doc), both);
}

#[test]
fn what_others_mark_while_all_is_removed_stays() {
    let (mut alice, mut bob) = (Doc::new(id(1)), Doc::new(id(2)));
    alice.transact(0, |tx| {
        tx.map("page").text("body").insert(0, "fox");
        bold(&mut tx.map("page").text("body"), 0..3);
    });
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    alice.transact(1, |tx| tx.remove("page"));
    bob.transact(1, |tx| {
        tx.map("page").text("body").insert(1, "-");
        italic(&mut tx.map("page").text("body"), 0..4);
    });
    let (for_bob, for_alice) = (alice.delta_since(bob.version()), bob.delta_since(alice.version()));
    alice.apply(&for_alice).unwrap();
    bob.apply(&for_bob).unwrap();
    assert_eq!(alice.save(), bob.save());
    let delta = alice.to_delta("/page/body").unwrap().to_string();
    assert_eq!(delta, r#"[{"attributes":{"italic":true},"insert":"-"}]"#);
    assert_eq!(bob.to_delta("/page/body").unwrap().to_string(), delta);
}

#[test]
fn texts_in_lists_and_trees_have_marks() {
    let mut doc = Doc::new(id(1));
    doc.transact(0, |tx| {
        tx.list("paragraphs").push_text().insert(0, "first");
        bold(&mut tx.list("paragraphs").text(0).unwrap(), 0..2);
        let node = tx.tree("outline").create(None, crdt::tree::Position::Last);
        let mut tree = tx.tree("outline");
        let mut data = tree.data(node).unwrap();
        data.text("body").insert(0, "deep");
        italic(&mut data.text("body"), 1..2);
    });
    let copy = Doc::load(&doc.save(), id(2)).unwrap();
    for doc in [&doc, &copy] {
        assert_eq!(doc.attributes("/paragraphs/0", 1).unwrap().to_string(), r#"{"bold":true}"#);
        assert_eq!(doc.attributes("/outline/0/data/body", 1).unwrap().to_string(), r#"{"italic":true}"#);
    }
    assert!(doc.transact(1, |tx| tx.list("paragraphs").remove(0)));
    assert_eq!(doc.get("/paragraphs/0"), None);
    let mut other = Doc::new(id(3));
    other.apply(&doc.delta_since(other.version())).unwrap();
    assert_eq!(other.save(), doc.save());
}

#[test]
fn the_past_has_its_marks() {
    let mut doc = Doc::new(id(1));
    doc.keep_history();
    doc.transact(0, |tx| tx.text("note").insert(0, "The fox"));
    doc.transact(1, |tx| bold(&mut tx.text("note"), 4..7));
    let then = doc.version().clone();
    doc.transact(2, |tx| {
        unbold(&mut tx.text("note"), 4..7);
        tx.text("note").insert(0, "! ");
    });
    assert_eq!(shown(&doc.at(&then).unwrap()), "The <bold:fox>");
    let diff = doc.diff(&then, doc.version()).unwrap();
    let gone = Patch::Mark { path: "/note".into(), range: 6..9, key: "bold".into(), value: None };
    assert_eq!(diff.last(), Some(&gone));
    let mut fork = doc.fork(id(2));
    fork.transact(3, |tx| italic(&mut tx.text("note"), 0..1));
    doc.apply(&fork.delta_since(doc.version())).unwrap();
    assert_eq!(shown(&doc), "<italic:!> The fox");
}

#[test]
fn the_conflict_feed_names_marks() {
    let (mut alice, mut bob) = (Doc::new(id(1)), Doc::new(id(2)));
    alice.transact(0, |tx| {
        tx.text("note").insert(0, "The fox jumped.");
        tx.text("note").mark(0..15, "colour", "black", Expand::After);
    });
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    alice.transact(1_000, |tx| tx.text("note").mark(0..7, "colour", "red", Expand::After));
    bob.transact(2_000, |tx| tx.text("note").mark(4..14, "colour", "green", Expand::After));
    let (sender, changes) = std::sync::mpsc::channel();
    let subscription = alice.subscribe(move |change| sender.send(change.conflicts.clone()).unwrap());
    alice.apply(&bob.delta_since(alice.version())).unwrap();
    drop(subscription);
    let heard = changes.recv().unwrap();
    assert_eq!(heard, alice.conflicts());
    let [conflict] = heard.as_slice() else { panic!("{heard:?}") };
    let mark = conflict.mark.as_ref().unwrap();
    assert_eq!((mark.key.as_str(), mark.range.clone()), ("colour", 4..7));
    assert_eq!(conflict.winner.value, "green".into());
    assert_eq!(conflict.losers.iter().map(|loser| loser.value.to_string()).collect::<Vec<_>>(), [r#""red""#]);
    assert!(conflict.to_string().starts_with("/note, colour of 4..7: \"green\""), "{conflict}");
    alice.transact(3_000, |tx| tx.text("note").mark(0..15, "colour", "blue", Expand::After));
    assert!(alice.conflicts().is_empty());
}

#[test]
fn marks_survive_forgetting_and_rescue() {
    let (mut alice, mut late) = (Doc::new(id(1)), Doc::new(id(2)));
    alice.transact(0, |tx| {
        tx.text("note").insert(0, "The fox jumped.");
        bold(&mut tx.text("note"), 4..14);
    });
    late.apply(&alice.delta_since(late.version())).unwrap();
    late.transact(1, |tx| {
        tx.text("note").insert(7, "es");
        italic(&mut tx.text("note"), 4..9);
    });
    alice.transact(2, |tx| tx.text("note").delete(3..5));
    alice.forget(&alice.version().clone());
    assert_eq!(shown(&alice), "The<bold:ox jumped>.");
    let shallow = Doc::load(&alice.save(), id(5)).unwrap();
    assert_eq!(shown(&shallow), shown(&alice));
    let mut fresh = Doc::new(id(3));
    let (sender, patches) = std::sync::mpsc::channel();
    let subscription = fresh.subscribe(move |change| sender.send(change.patches.clone()).unwrap());
    fresh.apply(&alice.delta_since(late.version())).unwrap();
    drop(subscription);
    let mark =
        Patch::Mark { path: "/note".into(), range: 3..12, key: "bold".into(), value: Some(true.into()) };
    assert_eq!(patches.recv().unwrap().last(), Some(&mark));
    let rescue = late.rescue(fresh);
    let said: Vec<String> = rescue.edits().iter().map(ToString::to_string).collect();
    assert_eq!(said, [r#"/note: insert "es""#, r#"/note: mark "foxes" italic true"#]);
    let (late, left) = rescue.apply(9, |_| true);
    assert!(left.is_empty());
    assert_eq!(shown(&late), "The<bold,italic:oxes><bold: jumped>.");
    alice.apply(&late.delta_since(alice.version())).unwrap();
    assert_eq!(shown(&alice), shown(&late));
}

#[test]
fn quill_deltas_are_taken_whole_or_not_at_all() {
    let json = |value: &str| -> Value {
        // Enough of JSON for a test: through automerge's or serde's reader would be another dependency.
        parse(&serde_json::from_str(value).unwrap())
    };
    let mut doc = Doc::new(id(1));
    let mut apply =
        |delta: &str| doc.transact(0, |tx| tx.text("note").apply_delta(&json(delta), |_| Expand::After));
    apply(r#"[{"insert":"Gandalf","attributes":{"bold":true}},{"insert":" the "},{"insert":"Grey","attributes":{"colour":"grey"}}]"#).unwrap();
    apply(r#"[{"retain":7,"attributes":{"bold":null,"italic":true}},{"retain":5},{"insert":"White","attributes":{"colour":"white"}},{"delete":4}]"#).unwrap();
    let errors = [
        (r#"{"insert":"x"}"#, RichTextError::Shape),
        (r#"[{"insert":"x"},{"oops":1}]"#, RichTextError::Shape),
        (r#"[{"insert":"x"},{"insert":{"image":"x"}}]"#, RichTextError::Embed),
        (r#"[{"insert":"x"},{"retain":-1}]"#, RichTextError::Type),
        (r#"[{"insert":"x","attributes":{"a":[1]}}]"#, RichTextError::Type),
        (r#"[{"insert":"x"},{"retain":18}]"#, RichTextError::PastEnd),
    ];
    for (delta, error) in errors {
        assert_eq!(apply(delta), Err(error), "{delta}");
    }
    assert_eq!(shown(&doc), "<italic:Gandalf> the <colour=white:White>");
}

fn parse(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => crdt::doc::Scalar::Null.into(),
        serde_json::Value::Bool(b) => (*b).into(),
        serde_json::Value::Number(n) => n.as_i64().unwrap().into(),
        serde_json::Value::String(s) => s.as_str().into(),
        serde_json::Value::Array(all) => Value::List(all.iter().map(parse).collect()),
        serde_json::Value::Object(all) => {
            Value::Map(all.iter().map(|(k, v)| (k.clone(), parse(v))).collect())
        }
    }
}
