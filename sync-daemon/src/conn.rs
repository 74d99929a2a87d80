//! One connection: a half that reads, a half that writes, and a ping now and then.

use std::time::Duration;

use crdt::sync::LinkId;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::driver::{Command, Outgoing};

/// The longest message either side may send: that of the protocol and room for its framing.
const MAX_MESSAGE: usize = crdt::sync::MAX_MESSAGE + (64 << 10);
/// How often a quiet connection is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A connection from which nothing comes for this long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(45);
/// A peer that takes nothing for this long is dead.
const STUCK_AFTER: Duration = Duration::from_secs(45);

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

/// Serves a connection until either side ends it.
pub(crate) async fn serve<S>(ws: WebSocketStream<S>, dialed: bool, commands: mpsc::Sender<Command>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (outgoing, to_send) = mpsc::channel(1);
    let (reply, link) = oneshot::channel();
    if commands.send(Command::LinkUp { dialed, outgoing, link: reply }).await.is_err() {
        return;
    }
    let Ok(link) = link.await else { return };
    let (sink, stream) = ws.split();
    let reason = tokio::select! {
        reason = read(stream, link, &commands) => reason,
        reason = write(sink, link, &commands, to_send) => reason,
    };
    tracing::debug!(link = link.0, reason, "connection over");
    let _ = commands.send(Command::LinkDown { link }).await;
}

async fn read<S>(
    mut stream: SplitStream<WebSocketStream<S>>,
    link: LinkId,
    commands: &mpsc::Sender<Command>,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let message = match tokio::time::timeout(DEAD_AFTER, stream.next()).await {
            Err(_) => return "nothing came for too long".to_owned(),
            Ok(None) => return "the peer went".to_owned(),
            Ok(Some(Err(Error::ConnectionClosed))) => return "closed".to_owned(),
            Ok(Some(Err(error))) => return error.to_string(),
            Ok(Some(Ok(message))) => message,
        };
        match message {
            Message::Binary(bytes) => {
                if commands.send(Command::Message { link, bytes }).await.is_err() {
                    return "stopped".to_owned();
                }
            }
            Message::Text(_) => return "a text message: the protocol has none".to_owned(),
            Message::Close(frame) => return frame.map_or_else(String::new, |frame| frame.reason.to_string()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

async fn write<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    link: LinkId,
    commands: &mpsc::Sender<Command>,
    mut to_send: mpsc::Receiver<Outgoing>,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.tick().await;
    loop {
        let message = tokio::select! {
            outgoing = to_send.recv() => match outgoing {
                Some(Outgoing::Message(bytes)) => Message::Binary(bytes.into()),
                Some(Outgoing::Close(reason)) => return close(sink, CloseCode::Policy, &reason).await,
                None => return close(sink, CloseCode::Away, "stopped").await,
            },
            _ = ping.tick() => Message::Ping(Default::default()),
        };
        let content = message.is_binary();
        match tokio::time::timeout(STUCK_AFTER, sink.send(message)).await {
            Err(_) => return "the peer took nothing for too long".to_owned(),
            Ok(Err(error)) => return error.to_string(),
            Ok(Ok(())) if content => {
                if commands.send(Command::Free { link }).await.is_err() {
                    return close(sink, CloseCode::Away, "stopped").await;
                }
            }
            Ok(Ok(())) => {}
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
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(Message::Close(Some(frame)))).await;
    reason.to_owned()
}
