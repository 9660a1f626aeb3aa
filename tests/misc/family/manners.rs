//! ioctl(2) and poll(2).

use std::os::unix::io::AsRawFd;

use abi::misc::{MISC_GET_STATS, MISC_RESET_STATS};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};
use tests::transfer::epoll_add;
use tests::{assert_no_ioctls_but, ioctl_at, UNMAPPED};

use super::node::{load_with, set, Node};

#[test]
fn unknown_ioctls_are_enotty() {
    let _module = load_with("first");
    let node = Node::open();
    let before = node.stats();
    let tried = assert_no_ioctls_but(&[MISC_GET_STATS, MISC_RESET_STATS], &node);
    assert_eq!(node.stats().errors, before.errors + tried as u64);
}

#[test]
fn any_open_file_may_ask_for_the_statistics() {
    let _module = load_with("first");
    let files = [Node::open_to_read(), Node::open_to_write(), Node::open()];
    for file in &files {
        let stats = file.stats();
        assert_eq!((stats.opens, stats.errors), (3, 0));
    }
}

#[test]
fn resetting_is_for_files_that_are_open_for_writing() {
    let _module = load_with("first");
    let (reader, writer) = (Node::open_to_read(), Node::open_to_write());
    for _ in 0..2 {
        let refused = reader.counts(|stats| stats.errors += 1, || reader.reset_stats());
        assert_eq!(refused, Err(Errno::EBADF));
    }
    assert_eq!(writer.reset_stats(), Ok(()));
    assert_eq!(writer.stats().errors, 0);
    // It has no argument, so any will do.
    assert_eq!(ioctl_at(&writer, MISC_RESET_STATS, UNMAPPED), Ok(0));
}

/// What poll(2) says of `node` at once, asked for `events`.
fn polled(node: &Node, events: PollFlags) -> PollFlags {
    let mut fds = [PollFd::new(node.as_raw_fd(), events)];
    poll(&mut fds, 0).expect("poll(2) failed");
    fds[0].revents().expect("poll(2) told an unknown event")
}

#[test]
fn poll_says_always_readable_and_writable() {
    let _module = load_with("");
    let node = Node::open();
    let both = PollFlags::POLLIN | PollFlags::POLLOUT;
    let all = both | PollFlags::POLLRDNORM | PollFlags::POLLWRNORM;
    for message in [None, Some(b"message")] {
        if let Some(message) = message {
            set(message);
        }
        assert_eq!(polled(&node, all | PollFlags::POLLPRI), all);
        assert_eq!(polled(&node, both), both);
        assert_eq!(polled(&node, PollFlags::POLLIN), PollFlags::POLLIN);
        assert_eq!(polled(&node, PollFlags::POLLOUT), PollFlags::POLLOUT);
        node.read_all();
    }
}

/// There is nothing to wait for.
#[test]
fn epoll_refuses_what_is_always_ready() {
    let _module = load_with("first");
    assert_eq!(epoll_add(&Node::open()), Err(Errno::EPERM));
}
