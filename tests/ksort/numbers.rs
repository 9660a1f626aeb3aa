//! Numbers of all types, in all patterns.

use crate::sort::Word;

pub(crate) trait Number: Copy + Ord + Send + Sync + std::fmt::Debug {
    type Word: Word;
    const NAME: &'static str;
    const SIGNED: bool;
    const EXTREMES: [Self; 6];

    fn to_word(self) -> Self::Word;
    fn from_word(word: Self::Word) -> Self;
    /// Cuts off what is too much.
    fn from_bits(bits: u64) -> Self;
}

macro_rules! numbers {
    ($($type:ident $word:ident $signed:literal $least:expr;)*) => {$(
        impl Number for $type {
            type Word = $word;
            const NAME: &'static str = stringify!($type);
            const SIGNED: bool = $signed;
            const EXTREMES: [Self; 6] = [
                $type::MIN, $type::MIN + 1, $least, 0, $type::MAX - 1, $type::MAX,
            ];

            fn to_word(self) -> $word {
                self as $word
            }

            fn from_word(word: $word) -> Self {
                word as $type
            }

            fn from_bits(bits: u64) -> Self {
                bits as $type
            }
        }
    )*};
}
numbers! {
    i32 u32 true -1;
    u32 u32 false 1;
    i64 u64 true -1;
    u64 u64 false 1;
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pattern {
    Random,
    Sorted,
    Reversed,
    FewDistinct,
    OrganPipe,
    AllEqual,
    Extremes,
    /// Close to 0, so the high digits are the same.
    Narrow,
    /// Half of them in each half of what is left.
    Skewed,
    /// All but one are equal.
    OneIsOther,
    /// Narrow, but for the last one.
    Outlier,
}

pub(crate) const PATTERNS: [Pattern; 11] = [
    Pattern::Random,
    Pattern::Sorted,
    Pattern::Reversed,
    Pattern::FewDistinct,
    Pattern::OrganPipe,
    Pattern::AllEqual,
    Pattern::Extremes,
    Pattern::Narrow,
    Pattern::Skewed,
    Pattern::OneIsOther,
    Pattern::Outlier,
];

impl Pattern {
    pub(crate) fn numbers<N: Number>(self, len: usize, seed: u64) -> Vec<N> {
        let mut state = seed;
        // splitmix64
        let mut random = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        // Far enough apart to differ in all digits.
        let step = |n: usize| (n as u64).wrapping_mul(1_000_003);
        let numbers = (0..len).map(|n| match self {
            Pattern::Random => N::from_bits(random()),
            Pattern::Sorted => N::from_bits(step(n)),
            Pattern::Reversed => N::from_bits(step(len - n)),
            Pattern::FewDistinct => {
                N::from_bits((random() % 7).wrapping_mul(0x2468_ace1_3579_bdf1))
            }
            Pattern::OrganPipe => N::from_bits(step(n.min(len - n))),
            Pattern::AllEqual => N::from_bits(seed),
            Pattern::Extremes => N::EXTREMES[random() as usize % N::EXTREMES.len()],
            Pattern::Narrow => N::from_bits(random() % 100_000),
            Pattern::Skewed => N::from_bits(u64::MAX >> (random() % 64) & random()),
            Pattern::OneIsOther => N::from_bits(u64::from(n == len / 2)),
            Pattern::Outlier if n == len - 1 => N::from_bits(1 << 30),
            Pattern::Outlier => N::from_bits(random() % 100_000),
        });
        numbers.collect()
    }
}
