//! What errors say: what is wrong, and what became of the state; and that a program can go on matching them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::path::Path;

use crdt::causal::ReceiveError;
use crdt::codec::DecodeError;
use crdt::counter::BoundedCounter;
use crdt::doc::{HistoryError, RichTextError};
use crdt::lease::NotLeased;
use crdt::replica::Replica;
use crdt::sync::{DocId, Kind, OpenError};
use crdt::{ApplyError, Hlc, ReplicaId};

#[test]
fn every_error_says_what_became_of_the_state() {
    let mut stock: Replica<BoundedCounter> = Replica::new(ReplicaId::from_u128(1));
    let decode = [
        DecodeError::UnexpectedEnd { at: 1 },
        DecodeError::Invalid { at: 1, what: "a name" },
        DecodeError::Limit { at: 1, what: "names" },
        DecodeError::Trailing { left: 1 },
        DecodeError::Checksum,
        DecodeError::Version { found: 9, known: 2 },
    ];
    let apply = [
        ApplyError::Missing,
        ApplyError::Invalid(DecodeError::Checksum),
        ApplyError::Refused("why"),
        ApplyError::Behind,
        ApplyError::Late,
        ApplyError::Early([(ReplicaId::MIN, Hlc::new(5, 0)), (ReplicaId::from_u128(1), Hlc::ZERO)].into()),
        ApplyError::Engine("it panicked".into()),
    ];
    let text = [RichTextError::Shape, RichTextError::Embed, RichTextError::Type, RichTextError::PastEnd];
    let history =
        [HistoryError::NotKept, HistoryError::TooCoarse, HistoryError::NeverWas, HistoryError::NotBefore];
    let lease = [NotLeased::Out(ReplicaId::MIN), NotLeased::Unknown(ReplicaId::MIN)];
    let kind = Kind(9);
    let open = [
        OpenError::UnknownKind(kind),
        OpenError::OtherKind(kind),
        OpenError::TooMany,
        OpenError::Parked,
        OpenError::Lost,
    ];
    let long = "x".repeat(129);
    let docs = ["", "a\nb", &long].map(|name| name.parse::<DocId>().unwrap_err().to_string());
    let ids = ["beef", "g", "0000-00000000000000000000000000000a-"];
    let ids = ids.map(|id| id.parse::<ReplicaId>().unwrap_err().to_string());
    assert!(ids.iter().all(|said| said.contains("-00000000002a")), "{ids:?}");
    let names = docs.into_iter().chain(ids);
    let said: Vec<String> = decode
        .iter()
        .map(ToString::to_string)
        .chain(apply.iter().map(ToString::to_string))
        .chain(text.iter().map(ToString::to_string))
        .chain(history.iter().map(ToString::to_string))
        .chain(lease.iter().map(ToString::to_string))
        .chain(open.iter().map(ToString::to_string))
        .chain(names)
        .chain([ReceiveError::Full(3), ReceiveError::Invalid].iter().map(ToString::to_string))
        .chain([stock.update(0, |stock, cx| stock.take(1, cx)).unwrap_err().to_string()])
        .collect();
    assert_eq!(said.len(), 37);
    for said in said {
        let state = ["unchanged", "as it was", "nothing was", "not taken", "none was made"];
        assert_eq!(state.iter().filter(|state| said.contains(*state)).count(), 1, "{said}");
        assert!(said.len() < 160 || said.contains("copy the"), "{said}");
    }
}

/// Errors of this crate can get more variants, and say in their docs what became of the state.
#[test]
fn error_types_are_open_and_documented() {
    let (mut count, mut wrong) = (0, Vec::new());
    each_source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        let lines: Vec<&str> = text.lines().collect();
        let errors = text.lines().filter_map(|line| line.strip_prefix("messages! { ")?.split(' ').next());
        for error in errors {
            // The kit's tell what they found.
            let in_kit = path.components().any(|part| part.as_os_str() == "testkit");
            let is_it = |line: &&str| {
                ["enum", "struct"].iter().any(|kind| {
                    line.strip_prefix(&format!("pub {kind} {error}"))
                        .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
                })
            };
            let Some(at) = lines.iter().position(is_it) else { continue };
            count += 1;
            let mut head: Vec<&str> = lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.starts_with("///") || line.starts_with("#["))
                .copied()
                .collect();
            head.reverse();
            let head = head.join(" ");
            let said = ["is as it was", "nothing was", "Nothing was", "nothing changed", "nothing is"];
            if !in_kit && !said.iter().any(|said| head.contains(said)) {
                wrong.push(format!("{}: {error} does not say what became of the state", path.display()));
            }
            if !head.contains("#[non_exhaustive]") {
                wrong.push(format!("{}: {error} is not #[non_exhaustive]", path.display()));
            }
        }
    });
    assert!(count >= 14 && wrong.is_empty(), "of {count}: {wrong:#?}");
}

fn each_source(dir: &Path, see: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_source(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
