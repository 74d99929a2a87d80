//! The sync daemon. (Front page to come.)
