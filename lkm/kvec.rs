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
    transmute::FromBytes,
};
use core::{
    ffi::{c_int, c_void},
    fmt,
    marker::PhantomData,
    mem::{align_of, size_of, MaybeUninit},
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// Values one after another, with room for more: what is added makes room first,
/// if there is none, which may sleep.
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

    /// Adds a value at the end. May sleep, unless there is room.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve); then the value is dropped.
    pub fn push(&mut self, value: T) -> Result {
        self.reserve(1)?;
        self.push_within_capacity(value).map_err(|_| ENOMEM)
    }

    /// Adds a value at the end, or gives it back if there is no room; any context.
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), T> {
        match self.spare_capacity_mut().first_mut() {
            Some(room) => room.write(value),
            None => return Err(value),
        };
        // SAFETY: just written.
        unsafe { self.inc_len(1) };
        Ok(())
    }

    /// Makes room for `additional` values more, unless there is: for as many again
    /// as there was room for, if that can be had, so that adding one after the
    /// other moves each but a few times. May sleep, if there is no room.
    ///
    /// # Errors
    ///
    /// As [`with_capacity`](Self::with_capacity); then all is as it was.
    pub fn reserve(&mut self, additional: usize) -> Result {
        let to_twice = self.capacity.wrapping_mul(2).wrapping_sub(self.len);
        if self.has_room_for(additional)
            || (additional < to_twice && self.reserve_exact(to_twice).is_ok())
        {
            return Ok(());
        }
        self.reserve_exact(additional)
    }

    /// As [`reserve`](Self::reserve), but no room beyond that. The old memory is
    /// freed once the new has all values.
    ///
    /// # Errors
    ///
    /// As [`with_capacity`](Self::with_capacity); then all is as it was.
    pub fn reserve_exact(&mut self, additional: usize) -> Result {
        if self.has_room_for(additional) {
            return Ok(());
        }
        let capacity = self.len.checked_add(additional).ok_or(ENOMEM)?;
        let mut grown = Self::with_capacity(capacity)?;
        // SAFETY: there is room for that many, in memory of its own.
        unsafe {
            let to = grown.ptr.as_ptr();
            to.copy_from_nonoverlapping(self.ptr.as_ptr(), self.len);
        }
        // INVARIANT: the values are there now, and no longer here.
        grown.len = core::mem::take(&mut self.len);
        *self = grown;
        Ok(())
    }

    fn has_room_for(&self, additional: usize) -> bool {
        additional <= self.capacity.wrapping_sub(self.len)
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
    /// Adds all of `values` at the end. May sleep, unless there is room.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve); then none is added.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result {
        self.reserve(values.len())?;
        // SAFETY: there is room behind the last value, as just reserved, and
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

impl<T: FromBytes> KVVec<T> {
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

/// For `write!`, as [`KVVec::extend_from_slice`]; after an error it has what came
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
