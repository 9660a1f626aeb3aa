//! Nothing is lost, nothing is counted twice, and all of it on the CPU that ran it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Barrier;
use std::thread;

use tests::{online_cpus, run_on};

use crate::node::{counts, load_without_threads, Node};

#[test]
fn a_write_counts_one_event_and_its_bytes() {
    let _module = load_without_threads();
    let node = Node::open();
    let mut expected = counts(0, 0);
    for length in [1, 2, 511, 512, 513, 4096, 1 << 20] {
        assert_eq!(node.write(&vec![b'x'; length]), Ok(length));
        expected.events += 1;
        expected.bytes += length as u64;
        assert_eq!(node.total(), expected, "{length}");
        assert_eq!(node.table().total, expected, "{length}");
    }
}

#[test]
fn a_write_of_nothing_counts_nothing() {
    let _module = load_without_threads();
    let node = Node::open();
    assert_eq!(node.write(b""), Ok(0));
    assert_eq!(node.total(), counts(0, 0));
}

#[test]
fn a_write_counts_on_the_cpu_that_runs_it() {
    let _module = load_without_threads();
    // A thread of its own, which takes its CPU with it when it ends.
    let writer = thread::spawn(|| {
        let node = Node::open();
        for cpu in online_cpus() {
            run_on(cpu);
            let mut expected = node.table();
            for _ in 0..100 {
                assert_eq!(node.write(b"1234567"), Ok(7));
            }
            expected.add(cpu, counts(100, 700));
            assert_eq!(node.table(), expected);
            assert_eq!(node.cpu(cpu), expected.cpu(cpu));
        }
    });
    writer.join().expect("see above");
}

/// Runs a writer on each CPU, each with a node of its own, and meanwhile `meanwhile`, which can ask
/// whether there are writers still.
fn writers_on_all_cpus(writes: usize, length: usize, meanwhile: impl Fn(&dyn Fn() -> bool)) {
    let cpus = online_cpus();
    let (start, left) = (Barrier::new(cpus.len() + 1), AtomicUsize::new(cpus.len()));
    let bytes = vec![b'x'; length];
    thread::scope(|scope| {
        for &cpu in &cpus {
            let (start, left, bytes) = (&start, &left, &bytes);
            scope.spawn(move || {
                run_on(cpu);
                let node = Node::open_to_write();
                start.wait();
                for _ in 0..writes {
                    assert_eq!(node.write(bytes), Ok(length));
                }
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        start.wait();
        meanwhile(&|| left.load(Ordering::SeqCst) > 0);
    });
}

#[test]
fn writers_on_all_cpus_at_once_lose_nothing() {
    let _module = load_without_threads();
    writers_on_all_cpus(20_000, 3, |_| ());
    let node = Node::open_to_read();
    let table = node.table();
    for cpu in online_cpus() {
        assert_eq!(table.cpu(cpu), counts(20_000, 60_000));
    }
    let writers = online_cpus().len() as u64;
    assert_eq!(node.total(), counts(20_000 * writers, 60_000 * writers));
    assert_eq!(node.total(), table.total);
}

#[test]
fn writers_that_may_go_from_cpu_to_cpu_lose_nothing() {
    let _module = load_without_threads();
    let node = Node::open();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..5_000 {
                    assert_eq!(node.write(&b"1234567"[..1 + round % 7]), Ok(1 + round % 7));
                    if round % 50 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
    });
    let bytes: u64 = (0..5_000).map(|round| 1 + round % 7).sum();
    assert_eq!(node.total(), counts(40_000, 8 * bytes));
}

/// Each write is of 60 bytes, so each line that is read has 60 for each of its events.
#[test]
fn events_and_bytes_agree_while_they_are_counted() {
    let _module = load_without_threads();
    writers_on_all_cpus(20_000, 60, |there_are_writers| {
        let node = Node::open_to_read();
        let mut before = node.table();
        while there_are_writers() {
            let table = node.table();
            for (then, now) in before.cpus.iter().zip(&table.cpus) {
                assert_eq!(now.bytes, 60 * now.events, "{table}");
                assert!(now.events >= then.events, "{before}{table}");
            }
            before = table;
            let total = node.total();
            assert_eq!(total.bytes, 60 * total.events);
            assert!(total.events >= before.total.events);
        }
    });
}

#[test]
fn a_reset_begins_at_0_and_tells_nobody_else() {
    let _module = load_without_threads();
    let (node, other) = (Node::open(), Node::open_to_read());
    for _ in 0..3 {
        assert_eq!(node.write(b"12345"), Ok(5));
        assert_eq!(other.total(), counts(1, 5));
        assert_eq!(node.reset(), Ok(()));
        assert_eq!(other.total(), counts(0, 0));
        assert!(other.table().cpus.iter().all(|&cpu| cpu == counts(0, 0)));
    }
}

/// What was written before a reset began is not in the counts after it, and all is that was written
/// after it ended. So of all writers together as many events may be on either side as there are
/// writers: one of each may have been on its way.
#[test]
fn a_reset_under_load_loses_nothing() {
    let _module = load_without_threads();
    let cpus = online_cpus();
    let writes = 20_000;
    let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
    let node = Node::open();
    let mut last = (0, 0);
    let mut resets = 0;
    thread::scope(|scope| {
        for &cpu in &cpus {
            let (begun, ended) = (&begun, &ended);
            scope.spawn(move || {
                run_on(cpu);
                let node = Node::open_to_write();
                for _ in 0..writes {
                    begun.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(node.write(b"123"), Ok(3));
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let all = writes * cpus.len() as u64;
        while ended.load(Ordering::SeqCst) < all {
            let before = ended.load(Ordering::SeqCst);
            assert_eq!(node.reset(), Ok(()));
            let after = begun.load(Ordering::SeqCst);
            assert!(after - before <= all);
            last = (before, after);
            resets += 1;

            // The same holds for what is there right now.
            let sure = ended.load(Ordering::SeqCst);
            let now = node.total();
            let possible = begun.load(Ordering::SeqCst);
            assert!(now.events >= sure.saturating_sub(after), "{now:?}");
            assert!(now.events <= possible - before, "{now:?}");
            assert_eq!(now.bytes, 3 * now.events);
        }
        let (before, after) = last;
        let left = node.total();
        assert!(
            left.events >= all - after,
            "{left:?} of {all} after {after}"
        );
        assert!(
            left.events <= all - before,
            "{left:?} of {all} before {before}"
        );
        assert_eq!(left.bytes, 3 * left.events);
    });
    assert!(resets > 10, "only {resets} resets");
}
