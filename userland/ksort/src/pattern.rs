//! Numbers that are made.
//!
//! The same arguments make the same numbers in every version of the program: the generator is
//! xoshiro256++, which takes its state from the seed by splitmix64, as its authors propose; and of
//! what it gives, the highest bits are taken.

use std::marker::PhantomData;

use clap::ValueEnum;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::number::Number;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pattern {
    /// Any number of the type
    Random,
    /// In equal steps from the least number of the type up to the greatest
    Sorted,
    /// The same, down
    Reversed,
    /// Eight random numbers again and again, in random order
    FewDistinct,
    /// In equal steps up for the first half, down for the second
    OrganPipe,
    /// One random number, again and again
    AllEqual,
    /// The two least, the two greatest, and the two in the middle of the type, in random order
    Extremes,
}

/// Numbers in a pattern.
pub struct Numbers<T> {
    pattern: Pattern,
    made: u64,
    length: u64,
    random: Xoshiro256PlusPlus,
    /// What the generator gives first.
    few: [u64; 8],
    numbers: PhantomData<T>,
}

impl<T: Number> Numbers<T> {
    pub fn new(pattern: Pattern, length: u64, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut first = random.clone();
        Numbers {
            pattern,
            made: 0,
            length,
            random,
            few: [(); 8].map(|()| first.next_u64()),
            numbers: PhantomData,
        }
    }

    /// How many numbers of the type are less than the `n`th of the pattern.
    fn rank(&mut self, n: u64) -> u64 {
        let greatest = u64::MAX >> (64 - T::BITS);
        let last = self.length - 1;
        let step = greatest / last.max(1);
        let bits = |random: u64| random >> (64 - T::BITS);
        match self.pattern {
            Pattern::Random => bits(self.random.next_u64()),
            Pattern::Sorted => step * n,
            Pattern::Reversed => step * (last - n),
            Pattern::FewDistinct => bits(self.few[(self.random.next_u64() >> 61) as usize]),
            // At most the half of it, so twice of that is no more than all.
            Pattern::OrganPipe => step * (2 * n.min(last - n)),
            Pattern::AllEqual => bits(self.few[0]),
            Pattern::Extremes => {
                let middle = greatest / 2;
                let extremes = [0, 1, middle, middle + 1, greatest - 1, greatest];
                extremes[(self.random.next_u64() % 6) as usize]
            }
        }
    }
}

impl<T: Number> Iterator for Numbers<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.made == self.length {
            return None;
        }
        let rank = self.rank(self.made);
        self.made += 1;
        Some(T::from_rank(rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers<T: Number>(pattern: Pattern, length: u64, seed: u64) -> Vec<T> {
        Numbers::new(pattern, length, seed).collect()
    }

    /// With numbers that another implementation of the two generators gave.
    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        use Pattern::{AllEqual, Extremes, FewDistinct, Random};
        let (first, second, third) = (
            5987356902031041503,
            7051070477665621255,
            6633766593972829180,
        );
        assert_eq!(numbers::<u64>(Random, 3, 0), [first, second, third]);
        assert_eq!(numbers::<u64>(AllEqual, 2, 0), [first, first]);
        assert_eq!(
            numbers::<u64>(FewDistinct, 3, 0),
            [third, 211316841551650330, third]
        );
        let (high, middle) = (u64::MAX, u64::MAX / 2);
        assert_eq!(
            numbers::<u64>(Extremes, 7, 0),
            [high, 1, high - 1, high - 1, high - 1, 0, middle]
        );
        let expected = [1338364031, 1061306674, -1717338793, 1057493407];
        assert_eq!(numbers::<i32>(Random, 4, 1), expected);
        let expected = [16422857234328439435, 8976797394443910655];
        assert_eq!(numbers::<u64>(FewDistinct, 2, u64::MAX), expected);
    }

    #[test]
    fn the_patterns_are_what_their_names_say() {
        use Pattern::{OrganPipe, Reversed, Sorted};
        let third = u32::MAX / 3;
        assert_eq!(
            numbers::<u32>(Sorted, 4, 0),
            [0, third, 2 * third, u32::MAX]
        );
        assert_eq!(
            numbers::<u32>(Reversed, 4, 0),
            [u32::MAX, 2 * third, third, 0]
        );
        assert_eq!(
            numbers::<u32>(OrganPipe, 4, 0),
            [0, 2 * third, 2 * third, 0]
        );
        assert_eq!(numbers::<i32>(Sorted, 2, 0), [i32::MIN, i32::MAX]);
        let half = u64::MAX / 2;
        assert_eq!(numbers::<u64>(OrganPipe, 3, 0), [0, 2 * half, 0]);
        assert_eq!(numbers::<i64>(Sorted, 1, 0), [i64::MIN]);
    }

    #[test]
    fn extremes_are_where_comparisons_by_subtraction_go_wrong() {
        fn all<T: Number>() -> Vec<T> {
            let mut all = numbers(Pattern::Extremes, 1_000, 3);
            all.sort_unstable();
            all.dedup();
            all
        }
        let expected = [i32::MIN, i32::MIN + 1, -1, 0, i32::MAX - 1, i32::MAX];
        assert_eq!(all::<i32>(), expected);
        let expected = [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX];
        assert_eq!(all::<i64>(), expected);
        let middle = 1 << 31;
        let expected = [0, 1, middle - 1, middle, u32::MAX - 1, u32::MAX];
        assert_eq!(all::<u32>(), expected);
    }

    proptest! {
        #[test]
        fn every_pattern_has_as_many_numbers_as_asked_for(
            pattern in prop::sample::select(Pattern::value_variants()),
            length in 0u64..1_000,
            seed: u64,
        ) {
            let made = numbers::<i64>(pattern, length, seed);
            prop_assert_eq!(made.len() as u64, length);
            let rises = |numbers: &[i64]| numbers.windows(2).all(|pair| pair[0] < pair[1]);
            let backwards: Vec<i64> = made.iter().rev().copied().collect();
            let half = made.len() / 2;
            let mut different = made.clone();
            different.sort_unstable();
            different.dedup();
            let holds = match pattern {
                Pattern::Random => different.len() == made.len(),
                Pattern::Sorted => rises(&made),
                Pattern::Reversed => rises(&backwards),
                Pattern::OrganPipe => made == backwards && rises(&made[..half]),
                Pattern::FewDistinct => different.len() <= 8,
                Pattern::AllEqual => different.len() <= 1,
                Pattern::Extremes => different.len() <= 6,
            };
            prop_assert!(holds, "{:?}", made);
        }

        #[test]
        fn another_seed_gives_other_numbers(seed: u64) {
            for pattern in [Pattern::Random, Pattern::FewDistinct, Pattern::AllEqual] {
                let made = numbers::<u64>(pattern, 100, seed);
                prop_assert_eq!(&made, &numbers::<u64>(pattern, 100, seed));
                prop_assert_ne!(made, numbers::<u64>(pattern, 100, seed.wrapping_add(1)));
            }
        }
    }
}
