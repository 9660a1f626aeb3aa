//! Loading, unloading, opening and closing, in every order.

use std::path::Path;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use tests::{rounds, until};

use crate::node::{counts, load, load_without_threads, Node, Table, PATH};

/// delete_module(2) says that a module is in use by EWOULDBLOCK, which rmmod(8) and the rest of
/// the world call busy.
#[test]
fn rmmod_with_an_open_descriptor_is_refused_as_busy() {
    let mut module = load_without_threads();
    let node = Node::open();
    assert_eq!(module.references(), 1);
    assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
    assert_eq!(node.write(b"123"), Ok(3));
    assert_eq!(node.total(), counts(1, 3));
    drop(node);
    assert_eq!(module.references(), 0);
    assert_eq!(module.remove(), Ok(()));
    assert!(!Path::new(PATH).exists());
}

#[test]
fn loads_and_unloads_many_times() {
    let mut module = load(&["step_ms=1"]);
    for round in rounds(200) {
        match round % 4 {
            0 => assert_eq!(Node::open().write(b"123"), Ok(3)),
            1 => assert_eq!(Node::open().reset(), Ok(())),
            2 => assert_eq!(Node::open().table().total.bytes, 0),
            _ => {}
        }
        let threads = if round % 2 == 0 {
            "threads=1"
        } else {
            "threads=0"
        };
        module.reload(&["step_ms=1", threads]);
        assert!(Path::new(PATH).exists());
    }
}

#[test]
fn a_module_that_is_loaded_again_begins_at_0() {
    let mut module = load_without_threads();
    Node::open().write(b"123").unwrap();
    module.reload(&["threads=0"]);
    assert_eq!(Node::open().total(), counts(0, 0));
}

#[test]
fn threads_open_read_write_and_close_all_at_once() {
    let module = load_without_threads();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let node = Node::open();
                    assert_eq!(node.write(b"1234"), Ok(4));
                    assert!(node.table().total.events > 0);
                }
            });
        }
    });
    assert_eq!(module.references(), 0);
    assert_eq!(Node::open().total(), counts(800, 3_200));
}

#[test]
fn a_child_goes_on_where_its_parent_was_and_its_end_closes_the_file() {
    let module = load_without_threads();
    let node = Node::open();
    let mut bytes = node.read(10).unwrap();
    node.write(b"123").unwrap();
    let cat = Command::new("cat")
        .stdin(node.0)
        .output()
        .expect("cannot run cat");
    bytes.extend(cat.stdout);
    assert_eq!(Table::parse(&bytes).total, counts(0, 0));
    until("the last close", || module.references() == 0);
}
