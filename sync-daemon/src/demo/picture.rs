//! The terminal picture: nodes and links as they stand, and what each node knows.

use std::io::{IsTerminal, Write};

/// What is drawn.
pub(crate) struct View<'a> {
    pub(crate) places: &'a [(f64, f64)],
    pub(crate) names: Vec<String>,
    pub(crate) alive: Vec<bool>,
    /// Ends of each link and whether it is up.
    pub(crate) links: Vec<(usize, usize, bool)>,
    pub(crate) known: Vec<u64>,
    pub(crate) total: u64,
    pub(crate) phase: String,
    pub(crate) rate: f64,
}

/// Draws over what it drew before; on what is no terminal, prints a line when the phase changes.
pub(crate) struct Screen {
    live: bool,
    quiet: bool,
    drawn: usize,
    phase: String,
}

impl Screen {
    pub(crate) fn new(plain: bool, quiet: bool) -> Screen {
        Screen {
            live: !plain && !quiet && std::io::stderr().is_terminal(),
            quiet,
            drawn: 0,
            phase: String::new(),
        }
    }

    pub(crate) fn show(&mut self, view: &View<'_>) {
        if self.quiet {
            return;
        }
        let mut out = String::new();
        if self.live {
            let lines = lines(view);
            if self.drawn > 0 {
                out.push_str(&format!("\x1b[{}A", self.drawn));
            }
            lines.iter().for_each(|line| out.push_str(&format!("{line}\x1b[K\n")));
            self.drawn = lines.len();
        } else if self.phase != view.phase {
            out = format!("{:>9} events  {}\n", view.total, view.phase);
        }
        self.phase.clone_from(&view.phase);
        // A terminal that is gone is no reason to stop.
        let _ = std::io::stderr().write_all(out.as_bytes());
    }
}

fn lines(view: &View<'_>) -> Vec<String> {
    let (width, height) = (56, if view.names.len() > 8 { 19 } else { 11 });
    let mut grid = vec![vec![' '; width + 8]; height];
    let at = |node: usize| {
        let (x, y) = view.places.get(node).copied().unwrap_or_default();
        ((x * (width - 6) as f64) as i64 + 3, (y * (height - 1) as f64) as i64)
    };
    for &(a, b, up) in &view.links {
        line(&mut grid, at(a), at(b), if up { '·' } else { '×' }, if up { 1 } else { 3 });
    }
    let mut lines: Vec<String> = Vec::new();
    for (node, name) in view.names.iter().enumerate() {
        let (x, y) = at(node);
        let mark = match view.alive.get(node) {
            Some(false) => '✗',
            _ if view.known.get(node) == Some(&view.total) => '●',
            _ => '○',
        };
        let label = std::iter::once(mark).chain(name.chars());
        for (i, c) in label.enumerate() {
            if let Some(cell) = grid.get_mut(y as usize).and_then(|row| row.get_mut(x as usize + i)) {
                *cell = c;
            }
        }
    }
    lines.push(format!("{}  ({:.0} edits/s)", view.phase, view.rate));
    lines.extend(grid.into_iter().map(|row| row.into_iter().collect::<String>().trim_end().to_owned()));
    for (node, name) in view.names.iter().enumerate() {
        let known = view.known.get(node).copied().unwrap_or(0);
        let share = if view.total == 0 { 1.0 } else { (known as f64 / view.total as f64).min(1.0) };
        let bar = "█".repeat((share * 24.0) as usize);
        let state = if view.alive.get(node) == Some(&false) { "killed" } else { "" };
        let behind = view.total.saturating_sub(known);
        lines.push(format!("{name:>4} {bar:<24} {known:>9} events, {behind:>7} behind {state}"));
    }
    lines
}

fn line(grid: &mut [Vec<char>], from: (i64, i64), to: (i64, i64), mark: char, every: i64) {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
    for i in (0..=steps).filter(|i| i % every == 0) {
        let x = from.0 + (to.0 - from.0) * i / steps;
        let y = from.1 + (to.1 - from.1) * i / steps;
        if let Some(cell) = grid.get_mut(y as usize).and_then(|row| row.get_mut(x as usize)) {
            *cell = mark;
        }
    }
}
