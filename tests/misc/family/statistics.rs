//! The statistics: what each call counts, and that they add up. Calls that fail are counted in the
//! tests of what makes them fail.

use abi::misc::misc_stats;
use nix::errno::Errno;

use super::node::{load_with, Node};
use crate::MEMBER;

#[test]
fn at_the_beginning_there_is_a_message_and_an_opener() {
    let _module = load_with("first");
    let expected = misc_stats {
        length: 5,
        opens: 1,
        messages: 1,
        references: if MEMBER.opener_keeps_message { 2 } else { 0 },
        ..Default::default()
    };
    assert_eq!(Node::open().stats(), expected);
}

#[test]
fn looking_at_them_counts_nothing() {
    let _module = load_with("first");
    let node = Node::open();
    let before = node.stats();
    for _ in 0..10 {
        assert_eq!(node.stats(), before);
    }
}

#[test]
fn each_open_file_is_counted_once() {
    let _module = load_with("first");
    let node = Node::open();
    node.counts(
        |stats| stats.opens += 3,
        || drop([Node::open(), Node::open_to_read(), Node::open_to_write()]),
    );
    node.counts(|_| {}, || drop(node.duplicate()));
}

#[test]
fn bytes_that_are_read_are_counted() {
    let _module = load_with("0123456789");
    let node = Node::open_to_read();
    for (length, taken) in [(4, 4), (0, 0), (3, 3), (100, 3), (100, 0)] {
        let read = node.counts(|stats| stats.bytes_read += taken, || node.read(length));
        assert_eq!(read.map(|bytes| bytes.len() as u64), Ok(taken));
    }
}

#[test]
fn a_message_that_is_written_is_counted_with_its_length() {
    let _module = load_with("first");
    let node = Node::open();
    for message in [&b"second"[..], b"a", b"a", b"third\n"] {
        let length = message.len();
        let written = node.counts(
            |stats| {
                stats.generation += 1;
                stats.length = length as u64;
                stats.bytes_written += length as u64;
            },
            || node.write(message),
        );
        assert_eq!(written, Ok(length));
    }
}

#[test]
fn resetting_sets_the_counters_to_0_and_leaves_what_is_a_state() {
    let _module = load_with("first");
    let node = Node::open();
    node.write(b"second").unwrap();
    node.read(3).unwrap();
    assert_eq!(node.write(&[0; 200]), Err(Errno::EMSGSIZE));
    let before = node.stats();
    assert_eq!(
        (
            before.generation,
            before.length,
            before.bytes_read,
            before.bytes_written
        ),
        (1, 6, 3, 6)
    );
    assert_eq!((before.opens, before.errors), (1, 1));

    assert_eq!(node.reset_stats(), Ok(()));
    let reset = misc_stats {
        bytes_read: 0,
        bytes_written: 0,
        opens: 0,
        errors: 0,
        ..before
    };
    assert_eq!(node.stats(), reset);

    // And from there on.
    node.counts(|stats| stats.bytes_read += 2, || node.read(2))
        .unwrap();
    node.counts(|stats| stats.opens += 1, || drop(Node::open()));
}

#[test]
fn they_are_of_the_device_and_not_of_the_open_file() {
    let _module = load_with("first");
    let (one, other) = (Node::open(), Node::open());
    one.counts(|stats| stats.bytes_read += 5, || other.read_all());
    drop(other);
    let stats = one.stats();
    drop(one);
    let again = Node::open().stats();
    assert_eq!(
        again,
        misc_stats {
            opens: stats.opens + 1,
            ..stats
        }
    );
}

#[test]
fn loading_the_module_again_starts_them_anew() {
    let mut module = load_with("first");
    let node = Node::open();
    node.write(b"second").unwrap();
    node.read_all();
    drop(node);
    module.reload(&["initmsg=third"]);
    let stats = Node::open().stats();
    assert_eq!((stats.generation, stats.opens, stats.length), (0, 1, 5));
    assert_eq!(
        (stats.bytes_read, stats.bytes_written, stats.errors),
        (0, 0, 0)
    );
}
