//! Many threads at once: no message is torn, no count is lost, nothing goes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use abi::misc::misc_stats;
use tests::{until, Module};

use super::message::Header;
use super::node::{current, load, load_with, set, Node, MAX};
use crate::MEMBER;

const READERS: u8 = 4;
const WRITERS: u8 = 4;
/// Who writes the message that is there when the others begin.
const FIRST: Header = Header {
    writer: WRITERS,
    sequence: 0,
};

/// What one thread has done, or all of them.
#[derive(Default)]
struct Done {
    opens: u64,
    bytes_read: u64,
    writes: u64,
    bytes_written: u64,
}

/// What a thread has seen last of each writer, and of all.
#[derive(Default)]
struct Seen {
    sequences: [u32; WRITERS as usize + 1],
    generation: u64,
}

impl Seen {
    /// Fails unless `message` is whole and not older than the last of its writer.
    #[track_caller]
    fn message(&mut self, message: &[u8]) {
        let header = Header::of(message).unwrap_or_else(|wrong| panic!("{wrong}"));
        let last = &mut self.sequences[usize::from(header.writer)];
        assert!(header.sequence >= *last, "{header:?} after {last}");
        *last = header.sequence;
    }

    /// Fails unless the generation has grown by at least so many.
    #[track_caller]
    fn generation(&mut self, node: &Node, grown: u64) {
        let generation = node.stats().generation;
        let last = self.generation;
        assert!(generation >= last + grown, "{generation} after {last}");
        self.generation = generation;
    }
}

fn read_until(end: &AtomicBool, reader: u8) -> Done {
    let (mut done, mut seen) = (Done::default(), Seen::default());
    // Some keep their file open and rewind it, the others open it anew for each message.
    let keeps = reader % 2 == 0;
    let mut node = Node::open_to_read();
    done.opens += 1;
    for length in [1, 7, MAX / 2, MAX, 2 * MAX].into_iter().cycle() {
        let message = node.read_in_pieces_of(length);
        done.bytes_read += message.len() as u64;
        seen.message(&message);
        seen.generation(&node, 0);
        if end.load(Ordering::Relaxed) {
            break;
        }
        if keeps {
            node.rewind();
        } else {
            node = Node::open_to_read();
            done.opens += 1;
        }
    }
    done
}

fn write_until(end: &AtomicBool, writer: u8) -> Done {
    let (mut done, mut seen) = (Done::default(), Seen::default());
    let node = Node::open_to_write();
    done.opens += 1;
    for sequence in 0.. {
        let message = Header { writer, sequence }.message();
        assert_eq!(node.write(&message), Ok(message.len()));
        done.writes += 1;
        done.bytes_written += message.len() as u64;
        seen.generation(&node, 1);
        if end.load(Ordering::Relaxed) {
            break;
        }
    }
    done
}

/// Lets readers and writers loose for `duration` on the module, loaded with `parameters`, with
/// `meanwhile` again and again, and checks that the statistics are what they did, all together.
pub fn hammer(parameters: &[&str], duration: Duration, meanwhile: impl Fn(&Module)) -> Module {
    let module = load(parameters);
    let first = Node::open();
    first.write(&FIRST.message()).unwrap();
    let end = AtomicBool::new(false);
    let mut all = Done {
        opens: 1,
        bytes_read: 0,
        writes: 1,
        bytes_written: FIRST.message().len() as u64,
    };
    thread::scope(|scope| {
        let end = &end;
        let readers = (0..READERS).map(|number| scope.spawn(move || read_until(end, number)));
        let mut threads: Vec<_> = readers.collect();
        threads.extend((0..WRITERS).map(|number| scope.spawn(move || write_until(end, number))));
        let start = Instant::now();
        // To the end of its time, or of a thread that failed.
        while start.elapsed() < duration && !threads.iter().any(|thread| thread.is_finished()) {
            meanwhile(&module);
            thread::sleep(Duration::from_millis(10));
        }
        end.store(true, Ordering::Relaxed);
        for thread in threads {
            let done = thread.join().unwrap();
            all.opens += done.opens;
            all.bytes_read += done.bytes_read;
            all.writes += done.writes;
            all.bytes_written += done.bytes_written;
        }
    });
    drop(first);

    // As one who comes now.
    let node = Node::open();
    until("the old messages freed", || node.stats().messages == 1);
    let expected = misc_stats {
        generation: all.writes,
        length: node.read_all().len() as u64,
        bytes_read: all.bytes_read + node.position(),
        bytes_written: all.bytes_written,
        opens: all.opens + 1,
        errors: 0,
        messages: 1,
        references: if MEMBER.opener_keeps_message { 2 } else { 0 },
    };
    assert_eq!(node.stats(), expected);
    println!(
        "{} writes, {} bytes read, {} opens",
        all.writes, all.bytes_read, all.opens
    );
    module
}

#[test]
fn four_readers_and_four_writers_tear_and_lose_nothing() {
    hammer(&[], Duration::from_secs(2), |_| {});
}

#[test]
fn threads_that_share_a_descriptor_get_whole_messages() {
    let _module = load_with("first");
    set(&FIRST.message());
    let node = Node::open();
    let before = node.stats();
    let bytes_read = AtomicU64::new(0);
    let end = AtomicBool::new(false);
    let until_the_end = |mut call: Box<dyn FnMut() -> Vec<u8> + '_>| {
        while !end.load(Ordering::Relaxed) {
            bytes_read.fetch_add(call().len() as u64, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = Seen::default();
                until_the_end(Box::new(|| {
                    let message = node.read_from(0, 2 * MAX).unwrap();
                    seen.message(&message);
                    message
                }));
            });
        }
        // One more takes turns with them in other ways, and comes in between.
        scope.spawn(|| {
            until_the_end(Box::new(|| {
                node.rewind();
                let piece = node.read(3).unwrap();
                [piece, node.read(5).unwrap()].concat()
            }));
        });
        let start = Instant::now();
        let mut written = 0;
        for sequence in 0.. {
            let message = Header {
                writer: 0,
                sequence,
            }
            .message();
            assert_eq!(node.write(&message), Ok(message.len()));
            written += message.len() as u64;
            if start.elapsed() > Duration::from_millis(300) {
                let stats = node.stats();
                assert_eq!(
                    stats.generation,
                    before.generation + u64::from(sequence) + 1
                );
                assert_eq!(stats.bytes_written, before.bytes_written + written);
                break;
            }
        }
        end.store(true, Ordering::Relaxed);
    });
    let stats = node.stats();
    assert_eq!(
        stats.bytes_read,
        before.bytes_read + bytes_read.into_inner()
    );
    assert_eq!(stats.errors, 0);
    assert_eq!(Header::of(&current()).map(|header| header.writer), Ok(0));
}

#[test]
fn two_threads_that_share_a_position_get_pieces_of_the_message() {
    let message: Vec<u8> = (b'0'..=b'z').collect();
    let _module = load_with("first");
    set(&message);
    let node = Node::open_to_read();
    let taken = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..300 {
                    // The kernel lets two reads of a character device begin at one position.
                    let piece = node.read(15).unwrap();
                    let whole = message.chunks(15).any(|chunk| chunk == piece);
                    assert!(whole || piece.is_empty(), "{piece:?}");
                    taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    if round % 8 == 0 {
                        node.rewind();
                    }
                }
            });
        }
    });
    assert_eq!(node.stats().bytes_read, taken.into_inner());
}
