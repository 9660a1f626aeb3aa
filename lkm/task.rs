// SPDX-License-Identifier: GPL-2.0

//! The thread that runs this.
//!
//! C header: `include/linux/sched/signal.h`.

use crate::bindings;

/// Whether the thread is about to be killed: what takes long, and is not a
/// wait that a signal ends, should end with `EINTR`. Process context.
#[inline]
pub fn fatal_signal_pending() -> bool {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_fatal_signal_pending() }
}
