//! The transport limit: bare WebSocket relays that know nothing of what they carry.
//!
//! Everyone connected to one path gets what the others on that path send. `ws-broadcast` passes each message
//! on as one message; `ws-framed` packs all that waits for a connection into one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How many messages a connection may fall behind; from half of it on, writers wait.
const BEHIND: usize = 1 << 16;
/// A packed message takes no more from this size on.
const PACK_BYTES: usize = 16 << 10;

type Sent = (u64, Bytes);
type Rooms = Arc<Mutex<BTreeMap<String, broadcast::Sender<Sent>>>>;

/// Relays until the process ends.
pub async fn serve(listener: TcpListener, framed: bool) -> anyhow::Result<()> {
    let rooms = Rooms::default();
    for number in 0.. {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream, number, Arc::clone(&rooms), framed));
    }
    Ok(())
}

async fn connection(stream: TcpStream, number: u64, rooms: Rooms, framed: bool) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut joined = None;
    #[allow(clippy::result_large_err)] // the type is the library's
    let join = |request: &Request, response: Response| {
        let mut rooms = rooms.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let room =
            rooms.entry(request.uri().path().to_owned()).or_insert_with(|| broadcast::channel(BEHIND).0);
        joined = Some((room.clone(), room.subscribe()));
        Ok(response)
    };
    let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(4 << 10);
    let ws = tokio_tungstenite::accept_hdr_async_with_config(stream, join, Some(config)).await.ok()?;
    let ((room, mut others), (mut sink, mut stream)) = (joined?, ws.split());
    let write = tokio::spawn(async move {
        loop {
            let bytes = match others.recv().await {
                Ok((from, bytes)) if from != number => bytes,
                Ok(_) => continue,
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            };
            let bytes = if framed { pack(bytes, &mut others, number) } else { bytes };
            if sink.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Binary(bytes) = message {
            // A writer waits for the slowest: nobody is cut off.
            while room.len() > BEHIND / 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let _ = room.send((number, bytes));
        }
    }
    write.abort();
    Some(())
}

fn pack(first: Bytes, others: &mut broadcast::Receiver<Sent>, number: u64) -> Bytes {
    let mut packed = BytesMut::from(first);
    while packed.len() < PACK_BYTES {
        match others.try_recv() {
            Ok((from, bytes)) if from != number => packed.extend_from_slice(&bytes),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    packed.freeze()
}
