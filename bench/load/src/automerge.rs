//! Clients of automerge-repo servers, as cheap as can be: edits are sync messages made beforehand, and readers answer
//! each message with what they have by then, as the protocol asks of them.
//!
//! A document is one text; its first change makes it, each further change types one character.

use anyhow::Context;
use automerge::sync::{BloomFilter, Have, Message as Sync, MessageVersion};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ChangeHash, ObjType, ROOT};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use minicbor::{Decoder, Encoder};
use tokio_tungstenite::tungstenite::Message;

use crate::link::Ws;

/// As `automerge-repo.mjs` calls itself.
const SERVER: &str = "server";

/// The id of a document: 16 bytes in base58 with a check sum.
pub fn id(doc: u64) -> String {
    bs58::encode(u128::from(doc).to_be_bytes()).with_check().into_string()
}

fn frame(me: &str, kind: &str, doc: u64, data: Vec<u8>) -> anyhow::Result<Bytes> {
    let mut cbor = Encoder::new(Vec::new());
    cbor.map(5)?.str("type")?.str(kind)?.str("senderId")?.str(me)?.str("targetId")?.str(SERVER)?;
    cbor.str("documentId")?.str(&id(doc))?.str("data")?.bytes(&data)?;
    Ok(cbor.into_writer().into())
}

/// "I have all up to these heads, and here are changes."
fn sync(heads: Vec<ChangeHash>, changes: Vec<Vec<u8>>) -> Vec<u8> {
    let have = vec![Have { last_sync: heads.clone(), bloom: BloomFilter::default() }];
    let version = MessageVersion::V1;
    Sync { heads, need: vec![], have, changes: changes.into(), flags: None, version }.encode()
}

/// Says who it is.
pub async fn join(ws: &mut Ws, me: &str) -> anyhow::Result<()> {
    let mut cbor = Encoder::new(Vec::new());
    cbor.map(4)?.str("type")?.str("join")?.str("senderId")?.str(me)?.str("peerMetadata")?.map(0)?;
    cbor.str("supportedProtocolVersions")?.array(1)?.str("1")?;
    ws.send(Message::Binary(cbor.into_writer().into())).await?;
    ws.next().await.context("the server went")??;
    Ok(())
}

/// The messages of a writer for one document: the first makes it, the others type one character each.
pub fn messages(me: &str, doc: u64, edits: u64) -> anyhow::Result<Vec<Bytes>> {
    Ok(messages_and_heads(me, doc, edits)?.0)
}

/// The same, and the heads of the document with each of them.
pub fn messages_and_heads(me: &str, doc: u64, edits: u64) -> anyhow::Result<(Vec<Bytes>, Vec<ChangeHash>)> {
    let mut document = AutoCommit::new().with_actor(ActorId::from(doc.to_be_bytes().to_vec()));
    let text = document.put_object(ROOT, "t", ObjType::Text)?;
    let (mut all, mut heads) = (Vec::new(), Vec::new());
    for edit in 0..=edits {
        if edit > 0 {
            document.splice_text(&text, edit as usize - 1, 0, "x")?;
        }
        document.commit();
        let change = document.get_last_local_change().context("an edit without a change")?;
        let data = sync(vec![change.hash()], vec![change.raw_bytes().to_vec()]);
        all.push(frame(me, "sync", doc, data)?);
        heads.push(change.hash());
    }
    Ok((all, heads))
}

/// Makes a document and waits until the server has it.
pub async fn create(ws: &mut Ws, first: Bytes) -> anyhow::Result<()> {
    ws.send(Message::Binary(first)).await?;
    while Received::read(&binary(ws).await?)?.is_none() {}
    Ok(())
}

/// Asks for a document, and waits until it has come: with so many edits.
pub async fn open(ws: &mut Ws, me: &str, doc: u64) -> anyhow::Result<u64> {
    let request = frame(me, "request", doc, sync(vec![], vec![]))?;
    ws.send(Message::Binary(request)).await?;
    loop {
        let Some(received) = Received::read(&binary(ws).await?)? else { continue };
        ws.send(Message::Binary(received.answer(me, doc)?)).await?;
        if let Some(edits) = received.reaches {
            return Ok(edits);
        }
    }
}

async fn binary(ws: &mut Ws) -> anyhow::Result<Bytes> {
    loop {
        // The server also sends pings.
        if let Message::Binary(bytes) = ws.next().await.context("the server went")?? {
            return Ok(bytes);
        }
    }
}

/// What of a server's message counts.
pub struct Received {
    pub id: String,
    heads: Vec<ChangeHash>,
    /// How many edits the document has with it; the change that makes it does not count.
    pub reaches: Option<u64>,
}

impl Received {
    /// `None` for what is not about content.
    pub fn read(message: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut cbor = Decoder::new(message);
        let (mut id, mut data, mut kind) = (None, None, "");
        for _ in 0..cbor.map()?.context("a map without a length")? {
            match cbor.str()? {
                "type" => kind = cbor.str()?,
                "documentId" => id = Some(cbor.str()?.to_owned()),
                "data" => data = Some(cbor.bytes()?),
                _ => cbor.skip()?,
            }
        }
        anyhow::ensure!(kind != "doc-unavailable", "the server does not have a document");
        let (Some(id), Some(data)) = (id, data) else { return Ok(None) };
        let message = Sync::decode(data)?;
        let mut reaches = None;
        for chunk in message.changes.iter() {
            let change = Change::from_bytes(chunk.to_vec())?;
            reaches = reaches.max(Some(change.seq() - 1));
        }
        Ok(Some(Received { id, heads: message.heads, reaches }))
    }

    /// How many of a writer's changes the server says to have.
    pub fn holds(&self, heads: &[ChangeHash]) -> u64 {
        heads.iter().zip(1..).filter(|(head, _)| self.heads.contains(head)).map(|(_, n)| n).max().unwrap_or(0)
    }

    /// That all of it has come.
    pub fn answer(&self, me: &str, doc: u64) -> anyhow::Result<Bytes> {
        frame(me, "sync", doc, sync(self.heads.clone(), vec![]))
    }
}
