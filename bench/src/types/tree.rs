//! Moves in a tree, made while others move too.

use anyhow::ensure;

use super::{Replica, at_rest};
use crate::measure::{report, timed, us};
use crate::random::Random;

/// A tree whose nodes can be moved.
pub(super) trait TreePeer: Replica {
    /// A tree of `n` nodes; the parent of node `i` is node `parents[i]`, or the root where that is `i`.
    fn grow(&mut self, parents: &[usize]);
    /// Moves a node under another, or does nothing if that would close a cycle.
    fn move_to(&mut self, node: usize, parent: usize);
    /// For each node its parent; itself for those at the root.
    fn parents(&self) -> Vec<usize>;
}

const MOVES: usize = 16;

/// One move taken in while as many were made here.
pub(super) fn measure<P: TreePeer, const N: usize>(first_pass: bool) -> anyhow::Result<()> {
    let mut random = Random::new(7);
    let parents: Vec<usize> = (0..N).map(|i| if i < 10 { i } else { random.below(i) }).collect();
    let mut full = P::new(1);
    full.grow(&parents);
    at_rest(&mut full, first_pass, P::parents);

    let saved = full.save();
    let (mut a, mut b, mut shadow) = (P::load(&saved, 2), P::load(&saved, 3), P::load(&saved, 4));
    let mut moves = Vec::new();
    for _ in 0..MOVES {
        b.move_to(random.below(N), random.below(N));
        a.move_to(random.below(N), random.below(N));
        moves.push(a.difference(&mut shadow));
        shadow.apply(&moves[moves.len() - 1]);
    }
    let ((), took) = timed(|| moves.iter().for_each(|bytes| b.apply(bytes)));
    report("move", "", us(took) / MOVES as f64);
    report("difference-bytes", "", moves.iter().map(Vec::len).sum::<usize>() as f64 / MOVES as f64);
    let back = b.difference(&mut a);
    a.apply(&back);
    ensure!(a.parents() == b.parents(), "two replicas of the tree differ");
    Ok(())
}
