// SPDX-License-Identifier: GPL-2.0

//! Waiting for something to become true.
//!
//! C header: `include/linux/wait.h`.

use super::lock::LockClassKey;
use crate::{
    bindings,
    error::{code::EDEADLK, to_result, Result},
    irq::may_sleep,
    str::CStr,
    types::{Opaque, Pinned},
};
use core::ffi::{c_int, c_uint};

/// Where threads sleep until somebody wakes them and their condition is true.
///
/// Whoever makes the condition true does so first and wakes then.
/// See [`new_wait_queue!`](crate::new_wait_queue!).
///
/// # Invariants
///
/// The C object is initialised.
pub struct WaitQueue {
    head: Pinned<Opaque<bindings::wait_queue_head>>,
}

// SAFETY: a wait queue belongs to no thread, and has a lock of its own.
unsafe impl Send for WaitQueue {}
// SAFETY: as above.
unsafe impl Sync for WaitQueue {}

/// Makes a [`WaitQueue`]: `new_wait_queue!("name")`, a [`Result`].
#[macro_export]
macro_rules! new_wait_queue {
    ($($name:literal)?) => {
        $crate::with_lock_class!($crate::sync::WaitQueue::new, () $(, $name)?)
    };
}

impl WaitQueue {
    /// Made by [`new_wait_queue!`](crate::new_wait_queue!). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[cold]
    pub fn new(name: &'static CStr, key: &'static LockClassKey) -> Result<Self> {
        let head = Pinned::new(Opaque::uninit())?;
        // SAFETY: `Pinned` keeps it where it is; name and key are static.
        unsafe {
            bindings::__init_waitqueue_head(head.get(), name.as_char_ptr(), key.as_ptr());
        }
        // INVARIANT: just initialised.
        Ok(Self { head })
    }

    /// Sleeps until `condition` is true; process context.
    ///
    /// `condition` may be called any number of times, and must not sleep, nor
    /// keep a lock with which one must not.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` if a signal came first: to be returned to userland as it
    /// is, where it means a restart or `EINTR`. `EDEADLK` where one must not
    /// sleep.
    pub fn wait_interruptible(&self, mut condition: impl FnMut() -> bool) -> Result {
        if !may_sleep() {
            return Err(EDEADLK);
        }
        let entry = Opaque::uninit();
        // SAFETY: the entry is taken off the queue below, before it ends.
        unsafe { bindings::init_wait_entry(entry.get(), 0) };
        let result = loop {
            // SAFETY: both are initialised.
            let ret = unsafe {
                bindings::prepare_to_wait_event(
                    self.as_ptr(),
                    entry.get(),
                    bindings::TASK_INTERRUPTIBLE as c_int,
                )
            };
            // The condition first: what is ready is not given up for a signal.
            if condition() {
                break Ok(());
            }
            if ret != 0 {
                break to_result(ret as c_int);
            }
            // The condition may have taken a lock, and have kept it.
            // SAFETY: always allowed.
            if !unsafe { bindings::lkm_not_atomic() } {
                break Err(EDEADLK);
            }
            // SAFETY: one may sleep, as was just checked.
            unsafe { bindings::schedule() };
        };
        // SAFETY: both are initialised.
        unsafe { bindings::finish_wait(self.as_ptr(), entry.get()) };
        result
    }

    /// Wakes everybody who waits or polls here; any context, does not sleep.
    #[inline]
    pub fn wake_up_all(&self) {
        // SAFETY: initialised by the invariant.
        unsafe {
            bindings::__wake_up(
                self.as_ptr(),
                bindings::TASK_NORMAL as c_uint,
                0,
                core::ptr::null_mut(),
            );
        }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::wait_queue_head {
        self.head.get()
    }
}
