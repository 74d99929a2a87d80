//! Clocks, limits, and where a cell puts what it measured.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};

/// One measured value of one peer in one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) row: String,
    /// Which of the peer's formats; empty when it has one.
    pub(crate) format: String,
    pub(crate) value: f64,
    /// Stopped early: the value assumes that the rest goes on at the same rate.
    pub(crate) scaled: bool,
    /// Which calls of [`timed`] it is made of: after the first number, up to the second.
    pub(crate) calls: (u64, u64),
}

/// What a cell, a process of its own, writes to its parent, line by line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    Sample(Sample),
    /// The peer did something wrong; what it says stands in the report instead of figures.
    Failed(String),
}

impl Line {
    pub(crate) fn write(&self) {
        println!("{}", serde_json::to_string(self).expect("plain data"));
    }
}

/// Set in the environment of a process whose instructions are counted: everything is then run once.
pub(crate) const COUNTED: &str = "CRDT_BENCH_COUNTED";

static CALLS: AtomicU64 = AtomicU64::new(0);
static REPORTED: AtomicU64 = AtomicU64::new(0);

fn is_counted() -> bool {
    std::env::var_os(COUNTED).is_some()
}

/// Reports a value.
pub(crate) fn report(row: &str, format: &str, value: f64) {
    write(row, format, value, false);
}

/// Reports what a limited loop took, scaled up if it was stopped.
pub(crate) fn report_limited(row: &str, done: Done) {
    let value = ms(done.took) * done.of as f64 / done.count.max(1) as f64;
    write(row, "", value, done.count < done.of);
}

fn write(row: &str, format: &str, value: f64, scaled: bool) {
    let to = CALLS.load(Relaxed);
    let calls = (REPORTED.swap(to, Relaxed), to);
    Line::Sample(Sample { row: row.to_owned(), format: format.to_owned(), value, scaled, calls }).write();
}

/// Runs once; processor time of the whole process, so that other load on the machine counts little and
/// helper threads count fully. Instructions are counted in here too, so it must stay a function.
#[inline(never)]
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    CALLS.fetch_add(1, Relaxed);
    let start = ProcessTime::now();
    let result = run();
    (result, start.elapsed())
}

/// Runs something repeatable for about 30 ms and takes the median of the runs.
pub(crate) fn sampled<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut runs = Vec::new();
    let mut total = Duration::ZERO;
    let most = if is_counted() { 1 } else { 100 };
    while runs.is_empty() || (total < Duration::from_millis(30) && runs.len() < most) {
        let (result, took) = timed(&mut run);
        drop(result);
        total += took;
        runs.push(took);
    }
    median(&mut runs)
}

fn median(runs: &mut [Duration]) -> Duration {
    runs.sort_unstable();
    runs[runs.len() / 2]
}

/// How far a limited loop came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) took: Duration,
    pub(crate) count: usize,
    pub(crate) of: usize,
}

/// The longest that a loop over messages may take before it is scaled up.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// Runs `each` for every item, or until [`LIMIT`] is over; returns how far it came.
pub(crate) fn limited<T>(items: &[T], mut each: impl FnMut(&T)) -> Done {
    let began = Instant::now();
    let (count, took) = timed(|| {
        let limit = if is_counted() { Duration::MAX } else { LIMIT };
        for (i, item) in items.iter().enumerate() {
            // Looking at the clock costs as much as some edits: look seldom, but after slow ones too.
            if i % 64 == 0 && began.elapsed() > limit {
                return i;
            }
            each(item);
        }
        items.len()
    });
    Done { took, count, of: items.len() }
}

pub(crate) fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

pub(crate) fn us(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}

pub(crate) fn ns(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9
}

/// What one call of something short and repeatable takes: as many calls in one go as fill two milliseconds.
pub(crate) fn batched<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut calls = 1;
    loop {
        let ((), took) = timed(|| {
            for _ in 0..calls {
                std::hint::black_box(run());
            }
        });
        if took > Duration::from_millis(2) || calls >= 1 << 20 || is_counted() {
            return took / calls;
        }
        calls *= 4;
    }
}
