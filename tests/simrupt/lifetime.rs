//! Loading, unloading, opening and closing, in every order.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use tests::{rounds, until};

use crate::node::{add_up, assert_contiguous, load, Node, PATH};

/// delete_module(2) says that a module is in use by EWOULDBLOCK, which rmmod(8) and the rest of
/// the world call busy.
#[test]
fn rmmod_with_an_open_descriptor_is_refused_as_busy() {
    let mut module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    assert_eq!(module.references(), 1);
    assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
    assert_contiguous(&node.read_exactly(5));
    drop(node);
    assert_eq!(module.references(), 0);
    assert_eq!(module.remove(), Ok(()));
}

#[test]
fn loads_and_unloads_many_times() {
    let mut module = load(&["log=0", "period_us=200"]);
    for round in rounds(200) {
        if round % 2 == 0 {
            Node::open().read_exactly(1);
        }
        module.remove().expect("simrupt does not unload");
        assert!(!Path::new(PATH).exists());
        module
            .insert(&["log=0", "period_us=200"])
            .expect("simrupt does not load again");
        assert!(Path::new(PATH).exists());
    }
}

#[test]
fn unloads_right_after_a_close_while_the_pipeline_is_busy() {
    let parameters = ["log=0", "period_us=10"];
    let mut module = load(&parameters);
    for _ in rounds(50) {
        let node = Node::open();
        node.read_exactly(1);
        drop(node);
        module.reload(&parameters);
    }
}

#[test]
fn unloads_right_after_a_close_that_the_timer_did_not_expect() {
    let parameters = ["log=0", "delay_ms=1"];
    let mut module = load(&parameters);
    let all = rounds(50);
    let step = Duration::from_millis(10) / all.end;
    for round in all {
        let node = Node::open();
        // From before the first event to after the second, at a tick of 4 ms.
        thread::sleep(step * round);
        drop(node);
        module.reload(&parameters);
    }
}

#[test]
fn four_threads_open_and_close_while_the_source_runs() {
    let module = load(&["log=0", "period_us=100"]);
    thread::scope(|scope| {
        for reader in 0..4 {
            scope.spawn(move || {
                for round in 0..500 {
                    let node = Node::open_nonblocking();
                    if (round + reader) % 8 == 0 {
                        assert_contiguous(&node.read_exactly(1));
                    }
                }
            });
        }
    });
    assert_eq!(module.references(), 0);
    let node = Node::open_nonblocking();
    assert_contiguous(&node.read_exactly(20));
    drop(node);
    // Opening starts the source again, so there is a moment before its first event.
    until("statistics that add up", || {
        add_up(&Node::open_nonblocking().stats())
    });
}

#[test]
fn a_duplicate_keeps_the_stream_going() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    let duplicate = node.duplicate();
    assert_eq!(module.references(), 1);
    let mut bytes = node.read_exactly(5);
    drop(node);
    bytes.extend(duplicate.read_exactly(20));
    assert_contiguous(&bytes);
    drop(duplicate);
    assert_eq!(module.references(), 0);
}

#[test]
fn a_child_inherits_the_stream_and_its_end_closes_it() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    let mut bytes = node.read_exactly(5);
    let child = Command::new("dd")
        .args(["bs=1", "count=20"])
        .stdin(node.0)
        .stderr(Stdio::null())
        .output()
        .expect("cannot run dd");
    assert_eq!(child.stdout.len(), 20);
    bytes.extend(child.stdout);
    assert_contiguous(&bytes);
    until("the last close", || module.references() == 0);
}
