//! In which order documents changed, so that a peer that was here until some moment is told only of those
//! that changed since.

use std::collections::BTreeMap;

use crate::sync::{DocId, MAX_FEED, Millis};

/// The documents that changed since this node was made, each once, at its last change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feed {
    last: u64,
    order: BTreeMap<u64, DocId>,
    places: BTreeMap<DocId, u64>,
    /// What changed up to here may have been forgotten.
    floor: u64,
    /// When to look how far peers were fed.
    pub(crate) look_at: Option<Millis>,
}

impl Feed {
    /// The number of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The document changed. `O(log n)`.
    pub(crate) fn note(&mut self, doc: &DocId) {
        self.last += 1;
        if let Some(place) = self.places.insert(doc.clone(), self.last) {
            self.order.remove(&place);
        }
        self.order.insert(self.last, doc.clone());
        if self.order.len() > MAX_FEED
            && let Some((place, doc)) = self.order.pop_first()
        {
            self.places.remove(&doc);
            self.floor = place;
        }
    }

    /// The documents that changed after a moment, in order; `None` when that is too long ago to know.
    pub(crate) fn since(&self, moment: u64) -> Option<impl Iterator<Item = (u64, &DocId)>> {
        let known = moment >= self.floor && moment <= self.last;
        known.then(|| self.order.range(moment.saturating_add(1)..).map(|(place, doc)| (*place, doc)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_stands_at_its_last_change() {
        let mut feed = Feed::default();
        let docs: Vec<DocId> = ["a", "b", "c"].map(|name| name.parse().unwrap()).to_vec();
        for i in [0, 1, 2, 0] {
            feed.note(&docs[i]);
        }
        let since =
            |moment| feed.since(moment).map(|docs| docs.map(|(_, doc)| doc.as_str()).collect::<Vec<_>>());
        assert_eq!(since(0).unwrap(), ["b", "c", "a"]);
        assert_eq!(since(2).unwrap(), ["c", "a"]);
        assert!(since(4).unwrap().is_empty());
        assert_eq!(since(5), None);
    }
}
