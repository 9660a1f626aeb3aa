//! What each call on the node answers, to good and to bad arguments.

use std::os::unix::io::AsRawFd;

use abi::percpu_counter::{
    get_cpu, get_total, PERCPU_COUNTER_GET_CPU, PERCPU_COUNTER_GET_TOTAL, PERCPU_COUNTER_RESET,
};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};
use tests::{assert_no_ioctls_but, online_cpus, possible_cpus};

use crate::node::{counts, load_without_threads, Node};

#[test]
fn get_cpu_knows_the_possible_cpus_and_no_others() {
    let _module = load_without_threads();
    let node = Node::open();
    node.write(b"123").unwrap();
    let table = node.table();
    for cpu in possible_cpus() {
        assert_eq!(node.cpu(cpu), table.cpu(cpu));
        assert_eq!(node.is_online(cpu), online_cpus().contains(&cpu));
    }
    let highest = *possible_cpus().last().unwrap() as u32;
    for none in [highest + 1, 1 << 20, 1 << 31, u32::MAX] {
        assert_eq!(get_cpu(&node.0, none), Err(Errno::ENXIO), "CPU {none}");
    }
}

#[test]
fn get_total_says_how_many_cpus_there_can_be() {
    let _module = load_without_threads();
    let highest = *possible_cpus().last().unwrap() as u64;
    let total = get_total(&Node::open_to_read().0).unwrap();
    assert_eq!((total.cpus, total.events, total.bytes), (highest + 1, 0, 0));
}

#[test]
fn a_reset_needs_a_file_that_is_open_for_writing() {
    let _module = load_without_threads();
    let (reader, writer) = (Node::open_to_read(), Node::open_to_write());
    writer.write(b"123").unwrap();
    assert_eq!(reader.reset(), Err(Errno::EBADF));
    assert_eq!(reader.total(), counts(1, 3));
    assert_eq!(writer.reset(), Ok(()));
    assert_eq!(reader.total(), counts(0, 0));
}

#[test]
fn a_file_does_what_it_was_opened_for() {
    let _module = load_without_threads();
    let (reader, writer) = (Node::open_to_read(), Node::open_to_write());
    assert_eq!(reader.write(b"123"), Err(Errno::EBADF));
    assert_eq!(writer.read(10), Err(Errno::EBADF));
    assert_eq!(reader.total(), counts(0, 0));
}

#[test]
fn unknown_ioctls_are_enotty() {
    let _module = load_without_threads();
    let known = [
        PERCPU_COUNTER_GET_CPU,
        PERCPU_COUNTER_GET_TOTAL,
        PERCPU_COUNTER_RESET,
    ];
    assert!(assert_no_ioctls_but(&known, &Node::open()) > 10);
}

#[test]
fn it_can_always_be_read_and_written() {
    let _module = load_without_threads();
    let node = Node::open();
    let all =
        PollFlags::POLLIN | PollFlags::POLLRDNORM | PollFlags::POLLOUT | PollFlags::POLLWRNORM;
    for _ in 0..2 {
        let mut fds = [PollFd::new(node.as_raw_fd(), all)];
        assert_eq!(poll(&mut fds, 0), Ok(1));
        assert_eq!(fds[0].revents(), Some(all));
        node.read_in_pieces_of(100);
    }
}

#[test]
fn a_read_of_nothing_is_nothing() {
    let _module = load_without_threads();
    let node = Node::open();
    assert_eq!(node.read(0), Ok(Vec::new()));
    assert_eq!(node.position(), 0);
    assert_eq!(node.table().total, counts(0, 0));
}
