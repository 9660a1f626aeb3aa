//! misc_rcu: the device whose message is read without a lock.

mod family;

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use tests::{rounds, until, ExpeditedGracePeriods};

use family::hammer::hammer;
use family::node::{current, load, set, Node};
use family::slow::a_slow_reader;
use family::{HoldsUp, Member};

const MEMBER: Member = Member {
    name: "misc_rcu",
    opener_keeps_message: false,
    slow_reader_holds_up: HoldsUp {
        readers: false,
        writers: false,
    },
    slow_writer_holds_up: HoldsUp {
        readers: false,
        writers: false,
    },
};

/// How long so many writes take, and the most messages that were in memory after one.
fn write_times(count: u32, node: &Node) -> (Duration, u64) {
    let mut most = 0;
    let start = Instant::now();
    for _ in 0..count {
        assert_eq!(node.write(b"again"), Ok(5));
        most = most.max(node.stats().messages);
    }
    (start.elapsed(), most)
}

#[test]
fn a_writer_waits_for_the_grace_period_or_leaves_it_to_others() {
    let module = load(&[]);
    assert_eq!(module.parameter("deferred"), "N");
    let node = Node::open();
    let (waiting, most) = write_times(20, &node);
    assert_eq!(most, 1, "a writer that waits has freed the old message");

    module.set_parameter("deferred", "1").unwrap();
    let (deferring, most) = write_times(20, &node);
    assert!(most > 1, "no message was waiting for its grace period");
    assert!(
        deferring < waiting,
        "{deferring:?}, but {waiting:?} with waiting"
    );
    until("the old messages freed", || node.stats().messages == 1);
    assert_eq!(node.stats().generation, 40);
}

#[test]
fn many_deferred_messages_are_all_freed() {
    let _module = load(&["deferred=1"]);
    let node = Node::open();
    for number in 0..5000 {
        node.write(format!("message {number}").as_bytes()).unwrap();
    }
    until("the old messages freed", || node.stats().messages == 1);
    assert_eq!(current(), b"message 4999");
}

/// Those that wait for a grace period are quick here; call_rcu() is not, so that what it has to do
/// is still to be done when the module goes.
#[test]
fn unloads_many_times_right_after_writes_that_were_deferred() {
    let mut module = load(&["deferred=1"]);
    let _quick = ExpeditedGracePeriods::new();
    let mut waited_for = 0;
    let rounds = rounds(200);
    let enough = u64::from(rounds.end);
    for round in rounds {
        let observer = Node::open();
        if round % 10 == 0 {
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..10).for_each(|_| set(b"soon gone")));
                }
            });
        } else {
            (0..3).for_each(|_| set(b"soon gone"));
        }
        waited_for += observer.stats().messages - 1;
        drop(observer);
        module.reload(&["deferred=1"]);
        assert_eq!(Node::open().stats().messages, 1);
    }
    assert!(
        waited_for > enough,
        "only {waited_for} were still to be freed"
    );
}

#[test]
fn a_slow_reader_does_not_hold_up_a_writer_that_defers() {
    a_slow_reader(&["deferred=1"]);
}

#[test]
fn deferring_writers_tear_and_lose_nothing() {
    hammer(&["deferred=1"], Duration::from_secs(1), |_| {});
}

#[test]
fn deferred_may_change_while_all_are_at_work() {
    let deferred = Cell::new(false);
    hammer(&[], Duration::from_secs(1), |module| {
        let value = if deferred.replace(!deferred.get()) {
            "0"
        } else {
            "1"
        };
        module.set_parameter("deferred", value).unwrap();
    });
}
