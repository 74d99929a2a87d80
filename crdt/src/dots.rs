//! Dot stores: what every causal type is built from.
