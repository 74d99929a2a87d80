//! The one task that owns the documents and links of a lane: inputs in, outputs carried out.
//!
//! Nothing else touches the lane's [`Node`]. Connections hand in messages through a bounded queue, so one that
//! brings too much waits. There is no queue on the way out: a connection that can send asks, and gets the
//! difference that it is owed then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Input, Kind, LinkId, Millis, Node, Output, PeerInfo, Role};
use crdt::{Delta, Hlc, ReplicaId, Replicated, Span, VersionVector};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::concern::Safety;
use crate::conn::Wire;
use crate::machine;
use crate::status::{self, Standing, Status};
use crate::store::{Read, Record, Store};

/// How many inputs may wait for the driver before whoever brings more has to wait.
pub(crate) const INPUTS: usize = 1024;
/// How many events a slow listener may fall behind before it is told that it missed some.
pub(crate) const EVENTS: usize = 4096;
/// After this many inputs in a row, outputs are carried out before more are taken.
const BURST: usize = 64;

/// What happened in a peer, for whoever listens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A document has new events.
    Changed {
        /// The document.
        doc: DocId,
        /// The events.
        novel: Vec<Span>,
        /// The link they came over; `None` when they were written here.
        from: Option<LinkId>,
    },
    /// A peer connected and said who it is.
    Connected {
        /// The link.
        link: LinkId,
        /// The peer.
        peer: PeerInfo,
    },
    /// A link is gone.
    Disconnected {
        /// The link.
        link: LinkId,
    },
    /// Everything that a peer had of a document when it connected is here.
    Synced {
        /// The link.
        link: LinkId,
        /// The document.
        doc: DocId,
    },
    /// The document here does not take what a peer sent of it, and is as it was; other documents go on. If it was away
    /// for too long, [`Peer::rescue`](crate::Peer::rescue) has what was edited meanwhile. Told once for a link.
    Refused {
        /// The link.
        link: LinkId,
        /// The document.
        doc: DocId,
        /// Why.
        reason: String,
    },
    /// A peer sent what an author stamped further ahead of this machine's clock than
    /// [`PeerConfig::max_drift`](crate::PeerConfig::max_drift): that author's clock is wrong, or this one's. It is held back,
    /// with what was written having seen it, and taken when the clock has come there; all else goes on. Told once for an
    /// author in a document.
    Early {
        /// The link.
        link: LinkId,
        /// The document.
        doc: DocId,
        /// Who wrote it.
        author: ReplicaId,
        /// By how much the latest of it is ahead.
        ahead: Duration,
    },
    /// A peer says that events are safe on its disk.
    Acked {
        /// The link.
        link: LinkId,
        /// The document.
        doc: DocId,
        /// What is safe there.
        version: VersionVector,
    },
    /// Events are safe on this peer's disk.
    Durable {
        /// The document.
        doc: DocId,
        /// What is safe here.
        version: VersionVector,
    },
    /// Someone's presence changed; `None` when it ended.
    Presence {
        /// The document.
        doc: DocId,
        /// Whose.
        from: ReplicaId,
        /// What the app put in.
        value: Option<Vec<u8>>,
    },
}

/// Work on the node.
pub(crate) type Work = Box<dyn FnOnce(&mut Driver, Millis) + Send>;

/// What is asked of the driver.
pub(crate) enum Command {
    /// Work on the node, done between two inputs.
    Run(Work),
    /// Work on one document, done once it is in memory.
    On {
        doc: DocId,
        work: Work,
    },
    /// The store has read a document.
    Loaded {
        doc: DocId,
        read: Read,
    },
    /// There is a connection. One that was dialed here may wait until there is something to say in this lane.
    LinkUp {
        link: LinkId,
        dialed: bool,
        wire: Arc<Wire>,
    },
    LinkDown {
        link: LinkId,
    },
    Message {
        link: LinkId,
        bytes: Bytes,
    },
    /// The connection's socket has room for a message, and there was one to send.
    Free {
        link: LinkId,
    },
    /// Whether there is something to send on a link.
    Owes {
        link: LinkId,
        reply: oneshot::Sender<bool>,
    },
    Stop,
}

/// How the driver sees a connection.
struct Connection {
    wire: Arc<Wire>,
    /// Whether this side opened it.
    dialed: bool,
}

/// A question about a document that is asked again after every change of it until it is answered with yes.
type Condition = Box<dyn Fn(&Driver) -> bool + Send>;

/// Who waits for a document to be as asked.
struct Waiter {
    condition: Condition,
    answer: oneshot::Sender<()>,
}

/// Owner of the node.
pub(crate) struct Driver {
    /// Which lane it drives.
    lane: usize,
    pub(crate) node: Node<AnyDoc>,
    store: Option<Store>,
    /// Work on documents that are on their way from the store.
    parked_work: BTreeMap<DocId, Vec<Work>>,
    /// How many peers it was told to keep a link to.
    targets: usize,
    /// For a client: what daemons said to be safe on their disks, also those that it is not linked to now.
    elsewhere: BTreeMap<DocId, VersionVector>,
    connections: BTreeMap<LinkId, Connection>,
    /// Those of them on which nothing was said yet in this lane.
    silent: BTreeSet<LinkId>,
    ready: BTreeSet<LinkId>,
    /// What is written into a socket, kept for the next.
    scratch: Vec<u8>,
    pub(crate) synced: BTreeSet<(LinkId, DocId)>,
    started: Instant,
    pub(crate) events: broadcast::Sender<Event>,
    waiting: BTreeMap<DocId, Vec<Waiter>>,
    /// Documents of which something has changed for those who wait.
    touched: BTreeSet<DocId>,
    /// Whether something has changed for all who wait: links, or that the store has failed.
    all_touched: bool,
    store_failed: bool,
    commands: mpsc::WeakSender<Command>,
}

impl Driver {
    pub(crate) fn new(
        lane: usize,
        node: Node<AnyDoc>,
        store: Option<Store>,
        targets: usize,
        commands: mpsc::WeakSender<Command>,
        events: broadcast::Sender<Event>,
    ) -> Self {
        Driver {
            lane,
            node,
            store,
            parked_work: BTreeMap::new(),
            targets,
            elsewhere: BTreeMap::new(),
            connections: BTreeMap::new(),
            silent: BTreeSet::new(),
            ready: BTreeSet::new(),
            scratch: Vec::new(),
            synced: BTreeSet::new(),
            started: Instant::now(),
            events,
            waiting: BTreeMap::new(),
            touched: BTreeSet::new(),
            all_touched: false,
            store_failed: false,
            commands,
        }
    }

    fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    /// Runs until it is told to stop or nobody holds the peer any more.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let (lane, store) = (self.lane, self.store.as_ref().map(|store| Arc::clone(&store.shared)));
        loop {
            let deadline = self.node.next_deadline();
            let sleep = deadline.map(|at| at.saturating_sub(self.now()).min(3_600_000));
            let committed = async {
                match &store {
                    Some(shared) => shared.changed(lane).await,
                    None => std::future::pending().await,
                }
            };
            let more = !self.ready.is_empty();
            let command = tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => Some(command),
                    None => return,
                },
                () = tokio::task::yield_now(), if more => None,
                () = committed => None,
                () = tokio::time::sleep(Duration::from_millis(sleep.unwrap_or_default())), if sleep.is_some() => None,
            };
            self.node.set_clock(self.now(), machine::wall_clock_ms());
            let mut next = command;
            for _ in 0..BURST {
                match next {
                    Some(Command::Stop) => return self.stop().await,
                    Some(command) => self.command(command),
                    None => break,
                }
                next = commands.try_recv().ok();
            }
            if let Some(Command::Stop) = next {
                return self.stop().await;
            } else if let Some(command) = next {
                self.command(command);
            }
            self.take_durable();
            let now = self.now();
            if self.node.next_deadline().is_some_and(|at| at <= now) {
                self.node.handle(now, Input::Wake);
            }
            self.speak(now);
            self.carry_out().await;
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Run(work) => self.work(now, work),
            Command::On { doc, work } => self.work_on(now, doc, work),
            Command::Loaded { doc, read } => {
                self.node.loaded(now, &doc, read.map(|(read, bytes)| (*read, bytes)));
                for work in self.parked_work.remove(&doc).unwrap_or_default() {
                    self.work_on(now, doc.clone(), work);
                }
                self.touched.insert(doc);
            }
            Command::LinkUp { link, dialed, wire } => {
                self.connections.insert(link, Connection { wire, dialed });
                self.silent.insert(link);
                if !dialed {
                    self.open(now, link);
                }
            }
            Command::LinkDown { link } => {
                self.node.handle(now, Input::LinkDown { link });
                self.forget(link);
            }
            Command::Message { link, bytes } => {
                self.open(now, link);
                self.node.handle(now, Input::Frame { link, bytes: bytes.into() });
            }
            Command::Free { link } => {
                if self.connections.contains_key(&link) {
                    self.ready.insert(link);
                }
            }
            Command::Owes { link, reply } => {
                let _ = reply.send(self.connections.contains_key(&link) && self.node.owes(link));
            }
            Command::Stop => {}
        }
    }

    /// Begins to talk on a connection, if that was not done yet.
    fn open(&mut self, now: Millis, link: LinkId) {
        if self.silent.remove(&link) {
            let dialed = self.connections.get(&link).is_some_and(|connection| connection.dialed);
            self.node.handle(now, Input::LinkUp { link, dialed });
        }
    }

    /// Begins to talk on all connections once there is something to say in this lane.
    fn speak(&mut self, now: Millis) {
        if self.silent.is_empty() {
            return;
        }
        let config = self.node.config();
        let wants = !config.interest.prefixes.is_empty() || !config.interest.names.is_empty();
        if self.lane == 0 || config.role == Role::Daemon || wants || self.node.versions().next().is_some() {
            self.silent.clone().into_iter().for_each(|link| self.open(now, link));
        }
    }

    /// Works on a document, now or when it has come from the store.
    fn work_on(&mut self, now: Millis, doc: DocId, work: Work) {
        if self.node.ensure(&doc) {
            self.work(now, work);
        } else {
            self.parked_work.entry(doc).or_default().push(work);
        }
    }

    /// An app's closure may panic; that is no reason for everything else to end.
    fn work(&mut self, now: Millis, work: Work) {
        let run = std::panic::AssertUnwindSafe(|| work(self, now));
        if std::panic::catch_unwind(run).is_err() {
            tracing::error!("what an app asked for panicked");
        }
    }

    fn take_durable(&mut self) {
        let Some(store) = &self.store else { return };
        let now = self.now();
        if !self.store_failed && store.shared.failure().is_some() {
            (self.store_failed, self.all_touched) = (true, true);
        }
        for (doc, version) in store.shared.take_durable(self.lane) {
            let _ = self.events.send(Event::Durable { doc: doc.clone(), version: version.clone() });
            self.touched.insert(doc.clone());
            self.node.handle(now, Input::Durable { doc, version });
        }
    }

    /// Carries out what the node asks for, and sends what is owed where a socket is free.
    async fn carry_out(&mut self) {
        let mut to_store = BTreeMap::new();
        self.take_outputs(&mut to_store);
        // Each write is tried at once; were each counted as a step of this task, most would be put off.
        tokio::task::unconstrained(async { self.transmit() }).await;
        self.take_outputs(&mut to_store);
        if let Some(store) = &self.store {
            for (doc, (kind, deltas)) in to_store {
                for delta in self.joined(&doc, deltas) {
                    store.keep(Record { doc: doc.clone(), kind, delta }).await;
                }
            }
        }
        self.answer();
    }

    /// Sends a message on each link that is owed one and whose socket has room.
    fn transmit(&mut self) {
        let now = self.now();
        for link in std::mem::take(&mut self.ready) {
            let wire = self.connections.get(&link).map(|connection| &connection.wire);
            let Some(wire) = wire.filter(|wire| wire.has_room(self.lane)) else { continue };
            if let Some(message) = self.node.poll_transmit(now, link) {
                wire.send(self.lane, &message, &mut self.scratch);
            }
            // If there is more it will tell when it has room, or has some already: then after the others.
            if self.node.owes(link) && wire.has_room(self.lane) {
                self.ready.insert(link);
            }
        }
    }

    fn take_outputs(&mut self, to_store: &mut BTreeMap<DocId, (Kind, Vec<Arc<Delta>>)>) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Ready { link } => {
                    self.ready.insert(link);
                }
                Output::Load { doc } => self.load(doc),
                Output::Store { doc, kind, delta } => {
                    to_store.entry(doc).or_insert((kind, Vec::new())).1.push(delta);
                }
                Output::Close { link, reason } => {
                    tracing::warn!(link = link.0, %reason, "closing a link");
                    self.close(link, CloseCode::Policy, reason);
                }
                Output::Refused { link, doc, reason } => {
                    tracing::error!(link = link.0, %doc, %reason, "a document refused what a peer sent of it");
                    // Nobody has to listen.
                    let _ = self.events.send(Event::Refused { link, doc, reason });
                }
                Output::Early { link, doc, author, ahead } => {
                    let ahead = Duration::from_millis(ahead);
                    tracing::warn!(link = link.0, %doc, author = %author.short(), ?ahead,
                        "stamped ahead of this machine's clock: held back until then, or until the clock is set");
                    let _ = self.events.send(Event::Early { link, doc, author, ahead });
                }
                output => self.tell(output),
            }
        }
    }

    /// Has the store read a document.
    fn load(&mut self, doc: DocId) {
        let commands = self.commands.clone();
        let Some(store) = &self.store else { return };
        let told = store.read(doc.clone());
        tokio::spawn(async move {
            // A store that is being closed tells nothing.
            if let (Ok(read), Some(commands)) = (told.await, commands.upgrade()) {
                let _ = commands.send(Command::Loaded { doc, read }).await;
            }
        });
    }

    /// Answers those who wait for what has come true.
    fn answer(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let docs: Vec<DocId> = if std::mem::take(&mut self.all_touched) {
            self.waiting.keys().cloned().collect()
        } else {
            touched.into_iter().filter(|doc| self.waiting.contains_key(doc)).collect()
        };
        for doc in docs {
            let mut waiters = self.waiting.remove(&doc).unwrap_or_default();
            let met = waiters.extract_if(.., |waiter| (waiter.condition)(self) || waiter.answer.is_closed());
            for waiter in met {
                let _ = waiter.answer.send(());
            }
            if !waiters.is_empty() {
                self.waiting.insert(doc, waiters);
            }
        }
    }

    /// One delta in place of several that came in a burst: the disk then takes one record, not thousands.
    fn joined(&self, doc: &DocId, deltas: Vec<Arc<Delta>>) -> Vec<Arc<Delta>> {
        let Some(held) = self.node.doc(doc).filter(|_| deltas.len() > 1) else { return deltas };
        let mut after: BTreeMap<ReplicaId, u64> = BTreeMap::new();
        for span in deltas.iter().flat_map(|delta| &delta.spans) {
            let first = after.entry(span.replica).or_insert(span.after);
            *first = span.after.min(*first);
        }
        let version = held.version();
        let before = version.iter().map(|(id, seq)| (id, after.get(&id).copied().unwrap_or(seq)));
        vec![Arc::new(held.delta_since(&before.collect()))]
    }

    fn tell(&mut self, output: Output) {
        match &output {
            Output::Changed { doc, .. }
            | Output::Synced { doc, .. }
            | Output::Acked { doc, .. }
            | Output::Answered { doc, .. } => {
                self.touched.insert(doc.clone());
            }
            Output::Hello { .. } => self.all_touched = true,
            _ => {}
        }
        let event = match output {
            Output::Changed { doc, novel, from } => Event::Changed { doc, novel, from },
            Output::Hello { link, peer } => {
                if !self.connections.get(&link).is_some_and(|connection| connection.wire.meet()) {
                    return;
                }
                tracing::info!(link = link.0, peer = %peer.name, "connected");
                Event::Connected { link, peer }
            }
            Output::Synced { link, doc } => {
                self.synced.insert((link, doc.clone()));
                Event::Synced { link, doc }
            }
            Output::Acked { link, doc, version } => {
                if self.node.config().role == Role::Client {
                    self.elsewhere.entry(doc.clone()).or_default().merge(&version);
                }
                Event::Acked { link, doc, version }
            }
            Output::Presence { doc, from, value } => Event::Presence { doc, from, value },
            _ => return,
        };
        // Nobody has to listen.
        let _ = self.events.send(event);
    }

    fn close(&mut self, link: LinkId, code: CloseCode, reason: String) {
        if let Some(connection) = self.connections.get(&link) {
            connection.wire.close(code, &reason);
        }
        self.forget(link);
    }

    fn forget(&mut self, link: LinkId) {
        self.synced.retain(|(of, _)| *of != link);
        self.ready.remove(&link);
        self.silent.remove(&link);
        self.all_touched = true;
        if self.connections.remove(&link).is_some_and(|connection| connection.wire.part()) {
            tracing::info!(link = link.0, "disconnected");
            let _ = self.events.send(Event::Disconnected { link });
        }
    }

    /// Answers once a condition holds that only changes of this document, of links, or a failure of the store can
    /// make true.
    pub(crate) fn when(&mut self, doc: DocId, condition: Condition, answer: oneshot::Sender<()>) {
        if condition(self) {
            let _ = answer.send(());
            return;
        }
        let waiters = self.waiting.entry(doc).or_default();
        if waiters.len() == waiters.capacity() {
            waiters.retain(|waiter| !waiter.answer.is_closed());
        }
        waiters.push(Waiter { condition, answer });
    }

    /// On which disks these events of a document are, of how many; `asked` is the question about it to the network.
    pub(crate) fn safety(&self, doc: &DocId, wanted: &VersionVector, asked: Option<u64>) -> Safety {
        let covers = |version: Option<&VersionVector>| version.is_some_and(|version| version.covers(wanted));
        let daemons: Vec<(LinkId, ReplicaId)> = self
            .node
            .links()
            .filter(|(_, peer, _)| peer.role == Role::Daemon)
            .map(|(link, peer, _)| (link, peer.id))
            .collect();
        let own = self.store.is_some();
        // A peer that it was told to keep a link to counts also while it is away.
        let dialed = |link: &LinkId| self.connections.get(link).is_some_and(|connection| connection.dialed);
        let came = daemons.iter().filter(|(link, _)| !dialed(link)).count();
        let own_safe = (own && covers(self.node.durable(doc))).then_some(self.node.config().id);
        let theirs = daemons.iter().filter(|(link, _)| covers(self.node.peer_durable(*link, doc)));
        let mut by: Vec<ReplicaId> = own_safe.into_iter().chain(theirs.map(|(_, id)| *id)).collect();
        // Two links may lead to one peer.
        by.sort_unstable();
        by.dedup();
        let here = covers(self.node.version(doc));
        let answers = asked.into_iter().flat_map(|question| self.node.answers(question));
        let beyond = answers.filter(|id| by.binary_search(id).is_err()).collect();
        Safety { here, by, disks: usize::from(own) + self.targets + came, beyond }
    }

    pub(crate) fn standing(&self) -> Standing {
        let links: Vec<LinkId> = self.node.links().map(|(link, _, _)| link).collect();
        let (mut unsynced, mut undurable, mut all) = (0, 0, true);
        for (name, _, version) in self.node.versions() {
            let lacking = |have: &VersionVector| version.since(have).map(|span| span.len()).sum::<u64>();
            let known = links.iter().filter_map(|link| self.node.peer_version(*link, name));
            unsynced += lacking(&joined(known.chain(self.elsewhere.get(name))));
            let own = self.store.as_ref().and_then(|_| self.node.durable(name));
            let theirs = links.iter().filter_map(|link| self.node.peer_durable(*link, name));
            undurable += lacking(&joined(own.into_iter().chain(theirs).chain(self.elsewhere.get(name))));
            all &= links.iter().any(|link| self.synced.contains(&(*link, name.clone())));
        }
        let (connected, linked) = (!self.connections.is_empty(), !links.is_empty());
        Standing { connected, linked, synced: all, unsynced, undurable }
    }

    /// Documents that could not be read from the store, and why.
    pub(crate) fn quarantined(&self) -> Vec<String> {
        self.store.as_ref().map(|store| store.shared.quarantined()).unwrap_or_default()
    }

    /// What is held back since its time has not come.
    fn early(&self) -> Vec<String> {
        let wall = machine::wall_clock_ms();
        let said = |(doc, author, stamp): (&DocId, ReplicaId, Hlc)| {
            let ahead = stamp.millis().saturating_sub(wall).div_ceil(1_000);
            format!("{doc}: of {}, {ahead} s ahead", author.short())
        };
        self.node.early().take(status::LISTED).map(said).collect()
    }

    pub(crate) fn store_failure(&self) -> Option<String> {
        self.store.as_ref().and_then(|store| store.shared.failure())
    }

    pub(crate) fn status(&self) -> Status {
        let store = match (&self.store, self.store_failure()) {
            (_, Some(reason)) => format!("failed: {reason}"),
            (Some(_), None) => "ok".to_owned(),
            (None, None) => "memory".to_owned(),
        };
        Status {
            uptime_ms: self.now(),
            store,
            quarantined: self.quarantined(),
            early: self.early(),
            compaction: self.store.as_ref().map(|store| store.shared.compaction()).unwrap_or_default(),
            ..status::of(&self.node)
        }
    }

    async fn stop(mut self) {
        self.carry_out().await;
        let links: Vec<LinkId> = self.connections.keys().copied().collect();
        links
            .into_iter()
            .for_each(|link| self.close(link, CloseCode::Away, "the peer is shutting down".to_owned()));
    }
}

fn joined<'a>(versions: impl Iterator<Item = &'a VersionVector>) -> VersionVector {
    versions.fold(VersionVector::new(), |joined, version| joined.merged(version))
}
