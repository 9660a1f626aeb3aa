// SPDX-License-Identifier: GPL-2.0

//! Read-copy-update: readers that never wait, and writers that wait for them.
//!
//! C header: `include/linux/rcupdate.h`.
//!
//! ```text
//!  reader          [ with_read_lock ── read ─ ...  ]
//!  writer   lock ── replace ── drop ── old: ....... grace period ....... free
//!                      └ from here on, new readers read the new value
//! ```
//!
//! A grace period ends when every reader has ended that was there when it
//! began. No reader of the old value is left then.
//!
//! tests/loom runs this file under loom, which tries all interleavings.

use super::{Guard as LockGuard, LockClassKey, Mutex, MutexBackend};
use crate::{bindings, error::Result, irq::may_sleep, source::stopped, str::CStr, types::*};
use core::{marker::PhantomData, mem::ManuallyDrop, ops::Deref, ptr::NonNull};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicPtr, Ordering};
#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, Ordering};

/// The proof that one is a reader: what is read with it is not freed while it
/// lasts. See [`with_read_lock`].
///
/// # Invariants
///
/// This thread is in a read-side critical section.
pub struct Guard {
    // It is a thread that reads.
    _not_send: PhantomData<*mut ()>,
}

/// Runs `f` as a reader; any context. What would sleep is refused to it.
///
/// The guard is lent, as it must not be leaked: the kernel has a limit to how
/// many it can count, and ends the reading of a thread that ends.
#[inline]
pub fn with_read_lock<R>(f: impl FnOnce(&Guard) -> R) -> R {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_rcu_read_lock() };
    // INVARIANT: just begun, and `f` cannot keep what it is lent.
    let result = f(&Guard {
        _not_send: PhantomData,
    });
    // SAFETY: this thread reads, since above.
    unsafe { bindings::lkm_rcu_read_unlock() };
    result
}

/// `struct rcu_head`: a macro says so to C.
type RcuHead = bindings::callback_head;

#[repr(C)]
struct Node<T> {
    head: Opaque<RcuHead>,
    value: T,
}

/// A value that is replaced as a whole, and read without a lock.
///
/// See [`new_rcu_pointer!`](crate::new_rcu_pointer!).
///
/// # Invariants
///
/// `current` is from `Pinned::into_raw`. It is replaced with `writers` held,
/// and freed by an [`Old`], or by dropping this: there is no reader then, as
/// each has borrowed this.
pub struct Pointer<T: Send + Sync + 'static> {
    current: AtomicPtr<Node<T>>,
    writers: Mutex<()>,
}

/// Makes a [`Pointer`]: `new_rcu_pointer!(value, "name")`, a [`Result`]. The
/// name is that of the lock that writers take.
#[macro_export]
macro_rules! new_rcu_pointer {
    ($value:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::sync::rcu::Pointer::new, ($value) $(, $name)?)
    };
}

impl<T: Send + Sync + 'static> Pointer<T> {
    /// Made by [`new_rcu_pointer!`](crate::new_rcu_pointer!). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(value: T, name: &'static CStr, key: &'static LockClassKey) -> Result<Self> {
        let writers = Mutex::new((), name, key)?;
        let node = Node::new(value)?;
        // INVARIANT: from `into_raw`.
        Ok(Self {
            current: AtomicPtr::new(node.into_raw().as_ptr()),
            writers,
        })
    }

    /// The value as it is now (`rcu_dereference`); any context. It stays as it
    /// is, and in memory, for as long as there is the guard.
    #[inline]
    pub fn read<'a>(&'a self, _guard: &'a Guard) -> &'a T {
        // Acquire: what was written to the value before it was published.
        let node = self.current.load(Ordering::Acquire);
        // SAFETY: live by the invariant; if it is replaced, an `Old` waits for
        // this reader before it frees it.
        unsafe { &(*node).value }
    }

    /// Waits for other writers; process context, may sleep. As for a `Mutex`.
    pub fn lock(&self) -> Writer<'_, T> {
        let lock = self.writers.lock();
        // INVARIANT: just taken.
        Writer {
            pointer: self,
            _lock: lock,
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Pointer<T> {
    fn drop(&mut self) {
        // `get_mut` would do, but loom has none.
        let node = self.current.load(Ordering::Relaxed);
        // SAFETY: from `into_raw`, by the invariant, and nobody reads it.
        drop(unsafe { Pinned::from_raw(NonNull::new_unchecked(node)) });
    }
}

impl<T> Node<T> {
    fn new(value: T) -> Result<Pinned<Self>> {
        Pinned::new(Self {
            head: Opaque::uninit(),
            value,
        })
    }
}

/// The right to replace the value behind a [`Pointer`]; others wait for it.
///
/// # Invariants
///
/// This thread holds the pointer's lock.
#[must_use = "other writers wait until it is dropped"]
pub struct Writer<'a, T: Send + Sync + 'static> {
    pointer: &'a Pointer<T>,
    _lock: LockGuard<'a, (), MutexBackend>,
}

/// The value as it is: no other writer can replace it now.
impl<T: Send + Sync + 'static> Deref for Writer<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: live by the invariant of `Pointer`. With the lock held only
        // `replace` could take it away, and that wants this for itself.
        unsafe { &(*self.pointer.current.load(Ordering::Relaxed)).value }
    }
}

impl<T: Send + Sync + 'static> Writer<'_, T> {
    /// Publishes `new` and takes away what was there, which readers may still
    /// be reading: see [`Old`]. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; then the value is as it was, and `new` is dropped.
    pub fn replace(&mut self, new: T) -> Result<Old<T>> {
        let new = Node::new(new)?.into_raw();
        // Release: the value, to those who read it through the pointer. What
        // was there is known to this thread by the lock.
        // INVARIANT: the lock is held, and this is from `into_raw`.
        let old = self.pointer.current.swap(new.as_ptr(), Ordering::Release);
        // SAFETY: by the invariant of `Pointer` it was from `into_raw`, too.
        let node = unsafe { NonNull::new_unchecked(old) };
        // INVARIANT: just taken away.
        Ok(Old { node })
    }
}

/// A value that was replaced, and is to be freed when no reader is left.
///
/// Dropping it waits for that: better with no lock held that others want.
/// [`call_rcu`](Self::call_rcu) does not wait. Where one cannot wait,
/// dropping is `call_rcu`.
///
/// # Invariants
///
/// `node` is from `Pinned::into_raw`, and no [`Pointer`] leads to it any more.
#[must_use = "dropping it waits for a grace period"]
pub struct Old<T: Send + Sync + 'static> {
    node: NonNull<Node<T>>,
}

// SAFETY: it owns its `T`, to which readers have shared access.
unsafe impl<T: Send + Sync + 'static> Send for Old<T> {}

impl<T: Send + Sync + 'static> Old<T> {
    /// Waits for a grace period, and frees the value; process context, sleeps
    /// for some milliseconds. Where one must not sleep it warns, and is
    /// [`call_rcu`](Self::call_rcu).
    pub fn synchronize_rcu(self) {
        drop(self);
    }

    /// Has the value freed after a grace period, and does not wait; any
    /// context.
    ///
    /// It is dropped in softirq context, where nothing may sleep, on any CPU.
    /// Unloading the module waits for it. If the module's value is gone already
    /// (a callback whose handle was leaked may still run), it is leaked.
    pub fn call_rcu(self) {
        let node = ManuallyDrop::new(self).node.as_ptr();
        // No callback may come after the last `rcu_barrier`: it is leaked then.
        if !stopped() {
            // SAFETY: by the invariant nobody can find it any more, it is freed
            // by `free` alone, and the module's code stays until that has run.
            unsafe { bindings::lkm_call_rcu((*node).head.get(), Some(free::<T>)) };
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Old<T> {
    fn drop(&mut self) {
        if may_sleep() {
            // SAFETY: process context, and this thread does not read.
            unsafe { bindings::synchronize_rcu() };
            // SAFETY: from `into_raw`, and all readers have ended that could
            // have found it.
            drop(unsafe { Pinned::from_raw(self.node) });
        } else {
            // INVARIANT: `self` is not used again.
            Old { node: self.node }.call_rcu();
        }
    }
}

/// # Safety
///
/// `head` is the first field of a `Node<T>` from `Pinned::into_raw`; called
/// by RCU, once, after a grace period.
unsafe extern "C" fn free<T>(head: *mut RcuHead) {
    // SAFETY: by this function's requirement; `Node` is `repr(C)`.
    drop(unsafe { Pinned::from_raw(NonNull::new_unchecked(head.cast::<Node<T>>())) });
}
