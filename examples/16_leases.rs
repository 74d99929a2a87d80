//! Devices forget what all have that were heard of lately; one that comes back too late keeps its edits:
//! `cargo run -p crdt --example 16_leases`

use crdt::lease::{Leases, NotLeased};
use crdt::{Doc, ReplicaId, Replicated};

const DAY: u64 = 86_400_000;

struct Device {
    doc: Doc,
    leases: Leases,
}

impl Device {
    /// Takes the table of another first, then what is new in its document.
    fn hear(&mut self, other: &Device) -> Result<(), Box<dyn std::error::Error>> {
        self.leases.merge(&other.leases)?;
        let news = other.doc.delta_since(self.doc.version());
        self.leases.admit(news.spans.iter().copied(), self.doc.version())?;
        self.doc.apply(&news)?;
        self.leases.report(self.doc.version()); // once it is saved
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ids = [1, 2, 3].map(ReplicaId::from_u128);
    let [mut laptop, mut phone, mut tablet] =
        ids.map(|id| Device { doc: Doc::new(id), leases: Leases::new(id, ids, 30 * DAY) });
    laptop.doc.transact(0, |tx| tx.text("note").insert(0, "Buy milk."));
    tablet.hear(&laptop)?;
    tablet.doc.transact(1, |tx| tx.text("note").insert(9, " And bread.")); // then it lies in a drawer

    for day in 1..=60 {
        laptop.doc.transact(day * DAY, |tx| tx.text("note").insert(0, "draft "));
        laptop.doc.transact(day * DAY, |tx| tx.text("note").delete(0..6));
        laptop.leases.report(laptop.doc.version());
        phone.hear(&laptop)?;
        laptop.hear(&phone)?;
        for id in laptop.leases.tick(day * DAY) {
            println!("day {day}: {} is not waited for any more", id.short());
        }
        laptop.doc.forget(&laptop.leases.stable(laptop.doc.version()));
        if day % 20 == 0 {
            let (all, forgotten) = (laptop.doc.version().total(), laptop.doc.forgotten().total());
            println!("day {day}: {forgotten} of {all} events are forgotten");
        }
    }

    // The tablet is refused, and learns why. It begins anew with the laptop's document, under a new id.
    assert_eq!(laptop.leases.merge(&tablet.leases), Err(NotLeased::Out(ids[2])));
    tablet.leases.merge(&laptop.leases)?;
    assert!(tablet.leases.is_out(ids[2]) && laptop.leases.is_settled(laptop.doc.version()));
    let new = ReplicaId::from_u128(4);
    let leases = laptop.leases.invite(new)?;
    let mut copy = Doc::new(new);
    copy.apply(&laptop.doc.delta_since(copy.version()))?;
    let rescue = tablet.doc.rescue(copy);
    rescue.edits().iter().for_each(|edit| println!("to be made anew: {edit}"));
    let (doc, left) = rescue.apply(61 * DAY, |_| true);
    assert!(left.is_empty());

    let tablet = Device { doc, leases };
    laptop.hear(&tablet)?;
    phone.hear(&laptop)?;
    println!("{}", phone.doc.value());
    assert_eq!(phone.doc.value(), tablet.doc.value());
    Ok(())
}
