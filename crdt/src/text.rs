//! Collaborative text.
