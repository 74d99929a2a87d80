//! automerge 0.12: the entries of the root map; a counter in it.

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ROOT, ReadDoc, ScalarValue};

use super::Replica;
use super::counter::CounterPeer;
use super::map::MapPeer;
use crate::random::id;

pub(super) struct Map(AutoCommit);
pub(super) struct Counter(AutoCommit);

fn actor(agent: usize) -> ActorId {
    ActorId::from([id(agent).to_be_bytes(), id(agent + (1 << 32)).to_be_bytes()].concat())
}

macro_rules! replicates {
    ($type:ident) => {
        impl Replica for $type {
            fn new(agent: usize) -> Self {
                $type(AutoCommit::new().with_actor(actor(agent)))
            }

            fn merge(&mut self, other: &mut Self) {
                self.0.merge(&mut other.0).expect("a document that fits");
            }

            fn difference(&mut self, other: &mut Self) -> Vec<u8> {
                let known = other.0.get_heads();
                self.0.save_after(&known)
            }

            fn apply(&mut self, bytes: &[u8]) {
                self.0.load_incremental(bytes).expect("changes");
            }

            fn save(&mut self) -> Vec<u8> {
                self.0.save()
            }

            fn load(bytes: &[u8], agent: usize) -> Self {
                $type(AutoCommit::load(bytes).expect("a document").with_actor(actor(agent)))
            }
        }
    };
}

replicates!(Map);
replicates!(Counter);

impl MapPeer for Map {
    fn put(&mut self, key: &str, value: u64) {
        self.0.put(ROOT, key, value).expect("a key");
        self.0.commit();
    }

    fn put_all(&mut self, entries: &[(String, u64)]) {
        entries.iter().for_each(|(key, value)| self.0.put(ROOT, key, *value).expect("a key"));
        self.0.commit();
    }

    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8> {
        self.put(key, value);
        self.0.get_last_local_change().map(|change| change.raw_bytes().to_vec()).unwrap_or_default()
    }

    fn get(&self, key: &str) -> Option<u64> {
        self.0.get(ROOT, key).ok()??.0.as_u64()
    }

    fn len(&self) -> usize {
        self.0.length(ROOT)
    }
}

impl CounterPeer for Counter {
    fn add(&mut self, n: i64) {
        if self.0.get(ROOT, "n").expect("a document").is_none() {
            self.0.put(ROOT, "n", ScalarValue::counter(0)).expect("a counter");
        }
        self.0.increment(ROOT, "n", n).expect("a counter");
        self.0.commit();
    }

    fn value(&self) -> i64 {
        let value = self.0.get(ROOT, "n").expect("a document");
        value.and_then(|(value, _)| value.as_i64()).unwrap_or_default()
    }
}
