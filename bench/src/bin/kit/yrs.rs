//! yrs 0.28: a document with a map, an array and a text.

use crdt::testkit::{Codec, Deltas, Kit, Model, Pick, Subject};
use yrs::types::ToJson as _;
use yrs::updates::decoder::Decode;
use yrs::{
    Array as _, ClientID, Doc, GetString as _, Map as _, Options, ReadTxn, StateVector, Text as _, Transact,
    Update,
};

struct Document {
    me: u8,
    doc: Doc,
}

impl Clone for Document {
    fn clone(&self) -> Self {
        Self::load(self.me, &self.to_bytes()).expect("its own bytes")
    }
}

impl Document {
    fn load(me: u8, bytes: &[u8]) -> Result<Self, String> {
        let fresh = Self::new(me);
        let update = Update::decode_v1(bytes).map_err(|error| error.to_string())?;
        fresh.doc.transact_mut().apply_update(update).map_err(|error| error.to_string())?;
        Ok(fresh)
    }
}

impl Model for Document {
    type Command = [u8; 4];
    type View = String;

    fn new(me: u8) -> Self {
        let doc = Doc::with_options(Options::with_client_id(ClientID::new(u64::from(me) + 1)));
        doc.get_or_insert_map("map");
        doc.get_or_insert_array("list");
        doc.get_or_insert_text("text");
        Document { me, doc }
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 4] {
        [(); 4].map(|()| pick.byte())
    }

    fn edit(&mut self, _now: u64, [kind, place, _other, value]: &[u8; 4]) {
        let map = self.doc.get_or_insert_map("map");
        let list = self.doc.get_or_insert_array("list");
        let text = self.doc.get_or_insert_text("text");
        let mut txn = self.doc.transact_mut();
        let key = ["a", "b", "c"][usize::from(place % 3)];
        let (items, letters) = (list.len(&txn), text.len(&txn));
        let at = |len: u32| u32::from(*place) % len.max(1);
        match kind % 6 {
            1 => drop(map.remove(&mut txn, key)),
            2 => drop(list.insert(&mut txn, at(items + 1), i64::from(*value))),
            3 if items > 0 => list.remove(&mut txn, at(items)),
            4 => text.insert(&mut txn, at(letters + 1), "x"),
            5 if letters > 0 => text.remove_range(&mut txn, at(letters), 1),
            _ => drop(map.insert(&mut txn, key, i64::from(*value))),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.apply_delta(&other.to_bytes());
    }

    fn view(&self) -> String {
        let map = self.doc.get_or_insert_map("map");
        let list = self.doc.get_or_insert_array("list");
        let text = self.doc.get_or_insert_text("text");
        let txn = self.doc.transact();
        let entries: std::collections::BTreeMap<String, String> =
            map.iter(&txn).map(|(key, value)| (key.to_string(), value.to_string(&txn))).collect();
        format!("{entries:?} {} {:?}", list.to_json(&txn), text.get_string(&txn))
    }
}

impl Deltas for Document {
    type Version = StateVector;
    type Delta = Vec<u8>;

    fn version(&self) -> StateVector {
        self.doc.transact().state_vector()
    }

    fn delta_since(&self, since: &StateVector) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(since)
    }

    fn apply_delta(&mut self, delta: &Vec<u8>) {
        let update = Update::decode_v1(delta).expect("an update");
        self.doc.transact_mut().apply_update(update).expect("an update that fits");
    }
}

impl Codec for Document {
    const CANONICAL: bool = false;

    fn to_bytes(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Self::load(me, bytes)
    }
}

pub(crate) fn all() -> Vec<Subject> {
    vec![
        Subject::new("yrs", "yrs 0.28: map, array, text", Kit::<Document>::new().deltas()),
        Subject::new("yrs-bytes", "the same, with damaged updates", Kit::<Document>::new().deltas().codec()),
    ]
}
