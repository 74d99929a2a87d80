//! This crate's own types under the kit: [`Edited`] says how a few bytes become an edit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::model::{Codec, Deltas, Event, History, Model, Ops, Pick, Spec};
use crate::codec::{Decode, Encode};
use crate::counter::{BoundedCounter, GCounter, PnCounter};
use crate::dots::{Cx, DotStore};
use crate::flag::{DwFlag, EwFlag};
use crate::log::Log;
use crate::map::{GMap, LwwMap, OrMap};
use crate::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crate::replica::{Change, Replica};
use crate::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crate::traits::StateCrdt;
use crate::tree::{Position, Tree};
use crate::{ReplicaId, VersionVector};

pub use doc::edit_doc;

/// A dot store that the kit can edit: with this, `Replica<Self>` is a [`Model`] with every face.
///
/// ```
/// use crdt::dots::Cx;
/// use crdt::replica::Replica;
/// use crdt::set::AwSet;
/// use crdt::testkit::{Edited, Kit};
///
/// // Types of this crate have it; a type of your own needs one method.
/// let kit = Kit::<Replica<AwSet<u8>>>::new().deltas().ops().codec().rollback();
/// assert!(kit.run(1, 100).failure.is_none());
/// ```
pub trait Edited: DotStore + Encode + Decode + 'static {
    /// What of it a user sees; the store itself, where all of it may be compared.
    type Shown: Clone + PartialEq + Debug;

    /// What a user sees.
    fn shown(&self) -> Self::Shown;

    /// Makes the edit that these choices mean; no more than five bytes of them, or what comes after is all zeros.
    fn edit(&mut self, pick: &mut Pick<'_>, cx: &mut Cx);
}

/// One line for each type: which byte makes which edit.
macro_rules! edited {
    ($($type:ty $(=> $shown:ty { |$s:ident| $show:expr })?: |$value:ident, $n:ident, $cx:ident| $edit:expr);* $(;)?) => {
        $(impl Edited for $type {
            edited!(@shown $($shown, $s, $show)?);

            fn edit(&mut self, pick: &mut Pick<'_>, $cx: &mut Cx) {
                let ($value, $n) = (self, pick.byte());
                if is_clear($n) { $value.clear($cx) } else { $edit }
            }
        })*
    };
    (@shown) => {
        type Shown = Self;

        fn shown(&self) -> Self {
            self.clone()
        }
    };
    (@shown $shown:ty, $s:ident, $show:expr) => {
        type Shown = $shown;

        fn shown(&self) -> $shown {
            let $s = self;
            $show
        }
    };
}

/// The faces of a document that is [`Replicated`](crate::Replicated). An operation is the delta of one edit; those that come
/// early are refused and change nothing, so they are to come in causal order.
macro_rules! by_deltas {
    ($doc:ty) => {
        impl crate::testkit::model::Deltas for $doc {
            type Version = crate::VersionVector;
            type Delta = crate::Delta;

            fn version(&self) -> crate::VersionVector {
                crate::Replicated::version(self).clone()
            }

            fn delta_since(&self, since: &crate::VersionVector) -> crate::Delta {
                crate::Replicated::delta_since(self, since)
            }

            fn apply_delta(&mut self, delta: &crate::Delta) {
                let result = crate::Replicated::apply(self, delta);
                assert!(result.is_ok(), "an honest delta is taken: {result:?}");
            }
        }

        impl crate::testkit::model::Ops for $doc {
            type Op = crate::Delta;

            fn prepare(&mut self, now: u64, command: &Self::Command) -> crate::Delta {
                let before = crate::Replicated::version(self).clone();
                Model::edit(self, now, command);
                crate::Replicated::delta_since(self, &before)
            }

            fn effect(&mut self, op: &crate::Delta) {
                crate::testkit::model::Deltas::apply_delta(self, op);
            }
        }
    };
}

#[cfg(feature = "automerge")]
mod automerge;
mod doc;

/// Whether this byte means that all is taken away.
fn is_clear(n: u8) -> bool {
    n % 16 == 15
}

/// A type whose meaning is written down a second time; see [`Spec`].
trait Specified: Edited {
    fn spec(history: &History<'_, [u8; 5]>) -> Self::Shown;
}

impl<T: Specified> Spec for Replica<T> {
    fn spec(history: &History<'_, [u8; 5]>) -> T::Shown {
        T::spec(history)
    }
}

/// The byte that says what an event did.
fn what(event: &Event<[u8; 5]>) -> u8 {
    event.command[0]
}

impl Specified for PnCounter {
    /// Of each replica what it added; it begins anew after a clear that saw all it had added, and has nothing if a
    /// clear saw its last addition. Who adds while another clears keeps all.
    fn spec(history: &History<'_, [u8; 5]>) -> i64 {
        let clears = || history.events().filter(|event| is_clear(what(event)));
        let mut by_replica: BTreeMap<u8, Vec<&Event<[u8; 5]>>> = BTreeMap::new();
        // Adding nothing is no event.
        for add in history.events().filter(|event| !is_clear(what(event)) && what(event) % 4 != 2) {
            by_replica.entry(add.me).or_default().push(add);
        }
        let cleared = |add: &Event<[u8; 5]>, before: Option<&Event<[u8; 5]>>| {
            clears().any(|clear| clear.saw(add) && before.is_none_or(|later| later.saw(clear)))
        };
        let of_one = |adds: &Vec<&Event<[u8; 5]>>| {
            let mut sum = 0;
            for (i, add) in adds.iter().enumerate() {
                sum += i64::from(what(add) % 4) - 2;
                if cleared(add, adds.get(i + 1).copied()) {
                    sum = 0;
                }
            }
            sum
        };
        by_replica.values().map(of_one).sum()
    }
}

impl Specified for EwFlag {
    /// Some enabling was seen by no disabling.
    fn spec(history: &History<'_, [u8; 5]>) -> bool {
        let enables = |event: &Event<[u8; 5]>| what(event).is_multiple_of(2);
        let ended = |on| history.events().any(|off| !enables(off) && off.saw(on));
        history.events().any(|event| enables(event) && !ended(event))
    }
}

impl Specified for AwSet<u8> {
    /// A member is in if some insertion of it was seen by no removal of it.
    fn spec(history: &History<'_, [u8; 5]>) -> Vec<u8> {
        let member = |event| what(event) / 3 % 3;
        let inserts = |event| !is_clear(what(event)) && !what(event).is_multiple_of(3);
        let removals: Vec<_> = history.events().filter(|event| !inserts(event)).collect();
        let removed = |add| {
            let removes = |event| is_clear(what(event)) || member(event) == member(add);
            removals.iter().any(|event| removes(event) && event.saw(add))
        };
        let members: BTreeSet<u8> =
            history.events().filter(|event| inserts(event) && !removed(event)).map(member).collect();
        members.into_iter().collect()
    }
}

impl Specified for MvRegister<u8> {
    /// The writes that nothing else saw.
    fn spec(history: &History<'_, [u8; 5]>) -> Vec<u8> {
        let mut values: Vec<u8> = history.latest().map(what).filter(|n| !is_clear(*n)).collect();
        values.sort_unstable();
        values
    }
}

impl Specified for Log<u8> {
    /// Every entry that no clear saw, whatever the order.
    fn spec(history: &History<'_, [u8; 5]>) -> Vec<u8> {
        let cleared = |entry| history.events().any(|event| is_clear(what(event)) && event.saw(entry));
        let mut all: Vec<u8> =
            history.events().filter(|event| !is_clear(what(event)) && !cleared(event)).map(what).collect();
        all.sort_unstable();
        all
    }
}

edited! {
    GCounter: |count, n, cx| count.add(u64::from(n % 4), cx);
    PnCounter => i64 { |count| count.value() }: |count, n, cx| count.add(i64::from(n % 4) - 2, cx);
    BoundedCounter<-3>: |stock, n, cx| match n % 3 {
        0 => stock.add(u64::from(n / 3 % 5), cx),
        1 => drop(stock.take(u64::from(n / 3 % 5), cx)),
        _ => drop(stock.transfer(u64::from(n / 3 % 5), id(n % 4), cx)),
    };
    EwFlag => bool { |flag| flag.is_enabled() }: |flag, n, cx| if n.is_multiple_of(2) { flag.enable(cx) } else { flag.disable(cx) };
    DwFlag: |flag, n, cx| if n.is_multiple_of(2) { flag.enable(cx) } else { flag.disable(cx) };
    MaxRegister<u8>: |best, n, cx| best.set(n, cx);
    MinRegister<u8>: |best, n, cx| best.set(n, cx);
    LwwRegister<u8>: |register, n, cx| register.set(n, cx);
    MvRegister<u8> => Vec<u8> { |register| sorted(register.iter()) }: |register, n, cx| register.set(n, cx);
    GSet<u8>: |set, n, cx| { set.insert(n % 4, cx); };
    AwSet<u8> => Vec<u8> { |set| set.iter().copied().collect() }: |set, n, cx| if n.is_multiple_of(3) { set.remove(&(n / 3 % 3), cx); } else { set.insert(n / 3 % 3, cx) };
    RwSet<u8>: |set, n, cx| if n.is_multiple_of(3) { set.remove(&(n / 3 % 3), cx); } else { set.insert(n / 3 % 3, cx) };
    LwwSet<u8>: |set, n, cx| if n.is_multiple_of(3) { set.remove(&(n / 3 % 3), cx); } else { set.insert(n / 3 % 3, cx) };
    TwoPhaseSet<u8>: |set, n, cx| { if n.is_multiple_of(3) { set.remove(&(n % 4), cx) } else { set.insert(n % 4, cx) }; };
    Log<u8> => Vec<u8> { |log| sorted(log.iter()) }: |log, n, cx| log.append(n, cx);
    LwwMap<u8, u8>: |map, n, cx| if n.is_multiple_of(3) { map.remove(&(n / 3 % 3), cx); } else { map.put(n / 3 % 3, n, cx) };
    GMap<u8, PnCounter>: |map, n, cx| map.update(n % 3, cx, |value, cx| value.add(i64::from(n / 3 % 5) - 2, cx));
    Tree<LwwRegister<u8>>: |tree, n, cx| {
        let nodes: Vec<_> = tree.walk().map(|(_, node)| node).collect();
        let pick = |n: u8| nodes.get(usize::from(n) % (nodes.len() + 1)).copied();
        match (n % 4, pick(n / 4)) {
            (0, parent) => drop(Some(tree.create(parent, Position::Last, cx))),
            (1, Some(node)) => drop(tree.update(node, cx, |value, cx| value.set(n, cx))),
            (2, Some(node)) => drop(Some(tree.move_to(node, pick(n / 9), Position::First, cx))),
            (3, Some(node)) if n.is_multiple_of(3) => drop(Some(tree.remove(node, cx))),
            (3, None) => tree.purge(cx),
            _ => {}
        }
    };
}

fn sorted<'a>(all: impl Iterator<Item = &'a u8>) -> Vec<u8> {
    let mut all: Vec<u8> = all.copied().collect();
    all.sort_unstable();
    all
}

impl<A: Edited, B: Edited> Edited for (A, B) {
    type Shown = (A::Shown, B::Shown);

    fn shown(&self) -> Self::Shown {
        (self.0.shown(), self.1.shown())
    }

    fn edit(&mut self, pick: &mut Pick<'_>, cx: &mut Cx) {
        if pick.flip() { self.0.edit(pick, cx) } else { self.1.edit(pick, cx) }
    }
}

impl<V: Edited> Edited for OrMap<u8, V> {
    type Shown = Self;

    fn shown(&self) -> Self {
        self.clone()
    }

    fn edit(&mut self, pick: &mut Pick<'_>, cx: &mut Cx) {
        let n = pick.byte();
        match n / 2 % 8 {
            7 => drop(self.remove(&(n % 2), cx)),
            _ => self.update(n % 2, cx, |value, cx| value.edit(pick, cx)),
        }
    }
}

fn id(me: u8) -> ReplicaId {
    ReplicaId::from_u128(u128::from(me) + 1)
}

impl<T: Edited> Model for Replica<T> {
    type Command = [u8; 5];
    type View = T::Shown;

    fn new(me: u8) -> Self {
        Replica::new(id(me))
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 5] {
        [(); 5].map(|()| pick.byte())
    }

    fn edit(&mut self, now: u64, command: &[u8; 5]) {
        self.edit_with(now, |value, cx| value.edit(&mut Pick::new(command), cx));
    }

    fn merge(&mut self, other: &Self) {
        StateCrdt::merge(self, other);
    }

    fn view(&self) -> T::Shown {
        self.value().shown()
    }

    /// As a program does: every start writes as a new replica.
    fn reborn(&mut self, me: u8) {
        if let Ok(again) = Self::open(&self.save(), id(me)) {
            *self = again;
        }
    }
}

impl<T: Edited> Deltas for Replica<T> {
    type Version = VersionVector;
    type Delta = Change<T>;

    fn version(&self) -> VersionVector {
        self.seen().version().clone()
    }

    fn delta_since(&self, since: &VersionVector) -> Change<T> {
        Replica::delta_since(self, since)
    }

    fn apply_delta(&mut self, delta: &Change<T>) {
        self.apply(delta);
    }
}

impl<T: Edited> Ops for Replica<T> {
    type Op = Change<T>;
    const CAUSAL: bool = false;

    fn prepare(&mut self, now: u64, command: &[u8; 5]) -> Change<T> {
        Replica::edit(self, now, |value, cx| value.edit(&mut Pick::new(command), cx))
    }

    fn effect(&mut self, op: &Change<T>) {
        self.apply(op);
    }
}

impl<T: Edited> Codec for Replica<T> {
    fn to_bytes(&self) -> Vec<u8> {
        self.save()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Self::open(bytes, id(me)).map_err(|error| error.to_string())
    }
}
