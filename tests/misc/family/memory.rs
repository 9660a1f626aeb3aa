//! Pointers that the kernel must not follow.

use abi::misc::{misc_stats, MISC_GET_STATS};
use nix::errno::Errno;
use tests::{ioctl_at, read_at, write_at, EdgeOfMemory, KERNEL, UNMAPPED};

use super::node::{current, load_with, Node, MAX};

const MESSAGE: &str = "0123456789";

/// Of `length` bytes at `address`, those that the VFS does not refuse by their address alone, so
/// that the device is asked and counts an error.
fn reaches_the_device(address: usize, length: usize) -> u64 {
    let end = address.checked_add(length);
    u64::from(end.map_or(false, |end| end < KERNEL))
}

/// Where nothing of a buffer of `length` bytes can be touched, or one of its ends cannot.
fn bad_addresses(edge: &EdgeOfMemory, length: usize) -> Vec<usize> {
    let mut addresses = vec![0, UNMAPPED, edge.beyond_the_edge(), KERNEL, usize::MAX - 2];
    if length > 1 {
        addresses.extend([
            edge.before_the_page(1),
            edge.before_the_page(length - 1),
            edge.before_the_edge(1),
            edge.before_the_edge(length - 1),
        ]);
    }
    addresses
}

#[test]
fn reading_to_a_bad_pointer_is_efault_and_takes_nothing() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    node.read(2).unwrap();
    let edge = EdgeOfMemory::new();
    for length in [1, 4, 8] {
        for address in bad_addresses(&edge, length) {
            let read = node.counts(
                |stats| stats.errors += reaches_the_device(address, length),
                || read_at(&node, address, length),
            );
            assert_eq!(read, Err(Errno::EFAULT), "{length} bytes to {address:#x}");
            assert_eq!(node.position(), 2);
        }
    }
    assert_eq!(node.read_all(), b"23456789");
}

#[test]
fn a_buffer_need_only_be_as_long_as_what_is_read() {
    let _module = load_with(MESSAGE);
    let edge = EdgeOfMemory::new();
    let node = Node::open();
    for length in [MESSAGE.len(), MAX, 1 << 20] {
        node.rewind();
        let address = edge.before_the_edge(MESSAGE.len());
        assert_eq!(read_at(&node, address, length), Ok(MESSAGE.len()));
        assert_eq!(edge.last(MESSAGE.len()), MESSAGE.as_bytes());
    }
    // At the end not even a bad pointer is needed.
    assert_eq!(read_at(&node, UNMAPPED, 10), Ok(0));
}

#[test]
fn writing_from_a_bad_pointer_is_efault_and_changes_nothing() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let edge = EdgeOfMemory::new();
    for length in [1, 4, MAX - 1, MAX] {
        for address in bad_addresses(&edge, length) {
            let written = node.counts(
                |stats| stats.errors += reaches_the_device(address, length),
                || write_at(&node, address, length),
            );
            assert_eq!(
                written,
                Err(Errno::EFAULT),
                "{length} bytes at {address:#x}"
            );
        }
        assert_eq!(current(), MESSAGE.as_bytes());
    }
}

#[test]
fn a_message_that_ends_at_the_edge_of_memory_is_taken() {
    let _module = load_with(MESSAGE);
    let edge = EdgeOfMemory::new();
    for length in [1, MAX - 1, MAX] {
        let message: Vec<u8> = (0..length as u8).collect();
        edge.set_last(&message);
        let node = Node::open();
        assert_eq!(
            write_at(&node, edge.before_the_edge(length), length),
            Ok(length)
        );
        assert_eq!(current(), message);
    }
}

#[test]
fn statistics_to_a_bad_pointer_are_efault() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let edge = EdgeOfMemory::new();
    let size = std::mem::size_of::<misc_stats>();
    for address in bad_addresses(&edge, size) {
        let answer = node.counts(
            |stats| stats.errors += 1,
            || ioctl_at(&node, MISC_GET_STATS, address),
        );
        assert_eq!(answer, Err(Errno::EFAULT), "{address:#x}");
    }
    let answer = ioctl_at(&node, MISC_GET_STATS, edge.before_the_edge(size));
    assert_eq!(answer, Ok(0));
}
