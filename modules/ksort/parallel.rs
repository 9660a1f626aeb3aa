// SPDX-License-Identifier: GPL-2.0

//! Radix sort by several threads.
//!
//! What is sorted by one thread cannot be written to by another, so the words
//! are first brought into ranges, each of which is sorted on its own:
//!
//! ```text
//!     chunks              chunks              ranges
//!   ┌────────┐  1 move  ┌────────┐ 2 gather ┌────────┐
//!   │ words  │ ───────> │scratch │ ───────> │ words  │
//!   └────────┘  by high └────────┘ and sort └────────┘
//!               digit
//! ```
//!
//! 1. Each chunk of the words is moved to the same place of the scratch memory,
//!    by its high digit, which begins with the highest bit in which any words
//!    differ. A range, which is a span of high digits, is one piece of each chunk.
//! 2. Each range is gathered from its pieces, to its place among the words. That
//!    is the first pass of a radix sort by the digits that are left; the others
//!    go to and fro between there and memory that each worker has.
//! 3. A range that is larger than such memory has its part of the scratch memory
//!    instead, which nobody else needs any more.
//!
//! In 1 the words could go to their ranges at once, but then each thread would
//! have to write to all of them.
//!
//! 32 bits take as many passes as in a serial sort, as the low digits are wider: 6
//! bits or more are the same in a range, and 13 + 13 are left. The tables are
//! large, but a range and a table still are in a second-level cache together.

use super::{
    differences, in_blocks, parts, parts_mut, quick,
    radix::{accumulate, by_four, count, entry, scatter, Digits, Table, BITS, DIGITS},
    Outcome, Platform, Word,
};
use core::{
    array::from_fn,
    iter::once,
    mem::{swap, take},
    sync::atomic::{AtomicBool, Ordering},
};

/// The high digit is as wide as those of a serial sort. Its upper 6 bits are
/// those of a group: no range has words of two groups, so that 6 bits of a word
/// need not be looked at any more.
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
/// to be sorted by quicksort.
const SMALL: usize = 512;

/// Words that are looked at for a guess at the high digit.
const SAMPLE: usize = 1024;

/// The words for which each worker has memory, if there are `len` to be sorted:
/// a little more than there are in a group of random words.
pub(crate) fn memory_len(len: usize) -> usize {
    (len / 48).clamp(SMALL, 1 << 16)
}

/// Sorts with the help of as much `scratch` memory, and of as many threads as
/// there are `low_tables`, and have [`memory_len`] words of `memory` each.
#[cold]
pub(crate) fn sort<W: Word>(
    platform: &impl Platform,
    words: &mut [W],
    scratch: &mut [W],
    flip: W,
    tables: &mut HighDigits,
    low_tables: &mut [LowDigits],
    memory: &mut [W],
) -> Outcome {
    let stop = Stop::new(platform);
    let [ends, chunks @ ..] = tables;
    let chunk_len = (words.len() / CHUNKS).wrapping_add(1);
    let chunks_len = words.len().wrapping_add(chunk_len).wrapping_sub(1) / chunk_len;
    let (chunks, _) = chunks.split_at_mut(chunks_len.min(CHUNKS));
    let memory_len = memory_len(words.len());
    let (mut low_tables, mut memories) = (low_tables.iter_mut(), parts_mut(memory, memory_len));
    let mut workers: [_; MAX_WORKERS] = from_fn(|_| low_tables.next().zip(memories.next()));
    let workers_len = workers.iter().flatten().count();
    let (workers, _) = workers.split_at_mut(workers_len);
    let mut outcome = Outcome {
        stopped: true,
        in_scratch: false,
        workers: 1,
    };

    // 1
    let first = match words.first() {
        Some(first) => *first,
        None => {
            outcome.stopped = false;
            return outcome;
        }
    };
    let sample = parts(words, (words.len() / SAMPLE).max(1));
    let mut differ = differences(first, sample.filter_map(|some| some.first()));
    let shift = loop {
        let high = differ.highest_one().unwrap_or(0);
        let shift = high.saturating_sub(HIGH_BITS - 1);
        let mut differ_in_chunks = [W::ZERO; CHUNKS];
        let items = parts(words, chunk_len)
            .zip(parts_mut(scratch, chunk_len))
            .zip(chunks.iter_mut().zip(&mut differ_in_chunks));
        let took_part = platform.for_each(workers, items, |_, ((from, to), (table, differ))| {
            table.fill(0);
            let counted = stop.in_blocks(from, |block| {
                *differ = *differ | count_and_compare(block, shift, table, first);
            });
            accumulate(table, flip.bits_from(shift));
            if counted {
                stop.in_blocks(from, |block| scatter(block, to, shift, table));
            }
        });
        outcome.workers = outcome.workers.max(took_part);
        if stop.was_seen() {
            return outcome;
        }
        differ = differ_in_chunks
            .iter()
            .fold(W::ZERO, |all, some| all | *some);
        match differ.highest_one() {
            Some(highest) if highest <= high => break shift,
            // Few words differ in higher bits, and the sample had none of them.
            Some(_) => {}
            None => {
                // All words are the same.
                outcome.stopped = false;
                return outcome;
            }
        }
    };

    // 2
    let high_flip = flip.bits_from(shift);
    // A table has where each digit ends, now that it is full.
    for (nth, end) in ends.iter_mut().enumerate() {
        *end = chunks.iter().fold(0, |sum: u32, table| {
            sum.wrapping_add(table[(nth ^ high_flip) & (DIGITS - 1)])
        });
    }
    // Two ranges and more for each worker, and none that is too large for its
    // memory if that can be had.
    let share = words.len() / workers_len.max(1);
    let ranges = Ranges {
        ends,
        limit: (share / 2).wrapping_add(words.len() / 64).min(memory_len),
        next: 0,
    };
    let pieces = |range: &Range| {
        let (first, end) = (range.first, range.end);
        let pieces = chunks
            .iter()
            .map(move |table| begin(table, first, high_flip)..begin(table, end, high_flip));
        let chunks = parts(scratch, chunk_len).zip(pieces);
        chunks.map(|(chunk, piece)| chunk.get(piece).unwrap_or_default())
    };
    let took_part = platform.for_each(workers, ranges.split(words), |worker, (range, to)| {
        let (table, memory) = match worker {
            Some((table, memory)) => (&mut **table, &mut **memory),
            // There is none without.
            None => return stop.see(),
        };
        if range.len < SMALL {
            copy(to, pieces(&range).flatten());
            if quick(platform, to, flip).stopped {
                stop.see();
            }
            return;
        }
        let bits = range.bits(shift);
        let (to, other) = match memory.get_mut(..range.len) {
            // So that the last pass is to where the words belong.
            Some(memory) if passes(bits) % 2 == 0 => (memory, to),
            Some(memory) => (to, memory),
            None => (to, Default::default()),
        };
        pass(&stop, pieces(&range), to, 0, flip, table);
        if !other.is_empty() {
            other_passes(&stop, to, other, bits, flip, table);
        }
    });
    outcome.workers = outcome.workers.max(took_part);
    if stop.was_seen() {
        outcome.in_scratch = true;
        return outcome;
    }

    // 3
    outcome.stopped = false;
    if !ranges.into_iter().any(|range| range.len > memory_len) {
        return outcome;
    }
    let items = ranges.split(words).zip(ranges.split(scratch));
    let large = items.filter(|((range, _), _)| range.len > memory_len);
    let took_part = platform.for_each(workers, large, |worker, ((range, words), (_, scratch))| {
        let table = match worker {
            Some((table, _)) => &mut **table,
            None => return stop.see(),
        };
        // Stopped or not: all ranges have to be in the same place.
        if other_passes(&stop, words, scratch, range.bits(shift), flip, table) {
            copy(words, scratch.iter());
        }
    });
    outcome.workers = outcome.workers.max(took_part);
    outcome.stopped = stop.was_seen();
    outcome
}

/// Counts the digits at `shift`; the bits in which any of `words` differs from
/// `first`.
#[inline(never)]
fn count_and_compare<W: Word>(words: &[W], shift: u32, table: &mut Digits, first: W) -> W {
    let mut differ = W::ZERO;
    by_four(words, |word| {
        let n = entry(table, word, shift);
        *n = n.wrapping_add(1);
        differ = differ | (word ^ first);
    });
    differ
}

fn copy<'a, W: Word + 'a>(to: &mut [W], from: impl Iterator<Item = &'a W>) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// The passes that it takes to sort by so many low bits: one at least.
fn passes(bits: u32) -> u32 {
    (bits.saturating_sub(1) / LOW_BITS).wrapping_add(1)
}

/// The passes for all low digits but the first; whether the words are in `other`
/// then. They are in the one or the other also if this was stopped.
#[cold]
fn other_passes<W: Word>(
    stop: &Stop<'_, impl Platform>,
    words: &mut [W],
    other: &mut [W],
    bits: u32,
    flip: W,
    table: &mut LowDigits,
) -> bool {
    let (mut from, mut to) = (words, other);
    let mut in_other = false;
    for digit in 1..passes(bits) {
        let shift = digit.wrapping_mul(LOW_BITS);
        if !pass(stop, once(&*from), to, shift, flip, table) {
            break;
        }
        swap(&mut from, &mut to);
        in_other = !in_other;
    }
    in_other
}

/// A pass for the low digit at `shift`; false if it was stopped.
#[cold]
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

/// Where the words of the `nth` digit begin, in the order that `flip` makes.
fn begin(ends: &Digits, nth: usize, flip: usize) -> usize {
    nth.checked_sub(1)
        .map_or(0, |before| ends[(before ^ flip) & (DIGITS - 1)] as usize)
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
}

/// All ranges, in order.
///
/// A range ends with its group, and before it has more than `limit` words,
/// unless these all have the same digit: so there is work for everybody.
#[derive(Clone, Copy)]
struct Ranges<'a> {
    /// Where the words of each digit end.
    ends: &'a Digits,
    limit: usize,
    next: usize,
}

impl<'a> Ranges<'a> {
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
        let begin_of = |nth| begin(self.ends, nth, 0);
        let mut end = first;
        let mut len = 0;
        loop {
            let longer = begin_of(end.wrapping_add(1)).wrapping_sub(begin_of(first));
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
