//! automerge 0.12: a document with a map, a list, a text and a counter.

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, AutoSerde, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use crdt::testkit::{Codec, Deltas, Kit, Model, Pick, Subject};

/// What a user does, by place.
#[derive(Clone, Debug)]
enum Do {
    Put(u8, u8),
    Remove(u8),
    Insert(u8, u8),
    Take(u8),
    Type(u8, u8),
    Erase(u8),
    Add(i8),
}

#[derive(Clone)]
struct Document {
    doc: AutoCommit,
    list: ObjId,
    text: ObjId,
}

impl Document {
    fn of(doc: AutoCommit, me: u8) -> Self {
        let object = |name| doc.get(ROOT, name).expect("a root").expect("made in the beginning").1;
        let (list, text) = (object("list"), object("text"));
        Document { doc: doc.with_actor(ActorId::from([me, 1])), list, text }
    }
}

impl Model for Document {
    type Command = Do;
    type View = String;

    fn new(me: u8) -> Self {
        // The change that makes the objects is the same everywhere.
        let mut doc = AutoCommit::new().with_actor(ActorId::from([0]));
        doc.put_object(ROOT, "list", ObjType::List).expect("a list");
        doc.put_object(ROOT, "text", ObjType::Text).expect("a text");
        doc.put(ROOT, "count", ScalarValue::counter(0)).expect("a counter");
        doc.commit_with(automerge::transaction::CommitOptions::default().with_time(0));
        Self::of(doc, me)
    }

    fn command(&self, pick: &mut Pick<'_>) -> Do {
        let (kind, place, value) = (pick.below(7), pick.byte(), pick.byte());
        let (items, letters) = (self.doc.length(&self.list), self.doc.length(&self.text));
        let at = |len: usize| (usize::from(place) % len.max(1)) as u8;
        match kind {
            1 => Do::Remove(place % 3),
            2 => Do::Insert(at(items + 1), value),
            3 if items > 0 => Do::Take(at(items)),
            4 => Do::Type(at(letters + 1), value),
            5 if letters > 0 => Do::Erase(at(letters)),
            6 => Do::Add(value as i8),
            _ => Do::Put(place % 3, value),
        }
    }

    fn edit(&mut self, now: u64, command: &Do) {
        let key = |n: &u8| ["a", "b", "c"][usize::from(*n)];
        match command {
            Do::Put(k, value) => self.doc.put(ROOT, key(k), i64::from(*value)),
            Do::Remove(k) => self.doc.delete(ROOT, key(k)),
            Do::Insert(at, value) => self.doc.insert(&self.list, usize::from(*at), i64::from(*value)),
            Do::Take(at) => self.doc.delete(&self.list, usize::from(*at)),
            Do::Type(at, letter) => {
                let letter = char::from(b'a' + letter % 26).to_string();
                self.doc.splice_text(&self.text, usize::from(*at), 0, &letter)
            }
            Do::Erase(at) => self.doc.splice_text(&self.text, usize::from(*at), 1, ""),
            Do::Add(n) => self.doc.increment(ROOT, "count", i64::from(*n)),
        }
        .expect("an edit at a place that is there");
        self.doc.commit_with(automerge::transaction::CommitOptions::default().with_time(now as i64));
    }

    fn merge(&mut self, other: &Self) {
        self.doc.merge(&mut other.doc.clone()).expect("histories of one beginning");
    }

    fn view(&self) -> String {
        serde_json::to_string(&AutoSerde::from(&self.doc)).expect("plain data")
    }
}

impl Deltas for Document {
    type Version = Vec<ChangeHash>;
    type Delta = Vec<u8>;

    fn version(&self) -> Vec<ChangeHash> {
        self.doc.clone().get_heads()
    }

    fn delta_since(&self, since: &Vec<ChangeHash>) -> Vec<u8> {
        self.doc.clone().save_after(since)
    }

    fn apply_delta(&mut self, delta: &Vec<u8>) {
        self.doc.load_incremental(delta).expect("changes");
    }
}

impl Codec for Document {
    const CANONICAL: bool = false;

    fn to_bytes(&self) -> Vec<u8> {
        self.doc.clone().save()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        let doc = AutoCommit::load(bytes).map_err(|error| error.to_string())?;
        if doc.get(ROOT, "text").ok().flatten().is_none() || doc.get(ROOT, "list").ok().flatten().is_none() {
            return Err("another document".into());
        }
        Ok(Self::of(doc, me))
    }
}

pub(crate) fn all() -> Vec<Subject> {
    let plain = Kit::<Document>::new().deltas();
    let bytes = Kit::<Document>::new().deltas().codec();
    vec![
        Subject::new("automerge", "automerge 0.12: map, list, text, counter", plain),
        Subject::new("automerge-bytes", "the same, with damaged files", bytes),
    ]
}
