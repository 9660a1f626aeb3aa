// SPDX-License-Identifier: GPL-2.0

//! How numbers are sorted: over slices, with no kernel in it.
//!
//! All types and orders are sorted as unsigned words that grow: a signed
//! number with its sign bit inverted compares as an unsigned one, and with all
//! its bits inverted any number compares the other way round. So there are two
//! sizes of words and a mask, `flip`, that is laid over them by XOR.
//!
//! | algorithm | place | instructions |
//! | --- | --- | --- |
//! | [`heap`], the kernel's own | in place | n log n, always; above 2^18 words, they are divided by bits first |
//! | [`quick`](quick()), a quicksort | in place | n log n, fewer; n if sorted before, either way round; divided likewise |
//! | [`radix`] | as much again, and 24 or 48 KiB | n |
//! | [`parallel`] | as much again, 136 KiB, and for each worker 32 KiB and a 48th of the set, 65,536 words at most | n, shared by several CPUs |
//!
//! What takes long asks now and then whether it is to stop. If so it ends soon,
//! with all words still there, in whatever order.

use core::{
    iter::from_fn,
    mem::take,
    ops::{BitOr, BitXor},
};

pub(crate) mod parallel;
pub(crate) mod quick;
pub(crate) mod radix;

/// What is sorted: the bits of a number.
pub(crate) trait Word:
    Copy + Ord + Send + Sync + BitOr<Output = Self> + BitXor<Output = Self>
{
    const BITS: u32;
    const ZERO: Self;
    const SIGN: Self;
    const ONES: Self;

    /// The bits from `shift` on; the higher ones may be cut off.
    fn bits_from(self, shift: u32) -> usize;

    /// The highest bit that is 1.
    fn highest_one(self) -> Option<u32>;
}

macro_rules! words {
    ($($type:ident)*) => {$(
        impl Word for $type {
            const BITS: u32 = $type::BITS;
            const ZERO: Self = 0;
            const SIGN: Self = 1 << ($type::BITS - 1);
            const ONES: Self = $type::MAX;

            #[inline(always)]
            fn bits_from(self, shift: u32) -> usize {
                self.wrapping_shr(shift) as usize
            }

            fn highest_one(self) -> Option<u32> {
                $type::BITS.wrapping_sub(self.leading_zeros()).checked_sub(1)
            }
        }
    )*};
}
words!(u32 u64);

/// The mask under which words of a type, in an order, compare as they are.
pub(crate) fn flip<W: Word>(signed: bool, down: bool) -> W {
    (if signed { W::SIGN } else { W::ZERO }) ^ (if down { W::ONES } else { W::ZERO })
}

/// What a sort needs of the place where it runs.
pub(crate) trait Platform: Sync {
    /// Whether to give up; called by workers, too.
    fn should_stop(&self) -> bool;

    /// Sorts a part by heap sort.
    fn heap_sort<W: Word>(&self, words: &mut [W]);

    /// Calls `f` once for each of `items`, on as many threads as there are
    /// `workers`, of which each has its own; returns when all calls have. How
    /// many threads took part.
    fn for_each<S: Send, T>(
        &self,
        workers: &mut [S],
        items: impl Iterator<Item = T> + Send,
        f: impl Fn(&mut S, T) + Sync,
    ) -> usize;
}

/// How a sort ended.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Outcome {
    /// It was told to stop: the words are all there, but in no order.
    pub(crate) stopped: bool,
    /// The words are in the scratch memory now, not where they were.
    pub(crate) in_scratch: bool,
    /// Threads that sorted.
    pub(crate) workers: usize,
}

#[derive(Clone, Copy)]
#[cfg_attr(test, derive(PartialEq, Debug))]
pub(crate) enum Algorithm {
    Heap,
    Quick,
    Radix,
    Parallel,
}

/// The algorithm for `len` words when there are `cpus`.
///
/// The limits are where two algorithms take the same for random words. At that
/// of [`Radix`](Algorithm::Radix), counted on arm64, [`Quick`](Algorithm::Quick)
/// takes 141 instructions for each word of 32 bits and 162 for each of 64; a radix
/// sort takes 51 and 103, and 42,000 and 63,000 once, for memory and tables. That of
/// [`Parallel`](Algorithm::Parallel) is in time, and one for all numbers of CPUs:
/// at 200,000 it is slower than the serial sort with 2 CPUs, and with 4 emulated by
/// 2, and at 500,000 it is faster. [`Heap`](Algorithm::Heap) is never the best.
/// docs/bench.md has the crossings.
pub(crate) fn choose<W: Word>(len: usize, cpus: usize) -> Algorithm {
    let radix_from = if W::BITS == 32 { 450 } else { 1_100 };
    if cpus > 1 && len >= 300_000 {
        Algorithm::Parallel
    } else if len >= radix_from {
        Algorithm::Radix
    } else {
        Algorithm::Quick
    }
}

/// The kernel's `sort()`.
pub(crate) fn heap<W: Word>(platform: &impl Platform, words: &mut [W], flip: W) -> Outcome {
    in_place(platform, words, flip, &|part| platform.heap_sort(part))
}

/// Quicksort, which falls back to heap sort.
pub(crate) fn quick<W: Word>(platform: &impl Platform, words: &mut [W], flip: W) -> Outcome {
    in_place(platform, words, flip, &|part| {
        quick::sort(part, &|rest| platform.heap_sort(rest))
    })
}

/// The most words that are sorted in place without asking whether to stop: a
/// quarter of a billion instructions for heap sort.
const PART: usize = 1 << 18;

/// Words between two questions whether to stop: less than a millisecond.
const BLOCK: usize = 1 << 16;

/// The words in parts of `len`, and of what is left at the end. With a `len` of 0 there are none.
///
/// As [`chunks`](slice::chunks); but zipped, that multiplies, and the compiler cannot
/// know that it does not overflow.
fn parts<W>(mut words: &[W], len: usize) -> impl Iterator<Item = &[W]> + Clone {
    from_fn(move || {
        let (part, rest) = words.split_at(len.min(words.len()));
        words = rest;
        (!part.is_empty()).then(|| part)
    })
}

/// As [`parts`], to be written to.
fn parts_mut<W>(mut words: &mut [W], len: usize) -> impl Iterator<Item = &mut [W]> {
    from_fn(move || {
        let len = len.min(words.len());
        let (part, rest) = take(&mut words).split_at_mut(len);
        words = rest;
        (!part.is_empty()).then(|| part)
    })
}

/// Calls `f` for all of `words`, block by block; false if it was to stop before
/// the last one.
fn in_blocks<W>(words: &[W], stop: impl Fn() -> bool, mut f: impl FnMut(&[W])) -> bool {
    parts(words, BLOCK).all(|block| {
        let go_on = !stop();
        if go_on {
            f(block);
        }
        go_on
    })
}

/// Sorts by `sort`, which does so in place, and which nothing can stop.
///
/// The mask is laid over all words and taken off again, as the comparisons are
/// many more.
fn in_place<W: Word>(
    platform: &impl Platform,
    words: &mut [W],
    flip: W,
    sort: &dyn Fn(&mut [W]),
) -> Outcome {
    let lay = |words: &mut [W]| words.iter_mut().for_each(|word| *word = *word ^ flip);
    lay(words);
    let stopped = !divide(words, &|| platform.should_stop(), sort);
    lay(words);
    Outcome {
        stopped,
        in_scratch: false,
        workers: 1,
    }
}

/// Brings words into parts, each of which is to go before the next, and calls
/// `sort` for all that are not yet sorted; false if it was to stop before the
/// last one.
///
/// A part has [`PART`] words at most. The recursion is as deep as the set can
/// be halved, since it is for the smaller part.
fn divide<W: Word>(mut words: &mut [W], stop: &impl Fn() -> bool, sort: &dyn Fn(&mut [W])) -> bool {
    while words.len() > PART {
        let first = words.first().map_or(W::ZERO, |first| *first);
        let mut differ = W::ZERO;
        let go_on = in_blocks(words, stop, |block| {
            differ = differ | differences(first, block.iter());
        });
        let zeroes = match differ.highest_one() {
            Some(bit) if go_on => partition(words, bit, stop),
            // All words are the same, or it was to stop.
            _ => return go_on,
        };
        let (low, high) = match zeroes {
            Some(zeroes) => words.split_at_mut(zeroes.min(words.len())),
            None => return false,
        };
        let (smaller, larger) = if low.len() < high.len() {
            (low, high)
        } else {
            (high, low)
        };
        if !divide(smaller, stop, sort) {
            return false;
        }
        words = larger;
    }
    let go_on = !stop();
    if go_on {
        sort(words);
    }
    go_on
}

/// The bits in which any of `words` differs from `first`.
fn differences<'a, W: Word + 'a>(first: W, words: impl Iterator<Item = &'a W>) -> W {
    words.fold(W::ZERO, |all, word| all | (first ^ *word))
}

/// Moves the words with a zero at `bit` before those with a one; how many
/// there are of the first, unless it was to stop.
fn partition<W: Word>(words: &mut [W], bit: u32, stop: &impl Fn() -> bool) -> Option<usize> {
    let is_one = |word: &W| word.bits_from(bit) & 1 == 1;
    let mut zeroes = 0usize;
    let mut unseen = words.iter_mut();
    while let Some(front) = unseen.next() {
        if is_one(front) {
            match unseen.rfind(|back| !is_one(back)) {
                Some(back) => core::mem::swap(front, back),
                None => break,
            }
        }
        zeroes = zeroes.wrapping_add(1);
        if zeroes % BLOCK == 0 && stop() {
            return None;
        }
    }
    Some(zeroes)
}
