//! A link between two processes that can be cut: a TCP relay of our own.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Relays connections to a target while it is up; cut, it ends those it has and takes no more.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    up: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> std::io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (up, state) = watch::channel(true);
        let task = tokio::spawn(accept(listener, target, state));
        Ok(Proxy { address, up, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, up: watch::Receiver<bool>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if *up.borrow() {
            tokio::spawn(relay(stream, target, up.clone()));
        }
    }
}

async fn relay(mut near: TcpStream, target: SocketAddr, mut up: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = up.wait_for(|up| !up) => {}
    }
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
        proxy.set_up(false);
        assert!(held.read_u8().await.is_err(), "the cut ends it");
        assert!(talk().await.is_err());
        proxy.set_up(true);
        assert_eq!(talk().await.unwrap(), 7);
    }
}
