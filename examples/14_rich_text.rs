//! Two people format and edit one text while apart: `cargo run -p crdt --example 14_rich_text`

use crdt::doc::{Expand, Patch};
use crdt::{ApplyError, Doc, ReplicaId, Replicated};

/// As HTML, for a terminal.
fn html(doc: &Doc) -> String {
    let mut out = String::new();
    for span in doc.spans("note").into_iter().flatten() {
        let (mut before, mut behind) = (String::new(), String::new());
        for (key, value) in span.attributes().iter() {
            let (open, close) = match key {
                "bold" => ("<b>".to_owned(), "</b>"),
                "italic" => ("<i>".to_owned(), "</i>"),
                _ => (format!("<a {key}={value}>"), "</a>"),
            };
            before.push_str(&open);
            behind.insert_str(0, close);
        }
        out += &format!("{before}{span}{behind}");
    }
    out
}

fn main() -> Result<(), ApplyError> {
    let mut alice = Doc::new(ReplicaId::from_u128(1));
    let mut bob = Doc::new(ReplicaId::from_u128(2));
    alice.transact(1_000, |tx| {
        tx.text("note").insert(0, "The fox jumped.");
        tx.text("note").mark(4..7, "link", "https://fox.example", Expand::None);
    });
    bob.apply(&alice.delta_since(bob.version()))?;

    // Apart: each marks a range, the two overlap; Bob also writes inside what Alice marks, and behind the link.
    alice.transact(2_000, |tx| tx.text("note").mark(0..14, "bold", true, Expand::After));
    bob.transact(3_000, |tx| {
        let mut note = tx.text("note");
        note.mark(8..14, "italic", true, Expand::After);
        note.insert(7, "es");
        note.insert(16, " high");
    });

    // Together. Alice's editor hears what changed, in the coordinates of its screen.
    alice.record_patches();
    alice.apply(&bob.delta_since(alice.version()))?;
    for patch in alice.take_patches() {
        match patch {
            Patch::Text { patch, .. } => println!("  {patch:?}"),
            Patch::Mark { range, key, value, .. } => println!("  {range:?} {key} = {value:?}"),
            _ => {}
        }
    }
    bob.apply(&alice.delta_since(bob.version()))?;
    println!("{}", html(&alice));
    assert_eq!(html(&alice), html(&bob));
    let link = r#"<a link="https://fox.example">fox</a>"#;
    let expected = format!("<b>The </b><b>{link}</b><b>es </b><b><i>jumped high</i></b>.");
    assert_eq!(html(&alice), expected);

    // What a toolbar shows for a cursor at the end: what is typed there would be bold and italic.
    println!("{}", alice.attributes_for_insert("note", 21).unwrap_or_default());
    Ok(())
}
