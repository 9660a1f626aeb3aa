// SPDX-License-Identifier: GPL-2.0

//! A reference-counted pointer.
//!
//! C header: `include/linux/refcount.h`.

use super::Refcount;
use crate::{error::Result, types::Pinned};
use core::{marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr::NonNull};

struct Inner<T> {
    refcount: Refcount,
    data: T,
}

/// Shared ownership of a `T` that never moves.
///
/// The count is a [`Refcount`]: one that overflows leaks the value, with a
/// warning, and does not free it while in use. A cycle of `Arc`s is leaked, too.
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
            refcount: Refcount::new(1),
            data,
        })?;
        // INVARIANT: the count is 1, and it is this one's.
        Ok(Self {
            ptr: inner.into_raw(),
            _owns: PhantomData,
        })
    }

    /// Lends the reference without counting: a copy for those who may want one
    /// of their own.
    #[inline]
    pub fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        // INVARIANT: `self` stays, and its count with it, while it is borrowed.
        ArcBorrow {
            ptr: self.ptr,
            _lifetime: PhantomData,
        }
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
        // SAFETY: live by the invariant.
        unsafe { self.ptr.as_ref() }.refcount.inc();
        // INVARIANT: the count that was just taken.
        Self {
            ptr: self.ptr,
            _owns: PhantomData,
        }
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        // SAFETY: live by the invariant. Once this count is taken away another
        // thread may free it, and nothing here looks at it then.
        if unsafe { self.ptr.as_ref() }.refcount.dec_and_test() {
            // SAFETY: from `into_raw`, and that was the last reference.
            drop(unsafe { Pinned::from_raw(self.ptr) });
        }
    }
}

/// A reference that an [`Arc`] has lent: `&T`, and the right to an `Arc` of it.
///
/// As `&Arc<T>`, with one pointer less on the way to the value.
///
/// # Invariants
///
/// `ptr` is a live `Inner<T>`, of which an `Arc` exists for all of `'a`.
pub struct ArcBorrow<'a, T> {
    ptr: NonNull<Inner<T>>,
    _lifetime: PhantomData<&'a T>,
}

// SAFETY: as for `Arc`, of which this can be made one.
unsafe impl<T: Send + Sync> Send for ArcBorrow<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for ArcBorrow<'_, T> {}

impl<T> Clone for ArcBorrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ArcBorrow<'_, T> {}

impl<T> Deref for ArcBorrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: live by the invariant.
        unsafe { &self.ptr.as_ref().data }
    }
}

impl<T> From<ArcBorrow<'_, T>> for Arc<T> {
    fn from(borrow: ArcBorrow<'_, T>) -> Self {
        // INVARIANT: live, and never dropped, so this has no count of its own.
        let lender = ManuallyDrop::new(Arc {
            ptr: borrow.ptr,
            _owns: PhantomData,
        });
        Arc::clone(&lender)
    }
}
