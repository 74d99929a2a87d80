//! What rots silently: files that documents name, targets and examples that nobody lists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn files_named_in_the_architecture_exist() {
    let text = std::fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 150, "it is to be read in one go");
    let mut count = 0;
    let paths =
        text.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && !word.contains([' ', '*']));
    for path in paths {
        let somewhere =
            ["", "crdt/src", "sync-daemon/src"].iter().any(|dir| top().join(dir).join(path).exists());
        assert!(somewhere, "{path} does not exist");
        count += 1;
    }
    assert!(count > 20, "only {count} files were found in the text");
}

#[test]
fn examples_are_declared() {
    let manifests = ["crdt", "sync-daemon"]
        .map(|dir| std::fs::read_to_string(top().join(dir).join("Cargo.toml")).unwrap());
    let examples: Vec<_> = std::fs::read_dir(top().join("examples")).unwrap().collect();
    assert!(!examples.is_empty());
    for example in examples {
        let name = example.unwrap().file_name().into_string().unwrap();
        let declared = manifests.iter().any(|manifest| manifest.contains(&format!("../examples/{name}")));
        assert!(declared, "{name} is declared by no crate");
    }
}

#[test]
fn no_file_has_two_subjects() {
    fn walk(dir: &Path, count: &mut usize) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, count);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 800, "{} has {lines} lines", path.display());
                *count += 1;
            }
        }
    }
    let mut count = 0;
    ["crdt/src", "sync-daemon/src"].iter().for_each(|dir| walk(&top().join(dir), &mut count));
    assert!(count > 30);
}
