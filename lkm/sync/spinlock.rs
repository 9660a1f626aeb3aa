// SPDX-License-Identifier: GPL-2.0

//! Locks whose waiters spin.
//!
//! C header: `include/linux/spinlock.h`.

use super::lock::{Backend, Lock, LockClassKey};
use crate::{bindings, str::CStr};

/// A lock for data that only threads use, under which one must not sleep.
///
/// It switches preemption off and leaves interrupts on. If a thread shares the
/// data with a timer, a tasklet or an interrupt handler, use [`SpinLockIrq`]:
/// otherwise one that comes on the thread's CPU waits for ever for the thread
/// that it has interrupted. (There is no `spin_lock_bh` here.)
/// See [`new_spinlock!`](crate::new_spinlock!).
pub type SpinLock<T> = Lock<T, SpinLockBackend>;

/// A lock for any context, under which one must not sleep.
///
/// It switches this CPU's interrupts off, and back to what they were.
/// Guards are to be dropped in the reverse order of their making.
/// See [`new_spinlock_irq!`](crate::new_spinlock_irq!).
pub type SpinLockIrq<T> = Lock<T, SpinLockIrqBackend>;

/// Makes a [`SpinLock`]: `new_spinlock!(data, "name")`, a [`Result`](crate::Result).
#[macro_export]
macro_rules! new_spinlock {
    ($data:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::sync::SpinLock::new, ($data) $(, $name)?)
    };
}

/// Makes a [`SpinLockIrq`]: `new_spinlock_irq!(data, "name")`, a [`Result`](crate::Result).
#[macro_export]
macro_rules! new_spinlock_irq {
    ($data:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::sync::SpinLockIrq::new, ($data) $(, $name)?)
    };
}

/// Such a kernel looks at it when the CPU that has the lock wants it again.
const NAMES_HOLDER: bool = cfg!(CONFIG_DEBUG_SPINLOCK);

/// `spinlock_t`, taken with `spin_lock`.
pub struct SpinLockBackend;

// SAFETY: a `spinlock_t` has one holder at a time; an interrupt that wants it
// on the holder's CPU spins for ever and does not get it.
unsafe impl Backend for SpinLockBackend {
    type State = bindings::spinlock_t;
    type GuardState = ();
    const NAMES_HOLDER: bool = NAMES_HOLDER;

    #[inline]
    unsafe fn init(ptr: *mut Self::State, name: &'static CStr, key: &'static LockClassKey) {
        // SAFETY: the caller's promise; name and key are static.
        unsafe { bindings::lkm_spin_lock_init(ptr, name.as_char_ptr(), key.as_ptr()) };
    }

    #[inline]
    unsafe fn is_locked(ptr: *mut Self::State) -> bool {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_spin_is_locked(ptr) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_spin_lock(ptr) };
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<()> {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_spin_trylock(ptr) }.then(|| ())
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _state: &()) {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_spin_unlock(ptr) };
    }
}

/// `spinlock_t`, taken with `spin_lock_irqsave`.
pub struct SpinLockIrqBackend;

// SAFETY: as for `SpinLockBackend`.
unsafe impl Backend for SpinLockIrqBackend {
    type State = bindings::spinlock_t;
    /// The interrupt state to go back to.
    type GuardState = core::ffi::c_ulong;
    const NAMES_HOLDER: bool = NAMES_HOLDER;

    #[inline]
    unsafe fn init(ptr: *mut Self::State, name: &'static CStr, key: &'static LockClassKey) {
        // SAFETY: the caller's promise; name and key are static.
        unsafe { bindings::lkm_spin_lock_init(ptr, name.as_char_ptr(), key.as_ptr()) };
    }

    #[inline]
    unsafe fn is_locked(ptr: *mut Self::State) -> bool {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_spin_is_locked(ptr) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_spin_lock_irqsave(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        let mut flags = 0;
        // SAFETY: the caller's promise.
        let taken = unsafe { bindings::lkm_spin_trylock_irqsave(ptr, &mut flags) };
        taken.then(|| flags)
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, flags: &Self::GuardState) {
        // SAFETY: the caller's promise.
        unsafe { bindings::lkm_spin_unlock_irqrestore(ptr, *flags) };
    }
}
