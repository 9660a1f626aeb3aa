//! hello: a module's life and its parameters.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use tests::{modinfo, Module, Record};

const KERN_INFO: u8 = 6;

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.text.as_str()).collect()
}

/// Loads hello with `parameters`, unloads it, and checks all that it said meanwhile.
#[track_caller]
fn says(parameters: &[&str], greeting: &str, times: usize, goodbye: &str) {
    let mut module = Module::load("hello", parameters).expect("hello.ko does not load");
    assert_eq!(
        texts(&module.lines()),
        vec![greeting; times],
        "{parameters:?}"
    );

    module.remove().expect("hello does not unload");
    let lines = module.lines();
    assert_eq!(texts(&lines[times..]), [goodbye], "{parameters:?}");
    assert!(
        lines.iter().all(|line| line.level == KERN_INFO),
        "{lines:?}"
    );
}

#[test]
fn greets_the_world_once_by_default() {
    says(&[], "hello: Hello, world!", 1, "hello: Goodbye, world.");
}

#[test]
fn greets_whom_it_is_told_to_as_often_as_it_is_told_to() {
    says(
        &["who=Ferris", "times=3"],
        "hello: Hello, Ferris!",
        3,
        "hello: Goodbye, Ferris.",
    );
}

#[test]
fn a_quoted_name_may_hold_spaces() {
    says(
        &["who=\"all of you\""],
        "hello: Hello, all of you!",
        1,
        "hello: Goodbye, all of you.",
    );
}

#[test]
fn a_name_may_be_in_any_script() {
    says(
        &["who=Zo\u{eb}"],
        "hello: Hello, Zo\u{eb}!",
        1,
        "hello: Goodbye, Zo\u{eb}.",
    );
}

#[test]
fn greets_a_hundred_times_and_no_more() {
    says(
        &["times=100"],
        "hello: Hello, world!",
        100,
        "hello: Goodbye, world.",
    );
    assert_eq!(
        Module::load("hello", &["times=101"]).err(),
        Some(Errno::EINVAL)
    );
}

#[test]
fn bad_times_are_refused() {
    for bad in ["0", "101", "-1", "abc", "", "1x", "4294967297"] {
        let loaded = Module::load("hello", &[&format!("times={bad}")]);
        assert_eq!(loaded.err(), Some(Errno::EINVAL), "times={bad}");
    }
}

#[test]
fn a_refused_load_says_no_greeting_and_leaves_nothing_behind() {
    let mut module = Module::load("hello", &[]).expect("hello.ko does not load");
    module.remove().expect("hello does not unload");
    let before = module.lines().len();
    assert_eq!(module.insert(&["times=0"]), Err(Errno::EINVAL));
    let lines = module.lines();
    assert!(
        !lines[before..]
            .iter()
            .any(|line| line.text.contains("Hello")),
        "{lines:?}"
    );
    assert!(fs::metadata("/sys/module/hello").is_err());
}

#[test]
fn loading_it_twice_is_refused() {
    let mut module = Module::load("hello", &[]).expect("hello.ko does not load");
    assert_eq!(module.insert(&[]), Err(Errno::EEXIST));
}

#[test]
fn parameters_are_shown_in_sys_for_everyone_to_read() {
    let module = Module::load("hello", &["who=\"you two\"", "times=2"]).expect("does not load");
    assert_eq!(module.parameter("who"), "you two");
    assert_eq!(module.parameter("times"), "2");
    for name in ["who", "times"] {
        let mode = fs::metadata(module.parameter_path(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o444, "{name}");
    }
}

#[test]
fn parameters_show_their_defaults() {
    let module = Module::load("hello", &[]).expect("hello.ko does not load");
    assert_eq!(module.parameter("who"), "world");
    assert_eq!(module.parameter("times"), "1");
}

#[test]
fn modinfo_tells_what_it_is_and_what_it_takes() {
    let entries = modinfo("hello");
    assert!(
        entries.iter().any(|entry| entry == "license=GPL"),
        "{entries:?}"
    );
    for start in [
        "author=",
        "description=",
        "parm=who:",
        "parmtype=who:charp",
        "parm=times:",
        "parmtype=times:",
    ] {
        let told = |entry: &String| entry.strip_prefix(start).map(str::to_owned);
        let value = entries.iter().find_map(told);
        let value = value.unwrap_or_else(|| panic!("{start} is missing from {entries:?}"));
        assert!(
            start.ends_with("charp") || !value.is_empty(),
            "{start} is empty"
        );
    }
}
