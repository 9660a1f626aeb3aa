//! Loading, unloading, opening and closing, in every order.

use std::path::Path;
use std::process::Command;
use std::thread;

use nix::errno::Errno;
use tests::{rounds, until};

use crate::node::{assert_same, bytes_of, load, random, sorted_by_std, Node, ALGORITHMS, PATH};

/// delete_module(2) says that a module is in use by EWOULDBLOCK, which rmmod(8) and the rest of
/// the world call busy.
#[test]
fn rmmod_with_an_open_descriptor_is_refused_as_busy() {
    let mut module = load(&[]);
    let node = Node::with(&[2, 1]);
    assert_eq!(module.references(), 1);
    assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
    assert_same(&node.read_all(), &[1, 2], "the set");
    assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
    drop(node);
    assert_eq!(module.references(), 0);
    assert_eq!(module.remove(), Ok(()));
    assert!(!Path::new(PATH).exists());
}

#[test]
fn loads_and_unloads_many_times() {
    let mut module = load(&[]);
    let numbers = random(1_000, 1);
    let expected = sorted_by_std(&numbers);
    for round in rounds(200) {
        if round % 2 == 0 {
            let node = Node::with(&numbers);
            let algorithm = ALGORITHMS[round as usize / 2 % ALGORITHMS.len()];
            assert_eq!(node.set_algorithm(algorithm), Ok(()));
            assert_same(&node.read_all(), &expected, &format!("round {round}"));
        }
        module.reload(&[]);
        assert!(Path::new(PATH).exists());
    }
}

#[test]
fn threads_open_sort_and_close_all_at_once() {
    let module = load(&[]);
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..50 {
                    let node = Node::with(&[thread, -round, thread + round]);
                    let expected = [-round, thread, thread + round];
                    assert_same(&node.read_all(), &expected, "three numbers");
                }
            });
        }
    });
    assert_eq!(module.references(), 0);
}

#[test]
fn a_set_that_nobody_has_read_goes_with_its_session() {
    let module = load(&[]);
    for _ in 0..10 {
        let node = Node::with(&random(100_000, 2));
        node.write_all(&[0]);
    }
    assert_eq!(module.references(), 0);
}

#[test]
fn a_program_sorts_what_it_has_been_given() {
    let module = load(&[]);
    let node = Node::with(&[3, 1]);
    let duplicate = node.duplicate();
    duplicate.write_all(bytes_of(&[2]));
    drop(duplicate);
    let cat = Command::new("cat")
        .stdin(node.0)
        .output()
        .expect("cannot run cat");
    assert_same(&cat.stdout, &[1, 2, 3], "cat");
    until("the last close", || module.references() == 0);
}
