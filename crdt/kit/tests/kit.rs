//! The kit on this crate's own types, and on itself.

use crdt::Doc;
use crdt::map::OrMap;
use crdt::replica::Replica;
use crdt::set::AwSet;
use crdt::testkit::{Form, Kind, Kit, Law, Model, Pick, ReplayError, Schedule, Step, Subject};
use crdt_kit::{gallery, subjects};
use proptest::prelude::*;

/// Every type of this crate bears every schedule, in all its forms. The numbers of `CRDT_FUZZ` schedules each.
#[test]
fn own_types_hold_every_law() {
    let schedules = std::env::var("CRDT_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    for subject in subjects().iter().filter(|subject| !subject.is_wrong()) {
        let report = subject.run_while(7, &mut |report| report.schedules < schedules);
        assert!(report.failure.is_none(), "{}: {report}", subject.name());
        // Nothing is claimed to be checked that is not: every law that a type with all faces has, every fault.
        let idle: Vec<Law> = report.laws().filter(|(_, n)| *n == 0).map(|(law, _)| law).collect();
        // Automerge does not promise equal bytes.
        let unclaimed = |law: &Law| match law {
            Law::Spec | Law::NoPanic => true,
            Law::EqualBytes => subject.name() == "automerge",
            _ => false,
        };
        assert!(idle.iter().all(unclaimed), "{}: {idle:?}", subject.name());
        let unused: Vec<Kind> = report.steps().filter(|(_, n)| *n == 0).map(|(kind, _)| kind).collect();
        assert_eq!(unused, [Kind::Copy], "{}", subject.name());
    }
}

#[test]
fn small_scopes_of_own_types_are_exhausted() {
    let set = Kit::<Replica<AwSet<u8>>>::new();
    // By hand, for 2 × 2: A begins. In AABB there are 3 ways to pull, in ABAB 8, in ABBA 6; and 2 commands four times.
    for (replicas, edits, commands, schedules) in [(2, 1, 2, 2 * 4), (2, 2, 2, 17 * 16), (3, 1, 2, 6 * 8)] {
        let done = set.exhaustive(replicas, edits, commands);
        assert!(done.failure.is_none());
        assert_eq!(done.schedules, schedules, "{replicas} × {edits} of {commands}");
    }
    assert!(Kit::<Doc>::new().exhaustive(2, 2, 1).failure.is_none());
    assert!(Kit::<Replica<OrMap<u8, AwSet<u8>>>>::new().exhaustive(2, 2, 3).failure.is_none());
}

/// The last write wins, and of two at one time the one that comes last.
#[derive(Clone, Default)]
struct MyFlag {
    on: bool,
    at: u64,
}

impl Model for MyFlag {
    type Command = bool;
    type View = bool;

    fn new(_me: u8) -> Self {
        MyFlag::default()
    }

    fn command(&self, pick: &mut Pick<'_>) -> bool {
        pick.flip()
    }

    fn edit(&mut self, _now: u64, on: &bool) {
        *self = MyFlag { on: *on, at: self.at + 1 };
    }

    fn merge(&mut self, other: &Self) {
        if other.at >= self.at {
            *self = other.clone();
        }
    }

    fn view(&self) -> bool {
        self.on
    }
}

#[test]
fn a_failure_is_a_story() {
    let kit = Kit::<MyFlag>::new();
    let failure = kit.exhaustive(2, 1, 2).failure.expect("ties are found in the smallest scope");
    assert_eq!(failure.law(), Some(Law::Commutative));
    let expected = "\
law broken: commutative: merge depends on who merges whom
found with 2 steps, made small to 2

  A              B
  ● 1: false     │
  │ ⇒ false      │
  │              ● 2: true
  │              │ ⇒ true
  ┄┄ faults end, all exchange ┄┄
  ✗ commutative  ✗ commutative

  A knows edits 1 and shows false
  B knows edits 2 and shows true

  merge depends on who merges whom:
    B ⊔ A  false
    A ⊔ B  true

replay: crdt-fuzz/1 0000000000000000 0000000000000000 0001000100000000
";
    assert_eq!(failure.to_string(), expected);
    assert!(failure.svg().starts_with("<svg ") && failure.html("flag").contains("merge depends on who"));
    let again = kit.replay(&format!("# a comment\n{}\n", failure.replay()));
    assert!(matches!(again, Err(ReplayError::Failed(story)) if story.law() == failure.law()));
    assert!(failure.regression_test("my_flag", "kit()").contains(&failure.replay()));
    for text in
        ["", "crdt-fuzz/1", "crdt-fuzz/2 0000000000000000", "crdt-fuzz/1 00", "crdt-fuzz/1 zz00000000000000"]
    {
        assert!(matches!(kit.replay(text), Err(ReplayError::Text(_))), "{text}");
    }
}

#[test]
fn one_seed_is_one_run() {
    let kit = Kit::<Replica<AwSet<u8>>>::new().deltas().ops().codec();
    let (a, b) = (kit.run(3, 50), kit.run(3, 50));
    assert!(a.steps().eq(b.steps()) && a.laws().eq(b.laws()));
    let wrong = gallery::all();
    let found = |subject: &Subject, seed| {
        subject.run_while(seed, &mut |report| report.schedules < 10_000).failure.map(|story| story.replay())
    };
    assert_eq!(found(&wrong[0], 5), found(&wrong[0], 5));
}

#[test]
fn pictures_do_not_leak_markup() {
    #[derive(Clone)]
    struct Markup;
    impl Model for Markup {
        type Command = &'static str;
        type View = &'static str;
        fn new(_me: u8) -> Self {
            Markup
        }
        fn command(&self, _pick: &mut Pick<'_>) -> &'static str {
            "<script>&\u{1b}[2J"
        }
        fn edit(&mut self, _now: u64, _command: &&'static str) {}
        fn merge(&mut self, _other: &Self) {}
        fn view(&self) -> &'static str {
            "<b>"
        }
    }
    let steps = vec![Step::Edit { at: 0, bytes: [0; 5] }, Step::Sync { from: 0, to: 1, form: Form::State }];
    let schedule = Schedule { steps, ..Schedule::from_bytes(&[]) };
    let story = Kit::<Markup>::new().draw(schedule);
    assert_eq!(story.law(), None);
    let page = story.html("<i>");
    assert!(!page.contains("<script>") && !page.contains("<b>\"") && !page.contains("<i>"));
}

/// An operation that comes before those it builds on may take away what its author never saw. Two specifications
/// called that wrong; they speak of histories in which causes come first.
#[test]
fn no_specification_speaks_of_operations_that_came_early() {
    let replays = [
        (
            "aw-set",
            "crdt-fuzz/1 0000000000000000 0000000100000000 0000000100000000 9800000200000000 b001000000000000 0001000000000000",
        ),
        (
            "mv-register",
            "crdt-fuzz/1 0000000000000000 0000000000000000 5800000000000000 0001002f00000000 0001000000000000 9800010200000000 b001000000000000",
        ),
    ];
    for (name, replay) in replays {
        let all = subjects();
        let subject = all.iter().find(|subject| subject.name() == name).expect("a type of this crate");
        assert!(subject.replay(replay).is_ok(), "{name}");
    }
}

proptest! {
    #[test]
    fn every_byte_string_is_a_schedule(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let schedule = Schedule::from_bytes(&bytes);
        prop_assert_eq!(Schedule::from_bytes(&schedule.to_bytes()), schedule);
    }

    /// What fails, fails by its replay too, whatever the mistake.
    #[test]
    fn a_replay_breaks_the_same_law(seed in any::<u64>(), which in 0..40usize) {
        let wrong = gallery::all();
        let subject = &wrong[which];
        let report = subject.run_while(seed, &mut |report| report.schedules < 500);
        if let Some(story) = report.failure {
            prop_assert!(story.schedule().steps.len() <= story.found_with());
            let Err(ReplayError::Failed(again)) = subject.replay(&story.replay()) else {
                return Err(TestCaseError::fail("the replay holds"));
            };
            prop_assert_eq!(again.law(), story.law());
        }
    }
}
