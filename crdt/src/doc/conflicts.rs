//! Which concurrent edits met, who won, and by what rule: what [`Doc::conflicts`] and [`Change::conflicts`] tell of
//! registers, of moves, and of what was edited while another removed it. (Those of marks are in `marks/conflict.rs`, of nodes
//! of a tree that were removed in `lost.rs`.)
//!
//! All of it follows from the state, so in whichever order two replicas merge they tell the same. What was removed
//! leaves nothing but the entry of its removal: where an edit stays beside a removal, both have ended the value that
//! was there before.
//!
//! [`Change::conflicts`]: super::Change::conflicts

use std::collections::{BTreeMap, BTreeSet};

use crate::context::DotRanges;
use crate::dots::{DotSet, DotStore, RemovalLog};
use crate::hlc::Hlc;
use crate::id::{Dot, Span};
use crate::register::LwwRegister;
use crate::text::Text;
use crate::tree::Parent;

use super::change::{Candidate, Conflict, Rule};
use super::list::List;
use super::node::Node;
use super::path::Path;
use super::record::Record;
use super::tree::Outline;
use super::{Doc, Scalar};

/// What a merge put elsewhere at one place, and which nodes of a tree had given way before it.
#[derive(Clone, Default, Debug)]
pub(super) struct Moved {
    pub(super) placed: BTreeSet<Dot>,
    pub(super) gave_way: BTreeSet<Dot>,
}

impl Doc {
    /// The conflicts of what holds plain values at a place; with `news`, of what was added and removed only those that
    /// these events made. Writes of a register settle what was before.
    pub(super) fn leaf_conflicts(&self, path: &Path, node: &Node, news: Option<&DotRanges>) -> Vec<Conflict> {
        match node {
            Node::Register(register) => {
                self.later(path, None, candidates(register, Scalar::clone)).into_iter().collect()
            }
            Node::DwFlag(flag) => {
                self.removed(path, &flag.0, [true, false].map(Scalar::from), news).into_iter().collect()
            }
            Node::RwSet(set) => {
                let met = |dots: &&(DotSet, DotSet)| !dots.0.is_bottom() && !dots.1.is_bottom();
                let all = set.0.iter().filter(|(_, dots)| met(dots));
                let values = |member: &Scalar| [member.clone(), Scalar::Null];
                all.filter_map(|(member, dots)| self.removed(path, dots, values(member), news)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The conflict of adding and removing where removing wins; `values` are what to tell of each.
    fn removed(
        &self,
        path: &Path,
        (added, removed): &(DotSet, DotSet),
        [of_added, of_removed]: [Scalar; 2],
        news: Option<&DotRanges>,
    ) -> Option<Conflict> {
        let all = || added.iter().chain(removed.iter()).map(|(dot, ())| dot);
        if news.is_some_and(|news| !all().any(|dot| news.contains(dot))) {
            return None;
        }
        let of =
            |value: &Scalar, dot: Dot| Candidate { value: value.clone(), author: dot.replica, stamp: None };
        let losers: Vec<Candidate> = added.iter().rev().map(|(dot, ())| of(&of_added, dot)).collect();
        let winner = of(&of_removed, removed.iter().next_back().filter(|_| !losers.is_empty())?.0);
        let path = self.pointer(path)?;
        Some(Conflict { path, mark: None, item: None, rule: Rule::RemovalWins, winner, losers })
    }

    /// The conflicts of moves in the list or tree at a place; with `moved` those that are new by it.
    pub(super) fn move_conflicts(&self, path: &Path, node: &Node, moved: Option<&Moved>) -> Vec<Conflict> {
        match node {
            Node::List(list) => {
                let all = || list.moved().collect();
                let elements = moved.map_or_else(all, |moved| moved.placed.clone());
                elements.into_iter().filter_map(|element| self.list_conflict(path, list, element)).collect()
            }
            Node::Tree(tree) => {
                let all = || tree.placed().collect();
                let placed = moved.map_or_else(all, |moved| moved.placed.clone());
                let met = placed.iter().filter_map(|node| self.tree_conflict(path, tree, *node));
                let is_new = |node: &Dot| {
                    moved.is_none_or(|moved| moved.placed.contains(node) || !moved.gave_way.contains(node))
                };
                let circles = tree.gave_way().filter(is_new).filter_map(|node| self.circle(path, tree, node));
                met.chain(circles).collect()
            }
            _ => Vec::new(),
        }
    }

    fn list_conflict(&self, path: &Path, list: &List, element: Dot) -> Option<Conflict> {
        let moves = list.moves(element).filter(|moves| moves.candidates().nth(1).is_some())?;
        let order: &Text = self.texts.get(path)?;
        list.place(order, element).filter(|(_, here)| *here)?;
        let index = |slot: &Dot| list.index_of(order, *slot).map_or(Scalar::Null, |i| Scalar::from(i as i64));
        self.later(path, Some(element), candidates(moves, index))
    }

    fn tree_conflict(&self, path: &Path, tree: &Outline, node: Dot) -> Option<Conflict> {
        let moves = tree.moves(node).filter(|moves| moves.len() > 1)?;
        self.later(path, Some(node), moves.into_iter().map(|(dot, at, parent)| moved(dot, at, parent)))
    }

    /// The move that gave way since it would have closed a cycle.
    fn circle(&self, path: &Path, tree: &Outline, node: Dot) -> Option<Conflict> {
        let (dot, stamp, wanted) = tree.moves(node)?.into_iter().next()?;
        let above = match wanted {
            Parent::Node(parent) => tree.way_up(parent).take_while(|above| *above != node).collect(),
            Parent::Root | Parent::Trash => Vec::new(),
        };
        let last = |above: Dot| tree.moves(above)?.into_iter().next().map(|(dot, stamp, _)| (stamp, dot));
        let (at, by) = above.into_iter().filter_map(last).max()?;
        let winner = moved(by, at, tree.parent_of(node)?);
        let losers = vec![moved(dot, stamp, wanted)];
        Some(Conflict {
            path: self.pointer(path)?,
            mark: None,
            item: Some(node),
            rule: Rule::Circle,
            winner,
            losers,
        })
    }

    fn later(
        &self,
        path: &Path,
        item: Option<Dot>,
        mut all: impl Iterator<Item = Candidate>,
    ) -> Option<Conflict> {
        let (winner, losers) = (all.next()?, all.collect::<Vec<_>>());
        if losers.is_empty() {
            return None;
        }
        Some(Conflict { path: self.pointer(path)?, mark: None, item, rule: Rule::Later, winner, losers })
    }

    /// All dots that several events ended. Costs the removal log.
    pub(super) fn ended_by_several(&self) -> DotRanges {
        RemovalLog::default().ended_twice(&DotRanges::new(), &self.removals)
    }

    /// The dots that several events ended of which a merge told something. What shows one of several may show now what had
    /// lost when it met a removal.
    pub(super) fn met_by(&self, record: &Record) -> DotRanges {
        let mut twice = record.twice.clone();
        if let Some(met) = self.met.as_ref().filter(|met| !met.is_empty()) {
            for node in record.touched().filter_map(|path| self.node(path.keys())) {
                for (dot, _) in shown_by(node) {
                    twice.extend(&self.removals.of(dot).map(|ended| ended.meet(met)).unwrap_or_default());
                }
            }
            // Of an edit that meets one more removal all are told.
            for (edit, _) in self.edits_and_removals(&twice, &mut DotRanges::new()).into_keys() {
                twice.extend(&self.removals.of(edit).map(|ended| ended.meet(met)).unwrap_or_default());
            }
        }
        twice
    }

    /// The edits that stay beside concurrent removals of what they changed, and the dots of which more may be told;
    /// `twice` are dots that several events have ended. Costs the removal log, where there are any.
    pub(super) fn removal_conflicts(&self, twice: &DotRanges) -> (Vec<Conflict>, DotRanges) {
        let mut unsettled = DotRanges::new();
        let mut found: BTreeMap<Dot, Vec<Dot>> = BTreeMap::new();
        for ((edit, removal), both) in self.edits_and_removals(twice, &mut unsettled) {
            unsettled.extend(&both);
            found.entry(edit).or_default().push(removal);
        }
        let told = found.into_iter().filter_map(|(edit, removals)| {
            let (path, value) = self.shown_of(edit)?;
            let lost = if path.is_flag() { Scalar::from(false) } else { Scalar::Null };
            let of = |dot: &Dot| Candidate { value: lost.clone(), author: dot.replica, stamp: None };
            Some(Conflict {
                path: self.pointer(&path).filter(|_| self.is_in_view(&path))?,
                mark: None,
                item: None,
                rule: Rule::EditStays,
                winner: Candidate { value, author: edit.replica, stamp: None },
                losers: removals.iter().rev().map(of).collect(),
            })
        });
        (told.collect(), unsettled)
    }

    /// Pairs of an event whose effect is here and a concurrent one that only removed, with the dots that both ended. Those
    /// that two effects ended are `unsettled`: of one of them a removal may come.
    fn edits_and_removals(
        &self,
        twice: &DotRanges,
        unsettled: &mut DotRanges,
    ) -> BTreeMap<(Dot, Dot), DotRanges> {
        if twice.is_empty() {
            return BTreeMap::new();
        }
        let mut all: Vec<(Span, Dot)> = Vec::new();
        for (by, ended) in self.removals.iter() {
            all.extend(ended.meet(twice).iter_ranges().map(|span| (span, by)));
        }
        all.sort_unstable_by_key(|(span, by)| (span.replica, span.after, *by));
        let mut pairs: BTreeMap<(Dot, Dot), DotRanges> = BTreeMap::new();
        let (mut kinds, mut open) = (BTreeMap::new(), Vec::<(Span, Dot)>::new());
        let mut is_edit = |by: Dot| *kinds.entry(by).or_insert_with(|| self.leaf_of(by).is_some());
        for (span, by) in all {
            open.retain(|(other, _)| other.replica == span.replica && other.to > span.after);
            for (with, other) in &open {
                let both = Span { to: span.to.min(with.to), ..span };
                match (is_edit(by), is_edit(*other)) {
                    (true, false) => pairs.entry((by, *other)).or_default().insert_span(both),
                    (false, true) => pairs.entry((*other, by)).or_default().insert_span(both),
                    (true, true) => unsettled.insert_span(both),
                    (false, false) => {}
                }
            }
            open.push((span, by));
        }
        let is_removal = |by: Dot| !self.removals.removed().contains(by);
        pairs.retain(|(edit, removal), _| is_removal(*removal) && !self.graph.saw(*edit, *removal));
        pairs
    }

    /// The place, with no place below it, at which what an event wrote is.
    fn leaf_of(&self, event: Dot) -> Option<(Path, &Node)> {
        let events: DotRanges = core::iter::once(Span::from(event)).collect();
        let (mut path, mut places) = (Path::default(), &self.tree);
        loop {
            let key = places.keys_within(&events).into_iter().next()?;
            let node = places.get(&key)?;
            path.push(key);
            match node.places() {
                Some(below) => places = below,
                None => return Some((path, node)),
            }
        }
    }

    /// What an event wrote, as far as it is told.
    pub(super) fn written_by(&self, event: Dot) -> Option<Scalar> {
        self.shown_of(event).map(|(_, value)| value)
    }

    /// What an event wrote, as far as it is shown.
    fn shown_of(&self, event: Dot) -> Option<(Path, Scalar)> {
        let (path, node) = self.leaf_of(event)?;
        let value = match node {
            Node::Flag(flag) => Scalar::from(flag.is_enabled()),
            Node::Set(set) => set.member_of(event)?.clone(),
            Node::Counter(counter) => Scalar::from(counter.value()),
            Node::Values(register) => register.candidates().find(|(dot, _)| *dot == event)?.1.clone(),
            node => shown_by(node).into_iter().find(|(dot, _)| *dot == event)?.1,
        };
        Some((path, value))
    }
}

/// The events whose effect is shown, and what it is, of types in which something else can hide it.
fn shown_by(node: &Node) -> Vec<(Dot, Scalar)> {
    let best = |all: &mut dyn Iterator<Item = (Dot, &i64)>, best: Option<&i64>| {
        all.filter(|(_, n)| Some(*n) == best).map(|(dot, n)| (dot, Scalar::from(*n))).collect()
    };
    let added = |(added, removed): &(DotSet, DotSet), value: &Scalar| {
        let dots = added.iter().filter(|_| removed.is_bottom());
        dots.map(|(dot, ())| (dot, value.clone())).collect::<Vec<_>>()
    };
    match node {
        Node::Register(register) => {
            register.latest().map(|(dot, _, value)| (dot, value.clone())).into_iter().collect()
        }
        Node::Max(register) => best(&mut register.candidates(), register.get()),
        Node::Min(register) => best(&mut register.candidates(), register.get()),
        Node::DwFlag(flag) => added(&flag.0, &true.into()),
        Node::RwSet(set) => set.0.iter().flat_map(|(member, dots)| added(dots, member)).collect(),
        _ => Vec::new(),
    }
}

fn candidates<T: Clone + PartialEq + core::fmt::Debug>(
    register: &LwwRegister<T>,
    value: impl Fn(&T) -> Scalar,
) -> impl Iterator<Item = Candidate> {
    let of = move |(dot, stamp, at): (Dot, Hlc, &T)| Candidate {
        value: value(at),
        author: dot.replica,
        stamp: Some(stamp),
    };
    register.candidates().map(of)
}

/// A move of a node: the id of the node above as the rows of the tree have it, `top`, or null for one that removed it.
fn moved(dot: Dot, stamp: Hlc, parent: Parent) -> Candidate {
    let value = match parent {
        Parent::Root => Scalar::from("top"),
        Parent::Trash => Scalar::Null,
        Parent::Node(node) => Scalar::from(super::tree::id_of(node)),
    };
    Candidate { value, author: dot.replica, stamp: Some(stamp) }
}

/// In the order of their places; those of one place as they are.
pub(super) fn by_path(conflicts: &mut [Conflict]) {
    conflicts.sort_by(|a, b| a.path.cmp(&b.path));
}

/// The dots of one set that are not in another.
pub(super) fn without(all: &DotRanges, gone: &DotRanges) -> DotRanges {
    let mut left = DotRanges::new();
    for span in all.iter_ranges() {
        let (run, mut after): (DotRanges, _) = (core::iter::once(span).collect(), span.after);
        for part in run.meet(gone).iter_ranges() {
            left.insert_span(Span { after, to: part.after, ..span });
            after = part.to;
        }
        left.insert_span(Span { after, ..span });
    }
    left
}
