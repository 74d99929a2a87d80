//! Automerge documents.
