//! What came of it: a table, JSON, and one HTML file with pictures.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde::Serialize;

use super::observe::Sample;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) converged: bool,
    pub(crate) nodes: usize,
    pub(crate) topology: String,
    pub(crate) trace: String,
    pub(crate) seconds: f64,
    /// Transactions written.
    pub(crate) edits: u64,
    /// Characters and other changes in them.
    pub(crate) events: u64,
    pub(crate) quiet: Option<Quiet>,
    /// Content frames between daemons for each edit, over all, batches and catch-up included.
    pub(crate) frames_per_edit: f64,
    pub(crate) bytes_per_edit: f64,
    pub(crate) latency_p50_ms: Option<f64>,
    pub(crate) latency_p99_ms: Option<f64>,
    pub(crate) catch_ups: Vec<CatchUp>,
    /// Content frames that brought nothing new.
    pub(crate) duplicates: u64,
    /// Events that were acknowledged as durable and are missing somewhere at the end.
    pub(crate) losses: u64,
    /// What went wrong; empty when nothing did.
    pub(crate) failures: Vec<String>,
}

/// Single edits with nothing else going on.
#[derive(Debug, Serialize)]
pub(crate) struct Quiet {
    pub(crate) edits: usize,
    pub(crate) frames_per_edit: f64,
    /// The least possible: the number of nodes less one.
    pub(crate) least: usize,
    pub(crate) reason_for_excess: Option<String>,
    pub(crate) latency_p50_ms: Option<f64>,
    pub(crate) latency_p99_ms: Option<f64>,
}

/// How long it took until all was known again.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CatchUp {
    pub(crate) after: String,
    pub(crate) events_behind: u64,
    pub(crate) ms: Option<f64>,
}

impl Summary {
    /// Name and value of each row.
    fn rows(&self) -> Vec<(String, String)> {
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
        let mut rows = vec![
            ("edits".to_owned(), format!("{} ({} events)", self.edits, self.events)),
            ("time".to_owned(), format!("{:.1} s", self.seconds)),
        ];
        if let Some(quiet) = &self.quiet {
            let excess = quiet.reason_for_excess.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let frames = format!("{:.2} of at least {}{excess}", quiet.frames_per_edit, quiet.least);
            rows.push((format!("content frames for each of {} single edits", quiet.edits), frames));
            let times = format!("p50 {}, p99 {}", ms(quiet.latency_p50_ms), ms(quiet.latency_p99_ms));
            rows.push(("single edits: writer to every other node".to_owned(), times));
        }
        rows.push((
            "content frames for each edit, over all".to_owned(),
            format!("{:.3}", self.frames_per_edit),
        ));
        rows.push(("bytes between daemons for each edit".to_owned(), format!("{:.1}", self.bytes_per_edit)));
        let times = format!("p50 {}, p99 {}", ms(self.latency_p50_ms), ms(self.latency_p99_ms));
        rows.push(("all edits, faults included".to_owned(), times));
        for catch_up in &self.catch_ups {
            let took = catch_up.ms.map_or("not reached".to_owned(), |ms| format!("{ms:.0} ms"));
            let behind = format!("{} events behind -> 0 in {took}", catch_up.events_behind);
            rows.push((format!("after {}", catch_up.after), behind));
        }
        rows.push(("frames that brought nothing new".to_owned(), self.duplicates.to_string()));
        rows.push(("acknowledged events missing at the end".to_owned(), self.losses.to_string()));
        rows
    }

    /// The last line.
    pub(crate) fn verdict(&self) -> String {
        if self.converged {
            format!("CONVERGED {0}/{0}", self.nodes)
        } else {
            format!("FAILED: {}", self.failures.join("; "))
        }
    }

    pub(crate) fn print(&self) {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        for (name, value) in self.rows() {
            table.add_row(vec![name, value]);
        }
        println!("{table}\n{}", self.verdict());
    }

    /// One file with all of it, pictures inside.
    pub(crate) fn html(
        &self,
        places: &[(f64, f64)],
        links: &[(usize, usize)],
        samples: &[Sample],
        marks: &[(Duration, String)],
    ) -> String {
        let mut rows = String::new();
        for (name, value) in self.rows() {
            let _ = write!(rows, "<tr><th>{}</th><td>{}</td></tr>", escape(&name), escape(&value));
        }
        let state = if self.converged { "good" } else { "bad" };
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>sync-daemon demo</title><style>{STYLE}</style><main>\
             <h1>{} daemons, {}</h1><p>{}</p><p class={state}><strong>{}</strong></p>\
             <h2>The graph</h2>{}<h2>What each node knew</h2>{}\
             <p class=note>Each curve is one node: the events it had at that time. The grey area is what had been \
             written by then. Marks are the faults.</p><h2>Figures</h2><table>{rows}</table></main></html>",
            self.nodes,
            escape(&self.topology),
            escape(&self.trace),
            escape(&self.verdict()),
            graph(places, links),
            curves(samples, marks),
        )
    }
}

const STYLE: &str = ":root{color-scheme:light dark;--ink:#1b2430;--paper:#fcfcfa;--soft:#8a94a0;--line:#d5dae0}\
    @media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--paper:#14181d;--soft:#8994a0;--line:#333b45}}\
    body{background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;margin:0}\
    main{max-width:56rem;margin:2rem auto;padding:0 1rem}h1{font-size:1.6rem}h2{font-size:1.1rem;margin-top:2rem}\
    svg{width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,sans-serif}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .5rem;border-top:1px solid var(--line);\
    font-weight:normal;vertical-align:top}td{font-variant-numeric:tabular-nums}.note{color:var(--soft);font-size:.9rem}\
    .good strong{color:#1f8a4c}.bad strong{color:#d0342c}";

/// Colours that can be told apart, also by those who see few.
const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800", "#7f7f7f"];

fn colour(node: usize) -> &'static str {
    COLOURS.get(node % COLOURS.len()).copied().unwrap_or("#777")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn graph(places: &[(f64, f64)], links: &[(usize, usize)]) -> String {
    let at = |node: usize| {
        let (x, y) = places.get(node).copied().unwrap_or_default();
        (40.0 + x * 520.0, 30.0 + y * 220.0)
    };
    let mut svg =
        String::from("<svg viewBox=\"0 0 600 280\" role=img aria-label=\"the nodes and their links\">");
    for (a, b) in links {
        let ((x1, y1), (x2, y2)) = (at(*a), at(*b));
        let _ = write!(svg, "<line x1={x1:.1} y1={y1:.1} x2={x2:.1} y2={y2:.1} stroke=\"var(--soft)\" />");
    }
    for node in 0..places.len() {
        let (x, y) = at(node);
        let _ = write!(svg, "<circle cx={x:.1} cy={y:.1} r=9 fill=\"{}\" />", colour(node));
        let _ = write!(svg, "<text x={:.1} y={:.1}>n{}</text>", x + 12.0, y + 4.0, node + 1);
    }
    svg + "</svg>"
}

fn curves(samples: &[Sample], marks: &[(Duration, String)]) -> String {
    let (left, top, width, height) = (60.0, 26.0, 720.0, 280.0);
    let end = samples.last().map_or(1.0, |sample| sample.at.as_secs_f64()).max(0.001);
    let most = samples
        .iter()
        .map(|s| s.known.iter().copied().max().unwrap_or(0).max(s.written))
        .max()
        .unwrap_or(1)
        .max(1);
    let x = |at: Duration| left + width * at.as_secs_f64() / end;
    let y = |n: u64| top + height - height * n as f64 / most as f64;
    let mut svg = String::from(
        "<svg viewBox=\"0 0 800 350\" role=img aria-label=\"events known by each node over time\">",
    );
    let mut area = format!("M{left} {} ", top + height);
    samples.iter().for_each(|s| {
        let _ = write!(area, "L{:.1} {:.1} ", x(s.at), y(s.written));
    });
    let _ = write!(
        svg,
        "<path d=\"{area}L{:.1} {} Z\" fill=\"var(--line)\" opacity=.6 />",
        left + width,
        top + height
    );
    for i in 0..=4u64 {
        let (n, seconds) = (most * i / 4, end * i as f64 / 4.0);
        let _ = write!(svg, "<text x=4 y={:.1}>{n}</text>", y(n) + 4.0);
        let _ = write!(
            svg,
            "<text x={:.1} y={}>{seconds:.1} s</text>",
            left + width * i as f64 / 4.0 - 10.0,
            top + height + 18.0
        );
    }
    let nodes = samples.first().map_or(0, |sample| sample.known.len());
    for node in 0..nodes {
        let points = samples
            .iter()
            .map(|s| format!("{:.1},{:.1}", x(s.at), y(s.known.get(node).copied().unwrap_or(0))));
        let points: Vec<String> = points.collect();
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=none stroke=\"{}\" stroke-width=1.6><title>n{}</title></polyline>",
            points.join(" "),
            colour(node),
            node + 1
        );
    }
    for (i, (at, what)) in marks.iter().enumerate() {
        let at = x(*at);
        let _ = write!(
            svg,
            "<line x1={at:.1} y1={top} x2={at:.1} y2={} stroke=\"var(--soft)\" stroke-dasharray=3 />",
            top + height
        );
        let _ = write!(
            svg,
            "<text x={:.1} y={:.1}>{}</text>",
            at + 3.0,
            top + 10.0 + 13.0 * (i % 4) as f64,
            escape(what)
        );
    }
    svg + "</svg>"
}
