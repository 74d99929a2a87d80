//! What an edit costs on many graphs, with every node writing, beside what others need there.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::bars::{self, Group};
use crate::{Row, csv, ratio, write_files};
use crdt::testkit::sim::{Plan, Topology, run};

/// A graph, and what others cost on one like it: content messages over the least possible, and stretch.
struct Graph {
    topology: Topology,
    nodes: usize,
    plumtree: Option<(&'static str, f64)>,
}

/// The figures of Plumtree are those of the state machine of iroh-gossip 0.101, run with 2,000 edits at 20 a
/// second on links of 5 to 60 ms, every node writing; the second number of a range has its timers at 1 s.
const GRAPHS: [Graph; 10] = [
    Graph { topology: Topology::Line, nodes: 16, plumtree: None },
    Graph { topology: Topology::Ring, nodes: 16, plumtree: Some(("1.10, 1.6", 1.10)) },
    Graph { topology: Topology::Star, nodes: 16, plumtree: None },
    Graph { topology: Topology::Tree, nodes: 31, plumtree: None },
    Graph { topology: Topology::Mesh, nodes: 16, plumtree: Some(("1.00, 1.57", 1.00)) },
    Graph { topology: Topology::Grid, nodes: 64, plumtree: Some(("1.67, 2.3", 1.67)) },
    Graph { topology: Topology::Random, nodes: 64, plumtree: None },
    Graph { topology: Topology::Regular4, nodes: 64, plumtree: Some(("1.79, 2.9", 1.79)) },
    Graph { topology: Topology::Regular6, nodes: 128, plumtree: Some(("2.23, 3.2", 2.23)) },
    Graph { topology: Topology::ScaleFree, nodes: 128, plumtree: None },
];

/// Graphs of ten thousand nodes. Where paths are long the links are short, so that an edit arrives within a minute.
const LARGE: [(Topology, (u64, u64)); 5] = [
    (Topology::Random, (1, 30)),
    (Topology::ScaleFree, (1, 30)),
    (Topology::Tree, (1, 30)),
    (Topology::Ring, (0, 3)),
    (Topology::Line, (0, 3)),
];

/// Runs all and writes the tables and the plot into a folder.
pub(crate) fn table(folder: &str) -> ExitCode {
    let mut rows = Vec::new();
    for graph in &GRAPHS {
        let plan = Plan {
            topology: graph.topology,
            nodes: graph.nodes,
            writers: graph.nodes,
            edits: 2_000,
            every_ms: 50,
            churn_s: 60,
            latency_ms: (5, 60),
            ..Plan::default()
        };
        if let Err(code) = add(&mut rows, plan) {
            return code;
        }
    }
    let busy = Plan {
        topology: Topology::Mesh,
        writers: 20,
        edits: 20_000,
        every_ms: 1,
        at_once: 4,
        processors: 2,
        service_us: 200,
        ..Plan::default()
    };
    if let Err(code) = add(&mut rows, Plan { churn_s: 0, ..busy }) {
        return code;
    }
    for (topology, latency_ms) in LARGE {
        let plan =
            Plan { topology, nodes: 10_000, latency_ms, every_ms: 6_000, churn_s: 0, ..Plan::default() };
        if let Err(code) = add(&mut rows, plan) {
            return code;
        }
    }
    let (graphs, rest) = rows.split_at(GRAPHS.len());
    let (busy, large) = rest.split_at(1);
    let text = markdown(graphs, busy, large);
    println!("{text}");
    write_files([
        (format!("{folder}/gossip.md"), text),
        (format!("{folder}/gossip.csv"), csv(&rows)),
        (format!("{folder}/gossip.svg"), plot(graphs)),
    ])
}

fn add(rows: &mut Vec<Row>, plan: Plan) -> Result<(), ExitCode> {
    eprintln!("{} of {}", plan.topology.name(), plan.nodes);
    match run(&plan, |_| ()) {
        Ok(report) => {
            rows.push(Row { plan, report });
            Ok(())
        }
        Err(broken) => {
            eprintln!("BROKEN {} of {}: {broken}", plan.topology.name(), plan.nodes);
            Err(ExitCode::FAILURE)
        }
    }
}

/// Content messages over the least possible when everything goes over every link but the one it came by.
fn flood(row: &Row) -> f64 {
    let least = (row.plan.nodes - 1) as f64;
    (2.0 * row.report.links as f64 - least) / least
}

fn markdown(graphs: &[Row], busy: &[Row], large: &[Row]) -> String {
    let mut out = String::from(
        "# Gossip\n\nBy `cargo run --release -p crdt-kit --bin crdt-sim -- gossip`: nodes of this crate in virtual\n\
         time. Content frames for each edit over the least possible, N - 1; stretch is the mean time of arrival over that of\n\
         the shortest path. Control: other frames for each edit. In no row was anything undelivered.\n\n\
         ## Every node writes, 20 edits a second, links of 5 to 60 ms\n\n\
         Churn: every second a link fails, for three seconds; copies is how often each event came to a node, 1 when none came\n\
         twice. Then a tenth of the nodes is killed. Plumtree: the state machine of iroh-gossip 0.101 on graphs of the same kind,\n\
         run elsewhere.\n\n\
         | graph | links | flood | Plumtree: frames, stretch | frames | stretch | control | bytes | churn: copies | stretch | p99 ms | killed: frames | stretch |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (row, graph) in graphs.iter().zip(&GRAPHS) {
        let Row { plan, report } = row;
        let (quiet, churn, killed) = (&report.quiet, &report.churn, &report.killed);
        let _ = writeln!(
            out,
            "| {} {} | {} | {:.2} | {} | {:.3} | {:.3} | {:.1} | {:.0} | {:.3} | {:.2} | {:.0} | {:.3} | {:.3} |",
            plan.topology.name(),
            plan.nodes,
            report.links,
            flood(row),
            graph.plumtree.map_or("", |(text, _)| text),
            ratio(quiet),
            quiet.stretch,
            quiet.control_per_edit,
            quiet.bytes_per_edit,
            churn.copies,
            churn.stretch,
            churn.p99_ms,
            ratio(killed),
            killed.stretch,
        );
    }
    out.push_str(
        "\n## More than the machine can do: 20 nodes, all linked, on two processors, 4,000 edits a second\n\n\
         | graph | frames | copies | mean ms | p99 ms |\n|---|---|---|---|---|\n",
    );
    for Row { plan, report } in busy {
        let quiet = &report.quiet;
        let _ = writeln!(
            out,
            "| {} {} | {:.3} | {:.3} | {:.0} | {:.0} |",
            plan.topology.name(),
            plan.nodes,
            ratio(quiet),
            quiet.copies,
            quiet.mean_ms,
            quiet.p99_ms
        );
    }
    out.push_str(
        "\n## Ten thousand nodes, ten of them write; then a tenth is killed\n\n\
         | graph | links | frames | hops | mean ms | p99 ms | stretch | killed: frames | hops | p99 ms | all agree after faults, ms |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in large {
        let Row { plan, report } = row;
        let (quiet, killed) = (&report.quiet, &report.killed);
        let _ = writeln!(
            out,
            "| {} | {} | {:.4} | {:.1} | {:.0} | {:.0} | {:.3} | {:.4} | {:.1} | {:.0} | {} |",
            plan.topology.name(),
            report.links,
            ratio(quiet),
            quiet.hops,
            quiet.mean_ms,
            quiet.p99_ms,
            quiet.stretch,
            ratio(killed),
            killed.hops,
            killed.p99_ms,
            report.settled_ms,
        );
    }
    out
}

fn plot(rows: &[Row]) -> String {
    let groups = rows.iter().zip(&GRAPHS).map(|(row, graph)| Group {
        names: [row.plan.topology.name().to_owned(), row.plan.nodes.to_string()],
        bars: vec![
            Some(ratio(&row.report.quiet)),
            Some(row.report.churn.copies),
            Some(ratio(&row.report.killed)),
            Some(flood(row)),
            graph.plumtree.map(|(_, frames)| frames),
        ],
    });
    bars::svg(
        "content frames per edit / (N - 1), every node writing",
        &["quiet", "a link fails every second", "a tenth killed", "flood", "Plumtree (iroh)"],
        &groups.collect::<Vec<_>>(),
    )
}
