//! Pointers that the kernel must not follow.

use abi::simrupt::{simrupt_stats, SIMRUPT_GET_STATS};
use nix::errno::Errno;
use tests::{ioctl_at, read_at, EdgeOfMemory, KERNEL, UNMAPPED};

use crate::node::{add_up, assert_contiguous, load, Node};

/// SIMRUPT_GET_STATS to wherever `address` points.
fn get_stats_at(node: &Node, address: usize) -> Result<i32, Errno> {
    ioctl_at(node, SIMRUPT_GET_STATS, address)
}

#[test]
fn reading_to_a_bad_pointer_is_efault_and_takes_nothing() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    let mut bytes = node.read_exactly(2);
    node.wait_for_queued(10);
    let before = node.still(&module);
    let edge = EdgeOfMemory::new();
    for address in [0, UNMAPPED, edge.beyond_the_edge(), KERNEL, usize::MAX - 2] {
        for length in [1, 4, 1000] {
            let read = read_at(&node, address, length);
            assert_eq!(read, Err(Errno::EFAULT), "{length} bytes to {address:#x}");
        }
    }
    let after = node.settled_stats();
    assert_eq!(
        (after.delivered, after.queued),
        (before.delivered, before.queued)
    );
    bytes.extend(node.read_exactly(before.queued as usize));
    assert_contiguous(&bytes);
}

/// A read over the edge may take what fits before it, or nothing; nothing else.
#[test]
fn reading_over_the_edge_of_memory_loses_nothing() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(20);
    let before = node.still(&module);
    let edge = EdgeOfMemory::new();
    let mut bytes = Vec::new();
    for good in [1, 2, 3, 4] {
        match read_at(&node, edge.before_the_edge(good), 10) {
            Ok(taken) => {
                assert!((1..=good).contains(&taken), "{taken} bytes into {good}");
                bytes.extend(&edge.last(good)[..taken]);
            }
            Err(error) => assert_eq!(error, Errno::EFAULT),
        }
        let stats = node.settled_stats();
        assert_eq!(stats.delivered, bytes.len() as u64);
    }
    bytes.extend(node.read_exactly(before.queued as usize - bytes.len()));
    assert_eq!(bytes.len() as u64, before.queued);
    assert_contiguous(&bytes);
}

#[test]
fn a_buffer_that_ends_at_the_edge_of_memory_is_filled() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(8);
    node.still(&module);
    let edge = EdgeOfMemory::new();
    assert_eq!(read_at(&node, edge.before_the_edge(8), 8), Ok(8));
    assert_contiguous(&edge.last(8));
}

#[test]
fn statistics_to_a_bad_pointer_are_efault() {
    let _module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    let edge = EdgeOfMemory::new();
    let size = std::mem::size_of::<simrupt_stats>();
    for address in [
        0,
        UNMAPPED,
        KERNEL,
        edge.beyond_the_edge(),
        edge.before_the_edge(8),
        edge.before_the_edge(size - 1),
    ] {
        assert_eq!(
            get_stats_at(&node, address),
            Err(Errno::EFAULT),
            "{address:#x}"
        );
    }
    assert_eq!(get_stats_at(&node, edge.before_the_edge(size)), Ok(0));
    assert_contiguous(&node.read_exactly(5));
    assert!(add_up(&node.settled_stats()));
}
