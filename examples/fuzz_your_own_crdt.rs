//! Fuzz a type of your own: from nothing to a picture of the mistake.
//!
//! `cargo run -p crdt --features testkit --example fuzz_your_own_crdt` shows what a failure looks like;
//! `... -- fuzz fixed` plays the type that has no mistake. In a project of your own the same is one line in a test:
//! `crdt::fuzz_crdt!(flag: Flag);`

use crdt::testkit::{Kit, Model, Pick, Subject, cli};

/// A flag: the last write wins. It counts writes in place of reading a clock.
#[derive(Clone)]
struct Flag<const FIXED: bool> {
    me: u8,
    on: bool,
    /// Which write this is, and whose.
    stamp: (u64, u8),
}

impl<const FIXED: bool> Model for Flag<FIXED> {
    type Command = bool;
    type View = bool;

    fn new(me: u8) -> Self {
        Flag { me, on: false, stamp: (0, 0) }
    }

    fn command(&self, pick: &mut Pick<'_>) -> bool {
        pick.flip()
    }

    fn edit(&mut self, _now: u64, on: &bool) {
        self.on = *on;
        self.stamp = (self.stamp.0 + 1, self.me);
    }

    fn merge(&mut self, other: &Self) {
        // The mistake: two writes with one number. The one who merges last loses.
        let later = if FIXED { other.stamp > self.stamp } else { other.stamp.0 >= self.stamp.0 };
        if later {
            (self.on, self.stamp) = (other.on, other.stamp);
        }
    }

    fn view(&self) -> bool {
        self.on
    }

    /// A start on an old backup needs a new number, or two writes may have one stamp.
    fn reborn(&mut self, me: u8) {
        self.me = me;
    }
}

fn main() -> std::process::ExitCode {
    if std::env::args().len() > 1 {
        return cli(&[
            Subject::wrong("flag", "who wins a tie?", Kit::<Flag<false>>::new().rollback()),
            Subject::new("fixed", "the replica's number decides", Kit::<Flag<true>>::new().rollback()),
        ]);
    }
    let report = Kit::<Flag<false>>::new().run(1, 10_000);
    let fixed = Kit::<Flag<true>>::new().rollback().run(1, 10_000);
    println!("With a mistake:\n\n{report}\nWithout it: {fixed}");
    match (report.failure, fixed.failure) {
        (Some(_), None) => std::process::ExitCode::SUCCESS,
        _ => std::process::ExitCode::FAILURE,
    }
}
