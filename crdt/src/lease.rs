//! [`Leases`]: who must have seen an event before it may be forgotten, and who is waited for no longer.
//!
//! Why it is sound: let one replica forget a cut, and another member take in an event later; the event has seen the cut.
//!
//! - Its author is not out where it was forgotten: the other had promised to take nothing from those that are out but
//!   what a member had taken before its own promise, and all of that was here when it was forgotten.
//! - A member that reported had seen the cut by then, as the cut is what all reports have in common. What it wrote before is
//!   in its report, so it was here; what it writes after has seen the cut.
//! - A member of whom nothing was known here was let in after its host's report, with a copy of the host's document, which
//!   had seen the cut. A host that is out cannot let in anybody whom one who promised does not know:
//!   where the two meet, whoever's table comes first, the newcomer is out.
//!
//! Clocks take no part in this. They decide only how long a silent replica is waited for.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::id::{ReplicaId, Span};
use crate::version::VersionVector;

/// Which replicas write a document, what each has seen, and which are out because nothing was heard of them for a
/// term: so that history can be [forgotten](crate::Doc::forget) though a replica was lost for good.
///
/// Each replica has its own table and sends it to the others, before or with its changes. Four calls are to be made:
///
/// 1. [`report`](Self::report) what is safe on this replica's disk, now and then and before the table is sent;
/// 2. [`merge`](Self::merge) each table that comes;
/// 3. [`admit`](Self::admit) each change before it is applied. This is what makes forgetting sound: who has reported
///    that a member is out has promised to take nothing more from it;
/// 4. [`tick`](Self::tick) with any clock. It ends the terms of those of whom nothing new was heard.
///
/// Then [`stable`](Self::stable) is what may be forgotten: all members have seen it, all have promised to take nothing
/// more from those that are out, and all that any of them had taken before is here.
///
/// | what happens | what follows |
/// |---|---|
/// | a replica joins | a member [invites](Self::invite) it and gives it a copy of the document and of the table |
/// | a replica comes back within its term | nothing: all was kept for it |
/// | it comes back after its term | it is out, for good: it [learns so](Self::is_out) from any table, copies the document from a member once that [is settled](Self::is_settled), makes its unsent edits anew ([`Doc::rescue`](crate::Doc::rescue)), and joins under a new id |
/// | half of the members, or fewer, hear each other | no terms end, so nothing is forgotten, and nobody is put out; who knows that one of the others is gone for good, as it came back under a new id, [retires](Self::retire) it |
/// | two that were away together come back after their terms | both show the edits of both for review: whoever is second leaves out what the first made anew |
/// | two parts put each other out | where they meet, those of the part with fewer members are out |
/// | a clock is set, a machine sleeps | a step of the clock counts for a quarter of a term at most, and back for nothing |
/// | a disk is restored from a backup | as after any loss of reported events: the replica must join under a new id |
///
/// Members must not lie. Sending a table costs its members times the authors of the document.
///
/// ```
/// # use crdt::lease::Leases;
/// # use crdt::{Doc, ReplicaId, Replicated};
/// const DAY: u64 = 86_400_000;
/// let ids @ [a, b, lost] = [1, 2, 3].map(ReplicaId::from_u128);
/// let (mut alice, mut bob) = (Doc::new(a), Doc::new(b));
/// let (mut at_alice, mut at_bob) = (Leases::new(a, ids, 30 * DAY), Leases::new(b, ids, 30 * DAY));
/// for day in 0..=40 {
///     alice.transact(day * DAY, |tx| tx.text("note").insert(0, "more "));
///     let news = alice.delta_since(bob.version());
///     at_bob.admit(news.spans.iter().copied(), bob.version())?;
///     bob.apply(&news)?;
///     for _ in 0..2 {
///         at_alice.report(alice.version());
///         at_bob.report(bob.version());
///         at_bob.merge(&at_alice)?;
///         at_alice.merge(&at_bob)?;
///     }
///     at_alice.tick(day * DAY);
///     alice.forget(&at_alice.stable(alice.version()));
/// }
/// assert!(at_alice.is_out(lost)); // nothing was heard of it for thirty days
/// assert!(!alice.forgotten().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leases {
    me: ReplicaId,
    term_ms: u64,
    /// When the clock was last read; not saved.
    last_ms: Option<u64>,
    rows: BTreeMap<ReplicaId, Row>,
    out: BTreeSet<ReplicaId>,
}

/// What is known of one member. All but the silence grows only, so that rows join.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    /// Who let it in; itself if it was there from the beginning.
    by: ReplicaId,
    /// How many times it has reported.
    reports: u64,
    /// What it had seen when it last did.
    seen: VersionVector,
    /// Whom it knew to be out when it last did, and so takes nothing more from.
    refuses: BTreeSet<ReplicaId>,
    /// For how long nothing new was heard of it here.
    silent_ms: u64,
}

impl Row {
    fn new(by: ReplicaId) -> Row {
        Row { by, reports: 0, seen: VersionVector::new(), refuses: BTreeSet::new(), silent_ms: 0 }
    }

    fn merge(&mut self, other: &Row) {
        if other.reports > self.reports {
            (self.reports, self.silent_ms) = (other.reports, 0);
        }
        self.seen.merge(&other.seen);
        self.refuses.extend(&other.refuses);
    }
}

/// A replica may not write here; nothing was taken from it.
///
/// ```
/// use crdt::lease::{Leases, NotLeased};
/// use crdt::{ReplicaId, Span, VersionVector};
/// let [a, lost, stranger] = [1, 2, 3].map(ReplicaId::from_u128);
/// let mut leases = Leases::new(a, [lost], 1_000);
/// let (first, nothing) = (|replica| [Span { replica, after: 0, to: 1 }], VersionVector::new());
/// assert_eq!(leases.admit(first(lost), &nothing), Ok(()));
/// assert_eq!(leases.admit(first(stranger), &nothing), Err(NotLeased::Unknown(stranger)));
/// leases.retire(lost);
/// assert_eq!(leases.admit(first(lost), &nothing), Err(NotLeased::Out(lost)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotLeased {
    /// Its term has run out, or it was [retired](Leases::retire).
    Out(ReplicaId),
    /// Its name is in no table that came here: it was not invited, or the table comes after the change.
    Unknown(ReplicaId),
}

messages! { NotLeased {
    Self::Out(replica) => "replica {} is not waited for any more and nothing was taken from it; it is to copy the \
        document, make its unsent edits anew and join under a new id" with replica.short(),
    Self::Unknown(replica) => "replica {} is not known and nothing was taken from it" with replica.short(),
} }

impl Leases {
    /// The table of `me` when a document begins. All founding members begin with the same `members`, to which `me` is
    /// added; whoever comes later is [invited](Self::invite). The term is in milliseconds: as long as a replica may be
    /// away and still be merged, weeks for people's devices.
    pub fn new(me: ReplicaId, members: impl IntoIterator<Item = ReplicaId>, term_ms: u64) -> Leases {
        let members = members.into_iter().chain([me]);
        let rows = members.map(|member| (member, Row::new(member))).collect();
        Leases { me, term_ms, last_ms: None, rows, out: BTreeSet::new() }
    }

    /// Lets a newcomer in, and returns the table that it begins with. It must begin with the document as it is here
    /// now, too, and have both before it writes. Everything is kept for it until it has reported.
    ///
    /// ```
    /// use crdt::lease::Leases;
    /// use crdt::{Doc, ReplicaId, Replicated};
    /// let [a, b] = [1, 2].map(ReplicaId::from_u128);
    /// let (mut doc, mut leases) = (Doc::new(a), Leases::new(a, [], 86_400_000));
    /// doc.transact(0, |tx| tx.put("title", "Plan"));
    /// let (of_b, copy) = (leases.invite(b)?, Doc::load(&doc.save(), b)?);
    /// assert_eq!((of_b.owner(), copy.version()), (b, doc.version()));
    /// leases.report(doc.version());
    /// assert!(leases.stable(doc.version()).is_empty()); // b has not reported
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotLeased::Out`] when this replica, which can let nobody in then, or the newcomer is out: ids are not used
    /// again.
    pub fn invite(&mut self, newcomer: ReplicaId) -> Result<Leases, NotLeased> {
        self.check(self.me)?;
        if self.is_out(newcomer) {
            return Err(NotLeased::Out(newcomer));
        }
        self.rows.entry(newcomer).or_insert_with(|| Row::new(self.me));
        Ok(Leases { me: newcomer, last_ms: None, ..self.clone() })
    }

    /// Says what this replica has seen and will find again after a crash. Who is known to be out is refused from
    /// here on.
    ///
    /// ```
    /// # use crdt::lease::Leases;
    /// # use crdt::{ReplicaId, VersionVector};
    /// let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// let mut at_a = Leases::new(a, [b], 1_000);
    /// at_a.report(&[(a, 5)].into_iter().collect()); // after the disk has it
    /// assert!(at_a.stable(&[(a, 5)].into_iter().collect()).is_empty()); // b has not reported
    /// ```
    pub fn report(&mut self, seen: &VersionVector) {
        if let Some(row) = self.rows.get_mut(&self.me) {
            row.reports += 1;
            row.seen.merge(seen);
            row.refuses.extend(&self.out);
        }
    }

    /// Takes in another's table. What is known of the same members joins; tables may come in any order, twice, or not
    /// at all.
    ///
    /// # Errors
    /// [`NotLeased::Out`] when the sender is out: it has no say any more. Send it this table, from which it learns so.
    /// If it has put this replica out too, and is of the larger part, then this one is out from here on.
    ///
    /// ```
    /// # use crdt::lease::Leases;
    /// # use crdt::{ReplicaId, VersionVector};
    /// let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// let seen: VersionVector = [(a, 5)].into_iter().collect();
    /// let (mut at_a, mut at_b) = (Leases::new(a, [b], 1_000), Leases::new(b, [a], 1_000));
    /// at_a.report(&seen);
    /// at_b.report(&seen);
    /// at_a.merge(&at_b)?;
    /// assert_eq!(at_a.stable(&seen), seen);
    /// # Ok::<(), crdt::lease::NotLeased>(())
    /// ```
    pub fn merge(&mut self, theirs: &Leases) -> Result<(), NotLeased> {
        // Who was let in by one who is out is to learn it now: it would let in others meanwhile, and they it.
        if theirs.is_out(theirs.me) || self.is_barred(theirs.me, theirs) {
            self.out.insert(theirs.me);
        }
        if self.is_out(theirs.me) {
            let yields = theirs.is_out(self.me) && !theirs.is_out(theirs.me) && theirs.rank() > self.rank();
            self.out.extend(yields.then_some(self.me));
            return Err(NotLeased::Out(theirs.me));
        }
        let mut barred = self.barred(theirs);
        // Nor does the other take anything from who was let in by one who is out there, this replica maybe among them.
        barred.extend(theirs.barred(self));
        for (member, row) in &theirs.rows {
            let mine = self.rows.entry(*member).or_insert_with(|| Row::new(row.by));
            if *member != self.me {
                mine.merge(row);
            }
        }
        self.out.extend(theirs.out.iter().chain(&barred));
        Ok(())
    }

    /// Of those whom another knows and this one does not, who is not let in.
    fn barred(&self, theirs: &Leases) -> Vec<ReplicaId> {
        let strangers = theirs.rows.keys().filter(|id| !self.rows.contains_key(id));
        strangers.filter(|id| self.is_barred(**id, theirs)).copied().collect()
    }

    /// Of two parts that put each other out the one that ranks higher goes on.
    fn rank(&self) -> (usize, Vec<ReplicaId>) {
        let members: Vec<ReplicaId> = self.members().map(|(member, _)| *member).collect();
        (members.len(), members)
    }

    /// Whether one whom `theirs` names was let in by one who is out here, or by whom such a one let in.
    fn is_barred(&self, stranger: ReplicaId, theirs: &Leases) -> bool {
        let mut at = stranger;
        for _ in 0..theirs.rows.len() {
            match theirs.rows.get(&at) {
                Some(row) if !self.rows.contains_key(&at) && row.by != at => at = row.by,
                _ => break,
            }
        }
        self.is_out(at)
    }

    /// Whether a change with these events may be taken in where `here` has been seen. What a member had taken from one
    /// who is out, before it knew, may still come from there.
    ///
    /// # Errors
    /// [`NotLeased`] for the first author who may not write; leave the whole change.
    pub fn admit(
        &self,
        events: impl IntoIterator<Item = Span>,
        here: &VersionVector,
    ) -> Result<(), NotLeased> {
        let is_taken = |span: &Span| self.members().any(|(_, row)| row.seen.get(span.replica) >= span.to);
        let novel = events.into_iter().filter(|span| span.to > here.get(span.replica));
        novel.filter(|span| !is_taken(span)).try_for_each(|span| self.check(span.replica))
    }

    fn check(&self, replica: ReplicaId) -> Result<(), NotLeased> {
        match (self.is_out(replica), self.rows.contains_key(&replica)) {
            (true, _) => Err(NotLeased::Out(replica)),
            (false, false) => Err(NotLeased::Unknown(replica)),
            (false, true) => Ok(()),
        }
    }

    /// Counts the time since the last call, and ends the terms that have run out, if more than half of the members
    /// are heard. Returns who is out by that. `now_ms` may be of any clock; call a dozen times in a term or more often.
    ///
    /// ```
    /// # use crdt::lease::Leases;
    /// # use crdt::{ReplicaId, VersionVector};
    /// let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// let (mut at_a, mut at_b) = (Leases::new(a, [b, c], 1_000), Leases::new(b, [a, c], 1_000));
    /// let mut out = Vec::new();
    /// for now in (0..5_000).step_by(100) {
    ///     at_b.report(&[(b, now)].into_iter().collect()); // b is heard of all the time, c never
    ///     at_a.merge(&at_b)?;
    ///     out.extend(at_a.tick(now));
    /// }
    /// assert_eq!(out, [c]);
    /// # Ok::<(), crdt::lease::NotLeased>(())
    /// ```
    pub fn tick(&mut self, now_ms: u64) -> Vec<ReplicaId> {
        let passed = self.last_ms.replace(now_ms).map_or(0, |last| now_ms.saturating_sub(last));
        let passed = passed.min(self.term_ms / 4);
        for (member, row) in &mut self.rows {
            row.silent_ms = if *member == self.me { 0 } else { row.silent_ms.saturating_add(passed) };
        }
        let is_silent = |(_, silent_ms): &(ReplicaId, u64)| *silent_ms >= self.term_ms;
        let silent: Vec<ReplicaId> = self.silences().filter(is_silent).map(|(member, _)| member).collect();
        if self.is_out(self.me) || silent.len() * 2 >= self.members().count() {
            return Vec::new();
        }
        self.out.extend(&silent);
        silent
    }

    /// Waits for a replica no longer, whatever its term: a device that somebody knows to be lost, or an app that ends.
    /// For good. Only one part of a divided fleet should do this. Whether it was a member.
    ///
    /// ```
    /// # use crdt::lease::Leases;
    /// # use crdt::{ReplicaId, VersionVector};
    /// let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// let mut at_a = Leases::new(a, [b, c], 1_000);
    /// assert!(at_a.retire(c)); // the phone that fell into the lake
    /// assert!(at_a.is_out(c) && !at_a.is_out(b));
    /// ```
    pub fn retire(&mut self, member: ReplicaId) -> bool {
        self.rows.contains_key(&member) && self.out.insert(member)
    }

    /// Whether a replica is out, this one itself perhaps.
    pub fn is_out(&self, replica: ReplicaId) -> bool {
        self.out.contains(&replica)
    }

    /// Whose table this is.
    pub fn owner(&self) -> ReplicaId {
        self.me
    }

    /// The members, without those that are out, and for how many milliseconds each has been silent.
    ///
    /// ```
    /// # use crdt::lease::Leases;
    /// # use crdt::{ReplicaId, VersionVector};
    /// let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// let mut at_a = Leases::new(a, [b], 1_000);
    /// at_a.tick(0);
    /// at_a.tick(200);
    /// assert!(at_a.silences().any(|(member, ms)| member == b && ms == 200));
    /// ```
    pub fn silences(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.members().map(|(member, row)| (*member, row.silent_ms))
    }

    fn members(&self) -> impl Iterator<Item = (&ReplicaId, &Row)> {
        self.rows.iter().filter(|(member, _)| !self.is_out(**member))
    }

    /// Whether one at `version` has all that any member had taken when it reported that it takes no more from those
    /// that are out. Then what one of those wrote and is not in `version` will be with no member, ever: it is to be
    /// [rescued](crate::Doc::rescue) onto a copy at `version`, and will not be there twice.
    ///
    /// ```
    /// # use crdt::lease::Leases;
    /// # use crdt::{ReplicaId, VersionVector};
    /// let [a, b, c] = [1, 2, 3].map(ReplicaId::from_u128);
    /// let mut at_a = Leases::new(a, [b, c], 1_000);
    /// at_a.retire(c);
    /// let seen = VersionVector::new();
    /// assert!(!at_a.is_settled(&seen)); // b has not promised yet to take nothing more from c
    /// let mut at_b = Leases::new(b, [a, c], 1_000);
    /// at_a.report(&seen);
    /// at_b.merge(&at_a)?;
    /// at_b.report(&seen);
    /// at_a.merge(&at_b)?;
    /// assert!(at_a.is_settled(&seen));
    /// # Ok::<(), crdt::lease::NotLeased>(())
    /// ```
    pub fn is_settled(&self, version: &VersionVector) -> bool {
        !self.is_out(self.me)
            && self.members().all(|(_, row)| row.refuses.is_superset(&self.out) && version.covers(&row.seen))
    }

    /// What may be forgotten where `delivered` has been seen: [`Doc::forget`](crate::Doc::forget),
    /// [`Replica::forget`](crate::replica::Replica::forget), [`PoLog::compact`](crate::oplog::PoLog::compact). Nothing
    /// while it is not [settled](Self::is_settled). `O(members · replicas)`.
    pub fn stable(&self, delivered: &VersionVector) -> VersionVector {
        if !self.is_settled(delivered) {
            return VersionVector::new();
        }
        let seen = self.members().map(|(_, row)| row.seen.clone());
        seen.reduce(|all, seen| all.meet(&seen)).unwrap_or_default()
    }
}

fn write_ids(ids: &BTreeSet<ReplicaId>, w: &mut Writer) {
    w.u64(ids.len() as u64);
    ids.iter().for_each(|id| w.replica(*id));
}

fn read_ids(r: &mut Reader<'_>) -> Result<BTreeSet<ReplicaId>, DecodeError> {
    let mut ids = BTreeSet::new();
    for _ in 0..r.count(1)? {
        let id = r.replica()?;
        if ids.last().is_some_and(|last| *last >= id) {
            return Err(r.invalid("replicas must be sorted"));
        }
        ids.insert(id);
    }
    Ok(ids)
}

impl Encode for Row {
    fn encode(&self, w: &mut Writer) {
        w.replica(self.by);
        w.u64(self.reports);
        w.u64(self.silent_ms);
        self.seen.encode(w);
        write_ids(&self.refuses, w);
    }
}

impl Decode for Row {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (by, reports, silent_ms) = (r.replica()?, r.u64()?, r.u64()?);
        Ok(Row { by, reports, silent_ms, seen: VersionVector::decode(r)?, refuses: read_ids(r)? })
    }
}

/// For a file and for the wire. When the clock was last read is left out: what passes while a replica is not running
/// counts for nobody.
impl Encode for Leases {
    fn encode(&self, w: &mut Writer) {
        w.replica(self.me);
        w.u64(self.term_ms);
        w.u64(self.rows.len() as u64);
        for (member, row) in &self.rows {
            w.replica(*member);
            row.encode(w);
        }
        write_ids(&self.out, w);
    }
}

impl Decode for Leases {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (me, term_ms) = (r.replica()?, r.u64()?);
        let mut rows = BTreeMap::new();
        for _ in 0..r.count(6)? {
            let member = r.replica()?;
            if rows.last_key_value().is_some_and(|(last, _)| *last >= member) {
                return Err(r.invalid("members must be sorted"));
            }
            rows.insert(member, Row::decode(r)?);
        }
        if !rows.contains_key(&me) {
            return Err(r.invalid("whose table it is must be a member"));
        }
        Ok(Leases { me, term_ms, last_ms: None, rows, out: read_ids(r)? })
    }
}
