//! The laws: state, delta and op-based CRDTs.
