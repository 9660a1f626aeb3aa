//! The sorting code of the module ksort as it stands, compared with std's sort.

#![cfg(test)]
#![forbid(unsafe_code)]

#[path = "../../modules/ksort/sort.rs"]
mod sort;

mod adversary;
mod numbers;
mod quick;

use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

use numbers::{Number, Pattern, PATTERNS};
use proptest::prelude::*;
use sort::{parallel, radix, Algorithm, Outcome, Platform, Word};

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Heap,
    Algorithm::Quick,
    Algorithm::Radix,
    Algorithm::Parallel,
];

/// Threads of std instead of work items, and a stop that comes when it is told to.
struct Host {
    threads: usize,
    /// How often `should_stop` says no before it says yes; for ever if negative.
    go_on: AtomicIsize,
    asked: AtomicUsize,
}

impl Host {
    fn new(threads: usize) -> Self {
        Host {
            threads,
            go_on: AtomicIsize::new(-1),
            asked: AtomicUsize::new(0),
        }
    }

    fn stopping_after(threads: usize, go_on: usize) -> Self {
        Host {
            go_on: AtomicIsize::new(go_on as isize),
            ..Host::new(threads)
        }
    }
}

impl Platform for Host {
    fn should_stop(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let left = self
            .go_on
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                (n > 0).then(|| n - 1)
            });
        left == Err(0)
    }

    fn heap_sort<W: Word>(&self, words: &mut [W]) {
        words.sort();
    }

    fn for_each<S: Send, T>(
        &self,
        workers: &mut [S],
        items: impl Iterator<Item = T> + Send,
        f: impl Fn(&mut S, T) + Sync,
    ) -> usize {
        let items = Mutex::new(items.fuse());
        let took_part = AtomicUsize::new(0);
        thread::scope(|scope| {
            for worker in workers {
                scope.spawn(|| {
                    let mut items_of_this = 0;
                    loop {
                        let item = items.lock().unwrap().next();
                        match item {
                            Some(item) => f(worker, item),
                            None => break,
                        }
                        items_of_this += 1;
                    }
                    took_part.fetch_add((items_of_this > 0).into(), Ordering::Relaxed);
                });
            }
        });
        took_part.into_inner()
    }
}

/// Sorts as the module does, and gives what is then in the buffer that it says.
fn run<N: Number>(
    host: &Host,
    algorithm: Algorithm,
    numbers: &[N],
    down: bool,
) -> (Outcome, Vec<N>) {
    let flip = sort::flip(N::SIGNED, down);
    let mut words: Vec<N::Word> = numbers.iter().map(|n| n.to_word()).collect();
    // What was in the scratch memory must not come out of it.
    let mut scratch = vec![N::Word::ONES ^ N::Word::SIGN; words.len()];
    let outcome = match algorithm {
        Algorithm::Heap => sort::heap(host, &mut words, flip),
        Algorithm::Quick => sort::quick(host, &mut words, flip),
        Algorithm::Radix => {
            let mut tables = vec![[7; 2048]; radix::digits::<N::Word>()];
            match <&mut [radix::Digits; 3]>::try_from(&mut *tables) {
                Ok(tables) => radix::sort(host, &mut words, &mut scratch, flip, tables),
                Err(_) => {
                    let tables: &mut [radix::Digits; 6] = (&mut *tables).try_into().unwrap();
                    radix::sort(host, &mut words, &mut scratch, flip, tables)
                }
            }
        }
        Algorithm::Parallel => {
            let mut tables = vec![[7; 2048]; parallel::CHUNKS + 1];
            let tables: &mut parallel::HighDigits = (&mut *tables).try_into().unwrap();
            let mut low_tables = vec![[7; 1 << 13]; host.threads];
            let memory_len = parallel::memory_len(words.len());
            let mut memory = vec![N::Word::ONES; host.threads * memory_len];
            let (words, scratch) = (&mut words, &mut scratch);
            parallel::sort(
                host,
                words,
                scratch,
                flip,
                tables,
                &mut low_tables,
                &mut memory,
            )
        }
    };
    let sorted = if outcome.in_scratch { scratch } else { words };
    (outcome, sorted.into_iter().map(N::from_word).collect())
}

fn sorted_by_std<N: Number>(mut numbers: Vec<N>, down: bool) -> Vec<N> {
    numbers.sort_unstable();
    if down {
        numbers.reverse();
    }
    numbers
}

/// Compares without printing a hundred thousand numbers.
fn assert_same<N: Number>(ours: &[N], std: &[N], what: &str) {
    assert_eq!(ours.len(), std.len(), "{what}");
    if let Some(at) = (0..std.len()).find(|&at| ours[at] != std[at]) {
        panic!(
            "{what}: at {at} there is {:?} and not {:?}",
            ours[at], std[at]
        );
    }
}

fn compare<N: Number>(algorithm: Algorithm, pattern: Pattern, len: usize, down: bool, seed: u64) {
    let what = format!(
        "{algorithm:?}, {pattern:?}, {len} of {}, down: {down}, seed {seed}",
        N::NAME
    );
    let numbers = pattern.numbers::<N>(len, seed);
    let host = Host::new(3);
    let (outcome, ours) = run(&host, algorithm, &numbers, down);
    assert!(!outcome.stopped, "{what}: {outcome:?}");
    assert!((1..=3).contains(&outcome.workers), "{what}: {outcome:?}");
    assert_same(&ours, &sorted_by_std(numbers, down), &what);
}

fn compare_all_types(algorithm: Algorithm, pattern: Pattern, len: usize, down: bool, seed: u64) {
    compare::<i32>(algorithm, pattern, len, down, seed);
    compare::<u32>(algorithm, pattern, len, down, seed);
    compare::<i64>(algorithm, pattern, len, down, seed);
    compare::<u64>(algorithm, pattern, len, down, seed);
}

fn compare_all(lens: impl IntoIterator<Item = usize>) {
    for len in lens {
        for algorithm in ALGORITHMS {
            for pattern in PATTERNS {
                for down in [false, true] {
                    compare_all_types(algorithm, pattern, len, down, len as u64);
                }
            }
        }
    }
}

#[test]
fn all_patterns_of_few_numbers() {
    compare_all((0..20).chain([100, 1_000]));
}

/// Parallel: a chunk has one number more, a range is sorted by a table, a range ends before its
/// group does.
#[test]
fn all_patterns_where_the_parallel_sort_changes_its_ways() {
    compare_all([15, 16, 17, 511, 512, 513, 32_767, 32_768, 40_000]);
}

/// Blocks, between which it is asked whether to stop.
#[test]
fn all_patterns_where_a_block_ends() {
    compare_all([65_535, 65_536, 65_537, 131_073]);
}

/// Heap and quick: more than is sorted without asking whether to stop.
#[test]
fn what_is_sorted_in_place_is_divided_if_it_is_large() {
    for len in [(1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3_000_000] {
        for pattern in PATTERNS {
            compare::<i32>(Algorithm::Quick, pattern, len, len % 2 == 0, 1);
        }
        compare::<u64>(Algorithm::Heap, Pattern::Extremes, len, true, 1);
        compare::<i64>(Algorithm::Heap, Pattern::Random, len, false, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_numbers(
        algorithm in prop::sample::select(&ALGORITHMS[..]),
        pattern in prop::sample::select(&PATTERNS[..]),
        len in prop_oneof![0..100usize, 100..5_000usize, 5_000..200_000usize],
        down: bool,
        seed: u64,
    ) {
        compare_all_types(algorithm, pattern, len, down, seed);
    }

    #[test]
    fn few_numbers_that_proptest_chose(
        algorithm in prop::sample::select(&ALGORITHMS[..]),
        numbers: Vec<i64>,
        down: bool,
    ) {
        let (outcome, ours) = run(&Host::new(2), algorithm, &numbers, down);
        prop_assert!(!outcome.stopped);
        prop_assert_eq!(ours, sorted_by_std(numbers, down));
    }

    /// Whenever it is told to stop: if it did, all numbers are there, and if not, they are sorted.
    #[test]
    fn a_stop_loses_nothing(
        algorithm in prop::sample::select(&ALGORITHMS[..]),
        pattern in prop::sample::select(&PATTERNS[..]),
        len in 0..200_000usize,
        at in 0.0..1.1,
        threads in 1..4usize,
        down: bool,
        seed: u64,
    ) {
        let numbers = pattern.numbers::<i32>(len, seed);
        let host = Host::new(threads);
        let _ = run(&host, algorithm, &numbers, down);
        let questions = host.asked.into_inner();
        let after = (questions as f64 * at) as usize;

        let host = Host::stopping_after(threads, after);
        let (outcome, ours) = run(&host, algorithm, &numbers, down);
        prop_assert_eq!(outcome.stopped, after < questions, "{} of {}", after, questions);
        let ours = if outcome.stopped { sorted_by_std(ours, down) } else { ours };
        assert_same(&ours, &sorted_by_std(numbers, down), "what was stopped");
    }
}

/// No sort of a million numbers goes on for long after it was told to stop.
#[test]
fn a_long_sort_asks_often() {
    let numbers = Pattern::Random.numbers::<i32>(3_000_000, 1);
    for algorithm in ALGORITHMS {
        let host = Host::new(2);
        run(&host, algorithm, &numbers, false);
        let asked = host.asked.into_inner();
        assert!(asked >= 3, "{algorithm:?} asked {asked} times");

        let host = Host::stopping_after(2, 1);
        assert!(run(&host, algorithm, &numbers, false).0.stopped);
    }
}

#[test]
fn as_many_workers_as_there_may_be() {
    for pattern in PATTERNS {
        let numbers = pattern.numbers::<i32>(300_000, 1);
        let host = Host::new(parallel::MAX_WORKERS);
        let (outcome, ours) = run(&host, Algorithm::Parallel, &numbers, false);
        assert!(!outcome.stopped);
        assert_same(&ours, &sorted_by_std(numbers, false), "many workers");
    }
}

#[test]
fn auto_takes_what_is_best_for_the_size() {
    use Algorithm::{Parallel, Quick, Radix};
    for (len, cpus, of_32, of_64) in [
        (0, 4, Quick, Quick),
        (449, 4, Quick, Quick),
        (1_000, 4, Radix, Quick),
        (2_000, 4, Radix, Radix),
        (100_000, 4, Radix, Radix),
        (1_000_000, 1, Radix, Radix),
        (1_000_000, 2, Parallel, Parallel),
    ] {
        assert_eq!(sort::choose::<u32>(len, cpus), of_32, "{len} on {cpus}");
        assert_eq!(sort::choose::<u64>(len, cpus), of_64, "{len} on {cpus}");
    }
}
