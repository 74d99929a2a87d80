//! Data that several replicas change at once and that ends up the same on all: counters, registers, sets,
//! maps, flags and text that merge without conflict, documents made of them, and the protocol that brings
//! the differences from one to the other.
//!
//! ```
//! use crdt::{Doc, ReplicaId, Replicated};
//!
//! // Two replicas; the app makes the ids (a random UUID is right).
//! let mut alice = Doc::new(ReplicaId::from_u128(1));
//! let mut bob = Doc::new(ReplicaId::from_u128(2));
//!
//! // Both edit while offline. The number is the wall clock, in milliseconds.
//! alice.transact(1_000, |tx| {
//!     tx.text("note").insert(0, "buy milk");
//!     tx.counter("votes").add(3);
//! });
//! bob.transact(1_000, |tx| {
//!     tx.text("note").insert(0, "hello, ");
//!     tx.set("tags").insert("shopping");
//! });
//!
//! // What does the other lack? A delta is a plain value: send its `to_bytes()` any way you like.
//! let for_bob = alice.delta_since(bob.version());
//! let for_alice = bob.delta_since(alice.version());
//! alice.apply(&for_alice)?;
//! bob.apply(&for_bob)?;
//!
//! assert_eq!(alice.value(), bob.value());
//! # Ok::<(), crdt::ApplyError>(())
//! ```
//!
//! # I want to …
//!
//! | … | use |
//! |---|---|
//! | edit text, lists, maps, sets, counters in one document; which types there are | [`Doc::transact`]; [`doc`] |
//! | make text bold, a link, a comment | [`TextMut::mark`](doc::TextMut::mark), [`Doc::spans`], [`Doc::attributes`] |
//! | exchange rich text with Quill | [`Doc::to_delta`], [`TextMut::apply_delta`](doc::TextMut::apply_delta) |
//! | read and edit a document as a struct of mine, checked by the compiler | [`doc::schema`], [`Doc::read_as`], [`Tx::edit_as`](doc::Tx::edit_as), feature `derive` |
//! | edit a list, move its elements | [`Tx::list`](doc::Tx::list), [`ListMut`](doc::ListMut) |
//! | edit an outline, move its nodes | [`Tx::tree`](doc::Tx::tree), [`TreeMut`](doc::TreeMut), [`Doc::tree`] |
//! | keep the greatest or the least number in a document | [`Tx::max`](doc::Tx::max), [`Tx::min`](doc::Tx::min) |
//! | take a right or a consent away so that it stays away | [`Tx::rw_set`](doc::Tx::rw_set), [`Tx::dw_flag`](doc::Tx::dw_flag) |
//! | keep a log in a document, read who wrote what when | [`Tx::log`](doc::Tx::log), [`Doc::log`] |
//! | read a value by path: a JSON pointer, or typed steps | [`Doc::get`], [`Doc::root`], [`Doc::text`] |
//! | print a document or a value, with who wrote what | `{doc}`, `{doc:#}`: [`Doc`] and every type are [`Display`](core::fmt::Display) |
//! | show values, patches, conflicts as JSON or other formats | module `plain`, feature `serde` |
//! | hear of every change, with who made it | [`Doc::subscribe`], [`Doc::transact_as`] |
//! | know whether a change is about one field | [`Patch::touches`](doc::Patch::touches) |
//! | show what a merge changed | [`Doc::record_patches`], [`Doc::take_patches`] |
//! | see which concurrent writes met, who won and why | [`Doc::conflicts`], [`Change::conflicts`](doc::Change) |
//! | undo and redo | [`UndoManager`](doc::UndoManager) |
//! | keep a cursor where it is while others type | [`Doc::cursor`], [`Doc::position`] |
//! | look at the past, compare, branch off | [`Doc::keep_history`], [`Doc::at`], [`Doc::diff`], [`Doc::fork`] |
//! | keep a document in a file | [`Doc::save`], [`Doc::load`] |
//! | add what is new to a file | [`Doc::save_since`], [`Doc::load_pieces`] |
//! | choose who wins a conflict, or keep all values | [`Tx::put`](doc::Tx::put), [`Tx::offer`](doc::Tx::offer) |
//! | give an edit an origin, group edits | [`Doc::transact_as`] |
//! | send what another lacks, take what came | [`Replicated::delta_since`], [`Delta::to_bytes`], [`Replicated::apply`] |
//! | not be dragged along by a clock that runs ahead | [`Node::set_clock`](sync::Node::set_clock), [`Replicated::apply_until`] |
//! | know whether one replica has seen all of another | [`VersionVector`] |
//! | draw who has seen what | [`EventGraph::to_dot`](graph::EventGraph::to_dot), [`to_mermaid`](graph::EventGraph::to_mermaid) |
//! | replicate one value without a document | [`Replica`](replica::Replica) |
//! | merge a struct of my own; an enum whose variants hold CRDTs | `#[derive(Crdt)]`, feature `derive`; [`OneOf`](one_of::OneOf) |
//! | choose a type | [`counter`], [`register`], [`set`], [`flag`], [`map`], [`tree`], [`log`] |
//! | never go below zero, even apart | [`BoundedCounter`](counter::BoundedCounter) |
//! | move folders without making a cycle | [`Tree`](tree::Tree) |
//! | drop history that all have seen | [`Leases`](lease::Leases), [`Doc::forget`], [`Replica::forget`](replica::Replica::forget) |
//! | bring back who was away when all others forgot | [`Doc::rescue`] |
//! | save only what a document shows | [`Doc::save_shallow`] |
//! | operations instead of states | [`oplog`], [`causal`] |
//! | siblings in a key-value store | [`DottedVersionVector`](dvv::DottedVersionVector) |
//! | keep automerge documents | `AutomergeDoc`, feature `automerge` |
//! | sync over connections of my own | [`sync::Node`] |
//! | write a type of my own | [`dots::DotStore`] |
//! | prove that it converges | `testkit`, feature `testkit` |
//! | draw documents, versions, replicas of my types in property tests and fuzz targets | `strategy`, feature `proptest`; `Arbitrary`, feature `arbitrary` |
//!
//! # What it promises
//!
//! - Replicas that have seen the same events are equal, and equal states are equal bytes.
//! - Differences may be lost, come twice, or in any order.
//! - No bytes panic it, or make it allocate more than a small multiple of them; an error changes nothing.
//! - It is pure: no clock, socket, file, thread or random source; time and ids are arguments.
//!
//! # How it is layered
//!
//! Each line uses only those above it.
//!
//! | modules | what |
//! |---|---|
//! | [`ReplicaId`], [`Dot`], [`VersionVector`], [`Hlc`], [`codec`], [`context`], [`matrix`], [`dvv`] | who, what, seen, when, in bytes |
//! | [`Delta`], [`Replicated`], [`traits`] | the three questions; the laws |
//! | [`dots`], then [`counter`], [`register`], [`set`], [`map`], [`flag`], [`log`], [`tree`], [`one_of`], [`replica`] | types that merge |
//! | [`causal`], [`oplog`] | the same from operations |
//! | [`graph`], [`text`] | what each event had seen; characters in their order |
//! | [`doc`], `automerge` | documents |
//! | [`sync`] | the protocol; it knows no type of data |
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `std` (default) | documents and the protocol; without it the types and clocks need only `alloc` |
//! | `automerge` | `AutomergeDoc` |
//! | `derive` | `#[derive(Crdt)]`, `#[derive(Encode, Decode)]`; for documents `#[derive(Schema)]`, `#[derive(Plain)]` |
//! | `serde` | module `plain`: what is visible, for other formats |
//! | `testkit` | the convergence kit for any type; the simulator of networks; bodies of the fuzz targets |
//! | `proptest` | module `strategy`: strategies for property tests |
//! | `arbitrary` | `Arbitrary` of plain values, versions, schedules, for fuzz targets |
//!
//! The bytes of everything are described in `docs/format.md` beside this crate's `Cargo.toml`.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

#[macro_use]
mod messages;

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
#[cfg(feature = "automerge")]
pub mod automerge;
pub mod causal;
pub mod codec;
pub mod context;
pub mod counter;
mod delta;
#[cfg(feature = "std")]
pub mod doc;
pub mod dots;
pub mod dvv;
pub mod flag;
#[cfg(feature = "std")]
pub mod graph;
mod hlc;
mod id;
pub mod lease;
pub mod log;
pub mod map;
pub mod matrix;
pub mod one_of;
pub mod oplog;
#[cfg(feature = "std")]
mod pack;
#[cfg(feature = "serde")]
pub mod plain;
mod pretty;
pub mod register;
pub mod replica;
pub mod set;
mod sorted;
#[cfg(feature = "proptest")]
pub mod strategy;
#[cfg(feature = "std")]
pub mod sync;
#[cfg(feature = "testkit")]
pub mod testkit;
#[cfg(feature = "std")]
pub mod text;
pub mod traits;
pub mod tree;
mod version;

#[cfg(feature = "derive")]
#[doc = include_str!("derive.md")]
pub use crdt_derive::Crdt;
#[cfg(feature = "derive")]
pub use crdt_derive::{Decode, Encode};
pub use delta::{Applied, ApplyError, Delta, Replicated};
#[cfg(feature = "std")]
pub use doc::Doc;
pub use hlc::Hlc;
pub use id::{BadReplicaId, Dot, ReplicaId, Span};
pub use version::VersionVector;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
