//! Signals: to who sorts, and to who waits for a session that is busy.

use std::io::SeekFrom;
use std::thread;
use std::time::{Duration, Instant};

use abi::ksort::{get_order, KSORT_HEAP};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, Signal};
use tests::{
    asleep_in_ioctl, asleep_in_read, asleep_in_write, at_once, count_signal, counted_signals,
    free_memory, time_in_kernel, until, write_at, Asleep, Caller, SlowMemory,
};

use crate::child::Child;
use crate::node::{assert_same, bytes_of, load, random, Node, ALGORITHMS};

/// A session with `copies` times the same 65,536 random numbers, to be sorted by `algorithm`.
fn session_of(copies: usize, numbers: &[i32], algorithm: u32) -> Node {
    let node = Node::open();
    assert_eq!(node.set_algorithm(algorithm), Ok(()));
    for _ in 0..copies {
        node.write_all(bytes_of(numbers));
    }
    node
}

/// Fails unless the session gives each of `numbers` as many times, in order.
#[track_caller]
fn assert_has_copies(node: &Node, copies: usize, numbers: &[i32]) {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut expected = Vec::with_capacity(copies * sorted.len());
    for number in sorted {
        expected.resize(expected.len() + copies, number);
    }
    assert_same(&node.read_all(), &expected, "all numbers");
}

/// Waits until a task, which has begun a read, sorts.
#[track_caller]
fn until_it_sorts(task: &Asleep) {
    until("a task that sorts", || {
        time_in_kernel(task) >= Duration::from_millis(30)
    });
}

/// Makes one read(2), as a child may.
fn read_one(node: &Node) -> bool {
    node.read_into(&mut [0; 4]) == Ok(4)
}

/// To sort 16 Mi numbers takes 16 times as long as a Mi does, at the least. And who is killed has
/// to give the memory back, which takes its time on a kernel that checks it.
#[test]
fn sigkill_ends_a_long_sort_soon_and_its_memory_is_free() {
    let module = load(&[]);
    let numbers = random(1 << 16, 1);
    let small = session_of(16, &numbers, KSORT_HEAP);
    assert!(read_one(&small));
    let whole_sort = Duration::from_nanos(16 * small.stats().sort_ns);
    drop(small);
    let unsorted = session_of(256, &numbers, KSORT_HEAP);
    let start = Instant::now();
    drop(unsorted);
    let closing = start.elapsed();

    let before = free_memory();
    let node = session_of(256, &numbers, KSORT_HEAP);
    let child = Child::start(|| read_one(&node));
    drop(node);
    assert!(before - free_memory() > 60 << 20);
    until_it_sorts(&child.task());
    let start = Instant::now();
    child.signal(Signal::SIGKILL);
    child.ends_by(Signal::SIGKILL);
    let took = start.elapsed();
    assert!(
        took < whole_sort / 16 + 2 * closing,
        "{took:?} of {whole_sort:?}, {closing:?} to close it"
    );
    assert_eq!(module.references(), 0);
    until("its memory is free", || free_memory() + (4 << 20) > before);
}

#[test]
fn a_sort_that_was_killed_loses_nothing_for_others() {
    let _module = load(&[]);
    let numbers = random(1 << 16, 2);
    for algorithm in ALGORITHMS {
        let node = session_of(16, &numbers, algorithm);
        let mut child = Child::start(|| read_one(&node));
        until("a child that sorts", || {
            !child.is_running() || !time_in_kernel(&child.task()).is_zero()
        });
        if child.is_running() {
            child.signal(Signal::SIGKILL);
        }
        child.end();
        // It may have been quicker than the signal, and have read.
        assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
        assert_has_copies(&node, 16, &numbers);
    }
}

#[test]
fn a_signal_that_is_not_fatal_does_not_end_a_sort() {
    let _module = load(&[]);
    let numbers = random(1 << 16, 3);
    let node = session_of(32, &numbers, KSORT_HEAP);
    thread::scope(|scope| {
        count_signal(Signal::SIGUSR1, SaFlags::empty());
        let counted = counted_signals();
        let caller = Caller::start(scope, || node.read(4));
        until_it_sorts(caller.task());
        caller.signal(Signal::SIGUSR1);
        assert!(!caller.has_returned());
        assert_eq!(caller.join().map(|bytes| bytes.len()), Ok(4));
        assert_eq!(counted_signals(), counted + 1);
    });
    assert_eq!(node.stats().elements, 32 << 16);
    assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
    assert_has_copies(&node, 32, &numbers);
}

/// Runs `f` while a thread has the session busy, in a write of 8 bytes whose memory is slow.
fn while_busy(node: &Node, f: impl FnOnce()) {
    thread::scope(|scope| {
        // In here, so that it is released when a check fails, before the threads are waited for.
        let mut memory = SlowMemory::new();
        let address = memory.before_the_slow_page(4);
        let writer = Caller::start(scope, move || write_at(node, address, 8));
        until("a write that sleeps", || {
            asleep_in_write(writer.task(), &**node)
        });
        f();
        assert!(!writer.has_returned());
        memory.release();
        assert_eq!(writer.join(), Ok(8));
    });
}

/// Fails unless `call` waits while the session is busy, and is ended by a signal.
#[track_caller]
fn is_interrupted<T: Send + PartialEq + std::fmt::Debug>(
    node: &Node,
    is_asleep: fn(&Asleep, &tests::Node) -> bool,
    call: impl FnOnce(&Node) -> Result<T, Errno> + Send,
) {
    thread::scope(|scope| {
        count_signal(Signal::SIGUSR1, SaFlags::empty());
        let caller = Caller::start(scope, || call(node));
        until("a call that waits", || is_asleep(caller.task(), node));
        caller.signal(Signal::SIGUSR1);
        assert_eq!(at_once(|| caller.join()), Err(Errno::EINTR));
    });
}

#[test]
fn a_signal_ends_the_wait_for_a_busy_session_with_eintr() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    while_busy(&node, || {
        is_interrupted(&node, asleep_in_read, |node| node.read(4));
        is_interrupted(&node, asleep_in_write, |node| node.write(bytes_of(&[7])));
        is_interrupted(&node, asleep_in_ioctl, |node| get_order(&node.0));
        is_interrupted(&node, asleep_in_ioctl, |node| node.set_order(1));
    });
    assert_eq!(node.order(), 0);
    assert_same(&node.read_all(), &[0, 0, 1, 2], "what was written");
}

#[test]
fn a_call_that_is_restarted_waits_on() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    thread::scope(|scope| {
        let mut caller = None;
        while_busy(&node, || {
            count_signal(Signal::SIGUSR2, SaFlags::SA_RESTART);
            let counted = counted_signals();
            let waiter = Caller::start(scope, || node.write(bytes_of(&[7])));
            let is_asleep = || asleep_in_write(waiter.task(), &*node);
            until("a write that waits", is_asleep);
            waiter.signal(Signal::SIGUSR2);
            until("the handler's run", || counted_signals() > counted);
            until("a write that waits again", is_asleep);
            caller = Some(waiter);
        });
        assert_eq!(caller.unwrap().join(), Ok(4));
    });
    assert_same(&node.read_all(), &[0, 0, 1, 2, 7], "both writes");
}

#[test]
fn sigkill_ends_the_wait_for_a_busy_session() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    while_busy(&node, || {
        let child = Child::start(|| read_one(&node));
        let is_asleep = || asleep_in_read(&child.task(), &*node);
        until("a child that waits", is_asleep);
        child.signal(Signal::SIGKILL);
        at_once(|| child.ends_by(Signal::SIGKILL));
    });
    assert_same(&node.read_all(), &[0, 0, 1, 2], "what was written");
}

/// Nobody waits for the other's sort.
#[test]
fn a_busy_session_is_eagain_for_who_does_not_wait() {
    let _module = load(&[]);
    let node = Node::open();
    while_busy(&node, || {
        node.set_nonblocking();
        at_once(|| {
            assert_eq!(node.read(4), Err(Errno::EAGAIN));
            assert_eq!(node.write(bytes_of(&[7])), Err(Errno::EAGAIN));
            assert_eq!(get_order(&node.0), Err(Errno::EAGAIN));
            assert_eq!(node.set_order(1), Err(Errno::EAGAIN));
        });
    });
    assert_eq!(node.read(16).map(|bytes| bytes.len()), Ok(8));
}

#[test]
fn another_session_is_not_busy() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    while_busy(&node, || {
        at_once(|| assert_same(&Node::with(&[4, 3]).read_all(), &[3, 4], "another"));
    });
}
