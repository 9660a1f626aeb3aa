//! A lesson of tests/modules/lockdep_lesson.rs, and lockdep's report of it: one for each boot, so
//! each in a program of its own.

use tests::{lockdep_is_on, Module};

/// Fails unless lockdep says `report` of the lesson, with the names of the classes in it.
#[track_caller]
pub fn assert_reported(lesson: &str, report: &str, classes: &[&str]) {
    let mut module = Module::load("lockdep_lesson", &["lesson=one_order"]).unwrap();
    assert!(lockdep_is_on(), "this kernel has no lockdep, or it is off");
    module.reload(&[&format!("lesson={lesson}")]);
    let said = module.expect_lockdep_report(&format!("WARNING: {report}"));
    for class in classes {
        let named = said.contains(&format!("({class}){{"));
        assert!(named, "no class {class} in: {said}");
    }
}
