//! Loading, unloading, opening, closing and sharing.

use std::process::{Command, Stdio};
use std::thread;

use nix::errno::Errno;
use tests::{rounds, until, ExpeditedGracePeriods};

use super::node::{current, load, load_with, path, set, Node};

/// delete_module(2) says that a module is in use by EWOULDBLOCK, which rmmod(8) and the rest of
/// the world call busy.
#[test]
fn rmmod_with_an_open_descriptor_is_refused_as_busy() {
    let mut module = load_with("first");
    let node = Node::open();
    assert_eq!(module.references(), 1);
    assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
    assert_eq!(node.write(b"second"), Ok(6));
    assert_eq!(current(), b"second");
    drop(node);
    assert_eq!(module.references(), 0);
    assert_eq!(module.remove(), Ok(()));
    assert!(!path().exists());
}

#[test]
fn loads_and_unloads_many_times() {
    let mut module = load(&[]);
    let _quick = ExpeditedGracePeriods::new();
    let rounds = rounds(200);
    let last = rounds.end - 1;
    for round in rounds {
        match round % 4 {
            0 => set(b"written"),
            1 => drop(current()),
            2 => drop(Node::open()),
            _ => {}
        }
        module.remove().expect("it does not unload");
        assert!(!path().exists());
        let message = format!("initmsg={round}");
        module.insert(&[&message]).expect("it does not load again");
        assert!(path().exists());
    }
    assert_eq!(current(), last.to_string().as_bytes());
}

#[test]
fn a_duplicate_shares_the_position_and_keeps_the_file_open() {
    let mut module = load_with("0123456789");
    let node = Node::open();
    let duplicate = node.duplicate();
    assert_eq!(node.stats().opens, 1);
    assert_eq!(module.references(), 1);
    assert_eq!(node.read(4).as_deref(), Ok(&b"0123"[..]));
    drop(node);
    assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
    assert_eq!(duplicate.read_all(), b"456789");
    drop(duplicate);
    assert_eq!(module.remove(), Ok(()));
}

#[test]
fn a_child_goes_on_where_its_parent_was_and_its_end_closes_the_file() {
    let module = load_with("0123456789");
    let node = Node::open();
    node.read(4).unwrap();
    set(b"meanwhile");
    let cat = Command::new("cat")
        .stdin(node.0)
        .output()
        .expect("cannot run cat");
    assert_eq!(cat.stdout, b"456789");
    until("the last close", || module.references() == 0);
}

#[test]
fn a_child_writes_with_what_it_inherited() {
    let module = load_with("first");
    let node = Node::open();
    let kept = node.duplicate();
    let echo = Command::new("echo")
        .arg("from a child")
        .stdin(Stdio::null())
        .stdout(node.0)
        .status()
        .expect("cannot run echo");
    assert!(echo.success());
    assert_eq!(current(), b"from a child\n");
    assert_eq!(kept.stats().generation, 1);
    drop(kept);
    until("the last close", || module.references() == 0);
}

#[test]
fn threads_open_and_close_at_once() {
    let module = load_with("first");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..250 {
                    let node = Node::open();
                    if round % 5 == 0 {
                        assert_eq!(node.write(b"x"), Ok(1));
                    }
                }
            });
        }
    });
    assert_eq!(module.references(), 0);
    let stats = Node::open().stats();
    assert_eq!((stats.opens, stats.generation), (1001, 200));
    assert_eq!((stats.bytes_written, stats.errors), (200, 0));
}
