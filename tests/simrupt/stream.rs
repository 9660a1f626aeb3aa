//! The stream: its order, and that each byte goes to exactly one reader.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use tests::{at_once, until, AT_ONCE, LIMIT};

use crate::node::{add_up, assert_contiguous, byte_at, dropped, load, unless_held_up, Node, STILL};

#[test]
fn a_thousand_events_at_200_us_arrive_in_order_and_none_is_lost() {
    unless_held_up(200, |node| {
        let bytes = node.read_exactly(1000);
        let stats = node.stats();
        assert_eq!(dropped(&stats), 0, "{stats:?}");
        assert_eq!(bytes[0], byte_at(0));
        assert_contiguous(&bytes);
        assert_eq!(stats.delivered, 1000, "{stats:?}");
    });
}

#[test]
fn the_stream_begins_again_after_its_last_byte() {
    let _module = load(&["log=0", "delay_ms=1"]);
    let bytes = Node::open().read_exactly(100);
    assert_eq!(&bytes[..3], b" !\"");
    assert_eq!(&bytes[93..98], b"}~ !\"");
}

/// Lets `count` readers, each with its own open file, read at once, and checks that between them
/// they get each byte once.
fn share_the_stream(observer: &Node, count: usize) {
    const TOTAL: u64 = 1000;
    let taken = AtomicU64::new(0);
    let shares: Vec<Vec<Vec<u8>>> = thread::scope(|scope| {
        let mut readers = Vec::new();
        for reader in 0..count {
            let taken = &taken;
            readers.push(scope.spawn(move || {
                let node = Node::open();
                let mut reads = Vec::new();
                while taken.load(Ordering::Relaxed) < TOTAL {
                    let bytes = node.read_up_to(1 + reader * 3).expect("read failed");
                    taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    reads.push(bytes);
                }
                reads
            }));
        }
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect()
    });

    let stats = observer.stats();
    assert_eq!(dropped(&stats), 0, "{stats:?}");
    let taken = taken.into_inner();
    assert_eq!(stats.delivered, taken, "{stats:?}");

    for bytes in shares.iter().flatten() {
        assert!(!bytes.is_empty(), "a read that waits returned nothing");
        assert_contiguous(bytes);
    }
    assert!(
        shares.iter().all(|reads| !reads.is_empty()),
        "a reader got no byte"
    );

    let mut seen = [0; 256];
    for &byte in shares.iter().flatten().flatten() {
        seen[usize::from(byte)] += 1;
    }
    let mut made = [0; 256];
    for index in 0..taken {
        made[usize::from(byte_at(index))] += 1;
    }
    assert_eq!(seen, made);
}

#[test]
fn two_readers_get_each_byte_exactly_once() {
    unless_held_up(200, |observer| share_the_stream(&observer, 2));
}

#[test]
fn four_readers_get_each_byte_exactly_once() {
    unless_held_up(200, |observer| share_the_stream(&observer, 4));
}

#[test]
fn readers_of_one_descriptor_get_each_byte_exactly_once() {
    unless_held_up(200, |_| {
        let node = Node::open();
        let reader = || {
            let mut bytes = Vec::new();
            while bytes.len() < 500 {
                bytes.extend(node.read_up_to(1).expect("read failed"));
            }
            bytes
        };
        let halves = thread::scope(|scope| {
            let (one, other) = (scope.spawn(reader), scope.spawn(reader));
            [one.join().unwrap(), other.join().unwrap()]
        });
        let mut seen: Vec<u8> = halves.concat();
        let mut made: Vec<u8> = (0..1000).map(byte_at).collect();
        seen.sort_unstable();
        made.sort_unstable();
        assert_eq!(seen, made);
    });
}

#[test]
fn a_full_queue_drops_its_oldest_bytes_and_counts_them() {
    unless_held_up(100, |node| {
        until("a full queue", || node.stats().dropped_fifo > 0);
        let before = node.stats();
        let bytes = node.read_up_to(1 << 16).expect("a full queue gave nothing");
        let after = node.stats();
        assert_contiguous(&bytes);

        // With nothing delivered before, the oldest byte of the queue is the first that was not
        // dropped. More may have been dropped between the statistics and the read.
        let oldest_is_first =
            (before.dropped_fifo..=after.dropped_fifo).any(|dropped| byte_at(dropped) == bytes[0]);
        let first = bytes[0];
        assert!(
            oldest_is_first,
            "{first:#x} is not the oldest of {before:?} to {after:?}"
        );
        assert_eq!(bytes.len() as u64, before.queued, "{before:?}");
        assert_eq!(after.delivered, before.queued);
    });
}

#[test]
fn after_an_overflow_the_stream_goes_on_without_a_gap() {
    unless_held_up(100, |node| {
        until("a full queue", || node.stats().dropped_fifo > 0);
        let mut bytes = node.read_up_to(1 << 16).expect("a full queue gave nothing");
        bytes.extend(node.read_exactly(500));
        assert_contiguous(&bytes);
    });
}

/// How long real-time threads may run without a pause for all others, in microseconds.
const RT_RUNTIME: &str = "/proc/sys/kernel/sched_rt_runtime_us";

/// Keeps kernel threads, and with them the work, from running until `enough`: on each CPU a
/// real-time thread runs all the time.
fn hold_the_work_up(enough: impl Fn() -> bool + Sync) {
    let cpus = thread::available_parallelism().unwrap().get();
    let all_there = Barrier::new(cpus);
    let done = AtomicBool::new(false);
    let deadline = Instant::now() + LIMIT;
    let usual = fs::read_to_string(RT_RUNTIME).expect(RT_RUNTIME);
    fs::write(RT_RUNTIME, "-1").expect(RT_RUNTIME);
    thread::scope(|scope| {
        for cpu in 0..cpus {
            let (enough, all_there, done) = (&enough, &all_there, &done);
            scope.spawn(move || {
                let mut here = CpuSet::new();
                here.set(cpu).unwrap();
                sched_setaffinity(Pid::from_raw(0), &here).unwrap();
                all_there.wait();
                let priority = libc::sched_param { sched_priority: 1 };
                // SAFETY: `priority` is read during the call only.
                let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) };
                assert_eq!(set, 0, "no real-time priority; the tests run as root");
                while !done.load(Ordering::Relaxed) {
                    if enough() || Instant::now() > deadline {
                        done.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    fs::write(RT_RUNTIME, usual.trim()).expect(RT_RUNTIME);
}

#[test]
fn a_full_ring_refuses_new_bytes_and_counts_them() {
    for attempt in 1..=5 {
        let _module = load(&["log=0", "period_us=100"]);
        let node = Node::open();
        hold_the_work_up(|| node.stats().dropped_ring > 0);
        let bytes = node.read_exactly(500);
        let stats = node.stats();
        assert!(stats.dropped_ring > 0, "{stats:?}");
        assert_eq!(stats.produced, stats.ticks, "{stats:?}");
        // The host can hold the reader up, too, until the queue drops its oldest.
        if stats.dropped_fifo == 0 {
            // What was there first has stayed.
            let first: Vec<u8> = (0..500).map(byte_at).collect();
            assert_eq!(bytes, first);
            return;
        }
        println!("attempt {attempt}: the reader was held up: {stats:?}");
    }
    panic!("the queue ran over, five times in a row");
}

#[test]
fn the_last_close_stops_the_timer_and_throws_unread_bytes_away() {
    let module = load(&["log=0", "delay_ms=5"]);
    let node = Node::open_nonblocking();
    node.wait_for_queued(5);
    let before = node.still(&module);
    drop(node);

    let node = Node::open_nonblocking();
    let after = node.settled_stats();
    assert_eq!(after.ticks, before.ticks);
    assert_eq!(after.queued, 0);
    assert_eq!(after.dropped_close, before.dropped_close + before.queued);
    assert_eq!(after.delivered, before.delivered);
}

#[test]
fn the_timer_starts_again_with_the_next_first_open() {
    let _module = load(&["log=0", "delay_ms=5"]);
    for _ in 0..20 {
        let node = Node::open();
        assert_contiguous(&node.read_exactly(3));
    }
}

/// Long enough for a running source to make 1000 bytes at `period_us=1000`; far fewer come from
/// what a test needs to open the node and look.
const A_THOUSAND_MS: Duration = Duration::from_secs(1);

#[test]
fn no_byte_is_made_before_the_first_open() {
    let _module = load(&["log=0", "period_us=1000"]);
    thread::sleep(A_THOUSAND_MS);
    let stats = Node::open_nonblocking().stats();
    assert!(stats.ticks < 200, "{stats:?}");
}

#[test]
fn no_byte_is_made_after_the_last_close() {
    let _module = load(&["log=0", "period_us=1000"]);
    let node = Node::open();
    node.read_exactly(3);
    let before = node.stats();
    drop(node);
    thread::sleep(A_THOUSAND_MS);
    let after = Node::open_nonblocking().stats();
    assert!(
        after.ticks < before.ticks + 200,
        "{before:?}, then {after:?}"
    );
}

#[test]
fn one_of_two_openers_closing_leaves_the_stream_to_the_other() {
    let module = load(&["log=0", "delay_ms=2"]);
    let (one, other) = (Node::open(), Node::open());
    assert_eq!(module.references(), 2);
    let mut bytes = one.read_exactly(20);
    drop(one);
    assert_eq!(module.references(), 1);
    bytes.extend(other.read_exactly(50));
    assert_contiguous(&bytes);
    assert_eq!(dropped(&other.stats()), 0);
}

#[test]
fn a_second_opener_joins_the_stream_and_takes_what_waits() {
    let module = load(&["log=0", "delay_ms=5"]);
    let first = Node::open_nonblocking();
    first.wait_for_queued(4);
    let queued = first.still(&module).queued;
    let second = Node::open_nonblocking();
    assert_eq!(second.drain().len() as u64, queued);
    assert_eq!(first.read_up_to(1), Err(Errno::EAGAIN));
}

#[test]
fn a_still_timer_makes_nothing_at_once() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open_nonblocking();
    at_once(|| assert_eq!(node.read_up_to(1), Err(Errno::EAGAIN)));
    assert!(!node.readable_within(AT_ONCE / 8));
    let stats = node.stats();
    assert!(add_up(&stats) && stats.produced == 0, "{stats:?}");
}
