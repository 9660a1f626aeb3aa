//! simrupt: no byte of the stream is lost.

use std::os::unix::io::AsRawFd;

use abi::simrupt::{get_stats, simrupt_stats, SIMRUPT_FIRST};
use nix::errno::Errno::EFAULT;
use nix::unistd::read;
use tests::{until, Node};

use crate::calls::{closes, open, opens, parameter, polls};
use crate::life::Subject;
use crate::table::Column;
use crate::trial::Trials;

const NODE: &str = "/dev/simrupt";

const SUBJECT: Subject = Subject {
    name: "simrupt",
    parameters: &["log=0", "delay_ms=1"],
    refused: Some(&["period_us=9"]),
    node: Some(NODE),
    works: |module| {
        assert_eq!(module.parameter("log"), "N");
        assert_eq!(module.parameter("delay_ms"), "1");
        let first = open(NODE).read(1);
        assert_eq!(first, Ok(vec![SIMRUPT_FIRST as u8]));
    },
};

fn stats(node: &Node) -> simrupt_stats {
    get_stats(node).expect("SIMRUPT_GET_STATS failed")
}

#[test]
fn simrupt() {
    let mut trials = Trials::of(SUBJECT.name);
    SUBJECT.comes_and_goes(&mut trials);
    let mut module = SUBJECT.load();
    parameter(&mut trials, &module, "delay_ms", ["1", "2"]);
    opens(&mut trials, &module, NODE, |node| {
        if let Some(node) = node {
            until("the timer runs", || stats(node).queued > 0);
        }
    });
    closes(&mut trials, &module, NODE);

    module.reload(SUBJECT.parameters);
    let node = open(NODE);
    until("bytes to read", || stats(&node).queued > 90);
    module.set_parameter("delay_ms", "10000").unwrap();
    polls(&mut trials, &node);
    reads(&mut trials, &node);
    trials.each(Column::Ioctl, |fault| {
        let _ = fault.hits(&[EFAULT], || get_stats(&node));
        let stats = stats(&node);
        assert_eq!(
            stats.dropped_ring + stats.dropped_fifo + stats.dropped_close,
            0
        );
    });
}

/// A copy that fails under the lock is tried again without it: no read fails.
fn reads(trials: &mut Trials, node: &Node) {
    let mut next = SIMRUPT_FIRST as u8;
    let mut buffer = [0; 5];
    trials.each(Column::Read, |fault| {
        let before = stats(node);
        let result = fault.hits(&[], || read(node.as_raw_fd(), &mut buffer));
        assert_eq!(result, Ok(buffer.len()));
        assert_eq!(buffer, [0, 1, 2, 3, 4].map(|place| next + place));
        next += 5;
        let after = stats(node);
        assert_eq!(after.delivered, before.delivered + 5);
    });
}
