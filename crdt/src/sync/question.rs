//! [`Questions`]: who has these events? Asked over as many links as it takes, and answered back.
//!
//! What its neighbours have safe a node is told by their Acks; of those behind them it knows nothing. When an edit is to be on
//! more disks than those of the neighbours, or to have reached one peer somewhere, the network is asked about that edit: nothing
//! is kept, and nothing sent, for documents about which nobody asks.
//!
//! A question floods. A node takes it from the link that brings it first, so the links that it went over make a tree, and answers
//! once for itself, as soon as what is asked is so. Answers go back along the tree. When a link of it breaks they are lost: who
//! asked asks again now and then, in a new round, which makes a new tree, and counts who answered, not answers. Nodes forget a
//! question after a while. A question about so many disks goes no further than so many links: in a connected graph
//! at least as many daemons are within reach.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::ReplicaId;
use crate::sync::frame::{Entry, Frame};
use crate::sync::held::Held;
use crate::sync::link::{Fault, Link};
use crate::sync::node::Node;
use crate::sync::{DocId, Document, Kind, LinkId, MAX_ANSWERS, MAX_QUESTIONED, Millis, Output, Role};
use crate::version::VersionVector;

/// How long a node keeps the question of another, ms.
const KEPT: Millis = 20_000;
/// After how long who asked asks again the first time, ms; then after twice that each time, up to `LATEST`.
const AGAIN: Millis = 500;
const LATEST: Millis = 8_000;

/// Whom a question is about.
///
/// ```
/// use crdt::ReplicaId;
/// use crdt::sync::Whom;
/// let (safe, seen) = (Whom::Disks(3), Whom::Peer(ReplicaId::from_u128(7)));
/// assert_ne!(safe, seen);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// The daemons within so many links, each when it has the events safe on its disk.
    Disks(usize),
    /// This peer, a daemon or a client in its present incarnation, when it has the events.
    Peer(ReplicaId),
}

/// Who asked, and the number that it gave the question.
pub(crate) type Name = (ReplicaId, u64);

/// A question as one node has it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    doc: DocId,
    /// As who asked defined it; `None` when it was asked here.
    kind: Option<Kind>,
    wanted: VersionVector,
    whom: Whom,
    /// Raised each time that it is asked again.
    round: u64,
    /// Where it came from; `None` when it was asked here.
    from: Option<LinkId>,
    /// When it is forgotten, or, if it was asked here, asked again.
    due: Millis,
    answered: bool,
    /// For one that was asked here: until when it is asked, and who has answered in any round.
    until: Millis,
    by: BTreeSet<ReplicaId>,
}

/// The questions that a node was asked or has asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Questions {
    all: BTreeMap<Name, Question>,
    of_doc: BTreeSet<(DocId, Name)>,
    due: BTreeSet<(Millis, Name)>,
    /// How much each link has asked, in entries of versions.
    asked: BTreeMap<LinkId, usize>,
    last: u64,
}

impl Questions {
    fn put(&mut self, name: Name, question: Question) {
        self.remove(name);
        self.of_doc.insert((question.doc.clone(), name));
        self.due.insert((question.due, name));
        if let Some(from) = question.from {
            *self.asked.entry(from).or_default() += question.weight();
        }
        self.all.insert(name, question);
    }

    fn remove(&mut self, name: Name) -> Option<Question> {
        let question = self.all.remove(&name)?;
        self.of_doc.remove(&(question.doc.clone(), name));
        self.due.remove(&(question.due, name));
        if let Some(from) = question.from
            && let Some(asked) = self.asked.get_mut(&from)
        {
            *asked -= question.weight();
            if *asked == 0 {
                self.asked.remove(&from);
            }
        }
        Some(question)
    }

    /// Those about a document that were not answered from here.
    fn open(&self, doc: &DocId) -> Vec<Name> {
        if self.of_doc.is_empty() {
            return Vec::new();
        }
        let from = self.of_doc.range((doc.clone(), (ReplicaId::MIN, 0))..);
        let names = from.take_while(|(of, _)| of == doc).map(|(_, name)| *name);
        names.filter(|name| self.all.get(name).is_some_and(|question| !question.answered)).collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.due.first().map(|(due, _)| *due)
    }
}

impl Question {
    fn weight(&self) -> usize {
        1 + self.wanted.len()
    }

    /// How many more links it may go over.
    fn reach(&self) -> usize {
        match self.whom {
            Whom::Disks(links) => links,
            Whom::Peer(_) => usize::MAX,
        }
    }
}

impl<D: Document> Node<D> {
    /// Asks the network who has these events of a document, over any number of links, until a moment or until
    /// [`withdraw`](Self::withdraw). Gives the number of the question: [`Output::Answered`] and
    /// [`answers`](Self::answers) tell who said yes; this node's own disk does not count.
    ///
    /// It costs a frame for each link within reach, again after half a second and then ever more seldom, and one for
    /// each answer and each link that it goes back over. None is answered that names over 65,535 authors, or a document
    /// that is not here.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Document, Input, Kind, LinkId, Node, Output, Role, Whom};
    /// # use crdt::{Doc, ReplicaId, Replicated, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut a: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// # let mut b: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(2), "n2", Role::Daemon), 2);
    /// # let link = LinkId(1);
    /// # a.handle(0, Input::LinkUp { link, dialed: true });
    /// # b.handle(0, Input::LinkUp { link, dialed: false });
    /// # fn carry(from: &mut Node<AnyDoc>, to: &mut Node<AnyDoc>) -> bool {
    /// #     let message = from.poll_transmit(0, LinkId(1));
    /// #     message.map(|bytes| to.handle(0, Input::Frame { link: LinkId(1), bytes })).is_some()
    /// # }
    /// # let meet = |a: &mut Node<AnyDoc>, b: &mut Node<AnyDoc>| while carry(a, b) | carry(b, a) {};
    /// # let put = |node: &mut Node<AnyDoc>, note: &DocId| {
    /// #     node.edit(0, note, Kind::DOC, |doc| doc.as_doc_mut().unwrap().transact(0, |tx| tx.put("x", 1)))
    /// # };
    /// meet(&mut a, &mut b);
    /// put(&mut a, &note)?;
    /// let version = a.version(&note).unwrap().clone();
    /// let seen = a.ask(0, &note, version.clone(), Whom::Peer(b.config().id), 60_000);
    /// let safe = a.ask(0, &note, version.clone(), Whom::Disks(1), 60_000);
    /// meet(&mut a, &mut b);
    /// assert!(a.answers(seen).eq([b.config().id]));
    /// assert_eq!(a.answers(safe).count(), 0); // it is on no disk there
    /// b.handle(9, Input::Durable { doc: note, version });
    /// meet(&mut a, &mut b);
    /// assert!(a.answers(safe).eq([b.config().id]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ask(&mut self, now: Millis, doc: &DocId, wanted: VersionVector, whom: Whom, until: Millis) -> u64 {
        self.questions.last += 1;
        let number = self.questions.last;
        let question = Question {
            doc: doc.clone(),
            kind: None,
            wanted,
            whom,
            round: 0,
            from: None,
            due: until.min(now.saturating_add(AGAIN)),
            until,
            answered: true,
            by: BTreeSet::new(),
        };
        let name = (self.config.id, number);
        self.questions.put(name, question);
        self.pass_on(name);
        self.stirred = true;
        number
    }

    /// Ends a question.
    ///
    /// ```
    /// # use crdt::doc::AnyDoc;
    /// # use crdt::sync::{Config, DocId, Node, Role, Whom};
    /// # use crdt::{ReplicaId, VersionVector};
    /// # let note: DocId = "notes/a".parse()?;
    /// # let mut node: Node<AnyDoc> = Node::new(Config::new(ReplicaId::from_u128(1), "n1", Role::Daemon), 1);
    /// let asked = node.ask(0, &note, VersionVector::new(), Whom::Disks(2), 60_000);
    /// node.withdraw(asked);
    /// assert_eq!(node.next_deadline(), None); // it is not asked again
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn withdraw(&mut self, question: u64) {
        self.questions.remove((self.config.id, question));
    }

    /// Who has answered a question of this node with yes, in order; nobody when there is no such question. See
    /// [`ask`](Self::ask).
    pub fn answers(&self, question: u64) -> impl Iterator<Item = ReplicaId> {
        let question = self.questions.all.get(&(self.config.id, question));
        question.into_iter().flat_map(|question| question.by.iter().copied())
    }

    /// Whether a question may go over a link.
    fn concerns(&self, question: &Question, of: LinkId, link: &Link) -> bool {
        let Some(peer) = link.peer.as_ref().filter(|_| question.from != Some(of)) else { return false };
        let relays = question.from.is_none() || self.config.role == Role::Daemon;
        let about = question.whom == Whom::Peer(peer.id);
        relays && question.reach() > 0 && (about || peer.role == Role::Daemon)
    }

    /// Marks a question on all links that it may go over.
    fn pass_on(&mut self, name: Name) {
        let Some(question) = self.questions.all.get(&name) else { return };
        let over = self.links.iter().filter(|(id, link)| self.concerns(question, *id, link));
        let over: Vec<LinkId> = over.map(|(id, _)| id).collect();
        for id in over {
            if let Some(link) = self.links.get_mut(&id) {
                link.questions.insert(name);
            }
        }
    }

    /// Marks all questions that may go over a link that is new.
    pub(crate) fn ask_again_on(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let all = self.questions.all.iter();
        let names: BTreeSet<Name> =
            all.filter(|(_, question)| self.concerns(question, id, link)).map(|(name, _)| *name).collect();
        if let Some(link) = self.links.get_mut(&id) {
            link.questions = names;
        }
    }

    /// The link is gone: what came over it cannot be answered, and answers to what went over it may be lost.
    pub(crate) fn end_questions_of(&mut self, now: Millis, id: LinkId) {
        let all = self.questions.all.iter();
        let gone: Vec<Name> =
            all.filter(|(_, question)| question.from == Some(id)).map(|(name, _)| *name).collect();
        gone.into_iter().for_each(|name| drop(self.questions.remove(name)));
        let own = (self.config.id, 0)..=(self.config.id, u64::MAX);
        let own: Vec<Name> = self.questions.all.range(own).map(|(name, _)| *name).collect();
        for name in own {
            if let Some(question) = self.questions.remove(name) {
                let due = question.due.min(now.saturating_add(AGAIN));
                self.questions.put(name, Question { due, ..question });
            }
        }
    }

    /// Forgets the questions of others that are old, and asks its own again.
    pub(crate) fn renew_questions(&mut self, now: Millis) {
        while let Some((due, name)) = self.questions.due.first().copied().filter(|(due, _)| *due <= now) {
            let Some(question) = self.questions.remove(name) else { return };
            if question.until > now {
                let round = question.round + 1;
                let later = AGAIN.saturating_mul(1 << round.min(10)).min(LATEST);
                let due = due.max(now).saturating_add(later).min(question.until);
                self.questions.put(name, Question { round, due, ..question });
                self.pass_on(name);
            }
        }
    }

    /// After a document changed or became safe: answers the questions about it of which that was waited for.
    pub(crate) fn answer_about(&mut self, doc: &DocId) {
        self.questions.open(doc).into_iter().for_each(|name| self.answer(name));
    }

    fn answer(&mut self, name: Name) {
        let Some(question) = self.questions.all.get_mut(&name).filter(|question| !question.answered) else {
            return;
        };
        let empty = VersionVector::new();
        let held = self.docs.get(&question.doc);
        let have = match question.whom {
            Whom::Peer(peer) if peer == self.config.id => held.map_or(&empty, Held::version),
            Whom::Disks(_) if self.config.role == Role::Daemon => held.map_or(&empty, Held::durable),
            _ => return,
        };
        if have.covers(&question.wanted) {
            question.answered = true;
            let from = question.from;
            from.into_iter().for_each(|link| self.send_answer(link, name, self.config.id));
        }
    }

    fn send_answer(&mut self, to: LinkId, question: Name, by: ReplicaId) {
        if let Some(link) = self.links.get_mut(&to).filter(|link| link.answers.len() < MAX_ANSWERS) {
            link.answers.insert((question, by));
        }
    }

    pub(crate) fn take_question(&mut self, now: Millis, id: LinkId, asked: &Asked) -> Result<(), Fault> {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let (doc, kind) = link.doc_at(asked.doc)?;
        let (asker, wanted) = (link.replica_at(asked.asker)?, link.version_at(&asked.wanted)?);
        let whom = match asked.peer {
            Some(peer) => Whom::Peer(link.replica_at(peer)?),
            // This link was one of them.
            None => Whom::Disks(usize::try_from(asked.reach).unwrap_or(usize::MAX).saturating_sub(1)),
        };
        // An app asks for itself.
        let stranger = link.peer.as_ref().is_some_and(|p| p.role == Role::Client && p.id != asker);
        if stranger || asker == self.config.id || !self.accepts(&doc, kind) {
            return Ok(());
        }
        let name = (asker, asked.number);
        let question = Question {
            doc,
            kind: Some(kind),
            wanted,
            whom,
            round: asked.round,
            from: Some(id),
            due: now.saturating_add(KEPT),
            until: 0,
            answered: false,
            by: BTreeSet::new(),
        };
        let old = self.questions.all.get(&name);
        if old.is_some_and(|old| (old.round, old.reach()) >= (question.round, question.reach())) {
            return Ok(());
        }
        let replaced = old.filter(|old| old.from == Some(id)).map_or(0, Question::weight);
        let already = self.questions.asked.get(&id).copied().unwrap_or_default() - replaced;
        if already + question.weight() <= MAX_QUESTIONED {
            self.questions.put(name, question);
            self.answer(name);
            self.pass_on(name);
        }
        Ok(())
    }

    pub(crate) fn take_answer(&mut self, id: LinkId, asker: u64, number: u64, by: u64) -> Result<(), Fault> {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let (name, by) = ((link.replica_at(asker)?, number), link.replica_at(by)?);
        let client = link.peer.as_ref().filter(|peer| peer.role == Role::Client);
        let Some(question) = self.questions.all.get_mut(&name) else { return Ok(()) };
        let fits = match question.whom {
            Whom::Disks(_) => client.is_none() && by != name.0,
            Whom::Peer(peer) => by == peer && client.is_none_or(|client| client.id == peer),
        };
        if !fits {
            return Ok(());
        }
        match question.from {
            Some(from) => self.send_answer(from, name, by),
            None => {
                if question.by.len() < MAX_ANSWERS && question.by.insert(by) {
                    let doc = question.doc.clone();
                    self.outputs.push_back(Output::Answered { question: number, doc, by });
                }
            }
        }
        Ok(())
    }

    pub(crate) fn stage_question(&mut self, id: LinkId, name: Name) -> Result<(), Fault> {
        let (Some(question), Some(link)) = (self.questions.all.get(&name), self.links.get_mut(&id)) else {
            return Ok(());
        };
        // A document that is nowhere yet has no kind: when it is asked again it may have.
        let held = self.docs.get(&question.doc).map(Held::kind);
        let Some(kind) = held.or(question.kind) else { return Ok(()) };
        let doc = link.doc_ix(&question.doc, kind)?;
        let asker = link.replica_ix(name.0)?;
        let peer = match question.whom {
            Whom::Peer(peer) => Some(link.replica_ix(peer)?),
            Whom::Disks(_) => None,
        };
        let (number, round, reach) = (name.1, question.round, question.reach() as u64);
        let wanted = link.version_ix(&question.wanted)?;
        link.stage(&Frame::Question(Asked { doc, asker, number, round, reach, peer, wanted }));
        Ok(())
    }

    pub(crate) fn stage_answer(&mut self, id: LinkId, (name, by): (Name, ReplicaId)) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let (asker, by) = (link.replica_ix(name.0)?, link.replica_ix(by)?);
        link.stage(&Frame::Answer { asker, number: name.1, by });
        Ok(())
    }
}

/// A question on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    pub(crate) doc: u64,
    pub(crate) asker: u64,
    pub(crate) number: u64,
    pub(crate) round: u64,
    /// Over how many links it may go, the one that it is on among them.
    pub(crate) reach: u64,
    pub(crate) peer: Option<u64>,
    pub(crate) wanted: Vec<Entry>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::AnyDoc;
    use crate::sync::frame::Hello;
    use crate::sync::{Config, Input, Interest, PROTOCOL};

    const LINK: LinkId = LinkId(1);

    fn id(n: u128) -> ReplicaId {
        ReplicaId::from_u128(n)
    }

    /// A node that peer 2, of this role, is linked to, which has named a document and replicas 1 to 4 by these numbers less one.
    fn met(role: Role) -> Node<AnyDoc> {
        let mut node: Node<AnyDoc> = Node::new(Config::new(id(1), "n1", Role::Daemon), 1);
        node.handle(0, Input::LinkUp { link: LINK, dialed: false });
        let hello = Hello {
            oldest: PROTOCOL,
            newest: PROTOCOL,
            id: id(2),
            name: String::new(),
            address: String::new(),
            role,
            interest: Interest::everything(),
            required: 0,
            optional: 0,
        };
        say(&mut node, &Frame::Hello(hello));
        say(&mut node, &Frame::DefineDoc { kind: Kind::DOC, name: "doc".parse().unwrap() });
        (1..=4).for_each(|n| say(&mut node, &Frame::DefineReplica(id(n))));
        node
    }

    fn say(node: &mut Node<AnyDoc>, frame: &Frame) {
        node.handle(0, Input::Frame { link: LINK, bytes: frame.to_bytes() });
        assert!(node.links.contains_key(&LINK), "{frame:?}");
    }

    #[test]
    fn a_client_answers_for_itself_alone() {
        for (role, whom, by, counts) in [
            (Role::Client, Whom::Disks(2), 2, false),
            (Role::Client, Whom::Disks(2), 3, false),
            (Role::Client, Whom::Peer(id(2)), 2, true),
            (Role::Client, Whom::Peer(id(3)), 3, false),
            (Role::Daemon, Whom::Disks(2), 2, true),
            (Role::Daemon, Whom::Disks(2), 3, true),
            (Role::Daemon, Whom::Disks(2), 1, false), // its own disk it knows itself
            (Role::Daemon, Whom::Peer(id(3)), 3, true),
            (Role::Daemon, Whom::Peer(id(3)), 2, false),
        ] {
            let mut node = met(role);
            let number = node.ask(0, &"doc".parse().unwrap(), VersionVector::new(), whom, 1_000);
            say(&mut node, &Frame::Answer { asker: 0, number, by: by - 1 });
            assert_eq!(node.answers(number).count(), usize::from(counts), "{role:?} for {by} of {whom:?}");
            say(&mut node, &Frame::Answer { asker: 0, number: number + 1, by: by - 1 }); // never asked
        }
    }

    #[test]
    fn a_link_may_have_so_many_questions_open_and_clients_ask_for_themselves() {
        let asked = |number| Asked {
            doc: 0,
            asker: 1,
            number,
            round: 0,
            reach: 3,
            peer: None,
            wanted: (0..4).map(|replica| (replica, 1)).collect(),
        };
        let mut node = met(Role::Client);
        say(&mut node, &Frame::Question(Asked { asker: 2, ..asked(0) }));
        assert_eq!(node.questions.all.len(), 0);
        (0..20_000).for_each(|number| say(&mut node, &Frame::Question(asked(number))));
        assert_eq!(node.questions.all.len(), MAX_QUESTIONED / 5);
        // The same again is nothing new, in a later round it takes the place of the earlier.
        say(&mut node, &Frame::Question(Asked { round: 1, ..asked(0) }));
        assert_eq!(node.questions.all.get(&(id(2), 0)).map(|question| question.round), Some(1));
        assert_eq!(node.questions.asked.get(&LINK), Some(&(MAX_QUESTIONED / 5 * 5)));
        node.handle(KEPT, Input::Wake);
        assert!(node.questions.all.is_empty() && node.questions.of_doc.is_empty());
        assert!(node.questions.asked.is_empty() && node.questions.due.is_empty());
    }
}
