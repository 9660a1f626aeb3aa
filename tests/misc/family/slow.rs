//! Callers whose memory is slow, in the midst of a read or a write: who waits for them.

use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};

use nix::errno::Errno;
use nix::unistd::gettid;
use tests::{asleep_in_read, asleep_in_write, read_at, until, write_at, Asleep, SlowMemory};

use super::node::{current, load, Node, MAX};
use super::HoldsUp;
use crate::MEMBER;

/// So much of the message goes into memory as any other, the rest into the slow one.
const FAST: usize = MAX / 2;

/// A thread that is in a call, or was.
struct Caller<'scope, T> {
    thread: ScopedJoinHandle<'scope, T>,
    sleep: Asleep,
}

impl<'scope, T: Send + 'scope> Caller<'scope, T> {
    fn start(
        scope: &'scope Scope<'scope, '_>,
        call: impl FnOnce() -> T + Send + 'scope,
    ) -> Caller<'scope, T> {
        let (tell, told) = mpsc::channel();
        let thread = scope.spawn(move || {
            tell.send(gettid()).unwrap();
            call()
        });
        let sleep = Asleep::Thread(told.recv().unwrap());
        Caller { thread, sleep }
    }

    fn is_asleep(&self, node: &tests::Node) -> bool {
        asleep_in_read(&self.sleep, node) || asleep_in_write(&self.sleep, node)
    }

    /// Fails unless the call on `node` comes to sleep.
    #[track_caller]
    fn sleeps(&self, node: &tests::Node) {
        until("a call that sleeps", || self.is_asleep(node));
    }

    /// Fails unless the call on `node` comes to sleep if it is `held_up`, else to its end.
    #[track_caller]
    fn is(&self, held_up: bool, node: &tests::Node) {
        if held_up {
            self.sleeps(node);
        } else {
            until("a call that nobody holds up", || self.thread.is_finished());
        }
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
        slow.sleeps(sleeping);
        // The reader first: where readers share a lock, one that comes behind a writer waits.
        let reader = Caller::start(scope, || reading.read_all());
        reader.is(holds_up.readers, reading);
        let writer = Caller::start(scope, || writing.write(newer));
        writer.is(holds_up.writers, writing);

        assert!(slow.is_asleep(sleeping));
        memory.release();
        assert_eq!(slow.thread.join().unwrap(), Ok(MAX));
        assert_eq!(writer.thread.join().unwrap(), Ok(newer.len()));
        (reader.thread.join().unwrap(), memory)
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
