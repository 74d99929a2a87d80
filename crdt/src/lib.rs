//! CRDTs, documents and the sync protocol. (Front page to come.)

#[cfg(feature = "automerge")]
pub mod automerge;
pub mod codec;
pub mod context;
pub mod counter;
mod delta;
pub mod doc;
pub mod dots;
pub mod flag;
pub mod graph;
mod hlc;
mod id;
pub mod map;
pub mod register;
pub mod replica;
pub mod set;
pub mod sync;
pub mod text;
pub mod traits;
mod version;

pub use delta::{Applied, ApplyError, Delta, Replicated};
pub use doc::Doc;
pub use hlc::Hlc;
pub use id::{Dot, ReplicaId, Span};
pub use version::VersionVector;
