//! What is measured, as a table for people and as CSV for machines.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::run::Outcome;

/// One figure set of one server on one work.
#[derive(Debug, Default)]
pub struct Row {
    pub work: String,
    pub server: String,
    /// Empty when the work has no latency.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
    pub edits_per_s: Option<f64>,
    pub cpu_us_per_delivery: Option<f64>,
    pub peak_mib: Option<f64>,
    pub durable_ms: Option<f64>,
    pub delivered: u64,
    pub expected: u64,
    pub note: String,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Row {
    pub fn new(work: impl Into<String>, server: &str) -> Self {
        Row { work: work.into(), server: server.to_owned(), ..Row::default() }
    }

    /// A row of work that is paced, so that latency counts, or flat out, so that rate does.
    pub fn of(work: impl Into<String>, server: &str, outcome: &Outcome, paced: bool) -> Self {
        let at = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1e6;
        let edits = outcome.delivered as f64 / (outcome.expected.max(1) as f64);
        let rate = |edits: f64| edits / outcome.took.as_secs_f64();
        Row {
            p50_ms: paced.then(|| at(0.5)),
            p99_ms: paced.then(|| at(0.99)),
            max_ms: paced.then(|| at(1.0)),
            edits_per_s: (!paced).then(|| rate(edits * outcome.edits as f64)),
            cpu_us_per_delivery: Some(outcome.cpu * 1e6 / outcome.delivered.max(1) as f64),
            peak_mib: Some(outcome.peak_kib as f64 / 1024.0),
            durable_ms: outcome.durable.map(ms),
            delivered: outcome.delivered,
            expected: outcome.expected,
            note: format!("clients {:.1} us", outcome.clients_cpu * 1e6 / outcome.delivered.max(1) as f64),
            ..Row::new(work, server)
        }
    }

    fn cells(&self) -> Cells {
        let number = |value: Option<f64>, digits: usize| match value {
            Some(value) => format!("{value:.digits$}"),
            None => String::new(),
        };
        [
            self.work.clone(),
            self.server.clone(),
            number(self.p50_ms, 2),
            number(self.p99_ms, 2),
            number(self.max_ms, 2),
            number(self.edits_per_s, 0),
            number(self.cpu_us_per_delivery, 2),
            number(self.peak_mib, 1),
            number(self.durable_ms, 0),
            if self.delivered == self.expected {
                self.note.clone()
            } else {
                format!("{} of {} delivered {}", self.delivered, self.expected, self.note)
            },
        ]
    }
}

/// A row as text.
type Cells = [String; 10];

const HEADS: [&str; 10] = [
    "work",
    "server",
    "p50 ms",
    "p99 ms",
    "max ms",
    "edits/s",
    "CPU us/delivery",
    "peak MiB",
    "all durable ms",
    "note",
];

/// The rows as a Markdown table.
pub fn markdown(rows: &[Row]) -> String {
    table(&rows.iter().map(Row::cells).collect::<Vec<_>>())
}

fn table(rows: &[Cells]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEADS.join(" | "), "---|".repeat(HEADS.len()));
    for cells in rows {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// Cells as CSV; none of them has a quotation mark in it.
fn csv(rows: &[Cells]) -> String {
    let mut text = HEADS.join(",") + "\n";
    for cells in rows {
        let _ = writeln!(text, "\"{}\"", cells.join("\",\""));
    }
    text
}

/// Cells of the CSV that this module wrote.
fn parse(csv: &str) -> Vec<Cells> {
    let row = |line: &str| -> Option<Cells> {
        let cells = line.strip_prefix('"')?.strip_suffix('"')?.split("\",\"").map(str::to_owned);
        cells.collect::<Vec<_>>().try_into().ok()
    };
    csv.lines().skip(1).filter_map(row).collect()
}

/// Writes table, CSV and plot into a folder. Rows that are there and were not measured now stay: what is measured can be
/// measured in pieces.
pub fn write(folder: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let path = folder.join("load.csv");
    let mut cells: Vec<Cells> = rows.iter().map(Row::cells).collect();
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    for row in parse(&before) {
        if cells.iter().all(|new| new.first_chunk::<2>() != row.first_chunk::<2>()) {
            cells.push(row);
        }
    }
    // By work; a server has the place in it that it was measured at.
    cells.sort_by(|a, b| a.first().cmp(&b.first()));
    let head = "# Load on sync servers\n\nBy `cd bench/load && cargo run --release -- run --results ../results`. Ratios count, milliseconds do \
                not.\nWhat each row and column is says [bench/load](../load/README.md); ![as bars](load.svg)\n\n";
    std::fs::write(folder.join("load.md"), head.to_owned() + &table(&cells))?;
    std::fs::write(&path, csv(&cells))?;
    std::fs::write(folder.join("load.svg"), svg(&cells))?;
    Ok(())
}

/// Which columns are plotted, and what they say.
const FIGURES: [(usize, &str); 3] = [
    (5, "edits/s with all delivered, more is better"),
    (2, "median latency, ms, less is better"),
    (6, "server's processor time for each delivery, us, less is better"),
];

/// A part for each figure, in it a group for each work, in that a bar for each server.
fn svg(rows: &[Cells]) -> String {
    let (mut body, mut y, mut before) = (String::new(), 10, None);
    for (column, title) in FIGURES {
        y += 28;
        let _ = writeln!(body, "<text x=\"10\" y=\"{y}\" font-size=\"13\">{title}</text>");
        let value = |row: &Cells| row.get(column).and_then(|cell| cell.parse::<f64>().ok());
        for row in rows {
            let ([work, server, ..], Some(this)) = (row, value(row)) else { continue };
            if before.replace((column, work)) != Some((column, work)) {
                y += 18;
                let _ = writeln!(body, "<text x=\"20\" y=\"{y}\" fill=\"#555\">{work}</text>");
            }
            let same = rows.iter().filter(|other| other.first() == Some(work));
            let most = same.filter_map(value).fold(f64::MIN_POSITIVE, f64::max);
            y += 14;
            let colour = if server.starts_with("sync-daemon") { "#3b6fb6" } else { "#b0b0b0" };
            let (top, width) = (y - 9, this / most * 340.0);
            let _ = writeln!(
                body,
                "<text x=\"30\" y=\"{y}\">{server}</text><rect x=\"190\" y=\"{top}\" width=\"{width:.1}\" \
                 height=\"10\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{y}\">{this}</text>",
                195.0 + width
            );
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n",
        y + 20
    )
}
