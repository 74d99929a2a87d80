//! [`Typed`]: a text of a document, held against the slow model of its order.

use std::ops::Range;

use crdt::testkit::{Codec, Deltas, Event, FugueMax, FugueOp, History, Model, Pick, Spec};
use crdt::{Delta, Doc, Dot, ReplicaId, VersionVector};

/// A document with one text in it.
#[derive(Clone)]
pub(crate) struct Typed(Doc);

/// What a command does to a text of so many characters: what is deleted, and what is typed in its place.
fn meant([what, pos, len]: [u8; 3], chars: usize) -> (Range<usize>, &'static str) {
    let pos = usize::from(pos) % (chars + 1);
    match what % 8 {
        0..=4 => (pos..pos, ["a", "é", "👋\n", "word"][usize::from(len % 4)]),
        5 => (pos..(pos + 1).min(chars), "x"),
        _ => (pos..(pos + usize::from(len % 5)).min(chars), ""),
    }
}

impl Model for Typed {
    type Command = [u8; 3];
    type View = String;

    fn new(me: u8) -> Self {
        Typed(<Doc as Model>::new(me))
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 3] {
        [(); 3].map(|()| pick.byte())
    }

    fn edit(&mut self, now: u64, command: &[u8; 3]) {
        self.0.transact(now, |tx| {
            let mut text = tx.text("t");
            let (range, typed) = meant(*command, text.len());
            text.replace(range, typed);
        });
    }

    fn merge(&mut self, other: &Self) {
        Model::merge(&mut self.0, &other.0);
    }

    fn view(&self) -> String {
        self.0.text("t").map(ToString::to_string).unwrap_or_default()
    }

    fn reborn(&mut self, me: u8) {
        Model::reborn(&mut self.0, me);
    }
}

impl Deltas for Typed {
    type Version = VersionVector;
    type Delta = Delta;

    fn version(&self) -> VersionVector {
        Deltas::version(&self.0)
    }

    fn delta_since(&self, since: &VersionVector) -> Delta {
        Deltas::delta_since(&self.0, since)
    }

    fn apply_delta(&mut self, delta: &Delta) {
        Deltas::apply_delta(&mut self.0, delta);
    }
}

impl Codec for Typed {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.save()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        <Doc as Codec>::from_bytes(me, bytes).map(Typed)
    }
}

impl Spec for Typed {
    /// Every edit is done again by FugueMax in the text that its author saw.
    fn spec(history: &History<'_, [u8; 3]>) -> String {
        let mut all: Vec<(&Event<[u8; 3]>, Dot, FugueOp)> = Vec::new();
        for event in history.events() {
            let mut text = FugueMax::new();
            for (_, dot, op) in all.iter().filter(|(other, ..)| event.saw(other)) {
                text.apply(*dot, op);
            }
            let chars = text.text().chars().count();
            let (range, typed) = meant(event.command, chars);
            // Later events have greater numbers: that is all that is asked of a dot.
            let author = ReplicaId::from_u128(u128::from(event.me) + 1);
            let mut done = |op: Option<FugueOp>, text: &mut FugueMax| {
                let dot = Dot::new(author, all.len() as u64 + 1);
                if let Some(op) = op
                    && text.apply(dot, &op)
                {
                    all.push((event, dot, op));
                }
            };
            range.clone().for_each(|_| done(text.delete(range.start), &mut text));
            for (n, value) in typed.chars().enumerate() {
                done(Some(text.insert(range.start + n, value)), &mut text);
            }
        }
        let mut text = FugueMax::new();
        for (_, dot, op) in &all {
            text.apply(*dot, op);
        }
        text.text()
    }
}
