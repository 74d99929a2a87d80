//! A peer that keeps documents, and a daemon made of it.
//!
//! [`Peer`] is the whole of it: documents, a durable store, links to other peers that it dials or that
//! dial it. The binary `sync-daemon` is that and a command line; an app embeds the same as a peer of its own:
//!
//! ```
//! use crdt::sync::{DocId, Interest, Role};
//! use sync_daemon::{Peer, PeerConfig};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! // A daemon in this process, on a free port, in memory.
//! let daemon = Peer::start(PeerConfig { listen: Some("127.0.0.1:0".parse()?), ..PeerConfig::new("daemon") }).await?;
//! let address = format!("ws://{}", daemon.local_addr().unwrap());
//!
//! // An app: interested in one document. It may edit before it is connected.
//! let note: DocId = "notes/shopping".parse()?;
//! let config = PeerConfig { role: Role::Client, interest: Interest::one(note.clone()), peers: vec![address], ..PeerConfig::new("app") };
//! let app = Peer::start(config).await?;
//! let written = app.edit(&note, |doc, now| doc.transact(now, |tx| tx.text("body").insert(0, "milk"))).await?;
//!
//! daemon.wait_covers(&note, &written.version).await?;
//! let body = daemon.read(&note, |doc| doc.text("body").map(ToString::to_string)).await?.flatten();
//! assert_eq!(body.as_deref(), Some("milk"));
//! app.shutdown().await;
//! daemon.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `peer` | the handle that apps hold |
//! | `lanes`, `driver` | documents spread over cores; the one task that owns the documents and links of a lane |
//! | `conn`, `listen`, `dial` | WebSocket and HTTP on one port; keeping links to peers |
//! | `arrive` | thousands that come back at once, a few at a time |
//! | `store` | deltas on disk, in group commits |
//! | `concern` | how safe an edit is to be, and how safe it is |
//! | `machine` | sockets, time, identities: real ones, or simulated |
//! | `config`, `status`, `error` | what a peer is told, what it says of itself, what can fail |
//! | `metrics`, `page.html` | what it says of itself, for monitoring and for people |

mod arrive;
mod concern;
mod config;
mod conn;
mod dial;
mod driver;
mod error;
pub mod http;
mod lanes;
mod listen;
mod machine;
mod metrics;
mod peer;
#[cfg(feature = "simulation")]
pub mod simulation;
mod status;
mod store;

pub use concern::{BadToken, Outcome, Token, WriteConcern};
pub use config::PeerConfig;
pub use driver::Event;
pub use error::{PeerError, StartError};
pub use lanes::lane;
pub use machine::wall_clock_ms;
pub use peer::{Peer, Written};
pub use status::{DocStatus, LinkStatus, Phase, Progress, Status, TrafficStatus};
pub use store::Compaction;
