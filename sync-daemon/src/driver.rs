//! The one task that owns the documents and the links: inputs in, outputs carried out.
//!
//! Nothing else touches the [`Node`]. Connections hand in messages through a bounded queue, so one that
//! brings too much waits. There is no queue on the way out: a connection that can send asks, and gets the
//! difference that it is owed then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crdt::doc::AnyDoc;
use crdt::sync::{DocId, Input, Kind, LinkId, Millis, Node, Output, PeerInfo, Role};
use crdt::{Delta, ReplicaId, Replicated, Span, VersionVector};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::concern::Safety;
use crate::status::{self, Phase, Progress, Status};
use crate::store::{Record, Store};

/// How many inputs may wait for the driver before whoever brings more has to wait.
pub(crate) const INPUTS: usize = 1024;
/// How many events a slow listener may fall behind before it is told that it missed some.
const EVENTS: usize = 4096;
/// How long a new connection may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
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
    LinkUp {
        dialed: bool,
        outgoing: mpsc::Sender<Outgoing>,
        link: oneshot::Sender<LinkId>,
    },
    LinkDown {
        link: LinkId,
    },
    Message {
        link: LinkId,
        bytes: Bytes,
    },
    /// The connection's socket can take a message.
    Free {
        link: LinkId,
    },
    /// The time within which a new connection has to say who it is has passed.
    HelloDue {
        link: LinkId,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// What a connection is told to send.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message(Vec<u8>),
    Close(CloseCode, String),
}

/// How the driver sees a connection.
struct Connection {
    outgoing: mpsc::Sender<Outgoing>,
    /// Whether its socket can take a message now.
    free: bool,
    known: bool,
    /// Whether this side opened it.
    dialed: bool,
}

/// A question that is asked again after every change until it is answered with yes.
type Condition = Box<dyn Fn(&Driver) -> bool + Send>;

/// Owner of the node.
pub(crate) struct Driver {
    pub(crate) node: Node<AnyDoc>,
    store: Option<Store>,
    quarantined: Vec<String>,
    /// How many peers it was told to keep a link to.
    targets: usize,
    /// For a client: what daemons said to be safe on their disks, also those that it is not linked to now.
    elsewhere: BTreeMap<DocId, VersionVector>,
    connections: BTreeMap<LinkId, Connection>,
    ready: BTreeSet<LinkId>,
    pub(crate) synced: BTreeSet<(LinkId, DocId)>,
    next_link: u64,
    started: Instant,
    pub(crate) events: broadcast::Sender<Event>,
    waiting: Vec<(Condition, oneshot::Sender<()>)>,
    commands: mpsc::WeakSender<Command>,
}

impl Driver {
    pub(crate) fn new(
        node: Node<AnyDoc>,
        store: Option<Store>,
        quarantined: Vec<String>,
        targets: usize,
        commands: mpsc::WeakSender<Command>,
    ) -> Self {
        Driver {
            node,
            store,
            quarantined,
            targets,
            elsewhere: BTreeMap::new(),
            connections: BTreeMap::new(),
            ready: BTreeSet::new(),
            synced: BTreeSet::new(),
            next_link: 1,
            started: Instant::now(),
            events: broadcast::channel(EVENTS).0,
            waiting: Vec::new(),
            commands,
        }
    }

    fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    /// Runs until it is told to stop or nobody holds the peer any more.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let store = self.store.as_ref().map(|store| std::sync::Arc::clone(&store.shared));
        let done = loop {
            let deadline = self.node.next_deadline();
            let sleep = deadline.map(|at| at.saturating_sub(self.now()).min(3_600_000));
            let committed = async {
                match &store {
                    Some(shared) => shared.changed.notified().await,
                    None => std::future::pending().await,
                }
            };
            let command = tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => Some(command),
                    None => break None,
                },
                () = committed => None,
                () = tokio::time::sleep(Duration::from_millis(sleep.unwrap_or_default())), if sleep.is_some() => None,
            };
            let mut next = command;
            for _ in 0..BURST {
                match next {
                    Some(Command::Stop { done }) => return self.stop(done).await,
                    Some(command) => self.command(command),
                    None => break,
                }
                next = commands.try_recv().ok();
            }
            if let Some(Command::Stop { done }) = next {
                return self.stop(done).await;
            } else if let Some(command) = next {
                self.command(command);
            }
            self.take_durable();
            let now = self.now();
            self.node.handle(now, Input::Wake);
            self.carry_out().await;
        };
        if let Some(done) = done {
            self.stop(done).await;
        } else if let Some(store) = self.store.take() {
            store.close().await;
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            // An app's closure may panic; that is no reason for everything else to end.
            Command::Run(work) => {
                let run = std::panic::AssertUnwindSafe(|| work(self, now));
                if std::panic::catch_unwind(run).is_err() {
                    tracing::error!("what an app asked for panicked");
                }
            }
            Command::LinkUp { dialed, outgoing, link: reply } => {
                let link = LinkId(self.next_link);
                self.next_link += 1;
                if reply.send(link).is_ok() {
                    self.connections.insert(link, Connection { outgoing, free: true, known: false, dialed });
                    self.node.handle(now, Input::LinkUp { link, dialed });
                    self.expect_hello(link);
                }
            }
            Command::LinkDown { link } => {
                self.node.handle(now, Input::LinkDown { link });
                self.forget(link);
            }
            Command::Message { link, bytes } => {
                self.node.handle(now, Input::Frame { link, bytes: bytes.into() });
            }
            Command::Free { link } => {
                if let Some(connection) = self.connections.get_mut(&link) {
                    connection.free = true;
                    self.ready.insert(link);
                }
            }
            Command::HelloDue { link } => {
                if self.connections.get(&link).is_some_and(|connection| !connection.known) {
                    self.close(link, CloseCode::Policy, "it did not say who it is in time".to_owned());
                    self.node.handle(now, Input::LinkDown { link });
                }
            }
            Command::Stop { .. } => {}
        }
    }

    fn expect_hello(&self, link: LinkId) {
        let commands = self.commands.clone();
        tokio::spawn(async move {
            tokio::time::sleep(HELLO_WITHIN).await;
            if let Some(commands) = commands.upgrade() {
                let _ = commands.send(Command::HelloDue { link }).await;
            }
        });
    }

    fn take_durable(&mut self) {
        let Some(store) = &self.store else { return };
        let now = self.now();
        for (doc, version) in store.shared.take_durable() {
            let _ = self.events.send(Event::Durable { doc: doc.clone(), version: version.clone() });
            self.node.handle(now, Input::Durable { doc, version });
        }
    }

    /// Carries out what the node asks for, and sends what is owed where a socket is free.
    async fn carry_out(&mut self) {
        let mut to_store: BTreeMap<DocId, (Kind, Vec<Arc<Delta>>)> = BTreeMap::new();
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Ready { link } => {
                    self.ready.insert(link);
                }
                Output::Store { doc, kind, delta } => {
                    to_store.entry(doc).or_insert((kind, Vec::new())).1.push(delta);
                }
                Output::Close { link, reason } => {
                    tracing::warn!(link = link.0, %reason, "closing a link");
                    self.close(link, CloseCode::Policy, reason);
                }
                Output::Refused { link, doc, reason } => {
                    tracing::error!(link = link.0, %doc, %reason, "a document refused what a peer sent of it");
                }
                output => self.tell(output),
            }
        }
        if let Some(store) = &self.store {
            for (doc, (kind, deltas)) in to_store {
                for delta in self.joined(&doc, deltas) {
                    store.keep(Record { doc: doc.clone(), kind, delta }).await;
                }
            }
        }
        let now = self.now();
        for link in std::mem::take(&mut self.ready) {
            let Some(connection) = self.connections.get_mut(&link) else { continue };
            if !connection.free {
                continue;
            }
            if let Some(message) = self.node.poll_transmit(now, link) {
                connection.free = false;
                // It was free, so its one place is; if it is gone, its end will be heard of.
                let _ = connection.outgoing.try_send(Outgoing::Message(message));
            }
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut still = Vec::new();
        for (condition, answer) in waiting.drain(..) {
            if condition(self) {
                let _ = answer.send(());
            } else if !answer.is_closed() {
                still.push((condition, answer));
            }
        }
        self.waiting = still;
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
        let event = match output {
            Output::Changed { doc, novel, from } => Event::Changed { doc, novel, from },
            Output::Hello { link, peer } => {
                tracing::info!(link = link.0, peer = %peer.name, "connected");
                if let Some(connection) = self.connections.get_mut(&link) {
                    connection.known = true;
                }
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
            let _ = connection.outgoing.try_send(Outgoing::Close(code, reason));
        }
        self.forget(link);
    }

    fn forget(&mut self, link: LinkId) {
        self.synced.retain(|(of, _)| *of != link);
        self.ready.remove(&link);
        if self.connections.remove(&link).is_some() {
            tracing::info!(link = link.0, "disconnected");
            let _ = self.events.send(Event::Disconnected { link });
        }
    }

    /// Answers once a condition holds.
    pub(crate) fn when(&mut self, condition: Condition, answer: oneshot::Sender<()>) {
        self.waiting.push((condition, answer));
    }

    /// On which disks these events of a document are, of how many.
    pub(crate) fn safety(&self, doc: &DocId, wanted: &VersionVector) -> Safety {
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
        let here = covers(self.node.doc(doc).map(Replicated::version));
        Safety { here, by, disks: usize::from(own) + self.targets + came }
    }

    pub(crate) fn progress(&self) -> Progress {
        let links: Vec<LinkId> = self.node.links().map(|(link, _, _)| link).collect();
        let (mut unsynced, mut undurable, mut all) = (0, 0, true);
        for (name, doc) in self.node.docs() {
            let lacking =
                |have: &VersionVector| doc.version().since(have).map(|span| span.len()).sum::<u64>();
            let known = links.iter().filter_map(|link| self.node.peer_version(*link, name));
            unsynced += lacking(&joined(known.chain(self.elsewhere.get(name))));
            let own = self.store.as_ref().and_then(|_| self.node.durable(name));
            let theirs = links.iter().filter_map(|link| self.node.peer_durable(*link, name));
            undurable += lacking(&joined(own.into_iter().chain(theirs).chain(self.elsewhere.get(name))));
            all &= links.iter().any(|link| self.synced.contains(&(*link, name.clone())));
        }
        let phase = match (self.connections.is_empty(), links.is_empty()) {
            (true, _) => Phase::Offline,
            (false, true) => Phase::Connecting,
            (false, false) if all && unsynced == 0 => Phase::Synced,
            (false, false) => Phase::Syncing,
        };
        Progress { phase, unsynced, undurable }
    }

    /// Documents that could not be read from the store, and why.
    pub(crate) fn quarantined(&self) -> &[String] {
        &self.quarantined
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
            quarantined: self.quarantined.clone(),
            ..status::of(&self.node)
        }
    }

    async fn stop(mut self, done: oneshot::Sender<()>) {
        self.carry_out().await;
        let links: Vec<LinkId> = self.connections.keys().copied().collect();
        links
            .into_iter()
            .for_each(|link| self.close(link, CloseCode::Away, "the peer is shutting down".to_owned()));
        if let Some(store) = self.store.take() {
            store.close().await;
        }
        let _ = done.send(());
    }
}

fn joined<'a>(versions: impl Iterator<Item = &'a VersionVector>) -> VersionVector {
    versions.fold(VersionVector::new(), |joined, version| joined.merged(version))
}
