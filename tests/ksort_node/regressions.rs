//! What the well-known ksort in C gets wrong, each by name.

use abi::ksort::{
    KSORT_DOWN, KSORT_GET_STATS, KSORT_PARALLEL, KSORT_QUICK, KSORT_SET_ORDER, KSORT_SET_TYPE,
    KSORT_UP,
};
use nix::errno::Errno;
use tests::{ioctl_at, read_at, rounds, write_at, EdgeOfMemory, UNMAPPED};

use crate::adversary::against;
use crate::child::Child;
use crate::node::{assert_same, bytes_of, load, random, sorted_by_std, Node, Typed, ALGORITHMS};
use crate::quick;

/// There, work that is queued for what is short and sorted is freed before it has run.
#[test]
fn short_sorted_input_is_not_used_after_it_was_freed() {
    let _module = load(&[]);
    for algorithm in ALGORITHMS {
        let node = Node::open();
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        for length in 1..=64 {
            let numbers: Vec<i32> = (0..length).collect();
            node.write_all(bytes_of(&numbers));
            assert_same(&node.read_all(), &numbers, &format!("{algorithm}"));
        }
    }
}

/// There, the buffer stays when the input cannot be copied, and when the result cannot.
#[test]
fn early_returns_leak_no_memory() {
    let _module = load(&["max_mib=8"]);
    let numbers = random(1 << 20, 1);
    let edge = EdgeOfMemory::new();
    // 4 MiB each time: with these the guest's memory would be full before the end. On a debug
    // kernel kmemleak finds them.
    for _ in rounds(64) {
        let node = Node::with(&numbers);
        assert_eq!(read_at(&node, UNMAPPED, 4), Err(Errno::EFAULT));
        let half = write_at(&node, edge.before_the_edge(2_048), 4 << 20);
        assert_eq!(half, Err(Errno::EFAULT));
        node.write_all(&[0]);
        assert_eq!(node.read(4), Err(Errno::EINVAL));
    }
}

/// The median of three numbers is the least but one, each time: n/2 levels of quicksort.
fn median_of_three_killer(count: i32) -> Vec<i32> {
    let half = count / 2;
    let first = (0..half).map(|n| if n % 2 == 0 { n + 1 } else { half + n + n % 2 });
    first.chain((1..=half).map(|n| 2 * n)).collect()
}

/// There, the recursion is as deep as the input wants it: some hundred levels are the whole stack.
#[test]
fn input_built_against_quicksort_does_not_overrun_the_stack() {
    let _module = load(&[]);
    let against_quicksort = against(50_000, |places| {
        quick::sort(places, &|part: &mut [_]| part.sort());
    });
    for numbers in [median_of_three_killer(1 << 20), against_quicksort] {
        let expected = sorted_by_std(&numbers);
        for algorithm in ALGORITHMS {
            let node = Node::with(&numbers);
            assert_eq!(node.set_algorithm(algorithm), Ok(()));
            assert_same(&node.read_all(), &expected, &format!("{algorithm}"));
        }
    }
}

/// There, all openers have one buffer.
#[test]
fn several_processes_do_not_corrupt_each_others_numbers() {
    let _module = load(&[]);
    let sets: Vec<(Vec<i32>, Vec<i32>)> = (0..4)
        .map(|seed| {
            let numbers = random(20_000, seed);
            let expected = sorted_by_std(&numbers);
            (numbers, expected)
        })
        .collect();
    let mut buffer = vec![0u8; 80_000];
    let mut children = Vec::new();
    for (nth, (numbers, expected)) in sets.iter().enumerate() {
        let node = Node::open();
        let algorithm = [KSORT_QUICK, KSORT_PARALLEL][nth % 2];
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        children.push(Child::start(|| {
            (0..10).all(|_| {
                node.write(bytes_of(numbers)) == Ok(80_000)
                    && node.read_into(&mut buffer) == Ok(80_000)
                    && buffer == bytes_of(expected)
            })
        }));
    }
    children.into_iter().for_each(Child::succeeds);
}

/// There, numbers are compared by subtraction, which overflows.
#[test]
fn the_ends_of_the_integer_range_are_in_order() {
    fn are_in_order<N: Typed>(numbers: &[N]) {
        let mut expected = sorted_by_std(numbers);
        for order in [KSORT_UP, KSORT_DOWN] {
            for algorithm in ALGORITHMS {
                let node = Node::with(numbers);
                assert_eq!(node.set_order(order), Ok(()));
                assert_eq!(node.set_algorithm(algorithm), Ok(()));
                let what = format!("{} {order} {algorithm}", N::NAME);
                assert_same(&node.read_all(), &expected, &what);
            }
            expected.reverse();
        }
    }
    let _module = load(&[]);
    are_in_order(&[0, i32::MAX, -1, i32::MIN, 1, i32::MIN + 1, i32::MAX - 1]);
    are_in_order(&[i32::MIN, i32::MAX]);
    are_in_order(&[0, u32::MAX, 1 << 31, 1, (1 << 31) - 1, u32::MAX - 1]);
    are_in_order(&[0, i64::MAX, -1, i64::MIN, 1, 1 << 32, -(1 << 32), 1 << 31]);
    are_in_order(&[
        0,
        u64::MAX,
        1 << 63,
        1,
        1 << 32,
        u32::MAX.into(),
        (1 << 63) - 1,
    ]);
}

/// There, whatever went wrong, the call returns 0.
#[test]
fn errors_are_not_0() {
    let _module = load(&["max_mib=1"]);
    let node = Node::with(&[2u64, 1]);
    assert_eq!(write_at(&node, UNMAPPED, 8), Err(Errno::EFAULT));
    assert_eq!(node.write(&[0; (1 << 20) + 1]), Err(Errno::EFBIG));
    assert_eq!(read_at(&node, UNMAPPED, 8), Err(Errno::EFAULT));
    node.write_all(&[0]);
    assert_eq!(node.read(8), Err(Errno::EINVAL));
    let mut value = 0u32;
    let address = &mut value as *mut u32 as usize;
    let set_type = ioctl_at(&node, KSORT_SET_TYPE, address);
    assert_eq!(set_type, Err(Errno::EBUSY));
    let set_order = ioctl_at(&node, KSORT_SET_ORDER, UNMAPPED);
    assert_eq!(set_order, Err(Errno::EFAULT));
    assert_eq!(node.set_order(2), Err(Errno::EINVAL));
    let get_stats = ioctl_at(&node, KSORT_GET_STATS, UNMAPPED);
    assert_eq!(get_stats, Err(Errno::EFAULT));
    assert_eq!(ioctl_at(&node, 0, address), Err(Errno::ENOTTY));
}
