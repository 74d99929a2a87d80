//! One run: writers that send edits made beforehand, subscribers that count what comes, a server between.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use crdt::Replicated;
use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Input, Kind as DocKind, Node, Output};
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::clock::Clock;
use crate::link::{self, LINK, Link, Ws};
use crate::server::{Kind, Server};
use crate::sink::Sink;

/// How large a message of many edits is made when they are sent as fast as they are taken.
const PACK_BYTES: usize = 16 << 10;
/// The bytes of an edit through a relay: about what one typed character costs the daemon.
const RAW_BYTES: usize = 16;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many documents there are, each with one writer.
    pub docs: u64,
    /// Over how many connections the documents are written.
    pub writers: usize,
    /// How many subscribers each writer's documents have.
    pub readers: usize,
    /// How many edits each document gets.
    pub rounds: u64,
    /// The time between two edits, of whichever document; `None` for as fast as they are taken.
    pub step: Option<Duration>,
    /// When to give up.
    pub within: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// From the start to the last delivery.
    pub took: Duration,
    /// Edits made.
    pub edits: u64,
    /// Edits delivered, over all subscribers.
    pub delivered: u64,
    /// Edits that should have been.
    pub expected: u64,
    /// From the intended moment of sending to delivery, in nanoseconds.
    pub latency: Histogram<u64>,
    /// The server's processor time for it, in seconds.
    pub cpu: f64,
    /// The server's memory at its peak, in KiB.
    pub peak_kib: u64,
    /// From the start until the server had called every edit durable; relays never do.
    pub durable: Option<Duration>,
}

impl Plan {
    pub fn edits(&self) -> u64 {
        self.docs * self.rounds
    }

    fn writer_of(&self, k: u64) -> usize {
        ((k % self.docs) % self.writers as u64) as usize
    }

    fn name(&self, doc: u64) -> String {
        format!("w{}/{doc}", self.writer_of(doc))
    }

    fn docs_of(&self, writer: usize) -> impl Iterator<Item = u64> {
        (writer as u64..self.docs).step_by(self.writers)
    }
}

/// Writes to one server and reads from others (or the same) as planned.
pub async fn run(plan: Plan, server: &Server, read_from: &[SocketAddr]) -> anyhow::Result<Outcome> {
    let clock = Arc::new(Clock::new(plan.step));
    let (mut writers, mut go) = (JoinSet::new(), Vec::new());
    let mut connected = Vec::new();
    for number in 0..plan.writers {
        connected.push(Writer::connect(plan, server, number).await.context("a writer")?);
    }
    let (ready, mut all_ready) = mpsc::channel(1);
    let mut readers = JoinSet::new();
    for number in 0..plan.writers * plan.readers {
        let address = *read_from.get(number % read_from.len()).context("nowhere to read")?;
        let reader = Reader { plan, kind: server.kind, address, number, clock: Arc::clone(&clock) };
        readers.spawn(reader.run(ready.clone()));
    }
    drop(ready);
    let set_up = async {
        for _ in 0..plan.writers * plan.readers {
            if all_ready.recv().await.is_none() {
                return Err(readers.join_next().await.map(|result| result.map(|r| r.err())));
            }
        }
        Ok(())
    };
    match tokio::time::timeout(plan.within, set_up).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => anyhow::bail!("a subscriber failed: {why:?}"),
        Err(_) => anyhow::bail!("the subscribers were not ready in time"),
    }
    let cpu = server.cpu()?;
    for writer in connected {
        let (due, is_due) = mpsc::unbounded_channel();
        go.push(due);
        writers.spawn(writer.run(Arc::clone(&clock), is_due));
    }
    let pacer = Arc::clone(&clock);
    clock.start();
    let pacing = tokio::task::spawn_blocking(move || pacer.pace(plan.edits(), &go, |k| plan.writer_of(k)));
    let mut latency = Histogram::new(3)?;
    while let Some(reader) = readers.join_next().await {
        latency.add(reader??)?;
    }
    let took = clock.start().elapsed();
    let cpu = server.cpu()? - cpu;
    pacing.await?;
    let mut durable = Some(Duration::ZERO);
    while let Some(writer) = writers.join_next().await {
        durable = writer??.and_then(|at| durable.map(|so_far| so_far.max(at)));
    }
    Ok(Outcome {
        took,
        edits: plan.edits(),
        delivered: latency.len(),
        expected: plan.edits() * plan.readers as u64,
        latency,
        cpu,
        peak_kib: server.peak_kib(),
        durable,
    })
}

/// A connection with all that it will send.
struct Writer {
    plan: Plan,
    ws: Ws,
    /// Whether messages may be joined into larger ones when all are due at once.
    pack: bool,
    messages: Vec<Bytes>,
    /// For the daemon: the node that made the messages, and what it awaits to be called durable.
    node: Option<(Node<AnyDoc>, u64)>,
}

/// What one typed character adds to a document.
pub fn type_one(doc: &mut AnyDoc, at: usize) {
    if let Some(doc) = doc.as_doc_mut() {
        doc.transact(0, |tx| tx.text("t").insert(at, "x"));
    }
}

impl Writer {
    async fn connect(plan: Plan, server: &Server, number: usize) -> anyhow::Result<Self> {
        if server.kind == Kind::Daemon {
            return Self::connect_daemon(plan, server.address, number).await;
        }
        let ws = link::dial(server.address, &format!("w{number}"), number).await?;
        let mut messages = Vec::new();
        for k in (0..plan.edits()).filter(|k| plan.writer_of(*k) == number) {
            let mut edit = [0; RAW_BYTES];
            let (head, _) = edit.split_at_mut(8);
            head.copy_from_slice(&k.to_le_bytes());
            messages.push(Bytes::copy_from_slice(&edit));
        }
        Ok(Writer { plan, ws, pack: server.kind == Kind::WsFramed, messages, node: None })
    }

    /// Puts the documents in place with one edit each, and makes all other edits without sending them yet:
    /// what is measured is the server, not how fast a text takes keys.
    async fn connect_daemon(plan: Plan, address: SocketAddr, number: usize) -> anyhow::Result<Self> {
        // Interested in nothing: a writer that hears only acknowledgements.
        let mut link = Link::<AnyDoc>::connect(link::node(link::prefix("none/")), address, number).await?;
        let docs =
            plan.docs_of(number).map(|doc| plan.name(doc).parse()).collect::<Result<Vec<DocId>, _>>()?;
        for doc in &docs {
            link.node.edit(link.now(), doc, DocKind::DOC, |doc| type_one(doc, 0))?;
        }
        link.flush().await?;
        let mut safe = 0;
        link.until(|output| {
            safe += u64::from(matches!(output, Output::Acked { .. }));
            safe >= docs.len() as u64
        })
        .await?;
        let mut messages = Vec::new();
        for round in 1..=plan.rounds {
            for doc in &docs {
                link.node.edit(link.now(), doc, DocKind::DOC, |doc| type_one(doc, round as usize))?;
                let message = link.node.poll_transmit(link.now(), LINK);
                messages.push(message.context("an edit without a message")?.into());
            }
        }
        while link.node.poll_output().is_some() {}
        let events = docs.iter().filter_map(|doc| link.node.doc(doc)).map(|doc| doc.version().total()).sum();
        Ok(Writer { plan, ws: link.ws, pack: true, messages, node: Some((link.node, events)) })
    }

    /// Sends each edit when it is due; then waits until all are durable, where the server says so.
    async fn run(
        self,
        clock: Arc<Clock>,
        mut due: UnboundedReceiver<()>,
    ) -> anyhow::Result<Option<Duration>> {
        let (mut sink, mut stream) = self.ws.split();
        let start = clock.start();
        let within = self.plan.within;
        let durable = self.node.map(|(mut node, events)| {
            tokio::spawn(async move {
                let wait = async {
                    while let Some(Ok(message)) = stream.next().await {
                        let Message::Binary(bytes) = message else { continue };
                        let now = start.elapsed().as_millis() as u64;
                        node.handle(now, Input::Frame { link: LINK, bytes: bytes.into() });
                        let mut acked = false;
                        while let Some(output) = node.poll_output() {
                            acked |= matches!(output, Output::Acked { .. });
                        }
                        if acked && all_durable(&node, events) {
                            return Some(start.elapsed());
                        }
                    }
                    None
                };
                tokio::time::timeout(within, wait).await.ok().flatten()
            })
        });
        if self.plan.step.is_some() {
            for message in self.messages {
                if due.recv().await.is_none() {
                    break;
                }
                sink.feed(Message::Binary(message)).await?;
                if due.is_empty() {
                    sink.flush().await?;
                }
            }
        } else {
            tokio::time::sleep_until(start.into()).await;
            let messages = if self.pack { packed(&self.messages) } else { self.messages };
            for message in messages {
                sink.feed(Message::Binary(message)).await?;
            }
        }
        sink.flush().await?;
        match durable {
            Some(durable) => Ok(durable.await?),
            None => Ok(None),
        }
    }
}

/// Whether the server has called durable as many events as were written.
fn all_durable(node: &Node<AnyDoc>, events: u64) -> bool {
    let mut sum = 0;
    for (name, _) in node.docs() {
        match node.peer_durable(LINK, name) {
            Some(durable) => sum += durable.total(),
            None => return false,
        }
    }
    sum >= events
}

fn packed(messages: &[Bytes]) -> Vec<Bytes> {
    let (mut all, mut pack) = (Vec::new(), BytesMut::new());
    for message in messages {
        pack.extend_from_slice(message);
        if pack.len() >= PACK_BYTES {
            all.push(pack.split().freeze());
        }
    }
    all.push(pack.freeze());
    all
}

struct Reader {
    plan: Plan,
    kind: Kind,
    address: SocketAddr,
    number: usize,
    clock: Arc<Clock>,
}

impl Reader {
    /// Says when it is ready, and counts until all has come or time is up.
    async fn run(self, ready: mpsc::Sender<()>) -> anyhow::Result<Histogram<u64>> {
        let mut latency = Histogram::new(3)?;
        let within = self.plan.within;
        let count = async {
            if self.kind == Kind::Daemon {
                self.count_daemon(ready, &mut latency).await
            } else {
                self.count_raw(ready, &mut latency).await
            }
        };
        // What has not come by then counts as lost.
        if let Ok(result) = tokio::time::timeout(within, count).await {
            result?;
        }
        Ok(latency)
    }

    fn writer(&self) -> usize {
        self.number % self.plan.writers
    }

    fn expected(&self) -> u64 {
        self.plan.docs_of(self.writer()).count() as u64 * self.plan.rounds
    }

    async fn count_raw(&self, ready: mpsc::Sender<()>, latency: &mut Histogram<u64>) -> anyhow::Result<()> {
        let path = format!("w{}", self.writer());
        let mut ws = link::dial(self.address, &path, self.number).await?;
        ready.send(()).await?;
        drop(ready);
        while latency.len() < self.expected() {
            let message = ws.next().await.context("the server went")??;
            for edit in message.into_data().chunks_exact(RAW_BYTES) {
                let k = edit.first_chunk().copied().map(u64::from_le_bytes).context("no edit")?;
                latency.record(self.clock.late(k))?;
            }
        }
        Ok(())
    }

    async fn count_daemon(
        &self,
        ready: mpsc::Sender<()>,
        latency: &mut Histogram<u64>,
    ) -> anyhow::Result<()> {
        let node = link::node::<Sink>(link::prefix(&format!("w{}/", self.writer())));
        let mut link = Link::connect(node, self.address, self.number).await?;
        let mut docs = self.plan.docs_of(self.writer()).count() as u64;
        link.until(|output| {
            docs -= u64::from(matches!(output, Output::Changed { .. }));
            docs == 0
        })
        .await?;
        ready.send(()).await?;
        drop(ready);
        let expected = self.expected();
        let mut count = |output| {
            if let Output::Changed { doc, novel, .. } = output {
                self.take(&doc, &novel, latency)?;
            }
            anyhow::Ok(if latency.len() >= expected {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        };
        let mut failed = None;
        link.until(|output| match count(output) {
            Ok(flow) => flow.is_break(),
            Err(error) => {
                failed = Some(error);
                true
            }
        })
        .await?;
        failed.map_or(Ok(()), Err)
    }

    /// Edit `k` is in round `k / docs` of document `k % docs`; each is one event, after the one at set-up.
    fn take(&self, doc: &DocId, novel: &[crdt::Span], latency: &mut Histogram<u64>) -> anyhow::Result<()> {
        let (_, doc) = doc.as_str().split_once('/').context("a strange name")?;
        let doc: u64 = doc.parse()?;
        for span in novel {
            for seq in span.after..span.to {
                latency.record(self.clock.late((seq - 1) * self.plan.docs + doc))?;
            }
        }
        Ok(())
    }
}

/// Time that something took, with what it gave.
pub async fn timed<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(Duration, T)> {
    let started = Instant::now();
    let value = work.await?;
    Ok((started.elapsed(), value))
}
