//! The event graph: which events there are, and what each had seen.
