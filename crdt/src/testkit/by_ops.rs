//! [`ByOps`]: a type that has only operations, delivered in causal order, as a [`Model`] with states too.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;

use super::model::{Model, Ops, Pick};

/// A type that is only edited by operations. [`ByOps`] brings them: once each, causes first.
///
/// Law: operations of which neither saw the other may be taken in either order.
pub trait OpModel: Clone {
    /// What a user does.
    type Command: Clone + Debug;
    /// What a user sees.
    type View: Clone + PartialEq + Debug;
    /// An edit on its way.
    type Op: Clone;

    /// A fresh replica; `me` is its own number.
    fn new(me: u8) -> Self;

    /// Something a user may do in this state.
    fn command(&self, pick: &mut Pick<'_>) -> Self::Command;

    /// The operation for a command; [`effect`](Self::effect) will be called with it here too.
    fn prepare(&self, now: u64, command: &Self::Command) -> Self::Op;

    /// Takes an operation, one's own or another's.
    fn effect(&mut self, op: &Self::Op);

    /// What a user sees.
    fn view(&self) -> Self::View;
}

/// An [`OpModel`] with the log of what it took. To merge is to take what the other's log has more.
///
/// ```
/// use crdt::testkit::{ByOps, Kit, Law, OpModel, Pick};
///
/// /// Operations "set to": two at once do not commute.
/// #[derive(Clone)]
/// struct SetTo(u8);
///
/// impl OpModel for SetTo {
///     type Command = u8;
///     type View = u8;
///     type Op = u8;
///     fn new(_me: u8) -> Self {
///         SetTo(0)
///     }
///     fn command(&self, pick: &mut Pick<'_>) -> u8 {
///         pick.byte()
///     }
///     fn prepare(&self, _now: u64, command: &u8) -> u8 {
///         *command
///     }
///     fn effect(&mut self, op: &u8) {
///         self.0 = *op;
///     }
///     fn view(&self) -> u8 {
///         self.0
///     }
/// }
///
/// let report = Kit::<ByOps<SetTo>>::new().ops().run(1, 1_000);
/// assert!(report.failure.is_some());
/// ```
#[derive(Clone, Debug)]
pub struct ByOps<T: OpModel> {
    me: u8,
    inner: T,
    /// Causes before effects.
    log: Vec<Entry<T::Op>>,
    seen: BTreeMap<u8, u64>,
}

/// An operation with its dot.
#[derive(Clone, Debug)]
struct Entry<O> {
    dot: (u8, u64),
    op: Rc<O>,
}

impl<T: OpModel> ByOps<T> {
    fn take(&mut self, entry: &Entry<T::Op>) {
        let (replica, n) = entry.dot;
        let seen = self.seen.entry(replica).or_default();
        if n == *seen + 1 {
            *seen = n;
            self.inner.effect(&entry.op);
            self.log.push(entry.clone());
        }
    }
}

impl<T: OpModel + 'static> Model for ByOps<T> {
    type Command = T::Command;
    type View = T::View;

    fn new(me: u8) -> Self {
        ByOps { me, inner: T::new(me), log: Vec::new(), seen: BTreeMap::new() }
    }

    fn command(&self, pick: &mut Pick<'_>) -> T::Command {
        self.inner.command(pick)
    }

    fn edit(&mut self, now: u64, command: &T::Command) {
        self.prepare(now, command);
    }

    fn merge(&mut self, other: &Self) {
        for entry in &other.log {
            self.take(entry);
        }
    }

    fn view(&self) -> T::View {
        self.inner.view()
    }

    fn reborn(&mut self, me: u8) {
        self.me = me;
    }
}

impl<T: OpModel + 'static> Ops for ByOps<T> {
    type Op = OnItsWay<T::Op>;

    fn prepare(&mut self, now: u64, command: &T::Command) -> OnItsWay<T::Op> {
        let n = self.seen.get(&self.me).copied().unwrap_or(0) + 1;
        let entry = Entry { dot: (self.me, n), op: Rc::new(self.inner.prepare(now, command)) };
        self.take(&entry);
        OnItsWay(entry)
    }

    fn effect(&mut self, op: &OnItsWay<T::Op>) {
        self.take(&op.0);
    }
}

/// An operation of [`ByOps`], with what makes it come once.
#[derive(Clone, Debug)]
pub struct OnItsWay<O>(Entry<O>);
