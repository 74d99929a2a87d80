//! A gallery of wrong CRDTs: each is a mistake that people make, and that the kit must find.
//!
//! It is the kit's own test, and worth a look before a type of one's own: `crdt-fuzz list` says each mistake in a
//! line, `crdt-fuzz fuzz NAME` draws what comes of it.
//!
//! ```
//! use crdt_kit::gallery;
//! for mistake in gallery::all().iter().take(3) {
//!     let report = mistake.run_while(1, &mut |report| report.schedules < 10_000);
//!     println!("{}: {}", mistake.about(), report.failure.expect("it is found"));
//! }
//! ```

mod bytes;
mod counters;
mod deltas;
mod maps;
mod ops;
mod registers;
mod sequences;
mod sets;

use crdt::testkit::Subject;

/// Every wrong one.
pub fn all() -> Vec<Subject> {
    [
        registers::all(),
        counters::all(),
        sets::all(),
        maps::all(),
        sequences::all(),
        deltas::all(),
        ops::all(),
        bytes::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A [`Model`](crdt::testkit::Model) in a few lines: a state `s` and the replica's number `me`.
macro_rules! wrong {
    (
        $(#[$doc:meta])*
        $name:ident($state:ty) -> $view:ty;
        command($cs:pat, $pick:ident) -> $command:ty $make:block
        edit($es:ident, $me:pat, $now:pat, $c:pat) $edit:block
        merge($ms:ident, $other:ident) $merge:block
        view($vs:ident) $show:block
        $(invariant($is:ident) $holds:block)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Default, Debug)]
        struct $name {
            me: u8,
            s: $state,
        }

        impl crdt::testkit::Model for $name {
            type Command = $command;
            type View = $view;

            fn new(me: u8) -> Self {
                $name { me, s: Default::default() }
            }

            fn command(&self, $pick: &mut crdt::testkit::Pick<'_>) -> $command {
                let $cs = &self.s;
                $make
            }

            fn edit(&mut self, $now: u64, command: &$command) {
                let ($es, $me, $c) = (&mut self.s, self.me, command);
                $edit
            }

            fn merge(&mut self, other: &Self) {
                let ($ms, $other) = (&mut self.s, &other.s);
                $merge
            }

            fn view(&self) -> $view {
                let $vs = &self.s;
                $show
            }

            $(fn invariant(&self) -> Result<(), String> {
                let $is = &self.s;
                $holds
            })?
        }
    };
}
use wrong;

#[cfg(test)]
mod tests {
    use super::all;

    /// The kit finds every one; the table says how soon, and how small it made the schedule.
    #[test]
    fn every_mistake_is_found() {
        let mut lengths = Vec::new();
        for mistake in all() {
            let report = mistake.run_while(1, &mut |report| report.schedules < 20_000);
            let Some(failure) = report.failure else {
                panic!("{} is not found", mistake.name());
            };
            let steps = failure.schedule().steps.len();
            println!(
                "{:32} {:16} {:>6} schedules, {steps} steps",
                mistake.name(),
                failure.outcome(),
                report.schedules
            );
            assert!(mistake.replay(&failure.replay()).is_err(), "{}: the replay fails too", mistake.name());
            lengths.push(steps);
        }
        lengths.sort_unstable();
        assert!(lengths.len() >= 25);
        println!("{} mistakes, median length {}", lengths.len(), lengths[lengths.len() / 2]);
        assert!(lengths[lengths.len() / 2] <= 4, "the usual picture is small: {lengths:?}");
    }
}
