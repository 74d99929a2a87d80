//! [`Patch`]: what changed for whoever shows the document.

use crate::text::TextPatch;

use super::Value;

/// One visible change of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Patch {
    /// A text root changed. Positions are those of the text at the time of this patch.
    Text {
        /// The root.
        root: String,
        /// What was inserted or deleted.
        patch: TextPatch,
    },
    /// The value at a path changed.
    Value {
        /// The keys from the root down.
        path: Vec<String>,
        /// The value now there; `None` when there is none any more.
        value: Option<Value>,
    },
}
