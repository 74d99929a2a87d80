//! A run as text: time goes down, each replica is a line.

use super::super::law::letter;
use super::super::trace::{Mark, Trace};
use super::{fit, sides};

/// The widest column.
const WIDEST: usize = 34;

/// One row: for each replica what is drawn on its line, and what is said beside it.
struct Row {
    cells: Vec<(char, String)>,
}

pub(in super::super) fn draw(trace: &Trace) -> String {
    let n = usize::from(trace.replicas);
    let mut here: Vec<bool> = vec![true; n];
    for mark in &trace.marks {
        if let Mark::Join { at } = mark {
            here[usize::from(*at)] = false;
        }
    }
    let width = trace.marks.iter().map(longest).max().unwrap_or(0).clamp(10, WIDEST) + 4;
    let law = trace.broken.as_ref().map_or(0, |broken| broken.law.name().len() + 4);
    let width = width.max(law);
    let mut out = String::new();
    let names = (0..trace.replicas).map(|at| (letter(at), String::new()));
    out += &line(&Row { cells: names.collect() }, width);
    let mut views: Vec<String> = vec![String::new(); n];
    for mark in &trace.marks {
        out += &draw_mark(mark, &mut here, &mut views, width);
    }
    if let Some(broken) = &trace.broken {
        let cells = (0..trace.replicas).map(|at| {
            let bad = broken.at.contains(&at);
            (if bad { '✗' } else { '│' }, if bad { broken.law.to_string() } else { String::new() })
        });
        out += &line(&Row { cells: cells.collect() }, width);
    }
    out.push('\n');
    for (at, (view, known)) in (0..).zip(&trace.ends) {
        let known: Vec<String> = known.iter().map(|edit| (edit + 1).to_string()).collect();
        let known = if known.is_empty() { "no edits".into() } else { format!("edits {}", known.join(", ")) };
        out += &format!("  {} knows {known} and shows {view}\n", letter(at));
    }
    if let Some(broken) = &trace.broken {
        let widest = broken.sides.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        out += &format!("\n  {}:\n", broken.law.broken());
        for (label, value) in &broken.sides {
            let gap = widest - label.chars().count();
            out += &format!("    {label}{}  {value}\n", " ".repeat(gap));
        }
    }
    out
}

fn draw_mark(mark: &Mark, here: &mut [bool], views: &mut [String], width: usize) -> String {
    let empty = |here: &[bool]| Row {
        cells: here.iter().map(|here| (if *here { '│' } else { ' ' }, String::new())).collect(),
    };
    let at_one = |here: &[bool], at: u8, sign: char, label: String| {
        let mut row = empty(here);
        row.cells[usize::from(at)] = (sign, label);
        line(&row, width)
    };
    let mut shows = |here: &[bool], at: u8, view: &String| {
        let last = &mut views[usize::from(at)];
        if last == view {
            return String::new();
        }
        last.clone_from(view);
        at_one(here, at, '│', format!("⇒ {}", fit(view, WIDEST - 2)))
    };
    match mark {
        Mark::Edit { at, label, view } => {
            at_one(here, *at, '●', fit(label, WIDEST)) + &shows(here, *at, view)
        }
        Mark::Sync { from, to, form, view } => {
            arrow(&empty(here), usize::from(*from), usize::from(*to), &form.to_string(), width)
                + &shows(here, *to, view)
        }
        Mark::Send { from, to, form, number } => {
            at_one(here, *from, '○', format!("sends #{number} ({form}) to {}", letter(*to)))
        }
        Mark::Arrive { from, to, number, again, view, .. } => {
            let copy = if *again { "copy of " } else { "" };
            at_one(here, *to, '◆', format!("takes {copy}#{number} from {}", letter(*from)))
                + &shows(here, *to, view)
        }
        Mark::Lost { from, to, number } => {
            at_one(here, *to, '✕', format!("#{number} from {} is lost", letter(*from)))
        }
        Mark::Cut { sides: cut } => {
            rule(&format!("cut: {}", sides(here.len() as u8, *cut)), here.len(), width)
        }
        Mark::Heal => rule("the network is whole again", here.len(), width),
        Mark::Settle => rule("faults end, all exchange", here.len(), width),
        Mark::Restart { at } => at_one(here, *at, '↻', "starts again".into()),
        Mark::Save { at } => at_one(here, *at, '▣', "backup".into()),
        Mark::Rollback { at, view } => {
            at_one(here, *at, '⟲', "starts on an old backup".into()) + &shows(here, *at, view)
        }
        Mark::Copy { at, of } => at_one(here, *at, '⧉', format!("is now a copy of {}", letter(*of))),
        Mark::Skew { at, ms } => at_one(here, *at, '◷', format!("clock off by {ms} ms")),
        Mark::Join { at } => {
            here[usize::from(*at)] = true;
            at_one(here, *at, '┬', "comes".into())
        }
    }
}

fn longest(mark: &Mark) -> usize {
    match mark {
        Mark::Edit { label, view, .. } => label.chars().count().max(view.chars().count() + 2),
        Mark::Sync { view, .. } | Mark::Rollback { view, .. } => view.chars().count() + 2,
        Mark::Send { .. } | Mark::Arrive { .. } => 25,
        Mark::Cut { .. } | Mark::Heal | Mark::Settle => 0,
        _ => 20,
    }
}

fn line(row: &Row, width: usize) -> String {
    let mut out = String::from("  ");
    for (sign, label) in &row.cells {
        let gap = width.saturating_sub(2 + label.chars().count());
        out += &format!("{sign} {label}{}", " ".repeat(gap));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// A line from one replica to another.
fn arrow(row: &Row, from: usize, to: usize, label: &str, width: usize) -> String {
    let (low, high) = (from.min(to), from.max(to));
    let mut out = String::from("  ");
    for (i, (sign, _)) in row.cells.iter().enumerate() {
        let sign = match (i == from, i == to, i > low && i < high) {
            (true, _, _) => {
                if from < to {
                    '├'
                } else {
                    '┤'
                }
            }
            (_, true, _) => {
                if from < to {
                    '▶'
                } else {
                    '◀'
                }
            }
            (_, _, true) => '┼',
            _ => *sign,
        };
        let filled = i >= low && i < high;
        let room = width - 1;
        let said = if i == low { label } else { "" };
        let (before, after) = ((room - said.len()) / 2, room - said.len() - (room - said.len()) / 2);
        let dash = if filled { "─" } else { " " };
        out.push(sign);
        out += &if filled {
            format!("{}{said}{}", dash.repeat(before), dash.repeat(after))
        } else {
            " ".repeat(room)
        };
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn rule(label: &str, replicas: usize, width: usize) -> String {
    let most = replicas * width;
    format!("  ┄┄ {label} {}\n", "┄".repeat(most.saturating_sub(label.chars().count() + 4).min(40)))
}
