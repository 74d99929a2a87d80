//! All connected graphs of a few nodes, each once whatever its nodes are called.

/// A graph of nodes 0, 1, …
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) name: &'static str,
    pub(crate) nodes: usize,
    pub(crate) edges: &'static [(usize, usize)],
}

/// Those of two to `most` nodes; at most four.
pub(crate) fn graphs(most: usize) -> impl Iterator<Item = Graph> {
    const ALL: [(&str, usize, &[(usize, usize)]); 9] = [
        ("pair", 2, &[(0, 1)]),
        ("line of 3", 3, &[(0, 1), (1, 2)]),
        ("triangle", 3, &[(0, 1), (1, 2), (0, 2)]),
        ("line of 4", 4, &[(0, 1), (1, 2), (2, 3)]),
        ("star of 4", 4, &[(0, 1), (0, 2), (0, 3)]),
        ("ring of 4", 4, &[(0, 1), (1, 2), (2, 3), (0, 3)]),
        ("paw", 4, &[(0, 1), (1, 2), (0, 2), (2, 3)]),
        ("diamond", 4, &[(0, 1), (1, 2), (2, 3), (0, 3), (0, 2)]),
        ("mesh of 4", 4, &[(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]),
    ];
    let graphs = ALL.into_iter().map(|(name, nodes, edges)| Graph { name, nodes, edges });
    graphs.filter(move |graph| graph.nodes <= most)
}
