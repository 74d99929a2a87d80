//! Graphs to put nodes on, and shortest paths in them.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::str::FromStr;

use super::Rng;

/// How the nodes of a simulated network are linked.
///
/// ```
/// use crdt::testkit::sim::Topology;
/// assert_eq!(Topology::Ring.edges(5, 0).len(), 5);
/// assert_eq!("scale-free".parse::<Topology>().unwrap(), Topology::ScaleFree);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topology {
    /// Each to the next.
    Line,
    /// A line whose ends are linked.
    Ring,
    /// All to the first.
    Star,
    /// A binary tree.
    Tree,
    /// All to all.
    Mesh,
    /// A square, or nearly, each node linked to those beside, above and below it.
    Grid,
    /// A ring with as many random links again: about four links for each node.
    Random,
    /// Random, four links for each node: two rings, each in an order of its own.
    Regular4,
    /// Random, six links for each node.
    Regular6,
    /// Preferential attachment with two links for each newcomer (Barabási and Albert 1999).
    ScaleFree,
}

/// A name that is no topology.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadTopology;

messages! { BadTopology {
    BadTopology => "a topology is one of line, ring, star, tree, mesh, grid, random, regular-4, regular-6, scale-free",
} }

impl Topology {
    /// All of them.
    pub const ALL: [Topology; 10] = [
        Self::Line,
        Self::Ring,
        Self::Star,
        Self::Tree,
        Self::Mesh,
        Self::Grid,
        Self::Random,
        Self::Regular4,
        Self::Regular6,
        Self::ScaleFree,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Ring => "ring",
            Self::Star => "star",
            Self::Tree => "tree",
            Self::Mesh => "mesh",
            Self::Grid => "grid",
            Self::Random => "random",
            Self::Regular4 => "regular-4",
            Self::Regular6 => "regular-6",
            Self::ScaleFree => "scale-free",
        }
    }

    /// The links of `n` nodes; connected, no link twice, the same for the same seed.
    pub fn edges(self, n: usize, seed: u64) -> Vec<(usize, usize)> {
        let mut rng = Rng::new(seed);
        let ring = (1..n).map(|i| (i - 1, i)).chain((n > 2).then_some((0, n - 1)));
        match self {
            Self::Line => (1..n).map(|i| (i - 1, i)).collect(),
            Self::Ring => ring.collect(),
            Self::Star => (1..n).map(|i| (0, i)).collect(),
            Self::Tree => (1..n).map(|i| ((i - 1) / 2, i)).collect(),
            Self::Mesh => (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect(),
            Self::Random => {
                let mut edges: BTreeSet<_> = ring.collect();
                for _ in 0..n {
                    let (a, b) = (rng.below(n), rng.below(n));
                    if a != b {
                        edges.insert((a.min(b), a.max(b)));
                    }
                }
                edges.into_iter().collect()
            }
            Self::Grid => grid(n),
            Self::Regular4 => rings(n, 2, &mut rng),
            Self::Regular6 => rings(n, 3, &mut rng),
            Self::ScaleFree => scale_free(n, &mut rng),
        }
    }
}

/// As many columns as rows, or one more row that may be short.
fn grid(n: usize) -> Vec<(usize, usize)> {
    let columns = n.isqrt().max(1);
    let beside = (1..n).filter(|i| i % columns > 0).map(|i| (i - 1, i));
    beside.chain((columns..n).map(|i| (i - columns, i))).collect()
}

/// Rings in random order: each gives every node two links, save where two have the same.
fn rings(n: usize, count: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut edges = BTreeSet::new();
    for _ in 0..count {
        let order = rng.sample(n, n);
        for (a, b) in order.iter().zip(order.iter().cycle().skip(1)).filter(|(a, b)| a != b) {
            edges.insert((*a.min(b), *a.max(b)));
        }
    }
    edges.into_iter().collect()
}

/// A link chosen at random leads to a node in proportion to its links: so newcomers choose among the
/// ends of those there are.
fn scale_free(n: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut ends = vec![0];
    let mut edges = Vec::new();
    for new in 1..n {
        let chosen: BTreeSet<usize> =
            (0..2).filter_map(|_| ends.get(rng.below(ends.len())).copied()).collect();
        for old in chosen {
            edges.push((old, new));
            ends.extend([old, new]);
        }
    }
    edges
}

impl FromStr for Topology {
    type Err = BadTopology;

    fn from_str(s: &str) -> Result<Self, BadTopology> {
        Self::ALL.into_iter().find(|t| t.name() == s).ok_or(BadTopology)
    }
}

/// The shortest time from one node to each other, over weighted links; `None` where there is no path.
pub(super) fn distances(links: &[Vec<(usize, u64)>], from: usize) -> Vec<Option<u64>> {
    let mut best = vec![None; links.len()];
    let mut queue = BinaryHeap::from([Reverse((0, from))]);
    while let Some(Reverse((at, node))) = queue.pop() {
        let Some(slot) = best.get_mut(node).filter(|slot| slot.is_none()) else { continue };
        *slot = Some(at);
        for (next, weight) in links.get(node).into_iter().flatten() {
            queue.push(Reverse((at + weight, *next)));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topology_is_connected_and_names_no_link_twice() {
        for topology in Topology::ALL {
            for n in [1, 2, 3, 17, 60] {
                let edges = topology.edges(n, 7);
                let mut links = vec![vec![]; n];
                for (a, b) in &edges {
                    assert_ne!(a, b);
                    links[*a].push((*b, 1));
                    links[*b].push((*a, 1));
                }
                assert!(distances(&links, 0).iter().all(Option::is_some), "{topology:?} {n}");
                assert_eq!(edges.iter().collect::<BTreeSet<_>>().len(), edges.len());
            }
        }
    }
}
