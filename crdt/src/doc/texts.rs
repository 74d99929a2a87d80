//! The texts of a document, and the orders of its lists, by path.

use std::collections::BTreeMap;

use crate::text::Text;

use super::path::Path;

/// Texts by path. The one that was edited last is found without a search: the next edit is mostly there too.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    /// Where in `all` each is.
    places: BTreeMap<Path, usize>,
    all: Vec<(Path, Text)>,
    /// Where the one is that was edited last.
    last: usize,
}

impl Texts {
    pub(super) fn get(&self, path: &Path) -> Option<&Text> {
        self.places.get(path).map(|at| &self.all[*at].1)
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.is_last(path) || self.places.contains_key(path)
    }

    fn is_last(&self, path: &Path) -> bool {
        self.all.get(self.last).is_some_and(|(last, _)| last == path)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All in the order of their paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &Text)> {
        self.places.iter().map(|(path, at)| (path, &self.all[*at].1))
    }

    /// All paths in order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.places.keys()
    }

    /// The paths from one on, in order.
    pub(super) fn paths_from(&self, path: &Path) -> impl Iterator<Item = &Path> {
        self.places.range(path..).map(|(path, _)| path)
    }

    /// The last path in order.
    pub(super) fn last_path(&self) -> Option<&Path> {
        self.places.last_key_value().map(|(path, _)| path)
    }

    /// All, in no order.
    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut Text> {
        self.all.iter_mut().map(|(_, text)| text)
    }

    /// Puts in a text at a path at which there is none.
    pub(super) fn insert(&mut self, path: Path, text: Text) {
        self.last = self.all.len();
        self.places.insert(path.clone(), self.last);
        // Most documents have one text: no room for three more.
        self.all.reserve_exact(usize::from(self.all.is_empty()));
        self.all.push((path, text));
    }

    /// The text at a path, an empty one if there was none, for an edit.
    pub(super) fn edit(&mut self, path: &Path) -> (&Path, &mut Text) {
        if !self.is_last(path) {
            self.turn_to(path);
        }
        self.last()
    }

    /// The text at a root, an empty one if there was none, for an edit.
    pub(super) fn edit_root(&mut self, root: &str) -> (&Path, &mut Text) {
        if self.all.get(self.last).is_none_or(|(last, _)| !last.is_root_text(root)) {
            self.turn_to(&Path::root_text(root));
        }
        self.last()
    }

    fn turn_to(&mut self, path: &Path) {
        match self.places.get(path) {
            Some(at) => self.last = *at,
            None => self.insert(path.clone(), Text::default()),
        }
    }

    fn last(&mut self) -> (&Path, &mut Text) {
        let (path, text) = &mut self.all[self.last];
        (path, text)
    }
}
