//! Bytes that come and go in pieces: sets, positions, ends.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::io::AsRawFd;

use nix::errno::Errno;
use nix::unistd::{lseek, Whence};
use tests::transfer::{aio, memory_file, part, part_mut, readv, sendfile, writev, Aio, Part, Pipe};
use tests::UNMAPPED;

use crate::node::{assert_same, bytes_of, load, random, sorted_by_std, Node, Typed};
use crate::numbers::Pattern;

/// Writes all in pieces of these lengths, over and over.
#[track_caller]
fn write_in_pieces(node: &Node, mut bytes: &[u8], lengths: &[usize]) {
    for &length in lengths.iter().cycle() {
        if bytes.is_empty() {
            return;
        }
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        node.write_all(piece);
        bytes = rest;
    }
}

fn any_split_gives_the_same_set<N: Typed>() {
    let _module = load(&[]);
    let numbers = Pattern::Random.numbers::<N>(500, 3);
    let expected = sorted_by_std(&numbers);
    let node = Node::open();
    assert_eq!(node.set_type(N::TYPE), Ok(()));
    for lengths in [
        &[1][..],
        &[2],
        &[3],
        &[7],
        &[9],
        &[1, 4, 2, 8, 5, 7],
        &[13, 1, 100, 3],
        &[1_999, 1],
    ] {
        write_in_pieces(&node, bytes_of(&numbers), lengths);
        assert_same(&node.read_all(), &expected, &format!("{lengths:?}"));
    }
}

#[test]
fn writes_may_split_numbers_of_32_bits_anywhere() {
    any_split_gives_the_same_set::<i32>();
}

#[test]
fn writes_may_split_numbers_of_64_bits_anywhere() {
    any_split_gives_the_same_set::<u64>();
}

#[test]
fn many_small_writes_make_a_large_set() {
    let _module = load(&[]);
    let numbers = random(20_000, 4);
    let node = Node::open();
    write_in_pieces(&node, bytes_of(&numbers), &[1, 5, 2]);
    assert_same(&node.read_all(), &sorted_by_std(&numbers), "small writes");
}

#[test]
fn reads_may_split_numbers_anywhere() {
    let _module = load(&[]);
    let numbers = random(100, 5);
    let expected = sorted_by_std(&numbers);
    let node = Node::with(&numbers);
    for length in (1..=17).chain([399, 400, 401, 1 << 20]) {
        assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
        let read = node.read_in_pieces_of(length);
        assert_same(&read, &expected, &format!("in pieces of {length}"));
        assert_eq!(node.position(), 400);
    }
}

#[test]
fn a_vector_is_one_call() {
    let _module = load(&[]);
    let numbers = random(10, 6);
    let bytes = bytes_of(&numbers);
    let expected = sorted_by_std(&numbers);
    let parts = [&bytes[..1], &[], &bytes[1..7], &bytes[7..]].map(part);
    let node = Node::open();
    assert_eq!(writev(&node, &parts, None), Ok(40));
    let (mut first, mut second) = ([0; 13], [0; 100]);
    let room = [part_mut(&mut first), part_mut(&mut second)];
    assert_eq!(readv(&node, &room, None), Ok(40));
    assert_same(&[&first[..], &second[..27]].concat(), &expected, "readv");
    assert_eq!(readv(&node, &room, Some(36)), Ok(4));
    assert_eq!(first[..4], bytes_of(&expected)[36..]);
    // All of this vector is one set, though the one before was read.
    let parts: Vec<Part> = bytes.chunks(4).map(part).collect();
    assert_eq!(writev(&node, &parts, None), Ok(40));
    assert_same(&node.read_all(), &expected, "a vector after a read");
}

#[test]
fn a_vector_with_a_bad_part_moves_nothing() {
    let _module = load(&[]);
    let node = Node::with(&[5, 1]);
    let mut bytes = [0; 4];
    let (good, bad) = (part_mut(&mut bytes), (UNMAPPED, 4));
    for parts in [[bad, good, good], [good, bad, good], [good, good, bad]] {
        assert_eq!(writev(&node, &parts, None), Err(Errno::EFAULT));
    }
    assert_eq!(readv(&node, &[good, bad], None), Err(Errno::EFAULT));
    assert_eq!(node.position(), 0);
    assert_same(&node.read_all(), &[1, 5], "the set");
}

/// More than a pipe has room for.
#[test]
fn sendfile_and_splice_move_whole_sets() {
    let _module = load(&[]);
    let numbers = random(100_000, 8);
    let expected = sorted_by_std(&numbers);
    let bytes = bytes_of(&numbers);
    let node = Node::open();
    assert_eq!(
        sendfile(&*node, &memory_file(bytes), Some(&mut 0), bytes.len()),
        Ok(bytes.len())
    );
    let mut sorted = memory_file(b"");
    assert_eq!(
        sendfile(&sorted, &*node, None, usize::MAX >> 1),
        Ok(bytes.len())
    );
    assert_eq!(node.position(), bytes.len() as u64);
    let mut read = Vec::new();
    sorted.seek(SeekFrom::Start(0)).unwrap();
    sorted.read_to_end(&mut read).unwrap();
    assert_same(&read, &expected, "sendfile");

    let node = Node::open();
    for piece in bytes.chunks(40_000) {
        assert_eq!(
            Pipe::of(piece).splice_to(&node, usize::MAX >> 1),
            Ok(piece.len())
        );
    }
    let mut pipe = Pipe::new();
    let mut read = Vec::new();
    loop {
        match pipe.splice_from(&node, usize::MAX >> 1) {
            Ok(0) => break,
            Ok(moved) => read.extend(pipe.take(moved)),
            Err(error) => panic!("splice: {error}"),
        }
    }
    assert_same(&read, &expected, "splice");
}

#[test]
fn aio_reads_and_writes_sets() {
    let _module = load(&[]);
    let node = Node::open();
    assert_eq!(
        aio(&node, Aio::Write, part(bytes_of(&[3, 1, 2])), 100),
        Ok(12)
    );
    let mut bytes = [0; 100];
    let room = part_mut(&mut bytes);
    assert_eq!(aio(&node, Aio::Read, room, 4), Ok(8));
    assert_same(&bytes[..8], &[2, 3], "from the second number on");
    assert_eq!(aio(&node, Aio::Read, (UNMAPPED, 8), 0), Err(Errno::EFAULT));
}

#[test]
fn a_set_ends_and_stays_at_its_end() {
    let _module = load(&[]);
    let node = Node::with(&[3, 1, 2]);
    assert_same(&node.read(100).unwrap(), &[1, 2, 3], "the set");
    for _ in 0..3 {
        assert_eq!(node.read(100), Ok(vec![]));
        assert_eq!(node.position(), 12);
    }
}

#[test]
fn a_session_without_numbers_is_at_its_end() {
    let _module = load(&[]);
    let node = Node::open();
    assert_eq!(node.read(100), Ok(vec![]));
    assert_eq!(node.read_from(0, 100), Ok(vec![]));
    node.write_all(bytes_of(&[1]));
    assert_same(&node.read_all(), &[1], "a set at last");
}

#[test]
fn writes_before_a_read_add_to_the_set_and_the_first_after_it_starts_a_new_one() {
    let _module = load(&[]);
    let node = Node::with(&[5, 1]);
    node.write_all(bytes_of(&[3]));
    assert_same(&node.read_all(), &[1, 3, 5], "first set");
    node.write_all(bytes_of(&[9]));
    node.write_all(bytes_of(&[8, 7]));
    assert_same(&node.read_all(), &[7, 8, 9], "second set");
    // A part is enough, by read or by pread, and so is the end.
    for read in [
        |node: &Node| node.read(1),
        |node: &Node| node.read_from(0, 1),
        |node: &Node| node.read_from(1 << 40, 1),
    ] {
        node.write_all(bytes_of(&[6, 4]));
        read(&node).unwrap();
        node.write_all(bytes_of(&[2]));
        assert_same(&node.read_all(), &[2], "new set after a short read");
    }
}

#[test]
fn every_write_puts_the_read_position_back_to_0() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    assert_same(&node.read(4).unwrap(), &[1], "first number");
    assert_eq!(node.position(), 4);
    node.write_all(bytes_of(&[4, 3]));
    assert_eq!(node.position(), 0);
    assert_eq!(node.seek(SeekFrom::Start(5)), Ok(5));
    node.write_all(bytes_of(&[5]));
    assert_eq!(node.position(), 0);
    assert_same(&node.read_all(), &[3, 4, 5], "from the start");
}

#[test]
fn a_write_of_nothing_starts_no_set() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    assert_eq!(node.write(&[]), Ok(0));
    assert_same(&node.read(4).unwrap(), &[1], "first number");
    assert_eq!(node.write(&[]), Ok(0));
    assert_same(&node.read(4).unwrap(), &[2], "second number");
    assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
    assert_same(&node.read_all(), &[1, 2], "the old set");
}

#[test]
fn a_read_of_nothing_does_nothing() {
    let _module = load(&[]);
    let node = Node::with(&[2]);
    assert_eq!(node.read(0), Ok(vec![]));
    assert_eq!(node.read_from(3, 0), Ok(vec![]));
    assert_eq!(node.stats().elements, 0);
    // It is no read after which a write would start a new set, nor does it mind a part of a number.
    node.write_all(&bytes_of(&[1])[..2]);
    assert_eq!(node.read(0), Ok(vec![]));
    node.write_all(&bytes_of(&[1])[2..]);
    assert_same(&node.read_all(), &[1, 2], "both");
}

#[test]
fn seeking_to_the_start_reads_again() {
    let _module = load(&[]);
    let numbers = random(1_000, 7);
    let expected = sorted_by_std(&numbers);
    let node = Node::with(&numbers);
    for round in 0..3 {
        assert_same(&node.read_all(), &expected, &format!("round {round}"));
        assert_eq!(node.seek(SeekFrom::Start(0)), Ok(0));
    }
}

#[test]
fn pread_reads_anywhere_and_leaves_the_position() {
    let _module = load(&[]);
    let numbers = random(100, 8);
    let expected = sorted_by_std(&numbers);
    let bytes = bytes_of(&expected);
    let node = Node::with(&numbers);
    assert_eq!(node.read(10).as_deref(), Ok(&bytes[..10]));
    for (position, length) in [(0, 400), (3, 7), (396, 100), (399, 1), (0, 1)] {
        let end = (position + length).min(400);
        let read = node.read_from(position as u64, length);
        assert_eq!(read.as_deref(), Ok(&bytes[position..end]), "{position}");
    }
    for beyond in [400, 401, 1 << 40, i64::MAX as u64 - 10] {
        assert_eq!(node.read_from(beyond, 10), Ok(vec![]), "{beyond}");
    }
    assert_eq!(node.position(), 10);
    assert_eq!(node.read_all(), bytes[10..]);
}

#[test]
fn pwrite_adds_wherever_it_is_told_to_write_and_leaves_the_position() {
    let _module = load(&[]);
    let node = Node::with(&[3]);
    assert_eq!(node.seek(SeekFrom::Start(4)), Ok(4));
    assert_eq!(node.write_to(0, bytes_of(&[2])), Ok(4));
    assert_eq!(node.write_to(1 << 40, bytes_of(&[1])), Ok(4));
    assert_eq!(node.position(), 4);
    assert_same(&node.read_all(), &[2, 3], "from the position on");
    assert_eq!(node.write_to(2, bytes_of(&[7])), Ok(4));
    assert_same(&node.read_from(0, 100).unwrap(), &[7], "a new set");
}

#[test]
fn lseek_knows_start_and_here_and_nothing_else() {
    let _module = load(&[]);
    let node = Node::with(&[1, 2, 3]);
    assert_eq!(node.seek(SeekFrom::Start(7)), Ok(7));
    assert_eq!(node.seek(SeekFrom::Current(-3)), Ok(4));
    assert_same(&node.read(4).unwrap(), &[2], "from there");
    assert_eq!(node.seek(SeekFrom::Current(-9)), Err(Errno::EINVAL));
    for whence in [Whence::SeekEnd, Whence::SeekData, Whence::SeekHole] {
        for offset in [0, -4, 4] {
            let sought = lseek(node.as_raw_fd(), offset, whence);
            assert_eq!(sought, Err(Errno::EINVAL), "{whence:?}");
        }
    }
    let sought = lseek(node.as_raw_fd(), -1, Whence::SeekSet);
    assert_eq!(sought, Err(Errno::EINVAL));
    assert_eq!(node.position(), 8);
    assert_eq!(node.seek(SeekFrom::Start(1 << 40)), Ok(1 << 40));
    assert_eq!(node.read(100), Ok(vec![]));
    assert_eq!(node.position(), 1 << 40);
}

fn a_part_of_a_number_waits_for_the_rest<N: Typed>() {
    let numbers = Pattern::Random.numbers::<N>(50, 9);
    let expected = sorted_by_std(&numbers);
    let bytes = bytes_of(&numbers);
    let size = std::mem::size_of::<N>();
    for missing in 1..size {
        let (now, later) = bytes.split_at(bytes.len() - missing);
        let node = Node::open();
        assert_eq!(node.set_type(N::TYPE), Ok(()));
        node.write_all(now);
        for _ in 0..2 {
            assert_eq!(node.read(100), Err(Errno::EINVAL), "{missing}");
            assert_eq!(node.read_from(0, 1), Err(Errno::EINVAL), "{missing}");
        }
        assert_eq!(node.position(), 0);
        assert_eq!(node.stats().elements, 0);
        node.write_all(later);
        assert_same(&node.read_all(), &expected, &format!("{missing} later"));
    }
}

#[test]
fn a_part_of_a_number_at_the_end_is_einval_and_nothing_is_lost() {
    let _module = load(&[]);
    a_part_of_a_number_waits_for_the_rest::<u32>();
    a_part_of_a_number_waits_for_the_rest::<i64>();
}

#[test]
fn a_part_of_a_number_after_a_read_is_a_new_set_that_cannot_be_read_yet() {
    let _module = load(&[]);
    let node = Node::with(&[2, 1]);
    node.read_all();
    node.write_all(&bytes_of(&[7])[..3]);
    assert_eq!(node.read(100), Err(Errno::EINVAL));
    node.write_all(&bytes_of(&[7])[3..]);
    assert_same(&node.read_all(), &[7], "the new set");
}
