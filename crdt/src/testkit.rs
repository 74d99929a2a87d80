//! Prove that replicas converge: your own types, this crate's, and whole networks of nodes.
//!
//! You say what your type is ([`Model`]: new, command, edit, merge, view), and
//! [`fuzz_crdt!`](crate::fuzz_crdt) makes a test of it. The kit plays schedules of edits, exchanges and faults; checks
//! the laws by name ([`Law`]) as it goes; makes what fails small; and draws it.
//!
//! ```
//! use crdt::testkit::{Kit, Model, Pick};
//!
//! #[derive(Clone, Default)]
//! struct Cart(std::collections::BTreeSet<u8>);
//!
//! impl Model for Cart {
//!     type Command = (bool, u8);
//!     type View = Vec<u8>;
//!     fn new(_me: u8) -> Self {
//!         Cart::default()
//!     }
//!     fn command(&self, pick: &mut Pick<'_>) -> (bool, u8) {
//!         (pick.flip(), pick.below(3) as u8)
//!     }
//!     fn edit(&mut self, _now: u64, (remove, thing): &(bool, u8)) {
//!         if *remove { self.0.remove(thing) } else { self.0.insert(*thing) };
//!     }
//!     fn merge(&mut self, other: &Self) {
//!         self.0.extend(&other.0);
//!     }
//!     fn view(&self) -> Vec<u8> {
//!         self.0.iter().copied().collect()
//!     }
//! }
//!
//! // In a test: crdt::fuzz_crdt!(cart: Cart);
//! let report = Kit::<Cart>::new().run(1, 1_000);
//! assert!(report.to_string().contains("an edit or a merge took back something"), "{report}");
//! ```
//!
//! | to … | use |
//! |---|---|
//! | test a type | [`fuzz_crdt!`](crate::fuzz_crdt), [`Kit`] |
//! | test its deltas, operations, bytes | [`Deltas`], [`Ops`], [`Codec`]; `fuzz_crdt!(name: Type, deltas, ops, codec)` |
//! | say what it means | [`Spec`], [`Model::invariant`] |
//! | test a type that has only operations | [`ByOps`] |
//! | say what a text means | [`FugueMax`] |
//! | leave nothing to luck | [`Kit::exhaustive`] |
//! | fuzz it with coverage | [`Kit::check`] in a `fuzz_target!`, in property tests too |
//! | run it from a command line | [`cli`](cli()) |
//! | see mistakes that others made | the crate `crdt-kit`, `crdt-fuzz list` |
//! | understand a picture | [`reading`] |
//! | simulate networks of sync nodes | [`sim`] |
//!
//! One generator serves all: eight bytes are a step, every byte string is a [`Schedule`], and a seed, a fuzzer, a
//! property test and a replay file only bring the bytes.

mod by_ops;
mod cli;
mod exhaustive;
mod faces;
mod frames;
mod fugue;
mod kit;
mod law;
mod model;
mod own;
mod picture;
pub mod reading {
    #![doc = include_str!("testkit/reading.md")]
}
mod schedule;
mod shrink;
pub mod sim;
mod story;
mod subject;
mod tester;
mod trace;
mod world;

pub use by_ops::{ByOps, OnItsWay, OpModel};
pub use cli::cli;
pub use exhaustive::Exhausted;
pub use frames::frames;
pub use fugue::{FugueMax, FugueOp, FugueSide};
pub use kit::{Kit, ReplayError, Report};
pub use law::Law;
pub use model::{Codec, Deltas, Event, History, Model, Ops, Pick, Spec};
pub use own::{Edited, edit_doc};
pub use schedule::{Form, Kind, Schedule, Step};
pub use story::{BadReplay, Story};
pub use subject::Subject;
pub use tester::test;
