//! The order in which the replicas of a recorded session write and hear of each other.

use std::collections::BTreeSet;

use anyhow::ensure;

use crate::workload::Txn;

/// What one author does next: takes messages, then writes.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) agent: usize,
    /// The transactions whose messages come first.
    pub(crate) deliver: Vec<usize>,
    /// What is written then; nothing at the end, when all hear of all.
    pub(crate) txn: Option<usize>,
}

/// Each author, before it writes, takes exactly what the trace says it had seen.
pub(crate) fn plan(txns: &[Txn], agents: usize) -> anyhow::Result<Vec<Step>> {
    let mut seen = vec![vec![false; txns.len()]; agents];
    let mut steps = Vec::with_capacity(txns.len() + agents);
    for (i, txn) in txns.iter().enumerate() {
        let seen = &mut seen[txn.agent];
        let deliver = unseen(txns, seen, &txn.parents);
        deliver.iter().for_each(|j| seen[*j] = true);
        ensure!(deliver.iter().all(|j| txns[*j].agent != txn.agent), "an author that forgot what it wrote");
        seen[i] = true;
        steps.push(Step { agent: txn.agent, deliver, txn: Some(i) });
    }
    for (agent, seen) in seen.iter().enumerate() {
        let deliver = (0..txns.len()).filter(|i| !seen[*i]).collect();
        steps.push(Step { agent, deliver, txn: None });
    }
    Ok(steps)
}

/// Everything before and among `parents` that has not been seen, oldest first.
fn unseen(txns: &[Txn], seen: &[bool], parents: &[usize]) -> Vec<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = parents.to_vec();
    while let Some(i) = open.pop() {
        if !seen[i] && found.insert(i) {
            open.extend(&txns[i].parents);
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_hears_of_what_it_had_seen_and_no_more() {
        let txn = |agent, parents: &[usize]| Txn { patches: vec![], agent, parents: parents.to_vec() };
        let txns = [txn(0, &[]), txn(1, &[]), txn(0, &[0]), txn(1, &[1, 0]), txn(0, &[2, 3])];
        let steps = plan(&txns, 2).unwrap();
        let heard: Vec<&[usize]> = steps.iter().map(|step| step.deliver.as_slice()).collect();
        assert_eq!(heard, [&[][..], &[], &[], &[0], &[1, 3], &[], &[2, 4]]);
    }
}
