//! A mutex that an interrupt handler waits for. It does so for ever, and has a CPU: so this is a program
//! of its own, in a guest of its own.

use std::process::Command;

use tests::{leaks_of_thread, online_cpus, path_of, run_on, until, Module};

const NAME: &str = "sync_test";

#[test]
fn an_interrupt_does_not_get_a_mutex_that_nobody_has() {
    let mut module = Module::unloaded(NAME);
    // A guest with one CPU would have none for this program.
    let lost = match online_cpus()[..] {
        [_, .., last] => last,
        _ => return,
    };
    // RCU waits for that CPU from then on: what is freed through RCU is never given back, and kmemleak
    // does not see the list that it is on.
    leaks_of_thread("");
    run_on(lost);
    // With nothing to run it would be thought idle, and be given threads that it never runs.
    Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .spawn()
        .unwrap();
    let mut insmod = Command::new("insmod")
        .arg(path_of(NAME))
        .arg("case=locked_in_interrupt")
        .spawn()
        .unwrap();
    run_on(0);
    assert!(insmod.wait().unwrap().success());

    let mut said = Vec::new();
    until(
        "another interrupt comes, five times, or this one is over",
        || {
            said = module.lines().into_iter().map(|line| line.text).collect();
            said.len() >= 6
        },
    );
    let (first, others) = said.split_first().unwrap();
    assert_eq!(first, "sync_test: takes a mutex");
    let is_other = |line: &String| line == "sync_test: another interrupt comes";
    assert!(others.iter().all(is_other), "{said:?}");

    let waits = "lkm: an interrupt handler waits for a mutex, for ever";
    assert!(module.records().iter().any(|record| record.text == waits));
    module.expect_refusal("lkm: an interrupt handler ");
}
