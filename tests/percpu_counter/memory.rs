//! Pointers that the kernel must not follow, and writes without end.

use std::mem::size_of;
use std::os::unix::io::AsRawFd;
use std::thread;
use std::time::Duration;

use abi::percpu_counter::{
    percpu_counter_cpu, percpu_counter_total, PERCPU_COUNTER_GET_CPU, PERCPU_COUNTER_GET_TOTAL,
};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{close, fork, pipe, read, ForkResult};
use tests::{ioctl_at, read_at, write_at, EdgeOfMemory, Gibibyte, KERNEL, UNMAPPED};

use crate::node::{counts, load_without_threads, Node, Table};

#[test]
fn writing_from_a_bad_pointer_is_efault_and_counts_nothing() {
    let _module = load_without_threads();
    let node = Node::open();
    let edge = EdgeOfMemory::new();
    for address in [0, UNMAPPED, edge.beyond_the_edge(), KERNEL, usize::MAX - 2] {
        for length in [1, 4, 1000] {
            let written = write_at(&node, address, length);
            assert_eq!(written, Err(Errno::EFAULT), "{length} at {address:#x}");
        }
    }
    // What is good at one end is not good.
    for (address, length) in [
        (edge.before_the_edge(1), 2),
        (edge.before_the_edge(512), 513),
        (edge.before_the_edge(4096), 4097),
        (edge.before_the_edge(4096), 1 << 20),
        (edge.before_the_page(1), 2),
        (edge.before_the_page(8), 4000),
    ] {
        let written = write_at(&node, address, length);
        assert_eq!(written, Err(Errno::EFAULT), "{length} at {address:#x}");
    }
    assert_eq!(node.total(), counts(0, 0));
    for length in [1, 512, 4096] {
        let good = write_at(&node, edge.before_the_edge(length), length);
        assert_eq!(good, Ok(length));
    }
    assert_eq!(node.total(), counts(3, 4609));
}

#[test]
fn reading_to_a_bad_pointer_is_efault_and_leaves_the_position() {
    let _module = load_without_threads();
    let node = Node::open();
    node.write(b"123").unwrap();
    let mut bytes = node.read(10).unwrap();
    node.write(b"123").unwrap();
    let edge = EdgeOfMemory::new();
    for address in [
        0,
        UNMAPPED,
        edge.beyond_the_edge(),
        edge.before_the_edge(3),
        edge.before_the_page(3),
        KERNEL,
        usize::MAX - 2,
    ] {
        let read = read_at(&node, address, 7);
        assert_eq!(read, Err(Errno::EFAULT), "{address:#x}");
    }
    assert_eq!(node.position(), 10);
    // It goes on in the same table.
    assert_eq!(read_at(&node, edge.before_the_edge(7), 7), Ok(7));
    bytes.extend(edge.last(7));
    bytes.extend(node.read_in_pieces_of(100));
    assert_eq!(Table::parse(&bytes).total, counts(1, 3));
}

/// Where the last read before it ended is no place to go on from in it.
#[test]
fn a_new_table_that_cannot_be_handed_out_is_forgotten() {
    let _module = load_without_threads();
    let node = Node::open();
    assert_eq!(node.read_from(0, 10).map(|bytes| bytes.len()), Ok(10));
    node.write(b"123").unwrap();
    // SAFETY: nothing is mapped there.
    let read = unsafe { libc::pread(node.as_raw_fd(), UNMAPPED as *mut _, 8, 0) };
    assert_eq!(Errno::result(read), Err(Errno::EFAULT));
    node.write(b"123").unwrap();
    let now = Node::open().table().to_string();
    assert_eq!(node.read_from(10, 4096).unwrap(), now.as_bytes()[10..]);
}

#[test]
fn ioctls_with_a_bad_pointer_are_efault() {
    let _module = load_without_threads();
    let node = Node::open();
    let edge = EdgeOfMemory::new();
    for (request, size) in [
        (PERCPU_COUNTER_GET_CPU, size_of::<percpu_counter_cpu>()),
        (PERCPU_COUNTER_GET_TOTAL, size_of::<percpu_counter_total>()),
    ] {
        for address in [
            0,
            UNMAPPED,
            KERNEL,
            edge.beyond_the_edge(),
            edge.before_the_edge(size - 1),
            edge.before_the_page(1),
        ] {
            let answer = ioctl_at(&node, request, address);
            assert_eq!(answer, Err(Errno::EFAULT), "{request:#x} at {address:#x}");
        }
        assert_eq!(ioctl_at(&node, request, edge.before_the_edge(size)), Ok(0));
    }
}

#[test]
fn get_cpu_needs_memory_that_it_can_write_to() {
    let _module = load_without_threads();
    static CONSTANT: percpu_counter_cpu = percpu_counter_cpu {
        cpu: 0,
        online: 0,
        events: 0,
        bytes: 0,
    };
    let constant = &CONSTANT as *const percpu_counter_cpu as usize;
    let answer = ioctl_at(&Node::open(), PERCPU_COUNTER_GET_CPU, constant);
    assert_eq!(answer, Err(Errno::EFAULT));
}

/// Reading a GiB takes the kernel much longer than it takes to kill the writer.
#[test]
fn killing_the_writer_ends_a_huge_write_and_counts_nothing() {
    let _module = load_without_threads();
    let node = Node::open();
    let mut memory = Gibibyte::new();
    let bytes = memory.bytes();
    let (there, here) = pipe().expect("pipe(2) failed");
    // SAFETY: the child makes three system calls and nothing else.
    match unsafe { fork() }.expect("fork(2) failed") {
        ForkResult::Child => unsafe {
            libc::write(here, bytes.as_ptr().cast(), 1);
            libc::write(node.as_raw_fd(), bytes.as_ptr().cast(), bytes.len());
            libc::_exit(0)
        },
        ForkResult::Parent { child } => {
            assert_eq!(read(there, &mut [0]), Ok(1));
            thread::sleep(Duration::from_millis(5));
            kill(child, Signal::SIGKILL).unwrap();
            let end = waitpid(child, None);
            assert_eq!(end, Ok(WaitStatus::Signaled(child, Signal::SIGKILL, false)));
        }
    }
    close(there).and_then(|()| close(here)).unwrap();
    assert_eq!(node.total(), counts(0, 0));
}
