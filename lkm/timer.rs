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
};
use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU64, Ordering},
};

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

type Inner<T> = Source<bindings::timer_list, Data<T>>;

struct Data<T> {
    /// The jiffy before which the callback is not to be called. C's timer may expire
    /// before that, and is then started again.
    aim: AtomicU64,
    /// Only the timer's function looks at it.
    callback: UnsafeCell<T>,
}

/// A `timer_list` with its callback's data.
///
/// Times are rounded up to whole ticks, and long ones to the timer wheel's
/// step, up to an eighth more; for exact times see [`crate::hrtimer`]. Those that
/// are too long for the wheel, which has room for some weeks, take several turns.
///
/// Dropping it cancels it, waits, and drops the data. See [`new_timer!`](crate::new_timer!).
///
/// # Invariants
///
/// Only the C timer's function accesses the callback.
pub struct Timer<T: TimerCallback> {
    inner: Inner<T>,
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
    #[cold]
    pub fn new(callback: T, name: &'static CStr, key: &'static LockClassKey) -> Result<Self> {
        let data = Data {
            aim: AtomicU64::new(0),
            callback: UnsafeCell::new(callback),
        };
        let inner = Source::new(data, |timer| {
            // SAFETY: a `Source` keeps it where it is; name and key are static.
            unsafe {
                bindings::lkm_timer_setup(timer, Some(run::<T>), name.as_char_ptr(), key.as_ptr());
            }
        })?;
        // INVARIANT: it is not started yet.
        Ok(Self { inner })
    }

    /// Has the callback called `delay` from now; any context.
    ///
    /// A timer that is pending already is moved; one that is running is moved
    /// by what its callback returns.
    pub fn start(&self, delay: Delta) {
        let timer = self.inner.object();
        // SAFETY: it stays while it is borrowed.
        unsafe { start(timer, &self.inner, delay) };
    }

    /// Makes the timer idle: it is neither pending nor running any more.
    ///
    /// May sleep; not to be called from the callback itself, nor with a lock
    /// held that the callback takes.
    pub fn cancel(&self) {
        self.inner.quiesce();
    }
}

// SAFETY: `del_timer_sync` waits for a running function, and takes back
// what that has started.
unsafe impl Quiesce for bindings::timer_list {
    unsafe fn quiesce(this: *mut Self) {
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe { bindings::lkm_del_timer_sync(this) };
    }
}

/// # Safety
///
/// `timer` is the object of an `Inner<T>` that stays meanwhile, and `data` its value.
unsafe fn start<T>(timer: *mut bindings::timer_list, data: &Data<T>, delay: Delta) {
    if !stopped() {
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe {
            let aim = bindings::lkm_jiffies().wrapping_add(delay.as_jiffies_ceil());
            // Relaxed: the timer core's lock is between it and the function.
            data.aim.store(aim, Ordering::Relaxed);
            bindings::mod_timer(timer, aim);
        }
    }
}

/// # Safety
///
/// `timer` is the object of an `Inner<T>`; called by the timer core alone.
unsafe extern "C" fn run<T: TimerCallback>(timer: *mut bindings::timer_list) {
    // SAFETY: by this function's requirement, and a `Source` outlives its callbacks.
    let data = unsafe { Inner::<T>::value_of(timer) };
    let aim = data.aim.load(Ordering::Relaxed);
    // SAFETY: always allowed.
    if aim > unsafe { bindings::lkm_jiffies() } {
        // It was the wheel's turn only. Another thread may start the timer meanwhile:
        // that makes it pending, and this could move it to sooner only, to where it
        // is found to be early once more. Who stops the module waits for this, and
        // takes it back.
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe { bindings::timer_reduce(timer, aim) };
        return;
    }
    // SAFETY: nobody but this function looks at it, and the timer core never
    // runs a timer's function twice at a time.
    let callback = unsafe { &mut *data.callback.get() };
    if let TimerRestart::Restart(delay) = callback.run() {
        // SAFETY: as above.
        unsafe { start(timer, data, delay) };
    }
}
