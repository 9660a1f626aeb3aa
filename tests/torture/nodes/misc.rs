//! The misc family.

use std::fs::OpenOptions;
use std::mem::size_of;

use abi::misc::{get_stats, misc_stats, MISC_GET_STATS, MISC_MESSAGE_MAX, MISC_RESET_STATS};
use nix::errno::Errno;
use tests::{until, Module};

use super::{any_of, Ioctl, Node};
use crate::tally::Tally;

const FAMILY: Node = Node {
    name: "",
    seekable: true,
    polls: false,
    read: &[],
    write: &[Errno::EMSGSIZE],
    ioctls: &[
        Ioctl {
            request: MISC_GET_STATS,
            size: size_of::<misc_stats>(),
            errnos: &[],
        },
        Ioctl {
            request: MISC_RESET_STATS,
            size: 0,
            errnos: &[Errno::EBADF],
        },
    ],
    every_ioctl: &[],
    load: |rng| {
        vec![
            any_of(rng, "initmsg", &["", "x", "hello"]),
            any_of(rng, "mode", &["0600", "0"]),
        ]
    },
    settings: &[],
    check_file: |_| {},
    check_module,
};

pub const MISC_MUTEX: Node = Node {
    name: "misc_mutex",
    ..FAMILY
};

pub const MISC_RWLOCK: Node = Node {
    name: "misc_rwlock",
    ..FAMILY
};

/// `buggy` stays off: what it does is known, and not this test's.
pub const MISC_SPINLOCK: Node = Node {
    name: "misc_spinlock",
    settings: &[
        ("buggy", "0", true),
        ("buggy", "n", true),
        ("buggy", "2", false),
    ],
    ..FAMILY
};

pub const MISC_REFCOUNT: Node = Node {
    name: "misc_refcount",
    ..MISC_SPINLOCK
};

pub const MISC_RCU: Node = Node {
    name: "misc_rcu",
    settings: &[
        ("deferred", "1", true),
        ("deferred", "0", true),
        ("deferred", "maybe", false),
    ],
    ..FAMILY
};

fn check_module(node: &'static Node, _: &Module, tally: &Tally) {
    let options = &mut OpenOptions::new();
    let file = tests::Node::open(node.path(), options.read(true).write(true));
    let stats = || get_stats(&file).expect("MISC_GET_STATS failed");
    // Those that were replaced under RCU go after a while.
    until("one message in memory", || stats().messages == 1);
    let stats = stats();
    assert!(stats.length <= MISC_MESSAGE_MAX.into(), "{stats:?}");
    let message = file.read(2 * MISC_MESSAGE_MAX as usize).unwrap();
    assert_eq!(stats.length, message.len() as u64, "{stats:?}");
    let references = match node.name {
        "misc_refcount" => 2,
        _ => 0,
    };
    assert_eq!(stats.references, references, "{stats:?}");
    if tally.is_exact() {
        assert_eq!(stats.generation, tally.writes(), "{stats:?}, {tally:?}");
    }
    if tally.is_exact() && !tally.was_reset() {
        assert_eq!(stats.bytes_read, tally.bytes_read(), "{stats:?}, {tally:?}");
        assert_eq!(
            stats.bytes_written,
            tally.bytes_written(),
            "{stats:?}, {tally:?}"
        );
    }
}
