//! A mutex for which its own holder waits, be it that a guard has it or a closure. The threads do so
//! for ever, and have the module: so this is a program of its own, in a guest of its own.

use std::process::Command;

use tests::{path_of, run_on, until, Module};

const NAME: &str = "sync_test";

#[test]
fn a_mutex_is_not_had_twice_however_often_its_holder_is_woken() {
    let mut module = Module::unloaded(NAME);
    // Where the module has its other thread.
    run_on(0);
    let mut insmod = Command::new("insmod");
    let mut insmod = insmod
        .arg(path_of(NAME))
        .arg("case=taken_twice")
        .spawn()
        .unwrap();
    let mut lines = Vec::new();
    until("both are woken often, or one has it twice", || {
        lines = module.lines();
        lines.len() >= 2
    });
    let said: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said, ["sync_test: woken often"; 2]);
    assert_eq!(insmod.try_wait().unwrap(), None);

    module.expect_refusal("lkm: a thread waits for a mutex that it has");
}
