//! percpu_counter, whose threads count events of no bytes.

use std::mem::size_of;

use abi::percpu_counter::{
    percpu_counter_cpu, percpu_counter_total, PERCPU_COUNTER_GET_CPU, PERCPU_COUNTER_GET_TOTAL,
    PERCPU_COUNTER_RESET,
};
use nix::errno::Errno;
use tests::{possible_cpus, Module};

use super::{any_of, Ioctl, Node};
use crate::tally::Tally;

#[allow(dead_code)]
#[path = "../../percpu_counter/node.rs"]
mod node;

pub const PERCPU_COUNTER: Node = Node {
    name: "percpu_counter",
    seekable: true,
    polls: false,
    read: &[],
    write: &[],
    ioctls: &[
        Ioctl {
            request: PERCPU_COUNTER_GET_CPU,
            size: size_of::<percpu_counter_cpu>(),
            errnos: &[Errno::ENXIO],
        },
        Ioctl {
            request: PERCPU_COUNTER_GET_TOTAL,
            size: size_of::<percpu_counter_total>(),
            errnos: &[],
        },
        Ioctl {
            request: PERCPU_COUNTER_RESET,
            size: 0,
            errnos: &[Errno::EBADF],
        },
    ],
    every_ioctl: &[],
    load: |rng| {
        vec![
            any_of(rng, "threads", &["0", "1"]),
            any_of(rng, "step_ms", &["1", "20", "10000"]),
        ]
    },
    settings: &[
        ("step_ms", "1", true),
        ("step_ms", "50", true),
        ("step_ms", "10000", true),
        ("step_ms", "0", false),
        ("step_ms", "10001", false),
        ("step_ms", "often", false),
    ],
    check_file: |_| {},
    check_module,
};

fn check_module(_: &'static Node, module: &Module, tally: &Tally) {
    let node = node::Node::open();
    // Adds its lines up, too.
    let bytes = node.table().total.bytes;
    assert_eq!(node.total().bytes, bytes);
    let sum: u64 = possible_cpus()
        .into_iter()
        .map(|cpu| node.cpu(cpu).bytes)
        .sum();
    assert_eq!(sum, bytes);
    if tally.is_exact() && !tally.was_reset() {
        assert_eq!(bytes, tally.bytes_written(), "{tally:?}");
        if module.parameter("threads") == "N" {
            assert_eq!(node.total().events, tally.writes(), "{tally:?}");
        }
    }
}
