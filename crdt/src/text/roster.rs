//! The replicas that a text has heard of, by small numbers.

use std::collections::BTreeMap;

use crate::id::{Dot, ReplicaId};

use super::chunk::Id;

/// Numbers for replicas, in the order in which they were first heard of here.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    replicas: Vec<ReplicaId>,
    numbers: BTreeMap<ReplicaId, u32>,
}

impl Roster {
    pub(super) fn get(&self, replica: ReplicaId) -> Option<u32> {
        if let Some(n) = self.replicas.iter().take(4).position(|known| *known == replica) {
            return Some(n as u32);
        }
        if self.replicas.len() <= 4 { None } else { self.numbers.get(&replica).copied() }
    }

    pub(super) fn intern(&mut self, replica: ReplicaId) -> u32 {
        if let Some(n) = self.replicas.iter().take(4).position(|known| *known == replica) {
            return n as u32;
        }
        let next = self.replicas.len() as u32;
        *self.numbers.entry(replica).or_insert_with(|| {
            self.replicas.push(replica);
            next
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, ReplicaId)> + '_ {
        self.replicas.iter().enumerate().map(|(n, replica)| (n as u32, *replica))
    }

    pub(super) fn id(&self, dot: Dot) -> Option<Id> {
        Some(Id::new(self.get(dot.replica)?, dot.seq))
    }

    pub(super) fn dot(&self, id: Id) -> Dot {
        Dot::new(self.replicas.get(id.replica as usize).copied().unwrap_or(ReplicaId::MIN), id.seq)
    }
}
