//! What each call on the node answers, to good and to bad arguments.

use std::fs::OpenOptions;
use std::os::unix::io::AsRawFd;

use abi::simrupt::SIMRUPT_GET_STATS;
use nix::errno::Errno;
use nix::sys::uio::pread;
use nix::unistd::{lseek, write, Whence};
use tests::transfer::{aio, memory_file, part, part_mut, readv, sendfile, writev, Aio, Pipe};
use tests::{assert_no_ioctls_but, at_once, UNMAPPED};

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

#[test]
fn readv_is_one_read() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(10);
    let queued = node.still(&module).queued as usize;
    let (mut one, mut two, mut rest) = ([0; 3], [0; 2], [0; 1 << 12]);
    let parts = [part_mut(&mut one), (UNMAPPED, 0), part_mut(&mut two)];
    assert_eq!(readv(&node, &parts, None), Ok(5));
    assert_eq!(readv(&node, &parts, Some(0)), Err(Errno::ESPIPE));
    // It does not wait for more than there is, whatever there is room for.
    let parts = [part_mut(&mut rest[..1]), part_mut(&mut rest[1..])];
    let taken = at_once(|| readv(&node, &parts, None));
    assert_eq!(taken, Ok(queued - 5));
    assert_contiguous(&[&one[..], &two, &rest[..queued - 5]].concat());
    let nonblocking = Node::open_nonblocking();
    let taken = at_once(|| readv(&nonblocking, &parts, None));
    assert_eq!(taken, Err(Errno::EAGAIN));
}

/// As for one that is bad as a whole: bytes are taken that can be given.
#[test]
fn readv_gives_what_comes_before_a_bad_part_and_loses_nothing() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(10);
    let before = node.still(&module);
    let mut one = [0; 3];
    let (good, bad) = (part_mut(&mut one), (UNMAPPED, 1));
    assert_eq!(readv(&node, &[bad, good], None), Err(Errno::EFAULT));
    assert_eq!(node.settled_stats().delivered, before.delivered);
    assert_eq!(readv(&node, &[good, bad], None), Ok(3));
    assert_eq!(node.settled_stats().delivered, before.delivered + 3);
    let rest = node.read_up_to(1 << 12).unwrap();
    assert_contiguous(&[&one[..], &rest].concat());
}

#[test]
fn splice_and_aio_take_bytes_as_read_does() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.wait_for_queued(10);
    let queued = node.still(&module).queued as usize;
    let mut pipe = Pipe::new();
    assert_eq!(pipe.splice_from(&node, 4), Ok(4));
    let mut bytes = pipe.take(4);
    assert_eq!(sendfile(pipe.end(), &*node, None, 2), Ok(2));
    bytes.extend(pipe.take(2));
    // A stream has no position, whatever is asked for.
    let mut two = [0; 2];
    assert_eq!(aio(&node, Aio::Read, part_mut(&mut two), 1 << 40), Ok(2));
    bytes.extend(two);
    let taken = at_once(|| pipe.splice_from(&node, 1 << 20));
    assert_eq!(taken, Ok(queued - 8));
    bytes.extend(pipe.take(queued - 8));
    assert_contiguous(&bytes);
    assert_eq!(node.settled_stats().delivered, queued as u64);

    let nonblocking = Node::open_nonblocking();
    at_once(|| {
        assert_eq!(pipe.splice_from(&nonblocking, 1), Err(Errno::EAGAIN));
        assert_eq!(
            aio(&nonblocking, Aio::Read, part_mut(&mut two), 0),
            Err(Errno::EAGAIN)
        );
    });
    // Only what can be read again is sent to what is no pipe.
    assert_eq!(
        sendfile(&memory_file(b""), &*node, None, 1),
        Err(Errno::EINVAL)
    );
}

#[test]
fn no_way_of_writing_is_there() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open_with(OpenOptions::new().read(true).write(true));
    for bytes in [&b""[..], b"x"] {
        assert_eq!(writev(&node, &[part(bytes)], None), Err(Errno::EINVAL));
        assert_eq!(aio(&node, Aio::Write, part(bytes), 0), Err(Errno::EINVAL));
    }
    assert_eq!(Pipe::of(b"x").splice_to(&node, 1), Err(Errno::EINVAL));
    assert_eq!(
        sendfile(&*node, &memory_file(b"x"), Some(&mut 0), 1),
        Err(Errno::EINVAL)
    );
}
