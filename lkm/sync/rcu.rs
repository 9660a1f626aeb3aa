// SPDX-License-Identifier: GPL-2.0

//! Read-copy-update: readers that never wait, and writers that wait for them.
//!
//! C header: `include/linux/rcupdate.h`.
//!
//! ```text
//!  reader          [ with_read_lock ── read ─ ...  ]
//!  writer   prepare ── publish ── old: ....... grace period ....... free
//!                         └ from here on, new readers read the new value
//! ```
//!
//! A grace period ends when every reader has ended that was there when it
//! began. No reader of the old value is left then.
//!
//! tests/loom runs this file under loom, which tries all interleavings.

use super::{LockClassKey, Mutex};
use crate::{bindings, error::Result, irq::may_sleep, source::stopped, str::CStr, types::*};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::{addr_of, NonNull},
};

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
    #[cold]
    pub fn new(value: T, name: &'static CStr, key: &'static LockClassKey) -> Result<Self> {
        let writers = Mutex::new((), name, key)?;
        // INVARIANT: from `into_raw`.
        Ok(Self {
            current: AtomicPtr::new(Prepared::new(value)?.into_node().as_ptr()),
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

    /// Publishes `new` and takes away what was there, which readers may still
    /// be reading: see [`Old`]. `complete` is called first, with the new value and
    /// the one that it is to replace: no other writer can do so meanwhile. It must
    /// not publish here itself.
    ///
    /// Waits for other writers, as for a [`Mutex`]; process context, may sleep.
    #[inline]
    pub fn publish(&self, mut new: Prepared<T>, complete: impl FnOnce(&mut T, &T)) -> Old<T> {
        self.writers.with(|()| {
            // What is there is known to this thread by the lock.
            let old = self.current.load(Ordering::Relaxed);
            // SAFETY: live by the invariant, as the lock is held.
            complete(&mut new, unsafe { &(*old).value });
            // Release: the value, to those who read it through the pointer.
            // INVARIANT: the lock is held, and this is from `into_raw`.
            self.current
                .store(new.into_node().as_ptr(), Ordering::Release);
            // SAFETY: by the invariant it was from `into_raw`, too.
            let node = unsafe { NonNull::new_unchecked(old) };
            // INVARIANT: just taken away.
            Old { node }
        })
    }

    /// Replaces the value by `new`, whatever it was: [`publish`](Self::publish),
    /// with nothing to complete.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; then the value is as it was, and `new` is dropped.
    pub fn replace(&self, new: T) -> Result<Old<T>> {
        Ok(self.publish(Prepared::new(new)?, |_, _| ()))
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

/// A value to be [published](Pointer::publish). It is where it will stay, but so
/// far nobody else's: it can be written to.
///
/// # Invariants
///
/// `node` is from `Pinned::into_raw`, and nobody else has it.
pub struct Prepared<T: Send + Sync + 'static> {
    node: NonNull<Node<T>>,
}

// SAFETY: it owns its `T`.
unsafe impl<T: Send + Sync + 'static> Send for Prepared<T> {}

impl<T: Send + Sync + 'static> Prepared<T> {
    /// Moves `value` to the heap. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[inline]
    pub fn new(value: T) -> Result<Self> {
        let node = Pinned::new(Node {
            head: Opaque::uninit(),
            value,
        })?;
        // INVARIANT: from `into_raw`, just now.
        Ok(Self {
            node: node.into_raw(),
        })
    }

    /// Gives up the node, which is from `Pinned::into_raw`.
    #[inline]
    fn into_node(self) -> NonNull<Node<T>> {
        ManuallyDrop::new(self).node
    }
}

impl<T: Send + Sync + 'static> Deref for Prepared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: live by the invariant.
        unsafe { &(*self.node.as_ptr()).value }
    }
}

impl<T: Send + Sync + 'static> DerefMut for Prepared<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: live, and nobody else's, by the invariant.
        unsafe { &mut (*self.node.as_ptr()).value }
    }
}

impl<T: Send + Sync + 'static> Drop for Prepared<T> {
    fn drop(&mut self) {
        // SAFETY: from `into_raw`, and nobody else's, by the invariant.
        drop(unsafe { Pinned::from_raw(self.node) });
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
            unsafe {
                // `free` finds the whole by it.
                let head = Opaque::raw_get(addr_of!((*node).head));
                bindings::lkm_call_rcu(head, Some(free::<T>));
            }
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
/// `head` is the first field of a `Node<T>` from `Pinned::into_raw`, and made of
/// a pointer to that; called by RCU, once, after a grace period.
unsafe extern "C" fn free<T>(head: *mut RcuHead) {
    // SAFETY: by this function's requirement; `Node` is `repr(C)`.
    drop(unsafe { Pinned::from_raw(NonNull::new_unchecked(head.cast::<Node<T>>())) });
}
