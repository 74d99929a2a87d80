//! [`Faces`]: which of the optional traits a kit uses, as functions, so that one world runs every type.

use std::rc::Rc;

use super::model::{Codec, Deltas, History, Model, Ops, Spec};

/// What a message does to its receiver.
pub(super) type Packet<T> = Rc<dyn Fn(&mut T)>;

/// What the type says history shows.
type SpecFn<T> = fn(&History<'_, <T as Model>::Command>) -> <T as Model>::View;

pub(super) struct OpFace<T: Model> {
    /// Does the edit and gives what it does to others.
    pub(super) prepare: fn(&mut T, u64, &T::Command) -> Packet<T>,
    pub(super) causal: bool,
    pub(super) once: bool,
}

pub(super) struct CodecFace<T> {
    pub(super) write: fn(&T) -> Vec<u8>,
    pub(super) read: fn(u8, &[u8]) -> Result<T, String>,
    pub(super) canonical: bool,
}

pub(super) struct Faces<T: Model> {
    /// What the first has and the second lacks.
    pub(super) delta: Option<fn(&T, &T) -> Packet<T>>,
    pub(super) op: Option<OpFace<T>>,
    pub(super) codec: Option<CodecFace<T>>,
    pub(super) spec: Option<SpecFn<T>>,
}

impl<T: Model> Default for Faces<T> {
    fn default() -> Self {
        Faces { delta: None, op: None, codec: None, spec: None }
    }
}

impl<T: Model + 'static> Faces<T> {
    pub(super) fn deltas(&mut self)
    where
        T: Deltas,
    {
        self.delta = Some(|from, to| {
            let delta = from.delta_since(&to.version());
            Rc::new(move |to: &mut T| to.apply_delta(&delta))
        });
    }

    pub(super) fn ops(&mut self)
    where
        T: Ops,
    {
        self.op = Some(OpFace {
            prepare: |state, now, command| {
                let op = state.prepare(now, command);
                Rc::new(move |to: &mut T| to.effect(&op))
            },
            causal: T::CAUSAL,
            once: T::ONCE,
        });
    }

    pub(super) fn codec(&mut self)
    where
        T: Codec,
    {
        self.codec = Some(CodecFace { write: T::to_bytes, read: T::from_bytes, canonical: T::CANONICAL });
    }

    pub(super) fn spec(&mut self)
    where
        T: Spec,
    {
        self.spec = Some(|history| T::spec(history));
    }
}
