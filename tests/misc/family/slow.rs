//! Callers whose memory is slow, in the midst of a read or a write: who waits for them.

use std::thread;

use nix::errno::Errno;
use tests::{asleep_in_read, asleep_in_write, read_at, until, write_at, Caller, SlowMemory};

use super::node::{current, load, Node, MAX};
use super::HoldsUp;
use crate::MEMBER;

/// So much of the message goes into memory as any other, the rest into the slow one.
const FAST: usize = MAX / 2;

fn is_asleep<T: Send>(caller: &Caller<T>, node: &tests::Node) -> bool {
    asleep_in_read(caller.task(), node) || asleep_in_write(caller.task(), node)
}

/// Fails unless the call on `node` comes to sleep.
#[track_caller]
fn sleeps<T: Send>(caller: &Caller<T>, node: &tests::Node) {
    until("a call that sleeps", || is_asleep(caller, node));
}

/// Fails unless the call on `node` comes to sleep if it is `held_up`, else to its end.
#[track_caller]
fn is<T: Send>(caller: &Caller<T>, held_up: bool, node: &tests::Node) {
    if held_up {
        sleeps(caller, node);
    } else {
        until("a call that nobody holds up", || caller.has_returned());
    }
}

/// Lets a reader and a writer come while `slow` sleeps in its call, on a node and with memory of
/// its own, and fails unless those are held up that should be. Returns what the reader got.
#[track_caller]
fn come_while_asleep(
    slow: fn(&tests::Node, usize, usize) -> Result<usize, Errno>,
    holds_up: &HoldsUp,
    newer: &[u8],
) -> (Vec<u8>, SlowMemory) {
    let nodes = [Node::open(), Node::open(), Node::open()];
    let [sleeping, reading, writing] = &nodes;
    thread::scope(|scope| {
        // In here, so that it is released when a check fails, before the threads are waited for.
        let mut memory = SlowMemory::new();
        let address = memory.before_the_slow_page(FAST);
        let slow = Caller::start(scope, move || slow(sleeping, address, MAX));
        sleeps(&slow, sleeping);
        // The reader first: where readers share a lock, one that comes behind a writer waits.
        let reader = Caller::start(scope, || reading.read_all());
        is(&reader, holds_up.readers, reading);
        let writer = Caller::start(scope, || writing.write(newer));
        is(&writer, holds_up.writers, writing);

        assert!(is_asleep(&slow, sleeping));
        memory.release();
        assert_eq!(slow.join(), Ok(MAX));
        assert_eq!(writer.join(), Ok(newer.len()));
        (reader.join(), memory)
    })
}

const NEW: &[u8] = b"newer";

fn load_with_old(parameters: &[&str]) -> (tests::Module, Vec<u8>) {
    let old = "o".repeat(MAX);
    let initmsg = format!("initmsg={old}");
    let module = load(&[parameters, &[initmsg.as_str()]].concat());
    (module, old.into_bytes())
}

/// Checks the member, loaded with `parameters`, with a reader whose memory is slow.
pub fn a_slow_reader(parameters: &[&str]) {
    let (_module, old) = load_with_old(parameters);
    let (read, mut memory) = come_while_asleep(read_at, &MEMBER.slow_reader_holds_up, NEW);
    assert_eq!(memory.bytes(FAST, MAX), old);
    assert_eq!(read, old);
    assert_eq!(current(), NEW);
    assert_eq!(Node::open().stats().generation, 1);
}

#[test]
fn a_reader_with_slow_memory_gets_one_message_and_holds_up_whom_it_must() {
    a_slow_reader(&[]);
}

#[test]
fn a_writer_with_slow_memory_holds_up_whom_it_must() {
    let (_module, old) = load_with_old(&[]);
    let holds_up = &MEMBER.slow_writer_holds_up;
    let (read, _) = come_while_asleep(write_at, holds_up, NEW);
    // What is where nobody has written.
    let slow_one = vec![0; MAX];
    if holds_up.readers {
        assert!([&old[..], &slow_one, NEW].contains(&&*read), "{read:?}");
    } else {
        assert_eq!(read, old);
    }
    let last = if holds_up.writers { NEW } else { &slow_one };
    assert_eq!(current(), last);
    assert_eq!(Node::open().stats().generation, 2);
}
