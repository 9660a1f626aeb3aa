// SPDX-License-Identifier: GPL-2.0

//! Interrupts, and the CPU that code runs on.
//!
//! C headers: `include/linux/irqflags.h` and `include/linux/smp.h`.

use crate::bindings;

/// Runs `f` with this CPU's interrupts off, then sets them to what they were.
///
/// Any context. `f` must not sleep.
pub fn with_irqs_disabled<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: always allowed.
    let flags = unsafe { bindings::lkm_local_irq_save() };
    let ret = f();
    // SAFETY: flags that were saved; they say whether interrupts are on. (It
    // is the same CPU, unless `f` has dropped an older guard or has slept.)
    unsafe { bindings::lkm_local_irq_restore(flags) };
    ret
}

/// Whether this is process context, and no reader of RCU; if not, the kernel
/// warns of the caller.
///
/// What would sleep asks first, and does without if it must not.
#[inline]
pub(crate) fn may_sleep() -> bool {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_may_sleep() }
}

/// The number of the CPU that runs this; any context.
///
/// Only a hint where preemption is on: it may be another CPU by now.
#[inline]
pub fn smp_processor_id() -> u32 {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_smp_processor_id() }
}
