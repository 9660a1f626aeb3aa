// SPDX-License-Identifier: GPL-2.0

//! Tasklets: work that an interrupt handler leaves for just after it.
//!
//! C header: `include/linux/interrupt.h`.
//!
//! ```text
//!          schedule                  interrupts are done
//!   idle ─────────────> scheduled ─────────────────────────> running
//!    ^                      ^                                │    │
//!    │                      └────────── schedule ────────────┘    │
//!    └────────────────────────────── done ────────────────────────┘
//! ```

use crate::{
    bindings,
    error::Result,
    irq::may_sleep,
    source::{stopped, Quiesce, Source},
};
use core::cell::UnsafeCell;

/// What a [`Tasklet`] calls.
pub trait TaskletCallback: Send + 'static {
    /// Called once for one or more calls of [`Tasklet::schedule`]; softirq
    /// context on the CPU that scheduled it. Must not sleep.
    ///
    /// The kernel runs a tasklet on one CPU at a time, so this has its data to
    /// itself.
    fn run(&mut self);
}

/// Only the tasklet's function looks at the callback.
type Inner<T> = Source<bindings::tasklet_struct, UnsafeCell<T>>;

/// A `tasklet_struct` with its callback's data.
///
/// Dropping it waits until it is idle, and drops the data.
///
/// # Invariants
///
/// Only the C tasklet's function accesses the callback.
pub struct Tasklet<T: TaskletCallback> {
    inner: Inner<T>,
}

// SAFETY: the C tasklet synchronises itself, and the data, which may be sent
// to where it is called and dropped, is never shared.
unsafe impl<T: TaskletCallback> Send for Tasklet<T> {}
// SAFETY: as above.
unsafe impl<T: TaskletCallback> Sync for Tasklet<T> {}

impl<T: TaskletCallback> Tasklet<T> {
    /// Makes an idle tasklet. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ESHUTDOWN` while the module is being unloaded.
    #[cold]
    pub fn new(callback: T) -> Result<Self> {
        let inner = Source::new(UnsafeCell::new(callback), |tasklet| {
            // SAFETY: a `Source` keeps it where it is.
            unsafe { bindings::tasklet_setup(tasklet, Some(run::<T>)) };
        })?;
        // INVARIANT: it is not scheduled yet.
        Ok(Self { inner })
    }

    /// Has the callback called soon, if it is not scheduled yet; any context.
    pub fn schedule(&self) {
        if !stopped() {
            // SAFETY: initialised, by the invariant of `Source`.
            unsafe { bindings::lkm_tasklet_schedule(self.inner.object()) };
        }
    }

    /// Waits until it is idle: what was scheduled has run.
    ///
    /// Process context, may sleep. Where one must not, it warns and does not
    /// wait.
    pub fn kill(&self) {
        if may_sleep() {
            self.inner.quiesce();
        }
    }
}

// SAFETY: `tasklet_kill` waits until the tasklet is neither scheduled nor
// running, and keeps it from being scheduled meanwhile.
unsafe impl Quiesce for bindings::tasklet_struct {
    unsafe fn quiesce(this: *mut Self) {
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe { bindings::tasklet_kill(this) };
    }
}

/// # Safety
///
/// `tasklet` is the object of an `Inner<T>`; called by the softirq core
/// alone.
unsafe extern "C" fn run<T: TaskletCallback>(tasklet: *mut bindings::tasklet_struct) {
    // SAFETY: by this function's requirement, and a `Source` outlives its callbacks.
    let callback = unsafe { Inner::<T>::value_of(tasklet) };
    // SAFETY: nobody but this function looks at it, and the softirq core never
    // runs a tasklet twice at a time.
    unsafe { &mut *callback.get() }.run();
}
