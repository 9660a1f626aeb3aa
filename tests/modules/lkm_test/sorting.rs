// SPDX-License-Identifier: GPL-2.0

//! Sorting, memory to sort in, and threads that share the work.

use crate::Counters;
use core::{
    cmp::Ordering,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use lkm::{
    irq::with_irqs_disabled,
    kvec::KVVec,
    prelude::*,
    sort::sort,
    sync::Arc,
    task::{cond_resched, fatal_signal_pending, with_current},
    transmute::from_bytes_mut,
    workqueue::Queue,
};

/// Numbers without an order.
fn numbers(len: usize) -> Result<KVVec<u32>> {
    let mut numbers = KVVec::with_capacity(len)?;
    let mut last = 1u32;
    for _ in 0..len {
        last = last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        numbers.push(last)?;
    }
    Ok(numbers)
}

fn sum(numbers: &[u32]) -> u64 {
    numbers.iter().fold(0, |sum, n| sum + u64::from(*n))
}

pub(crate) fn sorting() -> Result {
    for len in [0, 1, 2, 3, 1_000, 20_000] {
        let mut words = numbers(len)?;
        let before = sum(&words);
        let mut compared = 0;
        sort(&mut words, |a, b| {
            compared += 1;
            b.cmp(a)
        });
        check!(sum(&words) == before && (len < 2 || compared > 0));
        check!(words.iter().zip(words.iter().skip(1)).all(|(a, b)| a >= b));
    }
    let mut odd = [[3u8, 0, 0], [1, 1, 1], [2, 0, 0], [1, 1, 0]];
    sort(&mut odd, |a, b| a.cmp(b));
    check!(odd == [[1, 1, 0], [1, 1, 1], [2, 0, 0], [3, 0, 0]]);
    sort(&mut [(); 9], |_, _| Ordering::Greater);

    // Whatever it is told: each element is there once.
    let dropped = Counters::new()?;
    struct Element(Arc<Counters>, usize);
    impl Drop for Element {
        fn drop(&mut self) {
            self.0.add();
        }
    }
    let mut answers = numbers(64)?;
    for round in 0..100 {
        let mut elements = [(); 50].map(|_| Element(dropped.clone(), 0));
        for (nth, element) in elements.iter_mut().enumerate() {
            element.1 = nth;
        }
        sort(&mut elements, |_, _| {
            answers.rotate_left(1);
            match answers
                .first()
                .map_or(0, |n| (n >> 16).wrapping_add(round) % 3)
            {
                0 => Ordering::Less,
                1 => Ordering::Equal,
                _ => Ordering::Greater,
            }
        });
        check!((0..50).all(|nth| elements.iter().any(|element| element.1 == nth)));
    }
    check!(*dropped.ticks.lock() == 5_000);
    Ok(())
}

pub(crate) fn memory() -> Result {
    let mut bytes = KVVec::<u8>::new();
    check!(bytes.is_empty() && bytes.capacity() == 0 && bytes.push_within_capacity(1).is_err());
    check!(from_bytes_mut::<u64>(&mut bytes).map(|words| words.len()) == Some(0));
    for n in 0..100u8 {
        bytes.reserve_exact(1)?;
        bytes.push(n)?;
        check!(bytes.capacity() == usize::from(n) + 1);
    }
    check!(bytes.iter().copied().eq(0..100));
    bytes.reserve_exact(5 << 20)?;
    check!(bytes.len() == 100 && bytes.iter().copied().eq(0..100));
    check!(bytes.reserve_exact(usize::MAX) == Err(ENOMEM) && bytes.len() == 100);

    let words = from_bytes_mut::<u32>(&mut bytes).ok_or(EPROTO)?;
    check!(words.len() == 25 && words.first() == Some(&u32::from_ne_bytes([0, 1, 2, 3])));
    words.reverse();
    check!(bytes.first() == Some(&96));
    check!(from_bytes_mut::<u64>(&mut bytes).is_none());
    check!(bytes
        .get_mut(1..5)
        .and_then(from_bytes_mut::<u32>)
        .is_none());
    check!(bytes.get_mut(1..5).and_then(from_bytes_mut::<u8>).is_some());
    check!(from_bytes_mut::<[u16; 0]>(&mut bytes).is_none());

    let zeroed = KVVec::<[u32; 2048]>::zeroed(3)?;
    check!(zeroed.len() == 3 && zeroed.iter().flatten().all(|n| *n == 0));
    check!(KVVec::<u64>::zeroed(1 << 60).is_err());
    Ok(())
}

/// Each item is done once; whether all workers did some is chance.
pub(crate) fn sharing() -> Result {
    let queue = Queue::new_unbound(c_str!("lkm_test"))?;
    for workers in 0..20 {
        let mut items = KVVec::<u32>::zeroed(1_000)?;
        let mut done_by = KVVec::<u32>::zeroed(workers)?;
        let took_part = queue.for_each(&mut done_by, items.iter_mut(), |mine, item| {
            *mine = mine.wrapping_add(1);
            *item = item.wrapping_add(1);
            cond_resched();
        });
        let expected = u32::from(workers > 0);
        check!(items.iter().all(|item| *item == expected));
        check!(sum(&done_by) == u64::from(expected) * 1_000);
        check!(took_part == done_by.iter().filter(|n| **n > 0).count());
    }

    // Two at a time: each waits for the other.
    let begun = Counters::new()?;
    let took_part = queue.for_each(&mut [(), ()], 0..2, |_, _| {
        begun.add();
        let _ = begun.reach(2);
    });
    check!(took_part == 2 && *begun.ticks.lock() == 2);

    // The thread for whom the work is done is known to those who do it.
    let asked = AtomicUsize::new(0);
    with_current(|task| {
        queue.for_each(&mut [(), ()], 0..100, |_, _| {
            asked.fetch_add(usize::from(!task.fatal_signal_pending()), Relaxed);
        })
    });
    check!(asked.into_inner() == 100 && !fatal_signal_pending());
    Ok(())
}

/// Where one must not sleep, there is no help.
pub(crate) fn sharing_with_irqs_off() -> Result {
    let queue = Queue::new_unbound(c_str!("lkm_test"))?;
    let done = AtomicUsize::new(0);
    let took_part = with_irqs_disabled(|| {
        queue.for_each(&mut [(); 4], 0..100, |_, _| {
            done.fetch_add(1, Relaxed);
        })
    });
    check!(took_part == 1 && done.into_inner() == 100);
    Ok(())
}
