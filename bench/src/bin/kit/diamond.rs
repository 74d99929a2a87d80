//! diamond-types 1.0: a text.

use crdt::testkit::{Codec, Deltas, Kit, Model, Pick, Subject};
use diamond_types::list::ListCRDT;
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};
use diamond_types::list::remote_ids::RemoteId;

struct Text {
    me: u8,
    list: ListCRDT,
}

impl Clone for Text {
    fn clone(&self) -> Self {
        Self::load(self.me, &self.list.oplog.encode(ENCODE_FULL)).expect("its own bytes")
    }
}

impl Text {
    fn load(me: u8, bytes: &[u8]) -> Result<Self, String> {
        ListCRDT::load_from(bytes).map(|list| Text { me, list }).map_err(|error| format!("{error:?}"))
    }

    fn take(&mut self, bytes: &[u8]) {
        self.list.merge_data_and_ff(bytes).expect("an oplog");
    }
}

impl Model for Text {
    type Command = (bool, u8, u8);
    type View = String;

    fn new(me: u8) -> Self {
        Text { me, list: ListCRDT::new() }
    }

    fn command(&self, pick: &mut Pick<'_>) -> (bool, u8, u8) {
        (pick.below(3) == 2, pick.byte(), pick.byte())
    }

    fn edit(&mut self, _now: u64, (erase, at, letter): &(bool, u8, u8)) {
        let agent = self.list.get_or_create_agent_id(&format!("agent{}", self.me));
        let (len, at) = (self.list.branch.len(), usize::from(*at));
        if *erase && len > 0 {
            self.list.delete_without_content(agent, at % len..at % len + 1);
        } else {
            self.list.insert(agent, at % (len + 1), &char::from(b'a' + letter % 26).to_string());
        }
    }

    fn merge(&mut self, other: &Self) {
        self.take(&other.list.oplog.encode(ENCODE_FULL));
    }

    fn view(&self) -> String {
        self.list.branch.content().to_string()
    }
}

impl Deltas for Text {
    type Version = Vec<RemoteId>;
    type Delta = Vec<u8>;

    fn version(&self) -> Vec<RemoteId> {
        self.list.oplog.remote_version().into_iter().collect()
    }

    fn delta_since(&self, since: &Vec<RemoteId>) -> Vec<u8> {
        let known = since.iter().filter_map(|id| self.list.oplog.try_remote_to_local_time(id).ok());
        self.list.oplog.encode_from(ENCODE_PATCH, &known.collect::<Vec<_>>())
    }

    fn apply_delta(&mut self, delta: &Vec<u8>) {
        self.take(delta);
    }
}

impl Codec for Text {
    const CANONICAL: bool = false;

    fn to_bytes(&self) -> Vec<u8> {
        self.list.oplog.encode(ENCODE_FULL)
    }

    fn from_bytes(me: u8, bytes: &[u8]) -> Result<Self, String> {
        Self::load(me, bytes)
    }
}

pub(crate) fn all() -> Vec<Subject> {
    vec![
        Subject::new("diamond-types", "diamond-types 1.0: a text", Kit::<Text>::new()),
        Subject::new("diamond-types-patches", "the same, with patches", Kit::<Text>::new().deltas()),
        Subject::new("diamond-types-bytes", "the same, with damaged files", Kit::<Text>::new().codec()),
    ]
}
