//! Pointers that the kernel must not follow.

use std::num::NonZeroUsize;
use std::os::unix::io::AsRawFd;

use abi::simrupt::{simrupt_stats, SIMRUPT_GET_STATS};
use nix::errno::Errno;
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};

use crate::node::{add_up, assert_contiguous, load, Node};

/// An address in the first page, where nothing is ever mapped.
pub const UNMAPPED: usize = 8;
/// An address of the kernel's.
const KERNEL: usize = 0xffff_8000_0000_1000;

const PAGE: usize = 4096;

/// read(2) to wherever `address` points.
pub fn read_at(node: &Node, address: usize, length: usize) -> Result<usize, Errno> {
    // SAFETY: the tests only give addresses that hold nothing of Rust's.
    let taken = unsafe { libc::read(node.as_raw_fd(), address as *mut libc::c_void, length) };
    Errno::result(taken).map(|taken| taken as usize)
}

/// SIMRUPT_GET_STATS to wherever `address` points.
fn get_stats_at(node: &Node, address: usize) -> Result<i32, Errno> {
    // SAFETY: as for `read_at`.
    let done = unsafe { libc::ioctl(node.as_raw_fd(), SIMRUPT_GET_STATS as _, address) };
    Errno::result(done)
}

/// A page that can be written, followed by one that cannot.
struct EdgeOfMemory {
    start: usize,
    length: usize,
}

impl EdgeOfMemory {
    fn new() -> EdgeOfMemory {
        let length = NonZeroUsize::new(2 * PAGE).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { mmap(None, length, protection, flags, -1, 0) }.unwrap();
        // SAFETY: the second page of that mapping, of which nobody has a reference.
        unsafe { libc::mprotect(start.cast::<u8>().add(PAGE).cast(), PAGE, libc::PROT_NONE) };
        EdgeOfMemory {
            start: start as usize,
            length: length.get(),
        }
    }

    /// The address `bytes` before the page that cannot be written.
    fn before_the_edge(&self, bytes: usize) -> usize {
        self.start + PAGE - bytes
    }

    fn beyond_the_edge(&self) -> usize {
        self.start + PAGE
    }

    /// The last `bytes` bytes of the page that can be written.
    fn last(&self, bytes: usize) -> Vec<u8> {
        let address = self.before_the_edge(bytes) as *const u8;
        // SAFETY: within the first page, which is mapped, written by no one now, and initialised.
        unsafe { std::slice::from_raw_parts(address, bytes) }.to_vec()
    }
}

impl Drop for EdgeOfMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it outlives a call of `last`.
        unsafe { munmap(self.start as *mut _, self.length) }.unwrap();
    }
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
