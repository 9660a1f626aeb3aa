// SPDX-License-Identifier: GPL-2.0

//! The thread that runs this.
//!
//! C headers: `include/linux/sched.h` and `include/linux/sched/signal.h`.

use crate::{bindings, irq::may_sleep, types::Opaque};

/// A thread, for as long as it is borrowed.
///
/// # Invariants
///
/// It lies where a live `task_struct` does. (That may be shorter than C's type
/// says, so this has no size.)
#[repr(transparent)]
pub struct Task(Opaque<()>);

// SAFETY: its methods may be called by any thread.
unsafe impl Sync for Task {}

impl Task {
    /// Whether it is about to be killed: what it waits for is better given up.
    /// Any context.
    pub fn fatal_signal_pending(&self) -> bool {
        // SAFETY: a live thread, by the invariant; C looks at its flags alone.
        unsafe { bindings::lkm_fatal_signal_pending(self.0.get().cast()) }
    }
}

/// Calls `f` with the thread that this is. `f` may lend it to others, who work for
/// this one until then. Process context.
pub fn with_current<R>(f: impl FnOnce(&Task) -> R) -> R {
    // SAFETY: it lives for as long as it runs `f`, which cannot keep it.
    // INVARIANT: so does what is borrowed.
    f(unsafe { &*bindings::lkm_current().cast::<Task>() })
}

/// Whether the thread is about to be killed: what takes long, and is not a
/// wait that a signal ends, should end with `EINTR`. Process context.
#[inline]
pub fn fatal_signal_pending() -> bool {
    with_current(Task::fatal_signal_pending)
}

/// Lets other threads run, if it is their turn; process context, may sleep. Where
/// one must not, it warns and does nothing.
///
/// What takes long calls it now and then: without it, a kernel that does not
/// preempt itself would have them wait for the end.
pub fn cond_resched() {
    if may_sleep() {
        // SAFETY: process context, as was checked.
        unsafe { bindings::lkm_cond_resched() };
    }
}
