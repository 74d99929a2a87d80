//! What goes wrong, and when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::{Cluster, Weather};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed(usize),
    Paused(usize),
    Link(usize),
}

/// Draws faults by chance; no more than a third of the nodes is down at once.
#[derive(Debug)]
pub(super) struct Faults {
    rng: fastrand::Rng,
    per_minute: f64,
    active: Vec<(Duration, Fault)>,
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// When nodes were killed, for the picture.
    pub(super) kills: Vec<Duration>,
}

impl Faults {
    pub(super) fn new(per_minute: f64, seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Faults { rng, per_minute, active: Vec::new(), counts: BTreeMap::new(), kills: Vec::new() }
    }

    /// Ends what is over, and begins something now and then.
    pub(super) async fn step(&mut self, cluster: &mut Cluster, now: Duration) -> anyhow::Result<()> {
        let (over, active): (Vec<_>, Vec<_>) = self.active.drain(..).partition(|(end, _)| *end <= now);
        self.active = active;
        for (_, fault) in over {
            end(cluster, fault).await?;
        }
        if self.rng.f64() < self.per_minute / 60.0 * super::TICK.as_secs_f64() {
            self.begin(cluster, now).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, cluster: &mut Cluster, now: Duration) -> anyhow::Result<()> {
        let down = self.active.iter().filter(|(_, fault)| !matches!(fault, Fault::Link(_))).count();
        let node = self.rng.usize(..cluster.members.len());
        let link = self.rng.usize(..cluster.edges.len());
        let kind = self.rng.u8(..8);
        let free = |wanted: Fault| {
            !self.active.iter().any(|(_, fault)| match (fault, wanted) {
                (Fault::Link(a), Fault::Link(b)) => *a == b,
                (Fault::Killed(a) | Fault::Paused(a), Fault::Killed(b) | Fault::Paused(b)) => *a == b,
                _ => false,
            })
        };
        let (name, fault) = match kind {
            0..=2 => ("kill -9", Fault::Killed(node)),
            3 => ("pause", Fault::Paused(node)),
            4 => ("cut", Fault::Link(link)),
            5 => ("silent link", Fault::Link(link)),
            6 => ("one-way link", Fault::Link(link)),
            _ => ("slow link", Fault::Link(link)),
        };
        let too_many = !matches!(fault, Fault::Link(_)) && down * 3 >= cluster.members.len();
        if !free(fault) || too_many {
            return Ok(());
        }
        match fault {
            Fault::Killed(node) => {
                cluster.kill(node).await?;
                self.kills.push(now);
            }
            Fault::Paused(node) => cluster.pause(node, true).await?,
            Fault::Link(link) => cluster.edges[link].set(match kind {
                4 => Weather::Cut,
                5 => Weather::Silent,
                6 => Weather::OneWay,
                _ => Weather::Slow(self.rng.u32(2_000..50_000)),
            }),
        }
        *self.counts.entry(name).or_default() += 1;
        self.active.push((now + Duration::from_millis(self.rng.u64(200..8_000)), fault));
        Ok(())
    }

    /// Ends all that is going on.
    pub(super) async fn end(&mut self, cluster: &mut Cluster) -> anyhow::Result<()> {
        for (_, fault) in std::mem::take(&mut self.active) {
            end(cluster, fault).await?;
        }
        Ok(())
    }
}

async fn end(cluster: &mut Cluster, fault: Fault) -> anyhow::Result<()> {
    match fault {
        Fault::Killed(node) => cluster.restart(node).await?,
        Fault::Paused(node) => cluster.pause(node, false).await?,
        Fault::Link(link) => cluster.edges[link].set(Weather::Fine),
    }
    Ok(())
}
