//! The statistics: what they count, and that they add up.

use crate::node::{add_up, dropped, load, Node, STILL};

#[test]
fn all_is_zero_at_the_beginning() {
    let _module = load(&["log=0", STILL]);
    assert_eq!(Node::open().stats(), Default::default());
}

#[test]
fn each_tick_makes_a_byte_and_passes_through_every_stage() {
    let module = load(&["log=0", "delay_ms=10"]);
    let node = Node::open_nonblocking();
    node.wait_for_queued(10);
    let stats = node.still(&module);
    assert_eq!(stats.produced, stats.ticks, "{stats:?}");
    assert_eq!(stats.queued, stats.produced, "{stats:?}");
    for runs in [stats.tasklet_runs, stats.work_runs] {
        // A stage that is slow once makes one run do for two events.
        assert!((1..=stats.ticks).contains(&runs), "{stats:?}");
    }
}

#[test]
fn they_add_up_while_bytes_are_taken() {
    let module = load(&["log=0", "delay_ms=2"]);
    let node = Node::open_nonblocking();
    node.wait_for_queued(12);
    let before = node.still(&module);
    assert_eq!(before.delivered, 0, "{before:?}");
    for (step, taken) in (1..).zip([1, 4, 9]) {
        node.read_exactly(taken as usize - node.stats().delivered as usize);
        let stats = node.stats();
        assert_eq!(stats.delivered, taken, "step {step}: {stats:?}");
        assert_eq!(
            stats.queued,
            before.queued - taken,
            "step {step}: {stats:?}"
        );
        assert!(add_up(&stats), "step {step}: {stats:?}");
    }
}

#[test]
fn they_add_up_after_overflows_closes_and_reads() {
    // Slow enough that there are moments at which no byte is on its way, on any machine.
    let _module = load(&["log=0", "period_us=500"]);
    let mut delivered = 0;
    for round in 0..10 {
        let node = Node::open_nonblocking();
        node.wait_for_queued(100 * round);
        delivered += node.read_exactly(50).len() as u64;
    }
    // Opening starts the source again, so the sum is right between two events.
    let stats = Node::open_nonblocking().settled_stats();
    assert_eq!(stats.delivered, delivered, "{stats:?}");
    assert!(dropped(&stats) > 0, "{stats:?}");
}

#[test]
fn the_longest_times_are_measured_and_only_grow() {
    let _module = load(&["log=0", "delay_ms=1"]);
    let node = Node::open();
    let mut last = node.stats();
    for _ in 0..20 {
        node.read_exactly(1);
        let stats = node.stats();
        assert!(
            stats.max_irq_ns > 0 && stats.max_softirq_ns > 0,
            "{stats:?}"
        );
        assert!(
            stats.max_irq_ns >= last.max_irq_ns,
            "{stats:?} after {last:?}"
        );
        assert!(
            stats.max_softirq_ns >= last.max_softirq_ns,
            "{stats:?} after {last:?}"
        );
        last = stats;
    }
}
