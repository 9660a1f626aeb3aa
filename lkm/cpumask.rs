// SPDX-License-Identifier: GPL-2.0

//! Which CPUs there are.
//!
//! C header: `include/linux/cpumask.h`.
//!
//! A CPU is *possible* if it is there or may be plugged in: that is settled
//! at boot. It is *online* while it runs threads; for what comes and goes with
//! it see [`crate::cpuhp`].

use crate::bindings;
use core::ffi::c_uint;

/// The number of a possible CPU.
///
/// # Invariants
///
/// The CPU is in `cpu_possible_mask`, which does not change after boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(u32);

impl Cpu {
    /// The possible CPU of this number, if there is one; any context.
    #[inline]
    pub fn from_number(number: u32) -> Option<Self> {
        // SAFETY: always allowed; a number that is too high is not possible.
        // INVARIANT: just checked.
        unsafe { bindings::lkm_cpu_possible(number) }.then(|| Self(number))
    }

    /// # Safety
    ///
    /// The CPU is possible.
    #[inline]
    pub(crate) unsafe fn from_number_unchecked(number: u32) -> Self {
        // INVARIANT: the caller's promise.
        Self(number)
    }

    /// Its number, below [`nr_cpu_ids`].
    #[inline]
    pub fn number(self) -> u32 {
        self.0
    }

    /// Whether it is online; any context. It may not be any more when this
    /// returns.
    #[inline]
    pub fn is_online(self) -> bool {
        // SAFETY: possible, by the invariant.
        unsafe { bindings::lkm_cpu_online(self.0) }
    }
}

/// One more than the highest number that a CPU can have; any context.
#[inline]
pub fn nr_cpu_ids() -> u32 {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_nr_cpu_ids() }
}

/// All CPUs that can ever be there, in the order of their numbers; any context.
#[inline]
pub fn possible_cpus() -> impl Iterator<Item = Cpu> {
    cpus(bindings::lkm_next_possible_cpu)
}

/// The CPUs that are online, in the order of their numbers; any context.
///
/// Only a hint: they may come and go meanwhile.
#[inline]
pub fn online_cpus() -> impl Iterator<Item = Cpu> {
    cpus(bindings::lkm_next_online_cpu)
}

/// How many [`possible_cpus`] there are.
#[inline]
pub fn num_possible_cpus() -> usize {
    // SAFETY: it may be called at any time.
    unsafe { bindings::lkm_num_possible_cpus() as usize }
}

/// How many CPUs are online. Only a hint, as [`online_cpus`] is.
#[inline]
pub fn num_online_cpus() -> usize {
    // SAFETY: it may be called at any time.
    unsafe { bindings::lkm_num_online_cpus() as usize }
}

/// The CPUs that `next` finds: it gives the first in its mask from a number
/// on, or at least `nr_cpu_ids` if there is none, and may be called with any
/// number up to that. Its mask is a part of `cpu_possible_mask`.
#[inline]
fn cpus(next: unsafe extern "C" fn(c_uint) -> c_uint) -> impl Iterator<Item = Cpu> {
    let mut from = 0;
    core::iter::from_fn(move || {
        // SAFETY: `from` is 0, or one more than the number of a CPU.
        let number = unsafe { next(from) };
        (number < nr_cpu_ids()).then(|| {
            from = number.wrapping_add(1);
            // INVARIANT: it is in the mask.
            Cpu(number)
        })
    })
}
