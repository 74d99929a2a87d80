//! What the kit asks of a type under test: [`Model`], and the further faces a type may have.

use std::fmt::Debug;

/// A replicated type under test. It need not know anything else of this crate.
///
/// `Clone` is how the kit keeps a state for later: for a backup, or to try a law on it.
///
/// ```
/// use crdt::testkit::{Kit, Model, Pick};
///
/// /// The greatest number anyone wrote.
/// #[derive(Clone, Default)]
/// struct Highest(u8);
///
/// impl Model for Highest {
///     type Command = u8;
///     type View = u8;
///     fn new(_me: u8) -> Self {
///         Highest(0)
///     }
///     fn command(&self, pick: &mut Pick<'_>) -> u8 {
///         pick.below(100) as u8
///     }
///     fn edit(&mut self, _now: u64, command: &u8) {
///         self.0 = self.0.max(*command);
///     }
///     fn merge(&mut self, other: &Self) {
///         self.0 = self.0.max(other.0);
///     }
///     fn view(&self) -> u8 {
///         self.0
///     }
/// }
///
/// let report = Kit::<Highest>::new().run(1, 200);
/// assert!(report.failure.is_none());
/// ```
pub trait Model: Clone {
    /// What a user does.
    type Command: Clone + Debug;
    /// What a user sees. Replicas that know the same edits must show equal views.
    type View: Clone + PartialEq + Debug;

    /// A fresh replica. `me` is its own number: no two replicas have the same.
    fn new(me: u8) -> Self;

    /// Something a user may do in this state. Take choices from `pick`: when there are no more, it gives zeros,
    /// so let zero be the plainest choice.
    fn command(&self, pick: &mut Pick<'_>) -> Self::Command;

    /// Does it. `now` is the wall clock of this replica in milliseconds; clocks may stand still, tie and jump.
    fn edit(&mut self, now: u64, command: &Self::Command);

    /// Takes in all that the other knows.
    fn merge(&mut self, other: &Self);

    /// What a user sees.
    fn view(&self) -> Self::View;

    /// What must hold of every state.
    ///
    /// # Errors
    /// A sentence that says what does not hold.
    fn invariant(&self) -> Result<(), String> {
        Ok(())
    }

    /// What the program does when it starts on an old backup: usually it takes the fresh number `me`. Only
    /// called when a kit has [`rollback`](super::Kit::rollback).
    fn reborn(&mut self, me: u8) {
        let _ = me;
    }
}

/// A type that tells another what it lacks.
///
/// Law: a delta does to its receiver what the whole state would.
pub trait Deltas: Model {
    /// What a replica has seen.
    type Version: Clone;
    /// A difference.
    type Delta: Clone;

    /// What it has seen.
    fn version(&self) -> Self::Version;

    /// What one that has seen `since` lacks.
    fn delta_since(&self, since: &Self::Version) -> Self::Delta;

    /// Takes a difference; it may come late, twice, or in any order.
    fn apply_delta(&mut self, delta: &Self::Delta);
}

/// A type whose edits travel one by one.
///
/// Law: replicas that took the same operations show the same. The kit keeps to what the constants promise.
pub trait Ops: Model {
    /// An edit on its way.
    type Op: Clone;

    /// An operation comes after all those that its author had taken. Without it they come in any order.
    const CAUSAL: bool = true;
    /// An operation comes once. Without it some come twice.
    const ONCE: bool = false;

    /// Does the edit here, as [`Model::edit`] would, and gives its operation.
    fn prepare(&mut self, now: u64, command: &Self::Command) -> Self::Op;

    /// Takes another's operation.
    fn effect(&mut self, op: &Self::Op);
}

/// A type that has a form in bytes.
///
/// Laws: what is written can be read and shows the same; no bytes panic the reader.
pub trait Codec: Model {
    /// Whether equal states are equal bytes. Then leave out what differs between replicas, as their own
    /// number.
    const CANONICAL: bool = true;

    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads them, for replica `me`.
    ///
    /// # Errors
    /// A sentence that says why the bytes are refused.
    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String>;
}

/// A type whose meaning is written down a second time, obviously right and slow.
///
/// Law: a replica shows what the specification says of the edits it knows, once causes and effects of all of them are
/// known: of operations that came before those they build on it says nothing.
pub trait Spec: Model {
    /// What is to be seen after this history.
    fn spec(history: &History<'_, Self::Command>) -> Self::View;
}

/// Choices, made from the few bytes of a step.
///
/// ```
/// use crdt::testkit::Pick;
/// let mut pick = Pick::new(&[7, 1]);
/// assert_eq!(pick.below(5), 2);
/// assert_eq!(*pick.one_of(&["a", "b", "c"]), "b");
/// assert_eq!(pick.below(5), 0, "no more bytes");
/// ```
#[derive(Debug)]
pub struct Pick<'a> {
    bytes: &'a [u8],
}

impl<'a> Pick<'a> {
    /// Choices from these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Pick { bytes }
    }

    /// The next byte; 0 when there is none.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    /// A number below `n`, for `n` up to 256; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none to choose.
    pub fn one_of<'b, V>(&mut self, of: &'b [V]) -> &'b V {
        assert!(!of.is_empty(), "one_of needs something to choose from");
        &of[self.below(of.len())]
    }

    /// Yes or no.
    pub fn flip(&mut self) -> bool {
        self.byte() % 2 == 1
    }
}

/// A set of edits, by number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Known([u64; 4]);

impl Known {
    /// How many edits a schedule may have.
    pub(super) const MAX: usize = 256;

    pub(super) fn insert(&mut self, edit: usize) {
        if let Some(word) = self.0.get_mut(edit / 64) {
            *word |= 1 << (edit % 64);
        }
    }

    pub(super) fn contains(&self, edit: usize) -> bool {
        self.0.get(edit / 64).is_some_and(|word| word >> (edit % 64) & 1 == 1)
    }

    pub(super) fn join(&mut self, other: &Known) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
    }

    /// Whether all of `other` is here.
    pub(super) fn includes(&self, other: &Known) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| b & !a == 0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..Self::MAX).filter(|edit| self.contains(*edit))
    }
}

/// An edit somebody made.
#[derive(Clone, Debug)]
pub struct Event<C> {
    /// The replica that made it, by its place in the picture.
    pub replica: u8,
    /// The number under which it was made: another than at first after a start on an old backup.
    pub me: u8,
    /// What that replica's clock showed.
    pub now: u64,
    /// What was done.
    pub command: C,
    pub(super) id: usize,
    pub(super) saw: Known,
    /// Whether all that its author knew had come in order.
    pub(super) causal: bool,
}

impl<C> Event<C> {
    /// Whether its author knew the other when making it.
    pub fn saw(&self, other: &Event<C>) -> bool {
        self.saw.contains(other.id)
    }
}

/// The edits a replica knows, for a [`Spec`].
///
/// The usual forms: "a member is in if some insertion of it was seen by no removal", "the last write that no
/// other saw".
///
/// ```
/// use crdt::testkit::{History, Kit, Model, Pick, Spec};
///
/// #[derive(Clone)]
/// struct Count(u8, Vec<u32>); // my number, one slot for each replica
///
/// impl Model for Count {
///     type Command = u32;
///     type View = u32;
///     fn new(me: u8) -> Self {
///         Count(me, vec![0; 8])
///     }
///     fn command(&self, pick: &mut Pick<'_>) -> u32 {
///         pick.below(9) as u32
///     }
///     fn edit(&mut self, _now: u64, command: &u32) {
///         self.1[usize::from(self.0)] += command;
///     }
///     fn merge(&mut self, other: &Self) {
///         self.1.iter_mut().zip(&other.1).for_each(|(a, b)| *a = (*a).max(*b));
///     }
///     fn view(&self) -> u32 {
///         self.1.iter().sum()
///     }
/// }
///
/// impl Spec for Count {
///     fn spec(history: &History<'_, u32>) -> u32 {
///         history.events().map(|event| event.command).sum()
///     }
/// }
///
/// assert!(Kit::<Count>::new().spec().run(1, 200).failure.is_none());
/// ```
#[derive(Debug)]
pub struct History<'a, C> {
    pub(super) all: &'a [Event<C>],
    pub(super) known: Known,
}

impl<'a, C> History<'a, C> {
    /// The edits, causes before effects.
    pub fn events(&self) -> impl Iterator<Item = &'a Event<C>> + '_ {
        let all = self.all;
        self.known.iter().filter_map(move |id| all.get(id))
    }

    /// The edits that no other of these had seen.
    pub fn latest(&self) -> impl Iterator<Item = &'a Event<C>> + '_ {
        self.events().filter(|event| !self.events().any(|other| other.saw(event)))
    }

    /// Whether neither saw the other.
    pub fn concurrent(&self, a: &Event<C>, b: &Event<C>) -> bool {
        a.id != b.id && !a.saw(b) && !b.saw(a)
    }
}
