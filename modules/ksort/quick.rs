// SPDX-License-Identifier: GPL-2.0

//! Quicksort: words that are less than a pivot go before the others, and so on
//! in both parts.
//!
//! No input makes it slow. What is in order, either way round, takes one look. The
//! pivot is chosen at random, so that no simple pattern is at odds with it; and once too
//! many parts of parts were badly divided all the same, as by input that is made
//! for this, heap sort has what is left. Words that are the same are divided off
//! together.

use core::{cell::Cell, mem::swap};

/// So many words are sorted by insertion.
const FEW: usize = 20;

/// From so many words on, the pivot is a median of nine and not of three.
const MANY: usize = 64;

/// Sorts in place; `heap_sort` is for what is built against quicksort.
pub(crate) fn sort<W: Copy + Ord>(words: &mut [W], heap_sort: &impl Fn(&mut [W])) {
    if in_order(words, W::le) {
        return;
    }
    if in_order(words, W::ge) {
        return reverse(words);
    }
    let bad_limit = usize::BITS.wrapping_sub(words.len().leading_zeros());
    divide(words, bad_limit, &mut Random(1), heap_sort);
}

fn in_order<W>(words: &[W], is: impl Fn(&W, &W) -> bool) -> bool {
    let mut before = None;
    words.iter().all(|word| {
        let before = before.replace(word);
        before.map_or(true, |before| is(before, word))
    })
}

fn reverse<W>(words: &mut [W]) {
    let mut words = words.iter_mut();
    while let (Some(first), Some(last)) = (words.next(), words.next_back()) {
        swap(first, last);
    }
}

/// Sorts by quicksort until `bad_limit` divisions, each of a part of the last, were bad.
///
/// The recursion is as deep as the words can be halved, since it is for the
/// smaller part.
fn divide<W: Copy + Ord>(
    mut words: &mut [W],
    mut bad_limit: u32,
    random: &mut Random,
    heap_sort: &impl Fn(&mut [W]),
) {
    while words.len() > FEW {
        let len = words.len();
        let pivot = match pivot(words, random) {
            Some(pivot) if bad_limit > 0 => pivot,
            _ => return heap_sort(words),
        };
        let less = partition(words, |word| word < pivot);
        let (smaller, larger) = if less == 0 {
            // The pivot is the least: those that are the same are in place then.
            let same = partition(words, |word| word <= pivot);
            (Default::default(), words.split_at_mut(same.min(len)).1)
        } else {
            let (low, high) = words.split_at_mut(less.min(len));
            if low.len() < high.len() {
                (low, high)
            } else {
                (high, low)
            }
        };
        if larger.len() > len.wrapping_sub(len / 8) {
            bad_limit = bad_limit.wrapping_sub(1);
        }
        divide(smaller, bad_limit, random, heap_sort);
        words = larger;
    }
    insertion_sort(words);
}

/// Moves those for which `is_first` before the others; how many they are.
///
/// Each word changes places with the first of the others, itself if there are none
/// yet. So nothing branches on what is random: such a branch is guessed wrongly
/// every other time, and then takes longer than all the rest.
fn partition<W: Copy>(words: &mut [W], is_first: impl Fn(W) -> bool) -> usize {
    let words = Cell::from_mut(words).as_slice_of_cells();
    let mut firsts = 0usize;
    for at in words {
        let other = match words.get(firsts) {
            Some(other) => other,
            // No more than were looked at.
            None => break,
        };
        let word = at.get();
        at.set(other.replace(word));
        firsts = firsts.wrapping_add(is_first(word).into());
    }
    firsts
}

fn insertion_sort<W: Copy + Ord>(words: &mut [W]) {
    let words = Cell::from_mut(words).as_slice_of_cells();
    for (n, at) in words.iter().enumerate() {
        let word = at.get();
        let mut gap = at;
        for before in words.get(..n).unwrap_or_default().iter().rev() {
            if before.get() <= word {
                break;
            }
            gap.set(before.get());
            gap = before;
        }
        gap.set(word);
    }
}

/// The median of some words; there is one if there are words.
fn pivot<W: Copy + Ord>(words: &[W], random: &mut Random) -> Option<W> {
    let mut any = || words.get(random.below(words.len())).copied();
    let mut any_three = || Some(median(any()?, any()?, any()?));
    if words.len() < MANY {
        return any_three();
    }
    Some(median(any_three()?, any_three()?, any_three()?))
}

fn median<W: Ord + Copy>(a: W, b: W, c: W) -> W {
    let (less, more) = if a < b { (a, b) } else { (b, a) };
    less.max(more.min(c))
}

/// Numbers that have nothing to do with the words, the same ones for each sort.
struct Random(u64);

impl Random {
    /// One that is less than `end`, which is at most 2^32.
    fn below(&mut self, end: usize) -> usize {
        // Knuth's linear congruential generator, whose high bits are good.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 32).wrapping_mul(end as u64) >> 32) as usize
    }
}
