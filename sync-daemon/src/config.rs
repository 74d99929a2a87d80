//! What a peer is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crdt::sync::{Fleet, Interest, Role};

/// What a [`Peer`](crate::Peer) is and where it stands.
///
/// ```
/// use sync_daemon::PeerConfig;
/// let config = PeerConfig { data_dir: Some("data".into()), ..PeerConfig::new("kitchen") };
/// assert!(config.peers.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// A name for people.
    pub name: String,
    /// What it is to the graph.
    pub role: Role,
    /// Which documents it wants to receive.
    pub interest: Interest,
    /// Where it takes connections; `None` for nowhere. Port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// Whether it may listen where other machines reach it, although anyone who does may read and write.
    pub insecure: bool,
    /// The peers it keeps a link to, as `ws://host:port`.
    pub peers: Vec<String>,
    /// The daemons that share a secret with it: with them it finds what differs by sketch, which is cheaper.
    pub fleet: Option<Fleet>,
    /// Where it keeps documents; `None` for memory alone, so that nothing is ever called durable.
    pub data_dir: Option<PathBuf>,
    /// About how many bytes documents may take in memory: those of the store that were not used for longest
    /// give way. One that an app subscribed to, takes patches of or can undo in stays.
    pub cache_bytes: usize,
    /// How far ahead of this machine's clock what others write may be stamped. What is further is held back, and taken once
    /// the clock has come there ([`Event::Early`](crate::Event::Early)); [`Duration::MAX`] is no bound.
    pub max_drift: Duration,
    /// The web pages that may connect, by origin such as `https://notes.example`; others are refused.
    pub origins: Vec<String>,
    /// Names by which it may be asked over HTTP, besides its addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The most connections that it takes at once.
    pub max_connections: usize,
    /// The most connections that it takes at once from one address.
    pub max_connections_per_address: usize,
    /// The most connections that say hello and catch up at the same time; others wait.
    pub max_arriving: usize,
    /// The most that wait; others are told to come again, each at another moment.
    pub max_waiting: usize,
    /// The longest pause between two attempts to reach a peer.
    pub dial_backoff_max: Duration,
}

impl PeerConfig {
    /// A daemon in memory, without links, that listens nowhere: set what should be otherwise.
    pub fn new(name: &str) -> Self {
        PeerConfig {
            name: name.to_owned(),
            role: Role::Daemon,
            interest: Interest::everything(),
            listen: None,
            insecure: false,
            peers: Vec::new(),
            fleet: None,
            data_dir: None,
            cache_bytes: 256 << 20,
            max_drift: Duration::from_secs(60),
            origins: Vec::new(),
            hosts: Vec::new(),
            max_connections: 20_000,
            max_connections_per_address: 1_000,
            max_arriving: 64,
            max_waiting: 4_096,
            dial_backoff_max: Duration::from_secs(10),
        }
    }
}
