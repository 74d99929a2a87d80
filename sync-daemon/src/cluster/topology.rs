//! Which nodes have a link, and where each is drawn.

use std::str::FromStr;

use anyhow::{bail, ensure};

/// The shape of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    Pair,
    Line,
    Ring,
    Star,
    Tree,
    Mesh,
    Random(usize),
}

impl FromStr for Topology {
    type Err = anyhow::Error;

    fn from_str(s: &str) -> anyhow::Result<Self> {
        Ok(match s {
            "pair" => Topology::Pair,
            "line" => Topology::Line,
            "ring" => Topology::Ring,
            "star" => Topology::Star,
            "tree" => Topology::Tree,
            "mesh" => Topology::Mesh,
            other => match other.strip_prefix("random:").map(str::parse) {
                Some(Ok(degree)) if degree > 0 => Topology::Random(degree),
                _ => bail!("{other:?} is none of pair, line, ring, star, tree, mesh, random:K"),
            },
        })
    }
}

impl std::fmt::Display for Topology {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Topology::Random(degree) => write!(f, "random:{degree}"),
            other => write!(f, "{}", format!("{other:?}").to_lowercase()),
        }
    }
}

impl Topology {
    /// The links between `n` nodes; connected, each link once.
    pub(crate) fn edges(self, n: usize, rng: &mut fastrand::Rng) -> anyhow::Result<Vec<(usize, usize)>> {
        ensure!((2..=64).contains(&n), "there are 2 to 64 nodes");
        ensure!(self != Topology::Pair || n == 2, "a pair has 2 nodes");
        Ok(match self {
            Topology::Pair | Topology::Line => (1..n).map(|i| (i - 1, i)).collect(),
            Topology::Ring if n == 2 => vec![(0, 1)],
            Topology::Ring => (0..n).map(|i| (i, (i + 1) % n)).collect(),
            Topology::Star => (1..n).map(|i| (i, 0)).collect(),
            Topology::Tree => (1..n).map(|i| (i, (i - 1) / 2)).collect(),
            Topology::Mesh => (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect(),
            Topology::Random(degree) => random(n, degree, rng),
        })
    }

    /// Where each node is drawn, in the unit square.
    pub(crate) fn places(self, n: usize) -> Vec<(f64, f64)> {
        let circle = |i: usize, n: usize| {
            let angle = std::f64::consts::TAU * i as f64 / n as f64 - std::f64::consts::FRAC_PI_2;
            (0.5 + 0.5 * angle.cos(), 0.5 + 0.5 * angle.sin())
        };
        match self {
            Topology::Pair | Topology::Line => {
                (0..n).map(|i| (i as f64 / (n - 1).max(1) as f64, 0.5)).collect()
            }
            Topology::Star => {
                (0..n).map(|i| if i == 0 { (0.5, 0.5) } else { circle(i - 1, n - 1) }).collect()
            }
            Topology::Tree => {
                let level = |i: usize| (i + 1).ilog2();
                let depth = level(n - 1).max(1);
                let place = |i: usize| {
                    let first = (1usize << level(i)) - 1;
                    let x = ((i - first) as f64 + 0.5) / (1usize << level(i)) as f64;
                    (x, f64::from(level(i)) / f64::from(depth))
                };
                (0..n).map(place).collect()
            }
            Topology::Ring | Topology::Mesh | Topology::Random(_) => (0..n).map(|i| circle(i, n)).collect(),
        }
    }
}

/// A random tree, and random links until the mean degree is reached.
fn random(n: usize, degree: usize, rng: &mut fastrand::Rng) -> Vec<(usize, usize)> {
    let mut edges: Vec<(usize, usize)> = (1..n).map(|i| (rng.usize(..i), i)).collect();
    let wanted = (n * degree / 2).clamp(edges.len(), n * (n - 1) / 2);
    while edges.len() < wanted {
        let (a, b) = (rng.usize(..n), rng.usize(..n));
        if a < b && !edges.contains(&(a, b)) {
            edges.push((a, b));
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topology_is_connected() {
        for name in ["line", "ring", "star", "tree", "mesh", "random:3"] {
            for n in 2..20 {
                let topology: Topology = name.parse().unwrap();
                let edges = topology.edges(n, &mut fastrand::Rng::with_seed(n as u64)).unwrap();
                let mut group: Vec<usize> = (0..n).collect();
                for _ in 0..n {
                    for (a, b) in &edges {
                        let least = group[*a].min(group[*b]);
                        (group[*a], group[*b]) = (least, least);
                    }
                }
                assert!(group.iter().all(|g| *g == 0), "{name} of {n}: {edges:?}");
                assert_eq!(topology.places(n).len(), n);
                assert_eq!(topology.to_string(), name);
            }
        }
        assert!("blob".parse::<Topology>().is_err());
        assert!("random:0".parse::<Topology>().is_err());
    }
}
