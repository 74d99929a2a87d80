//! A client of the daemon, as cheap as can be: nodes of the library, one for each lane, on one WebSocket connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crdt::ReplicaId;
use crdt::sync::{Config, DocId, Document, Input, Interest, LinkId, Node, Output, Role};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The only link that a node here has at a time.
pub const LINK: LinkId = LinkId(1);
/// How many lanes there are, see `sync_daemon::lane`.
const LANES: usize = 8;

pub type Ws = WebSocketStream<TcpStream>;

/// Connects from the `number`th loopback address, without a protocol.
pub async fn connect(address: SocketAddr, number: usize) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let [low, high] = [(number % 250 + 1) as u8, (number / 250) as u8];
    socket.bind(SocketAddr::from(([127, 1, high, low], 0)))?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects from the `number`th loopback address, so that no cap on one address is in the way.
pub async fn dial(address: SocketAddr, path: &str, number: usize) -> anyhow::Result<Ws> {
    let stream = connect(address, number).await?;
    let request = format!("ws://{address}/{path}").into_client_request()?;
    let config = WebSocketConfig::default().read_buffer_size(16 << 10).write_buffer_size(16 << 10);
    Ok(tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?.0)
}

/// What a client holds, connected or not: a node for each lane.
pub struct Client<D> {
    lanes: Vec<Lane<D>>,
}

struct Lane<D> {
    node: Node<D>,
    wants: bool,
    open: bool,
}

impl<D: Document> Client<D> {
    /// One that is interested in these documents.
    pub fn of(names: &[DocId]) -> Self {
        Self::new(&Interest { prefixes: vec![], names: names.to_vec() })
    }

    /// One that is interested in all documents under a prefix.
    pub fn of_prefix(prefix: &str) -> Self {
        Self::new(&Interest { prefixes: vec![prefix.to_owned()], names: vec![] })
    }

    fn new(interest: &Interest) -> Self {
        let id = ReplicaId::from(uuid::Uuid::now_v7());
        let lane = |number: usize| {
            let names = interest.names.iter().filter(|name| lane_of(name) == number).cloned().collect();
            let interest = Interest { prefixes: interest.prefixes.clone(), names };
            let wants = number == 0 || !interest.prefixes.is_empty() || !interest.names.is_empty();
            let node = Node::new(Config { interest, ..Config::new(id, "load", Role::Client) }, 1);
            Lane { node, wants, open: false }
        };
        Client { lanes: (0..LANES).map(lane).collect() }
    }

    /// The node that has a document.
    pub fn node(&mut self, doc: &DocId) -> Option<&mut Node<D>> {
        self.lanes.get_mut(lane_of(doc)).map(|lane| &mut lane.node)
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node<D>> {
        self.lanes.iter().map(|lane| &lane.node)
    }

    /// Takes a message: frames of a lane, and its number.
    pub fn receive(&mut self, now: u64, message: &[u8]) {
        let Some((lane, frames)) = message.split_last() else { return };
        if let Some(lane) = self.lanes.get_mut(usize::from(*lane)) {
            lane.node.handle(now, Input::Frame { link: LINK, bytes: frames.to_vec() });
        }
    }

    /// The next message, if the server is owed one. A lane is opened once there is something to say in it.
    pub fn poll_transmit(&mut self, now: u64) -> Option<Vec<u8>> {
        self.lanes.iter_mut().zip(0..).find_map(|(lane, number)| {
            if !lane.open && (lane.wants || lane.node.versions().next().is_some()) {
                lane.open = true;
                lane.node.handle(now, Input::LinkUp { link: LINK, dialed: true });
            }
            let mut message = lane.node.poll_transmit(now, LINK)?;
            message.push(number);
            Some(message)
        })
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.lanes.iter_mut().find_map(|lane| lane.node.poll_output())
    }

    fn each(&mut self, now: u64, input: impl Fn() -> Input) {
        self.lanes.iter_mut().for_each(|lane| lane.node.handle(now, input()));
    }
}

fn lane_of(doc: &DocId) -> usize {
    usize::from(sync_daemon::lane(doc))
}

/// A client and its connection.
pub struct Link<D> {
    pub client: Client<D>,
    pub ws: Ws,
    started: Instant,
}

impl<D: Document> Link<D> {
    pub async fn connect(client: Client<D>, address: SocketAddr, number: usize) -> anyhow::Result<Self> {
        let mut link = Self::over(client, dial(address, "sync", number).await?);
        link.flush().await?;
        Ok(link)
    }

    /// Takes a connection that was made, on which nothing was sent yet.
    pub fn over(client: Client<D>, ws: Ws) -> Self {
        Link { client, ws, started: Instant::now() }
    }

    /// Milliseconds since it was connected.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Sends all that the peer is owed.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        while let Some(message) = self.client.poll_transmit(self.now()) {
            self.ws.feed(Message::Binary(message.into())).await?;
        }
        Ok(self.ws.flush().await?)
    }

    /// Waits for one message or moment, and carries it out.
    pub async fn step(&mut self) -> anyhow::Result<()> {
        let deadline = self.client.nodes().filter_map(Node::next_deadline).min();
        let wait = deadline.map_or(3_600_000, |at| at.saturating_sub(self.now()));
        match tokio::time::timeout(Duration::from_millis(wait), self.ws.next()).await {
            Err(_) => self.client.each(self.now(), || Input::Wake),
            Ok(Some(Ok(Message::Binary(bytes)))) => self.client.receive(self.now(), &bytes),
            Ok(Some(Ok(Message::Close(frame)))) => anyhow::bail!("the server closed: {frame:?}"),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(error.into()),
            Ok(None) => anyhow::bail!("the server went"),
        }
        self.flush().await
    }

    /// Steps until `done` says so of an output.
    pub async fn until(&mut self, mut done: impl FnMut(Output) -> bool) -> anyhow::Result<()> {
        loop {
            while let Some(output) = self.client.poll_output() {
                if let Output::Close { reason, .. } = &output {
                    anyhow::bail!("closing the link: {reason}");
                }
                if done(output) {
                    return Ok(());
                }
            }
            self.step().await?;
        }
    }

    /// Gives up the connection; the client can be connected again.
    pub fn disconnect(mut self) -> Client<D> {
        let now = self.now();
        for lane in self.client.lanes.iter_mut().filter(|lane| lane.open) {
            lane.node.handle(now, Input::LinkDown { link: LINK });
            lane.open = false;
        }
        while self.client.poll_output().is_some() {}
        self.client
    }
}
