//! misc_refcount: messages that live for as long as somebody refers to them.

mod family;

use std::fs;

use family::node::{current, load, load_with, set, Node};
use family::{HoldsUp, Member};
use tests::rounds;

const MEMBER: Member = Member {
    name: "misc_refcount",
    opener_keeps_message: true,
    slow_reader_holds_up: HoldsUp {
        readers: false,
        writers: false,
    },
    slow_writer_holds_up: HoldsUp {
        readers: false,
        writers: false,
    },
};

/// Messages in memory and references to them, as one who opens the node now sees them.
#[track_caller]
fn messages_and_references() -> (u64, u64) {
    let stats = Node::open_to_read().stats();
    // Less its own: it refers to the current one.
    (stats.messages, stats.references - 1)
}

#[test]
fn an_opener_reads_its_message_as_long_as_it_is_open() {
    let _module = load_with("first");
    let node = Node::open();
    for message in [&b"second"[..], b"third", b"fourth"] {
        set(message);
        assert_eq!(current(), message);
        node.rewind();
        assert_eq!(node.read_all(), b"first");
        assert_eq!(node.read_from(1, 3).as_deref(), Ok(&b"irs"[..]));
    }
    assert_eq!(node.write(b"its own"), Ok(7));
    node.rewind();
    assert_eq!(node.read_all(), b"first");
    assert_eq!(node.stats().length, 7);
}

#[test]
fn a_message_lives_until_the_last_file_that_was_opened_with_it_is_closed() {
    let _module = load_with("first");
    assert_eq!(messages_and_references(), (1, 1));
    let (one, other) = (Node::open(), Node::open_to_read());
    assert_eq!(messages_and_references(), (1, 3));
    set(b"second");
    assert_eq!(messages_and_references(), (2, 3));
    // Nobody was opened with this one.
    set(b"third");
    assert_eq!(messages_and_references(), (2, 3));
    drop(one);
    assert_eq!(messages_and_references(), (2, 2));
    assert_eq!(other.read_all(), b"first");
    let duplicate = other.duplicate();
    drop(other);
    assert_eq!(messages_and_references(), (2, 2));
    drop(duplicate);
    assert_eq!(messages_and_references(), (1, 1));
    assert_eq!(current(), b"third");
}

#[test]
fn each_of_many_openers_has_its_own_and_they_close_in_any_order() {
    const COUNT: u64 = 100;
    let _module = load_with("first");
    let mut openers = Vec::new();
    for number in 0..COUNT {
        let message = format!("message {number}").into_bytes();
        set(&message);
        openers.push((Node::open_to_read(), message));
    }
    assert_eq!(messages_and_references(), (COUNT, COUNT + 1));
    // The current one is the last opener's; replaced, it is one more.
    set(b"current");
    for left in (0..COUNT).rev() {
        let (node, message) = openers.swap_remove((left * 7 % (left + 1)) as usize);
        assert_eq!(node.read_all(), message);
        drop(node);
        assert_eq!(messages_and_references(), (left + 1, left + 1));
    }
    assert_eq!(current(), b"current");
}

#[test]
fn unloading_after_an_old_message_was_held_is_clean() {
    let mut module = load_with("first");
    for _ in rounds(50) {
        let node = Node::open();
        set(b"second");
        assert_eq!(node.read_all(), b"first");
        drop(node);
        module.reload(&["initmsg=first"]);
        assert_eq!(messages_and_references(), (1, 1));
    }
}

/// The kernel's REFCOUNT_SATURATED, as an unsigned number.
const SATURATED: u64 = 0xc000_0000;

#[test]
fn a_count_that_runs_over_is_saturated_and_does_no_harm() {
    // The kernel warns once of each kind, until it is told to do so again.
    fs::write("/sys/kernel/debug/clear_warn_once", "1").expect("clear_warn_once");
    let mut module = load(&["initmsg=first"]);
    assert_eq!(module.parameter("buggy"), "N");
    let before = Node::open();
    module.set_parameter("buggy", "1").unwrap();
    let node = Node::open();
    let said = module.expect_complaint("refcount_t: saturated; leaking memory");
    assert!(said.contains("[misc_refcount]"), "{said}");
    module.set_parameter("buggy", "0").unwrap();
    assert_eq!(node.stats().references, SATURATED);

    // All goes on, but for the count.
    set(b"second");
    assert_eq!(current(), b"second");
    assert_eq!(node.read_all(), b"first");
    assert_eq!(before.read_all(), b"first");
    assert_eq!(before.stats().messages, 2);
    drop((node, before));
    // The kernel warns of this, too: nobody can know that it was not the last reference.
    module.expect_complaint("refcount_t: decrement hit 0; leaking memory");
    let stats = Node::open().stats();
    assert_eq!((stats.messages, stats.references), (1, SATURATED));

    module.reload(&["initmsg=third"]);
    assert_eq!(messages_and_references(), (1, 1));
    assert_eq!(current(), b"third");
}
