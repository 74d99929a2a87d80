//! What can fail, and what it did.

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// A peer could not be started. Nothing is left running, and nothing on disk was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// An address that others can reach, without being told that this is meant.
    #[error(
        "{address} can be reached from other machines, and there is no authentication yet: whoever reaches it \
         can read and write everything. If that is meant, say --insecure"
    )]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// The data directory cannot be made or written to.
    #[error("cannot use the data directory {}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error("another process is using {}: one daemon for each data directory", path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// The store cannot be opened; its file was left as it is.
    #[error("cannot open the store {}: {reason}; the file was left as it is", path.display())]
    Store {
        /// The store's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A peer's address that is not of the form `ws://host:port`.
    #[error("not a peer's address: {address:?}; say ws://host:port")]
    Address {
        /// What was given.
        address: String,
    },
}

/// Something asked of a peer could not be done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The peer has been shut down.
    #[error("the peer has been shut down; nothing was done")]
    Stopped,
    /// The document cannot be opened; nothing changed.
    #[error(transparent)]
    Open(#[from] crdt::sync::OpenError),
    /// The delta was not applied; nothing changed.
    #[error(transparent)]
    Apply(#[from] crdt::ApplyError),
    /// The document is not of the kind that this asks for.
    #[error("the document is of another kind; it is as it was")]
    OtherKind,
    /// The store has failed, so nothing becomes durable here any more; what is in memory goes on.
    #[error("the store has failed: {0}")]
    Store(String),
}
