//! [`Peer`]: the handle that apps hold.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crdt::doc::{AnyDoc, Patch, Rescue};
use crdt::sync::{Config, DocId, Interest, Kind, Lane, Millis, Node, Role, Whom};
use crdt::{Applied, Delta, Doc, ReplicaId, Replicated, VersionVector};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::concern::{Outcome, Token, WriteConcern};
use crate::config::PeerConfig;
use crate::dial::{self, Target};
use crate::driver::{Command, Driver, EVENTS, Event, INPUTS};
use crate::error::{PeerError, StartError};
use crate::lanes::{self, LANES, Lanes, lane};
use crate::listen::{self, Gate};
use crate::machine::{self, TcpListener};
use crate::status::{self, Progress, Status};
use crate::store::{Opened, Shared, Store};

/// How long the daemons that a peer is linked to have to say that an edit is safe before others are asked.
const LINKED: Duration = Duration::from_millis(250);

/// A running peer: documents, a store, links. Cheap to clone; the last one dropped stops it.
///
/// The crate's front page shows two at work.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: ReplicaId,
    role: Role,
    address: Option<SocketAddr>,
    lanes: Lanes,
    /// What the store tells: to be asked without waiting for a lane.
    store: Option<Arc<Shared>>,
    /// Closed when all lanes have ended and what was written is on the disk.
    running: watch::Receiver<()>,
    events: broadcast::Sender<Event>,
    /// The task that takes connections.
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// A peer that may be gone.
#[derive(Clone, Debug)]
pub(crate) struct WeakPeer(Weak<Inner>);

impl WeakPeer {
    pub(crate) fn upgrade(&self) -> Option<Peer> {
        self.0.upgrade().map(Peer)
    }
}

/// What an edit gave, and the version that covers it.
#[derive(Clone, Debug)]
pub struct Written<R> {
    /// What the edit returned.
    pub value: R,
    /// The document's version after it: a peer that covers this has the edit.
    pub version: VersionVector,
}

impl<R> Written<R> {
    /// What a read must cover to see this edit, wherever it is.
    pub fn token(&self) -> Token {
        Token::from(&self.version)
    }
}

impl Peer {
    /// Starts a peer. Every start writes as a new replica: then no restart, restored backup or copied
    /// directory can ever give one name to two events.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: PeerConfig) -> Result<Peer, StartError> {
        let targets = config.peers.iter().map(|peer| Target::parse(peer)).collect::<Result<Vec<_>, _>>()?;
        let listener = match config.listen {
            Some(address) => Some(listen(address, config.insecure).await?),
            None => None,
        };
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let id = machine::new_identity();
        let opened = match config.data_dir.clone() {
            Some(dir) => Some(Store::open_apart(dir, id).await?),
            None => None,
        };
        let cache_bytes = if opened.is_some() { (config.cache_bytes / LANES).max(1) } else { usize::MAX };
        let (senders, inputs): (Vec<_>, Vec<_>) = (0..LANES).map(|_| mpsc::channel(INPUTS)).unzip();
        let mut nodes: Vec<Node<AnyDoc>> = (0..LANES)
            .map(|number| {
                let node = Config {
                    address: address.map(|address| format!("ws://{address}")).unwrap_or_default(),
                    interest: lanes::part(&config.interest, number),
                    cache_bytes,
                    max_drift: u64::try_from(config.max_drift.as_millis()).unwrap_or(u64::MAX),
                    fleet: config.fleet,
                    lane: Some(Lane { number: number as u8, of: LANES as u8 }),
                    ..Config::new(id, &config.name, config.role)
                };
                Node::new(node, fastrand::u64(..))
            })
            .collect();
        let (store, threads) = match opened {
            Some(Opened { store, threads, docs }) => {
                for listed in docs {
                    if let Some(node) = nodes.get_mut(usize::from(lane(&listed.doc))) {
                        node.park(listed.doc, listed.kind, listed.version);
                    }
                }
                (Some(store), Some(threads))
            }
            None => (None, None),
        };
        let events = broadcast::channel(EVENTS).0;
        let mut drivers = JoinSet::new();
        for (number, ((node, inputs), commands)) in nodes.into_iter().zip(inputs).zip(&senders).enumerate() {
            let (store, events) = (store.clone(), events.clone());
            let driver = Driver::new(number, node, store, targets.len(), commands.downgrade(), events);
            drivers.spawn(driver.run(inputs));
        }
        let store = store.map(|store| store.shared);
        let (still, running) = watch::channel(());
        tokio::spawn(async move {
            while drivers.join_next().await.is_some() {}
            if let Some(threads) = threads {
                threads.ended().await;
            }
            drop(still);
        });
        let lanes = Lanes::new(senders);
        for target in targets {
            tokio::spawn(dial::keep(target, config.dial_backoff_max, lanes.downgrade()));
        }
        let listening = Mutex::new(None);
        let role = config.role;
        let peer = Peer(Arc::new(Inner { id, role, address, lanes, store, running, events, listening }));
        if let Some(listener) = listener {
            let gate = Gate::new(&config);
            let task = tokio::spawn(listen::accept(listener, gate, peer.downgrade()));
            *peer.listening() = Some(task);
        }
        Ok(peer)
    }

    /// Which replica this peer writes as.
    pub fn id(&self) -> ReplicaId {
        self.0.id
    }

    /// Where it takes connections, if it does.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.address
    }

    fn listening(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn downgrade(&self) -> WeakPeer {
        WeakPeer(Arc::downgrade(&self.0))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.lanes.is_stopped()
    }

    pub(crate) fn lanes(&self) -> Option<Lanes> {
        (!self.is_stopped()).then(|| self.0.lanes.clone())
    }

    /// Runs `work` between two inputs of the driver of a document.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        doc: &DocId,
        work: impl FnOnce(&mut Driver, Millis) -> R + Send + 'static,
    ) -> Result<R, PeerError> {
        run(self.0.lanes.of(doc), work).await
    }

    /// Runs `work` in the driver of each lane in turn.
    async fn with_each<R: Send + 'static>(
        &self,
        work: impl Fn(&mut Driver) -> R + Clone + Send + 'static,
    ) -> Result<Vec<R>, PeerError> {
        let mut results = Vec::new();
        for lane in self.0.lanes.all() {
            let work = work.clone();
            results.push(run(Some(lane), move |driver, _| work(driver)).await?);
        }
        Ok(results)
    }

    /// Runs `work` once the document is in memory, or at once when it is not here.
    pub(crate) async fn with_doc<R: Send + 'static>(
        &self,
        doc: &DocId,
        work: impl FnOnce(&mut Driver, Millis) -> R + Send + 'static,
    ) -> Result<R, PeerError> {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |driver: &mut Driver, now| drop(reply.send(work(driver, now))));
        let lane = self.0.lanes.of(doc).ok_or(PeerError::Stopped)?;
        lane.send(Command::On { doc: doc.clone(), work }).await.map_err(|_| PeerError::Stopped)?;
        answer.await.map_err(|_| PeerError::Stopped)
    }

    /// Edits a document, made empty first if it is not here. `edit` gets the document and the wall clock.
    /// What it wrote is on its way to disk and peers when this returns; to know it safe, see
    /// [`wait_durable`](Self::wait_durable).
    ///
    /// # Errors
    /// See [`PeerError`]; then nothing was written.
    pub async fn edit<R: Send + 'static>(
        &self,
        doc: &DocId,
        edit: impl FnOnce(&mut Doc, u64) -> R + Send + 'static,
    ) -> Result<Written<R>, PeerError> {
        let written =
            self.edit_any(doc, Kind::DOC, |doc, now| doc.as_doc_mut().map(|doc| edit(doc, now))).await?;
        let value = written.value.ok_or(PeerError::OtherKind)?;
        Ok(Written { value, version: written.version })
    }

    /// As [`edit`](Self::edit), for a document of any kind.
    ///
    /// # Errors
    /// See [`PeerError`]; then nothing was written.
    pub async fn edit_any<R: Send + 'static>(
        &self,
        doc: &DocId,
        kind: Kind,
        edit: impl FnOnce(&mut AnyDoc, u64) -> R + Send + 'static,
    ) -> Result<Written<R>, PeerError> {
        let id = doc.clone();
        let result = self.with_doc(doc, move |driver, now| {
            let wall = machine::wall_clock_ms();
            driver.node.edit(now, &id, kind, |doc| {
                let value = edit(doc, wall);
                Written { value, version: doc.version().clone() }
            })
        });
        Ok(result.await??)
    }

    /// Reads a document; `None` when it is not here or of another kind.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn read<R: Send + 'static>(
        &self,
        doc: &DocId,
        read: impl FnOnce(&Doc) -> R + Send + 'static,
    ) -> Result<Option<R>, PeerError> {
        let id = doc.clone();
        self.with_doc(doc, move |driver, _| driver.node.doc(&id).and_then(AnyDoc::as_doc).map(read)).await
    }

    /// Opens a document, made empty if it is not here, so that it is asked for.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn open(&self, doc: &DocId, kind: Kind) -> Result<(), PeerError> {
        let id = doc.clone();
        self.with_doc(doc, move |driver, _| driver.node.open(&id, kind).map(|_| ())).await??;
        Ok(())
    }

    /// Takes a delta that came some other way: an import, or an app that keeps documents of its own.
    ///
    /// # Errors
    /// See [`PeerError`]; then nothing changed.
    pub async fn apply(&self, doc: &DocId, kind: Kind, delta: Delta) -> Result<Applied, PeerError> {
        let id = doc.clone();
        Ok(self.with_doc(doc, move |driver, now| driver.node.apply(now, &id, kind, &delta)).await??)
    }

    /// What was edited here and is nowhere else, of a document that is so far behind that it cannot be merged
    /// ([`Event::Refused`]): the edits, for review, and the document as the peer has it that sent it. `None` when no peer
    /// has sent such a one since this peer started, or it did not fit in memory. Nothing changes here.
    ///
    /// The way out: [`Rescue::apply`] gives the document to go on with. [Apply](Self::apply) all of it to a new peer with
    /// an empty data directory, which takes the other documents from its peers; wait until it is
    /// [durable](Self::wait_durable) there; then the old directory can go. A peer cannot go on with it in place: it would
    /// write with names that it has used already.
    ///
    /// ```no_run
    /// # use sync_daemon::{Peer, PeerConfig, PeerError};
    /// # use crdt::sync::{DocId, Kind};
    /// # use crdt::{Replicated, VersionVector};
    /// # async fn go_on(old: Peer, note: DocId, config: PeerConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// let Some(rescue) = old.rescue(&note).await? else { return Ok(()) };
    /// let (doc, left) = rescue.apply(1_700_000_000_000, |edit| {
    ///     println!("{edit}");
    ///     true
    /// });
    /// assert!(left.is_empty(), "to be shown: their places are gone");
    /// let new = Peer::start(config).await?;
    /// new.apply(&note, Kind::DOC, doc.delta_since(&VersionVector::new())).await?;
    /// new.wait_durable(&note, doc.version()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PeerError::Stopped`]; [`PeerError::OtherKind`] when it is not a [`Doc`]; [`PeerError::Apply`] when what was
    /// sent is no document.
    pub async fn rescue(&self, doc: &DocId) -> Result<Option<Rescue>, PeerError> {
        let id = doc.clone();
        let found = self.with_doc(doc, move |driver, _| {
            let Some(theirs) = driver.node.ahead(&id) else { return Ok(None) };
            let late = driver.node.doc(&id).and_then(AnyDoc::as_doc).ok_or(PeerError::OtherKind)?;
            let mut onto = Doc::new(machine::new_identity());
            onto.apply(theirs)?;
            Ok(Some(late.rescue(onto)))
        });
        found.await?
    }

    /// The version of a document; empty when it is not here.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn version(&self, doc: &DocId) -> Result<VersionVector, PeerError> {
        let id = doc.clone();
        let version = move |driver: &mut Driver, _| driver.node.version(&id).cloned();
        Ok(self.with(doc, version).await?.unwrap_or_default())
    }

    /// Adds to what this peer wants to receive.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn subscribe(&self, interest: Interest) -> Result<(), PeerError> {
        for (number, lane) in self.0.lanes.all().enumerate() {
            let part = lanes::part(&interest, number);
            if !part.prefixes.is_empty() || !part.names.is_empty() {
                run(Some(lane), move |driver, _| driver.node.subscribe(part)).await?;
            }
        }
        Ok(())
    }

    /// Sets this peer's presence in a document, up to 4 KiB; `None` ends it.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn set_presence(&self, doc: &DocId, value: Option<Vec<u8>>) -> Result<(), PeerError> {
        let id = doc.clone();
        self.with(doc, move |driver, now| driver.node.set_presence(now, &id, value)).await
    }

    /// Who else is present in a document.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn presence(&self, doc: &DocId) -> Result<Vec<(ReplicaId, Vec<u8>)>, PeerError> {
        let id = doc.clone();
        self.with(doc, move |driver, _| driver.node.presence(&id)).await
    }

    /// What happens from now on. A listener that falls thousands of events behind is told how many it missed
    /// ([`RecvError::Lagged`](broadcast::error::RecvError)); documents are then to be read anew.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// Waits until a condition holds that has to do with this document.
    async fn when(
        &self,
        doc: &DocId,
        condition: impl Fn(&Driver) -> bool + Send + 'static,
    ) -> Result<(), PeerError> {
        let (id, (reply, answer)) = (doc.clone(), oneshot::channel());
        self.with(doc, move |driver, _| driver.when(id, Box::new(condition), reply)).await?;
        answer.await.map_err(|_| PeerError::Stopped)
    }

    /// Waits until this peer has these events of a document.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn wait_covers(&self, doc: &DocId, version: &VersionVector) -> Result<(), PeerError> {
        let (id, version) = (doc.clone(), version.clone());
        let covers =
            move |driver: &Driver| driver.node.version(&id).is_some_and(|here| here.covers(&version));
        self.when(doc, covers).await
    }

    /// Waits until a peer is connected and all that it had of a document is here.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn wait_synced(&self, doc: &DocId) -> Result<(), PeerError> {
        let id = doc.clone();
        self.when(doc, move |driver| driver.synced.iter().any(|(_, synced)| *synced == id)).await
    }

    /// Waits until these events of a document are safe: for a daemon on its own disk, for a client on the
    /// disk of a daemon it is connected to.
    ///
    /// # Errors
    /// [`PeerError::Stopped`], and [`PeerError::Store`] when this peer's own store has failed.
    pub async fn wait_durable(&self, doc: &DocId, version: &VersionVector) -> Result<(), PeerError> {
        let (id, version, own) = (doc.clone(), version.clone(), self.0.role == Role::Daemon);
        self.when(doc, move |driver| {
            let node = &driver.node;
            let covers = |safe: Option<&VersionVector>| safe.is_some_and(|safe| safe.covers(&version));
            own && (driver.store_failure().is_some() || covers(node.durable(&id)))
                || !own && node.links().any(|(link, _, _)| covers(node.peer_durable(link, &id)))
        })
        .await?;
        match self.store_failure().await? {
            Some(reason) if own => Err(PeerError::Store(reason)),
            _ => Ok(()),
        }
    }

    /// Waits until the events of a token are as safe as `concern` asks, for at most `timeout`. What is
    /// pending then goes on to replicate. When more disks are asked for than those that this peer is linked to, or
    /// these do not answer soon, the network is asked, as far as so many links.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sync_daemon::{Outcome, Peer, PeerConfig, Token, WriteConcern};
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let peer = Peer::start(PeerConfig::new("alone, in memory")).await?;
    /// let note = "notes/a".parse()?;
    /// let written = peer.edit(&note, |doc, now| doc.transact(now, |tx| tx.put("x", 1))).await?;
    /// let token: Token = written.token();
    /// let here = peer.wait_for(&note, &token, WriteConcern::Memory, Duration::ZERO).await?;
    /// assert_eq!(here, Outcome::Acked { by: vec![] });
    /// let safe = peer.wait_for(&note, &token, WriteConcern::Local, Duration::ZERO).await?;
    /// assert_eq!(safe, Outcome::Pending { by: vec![] });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn wait_for(
        &self,
        doc: &DocId,
        token: &Token,
        concern: WriteConcern,
        timeout: Duration,
    ) -> Result<Outcome, PeerError> {
        let started = Instant::now();
        let safety = |asked| {
            let (id, wanted) = (doc.clone(), token.version().clone());
            move |driver: &Driver| driver.safety(&id, &wanted, asked)
        };
        let met = |asked, timeout| {
            let safety = safety(asked);
            tokio::time::timeout(timeout, self.when(doc, move |driver| concern.is_met(&safety(driver))))
        };
        let mut asked = None;
        if let WriteConcern::N(disks) = concern {
            // Most often those that it is linked to will do, and have said so soon.
            let linked = safety(None);
            let linked = self.with(doc, move |driver, _| linked(driver).disks).await?;
            let soon = if disks <= linked { LINKED.min(timeout) } else { Duration::ZERO };
            if met(None, soon).await.is_err() {
                asked = Some(self.ask(doc, token, Whom::Disks(disks), timeout).await?);
            }
        }
        if let Ok(stopped) = met(asked, timeout.saturating_sub(started.elapsed())).await {
            stopped?;
        }
        let safety = safety(asked);
        let safety = self.with(doc, move |driver, _| {
            let safety = safety(driver);
            asked.into_iter().for_each(|question| driver.node.withdraw(question));
            safety
        });
        let safety = safety.await?;
        let met = concern.is_met(&safety);
        let by = safety.everybody();
        Ok(if met { Outcome::Acked { by } } else { Outcome::Pending { by } })
    }

    /// Waits until a peer anywhere in the network has the events of a token, for at most `timeout`: `false` when it has not
    /// said so by then. `by` is that peer as it is now: its [`id`](Self::id), which shows in its presence and as the author
    /// of what it writes. An app learns so whether another has received what was written.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sync_daemon::{Peer, PeerConfig};
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    /// let bob = Peer::start(PeerConfig { listen: Some(address), ..PeerConfig::new("bob") }).await?;
    /// let dial = vec![format!("ws://{}", bob.local_addr().unwrap())];
    /// let alice = Peer::start(PeerConfig { peers: dial, ..PeerConfig::new("alice") }).await?;
    /// let note = "notes/a".parse()?;
    /// let written = alice.edit(&note, |doc, now| doc.transact(now, |tx| tx.put("x", 1))).await?;
    /// assert!(alice.wait_seen(&note, &written.token(), bob.id(), Duration::from_secs(60)).await?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn wait_seen(
        &self,
        doc: &DocId,
        token: &Token,
        by: ReplicaId,
        timeout: Duration,
    ) -> Result<bool, PeerError> {
        if by == self.0.id {
            let covers = self.wait_covers(doc, token.version());
            return tokio::time::timeout(timeout, covers).await.map_or(Ok(false), |met| met.map(|()| true));
        }
        let asked = self.ask(doc, token, Whom::Peer(by), timeout).await?;
        let said = self.when(doc, move |driver| driver.node.answers(asked).next().is_some());
        let seen = tokio::time::timeout(timeout, said).await;
        self.with(doc, move |driver, _| driver.node.withdraw(asked)).await?;
        seen.map_or(Ok(false), |met| met.map(|()| true))
    }

    /// Asks the network about the events of a token. Ends by itself a little after `timeout`, should nobody wait any more.
    async fn ask(&self, doc: &DocId, token: &Token, whom: Whom, timeout: Duration) -> Result<u64, PeerError> {
        let (id, wanted) = (doc.clone(), token.version().clone());
        let lasts = u64::try_from(timeout.as_millis()).unwrap_or(Millis::MAX).saturating_add(1_000);
        let ask = move |driver: &mut Driver, now: Millis| {
            driver.node.ask(now, &id, wanted, whom, now.saturating_add(lasts))
        };
        self.with(doc, ask).await
    }

    /// Where this peer stands: connected or not, and how much of what it holds is not yet elsewhere. Costs a
    /// look at each document.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn progress(&self) -> Result<Progress, PeerError> {
        Ok(status::progress(&self.with_each(|driver| driver.standing()).await?))
    }

    /// Why the store has failed, if it has.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn store_failure(&self) -> Result<Option<String>, PeerError> {
        let stopped = self.is_stopped();
        if stopped { Err(PeerError::Stopped) } else { Ok(self.0.store.as_ref().and_then(|s| s.failure())) }
    }

    /// Documents that could not be read from the store, and why.
    pub(crate) fn quarantined(&self) -> Vec<String> {
        self.0.store.as_ref().map(|store| store.quarantined()).unwrap_or_default()
    }

    /// What peers have changed in a document since this was last asked; the first call starts the keeping.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn patches(&self, doc: &DocId) -> Result<Vec<Patch>, PeerError> {
        let id = doc.clone();
        let take = move |driver: &mut Driver, _: Millis| {
            let doc = driver.node.doc_mut(&id)?.as_doc_mut()?;
            doc.record_patches();
            Some(doc.take_patches())
        };
        Ok(self.with_doc(doc, take).await?.unwrap_or_default())
    }

    /// What the peer says of itself.
    ///
    /// # Errors
    /// [`PeerError::Stopped`].
    pub async fn status(&self) -> Result<Status, PeerError> {
        let all = self.with_each(|driver| driver.status()).await?;
        let whole = all.into_iter().reduce(|mut whole, lane| {
            whole.add(lane);
            whole
        });
        whole.ok_or(PeerError::Stopped)
    }

    /// Stops: no more connections are taken, what was written is brought to disk, links are closed in good
    /// order. When this returns, address and data directory are free for another.
    pub async fn shutdown(&self) {
        let listening = self.listening().take();
        if let Some(task) = listening {
            task.abort();
            let _ = task.await;
        }
        for lane in self.0.lanes.all() {
            let _ = lane.send(Command::Stop).await;
        }
        let mut running = self.0.running.clone();
        while running.changed().await.is_ok() {}
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.listening.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        // Connections hold the lanes too; without a handle nobody could ever stop them.
        for lane in self.lanes.all() {
            if let Err(mpsc::error::TrySendError::Full(stop)) = lane.try_send(Command::Stop)
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                let lane = lane.clone();
                runtime.spawn(async move { lane.send(stop).await });
            }
        }
    }
}

/// Runs `work` between two inputs of a driver.
async fn run<R: Send + 'static>(
    lane: Option<&mpsc::Sender<Command>>,
    work: impl FnOnce(&mut Driver, Millis) -> R + Send + 'static,
) -> Result<R, PeerError> {
    let (reply, answer) = oneshot::channel();
    let work = Box::new(move |driver: &mut Driver, now| drop(reply.send(work(driver, now))));
    let lane = lane.ok_or(PeerError::Stopped)?;
    lane.send(Command::Run(work)).await.map_err(|_| PeerError::Stopped)?;
    answer.await.map_err(|_| PeerError::Stopped)
}

async fn listen(address: SocketAddr, insecure: bool) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() && !insecure {
        return Err(StartError::Exposed { address });
    }
    machine::listen(address).await.map_err(|source| StartError::Listen { address, source })
}
