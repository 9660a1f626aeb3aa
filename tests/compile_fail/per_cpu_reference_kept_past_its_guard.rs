// SPDX-License-Identifier: GPL-2.0

//! What a CPU has for itself is found for as long as one stays on that CPU.

use core::sync::atomic::AtomicU64;
use lkm::percpu::{with_preempt_disabled, PerCpu};

/// Would use this CPU's from another.
pub fn misuse(per_cpu: &PerCpu<AtomicU64>) -> &AtomicU64 {
    with_preempt_disabled(|guard| per_cpu.get(guard)) //~ ERROR lifetime may not live long enough
}
