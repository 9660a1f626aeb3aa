//! What the well-known simrupt in C gets wrong, each by name.

use std::os::unix::io::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use tests::{at_once, read_at, LIMIT, UNMAPPED};

use crate::node::{add_up, assert_contiguous, load, Node, STILL};
use crate::signals::Sleeper;

/// There, the loop that waits for bytes never ends for a length of 0.
#[test]
fn zero_length_read_returns_at_once() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open();
    at_once(|| assert_eq!(node.read(&mut []), Ok(0)));
}

/// There, the error goes through an unsigned count and comes back as a huge number of bytes.
#[test]
fn eagain_is_an_error_not_a_count() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open_nonblocking();
    let mut buffer = [0xaa; 64];
    // SAFETY: `buffer` is writable for its whole length.
    let result = unsafe { libc::read(node.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    assert_eq!((result, Errno::last()), (-1, Errno::EAGAIN));
    assert_eq!(buffer, [0xaa; 64]);
}

/// There, a reader sleeps with the lock held that the other has to take before it can look.
#[test]
fn nonblocking_reader_does_not_wait_behind_a_sleeping_one() {
    let _module = load(&["log=0", STILL]);
    let sleeping = Node::open();
    thread::scope(|scope| {
        let sleeper = Sleeper::start(scope, &sleeping);
        let node = Node::open_nonblocking();
        at_once(|| assert_eq!(node.read_up_to(16), Err(Errno::EAGAIN)));
        at_once(|| assert!(!node.readable_within(Duration::ZERO)));
        at_once(|| assert!(add_up(&node.stats())));
        assert_eq!(sleeper.interrupt(), Err(Errno::EINTR));
    });
}

/// There, bytes leave the queue before it is known whether the reader can take them.
#[test]
fn bad_pointer_loses_no_bytes() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    let mut bytes = node.read_exactly(3);
    node.wait_for_queued(5);
    let before = node.still(&module);
    assert_eq!(read_at(&node, UNMAPPED, 4), Err(Errno::EFAULT));
    let after = node.settled_stats();
    assert_eq!(
        (after.delivered, after.queued),
        (before.delivered, before.queued)
    );
    bytes.extend(node.read_exactly(before.queued as usize));
    assert_contiguous(&bytes);
}

/// There, the queue keeps what the last reader of an earlier time left.
#[test]
fn new_opener_sees_no_old_bytes() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(5);
    node.still(&module);
    drop(node);

    let node = Node::open_nonblocking();
    assert!(!node.readable_within(Duration::ZERO));
    assert_eq!(node.read_up_to(100), Err(Errno::EAGAIN));
    assert_eq!(node.stats().queued, 0);
}

/// There is no poll there, so poll(2) says at once that there is something to read.
#[test]
fn poll_waits_for_data() {
    let _module = load(&["log=0", "delay_ms=500"]);
    let node = Node::open_nonblocking();
    assert_eq!(
        node.poll(PollFlags::POLLIN, Duration::ZERO),
        PollFlags::empty()
    );
    assert_eq!(node.poll(PollFlags::POLLIN, LIMIT), PollFlags::POLLIN);
    assert_eq!(node.read_up_to(100).as_deref(), Ok(&b" "[..]));
}
