//! This crate's own types under the kit: [`Edited`] says how a few bytes become an edit.

use super::kit::Kit;
use super::model::{Codec, Deltas, Model, Ops, Pick};
use super::subject::Subject;
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
use crate::{Delta, Doc, ReplicaId, Replicated, VersionVector};

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
    /// Makes the edit that these choices mean; no more than five bytes of them, or what comes after is all zeros.
    fn edit(&mut self, pick: &mut Pick<'_>, cx: &mut Cx);
}

/// One line for each type: which byte makes which edit.
macro_rules! edited {
    ($($type:ty: |$value:ident, $n:ident, $cx:ident| $edit:expr);* $(;)?) => {
        $(impl Edited for $type {
            fn edit(&mut self, pick: &mut Pick<'_>, $cx: &mut Cx) {
                let ($value, $n) = (self, pick.byte());
                if $n % 16 == 15 { $value.clear($cx) } else { $edit }
            }
        })*
    };
}

edited! {
    GCounter: |count, n, cx| count.add(u64::from(n % 4), cx);
    PnCounter: |count, n, cx| count.add(i64::from(n % 4) - 2, cx);
    BoundedCounter<-3>: |stock, n, cx| match n % 3 {
        0 => stock.add(u64::from(n / 3 % 5), cx),
        1 => drop(stock.take(u64::from(n / 3 % 5), cx)),
        _ => drop(stock.transfer(u64::from(n / 3 % 5), id(n % 4), cx)),
    };
    EwFlag: |flag, n, cx| if n.is_multiple_of(2) { flag.enable(cx) } else { flag.disable(cx) };
    DwFlag: |flag, n, cx| if n.is_multiple_of(2) { flag.enable(cx) } else { flag.disable(cx) };
    MaxRegister<u8>: |best, n, cx| best.set(n, cx);
    MinRegister<u8>: |best, n, cx| best.set(n, cx);
    LwwRegister<u8>: |register, n, cx| register.set(n, cx);
    MvRegister<u8>: |register, n, cx| register.set(n, cx);
    GSet<u8>: |set, n, cx| { set.insert(n % 4, cx); };
    AwSet<u8>: |set, n, cx| if n.is_multiple_of(3) { set.remove(&(n / 3 % 3), cx); } else { set.insert(n / 3 % 3, cx) };
    RwSet<u8>: |set, n, cx| if n.is_multiple_of(3) { set.remove(&(n / 3 % 3), cx); } else { set.insert(n / 3 % 3, cx) };
    LwwSet<u8>: |set, n, cx| if n.is_multiple_of(3) { set.remove(&(n / 3 % 3), cx); } else { set.insert(n / 3 % 3, cx) };
    TwoPhaseSet<u8>: |set, n, cx| { if n.is_multiple_of(3) { set.remove(&(n % 4), cx) } else { set.insert(n % 4, cx) }; };
    Log<u8>: |log, n, cx| log.append(n, cx);
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

impl<A: Edited, B: Edited> Edited for (A, B) {
    fn edit(&mut self, pick: &mut Pick<'_>, cx: &mut Cx) {
        if pick.flip() { self.0.edit(pick, cx) } else { self.1.edit(pick, cx) }
    }
}

impl<V: Edited> Edited for OrMap<u8, V> {
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
    type View = T;

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

    fn view(&self) -> T {
        self.value().clone()
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

impl Model for Doc {
    type Command = [u8; 4];
    type View = String;

    fn new(me: u8) -> Self {
        Doc::new(id(me))
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 4] {
        [(); 4].map(|()| pick.byte())
    }

    fn edit(&mut self, now: u64, [kind, a, b, c]: &[u8; 4]) {
        self.transact(now, |tx| super::targets::edit(tx, *kind, *a, *b, *c));
    }

    fn merge(&mut self, other: &Self) {
        let lacks = Replicated::delta_since(other, Replicated::version(self));
        self.apply_delta(&lacks);
    }

    fn view(&self) -> String {
        format!("{:?}", self.value())
    }

    fn reborn(&mut self, me: u8) {
        if let Ok(again) = Doc::load(&self.save(), id(me)) {
            *self = again;
        }
    }
}

impl Deltas for Doc {
    type Version = VersionVector;
    type Delta = Delta;

    fn version(&self) -> VersionVector {
        Replicated::version(self).clone()
    }

    fn delta_since(&self, since: &VersionVector) -> Delta {
        Replicated::delta_since(self, since)
    }

    /// A delta that comes before what it builds on is refused and changes nothing; what it would have brought
    /// comes with a later one.
    fn apply_delta(&mut self, delta: &Delta) {
        let result = self.apply(delta);
        assert!(result.is_ok(), "an honest delta is taken: {result:?}");
    }
}

impl Codec for Doc {
    fn to_bytes(&self) -> Vec<u8> {
        self.save()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Doc::load(bytes, id(me)).map_err(|error| error.to_string())
    }
}

/// This crate's types, and the [`gallery`](super::gallery) of wrong ones.
pub fn subjects() -> Vec<Subject> {
    fn own<T: Edited>(name: &'static str, about: &'static str) -> Subject {
        Subject::new(name, about, Kit::<Replica<T>>::new().deltas().ops().codec().rollback())
    }
    type Deep = OrMap<u8, OrMap<u8, OrMap<u8, AwSet<u8>>>>;
    let mut all = vec![
        own::<GCounter>("g-counter", "a count that grows"),
        own::<PnCounter>("pn-counter", "a count that grows and shrinks"),
        own::<BoundedCounter<-3>>("bounded-counter", "a count that never falls below -3"),
        own::<EwFlag>("ew-flag", "a flag, enable wins"),
        own::<DwFlag>("dw-flag", "a flag, disable wins"),
        own::<MaxRegister<u8>>("max-register", "the greatest value"),
        own::<MinRegister<u8>>("min-register", "the least value"),
        own::<LwwRegister<u8>>("lww-register", "the last write"),
        own::<MvRegister<u8>>("mv-register", "all concurrent writes"),
        own::<GSet<u8>>("g-set", "a set that grows"),
        own::<AwSet<u8>>("aw-set", "a set, add wins"),
        own::<RwSet<u8>>("rw-set", "a set, remove wins"),
        own::<LwwSet<u8>>("lww-set", "a set, the last edit of a member wins"),
        own::<TwoPhaseSet<u8>>("two-phase-set", "a set where removed is removed"),
        own::<Log<u8>>("log", "entries in one order"),
        own::<GMap<u8, PnCounter>>("g-map", "a map of counters that grows"),
        own::<LwwMap<u8, u8>>("lww-map", "a map of last writes"),
        own::<OrMap<u8, PnCounter>>("or-map", "a map of counters"),
        own::<OrMap<u8, LwwRegister<u8>>>(
            "map-of-registers",
            "a map of last writes, remove sees what it removes",
        ),
        own::<OrMap<u8, (AwSet<u8>, PnCounter)>>("map-of-pairs", "a map of structs"),
        own::<OrMap<u8, OrMap<u8, DwFlag>>>("map-of-flags", "maps, two deep"),
        own::<OrMap<u8, OrMap<u8, Log<u8>>>>("map-of-logs", "maps, two deep"),
        own::<OrMap<u8, BoundedCounter<-3>>>("map-of-bounded", "a map of bounded counters"),
        own::<Deep>("deep", "maps of maps of maps of sets"),
        own::<Tree<LwwRegister<u8>>>("tree", "a tree with moves"),
        own::<OrMap<u8, Tree<LwwRegister<u8>>>>("map-of-trees", "trees in a map"),
        Subject::new(
            "doc",
            "documents: texts, maps, sets, counters",
            Kit::<Doc>::new().deltas().codec().rollback(),
        ),
    ];
    all.extend(super::gallery::all());
    all
}
