//! Makes a failing schedule small: fewer steps, then plainer ones, as long as the same law breaks.
//!
//! Zeller, Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.

use super::schedule::{Form, Schedule, Step};
use super::sim::Topology;

/// The smallest schedule found of which `fails` still holds, in at most `tries` runs.
pub(super) fn shrink(schedule: Schedule, tries: usize, fails: &dyn Fn(&Schedule) -> bool) -> Schedule {
    let mut shrinker = Shrinker { best: schedule, tries, fails };
    loop {
        let before = shrinker.best.clone();
        shrinker.fewer_steps();
        shrinker.fewer_pairs();
        shrinker.fewer_replicas();
        shrinker.plainer_links();
        shrinker.plainer_steps();
        if shrinker.best == before || shrinker.tries == 0 {
            return shrinker.best;
        }
    }
}

/// Knows no type under test, so that it is compiled once and not for each.
struct Shrinker<'a> {
    best: Schedule,
    tries: usize,
    fails: &'a dyn Fn(&Schedule) -> bool,
}

impl Shrinker<'_> {
    /// Keeps a candidate if it still fails.
    fn offer(&mut self, candidate: Schedule) -> bool {
        if self.tries == 0 || candidate == self.best {
            return false;
        }
        self.tries -= 1;
        let kept = (self.fails)(&candidate);
        if kept {
            self.best = candidate;
        }
        kept
    }

    /// Leaves out ever smaller parts.
    fn fewer_steps(&mut self) {
        let mut size = self.best.steps.len();
        while size > 0 {
            let mut at = 0;
            while at < self.best.steps.len() {
                let mut candidate = self.best.clone();
                candidate.steps.drain(at..(at + size).min(candidate.steps.len()));
                if !self.offer(candidate) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Leaves out any two steps: some only fail together, as two edits that count a clock on.
    fn fewer_pairs(&mut self) {
        let mut first = 0;
        while first < self.best.steps.len().min(24) {
            let second = (first + 1..self.best.steps.len()).find(|second| {
                let mut candidate = self.best.clone();
                candidate.steps.remove(*second);
                candidate.steps.remove(first);
                self.offer(candidate)
            });
            if second.is_none() {
                first += 1;
            }
        }
    }

    /// Leaves out replicas that no step names, and any one with its steps.
    fn fewer_replicas(&mut self) {
        for gone in (0..self.best.replicas).rev() {
            if self.best.replicas == 2 {
                return;
            }
            let mut candidate = self.best.clone();
            candidate.replicas -= 1;
            candidate.late = candidate.late.min(candidate.replicas - 1);
            candidate.topology = Topology::Mesh;
            candidate.steps.retain_mut(|step| {
                let mut kept = true;
                for at in step.replicas().into_iter().flatten() {
                    kept &= *at != gone;
                    *at -= u8::from(*at > gone);
                }
                kept
            });
            self.offer(candidate);
        }
    }

    /// All linked with all, nobody late, whole states at the end.
    fn plainer_links(&mut self) {
        self.offer(Schedule { topology: Topology::Mesh, graph_seed: 0, ..self.best.clone() });
        self.offer(Schedule { graph_seed: 0, ..self.best.clone() });
        self.offer(Schedule { late: 0, ..self.best.clone() });
        self.offer(Schedule { form: Form::State, ..self.best.clone() });
    }

    fn plainer_steps(&mut self) {
        for i in 0..self.best.steps.len() {
            for plainer in self.best.steps.get(i).map(plainer).unwrap_or_default() {
                let mut candidate = self.best.clone();
                candidate.steps[i] = plainer;
                self.offer(candidate);
            }
            self.plainer_bytes(i);
        }
    }

    /// Makes the bytes of an edit as low as they go.
    fn plainer_bytes(&mut self, i: usize) {
        for byte in 0..5 {
            for shape in [|_| 0, |b: u8| b % 2, |b: u8| b % 3, |b: u8| b / 2, |b: u8| b.saturating_sub(1)] {
                let mut candidate = self.best.clone();
                if let Some(Step::Edit { bytes, .. }) = candidate.steps.get_mut(i) {
                    bytes[byte] = shape(bytes[byte]);
                    self.offer(candidate);
                }
            }
        }
    }
}

/// Steps that would be easier to read in this one's place.
fn plainer(step: &Step) -> Vec<Step> {
    match *step {
        Step::Sync { from, to, form } if form != Form::State => {
            vec![Step::Sync { from, to, form: Form::State }]
        }
        Step::Send { from, to, form } => {
            vec![Step::Sync { from, to, form: Form::State }, Step::Sync { from, to, form }]
        }
        Step::Deliver { pick, again } => {
            let mut all = vec![Step::Deliver { pick, again: false }; usize::from(again)];
            all.extend((0..pick.min(4)).map(|pick| Step::Deliver { pick, again }));
            all
        }
        Step::Lose { pick } => (0..pick.min(4)).map(|pick| Step::Lose { pick }).collect(),
        Step::Rollback { at } => vec![Step::Restart { at, damage: [0, 0] }],
        Step::Restart { at, damage } if damage != [0, 0] => vec![Step::Restart { at, damage: [0, 0] }],
        Step::Skew { at, ms } => {
            [0, 10, -10, 100, -100, 1000, -1000, ms / 2].map(|ms| Step::Skew { at, ms }).to_vec()
        }
        _ => vec![],
    }
}
