//! crdts 7.3: its types as states and as operations.

use crdt::testkit::{Kit, Model, Ops, Pick, Subject};
use crdts::{CmRDT, CvRDT, List, MVReg, Map, Orswot, PNCounter};

macro_rules! adapter {
    ($name:ident: $state:ty, $view:ty; |$me:pat, $s:ident, $n:ident, $m:ident| $make:expr; |$v:ident| $show:expr) => {
        #[derive(Clone, Default)]
        struct $name {
            me: u8,
            state: $state,
        }

        impl $name {
            /// The operations of a command.
            fn make(&self, command: &[u8; 3]) -> Vec<<$state as CmRDT>::Op> {
                let ($me, $s, [$n, $m, _]) = (self.me, &self.state, *command);
                $make
            }
        }

        impl Model for $name {
            type Command = [u8; 3];
            type View = $view;

            fn new(me: u8) -> Self {
                $name { me, ..Self::default() }
            }

            fn command(&self, pick: &mut Pick<'_>) -> [u8; 3] {
                [(); 3].map(|()| pick.byte())
            }

            fn edit(&mut self, now: u64, command: &[u8; 3]) {
                self.prepare(now, command);
            }

            fn merge(&mut self, other: &Self) {
                CvRDT::merge(&mut self.state, other.state.clone());
            }

            fn view(&self) -> $view {
                let $v = &self.state;
                $show
            }

            fn reborn(&mut self, me: u8) {
                self.me = me;
            }
        }

        impl Ops for $name {
            type Op = Vec<<$state as CmRDT>::Op>;

            fn prepare(&mut self, _now: u64, command: &[u8; 3]) -> Self::Op {
                let ops = self.make(command);
                self.effect(&ops);
                ops
            }

            fn effect(&mut self, ops: &Self::Op) {
                ops.iter().for_each(|op| self.state.apply(op.clone()));
            }
        }
    };
}

adapter! {
    Set: Orswot<u8, u8>, Vec<u8>;
    |me, set, n, m| if n % 3 == 2 {
        vec![set.rm(m % 3, set.contains(&(m % 3)).derive_rm_ctx())]
    } else {
        vec![set.add(m % 3, set.read_ctx().derive_add_ctx(me))]
    };
    |set| { let mut all: Vec<u8> = set.read().val.into_iter().collect(); all.sort_unstable(); all }
}

adapter! {
    Register: MVReg<u8, u8>, Vec<u8>;
    |me, register, n, _m| vec![register.write(n, register.read_ctx().derive_add_ctx(me))];
    |register| { let mut all = register.read().val; all.sort_unstable(); all }
}

adapter! {
    Counter: PNCounter<u8>, String;
    |me, counter, n, _m| vec![if n % 2 == 0 { counter.inc(me) } else { counter.dec(me) }];
    |counter| counter.read().to_string()
}

adapter! {
    MapOfSets: Map<u8, Orswot<u8, u8>, u8>, Vec<(u8, Vec<u8>)>;
    |me, map, n, m| match n % 4 {
        3 => vec![map.rm(m % 2, map.get(&(m % 2)).derive_rm_ctx())],
        2 => vec![map.update(m % 2, map.read_ctx().derive_add_ctx(me), |set, _| {
            set.rm(m / 2 % 3, set.contains(&(m / 2 % 3)).derive_rm_ctx())
        })],
        _ => vec![map.update(m % 2, map.read_ctx().derive_add_ctx(me), |set, ctx| set.add(m / 2 % 3, ctx))],
    };
    |map| {
        let sets = map.iter().map(|entry| {
            let (key, set) = entry.val;
            let mut members: Vec<u8> = set.read().val.into_iter().collect();
            members.sort_unstable();
            (*key, members)
        });
        let mut all: Vec<_> = sets.collect();
        all.sort_unstable();
        all
    }
}

adapter! {
    MapOfRegisters: Map<u8, MVReg<u8, u8>, u8>, Vec<(u8, Vec<u8>)>;
    |me, map, n, m| if n % 4 == 3 {
        vec![map.rm(m % 2, map.get(&(m % 2)).derive_rm_ctx())]
    } else {
        vec![map.update(m % 2, map.read_ctx().derive_add_ctx(me), |register, ctx| register.write(n, ctx))]
    };
    |map| {
        let registers = map.iter().map(|entry| {
            let (key, register) = entry.val;
            let mut values = register.read().val;
            values.sort_unstable();
            (*key, values)
        });
        let mut all: Vec<_> = registers.collect();
        all.sort_unstable();
        all
    }
}

/// A list has operations only.
#[derive(Clone)]
struct Letters {
    me: u8,
    list: List<u8, u8>,
}

impl crdt::testkit::OpModel for Letters {
    type Command = [u8; 3];
    type View = Vec<u8>;
    type Op = Option<crdts::list::Op<u8, u8>>;

    fn new(me: u8) -> Self {
        Letters { me, list: List::new() }
    }

    fn command(&self, pick: &mut Pick<'_>) -> [u8; 3] {
        [(); 3].map(|()| pick.byte())
    }

    fn prepare(&self, _now: u64, [kind, at, value]: &[u8; 3]) -> Self::Op {
        let len = self.list.len();
        match kind % 3 {
            2 if len > 0 => self.list.delete_index(usize::from(*at) % len, self.me),
            _ => Some(self.list.insert_index(usize::from(*at) % (len + 1), *value, self.me)),
        }
    }

    fn effect(&mut self, op: &Self::Op) {
        if let Some(op) = op {
            self.list.apply(op.clone());
        }
    }

    fn view(&self) -> Vec<u8> {
        self.list.read::<Vec<&u8>>().into_iter().copied().collect()
    }
}

pub(crate) fn all() -> Vec<Subject> {
    vec![
        Subject::new("crdts-orswot", "crdts 7.3: a set, states only", Kit::<Set>::new()),
        Subject::new("crdts-orswot-ops", "the same, operations too", Kit::<Set>::new().ops()),
        Subject::new("crdts-mvreg", "crdts 7.3: a multi-value register", Kit::<Register>::new().ops()),
        Subject::new("crdts-pncounter", "crdts 7.3: a counter", Kit::<Counter>::new().ops()),
        Subject::new("crdts-map-orswot", "crdts 7.3: a map of sets, states only", Kit::<MapOfSets>::new()),
        Subject::new("crdts-map-orswot-ops", "the same, operations too", Kit::<MapOfSets>::new().ops()),
        Subject::new(
            "crdts-map-mvreg",
            "crdts 7.3: a map of registers, states only",
            Kit::<MapOfRegisters>::new(),
        ),
        Subject::new("crdts-map-mvreg-ops", "the same, operations too", Kit::<MapOfRegisters>::new().ops()),
        Subject::new("crdts-list", "crdts 7.3: a list", Kit::<crdt::testkit::ByOps<Letters>>::new().ops()),
    ]
}
