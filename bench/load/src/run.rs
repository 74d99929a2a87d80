//! One run: writers that send edits made beforehand, subscribers that count what comes, a server between.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{ControlFlow, Range};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Kind as DocKind, Output};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hdrhistogram::Histogram;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::codec::{BytesCodec, FramedRead, FramedWrite};

use crate::clock::Clock;
use crate::link::{self, Client, LINK, Link, Ws};
use crate::server::{Kind, Protocol, Server, own_cpu};
use crate::sink::Sink as Counter;
use crate::{automerge, redis, yjs};

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
    /// That of the clients, in seconds.
    pub clients_cpu: f64,
    /// The server's memory at its peak, in KiB.
    pub peak_kib: u64,
    /// From the start until the server had called every edit durable; relays never do.
    pub durable: Option<Duration>,
    /// From the intended moment of sending until the writer knew an edit to be durable, in nanoseconds.
    pub safe: Histogram<u64>,
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

    fn names_of(&self, writer: usize) -> anyhow::Result<Vec<DocId>> {
        Ok(self.docs_of(writer).map(|doc| self.name(doc).parse()).collect::<Result<_, _>>()?)
    }

    /// The documents of a writer as a Yjs server has them: by name, or one for the connection.
    fn yjs_docs(&self, named: bool, writer: usize) -> Vec<Option<String>> {
        self.docs_of(writer).map(|doc| named.then(|| self.name(doc))).collect()
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
                return Err(readers.join_next().await);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(plan.within, set_up).await {
        Ok(Ok(())) => {}
        Ok(Err(Some(Ok(Err(why))))) => return Err(why.context("a subscriber")),
        Ok(Err(_)) => anyhow::bail!("a subscriber ended"),
        Err(_) => anyhow::bail!("the subscribers were not ready in time"),
    }
    let (cpu, clients_cpu) = (server.cpu()?, own_cpu()?);
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
    let (cpu, clients_cpu) = (server.cpu()? - cpu, own_cpu()? - clients_cpu);
    pacing.await?;
    let (mut durable, mut safe) = (Some(Duration::ZERO), Histogram::new(3)?);
    while let Some(writer) = writers.join_next().await {
        let (at, each) = writer??;
        durable = at.and_then(|at| durable.map(|so_far| so_far.max(at)));
        safe.add(each)?;
    }
    Ok(Outcome {
        took,
        edits: plan.edits(),
        delivered: latency.len(),
        expected: plan.edits() * plan.readers as u64,
        latency,
        cpu,
        clients_cpu,
        peak_kib: server.peak_kib(),
        durable,
        safe,
    })
}

/// A connection with all that it will send.
struct Writer {
    plan: Plan,
    socket: Socket,
    /// Whether messages may be joined into larger ones when all are due at once.
    pack: bool,
    messages: Vec<Bytes>,
    /// For the daemon: who made the messages, and how many events are to be called durable. Other servers call nothing so.
    client: Option<(Client<AnyDoc>, u64)>,
}

/// Where messages go.
enum Socket {
    Web(Box<Ws>),
    Plain(TcpStream),
}

impl Socket {
    /// Its two directions: what is put into the one is written as it is or as a message, the other gives messages.
    fn split(self) -> (Out, In) {
        match self {
            Socket::Web(ws) => {
                let (sink, stream) = ws.split();
                let sink = sink.with(|bytes| std::future::ready(anyhow::Ok(Message::Binary(bytes))));
                let stream = stream.filter_map(|message| async {
                    match message.map_err(anyhow::Error::from) {
                        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
                        Ok(_) => None,
                        Err(error) => Some(Err(error)),
                    }
                });
                (Box::pin(sink), Box::pin(stream))
            }
            Socket::Plain(stream) => {
                let (read, write) = stream.into_split();
                let sink = FramedWrite::new(write, BytesCodec::new()).sink_err_into();
                let stream = FramedRead::new(read, BytesCodec::new());
                (Box::pin(sink), Box::pin(stream.map(|bytes| Ok(bytes?.freeze()))))
            }
        }
    }
}

type Out = Pin<Box<dyn Sink<Bytes, Error = anyhow::Error> + Send>>;
type In = Pin<Box<dyn Stream<Item = anyhow::Result<Bytes>> + Send>>;

/// What one typed character adds to a document.
pub fn type_one(doc: &mut AnyDoc, at: usize) {
    if let Some(doc) = doc.as_doc_mut() {
        doc.transact(0, |tx| tx.text("t").insert(at, "x"));
    }
}

impl Writer {
    async fn connect(plan: Plan, server: &Server, number: usize) -> anyhow::Result<Self> {
        match server.kind.protocol() {
            Protocol::Native => return Self::connect_daemon(plan, server.address, number).await,
            Protocol::Yjs { named } => return Self::connect_yjs(plan, server.address, number, named).await,
            Protocol::Automerge => return Self::connect_automerge(plan, server.address, number).await,
            Protocol::Raw | Protocol::Redis => {}
        }
        let edits = (0..plan.edits()).filter(|k| plan.writer_of(*k) == number).map(|k| {
            let mut edit = [0; RAW_BYTES];
            let (head, _) = edit.split_at_mut(8);
            head.copy_from_slice(&k.to_le_bytes());
            (k, edit)
        });
        let (socket, messages) = if server.kind == Kind::Redis {
            let publish =
                |(k, edit): (u64, [u8; RAW_BYTES])| redis::publish(&plan.name(k % plan.docs), &edit);
            (Socket::Plain(link::connect(server.address, number).await?), edits.map(publish).collect())
        } else {
            let ws = link::dial(server.address, &format!("w{number}"), number).await?;
            (Socket::Web(ws.into()), edits.map(|(_, edit)| Bytes::copy_from_slice(&edit)).collect())
        };
        let pack = matches!(server.kind, Kind::WsFramed | Kind::Redis);
        Ok(Writer { plan, socket, pack, messages, client: None })
    }

    async fn connect_yjs(
        plan: Plan,
        address: SocketAddr,
        number: usize,
        named: bool,
    ) -> anyhow::Result<Self> {
        let mut ws = link::dial(address, &format!("w{number}"), number).await?;
        let docs = plan.yjs_docs(named, number);
        for doc in &docs {
            yjs::open(&mut ws, doc.as_deref()).await?;
        }
        let rounds = (0..plan.rounds).flat_map(|round| docs.iter().map(move |doc| (round, doc)));
        let messages = rounds.map(|(round, doc)| yjs::edit(doc.as_deref(), round)).collect();
        Ok(Writer { plan, socket: Socket::Web(ws.into()), pack: false, messages, client: None })
    }

    async fn connect_automerge(plan: Plan, address: SocketAddr, number: usize) -> anyhow::Result<Self> {
        let mut ws = link::dial(address, "", number).await?;
        let me = format!("writer {number}");
        automerge::join(&mut ws, &me).await?;
        let mut rounds = vec![Vec::new(); plan.rounds as usize];
        for doc in plan.docs_of(number) {
            let mut messages = automerge::messages(&me, doc, plan.rounds)?.into_iter();
            automerge::create(&mut ws, messages.next().context("no first message")?).await?;
            rounds.iter_mut().zip(messages).for_each(|(round, message)| round.push(message));
        }
        Ok(Writer {
            plan,
            socket: Socket::Web(ws.into()),
            pack: false,
            messages: rounds.concat(),
            client: None,
        })
    }

    /// Puts the documents in place with one edit each, and makes all other edits without sending them yet:
    /// what is measured is the server, not how fast a text takes keys.
    async fn connect_daemon(plan: Plan, address: SocketAddr, number: usize) -> anyhow::Result<Self> {
        // Interested in nothing: a writer that hears only acknowledgements.
        let mut link = Link::<AnyDoc>::connect(Client::of(&[]), address, number).await?;
        let docs = plan.names_of(number)?;
        for doc in &docs {
            let now = link.now();
            let node = link.client.node(doc).context("no lane")?;
            node.edit(now, doc, DocKind::DOC, |doc| type_one(doc, 0))?;
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
                let now = link.now();
                let node = link.client.node(doc).context("no lane")?;
                node.edit(now, doc, DocKind::DOC, |doc| type_one(doc, round as usize))?;
                let message = link.client.poll_transmit(now);
                messages.push(message.context("an edit without a message")?.into());
            }
        }
        while link.client.poll_output().is_some() {}
        let events = docs.len() as u64 * (plan.rounds + 1);
        let client = Some((link.client, events));
        Ok(Writer { plan, socket: Socket::Web(link.ws.into()), pack: true, messages, client })
    }

    /// Sends each edit when it is due; then waits until all are durable, where the server says so.
    async fn run(
        self,
        clock: Arc<Clock>,
        mut due: UnboundedReceiver<()>,
    ) -> anyhow::Result<(Option<Duration>, Histogram<u64>)> {
        let (mut sink, mut stream) = self.socket.split();
        let start = clock.start();
        let (within, docs) = (self.plan.within, self.plan.docs);
        let by_lane = self.client.is_some();
        let none = Histogram::new(3)?;
        let listening = tokio::spawn(async move {
            let mut late = none;
            let Some((mut client, events)) = self.client else {
                // What else servers say to a writer is taken, so that they are not held up.
                while let Some(Ok(_)) = stream.next().await {}
                return Ok((None, late));
            };
            let mut safe = Safe::of(&client);
            let wait = async {
                while let Some(Ok(bytes)) = stream.next().await {
                    client.receive(start.elapsed().as_millis() as u64, &bytes);
                    while let Some(output) = client.poll_output() {
                        let Output::Acked { doc, version, .. } = output else { continue };
                        let number = number_of(&doc)?;
                        for event in safe.note(doc, version.total()) {
                            late.record(clock.late(event.saturating_sub(1) * docs + number))?;
                        }
                    }
                    if safe.events >= events {
                        return Ok(Some(start.elapsed()));
                    }
                }
                anyhow::Ok(None)
            };
            let at = tokio::time::timeout(within, wait).await.unwrap_or(Ok(None))?;
            anyhow::Ok((at, late))
        });
        if self.plan.step.is_some() {
            for message in self.messages {
                if due.recv().await.is_none() {
                    break;
                }
                sink.feed(message).await?;
                if due.is_empty() {
                    sink.flush().await?;
                }
            }
        } else {
            tokio::time::sleep_until(start.into()).await;
            let messages = if self.pack { packed(&self.messages, by_lane) } else { self.messages };
            for message in messages {
                sink.feed(message).await?;
            }
        }
        sink.flush().await?;
        if by_lane { listening.await? } else { Ok((None, Histogram::new(3)?)) }
    }
}

/// How many events the server has called durable, in all and of each document: counted as it says so, since a look at
/// all documents for each of thousands of acknowledgements would be most of what the clients do.
#[derive(Default)]
struct Safe {
    events: u64,
    of: BTreeMap<DocId, u64>,
}

impl Safe {
    /// What it has said by now.
    fn of(client: &Client<AnyDoc>) -> Self {
        let mut safe = Safe::default();
        for node in client.nodes() {
            let said = node.docs().filter_map(|(name, _)| Some((name, node.peer_durable(LINK, name)?)));
            said.for_each(|(name, version)| drop(safe.note(name.clone(), version.total())));
        }
        safe
    }

    /// A document has so many events safe. Which of them that is news of, counted from 0.
    fn note(&mut self, doc: DocId, events: u64) -> Range<u64> {
        let before = self.of.insert(doc, events).unwrap_or(0);
        self.events = self.events + events - before;
        before..events
    }
}

/// Joins messages into larger ones; those of the daemon lane by lane, as their last byte is the lane.
fn packed(messages: &[Bytes], by_lane: bool) -> Vec<Bytes> {
    let mut all = Vec::new();
    let mut packs: BTreeMap<Option<u8>, BytesMut> = BTreeMap::new();
    let close = |lane: Option<u8>, mut pack: BytesMut| {
        pack.extend(lane);
        pack.freeze()
    };
    for message in messages {
        let (lane, frames) = match message.split_last() {
            Some((lane, frames)) if by_lane => (Some(*lane), frames),
            _ => (None, &**message),
        };
        let pack = packs.entry(lane).or_default();
        pack.extend_from_slice(frames);
        if pack.len() >= PACK_BYTES {
            all.push(close(lane, pack.split()));
        }
    }
    let rest = packs.into_iter().filter(|(_, pack)| !pack.is_empty());
    all.extend(rest.map(|(lane, pack)| close(lane, pack)));
    all
}

/// The number of a document, which is the end of its name.
fn number_of(doc: &DocId) -> anyhow::Result<u64> {
    let (_, number) = doc.as_str().split_once('/').context("a strange name")?;
    Ok(number.parse()?)
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
            match self.kind.protocol() {
                Protocol::Native => self.count_daemon(ready, &mut latency).await,
                Protocol::Yjs { named } => self.count_yjs(ready, &mut latency, named).await,
                Protocol::Automerge => self.count_automerge(ready, &mut latency).await,
                Protocol::Raw => self.count_raw(ready, &mut latency).await,
                Protocol::Redis => self.count_redis(ready, &mut latency).await,
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

    async fn count_redis(&self, ready: mpsc::Sender<()>, latency: &mut Histogram<u64>) -> anyhow::Result<()> {
        let channels: Vec<String> = self.plan.docs_of(self.writer()).map(|doc| self.plan.name(doc)).collect();
        let stream = link::connect(self.address, self.number).await?;
        let mut subscriber = redis::Subscriber::open(stream, &channels).await?;
        ready.send(()).await?;
        drop(ready);
        while latency.len() < self.expected() {
            let edit = subscriber.next().await?;
            let k = edit.first_chunk().copied().map(u64::from_le_bytes).context("no edit")?;
            latency.record(self.clock.late(k))?;
        }
        Ok(())
    }

    async fn count_yjs(
        &self,
        ready: mpsc::Sender<()>,
        latency: &mut Histogram<u64>,
        named: bool,
    ) -> anyhow::Result<()> {
        let mut ws = link::dial(self.address, &format!("w{}", self.writer()), self.number).await?;
        let docs = self.plan.yjs_docs(named, self.writer());
        for doc in &docs {
            yjs::open(&mut ws, doc.as_deref()).await?;
        }
        ready.send(()).await?;
        drop(ready);
        let mut seen =
            Seen::new(docs.iter().map(|doc| doc.clone().unwrap_or_default()), &self.plan, self.writer());
        while latency.len() < self.expected() {
            let Message::Binary(bytes) = ws.next().await.context("the server went")?? else { continue };
            if let Some((name, edits)) = yjs::reaches(&bytes, named)? {
                seen.take(name, edits, &self.clock, latency)?;
            }
        }
        Ok(())
    }

    async fn count_automerge(
        &self,
        ready: mpsc::Sender<()>,
        latency: &mut Histogram<u64>,
    ) -> anyhow::Result<()> {
        let mut ws = link::dial(self.address, "", self.number).await?;
        let me = format!("reader {}", self.number);
        automerge::join(&mut ws, &me).await?;
        for doc in self.plan.docs_of(self.writer()) {
            automerge::open(&mut ws, &me, doc).await?;
        }
        ready.send(()).await?;
        drop(ready);
        let ids = self.plan.docs_of(self.writer()).map(automerge::id);
        let mut seen = Seen::new(ids, &self.plan, self.writer());
        while latency.len() < self.expected() {
            let Message::Binary(bytes) = ws.next().await.context("the server went")?? else { continue };
            let Some(received) = automerge::Received::read(&bytes)? else { continue };
            let Some(edits) = received.reaches else { continue };
            if let Some(doc) = seen.take(&received.id, edits, &self.clock, latency)? {
                ws.send(Message::Binary(received.answer(&me, doc)?)).await?;
            }
        }
        Ok(())
    }

    async fn count_daemon(
        &self,
        ready: mpsc::Sender<()>,
        latency: &mut Histogram<u64>,
    ) -> anyhow::Result<()> {
        let client = match &*self.plan.names_of(self.writer())? {
            one @ [_] => Client::of(one),
            _ => Client::of_prefix(&format!("w{}/", self.writer())),
        };
        let mut link = Link::<Counter>::connect(client, self.address, self.number).await?;
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
        let doc = number_of(doc)?;
        for span in novel {
            for seq in span.after..span.to {
                latency.record(self.clock.late((seq - 1) * self.plan.docs + doc))?;
            }
        }
        Ok(())
    }
}

/// How many edits of each document a reader has seen, where servers say no more than how far a document reaches.
struct Seen(u64, BTreeMap<String, (u64, u64)>);

impl Seen {
    fn new(names: impl Iterator<Item = String>, plan: &Plan, writer: usize) -> Self {
        Seen(plan.docs, names.zip(plan.docs_of(writer).map(|doc| (doc, 0))).collect())
    }

    /// Records the edits that are new now that a document has so many. Returns its number.
    fn take(
        &mut self,
        name: &str,
        edits: u64,
        clock: &Clock,
        latency: &mut Histogram<u64>,
    ) -> anyhow::Result<Option<u64>> {
        let Some((doc, so_far)) = self.1.get_mut(name) else { return Ok(None) };
        for round in *so_far..edits {
            latency.record(clock.late(round * self.0 + *doc))?;
        }
        *so_far = edits.max(*so_far);
        Ok(Some(*doc))
    }
}

/// Time that something took, with what it gave.
pub async fn timed<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(Duration, T)> {
    let started = Instant::now();
    let value = work.await?;
    Ok((started.elapsed(), value))
}
