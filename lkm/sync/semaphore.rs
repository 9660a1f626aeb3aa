// SPDX-License-Identifier: GPL-2.0

//! A lock for what takes long.
//!
//! C header: `include/linux/semaphore.h`.

use super::lock::{Backend, Guard, Lock, LockClassKey};
use crate::{
    bindings,
    error::{
        code::{EDEADLK, ERESTARTSYS},
        Result,
    },
    irq::may_sleep,
    str::CStr,
};

/// `struct semaphore`, of which one thread at a time has the data; for process
/// context.
///
/// Under it one may sleep. Who waits sleeps at once; for a [`Mutex`](super::Mutex)
/// one first spins while its holder runs. `lock` does not mind signals, and where
/// one must not sleep it spins, perhaps for ever, after a warning. lockdep, which
/// does not look at C's semaphores, looks at these.
/// See [`new_semaphore!`](crate::new_semaphore!).
pub type Semaphore<T> = Lock<T, SemaphoreBackend>;

/// Makes a [`Semaphore`]: `new_semaphore!(data, "name")`, a [`Result`](crate::Result).
#[macro_export]
macro_rules! new_semaphore {
    ($data:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::sync::Semaphore::new, ($data) $(, $name)?)
    };
}

impl<T> Semaphore<T> {
    /// Takes the lock, waiting until it can be had or a signal comes. Process
    /// context, may sleep.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal came first: to be returned to userland as it
    /// is, where it means a restart or `EINTR`. `EDEADLK` where one must not
    /// sleep.
    pub fn lock_interruptible(&self) -> Result<Guard<'_, T, SemaphoreBackend>> {
        if !may_sleep() {
            return Err(EDEADLK);
        }
        // SAFETY: initialised, by the invariant of `Lock`.
        if unsafe { bindings::lkm_down_interruptible(self.as_ptr()) } != 0 {
            return Err(ERESTARTSYS);
        }
        // SAFETY: just taken.
        Ok(unsafe { self.guard(()) })
    }
}

/// `struct semaphore`.
pub struct SemaphoreBackend;

// SAFETY: a semaphore that begins with 1 has one holder at a time.
unsafe impl Backend for SemaphoreBackend {
    type State = bindings::lkm_semaphore;
    type GuardState = ();

    unsafe fn init(ptr: *mut Self::State, name: &'static CStr, key: &'static LockClassKey) {
        // SAFETY: the caller's promise; name and key are static.
        unsafe { bindings::lkm_sema_init(ptr, name.as_char_ptr(), key.as_ptr()) };
    }

    unsafe fn is_locked(ptr: *mut Self::State) -> bool {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_sema_is_locked(ptr) }
    }

    unsafe fn lock(ptr: *mut Self::State) {
        if may_sleep() {
            // SAFETY: the caller's promise.
            unsafe { bindings::lkm_down(ptr) };
        } else {
            // A bug that was warned of. This may never end, but does no harm.
            // SAFETY: the caller's promise.
            while unsafe { Self::try_lock(ptr) }.is_none() {
                core::hint::spin_loop();
            }
        }
    }

    unsafe fn try_lock(ptr: *mut Self::State) -> Option<()> {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_down_trylock(ptr) }.then(|| ())
    }

    unsafe fn unlock(ptr: *mut Self::State, _state: &()) {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_up(ptr) };
    }
}
