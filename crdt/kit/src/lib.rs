//! The convergence kit ([`crdt::testkit`]) on the types of `crdt`, and on itself.
//!
//! [`subjects`] are the types of `crdt` and the [`gallery`] of wrong ones: what the program `crdt-fuzz` plays. [`targets`] are
//! the bodies of the fuzz targets. It is a crate of its own so that who tests a type with the kit need not build all these.

use crdt::Doc;
use crdt::counter::{BoundedCounter, GCounter, PnCounter};
use crdt::flag::{DwFlag, EwFlag};
use crdt::log::Log;
use crdt::map::{GMap, LwwMap, OrMap};
use crdt::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crdt::replica::Replica;
use crdt::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crdt::testkit::{Edited, Kit, Spec, Subject};
use crdt::tree::Tree;

mod formats;
pub mod gallery;
pub mod targets;
mod typed;

pub use targets::{TARGETS, Target};

/// This crate's types, and the [`gallery`] of wrong ones.
///
/// ```
/// let set = crdt_kit::subjects().into_iter().find(|subject| subject.name() == "aw-set").unwrap();
/// assert!(set.run_while(1, &mut |report| report.schedules < 50).failure.is_none());
/// ```
pub fn subjects() -> Vec<Subject> {
    fn own<T: Edited>(name: &'static str, about: &'static str) -> Subject {
        Subject::new(name, about, Kit::<Replica<T>>::new().deltas().ops().codec().rollback())
    }
    /// With a specification, too.
    fn meant<T: Edited>(name: &'static str, about: &'static str) -> Subject
    where
        Replica<T>: Spec,
    {
        Subject::new(name, about, Kit::<Replica<T>>::new().deltas().ops().codec().rollback().spec())
    }
    type Deep = OrMap<u8, OrMap<u8, OrMap<u8, AwSet<u8>>>>;
    let mut all = vec![
        own::<GCounter>("g-counter", "a count that grows"),
        own::<PnCounter>("pn-counter", "a count that grows and shrinks"),
        // An operation of a counter brings its author's whole sum: the specification is of causal delivery.
        Subject::new(
            "pn-counter-meaning",
            "the same against its specification",
            Kit::<Replica<PnCounter>>::new().deltas().codec().rollback().spec(),
        ),
        own::<BoundedCounter<-3>>("bounded-counter", "a count that never falls below -3"),
        meant::<EwFlag>("ew-flag", "a flag, enable wins"),
        own::<DwFlag>("dw-flag", "a flag, disable wins"),
        own::<MaxRegister<u8>>("max-register", "the greatest value"),
        own::<MinRegister<u8>>("min-register", "the least value"),
        own::<LwwRegister<u8>>("lww-register", "the last write"),
        meant::<MvRegister<u8>>("mv-register", "all concurrent writes"),
        own::<GSet<u8>>("g-set", "a set that grows"),
        meant::<AwSet<u8>>("aw-set", "a set, add wins"),
        own::<RwSet<u8>>("rw-set", "a set, remove wins"),
        own::<LwwSet<u8>>("lww-set", "a set, the last edit of a member wins"),
        own::<TwoPhaseSet<u8>>("two-phase-set", "a set where removed is removed"),
        meant::<Log<u8>>("log", "entries in one order"),
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
            "text",
            "a text against FugueMax done slowly",
            Kit::<typed::Typed>::new().deltas().codec().rollback().spec(),
        ),
        Subject::new(
            "doc",
            "documents: texts with marks, lists, trees, maps, sets, counters, flags, registers",
            Kit::<Doc>::new().deltas().ops().codec().rollback(),
        ),
        #[cfg(feature = "automerge")]
        Subject::new(
            "automerge",
            "automerge documents",
            Kit::<crdt::automerge::AutomergeDoc>::new()
                .deltas()
                .ops()
                .codec()
                .rollback()
                .replicas(2..=3)
                .steps(16),
        ),
    ];
    all.extend(gallery::all());
    all
}
