//! [`Awaited`]: over which links something of a document is awaited, so that those need not all be looked at.

use std::collections::BTreeSet;

use crate::sync::{DocId, LinkId};

/// For each document the links on which something of it is awaited. Most documents have none, at most times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Awaited(BTreeSet<(DocId, LinkId)>);

impl Awaited {
    pub(crate) fn insert(&mut self, doc: &DocId, link: LinkId) {
        self.0.insert((doc.clone(), link));
    }

    pub(crate) fn remove(&mut self, doc: &DocId, link: LinkId) {
        self.0.remove(&(doc.clone(), link));
    }

    /// The links of a document.
    pub(crate) fn of(&self, doc: &DocId) -> Vec<LinkId> {
        let all = (doc.clone(), LinkId(0))..=(doc.clone(), LinkId(u64::MAX));
        self.0.range(all).map(|(_, link)| *link).collect()
    }

    /// The link is gone, on which these documents were spoken of. Costs these, not all that is awaited.
    pub(crate) fn forget<'a>(&mut self, link: LinkId, docs: impl IntoIterator<Item = &'a DocId>) {
        docs.into_iter().for_each(|doc| self.remove(doc, link));
    }
}
