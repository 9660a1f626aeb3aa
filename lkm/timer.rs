// SPDX-License-Identifier: GPL-2.0

//! Timers for when it does not matter much: time-outs and the like.
//!
//! C header: `include/linux/timer.h`.
//!
//! ```text
//!            start                    the time has come
//!   idle ─────────────> pending ────────────────────────> running
//!    ^ ^                │    ^                            │   │
//!    │ └──── cancel ────┘    └───────── Restart(t) ───────┘   │
//!    └────────────────────── NoRestart ───────────────────────┘
//! ```
//!
//! `cancel` also waits for one that is running, and undoes its restart.

use crate::{
    bindings,
    error::Result,
    source::{stopped, Quiesce, Source},
    str::CStr,
    sync::LockClassKey,
    time::Delta,
    types::Opaque,
};
use core::cell::UnsafeCell;

/// What a [`Timer`] calls.
pub trait TimerCallback: Send + 'static {
    /// Called when the time has come; softirq context, must not sleep.
    ///
    /// The kernel runs a timer on one CPU at a time, so this has its data to
    /// itself. What it shares with threads belongs into a
    /// [`SpinLockIrq`](crate::sync::SpinLockIrq).
    fn run(&mut self) -> TimerRestart;
}

/// Whether a timer goes on.
pub enum TimerRestart {
    /// It is idle now.
    NoRestart,
    /// It is called again, this long from now.
    Restart(Delta),
}

#[repr(C)]
struct Inner<T> {
    timer: Opaque<bindings::timer_list>,
    callback: UnsafeCell<T>,
}

/// A `timer_list` with its callback's data.
///
/// Times are rounded up to whole ticks, and long ones to the timer wheel's
/// step, up to an eighth more; for exact times see [`crate::hrtimer`].
///
/// Dropping it cancels it, waits, and drops the data. See [`new_timer!`](crate::new_timer!).
///
/// # Invariants
///
/// The C timer is initialised; only its function accesses `callback`.
pub struct Timer<T: TimerCallback> {
    inner: Source<Inner<T>>,
}

// SAFETY: the C timer has a lock of its own, and the data, which may be sent
// to where it is called and dropped, is never shared.
unsafe impl<T: TimerCallback> Send for Timer<T> {}
// SAFETY: as above.
unsafe impl<T: TimerCallback> Sync for Timer<T> {}

/// Makes a [`Timer`]: `new_timer!(callback, "name")`, a [`Result`].
#[macro_export]
macro_rules! new_timer {
    ($callback:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::timer::Timer::new, ($callback) $(, $name)?)
    };
}

impl<T: TimerCallback> Timer<T> {
    /// Made by [`new_timer!`](crate::new_timer!). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ESHUTDOWN` while the module is being unloaded.
    pub fn new(callback: T, name: &'static CStr, key: &'static LockClassKey) -> Result<Self> {
        let inner = Inner {
            timer: Opaque::uninit(),
            callback: UnsafeCell::new(callback),
        };
        let inner = Source::new(inner, |inner| {
            // SAFETY: a `Source` keeps it where it is; name and key are static.
            unsafe {
                bindings::lkm_timer_setup(
                    inner.timer.get(),
                    Some(run::<T>),
                    name.as_char_ptr(),
                    key.as_ptr(),
                );
            }
        })?;
        // INVARIANT: just initialised.
        Ok(Self { inner })
    }

    /// Has the callback called `delay` from now; any context.
    ///
    /// A timer that is pending already is moved; one that is running is moved
    /// by what its callback returns.
    pub fn start(&self, delay: Delta) {
        self.inner.start(delay);
    }

    /// Makes the timer idle: it is neither pending nor running any more.
    ///
    /// May sleep; not to be called from the callback itself, nor with a lock
    /// held that the callback takes.
    pub fn cancel(&self) {
        self.inner.quiesce();
    }
}

impl<T: TimerCallback> Inner<T> {
    fn start(&self, delay: Delta) {
        if !stopped() {
            // SAFETY: initialised, by the invariant of `Timer`.
            unsafe { bindings::lkm_mod_timer_after(self.timer.get(), delay.as_millis_ceil()) };
        }
    }
}

// SAFETY: `del_timer_sync` waits for a running function, and takes back
// what that has started.
unsafe impl<T: TimerCallback> Quiesce for Inner<T> {
    fn quiesce(&self) {
        // SAFETY: initialised, by the invariant of `Timer`.
        unsafe { bindings::lkm_del_timer_sync(self.timer.get()) };
    }
}

/// # Safety
///
/// `timer` is the first field of an `Inner<T>`; called by the timer core alone.
unsafe extern "C" fn run<T: TimerCallback>(timer: *mut bindings::timer_list) {
    // SAFETY: by this function's requirement, and a `Source` outlives its
    // callbacks; `Inner` is `repr(C)`.
    let inner = unsafe { &*timer.cast::<Inner<T>>() };
    // SAFETY: nobody but this function looks at it, and the timer core never
    // runs a timer's function twice at a time.
    let callback = unsafe { &mut *inner.callback.get() };
    if let TimerRestart::Restart(delay) = callback.run() {
        inner.start(delay);
    }
}
