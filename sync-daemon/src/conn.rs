//! One connection: what is read goes to its lane; what lanes send is written at once, by the lane itself, while the
//! socket takes it. What it does not take waits here, one message of a lane at most, and the connection's own task writes
//! it when it can. A ping now and then.
//!
//! So a message out costs a system call and no change of tasks. A message that is begun must be finished in time, whatever
//! pings come between its parts: bytes are counted below the WebSocket layer, which does not tell of parts.

use std::convert::Infallible;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crdt::sync::LinkId;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
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
/// How often all that is looked at.
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
/// What a buffer for messages that wait may keep when none do.
const KEPT_ROOM: usize = 1 << 10;

/// First bytes of WebSocket frames: the last of their message, and of which kind it is.
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// The defaults are generous: 128 KiB to read into for each idle connection, no bound on what waits to be
/// written, 64 MiB for a message.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(2 << 10) // kept by each connection
        .write_buffer_size(4 << 10)
        .max_write_buffer_size(MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// What the WebSocket layer reads from, counted; what it writes by itself, such as answers to pings, goes the way of all
/// that is sent.
#[derive(Debug)]
pub(crate) struct Pipe<R> {
    inner: R,
    read: u64,
    wire: Arc<Wire>,
}

impl<R> Pipe<R> {
    pub(crate) fn new(inner: R, wire: Arc<Wire>) -> Self {
        Pipe { inner, read: 0, wire }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Pipe<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.read += (buf.filled().len() - before) as u64;
        result
    }
}

impl<R: Unpin> AsyncWrite for Pipe<R> {
    /// Takes all: it is whole frames, and nothing may come between their parts.
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let mut out = self.wire.out();
        if out.waiting.len() - out.at > MAX_MESSAGE {
            return Poll::Ready(Err(std::io::ErrorKind::OutOfMemory.into()));
        }
        out.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.wire.out().flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.wire.out().sink).poll_shutdown(cx)
    }
}

/// The way out of a connection.
struct Out {
    sink: Box<dyn AsyncWrite + Send + Unpin>,
    /// What the socket has not taken yet, from `at` on: whole frames, but for the first of them.
    waiting: Vec<u8>,
    at: usize,
    /// Lanes of which a message waits, and those of them that are to be told when it is sent: one bit each.
    busy: u8,
    wanted: u8,
    /// When the socket last took something, if something waits.
    stuck: Option<Instant>,
    /// Nothing goes after a goodbye, or after the socket failed.
    ends: bool,
    failed: Option<std::io::ErrorKind>,
    /// Who writes what waits.
    flusher: Option<Waker>,
}

impl Out {
    /// Writes these frames behind what waits, at once if nothing does.
    fn put(&mut self, frames: &[u8]) {
        if self.ends || self.failed.is_some() {
            return;
        }
        let mut rest = frames;
        if self.waiting.is_empty() {
            // Nobody is woken by this look: who waits for the socket is the flusher, which looks again.
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(result) = Pin::new(&mut self.sink).poll_write(&mut cx, rest) {
                match result {
                    Ok(taken @ 1..) => rest = rest.get(taken..).unwrap_or_default(),
                    Ok(0) => self.failed = Some(std::io::ErrorKind::WriteZero),
                    Err(error) => self.failed = Some(error.kind()),
                }
                if rest.is_empty() || self.failed.is_some() {
                    break;
                }
            }
        }
        if rest.is_empty() && self.failed.is_none() {
            return;
        }
        if self.stuck.is_none() {
            self.stuck = Some(Instant::now());
        }
        self.waiting.extend_from_slice(rest);
        if let Some(flusher) = self.flusher.take() {
            flusher.wake();
        }
    }

    /// Writes what waits.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while self.failed.is_none() && self.at < self.waiting.len() {
            let rest = self.waiting.get(self.at..).unwrap_or_default();
            let Poll::Ready(result) = Pin::new(&mut self.sink).poll_write(cx, rest) else {
                return Poll::Pending;
            };
            match result {
                Ok(taken @ 1..) => {
                    self.at += taken;
                    self.stuck = Some(Instant::now());
                }
                Ok(0) => self.failed = Some(std::io::ErrorKind::WriteZero),
                Err(error) => self.failed = Some(error.kind()),
            }
        }
        self.waiting.clear();
        self.waiting.shrink_to(KEPT_ROOM);
        (self.at, self.stuck) = (0, None);
        Poll::Ready(self.failed.map_or(Ok(()), |kind| Err(kind.into())))
    }
}

/// A connection as its lanes see it.
pub(crate) struct Wire {
    out: Mutex<Out>,
    /// For the side that has to mask what it sends: a key, and how many masks were made of it.
    masks: Option<(RandomState, AtomicU64)>,
    known: AtomicBool,
    gone: AtomicBool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("known", &self.known).field("gone", &self.gone).finish_non_exhaustive()
    }
}

impl Wire {
    /// One that writes into `sink`; the side that dialed has to mask what it sends.
    pub(crate) fn new(sink: impl AsyncWrite + Send + Unpin + 'static, dialed: bool) -> Arc<Self> {
        let out = Out {
            sink: Box::new(sink),
            waiting: Vec::new(),
            at: 0,
            busy: 0,
            wanted: 0,
            stuck: None,
            ends: false,
            failed: None,
            flusher: None,
        };
        Arc::new(Wire {
            out: Mutex::new(out),
            masks: dialed.then(Default::default),
            known: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        })
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection can take a message of a lane now. If not, the lane is told when it can.
    pub(crate) fn has_room(&self, lane: usize) -> bool {
        let mut out = self.out();
        let bit = 1 << lane;
        if out.busy & bit != 0 {
            out.wanted |= bit;
        }
        out.busy & bit == 0
    }

    /// Sends frames of a lane for which there is room. `scratch` is a buffer that callers keep.
    pub(crate) fn send(&self, lane: usize, message: &[u8], scratch: &mut Vec<u8>) {
        self.frame(BINARY, &[message, &[lane as u8]], scratch);
        let mut out = self.out();
        out.put(scratch);
        if !out.waiting.is_empty() {
            out.busy |= 1 << lane;
        }
    }

    /// Says goodbye, behind what waits.
    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        // A close frame carries at most 123 bytes of reason.
        let end = (0..=reason.len().min(120)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
        let reason = reason.get(..end).unwrap_or_default();
        let mut frame = Vec::new();
        self.frame(CLOSE, &[&u16::from(code).to_be_bytes(), reason.as_bytes()], &mut frame);
        let mut out = self.out();
        out.put(&frame);
        out.ends = true;
        if let Some(flusher) = out.flusher.take() {
            flusher.wake();
        }
    }

    fn ping(&self) {
        let mut frame = Vec::new();
        self.frame(PING, &[], &mut frame);
        self.out().put(&frame);
    }

    /// Makes a whole WebSocket frame of these parts (RFC 6455, section 5.2).
    fn frame(&self, first: u8, parts: &[&[u8]], frame: &mut Vec<u8>) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let masked = if self.masks.is_some() { 0x80 } else { 0 };
        frame.clear();
        frame.reserve(len + 14);
        frame.push(first);
        match len {
            0..126 => frame.push(masked | len as u8),
            126..0x1_0000 => {
                frame.push(masked | 126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => {
                frame.push(masked | 127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        // A mask that whoever chose the content cannot foresee.
        let mask = self.masks.as_ref().map(|(key, made)| {
            let number = made.fetch_add(1, Ordering::Relaxed);
            (key.hash_one(number) as u32).to_be_bytes()
        });
        frame.extend(mask.iter().flatten());
        let start = frame.len();
        parts.iter().for_each(|part| frame.extend_from_slice(part));
        if let (Some(mask), Some(content)) = (mask, frame.get_mut(start..)) {
            content.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        }
    }

    /// Writes what lanes could not write, until the connection ends; says why.
    async fn flush(&self, link: LinkId, lanes: &Lanes) -> String {
        loop {
            let sent = poll_fn(|cx| {
                let mut out = self.out();
                // What waited may have been written by who reads, for an answer to a ping: lanes are told all the same.
                let nothing = out.waiting.is_empty() && out.busy == 0 && out.failed.is_none() && !out.ends;
                if nothing || out.flush(cx).is_pending() {
                    out.flusher = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                let told = std::mem::take(&mut out.wanted) & std::mem::take(&mut out.busy);
                Poll::Ready(match out.failed {
                    Some(kind) => Err(std::io::Error::from(kind).to_string()),
                    None if out.ends => Err("closed".to_owned()),
                    None => Ok(told),
                })
            });
            let told = match sent.await {
                Ok(told) => told,
                Err(reason) => return reason,
            };
            for (number, lane) in lanes.all().enumerate().filter(|(number, _)| told & (1 << number) != 0) {
                if lane.send(Command::Free { link }).await.is_err() {
                    return format!("lane {number} has stopped");
                }
            }
        }
    }

    /// Whether the socket has taken nothing for too long.
    fn is_stuck(&self) -> bool {
        self.out().stuck.is_some_and(|since| since.elapsed() > STUCK_AFTER)
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
pub(crate) async fn serve<R>(
    ws: WebSocketStream<Pipe<R>>,
    dialed: bool,
    arrival: Option<Arrival>,
    lanes: Lanes,
) where
    R: AsyncRead + Unpin,
{
    let (wire, link) = (Arc::clone(&ws.get_ref().wire), lanes.new_link());
    if dialed {
        for lane in lanes.all() {
            let up = Command::LinkUp { link, dialed, wire: Arc::clone(&wire) };
            if lane.send(up).await.is_err() {
                return;
            }
        }
    }
    let mut flushing = std::pin::pin!(wire.flush(link, &lanes));
    let reason = tokio::select! {
        biased; // no dice: a simulated run is to be the same again
        end = read(ws, link, dialed, &wire, &lanes) => match end {
            Ok(reason) => reason,
            Err(fault) => {
                wire.close(CloseCode::Policy, &fault);
                let _ = tokio::time::timeout(GOODBYE_WITHIN, &mut flushing).await;
                fault
            }
        },
        reason = &mut flushing => reason,
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
        wire.close(CloseCode::Policy, "it did not say who it is in time");
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
async fn read<R>(
    mut ws: WebSocketStream<Pipe<R>>,
    link: LinkId,
    dialed: bool,
    wire: &Arc<Wire>,
    lanes: &Lanes,
) -> Result<String, String>
where
    R: AsyncRead + Unpin,
{
    // A lane hears of a connection that was not dialed when something comes for it.
    let mut open = [dialed; LANES];
    let (mut heard, mut pinged, mut whole) = (Instant::now(), Instant::now(), ws.get_ref().read);
    let mut begun: Option<Instant> = None;
    let mut look = tokio::time::interval_at(heard + LOOK_EVERY, LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            biased;
            next = ws.next() => Some(next),
            _ = look.tick() => None,
        };
        let message = match next {
            None if wire.is_stuck() => return Ok("the peer took nothing for too long".to_owned()),
            None if heard.elapsed() > DEAD_AFTER => return Ok("nothing came for too long".to_owned()),
            None => {
                if pinged.elapsed() >= PING_EVERY {
                    pinged = Instant::now();
                    wire.ping();
                }
                None
            }
            Some(None) => return Ok("the peer went".to_owned()),
            Some(Some(Err(Error::ConnectionClosed))) => return Ok("closed".to_owned()),
            Some(Some(Err(error))) => return Ok(error.to_string()),
            Some(Some(Ok(message))) => Some(message),
        };
        if message.as_ref().is_some_and(Message::is_binary) {
            (whole, begun) = (ws.get_ref().read, None);
        }
        let unfinished = ws.get_ref().read.saturating_sub(whole) > READ_AHEAD;
        begun = begun.filter(|_| unfinished).or_else(|| unfinished.then(Instant::now));
        if begun.is_some_and(|begun| begun.elapsed() > MESSAGE_WITHIN) {
            return Err("a message was begun and not finished in time".to_owned());
        }
        let Some(message) = message else { continue };
        heard = Instant::now();
        match message {
            Message::Binary(mut bytes) => {
                let number = bytes.last().map_or(LANES, |last| usize::from(*last));
                let (Some(lane), Some(open)) = (lanes.get(number), open.get_mut(number)) else {
                    return Err("a message of no lane".to_owned());
                };
                bytes.truncate(bytes.len() - 1);
                if !std::mem::replace(open, true) {
                    let up = Command::LinkUp { link, dialed, wire: Arc::clone(wire) };
                    if lane.send(up).await.is_err() {
                        return Ok("stopped".to_owned());
                    }
                }
                if lane.send(Command::Message { link, bytes }).await.is_err() {
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::sync::mpsc;
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

    /// Who reads writes what waits, too, when it answers a ping: then a lane that waits was told of nothing.
    #[tokio::test(start_paused = true)]
    async fn a_lane_hears_of_room_whoever_made_it() {
        let (near, mut far) = tokio::io::duplex(64);
        let (read, write) = tokio::io::split(near);
        let wire = Wire::new(write, false);
        let mut pipe = Pipe::new(read, Arc::clone(&wire));
        let (commands, mut inputs) = mpsc::channel(8);
        let lanes = Lanes::new(vec![commands]);
        wire.send(0, &[7; 100], &mut Vec::new());
        assert!(!wire.has_room(0), "the socket takes 64 bytes");
        let mut flushing = std::pin::pin!(wire.flush(LinkId(1), &lanes));
        assert!(flushing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

        tokio::io::AsyncReadExt::read_exact(&mut far, &mut [0; 64]).await.unwrap();
        pipe.flush().await.unwrap();
        assert!(flushing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(matches!(inputs.try_recv(), Ok(Command::Free { link: LinkId(1) })));
        assert!(wire.has_room(0));
    }

    /// Pings between the parts of a message reset the time after which a silent peer is dead; two hundred
    /// peers that began a message each held 400 MiB for as long as they liked.
    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_begun_must_be_finished() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (read, write) = tokio::io::split(near);
        let pipe = Pipe::new(read, Wire::new(write, false));
        let ws = WebSocketStream::from_raw_socket(pipe, Role::Server, Some(settings())).await;
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
