//! Documents with named roots.
