//! [`Trace`]: what happened in one run, for a picture of it.

use super::law::Broken;
use super::schedule::Form;

/// One thing that happened, and what the replica showed after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    Edit {
        at: u8,
        label: String,
        view: String,
    },
    Sync {
        from: u8,
        to: u8,
        form: Form,
        view: String,
    },
    Send {
        from: u8,
        to: u8,
        form: Form,
        number: usize,
    },
    Arrive {
        from: u8,
        to: u8,
        form: Form,
        number: usize,
        again: bool,
        view: String,
    },
    Lost {
        from: u8,
        to: u8,
        number: usize,
    },
    Cut {
        sides: u8,
    },
    Heal,
    Restart {
        at: u8,
    },
    Save {
        at: u8,
    },
    Rollback {
        at: u8,
        view: String,
    },
    Copy {
        at: u8,
        of: u8,
    },
    Skew {
        at: u8,
        ms: i16,
    },
    Join {
        at: u8,
    },
    /// From here on there are no faults: everyone exchanges.
    Settle,
}

/// What happened in one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trace {
    pub(super) replicas: u8,
    pub(super) marks: Vec<Mark>,
    /// What each replica showed at the end, and the numbers of the edits it knew.
    pub(super) ends: Vec<(String, Vec<usize>)>,
    pub(super) broken: Option<Broken>,
}

impl Trace {
    pub(super) fn new(replicas: u8) -> Self {
        Trace { replicas, marks: Vec::new(), ends: Vec::new(), broken: None }
    }
}
