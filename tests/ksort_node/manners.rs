//! What the node has in common with the others.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::AsRawFd;

use abi::ksort::{
    KSORT_GET_ALGORITHM, KSORT_GET_ORDER, KSORT_GET_STATS, KSORT_GET_TYPE, KSORT_SET_ALGORITHM,
    KSORT_SET_ORDER, KSORT_SET_TYPE, KSORT_U64,
};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};
use tests::transfer::epoll_add;
use tests::{assert_no_ioctls_but, read_at, write_at, UNMAPPED};

use crate::node::{assert_same, bytes_of, load, Node};

#[test]
fn a_file_does_what_it_was_opened_for() {
    let _module = load(&[]);
    let reader = Node::open_with(OpenOptions::new().read(true));
    assert_eq!(reader.write(bytes_of(&[1])), Err(Errno::EBADF));
    assert_eq!(reader.read(100), Ok(vec![]));
    let writer = Node::open_with(OpenOptions::new().write(true));
    writer.write_all(bytes_of(&[1]));
    assert_eq!(writer.read(100), Err(Errno::EBADF));
    for node in [reader, writer] {
        assert_eq!(node.stats().copy_in_ns, 0);
        assert_eq!(node.order(), 0);
        assert_eq!(node.set_order(1), Ok(()));
    }
}

#[test]
fn flags_that_are_for_other_files_change_nothing() {
    let _module = load(&[]);
    for flags in [
        libc::O_APPEND,
        libc::O_TRUNC,
        libc::O_NONBLOCK,
        libc::O_CREAT,
    ] {
        let mut options = OpenOptions::new();
        let node = Node::open_with(options.read(true).write(true).custom_flags(flags));
        node.write_all(bytes_of(&[3]));
        node.write_all(bytes_of(&[2, 1]));
        assert_same(&node.read(8).unwrap(), &[1, 2], "first two");
        assert_same(&node.read_all(), &[3], "the last one");
    }
}

#[test]
fn a_length_of_0_is_0_at_any_address() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    for address in [0, UNMAPPED] {
        assert_eq!(write_at(&node, address, 0), Ok(0));
        assert_eq!(read_at(&node, address, 0), Ok(0));
    }
    assert_same(&node.read_all(), &[1, 2], "the set");
}

#[test]
fn unknown_ioctls_are_enotty() {
    let _module = load(&[]);
    let known = [
        KSORT_GET_TYPE,
        KSORT_SET_TYPE,
        KSORT_GET_ORDER,
        KSORT_SET_ORDER,
        KSORT_GET_ALGORITHM,
        KSORT_SET_ALGORITHM,
        KSORT_GET_STATS,
    ];
    let node = Node::with(&[1u64]);
    assert!(assert_no_ioctls_but(&known, &node) > 10);
    assert_eq!(node.number_type(), KSORT_U64);
    assert_same(&node.read_all(), &[1u64], "the set");
}

/// Runs `f` with a node that is new, that has a part of a number, that has a set, and that is at
/// its end.
fn in_all_states(f: impl Fn(&Node)) {
    let _module = load(&[]);
    let node = Node::open();
    f(&node);
    node.write_all(&[0]);
    f(&node);
    node.write_all(&[0; 7]);
    f(&node);
    node.read_all();
    f(&node);
}

#[test]
fn poll_says_always_readable_and_writable() {
    in_all_states(|node| {
        let all =
            PollFlags::POLLIN | PollFlags::POLLRDNORM | PollFlags::POLLOUT | PollFlags::POLLWRNORM;
        for events in [all, PollFlags::POLLIN, PollFlags::POLLOUT] {
            let mut fds = [PollFd::new(node.as_raw_fd(), events)];
            assert_eq!(poll(&mut fds, 0), Ok(1));
            assert_eq!(fds[0].revents(), Some(events));
        }
    });
}

/// There is nothing to wait for.
#[test]
fn epoll_refuses_what_is_always_ready() {
    in_all_states(|node| assert_eq!(epoll_add(node), Err(Errno::EPERM)));
}
