//! How many comparisons the quicksort takes, however the words lie.

use std::cell::Cell;
use std::cmp::Ordering;

use crate::adversary::against;
use crate::numbers::{Pattern, PATTERNS};
use crate::sort::quick;

thread_local! {
    static COMPARISONS: Cell<usize> = Cell::new(0);
}

/// A number that counts how often any is compared with another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counted(i32);

impl Ord for Counted {
    fn cmp(&self, other: &Counted) -> Ordering {
        COMPARISONS.with(|n| n.set(n.get() + 1));
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Counted) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What it took to sort some numbers.
#[derive(Debug)]
struct Cost {
    comparisons: usize,
    /// Words that were left to heap sort, whose comparisons are not counted.
    left: usize,
}

fn cost(numbers: &[i32]) -> Cost {
    let mut words: Vec<Counted> = numbers.iter().copied().map(Counted).collect();
    let left = Cell::new(0);
    COMPARISONS.with(|n| n.set(0));
    quick::sort(&mut words, &|part: &mut [Counted]| {
        left.set(left.get() + part.len());
        part.sort_by_key(|word| word.0);
    });
    let mut expected = numbers.to_vec();
    expected.sort_unstable();
    assert!(words.iter().map(|word| word.0).eq(expected));
    Cost {
        comparisons: COMPARISONS.with(Cell::get),
        left: left.get(),
    }
}

/// Fails unless quicksort alone sorts them, with no more comparisons than it is to take.
#[track_caller]
fn assert_n_log_n(numbers: &[i32], what: &str) {
    let cost = cost(numbers);
    assert_eq!(cost.left, 0, "{what}");
    assert!(cost.comparisons <= most(numbers.len()), "{what}: {cost:?}");
}

/// 1.39 n log n is what a random pivot takes of random numbers, on average.
fn most(len: usize) -> usize {
    (1.6 * len as f64 * (len as f64).log2()) as usize
}

const SIZES: [usize; 5] = [64, 100, 1_000, 10_000, 100_000];

#[test]
fn all_patterns_take_n_log_n() {
    for len in SIZES {
        for pattern in PATTERNS {
            for seed in 0..10 {
                let what = format!("{pattern:?}, {len}, seed {seed}");
                assert_n_log_n(&pattern.numbers(len, seed), &what);
            }
        }
    }
}

/// Each way to choose pivots by where they lie has its numbers of periods that it gets wrong.
#[test]
fn what_comes_again_and_again_takes_n_log_n() {
    for len in [1_000, 10_000] {
        for periods in 2..100 {
            let rising = (0..len).map(|n| (n * periods % len) as i32);
            let falling: Vec<i32> = rising.clone().map(|n| -n).collect();
            assert_n_log_n(&falling, &format!("{len} fall {periods} times"));
            let rising: Vec<i32> = rising.collect();
            assert_n_log_n(&rising, &format!("{len} rise {periods} times"));
        }
    }
}

#[test]
fn one_look_is_enough_for_what_is_in_order() {
    for len in SIZES {
        let sorted: Vec<i32> = (0..len as i32).collect();
        assert_eq!(cost(&sorted).comparisons, len - 1);
        // The second look is the other way round.
        let reversed: Vec<i32> = sorted.into_iter().rev().collect();
        assert_eq!(cost(&reversed).comparisons, len);
        assert_eq!(cost(&vec![7; len]).comparisons, len - 1);
    }
}

#[test]
fn few_distinct_numbers_take_n() {
    for len in [1_000, 100_000] {
        for distinct in 2..10 {
            let mut numbers: Vec<i32> = Pattern::Random.numbers(len, 1);
            numbers.iter_mut().for_each(|n| *n = n.rem_euclid(distinct));
            let cost = cost(&numbers);
            let most = len as f64 * (5.0 + f64::from(distinct).log2());
            assert!(
                cost.comparisons as f64 <= most,
                "{len}, {distinct}: {cost:?}"
            );
        }
    }
}

#[test]
fn the_worst_input_is_left_to_heap_sort_soon() {
    for len in SIZES {
        let numbers = against(len, |places| {
            quick::sort(places, &|part: &mut [_]| part.sort());
        });
        let cost = cost(&numbers);
        assert!(cost.left > len / 2, "{len}: {cost:?}");
        assert!(cost.comparisons <= most(len), "{len}: {cost:?}");
    }
}
