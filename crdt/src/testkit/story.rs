//! [`Story`]: a run, told: as text, picture, replay and test.

use std::fmt;

use super::law::Law;
use super::picture;
use super::schedule::Schedule;
use super::trace::Trace;

/// A run to look at: usually the smallest schedule that breaks a law. `Display` draws it as text.
#[derive(Clone, Debug)]
pub struct Story {
    pub(super) schedule: Schedule,
    /// How many steps it had when it was found.
    pub(super) from: usize,
    pub(super) trace: Trace,
}

/// A text that is no replay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BadReplay;

messages! { BadReplay {
    BadReplay => "not a replay: it is a line `{VERSION}` and bytes in hexadecimal; lines that begin with # are left out",
} }

/// How a replay begins.
const VERSION: &str = "crdt-fuzz/1";

impl Story {
    /// The law that does not hold; none in a picture of a run where all do.
    pub fn law(&self) -> Option<Law> {
        self.trace.broken.as_ref().map(|broken| broken.law)
    }

    /// The law's name, or `holds`.
    pub fn outcome(&self) -> &'static str {
        self.law().map_or("holds", Law::name)
    }

    /// What was compared, and what each side showed.
    pub fn sides(&self) -> &[(String, String)] {
        self.trace.broken.as_ref().map_or(&[], |broken| &broken.sides)
    }

    /// The schedule.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many steps the schedule had before it was made small.
    pub fn found_with(&self) -> usize {
        self.from
    }

    /// A line that [`Kit::replay`](super::Kit::replay) plays again, on any machine.
    pub fn replay(&self) -> String {
        let steps = self.schedule.to_bytes();
        let steps =
            steps.chunks(8).map(|step| step.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        format!("{VERSION} {}", steps.collect::<Vec<_>>().join(" "))
    }

    /// A test that plays it; `kit` is how the kit is made, as source text.
    pub fn regression_test(&self, name: &str, kit: &str) -> String {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let law = self.outcome().replace('-', "_");
        format!(
            "/// {}.\n#[test]\nfn {name}_{law}() {{\n    let kit = {kit};\n    kit.replay(\"{}\").unwrap();\n}}\n",
            self.law().map_or("every law holds", Law::broken),
            self.replay()
        )
    }

    /// A space-time diagram: replicas as lines, messages as arrows, faults as marks. Light and dark.
    pub fn svg(&self) -> String {
        picture::svg::draw(&self.trace)
    }

    /// A page with the diagram, what differs, and how to play it again.
    pub fn html(&self, title: &str) -> String {
        picture::html::page(self, title)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(law) = self.law() {
            writeln!(f, "law broken: {law}: {}", law.broken())?;
            writeln!(f, "found with {} steps, made small to {}\n", self.from, self.schedule.steps.len())?;
        }
        f.write_str(&picture::text::draw(&self.trace))?;
        writeln!(f, "\nreplay: {}", self.replay())
    }
}

/// Reads what [`Story::replay`] wrote.
pub(super) fn parse(text: &str) -> Result<Schedule, BadReplay> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let (version, words) = words.split_first().ok_or(BadReplay)?;
    if *version != VERSION {
        return Err(BadReplay);
    }
    let digits = words.concat();
    let digits = digits.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(16) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(BadReplay);
    }
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default() as u8;
    let bytes: Vec<u8> = digits.chunks(2).map(|two| two.iter().fold(0, |n, c| n << 4 | digit(*c))).collect();
    Ok(Schedule::from_bytes(&bytes))
}
