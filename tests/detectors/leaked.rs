//! Locks that are dropped while a guard that was leaked has them.

use std::process::Command;

use tests::{leaks_on_purpose, lockdep_is_on, path_of, Module};

const NAME: &str = "lockdep_lesson";

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        matches!(&status, Ok(status) if status.success()),
        "{command:?}: {status:?}"
    );
}

#[test]
fn a_lock_whose_guard_was_leaked_is_not_freed() {
    leaks_on_purpose(|| {
        assert!(lockdep_is_on(), "this kernel has no lockdep, or it is off");
        let mut module = Module::unloaded(NAME);
        // Not in this thread: whoever has a lock must be gone before the lock's class is.
        run(Command::new("insmod")
            .arg(path_of(NAME))
            .arg("lesson=leaked"));
        let said = module.expect_lockdep_report("insmod/");
        assert!(said.contains("still has locks held!"), "{said}");
        for class in ["lesson_mutex", "lesson_semaphore", "lesson_rwsem"] {
            let named = said.contains(&format!("({class}){{"));
            assert!(named, "no class {class} in: {said}");
        }
        run(Command::new("rmmod").arg(NAME));
    });
}
