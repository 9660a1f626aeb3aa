// SPDX-License-Identifier: GPL-2.0

//! A lock whose waiters sleep.
//!
//! C header: `include/linux/mutex.h`.

use super::lock::{Backend, Lock, LockClassKey};
use crate::{bindings, str::CStr};

/// A lock for process context, under which one may sleep.
///
/// Taking it may sleep; where one must not, it spins instead, perhaps for ever,
/// after a warning. An interrupt does not get it: there `lock` spins for ever after
/// a warning, and `try_lock` has one, too. See [`new_mutex!`](crate::new_mutex!).
pub type Mutex<T> = Lock<T, MutexBackend>;

/// Makes a [`Mutex`]: `new_mutex!(data, "name")`, a [`Result`](crate::Result).
#[macro_export]
macro_rules! new_mutex {
    ($data:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::sync::Mutex::new, ($data) $(, $name)?)
    };
}

/// `struct mutex`.
pub struct MutexBackend;

// SAFETY: a `struct mutex` has one holder at a time, if that does not wait for it
// again, and if no interrupt takes it, whose holder is the thread that it came
// between: `lkm_mutex_lock` and `lkm_mutex_trylock` see to both.
unsafe impl Backend for MutexBackend {
    type State = bindings::mutex;
    type GuardState = ();
    /// Those who wait for it look at what its owner does.
    const NAMES_HOLDER: bool = true;

    #[inline]
    unsafe fn init(ptr: *mut Self::State, name: &'static CStr, key: &'static LockClassKey) {
        // SAFETY: the caller's promise; name and key are static.
        unsafe { bindings::lkm_mutex_init(ptr, name.as_char_ptr(), key.as_ptr()) };
    }

    #[inline]
    unsafe fn is_locked(ptr: *mut Self::State) -> bool {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_mutex_is_locked(ptr) }
    }

    #[inline]
    unsafe fn destroy(ptr: *mut Self::State) {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_mutex_destroy(ptr) };
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_mutex_lock(ptr) };
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<()> {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_mutex_trylock(ptr) }.then(|| ())
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _state: &()) {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_mutex_unlock(ptr) };
    }
}
