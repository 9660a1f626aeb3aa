//! scripts/beside.sh: two commands at the same time, of which neither outlives the other's failure.

use crate::world::{said, Said};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn command(first: &str, second: &str) -> Command {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut beside = Command::new(checkout.join("scripts/beside.sh"));
    beside
        .args(["the first", "sh", "-c", first, "--", "sh", "-c", second])
        .stdin(Stdio::null());
    beside
}

fn beside(first: &str, second: &str) -> Said {
    said(&mut command(first, second))
}

/// Two that each wait for the other to be there.
fn meet(dir: &Path) -> [String; 2] {
    let path = |name: &str| dir.join(name).display().to_string();
    let one = |own: &str, other: &str| {
        format!(
            ": >{}; until [ -e {} ]; do sleep 0.02; done",
            path(own),
            path(other)
        )
    };
    [one("a", "b"), one("b", "a")]
}

#[test]
fn both_run_at_the_same_time_and_all_that_they_say_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = meet(dir.path());
    let said = beside(
        &format!("{first}; echo one; echo warning >&2"),
        &format!("{second}; echo two"),
    );
    assert_eq!(said.status, Some(0));
    assert_eq!(said.stdout, "two\n");
    assert_eq!(said.stderr, "one\nwarning\n");
}

#[test]
fn a_failure_is_shown_whole_and_ends_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = meet(dir.path());
    let lives = dir.path().join("lives");
    let hang = format!("; sleep 600; : >{}", lives.display());
    let said = beside(
        &format!("{first}; seq 1000; exit 3"),
        &format!("{second}{hang}"),
    );
    let all: String = (1..=1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(said.status, Some(3));
    let end = "rlkm: the first: failed with status 3\n";
    assert_eq!(said.stderr, format!("{all}{end}"));

    fs::remove_file(dir.path().join("a")).unwrap();
    fs::remove_file(dir.path().join("b")).unwrap();
    let said = beside(
        &format!("{first}; echo half done{hang}"),
        &format!("{second}; echo broken >&2; exit 4"),
    );
    assert_eq!((said.status, &*said.stderr), (Some(4), "broken\n"));
    assert!(!lives.exists());
}

#[test]
fn a_failure_after_the_other_has_ended_is_one_too() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = meet(dir.path());
    let said = beside(&format!("{first}; sleep 0.2; exit 5"), &second);
    assert_eq!(said.status, Some(5));
    assert_eq!(said.stderr, "rlkm: the first: failed with status 5\n");
    let said = beside("true", "sleep 0.2; exit 6");
    assert_eq!((said.status, &*said.stderr), (Some(6), ""));
}

#[test]
fn a_signal_ends_both_and_all_that_they_have_started() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = meet(dir.path());
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // All of them have it open for writing, and its end is theirs.
        let open = format!("exec 3>{}; ", fifo.display());
        let mut child = command(
            &format!("{open}{first}; sleep 600 & wait"),
            &format!("{open}{second}; echo >&3; sleep 600"),
        )
        .spawn()
        .unwrap();
        let mut said = fs::File::open(&fifo).unwrap();
        std::io::Read::read_exact(&mut said, &mut [0]).unwrap();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        std::io::copy(&mut said, &mut std::io::sink()).unwrap();
        let status = child.wait().unwrap();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(status.signal(), Some(signal as i32));
    }
}
