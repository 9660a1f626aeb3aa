//! The program as its user sees it. A file or a FIFO stands in for the node here; the tests in the
//! guest run it on the real one.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};

use nix::sys::signal::{kill, Signal};
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, Pid};
use place::Place;

/// With nothing in place of the node.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_simrupt"), "node")
}

fn with_bytes(bytes: &[u8]) -> Place {
    let place = place();
    fs::write(&place.path, bytes).unwrap();
    place
}

/// A node where nothing is to be read until the test writes it.
fn fifo() -> (Place, File) {
    let place = place();
    mkfifo(&place.path, Mode::S_IRWXU).unwrap();
    let writer = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&place.path)
        .unwrap();
    (place, writer)
}

#[test]
fn writes_as_many_bytes_as_asked_for() {
    let output = with_bytes(b"ABCDEF").run(&["--count", "4", "--verify"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"ABCD");
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_gap_is_status_1_and_says_what_was_expected() {
    let node = with_bytes(b"ABD");
    let output = node.run(&["--count", "3", "--verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"ABD");
    let message = node.message(&output);
    assert!(
        message.starts_with("simrupt: NODE: byte 2: expected 0x43 'C', got 0x44 'D'"),
        "{message}"
    );
}

#[test]
fn wrong_arguments_are_status_2() {
    for args in [
        &["--seconds", "soon"][..],
        &["--seconds", "-1"],
        &["--count", "x"],
        &["more"],
    ] {
        place().refuses(args);
    }
}

#[test]
fn a_missing_node_is_status_3_and_asks_for_the_module() {
    let node = place();
    let output = node.run(&["--count", "1"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        node.message(&output),
        "simrupt: NODE: not there; is simrupt.ko loaded?\n"
    );
}

#[test]
fn the_end_of_a_file_is_status_3() {
    let output = with_bytes(b"AB").run(&["--count", "3"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"AB");
}

#[test]
fn statistics_of_another_file_are_status_3() {
    let node = with_bytes(b"");
    let output = node.run(&["--stats"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        node.message(&output),
        "simrupt: NODE: has no statistics; is it a simrupt node?\n"
    );
}

#[test]
fn nonblock_with_nothing_there_is_status_4_and_says_eagain() {
    let (node, _writer) = fifo();
    let output = node.run(&["--nonblock"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"");
    assert!(
        node.message(&output).contains("EAGAIN"),
        "{}",
        node.message(&output)
    );
}

#[test]
fn nonblock_writes_what_is_there_and_ends() {
    let (node, mut writer) = fifo();
    writer.write_all(b"ABC").unwrap();
    let output = node.run(&["--nonblock"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"ABC");
}

#[test]
fn seconds_end_a_wait_for_bytes_that_never_come() {
    let (node, _writer) = fifo();
    assert_eq!(node.run(&["--seconds", "0.05"]).status.code(), Some(0));
}

#[test]
fn a_signal_ends_a_waiting_program_in_good_order() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (node, mut writer) = fifo();
        let mut child = node.command(&[]).spawn().unwrap();
        writer.write_all(b"A").unwrap();
        // The byte says that the program has got as far as its loop.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_closed_output_ends_the_program_although_nothing_comes() {
    let (node, mut writer) = fifo();
    let mut child = node.command(&[]).spawn().unwrap();
    writer.write_all(b"A").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_signal_ends_a_program_whose_output_is_stuck() {
    let node = with_bytes(&b"A".repeat(1 << 20));
    let mut child = node.command(&[]).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_exit_statuses_hold_whoever_listens() {
    place().keeps_its_statuses_whoever_listens();
}
