//! The demo as its user runs it: it converges, says so, and says when it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::process::{Command, Output};

fn demo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sync-daemon")).arg("demo").args(args).output().unwrap()
}

/// A sequential trace: letters typed, some taken back.
fn small_trace(dir: &std::path::Path) -> String {
    let mut text = String::new();
    let mut txns = Vec::new();
    for i in 0..300usize {
        if i % 7 == 6 {
            text.pop();
            txns.push(serde_json::json!({ "patches": [[text.len(), 1, ""]] }));
        } else {
            txns.push(serde_json::json!({ "patches": [[text.len(), 0, "x"]] }));
            text.push('x');
        }
    }
    let trace = serde_json::json!({ "startContent": "", "endContent": text, "txns": txns });
    let path = dir.join("trace.json");
    std::fs::write(&path, trace.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn it_converges_through_faults() {
    let dir = tempfile::tempdir().unwrap();
    let (trace, report) = (small_trace(dir.path()), dir.path().join("report.html"));
    let script = "quiet 3; replay 40; cut n1 n2; replay 20; heal; kill n3; replay 20; restart n3; expect converged 30s";
    let report = report.to_str().unwrap();
    let out = demo(&[
        "--nodes",
        "3",
        "--topology",
        "ring",
        "--trace",
        &trace,
        "--script",
        script,
        "--json",
        "--report",
        report,
    ]);
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["converged"], true);
    assert_eq!(summary["losses"], 0);
    // N - 1, or one frame more in three edits when the machine is so busy that trees form late.
    let frames = summary["quiet"]["frames_per_edit"].as_f64().unwrap();
    assert!((2.0..2.4).contains(&frames), "{text}");
    assert!(summary["edits"].as_u64().unwrap() > 300);
    let html = std::fs::read_to_string(report).unwrap();
    for part in ["<!doctype html>", "<svg", "polyline", "CONVERGED 3/3", "kill n3"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("http://") && !html.contains("<script"), "one file, nothing from elsewhere");
}

#[test]
fn it_says_when_it_does_not_converge() {
    let out =
        demo(&["--topology", "pair", "--script", "cut n1 n2; write n1 5; expect converged 300ms", "--plain"]);
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("FAILED: not converged within 300ms"), "{text}");
}

#[test]
fn wrong_words_are_pointed_at() {
    for (args, part) in [
        (&["--script", "cut n1 n9"][..], "\"n9\" is none of n1 to n5"),
        (&["--topology", "blob"], "none of pair, line, ring"),
        (&["--trace", "/no/such/trace"], "cannot read the trace"),
        (&["--script", "cut n1 n3"], "there is no link between n1 and n3"),
    ] {
        let out = demo(args);
        assert_eq!(out.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&out.stderr).contains(part),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}
