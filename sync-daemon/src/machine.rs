//! What a peer takes from the machine it runs on: sockets, time, identities. Under the feature `simulation` all of
//! them are those of a simulated machine, and the disk too (`store/disk.rs`).

#[cfg(not(feature = "simulation"))]
pub(crate) use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf};
#[cfg(feature = "simulation")]
pub(crate) use turmoil::net::{TcpListener, TcpStream, tcp::OwnedReadHalf};

use crdt::ReplicaId;

/// An identity that no other peer has, nor this one in another life.
pub(crate) fn new_identity() -> ReplicaId {
    #[cfg(feature = "simulation")]
    return ReplicaId::from_u128(fastrand::u128(..));
    #[cfg(not(feature = "simulation"))]
    ReplicaId::from(uuid::Uuid::now_v7())
}

/// Milliseconds since 1970, as the clock of this machine says.
pub fn wall_clock_ms() -> u64 {
    #[cfg(feature = "simulation")]
    return crate::simulation::clock();
    #[cfg(not(feature = "simulation"))]
    {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as u64)
    }
}
