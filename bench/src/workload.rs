//! What is written: recorded traces, and histories made up to hurt.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::random::Random;

/// Position, how many characters are deleted there, and what is inserted there.
pub(crate) type Patch = (usize, usize, String);

/// Edits made at once.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Txn {
    pub(crate) patches: Vec<Patch>,
    #[serde(default)]
    pub(crate) agent: usize,
    /// The transactions that its author had seen last.
    #[serde(default)]
    pub(crate) parents: Vec<usize>,
}

/// How the transactions belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One author, one after the other.
    Sequential,
    /// Several authors; each transaction says what its author had seen.
    Session,
    /// Agent 0 writes the first `base` transactions; then agents 1, 2, … each write having seen just those.
    Branches { base: usize },
}

/// A history to replay. All of it is ASCII, so that characters, bytes and UTF-16 units count alike.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) kind: Kind,
    pub(crate) txns: Vec<Txn>,
    /// The text in the end, where it is known.
    pub(crate) end: Option<String>,
}

impl Workload {
    pub(crate) fn agents(&self) -> usize {
        self.txns.iter().map(|txn| txn.agent).max().unwrap_or(0) + 1
    }

    /// Reads a trace, plain or gzip. Its characters that are not ASCII become `?`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Workload> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut json = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut json).context("not gzip")?;
        } else {
            json = String::from_utf8(bytes)?;
        }
        let file: TraceFile = serde_json::from_str(&json)
            .with_context(|| format!("{} is not an editing trace", path.display()))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("trace");
        let mut txns = file.txns;
        if !file.start_content.is_empty() {
            // Only sequential traces start with something: then it is what was written first.
            txns.insert(0, Txn { patches: vec![(0, 0, file.start_content)], agent: 0, parents: vec![] });
        }
        for (_, _, inserted) in txns.iter_mut().flat_map(|txn| &mut txn.patches) {
            *inserted = ascii(inserted);
        }
        let kind = if txns.iter().any(|txn| txn.agent > 0) { Kind::Session } else { Kind::Sequential };
        ensure!(
            txns.iter().enumerate().all(|(i, txn)| txn.parents.iter().all(|parent| *parent < i)),
            "{name}: a transaction has seen a later one"
        );
        Ok(Workload { kind, txns, end: Some(ascii(&file.end_content)) })
    }
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceFile {
    #[serde(default)]
    start_content: String,
    end_content: String,
    txns: Vec<Txn>,
}

type Make = fn() -> Workload;

/// The histories that are made up, by name.
pub(crate) const GENERATED: [(&str, Make); 7] = [
    ("random-edits", random_edits),
    ("backwards", backwards),
    ("pastes-1mb", pastes),
    ("branches-typing-40k", || branches(typist)),
    ("branches-random-40k", || branches(dabbler)),
    ("crowd-1000", crowd),
    ("same-place-8", same_place),
];

fn sequential(txns: Vec<Txn>) -> Workload {
    let mut text = Vec::new();
    for (pos, deleted, inserted) in txns.iter().flat_map(|txn| &txn.patches) {
        text.splice(*pos..pos + deleted, inserted.bytes());
    }
    let end = String::from_utf8(text).ok();
    Workload { kind: Kind::Sequential, txns, end }
}

fn txn(agent: usize, pos: usize, deleted: usize, inserted: String) -> Txn {
    Txn { patches: vec![(pos, deleted, inserted)], agent, parents: vec![] }
}

/// 50,000 single-character edits, each at a random place of a text of 100,000 characters.
fn random_edits() -> Workload {
    let mut random = Random::new(1);
    let mut txns = vec![txn(0, 0, 0, random.letters(100_000))];
    dabbler(&mut random, 0, 100_000, 50_000, &mut txns);
    sequential(txns)
}

/// 50,000 characters, each typed before the one typed last.
fn backwards() -> Workload {
    let mut random = Random::new(2);
    sequential((0..50_000).map(|_| txn(0, 0, 0, random.letter().into())).collect())
}

/// Eight times: 1 MB pasted at a random place, a sentence typed, 100 kB deleted.
fn pastes() -> Workload {
    let mut random = Random::new(3);
    let (mut txns, mut len) = (Vec::new(), 0);
    for _ in 0..8 {
        txns.push(txn(0, random.below(len + 1), 0, random.letters(1 << 20)));
        len += 1 << 20;
        let place = random.below(len);
        txns.extend((0..100).map(|i| txn(0, place + i, 0, random.letter().into())));
        len = len + 100 - 100_000;
        txns.push(txn(0, random.below(len), 100_000, String::new()));
    }
    sequential(txns)
}

/// A text of about `len` characters as people write: typed in runs here and there, with corrections.
fn prose(random: &mut Random, len: usize) -> (Vec<Txn>, usize) {
    let (mut txns, mut now) = (Vec::new(), 0);
    while now < len {
        let back = random.below(now.min(2_000) + 1);
        let place = now - back;
        let run = 10 + random.below(60);
        txns.extend((0..run).map(|i| txn(0, place + i, 0, random.letter().into())));
        let wrong = random.below(8);
        txns.extend((1..=wrong).map(|i| txn(0, place + run - i, 1, String::new())));
        now += run - wrong;
    }
    (txns, now)
}

type Writer = fn(&mut Random, usize, usize, usize, &mut Vec<Txn>);

/// `edits` characters typed in one place.
fn typist(random: &mut Random, agent: usize, len: usize, edits: usize, txns: &mut Vec<Txn>) {
    let place = random.below(len);
    txns.extend((0..edits).map(|i| txn(agent, place + i, 0, random.letter().into())));
}

/// `edits` single-character edits, each at a random place: two insertions to one deletion.
fn dabbler(random: &mut Random, agent: usize, mut len: usize, edits: usize, txns: &mut Vec<Txn>) {
    for _ in 0..edits {
        if len > 0 && random.below(3) == 0 {
            txns.push(txn(agent, random.below(len), 1, String::new()));
            len -= 1;
        } else {
            txns.push(txn(agent, random.below(len + 1), 0, random.letter().into()));
            len += 1;
        }
    }
}

/// Two branches of 40,000 single-character edits each after a text of 50,000 characters.
fn branches(write: Writer) -> Workload {
    let mut random = Random::new(4);
    let (mut txns, len) = prose(&mut random, 50_000);
    let base = txns.len();
    (1..=2).for_each(|agent| write(&mut random, agent, len, 40_000, &mut txns));
    Workload { kind: Kind::Branches { base }, txns, end: None }
}

/// 1,000 replicas that each type 20 characters somewhere, none having seen another.
fn crowd() -> Workload {
    let mut random = Random::new(5);
    let (mut txns, len) = prose(&mut random, 5_000);
    let base = txns.len();
    (1..=1_000).for_each(|agent| typist(&mut random, agent, len, 20, &mut txns));
    Workload { kind: Kind::Branches { base }, txns, end: None }
}

/// Eight replicas that each type 1,000 characters at the same place, every other one backwards.
fn same_place() -> Workload {
    let mut random = Random::new(6);
    let (mut txns, len) = prose(&mut random, 1_000);
    let (base, place) = (txns.len(), len / 2);
    for agent in 1..=8 {
        let forwards = agent % 2;
        txns.extend((0..1_000).map(|i| txn(agent, place + i * forwards, 0, random.letter().into())));
    }
    Workload { kind: Kind::Branches { base }, txns, end: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_histories_are_the_same_every_time() {
        for (_, make) in GENERATED {
            let (one, two) = (make(), make());
            assert_eq!(one.end, two.end);
            assert!(one.txns.iter().zip(&two.txns).all(|(a, b)| a.patches == b.patches));
        }
    }
}
