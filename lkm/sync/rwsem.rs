// SPDX-License-Identifier: GPL-2.0

//! A lock that many readers, or one writer, can have.
//!
//! C header: `include/linux/rwsem.h`.

use super::LockClassKey;
use crate::{
    bindings,
    error::Result,
    irq::may_sleep,
    str::CStr,
    types::{Opaque, Pinned},
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

struct Inner<T> {
    sem: Opaque<bindings::rw_semaphore>,
    data: UnsafeCell<T>,
}

/// `struct rw_semaphore`, with the data that it guards; for process context.
///
/// Taking it may sleep, and one may sleep under it. Where one must not, it
/// spins instead, perhaps for ever, after a warning. A thread that has it must
/// not take it again, not even to read: a writer that waits comes before new
/// readers. A guard that is leaked never releases; then lock and data are leaked, too,
/// as a [`Lock`](super::Lock) is. See [`new_rwsem!`](crate::new_rwsem!).
///
/// # Invariants
///
/// The C semaphore is initialised. Whoever reads the data holds it, whoever
/// writes holds it for writing, or has exclusive access to the whole.
pub struct RwSemaphore<T> {
    inner: ManuallyDrop<Pinned<Inner<T>>>,
}

// SAFETY: the data goes where this goes; the C semaphore belongs to no thread.
unsafe impl<T: Send> Send for RwSemaphore<T> {}
// SAFETY: readers share the data, so it is `Sync`; a writer has it to itself,
// and may take it away, so it is `Send`.
unsafe impl<T: Send + Sync> Sync for RwSemaphore<T> {}

/// Makes a [`RwSemaphore`]: `new_rwsem!(data, "name")`, a [`Result`].
#[macro_export]
macro_rules! new_rwsem {
    ($data:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::sync::RwSemaphore::new, ($data) $(, $name)?)
    };
}

impl<T> RwSemaphore<T> {
    /// Made by [`new_rwsem!`](crate::new_rwsem!). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[cold]
    pub fn new(data: T, name: &'static CStr, key: &'static LockClassKey) -> Result<Self> {
        let inner = Pinned::new(Inner {
            sem: Opaque::uninit(),
            data: UnsafeCell::new(data),
        })?;
        // SAFETY: `Pinned` keeps it where it is; name and key are static.
        unsafe { bindings::lkm_init_rwsem(inner.sem.get(), name.as_char_ptr(), key.as_ptr()) };
        // INVARIANT: just initialised.
        Ok(Self {
            inner: ManuallyDrop::new(inner),
        })
    }

    /// Waits until no writer has it (`down_read`).
    pub fn read(&self) -> ReadGuard<'_, T> {
        let sem = self.inner.sem.get();
        if may_sleep() {
            // SAFETY: initialised by the invariant.
            unsafe { bindings::lkm_down_read(sem) };
        } else {
            // A bug that was warned of. This may never end, but does no harm.
            // SAFETY: initialised by the invariant.
            while !unsafe { bindings::lkm_down_read_trylock(sem) } {
                core::hint::spin_loop();
            }
        }
        // INVARIANT: just taken.
        ReadGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }

    /// Waits until nobody has it (`down_write`).
    pub fn write(&self) -> WriteGuard<'_, T> {
        let sem = self.inner.sem.get();
        if may_sleep() {
            // SAFETY: initialised by the invariant.
            unsafe { bindings::lkm_down_write(sem) };
        } else {
            // SAFETY: initialised by the invariant.
            while !unsafe { bindings::lkm_down_write_trylock(sem) } {
                core::hint::spin_loop();
            }
        }
        // INVARIANT: just taken.
        WriteGuard {
            lock: self,
            _not_send: PhantomData,
        }
    }
}

impl<T> Drop for RwSemaphore<T> {
    fn drop(&mut self) {
        // SAFETY: initialised by the invariant.
        if !unsafe { bindings::lkm_rwsem_is_locked(self.inner.sem.get()) } {
            // SAFETY: nobody uses it again.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}

/// The right to read the data; given up when it is dropped.
///
/// # Invariants
///
/// This thread holds the semaphore for reading.
#[must_use = "it is released when the guard is dropped"]
pub struct ReadGuard<'a, T> {
    lock: &'a RwSemaphore<T>,
    // C wants it released by the thread that took it.
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Sync> Sync for ReadGuard<'_, T> {}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: held for reading, by the invariant.
        unsafe { &*self.lock.inner.data.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: held for reading, by the invariant.
        unsafe { bindings::lkm_up_read(self.lock.inner.sem.get()) };
    }
}

/// The right to use the data; given up when it is dropped.
///
/// # Invariants
///
/// This thread holds the semaphore for writing.
#[must_use = "it is released when the guard is dropped"]
pub struct WriteGuard<'a, T> {
    lock: &'a RwSemaphore<T>,
    // As for `ReadGuard`.
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Sync> Sync for WriteGuard<'_, T> {}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: held for writing, by the invariant.
        unsafe { &*self.lock.inner.data.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: held for writing, by the invariant.
        unsafe { &mut *self.lock.inner.data.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: held for writing, by the invariant.
        unsafe { bindings::lkm_up_write(self.lock.inner.sem.get()) };
    }
}
