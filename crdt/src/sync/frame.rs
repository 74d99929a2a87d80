//! The frames on the wire. `[type][length][body]`, one after another; several make a message.
//!
//! | type | frame | body |
//! |---|---|---|
//! | 0 | Hello | oldest, newest protocol, id (16 bytes), name, address, role, interest, required bits, optional bits (1: sketches) |
//! | 1 | Interest | prefixes, names |
//! | 2 | DefineDoc | kind, name; takes the next index |
//! | 3 | DefineReplica | 16 bytes; takes the next index |
//! | 4 | Digest | 16 bytes, cursor or 0, 0, or 2 and 64 bytes (`sync/sketch.rs`) |
//! | 5 | Have | doc, entries: events the sender holds |
//! | 6 | Want | doc, entries, here from 0: send the events of these replicas from here on |
//! | 7 | Delta | doc, spans (replica, after, length), other replicas, the rest is the delta's body |
//! | 8 | Fragment | doc, total, offset, the rest is a piece of a delta in its stand-alone form |
//! | 9 | Ack | doc, entries: events safe on the sender's disk |
//! | 10 | Prune | replica: send its events here no more |
//! | 11 | Graft | replica: send its events here again |
//! | 12 | Presence | doc, replica, clock, 0, or 1 and the rest is the value |
//! | 13 | Reconcile | what there is to tell of a range of documents (`sync/reconcile.rs`) |
//! | 15 | More | from, count: send these cells |
//! | 16 | Fed | moment: you have all that changed here until then |
//! | 17 | Cells | from, the rest is cells of 12 bytes (`sync/sketch.rs`) |
//! | 18 | Question | doc, replica that asks, number, round, links to go, peer or none, entries: who has these (`sync/question.rs`) |
//! | 19 | Answer | replica that asked, number, replica that has them |
//!
//! In earlier versions, whose Hello has no optional bits, a Digest may have 1 and 64 numbers in place of the 2 and what
//! follows it, and frame 14 had cells of 20 bytes. Such numbers are read and not used, cells of that kind are not sent to who
//! sends none, and two of which one is of an earlier version compare by ranges.
//!
//! All numbers are varints; documents and replicas are indices into the dictionaries of the sender's
//! `DefineDoc` and `DefineReplica` frames. A frame of unknown type is skipped by its length.

use crate::codec::{DecodeError, Reader, Writer};
use crate::delta::Delta;
use crate::id::{Dot, ReplicaId};
use crate::sync::question::Asked;
use crate::sync::reconcile::Message;
use crate::sync::sketch::{CELLS, Cell, Estimate};
use crate::sync::{DocId, Interest, Kind, MAX_INTERESTS, MAX_PRESENCE_BYTES, MAX_VERSION_ENTRIES, Role};

/// A replica by its index in the sender's dictionary, and an event number of it.
pub(crate) type Entry = (u64, u64);

/// The optional feature of comparing by sketches of this form.
pub(crate) const SKETCHES: u64 = 1;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hello {
    pub(crate) oldest: u64,
    pub(crate) newest: u64,
    pub(crate) id: ReplicaId,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) role: Role,
    pub(crate) interest: Interest,
    /// Features without which the sender cannot work with the receiver.
    pub(crate) required: u64,
    /// Features that the sender has and can do without.
    pub(crate) optional: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    Hello(Hello),
    Interest(Interest),
    DefineDoc { kind: Kind, name: DocId },
    DefineReplica(ReplicaId),
    Digest(Digest),
    Have { doc: u64, version: Vec<Entry> },
    Want { doc: u64, version: Vec<Entry> },
    Delta { doc: u64, spans: Vec<(u64, u64, u64)>, others: Vec<u64>, body: Vec<u8> },
    Fragment { doc: u64, total: u64, offset: u64, bytes: Vec<u8> },
    Ack { doc: u64, version: Vec<Entry> },
    Prune(u64),
    Graft(u64),
    Presence { doc: u64, replica: u64, clock: u64, value: Option<Vec<u8>> },
    Reconcile(Message),
    Cells { from: u64, cells: Vec<Cell> },
    More { from: u64, count: u64 },
    Fed(u64),
    Question(Asked),
    Answer { asker: u64, number: u64, by: u64 },
}

/// What a side tells of all its documents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Digest {
    pub(crate) hash: [u8; 16],
    /// Up to which of the receiver's changes all are here; 0 when that is not known.
    pub(crate) cursor: u64,
    /// For peers of a fleet.
    pub(crate) estimate: Option<Estimate>,
}

/// The longest name and address in a Hello, in bytes.
const MAX_LABEL: usize = 1024;

impl Frame {
    /// Whether it carries events.
    pub(crate) fn is_content(&self) -> bool {
        matches!(self, Frame::Delta { .. } | Frame::Fragment { .. })
    }

    /// The frame with its type and its length.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut body = Writer::new();
        let kind = self.write(&mut body);
        let body = body.into_body();
        let mut w = Writer::new();
        w.u64(kind);
        w.bytes(&body);
        w.into_body()
    }

    fn write(&self, w: &mut Writer) -> u64 {
        match self {
            Frame::Hello(hello) => {
                write_hello(w, hello);
                0
            }
            Frame::Interest(interest) => {
                write_interest(w, interest);
                1
            }
            Frame::DefineDoc { kind, name } => {
                w.u8(kind.0);
                w.str(name.as_str());
                2
            }
            Frame::DefineReplica(id) => {
                w.raw(id.as_bytes());
                3
            }
            Frame::Digest(digest) => {
                w.raw(&digest.hash);
                w.u64(digest.cursor);
                w.u8(if digest.estimate.is_some() { 2 } else { 0 });
                digest.estimate.iter().for_each(|estimate| estimate.write(w));
                4
            }
            Frame::Have { doc, version } => write_version(w, *doc, version, 5),
            Frame::Want { doc, version } => write_version(w, *doc, version, 6),
            Frame::Delta { doc, spans, others, body } => {
                write_delta(w, *doc, spans, others, body);
                7
            }
            Frame::Fragment { doc, total, offset, bytes } => {
                w.u64(*doc);
                w.u64(*total);
                w.u64(*offset);
                w.raw(bytes);
                8
            }
            Frame::Ack { doc, version } => write_version(w, *doc, version, 9),
            Frame::Prune(replica) => {
                w.u64(*replica);
                10
            }
            Frame::Graft(replica) => {
                w.u64(*replica);
                11
            }
            Frame::Presence { doc, replica, clock, value } => {
                w.u64(*doc);
                w.u64(*replica);
                w.u64(*clock);
                w.u8(u8::from(value.is_some()));
                w.raw(value.as_deref().unwrap_or_default());
                12
            }
            Frame::Reconcile(message) => {
                message.write(w);
                13
            }
            Frame::Cells { from, cells } => {
                w.u64(*from);
                cells.iter().for_each(|cell| cell.write(w));
                17
            }
            Frame::More { from, count } => {
                w.u64(*from);
                w.u64(*count);
                15
            }
            Frame::Fed(moment) => {
                w.u64(*moment);
                16
            }
            Frame::Question(asked) => write_question(w, asked),
            Frame::Answer { asker, number, by } => {
                w.u64(*asker);
                w.u64(*number);
                w.u64(*by);
                19
            }
        }
    }

    /// The next frame of a message; `None` for one of a type this program does not know.
    pub(crate) fn read(message: &mut Reader<'_>) -> Result<Option<Frame>, DecodeError> {
        let kind = message.u64()?;
        let mut body = Reader::new(message.bytes()?, &[]);
        let r = &mut body;
        let frame = match kind {
            0 => Frame::Hello(read_hello(r)?),
            1 => Frame::Interest(read_interest(r)?),
            2 => Frame::DefineDoc { kind: Kind(r.u8()?), name: read_doc_id(r)? },
            3 => Frame::DefineReplica(ReplicaId::from_bytes(read_16(r)?)),
            4 => Frame::Digest(read_digest(r)?),
            5 => Frame::Have { doc: r.u64()?, version: read_version(r, 1)? },
            6 => Frame::Want { doc: r.u64()?, version: read_version(r, 0)? },
            7 => read_delta(r)?,
            8 => Frame::Fragment { doc: r.u64()?, total: r.u64()?, offset: r.u64()?, bytes: rest(r)? },
            9 => Frame::Ack { doc: r.u64()?, version: read_version(r, 1)? },
            10 => Frame::Prune(r.u64()?),
            11 => Frame::Graft(r.u64()?),
            12 => read_presence(r)?,
            13 => Frame::Reconcile(Message::read(r)?),
            15 => Frame::More { from: r.u64()?, count: r.u64()? },
            16 => Frame::Fed(r.u64()?),
            17 => read_cells(r)?,
            18 => Frame::Question(read_question(r)?),
            19 => Frame::Answer { asker: r.u64()?, number: r.u64()?, by: r.u64()? },
            _ => return Ok(None),
        };
        body.end()?;
        Ok(Some(frame))
    }
}

fn read_digest(r: &mut Reader<'_>) -> Result<Digest, DecodeError> {
    let (hash, cursor) = (read_16(r)?, r.u64()?);
    let estimate = match r.u8()? {
        0 => None,
        1 => {
            (0..64).try_for_each(|_| r.u64().map(drop))?;
            None
        }
        2 => Some(Estimate::read(r)?),
        _ => return Err(r.invalid("an estimate is there or not")),
    };
    Ok(Digest { hash, cursor, estimate })
}

fn read_cells(r: &mut Reader<'_>) -> Result<Frame, DecodeError> {
    let from = r.u64()?;
    let mut cells = Vec::new();
    while r.remaining() > 0 {
        if cells.len() >= CELLS {
            return Err(r.limit("cells in a message"));
        }
        cells.push(Cell::read(r)?);
    }
    Ok(Frame::Cells { from, cells })
}

fn write_hello(w: &mut Writer, hello: &Hello) {
    w.u64(hello.oldest);
    w.u64(hello.newest);
    w.raw(hello.id.as_bytes());
    w.str(&hello.name);
    w.str(&hello.address);
    w.u8(match hello.role {
        Role::Daemon => 0,
        Role::Client => 1,
    });
    write_interest(w, &hello.interest);
    w.u64(hello.required);
    w.u64(hello.optional);
}

fn read_hello(r: &mut Reader<'_>) -> Result<Hello, DecodeError> {
    Ok(Hello {
        oldest: r.u64()?,
        newest: r.u64()?,
        id: ReplicaId::from_bytes(read_16(r)?),
        name: read_label(r)?,
        address: read_label(r)?,
        role: match r.u8()? {
            0 => Role::Daemon,
            1 => Role::Client,
            _ => return Err(r.invalid("role")),
        },
        interest: read_interest(r)?,
        required: r.u64()?,
        optional: r.u64()?,
    })
}

fn write_interest(w: &mut Writer, interest: &Interest) {
    w.u64(interest.prefixes.len() as u64);
    interest.prefixes.iter().for_each(|p| w.str(p));
    w.u64(interest.names.len() as u64);
    interest.names.iter().for_each(|n| w.str(n.as_str()));
}

fn read_interest(r: &mut Reader<'_>) -> Result<Interest, DecodeError> {
    let mut interest = Interest::default();
    for _ in 0..r.count(1)? {
        let prefix = r.str()?;
        if prefix.len() > DocId::MAX_BYTES {
            return Err(r.limit("bytes in a prefix"));
        }
        interest.prefixes.push(prefix.to_owned());
    }
    for _ in 0..r.count(2)? {
        interest.names.push(read_doc_id(r)?);
    }
    if interest.prefixes.len() + interest.names.len() > MAX_INTERESTS {
        return Err(r.limit("interests on a link"));
    }
    Ok(interest)
}

fn write_question(w: &mut Writer, asked: &Asked) -> u64 {
    w.u64(asked.doc);
    w.u64(asked.asker);
    w.u64(asked.number);
    w.u64(asked.round);
    w.u64(asked.reach);
    w.u8(u8::from(asked.peer.is_some()));
    asked.peer.into_iter().for_each(|peer| w.u64(peer));
    write_entries(w, &asked.wanted);
    18
}

fn read_question(r: &mut Reader<'_>) -> Result<Asked, DecodeError> {
    Ok(Asked {
        doc: r.u64()?,
        asker: r.u64()?,
        number: r.u64()?,
        round: r.u64()?,
        reach: r.u64()?,
        peer: match r.u8()? {
            0 => None,
            1 => Some(r.u64()?),
            _ => return Err(r.invalid("a peer is there or not")),
        },
        wanted: read_version(r, 1)?,
    })
}

fn write_version(w: &mut Writer, doc: u64, version: &[Entry], kind: u64) -> u64 {
    w.u64(doc);
    write_entries(w, version);
    kind
}

fn write_entries(w: &mut Writer, version: &[Entry]) {
    w.u64(version.len() as u64);
    for (replica, seq) in version {
        w.u64(*replica);
        w.u64(*seq);
    }
}

fn read_version(r: &mut Reader<'_>, least: u64) -> Result<Vec<Entry>, DecodeError> {
    let n = r.count(2)?;
    if n > MAX_VERSION_ENTRIES {
        return Err(r.limit("entries in a version"));
    }
    let mut entries = Vec::with_capacity(n);
    for _ in 0..n {
        let entry = (r.u64()?, r.u64()?);
        if entry.1 < least || entry.1 > Dot::MAX_SEQ {
            return Err(r.invalid("events count from 1, and not beyond the last number"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn write_delta(w: &mut Writer, doc: u64, spans: &[(u64, u64, u64)], others: &[u64], body: &[u8]) {
    w.u64(doc);
    w.u64(spans.len() as u64);
    for (replica, after, len) in spans {
        w.u64(*replica);
        w.u64(*after);
        w.u64(*len);
    }
    w.u64(others.len() as u64);
    others.iter().for_each(|o| w.u64(*o));
    w.raw(body);
}

fn read_delta(r: &mut Reader<'_>) -> Result<Frame, DecodeError> {
    let doc = r.u64()?;
    let n = r.count(3)?;
    if n > Delta::MAX_REPLICAS {
        return Err(r.limit("replicas in a delta"));
    }
    let mut spans = Vec::with_capacity(n);
    for _ in 0..n {
        spans.push((r.u64()?, r.u64()?, r.u64()?));
    }
    let n = r.count(1)?;
    if n > Delta::MAX_REPLICAS {
        return Err(r.limit("replicas in a delta"));
    }
    let others = (0..n).map(|_| r.u64()).collect::<Result<Vec<_>, _>>()?;
    Ok(Frame::Delta { doc, spans, others, body: rest(r)? })
}

fn read_presence(r: &mut Reader<'_>) -> Result<Frame, DecodeError> {
    let (doc, replica, clock) = (r.u64()?, r.u64()?, r.u64()?);
    let value = match r.u8()? {
        0 => None,
        1 => Some(rest(r)?),
        _ => return Err(r.invalid("presence is there or not")),
    };
    if value.as_ref().is_some_and(|v| v.len() > MAX_PRESENCE_BYTES) {
        return Err(r.limit("bytes in a presence"));
    }
    Ok(Frame::Presence { doc, replica, clock, value })
}

fn read_doc_id(r: &mut Reader<'_>) -> Result<DocId, DecodeError> {
    r.str()?.parse().map_err(|_| r.invalid("document name"))
}

fn read_label(r: &mut Reader<'_>) -> Result<String, DecodeError> {
    let label = r.str()?;
    if label.len() > MAX_LABEL { Err(r.limit("bytes in a name")) } else { Ok(label.to_owned()) }
}

fn read_16(r: &mut Reader<'_>) -> Result<[u8; 16], DecodeError> {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(r.raw(16)?);
    Ok(bytes)
}

fn rest(r: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let n = r.remaining();
    Ok(r.raw(n)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Fleet;
    use crate::sync::reconcile::{Item, VersionHash};
    use crate::sync::sketch::Sketch;
    use proptest::prelude::*;

    fn hex(frame: &Frame) -> String {
        frame.to_bytes().iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_bytes_are_frozen() {
        let delta = Frame::Delta { doc: 0, spans: vec![(1, 300, 1)], others: vec![], body: vec![9; 4] };
        assert_eq!(hex(&delta), "070b000101ac02010009090909");
        assert_eq!(hex(&Frame::Have { doc: 2, version: vec![(0, 5)] }), "050402010005");
        assert_eq!(hex(&Frame::Prune(3)), "0a0103");
        let (wanted, peer) = (vec![(3, 300)], Some(5));
        let asked = Asked { doc: 2, asker: 4, number: 7, round: 1, reach: 3, peer, wanted };
        assert_eq!(hex(&Frame::Question(asked)), "120b020407010301050103ac02");
        assert_eq!(hex(&Frame::Answer { asker: 4, number: 300, by: 1 }), "130404ac0201");
        let presence = Frame::Presence { doc: 1, replica: 0, clock: 7, value: Some(vec![1, 2]) };
        assert_eq!(hex(&presence), "0c060100070101 02".replace(' ', ""));
        let hello = Frame::Hello(Hello {
            oldest: 1,
            newest: 1,
            id: ReplicaId::from_u128(5),
            name: "a".into(),
            address: String::new(),
            role: Role::Client,
            interest: Interest { prefixes: vec!["n/".into()], names: vec![] },
            required: 0,
            optional: 0,
        });
        assert_eq!(hex(&hello), "001d0101000000000000000000000000000000050161000101026e2f000000");
    }

    /// Daemons of a fleet of which some are newer than others must not close each other's links.
    #[test]
    fn a_digest_with_the_estimate_of_earlier_versions_is_one_without() {
        let digest = Frame::Digest(Digest { hash: [7; 16], cursor: 5, estimate: None });
        let mut body = [[7; 16].as_slice(), &[5, 1]].concat();
        (0..64).for_each(|n| body.extend([0x80 | n, 1]));
        let bytes = [[4, 0x92, 1].as_slice(), &body].concat();
        assert_eq!(Frame::read(&mut Reader::new(&bytes, &[])), Ok(Some(digest)));
    }

    #[test]
    fn the_bytes_of_sketches_are_frozen() {
        let mut sketch = Sketch::new(Fleet::of("secret"));
        sketch.add(Item::new(&"notes/a".parse().unwrap(), Kind::DOC, VersionHash::default()));
        let estimate = Some(sketch.estimate());
        let digest = hex(&Frame::Digest(Digest { hash: [7; 16], cursor: 5, estimate }));
        assert_eq!(
            digest,
            "0452070707070707070707070707070707070502\
             00010100000000010101000100ffffff000000000001ff0100ff000001ffff00\
             00ff000000000000ff000001ff0000ff00010100ffff01ff000000000001ff01"
        );
        let cells = hex(&Frame::Cells { from: 0, cells: sketch.cells()[..2].to_vec() });
        assert_eq!(cells, "11190034ce1d8e74b14e7a19c15836000000000000000000000000");
    }

    #[test]
    fn a_frame_of_unknown_type_is_skipped() {
        let mut bytes = vec![99, 2, 1, 2];
        bytes.extend(Frame::Graft(1).to_bytes());
        let mut r = Reader::new(&bytes, &[]);
        assert_eq!(Frame::read(&mut r).unwrap(), None);
        assert_eq!(Frame::read(&mut r).unwrap(), Some(Frame::Graft(1)));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in 0u8..20) {
            let mut framed = vec![kind, bytes.len() as u8];
            framed.extend(&bytes);
            if let Ok(Some(frame)) = Frame::read(&mut Reader::new(&framed, &[])) {
                prop_assert_eq!(frame.to_bytes(), framed);
            }
        }
    }
}
