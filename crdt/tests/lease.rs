//! Replicas that forget by leases, under partitions and clocks that are set: nobody diverges, no edit is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::collections::BTreeSet;

use crdt::causal::ReceiveError;
use crdt::codec::{from_bytes, to_bytes};
use crdt::lease::{Leases, NotLeased};
use crdt::oplog::{Add, PoLog};
use crdt::replica::Replica;
use crdt::set::AwSet;
use crdt::traits::OpCrdt;
use crdt::{Delta, Doc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const TERM: u64 = 1_000;

fn id(n: u128) -> ReplicaId {
    ReplicaId::from_u128(n + 1)
}

/// One replica: a document and its table.
struct Member {
    doc: Doc,
    leases: Leases,
    clock: u64,
    part: u8,
}

impl Member {
    fn is_out(&self) -> bool {
        self.leases.is_out(self.leases.owner())
    }

    fn report(&mut self) {
        self.leases.report(self.doc.version());
    }

    fn forget(&mut self) {
        let (cut, shown) = (self.leases.stable(self.doc.version()), self.doc.value());
        self.doc.forget(&cut);
        assert_eq!(self.doc.value(), shown);
    }

    /// Is saved and loaded.
    fn restart(&mut self) {
        self.doc = Doc::load(&self.doc.save(), self.leases.owner()).unwrap();
        self.leases = from_bytes(&to_bytes(&self.leases)).unwrap();
    }
}

/// What tells a schedule that tested something.
#[derive(Default, Debug)]
struct Tally {
    out: usize,
    forgotten: u64,
    refused: usize,
    rescued: usize,
    healed: usize,
}

struct World {
    members: Vec<Member>,
    /// A character for each edit, which nobody deletes.
    written: u32,
    ids: u128,
    /// Ids that nobody writes under any more.
    left: Vec<ReplicaId>,
    tally: Tally,
}

const FIRST: u32 = 0x4E00;

impl World {
    fn new(n: u128) -> World {
        let ids: Vec<ReplicaId> = (0..n).map(id).collect();
        let member = |id: &ReplicaId| Member {
            doc: Doc::new(*id),
            leases: Leases::new(*id, ids.iter().copied(), TERM),
            clock: 5_000,
            part: 0,
        };
        World {
            members: ids.iter().map(member).collect(),
            written: 0,
            ids: n,
            left: vec![],
            tally: Tally::default(),
        }
    }

    fn edit(&mut self, at: usize, a: u8, b: u8) {
        let (mark, (a, b)) =
            (char::from_u32(FIRST + self.written).unwrap(), (usize::from(a), usize::from(b)));
        self.written += 1;
        let doc = &mut self.members[at].doc;
        let mut shown: Vec<char> =
            doc.text("note").map(ToString::to_string).unwrap_or_default().chars().collect();
        doc.transact(u64::from(self.written), |tx| {
            let mut text = tx.text("note");
            let pos = a % (text.len() + 1);
            text.insert(pos, &format!("..{mark}.."));
            shown.splice(pos..pos, ['.', '.', mark, '.', '.']);
            let dots: Vec<usize> = (0..shown.len()).filter(|at| shown[*at] == '.').collect();
            dots.into_iter().rev().step_by(1 + b % 3).take(b % 7).for_each(|at| text.delete(at..at + 1));
            tx.list("marks").insert(a % 4, mark.to_string());
            tx.map("m").put(["k", "l"][b % 2], b as i64);
        });
    }

    /// One sends its table and what the other lacks.
    fn send(&mut self, from: usize, to: usize) {
        let (Some(source), Some(target)) = (self.members.get(from), self.members.get(to)) else { return };
        if from == to || source.part != target.part {
            return;
        }
        let table: Leases = from_bytes(&to_bytes(&source.leases)).unwrap();
        let delta = source.doc.delta_since(target.doc.version());
        let target = &mut self.members[to];
        if target.leases.merge(&table).is_err() {
            self.tally.refused += 1;
            let mine = target.leases.clone();
            let _ = self.members[from].leases.merge(&mine); // It learns that it is out.
        } else if !target.is_out() {
            let delta = Delta::from_bytes(&delta.to_bytes()).unwrap();
            match target.leases.admit(delta.spans.iter().copied(), target.doc.version()) {
                // Between members that keep the rules no document refuses anything.
                Ok(()) => drop(target.doc.apply(&delta).unwrap()),
                Err(_) => self.tally.refused += 1,
            }
        }
    }

    /// One who is out copies the document of another, makes its edits anew and joins under a new id.
    fn come_back(&mut self, late: usize, host: usize) {
        let [late_one, host_one] = [&self.members[late], &self.members[host]];
        let settled = host_one.leases.is_settled(host_one.doc.version());
        if !late_one.is_out() || late_one.part != host_one.part || !settled {
            return;
        }
        let new = id(self.ids);
        self.ids += 1;
        let host = &mut self.members[host];
        let leases = host.leases.invite(new).unwrap();
        let mut fresh = Doc::new(new);
        fresh.apply(&host.doc.delta_since(fresh.version())).unwrap();
        let late = &mut self.members[late];
        let rescue = late.doc.rescue(fresh);
        self.tally.rescued += rescue.edits().len();
        let (doc, left) = rescue.apply(u64::from(self.written), |_| true);
        assert!(left.is_empty());
        self.left.push(late.leases.owner());
        (late.doc, late.leases) = (doc, leases);
    }

    fn step(&mut self, [what, a, b, c]: [u8; 4]) {
        let n = self.members.len();
        let (at, other) = (usize::from(a) % n, usize::from(b) % n);
        match what % 16 {
            0..=2 => self.edit(at, b, c),
            3..=7 => {
                self.members[at].report();
                self.send(at, other);
            }
            8 => self.members[at].report(),
            9 | 10 => {
                self.members[at].forget();
            }
            11 if b % 4 == 0 => self.members[at].part = c % 2,
            11 => self.members[at].restart(),
            12 => self.come_back(at, other),
            // Clocks run apart, and are set back and forward.
            13 if b % 8 == 0 => self.members[at].clock = u64::from(c) * 100,
            _ => (0..n).for_each(|at| {
                let member = &mut self.members[at];
                member.clock += u64::from(c);
                self.tally.out += member.leases.tick(member.clock).len();
            }),
        }
    }

    /// All hear each other until nothing is left to say. False when all have been put out.
    fn heal(&mut self) -> bool {
        self.members.iter_mut().for_each(|member| member.part = 0);
        self.all_hear_each_other();
        // Where half of the members or more have left, no terms end: then somebody says who has left.
        if self.members.iter().any(Member::is_out) {
            for member in self.members.iter_mut().filter(|member| !member.is_out()) {
                for id in &self.left {
                    member.leases.retire(*id);
                }
            }
            self.all_hear_each_other();
        }
        self.members.iter().any(|member| !member.is_out())
    }

    fn all_hear_each_other(&mut self) {
        let n = self.members.len();
        for _ in 0..4 * n {
            for pair in 0..n * n {
                self.members[pair / n].report();
                self.send(pair / n, pair % n);
            }
            (0..n * n).for_each(|pair| self.come_back(pair / n, pair % n));
            // Time goes on: who came back left an id that nobody reports for any more.
            for member in &mut self.members {
                member.clock += TERM / 4;
                member.leases.tick(member.clock);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever is put out and comes back, all are one document in the end, with all that was ever written.
    #[test]
    fn nothing_is_lost(n in 2..6u128, steps in prop::collection::vec(any::<[u8; 4]>(), 1..200)) {
        let mut world = World::new(n);
        steps.into_iter().for_each(|step| world.step(step));
        if !world.heal() {
            return Ok(()); // Two parts put each other out: nobody is left whom to ask.
        }
        let first = &world.members[0];
        let text = first.doc.text("note").map(ToString::to_string).unwrap_or_default();
        let marks: BTreeSet<char> = text.chars().filter(|c| *c != '.').collect();
        prop_assert_eq!(marks, (0..world.written).filter_map(|n| char::from_u32(FIRST + n)).collect());
        for member in &world.members {
            prop_assert!(!member.is_out());
            prop_assert_eq!(member.doc.version(), first.doc.version());
            prop_assert_eq!(member.doc.value(), first.doc.value());
        }
    }
}

/// The schedules above do put replicas out, forget, refuse, and rescue.
#[test]
fn schedules_meet_every_case() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let schedules = (3..6u128, prop::collection::vec(any::<[u8; 4]>(), 250));
    let mut all = Tally::default();
    for _ in 0..60 {
        let (n, steps) = schedules.new_tree(&mut runner).unwrap().current();
        let mut world = World::new(n);
        steps.into_iter().for_each(|step| world.step(step));
        all.forgotten += world.members.iter().map(|member| member.doc.forgotten().total()).sum::<u64>();
        all.healed += usize::from(world.heal());
        all.out += world.tally.out;
        all.refused += world.tally.refused;
        all.rescued += world.tally.rescued;
    }
    println!("{all:?}");
    assert!(all.healed > 50, "too often nobody is left: {all:?}");
    assert!(all.out > 20 && all.forgotten > 1_000 && all.refused > 20 && all.rescued > 20, "{all:?}");
}

fn version(entries: &[(u128, u64)]) -> VersionVector {
    entries.iter().map(|(replica, seq)| (id(*replica), *seq)).collect()
}

fn tables(n: u128) -> Vec<Leases> {
    (0..n).map(|me| Leases::new(id(me), (0..n).map(id), TERM)).collect()
}

/// Each hears of all.
fn meet(tables: &mut [Leases]) {
    let all = tables.to_vec();
    for table in tables {
        for other in &all {
            let _ = table.merge(other);
        }
    }
}

#[test]
fn a_member_that_is_silent_holds_back_until_its_term_ends() {
    let mut all = tables(3);
    let seen = version(&[(0, 5), (1, 3)]);
    let mut heard = Vec::new();
    for n in 0..6 {
        all[0].report(&seen);
        all[1].report(&seen);
        meet(&mut all[..2]);
        assert!(all[0].stable(&seen).is_empty());
        heard.push(all[0].tick(n * TERM / 4));
    }
    let ended: Vec<usize> = (0..6).filter(|n| !heard[*n].is_empty()).collect();
    assert_eq!((ended, &heard[4]), (vec![4], &vec![id(2)]));
    assert!(all[0].stable(&seen).is_empty(), "the other has not promised yet");
    for _ in 0..2 {
        all[0].report(&seen);
        all[1].report(&seen);
        meet(&mut all[..2]);
    }
    assert_eq!(all[0].stable(&seen), seen);
    assert!(all[0].stable(&version(&[(0, 5)])).is_empty(), "what the other has taken is not here");
    let late = all[2].clone();
    assert_eq!(all[0].merge(&late), Err(NotLeased::Out(id(2))));
    let table = all[0].clone();
    all[2].merge(&table).unwrap();
    assert!(all[2].is_out(id(2)));
    assert!(all[2].stable(&seen).is_empty() && all[2].invite(id(9)).is_err());
}

#[test]
fn clocks_that_are_set_and_machines_that_sleep_end_no_terms() {
    let mut all = tables(3);
    all[0].tick(u64::MAX / 2);
    for now in [0, 10, 5, 3_000_000_000, 7] {
        assert!(all[0].tick(now).is_empty());
    }
    let silent: Vec<u64> = all[0].silences().map(|(_, silent)| silent).collect();
    assert_eq!(silent, [0, 260, 260]);
    let again: Leases = from_bytes(&to_bytes(&all[0])).unwrap();
    assert_eq!(again.silences().map(|(_, silent)| silent).collect::<Vec<_>>(), silent);
}

#[test]
fn who_hears_half_of_the_members_puts_nobody_out() {
    let mut all = tables(4);
    for n in 0..50 {
        all[0].report(&version(&[]));
        all[1].report(&version(&[]));
        meet(&mut all[..2]);
        assert!(all[0].tick(n * TERM / 4).is_empty());
    }
    assert!(all[0].retire(id(3)) && !all[0].retire(id(3)) && !all[0].retire(id(8)));
    assert_eq!(all[0].tick(51 * TERM / 4), [id(2)], "of three two are more than half");
}

#[test]
fn what_a_member_had_taken_from_one_who_is_out_still_comes() {
    let mut all = tables(3);
    all[1].report(&version(&[(2, 7)]));
    all[0].retire(id(2));
    let from = |after, to| [version(&[(2, to)]).since(&version(&[(2, after)])).next().unwrap()];
    assert_eq!(all[0].admit(from(0, 7), &version(&[])), Err(NotLeased::Out(id(2))));
    meet(&mut all[..2]);
    assert_eq!(all[0].admit(from(0, 7), &version(&[])), Ok(()));
    assert_eq!(all[0].admit(from(0, 8), &version(&[])), Err(NotLeased::Out(id(2))));
    assert_eq!(all[0].admit(from(0, 8), &version(&[(2, 8)])), Ok(()), "it is here already");
    assert!(!all[0].is_settled(&version(&[(2, 6)])));
}

#[test]
fn newcomers_are_let_in_by_members_and_by_nobody_else() {
    let mut all = tables(3);
    let [span] = [version(&[(8, 1)]).since(&version(&[])).next().unwrap()];
    assert_eq!(all[0].admit([span], &version(&[])), Err(NotLeased::Unknown(id(8))));
    let newcomer = all[1].invite(id(8)).unwrap();
    all[0].merge(&newcomer).unwrap();
    assert_eq!(all[0].admit([span], &version(&[])), Ok(()));
    // One who is out lets somebody in, who lets in another.
    let mut guest = all[2].invite(id(5)).unwrap();
    let second = guest.invite(id(6)).unwrap();
    all[0].retire(id(2));
    let mut relay = tables(2).remove(1);
    relay.merge(&second).unwrap();
    all[0].merge(&relay).unwrap();
    assert!(all[0].is_out(id(5)) && all[0].is_out(id(6)) && !all[0].is_out(id(1)));
}

#[test]
fn of_two_parts_that_put_each_other_out_the_larger_goes_on() {
    let mut all = tables(5);
    for (of, out) in [(0, [3, 4]), (3, [0, 1])] {
        assert!(out.iter().all(|n| all[of].retire(id(*n))));
    }
    all[3].retire(id(2));
    let (larger, smaller) = (all[0].clone(), all[3].clone());
    assert!(all[0].merge(&smaller).is_err() && !all[0].is_out(id(0)));
    assert!(all[3].merge(&larger).is_err() && all[3].is_out(id(3)));
    // One that is out has no say.
    let out = all[3].clone();
    assert_eq!(all[1].merge(&out), Err(NotLeased::Out(id(3))));
    assert!(!all[1].is_out(id(0)) && all[1].is_out(id(3)));
}

#[test]
fn replicas_and_logs_forget_by_the_same_table() {
    let mut all = tables(2);
    let mut set: Replica<AwSet<u8>> = Replica::new(id(0));
    let mut other: Replica<AwSet<u8>> = Replica::new(id(1));
    set.update(0, |set, cx| set.insert(1, cx));
    set.update(0, |set, cx| set.remove(&1, cx));
    let mut logs: Vec<PoLog<Add>> = (0..2).map(|n| PoLog::new(id(n), 10)).collect();
    let ops: Vec<_> = (1..=2).map(|n| logs[0].apply(n, Add(1))).collect();
    let stable = |all: &mut [Leases], seen: [&VersionVector; 2]| {
        all.iter_mut().zip(seen).for_each(|(table, seen)| table.report(seen));
        meet(all);
        all[0].stable(seen[0])
    };
    set.forget(&stable(&mut all, [set.seen().version(), other.seen().version()]));
    assert!(!set.removals().is_empty());
    other.apply(&set.delta_since(other.seen().version()));
    set.forget(&stable(&mut all, [set.seen().version(), other.seen().version()]));
    assert!(set.removals().is_empty());
    let mut all = tables(2);
    ops.iter().try_for_each(|op| logs[1].effect(op)).map_err(|error: ReceiveError| error).unwrap();
    let cut = stable(&mut all, [logs[0].version(), logs[1].version()]);
    logs[0].compact(&cut);
    assert_eq!((logs[0].len(), logs[0].value()), (1, 2));
}

/// A host that does not know that it is out lets somebody in: whoever's table comes first, both sides know of it at once.
#[test]
fn who_was_let_in_by_one_who_is_out_is_out_from_the_first_table_on() {
    let newcomer = id(9);
    let let_in = || {
        let mut all = tables(3);
        let fresh = all[2].invite(newcomer).unwrap();
        all[0].retire(id(2));
        (all.swap_remove(0), fresh)
    };
    let (mut member, fresh) = let_in();
    assert_eq!(member.merge(&fresh), Err(NotLeased::Out(newcomer)));
    assert!(member.is_out(newcomer));
    let (member, mut fresh) = let_in();
    assert!(!fresh.is_out(newcomer));
    let _ = fresh.merge(&member);
    assert!(fresh.is_out(newcomer));
}
