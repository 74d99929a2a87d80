//! The example apps as their users run them: processes of their own, a daemon that comes and goes, lines typed and read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use common::{PATIENCE, Process, free_address};

/// An example, which `cargo test` builds beside the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().with_file_name("examples").join(name);
    assert!(path.exists(), "build it first: cargo build -p sync-daemon --example {name}");
    path
}

/// An app that somebody types into and reads.
struct App {
    child: Child,
    typed: ChildStdin,
    read: Receiver<String>,
}

impl App {
    fn start(name: &str, directory: &str, within: &Path, daemon: SocketAddr) -> App {
        let mut child = Command::new(example(name))
            .arg(directory)
            .current_dir(within)
            .env("SYNC_TO", format!("ws://{daemon}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (typed, lines) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
        let (send, read) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
        App { child, typed, read }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.typed, "{line}").unwrap();
    }

    /// Reads on until a line has this in it.
    fn reads(&self, wanted: &str) {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(wanted)) {
            match self.read.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(_) => panic!("no {wanted:?} in {lines:#?}"),
            }
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_chat_survives_airplane_mode_and_tells_who_has_what() {
    let (dir, address) = (tempfile::tempdir().unwrap(), free_address());
    let data = dir.path().join("server");
    let mut ada = App::start("chat", "ada", dir.path(), address);
    ada.reads("offline");
    ada.types("is anybody there?");
    ada.reads("ada: is anybody there?");
    ada.reads("changes wait");
    let twice = Command::new(example("chat")).arg("ada").current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(
        twice.status.code() == Some(1)
            && said.starts_with("error: ")
            && said.contains("another process is using"),
        "{said}"
    );
    drop(ada); // killed: what was written is on its disk

    let daemon = Process::start(&data, address);
    let mut ada = App::start("chat", "ada", dir.path(), address);
    ada.reads("ada: is anybody there?");
    ada.reads("online");
    let mut bob = App::start("chat", "bob", dir.path(), address);
    bob.reads("ada: is anybody there?");
    ada.reads("bob is here");
    ada.types("hello bob");
    bob.reads("ada: hello bob");
    ada.reads("✓ bob has it");

    drop(daemon);
    ada.reads("offline");
    bob.reads("offline");
    ada.types("written without");
    bob.types("me too");
    ada.reads("changes wait");
    let _daemon = Process::start(&data, address);
    ada.reads("bob: me too");
    bob.reads("ada: written without");
}

#[test]
fn a_board_is_edited_offline_on_two_devices_and_meets() {
    let (dir, address) = (tempfile::tempdir().unwrap(), free_address());
    let todo = |args: &[&str]| {
        let output = Command::new(example("todo"))
            .args(args)
            .current_dir(dir.path())
            .env("SYNC_TO", format!("ws://{address}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(todo(&["mine", "add", "milk"]).contains("offline"));
    assert!(todo(&["yours", "add", "bread"]).contains("offline"));
    let _daemon = Process::start(&dir.path().join("server"), address);
    assert!(todo(&["mine", "list"]).contains("saved here and on the daemon"));
    let both = todo(&["yours", "list"]);
    assert!(both.contains("milk") && both.contains("bread"), "{both}");
    assert_eq!(todo(&["mine", "list"]), both);
}

#[test]
fn a_form_is_undone_and_tells_of_conflicts() {
    let (dir, address) = (tempfile::tempdir().unwrap(), free_address());
    let mut ada = App::start("form", "ada", dir.path(), address);
    let mut bob = App::start("form", "bob", dir.path(), address);
    ada.reads("no daemon");
    bob.reads("no daemon");
    ada.types("name=Ada");
    bob.types("name=Augusta");
    bob.types("age=36");
    bob.types("undo");
    bob.types("show");
    let _daemon = Process::start(&dir.path().join("server"), address);
    ada.reads("others wrote");
    bob.reads("others wrote");
    ada.types("conflicts");
    ada.reads("name");
    ada.types("quit");
    assert!(ada.child.wait().unwrap().success());
}
