//! The program as its user sees it, where no node is needed; the tests in the guest run it on the
//! real one.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Every way of using the program on a node.
const VERBS: [&[&str]; 5] = [
    &["show"],
    &["show", "--json"],
    &["count", "1"],
    &["watch", "--seconds", "0.1"],
    &["reset"],
];

/// A path in a folder of its own.
struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("node");
        Place {
            _folder: folder,
            path,
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_percpu_counter"));
        command.arg("--node").arg(&self.path).args(args);
        command.stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn fails(&self, args: &[&str], message: &str) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
        let path = self.path.display().to_string();
        let told = String::from_utf8_lossy(&output.stderr).replace(&path, "NODE");
        assert_eq!(told, message, "{args:?}");
    }
}

#[test]
fn wrong_arguments_are_status_2() {
    for args in [
        &[][..],
        &["list"],
        &["show", "more"],
        &["count"],
        &["count", "-1"],
        &["count", "some"],
        &["count", "1", "--cpu", "first"],
        &["count", "1", "--bytes", "0"],
        &["count", "1", "--bytes", "1073741825"],
        &["watch", "--interval", "0"],
        &["watch", "--interval", "0.009"],
        &["watch", "--seconds", "soon"],
    ] {
        let output = Place::new().run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert_ne!(output.stderr, b"", "{args:?}");
    }
}

#[test]
fn a_missing_node_is_status_3_and_asks_for_its_module() {
    for args in VERBS {
        Place::new().fails(
            args,
            "percpu_counter: NODE: not there; is percpu_counter.ko loaded?\n",
        );
    }
}

#[test]
fn another_file_is_status_3_and_keeps_what_it_holds() {
    for args in VERBS {
        let place = Place::new();
        fs::write(&place.path, "precious").unwrap();
        place.fails(
            args,
            "percpu_counter: NODE: has no counts; is it a percpu_counter?\n",
        );
        assert_eq!(fs::read(&place.path).unwrap(), b"precious", "{args:?}");
    }
}

#[test]
fn help_tells_of_every_verb_and_every_exit_status() {
    let output = Place::new().run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for text in ["show", "count", "watch", "reset", "Exit status:\n  0  done"] {
        assert!(help.contains(text), "{help}");
    }
    for status in ["  2  ", "  3  "] {
        assert!(help.lines().any(|line| line.starts_with(status)), "{help}");
    }
}
