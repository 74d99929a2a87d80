//! [`OneOf`]: an enum of CRDTs.

use alloc::vec::Vec;
use core::fmt::{self, Debug, Display, Formatter};

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::dots::{Changes, Cx, DotStore};
use crate::id::Dot;
use crate::register::LwwRegister;

/// An enum whose variants hold CRDTs; `#[derive(Crdt)]` on an enum makes it one.
///
/// It stands in a [`OneOf`]. Its methods have what one variant holds; the two sides of a join are of one variant.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use crdt::Crdt;
/// use crdt::counter::PnCounter;
/// use crdt::one_of::Variants;
/// #[derive(Crdt, Clone, PartialEq, Debug)]
/// enum Answer {
///     Yes,
///     Times(PnCounter),
/// }
/// assert_eq!(Answer::COUNT, 2);
/// assert_eq!(Answer::empty(1).number(), 1);
/// # }
/// ```
pub trait Variants: Clone + PartialEq + Debug {
    /// How many variants there are.
    const COUNT: usize;

    /// A variant, by its number in order of declaration, that holds nothing yet.
    fn empty(number: usize) -> Self;

    /// The number of this variant.
    fn number(&self) -> usize;

    /// [`DotStore::is_bottom`] of what it holds.
    fn is_bottom(&self) -> bool;

    /// [`DotStore::for_each_dot`] of what it holds.
    fn for_each_dot(&self, f: &mut dyn FnMut(Dot));

    /// [`DotStore::join`] of what it holds.
    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes);

    /// [`DotStore::part`] of what it holds.
    fn part(&self, wanted: &DotRanges) -> Self;

    /// [`DotStore::end`] of what it holds.
    fn end(&mut self, cx: &mut Cx) -> bool;
}

/// One of several variants, the last that was chosen; each has CRDTs of its own.
///
/// | A | B, concurrently | both |
/// |---|---|---|
/// | choose `Card` at 5 | choose `Cash` at 7 | `Cash` |
/// | choose `Card` at 5 | choose `Cash` at 5 | that of the greater replica id |
/// | edit what `Card` holds | edit what `Card` holds | both, as its types say |
/// | edit what `Card` holds | choose `Cash` | `Cash`; the edit is there when `Card` is chosen again |
/// | choose or edit `Card` | clear | what A wrote stays, what B saw is gone |
///
/// What a variant holds stays while another is shown: nobody's edits are lost because somebody else chose. So it
/// is as a struct with a register that says which of the others counts; `#[derive(Crdt)]` on the enum gives each variant
/// a function of its name, which chooses it and gives what it holds. `O(log variants)` besides what these cost. Source:
/// [`LwwRegister`] and products of lattices; that of two concurrent variants the one that loses cannot be dropped at
/// once is seen as at a register: a removal of the winner that had not seen it must bring it back everywhere alike.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use crdt::counter::PnCounter;
/// use crdt::one_of::OneOf;
/// use crdt::register::LwwRegister;
/// use crdt::replica::Replica;
/// use crdt::{Crdt, ReplicaId};
///
/// #[derive(Crdt, Clone, PartialEq, Debug)]
/// enum Payment {
///     Cash,
///     Card { number: LwwRegister<String>, tries: PnCounter },
/// }
///
/// let mut a: Replica<OneOf<Payment>> = Replica::new(ReplicaId::from_u128(1));
/// let mut b: Replica<OneOf<Payment>> = Replica::new(ReplicaId::from_u128(2));
/// b.apply(&a.edit(1_000, |payment, cx| {
///     let (number, _) = Payment::card(payment, cx);
///     number.set("4000 1234".into(), cx);
/// }));
/// let tried = a.edit(2_000, |payment, cx| Payment::card(payment, cx).1.add(1, cx));
/// let cash = b.edit(2_000, |payment, cx| Payment::cash(payment, cx)); // at the same time
/// a.apply(&cash);
/// b.apply(&tried);
/// assert!(a.value() == b.value() && matches!(a.value().get(), Some(Payment::Cash)));
///
/// a.edit(3_000, |payment, cx| drop(Payment::card(payment, cx))); // the card after all
/// let Some(Payment::Card { number, tries }) = a.value().get() else { unreachable!() };
/// assert_eq!((number.get().map(String::as_str), tries.value()), (Some("4000 1234"), 1));
/// # }
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct OneOf<E> {
    chosen: LwwRegister<u64>,
    /// Those that hold something, and the one that is shown; by number.
    variants: Vec<E>,
}

impl<E> Default for OneOf<E> {
    fn default() -> Self {
        OneOf { chosen: LwwRegister::default(), variants: Vec::new() }
    }
}

impl<E: Variants> OneOf<E> {
    /// The variant that was chosen last, with what it holds; `None` when none was.
    ///
    /// ```
    /// # use crdt::{ReplicaId, one_of::OneOf, replica::Replica};
    /// # #[cfg(feature = "derive")] {
    /// # use crdt::Crdt;
    /// #[derive(Crdt, Clone, PartialEq, Debug)]
    /// enum Light {
    ///     Red,
    ///     Green,
    /// }
    /// let mut light: Replica<OneOf<Light>> = Replica::new(ReplicaId::from_u128(1));
    /// assert_eq!(light.value().get(), None);
    /// light.update(0, |light, cx| Light::green(light, cx));
    /// assert_eq!(light.value().get(), Some(&Light::Green));
    /// # }
    /// ```
    pub fn get(&self) -> Option<&E> {
        self.variants.get(self.place(self.shown()?).ok()?)
    }

    /// The concurrent choices, that which is shown in front: who chose which variant.
    ///
    /// ```
    /// # use crdt::{ReplicaId, one_of::{OneOf, Variants}, replica::Replica};
    /// # #[cfg(feature = "derive")] {
    /// # use crdt::Crdt;
    /// # #[derive(Crdt, Clone, PartialEq, Debug)]
    /// # enum Light {
    /// #     Red,
    /// #     Green,
    /// # }
    /// let [mut a, mut b] = [1, 2].map(|n| Replica::<OneOf<Light>>::new(ReplicaId::from_u128(n)));
    /// a.update(5, |light, cx| Light::red(light, cx));
    /// a.apply(&b.edit(7, |light, cx| Light::green(light, cx)));
    /// let choices: Vec<_> = a.value().choices().map(|(by, number)| (by.replica.short(), number)).collect();
    /// assert_eq!(choices, [("00000002".into(), 1), ("00000001".into(), 0)]);
    /// # }
    /// ```
    pub fn choices(&self) -> impl Iterator<Item = (Dot, usize)> {
        self.chosen.candidates().map(|(dot, _, number)| (dot, *number as usize))
    }

    /// Chooses a variant, unless it is shown, and gives it to be edited: for the functions that the derive makes. What
    /// comes back must stay of this variant.
    #[doc(hidden)]
    pub fn variant(&mut self, number: usize, cx: &mut Cx) -> &mut E {
        if self.shown() != Some(number) {
            self.chosen.set(number as u64, cx);
            self.tidy();
        }
        self.entry(number)
    }

    fn shown(&self) -> Option<usize> {
        self.chosen.get().map(|number| *number as usize)
    }

    fn place(&self, number: usize) -> Result<usize, usize> {
        self.variants.binary_search_by_key(&number, E::number)
    }

    /// The variant of a number, to be filled.
    fn entry(&mut self, number: usize) -> &mut E {
        let at = self.place(number).unwrap_or_else(|at| {
            self.variants.insert(at, E::empty(number));
            at
        });
        &mut self.variants[at]
    }

    /// Keeps the variants that hold something, and the one that is shown.
    fn tidy(&mut self) {
        let shown = self.shown();
        self.variants.retain(|variant| !variant.is_bottom() || Some(variant.number()) == shown);
        if let Some(shown) = shown {
            let _ = self.entry(shown);
        }
    }
}

impl<E: Variants> DotStore for OneOf<E> {
    fn is_bottom(&self) -> bool {
        self.chosen.is_bottom() && self.variants.iter().all(E::is_bottom)
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        self.chosen.for_each_dot(f);
        self.variants.iter().for_each(|variant| variant.for_each_dot(f));
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        self.chosen.join(ours, &other.chosen, theirs, changes);
        for variant in &other.variants {
            self.entry(variant.number()).join(ours, variant, theirs, changes);
        }
        // What the other side does not show it may have removed.
        for variant in &mut self.variants {
            if other.place(variant.number()).is_err() {
                variant.join(ours, &E::empty(variant.number()), theirs, changes);
            }
        }
        self.tidy();
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        let variants = self.variants.iter().map(|variant| variant.part(wanted)).collect();
        let mut part = OneOf { chosen: self.chosen.part(wanted), variants };
        part.tidy();
        part
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let mut any = self.chosen.end(cx);
        self.variants.iter_mut().for_each(|variant| any |= variant.end(cx));
        self.tidy();
        any
    }
}

impl<E: Variants + Encode> Encode for OneOf<E> {
    fn encode(&self, w: &mut Writer) {
        self.chosen.encode(w);
        let full = || self.variants.iter().filter(|variant| !variant.is_bottom());
        w.u64(full().count() as u64);
        full().for_each(|variant| variant.encode(w));
    }
}

impl<E: Variants + Decode> Decode for OneOf<E> {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let chosen: LwwRegister<u64> = Decode::decode(r)?;
        if chosen.candidates().any(|(_, _, number)| *number >= E::COUNT as u64) {
            return Err(r.invalid("the choice of a variant that there is not"));
        }
        let mut variants: Vec<E> = Vec::new();
        for _ in 0..r.count(2)? {
            let variant: E = r.nested(E::decode)?;
            if variant.is_bottom() || variants.last().is_some_and(|last| last.number() >= variant.number()) {
                return Err(r.invalid("variants are sorted, and hold something"));
            }
            variants.push(variant);
        }
        let mut read = OneOf { chosen, variants };
        read.tidy();
        Ok(read)
    }
}

/// The variant that is shown; in the long form with who chose it, and over what.
impl<E: Variants + Display> Display for OneOf<E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(shown) = self.get() else { return f.write_str("none") };
        Display::fmt(shown, f)?;
        if f.alternate()
            && let Some((dot, stamp, _)) = self.chosen.latest()
        {
            write!(f, " chosen by {} at {} ms", dot.replica.short(), stamp.millis())?;
        }
        Ok(())
    }
}
