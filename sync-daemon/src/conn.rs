//! One connection: a half that reads, a half that writes, and a ping now and then. Messages go to their lane and come
//! from all lanes.
//!
//! A message that is begun must be finished in time, whatever pings come between its parts: bytes are
//! counted below the WebSocket layer, which does not tell of parts.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crdt::sync::LinkId;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::arrive::Arrival;
use crate::driver::Command;
use crate::lanes::{LANES, Lanes};

/// The longest message either side may send: that of the protocol and room for its framing.
const MAX_MESSAGE: usize = crdt::sync::MAX_MESSAGE + (64 << 10);
/// How often a quiet connection is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A connection from which nothing comes for this long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(45);
/// A message that is begun must be there whole within this time.
const MESSAGE_WITHIN: Duration = Duration::from_secs(30);
/// How long a peer that did wrong is given to take the reason.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Bytes that may be read ahead of a message without counting as one that is begun.
const READ_AHEAD: u64 = 16 << 10;
/// A peer that takes nothing for this long is dead.
const STUCK_AFTER: Duration = Duration::from_secs(45);
/// When it is first looked whether a new connection has arrived; then after twice as long, and so on.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How long a connection that says nothing keeps its place among those that arrive: clients speak at once.
const SILENT_AT_MOST: Duration = Duration::from_millis(500);
/// How long a new connection may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// The defaults are generous: 128 KiB to read into for each idle connection, no bound on what waits to be
/// written, 64 MiB for a message.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(4 << 10)
        .max_write_buffer_size(MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// A stream that counts what is read from it.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    inner: S,
    read: Arc<AtomicU64>,
}

impl<S> Counted<S> {
    pub(crate) fn new(inner: S) -> Self {
        Counted { inner, read: Arc::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What a connection is told to send.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Frames of this lane.
    Message(usize, Vec<u8>),
    Close(CloseCode, String),
}

/// Whether a connection can take a message of a lane, and whether the lane is to be told when it can.
///
/// In quiet it can whenever there is one, and nobody is told anything: a message costs one wake-up.
#[derive(Debug, Default)]
struct Turn(AtomicU8);

impl Turn {
    const FREE: u8 = 0;
    const BUSY: u8 = 1;
    const WANTED: u8 = 2;
}

/// A connection as its lanes see it.
#[derive(Debug)]
pub(crate) struct Wire {
    outgoing: mpsc::Sender<Outgoing>,
    turns: [Turn; LANES],
    known: AtomicBool,
    gone: AtomicBool,
}

impl Wire {
    /// One with room for a message of each lane and a goodbye.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Outgoing>) {
        let (outgoing, to_send) = mpsc::channel(LANES + 1);
        let turns = Default::default();
        (Wire { outgoing, turns, known: AtomicBool::new(false), gone: AtomicBool::new(false) }, to_send)
    }

    /// A lane wants to send. If the connection cannot take a message now it will tell when it can.
    pub(crate) fn take_turn(&self, lane: usize) -> bool {
        let next = |now| Some(if now == Turn::FREE { Turn::BUSY } else { Turn::WANTED });
        let turn = self.turns.get(lane);
        turn.is_some_and(|turn| {
            turn.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(Turn::FREE)
        })
    }

    /// The lane took its turn and had nothing to send.
    pub(crate) fn give_turn_back(&self, lane: usize) {
        self.turns.iter().skip(lane).take(1).for_each(|turn| turn.0.store(Turn::FREE, Ordering::Release));
    }

    /// A message of the lane was sent. Whether the lane is to be told.
    fn done(&self, lane: usize) -> bool {
        self.turns.get(lane).is_some_and(|turn| turn.0.swap(Turn::FREE, Ordering::AcqRel) == Turn::WANTED)
    }

    /// Sends frames of a lane that has its turn.
    pub(crate) fn send(&self, lane: usize, message: Vec<u8>) {
        // It is the lane's turn, so its place is free; if the connection is gone, its end will be heard of.
        let _ = self.outgoing.try_send(Outgoing::Message(lane, message));
    }

    pub(crate) fn close(&self, code: CloseCode, reason: String) {
        let _ = self.outgoing.try_send(Outgoing::Close(code, reason));
    }

    /// The peer said who it is. Whether that is news: it says so in each lane.
    pub(crate) fn meet(&self) -> bool {
        !self.known.swap(true, Ordering::AcqRel)
    }

    /// The connection is over. Whether that is news.
    pub(crate) fn part(&self) -> bool {
        !self.gone.swap(true, Ordering::AcqRel)
    }

    fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }
}

/// Serves a connection until either side ends it.
/// `arrival` is its place among those that arrive; one that was dialed has none.
pub(crate) async fn serve<S>(
    ws: WebSocketStream<Counted<S>>,
    dialed: bool,
    arrival: Option<Arrival>,
    lanes: Lanes,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let count = Arc::clone(&ws.get_ref().read);
    let (wire, to_send) = Wire::new();
    let (wire, link) = (Arc::new(wire), lanes.new_link());
    if dialed {
        for lane in lanes.all() {
            let up = Command::LinkUp { link, dialed, wire: Arc::clone(&wire) };
            if lane.send(up).await.is_err() {
                return;
            }
        }
    }
    let (sink, stream) = ws.split();
    let mut writing = std::pin::pin!(write(sink, link, &wire, &lanes, to_send));
    let reason = tokio::select! {
        end = read(stream, count, link, dialed, &wire, &lanes) => match end {
            Ok(reason) => reason,
            Err(fault) => {
                wire.close(CloseCode::Policy, fault.clone());
                let _ = tokio::time::timeout(GOODBYE_WITHIN, &mut writing).await;
                fault
            }
        },
        reason = &mut writing => reason,
        never = arrive(link, &wire, &lanes, arrival) => match never {},
    };
    tracing::debug!(link = link.0, reason, "connection over");
    for lane in lanes.all() {
        let _ = lane.send(Command::LinkDown { link }).await;
    }
}

/// Looks after a new connection: its place goes to another when it has arrived, or when that takes too long; if it does
/// not say who it is in time it is closed.
async fn arrive(link: LinkId, wire: &Wire, lanes: &Lanes, arrival: Option<Arrival>) -> Infallible {
    let opened = Instant::now();
    let mut pause = FIRST_LOOK;
    while arrival.is_some() && opened.elapsed() + pause < HELLO_WITHIN {
        tokio::time::sleep(pause).await;
        pause *= 2;
        let arriving =
            if wire.is_known() { owes(link, lanes).await } else { opened.elapsed() < SILENT_AT_MOST };
        if !arriving {
            break;
        }
    }
    drop(arrival);
    tokio::time::sleep_until(opened + HELLO_WITHIN).await;
    if !wire.is_known() {
        wire.close(CloseCode::Policy, "it did not say who it is in time".to_owned());
    }
    std::future::pending().await
}

/// Whether some lane has something to send on a link.
async fn owes(link: LinkId, lanes: &Lanes) -> bool {
    for lane in lanes.all() {
        let (reply, owes) = oneshot::channel();
        if lane.send(Command::Owes { link, reply }).await.is_ok() && owes.await.unwrap_or(false) {
            return true;
        }
    }
    false
}

/// Reads until the connection ends, and says why; an error is the peer's fault, and it is to be told.
async fn read<S>(
    mut stream: SplitStream<WebSocketStream<S>>,
    count: Arc<AtomicU64>,
    link: LinkId,
    dialed: bool,
    wire: &Arc<Wire>,
    lanes: &Lanes,
) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A lane hears of a connection that was not dialed when something comes for it.
    let mut open = [dialed; LANES];
    let (mut heard, mut whole) = (Instant::now(), count.load(Ordering::Relaxed));
    let mut begun: Option<Instant> = None;
    loop {
        let next = tokio::time::timeout(LOOK_EVERY, stream.next()).await;
        let unfinished = count.load(Ordering::Relaxed).saturating_sub(whole) > READ_AHEAD;
        begun = begun.filter(|_| unfinished).or_else(|| unfinished.then(Instant::now));
        if begun.is_some_and(|begun| begun.elapsed() > MESSAGE_WITHIN) {
            return Err("a message was begun and not finished in time".to_owned());
        }
        let message = match next {
            Err(_) if heard.elapsed() > DEAD_AFTER => return Ok("nothing came for too long".to_owned()),
            Err(_) => continue,
            Ok(None) => return Ok("the peer went".to_owned()),
            Ok(Some(Err(Error::ConnectionClosed))) => return Ok("closed".to_owned()),
            Ok(Some(Err(error))) => return Ok(error.to_string()),
            Ok(Some(Ok(message))) => message,
        };
        heard = Instant::now();
        if message.is_binary() {
            (whole, begun) = (count.load(Ordering::Relaxed), None);
        }
        match message {
            Message::Binary(mut bytes) => {
                let number = bytes.last().map_or(LANES, |last| usize::from(*last));
                let (Some(lane), Some(open)) = (lanes.get(number), open.get_mut(number)) else {
                    return Err("a message of no lane".to_owned());
                };
                bytes.truncate(bytes.len() - 1);
                let up = Command::LinkUp { link, dialed, wire: Arc::clone(wire) };
                if !std::mem::replace(open, true) && lane.send(up).await.is_err()
                    || lane.send(Command::Message { link, bytes }).await.is_err()
                {
                    return Ok("stopped".to_owned());
                }
            }
            Message::Text(_) => return Err("a text message: the protocol has none".to_owned()),
            Message::Close(frame) => {
                return Ok(frame.map_or_else(String::new, |frame| frame.reason.to_string()));
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

async fn write<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    link: LinkId,
    wire: &Wire,
    lanes: &Lanes,
    mut to_send: mpsc::Receiver<Outgoing>,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.tick().await;
    loop {
        let mut number = None;
        let message = tokio::select! {
            outgoing = to_send.recv() => match outgoing {
                Some(Outgoing::Message(lane, mut bytes)) => {
                    number = Some(lane);
                    bytes.push(lane as u8);
                    Message::Binary(bytes.into())
                }
                Some(Outgoing::Close(code, reason)) => return close(sink, code, &reason).await,
                None => return close(sink, CloseCode::Away, "stopped").await,
            },
            _ = ping.tick() => Message::Ping(Default::default()),
        };
        match tokio::time::timeout(STUCK_AFTER, sink.send(message)).await {
            Err(_) => return "the peer took nothing for too long".to_owned(),
            Ok(Err(error)) => return error.to_string(),
            Ok(Ok(())) => {}
        }
        if let Some(number) = number
            && wire.done(number)
            && let Some(lane) = lanes.get(number)
            && lane.send(Command::Free { link }).await.is_err()
        {
            return close(sink, CloseCode::Away, "stopped").await;
        }
    }
}

async fn close<S>(mut sink: SplitSink<WebSocketStream<S>, Message>, code: CloseCode, reason: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A close frame carries at most 123 bytes of reason.
    let end = (0..=reason.len().min(120)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
    let frame = CloseFrame { code, reason: reason.get(..end).unwrap_or_default().into() };
    let _ = tokio::time::timeout(GOODBYE_WITHIN, sink.send(Message::Close(Some(frame)))).await;
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// A client's frame, masked with zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x80 | 127];
        bytes.extend((payload.len() as u64).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    /// Pings between the parts of a message reset the time after which a silent peer is dead; two hundred
    /// peers that began a message each held 400 MiB for as long as they liked.
    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_begun_must_be_finished() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let ws = WebSocketStream::from_raw_socket(Counted::new(near), Role::Server, Some(settings())).await;
        let (commands, mut inputs) = mpsc::channel(8);
        tokio::spawn(serve(ws, false, None, Lanes::new(vec![commands])));

        // Whole messages and pings for minutes: a peer that is slow to say anything is welcome.
        let started = Instant::now();
        for _ in 0..20 {
            far.write_all(&frame(0x82, &[0; 40_000])).await.unwrap();
            let mut next = inputs.recv().await;
            if let Some(Command::LinkUp { wire, .. }) = &next {
                assert!(wire.meet());
                next = inputs.recv().await;
            }
            assert!(matches!(next, Some(Command::Message { .. })));
            far.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        assert!(started.elapsed() > Duration::from_secs(300));

        far.write_all(&frame(0x02, &[1; 40_000])).await.unwrap();
        let begun = Instant::now();
        let pings = async {
            while far.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        };
        tokio::select! {
            end = inputs.recv() => assert!(matches!(end, Some(Command::LinkDown { .. }))),
            () = pings => panic!("the other end is gone without a word"),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }
}
