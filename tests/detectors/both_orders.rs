//! Two locks that are taken in both orders.

mod lesson;

#[test]
fn two_locks_in_both_orders_are_reported_by_name() {
    lesson::assert_reported(
        "both_orders",
        "possible circular locking dependency detected",
        &["lesson_first", "lesson_second"],
    );
}
