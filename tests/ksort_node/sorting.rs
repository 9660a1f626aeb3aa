//! All types, orders, algorithms, patterns and sizes, against std's sort.

use abi::ksort::{
    KSORT_AUTO, KSORT_DOWN, KSORT_HEAP, KSORT_PARALLEL, KSORT_QUICK, KSORT_RADIX, KSORT_UP,
};
use tests::{is_debug_kernel, online_cpus, until};

use crate::node::{
    assert_same, bytes_of, load, random, sorted_by_std, Node, Typed, ALGORITHMS, ORDERS,
};
use crate::numbers::{Pattern, PATTERNS};

/// The last is more than the words between two questions whether to stop. A debug kernel takes its time for each.
fn sizes() -> [usize; 6] {
    let large = if is_debug_kernel() { 20_000 } else { 70_000 };
    [0, 1, 2, 7, 1_000, large]
}

/// Sorts the same numbers in all orders by all algorithms.
fn compare_all<N: Typed>(pattern: Pattern, size: usize) {
    let numbers = pattern.numbers::<N>(size, size as u64);
    let mut expected = sorted_by_std(&numbers);
    let node = Node::open();
    assert_eq!(node.set_type(N::TYPE), Ok(()));
    for order in ORDERS {
        assert_eq!(node.set_order(order), Ok(()));
        for algorithm in ALGORITHMS {
            let what = format!(
                "{size} of {}, {pattern:?}, order {order}, algorithm {algorithm}",
                N::NAME
            );
            assert_eq!(node.set_algorithm(algorithm), Ok(()));
            node.write_all(bytes_of(&numbers));
            assert_same(&node.read_all(), &expected, &what);
            let stats = node.stats();
            assert_eq!(stats.elements, size as u64, "{what}");
            if algorithm != KSORT_AUTO {
                assert_eq!(stats.algorithm, algorithm, "{what}");
            }
        }
        expected.reverse();
    }
}

fn compare_all_patterns_and_sizes<N: Typed>() {
    use Pattern::{Narrow, OneIsOther, Skewed};
    let _module = load(&[]);
    for pattern in PATTERNS {
        for size in sizes() {
            // These are about the sorting code alone, and the tests on the host have them.
            if size <= 1_000 || !matches!(pattern, Narrow | Skewed | OneIsOther) {
                compare_all::<N>(pattern, size);
            }
        }
    }
}

#[test]
fn i32_in_all_orders_algorithms_patterns_and_sizes() {
    compare_all_patterns_and_sizes::<i32>();
}

#[test]
fn u32_in_all_orders_algorithms_patterns_and_sizes() {
    compare_all_patterns_and_sizes::<u32>();
}

#[test]
fn i64_in_all_orders_algorithms_patterns_and_sizes() {
    compare_all_patterns_and_sizes::<i64>();
}

#[test]
fn u64_in_all_orders_algorithms_patterns_and_sizes() {
    compare_all_patterns_and_sizes::<u64>();
}

/// More than heap sort and quicksort do in one go, and than one thread is to do.
#[test]
fn more_numbers_by_all_algorithms() {
    let _module = load(&[]);
    compare_all::<i32>(Pattern::Random, 300_000);
}

#[test]
fn auto_takes_what_is_documented_for_type_and_size() {
    fn algorithm_for<N: Typed>(size: usize) -> u32 {
        let node = Node::with(&vec![N::from_bits(7); size]);
        node.read_all();
        node.stats().algorithm
    }
    let _module = load(&[]);
    let many = match online_cpus().len() {
        1 => KSORT_RADIX,
        _ => KSORT_PARALLEL,
    };
    for (size, of_32, of_64) in [
        (0, KSORT_QUICK, KSORT_QUICK),
        (449, KSORT_QUICK, KSORT_QUICK),
        (450, KSORT_RADIX, KSORT_QUICK),
        (1_099, KSORT_RADIX, KSORT_QUICK),
        (1_100, KSORT_RADIX, KSORT_RADIX),
        (299_999, KSORT_RADIX, KSORT_RADIX),
        (300_000, many, many),
    ] {
        assert_eq!(algorithm_for::<i32>(size), of_32, "{size}");
        assert_eq!(algorithm_for::<u32>(size), of_32, "{size}");
        assert_eq!(algorithm_for::<i64>(size), of_64, "{size}");
        assert_eq!(algorithm_for::<u64>(size), of_64, "{size}");
    }
}

/// A thread that gets no CPU in time takes no part, so it may take several sorts to see one.
#[test]
fn a_parallel_sort_is_done_by_several_threads_and_the_others_by_one() {
    let _module = load(&[]);
    let cpus = online_cpus().len() as u32;
    let numbers = random(500_000, 1);
    let node = Node::open();
    let workers_of = |algorithm| {
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        node.write_all(bytes_of(&numbers));
        assert_eq!(node.read(4).map(|bytes| bytes.len()), Ok(4));
        node.stats().workers
    };
    for algorithm in [KSORT_HEAP, KSORT_QUICK, KSORT_RADIX] {
        assert_eq!(workers_of(algorithm), 1, "{algorithm}");
    }
    until("a sort by several threads", || {
        let workers = workers_of(KSORT_PARALLEL);
        assert!((1..=cpus).contains(&workers), "{workers} on {cpus} CPUs");
        workers > 1 || cpus == 1
    });
}

#[test]
fn what_is_sorted_already_is_sorted_the_other_way_round() {
    let _module = load(&[]);
    let numbers = random(10_000, 2);
    let mut expected = sorted_by_std(&numbers);
    for algorithm in ALGORITHMS {
        let node = Node::with(&numbers);
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        for order in [KSORT_UP, KSORT_DOWN, KSORT_UP, KSORT_DOWN] {
            assert_eq!(node.set_order(order), Ok(()));
            let read = node.read_from(0, 1 << 20).unwrap();
            assert_same(&read, &expected, &format!("{algorithm}, {order}"));
            expected.reverse();
        }
    }
}
