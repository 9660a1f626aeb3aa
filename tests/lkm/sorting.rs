//! Sorting, memory to sort in, and threads that share the work; the cases are in
//! tests/modules/lkm_test/sorting.rs.

use crate::load;

#[test]
fn the_kernels_sort_keeps_all_elements_whatever_it_is_told() {
    load("sorting");
}

#[test]
fn large_arrays_grow_and_are_seen_as_other_values() {
    load("memory");
}

#[test]
fn work_that_is_shared_is_done_once_and_by_several_threads() {
    load("sharing");
}

#[test]
fn work_that_cannot_be_shared_is_done_by_who_has_it() {
    let mut module = load("sharing_with_irqs_off");
    module.expect_refusal("lkm: a thread tried to sleep in atomic context");
}
