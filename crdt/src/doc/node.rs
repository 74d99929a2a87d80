//! What stands at a place of a document: [`Node`], a value of one of the nesting types.

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::counter::PnCounter;
use crate::dots::{Changes, Cx, DotStore};
use crate::flag::EwFlag;
use crate::id::Dot;
use crate::map::OrMap;
use crate::register::{LwwRegister, MvRegister};
use crate::set::AwSet;

use super::list::List;
use super::marks::Marks;
use super::path::{Key, Shape};
use super::tree::Outline;
use super::{Scalar, Value};

/// The children of a map: what a document's root is, too.
pub(super) type Places = OrMap<Key, Node>;

/// What stands at a place. Its key says which variant; `Empty` stands only where nothing does.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) enum Node {
    #[default]
    Empty,
    List(Box<List>),
    Map(Places),
    Set(AwSet<Scalar>),
    Counter(PnCounter),
    Flag(EwFlag),
    Values(MvRegister<Scalar>),
    Register(LwwRegister<Scalar>),
    /// Says of an element which container it holds, by the number of its shape.
    Present(LwwRegister<u64>),
    Tree(Box<Outline>),
    Marks(Marks),
}

/// Runs one expression on whichever store the node is.
macro_rules! each {
    ($node:expr, $store:ident => $run:expr, empty => $empty:expr) => {
        match $node {
            Node::Empty => $empty,
            Node::List($store) => $run,
            Node::Map($store) => $run,
            Node::Set($store) => $run,
            Node::Counter($store) => $run,
            Node::Flag($store) => $run,
            Node::Values($store) => $run,
            Node::Register($store) => $run,
            Node::Present($store) => $run,
            Node::Tree($store) => $run,
            Node::Marks($store) => $run,
        }
    };
}

impl Shape {
    /// An empty node of this type. A text has none: it stands beside the tree.
    fn empty(self) -> Node {
        match self {
            Shape::Text => Node::Empty,
            Shape::List => Node::List(Box::default()),
            Shape::Map => Node::Map(OrMap::default()),
            Shape::Set => Node::Set(AwSet::default()),
            Shape::Counter => Node::Counter(PnCounter::default()),
            Shape::Flag => Node::Flag(EwFlag::default()),
            Shape::Values => Node::Values(MvRegister::default()),
            Shape::Register => Node::Register(LwwRegister::default()),
            Shape::Present => Node::Present(LwwRegister::default()),
            Shape::Tree => Node::Tree(Box::default()),
            Shape::Marks => Node::Marks(Marks::default()),
        }
    }
}

impl Node {
    fn shape(&self) -> Option<Shape> {
        match self {
            Node::Empty => None,
            Node::List(_) => Some(Shape::List),
            Node::Map(_) => Some(Shape::Map),
            Node::Set(_) => Some(Shape::Set),
            Node::Counter(_) => Some(Shape::Counter),
            Node::Flag(_) => Some(Shape::Flag),
            Node::Values(_) => Some(Shape::Values),
            Node::Register(_) => Some(Shape::Register),
            Node::Present(_) => Some(Shape::Present),
            Node::Tree(_) => Some(Shape::Tree),
            Node::Marks(_) => Some(Shape::Marks),
        }
    }

    /// The node itself, of this shape if it was empty.
    pub(super) fn shaped(&mut self, shape: Shape) -> &mut Self {
        if matches!(self, Node::Empty) {
            *self = shape.empty();
        }
        self
    }

    /// The places below it, if it has any.
    pub(super) fn places(&self) -> Option<&Places> {
        match self {
            Node::Map(places) => Some(places),
            Node::List(list) => Some(list.items()),
            Node::Tree(tree) => Some(tree.items()),
            _ => None,
        }
    }

    /// The marks that it is, if it is marks.
    pub(super) fn marks(&self) -> Option<&Marks> {
        match self {
            Node::Marks(marks) => Some(marks),
            _ => None,
        }
    }

    /// As plain data; `None` when nothing is visible, and for what has places below it.
    pub(super) fn leaf(&self) -> Option<Value> {
        let plain = |scalar: &Scalar| Value::Scalar(scalar.clone());
        match self {
            Node::Empty
            | Node::List(_)
            | Node::Map(_)
            | Node::Present(_)
            | Node::Tree(_)
            | Node::Marks(_) => None,
            _ if self.is_bottom() => None,
            Node::Set(set) => Some(Value::List(set.iter().map(plain).collect())),
            Node::Counter(counter) => Some(Value::from(counter.value())),
            Node::Flag(flag) => Some(Value::from(flag.is_enabled())),
            Node::Values(register) => Some(Value::List(register.iter().map(plain).collect())),
            Node::Register(register) => register.get().map(plain),
        }
    }
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
            (Node::List(a), Node::List(b)) => a.join(ours, b, theirs, changes),
            (Node::Map(a), Node::Map(b)) => a.join(ours, b, theirs, changes),
            (Node::Set(a), Node::Set(b)) => a.join(ours, b, theirs, changes),
            (Node::Counter(a), Node::Counter(b)) => a.join(ours, b, theirs, changes),
            (Node::Flag(a), Node::Flag(b)) => a.join(ours, b, theirs, changes),
            (Node::Values(a), Node::Values(b)) => a.join(ours, b, theirs, changes),
            (Node::Register(a), Node::Register(b)) => a.join(ours, b, theirs, changes),
            (Node::Present(a), Node::Present(b)) => a.join(ours, b, theirs, changes),
            (Node::Tree(a), Node::Tree(b)) => a.join(ours, b, theirs, changes),
            (Node::Marks(a), Node::Marks(b)) => a.join(ours, b, theirs, changes),
            // The other side shows nothing here: a key names the type, so no two types meet.
            (node, _) => {
                each!(node, s => s.join(ours, &Default::default(), theirs, changes), empty => ());
            }
        }
    }

    fn part(&self, wanted: &DotRanges) -> Self {
        match self {
            Node::Empty => Node::Empty,
            Node::List(s) => Node::List(Box::new(s.part(wanted))),
            Node::Map(s) => Node::Map(s.part(wanted)),
            Node::Set(s) => Node::Set(s.part(wanted)),
            Node::Counter(s) => Node::Counter(s.part(wanted)),
            Node::Flag(s) => Node::Flag(s.part(wanted)),
            Node::Values(s) => Node::Values(s.part(wanted)),
            Node::Register(s) => Node::Register(s.part(wanted)),
            Node::Present(s) => Node::Present(s.part(wanted)),
            Node::Tree(s) => Node::Tree(Box::new(s.part(wanted))),
            Node::Marks(s) => Node::Marks(s.part(wanted)),
        }
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        each!(self, s => s.end(cx), empty => false)
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
            Shape::Text => return Err(r.invalid("a text within the tree")),
            Shape::List => Node::List(Box::new(r.nested(List::decode)?)),
            Shape::Map => Node::Map(r.nested(|r| decode_places(Some(Shape::Map), r))?),
            Shape::Set => Node::Set(Decode::decode(r)?),
            Shape::Counter => Node::Counter(Decode::decode(r)?),
            Shape::Flag => Node::Flag(Decode::decode(r)?),
            Shape::Values => Node::Values(Decode::decode(r)?),
            Shape::Register => Node::Register(Decode::decode(r)?),
            Shape::Present => Node::Present(Decode::decode(r)?),
            Shape::Tree => Node::Tree(Box::new(r.nested(Outline::decode)?)),
            Shape::Marks => Node::Marks(Decode::decode(r)?),
        })
    }
}

/// Reads what stands below a place of type `above`; the key of each says which type it is.
pub(super) fn decode_places(above: Option<Shape>, r: &mut Reader<'_>) -> Result<Places, DecodeError> {
    Places::decode_with(r, |key: &Key, r| {
        if !key.fits(above) {
            return Err(r.invalid("a name that does not stand in such a place"));
        }
        Node::decode(key.shape, r)
    })
}
