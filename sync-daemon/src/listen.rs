//! One port for everything: links over WebSocket, and a small HTTP interface.
//!
//! | path | what |
//! |---|---|
//! | `/` | a page for people: links, documents, how far each is |
//! | `/sync` | a link, over WebSocket; 503 with `Retry-After` while too many arrive |
//! | `/healthz` | 200 while the process lives |
//! | `/readyz` | 200 while what is written becomes durable, else 503; names documents in quarantine |
//! | `/metrics` | the same as counters and gauges, for Prometheus |
//! | `/v1/status` | [`Status`](crate::Status) as JSON |
//! | `/v1/doc/NAME` | the document as JSON; 404 if it is not here |

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use crdt::sync::DocId;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::arrive::{Arrival, Arrivals, ComeAgain};
use crate::config::PeerConfig;
use crate::conn;
use crate::machine::{TcpListener, TcpStream};
use crate::metrics;
use crate::peer::Peer;

/// How long a client may take over the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait when no more connections can be taken.
const PAUSE_WHEN_FULL: Duration = Duration::from_millis(100);
/// The type of what `/metrics` answers.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

type Reply = Response<Full<Bytes>>;

/// What connections are let in.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) origins: Vec<String>,
    /// Names by which this daemon may be asked over HTTP, besides addresses and `localhost`.
    pub(crate) hosts: Vec<String>,
    pub(crate) most: usize,
    pub(crate) most_per_address: usize,
    arrivals: Arrivals,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A connection that is let in; counted until it is dropped.
struct Pass {
    open: Arc<Mutex<Open>>,
    address: IpAddr,
}

impl Gate {
    pub(crate) fn new(config: &PeerConfig) -> Self {
        Gate {
            origins: config.origins.clone(),
            hosts: config.hosts.clone(),
            most: config.max_connections,
            most_per_address: config.max_connections_per_address,
            arrivals: Arrivals::new(config.max_arriving, config.max_waiting),
            open: Arc::default(),
        }
    }

    /// Whether a request names this daemon in a way that no stranger's domain can: a page whose name was
    /// made to point here sends no origin, but its own name.
    fn is_meant(&self, host: Option<&HeaderValue>) -> bool {
        let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        literal
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn enter(&self, address: IpAddr) -> Option<Pass> {
        let address = counted_as(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.most || here >= self.most_per_address {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, here + 1);
        Some(Pass { open: Arc::clone(&self.open), address })
    }

    /// Whether a web page may connect. A program that is no browser sends no origin.
    fn lets_in(&self, origin: Option<&HeaderValue>) -> bool {
        origin.is_none_or(|origin| self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()))
    }
}

/// The address under which a connection counts. Whoever has one IPv6 address usually has the whole /64, so
/// that counts as one; an IPv4 address that comes in the clothes of IPv6 counts as itself.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(here) = open.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// Takes connections until the peer is dropped.
pub(crate) async fn accept(listener: TcpListener, gate: Gate, peer: crate::peer::WeakPeer) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(peer) = peer.upgrade() else { return };
                if peer.is_stopped() {
                    return;
                }
                let Some(pass) = gate.enter(address.ip()) else { continue };
                tokio::spawn(connection(stream, address, gate.clone(), pass, peer.downgrade()));
            }
            Err(error) => {
                // Out of file descriptors, most likely: those who are connected go on.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(PAUSE_WHEN_FULL).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    gate: Gate,
    pass: Pass,
    peer: crate::peer::WeakPeer,
) {
    let _ = stream.set_nodelay(true);
    let pass = Arc::new(pass);
    let service = service_fn(move |request| {
        let (gate, pass, peer) = (gate.clone(), Arc::clone(&pass), peer.clone());
        async move { Ok::<_, Infallible>(serve(request, gate, pass, peer).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(16 << 10);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await {
        tracing::debug!(%address, %error, "connection over");
    }
}

async fn serve(
    mut request: Request<Incoming>,
    gate: Gate,
    pass: Arc<Pass>,
    peer: crate::peer::WeakPeer,
) -> Reply {
    let Some(peer) = peer.upgrade() else { return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n") };
    let path = request.uri().path().to_owned();
    if !gate.lets_in(request.headers().get(header::ORIGIN)) {
        return text(StatusCode::FORBIDDEN, "this origin may not connect\n");
    }
    if path == "/sync" || path == "/sync/" {
        return match gate.arrivals.enter().await {
            Ok(arrival) => upgrade(&mut request, pass, arrival, &peer),
            Err(when) => busy(when),
        };
    }
    if (path.starts_with("/v1/") || path == "/metrics") && !gate.is_meant(request.headers().get(header::HOST))
    {
        return text(
            StatusCode::FORBIDDEN,
            "not known by this name: run it with --host NAME, or use its address\n",
        );
    }
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match path.as_str() {
        "/" => page(),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match peer.store_failure().await {
            Ok(None) => text(StatusCode::OK, &ready(&peer)),
            Ok(Some(reason)) => {
                text(StatusCode::SERVICE_UNAVAILABLE, &format!("the store has failed: {reason}\n"))
            }
            Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}\n")),
        },
        "/metrics" | "/v1/status" => match peer.status().await {
            Ok(status) if path == "/metrics" => typed(METRICS, metrics::of(&status)),
            Ok(status) => json(serde_json::to_string(&status).unwrap_or_default()),
            Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}\n")),
        },
        path => match path.strip_prefix("/v1/doc/").and_then(decode_percent) {
            Some(name) => document(&peer, &name).await,
            None => text(StatusCode::NOT_FOUND, "not found\n"),
        },
    }
}

/// What `/readyz` says of a daemon that keeps what is written: also which documents it cannot serve.
fn ready(peer: &Peer) -> String {
    let what = peer.quarantined();
    if what.is_empty() {
        return "ok\n".to_owned();
    }
    format!("ok, but for what cannot be read, {} in quarantine:\n{}\n", what.len(), what.join("\n"))
}

async fn document(peer: &Peer, name: &str) -> Reply {
    let Ok(id) = name.parse::<DocId>() else {
        return text(StatusCode::BAD_REQUEST, "not a document name\n");
    };
    let value = peer.read(&id, |doc| doc.value().to_string());
    match value.await {
        Ok(Some(value)) => json(value),
        Ok(None) => text(StatusCode::NOT_FOUND, "no such document\n"),
        Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}\n")),
    }
}

/// What a client is told for whom there is no place now.
fn busy(when: ComeAgain) -> Reply {
    let mut reply = text(StatusCode::SERVICE_UNAVAILABLE, "too many arrive at once; come again later\n");
    reply.headers_mut().insert(header::RETRY_AFTER, when.seconds.into());
    reply
}

/// Turns the connection into a link.
fn upgrade(request: &mut Request<Incoming>, pass: Arc<Pass>, arrival: Arrival, peer: &Peer) -> Reply {
    let headers = request.headers();
    let is = |name, value: &str| {
        let text = headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok()).unwrap_or_default();
        text.split(',').any(|part| part.trim().eq_ignore_ascii_case(value))
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let version = is(header::SEC_WEBSOCKET_VERSION, "13");
    let Some(accept) =
        key.filter(|_| version && is(header::CONNECTION, "upgrade") && is(header::UPGRADE, "websocket"))
    else {
        return text(StatusCode::UPGRADE_REQUIRED, "this path is for WebSocket connections\n");
    };
    let Some(lanes) = peer.lanes() else { return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n") };
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let taken_apart = upgraded.await.map(|upgraded| upgraded.downcast::<TokioIo<TcpStream>>());
        if let Ok(Ok(parts)) = taken_apart {
            let (read, write) = parts.io.into_inner().into_split();
            let pipe = conn::Pipe::new(read, conn::Wire::new(write, false));
            let (begun, settings) = (parts.read_buf.to_vec(), Some(conn::settings()));
            let ws = WebSocketStream::from_partially_read(pipe, begun, Role::Server, settings).await;
            conn::serve(ws, false, Some(arrival), lanes).await;
        }
        drop(pass);
    });
    let reply = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Full::default());
    reply.unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, ""))
}

fn text(status: StatusCode, body: &str) -> Reply {
    let mut reply = typed("text/plain; charset=utf-8", body.to_owned());
    *reply.status_mut() = status;
    reply
}

fn json(body: String) -> Reply {
    typed("application/json", body)
}

fn typed(kind: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// The page for people; it runs no code but its own, and asks nobody but this daemon.
fn page() -> Reply {
    let mut reply = typed("text/html; charset=utf-8", include_str!("page.html").to_owned());
    let policy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";
    reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    reply
}

/// Undoes percent-encoding; `None` for what is not UTF-8 or not so encoded.
fn decode_percent(s: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(s.len());
    let mut rest = s.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (hex, after) = after.split_at_checked(2)?;
            let hex =
                std::str::from_utf8(hex).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_by_who_has_them() {
        let counted = |address: &str| counted_as(address.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), counted("2001:db8:1:2:ffff::1"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:192.0.2.7"), "192.0.2.7");
        assert_ne!(counted("192.0.2.7"), counted("192.0.2.8"));
    }
}
