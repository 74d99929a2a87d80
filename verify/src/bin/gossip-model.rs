//! Every way in which a small network of sync nodes can run: all connected graphs of up to four nodes, edits at any of
//! them, links that break and come back, programs that crash with what was not yet on their disk.
//!
//! The states are those of the real [`Node`](crdt::sync::Node), not of a description of it.

#[path = "../given.rs"]
mod given;
#[path = "../model/graphs.rs"]
mod graphs;
#[path = "../model/network.rs"]
mod network;
#[path = "../../../crdt/tests/sync/toy.rs"]
#[allow(dead_code)] // The tests of the crate use more of it.
mod toy;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crdt::sync::Planted;
use given::given;
use graphs::{Graph, graphs};
use network::{AGREE, Network, RECOVER, SAFE, Scope};
use stateright::{Checker, HasDiscoveries, Model};

const HELP: &str = "\
Explores every state of small networks of sync nodes, on all connected graphs.

Usage: gossip-model [OPTIONS]

  --nodes N       graphs of up to so many nodes, 2 to 4           [4]
  --for TIME      stop exploring a graph after so many seconds    [600]
  --brief         less of everything: for every change
  --planted       only check the checker
  --json          one line of JSON for each graph
  --help          this

What may happen, in any order and at any moment: edits at any node, messages that arrive late, timers, links that break
with what is in flight and come back, programs that are killed and lose what their disk had not synced.
What must hold: no node has an event without those before it, or one that nobody wrote; what a peer was told is safe is
on that disk; when nothing moves any more, all that are connected agree; and from every state (every eighth is tried) a fair schedule leads there
in a bounded number of steps. Repair by comparing everything now and then is switched off, so that nothing hides behind it.

Then the checker is checked: the two mistakes of the protocol's first draft are planted, and it must find both.
Exit code: 0 as it must be, 1 not, 2 wrong usage.
";

struct Options {
    nodes: usize,
    time: Duration,
    brief: bool,
    planted: bool,
    json: bool,
}

fn options() -> Result<Option<Options>, String> {
    let mut options =
        Options { nodes: 4, time: Duration::from_secs(600), brief: false, planted: false, json: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().ok_or_else(|| format!("{arg} wants a number"))?;
            value.parse::<u64>().map_err(|_| format!("{arg} wants a number, not {value}"))
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--brief" => options.brief = true,
            "--planted" => options.planted = true,
            "--json" => options.json = true,
            "--nodes" => options.nodes = usize::try_from(number()?.clamp(2, 4)).unwrap_or(4),
            "--for" => options.time = Duration::from_secs(number()?),
            _ => return Err(format!("{arg} is unknown; see --help")),
        }
    }
    Ok(Some(options))
}

/// What exploring one graph came to.
struct Explored {
    states: usize,
    depth: usize,
    took: Duration,
    whole: bool,
    /// The property that does not hold, and how to get there.
    broken: Option<(&'static str, Vec<String>)>,
}

fn explore(network: Network, most: Duration) -> Explored {
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = network
        .checker()
        .threads(threads)
        .timeout(most)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let broken = [SAFE, AGREE, RECOVER].into_iter().find_map(|name| {
        let path = checker.discovery(name)?;
        Some((name, path.into_actions().iter().map(|action| format!("{action:?}")).collect()))
    });
    let took = started.elapsed();
    Explored {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took,
        whole: broken.is_none() && took < most,
        broken,
    }
}

fn say(graph: &Graph, scope: &Scope, explored: &Explored, json: bool) {
    let Explored { states, depth, took, whole, broken } = explored;
    let outcome = match (broken, whole) {
        (Some((name, _)), _) => name,
        (None, true) => "holds",
        (None, false) => "time is over",
    };
    if json {
        println!(
            "{{\"graph\":\"{}\",\"scope\":\"{scope}\",\"states\":{states},\"depth\":{depth},\"seconds\":{:.1},\
             \"outcome\":\"{outcome}\"}}",
            graph.name,
            took.as_secs_f64()
        );
        return;
    }
    println!(
        "{:10} {:44} {states:>9} states, {depth:>3} deep, {:>6.1} s  {outcome}",
        graph.name,
        scope.to_string(),
        took.as_secs_f64()
    );
    if let Some((_, path)) = broken {
        path.iter().for_each(|action| println!("    {action}"));
    }
}

fn main() -> ExitCode {
    let options = match given(options(), HELP) {
        Ok(options) => options,
        Err(end) => return end,
    };
    let (mut good, mut states, mut whole) = (true, 0, true);
    for graph in graphs(options.nodes).filter(|_| !options.planted) {
        for scope in scopes(graph.nodes, options.brief) {
            let explored = explore(Network::new(graph.clone(), scope, None), options.time);
            say(&graph, &scope, &explored, options.json);
            good &= explored.broken.is_none();
            states += explored.states;
            whole &= explored.whole;
        }
    }
    if !options.json && !options.planted {
        println!("{states} states in all{}", if whole { "" } else { ", some graphs not to the end" });
    }
    for mistake in [Planted::ClosedWant, Planted::PrunedSource] {
        let found = plant(mistake, &options);
        if found.is_none() {
            println!("{mistake:?} was planted and NOT FOUND: this checker finds nothing");
        }
        good &= found.is_some();
    }
    ExitCode::from(u8::from(!good))
}

/// What may happen on a graph of so many nodes.
fn scopes(nodes: usize, brief: bool) -> Vec<Scope> {
    let quiet = Scope { edits: 2, ..Scope::default() };
    match (nodes, brief) {
        (2, _) => vec![
            Scope { cuts: 2, ..quiet },
            Scope { cuts: 1, crashes: 1, ..quiet },
            Scope { cold: true, cuts: 1, ..quiet },
        ],
        (3, false) => vec![Scope { cuts: 1, ..quiet }, Scope { edits: 1, crashes: 1, ..quiet }],
        (3, true) => vec![quiet, Scope { edits: 1, cuts: 1, ..quiet }],
        (_, false) => vec![quiet, Scope { edits: 1, cuts: 1, ..quiet }],
        (_, true) => vec![Scope { edits: 1, ..quiet }],
    }
}

/// Looks for a planted mistake on small graphs; what finds it.
fn plant(mistake: Planted, options: &Options) -> Option<()> {
    for graph in graphs(3) {
        // Cold: a start where all is known would have met the mistake already.
        let scope = Scope { cold: true, edits: 2, cuts: 1, ..Scope::default() };
        let explored = explore(Network::new(graph.clone(), scope, Some(mistake)), options.time);
        let Some((name, path)) = &explored.broken else { continue };
        if !options.json {
            println!(
                "planted {mistake:?}: found on {}, {name}, after {} states, in {} steps: {}",
                graph.name,
                explored.states,
                path.len(),
                path.join(", ")
            );
        }
        return Some(());
    }
    None
}
