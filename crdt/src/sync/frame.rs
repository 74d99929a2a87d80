//! What goes over a link: frames, several to a message.
//!
//! ```text
//! message = frame+                    frame = kind: u8  length: varint  body
//!  0 hello      protocol  id(16)  role: u8  name: string  address: string  interest
//!  1 document   kind: u8  name: string           gives the name the sender's next document number
//!  2 replica    id(16)                           gives the id the sender's next replica number
//!  3 interest   prefixes: count string*  names: count string*
//!  4 digest     documents  sum(8)
//!  5 have       document  entries: count { replica  seq }*
//!  6 want       document  entries
//!  7 delta      document  spans: count { replica after len }*  others: count replica*  body
//!  8 fragment   last: u8  part of a delta frame's body
//!  9 ack        document  entries
//! 10 prune      replica
//! 11 graft      replica
//! 12 presence   document  replica  clock  present: u8  value
//! ```
//!
//! Numbers are varints. A frame of an unknown kind is skipped, so that later versions can add some.

use std::collections::BTreeMap;

use crate::codec::{DecodeError, Reader, Writer};
use crate::delta::{self, Delta};
use crate::id::{ReplicaId, Span};
use crate::version::VersionVector;

use super::{DocId, Interest, Kind, PeerInfo, Role};

/// The version of the protocol that this program speaks.
pub(super) const PROTOCOL: u64 = 1;
/// The longest message.
pub(super) const MAX_MESSAGE: usize = 1 << 20;
/// A longer delta is sent in fragments of this size, so that others need not wait for it.
pub(super) const FRAGMENT: usize = 64 << 10;
/// The longest name or address that a peer may give itself, in bytes.
const MAX_NAME: usize = 256;
/// The most documents or replicas that a peer may number on one link.
pub(super) const MAX_NUMBERED: usize = 1 << 20;
/// The longest presence, in bytes.
pub(super) const MAX_PRESENCE: usize = 4096;

/// A decoded frame; document and replica numbers are still those of the sender.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Frame {
    Hello { protocol: u64, peer: PeerInfo, interest: Interest },
    Document { kind: Kind, name: DocId },
    Replica(ReplicaId),
    Interest(Interest),
    Digest { documents: u64, sum: u64 },
    Have { doc: u64, version: VersionVector },
    Want { doc: u64, version: VersionVector },
    Delta { doc: u64, delta: Delta },
    Fragment { last: bool, bytes: Vec<u8> },
    Ack { doc: u64, version: VersionVector },
    Prune(ReplicaId),
    Graft(ReplicaId),
    Presence { doc: u64, from: ReplicaId, clock: u64, value: Option<Vec<u8>> },
    Unknown,
}

pub(super) mod kind {
    pub(in crate::sync) const HELLO: u8 = 0;
    pub(in crate::sync) const DOCUMENT: u8 = 1;
    pub(in crate::sync) const REPLICA: u8 = 2;
    pub(in crate::sync) const INTEREST: u8 = 3;
    pub(in crate::sync) const DIGEST: u8 = 4;
    pub(in crate::sync) const HAVE: u8 = 5;
    pub(in crate::sync) const WANT: u8 = 6;
    pub(in crate::sync) const DELTA: u8 = 7;
    pub(in crate::sync) const FRAGMENT: u8 = 8;
    pub(in crate::sync) const ACK: u8 = 9;
    pub(in crate::sync) const PRUNE: u8 = 10;
    pub(in crate::sync) const GRAFT: u8 = 11;
    pub(in crate::sync) const PRESENCE: u8 = 12;
}

/// Writes one message; numbers documents and replicas as it meets them.
#[derive(Debug)]
pub(super) struct Message<'a> {
    out: Writer,
    numbers: &'a mut Numbers,
    /// How many frames that are not deltas.
    pub(super) control: u64,
}

/// The numbers that this side has given documents and replicas on one link.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    docs: BTreeMap<DocId, u64>,
    replicas: BTreeMap<ReplicaId, u64>,
}

impl<'a> Message<'a> {
    pub(super) fn new(numbers: &'a mut Numbers) -> Self {
        Message { out: Writer::new(), numbers, control: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out.into_body()
    }

    pub(super) fn frame(&mut self, kind: u8, body: Writer) {
        self.control += u64::from(kind != kind::DELTA && kind != kind::FRAGMENT);
        self.out.u8(kind);
        self.out.bytes(&body.into_body());
    }

    /// The number of a document; gives it one, in a frame of its own, if it has none.
    pub(super) fn doc(&mut self, id: &DocId, kind: Kind) -> u64 {
        if let Some(number) = self.numbers.docs.get(id) {
            return *number;
        }
        let number = self.numbers.docs.len() as u64;
        self.numbers.docs.insert(id.clone(), number);
        let mut w = Writer::new();
        w.u8(kind.0);
        w.str(id.as_str());
        self.frame(kind::DOCUMENT, w);
        number
    }

    /// The number of a replica; gives it one, in a frame of its own, if it has none.
    pub(super) fn replica(&mut self, id: ReplicaId) -> u64 {
        if let Some(number) = self.numbers.replicas.get(&id) {
            return *number;
        }
        let number = self.numbers.replicas.len() as u64;
        self.numbers.replicas.insert(id, number);
        let mut w = Writer::new();
        w.raw(id.as_bytes());
        self.frame(kind::REPLICA, w);
        number
    }

    pub(super) fn hello(&mut self, peer: &PeerInfo, interest: &Interest) {
        let mut w = Writer::new();
        w.u64(PROTOCOL);
        w.raw(peer.id.as_bytes());
        w.u8(match peer.role {
            Role::Daemon => 0,
            Role::Client => 1,
        });
        w.str(&peer.name);
        w.str(&peer.address);
        write_interest(interest, &mut w);
        self.frame(kind::HELLO, w);
    }

    pub(super) fn interest(&mut self, interest: &Interest) {
        let mut w = Writer::new();
        write_interest(interest, &mut w);
        self.frame(kind::INTEREST, w);
    }

    pub(super) fn digest(&mut self, documents: u64, sum: u64) {
        let mut w = Writer::new();
        w.u64(documents);
        w.raw(&sum.to_le_bytes());
        self.frame(kind::DIGEST, w);
    }

    /// A frame of a document and a version: have, want or ack.
    pub(super) fn version(&mut self, kind: u8, doc: &DocId, doc_kind: Kind, version: &VersionVector) {
        let doc = self.doc(doc, doc_kind);
        let entries: Vec<(u64, u64)> = version.iter().map(|(id, seq)| (self.replica(id), seq)).collect();
        let mut w = Writer::new();
        w.u64(doc);
        w.u64(entries.len() as u64);
        for (replica, seq) in entries {
            w.u64(replica);
            w.u64(seq);
        }
        self.frame(kind, w);
    }

    pub(super) fn about_replica(&mut self, kind: u8, replica: ReplicaId) {
        let mut w = Writer::new();
        w.u64(self.replica(replica));
        self.frame(kind, w);
    }

    pub(super) fn presence(&mut self, doc: u64, from: ReplicaId, clock: u64, value: Option<&[u8]>) {
        let from = self.replica(from);
        let mut w = Writer::new();
        w.u64(doc);
        w.u64(from);
        w.u64(clock);
        w.u8(u8::from(value.is_some()));
        w.raw(value.unwrap_or_default());
        self.frame(kind::PRESENCE, w);
    }

    /// The body of a delta frame. Numbers it gives go into this message.
    pub(super) fn delta(&mut self, doc: &DocId, kind: Kind, delta: &Delta) -> Writer {
        let doc = self.doc(doc, kind);
        let spans: Vec<u64> = delta.spans.iter().map(|span| self.replica(span.replica)).collect();
        let others: Vec<u64> = delta.others.iter().map(|id| self.replica(*id)).collect();
        let mut w = Writer::new();
        w.u64(doc);
        w.u64(spans.len() as u64);
        for (replica, span) in spans.iter().zip(&delta.spans) {
            w.u64(*replica);
            w.u64(span.after);
            w.u64(span.len());
        }
        w.u64(others.len() as u64);
        others.iter().for_each(|replica| w.u64(*replica));
        w.raw(&delta.body);
        w
    }

    pub(super) fn fragment(&mut self, last: bool, bytes: &[u8]) {
        let mut w = Writer::new();
        w.u8(u8::from(last));
        w.raw(bytes);
        self.frame(kind::FRAGMENT, w);
    }
}

fn write_interest(interest: &Interest, w: &mut Writer) {
    w.u64(interest.prefixes.len() as u64);
    interest.prefixes.iter().for_each(|prefix| w.str(prefix));
    w.u64(interest.names.len() as u64);
    interest.names.iter().for_each(|name| w.str(name.as_str()));
}

/// Cuts a message into frames: kind and body of each.
pub(super) fn split(message: &[u8]) -> Result<Vec<(u8, &[u8])>, DecodeError> {
    let mut r = Reader::new(message, &[]);
    let mut frames = Vec::new();
    while r.remaining() > 0 {
        frames.push((r.u8()?, r.bytes()?));
    }
    Ok(frames)
}

/// Reads one frame. `replicas` are those that the sender has numbered so far.
pub(super) fn decode(kind: u8, body: &[u8], replicas: &[ReplicaId]) -> Result<Frame, DecodeError> {
    let mut r = Reader::new(body, replicas);
    let frame = match kind {
        kind::HELLO => read_hello(&mut r)?,
        kind::DOCUMENT => Frame::Document { kind: Kind(r.u8()?), name: read_name(&mut r)? },
        kind::REPLICA => Frame::Replica(read_id(&mut r)?),
        kind::INTEREST => Frame::Interest(read_interest(&mut r)?),
        kind::DIGEST => {
            let documents = r.u64()?;
            let mut sum = [0; 8];
            sum.copy_from_slice(r.raw(8)?);
            Frame::Digest { documents, sum: u64::from_le_bytes(sum) }
        }
        kind::HAVE => Frame::Have { doc: r.u64()?, version: read_version(&mut r)? },
        kind::WANT => Frame::Want { doc: r.u64()?, version: read_version(&mut r)? },
        kind::ACK => Frame::Ack { doc: r.u64()?, version: read_version(&mut r)? },
        kind::DELTA => read_delta(&mut r)?,
        kind::FRAGMENT => {
            let last = read_bool(&mut r)?;
            Frame::Fragment { last, bytes: r.raw(r.remaining())?.to_vec() }
        }
        kind::PRUNE => Frame::Prune(r.replica()?),
        kind::GRAFT => Frame::Graft(r.replica()?),
        kind::PRESENCE => read_presence(&mut r)?,
        _ => return Ok(Frame::Unknown),
    };
    r.end()?;
    Ok(frame)
}

fn read_bool(r: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.invalid("a truth value is 0 or 1")),
    }
}

fn short(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    let s = r.str()?;
    if s.len() > MAX_NAME || s.chars().any(char::is_control) {
        return Err(r.invalid("a name over 256 bytes or with control characters"));
    }
    Ok(s.to_owned())
}

fn read_id(r: &mut Reader<'_>) -> Result<ReplicaId, DecodeError> {
    let mut id = [0; 16];
    id.copy_from_slice(r.raw(16)?);
    Ok(ReplicaId::from_bytes(id))
}

fn read_name(r: &mut Reader<'_>) -> Result<DocId, DecodeError> {
    let name = r.str()?;
    name.parse().map_err(|_| r.invalid("not a document name"))
}

fn read_hello(r: &mut Reader<'_>) -> Result<Frame, DecodeError> {
    let protocol = r.u64()?;
    let id = read_id(r)?;
    let role = match r.u8()? {
        0 => Role::Daemon,
        1 => Role::Client,
        _ => return Err(r.invalid("unknown role")),
    };
    let (name, address) = (short(r)?, short(r)?);
    let interest = read_interest(r)?;
    Ok(Frame::Hello { protocol, peer: PeerInfo { id, name, address, role }, interest })
}

fn read_interest(r: &mut Reader<'_>) -> Result<Interest, DecodeError> {
    let prefixes = (0..r.count(1)?).map(|_| r.str().map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    let names = (0..r.count(2)?).map(|_| read_name(r)).collect::<Result<Vec<_>, _>>()?;
    if prefixes.len() + names.len() > Interest::MAX {
        return Err(r.limit("prefixes and names of interest"));
    }
    Ok(Interest { prefixes, names })
}

/// A version whose entries are in the order in which the sender's replicas sort.
fn read_version(r: &mut Reader<'_>) -> Result<VersionVector, DecodeError> {
    crate::codec::Decode::decode(r)
}

fn read_delta(r: &mut Reader<'_>) -> Result<Frame, DecodeError> {
    let doc = r.u64()?;
    let n = r.count(3)?;
    let mut spans: Vec<Span> = Vec::with_capacity(n);
    for _ in 0..n {
        let (replica, after, len) = (r.replica()?, r.u64()?, r.u64()?);
        spans.push(delta::span(r, spans.last(), replica, after, len)?);
    }
    let others = (0..r.count(1)?).map(|_| r.replica()).collect::<Result<Vec<_>, _>>()?;
    let delta = Delta { spans, others, body: r.raw(r.remaining())?.to_vec() };
    delta.check_table(r)?;
    if delta.is_empty() { Err(r.invalid("a delta of no events")) } else { Ok(Frame::Delta { doc, delta }) }
}

fn read_presence(r: &mut Reader<'_>) -> Result<Frame, DecodeError> {
    let (doc, from, clock, present) = (r.u64()?, r.replica()?, r.u64()?, read_bool(r)?);
    let value = r.raw(r.remaining())?;
    if value.len() > MAX_PRESENCE || !present && !value.is_empty() {
        return Err(r.invalid("a presence over 4 KiB, or a value with none"));
    }
    Ok(Frame::Presence { doc, from, clock, value: present.then(|| value.to_vec()) })
}
