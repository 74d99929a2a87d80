//! When each edit is meant to be sent, and sending it then.
//!
//! Latency counts from the moment at which an edit was *meant* to be sent. If writer or server stall, the
//! edits that should have gone out meanwhile count the stall too (no coordinated omission).

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

/// The plan of a run: edit `k` is to be sent `k` steps after the start.
#[derive(Debug)]
pub struct Clock {
    start: OnceLock<Instant>,
    /// `None` when all are to be sent at once, as fast as they are taken.
    pub step: Option<Duration>,
}

impl Clock {
    pub fn new(step: Option<Duration>) -> Self {
        Clock { start: OnceLock::new(), step }
    }

    /// The start; the first call sets it a moment ahead.
    pub fn start(&self) -> Instant {
        *self.start.get_or_init(|| Instant::now() + Duration::from_millis(20))
    }

    /// Nanoseconds from the moment at which edit `k` was to be sent until now.
    pub fn late(&self, k: u64) -> u64 {
        let intended = self.start() + self.step.unwrap_or_default().mul_f64(k as f64);
        Instant::now().saturating_duration_since(intended).as_nanos() as u64
    }

    /// Tells the writers, one after the other, when each of `edits` is due. Blocks: a thread of its own, as
    /// the timers of the runtime are a millisecond coarse.
    pub fn pace(&self, edits: u64, writers: &[UnboundedSender<()>], writer_of: impl Fn(u64) -> usize) {
        let Some(step) = self.step else { return };
        for k in 0..edits {
            let due = self.start() + step.mul_f64(k as f64);
            if let wait @ 1.. = due.saturating_duration_since(Instant::now()).as_nanos() as u64 {
                std::thread::sleep(Duration::from_nanos(wait));
            }
            if let Some(writer) = writers.get(writer_of(k)) {
                let _ = writer.send(());
            }
        }
    }
}
