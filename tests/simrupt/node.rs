//! The node, and the order of its stream.

use std::fs::OpenOptions;
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::AsRawFd;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use abi::simrupt::{get_stats, simrupt_stats, SIMRUPT_FIRST, SIMRUPT_LAST};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};
use tests::{is_debug_kernel, until, Module, LIMIT};

pub const PATH: &str = "/dev/simrupt";

const FIRST: u8 = SIMRUPT_FIRST as u8;
const LENGTH: u64 = (SIMRUPT_LAST - SIMRUPT_FIRST + 1) as u64;

/// The period of a timer that does not fire while a test looks: `delay_ms` at its greatest, which
/// is more than [`tests::AT_ONCE`].
pub const STILL: &str = "delay_ms=10000";

#[track_caller]
pub fn load(parameters: &[&str]) -> Module {
    Module::load("simrupt", parameters)
        .unwrap_or_else(|error| panic!("simrupt.ko does not load with {parameters:?}: {error}"))
}

/// An open `/dev/simrupt`.
pub struct Node(pub tests::Node);

impl Node {
    /// Opens the node for reading that waits.
    #[track_caller]
    pub fn open() -> Node {
        Node::open_with(OpenOptions::new().read(true))
    }

    /// Opens the node for reading that does not wait.
    #[track_caller]
    pub fn open_nonblocking() -> Node {
        Node::open_with(OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK))
    }

    #[track_caller]
    pub fn open_with(options: &OpenOptions) -> Node {
        Node(tests::Node::open(PATH, options))
    }

    /// Another descriptor of the same open file.
    pub fn duplicate(&self) -> Node {
        Node(self.0.duplicate())
    }

    /// One read(2).
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        nix::unistd::read(self.as_raw_fd(), buffer)
    }

    /// One read(2) of at most `length` bytes.
    pub fn read_up_to(&self, length: usize) -> Result<Vec<u8>, Errno> {
        self.0.read(length)
    }

    /// The next `length` bytes, in as many reads as it takes.
    #[track_caller]
    pub fn read_exactly(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            assert!(
                self.readable_within(LIMIT),
                "no byte within {LIMIT:?}, after {}",
                bytes.len()
            );
            match self.read_up_to(length - bytes.len()) {
                Ok(more) => bytes.extend(more),
                // Another reader was faster.
                Err(Errno::EAGAIN) => {}
                Err(error) => panic!("read: {error}"),
            }
        }
        bytes
    }

    /// All bytes that are there now. Only for a node that does not wait.
    pub fn drain(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match self.read_up_to(1 << 16) {
                Ok(more) => bytes.extend(more),
                Err(Errno::EAGAIN) => return bytes,
                Err(error) => panic!("read: {error}"),
            }
        }
    }

    /// What poll(2) says, after waiting for at most `limit`.
    pub fn poll(&self, events: PollFlags, limit: Duration) -> PollFlags {
        let mut fds = [PollFd::new(self.as_raw_fd(), events)];
        poll(&mut fds, limit.as_millis() as i32).expect("poll(2) failed");
        fds[0].revents().expect("poll(2) told an unknown event")
    }

    pub fn readable_within(&self, limit: Duration) -> bool {
        match self.poll(PollFlags::POLLIN, limit) {
            events if events.is_empty() => false,
            PollFlags::POLLIN => true,
            events => panic!("poll(2) told {events:?}"),
        }
    }

    pub fn stats(&self) -> simrupt_stats {
        get_stats(&self.0).expect("SIMRUPT_GET_STATS failed")
    }

    /// The statistics at a moment at which no byte is on its way. While the source runs there must
    /// be such moments: with a period of some 100 µs a slow machine has none.
    #[track_caller]
    pub fn settled_stats(&self) -> simrupt_stats {
        let deadline = Instant::now() + LIMIT;
        loop {
            // Without a sleep in between: that would end with the source's timer, as one interrupt
            // serves both, so that a byte is on its way each time.
            let stats = self.stats();
            if add_up(&stats) {
                return stats;
            }
            let in_time = Instant::now() < deadline;
            assert!(in_time, "for {LIMIT:?} they did not add up: {stats:?}");
        }
    }

    /// Makes the timer of a running module fire no more while the test looks. It must have run
    /// with a `delay_ms` of 20 at most.
    #[track_caller]
    pub fn still(&self, module: &Module) -> simrupt_stats {
        module
            .set_parameter("delay_ms", "10000")
            .expect("delay_ms is not writable");
        let mut ticks = self.stats().ticks;
        until("a timer that has become still", || {
            // Many times the old delay: a timer that is still armed with it fires meanwhile.
            thread::sleep(Duration::from_millis(200));
            let before = ticks;
            ticks = self.stats().ticks;
            before == ticks
        });
        self.settled_stats()
    }

    /// Waits until so many bytes wait for a reader.
    #[track_caller]
    pub fn wait_for_queued(&self, count: u64) {
        until("bytes in the queue", || self.stats().queued >= count);
    }
}

impl Deref for Node {
    type Target = tests::Node;

    fn deref(&self) -> &tests::Node {
        &self.0
    }
}

/// Whether each byte is in exactly one place, as include/uapi/simrupt.h promises.
pub fn add_up(stats: &simrupt_stats) -> bool {
    stats.produced == stats.delivered + dropped(stats) + stats.queued
}

pub fn dropped(stats: &simrupt_stats) -> u64 {
    stats.dropped_ring + stats.dropped_fifo + stats.dropped_close
}

/// The byte that the module makes as its `index`th, counted from 0 since it was loaded.
pub fn byte_at(index: u64) -> u8 {
    FIRST + (index % LENGTH) as u8
}

/// Fails unless each byte follows the one before it.
#[track_caller]
pub fn assert_contiguous(bytes: &[u8]) {
    let first = match bytes.first() {
        Some(&first) => first,
        None => return,
    };
    let in_stream = (SIMRUPT_FIRST..=SIMRUPT_LAST).contains(&u32::from(first));
    assert!(in_stream, "{first:#x} is not in the stream");
    let start = u64::from(first - FIRST);
    for (place, (index, &byte)) in (start..).zip(bytes).enumerate() {
        let expected = byte_at(index);
        assert_eq!(byte, expected, "byte {place} of {}: {byte:#x}", bytes.len());
    }
}

/// Runs `test` on a module with `period_us`, again if the ring ran over meanwhile: the host can hold
/// a guest's CPU up for longer than the ring lasts, and then bytes are lost, are counted as lost, and
/// the stream has gaps. Five times in a row is the module's fault.
///
/// A debug kernel takes ten times as long for an event, and has it ten times as seldom.
#[track_caller]
pub fn unless_held_up(period_us: u32, test: impl Fn(Node)) {
    let period_us = period_us * if is_debug_kernel() { 10 } else { 1 };
    for attempt in 1.. {
        let _module = load(&["log=0", &format!("period_us={period_us}")]);
        let observer = Node::open();
        let node = Node::open_nonblocking();
        let result = panic::catch_unwind(AssertUnwindSafe(|| test(node)));
        let lost = observer.stats().dropped_ring;
        match result {
            Ok(()) if lost == 0 => return,
            _ if lost > 0 && attempt < 5 => println!("{lost} bytes lost in the ring; again"),
            Ok(()) => panic!("{lost} bytes lost in the ring, five times in a row"),
            Err(failure) => panic::resume_unwind(failure),
        }
    }
}
