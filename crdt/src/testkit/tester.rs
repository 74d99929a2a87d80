//! What [`fuzz_crdt!`](crate::fuzz_crdt) runs: a kit in a `#[test]`, with its files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::kit::{Kit, ReplayError};
use super::model::Model;
use super::story::Story;

/// Schedules that a test plays when nobody says how many.
const SCHEDULES: u64 = 2_000;

/// Makes a test of a type: every law, on every schedule of a small scope and on some thousand random ones.
///
/// `fuzz_crdt!(name: Type)` is a test of that name for a [`Model`]. What else the type has, or should bear, comes
/// after it: the names of [`Kit`]'s methods, as `deltas`, `ops`, `codec`, `spec`, `rollback`, `replicas(2..=5)`.
///
/// The environment of the test may say more: `CRDT_FUZZ=100000` how many schedules, `CRDT_FUZZ_SEED=7` from which
/// seed, and `CRDT_FUZZ_REPLAY=file` what to play instead.
///
/// ```
/// # use crdt::testkit::{Model, Pick};
/// # #[derive(Clone)]
/// # struct Highest(u8);
/// # impl Model for Highest {
/// #     type Command = u8;
/// #     type View = u8;
/// #     fn new(_me: u8) -> Self { Highest(0) }
/// #     fn command(&self, pick: &mut Pick<'_>) -> u8 { pick.byte() }
/// #     fn edit(&mut self, _now: u64, command: &u8) { self.0 = self.0.max(*command) }
/// #     fn merge(&mut self, other: &Self) { self.0 = self.0.max(other.0) }
/// #     fn view(&self) -> u8 { self.0 }
/// # }
/// crdt::fuzz_crdt!(highest: Highest);
/// crdt::fuzz_crdt!(highest_from_backups: Highest, rollback, replicas(2..=5));
/// ```
#[macro_export]
macro_rules! fuzz_crdt {
    ($name:ident: $type:ty $(, $option:ident $(($($arg:expr),*))?)* $(,)?) => {
        #[test]
        fn $name() {
            let kit = $crate::testkit::Kit::<$type>::new()$(.$option($($($arg),*)?))*;
            let source = concat!("crdt::testkit::Kit::<", stringify!($type), ">::new()"
                $(, ".", stringify!($option), "(", $(stringify!($($arg),*),)? ")")*);
            $crate::testkit::test(&kit, concat!(module_path!(), "::", stringify!($name)), source, env!("CARGO_MANIFEST_DIR"));
        }
    };
}

/// Tests a kit as [`fuzz_crdt!`](crate::fuzz_crdt) does. `name` names the test, `source` is how the kit is made, and
/// pictures go below `dir/target/crdt-fuzz`, or below `CARGO_TARGET_DIR`.
///
/// # Panics
/// When a law does not hold: with the picture of it.
#[allow(clippy::panic)] // It is how a test fails.
pub fn test<T: Model + 'static>(kit: &Kit<T>, name: &str, source: &str, dir: &str) {
    let var = |name| std::env::var(name).ok();
    let number = |name| var(name).and_then(|n: String| n.parse::<u64>().ok());
    let failure = if let Some(file) = var("CRDT_FUZZ_REPLAY") {
        replay(kit, &file)
    } else {
        let small = (1..=2).find_map(|edits| kit.exhaustive(2, edits, 2).failure);
        small.or_else(|| {
            kit.run(number("CRDT_FUZZ_SEED").unwrap_or(1), number("CRDT_FUZZ").unwrap_or(SCHEDULES)).failure
        })
    };
    if let Some(failure) = failure {
        let dir = var("CARGO_TARGET_DIR").map_or_else(|| Path::new(dir).join("target"), PathBuf::from);
        let files = write(&failure, name, source, &dir.join("crdt-fuzz"));
        panic!("\n{name}: {failure}{files}");
    }
}

#[allow(clippy::panic)] // It is how a test fails.
fn replay<T: Model + 'static>(kit: &Kit<T>, file: &str) -> Option<Box<Story>> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"));
    match kit.replay(&text) {
        Ok(()) => None,
        Err(ReplayError::Failed(failure)) => Some(failure),
        Err(error) => panic!("{file}: {error}"),
    }
}

/// Writes the picture, the page, the replay and a regression test into `dir`; says where they are.
pub(super) fn write(failure: &Story, name: &str, source: &str, dir: &Path) -> String {
    let stem: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let law = failure.outcome();
    let path = |ending: &str| dir.join(format!("{stem}-{law}.{ending}"));
    let short = name.rsplit("::").next().unwrap_or(name);
    let files = [
        (path("svg"), failure.svg()),
        (path("html"), failure.html(name)),
        (path("replay"), format!("# {name}: {}\n{}\n", law, failure.replay())),
        (path("rs"), failure.regression_test(short, source)),
    ];
    let written = std::fs::create_dir_all(dir)
        .and_then(|()| files.iter().try_for_each(|(path, content)| std::fs::write(path, content)));
    let mut said = String::new();
    match written {
        Err(error) => drop(writeln!(said, "(no files: cannot write to {}: {error})", dir.display())),
        Ok(()) => {
            let _ = writeln!(said, "picture: {} (and .html)", path("svg").display());
            let _ =
                writeln!(said, "again:   CRDT_FUZZ_REPLAY={} cargo test {short}", path("replay").display());
            let _ = writeln!(said, "keep it: {} is a test of it", path("rs").display());
        }
    }
    said
}
