//! Plain collections without replication: the limit. They merge by taking over what the other has.

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use super::map::MapPeer;
use super::set::SetPeer;

#[derive(Default)]
pub(super) struct Set(BTreeSet<u64>);

impl Replica for Set {
    fn new(_agent: usize) -> Self {
        Self::default()
    }

    fn merge(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        let lacks: BTreeSet<&u64> = self.0.difference(&other.0).collect();
        postcard::to_stdvec(&lacks).expect("plain data")
    }

    fn apply(&mut self, bytes: &[u8]) {
        let new: Vec<u64> = postcard::from_bytes(bytes).expect("members");
        self.0.extend(new);
    }

    fn save(&mut self) -> Vec<u8> {
        postcard::to_stdvec(&self.0).expect("plain data")
    }

    fn load(bytes: &[u8], _agent: usize) -> Self {
        Set(postcard::from_bytes(bytes).expect("a set"))
    }
}

impl SetPeer for Set {
    fn add(&mut self, member: u64) {
        self.0.insert(member);
    }

    fn remove(&mut self, member: u64) {
        self.0.remove(&member);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

#[derive(Default)]
pub(super) struct Map(BTreeMap<String, u64>);

impl Replica for Map {
    fn new(_agent: usize) -> Self {
        Self::default()
    }

    fn merge(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        let lacks: BTreeMap<_, _> =
            self.0.iter().filter(|(key, value)| other.0.get(*key) != Some(*value)).collect();
        postcard::to_stdvec(&lacks).expect("plain data")
    }

    fn apply(&mut self, bytes: &[u8]) {
        let mut new: BTreeMap<String, u64> = postcard::from_bytes(bytes).expect("entries");
        self.0.append(&mut new);
    }

    fn save(&mut self) -> Vec<u8> {
        postcard::to_stdvec(&self.0).expect("plain data")
    }

    fn load(bytes: &[u8], _agent: usize) -> Self {
        Map(postcard::from_bytes(bytes).expect("a map"))
    }
}

impl MapPeer for Map {
    fn put(&mut self, key: &str, value: u64) {
        self.0.insert(key.to_owned(), value);
    }

    fn put_all(&mut self, entries: &[(String, u64)]) {
        entries.iter().for_each(|(key, value)| self.put(key, *value));
    }

    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8> {
        self.put(key, value);
        postcard::to_stdvec(&(key, value)).expect("plain data")
    }

    fn get(&self, key: &str) -> Option<u64> {
        self.0.get(key).copied()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
