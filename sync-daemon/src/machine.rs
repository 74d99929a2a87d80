//! What a peer takes from the machine it runs on: sockets, time, identities. Under the feature `simulation` all of
//! them are those of a simulated machine, and the disk too (`store/disk.rs`).

#[cfg(not(feature = "simulation"))]
pub(crate) use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf};
#[cfg(feature = "simulation")]
pub(crate) use turmoil::net::{TcpListener, TcpStream, tcp::OwnedReadHalf};

use std::net::SocketAddr;

use crdt::ReplicaId;

/// How many connections may wait for being taken; the system may bound it further. When there is no room, who connects
/// hears nothing and tries again after a second, then two, then four: thousands may come in one moment after a restart.
#[cfg(not(feature = "simulation"))]
const BACKLOG: u32 = 4096;

/// Takes connections at an address.
pub(crate) async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    #[cfg(feature = "simulation")]
    return TcpListener::bind(address).await;
    #[cfg(not(feature = "simulation"))]
    {
        use tokio::net::TcpSocket;
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A daemon that is started again has its port at once. On Windows it would be shared.
        #[cfg(not(windows))]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    }
}

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
