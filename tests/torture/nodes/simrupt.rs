//! simrupt: bytes that come whether or not anybody reads them.

use std::mem::size_of;

use abi::simrupt::{simrupt_stats, SIMRUPT_GET_STATS};
use nix::errno::Errno;
use tests::Module;

use super::{any_of, Ioctl, Node};
use crate::tally::Tally;

#[allow(dead_code)]
#[path = "../../simrupt/node.rs"]
mod node;

/// `log` stays off, as the kernel's log would run over; and no period is shorter than a guest with
/// a debug kernel can do.
pub const SIMRUPT: Node = Node {
    name: "simrupt",
    seekable: false,
    polls: true,
    read: &[Errno::EAGAIN, Errno::EINTR],
    write: &[Errno::EINVAL],
    ioctls: &[Ioctl {
        request: SIMRUPT_GET_STATS,
        size: size_of::<simrupt_stats>(),
        errnos: &[],
    }],
    every_ioctl: &[],
    load: |rng| {
        vec![
            "log=0".to_owned(),
            any_of(rng, "delay_ms", &["1", "10", "10000"]),
            any_of(rng, "period_us", &["0", "0", "1000", "10000"]),
        ]
    },
    settings: &[
        ("delay_ms", "1", true),
        ("delay_ms", "10", true),
        ("delay_ms", "10000", true),
        ("delay_ms", "0", false),
        ("delay_ms", "10001", false),
        ("delay_ms", "-1", false),
        ("log", "0", true),
        ("log", "loud", false),
    ],
    check_file: |_| {},
    check_module,
};

fn check_module(_: &'static Node, _: &Module, tally: &Tally) {
    let node = node::Node::open_nonblocking();
    let stats = node.settled_stats();
    if tally.is_exact() {
        assert_eq!(stats.delivered, tally.bytes_read(), "{stats:?}, {tally:?}");
    }
    assert!(stats.queued <= stats.produced, "{stats:?}");
}
