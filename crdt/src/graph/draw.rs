//! Pictures of an event graph: [`EventGraph::to_dot`] for Graphviz, [`EventGraph::to_mermaid`] for Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::EventGraph;
use crate::id::{Dot, ReplicaId, Span};

impl EventGraph {
    /// The graph in the language of Graphviz: a node for each run of events in which nothing was received and
    /// on whose inside nothing builds, an arrow from what was seen to who had seen it. `O(events that name
    /// others · log)`.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.text("note").insert(0, "hello"));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// bob.transact(0, |tx| tx.text("note").insert(5, "!"));
    /// assert!(bob.graph().to_dot().contains("\"1…5\""));
    /// assert!(bob.graph().to_mermaid().starts_with("graph LR\n"));
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    pub fn to_dot(&self) -> String {
        let mut out = String::from("digraph events {\n  rankdir=LR; node [shape=box, style=rounded];\n");
        let segments = self.segments();
        for (replica, runs) in by_replica(&segments) {
            let _ = writeln!(out, "  subgraph \"cluster_{replica}\" {{ label=\"{}\";", replica.short());
            for run in runs {
                let _ = writeln!(out, "    \"{}\" [label=\"{}\"];", name(&run), label(&run));
            }
            out.push_str("  }\n");
        }
        for (from, to) in self.arrows(&segments) {
            let _ = writeln!(out, "  \"{}\" -> \"{}\";", name(&from), name(&to));
        }
        out.push_str("}\n");
        out
    }

    /// The same in the language of Mermaid, which many Markdown viewers draw.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("graph LR\n");
        let segments = self.segments();
        for (replica, runs) in by_replica(&segments) {
            let _ = writeln!(out, "  subgraph {}", replica.short());
            for run in runs {
                let _ = writeln!(out, "    {}[\"{}\"]", name(&run), label(&run));
            }
            out.push_str("  end\n");
        }
        for (from, to) in self.arrows(&segments) {
            let _ = writeln!(out, "  {} --> {}", name(&from), name(&to));
        }
        out
    }

    /// The events as runs, cut before those that name others and after those that are named; by first event.
    fn segments(&self) -> BTreeMap<Dot, Span> {
        let mut ends: BTreeSet<Dot> = BTreeSet::new();
        for (event, parents) in self.parents.0.iter() {
            ends.insert(Dot::new(event.replica, event.seq - 1));
            ends.extend(parents.iter().copied());
        }
        let mut segments = BTreeMap::new();
        for (replica, last) in self.version.iter() {
            let cuts = ends.range(Dot::new(replica, 1)..Dot::new(replica, last)).map(|end| end.seq);
            let mut after = 0;
            for to in cuts.chain([last]) {
                segments.insert(Dot::new(replica, after + 1), Span { replica, after, to });
                after = to;
            }
        }
        segments
    }

    fn arrows(&self, segments: &BTreeMap<Dot, Span>) -> Vec<(Span, Span)> {
        let ending_with = |dot: Dot| segments.range(..=dot).next_back().map(|(_, span)| *span);
        let mut arrows = Vec::new();
        for (first, to) in segments {
            let before = (first.seq > 1).then(|| Dot::new(first.replica, first.seq - 1));
            let parents = self.parents(*first).iter().copied().chain(before);
            arrows.extend(parents.filter_map(|dot| Some((ending_with(dot)?, *to))));
        }
        arrows
    }
}

fn by_replica(segments: &BTreeMap<Dot, Span>) -> BTreeMap<ReplicaId, Vec<Span>> {
    let mut all: BTreeMap<ReplicaId, Vec<Span>> = BTreeMap::new();
    segments.values().for_each(|span| all.entry(span.replica).or_default().push(*span));
    all
}

fn name(span: &Span) -> String {
    format!("e{}_{}", span.replica.to_string().replace('-', ""), span.to)
}

fn label(span: &Span) -> String {
    if span.len() == 1 { span.to.to_string() } else { format!("{}…{}", span.after + 1, span.to) }
}
