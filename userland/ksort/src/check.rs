//! Whether numbers are what sorting the input should have made of it.

use std::fmt;

use crate::number::Number;

/// What is wrong with a result. Numbers are counted from 1 on, as lines are.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first of its numbers that should go before the one that it follows.
    Order {
        at: usize,
        number: String,
        after: String,
    },
    /// The first of its numbers, once they are in order, that is not that of the input.
    Permutation {
        at: usize,
        number: Option<String>,
        expected: Option<String>,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Order { at, number, after } => {
                write!(f, "not in order: number {at} is {number}, after {after}")
            }
            Fault::Permutation {
                at,
                number,
                expected,
            } => {
                let none = || "none".to_owned();
                let number = number.clone().unwrap_or_else(none);
                let expected = expected.clone().unwrap_or_else(none);
                write!(
                    f,
                    "not a permutation of the input: in order, number {at} is {number}, and \
                     {expected} in the input"
                )
            }
        }
    }
}

/// Sorts as std does.
pub fn sort<T: Number>(numbers: &mut [T], reverse: bool) {
    if reverse {
        numbers.sort_unstable_by(|a, b| b.cmp(a));
    } else {
        numbers.sort_unstable();
    }
}

/// All that is wrong with `result`, where `sorted` is the input as std sorts it.
pub fn check<T: Number>(sorted: &[T], mut result: Vec<T>, reverse: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let disorder = result.windows(2).position(|pair| {
        if reverse {
            pair[0] < pair[1]
        } else {
            pair[0] > pair[1]
        }
    });
    if let Some(first) = disorder {
        faults.push(Fault::Order {
            at: first + 2,
            number: result[first + 1].to_string(),
            after: result[first].to_string(),
        });
        sort(&mut result, reverse);
    }
    let difference =
        (0..result.len().max(sorted.len())).find(|&at| result.get(at) != sorted.get(at));
    if let Some(at) = difference {
        faults.push(Fault::Permutation {
            at: at + 1,
            number: result.get(at).map(T::to_string),
            expected: sorted.get(at).map(T::to_string),
        });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(sorted: &[i32], result: &[i32], reverse: bool) -> Vec<String> {
        let faults = check(sorted, result.to_vec(), reverse);
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn what_is_sorted_has_no_faults() {
        assert_eq!(told(&[], &[], false), [""; 0]);
        assert_eq!(told(&[-5, 1, 1, 3], &[-5, 1, 1, 3], false), [""; 0]);
        assert_eq!(told(&[3, 1, 1, -5], &[3, 1, 1, -5], true), [""; 0]);
    }

    #[test]
    fn the_first_number_out_of_order_is_told() {
        assert_eq!(
            told(&[1, 2, 3, 4], &[1, 3, 2, 4], false),
            ["not in order: number 3 is 2, after 3"]
        );
        assert_eq!(
            told(&[4, 3, 2, 1], &[4, 2, 3, 1], true),
            ["not in order: number 3 is 3, after 2"]
        );
        // As the comparison of a sort by subtraction has it.
        let ends = [i32::MIN, 0, i32::MAX];
        assert_eq!(
            told(&ends, &[i32::MAX, i32::MIN, 0], false),
            ["not in order: number 2 is -2147483648, after 2147483647"]
        );
    }

    #[test]
    fn the_first_number_that_is_another_is_told() {
        let not = "not a permutation of the input: in order, number ";
        for (result, told_) in [
            (&[1, 2, 2, 4][..], "3 is 2, and 3 in the input"),
            (&[1, 3, 3, 4], "2 is 3, and 2 in the input"),
            (&[1, 2, 3], "4 is none, and 4 in the input"),
            (&[1, 2, 3, 4, 4], "5 is 4, and none in the input"),
        ] {
            assert_eq!(
                told(&[1, 2, 3, 4], result, false),
                [format!("{not}{told_}")]
            );
        }
    }

    #[test]
    fn both_are_told_if_both_are_wrong() {
        assert_eq!(
            told(&[1, 2, 3], &[1, 4, 2], false),
            [
                "not in order: number 3 is 2, after 4",
                "not a permutation of the input: in order, number 3 is 4, and 3 in the input"
            ]
        );
    }

    fn input() -> impl Strategy<Value = (Vec<i64>, bool)> {
        let number = prop_oneof![-3i64..3, any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
        (prop::collection::vec(number, 1..50), any::<bool>())
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_stable_sort((mut numbers, reverse) in input()) {
            let mut sorted = numbers.clone();
            sort(&mut sorted, reverse);
            numbers.sort();
            if reverse {
                numbers.reverse();
            }
            prop_assert_eq!(check(&sorted, numbers, reverse), vec![]);
        }

        #[test]
        fn any_other_order_is_found((mut numbers, reverse) in input()) {
            let given = numbers.clone();
            sort(&mut numbers, reverse);
            let faults = check(&numbers, given.clone(), reverse);
            prop_assert_eq!(faults.is_empty(), given == numbers);
            let only_order = faults.iter().all(|fault| matches!(fault, Fault::Order { .. }));
            prop_assert!(only_order, "{:?}", faults);
        }

        #[test]
        fn one_number_that_is_another_is_found(
            (mut numbers, reverse) in input(),
            at: prop::sample::Index,
            other: i64,
        ) {
            sort(&mut numbers, reverse);
            let mut result = numbers.clone();
            let number = at.get_mut(&mut result);
            prop_assume!(*number != other);
            *number = other;
            let faults = check(&numbers, result, reverse);
            let lost = faults.iter().any(|fault| matches!(fault, Fault::Permutation { .. }));
            prop_assert!(lost, "{:?}", faults);
        }
    }
}
