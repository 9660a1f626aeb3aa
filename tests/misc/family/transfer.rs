//! Vectors, pipes, files and AIO: each is one read or write, of one message.

use std::io::{Read, Seek, SeekFrom};

use nix::errno::Errno;
use tests::transfer::{aio, memory_file, part, part_mut, readv, sendfile, writev, Aio, Part, Pipe};
use tests::UNMAPPED;

use super::node::{current, load_with, seen_by_opener, set, Node, MAX};

const MESSAGE: &str = "0123456789";

/// Memory that is not there.
const BAD: Part = (UNMAPPED, 3);

fn parts(parts: &[&[u8]]) -> Vec<Part> {
    parts.iter().map(|bytes| part(bytes)).collect()
}

#[test]
fn writev_is_one_message() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let long = [b'x'; MAX];
    for (given, message) in [
        (&[&b"abc"[..], b"de"][..], &b"abcde"[..]),
        (&[b"left", b""], b"left"),
        (&[b"", b"right"], b"right"),
        (&[b"", b"mid", b"", b"dle", b""], b"middle"),
        (&[&long[..100], &long[..28]], &long),
    ] {
        for position in [None, Some(0), Some(1 << 40)] {
            let written = node.counts(
                |stats| {
                    stats.generation += 1;
                    stats.bytes_written += message.len() as u64;
                    stats.length = message.len() as u64;
                },
                || writev(&node, &parts(given), position),
            );
            assert_eq!(written, Ok(message.len()), "{given:?}");
            assert_eq!(current(), message, "{given:?}");
            assert_eq!(node.position(), 0);
        }
    }
    let nothing = node.counts(|_| {}, || writev(&node, &parts(&[b"", b""]), None));
    assert_eq!(nothing, Ok(0));
}

#[test]
fn writev_of_more_than_a_message_is_emsgsize_and_changes_nothing() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let long = [b'x'; MAX + 1];
    for given in [
        &[&b"before"[..], &long, b"after"][..],
        &[&long[..MAX], b"y"],
        &[&long[..64], &long[..64], b"y"],
    ] {
        let refused = node.counts(
            |stats| stats.errors += 1,
            || writev(&node, &parts(given), None),
        );
        assert_eq!(refused, Err(Errno::EMSGSIZE));
        assert_eq!(current(), MESSAGE.as_bytes());
    }
}

#[test]
fn readv_fills_its_parts_from_one_message() {
    let _module = load_with(MESSAGE);
    let node = Node::open_to_read();
    let (mut one, mut two, mut three) = ([0; 3], [0; 5], [0; 7]);
    let given = [
        part_mut(&mut one),
        (UNMAPPED, 0),
        part_mut(&mut two),
        part_mut(&mut three),
    ];
    let taken = node.counts(
        |stats| stats.bytes_read += 10,
        || readv(&node, &given, None),
    );
    assert_eq!(taken, Ok(10));
    assert_eq!((&one, &two, &three), (b"012", b"34567", b"89\0\0\0\0\0"));
    assert_eq!(node.position(), 10);
    assert_eq!(
        readv(&node, &[part_mut(&mut one), part_mut(&mut two)], None),
        Ok(0)
    );

    let given = [part_mut(&mut one), part_mut(&mut two)];
    assert_eq!(readv(&node, &given, Some(4)), Ok(6));
    assert_eq!((&one, &two), (b"456", b"78967"));
    assert_eq!(node.position(), 10);
}

/// Wherever the bad part is: what is good before it is not taken, either.
#[test]
fn a_vector_with_a_bad_part_moves_nothing() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let (mut one, mut two) = ([0; 3], [0; 5]);
    let good = [part_mut(&mut one), part_mut(&mut two)];
    for given in [
        [BAD, good[0], good[1]],
        [good[0], BAD, good[1]],
        [good[0], good[1], BAD],
    ] {
        for position in [None, Some(0)] {
            let read = node.counts(|stats| stats.errors += 1, || readv(&node, &given, position));
            assert_eq!(read, Err(Errno::EFAULT), "{given:?}");
            let written = node.counts(
                |stats| stats.errors += 1,
                || writev(&node, &given, position),
            );
            assert_eq!(written, Err(Errno::EFAULT), "{given:?}");
            assert_eq!(node.position(), 0);
            assert_eq!(current(), MESSAGE.as_bytes());
        }
    }
    // No more than the message is written, so what is behind it may be bad.
    node.read(4).unwrap();
    let given = [part_mut(&mut one), part_mut(&mut two), BAD];
    assert_eq!(readv(&node, &given, None), Ok(6));
    assert_eq!((&one, &two[..3]), (b"456", &b"789"[..]));
}

#[test]
fn sendfile_copies_the_message_to_a_file_and_to_a_pipe() {
    let _module = load_with(MESSAGE);
    let node = Node::open_to_read();
    let mut file = memory_file(b"");
    let sent = node.counts(
        |stats| stats.bytes_read += 10,
        || sendfile(&file, &*node, None, 1 << 20),
    );
    assert_eq!(sent, Ok(10));
    assert_eq!(node.position(), 10);
    assert_eq!(sendfile(&file, &*node, None, 100), Ok(0));
    let mut position = 4;
    assert_eq!(sendfile(&file, &*node, Some(&mut position), 3), Ok(3));
    assert_eq!((position, node.position()), (7, 10));
    let mut bytes = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut bytes).unwrap();
    assert_eq!(bytes, format!("{MESSAGE}456"));

    let mut pipe = Pipe::new();
    let mut position = 2;
    assert_eq!(
        sendfile(pipe.end(), &*node, Some(&mut position), 100),
        Ok(8)
    );
    assert_eq!(pipe.take(8), b"23456789");
}

#[test]
fn sendfile_makes_what_a_file_has_a_message() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let text = [b'y'; MAX + 1];
    let file = memory_file(&text);
    for length in [1, 100, MAX] {
        let sent = sendfile(&*node, &file, Some(&mut 0), length);
        assert_eq!(sent, Ok(length));
        assert_eq!(current(), &text[..length]);
    }
    let refused = node.counts(
        |stats| stats.errors += 1,
        || sendfile(&*node, &file, Some(&mut 0), MAX + 1),
    );
    assert_eq!(refused, Err(Errno::EMSGSIZE));
    assert_eq!(current(), &text[..MAX]);
}

#[test]
fn splice_moves_messages_to_a_pipe_and_from_one() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let mut pipe = Pipe::new();
    assert_eq!(pipe.splice_from(&node, 4), Ok(4));
    assert_eq!(pipe.splice_from(&node, 1 << 20), Ok(6));
    assert_eq!(pipe.splice_from(&node, 1 << 20), Ok(0));
    assert_eq!((pipe.len(), node.position()), (10, 10));
    assert_eq!(pipe.take(10), MESSAGE.as_bytes());

    let pipe = Pipe::of(b"hello, world");
    assert_eq!(pipe.splice_to(&node, 5), Ok(5));
    assert_eq!(current(), b"hello");
    assert_eq!(pipe.splice_to(&node, 1 << 20), Ok(7));
    assert_eq!(current(), b", world");
    assert_eq!(pipe.len(), 0);

    // What is too long stays in the pipe.
    let pipe = Pipe::of(&[b'z'; MAX + 1]);
    assert_eq!(pipe.splice_to(&node, 1 << 20), Err(Errno::EMSGSIZE));
    assert_eq!((current(), pipe.len()), (b", world".to_vec(), MAX + 1));
}

#[test]
fn aio_reads_and_writes_messages() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    let mut bytes = [0; 20];
    let whole = part_mut(&mut bytes);
    for (offset, length) in [(0, 10), (7, 3), (10, 0)] {
        let read = node.counts(
            |stats| stats.bytes_read += length as u64,
            || aio(&node, Aio::Read, whole, offset),
        );
        assert_eq!(read, Ok(length));
    }
    assert_eq!(&bytes[..10], b"7893456789");
    assert_eq!(aio(&node, Aio::Write, part(b"by AIO"), 1 << 40), Ok(6));
    assert_eq!(current(), b"by AIO");
    assert_eq!(
        aio(&node, Aio::Write, part(&[0; MAX + 1]), 0),
        Err(Errno::EMSGSIZE)
    );
    assert_eq!(aio(&node, Aio::Read, BAD, 0), Err(Errno::EFAULT));
    assert_eq!(aio(&node, Aio::Write, BAD, 0), Err(Errno::EFAULT));
    assert_eq!(current(), b"by AIO");
}

#[test]
fn a_read_in_parts_goes_on_in_its_message_however_it_is_made() {
    let _module = load_with(MESSAGE);
    let node = Node::open_to_read();
    let mut pipe = Pipe::new();
    let mut one = [0; 3];
    assert_eq!(readv(&node, &[part_mut(&mut one)], None), Ok(3));
    set(b"another");
    assert_eq!(pipe.splice_from(&node, 3), Ok(3));
    assert_eq!(node.read_all(), b"6789");
    assert_eq!((&one, &pipe.take(3)[..]), (b"012", &b"345"[..]));
    node.rewind();
    let seen = seen_by_opener(MESSAGE.as_bytes(), b"another");
    assert_eq!(pipe.splice_from(&node, 100), Ok(seen.len()));
    assert_eq!(pipe.take(seen.len()), seen);
}

#[test]
fn what_a_file_is_not_open_for_is_ebadf() {
    let _module = load_with(MESSAGE);
    let (reader, writer) = (Node::open_to_read(), Node::open_to_write());
    let mut byte = [0];
    let given = [part_mut(&mut byte)];
    assert_eq!(writev(&reader, &given, None), Err(Errno::EBADF));
    assert_eq!(readv(&writer, &given, None), Err(Errno::EBADF));
    assert_eq!(Pipe::of(b"x").splice_to(&reader, 1), Err(Errno::EBADF));
    assert_eq!(Pipe::new().splice_from(&writer, 1), Err(Errno::EBADF));
    assert_eq!(current(), MESSAGE.as_bytes());
}
