//! Loro 1.17: a document with a map, a movable list, a text and a tree.

use crdt::testkit::{Codec, Deltas, Kit, Model, Pick, Subject};
use loro::{ExportMode, LoroDoc, TreeParentId, VersionVector};

struct Document {
    me: u8,
    doc: LoroDoc,
}

impl Clone for Document {
    fn clone(&self) -> Self {
        Self::load(self.me, &self.to_bytes()).expect("its own bytes")
    }
}

impl Document {
    fn load(me: u8, bytes: &[u8]) -> Result<Self, String> {
        let fresh = Self::new(me);
        fresh.doc.import(bytes).map(|_| fresh).map_err(|error| error.to_string())
    }

    fn take(&self, bytes: &[u8]) {
        self.doc.import(bytes).expect("updates");
    }
}

impl Model for Document {
    type Command = [u8; 4];
    type View = String;

    fn new(me: u8) -> Self {
        let doc = LoroDoc::new();
        doc.set_peer_id(u64::from(me) + 1).expect("an id");
        Document { me, doc }
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 4] {
        [(); 4].map(|()| pick.byte())
    }

    fn edit(&mut self, _now: u64, [kind, place, other, value]: &[u8; 4]) {
        let (map, list) = (self.doc.get_map("map"), self.doc.get_movable_list("list"));
        let (text, tree) = (self.doc.get_text("text"), self.doc.get_tree("tree"));
        let key = ["a", "b", "c"][usize::from(place % 3)];
        let at = |place: &u8, len: usize| usize::from(*place) % len.max(1);
        let (items, letters) = (list.len(), text.len_unicode());
        let nodes: Vec<_> =
            tree.nodes().into_iter().filter(|node| tree.is_node_deleted(node) == Ok(false)).collect();
        let value = i64::from(*value);
        // An error is a move below oneself: nothing is changed.
        let _ = match kind % 10 {
            1 => map.delete(key),
            2 => list.insert(at(place, items + 1), value),
            3 if items > 0 => list.delete(at(place, items), 1),
            4 if items > 0 => list.mov(at(place, items), at(other, items)),
            5 if items > 0 => list.set(at(place, items), value),
            6 => text.insert(at(place, letters + 1), "x"),
            7 if letters > 0 => text.delete(at(place, letters), 1),
            8 => tree.create(TreeParentId::Root).map(|_| ()),
            9 if nodes.len() > 1 => tree.mov(nodes[at(place, nodes.len())], nodes[at(other, nodes.len())]),
            _ => map.insert(key, value),
        };
        self.doc.commit();
    }

    fn merge(&mut self, other: &Self) {
        self.take(&other.doc.export(ExportMode::all_updates()).expect("updates"));
    }

    fn view(&self) -> String {
        // Containers are there from their first use on: an empty one is the same as none.
        let (map, list) = (self.doc.get_map("map"), self.doc.get_movable_list("list"));
        let (text, tree) = (self.doc.get_text("text"), self.doc.get_tree("tree"));
        let map = serde_json::to_value(map.get_deep_value()).expect("plain data");
        let nodes = tree.nodes().into_iter().filter(|node| tree.is_node_deleted(node) == Ok(false));
        let mut nodes: Vec<String> = nodes.map(|node| format!("{node} in {:?}", tree.parent(node))).collect();
        nodes.sort_unstable();
        format!("{map} {:?} {:?} {nodes:?}", list.get_deep_value(), text.to_string())
    }
}

impl Deltas for Document {
    type Version = VersionVector;
    type Delta = Vec<u8>;

    fn version(&self) -> VersionVector {
        self.doc.oplog_vv()
    }

    fn delta_since(&self, since: &VersionVector) -> Vec<u8> {
        self.doc.export(ExportMode::updates(since)).expect("updates")
    }

    fn apply_delta(&mut self, delta: &Vec<u8>) {
        self.take(delta);
    }
}

impl Codec for Document {
    const CANONICAL: bool = false;

    fn to_bytes(&self) -> Vec<u8> {
        self.doc.export(ExportMode::Snapshot).expect("a snapshot")
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Self::load(me, bytes)
    }
}

pub(crate) fn all() -> Vec<Subject> {
    vec![
        Subject::new("loro", "Loro 1.17: map, movable list, text, tree", Kit::<Document>::new().deltas()),
        Subject::new("loro-bytes", "the same, with damaged files", Kit::<Document>::new().deltas().codec()),
    ]
}
