//! Ours against the best rival of each row, and whether that reaches the goal.

use std::fmt::Write;

use crate::report::{Family, Figure, number};
use crate::rows::{Goal, Peer, Rank, Row, Unit};

/// The rival with the best figure.
pub(crate) fn best_rival(family: &Family, work: &str, row: &Row) -> Option<(Peer, Figure)> {
    let rival = |rank| rank == Rank::Rival || (rank == Rank::Forgets && !row.history);
    let mut figures = family.figures(work, row, rival);
    figures.sort_by(|a, b| a.1.value.total_cmp(&b.1.value));
    figures.into_iter().next()
}

pub(crate) fn write(md: &mut String, family: &Family) -> std::fmt::Result {
    let rows = || family.rows.iter().filter(|row| row.goal != Goal::None);
    let verdicts = |row: &Row| {
        let of_work = |work| Some((work, verdict(family, work, row)?));
        family.works().into_iter().filter_map(of_work).collect::<Vec<(&str, Verdict)>>()
    };
    writeln!(
        md,
        "\n## Goals\n\n| row | goal | reached | ratio to the best rival, from – to |\n|---|---:|---:|---|"
    )?;
    let (mut reached, mut all) = (0, 0);
    for row in rows() {
        let verdicts = verdicts(row);
        if verdicts.is_empty() {
            continue;
        }
        let here = verdicts.iter().filter(|(_, verdict)| verdict.reached).count();
        (reached, all) = (reached + here, all + verdicts.len());
        let mut ratios: Vec<f64> = verdicts.iter().filter_map(|(_, verdict)| verdict.ratio()).collect();
        ratios.sort_by(f64::total_cmp);
        let span = match ratios.as_slice() {
            [] => "not made".to_owned(),
            [one] => format!("{one:.2}"),
            [first, .., last] => format!("{first:.2} – {last:.2}"),
        };
        writeln!(
            md,
            "| {} | {} | {here} of {} | {span} |",
            row.title,
            row.goal.show(row.unit),
            verdicts.len()
        )?;
    }
    writeln!(md, "\n{reached} of {all} reached.")?;
    writeln!(md, "\n| row | work | ours | best rival | ratio | goal | |\n|---|---|---:|---:|---:|---:|---|")?;
    for row in rows() {
        for (work, verdict) in verdicts(row) {
            verdict.write(md, work, row)?;
        }
    }
    Ok(())
}

impl Goal {
    fn show(self, unit: Unit) -> String {
        match self {
            Goal::None => "–".to_owned(),
            Goal::Ratio(factor) => format!("{factor:.1}"),
            Goal::RatioAndLimit(factor, of_limit) => format!("{factor:.1}; {of_limit:.0} of the rope"),
            Goal::Most(most) => format!("{} {}", number(most, unit), unit.name()),
        }
    }
}

struct Verdict {
    ours: Option<Figure>,
    rival: Option<(Peer, Figure)>,
    limit: Option<f64>,
    reached: bool,
}

fn verdict(family: &Family, work: &str, row: &Row) -> Option<Verdict> {
    // Where this library has two forms, the worse one counts.
    let ours = family.figures(work, row, |rank| rank == Rank::Ours).into_iter().map(|(_, figure)| figure);
    let ours = ours.max_by(|a, b| a.value.total_cmp(&b.value));
    let rival = best_rival(family, work, row);
    if ours.is_none() && rival.is_none() {
        return None;
    }
    let limits = family.figures(work, row, |rank| rank == Rank::Limit);
    let limit = limits.iter().map(|(_, figure)| figure.value).min_by(f64::total_cmp);
    let within = |factor: f64, bound: Option<f64>| match (&ours, bound) {
        (Some(ours), Some(bound)) => !ours.scaled && ours.value <= factor * bound,
        // With no rival, as when all of them were stopped, nothing was shown.
        _ => false,
    };
    let best = rival.as_ref().map(|(_, figure)| figure.value);
    let reached = match row.goal {
        Goal::None => true,
        Goal::Ratio(factor) => within(factor, best),
        Goal::RatioAndLimit(factor, of_limit) => within(factor, best) && within(of_limit, limit),
        Goal::Most(most) => within(1.0, Some(most)) && within(1.0, best),
    };
    Some(Verdict { ours, rival, limit, reached })
}

impl Verdict {
    fn ratio(&self) -> Option<f64> {
        Some(self.ours.as_ref()?.value / self.rival.as_ref()?.1.value)
    }

    fn write(&self, md: &mut String, work: &str, row: &Row) -> std::fmt::Result {
        let ours = self.ours.as_ref().map_or("not made".to_owned(), |f| number(f.value, row.unit));
        let rival = self.rival.as_ref().map_or("–".to_owned(), |(peer, figure)| {
            format!("{} ({})", number(figure.value, row.unit), peer.name)
        });
        let mut ratio = self.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        if let (Goal::RatioAndLimit(..), Some(ours), Some(limit)) = (row.goal, &self.ours, self.limit) {
            write!(ratio, "; {:.1} of the rope", ours.value / limit)?;
        }
        let (goal, verdict) =
            (row.goal.show(row.unit), if self.reached { "reached" } else { "**not reached**" });
        writeln!(md, "| {} | {work} | {ours} | {rival} | {ratio} | {goal} | {verdict} |", row.id)
    }
}
