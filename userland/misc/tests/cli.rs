//! The program as its user sees it, where no node is needed; the tests in the guest run it on the
//! real ones.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

/// Every way of using the program on a node.
const VERBS: [&[&str]; 6] = [
    &["get"],
    &["set", "text"],
    &["stats"],
    &["stats", "--json"],
    &["stats", "--reset"],
    &["hammer", "--seconds", "0.1"],
];

/// A path in a folder of its own.
struct Place {
    _folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("misc_mutex");
        Place {
            _folder: folder,
            path,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_misc"));
        command.arg("--node").arg(&self.path).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
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
        &["fetch"],
        &["get", "more"],
        &["set", "two", "words"],
        &["stats", "--json", "--reset"],
        &["hammer", "--readers", "-1"],
        &["hammer", "--writers", "1001"],
        &["hammer", "--seconds", "soon"],
        &["hammer", "--readers", "0", "--writers", "0"],
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
        Place::new().fails(args, "misc: NODE: not there; is misc_mutex.ko loaded?\n");
    }
}

#[test]
fn another_file_is_status_3_and_keeps_what_it_holds() {
    for args in VERBS {
        let place = Place::new();
        fs::write(&place.path, "precious").unwrap();
        place.fails(args, "misc: NODE: has no statistics; is it a misc node?\n");
        assert_eq!(fs::read(&place.path).unwrap(), b"precious", "{args:?}");
    }
}

#[test]
fn a_fifo_does_not_keep_the_program_waiting() {
    let place = Place::new();
    mkfifo(&place.path, Mode::S_IRWXU).unwrap();
    place.fails(
        &["get"],
        "misc: NODE: has no statistics; is it a misc node?\n",
    );
    place.fails(
        &["set", "text"],
        "misc: NODE: no device behind it; is misc_mutex.ko loaded?\n",
    );
}

#[test]
fn a_folder_is_status_3() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    place.fails(
        &["set", "text"],
        "misc: NODE: cannot open: Is a directory (os error 21)\n",
    );
}

#[test]
fn standard_input_that_has_no_end_is_not_read_to_its_end() {
    let place = Place::new();
    let mut child = place
        .command(&["set"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&[b'a'; 129]).unwrap();
    // The pipe is still open, but what came is more than a message can have.
    let patience = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > patience {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(status.code(), Some(3));
}

#[test]
fn help_tells_of_every_verb_and_every_exit_status() {
    let output = Place::new().run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for text in [
        "get",
        "set",
        "stats",
        "hammer",
        "Exit status:\n  0  done\n  1  ",
    ] {
        assert!(help.contains(text), "{help}");
    }
    for status in ["  2  ", "  3  "] {
        assert!(help.lines().any(|line| line.starts_with(status)), "{help}");
    }
}
