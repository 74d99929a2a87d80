//! This library: single values as `Replica`, documents as `Doc`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crdt::codec::{Decode, Encode};
use crdt::counter::PnCounter;
use crdt::doc::{Scalar, Value};
use crdt::dots::DotStore;
use crdt::map::OrMap;
use crdt::register::LwwRegister;
use crdt::replica::{Change, Replica as Kept};
use crdt::set::AwSet;
use crdt::traits::StateCrdt;
use crdt::tree::{NodeId, Position, Tree as Nodes};
use crdt::{Delta, Doc, ReplicaId, Replicated};

use super::Replica;
use super::counter::CounterPeer;
use super::map::MapPeer;
use super::set::SetPeer;
use super::tree::TreePeer;
use crate::random::id;

fn replica(agent: usize) -> ReplicaId {
    ReplicaId::from_u128(u128::from(id(agent)) << 64 | u128::from(id(agent + (1 << 32))))
}

/// The time of an edit, in milliseconds: that of a real clock, a millisecond later each time, the same in every run.
fn now() -> u64 {
    static EDITS: AtomicU64 = AtomicU64::new(0);
    1_790_000_000_000 + EDITS.fetch_add(1, Relaxed)
}

/// A replica of one value.
pub(super) struct One<T>(Kept<T>);

pub(super) type Set = One<AwSet<u64>>;
pub(super) type Map = One<OrMap<String, LwwRegister<u64>>>;
pub(super) type Counter = One<PnCounter>;

impl<T: DotStore + Encode + Decode> Replica for One<T> {
    fn new(agent: usize) -> Self {
        One(Kept::new(replica(agent)))
    }

    fn merge(&mut self, other: &mut Self) {
        StateCrdt::merge(&mut self.0, &other.0);
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        self.0.delta_since(other.0.seen().version()).to_bytes()
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.0.apply(&Change::from_bytes(bytes).expect("a change"));
    }

    fn save(&mut self) -> Vec<u8> {
        self.0.save()
    }

    fn load(bytes: &[u8], agent: usize) -> Self {
        One(Kept::open(bytes, replica(agent)).expect("a saved replica"))
    }
}

impl SetPeer for Set {
    fn add(&mut self, member: u64) {
        self.0.update(now(), |set, cx| set.insert(member, cx));
    }

    fn remove(&mut self, member: u64) {
        self.0.update(now(), |set, cx| set.remove(&member, cx));
    }

    fn len(&self) -> usize {
        self.0.value().len()
    }
}

impl CounterPeer for Counter {
    fn add(&mut self, n: i64) {
        self.0.update(now(), |counter, cx| counter.add(n, cx));
    }

    fn value(&self) -> i64 {
        self.0.value().value()
    }
}

impl MapPeer for Map {
    fn put(&mut self, key: &str, value: u64) {
        self.0
            .update(now(), |map, cx| map.update(key.to_owned(), cx, |register, cx| register.set(value, cx)));
    }

    fn put_all(&mut self, entries: &[(String, u64)]) {
        self.0.update(now(), |map, cx| {
            for (key, value) in entries {
                map.update(key.clone(), cx, |register, cx| register.set(*value, cx));
            }
        });
    }

    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8> {
        let put = |map: &mut OrMap<String, LwwRegister<u64>>, cx: &mut crdt::dots::Cx| {
            map.update(key.to_owned(), cx, |register, cx| register.set(value, cx));
        };
        self.0.edit(now(), put).to_bytes()
    }

    fn get(&self, key: &str) -> Option<u64> {
        self.0.value().get(key)?.get().copied()
    }

    fn len(&self) -> usize {
        self.0.value().len()
    }
}

/// A document with one map.
pub(super) struct Document(Doc);

const ROOT: &str = "m";

fn scalar(value: u64) -> Scalar {
    Scalar::from(value as i64)
}

impl Replica for Document {
    fn new(agent: usize) -> Self {
        Document(Doc::new(replica(agent)))
    }

    fn merge(&mut self, other: &mut Self) {
        self.0.apply(&other.0.delta_since(self.0.version())).expect("a delta that fits");
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        self.0.delta_since(other.0.version()).to_bytes()
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.0.apply(&Delta::from_bytes(bytes).expect("a delta")).expect("a delta that fits");
    }

    fn save(&mut self) -> Vec<u8> {
        self.0.save()
    }

    fn load(bytes: &[u8], agent: usize) -> Self {
        Document(Doc::load(bytes, replica(agent)).expect("a document"))
    }
}

impl MapPeer for Document {
    fn put(&mut self, key: &str, value: u64) {
        self.0.transact(now(), |tx| tx.map(ROOT).put(key, scalar(value)));
    }

    fn put_all(&mut self, entries: &[(String, u64)]) {
        self.0.transact(now(), |tx| {
            let mut map = tx.map(ROOT);
            entries.iter().for_each(|(key, value)| map.put(key, scalar(*value)));
        });
    }

    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8> {
        let before = self.0.version().clone();
        self.put(key, value);
        self.0.delta_since(&before).to_bytes()
    }

    fn get(&self, key: &str) -> Option<u64> {
        match self.0.get(&format!("/{ROOT}/{key}"))? {
            Value::Scalar(Scalar::Int(value)) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self.0.get(&format!("/{ROOT}")) {
            Some(Value::Map(map)) => map.len(),
            _ => 0,
        }
    }
}

/// A document with one tree, and its nodes in the order in which they were made.
pub(super) struct Outline(Document, Vec<NodeId>);

const TREE: &str = "t";

impl Replica for Outline {
    fn new(agent: usize) -> Self {
        Outline(Document::new(agent), Vec::new())
    }

    fn merge(&mut self, other: &mut Self) {
        self.0.merge(&mut other.0);
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        self.0.difference(&mut other.0)
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.0.apply(bytes);
    }

    fn save(&mut self) -> Vec<u8> {
        self.0.save()
    }

    fn load(bytes: &[u8], agent: usize) -> Self {
        let document = Document::load(bytes, agent);
        let tree = document.0.tree(TREE).expect("a tree");
        let mut nodes: Vec<NodeId> = tree.walk().map(|(_, node)| node).collect();
        nodes.sort_unstable_by_key(|node| node.seq);
        Outline(document, nodes)
    }
}

impl TreePeer for Outline {
    fn grow(&mut self, parents: &[usize]) {
        self.0.0.transact(now(), |tx| {
            let mut tree = tx.tree(TREE);
            for (i, parent) in parents.iter().enumerate() {
                let parent = (*parent != i).then(|| self.1[*parent]);
                self.1.push(tree.create(parent, Position::Last));
            }
        });
    }

    fn move_to(&mut self, node: usize, parent: usize) {
        let (node, parent) = (self.1[node], self.1[parent]);
        self.0.0.transact(now(), |tx| tx.tree(TREE).move_to(node, Some(parent), Position::Last));
    }

    fn parents(&self) -> Vec<usize> {
        let index: BTreeMap<NodeId, usize> = self.1.iter().copied().zip(0..).collect();
        let tree = self.0.0.tree(TREE).expect("a tree");
        let parent = |node: &NodeId| tree.parent(*node).and_then(|parent| index.get(&parent));
        self.1.iter().enumerate().map(|(i, node)| parent(node).copied().unwrap_or(i)).collect()
    }
}

/// A tree and its nodes, in the order in which they were made.
pub(super) struct Tree(One<Nodes<LwwRegister<u64>>>, Vec<NodeId>);

impl Tree {
    fn of(tree: One<Nodes<LwwRegister<u64>>>) -> Self {
        let mut nodes: Vec<NodeId> = tree.0.value().walk().map(|(_, node)| node).collect();
        nodes.sort_unstable_by_key(|node| node.seq);
        Tree(tree, nodes)
    }
}

impl Replica for Tree {
    fn new(agent: usize) -> Self {
        Tree(One::new(agent), Vec::new())
    }

    fn merge(&mut self, other: &mut Self) {
        self.0.merge(&mut other.0);
    }

    fn difference(&mut self, other: &mut Self) -> Vec<u8> {
        self.0.difference(&mut other.0)
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.0.apply(bytes);
    }

    fn save(&mut self) -> Vec<u8> {
        self.0.save()
    }

    fn load(bytes: &[u8], agent: usize) -> Self {
        Self::of(One::load(bytes, agent))
    }
}

impl TreePeer for Tree {
    fn grow(&mut self, parents: &[usize]) {
        self.0.0.update(now(), |tree, cx| {
            for (i, parent) in parents.iter().enumerate() {
                let parent = (*parent != i).then(|| self.1[*parent]);
                self.1.push(tree.create(parent, Position::Last, cx));
            }
        });
    }

    fn move_to(&mut self, node: usize, parent: usize) {
        let (node, parent) = (self.1[node], self.1[parent]);
        self.0.0.update(now(), |tree, cx| tree.move_to(node, Some(parent), Position::Last, cx));
    }

    fn parents(&self) -> Vec<usize> {
        let index: BTreeMap<NodeId, usize> = self.1.iter().copied().zip(0..).collect();
        let parent = |node: &NodeId| self.0.0.value().parent(*node).and_then(|parent| index.get(&parent));
        self.1.iter().enumerate().map(|(i, node)| parent(node).copied().unwrap_or(i)).collect()
    }
}
