//! Keeping a link to a peer: dialling, and dialling again after a growing, jittered pause.

use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::conn::{self, Pipe, Wire};
use crate::error::StartError;
use crate::lanes::WeakLanes;
use crate::machine::{OwnedReadHalf, TcpStream};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A link that held this long counts as stable: the next pause is short again.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// A peer's address.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    url: String,
    host: String,
}

impl Target {
    /// From `ws://host:port`, `host:port` or `ws://host:port/path`.
    pub(crate) fn parse(address: &str) -> Result<Target, StartError> {
        let bad = || StartError::Address { address: address.to_owned() };
        let rest = match address.split_once("://") {
            Some(("ws", rest)) => rest,
            Some(_) => return Err(bad()),
            None => address,
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = host.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)));
        if port.is_none_or(|(name, _)| name.is_empty()) {
            return Err(bad());
        }
        let path = if path.is_empty() { "sync" } else { path };
        Ok(Target { url: format!("ws://{host}/{path}"), host: host.to_owned() })
    }
}

/// Keeps a link to a peer until this one is stopped.
pub(crate) async fn keep(target: Target, longest: Duration, lanes: WeakLanes) {
    let mut pause = FIRST_PAUSE;
    loop {
        // Held only while connected: dialling must not keep a stopped peer alive.
        let Some(lanes) = lanes.upgrade().filter(|lanes| !lanes.is_stopped()) else { return };
        let started = Instant::now();
        match tokio::time::timeout(CONNECT_WITHIN, connect(&target)).await {
            Ok(Ok(ws)) => conn::serve(ws, true, None, lanes).await,
            Ok(Err(error)) => {
                drop(lanes);
                tracing::debug!(peer = %target.url, %error, "cannot connect");
                if let Some(told) = come_again(&error) {
                    tokio::time::sleep(told.min(longest)).await;
                    continue;
                }
            }
            Err(_) => {
                drop(lanes);
                tracing::debug!(peer = %target.url, "cannot connect in time");
            }
        }
        if started.elapsed() > STABLE_AFTER {
            pause = FIRST_PAUSE;
        }
        let jitter = 0.5 + fastrand::f64();
        tokio::time::sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(longest);
    }
}

/// In how long a peer that is too busy said to come again.
fn come_again(error: &Error) -> Option<Duration> {
    let Error::Http(reply) = error else { return None };
    let seconds = reply.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).mul_f64(1.0 + fastrand::f64() / 4.0))
}

async fn connect(target: &Target) -> Result<tokio_tungstenite::WebSocketStream<Pipe<OwnedReadHalf>>, Error> {
    let stream = TcpStream::connect(&target.host).await?;
    stream.set_nodelay(true)?;
    let request = target.url.as_str().into_client_request()?;
    let (read, write) = stream.into_split();
    let pipe = Pipe::new(read, Wire::new(write, true));
    Ok(tokio_tungstenite::client_async_with_config(request, pipe, Some(conn::settings())).await?.0)
}
