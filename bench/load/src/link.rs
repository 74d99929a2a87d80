//! A client of the daemon, as cheap as can be: a node of the library on one WebSocket connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crdt::ReplicaId;
use crdt::sync::{Config, Document, Input, Interest, LinkId, Node, Output, Role};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The only link that a node here has at a time.
pub const LINK: LinkId = LinkId(1);

pub type Ws = WebSocketStream<TcpStream>;

/// Connects from the `number`th loopback address, so that no cap on one address is in the way.
pub async fn dial(address: SocketAddr, path: &str, number: usize) -> anyhow::Result<Ws> {
    let socket = TcpSocket::new_v4()?;
    let [low, high] = [(number % 250 + 1) as u8, (number / 250) as u8];
    socket.bind(SocketAddr::from(([127, 1, high, low], 0)))?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!("ws://{address}/{path}").into_client_request()?;
    let config = WebSocketConfig::default().read_buffer_size(16 << 10).write_buffer_size(16 << 10);
    Ok(tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?.0)
}

/// A node of a client with this interest.
pub fn node<D: Document>(interest: Interest) -> Node<D> {
    let id = ReplicaId::from(uuid::Uuid::now_v7());
    Node::new(Config { interest, ..Config::new(id, "load", Role::Client) }, 1)
}

/// All documents under a prefix.
pub fn prefix(prefix: &str) -> Interest {
    Interest { prefixes: vec![prefix.to_owned()], names: vec![] }
}

/// A node and its connection.
pub struct Link<D> {
    pub node: Node<D>,
    pub ws: Ws,
    started: Instant,
}

impl<D: Document> Link<D> {
    pub async fn connect(mut node: Node<D>, address: SocketAddr, number: usize) -> anyhow::Result<Self> {
        let ws = dial(address, "sync", number).await?;
        node.handle(0, Input::LinkUp { link: LINK, dialed: true });
        let mut link = Link { node, ws, started: Instant::now() };
        link.flush().await?;
        Ok(link)
    }

    /// Milliseconds since it was connected.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Sends all that the peer is owed.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        while let Some(message) = self.node.poll_transmit(self.now(), LINK) {
            self.ws.feed(Message::Binary(message.into())).await?;
        }
        Ok(self.ws.flush().await?)
    }

    /// Waits for one message or moment, and carries it out.
    pub async fn step(&mut self) -> anyhow::Result<()> {
        let wait = self.node.next_deadline().map_or(3_600_000, |at| at.saturating_sub(self.now()));
        let now = self.now();
        match tokio::time::timeout(Duration::from_millis(wait), self.ws.next()).await {
            Err(_) => self.node.handle(self.now(), Input::Wake),
            Ok(Some(Ok(Message::Binary(bytes)))) => {
                self.node.handle(now, Input::Frame { link: LINK, bytes: bytes.into() });
            }
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
            while let Some(output) = self.node.poll_output() {
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

    /// Gives up the connection; the node can be connected again.
    pub fn disconnect(mut self) -> Node<D> {
        self.node.handle(self.now(), Input::LinkDown { link: LINK });
        while self.node.poll_output().is_some() {}
        self.node
    }
}
