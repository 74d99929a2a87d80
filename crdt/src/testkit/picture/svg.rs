//! A run as a space-time diagram: replicas are lines from left to right, messages are arrows.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::law::letter;
use super::super::trace::{Mark, Trace};
use super::{fit, sides};

/// Between two replicas' lines.
const ROW: f64 = 96.0;
/// Above the first line.
const TOP: f64 = 74.0;
/// Where time begins.
const LEFT: f64 = 56.0;
/// How wide a character is.
const CHAR: f64 = 7.3;
/// The longest label.
const LONGEST: usize = 26;

const STYLE: &str = "
svg{font:12px ui-monospace,SFMono-Regular,Menlo,monospace;--back:#fff;--line:#8a949e;--ink:#1b1f24;--soft:#69737d;--edit:#0b62c4;--msg:#6f42c1;--fault:#b35900;--bad:#c4242b;--tint:#b3590014}
@media(prefers-color-scheme:dark){svg{--back:#14171b;--line:#626c76;--ink:#e6e9ed;--soft:#9aa4af;--edit:#6cb1ff;--msg:#c2a3ff;--fault:#f0a35e;--bad:#ff7b72;--tint:#f0a35e1c}}
.back{fill:var(--back)}.life{stroke:var(--line);stroke-width:2}.name{font:bold 15px system-ui,sans-serif;fill:var(--ink)}
.edit{fill:var(--edit)}.did{fill:var(--edit);font-weight:600}.view{fill:var(--soft)}
.msg{stroke:var(--msg);stroke-width:1.6;fill:none}.again{stroke-dasharray:5 4}.form{fill:var(--msg);font-size:10.5px}
.head{fill:var(--msg)}.fault{fill:var(--fault)}.cross{stroke:var(--fault);stroke-width:2.4}.cut{fill:var(--tint)}
.rule{stroke:var(--fault);stroke-dasharray:3 4}.end{fill:var(--ink)}.bad{fill:var(--bad);font-weight:700}
.law{font:bold 14px system-ui,sans-serif;fill:var(--bad)}";

/// What is safe to stand between tags.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c if c.is_control() && c != '\n' => out.push('·'),
            c => out.push(c),
        }
    }
    out
}

fn width(label: &str) -> f64 {
    label.chars().count() as f64 * CHAR
}

#[derive(Clone, Copy)]
struct Sent {
    x: f64,
    from: u8,
    to: u8,
    came: bool,
}

struct Canvas {
    body: String,
    under: String,
    /// Where the next mark may stand.
    x: f64,
    rows: usize,
    /// For each replica, where its last label above and below its line ends.
    free: Vec<[f64; 2]>,
    views: Vec<String>,
    here: Vec<bool>,
    /// Messages: where they left from and for whom, and whether they came.
    sent: BTreeMap<usize, Sent>,
    cut_from: Option<(f64, u8)>,
}

pub(in super::super) fn draw(trace: &Trace) -> String {
    let rows = usize::from(trace.replicas);
    let mut here = vec![true; rows];
    for mark in &trace.marks {
        if let Mark::Join { at } = mark {
            here[usize::from(*at)] = false;
        }
    }
    let mut canvas = Canvas {
        body: String::new(),
        under: String::new(),
        x: LEFT + 30.0,
        rows,
        free: vec![[0.0; 2]; rows],
        views: vec![String::new(); rows],
        here,
        sent: BTreeMap::new(),
        cut_from: None,
    };
    for at in 0..rows {
        canvas.text(LEFT - 36.0, y(at) + 5.0, "name", &letter(at as u8).to_string());
    }
    let mut from: Vec<f64> = canvas.here.iter().map(|here| if *here { LEFT - 10.0 } else { -1.0 }).collect();
    for mark in &trace.marks {
        canvas.mark(mark);
        if let Mark::Join { at } = mark {
            from[usize::from(*at)] = canvas.x - 40.0;
        }
    }
    canvas.finish(trace, &from)
}

fn y(at: usize) -> f64 {
    TOP + ROW * at as f64
}

impl Canvas {
    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let _ =
            write!(self.body, "<text x=\"{x:.0}\" y=\"{y:.0}\" class=\"{class}\">{}</text>", escape(text));
    }

    fn circle(&mut self, x: f64, y: f64, r: f64, class: &str) {
        let _ = write!(self.body, "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"{r}\" class=\"{class}\"/>");
    }

    /// Moves on until labels of these widths fit above and below a replica's line.
    fn room(&mut self, at: usize) -> f64 {
        let [above, below] = self.free[at];
        self.x = self.x.max(above).max(below);
        self.x
    }

    /// A label above the line, and the new view below it.
    fn label(&mut self, at: usize, class: &str, label: &str) {
        let label = fit(label, LONGEST);
        self.text(self.x - 6.0, y(at) - 13.0, class, &label);
        self.free[at][0] = self.x + width(&label) + 8.0;
    }

    fn view(&mut self, at: usize, x: f64, view: &str) {
        if self.views[at] == view {
            return;
        }
        view.clone_into(&mut self.views[at]);
        let view = fit(view, LONGEST);
        self.text(x - 6.0, y(at) + 22.0, "view", &view);
        self.free[at][1] = x + width(&view) + 8.0;
    }

    fn sign(&mut self, at: u8, sign: &str, label: &str) {
        let at = usize::from(at);
        let x = self.room(at);
        let _ = write!(
            self.body,
            "<text x=\"{x:.0}\" y=\"{:.0}\" class=\"fault\" text-anchor=\"middle\" font-size=\"17\">{sign}</text>",
            y(at) + 6.0
        );
        self.label(at, "fault", label);
        self.x += 40.0;
    }

    fn arrow(&mut self, (x1, from): (f64, u8), (x2, to): (f64, u8), label: &str, again: bool) {
        let (from, to) = (usize::from(from), usize::from(to));
        let (y1, y2) = (y(from), y(to));
        let (dx, dy) = (x2 - x1, y2 - y1);
        let long = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / long, dy / long);
        let (ex, ey) = (x2 - ux * 3.0, y2 - uy * 3.0);
        let class = if again { "msg again" } else { "msg" };
        let _ = write!(
            self.body,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{ex:.1}\" y2=\"{ey:.1}\" class=\"{class}\"/>\
             <path class=\"head\" d=\"M{ex:.1} {ey:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
            ex - ux * 10.0 - uy * 4.0,
            ey - uy * 10.0 + ux * 4.0,
            ex - ux * 10.0 + uy * 4.0,
            ey - uy * 10.0 - ux * 4.0,
        );
        // Near its start, so that labels of arrows to one place do not meet.
        self.text(x1 + dx * 0.4 + 8.0, y1 + dy * 0.4 + 4.0, "form", label);
    }

    fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Edit { at, label, view } => {
                let at = usize::from(*at);
                let x = self.room(at);
                self.circle(x, y(at), 5.0, "edit");
                self.label(at, "did", label);
                self.view(at, x, view);
                self.x += 44.0;
            }
            Mark::Sync { from, to, form, view } => {
                let [_, below] = self.free[usize::from(*to)];
                let x = self.x.max(below - 26.0);
                self.arrow((x, *from), (x + 26.0, *to), &form.to_string(), false);
                self.view(usize::from(*to), x + 26.0, view);
                self.x = x + 56.0;
            }
            Mark::Send { from, to, number, .. } => {
                self.circle(self.x, y(usize::from(*from)), 3.0, "head");
                self.text(self.x + 5.0, y(usize::from(*from)) - 5.0, "form", &format!("#{number}"));
                self.sent.insert(*number, Sent { x: self.x, from: *from, to: *to, came: false });
                self.x += 26.0;
            }
            Mark::Arrive { to, form, number, again, view, .. } => {
                let [_, below] = self.free[usize::from(*to)];
                let x = self.x.max(below);
                if let Some(sent) = self.sent.get_mut(number) {
                    sent.came = true;
                    let start = (sent.x, sent.from);
                    self.arrow(start, (x, *to), &format!("#{number} {form}"), *again);
                }
                self.view(usize::from(*to), x, view);
                self.x = x + 40.0;
            }
            Mark::Lost { number, .. } => {
                if let Some(sent) = self.sent.remove(number) {
                    self.stop(sent, self.x, &format!("#{number} lost"));
                }
                self.x += 30.0;
            }
            Mark::Cut { sides } => {
                self.close_cut();
                self.cut_from = Some((self.x, *sides));
                self.x += 36.0;
            }
            Mark::Heal => {
                self.close_cut();
                self.x += 20.0;
            }
            Mark::Settle => {
                self.close_cut();
                self.x = self.free.iter().map(|[above, _]| *above).fold(self.x, f64::max);
                let _ = write!(
                    self.under,
                    "<line x1=\"{0:.0}\" y1=\"26\" x2=\"{0:.0}\" y2=\"{1:.0}\" class=\"rule\"/>",
                    self.x,
                    y(self.rows) - 50.0
                );
                self.text(self.x + 4.0, 22.0, "fault", "faults end, all exchange");
                self.x += 40.0;
            }
            Mark::Restart { at } => self.sign(*at, "↻", "starts again"),
            Mark::Save { at } => self.sign(*at, "▣", "backup"),
            Mark::Rollback { at, view } => {
                let x = self.x;
                self.sign(*at, "⟲", "old backup");
                self.view(usize::from(*at), x, view);
            }
            Mark::Copy { at, of } => self.sign(*at, "⧉", &format!("copy of {}", letter(*of))),
            Mark::Skew { at, ms } => self.sign(*at, "◷", &format!("clock {ms:+} ms")),
            Mark::Join { at } => self.sign(*at, "┠", "comes"),
        }
    }

    /// A message that ends nowhere.
    fn stop(&mut self, sent: Sent, x2: f64, label: &str) {
        let (x1, y1, to) = (sent.x, y(usize::from(sent.from)), y(usize::from(sent.to)));
        let y2 = y1 + (to - y1).clamp(-ROW, ROW) * 0.6;
        let _ = write!(
            self.body,
            "<line x1=\"{x1:.0}\" y1=\"{y1:.0}\" x2=\"{x2:.0}\" y2=\"{y2:.0}\" class=\"msg\"/>\
             <path class=\"cross\" d=\"M{0:.0} {1:.0}l12 12m0 -12l-12 12\"/>",
            x2 - 6.0,
            y2 - 6.0
        );
        self.text(x2 + 9.0, y2 + 4.0, "form", label);
    }

    fn close_cut(&mut self) {
        if let Some((from, cut)) = self.cut_from.take() {
            let _ = write!(
                self.under,
                "<rect x=\"{from:.0}\" y=\"30\" width=\"{:.0}\" height=\"{:.0}\" class=\"cut\"/>",
                (self.x - from).max(30.0),
                y(self.rows) - 80.0
            );
            let label = sides(self.rows as u8, cut);
            self.text(from + 4.0, 44.0, "fault", &format!("cut: {label}"));
        }
    }

    fn finish(mut self, trace: &Trace, from: &[f64]) -> String {
        self.close_cut();
        for (number, sent) in self.sent.clone().into_iter().filter(|(_, sent)| !sent.came) {
            self.stop(sent, sent.x + 18.0, &format!("#{number} never came"));
        }
        let labels = self.free.iter().flatten().fold(self.x, |x, free| x.max(*free));
        let end = labels + 6.0;
        let mut right = end + 40.0;
        let broken = trace.broken.as_ref();
        for (at, x) in from.iter().enumerate() {
            let x = if *x < 0.0 { end - 20.0 } else { *x };
            let _ = write!(
                self.under,
                "<line x1=\"{x:.0}\" y1=\"{0:.0}\" x2=\"{end:.0}\" y2=\"{0:.0}\" class=\"life\"/>",
                y(at)
            );
            if let Some((view, _)) = trace.ends.get(at) {
                let bad = broken.is_some_and(|broken| broken.at.contains(&(at as u8)));
                let view = fit(view, 40);
                right = right.max(end + 24.0 + width(&view));
                self.text(end + 10.0, y(at) + 4.0, if bad { "bad" } else { "end" }, &view);
            }
        }
        let mut bottom = y(self.rows) - 34.0;
        if let Some(broken) = broken {
            self.text(LEFT - 36.0, bottom, "law", &format!("{}: {}", broken.law, broken.law.broken()));
            right = right.max(LEFT + width(broken.law.broken()) * 1.5);
            for (label, value) in &broken.sides {
                bottom += 20.0;
                let said = format!("{label}: {}", fit(value, 90));
                right = right.max(LEFT + width(&said));
                self.text(LEFT - 20.0, bottom, "bad", &said);
            }
            bottom += 20.0;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {right:.0} {bottom:.0}\" width=\"{right:.0}\" \
             height=\"{bottom:.0}\" role=\"img\"><title>{}</title><style>{STYLE}</style>\
             <rect class=\"back\" width=\"100%\" height=\"100%\"/>{}{}</svg>\n",
            escape(broken.map_or("a run", |broken| broken.law.broken())),
            self.under,
            self.body
        )
    }
}
