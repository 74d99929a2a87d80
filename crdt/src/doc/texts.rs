//! The texts of a document, and the orders of its lists, by path.

use crate::sorted::SortedMap;
use crate::text::Text;

use super::path::Path;

/// Texts by path. The one that was edited last is found without a search: the next edit is mostly there too.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    all: SortedMap<Path, Text>,
    /// Where the one was that was edited last; another may have come there.
    last: (usize, usize),
}

impl Texts {
    pub(super) fn get(&self, path: &Path) -> Option<&Text> {
        self.all.get(path)
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.is_last(|last| last == path) || self.all.get(path).is_some()
    }

    fn is_last(&self, is: impl FnOnce(&Path) -> bool) -> bool {
        self.all.entry_at(self.last).is_some_and(|(last, _)| is(last))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All in the order of their paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &Text)> {
        self.all.iter()
    }

    /// All paths in order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.all.keys()
    }

    /// The paths from one on, in order.
    pub(super) fn paths_from<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.all.onward(path).map(|(path, _)| path).skip_while(move |before| *before < path)
    }

    /// The last path in order.
    pub(super) fn last_path(&self) -> Option<&Path> {
        self.all.keys().next_back()
    }

    /// Changes each.
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut Text)) {
        self.all.retain(|_, text| {
            change(text);
            true
        });
    }

    /// Puts in a text at a path at which there is none.
    pub(super) fn insert(&mut self, path: Path, text: Text) {
        self.all.insert(path, text);
    }

    /// The text at a path, an empty one if there was none, for an edit.
    pub(super) fn edit(&mut self, path: &Path) -> (&Path, &mut Text) {
        if !self.is_last(|last| last == path) {
            self.last = self.all.place_or_default(path);
        }
        self.all.entry_at_mut(self.last)
    }

    /// The text at a root, an empty one if there was none, for an edit.
    pub(super) fn edit_root(&mut self, root: &str) -> (&Path, &mut Text) {
        if !self.is_last(|last| last.is_root_text(root)) {
            self.last = self.all.place_or_default(&Path::root_text(root));
        }
        self.all.entry_at_mut(self.last)
    }
}
