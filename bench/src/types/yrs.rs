//! yrs 0.28: a document with one map.

use yrs::any::Number;
use yrs::updates::decoder::Decode;
use yrs::{Any, ClientID, Doc, Map as _, MapRef, Options, Out, ReadTxn, StateVector, Transact, Update};

use super::Replica;
use super::map::MapPeer;
use crate::random::id;

pub(super) struct Map {
    doc: Doc,
    map: MapRef,
}

fn any(value: u64) -> Any {
    Any::from(value as i64)
}

impl Replica for Map {
    fn new(agent: usize) -> Self {
        let doc = Doc::with_options(Options::with_client_id(ClientID::new(id(agent) >> 11)));
        let map = doc.get_or_insert_map("m");
        Map { doc, map }
    }

    fn merge(&mut self, other: &mut Self) {
        let bytes = other.difference(self);
        self.apply(&bytes);
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        let known = other.doc.transact().state_vector();
        self.doc.transact().encode_state_as_update_v1(&known)
    }

    fn apply(&mut self, bytes: &[u8]) {
        let update = Update::decode_v1(bytes).expect("an update");
        self.doc.transact_mut().apply_update(update).expect("an update that fits");
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn load(bytes: &[u8], agent: usize) -> Self {
        let mut map = Self::new(agent);
        map.apply(bytes);
        map
    }
}

impl MapPeer for Map {
    fn put(&mut self, key: &str, value: u64) {
        self.map.insert(&mut self.doc.transact_mut(), key, any(value));
    }

    fn put_all(&mut self, entries: &[(String, u64)]) {
        let mut txn = self.doc.transact_mut();
        for (key, value) in entries {
            self.map.insert(&mut txn, key.as_str(), any(*value));
        }
    }

    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        self.map.insert(&mut txn, key, any(value));
        txn.encode_update_v1()
    }

    fn get(&self, key: &str) -> Option<u64> {
        match self.map.get(&self.doc.transact(), key)? {
            Out::Any(Any::Number(Number::Int(value))) => u64::try_from(value).ok(),
            Out::Any(Any::Number(Number::Float(value))) => Some(value as u64),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        self.map.len(&self.doc.transact()) as usize
    }
}
