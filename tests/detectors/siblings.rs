//! Two locks from one place, one under the other.

mod lesson;

#[test]
fn two_locks_of_one_class_are_reported_by_its_name() {
    lesson::assert_reported(
        "siblings",
        "possible recursive locking detected",
        &["lesson_sibling"],
    );
}
