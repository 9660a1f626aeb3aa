// SPDX-License-Identifier: GPL-2.0

//! A lock-free ring for one producer and one consumer.
//!
//! The two ends are values of their own, so that there is only one of each is
//! for the compiler to check. Neither waits for the other: `push` and `pop`
//! may be called in any context, on any CPU.
//!
//! `head` counts the pops and `tail` the pushes, both without end; their
//! difference is the number of elements, and their lowest bits are slots:
//!
//! ```text
//!           head & (N - 1)       tail & (N - 1)
//!                 v                    v
//!   | . | . | . | a | b | c | d | e | . | . |
//! ```
//!
//! An element is written before the `Release` store of `tail` that makes it
//! visible, and read before the `Release` store of `head` that frees its slot.

#[cfg(not(loom))]
use core::sync::atomic::{AtomicUsize, Ordering};
#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};

use crate::{error::Result, sync::Arc};
use core::{cell::UnsafeCell, mem::MaybeUninit};

/// # Invariants
///
/// `tail - head`, wrapping, is at most `N`. The slots from `head` to `tail`
/// hold elements, and are the consumer's; all others are the producer's.
/// Only the producer stores `tail`, only the consumer `head`.
struct Ring<T, const N: usize> {
    head: AtomicUsize,
    tail: AtomicUsize,
    slots: [UnsafeCell<MaybeUninit<T>>; N],
}

// SAFETY: by the invariant no slot is both ends' at the same time; elements
// move from one end's thread to the other's.
unsafe impl<T: Send, const N: usize> Sync for Ring<T, N> {}
// SAFETY: it owns its elements.
unsafe impl<T: Send, const N: usize> Send for Ring<T, N> {}

impl<T, const N: usize> Ring<T, N> {
    const CAPACITY_IS_A_POWER_OF_TWO: () = assert!(N.is_power_of_two());

    /// The slot of the `count`-th element.
    fn slot(&self, count: usize) -> *mut MaybeUninit<T> {
        let first = self.slots.as_ptr();
        // SAFETY: the index is below N, as N is a power of two.
        unsafe { UnsafeCell::raw_get(first.add(count & (N - 1))) }
    }
}

impl<T, const N: usize> Drop for Ring<T, N> {
    fn drop(&mut self) {
        let mut head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        while head != tail {
            // SAFETY: these slots hold elements, by the invariant, and there
            // is no consumer any more.
            unsafe { (*self.slot(head)).assume_init_drop() };
            head = head.wrapping_add(1);
        }
    }
}

/// Makes a ring for at most `N` elements, a power of two. May sleep.
///
/// # Errors
///
/// `ENOMEM`.
pub fn spsc<T: Send, const N: usize>() -> Result<(Producer<T, N>, Consumer<T, N>)> {
    #[allow(clippy::let_unit_value)]
    let _ = Ring::<T, N>::CAPACITY_IS_A_POWER_OF_TWO;
    let ring = Arc::try_new(Ring {
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
        // SAFETY: an array of what may be uninitialised is initialised.
        slots: unsafe { MaybeUninit::uninit().assume_init() },
    })?;
    Ok((Producer { ring: ring.clone() }, Consumer { ring }))
}

/// The end that elements are put into.
pub struct Producer<T: Send, const N: usize> {
    ring: Arc<Ring<T, N>>,
}

impl<T: Send, const N: usize> Producer<T, N> {
    /// Puts `value` in, or gives it back if the ring is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        let tail = self.ring.tail.load(Ordering::Relaxed);
        // Acquire: the consumer has read the slot before it is written again.
        if tail.wrapping_sub(self.ring.head.load(Ordering::Acquire)) >= N {
            return Err(value);
        }
        // SAFETY: the slot is the producer's, and `&mut self` is the only one.
        unsafe { (*self.ring.slot(tail)).write(value) };
        // INVARIANT: the slot at `tail` holds an element now.
        self.ring
            .tail
            .store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }
}

/// The end that elements are taken out of.
pub struct Consumer<T: Send, const N: usize> {
    ring: Arc<Ring<T, N>>,
}

impl<T: Send, const N: usize> Consumer<T, N> {
    /// Takes out the oldest element, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        let head = self.ring.head.load(Ordering::Relaxed);
        // Acquire: the producer has written the slot before it is read.
        if head == self.ring.tail.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the slot holds an element and is the consumer's, and `&mut
        // self` is the only one; the store below keeps it from another read.
        let value = unsafe { (*self.ring.slot(head)).assume_init_read() };
        // INVARIANT: the slot at `head` is empty now, and the producer's.
        self.ring
            .head
            .store(head.wrapping_add(1), Ordering::Release);
        Some(value)
    }
}
