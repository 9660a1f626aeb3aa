// SPDX-License-Identifier: GPL-2.0

//! Types that wrap C objects.

use crate::{
    bindings,
    error::{code::ENOMEM, Result},
};
use core::{
    alloc::Layout,
    cell::UnsafeCell,
    marker::{PhantomData, PhantomPinned},
    mem::MaybeUninit,
    ops::Deref,
    ptr::NonNull,
};

// tests/loom has a heap of its own.
#[cfg(loom)]
use crate::heap::{alloc, dealloc};
#[cfg(not(loom))]
use alloc::alloc::{alloc, dealloc};

/// The most that one allocation can have, in bytes; to ask for more is a
/// warning of the kernel's.
pub(crate) const MAX_ALLOC: usize = bindings::BINDINGS_KMALLOC_MAX_SIZE as usize;

/// A C object that only C looks into.
///
/// It may be uninitialised, C may write to it at any time, and it may hold
/// pointers to itself.
#[repr(transparent)]
pub(crate) struct Opaque<T> {
    value: UnsafeCell<MaybeUninit<T>>,
    _pin: PhantomPinned,
}

impl<T> Opaque<T> {
    /// An object that C has yet to initialise.
    #[inline]
    pub(crate) const fn uninit() -> Self {
        Self {
            value: UnsafeCell::new(MaybeUninit::uninit()),
            _pin: PhantomPinned,
        }
    }

    /// The pointer for C.
    ///
    /// It may be used for this object alone. If what it points to is to be found
    /// again by it, as `container_of` does, see [`raw_get`](Self::raw_get).
    #[inline]
    pub(crate) const fn get(&self) -> *mut T {
        UnsafeCell::get(&self.value).cast::<T>()
    }

    /// The pointer for C, which may be used for all that `this` may be used for:
    /// if that was made by `addr_of!` of a field, for the whole.
    #[inline]
    pub(crate) const fn raw_get(this: *const Self) -> *mut T {
        UnsafeCell::raw_get(this.cast::<UnsafeCell<MaybeUninit<T>>>()).cast::<T>()
    }
}

/// A value on the heap that is shared by reference and never moves.
///
/// The kernel keeps pointers into what is in it. Unlike a `Box` it claims no
/// exclusive access, so those pointers stay valid while the handle moves, and
/// there is no way to a `&mut T` that could be used to swap the value.
///
/// # Invariants
///
/// `ptr` is valid for reads and owns its allocation.
pub(crate) struct Pinned<T> {
    ptr: NonNull<T>,
    _owns: PhantomData<T>,
}

// SAFETY: a `Pinned<T>` owns its `T`, and gives out `&T`, as a `Box<T>` does.
unsafe impl<T: Send> Send for Pinned<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Pinned<T> {}

impl<T> Pinned<T> {
    /// Moves `value` to the heap. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, always so where one must not sleep.
    pub(crate) fn new(value: T) -> Result<Self> {
        let layout = Layout::new::<T>();
        let ptr = if layout.size() == 0 {
            NonNull::dangling()
        } else {
            // SAFETY: the size is not 0.
            NonNull::new(unsafe { alloc(layout) }.cast::<T>()).ok_or(ENOMEM)?
        };
        // SAFETY: allocated above for a `T`, or dangling for a `T` of no size.
        unsafe { ptr.as_ptr().write(value) };
        // INVARIANT: just allocated and written.
        Ok(Self {
            ptr,
            _owns: PhantomData,
        })
    }

    /// Memory for a value that is yet to come: for what must not fail once there
    /// is one. May sleep.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub(crate) fn new_uninit() -> Result<Pinned<MaybeUninit<T>>> {
        Pinned::new(MaybeUninit::uninit())
    }

    /// Gives up the ownership; [`from_raw`](Self::from_raw) takes it back.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<T> {
        core::mem::ManuallyDrop::new(self).ptr
    }

    /// Takes the ownership that [`into_raw`](Self::into_raw) gave up.
    ///
    /// # Safety
    ///
    /// `ptr` is from `into_raw`, is taken back once, and nobody uses it else.
    #[inline]
    pub(crate) unsafe fn from_raw(ptr: NonNull<T>) -> Self {
        // INVARIANT: as it was in the value that was given up.
        Self {
            ptr,
            _owns: PhantomData,
        }
    }
}

impl<T> Pinned<MaybeUninit<T>> {
    /// Moves `value` there.
    pub(crate) fn write(self, value: T) -> Pinned<T> {
        let ptr = self.into_raw().cast::<T>();
        // SAFETY: valid by the invariant, of this layout, and nobody else's.
        unsafe { ptr.as_ptr().write(value) };
        // INVARIANT: the allocation is the one that was given up, and written.
        Pinned {
            ptr,
            _owns: PhantomData,
        }
    }
}

impl<T> Deref for Pinned<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: valid by the invariant.
        unsafe { self.ptr.as_ref() }
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        let layout = Layout::new::<T>();
        // SAFETY: by the invariant this owns a `T`, allocated with this layout
        // unless it has no size.
        unsafe {
            self.ptr.as_ptr().drop_in_place();
            if layout.size() != 0 {
                dealloc(self.ptr.as_ptr().cast(), layout);
            }
        }
    }
}
