//! The command line as its user types it: what it prints, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod common;

use std::process::{Command, Output};

use common::{Process, free_address};

fn sync_daemon(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sync-daemon"));
    command.env_remove("SYNC_TO").env_remove("SYNC_CONFIG").args(args).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_writes_and_another_reads() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Process::start(dir.path(), free_address());
    daemon.ready().await;
    let to = daemon.address.to_string();
    let ok = |args: &[&str]| {
        let output = sync_daemon(&[args, &["--to", &to]].concat());
        assert!(output.status.success(), "{args:?}: {}", err(&output));
        out(&output)
    };
    let said = ok(&["put", "notes/a", "title=hello", "form/age=36", "form/deep/er=true", "text=\"7\""]);
    assert!(said.contains("durable"), "{said}");
    assert_eq!(ok(&["get", "notes/a", "/title"]), "hello\n");
    assert_eq!(ok(&["get", "notes/a", "/form/age"]), "36\n");
    assert_eq!(ok(&["get", "notes/a", "/form/deep/er"]), "true\n");
    assert_eq!(ok(&["get", "notes/a", "/text", "--json"]), "\"7\"\n");
    ok(&["edit", "notes/a", "body", "--append", "grüße 👋"]);
    ok(&["edit", "notes/a", "body", "--insert", "5", "!"]);
    ok(&["edit", "notes/a", "body", "--delete", "0", "1"]);
    assert_eq!(ok(&["get", "notes/a", "/body"]), "rüße! 👋\n");
    ok(&["rm", "notes/a", "title", "form/age"]);
    let all: serde_json::Value = serde_json::from_str(&ok(&["get", "notes/a"])).unwrap();
    assert_eq!(
        all,
        serde_json::json!({ "form": { "deep": { "er": true } }, "text": "7", "body": "rüße! 👋" })
    );
    let status: serde_json::Value = serde_json::from_str(&ok(&["status", "--json"])).unwrap();
    assert_eq!((&status["store"], &status["docs"][0]["name"]), (&"ok".into(), &"notes/a".into()));
    assert!(ok(&["status", "--cluster"]).contains("CONVERGED: 1 daemons, 1 documents"));
    assert!(ok(&["docs"]).contains("notes/a"));

    let alone = sync_daemon(&["put", "notes/a", "late=1", "--disks", "2", "--to", &to, "--timeout", "1"]);
    assert_eq!(alone.status.code(), Some(1));
    assert!(err(&alone).contains("durable on 1 of 2 disks so far"), "{}", err(&alone));
    ok(&["rm", "notes/a", "late", "--disks", "1"]);

    // An editor that changes a word while somebody else writes: both stay.
    let editor = "sed -i s/rüße/hello/";
    let edited = Command::new(env!("CARGO_BIN_EXE_sync-daemon"))
        .args(["edit", "notes/a", "body", "--to", &to])
        .env_remove("VISUAL")
        .env("EDITOR", editor)
        .output()
        .unwrap();
    assert!(edited.status.success(), "{}", err(&edited));
    assert_eq!(ok(&["get", "notes/a", "/body"]), "hello! 👋\n");

    let nothing = sync_daemon(&["get", "notes/none", "--to", &to]);
    assert_eq!((nothing.status.code(), err(&nothing).contains("no such document")), (Some(1), true));
}

#[test]
fn what_cannot_be_reached_has_an_exit_code_of_its_own() {
    let to = free_address().to_string();
    for args in [&["get", "a"][..], &["status"], &["put", "a", "b=c"]] {
        let output = sync_daemon(&[args, &["--to", &to, "--timeout", "0.5"]].concat());
        assert_eq!(output.status.code(), Some(4), "{args:?}: {}", err(&output));
        assert!(err(&output).contains("cannot reach the daemon"), "{}", err(&output));
    }
}

#[test]
fn wrong_usage_is_explained() {
    for (args, code, part) in [
        (&[][..], 2, "sync-daemon demo"),
        (&["frob"], 2, "unrecognized subcommand"),
        (&["put", "a", "novalue"], 1, "not of the form name=value"),
        (&["run", "--config", "/no/such/file"], 1, "cannot read the configuration file /no/such/file"),
        (&["run", "--listen", "0.0.0.0:0", "--data-dir", "/tmp"], 1, "--insecure"),
        (&["run", "--peer", "nonsense", "--print-config"], 0, ""),
    ] {
        let output = sync_daemon(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", err(&output));
        assert!(err(&output).contains(part), "{args:?}: {}", err(&output));
    }
}

#[test]
fn a_configuration_is_checked_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sync.toml");
    let path = file.to_str().unwrap();
    std::fs::write(
        &file,
        "name = \"kitchen\"\nmax-drift-s = 5\nlisten = \"127.0.0.1:7999\"\npeers = [\"ws://127.0.0.1:1\"]\n",
    )
    .unwrap();
    let shown =
        sync_daemon(&["run", "--config", path, "--data-dir", "d", "--name", "hall", "--print-config"]);
    let text = out(&shown);
    assert!(text.contains("name = \"hall\""), "a flag goes before the file: {text}");
    assert!(text.contains("max-drift-s = 5"), "{text}");
    assert!(text.contains("127.0.0.1:7999") && text.contains("ws://127.0.0.1:1"), "{text}");
    std::fs::write(&file, "name = \"kitchen\"\nlisen = \"127.0.0.1:7999\"\n").unwrap();
    let refused = sync_daemon(&["run", "--config", path]);
    assert_eq!(refused.status.code(), Some(1));
    let text = err(&refused);
    assert!(text.contains("lisen") && text.contains("line 2"), "{text}");
}
