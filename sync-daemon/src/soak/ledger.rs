//! What was written, what was called durable, and whether it is there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crdt::sync::DocId;
use crdt::{ReplicaId, VersionVector};
use serde_json::Value;

use crate::cluster::Cluster;

/// What one writer wrote into one document, in all its lives.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// The number it last put into its slot: written, and called durable.
    slot: (i64, i64),
    /// What it added to the counter: written, and called durable. It only adds.
    votes: (i64, i64),
}

/// Edits of one life that are not yet called durable: the event each ends with, its slot, its vote.
type Open = BTreeMap<(DocId, ReplicaId), Vec<(u64, i64, i64)>>;

#[derive(Debug, Default)]
struct Ledger {
    accounts: BTreeMap<(DocId, usize), Account>,
    open: Open,
    durable: BTreeMap<DocId, VersionVector>,
    edits: u64,
    durable_edits: u64,
    lives: u64,
}

/// The ledger, as all writers share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn born(&self) {
        self.lock().lives += 1;
    }

    /// An edit that ends with event `to` of `author`.
    pub(super) fn wrote(&self, doc: &DocId, writer: usize, author: ReplicaId, to: u64, slot: i64, vote: i64) {
        let mut ledger = self.lock();
        ledger.edits += 1;
        let account = ledger.accounts.entry((doc.clone(), writer)).or_default();
        account.slot.0 = slot;
        account.votes.0 += vote;
        ledger.open.entry((doc.clone(), author)).or_default().push((to, slot, vote));
    }

    /// Events of `author` up to `to` are on a disk.
    pub(super) fn acked(&self, doc: &DocId, writer: usize, author: ReplicaId, to: u64) {
        let mut ledger = self.lock();
        let Some(open) = ledger.open.get_mut(&(doc.clone(), author)) else { return };
        let done: Vec<_> = open.extract_if(.., |(end, ..)| *end <= to).collect();
        ledger.durable_edits += done.len() as u64;
        let account = ledger.accounts.entry((doc.clone(), writer)).or_default();
        for (_, slot, vote) in &done {
            account.slot.1 = account.slot.1.max(*slot);
            account.votes.1 += vote;
        }
        if let Some((end, ..)) = done.last() {
            ledger.durable.entry(doc.clone()).or_default().advance(author, *end);
        }
    }

    /// Edits, durable edits, and lives of writers.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let ledger = self.lock();
        (ledger.edits, ledger.durable_edits, ledger.lives)
    }

    /// What is missing at any daemon, or is there and nobody wrote it.
    pub(super) async fn check(&self, cluster: &Cluster) -> anyhow::Result<Vec<String>> {
        let accounts = self.lock().accounts.clone();
        let docs: std::collections::BTreeSet<DocId> = accounts.keys().map(|(doc, _)| doc.clone()).collect();
        let owed = |doc: &DocId| accounts.iter().any(|((id, _), account)| id == doc && account.slot.1 > 0);
        let mut wrong = Vec::new();
        for doc in docs {
            let mut first = None;
            for node in 0..cluster.members.len() {
                let name = &cluster.members[node].name;
                let value = match cluster.document(node, doc.as_str()).await {
                    Ok(value) => value,
                    // Whoever wrote it ended before it was anywhere.
                    Err(_) if !owed(&doc) => Value::Null,
                    Err(error) => {
                        wrong.push(format!("{name}: {doc}: {error}"));
                        continue;
                    }
                };
                let mine = accounts.iter().filter(|((id, _), _)| *id == doc);
                wrong.extend(
                    missing(&value, mine.map(|((_, writer), account)| (*writer, account)))
                        .map(|what| format!("{name}: {doc}: {what}")),
                );
                if first.get_or_insert_with(|| value.clone()) != &value {
                    wrong.push(format!("{name}: {doc} is not what n1 has"));
                }
            }
        }
        Ok(wrong)
    }
}

/// What of these accounts is not in a document.
fn missing<'a>(
    value: &'a Value,
    accounts: impl Iterator<Item = (usize, &'a Account)> + 'a,
) -> impl Iterator<Item = String> + 'a {
    let (mut least, mut most) = (0, 0);
    let mut wrong = Vec::new();
    for (writer, account) in accounts {
        let slot = value["slots"][format!("w{writer}")].as_i64().unwrap_or(-1);
        let durable = if account.slot.1 == 0 { -1 } else { account.slot.1 };
        if slot < durable || slot > account.slot.0 {
            wrong.push(format!("slot {writer} is {slot}: {durable} was durable, {} written", account.slot.0));
        }
        least += account.votes.1;
        most += account.votes.0;
    }
    let votes = value["votes"].as_i64().unwrap_or(0);
    if votes < least || votes > most {
        wrong.push(format!("votes are {votes}: {least} were durable, {most} written"));
    }
    wrong.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let ledger = Shared::default();
        let (doc, author): (DocId, _) = ("soak/1".parse().unwrap(), ReplicaId::from_u128(7));
        ledger.wrote(&doc, 0, author, 2, 1, 5);
        ledger.wrote(&doc, 0, author, 4, 2, 5);
        ledger.acked(&doc, 0, author, 3);
        assert_eq!(ledger.counts(), (2, 1, 0));
        let accounts = ledger.lock().accounts.clone();
        let check = |json: &str| {
            let value: Value = serde_json::from_str(json).unwrap();
            missing(&value, accounts.iter().map(|((_, writer), account)| (*writer, account))).count()
        };
        assert_eq!(check(r#"{"slots":{"w0":1},"votes":5}"#), 0);
        assert_eq!(check(r#"{"slots":{"w0":2},"votes":10}"#), 0);
        assert_eq!(check("{}"), 2, "what was durable is gone");
        assert_eq!(check(r#"{"slots":{"w0":3},"votes":11}"#), 2, "what nobody wrote is there");
    }
}
