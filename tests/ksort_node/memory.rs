//! Pointers that the kernel must not follow, memory that nobody has written, and memory that is lost.

use std::mem::size_of;

use abi::ksort::{
    ksort_stats, KSORT_DOWN, KSORT_GET_ALGORITHM, KSORT_GET_ORDER, KSORT_GET_STATS, KSORT_GET_TYPE,
    KSORT_HEAP, KSORT_I32, KSORT_SET_ALGORITHM, KSORT_SET_ORDER, KSORT_SET_TYPE, KSORT_U64,
};
use nix::errno::Errno;
use tests::{
    free_memory, ioctl_at, is_debug_kernel, read_at, rounds, until, write_at, EdgeOfMemory,
    Gibibyte, KERNEL, UNMAPPED,
};

use crate::node::{assert_same, bytes_of, load, random, sorted_by_std, Node, ALGORITHMS};

/// Where `length` bytes cannot be read or written, or not all of them.
fn bad_addresses(edge: &EdgeOfMemory, length: usize) -> Vec<usize> {
    let mut addresses = vec![0, UNMAPPED, edge.beyond_the_edge(), KERNEL, usize::MAX - 2];
    for good in [1, length / 2, length - 1] {
        addresses.push(edge.before_the_edge(good));
        addresses.push(edge.before_the_page(good));
    }
    addresses
}

#[test]
fn writing_from_a_bad_pointer_is_efault_and_adds_nothing() {
    let _module = load(&[]);
    let edge = EdgeOfMemory::new();
    let numbers = random(2, 1);
    let node = Node::with(&numbers);
    edge.set_last(&[0xaa; 4096]);
    for length in [4, 8, 1_000, 4_096] {
        for address in bad_addresses(&edge, length) {
            let refused = write_at(&node, address, length);
            assert_eq!(refused, Err(Errno::EFAULT), "{length} at {address:#x}");
        }
    }
    assert_same(&node.read_all(), &sorted_by_std(&numbers), "the set");
}

#[test]
fn a_large_write_whose_second_half_is_unmapped_is_efault_and_adds_nothing() {
    let _module = load(&[]);
    let edge = EdgeOfMemory::new();
    edge.set_last(&[0xaa; 4096]);
    let node = Node::with(&[2, 1]);
    let refused = write_at(&node, edge.before_the_edge(4_096), 8_192);
    assert_eq!(refused, Err(Errno::EFAULT));
    // What came before the edge is in the session's memory now, and is none of the set.
    node.write_all(bytes_of(&[3]));
    assert_same(&node.read_all(), &[1, 2, 3], "the set");
}

#[test]
fn a_new_set_from_a_bad_pointer_leaves_the_old_one() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    assert_same(&node.read(4).unwrap(), &[1], "first number");
    let edge = EdgeOfMemory::new();
    for address in bad_addresses(&edge, 8) {
        assert_eq!(write_at(&node, address, 8), Err(Errno::EFAULT));
        assert_eq!(node.position(), 4);
    }
    assert_same(&node.read(4).unwrap(), &[2], "second number");
    node.write_all(bytes_of(&[3]));
    assert_same(&node.read_all(), &[3], "a new set");
}

#[test]
fn reading_to_a_bad_pointer_is_efault_and_loses_nothing() {
    let _module = load(&[]);
    let edge = EdgeOfMemory::new();
    let numbers = random(1_000, 2);
    let expected = sorted_by_std(&numbers);
    let bytes = bytes_of(&expected);
    let node = Node::with(&numbers);
    for length in [2, 8, 1_000, 4_000] {
        for address in bad_addresses(&edge, length) {
            let refused = read_at(&node, address, length);
            assert_eq!(refused, Err(Errno::EFAULT), "{length} to {address:#x}");
            assert_eq!(node.position(), 0);
        }
    }
    assert_eq!(read_at(&node, edge.before_the_edge(7), 7), Ok(7));
    assert_eq!(edge.last(7), bytes[..7]);
    for address in bad_addresses(&edge, 100) {
        assert_eq!(read_at(&node, address, 100), Err(Errno::EFAULT));
        assert_eq!(node.position(), 7);
    }
    assert_eq!(node.read_all(), bytes[7..]);
    // There is nothing to write.
    assert_eq!(read_at(&node, UNMAPPED, 100), Ok(0));
}

#[test]
fn a_read_that_fails_is_no_read_after_which_a_set_is_new() {
    let _module = load(&[]);
    let node = Node::with(&[3, 1]);
    assert_eq!(read_at(&node, UNMAPPED, 8), Err(Errno::EFAULT));
    node.write_all(bytes_of(&[2]));
    assert_same(&node.read_all(), &[1, 2, 3], "one set");
}

#[test]
fn ioctls_with_a_bad_pointer_are_efault_and_change_nothing() {
    let _module = load(&[]);
    let node = Node::open();
    let edge = EdgeOfMemory::new();
    let (word, stats) = (size_of::<u32>(), size_of::<ksort_stats>());
    assert_eq!(node.set_type(KSORT_U64), Ok(()));
    assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
    assert_eq!(node.set_algorithm(KSORT_HEAP), Ok(()));
    edge.set_last(&[0; 4096]);
    for (request, size) in [
        (KSORT_GET_TYPE, word),
        (KSORT_SET_TYPE, word),
        (KSORT_GET_ORDER, word),
        (KSORT_SET_ORDER, word),
        (KSORT_GET_ALGORITHM, word),
        (KSORT_SET_ALGORITHM, word),
        (KSORT_GET_STATS, stats),
    ] {
        for address in bad_addresses(&edge, size) {
            let answer = ioctl_at(&node, request, address);
            assert_eq!(answer, Err(Errno::EFAULT), "{request:#x} at {address:#x}");
        }
        let got = (node.number_type(), node.order(), node.algorithm());
        assert_eq!(got, (KSORT_U64, KSORT_DOWN, KSORT_HEAP), "{request:#x}");
        // They touch no more than what is theirs.
        edge.set_last(&[0; 100]);
        assert_eq!(ioctl_at(&node, request, edge.before_the_edge(size)), Ok(0));
        assert_eq!(edge.last(100)[..100 - size], [0; 100][size..]);
        assert_eq!(node.set_type(KSORT_U64), Ok(()));
        assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
        assert_eq!(node.set_algorithm(KSORT_HEAP), Ok(()));
    }
}

/// Numbers of the session's own, and nothing that was in its memory before.
#[test]
fn a_session_gives_no_byte_that_was_not_written_to_it() {
    let _module = load(&[]);
    let large = random(1 << 16, 3);
    for algorithm in ALGORITHMS {
        // For the next ones to find.
        drop(Node::with(&large));
        let node = Node::open();
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        let mut memory = Gibibyte::new();
        let buffer = memory.bytes();
        assert_eq!(node.read_into(buffer), Ok(0));
        for small in [&[5][..], &[4, 5, 3], &[9; 100]] {
            node.write_all(bytes_of(small));
            let expected = sorted_by_std(small);
            let taken = node.read_into(buffer).unwrap();
            assert_same(&buffer[..taken], &expected, &format!("{algorithm}"));
            assert!(buffer[taken..1 << 18].iter().all(|&byte| byte == 0));
            buffer[..taken].fill(0);
        }
        // Smaller than the set before it, of which nothing is left.
        node.write_all(bytes_of(&large));
        node.read_all();
        node.write_all(bytes_of(&[7]));
        assert_same(&node.read_from(0, 1 << 20).unwrap(), &[7], "a small set");
        assert_eq!(node.read_from(4, 1 << 20), Ok(vec![]));
    }
}

/// What is free now can differ by as much for other reasons.
const NOISE: usize = 1 << 20;

/// Runs `session` so often that the least that it could lose each time would be seen. What few
/// sessions on a debug kernel lose, kmemleak finds.
#[track_caller]
fn loses_nothing(count: u32, mut session: impl FnMut()) {
    // What is allocated once stays.
    session();
    let before = free_memory();
    for _ in rounds(count) {
        session();
    }
    // Files and pages that were freed are given back a little later.
    until("all memory is given back", || {
        is_debug_kernel() || free_memory() + NOISE > before
    });
}

#[test]
fn sessions_that_sort_lose_no_memory() {
    let _module = load(&[]);
    let numbers = random(1 << 16, 4);
    for algorithm in ALGORITHMS {
        // Each set is of 256 KiB, and so is what it is sorted in.
        loses_nothing(24, || {
            let node = Node::with(&numbers);
            assert_eq!(node.set_algorithm(algorithm), Ok(()));
            assert_eq!(node.read(4).map(|bytes| bytes.len()), Ok(4));
            node.write_all(bytes_of(&numbers));
        });
    }
}

/// Each of these has 256 bytes.
#[test]
fn sessions_that_do_nothing_lose_no_memory() {
    let _module = load(&[]);
    loses_nothing(6_000, || drop(Node::open()));
}

#[test]
fn sessions_that_fail_lose_no_memory() {
    let _module = load(&["max_mib=1"]);
    let mut memory = Gibibyte::new();
    let zeroes = &memory.bytes()[..(1 << 20) + 1];
    let edge = EdgeOfMemory::new();
    // A set of half a MiB and a part of a number.
    let set = &zeroes[..(1 << 19) + 1];
    loses_nothing(40, || {
        let node = Node::open();
        node.write_all(set);
        assert_eq!(node.read(4), Err(Errno::EINVAL));
        assert_eq!(node.write(zeroes), Err(Errno::EFBIG));
        let over_the_edge = edge.before_the_edge(4_096);
        assert_eq!(write_at(&node, over_the_edge, 1 << 18), Err(Errno::EFAULT));
        node.write_all(&set[..3]);
        assert_eq!(read_at(&node, UNMAPPED, 4), Err(Errno::EFAULT));
        assert_eq!(node.set_type(KSORT_U64), Err(Errno::EBUSY));
        assert_eq!(node.set_type(99), Err(Errno::EINVAL));
        assert_eq!(node.set_type(KSORT_I32), Ok(()));
        assert_eq!(node.read(4).map(|bytes| bytes.len()), Ok(4));
        // A new set that does not come.
        assert_eq!(write_at(&node, over_the_edge, 1 << 19), Err(Errno::EFAULT));
    });
}
