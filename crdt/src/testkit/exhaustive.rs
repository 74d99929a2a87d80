//! Every schedule of a small scope, without luck.
//!
//! Most mistakes show with three replicas and a few edits; there, counting is better than chance.

use super::kit::Kit;
use super::model::Model;
use super::schedule::{Form, Schedule, Step};
use super::sim::Topology;
use super::story::Story;

/// What was counted.
#[derive(Clone, Default, Debug)]
pub struct Exhausted {
    /// Schedules played: every one of the scope, or those before the failure.
    pub schedules: u64,
    /// A schedule that breaks a law, made small.
    pub failure: Option<Box<Story>>,
}

impl<T: Model + 'static> Kit<T> {
    /// Plays every schedule in which each of `replicas` (2 to 8) makes `edits` edits, each of `commands` commands
    /// (those of [`Model::command`] with the first byte 0, 1, 2 …), in every order, and before each edit takes the
    /// state of no other or of one other replica, if that has anything new. All exchange everything at the end.
    ///
    /// The count grows fast: with 2 commands, 2 replicas and 3 edits tens of thousands, 3 and 2 about a million.
    pub fn exhaustive(&self, replicas: u8, edits: u8, commands: u8) -> Exhausted {
        self.exhaustive_while(replicas, edits, commands, |_| true)
    }

    /// Like [`exhaustive`](Self::exhaustive), for as long as the caller says.
    pub fn exhaustive_while(
        &self,
        replicas: u8,
        edits: u8,
        commands: u8,
        mut more: impl FnMut(u64) -> bool,
    ) -> Exhausted {
        let replicas = replicas.clamp(2, Schedule::MAX_REPLICAS);
        let schedule = Schedule {
            replicas,
            topology: Topology::Mesh,
            graph_seed: 0,
            late: 0,
            form: Form::State,
            steps: Vec::new(),
        };
        let mut left = vec![edits; usize::from(replicas)];
        let play = |schedule: &Schedule| self.check_schedule(schedule.clone()).err();
        let mut search =
            Search { play: &play, schedule, commands, done: Exhausted::default(), more: &mut more };
        search.next(&mut left, &vec![vec![0; usize::from(replicas)]; usize::from(replicas)]);
        search.done
    }
}

/// Knows no type under test, so that it is compiled once and not for each.
struct Search<'a> {
    play: &'a dyn Fn(&Schedule) -> Option<Box<Story>>,
    schedule: Schedule,
    commands: u8,
    done: Exhausted,
    more: &'a mut dyn FnMut(u64) -> bool,
}

impl Search<'_> {
    /// Goes on from here: `left` edits for each replica; `knows[r]` is how many of each one's edits `r` knows.
    fn next(&mut self, left: &mut [u8], knows: &[Vec<u8>]) {
        if self.done.failure.is_some() || !(self.more)(self.done.schedules) {
            return;
        }
        if left.iter().all(|n| *n == 0) {
            self.done.schedules += 1;
            self.done.failure = (self.play)(&self.schedule);
            return;
        }
        for at in 0..left.len() {
            // Replicas are alike until they edit: the first edit is A's, the first of another is B's.
            let fresh = knows.iter().enumerate().position(|(r, known)| known[r] == 0);
            if left[at] == 0 || knows[at][at] == 0 && fresh != Some(at) {
                continue;
            }
            left[at] -= 1;
            for from in std::iter::once(None).chain((0..left.len()).map(Some)) {
                self.edit_after(at, from, left, knows);
            }
            left[at] += 1;
        }
    }

    fn edit_after(&mut self, at: usize, from: Option<usize>, left: &mut [u8], knows: &[Vec<u8>]) {
        let mut knows = knows.to_vec();
        let depth = self.schedule.steps.len();
        if let Some(from) = from {
            let both: Vec<u8> = knows[at].iter().zip(&knows[from]).map(|(a, b)| *a.max(b)).collect();
            if both == knows[at] {
                return;
            }
            knows[at] = both;
            self.schedule.steps.push(Step::Sync { from: from as u8, to: at as u8, form: Form::State });
        }
        knows[at][at] += 1;
        for command in 0..self.commands.max(1) {
            self.schedule.steps.push(Step::Edit { at: at as u8, bytes: [command, 0, 0, 0, 0] });
            self.next(left, &knows);
            self.schedule.steps.pop();
        }
        self.schedule.steps.truncate(depth);
    }
}
