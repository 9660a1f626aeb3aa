// SPDX-License-Identifier: GPL-2.0

//! Arrays that may be large.
//!
//! C header: `include/linux/slab.h` (`kvmalloc`).

use crate::{
    bindings,
    error::{
        code::{EINVAL, ENOMEM},
        Result,
    },
    irq::may_sleep,
    uaccess::AsBytes,
};
use core::{
    ffi::{c_int, c_void},
    fmt,
    marker::PhantomData,
    mem::{align_of, size_of, MaybeUninit},
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// Values one after another. It never grows by itself: `push` fails when it is
/// full.
///
/// The memory is from `kvmalloc`: it need not be contiguous for the hardware,
/// so it can be had in sizes for which there is no single piece any more.
///
/// Its memory may be freed in any context. That sleeps only where one may; much
/// of it that is freed by a reader of RCU or under a spin lock is leaked. How the
/// values may be dropped is up to them.
///
/// # Invariants
///
/// `ptr` is an allocation of `kvmalloc` that this owns, for `capacity` values,
/// or dangling if that is 0. The first `len` values, of `capacity` at most,
/// are initialised.
pub struct KVVec<T> {
    ptr: NonNull<T>,
    len: usize,
    capacity: usize,
    _owns: PhantomData<T>,
}

// SAFETY: it owns its values, as a `Vec` does.
unsafe impl<T: Send> Send for KVVec<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for KVVec<T> {}

impl<T> KVVec<T> {
    /// One that has no values, and no room for any.
    pub const fn new() -> Self {
        // INVARIANT: nothing is allocated.
        Self {
            ptr: NonNull::dangling(),
            len: 0,
            capacity: 0,
            _owns: PhantomData,
        }
    }

    /// Makes room for `capacity` values, and has none. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, always so where one must not sleep, and for more than 2 GiB; `EINVAL`
    /// for a `T` that has no size or is aligned to more than 8 bytes.
    pub fn with_capacity(capacity: usize) -> Result<Self> {
        Self::allocate(capacity, bindings::lkm_kvmalloc)
    }

    /// By `alloc`, which has the signature of `kvmalloc` and does the same.
    fn allocate(
        capacity: usize,
        alloc: unsafe extern "C" fn(usize) -> *mut c_void,
    ) -> Result<Self> {
        if size_of::<T>() == 0 || align_of::<T>() > 8 {
            return Err(EINVAL);
        }
        if !may_sleep() || capacity > c_int::MAX as usize / size_of::<T>() {
            return Err(ENOMEM);
        }
        let ptr = if capacity == 0 {
            NonNull::dangling()
        } else {
            // SAFETY: a size that is not 0, and not above the one from which C warns.
            let ptr = unsafe { alloc(capacity.wrapping_mul(size_of::<T>())) };
            NonNull::new(ptr.cast::<T>()).ok_or(ENOMEM)?
        };
        // INVARIANT: just allocated, aligned to 8 bytes; no value yet.
        Ok(Self {
            ptr,
            len: 0,
            capacity,
            _owns: PhantomData,
        })
    }

    /// How many values there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Adds a value at the end; any context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if it is full; then the value is dropped.
    pub fn push(&mut self, value: T) -> Result {
        let room = self.spare_capacity_mut().first_mut().ok_or(ENOMEM)?;
        room.write(value);
        // SAFETY: just written.
        unsafe { self.inc_len(1) };
        Ok(())
    }

    /// The room behind the last value.
    pub(crate) fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<T>] {
        // SAFETY: allocated, by the invariant, and need not be initialised.
        unsafe {
            let end = self.ptr.as_ptr().add(self.len).cast::<MaybeUninit<T>>();
            core::slice::from_raw_parts_mut(end, self.capacity.wrapping_sub(self.len))
        }
    }

    /// Takes `additional` values in that were written to the spare capacity.
    ///
    /// # Safety
    ///
    /// The first `additional` values of the spare capacity, which has that
    /// many, are initialised.
    pub(crate) unsafe fn inc_len(&mut self, additional: usize) {
        // INVARIANT: the caller's promise.
        self.len = self.len.wrapping_add(additional);
    }
}

impl<T: Copy> KVVec<T> {
    /// Makes room for `additional` values more, and not for any beyond these,
    /// unless there is. The old memory is freed once the new has all values. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// As [`with_capacity`](Self::with_capacity); then all is as it was.
    pub fn reserve_exact(&mut self, additional: usize) -> Result {
        if additional > self.capacity.wrapping_sub(self.len) {
            let capacity = self.len.checked_add(additional).ok_or(ENOMEM)?;
            let mut grown = Self::with_capacity(capacity)?;
            grown.extend_from_slice(self)?;
            *self = grown;
        }
        Ok(())
    }

    /// Adds all of `values` at the end; any context.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is not room for them all; then none is added.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result {
        if values.len() > self.capacity.wrapping_sub(self.len) {
            return Err(ENOMEM);
        }
        // SAFETY: there is room behind the last value, as was checked, and
        // `values` is not in there, as `self` is borrowed for writing.
        unsafe {
            let end = self.ptr.as_ptr().add(self.len);
            end.copy_from_nonoverlapping(values.as_ptr(), values.len());
        }
        // INVARIANT: just written, within the capacity.
        self.len = self.len.wrapping_add(values.len());
        Ok(())
    }

    /// Makes it empty; the memory stays.
    pub fn clear(&mut self) {
        // What is `Copy` need not be dropped.
        self.len = 0;
    }
}

impl<T: AsBytes> KVVec<T> {
    /// One with `len` values whose bytes are all 0. May sleep.
    ///
    /// # Errors
    ///
    /// As [`with_capacity`](Self::with_capacity).
    pub fn zeroed(len: usize) -> Result<Self> {
        let mut zeroed = Self::allocate(len, bindings::lkm_kvzalloc)?;
        // SAFETY: C has set all to 0, and any bytes make a `T`.
        unsafe { zeroed.inc_len(len) };
        Ok(zeroed)
    }
}

impl<T> Default for KVVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for KVVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: by the invariant; the allocation is of 2 GiB at most.
        unsafe { core::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for KVVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and nobody else has it.
        unsafe { core::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

/// For `write!`; an error is that it is full, and has what fitted of what came
/// before.
impl fmt::Write for KVVec<u8> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend_from_slice(text.as_bytes())
            .map_err(|_| fmt::Error)
    }
}

impl<T> Drop for KVVec<T> {
    fn drop(&mut self) {
        let values: *mut [T] = &mut **self;
        // SAFETY: initialised, by the invariant, and not used again.
        unsafe { values.drop_in_place() };
        if self.capacity != 0 {
            // SAFETY: from `kvmalloc`, by the invariant, and not used again.
            unsafe { bindings::lkm_kvfree(self.ptr.as_ptr().cast()) };
        }
    }
}
