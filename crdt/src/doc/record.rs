//! [`Record`]: what one transaction or merge did, noted as it goes, for patches and for undo.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::DotRanges;
use crate::id::{Dot, Span};
use crate::sorted::few;
use crate::text::TextPatch;

use super::change::Patch;
use super::conflicts::Moved;
use super::lost::trees_above;
use super::marks::{self, Index, News};
use super::node::{Node, Places};
use super::path::{Key, Path, Shape};
use super::texts::Texts;
use super::tree::{Outline, Standing};
use super::undo::Inverse;
use super::{Doc, Value, view};

/// What happened so far in an open transaction or merge.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Whether inverses are wanted, too.
    undo: bool,
    /// Whether somebody hears of it, so that patches are wanted.
    watched: bool,
    /// The places in the tree that changed, with what was there before.
    touched: BTreeMap<Path, Option<Value>>,
    /// The lists and logs that changed, with their elements and entries as they were.
    lists: BTreeMap<Path, Vec<Dot>>,
    /// The trees that changed, as they were.
    trees: BTreeMap<Path, Standing>,
    texts: Vec<(Path, TextPatch)>,
    /// Of texts that had marks before: what was inserted, each span in one place.
    inserted: BTreeMap<Path, Vec<Span>>,
    /// The marks that came and went, by the paths of their texts.
    marks: BTreeMap<Path, News>,
    inverses: Vec<Inverse>,
    /// What a merge moved, at each list and tree.
    pub(super) moved: BTreeMap<Path, Moved>,
    /// The dots that a merge ended and something else ended too.
    pub(super) twice: DotRanges,
    /// The events that a merge brought.
    pub(super) news: DotRanges,
}

impl Record {
    pub(super) fn new(watched: bool, undo: bool) -> Self {
        Record { undo, watched, ..Record::default() }
    }

    pub(super) fn wants_inverses(&self) -> bool {
        self.undo
    }

    /// Notes a place that changed; `before` is the value that was there, which [`before`](Self::before) read.
    pub(super) fn touch(&mut self, path: &Path, before: Option<Value>) {
        if !self.touched.contains_key(path) {
            self.touched.insert(path.clone(), before);
        }
    }

    /// The value of a place that may change now for the first time, if anybody wants to know; of a map only that
    /// there is one, as what is in it has places of its own.
    pub(super) fn before(&self, path: &Path, tree: &Places) -> Option<Value> {
        let wanted = self.watched && !self.touched.contains_key(path);
        match view::node(tree, path.keys()).filter(|_| wanted)? {
            node @ Node::Map(_) => node.shows().then(|| Value::Map(BTreeMap::new())),
            Node::Log(_) => None, // noted by its entries
            node => node.leaf(),
        }
    }

    /// Notes the elements of a list that is about to change for the first time.
    pub(super) fn list(&mut self, path: &Path, tree: &Places, texts: &Texts) {
        if !self.lists.contains_key(path) {
            let list = match view::node(tree, path.keys()) {
                Some(Node::List(list)) => Some(&**list),
                _ => None,
            };
            self.lists.insert(path.clone(), view::elements(list, texts.get(path)));
        }
    }

    /// Notes the entries of a log that is about to change for the first time.
    pub(super) fn log(&mut self, path: &Path, tree: &Places) {
        if self.watched && !self.lists.contains_key(path) {
            let log = view::node(tree, path.keys()).and_then(Node::log);
            self.lists.insert(path.clone(), log.map(view::entries).unwrap_or_default());
        }
    }

    /// Notes how a tree stands that is about to change for the first time.
    pub(super) fn tree(&mut self, path: &Path, tree: &Places) {
        let is_tree = path.parent().is_some_and(|(_, key)| key.shape == Shape::Tree);
        if is_tree && !self.trees.contains_key(path) {
            let standing = match view::node(tree, path.keys()) {
                Some(Node::Tree(tree)) => tree.standing(),
                _ => Standing::default(),
            };
            self.trees.insert(path.clone(), standing);
        }
    }

    /// Notes a change of a text; one that goes on from the last becomes one with it.
    pub(super) fn text(&mut self, path: &Path, patch: TextPatch) {
        match self.texts.last_mut().filter(|(last, _)| last == path) {
            Some((_, last)) if last.goes_on(&patch) => last.extend(patch),
            _ => self.texts.push((path.clone(), patch)),
        }
    }

    /// Notes what was inserted in a text that has marks.
    pub(super) fn inserted(&mut self, path: &Path, spans: impl IntoIterator<Item = Span>) {
        match self.inserted.get_mut(path) {
            Some(all) => all.extend(spans),
            None => drop(self.inserted.insert(path.clone(), spans.into_iter().collect())),
        }
    }

    /// Notes which marks of a text came and went.
    pub(super) fn marks(&mut self, path: &Path, news: News) {
        self.marks.entry(path.clone()).or_default().extend(news);
    }

    /// The marks that came and went, by the paths of their texts.
    pub(super) fn new_marks(&self) -> impl Iterator<Item = (&Path, &News)> {
        self.marks.iter()
    }

    /// The patches of attributes of the texts, as they are now.
    fn mark_patches(&self, doc: &Doc, shown: impl Fn(&Path) -> Option<String>, patches: &mut Vec<Patch>) {
        let (nothing, none) = (News::default(), Index::default());
        let paths: BTreeSet<Path> = few(self.inserted.keys().chain(self.marks.keys()).cloned());
        for path in &paths {
            if let (Some(pointer), Some(text)) = (shown(path), doc.texts.get(path)) {
                let index = doc.marks_of(path).unwrap_or(&none);
                let news = self.marks.get(path).unwrap_or(&nothing);
                let inserted = self.inserted.get(path).map_or(&[][..], Vec::as_slice);
                patches.extend(marks::patches(&pointer, text, index, news, inserted));
            }
        }
    }

    pub(super) fn inverse(&mut self, inverse: Inverse) {
        if self.undo {
            self.inverses.push(inverse);
        }
    }

    pub(super) fn take_inverses(&mut self) -> Vec<Inverse> {
        std::mem::take(&mut self.inverses)
    }

    /// Notes what a merge will move in the list or tree at a path: which stands here, and of which this comes.
    pub(super) fn moves(&mut self, path: &Path, here: Option<&Node>, there: Option<&Node>) {
        let placed = match there {
            Some(Node::List(list)) => list.moved().collect(),
            Some(Node::Tree(tree)) => tree.placed().collect(),
            _ => BTreeSet::new(),
        };
        let gave_way = match here {
            Some(Node::Tree(tree)) => tree.gave_way().collect(),
            _ => BTreeSet::new(),
        };
        self.moved.insert(path.clone(), Moved { placed, gave_way });
    }

    /// The trees in which a merge may have changed something.
    pub(super) fn trees_with_news(&self) -> BTreeSet<Path> {
        let changed = self.texts().chain(self.touched()).flat_map(trees_above);
        few(changed.chain(self.moved.keys().filter(|path| path.is_tree()).cloned()))
    }

    /// The texts that changed.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Path> {
        self.texts.iter().map(|(path, _)| path)
    }

    /// The places whose registers may have conflicts now.
    pub(super) fn touched(&self) -> impl Iterator<Item = &Path> {
        self.touched.keys()
    }

    /// The patches: lists and trees from the outside in, then texts, then their attributes, then values. Their paths are those of the document
    /// as it is now; what came into a list came with all below it.
    pub(super) fn patches(&self, doc: &Doc) -> Vec<Patch> {
        let mut patches = Vec::new();
        let mut came = BTreeSet::new();
        let shown = |path: &Path, came: &BTreeSet<Dot>| {
            let is_told = |path: &Path| path.items().any(|element| came.contains(&element));
            doc.pointer(path).filter(|_| !is_told(path) && doc.is_in_view(path))
        };
        let mut whole = self.uncovered(doc);
        let others = self.lists.iter().filter(|(path, before)| self.was_other(doc, path, before));
        whole.extend(others.map(|(path, _)| path.clone()));
        for (path, before) in &self.lists {
            let Some(pointer) = shown(path, &came) else { continue };
            let log = doc.node(path.keys()).and_then(Node::log);
            let after = log.map_or_else(|| doc.elements(path), view::entries);
            if whole.contains(path) {
                came.extend(after);
                continue;
            }
            let value = |dot| match log {
                Some(log) => log.get(dot).cloned().unwrap_or_default().into(),
                None => doc.element_value(path, dot),
            };
            list_patches(&pointer, (before, &after), &value, &mut came, &mut patches);
        }
        for (path, before) in &self.trees {
            if let Some(pointer) = shown(path, &came) {
                let nothing = Outline::default();
                let after = match doc.node(path.keys()) {
                    Some(Node::Tree(tree)) => tree,
                    _ => &nothing,
                };
                for patch in before.patches(after, &mut came, |node| doc.node_data(path, node)) {
                    patches.push(Patch::Tree { path: pointer.clone(), patch });
                }
            }
        }
        for (path, patch) in &self.texts {
            if let Some(path) = shown(path, &came) {
                patches.push(Patch::Text { path, patch: patch.clone() });
            }
        }
        self.mark_patches(doc, |path| shown(path, &came), &mut patches);
        for (path, before) in self.touched.iter().filter(|(path, _)| !path.is_hidden()) {
            let value = doc.value_of(path);
            // A write that lost, or one of what is there already, changes nothing that anybody sees.
            if value != *before
                && let Some(path) = shown(path, &came)
            {
                patches.push(Patch::Value { path, value });
            }
        }
        for path in whole {
            if let Some(pointer) = shown(&path, &came) {
                patches.push(Patch::Value { path: pointer, value: doc.value_of(&path) });
            }
        }
        patches
    }

    /// Whether something else was shown under the name of a list, so that it cannot be told by what came into it and
    /// went: something in front, or behind where it was empty.
    fn was_other(&self, doc: &Doc, path: &Path, before: &[Dot]) -> bool {
        let Some((above, list)) = path.parent() else { return false };
        let was_shown = |path: &Path| {
            self.touched.get(path).is_some_and(Option::is_some)
                || self.lists.get(path).is_some_and(|before| !before.is_empty())
                || self.texts.iter().any(|(text, _)| text == path)
        };
        let (above, is_new) = (Path::from(above), before.is_empty() && doc.is_visible(path));
        let others = Key::all_named(&list.name).filter(|other| other.shape < list.shape || is_new);
        others.filter(|other| other.shape != list.shape).any(|other| {
            let (is_behind, path) = (other.shape > list.shape, above.child(other));
            was_shown(&path) || is_behind && doc.is_visible(&path)
        })
    }

    /// The places that came into view because one of another type and the same name, in front of them, is empty now.
    fn uncovered(&self, doc: &Doc) -> BTreeSet<Path> {
        let lists = self.lists.iter().filter(|(_, before)| !before.is_empty()).map(|(path, _)| path);
        let trees = self.trees.iter().filter(|(_, before)| !before.is_empty()).map(|(path, _)| path);
        let touched = self.touched.iter().filter(|(_, before)| before.is_some()).map(|(path, _)| path);
        // A text that came and went covered what is behind it for those who follow the patches.
        let texts = self.texts.iter().map(|(path, _)| path).filter(|path| doc.pointer(path).is_some());
        let mut uncovered = BTreeSet::new();
        for path in lists.chain(trees).chain(texts).chain(touched) {
            let mut path = path.clone();
            while !doc.is_visible(&path)
                && let Some((above, key)) = path.parent()
            {
                let above = Path::from(above);
                let behind = doc.shown(&above, &key.name).filter(|shown| shown.shape > key.shape);
                uncovered.extend(behind.map(|key| above.child(key)));
                path = above;
            }
        }
        uncovered
    }
}

/// The smallest removals and insertions that lead from one order of elements to another.
fn list_patches(
    pointer: &str,
    (old, new): (&[Dot], &[Dot]),
    value: &dyn Fn(Dot) -> Value,
    came: &mut BTreeSet<Dot>,
    out: &mut Vec<Patch>,
) {
    let stays = common(old, new);
    let (mut i, mut j, mut index) = (0, 0, 0);
    for kept in stays.iter().copied().map(Some).chain([None]) {
        let to_kept = |from: &[Dot]| from.iter().take_while(|dot| Some(**dot) != kept).count();
        let (gone, come) = (to_kept(&old[i..]), to_kept(&new[j..]));
        if gone + come > 0 {
            let inserted = new[j..j + come].iter();
            came.extend(inserted.clone());
            let inserted = inserted.copied().map(value).collect();
            out.push(Patch::List { path: pointer.to_owned(), index, removed: gone, inserted });
        }
        (i, j, index) = (i + gone + 1, j + come + 1, index + come + 1);
    }
}

/// A longest sequence of elements that both orders have: the longest increasing run of new places, in the
/// old order. `O(n log n)`.
pub(super) fn common(old: &[Dot], new: &[Dot]) -> Vec<Dot> {
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, rest) = (&old[prefix..], &new[prefix..]);
    let place: BTreeMap<Dot, usize> = rest.iter().enumerate().map(|(i, dot)| (*dot, i)).collect();
    // `tails[n]`: the run of length n + 1 that ends earliest, as an index into `links`.
    let (mut tails, mut links): (Vec<usize>, Vec<(usize, Option<usize>)>) = (Vec::new(), Vec::new());
    for at in old.iter().filter_map(|dot| place.get(dot)).copied() {
        let length = tails.partition_point(|tail| links[*tail].0 < at);
        links.push((at, length.checked_sub(1).map(|i| tails[i])));
        let link = links.len() - 1;
        match tails.get_mut(length) {
            Some(tail) => *tail = link,
            None => tails.push(link),
        }
    }
    let mut run = Vec::new();
    let mut link = tails.last().copied();
    while let Some((at, before)) = link.map(|link| links[link]) {
        run.push(rest[at]);
        link = before;
    }
    run.reverse();
    new[..prefix].iter().copied().chain(run).collect()
}
