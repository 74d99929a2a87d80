//! What stands at a place of a document: [`Node`], a value of one of the nesting types.

use crate::codec::{Decode, DecodeError, Encode, Reader, Writer};
use crate::context::{CausalContext, DotRanges};
use crate::counter::PnCounter;
use crate::dots::{Changes, Cx, DotStore};
use crate::flag::{DwFlag, EwFlag};
use crate::id::Dot;
use crate::log::Log;
use crate::map::OrMap;
use crate::register::{LwwRegister, MaxRegister, MinRegister, MvRegister};
use crate::set::{AwSet, RwSet};

use super::list::List;
use super::marks::Marks;
use super::path::{Key, Shape};
use super::tree::Outline;
use super::{Scalar, Value};

/// The children of a map: what a document's root is, too.
pub(super) type Places = OrMap<Key, Node>;

/// Declares the types of nodes, one a line; and how it is read, where that is not by its [`Decode`].
macro_rules! nodes {
    ($($(#[$doc:meta])* $shape:ident($store:ty) $(= $read:expr)?;)*) => {
        /// What stands at a place. Its key says which variant; `Empty` stands only where nothing does.
        #[derive(Clone, PartialEq, Debug, Default)]
        pub(super) enum Node {
            #[default]
            Empty,
            $($(#[$doc])* $shape($store),)*
        }

        impl Shape {
            /// An empty node of this type. A text has none: it stands beside the tree.
            fn empty(self) -> Node {
                match self {
                    Shape::Text => Node::Empty,
                    $(Shape::$shape => Node::$shape(Default::default()),)*
                }
            }
        }

        impl Node {
            fn shape(&self) -> Option<Shape> {
                match self {
                    Node::Empty => None,
                    $(Node::$shape(_) => Some(Shape::$shape),)*
                }
            }

            fn decode(shape: Shape, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match shape {
                    Shape::Text => Err(r.invalid("a text within the tree")),
                    $(Shape::$shape => nodes!(@read r $($read)?).map(Node::$shape),)*
                }
            }
        }

        impl DotStore for Node {
            fn is_bottom(&self) -> bool {
                match self {
                    Node::Empty => true,
                    $(Node::$shape(s) => s.is_bottom(),)*
                }
            }

            fn for_each_dot(&self, f: &mut dyn FnMut(Dot)) {
                match self {
                    Node::Empty => {}
                    $(Node::$shape(s) => s.for_each_dot(f),)*
                }
            }

            fn join(
                &mut self,
                ours: &CausalContext,
                other: &Self,
                theirs: &CausalContext,
                changes: &mut Changes,
            ) {
                if let Some(shape) = other.shape() {
                    self.shaped(shape);
                }
                match (self, other) {
                    (Node::Empty, _) => {}
                    $((Node::$shape(a), Node::$shape(b)) => a.join(ours, b, theirs, changes),)*
                    // The other side shows nothing here: a key names the type, so no two types meet.
                    $((Node::$shape(a), _) => a.join(ours, &Default::default(), theirs, changes),)*
                }
            }

            fn part(&self, wanted: &DotRanges) -> Self {
                match self {
                    Node::Empty => Node::Empty,
                    $(Node::$shape(s) => Node::$shape(s.part(wanted).into()),)*
                }
            }

            fn end(&mut self, cx: &mut Cx) -> bool {
                match self {
                    Node::Empty => false,
                    $(Node::$shape(s) => s.end(cx),)*
                }
            }
        }

        impl Encode for Node {
            fn encode(&self, w: &mut Writer) {
                match self {
                    Node::Empty => {}
                    $(Node::$shape(s) => s.encode(w),)*
                }
            }
        }
    };
    (@read $r:ident) => { Decode::decode($r) };
    (@read $r:ident $read:expr) => { $read($r) };
}

nodes! {
    List(Box<List>) = |r: &mut Reader<'_>| r.nested(List::decode).map(Box::new);
    Map(Places) = |r: &mut Reader<'_>| r.nested(|r| decode_places(Some(Shape::Map), r));
    Set(AwSet<Scalar>);
    Counter(PnCounter);
    Flag(EwFlag);
    Values(MvRegister<Scalar>);
    Register(LwwRegister<Scalar>);
    /// Says of an element which container it holds, by the number of its shape.
    Present(LwwRegister<u64>);
    Tree(Box<Outline>) = |r: &mut Reader<'_>| r.nested(Outline::decode).map(Box::new);
    Marks(Marks);
    Max(MaxRegister<i64>);
    Min(MinRegister<i64>);
    DwFlag(DwFlag);
    RwSet(RwSet<Scalar>);
    Log(Log<Scalar>);
}

// A map has a node for each key: what is larger than a register goes into a box.
const _: () = assert!(size_of::<Node>() <= 80);

impl Node {
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

    /// Whether it shows something, as far as nodes tell: texts stand beside them. What was removed may leave in a node
    /// that it was.
    pub(super) fn shows(&self) -> bool {
        match self {
            Node::Map(places) => places.iter().any(|(_, node)| node.shows()),
            Node::DwFlag(flag) => flag.is_enabled(),
            Node::RwSet(set) => !set.is_empty(),
            node => !node.is_bottom(),
        }
    }

    /// The log that it is, if it is one.
    pub(super) fn log(&self) -> Option<&Log<Scalar>> {
        match self {
            Node::Log(log) => Some(log),
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
            _ if !self.shows() => None,
            Node::Set(set) => Some(Value::List(set.iter().map(plain).collect())),
            Node::Counter(counter) => Some(Value::from(counter.value())),
            Node::Flag(flag) => Some(Value::from(flag.is_enabled())),
            Node::Values(register) => Some(Value::List(register.iter().map(plain).collect())),
            Node::Register(register) => register.get().map(plain),
            Node::Max(register) => register.get().copied().map(Value::from),
            Node::Min(register) => register.get().copied().map(Value::from),
            Node::DwFlag(flag) => Some(Value::from(flag.is_enabled())),
            Node::RwSet(set) => Some(Value::List(set.iter().map(plain).collect())),
            Node::Log(log) => Some(Value::List(log.iter().map(plain).collect())),
        }
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
