//! What was measured, as a table, as all figures, and against the goals.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::goals::best_rival;
use crate::rows::{Peer, Rank, Row, Unit};
use crate::{goals, plot};

/// All that was measured of one family.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) measured: Measured,
    pub(crate) rows: Vec<Row>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) cells: Vec<Cell>,
}

/// What is measured of what is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Measured {
    /// Processor time, bytes, memory.
    Time,
    Instructions,
}

/// One peer on one piece of work.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) work: String,
    pub(crate) peer: Peer,
    /// By row and format.
    pub(crate) values: BTreeMap<(String, String), Values>,
    pub(crate) failed: Option<String>,
}

/// What the runs gave.
#[derive(Clone, Default, Debug)]
pub(crate) struct Values {
    pub(crate) values: Vec<f64>,
    pub(crate) scaled: bool,
}

/// The figure of a row: the median, of the peer's best format.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) format: String,
    pub(crate) scaled: bool,
    runs: usize,
}

impl Cell {
    pub(crate) fn new(work: &str, peer: Peer) -> Self {
        Cell { work: work.to_owned(), peer, values: BTreeMap::new(), failed: None }
    }

    /// The figure in a row, if the peer has one.
    pub(crate) fn figure(&self, row: &str) -> Option<Figure> {
        let of_row = self.values.iter().filter(|((id, _), _)| id == row);
        let figures = of_row.map(|((_, format), values)| Figure {
            value: values.median(),
            format: format.clone(),
            scaled: values.scaled,
            runs: values.values.len(),
        });
        figures.min_by(|a, b| a.value.total_cmp(&b.value))
    }
}

impl Values {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        (low + high) / 2.0
    }
}

impl Family {
    /// What its files are called, without their endings.
    pub(crate) fn file(&self) -> String {
        match self.measured {
            Measured::Time => self.name.clone(),
            Measured::Instructions => format!("{}-instructions", self.name),
        }
    }

    /// The works, in the order in which they were done.
    pub(crate) fn works(&self) -> Vec<&str> {
        let mut works: Vec<&str> = self.cells.iter().map(|cell| cell.work.as_str()).collect();
        works.dedup();
        works
    }

    pub(crate) fn cell(&self, work: &str, peer: &Peer) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.work == work && cell.peer.name == peer.name)
    }

    /// Figures of a row for a piece of work, of those whose rank is accepted.
    pub(crate) fn figures(
        &self,
        work: &str,
        row: &Row,
        accept: impl Fn(Rank) -> bool,
    ) -> Vec<(Peer, Figure)> {
        let cells = self.cells.iter().filter(|cell| cell.work == work && accept(cell.peer.rank));
        cells.filter_map(|cell| Some((cell.peer, cell.figure(row.id)?))).collect()
    }
}

/// Writes a family's tables, all its figures, and its plots.
pub(crate) fn write(family: &Family, out: &Path) -> anyhow::Result<()> {
    let mut md = match family.measured {
        Measured::Time => format!("# {}\n{PREFACE}", capitalised(&family.name)),
        Measured::Instructions => format!("# {}, in instructions\n{COUNTED}", capitalised(&family.name)),
    };
    tables(&mut md, family)?;
    goals::write(&mut md, family)?;
    failures(&mut md, family)?;
    put(out, &format!("{}.md", family.file()), &md)?;

    let mut csv = String::from("family,work,row,unit,peer,format,median,min,max,runs,scaled\n");
    figures(&mut csv, family)?;
    put(out, &format!("{}.csv", family.file()), &csv)?;
    plot::all(family).iter().try_for_each(|(name, svg)| put(out, name, svg))
}

const PREFACE: &str = "
Written by `crdt-bench`; run it yourself before you quote anything (`cargo run --release --manifest-path
bench/Cargo.toml -- --help`). Processor time, medians; less is better in every row; the best rival is in bold.
`≈` marks a loop that was stopped after 3 s and scaled up. A small number after a figure says that it is of so
many runs only, because one took long. In brackets: the format, where a peer has several; the best of them counts.
Peers in italics are limits, not rivals: they do less than the others.
";

const COUNTED: &str = "
Written by `crdt-bench` with `--instructions`: instructions that callgrind counted in the stretches that are timed, of one run each,
in millions. Other load on the machine does not change them; they say nothing of waiting for memory. Less is better; the best
rival is in bold. In brackets: the format, where a peer has several; the best of them counts. Peers in italics are limits, not
rivals: they do less than the others.
";

fn put(out: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = out.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A number with three digits that count, and thousands set apart.
pub(crate) fn number(value: f64, unit: Unit) -> String {
    let decimals = match value {
        _ if matches!(unit, Unit::Bytes | Unit::Count) && value >= 100.0 => 0,
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.decimals$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// A table for each row where most works have it, as with text; else one for each piece of work.
fn tables(md: &mut String, family: &Family) -> std::fmt::Result {
    if family.name == "text" {
        for row in &family.rows {
            let lines: Vec<_> = family.works().into_iter().map(|work| (work, work, row)).collect();
            table(md, family, &format!("{}, {}", row.title, row.unit.name()), &lines)?;
            embed(md, &plot::file_name(family, row.id), plot::of_row(family, row).is_some())?;
        }
        return Ok(());
    }
    for work in family.works() {
        let titles: Vec<_> =
            family.rows.iter().map(|row| format!("{}, {}", row.title, row.unit.name())).collect();
        let lines: Vec<_> =
            titles.iter().zip(&family.rows).map(|(title, row)| (title.as_str(), work, row)).collect();
        table(md, family, work, &lines)?;
        embed(md, &plot::file_name(family, work), plot::of_work(family, work).is_some())?;
    }
    Ok(())
}

fn embed(md: &mut String, plot: &str, exists: bool) -> std::fmt::Result {
    if exists { writeln!(md, "\n![plot]({plot})") } else { Ok(()) }
}

/// One table; each line has a title, a piece of work and a row.
fn table(md: &mut String, family: &Family, title: &str, lines: &[(&str, &str, &Row)]) -> std::fmt::Result {
    let figure = |peer: &Peer, work, row: &Row| family.cell(work, peer).and_then(|cell| cell.figure(row.id));
    let has = |peer: &&Peer| lines.iter().any(|(_, work, row)| figure(peer, work, row).is_some());
    let shown: Vec<&Peer> = family.peers.iter().filter(has).collect();
    if shown.is_empty() {
        return Ok(());
    }
    write!(md, "\n## {title}\n\n|  |")?;
    for peer in &shown {
        let name = peer.name;
        if peer.rank == Rank::Limit { write!(md, " *{name}* |")? } else { write!(md, " {name} |")? }
    }
    write!(md, "\n|---|{}\n", "---:|".repeat(shown.len()))?;
    for (title, work, row) in lines {
        if !shown.iter().any(|peer| figure(peer, work, row).is_some()) {
            continue;
        }
        let best = best_rival(family, work, row).map(|(peer, _)| peer.name);
        write!(md, "| {title} |")?;
        for peer in &shown {
            match figure(peer, work, row) {
                Some(figure) => {
                    write!(md, " {} |", shown_figure(&figure, row.unit, best == Some(peer.name)))?
                }
                None => write!(md, " – |")?,
            }
        }
        writeln!(md)?;
    }
    Ok(())
}

fn shown_figure(figure: &Figure, unit: Unit, best: bool) -> String {
    let mut text = number(figure.value, unit);
    if figure.scaled {
        text.insert_str(0, "≈ ");
    }
    if best {
        text = format!("**{text}**");
    }
    if !figure.format.is_empty() {
        text = format!("{text} ({})", figure.format);
    }
    // What is exact is measured once.
    if figure.runs < 5 && !matches!(unit, Unit::Bytes | Unit::Count | Unit::Instructions) {
        text = format!("{text} <sub>{}</sub>", figure.runs);
    }
    text
}

fn failures(md: &mut String, family: &Family) -> std::fmt::Result {
    let failed: Vec<_> = family.cells.iter().filter_map(|c| Some((c, c.failed.as_ref()?))).collect();
    if failed.is_empty() {
        return writeln!(md, "\nEvery peer ended in the right state everywhere.");
    }
    writeln!(md, "\n## What did not end well\n")?;
    for (cell, why) in failed {
        writeln!(md, "- {} on {}: {why}", cell.peer.name, cell.work)?;
    }
    Ok(())
}

fn figures(csv: &mut String, family: &Family) -> std::fmt::Result {
    for cell in &family.cells {
        for ((id, format), values) in &cell.values {
            let unit = family.rows.iter().find(|row| row.id == id).map_or("", |row| row.unit.name());
            let sorted = values.sorted();
            let (min, max) = (sorted.first().unwrap_or(&0.0), sorted.last().unwrap_or(&0.0));
            writeln!(
                csv,
                "{},{},{id},{unit},{},{format},{},{min},{max},{},{}",
                family.name,
                cell.work,
                cell.peer.name,
                values.median(),
                values.values.len(),
                values.scaled
            )?;
        }
    }
    Ok(())
}
