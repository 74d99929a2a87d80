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

/// The table of what broke in neighbours names tests that exist.
#[test]
fn tests_named_beside_what_broke_elsewhere_exist() {
    let table = std::fs::read_to_string(top().join("crdt/tests/neighbours.rs")).unwrap();
    let mut all = String::new();
    for dir in ["crdt/src", "crdt/tests", "crdt/kit/tests", "sync-daemon/tests"] {
        each_source(&top().join(dir), &mut |_, text| all += text);
    }
    let names = table.lines().filter(|line| line.starts_with("//! |")).flat_map(|line| line.split('`'));
    let tests: Vec<&str> = names.filter_map(|name| Some(name.split_once("::")?.1)).collect();
    assert!(tests.len() > 25, "{}", tests.len());
    for test in tests {
        assert!(all.contains(&format!("fn {test}(")), "{test} does not exist");
    }
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
fn numbered_examples_are_short() {
    let mut count = 0;
    for example in std::fs::read_dir(top().join("examples")).unwrap() {
        let path = example.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(|c: char| c.is_ascii_digit()) {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines < 80, "{} has {lines} lines", path.display());
            count += 1;
        }
    }
    assert!(count >= 15);
}

/// The kit has its examples at its modules and main types.
fn each_documented(see: &mut impl FnMut(&Path, &str)) {
    each_source(&top().join("crdt/src"), &mut |path, text| {
        let aside = ["testkit", "bin"].iter().any(|dir| path.components().any(|c| c.as_os_str() == *dir));
        if !aside && !path.ends_with("testkit.rs") && !path.ends_with("sync/checking.rs") {
            see(path, text);
        }
    });
}

/// The name of an item that starts so in a line, and the documentation in front of it.
fn item<'a>(line: &'a str, starts: &[&str]) -> Option<&'a str> {
    let item = starts.iter().find_map(|start| line.strip_prefix(start))?;
    item.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Types, traits and functions that stand by themselves; constants need none.
#[test]
fn public_items_show_an_example() {
    let (mut count, mut without) = (0, Vec::new());
    each_documented(&mut |path, text| {
        let mut docs = String::new();
        for line in text.lines() {
            let starts = ["pub struct ", "pub enum ", "pub trait ", "pub fn ", "pub type "];
            if let Some(name) = item(line, &starts) {
                count += 1;
                if !docs.contains("```") && !docs.contains("doc(hidden)") {
                    without.push(format!("{}: {name}", path.display()));
                }
            }
            match line {
                _ if line.starts_with("///") || line.starts_with("#[") => docs += line,
                _ if line.starts_with(')') || line.starts_with("    ") => {}
                _ => docs.clear(),
            }
        }
    });
    assert!(count > 100 && without.is_empty(), "of {count} these have no example: {without:#?}");
}

/// A method that changes what it is called on shows an example of its own; one that makes it or only reads it may be
/// shown by another's in its file, mostly its type's.
#[test]
fn public_methods_show_an_example() {
    let (mut count, mut without) = (0, Vec::new());
    each_documented(&mut |path, text| {
        let (mut docs, mut shown, mut in_code) = (String::new(), String::new(), false);
        for line in text.lines().map(str::trim_start) {
            let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
            in_code = doc.is_some_and(|doc| in_code != doc.trim_start().starts_with("```"));
            shown += doc.filter(|_| in_code).unwrap_or_default();
        }
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            if let Some(name) = item(line, &["    pub fn ", "    pub const fn "]) {
                count += 1;
                let signature = lines[n..].iter().take(6).copied().collect::<String>();
                let changes = signature.split('{').next().is_some_and(|head| head.contains("&mut self"));
                let is_called = [".", "::"].iter().any(|dot| shown.contains(&format!("{dot}{name}(")));
                if !docs.contains("```") && !docs.contains("doc(hidden)") && (changes || !is_called) {
                    without.push(format!("{}: {name}", path.display()));
                }
            }
            match line.trim_start() {
                line if line.starts_with("///") || line.starts_with("#[") => docs += line,
                _ => docs.clear(),
            }
        }
    });
    assert!(count > 450 && without.is_empty(), "of {count} these have no example: {without:#?}");
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

#[test]
fn no_file_has_two_subjects() {
    let mut count = 0;
    for dir in ["crdt/src", "sync-daemon/src"] {
        each_source(&top().join(dir), &mut |path, text| {
            let lines = text.lines().count();
            assert!(lines <= 800, "{} has {lines} lines", path.display());
            count += 1;
        });
    }
    assert!(count > 30);
}
