//! What is measured, as a table for people and as CSV for machines.

use std::fmt::Write;
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
            ..Row::new(work, server)
        }
    }

    fn cells(&self) -> [String; 10] {
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
    let mut text = format!("| {} |\n|{}\n", HEADS.join(" | "), "---|".repeat(HEADS.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.cells().join(" | "));
    }
    text
}

/// The rows as CSV.
pub fn csv(rows: &[Row]) -> String {
    let quote = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    let mut text = HEADS.join(",") + "\n";
    for row in rows {
        let cells: Vec<String> = row.cells().iter().map(quote).collect();
        let _ = writeln!(text, "{}", cells.join(","));
    }
    text
}
