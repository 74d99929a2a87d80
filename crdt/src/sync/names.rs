//! Which documents an interest includes; [`Names`]: documents in the order of their names, for who wants all that begin in one way.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

use crate::sync::link::Link;
use crate::sync::node::{Node, effective_interest};
use crate::sync::{DocId, Document, Interest};

/// The names of all documents in order, once somebody wants a prefix: elsewhere documents are in the order of a hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Option<BTreeSet<Named>>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Named(DocId);

impl Ord for Named {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

impl Names {
    /// Begins to keep them, if that was not done yet.
    pub(crate) fn keep<'a>(&mut self, all: impl Iterator<Item = &'a DocId>) {
        self.0.get_or_insert_with(|| all.cloned().map(Named).collect());
    }

    pub(crate) fn insert(&mut self, doc: &DocId) {
        if let Some(names) = &mut self.0 {
            names.insert(Named(doc.clone()));
        }
    }

    pub(crate) fn remove(&mut self, doc: &DocId) {
        if let Some(names) = &mut self.0 {
            names.remove(doc.as_str());
        }
    }

    /// The documents whose names begin so, in order of names; `None` when they are not kept. Costs what it gives, after a search.
    pub(crate) fn beginning<'a>(&'a self, prefix: &'a str) -> Option<impl Iterator<Item = &'a DocId>> {
        let from = self.0.as_ref()?.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        Some(from.map(|Named(doc)| doc).take_while(move |doc| doc.as_str().starts_with(prefix)))
    }
}

impl<D: Document> Node<D> {
    /// Documents that both sides of a link want.
    pub(crate) fn mutual(&self, link: &Link) -> Vec<DocId> {
        let (mine, theirs) = (effective_interest(&self.config), &link.peer_interest);
        let (narrow, wide) = if mine.prefixes.is_empty() { (&mine, theirs) } else { (theirs, &mine) };
        let mut docs = self.within(narrow);
        docs.retain(|doc| wide.includes(doc));
        docs
    }

    /// The documents here that are within an interest, in order. Costs the names in it and the documents that begin with
    /// its prefixes; all documents when prefixes are not kept in order.
    pub(crate) fn within(&self, interest: &Interest) -> Vec<DocId> {
        let mut docs: Vec<DocId> =
            interest.names.iter().filter(|doc| self.docs.contains_key(doc)).cloned().collect();
        for prefix in &interest.prefixes {
            match self.by_name.beginning(prefix) {
                Some(found) => docs.extend(found.cloned()),
                None => return self.docs.keys().filter(|doc| interest.includes(doc)).cloned().collect(),
            }
        }
        docs.sort_unstable();
        docs.dedup();
        docs
    }

    /// From now on documents are found by what their names begin with, if this interest needs that.
    pub(crate) fn keep_names(&mut self, interest: &Interest) {
        if interest.prefixes.iter().any(|prefix| !prefix.is_empty()) {
            self.by_name.keep(self.docs.keys());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_finds_what_begins_so_and_no_more() {
        let docs: Vec<DocId> =
            ["b", "a/2", "a", "a/1", "a0", "ä"].iter().map(|name| name.parse().unwrap()).collect();
        let found = |names: &Names, prefix: &str| -> Option<Vec<String>> {
            Some(names.beginning(prefix)?.map(|doc| doc.as_str().to_owned()).collect())
        };
        let mut names = Names::default();
        names.insert(&docs[0]);
        assert_eq!(found(&names, "a/"), None, "nobody has asked for a prefix");
        names.keep(docs.iter());
        assert_eq!(found(&names, "a/").unwrap(), ["a/1", "a/2"]);
        assert_eq!(found(&names, "").unwrap().len(), 6);
        names.remove(&docs[1]);
        names.insert(&"a/3".parse().unwrap());
        assert_eq!(found(&names, "a/").unwrap(), ["a/1", "a/3"]);
        assert_eq!(found(&names, "c").unwrap(), [""; 0]);
    }
}
