// SPDX-License-Identifier: GPL-2.0

//! Timers with the resolution of the hardware.
//!
//! C header: `include/linux/hrtimer.h`.
//!
//! ```text
//!            start                    the time has come
//!   idle ─────────────> pending ────────────────────────> running
//!    ^ ^                │    ^                            │   │
//!    │ └──── cancel ────┘    └───────── Forward(t) ───────┘   │
//!    └────────────────────── NoRestart ───────────────────────┘
//! ```
//!
//! `cancel` also waits for one that is running, and undoes its restart.

use crate::{
    bindings,
    error::Result,
    source::{stopped, Quiesce, Source},
    time::Delta,
};
use core::cell::UnsafeCell;

/// What an [`HrTimer`] calls.
pub trait HrTimerCallback: Send + 'static {
    /// Called when the time has come; hard interrupt context with this CPU's
    /// interrupts off. Must not sleep or allocate.
    ///
    /// The kernel runs a timer on one CPU at a time, so this has its data to
    /// itself.
    fn run(&mut self) -> HrTimerRestart;
}

/// Whether a timer goes on.
pub enum HrTimerRestart {
    /// It is idle now.
    NoRestart,
    /// It is called again this long after the time for which it was set, or,
    /// if that is past, at the next multiple. At least a microsecond.
    Forward(Delta),
}

/// Only the timer's function looks at the callback.
type Inner<T> = Source<bindings::hrtimer, UnsafeCell<T>>;

/// A `hrtimer` (`CLOCK_MONOTONIC`) with its callback's data.
///
/// Dropping it cancels it, waits, and drops the data.
///
/// # Invariants
///
/// Only the C timer's function accesses the callback.
pub struct HrTimer<T: HrTimerCallback> {
    inner: Inner<T>,
}

// SAFETY: the C timer has a lock of its own, and the data, which may be sent
// to where it is called and dropped, is never shared.
unsafe impl<T: HrTimerCallback> Send for HrTimer<T> {}
// SAFETY: as above.
unsafe impl<T: HrTimerCallback> Sync for HrTimer<T> {}

impl<T: HrTimerCallback> HrTimer<T> {
    /// Makes an idle timer. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ESHUTDOWN` while the module is being unloaded.
    #[cold]
    pub fn new(callback: T) -> Result<Self> {
        let inner = Source::new(UnsafeCell::new(callback), |timer| {
            // SAFETY: a `Source` keeps it where it is. Nothing else sets the
            // function, and the timer is not started before it is set.
            unsafe {
                bindings::hrtimer_init(
                    timer,
                    bindings::CLOCK_MONOTONIC as _,
                    bindings::hrtimer_mode_HRTIMER_MODE_REL_HARD,
                );
                core::ptr::addr_of_mut!((*timer).function).write(Some(run::<T>));
            }
        })?;
        // INVARIANT: it is not started yet.
        Ok(Self { inner })
    }

    /// Has the callback called `delay` from now; any context. What is negative
    /// is 0.
    ///
    /// A timer that is pending already is moved; one that is running is moved
    /// by what its callback returns.
    pub fn start(&self, delay: Delta) {
        if !stopped() {
            // SAFETY: initialised, by the invariant of `Source`.
            unsafe {
                bindings::hrtimer_start_range_ns(
                    self.inner.object(),
                    delay.as_nanos().max(0),
                    0,
                    bindings::hrtimer_mode_HRTIMER_MODE_REL_HARD,
                );
            }
        }
    }

    /// Makes the timer idle: it is neither pending nor running any more.
    ///
    /// May sleep; not to be called from the callback itself, nor with a lock
    /// held that the callback takes.
    pub fn cancel(&self) {
        self.inner.quiesce();
    }
}

// SAFETY: `hrtimer_cancel` waits for a running function, and takes back its
// restart.
unsafe impl Quiesce for bindings::hrtimer {
    unsafe fn quiesce(this: *mut Self) {
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe { bindings::hrtimer_cancel(this) };
    }
}

/// # Safety
///
/// `timer` is the object of an `Inner<T>`; called by the hrtimer core alone.
unsafe extern "C" fn run<T: HrTimerCallback>(
    timer: *mut bindings::hrtimer,
) -> bindings::hrtimer_restart {
    // SAFETY: by this function's requirement, and a `Source` outlives its callbacks.
    let callback = unsafe { Inner::<T>::value_of(timer) };
    // SAFETY: nobody but this function looks at it, and the hrtimer core never
    // runs a timer's function twice at a time.
    let callback = unsafe { &mut *callback.get() };
    if let (HrTimerRestart::Forward(interval), false) = (callback.run(), stopped()) {
        // SAFETY: as above. Another thread's `start` may change it meanwhile;
        // then this is the old time or the new one.
        let expired = unsafe { core::ptr::addr_of!((*timer).node.expires).read_volatile() };
        // Not `hrtimer_forward` and a restart: those need a timer that nobody
        // else starts while its function runs. This takes the timer's lock.
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe {
            bindings::hrtimer_start_range_ns(
                timer,
                next_multiple(expired, interval.as_nanos(), bindings::ktime_get()),
                0,
                bindings::hrtimer_mode_HRTIMER_MODE_ABS_HARD,
            );
        }
    }
    bindings::hrtimer_restart_HRTIMER_NORESTART
}

/// The first of `from + interval`, `from + 2 * interval`, … after `now`.
fn next_multiple(from: i64, interval: i64, now: i64) -> i64 {
    // Under a microsecond this CPU would do nothing else any more.
    let interval = interval.max(1_000);
    let next = from.saturating_add(interval);
    if next > now {
        return next;
    }
    let missed = now.wrapping_sub(next) as u64 / interval as u64;
    next.saturating_add(interval.saturating_mul(missed.wrapping_add(1) as i64))
}
