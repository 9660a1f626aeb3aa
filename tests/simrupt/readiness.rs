//! poll(2) and epoll(7) say what a read would find.

use std::os::unix::io::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::epoll::{epoll_create, epoll_ctl, epoll_wait, EpollEvent, EpollFlags, EpollOp};
use nix::unistd::close;
use tests::{at_once, LIMIT};

use crate::node::{assert_contiguous, load, Node, STILL};

#[test]
fn poll_says_nothing_while_nothing_is_there() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open();
    assert!(!node.readable_within(Duration::ZERO));
    assert!(!node.readable_within(Duration::from_millis(200)));
}

#[test]
fn poll_says_that_bytes_wait_until_they_are_taken() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open_nonblocking();
    node.wait_for_queued(3);
    node.still(&module);
    assert!(node.readable_within(Duration::ZERO));
    node.read_up_to(1).unwrap();
    assert!(node.readable_within(Duration::ZERO));
    node.drain();
    assert!(!node.readable_within(Duration::ZERO));
}

#[test]
fn poll_that_says_readable_is_followed_by_a_read_that_finds_bytes() {
    let _module = load(&["log=0", "period_us=300"]);
    let node = Node::open_nonblocking();
    let mut bytes = Vec::new();
    for _ in 0..500 {
        assert!(node.readable_within(LIMIT), "no byte within {LIMIT:?}");
        let more = node.read_up_to(64);
        bytes.extend(more.unwrap_or_else(|error| panic!("readable, but: {error}")));
    }
    assert_contiguous(&bytes);
}

#[test]
fn poll_never_says_that_the_node_can_be_written() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open_with(std::fs::OpenOptions::new().read(true).write(true));
    node.wait_for_queued(1);
    node.still(&module);
    let events = node.poll(PollFlags::POLLIN | PollFlags::POLLOUT, Duration::ZERO);
    assert_eq!(events, PollFlags::POLLIN);
}

#[test]
fn a_byte_wakes_everyone_who_polls() {
    let _module = load(&["log=0", "delay_ms=300"]);
    let nodes = [
        Node::open_nonblocking(),
        Node::open_nonblocking(),
        Node::open_nonblocking(),
    ];
    thread::scope(|scope| {
        // At once, because poll(2) looks again when its time is up.
        let wait = |node| at_once(|| Node::readable_within(node, LIMIT));
        let polls = [&nodes[0], &nodes[1], &nodes[2]].map(|node| scope.spawn(move || wait(node)));
        for poll in polls {
            assert!(poll.join().unwrap());
        }
    });
}

/// An epoll instance that watches one node.
struct Epoll(i32);

impl Epoll {
    fn watch(node: &Node, flags: EpollFlags) -> Epoll {
        let epoll = Epoll(epoll_create().unwrap());
        let mut event = EpollEvent::new(flags, 7);
        epoll_ctl(epoll.0, EpollOp::EpollCtlAdd, node.as_raw_fd(), &mut event).unwrap();
        epoll
    }

    /// Whether the node becomes readable within `limit`.
    fn readable_within(&self, limit: Duration) -> bool {
        let mut events = [EpollEvent::empty(); 2];
        let count = epoll_wait(self.0, &mut events, limit.as_millis() as isize).unwrap();
        for event in &events[..count] {
            assert_eq!((event.data(), event.events()), (7, EpollFlags::EPOLLIN));
        }
        count > 0
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        close(self.0).unwrap();
    }
}

#[test]
fn epoll_says_that_bytes_wait_until_they_are_taken() {
    let module = load(&["log=0", "delay_ms=20"]);
    let node = Node::open_nonblocking();
    let epoll = Epoll::watch(&node, EpollFlags::EPOLLIN);
    assert!(epoll.readable_within(LIMIT));
    node.still(&module);
    assert!(epoll.readable_within(Duration::ZERO));
    node.drain();
    assert!(!epoll.readable_within(Duration::ZERO));
    assert_eq!(node.read_up_to(1), Err(Errno::EAGAIN));
}

#[test]
fn epoll_says_nothing_while_nothing_is_there() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open_nonblocking();
    let epoll = Epoll::watch(&node, EpollFlags::EPOLLIN);
    assert!(!epoll.readable_within(Duration::from_millis(200)));
}

#[test]
fn edge_triggered_epoll_tells_of_each_arrival() {
    let _module = load(&["log=0", "delay_ms=5"]);
    let node = Node::open_nonblocking();
    let epoll = Epoll::watch(&node, EpollFlags::EPOLLIN | EpollFlags::EPOLLET);
    let mut bytes = Vec::new();
    while bytes.len() < 50 {
        assert!(epoll.readable_within(LIMIT), "no byte within {LIMIT:?}");
        bytes.extend(node.drain());
    }
    assert_contiguous(&bytes);
}
