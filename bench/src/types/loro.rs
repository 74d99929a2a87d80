//! Loro 1.17: documents with one map, counter or tree.

use std::collections::BTreeMap;

use loro::{ExportMode, LoroDoc, LoroValue, TreeID, TreeParentId, ValueOrContainer};

use super::Replica;
use super::counter::CounterPeer;
use super::map::MapPeer;
use super::tree::TreePeer;
use crate::random::id;

pub(super) struct Map(LoroDoc);
pub(super) struct Counter(LoroDoc);

/// A tree and its nodes, in the order in which they were made.
pub(super) struct Tree(LoroDoc, Vec<TreeID>);

trait Document: Sized {
    fn from_doc(doc: LoroDoc) -> Self;
    fn doc(&self) -> &LoroDoc;
}

impl Document for Map {
    fn from_doc(doc: LoroDoc) -> Self {
        Map(doc)
    }

    fn doc(&self) -> &LoroDoc {
        &self.0
    }
}

impl Document for Counter {
    fn from_doc(doc: LoroDoc) -> Self {
        Counter(doc)
    }

    fn doc(&self) -> &LoroDoc {
        &self.0
    }
}

impl Document for Tree {
    fn from_doc(doc: LoroDoc) -> Self {
        let mut nodes = doc.get_tree("t").nodes();
        nodes.sort_unstable_by_key(|node| node.counter);
        Tree(doc, nodes)
    }

    fn doc(&self) -> &LoroDoc {
        &self.0
    }
}

impl<T: Document> Replica for T {
    fn new(agent: usize) -> Self {
        let doc = LoroDoc::new();
        doc.set_peer_id(id(agent)).expect("an id");
        Self::from_doc(doc)
    }

    fn merge(&mut self, other: &mut Self) {
        let bytes = other.difference(self);
        self.apply(&bytes);
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        other.doc().commit();
        self.doc().export(ExportMode::updates(&other.doc().oplog_vv())).expect("updates")
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.doc().import(bytes).expect("updates");
    }

    fn save(&mut self) -> Vec<u8> {
        self.doc().export(ExportMode::Snapshot).expect("a snapshot")
    }

    fn load(bytes: &[u8], agent: usize) -> Self {
        let doc = LoroDoc::new();
        doc.set_peer_id(id(agent)).expect("an id");
        doc.import(bytes).expect("a snapshot");
        Self::from_doc(doc)
    }
}

impl MapPeer for Map {
    fn put(&mut self, key: &str, value: u64) {
        self.0.get_map("m").insert(key, value as i64).expect("a key");
        self.0.commit();
    }

    fn put_all(&mut self, entries: &[(String, u64)]) {
        let map = self.0.get_map("m");
        entries.iter().for_each(|(key, value)| map.insert(key, *value as i64).expect("a key"));
        self.0.commit();
    }

    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8> {
        let before = self.0.oplog_vv();
        self.put(key, value);
        self.0.export(ExportMode::updates(&before)).expect("updates")
    }

    fn get(&self, key: &str) -> Option<u64> {
        match self.0.get_map("m").get(key)? {
            ValueOrContainer::Value(LoroValue::I64(value)) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        self.0.get_map("m").len()
    }
}

impl CounterPeer for Counter {
    fn add(&mut self, n: i64) {
        self.0.get_counter("n").increment(n as f64).expect("a counter");
        self.0.commit();
    }

    fn value(&self) -> i64 {
        self.0.get_counter("n").get_value() as i64
    }
}

impl TreePeer for Tree {
    fn grow(&mut self, parents: &[usize]) {
        let tree = self.0.get_tree("t");
        for (i, parent) in parents.iter().enumerate() {
            let parent = if *parent == i { TreeParentId::Root } else { TreeParentId::Node(self.1[*parent]) };
            self.1.push(tree.create(parent).expect("a parent"));
        }
        self.0.commit();
    }

    fn move_to(&mut self, node: usize, parent: usize) {
        // An error is a cycle that would be closed, or a node under itself.
        let _ = self.0.get_tree("t").mov(self.1[node], self.1[parent]);
        self.0.commit();
    }

    fn parents(&self) -> Vec<usize> {
        let tree = self.0.get_tree("t");
        let index: BTreeMap<TreeID, usize> = self.1.iter().copied().zip(0..).collect();
        let parent = |(i, node): (usize, &TreeID)| match tree.parent(*node) {
            Some(TreeParentId::Node(parent)) => index.get(&parent).copied().unwrap_or(i),
            _ => i,
        };
        self.1.iter().enumerate().map(parent).collect()
    }
}
