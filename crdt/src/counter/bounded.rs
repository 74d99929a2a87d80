//! [`BoundedCounter`].

use alloc::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::id::{Dot, ReplicaId};

use super::{Total, Totals};

/// A counter that never falls below `MIN`, whatever is concurrent: stock, seats, money.
///
/// Every replica has *rights*: what it may take away without asking anyone. Adding gives rights to who adds;
/// [`transfer`](Self::transfer) hands them on.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | add 2 | add 3 | 5 more |
/// | take 2, having rights to 2 | take 3, having rights to 3 | 5 less |
/// | take 2, having rights to 1 | anything | A gets an error, even if the sum would do |
/// | transfer 2 to C | take 2 | both: A cannot use its rights twice |
///
/// It cannot be cleared: a map keeps the key of a bounded counter, since others may be using their rights.
/// `O(replicas)` for each operation. Source: Balegas and others, "Extending eventually consistent cloud
/// databases for enforcing numeric invariants", 2015 (escrow after O'Neil, 1986).
///
/// ```
/// use crdt::counter::BoundedCounter;
/// use crdt::replica::Replica;
/// use crdt::ReplicaId;
///
/// let (shop, web) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
/// let mut a: Replica<BoundedCounter> = Replica::new(shop);
/// let mut b: Replica<BoundedCounter> = Replica::new(web);
/// b.apply(&a.edit(0, |stock, cx| stock.add(10, cx)));
/// b.apply(&a.edit(0, |stock, cx| stock.transfer(4, web, cx)));
///
/// // Apart, both sell what they have the rights to, and no more.
/// let (_, sold) = a.edit_with(0, |stock, cx| stock.take(6, cx));
/// assert!(sold.is_ok());
/// let (change, sold) = b.edit_with(0, |stock, cx| stock.take(3, cx));
/// assert!(sold.is_ok());
/// let (_, sold) = b.edit_with(0, |stock, cx| stock.take(2, cx));
/// assert_eq!(sold.unwrap_err().have, 1);
/// a.apply(&change);
/// assert_eq!(a.value().value(), 1);
/// ```
#[derive(Clone, Default, PartialEq, Debug)]
pub struct BoundedCounter<const MIN: i64 = 0>(Totals<Account>);

/// What one replica did.
#[derive(Clone, Default, PartialEq, Debug)]
struct Account {
    added: u64,
    taken: u64,
    /// To whom it handed how many rights.
    sent: BTreeMap<ReplicaId, u64>,
}

impl Total for Account {
    fn net(&self) -> i128 {
        i128::from(self.added) - i128::from(self.taken)
    }
}

/// A replica has fewer rights than it wants to use. The counter is as it was: ask another for a
/// [`transfer`](BoundedCounter::transfer).
///
/// ```
/// use crdt::counter::BoundedCounter;
/// use crdt::{ReplicaId, replica::Replica};
/// let mut stock: Replica<BoundedCounter> = Replica::new(ReplicaId::from_u128(1));
/// stock.edit(0, |stock, cx| stock.add(2, cx));
/// let refused = stock.update(0, |stock, cx| stock.take(5, cx)).unwrap_err();
/// assert_eq!((refused.have, refused.want), (2, 5));
/// assert_eq!(stock.value().value(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NotEnoughRights {
    /// How many rights this replica has.
    pub have: u64,
    /// How many it wanted to use.
    pub want: u64,
}

messages! { NotEnoughRights {
    NotEnoughRights { have, want } => "rights to {have} are here, {want} are wanted; nothing was taken",
} }

impl<const MIN: i64> BoundedCounter<MIN> {
    /// Adds `n`, and gives the author rights to it. Stops at 2^64 - 1 for each replica.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::BoundedCounter, replica::Replica};
    /// let (me, you) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut a: Replica<BoundedCounter<10>> = Replica::new(me);
    /// a.update(0, |stock, cx| stock.add(5, cx));
    /// assert_eq!((a.value().value(), a.value().rights(me)), (15, 5)); // from the bound on
    /// ```
    pub fn add(&mut self, n: u64, cx: &mut Cx) {
        if n > 0 {
            self.update(cx, |account| account.added = account.added.saturating_add(n));
        }
    }

    /// Takes `n` away.
    ///
    /// # Errors
    /// [`NotEnoughRights`] when the author has rights to less.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::BoundedCounter, replica::Replica};
    /// let (me, you) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut a: Replica<BoundedCounter<10>> = Replica::new(me);
    /// a.update(0, |stock, cx| stock.add(5, cx));
    /// a.update(0, |stock, cx| stock.take(5, cx)).unwrap();
    /// assert!(a.update(0, |stock, cx| stock.take(1, cx)).is_err());
    /// assert_eq!(a.value().value(), 10);
    /// ```
    pub fn take(&mut self, n: u64, cx: &mut Cx) -> Result<(), NotEnoughRights> {
        self.check(n, cx)?;
        if n > 0 {
            self.update(cx, |account| account.taken = account.taken.saturating_add(n));
        }
        Ok(())
    }

    /// Hands rights to `n` on to another replica.
    ///
    /// # Errors
    /// [`NotEnoughRights`] when the author has rights to less.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::BoundedCounter, replica::Replica};
    /// let (me, you) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut a: Replica<BoundedCounter<10>> = Replica::new(me);
    /// a.update(0, |stock, cx| stock.add(5, cx));
    /// a.update(0, |stock, cx| stock.transfer(2, you, cx)).unwrap();
    /// assert_eq!((a.value().rights(me), a.value().rights(you)), (3, 2));
    /// ```
    pub fn transfer(&mut self, n: u64, to: ReplicaId, cx: &mut Cx) -> Result<(), NotEnoughRights> {
        self.check(n, cx)?;
        if n > 0 && to != cx.author() {
            self.update(cx, |account| {
                let sent = account.sent.entry(to).or_default();
                *sent = sent.saturating_add(n);
            });
        }
        Ok(())
    }

    /// The value: `MIN` and what was added less what was taken. Stops at the ends of `i64`.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::BoundedCounter, replica::Replica};
    /// let (me, you) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut a: Replica<BoundedCounter<10>> = Replica::new(me);
    /// a.update(0, |stock, cx| stock.add(5, cx));
    /// assert_eq!(a.value().value(), 15);
    /// ```
    pub fn value(&self) -> i64 {
        self.0.sum.saturating_add(MIN.into()).clamp(MIN.into(), i64::MAX.into()) as i64
    }

    /// How much a replica may take away.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::BoundedCounter, replica::Replica};
    /// let (me, you) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
    /// let mut a: Replica<BoundedCounter<10>> = Replica::new(me);
    /// a.update(0, |stock, cx| stock.add(5, cx));
    /// assert_eq!((a.value().rights(me), a.value().rights(you)), (5, 0));
    /// ```
    pub fn rights(&self, replica: ReplicaId) -> u64 {
        let mut rights: i128 = 0;
        for (dot, account) in self.0.lasts() {
            if dot.replica == replica {
                let sent = account.sent.values().fold(0u128, |sum, n| sum.saturating_add(u128::from(*n)));
                rights += i128::from(account.added) - i128::from(account.taken);
                rights = rights.saturating_sub(i128::try_from(sent).unwrap_or(i128::MAX));
            } else {
                rights += i128::from(account.sent.get(&replica).copied().unwrap_or(0));
            }
        }
        u64::try_from(rights.max(0)).unwrap_or(u64::MAX)
    }

    /// What each replica added less what it took, by replica.
    ///
    /// ```
    /// # use crdt::{ReplicaId, counter::BoundedCounter, replica::Replica};
    /// let mut a: Replica<BoundedCounter> = Replica::new(ReplicaId::from_u128(1));
    /// a.edit(0, |stock, cx| stock.add(5, cx));
    /// assert_eq!(a.value().by_replica().collect::<Vec<_>>(), [(ReplicaId::from_u128(1), 5)]);
    /// ```
    pub fn by_replica(&self) -> impl Iterator<Item = (ReplicaId, i64)> {
        self.0
            .by_replica()
            .map(|(replica, net)| (replica, net.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
    }

    fn check(&self, want: u64, cx: &Cx) -> Result<(), NotEnoughRights> {
        let have = self.rights(cx.author());
        if want > have { Err(NotEnoughRights { have, want }) } else { Ok(()) }
    }

    fn update(&mut self, cx: &mut Cx, change: impl FnOnce(&mut Account)) {
        self.0.update(cx, change);
    }
}

impl<const MIN: i64> DotStore for BoundedCounter<MIN> {
    fn is_bottom(&self) -> bool {
        self.0.is_bottom()
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.0.for_each_dot(f);
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        self.0.join(ours, &other.0, theirs, changes);
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        BoundedCounter(self.0.part(wanted))
    }

    /// Does nothing: what was added here may have been taken elsewhere.
    fn end(&mut self, _: &mut Cx) -> bool {
        false
    }
}

impl<const MIN: i64> Encode for BoundedCounter<MIN> {
    fn encode(&self, w: &mut Writer) {
        self.0.encode(w);
    }
}

impl<const MIN: i64> Decode for BoundedCounter<MIN> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Decode::decode(r).map(BoundedCounter)
    }
}

impl Encode for Account {
    fn encode(&self, w: &mut Writer) {
        w.u64(self.added);
        w.u64(self.taken);
        w.u64(self.sent.len() as u64);
        for (to, n) in &self.sent {
            w.replica(*to);
            w.u64(*n);
        }
    }
}

impl Decode for Account {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (added, taken) = (r.u64()?, r.u64()?);
        let mut sent: BTreeMap<ReplicaId, u64> = BTreeMap::new();
        for _ in 0..r.count(2)? {
            let (to, n) = (r.replica()?, r.u64()?);
            if n == 0 || sent.last_key_value().is_some_and(|(last, _)| *last >= to) {
                return Err(r.invalid("transfers must be sorted by replica, none of nothing"));
            }
            sent.insert(to, n);
        }
        Ok(Account { added, taken, sent })
    }
}
