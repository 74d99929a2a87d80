//! Clients of Yjs servers, as cheap as can be: edits made beforehand byte by byte, and readers that only count.
//!
//! A y-websocket frame is a message of y-protocols; a connection is a room. Hocuspocus writes the document's
//! name before each, so that one connection has many, and wants a token first, which may be anything.

use anyhow::Context;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::link::Ws;

/// The client that writes; every document is its own.
const CLIENT: u64 = 7;
const SYNC: u8 = 0;
const STEP_1: u8 = 0;
const STEP_2: u8 = 1;
const UPDATE: u8 = 2;
/// Hocuspocus' message with a token: its first number says that it is one.
const AUTH: u8 = 2;
/// Hocuspocus' message that an update was taken.
const STATUS: u8 = 8;

fn number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    number(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// The update of characters typed after `k` others: version 1 of Yjs' encoding, one struct, no deletions.
fn update(client: u64, k: u64, characters: u64) -> Vec<u8> {
    let mut out = vec![1, 1];
    number(&mut out, client);
    number(&mut out, k);
    if k == 0 {
        out.extend([4, 1]); // a string, below a root that is named
        string(&mut out, b"t");
    } else {
        out.push(0x84); // a string, after a character
        number(&mut out, client);
        number(&mut out, k - 1);
    }
    string(&mut out, &vec![b'x'; characters as usize]);
    out.push(0);
    out
}

fn sync(name: Option<&str>, kind: u8, body: &[u8]) -> Bytes {
    let mut out = Vec::new();
    name.into_iter().for_each(|name| string(&mut out, name.as_bytes()));
    out.extend([SYNC, kind]);
    string(&mut out, body);
    out.into()
}

/// The message of edit `k` of a document, which is named where a connection has many.
pub fn edit(name: Option<&str>, k: u64) -> Bytes {
    typed(name, k, 1)
}

/// The message of so many characters typed one after the other, the first after `k` others.
pub fn typed(name: Option<&str>, k: u64, characters: u64) -> Bytes {
    sync(name, UPDATE, &update(CLIENT, k, characters))
}

/// The message of all that a client has typed into a document in which it saw nothing of others.
pub fn written(name: Option<&str>, client: u64, characters: u64) -> Bytes {
    sync(name, UPDATE, &update(client, 0, characters))
}

/// Whether a message of Hocuspocus says that it took an update.
pub fn acknowledges(message: &[u8]) -> bool {
    let mut r = Parser(message);
    r.bytes().is_some() && r.byte() == Some(STATUS) && r.byte() == Some(1)
}

/// Asks for a document, of which the sender holds so much of each of these clients.
pub async fn ask(ws: &mut Ws, name: Option<&str>, held: &[(u64, u64)]) -> anyhow::Result<()> {
    if let Some(name) = name {
        let mut auth = Vec::new();
        string(&mut auth, name.as_bytes());
        auth.extend([AUTH, 0]);
        string(&mut auth, b"token");
        string(&mut auth, b"4.0.0");
        ws.send(Message::Binary(auth.into())).await?;
    }
    let mut version = Vec::new();
    number(&mut version, held.len() as u64);
    for (client, clock) in held {
        number(&mut version, *client);
        number(&mut version, *clock);
    }
    Ok(ws.send(Message::Binary(sync(name, STEP_1, &version))).await?)
}

/// Opens a document and waits until the server has said what it holds: how many edits.
pub async fn open(ws: &mut Ws, name: Option<&str>) -> anyhow::Result<u64> {
    ask(ws, name, &[]).await?;
    loop {
        let message = ws.next().await.context("the server went")??;
        let Message::Binary(bytes) = message else { continue };
        let received = Received::read(&bytes, name.is_some());
        if let Some(received) = received.filter(|r| r.kind == STEP_2 && r.is_of(name)) {
            return received.edits();
        }
    }
}

/// What of a server's message counts.
struct Received<'a> {
    name: Option<&'a [u8]>,
    kind: u8,
    update: &'a [u8],
}

impl<'a> Received<'a> {
    /// `None` for what is not about content.
    fn read(bytes: &'a [u8], named: bool) -> Option<Self> {
        let mut r = Parser(bytes);
        let name = if named { Some(r.bytes()?) } else { None };
        let (outer, kind) = (r.byte()?, r.byte()?);
        (outer == SYNC).then_some(Received { name, kind, update: r.bytes()? })
    }

    fn edits(&self) -> anyhow::Result<u64> {
        Ok(self.ends()?.last().map_or(0, |(_, end)| *end))
    }

    /// How far it reaches for each client.
    fn ends(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        Parser(self.update).ends().context("an update that this bench did not write")
    }

    fn is_of(&self, name: Option<&str>) -> bool {
        self.name == name.map(str::as_bytes)
    }
}

/// How far the document of a message reaches with it: its name, empty where it has none, and the number of edits.
pub fn reaches(message: &[u8], named: bool) -> anyhow::Result<Option<(&str, u64)>> {
    let content = Received::read(message, named).filter(|r| r.kind == UPDATE || r.kind == STEP_2);
    let Some(received) = content else { return Ok(None) };
    let name = std::str::from_utf8(received.name.unwrap_or_default())?;
    Ok(Some((name, received.edits()?)))
}

/// How far a client's edits reach with what this message tells of a document.
pub fn reaches_of(message: &[u8], named: bool, client: u64) -> anyhow::Result<u64> {
    let content = Received::read(message, named).filter(|r| r.kind == UPDATE || r.kind == STEP_2);
    let ends = content.map_or(Ok(Vec::new()), |received| received.ends())?;
    Ok(ends.into_iter().find(|(of, _)| *of == client).map_or(0, |(_, end)| end))
}

struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The clocks after the last characters of an update, which is strings.
    fn ends(&mut self) -> Option<Vec<(u64, u64)>> {
        let mut ends = Vec::new();
        for _ in 0..self.number()? {
            let structs = self.number()?;
            let client = self.number()?;
            let mut end = self.number()?;
            for _ in 0..structs {
                let info = self.byte()?;
                for _ in 0..(info >> 7) + (info >> 6 & 1) {
                    self.number()?;
                    self.number()?;
                }
                if info & 0xc0 == 0 && self.number()? == 1 {
                    self.bytes()?;
                }
                end += if info & 0x1f == 4 { self.bytes()?.len() as u64 } else { return None };
            }
            ends.push((client, end));
        }
        Some(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_those_of_yjs() {
        assert_eq!(update(7, 0, 1), [1, 1, 7, 0, 4, 1, 1, b't', 1, b'x', 0]);
        assert_eq!(update(7, 1, 1), [1, 1, 7, 1, 0x84, 7, 0, 1, b'x', 0]);
        assert_eq!(reaches_of(&written(None, 8, 5), false, 8).unwrap(), 5);
        assert_eq!(reaches_of(&written(None, 8, 5), false, 7).unwrap(), 0);
        assert_eq!(reaches(&edit(Some("a"), 300), true).unwrap(), Some(("a", 301)));
        assert_eq!(reaches(&edit(None, 0), false).unwrap(), Some(("", 1)));
        assert_eq!(reaches(&[1, 0], false).unwrap(), None);
    }
}
