//! What each call on the node answers, to good and to bad arguments.

use std::fs::OpenOptions;
use std::os::unix::io::AsRawFd;

use abi::simrupt::SIMRUPT_GET_STATS;
use nix::errno::Errno;
use nix::sys::uio::pread;
use nix::unistd::{lseek, write, Whence};
use tests::{assert_no_ioctls_but, at_once};

use crate::node::{assert_contiguous, load, Node, STILL};

#[test]
fn a_read_takes_no_more_than_it_asks_for() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(10);
    node.still(&module);
    let mut bytes = Vec::new();
    for length in [1, 3, 5] {
        let more = node.read_up_to(length).expect("read failed");
        assert_eq!(more.len(), length);
        bytes.extend(more);
    }
    assert_contiguous(&bytes);
}

#[test]
fn a_read_that_waits_returns_what_is_there_and_does_not_wait_for_more() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(5);
    let queued = node.still(&module).queued;
    let bytes = at_once(|| node.read_up_to(1 << 16)).expect("read failed");
    assert_eq!(bytes.len() as u64, queued);
}

#[test]
fn a_read_that_waits_gets_the_next_byte() {
    let _module = load(&["log=0", "delay_ms=300"]);
    let node = Node::open();
    assert_eq!(node.read_up_to(10).as_deref(), Ok(&b" "[..]));
}

#[test]
fn nothing_to_read_is_eagain_at_once() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open_nonblocking();
    at_once(|| assert_eq!(node.read_up_to(100), Err(Errno::EAGAIN)));
}

#[test]
fn o_nonblock_can_be_switched_on_later() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open();
    // SAFETY: F_SETFL takes no memory of ours.
    let set = unsafe { libc::fcntl(node.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(set, 0);
    at_once(|| assert_eq!(node.read_up_to(100), Err(Errno::EAGAIN)));
}

#[test]
fn a_read_of_nothing_is_nothing_whether_or_not_bytes_wait() {
    let module = load(&["log=0", "delay_ms=2"]);
    let (waiting, not_waiting) = (Node::open(), Node::open_nonblocking());
    waiting.wait_for_queued(3);
    let before = waiting.still(&module);
    assert_eq!(waiting.read(&mut []), Ok(0));
    assert_eq!(not_waiting.read(&mut []), Ok(0));
    assert_eq!(waiting.settled_stats().delivered, before.delivered);

    not_waiting.drain();
    at_once(|| assert_eq!(waiting.read(&mut []), Ok(0)));
    at_once(|| assert_eq!(not_waiting.read(&mut []), Ok(0)));
}

#[test]
fn writing_is_einval() {
    let _module = load(&["log=0", STILL]);
    for options in [
        OpenOptions::new().write(true),
        OpenOptions::new().read(true).write(true),
    ] {
        let node = Node::open_with(options);
        assert_eq!(write(node.as_raw_fd(), b"x"), Err(Errno::EINVAL));
        assert_eq!(write(node.as_raw_fd(), b""), Err(Errno::EINVAL));
    }
}

#[test]
fn the_stream_has_no_positions() {
    let _module = load(&["log=0", "delay_ms=1"]);
    let node = Node::open();
    for whence in [Whence::SeekSet, Whence::SeekCur, Whence::SeekEnd] {
        assert_eq!(
            lseek(node.as_raw_fd(), 0, whence),
            Err(Errno::ESPIPE),
            "{whence:?}"
        );
    }
    assert_eq!(pread(node.as_raw_fd(), &mut [0; 4], 0), Err(Errno::ESPIPE));
    assert_contiguous(&node.read_exactly(5));
}

#[test]
fn unknown_ioctls_are_enotty() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open();
    assert_no_ioctls_but(&[SIMRUPT_GET_STATS], &node);
}
