//! A reader gets one message, however it splits its reads and whoever writes meanwhile.

use std::io::SeekFrom;

use nix::errno::Errno;
use tests::{read_at, UNMAPPED};

use super::node::{current, load_with, seen_by_opener, set, Node};

const OLD: &[u8] = b"old: abcdefghijklmnop";
const NEW: &[u8] = b"NEW: 0123456789";

fn load_with_old() -> tests::Module {
    load_with(std::str::from_utf8(OLD).unwrap())
}

#[test]
fn a_read_goes_on_in_the_message_in_which_it_began() {
    let _module = load_with_old();
    for (first, piece) in [(1, 1), (5, 3), (20, 7)] {
        set(OLD);
        let node = Node::open_to_read();
        let mut bytes = node.read(first).unwrap();
        set(NEW);
        assert_eq!(current(), NEW);
        bytes.extend(node.read(piece).unwrap());
        set(b"and another");
        bytes.extend(node.read_in_pieces_of(piece));
        assert_eq!(bytes, OLD);
    }
}

#[test]
fn a_read_goes_on_after_its_own_file_wrote() {
    let _module = load_with_old();
    let node = Node::open();
    let mut bytes = node.read(9).unwrap();
    assert_eq!(node.write(NEW), Ok(NEW.len()));
    bytes.extend(node.read_all());
    assert_eq!(bytes, OLD);
    node.rewind();
    assert_eq!(node.read_all(), seen_by_opener(OLD, NEW));
}

#[test]
fn the_end_of_a_message_stays_its_end() {
    let _module = load_with("short");
    let node = Node::open_to_read();
    assert_eq!(node.read_all(), b"short");
    set(b"a longer one");
    assert_eq!(node.read(100), Ok(vec![]));
    assert_eq!(node.read(100), Ok(vec![]));
    node.rewind();
    assert_eq!(node.read_all(), seen_by_opener(b"short", b"a longer one"));
}

#[test]
fn a_shorter_message_does_not_cut_a_read_short() {
    let _module = load_with_old();
    let node = Node::open_to_read();
    let mut bytes = node.read(10).unwrap();
    set(b"x");
    bytes.extend(node.read_all());
    assert_eq!(bytes, OLD);
}

#[test]
fn a_read_elsewhere_is_of_the_current_message() {
    let _module = load_with_old();
    let node = Node::open_to_read();
    node.read(10).unwrap();
    set(NEW);
    let seen = seen_by_opener(OLD, NEW);
    for position in [0, 4, 11, 14] {
        let read = node.read_from(position, 100).unwrap();
        assert_eq!(read, seen[position as usize..], "from {position}");
    }
    node.seek(SeekFrom::Start(5)).unwrap();
    assert_eq!(node.read(3).as_deref(), Ok(&seen[5..8]));
    // And from there on in that one.
    set(OLD);
    assert_eq!(node.read_all(), seen[8..]);
}

#[test]
fn position_0_is_the_beginning_of_the_current_message() {
    let _module = load_with("");
    let node = Node::open_to_read();
    assert_eq!(node.read(100), Ok(vec![]));
    set(NEW);
    assert_eq!(node.read_all(), seen_by_opener(b"", NEW));
}

#[test]
fn a_seek_to_where_it_is_changes_nothing() {
    let _module = load_with_old();
    let node = Node::open_to_read();
    let mut bytes = node.read(10).unwrap();
    set(NEW);
    assert_eq!(node.position(), 10);
    assert_eq!(node.seek(SeekFrom::Start(10)), Ok(10));
    bytes.extend(node.read_all());
    assert_eq!(bytes, OLD);
}

#[test]
fn a_read_that_failed_can_be_made_again() {
    let _module = load_with_old();
    let node = Node::open_to_read();
    let mut bytes = node.read(10).unwrap();
    set(NEW);
    assert_eq!(read_at(&node, UNMAPPED, 4), Err(Errno::EFAULT));
    bytes.extend(node.read_all());
    assert_eq!(bytes, OLD);
}

#[test]
fn files_that_began_in_different_messages_go_on_in_theirs() {
    let _module = load_with("message -1");
    let mut files = Vec::new();
    for number in 0..20u8 {
        let message = vec![b'a' + number; usize::from(number) + 10];
        set(&message);
        let node = Node::open_to_read();
        assert_eq!(node.read(1).as_deref(), Ok(&message[..1]));
        files.push((node, message));
    }
    for (node, message) in files {
        assert_eq!(node.read_all(), message[1..]);
    }
}
