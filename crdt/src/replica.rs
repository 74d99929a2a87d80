//! A replica of one CRDT value.
