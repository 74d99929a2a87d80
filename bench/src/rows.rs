//! The rows: what each figure means, in which unit, and what it is to reach.

/// Who is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) rank: Rank,
}

/// Whom the goals are measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    Ours,
    Rival,
    /// A rival, but not where it is about history, which it does not keep.
    Forgets,
    /// Does less than asked: shows what is possible at all, and is no rival.
    Limit,
}

/// What a value counts. Less is better in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Ms,
    Us,
    Ns,
    Bytes,
    Count,
    Instructions,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Ms => "ms",
            Unit::Us => "µs",
            Unit::Ns => "ns",
            Unit::Bytes => "bytes",
            Unit::Count => "count",
            Unit::Instructions => "million instructions",
        }
    }
}

/// What a row is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// Shown only.
    None,
    /// At most so many times the best rival.
    Ratio(f64),
    /// At most so many times the best rival, and at most so many times the best limit.
    RatioAndLimit(f64, f64),
    /// At most so much, in the row's unit, and not more than the best rival.
    Most(f64),
}

/// One row of the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    pub(crate) goal: Goal,
    /// Whether it is about history, so that those who forget are no rivals in it.
    pub(crate) history: bool,
}

impl Row {
    /// The same row in instructions, of the whole stretch that is timed; `None` where nothing is timed.
    pub(crate) fn in_instructions(self) -> Option<Row> {
        let goal = match self.goal {
            Goal::Most(_) => Goal::Ratio(1.0),
            goal => goal,
        };
        let timed = matches!(self.unit, Unit::Ms | Unit::Us | Unit::Ns);
        timed.then_some(Row { unit: Unit::Instructions, goal, ..self })
    }
}

const fn row(id: &'static str, title: &'static str, unit: Unit, goal: Goal) -> Row {
    Row { id, title, unit, goal, history: false }
}

const fn of_history(row: Row) -> Row {
    Row { history: true, ..row }
}

/// The rows of text.
pub(crate) const TEXT: &[Row] = &[
    row("local", "Local editing, one transaction at a time", Unit::Ms, Goal::RatioAndLimit(0.8, 2.0)),
    row("messages", "Local editing, each transaction encoded as a message", Unit::Ms, Goal::Ratio(0.8)),
    row("message-bytes", "One such message, on average", Unit::Bytes, Goal::None),
    row("apply", "All messages applied one by one, then the text read", Unit::Ms, Goal::Ratio(0.8)),
    row("apply-last-1000", "The last 1,000 messages applied at full size", Unit::Ms, Goal::Ratio(0.8)),
    row("session", "Recorded session, one replica for each author", Unit::Ms, Goal::Ratio(0.7)),
    row(
        "merge-branch",
        "The other branches merged, one message into a live replica",
        Unit::Ms,
        Goal::Ratio(0.7),
    ),
    row(
        "merge-1000-messages",
        "1,000 messages of another branch into a live replica",
        Unit::Ms,
        Goal::Ratio(0.7),
    ),
    of_history(row(
        "blob",
        "Whole history applied from one blob, then the text read",
        Unit::Ms,
        Goal::Ratio(0.8),
    )),
    row("load", "Loaded with all history, to readable text", Unit::Ms, Goal::Ratio(1.0)),
    row("load-trimmed", "Loaded without history, to readable text", Unit::Ms, Goal::Ratio(1.0)),
    of_history(row("size", "Stored size with all history", Unit::Bytes, Goal::Ratio(0.9))),
    row("size-trimmed", "Stored size without history", Unit::Bytes, Goal::None),
    of_history(row("memory-edited", "Memory after local editing", Unit::Bytes, Goal::Ratio(0.8))),
    row("allocations-edited", "Allocations made by local editing", Unit::Count, Goal::None),
    of_history(row(
        "memory-loaded",
        "Memory after loading with all history and reading",
        Unit::Bytes,
        Goal::Ratio(0.8),
    )),
    row("memory-loaded-trimmed", "Memory after loading without history and reading", Unit::Bytes, Goal::None),
];

/// The rows of the other types.
pub(crate) const TYPES: &[Row] = &[
    row("create", "Created", Unit::Ms, Goal::Ratio(1.0)),
    row("add", "Adding one", Unit::Ns, Goal::Ratio(1.0)),
    row("remove", "Removing one", Unit::Ns, Goal::Ratio(1.0)),
    row("put", "Putting one, all in one transaction", Unit::Ns, Goal::Ratio(1.0)),
    row("put-txn", "Putting one, a transaction each", Unit::Ns, Goal::Ratio(1.0)),
    row("read", "Reading the sum", Unit::Ns, Goal::Ratio(1.0)),
    row("merge", "Merging two replicas that diverged by half", Unit::Us, Goal::Ratio(1.0)),
    row("difference", "Difference of one change, made", Unit::Us, Goal::Most(10.0)),
    row("apply-one", "Difference of one change, taken in", Unit::Us, Goal::Ratio(1.0)),
    row("difference-bytes", "Difference of one change", Unit::Bytes, Goal::Most(64.0)),
    row("edit-delta", "One edit and its difference, in each", Unit::Ms, Goal::Ratio(1.0)),
    row("move", "One concurrent move taken in", Unit::Us, Goal::Most(10.0)),
    row("save", "Saved", Unit::Ms, Goal::Ratio(1.0)),
    row("load", "Loaded", Unit::Ms, Goal::Ratio(1.0)),
    row("size", "Saved size", Unit::Bytes, Goal::Ratio(1.0)),
    row("memory", "Memory after loading", Unit::Bytes, Goal::Ratio(1.0)),
];
