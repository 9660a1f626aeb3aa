//! One lock that is taken twice.

mod lesson;

#[test]
fn a_lock_that_is_taken_twice_is_reported_by_name() {
    lesson::assert_reported(
        "twice",
        "possible recursive locking detected",
        &["lesson_twice"],
    );
}
