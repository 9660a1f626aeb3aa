//! How a session is to be sorted: ioctls, one by one.

use abi::ksort::{KSORT_AUTO, KSORT_DOWN, KSORT_HEAP, KSORT_I32, KSORT_RADIX, KSORT_U32, KSORT_UP};
use nix::errno::Errno;

use crate::node::{
    assert_same, bytes_of, load, random, sorted_by_std, Node, ALGORITHMS, ORDERS, TYPES,
};

#[test]
fn a_session_begins_with_i32_up_and_auto() {
    let _module = load(&[]);
    for _ in 0..2 {
        let node = Node::open();
        assert_eq!(node.number_type(), KSORT_I32);
        assert_eq!(node.order(), KSORT_UP);
        assert_eq!(node.algorithm(), KSORT_AUTO);
        // Not for the next one.
        assert_eq!(node.set_type(KSORT_U32), Ok(()));
        assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
        assert_eq!(node.set_algorithm(KSORT_HEAP), Ok(()));
    }
}

#[test]
fn what_is_set_can_be_got_and_changes_nothing_else() {
    let _module = load(&[]);
    let node = Node::open();
    for number in TYPES {
        for order in ORDERS {
            for algorithm in ALGORITHMS {
                assert_eq!(node.set_algorithm(algorithm), Ok(()));
                assert_eq!(node.set_type(number), Ok(()));
                assert_eq!(node.set_order(order), Ok(()));
                let got = (node.number_type(), node.order(), node.algorithm());
                assert_eq!(got, (number, order, algorithm));
            }
        }
    }
}

#[test]
fn a_value_that_there_is_not_is_einval_and_changes_nothing() {
    let _module = load(&[]);
    let node = Node::with(&[2u32, 1]);
    assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
    assert_eq!(node.set_algorithm(KSORT_RADIX), Ok(()));
    for beyond in [0, 1, 1 << 8, 1 << 16, 1 << 31, u32::MAX - 100] {
        let greater = |values: &[u32]| values.last().unwrap() + 1 + beyond;
        let refused = Err(Errno::EINVAL);
        // Rather than `EBUSY`: it would not do without numbers, either.
        assert_eq!(node.set_type(greater(&TYPES)), refused, "{beyond}");
        assert_eq!(node.set_order(greater(&ORDERS)), refused, "{beyond}");
        assert_eq!(
            node.set_algorithm(greater(&ALGORITHMS)),
            refused,
            "{beyond}"
        );
    }
    let got = (node.number_type(), node.order(), node.algorithm());
    assert_eq!(got, (KSORT_U32, KSORT_DOWN, KSORT_RADIX));
    assert_same(&node.read_all(), &[2u32, 1], "the set");
}

#[test]
fn another_type_is_ebusy_while_there_are_numbers() {
    let _module = load(&[]);
    for (bytes, reads) in [(1, false), (8, false), (8, true)] {
        let node = Node::open();
        assert_eq!(node.set_type(KSORT_U32), Ok(()));
        node.write_all(&bytes_of(&[2u32, 1])[..bytes]);
        if reads {
            node.read_all();
        }
        for number in TYPES {
            let expected = if number == KSORT_U32 {
                Ok(())
            } else {
                Err(Errno::EBUSY)
            };
            assert_eq!(node.set_type(number), expected, "{number}, {bytes}");
            assert_eq!(node.number_type(), KSORT_U32);
        }
    }
}

#[test]
fn another_order_sorts_again_at_the_next_read() {
    let _module = load(&[]);
    let numbers = random(1_000, 1);
    let up = sorted_by_std(&numbers);
    let down: Vec<i32> = up.iter().rev().copied().collect();
    let node = Node::with(&numbers);
    assert_eq!(node.read(400).as_deref(), Ok(&bytes_of(&up)[..400]));
    assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
    // The position is the same; the set has another order now.
    assert_eq!(node.position(), 400);
    assert_eq!(node.read_all(), bytes_of(&down)[400..]);
    assert_same(&node.read_from(0, 1 << 20).unwrap(), &down, "down");
    assert_eq!(node.set_order(KSORT_UP), Ok(()));
    assert_same(&node.read_from(0, 1 << 20).unwrap(), &up, "up again");
    // It has been read, so this is a new set.
    assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
    node.write_all(bytes_of(&[1, 2]));
    assert_same(&node.read_all(), &[2, 1], "a new set");
}

#[test]
fn another_algorithm_sorts_again_at_the_next_read() {
    let _module = load(&[]);
    let numbers = random(1_000, 2);
    let expected = sorted_by_std(&numbers);
    let node = Node::with(&numbers);
    for algorithm in &ALGORITHMS[1..] {
        assert_eq!(node.set_algorithm(*algorithm), Ok(()));
        let read = node.read_from(0, 1 << 20).unwrap();
        assert_same(&read, &expected, &format!("{algorithm}"));
        assert_eq!(node.stats().algorithm, *algorithm);
    }
}

#[test]
fn settings_stay_for_the_next_set() {
    let _module = load(&[]);
    let node = Node::with(&[1u32, u32::MAX]);
    assert_eq!(node.set_order(KSORT_DOWN), Ok(()));
    for _ in 0..3 {
        assert_same(&node.read_all(), &[u32::MAX, 1], "down");
        node.write_all(bytes_of(&[1u32, u32::MAX]));
    }
}
