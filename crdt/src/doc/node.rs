//! One named place in a document: [`Node`], a value of one of the nesting types, under its [`Key`].

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::counter::PnCounter;
use crate::dots::{Changes, Cx, DotStore};
use crate::flag::EwFlag;
use crate::id::Dot;
use crate::map::OrMap;
use crate::register::{LwwRegister, MvRegister};
use crate::set::AwSet;

use super::{Scalar, Value};

/// Which type a place has. Part of its identity: two replicas that create one name with different
/// types at once make two places, and none of their edits is lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Shape {
    Map,
    Set,
    Counter,
    Flag,
    Values,
    Register,
}

impl Shape {
    const ALL: [Shape; 6] =
        [Shape::Map, Shape::Set, Shape::Counter, Shape::Flag, Shape::Values, Shape::Register];

    fn empty(self) -> Node {
        match self {
            Shape::Map => Node::Map(OrMap::default()),
            Shape::Set => Node::Set(AwSet::default()),
            Shape::Counter => Node::Counter(PnCounter::default()),
            Shape::Flag => Node::Flag(EwFlag::default()),
            Shape::Values => Node::Values(MvRegister::default()),
            Shape::Register => Node::Register(LwwRegister::default()),
        }
    }
}

/// The name and type of a place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) shape: Shape,
}

impl Key {
    pub(super) fn new(name: &str, shape: Shape) -> Self {
        Key { name: name.to_owned(), shape }
    }

    pub(super) fn is_map(&self) -> bool {
        self.shape == Shape::Map
    }

    /// The keys of all places that have this name, those shown first in front.
    pub(super) fn all_named(name: &str) -> impl Iterator<Item = Key> + '_ {
        Shape::ALL.iter().map(move |shape| Key::new(name, *shape))
    }
}

impl Encode for Key {
    fn encode(&self, w: &mut Writer) {
        w.str(&self.name);
        w.u8(self.shape as u8);
    }
}

impl Decode for Key {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = String::decode(r)?;
        let shape = Shape::ALL.get(usize::from(r.u8()?)).copied();
        let shape = shape.ok_or_else(|| r.invalid("unknown type of a place"))?;
        Ok(Key { name, shape })
    }
}

/// The children of a map: what a document's root is, too.
pub(super) type Places = OrMap<Key, Node>;

/// What stands at a place. Its key says which variant; `Empty` stands only where nothing does.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) enum Node {
    #[default]
    Empty,
    Map(Places),
    Set(AwSet<Scalar>),
    Counter(PnCounter),
    Flag(EwFlag),
    Values(MvRegister<Scalar>),
    Register(LwwRegister<Scalar>),
}

/// Runs one expression on whichever store the node is.
macro_rules! each {
    ($node:expr, $store:ident => $run:expr, empty => $empty:expr) => {
        match $node {
            Node::Empty => $empty,
            Node::Map($store) => $run,
            Node::Set($store) => $run,
            Node::Counter($store) => $run,
            Node::Flag($store) => $run,
            Node::Values($store) => $run,
            Node::Register($store) => $run,
        }
    };
}

impl Node {
    fn shape(&self) -> Option<Shape> {
        match self {
            Node::Empty => None,
            Node::Map(_) => Some(Shape::Map),
            Node::Set(_) => Some(Shape::Set),
            Node::Counter(_) => Some(Shape::Counter),
            Node::Flag(_) => Some(Shape::Flag),
            Node::Values(_) => Some(Shape::Values),
            Node::Register(_) => Some(Shape::Register),
        }
    }

    /// The node itself, of this shape if it was empty.
    pub(super) fn shaped(&mut self, shape: Shape) -> &mut Self {
        if matches!(self, Node::Empty) {
            *self = shape.empty();
        }
        self
    }

    /// As plain data; `None` when nothing is visible.
    pub(super) fn value(&self) -> Option<Value> {
        if self.is_bottom() {
            return None;
        }
        match self {
            Node::Empty => None,
            Node::Map(places) => Some(Value::Map(values(places))),
            Node::Set(set) => Some(Value::List(set.iter().cloned().map(Value::Scalar).collect())),
            Node::Counter(counter) => Some(Value::Scalar(Scalar::Int(counter.value()))),
            Node::Flag(flag) => Some(Value::Scalar(Scalar::Bool(flag.is_enabled()))),
            Node::Values(register) => {
                Some(Value::List(register.iter().cloned().map(Value::Scalar).collect()))
            }
            Node::Register(register) => register.get().cloned().map(Value::Scalar),
        }
    }
}

/// The visible values of a map. Where one name has several types, the first in the order of
/// [`Shape`] is shown.
pub(super) fn values(places: &Places) -> std::collections::BTreeMap<String, Value> {
    let mut map = std::collections::BTreeMap::new();
    for (key, node) in places.iter() {
        if let Some(value) = node.value() {
            map.entry(key.name.clone()).or_insert(value);
        }
    }
    map
}

impl DotStore for Node {
    fn is_bottom(&self) -> bool {
        each!(self, s => s.is_bottom(), empty => true)
    }

    fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
        each!(self, s => s.for_each_dot(f), empty => ());
    }

    fn join(&mut self, ours: &CausalContext, other: &Self, theirs: &CausalContext, changes: &mut Changes) {
        if let Some(shape) = other.shape() {
            self.shaped(shape);
        }
        match (self, other) {
            (Node::Map(a), Node::Map(b)) => a.join(ours, b, theirs, changes),
            (Node::Set(a), Node::Set(b)) => a.join(ours, b, theirs, changes),
            (Node::Counter(a), Node::Counter(b)) => a.join(ours, b, theirs, changes),
            (Node::Flag(a), Node::Flag(b)) => a.join(ours, b, theirs, changes),
            (Node::Values(a), Node::Values(b)) => a.join(ours, b, theirs, changes),
            (Node::Register(a), Node::Register(b)) => a.join(ours, b, theirs, changes),
            // The other side shows nothing here: a key names the type, so no two types meet.
            (node, _) => {
                each!(node, s => s.join(ours, &Default::default(), theirs, changes), empty => ());
            }
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        match self {
            Node::Empty => Node::Empty,
            Node::Map(s) => Node::Map(s.part(wanted)),
            Node::Set(s) => Node::Set(s.part(wanted)),
            Node::Counter(s) => Node::Counter(s.part(wanted)),
            Node::Flag(s) => Node::Flag(s.part(wanted)),
            Node::Values(s) => Node::Values(s.part(wanted)),
            Node::Register(s) => Node::Register(s.part(wanted)),
        }
    }

    fn clear(&mut self, cx: &mut Cx) {
        each!(self, s => s.clear(cx), empty => ());
    }
}

impl Encode for Node {
    fn encode(&self, w: &mut Writer) {
        each!(self, s => s.encode(w), empty => ());
    }
}

impl Node {
    fn decode(shape: Shape, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match shape {
            Shape::Map => Node::Map(r.nested(decode_places)?),
            Shape::Set => Node::Set(Decode::decode(r)?),
            Shape::Counter => Node::Counter(Decode::decode(r)?),
            Shape::Flag => Node::Flag(Decode::decode(r)?),
            Shape::Values => Node::Values(Decode::decode(r)?),
            Shape::Register => Node::Register(Decode::decode(r)?),
        })
    }
}

/// Reads the children of a map; the key of each says which type it is.
pub(super) fn decode_places(r: &mut Reader<'_>) -> Result<Places, DecodeError> {
    Places::decode_with(r, |key: &Key, r| Node::decode(key.shape, r))
}
