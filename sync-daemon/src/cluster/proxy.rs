//! A link between two processes, in any weather: a TCP relay of our own.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a link does to what goes over it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weather {
    /// Everything goes at once.
    Fine,
    /// Connections end, and no new ones are taken.
    Cut,
    /// Connections stay, and nothing comes through in either direction.
    Silent,
    /// Nothing comes through from the one that dialled; the other way it does.
    OneWay,
    /// So many bytes a second.
    Slow(u32),
}

/// Relays connections to a target.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> std::io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (weather, state) = watch::channel(Weather::Fine);
        let task = tokio::spawn(accept(listener, target, state));
        Ok(Proxy { address, weather, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn weather(&self) -> Weather {
        *self.weather.borrow()
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, weather: watch::Receiver<Weather>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if *weather.borrow() != Weather::Cut {
            tokio::spawn(relay(stream, target, weather.clone()));
        }
    }
}

async fn relay(near: TcpStream, target: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let there = carry(near_in, far_out, weather.clone(), true);
    let back = carry(far_in, near_out, weather.clone(), false);
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

/// One direction; it ends when its sender does.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
    dialled: bool,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let most = if matches!(*weather.borrow(), Weather::Slow(_)) { 1 << 10 } else { buffer.len() };
        let Ok(n @ 1..) = from.read(buffer.get_mut(..most).unwrap_or_default()).await else { break };
        let open = weather.wait_for(|weather| match weather {
            Weather::Silent => false,
            Weather::OneWay => !dialled,
            _ => true,
        });
        let Ok(now) = open.await.map(|weather| *weather) else { break };
        if let Weather::Slow(bytes) = now {
            tokio::time::sleep(Duration::from_secs_f64(n as f64 / f64::from(bytes.max(1)))).await;
        }
        if to.write_all(buffer.get(..n).unwrap_or_default()).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_cut_ends_connections_and_a_heal_takes_new_ones() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = echo.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::start(target).await.unwrap();
        let talk = async || -> std::io::Result<u8> {
            let mut stream = TcpStream::connect(proxy.address()).await?;
            stream.write_all(&[7]).await?;
            stream.read_u8().await
        };
        assert_eq!(talk().await.unwrap(), 7);
        let mut held = TcpStream::connect(proxy.address()).await.unwrap();
        held.write_all(&[1]).await.unwrap();
        assert_eq!(held.read_u8().await.unwrap(), 1);
        proxy.set(Weather::Cut);
        assert!(held.read_u8().await.is_err(), "the cut ends it");
        assert!(talk().await.is_err());
        proxy.set(Weather::Fine);
        assert_eq!(talk().await.unwrap(), 7);
        // Silent, nothing comes; and what was sent meanwhile comes afterwards.
        let mut held = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.set(Weather::OneWay);
        held.write_all(&[9]).await.unwrap();
        let silence = tokio::time::timeout(Duration::from_millis(50), held.read_u8()).await;
        assert!(silence.is_err());
        proxy.set(Weather::Slow(1_000_000));
        assert_eq!(held.read_u8().await.unwrap(), 9);
    }
}
