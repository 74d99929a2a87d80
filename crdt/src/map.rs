//! Maps: [`OrMap`], [`GMap`], [`LwwMap`].
//!
//! # What nests
//!
//! Every [`DotStore`](crate::dots::DotStore) nests to any depth, as a value of an [`OrMap`] or a [`GMap`], a field of a derived
//! struct, in a variant of a [`OneOf`](crate::one_of::OneOf), at a node of a [`Tree`](crate::tree::Tree): all counters, registers,
//! sets, flags, maps, [`Log`](crate::log::Log) and trees themselves. It shares the one causal context of the whole, which is what
//! makes a removal above tell what it has seen below. Two promises change when a key above can be removed:
//!
//! - *What only grows can go.* A removed key takes a [`GSet`](crate::set::GSet), a [`GCounter`](crate::counter::GCounter) and what a
//!   [`TwoPhaseSet`](crate::set::TwoPhaseSet) had removed for good with it; under that key they begin anew. In a [`GMap`] nothing
//!   above is ever removed.
//! - *A [`BoundedCounter`](crate::counter::BoundedCounter) stays.* Others may be using their rights: its key is not removed.
//!
//! What does not nest:
//!
//! | type | why not | do instead |
//! |---|---|---|
//! | values of an [`LwwMap`] | one write replaces the whole value, so there is nothing to merge | [`OrMap`] |
//! | `Text`, lists, marks, `Doc` | they need causal delivery and a graph of events; a dot store takes events in any order | they nest in each other within a `Doc` |
//! | [`PoLog`](crate::oplog::PoLog) | its past is its own, not that of the whole | [`MapOp`](crate::oplog::MapOp) nests the operations |
//! | [`DottedVersionVector`](crate::dvv::DottedVersionVector) | its servers name events of their own | [`MvRegister`](crate::register::MvRegister) says the same |
//! | [`MatrixClock`](crate::matrix::MatrixClock), [`Leases`](crate::lease::Leases) | they say who has seen what, of the whole | beside it |
//! | `AutomergeDoc` | it merges by rules and bytes of its own | a document of its own |

mod grow;
mod lww;
mod or;

pub use grow::GMap;
pub use lww::LwwMap;
pub use or::OrMap;
