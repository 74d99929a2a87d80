//! The links of a node, and which of them have to be looked at: where thousands are quiet, those that are not cost alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::Deref;

use crate::sync::link::Link;
use crate::sync::{LinkId, Millis, Output};

/// What is noted of a link here. It follows from the link, so that two nodes look the same in `Debug` whatever it is.
#[derive(Clone, Default)]
pub(crate) struct Noted {
    /// Somebody had hold of the link since it was looked at.
    touched: bool,
    /// Its deadline when it was looked at.
    at: Option<Millis>,
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noted")
    }
}

/// The links of a node. Whoever gets hold of one to change it has it looked at.
#[derive(Clone, Default)]
pub(crate) struct Links {
    all: BTreeMap<LinkId, Box<Link>>,
    touched: Vec<LinkId>,
    /// When links have something to do, as it was when they were looked at.
    deadlines: BTreeSet<(Millis, LinkId)>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)
    }
}

impl Deref for Links {
    type Target = BTreeMap<LinkId, Box<Link>>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl Links {
    pub(crate) fn insert(&mut self, id: LinkId) {
        self.remove(&id);
        self.all.insert(id, Box::default());
        self.get_mut(&id);
    }

    pub(crate) fn remove(&mut self, id: &LinkId) -> Option<Box<Link>> {
        let link = self.all.remove(id)?;
        if let Some(at) = link.noted.at {
            self.deadlines.remove(&(at, *id));
        }
        Some(link)
    }

    pub(crate) fn get_mut(&mut self, id: &LinkId) -> Option<&mut Link> {
        let link = self.all.get_mut(id)?;
        if !std::mem::replace(&mut link.noted.touched, true) {
            self.touched.push(*id);
        }
        Some(link)
    }

    /// All of them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link)> {
        self.those(|_, _| true)
    }

    /// Those of which `wanted` says so; it is asked of all.
    pub(crate) fn those(
        &mut self,
        wanted: impl Fn(LinkId, &Link) -> bool,
    ) -> impl Iterator<Item = (LinkId, &mut Link)> {
        let wanted = self.all.iter_mut().filter(move |(id, link)| wanted(**id, link));
        wanted.map(|(id, link)| {
            if !std::mem::replace(&mut link.noted.touched, true) {
                self.touched.push(*id);
            }
            (*id, &mut **link)
        })
    }

    /// Looks at those that somebody had hold of, and announces which of them have something to send now.
    pub(crate) fn look(&mut self, outputs: &mut VecDeque<Output>) {
        self.touched.sort_unstable();
        for id in self.touched.drain(..) {
            let Some(link) = self.all.get_mut(&id) else { continue };
            let noted = Noted { touched: false, at: link.deadline() };
            let before = std::mem::replace(&mut link.noted, noted.clone());
            if before.at != noted.at {
                before.at.map(|at| self.deadlines.remove(&(at, id)));
                noted.at.map(|at| self.deadlines.insert((at, id)));
            }
            if !link.ready && link.has_work() {
                link.ready = true;
                outputs.push_back(Output::Ready { link: id });
            }
        }
    }

    /// When the first of them has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let quiet = self.deadlines.iter().find(|(_, id)| self.is_quiet(id)).map(|(at, _)| *at);
        self.of_touched().map(|(at, _)| at).chain(quiet).min()
    }

    /// Those that have something to do by now, in order.
    pub(crate) fn due(&self, now: Millis) -> BTreeSet<LinkId> {
        let quiet = self.deadlines.iter().take_while(|(at, _)| *at <= now);
        let quiet = quiet.map(|(_, id)| *id).filter(|id| self.is_quiet(id));
        let touched = self.of_touched().filter(|(at, _)| *at <= now);
        quiet.chain(touched.map(|(_, id)| id)).collect()
    }

    /// Whether what is noted of it holds.
    fn is_quiet(&self, id: &LinkId) -> bool {
        self.all.get(id).is_some_and(|link| !link.noted.touched)
    }

    fn of_touched(&self) -> impl Iterator<Item = (Millis, LinkId)> {
        self.touched.iter().filter_map(|id| Some((self.all.get(id)?.deadline()?, *id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(links: &mut Links) -> Vec<LinkId> {
        let mut outputs = VecDeque::new();
        links.look(&mut outputs);
        let ready = outputs.into_iter().map(|output| match output {
            Output::Ready { link } => link,
            other => panic!("{other:?}"),
        });
        ready.collect()
    }

    #[test]
    fn deadlines_are_those_of_the_links_whoever_changed_them() {
        let mut seed = 1_u64;
        let mut up_to = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        let mut links = Links::default();
        let slow = |links: &Links| links.values().filter_map(|link| link.deadline()).min();
        for _ in 0..5_000 {
            let id = LinkId(up_to(8));
            match up_to(8) {
                0 => links.insert(id),
                1 => drop(links.remove(&id)),
                2 => drop(announced(&mut links)),
                3 => links.iter_mut().for_each(|(_, link)| link.have_at = None),
                4 => {
                    let at = up_to(100);
                    links.those(|other, _| other >= id).for_each(|(_, link)| link.digest_at = Some(at));
                }
                _ => {
                    let at = Some(up_to(200)).filter(|at| *at < 100);
                    links.get_mut(&id).into_iter().for_each(|link| link.have_at = at);
                }
            }
            assert_eq!(links.next_deadline(), slow(&links));
            let now = up_to(100);
            let due = links.iter().filter(|(_, link)| link.deadline().is_some_and(|at| at <= now));
            assert_eq!(links.due(now), due.map(|(id, _)| *id).collect());
        }
    }

    #[test]
    fn who_has_something_to_send_is_announced_once() {
        let mut links = Links::default();
        links.insert(LinkId(2));
        links.insert(LinkId(1));
        assert_eq!(announced(&mut links), [LinkId(1), LinkId(2)], "each owes a greeting");
        links.iter_mut().for_each(|(_, link)| link.hello_sent = true);
        assert_eq!(announced(&mut links), []);
        let link = links.get_mut(&LinkId(1)).unwrap();
        (link.ready, link.hello_sent) = (false, false);
        assert_eq!(announced(&mut links), [LinkId(1)]);
    }
}
