//! What went wrong in other libraries, each as a test of this one. Those that are not here stand where their subject is:
//!
//! | what broke | where it is tried here |
//! |---|---|
//! | in sync, and yet not the same (automerge 870) | `sync_docs::any_connected_graph_converges`, `doc::replicas_converge` |
//! | another conflict wins after loading; replaying differs from loading (automerge 579, 1269) | `neighbours::loading_replaying_and_merging_come_to_the_same` |
//! | a cache of what events had seen left events out (automerge 3df5fb6) | `graph::who_saw_whom_is_as_a_walk_says` |
//! | a column was rewritten in place, wrongly (automerge a53672b) | value, graph and bytes: `doc::replicas_converge` |
//! | saved in mid-sync, not loadable (automerge 536, 567) | `neighbours::what_is_saved_at_any_step_loads` |
//! | two events of one name (automerge 34b98ca; harmony 79; orbitdb 1032) | `neighbours::a_copy_under_the_old_name_breaks_nobody`, `sync_docs::a_copied_replica_costs_the_others_nothing`, `automerge::two_changes_with_one_name_are_refused` |
//! | asking for ever for what nobody has (automerge bbe1088) | `sync_docs::any_connected_graph_converges`, `sync_docs::nothing_is_lost_between_prune_and_graft` |
//! | a message lost: a loop, or a change never sent (automerge-repo 206, automerge-classic 305) | each message of a conversation: `sync::any_one_message_can_be_lost`; links are cut with what is on them: `sync_docs::any_connected_graph_converges` |
//! | removals lost in merged updates (yrs 648e7fe) | `neighbours::removals_survive_joining_and_doubling` |
//! | holes between updates; their order (yrs c93820d, y-crdt 413) | `neighbours::updates_in_any_order_come_to_the_same` |
//! | two programs read one update differently (y-crdt 632) | one program; what it must read for ever: `golden::documents` |
//! | merging ranges (y-crdt 607) | `scopes::ranges_are_sets_of_events` |
//! | three writers, four operations, two texts (y-octo 53) | `scopes::every_short_history_of_a_text_converges` |
//! | insertion into a range that another removed (yorkie 1302) | `scopes::every_pair_of_edits_commutes` |
//! | attributes depend on when an update comes (yjs 291) | `kit::own_types_hold_every_law`, whose view of a document has them; `scopes::every_pair_of_edits_commutes` |
//! | a snapshot of the past lacks its end (loro 1038) | `scopes::every_version_saved_reads_back` |
//! | removed members come back, or stay (riak_dt 78, 82) | `laws::a_removed_member_does_not_come_back`, `laws::a_member_removed_on_both_sides_goes` |
//! | a nested counter counted twice (riak_dt 53) | `neighbours::nested_counters_count_each_addition_once` |
//! | siblings on the disk (riak_kv 1495) | `scopes::the_stored_form_is_sound_after_every_edit` |
//! | a nested removal took what it had not seen (rust-crdt 35) | `laws::a_nested_removal_takes_only_what_it_saw` |
//! | a later event, an earlier stamp (calimero 2662) | `neighbours::who_has_seen_an_event_stamps_later` |
//! | what was acknowledged is gone after partition and kill; who was down never catches up (antidote 489, 420) | `sync_docs::any_connected_graph_converges`; real daemons: `sync-daemon soak`, `chaos` |
//! | a cycle of causes (antidote 458) | `scopes::what_a_replica_has_is_closed_under_causes` |
//! | removed before it was written (actor-ts 722) | `neighbours::nobody_takes_away_what_the_author_has_not_written` |
//! | stamps of the future (Rustchain 2706, iroh 1439) | `neighbours::a_stamp_from_the_future_pins_nothing` |
//! | a peer's clock in gossip (solana 9593) | none is sent but in stamps; presence ends by the clock of who shows it: `sync::presence_reaches_all_is_renewed_and_ends_with_the_link` |
//! | a link that takes all and gives nothing counts as good (gossipsub) | `sync::silent_links_delay_and_lose_nothing` |
//! | web pages that talk to a local server (Cline, Theia, Vite) | `network::nonsense_is_refused_and_the_others_go_on` of the daemon |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use crdt::counter::PnCounter;
use crdt::map::OrMap;
use crdt::replica::{Change, Replica};
use crdt::strategy;
use crdt::traits::StateCrdt;
use crdt::{ApplyError, Delta, Doc, Hlc, ReplicaId, Replicated, VersionVector};
use proptest::prelude::*;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

/// All that a document shows, what lost included.
fn shown(doc: &Doc) -> String {
    format!("{doc:#} {:?}", doc.conflicts())
}

fn whole(doc: &Doc) -> Delta {
    doc.delta_since(&VersionVector::new())
}

/// Each step of a large difference can be taken once those before it were: a step that shows a value waits for
/// nothing that overwrites it later, it takes that along.
#[test]
fn steps_are_taken_one_after_another() {
    let mut from = Doc::new(id(1));
    let put =
        |doc: &mut Doc, at, key: u64| doc.transact(at, |tx| tx.map("m").put(&key.to_string(), at as i64));
    (0..1000).for_each(|n| put(&mut from, n, n));
    [7, 300, 301, 7].iter().enumerate().for_each(|(n, key)| put(&mut from, 2000 + n as u64, *key));
    (1000..1500).for_each(|n| put(&mut from, 3000 + n, n));
    let (mut to, mut steps) = (Doc::new(id(2)), 0);
    while to.version() != from.version() {
        let until = from.step(to.version(), 100);
        to.apply(&from.delta_between(to.version(), &until)).unwrap();
        steps += 1;
    }
    assert_eq!(to.save(), from.save());
    assert!(steps > 4, "{steps}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// So is each step of a difference of any document, however small the steps are, for one who has nothing and for one who
    /// has some: what an element of a list holds and where it stands are two events, and no step ends between them.
    #[test]
    fn every_step_of_any_difference_is_taken(docs in strategy::docs(3), events in 1..12u64) {
        let mut to = Doc::new(id(9));
        for from in &docs {
            while !to.version().covers(from.version()) {
                let before = to.version().total();
                let until = from.step(to.version(), events);
                prop_assert!(until.meet(from.version()) == until);
                let taken = to.apply(&from.delta_between(to.version(), &until));
                prop_assert!(taken.is_ok(), "{taken:?}");
                prop_assert!(to.version().total() > before, "a step goes on");
            }
        }
        let mut merged = docs[0].clone();
        docs[1..].iter().for_each(|other| drop(merged.apply(&other.delta_since(merged.version()))));
        prop_assert_eq!(to.save(), merged.save());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// After saving and loading another of the conflicting values was shown (automerge issue 579), or marks stood
    /// otherwise than after replaying all changes (automerge issue 1269). Three ways to one state.
    #[test]
    fn loading_replaying_and_merging_come_to_the_same(docs in strategy::docs(3)) {
        let mut merged = docs[0].clone();
        for other in &docs[1..] {
            merged.apply(&other.delta_since(merged.version())).unwrap();
        }
        let loaded = Doc::load(&merged.save(), merged.author()).unwrap();
        let mut replayed = Doc::new(id(9));
        replayed.apply(&whole(&merged)).unwrap();
        prop_assert_eq!(shown(&loaded), shown(&merged));
        prop_assert_eq!(shown(&replayed), shown(&merged));
        prop_assert_eq!(loaded.save(), merged.save());
        prop_assert_eq!(replayed.save(), merged.save());
    }

    /// A document that was saved while it took changes from two sides did not load (automerge issues 536, 567).
    #[test]
    fn what_is_saved_at_any_step_loads(docs in strategy::docs(3)) {
        let mut here = docs[0].clone();
        let steps: Vec<Delta> = docs[1..].iter().map(|other| other.delta_since(here.version())).collect();
        for delta in steps {
            here.apply(&delta).unwrap();
            prop_assert_eq!(shown(&Doc::load(&here.save(), here.author()).unwrap()), shown(&here));
        }
    }

    /// The same updates in another order, or with holes that are filled later, came to another state (y-crdt issue
    /// 413 and three fixes of June 2026). A refused delta changes nothing, and is taken when it comes again.
    #[test]
    fn updates_in_any_order_come_to_the_same(
        docs in strategy::docs(2),
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut from = docs[0].clone();
        from.apply(&docs[1].delta_since(from.version())).unwrap();
        let mut at = VersionVector::new();
        let mut updates = Vec::new();
        for n in 0..6 {
            let next = from.step(&at, if n == 5 { u64::MAX >> 2 } else { 2 });
            updates.push(from.delta_between(&at, &next));
            at = next;
        }
        prop_assert_eq!(&at, from.version());
        let mut to = Doc::new(id(9));
        for _ in 0..6 {
            for n in &order {
                let before = (to.version().clone(), to.save());
                match to.apply(&updates[*n]) {
                    Ok(_) => {}
                    Err(ApplyError::Missing) => prop_assert_eq!((to.version().clone(), to.save()), before),
                    Err(error) => panic!("{error}"),
                }
            }
        }
        prop_assert_eq!(to.save(), from.save());
    }

    /// A nested counter was decremented twice, when two replicas agreed to forget while a third went on (riak_dt
    /// issue 53).
    #[test]
    fn nested_counters_count_each_addition_once(
        steps in prop::collection::vec((0..3usize, 0..3usize, any::<bool>(), 0..2u8), 0..40),
    ) {
        let mut all: Vec<Replica<OrMap<u8, OrMap<u8, PnCounter>>>> = (0..3).map(|n| Replica::new(id(n))).collect();
        let mut sums = [0i64; 2];
        for (to, from, add, key) in steps {
            if add {
                sums[usize::from(key)] -= 1;
                all[to].update(0, |map, cx| map.update(key, cx, |map, cx| map.update(0, cx, |n, cx| n.add(-1, cx))));
            } else {
                let other = all[from].clone();
                all[to].merge(&other);
                let both = all[to].seen().version().meet(all[from].seen().version());
                all[to].forget(&both);
            }
        }
        let mut everything = Replica::new(id(9));
        all.iter().chain(all.iter()).for_each(|replica| everything.merge(replica));
        for key in 0..2u8 {
            let value = everything.value().get(&key).and_then(|map| map.get(&0)).map_or(0, PnCounter::value);
            prop_assert_eq!(value, sums[usize::from(key)]);
        }
    }

    /// An event that had seen another got an earlier stamp (calimero issue 2662). Random messages, skewed clocks.
    #[test]
    fn who_has_seen_an_event_stamps_later(
        steps in prop::collection::vec((0..3usize, 0..3usize, 0..100u64), 1..60),
    ) {
        let mut clocks = [Hlc::ZERO; 3];
        let mut seen: [VersionVector; 3] = Default::default();
        let mut events: Vec<(usize, VersionVector, Hlc)> = Vec::new();
        for (to, from, now) in steps {
            if to == from {
                let stamp = clocks[to].tick(now);
                let past = seen[to].clone();
                seen[to].advance(id(to), past.get(id(to)) + 1);
                events.push((to, past, stamp));
            } else {
                let (clock, known) = (clocks[from], seen[from].clone());
                clocks[to].observe(clock);
                seen[to].merge(&known);
            }
        }
        for (author, past, stamp) in &events {
            let seq = past.get(id(*author)) + 1;
            for (_, later_past, later) in &events {
                prop_assert!(later_past.get(id(*author)) < seq || later > stamp);
            }
        }
    }
}

/// A copied file went on under its old name in two places, and the edits of both were stranded (harmony issue 79). Here
/// the second of two events of one name is refused or found known, nobody breaks, and under a new name all goes on.
#[test]
fn a_copy_under_the_old_name_breaks_nobody() {
    let mut a = Doc::new(id(0));
    a.transact(0, |tx| tx.text("note").insert(0, "x"));
    let file = a.save();
    let mut copy = Doc::load(&file, id(0)).unwrap(); // the mistake: the id is in use
    a.transact(1, |tx| tx.text("note").insert(1, "a"));
    copy.transact(1, |tx| tx.text("note").insert(1, "b"));
    let before = shown(&a);
    let taken = a.apply(&copy.delta_since(&VersionVector::new()));
    assert!(taken.is_err() || taken.unwrap().novel.is_empty());
    assert_eq!(shown(&a), before);
    Doc::load(&a.save(), id(0)).unwrap();

    let mut right = Doc::load(&file, id(1)).unwrap();
    right.transact(1, |tx| tx.text("note").insert(1, "b"));
    a.apply(&right.delta_since(a.version())).unwrap();
    assert_eq!(a.text("note").unwrap().len(), 3);
}

/// A peer removed a victim's future members in advance, since their names can be guessed (actor-ts issue 722). A document
/// refuses events of its own author that it never wrote; so a victim's own replica cannot be led to skip its next event.
#[test]
fn nobody_takes_away_what_the_author_has_not_written() {
    let mut victim = Doc::new(id(0));
    let mut forger = Doc::new(id(0)); // writes in the victim's name
    forger.transact(0, |tx| {
        tx.set("s").insert("x");
        tx.set("s").remove("x");
    });
    assert!(matches!(victim.apply(&whole(&forger)), Err(ApplyError::Refused(_))));
    victim.transact(0, |tx| tx.set("s").insert("mine"));
    assert_eq!(victim.value().to_string(), r#"{"s":["mine"]}"#);
}

/// A stamp of the year 2038 pinned a register for good (Rustchain issue 2706). A write that has seen it wins, whatever its
/// clock says; and who takes edits from their author can ask before.
#[test]
fn a_stamp_from_the_future_pins_nothing() {
    let far = 2_145_916_800_000;
    let mut a = Doc::new(id(0));
    let mut b = Doc::new(id(1));
    a.transact(far, |tx| tx.put("title", "pinned"));
    b.apply(&whole(&a)).unwrap();
    b.transact(1_000, |tx| tx.put("title", "free"));
    a.apply(&b.delta_since(a.version())).unwrap();
    assert_eq!(a.get("/title"), Some("free".into()));
    assert!(Hlc::new(far, 0).is_ahead_of(1_000, 600_000));
}

/// Deltas that were joined, doubled and came in two halves lost removals (yrs, 648e7fe).
#[test]
fn removals_survive_joining_and_doubling() {
    let mut a: Replica<OrMap<u8, PnCounter>> = Replica::new(id(0));
    let put = a.edit(0, |map, cx| map.update(1, cx, |n, cx| n.add(1, cx)));
    let gone = a.edit(0, |map, cx| map.remove(&1, cx));
    let mut both = Change::default();
    both.join(&gone);
    both.join(&put);
    for order in [vec![&gone, &put], vec![&put, &gone, &put], vec![&both], vec![&put, &both, &gone]] {
        let mut b = Replica::new(id(1));
        order.into_iter().for_each(|change| b.apply(change));
        assert!(b.value().is_empty());
    }
}
