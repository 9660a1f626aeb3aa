//! Sessions that do not mix, and threads and processes that share one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use abi::ksort::{KSORT_DOWN, KSORT_PARALLEL, KSORT_U64};
use tests::{online_cpus, spare_cpu};

use crate::child::Child;
use crate::node::{assert_same, bytes_of, load, random, sorted_by_std, Node, ALGORITHMS};

#[test]
fn two_sessions_do_not_mix() {
    let _module = load(&[]);
    let (first, second) = (Node::with(&[5, 1]), Node::with(&[4u64, u64::MAX]));
    assert_eq!(second.set_order(KSORT_DOWN), Ok(()));
    assert_same(&first.read(4).unwrap(), &[1], "first");
    second.write_all(bytes_of(&[9u64]));
    assert_eq!((first.position(), second.position()), (4, 0));
    assert_same(&second.read(8).unwrap(), &[u64::MAX], "second");
    assert_same(&first.read_all(), &[5], "first");
    assert_same(&second.read_all(), &[9, 4u64], "second");
    assert_eq!(first.stats().elements, 2);
    assert_eq!(second.stats().elements, 3);
    assert_eq!((first.number_type(), first.order()), (0, 0));
    assert_eq!(
        (second.number_type(), second.order()),
        (KSORT_U64, KSORT_DOWN)
    );
    assert_eq!(Node::open().read(100), Ok(vec![]));
}

/// Has 8 threads sort numbers of their own, each by all algorithms, until `done` says so, and
/// twice at least. How many sets were sorted.
fn eight_sessions_at_once(done: impl Fn() -> bool + Sync) -> usize {
    let sets = AtomicUsize::new(0);
    thread::scope(|scope| {
        for session in 0..8 {
            let (sets, done) = (&sets, &done);
            scope.spawn(move || {
                let numbers = random(20_000 + session, session as u64);
                let expected = sorted_by_std(&numbers);
                let node = Node::open();
                for round in 0.. {
                    for algorithm in ALGORITHMS {
                        assert_eq!(node.set_algorithm(algorithm), Ok(()));
                        for part in bytes_of(&numbers).chunks(30_001) {
                            node.write_all(part);
                        }
                        let what = format!("session {session}, algorithm {algorithm}");
                        assert_same(&node.read_in_pieces_of(50_003), &expected, &what);
                        sets.fetch_add(1, Ordering::Relaxed);
                    }
                    if round > 0 && done() {
                        break;
                    }
                }
            });
        }
    });
    sets.into_inner()
}

#[test]
fn eight_sessions_under_load_do_not_mix() {
    let _module = load(&[]);
    assert!(eight_sessions_at_once(|| true) >= 8 * 2 * ALGORITHMS.len());
}

#[test]
fn sessions_sort_while_a_cpu_comes_and_goes() {
    let module = load(&[]);
    let spare = spare_cpu!(module);
    let numbers = random(300_000, 1);
    let expected = sorted_by_std(&numbers);
    spare.comes_and_goes_while(|| {
        let node = Node::open();
        assert_eq!(node.set_algorithm(KSORT_PARALLEL), Ok(()));
        for round in 0..10 {
            node.write_all(bytes_of(&numbers));
            assert_same(&node.read_all(), &expected, &format!("round {round}"));
        }
        eight_sessions_at_once(|| true);
    });
    assert!(online_cpus().contains(&spare.number()));
}

#[test]
fn threads_that_write_to_one_session_lose_nothing() {
    let _module = load(&[]);
    let node = Node::open();
    thread::scope(|scope| {
        for thread in 0..4 {
            let node = &node;
            scope.spawn(move || {
                for number in (0..2_000).rev() {
                    node.write_all(bytes_of(&[4 * number + thread]));
                }
            });
        }
    });
    let expected: Vec<i32> = (0..8_000).collect();
    assert_same(&node.read_all(), &expected, "by four threads");
}

#[test]
fn threads_that_read_one_session_all_see_the_whole_set() {
    let _module = load(&[]);
    let numbers = random(300_000, 2);
    let expected = sorted_by_std(&numbers);
    for algorithm in ALGORITHMS {
        let node = Node::with(&numbers);
        assert_eq!(node.set_algorithm(algorithm), Ok(()));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let read = node.read_from(0, 2 << 20).unwrap();
                    assert_same(&read, &expected, &format!("{algorithm}"));
                });
            }
        });
    }
}

/// Whatever one does between two reads of another, each read is of one set in one order.
#[test]
fn threads_that_do_everything_to_one_session_see_whole_sets() {
    let _module = load(&[]);
    let node = Node::open();
    thread::scope(|scope| {
        for thread in 0..4 {
            let node = &node;
            scope.spawn(move || {
                for round in 0..100 {
                    node.write_all(bytes_of(&[round, -1, thread, -round]));
                    assert_eq!(node.set_order((round as u32 + thread as u32) % 2), Ok(()));
                    let algorithm = ALGORITHMS[round as usize % ALGORITHMS.len()];
                    assert_eq!(node.set_algorithm(algorithm), Ok(()));
                    let read = node.read_from(0, 1 << 20).unwrap();
                    let numbers: Vec<i32> = read
                        .chunks(4)
                        .map(|number| i32::from_ne_bytes(number.try_into().unwrap()))
                        .collect();
                    assert!(!numbers.is_empty() && numbers.len() % 4 == 0);
                    let is_sorted = |before: fn(&i32, &i32) -> bool| {
                        numbers.windows(2).all(|two| before(&two[0], &two[1]))
                    };
                    assert!(is_sorted(i32::le) || is_sorted(i32::ge), "{numbers:?}");
                    assert!(node.stats().elements % 4 == 0);
                }
            });
        }
    });
}

#[test]
fn a_child_shares_its_parents_session_and_position() {
    let _module = load(&[]);
    let node = Node::with(&[5, 3]);
    Child::start(|| node.write(bytes_of(&[4])) == Ok(4)).succeeds();
    assert_same(&node.read(4).unwrap(), &[3], "first number");
    Child::start(|| {
        let mut number = [0; 4];
        node.read_into(&mut number) == Ok(4) && number == 4i32.to_ne_bytes()
    })
    .succeeds();
    assert_same(&node.read_all(), &[5], "last number");
    Child::start(|| node.set_order(KSORT_DOWN).is_ok()).succeeds();
    assert_same(&node.read_from(0, 100).unwrap(), &[5, 4, 3], "down");
}
