// SPDX-License-Identifier: GPL-2.0

//! Radix sort by several threads.
//!
//! What is sorted by one thread cannot be written to by another, so the words
//! are first brought into ranges, each of which is sorted on its own:
//!
//! ```text
//!         chunks             chunks             ranges           ranges
//!       ┌────────┐ 2 move  ┌────────┐ 3 move  ┌────────┐ 4 the ┌────────┐
//!       │ words  │ ──────> │scratch │ ──────> │ words  │ rest  │scratch │
//!       └────────┘ by high └────────┘ by low  └────────┘ ────> └────────┘
//!     1 count high  digit              digit
//! ```
//!
//! 1. Each chunk of the words is counted by its high digit. If that is the same
//!    for all words, the next one is the high digit.
//! 2. Each chunk is moved to the same place of the scratch memory, by the high
//!    digit. A range, which is a span of high digits, is one piece of each chunk.
//! 3. Each range is gathered from its pieces, in its place among the words. That
//!    is a pass of a radix sort, by the lowest digit.
//! 4. Each range is sorted by its other digits.
//!
//! In 2 the words could go to their ranges at once, but then each thread would
//! have to write to all of them.
//!
//! That is one pass more than a serial sort has, and to make up for it the low
//! digits are wider: 6 bits or more of 32 are the same in a range, and 13 + 13
//! are left. The tables are large, but a range and a table still are in a
//! second-level cache together.

use super::{
    in_blocks, quick,
    radix::{accumulate, all_have_one_digit, count, scatter, Digits, Table, BITS, DIGITS},
    Outcome, Platform, Word,
};
use core::{
    iter::once,
    mem::{swap, take},
    sync::atomic::{AtomicBool, Ordering},
};

/// The high digit is as wide as those of a serial sort. Its upper 6 bits are
/// those of a group: no range has words of two groups.
const HIGH_BITS: u32 = BITS;
const GROUP_BITS: u32 = HIGH_BITS - 6;

/// The low digits; each worker has a table for them.
const LOW_BITS: u32 = 13;
pub(crate) type LowDigits = Table<{ 1 << LOW_BITS }>;

/// There are more chunks than workers, as one of these may have less of a CPU
/// than another.
pub(crate) const CHUNKS: usize = 16;
pub(crate) const MAX_WORKERS: usize = CHUNKS;

/// Tables for high digits: one for each chunk, and one for all words.
pub(crate) type HighDigits = [Digits; CHUNKS + 1];

/// A range of fewer words is not worth a table: it takes as many instructions
/// to be sorted by core's sort.
const SMALL: usize = 512;

/// Sorts with the help of as much `scratch` memory, and of as many threads as
/// there are `workers`.
pub(crate) fn sort<W: Word>(
    platform: &impl Platform,
    words: &mut [W],
    scratch: &mut [W],
    flip: W,
    tables: &mut HighDigits,
    workers: &mut [LowDigits],
) -> Outcome {
    let stop = Stop::new(platform);
    let [places, chunks @ ..] = tables;
    let chunk_len = (words.len() / CHUNKS).wrapping_add(1);
    let mut outcome = Outcome {
        stopped: true,
        in_scratch: false,
        workers: 1,
    };

    // 1
    let mut shift = W::BITS;
    loop {
        if shift == 0 {
            // All words are the same.
            outcome.stopped = false;
            return outcome;
        }
        shift = shift.saturating_sub(HIGH_BITS);
        chunks.iter_mut().for_each(|table| table.fill(0));
        let items = words.chunks(chunk_len).zip(chunks.iter_mut());
        let took_part = platform.for_each(workers, items, |_, (chunk, table)| {
            stop.in_blocks(chunk, |block| count(block, shift, table));
        });
        outcome.workers = outcome.workers.max(took_part);
        if stop.was_seen() {
            return outcome;
        }
        places.fill(0);
        for table in chunks.iter() {
            for (sum, n) in places.iter_mut().zip(table) {
                *sum = sum.wrapping_add(*n);
            }
        }
        if !all_have_one_digit(places, words, shift) {
            break;
        }
    }

    // 2
    let high_flip = flip.bits_from(shift);
    accumulate(places, high_flip);
    let items = words
        .chunks(chunk_len)
        .zip(scratch.chunks_mut(chunk_len))
        .zip(chunks.iter_mut());
    platform.for_each(workers, items, |_, ((from, to), table)| {
        accumulate(table, high_flip);
        stop.in_blocks(from, |block| scatter(block, to, shift, table));
    });
    if stop.was_seen() {
        return outcome;
    }

    // 3
    let ranges = Ranges {
        places,
        flip: high_flip,
        total: words.len(),
        limit: (words.len() / workers.len().max(1) / 2).wrapping_add(words.len() / 64),
        next: 0,
    };
    let pieces = |range: &Range| {
        let (first, end) = (range.first, range.end);
        let ends = chunks.iter().map(move |table| {
            // A table has where each digit ends, now that it is full.
            let end_of = |digit| order(table, digit, high_flip);
            first.checked_sub(1).map_or(0, end_of)..end_of(end.wrapping_sub(1))
        });
        let chunks = scratch.chunks(chunk_len.max(1)).zip(ends);
        chunks.map(|(chunk, piece)| chunk.get(piece).unwrap_or_default())
    };
    platform.for_each(workers, ranges.split(words), |table, (range, to)| {
        if range.is_sorted_by_radix(shift) {
            pass(&stop, pieces(&range), to, 0, flip, table);
        } else {
            let words = pieces(&range).flatten();
            to.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        }
    });
    if stop.was_seen() {
        outcome.in_scratch = true;
        return outcome;
    }

    // 4
    let other_digits = shift.wrapping_add(GROUP_BITS - 1) / LOW_BITS;
    outcome.in_scratch = other_digits % 2 == 1;
    let items = ranges.split(words).zip(ranges.split(scratch));
    platform.for_each(workers, items, |table, ((range, words), (_, scratch))| {
        let (mut from, mut to) = (words, scratch);
        let mut in_scratch = false;
        if range.is_sorted_by_radix(shift) {
            let mut digit = LOW_BITS;
            while digit < range.bits(shift) && pass(&stop, once(&*from), to, digit, flip, table) {
                swap(&mut from, &mut to);
                in_scratch = !in_scratch;
                digit = digit.wrapping_add(LOW_BITS);
            }
        } else if range.bits(shift) > 0 && quick(platform, from, flip).stopped {
            stop.see();
        }
        // Stopped or not: all ranges have to be in the same place.
        if in_scratch != outcome.in_scratch {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    });
    outcome.stopped = stop.was_seen();
    outcome
}

/// A pass of a radix sort, for the low digit at `shift`; false if it was stopped.
fn pass<'a, W: Word + 'a>(
    stop: &Stop<'_, impl Platform>,
    mut pieces: impl Iterator<Item = &'a [W]> + Clone,
    to: &mut [W],
    shift: u32,
    flip: W,
    table: &mut LowDigits,
) -> bool {
    table.fill(0);
    let counted = pieces
        .clone()
        .all(|piece| stop.in_blocks(piece, |block| count(block, shift, table)));
    accumulate(table, flip.bits_from(shift));
    counted && pieces.all(|piece| stop.in_blocks(piece, |block| scatter(block, to, shift, table)))
}

/// What a table has for the `nth` digit, in the order that `flip` makes.
fn order(table: &Digits, nth: usize, flip: usize) -> usize {
    table[(nth ^ flip) & (DIGITS - 1)] as usize
}

/// The words of some high digits that follow each other, up to `end`.
struct Range {
    first: usize,
    end: usize,
    len: usize,
}

impl Range {
    /// The low bits by which its words can differ.
    fn bits(&self, shift: u32) -> u32 {
        let differ = self.first ^ self.end.wrapping_sub(1);
        shift.wrapping_add(usize::BITS.wrapping_sub(differ.leading_zeros()))
    }

    fn is_sorted_by_radix(&self, shift: u32) -> bool {
        self.len >= SMALL && self.bits(shift) > 0
    }
}

/// All ranges, in order.
///
/// A range ends with its group, and before it has more than `limit` words,
/// unless these all have the same digit: so there is work for everybody.
#[derive(Clone, Copy)]
struct Ranges<'a> {
    /// Where the words of each digit begin.
    places: &'a Digits,
    flip: usize,
    total: usize,
    limit: usize,
    next: usize,
}

impl<'a> Ranges<'a> {
    fn begin(&self, nth: usize) -> usize {
        if nth < DIGITS {
            order(self.places, nth, self.flip)
        } else {
            self.total
        }
    }

    /// The ranges with their parts of `words`.
    fn split<W>(self, mut words: &'a mut [W]) -> impl Iterator<Item = (Range, &'a mut [W])> {
        self.map(move |range| {
            let len = range.len.min(words.len());
            let (part, rest) = take(&mut words).split_at_mut(len);
            words = rest;
            (range, part)
        })
    }
}

impl Iterator for Ranges<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        let first = self.next;
        if first >= DIGITS {
            return None;
        }
        let begin = self.begin(first);
        let mut end = first;
        let mut len = 0;
        loop {
            let longer = self.begin(end.wrapping_add(1)).wrapping_sub(begin);
            if end > first && longer > self.limit {
                break;
            }
            end = end.wrapping_add(1);
            len = longer;
            if end % (1 << GROUP_BITS) == 0 {
                break;
            }
        }
        self.next = end;
        Some(Range { first, end, len })
    }
}

/// Whether to stop, for several threads: what one has seen holds for all, and
/// for what comes after.
struct Stop<'a, P> {
    platform: &'a P,
    seen: AtomicBool,
}

impl<'a, P: Platform> Stop<'a, P> {
    fn new(platform: &'a P) -> Self {
        Stop {
            platform,
            seen: AtomicBool::new(false),
        }
    }

    fn see(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    fn was_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    fn in_blocks<W>(&self, words: &[W], f: impl FnMut(&[W])) -> bool {
        let stop = || {
            if self.platform.should_stop() {
                self.see();
            }
            self.was_seen()
        };
        in_blocks(words, stop, f)
    }
}
