//! With feature `serde`: what is visible, as plain data for other formats, and ids and versions both ways.
//!
//! Documents, replicas and texts too, and what a document tells of its changes: patches, conflicts, origins.
//! Ids, events, versions, sets of events, stamps, values and cursors are read back.
//!
//! Sets of events, [`DotRanges`] and [`CausalContext`], are for each replica its runs, as first and last event. A [`OneOf`] is the
//! variant it shows, as your enum says: derive serde's `Serialize` on it beside `Crdt`.
//!
//! ```
//! use crdt::context::CausalContext;
//! use crdt::{Dot, ReplicaId};
//! let mut seen = CausalContext::new();
//! [1, 2, 5].into_iter().for_each(|seq| seen.insert(Dot::new(ReplicaId::from_u128(1), seq)));
//! let json = serde_json::to_string(&seen).unwrap();
//! assert_eq!(json, r#"{"00000000-0000-0000-0000-000000000001":[[1,2],[5,5]]}"#);
//! assert_eq!(serde_json::from_str::<CausalContext>(&json).unwrap(), seen);
//! ```
//!
//! This is for showing and for logs. It is not how replicas are kept or sent: that is
//! [`Replica::save`](crate::replica::Replica::save), [`Doc::save`](crate::Doc::save) and
//! [`Delta`](crate::Delta), which keep what merging needs.
//!
//! ```
//! use crdt::counter::PnCounter;
//! use crdt::map::OrMap;
//! use crdt::replica::Replica;
//! use crdt::ReplicaId;
//! let mut votes: Replica<OrMap<String, PnCounter>> = Replica::new(ReplicaId::from_u128(1));
//! votes.edit(0, |votes, cx| votes.update("tea".into(), cx, |n, cx| n.add(2, cx)));
//! assert_eq!(serde_json::to_string(votes.value()).unwrap(), r#"{"tea":2}"#);
//! ```

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::context::{CausalContext, DotRanges};
use crate::counter::{BoundedCounter, GCounter, PnCounter};
use crate::doc::{
    Candidate, Change, Conflict, Cursor, Doc, MarkedRange, Origin, Patch, Rule, Scalar, TreePatch, Value,
};
use crate::dots::DotStore;
use crate::dvv::DottedVersionVector;
use crate::flag::{DwFlag, EwFlag};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, Span};
use crate::log::Log;
use crate::map::{GMap, LwwMap, OrMap};
use crate::matrix::MatrixClock;
use crate::one_of::{OneOf, Variants};
use crate::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crate::replica::Replica;
use crate::set::{AwSet, GSet, LwwSet, RwSet, TwoPhaseSet};
use crate::text::{Text, TextPatch};
use crate::tree::{NodeId, Tree};
use crate::version::VersionVector;

/// One line for each type: its bounds, and what it is as plain data.
macro_rules! shown {
    ($([$($bounds:tt)*] $type:ty: |$value:ident, $out:ident| $show:expr;)*) => {
        $(impl<$($bounds)*> Serialize for $type {
            fn serialize<Out: Serializer>(&self, $out: Out) -> Result<Out::Ok, Out::Error> {
                let $value = self;
                $show
            }
        })*
    };
}

/// A map of these fields, by name.
macro_rules! fields {
    ($out:expr, $($name:ident: $value:expr),* $(,)?) => {{
        let mut map = $out.serialize_map(None)?;
        $(map.serialize_entry(stringify!($name), $value)?;)*
        map.end()
    }};
}

shown! {
    [] GCounter: |n, out| out.serialize_u64(n.value());
    [] PnCounter: |n, out| out.serialize_i64(n.value());
    [const MIN: i64] BoundedCounter<MIN>: |n, out| out.serialize_i64(n.value());
    [] EwFlag: |flag, out| out.serialize_bool(flag.is_enabled());
    [] DwFlag: |flag, out| out.serialize_bool(flag.is_enabled());
    [T: Clone + PartialEq + Debug + Serialize] LwwRegister<T>: |register, out| register.get().serialize(out);
    [T: Clone + PartialEq + Debug + Serialize] MvRegister<T>: |register, out| out.collect_seq(register.iter());
    [T: Ord + Clone + Debug + Serialize] MaxRegister<T>: |register, out| register.get().serialize(out);
    [T: Ord + Clone + Debug + Serialize] MinRegister<T>: |register, out| register.get().serialize(out);
    [E: Ord + Clone + Debug + Serialize] AwSet<E>: |set, out| out.collect_seq(set.iter());
    [E: Ord + Clone + Debug + Serialize] RwSet<E>: |set, out| out.collect_seq(set.iter());
    [E: Ord + Clone + Debug + Serialize] GSet<E>: |set, out| out.collect_seq(set.iter());
    [E: Ord + Clone + Debug + Serialize] TwoPhaseSet<E>: |set, out| out.collect_seq(set.iter());
    [E: Ord + Clone + Debug + Serialize] LwwSet<E>: |set, out| out.collect_seq(set.iter());
    [K: Ord + Clone + Debug + Serialize, V: DotStore + Serialize] OrMap<K, V>: |map, out| out.collect_map(map.iter());
    [K: Ord + Clone + Debug + Serialize, V: DotStore + Serialize] GMap<K, V>: |map, out| out.collect_map(map.iter());
    [K: Ord + Clone + Debug + Serialize, T: Clone + PartialEq + Debug + Serialize] LwwMap<K, T>:
        |map, out| out.collect_map(map.iter());
    [T: Serialize] Log<T>: |log, out| out.collect_seq(log.iter());
    [V: DotStore + Serialize] Tree<V>: |tree, out| {
        out.collect_seq(tree.children(None).map(|node| Branch { tree, node }))
    };
    [E: Variants + Serialize] OneOf<E>: |choice, out| choice.get().serialize(out);
    [] DotRanges: |ranges, out| out.collect_map(by_replica(ranges.iter_ranges()));
    [] CausalContext: |seen, out| out.collect_map(by_replica(seen.iter_ranges()));
    [T: DotStore + Serialize] Replica<T>: |replica, out| replica.value().serialize(out);
    [] Doc: |doc, out| doc.value().serialize(out);
    [] Text: |text, out| out.collect_str(text);
    [] Cursor: |cursor, out| out.serialize_str(&hex(&cursor.to_bytes()));
    [] MatrixClock: |clock, out| out.collect_map(clock.members().map(|member| (member, clock.row(member))));
    [T: Clone + Serialize] DottedVersionVector<T>: |value, out| out.collect_seq(value.values());
    [] Origin: |origin, out| match origin {
        Origin::Local(name) => fields!(out, kind: "local", name: name.as_str()),
        Origin::Remote => fields!(out, kind: "remote"),
        Origin::Undo => fields!(out, kind: "undo"),
    };
    [] Change: |change, out| fields!(
        out,
        origin: &change.origin,
        authors: &change.authors,
        patches: &change.patches,
        conflicts: &change.conflicts
    );
    [] Rule: |rule, out| out.serialize_str(match rule {
        Rule::Later => "later",
        Rule::Circle => "circle",
        Rule::EditStays => "edit-stays",
        Rule::RemovalWins => "removal-wins",
    });
    [] Conflict: |conflict, out| fields!(
        out,
        path: &conflict.path,
        mark: &conflict.mark,
        item: &conflict.item,
        rule: &conflict.rule,
        winner: &conflict.winner,
        losers: &conflict.losers,
        tie: &conflict.is_tie()
    );
    [] MarkedRange: |mark, out| fields!(out, key: &mark.key, range: &mark.range);
    [] Candidate: |candidate, out| {
        let millis = candidate.stamp.map(|stamp| stamp.millis());
        fields!(out, value: &candidate.value, author: &candidate.author, millis: &millis)
    };
    [] Patch: |patch, out| match patch {
        Patch::Text { path, patch } => fields!(out, kind: "text", path: path, patch: patch),
        Patch::Mark { path, range, key, value } => {
            fields!(out, kind: "mark", path: path, range: range, key: key, value: value)
        }
        Patch::List { path, index, removed, inserted } => {
            fields!(out, kind: "list", path: path, index: index, removed: removed, inserted: inserted)
        }
        Patch::Tree { path, patch } => fields!(out, kind: "tree", path: path, patch: patch),
        Patch::Value { path, value } => fields!(out, kind: "value", path: path, value: value),
    };
    [] TextPatch: |patch, out| match patch {
        TextPatch::Insert { pos, text } => fields!(out, kind: "insert", pos: pos, text: text),
        TextPatch::Delete { pos, len } => fields!(out, kind: "delete", pos: pos, len: len),
    };
    [] TreePatch: |patch, out| match patch {
        TreePatch::Create { node, parent, index, data } => {
            fields!(out, kind: "create", node: node, parent: parent, index: index, data: data)
        }
        TreePatch::Move { node, parent, index } => {
            fields!(out, kind: "move", node: node, parent: parent, index: index)
        }
        TreePatch::Remove { node } => fields!(out, kind: "remove", node: node),
    };
    [] ReplicaId: |id, out| out.collect_str(id);
    [] VersionVector: |version, out| out.collect_map(version.iter());
    [] Hlc: |stamp, out| out.serialize_u64(stamp.to_bits());
    [] Dot: |dot, out| fields!(out, replica: &dot.replica, seq: &dot.seq);
    [] Scalar: |scalar, out| match scalar {
        Scalar::Null => out.serialize_unit(),
        Scalar::Bool(b) => out.serialize_bool(*b),
        Scalar::Int(n) => out.serialize_i64(*n),
        Scalar::Float(x) => out.serialize_f64(*x),
        Scalar::Str(s) => out.serialize_str(s),
        Scalar::Bytes(bytes) => out.serialize_bytes(bytes),
    };
    [] Value: |value, out| match value {
        Value::Scalar(scalar) => scalar.serialize(out),
        Value::List(list) => out.collect_seq(list),
        Value::Map(map) => out.collect_map(map),
    };
}

/// For each replica its runs, each as its first and its last event.
fn by_replica(spans: impl Iterator<Item = Span>) -> BTreeMap<ReplicaId, Vec<(u64, u64)>> {
    let mut runs: BTreeMap<ReplicaId, Vec<(u64, u64)>> = BTreeMap::new();
    for span in spans {
        runs.entry(span.replica).or_default().push((span.after + 1, span.to));
    }
    // What was seen without a gap and what is beyond may come one after the other.
    runs.values_mut().for_each(|runs| runs.sort_unstable());
    runs
}

/// Reads what [`by_replica`] gave.
fn spans<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Span>, D::Error> {
    let by_replica = BTreeMap::<ReplicaId, Vec<(u64, u64)>>::deserialize(from)?;
    let runs =
        by_replica.into_iter().flat_map(|(replica, runs)| runs.into_iter().map(move |run| (replica, run)));
    runs.map(|(replica, (first, to))| match 1 <= first && first <= to && to <= Dot::MAX_SEQ {
        true => Ok(Span { replica, after: first - 1, to }),
        false => Err(de::Error::custom("no run of events: the first is at least 1 and not behind the last")),
    })
    .collect()
}

impl<'de> Deserialize<'de> for DotRanges {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        spans(from).map(|spans| spans.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for CausalContext {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut seen = CausalContext::new();
        spans(from)?.into_iter().for_each(|span| seen.insert_span(span));
        Ok(seen)
    }
}

/// A node with what stands below it. Trees are not deep; one that is deeper than a serializer may recurse is cut.
struct Branch<'a, V> {
    tree: &'a Tree<V>,
    node: NodeId,
}

/// How deep a tree is shown.
const MAX_DEPTH: usize = 100;

impl<V: DotStore + Serialize> Serialize for Branch<'_, V> {
    fn serialize<Out: Serializer>(&self, out: Out) -> Result<Out::Ok, Out::Error> {
        let Branch { tree, node } = *self;
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("value", &tree.get(node))?;
        if tree.child_count(Some(node)) > 0 && tree.ancestors(node).count() < MAX_DEPTH {
            let below: Vec<_> = tree.children(Some(node)).map(|node| Branch { tree, node }).collect();
            map.serialize_entry("children", &below)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ReplicaId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Dot {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            replica: ReplicaId,
            seq: u64,
        }
        let Fields { replica, seq } = Fields::deserialize(from)?;
        match (1..=Dot::MAX_SEQ).contains(&seq) {
            true => Ok(Dot::new(replica, seq)),
            false => Err(de::Error::custom("an event number of 0 or beyond the last")),
        }
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = unhex(&std::borrow::Cow::<str>::deserialize(from)?);
        let bytes = bytes.ok_or_else(|| de::Error::custom("not hexadecimal"))?;
        Cursor::from_bytes(&bytes).map_err(de::Error::custom)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

impl<'de> Deserialize<'de> for Hlc {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u64::deserialize(from).map(Hlc::from_bits)
    }
}

impl<'de> Deserialize<'de> for VersionVector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<ReplicaId, u64>::deserialize(from)?;
        match entries.values().all(|seq| (1..=Dot::MAX_SEQ).contains(seq)) {
            true => Ok(entries.into_iter().collect()),
            false => Err(de::Error::custom("an event number of 0 or beyond the last")),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain data with strings for keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Scalar::Null.into())
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Scalar::Null.into())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(b.into())
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or_else(|_| (n as f64).into(), Value::from))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(x.into())
    }

    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(s.into())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(bytes.to_vec().into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_versions_and_values_go_both_ways() {
        let a = ReplicaId::from_u128(7);
        let version: VersionVector = [(a, 3)].into_iter().collect();
        let json = serde_json::to_string(&version).unwrap();
        assert_eq!(serde_json::from_str::<VersionVector>(&json).unwrap(), version);
        assert!(serde_json::from_str::<VersionVector>(&json.replace('3', "0")).is_err());
        let text = r#"{"a":[1,2.5,null,true,"x"],"b":{"c":-1}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
        assert_eq!(value.to_string(), text);
    }

    #[test]
    fn what_a_document_tells_is_shown() {
        use crate::Replicated;
        use crate::text::Side;
        let mut a = Doc::new(ReplicaId::from_u128(1));
        let mut b = Doc::new(ReplicaId::from_u128(2));
        a.transact(1, |tx| {
            tx.text("t").insert(0, "hi");
            tx.put("x", 1);
            tx.put("y", 3);
        });
        b.transact(2, |tx| tx.put("x", 2));
        b.record_patches();
        b.apply(&a.delta_since(b.version())).unwrap();
        assert_eq!(
            serde_json::to_string(&b.take_patches()).unwrap(),
            r#"[{"kind":"text","path":"/t","patch":{"kind":"insert","pos":0,"text":"hi"}},{"kind":"value","path":"/y","value":3}]"#
        );
        assert_eq!(serde_json::to_string(&b).unwrap(), r#"{"t":"hi","x":2,"y":3}"#);
        let conflicts = serde_json::to_string(&b.conflicts()).unwrap();
        assert!(
            conflicts
                .starts_with(r#"[{"path":"/x","mark":null,"item":null,"rule":"later","winner":{"value":2,"#),
            "{conflicts}"
        );
        assert!(conflicts.ends_with(r#""millis":1}],"tie":false}]"#), "{conflicts}");
        let cursor = b.cursor("/t", 1, Side::Before).unwrap();
        let text = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        assert!(serde_json::from_str::<Cursor>("\"0\"").is_err());
        let dot = Dot::new(ReplicaId::from_u128(1), 3);
        let text = serde_json::to_string(&dot).unwrap();
        assert_eq!(serde_json::from_str::<Dot>(&text).unwrap(), dot);
        assert!(serde_json::from_str::<Dot>(&text.replace(":3", ":0")).is_err());
    }

    #[test]
    fn sets_of_events_go_both_ways() {
        let (a, b) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
        let run = |replica, after, to| Span { replica, after, to };
        let ranges: DotRanges = [run(a, 2, 5), run(a, 8, 9), run(b, 0, Dot::MAX_SEQ)].into_iter().collect();
        let mut seen = CausalContext::new();
        [run(a, 0, 3), run(a, 5, 7), run(b, 4, 5)].into_iter().for_each(|span| seen.insert_span(span));
        let text = serde_json::to_string(&(&ranges, &seen)).unwrap();
        assert_eq!(serde_json::from_str::<(DotRanges, CausalContext)>(&text).unwrap(), (ranges, seen));
        for wrong in ["[[0,1]]", "[[2,1]]", "[[1,4611686018427387905]]", "[[1,2,3]]", "1"] {
            let text = format!(r#"{{"00000000-0000-0000-0000-000000000001":{wrong}}}"#);
            assert!(serde_json::from_str::<DotRanges>(&text).is_err(), "{wrong}");
            assert!(serde_json::from_str::<CausalContext>(&text).is_err(), "{wrong}");
        }
        // Runs that overlap are one set, too.
        let text = r#"{"00000000-0000-0000-0000-000000000001":[[3,4],[1,3]]}"#;
        assert_eq!(serde_json::from_str::<CausalContext>(text).unwrap().version().get(a), 4);
    }

    #[test]
    fn a_tree_is_shown_as_it_nests() {
        use crate::replica::Replica;
        use crate::tree::Position;
        let mut tree: Replica<Tree<LwwRegister<String>>> = Replica::new(ReplicaId::from_u128(1));
        tree.edit(0, |tree, cx| {
            let top = tree.create(None, Position::Last, cx);
            let below = tree.create(Some(top), Position::Last, cx);
            tree.update(below, cx, |name, cx| name.set("x".into(), cx));
        });
        let json = serde_json::to_string(tree.value()).unwrap();
        assert_eq!(json, r#"[{"value":null,"children":[{"value":"x"}]}]"#);
    }
}
