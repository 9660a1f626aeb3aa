// SPDX-License-Identifier: GPL-2.0

//! Radix sort: by one digit after the other, from the least significant on.
//!
//! Each pass is stable: words of the same digit stay in the order in which the
//! passes before left them. A pass knows how often each digit occurs, hence
//! where the words of each digit begin, and moves each word to the next place
//! of its digit.

use super::{in_blocks, Outcome, Platform, Word};
use core::mem::{replace, swap};

/// For each value of a digit: how often it occurs, or the place of the next
/// word that has it. (So there are at most 2^32 - 1 words.)
pub(crate) type Table<const N: usize> = [u32; N];

/// 3 digits of 11 bits in 32, and 6 in 64, where bytes are 4 and 8. The table
/// of one is in a first-level cache with room to spare.
pub(super) const BITS: u32 = 11;
pub(super) const DIGITS: usize = 1 << BITS;
pub(crate) type Digits = Table<DIGITS>;

/// The digits of a word, and so the tables that it takes to sort some.
pub(crate) const fn digits<W: Word>() -> usize {
    ((W::BITS + BITS - 1) / BITS) as usize
}

/// Sorts with the help of as much `scratch` memory, and of `D` tables: as many
/// as there are [`digits`].
// By itself it is seldom called: see `count`.
#[cold]
pub(crate) fn sort<W: Word, const D: usize>(
    platform: &impl Platform,
    words: &mut [W],
    scratch: &mut [W],
    flip: W,
    tables: &mut [Digits; D],
) -> Outcome {
    let stop = || platform.should_stop();
    let mut outcome = Outcome {
        stopped: true,
        in_scratch: false,
        workers: 1,
    };

    // All digits at once, as a word is loaded only once then.
    tables.iter_mut().for_each(|table| table.fill(0));
    let counted = in_blocks(words, stop, |block| count_all(block, tables));
    if !counted {
        return outcome;
    }

    let (mut from, mut to) = (words, scratch);
    for (digit, table) in (0..D).zip(tables.iter_mut()) {
        let shift = shift(digit);
        if all_have_one_digit(table, from, shift) {
            continue;
        }
        accumulate(table, flip.bits_from(shift));
        if !in_blocks(from, stop, |block| scatter(block, to, shift, table)) {
            // `from` has them all.
            return outcome;
        }
        swap(&mut from, &mut to);
        outcome.in_scratch = !outcome.in_scratch;
    }
    outcome.stopped = false;
    outcome
}

/// Counts all digits.
#[inline(never)]
fn count_all<W: Word, const D: usize>(words: &[W], tables: &mut [Digits; D]) {
    by_four(words, |word| {
        for (digit, table) in (0..D).zip(tables.iter_mut()) {
            let n = entry(table, word, shift(digit));
            *n = n.wrapping_add(1);
        }
    });
}

/// Calls `f` for each of `words`, for four at a time: half of what a short loop
/// does is else to count.
#[inline(always)]
pub(super) fn by_four<W: Word>(words: &[W], mut f: impl FnMut(W)) {
    // Whole fours: by this, the compiler knows that there is no remainder.
    let (fours, rest) = words.split_at(words.len() & !3);
    for four in fours.chunks_exact(4) {
        if let [a, b, c, d] = *four {
            f(a);
            f(b);
            f(c);
            f(d);
        }
    }
    for word in rest {
        f(*word);
    }
}

fn shift(digit: usize) -> u32 {
    (digit as u32).wrapping_mul(BITS)
}

/// The entry of the digit that `word` has at `shift`.
#[inline(always)]
pub(super) fn entry<W: Word, const N: usize>(
    table: &mut Table<N>,
    word: W,
    shift: u32,
) -> &mut u32 {
    // No index is beyond a table of a power of two, and the compiler knows.
    &mut table[word.bits_from(shift) & (N - 1)]
}

/// Counts the digits at `shift`.
// Of many words, like all that has a loop here: one copy of it is enough.
#[inline(never)]
pub(super) fn count<W: Word, const N: usize>(words: &[W], shift: u32, table: &mut Table<N>) {
    by_four(words, |word| {
        let n = entry(table, word, shift);
        *n = n.wrapping_add(1);
    });
}

/// Whether a pass for the digit at `shift`, which is counted, would change
/// nothing.
pub(super) fn all_have_one_digit<W: Word, const N: usize>(
    table: &mut Table<N>,
    words: &[W],
    shift: u32,
) -> bool {
    words.first().map_or(true, |first| {
        *entry(table, *first, shift) as usize == words.len()
    })
}

/// Makes places of counts, for digits that grow once `flip` is laid over them.
#[inline(never)]
pub(super) fn accumulate<const N: usize>(table: &mut Table<N>, flip: usize) {
    let mut sum = 0u32;
    let mut place = |n: &mut u32| sum = sum.wrapping_add(replace(n, sum));
    match flip & (N - 1) {
        // All digits but the one with the sign have one of these.
        0 => table
            .chunks_exact_mut(4)
            .for_each(|four| four.iter_mut().for_each(&mut place)),
        flip if flip == N - 1 => table
            .chunks_exact_mut(4)
            .rev()
            .for_each(|four| four.iter_mut().rev().for_each(&mut place)),
        flip => (0..N).for_each(|digit| place(&mut table[(digit ^ flip) & (N - 1)])),
    }
}

/// Moves each of `words` to its place in `to`.
#[inline(never)]
pub(super) fn scatter<W: Word, const N: usize>(
    words: &[W],
    to: &mut [W],
    shift: u32,
    places: &mut Table<N>,
) {
    by_four(words, |word| {
        let place = entry(places, word, shift);
        let at = *place as usize;
        *place = place.wrapping_add(1);
        if let Some(to) = to.get_mut(at) {
            *to = word;
        }
    });
}
