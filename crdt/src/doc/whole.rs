//! A whole document as a delta: what one lacks who has nothing.
//!
//! Its body is what a file has behind the version, so that taking it in costs what loading does: the document
//! can be read at once, and its history is taken in when it is first needed.

use std::collections::BTreeSet;

use crate::codec::Reader;
use crate::context::DotRanges;
use crate::delta::{Applied, ApplyError, Delta, Replicated};
use crate::id::{ReplicaId, Span};
use crate::pack::Packed;
use crate::sorted::few;
use crate::text::{Text, TextPatch};
use crate::version::VersionVector;

use super::file::{Form, check_forgotten, read_forgotten};
use super::path::Path;
use super::record::Record;
use super::wire::{BRIEF, SHALLOW, SHORT, WHOLE};
use super::{Doc, Origin};

/// With fewer events than this a document goes as operations: they are as short, and cheaper.
const MIN_EVENTS: u64 = 256;

/// So does one of so many events or more, in texts of few operations: what was pasted is copied, not compressed.
const PASTED_EVENTS: u64 = 1 << 16;
const FEW_OPERATIONS: usize = 16;

/// Whether a delta is a whole document.
pub(super) fn is_whole(delta: &Delta) -> bool {
    delta.body.first().is_some_and(|flags| flags & !(SHALLOW | BRIEF | SHORT) == WHOLE)
}

impl Doc {
    /// Whether one at `since` must be sent everything, or is best sent everything: who is behind what is
    /// forgotten here, and who has nothing of a document with text in it.
    pub(super) fn goes_whole(&self, since: &VersionVector, until: &VersionVector) -> bool {
        let version = self.version();
        let much = || version.total() >= MIN_EVENTS && !self.texts.is_empty() && !self.is_pasted();
        let knows_any = || since.iter().any(|(replica, _)| version.get(replica) > 0);
        self.is_behind(since) || until == version && !knows_any() && much()
    }

    /// Whether it is long and the work of few operations.
    fn is_pasted(&self) -> bool {
        self.version().total() >= PASTED_EVENTS
            && self.texts.iter().all(|(_, text)| text.is_of_operations(FEW_OPERATIONS))
    }

    /// The whole document as a delta.
    pub(crate) fn whole(&self) -> Delta {
        let events = self.graph.remembered();
        let all: Vec<Span> = events.iter().map(|span| Span { after: 0, ..*span }).collect();
        let shallow = !self.forgotten().is_empty();
        let mut w = Delta::writer(&all);
        w.u8(WHOLE | BRIEF | SHORT | if shallow { SHALLOW } else { 0 });
        if shallow {
            events.iter().for_each(|span| w.u64(span.after));
        }
        self.write(&events, &mut w, Packed::quick);
        Delta::from_writer(all, w)
    }

    /// The document that a delta is; it writes as nobody.
    pub(super) fn read_whole(delta: &Delta) -> Result<Doc, ApplyError> {
        let mut doc = Doc::new(ReplicaId::MIN);
        let mut r = Reader::new(&delta.body, &[]);
        let flags = r.u8()?;
        let has = |flag| flags & flag != 0;
        let form = Form { shallow: has(SHALLOW), brief: has(BRIEF), short: has(SHORT) };
        if !delta.others.is_empty() || delta.spans.iter().any(|span| span.after > 0) {
            return Err(r.invalid("a whole document that is not whole").into());
        }
        let mut events = delta.spans.clone();
        if form.shallow {
            for span in &mut events {
                span.after = read_forgotten(&mut r, span)?;
            }
        }
        check_forgotten(&events, &r, form.shallow)?;
        doc.read(events, &mut r, form)?;
        Ok(doc)
    }

    /// Takes a whole document in. Costs what it shows where nothing is here that it lacks, and else what is new
    /// in it and its history.
    pub(super) fn apply_whole(&mut self, delta: &Delta, latest_ms: u64) -> Result<Applied, ApplyError> {
        let here = self.version().clone();
        let known = delta.is_known_to(&here);
        if known && delta.body.first().is_some_and(|flags| flags & SHALLOW == 0) {
            return Ok(Applied::default());
        }
        let mut whole = Doc::read_whole(delta)?;
        if !whole.version().covers(&here) && !self.goes_on_from(&mut whole) {
            return Err(ApplyError::Behind);
        }
        if known {
            return Ok(Applied::default());
        }
        self.admit_stamps(delta, &whole.tree, latest_ms).map_err(|error| match error {
            // Of a document that has forgotten there is no part: all of its authors wait together.
            ApplyError::Early(mut early) if !whole.forgotten().is_empty() => {
                let latest = early.values().max().copied().unwrap_or_default();
                early.extend(delta.spans.iter().map(|span| (span.replica, latest)));
                ApplyError::Early(early)
            }
            error => error,
        })?;
        if !here.is_empty() && here.covers(whole.forgotten()) {
            return self.apply(&whole.plain_delta(&here, whole.version()));
        }
        self.become_whole(whole);
        self.history.iter_mut().for_each(|history| history.add(delta));
        Ok(Applied { novel: self.version().since(&here).collect() })
    }

    /// Whether all that is here and not in another document was written having seen what that has forgotten.
    fn goes_on_from(&self, whole: &mut Doc) -> bool {
        let unseen: Vec<Span> = self.version().since(whole.version()).collect();
        let parents = self.graph.parents_in(&unseen);
        let ordered = whole.graph.order(&unseen, &parents);
        self.version().covers(whole.forgotten())
            && (whole.forgotten().is_empty()
                || ordered.is_ok_and(|ordered| whole.graph.admit(&ordered, &parents).is_ok()))
    }

    /// Puts another document's content in the place of this one's, of which it has seen all.
    fn become_whole(&mut self, whole: Doc) {
        let watched = self.patches.is_some() || !self.subscribers.is_empty();
        let record = watched.then(|| {
            let mut record = self.note_replacement(&whole);
            record.news = whole.version().since(self.version()).collect();
            record
        });
        (self.graph, self.tree, self.removals) = (whole.graph, whole.tree, whole.removals);
        (self.texts, self.marks) = (whole.texts, whole.marks);
        if let Some(record) = record {
            self.notify(Origin::Remote, &record);
        }
    }

    /// What will change when `whole` stands here.
    fn note_replacement(&self, whole: &Doc) -> Record {
        let mut record = Record::new(true, false);
        let ended: DotRanges = whole.version().since(&VersionVector::new()).collect();
        self.each_change(&whole.tree, &ended, |path, key, here, there| {
            self.note_change(path, key, &mut record);
            record.moves(path, here, there);
        });
        let paths: BTreeSet<Path> = few(self.texts.paths().chain(whole.texts.paths()).cloned());
        for path in &paths {
            if path.is_list() {
                record.list(path, &self.tree, &self.texts);
            } else if self.marks.contains_key(path) || whole.marks.contains_key(path) {
                self.note_rich_replacement(path, whole.texts.get(path), &mut record);
            } else {
                let text = |doc: &Doc| doc.texts.get(path).map(Text::to_string).unwrap_or_default();
                let patches = replacement(&text(self), &text(whole));
                patches.into_iter().for_each(|patch| record.text(path, patch));
            }
        }
        record
    }

    /// Notes that a text with marks will stand in the place of one: all of it comes, with all its attributes.
    fn note_rich_replacement(&self, path: &Path, whole: Option<&Text>, record: &mut Record) {
        let len = self.texts.get(path).map_or(0, Text::len);
        if len > 0 {
            record.text(path, TextPatch::Delete { pos: 0, len });
        }
        if let Some(text) = whole.filter(|text| !text.is_empty()) {
            record.text(path, TextPatch::Insert { pos: 0, text: text.to_string() });
            record.inserted(path, text.stretches(0..text.len()));
        }
    }
}

/// What leads from one text to another: what is between their common beginning and end.
fn replacement(old: &str, new: &str) -> Vec<TextPatch> {
    let same = |(a, b): &(char, char)| a == b;
    let pos = old.chars().zip(new.chars()).take_while(same).count();
    let skip = |text: &str| text.chars().skip(pos).collect::<Vec<char>>();
    let (old, new) = (skip(old), skip(new));
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (len, text) = (old.len() - end, new.iter().take(new.len() - end).collect::<String>());
    let delete = (len > 0).then_some(TextPatch::Delete { pos, len });
    let insert = (!text.is_empty()).then_some(TextPatch::Insert { pos, text });
    delete.into_iter().chain(insert).collect()
}
