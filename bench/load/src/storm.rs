//! Clients that were offline and all come back in one moment, after a restart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use crdt::Replicated;
use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Kind as DocKind, Output};
use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Error;

use crate::link::{Client, Link};
use crate::report::Row;
use crate::run::type_one;
use crate::server::{Kind, Server, free_address};
use crate::sink::Sink;
use crate::works::Bench;

/// How many edits each client has made offline.
const OFFLINE_EDITS: usize = 10;
/// How many are set up at once before the storm.
const SET_UP_AT_ONCE: usize = 64;
/// What clients of the library do: see `sync-daemon/src/dial.rs`.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often the bystander edits.
const STEP: Duration = Duration::from_millis(10);
/// How long before and after the storm the bystander edits.
const CALM: Duration = Duration::from_millis(500);
/// When to give up.
const WITHIN: Duration = Duration::from_secs(180);

/// What clients met on their way back.
#[derive(Default)]
struct Met {
    told_to_wait: AtomicU64,
    failed: AtomicU64,
}

impl Bench {
    /// So many clients with a document each and edits that nobody else has come back to a daemon that was just started.
    /// Latency is that until a client knows its edits to be durable, from the moment at which all begin to come.
    pub async fn storm(&self, clients: usize) -> anyhow::Result<Row> {
        let dir = tempfile::tempdir_in(&self.scratch)?;
        let address = free_address()?;
        let mut server = Server::start(Kind::Daemon, &self.programs, dir.path(), address, &[]).await?;
        let offline = set_up(clients, address).await.context("before the storm")?;
        server.kill();
        let server = Server::start(Kind::Daemon, &self.programs, dir.path(), address, &[]).await?;

        let over = Arc::new(AtomicBool::new(false));
        let bystander = Bystander::connect(address).await.context("a bystander")?;
        let bystander = tokio::spawn(bystander.run(Arc::clone(&over)));
        tokio::time::sleep(CALM).await;
        let (met, cpu) = (Arc::new(Met::default()), server.cpu()?);
        let begun = Instant::now();
        let mut back = JoinSet::new();
        for (number, client) in offline.into_iter().enumerate() {
            back.spawn(come_back(client, address, number, begun, Arc::clone(&met)));
        }
        let mut times = Histogram::<u64>::new(3)?;
        // They stay connected until all are back.
        let mut links = Vec::new();
        let all = async {
            while let Some(one) = back.join_next().await {
                let (time, link) = one??;
                times.record(time.as_nanos() as u64)?;
                links.push(link);
            }
            anyhow::Ok(())
        };
        let in_time = tokio::time::timeout(WITHIN, all).await;
        let cpu = server.cpu()? - cpu;
        tokio::time::sleep(CALM).await;
        over.store(true, Ordering::Relaxed);
        let seen = bystander.await??;
        if let Ok(result) = in_time {
            result?;
        }
        let ms = |of: &Histogram<u64>, quantile| of.value_at_quantile(quantile) as f64 / 1e6;
        let note = format!(
            "{} times told to come again, {} failed attempts, server CPU {cpu:.2} s; a bystander's edit: p50 {:.2}, p99 {:.1}, \
             max {:.1} ms of {}",
            met.told_to_wait.load(Ordering::Relaxed),
            met.failed.load(Ordering::Relaxed),
            ms(&seen, 0.5),
            ms(&seen, 0.99),
            ms(&seen, 1.0),
            seen.len(),
        );
        Ok(Row {
            p50_ms: Some(ms(&times, 0.5)),
            p99_ms: Some(ms(&times, 0.99)),
            max_ms: Some(ms(&times, 1.0)),
            peak_mib: Some(server.peak_kib() as f64 / 1024.0),
            delivered: times.len(),
            expected: clients as u64,
            note,
            ..Row::new(format!("{clients} clients come back at once"), Kind::Daemon.name())
        })
    }
}

fn named(number: usize) -> anyhow::Result<DocId> {
    Ok(format!("storm/{number}").parse()?)
}

/// Clients that have been there once, each with a document and edits since.
async fn set_up(clients: usize, address: SocketAddr) -> anyhow::Result<Vec<Client<AnyDoc>>> {
    let places = Arc::new(Semaphore::new(SET_UP_AT_ONCE));
    let mut setting_up = JoinSet::new();
    for number in 0..clients {
        let places = Arc::clone(&places);
        setting_up.spawn(async move {
            let _place = places.acquire().await?;
            let doc = named(number)?;
            let client = Client::of(std::slice::from_ref(&doc));
            let mut link = Link::<AnyDoc>::connect(client, address, number).await?;
            let node = link.client.node(&doc).context("no lane")?;
            node.edit(0, &doc, DocKind::DOC, |doc| type_one(doc, 0))?;
            link.flush().await?;
            link.until(|output| matches!(output, Output::Acked { .. })).await?;
            let mut client = link.disconnect();
            let node = client.node(&doc).context("no lane")?;
            for n in 1..=OFFLINE_EDITS {
                node.edit(0, &doc, DocKind::DOC, |doc| type_one(doc, n))?;
            }
            while client.poll_output().is_some() {}
            anyhow::Ok((number, client))
        });
    }
    let mut all = Vec::new();
    while let Some(one) = setting_up.join_next().await {
        all.push(one??);
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, client)| client).collect())
}

/// Dials as the library does until it is let in, and waits until its edits are durable.
async fn come_back(
    mut client: Client<AnyDoc>,
    address: SocketAddr,
    number: usize,
    begun: Instant,
    met: Arc<Met>,
) -> anyhow::Result<(Duration, Link<AnyDoc>)> {
    let doc = named(number)?;
    let node = client.node(&doc).context("no lane")?;
    let target = node.doc(&doc).context("no document")?.version().clone();
    let mut pause = FIRST_PAUSE;
    loop {
        let error =
            match tokio::time::timeout(CONNECT_WITHIN, crate::link::dial(address, "sync", number)).await {
                Ok(Ok(ws)) => {
                    let mut link = Link::over(client, ws);
                    let is_safe = |output| match output {
                        Output::Acked { version, .. } => version.covers(&target),
                        _ => false,
                    };
                    if link.flush().await.is_ok() && link.until(is_safe).await.is_ok() {
                        return Ok((begun.elapsed(), link));
                    }
                    met.failed.fetch_add(1, Ordering::Relaxed);
                    client = link.disconnect();
                    None
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
        let told = error.as_ref().and_then(|error| come_again(error.downcast_ref()?));
        if let Some(told) = told {
            met.told_to_wait.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(told.min(LONGEST_PAUSE)).await;
            continue;
        }
        met.failed.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause.mul_f64(0.5 + random())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// In how long a daemon that is too busy said to come again.
fn come_again(error: &Error) -> Option<Duration> {
    let Error::Http(reply) = error else { return None };
    let seconds = reply.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).mul_f64(1.0 + random() / 4.0))
}

/// From 0 to 1.
fn random() -> f64 {
    let (low, _) = uuid::Uuid::new_v4().as_u64_pair();
    (low >> 11) as f64 / (1u64 << 53) as f64
}

/// Two that share a document and have been here before the storm.
struct Bystander {
    doc: DocId,
    writer: Link<AnyDoc>,
    reader: Link<Sink>,
}

impl Bystander {
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let doc: DocId = "bystander/a".parse()?;
        // Of addresses that no client of the storm has.
        let writer = Link::connect(Client::of(&[]), address, 60_000).await?;
        let reader = Link::connect(Client::of(std::slice::from_ref(&doc)), address, 60_001).await?;
        Ok(Bystander { doc, writer, reader })
    }

    /// Edits until it is over: how late each edit comes, from the moment at which it was to be made.
    async fn run(self, over: Arc<AtomicBool>) -> anyhow::Result<Histogram<u64>> {
        let Bystander { doc, mut writer, mut reader } = self;
        let start = Instant::now();
        let due = move |edit: u64| start + STEP.mul_f64(edit as f64);
        let name = doc.clone();
        let writing = tokio::spawn(async move {
            let mut edits = 0;
            while !over.load(Ordering::Relaxed) {
                let rest = due(edits).saturating_duration_since(Instant::now());
                if !rest.is_zero() {
                    // What comes meanwhile is taken.
                    if let Ok(stepped) = tokio::time::timeout(rest, writer.step()).await {
                        stepped?;
                    }
                    while writer.client.poll_output().is_some() {}
                    continue;
                }
                let now = writer.now();
                let node = writer.client.node(&doc).context("no lane")?;
                node.edit(now, &doc, DocKind::DOC, |doc| type_one(doc, edits as usize))?;
                writer.flush().await?;
                edits += 1;
            }
            anyhow::Ok((edits, writer))
        });
        let mut late = Histogram::<u64>::new(3)?;
        let reading = async {
            loop {
                while let Some(output) = reader.client.poll_output() {
                    let Output::Changed { doc, novel, .. } = output else { continue };
                    for edit in novel.iter().filter(|_| doc == name).flat_map(|span| span.after..span.to) {
                        late.record(Instant::now().saturating_duration_since(due(edit)).as_nanos() as u64)?;
                    }
                }
                reader.step().await?;
            }
        };
        let written = tokio::select! {
            failed = reading => { let never: anyhow::Result<()> = failed; never?; anyhow::bail!("the reader ended") }
            written = writing => written??,
        };
        let (edits, _writer) = written;
        anyhow::ensure!(late.len() + 1 >= edits.min(1), "nothing came");
        Ok(late)
    }
}
