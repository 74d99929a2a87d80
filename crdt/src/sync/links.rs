//! [`Links`]: the links of a node, thousands at times, so that what happens costs those it concerns and not all.
//!
//! Whoever gets a link to change it has touched it. Only touched links are looked at for work and deadlines, once for all that
//! happened; which links want a document is kept by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::sync::awaited::Awaited;
use crate::sync::link::Link;
use crate::sync::{DocId, Interest, LinkId, Millis};

#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    all: BTreeMap<LinkId, Box<Link>>,
    /// Those that may have changed since they were settled.
    touched: Vec<LinkId>,
    /// When something is to be done on a link, as of when it was settled.
    due: BTreeSet<(Millis, LinkId)>,
    /// Links whose peers want a document by its name,
    by_name: Awaited,
    /// and those whose peers want prefixes.
    by_prefix: BTreeSet<LinkId>,
}

impl Links {
    pub(crate) fn get(&self, id: &LinkId) -> Option<&Link> {
        self.all.get(id).map(Box::as_ref)
    }

    /// A link, to change it.
    pub(crate) fn get_mut(&mut self, id: &LinkId) -> Option<&mut Link> {
        let link = self.all.get_mut(id)?;
        if !std::mem::replace(&mut link.touched, true) {
            self.touched.push(*id);
        }
        Some(link)
    }

    pub(crate) fn contains_key(&self, id: &LinkId) -> bool {
        self.all.contains_key(id)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &LinkId> {
        self.all.keys()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Link> {
        self.all.values().map(Box::as_ref)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.all.iter().map(|(id, link)| (*id, link.as_ref()))
    }

    /// All links, to change them all.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.touched = self.all.keys().copied().collect();
        self.all.values_mut().map(|link| {
            link.touched = true;
            link.as_mut()
        })
    }

    pub(crate) fn insert(&mut self, id: LinkId) {
        self.remove(&id);
        self.all.insert(id, Box::default());
        self.get_mut(&id);
    }

    pub(crate) fn remove(&mut self, id: &LinkId) -> Option<Box<Link>> {
        self.set_interest(*id, Interest::default());
        let link = self.all.remove(id)?;
        self.due.remove(&(link.due.unwrap_or_default(), *id));
        self.touched.retain(|touched| touched != id);
        Some(link)
    }

    /// Notes what the peer wants; gives what it wanted before.
    pub(crate) fn set_interest(&mut self, id: LinkId, interest: Interest) -> Interest {
        let Some(link) = self.all.get_mut(&id) else { return Interest::default() };
        let before = std::mem::replace(&mut link.peer_interest, interest);
        self.by_name.forget(id, &before.names);
        link.peer_interest.names.iter().for_each(|doc| self.by_name.insert(doc, id));
        if link.peer_interest.prefixes.is_empty() {
            self.by_prefix.remove(&id);
        } else {
            self.by_prefix.insert(id);
        }
        before
    }

    /// The links whose peers want a document. Costs these, and those whose peers want prefixes.
    pub(crate) fn wanting(&self, doc: &DocId) -> Vec<LinkId> {
        let includes = |id: &&LinkId| self.get(id).is_some_and(|link| link.peer_interest.includes(doc));
        let mut wanting = self.by_name.of(doc);
        wanting.extend(self.by_prefix.iter().filter(includes));
        wanting.sort_unstable();
        wanting.dedup();
        wanting
    }

    /// Looks at the links that were touched: notes what is due on them, and gives those that have work and were not said to be
    /// ready; they are now.
    pub(crate) fn settle(&mut self) -> Vec<LinkId> {
        self.touched.sort_unstable();
        let mut ready = Vec::new();
        for id in std::mem::take(&mut self.touched) {
            let Some(link) = self.all.get_mut(&id) else { continue };
            link.touched = false;
            let due = link.deadline();
            if due != link.due {
                self.due.remove(&(link.due.unwrap_or_default(), id));
                self.due.extend(due.map(|at| (at, id)));
                link.due = due;
            }
            if !link.ready && link.has_work() {
                link.ready = true;
                ready.push(id);
            }
        }
        debug_assert!(
            self.values().all(|link| link.ready || !link.has_work()),
            "work that nobody was told of"
        );
        ready
    }

    /// When something is to be done on any link.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let settled = |(_, id): &&(Millis, LinkId)| self.get(id).is_some_and(|link| !link.touched);
        let settled = self.due.iter().find(settled).map(|(at, _)| *at);
        let touched = self.touched.iter().filter_map(|id| self.get(id)?.deadline());
        let next = settled.into_iter().chain(touched).min();
        debug_assert_eq!(next, self.values().filter_map(Link::deadline).min(), "a deadline that nobody sees");
        next
    }

    /// The links on which something is to be done by now, and others.
    pub(crate) fn due(&self, now: Millis) -> BTreeSet<LinkId> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id);
        due.chain(self.touched.iter().copied()).collect()
    }

    /// As if all had been settled, but for those with work that nobody was told of: for a checker, which compares nodes.
    #[cfg(feature = "testkit")]
    pub(crate) fn normalize(&mut self) {
        self.due.clear();
        for (id, link) in &mut self.all {
            link.due = link.deadline();
            link.touched &= !link.ready && link.has_work();
            self.due.extend(link.due.map(|at| (at, *id)));
        }
        self.touched.retain(|id| self.all.get(id).is_some_and(|link| link.touched));
        self.touched.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str], prefixes: &[&str]) -> Interest {
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        Interest { names, prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect() }
    }

    #[test]
    fn a_document_finds_the_links_that_want_it() {
        let mut links = Links::default();
        (1..=4).for_each(|n| links.insert(LinkId(n)));
        links.set_interest(LinkId(3), names(&["a", "b"], &[]));
        links.set_interest(LinkId(2), names(&["a"], &["a"]));
        links.set_interest(LinkId(1), names(&[], &["b"]));
        let wanting = |links: &Links, doc: &str| links.wanting(&doc.parse().unwrap());
        assert_eq!(wanting(&links, "a"), [LinkId(2), LinkId(3)]); // each once, in order
        assert_eq!(wanting(&links, "b"), [LinkId(1), LinkId(3)]);
        assert_eq!(links.set_interest(LinkId(3), names(&["b"], &[])), names(&["a", "b"], &[]));
        links.remove(&LinkId(1));
        links.insert(LinkId(2)); // anew: it wants nothing yet
        assert_eq!(wanting(&links, "a"), []);
        assert_eq!(wanting(&links, "b"), [LinkId(3)]);
    }

    #[test]
    fn deadlines_are_those_of_now_though_links_were_not_settled() {
        let mut links = Links::default();
        (1..=3).for_each(|n| links.insert(LinkId(n)));
        let set = |links: &mut Links, n, at| links.get_mut(&LinkId(n)).unwrap().have_at = at;
        set(&mut links, 1, Some(30));
        set(&mut links, 2, Some(20));
        assert_eq!(links.next_deadline(), Some(20));
        assert_eq!(links.settle(), [1, 2, 3].map(LinkId)); // their greetings
        assert_eq!(links.settle(), []);
        assert_eq!(
            (links.next_deadline(), links.due(19), links.due(20)),
            (Some(20), [].into(), [LinkId(2)].into())
        );
        set(&mut links, 2, None);
        assert_eq!(links.next_deadline(), Some(30));
        set(&mut links, 3, Some(10));
        links.remove(&LinkId(1));
        assert_eq!(links.next_deadline(), Some(10));
        links.settle();
        assert_eq!((links.next_deadline(), links.due(99)), (Some(10), [LinkId(3)].into()));
    }
}
