//! Everything that fuzzing has found worth keeping goes through its target again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::path::Path;

use proptest::prelude::*;

#[test]
fn corpora_are_replayed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    for (name, target) in crdt_kit::TARGETS {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} has a libFuzzer target");
        let corpus: Vec<_> = std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap().collect();
        assert!(!corpus.is_empty(), "{name} has a corpus");
        for file in corpus {
            let path = file.unwrap().path();
            println!("{}", path.display());
            target(&std::fs::read(path).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_merges(steps in prop::collection::vec(any::<[u8; 8]>(), 0..64)) {
        crdt_kit::targets::merge(&steps.concat());
    }

    #[test]
    fn no_bytes_break_a_promise(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        crdt_kit::TARGETS.iter().for_each(|(_, target)| target(&bytes));
    }
}
