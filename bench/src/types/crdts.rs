//! crdts 7.3: states, with operations made from them. What a stale replica lacks is the whole state.

use crdts::{CmRDT, CvRDT, LWWReg, Map as CrdtMap, Orswot, PNCounter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Replica;
use super::counter::CounterPeer;
use super::map::MapPeer;
use super::set::SetPeer;
use crate::random::id;

/// A state and who writes to it.
pub(super) struct State<T> {
    state: T,
    agent: u64,
    /// The stamp of the last write to a register.
    stamp: u64,
}

pub(super) type Set = State<Orswot<u64, u64>>;
pub(super) type Counter = State<PNCounter<u64>>;
pub(super) type Map = State<CrdtMap<String, Register, u64>>;

/// A register whose operations are the writes: `LWWReg` as the values of a map.
#[derive(Clone, Default, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Register(LWWReg<u64, (u64, u64)>);

impl CvRDT for Register {
    type Validation = <LWWReg<u64, (u64, u64)> as CvRDT>::Validation;

    fn validate_merge(&self, other: &Self) -> Result<(), Self::Validation> {
        CvRDT::validate_merge(&self.0, &other.0)
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl CmRDT for Register {
    type Op = LWWReg<u64, (u64, u64)>;
    type Validation = <LWWReg<u64, (u64, u64)> as CmRDT>::Validation;

    fn validate_op(&self, op: &Self::Op) -> Result<(), Self::Validation> {
        CmRDT::validate_op(&self.0, op)
    }

    fn apply(&mut self, op: Self::Op) {
        CmRDT::apply(&mut self.0, op);
    }
}

impl crdts::ResetRemove<u64> for Register {
    fn reset_remove(&mut self, _clock: &crdts::VClock<u64>) {}
}

impl<T: CvRDT + Default + Serialize + DeserializeOwned> Replica for State<T> {
    fn new(agent: usize) -> Self {
        State { state: T::default(), agent: id(agent), stamp: 0 }
    }

    fn merge(&mut self, other: &mut Self) {
        self.state.merge(std::mem::take(&mut other.state));
    }

    fn difference(&mut self, _other: &mut Self) -> Vec<u8> {
        self.save()
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.state.merge(postcard::from_bytes(bytes).expect("a state"));
    }

    fn save(&mut self) -> Vec<u8> {
        postcard::to_stdvec(&self.state).expect("plain data")
    }

    fn load(bytes: &[u8], agent: usize) -> Self {
        State { state: postcard::from_bytes(bytes).expect("a state"), agent: id(agent), stamp: 1 << 40 }
    }
}

impl SetPeer for Set {
    fn add(&mut self, member: u64) {
        let op = self.state.add(member, self.state.read_ctx().derive_add_ctx(self.agent));
        self.state.apply(op);
    }

    fn remove(&mut self, member: u64) {
        let op = self.state.rm(member, self.state.contains(&member).derive_rm_ctx());
        self.state.apply(op);
    }

    fn len(&self) -> usize {
        self.state.iter().count()
    }
}

impl CounterPeer for Counter {
    fn add(&mut self, n: i64) {
        self.state.apply(self.state.inc_many(self.agent, n.unsigned_abs()));
    }

    fn value(&self) -> i64 {
        self.state.read().try_into().expect("a small number")
    }
}

impl Map {
    fn write(&mut self, key: &str, value: u64) -> <CrdtMap<String, Register, u64> as CmRDT>::Op {
        self.stamp += 1;
        let register = LWWReg { val: value, marker: (self.stamp, self.agent) };
        let context = self.state.read_ctx().derive_add_ctx(self.agent);
        let op = self.state.update(key, context, |_, _| register);
        self.state.apply(op.clone());
        op
    }
}

impl MapPeer for Map {
    fn put(&mut self, key: &str, value: u64) {
        self.write(key, value);
    }

    fn put_all(&mut self, entries: &[(String, u64)]) {
        entries.iter().for_each(|(key, value)| self.put(key, *value));
    }

    fn put_delta(&mut self, key: &str, value: u64) -> Vec<u8> {
        postcard::to_stdvec(&self.write(key, value)).expect("plain data")
    }

    fn get(&self, key: &str) -> Option<u64> {
        self.state.get(&key.to_owned()).val.map(|register| register.0.val)
    }

    fn len(&self) -> usize {
        self.state.len().val
    }
}
