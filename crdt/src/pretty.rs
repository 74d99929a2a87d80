//! How types are shown to people: `{}` is the value, `{:#}` says also who wrote what.

use alloc::vec::Vec;
use core::fmt::{self, Debug, Display, Formatter};

use crate::counter::{BoundedCounter, GCounter, PnCounter};
use crate::dots::DotStore;
use crate::flag::{DwFlag, EwFlag};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};
use crate::log::Log;
use crate::map::{GMap, LwwMap, OrMap};
use crate::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crate::replica::Replica;
use crate::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crate::tree::Tree;

/// One line for each type: its bounds, and how it is shown.
macro_rules! shown {
    ($([$($bounds:tt)*] $type:ty: |$value:ident, $f:ident| $show:expr;)*) => {
        $(
            /// The value; in the long form (`{:#}`) with who wrote what.
            impl<$($bounds)*> Display for $type {
                fn fmt(&self, $f: &mut Formatter<'_>) -> fmt::Result {
                    let $value = self;
                    $show
                }
            }
        )*
    };
}

shown! {
    [] GCounter: |n, f| count(f, n.value(), n.by_replica());
    [] PnCounter: |n, f| count(f, n.value(), n.by_replica());
    [const MIN: i64] BoundedCounter<MIN>: |n, f| count(f, n.value(), n.by_replica());
    [] EwFlag: |flag, f| By::new(&flag.is_enabled(), flag).fmt(f);
    [] DwFlag: |flag, f| By::new(&flag.is_enabled(), flag).fmt(f);
    [T: Clone + PartialEq + Debug] LwwRegister<T>: |register, f| latest(f, register, |value| Some(value));
    [T: Clone + PartialEq + Debug] MvRegister<T>: |register, f| {
        f.debug_list().entries(register.candidates().map(|(dot, value)| By(value, [dot].into()))).finish()
    };
    [T: Ord + Clone + Debug] MaxRegister<T>: |register, f| best(f, register.get(), register);
    [T: Ord + Clone + Debug] MinRegister<T>: |register, f| best(f, register.get(), register);
    [E: Ord + Clone + Debug] AwSet<E>: |set, f| members(f, set.0.iter());
    [E: Ord + Clone + Debug] GSet<E>: |set, f| members(f, set.0.iter());
    [E: Ord + Clone + Debug] RwSet<E>: |set, f| members(f, set.0.iter().filter(|(e, _)| set.contains(e)));
    [E: Ord + Clone + Debug] LwwSet<E>: |set, f| members(f, set.0.iter().filter(|(e, _)| set.contains(e)));
    [E: Ord + Clone + Debug] TwoPhaseSet<E>: |set, f| members(f, set.0.0.iter().filter(|(e, _)| set.contains(e)));
    [K: Ord + Clone + Debug, V: DotStore + Display] OrMap<K, V>: |map, f| entries(f, map.iter());
    [K: Ord + Clone + Debug, V: DotStore + Display] GMap<K, V>: |map, f| entries(f, map.iter());
    [K: Ord + Clone + Debug, T: Clone + PartialEq + Debug] LwwMap<K, T>: |map, f| {
        let here = map.0.iter().filter(|(_, register)| matches!(register.get(), Some(Some(_))));
        f.debug_map().entries(here.map(|(key, register)| (key, Latest(register)))).finish()
    };
    [T: Debug] Log<T>: |log, f| {
        let at = log.stamped().map(|(stamp, dot, entry)| Stamped(entry, dot.replica, stamp));
        f.debug_list().entries(at).finish()
    };
    [V: DotStore + Display] Tree<V>: |tree, f| outline(f, tree);
    [T: DotStore + Display] Replica<T>: |replica, f| Display::fmt(replica.value(), f);
}

/// A value and its writers, who are named in the long form.
struct By<'a, T>(&'a T, Vec<Dot>);

impl<'a, T> By<'a, T> {
    /// What the live events of a store wrote.
    fn new(value: &'a T, store: &impl DotStore) -> Self {
        let mut writers = Vec::new();
        store.for_each_dot(&mut |dot| writers.push(dot));
        By(value, writers)
    }
}

impl<T: Debug> Debug for By<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        if !f.alternate() {
            return Ok(());
        }
        let mut writers: Vec<ReplicaId> = self.1.iter().map(|dot| dot.replica).collect();
        writers.sort_unstable();
        writers.dedup();
        for (i, writer) in writers.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { " by " }, writer.short())?;
        }
        Ok(())
    }
}

/// A value with its writer and time, which are shown in the long form.
struct Stamped<'a, T>(&'a T, ReplicaId, Hlc);

impl<T: Debug> Debug for Stamped<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        if f.alternate() {
            write!(f, " by {} at {} ms", self.1.short(), self.2.millis())?;
        }
        Ok(())
    }
}

/// The value of a register that may be without one.
struct Latest<'a, T: Clone + PartialEq + Debug>(&'a LwwRegister<Option<T>>);

impl<T: Clone + PartialEq + Debug> Debug for Latest<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        latest(f, self.0, Option::as_ref)
    }
}

/// Something that is shown, where the standard library asks for something to debug.
struct Shown<'a, T>(&'a T);

impl<T: Display> Debug for Shown<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn count<N: Display>(
    f: &mut Formatter<'_>,
    sum: N,
    by_replica: impl Iterator<Item = (ReplicaId, N)>,
) -> fmt::Result {
    write!(f, "{sum}")?;
    let mut by_replica = by_replica.peekable();
    if !f.alternate() || by_replica.peek().is_none() {
        return Ok(());
    }
    for (i, (replica, n)) in by_replica.enumerate() {
        write!(f, "{}{n} by {}", if i > 0 { ", " } else { " (" }, replica.short())?;
    }
    f.write_str(")")
}

/// The winner; in the long form with those that lost, whose value `show` may take for none.
fn latest<T: Clone + PartialEq + Debug, U: Debug>(
    f: &mut Formatter<'_>,
    register: &LwwRegister<T>,
    show: impl Fn(&T) -> Option<&U>,
) -> fmt::Result {
    let mut none = true;
    for (i, (dot, stamp, value)) in register.candidates().enumerate() {
        if i > 0 && !f.alternate() {
            break;
        }
        f.write_str(if i > 0 { ", over " } else { "" })?;
        match show(value) {
            Some(value) => Stamped(value, dot.replica, stamp).fmt(f)?,
            None => write!(f, "a removal by {} at {} ms", dot.replica.short(), stamp.millis())?,
        }
        none = false;
    }
    if none { f.write_str("none") } else { Ok(()) }
}

fn best<T: Debug>(f: &mut Formatter<'_>, value: Option<&T>, store: &impl DotStore) -> fmt::Result {
    match value {
        Some(value) => By::new(value, store).fmt(f),
        None => f.write_str("none"),
    }
}

fn members<'a, E: Debug + 'a, S: DotStore + 'a>(
    f: &mut Formatter<'_>,
    members: impl Iterator<Item = (&'a E, &'a S)>,
) -> fmt::Result {
    f.debug_set().entries(members.map(|(member, store)| By::new(member, store))).finish()
}

fn entries<'a, K: Debug + 'a, V: Display + 'a>(
    f: &mut Formatter<'_>,
    entries: impl Iterator<Item = (&'a K, &'a V)>,
) -> fmt::Result {
    f.debug_map().entries(entries.map(|(key, value)| (key, Shown(value)))).finish()
}

/// A line for each node, further in the deeper it stands.
fn outline<V: DotStore + Display>(f: &mut Formatter<'_>, tree: &Tree<V>) -> fmt::Result {
    for (i, (depth, node)) in tree.walk().enumerate() {
        let line = if i > 0 { "\n" } else { "" };
        write!(f, "{line}{:width$}- ", "", width = 2 * depth)?;
        match tree.get(node) {
            Some(value) => Display::fmt(value, f)?,
            None => f.write_str("none")?,
        }
        if f.alternate() {
            write!(f, " (made by {})", node.replica.short())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::tree::Position;

    fn id(n: u128) -> ReplicaId {
        ReplicaId::from_u128(n)
    }

    /// What one replica wrote, shown short and long.
    fn shown<T: DotStore + Display>(
        edit: impl FnOnce(&mut T, &mut crate::dots::Cx),
    ) -> [alloc::string::String; 2] {
        let mut replica: Replica<T> = Replica::new(id(1));
        replica.update(5, edit);
        [format!("{replica}"), format!("{replica:#}")]
    }

    #[test]
    fn each_type_says_who_wrote_it() {
        assert_eq!(shown::<PnCounter>(|n, cx| n.add(-3, cx)), ["-3", "-3 (-3 by 00000001)"]);
        assert_eq!(shown::<BoundedCounter<2>>(|n, cx| n.add(3, cx)), ["5", "5 (3 by 00000001)"]);
        assert_eq!(shown::<EwFlag>(|flag, cx| flag.enable(cx)), ["true", "true by 00000001"]);
        assert_eq!(shown::<DwFlag>(|_, _| ()), ["false", "false"]);
        assert_eq!(shown::<MaxRegister<u8>>(|r, cx| r.set(7, cx)), ["7", "7 by 00000001"]);
        assert_eq!(shown::<MinRegister<u8>>(|_, _| ()), ["none", "none"]);
        let long = "{\n    \"x\" by 00000001,\n}";
        assert_eq!(shown::<AwSet<&str>>(|set, cx| set.insert("x", cx)), ["{\"x\"}", long]);
        assert_eq!(shown::<RwSet<&str>>(|set, cx| set.insert("x", cx)), ["{\"x\"}", long]);
        assert_eq!(shown::<LwwSet<&str>>(|set, cx| set.insert("x", cx)), ["{\"x\"}", long]);
        assert_eq!(
            shown::<GSet<&str>>(|set, cx| {
                set.insert("x", cx);
            }),
            ["{\"x\"}", long]
        );
        assert_eq!(
            shown::<TwoPhaseSet<&str>>(|set, cx| {
                set.insert("x", cx);
            }),
            ["{\"x\"}", long]
        );
        assert_eq!(
            shown::<Log<&str>>(|log, cx| log.append("x", cx)),
            ["[\"x\"]", "[\n    \"x\" by 00000001 at 5 ms,\n]"]
        );
        assert_eq!(
            shown::<OrMap<&str, GMap<u8, GCounter>>>(|map, cx| {
                map.update("k", cx, |map, cx| map.update(1, cx, |n, cx| n.add(2, cx)));
            }),
            ["{\"k\": {1: 2}}", "{\n    \"k\": {\n        1: 2 (2 by 00000001),\n    },\n}"]
        );
        assert_eq!(
            shown::<LwwMap<&str, u8>>(|map, cx| {
                map.put("gone", 1, cx);
                map.remove(&"gone", cx);
                map.put("k", 2, cx);
            }),
            ["{\"k\": 2}", "{\n    \"k\": 2 by 00000001 at 5 ms,\n}"]
        );
        assert_eq!(
            shown::<Tree<EwFlag>>(|tree, cx| {
                let top = tree.create(None, Position::Last, cx);
                tree.create(Some(top), Position::Last, cx);
            }),
            ["- false\n  - false", "- false (made by 00000001)\n  - false (made by 00000001)"]
        );
    }

    #[test]
    fn a_register_says_over_whom_it_won() {
        let mut a: Replica<LwwRegister<&str>> = Replica::new(id(1));
        let mut b: Replica<LwwRegister<&str>> = Replica::new(id(2));
        b.edit(7, |r, cx| r.set("y", cx));
        a.apply(&b.delta_since(&crate::VersionVector::new()));
        assert_eq!(format!("{a:#}"), "\"y\" by 00000002 at 7 ms");
        let mut a: Replica<LwwRegister<&str>> = Replica::new(id(1));
        a.edit(5, |r, cx| r.set("x", cx));
        a.apply(&b.delta_since(&crate::VersionVector::new()));
        assert_eq!(format!("{a}"), "\"y\"");
        assert_eq!(format!("{a:#}"), "\"y\" by 00000002 at 7 ms, over \"x\" by 00000001 at 5 ms");
        let mut both: Replica<MvRegister<u8>> = Replica::new(id(1));
        both.edit(0, |r, cx| r.set(1, cx));
        assert_eq!(format!("{both:#}"), "[\n    1 by 00000001,\n]");
    }
}
