//! What the session says of its last sort.

use std::io::SeekFrom;
use std::time::Instant;

use abi::ksort::{KSORT_AUTO, KSORT_DOWN, KSORT_HEAP, KSORT_RADIX};
use nix::errno::Errno;
use tests::online_cpus;

use crate::node::{bytes_of, load, random, Node, ALGORITHMS};

/// All fields, in their order; the struct itself cannot be compared.
fn fields(node: &Node) -> [u64; 6] {
    let stats = node.stats();
    [
        stats.elements,
        stats.copy_in_ns,
        stats.sort_ns,
        stats.copy_out_ns,
        stats.algorithm.into(),
        stats.workers.into(),
    ]
}

#[test]
fn before_the_first_sort_all_are_0() {
    let _module = load(&[]);
    let node = Node::open();
    assert_eq!(fields(&node), [0; 6]);
    node.write_all(bytes_of(&random(1_000, 1)));
    assert_eq!(fields(&node), [0; 6]);
    node.write_all(&[1]);
    assert_eq!(node.read(100), Err(Errno::EINVAL));
    assert_eq!(fields(&node), [0; 6]);
}

/// Each time is of a part of what the test itself takes for it.
#[test]
fn the_times_are_those_of_the_calls() {
    let _module = load(&[]);
    let numbers = random(100_000, 2);
    let bytes = bytes_of(&numbers);
    let nanos = |start: Instant| start.elapsed().as_nanos() as u64;
    for algorithm in ALGORITHMS {
        let node = Node::open();
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        let start = Instant::now();
        node.write_all(bytes);
        let writing = nanos(start);
        let start = Instant::now();
        assert_eq!(node.read(bytes.len()).map(|read| read.len()), Ok(400_000));
        let reading = nanos(start);
        let stats = node.stats();
        let all = format!("{stats:?}, {writing}, {reading}");
        assert_eq!(stats.elements, 100_000);
        assert!(stats.copy_in_ns > 0 && stats.copy_in_ns < writing, "{all}");
        assert!(
            stats.copy_out_ns > 0 && stats.sort_ns + stats.copy_out_ns < reading,
            "{all}"
        );
        // Less than 1 ns for each number would be a wonder, on any machine.
        assert!(stats.sort_ns > 100_000, "{all}");
        assert_ne!(stats.algorithm, KSORT_AUTO, "{all}");
        assert!(
            (1..=online_cpus().len() as u32).contains(&stats.workers),
            "{all}"
        );
    }
}

#[test]
fn copies_from_the_user_add_up_for_a_set() {
    let _module = load(&[]);
    let numbers = random(100_000, 3);
    let node = Node::open();
    let copy_in_of = |pieces: &[&[u8]]| {
        pieces.iter().for_each(|piece| node.write_all(piece));
        node.read(1).unwrap();
        node.stats().copy_in_ns
    };
    let large = bytes_of(&numbers);
    let small = &large[..4];
    // At its best: any may have been held up.
    let of_large = (0..5).map(|_| copy_in_of(&[large])).min().unwrap();
    let of_small = (0..5).map(|_| copy_in_of(&[small])).min().unwrap();
    assert!(of_small < of_large / 4, "{of_small} {of_large}");
    for pieces in [[large, small], [small, large]] {
        let of_both = copy_in_of(&pieces);
        assert!(of_both > of_large / 2, "{of_both} {of_large}");
    }
}

#[test]
fn copies_to_the_user_add_up_until_the_next_sort() {
    let _module = load(&[]);
    let node = Node::with(&random(100_000, 3));
    let mut last = 0;
    for round in 0..5 {
        assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
        node.read_all();
        let copy_out = node.stats().copy_out_ns;
        assert!(copy_out > last, "{copy_out} after {last}, {round}");
        last = copy_out;
    }
    let before = fields(&node);
    // Too little to take as long as one of these copies.
    node.write_all(bytes_of(&[2, 1]));
    assert_eq!(fields(&node), before);
    node.read_all();
    let after = node.stats();
    assert_eq!(after.elements, 2);
    assert!(after.copy_out_ns < last / 5, "{before:?} {after:?}");
}

#[test]
fn a_set_that_is_sorted_is_not_sorted_again() {
    let _module = load(&[]);
    let node = Node::with(&random(10_000, 4));
    assert_eq!(node.set_algorithm(KSORT_HEAP), Ok(()));
    node.read_all();
    let before = node.stats();
    assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
    // What is set anew to the same value is no change.
    assert_eq!(node.set_algorithm(KSORT_HEAP), Ok(()));
    node.read_all();
    let after = node.stats();
    assert_eq!(
        (after.sort_ns, after.algorithm),
        (before.sort_ns, KSORT_HEAP)
    );
    assert!(after.copy_out_ns > before.copy_out_ns);
}

#[test]
fn settings_do_not_change_what_was() {
    let _module = load(&[]);
    let node = Node::with(&random(1_000, 5));
    node.read_all();
    let before = fields(&node);
    assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
    assert_eq!(node.set_algorithm(KSORT_RADIX), Ok(()));
    assert_eq!(fields(&node), before);
}
