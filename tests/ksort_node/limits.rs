//! How much a session may have, and what is when there is no more.

use abi::ksort::{KSORT_AUTO, KSORT_PARALLEL, KSORT_QUICK, KSORT_RADIX};
use nix::errno::Errno;
use tests::{free_memory, write_at, Gibibyte, UNMAPPED};

use crate::node::{assert_same, bytes_of, load, random, sorted_by_std, Node};

const MIB: usize = 1 << 20;

#[test]
fn a_set_of_max_mib_is_taken_and_not_a_byte_more() {
    let _module = load(&["max_mib=1"]);
    let numbers = random(MIB / 4, 1);
    let expected = sorted_by_std(&numbers);
    let bytes = bytes_of(&numbers);
    // In one write, and with a last one that fits to the byte.
    for first in [MIB, MIB - 1, MIB - 4, 1] {
        let node = Node::open();
        node.write_all(&bytes[..first]);
        for too_much in [MIB - first + 1, MIB, 2 * MIB] {
            let refused = write_at(&node, bytes.as_ptr() as usize, too_much);
            assert_eq!(refused, Err(Errno::EFBIG), "{too_much} after {first}");
        }
        if first < MIB {
            node.write_all(&bytes[first..]);
        }
        assert_eq!(node.write(&[0]), Err(Errno::EFBIG));
        assert_same(&node.read_all(), &expected, &format!("first {first}"));
        // It starts a new set, for which there is as much room.
        node.write_all(bytes);
        assert_eq!(node.write(&[0]), Err(Errno::EFBIG));
    }
}

#[test]
fn a_write_of_more_than_max_mib_is_efbig_wherever_it_is() {
    let _module = load(&["max_mib=1"]);
    let mut memory = Gibibyte::new();
    let address = memory.bytes().as_ptr() as usize;
    let node = Node::with(&[2, 1]);
    for length in [MIB + 1, 100 * MIB, Gibibyte::LENGTH] {
        for address in [address, UNMAPPED] {
            let refused = write_at(&node, address, length);
            assert_eq!(refused, Err(Errno::EFBIG), "{length}");
        }
    }
    assert_same(&node.read_all(), &[1, 2], "the set");
}

#[test]
fn a_new_set_that_is_too_large_leaves_the_old_one() {
    let _module = load(&["max_mib=1"]);
    let node = Node::with(&[2, 1]);
    assert_same(&node.read(4).unwrap(), &[1], "the old set");
    let large = vec![0; MIB + 1];
    assert_eq!(node.write(&large), Err(Errno::EFBIG));
    assert_eq!(node.position(), 4);
    assert_same(&node.read_all(), &[2], "the rest of the old set");
    node.write_all(bytes_of(&[3]));
    assert_same(&node.read_all(), &[3], "a new set");
}

#[test]
fn the_limit_can_be_changed_while_there_are_sessions() {
    let module = load(&["max_mib=1"]);
    let numbers = random(MIB / 2, 2);
    let (first, second) = bytes_of(&numbers).split_at(MIB);
    let node = Node::open();
    node.write_all(first);
    assert_eq!(node.write(second), Err(Errno::EFBIG));
    module.set_parameter("max_mib", "2").unwrap();
    node.write_all(second);
    // What is over the limit by now stays, and takes no more.
    module.set_parameter("max_mib", "1").unwrap();
    assert_eq!(node.write(&[0]), Err(Errno::EFBIG));
    assert_same(&node.read_all(), &sorted_by_std(&numbers), "both halves");
    assert_eq!(node.write(&bytes_of(&numbers)[3..]), Err(Errno::EFBIG));
    node.write_all(first);
}

#[test]
fn the_default_is_64_mib() {
    let _module = load(&[]);
    let mut memory = Gibibyte::new();
    let zeroes = &memory.bytes()[..MIB];
    let node = Node::open();
    for _ in 0..64 {
        node.write_all(zeroes);
    }
    assert_eq!(node.write(&[0]), Err(Errno::EFBIG));
    for _ in 0..64 {
        assert!(node.read(MIB).unwrap() == zeroes);
    }
    assert_eq!(node.read(1), Ok(vec![]));
    assert_eq!(node.stats().elements, 16 << 20);
}

/// So much is left of the guest's memory.
const LEFT: usize = 48 * MIB;

/// Sessions whose sets take the guest's memory, until there is no more than [`LEFT`].
struct Full(Vec<Node>);

impl Full {
    const SET: usize = 16 * MIB;

    fn new() -> Full {
        let mut memory = Gibibyte::new();
        let zeroes = &memory.bytes()[..Full::SET];
        let mut nodes = Vec::new();
        while free_memory() > LEFT {
            let node = Node::open();
            node.write_all(zeroes);
            nodes.push(node);
        }
        assert!(!nodes.is_empty(), "{} bytes are free", free_memory());
        Full(nodes)
    }
}

#[test]
fn without_memory_for_it_a_write_is_enomem_and_the_session_as_it_was() {
    let _module = load(&["max_mib=256"]);
    let mut memory = Gibibyte::new();
    let zeroes = &memory.bytes()[..LEFT + Full::SET];
    let (new, read) = (Node::with(&[2, 1]), Node::with(&[4, 3]));
    assert_same(&read.read(4).unwrap(), &[3], "a set that was read");
    let full = Full::new();
    for _ in 0..3 {
        assert_eq!(new.write(zeroes), Err(Errno::ENOMEM));
        assert_eq!(read.write(zeroes), Err(Errno::ENOMEM));
    }
    assert_eq!(read.position(), 4);
    assert_same(&read.read_all(), &[4], "the old set");
    // Less can be had.
    new.write_all(bytes_of(&[0]));
    read.write_all(bytes_of(&[6, 5]));
    assert_same(&new.read_all(), &[0, 1, 2], "more of a set");
    assert_same(&read.read_all(), &[5, 6], "a new set");
    drop(full);
    // And this, now.
    new.write_all(zeroes);
    read.write_all(zeroes);
}

#[test]
fn without_memory_to_sort_in_a_read_is_enomem_or_takes_what_needs_none() {
    let _module = load(&["max_mib=256"]);
    let numbers = random(1_000, 3);
    let node = Node::with(&numbers);
    // As much again is more than is left when the guest is full.
    let mut memory = Gibibyte::new();
    let zeroes = &memory.bytes()[..LEFT + Full::SET];
    node.write_all(zeroes);
    let full = Full::new();
    for algorithm in [KSORT_RADIX, KSORT_PARALLEL] {
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        for _ in 0..2 {
            assert_eq!(node.read(4), Err(Errno::ENOMEM), "{algorithm}");
        }
        assert_eq!(node.position(), 0);
        assert_eq!(node.stats().elements, 0);
    }
    assert_eq!(node.set_algorithm(KSORT_AUTO), Ok(()));
    let sorted = sorted_by_std(&numbers);
    let (below, above) = sorted.split_at(sorted.partition_point(|&number| number < 0));
    assert_same(&node.read(4 * below.len()).unwrap(), below, "before the 0s");
    for part in zeroes.chunks(MIB) {
        assert!(node.read(part.len()).unwrap() == part);
    }
    assert_same(&node.read_all(), above, "after the 0s");
    assert_eq!(node.stats().algorithm, KSORT_QUICK);
    drop(full);
    assert_eq!(node.set_algorithm(KSORT_RADIX), Ok(()));
    let again = node.read_from(0, 4 * below.len()).unwrap();
    assert_same(&again, below, "by what was asked for");
    assert_eq!(node.stats().algorithm, KSORT_RADIX);
}
