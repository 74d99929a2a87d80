//! A page with the picture, what differs, and how to play it again.

use super::super::story::Story;
use super::svg::escape;

const STYLE: &str = "
:root{color-scheme:light dark;--back:#fff;--front:#1b1f24;--soft:#5b6570;--box:#f4f6f8;--bad:#c4242b}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--front:#e6e9ed;--soft:#9aa4af;--box:#1e2329;--bad:#ff7b72}}
body{background:var(--back);color:var(--front);font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.4rem}h1 b{color:var(--bad)}h2{font-size:1.05rem;margin-top:2rem}
.picture{overflow-x:auto;border:1px solid var(--box);border-radius:8px}
table{border-collapse:collapse}td{padding:.3rem .8rem;border-bottom:1px solid var(--box);vertical-align:top}
td:last-child,pre{font-family:ui-monospace,monospace;font-size:.85rem}td:first-child{color:var(--soft)}
pre{background:var(--box);padding:.8rem;border-radius:8px;overflow-x:auto;white-space:pre-wrap;word-break:break-all}
.shows td:last-child{color:var(--bad)}p{color:var(--soft)}";

pub(in super::super) fn page(failure: &Story, title: &str) -> String {
    let title = escape(title);
    let (head, what) = match failure.law() {
        Some(law) => (format!("<b>{law}</b> does not hold"), law.broken()),
        None => ("every law holds".to_owned(), "a run, drawn"),
    };
    let rows = |rows: Vec<(String, String)>| {
        let row =
            |(a, b): (String, String)| format!("<tr><td>{}</td><td>{}</td></tr>", escape(&a), escape(&b));
        rows.into_iter().map(row).collect::<String>()
    };
    let ends = failure.trace.ends.iter().enumerate().map(|(at, (view, known))| {
        let known: Vec<String> = known.iter().map(|edit| (edit + 1).to_string()).collect();
        (format!("{} knows edits {}", super::super::law::letter(at as u8), known.join(", ")), view.clone())
    });
    let compared = match failure.sides() {
        [] => String::new(),
        sides => format!("<h2>What was compared</h2><table class=\"shows\">{}</table>", rows(sides.to_vec())),
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}: {head}</h1><p>{what}. Found with {} steps, made small to {}.</p>\
         <div class=\"picture\">{}</div>\
         {}\
         <h2>What each replica showed when it stopped</h2><table>{}</table>\
         <h2>As text</h2><pre>{}</pre>\
         <h2>Play it again</h2><pre>{}</pre></html>\n",
        failure.found_with(),
        failure.schedule().steps.len(),
        failure.svg(),
        compared,
        rows(ends.collect()),
        escape(&super::text::draw(&failure.trace)),
        escape(&failure.replay()),
    )
}
