//! [`Delta`]: events on their way, and [`Replicated`]: what gives and takes them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
use crate::version::VersionVector;

/// Some events of one document, as its type encoded them.
///
/// Who carries a delta reads the spans; only the document's type reads the body. The body names
/// replicas by index into [`table`](Self::table): first those of the spans, then `others`.
///
/// ```
/// use crdt::{Delta, ReplicaId, Span};
/// let span = Span { replica: ReplicaId::from_u128(1), after: 0, to: 2 };
/// let delta = Delta { spans: vec![span], others: vec![], body: vec![7] };
/// assert_eq!(Delta::from_bytes(&delta.to_bytes()).unwrap(), delta);
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Delta {
    /// The events it delivers; sorted by replica, one span for each.
    pub spans: Vec<Span>,
    /// Replicas that the body names and that deliver no event here, in order of first use.
    pub others: Vec<ReplicaId>,
    /// The events, in the form of the document's type.
    pub body: Vec<u8>,
}

impl Delta {
    /// The most replicas one delta may name.
    pub const MAX_REPLICAS: usize = 65_536;

    /// Whether it delivers nothing.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The replicas that the body's indices mean.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut doc = Doc::new(a);
    /// doc.transact(0, |tx| tx.put("x", 1));
    /// let delta = doc.delta_since(&Default::default());
    /// assert_eq!(delta.table(), [a]);
    /// ```
    pub fn table(&self) -> Vec<ReplicaId> {
        self.replicas().collect()
    }

    /// What [`table`](Self::table) lists.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = ReplicaId> {
        self.spans.iter().map(|s| s.replica).chain(self.others.iter().copied())
    }

    /// How many events it delivers.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.text("note").insert(0, "four"));
    /// assert_eq!(alice.delta_since(bob.version()).events(), 4); // each character is one
    /// ```
    pub fn events(&self) -> u64 {
        self.spans.iter().fold(0, |n, s| n.saturating_add(s.len()))
    }

    /// How many bytes of memory it takes, about.
    #[cfg(feature = "std")]
    pub(crate) fn size(&self) -> usize {
        self.body.len() + 24 * self.spans.len() + 16 * self.others.len()
    }

    /// Whether `version` already holds every event of this delta.
    ///
    /// ```
    /// # use crdt::{Doc, ReplicaId, Replicated};
    /// # let mut alice = Doc::new(ReplicaId::from_u128(1));
    /// # let mut bob = Doc::new(ReplicaId::from_u128(2));
    /// alice.transact(0, |tx| tx.put("x", 1));
    /// let delta = alice.delta_since(bob.version());
    /// assert!(delta.is_known_to(alice.version()) && !delta.is_known_to(bob.version()));
    /// ```
    pub fn is_known_to(&self, version: &VersionVector) -> bool {
        self.spans.iter().all(|s| version.get(s.replica) >= s.to)
    }

    /// A writer for the body of a delta of these spans.
    ///
    /// ```
    /// # use crdt::{Delta, ReplicaId, Span};
    /// let spans = vec![Span { replica: ReplicaId::from_u128(1), after: 0, to: 1 }];
    /// let mut w = Delta::writer(&spans); // a type of your own that is Replicated
    /// w.str("what the event did");
    /// let delta = Delta::from_writer(spans, w);
    /// assert_eq!((delta.events(), delta.body.len()), (1, 19));
    /// ```
    pub fn writer(spans: &[Span]) -> Writer {
        Writer::with_table(spans.iter().map(|s| s.replica))
    }

    /// Puts a delta together from its spans and the writer that [`Delta::writer`] made for them.
    ///
    /// ```
    /// # use crdt::{Delta, ReplicaId, Span};
    /// let spans = vec![Span { replica: ReplicaId::from_u128(1), after: 4, to: 6 }];
    /// let w = Delta::writer(&spans);
    /// assert_eq!(Delta::from_writer(spans, w).events(), 2);
    /// ```
    pub fn from_writer(spans: Vec<Span>, w: Writer) -> Self {
        let (body, mut table) = w.into_parts();
        let others = table.split_off(spans.len());
        Delta { spans, others, body }
    }

    /// Stand-alone bytes: replica ids in full. The sync protocol has a shorter form of its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w =
            Writer::with_capacity(16 + 28 * self.spans.len() + 16 * self.others.len() + self.body.len());
        w.u64(self.spans.len() as u64);
        for span in &self.spans {
            w.raw(span.replica.as_bytes());
            w.u64(span.after);
            w.u64(span.len());
        }
        w.u64(self.others.len() as u64);
        for id in &self.others {
            w.raw(id.as_bytes());
        }
        w.bytes(&self.body);
        w.into_body()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// For every other byte string.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, &[]);
        let n = r.count(18)?;
        let mut spans: Vec<Span> = Vec::with_capacity(n);
        for _ in 0..n {
            let replica = read_id(&mut r)?;
            let (after, len) = (r.u64()?, r.u64()?);
            spans.push(span(&r, spans.last(), replica, after, len)?);
        }
        let n = r.count(16)?;
        let others = (0..n).map(|_| read_id(&mut r)).collect::<Result<Vec<_>, _>>()?;
        let body = r.bytes()?.to_vec();
        r.end()?;
        let delta = Delta { spans, others, body };
        delta.check_table(&r)?;
        Ok(delta)
    }

    /// That no replica is named twice and that there are not too many.
    pub(crate) fn check_table(&self, r: &Reader<'_>) -> Result<(), DecodeError> {
        if self.spans.len() + self.others.len() > Self::MAX_REPLICAS {
            return Err(r.limit("replicas in a delta"));
        }
        if self.others.is_empty() {
            return Ok(()); // Spans are sorted by replica.
        }
        // Those of most deltas are few enough to look at all pairs.
        let twice = if let ([span], [other]) = (self.spans.as_slice(), self.others.as_slice()) {
            span.replica == *other
        } else {
            let mut table = self.table();
            table.sort_unstable();
            table.windows(2).any(|w| w[0] == w[1])
        };
        if twice {
            return Err(r.invalid("a replica named twice"));
        }
        Ok(())
    }
}

/// A span from its parts, checked against the one before it.
pub(crate) fn span(
    r: &Reader<'_>,
    last: Option<&Span>,
    replica: ReplicaId,
    after: u64,
    len: u64,
) -> Result<Span, DecodeError> {
    let to = after.checked_add(len).filter(|to| len > 0 && *to <= Dot::MAX_SEQ);
    let to =
        to.ok_or_else(|| r.invalid("a span holds at least one event, and none beyond the last number"))?;
    if last.is_some_and(|last| last.replica >= replica) {
        return Err(r.invalid("spans must be sorted by replica"));
    }
    Ok(Span { replica, after, to })
}

/// A replica id in full.
pub(crate) fn read_id(r: &mut Reader<'_>) -> Result<ReplicaId, DecodeError> {
    let mut id = [0; 16];
    id.copy_from_slice(r.raw(16)?);
    Ok(ReplicaId::from_bytes(id))
}

impl Encode for ReplicaId {
    fn encode(&self, w: &mut Writer) {
        w.replica(*self);
    }
}

impl Decode for ReplicaId {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.replica()
    }
}

/// What replicates by difference, whatever its mathematics: the three questions a link asks.
///
/// Every edit, removals too, takes at least one event of its author, so `version` names exactly what
/// has been seen, and equal versions are equal states.
///
/// ```
/// use crdt::{Doc, ReplicaId, Replicated};
///
/// /// One way of a sync, whatever is synced.
/// fn pull(to: &mut impl Replicated, from: &impl Replicated) -> Result<(), crdt::ApplyError> {
///     let delta = from.delta_since(to.version());
///     to.apply(&delta).map(drop)
/// }
///
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.put("title", "hello"));
/// pull(&mut bob, &alice)?;
/// assert_eq!(bob.version(), alice.version());
/// # Ok::<(), crdt::ApplyError>(())
/// ```
pub trait Replicated {
    /// What have you seen?
    fn version(&self) -> &VersionVector;

    /// What does one at `since` lack? Delivers exactly `self.version() - since`; entries of `since`
    /// beyond what is held here are ignored.
    fn delta_since(&self, since: &VersionVector) -> Delta {
        self.delta_between(since, self.version())
    }

    /// The events up to `until` that one at `since` lacks: exactly `until - since`, both clipped to what
    /// is held here. `until` need not be a version that ever was: to leave a replica out, lower its
    /// entry. The receiver then refuses with [`ApplyError::Missing`] what builds on the part left out.
    fn delta_between(&self, since: &VersionVector, until: &VersionVector) -> Delta;

    /// Whether one at `since` is behind what is forgotten here. The difference for it is everything, whatever was
    /// asked for; it is taken by one who has nothing that this one lacks, and refused with
    /// [`ApplyError::Behind`] by others. Never for what does not forget.
    fn is_behind(&self, since: &VersionVector) -> bool {
        let _ = since;
        false
    }

    /// How far one at `since` gets with about `events` more: a version that was, or could have been, and
    /// that one at `since` can take. What is too large for one delta is sent in such steps.
    ///
    /// The default cannot divide: it gives all there is.
    fn step(&self, since: &VersionVector, events: u64) -> VersionVector {
        let _ = (since, events);
        self.version().clone()
    }

    /// Take this. Applying twice is applying once. Order does not matter, but a delta whose events
    /// build on others that are missing here is refused until those have come.
    ///
    /// # Errors
    /// See [`ApplyError`]; the document is unchanged after each of them.
    fn apply(&mut self, delta: &Delta) -> Result<Applied, ApplyError>;

    /// Take this, unless it holds a new event that is stamped later than `latest_ms`, in milliseconds since 1970. What is
    /// stamped in the future wins over all that is written until then: so what comes from others is asked for no later
    /// than the wall clock shows and a minute more, as a [`Node`](crate::sync::Node) that is told the time does. The stamps
    /// of who writes over what is here already follow those, and may be as late.
    ///
    /// The default knows no stamps: it is [`apply`](Self::apply).
    ///
    /// # Errors
    /// [`ApplyError::Early`], and those of [`apply`](Self::apply); the document is unchanged after each of them.
    ///
    /// ```
    /// use crdt::{ApplyError, Doc, ReplicaId, Replicated};
    /// let (mut alice, mut bob) = (Doc::new(ReplicaId::from_u128(1)), Doc::new(ReplicaId::from_u128(2)));
    /// let (now, minute, hour) = (1_000_000_000, 60_000, 3_600_000);
    /// alice.transact(now + hour, |tx| tx.put("title", "from the future"));
    /// let delta = alice.delta_since(bob.version());
    /// assert!(matches!(bob.apply_until(&delta, now + minute), Err(ApplyError::Early(_))));
    /// assert!(bob.get("/title").is_none()); // nothing has changed
    /// bob.apply_until(&delta, now + hour + minute)?; // an hour later
    /// # Ok::<(), ApplyError>(())
    /// ```
    fn apply_until(&mut self, delta: &Delta, latest_ms: u64) -> Result<Applied, ApplyError> {
        let _ = latest_ms;
        self.apply(delta)
    }

    /// What of a delta that is [`Early`](ApplyError::Early) can be taken now: all but the events that are and what was
    /// written having seen them. `None` where that is nothing, or cannot be told. Costs a copy of the document.
    ///
    /// The default cannot divide.
    ///
    /// ```
    /// use crdt::{Doc, ReplicaId, Replicated};
    /// let [mut alice, mut bob, mut carol] = [1, 2, 3].map(|n| Doc::new(ReplicaId::from_u128(n)));
    /// alice.transact(1_000_000, |tx| tx.put("title", "from the future"));
    /// bob.transact(1_000, |tx| tx.put("body", "of today"));
    /// bob.apply(&alice.delta_since(bob.version()))?;
    /// let delta = bob.delta_since(carol.version());
    /// assert!(carol.apply_until(&delta, 60_000).is_err());
    /// let part = carol.part_until(&delta, 60_000).unwrap();
    /// carol.apply_until(&part, 60_000)?;
    /// assert_eq!(carol.value().to_string(), r#"{"body":"of today"}"#);
    /// # Ok::<(), crdt::ApplyError>(())
    /// ```
    fn part_until(&self, delta: &Delta, latest_ms: u64) -> Option<Delta> {
        let _ = (delta, latest_ms);
        None
    }
}

/// What a delta changed.
///
/// ```
/// # use crdt::{Doc, ReplicaId, Replicated};
/// # let mut alice = Doc::new(ReplicaId::from_u128(1));
/// # let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.counter("votes").add(1));
/// let delta = alice.delta_since(bob.version());
/// assert_eq!(bob.apply(&delta)?.novel.len(), 1);
/// assert!(bob.apply(&delta)?.novel.is_empty()); // twice is once
/// # Ok::<(), crdt::ApplyError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The events that were new; empty when all were known.
    pub novel: Vec<Span>,
}

/// Why a delta was not applied. The document is as it was before.
///
/// ```
/// use crdt::{ApplyError, Doc, ReplicaId, Replicated};
/// let mut alice = Doc::new(ReplicaId::from_u128(1));
/// let mut bob = Doc::new(ReplicaId::from_u128(2));
/// alice.transact(0, |tx| tx.text("note").insert(0, "a"));
/// let first = alice.version().clone();
/// alice.transact(0, |tx| tx.text("note").insert(1, "b"));
/// let second = alice.delta_since(&first);
/// assert_eq!(bob.apply(&second), Err(ApplyError::Missing)); // the first has not come
/// assert!(bob.text("note").is_none()); // and nothing has changed
/// bob.apply(&alice.delta_since(bob.version()))?; // asking for all that is missing
/// # Ok::<(), ApplyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplyError {
    /// Events that these build on have not come yet. Nobody is at fault: ask for what is missing.
    Missing,
    /// The bytes are not a delta of this type. The sender is at fault.
    Invalid(DecodeError),
    /// The delta claims what no honest replica writes. The sender, or one before it, is at fault.
    Refused(&'static str),
    /// The whole document came from one who has forgotten what this one lacks, and this one has edits of its
    /// own that the sender lacks: the two cannot be merged. `Doc::rescue` makes its edits anew.
    Behind,
    /// The events were written without having seen all that is forgotten here, so their place is not known. Their
    /// author has to take this document, and to make them anew with `Doc::rescue`.
    Late,
    /// Events are stamped later than may be: for each author of some, the latest stamp. Take the delta once that time has
    /// come, and what [`Replicated::part_until`] gives of it before.
    Early(BTreeMap<ReplicaId, Hlc>),
    /// The document's own engine failed on it; the document was rebuilt as it was before.
    Engine(String),
}

messages! { ApplyError from DecodeError as Invalid {
    Self::Missing => "events that these build on have not come yet; the document is unchanged",
    Self::Invalid(error) => "not a delta of this document: {error}",
    Self::Refused(why) => "refused: {why}; the document is unchanged",
    Self::Behind => "too far behind to be merged, with edits that the sender lacks; the document is unchanged",
    Self::Late => "written without having seen all that is forgotten here: their author is too far behind; the document is \
        unchanged",
    Self::Early(stamps) => "events of {} with a time that has not come; the document is unchanged" with Authors(stamps),
    Self::Engine(why) => "the document's engine failed on these events: {why}; the document is as it was",
} }

/// The one whose stamp is the latest, and how many more there are.
struct Authors<'a>(&'a BTreeMap<ReplicaId, Hlc>);

impl fmt::Display for Authors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((author, stamp)) = self.0.iter().max_by_key(|(_, stamp)| **stamp) else { return Ok(()) };
        write!(f, "{} at {} ms", author.short(), stamp.millis())?;
        match self.0.len() - 1 {
            0 => Ok(()),
            more => write!(f, " and of {more} more"),
        }
    }
}
