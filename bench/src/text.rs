//! Text: what every peer must be able to do, and the rows that are measured.

mod automerge;
mod cola;
mod diamond;
mod loro;
mod ours;
mod ropes;
mod yrs;

use anyhow::bail;

use crate::alloc::counted;
use crate::measure::{limited, ms, report, report_limited, sampled, timed};
use crate::rows::{Peer, Rank};
use crate::session;
use crate::workload::{Kind, Patch, Txn, Workload};

/// Something that holds text and edits it.
trait Editor {
    /// An empty one that writes as `agent`.
    fn new(agent: usize) -> Self;
    /// One transaction of local edits.
    fn edit(&mut self, patches: &[Patch]);
    /// Finishes what local edits left open.
    fn commit(&mut self) {}
    /// The whole text.
    fn text(&self) -> String;
}

/// A text that replicates.
trait TextPeer: Editor + Sized {
    /// One transaction of local edits, as the message for the others.
    fn edit_message(&mut self, patches: &[Patch]) -> Vec<u8>;
    /// Takes a message.
    fn apply(&mut self, message: &[u8]);
    /// Takes several messages that came together.
    fn apply_all(&mut self, messages: &[&Vec<u8>]) {
        messages.iter().for_each(|message| self.apply(message));
    }
    /// What `other` lacks, as one message; `None` where there is no such thing.
    fn difference(&mut self, other: &mut Self) -> Option<Vec<u8>>;
    /// The whole history in forms that [`apply_blob`](Self::apply_blob) takes.
    fn blobs(&mut self) -> Vec<(&'static str, Vec<u8>)>;
    /// Takes one of [`blobs`](Self::blobs), or a `difference`.
    fn apply_blob(&mut self, _format: &'static str, blob: &[u8]) {
        self.apply(blob);
    }
    /// The forms it is stored in; the first is the one that branches start from.
    fn saves(&mut self) -> Vec<Saved>;
    /// Reads one of [`saves`](Self::saves), to read and to write as `agent`.
    fn load(format: &'static str, bytes: &[u8], agent: usize) -> Self;
}

/// A stored text.
struct Saved {
    format: &'static str,
    /// Whether everything ever written can be told from it.
    history: bool,
    bytes: Vec<u8>,
}

fn full(format: &'static str, bytes: Vec<u8>) -> Saved {
    Saved { format, history: true, bytes }
}

fn trimmed(format: &'static str, bytes: Vec<u8>) -> Saved {
    Saved { format, history: false, bytes }
}

type Measure = fn(&Workload, bool) -> anyhow::Result<()>;

/// Everyone who is measured, and how.
pub(crate) const PEERS: [(Peer, Measure); 9] = [
    (Peer { name: "crdt (ours)", rank: Rank::Ours }, measure::<ours::Ours>),
    (Peer { name: "diamond-types", rank: Rank::Rival }, measure::<diamond::Diamond>),
    (Peer { name: "loro", rank: Rank::Rival }, measure::<loro::Loro>),
    (Peer { name: "yrs", rank: Rank::Rival }, measure::<yrs::Yrs<true>>),
    (Peer { name: "yrs-gc", rank: Rank::Forgets }, measure::<yrs::Yrs<false>>),
    (Peer { name: "automerge", rank: Rank::Rival }, measure::<automerge::Automerge>),
    (Peer { name: "cola + rope", rank: Rank::Limit }, measure::<cola::Cola>),
    (Peer { name: "jumprope", rank: Rank::Limit }, measure_rope::<ropes::Jump>),
    (Peer { name: "ropey", rank: Rank::Limit }, measure_rope::<ropes::Ropey>),
];

/// A rope without replication: local editing only.
fn measure_rope<P: Editor>(work: &Workload, first_pass: bool) -> anyhow::Result<()> {
    if work.kind == Kind::Sequential {
        local::<P>(work, first_pass)?;
    }
    Ok(())
}

/// All rows of one peer on one workload, once. What is exact is measured in the first pass only.
fn measure<P: TextPeer>(work: &Workload, first_pass: bool) -> anyhow::Result<()> {
    let mut whole = match work.kind {
        Kind::Sequential => {
            local::<P>(work, first_pass)?;
            sequential::<P>(work)?
        }
        Kind::Session => session::<P>(work)?,
        Kind::Branches { base } => branches::<P>(work, base)?,
    };
    at_rest(&mut whole, first_pass)
}

fn check(what: &str, found: &str, expected: &str) -> anyhow::Result<()> {
    if found == expected {
        return Ok(());
    }
    let differ = found.bytes().zip(expected.bytes()).position(|(a, b)| a != b);
    let at = differ.unwrap_or(found.len().min(expected.len()));
    bail!("{what}: {} characters for {}, different from character {at} on", found.len(), expected.len())
}

fn agent_id(agent: usize) -> u64 {
    crate::random::id(agent)
}

fn replay<P: Editor>(txns: &[Txn]) -> P {
    let mut doc = P::new(0);
    txns.iter().for_each(|txn| doc.edit(&txn.patches));
    doc.commit();
    doc
}

fn local<P: Editor>(work: &Workload, first_pass: bool) -> anyhow::Result<()> {
    let (doc, took) = timed(|| replay::<P>(&work.txns));
    check("after local edits", &doc.text(), work.end.as_deref().unwrap_or_default())?;
    report("local", "", ms(took));
    drop(doc);
    if first_pass {
        let (_doc, live, allocations) = counted(|| replay::<P>(&work.txns));
        report("memory-edited", "", live);
        report("allocations-edited", "", allocations);
    }
    Ok(())
}

const LAST: usize = 1_000;

/// One author writes, another takes messages.
fn sequential<P: TextPeer>(work: &Workload) -> anyhow::Result<P> {
    let mut author = P::new(0);
    let make = || work.txns.iter().map(|txn| author.edit_message(&txn.patches)).collect::<Vec<_>>();
    let (messages, took) = timed(make);
    report("messages", "", ms(took));
    check("after edits as messages", &author.text(), work.end.as_deref().unwrap_or_default())?;
    take_messages::<P>(&messages, &author.text())?;
    Ok(author)
}

/// A replica that has nothing takes all messages in order; another has all but the last thousand.
fn take_messages<P: TextPeer>(messages: &[Vec<u8>], expected: &str) -> anyhow::Result<()> {
    let bytes: usize = messages.iter().map(Vec::len).sum();
    report("message-bytes", "", bytes as f64 / messages.len() as f64);
    let mut other = P::new(1_000_001);
    let mut done = limited(messages, |message| other.apply(message));
    let (text, read) = timed(|| other.text());
    done.took += read;
    report_limited("apply", done);
    if done.count == done.of {
        check("after all messages", &text, expected)?;
    }
    drop(other);

    let split = messages.len().saturating_sub(LAST);
    let (Some(before), Some(last)) = (messages.get(..split), messages.get(split..)) else { return Ok(()) };
    if !before.is_empty() {
        let mut other = P::new(1_000_002);
        other.apply_all(&before.iter().collect::<Vec<_>>());
        let done = limited(last, |message| other.apply(message));
        report_limited("apply-last-1000", done);
        if done.count == done.of {
            check("after the last messages", &other.text(), expected)?;
        }
    }
    Ok(())
}

/// A recorded session of several authors, each with a replica of its own, as it was.
fn session<P: TextPeer>(work: &Workload) -> anyhow::Result<P> {
    let steps = session::plan(&work.txns, work.agents())?;
    let mut replicas: Vec<P> = (0..work.agents()).map(P::new).collect();
    let mut messages: Vec<Vec<u8>> = Vec::with_capacity(work.txns.len());
    let ((), took) = timed(|| {
        steps.iter().for_each(|step| {
            let replica = &mut replicas[step.agent];
            if !step.deliver.is_empty() {
                replica.apply_all(&step.deliver.iter().map(|i| &messages[*i]).collect::<Vec<_>>());
            }
            messages.extend(step.txn.map(|i| replica.edit_message(&work.txns[i].patches)));
        })
    });
    report("session", "", ms(took));
    let mut replicas = replicas.into_iter();
    let Some(whole) = replicas.next() else { bail!("a session of nobody") };
    let text = whole.text();
    for other in replicas {
        check("replicas after the session", &other.text(), &text)?;
    }
    if let Some(end) = &work.end {
        check("the end of the session", &text, end)?;
    }
    take_messages::<P>(&messages, &text)?;
    Ok(whole)
}

/// Branches after a common base, merged.
fn branches<P: TextPeer>(work: &Workload, base: usize) -> anyhow::Result<P> {
    let mut zero: P = replay(&work.txns[..base]);
    let saved = zero.saves().swap_remove(0);
    let (mut one, first) = branch::<P>(work, base, &saved, 1);
    let (mut two, second) = branch::<P>(work, base, &saved, 2);
    let mut written = vec![second, first];
    written.extend((3..work.agents()).map(|agent| branch::<P>(work, base, &saved, agent).1));

    let done = limited(&interleave(&written), |message| zero.apply(message));
    report_limited("apply", done);
    if done.count < done.of {
        zero = P::load(saved.format, &saved.bytes, 2_000_000);
        zero.apply_all(&written.iter().flatten().collect::<Vec<_>>());
    }
    let text = zero.text();

    if let Some(blob) = zero.difference(&mut one) {
        let ((), took) = timed(|| one.apply_blob("difference", &blob));
        report("merge-branch", "", ms(took));
        check("branches merged by one message", &one.text(), &text)?;
    }
    let others = interleave(&written[1..]);
    let few = &others[..others.len().min(LAST)];
    report_limited("merge-1000-messages", limited(few, |message| two.apply(message)));
    Ok(zero)
}

/// A replica that knows the base and writes one branch.
fn branch<P: TextPeer>(work: &Workload, base: usize, saved: &Saved, agent: usize) -> (P, Vec<Vec<u8>>) {
    let mut replica = P::load(saved.format, &saved.bytes, agent);
    let own = work.txns[base..].iter().filter(|txn| txn.agent == agent);
    let messages = own.map(|txn| replica.edit_message(&txn.patches)).collect();
    (replica, messages)
}

/// The first of each, then the second of each, and so on.
fn interleave(queues: &[Vec<Vec<u8>>]) -> Vec<&Vec<u8>> {
    let longest = queues.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|i| queues.iter().filter_map(move |queue| queue.get(i))).collect()
}

/// What the finished text costs: applied from one blob, loaded, stored, in memory.
fn at_rest<P: TextPeer>(whole: &mut P, first_pass: bool) -> anyhow::Result<()> {
    let text = whole.text();
    for (format, blob) in whole.blobs() {
        let apply = || {
            let mut other = P::new(1_000_003);
            other.apply_blob(format, &blob);
            other.text()
        };
        check(format, &apply(), &text)?;
        report("blob", format, ms(sampled(apply)));
    }
    for Saved { format, history, bytes } in whole.saves() {
        let load = || P::load(format, &bytes, 1_000_004);
        check(format, &load().text(), &text)?;
        let suffix = if history { "" } else { "-trimmed" };
        report(&format!("load{suffix}"), format, ms(sampled(|| load().text())));
        if first_pass {
            report(&format!("size{suffix}"), format, bytes.len() as f64);
            let (_doc, live, _) = counted(|| {
                let doc = load();
                drop(doc.text());
                doc
            });
            report(&format!("memory-loaded{suffix}"), format, live);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn agree(work: &Workload) {
        for (peer, measure) in PEERS {
            measure(work, true).unwrap_or_else(|error| panic!("{}: {error:#}", peer.name));
        }
    }

    fn insertion(agent: usize, pos: usize, text: &str, parents: Vec<usize>) -> Txn {
        Txn { patches: vec![(pos, 0, text.to_owned())], agent, parents }
    }

    #[test]
    fn every_peer_ends_in_the_text_of_a_sequential_history() {
        let mut random = Random::new(1);
        let (mut text, mut txns) = (String::new(), Vec::new());
        for _ in 0..1_200 {
            let pos = random.below(text.len() + 1);
            let deleted = random.below(3).min(text.len() - pos);
            let inserted = random.letters(3);
            text.replace_range(pos..pos + deleted, &inserted);
            txns.push(Txn { patches: vec![(pos, deleted, inserted)], agent: 0, parents: vec![] });
        }
        agree(&Workload { kind: Kind::Sequential, txns, end: Some(text) });
    }

    #[test]
    fn every_peer_agrees_with_itself_after_a_session() {
        let mut random = Random::new(2);
        let mut txns = Vec::new();
        let (mut own, mut last) = ([0_usize, 0], [None, None]);
        for i in 0..200 {
            let agent = random.below(2);
            let mut parents: Vec<usize> = Vec::from_iter(last[agent]);
            if random.below(8) == 0 {
                parents = last.iter().flatten().copied().collect();
                own[agent] = i; // has seen all that was written
            }
            txns.push(insertion(agent, random.below(own[agent] + 1), "x", parents));
            (own[agent], last[agent]) = (own[agent] + 1, Some(i));
        }
        agree(&Workload { kind: Kind::Session, txns, end: None });
    }

    #[test]
    fn every_peer_merges_branches() {
        let mut txns = vec![insertion(0, 0, "one two three", vec![])];
        for agent in 1..=3 {
            txns.extend((0..30).map(|i| insertion(agent, 3 + i * (agent % 2), "abc", vec![])));
            txns.push(Txn { patches: vec![(5, 4, String::new())], agent, parents: vec![] });
        }
        agree(&Workload { kind: Kind::Branches { base: 1 }, txns, end: None });
    }
}
