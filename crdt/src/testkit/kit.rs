//! [`Kit`]: a type, the faces of it to test, and the faults to test it under.

use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::faces::Faces;
use super::law::{Broken, Law};
use super::model::{Codec, Deltas, Model, Ops, Spec};
use super::schedule::{Kind, Schedule};
use super::sim::Rng;
use super::story::{BadReplay, Story};
use super::trace::Trace;
use super::world::{Counts, World};

/// A type under test, with what to test of it.
///
/// It starts with what every [`Model`] has: edits, merges of whole states, clocks that jump, networks that
/// lose, repeat, reorder and fall apart, restarts, and replicas that come late. The other methods add to it.
///
/// ```
/// use crdt::testkit::{Kit, Law, Model, Pick};
///
/// /// The last write wins; but who wins a tie?
/// #[derive(Clone, Default)]
/// struct MyFlag {
///     on: bool,
///     at: u64,
/// }
///
/// impl Model for MyFlag {
///     type Command = bool;
///     type View = bool;
///     fn new(_me: u8) -> Self {
///         MyFlag::default()
///     }
///     fn command(&self, pick: &mut Pick<'_>) -> bool {
///         pick.flip()
///     }
///     fn edit(&mut self, _now: u64, on: &bool) {
///         *self = MyFlag { on: *on, at: self.at + 1 };
///     }
///     fn merge(&mut self, other: &Self) {
///         if other.at >= self.at {
///             *self = other.clone();
///         }
///     }
///     fn view(&self) -> bool {
///         self.on
///     }
/// }
///
/// let report = Kit::<MyFlag>::new().run(1, 1_000);
/// let failure = report.failure.expect("a tie is found");
/// assert_eq!(failure.law(), Some(Law::Commutative));
/// println!("{failure}"); // a picture of it
/// ```
pub struct Kit<T: Model> {
    faces: Faces<T>,
    rollback: bool,
    copies: bool,
    skew: bool,
    replicas: (u8, u8),
    steps: usize,
}

/// What a run did, and what it found.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// Schedules played.
    pub schedules: u64,
    /// The first failure, made small.
    pub failure: Option<Box<Story>>,
    pub(super) counts: Counts,
}

impl Report {
    /// How many steps of each kind were done.
    pub fn steps(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        Kind::ALL.into_iter().zip(self.counts.kinds)
    }

    /// How often each law was checked.
    pub fn laws(&self) -> impl Iterator<Item = (Law, u64)> + '_ {
        Law::ALL.into_iter().zip(self.counts.laws)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failure) = &self.failure {
            return failure.fmt(f);
        }
        let laws = self.laws().filter(|(_, n)| *n > 0).count();
        let kinds = self.steps().filter(|(kind, n)| *n > 0 && *kind > Kind::Sync).count();
        write!(f, "ok: {} schedules, {laws} laws, {kinds} kinds of fault", self.schedules)
    }
}

impl<T: Model> fmt::Debug for Kit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("kinds", &self.kinds()).field("replicas", &self.replicas).finish()
    }
}

impl<T: Model + 'static> Default for Kit<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Model> Kit<T> {
    /// The kinds of steps that may happen.
    fn kinds(&self) -> Vec<Kind> {
        let may = |kind: &Kind| match kind {
            Kind::Save | Kind::Rollback => self.rollback,
            Kind::Copy => self.copies,
            Kind::Skew => self.skew,
            _ => true,
        };
        Kind::ALL.into_iter().filter(may).collect()
    }
}

impl<T: Model + 'static> Kit<T> {
    /// States only, 2 to 4 replicas, up to 40 steps.
    pub fn new() -> Self {
        Kit {
            faces: Faces::default(),
            rollback: false,
            copies: false,
            skew: true,
            replicas: (2, 4),
            steps: 40,
        }
    }

    /// Deltas too, in place of some states.
    pub fn deltas(mut self) -> Self
    where
        T: Deltas,
    {
        self.faces.deltas();
        self
    }

    /// Operations too, in place of some states.
    pub fn ops(mut self) -> Self
    where
        T: Ops,
    {
        self.faces.ops();
        self
    }

    /// Bytes too: states travel and are kept as bytes, and damaged bytes panic nothing.
    pub fn codec(mut self) -> Self
    where
        T: Codec,
    {
        self.faces.codec();
        self
    }

    /// Every view is compared with the specification.
    pub fn spec(mut self) -> Self
    where
        T: Spec,
    {
        self.faces.spec();
        self
    }

    /// Programs start on old backups too, having called [`Model::reborn`].
    pub fn rollback(mut self) -> Self {
        self.rollback = true;
        self
    }

    /// Disks are copied too, so that two replicas have one number. Few types bear this.
    pub fn copies(mut self) -> Self {
        self.copies = true;
        self
    }

    /// All clocks show the same time.
    pub fn true_clocks(mut self) -> Self {
        self.skew = false;
        self
    }

    /// How many replicas, from 2 to 8.
    pub fn replicas(mut self, replicas: RangeInclusive<u8>) -> Self {
        let [low, high] = [replicas.start(), replicas.end()].map(|n| *n.clamp(&2, &Schedule::MAX_REPLICAS));
        self.replicas = (low, high.max(low));
        self
    }

    /// The most steps of a schedule, up to [`Schedule::MAX_STEPS`].
    pub fn steps(mut self, most: usize) -> Self {
        self.steps = most;
        self
    }

    /// Plays schedules made from the seed until one fails, and makes that one small.
    pub fn run(&self, seed: u64, schedules: u64) -> Report {
        self.run_while(seed, |report| report.schedules < schedules)
    }

    /// Like [`run`](Self::run), for as long as the caller says: for progress, and for time limits.
    pub fn run_while(&self, seed: u64, mut more: impl FnMut(&Report) -> bool) -> Report {
        let kinds = self.kinds();
        let mut report = Report::default();
        while more(&report) {
            // Every schedule has a seed of its own, so that one can be made again without those before it.
            let mut rng = Rng::new(seed.wrapping_add(report.schedules));
            rng = Rng::new(rng.next());
            let schedule = Schedule::random(&mut rng, self.replicas, self.steps, &kinds);
            report.schedules += 1;
            let played = self.play(&schedule, false);
            report.counts.add(&played.counts);
            if let Some((step, broken)) = played.broken {
                report.failure = Some(self.failure(schedule, step, broken.law));
                break;
            }
        }
        report
    }

    /// Plays the schedule that these bytes are: for fuzzers, and for property tests.
    ///
    /// # Errors
    /// A law does not hold; the schedule is made small.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Box<Story>> {
        self.check_schedule(Schedule::from_bytes(bytes))
    }

    /// Plays a schedule. Steps of kinds that this kit has not are left out.
    ///
    /// # Errors
    /// A law does not hold; the schedule is made small.
    pub fn check_schedule(&self, mut schedule: Schedule) -> Result<(), Box<Story>> {
        let kinds = self.kinds();
        schedule.steps.retain(|step| kinds.contains(&step.kind()));
        match self.play(&schedule, false).broken {
            None => Ok(()),
            Some((step, broken)) => Err(self.failure(schedule, step, broken.law)),
        }
    }

    /// Plays what [`Story::replay`] wrote, as it is.
    ///
    /// # Errors
    /// The text is no replay, or a law does not hold.
    pub fn replay(&self, text: &str) -> Result<(), ReplayError> {
        let schedule = super::story::parse(text)?;
        match self.play(&schedule, true) {
            Played { broken: None, .. } => Ok(()),
            Played { broken: Some(_), trace, .. } => {
                let from = schedule.steps.len();
                Err(ReplayError::Failed(Box::new(Story {
                    schedule,
                    from,
                    trace: trace.unwrap_or(Trace::new(2)),
                })))
            }
        }
    }

    /// The picture of a run, whether it fails or not.
    pub fn draw(&self, schedule: Schedule) -> Story {
        let played = self.play(&schedule, true);
        let from = schedule.steps.len();
        Story { trace: played.trace.unwrap_or(Trace::new(schedule.replicas)), schedule, from }
    }

    fn failure(&self, mut schedule: Schedule, step: usize, law: Law) -> Box<Story> {
        let from = schedule.steps.len();
        schedule.steps.truncate(step + 1);
        let fails =
            |schedule: &Schedule| self.play(schedule, false).broken.is_some_and(|(_, b)| b.law == law);
        let small = super::shrink::shrink(schedule, 20_000, &fails);
        let mut failure = self.draw(small);
        failure.from = from;
        Box::new(failure)
    }

    fn play(&self, schedule: &Schedule, traced: bool) -> Played {
        let at = Cell::new(0);
        let mut world = None;
        let result = quietly(|| {
            let world = world.insert(World::new(&self.faces, schedule, traced));
            for step in &schedule.steps {
                world.step(step)?;
                at.set(at.get() + 1);
            }
            world.settle(schedule.form)
        });
        let broken =
            result.unwrap_or_else(|said| Err(Broken::new(Law::NoPanic, &[], &[("it said", said)]))).err();
        let mut world = world;
        let views = || world.as_ref().map(World::views).unwrap_or_default();
        let ends = if traced { quietly(views).unwrap_or_default() } else { Vec::new() };
        let trace = world.as_mut().and_then(|world| world.trace.take()).map(|trace| Trace {
            ends,
            broken: broken.as_deref().cloned(),
            ..trace
        });
        Played {
            broken: broken.map(|broken| (at.get(), broken)),
            counts: world.map(|world| world.counts).unwrap_or_default(),
            trace,
        }
    }
}

/// What a replay came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// The text is no replay.
    Text(BadReplay),
    /// A law does not hold.
    Failed(Box<Story>),
}

messages! { ReplayError {
    Self::Text(error) => "{error}",
    Self::Failed(story) => "{story}",
} }

impl From<BadReplay> for ReplayError {
    fn from(error: BadReplay) -> Self {
        Self::Text(error)
    }
}

struct Played {
    broken: Option<(usize, Box<Broken>)>,
    counts: Counts,
    trace: Option<Trace>,
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `play` gives, or what it said when it panicked; without the message on standard error.
fn quietly<R>(play: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(play));
    QUIET.set(false);
    result.map_err(|said| {
        let said = said
            .downcast::<String>()
            .map(|said| *said)
            .or_else(|said| said.downcast::<&'static str>().map(|said| (*said).to_owned()));
        said.unwrap_or_else(|_| "something that is no text".to_owned())
    })
}

/// A schedule to look at: not long, with every kind of fault that any type bears.
pub(super) fn example(seed: u64) -> Schedule {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Copy).collect();
    Schedule::random(&mut Rng::new(seed), (3, 3), 24, &kinds)
}
