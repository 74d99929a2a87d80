//! A server of automerge-repo's protocol in Rust: `samod` with its store of files, on the WebSockets of the relays here.

use std::path::Path;

use futures_util::{SinkExt, StreamExt, future};
use samod::storage::TokioFilesystemStorage;
use samod::{Repo, ShareConfig, Transport};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, folder: &Path) -> anyhow::Result<()> {
    let storage = TokioFilesystemStorage::new(folder);
    // As the Node server here: documents are given to whoever asks, and not announced.
    let policy = ShareConfig::read_write().with_announce(false);
    let repo = Repo::build_tokio().with_peer_id("server".into()).with_storage(storage);
    let repo = repo.with_share_policy(policy).load().await;
    let acceptor = repo.make_acceptor(format!("ws://{}/", listener.local_addr()?).parse()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(ws) = tokio_tungstenite::accept_async(stream).await else { return };
            let (sink, stream) = ws.split();
            let messages = stream.filter_map(|message| {
                future::ready(match message {
                    Ok(Message::Binary(bytes)) => Some(Ok(bytes.to_vec())),
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                })
            });
            let sink =
                sink.with(|bytes: Vec<u8>| future::ready(Ok::<_, Error>(Message::Binary(bytes.into()))));
            let _ = acceptor.accept(Transport::new(messages, sink));
        });
    }
}
