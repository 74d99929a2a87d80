//! Bar plots on a logarithmic scale, legible on light and dark pages.

use std::fmt::Write;

use crate::report::{Family, number};
use crate::rows::{Rank, Row};

const LEFT: f64 = 190.0;
const WIDTH: f64 = 560.0;
const RIGHT: f64 = 130.0;
const BAR: f64 = 15.0;

const STYLE: &str = ".b{fill:#fff}text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:14px}\
.w{font-weight:600}.g{stroke:#8884}.s{fill:#57606a}.rival{fill:#8c959f}.limit{fill:#8c959f;opacity:.45}\
.ours{fill:#0969da}.o{font-weight:600;fill:#0969da}\
@media(prefers-color-scheme:dark){.b{fill:#0d1117}text{fill:#e6edf3}.s{fill:#9198a1}.rival{fill:#6e7681}\
.limit{fill:#6e7681;opacity:.45}.ours{fill:#4493f8}.o{fill:#4493f8}}";

struct Bar {
    group: String,
    peer: &'static str,
    rank: Rank,
    value: f64,
    label: String,
}

/// All plots of a family, with their file names: of text one for each row, else one for each piece of work.
pub(crate) fn all(family: &Family) -> Vec<(String, String)> {
    let named = |name: &str, svg: Option<String>| Some((file_name(family, name), svg?));
    if family.name == "text" {
        family.rows.iter().filter_map(|row| named(row.id, of_row(family, row))).collect()
    } else {
        family.works().into_iter().filter_map(|work| named(work, of_work(family, work))).collect()
    }
}

pub(crate) fn file_name(family: &Family, plot: &str) -> String {
    format!("{}-{plot}.svg", family.file())
}

/// A plot of one row: a group of bars for each piece of work. `None` if there is nothing to compare.
pub(crate) fn of_row(family: &Family, row: &Row) -> Option<String> {
    let bars = family.works().into_iter().flat_map(|work| bars(family, work, row, work, 1.0)).collect();
    draw(&format!("{}, {}", row.title, row.unit.name()), bars)
}

/// A plot of one piece of work: a group of bars for each row, all as multiples of ours.
pub(crate) fn of_work(family: &Family, work: &str) -> Option<String> {
    let of_row = |row: &Row| {
        let group = format!("{}, {}", row.title, row.unit.name());
        let unscaled = bars(family, work, row, &group, 1.0);
        let ours = unscaled.iter().filter(|bar| bar.rank == Rank::Ours).map(|bar| bar.value);
        match ours.max_by(f64::total_cmp) {
            Some(ours) => bars(family, work, row, &group, ours),
            None => Vec::new(),
        }
    };
    draw(&format!("{work}, times ours"), family.rows.iter().flat_map(of_row).collect())
}

fn bars(family: &Family, work: &str, row: &Row, group: &str, scale: f64) -> Vec<Bar> {
    let figures = family.cells.iter().filter(|cell| cell.work == work).filter_map(|cell| {
        let figure = cell.figure(row.id).filter(|figure| figure.value > 0.0)?;
        let sign = if figure.scaled { "≈ " } else { "" };
        Some(Bar {
            group: group.to_owned(),
            peer: cell.peer.name,
            rank: cell.peer.rank,
            value: figure.value / scale,
            label: format!("{sign}{}", number(figure.value, row.unit)),
        })
    });
    figures.collect()
}

fn draw(title: &str, bars: Vec<Bar>) -> Option<String> {
    let ours = bars.iter().filter(|bar| bar.rank == Rank::Ours).count();
    if ours == 0 || ours == bars.len() {
        return None;
    }
    let least = bars.iter().map(|bar| bar.value).fold(f64::INFINITY, f64::min);
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    // Half a power to the left, so that the shortest bar can be seen.
    let (low, high) = ((least.log10() - 0.5).floor(), most.log10().ceil());
    let x = |value: f64| LEFT + (value.log10() - low) / (high - low) * WIDTH;

    let groups = bars.windows(2).filter(|pair| pair[0].group != pair[1].group).count() + 1;
    let height = 62.0 + bars.len() as f64 * (BAR + 3.0) + groups as f64 * 26.0;
    let mut body = String::new();
    draw_scale(&mut body, low, high, height, x).ok()?;
    draw_bars(&mut body, &bars, x).ok()?;
    let total = LEFT + WIDTH + RIGHT;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total} {height}\" width=\"{total}\" \
         height=\"{height}\" role=\"img\"><title>{title}</title><style>{STYLE}</style>\
         <rect class=\"b\" width=\"{total}\" height=\"{height}\"/>\
         <text x=\"8\" y=\"20\" class=\"t\">{title} (logarithmic; shorter is better)</text>\n{body}</svg>\n",
    ))
}

fn draw_scale(
    body: &mut String,
    low: f64,
    high: f64,
    height: f64,
    x: impl Fn(f64) -> f64,
) -> std::fmt::Result {
    for power in low as i32..=high as i32 {
        let value = 10_f64.powi(power);
        let (at, end) = (x(value), height - 18.0);
        writeln!(body, "<line class=\"g\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"30\" y2=\"{end:.1}\"/>")?;
        let text = if value >= 1.0 { format!("{value}") } else { format!("{value:.*}", -power as usize) };
        writeln!(
            body,
            "<text class=\"s\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            height - 4.0
        )?;
    }
    Ok(())
}

fn draw_bars(body: &mut String, bars: &[Bar], x: impl Fn(f64) -> f64) -> std::fmt::Result {
    let (mut y, mut group) = (30.0, "");
    for bar in bars {
        if bar.group != group {
            group = &bar.group;
            y += 26.0;
            writeln!(body, "<text class=\"w\" x=\"8\" y=\"{:.1}\">{group}</text>", y - 6.0)?;
        }
        let (class, label) = match bar.rank {
            Rank::Ours => ("ours", "o"),
            Rank::Limit => ("limit", "s"),
            Rank::Rival | Rank::Forgets => ("rival", ""),
        };
        let (width, middle) = ((x(bar.value) - LEFT).max(2.0), y + BAR - 3.0);
        writeln!(
            body,
            "<text class=\"{label}\" x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <text class=\"{label}\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>",
            LEFT - 6.0,
            bar.peer,
            LEFT + width + 5.0,
            bar.label
        )?;
        y += BAR + 3.0;
    }
    Ok(())
}
