//! Publishing and subscribing as Redis does it, as cheap as can be: commands made beforehand, and readers that only count.

use anyhow::{Context, bail};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An array of strings, as commands are sent and messages come.
fn array(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The command that publishes an edit to the channel of a document.
pub fn publish(channel: &str, edit: &[u8]) -> Bytes {
    array(&[b"PUBLISH", channel.as_bytes(), edit]).into()
}

/// A connection that hears what is published.
pub struct Subscriber {
    stream: TcpStream,
    read: BytesMut,
}

impl Subscriber {
    /// Subscribes to channels and waits until the server says that it did.
    pub async fn open(mut stream: TcpStream, channels: &[String]) -> anyhow::Result<Self> {
        let mut parts: Vec<&[u8]> = vec![b"SUBSCRIBE"];
        parts.extend(channels.iter().map(String::as_bytes));
        stream.write_all(&array(&parts)).await?;
        let mut subscriber = Subscriber { stream, read: BytesMut::with_capacity(16 << 10) };
        for _ in channels {
            subscriber.next().await?;
        }
        Ok(subscriber)
    }

    /// The last part of the next message: the edit.
    pub async fn next(&mut self) -> anyhow::Result<Bytes> {
        loop {
            if let Some((last, len)) = message(&self.read)? {
                let edit = Bytes::copy_from_slice(self.read.get(last).context("no edit")?);
                self.read.advance(len);
                return Ok(edit);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the server went");
            }
        }
    }
}

/// Where the last part of a message is that is there whole, and how long the message is.
fn message(bytes: &[u8]) -> anyhow::Result<Option<(std::ops::Range<usize>, usize)>> {
    let Some((parts, mut at)) = number(bytes, 0, b'*')? else { return Ok(None) };
    let mut last = 0..0;
    for _ in 0..parts {
        // How many channels there are now is a number, all else a string.
        if bytes.get(at) == Some(&b':') {
            let Some((_, next)) = number(bytes, at, b':')? else { return Ok(None) };
            at = next;
            continue;
        }
        let Some((len, start)) = number(bytes, at, b'$')? else { return Ok(None) };
        last = start..start + len;
        at = last.end + 2;
        if at > bytes.len() {
            return Ok(None);
        }
    }
    Ok(Some((last, at)))
}

/// The number of a line that begins with `kind`, and where the next line begins.
fn number(bytes: &[u8], at: usize, kind: u8) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(line) = bytes.get(at..) else { return Ok(None) };
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let number =
        line.get(..end).and_then(|line| line.strip_prefix(&[kind])).context("another answer of Redis")?;
    Ok(Some((std::str::from_utf8(number)?.parse()?, at + end + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_redis() {
        let sent = publish("w0/1", b"edit");
        assert_eq!(&sent[..], b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nw0/1\r\n$4\r\nedit\r\n");
        let (last, len) = message(&sent).unwrap().unwrap();
        assert_eq!((&sent[last], len), (&b"edit"[..], sent.len()));
        assert!((0..sent.len()).all(|cut| message(&sent[..cut]).unwrap().is_none()));
        let subscribed = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nw0/1\r\n:1\r\n";
        assert_eq!(message(subscribed).unwrap().unwrap().1, subscribed.len());
        assert!(message(b"-ERR no\r\n").is_err());
    }
}
