//! Writers: clients without a disk that are ended and begun anew.

use std::time::{Duration, Instant};

use crdt::Replicated;
use crdt::sync::{DocId, Interest, Role};
use sync_daemon::{Event, Peer, PeerConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ledger::Shared;

/// The texts are kept below this length.
const TEXT: usize = 200;
const TEN_YEARS: i64 = 315_360_000_000;

/// All writers.
#[derive(Debug)]
pub(super) struct Load {
    stop: watch::Sender<bool>,
    writers: Vec<JoinHandle<anyhow::Result<()>>>,
    ledger: Shared,
}

/// One writer for each daemon.
pub(super) fn start(
    addresses: &[String],
    docs: usize,
    rate: f64,
    seed: u64,
    clocks: bool,
    ledger: &Shared,
) -> Load {
    let (stop, _) = watch::channel(false);
    let writer = |(n, address): (usize, &String)| {
        let rng = fastrand::Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(n as u64));
        let ledger = ledger.clone();
        let ahead = if clocks { [0, TEN_YEARS, -TEN_YEARS][n % 3] } else { 0 };
        let writer = Writer { n, address: address.clone(), docs, rate, rng, ahead, ledger, next: 0 };
        tokio::spawn(writer.run(stop.subscribe()))
    };
    Load { writers: addresses.iter().enumerate().map(writer).collect(), stop, ledger: ledger.clone() }
}

impl Load {
    /// Ends the writers; how many edits they made.
    pub(super) async fn stop(self) -> anyhow::Result<u64> {
        self.stop.send_replace(true);
        for writer in self.writers {
            writer.await??;
        }
        Ok(self.ledger.counts().0)
    }
}

struct Writer {
    n: usize,
    address: String,
    docs: usize,
    rate: f64,
    rng: fastrand::Rng,
    /// By how much its clock is ahead, in milliseconds.
    ahead: i64,
    ledger: Shared,
    /// What it last put into a slot: counts up through all its lives.
    next: i64,
}

impl Writer {
    async fn run(mut self, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        while !*stop.borrow() {
            let until = Instant::now() + Duration::from_millis(self.rng.u64(2_000..20_000));
            self.live(until, &stop).await?;
        }
        Ok(())
    }

    /// One life: a client with nothing in memory, that forgets all at its end.
    async fn live(&mut self, until: Instant, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
        let config = PeerConfig {
            role: Role::Client,
            interest: Interest { prefixes: vec!["soak/".into()], names: Vec::new() },
            peers: vec![self.address.clone()],
            dial_backoff_max: Duration::from_millis(300),
            max_drift: Duration::MAX, // that edits of any time come through is what is tried
            ..PeerConfig::new(&format!("writer {}", self.n + 1))
        };
        let peer = Peer::start(config).await?;
        self.ledger.born();
        let (ledger, n, author, mut events) = (self.ledger.clone(), self.n, peer.id(), peer.events());
        let listener = tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(Event::Acked { doc, version, .. }) => {
                        ledger.acked(&doc, n, author, version.get(author))
                    }
                    Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                }
            }
        });
        let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / self.rate.max(0.01)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while Instant::now() < until && !*stop.borrow() {
            tick.tick().await;
            self.edit(&peer).await?;
        }
        peer.shutdown().await;
        listener.abort();
        Ok(())
    }

    /// A transaction of several parts.
    async fn edit(&mut self, peer: &Peer) -> anyhow::Result<()> {
        let doc: DocId = format!("soak/{}", self.rng.usize(..self.docs.max(1))).parse()?;
        self.next += 1;
        let (slot, vote, n) = (self.next, self.rng.i64(0..5), self.n);
        let (kind, tag, place) = (self.rng.u8(..10), self.rng.i64(0..16), self.rng.f64());
        let (ledger, id, ahead) = (self.ledger.clone(), doc.clone(), self.ahead);
        let edit = move |doc: &mut crdt::Doc, now: u64| {
            doc.transact(now.saturating_add_signed(ahead), |tx| {
                tx.map("slots").put(&format!("w{n}"), slot);
                tx.counter("votes").add(vote);
                match kind {
                    0 => tx.set("tags").insert(tag),
                    1 => tx.set("tags").remove(tag),
                    2 => {
                        let mut text = tx.text("margin");
                        let len = text.len();
                        if len > TEXT {
                            text.delete(0..len / 2)
                        } else {
                            text.insert((place * (len + 1) as f64) as usize, "word ")
                        }
                    }
                    _ => {}
                }
            });
            ledger.wrote(&id, n, doc.author(), doc.version().get(doc.author()), slot, vote);
        };
        peer.edit(&doc, edit).await?;
        Ok(())
    }
}
