// SPDX-License-Identifier: GPL-2.0

//! A count of references that cannot overflow.
//!
//! C header: `include/linux/refcount.h`.

use crate::{bindings, types::Opaque};

/// `refcount_t`: a counter that saturates.
///
/// It warns, once, instead of wrapping around, and from then on it stays where
/// it is: what it counts for is leaked, which is better than freed while in
/// use. All of it may be called in any context.
///
/// Nothing is freed by this; for shared ownership see [`Arc`](super::Arc).
#[repr(transparent)]
pub struct Refcount(Opaque<bindings::refcount_t>);

// SAFETY: a `refcount_t` is atomic, and belongs to no thread.
unsafe impl Send for Refcount {}
// SAFETY: as above.
unsafe impl Sync for Refcount {}

impl Refcount {
    /// The highest count; one more saturates.
    pub const MAX: i32 = i32::MAX;

    /// A count of `value`.
    #[inline]
    pub fn new(value: i32) -> Self {
        let refcount = Self(Opaque::uninit());
        refcount.set(value);
        refcount
    }

    /// Sets the count, whatever it was.
    #[inline]
    pub fn set(&self, value: i32) {
        // SAFETY: a place for a `refcount_t`; any bits are one.
        unsafe { bindings::lkm_refcount_set(self.0.get(), value) };
    }

    /// The count now; negative once it is saturated.
    #[inline]
    pub fn read(&self) -> i32 {
        // SAFETY: initialised by `new`.
        unsafe { bindings::lkm_refcount_read(self.0.get()) as i32 }
    }

    /// Adds one. A count of 0 saturates: what it stood for is gone.
    #[inline]
    pub fn inc(&self) {
        // SAFETY: initialised by `new`.
        unsafe { bindings::lkm_refcount_inc(self.0.get()) };
    }

    /// Takes one away, of more than one: to reach 0 saturates.
    #[inline]
    pub fn dec(&self) {
        // SAFETY: initialised by `new`.
        unsafe { bindings::lkm_refcount_dec(self.0.get()) };
    }

    /// Takes one away; whether that was the last.
    ///
    /// If so, all that was done by others before they took theirs away is seen
    /// by the caller.
    #[inline]
    #[must_use = "if it was the last, there is something to free"]
    pub fn dec_and_test(&self) -> bool {
        // SAFETY: initialised by `new`.
        unsafe { bindings::lkm_refcount_dec_and_test(self.0.get()) }
    }
}
