//! What it costs two repositories to find which of their documents differ.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::{number, write_files};
use crdt::sync::reconcile::{Index, Item, VersionHash, rehearse, rehearse_sketch};
use crdt::sync::sketch::Sketch;
use crdt::sync::{DocId, Fleet, Kind, Lane};

/// How many lanes a daemon has.
const LANES: u8 = 8;
/// How often other documents are changed for a row.
const TIMES: u64 = 200;

/// A repository, or a lane of one, as daemons keep track of it.
#[derive(Clone)]
struct Repository {
    index: Index,
    sketch: Sketch,
}

impl Repository {
    fn new() -> Self {
        Repository { index: Index::default(), sketch: Sketch::new(Fleet::of("fleet")) }
    }

    /// Puts an item in, in place of another.
    fn put(&mut self, old: Option<Item>, item: Item) {
        self.index.set(item);
        old.into_iter().for_each(|old| self.sketch.remove(old));
        self.sketch.add(item);
    }
}

/// The whole of a repository, and its lanes.
#[derive(Clone)]
struct Lanes {
    whole: Repository,
    lanes: Vec<Repository>,
}

impl Lanes {
    /// Puts a document in, in one of two versions; it was not there, or in the other.
    fn put(&mut self, n: usize, version: bool, was: Option<bool>) {
        let Some((doc, item)) = item(n, version) else { return };
        let old = was.and_then(|was| self::item(n, was)).map(|(_, old)| old);
        self.whole.put(old, item);
        let lane = self.lanes.get_mut(usize::from(Lane::of(&doc, LANES)));
        lane.into_iter().for_each(|lane| lane.put(old, item));
    }
}

/// Bytes and round trips of each time.
#[derive(Default)]
struct Costs(Vec<(usize, f64)>);

impl Costs {
    fn add(&mut self, cost: Option<(usize, f64)>) {
        self.0.extend(cost);
        self.0.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }

    /// The bytes in the middle, and the most.
    fn bytes(&self) -> Option<(usize, usize)> {
        Some((self.0.get(self.0.len() / 2)?.0, self.0.last()?.0))
    }

    /// The same of the round trips.
    fn trips(&self) -> Option<(f64, f64)> {
        let mut trips: Vec<f64> = self.0.iter().map(|cost| cost.1).collect();
        trips.sort_by(f64::total_cmp);
        Some((*trips.get(trips.len() / 2)?, *trips.last()?))
    }
}

/// What it cost two repositories of `documents` of which `changed` differ.
struct Row {
    documents: usize,
    changed: usize,
    sketch: Costs,
    /// In eight lanes that do it beside each other, as two daemons do.
    sketch_in_lanes: Costs,
    ranges: Costs,
    ranges_in_lanes: Costs,
    list: f64,
    least: f64,
}

/// Prints the cost for each size and number of changed documents; into a folder when the first is one.
pub(crate) fn table(arguments: &[String]) -> ExitCode {
    let (folder, sizes) = match arguments.split_first() {
        Some((first, rest)) if first.parse::<usize>().is_err() => (Some(first), rest),
        _ => (None, arguments),
    };
    let sizes: Result<Vec<usize>, String> = sizes.iter().map(|n| number("a size", n, 1)).collect();
    let sizes = match sizes {
        Ok(sizes) if sizes.is_empty() => vec![1_000, 10_000, 100_000, 1_000_000],
        Ok(sizes) => sizes,
        Err(wrong) => {
            eprintln!("crdt-sim: {wrong}; see crdt-sim --help");
            return ExitCode::from(2);
        }
    };
    let rows: Vec<Row> = sizes.into_iter().flat_map(measure).collect();
    let text = markdown(&rows);
    println!("{text}");
    let files = folder.map(|folder| {
        [
            (format!("{folder}/reconcile.md"), text),
            (format!("{folder}/reconcile.csv"), csv(&rows)),
            (format!("{folder}/reconcile.svg"), plot(&rows)),
        ]
    });
    write_files(files.into_iter().flatten())
}

fn measure(documents: usize) -> Vec<Row> {
    let mut before = Lanes { whole: Repository::new(), lanes: vec![Repository::new(); usize::from(LANES)] };
    (0..documents).for_each(|n| before.put(n, false, None));
    let mut after = before.clone();
    let changes = [0, 1, 10, 100, 1_000].into_iter().filter(|changed| *changed <= documents);
    changes.map(|changed| compare(&before, &mut after, documents, changed)).collect()
}

fn by_ranges(a: &Repository, b: &Repository) -> (usize, f64) {
    let cost = rehearse(&a.index, &b.index).2;
    (cost.bytes, cost.turns as f64 / 2.0)
}

fn by_sketch(a: &Repository, b: &Repository) -> Option<(usize, f64)> {
    let cost = rehearse_sketch(&a.sketch, &b.sketch)?;
    Some((cost.bytes, cost.turns as f64 / 2.0))
}

/// What all lanes cost, and the round trips of the slowest.
fn together(costs: impl Iterator<Item = (usize, f64)>) -> (usize, f64) {
    costs.fold((0, 0.0), |sum, cost| (sum.0 + cost.0, cost.1.max(sum.1)))
}

fn compare(before: &Lanes, after: &mut Lanes, documents: usize, changed: usize) -> Row {
    let (n, k) = (documents as f64, changed as f64);
    // To say which k of n: log2 of the binomial coefficient, by Stirling; and for each which of two versions.
    let least = if changed == 0 { 0.0 } else { k * ((n / k).log2() + std::f64::consts::LOG2_E) / 8.0 };
    let mut row = Row {
        documents,
        changed,
        sketch: Costs::default(),
        sketch_in_lanes: Costs::default(),
        ranges: Costs::default(),
        ranges_in_lanes: Costs::default(),
        list: n * 16.0,
        least,
    };
    for time in 0..if changed.is_multiple_of(documents) { 1 } else { TIMES } {
        let chosen = choose(time, documents, changed);
        chosen.iter().for_each(|n| after.put(*n, true, Some(false)));
        let pairs = || before.lanes.iter().zip(&after.lanes);
        row.sketch.add(by_sketch(&before.whole, &after.whole));
        let sketched: Option<Vec<_>> = pairs().map(|(a, b)| by_sketch(a, b)).collect();
        row.sketch_in_lanes.add(sketched.map(|costs| together(costs.into_iter())));
        row.ranges.add(Some(by_ranges(&before.whole, &after.whole)));
        row.ranges_in_lanes.add(Some(together(pairs().map(|(a, b)| by_ranges(a, b)))));
        chosen.iter().for_each(|n| after.put(*n, false, Some(true)));
    }
    row
}

/// Which documents are changed, other ones each time.
fn choose(time: u64, documents: usize, changed: usize) -> BTreeSet<usize> {
    let mut state = time;
    let mut chosen = BTreeSet::new();
    while chosen.len() < changed {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        chosen.insert((state >> 33) as usize % documents);
    }
    chosen
}

/// A document of a made-up repository, in its first version or its second.
fn item(n: usize, changed: bool) -> Option<(DocId, Item)> {
    let doc: DocId = format!("folder/document-{n}").parse().ok()?;
    let version = [(crdt::ReplicaId::from_u128(7), 1 + u64::from(changed))].into_iter().collect();
    let item = Item::new(&doc, Kind::DOC, VersionHash::of(&version));
    Some((doc, item))
}

fn markdown(rows: &[Row]) -> String {
    let mut out = format!(
        "# Finding what differs\n\nBy `cargo run --release -p crdt-kit --bin crdt-sim -- reconcile bench/results`: bytes of all\n\
         frames of both sides until all documents that differ are known, and round trips; the median of {TIMES} times in which\n\
         other documents differ, and behind it the most, where that is not the same. They are then named. Two that\n\
         have met before say from when on, and name what changed since: no bytes and half a round trip, in every row. Lanes: the\n\
         documents spread over eight nodes that do this beside each other, as those of two daemons are. List:\n\
         16 bytes for each document. Least: to say which of how many, by whatever means.\n\n\
         | documents | changed | sketch: bytes | round trips | in lanes: bytes | round trips | ranges: bytes | round trips | in lanes: bytes | round trips | list | least |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = write!(out, "| {} | {} |", row.documents, row.changed);
        for costs in [&row.sketch, &row.sketch_in_lanes, &row.ranges, &row.ranges_in_lanes] {
            let (bytes, trips) = (shown(costs.bytes()), shown(costs.trips()));
            let _ = write!(out, " {bytes} | {trips} |");
        }
        let _ = writeln!(out, " {:.0} | {:.0} |", row.list, row.least);
    }
    out
}

fn shown<N: PartialEq + std::fmt::Display>(of: Option<(N, N)>) -> String {
    match of {
        Some((median, most)) if median == most => format!("{median}"),
        Some((median, most)) => format!("{median}, {most}"),
        None => String::new(),
    }
}

fn csv(rows: &[Row]) -> String {
    let mut out = String::from("documents,changed,method,bytes,most_bytes,round_trips,most_round_trips\n");
    for row in rows {
        let (n, k) = (row.documents, row.changed);
        let methods = [
            ("sketch", &row.sketch),
            ("sketch in lanes", &row.sketch_in_lanes),
            ("ranges", &row.ranges),
            ("ranges in lanes", &row.ranges_in_lanes),
        ];
        for (name, costs) in methods {
            if let (Some((bytes, most)), Some((trips, most_trips))) = (costs.bytes(), costs.trips()) {
                let _ = writeln!(out, "{n},{k},{name},{bytes},{most},{trips},{most_trips}");
            }
        }
        let _ =
            writeln!(out, "{n},{k},list,{0},{0},0.5,0.5\n{n},{k},least,{1:.0},{1:.0},,", row.list, row.least);
    }
    out
}

const COLOURS: [(&str, &str); 5] = [
    ("list", "#b0b0b0"),
    ("ranges in lanes", "#d9822b"),
    ("sketch in lanes", "#8f5fb0"),
    ("sketch", "#3b6fb6"),
    ("least", "#4f9d69"),
];

/// Bytes over changed documents, both logarithmic, for the largest repository.
fn plot(rows: &[Row]) -> String {
    let most = rows.iter().map(|row| row.documents).max().unwrap_or(1);
    let rows: Vec<&Row> = rows.iter().filter(|row| row.documents == most && row.changed > 0).collect();
    let x = |changed: usize| 60.0 + (changed as f64).log10() * 130.0;
    let y = |bytes: f64| 330.0 - bytes.max(1.0).log10() * 40.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"560\" height=\"370\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"16\" font-size=\"12\">bytes to find k changed of {most} documents</text>\n"
    );
    for power in 0..8 {
        let (bytes, at) = (10f64.powi(power), y(10f64.powi(power)));
        let _ = writeln!(
            out,
            "<line x1=\"60\" y1=\"{at}\" x2=\"470\" y2=\"{at}\" stroke=\"#eee\"/><text x=\"8\" y=\"{}\">{bytes}</text>",
            at + 4.0
        );
    }
    for row in &rows {
        let _ = writeln!(out, "<text x=\"{}\" y=\"350\">k = {}</text>", x(row.changed) - 10.0, row.changed);
    }
    for (name, colour) in COLOURS {
        let bytes = |row: &Row| match name {
            "list" => Some(row.list),
            "ranges in lanes" => row.ranges_in_lanes.bytes().map(|(bytes, _)| bytes as f64),
            "sketch in lanes" => row.sketch_in_lanes.bytes().map(|(bytes, _)| bytes as f64),
            "sketch" => row.sketch.bytes().map(|(bytes, _)| bytes as f64),
            _ => Some(row.least),
        };
        let points: Vec<(f64, f64)> =
            rows.iter().filter_map(|row| Some((x(row.changed), y(bytes(row)?)))).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.0},{y:.1}")).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            line.join(" ")
        );
        if let Some((x, y)) = points.last() {
            let _ =
                writeln!(out, "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>", x + 8.0, y + 4.0);
        }
    }
    out.push_str("</svg>\n");
    out
}
