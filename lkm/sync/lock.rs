// SPDX-License-Identifier: GPL-2.0

//! What all locks have in common.
//!
//! C headers: `include/linux/lockdep.h`, and those of the backends.

use crate::{
    bindings,
    error::Result,
    str::CStr,
    types::{Opaque, Pinned},
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// What lockdep knows a kind of lock by: one for each place that makes locks.
///
/// Made by the `new_…!` macros.
#[repr(transparent)]
pub struct LockClassKey(Opaque<bindings::lock_class_key>);

// SAFETY: only lockdep looks into it, under locks of its own.
unsafe impl Sync for LockClassKey {}

impl LockClassKey {
    /// A key for a `static`: lockdep accepts no other.
    #[allow(clippy::new_without_default)]
    #[inline]
    pub const fn new() -> Self {
        Self(Opaque::uninit())
    }

    #[inline]
    pub(crate) fn as_ptr(&'static self) -> *mut bindings::lock_class_key {
        self.0.get()
    }
}

/// How a kind of lock is taken and released.
///
/// # Safety
///
/// From `lock` or a successful `try_lock` to `unlock`, no other caller gets
/// the lock, on any thread or CPU or in an interrupt. If others look at the thread
/// that has it, `NAMES_HOLDER` says so.
pub unsafe trait Backend {
    /// The C lock.
    type State;

    /// What `unlock` needs to know of `lock`.
    type GuardState;

    /// Whether a lock that is taken names the thread that has it, and others
    /// look at that.
    const NAMES_HOLDER: bool = false;

    /// Initialises a lock.
    ///
    /// # Safety
    ///
    /// `ptr` is valid, and stays where it is until `destroy`.
    unsafe fn init(ptr: *mut Self::State, name: &'static CStr, key: &'static LockClassKey);

    /// Whether anybody has the lock.
    ///
    /// # Safety
    ///
    /// `ptr` is initialised.
    unsafe fn is_locked(ptr: *mut Self::State) -> bool;

    /// Says that the lock, which nobody has, will not be used again.
    ///
    /// # Safety
    ///
    /// `ptr` is initialised.
    unsafe fn destroy(_ptr: *mut Self::State) {}

    /// Takes the lock, waiting until it can be had.
    ///
    /// # Safety
    ///
    /// `ptr` is initialised.
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState;

    /// Takes the lock if it can be had at once.
    ///
    /// # Safety
    ///
    /// `ptr` is initialised.
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState>;

    /// Releases the lock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, and `state` is what taking it returned.
    unsafe fn unlock(ptr: *mut Self::State, state: &Self::GuardState);
}

struct Inner<T, B: Backend> {
    lock: Opaque<B::State>,
    data: UnsafeCell<T>,
}

/// A lock with the data that it guards, in one allocation.
///
/// See [`Mutex`](super::Mutex), [`Semaphore`](super::Semaphore),
/// [`SpinLock`](super::SpinLock) and [`SpinLockIrq`](super::SpinLockIrq).
///
/// If a [`Guard`] of it was leaked, so are lock and data: lockdep goes on to look
/// at what a thread holds.
///
/// # Invariants
///
/// The C lock is initialised. Whoever accesses the data holds it, or has
/// exclusive access to the whole.
pub struct Lock<T, B: Backend> {
    inner: ManuallyDrop<Pinned<Inner<T, B>>>,
}

// SAFETY: the data goes where the lock goes; the C lock belongs to no thread.
unsafe impl<T: Send, B: Backend> Send for Lock<T, B> {}
// SAFETY: only one holder at a time gets at the data, so `T` need not be `Sync`.
unsafe impl<T: Send, B: Backend> Sync for Lock<T, B> {}

impl<T, B: Backend> Lock<T, B> {
    /// Made by the `new_…!` macros. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[cold]
    pub fn new(data: T, name: &'static CStr, key: &'static LockClassKey) -> Result<Self> {
        let inner = Pinned::new(Inner {
            lock: Opaque::uninit(),
            data: UnsafeCell::new(data),
        })?;
        // SAFETY: `Pinned` keeps it where it is.
        unsafe { B::init(inner.lock.get(), name, key) };
        // INVARIANT: just initialised.
        Ok(Self {
            inner: ManuallyDrop::new(inner),
        })
    }

    /// Takes the lock, lends the data to `f`, and releases the lock: as
    /// [`lock`](Self::lock), and cheaper for a mutex.
    ///
    /// What is lent cannot be leaked, so the lock is released, and the thread
    /// that it names is there meanwhile. (Unless `f` panics: see the [crate].)
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: initialised by the invariant.
        let state = unsafe { B::lock(self.as_ptr()) };
        // SAFETY: this thread holds the lock, and `f` cannot keep what it is lent.
        let result = f(unsafe { &mut *self.inner.data.get() });
        // SAFETY: taken above.
        unsafe { B::unlock(self.as_ptr(), &state) };
        result
    }

    /// Takes the lock, waiting until it can be had.
    ///
    /// A thread that has it already waits for ever; if it is a mutex, after a
    /// warning.
    pub fn lock(&self) -> Guard<'_, T, B> {
        // SAFETY: initialised by the invariant.
        let state = unsafe { B::lock(self.as_ptr()) };
        // SAFETY: just taken.
        unsafe { self.guard(state) }
    }

    /// Takes the lock if it can be had at once; where `lock` may be called, and
    /// where one must not sleep. A mutex cannot be had in an interrupt.
    pub fn try_lock(&self) -> Option<Guard<'_, T, B>> {
        // SAFETY: initialised by the invariant.
        let state = unsafe { B::try_lock(self.as_ptr()) }?;
        // SAFETY: just taken.
        Some(unsafe { self.guard(state) })
    }

    /// The C lock, initialised.
    pub(super) fn as_ptr(&self) -> *mut B::State {
        self.inner.lock.get()
    }

    /// The guard of a lock that is taken already.
    ///
    /// # Safety
    ///
    /// This thread has taken the lock, for this guard, and `state` is what
    /// taking it returned.
    #[inline]
    pub(super) unsafe fn guard(&self, state: B::GuardState) -> Guard<'_, T, B> {
        if B::NAMES_HOLDER {
            // SAFETY: always allowed.
            unsafe { bindings::lkm_get_current() };
        }
        // INVARIANT: the caller's promise; and that of the thread, as just counted.
        Guard {
            lock: self,
            state,
            _not_send: PhantomData,
        }
    }
}

impl<T, B: Backend> Drop for Lock<T, B> {
    fn drop(&mut self) {
        // SAFETY: initialised by the invariant.
        if unsafe { B::is_locked(self.as_ptr()) } {
            return;
        }
        // SAFETY: as above, and nobody uses it again.
        unsafe {
            B::destroy(self.as_ptr());
            ManuallyDrop::drop(&mut self.inner);
        }
    }
}

/// The right to use the data behind a lock; releases it when dropped.
///
/// A guard that is leaked never releases: the next to take the lock waits for
/// ever, and what the lock switches off (preemption, interrupts) stays off, also
/// for a process whose system call that was, or that was interrupted: the
/// kernel may take its next page fault for one of its own, an oops. A
/// kernel with lockdep complains of the thread, which then holds a lock of a
/// class that is gone once the module is.
///
/// # Invariants
///
/// This thread holds the lock. If the lock names it, a reference to the thread is
/// counted: it is there for as long as the guard is, if that is for ever, too.
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard<'a, T, B: Backend> {
    lock: &'a Lock<T, B>,
    state: B::GuardState,
    // C wants a lock released by the thread, and on the CPU, that took it.
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Sync, B: Backend> Sync for Guard<'_, T, B> {}

impl<T, B: Backend> Deref for Guard<'_, T, B> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this holds the lock, by the invariant.
        unsafe { &*self.lock.inner.data.get() }
    }
}

impl<T, B: Backend> DerefMut for Guard<'_, T, B> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this holds the lock, by the invariant.
        unsafe { &mut *self.lock.inner.data.get() }
    }
}

impl<T, B: Backend> Drop for Guard<'_, T, B> {
    fn drop(&mut self) {
        // SAFETY: this holds the lock, by the invariant.
        unsafe { B::unlock(self.lock.inner.lock.get(), &self.state) };
        if B::NAMES_HOLDER {
            // SAFETY: counted, by the invariant, for this thread, as a guard stays
            // in its thread.
            unsafe { bindings::lkm_put_current() };
        }
    }
}

/// Calls `$new(data, name, key)` with a key of this place's own.
///
/// The name is what lockdep's reports show; without one it is the place.
#[doc(hidden)]
#[macro_export]
macro_rules! with_lock_class {
    ($new:path, ($($arg:expr),*)) => {
        $crate::with_lock_class!(
            $new,
            ($($arg),*),
            $crate::__core::concat!($crate::__core::file!(), ":", $crate::__core::line!())
        )
    };
    ($new:path, ($($arg:expr),*), $name:expr) => {{
        static __LOCK_CLASS: $crate::sync::LockClassKey = $crate::sync::LockClassKey::new();
        $new($($arg,)* $crate::c_str!($name), &__LOCK_CLASS)
    }};
}
