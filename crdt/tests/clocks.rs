//! Clocks against what they stand for: version vectors and contexts against sets of events, dotted version vectors
//! against causal histories, matrix clocks against what each member was told, the causal buffer against what has come.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crdt::causal::{CausalBuffer, ReceiveError, Tagged};
use crdt::codec::{Decode, Encode, from_bytes, to_bytes};
use crdt::context::{CausalContext, DotRanges};
use crdt::dvv::DottedVersionVector;
use crdt::matrix::MatrixClock;
use crdt::oplog::{Add, AwSetOp, LwwWrite, PoLog};
use crdt::{Dot, Hlc, ReplicaId, Span, VersionVector};
use proptest::prelude::*;

type Events = BTreeSet<Dot>;

fn id(n: usize) -> ReplicaId {
    ReplicaId::from_u128(n as u128 + 1)
}

fn dot(n: usize, seq: u64) -> Dot {
    Dot::new(id(n), seq)
}

fn events(spans: impl IntoIterator<Item = Span>) -> Events {
    let all = spans.into_iter().flat_map(|s| (s.after + 1..=s.to).map(move |seq| Dot::new(s.replica, seq)));
    all.collect()
}

fn of(version: &VersionVector) -> Events {
    version.iter().flat_map(|(replica, to)| (1..=to).map(move |seq| Dot::new(replica, seq))).collect()
}

fn order(a: &Events, b: &Events) -> Option<Ordering> {
    match (a.is_superset(b), b.is_superset(a)) {
        (true, true) => Some(Ordering::Equal),
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        (false, false) => None,
    }
}

fn same<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(&from_bytes::<T>(&to_bytes(value)).unwrap(), value);
}

fn versions() -> impl Strategy<Value = Vec<(usize, u64)>> {
    // Of few replicas and of many: large ones are merged in one pass.
    prop_oneof![
        prop::collection::vec((0usize..4, 0u64..5), 0..6),
        prop::collection::vec((0usize..40, 0u64..5), 20..60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn version_vectors_are_sets_of_events(a in versions(), b in versions()) {
        let vector = |entries: &[(usize, u64)]| {
            let mut version = VersionVector::new();
            for (n, seq) in entries {
                let before = version.get(id(*n));
                prop_assert_eq!(version.advance(id(*n), *seq), *seq > before);
            }
            Ok(version)
        };
        let (one, two) = (vector(&a)?, vector(&b)?);
        let (mine, theirs) = (of(&one), of(&two));
        prop_assert_eq!((one.total(), one.is_empty()), (mine.len() as u64, mine.is_empty()));
        prop_assert_eq!(one.len(), mine.iter().map(|dot| dot.replica).collect::<BTreeSet<_>>().len());
        prop_assert_eq!(one.partial_cmp(&two), order(&mine, &theirs));
        prop_assert_eq!(one.covers(&two), mine.is_superset(&theirs));
        prop_assert_eq!(of(&one.meet(&two)), &mine & &theirs);
        prop_assert_eq!(of(&one.clone().merged(&two)), &mine | &theirs);
        prop_assert_eq!(events(one.since(&two)), &mine - &theirs);
        let lacks: Events = mine.iter().copied().filter(|dot| !two.contains(*dot)).collect();
        prop_assert_eq!(lacks, &mine - &theirs);
        same(&one);
        let context = CausalContext::from(one.clone());
        prop_assert_eq!(context.version(), &one);
        prop_assert_eq!(events(context.iter_ranges()), mine);
    }

    #[test]
    fn contexts_are_sets_of_events(dots in prop::collection::vec((0usize..20, 0u64..9), 0..40), many in any::<bool>()) {
        let dots: Vec<Dot> = dots.into_iter().map(|(n, seq)| dot(if many { n } else { n % 3 }, seq)).collect();
        let (mut context, mut ranges, mut plain) = (CausalContext::new(), DotRanges::new(), Events::new());
        for dot in &dots {
            context.insert(*dot);
            ranges.insert(*dot);
            plain.extend((dot.seq > 0).then_some(*dot)); // none has number 0
            prop_assert_eq!(events(context.iter_ranges()), plain.clone());
            prop_assert_eq!(events(ranges.iter_ranges()), plain.clone());
            prop_assert_eq!((ranges.len(), ranges.is_empty()), (plain.len() as u64, plain.is_empty()));
        }
        // What has no gap before it stands in the version.
        let without_gap = |replica: ReplicaId| (1..).take_while(|seq| plain.contains(&Dot::new(replica, *seq))).count() as u64;
        prop_assert!((0..20).all(|n| context.version().get(id(n)) == without_gap(id(n))));
        prop_assert_eq!(ranges.within(context.version()), context.beyond().is_empty());
        let (half, rest) = dots.split_at(dots.len() / 2);
        let set = |dots: &[Dot]| dots.iter().copied().filter(|dot| dot.seq > 0).collect::<DotRanges>();
        let mut both = set(half);
        both.extend(&set(rest));
        prop_assert_eq!(&both, &ranges);
        prop_assert_eq!(set(half).contains_span(Span { replica: id(0), after: 0, to: 3 }),
            (1..=3).all(|seq| half.contains(&dot(0, seq))));
        let context_of = |dots: &[Dot]| set(dots).iter_ranges().collect::<CausalContext>();
        let compared = order(&events(set(half).iter_ranges()), &events(set(rest).iter_ranges()));
        prop_assert_eq!(context_of(half).partial_cmp(&context_of(rest)), compared);
        same(&context);
        same(&ranges);
        prop_assert_eq!(format!("{ranges:?}") == "{}", plain.is_empty());
    }

    /// Two servers, writes with whatever was read from either, by clients that may have read long ago: the siblings are
    /// the values whose causal history no other's includes.
    #[test]
    fn siblings_are_what_no_other_value_has_seen(
        steps in prop::collection::vec((0usize..2, 0u8..4, any::<prop::sample::Index>()), 0..30),
    ) {
        let mut servers = [DottedVersionVector::<Dot>::new(), DottedVersionVector::new()];
        // For each server all that it has seen, and its siblings with all that their writers had.
        let mut models: [(Events, BTreeMap<Dot, Events>); 2] = Default::default();
        let mut reads: Vec<(VersionVector, Events)> = vec![Default::default()];
        for (at, what, read) in steps {
            let (context, past) = reads[read.index(reads.len())].clone();
            match what {
                0 => {
                    let dot = Dot::new(id(at), servers[at].context().get(id(at)).max(context.get(id(at))) + 1);
                    servers[at].write(id(at), &context, dot);
                    let (seen, siblings) = &mut models[at];
                    siblings.retain(|dot, _| !past.contains(dot));
                    siblings.insert(dot, past.clone());
                    seen.extend(past.iter().copied().chain([dot]));
                }
                1 => {
                    servers[at].discard(&context);
                    let (seen, siblings) = &mut models[at];
                    siblings.retain(|dot, _| !past.contains(dot));
                    seen.extend(past);
                }
                2 => {
                    let other = servers[1 - at].clone();
                    servers[at].merge(&other);
                    let (their_seen, theirs) = models[1 - at].clone();
                    let (seen, ours) = &mut models[at];
                    ours.retain(|dot, _| theirs.contains_key(dot) || !their_seen.contains(dot));
                    ours.extend(theirs.into_iter().filter(|(dot, _)| !seen.contains(dot)));
                    seen.extend(their_seen);
                }
                _ => reads.push((servers[at].context().clone(), models[at].0.clone())),
            }
            for (server, (seen, siblings)) in servers.iter().zip(&models) {
                prop_assert_eq!(&of(server.context()), seen);
                prop_assert!(server.values().eq(siblings.keys()));
                let bytes = to_bytes(server);
                prop_assert_eq!(&from_bytes::<DottedVersionVector<Dot>>(&bytes).unwrap(), server);
            }
            // One knows all that the other does if taking it in changes nothing; removals, which are no events, too.
            let [one, two] = &servers;
            let learns = |a: &DottedVersionVector<Dot>, b: &DottedVersionVector<Dot>| {
                let mut both = a.clone();
                both.merge(b);
                both != *a
            };
            prop_assert_eq!((one.covers(two), two.covers(one)), (!learns(one, two), !learns(two, one)));
            let order = match (learns(one, two), learns(two, one)) {
                (false, false) => Some(Ordering::Equal),
                (true, false) => Some(Ordering::Less),
                (false, true) => Some(Ordering::Greater),
                (true, true) => None,
            };
            prop_assert_eq!((one.causal_cmp(two), two.causal_cmp(one)), (order, order.map(Ordering::reverse)));
        }
    }

    /// Of the same members the clock that knows more is the greater, and no two others compare.
    #[test]
    fn clocks_compare_by_what_they_know(
        reports in prop::collection::vec((0usize..3, 0usize..2, versions()), 0..8),
        copied in 0usize..8,
        other_members in prop::bool::weighted(0.1),
    ) {
        let mut clocks = [(); 2].map(|()| MatrixClock::new([id(0), id(1)]));
        let mut known: [BTreeSet<(usize, Dot)>; 2] = Default::default();
        for (n, (which, member, entries)) in reports.into_iter().enumerate() {
            let version: VersionVector = entries.into_iter().filter(|(_, seq)| *seq > 0).map(|(n, seq)| (id(n), seq)).collect();
            // Some hear of it both.
            for at in (0..2).filter(|at| *at == which || which == 2) {
                clocks[at].saw(id(member), &version);
                known[at].extend(of(&version).into_iter().map(|dot| (member, dot)));
            }
            if n == copied {
                let [one, two] = &mut clocks;
                one.merge(two);
                let theirs = known[1].clone();
                known[0].extend(theirs);
            }
        }
        if other_members {
            clocks[1].add(id(2));
        }
        let [one, two] = &clocks;
        let order = match (known[0].is_superset(&known[1]), known[1].is_superset(&known[0])) {
            _ if other_members => None,
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        };
        prop_assert_eq!((one.partial_cmp(two), two.partial_cmp(one)), (order, order.map(Ordering::reverse)));
        prop_assert_eq!(one.covers(two), matches!(order, Some(Ordering::Equal | Ordering::Greater)));
        prop_assert_eq!(one == two, order == Some(Ordering::Equal));
        if one.covers(two) {
            let mut both = one.clone();
            both.merge(two);
            prop_assert_eq!(&both, one);
            prop_assert!(one.seen_by_all().covers(&two.seen_by_all()));
        }
    }

    #[test]
    fn what_all_members_have_seen_is_stable(steps in prop::collection::vec((0u8..6, 0usize..4, versions()), 0..30)) {
        let (mut clock, mut plain) = (MatrixClock::new([id(0), id(1)]), BTreeMap::from([(id(0), Events::new()), (id(1), Events::new())]));
        let mut told = VersionVector::new();
        for (what, n, entries) in steps {
            let version: VersionVector = entries.into_iter().filter(|(_, seq)| *seq > 0).map(|(n, seq)| (id(n), seq)).collect();
            match what {
                0 => {
                    clock.add(id(n));
                    plain.entry(id(n)).or_default();
                }
                1 => prop_assert_eq!(clock.remove(id(n)), plain.remove(&id(n)).is_some()),
                2 => {
                    let mut other = MatrixClock::new([id(n), id(9)]);
                    other.saw(id(n), &version);
                    clock.merge(&other);
                    plain.entry(id(n)).and_modify(|row| row.extend(of(&version)));
                }
                _ => {
                    let known = plain.get_mut(&id(n)).map(|row| row.extend(of(&version))).is_some();
                    prop_assert_eq!(clock.saw(id(n), &version), known);
                }
            }
            told.merge(&version);
            prop_assert!(clock.members().eq(plain.keys().copied()));
            for n in 0..10 {
                prop_assert_eq!(clock.row(id(n)).map(of), plain.get(&id(n)).cloned());
            }
            let by_all = plain.values().cloned().reduce(|a, b| &a & &b).unwrap_or_default();
            prop_assert_eq!(of(&clock.seen_by_all()), by_all.clone());
            // What members wrote themselves must have come.
            let delivered = told.clone();
            let own = |(member, row): (&ReplicaId, &Events)| {
                row.iter().filter(|dot| dot.replica == *member).all(|dot| delivered.contains(*dot))
            };
            let stable = if plain.iter().all(own) { by_all } else { Events::new() };
            prop_assert_eq!(of(&clock.stable(&delivered)), stable);
            let own_are_here = plain.iter().all(|(member, row)| !row.iter().any(|dot| dot.replica == *member));
            prop_assert!(own_are_here || clock.stable(&VersionVector::new()).is_empty());
            same(&clock);
        }
    }

    /// Operations in any order, some of them never: what waits, what is missing, what has been delivered.
    #[test]
    fn the_buffer_says_what_it_waits_for(
        pasts in prop::collection::vec((0usize..3, prop::collection::vec((0usize..3, 0u64..4), 0..3)), 1..16),
        come in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        // A history: each operation comes after the one before it of its author, and some of others.
        let (mut all, mut last): (Vec<Tagged<u8>>, [u64; 3]) = (Vec::new(), [0; 3]);
        for (author, seen) in pasts {
            let mut past: VersionVector = [(id(author), last[author])].into_iter().filter(|p| p.1 > 0).collect();
            for (n, seq) in seen.into_iter().filter(|(n, _)| *n != author) {
                past.advance(id(n), seq.min(last[n]));
            }
            // What an author has seen of others, with all that those had.
            let closed = all.iter().filter(|op| past.contains(op.dot)).map(|op| op.past.clone()).collect::<Vec<_>>();
            closed.iter().for_each(|more| past.merge(more));
            last[author] += 1;
            all.push(Tagged { dot: dot(author, last[author]), past, stamp: Hlc::ZERO, op: all.len() as u8 });
        }
        let (mut buffer, mut here, mut done) = (CausalBuffer::new(all.len()), BTreeSet::new(), Events::new());
        for index in come {
            let op = &all[index.index(all.len())];
            here.insert(op.dot);
            for op in buffer.receive(op.clone()).unwrap() {
                prop_assert!(of(&op.past).is_subset(&done), "delivered before its past");
                prop_assert!(done.insert(op.dot), "delivered twice");
            }
            prop_assert_eq!(&of(buffer.seen()), &done);
            prop_assert_eq!(buffer.waiting(), here.len() - done.len());
            let wanted = all.iter().filter(|op| here.contains(&op.dot)).flat_map(|op| of(&op.past));
            let missing: Events = wanted.filter(|dot| !here.contains(dot)).collect();
            prop_assert_eq!(events(buffer.missing()), missing);
            prop_assert!(buffer.missing().iter().all(|span| span.after < span.to));
        }
        all.iter().for_each(same);
    }
}

#[test]
fn what_is_no_clock_is_refused() {
    let a = id(0);
    let op = |seq: u64, past: u64| {
        let past = [(a, past)].into_iter().filter(|p| p.1 > 0).collect();
        Tagged { dot: Dot::new(a, seq), past, stamp: Hlc::ZERO, op: 0u8 }
    };
    let mut buffer = CausalBuffer::new(1);
    assert_eq!(buffer.receive(op(2, 0)), Err(ReceiveError::Invalid));
    assert_eq!(buffer.receive(op(3, 2)), Ok(vec![]));
    assert_eq!(buffer.receive(op(5, 4)), Err(ReceiveError::Full(1)));
    assert!(from_bytes::<Tagged<u8>>(&to_bytes(&op(3, 1))).is_err());
    assert!(from_bytes::<Tagged<u8>>(&to_bytes(&op(3, 2))).is_ok());

    // Events of number 0, a replica twice, siblings that were never seen or stand in no order.
    let refused = |write: &dyn Fn(&mut crdt::codec::Writer)| {
        let mut w = crdt::codec::Writer::with_table([id(0), id(1)]);
        write(&mut w);
        let body = w.into_body();
        let table = [id(0), id(1)];
        let read = |r: &mut crdt::codec::Reader<'_>| VersionVector::decode(r);
        read(&mut crdt::codec::Reader::new(&body, &table)).is_err()
    };
    let entry = |w: &mut crdt::codec::Writer, n: usize, seq: u64| {
        w.replica(id(n));
        w.u64(seq);
    };
    assert!(!refused(&|w| {
        w.u64(2);
        entry(w, 0, 1);
        entry(w, 1, 1)
    }));
    assert!(refused(&|w| {
        w.u64(2);
        entry(w, 0, 1);
        entry(w, 0, 1)
    }));
    assert!(refused(&|w| {
        w.u64(2);
        entry(w, 1, 1);
        entry(w, 0, 1)
    }));
    assert!(refused(&|w| {
        w.u64(1);
        entry(w, 0, 0)
    }));
    assert!(refused(&|w| {
        w.u64(1);
        entry(w, 0, Dot::MAX_SEQ + 1)
    }));
    let last: VersionVector = [(a, Dot::MAX_SEQ)].into_iter().collect();
    let run: DotRanges = [dot(0, Dot::MAX_SEQ)].into_iter().collect();
    same(&last);
    same(&run);
    assert!(format!("{last:?}").contains(&Dot::MAX_SEQ.to_string()));
    assert!(format!("{:?}", Hlc::new(1_234, 5)).contains("1234"));
    let siblings = |seen: u64, dots: &[u64]| {
        let mut w = crdt::codec::Writer::with_table([id(0)]);
        [(id(0), seen)].into_iter().collect::<VersionVector>().encode(&mut w);
        w.u64(dots.len() as u64);
        for seq in dots {
            w.dot(dot(0, *seq));
            w.u8(7);
        }
        let body = w.into_body();
        DottedVersionVector::<u8>::decode(&mut crdt::codec::Reader::new(&body, &[id(0)])).is_ok()
    };
    assert!(siblings(2, &[1, 2]) && siblings(2, &[]));
    assert!(!siblings(2, &[2, 1]) && !siblings(2, &[1, 1]) && !siblings(2, &[3]));
}

#[test]
fn logs_of_operations_keep_what_matters() {
    let mut log: PoLog<Add> = PoLog::new(id(0), 4);
    assert!((log.len(), log.is_empty()) == (0, true));
    let ops: Vec<Tagged<Add>> = (1..=5).map(|n| log.apply(0, Add(n))).collect();
    assert!((log.value(), log.len(), log.is_empty()) == (15, 5, false));
    let three: VersionVector = [(id(0), 3)].into_iter().collect();
    log.compact(&three);
    assert_eq!((log.value(), log.len()), (15, 3)); // of the first three one is left
    let mut other: PoLog<Add> = PoLog::new(id(1), 4);
    use crdt::traits::OpCrdt;
    other.effect(&ops[1]).unwrap();
    assert_eq!((other.buffer().waiting(), other.len()), (1, 0));

    let mut set: PoLog<AwSetOp<u8>> = PoLog::new(id(0), 4);
    set.apply(0, AwSetOp::Insert(1));
    set.apply(0, AwSetOp::Insert(1));
    assert_eq!(set.len(), 1); // the second stands for the first
    set.apply(0, AwSetOp::Remove(2));
    assert_eq!(set.len(), 1); // a removal is done at once
    let mut register: PoLog<LwwWrite<u8>> = PoLog::new(id(0), 4);
    register.apply(5, LwwWrite(1));
    register.apply(6, LwwWrite(2));
    assert_eq!((register.len(), register.value()), (1, Some(2)));
}
