//! Automerge documents under the kit.

use automerge::transaction::Transactable;
use automerge::{AutomergeError, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value};

use super::id;
use crate::automerge::AutomergeDoc;
use crate::testkit::model::{Codec, Deltas, Model, Pick};
use crate::{Replicated, VersionVector};

impl Model for AutomergeDoc {
    type Command = [u8; 3];
    type View = String;

    fn new(me: u8) -> Self {
        AutomergeDoc::new(id(me))
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 3] {
        [(); 3].map(|()| pick.byte())
    }

    fn edit(&mut self, _now: u64, [kind, a, b]: &[u8; 3]) {
        let result = AutomergeDoc::edit(self, |doc| edit(doc, *kind, *a, *b));
        assert!(result.is_ok(), "{result:?}");
    }

    /// By what automerge saves of the other.
    fn merge(&mut self, other: &Self) {
        let whole = AutomergeDoc::load(&other.automerge().clone().save(), id(255));
        assert!(whole.is_ok(), "what is saved can be read: {whole:?}");
        if let Ok(whole) = whole {
            self.apply_delta(&Replicated::delta_since(&whole, &VersionVector::new()));
        }
    }

    fn view(&self) -> String {
        let mut doc = self.automerge().clone();
        let mut heads = doc.get_heads();
        heads.sort_unstable();
        let at = |object: &ObjId, prop: Prop| {
            let all = doc.get_all(object, prop).unwrap_or_default();
            all.iter().map(|(value, _)| value.to_string()).collect::<Vec<_>>()
        };
        let mut shown = String::new();
        for key in doc.keys(ROOT) {
            shown += &format!("{key}: {:?} ", at(&ROOT, key.as_str().into()));
            let Ok(Some((Value::Object(kind), object))) = doc.get(ROOT, key.as_str()) else { continue };
            shown += &match kind {
                ObjType::Text => format!("{:?} ", doc.text(&object)),
                ObjType::List => {
                    format!(
                        "{:?} ",
                        (0..doc.length(&object)).map(|n| at(&object, n.into())).collect::<Vec<_>>()
                    )
                }
                _ => {
                    let entry = |key: String| (at(&object, key.as_str().into()), key);
                    format!("{:?} ", doc.keys(&object).map(entry).collect::<Vec<_>>())
                }
            };
        }
        format!("{shown}{heads:?}")
    }

    fn reborn(&mut self, me: u8) {
        self.set_author(id(me));
    }
}

by_deltas!(AutomergeDoc);

impl Codec for AutomergeDoc {
    /// The order of what automerge saves is not promised.
    const CANONICAL: bool = false;

    fn to_bytes(&self) -> Vec<u8> {
        let saved = self.clone().save();
        assert!(saved.is_ok(), "what is saved can be read: {saved:?}");
        saved.unwrap_or_default()
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        AutomergeDoc::load(bytes, id(me)).map_err(|error| error.to_string())
    }
}

/// The object under a root key, made if it is not there.
fn under(doc: &mut automerge::AutoCommit, key: &str, kind: ObjType) -> Result<ObjId, AutomergeError> {
    match doc.get(ROOT, key)? {
        Some((value, object)) if value.to_objtype() == Some(kind) => Ok(object),
        _ => doc.put_object(ROOT, key, kind),
    }
}

/// Makes the edit that these bytes mean.
fn edit(doc: &mut automerge::AutoCommit, kind: u8, a: u8, b: u8) -> Result<(), AutomergeError> {
    let key = if a.is_multiple_of(2) { "k" } else { "l" };
    match kind % 8 {
        0 => doc.put(ROOT, key, i64::from(b)),
        1 => doc.delete(ROOT, key),
        2 => match doc.get(ROOT, "n")? {
            Some(_) => doc.increment(ROOT, "n", i64::from(b) - 128),
            None => doc.put(ROOT, "n", ScalarValue::counter(1)),
        },
        3 | 4 => {
            let list = under(doc, "list", ObjType::List)?;
            let len = doc.length(&list);
            let at = usize::from(a) % (len + 1);
            match b % 3 {
                0 if at < len => doc.delete(&list, at),
                1 if at < len => doc.put(&list, at, i64::from(b)),
                _ => doc.insert(&list, at, i64::from(b)),
            }
        }
        5 => {
            let map = under(doc, "map", ObjType::Map)?;
            doc.put(&map, key, i64::from(b))
        }
        _ => {
            let text = under(doc, "text", ObjType::Text)?;
            let len = doc.length(&text);
            let at = usize::from(a) % (len + 1);
            let gone = usize::from(b % 3).min(len - at);
            doc.splice_text(&text, at, gone as isize, ["a", "é👋", ""][usize::from(b / 3 % 3)])
        }
    }
}
