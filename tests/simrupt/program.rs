//! The program `simrupt` on the real node.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::thread;

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tests::{text, Program};

use crate::node::{add_up, assert_contiguous, load, Node, STILL};

const SIMRUPT: Program = Program("simrupt");

#[test]
fn reads_and_verifies_fifty_bytes() {
    let _module = load(&["log=0", "delay_ms=2"]);
    let output = SIMRUPT.run(&["--count", "50", "--verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(output.stdout.len(), 50);
    assert_contiguous(&output.stdout);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_missing_node_is_status_3_and_asks_for_the_module() {
    let mut module = load(&["log=0"]);
    module.remove().expect("simrupt does not unload");
    let output = SIMRUPT.run(&["--count", "1"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        text(&output.stderr),
        "simrupt: /dev/simrupt: not there; is simrupt.ko loaded?\n"
    );
}

#[test]
fn a_stranger_is_told_that_permission_is_denied() {
    let _module = load(&["log=0"]);
    let output = SIMRUPT
        .command(&["--count", "1"])
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let message = text(&output.stderr);
    assert!(
        message.starts_with("simrupt: /dev/simrupt: permission denied"),
        "{message}"
    );
}

#[test]
fn nonblock_with_nothing_there_is_status_4_and_says_eagain() {
    let _module = load(&["log=0", STILL]);
    let output = SIMRUPT.run(&["--nonblock"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"");
    assert!(
        text(&output.stderr).contains("EAGAIN"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn nonblock_writes_what_is_there_and_ends() {
    let module = load(&["log=0", "delay_ms=2"]);
    let keeps_it_open = Node::open();
    keeps_it_open.wait_for_queued(5);
    let queued = keeps_it_open.still(&module).queued;
    let output = SIMRUPT.run(&["--nonblock", "--verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(output.stdout.len() as u64, queued);
}

#[test]
fn stats_alone_are_a_table_of_the_counters() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open();
    node.read_exactly(10);
    let stats = node.still(&module);
    let output = SIMRUPT.run(&["--stats"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let value = |name: &str| {
        let row = table
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        row.and_then(|row| row.split_whitespace().nth(1))
            .map(str::to_owned)
    };
    assert_eq!(
        value("produced"),
        Some(stats.produced.to_string()),
        "{table}"
    );
    assert_eq!(value("delivered"), Some("10".to_owned()), "{table}");
    assert_eq!(value("queued"), Some(stats.queued.to_string()), "{table}");
    assert_eq!(table.lines().count(), 11, "{table}");
}

#[test]
fn stats_after_reading_leave_the_stream_alone() {
    let _module = load(&["log=0", "delay_ms=2"]);
    let output = SIMRUPT.run(&["--count", "20", "--stats"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout.len(), 20);
    assert_contiguous(&output.stdout);
    let table = text(&output.stderr);
    assert!(
        table.lines().any(|line| line.starts_with("delivered ")),
        "{table}"
    );
}

#[test]
fn seconds_end_it() {
    let _module = load(&["log=0", "delay_ms=2"]);
    let output = SIMRUPT.run(&["--seconds", "0.5", "--verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!output.stdout.is_empty());
}

#[test]
fn verify_finds_the_bytes_that_another_reader_took() {
    let _module = load(&["log=0", "delay_ms=2"]);
    let other = Node::open();
    let child = SIMRUPT
        .command(&["--verify", "--seconds", "60"])
        .spawn()
        .unwrap();
    let output = thread::scope(|scope| {
        let end = scope.spawn(|| child.wait_with_output().unwrap());
        while !end.is_finished() {
            other.read_exactly(1);
        }
        end.join().unwrap()
    });
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.starts_with("simrupt: /dev/simrupt: byte "),
        "{message}"
    );
    assert!(
        message.contains(": expected 0x") && message.contains(", got 0x"),
        "{message}"
    );
}

#[test]
fn a_signal_ends_it_in_good_order_with_its_statistics() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let module = load(&["log=0", "delay_ms=2"]);
        let mut child = SIMRUPT.command(&["--verify", "--stats"]).spawn().unwrap();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0; 10])
            .unwrap();
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains("delivered"),
            "{}",
            text(&output.stderr)
        );
        assert_eq!(module.references(), 0);
    }
}

#[test]
fn a_closed_output_ends_it() {
    let _module = load(&["log=0", "delay_ms=2"]);
    let mut child = SIMRUPT.command(&[]).spawn().unwrap();
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0; 5])
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn two_at_once_leave_statistics_that_add_up() {
    let _module = load(&["log=0", "period_us=300"]);
    let node = Node::open();
    let children: Vec<_> = (0..2)
        .map(|_| SIMRUPT.command(&["--count", "300"]).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout.len(), 300, "{}", text(&output.stderr));
    }
    let stats = node.settled_stats();
    assert!(add_up(&stats) && stats.delivered == 600, "{stats:?}");
}
