//! The file position: reads move it, writes do not care.

use std::fs::OpenOptions;
use std::io::SeekFrom;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use super::node::{current, load_with, seen_by_opener, Node, MAX};

const MESSAGE: &str = "0123456789";

#[test]
fn reads_move_the_position_by_what_they_give() {
    let _module = load_with(MESSAGE);
    let node = Node::open_to_read();
    for (length, bytes) in [
        (3, "012"),
        (1, "3"),
        (4, "4567"),
        (100, "89"),
        (100, ""),
        (1, ""),
    ] {
        let before = node.position();
        assert_eq!(node.read(length).as_deref(), Ok(bytes.as_bytes()));
        assert_eq!(node.position(), before + bytes.len() as u64);
    }
}

#[test]
fn seeking_to_the_start_reads_again() {
    let _module = load_with(MESSAGE);
    let node = Node::open_to_read();
    for _ in 0..3 {
        assert_eq!(node.read_all(), MESSAGE.as_bytes());
        node.rewind();
    }
    node.read(4).unwrap();
    node.rewind();
    assert_eq!(node.read_all(), MESSAGE.as_bytes());
}

#[test]
fn seeking_goes_anywhere_but_relative_to_the_end() {
    let _module = load_with(MESSAGE);
    let node = Node::open_to_read();
    let far = 1 << 40;
    for (to, position, rest) in [
        (SeekFrom::Start(4), 4, "456789"),
        (SeekFrom::Current(-3), 7, "789"),
        (SeekFrom::Current(0), 10, ""),
        (SeekFrom::Start(9), 9, "9"),
        (SeekFrom::Start(10), 10, ""),
        (SeekFrom::Start(11), 11, ""),
        (SeekFrom::Start(far), far, ""),
        (
            SeekFrom::Start(i64::MAX as u64 - 100),
            i64::MAX as u64 - 100,
            "",
        ),
        (SeekFrom::Start(0), 0, MESSAGE),
    ] {
        assert_eq!(node.seek(to), Ok(position), "{to:?}");
        assert_eq!(node.read(50).as_deref(), Ok(rest.as_bytes()), "{to:?}");
    }

    node.seek(SeekFrom::Start(4)).unwrap();
    for to in [
        SeekFrom::End(0),
        SeekFrom::End(-1),
        SeekFrom::End(1),
        SeekFrom::Current(-5),
        SeekFrom::Start(-1i64 as u64),
        SeekFrom::Start(1 << 63),
    ] {
        let seek = node.counts(|_| {}, || node.seek(to));
        assert_eq!(seek, Err(Errno::EINVAL), "{to:?}");
        assert_eq!(node.position(), 4, "{to:?}");
    }
    assert_eq!(node.read_all(), b"456789");
}

#[test]
fn pread_reads_anywhere_and_leaves_the_position() {
    let _module = load_with(MESSAGE);
    let node = Node::open_to_read();
    node.read(2).unwrap();
    for (position, length, bytes) in [
        (0, 4, "0123"),
        (0, 100, MESSAGE),
        (7, 2, "78"),
        (7, 100, "789"),
        (10, 100, ""),
        (11, 100, ""),
        (1 << 40, 100, ""),
    ] {
        let read = node.counts(
            |stats| stats.bytes_read += bytes.len() as u64,
            || node.read_from(position, length),
        );
        assert_eq!(
            read.as_deref(),
            Ok(bytes.as_bytes()),
            "{length} from {position}"
        );
        assert_eq!(node.position(), 2);
    }
    assert_eq!(node.read_all(), b"23456789");
}

/// What the VFS refuses never comes to the device, and is not among its errors.
#[test]
fn what_is_refused_before_the_device_is_not_counted() {
    let _module = load_with(MESSAGE);
    let observer = Node::open();
    let (reader, writer) = (Node::open_to_read(), Node::open_to_write());
    let negative = -1i64 as u64;
    observer.counts(
        |_| {},
        || {
            assert_eq!(observer.read_from(negative, 4), Err(Errno::EINVAL));
            assert_eq!(observer.write_to(negative, b"x"), Err(Errno::EINVAL));
            assert_eq!(reader.write(b"x"), Err(Errno::EBADF));
            assert_eq!(writer.read(1), Err(Errno::EBADF));
        },
    );
    assert_eq!(current(), MESSAGE.as_bytes());
}

#[test]
fn a_write_leaves_the_position_alone() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    assert_eq!(node.write(b"abcdefghijkl"), Ok(12));
    assert_eq!(node.position(), 0);
    let seen = seen_by_opener(MESSAGE.as_bytes(), b"abcdefghijkl");
    assert_eq!(node.read(3).as_deref(), Ok(&seen[..3]));

    node.seek(SeekFrom::Start(70)).unwrap();
    assert_eq!(node.write(b"again"), Ok(5));
    assert_eq!(node.position(), 70);
    assert_eq!(current(), b"again");
}

#[test]
fn an_offset_of_pwrite_makes_no_difference() {
    let _module = load_with(MESSAGE);
    let node = Node::open();
    for position in [0, 3, MAX as u64, 1 << 40] {
        let message = format!("to {position}");
        assert_eq!(
            node.write_to(position, message.as_bytes()),
            Ok(message.len())
        );
        assert_eq!(current(), message.as_bytes());
        assert_eq!(node.position(), 0);
    }
}

#[test]
fn o_append_makes_no_difference() {
    let _module = load_with(MESSAGE);
    let node = Node::open_with(OpenOptions::new().read(true).append(true));
    for message in [&b"replaces"[..], b"and again"] {
        assert_eq!(node.write(message), Ok(message.len()));
        assert_eq!(current(), message);
        assert_eq!(node.position(), 0);
    }
    // Nor do flags that the device has no use for.
    let flags = libc::O_NONBLOCK | libc::O_SYNC;
    let node = Node::open_with(
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags),
    );
    assert_eq!(node.read_all(), b"and again");
    assert_eq!(node.write(b"at once"), Ok(7));
    assert_eq!(current(), b"at once");
}

#[test]
fn a_position_belongs_to_its_open_file() {
    let _module = load_with(MESSAGE);
    let (one, other) = (Node::open_to_read(), Node::open_to_read());
    one.read(6).unwrap();
    assert_eq!(other.read(2).as_deref(), Ok(&b"01"[..]));
    assert_eq!(one.duplicate().read_all(), b"6789");
    assert_eq!((one.position(), other.position()), (10, 2));
}
