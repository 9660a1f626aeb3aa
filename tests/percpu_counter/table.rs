//! The table, read at once and in pieces, from any position.

use std::fs::OpenOptions;
use std::io::SeekFrom;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use nix::errno::Errno;
use tests::transfer::{
    aio, epoll_add, memory_file, part, part_mut, readv, sendfile, writev, Aio, Pipe,
};
use tests::{possible_cpus, UNMAPPED};

use crate::node::{counts, load_without_threads, Node, Table};

const WHOLE: usize = 1 << 16;

fn written(events: u64) -> Node {
    let node = Node::open();
    for _ in 0..events {
        assert_eq!(node.write(b"12345"), Ok(5));
    }
    node
}

#[test]
fn a_new_table_is_all_zeroes() {
    let _module = load_without_threads();
    let lines = possible_cpus().into_iter();
    let lines = lines.map(|cpu| format!("cpu {cpu}: events 0, bytes 0\n"));
    let expected = lines.collect::<String>() + "total: events 0, bytes 0\n";
    let text = Node::open_to_read().read(WHOLE).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[test]
fn cat_ends() {
    let _module = load_without_threads();
    written(3);
    let output = Command::new("cat").arg(crate::node::PATH).output().unwrap();
    assert!(output.status.success());
    assert_eq!(Table::parse(&output.stdout).total, counts(3, 15));
}

#[test]
fn a_table_that_is_read_in_pieces_is_one_table() {
    let _module = load_without_threads();
    for length in [1, 2, 7, 20, 64] {
        let node = written(1);
        let expected = node.table();
        let mut bytes = node.read(length).unwrap();
        loop {
            // Each digit may change at any time, and the number of digits.
            written(10);
            match node.read(length).unwrap() {
                more if more.is_empty() => break,
                more => bytes.extend(more),
            }
        }
        assert_eq!(Table::parse(&bytes), expected, "pieces of {length}");
        assert_eq!(node.read(length), Ok(Vec::new()), "the end is the end");
    }
}

#[test]
fn going_back_to_the_start_is_a_new_table() {
    let _module = load_without_threads();
    let node = written(1);
    assert_eq!(Table::parse(&node.read_in_pieces_of(10)).total.events, 1);
    written(1);
    assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
    assert_eq!(Table::parse(&node.read_in_pieces_of(10)).total.events, 2);

    // Also in the middle.
    assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
    node.read(5).unwrap();
    written(1);
    assert_eq!(node.seek(SeekFrom::Current(-5)), Ok(0));
    assert_eq!(Table::parse(&node.read_in_pieces_of(10)).total.events, 3);
}

#[test]
fn pread_goes_on_where_the_last_read_ended_and_begins_anew_elsewhere() {
    let _module = load_without_threads();
    let node = written(1);
    let old = node.table().to_string().into_bytes();
    assert_eq!(node.read_from(0, 10).unwrap(), old[..10]);
    written(1);
    assert_eq!(node.read_from(10, WHOLE).unwrap(), old[10..]);
    assert_eq!(node.position(), 0);

    let new = node.table().to_string().into_bytes();
    assert_ne!(new, old);
    node.read_from(0, 10).unwrap();
    written(1);
    let newer = Node::open().table().to_string().into_bytes();
    assert_eq!(node.read_from(9, WHOLE).unwrap(), newer[9..]);
}

#[test]
fn behind_the_end_there_is_nothing() {
    let _module = load_without_threads();
    let node = written(1);
    let length = node.table().to_string().len() as u64;
    for position in [length, length + 1, 1 << 40, 1 << 62] {
        assert_eq!(node.read_from(position, 10), Ok(Vec::new()), "{position}");
    }
    assert_eq!(node.seek(SeekFrom::Start(1 << 40)), Ok(1 << 40));
    assert_eq!(node.read(10), Ok(Vec::new()));
    assert_eq!(node.position(), 1 << 40);
}

#[test]
fn each_open_file_has_a_table_and_a_position_of_its_own() {
    let _module = load_without_threads();
    let (first, second) = (written(1), Node::open());
    let mut old = first.read(10).unwrap();
    written(1);
    assert_eq!(Table::parse(&second.read_in_pieces_of(10)).total.events, 2);
    old.extend(first.read_in_pieces_of(10));
    assert_eq!(Table::parse(&old).total.events, 1);
}

#[test]
fn duplicates_share_the_table_and_the_position() {
    let _module = load_without_threads();
    let node = written(1);
    let duplicate = node.duplicate();
    let mut bytes = node.read(10).unwrap();
    written(1);
    bytes.extend(duplicate.read_in_pieces_of(7));
    assert_eq!(Table::parse(&bytes).total.events, 1);
    assert_eq!(node.position(), bytes.len() as u64);
}

#[test]
fn lseek_knows_start_and_here_but_no_end() {
    let _module = load_without_threads();
    let node = written(1);
    assert_eq!(node.seek(SeekFrom::Start(7)), Ok(7));
    assert_eq!(node.seek(SeekFrom::Current(-3)), Ok(4));
    assert_eq!(node.seek(SeekFrom::Current(-5)), Err(Errno::EINVAL));
    assert_eq!(node.seek(SeekFrom::End(0)), Err(Errno::EINVAL));
    assert_eq!(node.position(), 4);
}

#[test]
fn writes_leave_the_position_alone() {
    let _module = load_without_threads();
    let node = Node::open_with(
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_APPEND),
    );
    let mut bytes = node.read(10).unwrap();
    assert_eq!(node.write(b"12345"), Ok(5));
    assert_eq!(node.write_to(1 << 40, b"12345"), Ok(5));
    assert_eq!(node.position(), 10);
    bytes.extend(node.read_in_pieces_of(WHOLE));
    assert_eq!(Table::parse(&bytes).total, counts(0, 0));
    assert_eq!(node.total(), counts(2, 10));
}

#[test]
fn a_vector_is_one_event() {
    let _module = load_without_threads();
    let node = Node::open();
    let parts = [&b"12"[..], b"", b"345", b"6"].map(part);
    assert_eq!(writev(&node, &parts, None), Ok(6));
    assert_eq!(node.total(), counts(1, 6));
    // What cannot be read whole is no event.
    let parts = [parts[0], (UNMAPPED, 1), parts[2]];
    assert_eq!(writev(&node, &parts, None), Err(Errno::EFAULT));
    assert_eq!(node.total(), counts(1, 6));

    let (mut first, mut rest) = ([0; 10], [0; 4096]);
    let parts = [part_mut(&mut first), part_mut(&mut rest)];
    let length = readv(&node, &parts, None).unwrap();
    let bytes = [&first[..], &rest[..length - 10]].concat();
    assert_eq!(Table::parse(&bytes), node.table());
}

#[test]
fn pipes_and_files_are_counted_and_get_the_table() {
    let _module = load_without_threads();
    let node = Node::open();
    assert_eq!(Pipe::of(b"12345").splice_to(&node, 100), Ok(5));
    assert_eq!(
        sendfile(&*node, &memory_file(b"123"), Some(&mut 0), 100),
        Ok(3)
    );
    assert_eq!(aio(&node, Aio::Write, part(b"12"), 0), Ok(2));
    assert_eq!(node.total(), counts(3, 10));

    let mut pipe = Pipe::new();
    let mut bytes = Vec::new();
    while let Ok(length @ 1..) = pipe.splice_from(&node, 7) {
        bytes.extend(pipe.take(length));
    }
    assert_eq!(Table::parse(&bytes), node.table());
    let mut position = 0;
    let length = sendfile(pipe.end(), &*node, Some(&mut position), WHOLE).unwrap();
    assert_eq!(position, length as i64);
    assert_eq!(pipe.take(length), bytes);
}

#[test]
fn epoll_refuses_what_is_always_ready() {
    let _module = load_without_threads();
    assert_eq!(epoll_add(&Node::open()), Err(Errno::EPERM));
}
