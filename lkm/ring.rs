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
//!             head & mask           tail & mask
//!                 v                    v
//!   | . | . | . | a | b | c | d | e | . | . |
//! ```
//!
//! An element is written before the `Release` store of `tail` that makes it
//! visible, and read before the `Release` store of `head` that frees its slot.
//!
//! Each end counts for itself, too: it needs no load to know its own number.
//!
//! tests/loom runs this file under loom, which tries all interleavings.

use crate::{
    error::{code::ENOMEM, Result},
    irq::may_sleep,
    sync::Arc,
    types::MAX_ALLOC,
};
use alloc::vec::Vec;
use core::mem::{size_of, MaybeUninit};

#[cfg(loom)]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicUsize, Ordering},
};
#[cfg(not(loom))]
use {
    cell::UnsafeCell,
    core::sync::atomic::{AtomicUsize, Ordering},
};

/// # Invariants
///
/// There are `mask + 1` slots, a power of two. `tail - head`, wrapping, is at
/// most that. The slots from `head` to `tail` hold elements and are the
/// consumer's; all others are the producer's. Only the producer stores
/// `tail`, only the consumer `head`.
struct Ring<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    mask: usize,
    slots: Vec<UnsafeCell<MaybeUninit<T>>>,
}

// SAFETY: by the invariant no slot is both ends' at the same time; elements
// move from one end's thread to the other's.
unsafe impl<T: Send> Sync for Ring<T> {}
// SAFETY: it owns its elements.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T> Ring<T> {
    /// The slot of the `count`-th element.
    fn slot(&self, count: usize) -> &UnsafeCell<MaybeUninit<T>> {
        // SAFETY: the index is at most `mask`.
        unsafe { self.slots.get_unchecked(count & self.mask) }
    }
}

impl<T> Drop for Ring<T> {
    #[cold]
    fn drop(&mut self) {
        let mut head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        while head != tail {
            self.slot(head).with_mut(|slot| {
                // SAFETY: these slots hold elements, by the invariant, and
                // there is no consumer any more.
                unsafe { (*slot).assume_init_drop() }
            });
            head = head.wrapping_add(1);
        }
    }
}

/// Makes a ring for `capacity` elements, rounded up to a power of two. May
/// sleep.
///
/// # Errors
///
/// `ENOMEM`.
pub fn spsc<T: Send>(capacity: usize) -> Result<(Producer<T>, Consumer<T>)> {
    let capacity = capacity.checked_next_power_of_two().ok_or(ENOMEM)?;
    if !may_sleep() || capacity > MAX_ALLOC / size_of::<T>().max(1) {
        return Err(ENOMEM);
    }
    let mut slots = Vec::new();
    slots.try_reserve_exact(capacity)?;
    #[cfg(not(loom))]
    // SAFETY: reserved above; what may be uninitialised is initialised.
    unsafe {
        slots.set_len(capacity);
    }
    #[cfg(loom)]
    slots.resize_with(capacity, || UnsafeCell::new(MaybeUninit::uninit()));

    // INVARIANT: `capacity` is a power of two, and there are no elements.
    let ring = Arc::try_new(Ring {
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
        mask: capacity.wrapping_sub(1),
        slots,
    })?;
    let producer = Producer {
        ring: ring.clone(),
        tail: 0,
    };
    Ok((producer, Consumer { ring, head: 0 }))
}

/// The end that elements are put into.
///
/// # Invariants
///
/// `tail` is the ring's.
pub struct Producer<T: Send> {
    ring: Arc<Ring<T>>,
    tail: usize,
}

impl<T: Send> Producer<T> {
    /// Puts `value` in, or gives it back if the ring is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        let ring = &*self.ring;
        // Acquire: the consumer has read the slot before it is written again.
        if self.tail.wrapping_sub(ring.head.load(Ordering::Acquire)) > ring.mask {
            return Err(value);
        }
        ring.slot(self.tail).with_mut(|slot| {
            // SAFETY: the slot is the producer's; `&mut self` is the only one.
            unsafe { (*slot).write(value) };
        });
        // INVARIANT: the slot at `tail` holds an element now.
        self.tail = self.tail.wrapping_add(1);
        ring.tail.store(self.tail, Ordering::Release);
        Ok(())
    }
}

/// The end that elements are taken out of.
///
/// # Invariants
///
/// `head` is the ring's.
pub struct Consumer<T: Send> {
    ring: Arc<Ring<T>>,
    head: usize,
}

impl<T: Send> Consumer<T> {
    /// Takes out the oldest element, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        let ring = &*self.ring;
        // Acquire: the producer has written the slot before it is read.
        if self.head == ring.tail.load(Ordering::Acquire) {
            return None;
        }
        let value = ring.slot(self.head).with_mut(|slot| {
            // SAFETY: the slot holds an element and is the consumer's; `&mut
            // self` is the only one. The store below prevents another read.
            unsafe { (*slot).assume_init_read() }
        });
        // INVARIANT: the slot at `head` is empty now, and the producer's.
        self.head = self.head.wrapping_add(1);
        ring.head.store(self.head, Ordering::Release);
        Some(value)
    }
}

/// The interface of loom's cell, which checks each access.
#[cfg(not(loom))]
mod cell {
    #[repr(transparent)]
    pub(super) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
