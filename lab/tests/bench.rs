//! `lab bench`, tried on the case that takes the least. `make host-tests` builds what it needs: the
//! twins in C, and the program that measures. What the figures are is nobody's test.

use std::process::{Command, Output};

fn bench(args: &[&str]) -> Output {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.arg("bench").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_case_is_measured_in_two_runs_that_agree() {
    let output = bench(&["--only", "hello", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let bench: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = bench["rows"].as_array().unwrap();
    let load = rows.iter().find(|row| row["op"] == "load").unwrap();
    for side in ["ours", "c"] {
        assert_eq!(load[side]["runs"].as_array().unwrap().len(), 2, "{load}");
        assert!(load[side]["median"].as_f64().unwrap() > 1_000.0, "{load}");
    }
    assert!(rows.iter().any(|row| row["op"] == ".ko"), "{bench}");
}

#[test]
fn the_table_names_the_case_and_no_other() {
    let output = bench(&["--only", "syscall"]);
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        table.lines().last().unwrap().starts_with("| syscall |"),
        "{table}"
    );
}

#[test]
fn the_functions_of_both_sides_are_listed() {
    let output = bench(&["--text", "hello"]);
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    for part in ["\nc_hello.ko: ", " lkm\n", " lkm::print::printk\n"] {
        assert!(list.contains(part), "no {part:?} in:\n{list}");
    }
}

/// The two figures of a line like `misc_mutex, read: 596.0 instructions ours, 513.0 in C (…)`.
fn totals(profile: &str, op: &str) -> [f64; 2] {
    let head = profile.lines().find_map(|line| line.strip_prefix(op));
    let head = head.unwrap_or_else(|| panic!("no {op} in:\n{profile}"));
    let words: Vec<&str> = head.split(' ').collect();
    [words[1], words[4]].map(|word| word.parse().unwrap())
}

#[test]
fn a_profile_adds_up_to_what_is_measured() {
    let output = bench(&["--profile", "misc_mutex"]);
    let said = String::from_utf8_lossy(&output.stderr);
    if std::env::var_os("RLKM_ARCH").map_or(false, |arch| arch != "arm64" && !arch.is_empty()) {
        assert_eq!(output.status.code(), Some(120));
        assert!(said.contains("only of arm64"), "{said}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    let profile = text(&output.stdout);
    for of_a_side in ["::read [misc_mutex]\n", " device_read [c_misc_mutex]\n"] {
        assert!(profile.contains(of_a_side), "{profile}");
    }
    assert!(!profile.contains("(no function)"), "{profile}");

    let output = bench(&["--only", "misc_mutex", "--json"]);
    let bench: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for op in ["read", "write"] {
        let rows = bench["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["op"] == op).unwrap();
        let measured = ["ours", "c"].map(|side| row[side]["median"].as_f64().unwrap());
        let counted = totals(profile, &format!("misc_mutex, {op}:"));
        // What is not in a profile is userland, and a tick of the clock in thousands of calls: it
        // is little, and the same for both.
        let [ours, c] = [0, 1].map(|i| measured[i] - counted[i]);
        assert!((20.0..80.0).contains(&c), "{op}: {measured:?} {counted:?}");
        assert!((ours - c).abs() < 3.0, "{op}: {measured:?} {counted:?}");
    }
}

#[test]
fn what_is_not_there_is_named_with_what_to_do() {
    let output = bench(&["--text", "no_such_module"]);
    assert_eq!(output.status.code(), Some(120));
    let said = text(&output.stderr);
    assert!(
        said.contains("no_such_module.ko") && said.contains("make bench"),
        "{said}"
    );
    assert_eq!(bench(&["--only", "no_such_case"]).status.code(), Some(120));
    assert_eq!(bench(&["--profile", "syscall"]).status.code(), Some(120));
}
