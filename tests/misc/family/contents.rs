//! What reads give and writes take, at all lengths.

use std::io::Write;
use std::os::unix::io::AsRawFd;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use tests::{read_at, write_at, Gibibyte, UNMAPPED};

use super::node::{current, load, load_with, path, set, Node, MAX};

#[test]
fn the_first_message_is_the_parameter() {
    let module = load(&[]);
    let default = module.parameter("initmsg");
    assert!(!default.is_empty());
    assert_eq!(current(), default.as_bytes());
    drop(module);

    let long = "m".repeat(MAX);
    for message in ["x", "two words", "Zo\u{eb} \u{1f980}", long.as_str()] {
        let _module = load_with(message);
        assert_eq!(current(), message.as_bytes());
        assert_eq!(
            Node::open().stats().length,
            message.len() as u64,
            "{message}"
        );
    }
}

#[test]
fn an_empty_first_message_reads_as_nothing() {
    let _module = load_with("");
    let node = Node::open();
    assert_eq!(node.stats().length, 0);
    assert_eq!(node.read(10), Ok(vec![]));
    set(b"no longer");
    assert_eq!(current(), b"no longer");
}

#[test]
fn a_reader_gets_the_message_and_then_its_end() {
    let _module = load_with("once");
    let node = Node::open_to_read();
    assert_eq!(node.read(100).as_deref(), Ok(&b"once"[..]));
    for _ in 0..3 {
        assert_eq!(node.read(100).as_deref(), Ok(&b""[..]));
    }
}

#[test]
fn cat_shows_what_echo_wrote() {
    let _module = load_with("old");
    let node = path();
    let shell = Command::new("sh")
        .arg("-c")
        .arg(format!("echo new >{0} && cat {0}", node.display()))
        .output()
        .expect("cannot run sh");
    assert_eq!(shell.stdout, b"new\n");
    assert!(shell.status.success());
}

#[test]
fn a_write_replaces_the_whole_message() {
    let _module = load_with("a rather long first message");
    for message in [
        &b"short"[..],
        b"with a newline\n",
        b"\n",
        b"a\0b\0",
        b"\xff\xfe not UTF-8",
    ] {
        set(message);
        assert_eq!(current(), message);
        assert_eq!(Node::open().stats().length, message.len() as u64);
    }
}

#[test]
fn messages_of_1_to_128_bytes_are_taken() {
    let _module = load_with("first");
    for length in [1, 2, 64, MAX - 1, MAX] {
        let message: Vec<u8> = (0..length).map(|byte| byte as u8 ^ 0x80).collect();
        let observer = Node::open();
        observer.counts(
            |stats| {
                stats.generation += 1;
                stats.length = length as u64;
                stats.bytes_written += length as u64;
                // By `set`.
                stats.opens += 1;
            },
            || set(&message),
        );
        assert_eq!(current(), message, "{length} bytes");
    }
}

#[test]
fn a_longer_message_is_emsgsize_and_changes_nothing() {
    let _module = load_with("stays");
    let node = Node::open();
    let mut memory = Gibibyte::new();
    let bytes = memory.bytes();
    for length in [MAX + 1, MAX + 2, 4096, bytes.len()] {
        // Neither is looked at: the length alone tells.
        for address in [bytes.as_ptr() as usize, UNMAPPED] {
            let written = node.counts(
                |stats| stats.errors += 1,
                || write_at(&node, address, length),
            );
            assert_eq!(written, Err(Errno::EMSGSIZE), "{length} bytes");
        }
    }
    assert_eq!(current(), b"stays");
}

#[test]
fn a_write_of_nothing_is_nothing() {
    let _module = load_with("stays");
    let node = Node::open();
    for address in [0, UNMAPPED, b"x".as_ptr() as usize] {
        let written = node.counts(|_| {}, || write_at(&node, address, 0));
        assert_eq!(written, Ok(0));
    }
    assert_eq!(current(), b"stays");
}

#[test]
fn a_read_of_nothing_is_nothing() {
    let _module = load_with("stays");
    let node = Node::open();
    for address in [0, UNMAPPED] {
        let read = node.counts(|_| {}, || read_at(&node, address, 0));
        assert_eq!(read, Ok(0));
    }
    assert_eq!(node.read_all(), b"stays");
}

#[test]
fn a_read_takes_what_it_asks_for_and_touches_no_more() {
    let _module = load_with("first");
    let mut memory = Gibibyte::new();
    let buffer = memory.bytes();
    for message in [1, 5, MAX - 1, MAX] {
        let message: Vec<u8> = (1..=message as u8).collect();
        set(&message);
        for length in [1, MAX - 1, MAX, MAX + 1, buffer.len()] {
            let node = Node::open_to_read();
            buffer[..2 * MAX].fill(0xaa);
            let taken = length.min(message.len());
            let read = node.counts(
                |stats| stats.bytes_read += taken as u64,
                || nix::unistd::read(node.as_raw_fd(), &mut buffer[..length]),
            );
            assert_eq!(read, Ok(taken), "{length} bytes");
            assert_eq!(buffer[..taken], message[..taken]);
            assert_eq!(buffer[taken..2 * MAX], [0xaa; 2 * MAX][taken..]);
        }
    }
}

#[test]
fn a_message_is_the_same_in_pieces_of_any_length() {
    let _module = load_with("first");
    let message: Vec<u8> = (0..MAX as u8).collect();
    set(&message);
    for length in 1..=MAX + 1 {
        assert_eq!(Node::open_to_read().read_in_pieces_of(length), message);
    }
}

#[test]
fn what_a_pipe_brings_is_a_message_for_each_write() {
    let _module = load_with("first");
    let observer = Node::open();
    let before = observer.stats();
    let mut dd = Command::new("dd")
        .args(["bs=16", "conv=notrunc"])
        .arg(format!("of={}", path().display()))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("cannot run dd");
    let mut pipe = dd.stdin.take().unwrap();
    pipe.write_all(b"sixteen bytes...and more").unwrap();
    drop(pipe);
    assert!(dd.wait().unwrap().success());
    assert_eq!(current(), b"and more");
    assert_eq!(observer.stats().generation, before.generation + 2);
}

#[test]
fn opening_with_o_trunc_leaves_the_message() {
    let _module = load_with("stays");
    drop(Node::open_with(
        std::fs::OpenOptions::new().write(true).truncate(true),
    ));
    assert_eq!(current(), b"stays");
}
