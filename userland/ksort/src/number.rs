//! The types of numbers.

use std::fmt::Display;
use std::str::{self, FromStr};

use abi::ksort::{KSORT_I32, KSORT_I64, KSORT_U32, KSORT_U64};
use bytemuck::Pod;

/// More characters than any number needs.
pub const LONGEST: usize = 40;

pub trait Number: Copy + Ord + Display + FromStr + Pod {
    const NAME: &'static str;
    /// What the node calls it.
    const TYPE: u32;
    const BITS: u32;
    const LEAST: Self;
    const GREATEST: Self;

    /// The number of the type that has `rank` others below it; higher bits of `rank` are cut off.
    fn from_rank(rank: u64) -> Self;
}

macro_rules! numbers {
    ($($type:ident $value:ident;)*) => {$(
        impl Number for $type {
            const NAME: &'static str = stringify!($type);
            const TYPE: u32 = $value;
            const BITS: u32 = $type::BITS;
            const LEAST: Self = $type::MIN;
            const GREATEST: Self = $type::MAX;

            fn from_rank(rank: u64) -> Self {
                $type::MIN.wrapping_add(rank as $type)
            }
        }
    )*};
}
numbers! {
    i32 KSORT_I32;
    u32 KSORT_U32;
    i64 KSORT_I64;
    u64 KSORT_U64;
}

/// The number that `text` is; why it is none, otherwise.
pub fn parse<T: Number>(text: &[u8]) -> Result<T, String> {
    let (shown, dots) = match text.get(..LONGEST) {
        Some(begin) if text.len() > LONGEST => (begin, "..."),
        _ => (text, ""),
    };
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.filter(|_| dots.is_empty()).ok_or_else(|| {
        format!(
            "{:?}{dots} is no {}; give whole decimal numbers from {} to {}",
            String::from_utf8_lossy(shown),
            T::NAME,
            T::LEAST,
            T::GREATEST
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all_of<T: Number + std::fmt::Debug>() {
        for number in [T::LEAST, T::from_rank(1), T::GREATEST] {
            assert_eq!(parse::<T>(number.to_string().as_bytes()), Ok(number));
        }
        let ranks = [0, 1, u64::MAX >> (64 - T::BITS)].map(T::from_rank);
        assert_eq!(ranks[0], T::LEAST);
        assert!(ranks[0] < ranks[1]);
        assert_eq!(ranks[2], T::GREATEST);
    }

    #[test]
    fn the_ends_of_each_type_are_numbers() {
        all_of::<i32>();
        all_of::<u32>();
        all_of::<i64>();
        all_of::<u64>();
    }

    #[test]
    fn what_is_no_number_is_named_with_what_would_be() {
        assert_eq!(
            parse::<i32>(b"2147483648"),
            Err(
                "\"2147483648\" is no i32; give whole decimal numbers from -2147483648 to \
                 2147483647"
                    .into()
            )
        );
        for text in [
            &b""[..],
            b"one",
            b"1.5",
            b"0x10",
            b"1e3",
            b"--1",
            b"-",
            b"\xff",
            b"-1",
        ] {
            let told = parse::<u32>(text).unwrap_err();
            assert!(told.ends_with("is no u32; give whole decimal numbers from 0 to 4294967295"));
        }
        assert!(parse::<i32>(b"a\xff\x1b[2J")
            .unwrap_err()
            .starts_with("\"a\u{fffd}\\u{1b}[2J\" "));
    }

    #[test]
    fn what_is_longer_than_any_number_is_shown_by_its_beginning() {
        assert_eq!(parse::<i32>(&[b'0'; LONGEST]), Ok(0));
        let told = parse::<i32>(&[b'0'; LONGEST + 1]).unwrap_err();
        assert!(
            told.starts_with(&format!("{:?}... is no i32", "0".repeat(LONGEST))),
            "{told}"
        );
    }

    proptest! {
        #[test]
        fn each_number_is_what_it_is_printed_as(number: i64) {
            prop_assert_eq!(parse::<i64>(number.to_string().as_bytes()), Ok(number));
            prop_assert_eq!(parse::<i32>(number.to_string().as_bytes()).ok(), i32::try_from(number).ok());
            prop_assert_eq!(parse::<u64>(number.to_string().as_bytes()).ok(), u64::try_from(number).ok());
        }

        #[test]
        fn ranks_are_in_the_order_of_the_numbers(a: u64, b: u64) {
            prop_assert_eq!(a.cmp(&b), i64::from_rank(a).cmp(&i64::from_rank(b)));
            prop_assert_eq!(a.cmp(&b), u64::from_rank(a).cmp(&u64::from_rank(b)));
        }
    }
}
