// SPDX-License-Identifier: GPL-2.0

//! A reference-counted pointer.
//!
//! C header: `include/linux/refcount.h`.

use crate::{
    bindings,
    error::Result,
    types::{Opaque, Pinned},
};
use core::{marker::PhantomData, ops::Deref, ptr::NonNull};

struct Inner<T> {
    refcount: Opaque<bindings::refcount_t>,
    data: T,
}

/// Shared ownership of a `T` that never moves.
///
/// The count is the kernel's `refcount_t`: instead of wrapping around it
/// saturates, with a warning, and then the value is leaked and never freed
/// while in use. A cycle of `Arc`s is leaked, too.
///
/// Cloning is allowed in any context. Dropping is, too, unless it is the last
/// reference and dropping `T` may sleep.
///
/// # Invariants
///
/// `ptr` is a live `Inner<T>`, of whose count this holds one.
pub struct Arc<T> {
    ptr: NonNull<Inner<T>>,
    _owns: PhantomData<Inner<T>>,
}

// SAFETY: any thread may be the one to drop the `T`, and all can share it.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above, for a shared `Arc` can be cloned.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// Moves `data` to the heap. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn try_new(data: T) -> Result<Self> {
        let inner = Pinned::new(Inner {
            refcount: Opaque::uninit(),
            data,
        })?;
        // SAFETY: nobody else has it yet.
        unsafe { bindings::lkm_refcount_set(inner.refcount.get(), 1) };
        // INVARIANT: the count is 1, and it is this one's.
        Ok(Self {
            ptr: inner.into_raw(),
            _owns: PhantomData,
        })
    }

    fn refcount(&self) -> *mut bindings::refcount_t {
        // SAFETY: live by the invariant.
        unsafe { self.ptr.as_ref() }.refcount.get()
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: live by the invariant.
        unsafe { &self.ptr.as_ref().data }
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        // SAFETY: the count is at least this one's.
        unsafe { bindings::lkm_refcount_inc(self.refcount()) };
        // INVARIANT: the count that was just taken.
        Self {
            ptr: self.ptr,
            _owns: PhantomData,
        }
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        // SAFETY: gives up this one's count; `self` is not used again.
        if unsafe { bindings::lkm_refcount_dec_and_test(self.refcount()) } {
            // SAFETY: from `into_raw`, and that was the last reference.
            drop(unsafe { Pinned::from_raw(self.ptr) });
        }
    }
}
