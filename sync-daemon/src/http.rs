//! Asking a daemon over HTTP: what the command line does.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest answer that is read.
const MAX_ANSWER: usize = 256 << 20;

/// Gets a path from a daemon at `host:port`; the answer's status and body.
///
/// # Errors
/// When the daemon cannot be reached or does not answer `within` this time.
pub async fn get(host: &str, path: &str, within: Duration) -> anyhow::Result<(StatusCode, String)> {
    let ask = async {
        let stream = TcpStream::connect(host).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::get(path).header(header::HOST, host).body(Empty::<bytes::Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        connection.abort();
        Ok((status, String::from_utf8(body.to_vec())?))
    };
    match tokio::time::timeout(within, ask).await {
        Ok(answer) => answer,
        Err(_) => anyhow::bail!("no answer within {within:?}"),
    }
}

/// Encodes a name for use in a path.
pub fn encode_percent(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
