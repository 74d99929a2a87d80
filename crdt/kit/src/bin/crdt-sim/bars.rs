//! Grouped bars as SVG.

use std::fmt::Write as _;

/// Bars that belong together.
pub(crate) struct Group {
    /// What stands below them, in two lines.
    pub(crate) names: [String; 2],
    /// One for each series; `None` where there is no figure.
    pub(crate) bars: Vec<Option<f64>>,
}

const COLOURS: [&str; 5] = ["#3b6fb6", "#d9822b", "#4f9d69", "#b0b0b0", "#8a5fb0"];
const HEIGHT: f64 = 260.0;
const BASE: f64 = 310.0;
const BAR: usize = 24;

/// A plot of bars. What is over four times the median of all is cut off, and its number says what it is.
pub(crate) fn svg(title: &str, series: &[&str], groups: &[Group]) -> String {
    let mut all: Vec<f64> = groups.iter().flat_map(|group| group.bars.iter().flatten().copied()).collect();
    all.sort_unstable_by(f64::total_cmp);
    let median = all.get(all.len() / 2).copied().unwrap_or(1.0);
    let top = all.last().copied().unwrap_or(1.0).clamp(1.2, (4.0 * median).max(1.2));
    let step = BAR * series.len() + 26;
    let width = 40 + step * groups.len().max(4);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"345\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"10\" y=\"16\" font-size=\"12\">{title}</text>\n"
    );
    for (i, (name, colour)) in series.iter().zip(COLOURS).enumerate() {
        let x = 10 + 130 * i;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"24\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"33\">{name}</text>",
            x + 14
        );
    }
    for (i, group) in groups.iter().enumerate() {
        let left = 20 + step * i;
        for (k, (value, colour)) in group.bars.iter().zip(COLOURS).enumerate() {
            let Some(value) = value else { continue };
            let height = value.min(top) / top * HEIGHT;
            let (x, y) = (left + BAR * k, BASE - height);
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{}\" height=\"{height:.1}\" fill=\"{colour}\"/><text x=\"{x}\" y=\"{:.1}\">{value:.2}</text>",
                BAR - 3,
                y - 3.0
            );
        }
        for (line, name) in group.names.iter().enumerate() {
            let _ =
                writeln!(out, "<text x=\"{left}\" y=\"{}\">{name}</text>", BASE + 14.0 + 13.0 * line as f64);
        }
    }
    out.push_str("</svg>\n");
    out
}
