//! Documents as types: what is written by fields is what is written by name, whoever meets whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::sync::mpsc;

use crdt::doc::schema::{
    Counter, DwFlag, Field, FieldMut, FieldRef, Flag, List, Log, Map, Max, Min, Plain, Register, RwSet,
    Schema, Set, Text, Tree, Values,
};
use crdt::doc::{MapMut, Rule, Scalar, Tx, UndoManager, UndoOptions};
use crdt::tree::{NodeId, Position};
use crdt::{Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

/// Every field, and itself within itself.
#[derive(Schema)]
struct Board {
    title: Register<String>,
    notes: Text,
    tags: Set<u8>,
    votes: Counter,
    done: Flag,
    colour: Values<Colour>,
    cards: List<Card>,
    days: List<Register<i64>>,
    blocks: List<Text>,
    rows: List<List<Register<bool>>>,
    people: Map<Person>,
    owner: Person,
    outline: Tree<Section>,
    open: DwFlag,
    members: RwSet<i64>,
    best: Max,
    worst: Min,
    chat: Log<String>,
}

#[derive(Schema)]
struct Card {
    what: Register<String>,
    done: Flag,
    parts: List<Card>,
}

#[derive(Schema)]
struct Person {
    #[crdt(name = "year of birth")]
    born: Register<i64>,
    r#type: Register<Colour>,
    scores: Map<Map<Counter>>,
}

#[derive(Schema)]
struct Section {
    title: Text,
    cards: List<Card>,
}

#[derive(Plain, Clone, Copy, PartialEq, Debug)]
enum Colour {
    Red,
    #[crdt(name = "blue")]
    Blue,
}

fn doc(n: u128) -> Doc {
    Doc::new(ReplicaId::from_u128(n))
}

fn sync(a: &mut Doc, b: &mut Doc) {
    a.apply(&b.delta_since(a.version())).unwrap();
    b.apply(&a.delta_since(b.version())).unwrap();
}

/// What stands in every field, in the order of the struct.
fn fill(tx: &mut Tx<'_>) -> NodeId {
    let mut board = tx.edit_as::<Board>();
    board.title().set("Launch");
    board.notes().insert(0, "hello");
    board.tags().insert(7);
    board.votes().add(3);
    board.done().enable();
    board.colour().offer(Colour::Blue);
    let mut cards = board.cards();
    let mut card = cards.push();
    card.what().set("milk");
    let mut parts = card.parts();
    let mut part = parts.push();
    part.parts().push().done().enable();
    board.days().push(1);
    board.blocks().push().insert(0, "heading");
    board.rows().push().push(true);
    board.people().entry("ada/x").scores().entry("chess").entry("won").add(2);
    board.owner().born().set(1815);
    board.owner().r#type().set(Colour::Red);
    board.open().enable();
    board.members().insert(7);
    board.members().insert(8);
    board.members().remove(8);
    [3, 7, 5].into_iter().for_each(|n| board.best().set(n));
    [3, 7, 5].into_iter().for_each(|n| board.worst().set(n));
    board.chat().append("hello");
    let mut outline = board.outline();
    let top = outline.create(None, Position::Last);
    let below = outline.create(Some(top), Position::Last);
    outline.get(below).unwrap().title().insert(0, "below");
    outline.get(below).unwrap().cards().push().what().set("tea");
    below
}

#[test]
fn every_field_holds_what_was_written_at_any_depth() {
    let mut doc = doc(1);
    let below = doc.transact(0, fill);
    let read = |doc: &Doc| {
        let board = doc.read_as::<Board>();
        assert_eq!(board.title().get().as_deref(), Some("Launch"));
        assert_eq!((board.notes().to_string().as_str(), board.notes().len()), ("hello", 5));
        assert_eq!(board.tags().iter().collect::<Vec<_>>(), [7]);
        assert!(board.tags().contains(7) && !board.tags().contains(8));
        assert_eq!(board.votes().get(), 3);
        assert!(board.done().get() && board.open().get());
        assert_eq!(board.members().iter().collect::<Vec<_>>(), [7]);
        assert!(board.members().contains(7) && !board.members().contains(8));
        assert_eq!((board.best().get(), board.worst().get()), (Some(7), Some(3)));
        assert!(board.chat().iter().eq(["hello"]));
        assert_eq!(board.colour().iter().collect::<Vec<_>>(), [Colour::Blue]);
        let card = board.cards().at(0).unwrap();
        assert_eq!(card.what().get().as_deref(), Some("milk"));
        let deep = card.parts().at(0).unwrap().parts().at(0).unwrap();
        assert!(deep.done().get() && deep.parts().is_empty() && board.cards().at(1).is_none());
        assert_eq!(board.days().iter().map(|day| day.get()).collect::<Vec<_>>(), [Some(1)]);
        assert_eq!(board.blocks().at(0).unwrap().to_string(), "heading");
        assert_eq!(board.rows().at(0).unwrap().at(0).unwrap().get(), Some(true));
        let people: Vec<_> = board.people().iter().collect();
        assert_eq!((people.len(), people[0].0.as_str()), (1, "ada/x"));
        let won = people[0].1.scores().get("chess").unwrap().get("won").unwrap();
        assert_eq!((won.get(), people[0].1.born().get()), (2, None));
        assert_eq!(
            (board.owner().born().get(), board.owner().r#type().get()),
            (Some(1815), Some(Colour::Red))
        );
        let rows: Vec<_> = board
            .outline()
            .walk()
            .map(|(depth, node, section)| (depth, node, section.title().to_string()))
            .collect();
        assert_eq!((rows.len(), &rows[1]), (2, &(1, below, "below".to_string())));
        let section = board.outline().get(below).unwrap();
        let tea = section.cards().at(0).unwrap().what();
        assert_eq!(tea.get().as_deref(), Some("tea"));
        // Pointers are those of the document.
        for (pointer, name) in [
            (deep.done().pointer(), "/cards/0/parts/0/parts/0/done"),
            (won.pointer(), "/people/ada~1x/scores/chess/won"),
            (board.owner().born().pointer(), "/owner/year of birth"),
            (board.owner().r#type().pointer(), "/owner/type"),
            (tea.pointer(), "/outline/1/data/cards/0/what"),
            (board.rows().at(0).unwrap().pointer(), "/rows/0"),
        ] {
            assert_eq!(pointer, name);
            assert!(doc.get(&pointer).is_some(), "{pointer}");
        }
        assert_eq!(won.value(), doc.get(&won.pointer()));
        assert_eq!(board.value(), Some(doc.value()));
        assert_eq!(format!("{:?}", board.title()), r#"FieldRef("/title")"#);
    };
    read(&doc);
    // Kept, forked, and in the past, it is the same.
    read(&Doc::load(&doc.save(), ReplicaId::from_u128(2)).unwrap());
    read(&Doc::load(&doc.save_shallow(), ReplicaId::from_u128(2)).unwrap());
    doc.keep_history();
    let version = doc.version().clone();
    doc.transact(1, |tx| tx.edit_as::<Board>().clear());
    assert_eq!(doc.value().to_string(), "{}");
    read(&doc.at(&version).unwrap());
}

#[test]
fn where_nothing_was_written_nothing_is_read() {
    let doc = doc(1);
    let board = doc.read_as::<Board>();
    assert_eq!((board.title().get(), board.votes().get(), board.done().get()), (None, 0, false));
    assert!(
        board.notes().get().is_none() && board.notes().is_empty() && board.notes().to_string().is_empty()
    );
    assert_eq!((board.tags().iter().count(), board.colour().iter().count()), (0, 0));
    assert!(
        board.cards().is_empty() && board.cards().at(0).is_none() && board.cards().iter().next().is_none()
    );
    assert!(board.people().get("ada").is_none() && board.people().keys().next().is_none());
    assert!(board.outline().view().is_none() && board.outline().walk().next().is_none());
    assert_eq!((board.owner().value(), board.title().value()), (None, None));
    assert_eq!(board.owner().born().pointer(), "/owner/year of birth");
}

/// To step to a place, and to read it within the transaction, takes no event.
#[test]
fn only_edits_take_events() {
    let mut doc = doc(1);
    doc.transact(0, |tx| {
        let mut board = tx.edit_as::<Board>();
        assert!(board.cards().at(0).is_none() && !board.cards().remove(0) && !board.cards().move_to(0, 1));
        board.owner().scores().entry("chess").entry("won");
        board.title().clear();
        board.tags().remove(1);
        board.people().remove("ada");
        assert_eq!(board.read().title().get(), None);
        board.clear();
    });
    assert_eq!(doc.version(), &VersionVector::new());
}

#[test]
fn two_who_edit_at_once_end_up_with_the_same_and_are_told_by_pointers_of_fields() {
    let (mut alice, mut bob) = (doc(1), doc(2));
    alice.transact(0, fill);
    bob.apply(&alice.delta_since(bob.version())).unwrap();
    alice.transact(1_000, |tx| {
        let mut board = tx.edit_as::<Board>();
        board.title().set("A");
        board.cards().insert(0).what().set("first");
        board.cards().at(1).unwrap().what().set("soy milk");
        board.owner().born().set(1);
        board.votes().add(1);
        board.colour().offer(Colour::Red);
    });
    bob.transact(2_000, |tx| {
        let mut board = tx.edit_as::<Board>();
        board.title().set("B");
        board.cards().push().what().set("last");
        board.cards().at(0).unwrap().what().set("oat milk");
        board.owner().born().set(2);
        board.votes().add(-2);
        board.colour().offer(Colour::Blue);
    });
    sync(&mut alice, &mut bob);
    assert_eq!(alice.save(), Doc::load(&bob.save(), alice.author()).unwrap().save());
    let board = alice.read_as::<Board>();
    let cards: Vec<_> = board.cards().iter().filter_map(|card| card.what().get()).collect();
    assert_eq!(cards, ["first", "oat milk", "last"]);
    assert_eq!((board.votes().get(), board.colour().iter().count()), (2, 2));
    let conflicts = alice.conflicts();
    let told: Vec<&str> = conflicts.iter().map(|conflict| conflict.path.as_str()).collect();
    let fields = [
        board.cards().at(1).unwrap().what().pointer(),
        board.owner().born().pointer(),
        board.title().pointer(),
    ];
    assert_eq!(told, fields);
    assert!(conflicts.iter().all(|conflict| conflict.rule == Rule::Later));
}

/// A document of others may be as deep as it goes: who walks down and edits all comes to an end, not to a panic.
#[test]
fn what_stands_too_deep_for_its_fields_is_read_and_not_edited() {
    fn nest(mut card: MapMut<'_>, left: usize) {
        if left > 0 {
            nest(card.list("parts").push_map(), left - 1);
        }
    }
    fn read(cards: &FieldRef<'_, List<Card>>) -> usize {
        cards.at(0).map_or(0, |card| 1 + read(&card.parts()))
    }
    fn edit(cards: &mut FieldMut<'_, List<Card>>) -> usize {
        let Some(mut card) = cards.at(0) else { return 0 };
        card.what().set("x");
        1 + edit(&mut card.parts())
    }
    let mut doc = doc(1);
    let deepest = Doc::MAX_DEPTH / 2;
    doc.transact(0, |tx| nest(tx.list("cards").push_map(), deepest - 1));
    let mut copy = Doc::load(&doc.save(), ReplicaId::from_u128(2)).unwrap();
    assert_eq!(read(&copy.read_as::<Board>().cards()), deepest);
    let edited = copy.transact(1, |tx| edit(&mut tx.edit_as::<Board>().cards()));
    assert_eq!(edited, deepest - 1, "the fields of the last would be one level too deep");
    doc.apply(&copy.delta_since(doc.version())).unwrap();
    assert_eq!(doc.value(), copy.value());
}

#[test]
fn an_element_that_was_cleared_stays_where_it_is_moved() {
    let (mut alice, mut bob) = (doc(1), doc(2));
    alice.transact(0, |tx| {
        let mut board = tx.edit_as::<Board>();
        (0..3).for_each(|n| board.days().push(n));
        board.cards().push().what().set("milk");
        board.days().at(0).unwrap().clear();
        board.cards().at(0).unwrap().clear();
        board.days().move_to(0, 2);
    });
    sync(&mut alice, &mut bob);
    for doc in [&alice, &bob] {
        assert_eq!(doc.value().to_string(), r#"{"cards":[{}],"days":[1,2,null]}"#);
        assert_eq!(doc.read_as::<Board>().days().at(2).unwrap().get(), None);
        assert_eq!(doc.read_as::<Board>().cards().len(), 1);
    }
}

#[test]
fn edits_by_fields_are_undone_like_any() {
    let mut doc = doc(1);
    doc.transact(0, fill);
    let before = doc.value();
    let mut undo = UndoManager::new(&mut doc, UndoOptions::default());
    doc.transact(1_000, |tx| {
        let mut board = tx.edit_as::<Board>();
        board.title().set("other");
        board.cards().at(0).unwrap().parts().clear();
        board.people().remove("ada/x");
        board.owner().clear();
        board.days().at(0).unwrap().set(2);
    });
    doc.transact(2_000, |tx| tx.edit_as::<Board>().clear());
    assert!(undo.undo(&mut doc, 3_000) && undo.undo(&mut doc, 4_000));
    // The nodes of a tree are other ones when they come back.
    let shown = |doc: &Doc| {
        let board = doc.read_as::<Board>();
        let outline: Vec<_> = board.outline().walk().map(|(depth, _, s)| (depth, s.value())).collect();
        (board.cards().value(), board.people().value(), board.owner().value(), board.days().value(), outline)
    };
    let mut filled = Doc::new(ReplicaId::from_u128(1));
    filled.transact(0, fill);
    assert_eq!(filled.value(), before);
    assert_eq!(shown(&doc), shown(&filled));
    assert!(undo.redo(&mut doc, 5_000) && undo.redo(&mut doc, 6_000));
    let board = doc.read_as::<Board>();
    assert_eq!((board.title().get(), board.votes().get(), board.owner().value()), (None, 0, None));
    assert!(board.cards().is_empty() && board.outline().walk().next().is_none());
}

#[test]
fn a_subscriber_hears_of_its_field() {
    let mut doc = doc(1);
    doc.transact(0, fill);
    let (owner, cards) = (doc.read_as::<Board>().owner().pointer(), doc.read_as::<Board>().cards().pointer());
    let (sender, heard) = mpsc::channel();
    let _subscription = doc.subscribe(move |change| {
        let touched = |pointer: &str| change.patches.iter().any(|patch| patch.touches(pointer));
        sender.send((touched(&owner), touched(&cards), touched(""))).unwrap();
    });
    let heard = |doc: &mut Doc, edit: fn(BoardMut<'_>)| {
        doc.transact(1, |tx| edit(tx.edit_as::<Board>()));
        heard.try_iter().collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut doc, |mut board| board.owner().born().set(2)), [(true, false, true)]);
    assert_eq!(heard(&mut doc, |mut board| board.owner().clear()), [(true, false, true)]);
    assert_eq!(heard(&mut doc, |mut board| drop(board.cards().push())), [(false, true, true)]);
    let deep: fn(BoardMut<'_>) =
        |mut board| board.cards().at(0).unwrap().parts().at(0).unwrap().what().set("x");
    assert_eq!(heard(&mut doc, deep), [(false, true, true)]);
    assert_eq!(heard(&mut doc, |mut board| board.votes().add(1)), [(false, false, true)]);
    assert_eq!(heard(&mut doc, |mut board| drop(board.owner())), []);
}

/// The struct of an app as it was, and as it is a year later: one field more, one renamed in Rust, one of another type.
mod versions {
    use super::*;

    #[derive(Schema)]
    pub(crate) struct Old {
        pub(crate) name: Register<String>,
        pub(crate) state: Register<OldState>,
        pub(crate) size: Register<String>,
        pub(crate) items: List<OldItem>,
    }

    #[derive(Schema)]
    pub(crate) struct OldItem {
        pub(crate) what: Register<String>,
    }

    #[derive(Plain, PartialEq, Debug)]
    pub(crate) enum OldState {
        Open,
    }

    #[derive(Schema)]
    pub(crate) struct New {
        #[crdt(name = "name")]
        pub(crate) title: Register<String>,
        pub(crate) state: Register<NewState>,
        pub(crate) size: Counter,
        pub(crate) items: List<NewItem>,
    }

    #[derive(Schema)]
    pub(crate) struct NewItem {
        pub(crate) what: Register<String>,
        pub(crate) done: Flag,
    }

    #[derive(Plain, PartialEq, Debug)]
    pub(crate) enum NewState {
        Open,
        Archived,
    }
}

#[test]
fn an_older_and_a_newer_version_of_a_struct_meet() {
    use versions::{New, NewState, Old, OldState};
    let (mut old, mut new) = (doc(1), doc(2));
    old.transact(0, |tx| {
        let mut form = tx.edit_as::<Old>();
        form.name().set("A");
        form.state().set(OldState::Open);
        form.size().set("large");
        form.items().push().what().set("milk");
    });
    sync(&mut old, &mut new);
    assert_eq!(new.read_as::<New>().state().get(), Some(NewState::Open));
    new.transact(1, |tx| {
        let mut form = tx.edit_as::<New>();
        form.title().set("B");
        form.state().set(NewState::Archived);
        form.size().add(7);
        form.items().at(0).unwrap().done().enable();
    });
    old.transact(2, |tx| tx.edit_as::<Old>().items().at(0).unwrap().what().set("soy milk"));
    sync(&mut old, &mut new);
    let form = old.read_as::<Old>();
    assert_eq!((form.name().get().as_deref(), form.state().get()), (Some("B"), None));
    assert_eq!(form.size().get().as_deref(), Some("large"), "of another type, another place");
    let form = new.read_as::<New>();
    assert_eq!((form.size().get(), form.state().get()), (7, Some(NewState::Archived)));
    let item = form.items().at(0).unwrap();
    assert!(item.done().get() && item.what().get().as_deref() == Some("soy milk"));
    // The older version copies, moves and saves what it does not know.
    old.transact(3, |tx| {
        let mut form = tx.edit_as::<Old>();
        form.items().push().what().set("tea");
        form.items().move_to(0, 1);
    });
    let copy = Doc::load(&old.save(), ReplicaId::from_u128(3)).unwrap();
    assert!(copy.read_as::<New>().items().at(1).unwrap().done().get());
    // One of the two that share a name is shown; what is shown by pointer is not always what a field reads.
    assert_eq!(copy.get("/size"), Some(7.into()));
}

#[test]
fn what_has_another_type_reads_as_nothing_and_stays() {
    let mut doc = doc(1);
    doc.transact(0, |tx| {
        tx.text("title").insert(0, "a text");
        tx.put("notes", 1);
        tx.put("cards", "no list");
        tx.map("votes").put("x", 1);
        tx.put("owner", "a name");
        tx.list("people").push(1);
        tx.set("outline").insert("no tree");
        tx.offer("tags", 1);
        let mut days = tx.list("days");
        days.push("a string");
        days.push_map().put("what", 1);
        days.push(300);
        tx.set("colour").insert("Red");
    });
    let before = doc.value();
    let board = doc.read_as::<Board>();
    assert_eq!((board.title().get(), board.votes().get(), board.notes().len()), (None, 0, 0));
    assert!(board.cards().is_empty() && board.owner().born().get().is_none());
    assert!(board.people().keys().next().is_none() && board.outline().view().is_none());
    assert_eq!((board.tags().iter().count(), board.colour().iter().count()), (0, 0));
    let days: Vec<_> = board.days().iter().map(|day| day.get()).collect();
    assert_eq!(days, [None, None, Some(300)], "each element is there, whatever it holds");
    let sizes = doc.read_as::<Map<List<Register<u8>>>>().get("days").unwrap();
    assert_eq!(sizes.at(2).unwrap().get(), None, "300 is no u8");
    // What a field writes stands beside it, and clearing the field leaves the other.
    doc.transact(1, |tx| {
        let mut board = tx.edit_as::<Board>();
        board.title().set("a register");
        board.owner().born().set(1815);
    });
    assert_eq!(doc.read_as::<Board>().title().get().as_deref(), Some("a register"));
    assert_eq!(
        (doc.get("/title"), doc.read_as::<Board>().owner().born().get()),
        (Some("a text".into()), Some(1815))
    );
    doc.transact(2, |tx| {
        let mut board = tx.edit_as::<Board>();
        board.title().clear();
        board.owner().clear();
    });
    assert_eq!(doc.value(), before);
}

#[test]
fn a_field_may_be_called_like_a_method() {
    #[derive(Schema)]
    struct Odd {
        read: Counter,
        value: Register<i64>,
        clear: Text,
        field: Flag,
        pointer: Map<Counter>,
        doc: Set<String>,
    }
    let mut doc = doc(1);
    doc.transact(0, |tx| {
        let mut odd = tx.edit_as::<Odd>();
        odd.read().add(1);
        odd.value().set(2);
        odd.clear().insert(0, "x");
        odd.field().enable();
        odd.pointer().entry("a").add(1);
        odd.doc().insert("y");
        assert_eq!(FieldMut::read(&odd).read().get(), 1);
    });
    let odd = doc.read_as::<Odd>();
    assert_eq!(
        (odd.read().get(), odd.value().get(), odd.clear().len(), odd.field().get()),
        (1, Some(2), 1, true)
    );
    assert_eq!(
        (FieldRef::pointer(&odd.pointer()), FieldRef::value(&odd)),
        ("/pointer".into(), Some(doc.value()))
    );
    assert!(odd.doc().contains("y"));
    doc.transact(1, |tx| FieldMut::clear(&mut tx.edit_as::<Odd>()));
    assert_eq!(doc.value().to_string(), "{}");
}

/// A function over any field, as an app writes for its widgets.
#[test]
fn fields_are_passed_on_by_their_types() {
    fn toggle(flag: &mut <Flag as Field>::Mut<'_>) {
        if flag.read().get() { flag.disable() } else { flag.enable() }
    }
    fn names<T: Field>(map: &FieldRef<'_, Map<T>>) -> Vec<String> {
        map.keys().collect()
    }
    let mut doc = doc(1);
    doc.transact(0, |tx| toggle(&mut tx.edit_as::<Board>().done()));
    assert!(doc.read_as::<Board>().done().get());
    doc.transact(0, |tx| toggle(&mut tx.edit_as::<Board>().done()));
    assert!(!doc.read_as::<Board>().done().get());
    doc.transact(0, |tx| tx.edit_as::<Board>().people().entry("ada").born().set(1));
    assert_eq!(names(&doc.read_as::<Board>().people()), ["ada"]);
}

type Edit = (u8, u8, u8);

fn colour(n: u8) -> Colour {
    if n < 128 { Colour::Red } else { Colour::Blue }
}

/// A node that is there, or none.
fn node(doc: &Doc, n: u8) -> Option<NodeId> {
    let nodes: Vec<NodeId> = doc.tree("outline")?.walk().map(|(_, node)| node).collect();
    nodes.get(usize::from(n) % (nodes.len() + 1)).copied()
}

fn by_field(doc: &mut Doc, now: u64, (kind, a, b): Edit) {
    let (first, second) = (node(doc, a), node(doc, b));
    let (i, j) = (usize::from(a % 4), usize::from(b % 4));
    let key = a.to_string();
    doc.transact(now, |tx| {
        let mut board = tx.edit_as::<Board>();
        match kind {
            0 => board.title().set(key),
            1 => board.notes().insert(i, "ab"),
            2 => board.notes().delete(i..i + 1),
            3 => board.tags().insert(a % 4),
            4 => board.tags().remove(a % 4),
            5 => board.votes().add(i64::from(a) - 100),
            6 if b % 2 == 0 => board.done().enable(),
            6 => board.done().disable(),
            7 => board.colour().offer(colour(a)),
            8 => board.cards().insert(i).what().set(key),
            9 => drop(board.cards().at(i).map(|mut card| card.done().enable())),
            10 => drop(board.cards().move_to(i, j)),
            11 => drop(board.cards().remove(i)),
            12 => {
                let mut cards = board.cards();
                let Some(mut card) = cards.at(i) else { return };
                let mut parts = card.parts();
                parts.push().parts().push().what().set(key);
            }
            13 => board.days().insert(i, i64::from(b)),
            14 => drop(board.days().at(i).map(|mut day| day.set(i64::from(b)))),
            15 => board.blocks().push().insert(0, "x"),
            16 => drop(board.blocks().at(i).map(|mut block| block.insert(1, "y"))),
            17 => board.rows().push().push(true),
            18 => board.people().entry(&(a % 3).to_string()).born().set(i64::from(b)),
            19 => board.people().remove(&(a % 3).to_string()),
            20 => board.owner().scores().entry(&(a % 2).to_string()).entry("x").add(1),
            21 => board.owner().r#type().set(colour(a)),
            22 => drop(Some(board.outline().create(first, Position::Last))),
            23 => drop(first.map(|node| board.outline().move_to(node, second, Position::First))),
            24 => drop(first.map(|node| board.outline().remove(node))),
            25 => {
                let mut outline = board.outline();
                let Some(mut section) = first.and_then(|node| outline.get(node)) else { return };
                section.title().insert(0, &key);
                section.cards().push().what().set(key);
            }
            26 => board.outline().purge(),
            27 => board.title().clear(),
            28 => board.cards().clear(),
            31 => board.open().enable(),
            32 => board.open().disable(),
            33 => board.members().insert(i64::from(a % 4)),
            34 => board.members().remove(i64::from(a % 4)),
            35 => board.best().set(i64::from(a)),
            36 => board.worst().set(i64::from(a)),
            37 => board.chat().append(key),
            38 => board.best().clear(),
            29 => board.owner().clear(),
            _ => board.outline().clear(),
        }
    });
}

fn by_name(doc: &mut Doc, now: u64, (kind, a, b): Edit) {
    let (first, second) = (node(doc, a), node(doc, b));
    let (i, j) = (usize::from(a % 4), usize::from(b % 4));
    let key = a.to_string();
    let name = |colour| if colour == Colour::Red { "Red" } else { "blue" };
    doc.transact(now, |tx| match kind {
        0 => tx.put("title", key),
        1 => tx.text("notes").insert(i, "ab"),
        2 => tx.text("notes").delete(i..i + 1),
        3 => tx.set("tags").insert(i64::from(a % 4)),
        4 => tx.set("tags").remove(i64::from(a % 4)),
        5 => tx.counter("votes").add(i64::from(a) - 100),
        6 if b % 2 == 0 => tx.flag("done").enable(),
        6 => tx.flag("done").disable(),
        7 => tx.offer("colour", name(colour(a))),
        8 => tx.list("cards").insert_map(i).put("what", key),
        9 => drop(tx.list("cards").map(i).map(|mut card| card.flag("done").enable())),
        10 => drop(tx.list("cards").move_to(i, j)),
        11 => drop(tx.list("cards").remove(i)),
        12 => {
            let mut cards = tx.list("cards");
            let Some(mut card) = cards.map(i) else { return };
            card.list("parts").push_map().list("parts").push_map().put("what", key);
        }
        13 => tx.list("days").insert(i, i64::from(b)),
        14 => drop(tx.list("days").put(i, i64::from(b))),
        15 => tx.list("blocks").push_text().insert(0, "x"),
        16 => drop(tx.list("blocks").text(i).map(|mut block| block.insert(1, "y"))),
        17 => tx.list("rows").push_list().push(true),
        18 => tx.map("people").map(&(a % 3).to_string()).put("year of birth", i64::from(b)),
        19 => tx.map("people").remove(&(a % 3).to_string()),
        20 => tx.map("owner").map("scores").map(&(a % 2).to_string()).counter("x").add(1),
        21 => tx.map("owner").put("type", name(colour(a))),
        22 => drop(Some(tx.tree("outline").create(first, Position::Last))),
        23 => drop(first.map(|node| tx.tree("outline").move_to(node, second, Position::First))),
        24 => drop(first.map(|node| tx.tree("outline").remove(node))),
        25 => {
            let mut outline = tx.tree("outline");
            let Some(mut section) = first.and_then(|node| outline.data(node)) else { return };
            section.text("title").insert(0, &key);
            section.list("cards").push_map().put("what", key);
        }
        26 => tx.tree("outline").purge(),
        27 => tx.remove("title"),
        28 => tx.remove("cards"),
        31 => tx.dw_flag("open").enable(),
        32 => tx.dw_flag("open").disable(),
        33 => tx.rw_set("members").insert(i64::from(a % 4)),
        34 => tx.rw_set("members").remove(i64::from(a % 4)),
        35 => tx.max("best").set(i64::from(a)),
        36 => tx.min("worst").set(i64::from(a)),
        37 => tx.log("chat").append(key),
        38 => tx.remove("best"),
        29 => tx.remove("owner"),
        _ => tx.remove("outline"),
    });
}

fn check_cards(cards: &FieldRef<'_, List<Card>>, doc: &Doc) {
    assert_eq!(cards.len(), cards.iter().count());
    for (n, card) in cards.iter().enumerate() {
        assert_eq!(card.pointer(), format!("{}/{n}", cards.pointer()));
        let at = |name: &str| doc.get(&format!("{}/{name}", card.pointer()));
        assert_eq!(card.what().get().map(Into::into), at("what"));
        assert_eq!(card.done().get().then(|| true.into()), at("done"));
        check_cards(&card.parts(), doc);
    }
}

/// What is written somewhere below, read by fields: as the document has it.
fn check(doc: &Doc) {
    let board = doc.read_as::<Board>();
    assert_eq!(board.title().get().map(Into::into), doc.get("/title"));
    assert_eq!(board.notes().to_string(), doc.text("notes").map(ToString::to_string).unwrap_or_default());
    assert_eq!(board.votes().get(), doc.root("votes").read().unwrap_or(0));
    assert_eq!(board.tags().value(), doc.get("/tags"));
    check_cards(&board.cards(), doc);
    let people = doc.get("/people").and_then(|people| people.as_map().cloned()).unwrap_or_default();
    assert!(board.people().keys().eq(people.into_keys()));
    for (_, _, section) in board.outline().walk() {
        let title =
            doc.get(&section.title().pointer()).map_or(String::new(), |title| title.as_str().unwrap().into());
        assert_eq!(section.title().to_string(), title);
        check_cards(&section.cards(), doc);
    }
}

proptest! {
    /// By fields or by name: the same bytes, with others' edits in between, and undone.
    #[test]
    fn fields_write_what_names_write(
        steps in prop::collection::vec((0..2usize, (0..39u8, any::<u8>(), any::<u8>()), 0..4u8), 0..50),
        back in 0..6u8,
    ) {
        let [mut typed, mut named] = [[doc(1), doc(2)], [doc(1), doc(2)]];
        let mut undo = [&mut typed[0], &mut named[0]].map(|doc| UndoManager::new(doc, UndoOptions::default()));
        for (n, (at, edit, meet)) in steps.into_iter().enumerate() {
            let before = typed[at].version().clone();
            by_field(&mut typed[at], 1_000 * n as u64, edit);
            by_name(&mut named[at], 1_000 * n as u64, edit);
            let written = [&typed, &named].map(|docs| docs[at].delta_since(&before).to_bytes());
            prop_assert_eq!(&written[0], &written[1], "{:?}", edit);
            if meet == 0 {
                for docs in [&mut typed, &mut named] {
                    let [a, b] = docs;
                    sync(a, b);
                }
            }
        }
        for n in 0..back {
            let done = [undo[0].undo(&mut typed[0], u64::from(n)), undo[1].undo(&mut named[0], u64::from(n))];
            prop_assert_eq!(done[0], done[1]);
        }
        typed.iter().for_each(check);
        let [a, b] = &mut typed;
        sync(a, b);
        check(a);
        prop_assert_eq!(a.value(), b.value());
        let [c, d] = &mut named;
        sync(c, d);
        prop_assert_eq!(a.save(), c.save());
    }

    /// Whatever stands under the names of a struct, to read it and to write it is no mistake, and what is written is read.
    #[test]
    fn any_document_is_read_as_any_struct(edits in prop::collection::vec((0..9u8, 0..7usize, any::<u8>()), 0..20)) {
        let mut doc = doc(1);
        for (kind, name, n) in edits {
            let name = ["title", "notes", "cards", "days", "people", "owner", "outline"][name];
            doc.transact(0, |tx| match kind {
                0 => tx.put(name, i64::from(n)),
                1 => tx.text(name).insert(0, "x"),
                2 => tx.list(name).push(Scalar::Null),
                3 => tx.list(name).push_list().push_text().insert(0, "x"),
                4 => tx.map(name).map("what").put("title", "x"),
                5 => tx.tree(name).data(NodeId::new(ReplicaId::from_u128(1), 1)).into_iter().for_each(|mut data| data.put("title", 1)),
                6 => drop(Some(tx.tree(name).create(None, Position::First))),
                7 => tx.remove(name),
                _ => tx.set(name).insert("x"),
            });
        }
        let board = doc.read_as::<Board>();
        let whats: Vec<_> = board.cards().iter().map(|card| card.what().get()).collect();
        prop_assert_eq!(whats.len(), board.cards().len());
        board.days().iter().for_each(|day| drop(day.value()));
        board.blocks().iter().for_each(|block| drop(block.to_string()));
        board.people().iter().for_each(|(_, person)| drop((person.born().get(), person.pointer())));
        board.outline().walk().for_each(|(_, _, section)| drop((section.title().to_string(), section.pointer())));
        let len = board.cards().len();
        doc.transact(1, |tx| {
            let mut board = tx.edit_as::<Board>();
            board.title().set("read back");
            for n in 0..=len {
                board.cards().at(n).into_iter().for_each(|mut card| card.done().enable());
            }
            board.owner().born().set(3);
        });
        let board = doc.read_as::<Board>();
        prop_assert_eq!(board.title().get(), Some("read back".into()));
        prop_assert!(board.cards().iter().all(|card| card.done().get()) && board.owner().born().get() == Some(3));
    }
}
