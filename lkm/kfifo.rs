// SPDX-License-Identifier: GPL-2.0

//! The kernel's queue.
//!
//! C header: `include/linux/kfifo.h`.

use crate::{
    bindings,
    error::{
        code::{EINVAL, ENOMEM},
        to_result, Result,
    },
    irq::may_sleep,
    types::MAX_ALLOC,
};
use core::{
    ffi::{c_uint, c_void},
    marker::PhantomData,
    mem::{align_of, size_of, MaybeUninit},
    slice,
};

/// A queue of plain values with a fixed capacity.
///
/// It has no lock of its own: `&mut self` says that somebody else guards it.
/// All but [`new`](Self::new) may be called in any context.
///
/// # Invariants
///
/// `fifo` is what `__kfifo_alloc` made for elements of `size_of::<T>()`, aligned
/// for them, and every element in it was a `T`.
pub struct Kfifo<T: Copy + Send> {
    fifo: bindings::__kfifo,
    _holds: PhantomData<T>,
}

// SAFETY: it owns its buffer, which holds `T`s.
unsafe impl<T: Copy + Send> Send for Kfifo<T> {}

impl<T: Copy + Send> Kfifo<T> {
    /// Makes a queue for `capacity` elements, rounded up to a power of two.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for a capacity below 2, or a `T` of no size or aligned
    /// to more than 8 bytes.
    #[cold]
    pub fn new(capacity: u32) -> Result<Self> {
        let mut fifo = MaybeUninit::zeroed();
        // To 8 bytes the kernel aligns whatever it allocates.
        if size_of::<T>() == 0 || align_of::<T>() > 8 || capacity < 2 {
            return Err(EINVAL);
        }
        let slots = capacity.checked_next_power_of_two().ok_or(ENOMEM)? as usize;
        if !may_sleep() || slots > MAX_ALLOC / size_of::<T>() {
            return Err(ENOMEM);
        }
        // SAFETY: `fifo` is valid for writes.
        to_result(unsafe {
            bindings::__kfifo_alloc(
                fifo.as_mut_ptr(),
                capacity,
                size_of::<T>() as _,
                bindings::BINDINGS_GFP_KERNEL,
            )
        })?;
        // INVARIANT: just made; it is empty, and aligned to 8 bytes.
        Ok(Self {
            // SAFETY: initialised by the successful call.
            fifo: unsafe { fifo.assume_init() },
            _holds: PhantomData,
        })
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.fifo.in_.wrapping_sub(self.fifo.out) as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `value` in, or gives it back if the queue is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        let from = &value as *const T as *const c_void;
        // SAFETY: `from` has one element of the queue's size.
        // INVARIANT: a `T` goes in.
        if unsafe { bindings::__kfifo_in(&mut self.fifo, from, 1) } == 1 {
            Ok(())
        } else {
            Err(value)
        }
    }

    /// Takes out the oldest element, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `value` has room for one element of the queue's size.
        let got = unsafe { bindings::__kfifo_out(&mut self.fifo, value.as_mut_ptr().cast(), 1) };
        (got == 1).then(|| {
            // SAFETY: an element came out, and by the invariant it is a `T`.
            unsafe { value.assume_init() }
        })
    }

    /// The elements in their order, the oldest first. They are in two parts
    /// where the queue's memory ends between them; else the second is empty.
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let start = (self.fifo.out & self.fifo.mask) as usize;
        let slots = (self.fifo.mask as usize).wrapping_add(1);
        let first = self.len().min(slots.wrapping_sub(start));
        let data = self.fifo.data.cast::<T>();
        // SAFETY: there are `slots` slots at `data`, of which those from `out`
        // to `in` hold `T`s, by the invariant; behind the last is the first.
        unsafe {
            (
                slice::from_raw_parts(data.add(start), first),
                slice::from_raw_parts(data, self.len().wrapping_sub(first)),
            )
        }
    }

    /// Throws away the `count` oldest elements, or all if there are fewer.
    pub fn skip(&mut self, count: usize) {
        let count = count.min(self.len()) as c_uint;
        self.fifo.out = self.fifo.out.wrapping_add(count);
    }
}

impl<T: Copy + Send> Drop for Kfifo<T> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: made by `__kfifo_alloc`, and not used again.
        unsafe { bindings::__kfifo_free(&mut self.fifo) };
    }
}
