//! What the kernel complains of fails a test, by name, and so does a test that hangs. The tests that
//! fail here do so on purpose, each in a process that another test has started to look at it.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tests::{path_of, text, until, Module};

const NAME: &str = "sync_test";
const QUIET: &str = "case=references";
const WARNS: &str = "case=condition_keeps_lock";
const WARNING: &str = "lkm: a thread tried to sleep in atomic context";

static HAS_WARNED: AtomicBool = AtomicBool::new(false);

fn succeeds(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

#[test]
#[ignore = "fails on purpose, in a process of its own"]
fn warns() {
    Module::load(NAME, &[WARNS]).unwrap();
}

#[test]
#[ignore = "fails on purpose, in a process of its own"]
fn warns_after_its_turn() {
    drop(Module::load(NAME, &[QUIET]).unwrap());
    succeeds(Command::new("insmod").arg(path_of(NAME)).arg(WARNS));
    succeeds(Command::new("rmmod").arg(NAME));
    HAS_WARNED.store(true, Ordering::Relaxed);
}

#[test]
#[ignore = "fails on purpose, in a process of its own"]
fn comes_next() {
    until("the kernel warns", || HAS_WARNED.load(Ordering::Relaxed));
    Module::load(NAME, &[QUIET]).unwrap();
}

#[test]
#[ignore = "fails on purpose, in a process of its own"]
fn does_not_end() {
    let mut module = Module::load(NAME, &[QUIET]).unwrap();
    env::set_var("RLKM_LIMIT", "2");
    module.watch(String::new);
    thread::sleep(Duration::from_secs(3600));
}

/// What a run of these tests, which fails, has said.
fn said_by(tests: &[&str]) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--test-threads=2"])
        .args(tests)
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{said}");
    said
}

/// What a run of these tests has said, in which the kernel warns.
fn failing_run(tests: &[&str]) -> String {
    let mut module = Module::unloaded(NAME);
    let said = said_by(tests);
    module.expect_refusal(WARNING);
    assert!(said.contains("the kernel complained:\n"), "{said}");
    assert!(said.contains(WARNING), "{said}");
    said
}

#[test]
fn a_warning_fails_the_test_that_has_the_module() {
    let said = failing_run(&["warns"]);
    assert!(said.contains("test warns ... FAILED\n"), "{said}");
}

#[test]
fn a_warning_after_a_test_fails_the_next_one_and_names_the_first() {
    let said = failing_run(&["warns_after_its_turn", "comes_next"]);
    assert!(
        said.contains("test warns_after_its_turn ... ok\n"),
        "{said}"
    );
    assert!(said.contains("test comes_next ... FAILED\n"), "{said}");
    let blamed = "after test warns_after_its_turn, the kernel complained:";
    assert!(said.contains(blamed), "{said}");
}

#[test]
fn a_warning_after_the_last_test_fails_the_program() {
    let said = failing_run(&["warns_after_its_turn"]);
    assert!(said.contains("test result: ok. 1 passed"), "{said}");
    let blamed = "after test warns_after_its_turn, the kernel complained:";
    assert!(said.contains(blamed), "{said}");
}

#[test]
fn a_test_that_does_not_end_ends_the_program_and_says_where_it_is() {
    let mut module = Module::unloaded(NAME);
    let said = said_by(&["does_not_end"]);
    // It is left behind, with what it had.
    succeeds(Command::new("rmmod").arg(NAME));
    let begin = "test does_not_end ... FAILED: not finished after 2s; its threads are in:\n";
    let (_, places) = said.split_once(begin).unwrap_or_else(|| panic!("{said}"));
    let asleep = format!("does_not_end: {} ", libc::SYS_clock_nanosleep);
    assert!(places.contains(&asleep), "{said}");
    assert_eq!(module.complaint(), None);
}
