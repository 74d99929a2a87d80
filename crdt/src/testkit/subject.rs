//! [`Subject`]: a kit with a name, whatever its type, so that a command line can hold many.

use std::fmt;

use super::exhaustive::Exhausted;
use super::kit::{Kit, ReplayError, Report};
use super::model::Model;
use super::schedule::Schedule;
use super::story::Story;

/// A named kit: what [`cli`](super::cli()) lists and plays.
///
/// ```
/// use crdt::replica::Replica;
/// use crdt::set::AwSet;
/// use crdt::testkit::{Kit, Subject};
///
/// let set = Subject::new("aw-set", "add wins", Kit::<Replica<AwSet<u8>>>::new().deltas());
/// assert!(set.run_while(1, &mut |report| report.schedules < 50).failure.is_none());
/// ```
pub struct Subject {
    name: &'static str,
    about: &'static str,
    wrong: bool,
    kit: Box<dyn Play>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).field("wrong", &self.wrong).finish()
    }
}

/// What of a kit does not depend on its type.
trait Play {
    fn run_while(&self, seed: u64, more: &mut dyn FnMut(&Report) -> bool) -> Report;
    fn check(&self, schedule: Schedule) -> Result<(), Box<Story>>;
    fn replay(&self, text: &str) -> Result<(), ReplayError>;
    fn draw(&self, schedule: Schedule) -> Story;
    fn exhaustive(&self, scope: [u8; 3], more: &mut dyn FnMut(u64) -> bool) -> Exhausted;
    fn type_name(&self) -> &'static str;
}

impl<T: Model + 'static> Play for Kit<T> {
    fn run_while(&self, seed: u64, more: &mut dyn FnMut(&Report) -> bool) -> Report {
        Kit::run_while(self, seed, more)
    }

    fn check(&self, schedule: Schedule) -> Result<(), Box<Story>> {
        self.check_schedule(schedule)
    }

    fn replay(&self, text: &str) -> Result<(), ReplayError> {
        Kit::replay(self, text)
    }

    fn draw(&self, schedule: Schedule) -> Story {
        Kit::draw(self, schedule)
    }

    fn exhaustive(
        &self,
        [replicas, edits, commands]: [u8; 3],
        more: &mut dyn FnMut(u64) -> bool,
    ) -> Exhausted {
        self.exhaustive_while(replicas, edits, commands, more)
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }
}

impl Subject {
    /// A kit with a name and a line about it.
    pub fn new<T: Model + 'static>(name: &'static str, about: &'static str, kit: Kit<T>) -> Self {
        Subject { name, about, wrong: false, kit: Box::new(kit) }
    }

    /// One that is known to be wrong: to find nothing is the failure.
    pub fn wrong<T: Model + 'static>(name: &'static str, mistake: &'static str, kit: Kit<T>) -> Self {
        Subject { wrong: true, ..Self::new(name, mistake, kit) }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A line about it; for a wrong one, its mistake.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Whether it is known to be wrong.
    pub fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// The type under test.
    pub fn type_name(&self) -> &'static str {
        self.kit.type_name()
    }

    /// [`Kit::run_while`]
    pub fn run_while(&self, seed: u64, more: &mut dyn FnMut(&Report) -> bool) -> Report {
        self.kit.run_while(seed, more)
    }

    /// [`Kit::check_schedule`]
    ///
    /// # Errors
    /// A law does not hold; the schedule is made small.
    pub fn check_schedule(&self, schedule: Schedule) -> Result<(), Box<Story>> {
        self.kit.check(schedule)
    }

    /// [`Kit::check`]
    ///
    /// # Errors
    /// A law does not hold; the schedule is made small.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Box<Story>> {
        self.kit.check(Schedule::from_bytes(bytes))
    }

    /// [`Kit::replay`]
    ///
    /// # Errors
    /// The text is no replay, or a law does not hold.
    pub fn replay(&self, text: &str) -> Result<(), ReplayError> {
        self.kit.replay(text)
    }

    /// [`Kit::draw`]
    pub fn draw(&self, schedule: Schedule) -> Story {
        self.kit.draw(schedule)
    }

    /// [`Kit::exhaustive_while`]: replicas, edits of each, commands.
    pub fn exhaustive_while(&self, scope: [u8; 3], more: &mut dyn FnMut(u64) -> bool) -> Exhausted {
        self.kit.exhaustive(scope, more)
    }
}
